"""The times that leasing keeps to: one value that everything here is handed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """Settings of the ledger; see `config` for their reasons. All in milliseconds."""

    lease_validity_ms: int
    allowance_validity_ms: int
    clock_slack_ms: int
    heartbeat_interval_ms: int
    recall_timeout_ms: int
