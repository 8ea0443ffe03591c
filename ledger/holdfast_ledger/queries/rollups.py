"""Sums of hours: which there are, and when a question may be answered from them. `rolling` keeps them.

The feeder says which hours it brings rows for before it does (`touched`). An hour that is over is summed anew when it
was touched since: its sums get a number of their own, a roll, and count from when that is written down; so a question
sees an hour's sums whole, of one state, or reads its rows. Rows that arrive twice, late or to correct others make no
difference: an hour is always summed from all its rows.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from holdfast_ledger.governance.periods import HOUR_MS
from holdfast_ledger.queries.calendar import Window
from holdfast_ledger.queries.keys import EVENTS, SPEND, USAGE, Fact, Key, Measure
from holdfast_ledger.queries.statements import Source, Span
from holdfast_ledger.usage.database import Parameter, UsageDatabase

MAX_SPANS: Final = 400
"""Stretches of rows beside sums; with more of them the rows of the whole window are read instead."""

DAY_MINUTES: Final = 24 * 60
MINUTE_MS: Final = HOUR_MS // 60

_DAY_STARTS: Final = (
    (2, 30), (3, 30), (9, 30), (10, 15), (11, 15), (13, 30), (14, 30), (15, 15), (17, 30), (18, 15), (18, 30),
    (19, 30), (20, 30),
)  # fmt: skip
"""Within which hours of UTC, and where, days of a time zone begin: Newfoundland, the Marquesas, the Chathams, Lord Howe
and South Australia, Eucla, Myanmar, Nepal, India, Afghanistan, Iran."""

PART_STARTS: Final = tuple(sorted([*range(0, DAY_MINUTES, 60), *(hour * 60 + minute for hour, minute in _DAY_STARTS)]))
"""Minutes of a day of UTC at which a sum begins: at full hours, and within those in which days begin."""

_SUM_TIME_MS: Final = f"(toInt64(hour) * {HOUR_MS} + minute * {MINUTE_MS})"


@dataclass(frozen=True, slots=True)
class Rollup:
    """Sums of a fact's rows by hour and some keys."""

    of: Fact
    sums: Fact
    """How they are read."""
    figures: Mapping[str, str]
    """Its columns that are sums, and what of a row is summed."""

    def answers(self, keys: Iterable[Key], scope: str, dimensions: Collection[str]) -> bool:
        """Whether it knows of these keys, and of accounts if those of one are asked for."""
        columns = dimensions if self.sums.has_dimension_columns else ()
        known = all(key.name in (columns if key.is_dimension else self.sums.columns) for key in keys)
        return known and (not scope or "account" in self.sums.columns)


def _rollup(
    of: Fact,
    table: str,
    figures: Mapping[str, str],
    measures: Mapping[Measure, str],
    keys: Sequence[str],
    *,
    by_dimensions: bool,
) -> Rollup:
    columns = {name: of.columns[name] for name in keys}
    sums = Fact(table, columns, measures, by_dimensions, time_ms=_SUM_TIME_MS, row_count="row_count")
    return Rollup(of, sums, figures)


_SPENT: Final = {"amount": "toInt128(amount)", "cost_amount": "toInt128(cost_amount)", "debit_count": "debit_count"}
_USED: Final = {"quantity": "toInt128(quantity)"}
_COUNTED: Final = {"event_count": EVENTS.values[Measure.COUNT]}
_COUNT: Final = {Measure.COUNT: "event_count"}
_SPENT_BY: Final = ("currency", "category", "cost_currency")

ROLLUPS: Final = (
    _rollup(USAGE, "usage_hours", _USED, USAGE.values, ("pool", "meter"), by_dimensions=True),
    _rollup(USAGE, "usage_account_hours", _USED, USAGE.values, ("account", "meter"), by_dimensions=False),
    _rollup(SPEND, "spend_hours", _SPENT, SPEND.values, ("pool", "product", *_SPENT_BY), by_dimensions=True),
    _rollup(SPEND, "spend_account_hours", _SPENT, SPEND.values, ("account", *_SPENT_BY), by_dimensions=False),
    _rollup(EVENTS, "event_hours", _COUNTED, _COUNT, (), by_dimensions=True),
    _rollup(EVENTS, "event_account_hours", _COUNTED, _COUNT, ("account",), by_dimensions=False),
)
"""Of a fact, the smaller first: there are more accounts than combinations of what breakdowns ask for."""

DIMENSIONS_TABLE: Final = "dimension_hours"


def dimensions_of(fact: Fact) -> Fact:
    """Returns how the dimensions of a fact's hours are read."""
    return Fact(DIMENSIONS_TABLE, {}, {}, False, time_ms=_SUM_TIME_MS, row_count="row_count")


@dataclass(frozen=True, slots=True)
class Hours:
    """What is known of the hours of a window, of one fact."""

    touched: Sequence[int]
    """Hours that have rows, ascending."""
    rolls: Mapping[int, int]
    """Of those of them whose sums are those of the snapshot: which sums count."""


