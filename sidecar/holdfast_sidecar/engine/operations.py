"""What callers ask of the engine, as plain slotted values, and how a refusal that is a fault looks.

Upstream: the dispatcher, which has already checked shapes and ranges (ids, signs, sizes). Amounts are in minor units.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from holdfast_sidecar.engine.event_operations import ReportEvents, VoidEvents
from holdfast_sidecar.engine.rules import Dimensions, Quantities

Key: TypeAlias = tuple[str, str]
"""(account_id, pool_id)."""


@dataclass(frozen=True, slots=True)
class Required:
    """What an operation needs of the account's plan; `quantity` and `choice` as in `holdfast.v1.RequiredFeature`."""

    feature: str
    quantity: int = 0
    choice: str = ""


@dataclass(slots=True, eq=False)
class Check:
    """Asks what Reserve would answer; `amount` 0 asks whether anything at all may be spent."""

    account_id: str
    pool_id: str
    amount: int
    min_amount: int
    currency: str
    subject: str
    dimensions: Dimensions
    quantities: Quantities = ()
    required: Required | None = None
    explain: bool = False
    parent_hold_id: str = ""
    max_output_tokens: int = 0


@dataclass(slots=True, eq=False)
class Reserve:
    """Asks for a hold; `ttl_ms` 0 is the default, `min_amount` 0 is `amount`."""

    operation_id: str
    fingerprint: bytes
    account_id: str
    pool_id: str
    amount: int
    min_amount: int
    ttl_ms: int
    currency: str
    subject: str
    dimensions: Dimensions
    quantities: Quantities = ()
    required: Required | None = None
    parent_hold_id: str = ""
    max_output_tokens: int = 0


@dataclass(slots=True, eq=False)
class Extend:
    """Asks for more amount (`add_amount`), more time (`ttl_ms`), or both; or gives a part back (`return_amount`)."""

    operation_id: str
    fingerprint: bytes
    account_id: str
    hold_id: str
    add_amount: int
    min_add_amount: int
    ttl_ms: int
    return_amount: int = 0
    quantities: Quantities = ()
    passed_quantities: Quantities = ()


@dataclass(slots=True, eq=False)
class Settle:
    """Turns a hold, or with `final` False a part of it, into a debit."""

    operation_id: str
    fingerprint: bytes
    account_id: str
    hold_id: str
    amount: int
    final: bool
    pool_id: str
    dimensions: Dimensions
    estimated: bool
    quantities: Quantities = ()
    cut_short: bool = False


@dataclass(slots=True, eq=False)
class Release:
    """Gives a hold back."""

    operation_id: str
    fingerprint: bytes
    account_id: str
    hold_id: str


@dataclass(slots=True, eq=False)
class Charge:
    """Debits `delta`, or with a `counter_id` what brings that counter to `total`.

    With `already_used` the work is done: nothing denies it, and what no right covers is debited as late.
    """

    operation_id: str
    fingerprint: bytes
    account_id: str
    pool_id: str
    delta: int
    counter_id: str
    total: int
    currency: str
    subject: str
    dimensions: Dimensions
    quantities: Quantities = ()
    required: Required | None = None
    already_used: bool = False
    is_recorded: bool = True
    """False: its answer need not be found again, since what it is made of is known by other names."""


@dataclass(slots=True, eq=False)
class Report(Charge):
    """A charge that its answer says more of. With a `meter_id`, `delta` or the rise of the counter is a quantity."""

    meter_id: str = ""
    quantity: int = 0
    """What it counts; known once it is rated."""


@dataclass(frozen=True, slots=True)
class Refused:
    """In the place of an operation that was malformed, where each of a call's operations is answered by itself."""

    fault: "Fault"


@dataclass(slots=True, eq=False)
class GetBalance:
    """Reads one pool's figures."""

    account_id: str
    pool_id: str


@dataclass(slots=True, eq=False)
class ListHolds:
    """Reads a page of an account's open holds, those with a sequence above `after_sequence`; `pool_id` "" is all."""

    account_id: str
    pool_id: str
    page_size: int
    after_sequence: int


Operation: TypeAlias = (
    Check | Reserve | Extend | Settle | Release | Charge | Refused | GetBalance | ListHolds | ReportEvents | VoidEvents
)


class FaultCode(Enum):
    """The wire status that the engine suggests for a fault; the dispatcher decides."""

    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    UNIMPLEMENTED = 12
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an operation could not be decided at all, and what to do about it."""

    code: FaultCode
    reason: str
    """In capitals, for programs: ErrorInfo's reason."""
    message: str
    metadata: tuple[tuple[str, str], ...] = ()


Result: TypeAlias = bytes | Fault
"""A serialised answer, or a fault."""


@dataclass(slots=True, eq=False)
class Call:
    """One request on its way through the engine: its operations, and their results once they are decided."""

    call_id: int
    operations: list[Operation]
    linked: bool = False
    deadline_ns: int = 0
    """The caller's deadline, CLOCK_BOOTTIME in nanoseconds; 0: none."""
    form: int = 0
    """How the dispatcher frames the answer; means nothing here."""
    message_id: int = 0
    """The dispatcher's too."""
    caller: str = ""
    """Who makes it, in short, for the debits that it comes to; no decision depends on it."""
    results: list[Result] = field(default_factory=list)
    wait_until_ns: int = 0
    waits_for: Key | None = None
    waited_amount: int = 0
    waited: bool = False
    """Whether it ever had to wait for the ledger."""
    changed: bool = False
    """Whether the answer may only leave once the batch is durable."""
