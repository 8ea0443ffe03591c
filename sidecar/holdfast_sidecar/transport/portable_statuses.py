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
_MAX_MESSAGE_BYTES = 1_024
"""Clients begin to refuse a call whose trailers pass 8 KiB, and escapes triple a message that is not ASCII."""
_MAX_DETAILS_BYTES = 3_072
"""Longest `google.rpc.Status` sent, which base64 lengthens by a third; a longer one is left out."""
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
    try:
        message = status_pb2.Status.FromString(details).message
    except DecodeError:
        message, details = "no readable google.rpc.Status", b""
    message = message.encode()[:_MAX_MESSAGE_BYTES].decode(errors="ignore")
    metadata = (("grpc-status-details-bin", details),) if len(details) <= _MAX_DETAILS_BYTES else ()
    await context.abort(_CODES[known_code(code)], message, metadata)


def known_code(code: int) -> int:
    """The code itself, or UNKNOWN for one that gRPC does not have."""
    return code if code in _CODES else grpc.StatusCode.UNKNOWN.value[0]
