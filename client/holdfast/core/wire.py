"""The unary calls by name, how their bytes are read, and how a failed one becomes an error."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from holdfast.core.details import read_details
from holdfast.errors import HoldfastError, from_status
from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast.v1 import usage_service_pb2 as usage

_SERVICE = "/holdfast.v1.EnforcementService/"
_USAGE = "/holdfast.v1.UsageService/"
SESSION_PATH = _SERVICE + "Session"


class Message(Protocol):
    """A protobuf message."""

    def SerializeToString(self) -> bytes:
        """The message's bytes."""


@dataclass(frozen=True, slots=True)
class Method:
    """A unary call: its path, and what reads its answer."""

    path: str
    read: Callable[[bytes], Message]
    takes_token: bool = False
    """Whether who calls may have to show a credential."""


METHODS: dict[str, Method] = {
    "check": Method(_SERVICE + "Check", pb.CheckResponse.FromString),
    "reserve": Method(_SERVICE + "Reserve", pb.ReserveResponse.FromString),
    "extend": Method(_SERVICE + "Extend", pb.ExtendResponse.FromString),
    "settle": Method(_SERVICE + "Settle", pb.SettleResponse.FromString),
    "release": Method(_SERVICE + "Release", pb.ReleaseResponse.FromString),
    "charge": Method(_SERVICE + "Charge", pb.ChargeResponse.FromString),
    "get_balance": Method(_SERVICE + "GetBalance", pb.GetBalanceResponse.FromString),
    "list_holds": Method(_SERVICE + "ListHolds", pb.ListHoldsResponse.FromString),
    "execute": Method(_SERVICE + "Execute", pb.ExecuteResponse.FromString),
    "report_usage": Method(_USAGE + "ReportUsage", usage.ReportUsageResponse.FromString, takes_token=True),
    "report_usage_bulk": Method(_USAGE + "ReportUsageBulk", usage.ReportUsageBulkResponse.FromString, takes_token=True),
    "report_events": Method(_USAGE + "ReportEvents", usage.ReportEventsResponse.FromString, takes_token=True),
    "void_events": Method(_USAGE + "VoidEvents", usage.VoidEventsResponse.FromString, takes_token=True),
}
"""By the client's name for it."""


def read_fault(
    code: int, message: str | None, trailers: Iterable[tuple[str, str | bytes]] | None, operation_id: str = ""
) -> HoldfastError:
    """The error of a call that ended with a status other than OK."""
    info = read_details(trailers)
    return from_status(code, message or "", reason=info.reason, metadata=info.metadata, operation_id=operation_id)


def serialize(message: Message) -> bytes:
    """The bytes of a request."""
    return message.SerializeToString()
