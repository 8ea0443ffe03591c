"""Shorthands of the books' tests: a clock in months, books kept and closed without a network."""

import asyncio
import datetime
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from holdfast_ledger.books.closing import Closing
from holdfast_ledger.books.keeping import Block, Bookkeeper, append, next_block
from holdfast_ledger.books.policy import Policy, write_policy
from holdfast_ledger.books.report import roll_forward
from holdfast_ledger.snapshots import Snapshots
from holdfast_ledger.store.book_rows import ClosedPeriod, LineSum
from holdfast_ledger.store.interface import Writer
from holdfast_ledger.writer import GroupWriter

from tests.ledger.harness import Books

T = TypeVar("T")

DAY_MS = 86_400_000


def ms(text: str) -> int:
    """Unix milliseconds of "2027-03-05" or "2027-03-05T10:00" in UTC."""
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp() * 1_000)


def go_to(books: Books, text: str) -> int:
    """Moves the clock to a time, which is not past."""
    to_ms = ms(text)
    assert to_ms >= books.clock.now_ms()
    books.clock.advance(to_ms - books.clock.now_ms())
    return to_ms


def keep(books: Books) -> None:
    """Counts and seals all that is posted. Nothing is under way meanwhile."""
    now_ms = books.clock.now_ms()
    while True:
        with books.store.reading() as reader:
            block = next_block(reader, reader.last_entry_key(), now_ms)
        if block is None:
            return
        assert books.write(partial(_append, block, now_ms))


def _append(block: Block, now_ms: int, writer: Writer) -> bool:
    return append(writer, block, now_ms)


def set_policy(books: Books, policy: Policy) -> None:
    """Sets how open months are treated."""

    def job(writer: Writer) -> None:
        writer.save_books(writer.lock_books()._replace(policy=write_policy(policy)))

    books.write(job)


def lines(books: Books, first: int, last: int, account_key: int | None = None) -> list[LineSum]:
    """The roll-forward, kept up to now."""
    keep(books)
    with books.store.reading() as reader:
        return roll_forward(reader, first, last, account_key, books.clock.now_ms())[0]


def with_closing(books: Books, act: Callable[[Closing], Coroutine[Any, Any, T]]) -> T:
    """Runs a coroutine on what closes months."""
    writer = GroupWriter(books.store)
    with ThreadPoolExecutor(1) as threads:
        snapshots = Snapshots(books.store, threads)

        async def run() -> T:
            keeper = Bookkeeper(snapshots, writer, books.clock.now_ms)
            return await act(Closing(snapshots, writer, keeper, books.clock.now_ms))

        try:
            return asyncio.run(run())
        finally:
            writer.close()


def close(books: Books, period: int) -> ClosedPeriod:
    """Closes a month."""
    return with_closing(books, lambda closing: closing.close(period))
