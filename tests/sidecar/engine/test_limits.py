"""Rate limits, concurrency limits, entitlements: what denies before any money is looked at."""

import pytest
from holdfast.v1 import decision_pb2 as decision
from holdfast_sidecar.engine import governance
from holdfast_sidecar.engine.operations import Call, Required, Reserve
from holdfast_sidecar.engine.settings import EngineSettings

from tests.sidecar.engine.harness import (
    AccountTerms,
    Host,
    Ledger,
    RateUnit,
    at_a_time,
    budget,
    charge,
    check,
    extend,
    parsed,
    rate,
    release,
    reserve,
    settle,
)

POOL = ("acme", "general")


def host_with(**rules: object) -> Host:
    """A host with 10,000 in the pool and limits on the account."""
    ledger = Ledger()
    ledger.create(POOL, 10_000)
    ledger.govern(**rules)  # type: ignore[arg-type]  # the keywords of `govern`
    return Host(ledger)


# ── rate limits ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_requests_pass_at_the_rate_and_the_retry_is_exact() -> None:
    host = host_with(rate_limits=[rate("rps", 1, 1000, 3)])
    answers = [host.one(reserve(f"r{number}", 1)) for number in range(4)]
    assert [answer.verdict == decision.VERDICT_ALLOW for answer in answers] == [True] * 3 + [False]
    denied = answers[3]
    assert (denied.reason, denied.denied_by.level) == (decision.REASON_RATE_LIMITED, "rate_limit/rps")
    assert denied.retry_after_ms == denied.denied_by.retry_after_ms == 1000
    host.now_ns += 999 * 1_000_000
    assert host.one(reserve("r3", 1)).retry_after_ms == 1
    host.now_ns += 1_000_000
    assert host.one(reserve("r3", 1)).verdict == decision.VERDICT_ALLOW, "a denial by rate is not recorded"


def test_what_another_level_denies_costs_nothing_of_the_rate() -> None:
    host = host_with(rate_limits=[rate("rps", 1, 1000, 2)], budgets=[budget("cap", 10)])
    for number in range(5):
        assert host.one(reserve(f"x{number}", 11)).reason == decision.REASON_BUDGET_EXCEEDED
    assert host.one(reserve("a", 1)).verdict == decision.VERDICT_ALLOW
    assert host.one(charge("b", 1)).verdict == decision.VERDICT_ALLOW
    assert host.one(charge("c", 1)).reason == decision.REASON_RATE_LIMITED


def test_a_check_costs_nothing() -> None:
    host = host_with(rate_limits=[rate("rps", 1, 1000, 1)])
    assert all(host.one(check(1)).verdict == decision.VERDICT_ALLOW for _ in range(5))
    host.one(reserve("a", 1))
    assert host.one(check(1)).retry_after_ms == 1000


def test_amounts_count_with_what_is_granted_and_added() -> None:
    host = host_with(rate_limits=[rate("spend", 10, 1000, 100, unit=RateUnit.AMOUNT)], budgets=[budget("cap", 60)])
    assert host.one(reserve("a", 90, min_amount=1)).granted_amount == 60, "60 of the rate are used, not 90"
    host.one(settle("s", "a", 0))
    assert host.one(reserve("b", 41)).reason == decision.REASON_RATE_LIMITED
    assert host.one(reserve("c", 30)).granted_amount == 30
    assert host.one(extend("d", "c", add_amount=11)).reason == decision.REASON_RATE_LIMITED
    assert host.one(extend("e", "c", add_amount=10)).added_amount == 10


def test_a_linked_call_that_fails_costs_nothing() -> None:
    host = host_with(rate_limits=[rate("rps", 1, 1000, 3)])
    host.run(reserve("a", 1), reserve("b", 10_001), linked=True)
    assert all(host.one(reserve(f"r{number}", 1)).verdict == decision.VERDICT_ALLOW for number in range(3))


