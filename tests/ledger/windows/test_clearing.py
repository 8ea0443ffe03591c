"""What is over is cleared away: leases when nothing is out of them, the window after a week and a day."""

import pytest
from holdfast_ledger.governance.periods import DAY_MS
from holdfast_ledger.store.interface import Writer
from holdfast_ledger.windows import clearing
from holdfast_ledger.windows.clearing import sweep
from holdfast_ledger.windows.times import ABANDONED_MS, CLEAR_INTERVAL_MS, GRACE_MS, KEPT_MS

from tests.ledger.harness import START_MS, Books, debit, instance
from tests.ledger.windows.rules import (
    ROLLING,
    TODAY,
    TODAY_MS,
    TOMORROW,
    clear,
    delete_budget,
    figures,
    set_budget,
    set_rolling,
    window,
)

UNTIL_OVER_MS = TODAY_MS + DAY_MS - START_MS
CLEARED_MS = UNTIL_OVER_MS + 2 * GRACE_MS


@pytest.fixture
def opened(books: Books) -> Books:
    """A budget of 100 a day; sidecar s has 40 of it, and t has used up what it had."""
    books.open_pool()
    books.grant("g", 1_000)
    for number, name in enumerate("st"):
        books.hello(name, instance=instance(number))
    set_budget(books, "day", 100)
    books.want(40, "s", pool_id=TODAY)
    books.want(10, "t", pool_id=TODAY)
    books.post(debit(1, 10, windows=[TODAY]), sidecar_id="t")
    books.open_pool("newest")
    return books


def go(books: Books, ms: int) -> None:
    books.clock.advance(ms)
    clear(books)


def holders(books: Books, name: str) -> list[str]:
    """Sidecars that have a lease of a window."""
    key = books.pool(name).pool_key
    with books.store.reading() as reader:
        return [lease.sidecar_id for lease in reader.window_leases(0, 10) if lease.pool_key == key]


def test_leases_go_when_the_period_is_over_and_nothing_is_out(opened: Books) -> None:
    go(opened, CLEARED_MS - 1)
    assert holders(opened, TODAY) == ["s", "t"]
    go(opened, 1)
    assert holders(opened, TODAY) == ["s"]
    opened.heartbeat("s")
    opened.want(0, pool_id=TODAY, granted_total=40, returned_total=40)
    go(opened, CLEAR_INTERVAL_MS)
    assert holders(opened, TODAY) == []
    assert figures(opened, TODAY) == (90, 0, 10)


def test_a_window_is_kept_for_a_while_and_then_gone(opened: Books) -> None:
    opened.want(0, pool_id=TODAY, granted_total=40, returned_total=40)
    go(opened, CLEARED_MS)
    go(opened, UNTIL_OVER_MS + KEPT_MS - CLEARED_MS - 1)
    assert window(opened, TODAY) is not None
    go(opened, 1)
    assert window(opened, TODAY) is None
    assert opened.want(1, pool_id=TODAY).lease is None


def test_rights_that_nobody_gives_back_keep_it_no_longer_than_a_hold_may_live(opened: Books) -> None:
    go(opened, UNTIL_OVER_MS + ABANDONED_MS - CLEAR_INTERVAL_MS)
    assert window(opened, TODAY) is not None
    go(opened, CLEAR_INTERVAL_MS)
    assert window(opened, TODAY) is None


def test_a_deleted_budget_goes_with_all_its_windows(opened: Books) -> None:
    set_rolling(opened, 100)
    opened.want(30, pool_id=ROLLING)
    opened.post(debit(1, 10, operation_id="r", windows=[ROLLING]))
    opened.open_pool("still newer")
    delete_budget(opened, "roll")
    opened.post(debit(2, 10, operation_id="q", windows=[ROLLING]))
    go(opened, KEPT_MS - 1)
    assert window(opened, ROLLING) is not None
    go(opened, 1)
    assert window(opened, ROLLING) is None
    set_rolling(opened, 100)
    assert opened.want(5, pool_id=ROLLING, granted_total=30).lease is None
    assert opened.lease_for(5, pool_id=ROLLING).granted_total == 5


def test_no_key_is_given_twice(opened: Books) -> None:
    opened.clock.advance(UNTIL_OVER_MS)
    opened.post(debit(1, 10, operation_id="x", windows=[TOMORROW]))
    key = opened.pool(TOMORROW).pool_key
    go(opened, DAY_MS + KEPT_MS)
    assert window(opened, TOMORROW) is not None, "the newest of all stays until there is a newer one"
    assert opened.open_pool("newer").pool_key > key
    go(opened, CLEAR_INTERVAL_MS)
    assert window(opened, TOMORROW) is None


def test_one_transaction_takes_care_of_a_few(opened: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clearing, "SWEEP_LIMIT", 2)
    for number in range(3):
        set_budget(opened, f"b{number}", 1)
        opened.post(debit(number + 1, 1, operation_id=f"x{number}", windows=[f"b{number}\x1f{TODAY_MS}"]))
    opened.clock.advance(CLEARED_MS)

    def job(writer: Writer) -> tuple[set[int], bool]:
        return sweep(writer, opened.clock.now_ms())

    assert [opened.write(job) for _ in range(3)] == [(set(), True), (set(), True), (set(), False)]
