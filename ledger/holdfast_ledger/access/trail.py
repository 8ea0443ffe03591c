"""The audit trail: a change is written down before it is made, and its outcome after.

So there is no change without a record. One whose outcome is UNKNOWN was under way when the replica ended, or its
outcome could not be written.
"""

import logging
from collections.abc import Awaitable, Callable

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from holdfast_ledger.access.caller import Caller
from holdfast_ledger.access.permissions import accounts_of, name_of
from holdfast_ledger.errors import LedgerError
from holdfast_ledger.status import code_of
from holdfast_ledger.store.access_rows import AuditRecord
from holdfast_ledger.store.interface import Writer
from holdfast_ledger.writer import GroupWriter

MAX_REQUEST_CHARS = 16_384
"""Of a request kept in the trail; a longer one is cut, and says so."""

SWEEP_LIMIT = 500

_UNKNOWN: int = grpc.StatusCode.UNKNOWN.value[0]
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
        account_id = next(accounts_of(request), "")
        record = AuditRecord(
            self._now_ms(), caller.credential_id, caller.peer, name_of(method), account_id, told(request), _UNKNOWN
        )
        key = await self._writer.run(lambda writer: writer.insert_audit_record(record))
        try:
            answer = await call(request)
        except Exception as fault:
            reason = fault.reason if isinstance(fault, LedgerError) else LedgerError.reason
            await self._finish(key, code_of(fault).value[0], reason)
            raise
        await self._finish(key, 0, "")
        return answer

    async def _finish(self, key: int, status_code: int, reason: str) -> None:
        try:
            await self._writer.run(lambda writer: writer.save_audit_outcome(key, status_code, reason))
        except LedgerError as fault:
            # The change itself is done or refused, and its caller is to be told so.
            _log.warning("the outcome of audit record %d could not be written: %s", key, fault)


def told(request: Message) -> str:
    """Returns a request as JSON. None has a secret in it: the ledger makes them, and tells them in answers."""
    text = json_format.MessageToJson(request, indent=None, ensure_ascii=False)
    return text if len(text) <= MAX_REQUEST_CHARS else text[:MAX_REQUEST_CHARS] + "…"


def sweep(writer: Writer, now_ms: int, retention_ms: int) -> tuple[set[int], bool]:
    """Deletes records past their retention; as `delivery.retention.sweep`."""
    return set(), writer.delete_audit_records(now_ms - retention_ms, SWEEP_LIMIT) == SWEEP_LIMIT
