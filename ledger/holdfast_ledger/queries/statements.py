"""Builds the SQL of questions. Names come from `keys`, values are parameters.

`Builder._where` is the only place that says which rows are read: so the account, the snapshot and the window stand in
every statement.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from holdfast_ledger.governance.periods import HOUR_MS
from holdfast_ledger.queries.calendar import Window, counterparts
from holdfast_ledger.queries.keys import Fact, Key, Measure
from holdfast_ledger.queries.question import Filter, FilterOperator, Question
from holdfast_ledger.queries.tokens import Part, TracePageToken
from holdfast_ledger.usage.database import Parameter

MAX_GROUPS: Final = 5_000_000
"""Groups that one question may make: what fits into the engine's memory; more is refused, not swapped."""

SETTINGS: Final = f"SETTINGS max_rows_to_group_by = {MAX_GROUPS}, group_by_overflow_mode = 'throw'"


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL and its parameters."""

    sql: str
    parameters: dict[str, Parameter]


@dataclass(frozen=True, slots=True)
class Span:
    """Times from a start up to an end, which is not included."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Source:
    """Rows that figures are summed from: a table, and what is read of it."""

    fact: Fact
    spans: Sequence[Span]
    """Disjoint, ascending, at least one."""
    rolls: Sequence[int] = ()
    """Of a roll-up: which of its rows count."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A question, and where its answer is read."""

    question: Question
    batch_no: int
    """The snapshot."""
    sources: Sequence[Source]
    """Of its window."""
    compared_sources: Sequence[Source] = ()
    """Of the window that it is compared with."""

    @property
    def is_topped(self) -> bool:
        """Whether only the largest groups are shown by themselves."""
        return bool(self.question.top and self.question.group_by)

    @property
    def is_ranked(self) -> bool:
        """Whether they are found as they are summed: a single step has each group's total."""
        return self.is_topped and len(self.question.window.steps_ms) == 1


@dataclass(frozen=True, slots=True)
class Place:
    """A cell of one step: its group, or the rest."""

    group: tuple[str, ...]
    rest: bool


