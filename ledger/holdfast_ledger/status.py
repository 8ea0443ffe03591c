"""The one place where faults become gRPC: a status code and a `google.rpc.ErrorInfo` of the domain "holdfast"."""

import logging
from typing import NoReturn, Protocol

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from holdfast_ledger import errors

DOMAIN = "holdfast"

MAX_MESSAGE_CHARS = 1024
"""Characters of a status message: HTTP/2 trailers above 8 KB are dropped by peers, whatever they say."""

_CODES: tuple[tuple[type[errors.LedgerError], grpc.StatusCode], ...] = (
    (errors.InvalidArgument, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.NotFound, grpc.StatusCode.NOT_FOUND),
    (errors.AlreadyExists, grpc.StatusCode.ALREADY_EXISTS),
    (errors.InUse, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.PeriodNotOver, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.FigureTooLarge, grpc.StatusCode.OUT_OF_RANGE),
    (errors.Fenced, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.SequenceGap, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.LedgerBehind, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.RightsUnknown, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.Replaced, grpc.StatusCode.ABORTED),
    (errors.WindowExceeded, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.RateLimited, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.LedgerBusy, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.Unauthenticated, grpc.StatusCode.UNAUTHENTICATED),
    (errors.PermissionDenied, grpc.StatusCode.PERMISSION_DENIED),
    (errors.QuestionTooLarge, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.QuestionTimeout, grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.ServedBySidecar, grpc.StatusCode.UNIMPLEMENTED),
    (errors.Unavailable, grpc.StatusCode.UNAVAILABLE),
)

_log = logging.getLogger(__name__)


class Abortable(Protocol):
    """The part of grpc.aio's ServicerContext that ends a call."""

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: tuple[tuple[str, bytes], ...] = ()
    ) -> NoReturn:
        """Ends the call with a status."""


def code_of(fault: BaseException) -> grpc.StatusCode:
    """Returns the status code of a fault; INTERNAL for what is none of ours."""
    for kind, code in _CODES:
        if isinstance(fault, kind):
            return code
    return grpc.StatusCode.INTERNAL


def known_fault(fault: BaseException) -> errors.LedgerError:
    """Returns a fault of our types: what is none of them is logged, and told bare."""
    if isinstance(fault, errors.LedgerError):
        return fault
    _log.error("unexpected fault", exc_info=fault)
    return errors.LedgerError("internal error")


def status_of(fault: errors.LedgerError) -> Status:
    """Returns a fault as a status with its details; when to retry also as a `google.rpc.RetryInfo`."""
    details: list[Message] = [ErrorInfo(reason=fault.reason, domain=DOMAIN, metadata=fault.metadata)]
    if retry_after_ms := fault.metadata.get("retry_after_ms"):
        delay = Duration()
        delay.FromMilliseconds(int(retry_after_ms))
        details.append(RetryInfo(retry_delay=delay))
    result = Status(code=Code.Value(code_of(fault).name), message=fault.message[:MAX_MESSAGE_CHARS])
    for detail in details:
        result.details.add().Pack(detail)
    return result


async def abort(context: Abortable, fault: BaseException) -> NoReturn:
    """Ends a call with the status of a fault. What is none of our types is logged and told as INTERNAL, bare."""
    known = known_fault(fault)
    status = status_of(known)
    await context.abort(code_of(known), status.message, (("grpc-status-details-bin", status.SerializeToString()),))
