"""gRPC statuses of the portable transport: Python's answers and its own refusals. The twin of `status.rs`."""

from typing import Never, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"

CANCELLED = 1
DEADLINE_EXCEEDED = 4
RESOURCE_EXHAUSTED = 8
UNAVAILABLE = 14

_ERROR_DOMAIN = "holdfast"
_MAX_MESSAGE_BYTES = 1_024  # clients cut off trailers that grow past about 8 KiB
_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


def refusal(code: int, reason: str, message: str) -> bytes:
    """A serialised `google.rpc.Status` with `ErrorInfo` saying why in capitals."""
    status = status_pb2.Status(code=code, message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain=_ERROR_DOMAIN))
    return status.SerializeToString()


def too_many_pending() -> bytes:
    """The refusal of what would be one item too many."""
    return refusal(RESOURCE_EXHAUSTED, "TOO_MANY_PENDING", "too many calls wait for an answer")


def draining() -> bytes:
    """The answer to what comes in while the server shuts down."""
    return refusal(UNAVAILABLE, "DRAINING", "the server is shutting down")


async def abort(context: Context, code: int, details: bytes) -> Never:
    """Ends a call with a status; `details` is a serialised `google.rpc.Status`."""
    metadata = (("grpc-status-details-bin", details),)
    await context.abort(_CODES.get(code, grpc.StatusCode.UNKNOWN), _message(details), metadata)


def _message(details: bytes) -> str:
    try:
        message = status_pb2.Status.FromString(details).message
    except DecodeError:
        return "no readable google.rpc.Status"
    return message.encode()[:_MAX_MESSAGE_BYTES].decode(errors="ignore")
