"""Spending leaves a rolling window in steps, never too soon, and what is free then is given to whoever asks."""

import pytest

from tests.ledger.harness import START_MS, Books, debit, instance
from tests.ledger.windows.rules import ROLLING, ROLLING_MS, STEP_MS, clear, figures, set_rolling, window

STEP_END_MS = (START_MS // STEP_MS + 1) * STEP_MS


@pytest.fixture
def opened(books: Books) -> Books:
    """A pool with 1,000 credits, a budget of 50 within an hour, sidecars s and t."""
    books.open_pool()
    books.grant("g", 1_000)
    for number, name in enumerate("st"):
        books.hello(name, instance=instance(number))
    set_rolling(books, 50)
    return books


def go_to(books: Books, time_ms: int) -> None:
    books.clock.advance(time_ms - books.clock.now_ms())
    for name in "st":
        books.heartbeat(name)


def test_it_leaves_when_the_step_is_a_period_old_and_not_sooner(opened: Books) -> None:
    opened.post(debit(1, 20, windows=[ROLLING]))
    go_to(opened, STEP_END_MS)
    opened.post(debit(2, 10, windows=[ROLLING]))
    go_to(opened, STEP_END_MS + ROLLING_MS - 1)
    clear(opened)
    assert figures(opened, ROLLING) == (20, 0, 30)
    go_to(opened, STEP_END_MS + ROLLING_MS)
    clear(opened)
    assert figures(opened, ROLLING) == (40, 0, 10)
    go_to(opened, STEP_END_MS + STEP_MS + ROLLING_MS)
    clear(opened)
    assert figures(opened, ROLLING) == (50, 0, 0)
    found = window(opened, ROLLING)
    assert found
    assert (found.left_total, found.due_at_ms) == (30, 2**63 - 1)


def test_what_has_left_is_given_to_whoever_asks_before_any_sweep(opened: Books) -> None:
    opened.post(debit(1, 50, windows=[ROLLING]))
    assert opened.want(5, "t", pool_id=ROLLING).denied
    go_to(opened, STEP_END_MS + ROLLING_MS)
    assert opened.lease_for(5, "t", pool_id=ROLLING).granted_total == 5


def test_whoever_waits_for_rights_gets_what_leaves(opened: Books) -> None:
    opened.post(debit(1, 30, windows=[ROLLING]))
    opened.want(20, "s", pool_id=ROLLING)
    go_to(opened, STEP_END_MS + ROLLING_MS - 1)
    assert opened.want(5, "t", pool_id=ROLLING).pending, "s is asked"
    opened.clock.advance(1)
    told = opened.told("t", ROLLING)
    assert (told.pending, opened.lease("t", ROLLING).outstanding) == (False, 5)


def test_debits_of_one_step_leave_together(opened: Books) -> None:
    opened.post(debit(1, 5, windows=[ROLLING]), debit(2, 6, windows=[ROLLING]))
    opened.post(debit(3, 7, windows=[ROLLING]))
    with opened.store.reading() as reader:
        buckets = reader.buckets(opened.pool(ROLLING).pool_key)
    assert [(x.ends_at_ms, x.amount) for x in buckets] == [(STEP_END_MS, 18)]


def test_a_longer_period_keeps_what_is_still_in_it_and_a_shorter_one_lets_go(opened: Books) -> None:
    opened.post(debit(1, 20, windows=[ROLLING]))
    set_rolling(opened, 50, rolling_ms=2 * ROLLING_MS)
    go_to(opened, STEP_END_MS + ROLLING_MS)
    clear(opened)
    assert figures(opened, ROLLING) == (30, 0, 20)
    set_rolling(opened, 50, rolling_ms=60_000)
    assert figures(opened, ROLLING) == (50, 0, 0)


def test_what_is_leased_meanwhile_stays_leased(opened: Books) -> None:
    opened.post(debit(1, 20, windows=[ROLLING]))
    opened.want(25, pool_id=ROLLING, consumed_total=20)
    go_to(opened, STEP_END_MS + ROLLING_MS)
    clear(opened)
    assert figures(opened, ROLLING) == (25, 25, 0)
