//! Counters that one thread writes and any thread reads: connections, refusals, answers by status and by latency.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tonic::Code;

/// Inclusive upper bounds of the buckets; the same numbers as `LATENCY_BOUNDS_US` of `interface.py`,
/// where a test compares them.
pub const LATENCY_BOUNDS_US: [u64; 20] = [
    50, 75, 100, 150, 200, 300, 400, 500, 750, 1_000, 1_500, 2_000, 3_000, 4_000, 5_000, 7_500,
    10_000, 15_000, 25_000, 50_000,
];

/// gRPC status codes are 0 to 16.
const STATUS_CODE_COUNT: usize = 17;

/// Counts of one method since the start.
#[derive(Default)]
pub struct MethodCounters {
    statuses: [AtomicU64; STATUS_CODE_COUNT],
    latencies: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    latency_sum_ns: AtomicU64,
}

impl MethodCounters {
    /// Counts one answer and how long it took.
    pub fn record_answer(&self, code: Code, latency: Duration) {
        let latency_ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_US.partition_point(|bound_us| bound_us * 1_000 < latency_ns);
        self.record_status(code);
        self.latencies[bucket].fetch_add(1, Relaxed);
        self.latency_sum_ns.fetch_add(latency_ns, Relaxed);
    }

    /// Counts the end of a call that was no answer, such as its caller's leaving.
    pub fn record_status(&self, code: Code) {
        self.statuses[code as usize].fetch_add(1, Relaxed);
    }

    /// Answers by status code, answers by bucket, the sum of latencies in microseconds.
    pub fn snapshot(&self) -> (Vec<u64>, Vec<u64>, u64) {
        let read = |counters: &[AtomicU64]| counters.iter().map(|c| c.load(Relaxed)).collect();
        let sum_us = self.latency_sum_ns.load(Relaxed) / 1_000;
        (read(&self.statuses), read(&self.latencies), sum_us)
    }
}

/// All that a server counts.
pub struct Counters {
    /// In the order of the configuration.
    pub methods: Vec<MethodCounters>,
    pub connection_count: AtomicUsize,
    /// Calls and connections refused by a limit of the transport.
    refused_count: AtomicU64,
}

impl Counters {
    pub fn new(method_count: usize) -> Self {
        Self {
            methods: (0..method_count)
                .map(|_| MethodCounters::default())
                .collect(),
            connection_count: AtomicUsize::new(0),
            refused_count: AtomicU64::new(0),
        }
    }

    pub fn refuse(&self) {
        self.refused_count.fetch_add(1, Relaxed);
    }

    pub fn connection_count(&self) -> usize {
        self.connection_count.load(Relaxed)
    }

    pub fn refused_count(&self) -> u64 {
        self.refused_count.load(Relaxed)
    }
}
