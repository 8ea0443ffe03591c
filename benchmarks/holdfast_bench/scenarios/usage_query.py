"""Questions about usage over many rows: the ledger's planner on the embedded engine, from request to answer.

The rows are made inside the engine: a month of quantities of ten thousand accounts, a few of them much larger than the
others, with the dimensions of calls to models. Each question is asked again and again; nothing else runs. `rows` of a
figure are those of the store, all of which lie in the window of the thirty-day questions.
"""

import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from holdfast.v1 import usage_service_pb2 as pb
from holdfast_ledger.access.caller import ANYONE
from holdfast_ledger.errors import LedgerError
from holdfast_ledger.queries.answers import Answers, Unit
from holdfast_ledger.queries.rolling import Roller
from holdfast_ledger.queries.rollups import touched
from holdfast_ledger.queries.tokens import Tokens
from holdfast_ledger.usage import schema
from holdfast_ledger.usage.database import UsageDatabase
from holdfast_ledger.usage.embedded import EmbeddedDatabase

from holdfast_bench import system
from holdfast_bench.options import Options
from holdfast_bench.results import Chart, Json, Measure, Report, Spread
from holdfast_bench.rounds import say

START_MS = 1_790_812_800_000
"""2026-10-01, UTC: thirty days of one month."""
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
END_MS = START_MS + 30 * DAY_MS
NOW_MS = END_MS + DAY_MS

ROW_COUNTS = [1_000_000, 10_000_000, 100_000_000]
"""Unless told."""

CHUNK_ROWS = 500_000
"""Rows made at once: what fits into the engine's memory beside their columns."""
MEMORY_MB = 1_024
"""The ledger's default for the engine."""

ACCOUNT_COUNT = 10_000
LARGE_ACCOUNT, SMALL_ACCOUNT = "account-0", "account-5000"
"""The largest has about a twentieth of all rows; the other is of the middle."""

RUN_LIMIT, TIME_LIMIT_S, RUN_MINIMUM = 50, 10.0, 5
"""Of each question: as often as fits, but not less."""

_FILL = """INSERT INTO usage (row_id, batch_no, time, posted_at, account_id, pool_id, meter_id, quantity, source,
    subject, dimensions, debit_key, operation_id, hold_id, sidecar_id)
SELECT number, 1,
    fromUnixTimestamp64Milli({start:Int64} + toInt64(number * ({length:Int64} / {rows:UInt64})), 'UTC') AS at, at,
    concat('account-', toString(account)), 'general',
    ['input', 'cached_input', 'output', 'requests'][1 + number % 4], 1 + cityHash64(number, 1) % 5000, 'debit',
    concat('team-', toString(cityHash64(number, 2) % 12), '/user-', toString(cityHash64(number, 3) % 300)),
    map('model', concat('model-', toString(model)), 'provider', concat('provider-', toString(model % 4)),
        'feature', concat('feature-', toString(cityHash64(number, 4) % 20)),
        'region', concat('region-', toString(cityHash64(number, 5) % 4)),
        'environment', ['production', 'production', 'production', 'staging'][1 + cityHash64(number, 6) % 4],
        'customer', concat('customer-', toString(cityHash64(number, 7) % 5000))),
    intDiv(number, 4), concat('operation-', toString(intDiv(number, 4))), '', concat('host-', toString(account % 50))
FROM (SELECT number, cityHash64(intDiv(number, 4)) AS hash, cityHash64(hash) % 12 AS model,
    toUInt32(floor({accounts:UInt32} * pow((hash % 1000003) / 1000003., 3))) AS account
    FROM numbers({first:UInt64}, {count:UInt64}))"""


@dataclass(frozen=True, slots=True)
class _Question:
    """Something that is asked."""

    name: str
    fields: dict[str, Any]
    use_rollups: bool = True
    zone: str = ""
    window: tuple[int, int] = field(default=(START_MS, END_MS))

    def request(self) -> pb.QueryUsageRequest:
        """The call."""
        return pb.QueryUsageRequest(
            measure=pb.USAGE_MEASURE_QUANTITY,
            start_unix_ms=self.window[0],
            end_unix_ms=self.window[1],
            time_zone=self.zone,
            **self.fields,
        )


_TWO = {"group_by": ["model", "feature"]}
_BY_DAY = {**_TWO, "granularity": pb.GRANULARITY_DAY}
_A_DAY = (START_MS + 14 * DAY_MS, START_MS + 15 * DAY_MS)
_BY_HOUR = {"group_by": ["model"], "granularity": pb.GRANULARITY_HOUR}

QUESTIONS = (
    _Question("30 days by model and feature", _TWO),
    _Question("30 days by model and feature, a day each", _BY_DAY),
    _Question("the same in India, whose days begin within an hour", _BY_DAY, zone="Asia/Kolkata"),
    _Question("30 days by account, the 10 largest", {"group_by": ["account"], "top": 10}),
    _Question("30 days by model and feature, without sums of hours", _TWO, use_rollups=False),
    _Question("30 days by customer (no column of its own), the 10 largest", {"group_by": ["customer"], "top": 10}),
    _Question("an account's day by model, an hour each", {"account_id": SMALL_ACCOUNT, **_BY_HOUR}, window=_A_DAY),
    _Question("the largest account's day", {"account_id": LARGE_ACCOUNT, **_BY_HOUR}, window=_A_DAY),
    _Question("an account's 30 days by model and feature", {"account_id": SMALL_ACCOUNT, **_TWO}),
    _Question("the largest account's 30 days by model and feature", {"account_id": LARGE_ACCOUNT, **_TWO}),
)


