"""The one place where faults become gRPC: a status code and a `google.rpc.ErrorInfo` of the domain "holdfast"."""

import logging
from typing import NoReturn, Protocol

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import ErrorInfo
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
    (errors.Fenced, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.SequenceGap, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.LedgerBehind, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.RightsUnknown, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.Replaced, grpc.StatusCode.ABORTED),
    (errors.WindowExceeded, grpc.StatusCode.RESOURCE_EXHAUSTED),
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


async def abort(context: Abortable, fault: BaseException) -> NoReturn:
    """Ends a call with the status of a fault. What is none of our types is logged and told as INTERNAL, bare."""
    known = fault if isinstance(fault, errors.LedgerError) else errors.LedgerError("internal error")
    if known is not fault:
        _log.error("unexpected fault", exc_info=fault)
    code = code_of(known)
    message = known.message[:MAX_MESSAGE_CHARS]
    info = ErrorInfo(reason=known.reason, domain=DOMAIN, metadata=known.metadata)
    packed = AnyMessage()
    packed.Pack(info)
    details = Status(code=Code.Value(code.name), message=message, details=[packed])
    await context.abort(code, message, (("grpc-status-details-bin", details.SerializeToString()),))
