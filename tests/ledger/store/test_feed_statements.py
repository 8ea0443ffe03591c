"""What feeds the usage store: lines with their debits, sums by month, and the fence before keys that may still come."""

import pytest
from holdfast_ledger.store.interface import Account, EntryType
from holdfast_ledger.store.postgres import PostgresStore

from tests.ledger.harness import START_MS, Books, debit

DAY_MS = 86_400_000


def test_lines_come_with_their_debits(books: Books) -> None:
    """A debit over two grants and into overdraft makes three lines, each with what the debit says of itself."""
    books.open_pool()
    books.grant("first", 30, cost_amount=7, cost_currency="USD")
    books.grant("second", 30, priority=1)
    books.hello()
    books.post(debit(1, 100, subject="org/team", settled_at_unix_ms=START_MS - 5, hold_id="h"))
    with books.store.reading() as reader:
        heads = reader.feed_heads()
        lines = reader.spend_lines(0, heads.entry_key)
        grants = {grant.grant_key: grant for grant in reader.feed_grants({line.grant_key for line in lines})}
        (lease,) = reader.feed_leases({line.lease_key for line in lines})
        (pool,) = reader.feed_pools([lease.pool_key])
    assert [(line.type, line.amount, line.used_at_ms, line.subject, line.hold_id, line.counts) for line in lines] == [
        (EntryType.DEBIT, 30, START_MS - 5, "org/team", "h", 1),
        (EntryType.DEBIT, 30, START_MS - 5, "org/team", "h", 0),
        (EntryType.OVERDRAFT, 40, START_MS - 5, "org/team", "h", 0),
    ]
    assert [grants[line.grant_key].grant_id if line.grant_key else "" for line in lines] == ["first", "second", ""]
    assert (lease.sidecar_id, pool.account_id, pool.pool_id) == ("s", "a", "general")


def test_sums_are_those_of_the_lines(books: Books) -> None:
    """By month of use, less corrections; a grant's burn counts what it repaid."""
    books.open_pool()
    books.grant("g", 50)
    books.hello()
    books.post(debit(1, 40, settled_at_unix_ms=START_MS - 20 * DAY_MS), debit(2, 30, quantities={"input": 5}))
    books.correct("op-1", 15)
    books.grant("late", 100)
    with books.store.reading() as reader:
        heads = reader.feed_heads()
        sums = {(one.month, one.amount) for one in reader.spend_sums(heads.entry_key)}
        burns = {one.grant_id: one.burned_amount for one in reader.grant_burns(heads.entry_key)}
        quantities = [(one.meter_id, one.month, one.quantity) for one in reader.quantity_sums(heads.debit_key)]
    assert sums == {("2026-12", 25), ("2027-01", 30)}
    assert burns == {"g": 50, "late": 5}
    assert quantities == [("input", "2027-01", 5)]


@pytest.mark.parametrize(
    ("settled_at_ms", "used_at_ms"),
    [
        (0, START_MS),
        (START_MS + 1, START_MS),
        (START_MS - 1, START_MS - 1),
        (1, START_MS - 35 * DAY_MS),
    ],
    ids=["unknown", "ahead", "past", "ancient"],
)
def test_a_clock_that_is_wrong_moves_a_debit_by_35_days_at_most(
    books: Books, settled_at_ms: int, used_at_ms: int
) -> None:
    """What a host says of the time is kept between 35 days before the posting and the posting."""
    books.open_pool()
    books.hello()
    books.post(debit(1, 1, settled_at_unix_ms=settled_at_ms))
    with books.store.reading() as reader:
        assert [line.used_at_ms for line in reader.spend_lines(0, 10)] == [used_at_ms]


def test_a_debit_counts_what_it_says_whatever_its_caller_named_it(books: Books) -> None:
    """What was made of events and metered periods has no quantities; a caller's names may look like theirs."""
    books.open_pool()
    books.hello()
    names = ("ev:1", "mt:1", "other")
    books.post(*(debit(n, 1, operation_id=name, quantities={"m": 1}) for n, name in enumerate(names, start=1)))
    with books.store.reading() as reader:
        assert [line.operation_id for line in reader.quantity_lines(0, 10)] == [*names]


def test_an_anchor_is_of_one_history(books: Books) -> None:
    """The same keys with another operation have another anchor."""
    books.open_pool()
    books.hello()
    books.post(debit(1, 1), debit(2, 1))
    with books.store.reading() as reader:
        assert len({reader.feed_anchor(1, 1), reader.feed_anchor(1, 2), reader.feed_anchor(1, 3)}) == 3


def test_the_fence_waits_for_transactions_that_have_their_keys(postgres_url: str) -> None:
    """A transaction that began to post before the heads were read holds the fence until it is over."""
    posting, store = PostgresStore(postgres_url), PostgresStore(postgres_url)
    with posting.writing() as writer:
        writer.insert_account(Account("a", "", START_MS))
        with store.reading() as reader:
            fence = reader.feed_fence()
        with store.reading() as reader:
            assert not reader.fence_passed(fence)
    with store.reading() as reader:
        assert reader.fence_passed(fence)
    posting.close()
    store.close()
