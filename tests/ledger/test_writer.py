"""Group commit: jobs that wait share a transaction, a failing one takes only itself along, nobody hears before it."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from holdfast.v1 import ledger_service_pb2 as api
from holdfast_ledger.errors import InvalidArgument, ShuttingDown, Unavailable
from holdfast_ledger.store.interface import (
    Aborted,
    Account,
    Conflict,
    Store,
    StoreError,
    StoreFailed,
    Writer,
)
from holdfast_ledger.store.sqlite import SqliteStore, SqliteWriter
from holdfast_ledger.writer import MAX_ATTEMPTS, MAX_GROUP_DEBITS, GroupWriter

from tests.ledger.harness import debit, instance, running


def add(name: str) -> Account:
    return Account(name, "", 1)


def adding(name: str, display_name: str = "") -> Callable[[Writer], int]:
    """A job that adds an account."""
    return lambda writer: writer.insert_account(Account(name, display_name, 1))


def names(store: Store) -> list[str]:
    with store.reading() as reader:
        return [account.account_id for account in reader.accounts(0, 1_000)]


def test_jobs_that_wait_share_a_transaction(store: Store) -> None:
    writer = GroupWriter(store)
    gate = threading.Event()
    writer.submit(lambda _: gate.wait(60))
    futures = [writer.submit(adding(f"a{n}")) for n in range(50)]
    gate.set()
    assert [future.result(60) for future in futures] == list(range(1, 51))
    writer.close()
    assert writer.statistics().transaction_count <= 2
    assert len(names(store)) == 50


def test_what_somebody_waits_for_goes_before_postings_in_turn(store: Store) -> None:
    """A recall's answer must not queue behind seconds of postings, nor may a stream of such jobs starve them."""
    writer = GroupWriter(store)
    gate = threading.Event()
    order: list[str] = []

    def noting(name: str) -> Callable[[Writer], None]:
        return lambda _: order.append(name)

    writer.submit(lambda _: gate.wait(60))
    futures = [writer.submit(noting(f"post-{n}"), debit_count=MAX_GROUP_DEBITS) for n in range(3)]
    futures += [writer.submit(noting(f"alone-{n}"), alone=True) for n in range(3)]
    gate.set()
    for future in futures:
        future.result(60)
    writer.close()
    assert order == ["post-0", "alone-0", "post-1", "alone-1", "post-2", "alone-2"]


def test_a_failing_job_takes_only_itself_along(store: Store) -> None:
    writer = GroupWriter(store)
    gate = threading.Event()

    def fails(w: Writer) -> None:
        w.insert_account(add("undone"))
        raise InvalidArgument("field", "is bad")

    writer.submit(lambda _: gate.wait(60))
    first = writer.submit(adding("first"))
    bad = writer.submit(fails)
    last = writer.submit(adding("last"))
    gate.set()
    assert first.result(60) < last.result(60)
    with pytest.raises(InvalidArgument):
        bad.result(60)
    writer.close()
    assert names(store) == ["first", "last"]


def keep_busy(writer: GroupWriter) -> threading.Event:
    """Keeps the writer in a transaction until the event that it returns is set."""
    entered, gate = threading.Event(), threading.Event()

    def wait(_: Writer) -> None:
        entered.set()
        gate.wait(60)

    writer.submit(wait)
    assert entered.wait(60)
    return gate


def test_a_job_that_finds_its_own_rows_has_a_transaction_of_its_own(store: Store) -> None:
    writer = GroupWriter(store)
    gate = keep_busy(writer)
    futures = [writer.submit(adding(f"a{n}"), alone=n == 2) for n in range(5)]
    gate.set()
    for future in futures:
        future.result(60)
    writer.close()
    assert writer.statistics().transaction_count == 4, "the gate, two jobs, the one alone, two jobs"
    assert names(store) == [f"a{n}" for n in range(5)]


def meets(fault: StoreError, times: int, name: str) -> Callable[[Writer], int]:
    """A job that adds an account, and then meets another replica as often as it is told."""
    left = [fault] * times

    def job(writer: Writer) -> int:
        key = writer.insert_account(add(name))
        if left:
            raise left.pop()
        return key

    return job


def test_a_transaction_that_was_given_up_is_repeated_job_by_job(store: Store) -> None:
    writer = GroupWriter(store)
    gate = keep_busy(writer)
    futures = [
        writer.submit(adding("a")),
        writer.submit(meets(Aborted("deadlock"), 2, "b")),
        writer.submit(adding("c")),
    ]
    gate.set()
    for future in futures:
        future.result(60)
    writer.close()
    assert sorted(names(store)) == ["a", "b", "c"]
    assert writer.statistics().repeated_count == 4, "each of the three, and the second once more"
    assert writer.statistics().job_count == 4


