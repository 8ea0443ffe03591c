"""What is PostgreSQL's own: settings, formats, secrets, and rows that several replicas want at once."""

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest
from holdfast_bench.postgres import Server
from holdfast_ledger.bootstrap import main
from holdfast_ledger.config import load
from holdfast_ledger.errors import Unavailable
from holdfast_ledger.store import postgres_notices
from holdfast_ledger.store.interface import (
    NEVER,
    Aborted,
    Account,
    DeliveryState,
    Event,
    Locks,
    Pool,
    StoreFailed,
    StoreTooNew,
    Webhook,
    Writer,
)
from holdfast_ledger.store.postgres import PostgresStore
from holdfast_ledger.store.postgres_session import place
from holdfast_ledger.store.postgres_values import escaped, unescaped
from holdfast_ledger.writer import GroupWriter

from tests.ledger.harness import Books, Clock, assert_audited, debit, execute, instance
from tests.nemesis.proxy import ProxyProcess

LINK = "database"
PATIENCE_S = 60


@pytest.fixture
def one(postgres_url: str) -> Iterator[PostgresStore]:
    """The store of a replica."""
    store = PostgresStore(postgres_url)
    yield store
    store.close()


@pytest.fixture
def two(postgres_url: str) -> Iterator[PostgresStore]:
    """The store of another replica over the same database."""
    store = PostgresStore(postgres_url)
    yield store
    store.close()


def add(name: str) -> Callable[[Writer], int]:
    """A job that adds an account."""
    return lambda writer: writer.insert_account(Account(name, "", 1))


def names(store: PostgresStore) -> list[str]:
    with store.reading() as reader:
        return [row.account_id for row in reader.accounts(0, 100)]


def setting(store: PostgresStore, name: str) -> object:
    row = store._writer.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return row[0]


def is_waiting(store: PostgresStore) -> bool:
    """Whether someone waits for a row."""
    row = store._writer.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    return row is not None and row[0] != 0


def wait_until(so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not so():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def test_every_limit_is_set(one: PostgresStore) -> None:
    names_and_values = {
        "statement_timeout": "30s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "10s",
        "synchronous_commit": "on",
        "enable_seqscan": "off",
    }
    assert {name: setting(one, name) for name in names_and_values} == names_and_values


@pytest.mark.parametrize(("default", "kept"), [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")])
def test_commits_are_durable_whatever_the_default(postgres_url: str, default: str, kept: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = place(postgres_url).rpartition("/")[2]
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = {default}".encode())
    store = PostgresStore(postgres_url)
    assert setting(store, "synchronous_commit") == kept
    store.close()


def test_a_newer_format_is_refused_and_left_alone(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE schema_version SET version = 1000")
    with pytest.raises(StoreTooNew, match="newer version"):
        PostgresStore(postgres_url)
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(1000,)]


@pytest.mark.parametrize(
    "table",
    [
        "theirs (x BIGINT)",
        "schema_version (version BIGINT)",
        "schema_version (application TEXT, version BIGINT)",
    ],
)
def test_another_programs_database_is_refused_and_left_alone(postgres: Server, table: str) -> None:
    url = postgres.create()
    with psycopg.connect(url) as connection:
        connection.execute(f"CREATE TABLE {table}".encode())
    with pytest.raises(StoreFailed, match="not a ledger"):
        PostgresStore(url)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (1,)


def test_a_database_that_cannot_hold_every_text_is_refused(postgres: Server) -> None:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(StoreFailed, match="UTF8"):
        PostgresStore(postgres.url("latin"))


def test_replicas_may_start_at_once(postgres: Server) -> None:
    url = postgres.create()
    with ThreadPoolExecutor(8) as threads:
        stores = list(threads.map(PostgresStore, [url] * 8))
    assert stores[0]._writer.execute("SELECT count(*) FROM ledger").fetchone() == (1,)
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@127.0.0.1:1/ledger",
        "postgresql://me:s3cret%zz@127.0.0.1/ledger",
        "postgresql://me:s3cret@127.0.0.1:port/ledger",
        "postgres://me@127.0.0.1:1/ledger?password=s3cret",
    ],
)
def test_nobody_is_told_the_password(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StoreFailed) as caught:
        PostgresStore(url)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(load({"database": url}, None, {}))
    assert main(["--database", url]) == 69
    assert main(["audit", "--database", url]) == 69
    told = capsys.readouterr()
    assert "s3cret" not in told.out + told.err


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE pools SET free = free + 1",
        "UPDATE pools SET leased = leased - 1000, free = free + 1000",
        "UPDATE leases SET returned_total = 1000",
        "UPDATE leases SET allowance_returned_total = 1",
        "UPDATE grants SET remaining = amount + 1",
        "INSERT INTO entries (type, pool_key, grant_key, amount, posted_at_ms) VALUES (1, 1, 1, 0, 0)",
        "INSERT INTO entries (type, pool_key, amount, posted_at_ms) VALUES (1, 1, 1, 0)",
        "INSERT INTO ledger VALUES (2, 1, 0)",
    ],
)
def test_the_database_itself_refuses_a_broken_invariant(one: PostgresStore, statement: str) -> None:
    books = Books(one, Clock())
    books.open_pool()
    books.grant("g", 100)
    books.hello()
    books.want(10)
    with pytest.raises(psycopg.IntegrityError):
        execute(one, statement)


