"""What a window is a window of: from its name to the budget or the shared limit.

budget              ID U+001F START     START: the period's in Unix milliseconds, decimal; 0 of a rolling budget
concurrency limit   ID U+001F "c"
rate limit          ID U+001F "r"
"""

import json
import re
from enum import IntEnum
from typing import NamedTuple

from holdfast_ledger.governance.periods import DAY_MS, PeriodUnit, period_at, schedule_of
from holdfast_ledger.governance.resolve import limit_of, with_origins
from holdfast_ledger.store.interface import Reader
from holdfast_ledger.store.rule_rows import AccountTerms, Budget

MARK = "\x1f"
"""Between a rule's id and what follows; no id has it."""

_START = re.compile("0|[1-9][0-9]{0,14}")

RATE_RIGHTS = 1_000_000
"""Rights of a shared rate limit: millionths of its rate."""

FAR_MS = 3_660 * DAY_MS
"""From now to the start of any period that somebody may still spend in, or ask for: ten years."""


class LimitKind(IntEnum):
    """What a window is a window of."""

    BUDGET = 1
    CONCURRENCY = 2
    RATE = 3


class WindowRule(NamedTuple):
    """The rule of a window, as it is now."""

    kind: LimitKind
    account_key: int
    rule_id: str
    subject: str
    limit_amount: int
    """Minor units for the period, holds at a time, or `RATE_RIGHTS`."""
    start_ms: int = 0
    """When the period began, or will; 0: it is no period of a calendar."""
    end_ms: int = 0
    rolling_ms: int = 0
    action: int = 0
    """As `holdfast.v1.BudgetAction`; 0: no budget."""
    alert_bps: tuple[int, ...] = ()


class LimitChange(NamedTuple):
    """A budget or shared limit that changed in what its windows know of it: mostly its amount."""

    kind: LimitKind
    rule_id: str
    before: int | None
    """None: it was not there, or not shared."""
    after: int | None
    """None: it is there no more, or no longer shared."""


def window_rule(reader: Reader, account_id: str, window_name: str, now_ms: int) -> WindowRule | None:
    """Returns the rule of a window; None if no window can have this name.

    Whether the period has begun or is over, and whether it may be leased, is left to the caller.
    """
    rule_id, mark, part = window_name.rpartition(MARK)
    terms = reader.terms_of([account_id]).get(account_id) if mark else None
    if terms is None:
        return None
    if part == "c":
        return _concurrency(reader, terms.account_key, rule_id)
    if part == "r":
        return _rate(reader, terms.account_key, rule_id)
    budget = reader.budgets_named(terms.account_key, [rule_id]).get(rule_id)
    if budget is None or not _START.fullmatch(part):
        return None
    return _budget(reader, terms, budget, int(part), now_ms)


def _concurrency(reader: Reader, account_key: int, limit_id: str) -> WindowRule | None:
    limit = reader.concurrency_limits_named(account_key, [limit_id]).get(limit_id)
    if limit is None or not limit.shared:
        return None
    return WindowRule(LimitKind.CONCURRENCY, account_key, limit_id, limit.subject, limit.max_count)


def _rate(reader: Reader, account_key: int, limit_id: str) -> WindowRule | None:
    limit = reader.rate_limits_named(account_key, [limit_id]).get(limit_id)
    if limit is None or not limit.shared:
        return None
    return WindowRule(LimitKind.RATE, account_key, limit_id, limit.subject, RATE_RIGHTS)


def _budget(reader: Reader, terms: AccountTerms, budget: Budget, start_ms: int, now_ms: int) -> WindowRule | None:
    end_ms = 0
    if budget.period_unit == PeriodUnit.ROLLING:
        if start_ms:
            return None
    else:
        if abs(start_ms - now_ms) > FAR_MS:
            return None
        schedule = schedule_of(PeriodUnit(budget.period_unit), budget.anchor_ms, terms.time_zone)
        began_ms, end_ms = period_at(schedule, start_ms)
        if began_ms != start_ms:
            return None
    limit = limit_of(budget, with_origins(reader, budget.account_key, [budget]))
    return WindowRule(
        LimitKind.BUDGET,
        budget.account_key,
        budget.budget_id,
        budget.subject,
        limit,
        start_ms,
        end_ms,
        budget.rolling_ms,
        budget.action,
        tuple(json.loads(budget.alert_bps)),
    )
