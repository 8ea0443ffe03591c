"""The auditor finds what is broken of windows: each case breaks one figure behind the ledger's back."""

import pytest
from holdfast_ledger.audit import audit
from holdfast_ledger.store.interface import Store

from tests.ledger.harness import Books, Clock, debit, execute, instance
from tests.ledger.windows.rules import ROLLING, ROLLING_MS, TODAY, clear, set_budget, set_rolling


@pytest.fixture
def whole(store: Store, clock: Clock) -> Store:
    """Two sidecars, a budget a day and a rolling one that spending has left, a duplicate, a correction."""
    books = Books(store, clock)
    books.open_pool()
    books.grant("g", 1_000)
    for number, name in enumerate("st"):
        books.hello(name, instance=instance(number))
    set_budget(books, "day", 100)
    set_rolling(books, 100)
    for name in "st":
        books.want(20, name, pool_id=TODAY)
    books.post(debit(1, 7, windows=[TODAY, ROLLING]), debit(2, 5))
    books.clock.advance(ROLLING_MS + 60_000)
    clear(books)
    books.post(debit(3, 9, windows=[TODAY, ROLLING]))
    books.post(debit(1, 9, operation_id="op-3", windows=[TODAY]), sidecar_id="t")
    books.correct("op-3", 4)
    return store


def findings(store: Store) -> tuple[str, ...]:
    with store.reading() as reader:
        return audit(reader).findings


def test_whole_windows_have_no_findings(whole: Store) -> None:
    assert findings(whole) == ()


OF_DAY = "WHERE pool_id LIKE 'day%'"
OF_ROLLING = "WHERE pool_id LIKE 'roll%'"


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (f"UPDATE pools SET spent_total = spent_total + 1, free = free - 1 {OF_DAY}", "spent_total"),
        (f"UPDATE pools SET spent_total = spent_total + 1, free = free - 1 {OF_ROLLING}", "spent_total"),
        (f"UPDATE pools SET corrected_total = corrected_total + 1 {OF_DAY}", "spent_total"),
        (f"UPDATE pools SET free = free - 1, leased = leased + 1 {OF_DAY}", "leased"),
        (f"UPDATE pools SET voided_total = 1, free = free - 1 {OF_DAY}", "voided_total"),
        (f"UPDATE pools SET expired_total = 1, free = free - 1 {OF_DAY}", "expired_total"),
        (f"UPDATE pools SET allowance_leased = 1 {OF_DAY}", "allowance_leased"),
        ("UPDATE windows SET left_total = left_total + 1", "spent_total"),
        ("UPDATE window_buckets SET amount = amount + 1", "spent_total"),
        ("DELETE FROM window_buckets", "spent_total"),
        ("UPDATE debits SET windows = '' WHERE sequence = 3", "spent_total"),
        ("UPDATE duplicate_debits SET windows = ''", "posted_total"),
        (
            "UPDATE leases SET posted_total = posted_total + 1, granted_total = granted_total + 1 "
            f"WHERE pool_key = (SELECT pool_key FROM pools {OF_DAY})",
            "posted_total",
        ),
        (
            "UPDATE leases SET granted_total = granted_total + 1 "
            f"WHERE pool_key = (SELECT pool_key FROM pools {OF_DAY})",
            "leased",
        ),
    ],
)
def test_what_is_broken_is_found(whole: Store, statement: str, named: str) -> None:
    execute(whole, statement)
    assert any("window" in finding and named in finding for finding in findings(whole))
