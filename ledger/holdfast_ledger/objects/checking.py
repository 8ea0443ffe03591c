"""The rules of events over whole columns.

A sieve: what passes it keeps every rule of `event_rules`, and is nearly all. What does not is looked at by the rules
themselves, event by event, and they decide; so a rule is written down once, and the sieve need only never pass a row
that they refuse.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from holdfast.v1.usage_service_pb2 import UsageEvent

from holdfast_ledger.metering.event_rules import (
    MAX_DIMENSIONS,
    MAX_ID_BYTES,
    MAX_KEY_BYTES,
    MAX_QUANTITIES,
    MAX_SUBJECT_BYTES,
    MAX_VALUE_BYTES,
    EventFault,
    EventTerms,
    event_fault,
)
from holdfast_ledger.objects.shaping import BadRow
from holdfast_ledger.store.interface import Store

Mask = npt.NDArray[np.bool_]

Rule = Callable[[UsageEvent], EventFault | None]
"""Returns why an event may not be counted; None: it may."""

_REQUIRED_TEXTS = ("account_id", "source", "id", "type")
_SPACE, _DELETE, _C1_LEAD = 0x20, 0x7F, 0xC2
_CONTROL = r"[\x00-\x1f\x7f-\x{9f}]"


@dataclass(frozen=True, slots=True)
class Checker:
    """The rules, at the time at which events are taken in."""

    accepted_at_ms: int
    oldest_ms: int
    """Events before it are for the rule to look at."""
    newest_ms: int
    """Events after it are for the rule to look at."""
    rule: Rule
    known_accounts: Callable[[Collection[str]], Collection[str]]
    """Returns those of some accounts that the ledger has."""

    def faults(self, table: pa.Table, known: Collection[int] = ()) -> Iterator[BadRow]:
        """Yields the rows of a table of events that may not be counted, but for those that are known as bad."""
        for row in np.flatnonzero(self._suspicious(table)).tolist():
            if row not in known and (fault := self.rule(event_at(table, row))):
                yield BadRow(row, *fault)
        yield from self._strangers(table)

    def _strangers(self, table: pa.Table) -> Iterator[BadRow]:
        accounts = _whole(table.column("account_id"))
        named = set(pc.unique(accounts).to_pylist())
        if strangers := named - set(self.known_accounts(named)):
            odd = pc.is_in(accounts, pa.array(sorted(strangers), pa.string()))
            for row in np.flatnonzero(odd).tolist():
                yield BadRow(row, "account_id", f"is {accounts[row].as_py()!r}, which the ledger does not have")

    def _suspicious(self, table: pa.Table) -> Mask:
        columns = {name: _whole(table.column(name)) for name in table.column_names}
        times = columns["time_ms"].to_numpy()
        odd: Mask = np.asarray((times < max(self.oldest_ms, 1)) | (times > self.newest_ms))
        for name in _REQUIRED_TEXTS:
            odd |= _odd_texts(columns[name], 1, MAX_ID_BYTES)
        odd |= _odd_texts(columns["corrects_id"], 0, MAX_ID_BYTES)
        odd |= _odd_paths(columns["subject"])
        corrected: Mask = np.asarray(pc.equal(columns["corrects_id"], columns["id"]))
        return (
            odd
            | corrected
            | _odd_maps(columns["dimensions"], MAX_DIMENSIONS)
            | _odd_maps(columns["quantities"], MAX_QUANTITIES)
        )


class KnownAccounts:
    """The accounts of a ledger; those that were found are not asked for again, as none is ever deleted."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: set[str] = set()

    def __call__(self, named: Collection[str]) -> Collection[str]:
        """Returns those of some accounts that there are."""
        if unknown := set(named) - self._known:
            with self._store.reading() as reader:
                self._known.update(reader.terms_of(unknown))
        return self._known


def checker_at(at_ms: int, terms: EventTerms, known_accounts: Callable[[Collection[str]], Collection[str]]) -> Checker:
    """Returns the rules for events that are taken in at a time."""

    def rule(event: UsageEvent) -> EventFault | None:
        return event_fault(event, at_ms, terms)

    return Checker(at_ms, at_ms - terms.grace_ms, at_ms + terms.future_ms, rule, known_accounts)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def event_at(table: pa.Table, row: int) -> UsageEvent:
    """Returns a row as an event."""
    (values,) = table.slice(row, 1).to_pylist()
    names = ("id", "source", "type", "account_id", "subject", "corrects_id")
    return UsageEvent(
        **{name: values[name] for name in names},
        time_unix_ms=values["time_ms"],
        dimensions=dict(values["dimensions"]),
        quantities=dict(values["quantities"]),
    )


def _odd_texts(column: pa.Array, least: int, most: int) -> Mask:
    lengths = pc.binary_length(column).to_numpy(zero_copy_only=False)
    odd: Mask = (lengths < least) | (lengths > most)
    if _has_odd_bytes(column):
        odd |= np.asarray(pc.match_substring_regex(column, _CONTROL))
    return odd


def _has_odd_bytes(column: pa.Array) -> bool:
    """Returns whether a control character may be in a column: its bytes are looked at as they lie in memory."""
    offsets, content = column.buffers()[1:]
    if content is None or not len(column):
        return False
    ends = np.frombuffer(offsets, np.int32, len(column) + 1, column.offset * 4)
    text = np.frombuffer(content, np.uint8)[ends[0] : ends[-1]]
    return bool(((text < _SPACE) | (text == _DELETE) | (text == _C1_LEAD)).any())


def _odd_paths(column: pa.Array) -> Mask:
    """Paths that are too long, or have levels that are empty."""
    odd = _odd_texts(column, 0, MAX_SUBJECT_BYTES)
    odd |= np.asarray(pc.match_substring_regex(column, "^/|//|/$"))
    return odd


def _odd_maps(column: pa.Array, most: int) -> Mask:
    offsets = column.offsets.to_numpy()
    counts = np.diff(offsets)
    odd: Mask = counts > most
    first, last = int(offsets[0]), int(offsets[-1])
    entries = _odd_texts(column.keys.slice(first, last - first), 1, MAX_KEY_BYTES)
    values = column.items.slice(first, last - first)
    if pa.types.is_string(values.type):
        entries |= _odd_texts(values, 0, MAX_VALUE_BYTES)
    else:
        entries |= values.to_numpy() < 0
    if entries.any():
        rows = np.repeat(np.arange(len(counts)), counts)
        odd[rows[entries]] = True
    return odd
