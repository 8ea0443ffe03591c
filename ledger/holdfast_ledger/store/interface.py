"""What a store of the ledger is: rows, and transactions over them. The rules live above it, in posting and leasing.

SQLite implements it (`sqlite.py`); whatever implements it passes the same contract tests. Keys (`_key`) are the
store's own integers and never leave the ledger. Rows handed out are copies: `save_…` writes them back.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import IntEnum
from operator import attrgetter
from typing import NamedTuple, Protocol

from holdfast_ledger.store.access_rows import AccessReader, AccessWriter
from holdfast_ledger.store.book_rows import BookReader, BookWriter
from holdfast_ledger.store.feed_rows import FeedReader
from holdfast_ledger.store.metering_rows import MeteringReader, MeteringWriter
from holdfast_ledger.store.object_rows import ObjectReader, ObjectWriter
from holdfast_ledger.store.rule_rows import RuleReader, RuleWriter
from holdfast_ledger.store.stream_rows import StreamReader, StreamWriter
from holdfast_ledger.store.window_rows import WindowReader, WindowWriter

NEVER = 2**63 - 1
"""A time that does not come; as large as the database's integers, so that it sorts last."""

MAX_AMOUNT = 2**63 - 1
"""Largest amount or total, in minor units: int64, in the contract and in the database."""


REPLAY_LIFE = 0
"""Birth epoch of the leases under which debits are posted that an operator replays: lives begin with epoch 1, so no
sidecar is ever told of them."""

STRICT, OPTIMISTIC = 1, 2
"""`Policy.enforcement`, as `holdfast.v1.Enforcement`."""


class StoreError(Exception):
    """Base of the store's faults; the message says what to do."""


class StoreTooNew(StoreError):
    """The database was written by a newer version. Nothing is touched; run that version."""


class StoreFailed(StoreError):
    """A transaction failed as a whole; whether its commit took place must be read back."""


class Aborted(StoreError):
    """The database gave the transaction up in favour of another one: nothing of it took place, it may be repeated."""


class Conflict(StoreError):
    """The row is already there: another transaction made it first. Read it."""


class GrantState(IntEnum):
    """As `holdfast.v1.GrantState`."""

    PENDING = 1
    ACTIVE = 2
    EXHAUSTED = 3
    EXPIRED = 4
    VOIDED = 5


class EntryType(IntEnum):
    """As `holdfast.v1.EntryType`."""

    GRANT = 1
    DEBIT = 2
    OVERDRAFT = 3
    REPAYMENT = 4
    EXPIRY = 5
    VOID = 6
    CORRECTION = 7
    OVERDRAFT_CORRECTION = 8
    REVIVAL = 9
    ROLLOVER_OUT = 10
    ROLLOVER_IN = 11
    REPAYMENT_RETURN = 12


@dataclass(slots=True)
class Account:
    """A customer."""

    account_id: str
    display_name: str
    created_at_ms: int
    account_key: int = 0
    rules_version: int = 0
    """Of what sidecars are told of it; 0: it has no rules. Never saved: `raise_rules_version` moves it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of a pool; fields and enums as in `holdfast.v1.Policy`, with no unspecified ones."""

    enforcement: int = 1
    overdraft_limit: int = 0
    overdraft_limit_bps: int = 0
    partition_mode: int = 1
    partition_overdraft_limit: int = 0
    partition_after_ms: int = 0
    shadow: int = 0


@dataclass(slots=True)
class Pool:
    """A pool and its figures, in minor units."""

    account_key: int
    account_id: str
    pool_id: str
    currency: str
    currency_exponent: int
    policy: Policy
    created_at_ms: int
    pool_key: int = 0
    free: int = 0
    """Rights that no sidecar has; below zero when more is leased than posted."""
    leased: int = 0
    """Sum of what is outstanding over all its leases."""
    granted_total: int = 0
    spent_total: int = 0
    expired_total: int = 0
    overdraft: int = 0
    """The part of `spent_total` that no grant covers yet."""
    allowance_leased: int = 0
    """Sum of the allowances outstanding over all its leases."""
    allowance_spent_total: int = 0
    """This and the next five: what the overdraft may consist of, as in `PoolBalance`."""
    fail_open_total: int = 0
    over_hold_total: int = 0
    late_total: int = 0
    unleased_total: int = 0
    expired_leased_total: int = 0
    recall_round: int = 0
    """The latest recall round; 0: there never was one."""
    recall_until_ms: int = 0
    """Until then the answers of the latest round are waited for; past: it is over."""
    voided_total: int = 0
    corrected_total: int = 0
    """All that was ever given back of debits; `spent_total` is less it."""
    revived_total: int = 0
    """All that had expired and was burned by the settles of older holds; `expired_total` is less it."""
    watched: int = 0
    """1: it has thresholds or a top-up rule."""
    is_window: int = 0
    """1: it is a window (see `window_rows`)."""
    rules_version: int = 0
    """As in its `Account`."""

    @property
    def posted(self) -> int:
        """The settled balance: what is left of active grants, less the overdraft."""
        return self.granted_total - self.spent_total - self.expired_total - self.voided_total


