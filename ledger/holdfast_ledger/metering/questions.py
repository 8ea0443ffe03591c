"""What metering asks of the usage store about the events of some batches. SQL with parameters; values are none of it.

The store keeps what became of each event (`usage/tables/events.sql`), and no row of it ever changes. So all is asked by
keys of batches: the answers are those of the moment at which the last of them was taken in, however far the store has
been fed since, and the same again if they are asked again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from holdfast_rating.metering import SUBJECT_KEY, Aggregation, Filter, FilterOperator, UsageMeter

from holdfast_ledger.governance.periods import HOUR_MS
from holdfast_ledger.metering.meters import MeterVersion
from holdfast_ledger.usage.database import Parameter, UsageDatabase

Row = dict[str, Any]
"""A row of an answer, by the names in its question; what each is stands there."""

TIMEOUT_MS = 60_000
"""A question about the batches of a turn takes milliseconds, one about a long period of a large account seconds."""

SLOT_MS = HOUR_MS // 4
"""Periods begin at quarters of an hour, in every time zone since 1972."""

MAX_REFUSED = 1_000
"""Events of a turn that are kept as refused; beyond it they are counted."""

_CONDITIONS = {
    FilterOperator.IN: "({there} AND has({values}, {value}))",
    FilterOperator.NOT_IN: "NOT ({there} AND has({values}, {value}))",
    FilterOperator.PREFIX: "({there} AND arrayExists(x -> startsWith({value}, x), {values}))",
    FilterOperator.EXISTS: "({there} AND {value} != '')",
}

_GROUP_HASH = "cityHash64(toString(account_id), toString(subject), keys, dimension_values)"
_IN_RANGE = "batch_key > {after:UInt64} AND batch_key <= {until:UInt64}"
_TAKES_BACK = "outcome IN ('void', 'corrected') AND type = ''"
_VOID_NOW = f"""(SELECT name_hash FROM events WHERE {_TAKES_BACK} AND batch_key <= {{until:UInt64}} AND name_hash IN (
    SELECT name_hash FROM events WHERE {_IN_RANGE} AND outcome = 'counted'))"""
_VOID_SINCE = f"(SELECT name_hash FROM events WHERE {_TAKES_BACK} AND {_IN_RANGE})"
_CHARGES = """arrayZip(`charges.meter_id`, `charges.pool_id`, `charges.operation_id`, `charges.amount`) AS charges"""
_EVENT = """account_id, source, id, type, toUnixTimestamp64Milli(time) AS time_ms, subject, mapKeys(dimensions) AS keys,
mapValues(dimensions) AS dimension_values, mapKeys(quantities) AS names, mapValues(quantities) AS amounts, corrects_id,
origin"""

OUTCOMES = f"""SELECT outcome, uniqExact((batch_key, position)) AS count FROM events WHERE {_IN_RANGE}
GROUP BY outcome"""
TYPES = f"""SELECT DISTINCT type FROM events WHERE outcome = 'counted' AND {_IN_RANGE}
UNION DISTINCT SELECT DISTINCT type FROM events WHERE outcome = 'taken_back' AND name_hash IN {_VOID_SINCE}"""
ACCOUNTS = f"SELECT DISTINCT account_id FROM events WHERE {_IN_RANGE}"
"""An event and what takes it back are of one account."""
CONFLICTS = f"""SELECT {_EVENT} FROM events WHERE outcome = 'conflict' AND {_IN_RANGE}
LIMIT 1 BY batch_key, position LIMIT {MAX_REFUSED}"""
OF_UNKNOWN = f"""SELECT {_EVENT} FROM events WHERE outcome = 'unknown' AND {_IN_RANGE}
LIMIT 1 BY batch_key, position LIMIT {MAX_REFUSED}"""
NAMED = f"""SELECT batch_key, position, {_EVENT} FROM events WHERE outcome = 'counted' AND {_IN_RANGE}
AND batch_key IN {{keys:Array(UInt64)}} AND position IN {{positions:Array(UInt64)}} LIMIT 1 BY batch_key, position"""
LATER = f"""SELECT toString(name_hash) AS name, account_id, source, id, {_CHARGES} FROM events
WHERE outcome IN ('duplicate', 'conflict') AND {_IN_RANGE} AND notEmpty(`charges.meter_id`)
LIMIT 1 BY batch_key, position"""
FIRST = f"""SELECT toString(name_hash) AS name, `charges.operation_id` AS operation_ids FROM events
WHERE outcome = 'counted' AND batch_key <= {{until:UInt64}} AND name_hash IN (SELECT name_hash FROM events
    WHERE outcome IN ('duplicate', 'conflict') AND {_IN_RANGE} AND notEmpty(`charges.meter_id`))"""
TAKEN_BACK = f"""SELECT batch_key, position, account_id, source, id, {_CHARGES} FROM events
WHERE outcome = 'taken_back' AND batch_key <= {{until:UInt64}}
AND (name_hash IN {_VOID_SINCE} OR {_IN_RANGE} AND name_hash IN {_VOID_NOW}) LIMIT 1 BY batch_key, position"""


@dataclass(frozen=True, slots=True)
class Batches:
    """The batches that are asked about."""

    after_key: int
    until_key: int

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Those of most statements."""
        return {"after": self.after_key, "until": self.until_key}


