//! One run: starts work items when they are due, carries them through their steps, and records what it took.
//!
//! Latency counts from the moment at which a call was meant to be sent, so that a server that stalls is charged
//! for every call that it held up (no coordinated omission).

use std::io;
use std::time::Instant;

use pyo3::PyErr;
use pyo3::exceptions::PyConnectionError;
use pyo3::prelude::*;
use rustc_hash::FxHashMap;

use super::http2::{Broken, Completion, Connection, Outgoing};
use super::pacing::Pacing;
use super::report::Tally;
use super::scenario::{MAX_STEPS, Numbers, Step};
use super::socket::{self, Socket};

/// How long a server may take for its first words.
const INTRODUCTION_NS: u64 = 10_000_000_000;

/// How long after the end answers are waited for.
const DRAIN_NS: u64 = 10_000_000_000;

/// Longest wait in one go.
const MAX_WAIT_NS: u64 = 100_000_000;

/// Payloads that were made beforehand, item by item; each is one call of the step named.
pub type Replayed = Vec<(usize, Vec<u8>)>;

/// What one run does.
pub struct Plan {
    pub pacing: Pacing,
    pub warmup_ns: u64,
    pub measured_ns: u64,
    /// Items after which the run ends early.
    pub max_item_count: u64,
    pub replayed: Option<Replayed>,
}

struct Link {
    socket: Socket,
    connection: Connection,
}

/// A work item in flight; exactly one of its calls is under way.
#[derive(Clone, Copy)]
struct Item {
    index: u64,
    link: usize,
    step: usize,
    started_ns: u64,
    /// When the call under way was meant to be sent.
    intended_ns: u64,
    numbers: Numbers,
}

/// The state of one run.
pub struct Runner<'a> {
    steps: &'a [Step],
    plan: Plan,
    links: Vec<Link>,
    items: Vec<Item>,
    free: Vec<u32>,
    open_count: usize,
    next_index: u64,
    next_number: u64,
    /// Items not yet ended of each burst, by the moment at which it was due.
    bursts: FxHashMap<u64, usize>,
    interests: Vec<libc::pollfd>,
    tally: Tally,
    epoch: Instant,
}

