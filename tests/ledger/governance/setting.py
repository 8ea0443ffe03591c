"""Shorthands of the governance tests: rules as operators say them."""

from collections.abc import Awaitable, Sequence
from typing import Any

import grpc
import pytest
from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import governance_service_pb2 as api
from holdfast.v1 import ledger_sync_service_pb2 as wire

from tests.ledger.harness import Ledger, fault_of

CARD = """{"card_id": "models", "currency": "credits", "versions": [{"effective_from": "2026-01-01T00:00:00Z",
 "prices": [{"model": "gpt-5", "meter": "input", "amount": 5, "per": 1000}]}]}"""


def budget(budget_id: str = "b", **fields: Any) -> api.Budget:
    """A hard budget of 1,000 credits a day on the whole account, unless told."""
    values: dict[str, Any] = {
        "limit_amount": 1_000,
        "currency": "credits",
        "period": api.Period(unit=api.PERIOD_UNIT_DAY),
    }
    return api.Budget(budget_id=budget_id, **(values | fields))


def share(budget_id: str, share_bps: int, of: str, **fields: Any) -> api.Budget:
    """A share of a budget, of a pool that is its own so that it overlaps with no other."""
    return budget(budget_id, limit_amount=0, share_bps=share_bps, share_of_budget_id=of, **fields)


def rate_limit(limit_id: str = "r", subject: str = "", **fields: Any) -> api.RateLimit:
    """Ten requests a second, unless told."""
    values: dict[str, Any] = {"unit": wire.RATE_UNIT_REQUESTS, "amount": 10, "per_ms": 1_000, "burst": 5}
    return api.RateLimit(subject=subject, rule=wire.RateLimitRule(limit_id=limit_id, **(values | fields)))


def concurrency_limit(limit_id: str = "c", subject: str = "", **fields: Any) -> api.ConcurrencyLimit:
    """Three holds at a time, unless told."""
    rule = wire.ConcurrencyLimitRule(limit_id=limit_id, **({"max_count": 3} | fields))
    return api.ConcurrencyLimit(subject=subject, rule=rule)


def feature(value: bool | int | Sequence[str]) -> decision.FeatureValue:
    """A feature of any kind."""
    if isinstance(value, bool):
        return decision.FeatureValue(enabled=value)
    if isinstance(value, int):
        return decision.FeatureValue(maximum=value)
    return decision.FeatureValue(choices=decision.FeatureChoices(values=value))


async def refused(call: Awaitable[object]) -> tuple[grpc.StatusCode, str, str]:
    """Status code, reason and field of a call that fails."""
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return fault_of(caught.value)


class Rules:
    """Sets rules of account "a"; each call returns the account's version."""

    def __init__(self, ledger: Ledger) -> None:
        self.api = ledger.governance

    async def account(self, **fields: Any) -> api.AccountRules:
        """Sets what holds for the account."""
        request = api.SetAccountRulesRequest(account_id="a", rules=api.AccountRules(**fields))
        answer: api.SetAccountRulesResponse = await self.api.SetAccountRules(request)
        return answer.rules

    async def subjects(self, *paths: str) -> int:
        """Sets subjects."""
        subjects = [api.Subject(subject=path) for path in paths]
        answer = await self.api.SetSubjects(api.SetSubjectsRequest(account_id="a", subjects=subjects))
        return int(answer.rules_version)

    async def budgets(self, *budgets: api.Budget) -> int:
        """Sets budgets."""
        answer = await self.api.SetBudgets(api.SetBudgetsRequest(account_id="a", budgets=budgets))
        return int(answer.rules_version)

    async def rate_limits(self, *limits: api.RateLimit) -> int:
        """Sets rate limits."""
        answer = await self.api.SetRateLimits(api.SetRateLimitsRequest(account_id="a", rate_limits=limits))
        return int(answer.rules_version)

    async def concurrency_limits(self, *limits: api.ConcurrencyLimit) -> int:
        """Sets concurrency limits."""
        request = api.SetConcurrencyLimitsRequest(account_id="a", concurrency_limits=limits)
        answer = await self.api.SetConcurrencyLimits(request)
        return int(answer.rules_version)

    async def plan(self, plan_id: str, **features: bool | int | Sequence[str]) -> None:
        """Sets a plan."""
        said = {name: feature(value) for name, value in features.items()}
        await self.api.SetPlan(api.SetPlanRequest(plan=api.Plan(plan_id=plan_id, features=said)))

    async def card(self, rate_card_id: str = "models", content: str = CARD) -> int:
        """Sets a rate card; returns its revision."""
        card = api.RateCard(rate_card_id=rate_card_id, content=content)
        answer = await self.api.SetRateCard(api.SetRateCardRequest(rate_card=card))
        return int(answer.rate_card.revision)

    async def version(self) -> int:
        """The account's version."""
        answer = await self.api.GetAccountRules(api.GetAccountRulesRequest(account_id="a"))
        return int(answer.rules.version)
