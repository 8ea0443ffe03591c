"""The statements of access that every SQL store shares; a part of `statements`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from holdfast_ledger.store.access_rows import AUDIT_UNKNOWN, AuditRecord, Credential
from holdfast_ledger.store.rows import Rows, Value

_CREDENTIAL = ", ".join(Credential._fields)
_AUDIT = (
    "called_at_ms", "credential_id", "peer", "method", "account_id", "request_json", "status_code", "status_reason",
)  # fmt: skip


class SqlAccessReader(ABC):
    """Reads, within the transaction that its owner has opened."""

    @abstractmethod
    def _rows(self, sql: str, *values: Value) -> Rows:
        """Executes a statement with a "?" for each value."""

    def credential_of(self, token_hash: bytes) -> Credential | None:
        """See `AccessReader`."""
        sql = f"SELECT {_CREDENTIAL} FROM credentials WHERE token_hash = ?"
        return next((Credential(*row) for row in self._rows(sql, token_hash)), None)

    def credential(self, credential_id: str) -> Credential | None:
        """See `AccessReader`."""
        sql = f"SELECT {_CREDENTIAL} FROM credentials WHERE credential_id = ?"
        return next((Credential(*row) for row in self._rows(sql, credential_id)), None)

    def credentials(self, after_id: str, limit: int) -> list[Credential]:
        """See `AccessReader`."""
        sql = f"SELECT {_CREDENTIAL} FROM credentials WHERE credential_id > ? ORDER BY credential_id LIMIT ?"
        return [Credential(*row) for row in self._rows(sql, after_id, limit)]

    def audit_records(self, account_id: str, before_key: int, limit: int) -> list[AuditRecord]:
        """See `AccessReader`."""
        columns, tail = ", ".join((*_AUDIT, "audit_key")), "audit_key < ? ORDER BY audit_key DESC LIMIT ?"
        if account_id:
            sql = f"SELECT {columns} FROM audit_records WHERE account_id = ? AND {tail}"
            return [AuditRecord(*row) for row in self._rows(sql, account_id, before_key, limit)]
        sql = f"SELECT {columns} FROM audit_records WHERE {tail}"
        return [AuditRecord(*row) for row in self._rows(sql, before_key, limit)]


class SqlAccessWriter(SqlAccessReader):
    """Writes, within the transaction that its owner has opened."""

    @abstractmethod
    def _insert(self, table: str, key: str, columns: Sequence[str], values: Sequence[Value]) -> int:
        """Adds a row and returns the key that the database gives it. Raises `Conflict`."""

    def insert_credential(self, credential: Credential) -> bool:
        """See `AccessWriter`."""
        sql = f"""INSERT INTO credentials ({_CREDENTIAL}) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (credential_id) DO NOTHING RETURNING 1"""
        return next(iter(self._rows(sql, *credential)), None) is not None

    def delete_credential(self, credential_id: str) -> None:
        """See `AccessWriter`."""
        self._rows("DELETE FROM credentials WHERE credential_id = ?", credential_id)

    def insert_audit_record(self, record: AuditRecord) -> int:
        """See `AccessWriter`."""
        values = [getattr(record, name) for name in _AUDIT]
        record.audit_key = self._insert("audit_records", "audit_key", _AUDIT, values)
        return record.audit_key

    def save_audit_outcome(self, audit_key: int, status_code: int, status_reason: str) -> None:
        """See `AccessWriter`."""
        sql = "UPDATE audit_records SET status_code = ?, status_reason = ? WHERE audit_key = ? AND status_code = ?"
        self._rows(sql, status_code, status_reason, audit_key, AUDIT_UNKNOWN)

    def delete_audit_records(self, until_ms: int, limit: int) -> int:
        """See `AccessWriter`."""
        sql = """DELETE FROM audit_records WHERE audit_key IN (SELECT audit_key FROM audit_records
            WHERE called_at_ms <= ? ORDER BY audit_key LIMIT ?) RETURNING 1"""
        return len(list(self._rows(sql, until_ms, limit)))
