"""Debits count against the windows that they name, once, with what the sidecar was leased of them."""

import json

import pytest
from holdfast_ledger.governance.periods import DAY_MS
from holdfast_ledger.posting.post import Posted
from holdfast_ledger.posting.replay import Outcome, release, replay
from holdfast_ledger.store.interface import MAX_AMOUNT, Writer
from holdfast_ledger.store.statements import SqlReader
from holdfast_ledger.windows.times import GRACE_MS, KEPT_MS

from tests.ledger.harness import START_MS, Books, debit, instance
from tests.ledger.windows.rules import (
    ROLLING,
    SOFT,
    TODAY,
    TODAY_MS,
    TOMORROW,
    delete_budget,
    figures,
    set_budget,
    set_rolling,
    window,
)

UNTIL_TOMORROW_MS = TODAY_MS + DAY_MS - START_MS


@pytest.fixture
def opened(books: Books) -> Books:
    """A pool with 1,000 credits, budgets of 100 a day and of 50 within an hour, sidecars s and t."""
    books.open_pool()
    books.grant("g", 1_000)
    for number, name in enumerate("st"):
        books.hello(name, instance=instance(number))
    set_budget(books, "day", 100)
    set_rolling(books, 50)
    return books


def test_each_window_takes_the_whole_amount(opened: Books) -> None:
    opened.want(40, pool_id=TODAY)
    opened.want(30, pool_id=ROLLING)
    opened.post(debit(1, 10, windows=[TODAY, ROLLING]), debit(2, 7, windows=[TODAY]), debit(3, 5))
    assert figures(opened, TODAY) == (60, 23, 17)
    assert figures(opened, ROLLING) == (20, 20, 10)
    assert opened.lease(pool_id=TODAY).posted_total == 17
    assert opened.pool().spent_total == 22


def test_what_a_lease_lacks_is_granted_after_the_fact(opened: Books) -> None:
    opened.want(10, pool_id=TODAY)
    opened.post(debit(1, 30, windows=[TODAY]))
    lease = opened.lease(pool_id=TODAY)
    assert (lease.granted_total, lease.posted_total, lease.outstanding) == (30, 30, 0)
    assert figures(opened, TODAY) == (70, 0, 30)


def test_more_than_the_limit_leaves_the_window_owing(opened: Books) -> None:
    opened.post(debit(1, 130, windows=[TODAY]))
    assert figures(opened, TODAY) == (-30, 0, 130)
    assert opened.want(1, "t", pool_id=TODAY).denied


def test_a_duplicate_counts_once_and_comes_back(opened: Books) -> None:
    opened.want(40, "s", pool_id=TODAY)
    opened.want(40, "t", pool_id=TODAY)
    opened.post(debit(1, 10, windows=[TODAY]), sidecar_id="s")
    assert opened.post(debit(1, 10, windows=[TODAY]), sidecar_id="t").duplicate_count == 1
    assert figures(opened, TODAY) == (30, 60, 10)
    assert opened.lease("t", TODAY).posted_total == 10


def test_a_debit_in_quarantine_counts_nowhere_until_it_leaves_it(opened: Books) -> None:
    assert opened.post(debit(1, 10, pool_id="none", windows=[TODAY])).quarantined_count == 1
    assert figures(opened, TODAY) == (100, 0, 0)
    opened.open_pool("none")
    with opened.store.reading() as reader:
        lines = reader.quarantined(False, (0, 0), 10)
    opened.write(lambda writer: release(writer, lines, opened.clock.now_ms(), Posted(0)))
    assert figures(opened, TODAY) == (90, 0, 10)


def test_a_window_is_no_pool_to_pay_from(opened: Books) -> None:
    opened.want(40, pool_id=TODAY)
    assert opened.post(debit(1, 10, pool_id=TODAY)).quarantined_count == 1
    assert figures(opened, TODAY) == (60, 40, 0)


def test_names_that_stand_for_nothing_are_passed_over(opened: Books) -> None:
    names = ["general", "none\x1f0", f"day\x1f{TODAY_MS + 1}", "", "day\x1f", "\x00\x1fc", TODAY, TODAY]
    opened.post(debit(1, 10, windows=names))
    assert figures(opened, TODAY) == (90, 0, 10)
    assert opened.pool().spent_total == 10


def test_soft_budgets_are_counted_without_being_leased(opened: Books) -> None:
    name = f"soft\x1f{TODAY_MS}"
    set_budget(opened, "soft", 10, action=SOFT)
    opened.post(debit(1, 30, windows=[name]))
    opened.post(debit(1, 5, operation_id="t-1", windows=[name]), sidecar_id="t")
    assert figures(opened, name) == (-25, 0, 35)


