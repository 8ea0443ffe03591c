"""Rules are taken over whole, or refused with what is wrong with them."""

from collections.abc import Callable

import pytest
from holdfast.v1 import decision_pb2
from holdfast.v1 import ledger_sync_service_pb2 as pb
from holdfast_sidecar import rule_messages
from holdfast_sidecar.engine.rules import (
    AccountTerms,
    BudgetAction,
    BudgetRule,
    Calendar,
    ConcurrencyLimitRule,
    FeatureValue,
    RateCardContent,
    RateLimitRule,
    RateUnit,
    SubjectRules,
)
from holdfast_sidecar.rule_messages import BadRule

MATCH = (("feature", "chat"), ("model", "gpt-5"))
BUDGET = BudgetRule("team", BudgetAction.SOFT, True, 0, "credits", "general", MATCH, "month/UTC", 0)
ROLLING = BudgetRule("hour", BudgetAction.HARD, False, 2**63 - 1, "USD", "", (), "", 3_600_000)
RATE = RateLimitRule("tokens", RateUnit.QUANTITY, ("input", "output"), 1, 2, 3, True, True, MATCH)
SLOTS = ConcurrencyLimitRule("slots", 5, True, True, MATCH)
NODE = SubjectRules("acme", "research/ann", 2**64 - 1, True, (BUDGET, ROLLING), (RATE,), (SLOTS,))
TERMS = AccountTerms(True, "card", 7, (("a", True), ("b", False), ("c", 0), ("d", ("x", "y"))), True)
ROOT = SubjectRules("acme", "", 1, False, account=TERMS)


@pytest.mark.parametrize("rules", [NODE, ROOT, SubjectRules("acme", "x", 0, False)])
def test_a_node_is_the_same_after_its_message(rules: SubjectRules) -> None:
    message = rule_messages.subject_rules_message(rules)
    assert rule_messages.subject_rules(pb.SubjectRules.FromString(message.SerializeToString())) == rules


def test_calendars_and_rate_cards_are_the_same_after_their_messages() -> None:
    calendar = Calendar("month/Europe/Paris", (-1, 0, 5))
    assert rule_messages.calendar(rule_messages.calendar_message(calendar)) == calendar
    card = RateCardContent("card", 3, b"content")
    assert rule_messages.rate_card(rule_messages.rate_card_message(card)) == card


def test_an_accounts_own_node_has_terms_even_if_the_ledger_leaves_them_out() -> None:
    assert rule_messages.subject_rules(pb.SubjectRules(account_id="acme", version=1)).account == AccountTerms()


@pytest.mark.parametrize("value", [True, False, 0, 1, ("x",)])
def test_a_feature_keeps_its_kind(value: FeatureValue) -> None:
    terms = AccountTerms(features=(("f", value),))
    rules = rule_messages.subject_rules(
        rule_messages.subject_rules_message(SubjectRules("a", "", 1, False, account=terms))
    )
    assert rules.account is not None
    ((_, read),) = rules.account.features
    assert (type(read), read) == (type(value), value)


def test_the_numbers_are_those_of_the_protos() -> None:
    """A table of the encoder has a place for each number."""
    for ours, theirs in ((BudgetAction, pb.BudgetAction), (RateUnit, pb.RateUnit)):
        prefix = theirs.keys()[0].removesuffix("UNSPECIFIED")
        named = {name.removeprefix(prefix): number for name, number in theirs.items() if number}
        assert {member.name: member.value for member in ours} == named
        assert list(theirs.values()) == list(range(len(theirs.values())))


def _set(field: str, value: object) -> Callable[[pb.SubjectRules], None]:
    """A change of one field, dotted; a number is a place in a repeated field."""

    def change(message: pb.SubjectRules) -> None:
        *path, name = field.split(".")
        target: object = message
        for part in path:
            target = target[int(part)] if part.isdecimal() else getattr(target, part)  # type: ignore[index]
        setattr(target, name, value)

    return change


