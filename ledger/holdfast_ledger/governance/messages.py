"""Turns rows of rules into the messages of GovernanceService and of the stream."""

import json
import zlib
from collections.abc import Mapping
from typing import cast

from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import governance_service_pb2 as api
from holdfast.v1 import ledger_sync_service_pb2 as wire

from holdfast_ledger.store.rule_rows import (
    AccountRules,
    AccountTerms,
    Budget,
    ConcurrencyLimit,
    Plan,
    RateCard,
    RateLimit,
    Subject,
)


def feature_messages(*features: str) -> dict[str, decision.FeatureValue]:
    """Returns features, the later ones in place of the earlier ones."""
    values: dict[str, object] = {}
    for text in features:
        values |= json.loads(text)
    return {name: _feature(value) for name, value in values.items()}


def _feature(value: object) -> decision.FeatureValue:
    match value:
        case bool():
            return decision.FeatureValue(enabled=value)
        case int():
            return decision.FeatureValue(maximum=value)
        case _:
            choices = cast("list[str]", value)
            return decision.FeatureValue(choices=decision.FeatureChoices(values=choices))


def account_rules_message(rules: AccountRules, version: int) -> api.AccountRules:
    """Returns what was set for an account."""
    return api.AccountRules(
        time_zone=rules.time_zone,
        deny_unknown_subject=bool(rules.deny_unknown_subject),
        plan_id=rules.plan_id or "",
        features=feature_messages(rules.features),
        rate_card_id=rules.rate_card_id or "",
        shadow_features=bool(rules.shadow_features),
        version=version,
    )


def account_terms_message(terms: AccountTerms) -> wire.AccountTerms:
    """Returns what holds for an account, as a sidecar needs it."""
    return wire.AccountTerms(
        deny_unknown_subject=bool(terms.deny_unknown_subject),
        rate_card_id=terms.rate_card_id,
        rate_card_revision=terms.rate_card_revision,
        features=feature_messages(terms.plan_features, terms.features),
        shadow_features=bool(terms.shadow_features),
    )


def subject_message(subject: Subject) -> api.Subject:
    """Returns a subject as it was set."""
    return api.Subject(subject=subject.subject, display_name=subject.display_name)


def plan_message(plan: Plan) -> api.Plan:
    """Returns a plan as it was set."""
    return api.Plan(plan_id=plan.plan_id, display_name=plan.display_name, features=feature_messages(plan.features))


def rate_card_message(card: RateCard) -> api.RateCard:
    """Returns a rate card; without content if the row has none."""
    content = zlib.decompress(card.content).decode() if card.content else ""
    return api.RateCard(rate_card_id=card.rate_card_id, content=content, revision=card.revision)


def rate_card_content(card: RateCard) -> wire.RateCardContent:
    """Returns a rate card as a sidecar needs it."""
    return wire.RateCardContent(rate_card_id=card.rate_card_id, revision=card.revision, content=card.content)


def budget_message(budget: Budget) -> api.Budget:
    """Returns a budget as it was set."""
    return api.Budget(
        budget_id=budget.budget_id,
        subject=budget.subject,
        action=cast("wire.BudgetAction", budget.action),
        shadow=bool(budget.shadow),
        limit_amount=budget.limit_amount,
        share_bps=budget.share_bps,
        share_of_budget_id=budget.share_of_budget_id,
        currency=budget.currency,
        pool_id=budget.pool_id,
        match=_match(budget.match),
        period=api.Period(
            unit=cast("api.PeriodUnit", budget.period_unit),
            anchor_unix_ms=budget.anchor_ms,
            rolling_ms=budget.rolling_ms,
        ),
        alert_bps=json.loads(budget.alert_bps),
    )


def budget_rule(budget: Budget, limit_amount: int, calendar_id: str) -> wire.BudgetRule:
    """Returns a budget as a sidecar needs it.

    Args:
        budget: The budget.
        limit_amount: Its limit, a share resolved.
        calendar_id: Says when its periods begin; empty: a rolling one.
    """
    return wire.BudgetRule(
        budget_id=budget.budget_id,
        action=cast("wire.BudgetAction", budget.action),
        shadow=bool(budget.shadow),
        limit_amount=limit_amount,
        currency=budget.currency,
        pool_id=budget.pool_id,
        match=_match(budget.match),
        calendar_id=calendar_id,
        rolling_ms=budget.rolling_ms,
    )


def rate_limit_rule(limit: RateLimit) -> wire.RateLimitRule:
    """Returns a rate limit, the same to operators and sidecars."""
    return wire.RateLimitRule(
        limit_id=limit.limit_id,
        unit=cast("wire.RateUnit", limit.unit),
        meters=json.loads(limit.meters),
        amount=limit.amount,
        per_ms=limit.per_ms,
        burst=limit.burst,
        shared=bool(limit.shared),
        shadow=bool(limit.shadow),
        match=_match(limit.match),
    )


def concurrency_limit_rule(limit: ConcurrencyLimit) -> wire.ConcurrencyLimitRule:
    """Returns a concurrency limit, the same to operators and sidecars."""
    return wire.ConcurrencyLimitRule(
        limit_id=limit.limit_id,
        max_count=limit.max_count,
        shared=bool(limit.shared),
        shadow=bool(limit.shadow),
        match=_match(limit.match),
    )


def _match(text: str) -> Mapping[str, str]:
    return cast("dict[str, str]", json.loads(text))
