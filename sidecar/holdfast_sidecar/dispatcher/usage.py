"""The calls of UsageService: who may make them, and which operations they come to.

Upstream: `dispatcher.py`. What the ledger serves of this service is refused here with its name, so that who asks at the
wrong place learns the right one.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from holdfast.v1 import usage_service_pb2 as pb

from holdfast_sidecar.dispatcher.decode import currency_of, dimensions_of, fingerprint, pool_id_of, subject_of
from holdfast_sidecar.dispatcher.event_decode import EventDecoder
from holdfast_sidecar.dispatcher.event_salvage import first_bad_text, parts_of
from holdfast_sidecar.dispatcher.faults import GARBAGE, Refusal, fault_of
from holdfast_sidecar.dispatcher.framing import Form
from holdfast_sidecar.dispatcher.gate import Gate, check_account
from holdfast_sidecar.dispatcher.invalid import Invalid, check_amount, check_id, check_meter
from holdfast_sidecar.engine.operations import Fault, FaultCode, Operation, Refused, Report
from holdfast_sidecar.engine.state import Kind
from holdfast_sidecar.transport.interface import Method

_SERVICE = "/holdfast.v1.UsageService/"
_OF_THE_LEDGER = ("QueryUsage", "TraceUsage", "ListUsageKeys")
_REPORTS_FIELD = 1
_OWN = ("ReportUsage", "ReportUsageBulk", "ReportEvents", "VoidEvents")

USAGE_METHODS: tuple[Method, ...] = tuple(Method(_SERVICE + name) for name in (*_OWN, *_OF_THE_LEDGER))

Read: TypeAlias = tuple[list[Operation], Form]
"""The operations of a call, and how its answer is framed."""


class UsageCalls:
    """Reads the calls of the service.

    Args:
        gate: Lets callers through.
        max_operations: Reports in one call.
    """

    def __init__(self, gate: Gate, max_operations: int) -> None:
        self._gate = gate
        self._max_operations = max_operations
        self._events = EventDecoder()
        self._readers: tuple[Callable[[bytes, str], Read], ...] = (
            self._report,
            self._reports,
            self._report_events,
            self._void_events,
        )

    def read(self, method: int, payload: bytes, peer: str) -> Read:
        """Returns the operations of a call.

        Args:
            method: Index into `USAGE_METHODS`.
            peer: As in `transport.interface.Item`.

        Raises:
            Invalid: A field is at fault.
            Refusal: The caller may not make the call, or not here.
            DecodeError: The bytes are no such request.
        """
        if method >= len(self._readers):
            raise Refusal(_elsewhere(_OF_THE_LEDGER[method - len(self._readers)]))
        return self._readers[method](payload, self._gate.admit(peer))

    def _report(self, payload: bytes, scope: str) -> Read:
        return [report_of(pb.ReportUsageRequest.FromString(payload), scope)], Form.UNARY

    def _reports(self, payload: bytes, scope: str) -> Read:
        try:
            found: Sequence[pb.ReportUsageRequest | bytes] = pb.ReportUsageBulkRequest.FromString(payload).reports
        except DecodeError:
            # One text that is not UTF-8 makes a request unreadable; the others in it are whole.
            found = parts_of(payload, _REPORTS_FIELD)
        if not 1 <= len(found) <= self._max_operations:
            raise Invalid("reports", f"must be 1..{self._max_operations} reports, are {len(found)}")
        return [_report_or_refused(report, scope) for report in found], Form.REPORTS

    def _report_events(self, payload: bytes, scope: str) -> Read:
        return [self._events.report(payload, scope)], Form.UNARY

    def _void_events(self, payload: bytes, scope: str) -> Read:
        return [self._events.void(payload, scope)], Form.UNARY


def report_of(request: pb.ReportUsageRequest, scope: str = "") -> Report:
    """Returns a report as an operation. Raises Invalid, and Refusal for an account outside the caller's scope."""
    delta, counter_id, total = 0, "", 0
    match request.WhichOneof("usage"):
        case "delta":
            delta = check_amount("delta", request.delta, 1)
        case "set":
            counter_id = check_id("set.counter_id", request.set.counter_id)
            total = check_amount("set.total", request.set.total, 0)
        case _:
            raise Invalid("usage", "one of delta and set must be set")
    account_id = check_id("account_id", request.account_id)
    check_account(scope, account_id)
    return Report(
        check_id("operation_id", request.operation_id),
        fingerprint(Kind.REPORT, request),
        account_id,
        pool_id_of(request.pool_id),
        delta,
        counter_id,
        total,
        currency_of(request.currency),
        subject_of(request.subject),
        dimensions_of(request.dimensions),
        already_used=request.already_used,
        meter_id=check_meter("meter_id", request.meter_id) if request.meter_id else "",
    )


def _report_or_refused(report: pb.ReportUsageRequest | bytes, scope: str) -> Operation:
    try:
        return report_of(_readable(report) if isinstance(report, bytes) else report, scope)
    except Invalid as problem:
        return Refused(fault_of(problem))
    except Refusal as refusal:
        return Refused(refusal.fault)


def _readable(part: bytes) -> pb.ReportUsageRequest:
    try:
        return pb.ReportUsageRequest.FromString(part)
    except DecodeError:
        field = first_bad_text(part, cast("Descriptor", pb.ReportUsageRequest.DESCRIPTOR))
        raise (Invalid(field, "is not UTF-8") if field else Refusal(GARBAGE)) from None


def _elsewhere(name: str) -> Fault:
    return Fault(
        FaultCode.UNIMPLEMENTED,
        "SERVED_BY_LEDGER",
        f"{name} is a call of the ledger: ask it there, not a sidecar",
        (("service", "holdfast.v1.UsageService"), ("served_by", "ledger")),
    )
