"""The statements about objects that every SQL store shares; a part of `statements`."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import astuple, fields
from typing import ClassVar

from holdfast_ledger.store.object_rows import FoundObject, IngestedObject, ObjectState, OpenObjects, SourceTotals
from holdfast_ledger.store.rows import Rows, Value

_COLUMNS = tuple(field.name for field in fields(IngestedObject))
_OBJECT = f"SELECT {', '.join(_COLUMNS)} FROM objects "
_CHANGING = _COLUMNS[_COLUMNS.index("state") :]
_NEVER = 2**63 - 1


def _row(values: Sequence[object]) -> IngestedObject:
    row = IngestedObject(*values)  # type: ignore[arg-type]  # the columns are the fields
    row.state = ObjectState(row.state)
    return row


class SqlObjectReader(ABC):
    """Reads, within the transaction that its owner has opened."""

    in_keys: ClassVar[str]

    @abstractmethod
    def _rows(self, sql: str, *values: Value) -> Rows:
        """Executes a statement with a "?" for each value."""

    @abstractmethod
    def _keys(self, keys: Collection[int]) -> Value:
        """Returns keys as one parameter."""

    @abstractmethod
    def _names(self, names: Collection[str]) -> Value:
        """Returns names as one parameter."""

    def object(self, object_key: int) -> IngestedObject | None:
        """See `ObjectReader`."""
        return next((_row(row) for row in self._rows(f"{_OBJECT}WHERE object_key = ?", object_key)), None)

    def objects(self, source: str, state: ObjectState, after_key: int, limit: int) -> list[IngestedObject]:
        """See `ObjectReader`."""
        where = "WHERE source = ? AND state = ? AND object_key > ? ORDER BY object_key LIMIT ?"
        return [_row(row) for row in self._rows(_OBJECT + where, source, int(state), after_key, limit)]

    def objects_named(self, source: str, found: Sequence[FoundObject]) -> list[IngestedObject]:
        """See `ObjectReader`."""
        wanted = {(one.path, one.version) for one in found}
        where = f"WHERE source = ? AND path {self.in_keys}"
        rows = map(_row, self._rows(_OBJECT + where, source, self._names({path for path, _ in wanted})))
        return [row for row in rows if (row.path, row.version) in wanted]

    def object_sources(self) -> list[SourceTotals]:
        """See `ObjectReader`."""
        sql = f"SELECT {', '.join(SourceTotals._fields)} FROM object_sources ORDER BY source"
        return [SourceTotals(*row) for row in self._rows(sql)]

    def open_objects(self) -> list[OpenObjects]:
        """See `ObjectReader`."""
        sql = """SELECT source, state, count(*), min(found_at_ms) FROM objects WHERE state <> 3
            GROUP BY state, source ORDER BY source, state"""
        return [OpenObjects(row[0], ObjectState(row[1]), row[2], row[3]) for row in self._rows(sql)]


class SqlObjectWriter(SqlObjectReader):
    """Writes, within the transaction that its owner has opened."""

    skip_locked: ClassVar[str]

    @abstractmethod
    def _insert_many(
        self, table: str, columns: Sequence[str], rows: Sequence[tuple[Value, ...]], tail: str = ""
    ) -> None:
        """Adds rows."""

    def add_objects(self, source: str, found: Sequence[FoundObject], now_ms: int) -> None:
        """See `ObjectWriter`."""
        known = {(row.path, row.version) for row in self.objects_named(source, found)}
        new = [one for one in dict.fromkeys(found) if (one.path, one.version) not in known]
        rows = [
            (source, *one, now_ms, int(ObjectState.PENDING), now_ms, "", 0, 0, 0, 0, 0, 0, "") for one in new
        ]  # fmt: skip
        self._insert_many("objects", _COLUMNS[1:], rows, " ON CONFLICT (source, path, version) DO NOTHING")

    def save_listing(self, source: str, listed_at_ms: int | None, error: str) -> None:
        """See `ObjectWriter`."""
        self.add_to_source(source, 0, 0, 0, 0)
        if listed_at_ms is not None:
            self._rows("UPDATE object_sources SET listed_at_ms = ? WHERE source = ?", listed_at_ms, source)
        self._rows("UPDATE object_sources SET listing_error = ? WHERE source = ?", error, source)

    def claim_object(
        self, sources: Collection[str], object_keys: Collection[int] | None, claim: str, now_ms: int, until_ms: int
    ) -> IngestedObject | None:
        """See `ObjectWriter`."""
        among, values = "", [now_ms, self._names(sources)]
        if object_keys is not None:
            among, values = f" AND object_key {self.in_keys}", [*values, self._keys(object_keys)]
        sql = f"""{_OBJECT}WHERE due_at_ms <= ? AND due_at_ms < {_NEVER} AND source {self.in_keys}{among}
            ORDER BY due_at_ms, object_key LIMIT 1 {self.skip_locked}"""
        row = next((_row(values) for values in self._rows(sql, *values)), None)
        if row is not None:
            row.state, row.claim, row.due_at_ms = ObjectState.RUNNING, claim, until_ms
            row.attempt_count += 1
            row.began_at_ms = row.began_at_ms or now_ms
            self._save(row, "")
        return row

    def save_object(self, row: IngestedObject, claim: str) -> bool:
        """See `ObjectWriter`."""
        return self._save(row, f" AND state = {int(ObjectState.RUNNING)} AND claim = ?", claim)

    def keep_claim(self, object_key: int, claim: str, until_ms: int) -> bool:
        """See `ObjectWriter`."""
        sql = f"""UPDATE objects SET due_at_ms = ? WHERE object_key = ? AND state = {int(ObjectState.RUNNING)}
            AND claim = ? RETURNING object_key"""
        return next(iter(self._rows(sql, until_ms, object_key, claim)), None) is not None

    def _save(self, row: IngestedObject, tail: str, *values: Value) -> bool:
        changes = ", ".join(f"{name} = ?" for name in _CHANGING)
        new = astuple(row)[_COLUMNS.index("state") :]
        sql = f"UPDATE objects SET {changes} WHERE object_key = ?{tail} RETURNING object_key"
        return next(iter(self._rows(sql, int(row.state), *new[1:], row.object_key, *values)), None) is not None

    def add_to_source(self, source: str, done_count: int, row_count: int, bad_count: int, byte_count: int) -> None:
        """See `ObjectWriter`."""
        counts = ("done_count", "row_count", "bad_count", "byte_count")
        changes = ", ".join(f"{name} = object_sources.{name} + excluded.{name}" for name in counts)
        sql = f"""INSERT INTO object_sources ({", ".join(SourceTotals._fields)}) VALUES (?, ?, ?, ?, ?, 0, '')
            ON CONFLICT (source) DO UPDATE SET {changes}"""
        self._rows(sql, source, done_count, row_count, bad_count, byte_count)

    def retry_objects(self, source: str, path: str, now_ms: int) -> int:
        """See `ObjectWriter`."""
        where, values = ("", ()) if not path else (" AND path = ?", (path,))
        anew = f"state = {int(ObjectState.PENDING)}, due_at_ms = ?, attempt_count = 0, ended_at_ms = 0"
        failed = f"state = {int(ObjectState.FAILED)} AND source = ?{where}"
        sql = f"UPDATE objects SET {anew} WHERE {failed} RETURNING object_key"
        return len(list(self._rows(sql, now_ms, source, *values)))