def run(options: Options) -> Report:
    """Measures it at each number of rows, ascending, in one store each."""
    records: list[dict[str, Json]] = []
    measures: list[Measure] = []
    faults: list[str] = []
    medians: dict[str, list[float]] = {question.name: [] for question in QUESTIONS}
    counts = ROW_COUNTS if options.row_count is None else [options.row_count]
    for row_count in counts:
        with system.workspace() as folder:
            database = EmbeddedDatabase(folder / "usage", MEMORY_MB)
            try:
                measures += _filled(database, row_count)
                for question in QUESTIONS:
                    try:
                        figures = _measured(database, question, row_count)
                    except LedgerError as fault:
                        faults.append(f"{row_count:,} rows, {question.name}: {fault.message}")
                        medians[question.name].append(math.nan)
                        continue
                    records.append(figures.to_json())
                    medians[question.name].append(figures.p50_ms)
            finally:
                database.close()
    chart = Chart("rows", "median, ms", medians, x_values=counts, logarithmic=True)
    return Report("usage-query", records=records, measures=measures, faults=faults, charts=[chart])


def _filled(database: UsageDatabase, row_count: int) -> Iterator[Measure]:
    """Makes the rows and their sums; tells what they took."""
    of: dict[str, Json] = {"rows": row_count}
    schema.create(database)
    touched(database, 1, {"usage": range(START_MS // HOUR_MS, END_MS // HOUR_MS)})
    began = time.monotonic()
    for first in range(0, row_count, CHUNK_ROWS):
        database.command(
            _FILL,
            {
                "start": START_MS, "length": END_MS - START_MS, "rows": row_count, "accounts": ACCOUNT_COUNT,
                "first": first, "count": min(CHUNK_ROWS, row_count - first),
            },
        )  # fmt: skip
    turn = {"batch_no": pa.array([1], pa.uint64()), "complete": pa.array([1], pa.uint8())}
    database.insert("feed_turns", pa.table(turn))
    say(f"usage-query: {row_count:,} rows made in {time.monotonic() - began:,.0f} s")
    began, roller = time.monotonic(), Roller(database)
    while roller.turn(NOW_MS):
        pass
    seconds = time.monotonic() - began
    say(f"usage-query: their hours summed in {seconds:,.0f} s")
    yield Measure("rows_summed_per_s", of, Spread.of([row_count / seconds]))
    _settle(database)
    for table in ("usage", "usage_hours", "usage_account_hours"):
        bytes_on_disk, rows, parts = _size(database, table)
        yield Measure("bytes_per_row", {**of, "table": table}, Spread.of([bytes_on_disk / max(rows, 1)]))
        yield Measure("table_rows", {**of, "table": table, "parts": parts}, Spread.of([float(rows)]))


def _settle(database: UsageDatabase) -> None:
    """Waits for merges under way: rows come in slowly in life."""
    while database.query("SELECT count() AS n FROM system.merges").to_pylist()[0]["n"]:
        time.sleep(0.2)


def _size(database: UsageDatabase, table: str) -> tuple[int, int, int]:
    sql = """SELECT sum(bytes_on_disk) AS bytes, sum(rows) AS rows, count() AS parts FROM system.parts
        WHERE active AND database = currentDatabase() AND table = {table:String}"""
    (row,) = database.query(sql, {"table": table}).to_pylist()
    return row["bytes"], row["rows"], row["parts"]


@dataclass(frozen=True, slots=True)
class _Figures:
    """What a question took."""

    query: str
    row_count: int
    cell_count: int
    times_ms: Sequence[float]

    @property
    def p50_ms(self) -> float:
        return statistics.median(self.times_ms)

    def to_json(self) -> dict[str, Json]:
        """The published form."""
        p50, p99 = round(self.p50_ms, 1), round(_percentile(self.times_ms, 99), 1)
        runs, latency = len(self.times_ms), {"p50": p50, "p99": p99}
        return {
            "query": self.query, "rows": self.row_count, "cells": self.cell_count, "runs": runs, "latency_ms": latency,
        }  # fmt: skip


def _measured(database: UsageDatabase, question: _Question, row_count: int) -> _Figures:
    """Asks a question again and again."""
    answers = Answers(database, lambda _, value: Unit(value), Tokens(b""), use_rollups=question.use_rollups)
    answer = answers.query(question.request(), ANYONE, NOW_MS)
    times_ms: list[float] = []
    until = time.monotonic() + TIME_LIMIT_S
    while len(times_ms) < RUN_MINIMUM or (len(times_ms) < RUN_LIMIT and time.monotonic() < until):
        began = time.perf_counter()
        again = answers.query(question.request(), ANYONE, NOW_MS)
        times_ms.append((time.perf_counter() - began) * 1_000)
        assert again.total == answer.total
    figures = _Figures(question.name, row_count, len(answer.cells), times_ms)
    say(f"usage-query: {row_count:,} rows, {question.name}: {figures.p50_ms:,.1f} ms")
    return figures


def _percentile(values: Sequence[float], percent: float) -> float:
    """The least value that this share of them does not pass."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]
