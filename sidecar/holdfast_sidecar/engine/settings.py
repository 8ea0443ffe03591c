"""The engine's settings: every limit and duration it knows, with its default. Validated by the configuration."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Limits are counts of live items on this host; see `config.py` for the reasons."""

    default_hold_ttl_ms: int = 60_000
    max_hold_ttl_ms: int = 3_600_000
    outcome_retention_ms: int = 600_000
    outcome_limit: int = 1_000_000
    hold_limit: int = 1_000_000
    pool_limit: int = 100_000
    counter_limit: int = 100_000
    subject_limit: int = 1_000_000
    window_limit: int = 1_000_000
    lease_wait_ms: int = 1_000
    lease_horizon_ms: int = 10_000
    lease_idle_ms: int = 60_000
    lease_denied_retry_ms: int = 100
    """How long a "no" of the ledger holds for one pool before it is asked again."""
    unknown_retry_ms: int = 1_000
    """How long an "unknown" of the ledger holds."""
    partition_after_ms: int = 3_000
    event_future_ms: int = 300_000
    """How far ahead of the clock an event's time may be."""
    event_grace_ms: int = 35 * 24 * 3_600_000
    """How long ago an event may have happened."""
    event_id_retention_ms: int = 3_600_000
    event_id_limit: int = 2_000_000
    debit_retention_count: int = 10_000
    """Acked debits kept, so that a ledger restored from an older backup can be caught up."""
