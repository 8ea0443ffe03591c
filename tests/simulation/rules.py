"""The rules of a run: a tree of subjects with its limits, drawn, put into messages, and what they say of an operation.

Hours are as short as the plan says, so that periods turn in a run of seconds (`shortened`).
"""

import dataclasses
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias, cast

from holdfast.v1 import governance_service_pb2 as api
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast_ledger.governance import periods, validate
from holdfast_ledger.governance.service import GovernanceServicer

from tests.simulation.patching import replaced

ACCOUNT = "acme"
HARD, SOFT, THROTTLE = 1, 2, 3
REQUESTS, AMOUNT = 1, 2
CURRENCY = "credits"
MARK = "\x1f"
"""Ends the id of the rule in the name of a window."""
SUBJECTS = ("", "org", "org/team", "org/team/ann", "org/team/bob", "org/lab", "new/one")
"""Those of the operations. The last one is not there at the beginning."""
KNOWN = SUBJECTS[1:-1]
MODELS = ("", "m1", "m2")
"""Values of the dimension `model` of operations; empty: they have none."""
START_MS = 1_800_000_000_000
ALERT_BPS = (5_000, 10_000)

BudgetId: TypeAlias = str


@dataclass(frozen=True, slots=True)
class BudgetPlan:
    """A budget."""

    rule_id: str
    subject: str
    action: int
    shadow: bool
    limit: int
    pool_id: str
    model: str
    rolling_ms: int
    """0: it has the hours of the run."""
    anchor_ms: int


@dataclass(frozen=True, slots=True)
class RatePlan:
    """A rate limit."""

    rule_id: str
    subject: str
    unit: int
    amount: int
    per_ms: int
    burst: int
    shared: bool
    shadow: bool


@dataclass(frozen=True, slots=True)
class SlotsPlan:
    """A concurrency limit."""

    rule_id: str
    subject: str
    max_count: int
    shared: bool
    shadow: bool


Rule: TypeAlias = BudgetPlan | RatePlan | SlotsPlan


@dataclass(frozen=True, slots=True)
class RulesPlan:
    """All rules of a run at its beginning; none: the account has no rules."""

    hour_ms: int = periods.HOUR_MS
    ahead_ms: int = periods.AHEAD_MS[1]
    deny_unknown_subject: bool = False
    budgets: tuple[BudgetPlan, ...] = ()
    rates: tuple[RatePlan, ...] = ()
    slots: tuple[SlotsPlan, ...] = ()

    @property
    def governed(self) -> bool:
        """Whether there are any."""
        return bool(self.budgets or self.rates or self.slots)


def draw_rules(rng: Random) -> RulesPlan:
    """Draws the rules of a governed run."""
    hour_ms = rng.choice((500, 1_500, 1_500, 4_000))
    budgets = tuple(draw_budget(rng, f"b{n}", hour_ms) for n in range(rng.choice((0, 1, 1, 2, 3))))
    return RulesPlan(
        hour_ms,
        ahead_ms=rng.choice((hour_ms, 5 * hour_ms, 20_000)),
        deny_unknown_subject=rng.random() < 0.2,
        budgets=tuple({(one.subject, one.pool_id, one.model, one.rolling_ms > 0): one for one in budgets}.values()),
        rates=tuple(_rate(rng, f"r{n}") for n in range(rng.choice((0, 0, 1)))),
        slots=tuple(_slots(rng, f"c{n}") for n in range(rng.choice((0, 0, 1, 1, 2)))),
    )


def _subject(rng: Random) -> str:
    return rng.choice(("", "org", "org", "org/team", "org/team", *KNOWN))


def draw_budget(rng: Random, rule_id: str, hour_ms: int) -> BudgetPlan:
    """Draws a budget."""
    action = rng.choice((HARD, HARD, HARD, THROTTLE, SOFT))
    return BudgetPlan(
        rule_id,
        _subject(rng),
        action,
        shadow=action != SOFT and rng.random() < 0.1,
        limit=rng.choice((0, 20, 100, 300, 300, 1_000)),
        pool_id=rng.choice(("", "", "", "pool-0")),
        model=rng.choice(("", "", "", "m1")),
        rolling_ms=rng.choice((0, 0, 0, 60, 600, 3_000)),
        anchor_ms=rng.randint(1, hour_ms),
    )


