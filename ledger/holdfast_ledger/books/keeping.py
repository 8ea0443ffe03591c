"""Keeps the books: soon after entries are posted, a block of them is counted by month and sealed by a link.

What is to be written is worked out on a snapshot, beside the writer; the writer only appends it, if nobody else was
faster. So posting waits for two small statements, and any number of replicas may keep the books.

On PostgreSQL keys are given out before the commit. A block ends at a key below which nothing can appear any more: the
last key of some look at the journal, once all transactions that were under way then are over (`FeedReader.feed_fence`).
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdfast_ledger.books.chain import FIRST, link_hash
from holdfast_ledger.books.months import month_of_day, next_month
from holdfast_ledger.errors import LedgerError, Unavailable
from holdfast_ledger.snapshots import Snapshots
from holdfast_ledger.store.book_rows import BookMonth, BookState, EntryGroup, Link
from holdfast_ledger.store.interface import Reader, Writer
from holdfast_ledger.writer import GroupWriter

BLOCK_ENTRIES = 5_000
"""Entries of one link: some hundredths of a second of work, and little memory for whoever verifies it."""

CLAIM_AHEAD_MS = 3_600_000
"""How far ahead a claim may be: one beyond is that of a clock that was wrong, and books would wait for it for ever."""

FENCE_WAIT_S = 0.01
"""Pause between looks at transactions that are under way."""

FENCE_LOOKS = 500
"""Looks before a call gives up: transactions of the ledger are over within tenths of a second."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Block:
    """What entries add to the books, worked out on a snapshot."""

    after_key: int
    """The last entry that was counted then; if that has moved, the block is worth nothing."""
    link: Link
    months: tuple[BookMonth, ...]


@dataclass(frozen=True, slots=True)
class BookStatistics:
    """How far the books are."""

    lag_ms: int
    """For how long the first entry that is not counted and sealed has been posted; 0: all are."""
    last_entry_key: int
    link_count: int


def months_of(groups: Sequence[EntryGroup]) -> list[BookMonth]:
    """Returns what groups of entries add to months: that of their effect, or the first one that was open."""
    found: dict[tuple[int, int, int], list[int]] = {}
    month_of = {day: month_of_day(day) for day in {group.day for group in groups}}
    for grant_key, day, closed, *amounts in groups:
        late = month_of[day] <= closed
        key = grant_key, next_month(closed) if late else month_of[day], int(late)
        there = found.get(key)
        found[key] = [a + b for a, b in zip(there, amounts, strict=True)] if there else amounts
    return [BookMonth(*key, *sums) for key, sums in sorted(found.items())]


def next_block(reader: Reader, settled_key: int, now_ms: int, claim_ms: int = 0) -> Block | None:
    """Works out the next block; None: there is nothing to count, or somebody else closes months.

    Args:
        reader: A snapshot.
        settled_key: The last key below which nothing can appear any more.
        now_ms: Unix time.
        claim_ms: `closing_until_ms` as the caller has set it, if it is the one who closes months.
    """
    state = reader.books()
    end, count = reader.block_end(state.last_entry_key, settled_key, BLOCK_ENTRIES)
    if not count or kept_by_another(state, now_ms, claim_ms):
        return None
    last = reader.last_link()
    text = reader.canonical(state.last_entry_key, end).text
    link = Link(last.link_key + 1 if last else 1, reader.ledger().generation, end, count, 0, now_ms, b"")
    link = link._replace(hash=link_hash(last.hash if last else FIRST, link, text))
    return Block(state.last_entry_key, link, tuple(months_of(reader.entry_groups(state.last_entry_key, end))))


def kept_by_another(state: BookState, now_ms: int, claim_ms: int = 0) -> bool:
    """Whether somebody closes months, and it is not who has made this claim."""
    return now_ms < state.closing_until_ms <= now_ms + CLAIM_AHEAD_MS and state.closing_until_ms != claim_ms


def append(writer: Writer, block: Block, now_ms: int, claim_ms: int = 0) -> bool:
    """Writes a block; returns False, having changed nothing, if the books have moved on since."""
    state = writer.lock_books()
    last = writer.last_link()
    unmoved = state.last_entry_key == block.after_key and (last.link_key if last else 0) + 1 == block.link.link_key
    if not unmoved or kept_by_another(state, now_ms, claim_ms):
        return False
    writer.insert_link(block.link)
    writer.add_book_months(block.months)
    writer.save_books(state._replace(last_entry_key=block.link.last_entry_key))
    return True


class Bookkeeper:
    """Keeps the books of a replica. On one event loop."""

    def __init__(self, snapshots: Snapshots, writer: GroupWriter, now_ms: Callable[[], int]) -> None:
        self._snapshots = snapshots
        self._writer = writer
        self._now_ms = now_ms
        self._turn = asyncio.Lock()

    async def run(self, interval_ms: int) -> None:
        """Catches up at an interval, until it is cancelled."""
        while True:
            await asyncio.sleep(interval_ms / 1_000)
            try:
                await self.catch_up()
            except LedgerError as fault:
                _log.warning("the books were not kept and will be: %s", fault)
            except Exception:  # noqa: BLE001 - whatever it is, the next turn may do; the lag tells if it does not
                _log.exception("the books were not kept")

    async def catch_up(self) -> int:
        """Counts and seals all that was posted before the call; returns the last entry. Raises `Unavailable`."""
        last_key = await self.settled()
        async with self._turn:
            while await self._next(last_key):
                pass
        return last_key

    async def settled(self) -> int:
        """Waits until nothing can appear any more below the last key of now; returns it. Raises `Unavailable`."""
        last_key, fence = await self._snapshots.read(_end)
        for _ in range(FENCE_LOOKS):
            if not fence or await self._snapshots.read(lambda reader: reader.fence_passed(fence)):
                return last_key
            await asyncio.sleep(FENCE_WAIT_S)
        raise Unavailable("a transaction on the database has been under way for seconds")

    async def count_to(self, last_key: int, claim_ms: int) -> None:
        """Counts and seals up to a key below which nothing can appear, for who has claimed the books."""
        while await self._next(last_key, claim_ms):
            pass

    async def _next(self, last_key: int, claim_ms: int = 0) -> bool:
        now_ms = self._now_ms()
        block = await self._snapshots.read(lambda reader: next_block(reader, last_key, now_ms, claim_ms))
        if block is None:
            return False
        await self._writer.run(lambda writer: append(writer, block, self._now_ms(), claim_ms), alone=True)
        return True


def _end(reader: Reader) -> tuple[int, int]:
    """Returns the last entry, and the fence below which it is settled; 0: it is, since it was counted."""
    last_key = reader.last_entry_key()
    return last_key, reader.feed_fence() if last_key > reader.books().last_entry_key else 0


def book_statistics(reader: Reader, now_ms: int) -> BookStatistics:
    """Tells how far the books are."""
    last, since_ms = reader.last_link(), reader.entries_waiting()
    lag_ms = max(0, now_ms - since_ms) if since_ms else 0
    return BookStatistics(lag_ms, reader.books().last_entry_key, last.link_key if last else 0)
