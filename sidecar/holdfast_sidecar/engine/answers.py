"""How the engine puts its answers into bytes, without knowing the wire: the dispatcher's codec implements this.

Answers are encoded where they are decided, since the recorded answer must be in the same transaction as its effects.
Amounts are in minor units; `reason` and `mode` are numbers of the enums of `holdfast.v1`. `notes` are what the levels
of the waterfall say; None: nothing.
"""

from collections.abc import Sequence
from typing import Protocol

from holdfast_sidecar.engine.event_operations import Rejected
from holdfast_sidecar.engine.levels import Notes
from holdfast_sidecar.engine.state import Hold, Pool


class Answers(Protocol):
    """Serialises each kind of answer."""

    def check(
        self,
        reason: int,
        level: str,
        granted: int,
        posted: int,
        held: int,
        available: int,
        retry_ms: int,
        mode: int,
        notes: Notes | None = None,
    ) -> bytes:
        """A `CheckResponse`."""

    def reserve(
        self,
        reason: int,
        level: str,
        granted: int,
        posted: int,
        held: int,
        available: int,
        retry_ms: int,
        mode: int,
        remaining_ttl_ms: int,
        retention_ms: int,
        unleased: int,
        notes: Notes | None = None,
    ) -> bytes:
        """A `ReserveResponse`."""

    def extend(
        self,
        reason: int,
        level: str,
        added: int,
        hold_amount: int,
        posted: int,
        held: int,
        available: int,
        retry_ms: int,
        mode: int,
        remaining_ttl_ms: int,
        retention_ms: int,
        unleased: int,
        notes: Notes | None = None,
    ) -> bytes:
        """An `ExtendResponse`."""

    def settle(
        self,
        debited: int,
        returned: int,
        hold_amount: int,
        late: bool,
        over_hold: int,
        posted: int,
        held: int,
        available: int,
        mode: int,
        remaining_ttl_ms: int,
        retention_ms: int,
    ) -> bytes:
        """A `SettleResponse`."""

    def release(self, returned: int, posted: int, held: int, available: int, mode: int, retention_ms: int) -> bytes:
        """A `ReleaseResponse`."""

    def charge(
        self,
        reason: int,
        level: str,
        debited: int,
        posted: int,
        held: int,
        available: int,
        retry_ms: int,
        mode: int,
        counter_total: int,
        retention_ms: int,
        unleased: int,
        notes: Notes | None = None,
    ) -> bytes:
        """A `ChargeResponse`."""

    def report(self, charge: bytes, quantity: int, late: bool) -> bytes:
        """A `ReportUsageResponse` around what `charge` returned."""

    def report_events(self, accepted_count: int, duplicate_count: int, rejected: Sequence[Rejected]) -> bytes:
        """A `ReportEventsResponse`."""

    def void_events(self, accepted_count: int, rejected: Sequence[Rejected]) -> bytes:
        """A `VoidEventsResponse`."""

    def balance(
        self,
        pool: Pool,
        posted: int,
        available: int,
        lease_left: int,
        lease_remaining_ms: int,
        allowance_left: int,
        allowance_remaining_ms: int,
        mode: int,
    ) -> bytes:
        """A `GetBalanceResponse`."""

    def holds(self, holds: Sequence[Hold], now_ns: int, next_page_token: str) -> bytes:
        """A `ListHoldsResponse`."""
