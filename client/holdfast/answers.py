"""The answers of the sidecar as plain values, and how they are read from messages. No I/O.

One value a call, named after what was done: `Checked`, `Reserved`, `Extended`, `Settled`, `Released`, `Charged`;
`Balance` and `HeldRecord` for the two that read. Amounts are minor units, `_ms` are milliseconds.
An answer that contradicts the contract (no verdict, no result) raises `Internal`.
"""

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import TypeAlias, TypeVar

from holdfast.errors import Denied, HoldfastError, Internal, from_status
from holdfast.operations import Operation, operation_id_of
from holdfast.v1 import decision_pb2
from holdfast.v1.enforcement_service_pb2 import (
    ChargeResponse,
    CheckResponse,
    ExtendResponse,
    GetBalanceResponse,
    Hold,
    OperationError,
    OperationResult,
    ReleaseResponse,
    ReserveResponse,
    SettleResponse,
)

__all__ = [
    "Answer",
    "Balance",
    "Charged",
    "Checked",
    "Decision",
    "Enforcement",
    "Extended",
    "FeatureValue",
    "HeldRecord",
    "LimitState",
    "Mode",
    "PartitionMode",
    "Policy",
    "Reason",
    "Released",
    "Reserved",
    "Settled",
]


class Reason(StrEnum):
    """Why a decision fell as it did, in the order of the waterfall: of several causes the first one is named."""

    UNSPECIFIED = "UNSPECIFIED"
    OK = "OK"
    UNKNOWN_ACCOUNT = "UNKNOWN_ACCOUNT"
    RATE_LIMITED = "RATE_LIMITED"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE"
    OVERDRAFT_LIMIT = "OVERDRAFT_LIMIT"
    PARTITIONED = "PARTITIONED"
    LEASE_TIMEOUT = "LEASE_TIMEOUT"
    LINKED_FAILED = "LINKED_FAILED"
    NOT_ENTITLED = "NOT_ENTITLED"
    UNKNOWN_SUBJECT = "UNKNOWN_SUBJECT"
    CONCURRENCY_LIMITED = "CONCURRENCY_LIMITED"
    PARENT_EXHAUSTED = "PARENT_EXHAUSTED"
    NO_ANSWER = "NO_ANSWER"
    """This client's own: the sidecar did not answer, and `on_unavailable` decided."""
    UNRECOGNIZED = "UNRECOGNIZED"
    """The sidecar is newer than this client and names a reason that this one does not know."""


class Mode(StrEnum):
    """In which state of the link to the ledger a decision was taken."""

    UNSPECIFIED = "UNSPECIFIED"
    CONNECTED = "CONNECTED"
    PARTITIONED = "PARTITIONED"
    UNRECOGNIZED = "UNRECOGNIZED"


class Enforcement(StrEnum):
    """What a pool asks of work before it spends."""

    STRICT = "STRICT"
    OPTIMISTIC = "OPTIMISTIC"
    UNRECOGNIZED = "UNRECOGNIZED"


class PartitionMode(StrEnum):
    """What a sidecar does that is cut off and has used up its lease."""

    FAIL_CLOSED = "FAIL_CLOSED"
    ALLOWANCE = "ALLOWANCE"
    FAIL_OPEN = "FAIL_OPEN"
    UNRECOGNIZED = "UNRECOGNIZED"


@dataclass(frozen=True, slots=True)
class LimitState:
    """What one level of the waterfall says: an entitlement, a limit, a budget, a pool, or the hold around a nested one.

    Amounts are in the level's own unit: minor units of a budget, pool or hold; cost for a rate limit; holds at a time.
    """

    level: str
    """Which one, such as "budget/team-month", "rate_limit/rpm" or "pool/general"."""
    subject: str
    """Path of the subject that has it; empty: the account, or none."""
    reason: Reason
    """OK, or why this level denies."""
    limit_amount: int
    """The limit; 0 where there is none."""
    used_amount: int
    """What of it is used up, as this host knows it."""
    held_amount: int
    """What the open holds of this host reserve of it."""
    left_amount: int
    """The most that it would let through now, on this host with the rights that it has."""
    resets_at_unix_ms: int
    """When it is full again, Unix time; 0: not by time, or bit by bit."""
    retry_after_ms: int
    """After this time what was asked for would pass, if nothing else is let through; 0: time alone does not help."""
    shadow: bool
    """This level only records what it would have denied."""

    @property
    def resets_at(self) -> datetime.datetime | None:
        """`resets_at_unix_ms` as a time in UTC; None: not by time, or bit by bit."""
        if not self.resets_at_unix_ms:
            return None
        return _EPOCH + datetime.timedelta(milliseconds=self.resets_at_unix_ms)

    @property
    def retry_after(self) -> float:
        """`retry_after_ms` in seconds, as `time.sleep` takes it."""
        return self.retry_after_ms / 1000