_HOURS: Final = """SELECT touches.hour AS hour, rolls.roll AS roll,
rolls.roll > 0 AND touches.touched <= {batch_no:UInt64} AND touches.touched <= rolls.summed
    AND hasAll(rolls.kept_by, {dimensions:Array(String)}) AS is_fresh
FROM (SELECT hour, max(batch_no) AS touched FROM rollup_touches
    WHERE fact = {fact:String} AND hour >= {first:UInt32} AND hour <= {last:UInt32} GROUP BY hour) AS touches
LEFT JOIN (SELECT hour, max(roll) AS roll, argMax(batch_no, rollup_rolls.roll) AS summed,
    argMax(rollup_rolls.dimensions, rollup_rolls.roll) AS kept_by FROM rollup_rolls
    WHERE fact = {fact:String} AND hour >= {first:UInt32} AND hour <= {last:UInt32} GROUP BY hour) AS rolls
ON touches.hour = rolls.hour ORDER BY hour"""


def hours(
    database: UsageDatabase, fact: Fact, window: Window, batch_no: int, dimensions: Sequence[str], timeout_ms: int
) -> Hours:
    """Finds what is known of a window's hours at a snapshot, for questions by some dimensions.

    Sums that are not kept by all of these do not count. Raises `UsageStoreError`.
    """
    first, last = max(0, window.start_ms) // HOUR_MS, max(0, window.end_ms - 1) // HOUR_MS
    named: dict[str, Parameter] = {
        "fact": fact.table, "first": first, "last": last, "batch_no": batch_no, "dimensions": list(dimensions),
    }  # fmt: skip
    rows = database.query(_HOURS, named, timeout_ms).to_pylist()
    return Hours([row["hour"] for row in rows], {row["hour"]: row["roll"] for row in rows if row["is_fresh"]})


def rollup_for(fact: Fact, keys: Collection[Key], scope: str, dimensions: Collection[str]) -> Rollup | None:
    """Returns the first sums that know of these keys; None: the rows are to be read.

    `dimensions` are those with a column.
    """
    found = (rollup for rollup in ROLLUPS if rollup.of is fact and rollup.answers(keys, scope, dimensions))
    return next(found, None)


def sources(fact: Fact, sums: Fact, window: Window, known: Hours) -> Sequence[Source]:
    """Returns where a fact's figures are read: sums of whole hours, rows for the others.

    An hour is read from its rows if its sums are not those of the snapshot, or a step or the window begins or ends
    within one of its sums. Hours that were never touched have no rows.
    """
    edges = (window.start_ms, window.end_ms, *window.steps_ms)
    cut = {edge // HOUR_MS for edge in edges if not _begins_sum(edge)}
    summed = [hour for hour in known.touched if hour in known.rolls and hour not in cut]
    spans = _spans((hour for hour in known.touched if hour not in known.rolls or hour in cut), window)
    if not summed or len(spans) > MAX_SPANS:
        return [of_rows(fact, window)]
    rolled = Source(
        sums,
        [Span(max(summed[0] * HOUR_MS, window.start_ms), min((summed[-1] + 1) * HOUR_MS, window.end_ms))],
        [known.rolls[hour] for hour in summed],
    )
    return [rolled, Source(fact, spans)] if spans else [rolled]


def _begins_sum(at_ms: int) -> bool:
    minute, rest_ms = divmod(at_ms, MINUTE_MS)
    return not rest_ms and minute % DAY_MINUTES in PART_STARTS


def of_rows(fact: Fact, window: Window) -> Source:
    """Returns all rows of a window."""
    return Source(fact, [Span(window.start_ms, window.end_ms)])


def _spans(hours: Iterable[int], window: Window) -> list[Span]:
    """Returns the parts of a window that are in some hours, neighbours as one."""
    result: list[Span] = []
    for hour in hours:
        start, end = max(hour * HOUR_MS, window.start_ms), min((hour + 1) * HOUR_MS, window.end_ms)
        if result and result[-1].end_ms == start:
            result[-1] = Span(result[-1].start_ms, end)
        elif start < end:
            result.append(Span(start, end))
    assert all(earlier.end_ms < later.start_ms for earlier, later in pairwise(result))
    return result


def touched(database: UsageDatabase, batch_no: int, hours_by_fact: Mapping[str, Collection[int]]) -> None:
    """Writes down that a turn of the feeder brings rows for some hours; to be called before their rows are inserted.

    Args:
        database: The store.
        batch_no: The turn.
        hours_by_fact: Unix times in hours, by table.

    Raises:
        UsageStoreError: Some may be written; repeat it.
    """
    import pyarrow as pa  # noqa: PLC0415 - an extra, which whoever only asks does without

    named = [(fact, hour) for fact, hours in hours_by_fact.items() for hour in sorted(hours)]
    if named:
        rows = {
            "fact": pa.array([fact for fact, _ in named], pa.string()),
            "hour": pa.array([hour for _, hour in named], pa.uint32()),
            "batch_no": pa.array([batch_no] * len(named), pa.uint64()),
        }
        database.insert("rollup_touches", pa.table(rows))
