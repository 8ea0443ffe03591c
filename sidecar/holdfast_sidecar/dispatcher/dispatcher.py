"""Between the transport's bytes and the engine's operations: which method, which message, which frame.

Upstream: `loop.py` with a transport's batch. Downstream: calls for the engine; answers for the transport.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2
from holdfast.v1 import enforcement_service_pb2 as pb

from holdfast_sidecar.dispatcher.decode import Decoder
from holdfast_sidecar.dispatcher.faults import EVENTS_PENDING, GARBAGE, Refusal, fault_of, status_bytes
from holdfast_sidecar.dispatcher.framing import (
    Form,
    execute_response,
    reports_response,
    session_error,
    session_response,
)
from holdfast_sidecar.dispatcher.invalid import Invalid
from holdfast_sidecar.dispatcher.usage import USAGE_METHODS, UsageCalls
from holdfast_sidecar.engine.operations import Call, Fault, Operation
from holdfast_sidecar.transport.interface import Item, Method, MethodKind, Reply

_ENFORCEMENT = "/holdfast.v1.EnforcementService/"
_OK = 0
_SERVING = health_pb2.HealthCheckResponse(status="SERVING").SerializeToString()
_NOT_SERVING = health_pb2.HealthCheckResponse(status="NOT_SERVING").SerializeToString()
M = TypeVar("M")


METHODS: tuple[Method, ...] = (
    Method(_ENFORCEMENT + "Check"),
    Method(_ENFORCEMENT + "Reserve"),
    Method(_ENFORCEMENT + "Extend"),
    Method(_ENFORCEMENT + "Settle"),
    Method(_ENFORCEMENT + "Release"),
    Method(_ENFORCEMENT + "Charge"),
    Method(_ENFORCEMENT + "GetBalance"),
    Method(_ENFORCEMENT + "ListHolds"),
    Method(_ENFORCEMENT + "Execute"),
    Method(_ENFORCEMENT + "Session", MethodKind.BIDI),
    Method("/grpc.health.v1.Health/Check"),
    *USAGE_METHODS,
)
_EXECUTE = 8
_SESSION = 9
_HEALTH = 10
_USAGE = 11
_REPORT_EVENTS = _USAGE + [method.path for method in USAGE_METHODS].index("/holdfast.v1.UsageService/ReportEvents")

EVENT_ROUND_BYTES = 131_072
"""Requests with events that one round takes, at most, where the first is not larger: other calls wait no more than the
some ten milliseconds that their events take."""

EVENT_QUEUE_BYTES = 64 << 20
"""Requests with events that wait for their turn; beyond it they are refused. Several seconds of the most that can be
taken in, after which callers have given up."""

LIVENESS_SERVICE = "liveness"
"""Health name that is SERVING as long as the decision loop turns; any other name asks for readiness."""


class Dispatcher:
    """Parses, checks and frames.

    Args:
        decoder: Checks requests.
        ready: Tells whether decisions can be taken.
        usage: Reads the calls of UsageService.
        caller_of: Names the caller by the `peer` of an item.
    """

    def __init__(
        self, decoder: Decoder, ready: Callable[[], bool], usage: UsageCalls, caller_of: Callable[[str], str]
    ) -> None:
        self._decoder = decoder
        self._ready = ready
        self._usage = usage
        self._caller_of = caller_of
        self._event_items: deque[Item] = deque()
        self._event_bytes = 0
        self._unary = (
            _reader(pb.CheckRequest.FromString, decoder.check),
            _reader(pb.ReserveRequest.FromString, decoder.reserve),
            _reader(pb.ExtendRequest.FromString, decoder.extend),
            _reader(pb.SettleRequest.FromString, decoder.settle),
            _reader(pb.ReleaseRequest.FromString, decoder.release),
            _reader(pb.ChargeRequest.FromString, decoder.charge),
            _reader(pb.GetBalanceRequest.FromString, decoder.get_balance),
            _reader(pb.ListHoldsRequest.FromString, decoder.list_holds),
        )

    def decode(self, items: Iterable[Item]) -> tuple[list[Call], list[Reply]]:
        """Returns the calls of a batch, and the answers to what never gets to the engine."""
        calls: list[Call] = []
        replies: list[Reply] = []
        for item in items:
            call_id, method, payload, peer, deadline_ns = item
            try:
                if method < _EXECUTE:
                    operation = self._unary[method](payload)
                    calls.append(Call(call_id, [operation], False, deadline_ns, caller=self._caller_of(peer)))
                elif method == _REPORT_EVENTS:
                    self._put_aside(item)
                else:
                    self._decode_framed(item, calls, replies)
            except Invalid as problem:
                replies.append(_fault(call_id, fault_of(problem)))
            except Refusal as refusal:
                replies.append(_fault(call_id, refusal.fault))
            except DecodeError:
                replies.append(_fault(call_id, GARBAGE))
        return calls, replies

    def _put_aside(self, item: Item) -> None:
        """Raises Refusal if too many events wait."""
        if self._event_bytes >= EVENT_QUEUE_BYTES:
            raise Refusal(EVENTS_PENDING)
        self._event_bytes += len(item[2])
        self._event_items.append(item)

    @property
    def events_wait(self) -> bool:
        """Whether there are requests with events that `decode` has put aside."""
        return bool(self._event_items)

    def decode_events(self) -> tuple[list[Call], list[Reply]]:
        """As `decode`, for the requests with events that a round takes: those that came first, whole ones."""
        calls: list[Call] = []
        replies: list[Reply] = []
        left_bytes = EVENT_ROUND_BYTES
        while self._event_items and left_bytes > 0:
            call_id, method, payload, peer, deadline_ns = self._event_items.popleft()
            left_bytes -= len(payload)
            self._event_bytes -= len(payload)
            try:
                operations, form = self._usage.read(method - _USAGE, payload, peer)
            except Invalid as problem:
                replies.append(_fault(call_id, fault_of(problem)))
            except Refusal as refusal:
                replies.append(_fault(call_id, refusal.fault))
            except DecodeError:
                replies.append(_fault(call_id, GARBAGE))
            else:
                calls.append(Call(call_id, operations, False, deadline_ns, form, caller=self._caller_of(peer)))
        return calls, replies

    def encode(self, call: Call) -> Reply:
        """Returns the answer to a call that has all its results."""
        if call.form == Form.UNARY:
            result = call.results[0]
            if isinstance(result, Fault):
                return _fault(call.call_id, result)
            return call.call_id, _OK, result
        if call.form == Form.REPORTS:
            return call.call_id, _OK, reports_response(call.results)
        execute = execute_response(call.operations, call.results)
        if call.form == Form.SESSION:
            execute = session_response(call.message_id, execute)
        return call.call_id, _OK, execute

    def refuse(self, call: Call, fault: Fault) -> Reply:
        """Returns a fault in place of a call's answer."""
        if call.form == Form.SESSION:
            return call.call_id, _OK, session_error(call.message_id, fault)
        return _fault(call.call_id, fault)

    def _decode_framed(self, item: Item, calls: list[Call], replies: list[Reply]) -> None:
        call_id, method, payload, peer, deadline_ns = item
        if method >= _USAGE:
            operations, form = self._usage.read(method - _USAGE, payload, peer)
            calls.append(Call(call_id, operations, False, deadline_ns, form, caller=self._caller_of(peer)))
        elif method == _HEALTH:
            replies.append(self._health(call_id, payload))
        elif method == _EXECUTE:
            operations, linked = self._decoder.execute(pb.ExecuteRequest.FromString(payload))
            calls.append(Call(call_id, operations, linked, deadline_ns, Form.EXECUTE, caller=self._caller_of(peer)))
        else:
            assert method == _SESSION
            request = pb.SessionRequest.FromString(payload)
            try:
                operations, linked = self._decoder.execute(request.execute)
            except Invalid as problem:
                replies.append((call_id, _OK, session_error(request.message_id, fault_of(problem))))
                return
            # The stream's deadline is not that of its messages.
            caller = self._caller_of(peer)
            calls.append(Call(call_id, operations, linked, 0, Form.SESSION, request.message_id, caller))

    def _health(self, call_id: int, payload: bytes) -> Reply:
        service = health_pb2.HealthCheckRequest.FromString(payload).service
        serving = service == LIVENESS_SERVICE or self._ready()
        return call_id, _OK, _SERVING if serving else _NOT_SERVING


def _reader(parse: Callable[[bytes], M], decode: Callable[[M], Operation]) -> Callable[[bytes], Operation]:
    return lambda payload: decode(parse(payload))


def _fault(call_id: int, fault: Fault) -> Reply:
    return call_id, fault.code.value, status_bytes(fault)
