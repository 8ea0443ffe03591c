"""The ledger away, the sidecar stopped, copied, opened twice, its disk full or damaged."""

import shutil
import signal
from collections.abc import Callable

import grpc
import pytest
from grpc_health.v1 import health_pb2
from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast.v1.enforcement_service_pb2_grpc import EnforcementServiceStub
from holdfast_sidecar.bootstrap import EXIT_FENCED, EXIT_LOCKED

from tests.scenarios.world import (
    ACCOUNT,
    CALL_TIMEOUT_S,
    CHANNEL_OPTIONS,
    START_TIMEOUT_S,
    Server,
    Storm,
    World,
    assert_exactly_once,
    wait_until,
)

MIB = 1 << 20
PAGE_BYTES = 4096


def test_decisions_go_on_within_the_lease_while_the_ledger_is_down(world: World) -> None:
    with Storm(world) as storm:
        storm.wait_for(100)
        rss_before = world.sidecar.rss_bytes
        world.ledger.kill()
        storm.wait_for(1_500)
        assert world.sidecar.rss_bytes < rss_before + 32 * MIB
        assert world.balance().unposted > 0
        world.ledger.start()
        storm.wait_for(50)
    assert_exactly_once(world, storm)


def test_past_the_lease_everything_new_is_denied_and_settles_are_taken(make_world: Callable[..., World]) -> None:
    world = make_world("--partition-after-ms", "1000", lease_validity_ms=3_000)
    world.begin()
    with world.stub() as stub:
        stub.Reserve(pb.ReserveRequest(operation_id="a", account_id=ACCOUNT, amount=10), timeout=CALL_TIMEOUT_S)
        world.ledger.kill()
        wait_until(lambda: world.balance().lease_remaining_ms == 0, START_TIMEOUT_S)
        denied = stub.Reserve(pb.ReserveRequest(operation_id="b", account_id=ACCOUNT, amount=1), timeout=CALL_TIMEOUT_S)
        assert (denied.verdict, denied.reason, denied.mode) == (2, 7, 2)
        settle = pb.SettleRequest(operation_id="c", account_id=ACCOUNT, hold_id="a", amount=9)
        assert stub.Settle(settle, timeout=CALL_TIMEOUT_S).debited_amount == 9
    world.ledger.start()
    wait_until(lambda: world.debits() == [("c", 9)], START_TIMEOUT_S)
    world.wait_until_deciding()


def test_a_restart_without_the_ledger_serves_from_its_leases_once_it_counts_as_cut_off(
    make_world: Callable[..., World],
) -> None:
    world = make_world("--partition-after-ms", "6000")
    world.begin()
    with world.stub() as stub:
        for name in ("a", "b"):
            stub.Reserve(pb.ReserveRequest(operation_id=name, account_id=ACCOUNT, amount=10), timeout=CALL_TIMEOUT_S)
    world.ledger.kill()
    world.sidecar.kill()
    world.sidecar.start()
    wait_until(lambda: serving(world) is False, START_TIMEOUT_S)
    wait_until(lambda: serving(world) is True, START_TIMEOUT_S)
    with world.stub() as stub:
        answer = stub.Reserve(
            pb.ReserveRequest(operation_id="c", account_id=ACCOUNT, amount=10), timeout=CALL_TIMEOUT_S
        )
    assert (answer.verdict, answer.mode) == (1, 2)


def test_sigterm_answers_what_is_in_and_gives_idle_rights_back(world: World) -> None:
    with Storm(world) as storm:
        storm.wait_for(100)
        assert world.sidecar.stop() == 0
        world.sidecar.start()
        storm.wait_for(50)
    assert_exactly_once(world, storm)
    held = world.balance().held
    assert world.sidecar.stop() == 0
    wait_until(lambda: world.ledger_balance().leased == held, START_TIMEOUT_S)


def test_a_second_sidecar_on_the_same_folder_exits_75(world: World) -> None:
    second = Server("sidecar", [], world.folder / "second.log")
    second._flags = world.sidecar_flags(world.folder / "sidecar", second.address)
    second.start()
    assert second.wait() == EXIT_LOCKED
    assert "pid" in second.log()


