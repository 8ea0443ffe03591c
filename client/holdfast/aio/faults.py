"""How a failed call of grpc's asyncio API becomes one of our errors."""

import grpc
from grpc import aio

from holdfast.core.wire import read_fault
from holdfast.errors import HoldfastError, Unavailable

_WRITE_FAILED = "Internal error from Core"
"""How grpc.aio ends a stream by itself, as INTERNAL, when a write meets a connection that broke."""


def fault_of(error: aio.AioRpcError, operation_id: str = "") -> HoldfastError:
    """The error that a failed call stands for."""
    if error.code() is grpc.StatusCode.INTERNAL and error.details() == _WRITE_FAILED:
        return Unavailable("the connection broke during a write", reason="STREAM_BROKEN", operation_id=operation_id)
    return read_fault(error.code().value[0], error.details(), error.trailing_metadata(), operation_id)
