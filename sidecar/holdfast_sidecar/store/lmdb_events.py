"""The tables of events in LMDB: what one transaction puts, forgets and finds.

Neighbour of `lmdb_store`, whose transactions these are. Names lie in the order of producers' ids, so that ids that
count up touch few pages; they leave in the order of their last use, some with each commit.
"""

from __future__ import annotations  # py-lmdb's classes are generic in its stub alone

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from holdfast_sidecar.engine.event_rows import EventRow, EventWrites, KnownEvent
from holdfast_sidecar.store import codec, event_codec
from holdfast_sidecar.store.codec import Table
from holdfast_sidecar.store.interface import StoreError

if TYPE_CHECKING:
    import lmdb

OUTBOX_SHARE = 2
"""Of the map, divided by this, events that wait may fill at most, whatever the setting: the rest is for holds."""
NAMES_SHARE = 4
"""The same for names and their times; beyond it the oldest leave early."""


class LmdbEvents:
    """Events, their names and the meters. One writer, the loop's thread."""

    def __init__(self, tables: Mapping[Table, lmdb._Database], map_bytes: int, outbox_bytes: int) -> None:
        self._events = tables[Table.EVENTS]
        self._names = tables[Table.EVENT_NAMES]
        self._times = tables[Table.EVENT_TIMES]
        self._meters = tables[Table.METERS]
        self._outbox_limit_bytes = min(outbox_bytes, map_bytes // OUTBOX_SHARE)
        self._names_limit_bytes = map_bytes // NAMES_SHARE
        self._last_number = 0
        self.outbox_bytes = 0
        """Of the pages of events that wait."""
        self.names_bytes = 0
        """Of the pages of names and times."""
        self.name_count = 0
        self.oldest_name_unix_ms = 0
        """0: there are none."""

    @property
    def is_full(self) -> bool:
        """Whether the events that wait fill what they may."""
        return self.outbox_bytes >= self._outbox_limit_bytes

    def open(self, transaction: lmdb.Transaction[bytes]) -> None:
        """Reads where a former process stopped."""
        cursor = transaction.cursor(db=self._times)
        if cursor.last():
            self._last_number = codec.sequence_of(cursor.key())
        self._look_for_oldest(transaction)

    def put(self, transaction: lmdb.Transaction[bytes], writes: EventWrites) -> None:
        """Carries out what a batch changes."""
        if writes.rows:
            rows = [event_codec.encode_events(row) for row in writes.rows]
            _, added_count = transaction.cursor(db=self._events).putmulti(rows, append=True)
            if added_count != len(rows):
                raise StoreError("events are not in ascending order")
        if writes.trimmed_to:
            self._trim(transaction, writes.trimmed_to)
        if writes.names:
            self._put_names(transaction, writes)
        if writes.forget_most:
            self._forget(transaction, writes)
        if writes.names or writes.forget_most:
            self._look_for_oldest(transaction)
        if writes.meters is not None:
            transaction.put(*event_codec.encode_meters(writes.meters), db=self._meters)

    def find(self, transaction: lmdb.Transaction[bytes], names: Sequence[bytes]) -> dict[bytes, KnownEvent]:
        """Returns what is known of names."""
        found: dict[bytes, KnownEvent] = {}
        for name, record in transaction.cursor(db=self._names).getmulti(names):
            known = event_codec.decode_name(record)
            if known is not None:
                found[name] = known[0]
        return found

    def read(
        self, transaction: lmdb.Transaction[bytes], after_sequence: int, max_count: int, max_bytes: int
    ) -> list[EventRow]:
        """Returns rows from the one that has the event after `after_sequence`, whole ones."""
        found: list[EventRow] = []
        cursor = transaction.cursor(db=self._events)
        has_row = cursor.set_range(event_codec.event_key(after_sequence + 1, 0))
        while has_row:
            row = event_codec.decode_events(*cursor.item())
            max_count -= row.event_count
            max_bytes -= len(row.payload)
            if found and (max_count < 0 or max_bytes < 0):
                break
            found.append(row)
            has_row = cursor.next()
        return found

    def _trim(self, transaction: lmdb.Transaction[bytes], last_sequence: int) -> None:
        cursor = transaction.cursor(db=self._events)
        has_row = cursor.first()
        while has_row:
            first_sequence, event_count = event_codec.span_of(cursor.key())
            if first_sequence + event_count - 1 > last_sequence:
                break
            cursor.delete()
            has_row = bool(cursor.key())

    def _put_names(self, transaction: lmdb.Transaction[bytes], writes: EventWrites) -> None:
        names = sorted(writes.names)
        records = []
        for start in range(0, len(names), event_codec.NAMES_A_ROW):
            part = names[start : start + event_codec.NAMES_A_ROW]
            self._last_number += 1
            row = event_codec.encode_times(self._last_number, writes.taken_at_unix_ms, part)
            transaction.put(*row, db=self._times, append=True)
            number = self._last_number
            records += [event_codec.encode_name(name, writes.names[name], number) for name in part]
        transaction.cursor(db=self._names).putmulti(records)

    def _forget(self, transaction: lmdb.Transaction[bytes], writes: EventWrites) -> None:
        """Drops names from the front of the times, a row at a time, until enough are looked at."""
        left = writes.forget_most
        times, names = transaction.cursor(db=self._times), transaction.cursor(db=self._names)
        has_row = times.first()
        while has_row and left > 0:
            number = codec.sequence_of(times.key())
            unix_ms, used = event_codec.times_or_none(times.value())
            excess = transaction.stat(self._names)["entries"] - writes.name_limit if writes.name_limit else 0
            if self.names_bytes > self._names_limit_bytes:
                excess = len(used)
            if unix_ms >= writes.forget_before_unix_ms and excess <= 0:
                break
            for name in used:
                if names.set_key(name):
                    known = event_codec.decode_name(names.value())
                    if known is None or known[1] == number:
                        names.delete()
            times.delete()
            has_row = bool(times.key())
            left -= len(used)

    def _look_for_oldest(self, transaction: lmdb.Transaction[bytes]) -> None:
        cursor = transaction.cursor(db=self._times)
        self.oldest_name_unix_ms = event_codec.time_of(cursor.value()) if cursor.first() else 0
