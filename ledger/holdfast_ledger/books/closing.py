"""Closes months: fixes their figures, and seals them in the chain.

A closing claims the books first: nobody counts entries meanwhile, while posting goes on. It notes the journal's end,
counts up to it, works the lines out for a few accounts at a time, and writes them in as many transactions. The last
one makes the months closed, if the claim has held. A claim runs out by itself, and what it left behind is deleted by
the next one; so a closing that was broken off has changed nothing.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol

from holdfast_ledger.books.chain import FIRST, closing_text, link_hash
from holdfast_ledger.books.figures import ZERO, Amounts, LineName
from holdfast_ledger.books.keeping import Bookkeeper, kept_by_another
from holdfast_ledger.books.months import begin_ms, month_text, months, next_month
from holdfast_ledger.books.report import check_fits, lines_of, open_policies, roll, spans
from holdfast_ledger.errors import InvalidArgument, PeriodNotOver, Unavailable
from holdfast_ledger.snapshots import Snapshots
from holdfast_ledger.store.book_rows import BookReader, ClosedLine, ClosedPeriod, Link
from holdfast_ledger.store.interface import Reader, Writer
from holdfast_ledger.writer import GroupWriter

CLAIM_MS = 60_000
"""For how long a claim holds without a sign of life: each run of accounts takes far less."""

LINES_AT_ONCE = 2_000
"""Lines written by one transaction, so that nobody waits long behind it."""


class _Hash(Protocol):
    """What hashlib makes."""

    def update(self, data: bytes, /) -> None:
        """Takes more in."""

    def digest(self) -> bytes:
        """Returns the hash of all that was taken in."""


class FiguresHash:
    """The hash of a month's figures, taken in line by line in their order."""

    def __init__(self, period: int, policy: str) -> None:
        self._hash: _Hash = hashlib.sha256()
        self.line_count = 0
        self._add([period, policy])

    def _add(self, values: Sequence[int | str]) -> None:
        self._hash.update(json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n")

    def add(self, account_id: str, line: ClosedLine) -> None:
        """Takes a line in: the account's name and all that is told of it."""
        self._add([account_id, *line[2:]])
        self.line_count += 1

    def digest(self) -> bytes:
        """Returns the hash."""
        return self._hash.digest()


class Closing:
    """Closes months on behalf of calls. On one event loop."""

    def __init__(
        self, snapshots: Snapshots, writer: GroupWriter, keeper: Bookkeeper, now_ms: Callable[[], int]
    ) -> None:
        self._snapshots = snapshots
        self._writer = writer
        self._keeper = keeper
        self._now_ms = now_ms

    async def close(self, period: int) -> ClosedPeriod:
        """Closes a month and all before it; returns it, also if it was closed before.

        Raises:
            PeriodNotOver: It is not over.
            Unavailable: Another closing is under way, or was faster.
            FigureTooLarge: A line of an account does not fit; nothing is closed.
        """
        if there := await self._snapshots.read(lambda reader: _closed(reader, period)):
            return there
        await self._snapshots.read(lambda reader: _check_after_first(reader, period))
        if begin_ms(next_month(period)) > self._now_ms():
            raise PeriodNotOver("the month is not over")
        claim_ms, last_key = await self._writer.run(self._claim, alone=True)
        await self._keeper.count_to(last_key, claim_ms)
        periods = await self._snapshots.read(lambda reader: _to_close(reader, period))
        policy = await self._snapshots.read(lambda reader: reader.books().policy)
        hashes = {month: FiguresHash(month, policy) for month in periods}
        for span in await self._snapshots.read(lambda reader: list(spans(reader))):
            claim_ms = await self._write(periods, span, hashes, claim_ms)
        await self._writer.run(lambda writer: self._finish(writer, policy, last_key, hashes, claim_ms), alone=True)
        done = await self._snapshots.read(lambda reader: _closed(reader, period))
        assert done is not None
        return done

    def _claim(self, writer: Writer) -> tuple[int, int]:
        """Claims the books; returns the claim, and the last entry that the months count."""
        now_ms, state = self._now_ms(), writer.lock_books()
        if kept_by_another(state, now_ms):
            raise Unavailable("months are being closed by another call; try again in a minute")
        closed = writer.closed_periods()
        writer.clear_closed_lines(closed[-1].period if closed else 0)
        claim_ms = now_ms + CLAIM_MS
        writer.save_books(state._replace(closing_until_ms=claim_ms))
        return claim_ms, writer.end_of_journal()

    async def _write(
        self, periods: Sequence[int], span: tuple[int, int], hashes: dict[int, FiguresHash], claim_ms: int
    ) -> int:
        """Writes the lines of a run of accounts; returns the claim, renewed."""
        lines, names = await self._snapshots.read(
            lambda reader: (account_lines(reader, *span, periods), reader.account_names(*span))
        )
        for line in lines:
            check_fits(line, f"account {names[line.account_key]}")
            hashes[line.period].add(names[line.account_key], line)
        for start in range(0, max(len(lines), 1), LINES_AT_ONCE):
            part = lines[start : start + LINES_AT_ONCE]
            claim_ms = await self._writer.run(partial(self._write_part, part, claim_ms), alone=True)
        return claim_ms

    def _write_part(self, lines: Sequence[ClosedLine], claim_ms: int, writer: Writer) -> int:
        renewed_ms = self._renew(writer, claim_ms, max(claim_ms + 1, self._now_ms() + CLAIM_MS))
        writer.insert_closed_lines(lines)
        return renewed_ms

    def _renew(self, writer: Writer, claim_ms: int, until_ms: int) -> int:
        """Moves the claim on. Raises `Unavailable` if it was lost."""
        state = writer.lock_books()
        if state.closing_until_ms != claim_ms:
            raise Unavailable("the closing took too long and was given up; nothing is closed")
        writer.save_books(state._replace(closing_until_ms=until_ms))
        return until_ms

    def _finish(
        self, writer: Writer, policy: str, last_key: int, hashes: dict[int, FiguresHash], claim_ms: int
    ) -> None:
        """Makes the months closed, each with its link, and gives the books back."""
        self._renew(writer, claim_ms, 0)
        state = writer.books()
        if state.last_entry_key != last_key or state.policy != policy:
            raise Unavailable("the books or the policy have moved on meanwhile; nothing is closed")
        now_ms, generation = self._now_ms(), writer.ledger().generation
        for period, figures in hashes.items():
            closed = ClosedPeriod(period, now_ms, last_key, policy, figures.line_count, figures.digest(), b"")
            last = writer.last_link()
            link = Link(last.link_key + 1 if last else 1, generation, last_key, 0, period, now_ms, b"")
            sealed = link_hash(last.hash if last else FIRST, link, closing_text(closed))
            writer.insert_link(link._replace(hash=sealed))
            writer.insert_closed_period(closed._replace(chain_hash=sealed))


def account_lines(
    reader: BookReader, after_account: int, last_account: int, periods: Sequence[int]
) -> list[ClosedLine]:
    """Works the lines of open months out for some accounts, by account, then by month."""
    closed = reader.closed_periods()
    wanted = open_policies(reader, closed, periods)
    last_closed = closed[-1].period if closed else 0
    return lines_after(
        reader.closed_lines(last_closed, after_account, last_account),
        lines_of(reader, after_account, last_account, wanted),
        periods,
    )


def lines_after(
    before: Iterable[ClosedLine], found: Iterable[tuple[int, int, LineName, Amounts]], periods: Sequence[int]
) -> list[ClosedLine]:
    """Puts months after that of `before` in a row, for each account by itself; by account, then by month."""
    openings: defaultdict[int, dict[LineName, int]] = defaultdict(dict)
    for line in before:
        openings[line.account_key][LineName(line.kind, line.product, line.currency)] = line.closing
    added: defaultdict[int, dict[tuple[int, LineName], Amounts]] = defaultdict(dict)
    for account_key, period, name, amounts in found:
        mine = added[account_key]
        mine[period, name] = mine.get((period, name), ZERO).plus(amounts)
    return [
        ClosedLine(line.period, account_key, *line[1:])
        for account_key in sorted({*openings, *added})
        for line in roll(openings[account_key], added[account_key], periods)
    ]


def _closed(reader: Reader, period: int) -> ClosedPeriod | None:
    return next((closed for closed in reader.closed_periods() if closed.period == period), None)


def _check_after_first(reader: Reader, period: int) -> None:
    closed = reader.closed_periods()
    if closed and period < closed[0].period:
        raise InvalidArgument("period", f"lies before {month_text(closed[0].period)}, the first month with figures")


def _to_close(reader: Reader, period: int) -> list[int]:
    closed = reader.closed_periods()
    begin = next_month(closed[-1].period) if closed else min(reader.first_period() or period, period)
    return months(begin, period)