FeatureValue: TypeAlias = bool | int | tuple[str, ...]
"""What a plan has under a feature's name: whether it may be used, how much at a time, or which ones."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What every decision says; it is true when the work may go on, so `if client.check(...):` reads as it should."""

    allowed: bool
    reason: Reason
    denied_level: str
    """The level that denied, such as "pool/general"; empty when allowed."""
    posted: int
    """Settled balance of the pool as this host knows it; below zero in overdraft."""
    held: int
    """Reserved by the open holds of this host in this pool."""
    available: int
    """posted - held + permitted overdraft."""
    retry_after_ms: int
    """After this time another try may help; 0: time alone does not help."""
    mode: Mode
    denied_by: LimitState | None = field(default=None, kw_only=True)
    """The level that denied, with its figures; None when allowed."""
    shadow_denials: tuple[LimitState, ...] = field(default=(), kw_only=True)
    """Levels in shadow mode that would have denied."""

    def __bool__(self) -> bool:
        return self.allowed


@dataclass(frozen=True, slots=True)
class Checked(Decision):
    """What a reserve would have been answered."""

    granted_amount: int
    """What a reserve would be granted; 0 when denied."""
    steps: tuple[LimitState, ...] = ()
    """With `explain`: every level in the order of the waterfall, those after a denial included."""
    feature_value: FeatureValue | None = None
    """What the plan has of the required feature; None: none was required, or the plan does not have it."""
    rated_amount: int = 0
    """What the quantities come to; 0 without quantities."""


@dataclass(frozen=True, slots=True)
class Reserved(Decision):
    """The answer to a reserve."""

    granted_amount: int
    """What is held, `min_amount`..`amount`; 0 when denied."""
    remaining_ttl_ms: int
    """Time the hold had left when it was decided."""
    retention_ms: int
    """How long this answer is kept for a repeated operation id."""
    unleased_amount: int = 0
    """The part that no leased right covers: let through by the pool's partition mode while cut off from the ledger."""
    rated_amount: int = 0
    """What the quantities come to; 0 without quantities."""


@dataclass(frozen=True, slots=True)
class Extended(Decision):
    """The answer to an extend."""

    added_amount: int
    hold_amount: int
    """What the hold has now, parts already settled not counted."""
    remaining_ttl_ms: int
    retention_ms: int
    unleased_amount: int = 0
    """As in `Reserved`."""
    returned_amount: int = 0
    """What the hold gave back."""


@dataclass(frozen=True, slots=True)
class Charged(Decision):
    """The answer to a charge."""

    debited_amount: int
    counter_total: int
    """The counter's total after a charge by total; else 0."""
    retention_ms: int
    unleased_amount: int = 0
    """As in `Reserved`."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The answer to a settle, which is always accepted."""

    debited_amount: int
    returned_amount: int
    """What returned from the hold to the pool."""
    hold_amount: int
    """What the hold still has after a partial settle; 0 after the final one."""
    late: bool
    """The hold was no longer open; the debit was taken all the same."""
    over_hold_amount: int
    """By how much this debit passed what the hold had left; 0 if it did not."""
    posted: int
    held: int
    available: int
    mode: Mode
    remaining_ttl_ms: int
    retention_ms: int


@dataclass(frozen=True, slots=True)
class Released:
    """The answer to a release."""

    returned_amount: int
    posted: int
    held: int
    available: int
    mode: Mode
    retention_ms: int


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one pool."""

    enforcement: Enforcement
    overdraft_limit: int
    """OPTIMISTIC only: how far below zero the settled balance may go before work is denied."""
    partition_mode: PartitionMode
    partition_overdraft_limit: int
    """ALLOWANCE only: the overdraft threshold of the whole pool, of which this host has a share."""
    partition_after_ms: int
    """Silence of the ledger after which the sidecar counts itself cut off; 0: the sidecar's setting."""
    shadow: bool = False
    """The pool only records what it would have denied."""


