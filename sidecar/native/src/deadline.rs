//! A caller's deadline: grpc-timeout in, an instant for the local timer and CLOCK_BOOTTIME for Python out.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::status::refusal;

/// When a caller stops waiting.
#[derive(Clone, Copy, Default)]
pub struct Deadline {
    /// For the local timer; None: never, or too far away to matter.
    pub at: Option<Instant>,
    /// The same moment on CLOCK_BOOTTIME, 0 for none.
    pub boottime_ns: i64,
}

impl Deadline {
    /// Reads grpc-timeout of a call that arrived at `arrived`.
    pub fn read(headers: &HeaderMap, arrived: Instant) -> Result<Self, Status> {
        let Some(value) = headers.get("grpc-timeout") else {
            return Ok(Self::default());
        };
        let timeout = parse_timeout(value.as_bytes()).ok_or_else(|| {
            let message = "grpc-timeout is not 1 to 8 digits and a unit of H, M, S, m, u, n";
            refusal(Code::InvalidArgument, "MALFORMED_TIMEOUT", message)
        })?;
        let timeout_ns = i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX);
        Ok(Self {
            at: arrived.checked_add(timeout),
            boottime_ns: boottime_ns().saturating_add(timeout_ns),
        })
    }
}

/// The answer that a caller gets when its deadline passes.
pub fn exceeded() -> Status {
    let message = "the deadline passed before the answer";
    refusal(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message)
}

fn parse_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let amount: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(amount * 3_600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// Nanoseconds since boot, sleep included.
fn boottime_ns() -> i64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid timespec for the length of the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut now) };
    assert_eq!(result, 0, "CLOCK_BOOTTIME is readable");
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