def test_each_period_is_counted_by_itself_and_late_debits_in_their_own(opened: Books) -> None:
    opened.post(debit(1, 10, windows=[TODAY]))
    opened.clock.advance(UNTIL_TOMORROW_MS)
    opened.post(debit(2, 20, windows=[TOMORROW]), debit(3, 3, windows=[TODAY]))
    assert (figures(opened, TODAY), figures(opened, TOMORROW)) == ((87, 0, 13), (80, 0, 20))


def test_a_period_that_is_over_is_counted_without_a_lease(opened: Books) -> None:
    opened.clock.advance(UNTIL_TOMORROW_MS + GRACE_MS)
    opened.post(debit(1, 20, windows=[TODAY]))
    assert figures(opened, TODAY) == (80, 0, 20)
    with opened.store.reading() as reader:
        assert reader.window_leases(0, 10) == []


def test_a_period_long_over_is_not_counted(opened: Books) -> None:
    opened.clock.advance(UNTIL_TOMORROW_MS + KEPT_MS)
    opened.post(debit(1, 20, windows=[TODAY]))
    assert window(opened, TODAY) is None


def test_what_was_leased_before_its_budget_was_deleted_is_still_counted(opened: Books) -> None:
    opened.want(40, pool_id=TODAY)
    delete_budget(opened, "day")
    opened.post(debit(1, 10, windows=[TODAY]))
    assert figures(opened, TODAY) == (60, 30, 10)


def test_a_total_past_int64_is_refused_with_the_debit(opened: Books) -> None:
    opened.post(debit(1, MAX_AMOUNT - 5, windows=[TODAY]))
    opened.open_pool("second")
    assert opened.post(debit(2, 6, pool_id="second", windows=[TODAY])).quarantined_count == 1
    assert opened.post(debit(3, 5, pool_id="second", windows=[TODAY])).quarantined_count == 0
    assert opened.pool(TODAY).spent_total == MAX_AMOUNT


def test_a_thousand_debits_of_many_subjects(opened: Books) -> None:
    for number in range(20):
        set_budget(opened, f"u{number}", 10_000)
    names = [f"u{number}\x1f{TODAY_MS}" for number in range(20)]
    opened.post(*(debit(n, n, windows=[TODAY, names[n % 20]]) for n in range(1, 1_001)))
    assert opened.pool(TODAY).spent_total == 500_500
    assert sum(opened.pool(name).spent_total for name in names) == 500_500


def test_quantities_are_kept(opened: Books) -> None:
    opened.post(debit(1, 10, quantities={"output": 7, "input": 5}), debit(2, 1))
    with opened.store.reading() as reader:
        assert isinstance(reader, SqlReader)
        rows = [row[0] for row in reader._rows("SELECT quantities FROM debits ORDER BY debit_key")]
    assert (json.loads(rows[0]), rows[1]) == ({"input": 5, "output": 7}, "")


def replayed(books: Books, *debits: object, birth_epoch: int = 0) -> list[Outcome]:
    def job(writer: Writer) -> list[Outcome]:
        sidecar = writer.sidecar("s")
        assert sidecar
        fates = replay(writer, sidecar, birth_epoch, debits, books.clock.now_ms(), Posted(0))  # type: ignore[arg-type]
        return [fate.outcome for fate in fates]

    return books.write(job)


def test_a_replayed_debit_is_counted_once_and_moves_no_lease_of_a_living_folder(opened: Books) -> None:
    opened.want(40, pool_id=TODAY)
    said = debit(1, 10, windows=[TODAY, ROLLING])
    assert replayed(opened, said) == [Outcome.POSTED]
    assert replayed(opened, said) == [Outcome.ALREADY_REPLAYED]
    assert figures(opened, TODAY) == (50, 40, 10)
    assert figures(opened, ROLLING) == (40, 0, 10)


def test_rights_of_a_folder_that_is_gone_are_used_up_by_its_replayed_debits(opened: Books) -> None:
    opened.want(40, pool_id=TODAY)
    opened.hello(epoch=0, instance=instance(9))
    assert replayed(opened, debit(1, 10, windows=[TODAY]), birth_epoch=1) == [Outcome.POSTED]
    assert figures(opened, TODAY) == (60, 30, 10)


def test_a_replayed_debit_counts_in_a_period_that_is_over(opened: Books) -> None:
    opened.clock.advance(UNTIL_TOMORROW_MS + GRACE_MS)
    assert replayed(opened, debit(1, 10, windows=[TODAY])) == [Outcome.POSTED]
    assert replayed(opened, debit(2, 10, windows=[TODAY])) == [Outcome.POSTED]
    assert figures(opened, TODAY) == (80, 0, 20)
