"""The books are kept in blocks that nothing can get into later, by whoever is first."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from holdfast_ledger.books import keeping
from holdfast_ledger.books.keeping import Block, Bookkeeper, append, book_statistics, next_block
from holdfast_ledger.books.verify import verify
from holdfast_ledger.errors import Unavailable
from holdfast_ledger.posting.grants import add_grant
from holdfast_ledger.snapshots import Snapshots
from holdfast_ledger.store.interface import NEVER, Grant, GrantState, Locks, Store, Writer
from holdfast_ledger.store.postgres import PostgresStore
from holdfast_ledger.writer import GroupWriter

from tests.ledger.books.setting import keep
from tests.ledger.harness import Books, Clock, debit, instance


async def keeping_with(store: Store, clock: Clock, act: Callable[[Bookkeeper], Awaitable[None]]) -> None:
    """Lets a bookkeeper act on a store."""
    writer = GroupWriter(store)
    with ThreadPoolExecutor(1) as threads:
        try:
            await act(Bookkeeper(Snapshots(store, threads), writer, clock.now_ms))
        finally:
            writer.close()


async def test_a_block_ends_before_a_key_that_may_still_appear(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica has got its keys and not committed yet, another one with later keys has."""
    monkeypatch.setattr(keeping, "FENCE_LOOKS", 3)
    clock = Clock()
    slow, quick, third = (PostgresStore(postgres_url) for _ in range(3))
    books, other = Books(slow, clock), Books(quick, clock)
    books.open_pool()
    books.open_pool("second")

    async def while_it_is_under_way(keeper: Bookkeeper) -> None:
        with slow.writing() as writer:
            _grant(writer, clock)
            other.grant("later", 5, "second")
            with pytest.raises(Unavailable):
                await keeper.catch_up()
            assert _sealed(third) == 0
        await keeper.catch_up()

    await keeping_with(third, clock, while_it_is_under_way)
    assert _sealed(third) == 2
    with third.reading() as reader:
        assert verify(reader).findings == []
    for store in (slow, quick, third):
        store.close()


def _grant(writer: Writer, clock: Clock) -> None:
    """Puts a grant into a/general, as a call does: the pool is locked first."""
    writer.lock(Locks(pools=frozenset({("a", "general")})))
    pool = writer.pool("a", "general")
    assert pool is not None
    now_ms = clock.now_ms()
    add_grant(writer, pool, Grant(0, "first", 5, 2, 0, 0, NEVER, 0, "", 0, 0, GrantState.PENDING, now_ms), now_ms)


def _sealed(store: Store) -> int:
    with store.reading() as reader:
        return verify(reader).entry_count


def test_a_block_is_worth_nothing_once_the_books_have_moved_on(books: Books) -> None:
    books.open_pool()
    books.grant("g", 10, cost_amount=5, cost_currency="USD")
    now_ms = books.clock.now_ms()
    with books.store.reading() as reader:
        block = next_block(reader, reader.last_entry_key(), now_ms)
    assert block is not None
    write = partial(_append, block, now_ms)
    assert books.write(write)
    assert not books.write(write), "another replica was faster"
    with books.store.reading() as reader:
        assert verify(reader).entry_count == 1


def test_nothing_is_counted_while_months_are_closed(books: Books) -> None:
    books.open_pool()
    books.grant("g", 10)
    now_ms = books.clock.now_ms()
    with books.store.reading() as reader:
        block = next_block(reader, reader.last_entry_key(), now_ms)
    assert block is not None
    books.write(lambda writer: writer.save_books(writer.lock_books()._replace(closing_until_ms=now_ms + 5)))
    assert not books.write(partial(_append, block, now_ms))
    with books.store.reading() as reader:
        assert next_block(reader, reader.last_entry_key(), now_ms) is None
        assert next_block(reader, reader.last_entry_key(), now_ms, claim_ms=now_ms + 5) == block
        assert next_block(reader, reader.last_entry_key(), now_ms + 5) is not None, "a claim runs out"


def _append(block: Block, now_ms: int, writer: Writer) -> bool:
    return append(writer, block, now_ms)


def test_many_blocks_are_one_history(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is cut into blocks, also within a transaction, the months are the same."""
    monkeypatch.setattr(keeping, "BLOCK_ENTRIES", 2)
    books.open_pool()
    books.hello()
    books.grant("g", 100, cost_amount=5, cost_currency="USD")
    books.post(*[debit(number, number) for number in range(1, 8)])
    keep(books)
    with books.store.reading() as reader:
        verdict = verify(reader)
        assert (verdict.entry_count, len(reader.links(0, 100)), verdict.findings) == (8, 4, [])


def test_the_lag_is_the_age_of_the_first_entry_that_is_not_sealed(books: Books) -> None:
    books.open_pool()
    books.grant("g", 10)
    books.clock.advance(1_500)
    books.grant("h", 10)
    books.clock.advance(500)
    with books.store.reading() as reader:
        assert book_statistics(reader, books.clock.now_ms()).lag_ms == 2_000
    keep(books)
    with books.store.reading() as reader:
        told = book_statistics(reader, books.clock.now_ms())
    assert (told.lag_ms, told.link_count) == (0, 1)


async def test_replicas_that_post_at_once_leave_one_sound_chain(postgres_url: str) -> None:
    """Two post side by side, so that keys commit out of order, while two others keep the books."""
    clock = Clock()
    stores = [PostgresStore(postgres_url) for _ in range(4)]
    for number in range(2):
        books = Books(stores[number], clock)
        books.open_pool(f"pool-{number}")
        books.grant("g", 10**9, f"pool-{number}", cost_amount=10**6, cost_currency="USD")
        books.hello(f"s-{number}", instance=instance(number + 1))
    with ThreadPoolExecutor(2) as threads:
        posting = [threads.submit(_post_many, Books(stores[number], clock), number) for number in range(2)]

        async def until_posted(keeper: Bookkeeper) -> None:
            while not all(one.done() for one in posting):
                await keeper.catch_up()
            await keeper.catch_up()

        await asyncio.gather(*(keeping_with(store, clock, until_posted) for store in stores[2:]))
    for one in posting:
        one.result()
    with stores[0].reading() as reader:
        verdict = verify(reader)
        assert verdict.findings == []
        assert (verdict.entry_count, verdict.unsealed_count) == (2 + 2 * 60 * 5, 0)
        assert len(reader.links(0, 1_000)) > 1
    for store in stores:
        store.close()


def _post_many(books: Books, number: int) -> None:
    name = f"s-{number}"
    for first in range(1, 301, 5):
        said = [
            debit(sequence, 1, pool_id=f"pool-{number}", operation_id=f"{name}-{sequence}")
            for sequence in range(first, first + 5)
        ]
        books.post(*said, sidecar_id=name)


async def test_whatever_fails_the_next_turn_comes(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that nobody foresaw does not end the keeping of the books."""
    turns, third = list[int](), asyncio.Event()

    async def fails(_: Bookkeeper) -> int:
        turns.append(0)
        if len(turns) == 1:
            raise Unavailable("the store failed")
        if len(turns) == 2:
            raise ZeroDivisionError
        third.set()
        return 0

    monkeypatch.setattr(Bookkeeper, "catch_up", fails)

    async def run(keeper: Bookkeeper) -> None:
        task = asyncio.create_task(keeper.run(1))
        await asyncio.wait_for(third.wait(), 20)
        task.cancel()

    await keeping_with(store, clock, run)
