"""The audit trail: a change is written down before it is made, and its success in the transaction that makes it.

So there is no change without a record, and one whose outcome is UNKNOWN was not made: its replica ended before, or the
refusal could not be written. A change of several transactions has its outcome written after the last one.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from holdfast_ledger.access.caller import Caller
from holdfast_ledger.access.outcome import close_record, open_record
from holdfast_ledger.access.permissions import accounts_of, name_of
from holdfast_ledger.errors import LedgerError
from holdfast_ledger.status import code_of
from holdfast_ledger.store.access_rows import AUDIT_UNKNOWN, AuditRecord
from holdfast_ledger.store.interface import Writer
from holdfast_ledger.writer import GroupWriter

MAX_REQUEST_CHARS = 16_384
"""Of a request kept in the trail; a longer one is cut, and says so."""

SWEEP_LIMIT = 500

IN_PARTS = frozenset({"BooksService/ClosePeriod"})
"""Calls whose change is made in several transactions."""

_HIDDEN = "…"

_log = logging.getLogger(__name__)


class AuditTrail:
    """Writes records around calls."""

    def __init__(self, writer: GroupWriter, now_ms: Callable[[], int]) -> None:
        self._writer = writer
        self._now_ms = now_ms

    async def around(
        self, method: MethodDescriptor, request: Message, caller: Caller, call: Callable[[Message], Awaitable[Message]]
    ) -> Message:
        """Makes a call between its two records. Raises what it raises."""
        name, named = name_of(method), set(accounts_of(request))
        # Who may read one account's records reads their requests, so one that names others belongs to none.
        account_id = named.pop() if len(named) == 1 else ""
        record = AuditRecord(
            self._now_ms(), caller.credential_id, caller.peer, name, account_id, told(request), AUDIT_UNKNOWN
        )
        key = await self._writer.run(lambda writer: writer.insert_audit_record(record))
        if name not in IN_PARTS:
            open_record(key)
        try:
            answer = await call(request)
        except Exception as fault:
            reason = fault.reason if isinstance(fault, LedgerError) else LedgerError.reason
            await self._finish(key, code_of(fault).value[0], reason)
            raise
        if not close_record():
            await self._finish(key, 0, "")
        return answer

    async def _finish(self, key: int, status_code: int, reason: str) -> None:
        close_record()
        try:
            await self._writer.run(lambda writer: writer.save_audit_outcome(key, status_code, reason))
        except LedgerError as fault:
            # The change itself is done or refused, and its caller is to be told so.
            _log.warning("the outcome of audit record %d could not be written: %s", key, fault)


def told(request: Message) -> str:
    """Returns a request as JSON, without secrets: the key of a webhook, and of its URL all but the host."""
    shown = json_format.MessageToDict(request)
    if "secret" in shown:
        shown["secret"] = _HIDDEN
    if "url" in (webhook := shown.get("webhook", {})):
        webhook["url"] = _host_of(webhook["url"])
    text = json.dumps(shown, ensure_ascii=False)
    return text if len(text) <= MAX_REQUEST_CHARS else text[:MAX_REQUEST_CHARS] + _HIDDEN


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}/{_HIDDEN}"
    except ValueError:
        return _HIDDEN


def sweep(writer: Writer, now_ms: int, retention_ms: int) -> tuple[set[int], bool]:
    """Deletes records past their retention; as `delivery.retention.sweep`."""
    return set(), writer.delete_audit_records(now_ms - retention_ms, SWEEP_LIMIT) == SWEEP_LIMIT
