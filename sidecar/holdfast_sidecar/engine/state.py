"""The nouns of the engine's state, as plain slotted records.

Exactly these are kept by the store; everything else the engine derives from them at start. Amounts are in minor
units, `_ns` is CLOCK_BOOTTIME in nanoseconds. Upstream: the engine's transitions; downstream: the store's codec.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from holdfast_sidecar.engine.demand import Demand
from holdfast_sidecar.engine.event_rows import NO_EVENTS, NO_METERS, EventWrites, Meters
from holdfast_sidecar.engine.rules import Calendar, Dimensions, Quantities, RateCardContent, SubjectRules

STRICT = 1
OPTIMISTIC = 2
"""`Pool.enforcement`, as in `holdfast.v1.Enforcement`."""


class Kind(IntEnum):
    """Which operation an outcome belongs to: the number of its field in `holdfast.v1.Operation`, where it has one."""

    CHECK = 1
    RESERVE = 2
    EXTEND = 3
    SETTLE = 4
    RELEASE = 5
    CHARGE = 6
    REPORT = 16
    """Of UsageService, which Execute does not carry."""


def metered_counter(meter_id: str, counter_id: str) -> str:
    """Returns what tells a counter of quantities from those of other meters and of amounts."""
    return f"{meter_id}{WINDOW_MARK}{counter_id}" if meter_id else counter_id


@dataclass(slots=True)
class Meta:
    """The one record of the folder itself; fields as in `MetaRecord`."""

    sidecar_id: str
    epoch: int = 0
    birth_epoch: int = 0
    instance: bytes = b""
    welcomed_instance: bytes = b""
    acked_sequence: int = 0
    last_sequence: int = 0
    boot_id: str = ""
    lease_valid_until_ns: int = 0
    allowance_valid_until_ns: int = 0
    acked_event_sequence: int = 0


@dataclass(slots=True, eq=False)
class Rights:
    """What is leased to this sidecar of a pool or of a window; the totals only grow (see ledger_sync_service.proto).

    `held` and `hold_count` are derived from the open holds. They are not stored, nor is what `leases` keeps here of its
    asking, from `low_water` on: there are as many of these as active subjects, and most of them ask for nothing now.
    """

    account_id: str
    pool_id: str
    """Of a window: its name."""
    granted_total: int = 0
    reclaimed_total: int = 0
    returned_total: int = 0
    consumed_total: int = 0
    posted_total: int = 0
    pool_posted: int = 0
    """Settled balance of the whole pool; of a window its limit less what is posted against it. By the ledger's word."""
    held: int = 0
    hold_count: int = 0
    low_water: int = 0
    """Rights left below which more are asked for."""
    pool_free: int | None = None
    """Rights that no sidecar had, by the ledger's last word; None: not heard since this process started."""
    asked_at_ns: int = 0
    taken_at_ask: int = 0
    """consumed + held at the last ask, to measure demand."""
    idle_check_ns: int | None = None
    """When it is next looked whether it is idle; None: nothing to give back."""
    taken_at_idle_check: int = 0
    demand: Demand | None = None
    """What there is to remember while it is asked for, or was answered with a no; None: nothing."""


@dataclass(slots=True, eq=False)
class Window(Rights):
    """What may be used of a limit: of a budget in one period, of holds at a time, of a rate.

    Its name is that of ledger_sync_service.proto, also where it is not leased.
    """

    leased: bool = True
    """False: it is counted on this host alone and never asked for (SOFT budgets, local concurrency limits)."""
    user_count: int = 0
    """Limits on this host that use it now; not stored."""


WINDOW_MARK = "\x1f"
"""Ends the limit's id in the name of a window; ids have no control characters, so no pool has such a name."""


@dataclass(slots=True, eq=False)
class Pool(Rights):
    """One pool as leased to this sidecar. `allowance_held` and `stream_count` are derived from the open holds."""

    currency: str = ""
    enforcement: int = STRICT
    overdraft_limit: int = 0
    partition_mode: int = 1
    partition_after_ms: int = 0
    shadow: bool = False
    allowance_granted_total: int = 0
    allowance_reclaimed_total: int = 0
    allowance_returned_total: int = 0
    allowance_consumed_total: int = 0
    pool_overdraft_bound: int = 0
    """What the pool's overdraft can come to over all hosts, by the ledger's last word."""
    allowance_held: int = 0
    stream_count: int = 0
    """Open holds with `max_output_tokens` that were not opened inside another one."""


@dataclass(slots=True, eq=False)
class Hold:
    """An amount reserved for one piece of work; `sequence` is its place in the order of opening and its key."""

    sequence: int
    hold_id: str
    pool: Pool
    amount: int
    settled_amount: int
    deadline_ns: int
    ttl_ms: int
    subject: str
    dimensions: Dimensions
    allowance_amount: int = 0
    """The part of `amount` that is taken from the allowance."""
    fail_open_amount: int = 0
    """The part of `amount` that nothing covers."""
    opened_at_ns: int = 0
    """When it was opened; after a reboot, when the folder was first opened again."""
    budgets: tuple[Window, ...] = ()
    """Windows of the budgets that it counts against, with its amount each."""
    slots: tuple[Window, ...] = ()
    """Windows of the concurrency limits that it counts against, with one each."""
    parent: "Hold | None" = None
    """The open hold inside which it was opened, or, once that is closed, the open one around it."""
    inner: bool = False
    """Whether it was opened inside another one: then it never takes more of the pool, also once that one is closed."""
    quantities: Quantities = ()
    """What it was opened for, by meter; with `max_output_tokens`, so that it can be brought to what is expected."""
    max_output_tokens: int = 0
    opened_at_unix_ms: int = 0
    """When it was opened by the wall clock: whose prices hold for it; 0: it was opened by an amount."""
    settled_output_tokens: int = 0
    """Output that partial settles reported."""
    told_tokens: int = -1
    """Output that its work told of last; -1: not known, since it is not stored."""
    stride_tokens: int = 1
    """Output between the last two times that it told of more; not stored."""
    open: bool = True
    """False once it is settled, released or expired; not stored."""
    children: "dict[Hold, None] | None" = None
    """The open holds inside it; not stored."""


