"""Faults to gRPC statuses: the one place that maps them, with `google.rpc.ErrorInfo` as the detail."""

from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from holdfast_sidecar.dispatcher.invalid import Invalid
from holdfast_sidecar.engine.operations import Fault, FaultCode

DOMAIN = "holdfast"
MESSAGE_MAX_CHARS = 512
"""Statuses travel in trailers, where 8 KB is all there is."""


def fault_of(problem: Invalid) -> Fault:
    """Returns the fault for a malformed request."""
    return Fault(
        FaultCode.INVALID_ARGUMENT,
        "INVALID_FIELD",
        str(problem)[:MESSAGE_MAX_CHARS],
        (("field", problem.field[:MESSAGE_MAX_CHARS]),),
    )


GARBAGE = Fault(
    FaultCode.INVALID_ARGUMENT,
    "UNREADABLE_MESSAGE",
    "the bytes are not this method's request message, or a string is not UTF-8",
)
STORE_FAILED = Fault(
    FaultCode.UNAVAILABLE,
    "STORE_FAILED",
    "the store failed and the sidecar restarts; the outcome is unknown: retry with the same operation id",
)


def status_bytes(fault: Fault) -> bytes:
    """Returns the serialised `google.rpc.Status` of a fault."""
    detail = Any()
    detail.Pack(ErrorInfo(reason=fault.reason, domain=DOMAIN, metadata=dict(fault.metadata)))
    return Status(
        code=fault.code.value, message=fault.message[:MESSAGE_MAX_CHARS], details=[detail]
    ).SerializeToString()
