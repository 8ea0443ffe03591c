"""Holds inside holds: what is taken out of which, and what flows back, over every caller."""

import grpc
import holdfast
import pytest

from tests.client.conftest import Caller, Fault, Sidecar


def test_a_nested_hold_is_taken_out_of_the_hold_around_it(caller: Caller, sidecar: Sidecar) -> None:
    """The total that is held stays that of the root."""
    with caller.reserve("acme", 1_000) as run:
        with run.reserve(400) as step:
            assert (run.amount, step.amount, sidecar.held()) == (600, 400, 1_000)
            step.settle(150)
        assert (run.amount, sidecar.held()) == (850, 850)
        run.settle(0)
    assert sidecar.posted["acme"] == 9_999_850


def test_to_any_depth(caller: Caller, sidecar: Sidecar) -> None:
    run = caller.reserve("acme", 1_000)
    crew = run.reserve(600)
    agent = crew.reserve(500)
    assert (run.amount, crew.amount, agent.amount, sidecar.held()) == (400, 100, 500, 1_000)
    agent.release()
    assert (run.amount, crew.amount) == (400, 600)


def test_extending_and_shrinking_moves_to_and_from_the_parent(caller: Caller, sidecar: Sidecar) -> None:
    run = caller.reserve("acme", 1_000)
    step = run.reserve(400)
    step.extend(300)
    assert (run.amount, step.amount) == (300, 700)
    assert step.shrink(500).returned_amount == 500
    assert (run.amount, step.amount, sidecar.held()) == (800, 200, 1_000)


def test_more_than_the_parent_has_is_denied(caller: Caller) -> None:
    run = caller.reserve("acme", 1_000)
    with pytest.raises(holdfast.Denied) as caught:
        run.reserve(1_001)
    assert caught.value.denial_reason is holdfast.Reason.PARENT_EXHAUSTED
    assert caught.value.denied_level == f"hold/{run.hold_id}"
    assert run.amount == 1_000
    assert run.reserve(1_001, min_amount=1).amount == 1_000


def test_subject_and_dimensions_come_from_the_parent_unless_told(caller: Caller, sidecar: Sidecar) -> None:
    run = caller.reserve("acme", 1_000, pool="gpu", subject="research/ann", dimensions={"feature": "f", "model": "m"})
    run.reserve(1, dimensions={"model": "n"})
    run.reserve(1, subject="research/ann/helper", operation_id="h-1", ttl_ms=5_000)
    _, inherited, told = sidecar.seen_of("reserve")
    assert (inherited.account_id, inherited.pool_id, inherited.parent_hold_id) == ("acme", "gpu", run.hold_id)
    assert (inherited.subject, dict(inherited.dimensions)) == ("research/ann", {"feature": "f", "model": "n"})
    assert (told.subject, told.operation_id, told.ttl_ms) == ("research/ann/helper", "h-1", 5_000)


def test_a_closed_hold_opens_none(caller: Caller, sidecar: Sidecar) -> None:
    run = caller.reserve("acme", 1_000)
    run.release()
    with pytest.raises(holdfast.HoldClosed):
        run.reserve(1)
    assert len(sidecar.seen_of("reserve")) == 1


def test_inside_an_unconfirmed_hold_the_pool_pays(caller: Caller, sidecar: Sidecar) -> None:
    """Nobody has the parent: naming it would only be refused."""
    sidecar.fail("reserve", Fault(grpc.StatusCode.UNAVAILABLE, "DRAINING"), times=10)
    run = caller.reserve("acme", 1_000, on_unavailable="allow")
    sidecar.planned.clear()
    step = run.reserve(400)
    assert sidecar.seen_of("reserve")[-1].parent_hold_id == ""
    assert (step.amount, run.amount, sidecar.held()) == (400, 1_000, 400)


def test_by_its_id_from_another_process(caller: Caller, sidecar: Sidecar) -> None:
    """A sub-agent elsewhere on the host needs the id alone."""
    run = caller.reserve("acme", 1_000)
    assert caller.check("acme", 1_001, parent_hold_id=run.hold_id).reason is holdfast.Reason.PARENT_EXHAUSTED
    caller.reserve("acme", 400, parent_hold_id=run.hold_id)
    assert sidecar.holds[run.hold_id].amount == 600


def test_what_a_nested_hold_lacks_the_hold_around_it_has(caller: Caller, sidecar: Sidecar) -> None:
    run = caller.reserve("acme", 1_000)
    step = run.reserve(400)
    assert step.settle(500).over_hold_amount == 0
    assert (run.amount, sidecar.held()) == (500, 500)
    last = run.reserve(100)
    assert last.settle(750).over_hold_amount == 250
    assert (run.amount, sidecar.held()) == (0, 0)