class Rollover(NamedTuple):
    """What becomes of a grant at its expiry; fields as in `holdfast.v1.Rollover`, in the order of the columns."""

    share_bps: int = 0
    """0: it does not roll over."""
    max_amount: int = 0
    lifetime_ms: int = 0
    times: int = 0
    """How many times more: of the grant itself and of its successors."""


NO_ROLLOVER = Rollover()


@dataclass(slots=True)
class Grant:
    """Credits put into a pool."""

    pool_key: int
    grant_id: str
    amount: int
    category: int
    priority: int
    effective_at_ms: int
    expires_at_ms: int
    """`NEVER` for a grant without end."""
    cost_amount: int
    cost_currency: str
    created_at_ms: int
    remaining: int
    state: GrantState
    due_at_ms: int
    """When it takes effect or expires, whichever comes next; `NEVER` once neither does."""
    grant_key: int = 0
    metadata: str = "{}"
    """A JSON object of strings, its keys in order."""
    lapsed: int = 0
    """What expired of it, less what was revived; what rolled over is not in it."""
    rolled_from: str = ""
    """Id of the grant that it is what was left of; empty: none."""
    rollover: Rollover = NO_ROLLOVER
    refunded_amount: int = 0
    """What was paid back for it when it was voided, in the minor unit of `cost_currency`."""


@dataclass(slots=True)
class Correction:
    """What was given back of a debit."""

    correction_id: str
    operation_id: str
    pool_key: int
    debit_key: int
    amount: int
    asked_amount: int
    """As it was asked for; 0: all that was left of the debit."""
    posted_at_ms: int
    correction_key: int = 0


@dataclass(slots=True)
class Threshold:
    """A level of a pool's settled balance at which an event is made."""

    pool_key: int
    threshold_id: str
    amount: int
    share_bps: int
    """Of all that was granted; 0: `amount` counts."""
    in_use: int = 1
    crossed: int = 0
    """1: the balance is at or below it, and the event was made."""
    crossing_count: int = 0
    threshold_key: int = 0


@dataclass(slots=True)
class TopUp:
    """When a pool wants to be topped up."""

    pool_key: int
    threshold_amount: int
    amount: int
    cooldown_ms: int
    max_times: int
    """In a period; 0: any number."""
    period_ms: int
    in_use: int = 1
    wanted_count: int = 0
    wanted_at_ms: int = 0
    period_began_at_ms: int = 0
    period_count: int = 0
    top_up_key: int = 0


@dataclass(slots=True)
class Event:
    """What others are to be told of."""

    event_id: str
    type: str
    account_key: int
    account_id: str
    pool_key: int
    """0: it tells of no pool, and `pool_id` is empty."""
    pool_id: str
    body: str
    """What is sent: a JSON object."""
    created_at_ms: int
    event_key: int = 0


@dataclass(slots=True)
class Webhook:
    """Who is told of events."""

    webhook_id: str
    account_id: str
    """Only of this account; empty: of all."""
    url: str
    secret: str
    created_at_ms: int
    webhook_key: int = 0


class DeliveryState(IntEnum):
    """As `holdfast.v1.DeliveryState`."""

    PENDING = 1
    DELIVERED = 2
    DEAD = 3


@dataclass(slots=True)
class Delivery:
    """One event on its way to one webhook."""

    delivery_key: int
    webhook_id: str
    url: str
    secret: str
    event_id: str
    body: str
    since_ms: int
    """From when its age counts: the event's time, or that of the latest retry."""
    state: DeliveryState
    attempt_count: int
    next_at_ms: int
    """When it is tried next, or until when it is claimed; `NEVER`: it has ended."""
    last_error: str
    ended_at_ms: int


