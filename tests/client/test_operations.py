"""Every call, over both clients and both sessions, against a real server."""

from typing import Any

import holdfast
import pytest
from holdfast import operations
from holdfast.v1 import decision_pb2

from tests.client.conftest import Caller, Sidecar


def test_settling_a_hold_returns_the_rest(caller: Caller, sidecar: Sidecar) -> None:
    """The debit is the actual amount; what is left of the hold is free again."""
    with caller.reserve("acme", 2_000_000, subject="research/ann", dimensions={"model": "m"}) as hold:
        assert sidecar.held() == 2_000_000
        settled = hold.settle(1_200_000, dimensions={"region": "eu"})
    assert (settled.debited_amount, settled.returned_amount, settled.late) == (1_200_000, 800_000, False)
    assert (sidecar.posted["acme"], sidecar.held()) == (8_800_000, 0)
    (reserve,), (settle,) = sidecar.seen_of("reserve"), sidecar.seen_of("settle")
    assert (reserve.subject, dict(reserve.dimensions)) == ("research/ann", {"model": "m"})
    assert (settle.hold_id, settle.pool_id, dict(settle.dimensions)) == (hold.hold_id, "general", {"region": "eu"})
    assert not sidecar.seen_of("release")


def test_a_hold_tells_its_figures(caller: Caller) -> None:
    """Amount, settled, spent and left follow extends, partial settles and counted spending."""
    hold = caller.reserve("acme", 1_000, min_amount=10)
    assert (hold.account, hold.pool, hold.amount, hold.unconfirmed) == ("acme", "general", 1_000, False)
    assert hold.answer.available == 9_999_000
    assert hold.spend(400) == 600
    assert hold.extend(500, ttl_ms=9_000).hold_amount == 1_500
    assert (hold.amount, hold.spent, hold.left) == (1_500, 400, 1_100)
    assert hold.settle(400, final=False).hold_amount == 1_100
    assert (hold.amount, hold.settled_amount, hold.spent, hold.left) == (1_100, 400, 400, 1_100)
    assert hold.release().returned_amount == 1_100
    assert hold.closed


def test_a_closed_hold_refuses_without_a_call(caller: Caller, sidecar: Sidecar) -> None:
    """A second settle would be a second debit; it never leaves the client."""
    hold = caller.reserve("acme", 1_000)
    hold.settle(0)
    sent = len(sidecar.seen)
    for again in (lambda: hold.settle(5), hold.release, lambda: hold.extend(1), lambda: hold.spend(1)):
        with pytest.raises(holdfast.HoldClosed):
            again()
    assert len(sidecar.seen) == sent


def test_a_denied_reserve_tells_why(caller: Caller, sidecar: Sidecar) -> None:
    """The error carries the decision, and says when to come back."""
    with pytest.raises(holdfast.Denied) as caught:
        caller.reserve("acme", 10_000_001)
    denied = caught.value
    assert denied.denial_reason is holdfast.Reason.INSUFFICIENT_BALANCE
    assert (denied.reason, denied.denied_level) == ("INSUFFICIENT_BALANCE", "pool/general")
    assert (denied.available, denied.retry_after_ms, denied.retry_after) == (10_000_000, 1500, 1.5)
    assert denied.mode is holdfast.Mode.CONNECTED
    assert denied.operation_id == sidecar.seen_of("reserve")[0].operation_id
    assert not sidecar.seen_of("release")


def test_a_denial_carries_the_level_through_every_caller(caller: Caller, sidecar: Sidecar) -> None:
    budget = decision_pb2.LimitState(level="budget/b", subject="a", reason="REASON_BUDGET_EXCEEDED", left_amount=3)
    shadow = decision_pb2.LimitState(level="pool/general", reason="REASON_INSUFFICIENT_BALANCE", shadow=True)
    sidecar.deny(budget, shadow)
    with pytest.raises(holdfast.Denied) as caught:
        caller.reserve("acme", 5)
    assert caught.value.denied_by is not None
    assert (caught.value.denied_by.level, caught.value.denied_by.left_amount) == ("budget/b", 3)
    assert [level.level for level in caught.value.shadow_denials] == ["pool/general"]


def test_a_check_explains_when_asked(caller: Caller) -> None:
    assert not caller.check("acme", 5).steps
    levels = [step.level for step in caller.check("acme", 5, explain=True).steps]
    assert levels == ["rate_limit/rpm", "pool/general"]


def test_less_than_asked_may_be_granted(caller: Caller) -> None:
    assert caller.reserve("acme", 20_000_000, min_amount=1).amount == 10_000_000


