"""What a sidecar remembers of its asking the ledger for rights.

Neighbours: `leases`, which asks; a pool or window has its own, see `state.Rights`.
"""

from dataclasses import dataclass

from holdfast_sidecar.engine.events import LeaseStatus


@dataclass(slots=True, eq=False)
class Demand:
    """What the engine remembers of an ask for one pool or window, and of the answer; derived, not stored."""

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
    returned_at_ask: int = 0
    reported_returned: int = 0
    """The returned total that the ledger has answered to."""
    recall_round: int = 0
    """The latest recall round that was answered on this stream."""

    def is_at_rest(self) -> bool:
        """Whether a new one would do as well."""
        return not (
            self.request_id
            or self.pending
            or self.denied_until_ns
            or self.refill_after_ns
            or self.unknown
            or self.reported_returned
            or self.recall_round
        )
