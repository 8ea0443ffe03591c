"""What is remembered of many subjects and names stays bounded, and none of it makes forget another."""

import pytest
from holdfast.v1 import decision_pb2 as decision
from holdfast_sidecar.engine import governance, leases

from tests.sidecar.engine.harness import Host, Ledger, budget, reserve


def host_of(limit_amount: int) -> Host:
    ledger = Ledger()
    ledger.create(("acme", "general"), 1_000_000)
    ledger.govern(budgets=[budget("all", limit_amount)])
    return Host(ledger)


def test_names_that_nobody_has_do_not_make_forget_what_the_ledger_said_of_a_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leases, "UNKNOWN_LIMIT", 3)
    host = host_of(100)
    assert host.one(reserve("a", 150)).reason == decision.REASON_BUDGET_EXCEEDED
    for number in range(10):
        host.one(reserve(f"none-{number}", 1, pool_id=f"none-{number}"))
    host.answering = False
    again = host.one(reserve("b", 150))
    assert again.reason == decision.REASON_BUDGET_EXCEEDED, "the no still holds: nobody is asked, nothing waits"
    assert host.unanswered == []


def test_subjects_that_callers_make_up_take_no_more_than_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(governance, "STRANGER_PATHS_LIMIT", 5)
    host = host_of(1_000)
    host.ledger.govern("research")
    for number in range(20):
        answer = host.one(reserve(f"r{number}", 10, subject=f"made-up-{number}"))
        assert answer.verdict == decision.VERDICT_ALLOW
    account = host.engine._accounts.by_id["acme"]
    assert len(account.paths) <= 5
    assert host.ledger.pools["acme", "all\x1f0"].granted >= 200, "they count against the part of their path that exists"
    assert host.one(reserve("known", 10, subject="research")).verdict == decision.VERDICT_ALLOW


def test_budgets_that_say_the_same_share_one_object_and_keep_their_names() -> None:
    host = host_of(1_000)
    for name in ("ann", "bob"):
        host.ledger.govern(name, budgets=[budget(f"of-{name}", 50)])
        assert host.one(reserve(f"r-{name}", 10, subject=name)).verdict == decision.VERDICT_ALLOW
    nodes = host.engine._accounts.by_id["acme"].nodes
    ann, bob = nodes["ann"].budgets[0], nodes["bob"].budgets[0]
    assert ann.rule is bob.rule
    assert (ann.budget_id, bob.budget_id) == ("of-ann", "of-bob")
    denied = host.one(reserve("r", 60, subject="bob"))
    assert denied.denied_by.level == "budget/of-bob"
