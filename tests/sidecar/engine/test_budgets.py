"""Budgets on the path of a subject: counted with holds, all or none, in the period of the Reserve."""

from typing import Any

import pytest
from holdfast.v1 import decision_pb2 as decision
from holdfast.v1.ledger_sync_service_pb2 import Debit
from holdfast_sidecar.engine.operations import Call, Operation
from holdfast_sidecar.engine.rules import AccountTerms

from tests.sidecar.engine.harness import (
    BudgetAction,
    Calendar,
    Host,
    Ledger,
    budget,
    charge,
    check,
    extend,
    parsed,
    release,
    reserve,
    settle,
)

POOL = ("acme", "general")
HOUR_MS = 3_600_000
HOURS = Calendar("hour/UTC", tuple(hour * HOUR_MS for hour in range(1000)))


def governed(limit: int = 100, **fields: object) -> Host:
    """A host with 10,000 in the pool and a budget on team "research"."""
    ledger = Ledger(calendars=(HOURS,))
    ledger.create(POOL, 10_000)
    ledger.govern()
    ledger.govern("research", budgets=[budget("team", limit, **fields)])
    ledger.govern("research/ann")
    return Host(ledger)


def test_a_hold_counts_against_every_budget_on_its_path() -> None:
    host = governed(100)
    host.ledger.govern("research/ann", budgets=[budget("ann", 60)])
    assert host.one(reserve("a", 50, subject="research/ann")).verdict == decision.VERDICT_ALLOW
    denied = host.one(reserve("b", 20, subject="research/ann"))
    assert (denied.reason, denied.denied_by.level) == (decision.REASON_BUDGET_EXCEEDED, "budget/ann")
    assert (denied.denied_by.limit_amount, denied.denied_by.held_amount, denied.denied_by.subject) == (
        60,
        50,
        "research/ann",
    )
    assert host.one(reserve("c", 50, subject="research")).verdict == decision.VERDICT_ALLOW
    assert host.one(reserve("d", 1, subject="research/ann")).denied_by.level == "budget/team"
    host.one(release("e", "a"))
    assert host.one(reserve("f", 50, subject="research/ann")).verdict == decision.VERDICT_ALLOW


def test_all_or_none_what_one_level_denies_counts_nowhere() -> None:
    host = governed(100)
    host.ledger.govern("research/ann", budgets=[budget("ann", 10)])
    for number in range(5):
        assert host.one(reserve(f"x{number}", 11, subject="research/ann")).verdict == decision.VERDICT_DENY
    assert host.one(reserve("all", 100, subject="research")).granted_amount == 100


def test_a_budget_is_never_passed_whatever_the_concurrency() -> None:
    host = governed(100)
    calls = [Call(number, [reserve(f"r{number}", 3, subject="research/ann")]) for number in range(50)]
    done = host.apply(calls)
    assert sum(parsed(call)[0].granted_amount for call in done) == 99


def test_what_is_settled_leaves_the_budget_for_good_and_the_rest_returns() -> None:
    host = governed(100)
    host.one(reserve("a", 80, subject="research"))
    host.one(settle("b", "a", 30))
    assert host.one(reserve("c", 71, subject="research")).verdict == decision.VERDICT_DENY
    assert host.one(reserve("d", 70, subject="research")).granted_amount == 70
    host.post_all()
    assert host.ledger.pools["acme", "team\x1f0"].posted == 70


def test_less_is_granted_where_less_is_of_use() -> None:
    host = governed(100)
    answer = host.one(reserve("a", 500, min_amount=50, subject="research"))
    assert (answer.verdict, answer.granted_amount) == (decision.VERDICT_ALLOW, 100)


def test_a_charge_counts_too() -> None:
    host = governed(100)
    assert host.one(charge("a", 100, subject="research")).verdict == decision.VERDICT_ALLOW
    denied = host.one(charge("b", 1, subject="research"))
    assert (denied.reason, denied.denied_by.used_amount) == (decision.REASON_BUDGET_EXCEEDED, 100)
    assert host.one(charge("c", 1)).verdict == decision.VERDICT_ALLOW