class Builder:
    """Builds one statement: `bind` keeps its parameters."""

    def __init__(self, scope: str, batch_no: int, dimensions: Collection[str]) -> None:
        """`scope`: the only account whose rows are read, empty: all; `dimensions`: those with a column."""
        self._scope = scope
        self._batch_no = batch_no
        self._dimensions = dimensions
        self.parameters: dict[str, Parameter] = {}

    def bind(self, value: Parameter, kind: str) -> str:
        """Takes a value and its type, and returns what stands for it."""
        name = f"p{len(self.parameters)}"
        # The engine takes lists and no tuples.
        self.parameters[name] = value if isinstance(value, str | int) else [*value]
        return f"{{{name}:{kind}}}"

    def _value(self, fact: Fact, key: Key) -> str:
        return fact.expression(key, self.bind, self._dimensions)

    def _where(self, source: Source, filters: Sequence[Filter]) -> str:
        """Returns FROM and WHERE of all rows that may be read from a source."""
        conditions = []
        if self._scope:
            conditions.append(f"account_id = {self.bind(self._scope, 'String')}")
        if source.fact.is_rolled:
            conditions.append(f"roll IN {self.bind(source.rolls, 'Array(UInt64)')}")
        else:
            conditions.append(f"batch_no <= {self.bind(self._batch_no, 'UInt64')}")
        conditions.append(" OR ".join(self._within(source.fact, span) for span in source.spans))
        if source.fact.counts:
            conditions.append(source.fact.counts)
        conditions += [self._kept(source.fact, one) for one in filters]
        final = "" if source.fact.is_rolled else " FINAL"
        return f"FROM {source.fact.table}{final} WHERE " + " AND ".join(f"({one})" for one in conditions)

    def _within(self, fact: Fact, span: Span) -> str:
        start, end = (self.bind(at_ms, "Int64") for at_ms in (span.start_ms, span.end_ms))
        if fact.is_rolled:
            hours = f"hour >= intDiv({start}, {HOUR_MS}) AND hour < intDiv({end} + {HOUR_MS - 1}, {HOUR_MS})"
            if span.start_ms % HOUR_MS == span.end_ms % HOUR_MS == 0:
                return hours
            return f"{hours} AND {fact.time_ms} >= {start} AND {fact.time_ms} < {end}"
        times = (f"fromUnixTimestamp64Milli({at}, 'UTC')" for at in (start, end))
        return "time >= {} AND time < {}".format(*times)

    def _kept(self, fact: Fact, kept: Filter) -> str:
        value = self._value(fact, kept.key)
        if kept.operator is FilterOperator.EXISTS:
            return f"{value} != ''"
        if kept.operator is FilterOperator.PREFIX:
            prefixes = self.bind(kept.values, "Array(String)")
            return f"arrayExists(prefix -> startsWith({value}, prefix), {prefixes})"
        word = "IN" if kept.operator is FilterOperator.IN else "NOT IN"
        return f"{value} {word} {self.bind(kept.values, 'Array(String)')}"

    # Figures.

    def cells(
        self, reading: Reading, tops: Sequence[Sequence[str]] | None, after: Sequence[Part], limit: int
    ) -> Statement:
        """Sums by step and group.

        Args:
            reading: The question.
            tops: The groups that are shown by themselves; None: all, or those that `reading.is_ranked` finds.
            after: Place of the last cell of the page before; empty: the first page, whose rows have the totals too.
            limit: Rows at most.
        """
        columns = ["step", "rest", *(f"g{place}" for place in range(len(reading.question.group_by)))]
        place = ", ".join(columns)
        sums = ", ".join(
            f"toString(sum({name})) AS {name}_sum"
            + ("" if after else f", toString(sum(sum({name})) OVER ()) AS {name}_total")
            for name in ("value", "compared")
        )
        having = f" HAVING ({place}) > ({self._place(after)})" if after else ""
        rows = self._ranked(reading) if reading.is_ranked else self._rows(reading, tops)
        return self._done(
            f"SELECT {place}, {sums} FROM ({rows}) GROUP BY {place}{having} "
            f"ORDER BY {place} LIMIT {self.bind(limit, 'UInt64')} {SETTINGS}"
        )

    def _ranked(self, reading: Reading) -> str:
        """Returns the sums of one step with what is beyond its largest groups told: found as in `tops`, in one pass."""
        names = [f"g{place}" for place in range(len(reading.question.group_by))]
        by_group = (
            f"SELECT step, {', '.join(f'{name} AS of_{name}' for name in names)}, max(is_present) AS here, "
            f"sum(value) AS its_value, sum(compared) AS its_compared "
            f"FROM ({self._rows(reading, None)}) GROUP BY step, {', '.join(names)}"
        )
        order = ", ".join(["here DESC", "its_value DESC", *(f"of_{name}" for name in names)])
        top = self.bind(reading.question.top, "UInt64")
        groups = ", ".join(f"if(rest, '', of_{name}) AS {name}" for name in names)
        return (
            f"SELECT step, toUInt8(NOT here OR row_number() OVER (ORDER BY {order}) > {top}) AS rest, {groups}, "
            f"its_value AS value, its_compared AS compared FROM ({by_group})"
        )

    def _place(self, after: Sequence[Part]) -> str:
        kinds = ("Int64", "UInt8", *["String"] * (len(after) - 2))
        return ", ".join(self.bind(part, kind) for part, kind in zip(after, kinds, strict=True))

    def tops(self, reading: Reading) -> Statement:
        """Finds the largest groups of the window by their totals; of equal ones the first by name."""
        groups = ", ".join(f"g{place}" for place in range(len(reading.question.group_by)))
        span = reading.question.window
        whole = Window(span.start_ms, span.end_ms, (span.start_ms,))
        present = Reading(replace(reading.question, window=whole, compared=None), reading.batch_no, reading.sources)
        return self._done(
            f"SELECT {groups} FROM ({self._rows(present, None)}) GROUP BY {groups} "
            f"ORDER BY sum(value) DESC, {groups} LIMIT {self.bind(reading.question.top, 'UInt64')} {SETTINGS}"
        )

    def _rows(self, reading: Reading, tops: Sequence[Sequence[str]] | None) -> str:
        question = reading.question
        parts = [self._sums(question, source, question.window, "value", tops) for source in reading.sources]
        if question.compared is not None:
            parts += [
                self._sums(question, source, question.compared, "compared", tops) for source in reading.compared_sources
            ]
        return " UNION ALL ".join(parts)

    def _sums(
        self, question: Question, source: Source, window: Window, side: str, tops: Sequence[Sequence[str]] | None
    ) -> str:
        """Returns the sums of one source, by the present window's steps."""
        fact = source.fact
        keys = [self._value(fact, key) for key in question.group_by]
        shown = "toString({})" if tops is None else "if(rest, '', toString({}))"
        names = [f"g{place}" for place in range(len(keys))]
        columns = [
            f"{self._step(fact, window, question.window)} AS step",
            f"{self._beyond(keys, tops)} AS rest",
            *(f"{shown.format(key)} AS {name}" for key, name in zip(keys, names, strict=True)),
            *(self._figure(fact, question.measure, name, counts=name == side) for name in ("value", "compared")),
            f"toUInt8({int(side == 'value')}) AS is_present",
        ]
        grouped = ", ".join(["step", "rest", *names])
        return f"SELECT {', '.join(columns)} {self._where(source, question.filters)} GROUP BY {grouped}"

    def _figure(self, fact: Fact, measure: Measure, name: str, *, counts: bool) -> str:
        """Returns a sum that cannot overflow, or none."""
        return f"sum(toInt128({fact.values[measure]})) AS {name}" if counts else f"toInt128(0) AS {name}"

    def _beyond(self, keys: Sequence[str], tops: Sequence[Sequence[str]] | None) -> str:
        """Returns whether a row's group is none of the top ones."""
        if tops is None:
            return "toUInt8(0)"
        lists = [self.bind([group[place] for group in tops], "Array(String)") for place in range(len(keys))]
        if len(keys) == 1:
            return f"{keys[0]} NOT IN {lists[0]}"
        return f"({', '.join(keys)}) NOT IN arrayZip({', '.join(lists)})"

    def _step(self, fact: Fact, window: Window, present: Window) -> str:
        """Returns the start of the present window's step for which a row counts."""
        starts, steps = counterparts(window, present)
        if len(starts) == 1:
            return f"toInt64({self.bind(steps[0], 'Int64')})"
        start = f"roundDown({fact.time_ms}, {self.bind(starts, 'Array(Int64)')})"
        if starts == steps:
            return start
        return f"transform({start}, {self.bind(starts, 'Array(Int64)')}, {self.bind(steps, 'Array(Int64)')})"

    # Keys and their values.

    def any_row(self, source: Source, key: Key | None) -> Statement:
        """Looks for a row, with a value of a key if one is named."""
        filters = [Filter(key, FilterOperator.EXISTS, ())] if key is not None else []
        return self._done(f"SELECT 1 AS found {self._where(source, filters)} LIMIT 1")

    def dimensions(self, sources: Sequence[Source], limit: int) -> Statement:
        """Lists the dimensions that rows have, the most used first."""
        parts = (
            f"SELECT {'name' if source.fact.is_rolled else 'arrayJoin(mapKeys(dimensions)) AS name'}, "
            f"sum({source.fact.row_count}) AS rows {self._where(source, ())} GROUP BY name"
            for source in sources
        )
        return self._done(
            f"SELECT toString(name) AS name FROM ({' UNION ALL '.join(parts)}) WHERE name != '' GROUP BY name "
            f"ORDER BY sum(rows) DESC, name LIMIT {self.bind(limit, 'UInt64')} {SETTINGS}"
        )

    def values(
        self, sources: Sequence[Source], key: Key, filters: Sequence[Filter], prefix: str, limit: int
    ) -> Statement:
        """Lists the values of a key that begin with a prefix, the most used first."""
        parts = (
            f"SELECT toString({self._value(source.fact, key)}) AS name, sum({source.fact.row_count}) AS rows "
            f"{self._where(source, filters)} GROUP BY name"
            for source in sources
        )
        return self._done(
            f"SELECT name FROM ({' UNION ALL '.join(parts)}) WHERE name != '' AND "
            f"startsWith(name, {self.bind(prefix, 'String')}) GROUP BY name ORDER BY sum(rows) DESC, name "
            f"LIMIT {self.bind(limit, 'UInt64')} {SETTINGS}"
        )

    def some_values(self, sources: Sequence[Source], key: Key, filters: Sequence[Filter], limit: int) -> Statement:
        """Finds some values of a key, and stops when it has as many as may be had."""
        filters = [*filters, Filter(key, FilterOperator.EXISTS, ())]
        parts = (
            f"SELECT DISTINCT toString({self._value(source.fact, key)}) AS name {self._where(source, filters)}"
            for source in sources
        )
        limited = f"LIMIT {self.bind(limit, 'UInt64')} {SETTINGS}"
        return self._done(f"SELECT DISTINCT name FROM ({' UNION ALL '.join(parts)}) {limited}")

    # Traces.

    def trace(
        self,
        question: Question,
        sources: Sequence[Source],
        place: Place,
        tops: Sequence[Sequence[str]] | None,
        after: TracePageToken | None,
        limit: int,
    ) -> Statement:
        """Lists the rows behind a cell, the newest first. Not of roll-ups."""
        parts = [self._traced(number, question, source, place, tops) for number, source in enumerate(sources)]
        older = ""
        if after is not None:
            time_ms, fact, row = (
                self.bind(after.time_ms, "Int64"), self.bind(after.fact, "UInt8"), self.bind(after.row_id, "UInt64")
            )  # fmt: skip
            older = f" WHERE (-time_ms, fact, row) > (-{time_ms}, {fact}, {row})"
        return self._done(
            f"SELECT * FROM ({' UNION ALL '.join(parts)}){older} ORDER BY time_ms DESC, fact, row "
            f"LIMIT {self.bind(limit, 'UInt64')}"
        )

    def _traced(
        self, number: int, question: Question, source: Source, place: Place, tops: Sequence[Sequence[str]] | None
    ) -> str:
        fact = source.fact
        keys = [self._value(fact, key) for key in question.group_by]
        if place.rest:
            of_cell = [self._beyond(keys, tops)]
        else:
            of_cell = [f"{key} = {self.bind(value, 'String')}" for key, value in zip(keys, place.group, strict=True)]
        columns = ", ".join(
            f"{_TRACED[fact.table].get(name, empty)} AS {name}" for name, empty in TRACE_COLUMNS.items()
        )
        value = fact.values[question.measure]
        conditions = "".join(f" AND ({one})" for one in [f"{value} != 0", *of_cell])
        return (
            f"SELECT toInt64({fact.time_ms}) AS time_ms, toUInt8({number}) AS fact, toUInt64({fact.row_id}) AS row, "
            f"toInt64({value}) AS value, {columns} {self._where(source, question.filters)}{conditions}"
        )

    def _done(self, sql: str) -> Statement:
        return Statement(sql, self.parameters)


