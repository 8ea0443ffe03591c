"""Takes batches of events into the store: says what becomes of each, and what it counts for additive meters.

The first event of a name counts; others of its name are duplicates or conflicts. An event that was taken back, before
or after it came, stays counted and is there once more as "taken_back": the two cancel each other out, in this turn or
between two, and no row ever changes. All of it is SQL over the events of one turn, so that it is quick.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import compute

from holdfast_ledger.metering.batches import Content
from holdfast_ledger.metering.columns import told_by
from holdfast_ledger.store.interface import Reader
from holdfast_ledger.store.metering_rows import EventBatchRow
from holdfast_ledger.usage.columns import insert, repeated
from holdfast_ledger.usage.database import NO_PARAMETERS, Parameter, UsageDatabase
from holdfast_ledger.usage.meters import Counting, Meters

BATCHES_A_TURN = 1_000
"""Batches of one event each are counted by this."""

BATCHES_A_READ = 4
"""At most 4 MiB each, which unpack to at most 64."""

BYTES_A_TURN = 64 * 1024 * 1024
"""Of events: more are left to the next turn, so that no turn needs more memory than the engine has."""

CLOCKS_APART_MS = 1_000
"""An account that was made so little after a batch came counts as there: another replica's clock may have said when."""

INSERT_TIMEOUT_MS = 60_000

_SAID = """batch_key, position, batch_no, name_hash, content_hash, account_id, source, id, type, accepted_at, subject,
dimensions, quantities, corrects_id, `charges.meter_id`, `charges.quantity`, `charges.amount`, `charges.operation_id`,
`charges.pool_id`, origin, caller"""

_JUDGE_EVENTS = f"""INSERT INTO judged ({_SAID}, time, outcome)
WITH earlier AS (
    SELECT name_hash, any(content_hash) AS earlier_hash FROM event_names
    WHERE name_hash IN (SELECT name_hash FROM arrivals WHERE void = 0) AND batch_no < {{batch_no:UInt64}}
    GROUP BY name_hash
), told AS (
    SELECT batch_key, position, name_hash, content_hash, known,
        row_number() OVER (PARTITION BY known, name_hash ORDER BY batch_key, position) AS place,
        first_value(content_hash) OVER (PARTITION BY known, name_hash ORDER BY batch_key, position) AS first_hash
    FROM arrivals WHERE void = 0
), verdicts AS (
    SELECT batch_key, position, multiIf(
        NOT told.known, 'unknown',
        earlier.earlier_hash = 0 AND place = 1, 'counted',
        content_hash = if(earlier.earlier_hash = 0, first_hash, earlier.earlier_hash), 'duplicate',
        'conflict') AS outcome
    FROM told LEFT JOIN earlier USING (name_hash)
)
SELECT {_SAID.replace("accepted_at", "fromUnixTimestamp64Milli(accepted_at_ms, 'UTC') AS accepted_at")},
    fromUnixTimestamp64Milli(time_ms, 'UTC') AS time, outcome
FROM arrivals JOIN verdicts USING (batch_key, position)"""

_JUDGE_VOIDS = f"""INSERT INTO judged ({_SAID}, time, outcome)
WITH voids AS (
    SELECT {_SAID.replace("accepted_at", "fromUnixTimestamp64Milli(accepted_at_ms, 'UTC') AS accepted_at")},
        'void' AS kind
    FROM arrivals WHERE void = 1
    UNION ALL
    SELECT batch_key, position, batch_no, corrects_hash AS name_hash, 0 AS content_hash, account_id, source,
        arrivals.corrects_id AS id, '' AS type, fromUnixTimestamp64Milli(accepted_at_ms, 'UTC') AS accepted_at,
        '' AS subject, map() AS dimensions, map() AS quantities, '' AS corrects_id, [] AS `charges.meter_id`,
        [] AS `charges.quantity`, [] AS `charges.amount`, [] AS `charges.operation_id`, [] AS `charges.pool_id`,
        origin, caller, 'corrected' AS kind
    FROM arrivals WHERE arrivals.corrects_id != '' AND (batch_key, position) IN (
        SELECT batch_key, position FROM judged WHERE outcome = 'counted')
)
SELECT {_SAID}, accepted_at AS time, multiIf(
    row_number() OVER (PARTITION BY name_hash ORDER BY batch_key, position, kind) = 1 AND name_hash NOT IN (
        SELECT name_hash FROM void_names WHERE name_hash IN (SELECT name_hash FROM voids)
        AND batch_no < {{batch_no:UInt64}}),
    kind, concat(kind, '_again')) AS outcome
FROM voids"""