class PostedDebit(NamedTuple):
    """A debit that was posted, as far as a correction needs to know it."""

    debit_key: int
    pool_key: int
    amount: int
    corrected_amount: int
    """What was given back of it before."""
    posted_at_ms: int


@dataclass(slots=True)
class Sidecar:
    """A sidecar as the ledger knows it."""

    sidecar_id: str
    epoch: int
    birth_epoch: int
    instance: bytes
    stream_number: int
    """Streams ever opened; the one with this number is the sidecar's stream."""
    acked_sequence: int
    max_hold_ttl_ms: int
    version: str
    last_seen_at_ms: int
    reclaim_at_ms: int = NEVER
    """Of its present life; kept in the row of that life."""
    allowance_reclaim_at_ms: int = NEVER
    """The same for allowances."""
    generation: int = 1
    """The ledger's generation in which it last told all its rights."""
    sidecar_key: int = 0
    acked_operation_id: str = ""
    """Of the debit with the acked sequence; empty: none, or posted by a version that did not keep it."""

    @property
    def life(self) -> "Life":
        """The row of its present life."""
        return Life(self.sidecar_key, self.birth_epoch, self.reclaim_at_ms, self.allowance_reclaim_at_ms)


class Life(NamedTuple):
    """One life of a sidecar's folder."""

    sidecar_key: int
    birth_epoch: int
    reclaim_at_ms: int
    """When its rights go back; `NEVER`: none are out."""
    allowance_reclaim_at_ms: int = NEVER
    """When its allowances go back, not before its rights."""


class LedgerState(NamedTuple):
    """The one row of the ledger itself."""

    generation: int
    """Raised each time the database was restored from an older backup."""
    recover_until_ms: int
    """Until then no new rights are given, since sidecars may have some that the backup does not know."""


@dataclass(slots=True)
class Lease:
    """Rights of one life of a sidecar to one pool; the totals only grow."""

    sidecar_key: int
    birth_epoch: int
    pool_key: int
    granted_total: int = 0
    reclaimed_total: int = 0
    returned_total: int = 0
    posted_total: int = 0
    allowance_granted_total: int = 0
    allowance_reclaimed_total: int = 0
    allowance_returned_total: int = 0
    allowance_posted_total: int = 0
    needed: int = 0
    """What the sidecar's waiting decisions need and have not got."""
    answered_round: int = 0
    """The latest recall round that the sidecar has answered."""
    lease_key: int = 0
    sidecar_id: str = ""
    """Filled in by lists."""
    last_seen_at_ms: int = 0
    """When the sidecar was last heard of, 0 if another life of it has begun; filled in by lists."""

    @property
    def outstanding(self) -> int:
        """Rights out now, never below zero."""
        return self.granted_total - self.reclaimed_total - self.returned_total - self.posted_total

    @property
    def allowance_outstanding(self) -> int:
        """Allowance out now, never below zero."""
        return (
            self.allowance_granted_total
            - self.allowance_reclaimed_total
            - self.allowance_returned_total
            - self.allowance_posted_total
        )


POOL_FIGURES = (
    "free",
    "leased",
    "granted_total",
    "spent_total",
    "expired_total",
    "overdraft",
    "allowance_leased",
    "allowance_spent_total",
    "fail_open_total",
    "over_hold_total",
    "late_total",
    "unleased_total",
    "expired_leased_total",
    "recall_round",
    "recall_until_ms",
    "voided_total",
    "corrected_total",
    "revived_total",
)
"""What `save_pools` writes back: names of `Pool`'s fields and of the columns."""

THRESHOLD_COLUMNS = ("amount", "share_bps", "in_use", "crossed", "crossing_count")
"""What `save_thresholds` writes back."""

TOP_UP_COLUMNS = (
    "threshold_amount",
    "amount",
    "cooldown_ms",
    "max_times",
    "period_ms",
    "in_use",
    "wanted_count",
    "wanted_at_ms",
    "period_began_at_ms",
    "period_count",
)
"""What `save_top_ups` writes back."""

LEASE_FIGURES = (
    "granted_total",
    "reclaimed_total",
    "returned_total",
    "posted_total",
    "allowance_granted_total",
    "allowance_reclaimed_total",
    "allowance_returned_total",
    "allowance_posted_total",
    "needed",
    "answered_round",
)
"""What `save_leases` writes back: names of `Lease`'s fields and of the columns."""