def test_a_denied_extend_leaves_the_hold(caller: Caller) -> None:
    hold = caller.reserve("acme", 1_000)
    with pytest.raises(holdfast.Denied):
        hold.extend(10_000_000)
    assert (hold.amount, hold.closed) == (1_000, False)


def test_check_reads_as_a_condition(caller: Caller, sidecar: Sidecar) -> None:
    """A denied check is false: `if client.check(...)` cannot be read the wrong way."""
    assert caller.check("acme", 5).granted_amount == 5
    assert caller.check("acme")
    assert not caller.check("acme", 10_000_001)
    assert sidecar.held() == 0


def test_charging_by_amount_and_by_total(caller: Caller) -> None:
    assert caller.charge("acme", 700).posted == 9_999_300
    charged = caller.charge("acme", counter="job-1", total=300)
    assert (charged.debited_amount, charged.counter_total) == (300, 300)
    with pytest.raises(holdfast.Denied):
        caller.charge("acme", 10_000_000)


@pytest.mark.parametrize(
    "arguments", [{}, {"amount": 1, "counter": "c", "total": 2}, {"counter": "c"}, {"amount": 1, "total": 2}]
)
def test_a_charge_takes_one_form(caller: Caller, arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="either amount, or counter and total"):
        caller.charge("acme", **arguments)


def test_another_process_settles_by_id(caller: Caller) -> None:
    """What opens a hold and what settles it need not be the same."""
    hold_id = caller.reserve("acme", 1_000, operation_id="order-7").hold_id
    assert hold_id == "order-7"
    assert caller.extend("acme", hold_id, 500).hold_amount == 1_500
    assert caller.settle("acme", hold_id, 100, final=False).hold_amount == 1_400
    assert caller.release("acme", hold_id).returned_amount == 1_400
    with pytest.raises(holdfast.HoldClosed) as caught:
        caller.release("acme", hold_id)
    assert caught.value.reason == "HOLD_CLOSED"
    assert caller.settle("acme", hold_id, 50).late


def test_the_same_id_has_one_effect(caller: Caller, sidecar: Sidecar) -> None:
    first = caller.charge("acme", 10, operation_id="c-1")
    assert caller.charge("acme", 10, operation_id="c-1") == first
    assert sidecar.posted["acme"] == 9_999_990
    with pytest.raises(holdfast.AlreadyExists) as caught:
        caller.charge("acme", 11, operation_id="c-1")
    assert caught.value.metadata == {"operation_id": "c-1"}
    assert not caught.value.retryable


def test_the_balance_shows_three_figures(client: holdfast.Client) -> None:
    client.reserve("acme", 400)
    balance = client.get_balance("acme")
    assert (balance.posted, balance.held, balance.available) == (10_000_000, 400, 9_999_600)
    assert (balance.pool_id, balance.currency, balance.hold_count) == ("general", "credits", 1)
    assert balance.policy.enforcement is holdfast.Enforcement.STRICT
    assert balance.policy.partition_mode is holdfast.PartitionMode.FAIL_CLOSED


def test_holds_are_listed_across_pages(client: holdfast.Client) -> None:
    made = [client.reserve("acme", amount).hold_id for amount in range(1, 8)]
    listed = list(client.list_holds("acme", page_size=3))
    assert [held.hold_id for held in listed] == made
    assert [held.amount for held in listed] == list(range(1, 8))
    assert not list(client.list_holds("nobody"))


def test_execute_gives_a_result_each(caller: Caller) -> None:
    """A fault of one is a value in its place; its neighbours stand."""
    results = caller.execute(
        [
            operations.reserve("acme", 10),
            operations.release("acme", "unknown", operation_id="r-1"),
            operations.charge("acme", 10_000_000),
            operations.check("acme", 1),
        ]
    )
    reserved, fault, denied, checked = results
    assert isinstance(reserved, holdfast.Reserved)
    assert reserved.granted_amount == 10
    assert isinstance(fault, holdfast.NotFound)
    assert (fault.operation_id, fault.metadata) == ("r-1", {"hold_id": "unknown"})
    assert isinstance(denied, holdfast.Charged)
    assert not denied
    assert isinstance(checked, holdfast.Checked)


def test_linked_operations_stand_or_fall_together(caller: Caller, sidecar: Sidecar) -> None:
    linked = [operations.reserve("acme", 10), operations.charge("acme", 10_000_000)]
    results: list[Any] = caller.execute(linked, linked=True)
    assert [result.reason for result in results] == ["LINKED_FAILED", "INSUFFICIENT_BALANCE"]
    assert sidecar.held() == 0


def test_a_caller_that_has_closed_says_so(caller: Caller) -> None:
    caller.check("acme")
    caller.close()
    with pytest.raises(holdfast.ClientClosed):
        caller.check("acme")