def test_an_extension_counts_too() -> None:
    host = governed(100)
    host.one(reserve("a", 60, subject="research"))
    assert host.one(extend("b", "a", add_amount=41)).reason == decision.REASON_BUDGET_EXCEEDED
    assert host.one(extend("c", "a", add_amount=40)).hold_amount == 100
    assert host.one(extend("d", "a", return_amount=30)).returned_amount == 30
    assert host.one(reserve("e", 30, subject="research")).verdict == decision.VERDICT_ALLOW


def test_check_says_what_reserve_would() -> None:
    host = governed(100)
    assert host.one(check(100, subject="research")).verdict == decision.VERDICT_ALLOW
    assert host.one(check(101, subject="research")).denied_by.level == "budget/team"
    assert host.one(check(101)).verdict == decision.VERDICT_ALLOW


def test_a_soft_budget_denies_nothing_and_is_named_in_the_debits() -> None:
    host = governed(100, action=BudgetAction.SOFT)
    host.one(reserve("a", 150, subject="research"))
    host.one(settle("b", "a", 150))
    host.post_all()
    assert host.ledger.pools["acme", "team\x1f0"].posted == -50


def test_a_throttle_says_when_to_come_again() -> None:
    host = governed(100, action=BudgetAction.THROTTLE, calendar_id="hour/UTC")
    host.one(reserve("a", 100, subject="research"))
    denied = host.one(reserve("b", 1, subject="research"))
    assert denied.reason == decision.REASON_RATE_LIMITED
    assert denied.retry_after_ms == HOUR_MS - host.now_unix_ms() % HOUR_MS
    assert denied.denied_by.resets_at_unix_ms == HOUR_MS
    host.one(release("c", "a"))
    assert host.one(reserve("b", 1, subject="research")).verdict == decision.VERDICT_ALLOW, "no answer was recorded"


def test_a_hold_settles_into_the_period_in_which_it_was_reserved() -> None:
    host = governed(100, calendar_id="hour/UTC")
    host.one(reserve("a", 100, subject="research", ttl_ms=HOUR_MS))
    host.wall_offset_ms = HOUR_MS
    assert host.one(reserve("b", 100, subject="research", ttl_ms=HOUR_MS)).granted_amount == 100, "a new period"
    host.one(settle("c", "a", 70))
    assert host.one(reserve("d", 1, subject="research")).verdict == decision.VERDICT_DENY
    host.post_all()
    assert host.ledger.pools["acme", "team\x1f0"].posted == 30
    assert host.ledger.pools["acme", f"team\x1f{HOUR_MS}"].posted == 100


def test_the_window_of_an_ended_period_is_forgotten_once_nothing_of_it_is_open() -> None:
    host = governed(100, calendar_id="hour/UTC")
    host.one(reserve("a", 10, subject="research", ttl_ms=2 * 60_000))
    host.one(reserve("b", 10, subject="research", ttl_ms=2 * 60_000))
    host.one(settle("c", "a", 7))
    host.post_all()
    host.wall_offset_ms = HOUR_MS
    host.advance(10_000)
    assert windows(host) == {"team\x1f0"}
    host.advance(2 * 60_000)
    assert windows(host) == set()
    pool = host.ledger.pools["acme", "team\x1f0"]
    assert pool.granted - pool.returned - pool.posted_total == 0, "all rights went back"
    assert host.one(reserve("d", 100, subject="research")).granted_amount == 100


def test_what_is_posted_of_an_ended_period_is_asked_for_so_that_its_window_can_go() -> None:
    host = governed(100, calendar_id="hour/UTC")
    host.one(charge("a", 7, subject="research"))
    host.wall_offset_ms = HOUR_MS
    host.advance(3_000)
    assert windows(host) == {"team\x1f0"}, "the debit may yet be lost on its way"
    host.ledger.post(POOL, 7)
    host.ledger.post(("acme", "team\x1f0"), 7)
    host.advance(3_000)
    assert windows(host) == set()


def test_a_budget_that_comes_back_has_no_rights_that_were_spent() -> None:
    host = governed(100)
    rules = host.ledger.rules["acme", "research"]
    host.one(charge("a", 60, subject="research"))
    host.post_all()
    host.ledger.govern("research")
    host.push(POOL)
    host.one(check(1, subject="research"))
    host.advance(3_000)
    assert windows(host) == set()
    host.ledger.govern("research", budgets=rules.budgets)
    host.push(POOL)
    host.one(check(1, subject="research"))
    assert host.one(reserve("b", 41, subject="research")).reason == decision.REASON_BUDGET_EXCEEDED
    assert host.one(reserve("c", 40, subject="research")).granted_amount == 40