TRACE_COLUMNS: Final = {
    "account": "''",
    "pool": "''",
    "operation": "''",
    "hold": "''",
    "entry": "toUInt64(0)",
    "grant_name": "''",
    "meter": "''",
    "subject_path": "''",
    "names": "[]",
    "texts": "[]",
    "sidecar": "''",
    "who": "''",
    "origin": "''",
    "event": "''",
}
"""What a trace tells of a row, and what stands there where a table does not have it."""

_COMMON: Final = {
    "account": "toString(account_id)",
    "subject_path": "toString(subject)",
    "names": "arrayMap(name -> toString(name), mapKeys(dimensions))",
    "texts": "mapValues(dimensions)",
    "who": "toString(caller)",
}
_CHARGED: Final = {
    **_COMMON,
    "pool": "toString(pool_id)",
    "operation": "operation_id",
    "hold": "hold_id",
    "sidecar": "toString(sidecar_id)",
}
_TRACED: Final = {
    "spend": {**_CHARGED, "entry": "entry_key", "grant_name": "toString(grant_id)"},
    "usage": {
        **_CHARGED,
        "meter": "toString(meter_id)",
        "origin": "toString(event_source)",
        "event": "event_id",
    },
    "events": {**_COMMON, "origin": "toString(source)", "event": "id"},
}
