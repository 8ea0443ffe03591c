"""What is corrected of a debit comes back to the windows whose period is under way, once."""

import pytest
from holdfast_ledger.governance.periods import DAY_MS

from tests.ledger.harness import START_MS, Books, debit, instance
from tests.ledger.windows.rules import ROLLING, ROLLING_MS, TODAY, TODAY_MS, clear, figures, set_budget, set_rolling


@pytest.fixture
def opened(books: Books) -> Books:
    """Budgets of 100 a day and 100 within an hour; one debit of 30 against both, one of 20 against none."""
    books.open_pool()
    books.grant("g", 1_000)
    books.hello("s", instance=instance(0))
    set_budget(books, "day", 100)
    set_rolling(books, 100)
    books.post(debit(1, 30, windows=[TODAY, ROLLING]), debit(2, 20))
    return books


def test_it_comes_back_to_every_window_of_the_debit(opened: Books) -> None:
    opened.correct("op-1", 10)
    assert figures(opened, TODAY) == (80, 0, 20)
    assert figures(opened, ROLLING) == (80, 0, 20)
    opened.correct("op-1", 10)
    assert figures(opened, TODAY) == (80, 0, 20), "the same correction said again"
    opened.correct("op-1", 0, "rest")
    assert figures(opened, TODAY) == (100, 0, 0)
    assert figures(opened, ROLLING) == (100, 0, 0)


def test_a_debit_that_names_none_gives_back_to_none(opened: Books) -> None:
    opened.correct("op-2")
    assert figures(opened, TODAY) == (70, 0, 30)


def test_a_period_that_is_over_stays_as_it_was(opened: Books) -> None:
    opened.clock.advance(TODAY_MS + DAY_MS - START_MS - 1)
    opened.correct("op-1", 10)
    opened.clock.advance(1)
    opened.correct("op-1", 10, "late")
    assert figures(opened, TODAY) == (80, 0, 20)


def test_what_has_left_a_rolling_period_does_not_come_back_twice(opened: Books) -> None:
    opened.clock.advance(ROLLING_MS // 2)
    opened.post(debit(3, 5, windows=[ROLLING]))
    opened.clock.advance(ROLLING_MS // 2 + 60_000)
    opened.correct("op-1", 10)
    assert figures(opened, ROLLING) == (95, 0, 5)
    clear(opened)
    assert figures(opened, ROLLING) == (95, 0, 5)


def test_a_bucket_that_is_given_back_whole_is_gone(opened: Books) -> None:
    opened.correct("op-1")
    opened.clock.advance(2 * ROLLING_MS)
    clear(opened)
    assert figures(opened, ROLLING) == (100, 0, 0)
