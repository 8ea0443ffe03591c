"""Verifies the books from what is stored: the chain over the journal, and that closed figures follow from it.

Reads only, a link or a few accounts at a time, so in bounded memory. What it finds is told in words; the first broken
link is named by its first entry.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from holdfast_ledger.books.chain import FIRST, closing_text, link_hash
from holdfast_ledger.books.closing import FiguresHash, lines_after
from holdfast_ledger.books.figures import Months
from holdfast_ledger.books.keeping import months_of
from holdfast_ledger.books.months import month_text
from holdfast_ledger.books.policy import read_policy
from holdfast_ledger.books.report import lines_from, spans
from holdfast_ledger.store.book_rows import BookMonth, Canonical, ClosedLine, ClosedPeriod, Link
from holdfast_ledger.store.interface import MAX_AMOUNT, Reader

MAX_FINDINGS = 100
"""Findings told: one that is wrong makes others wrong."""

LINKS_A_PAGE = 500

_BEFORE_ALL = -(2**63)


@dataclass(slots=True)
class Verdict:
    """What was found; nothing wrong: no findings."""

    entry_count: int = 0
    """Entries that the chain seals."""
    last_entry_key: int = 0
    head: bytes = b""
    unsealed_count: int = 0
    unsealed_since_ms: int = 0
    """When the first entry that is not sealed was posted; 0: all are."""
    broken_entry_key: int = 0
    """The first entry of the first link that does not hold; 0: there is none."""
    generations: list[tuple[int, int]] = field(default_factory=list)
    """Lives of the ledger and the entry after which each begins: a restored backup begins another one."""
    periods: list[int] = field(default_factory=list)
    """Months that are closed."""
    findings: list[str] = field(default_factory=list)

    def find(self, text: str) -> None:
        """Notes what is wrong; beyond `MAX_FINDINGS` nothing more."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(text)


def verify(reader: Reader, expected_head: bytes = b"") -> Verdict:
    """Verifies chain, months and closed figures on one snapshot.

    Args:
        reader: The snapshot.
        expected_head: A hash that somebody noted: it has to be in the chain. Empty: none.
    """
    verdict = Verdict()
    closed = reader.closed_periods()
    verdict.periods = [one.period for one in closed]
    last = _check_chain(reader, {one.period: one for one in closed}, verdict)
    if expected_head and reader.link_of(expected_head) is None:
        verdict.find(
            f"the noted head {expected_head.hex()} is not in the chain: the journal's end was cut off or rewritten "
            f"after it was noted, or a backup from before it was restored (generation {reader.ledger().generation})"
        )
    _check_end(reader, last, closed, verdict)
    _check_figures(reader, closed, verdict)
    return verdict


def _check_chain(reader: Reader, closed: dict[int, ClosedPeriod], verdict: Verdict) -> Link | None:
    """Recomputes link by link up to the first that does not hold; returns the last link of all."""
    last, at, before = None, _BEFORE_ALL, FIRST
    for link in _links(reader):
        if verdict.broken_entry_key == 0:
            found = _sealed(reader, link, at, closed)
            wrong = _wrong_with(link, last, before, found)
            if wrong:
                verdict.find(wrong)
                verdict.broken_entry_key = found.first_key or max(at, 0) + 1
        if last is None or last.generation != link.generation:
            verdict.generations.append((link.generation, max(at, 0)))
        verdict.entry_count += link.entry_count
        last, at, before = link, link.last_entry_key, link.hash
    if last is not None:
        verdict.head, verdict.last_entry_key = last.hash, last.last_entry_key
    return last


def _links(reader: Reader) -> Iterator[Link]:
    after = 0
    while links := reader.links(after, LINKS_A_PAGE):
        yield from links
        after = links[-1].link_key


def _sealed(reader: Reader, link: Link, at: int, closed: dict[int, ClosedPeriod]) -> Canonical:
    if link.period:
        return Canonical(closing_text(closed[link.period]) if link.period in closed else "", 0, 0)
    return reader.canonical(at, link.last_entry_key)


def _wrong_with(link: Link, last: Link | None, before: bytes, found: Canonical) -> str:
    number = last.link_key + 1 if last else 1
    if link.link_key != number:
        return f"link {number} is missing"
    if link_hash(before, link, found.text) == link.hash:
        return ""
    if link.period:
        return f"link {number} does not hold: the closing of {month_text(link.period)} was changed"
    what = f"entries after {last.last_entry_key if last else 0} up to {link.last_entry_key}"
    if found.entry_count != link.entry_count:
        return f"link {number} does not hold: of {link.entry_count} {what} {found.entry_count} are there"
    return f"link {number} does not hold: {what}, or what they come from, were changed"


def _check_end(reader: Reader, last: Link | None, closed: Sequence[ClosedPeriod], verdict: Verdict) -> None:
    counted = reader.books().last_entry_key
    if counted != verdict.last_entry_key:
        verdict.find(f"the chain ends with entry {verdict.last_entry_key}, the books with entry {counted}")
    _, verdict.unsealed_count = reader.block_end(max(counted, verdict.last_entry_key), MAX_AMOUNT, MAX_AMOUNT)
    verdict.unsealed_since_ms = reader.entries_waiting()
    for one in closed:
        link = reader.link_of(one.chain_hash)
        if link is None or link.period != one.period:
            verdict.find(f"{month_text(one.period)} is closed and no link seals it")


def _check_figures(reader: Reader, closed: Sequence[ClosedPeriod], verdict: Verdict) -> None:
    """Counts the journal anew and compares the months of grants, then the lines of closed months with their hash."""
    last_key = reader.books().last_entry_key
    hashes = {one.period: FiguresHash(one.period, one.policy) for one in closed}
    for span in spans(reader):
        counted = months_of(reader.entry_groups_of(*span, last_key))
        _check_months(counted, list(reader.book_months(*span, 0)), verdict)
        if closed:
            _check_lines(reader, span, counted, closed, hashes, verdict)
    for one in closed:
        figures = hashes[one.period]
        if (figures.line_count, figures.digest()) != (one.line_count, one.figures_hash):
            verdict.find(f"the figures of {month_text(one.period)} are not those that were fixed")


def _check_months(counted: Sequence[BookMonth], kept: Sequence[BookMonth], verdict: Verdict) -> None:
    if counted == kept:
        return
    for row in sorted(set(counted) ^ set(kept))[:MAX_FINDINGS]:
        said = "the books" if row in set(kept) else "the journal"
        verdict.find(f"grant {row.grant_key} in {month_text(row.period)}: only {said} says {row[3:]}")


def _check_lines(
    reader: Reader,
    span: tuple[int, int],
    counted: Sequence[BookMonth],
    closed: Sequence[ClosedPeriod],
    hashes: dict[int, FiguresHash],
    verdict: Verdict,
) -> None:
    policies = [read_policy(one.policy) for one in closed]
    wanted = Months([one.period for one in closed], policies, policies[0])
    facts = reader.grant_facts(*span, 0)
    rows = [row for row in counted if row.grant_key in facts]
    follows = set(lines_after([], lines_from(facts, rows, wanted), wanted.periods))
    names = reader.account_names(*span)
    fixed: set[ClosedLine] = set()
    for one in closed:
        for line in reader.closed_lines(one.period, *span):
            hashes[one.period].add(names[line.account_key], line)
            fixed.add(line)
    for line in sorted(follows ^ fixed):
        said = "fixed" if line in fixed else "what the journal says now"
        where = f"{month_text(line.period)}, account {names[line.account_key]}, {line.product}, {line.currency}"
        verdict.find(f"{where}: {line[5:]} is {said}, not both")