def _twice(name: str) -> Callable[[pb.SubjectRules], None]:
    return lambda message: getattr(message, name).append(getattr(message, name)[0])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_set("account_id", ""), "account_id"),
        (_set("account_id", "a" * 129), "account_id"),
        (_set("account.shadow_features", True), "not the account's own node"),
        (_set("budgets.0.budget_id", ""), "budget_id"),
        (_set("budgets.0.budget_id", "a\x1fb"), "budget_id"),
        (_set("budgets.0.action", 0), "budget 'team': action 0 is not known"),
        (_set("budgets.0.action", 4), "budget 'team': action 4 is not known"),
        (_set("budgets.0.limit_amount", -1), "budget 'team': limit_amount is -1"),
        (_set("budgets.0.calendar_id", ""), "budget 'team': exactly one of calendar_id and rolling_ms"),
        (_set("budgets.0.rolling_ms", 1), "budget 'team': exactly one of calendar_id and rolling_ms"),
        (_set("budgets.1.rolling_ms", -1), "budget 'hour': rolling_ms is -1"),
        (_set("budgets.0.currency", ""), "budget 'team': currency is empty"),
        (_twice("budgets"), "a budget is there twice"),
        (_set("rate_limits.0.limit_id", "r\0"), "limit_id"),
        (_set("rate_limits.0.unit", 0), "rate limit 'tokens': unit 0 is not known"),
        (_set("rate_limits.0.unit", 9), "rate limit 'tokens': unit 9 is not known"),
        (_set("rate_limits.0.unit", 1), "rate limit 'tokens': meters go with QUANTITY"),
        (lambda rules: rules.rate_limits[0].ClearField("meters"), "rate limit 'tokens': meters go with QUANTITY"),
        (lambda rules: rules.rate_limits[0].meters.append("smell"), "rate limit 'tokens': meter 'smell'"),
        (_set("rate_limits.0.amount", 0), "rate limit 'tokens': amount is 0"),
        (_set("rate_limits.0.per_ms", -5), "rate limit 'tokens': per_ms is -5"),
        (_set("rate_limits.0.burst", 0), "rate limit 'tokens': burst is 0"),
        (_twice("rate_limits"), "a rate limit is there twice"),
        (_set("concurrency_limits.0.limit_id", ""), "limit_id"),
        (_set("concurrency_limits.0.max_count", 0), "concurrency limit 'slots': max_count is 0"),
        (_twice("concurrency_limits"), "a concurrency limit is there twice"),
    ],
)
def test_a_rule_that_is_not_complete_and_known_is_refused(
    change: Callable[[pb.SubjectRules], None], problem: str
) -> None:
    message = rule_messages.subject_rules_message(NODE)
    change(message)
    with pytest.raises(BadRule) as refused:
        rule_messages.subject_rules(message)
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (decision_pb2.FeatureValue(), "feature 'f' has no known value"),
        (decision_pb2.FeatureValue(choices=decision_pb2.FeatureChoices()), "feature 'f' has no known value"),
        (decision_pb2.FeatureValue(maximum=-1), "feature 'f': maximum is -1"),
    ],
)
def test_a_feature_that_says_nothing_is_refused(value: decision_pb2.FeatureValue, problem: str) -> None:
    message = pb.SubjectRules(account_id="acme", account=pb.AccountTerms(features={"f": value}))
    with pytest.raises(BadRule, match=problem):
        rule_messages.subject_rules(message)


@pytest.mark.parametrize(
    ("calendar_id", "starts", "problem"),
    [
        ("", (1, 2), "calendar_id"),
        ("c" * 257, (1, 2), "calendar_id"),
        ("month", (), "has 0 starts"),
        ("month", (1,), "has 1 starts"),
        ("month", (1, 1), "not ascending"),
        ("month", (1, 3, 2), "not ascending"),
    ],
)
def test_a_calendar_without_periods_is_refused(calendar_id: str, starts: tuple[int, ...], problem: str) -> None:
    with pytest.raises(BadRule, match=problem):
        rule_messages.calendar(pb.Calendar(calendar_id=calendar_id, starts_unix_ms=starts))


@pytest.mark.parametrize(
    "message", [pb.RateCardContent(rate_card_id="", content=b"x"), pb.RateCardContent(rate_card_id="card")]
)
def test_a_rate_card_without_name_or_content_is_refused(message: pb.RateCardContent) -> None:
    with pytest.raises(BadRule):
        rule_messages.rate_card(message)