class Questions:
    """Asks about some batches."""

    def __init__(self, database: UsageDatabase, batches: Batches) -> None:
        self._database = database
        self._batches = batches

    def ask(self, sql: str, more: Mapping[str, Parameter] | None = None) -> list[Row]:
        """Returns the rows of an answer. Raises `UsageStoreError`."""
        table: pa.Table = self._database.query(sql, self._batches.parameters | dict(more or {}), TIMEOUT_MS)
        rows: list[Row] = table.to_pylist()
        return rows

    def additive(self, version: MeterVersion) -> list[Row]:
        """Returns what is counted by an additive meter and was not charged yet: equal counts of a batch together.

        Those of one quarter of an hour, in which no period begins but those anchored within it.
        """
        given: dict[str, Parameter] = {"type": version.meter.event_type, "meter": version.meter.meter_id}
        value, conditions = _value(version.meter, given)
        given |= _bounds(version)
        priced_at = "toUnixTimestamp64Milli(time)" if version.meter.rated_as else "toInt64(0)"
        sql = f"""SELECT account_id, subject, mapKeys(dimensions) AS keys, mapValues(dimensions) AS dimension_values,
            batch_key, {value} AS counted, {priced_at} AS priced_at, max(toUnixTimestamp64Milli(time)) AS used_at,
            groupArray(position) AS positions
            FROM (SELECT * FROM events WHERE outcome = 'counted' AND type = {{type:String}} AND {_IN_RANGE}
                AND batch_key > {{from:UInt64}} AND batch_key <= {{to:UInt64}} LIMIT 1 BY batch_key, position)
            WHERE {conditions} AND NOT has(`charges.meter_id`, {{meter:String}}) AND name_hash NOT IN {_VOID_NOW}
            GROUP BY account_id, subject, keys, dimension_values, batch_key, counted, priced_at,
                intDiv(toUnixTimestamp64Milli(time), {SLOT_MS})
            ORDER BY batch_key, account_id, subject, keys, dimension_values, counted, priced_at, used_at"""
        return self.ask(sql, given)

    def touched(self, version: MeterVersion) -> list[Row]:
        """Returns which figures of a meter that is not additive may have moved, with the times about which they are."""
        given: dict[str, Parameter] = {"type": version.meter.event_type}
        _, conditions = _value(version.meter, given)
        keys, values = _group(version.meter, given)
        sql = f"""SELECT account_id, subject, {keys} AS keys, {values} AS dimension_values, {_GROUP_HASH} AS group_hash,
            groupUniqArray(intDiv(toUnixTimestamp64Milli(time), {SLOT_MS}) * {SLOT_MS}) AS slots FROM events
            WHERE type = {{type:String}} AND batch_key > {{from:UInt64}} AND batch_key <= {{to:UInt64}} AND {conditions}
            AND (outcome = 'counted' AND {_IN_RANGE}
                OR outcome = 'taken_back' AND batch_key <= {{until:UInt64}} AND name_hash IN {_VOID_SINCE})
            GROUP BY account_id, subject, keys, dimension_values"""
        return self.ask(sql, given | _bounds(version))

    def figures(
        self,
        versions: Sequence[MeterVersion],
        account_ids: Sequence[str],
        group_hashes: Sequence[int],
        period: tuple[int, int],
    ) -> list[Row]:
        """Returns figures of a period, by account, subject and dimensions.

        Args:
            versions: All of one meter.
            account_ids: Their accounts.
            group_hashes: Which of them, as `touched` told; those without events are left out.
            period: When it begins and ends, Unix time in milliseconds.
        """
        meter = versions[0].meter
        given: dict[str, Parameter] = {"accounts": account_ids, "groups": group_hashes}
        given |= {"start": period[0], "end": period[1]}
        parts = []
        for number, version in enumerate(versions):
            prefix = f"v{number}_"
            value, conditions = _value(version.meter, given, prefix)
            given[f"{prefix}type"] = version.meter.event_type
            given |= _bounds(version, prefix)
            parts.append(
                f"(type = {{{prefix}type:String}} AND batch_key > {{{prefix}from:UInt64}}"
                f" AND batch_key <= {{{prefix}to:UInt64}} AND {conditions})"
            )
        keys, values = _group(meter, given)
        start, end = "fromUnixTimestamp64Milli({start:Int64}, 'UTC')", "fromUnixTimestamp64Milli({end:Int64}, 'UTC')"
        sql = f"""SELECT account_id, subject, {keys} AS keys, {values} AS dimension_values,
            toInt64({_AGGREGATES[meter.aggregation].format(value=value)}) AS figure, max(batch_key) AS last_key,
            max(toUnixTimestamp64Milli(time)) AS used_at FROM events
            WHERE account_id IN {{accounts:Array(String)}}
            AND toDate(time) >= toDate({start}) AND toDate(time) <= toDate({end})
            AND time >= {start} AND time < {end} AND outcome = 'counted' AND batch_key <= {{until:UInt64}}
            AND ({" OR ".join(parts)}) AND {_GROUP_HASH} IN {{groups:Array(UInt64)}}
            AND name_hash NOT IN (SELECT name_hash FROM events
                WHERE {_TAKES_BACK} AND account_id IN {{accounts:Array(String)}} AND batch_key <= {{until:UInt64}})
            GROUP BY account_id, subject, keys, dimension_values"""
        return self.ask(sql, given)


