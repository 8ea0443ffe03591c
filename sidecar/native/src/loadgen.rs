//! The load generator of the benchmark harness. Registers its classes in the extension module.
//!
//! Knows gRPC and templates of bytes, nothing of what they mean. Down the flow: `runner` drives `http2` connections
//! over `socket`s, `pacing` says when, `scenario` says what, `report` keeps the figures.

use std::sync::Mutex;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

mod hpack;
mod http2;
mod pacing;
mod report;
mod runner;
mod scenario;
mod socket;

use pacing::Pacing;
use report::{Histogram, LoadReport};
use runner::{Plan, Replayed};
use scenario::{NUMBER_DIGITS, Step, StepSpec, prefixed, read_steps};

/// Connections that one generator may open.
const MAX_CONNECTIONS: usize = 1_024;

/// Adds the load generator's names to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("NUMBER_DIGITS", NUMBER_DIGITS)?;
    module.add_class::<Histogram>()?;
    module.add_class::<LoadReport>()?;
    module.add_class::<LoadGenerator>()
}

/// Sends work items to one server, in one of four manners, and measures them.
#[pyclass(frozen, module = "holdfast_sidecar._native")]
struct LoadGenerator {
    target: String,
    connection_count: usize,
    steps: Vec<Step>,
    next_number: Mutex<u64>,
}

#[pymethods]
impl LoadGenerator {
    #[new]
    fn new(
        target: String,
        steps: Vec<StepSpec>,
        connection_count: usize,
        first_number: u64,
    ) -> PyResult<Self> {
        check(
            (1..=MAX_CONNECTIONS).contains(&connection_count),
            "connection_count is 1 to 1024",
        )?;
        Ok(Self {
            target,
            connection_count,
            steps: read_steps(steps)?,
            next_number: Mutex::new(first_number),
        })
    }

    /// Keeps `in_flight` items under way until the time is over or `max_item_count` have started.
    #[pyo3(signature = (in_flight, warmup_s, seconds, max_item_count=None))]
    fn closed(
        &self,
        py: Python<'_>,
        in_flight: usize,
        warmup_s: f64,
        seconds: f64,
        max_item_count: Option<u64>,
    ) -> PyResult<LoadReport> {
        check(in_flight > 0, "in_flight is at least 1")?;
        let plan = plan(Pacing::Closed { in_flight }, warmup_s, seconds)?;
        let max_item_count = max_item_count.unwrap_or(u64::MAX);
        self.run(
            py,
            Plan {
                max_item_count,
                ..plan
            },
        )
    }

    /// Starts `rate_per_s` items a second, evenly, however long they take.
    fn open(
        &self,
        py: Python<'_>,
        rate_per_s: f64,
        warmup_s: f64,
        seconds: f64,
    ) -> PyResult<LoadReport> {
        check(
            rate_per_s.is_finite() && rate_per_s > 0.0,
            "rate_per_s is above 0",
        )?;
        let interval_ns = 1e9 / rate_per_s;
        self.run(py, plan(Pacing::Open { interval_ns }, warmup_s, seconds)?)
    }

    /// Starts `size` items at one moment, each `period_us`.
    fn bursts(
        &self,
        py: Python<'_>,
        size: usize,
        period_us: u64,
        warmup_s: f64,
        seconds: f64,
    ) -> PyResult<LoadReport> {
        check(
            size > 0 && period_us > 0,
            "size and period_us are at least 1",
        )?;
        let period_ns = period_us.saturating_mul(1_000);
        self.run(
            py,
            plan(Pacing::Bursts { size, period_ns }, warmup_s, seconds)?,
        )
    }

    /// Sends each (due_us, step, payload) at its time from the start; the times ascend.
    fn replay(
        &self,
        py: Python<'_>,
        calls: Vec<(u64, usize, Vec<u8>)>,
        warmup_s: f64,
    ) -> PyResult<LoadReport> {
        check(calls.is_sorted_by_key(|call| call.0), "the times ascend")?;
        check(
            calls.iter().all(|call| call.1 < self.steps.len()),
            "a call names a step that there is",
        )?;
        let last_us = calls.last().map_or(0, |call| call.0);
        let measured_s = (last_us as f64 / 1e6 - warmup_s).max(0.0) + 1e-3;
        let due_ns = calls
            .iter()
            .map(|call| call.0.saturating_mul(1_000))
            .collect();
        let payloads = calls.iter().map(|call| (call.1, prefixed(&call.2)));
        let replayed: Option<Replayed> = Some(payloads.collect());
        let plan = plan(Pacing::Replay { due_ns }, warmup_s, measured_s)?;
        self.run(py, Plan { replayed, ..plan })
    }
}

impl LoadGenerator {
    fn run(&self, py: Python<'_>, plan: Plan) -> PyResult<LoadReport> {
        let (tally, seconds, next) = py.detach(|| {
            let mut next_number = self.next_number.lock().expect("no run panicked");
            let figures = runner::run(
                &self.target,
                self.connection_count,
                &self.steps,
                plan,
                *next_number,
            )?;
            *next_number = figures.2;
            PyResult::Ok(figures)
        })?;
        tally.into_report(py, seconds, next)
    }
}

fn plan(pacing: Pacing, warmup_s: f64, seconds: f64) -> PyResult<Plan> {
    let is_legal = |value: f64| (0.0..=86_400.0).contains(&value);
    check(
        is_legal(warmup_s) && is_legal(seconds) && seconds > 0.0,
        "warmup_s and seconds are 0 to 86400",
    )?;
    Ok(Plan {
        pacing,
        warmup_ns: (warmup_s * 1e9) as u64,
        measured_ns: (seconds * 1e9) as u64,
        max_item_count: u64::MAX,
        replayed: None,
    })
}

fn check(is_legal: bool, message: &'static str) -> PyResult<()> {
    if is_legal {
        Ok(())
    } else {
        Err(PyValueError::new_err(message))
    }
}
