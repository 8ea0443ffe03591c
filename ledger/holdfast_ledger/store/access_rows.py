"""The rows of access, and what a store does with them: credentials and the audit trail. A part of `interface`."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

AUDIT_UNKNOWN = 2
"""The status of a record before what became of the change is written: gRPC's UNKNOWN."""


class Credential(NamedTuple):
    """Who may call, in the order of the columns."""

    credential_id: str
    token_hash: bytes
    """SHA-256 of the token."""
    token_end: str
    """Its last characters, by which people know it again."""
    role: int
    account_id: str
    """The only account that it may name; empty: all."""
    calls_per_s: int
    """0: the default."""
    created_at_ms: int


@dataclass(slots=True)
class AuditRecord:
    """A change that was asked for."""

    called_at_ms: int
    credential_id: str
    peer: str
    method: str
    account_id: str
    request_json: str
    status_code: int
    status_reason: str = ""
    audit_key: int = 0


class AccessReader(Protocol):
    """Reads of access."""

    def credential_of(self, token_hash: bytes) -> Credential | None:
        """Returns the credential whose token has this hash."""

    def credential(self, credential_id: str) -> Credential | None:
        """Returns a credential."""

    def credentials(self, after_id: str, limit: int) -> list[Credential]:
        """Lists credentials by id."""

    def audit_records(self, account_id: str, before_key: int, limit: int) -> list[AuditRecord]:
        """Lists records below a key, newest first; an empty account does not filter."""


class AccessWriter(AccessReader, Protocol):
    """Changes of access."""

    def insert_credential(self, credential: Credential) -> bool:
        """Adds a credential; False: its id is taken."""

    def delete_credential(self, credential_id: str) -> None:
        """Deletes a credential."""

    def insert_audit_record(self, record: AuditRecord) -> int:
        """Adds a record, sets its key and returns it."""

    def save_audit_outcome(self, audit_key: int, status_code: int, status_reason: str) -> None:
        """Writes what became of a change, unless that is written."""

    def delete_audit_records(self, until_ms: int, limit: int) -> int:
        """Deletes the oldest records that are as old as a time or older; returns how many."""