@pytest.mark.parametrize("text", ["", "plain", "\x00", "\x1a", "\x1a0", "\x1a\x00", "\x00\x1a1", "a\x1a1b\x00c"])
def test_text_that_postgresql_has_not_comes_back_as_it_was(text: str) -> None:
    assert "\x00" not in escaped(text)
    assert unescaped(escaped(text)) == text


def test_a_debit_with_any_text_is_posted_and_found(one: PostgresStore) -> None:
    books = Books(one, Clock())
    books.open_pool()
    books.hello()
    odd = "op \x00 \x1a \U0001f600 '\"\\{},"
    books.post(debit(1, operation_id=odd, hold_id=odd, subject=odd), debit(2, pool_id=odd))
    assert [(line.operation_id, line.hold_id) for line in books.journal()] == [(odd, odd)]
    assert books.post(debit(3, operation_id=odd)).duplicate_count == 1


# Rows that two replicas want at once.


def test_who_locks_a_row_keeps_the_other_replica_waiting_and_no_longer(one: PostgresStore, two: PostgresStore) -> None:
    books = Books(one, Clock())
    pool = books.open_pool()
    locks = Locks(pools=frozenset({("a", "general")}))
    order: list[str] = []

    def second() -> None:
        with two.writing() as writer:
            writer.lock(Locks(pool_keys=frozenset({pool.pool_key})))
            order.append("second")
            found = writer.pool("a", "general")
            assert found is not None
            order.append(f"sees {found.recall_round}")

    thread = threading.Thread(target=second)
    with one.writing() as writer:
        writer.lock(locks)
        thread.start()
        wait_until(lambda: is_waiting(one))
        pool.recall_round = 7
        writer.save_pools([pool])
        order.append("first")
    thread.join()
    assert order == ["first", "second", "sees 7"]


def test_rows_are_locked_in_one_order_whoever_asks(one: PostgresStore, two: PostgresStore) -> None:
    books = Books(one, Clock())
    keys = [books.open_pool(f"p{n}").pool_key for n in range(6)]
    for number, name in enumerate("stuv"):
        books.hello(name, instance=instance(number))

    def contend(store: PostgresStore, sidecars: str, wanted: list[int]) -> None:
        for _ in range(40):
            with store.writing() as writer:
                writer.lock(Locks(frozenset(sidecars), frozenset({("a", "p3")}), frozenset(wanted)))
                writer.save_pools(writer.pools_by_key(wanted).values())
                for name in sidecars:
                    found = writer.sidecar(name)
                    assert found is not None
                    writer.save_sidecar(found)

    with ThreadPoolExecutor(2) as threads:
        done = [
            threads.submit(contend, one, "stuv", keys),
            threads.submit(contend, two, "vuts", list(reversed(keys))),
        ]
        for future in done:
            future.result(PATIENCE_S)


def test_a_deadlock_gives_one_transaction_up_and_its_jobs_are_repeated(one: PostgresStore, two: PostgresStore) -> None:
    books = Books(one, Clock())
    keys = [books.open_pool(f"p{n}").pool_key for n in range(2)]
    both = threading.Barrier(2)
    met = itertools.count()

    def job(first: int, second: int) -> Callable[[Writer], None]:
        """Locks one row after the other, against the rule."""

        def run(writer: Writer) -> None:
            writer.lock(Locks(pool_keys=frozenset({first})))
            if next(met) < 2:
                both.wait(PATIENCE_S)
            writer.lock(Locks(pool_keys=frozenset({second})))
            writer.insert_account(Account(f"by {first}", "", 1))

        return run

    writers = GroupWriter(one), GroupWriter(two)
    futures = [writers[0].submit(job(keys[0], keys[1])), writers[1].submit(job(keys[1], keys[0]))]
    for future in futures:
        future.result(PATIENCE_S)
    for writer in writers:
        writer.close()
    repeated_count = sum(writer.statistics().repeated_count for writer in writers)
    assert repeated_count >= 1, "more when the one that was given up is back before the other has its second row"
    assert len(names(one)) == 3