def test_a_rate_in_shadow_mode_denies_nothing() -> None:
    host = host_with(rate_limits=[rate("rps", 1, 1000, 1, shadow=True)])
    host.one(reserve("a", 1))
    answer = host.one(reserve("b", 1))
    assert answer.verdict == decision.VERDICT_ALLOW
    assert [level.level for level in answer.shadow_denials] == ["rate_limit/rps"]


def test_a_change_of_the_rules_does_not_fill_the_bucket() -> None:
    host = host_with(rate_limits=[rate("rps", 1, 1000, 1)])
    host.one(reserve("a", 1))
    host.ledger.govern(rate_limits=[rate("rps", 1, 1000, 1)], budgets=[budget("cap", 500)])
    host.push(POOL)
    host.one(check(1))
    assert host.one(reserve("b", 1)).reason == decision.REASON_RATE_LIMITED


def test_a_shared_rate_is_the_whole_one_as_long_as_nobody_else_needs_it() -> None:
    host = host_with(rate_limits=[rate("rps", 1, 1000, 4, shared=True)])
    answers = [host.one(reserve(f"r{number}", 1)) for number in range(5)]
    assert [answer.verdict == decision.VERDICT_ALLOW for answer in answers] == [True] * 4 + [False]
    assert answers[4].retry_after_ms == 1000


def test_a_part_of_a_shared_rate_lets_its_part_through() -> None:
    host = host_with(rate_limits=[rate("rps", 10, 1000, 10, shared=True)])
    window = host.ledger.window(("acme", "rps\x1fr"))
    assert window is not None
    window.elsewhere = 500_000
    passed = sum(host.one(reserve(f"r{number}", 1)).verdict == decision.VERDICT_ALLOW for number in range(10))
    assert passed == 5
    window.elsewhere = 1_000_000 - window.granted
    host.advance(1000)
    passed = sum(host.one(reserve(f"s{number}", 1)).verdict == decision.VERDICT_ALLOW for number in range(10))
    assert passed == 5


def test_a_host_without_any_share_is_denied_once_the_ledger_says_no() -> None:
    host = host_with(rate_limits=[rate("rps", 10, 1000, 10, shared=True)])
    window = host.ledger.window(("acme", "rps\x1fr"))
    assert window is not None
    window.elsewhere = 1_000_000
    assert host.one(reserve("a", 1)).reason == decision.REASON_RATE_LIMITED


# ── concurrency ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_so_many_holds_at_a_time() -> None:
    host = host_with(concurrency_limits=[at_a_time("two", 2)])
    host.one(reserve("a", 1))
    host.one(reserve("b", 1))
    denied = host.one(reserve("c", 1))
    assert (denied.reason, denied.denied_by.level) == (decision.REASON_CONCURRENCY_LIMITED, "concurrency_limit/two")
    assert (denied.denied_by.limit_amount, denied.denied_by.held_amount) == (2, 2)
    assert host.one(charge("d", 1)).verdict == decision.VERDICT_ALLOW, "a charge opens no hold"
    host.one(settle("e", "a", 1))
    assert host.one(reserve("c", 1)).verdict == decision.VERDICT_ALLOW
    host.advance(120_000)
    assert host.one(reserve("f", 1)).verdict == decision.VERDICT_ALLOW, "expired holds are closed"


def test_shared_slots_are_leased() -> None:
    host = host_with(concurrency_limits=[at_a_time("three", 3, shared=True)])
    window = host.ledger.window(("acme", "three\x1fc"))
    assert window is not None
    window.elsewhere = 1
    calls = [Call(number, [reserve(f"r{number}", 1)]) for number in range(5)]
    assert sum(parsed(call)[0].verdict == decision.VERDICT_ALLOW for call in host.apply(calls)) == 2
    host.one(release("x", "r0"))
    assert host.one(reserve("again", 1)).verdict == decision.VERDICT_ALLOW


