"""Compares the usage store with the ledger, to the unit: what was spent, recognised and used, by account and month.

Both are looked at up to the keys of the store's last complete turn, so a ledger that goes on meanwhile does not matter.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from holdfast_ledger.store.interface import Reader
from holdfast_ledger.usage import events, turns
from holdfast_ledger.usage.database import Parameter, UsageDatabase
from holdfast_ledger.usage.meters import Meters
from holdfast_ledger.usage.turns import Turn

TIMEOUT_MS = 3_600_000
"""Every row is read."""

BATCHES_AT_ONCE = 10_000

_MONTH = "formatDateTime(time, '%Y-%m', 'UTC')"

_SPENT = f"""SELECT account_id, pool_id, {_MONTH} AS month, sum(toInt128(amount)) AS amount
FROM spend FINAL WHERE batch_no <= {{batch_no:UInt64}} GROUP BY ALL"""

_LINES = f"""SELECT account_id, pool_id, {_MONTH} AS month, count() AS n
FROM spend WHERE batch_no <= {{batch_no:UInt64}} GROUP BY ALL"""

_RECOGNISED = """SELECT account_id, pool_id, grant_id, sum(toInt128(cost_amount)) AS amount
FROM spend FINAL WHERE batch_no <= {batch_no:UInt64} AND grant_id != '' GROUP BY ALL"""

_USED = f"""SELECT account_id, pool_id, meter_id, {_MONTH} AS month, sum(toInt128(quantity)) AS quantity
FROM usage FINAL WHERE batch_no <= {{batch_no:UInt64}} AND source IN {{sources:Array(String)}} GROUP BY ALL"""

_EVENTS_USED = f"""SELECT account_id, pool_id, meter_id, {_MONTH} AS month, sum(toInt128(quantity)) AS quantity
FROM ({{rows}}) GROUP BY ALL"""

_JUDGED = "(SELECT * FROM events FINAL WHERE batch_no <= {batch_no:UInt64}) AS judged"

_ARRIVED = """SELECT batch_key, uniqExact(position) AS n FROM events
WHERE batch_no <= {batch_no:UInt64} AND outcome != 'taken_back' AND batch_key > {after:UInt64}
AND batch_key <= {until:UInt64} GROUP BY batch_key"""

_TWICE = """SELECT account_id, source, id, count() AS n FROM events
WHERE batch_no <= {batch_no:UInt64} AND outcome = 'counted' GROUP BY ALL HAVING n > 1"""

_Figures = dict[tuple[str, ...], int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures of one kind, by what they are of."""

    what: str
    ledger: _Figures
    store: _Figures

    def differences(self) -> Iterator[str]:
        """Tells each figure that differs."""
        for key in sorted(self.ledger.keys() | self.store.keys()):
            here, there = self.ledger.get(key, 0), self.store.get(key, 0)
            if here != there:
                yield f"{self.what} {' / '.join(key)}: the ledger has {here}, the usage store {there}"


def compare(reader: Reader, database: UsageDatabase, done: Turn) -> Iterator[Comparison]:
    """Yields all figures of both, kind by kind. Raises `StoreError`, `UsageStoreError`."""
    of = _Store(database, done)
    sums = reader.spend_sums(done.entry_key)
    yield Comparison(
        "spent minor units of",
        {(one.account_id, one.pool_id, one.month): one.amount for one in sums},
        of.figures(_SPENT),
    )
    yield Comparison(
        "journal lines of",
        {(one.account_id, one.pool_id, one.month): one.line_count for one in sums},
        of.figures(_LINES),
    )
    burns = reader.grant_burns(done.entry_key)
    yield Comparison(
        "recognised cost of grant",
        {(one.account_id, one.pool_id, one.grant_id): one.recognised_amount for one in burns},
        of.figures(_RECOGNISED),
    )
    for what, kind, quantities in (
        ("quantities of debits", "debit", reader.quantity_sums(done.debit_key)),
        ("metered figures", "metered", reader.metered_sums(done.change_key)),
    ):
        told: _Figures = {(one.account_id, one.pool_id, one.meter_id, one.month): one.quantity for one in quantities}
        yield Comparison(what, told, of.figures(_USED, {"sources": [kind]}))
    yield from _events(reader, of)


def _events(reader: Reader, of: "_Store") -> Iterator[Comparison]:
    """Compares the events of the batches that the ledger still has, and what they count."""
    arrived: _Figures = {}
    stored: _Figures = {}
    after_key = 0
    while counts := reader.event_counts(after_key, of.done.event_batch_key, BATCHES_AT_ONCE):
        arrived.update({(str(key),): count for key, count in counts})
        stored.update(of.figures(_ARRIVED, {"after": counts[0][0] - 1, "until": counts[-1][0]}))
        after_key = counts[-1][0]
    yield Comparison("events of batch", arrived, stored)
    yield Comparison("names of events counted more than once", {}, of.figures(_TWICE))
    meters = Meters()
    meters.read(reader)
    counted: _Figures = {}
    for one in events.counting(of.database, meters, _JUDGED, {"batch_no": of.done.batch_no}):
        for key, quantity in of.figures(_EVENTS_USED.format(rows=one.sql), one.parameters).items():
            counted[key] = counted.get(key, 0) + quantity
    yield Comparison("quantities of events", counted, of.figures(_USED, {"sources": ["event", "void"]}))


@dataclass(frozen=True, slots=True)
class _Store:
    """The usage store up to a turn."""

    database: UsageDatabase
    done: Turn

    def figures(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> _Figures:
        """Answers a question for figures: the last column, by the others."""
        given = {"batch_no": self.done.batch_no, **(parameters or {})}
        rows = [tuple(row.values()) for row in self.database.query(sql, given, TIMEOUT_MS).to_pylist()]
        return {tuple(map(str, row[:-1])): _whole(row[-1]) for row in rows}


def _whole(value: int | bytes) -> int:
    """Returns a sum; those of 128 bits come as bytes."""
    return int.from_bytes(value, "little", signed=True) if isinstance(value, bytes) else value


def differences(reader: Reader, database: UsageDatabase) -> tuple[Turn, int, list[str]]:
    """Compares everything.

    Returns the turn up to which, the number of figures that were compared, and a line for each that differs.

    Raises:
        StoreError: The ledger's database.
        UsageStoreError: The usage store.
    """
    done = turns.progress(database).done
    count = 0
    lines: list[str] = []
    for one in compare(reader, database, done):
        count += len(one.ledger.keys() | one.store.keys())
        lines += one.differences()
    return done, count, lines