_JUDGE_TAKEN_BACK = f"""INSERT INTO judged ({_SAID}, time, outcome)
WITH taken AS (SELECT name_hash FROM judged WHERE outcome IN ('void', 'corrected')),
    come AS (SELECT name_hash FROM judged WHERE outcome = 'counted')
SELECT {_SAID.replace("batch_no", "{batch_no:UInt64} AS batch_no")}, time, 'taken_back' AS outcome FROM (
    SELECT * FROM judged WHERE outcome = 'counted' AND (name_hash IN taken OR name_hash IN (
        SELECT name_hash FROM void_names WHERE name_hash IN come AND batch_no < {{batch_no:UInt64}}))
    UNION ALL
    SELECT * FROM events WHERE outcome = 'counted' AND events.batch_no < {{batch_no:UInt64}} AND name_hash IN taken
        AND (toDate(time), account_id) IN (SELECT toDate(time), account_id FROM event_names
            WHERE name_hash IN taken AND batch_no < {{batch_no:UInt64}})
    LIMIT 1 BY name_hash
)"""

_CARRY = f"""INSERT INTO judged ({_SAID}, time, outcome)
SELECT {_SAID.replace("batch_no", "0 AS batch_no")}, time, outcome FROM events FINAL
WHERE batch_key < {{first:UInt64}} AND (outcome != 'taken_back' OR name_hash IN (
    SELECT name_hash FROM events WHERE outcome IN ('void', 'corrected') AND batch_key < {{first:UInt64}}))"""

_KEEP = (
    ("events", f"INSERT INTO events ({_SAID}, time, outcome) SELECT {_SAID}, time, outcome FROM judged"),
    (
        "event_names",
        """INSERT INTO event_names (name_hash, content_hash, batch_no, account_id, time)
        SELECT name_hash, content_hash, batch_no, account_id, time FROM judged WHERE outcome = 'counted'""",
    ),
    (
        "void_names",
        """INSERT INTO void_names (name_hash, batch_no)
        SELECT name_hash, batch_no FROM judged WHERE outcome IN ('void', 'corrected')""",
    ),
)
"""What is kept of a turn's events, by table."""

_USED = """row_id, batch_no, time, posted_at, account_id, pool_id, meter_id, quantity, source, subject, dimensions,
operation_id, event_source, event_id, caller"""

_COUNTED = """toUInt64(name_hash) AS row_id, batch_no, time, accepted_at AS posted_at, account_id, {pool} AS pool_id,
{meter} AS meter_id, if(outcome = 'counted', {quantity}, -{quantity}) AS quantity,
if(outcome = 'counted', 'event', 'void') AS source, subject, dimensions, {operation} AS operation_id,
judged.source AS event_source, id AS event_id, caller"""

_CHARGED = _COUNTED.format(
    pool="`charges.pool_id`",
    meter="`charges.meter_id`",
    quantity="`charges.quantity`",
    operation="`charges.operation_id`",
)
_CHARGED_ROWS = f"""SELECT {_CHARGED} FROM {{judged}} ARRAY JOIN `charges.meter_id`, `charges.quantity`,
`charges.operation_id`, `charges.pool_id` WHERE outcome IN ('counted', 'taken_back') AND `charges.quantity` != 0"""
"""What was charged already says itself what it counted."""

METERS_A_STATEMENT = 20


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a turn's events."""

    event_count: int = 0
    """Rows of `events`."""
    usage_count: int = 0
    """Rows of `usage`."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A question and its values."""

    sql: str
    parameters: Mapping[str, Parameter]


def batches_until(reader: Reader, after_key: int, until_key: int, limit: int) -> int:
    """Returns the key of the last batch that a turn takes: at most so many events, but one batch at least."""
    last_key = after_key
    for key, event_count in reader.event_counts(after_key, until_key, BATCHES_A_TURN):
        limit -= event_count
        if limit < 0 and last_key > after_key:
            break
        last_key = key
    return last_key


def arrivals(
    reader: Reader, after_key: int, until_key: int, batch_no: int, max_bytes: int | None = None
) -> tuple[int, pa.Table | None]:
    """Returns the events of batches as rows of `arrivals`, and the key of the last batch; None if there are none.

    Args:
        reader: A snapshot of the ledger.
        after_key: Of the batch before the first.
        until_key: Of the last batch.
        batch_no: Of the turn.
        max_bytes: No further batch once there is so much; None: all of them.
    """
    tables: list[pa.Table] = []
    size = 0
    while after_key < until_key and (batches := reader.event_batches(after_key, BATCHES_A_READ)):
        for batch in batches:
            if batch.batch_key > until_key or (max_bytes is not None and size >= max_bytes):
                return after_key, _whole(tables)
            after_key = batch.batch_key
            tables.append(_arrived(batch, reader, batch_no))
            size += tables[-1].nbytes
    return after_key, _whole(tables)


def _whole(tables: list[pa.Table]) -> pa.Table | None:
    return pa.concat_tables(tables) if tables else None