@dataclass(frozen=True, slots=True)
class Balance:
    """One pool's figures as this host knows them."""

    pool_id: str
    currency: str
    posted: int
    held: int
    available: int
    lease_left: int
    """Rights leased to this host and neither held nor spent; below zero in overdraft."""
    lease_remaining_ms: int
    """Time for which the leases of this host are still valid; 0: expired or never had."""
    unposted: int
    """Debited here and not yet posted by the ledger, as far as this host knows."""
    hold_count: int
    mode: Mode
    policy: Policy
    allowance_left: int = 0
    """This host's partition allowance, as far as it is neither held nor spent."""
    allowance_used: int = 0
    """What of it is held, and what was ever spent of it in this life of the host's folder."""
    allowance_remaining_ms: int = 0
    """Time for which the allowance is still valid; 0: expired or never had."""
    overdraft_bound: int = 0
    """What the pool's overdraft can come to over all hosts, by the ledger's last word."""


@dataclass(frozen=True, slots=True)
class HeldRecord:
    """One open hold as the sidecar lists it."""

    hold_id: str
    pool_id: str
    amount: int
    settled_amount: int
    remaining_ttl_ms: int
    subject: str
    dimensions: Mapping[str, str]
    parent_hold_id: str = ""
    """The open hold inside which it was opened; empty: none."""


Answer: TypeAlias = Checked | Reserved | Extended | Settled | Released | Charged

_AnswerT = TypeVar("_AnswerT", bound=Answer)
_EnumT = TypeVar("_EnumT", bound=Enum)
_DecisionT = TypeVar("_DecisionT", bound=Decision)

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_REASONS = tuple(Reason)[:-2]  # the contract's, by number; the last two are this client's own
_MODES = tuple(Mode)[:-1]
_ENFORCEMENTS = (Enforcement.STRICT, *tuple(Enforcement)[:-1])  # unset is read as STRICT
_PARTITION_MODES = (PartitionMode.FAIL_CLOSED, *tuple(PartitionMode)[:-1])  # unset is read as FAIL_CLOSED


def _member(members: tuple[_EnumT, ...], number: int, unrecognized: _EnumT) -> _EnumT:
    return members[number] if 0 <= number < len(members) else unrecognized


def _reason(number: int) -> Reason:
    return _member(_REASONS, number, Reason.UNRECOGNIZED)


def _mode(number: int) -> Mode:
    return _member(_MODES, number, Mode.UNRECOGNIZED)


def _allowed(verdict: int) -> bool:
    if verdict == decision_pb2.VERDICT_ALLOW:
        return True
    if verdict == decision_pb2.VERDICT_DENY:
        return False
    raise Internal(f"the answer has no verdict that this client knows: {verdict}", reason="UNREADABLE_ANSWER")


_Decided: TypeAlias = CheckResponse | ReserveResponse | ExtendResponse | ChargeResponse


def _decided(message: _Decided) -> tuple[bool, Reason, str, int, int, int, int, Mode]:
    return (
        _allowed(message.verdict),
        _reason(message.reason),
        message.denied_level,
        message.posted,
        message.held,
        message.available,
        message.retry_after_ms,
        _mode(message.mode),
    )


def _level(message: decision_pb2.LimitState) -> LimitState:
    return LimitState(
        message.level,
        message.subject,
        _reason(message.reason),
        message.limit_amount,
        message.used_amount,
        message.held_amount,
        message.left_amount,
        message.resets_at_unix_ms,
        message.retry_after_ms,
        message.shadow,
    )


def _levels(messages: Sequence[decision_pb2.LimitState]) -> tuple[LimitState, ...]:
    return tuple(map(_level, messages)) if messages else ()


def _denied_by(message: _Decided) -> LimitState | None:
    denied = message.verdict == decision_pb2.VERDICT_DENY and message.HasField("denied_by")
    return _level(message.denied_by) if denied else None


def _feature_value(message: decision_pb2.FeatureValue) -> FeatureValue | None:
    match message.WhichOneof("value"):
        case "enabled":
            return message.enabled
        case "maximum":
            return message.maximum
        case "choices":
            return tuple(message.choices.values)
        case _:
            return None


def _checked(message: CheckResponse) -> Checked:
    return Checked(
        *_decided(message),
        message.granted_amount,
        _levels(message.steps),
        _feature_value(message.feature_value),
        message.rated_amount,
        denied_by=_denied_by(message),
        shadow_denials=_levels(message.shadow_denials),
    )


def _reserved(message: ReserveResponse) -> Reserved:
    return Reserved(
        *_decided(message),
        message.granted_amount,
        message.remaining_ttl_ms,
        message.retention_ms,
        message.unleased_amount,
        message.rated_amount,
        denied_by=_denied_by(message),
        shadow_denials=_levels(message.shadow_denials),
    )


def _extended(message: ExtendResponse) -> Extended:
    return Extended(
        *_decided(message),
        message.added_amount,
        message.hold_amount,
        message.remaining_ttl_ms,
        message.retention_ms,
        message.unleased_amount,
        message.returned_amount,
        denied_by=_denied_by(message),
        shadow_denials=_levels(message.shadow_denials),
    )


