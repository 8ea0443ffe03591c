"""What the usage store knows of events, in lists: it answers metering's questions in the place of ClickHouse's engine.

The engine has threads and a clock of its own, so that no seed would fix what it does, and a turn of it takes longer
than a run. What stands in for it is this reading of `usage/tables/events.sql` and of the statements of
`metering/questions.py`; `test_usage_model.py` holds it to the answers of the real engine over the batches of a whole
run. All else of metering is the real code: turns, notes, charges, corrections.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, TypeAlias

from holdfast.v1.ingest_service_pb2 import RecordedEvent
from holdfast_ledger.metering import questions
from holdfast_ledger.metering.batches import unpack_events
from holdfast_ledger.metering.differences import Differences
from holdfast_ledger.metering.meters import MeterVersion
from holdfast_ledger.metering.prices import Cards
from holdfast_ledger.metering.questions import SLOT_MS, Batches, Row
from holdfast_ledger.metering.turns import differences
from holdfast_ledger.store.interface import NEVER, Reader
from holdfast_ledger.usage.database import Parameter
from holdfast_ledger.usage.events import CLOCKS_APART_MS, batches_until
from holdfast_rating.metering import Aggregation

Name: TypeAlias = tuple[str, str, str]
"""Account, source and id."""
COUNTED, UNKNOWN, DUPLICATE, CONFLICT, TAKEN_BACK = "counted", "unknown", "duplicate", "conflict", "taken_back"
TAKES_BACK = ("void", "corrected")


@dataclass(frozen=True, slots=True)
class Judged:
    """A row of `events`."""

    batch_key: int
    position: int
    outcome: str
    name: Name
    said: RecordedEvent
    origin: str
    event_type: str

    @property
    def place(self) -> tuple[int, int]:
        """Of the event that came."""
        return self.batch_key, self.position

    @property
    def dimensions(self) -> dict[str, str]:
        """Its own, in the order of their keys."""
        return dict(sorted(self.said.event.dimensions.items()))


def _content(said: RecordedEvent) -> bytes:
    return said.event.SerializeToString(deterministic=True)


@dataclass(slots=True)
class UsageModel:
    """The table `events`, fed batch by batch."""

    rows: list[Judged] = field(default_factory=list)
    fed_key: int = 0
    _first: dict[Name, Judged] = field(default_factory=dict)
    _void: set[Name] = field(default_factory=set)

    def feed(self, reader: Reader) -> None:
        """Takes in all batches that there are."""
        while batches := reader.event_batches(self.fed_key, 100):
            for batch in batches:
                events = unpack_events(batch.content).events
                starts = reader.account_starts({said.event.account_id for said in events})
                for position, said in enumerate(events):
                    event = said.event
                    name = (event.account_id, event.source, event.id)
                    row = Judged(batch.batch_key, position, COUNTED, name, said, batch.origin, event.type)
                    is_known = starts.get(name[0], NEVER) <= batch.accepted_at_ms + CLOCKS_APART_MS
                    self._take(row if is_known else replace(row, outcome=UNKNOWN))
                self.fed_key = batch.batch_key

    def _take(self, row: Judged) -> None:
        said, name, event = row.said, row.name, row.said.event
        if said.void:
            self._take_back("void", replace(row, event_type=""))
            return
        if row.outcome == UNKNOWN:
            self.rows.append(row)
            return
        first = self._first.get(name)
        if first is not None:
            same = _content(first.said) == _content(said)
            self.rows.append(replace(row, outcome=DUPLICATE if same else CONFLICT))
            return
        self._first[name] = row
        self.rows.append(row)
        if name in self._void:
            self.rows.append(replace(row, outcome=TAKEN_BACK))
        if event.corrects_id:
            corrected = (event.account_id, event.source, event.corrects_id)
            self._take_back("corrected", replace(row, name=corrected, event_type=""))

    def _take_back(self, kind: str, row: Judged) -> None:
        if row.name in self._void:
            self.rows.append(replace(row, outcome=f"{kind}_again"))
            return
        self._void.add(row.name)
        self.rows.append(replace(row, outcome=kind))
        first = self._first.get(row.name)
        if first is not None:
            self.rows.append(replace(first, outcome=TAKEN_BACK))


class ModelQuestions:
    """Stands for `questions.Questions`; see there what each answer is."""

    def __init__(self, model: UsageModel, batches: Batches) -> None:
        self._after, self._until = batches.after_key, batches.until_key
        self._known = [row for row in model.rows if row.batch_key <= self._until or row.outcome == TAKEN_BACK]
        self._new = [row for row in self._known if self._after < row.batch_key <= self._until]
        self._void_since = {row.name for row in self._new if row.outcome in TAKES_BACK}
        came = {row.name for row in self._new if row.outcome == COUNTED}
        void = {row.name for row in self._known if row.outcome in TAKES_BACK and row.batch_key <= self._until}
        self._void_until, self._void_now = void, void & came

    def ask(self, sql: str, more: Mapping[str, Parameter] | None = None) -> list[Row]:
        """Answers one of the fixed statements."""
        return list(_ANSWERS[sql](self, more or {}))

    def _of(self, *outcomes: str) -> list[Judged]:
        return [row for row in self._new if row.outcome in outcomes]

    def _outcomes(self, _: Mapping[str, Parameter]) -> Iterator[Row]:
        for outcome, count in Counter(row.outcome for row in self._new).items():
            yield {"outcome": outcome, "count": count}

    def _types(self, _: Mapping[str, Parameter]) -> Iterator[Row]:
        taken = (row for row in self._known if row.outcome == TAKEN_BACK and row.name in self._void_since)
        for event_type in sorted({row.event_type for row in (*self._of(COUNTED), *taken)}):
            yield {"type": event_type}

    def _accounts(self, _: Mapping[str, Parameter]) -> Iterator[Row]:
        for account_id in sorted({row.name[0] for row in self._new}):
            yield {"account_id": account_id}

    def _conflicts(self, _: Mapping[str, Parameter]) -> Iterator[Row]:
        yield from map(_event, self._of(CONFLICT))

    def _of_unknown(self, _: Mapping[str, Parameter]) -> Iterator[Row]:
        yield from map(_event, self._of(UNKNOWN))

    def _named(self, given: Mapping[str, Parameter]) -> Iterator[Row]:
        keys, positions = _list(given, "keys"), _list(given, "positions")
        for row in self._of(COUNTED):
            if row.batch_key in keys and row.position in positions:
                yield {"batch_key": row.batch_key, "position": row.position, **_event(row)}

    def _later(self, _: Mapping[str, Parameter]) -> Iterator[Row]:
        for row in self._of(DUPLICATE, CONFLICT):
            if row.said.charges:
                yield {"name": repr(row.name), **_named_charges(row)}

    def _first(self, given: Mapping[str, Parameter]) -> Iterator[Row]:
        asked = {row["name"] for row in self._later(given)}
        for row in self._known:
            if row.outcome == COUNTED and repr(row.name) in asked:
                yield {"name": repr(row.name), "operation_ids": [one.operation_id for one in row.said.charges]}

    def _taken_back(self, _: Mapping[str, Parameter]) -> Iterator[Row]:
        for row in self._known:
            is_new = self._after < row.batch_key and row.name in self._void_now
            if row.outcome != TAKEN_BACK or row.batch_key > self._until:
                continue
            if row.name in self._void_since or is_new:
                yield {"batch_key": row.batch_key, "position": row.position, **_named_charges(row)}

    # ── questions with a meter ──────────────────────────────────────────────────────────────────────────────────────

    def additive(self, version: MeterVersion) -> list[Row]:
        """See `Questions`."""
        found: dict[tuple[Any, ...], Row] = {}
        for row in self._of(COUNTED):
            meter_ids = {one.meter_id for one in row.said.charges}
            if not _counts(version, row) or version.meter.meter_id in meter_ids or row.name in self._void_now:
                continue
            event = row.said.event
            counted = version.meter.counted(event.quantities) or 0
            dimensions = row.dimensions
            priced_at = event.time_unix_ms if version.meter.rated_as else 0
            slot = event.time_unix_ms // SLOT_MS
            key = (row.batch_key, row.name[0], event.subject, *dimensions.items(), counted, priced_at, slot)
            there = found.setdefault(
                key,
                {
                    "account_id": row.name[0],
                    "subject": event.subject,
                    "keys": list(dimensions),
                    "dimension_values": list(dimensions.values()),
                    "batch_key": row.batch_key,
                    "counted": counted,
                    "priced_at": priced_at,
                    "used_at": 0,
                    "positions": [],
                },
            )
            there["used_at"] = max(there["used_at"], event.time_unix_ms)
            there["positions"].append(row.position)
        order = ("batch_key", "account_id", "subject", "keys", "dimension_values", "counted", "priced_at", "used_at")
        return sorted(found.values(), key=lambda row: [row[name] for name in order])

    def touched(self, version: MeterVersion) -> list[Row]:
        """See `Questions`."""
        found: dict[tuple[str, ...], Row] = {}
        since = (row for row in self._known if row.outcome == TAKEN_BACK and row.batch_key <= self._until)
        moved = [*self._of(COUNTED), *(row for row in since if row.name in self._void_since)]
        for row in moved:
            if _counts(version, row):
                there = found.setdefault(_group(version, row), {**_group_row(version, row), "slots": set()})
                there["slots"].add(row.said.event.time_unix_ms // SLOT_MS * SLOT_MS)
        return [{**row, "slots": list(row["slots"])} for row in found.values()]

    def figures(
        self,
        versions: Sequence[MeterVersion],
        account_ids: Sequence[str],
        group_hashes: Sequence[int],
        period: tuple[int, int],
    ) -> list[Row]:
        """See `Questions`."""
        groups: dict[tuple[str, ...], list[Judged]] = {}
        for row in self._known:
            if row.outcome != COUNTED or row.name[0] not in account_ids or row.name in self._void_until:
                continue
            in_period = period[0] <= row.said.event.time_unix_ms < period[1]
            version = next((one for one in versions if _counts(one, row)), None)
            if in_period and version is not None and hash(_group(version, row)) in group_hashes:
                groups.setdefault(_group(version, row), []).append(row)
        return [
            {
                **_group_row(versions[0], rows[0]),
                "figure": _figure(versions[0], rows),
                "last_key": max(row.batch_key for row in rows),
                "used_at": max(row.said.event.time_unix_ms for row in rows),
            }
            for rows in groups.values()
        ]


_ANSWERS: dict[str, Callable[[ModelQuestions, Mapping[str, Parameter]], Iterable[Row]]] = {
    questions.OUTCOMES: ModelQuestions._outcomes,
    questions.TYPES: ModelQuestions._types,
    questions.ACCOUNTS: ModelQuestions._accounts,
    questions.CONFLICTS: ModelQuestions._conflicts,
    questions.OF_UNKNOWN: ModelQuestions._of_unknown,
    questions.NAMED: ModelQuestions._named,
    questions.LATER: ModelQuestions._later,
    questions.FIRST: ModelQuestions._first,
    questions.TAKEN_BACK: ModelQuestions._taken_back,
}


def _list(given: Mapping[str, Parameter], name: str) -> Sequence[object]:
    value = given[name]
    assert not isinstance(value, str | int)
    return value


def _event(row: Judged) -> Row:
    event = row.said.event
    quantities = dict(sorted(event.quantities.items()))
    return {
        "account_id": event.account_id,
        "source": event.source,
        "id": event.id,
        "type": event.type,
        "time_ms": event.time_unix_ms,
        "subject": event.subject,
        "keys": list(row.dimensions),
        "dimension_values": list(row.dimensions.values()),
        "names": list(quantities),
        "amounts": list(quantities.values()),
        "corrects_id": event.corrects_id,
        "origin": row.origin,
    }


def _named_charges(row: Judged) -> Row:
    charges = [(one.meter_id, one.pool_id, one.operation_id, one.amount) for one in row.said.charges]
    return {"account_id": row.name[0], "source": row.name[1], "id": row.name[2], "charges": charges}


def _counts(version: MeterVersion, row: Judged) -> bool:
    """Whether an event is one that a version of a meter counts."""
    event, meter = row.said.event, version.meter
    if not version.after_batch_key < row.batch_key <= version.until_batch_key:
        return False
    if not meter.matches(event.type, event.subject, event.dimensions):
        return False
    if meter.aggregation is Aggregation.UNIQUE:
        return bool(event.dimensions.get(meter.dimension))
    return meter.counted(event.quantities) is not None


def _grouping(version: MeterVersion, row: Judged) -> dict[str, str]:
    left_out = version.meter.dimension if version.meter.aggregation is Aggregation.UNIQUE else None
    return {key: value for key, value in row.dimensions.items() if key != left_out}


def _group(version: MeterVersion, row: Judged) -> tuple[str, ...]:
    pairs = _grouping(version, row).items()
    return row.name[0], row.said.event.subject, *(text for pair in pairs for text in pair)


def _group_row(version: MeterVersion, row: Judged) -> Row:
    dimensions = _grouping(version, row)
    return {
        "account_id": row.name[0],
        "subject": row.said.event.subject,
        "keys": list(dimensions),
        "dimension_values": list(dimensions.values()),
        "group_hash": hash(_group(version, row)),
    }


def _figure(version: MeterVersion, rows: Sequence[Judged]) -> int:
    meter = version.meter
    if meter.aggregation is Aggregation.UNIQUE:
        return len({row.said.event.dimensions[meter.dimension] for row in rows})
    ordered = sorted(rows, key=lambda row: (row.said.event.time_unix_ms, *row.name))
    values = [row.said.event.quantities[meter.quantity] for row in ordered]
    match meter.aggregation:
        case Aggregation.MIN:
            return min(values)
        case Aggregation.MAX:
            return max(values)
        case _:
            return values[-1]


class Looking:
    """Stands for `looking.looking`: what the next batches come to, by what the model has been fed, which may lag."""

    def __init__(self, rng: Random, events_a_run: int) -> None:
        self._rng = rng
        self._events_a_run = events_a_run
        self._cards = Cards()
        self.model = UsageModel()
        self.found: list[Differences] = []
        """All that was told, for those who compare it with the real engine."""

    def forget(self) -> None:
        """The ledger was restored: its usage store is fed anew."""
        self.model = UsageModel()
        self.found.clear()

    def __call__(self, reader: Reader) -> Differences | None:
        """See `job.Look`."""
        if self._rng.random() < 0.7:
            self.model.feed(reader)
        after_key = reader.metering_totals().metered_batch_key
        until_key = batches_until(reader, after_key, self.model.fed_key, self._events_a_run)
        if until_key <= after_key:
            return None
        found = differences(self.model, reader, self._cards, Batches(after_key, until_key))  # type: ignore[arg-type]
        self.found.append(found)
        return found
