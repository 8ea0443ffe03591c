"""GovernanceService over a real channel: what is set is kept, told, listed, refused whole, and raises the version."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import governance_service_pb2 as api
from holdfast.v1 import ledger_service_pb2
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast_ledger.governance.checks import MAX_RULES
from holdfast_ledger.restoring import restored
from holdfast_ledger.store.rule_rows import VERSIONS_A_GENERATION

from tests.ledger.governance.setting import (
    CARD,
    Rules,
    budget,
    concurrency_limit,
    feature,
    rate_limit,
    refused,
    share,
)
from tests.ledger.harness import START_MS, TERMS, running

pytestmark = pytest.mark.usefixtures("every_store")

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
DAY_MS = 86_400_000
HOUR, ROLLING = api.Period(unit=api.PERIOD_UNIT_HOUR), api.Period(unit=api.PERIOD_UNIT_ROLLING, rolling_ms=60_000)


async def test_account_rules(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules = Rules(ledger)
        request = api.GetAccountRulesRequest(account_id="a")
        got: api.GetAccountRulesResponse = await ledger.governance.GetAccountRules(request)
        assert got.rules == api.AccountRules(time_zone="UTC")
        await rules.plan("pro", seats=5)
        await rules.card()
        said: dict[str, Any] = {
            "time_zone": "Europe/Berlin",
            "deny_unknown_subject": True,
            "plan_id": "pro",
            "features": {"images": feature(True), "seats": feature(7), "models": feature(["a", "b"])},
            "rate_card_id": "models",
            "shadow_features": True,
        }
        made = await rules.account(**said)
        assert made == api.AccountRules(**said, version=1)
        assert await rules.account(**said, version=9) == made, "repeated, it changes nothing"
        assert (await ledger.governance.GetAccountRules(request)).rules == made
        assert (await rules.account(**(said | {"plan_id": ""}))).version == 2
        assert await rules.account() == api.AccountRules(time_zone="UTC", version=3)


async def test_the_first_rule_is_a_change_even_if_it_says_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        assert [(await Rules(ledger).account()).version for _ in range(2)] == [1, 1]


async def test_subjects(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules = Rules(ledger)
        assert await rules.subjects("org", "org/team", "org/team/user", "solo") == 1
        assert await rules.subjects("org", "org/team") == 1, "repeated, it changes nothing"
        named = api.Subject(subject="org", display_name="Örg")
        answer = await ledger.governance.SetSubjects(api.SetSubjectsRequest(account_id="a", subjects=[named]))
        assert answer.rules_version == 1, "sidecars are not told names for people"
        assert await rules.subjects("org/team/user/agent") == 2
        listed: list[api.Subject] = []
        request = api.ListSubjectsRequest(account_id="a", page_size=2)
        while True:
            page: api.ListSubjectsResponse = await ledger.governance.ListSubjects(request)
            listed += page.subjects
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        assert [one.subject for one in listed] == ["org", "org/team", "org/team/user", "org/team/user/agent", "solo"]
        assert listed[0] == named


async def test_a_subject_in_use_is_not_deleted(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules, governance = Rules(ledger), ledger.governance
        await rules.subjects("org", "org/team", "org/a", "org/b", "org/c")
        await rules.budgets(budget(subject="org/a"))
        await rules.rate_limits(rate_limit(subject="org/b"))
        version = await rules.concurrency_limits(concurrency_limit(subject="org/c"))
        for subject in ("org", "org/a", "org/b", "org/c"):
            request = api.DeleteSubjectRequest(account_id="a", subject=subject)
            assert await refused(governance.DeleteSubject(request)) == (PRECONDITION, "SUBJECT_IN_USE", "")
        await governance.DeleteBudget(api.DeleteBudgetRequest(account_id="a", budget_id="b"))
        await governance.DeleteRateLimit(api.DeleteRateLimitRequest(account_id="a", limit_id="r"))
        await governance.DeleteConcurrencyLimit(api.DeleteConcurrencyLimitRequest(account_id="a", limit_id="c"))
        for subject in ("org/a", "org/b", "org/c", "org/team", "org"):
            await governance.DeleteSubject(api.DeleteSubjectRequest(account_id="a", subject=subject))
        assert await rules.version() == version + 8
        assert not (await governance.ListSubjects(api.ListSubjectsRequest(account_id="a"))).subjects


async def test_budgets_are_listed_with_their_limits_and_present_periods(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules = Rules(ledger)
        await rules.account(time_zone="Asia/Kathmandu")
        await rules.subjects("org", "org/team")
        whole = budget(
            "1",
            subject="org",
            action=wire.BUDGET_ACTION_THROTTLE,
            shadow=True,
            pool_id="general",
            match={"model": "gpt-5"},
            alert_bps=[5_000, 10_000],
        )
        said = [
            whole,
            share("2", 3_333, "1", subject="org/team", action=wire.BUDGET_ACTION_HARD),
            budget("3", period=ROLLING, action=wire.BUDGET_ACTION_SOFT, alert_bps=[1]),
        ]
        version = await rules.budgets(*said)
        assert await rules.budgets(*said) == version, "repeated, it changes nothing"
        listed: api.ListBudgetsResponse = await ledger.governance.ListBudgets(api.ListBudgetsRequest(account_id="a"))
        assert [one.budget for one in listed.budgets] == said
        assert [one.limit_amount for one in listed.budgets] == [1_000, 333, 1_000]
        midnight = START_MS - (START_MS + 20_700_000) % DAY_MS
        periods = [(one.period_start_unix_ms, one.period_end_unix_ms) for one in listed.budgets]
        assert periods == [(midnight, midnight + DAY_MS)] * 2 + [(0, 0)]


async def test_rolling_budgets_of_several_lengths_may_stand_side_by_side(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules = Rules(ledger)
        await rules.budgets(budget("5h", period=ROLLING), budget("7d", period=rolling(7 * DAY_MS)))
        again = rules.budgets(budget("again", period=rolling(7 * DAY_MS)))
        assert await refused(again) == (INVALID, "BAD_MESSAGE", "budgets[0].period")


def rolling(rolling_ms: int) -> api.Period:
    return api.Period(unit=api.PERIOD_UNIT_ROLLING, rolling_ms=rolling_ms)


async def test_a_budget_is_hard_unless_told(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        await Rules(ledger).budgets(budget())
        listed = await ledger.governance.ListBudgets(api.ListBudgetsRequest(account_id="a"))
        assert listed.budgets[0].budget.action == wire.BUDGET_ACTION_HARD


async def test_a_share_of_a_share_is_resolved_and_follows(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules = Rules(ledger)
        await rules.subjects("x", "x/y")
        await rules.budgets(share("c", 3_333, "b", subject="x/y"), share("b", 5_000, "a", subject="x"), budget("a"))

        async def limits() -> list[int]:
            listed = await ledger.governance.ListBudgets(api.ListBudgetsRequest(account_id="a", page_size=3))
            return [one.limit_amount for one in listed.budgets]

        assert await limits() == [1_000, 500, 166]
        await rules.budgets(budget("a", limit_amount=99))
        assert await limits() == [99, 49, 16]


async def test_a_budget_that_others_are_shares_of_is_not_deleted(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules = Rules(ledger)
        await rules.subjects("x")
        await rules.budgets(budget("whole"), share("part", 1, "whole", subject="x"))
        request = api.DeleteBudgetRequest(account_id="a", budget_id="whole")
        assert await refused(ledger.governance.DeleteBudget(request)) == (PRECONDITION, "BUDGET_IN_USE", "")
        await ledger.governance.DeleteBudget(api.DeleteBudgetRequest(account_id="a", budget_id="part"))
        await ledger.governance.DeleteBudget(request)
        assert not (await ledger.governance.ListBudgets(api.ListBudgetsRequest(account_id="a"))).budgets


async def test_limits(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules = Rules(ledger)
        await rules.subjects("x")
        rates = [
            rate_limit("1", unit=wire.RATE_UNIT_QUANTITY, meters=["output", "reasoning"], shared=True),
            rate_limit("2", "x", unit=wire.RATE_UNIT_AMOUNT, shadow=True, match={"k": "v"}),
        ]
        counts = [concurrency_limit("1", "x", shared=True), concurrency_limit("2", shadow=True, match={"k": "v"})]
        assert [await rules.rate_limits(*rates), await rules.rate_limits(*rates)] == [2, 2]
        assert [await rules.concurrency_limits(*counts), await rules.concurrency_limits(*counts)] == [3, 3]
        listed = await ledger.governance.ListRateLimits(api.ListRateLimitsRequest(account_id="a"))
        assert list(listed.rate_limits) == rates
        listed = await ledger.governance.ListConcurrencyLimits(api.ListConcurrencyLimitsRequest(account_id="a"))
        assert list(listed.concurrency_limits) == counts
        assert await rules.rate_limits(rate_limit("2", "x", burst=6)) == 4
        assert await rules.concurrency_limits(concurrency_limit("2", max_count=9)) == 5


async def test_plans_are_followed_by_those_who_have_them(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules, governance = Rules(ledger), ledger.governance
        await rules.plan("pro", seats=5)
        await rules.plan("free")
        await rules.account(plan_id="pro")
        await rules.plan("free", seats=1)
        await rules.plan("pro", seats=5)
        assert await rules.version() == 1, "repeated, or of another plan, it changes nothing"
        await rules.plan("pro", seats=6)
        assert await rules.version() == 2
        listed = await governance.ListPlans(api.ListPlansRequest())
        assert [plan.plan_id for plan in listed.plans] == ["free", "pro"]
        assert listed.plans[1].features["seats"].maximum == 6
        assert await refused(governance.DeletePlan(api.DeletePlanRequest(plan_id="pro"))) == (
            PRECONDITION,
            "PLAN_IN_USE",
            "",
        )
        await governance.DeletePlan(api.DeletePlanRequest(plan_id="free"))
        await rules.account()
        await governance.DeletePlan(api.DeletePlanRequest(plan_id="pro"))
        assert not (await governance.ListPlans(api.ListPlansRequest())).plans


async def test_rate_cards_are_followed_by_those_who_have_them(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules, governance = Rules(ledger), ledger.governance
        assert [await rules.card(), await rules.card(), await rules.card("other")] == [1, 1, 1]
        await rules.account(rate_card_id="models")
        dearer = CARD.replace('"amount": 5', '"amount": 6')
        assert await rules.card(content=dearer) == 2
        assert await rules.version() == 2
        got = await governance.GetRateCard(api.GetRateCardRequest(rate_card_id="models"))
        assert got.rate_card == api.RateCard(rate_card_id="models", content=dearer, revision=2)
        listed = await governance.ListRateCards(api.ListRateCardsRequest())
        assert [(card.rate_card_id, card.revision, card.content) for card in listed.rate_cards] == [
            ("models", 2, ""),
            ("other", 1, ""),
        ]
        deleted = api.DeleteRateCardRequest(rate_card_id="models")
        assert await refused(governance.DeleteRateCard(deleted)) == (PRECONDITION, "RATE_CARD_IN_USE", "")
        await rules.account()
        await governance.DeleteRateCard(deleted)
        assert (await refused(governance.DeleteRateCard(deleted)))[1] == "RATE_CARD_NOT_FOUND"
        listed = await governance.ListRateCards(api.ListRateCardsRequest())
        assert [card.rate_card_id for card in listed.rate_cards] == ["other"]
        assert await rules.card(content=dearer) == 3, "a sidecar that has kept revision 2 asks for it anew"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (api.SetAccountRulesRequest(account_id="x"), "ACCOUNT_NOT_FOUND"),
        (api.GetAccountRulesRequest(account_id="x"), "ACCOUNT_NOT_FOUND"),
        (api.SetSubjectsRequest(account_id="x", subjects=[api.Subject(subject="s")]), "ACCOUNT_NOT_FOUND"),
        (api.ListBudgetsRequest(account_id="x"), "ACCOUNT_NOT_FOUND"),
        (api.SetAccountRulesRequest(account_id="a", rules=api.AccountRules(plan_id="x")), "PLAN_NOT_FOUND"),
        (api.SetAccountRulesRequest(account_id="a", rules=api.AccountRules(rate_card_id="x")), "RATE_CARD_NOT_FOUND"),
        (api.DeleteSubjectRequest(account_id="a", subject="x"), "SUBJECT_NOT_FOUND"),
        (api.DeleteBudgetRequest(account_id="a", budget_id="x"), "BUDGET_NOT_FOUND"),
        (api.DeleteRateLimitRequest(account_id="a", limit_id="x"), "RATE_LIMIT_NOT_FOUND"),
        (api.DeleteConcurrencyLimitRequest(account_id="a", limit_id="x"), "CONCURRENCY_LIMIT_NOT_FOUND"),
        (api.DeletePlanRequest(plan_id="x"), "PLAN_NOT_FOUND"),
        (api.GetRateCardRequest(rate_card_id="x"), "RATE_CARD_NOT_FOUND"),
        (api.DeleteRateCardRequest(rate_card_id="x"), "RATE_CARD_NOT_FOUND"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
async def test_what_is_not_there_is_not_found(tmp_path: Path, request_: Any, reason: str) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        call = getattr(ledger.governance, type(request_).__name__.removesuffix("Request"))
        assert await refused(call(request_)) == (NOT_FOUND, reason, "")
        assert await Rules(ledger).version() == 0


GOOD = budget("good", subject="x", pool_id="general")
"""Beside it stand subjects x and x/y, and pools general (credits) and euros (eur)."""


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (budget(subject="none"), "subject"),
        (budget(subject="x/none"), "subject"),
        (share("b", 1, "none"), "share_of_budget_id"),
        (share("b", 1, "b"), "share_of_budget_id"),
        (share("b", 1, "good"), "share_of_budget_id"),
        (share("b", 1, "good", subject="x/y", period=HOUR), "share_of_budget_id"),
        (share("b", 1, "good", subject="x/y", currency="eur"), "share_of_budget_id"),
        (budget(subject="x", pool_id="general"), "period"),
        (budget(pool_id="none"), "pool_id"),
        (budget(pool_id="euros"), "currency"),
    ],
)
async def test_a_budget_that_does_not_fit_what_is_there_is_refused(tmp_path: Path, bad: api.Budget, field: str) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        pool = ledger_service_pb2.Pool(account_id="a", pool_id="euros", currency="eur", currency_exponent=2)
        await ledger.api.CreatePool(ledger_service_pb2.CreatePoolRequest(pool=pool))
        rules = Rules(ledger)
        await rules.subjects("x", "x/y")
        version = await rules.budgets(GOOD)
        first = budget("first", subject="x/y")
        assert await refused(rules.budgets(first, bad)) == (INVALID, "BAD_MESSAGE", f"budgets[1].{field}")
        assert await rules.version() == version
        listed = await ledger.governance.ListBudgets(api.ListBudgetsRequest(account_id="a"))
        assert [one.budget.budget_id for one in listed.budgets] == ["good"], "nothing of the call is done"


async def test_shares_in_a_circle_are_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules = Rules(ledger)
        a, b, c = (share(one, 5_000, of, match={"k": one}) for one, of in ("ab", "bc", "ca"))
        assert await refused(rules.budgets(a, b, c)) == (INVALID, "BAD_MESSAGE", "budgets[0].share_of_budget_id")
        await rules.budgets(a, b, budget("c", match={"k": "c"}))
        assert await refused(rules.budgets(c)) == (INVALID, "BAD_MESSAGE", "budgets[0].share_of_budget_id")


@pytest.mark.parametrize(
    ("change", "field"),
    [({"subject": "x"}, "subject"), ({"currency": "eur"}, "currency"), ({"period": HOUR}, "period")],
)
async def test_a_budget_is_not_changed_so_that_its_shares_no_longer_fit(
    tmp_path: Path, change: dict[str, Any], field: str
) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules = Rules(ledger)
        await rules.subjects("x", "y")
        await rules.budgets(budget("whole"), share("part", 1, "whole", subject="y"))
        changed = budget("whole", **change)
        assert await refused(rules.budgets(changed)) == (INVALID, "BAD_MESSAGE", f"budgets[0].{field}")
        if field != "subject":
            await rules.budgets(changed, share("part", 1, "whole", subject="y", **change))


async def test_subjects_have_parents(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules = Rules(ledger)
        assert (await refused(rules.subjects("a", "b/c", "b")))[2] == "subjects[1].subject"
        assert await rules.version() == 0
        assert await rules.subjects("a", "b", "b/c") == 1


async def test_limits_of_a_subject_that_is_not_there_are_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules = Rules(ledger)
        assert (await refused(rules.rate_limits(rate_limit(subject="x"))))[2] == "rate_limits[0].subject"
        limit = concurrency_limit(subject="x")
        assert (await refused(rules.concurrency_limits(limit)))[2] == "concurrency_limits[0].subject"
        assert await rules.version() == 0


@pytest.mark.parametrize("kind", ["budgets", "rate_limits", "concurrency_limits"])
async def test_a_subject_has_a_bounded_number_of_rules(tmp_path: Path, kind: str) -> None:
    makers: dict[str, Callable[[int], Any]] = {
        "budgets": lambda number: budget(str(number), match={"n": str(number)}),
        "rate_limits": lambda number: rate_limit(str(number)),
        "concurrency_limits": lambda number: concurrency_limit(str(number)),
    }
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules = Rules(ledger)
        set_rules, make = getattr(rules, kind), makers[kind]
        await set_rules(*map(make, range(MAX_RULES)))
        await set_rules(*map(make, range(MAX_RULES)))
        assert (await refused(set_rules(make(0), make(MAX_RULES))))[2] == f"{kind}[1].subject"


async def test_a_page_token_of_another_list_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        await Rules(ledger).subjects("a", "b")
        page = await ledger.governance.ListSubjects(api.ListSubjectsRequest(account_id="a", page_size=1))
        call = ledger.governance.ListBudgets(api.ListBudgetsRequest(account_id="a", page_token=page.next_page_token))
        assert (await refused(call))[2] == "page_token"


async def test_a_rate_card_may_be_large(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        room = 16 * 1024 * 1024 - len(CARD)
        assert await Rules(ledger).card(content=CARD + " " * room) == 1
        assert (await refused(Rules(ledger).card(content=CARD + " " * (room + 1))))[2] == "rate_card.content"


async def test_after_a_restore_no_revision_and_no_version_comes_twice(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules = Rules(ledger)
        assert [await rules.card(), await rules.subjects("x")] == [1, 1]
        restored(ledger.store, START_MS, 0, TERMS)
        assert await rules.card() == 1, "a sidecar that was told another one asks for it"
        later = [await rules.card("new"), await rules.card(content=CARD.replace('"amount": 5', '"amount": 6'))]
        assert later == [VERSIONS_A_GENERATION + 1] * 2
        assert await rules.version() == VERSIONS_A_GENERATION + 1
        assert await rules.subjects("y") == VERSIONS_A_GENERATION + 2


async def test_a_pool_s_shadow_is_kept_and_told(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(10, decision.Policy(shadow=True))
        got = await ledger.api.GetPool(ledger_service_pb2.GetPoolRequest(account_id="a", pool_id="general"))
        assert got.pool.policy.shadow
        stream = ledger.sync()
        await stream.hello()
        assert (await stream.want(5)).policy.shadow
        request = ledger_service_pb2.SetPolicyRequest(account_id="a", pool_id="general", policy=decision.Policy())
        await ledger.api.SetPolicy(request)
        assert not (await stream.told()).policy.shadow
