"""What every store must do: transactions, savepoints, snapshots, conflicts, keys, order."""

import pytest
from holdfast_ledger.store.interface import Account, Conflict, DebitRow, Policy, Pool, Store, Writer

from tests.ledger.harness import Books, debit


def account(name: str) -> Account:
    return Account(name, "", 1)


def names(store: Store) -> list[str]:
    with store.reading() as reader:
        return [row.account_id for row in reader.accounts(0, 100)]


class Stop(Exception):
    """Leaves a transaction."""


def insert_and_stop(writer: Writer, name: str) -> None:
    writer.insert_account(account(name))
    raise Stop


def test_a_transaction_left_by_an_exception_is_undone(store: Store) -> None:
    with pytest.raises(Stop), store.writing() as writer:
        insert_and_stop(writer, "a")
    with store.writing() as writer:
        writer.insert_account(account("b"))
    assert names(store) == ["b"]


def test_a_savepoint_undoes_only_what_was_done_within(store: Store) -> None:
    with store.writing() as writer:
        writer.insert_account(account("a"))
        with pytest.raises(Stop), writer.savepoint():
            insert_and_stop(writer, "b")
        with writer.savepoint():
            writer.insert_account(account("c"))
    assert names(store) == ["a", "c"]


def test_readers_see_a_snapshot(store: Store) -> None:
    with store.writing() as writer:
        writer.insert_account(account("a"))
    with store.reading() as reader:
        before = reader.accounts(0, 100)
        with store.writing() as writer:
            writer.insert_account(account("b"))
            assert len(names(store)) == 1, "nobody sees what is not committed"
        assert reader.accounts(0, 100) == before
    assert names(store) == ["a", "b"]


def test_a_writer_reads_what_it_wrote(store: Store) -> None:
    with store.writing() as writer:
        made = account("a")
        key = writer.insert_account(made)
        assert made.account_key == key
        assert writer.account("a") == made


def test_a_row_that_is_there_is_a_conflict(books: Books) -> None:
    pool = books.open_pool()

    def twice(writer: Writer) -> None:
        with pytest.raises(Conflict), writer.savepoint():
            writer.insert_account(account("a"))
        with pytest.raises(Conflict), writer.savepoint():
            writer.insert_pool(Pool(pool.account_key, "a", "general", "credits", 6, Policy(), 1))

    books.write(twice)


def test_debits_that_are_there_get_no_key(books: Books) -> None:
    pool = books.open_pool()
    books.hello()
    books.post(debit(1))
    lease_key = books.lease().lease_key

    def row(operation_id: str) -> DebitRow:
        return DebitRow(pool.account_key, operation_id, lease_key, 1, 9, 5, "", 1, 1, "", "{}", 0, 0, 0, 1)

    def look_and_undo(writer: Writer) -> None:
        keys = writer.insert_debits([row("new-1"), row("op-1"), row("new-2"), row("new-1")])
        assert [key > 0 for key in keys] == [True, False, True, False]
        assert writer.debit_of_operation(pool.account_key, "new-2") == keys[2]
        assert writer.debit_of_operation(pool.account_key, "nothing") == 0
        raise Stop

    with pytest.raises(Stop):
        books.write(look_and_undo)


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 1_000])
def test_any_number_of_rows_goes_in_at_once(books: Books, count: int) -> None:
    books.open_pool()
    books.hello()
    books.post(*(debit(n, n) for n in range(1, count + 1)))
    assert [line.amount for line in books.journal()] == list(range(1, count + 1))


def test_pools_are_found_by_their_names(books: Books) -> None:
    names = {("a", "general"), ("a", "odd \x1a \U0001f600"), ("b", "general")}
    for account_id, pool_id in sorted(names):
        books.open_pool(pool_id, account_id)
    with books.store.reading() as reader:
        found = reader.pools_named(names | {("a", "none"), ("none", "general")})
        assert found == {name: reader.pool(*name) for name in names}
        assert reader.pools_named([]) == {}


def test_text_is_kept_as_it_is(books: Books) -> None:
    name = "Ünïcode ' \" % _ \\ \u0000 \U0001f600"
    with books.store.writing() as writer:
        writer.insert_account(Account(name, name, 1))
    with books.store.reading() as reader:
        found = reader.account(name)
    assert found is not None
    assert found.display_name == name
