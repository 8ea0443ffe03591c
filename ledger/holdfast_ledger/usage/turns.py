"""How far the store was fed: the turns, kept in the store itself, planned before their rows and complete after."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import pyarrow as pa

from holdfast_ledger.usage.columns import times, unsigned
from holdfast_ledger.usage.database import UsageDatabase

_LAST = """SELECT * REPLACE (toUnixTimestamp64Milli(complete_until) AS complete_until) FROM feed_turns
ORDER BY batch_no DESC, complete DESC, complete_until DESC LIMIT 1 BY batch_no, complete LIMIT 2"""

KEPT_COUNT = 100_000
"""Turns that are kept, for people to look at: some days."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Everything up to some keys of the ledger's tables, from where the turn before it ended."""

    batch_no: int = 0
    complete: int = 1
    entry_key: int = 0
    debit_key: int = 0
    event_batch_key: int = 0
    change_key: int = 0
    complete_until: int = 0
    """Up to when the ledger's postings are in the store, Unix time in milliseconds."""
    generation: int = 0
    anchor: str = ""
    """Of the ledger's history at these keys, see `FeedReader.feed_anchor`."""
    spend_count: int = 0
    usage_count: int = 0
    event_count: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the store stands."""

    done: Turn
    """The last complete turn; number 0: there was none."""
    planned: Turn | None
    """The turn that was begun after it and not completed."""


def progress(database: UsageDatabase) -> Progress:
    """Reads where the store stands. Raises `UsageStoreError`."""
    names = [field.name for field in fields(Turn)]
    rows = [Turn(**{name: row[name] for name in names}) for row in database.query(_LAST).to_pylist()]
    done = next((turn for turn in rows if turn.complete), Turn())
    planned = next((turn for turn in rows if not turn.complete and turn.batch_no > done.batch_no), None)
    return Progress(done, planned)


def write(database: UsageDatabase, turn: Turn, token: str = "") -> None:
    """Writes a turn down, durably. Raises `UsageStoreError`."""
    columns: Mapping[str, pa.Array] = {
        field.name: _column(field.name, getattr(turn, field.name)) for field in fields(Turn)
    }
    database.insert("feed_turns", pa.table(dict(columns)), token)


def _column(name: str, value: int | str) -> pa.Array:
    if isinstance(value, str):
        return pa.array([value], pa.string())
    return times([value]) if name == "complete_until" else unsigned([value])


def counts(database: UsageDatabase) -> Mapping[str, int]:
    """Returns the number of rows by table. Raises `UsageStoreError`."""
    sql = """SELECT table AS name, sum(rows) AS n FROM system.parts
        WHERE active AND database = currentDatabase() GROUP BY table"""
    return {row["name"]: row["n"] for row in database.query(sql).to_pylist()}


def lost(database: UsageDatabase) -> str:
    """Says which table has fewer rows than were fed; empty: none has. Raises `UsageStoreError`."""
    done, there = progress(database).done, counts(database)
    for table, fed_count in (("spend", done.spend_count), ("usage", done.usage_count), ("events", done.event_count)):
        if there.get(table, 0) < fed_count:
            return f"{table} has {there.get(table, 0)} rows of {fed_count}"
    return ""


def forget(database: UsageDatabase, done: Turn, kept_count: int = KEPT_COUNT) -> None:
    """Deletes turns long past, so that they do not grow without end. Raises `UsageStoreError`."""
    sql = "ALTER TABLE feed_turns DELETE WHERE batch_no < {first:UInt64} SETTINGS mutations_sync = 1"
    if done.batch_no > kept_count:
        database.command(sql, {"first": done.batch_no - kept_count})


def completed(plan: Turn, **changed: int) -> Turn:
    """Returns a plan as complete."""
    return replace(plan, complete=1, **changed)  # type: ignore[arg-type]  # no anchor among them