def test_a_job_that_finds_a_row_made_meanwhile_is_repeated_without_the_others(store: Store) -> None:
    writer = GroupWriter(store)
    gate = keep_busy(writer)
    futures = [writer.submit(adding("a")), writer.submit(meets(Conflict("there"), 1, "b")), writer.submit(adding("c"))]
    gate.set()
    for future in futures:
        future.result(60)
    writer.close()
    assert names(store) == ["a", "c", "b"]
    assert writer.statistics().repeated_count == 1


def test_replicas_that_never_part_are_told_of(store: Store) -> None:
    writer = GroupWriter(store)
    with pytest.raises(Unavailable, match=f"in the way {MAX_ATTEMPTS} times"):
        writer.submit(meets(Aborted("deadlock"), MAX_ATTEMPTS, "a")).result(60)
    writer.close()
    assert names(store) == []


def test_nobody_hears_before_the_commit(store: Store) -> None:
    writer = GroupWriter(store)
    seen: list[list[str]] = []
    future = writer.submit(adding("a"))
    future.add_done_callback(lambda _: seen.append(names(store)))
    writer.close()
    assert seen == [["a"]]


def test_closing_carries_out_what_waits_and_refuses_the_rest(store: Store) -> None:
    writer = GroupWriter(store)
    futures = [writer.submit(adding(f"a{n}")) for n in range(1_000)]
    writer.close()
    writer.close()
    assert all(future.done() for future in futures)
    assert len(names(store)) == 1_000
    with pytest.raises(ShuttingDown):
        writer.submit(adding("late")).result(60)


def test_a_full_database_fails_its_jobs_and_serves_again_when_there_is_room(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "l.sqlite")
    writer = GroupWriter(store)
    (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count = {pages + 1}")
    large = [writer.submit(adding(f"a{n}", "x" * 100_000)) for n in range(3)]
    for future in large:
        with pytest.raises(Unavailable):
            future.result(60)
    store._writer.execute(f"PRAGMA max_page_count = {2**31}")
    assert writer.submit(adding("small")).result(60)
    writer.close()
    assert names(store) == ["small"]
    store.close()


class LosesAnswers(SqliteStore):
    """Commits, and fails to say so, as often as it is told: the unknown outcome."""

    lose_count = 0

    @contextmanager
    def writing(self) -> Iterator[SqliteWriter]:
        """See `Store`."""
        with super().writing() as writer:
            yield writer
        if self.lose_count:
            self.lose_count -= 1
            raise StoreFailed("the answer to COMMIT is lost")


async def test_an_unknown_outcome_is_read_back_from_the_mark(tmp_path: Path) -> None:
    stores: list[LosesAnswers] = []

    def make(database: str) -> LosesAnswers:
        stores.append(LosesAnswers(Path(database)))
        return stores[0]

    async with running(tmp_path, make, sweep_interval_ms=60_000) as ledger:
        await ledger.open_pool(100)
        stream = ledger.sync()
        await stream.hello()
        stores[0].lose_count = 1
        await stream.debits(debit(1, 30))
        code, reason, _ = await stream.fault()
        assert (code.name, reason) == ("UNAVAILABLE", "UNAVAILABLE")
        again = ledger.sync()
        assert (await again.hello(epoch=1, instance=instance(1), last_sequence=2)).acked_sequence == 1
        await again.debits(debit(1, 30), debit(2, 5))
        await again.acked(2)
        assert (await ledger.balance()).spent_total == 35


async def test_a_repeated_create_after_an_unknown_outcome_finds_its_own_work(tmp_path: Path) -> None:
    stores: list[LosesAnswers] = []

    def make(database: str) -> LosesAnswers:
        stores.append(LosesAnswers(Path(database)))
        return stores[0]

    async with running(tmp_path, make, sweep_interval_ms=60_000) as ledger:
        await ledger.open_pool()
        stores[0].lose_count = 1
        with pytest.raises(Exception, match="outcome is unknown"):
            await ledger.grant("g", 10)
        await ledger.grant("g", 10)
        assert (await ledger.balance()).posted == 10
        assert len(await ledger.entries()) == 1
        assert (await ledger.api.ListAccounts(api.ListAccountsRequest())).accounts[0].account_id == "a"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_commit_that_fails_leaves_a_store_that_works(store: Store) -> None:
    assert isinstance(store, SqliteStore)

    def break_the_commit() -> None:
        with store.writing() as writer:
            writer.insert_account(add("lost"))
            store._writer.execute("PRAGMA defer_foreign_keys = ON")
            store._writer.execute("INSERT INTO lives VALUES (99, 1, 1)")

    with pytest.raises(StoreFailed):
        break_the_commit()
    with store.writing() as writer:
        writer.insert_account(add("kept"))
    assert names(store) == ["kept"]
    assert isinstance(store._writer, sqlite3.Connection)
