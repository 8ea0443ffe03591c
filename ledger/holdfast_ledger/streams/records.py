"""What goes out as CloudEvents 1.0 in structured mode, each with an id by which a consumer knows it again.

A consumer that keeps the ids that it has seen, or writes by id, sees each thing once, whatever is sent again. Amounts
are strings: JSON's numbers end at 2^53 where many read them.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from holdfast.v1.usage_service_pb2 import UsageEvent

from holdfast_ledger.posting.books import books_of
from holdfast_ledger.store.interface import EntryType
from holdfast_ledger.store.stream_rows import StreamedDebit, StreamedEntry

SOURCE = "holdfast/ledger"

_EPOCH = datetime.fromtimestamp(0, UTC)


class Record(NamedTuple):
    """A message of a topic."""

    key: bytes
    """The account, so that what is of one account stays in its order."""
    value: bytes


def debit_record(row: StreamedDebit) -> Record:
    """Returns a debit: its id is that of the caller's operation, which names one debit of an account."""
    data = {
        "account_id": row.account_id,
        "pool_id": row.pool_id,
        "currency": row.currency,
        "amount": str(row.amount),
        "operation_id": row.operation_id,
        "hold_id": row.hold_id,
        "subject": row.subject,
        "dimensions": json.loads(row.dimensions),
        "quantities": {name: str(value) for name, value in json.loads(row.quantities or "{}").items()},
        "settled_at": _rfc_3339(row.settled_at_ms),
        "sidecar_id": row.sidecar_id,
        "caller": row.caller,
        "epoch": row.epoch,
        "sequence": row.sequence,
        "late": bool(row.late),
        "over_hold_amount": str(row.over_hold_amount),
        "estimated": bool(row.estimated),
    }
    name = json.dumps([row.account_id, row.operation_id], ensure_ascii=False)
    return _record("debit", name, row.account_id, row.posted_at_ms, data)


def entry_record(row: StreamedEntry, generation: int) -> Record:
    """Returns a journal line: its id is its place in this history of the ledger."""
    kind = EntryType(row.type)
    from_book, to_book = books_of(kind, row.grant_id)
    data = {
        "entry_id": row.entry_key,
        "type": kind.name,
        "account_id": row.account_id,
        "pool_id": row.pool_id,
        "currency": row.currency,
        "from_book": from_book,
        "to_book": to_book,
        "grant_id": row.grant_id,
        "amount": str(row.amount),
        "operation_id": row.operation_id,
        "hold_id": row.hold_id,
        "correction_id": row.correction_id,
    }
    return _record("entry", f"{generation}/{row.entry_key}", row.account_id, row.posted_at_ms, data)


def event_record(event: UsageEvent, *, void: bool) -> Record:
    """Returns an event as it was reported; a void has the type "holdfast.event.void" and the event's name as data."""
    if void:
        name = [event.account_id, event.source, event.id]
        data = {"account_id": event.account_id, "source": event.source, "id": event.id}
        return _record("event.void", json.dumps(name, ensure_ascii=False), event.account_id, event.time_unix_ms, data)
    content: dict[str, object] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": _rfc_3339(event.time_unix_ms),
        "accountid": event.account_id,
        "datacontenttype": "application/json",
        "data": {"dimensions": dict(event.dimensions), "quantities": dict(event.quantities)},
    }
    if event.subject:
        content["subject"] = event.subject
    if event.corrects_id:
        content["correctsid"] = event.corrects_id
    return Record(event.account_id.encode(), _json(content))


def _record(kind: str, name: str, account_id: str, at_ms: int, data: Mapping[str, object]) -> Record:
    content = {
        "specversion": "1.0",
        "id": f"{kind}:{name}",
        "source": SOURCE,
        "type": f"holdfast.{kind}",
        "time": _rfc_3339(at_ms),
        "accountid": account_id,
        "datacontenttype": "application/json",
        "data": data,
    }
    return Record(account_id.encode(), _json(content))


def _json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _rfc_3339(at_ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