def test_a_deadlock_is_told_as_nothing_done(one: PostgresStore) -> None:
    def fail() -> None:
        with one.writing() as writer:
            writer.insert_account(Account("gone", "", 1))
            raise_deadlock = "DO $$ BEGIN RAISE EXCEPTION 'met' USING ERRCODE = '40P01'; END $$"
            one._writer.execute("SAVEPOINT s")
            writer._rows(raise_deadlock)

    with pytest.raises(Aborted, match="met"):
        fail()
    assert names(one) == []


def test_an_account_that_two_replicas_make_at_once_is_made_once(one: PostgresStore, two: PostgresStore) -> None:
    def make(writer: Writer) -> Account:
        there = writer.account("a")
        if there is None:
            there = Account("a", "", 1)
            if next(tries) < 2:
                both.wait(PATIENCE_S)
            writer.insert_account(there)
        return there

    both = threading.Barrier(2)
    tries = itertools.count()
    writers = GroupWriter(one), GroupWriter(two)
    made = [future.result(PATIENCE_S) for future in [writer.submit(make) for writer in writers]]
    for writer in writers:
        writer.close()
    assert made[0].account_key == made[1].account_key
    assert sum(writer.statistics().repeated_count for writer in writers) == 1


def test_an_operation_that_reaches_two_replicas_at_once_is_posted_once(one: PostgresStore, two: PostgresStore) -> None:
    clock = Clock()
    first, second = Books(one, clock), Books(two, clock)
    for pool in ("general", "other"):
        first.open_pool(pool)
    first.hello("s")
    first.hello("t", instance=instance(2))
    outcome: list[int] = []
    thread = threading.Thread(
        target=lambda: outcome.append(
            second.post(debit(1, 5, pool_id="other", operation_id="same"), sidecar_id="t").duplicate_count
        )
    )

    def slowly(writer: Writer) -> None:
        from holdfast_ledger.posting.post import post

        sidecar = writer.sidecar("s")
        assert sidecar is not None
        post(writer, sidecar, [debit(1, 5, operation_id="same")], clock.now_ms())
        thread.start()
        wait_until(lambda: is_waiting(one))

    first.write(slowly)
    thread.join()
    assert outcome == [1]
    assert first.pool("general").spent_total + first.pool("other").spent_total == 5
    assert_audited(one)


def test_the_sweep_leaves_out_what_another_replica_has_locked(one: PostgresStore, two: PostgresStore) -> None:
    clock = Clock()
    books = Books(one, clock)
    for name in ("general", "free"):
        books.open_pool(name)
        books.grant("g", 10, name, expires_at_ms=clock.now_ms() + 5)
    for number, name in enumerate("st"):
        books.hello(name, instance=instance(number))
        books.want(1, name, pool_id="free")
    clock.advance(10**9)
    with one.writing() as holder:
        holder.lock(Locks(frozenset("s"), frozenset({("a", "general")})))
        with two.writing() as writer:
            due = writer.grants_due(clock.now_ms(), 100, None)
            assert [grant.pool_key for grant in due] == [books.pool("free").pool_key]
        with two.writing() as writer:
            lives = writer.lives_due(clock.now_ms(), 100)
            assert [life.sidecar_key for life in lives] == [books.sidecar("t").sidecar_key]
    with two.writing() as writer:
        assert len(writer.grants_due(clock.now_ms(), 100, None)) == 2
    with two.writing() as writer:
        assert len(writer.lives_due(clock.now_ms(), 100)) == 2


def event(pool: Pool, name: str) -> Event:
    return Event(name, "t", pool.account_key, "a", pool.pool_key, "general", "{}", 1)


