"""How a failed call of grpc's blocking API becomes one of our errors."""

import grpc

from holdfast.core.wire import read_fault
from holdfast.errors import HoldfastError


def fault_of(error: grpc.RpcError, operation_id: str = "") -> HoldfastError:
    """The error that a failed call stands for."""
    assert isinstance(error, grpc.Call)  # what grpc raises from a call is always the call itself
    return read_fault(error.code().value[0], error.details(), error.trailing_metadata(), operation_id)
