"""Work that is counted by meters: what is sent, what a stream tells on its way, and what leaving the block settles."""

from contextlib import suppress
from typing import Any

import grpc
import holdfast
import pytest
from holdfast import operations

from tests.client.conftest import Caller, Fault, MakeClient, Sidecar

MODEL = {"model": "m"}


def test_quantities_take_the_place_of_the_amount(caller: Caller, sidecar: Sidecar) -> None:
    with caller.reserve("acme", quantities={"input": 100}, max_output_tokens=50, dimensions=MODEL) as hold:
        assert (hold.amount, hold.answer.rated_amount) == (200, 100)
        settled = hold.settle(quantities={"input": 100, "output": 10})
    assert (settled.debited_amount, settled.returned_amount) == (140, 60)
    (reserve,) = sidecar.seen_of("reserve")
    assert (reserve.amount, dict(reserve.quantities), reserve.max_output_tokens) == (0, {"input": 100}, 50)


def test_a_settle_by_quantities_can_be_rated_without_the_hold(caller: Caller, sidecar: Sidecar) -> None:
    """The model goes along, so that a sidecar that knows the hold no longer drops no money."""
    with caller.reserve("acme", quantities={"input": 1}, dimensions=MODEL) as hold:
        hold.settle(quantities={"input": 1}, dimensions={"region": "eu"})
    assert dict(sidecar.seen_of("settle")[0].dimensions) == {"model": "m", "region": "eu"}


def test_charging_and_checking_by_quantities(caller: Caller, sidecar: Sidecar) -> None:
    assert caller.charge("acme", quantities={"output": 3}, dimensions=MODEL).debited_amount == 12
    checked = caller.check("acme", quantities={"input": 5}, required_feature="vision")
    assert (checked.granted_amount, checked.rated_amount) == (5, 5)
    assert sidecar.seen_of("check")[0].required_feature.feature == "vision"


def test_what_costs_nothing_is_not_rated(caller: Caller, sidecar: Sidecar) -> None:
    """Zero with quantities would be read as no amount: who says zero means it."""
    hold = caller.reserve("acme", 100)
    assert hold.settle(0, quantities={"output": 5}).debited_amount == 0
    assert not sidecar.seen_of("settle")[0].quantities


@pytest.mark.parametrize("quantities", [None, {}])
def test_nothing_given_is_not_taken_for_zero(caller: Caller, sidecar: Sidecar, quantities: dict[str, int]) -> None:
    """An empty report of usage must not close the hold for nothing."""
    with pytest.raises(TypeError):
        caller.reserve("acme", quantities=quantities)
    hold = caller.reserve("acme", 100)
    for call in (hold.settle, lambda **rest: caller.settle("acme", hold.hold_id, **rest), hold.progress):
        with pytest.raises(TypeError):
            call(quantities=quantities)
    assert not hold.closed
    assert not sidecar.seen_of("settle")


def test_one_form_of_charge_alone() -> None:
    arguments: list[dict[str, Any]] = [
        {"amount": 1, "quantities": {"input": 1}},
        {"counter": "c", "total": 1, "quantities": {"input": 1}},
        {"quantities": {}},
    ]
    for given in arguments:
        with pytest.raises(TypeError, match="either amount, or counter and total, or quantities"):
            operations.charge("acme", **given)


def test_a_quantity_past_the_wire_is_refused_here() -> None:
    with pytest.raises(holdfast.InvalidArgument) as caught:
        operations.reserve("acme", quantities={"input": 2**63})
    assert caught.value.field == "quantities"


def test_a_required_feature_by_name_number_and_choice() -> None:
    seats, region = holdfast.RequiredFeature("seats", quantity=3), holdfast.RequiredFeature("region", choice="eu")
    assert operations.reserve("acme", 1, required_feature=seats).reserve.required_feature.quantity == 3
    assert operations.charge("acme", 1, required_feature=region).charge.required_feature.choice == "eu"
    assert not operations.check("acme", 1).check.HasField("required_feature")