def test_events_commit_in_the_order_of_their_keys(one: PostgresStore, two: PostgresStore) -> None:
    """So whoever pages through them misses none."""
    pool = Books(one, Clock()).open_pool()

    def second() -> None:
        with two.writing() as writer:
            writer.insert_event(event(pool, "second"))

    thread = threading.Thread(target=second)
    with one.writing() as writer:
        writer.insert_event(event(pool, "first"))
        thread.start()
        wait_until(lambda: is_waiting(one) or not thread.is_alive())
        assert thread.is_alive()
        with one.reading() as reader:
            assert reader.events(None, 0, 10) == []
    thread.join()
    with one.reading() as reader:
        assert [x.event_id for x in reader.events(None, 0, 10)] == ["first", "second"]


def test_a_webhook_deleted_while_an_event_is_made_breaks_neither(one: PostgresStore, two: PostgresStore) -> None:
    pool = Books(one, Clock()).open_pool()
    webhook = Webhook("w", "", "https://x", "s", 1)
    with one.writing() as writer:
        writer.insert_webhook(webhook, None)

    def delete() -> None:
        with two.writing() as writer:
            writer.delete_webhook(webhook.webhook_key)

    with ThreadPoolExecutor(1) as threads:
        with one.writing() as writer:
            made = event(pool, "e")
            writer.insert_event(made)
            writer.insert_deliveries(made)
            deleting = threads.submit(delete)
            wait_until(lambda: is_waiting(one) or deleting.done())
        deleting.result()
    with one.reading() as reader:
        assert reader.webhooks(0, 10) == []
        assert len(reader.events(None, 0, 10)) == 1


def test_a_delivery_that_another_replica_is_about_to_claim_is_left_out(one: PostgresStore, two: PostgresStore) -> None:
    pool = Books(one, Clock()).open_pool()
    with one.writing() as writer:
        writer.insert_webhook(Webhook("w", "", "https://x", "s", 1), None)
        for name in ("first", "second"):
            made = event(pool, name)
            writer.insert_event(made)
            writer.insert_deliveries(made)
    with one.writing() as mine, two.writing() as others:
        claimed = [
            mine.claim_deliveries(5, 100, 1),
            others.claim_deliveries(5, 100, 10),
            mine.claim_deliveries(5, 100, 9),
        ]
        assert [[x.event_id for x in each] for each in claimed] == [["first"], ["second"], []]
    with one.writing() as writer:
        assert writer.claim_deliveries(99, 200, 10) == []
        assert len(writer.claim_deliveries(100, 200, 10)) == 2
        (old, _), again = claimed[0] + claimed[1], writer.deliveries(1, 0, 0, 10)
        old.state, old.next_at_ms = DeliveryState.DELIVERED, NEVER
        writer.save_delivery(old, 100)
        assert writer.deliveries(1, 0, 0, 10) == again, "a claim that has run out changes nothing"


# Connections that are lost.


def cut(by: PostgresStore, store: PostgresStore) -> None:
    """Ends the connection of a store's writer from the server's side."""
    by._writer.execute("SELECT pg_terminate_backend(%s::int, 10000)", (store._writer.info.backend_pid,))


def test_a_connection_lost_between_transactions_is_opened_again(one: PostgresStore, two: PostgresStore) -> None:
    cut(two, one)
    with one.writing() as writer:
        writer.insert_account(Account("a", "", 1))
    with one.reading() as reader:
        assert reader.account("a") is not None
    two._writer.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert names(one) == ["a"]
    with one.writing() as writer:
        assert writer.account("a") is not None
        assert setting(one, "lock_timeout") == "5s"


def test_a_connection_lost_within_a_transaction_fails_all_its_jobs(one: PostgresStore, two: PostgresStore) -> None:
    writer = GroupWriter(one)
    gate, entered = threading.Event(), threading.Event()

    def wait(_: Writer) -> None:
        entered.set()
        gate.wait(PATIENCE_S)

    held = writer.submit(wait)
    assert entered.wait(PATIENCE_S)
    futures: list[Future[int] | Future[None]] = [
        writer.submit(add("a")),
        writer.submit(lambda _: cut(two, one)),
        writer.submit(add("b")),
    ]
    gate.set()
    held.result(PATIENCE_S)
    for future in futures:
        with pytest.raises(Unavailable):
            future.result(PATIENCE_S)
    writer.submit(add("later")).result(PATIENCE_S)
    writer.close()
    assert names(one) == ["later"]


@pytest.fixture
def proxied(postgres: Server, postgres_url: str) -> Iterator[tuple[ProxyProcess, PostgresStore]]:
    """A store whose way to the database can be cut."""
    proxy = ProxyProcess()
    port = proxy.open(LINK, "127.0.0.1:0", f"unix:{postgres.folder}/.s.PGSQL.{postgres.port}")
    name = place(postgres_url).rpartition("/")[2]
    store = PostgresStore(f"postgresql://holdfast@127.0.0.1:{port}/{name}")
    yield proxy, store
    store.close()
    proxy.close()


