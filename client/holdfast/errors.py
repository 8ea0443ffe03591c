"""The errors a caller can meet, and how faults of the wire become them. No I/O.

A refusal is `Denied`; every other error is a fault, with the `google.rpc.ErrorInfo` reason and metadata that the
sidecar gave. `retryable` says whether another try may help with nothing else changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

if TYPE_CHECKING:
    from holdfast.answers import Decision, LimitState, Mode, Reason

__all__ = [
    "Aborted",
    "AlreadyExists",
    "ClientClosed",
    "DeadlineExceeded",
    "Denied",
    "FailedPrecondition",
    "HoldClosed",
    "HoldfastError",
    "Internal",
    "InvalidArgument",
    "NotFound",
    "PermissionDenied",
    "ResourceExhausted",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "from_status",
]


class HoldfastError(Exception):
    """Anything that went wrong between the caller and the decision.

    Attributes:
        message: what is wrong, in words.
        reason: the cause in capitals, such as "HOLD_NOT_FOUND"; empty when the sidecar gave none.
        metadata: details by name, such as the field at fault under "field".
        operation_id: the id the operation was sent with; empty for a call without one.
        retryable: whether another try may help with nothing else changed.
    """

    retryable: ClassVar[bool] = False

    def __init__(
        self, message: str, *, reason: str = "", metadata: Mapping[str, str] | None = None, operation_id: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata: dict[str, str] = dict(metadata or {})
        self.operation_id = operation_id

    def __str__(self) -> str:
        return f"{self.message} ({self.reason})" if self.reason else self.message

    @property
    def retry_after_ms(self) -> int:
        """Milliseconds after which another try may help, where the sidecar said so; 0: it said nothing of it."""
        said = self.metadata.get("retry_after_ms", "")
        return int(said) if said.isascii() and said.isdecimal() else 0

    @property
    def retry_after(self) -> float:
        """`retry_after_ms` in seconds, as `time.sleep` takes it."""
        return self.retry_after_ms / 1000

    def of(self, operation_id: str) -> Self:
        """This error as that of one operation: a copy with its id, for faults that end many operations at once."""
        error = _rebuild(type(self), self.args, self.__dict__)
        error.operation_id = operation_id
        return error

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default; task queues pickle exceptions.
        return _rebuild, (type(self), self.args, self.__dict__.copy())


class Denied(HoldfastError):
    """The work may not go on: an answer, not a fault.

    The sidecar keeps a denial under its operation id, so another try needs a new id (leave `operation_id` out).

    Attributes:
        decision: the whole answer, with the figures it was based on.
    """

    def __init__(self, decision: Decision, *, operation_id: str = "") -> None:
        super().__init__(_denial(decision), reason=decision.reason.value, operation_id=operation_id)
        self.decision = decision

    @property
    def denial_reason(self) -> Reason:
        """Why, as an enumeration."""
        return self.decision.reason

    @property
    def denied_level(self) -> str:
        """The level that denied, such as "pool/general"."""
        return self.decision.denied_level

    @property
    def denied_by(self) -> LimitState | None:
        """The level that denied, with its figures: subject, limit, used, held, left, when it resets."""
        return self.decision.denied_by

    @property
    def shadow_denials(self) -> tuple[LimitState, ...]:
        """Levels in shadow mode that would have denied too."""
        return self.decision.shadow_denials

    @property
    def available(self) -> int:
        """Minor units that could be had, at the time of the answer."""
        return self.decision.available

    @property
    def retry_after_ms(self) -> int:
        """Milliseconds after which another try may help; 0: time alone does not help."""
        return self.decision.retry_after_ms

    @property
    def mode(self) -> Mode:
        """State of the link to the ledger."""
        return self.decision.mode


def _denial(decision: Decision) -> str:
    """A denial in words, with the figures of the level that denied, where it tells them."""
    level = decision.denied_by
    if level is None:
        where = f" by {decision.denied_level}" if decision.denied_level else ""
        return f"denied{where}: {decision.available} available"
    of = f" of {level.subject}" if level.subject else ""
    limit = f" of {level.limit_amount}" if level.limit_amount else ""
    return f"denied by {level.level}{of}: {level.left_amount} left{limit}"


class Unavailable(HoldfastError):
    """No answer: the sidecar is not there, is draining, or its store failed.

    Whether the operation was carried out is unknown. Sending it again with the same `operation_id` is safe.
    """

    retryable = True


class DeadlineExceeded(Unavailable):
    """No answer within `timeout_ms`. As with `Unavailable`, the same `operation_id` may be sent again."""


class InvalidArgument(HoldfastError):
    """A field is wrong; nothing has changed."""

    @property
    def field(self) -> str:
        """The field at fault, such as "amount"; empty when the sidecar named none."""
        return self.metadata.get("field", "")


class NotFound(HoldfastError):
    """There is no such pool or hold; nothing has changed."""


class AlreadyExists(HoldfastError):
    """The operation id was used before with other content; nothing has changed."""


class FailedPrecondition(HoldfastError):
    """The state does not permit it, such as a counter that would go backwards; nothing has changed."""


class HoldClosed(FailedPrecondition):
    """The hold is already settled, released or expired."""


class ResourceExhausted(HoldfastError):
    """A limit is reached: a full table, a full map, a message too large, or too many reports of usage.

    Helps once there is room again; for reports (reason "RATE_LIMITED") after `retry_after_ms`.
    """

    retryable = True


class Aborted(HoldfastError):
    """Not carried out, since another operation of the same linked execute was denied or failed."""


class PermissionDenied(HoldfastError):
    """This caller may not name this account."""


class Unauthenticated(HoldfastError):
    """The sidecar does not know this caller."""


class Unimplemented(HoldfastError):
    """The sidecar does not have this call: it is older than this client."""


class ClientClosed(HoldfastError):
    """This client or session was closed, before the call or (a check or a reading call only) during it."""


class Internal(HoldfastError):
    """A defect: the sidecar failed, or its answer contradicts the contract."""


_BY_STATUS: dict[int, type[HoldfastError]] = {
    1: Unavailable,  # CANCELLED: cut off on the way, the outcome is as unknown
    2: Internal,  # UNKNOWN
    3: InvalidArgument,
    4: DeadlineExceeded,
    5: NotFound,
    6: AlreadyExists,
    7: PermissionDenied,
    8: ResourceExhausted,
    9: FailedPrecondition,
    10: Aborted,
    11: InvalidArgument,  # OUT_OF_RANGE
    12: Unimplemented,
    13: Internal,
    14: Unavailable,
    15: Internal,  # DATA_LOSS
    16: Unauthenticated,
}


def from_status(
    code: int, message: str, *, reason: str = "", metadata: Mapping[str, str] | None = None, operation_id: str = ""
) -> HoldfastError:
    """The error for a gRPC status code other than OK, with what its ErrorInfo said."""
    kind = _BY_STATUS.get(code, Internal)
    if kind is FailedPrecondition and reason == "HOLD_CLOSED":
        kind = HoldClosed
    return kind(message, reason=reason, metadata=metadata, operation_id=operation_id)


_ErrorT = TypeVar("_ErrorT", bound=HoldfastError)


def _rebuild(kind: type[_ErrorT], args: tuple[object, ...], state: dict[str, object]) -> _ErrorT:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error
