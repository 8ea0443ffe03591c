"""What a caller may get wrong, over both transports: a clear status, nothing changed, others unharmed."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from holdfast.v1 import enforcement_service_pb2 as pb

from tests.scenarios.world import CALL_TIMEOUT_S, World

INT64_MAX = 2**63 - 1
INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
GOOD: dict[str, Any] = {"operation_id": "x", "account_id": "acme", "amount": 5}
NATIVE_BUILT = subprocess.run(
    [sys.executable, "-c", "import holdfast_sidecar._native"], capture_output=True, check=False
).returncode


@pytest.fixture(scope="module", params=["native", "portable"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if request.param == "native" and NATIVE_BUILT != 0:
        pytest.skip("the native module is not built: no Rust toolchain at install")
    made = World(tmp_path_factory.mktemp("world"), "--transport", request.param)
    try:
        made.begin()
        with made.stub() as stub:
            stub.Reserve(pb.ReserveRequest(operation_id="held", account_id="acme", amount=10), timeout=CALL_TIMEOUT_S)
        yield made
    finally:
        made.end()


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    """Returns the status of a call that must fail, and its ErrorInfo."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error = caught.value
    metadata = {entry.key: entry.value for entry in error.trailing_metadata() or ()}
    details = metadata.get("grpc-status-details-bin", b"")
    info = ErrorInfo()
    for detail in Status.FromString(details).details:
        assert detail.Unpack(info)
    return error.code(), info.reason, dict(info.metadata)


RESERVES = [
    ({"amount": 0}, INVALID, "amount"),
    ({"amount": -1}, INVALID, "amount"),
    ({"amount": -(2**63)}, INVALID, "amount"),
    ({"min_amount": -1}, INVALID, "min_amount"),
    ({"min_amount": 6}, INVALID, "min_amount"),
    ({"operation_id": ""}, INVALID, "operation_id"),
    ({"operation_id": "x" * 129}, INVALID, "operation_id"),
    ({"operation_id": "é" * 65}, INVALID, "operation_id"),
    ({"operation_id": "a\nb"}, INVALID, "operation_id"),
    ({"operation_id": "a\x00b"}, INVALID, "operation_id"),
    ({"operation_id": "a\x9bb"}, INVALID, "operation_id"),
    ({"account_id": ""}, INVALID, "account_id"),
    ({"pool_id": "p" * 129}, INVALID, "pool_id"),
    ({"currency": "usd"}, INVALID, "currency"),
    ({"currency": "c" * 17}, INVALID, "currency"),
    ({"ttl_ms": -1}, INVALID, "ttl_ms"),
    ({"ttl_ms": INT64_MAX}, INVALID, "ttl_ms"),
    ({"subject": "a//b"}, INVALID, "subject"),
    ({"subject": "/a"}, INVALID, "subject"),
    ({"subject": "s" * 513}, INVALID, "subject"),
    ({"dimensions": {"": "v"}}, INVALID, "dimensions"),
    ({"dimensions": {"k" * 65: "v"}}, INVALID, "dimensions"),
    ({"dimensions": {"k": "v" * 257}}, INVALID, "dimensions[k]"),
    ({"dimensions": {str(n): "v" for n in range(17)}}, INVALID, "dimensions"),
    ({"pool_id": "nowhere"}, NOT_FOUND, None),
]


@pytest.mark.parametrize(("fields", "code", "field"), RESERVES, ids=lambda value: str(value)[:40])
def test_reserve_refuses(world: World, fields: dict[str, Any], code: grpc.StatusCode, field: str | None) -> None:
    before = world.balance()
    with world.stub() as stub:
        request = pb.ReserveRequest(**(GOOD | fields))
        status, reason, metadata = refusal(lambda: stub.Reserve(request, timeout=CALL_TIMEOUT_S))
    assert status is code
    assert reason
    assert metadata.get("field") == field
    assert unchanged(world, before)


OTHERS = [
    ("Extend", pb.ExtendRequest(operation_id="x", account_id="acme", hold_id="held"), INVALID),
    ("Extend", pb.ExtendRequest(operation_id="x", account_id="acme", hold_id="held", add_amount=-1), INVALID),
    ("Extend", pb.ExtendRequest(operation_id="x", account_id="acme", hold_id="nope", add_amount=1), NOT_FOUND),
    ("Settle", pb.SettleRequest(operation_id="x", account_id="acme", hold_id="held", amount=-1), INVALID),
    ("Settle", pb.SettleRequest(operation_id="x", account_id="acme", hold_id="", amount=1), INVALID),
    ("Settle", pb.SettleRequest(operation_id="x", account_id="acme", hold_id="nope", amount=1), NOT_FOUND),
    (
        "Settle",
        pb.SettleRequest(operation_id="x", account_id="acme", hold_id="n", amount=1, pool_id="nowhere"),
        NOT_FOUND,
    ),
    ("Release", pb.ReleaseRequest(operation_id="x", account_id="acme", hold_id="nope"), NOT_FOUND),
    ("Release", pb.ReleaseRequest(operation_id="x", account_id="stranger", hold_id="held"), NOT_FOUND),
    ("Charge", pb.ChargeRequest(operation_id="x", account_id="acme"), INVALID),
    ("Charge", pb.ChargeRequest(operation_id="x", account_id="acme", delta=0), INVALID),
    ("Charge", pb.ChargeRequest(operation_id="x", account_id="acme", delta=-5), INVALID),
    ("Charge", pb.ChargeRequest(operation_id="x", account_id="acme", set={"counter_id": "", "total": 1}), INVALID),
    ("Charge", pb.ChargeRequest(operation_id="x", account_id="acme", set={"counter_id": "c", "total": -1}), INVALID),
    ("Check", pb.CheckRequest(account_id="acme", amount=-1), INVALID),
    ("GetBalance", pb.GetBalanceRequest(account_id=""), INVALID),
    ("GetBalance", pb.GetBalanceRequest(account_id="nobody"), NOT_FOUND),
    ("ListHolds", pb.ListHoldsRequest(account_id="acme", page_size=1001), INVALID),
    ("ListHolds", pb.ListHoldsRequest(account_id="acme", page_token="<script>"), INVALID),
    ("Execute", pb.ExecuteRequest(), INVALID),
    ("Execute", pb.ExecuteRequest(operations=[pb.Operation()]), INVALID),
    ("Execute", pb.ExecuteRequest(operations=[pb.Operation(check=pb.CheckRequest(account_id="acme"))] * 257), INVALID),
]