pool_figures: Callable[[Pool], tuple[int, ...]] = attrgetter(*POOL_FIGURES)
lease_figures: Callable[[Lease], tuple[int, ...]] = attrgetter(*LEASE_FIGURES)
threshold_values: Callable[[Threshold], tuple[int, ...]] = attrgetter(*THRESHOLD_COLUMNS)
top_up_values: Callable[[TopUp], tuple[int, ...]] = attrgetter(*TOP_UP_COLUMNS)


class Locks(NamedTuple):
    """The rows that a job reads in order to change them: what other replicas must leave alone meanwhile."""

    sidecar_ids: frozenset[str] = frozenset()
    pools: frozenset[tuple[str, str]] = frozenset()
    """(account_id, pool_id)."""
    pool_keys: frozenset[int] = frozenset()

    def merged(self, other: "Locks") -> "Locks":
        """Returns both together."""
        return Locks(self.sidecar_ids | other.sidecar_ids, self.pools | other.pools, self.pool_keys | other.pool_keys)


NO_LOCKS = Locks()


class DebitRow(NamedTuple):
    """A debit to be posted, in the order of the table's columns after the key."""

    account_key: int
    operation_id: str
    lease_key: int
    epoch: int
    sequence: int
    amount: int
    hold_id: str
    posted_at_ms: int
    settled_at_ms: int
    subject: str
    dimensions: str
    """A JSON object of strings."""
    late: int
    over_hold_amount: int
    estimated: int
    mode: int
    allowance_amount: int = 0
    fail_open_amount: int = 0
    hold_age_ms: int = 0
    windows: str = ""
    """A JSON list of the keys of windows; empty: none."""
    quantities: str = ""
    """A JSON object of numbers; empty: not told."""
    caller: str = ""
    """Who made the call that it comes of; empty: not known."""


class EntryRow(NamedTuple):
    """A line of the journal, in the order of the table's columns after the key."""

    type: EntryType
    pool_key: int
    grant_key: int | None
    debit_key: int | None
    amount: int
    posted_at_ms: int
    correction_key: int | None = None


class DuplicateRow(NamedTuple):
    """A debit whose operation had been posted before, in the order of the table's columns."""

    lease_key: int
    sequence: int
    epoch: int
    amount: int
    debit_key: int
    posted_at_ms: int
    allowance_amount: int = 0
    windows: str = ""
    """As in `DebitRow`."""


class QuarantineRow(NamedTuple):
    """A debit that no pool could take, in the order of the table's columns."""

    sidecar_key: int
    sequence: int
    reason: str
    debit: bytes
    posted_at_ms: int


class ReplayRow(NamedTuple):
    """A debit that an operator replayed, in the order of the table's columns."""

    lease_key: int
    """Of the sidecar's `REPLAY_LIFE`."""
    sequence: int
    epoch: int
    amount: int
    debit_key: int
    """The debit that it was posted as, or the one that had its operation."""
    posted: int
    """1: posted; 0: a duplicate."""
    posted_at_ms: int


class DebitTrace(NamedTuple):
    """One debit of an operation, posted or duplicate: whose it is."""

    debit_key: int
    """Of the one that is posted."""
    sidecar_key: int
    birth_epoch: int
    epoch: int
    sequence: int
    pool_key: int
    amount: int
    posted: int
    """1: posted; 0: a duplicate."""


class DuplicateLine(NamedTuple):
    """A duplicate beside the debit that is posted, with the names that the keys stand for."""

    account_id: str
    operation_id: str
    posted_sidecar_id: str
    posted_epoch: int
    posted_sequence: int
    posted_pool_id: str
    posted_amount: int
    sidecar_id: str
    epoch: int
    sequence: int
    pool_id: str
    amount: int
    received_at_ms: int
    replayed: bool
    lease_key: int
    debit_key: int

    @property
    def position(self) -> "DuplicatePosition":
        """Its place in the list."""
        return self.lease_key, self.sequence, self.epoch, self.debit_key


