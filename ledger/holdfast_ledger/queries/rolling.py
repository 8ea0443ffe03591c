"""Keeps the sums of hours right: sums those that were touched since, and clears away what was taken the place of."""

import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

import pyarrow as pa

from holdfast_ledger.governance.periods import HOUR_MS
from holdfast_ledger.queries.keys import FACTS, TIME_MS, Fact, Key
from holdfast_ledger.queries.rollups import DAY_MINUTES, DIMENSIONS_TABLE, MINUTE_MS, PART_STARTS, ROLLUPS, Rollup
from holdfast_ledger.usage.database import Parameter, UsageDatabase, UsageTooLarge
from holdfast_ledger.usage.dimensions import DEFAULT_DIMENSIONS, column_of

OPEN_MS: Final = 5 * 60_000
"""An hour is summed so long after its end: most of what is late has come by then."""

HOURS_A_ROLL: Final = 24
"""Hours summed at once: of a hundred million rows a month, some three million."""

ROLLS_A_TURN: Final = 4
"""How many such at most before others have their turn."""

SETTLING_MS: Final = 15_000
"""An hour that is touched again and again is summed at most so often."""

KEPT_MS: Final = 600_000
"""For so long sums stay that others took the place of, for questions under way."""

_STALE: Final = """SELECT toString(touches.fact) AS fact, touches.hour AS hour
FROM (SELECT fact, hour, max(batch_no) AS touched FROM rollup_touches WHERE hour < {open:UInt32} GROUP BY fact, hour)
    AS touches
LEFT JOIN (SELECT fact, hour, max(rollup_rolls.roll) AS roll, argMax(batch_no, rollup_rolls.roll) AS summed,
    argMax(rollup_rolls.dimensions, rollup_rolls.roll) AS kept_by, max(rolled_at) AS rolled_at
    FROM rollup_rolls GROUP BY fact, hour) AS rolls
ON touches.fact = rolls.fact AND touches.hour = rolls.hour
WHERE (rolls.roll = 0 OR touched > summed OR NOT hasAll(kept_by, {dimensions:Array(String)}))
AND rolled_at <= fromUnixTimestamp64Milli({settled_ms:Int64}, 'UTC')
ORDER BY fact, hour DESC LIMIT {limit:UInt32}"""

_CLEAR: Final = """DELETE FROM rollup_rolls WHERE roll IN (
    SELECT old.roll FROM rollup_rolls AS old
    INNER JOIN (SELECT fact, hour, max(roll) AS settled FROM rollup_rolls
        WHERE rolled_at < fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC') GROUP BY fact, hour) AS later
    ON old.fact = later.fact AND old.hour = later.hour WHERE old.roll < later.settled)"""


_log = logging.getLogger(__name__)


class Roller:
    """Sums hours. One at a time: the worker's."""

    def __init__(self, database: UsageDatabase, dimensions: Sequence[str] = DEFAULT_DIMENSIONS) -> None:
        """`dimensions`: by which sums are kept; each has a column."""
        self._database = database
        self._dimensions = list(dimensions)
        self._last_roll = -1
        self._cleared_ms = 0
        self._too_large: set[tuple[str, int]] = set()

    def turn(self, now_ms: int) -> bool:
        """Sums some hours that are over, the latest first; returns whether more are left. Raises `UsageStoreError`."""
        limit = HOURS_A_ROLL * ROLLS_A_TURN
        open_hour = max(0, now_ms - OPEN_MS) // HOUR_MS
        settled_ms = max(0, now_ms - SETTLING_MS)
        given: dict[str, Parameter] = {
            "open": open_hour, "settled_ms": settled_ms, "limit": limit, "dimensions": self._dimensions,
        }  # fmt: skip
        rows = self._database.query(_STALE, given).to_pylist()
        stale = {(row["fact"], row["hour"]) for row in rows} - self._too_large
        for fact in FACTS:
            hours = sorted(hour for name, hour in stale if name == fact.table)
            for start in range(0, len(hours), HOURS_A_ROLL):
                self._roll_what_fits(fact, hours[start : start + HOURS_A_ROLL], now_ms)
        self._cleared_ms = self._cleared_ms or now_ms
        if now_ms - self._cleared_ms >= KEPT_MS:
            self._clear(now_ms)
        return len(stale) == limit

    def _roll_what_fits(self, fact: Fact, hours: Sequence[int], now_ms: int) -> None:
        """Sums hours, fewer at once where they need more memory than there is."""
        try:
            self._roll(fact, hours, now_ms)
        except UsageTooLarge:
            if len(hours) == 1:
                _log.warning("an hour of %s is too large to be summed, and is read row by row", fact.table)
                self._too_large.add((fact.table, hours[0]))
                return
            half = len(hours) // 2
            self._roll_what_fits(fact, hours[:half], now_ms)
            self._roll_what_fits(fact, hours[half:], now_ms)

    def _roll(self, fact: Fact, hours: Sequence[int], now_ms: int) -> None:
        """Sums some hours, and then writes down that their sums count."""
        batch_no = self._batch_no()
        first_roll = self._next_rolls(len(hours))
        of_hours = _OfHours(fact, hours, first_roll, batch_no, self._dimensions)
        for rollup in ROLLUPS:
            if rollup.of is fact:
                self._database.command(of_hours.summing(rollup), of_hours.parameters)
        self._database.command(of_hours.naming(), of_hours.parameters)
        rolled = {
            "fact": pa.array([fact.table] * len(hours), pa.string()),
            "hour": pa.array(hours, pa.uint32()),
            "batch_no": pa.array([batch_no] * len(hours), pa.uint64()),
            "roll": pa.array(range(first_roll, first_roll + len(hours)), pa.uint64()),
            "dimensions": pa.array([self._dimensions] * len(hours), pa.list_(pa.string())),
            "rolled_at": pa.array([now_ms] * len(hours), pa.timestamp("ms", "UTC")),
        }
        self._database.insert("rollup_rolls", pa.table(rolled))

    def _batch_no(self) -> int:
        rows = self._database.query("SELECT max(batch_no) AS batch_no FROM feed_turns WHERE complete = 1").to_pylist()
        return int(rows[0]["batch_no"])

    def _next_rolls(self, count: int) -> int:
        """Returns the first of some numbers that no sums have, also those of a roll that was cut short."""
        if self._last_roll < 0:
            tables = [*(rollup.sums.table for rollup in ROLLUPS), DIMENSIONS_TABLE, "rollup_rolls"]
            parts = " UNION ALL ".join(f"SELECT max(roll) AS roll FROM {table}" for table in tables)
            self._last_roll = int(
                self._database.query(f"SELECT max(roll) AS roll FROM ({parts})").to_pylist()[0]["roll"]
            )
        first = self._last_roll + 1
        self._last_roll += count
        return first

    def _clear(self, now_ms: int) -> None:
        """Deletes sums that do not count, or no more."""
        self._database.command(_CLEAR, {"before_ms": max(0, now_ms - KEPT_MS)})
        for table in (*(rollup.sums.table for rollup in ROLLUPS), DIMENSIONS_TABLE):
            gone = f"FROM {table} WHERE roll NOT IN (SELECT roll FROM rollup_rolls)"
            if self._database.query(f"SELECT 1 {gone} LIMIT 1").num_rows:  # deleting nothing takes as long as deleting
                self._database.command(f"DELETE {gone}")
        self._cleared_ms = now_ms