def read_charged(message: ChargeResponse) -> Charged:
    """Reads the answer to a charge."""
    return Charged(
        *_decided(message),
        message.debited_amount,
        message.counter_total,
        message.retention_ms,
        message.unleased_amount,
        denied_by=_denied_by(message),
        shadow_denials=_levels(message.shadow_denials),
    )


def _settled(message: SettleResponse) -> Settled:
    return Settled(
        message.debited_amount,
        message.returned_amount,
        message.hold_amount,
        message.late,
        message.over_hold_amount,
        message.posted,
        message.held,
        message.available,
        _mode(message.mode),
        message.remaining_ttl_ms,
        message.retention_ms,
    )


def _released(message: ReleaseResponse) -> Released:
    return Released(
        message.returned_amount,
        message.posted,
        message.held,
        message.available,
        _mode(message.mode),
        message.retention_ms,
    )


_READERS: dict[str, Callable[..., Answer]] = {
    "check": _checked,
    "reserve": _reserved,
    "extend": _extended,
    "settle": _settled,
    "release": _released,
    "charge": read_charged,
}


def read_answer(kind: str, message: object) -> Answer:
    """Reads the answer to an operation of this kind ("check", "reserve", …)."""
    return _READERS[kind](message)


def read_result(result: OperationResult, operation_id: str) -> Answer | HoldfastError:
    """Reads one result of an execute or of a session; a fault is a value here, since its neighbours may be fine."""
    kind = result.WhichOneof("result")
    if kind is None:
        return Internal("the result is empty", reason="UNREADABLE_ANSWER", operation_id=operation_id)
    if kind == "error":
        return read_error(result.error, operation_id)
    try:
        return _READERS[kind](getattr(result, kind))
    except HoldfastError as error:
        error.operation_id = operation_id
        return error


def read_results(operations: Sequence[Operation], results: Sequence[OperationResult]) -> list[Answer | HoldfastError]:
    """Reads the results of an execute, one an operation and in the same order."""
    if len(operations) != len(results):
        raise Internal(f"{len(results)} results for {len(operations)} operations", reason="UNREADABLE_ANSWER")
    return [read_result(result, operation_id_of(asked)) for asked, result in zip(operations, results, strict=True)]


def read_error(error: OperationError, operation_id: str = "") -> HoldfastError:
    """Reads the fault of one operation, or of a whole message."""
    return from_status(
        error.code, error.message, reason=error.reason, metadata=dict(error.metadata), operation_id=operation_id
    )


def read_balance(message: GetBalanceResponse) -> Balance:
    """Reads one pool's figures."""
    policy = message.policy
    return Balance(
        pool_id=message.pool_id,
        currency=message.currency,
        posted=message.posted,
        held=message.held,
        available=message.available,
        lease_left=message.lease_left,
        lease_remaining_ms=message.lease_remaining_ms,
        unposted=message.unposted,
        hold_count=message.hold_count,
        mode=_mode(message.mode),
        policy=Policy(
            enforcement=_member(_ENFORCEMENTS, policy.enforcement, Enforcement.UNRECOGNIZED),
            overdraft_limit=policy.overdraft_limit,
            partition_mode=_member(_PARTITION_MODES, policy.partition_mode, PartitionMode.UNRECOGNIZED),
            partition_overdraft_limit=policy.partition_overdraft_limit,
            partition_after_ms=policy.partition_after_ms,
            shadow=policy.shadow,
        ),
        allowance_left=message.allowance_left,
        allowance_used=message.allowance_used,
        allowance_remaining_ms=message.allowance_remaining_ms,
        overdraft_bound=message.overdraft_bound,
    )


def read_hold(message: Hold) -> HeldRecord:
    """Reads one open hold of a list."""
    return HeldRecord(
        message.hold_id,
        message.pool_id,
        message.amount,
        message.settled_amount,
        message.remaining_ttl_ms,
        message.subject,
        dict(message.dimensions),
        message.parent_hold_id,
    )


def expect(answer: Answer, kind: type[_AnswerT]) -> _AnswerT:
    """Narrows an answer to the kind that was asked for."""
    if not isinstance(answer, kind):
        raise Internal(f"asked for {kind.__name__}, answered {type(answer).__name__}", reason="UNREADABLE_ANSWER")
    return answer


def permitted(decision: _DecisionT, operation_id: str) -> _DecisionT:
    """The decision, if it allows; else `Denied`."""
    if not decision.allowed:
        raise Denied(decision, operation_id=operation_id)
    return decision
