"""The rows of metering, and what a store does with them: batches of events, meters, and what events came to.

A part of `interface`. Batches are taken from here by their keys, which commit in order: once one is seen, none below it
comes any more.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol


class EventBatchRow(NamedTuple):
    """A batch of events as it was taken in."""

    batch_key: int
    origin: str
    """ "sidecar:ID", "object:NAME", "kafka:TOPIC" or "ledger"."""
    event_count: int
    accepted_at_ms: int
    content_kind: int
    """As `holdfast_ledger.metering.batches.Content`."""
    content: bytes


class MeterRevision(NamedTuple):
    """A change of a meter, in the order of the columns."""

    revision: int
    meter_id: str
    in_use: int
    """0: it was deleted."""
    after_batch_key: int
    """The last batch that is counted without it."""
    content: bytes
    """A serialised `holdfast.v1.Meter`."""


class IngestSourceRow(NamedTuple):
    """What an origin has delivered."""

    origin: str
    event_count: int
    last_at_ms: int
    waiting_event_count: int
    """Of its events, those that are not metered yet."""


class RefusedEventRow(NamedTuple):
    """An event that could not be counted, in the order of the columns after the key."""

    account_id: str
    origin: str
    reason: str
    event: bytes
    """A serialised `holdfast.v1.UsageEvent`."""
    refused_at_ms: int
    refused_key: int = 0
    """Filled in by lists."""


class MeteringTotals(NamedTuple):
    """How far batches are metered, and what became of their events; in the order of the columns."""

    metered_batch_key: int
    """The last batch whose events were counted, 0: none was."""
    counted_count: int
    duplicate_count: int
    conflict_count: int
    void_count: int
    """Events taken back, one by one or by the event that corrects them."""
    refused_count: int


class MeteringBacklog(NamedTuple):
    """What waits, for metrics and for whoever would bring more."""

    waiting_batch_count: int
    oldest_at_ms: int
    """When the oldest batch that waits was taken in; 0: none waits."""
    waiting_charge_count: int
    waiting_correction_count: int


@dataclass(slots=True)
class MeteredPeriod:
    """The figure of a meter that is not additive, and what it was charged."""

    period_hash: bytes
    """SHA-256 of what names it: the next five."""
    account_key: int
    meter_id: str
    subject: str
    dimensions: str
    """A JSON object of strings, its keys in order."""
    starts_at_ms: int
    quantity: int = 0
    amount: int = 0
    """Charged, less corrected, in minor units."""
    change_count: int = 0
    period_key: int = 0


class MeteredChange(NamedTuple):
    """A change of a metered period with what the period is, for whoever follows them by key."""

    change_key: int
    period_key: int
    account_id: str
    meter_id: str
    subject: str
    dimensions: str
    starts_at_ms: int
    quantity: int
    """What it changed by."""
    amount: int
    """What the charge changed by, in minor units."""
    pool_id: str
    changed_at_ms: int


class ChargeState(IntEnum):
    """What became of a charge for events."""

    WAITING = 0
    POSTED = 1
    REFUSED = 2
    """There is no such pool, or a total would pass int64."""


class MeteredCharge(NamedTuple):
    """What the ledger charges for events, in the order of the columns after the key."""

    operation_id: str
    account_key: int
    pool_id: str
    meter_id: str
    subject: str
    dimensions: str
    quantity: int
    amount: int
    used_at_ms: int
    period_key: int
    """0: of an additive meter."""
    corrected_amount: int = 0
    """What corrections were asked to give back."""
    state: int = ChargeState.WAITING
    windows: str = "[]"
    """Names of the windows that it counts against, as a JSON list."""
    charge_key: int = 0
    """Set by the store."""


class CorrectionState(IntEnum):
    """What became of what is to be given back."""

    WAITING = 0
    MADE = 1
    """As far as something was left of the debit."""
    GIVEN_UP = 2
    """Its debit never came."""


class EventCorrection(NamedTuple):
    """What is to be given back for events, in the order of the columns after the key."""

    correction_id: str
    account_key: int
    pool_id: str
    operation_id: str
    amount: int
    made_at_ms: int
    due_at_ms: int
    """When it is tried next."""
    state: int = CorrectionState.WAITING
    event_correction_key: int = 0
    """Set by the store."""


class MeteringReader(Protocol):
    """The part of `Reader` that is about metering."""

    def event_batches(self, after_key: int, limit: int) -> list[EventBatchRow]:
        """Lists batches by key, with their content: at most some megabytes each."""

    def last_batch_key(self) -> int:
        """Returns the key of the youngest batch, 0 if there is none."""

    def batches_wait(self, count: int) -> bool:
        """Tells whether more batches than so many are not metered yet."""

    def batch_charges(self, batch_keys: Collection[int]) -> dict[int, bytes]:
        """Returns what the ledger charged for events of batches, by batch; those without charges are left out."""

    def meters_revision(self) -> int:
        """Returns the revision of the meters, 0 if there never was one."""

    def meter_revisions(self, after_revision: int) -> list[MeterRevision]:
        """Returns all changes of meters after a revision, in their order."""

    def meters(self, after_id: str, limit: int) -> list[MeterRevision]:
        """Lists the meters that there are, by id."""

    def latest_meter(self, meter_id: str) -> MeterRevision | None:
        """Returns the latest change of a meter, also if that deleted it."""

    def ingest_sources(self, after_origin: str, limit: int) -> list[IngestSourceRow]:
        """Lists origins by name."""

    def refused_events(self, account_id: str, before_key: int, limit: int) -> list[RefusedEventRow]:
        """Lists refused events below a key, newest first; an empty account does not filter."""

    def metering_totals(self) -> MeteringTotals:
        """Returns how far batches are metered."""

    def metering_backlog(self) -> MeteringBacklog:
        """Returns what waits."""

    def metered_changes(self, after_key: int, limit: int) -> list[MeteredChange]:
        """Lists changes of metered periods by key; they commit in its order."""

    def metered_not_balanced(self, limit: int) -> list[str]:
        """Names metered periods and charges that are not what their changes, debits and corrections say."""

    def account_keys(self, account_ids: Collection[str]) -> dict[str, int]:
        """Returns the keys of accounts that are there, by id."""

    def account_starts(self, account_ids: Collection[str]) -> dict[str, int]:
        """Returns when accounts were made, Unix times in milliseconds by id."""

    def account_ids(self, account_keys: Collection[int]) -> dict[int, str]:
        """Returns the ids of accounts, by key."""

    def waiting_charges(self, limit: int) -> list[MeteredCharge]:
        """Returns charges that are to be posted, in the order of their keys."""

    def waiting_corrections(self, now_ms: int, limit: int) -> list[EventCorrection]:
        """Returns what is to be given back and is due, the longest due first."""


class MeteringWriter(MeteringReader, Protocol):
    """The part of `Writer` that is about metering."""

    def insert_event_batch(self, row: EventBatchRow, content_hash: bytes) -> int:
        """Adds a batch, whatever key it says, and counts it for its origin; returns its key.

        A batch that its origin has delivered before stays as it is: returns 0. Others that would add one wait until
        the transaction ends, so that keys commit in order.
        """

    def delete_event_batches(self, until_key: int, until_ms: int, limit: int) -> int:
        """Deletes batches up to a key that were taken in at or before a time, oldest first; returns how many."""

    def insert_meter_revision(self, row: MeterRevision) -> None:
        """Adds a change of a meter that holds for batches from now on, whichever it says.

        Raises `Conflict` if another one was made meanwhile.
        """

    def insert_refused_events(self, rows: Sequence[RefusedEventRow]) -> None:
        """Keeps events that could not be counted."""

    def delete_refused_events(self, until_ms: int, limit: int) -> int:
        """Deletes refused events found at or before a time, the oldest first; returns how many."""

    def lock_metering(self) -> MeteringTotals:
        """Returns how far batches are metered, and keeps others from moving it until the transaction ends."""

    def save_metering_totals(self, totals: MeteringTotals) -> None:
        """Writes how far batches are metered back."""

    def save_batch_charges(self, batch_key: int, content: bytes) -> None:
        """Keeps what the ledger charged for events of a batch."""

    def metered_periods(self, period_hashes: Collection[bytes]) -> dict[bytes, MeteredPeriod]:
        """Returns metered periods by hash; those that are not there are left out."""

    def insert_metered_periods(self, periods: Sequence[MeteredPeriod]) -> None:
        """Adds periods and sets their keys."""

    def save_metered_periods(self, periods: Iterable[MeteredPeriod]) -> None:
        """Writes quantity, amount and change count of periods back."""

    def insert_metered_changes(self, changes: Iterable[MeteredChange]) -> None:
        """Adds changes of periods in their order, whatever keys they say."""

    def insert_metered_charges(self, rows: Sequence[MeteredCharge]) -> None:
        """Adds charges; those whose operation the account has already stay as they are."""

    def charges_of_period(self, period_key: int) -> list[MeteredCharge]:
        """Returns the charges of a period of which something is left, the latest first."""

    def charge_of_operation(self, account_key: int, operation_id: str) -> MeteredCharge | None:
        """Returns a charge of the ledger's."""

    def save_charge_corrected(self, charge_key: int, corrected_amount: int) -> None:
        """Writes back what corrections of a charge were asked to give back."""

    def save_charge_states(self, charge_keys: Collection[int], state: int) -> None:
        """Notes what became of charges."""

    def insert_event_corrections(self, rows: Sequence[EventCorrection]) -> int:
        """Adds what is to be given back; what the account has already stays as it is. Returns how many are new."""

    def save_event_correction(self, event_correction_key: int, state: int, due_at_ms: int) -> None:
        """Notes what became of a correction, and when it is tried next."""
