"""What the tests of questions share: a usage store that is fed by hand, and the same figures from plain Python."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from holdfast.v1 import usage_service_pb2 as api
from holdfast_ledger.access.caller import ANYONE, Caller
from holdfast_ledger.queries.answers import Answers, Unit
from holdfast_ledger.queries.rolling import Roller
from holdfast_ledger.queries.rollups import touched
from holdfast_ledger.queries.tokens import Tokens
from holdfast_ledger.usage import schema
from holdfast_ledger.usage.database import UsageDatabase
from holdfast_ledger.usage.dimensions import DEFAULT_DIMENSIONS

START_MS = 1_798_761_600_000
"""2027-01-01, UTC."""
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NOW_MS = START_MS + 40 * DAY_MS

DIMENSIONS = pa.map_(pa.string(), pa.string())
NUMBERS = ("row_id", "batch_no", "entry_key", "debit_key", "batch_key", "epoch", "sequence")
SIGNED = ("quantity", "amount", "cost_amount")


@dataclass(frozen=True)
class Row:
    """What was used, in one of the tables."""

    table: str = "usage"
    time_ms: int = START_MS
    account: str = "a"
    value: int = 1
    """Quantity, or minor units, or (events) 1: counted, -1: taken back, 0: a duplicate."""
    cost: int = 0
    counts: int = 1
    """Of spend: whether it is the first line of a debit."""
    pool: str = "general"
    meter: str = "input"
    grant: str = "g"
    category: str = "paid"
    currency: str = "credits"
    subject: str = ""
    dimensions: dict[str, str] = field(default_factory=dict, hash=False)


def key_of(row: Row, key: str) -> str:
    """The value of a key, as the contract says."""
    if key.startswith("subject_"):
        names = row.subject.split("/")
        level = int(key.removeprefix("subject_"))
        return names[level - 1] if level <= len(names) else ""
    of_spend = {"grant": row.grant, "category": row.category, "currency": row.currency, "cost_currency": "USD"}
    known = {"account": row.account, "subject": row.subject}
    if row.table == "usage":
        known |= {"pool": row.pool, "meter": row.meter}
    if row.table == "spend":
        known |= {"pool": row.pool, "product": row.pool, **of_spend}
    return known.get(key, row.dimensions.get(key, ""))


def _columns(row: Row, key: int) -> dict[str, Any]:
    common = {
        "time": row.time_ms, "account_id": row.account, "subject": row.subject,
        "dimensions": list(row.dimensions.items()),
    }  # fmt: skip
    if row.table == "events":
        outcome = {1: "counted", -1: "taken_back", 0: "duplicate"}[row.value]
        return common | {
            "batch_key": key, "outcome": outcome, "source": "s", "id": f"e{key}", "type": "call",
        }  # fmt: skip
    charged = {"pool_id": row.pool, "debit_key": key, "operation_id": f"op{key}", "hold_id": "", "sidecar_id": "s1"}
    if row.table == "usage":
        return common | charged | {"row_id": key, "meter_id": row.meter, "quantity": row.value, "source": "debit"}
    return common | charged | {
        "entry_key": key, "amount": row.value, "cost_amount": row.cost, "cost_currency": "USD", "grant_id": row.grant,
        "category": row.category, "currency": row.currency, "product": row.pool, "debit_count": row.counts,
    }  # fmt: skip


def _array(name: str, values: Sequence[Any]) -> pa.Array:
    if name == "dimensions":
        return pa.array(values, DIMENSIONS)
    if name in ("time", "posted_at", "accepted_at"):
        return pa.array(values, pa.timestamp("ms", "UTC"))
    kind = pa.uint64() if name in NUMBERS else pa.int64() if name in SIGNED else pa.uint8()
    return pa.array(values, kind if isinstance(values[0], int) else pa.string())


class Setting:
    """A store with nothing in it but what a test feeds."""

    def __init__(self, database: UsageDatabase) -> None:
        self.database = database
        self.rows: list[tuple[int, Row]] = []
        """With the turns that brought them."""
        self.turn = 0
        self.dimensions: tuple[str, ...] = DEFAULT_DIMENSIONS
        """Those with a column, as the ledger is told."""
        self.secret = b"secret"
        self._keys = itertools.count(1)

    def feed(self, *rows: Row, complete: bool = True, twice: bool = False) -> None:
        """One turn of the feeder; `twice`: as if it had been repeated without anyone noticing."""
        self.turn += 1
        hours: dict[str, set[int]] = {}
        for row in rows:
            hours.setdefault(row.table, set()).add(row.time_ms // HOUR_MS)
        touched(self.database, self.turn, hours)
        for table in hours:
            columns = [_columns(row, next(self._keys)) for row in rows if row.table == table]
            made = {name: _array(name, [one[name] for one in columns]) for name in columns[0]}
            made["batch_no"] = _array("batch_no", [self.turn] * len(columns))
            for _ in range(2 if twice else 1):
                self.database.insert(table, pa.table(made))
        self.rows += [(self.turn, row) for row in rows]
        if complete:
            self.complete()

    def complete(self) -> None:
        """Ends the turn."""
        row = {"batch_no": _array("batch_no", [self.turn]), "complete": pa.array([1], pa.uint8())}
        row["complete_until"] = pa.array([START_MS], pa.timestamp("ms", "UTC"))
        self.database.insert("feed_turns", pa.table(row))

    def roll(self, now_ms: int = NOW_MS) -> None:
        """Sums hours, as the worker does."""
        Roller(self.database, self.dimensions).turn(now_ms)

    def answers(self, *, use_rollups: bool = True) -> Answers:
        """What answers questions of it."""
        unit_of, tokens = (lambda key, value: Unit(value, 6)), Tokens(self.secret)
        return Answers(self.database, unit_of, tokens, self.dimensions, use_rollups=use_rollups)

    def ask(self, *, use_rollups: bool = True, caller: Caller = ANYONE, **fields: Any) -> api.QueryUsageResponse:
        """One page of a question; a day of quantities unless told."""
        request = asked(**fields)
        return self.answers(use_rollups=use_rollups).query(request, caller, NOW_MS)

    def trace(self, token: str, caller: Caller = ANYONE, **fields: Any) -> api.TraceUsageResponse:
        """One page of what is behind a figure."""
        return self.answers().trace(api.TraceUsageRequest(trace_token=token, **fields), caller, NOW_MS)

    def keys(self, caller: Caller = ANYONE, *, use_rollups: bool = True, **fields: Any) -> list[str]:
        """Keys, or values of one."""
        values: dict[str, Any] = {"start_unix_ms": START_MS, "end_unix_ms": START_MS + DAY_MS}
        request = api.ListUsageKeysRequest(**(values | fields))
        return list(self.answers(use_rollups=use_rollups).keys(request, caller).names)


def asked(**fields: Any) -> api.QueryUsageRequest:
    """A question: a day of quantities unless told."""
    values: dict[str, Any] = {
        "measure": api.USAGE_MEASURE_QUANTITY,
        "start_unix_ms": START_MS,
        "end_unix_ms": START_MS + DAY_MS,
    }
    return api.QueryUsageRequest(**(values | fields))


def clear(database: UsageDatabase) -> None:
    """Empties all tables."""
    for table in schema.TABLES:
        database.command(f"TRUNCATE TABLE {table}")


def cells(answer: api.QueryUsageResponse) -> list[tuple[int, tuple[str, ...], int]]:
    """Steps (in hours since the start), groups and values of an answer."""
    return [((cell.step_unix_ms - START_MS) // HOUR_MS, tuple(cell.group), cell.value) for cell in answer.cells]
