"""How a failed call of grpc's asyncio API becomes one of our errors."""

from grpc import aio

from holdfast.core.wire import read_fault
from holdfast.errors import HoldfastError


def fault_of(error: aio.AioRpcError, operation_id: str = "") -> HoldfastError:
    """The error that a failed call stands for."""
    return read_fault(error.code().value[0], error.details(), error.trailing_metadata(), operation_id)