def test_a_limit_that_comes_to_be_shared_begins_with_what_the_ledger_gives() -> None:
    host = host_with(concurrency_limits=[at_a_time("few", 2)])
    host.one(reserve("a", 1))
    host.ledger.govern(concurrency_limits=[at_a_time("few", 3, shared=True)])
    host.push(POOL)
    window = host.ledger.window(("acme", "few\x1fc"))
    assert window is not None
    window.elsewhere = 2
    host.one(check(1))
    assert host.one(reserve("b", 1)).verdict == decision.VERDICT_ALLOW
    assert host.one(reserve("c", 1)).reason == decision.REASON_CONCURRENCY_LIMITED
    assert window.granted == 1


def test_a_limit_that_is_shared_no_more_begins_with_its_own_count() -> None:
    host = host_with(concurrency_limits=[at_a_time("few", 1, shared=True)])
    host.one(reserve("a", 1))
    host.ledger.govern(concurrency_limits=[at_a_time("few", 2)])
    host.push(POOL)
    host.one(check(1))
    assert [host.one(reserve(name, 1)).granted_amount for name in ("b", "c", "d")] == [1, 1, 0]
    host.one(release("x", "a"))
    host.advance(3_000)
    window = host.ledger.pools["acme", "few\x1fc"]
    assert window.granted - window.returned == 0, "what was leased went back"


def test_a_local_limit_that_was_away_for_a_while_counts_as_before() -> None:
    host = host_with(concurrency_limits=[at_a_time("two", 2)])
    host.one(reserve("a", 1, ttl_ms=60_000))
    host.ledger.govern()
    host.push(POOL)
    host.one(check(1))
    host.advance(3_000)
    host.ledger.govern(concurrency_limits=[at_a_time("two", 2)])
    host.push(POOL)
    host.one(check(1))
    assert [host.one(reserve(name, 1)).granted_amount for name in ("b", "c")] == [1, 0]


def test_a_limit_may_move_to_the_subject_above() -> None:
    few = at_a_time("few", 2, shared=True)
    host = host_with()
    host.ledger.govern("team")
    host.ledger.govern("team/ann", concurrency_limits=[few])
    host.one(release("x", host.one(reserve("a", 1, subject="team/ann")) and "a"))
    host.ledger.govern("team", concurrency_limits=[few])
    host.ledger.govern("team/ann")
    host.push(POOL)
    host.one(check(1, subject="team/ann"))
    host.advance(3_000)
    assert [host.one(reserve(name, 1, subject="team")).granted_amount for name in ("b", "c", "d")] == [1, 1, 0]


def test_a_limit_comes_back_after_the_lease_that_it_had() -> None:
    few = at_a_time("few", 2, shared=True)
    host = host_with(concurrency_limits=[few])
    host.one(release("x", host.one(reserve("a", 1)) and "a"))
    host.ledger.govern()
    host.push(POOL)
    host.one(check(1))
    host.advance(3_000)
    host.ledger.govern(concurrency_limits=[few])
    host.push(POOL, ("acme", "few\x1fc"))
    host.one(check(1))
    host.advance(3_000)
    assert [host.one(reserve(name, 1)).granted_amount for name in ("b", "c", "d")] == [1, 1, 0]


def test_slots_survive_a_restart() -> None:
    host = host_with(concurrency_limits=[at_a_time("two", 2)])
    host.one(reserve("a", 1))
    host.one(reserve("b", 1))
    host.start()
    host.connect()
    assert host.one(reserve("c", 1)).reason == decision.REASON_CONCURRENCY_LIMITED
    host.one(release("d", "a"))
    assert host.one(reserve("c", 1)).verdict == decision.VERDICT_ALLOW


# ── entitlements ────────────────────────────────────────────────────────────────────────────────────────────────────

PLAN = AccountTerms(features=(("gpt-5", True), ("off", False), ("seats", 5), ("tier", ("gold", "silver"))))


def needing(operation_id: str, required: Required) -> Reserve:
    operation = reserve(operation_id, 1)
    operation.required = required
    return operation


