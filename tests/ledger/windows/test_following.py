"""Windows follow their rules: limits move, deleted ones are closed, and those who lease are to be told."""

from dataclasses import replace

import pytest
from holdfast_ledger.governance.periods import DAY_MS, PeriodUnit
from holdfast_ledger.sync.messages import lease_message
from holdfast_ledger.windows.following import usage

from tests.ledger.harness import START_MS, Books, debit, instance
from tests.ledger.windows.rules import (
    ROLLING,
    SOFT,
    TODAY,
    TODAY_MS,
    delete_budget,
    figures,
    set_budget,
    set_concurrency,
    set_rolling,
    window,
)


@pytest.fixture
def opened(books: Books) -> Books:
    """A budget of 100 a day; sidecar s has 40 of it and has spent 10 more."""
    books.open_pool()
    books.grant("g", 1_000)
    for number, name in enumerate("st"):
        books.hello(name, instance=instance(number))
    set_budget(books, "day", 100)
    books.want(50, pool_id=TODAY)
    books.post(debit(1, 10, windows=[TODAY]))
    return books


def test_a_higher_limit_is_free_at_once(opened: Books) -> None:
    assert set_budget(opened, "day", 150) == {opened.pool(TODAY).pool_key}
    assert figures(opened, TODAY) == (100, 40, 10)


def test_a_lower_limit_leaves_what_is_leased_and_gives_nothing_more(opened: Books) -> None:
    set_budget(opened, "day", 20)
    assert figures(opened, TODAY) == (-30, 40, 10)
    assert opened.want(1, "t", pool_id=TODAY).pending, "what s does not need is called back, with what is owed"
    assert opened.told("s", TODAY).recall_amount == 31
    told = lease_message(opened.told("s", TODAY))
    assert (told.pool_posted, told.pool_free) == (10, -30)


def test_limits_go_up_and_down_without_end(opened: Books) -> None:
    for _ in range(3):
        set_budget(opened, "day", 2**63 - 1)
        set_budget(opened, "day", 0)
    assert figures(opened, TODAY) == (-50, 40, 10)


def test_whoever_waits_gets_what_a_higher_limit_brings(opened: Books) -> None:
    opened.want(50, "t", pool_id=TODAY)
    assert opened.want(60, "t", pool_id=TODAY).pending
    set_budget(opened, "day", 110)
    told = opened.told("t", TODAY)
    assert (told.pending, opened.lease("t", TODAY).outstanding) == (False, 60)


def test_a_deleted_budget_is_unknown_to_whoever_asks_or_is_told(opened: Books) -> None:
    assert delete_budget(opened, "day") == {opened.pool(TODAY).pool_key}
    assert opened.want(1, pool_id=TODAY).lease is None
    told = opened.told("s", TODAY)
    assert (told.account_known, told.pool) == (True, None)


def test_a_budget_that_is_set_again_goes_on_where_it_was(opened: Books) -> None:
    delete_budget(opened, "day")
    opened.post(debit(2, 5, windows=[TODAY]))
    set_budget(opened, "day", 80)
    assert figures(opened, TODAY) == (30, 35, 15)
    assert opened.lease_for(60, pool_id=TODAY, granted_total=50, consumed_total=15).granted_total == 75


def test_a_budget_with_other_periods_closes_those_it_had(opened: Books) -> None:
    set_budget(opened, "day", 100, unit=PeriodUnit.MONTH)
    assert opened.want(1, pool_id=TODAY).lease is None
    assert opened.want(1, pool_id=f"day\x1f{TODAY_MS - 14 * DAY_MS}").lease is not None


def test_a_period_that_begins_with_the_one_before_takes_it_over(opened: Books) -> None:
    set_budget(opened, "day", 100, unit=PeriodUnit.HOUR, anchor_ms=TODAY_MS)
    found = window(opened, TODAY)
    assert found
    assert found.ends_at_ms == TODAY_MS + 3_600_000


def test_what_is_over_stays_as_it_was(opened: Books) -> None:
    opened.clock.advance(TODAY_MS + DAY_MS - START_MS)
    assert set_budget(opened, "day", 5) == set()
    assert figures(opened, TODAY) == (50, 40, 10)


def test_other_rules_are_left_alone(opened: Books) -> None:
    set_rolling(opened, 10)
    opened.want(5, pool_id=ROLLING)
    before = opened.pool(TODAY)
    assert set_concurrency(opened, "day", 3) == {before.pool_key}, "an id names budgets and limits"
    assert opened.pool(TODAY) == replace(before, rules_version=before.rules_version + 1)


def test_a_budget_that_is_soft_from_now_on_is_no_longer_leased(opened: Books) -> None:
    set_budget(opened, "day", 100, action=SOFT, subject="team")
    found = window(opened, TODAY)
    assert found
    assert (found.leased, found.subject) == (0, "team")


def test_usage_tells_what_is_used_and_leased(opened: Books) -> None:
    with opened.store.reading() as reader:
        assert usage(reader, "a", [TODAY, ROLLING, "general"]) == {TODAY: (10, 40)}
