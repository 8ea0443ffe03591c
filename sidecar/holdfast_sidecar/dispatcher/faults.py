"""Faults to gRPC statuses: the one place that maps them, with `google.rpc.ErrorInfo` as the detail."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from holdfast_sidecar.dispatcher.invalid import Invalid
from holdfast_sidecar.engine.operations import Fault, FaultCode

DOMAIN = "holdfast"
MESSAGE_MAX_CHARS = 512
"""Statuses travel in trailers, where 8 KB is all there is."""
RETRY_AFTER = "retry_after_ms"
"""Of a fault's metadata: the milliseconds after which the same call may be made again."""


class Refusal(Exception):
    """A call that does not get to the engine, and the fault that says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


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


EVENTS_PENDING = Fault(
    FaultCode.RESOURCE_EXHAUSTED,
    "TOO_MANY_PENDING",
    "too many events wait to be taken in; send them again later",
    ((RETRY_AFTER, "1000"),),
)


def status_bytes(fault: Fault) -> bytes:
    """Returns the serialised `google.rpc.Status` of a fault; when to retry also as a `google.rpc.RetryInfo`."""
    metadata = dict(fault.metadata)
    details: list[Message] = [ErrorInfo(reason=fault.reason, domain=DOMAIN, metadata=metadata)]
    if retry_after_ms := metadata.get(RETRY_AFTER):
        delay = Duration()
        delay.FromMilliseconds(int(retry_after_ms))
        details.append(RetryInfo(retry_delay=delay))
    status = Status(code=fault.code.value, message=fault.message[:MESSAGE_MAX_CHARS])
    for detail in details:
        status.details.add().Pack(detail)
    return status.SerializeToString()