_AGGREGATES = {
    Aggregation.MIN: "min({value})",
    Aggregation.MAX: "max({value})",
    Aggregation.UNIQUE: "uniqExact({value})",
    Aggregation.LATEST: "argMax({value}, (time, source, id))",
}


def _bounds(version: MeterVersion, prefix: str = "") -> dict[str, Parameter]:
    return {f"{prefix}from": version.after_batch_key, f"{prefix}to": version.until_batch_key}


def _value(meter: UsageMeter, given: dict[str, Parameter], prefix: str = "") -> tuple[str, str]:
    """Returns what a meter counts of an event that it looks at, and the conditions; adds their parameters."""
    conditions = ["true"]
    value = "toInt64(1)"
    if meter.aggregation is Aggregation.UNIQUE:
        given["dimension"] = meter.dimension
        value = "dimensions[{dimension:String}]"
        conditions.append(f"{value} != ''")
    elif meter.aggregation is not Aggregation.COUNT:
        given["quantity"] = meter.quantity
        value = "quantities[{quantity:String}]"
        conditions.append("mapContains(quantities, {quantity:String})")
    conditions += [_condition(one, f"{prefix}f{number}_", given) for number, one in enumerate(meter.filters)]
    return value, " AND ".join(conditions)


def _condition(one: Filter, prefix: str, given: dict[str, Parameter]) -> str:
    there, value = "true", "subject"
    if one.key != SUBJECT_KEY:
        given[f"{prefix}key"] = one.key
        there, value = f"mapContains(dimensions, {{{prefix}key:String}})", f"dimensions[{{{prefix}key:String}}]"
    if one.values:
        given[f"{prefix}values"] = list(one.values)
    return _CONDITIONS[one.operator].format(there=there, value=value, values=f"{{{prefix}values:Array(String)}}")


def _group(meter: UsageMeter, given: dict[str, Parameter]) -> tuple[str, str]:
    """Returns keys and values of the dimensions by which figures are apart: not that whose values are counted."""
    if meter.aggregation is not Aggregation.UNIQUE:
        return "mapKeys(dimensions)", "mapValues(dimensions)"
    given["dimension"] = meter.dimension
    return (
        "arrayFilter(k -> k != {dimension:String}, mapKeys(dimensions))",
        "arrayFilter((v, k) -> k != {dimension:String}, mapValues(dimensions), mapKeys(dimensions))",
    )