@dataclass(frozen=True, slots=True)
class Lapsed:
    """What is remembered of a hold that expired, so that a late settle counts where it would have."""

    subject: str
    dimensions: Dimensions
    windows: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Outcome:
    """The recorded answer of one operation; `sequence` is its place in the order of decisions and its key."""

    sequence: int
    account_id: str
    operation_id: str
    pool_id: str
    kind: int
    fingerprint: bytes
    decided_at_ns: int
    answer: bytes
    """The serialised response message, as it was sent."""
    denied: bool = False
    lapsed: Lapsed | None = None
    """Of a Reserve whose hold expired."""


@dataclass(slots=True, eq=False)
class Counter:
    """The running total of Charge's `set`."""

    account_id: str
    pool_id: str
    counter_id: str
    """With the meter before it, where the total is a quantity; see `metered_counter`."""
    total: int


@dataclass(slots=True, eq=False)
class Debit:
    """A settled spend on its way to the ledger; fields as in `holdfast.v1.Debit`."""

    sequence: int
    epoch: int
    account_id: str
    pool_id: str
    amount: int
    operation_id: str
    hold_id: str
    settled_at_unix_ms: int
    subject: str
    dimensions: Dimensions
    late: bool
    over_hold_amount: int
    estimated: bool
    mode: int
    allowance_amount: int = 0
    fail_open_amount: int = 0
    hold_age_ms: int = 0
    windows: tuple[str, ...] = ()
    quantities: Quantities = ()
    caller: str = ""


@dataclass(slots=True)
class Writes:
    """What one batch changes, for one transaction of the store. Rows are complete: last value wins."""

    meta: Meta | None = None
    """Set when any field of it changed; the store also keeps `last_sequence` true through `debits`."""
    pools: list[Pool] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    """Opened or changed and still open."""
    closed_holds: list[int] = field(default_factory=list)
    """Sequences of holds that closed; a hold opened and closed in one batch is only here, and may not be stored."""
    outcomes: list[Outcome] = field(default_factory=list)
    """New ones, in ascending sequence, each above all before."""
    outcomes_lapsed: list[Outcome] = field(default_factory=list)
    """Stored ones that changed: their hold expired. None of those that leave."""
    outcomes_evicted_to: int = 0
    """Outcomes up to this sequence, inclusive, leave; 0: none."""
    debits: list[Debit] = field(default_factory=list)
    """New ones, in ascending sequence, contiguous."""
    debits_trimmed_to: int = 0
    """Debits up to this sequence, inclusive, leave (acked, and past the retained window); 0: none."""
    counters: list[Counter] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    """New or changed."""
    closed_windows: list[Window] = field(default_factory=list)
    """Those that leave; one that came and left in one batch is only here, and may not be stored."""
    rules: list[SubjectRules] = field(default_factory=list)
    """New or changed."""
    rules_dropped: list[tuple[str, str]] = field(default_factory=list)
    """Account and subject of nodes that leave; may not be stored."""
    calendars: list[Calendar] = field(default_factory=list)
    rate_cards: list[RateCardContent] = field(default_factory=list)
    estimates: list[tuple[bytes, bytes]] = field(default_factory=list)
    """What is learned of outputs, by key; see `holdfast_rating.estimates`."""
    events: EventWrites = NO_EVENTS

    def __bool__(self) -> bool:
        """Whether there is anything to commit."""
        return bool(
            self.outcomes
            or self.outcomes_lapsed
            or self.holds
            or self.closed_holds
            or self.pools
            or self.debits
            or self.meta
            or self.counters
            or self.outcomes_evicted_to
            or self.debits_trimmed_to
            or self.windows
            or self.closed_windows
            or self.rules
            or self.rules_dropped
            or self.calendars
            or self.rate_cards
            or self.estimates
            or self.events is not NO_EVENTS
        )


@dataclass(slots=True)
class Snapshot:
    """All that the store has, in the order of the keys; what the engine starts from."""

    meta: Meta
    pools: list[Pool] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    """`Hold.pool` refers to the members of `pools`; their `held` and `hold_count` are already summed up."""
    outcomes: list[Outcome] = field(default_factory=list)
    counters: list[Counter] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    """What they hold is summed up, as that of pools."""
    rules: list[SubjectRules] = field(default_factory=list)
    calendars: list[Calendar] = field(default_factory=list)
    rate_cards: list[RateCardContent] = field(default_factory=list)
    estimates: list[tuple[bytes, bytes]] = field(default_factory=list)
    meters: Meters = NO_METERS
    last_event_sequence: int = 0
    """Of the last event taken in; 0: none ever was."""