def test_features_of_each_kind() -> None:
    host = host_with(terms=PLAN)
    cases = [
        (Required("gpt-5"), True),
        (Required("off"), False),
        (Required("nothing"), False),
        (Required("seats", quantity=5), True),
        (Required("seats", quantity=6), False),
        (Required("tier", choice="gold"), True),
        (Required("tier", choice="iron"), False),
        (Required("tier"), True),
    ]
    for number, (required, granted) in enumerate(cases):
        answer = host.one(needing(f"r{number}", required))
        assert (answer.verdict == decision.VERDICT_ALLOW) is granted, required
        if not granted:
            assert (answer.reason, answer.denied_level) == (
                decision.REASON_NOT_ENTITLED,
                f"entitlement/{required.feature}",
            )


def test_one_check_says_whether_and_what() -> None:
    host = host_with(terms=PLAN)
    operation = check(1)
    operation.required = Required("tier", choice="gold")
    assert list(host.one(operation).feature_value.choices.values) == ["gold", "silver"]


def test_an_account_without_rules_is_entitled_to_nothing() -> None:
    ledger = Ledger()
    ledger.create(POOL, 100)
    host = Host(ledger)
    assert host.one(needing("a", Required("gpt-5"))).reason == decision.REASON_NOT_ENTITLED


def test_features_in_shadow_mode_deny_nothing() -> None:
    host = host_with(terms=AccountTerms(shadow_features=True))
    answer = host.one(needing("a", Required("gpt-5")))
    assert (answer.verdict, answer.shadow_denials[0].level) == (decision.VERDICT_ALLOW, "entitlement/gpt-5")


# ── the host's own bounds ───────────────────────────────────────────────────────────────────────────────────────────


def test_made_up_subjects_take_no_room() -> None:
    host = host_with(budgets=[budget("cap", 100)])
    for number in range(50):
        host.one(check(1, subject=f"nobody-{number}"))
    assert len(host.engine._accounts.by_id["acme"].nodes) == 1


def test_more_subjects_than_fit_are_refused_by_name() -> None:
    ledger = Ledger()
    ledger.create(POOL, 100)
    ledger.govern()
    ledger.govern("a")
    ledger.govern("b")
    host = Host(ledger, EngineSettings(subject_limit=2))
    assert host.one(reserve("x", 1, subject="a")).verdict == decision.VERDICT_ALLOW
    fault = host.one(reserve("y", 1, subject="b"))
    assert fault.reason == "SUBJECT_LIMIT"


def test_a_pool_in_shadow_mode_lets_everything_through_and_says_so() -> None:
    ledger = Ledger()
    ledger.create(POOL, 100)
    ledger.pools[POOL].shadow = True
    host = Host(ledger)
    assert not host.one(reserve("a", 60)).shadow_denials
    assert not host.one(check(40)).shadow_denials
    checked = host.one(check(60))
    assert (checked.verdict, checked.granted_amount) == (decision.VERDICT_ALLOW, 60)
    assert [(level.level, level.reason) for level in checked.shadow_denials] == [
        ("pool/general", decision.REASON_INSUFFICIENT_BALANCE)
    ]
    answer = host.one(reserve("b", 60))
    assert (answer.verdict, answer.granted_amount, answer.unleased_amount) == (decision.VERDICT_ALLOW, 60, 20)
    assert [level.level for level in answer.shadow_denials] == ["pool/general"]
    assert host.one(charge("c", 60)).debited_amount == 60


def test_paths_are_put_together_again_when_there_are_too_many_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(governance, "PATHS_LIMIT", 2)
    ledger = Ledger()
    ledger.create(POOL, 10_000)
    ledger.govern()
    for name in ("a", "b", "c"):
        ledger.govern(name, budgets=[budget(f"of-{name}", 10)])
    host = Host(ledger)
    for turn in range(3):
        for name in ("a", "b", "c"):
            assert host.one(reserve(f"{name}{turn}", 3, subject=name)).granted_amount == 3
    nodes = host.engine._accounts.by_id["acme"].nodes.values()
    assert sum(node.path is not None for node in nodes) <= 2
    assert [host.one(reserve(f"{name}-more", 2, subject=name)).denied_level for name in ("a", "b", "c")] == [
        "budget/of-a",
        "budget/of-b",
        "budget/of-c",
    ]
