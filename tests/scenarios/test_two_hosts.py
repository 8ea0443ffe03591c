"""One operation on two hosts: a caller that fails over with its operation id is debited once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
import pytest
from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast.v1 import ledger_service_pb2 as ledger_pb
from holdfast.v1.enforcement_service_pb2_grpc import EnforcementServiceStub

from tests.scenarios.world import ACCOUNT, CALL_TIMEOUT_S, POOL, START_TIMEOUT_S, Server, World, wait_until

AMOUNT = 1_000


@dataclass(frozen=True)
class Pair:
    """A world with a second host."""

    world: World
    other: Server

    @contextmanager
    def stubs(self) -> Iterator[tuple[EnforcementServiceStub, EnforcementServiceStub]]:
        """Stubs for both hosts."""
        with self.world.stub() as first, self.world.stub(self.other.address) as second:
            yield first, second

    def wait_until_posted(self) -> None:
        """Waits until the ledger has every debit of both hosts, and has told them."""
        for address in (self.world.sidecar.address, self.other.address):
            wait_until(lambda address=address: self.is_told_everything(address), 30)  # type: ignore[misc]

    def is_told_everything(self, address: str) -> bool:
        """Whether a host has nothing to bring, and knows what the ledger knows."""
        balance = self.world.balance(address)
        return balance.unposted == 0 and balance.posted == self.world.ledger_balance().posted

    def duplicates(self) -> list[tuple[str, int, int, bool]]:
        """(operation id, posted amount, duplicate amount, conflicting) of each."""
        with self.world.ledger_stub() as stub:
            answer = stub.ListDuplicateDebits(
                ledger_pb.ListDuplicateDebitsRequest(account_id=ACCOUNT), timeout=CALL_TIMEOUT_S
            )
        return [(x.operation_id, x.posted.amount, x.duplicate.amount, x.conflicting) for x in answer.duplicates]


@pytest.fixture
def pair(make_world: Callable[..., World]) -> Pair:
    """Two started hosts with a small pool between them."""
    world = make_world()
    world.begin(AMOUNT)
    other = world.another_sidecar("other", sidecar_id="host-2")
    other.start()
    world.wait_until_deciding(other.address)
    return Pair(world, other)


def charge(operation_id: str, amount: int = 9) -> pb.ChargeRequest:
    return pb.ChargeRequest(operation_id=operation_id, account_id=ACCOUNT, delta=amount)


def test_a_charge_answered_by_one_host_and_repeated_on_another_debits_once(pair: Pair) -> None:
    with pair.stubs() as (first, second):
        for stub in (first, second, first):
            assert stub.Charge(charge("c"), timeout=CALL_TIMEOUT_S).verdict == 1
    pair.wait_until_posted()
    assert pair.world.debits() == [("c", 9)]
    assert pair.duplicates() == [("c", 9, 9, False)]
    assert pair.world.ledger_balance().spent_total == 9
    assert_every_credit_can_be_spent(pair, AMOUNT - 9)


def test_a_settle_repeated_on_a_host_that_never_had_the_hold_debits_once(pair: Pair) -> None:
    with pair.stubs() as (first, second):
        first.Reserve(pb.ReserveRequest(operation_id="h", account_id=ACCOUNT, amount=10), timeout=CALL_TIMEOUT_S)
        settle = pb.SettleRequest(operation_id="s", account_id=ACCOUNT, hold_id="h", amount=7, pool_id=POOL)
        assert not first.Settle(settle, timeout=CALL_TIMEOUT_S).late
        assert second.Settle(settle, timeout=CALL_TIMEOUT_S).late
    pair.wait_until_posted()
    assert pair.world.debits() == [("s", 7)]
    assert pair.world.ledger_balance().spent_total == 7
    assert_every_credit_can_be_spent(pair, AMOUNT - 7)


@pytest.mark.parametrize("point", ["before_commit", "after_commit"])
def test_a_charge_that_one_host_died_over_is_repeated_on_another_and_debited_once(pair: Pair, point: str) -> None:
    pair.world.sidecar.stop()
    pair.world.sidecar.start(crash_at=f"{point}:12")  # not one of the commits of its greeting
    pair.world.wait_until_deciding()
    with pair.stubs() as (first, second):
        for number in range(20):
            name = f"c{number}"
            try:
                answer = first.Charge(charge(name), timeout=CALL_TIMEOUT_S)
            except grpc.RpcError:
                answer = second.Charge(charge(name), timeout=CALL_TIMEOUT_S)
            assert answer.verdict == 1
    assert not pair.world.sidecar.alive
    pair.world.sidecar.start()
    pair.wait_until_posted()
    assert sorted(pair.world.debits()) == sorted((f"c{number}", 9) for number in range(20))
    assert pair.world.ledger_balance().spent_total == 20 * 9
    assert_every_credit_can_be_spent(pair, AMOUNT - 20 * 9)


def test_a_reserve_repeated_on_another_host_leaves_the_first_hold_to_its_time_to_live(pair: Pair) -> None:
    reserve = pb.ReserveRequest(operation_id="h", account_id=ACCOUNT, amount=10, ttl_ms=1_500)
    with pair.stubs() as (first, second):
        for stub in (first, second):
            assert stub.Reserve(reserve, timeout=CALL_TIMEOUT_S).verdict == 1
        settle = pb.SettleRequest(operation_id="s", account_id=ACCOUNT, hold_id="h", amount=7)
        assert second.Settle(settle, timeout=CALL_TIMEOUT_S).debited_amount == 7
        wait_until(lambda: pair.world.balance().held == 0, START_TIMEOUT_S)
    pair.wait_until_posted()
    assert pair.world.debits() == [("s", 7)]
    assert pair.duplicates() == []
    assert_every_credit_can_be_spent(pair, AMOUNT - 7)


def test_one_operation_id_with_two_amounts_is_posted_once_and_shown_as_a_conflict(pair: Pair) -> None:
    with pair.stubs() as (first, second):
        assert first.Charge(charge("c", 9), timeout=CALL_TIMEOUT_S).verdict == 1
        pair.wait_until_posted()
        assert second.Charge(charge("c", 10), timeout=CALL_TIMEOUT_S).verdict == 1
    pair.wait_until_posted()
    assert pair.world.debits() == [("c", 9)]
    assert pair.duplicates() == [("c", 9, 10, True)]


def assert_every_credit_can_be_spent(pair: Pair, left: int) -> None:
    """The rights that a duplicate took are back: all that is left is spent, and not one unit more."""
    with pair.stubs() as (_, second):
        assert second.Charge(charge("all", left), timeout=CALL_TIMEOUT_S).verdict == 1
        assert second.Charge(charge("more", 1), timeout=CALL_TIMEOUT_S).verdict == 2
    pair.wait_until_posted()
    balance = pair.world.ledger_balance()
    assert (balance.posted, balance.overdraft) == (0, 0)