impl<'a> Runner<'a> {
    /// Connects `connection_count` times to `target`.
    pub fn connect(
        target: &str,
        connection_count: usize,
        steps: &'a [Step],
        plan: Plan,
        next_number: u64,
    ) -> io::Result<Self> {
        let authority = if target.starts_with("unix:") {
            "localhost"
        } else {
            target
        };
        let links = (0..connection_count)
            .map(|_| {
                Ok(Link {
                    socket: Socket::connect(target)?,
                    connection: Connection::new(authority, steps.len()),
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            steps,
            plan,
            links,
            items: Vec::new(),
            free: Vec::new(),
            open_count: 0,
            next_index: 0,
            next_number,
            bursts: FxHashMap::default(),
            interests: Vec::new(),
            tally: Tally::new(),
            epoch: Instant::now(),
        })
    }

    /// Runs to the end; returns the figures, the seconds measured and the next free number.
    pub fn run(mut self) -> PyResult<(Tally, f64, u64)> {
        socket::sharpen_timers();
        let mut completions = Vec::new();
        self.introduce(&mut completions)?;
        self.epoch = Instant::now();
        loop {
            let now_ns = self.now_ns();
            self.start_due(now_ns);
            self.flush()?;
            if self.is_over(now_ns) {
                break;
            }
            self.wait(now_ns)?;
            for index in 0..self.links.len() {
                self.receive(index, &mut completions)?;
            }
        }
        self.count_unanswered();
        let seconds = self.measured_seconds();
        Ok((self.tally, seconds, self.next_number))
    }

    /// Exchanges settings with the server on every connection, before the time of the run begins.
    fn introduce(&mut self, completions: &mut Vec<Completion>) -> PyResult<()> {
        while !self.links.iter().all(|link| link.connection.is_introduced) {
            let now_ns = self.now_ns();
            if now_ns > INTRODUCTION_NS {
                let message = "the server did not send HTTP/2 settings in time";
                return Err(PyConnectionError::new_err(message));
            }
            self.flush()?;
            self.poll(MAX_WAIT_NS)?;
            for index in 0..self.links.len() {
                self.receive(index, completions)?;
            }
        }
        Ok(())
    }

    fn start_due(&mut self, now_ns: u64) {
        while self.may_start() {
            match self.plan.pacing.due_ns(self.next_index) {
                Some(due_ns) if due_ns <= now_ns && due_ns < self.end_ns() => {
                    self.start_item(due_ns);
                }
                _ => break,
            }
        }
    }

    fn start_item(&mut self, intended_ns: u64) {
        let item = Item {
            index: self.next_index,
            link: self.next_index as usize % self.links.len(),
            step: self.replayed_step().unwrap_or(0),
            started_ns: intended_ns,
            intended_ns,
            numbers: [0; MAX_STEPS],
        };
        self.next_index += 1;
        self.open_count += 1;
        if let Some(size) = self.plan.pacing.burst_size() {
            self.bursts.entry(intended_ns).or_insert(size);
        }
        let call = match self.free.pop() {
            Some(call) => {
                self.items[call as usize] = item;
                call
            }
            None => {
                self.items.push(item);
                self.items.len() as u32 - 1
            }
        };
        self.send(call);
    }

    fn replayed_step(&self) -> Option<usize> {
        let replayed = self.plan.replayed.as_ref()?;
        replayed
            .get(self.next_index as usize)
            .map(|(step, _)| *step)
    }

    fn send(&mut self, call: u32) {
        let item = &mut self.items[call as usize];
        let step = &self.steps[item.step];
        item.numbers[item.step] = self.next_number;
        self.next_number += step.number_count;
        let connection = &mut self.links[item.link].connection;
        let mut message = connection.message_buffer();
        match &self.plan.replayed {
            Some(replayed) => message.extend_from_slice(&replayed[item.index as usize].1),
            None => step.write(&item.numbers, &mut message),
        }
        let outgoing = Outgoing {
            call,
            step: item.step,
            message,
        };
        connection.send(outgoing, self.steps);
    }

    fn flush(&mut self) -> PyResult<()> {
        for link in &mut self.links {
            link.socket.flush(&mut link.connection.out)?;
        }
        Ok(())
    }

    /// Waits until the next item is due, at most.
    fn wait(&mut self, now_ns: u64) -> PyResult<()> {
        let due_ns = match self.plan.pacing.due_ns(self.next_index) {
            Some(due_ns) if self.may_start() => due_ns.min(self.end_ns()),
            _ => self.end_ns().max(now_ns + 1_000_000),
        };
        self.poll(due_ns.saturating_sub(now_ns).min(MAX_WAIT_NS))
    }

    /// Waits for answers, or for room to write.
    fn poll(&mut self, timeout_ns: u64) -> PyResult<()> {
        self.interests.clear();
        for link in &self.links {
            let wants_write = !link.connection.out.is_empty();
            self.interests.push(link.socket.interest(wants_write));
        }
        if !socket::wait(&mut self.interests, timeout_ns)? {
            Python::attach(|py| py.check_signals())?;
        }
        Ok(())
    }

    fn receive(&mut self, index: usize, completions: &mut Vec<Completion>) -> PyResult<()> {
        let Link { socket, connection } = &mut self.links[index];
        if self.interests[index].revents & !libc::POLLOUT == 0 || !socket.read()? {
            return Ok(());
        }
        let taken = connection
            .receive(socket.input(), self.steps, completions)
            .map_err(|Broken(reason)| PyConnectionError::new_err(reason))?;
        socket.take(taken);
        let now_ns = self.now_ns();
        for completion in completions.drain(..) {
            self.complete(&completion, now_ns);
        }
        Ok(())
    }

    fn complete(&mut self, completion: &Completion, now_ns: u64) {
        let item = self.items[completion.call as usize];
        let is_ok = completion.status == 0;
        if self.is_measured(now_ns) {
            self.tally.answered_in_phase += 1;
        }
        if self.is_measured(item.intended_ns) {
            self.tally.calls.record(now_ns - item.intended_ns);
            self.tally.statuses[usize::from(completion.status)] += 1;
            self.tally.unexpected_count += u64::from(is_ok && !completion.expected);
        }
        let has_more = self.plan.replayed.is_none() && item.step + 1 < self.steps.len();
        if completion.expected && has_more {
            let item = &mut self.items[completion.call as usize];
            item.step += 1;
            item.intended_ns = now_ns;
            return self.send(completion.call);
        }
        self.end_item(completion.call, &item, now_ns);
    }

    fn end_item(&mut self, call: u32, item: &Item, now_ns: u64) {
        self.free.push(call);
        self.open_count -= 1;
        if self.is_measured(item.started_ns) {
            self.tally.items.record(now_ns - item.started_ns);
            self.tally.item_count += 1;
        }
        self.end_burst_of(item, now_ns);
        if self.plan.pacing.is_closed() && now_ns < self.end_ns() && self.may_start() {
            self.start_item(now_ns);
        }
    }

    /// The last item of a burst to end is its slowest: all were meant to start at one moment.
    fn end_burst_of(&mut self, item: &Item, now_ns: u64) {
        let Some(left) = self.bursts.get_mut(&item.started_ns) else {
            return;
        };
        *left -= 1;
        if *left == 0 {
            self.bursts.remove(&item.started_ns);
            if self.is_measured(item.started_ns) {
                self.tally.bursts.record(now_ns - item.started_ns);
            }
        }
    }

    /// A call without an answer counts with the time that it has taken so far, so that it is not left out.
    fn count_unanswered(&mut self) {
        let now_ns = self.now_ns();
        let mut is_open = vec![true; self.items.len()];
        for call in &self.free {
            is_open[*call as usize] = false;
        }
        let measured = self.plan.warmup_ns..self.end_ns();
        for (item, _) in self
            .items
            .iter()
            .zip(is_open)
            .filter(|(_, is_open)| *is_open)
        {
            if measured.contains(&item.intended_ns) {
                self.tally.unanswered_count += 1;
                self.tally.calls.record(now_ns - item.intended_ns);
            }
            if self.bursts.remove(&item.started_ns).is_some() && measured.contains(&item.started_ns)
            {
                self.tally.bursts.record(now_ns - item.started_ns);
            }
        }
    }

    fn may_start(&self) -> bool {
        self.next_index < self.plan.max_item_count
    }

    /// Over: no item is in flight and none will start, or the answers have been waited for long enough.
    fn is_over(&self, now_ns: u64) -> bool {
        let next_due_ns = self.plan.pacing.due_ns(self.next_index);
        let more_due = self.may_start() && next_due_ns.is_some_and(|due_ns| due_ns < self.end_ns());
        let is_drained = self.open_count == 0 && !more_due;
        is_drained || now_ns >= self.end_ns().saturating_add(DRAIN_NS)
    }

    fn is_measured(&self, at_ns: u64) -> bool {
        (self.plan.warmup_ns..self.end_ns()).contains(&at_ns)
    }

    fn end_ns(&self) -> u64 {
        self.plan.warmup_ns.saturating_add(self.plan.measured_ns)
    }

    /// The length of the measured phase; of a run that ended with its last item, as far as it went.
    fn measured_seconds(&self) -> f64 {
        let ended_ns = if self.may_start() {
            self.end_ns()
        } else {
            self.now_ns().min(self.end_ns())
        };
        ended_ns.saturating_sub(self.plan.warmup_ns).max(1) as f64 / 1e9
    }

    fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }
}

/// Connects, runs, and says on failure what failed.
pub fn run(
    target: &str,
    connection_count: usize,
    steps: &[Step],
    plan: Plan,
    next_number: u64,
) -> PyResult<(Tally, f64, u64)> {
    let runner = Runner::connect(target, connection_count, steps, plan, next_number);
    runner.map_err(PyErr::from)?.run()
}
