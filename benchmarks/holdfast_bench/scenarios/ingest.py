"""Rows a second that are taken in from objects: Parquet, CSV and JSON lines of a folder, until they are durable.

The worker's own parts and its settings, one object after another, on a ledger's SQLite database on this disk; the
events are those of an LLM gateway, with ids of 128 random bits. What the usage store does with them later is not in it.
"""

import gc
import json
import random
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
from holdfast_ledger.bootstrap import open_store
from holdfast_ledger.metering.event_rules import EventTerms
from holdfast_ledger.objects.checking import KnownAccounts, checker_at
from holdfast_ledger.objects.config import Source
from holdfast_ledger.objects.opening import open_source
from holdfast_ledger.objects.schedule import list_source
from holdfast_ledger.objects.taking import Taker
from holdfast_ledger.objects.worker import GARBAGE_THRESHOLD
from holdfast_ledger.store.interface import Account, Store
from holdfast_ledger.store.object_rows import ObjectState
from pyarrow import csv, parquet

from holdfast_bench.options import Options
from holdfast_bench.results import Json, Report, Spread

ACCOUNT_COUNT = 1_000
ROW_COUNT = 2_000_000
"""Of the Parquet file."""
SLOWER = {"parquet": 1, "csv": 4, "jsonl": 8}
"""By how much fewer rows the slower formats are measured with."""


def run(options: Options) -> Report:
    """Measures each format over the rounds."""
    records: list[dict[str, Json]] = []
    for name, write in _WRITERS.items():
        rows = max((options.row_count or ROW_COUNT) // SLOWER[name], 1)
        found = [_round(name, write, rows) for _ in range(options.rounds)]
        rates = Spread.of(rate for rate, _, _ in found)
        records.append(
            {
                "format": name,
                "rows": rows,
                "rows_per_s": round(rates.median),
                "rows_per_s_min": round(rates.lowest),
                "rows_per_s_max": round(rates.highest),
                "object_bytes": found[0][1],
                "cpu_s_per_million_rows": round(Spread.of(cpu for _, _, cpu in found).median * 1e6 / rows, 2),
                "rounds": options.rounds,
            }
        )
    return Report("ingest", records=records)


def _round(name: str, write: Callable[[Path, int], None], rows: int) -> tuple[float, int, float]:
    """Returns rows a second, the object's length, and seconds of processors."""
    with tempfile.TemporaryDirectory(prefix="holdfast-ingest-") as folder:
        path = Path(folder, "objects", f"events.{name}")
        path.parent.mkdir()
        write(path, rows)
        store = open_store(str(Path(folder, "ledger.sqlite")))
        try:
            _accounts(store)
            gc.collect()
            gc.set_threshold(GARBAGE_THRESHOLD, 10, 10)
            begun, cpu = time.perf_counter(), time.process_time()
            _take(store, path.parent, rows)
            return rows / (time.perf_counter() - begun), path.stat().st_size, time.process_time() - cpu
        finally:
            store.close()


def _take(store: Store, folder: Path, rows: int) -> None:
    source = Source(name="bench", url=folder.as_uri(), min_age_ms=0)
    opened = open_source(source)
    accounts = KnownAccounts(store)
    taker = Taker(
        store, lambda at_ms: checker_at(at_ms, EventTerms(), accounts), _now_ms, max_attempts=1, waiting_limit=0
    )
    list_source(source, lambda: opened, store, _now_ms())
    row = taker.take_next([opened])
    taker.close()
    if row is None or row.state is not ObjectState.DONE or (row.row_count, row.bad_count) != (rows, 0):
        raise RuntimeError(f"the object was not taken in as it should be: {row}")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _accounts(store: Store) -> None:
    with store.writing() as writer:
        for number in range(ACCOUNT_COUNT):
            writer.insert_account(Account(f"account-{number}", "", 1))


def _table(rows: int) -> pa.Table:
    chance = random.Random(1)
    now_ms = _now_ms()

    def chosen(values: Sequence[str]) -> pa.Array:
        return pa.array(chance.choices(values, k=rows))

    return pa.table(
        {
            "id": [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(rows)],
            "source": ["gateway"] * rows,
            "type": ["llm.call"] * rows,
            "time": pa.array([now_ms - chance.randrange(86_400_000) for _ in range(rows)], pa.timestamp("ms", "UTC")),
            "account_id": chosen([f"account-{number}" for number in range(ACCOUNT_COUNT)]),
            "subject": chosen([f"team-{team}/user-{user}" for team in range(20) for user in range(50)]),
            "dimension.model": chosen(["gpt-5", "claude-opus-4", "gemini-3-pro"]),
            "dimension.feature": chosen(["chat", "search", "agent", "summary"]),
            "dimension.region": chosen(["eu-west-1", "us-east-1"]),
            "quantity.input": pa.array([chance.randrange(20_000) for _ in range(rows)]),
            "quantity.output": pa.array([chance.randrange(4_000) for _ in range(rows)]),
        }
    )


def _write_parquet(path: Path, rows: int) -> None:
    parquet.write_table(_table(rows), path, compression="zstd", row_group_size=250_000)


def _write_csv(path: Path, rows: int) -> None:
    table = _table(rows)
    milliseconds = table.column("time").cast(pa.int64())
    csv.write_csv(table.set_column(table.column_names.index("time"), "time", milliseconds), path)


def _write_json(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in _table(rows).to_pylist():
            flat = {name: value for name, value in row.items() if "." not in name and name != "account_id"}
            data = {
                f"{kind}s" if kind == "dimension" else "quantities": {
                    name.partition(".")[2]: value for name, value in row.items() if name.startswith(f"{kind}.")
                }
                for kind in ("dimension", "quantity")
            }
            flat |= {
                "specversion": "1.0",
                "time": row["time"].isoformat(),
                "accountid": row["account_id"],
                "data": data,
            }
            file.write(json.dumps(flat) + "\n")


_WRITERS: dict[str, Callable[[Path, int], None]] = {
    "parquet": _write_parquet,
    "csv": _write_csv,
    "jsonl": _write_json,
}
