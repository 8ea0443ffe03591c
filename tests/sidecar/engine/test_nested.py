"""Holds inside holds: carved out of what is held already, never more than the root in total."""

from holdfast.v1 import decision_pb2 as decision
from hypothesis import given
from hypothesis import strategies as st

from tests.sidecar.engine.harness import (
    Host,
    Ledger,
    at_a_time,
    balance,
    budget,
    extend,
    release,
    reserve,
    settle,
)

POOL = ("acme", "general")


def nested() -> Host:
    """A host with a run that holds 100 of 1,000."""
    ledger = Ledger()
    ledger.create(POOL, 1000)
    host = Host(ledger)
    host.one(reserve("run", 100))
    return host


def test_a_hold_inside_another_takes_its_amount_from_it_and_nothing_of_the_pool() -> None:
    host = nested()
    answer = host.one(reserve("step", 60, parent_hold_id="run"))
    assert (answer.verdict, answer.granted_amount, answer.held) == (decision.VERDICT_ALLOW, 60, 100)
    denied = host.one(reserve("more", 41, parent_hold_id="run"))
    assert (denied.reason, denied.denied_by.level, denied.denied_by.left_amount) == (
        decision.REASON_PARENT_EXHAUSTED,
        "hold/run",
        40,
    )
    assert host.one(reserve("some", 41, min_amount=1, parent_hold_id="run")).granted_amount == 40


def test_what_is_not_used_flows_back() -> None:
    host = nested()
    host.one(reserve("step", 60, parent_hold_id="run"))
    host.one(settle("s", "step", 10))
    assert host.one(reserve("next", 90, parent_hold_id="run")).granted_amount == 90
    host.one(release("r", "next"))
    assert host.one(release("end", "run")).returned_amount == 90
    figures = host.one(balance())
    assert (figures.held, figures.posted) == (0, 990)


def test_expired_it_flows_back_too() -> None:
    host = nested()
    host.one(extend("longer", "run", ttl_ms=600_000))
    host.one(reserve("step", 60, parent_hold_id="run", ttl_ms=1000))
    host.advance(2000)
    assert host.one(reserve("next", 100, parent_hold_id="run", ttl_ms=1000)).granted_amount == 100


def test_when_the_outer_one_ends_the_inner_ones_go_on_and_flow_to_what_was_around_it() -> None:
    host = nested()
    host.one(reserve("step", 60, parent_hold_id="run"))
    host.one(reserve("tool", 20, parent_hold_id="step"))
    assert host.one(settle("s", "step", 5)).returned_amount == 35
    assert host.one(balance()).held == 95
    host.one(release("r", "tool"))
    assert host.one(reserve("all", 95, parent_hold_id="run")).granted_amount == 95
    host.one(settle("end", "run", 0))
    assert host.one(settle("last", "all", 95)).over_hold_amount == 0
    figures = host.one(balance())
    assert (figures.held, figures.posted) == (0, 900)


def test_what_an_inner_one_lacks_when_it_settles_those_around_it_have() -> None:
    host = nested()
    host.one(reserve("step", 60, parent_hold_id="run"))
    host.one(reserve("tool", 20, parent_hold_id="step"))
    answer = host.one(settle("s", "tool", 90))
    assert answer.over_hold_amount == 0
    assert host.one(release("r", "run")).returned_amount == 10
    assert host.one(settle("t", "step", 11)).over_hold_amount == 11


def test_more_for_an_inner_one_comes_from_the_outer_one() -> None:
    host = nested()
    host.one(reserve("step", 60, parent_hold_id="run"))
    assert host.one(extend("e", "step", add_amount=40)).hold_amount == 100
    assert host.one(extend("f", "step", add_amount=1)).reason == decision.REASON_PARENT_EXHAUSTED
    assert host.one(balance()).held == 100


def test_once_the_outer_one_has_ended_an_inner_one_gets_no_more_of_anything() -> None:
    host = nested()
    host.one(reserve("step", 60, parent_hold_id="run"))
    host.one(release("r", "run"))
    denied = host.one(extend("e", "step", add_amount=1))
    assert (denied.reason, denied.denied_by.level) == (decision.REASON_PARENT_EXHAUSTED, "hold/step")
    host.start()
    host.connect()
    assert host.one(extend("f", "step", add_amount=1)).reason == decision.REASON_PARENT_EXHAUSTED


