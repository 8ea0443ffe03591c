"""What a sidecar remembers of its asking the ledger for rights.

Neighbours: `leases`, which asks; a pool or window has its own, see `state.Rights`.
"""

from dataclasses import dataclass

from holdfast_sidecar.engine.events import LeaseStatus


@dataclass(slots=True, eq=False)
class Demand:
    """What the engine remembers of its asking for one pool or window; derived, not stored."""

    request_id: int = 0
    """The ask under way; 0: none."""
    pending: bool = False
    """The ledger is recalling rights for this host's need; its answer is still to come."""
    denied_until_ns: int = 0
    """Until then the ledger is not asked again: it said no to a need, or did not know the pool."""
    refill_after_ns: int = 0
    """Until then it is not asked ahead of need: it had nothing free."""
    unknown: LeaseStatus | None = None
    """What the ledger does not know of it, for as long as `denied_until_ns`."""
    pool_free: int | None = None
    """Rights that no sidecar had, by the ledger's last word; None: not heard since this process started."""
    asked_at_ns: int = 0
    taken_at_ask: int = 0
    """consumed + held at the last ask, to measure demand."""
    idle_check_ns: int | None = None
    """When it is next looked whether the pool is idle; None: nothing to give back."""
    taken_at_idle_check: int = 0
    returned_at_ask: int = 0
    reported_returned: int = 0
    """The returned total that the ledger has answered to."""
    recall_round: int = 0
    """The latest recall round that was answered on this stream."""
