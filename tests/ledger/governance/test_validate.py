"""What a rule may be by itself, by table: each wrong field is named, and what is at its bounds is taken."""

from typing import Any

import pytest
from holdfast.v1 import governance_service_pb2 as api
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.governance import validate
from holdfast_ledger.governance.periods import DAY_MS, LATEST_MS

from tests.ledger.governance.setting import CARD, budget, concurrency_limit, feature, rate_limit, share

SOFT, QUANTITY = wire.BUDGET_ACTION_SOFT, wire.RATE_UNIT_QUANTITY
INT64 = 2**63 - 1


def period(unit: Any = api.PERIOD_UNIT_DAY, **fields: int) -> api.Period:
    return api.Period(unit=unit, **fields)


def rolling(rolling_ms: int = 60_000, **fields: int) -> api.Period:
    return api.Period(unit=api.PERIOD_UNIT_ROLLING, rolling_ms=rolling_ms, **fields)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (budget(""), "budget_id"),
        (budget("x" * 129), "budget_id"),
        (budget("\x1f"), "budget_id"),
        (budget(subject="a//b"), "subject"),
        (budget(subject="a/.."), "subject"),
        (budget(currency=""), "currency"),
        (budget(currency="EUR"), "currency"),
        (budget(pool_id="\n"), "pool_id"),
        (budget(limit_amount=-1), "limit_amount"),
        (budget(share_bps=1, share_of_budget_id="x"), "share_bps"),
        (share("b", 10_001, "x"), "share_bps"),
        (share("b", -1, "x"), "share_bps"),
        (share("b", 0, "x"), "share_bps"),
        (share("b", 1, ""), "share_of_budget_id"),
        (share("b", 1, "x" * 129), "share_of_budget_id"),
        (budget(match={"": "v"}), "match"),
        (budget(match={str(n): "" for n in range(17)}), "match"),
        (budget(match={"k": "v" * 257}), "match['k']"),
        (budget(period=None), "period.unit"),
        (budget(period=period(9)), "period.unit"),
        (budget(period=period(anchor_unix_ms=-1)), "period.anchor_unix_ms"),
        (budget(period=period(anchor_unix_ms=LATEST_MS + 1)), "period.anchor_unix_ms"),
        (budget(period=period(rolling_ms=60_000)), "period.rolling_ms"),
        (budget(period=rolling(59_999)), "period.rolling_ms"),
        (budget(period=rolling(366 * DAY_MS + 1)), "period.rolling_ms"),
        (budget(period=rolling(anchor_unix_ms=1)), "period.anchor_unix_ms"),
        (budget(action=9), "action"),
        (budget(action=SOFT), "alert_bps"),
        (budget(action=SOFT, alert_bps=[1], shadow=True), "shadow"),
        (budget(alert_bps=[0]), "alert_bps[0]"),
        (budget(alert_bps=[1, 10_001]), "alert_bps[1]"),
        (budget(alert_bps=[5, 5]), "alert_bps[1]"),
        (budget(alert_bps=list(range(1, 18))), "alert_bps"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(said: api.Budget, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        validate.budget("budgets[3]", said)
    assert caught.value.metadata == {"field": f"budgets[3].{field}"}


@pytest.mark.parametrize(
    "said",
    [
        budget("x" * 128, limit_amount=0),
        budget(limit_amount=INT64, period=period(anchor_unix_ms=LATEST_MS)),
        budget(period=rolling(366 * DAY_MS), alert_bps=list(range(9_985, 10_001))),
        budget(match={str(n): "v" * 256 for n in range(16)}),
        share("b", 10_000, "x"),
    ],
)
def test_a_budget_may_be_at_its_bounds(said: api.Budget) -> None:
    assert validate.budget("budgets[0]", said).budget_id == said.budget_id


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (rate_limit(""), "rule.limit_id"),
        (rate_limit(subject="/"), "subject"),
        (rate_limit(unit=0), "rule.unit"),
        (rate_limit(unit=9), "rule.unit"),
        (rate_limit(amount=0), "rule.amount"),
        (rate_limit(per_ms=0), "rule.per_ms"),
        (rate_limit(burst=0), "rule.burst"),
        (rate_limit(burst=-1), "rule.burst"),
        (rate_limit(unit=QUANTITY), "rule.meters"),
        (rate_limit(meters=["input"]), "rule.meters"),
        (rate_limit(unit=QUANTITY, meters=["input", "tokens"]), "rule.meters[1]"),
        (rate_limit(unit=QUANTITY, meters=["input", "input"]), "rule.meters[1]"),
        (rate_limit(match={"": ""}), "rule.match"),
    ],
)
def test_a_rate_limit_that_cannot_be_is_refused(said: api.RateLimit, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        validate.rate_limit("rate_limits[0]", said)
    assert caught.value.metadata == {"field": f"rate_limits[0].{field}"}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (concurrency_limit(""), "rule.limit_id"),
        (concurrency_limit(subject="."), "subject"),
        (concurrency_limit(max_count=0), "rule.max_count"),
        (concurrency_limit(match={"": ""}), "rule.match"),
    ],
)
def test_a_concurrency_limit_that_cannot_be_is_refused(said: api.ConcurrencyLimit, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        validate.concurrency_limit("concurrency_limits[0]", said)
    assert caught.value.metadata == {"field": f"concurrency_limits[0].{field}"}


@pytest.mark.parametrize(
    ("path", "is_good"),
    [
        ("a", True),
        ("a/b/c", True),
        ("é" * 64, True),
        ("/".join("a" * 64), True),
        ("...", True),
        ("", False),
        ("x" * 129, False),
        ("/a", False),
        ("a/", False),
        ("a//b", False),
        ("./a", False),
        ("a/../b", False),
        ("a\x7f", False),
    ],
)
def test_paths(path: str, is_good: bool) -> None:
    if is_good:
        assert validate.subject("subjects[0]", api.Subject(subject=path)).subject == path
    else:
        with pytest.raises(InvalidArgument) as caught:
            validate.subject("subjects[0]", api.Subject(subject=path))
        assert caught.value.metadata == {"field": "subjects[0].subject"}


@pytest.mark.parametrize(
    ("path", "parents"), [("", []), ("a", [""]), ("a/b", ["", "a"]), ("a/bc/d", ["", "a", "a/bc"])]
)
def test_what_is_above_a_path(path: str, parents: list[str]) -> None:
    assert validate.parents_of(path) == parents


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"time_zone": "Europe/Atlantis"}, "time_zone"),
        ({"time_zone": "../UTC"}, "time_zone"),
        ({"plan_id": "x" * 129}, "plan_id"),
        ({"rate_card_id": "\n"}, "rate_card_id"),
        ({"features": {"": feature(True)}}, "features"),
        ({"features": {"x": api.AccountRules().features["x"]}}, "features['x']"),
        ({"features": {"x": feature(-1)}}, "features['x'].maximum"),
        ({"features": {"x": feature([])}}, "features['x'].choices.values"),
        ({"features": {"x": feature(list(map(str, range(65))))}}, "features['x'].choices.values"),
        ({"features": {"x": feature(["a", ""])}}, "features['x'].choices.values[1]"),
        ({"features": {"x": feature(["a", "a"])}}, "features['x'].choices.values[1]"),
        ({"features": {"x": feature(["y" * 129])}}, "features['x'].choices.values[0]"),
        ({"features": {str(n): feature(True) for n in range(1_001)}}, "features"),
        ({"features": {str(n): feature([f"{m}" * 64 for m in range(64)]) for n in range(60)}}, "features"),
    ],
)
def test_account_rules_that_cannot_be_are_refused(said: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        validate.account_rules(api.AccountRules(**said))
    assert caught.value.metadata == {"field": f"rules.{field}"}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (api.Plan(), "plan_id"),
        (api.Plan(plan_id="p", display_name="x" * 257), "display_name"),
        (api.Plan(plan_id="p", features={"x": feature(-1)}), "features['x'].maximum"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(said: api.Plan, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        validate.plan(said)
    assert caught.value.metadata == {"field": f"plan.{field}"}


SECOND = """, {"effective_from": "2026-03-01T00:00:00Z", "prices": [{"model": "m", "meter": "input", "amount": 1,
 "per": 1}]}]}"""


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("", ""),
        ("{", ""),
        ("x" * (16 * 1024 * 1024 + 1), ""),
        (CARD.replace('"amount": 5', '"amount": -5'), ".versions[0].prices[0].amount"),
        (CARD.replace('"per": 1000', '"per": 0'), ".versions[0].prices[0].per"),
        (CARD.replace('"input"', '"tokens"'), ".versions[0].prices[0].meter"),
        (
            CARD.replace('00Z",', '00Z", "effective_until": "2026-02-01T00:00:00Z",').replace("]}]}", "]}") + SECOND,
            ".versions[1].effective_from",
        ),
    ],
    ids=["empty", "no JSON", "too long", "negative price", "per nothing", "unknown meter", "gap"],
)
def test_a_rate_card_that_cannot_be_is_refused(content: str, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        validate.rate_card(api.RateCard(rate_card_id="c", content=content))
    assert caught.value.metadata == {"field": f"rate_card.content{field}"}
    with pytest.raises(InvalidArgument) as caught:
        validate.rate_card(api.RateCard(content=CARD))
    assert caught.value.metadata == {"field": "rate_card.rate_card_id"}


def test_a_list_has_each_name_once_and_no_more_than_a_call_may_set() -> None:
    for said, field in (
        ([], "budgets"),
        ([budget(str(n)) for n in range(1_001)], "budgets"),
        ([budget("a"), budget("b"), budget("a")], "budgets[2].budget_id"),
    ):
        with pytest.raises(InvalidArgument) as caught:
            validate.each("budgets", said, validate.budget, "budget_id")
        assert caught.value.metadata == {"field": field}
    rows = validate.each("budgets", [budget("b"), budget("a")], validate.budget, "budget_id")
    assert [row.budget_id for row in rows] == ["b", "a"]