def _arrived(batch: EventBatchRow, reader: Reader, batch_no: int) -> pa.Table:
    events = told_by(Content(batch.content_kind), batch.content)
    count = events.num_rows
    account_ids = events.column("account_id")
    starts = reader.account_starts(account_ids.unique().to_pylist())
    known = [one for one, start_ms in starts.items() if start_ms <= batch.accepted_at_ms + CLOCKS_APART_MS]
    said = {name: events.column(name) for name in events.column_names if name not in ("charges", "caller")}
    callers = events.column("caller")
    return pa.table(
        {
            **said,
            **_charges(events.column("charges").combine_chunks()),
            "known": compute.is_in(account_ids, pa.array(known, account_ids.type)).cast(pa.uint8()),
            "void": events.column("void").cast(pa.uint8()),
            "batch_key": repeated(batch.batch_key, count),
            "position": pa.array(range(count), pa.uint32()),
            "batch_no": repeated(batch_no, count),
            "origin": pa.array([batch.origin] * count, pa.string()),
            "caller": compute.if_else(compute.equal(callers, ""), batch.origin, callers),
        }
    )


def _charges(charges: pa.ListArray) -> dict[str, pa.Array]:
    """Returns one column of lists for each field of the charges."""
    offsets, values = charges.offsets, charges.values
    return {
        f"charges.{field.name}": pa.ListArray.from_arrays(offsets, values.field(field.name)) for field in values.type
    }


def judge(database: UsageDatabase, arrived: pa.Table | None, batch_no: int) -> None:
    """Says what becomes of a turn's events, in the table `judged`. Raises `UsageStoreError`."""
    if arrived is None:
        return
    for table in ("arrivals", "judged"):
        database.command(f"TRUNCATE TABLE {table}")
    insert(database, "arrivals", arrived)
    for statement in (_JUDGE_EVENTS, _JUDGE_VOIDS, _JUDGE_TAKEN_BACK):
        database.command(statement, {"batch_no": batch_no})


def hours(database: UsageDatabase) -> list[int]:
    """Returns the hours of the judged events, as Unix times in hours. Raises `UsageStoreError`."""
    sql = "SELECT DISTINCT toUInt32(intDiv(toUnixTimestamp64Milli(time), 3600000)) AS hour FROM judged"
    return list(database.query(sql).column("hour").to_pylist())


def carry(database: UsageDatabase, first_key: int) -> None:
    """Puts events that the ledger does not have any more into `judged`, as those of turn 0. Raises `UsageStoreError`.

    Args:
        database: To be emptied but for that.
        first_key: Of the first batch that the ledger still has; void by what came later, an event is told so anew.
    """
    database.command("TRUNCATE TABLE judged")
    database.command(_CARRY, {"first": first_key})


def carried(database: UsageDatabase) -> bool:
    """Tells whether `judged` has events that `carry` put there. Raises `UsageStoreError`."""
    count: int = database.query("SELECT 1 AS one FROM judged WHERE batch_no = 0 LIMIT 1").num_rows
    return count > 0


def keep(database: UsageDatabase, meters: Meters, batch_no: int) -> Taken:
    """Keeps a turn's judged events, and what they count. Raises `UsageStoreError`."""
    statements = list(counting(database, meters))
    for number, one in enumerate(statements):
        database.command(f"INSERT INTO usage ({_USED}) {one.sql}", one.parameters, f"{batch_no}:events:{number}")
    for table, sql in _KEEP:
        database.command(sql, {}, f"{batch_no}:{table}")
    usage_count = sum(_count(database, one.sql, one.parameters) for one in statements)
    return Taken(_count(database, "SELECT 1 FROM judged", {}), usage_count)


def _count(database: UsageDatabase, sql: str, parameters: Mapping[str, Parameter]) -> int:
    found = database.query(f"SELECT count() AS n FROM ({sql})", parameters, INSERT_TIMEOUT_MS)
    return int(found.column("n")[0].as_py())


def counting(
    database: UsageDatabase, meters: Meters, judged: str = "judged", given: Mapping[str, Parameter] = NO_PARAMETERS
) -> list[Statement]:
    """Returns the questions that say what judged events count, as rows of `usage`.

    Args:
        database: The store.
        meters: All that there were.
        judged: Where the events are: an expression of tables that is named `judged`.
        given: Its parameters.

    Raises:
        UsageStoreError: They cannot be read.
    """
    statements = [Statement(_CHARGED_ROWS.format(judged=judged), given)]
    sql = f"SELECT type, min(batch_key) AS first, max(batch_key) AS last FROM {judged} WHERE type != '' GROUP BY type"
    parts: list[Counting] = []
    for row in database.query(sql, given, INSERT_TIMEOUT_MS).to_pylist():
        parts += meters.counting(row["type"], row["first"], row["last"])
    for start in range(0, len(parts), METERS_A_STATEMENT):
        chosen = parts[start : start + METERS_A_STATEMENT]
        bound = [part.bound(f"m{number}_") for number, part in enumerate(chosen)]
        text = " UNION ALL ".join(
            f"SELECT {_COUNTED.format(**columns, operation=chr(39) * 2)} FROM {judged} WHERE {where}"
            for columns, where, _ in bound
        )
        values: dict[str, Parameter] = dict(given)
        for _, _, parameters in bound:
            values |= parameters
        statements.append(Statement(text, values))
    return statements