def test_a_subject_that_comes_to_be_is_asked_for_though_others_were_refreshed_since() -> None:
    host = governed(100)
    assert host.one(reserve("a", 11, subject="sales")).granted_amount == 11
    host.one(check(1, subject="research"))
    host.ledger.govern("sales", budgets=[budget("sales", 10)])
    host.ledger.govern("research", budgets=[budget("team", 90)])
    host.push(POOL)
    host.one(check(1, subject="research"))
    host.one(check(1, subject="sales"))
    assert host.one(reserve("b", 11, subject="sales")).denied_by.level == "budget/sales"


def test_a_budget_may_move_to_the_subject_above() -> None:
    host = governed(100)
    host.ledger.govern("research")
    host.ledger.govern("research/ann", budgets=[budget("team", 100)])
    host.one(charge("a", 60, subject="research/ann"))
    host.post_all()
    host.ledger.govern("research", budgets=[budget("team", 100)])
    host.ledger.govern("research/ann")
    host.push(POOL)
    host.one(check(1, subject="research"))
    host.one(charge("b", 1, subject="research"))
    host.post_all()
    host.one(check(1, subject="research/ann"))
    host.advance(3_000)
    assert host.one(reserve("c", 40, subject="research")).denied_by.level == "budget/team"
    assert host.one(reserve("d", 39, subject="research")).granted_amount == 39


def test_a_budget_that_moves_counts_once_until_all_is_told() -> None:
    host = governed(100)
    host.ledger.govern("research")
    host.ledger.govern("research/ann", budgets=[budget("team", 100)])
    host.one(reserve("hold", 50, subject="research/ann"))
    host.one(settle("a", "hold", 10))
    host.ledger.govern("research", budgets=[budget("team", 90)])
    host.ledger.govern("research/ann")
    host.push(POOL)
    host.one(check(1, subject="research"))
    host.one(charge("b", 10, subject="research/ann"))
    debits = [Debit.FromString(data) for _, data in host.store.read_debits(0, 9, 1 << 20)]
    assert [list(debit.windows) for debit in debits] == [["team\x1f0"]] * 2
    assert host.one(reserve("c", 81, subject="research")).denied_by.level == "budget/team"


def test_rules_are_asked_for_by_a_call_that_does_not_wait_for_them() -> None:
    host = governed(100)
    host.one(release("a", host.one(reserve("hold", 500)) and "hold"))
    host.ledger.pools[POOL].partition_after_ms = 50
    host.push(POOL)
    host.now_ns += 100_000_000
    assert host.one(charge("b", 50, subject="research")).reason == decision.REASON_PARTITIONED
    host.now_ns += 100_000_000
    assert host.one(charge("c", 50)).debited_amount == 50
    assert host.engine._accounts.by_id["acme"].nodes.keys() == {"", "research"}


def test_the_window_of_a_budget_that_the_ledger_does_not_know_any_more_goes() -> None:
    host = governed(100)
    host.one(charge("a", 60, subject="research"))
    host.ledger.govern("research")
    del host.ledger.pools["acme", "team\x1f0"]
    host.push(POOL)
    host.one(check(1, subject="research"))
    host.advance(3_000)
    assert windows(host) == set()


def at_last(host: Host, operation: Operation) -> Any:
    """Carries out an operation that has to wait for a ledger which does not answer."""
    call = Call(1, [operation])
    assert host.apply([call]) == []
    assert host.advance(3000) == [call]
    return parsed(call)[0]


def windows(host: Host) -> set[str]:
    return set(host.engine._accounts.by_id["acme"].windows)


def test_past_the_end_of_the_calendar_nothing_is_decided_without_the_ledger() -> None:
    host = governed(100, calendar_id="hour/UTC")
    host.one(reserve("a", 10, subject="research"))
    host.answering = False
    host.wall_offset_ms = 2000 * HOUR_MS
    denied = host.one(reserve("b", 10, subject="research"))
    assert denied.reason in (decision.REASON_LEASE_TIMEOUT, decision.REASON_PARTITIONED)