def test_progress_brings_the_hold_up_and_down(caller: Caller, sidecar: Sidecar) -> None:
    """What was reserved by quantities counts as used until it is told otherwise."""
    hold = caller.reserve("acme", quantities={"input": 100}, max_output_tokens=50, dimensions=MODEL)
    assert hold.progress({"output": 40}).added_amount == 60
    assert hold.amount == 260
    assert hold.progress({"input": 20, "output": 40}, ttl_ms=9_000).returned_amount == 80
    assert hold.amount == 180
    first, second = sidecar.seen_of("extend")
    assert dict(first.passed_quantities) == {"input": 100, "output": 40}
    assert (dict(second.passed_quantities), second.ttl_ms) == ({"input": 20, "output": 40}, 9_000)


def test_progress_sends_what_was_counted_without_a_call(caller: Caller, sidecar: Sidecar) -> None:
    hold = caller.reserve("acme", quantities={"input": 100}, max_output_tokens=50, dimensions=MODEL)
    for _ in range(3):
        hold.spend(quantities={"output": 5})
    hold.progress()
    assert hold.passed_quantities == {"input": 100, "output": 15}
    assert dict(sidecar.seen_of("extend")[0].passed_quantities) == hold.passed_quantities
    with pytest.raises(ValueError, match="cannot be negative"):
        hold.spend(quantities={"output": -1})


def test_a_stream_that_breaks_settles_what_it_had_passed(caller: Caller, sidecar: Sidecar) -> None:
    """As an estimate, and told as cut short, so that other work's output is not learned from it."""
    reserve = caller.reserve("acme", quantities={"input": 100}, max_output_tokens=50, dimensions=MODEL)
    with suppress(ConnectionError), reserve as hold:
        hold.progress({"output": 7})
        raise ConnectionError
    (settle,) = sidecar.seen_of("settle")
    assert (settle.estimated, settle.cut_short, dict(settle.quantities)) == (True, True, {"input": 100, "output": 7})
    assert sidecar.posted["acme"] == 9_999_872


def test_a_stream_that_ends_without_a_settle_settles_as_actual(caller: Caller, sidecar: Sidecar) -> None:
    with caller.reserve("acme", quantities={"input": 100}, max_output_tokens=50) as hold:
        hold.spend(quantities={"input": 90, "output": 2})
    (settle,) = sidecar.seen_of("settle")
    assert (settle.estimated, settle.cut_short, dict(settle.quantities)) == (False, False, {"input": 90, "output": 2})


def test_parts_that_are_settled_are_not_settled_again(caller: Caller, sidecar: Sidecar) -> None:
    with caller.reserve("acme", quantities={"input": 100}, max_output_tokens=50) as hold:
        hold.progress({"output": 10})
        hold.settle(quantities={"input": 100, "output": 6}, final=False)
    part, rest = sidecar.seen_of("settle")
    assert not part.final
    assert dict(rest.quantities) == {"output": 4}
    with caller.reserve("acme", quantities={"input": 100}, max_output_tokens=50) as hold:
        hold.settle(quantities={"input": 100, "output": 6}, final=False)
    last = sidecar.seen_of("settle")[-1]
    assert (last.amount, dict(last.quantities), last.final) == (0, {}, True)


def test_amounts_that_were_counted_are_what_is_settled(caller: Caller, sidecar: Sidecar) -> None:
    """Beside amounts, quantities are only learned from."""
    with caller.reserve("acme", 1_000) as hold:
        hold.spend(70, quantities={"output": 5})
    (settle,) = sidecar.seen_of("settle")
    assert (settle.amount, dict(settle.quantities)) == (70, {"output": 5})


def test_a_lost_settle_by_quantities_is_told(make_client: MakeClient, sidecar: Sidecar) -> None:
    """It is a debit, although its amount is zero."""
    client = make_client(retries=0)
    hold = client.reserve("acme", quantities={"input": 10}, max_output_tokens=5)
    sidecar.fail("settle", Fault(grpc.StatusCode.INTERNAL, "BROKEN"), times=5)
    with pytest.raises(holdfast.Internal), hold:
        hold.progress({"output": 1})
    assert (client.statistics().settles_lost, client.statistics().releases_lost) == (1, 0)


def test_shrinking_gives_back_and_says_how_much(caller: Caller, sidecar: Sidecar) -> None:
    hold = caller.reserve("acme", 1_000)
    assert hold.shrink(300, operation_id="s-1").returned_amount == 300
    assert hold.shrink(300, operation_id="s-1").returned_amount == 300
    assert (hold.amount, sidecar.held()) == (700, 700)
    assert caller.extend("acme", hold.hold_id, return_amount=5_000).returned_amount == 700
