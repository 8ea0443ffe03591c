"""Events on their way into the store: their sequences, the names that they are known by, and when those are forgotten.

Neighbours: `event_taking` decides which events are taken in; `take_writes` hands the sum of a batch to the store. What
was taken in is known at once, what lies in the store is looked up there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from holdfast_sidecar.engine.amounts import NS_PER_MS
from holdfast_sidecar.engine.event_rows import NO_EVENTS, EventNames, EventRow, EventWrites, KnownEvent, Meters
from holdfast_sidecar.engine.state import Meta

ROW_BYTES = 16_384
"""Entries in one row of the store, at most, where one is not larger: a few pages, which are found side by side."""
FORGET_INTERVAL_NS = 100 * NS_PER_MS
"""Between looks for names that are too old, while no events come."""
FORGET_STEP = 2_000
"""Names that such a look forgets, about: well below a millisecond each thousand."""


@dataclass(frozen=True, slots=True)
class EventStatistics:
    """Counts of events since the start, and gauges."""

    accepted_count: int = 0
    duplicate_count: int = 0
    conflict_count: int = 0
    refused_count: int = 0
    void_count: int = 0
    """Names taken back, corrections included."""
    last_sequence: int = 0
    acked_sequence: int = 0
    """Up to here the ledger has them; those after it wait."""
    name_count: int = 0
    meter_count: int = 0
    """Meters that charge events here."""


class EventLog:
    """What one batch takes in of events, and what is known of others.

    Args:
        names: The store's; None where no events are taken in.
        retention_ms: How long a name is remembered after its last use, at least.
        name_limit: Names remembered, at most.
    """

    def __init__(
        self, names: EventNames | None, meta: Meta, last_sequence: int, retention_ms: int, name_limit: int
    ) -> None:
        self._names = names
        self._meta = meta
        self._retention_ms = retention_ms
        self._name_limit = name_limit
        self._forget_at_ns = 0
        self._entries: list[bytes] = []
        self._fresh: dict[bytes, KnownEvent] = {}
        self._writes = NO_EVENTS
        self.last_sequence = last_sequence

    @property
    def is_full(self) -> bool:
        """Whether no more events are taken in, since too many wait for the ledger."""
        return self._stored.events_refused

    @property
    def name_count(self) -> int:
        """Names remembered in the store."""
        return self._names.event_name_count if self._names is not None else 0

    @property
    def _stored(self) -> EventNames:
        assert self._names is not None, "an engine that takes events in has a store of their names"
        return self._names

    def find(self, names: Sequence[bytes]) -> dict[bytes, KnownEvent]:
        """Returns what is known of names, in the store and of this batch."""
        found = dict(self._stored.find_events(names))
        fresh = self._fresh
        if fresh:
            found.update((name, fresh[name]) for name in names if name in fresh)
        return found

    def append(self, entries: Sequence[bytes]) -> None:
        """Takes entries in, behind all that there are."""
        self._entries.extend(entries)

    def remember(self, name: bytes, known: KnownEvent) -> None:
        """From now on this is known of a name."""
        self._fresh[name] = known

    def acked(self, sequence: int) -> bool:
        """The ledger has the events up to a sequence; returns whether that is news."""
        if sequence <= self._meta.acked_event_sequence:
            return False
        assert sequence <= self.last_sequence, "the ledger has events that were never made"
        self._meta.acked_event_sequence = sequence
        self._changed().trimmed_to = sequence
        return True

    def put_meters(self, meters: Meters) -> None:
        """Keeps the meters for the next start."""
        self._changed().meters = meters

    def take_writes(self, now_ns: int, now_unix_ms: int) -> EventWrites:
        """Ends a batch: returns what is to be stored."""
        if self._names is None:
            return NO_EVENTS
        if self._entries:
            self._cut_rows(now_unix_ms)
        if self._fresh:
            changed = self._changed()
            changed.names, self._fresh = self._fresh, {}
            changed.taken_at_unix_ms = now_unix_ms
            # Twice what comes in: the oldest leave faster than new ones come.
            self._forget(changed, 2 * len(changed.names), now_unix_ms)
        elif now_ns >= self._forget_at_ns:
            self._forget_at_ns = now_ns + FORGET_INTERVAL_NS
            if self._are_due(self._names, now_unix_ms):
                self._forget(self._changed(), FORGET_STEP, now_unix_ms)
        writes, self._writes = self._writes, NO_EVENTS
        return writes

    def _are_due(self, names: EventNames, now_unix_ms: int) -> bool:
        oldest_unix_ms = names.oldest_event_name_unix_ms
        is_old = 0 < oldest_unix_ms < now_unix_ms - self._retention_ms
        return is_old or names.event_name_count > self._name_limit

    def _forget(self, changed: EventWrites, most: int, now_unix_ms: int) -> None:
        changed.forget_before_unix_ms = max(0, now_unix_ms - self._retention_ms)
        changed.name_limit = self._name_limit
        changed.forget_most = most

    def _cut_rows(self, now_unix_ms: int) -> None:
        rows = self._changed().rows
        part: list[bytes] = []
        size = 0
        for entry in self._entries:
            if part and size + len(entry) > ROW_BYTES:
                rows.append(self._row(part, now_unix_ms))
                part, size = [], 0
            part.append(entry)
            size += len(entry)
        rows.append(self._row(part, now_unix_ms))
        self._entries.clear()

    def _row(self, entries: list[bytes], now_unix_ms: int) -> EventRow:
        first_sequence = self.last_sequence + 1
        self.last_sequence += len(entries)
        return EventRow(first_sequence, len(entries), now_unix_ms, b"".join(entries))

    def _changed(self) -> EventWrites:
        if self._writes is NO_EVENTS:
            self._writes = EventWrites()
        return self._writes
