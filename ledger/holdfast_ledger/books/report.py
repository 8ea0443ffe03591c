"""The roll-forward: closed months as they were fixed, open ones from the months of grants, a few accounts at a time."""

from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from itertools import groupby

from holdfast_ledger.books.figures import (
    REVENUE,
    ZERO,
    Amounts,
    LineName,
    Months,
    grant_lines,
)
from holdfast_ledger.books.months import month_of, month_text, months, next_month
from holdfast_ledger.books.policy import read_policy
from holdfast_ledger.errors import FigureTooLarge
from holdfast_ledger.store.book_rows import BookMonth, BookReader, ClosedLine, ClosedPeriod, GrantFacts, LineSum
from holdfast_ledger.store.interface import MAX_AMOUNT

ACCOUNTS_AT_ONCE = 500
"""Accounts whose grants are in memory at a time."""

_Lines = MutableMapping[tuple[int, LineName], Amounts]


def roll_forward(
    reader: BookReader, first: int, last: int, account_key: int | None, now_ms: int
) -> tuple[list[LineSum], int]:
    """Returns the lines of months, by month, kind, product and currency; and the last month among them that is closed.

    Months that have not begun have no lines.

    Args:
        reader: A snapshot.
        first: The first month.
        last: The last one, included.
        account_key: Of one account; None: of all together.
        now_ms: Unix time.
    """
    closed = reader.closed_periods()
    last_closed = closed[-1].period if closed else 0
    lines = reader.closed_sums(first, min(last, last_closed), account_key)
    periods = open_months(reader, closed, min(last, month_of(now_ms)))
    if periods:
        found: _Lines = {}
        wanted = open_policies(reader, closed, periods)
        for after, until in spans(reader) if account_key is None else [(account_key - 1, account_key)]:
            for _, period, name, amounts in lines_of(reader, after, until, wanted):
                found[period, name] = found.get((period, name), ZERO).plus(amounts)
        openings = {
            LineName(x.kind, x.product, x.currency): x.closing
            for x in reader.closed_sums(last_closed, last_closed, account_key)
        }
        lines += [line for line in roll(openings, found, periods) if line.period >= first]
    return lines, min(last, last_closed)


def check_fits(line: LineSum | ClosedLine, of: str) -> None:
    """Refuses a line with a figure that 64 bits cannot tell.

    Args:
        line: The line. Its figures are exact, whatever their size.
        of: Whose figures they are, and what may be asked for instead.

    Raises:
        FigureTooLarge: There is one.
    """
    for name, figure in zip(LineSum._fields[4:], line[-8:], strict=True):
        if not -MAX_AMOUNT <= figure <= MAX_AMOUNT:
            what = f"{month_text(line.period)}, {line.product}, {line.currency}"
            raise FigureTooLarge(f"{what}: {name} of {of} passes 2^63-1 minor units", field=name)


def open_months(reader: BookReader, closed: Sequence[ClosedPeriod], last: int) -> list[int]:
    """Returns the months that are not closed, from the first in which anything happened to a given one."""
    begin = next_month(closed[-1].period) if closed else reader.first_period()
    return months(begin, last) if begin else []


def open_policies(reader: BookReader, closed: Sequence[ClosedPeriod], periods: Sequence[int]) -> Months:
    """Returns open months with the policy of now, after closed ones with theirs."""
    policy = read_policy(reader.books().policy)
    return Months(periods, [policy] * len(periods), read_policy(closed[-1].policy) if closed else policy)


def spans(reader: BookReader) -> Iterator[tuple[int, int]]:
    """Returns all accounts in runs of a few: keys after the first number and up to the second."""
    after = 0
    while until := reader.account_bounds(after, ACCOUNTS_AT_ONCE):
        yield after, until
        after = until


def lines_of(
    reader: BookReader, after_account: int, last_account: int, wanted: Months
) -> Iterator[tuple[int, int, LineName, Amounts]]:
    """Returns what each grant of some accounts adds to lines: account, month, name and amounts.

    Grants that did not move in the wanted months are only looked at if another policy may move their figures.
    """
    changed = any(policy != wanted.before for policy in wanted.policies)
    since = 0 if changed else wanted.periods[0]
    facts = reader.grant_facts(after_account, last_account, since)
    yield from lines_from(facts, reader.book_months(after_account, last_account, since), wanted)


def lines_from(
    facts: dict[int, GrantFacts], rows: Iterable[BookMonth], wanted: Months
) -> Iterator[tuple[int, int, LineName, Amounts]]:
    """As `lines_of`, from rows by grant in their order."""
    for grant_key, mine in groupby(rows, key=lambda row: row.grant_key):
        grant = facts[grant_key]
        for period, name, amounts in grant_lines(grant, list(mine), wanted):
            yield grant.account_key, period, name, amounts


def roll(openings: MutableMapping[LineName, int], found: _Lines, periods: Sequence[int]) -> Iterator[LineSum]:
    """Puts months in a row: what one closes with is what the next one opens with. Leaves out what is all zero."""
    names = sorted({*openings, *(name for _, name in found)})
    for period in periods:
        for name in names:
            amounts, opening = found.get((period, name), ZERO), openings.get(name, 0)
            closing = opening + amounts.deferred if name.kind == REVENUE else 0
            openings[name] = closing
            if amounts == ZERO and not opening:
                continue
            # What rolls over stays in its line; only a block of entries may end between its two halves.
            shown = amounts.granted - amounts.moved, *amounts[1:4]
            yield LineSum(period, *name, opening, *shown, closing, amounts.contra, amounts.late)
