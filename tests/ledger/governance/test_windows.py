"""From a window's name to its rule, as it is now; and what a change of rules means for the limits of open windows."""

from typing import Any

import pytest
from holdfast_ledger.governance.changing import limits_to_change
from holdfast_ledger.governance.periods import DAY_MS
from holdfast_ledger.governance.resolve import limit_of, with_origins
from holdfast_ledger.governance.windows import RATE_RIGHTS, LimitChange, LimitKind, WindowRule, window_rule
from holdfast_ledger.store.rule_rows import AccountRules, Budget, ConcurrencyLimit, RateLimit

from tests.ledger.harness import START_MS, Books

MIDNIGHT_MS = START_MS - START_MS % DAY_MS
DAY, ROLLING = 2, 5


def row(key: int, budget_id: str, **fields: Any) -> Budget:
    plain = Budget(key, budget_id, "", 1, 0, 100, 0, "", "credits", "", "{}", DAY, 0, 0, "[]")
    return plain._replace(**fields)


def share(key: int, budget_id: str, share_bps: int, of: str) -> Budget:
    return row(key, budget_id, limit_amount=0, share_bps=share_bps, share_of_budget_id=of)


@pytest.fixture
def key(books: Books) -> int:
    """Account "a" with a rule of each kind."""
    key = books.open_pool().account_key
    with books.store.writing() as writer:
        writer.save_budgets(
            [
                row(key, "whole", limit_amount=999),
                share(key, "half", 5_000, "whole"),
                row(key, "rolling", period_unit=ROLLING, rolling_ms=60_000, action=2, alert_bps="[1, 2]"),
            ]
        )
        writer.save_rate_limits(
            RateLimit(key, limit_id, "x", 1, "[]", 10, 1_000, 5, shared, 0, "{}")
            for limit_id, shared in (("shared", 1), ("local", 0))
        )
        writer.save_concurrency_limits(
            ConcurrencyLimit(key, limit_id, "x", 3, shared, 0, "{}")
            for limit_id, shared in (("shared", 1), ("local", 0))
        )
    return key


def found(books: Books, name: str, account_id: str = "a") -> WindowRule | None:
    with books.store.reading() as reader:
        return window_rule(reader, account_id, name, START_MS)


def test_windows_lead_to_their_rules(books: Books, key: int) -> None:
    day = (MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS)
    names = (f"half\x1f{MIDNIGHT_MS}", "rolling\x1f0", "shared\x1fc", "shared\x1fr")
    assert [found(books, name) for name in names] == [
        WindowRule(LimitKind.BUDGET, key, "half", "", 499, *day, action=1),
        WindowRule(LimitKind.BUDGET, key, "rolling", "", 100, rolling_ms=60_000, action=2, alert_bps=(1, 2)),
        WindowRule(LimitKind.CONCURRENCY, key, "shared", "x", 3),
        WindowRule(LimitKind.RATE, key, "shared", "x", RATE_RIGHTS),
    ]


def test_a_period_begins_in_the_account_s_time_zone(books: Books, key: int) -> None:
    books.write(lambda writer: writer.save_account_rules(AccountRules(key, "Asia/Tokyo")))
    start_ms = MIDNIGHT_MS + 15 * 3_600_000 - DAY_MS
    assert found(books, f"whole\x1f{MIDNIGHT_MS}") is None
    rule = found(books, f"whole\x1f{start_ms}")
    assert rule is not None
    assert (rule.start_ms, rule.end_ms) == (start_ms, start_ms + DAY_MS)


@pytest.mark.parametrize(
    "name",
    [
        "general",
        "half",
        "half\x1f",
        "none\x1f0",
        "half\x1f0",
        f"half\x1f{MIDNIGHT_MS + 1}",
        f"half\x1f0{MIDNIGHT_MS}",
        f"half\x1f+{MIDNIGHT_MS}",
        f"half\x1f-{DAY_MS}",
        "half\x1f" + "9" * 15,
        "half\x1f" + "9" * 10_000,
        "half\x1f\u0661",
        f"rolling\x1f{MIDNIGHT_MS}",
        "rolling\x1f00",
        "local\x1fc",
        "local\x1fr",
        "none\x1fc",
        "none\x1fr",
        "half\x1fc",
        "shared\x1fx",
        "\x1fc",
    ],
)
def test_other_names_are_of_no_window(books: Books, key: int, name: str) -> None:
    assert found(books, name) is None
    assert found(books, "shared\x1fc", "none") is None


def test_shares_are_rounded_down_one_by_one() -> None:
    known = {x.budget_id: x for x in (row(1, "a"), share(1, "b", 3_333, "a"), share(1, "c", 3_333, "b"))}
    assert [limit_of(budget, known) for budget in known.values()] == [100, 33, 10]


def changes(books: Books, *said: Budget) -> list[LimitChange]:
    key = said[0].account_key
    with books.store.reading() as reader:
        there = reader.budgets_named(key, [budget.budget_id for budget in said])
        return limits_to_change(reader, said, there, with_origins(reader, key, said))


def budget_change(budget_id: str, before: int | None, after: int | None) -> LimitChange:
    return LimitChange(LimitKind.BUDGET, budget_id, before, after)


def test_what_is_a_share_changes_with_what_it_is_a_share_of(books: Books, key: int) -> None:
    books.write(
        lambda writer: writer.save_budgets([share(key, "quarter", 5_000, "half"), share(key, "dust", 1, "half")])
    )
    assert changes(books, row(key, "whole", limit_amount=500)) == [
        budget_change("whole", 999, 500),
        budget_change("half", 499, 250),
        budget_change("quarter", 249, 125),
    ], "a ten-thousandth is 0 before and after"
    assert changes(books, row(key, "whole", limit_amount=999, shadow=1)) == []


def test_what_is_set_itself_changes_once(books: Books, key: int) -> None:
    books.write(lambda writer: writer.save_budgets([share(key, "quarter", 5_000, "half")]))
    assert changes(books, row(key, "whole", limit_amount=500), share(key, "half", 1_000, "whole")) == [
        budget_change("whole", 999, 500),
        budget_change("half", 499, 50),
        budget_change("quarter", 249, 25),
    ]
    unchanged = share(key, "half", 5_000, "whole")
    assert changes(books, unchanged, row(key, "whole", limit_amount=500))[0] == budget_change("half", 499, 250)


def test_a_new_budget_was_not_there_before(books: Books, key: int) -> None:
    assert changes(books, share(key, "new", 1_000, "whole"), row(key, "zero", limit_amount=0)) == [
        budget_change("new", None, 99),
        budget_change("zero", None, 0),
    ]
