"""What disks kept of events and what those who reported them were told, over the whole run. It only remembers."""

from collections import defaultdict
from dataclasses import dataclass
from typing import TypeAlias

from holdfast.v1 import usage_service_pb2 as usage
from holdfast.v1.ingest_service_pb2 import EventBatch, RecordedEvent
from holdfast_sidecar.engine.event_operations import ReportEvents, VoidEvents
from holdfast_sidecar.engine.operations import Result
from holdfast_sidecar.engine.state import Writes

Name: TypeAlias = tuple[str, str, str]
"""Account, source and id."""


@dataclass(frozen=True, slots=True)
class Taken:
    """An event, or that one is taken back, that a sidecar made durable."""

    sidecar_id: str
    line: int
    sequence: int
    said: bytes
    """As it travels."""


def name_of(said: RecordedEvent) -> Name:
    """Returns what an event is known by."""
    return said.event.account_id, said.event.source, said.event.id


class EventRecord:
    """Remembers; `violations` has what cannot be."""

    def __init__(self, *, names_kept: bool) -> None:
        """`names_kept`: whether sidecars know the names of events for the whole run."""
        self._names_kept = names_kept
        self.taken: list[Taken] = []
        self.told_by_ledger: list[RecordedEvent] = []
        """What the ledger itself said that it took in, without when."""
        self.violations: list[str] = []
        self._on_disk: dict[tuple[int, bool], dict[bytes, set[bytes]]] = defaultdict(dict)
        """By line and whether it is void: what was said, by the serialised name."""
        self._last: dict[int, int] = {}

    def committed(self, sidecar_id: str, line: int, writes: Writes) -> None:
        """Events are on the disk, with the debits of the same commit."""
        charged: dict[str, int] = defaultdict(int)
        for row in writes.events.rows:
            if row.first_sequence != self._last.get(line, row.first_sequence - 1) + 1:
                self.violations.append(f"I-41: {sidecar_id} has {self._last[line]}, then {row.first_sequence}")
            self._last[line] = row.first_sequence + row.event_count - 1
            for place, said in enumerate(EventBatch.FromString(row.payload).events):
                text = said.SerializeToString(deterministic=True)
                self.taken.append(Taken(sidecar_id, line, row.first_sequence + place, text))
                self._note(sidecar_id, line, said)
                for charge in said.charges:
                    charged[charge.operation_id] += charge.amount
        debited = {debit.operation_id: debit.amount for debit in writes.debits}
        for operation_id, amount in charged.items():
            if debited.get(operation_id, 0) != amount:
                found = debited.get(operation_id)
                self.violations.append(f"I-40: {sidecar_id}: events keep {amount} of {operation_id}, not {found}")

    def _note(self, sidecar_id: str, line: int, said: RecordedEvent) -> None:
        there = self._on_disk[line, said.void].setdefault(repr(name_of(said)).encode(), set())
        if there and self._names_kept:
            self.violations.append(f"{sidecar_id} took {name_of(said)} in twice")
        there.add(said.event.SerializeToString(deterministic=True))

    def answered(self, line: int, operation: ReportEvents | VoidEvents, result: Result) -> None:
        """Somebody is told what became of events: those that are accepted are on the disk (I-39)."""
        if not isinstance(result, bytes):
            return
        if isinstance(operation, VoidEvents):
            voided = usage.VoidEventsResponse.FromString(result)
            said = [(void.place, void.payload) for void in operation.names]
            rejected, accepted_count = {one.index for one in voided.results}, voided.accepted_count
        else:
            reported = usage.ReportEventsResponse.FromString(result)
            said = [(event.place, event.payload) for event in operation.events]
            rejected, accepted_count = {one.index for one in reported.results}, reported.accepted_count
        accepted = [payload for place, payload in said if place not in rejected]
        if len(accepted) != accepted_count:
            self.violations.append(f"{accepted_count} events are accepted, {len(accepted)} are not told of otherwise")
        on_disk = self._on_disk[line, isinstance(operation, VoidEvents)]
        for payload in accepted:
            name = name_of(RecordedEvent(event=usage.UsageEvent.FromString(payload)))
            if payload not in on_disk.get(repr(name).encode(), ()):
                self.violations.append(f"I-39: {name} is accepted on line {line} and not on the disk")
