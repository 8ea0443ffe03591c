"""A small sidecar for the client's tests: a real gRPC server over a few dictionaries, with faults on demand.

It decides as simply as the contract permits (one pool an account, no lease, no clock, two prices) and keeps what a
client must rely on: recorded answers by operation id, holds, nested ones, late settles, linked executes. Faults are
asked for with `fail`, denials with `deny`.
"""

import asyncio
import inspect
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import grpc
import holdfast
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from holdfast.sync import Session
from holdfast.v1 import decision_pb2
from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast.v1 import enforcement_service_pb2_grpc as pb_grpc

ALLOW, DENY = 1, 2
PRICES = {"input": 1, "output": 4}
"""Minor units a token."""
STEPS = [
    decision_pb2.LimitState(level="rate_limit/rpm", subject="research", reason="REASON_OK", limit_amount=60),
    decision_pb2.LimitState(level="pool/general", reason="REASON_OK", limit_amount=10_000_000, left_amount=10_000_000),
]
"""What a check with `explain` is told."""
Result = TypeVar("Result")


class Fault(Exception):
    """A status with its ErrorInfo."""

    def __init__(self, code: grpc.StatusCode, reason: str, message: str = "as asked", **metadata: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.metadata = code, reason, message, metadata


@dataclass
class Planned:
    """A fault to come: before the operation is carried out, or after it (the answer is lost)."""

    fault: Fault
    after: bool


@dataclass
class HeldAmount:
    account: str
    amount: int
    settled: int = 0
    open: bool = True
    parent: str = ""


@dataclass
class Sidecar(pb_grpc.EnforcementServiceServicer):
    """The state, the calls, and what the tests ask of both."""

    path: Path
    posted: dict[str, int] = field(default_factory=dict)
    holds: dict[str, HeldAmount] = field(default_factory=dict)
    recorded: dict[str, tuple[pb.Operation, pb.OperationResult]] = field(default_factory=dict)
    seen: list[pb.Operation] = field(default_factory=list)
    messages: list[pb.SessionRequest] = field(default_factory=list)
    streams: Counter[str] = field(default_factory=Counter)
    planned: dict[str, deque[Planned]] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    gated: set[str] = field(default_factory=set)
    steps: list[decision_pb2.LimitState] = field(default_factory=lambda: STEPS)
    denials: deque[tuple[decision_pb2.LimitState, ...]] = field(default_factory=deque)
    break_after: int = 0
    """Carries out the next that many messages of a session and ends the stream instead of answering."""

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.server: grpc.Server | None = None
        self.posted = {"acme": 10_000_000}

    # What the tests do with it.

    @property
    def target(self) -> str:
        return f"unix:{self.path}"

    def start(self) -> None:
        self.server = grpc.server(futures.ThreadPoolExecutor(32))
        pb_grpc.add_EnforcementServiceServicer_to_server(self, self.server)
        assert self.server.add_insecure_port(self.target)
        self.server.start()

    def stop(self) -> None:
        self.gate.set()
        if self.server is not None:
            self.server.stop(None).wait()
            self.server = None

    def fail(self, kind: str, fault: Fault, *, times: int = 1, after: bool = False) -> None:
        """The next `times` operations of this kind end with `fault`."""
        self.planned.setdefault(kind, deque()).extend([Planned(fault, after)] * times)

    def hold_back(self, kind: str) -> None:
        """Operations of this kind wait, carried out but not answered, until `gate` is set."""
        self.gated.add(kind)
        self.gate.clear()
        self.entered.clear()

    def seen_of(self, kind: str) -> list[Any]:
        return [getattr(seen, kind) for seen in self.seen if seen.WhichOneof("operation") == kind]

    def deny(self, *levels: decision_pb2.LimitState) -> None:
        """The next decision is a denial by the first of these; the others only would have denied."""
        self.denials.append(levels)

    def held(self) -> int:
        return sum(held.amount for held in self.holds.values() if held.open)

    # The calls.

    def Check(self, request: pb.CheckRequest, context: grpc.ServicerContext) -> object:
        return self._unary(pb.Operation(check=request), context)

    def Reserve(self, request: pb.ReserveRequest, context: grpc.ServicerContext) -> object:
        return self._unary(pb.Operation(reserve=request), context)

    def Extend(self, request: pb.ExtendRequest, context: grpc.ServicerContext) -> object:
        return self._unary(pb.Operation(extend=request), context)

    def Settle(self, request: pb.SettleRequest, context: grpc.ServicerContext) -> object:
        return self._unary(pb.Operation(settle=request), context)

    def Release(self, request: pb.ReleaseRequest, context: grpc.ServicerContext) -> object:
        return self._unary(pb.Operation(release=request), context)

    def Charge(self, request: pb.ChargeRequest, context: grpc.ServicerContext) -> object:
        return self._unary(pb.Operation(charge=request), context)

    def GetBalance(self, request: pb.GetBalanceRequest, context: grpc.ServicerContext) -> object:
        try:
            figures = self._figures(request.account_id)
        except Fault as fault:
            _abort(context, fault)
        return pb.GetBalanceResponse(
            pool_id=request.pool_id or "general", currency="credits", hold_count=len(self.holds), **figures
        )

    def ListHolds(self, request: pb.ListHoldsRequest, context: grpc.ServicerContext) -> object:
        rows = [(name, held) for name, held in self.holds.items() if held.account == request.account_id and held.open]
        start, size = int(request.page_token or 0), request.page_size or 100
        page = pb.ListHoldsResponse(next_page_token=str(start + size) if start + size < len(rows) else "")
        for name, held in rows[start : start + size]:
            page.holds.add(hold_id=name, pool_id="general", amount=held.amount, settled_amount=held.settled)
        return page

    def Execute(self, request: pb.ExecuteRequest, context: grpc.ServicerContext) -> object:
        return self._execute(request)

    def Session(
        self, requests: Iterator[pb.SessionRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.SessionResponse]:
        self.streams["opened"] += 1
        for request in requests:
            self.messages.append(request)
            try:
                self._planned_fault("session", after=False)
            except Fault as fault:
                _abort(context, fault)
            answer = pb.SessionResponse(message_id=request.message_id, execute=self._execute(request.execute))
            if self.break_after:
                self.break_after -= 1
                context.abort(grpc.StatusCode.UNAVAILABLE, "the stream is cut")
            yield answer

    # How an operation is carried out.

    def _unary(self, operation: pb.Operation, context: grpc.ServicerContext) -> object:
        try:
            result = self._carry_out(operation)
        except Fault as fault:
            _abort(context, fault)
        return getattr(result, result.WhichOneof("result"))

    def _execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResponse:
        with self.lock:
            before = (dict(self.posted), {name: HeldAmount(**vars(held)) for name, held in self.holds.items()})
            results = [self._result(operation) for operation in request.operations]
            if request.linked and any(not _good(result) for result in results):
                self.posted, self.holds = before
                results = [_linked_failed(result) if _good(result) else result for result in results]
        return pb.ExecuteResponse(results=results)

    def _result(self, operation: pb.Operation) -> pb.OperationResult:
        try:
            return self._carry_out(operation)
        except Fault as fault:
            error = pb.OperationError(
                code=fault.code.value[0], reason=fault.reason, message=fault.message, metadata=fault.metadata
            )
            return pb.OperationResult(error=error)

    def _carry_out(self, operation: pb.Operation) -> pb.OperationResult:
        kind = operation.WhichOneof("operation")
        self.seen.append(operation)
        self._planned_fault(kind, after=False)
        with self.lock:
            result = self._once(kind, operation)
        if kind in self.gated:
            self.entered.set()
            assert self.gate.wait(60)
        self._planned_fault(kind, after=True)
        return result

    def _planned_fault(self, kind: str, *, after: bool) -> None:
        with self.lock:
            planned = self.planned.get(kind)
            if planned and planned[0].after == after:
                raise planned.popleft().fault

    def _once(self, kind: str, operation: pb.Operation) -> pb.OperationResult:
        request = getattr(operation, kind)
        if kind == "check":
            return pb.OperationResult(check=self._check(request))
        if request.operation_id in self.recorded:
            first, result = self.recorded[request.operation_id]
            if first != operation:
                raise Fault(grpc.StatusCode.ALREADY_EXISTS, "OPERATION_ID_REUSED", operation_id=request.operation_id)
            return result
        answer = getattr(self, f"_{kind}")(request)
        result = pb.OperationResult(**{kind: answer})
        self.recorded[request.operation_id] = (operation, result)
        return result

    def _figures(self, account: str) -> dict[str, Any]:
        if account not in self.posted:
            raise Fault(grpc.StatusCode.NOT_FOUND, "POOL_NOT_FOUND", account_id=account)
        posted, held = self.posted[account], self.held()
        return {"posted": posted, "held": held, "available": posted - held, "mode": 1}

    def _grant(self, account: str, amount: int, least: int, parent: str = "") -> tuple[int, dict[str, Any]]:
        if amount < 0:
            raise Fault(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", field="amount")
        if self.denials:
            by, *shadows = self.denials.popleft()
            denial: dict[str, Any] = {"reason": by.reason, "denied_level": by.level, "denied_by": by}
            return 0, {"verdict": DENY, **denial, "shadow_denials": shadows}
        available = self._hold(parent).amount if parent else self._figures(account)["available"]
        if available >= (least or amount):
            return min(amount, available), {"verdict": ALLOW, "reason": 1}
        if parent:
            return 0, {"verdict": DENY, "reason": 13, "denied_level": f"hold/{parent}"}
        return 0, {"verdict": DENY, "reason": 5, "denied_level": "pool/general", "retry_after_ms": 1500}

    def _check(self, request: pb.CheckRequest) -> pb.CheckResponse:
        amount = request.amount or rated(request.quantities)
        granted, decision = self._grant(request.account_id, amount, request.min_amount, request.parent_hold_id)
        return pb.CheckResponse(
            granted_amount=granted,
            rated_amount=rated(request.quantities),
            steps=self.steps if request.explain else [],
            **decision,
            **self._figures(request.account_id),
        )

    def _reserve(self, request: pb.ReserveRequest) -> pb.ReserveResponse:
        parent, amount = request.parent_hold_id, request.amount or rated(request.quantities)
        amount += PRICES["output"] * (request.max_output_tokens // 2)  # what such work is expected to make
        granted, decision = self._grant(request.account_id, amount, request.min_amount, parent)
        if granted:
            self.holds[request.operation_id] = HeldAmount(request.account_id, granted, parent=parent)
            self._give(parent, -granted)
        return pb.ReserveResponse(
            granted_amount=granted,
            remaining_ttl_ms=60_000,
            rated_amount=rated(request.quantities),
            **decision,
            **self._figures(request.account_id),
        )

    def _extend(self, request: pb.ExtendRequest) -> pb.ExtendResponse:
        held = self._hold(request.hold_id)
        wanted = request.add_amount or rated(request.quantities)
        if request.passed_quantities:
            wanted = rated(request.passed_quantities) - held.amount
        added, decision = self._grant(request.account_id, max(wanted, 0), request.min_add_amount, held.parent)
        returned = min(request.return_amount or max(-wanted, 0), held.amount)
        held.amount += added - returned
        self._give(held.parent, returned - added)
        return pb.ExtendResponse(
            added_amount=added,
            returned_amount=returned,
            hold_amount=held.amount,
            **decision,
            **self._figures(request.account_id),
        )

    def _settle(self, request: pb.SettleRequest) -> pb.SettleResponse:
        held = self.holds.get(request.hold_id)
        if held is None and not request.pool_id:
            raise Fault(grpc.StatusCode.NOT_FOUND, "HOLD_NOT_FOUND")
        amount = request.amount or rated(request.quantities)
        final = request.final or not request.HasField("final")
        late = held is None or not held.open
        drawn = 0
        if held is not None and not late and held.parent and amount > held.amount:
            drawn = min(amount - held.amount, self.holds[held.parent].amount)
            self._give(held.parent, -drawn)
        rest = 0 if held is None or late else max(0, held.amount - amount)
        before = 0 if held is None else held.amount
        self.posted[request.account_id] -= amount
        if held is not None and not late:
            held.settled += amount
            held.amount, held.open = (0, False) if final else (rest, True)
            self._give(held.parent, rest if final else 0)
        return pb.SettleResponse(
            debited_amount=amount,
            returned_amount=rest if final else 0,
            hold_amount=0 if final else rest,
            late=late,
            over_hold_amount=0 if held is None or late else max(0, amount - before - drawn),
            **self._figures(request.account_id),
        )

    def _release(self, request: pb.ReleaseRequest) -> pb.ReleaseResponse:
        held = self._hold(request.hold_id)
        returned, held.amount, held.open = held.amount, 0, False
        self._give(held.parent, returned)
        return pb.ReleaseResponse(returned_amount=returned, **self._figures(request.account_id))

    def _give(self, name: str, amount: int) -> None:
        if name and self.holds[name].open:
            self.holds[name].amount += amount

    def _charge(self, request: pb.ChargeRequest) -> pb.ChargeResponse:
        amount = request.delta or request.set.total or rated(request.quantities.by_meter)
        granted, decision = self._grant(request.account_id, amount, 0)
        self.posted[request.account_id] -= granted
        return pb.ChargeResponse(
            debited_amount=granted,
            counter_total=request.set.total,
            **decision,
            **self._figures(request.account_id),
        )

    def _hold(self, name: str) -> HeldAmount:
        held = self.holds.get(name)
        if held is None:
            raise Fault(grpc.StatusCode.NOT_FOUND, "HOLD_NOT_FOUND", hold_id=name)
        if not held.open:
            raise Fault(grpc.StatusCode.FAILED_PRECONDITION, "HOLD_CLOSED", hold_id=name)
        return held


def rated(quantities: Mapping[str, int]) -> int:
    """What quantities come to."""
    return sum(PRICES[meter] * quantity for meter, quantity in quantities.items())


def _good(result: pb.OperationResult) -> bool:
    kind = result.WhichOneof("result")
    return kind != "error" and getattr(getattr(result, kind), "verdict", ALLOW) == ALLOW


def _linked_failed(result: pb.OperationResult) -> pb.OperationResult:
    kind = result.WhichOneof("result")
    answer = getattr(result, kind)
    if not hasattr(answer, "verdict"):
        return pb.OperationResult(error=pb.OperationError(code=10, reason="LINKED_FAILED"))
    return pb.OperationResult(**{kind: type(answer)(verdict=DENY, reason=9)})


def _abort(context: grpc.ServicerContext, fault: Fault) -> None:
    info = any_pb2.Any()
    info.Pack(error_details_pb2.ErrorInfo(reason=fault.reason, domain="holdfast", metadata=fault.metadata))
    status = status_pb2.Status(code=fault.code.value[0], message=fault.message, details=[info])
    context.abort_with_status(rpc_status.to_status(status))


class Blocking:
    """Drives an asyncio object as if it blocked, so that one suite covers both clients."""

    def __init__(self, runner: asyncio.Runner, inner: Any) -> None:
        self._runner, self._inner = runner, inner

    def __getattr__(self, name: str) -> object:
        found = getattr(self._inner, name)
        return self._blocking(found) if callable(found) else found

    def __enter__(self) -> object:
        return self._wrapped(self._run(self._inner.__aenter__()))

    def __exit__(self, *error: object) -> object:
        return self._run(self._inner.__aexit__(*error))

    def _blocking(self, function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            result = function(*args, **kwargs)
            if inspect.isasyncgen(result):
                return iter(self._run(_collected(result)))
            if inspect.isawaitable(result):
                result = self._run(result)
            return self._wrapped(result)

        return call

    def _wrapped(self, result: object) -> object:
        return Blocking(self._runner, result) if hasattr(result, "__aenter__") else result

    def _run(self, awaitable: Awaitable[Result]) -> Result:
        async def waiting() -> Result:
            return await awaitable

        return self._runner.run(waiting())


async def _collected(generator: AsyncIterator[object]) -> list[object]:
    return [item async for item in generator]


MakeClient: TypeAlias = Callable[..., holdfast.Client]
Caller: TypeAlias = holdfast.Client | Session


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[Sidecar]:
    server = Sidecar(tmp_path / "s.sock")
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["sync", "aio", "sync-session", "aio-session"])
def caller(request: pytest.FixtureRequest, make_any: MakeClient) -> Caller:
    """Whatever carries operations: both clients, and a session of each."""
    runtime, _, session = request.param.partition("-")
    client = make_any(runtime)
    return client.session() if session else client


@pytest.fixture(params=["sync", "aio"])
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_client(runtime: str, make_any: MakeClient) -> MakeClient:
    """Makes clients of both runtimes, with the same arguments."""
    return lambda *args, **kwargs: make_any(runtime, *args, **kwargs)


@pytest.fixture
def client(make_client: MakeClient) -> holdfast.Client:
    return make_client()


@pytest.fixture
def make_any(sidecar: Sidecar) -> Iterator[MakeClient]:
    made: list[Any] = []
    with asyncio.Runner() as runner:

        def make(runtime: str, target: str | None = None, **kwargs: Any) -> Any:
            kwargs.setdefault("timeout_ms", 5_000)
            kind = holdfast.Client if runtime == "sync" else holdfast.AsyncClient
            inner = kind(target or sidecar.target, **kwargs)
            made.append(inner if runtime == "sync" else Blocking(runner, inner))
            return made[-1]

        yield make
        sidecar.gate.set()
        for client in made:
            client.close()
