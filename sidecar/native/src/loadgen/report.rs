//! What a run found: counts and HDR histograms, as Python sees them.

use std::collections::BTreeMap;

use hdrhistogram::Histogram as Hdr;
use pyo3::prelude::*;

/// Latencies kept apart: 1 µs to 60 s, three significant digits.
const MAX_LATENCY_US: u64 = 60_000_000;
const DIGITS: u8 = 3;

const STATUS_COUNT: usize = super::hpack::MAX_STATUS as usize + 1;

/// Latencies of one kind.
#[pyclass(frozen, module = "holdfast_sidecar._native")]
pub struct Histogram {
    hdr: Hdr<u32>,
}

impl Histogram {
    pub fn new() -> Self {
        let hdr = Hdr::new_with_bounds(1, MAX_LATENCY_US, DIGITS);
        Self {
            hdr: hdr.expect("the bounds are legal"),
        }
    }

    /// Records a latency; what passes the bounds is recorded at the bound.
    pub fn record(&mut self, latency_ns: u64) {
        self.hdr
            .saturating_record(latency_ns.div_ceil(1_000).max(1));
    }
}

#[pymethods]
impl Histogram {
    #[getter]
    fn count(&self) -> u64 {
        self.hdr.len()
    }

    #[getter]
    fn max_us(&self) -> u64 {
        self.hdr.max()
    }

    fn percentile_us(&self, percent: f64) -> u64 {
        self.hdr.value_at_quantile(percent / 100.0)
    }

    fn buckets(&self) -> Vec<(u64, u64)> {
        let recorded = self.hdr.iter_recorded();
        recorded
            .map(|step| (step.value_iterated_to(), step.count_at_value().into()))
            .collect()
    }
}

/// The figures of one run.
#[pyclass(frozen, get_all, module = "holdfast_sidecar._native")]
pub struct LoadReport {
    pub seconds: f64,
    pub call_count: u64,
    pub item_count: u64,
    pub throughput_per_s: f64,
    pub status_counts: BTreeMap<u8, u64>,
    pub unexpected_count: u64,
    pub unanswered_count: u64,
    pub next_number: u64,
    pub call_latency: Py<Histogram>,
    pub item_latency: Py<Histogram>,
    pub burst_latency: Py<Histogram>,
}

/// The figures while the run goes on.
pub struct Tally {
    /// Calls answered within the measured phase, whenever they were due: the throughput.
    pub answered_in_phase: u64,
    pub item_count: u64,
    pub statuses: [u64; STATUS_COUNT],
    pub unexpected_count: u64,
    pub unanswered_count: u64,
    pub calls: Histogram,
    pub items: Histogram,
    pub bursts: Histogram,
}

impl Tally {
    pub fn new() -> Self {
        Self {
            answered_in_phase: 0,
            item_count: 0,
            statuses: [0; STATUS_COUNT],
            unexpected_count: 0,
            unanswered_count: 0,
            calls: Histogram::new(),
            items: Histogram::new(),
            bursts: Histogram::new(),
        }
    }

    pub fn into_report(
        self,
        py: Python<'_>,
        seconds: f64,
        next_number: u64,
    ) -> PyResult<LoadReport> {
        let counted = (0_u8..).zip(self.statuses).filter(|(_, count)| *count > 0);
        Ok(LoadReport {
            seconds,
            call_count: self.statuses.iter().sum(),
            item_count: self.item_count,
            throughput_per_s: self.answered_in_phase as f64 / seconds,
            status_counts: counted.collect(),
            unexpected_count: self.unexpected_count,
            unanswered_count: self.unanswered_count,
            next_number,
            call_latency: Py::new(py, self.calls)?,
            item_latency: Py::new(py, self.items)?,
            burst_latency: Py::new(py, self.bursts)?,
        })
    }
}