class QuarantineLine(NamedTuple):
    """A debit that no pool could take."""

    sidecar_id: str
    sidecar_key: int
    sequence: int
    reason: str
    debit: bytes
    posted_at_ms: int
    debit_key: int
    """The debit that it was posted as later, or that had its operation; 0: it is in quarantine."""

    @property
    def position(self) -> "QuarantinePosition":
        """Its place in the list."""
        return self.sidecar_key, self.sequence


class JournalLine(NamedTuple):
    """A line of the journal with the names that its keys stand for; empty or 0 where no debit made it."""

    entry_key: int
    type: EntryType
    grant_id: str
    amount: int
    posted_at_ms: int
    sidecar_id: str
    epoch: int
    sequence: int
    operation_id: str
    hold_id: str
    replayed: bool
    correction_id: str
    caller: str


class BookLine(NamedTuple):
    """Sum of the journal of one pool by type and grant, for the audit."""

    pool_key: int
    type: EntryType
    grant_key: int | None
    amount: int
    entry_count: int


class LeaseSum(NamedTuple):
    """What the debits of one lease add up to, duplicates included, for the audit."""

    lease_key: int
    amount: int
    allowance_amount: int


class FlagSum(NamedTuple):
    """What the debits posted to one pool say of themselves, in minor units, for the audit."""

    pool_key: int
    allowance_amount: int
    fail_open_amount: int
    over_hold_amount: int
    late_amount: int


class SequenceSum(NamedTuple):
    """The sequences kept for one sidecar, posted, duplicate and quarantined, for the audit."""

    sidecar_key: int
    sequence_count: int
    highest_sequence: int


class CurrencyTotal(NamedTuple):
    """All pools of one currency together, in minor units; approximate, since sums may pass int64."""

    currency: str
    leased: float
    overdraft: float
    overdrawn_pool_count: int
    allowance_leased: float
    allowance_spent_total: float
    fail_open_total: float
    over_hold_total: float
    late_total: float
    unleased_total: float
    expired_leased_total: float
    overdraft_bound: float
    """Sum of what `leasing.bound` says of each pool."""
    recall_round_count: int
    voided_total: float
    corrected_total: float


class BalanceTotal(NamedTuple):
    """Pools of one currency and exponent together: exact sums in minor units, which may pass int64."""

    currency: str
    currency_exponent: int
    pool_count: int
    account_count: int
    posted: int
    free: int
    leased: int
    overdraft: int
    allowance_leased: int
    overdraft_bound: int


class EventTotals(NamedTuple):
    """What was told, and what became of it."""

    made: tuple[tuple[str, int], ...]
    """Events ever made, by type; also those that are deleted by now."""
    pending_delivery_count: int
    dead_delivery_count: int


BurnPosition = tuple[int, int, int, int, str]
"""A grant's place in the order of burn-down: priority, category, expiry, effective time, id."""

DuplicatePosition = tuple[int, int, int, int]
"""A duplicate's place in their list: lease, sequence, epoch, debit."""

QuarantinePosition = tuple[int, int]
"""A debit's place in the quarantine: sidecar, sequence."""