class _OfHours:
    """The statements that sum some hours of a fact, all with the same parameters."""

    def __init__(
        self, fact: Fact, hours: Sequence[int], first_roll: int, batch_no: int, dimensions: Sequence[str]
    ) -> None:
        self._dimensions = dimensions
        self.parameters: dict[str, Parameter] = {
            "starts": list(PART_STARTS),
            "hours": list(hours),
            "first_roll": first_roll,
            "batch_no": batch_no,
            "fact": fact.table,
        }
        spans = [self._span(place, run) for place, run in enumerate(_runs(hours))]
        self._rows = f"FROM {fact.table} FINAL WHERE batch_no <= {{batch_no:UInt64}} AND ({' OR '.join(spans)})"
        self._rows += f" AND {fact.counts}" if fact.counts else ""

    def _span(self, place: int, run: Sequence[int]) -> str:
        self.parameters[f"start{place}"] = run[0] * HOUR_MS
        self.parameters[f"end{place}"] = (run[-1] + 1) * HOUR_MS
        start, end = (f"fromUnixTimestamp64Milli({{{name}{place}:Int64}}, 'UTC')" for name in ("start", "end"))
        return f"(time >= {start} AND time < {end})"

    def _bind(self, value: Parameter, kind: str) -> str:
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f"{{{name}:{kind}}}"

    def summing(self, rollup: Rollup) -> str:
        """Returns the statement that fills one table of sums."""
        of, sums = rollup.of, rollup.sums
        keys = {column: of.columns[name] for name, column in sums.columns.items()}
        if sums.has_dimension_columns:
            for name in self._dimensions:
                keys[column_of(name)] = of.expression(Key(name, is_dimension=True), self._bind, self._dimensions)
        columns = ["hour", "minute", "roll", "row_count", *rollup.figures, *keys]
        values = [_NUMBERED, "count()", *(f"sum({value})" for value in rollup.figures.values()), *keys.values()]
        grouped = ", ".join(["hour", "minute", "roll", *keys.values()])
        return (
            f"INSERT INTO {sums.table} ({', '.join(columns)}) "
            f"SELECT {', '.join(values)} {self._rows} GROUP BY {grouped}"
        )

    def naming(self) -> str:
        """Returns the statement that counts dimensions."""
        return (
            f"INSERT INTO {DIMENSIONS_TABLE} (hour, minute, roll, fact, name, row_count) "
            f"SELECT {_NUMBERED}, {{fact:String}}, arrayJoin(mapKeys(dimensions)) AS name, count() "
            f"{self._rows} GROUP BY hour, minute, roll, name"
        )


_NUMBERED: Final = f"""toUInt32(intDiv({TIME_MS}, {HOUR_MS})) AS hour,
toUInt8(roundDown(toUInt32(intDiv({TIME_MS}, {MINUTE_MS}) % {DAY_MINUTES}), {{starts:Array(UInt32)}}) % 60) AS minute,
{{first_roll:UInt64}} + indexOf({{hours:Array(UInt32)}}, hour) - 1 AS roll"""


def _runs(hours: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yields hours that follow one another, together."""
    for _, run in groupby(enumerate(hours), lambda placed: placed[1] - placed[0]):
        yield [hour for _, hour in run]
