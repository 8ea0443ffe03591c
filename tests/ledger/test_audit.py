"""The auditor finds what is broken: each case breaks one figure behind the ledger's back."""

import pytest
from holdfast_ledger.audit import audit
from holdfast_ledger.store.interface import Store

from tests.ledger.harness import Books, Clock, debit, execute


@pytest.fixture
def whole(store: Store, clock: Clock) -> Store:
    """Two sidecars, overdraft repaid, a duplicate, a quarantined debit, a correction, a voided grant."""
    books = Books(store, clock)
    books.open_pool()
    books.hello()
    books.hello("t")
    books.post(debit(1, 30))
    books.grant("g", 100)
    books.want(20)
    books.post(debit(1, 5, operation_id="op-1"), debit(2, 5, pool_id="none"), debit(3, 7), sidecar_id="t")
    books.correct("op-1", 4)
    books.grant("void", 5)
    books.void("void")
    return store


def findings(store: Store) -> tuple[str, ...]:
    with store.reading() as reader:
        return audit(reader).findings


def test_whole_books_have_no_findings(whole: Store) -> None:
    assert findings(whole) == ()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE entries SET amount = amount + 1 WHERE type = 1", "granted_total"),
        ("UPDATE entries SET amount = amount + 1 WHERE type = 3", "overdraft"),
        ("DELETE FROM entries WHERE type = 2", "spent_total"),
        ("DELETE FROM entries WHERE type = 4", "overdraft"),
        ("UPDATE grants SET remaining = remaining - 1 WHERE remaining > 0", "remaining"),
        ("UPDATE grants SET state = 3", "EXHAUSTED"),
        ("UPDATE pools SET free = free - 1, leased = leased + 1", "leased"),
        ("UPDATE pools SET granted_total = granted_total + 1, free = free + 1", "granted_total"),
        ("UPDATE leases SET posted_total = posted_total + 1, granted_total = granted_total + 1", "posted_total"),
        ("UPDATE pools SET allowance_leased = allowance_leased + 1", "allowance_leased"),
        ("UPDATE pools SET allowance_spent_total = 1", "allowance_spent_total"),
        ("UPDATE pools SET fail_open_total = 1", "fail_open_total"),
        ("UPDATE pools SET over_hold_total = 1", "over_hold_total"),
        ("UPDATE pools SET late_total = 1", "late_total"),
        ("UPDATE pools SET unleased_total = -1", "unleased_total"),
        ("UPDATE pools SET voided_total = voided_total + 1, free = free - 1", "voided_total"),
        ("UPDATE pools SET corrected_total = corrected_total + 1", "corrected_total"),
        ("UPDATE pools SET revived_total = 1", "revived_total"),
        ("UPDATE grants SET lapsed = 1", "lapsed"),
        ("UPDATE corrections SET amount = 1", "corrections"),
        ("UPDATE corrections SET amount = 31", "corrections"),
        ("UPDATE corrections SET debit_key = 3", "corrections"),
        ("UPDATE pools SET expired_leased_total = 100", "expired_leased_total"),
        (
            "UPDATE leases SET allowance_posted_total = allowance_posted_total + 1, "
            "allowance_granted_total = allowance_granted_total + 1",
            "allowance_posted_total",
        ),
        ("UPDATE sidecars SET acked_sequence = acked_sequence + 1", "acked"),
        ("DELETE FROM duplicate_debits", "acked"),
        ("DELETE FROM quarantined_debits", "acked"),
        ("UPDATE debits SET amount = amount + 1", "entries do not add up"),
        ("UPDATE debits SET sequence = 9", "acked"),
    ],
)
def test_what_is_broken_is_found(whole: Store, statement: str, named: str) -> None:
    execute(whole, statement)
    assert any(named in finding for finding in findings(whole))


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE entries SET grant_key = 77 WHERE entry_key = (SELECT max(entry_key) FROM entries)", "entry"),
        ("UPDATE entries SET pool_key = 77 WHERE entry_key = (SELECT max(entry_key) FROM entries)", "entry"),
        ("UPDATE entries SET debit_key = 77 WHERE type = 2", "entry"),
        ("UPDATE debits SET lease_key = 77", "debit"),
        ("UPDATE debits SET account_key = 77 WHERE debit_key = 1", "debit"),
    ],
)
def test_what_refers_to_nothing_is_found_where_no_foreign_key_refuses_it(
    whole: Store, statement: str, named: str
) -> None:
    execute(whole, statement)
    assert any(named in finding and "not there" in finding for finding in findings(whole))