def _rate(rng: Random, rule_id: str) -> RatePlan:
    unit = rng.choice((REQUESTS, REQUESTS, AMOUNT))
    amount = rng.choice((1, 5, 20)) if unit == REQUESTS else rng.choice((20, 100, 500))
    return RatePlan(
        rule_id,
        _subject(rng),
        unit,
        amount,
        per_ms=rng.choice((100, 500, 1_000)),
        burst=max(1, amount * rng.choice((1, 1, 2)) // rng.choice((1, 2))),
        shared=rng.random() < 0.5,
        shadow=rng.random() < 0.15,
    )


def _slots(rng: Random, rule_id: str) -> SlotsPlan:
    return SlotsPlan(rule_id, _subject(rng), rng.choice((1, 2, 3, 6)), rng.random() < 0.7, rng.random() < 0.1)


# ── what operators say ────────────────────────────────────────────────────────────────────────────────────────────────


def _budget_message(plan: BudgetPlan) -> api.Budget:
    """Returns a budget as an operator says it."""
    unit = api.PERIOD_UNIT_ROLLING if plan.rolling_ms else api.PERIOD_UNIT_HOUR
    return api.Budget(
        budget_id=plan.rule_id,
        subject=plan.subject,
        action=cast("wire.BudgetAction", plan.action),
        shadow=plan.shadow,
        limit_amount=plan.limit,
        currency=CURRENCY,
        pool_id=plan.pool_id,
        match={"model": plan.model} if plan.model else {},
        period=api.Period(
            unit=unit, anchor_unix_ms=0 if plan.rolling_ms else plan.anchor_ms, rolling_ms=plan.rolling_ms
        ),
        alert_bps=ALERT_BPS,
    )


def _rate_message(plan: RatePlan) -> api.RateLimit:
    """Returns a rate limit as an operator says it."""
    rule = wire.RateLimitRule(
        limit_id=plan.rule_id,
        unit=cast("wire.RateUnit", plan.unit),
        amount=plan.amount,
        per_ms=plan.per_ms,
        burst=plan.burst,
        shared=plan.shared,
        shadow=plan.shadow,
    )
    return api.RateLimit(subject=plan.subject, rule=rule)


def _slots_message(plan: SlotsPlan) -> api.ConcurrencyLimit:
    """Returns a concurrency limit as an operator says it."""
    rule = wire.ConcurrencyLimitRule(
        limit_id=plan.rule_id, max_count=plan.max_count, shared=plan.shared, shadow=plan.shadow
    )
    return api.ConcurrencyLimit(subject=plan.subject, rule=rule)


def setting(service: GovernanceServicer, rule: Rule) -> Coroutine[None, None, object]:
    """Returns the call that sets a rule."""
    match rule:
        case BudgetPlan():
            return service.SetBudgets(api.SetBudgetsRequest(account_id=ACCOUNT, budgets=[_budget_message(rule)]))
        case RatePlan():
            rates = [_rate_message(rule)]
            return service.SetRateLimits(api.SetRateLimitsRequest(account_id=ACCOUNT, rate_limits=rates))
        case SlotsPlan():
            limits = [_slots_message(rule)]
            request = api.SetConcurrencyLimitsRequest(account_id=ACCOUNT, concurrency_limits=limits)
            return service.SetConcurrencyLimits(request)


def deleting(service: GovernanceServicer, rule: Rule) -> Coroutine[None, None, object]:
    """Returns the call that deletes a rule."""
    name = rule.rule_id
    match rule:
        case BudgetPlan():
            return service.DeleteBudget(api.DeleteBudgetRequest(account_id=ACCOUNT, budget_id=name))
        case RatePlan():
            return service.DeleteRateLimit(api.DeleteRateLimitRequest(account_id=ACCOUNT, limit_id=name))
        case SlotsPlan():
            return service.DeleteConcurrencyLimit(api.DeleteConcurrencyLimitRequest(account_id=ACCOUNT, limit_id=name))


def setting_subjects(service: GovernanceServicer, paths: Iterable[str]) -> Coroutine[None, None, object]:
    """Returns the call that makes subjects."""
    subjects = [api.Subject(subject=path) for path in paths]
    return service.SetSubjects(api.SetSubjectsRequest(account_id=ACCOUNT, subjects=subjects))


def setting_terms(service: GovernanceServicer, deny_unknown_subject: bool) -> Coroutine[None, None, object]:
    """Returns the call that sets what holds for the account."""
    rules = api.AccountRules(deny_unknown_subject=deny_unknown_subject)
    return service.SetAccountRules(api.SetAccountRulesRequest(account_id=ACCOUNT, rules=rules))


def is_below(subject: str, node: str) -> bool:
    """Whether a subject is at a node of the tree or below it."""
    return node in ("", subject) or subject.startswith(f"{node}/")


# ── the rules in force ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Rules:
    """What operators have said, and what was ever so of a rule, since sidecars and windows follow with a delay."""

    plan: RulesPlan
    budgets: dict[BudgetId, BudgetPlan] = field(default_factory=dict)
    rates: dict[str, RatePlan] = field(default_factory=dict)
    slots: dict[str, SlotsPlan] = field(default_factory=dict)
    lenient: set[str] = field(default_factory=set)
    """Ids of rules that let everything through at some time: SOFT, in shadow mode, or not there."""
    changed: set[str] = field(default_factory=set)
    """Ids of rules that were ever another than at the beginning."""
    deleted: set[str] = field(default_factory=set)
    """Ids of rules that were ever not there, or had other periods: what counted against them meanwhile may be counted
    nowhere."""

    unshared: set[str] = field(default_factory=set)
    """Ids of limits that each host had for itself at some time."""

    def __post_init__(self) -> None:
        """Starts as planned."""
        planned: tuple[Rule, ...] = (*self.plan.budgets, *self.plan.rates, *self.plan.slots)
        for rule in planned:
            self.put(rule)
        self.changed.clear()

    def put(self, rule: Rule) -> None:
        """A rule is set."""
        if rule.shadow or (isinstance(rule, BudgetPlan) and rule.action == SOFT):
            self.lenient.add(rule.rule_id)
        self.changed.add(rule.rule_id)
        match rule:
            case BudgetPlan():
                if rule.anchor_ms != self.budgets.get(rule.rule_id, rule).anchor_ms:
                    self.deleted.add(rule.rule_id)
                self.budgets[rule.rule_id] = rule
            case RatePlan():
                self.rates[rule.rule_id] = rule
            case SlotsPlan():
                self.slots[rule.rule_id] = rule
        if not isinstance(rule, BudgetPlan) and not rule.shared:
            self.unshared.add(rule.rule_id)

    def drop(self, rule_id: str) -> None:
        """A rule is deleted."""
        for there in (self.budgets, self.rates, self.slots):
            there.pop(rule_id, None)
        self.lenient.add(rule_id)
        self.changed.add(rule_id)
        self.deleted.add(rule_id)

    @property
    def all(self) -> list[Rule]:
        """Those that are there."""
        return [*self.budgets.values(), *self.rates.values(), *self.slots.values()]

    @property
    def constant(self) -> bool:
        """Whether they are, and were, as planned."""
        return not self.changed

    def windows_of(self, pool_id: str, subject: str, model: str, at_ms: int) -> set[str]:
        """Returns the names of the budgets' windows that an operation counts against, by the rules as they are."""
        return {
            f"{one.rule_id}{MARK}{self._start_ms(one, at_ms)}"
            for one in self.budgets.values()
            if is_below(subject, one.subject)
            if one.pool_id in ("", pool_id) and one.model in ("", model)
        }

    def _start_ms(self, budget: BudgetPlan, at_ms: int) -> int:
        if budget.rolling_ms:
            return 0
        return at_ms - (at_ms - budget.anchor_ms) % self.plan.hour_ms


@contextmanager
def shortened(plan: RulesPlan) -> Iterator[None]:
    """Makes hours, and what calendars tell of them, as short as the plan says."""
    ahead = {**periods.AHEAD_MS, 1: plan.ahead_ms}
    with ExitStack() as stack:
        stack.enter_context(replaced(periods, "HOUR_MS", plan.hour_ms))
        stack.enter_context(replaced(periods, "AHEAD_MS", ahead))
        stack.enter_context(replaced(validate, "MIN_ROLLING_MS", 1))
        periods._calendar.cache_clear()
        yield
        periods._calendar.cache_clear()


def altered(rng: Random, rule: Rule) -> Rule:
    """Draws a change of a rule."""
    if rng.random() < 0.15:
        return dataclasses.replace(rule, subject=_subject(rng))
    if isinstance(rule, BudgetPlan):
        changes = (
            {"limit": rule.limit + rng.choice((1, 50, 400))},
            {"limit": rng.choice((0, rule.limit // 2, rule.limit * 9 // 10))},
            {"limit": rule.limit + rng.choice((1, 50, 400))},
            {"action": rng.choice((HARD, SOFT, THROTTLE)), "shadow": False},
            {"anchor_ms": rule.anchor_ms + rng.randint(1, 200)},
        )
        return dataclasses.replace(rule, **rng.choice(changes))  # type: ignore[arg-type]
    if isinstance(rule, SlotsPlan):
        return dataclasses.replace(rule, max_count=rng.choice((1, 2, 4, 8)), shared=rng.random() < 0.7)
    return dataclasses.replace(rule, amount=max(1, rule.amount * rng.choice((1, 2, 3)) // 2), shared=rng.random() < 0.5)