def test_only_operations_that_match_count() -> None:
    host = governed(100, match=(("model", "gpt-5"),))
    assert host.one(reserve("a", 500, subject="research", dimensions={"model": "small"})).granted_amount == 500
    assert host.one(reserve("b", 101, subject="research", dimensions={"model": "gpt-5", "x": "y"})).granted_amount == 0
    assert host.one(reserve("c", 100, subject="research", dimensions={"model": "gpt-5"})).granted_amount == 100


def test_only_the_named_pool_and_currency_count() -> None:
    ledger = Ledger()
    ledger.create(POOL, 1000)
    ledger.create(("acme", "gpu"), 1000)
    ledger.govern(budgets=[budget("gpu-only", 10, pool_id="gpu"), budget("euros", 1, currency="eur")])
    host = Host(ledger)
    assert host.one(reserve("a", 500)).granted_amount == 500
    assert host.one(reserve("b", 11, pool_id="gpu")).denied_by.level == "budget/gpu-only"
    assert host.one(reserve("c", 10, pool_id="gpu")).granted_amount == 10


def test_unknown_subjects_count_where_they_exist_or_are_denied() -> None:
    host = governed(100)
    assert host.one(reserve("a", 90, subject="research/nobody/agent")).granted_amount == 90
    assert host.one(reserve("b", 11, subject="research/ann")).verdict == decision.VERDICT_DENY
    host.ledger.govern(terms=AccountTerms(deny_unknown_subject=True))
    host.push(POOL)
    host.one(check(1, subject="research/nobody/agent"))
    denied = host.one(reserve("c", 1, subject="research/nobody/agent"))
    assert (denied.reason, denied.denied_by.level) == (
        decision.REASON_UNKNOWN_SUBJECT,
        "subject/research/nobody/agent",
    )


def test_a_change_reaches_the_host_and_until_then_the_last_rules_hold() -> None:
    host = governed(100)
    host.one(reserve("a", 100, subject="research"))
    host.ledger.govern("research", budgets=[budget("team", 200)])
    host.ledger.pools["acme", "team\x1f0"].posted += 100
    host.answering = False
    host.push(POOL)
    assert at_last(host, reserve("b", 1, subject="research")).verdict == decision.VERDICT_DENY
    host.disconnect()
    host.answering = True
    host.connect()
    host.one(check(1, subject="research"))
    answer = host.one(check(500, subject="research"))
    assert (answer.denied_by.limit_amount, answer.denied_by.level) == (200, "budget/team")
    assert host.one(reserve("c", 100, subject="research")).granted_amount == 100


def test_a_budget_that_is_gone_stands_in_nobodys_way() -> None:
    host = governed(100)
    host.one(reserve("a", 100, subject="research"))
    host.ledger.govern("research")
    host.push(POOL)
    host.one(check(1, subject="research"))
    assert host.one(reserve("b", 500, subject="research")).granted_amount == 500
    host.one(settle("c", "a", 100))
    assert host.one(extend("d", "b", add_amount=5)).added_amount == 5


def test_in_shadow_mode_it_is_recorded_and_nothing_denied() -> None:
    host = governed(100, shadow=True)
    first = host.one(reserve("a", 90, subject="research"))
    assert not first.shadow_denials
    host.one(reserve("b", 90, subject="research"))
    third = host.one(reserve("c", 90, subject="research"))
    assert (third.verdict, third.granted_amount) == (decision.VERDICT_ALLOW, 90)
    assert [level.level for level in third.shadow_denials] == ["budget/team"]
    assert third.shadow_denials[0].shadow
    assert host.engine.statistics().shadow_denial_count >= 1


@pytest.mark.parametrize(("mode", "goes_on"), [(1, False), (3, True)])
def test_cut_off_the_pools_partition_mode_decides_beyond_the_budgets_lease(mode: int, goes_on: bool) -> None:
    host = governed(100)
    host.ledger.pools[POOL].partition_mode = mode
    host.one(reserve("a", 100, subject="research"))
    host.disconnect()
    host.advance(4000)
    answer = host.one(reserve("b", 10, subject="research"))
    assert (answer.verdict == decision.VERDICT_ALLOW) is goes_on
    if not goes_on:
        assert answer.reason == decision.REASON_PARTITIONED