class Reader(
    AccessReader, BookReader, FeedReader, MeteringReader, ObjectReader, RuleReader, StreamReader, WindowReader, Protocol
):
    """Reads, on one snapshot. Lists are in the order of creation, after a key, at most `limit` rows."""

    def account(self, account_id: str) -> Account | None:
        """Returns an account."""

    def accounts(self, after_key: int, limit: int) -> list[Account]:
        """Lists accounts."""

    def pool(self, account_id: str, pool_id: str) -> Pool | None:
        """Returns a pool."""

    def pools_named(self, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], Pool]:
        """Returns pools by (account_id, pool_id); those that are not there are left out."""

    def pools_by_key(self, pool_keys: Collection[int]) -> dict[int, Pool]:
        """Returns pools by key."""

    def pools(self, account_key: int, after_key: int, limit: int) -> list[Pool]:
        """Lists the pools of an account, not its windows."""

    def grant(self, pool_key: int, grant_id: str) -> Grant | None:
        """Returns a grant."""

    def grants(self, pool_key: int, after: BurnPosition | None, limit: int) -> list[Grant]:
        """Lists the grants of a pool in the order of burn-down."""

    def grants_burning(self, pool_keys: Collection[int]) -> list[Grant]:
        """Returns the active grants of pools, in no order."""

    def grants_lapsed(self, pool_keys: Collection[int], after_ms: int) -> list[Grant]:
        """Returns the grants of pools of which something expired, later than a time and not voided, in no order."""

    def grants_due(self, now_ms: int, limit: int, pool_keys: Collection[int] | None) -> list[Grant]:
        """Returns grants of some pools or (None) of all whose `due_at_ms` has come, the longest overdue first."""

    def pending_amount(self, pool_key: int) -> int:
        """Returns the amount of all grants of a pool that are yet to take effect."""

    def posted_debit(self, account_key: int, operation_id: str) -> PostedDebit | None:
        """Returns the debit of an operation."""

    def burned_by(self, debit_key: int) -> list[tuple[int | None, int]]:
        """Returns what a debit took, in the order of burning: grant (None: overdraft) and amount, less corrections."""

    def repayments(self, pool_key: int) -> list[tuple[int, int]]:
        """Returns grants that repaid overdraft of a pool, the latest first, each with how much, less returns."""

    def grants_by_key(self, grant_keys: Collection[int]) -> dict[int, Grant]:
        """Returns grants by key."""

    def correction(self, account_key: int, correction_id: str) -> Correction | None:
        """Returns a correction."""

    def corrections(self, account_key: int, after_key: int, limit: int) -> list[Correction]:
        """Lists the corrections of an account."""

    def thresholds(self, pool_keys: Collection[int]) -> list[Threshold]:
        """Returns the thresholds of pools, also those that are not in use, in the order of their making."""

    def top_ups(self, pool_keys: Collection[int]) -> list[TopUp]:
        """Returns the top-up rules of pools, also those that are not in use."""

    def events(self, account_key: int | None, after_key: int, limit: int) -> list[Event]:
        """Lists events, in an order in which none is added before one that was read; None does not filter."""

    def webhook(self, webhook_id: str) -> Webhook | None:
        """Returns a webhook."""

    def webhooks(self, after_key: int, limit: int) -> list[Webhook]:
        """Lists webhooks."""

    def deliveries(self, webhook_key: int, state: int, after_key: int, limit: int) -> list[Delivery]:
        """Lists deliveries to a webhook; 0 as the state does not filter."""

    def delivery(self, webhook_key: int, event_id: str) -> Delivery | None:
        """Returns the delivery of an event to a webhook."""

    def dead_deliveries(self, webhook_key: int, after_key: int, limit: int) -> list[Delivery]:
        """Lists the deliveries to a webhook that are dead."""

    def journal(self, pool_key: int, after_key: int, limit: int, *, newest_first: bool = False) -> list[JournalLine]:
        """Lists the journal of a pool; with `newest_first` backwards from before `after_key`, 0: from its end."""

    def journal_of_operation(
        self,
        account_key: int,
        pool_key: int,
        operation_id: str,
        after_key: int,
        limit: int,
        *,
        newest_first: bool = False,
    ) -> list[JournalLine]:
        """Lists the lines that one operation made in a pool, as `journal`."""

    def sidecar(self, sidecar_id: str) -> Sidecar | None:
        """Returns a sidecar."""

    def sidecars(self, after_key: int, limit: int) -> list[Sidecar]:
        """Lists sidecars."""

    def ledger(self) -> LedgerState:
        """Returns the row of the ledger itself."""

    def token_secret(self) -> bytes:
        """Returns what tokens of pages and figures are signed with: of one ledger always the same."""

    def lives_due(self, now_ms: int, limit: int) -> list[Life]:
        """Returns lives whose rights or allowances are to be reclaimed, the longest overdue first."""

    def leases_of_pool(self, pool_key: int) -> list[Lease]:
        """Returns the leases of a pool whose lives are not over, in the order of their making."""

    def pools_needy(self, limit: int) -> list[int]:
        """Returns the keys of pools of which a lease has `needed` above 0, in the order of the keys."""

    def leases_of_life(self, sidecar_key: int, birth_epoch: int, pool_keys: Collection[int] | None) -> list[Lease]:
        """Returns the leases of one life, of some pools or (None) of all, in the order of their making."""

    def leases(
        self, account_key: int | None, pool_key: int | None, sidecar_key: int | None, after_key: int, limit: int
    ) -> list[Lease]:
        """Lists the leases of pools, with `sidecar_id`; None does not filter."""

    def window_leases(self, after_key: int, limit: int) -> list[Lease]:
        """Lists the leases of windows, with `sidecar_id`."""

    def lease_count(self) -> int:
        """Counts the leases with rights out, of pools and windows."""

    def currency_totals(self) -> list[CurrencyTotal]:
        """Sums the pools of each currency."""

    def balance_totals(self, account_key: int) -> list[BalanceTotal]:
        """Sums the balances of an account's pools, 0: of all, by currency and exponent."""

    def currency_exponent(self, currency: str) -> int:
        """Returns the exponent that the first pool of a currency has; 0 if there is none."""

    def event_totals(self) -> EventTotals:
        """Counts events and the deliveries that are yet to be made or were given up."""

    def book_lines(self) -> list[BookLine]:
        """Sums the whole journal."""

    def lease_sums(self) -> list[LeaseSum]:
        """Sums the debits of each lease of a pool."""

    def flag_sums(self) -> list[FlagSum]:
        """Sums what the debits of each pool say of themselves."""

    def strays(self, limit: int) -> list[str]:
        """Names journal lines and debits that refer to a row that is not there."""

    def debits_not_balanced(self, limit: int) -> list[int]:
        """Returns keys of debits whose journal lines do not add up to their amount."""

    def corrections_not_balanced(self, limit: int) -> list[int]:
        """Returns keys of debits whose corrections pass their amount, or are not what the journal gave back."""

    def sequence_sums(self) -> list[SequenceSum]:
        """Counts the sequences of each sidecar; those that came by a replay are not among them."""

    def debit_traces(self, account_key: int, operation_id: str) -> list[DebitTrace]:
        """Returns the debits of an operation, first the one that is posted."""

    def duplicates(
        self, account_key: int | None, conflicting_only: bool, after: DuplicatePosition, limit: int
    ) -> list[DuplicateLine]:
        """Lists duplicates by position; None does not filter. Conflicting: with another amount or another pool."""

    def quarantined(self, released: bool, after: QuarantinePosition, limit: int) -> list[QuarantineLine]:
        """Lists the debits that are in quarantine, or those that were released from it, by position."""

    def replays_not_matched(self, limit: int) -> list[int]:
        """Returns keys of debits that were replayed and are not recorded so, or the other way round."""