def test_past_the_lease_it_ends_no_later_than_the_outer_one() -> None:
    host = nested()
    host.one(extend("longer", "run", ttl_ms=60_000))
    host.disconnect()
    host.advance(40_000)
    answer = host.one(reserve("step", 60, parent_hold_id="run", ttl_ms=60_000))
    assert (answer.granted_amount, answer.remaining_ttl_ms) == (60, 20_000)
    host.advance(20_000)
    assert host.one(balance()).held == 0, "by then the ledger may reclaim"


def test_the_outer_one_must_be_open_and_of_the_same_pool() -> None:
    host = nested()
    host.ledger.create(("acme", "other"), 100)
    host.one(reserve("else", 10, pool_id="other"))
    assert host.one(reserve("a", 1, parent_hold_id="else")).reason == "PARENT_OF_ANOTHER_POOL"
    assert host.one(reserve("b", 1, parent_hold_id="never")).reason == "HOLD_NOT_FOUND"
    host.one(release("r", "run"))
    assert host.one(reserve("c", 1, parent_hold_id="run")).reason == "HOLD_CLOSED"


def test_limits_of_the_outer_one_are_passed_and_further_ones_count() -> None:
    ledger = Ledger()
    ledger.create(POOL, 1000)
    ledger.govern(budgets=[budget("all", 100)], concurrency_limits=[at_a_time("one-run", 1)])
    ledger.govern("agent")
    ledger.govern("agent/sub", budgets=[budget("sub", 30)])
    host = Host(ledger)
    host.one(reserve("run", 100, subject="agent"))
    denied = host.one(reserve("big", 31, subject="agent/sub", parent_hold_id="run"))
    assert denied.denied_by.level == "budget/sub"
    assert host.one(reserve("a", 30, subject="agent/sub", parent_hold_id="run")).granted_amount == 30
    host.one(settle("s", "a", 30))
    host.post_all()
    assert host.ledger.pools["acme", "all\x1f0"].posted == 70
    assert host.ledger.pools["acme", "sub\x1f0"].posted == 0


def test_a_linked_call_that_fails_leaves_the_family_as_it_was() -> None:
    host = nested()
    host.one(reserve("step", 60, parent_hold_id="run"))
    host.one(reserve("tool", 20, parent_hold_id="step"))
    host.run(settle("s", "step", 30), release("r", "tool"), reserve("x", 10_000), linked=True)
    assert host.one(release("r1", "tool")).returned_amount == 20
    assert host.one(release("r2", "step")).returned_amount == 60
    assert host.one(release("r3", "run")).returned_amount == 100


def test_a_restart_keeps_the_family() -> None:
    host = nested()
    host.one(reserve("step", 60, parent_hold_id="run"))
    host.one(reserve("tool", 20, parent_hold_id="step"))
    host.one(release("r", "step"))
    host.start()
    host.connect()
    host.one(release("s", "tool"))
    assert host.one(reserve("all", 100, parent_hold_id="run")).granted_amount == 100


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 7), st.integers(1, 60)), max_size=40))
def test_never_more_than_the_root_in_total(steps: list[tuple[int, int, int]]) -> None:
    host = nested()
    names, spent = ["run"], 0
    for number, (kind, place, amount) in enumerate(steps):
        name = names[place % len(names)]
        if kind == 0:
            host.one(reserve(f"h{number}", amount, min_amount=1, parent_hold_id=name))
            names.append(f"h{number}")
        elif kind == 1:
            host.one(extend(f"e{number}", name, add_amount=amount) if name != "run" else release(f"e{number}", "none"))
        elif kind == 2:
            host.one(release(f"r{number}", name))
        else:
            answer = host.one(settle(f"s{number}", name, amount, final=amount % 2 == 0))
            if hasattr(answer, "debited_amount"):
                spent += answer.debited_amount - answer.over_hold_amount * (not answer.late)
                spent -= answer.debited_amount if answer.late else 0
        held = host.one(balance()).held
        assert held + spent <= 100
        assert held == sum(hold.amount for hold in host.engine._accounts.by_id["acme"].holds.values())