def test_an_undone_linked_call_leaves_no_trace_in_any_budget() -> None:
    host = governed(100)
    host.one(reserve("first", 20, subject="research"))
    before = host.engine._accounts.by_id["acme"].windows["team\x1f0"]
    figures = (before.held, before.hold_count, before.consumed_total)
    answers = host.run(
        reserve("a", 30, subject="research/ann"),
        settle("s", "first", 5),
        charge("ch", 3, subject="research"),
        reserve("b", 500, subject="research"),
        linked=True,
    )
    assert answers[3].reason == decision.REASON_BUDGET_EXCEEDED
    assert (before.held, before.hold_count, before.consumed_total) == figures


def test_a_restart_goes_on_with_rules_windows_and_holds() -> None:
    host = governed(100, calendar_id="hour/UTC")
    host.one(reserve("a", 60, subject="research/ann"))
    host.one(settle("p", "a", 10, final=False))
    host.start()
    host.answering = False
    host.connect()
    denied = at_last(host, reserve("b", 41, subject="research/ann"))
    assert denied.verdict == decision.VERDICT_DENY
    host.one(settle("c", "a", 50))
    host.disconnect()
    host.answering = True
    host.connect()
    host.post_all()
    assert host.ledger.pools["acme", "team\x1f0"].posted == 40
    assert host.one(reserve("d", 40, subject="research/ann")).granted_amount == 40


def test_explain_shows_every_level() -> None:
    host = governed(100)
    host.ledger.govern("research/ann", budgets=[budget("ann", 60)])
    host.one(reserve("a", 50, subject="research/ann"))
    answer = host.one(check(20, subject="research/ann", explain=True))
    assert [(step.level, step.reason == decision.REASON_OK) for step in answer.steps] == [
        ("subject/research/ann", True),
        ("budget/team", True),
        ("budget/ann", False),
        ("pool/general", True),
    ]
    assert answer.denied_level == "budget/ann"


def test_a_settle_after_the_hold_expired_counts_where_the_hold_did_also_after_a_restart() -> None:
    host = governed(100, calendar_id="hour/UTC")
    host.one(reserve("a", 60, subject="research/ann", dimensions={"model": "gpt-5"}, ttl_ms=1000))
    host.advance(2000)
    host.start()
    host.connect()
    host.wall_offset_ms = HOUR_MS
    answer = host.one(settle("b", "a", 60, dimensions={"region": "eu"}))
    assert (answer.late, answer.debited_amount) == (True, 60)
    debit = Debit.FromString(host.store.read_debits(0, 10, 1 << 20)[-1][1])
    assert (debit.subject, list(debit.windows)) == ("research/ann", ["team\x1f0"])
    assert {each.key: each.value for each in debit.dimensions} == {"model": "gpt-5", "region": "eu"}
    host.post_all()
    assert host.ledger.pools["acme", "team\x1f0"].posted == 40


def test_more_of_a_hold_whose_period_is_over_is_denied_by_name() -> None:
    host = governed(100, calendar_id="hour/UTC")
    host.one(reserve("a", 100, subject="research", ttl_ms=2 * HOUR_MS // 3))
    host.wall_offset_ms = HOUR_MS
    host.one(check(1, subject="research"))
    denied = host.one(extend("b", "a", add_amount=1))
    assert (denied.reason, denied.denied_by.level) == (decision.REASON_BUDGET_EXCEEDED, "budget/team")


def test_more_of_a_hold_whose_shadow_period_is_over_is_not_denied() -> None:
    host = governed(100, calendar_id="hour/UTC", shadow=True)
    host.one(reserve("a", 100, subject="research", ttl_ms=2 * HOUR_MS // 3))
    host.wall_offset_ms = HOUR_MS
    host.one(reserve("c", 1, subject="research"))
    assert host.one(extend("b", "a", add_amount=500)).added_amount == 500


def test_more_of_a_hold_whose_budget_is_gone_is_not_denied() -> None:
    host = governed(100)
    host.one(reserve("a", 100, subject="research"))
    host.ledger.govern("research")
    host.push(POOL)
    host.one(check(1, subject="research"))
    assert host.one(extend("b", "a", add_amount=500)).added_amount == 500
