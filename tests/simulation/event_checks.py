"""Each event once, and charged what it costs: the ledger's rows against disks, answers, and a page of arithmetic.

What counts is read from the batches as the ledger has them, by rules that are written down here once more: the first
of a name counts, unless it was ever taken back.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import TypeAlias

from holdfast.v1 import meter_pb2 as wire
from holdfast.v1.ingest_service_pb2 import RecordedEvent
from holdfast.v1.usage_service_pb2 import UsageEvent, UsageFilter
from holdfast_ledger.metering.batches import unpack_events

from tests.simulation.event_record import Name, name_of
from tests.simulation.events import DAY_MS, NOWHERE, EventsPlan
from tests.simulation.host import Host
from tests.simulation.ledger import SimDatabase
from tests.simulation.record import EVENT_MARK, Record
from tests.simulation.rows import Excuses
from tests.simulation.rules import ACCOUNT

_BATCHES = "SELECT batch_key, origin, content FROM event_batches ORDER BY batch_key"
_METERS = "SELECT after_batch_key, content FROM meter_revisions ORDER BY revision"
_MARK = """SELECT metered_batch_key, counted_count, duplicate_count + conflict_count, void_count,
 (SELECT coalesce(max(batch_key), 0) FROM event_batches), (SELECT count(*) FROM metered_charges WHERE state = 0)
 FROM metering"""
_NET = """SELECT d.operation_id, d.amount - (SELECT coalesce(sum(c.amount), 0) FROM corrections c
 WHERE c.debit_key = d.debit_key), coalesce(m.meter_id, ''), d.amount FROM debits d
 LEFT JOIN metered_charges m ON m.operation_id = d.operation_id AND m.account_key = d.account_key
 WHERE substr(d.operation_id, 1, 3) IN ('ev:', 'mt:')"""
_GIVEN_BACK_LATE = """SELECT count(*) FROM event_corrections e WHERE e.state = 0 AND EXISTS (SELECT 1 FROM debits d
 WHERE d.account_key = e.account_key AND d.operation_id = e.operation_id)"""
_UNPOSTED = "SELECT operation_id FROM metered_charges WHERE state <> 1 AND pool_id <> ?"

Group: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Arrival:
    batch_key: int
    origin: str
    said: RecordedEvent


@dataclass(frozen=True, slots=True)
class _Version:
    """A meter, and the batches that it counts."""

    meter: wire.Meter
    after_key: int
    until_key: float


class EventChecks:
    """Checks events, and tells of the first that does not hold."""

    def __init__(
        self,
        database: SimDatabase,
        record: Record,
        plan: EventsPlan,
        excuses: Excuses,
        fail: Callable[[str], None],
        hosts: list[Host],
    ) -> None:
        self._database = database
        self._record = record
        self._plan = plan
        self._excuses = excuses
        self._fail = fail
        self._hosts = hosts

    def disagreement(self, hosts: Sequence[Host]) -> str:
        """Returns what is not counted yet; empty: nothing."""
        if not self._plan.drawn:
            return ""
        for host in hosts:
            if host.process is None:
                return f"{host.name} does not run"
            made, acked = host.process.engine._event_log.last_sequence, host.process.meta.acked_event_sequence
            if made != acked:
                return f"{host.name} has events up to {made}, knows {acked} acked"
        mark, *_, last_key, waiting = self._database.connection.execute(_MARK).fetchone()
        if mark != last_key or waiting:
            return f"batches are metered up to {mark} of {last_key}, {waiting} charges wait"
        late = self._database.connection.execute(_GIVEN_BACK_LATE).fetchone()[0]
        return f"{late} corrections wait, whose debits are there" if late else ""

    def at_rest(self) -> None:
        """All that was accepted is here once, and all of it costs what it should."""
        if not self._plan.drawn:
            return
        arrivals = list(self._arrivals())
        first, taken_back = _counted(arrivals)
        self._check_here(arrivals)
        self._check_totals(arrivals, first, taken_back)
        counted = {name: one for name, one in first.items() if name not in taken_back}
        self._check_charges(counted)

    def _arrivals(self) -> Iterator[_Arrival]:
        for batch_key, origin, content in self._database.connection.execute(_BATCHES):
            for said in unpack_events(content).events:
                yield _Arrival(batch_key, origin, said)

    def _check_here(self, arrivals: Sequence[_Arrival]) -> None:
        """Nothing that was accepted is lost: neither at a host whose disk is there, nor at the ledger."""
        if self._excuses.restored:
            return
        here = {(one.origin, one.said.SerializeToString(deterministic=True)) for one in arrivals}
        for taken in self._record.events.taken:
            if self._is_used(taken.line) and (f"sidecar:{taken.sidecar_id}", taken.said) not in here:
                said = name_of(RecordedEvent.FromString(taken.said))
                self._fail(f"event {taken.sequence} of {taken.sidecar_id} is not at the ledger: {said}")
        told = {(name_of(one.said), one.said.void) for one in arrivals if one.origin == "ledger"}
        for one in self._record.events.told_by_ledger:
            if (name_of(one), one.void) not in told:
                self._fail(f"the ledger accepted {name_of(one)} and does not have it")

    def _check_totals(self, arrivals: Sequence[_Arrival], first: dict[Name, _Arrival], taken_back: set[Name]) -> None:
        _, counted, others, void, *_ = self._database.connection.execute(_MARK).fetchone()
        again = sum(not one.said.void and _is_known(one) for one in arrivals) - len(first)
        if (counted, others, void) != (len(first), again, len(taken_back)):
            expected = f"{len(first)}, {again} and {len(taken_back)}"
            self._fail(f"events counted, repeated and taken back are {counted}, {others} and {void}, not {expected}")

    # ── what it costs ───────────────────────────────────────────────────────────────────────────────────────────────

    def _check_charges(self, counted: dict[Name, _Arrival]) -> None:
        net: dict[str, int] = {}
        debited: dict[str, int] = {}
        metered: Counter[str] = Counter()
        for operation_id, amount, meter_id, debit in self._database.connection.execute(_NET):
            net[operation_id], debited[operation_id] = amount, debit
            metered[meter_id] += amount if meter_id else 0
        versions = self._versions()
        for text in _wrong_prices(counted, versions):
            self._fail(text)
        expected = _metered(counted, versions)
        for meter_id in sorted({*expected, *metered} - {""}):
            if metered[meter_id] != expected[meter_id]:
                self._fail(f"meter {meter_id} charged {metered[meter_id]}, its events cost {expected[meter_id]}")
        for operation_id, *_ in self._database.connection.execute(_UNPOSTED, (NOWHERE,)):
            self._fail(f"{operation_id} is not posted, and its pool is there")
        if not self._excuses.restored:
            self._check_debits(counted, net, debited)

    def _check_debits(self, counted: dict[Name, _Arrival], net: dict[str, int], debited: dict[str, int]) -> None:
        """What sidecars charged is, in the end, what those of their events cost that count."""
        expected: Counter[str] = Counter()
        for one in counted.values():
            for charge in one.said.charges:
                expected[charge.operation_id] += charge.amount
        made = {name for _, name in self._record.by_operation if name.startswith(EVENT_MARK)}
        for operation_id in sorted({*made, *expected, *(name for name in net if name.startswith(EVENT_MARK))}):
            rows = self._record.by_operation.get((ACCOUNT, operation_id), [])
            are_here = [self._is_used(row.line) for row in rows]
            if operation_id not in net:
                if any(are_here):
                    self._fail(f"{operation_id} was debited for events and is not posted: {rows}")
            elif all(are_here):
                if net[operation_id] != expected[operation_id]:
                    cost = expected[operation_id]
                    self._fail(f"{operation_id} comes to {net[operation_id]}, what counts of it costs {cost}: {rows}")
            elif not 0 <= net[operation_id] <= debited[operation_id]:
                self._fail(f"{operation_id} comes to {net[operation_id]} of {debited[operation_id]}")

    def _is_used(self, line: int) -> bool:
        """Whether a process runs on a folder: what a stopped host has waits there, and of a lost one it may be gone."""
        return any(host.folder.line == line and host.alive and not host.fenced for host in self._hosts)

    def _versions(self) -> list[_Version]:
        rows = self._database.connection.execute(_METERS).fetchall()
        told = [(after_key, wire.Meter.FromString(content)) for after_key, content in rows]
        found = []
        for place, (after_key, meter) in enumerate(told):
            later = (key for key, other in told[place + 1 :] if other.meter_id == meter.meter_id)
            found.append(_Version(meter, after_key, next(later, float("inf"))))
        return found


def _is_known(one: _Arrival) -> bool:
    """Whether the ledger has the account."""
    return one.said.event.account_id == ACCOUNT


def _counted(arrivals: Sequence[_Arrival]) -> tuple[dict[Name, _Arrival], set[Name]]:
    """Returns the first of each name, and the names that were taken back."""
    first: dict[Name, _Arrival] = {}
    taken_back: set[Name] = set()
    for one in arrivals:
        name = name_of(one.said)
        if one.said.void:
            taken_back.add(name)
        elif name not in first and _is_known(one):
            first[name] = one
            if one.said.event.corrects_id:
                taken_back.add((*name[:2], one.said.event.corrects_id))
    return first, taken_back


def _rounded(numerator: int, denominator: int) -> int:
    return round(Fraction(numerator, denominator))


def _passes(condition: UsageFilter, event: UsageEvent) -> bool:
    value = event.subject if condition.key == "subject" else event.dimensions.get(condition.key, "")
    match condition.operator:
        case 2:
            return value not in condition.values
        case 3:
            return value.startswith(condition.values[0])
        case _:
            return value != ""


def _value(meter: wire.Meter, event: UsageEvent) -> int | str | None:
    """Returns what a meter sees of an event; None: nothing."""
    if event.type != meter.event_type or not all(_passes(one, event) for one in meter.filters):
        return None
    if meter.aggregation == wire.AGGREGATION_COUNT:
        return 1
    if meter.aggregation == wire.AGGREGATION_UNIQUE:
        return event.dimensions.get(meter.dimension) or None
    return event.quantities.get(meter.quantity)


def _cost(meter: wire.Meter, figure: int) -> int:
    units = _rounded(figure * meter.multiplier, meter.divisor)
    return _rounded(units * meter.price_amount, meter.price_per)


def _is_additive(meter: wire.Meter) -> bool:
    return meter.aggregation in (wire.AGGREGATION_COUNT, wire.AGGREGATION_SUM)


def _wrong_prices(counted: dict[Name, _Arrival], versions: Sequence[_Version]) -> Iterator[str]:
    """Tells of what sidecars charged for an event, and no version of the meter says."""
    for name, one in counted.items():
        meter_ids = [charge.meter_id for charge in one.said.charges]
        if len(meter_ids) != len(set(meter_ids)):
            yield f"{name} is charged twice by a meter: {meter_ids}"
        for charge in one.said.charges:
            costs = set()
            for version in versions:
                value = _value(version.meter, one.said.event)
                if version.meter.meter_id == charge.meter_id and isinstance(value, int):
                    costs.add((version.meter.pool_id, _cost(version.meter, value)))
            if (charge.pool_id, charge.amount) not in costs:
                yield f"{name} is charged {charge.amount} of {charge.pool_id} by {charge.meter_id}, not {costs}"


def _metered(counted: dict[Name, _Arrival], versions: Sequence[_Version]) -> Counter[str]:
    """Returns what the ledger is to charge, by meter: what no sidecar has charged, and the figures of periods."""
    costs: Counter[str] = Counter()
    for version in versions:
        figures: defaultdict[Group, list[tuple[int, str, int | str]]] = defaultdict(list)
        meter = version.meter
        if not meter.pool_id or meter.pool_id == NOWHERE:
            continue
        for name, one in counted.items():
            value = _value(meter, one.said.event)
            is_charged = any(charge.meter_id == meter.meter_id for charge in one.said.charges)
            if value is None or is_charged or not version.after_key < one.batch_key <= version.until_key:
                continue
            if _is_additive(meter):
                assert isinstance(value, int)
                costs[meter.meter_id] += _cost(meter, value)
            else:
                event = one.said.event
                figures[_group(meter, event)].append((event.time_unix_ms, name[2], value))
        costs[meter.meter_id] += sum(_cost(meter, _figure(meter, seen)) for seen in figures.values())
    return costs


def _group(meter: wire.Meter, event: UsageEvent) -> Group:
    """Returns what figures are kept apart by."""
    at = datetime.fromtimestamp(event.time_unix_ms // 1000, UTC)
    period = event.time_unix_ms // DAY_MS if meter.period == wire.METER_PERIOD_DAY else (at.year, at.month)
    pairs = sorted(pair for pair in event.dimensions.items() if pair[0] != meter.dimension)
    return period, event.subject, *pairs


def _figure(meter: wire.Meter, seen: list[tuple[int, str, int | str]]) -> int:
    if meter.aggregation == wire.AGGREGATION_UNIQUE:
        return len({value for *_, value in seen})
    values = [value for *_, value in sorted(seen, key=lambda one: one[:2]) if isinstance(value, int)]
    if meter.aggregation == wire.AGGREGATION_LATEST:
        return values[-1]
    return min(values) if meter.aggregation == wire.AGGREGATION_MIN else max(values)