@pytest.mark.parametrize(("method", "request_message", "code"), OTHERS, ids=lambda value: str(value)[:40])
def test_other_calls_refuse(world: World, method: str, request_message: object, code: grpc.StatusCode) -> None:
    before = world.balance()
    with world.stub() as stub:
        status, reason, _ = refusal(lambda: getattr(stub, method)(request_message, timeout=CALL_TIMEOUT_S))
    assert status is code
    assert reason
    assert unchanged(world, before)


def test_an_amount_past_int64_in_total_is_refused(world: World) -> None:
    before = world.balance()
    with world.stub() as stub:
        stub.Charge(pb.ChargeRequest(operation_id="one", account_id="acme", delta=1), timeout=CALL_TIMEOUT_S)
        request = pb.SettleRequest(operation_id="big", account_id="acme", hold_id="held", amount=INT64_MAX)
        assert refusal(lambda: stub.Settle(request, timeout=CALL_TIMEOUT_S))[:2] == (INVALID, "AMOUNT_OVERFLOW")
    assert world.balance().held == before.held


GARBAGE = [b"\xff" * 40, b"\x0a\x05ab", b"\x0a\x02\xc3\x28", b"\x22\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"]


@pytest.mark.parametrize("payload", GARBAGE, ids=["tags", "truncated", "not utf-8", "long varint"])
@pytest.mark.parametrize("method", ["Reserve", "Settle", "Execute", "GetBalance"])
def test_garbage_bytes_are_refused(world: World, method: str, payload: bytes) -> None:
    before = world.balance()
    assert refusal(lambda: raw(world, method, payload))[0] is INVALID
    assert unchanged(world, before)


def test_garbage_on_a_session_ends_that_session_alone(world: World) -> None:
    with grpc.insecure_channel(world.sidecar.address) as channel:
        session: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
            "/holdfast.v1.EnforcementService/Session"
        )
        good = iter(session(iter([execute(1), b"\xff\xff", execute(2)]), timeout=CALL_TIMEOUT_S))
        with pytest.raises(grpc.RpcError) as caught:
            list(good)
        assert caught.value.code() is INVALID
        answers = list(session(iter([execute(3)]), timeout=CALL_TIMEOUT_S))
    assert pb.SessionResponse.FromString(answers[0]).message_id == 3


def test_a_session_message_that_is_refused_leaves_the_session_open(world: World) -> None:
    with world.stub() as stub:
        bad = pb.SessionRequest(message_id=1)
        answers = {
            answer.message_id: answer for answer in stub.Session(iter([bad, request_of(2)]), timeout=CALL_TIMEOUT_S)
        }
    assert answers[1].error.code == INVALID.value[0]
    assert answers[2].execute.results[0].check.verdict == 1


def test_an_oversize_message_is_refused(world: World) -> None:
    before = world.balance()
    request = pb.ReserveRequest(operation_id="x" * (1 << 20), account_id="acme", amount=1)
    with world.stub() as stub, pytest.raises(grpc.RpcError) as caught:
        stub.Reserve(request, timeout=CALL_TIMEOUT_S)
    assert caught.value.code() is EXHAUSTED
    assert unchanged(world, before)


def test_an_unknown_method_is_unimplemented(world: World) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        raw(world, "Refund", b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_bad_operation_in_an_execute_refuses_all_and_names_it(world: World) -> None:
    before = world.balance()
    operations = [
        pb.Operation(reserve=pb.ReserveRequest(**(GOOD | {"operation_id": "e1"}))),
        pb.Operation(reserve=pb.ReserveRequest(**(GOOD | {"amount": -1}))),
    ]
    with world.stub() as stub:
        status, _, metadata = refusal(
            lambda: stub.Execute(pb.ExecuteRequest(operations=operations), timeout=CALL_TIMEOUT_S)
        )
    assert (status, metadata["field"]) == (INVALID, "operations[1].reserve.amount")
    assert unchanged(world, before)


def test_nothing_that_a_caller_sent_breaks_a_log_line(world: World) -> None:
    log = Path(world.folder / "sidecar.log").read_text()
    assert "Traceback" not in log
    assert all(line.isprintable() for line in log.splitlines()), json.dumps(log[-500:])


def unchanged(world: World, before: pb.GetBalanceResponse) -> bool:
    """Whether another caller is served as before and finds the same figures."""
    after = world.balance()
    return (after.posted, after.held, after.hold_count) == (before.posted, before.held, before.hold_count)


def raw(world: World, method: str, payload: bytes) -> bytes:
    with grpc.insecure_channel(world.sidecar.address) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            f"/holdfast.v1.EnforcementService/{method}"
        )
        return call(payload, timeout=CALL_TIMEOUT_S)


def request_of(message_id: int) -> pb.SessionRequest:
    check = pb.Operation(check=pb.CheckRequest(account_id="acme", amount=1))
    return pb.SessionRequest(message_id=message_id, execute=pb.ExecuteRequest(operations=[check]))


def execute(message_id: int) -> bytes:
    return request_of(message_id).SerializeToString()
