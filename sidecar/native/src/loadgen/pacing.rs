//! When work items are due: at once after another, at a fixed rate, in bursts, or as a schedule says.

/// The manner of a run.
pub enum Pacing {
    /// A number of items in flight; each is followed by the next.
    Closed { in_flight: usize },
    /// One item each `interval_ns`, however long the earlier ones take.
    Open { interval_ns: f64 },
    /// `size` items at one moment, each `period_ns`.
    Bursts { size: usize, period_ns: u64 },
    /// Item by item at its time, in nanoseconds from the start, ascending.
    Replay { due_ns: Vec<u64> },
}

impl Pacing {
    /// When item `index` is due, in nanoseconds from the start; None: not by the clock, or never.
    pub fn due_ns(&self, index: u64) -> Option<u64> {
        match self {
            Self::Closed { in_flight } => (index < *in_flight as u64).then_some(0),
            Self::Open { interval_ns } => Some((index as f64 * interval_ns) as u64),
            Self::Bursts { size, period_ns } => Some(index / *size as u64 * period_ns),
            Self::Replay { due_ns } => due_ns.get(index as usize).copied(),
        }
    }

    /// Whether the end of an item starts the next one.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }

    /// How many items make a burst.
    pub fn burst_size(&self) -> Option<usize> {
        match self {
            Self::Bursts { size, .. } => Some(*size),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_due_in_their_manner() {
        let due = |pacing: &Pacing| (0..5).map(|i| pacing.due_ns(i)).collect::<Vec<_>>();
        let closed = Pacing::Closed { in_flight: 2 };
        assert_eq!(due(&closed), [Some(0), Some(0), None, None, None]);
        let open = Pacing::Open { interval_ns: 1.5 };
        assert_eq!(due(&open), [Some(0), Some(1), Some(3), Some(4), Some(6)]);
        let bursts = Pacing::Bursts {
            size: 2,
            period_ns: 10,
        };
        assert_eq!(
            due(&bursts),
            [Some(0), Some(0), Some(10), Some(10), Some(20)]
        );
        let replay = Pacing::Replay { due_ns: vec![3, 4] };
        assert_eq!(due(&replay), [Some(3), Some(4), None, None, None]);
    }
}
