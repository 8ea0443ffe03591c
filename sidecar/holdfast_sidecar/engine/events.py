"""What the uplink tells the engine, and what the engine asks of the uplink. Plain values; no message objects.

`_ns` is CLOCK_BOOTTIME in nanoseconds. Totals are those of `holdfast.v1.Lease`.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from holdfast_sidecar.engine.event_rows import Meters
from holdfast_sidecar.engine.rules import Calendar, RateCardContent, SubjectRules


class LeaseStatus(IntEnum):
    """As in `holdfast.v1.LeaseStatus`."""

    ACTIVE = 1
    UNKNOWN_ACCOUNT = 2
    UNKNOWN_POOL = 3


@dataclass(frozen=True, slots=True)
class LeaseState:
    """One lease as the ledger tells it; with a status other than ACTIVE only the ids mean anything."""

    account_id: str
    pool_id: str
    status: LeaseStatus
    currency: str = ""
    granted_total: int = 0
    reclaimed_total: int = 0
    posted_total: int = 0
    pool_posted: int = 0
    pool_free: int = 0
    pool_overdraft_bound: int = 0
    returned_total: int = 0
    allowance_returned_total: int = 0
    recall_round: int = 0
    recall_amount: int = 0
    pending: bool = False
    denied: bool = False
    allowance_granted_total: int = 0
    allowance_reclaimed_total: int = 0
    allowance_recall_amount: int = 0
    enforcement: int = 1
    overdraft_limit: int = 0
    partition_mode: int = 1
    partition_after_ms: int = 0
    shadow: bool = False
    rules_version: int = 0


@dataclass(frozen=True, slots=True)
class Connected:
    """The ledger welcomed this sidecar. `heard_at_ns`: when it was received; validity counts from the Hello."""

    epoch: int
    birth_epoch: int
    acked_sequence: int
    lease_valid_until_ns: int
    heard_at_ns: int
    leases: tuple[LeaseState, ...]
    allowance_valid_until_ns: int = 0
    claims_wanted: bool = False
    """The ledger was restored and is to be told all totals."""
    meters_revision: int = 0


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The stream is down; lease requests under way will not be answered."""


@dataclass(frozen=True, slots=True)
class LeasesRenewed:
    """A heartbeat was acked; valid until its send + the ledger's validity."""

    lease_valid_until_ns: int
    heard_at_ns: int
    allowance_valid_until_ns: int = 0
    meters_revision: int = 0


@dataclass(frozen=True, slots=True)
class LeasesUpdated:
    """Leases as they are now; `request_id` 0: the ledger spoke of its own accord."""

    request_id: int
    leases: tuple[LeaseState, ...]
    heard_at_ns: int


@dataclass(frozen=True, slots=True)
class DebitsAcked:
    """Debits up to this sequence are posted."""

    acked_sequence: int
    heard_at_ns: int


@dataclass(frozen=True, slots=True)
class EventsAcked:
    """The ledger has the events up to this sequence."""

    acked_sequence: int


@dataclass(frozen=True, slots=True)
class Fenced:
    """Another life of this sidecar has taken over, or the ledger lost what it had acked. Final."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Draining:
    """The process is about to stop: give back all rights that no hold needs, ask for no more."""


@dataclass(frozen=True, slots=True)
class RulesUpdated:
    """A rules request is answered, whole: what of the wanted paths `nodes` does not name is not there.

    What could not be understood is in `refused`, as (account_id, subject, why), and goes on as it was.
    """

    request_id: int
    nodes: tuple[SubjectRules, ...]
    calendars: tuple[Calendar, ...]
    rate_cards: tuple[RateCardContent, ...]
    heard_at_ns: int
    refused: tuple[tuple[str, str, str], ...] = ()
    meters: Meters | None = None
    """All meters that could be understood; None: they were not asked for, or not told."""


UplinkEvent: TypeAlias = (
    Connected | Disconnected | LeasesRenewed | LeasesUpdated | RulesUpdated | DebitsAcked | EventsAcked | Fenced
)
Event: TypeAlias = UplinkEvent | Draining


@dataclass(frozen=True, slots=True)
class LeaseWant:
    """What the engine asks the ledger for one pool; fields as in `holdfast.v1.LeaseWant`."""

    account_id: str
    pool_id: str
    want_amount: int
    need_amount: int
    held_amount: int
    consumed_total: int
    returned_total: int
    recall_round: int = 0
    granted_total: int = 0
    reclaimed_total: int = 0
    allowance_granted_total: int = 0
    allowance_reclaimed_total: int = 0
    allowance_returned_total: int = 0


@dataclass(frozen=True, slots=True)
class LeaseAsk:
    """One lease request on its way up; sent only after the batch that made it is durable."""

    request_id: int
    wants: tuple[LeaseWant, ...]


@dataclass(frozen=True, slots=True)
class RulesAsk:
    """One rules request on its way up; at most 1000 paths, as (account_id, subject), and 16 rate cards."""

    request_id: int
    paths: tuple[tuple[str, str], ...]
    rate_card_ids: tuple[str, ...] = ()
    meters_wanted: bool = False