class Writer(
    Reader, AccessWriter, BookWriter, MeteringWriter, ObjectWriter, RuleWriter, StreamWriter, WindowWriter, Protocol
):
    """Reads and writes, in one transaction. Inserts set the key of what they are given and return it."""

    def lock(self, wanted: Locks) -> None:
        """Keeps other replicas away from these rows until the transaction ends. First of all in a transaction.

        Sidecars before pools, each in the order of their keys, so that two transactions never wait for each other.
        """

    def grants_due(self, now_ms: int, limit: int, pool_keys: Collection[int] | None) -> list[Grant]:
        """As `Reader`. Of all pools (None) it locks those that it finds, and leaves out those that another has locked.

        With None it is, like `lock`, the first thing in a transaction.
        """

    def lives_due(self, now_ms: int, limit: int) -> list[Life]:
        """As `Reader`. Locks their sidecars and the pools of their leases, leaves out those that another has locked.

        Like `lock`, the first thing in a transaction.
        """

    def save_ledger(self, state: LedgerState) -> None:
        """Writes the row of the ledger itself back."""

    def insert_account(self, account: Account) -> int:
        """Adds an account. Raises `Conflict`."""

    def insert_pool(self, pool: Pool) -> int:
        """Adds a pool. Raises `Conflict`."""

    def save_policy(self, pool_key: int, policy: Policy) -> None:
        """Replaces the policy of a pool."""

    def save_pools(self, pools: Iterable[Pool]) -> None:
        """Writes the figures of pools back."""

    def insert_grant(self, grant: Grant) -> int:
        """Adds a grant. Raises `Conflict`."""

    def save_grants(self, grants: Iterable[Grant]) -> None:
        """Writes remaining, state, due time and what lapsed back."""

    def save_watched(self, pool_key: int, watched: int) -> None:
        """Notes whether a pool has thresholds or a top-up rule."""

    def insert_threshold(self, threshold: Threshold) -> int:
        """Adds a threshold."""

    def save_thresholds(self, thresholds: Iterable[Threshold]) -> None:
        """Writes thresholds back."""

    def insert_top_up(self, top_up: TopUp) -> int:
        """Adds a top-up rule."""

    def save_top_ups(self, top_ups: Iterable[TopUp]) -> None:
        """Writes top-up rules back."""

    def insert_event(self, event: Event) -> int:
        """Adds an event. Others that would add one wait until the transaction ends, so that keys commit in order."""

    def insert_deliveries(self, event: Event) -> None:
        """Adds the deliveries of an event to all webhooks that are to be told of it."""

    def insert_webhook(self, webhook: Webhook, account_key: int | None) -> int:
        """Adds a webhook. Raises `Conflict`."""

    def delete_webhook(self, webhook_key: int) -> None:
        """Deletes a webhook and its deliveries."""

    def claim_deliveries(self, now_ms: int, until_ms: int, limit: int) -> list[Delivery]:
        """Returns deliveries that are due, counted as tried once more, and keeps them from others until a time.

        Leaves out those that another is about to claim.
        """

    def save_delivery(self, delivery: Delivery, claimed_until_ms: int) -> None:
        """Writes what became of a claimed delivery; nothing if it was claimed again since."""

    def retry_deliveries(self, delivery_keys: Collection[int], now_ms: int) -> int:
        """Makes those of the deliveries that are dead pending, due now, as if never tried; returns how many."""

    def delete_events(self, until_ms: int, limit: int) -> int:
        """Deletes events made at or before a time of which no delivery is pending, the oldest first; returns how many.

        Leaves out those that another has locked. No key of theirs, or of their deliveries, is ever given out again.
        """

    def insert_correction(self, account_key: int, correction: Correction) -> int:
        """Adds a correction. Raises `Conflict`."""

    def insert_sidecar(self, sidecar: Sidecar) -> int:
        """Adds a sidecar and its present life."""

    def save_sidecar(self, sidecar: Sidecar) -> None:
        """Writes a sidecar back, and adds or writes its present life."""

    def save_acked(self, sidecar_key: int, acked_sequence: int, operation_id: str) -> None:
        """Moves the acked sequence to a debit of this operation."""

    def save_life(self, life: Life) -> None:
        """Adds a life, or writes its reclaim times back."""

    def insert_lease(self, lease: Lease) -> int:
        """Adds a lease."""

    def save_leases(self, leases: Iterable[Lease]) -> None:
        """Writes the totals of leases back."""

    def insert_debits(self, rows: Sequence[DebitRow]) -> list[int]:
        """Adds debits; returns their keys, 0 for one whose (account, operation) is there, also earlier in `rows`."""

    def debit_of_operation(self, account_key: int, operation_id: str) -> int:
        """Returns the key of the debit of an operation, 0 if none."""

    def insert_entries(self, rows: Sequence[EntryRow]) -> None:
        """Appends to the journal."""

    def insert_duplicates(self, rows: Sequence[DuplicateRow]) -> None:
        """Keeps duplicate debits."""

    def insert_quarantined(self, rows: Sequence[QuarantineRow]) -> None:
        """Keeps debits that no pool could take."""

    def insert_replayed(self, rows: Sequence[ReplayRow]) -> None:
        """Keeps that debits were replayed."""

    def release_quarantined(self, sidecar_key: int, sequence: int, debit_key: int) -> None:
        """Lets a debit out of quarantine that is posted now, or whose operation is."""

    def savepoint(self) -> AbstractContextManager[None]:
        """Undoes what was done within it if it is left by an exception, and passes the exception on."""


class Store(Protocol):
    """Opens transactions. One thread at a time writes; reads go on beside it, each on a snapshot."""

    def writing(self) -> AbstractContextManager[Writer]:
        """A transaction: durable when the context is left, undone when it is left by an exception.

        Raises `Aborted` when it was given up in favour of another replica's. Raises `StoreFailed` when the commit
        fails; whether it took place is then unknown.
        """

    def announce(self, pool_keys: Collection[int]) -> None:
        """Tells the other replicas, soon, that pools changed. Any thread; does not wait.

        It may get lost: rows decide, this only hurries.
        """

    def listen(self, heard: Callable[[frozenset[int] | None], None]) -> Callable[[], None]:
        """Has what other replicas announce told to `heard`, on a thread of the store's own.

        Returns what ends it. None is told when announcements may have been missed: any pool may have changed.
        """

    def reading(self) -> AbstractContextManager[Reader]:
        """A snapshot of what is committed. Any thread."""

    def close(self) -> None:
        """Closes the store. Idempotent; not while a transaction is open."""