@pytest.mark.parametrize("arrives", [True, False])
def test_a_commit_whose_answer_is_lost_is_unknown_and_read_back(
    proxied: tuple[ProxyProcess, PostgresStore], arrives: bool
) -> None:
    proxy, store = proxied
    books = Books(store, Clock())
    books.open_pool()
    books.hello()
    proxy.set(LINK, cut_at="COMMIT", cut_count=1, cut_before=not arrives)
    with pytest.raises(StoreFailed, match="COMMIT"):
        books.post(debit(1, 5), debit(2, 7))
    assert proxy.traffic(LINK).cut_count == 1
    wait_until(lambda: books.sidecar().acked_sequence == (2 if arrives else 0))
    assert books.post(debit(1, 5), debit(2, 7)).dropped_count == (2 if arrives else 0)
    assert books.pool().spent_total == 12
    assert_audited(store)


def test_a_database_that_is_gone_is_told_and_served_again(proxied: tuple[ProxyProcess, PostgresStore]) -> None:
    proxy, store = proxied
    writer = GroupWriter(store)
    writer.submit(add("before")).result(PATIENCE_S)
    proxy.set(LINK, stall_up=True, stall_down=True)
    proxy.drop(LINK)
    proxy.set(LINK, stall_up=False, stall_down=False)
    writer.submit(add("after")).result(PATIENCE_S)
    writer.close()
    assert names(store) == ["before", "after"]


# What replicas tell each other.


class Ear:
    """Collects what a replica hears."""

    def __init__(self) -> None:
        self.keys: set[int] = set()
        self.all_count = 0

    def hear(self, pool_keys: frozenset[int] | None) -> None:
        """Takes one announcement."""
        if pool_keys is None:
            self.all_count += 1
        else:
            self.keys |= pool_keys


def test_announcements_reach_the_other_replica_and_not_oneself(one: PostgresStore, two: PostgresStore) -> None:
    mine, other = Ear(), Ear()
    stop = [one.listen(mine.hear), two.listen(other.hear)]
    wait_until(lambda: mine.all_count == other.all_count == 1)
    wanted = set(range(2**40, 2**40 + 5_000))
    one.announce(wanted)
    wait_until(lambda: other.keys == wanted)
    two.announce([1])
    wait_until(lambda: mine.keys == {1})
    for end in stop:
        end()


def test_announcements_are_heard_in_a_process_with_thousands_of_descriptors(postgres_url: str) -> None:
    """A ledger has one for each sidecar that is connected."""
    with contextlib.ExitStack() as opened:
        for _ in range(1_100):
            opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        one, two = PostgresStore(postgres_url), PostgresStore(postgres_url)
        mine, other = Ear(), Ear()
        stop = [one.listen(mine.hear), two.listen(other.hear)]
        wait_until(lambda: mine.all_count == other.all_count == 1)
        one.announce([7])
        wait_until(lambda: other.keys == {7})
        for end in stop:
            end()
        one.close()
        two.close()


def test_after_a_lost_connection_any_pool_may_have_changed(one: PostgresStore, two: PostgresStore) -> None:
    ear = Ear()
    stop = one.listen(ear.hear)
    wait_until(lambda: ear.all_count == 1)
    two._writer.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        " AND datname = current_database()"
    )
    wait_until(lambda: ear.all_count == 2)
    stop()


def test_everything_is_told_again_now_and_then(one: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_notices, "REPEAT_S", 0.01)
    ear = Ear()
    stop = one.listen(ear.hear)
    wait_until(lambda: ear.all_count > 3)
    stop()


def test_a_pool_that_was_made_after_the_locks_were_taken_is_not_changed(postgres_url: str) -> None:
    mine, other = PostgresStore(postgres_url), Books(PostgresStore(postgres_url), Clock())
    locks = Locks(pools=frozenset({("a", "general")}))
    with mine.writing() as writer:
        writer.lock(locks)
        other.open_pool()
        pool = writer.pool("a", "general")
        assert pool is not None
        with pytest.raises(Aborted):
            writer.save_pools([pool])
    with mine.writing() as writer:
        writer.lock(locks)
        writer.save_pools([pool])
    other.store.close()
    mine.close()