def test_the_original_is_fenced_when_a_copy_of_its_folder_starts(world: World) -> None:
    with world.stub() as stub:
        stub.Reserve(pb.ReserveRequest(operation_id="a", account_id=ACCOUNT, amount=10), timeout=CALL_TIMEOUT_S)
    world.sidecar.send(signal.SIGSTOP)
    copy = world.folder / "copy"
    shutil.copytree(world.folder / "sidecar", copy)
    clone = Server("sidecar", [], world.folder / "clone.log")
    clone._flags = world.sidecar_flags(copy, clone.address)
    try:
        clone.start()
        wait_until(lambda: decides(world, clone.address), START_TIMEOUT_S)
        world.sidecar.send(signal.SIGCONT)
        assert world.sidecar.wait() == EXIT_FENCED
        world.sidecar.start()
        assert world.sidecar.wait() == EXIT_FENCED
        assert decides(world, clone.address)
    finally:
        clone.end()


def test_a_damaged_folder_is_set_aside_and_the_sidecar_joins_anew(world: World) -> None:
    with Storm(world) as storm:
        storm.wait_for(50)
    world.wait_until_settled()
    world.sidecar.kill()
    (data,) = (world.folder / "sidecar").rglob("data.mdb")
    with data.open("r+b") as file:
        file.seek(2 * PAGE_BYTES)
        file.write(b"\xa5" * 64 * PAGE_BYTES)
    world.sidecar.start()
    world.wait_until_deciding()
    with world.ledger_stub() as stub:
        from holdfast.v1.ledger_service_pb2 import ListSidecarsRequest

        (known,) = stub.ListSidecars(ListSidecarsRequest()).sidecars
    assert known.epoch == known.birth_epoch == 2
    assert_exactly_once(world, storm)


def test_a_full_map_refuses_holds_and_lets_every_open_one_settle(make_world: Callable[..., World]) -> None:
    world = make_world("--map-bytes", "8MiB")
    world.begin()
    with world.stub() as stub:
        opened = 0
        while (refusal := reserve_one_more(stub, opened)) is None:
            opened += 1
        assert refusal is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert opened > 100
        for n in range(opened):
            settle = pb.SettleRequest(operation_id=f"s-{n}", account_id=ACCOUNT, hold_id=f"h-{n}", amount=1)
            assert stub.Settle(settle, timeout=CALL_TIMEOUT_S).debited_amount == 1
    assert world.sidecar.alive
    wait_until(lambda: len(world.debits()) == opened, START_TIMEOUT_S)


@pytest.mark.parametrize("transport", ["native", "portable"])
def test_a_unix_socket_serves(make_world: Callable[..., World], transport: str) -> None:
    if transport == "native":
        pytest.importorskip("holdfast_sidecar._native", reason="the native module is not built: no Rust toolchain")
    world = make_world("--transport", transport)
    path = world.folder / "sidecar.sock"
    world.sidecar._flags += ["--listen-unix", str(path)]
    world.begin()
    with world.stub(f"unix:{path}") as stub:
        assert stub.Check(pb.CheckRequest(account_id=ACCOUNT, amount=1), timeout=CALL_TIMEOUT_S).verdict == 1


def reserve_one_more(stub: EnforcementServiceStub, number: int) -> grpc.StatusCode | None:
    """Opens one more hold; returns the status of the refusal, None if it was opened."""
    request = pb.ReserveRequest(operation_id=f"h-{number}", account_id=ACCOUNT, amount=1, subject="s" * 400)
    try:
        stub.Reserve(request, timeout=CALL_TIMEOUT_S)
    except grpc.RpcError as error:
        return error.code()
    return None


def serving(world: World) -> bool | None:
    """What the sidecar's health service says; None while there is no answer."""
    with grpc.insecure_channel(world.sidecar.address, options=CHANNEL_OPTIONS) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = check(health_pb2.HealthCheckRequest(), timeout=2)
        except grpc.RpcError:
            return None
    return answer.status == health_pb2.HealthCheckResponse.SERVING


def decides(world: World, address: str) -> bool:
    with world.stub(address) as stub:
        try:
            answer: pb.CheckResponse = stub.Check(pb.CheckRequest(account_id=ACCOUNT), timeout=2)
        except grpc.RpcError:
            return False
        return answer.verdict == 1


def test_a_sidecar_that_dies_before_its_welcome_is_durable_is_known_again(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.begin()
    world.sidecar.stop()
    for _ in range(3):
        # Its first commit after the greeting is the one that makes the new epoch durable.
        world.sidecar.start(crash_at="before_commit")
        world.sidecar.wait()
    world.sidecar.start()
    world.wait_until_deciding()
    assert world.sidecar.alive
