"""Rules for the tests of windows, set on a bare store as governance sets them."""

import json
from collections.abc import Sequence
from typing import Any

from holdfast_ledger.governance.periods import DAY_MS, PeriodUnit
from holdfast_ledger.governance.windows import LimitChange, LimitKind
from holdfast_ledger.store.interface import Account, Writer
from holdfast_ledger.store.rule_rows import Budget, ConcurrencyLimit, RateLimit
from holdfast_ledger.store.window_rows import Window
from holdfast_ledger.windows.clearing import sweep
from holdfast_ledger.windows.following import limits_changed

from tests.ledger.harness import START_MS, Books

HARD, SOFT = 1, 2
TODAY_MS = START_MS // DAY_MS * DAY_MS
TODAY = f"day\x1f{TODAY_MS}"
TOMORROW = f"day\x1f{TODAY_MS + DAY_MS}"
ROLLING = "roll\x1f0"
ROLLING_MS = 3_600_000
STEP_MS = ROLLING_MS // 60


def set_budget(
    books: Books,
    budget_id: str,
    limit: int,
    *,
    unit: PeriodUnit = PeriodUnit.DAY,
    alert_bps: Sequence[int] = (),
    **fields: Any,
) -> set[int]:
    """Sets a budget of account "a": hard, by the day, unless told; returns the windows that changed."""
    values: dict[str, Any] = {
        "subject": "", "action": HARD, "shadow": 0, "limit_amount": limit, "share_bps": 0, "share_of_budget_id": "",
        "currency": "credits", "pool_id": "", "match": "{}", "period_unit": unit, "anchor_ms": 0, "rolling_ms": 0,
        "alert_bps": json.dumps(list(alert_bps)),
    }  # fmt: skip

    def job(writer: Writer) -> set[int]:
        account = _locked(writer)
        writer.save_budgets([Budget(account.account_key, budget_id, **(values | fields))])
        return _changed(writer, account, LimitKind.BUDGET, budget_id, books)

    return books.write(job)


def set_rolling(books: Books, limit: int, **fields: Any) -> set[int]:
    """Sets the budget "roll", of an hour."""
    return set_budget(books, "roll", limit, unit=PeriodUnit.ROLLING, **({"rolling_ms": ROLLING_MS} | fields))


def set_concurrency(books: Books, limit_id: str, max_count: int, shared: int = 1) -> set[int]:
    """Sets a concurrency limit of account "a"."""

    def job(writer: Writer) -> set[int]:
        account = _locked(writer)
        writer.save_concurrency_limits(
            [ConcurrencyLimit(account.account_key, limit_id, "", max_count, shared, 0, "{}")]
        )
        return _changed(writer, account, LimitKind.CONCURRENCY, limit_id, books)

    return books.write(job)


def set_rate(books: Books, limit_id: str) -> set[int]:
    """Sets a shared rate limit of account "a"."""

    def job(writer: Writer) -> set[int]:
        account = _locked(writer)
        writer.save_rate_limits([RateLimit(account.account_key, limit_id, "", 1, "[]", 10, 1_000, 10, 1, 0, "{}")])
        return _changed(writer, account, LimitKind.RATE, limit_id, books)

    return books.write(job)


def delete_budget(books: Books, budget_id: str) -> set[int]:
    """Deletes a budget of account "a"."""

    def job(writer: Writer) -> set[int]:
        account = _locked(writer)
        writer.delete_budget(account.account_key, budget_id)
        return _changed(writer, account, LimitKind.BUDGET, budget_id, books)

    return books.write(job)


def _locked(writer: Writer) -> Account:
    account = writer.account("a")
    assert account is not None
    writer.lock_rules(account.account_key)
    return account


def _changed(writer: Writer, account: Account, kind: LimitKind, rule_id: str, books: Books) -> set[int]:
    writer.raise_rules_version([account.account_key])
    return limits_changed(writer, account.account_key, [LimitChange(kind, rule_id, 0, 1)], books.clock.now_ms())


def clear(books: Books) -> None:
    """Sweeps the windows until nothing is due."""
    while books.write(lambda writer: sweep(writer, books.clock.now_ms()))[1]:
        pass


def window(books: Books, name: str) -> Window | None:
    """The window as it is stored; None: it is gone."""
    with books.store.reading() as reader:
        pool = reader.pool("a", name)
        return reader.windows([pool.pool_key])[pool.pool_key] if pool else None


def figures(books: Books, name: str) -> tuple[int, int, int]:
    """What is free, leased and used of a window."""
    pool = books.pool(name)
    return pool.free, pool.leased, pool.spent_total
