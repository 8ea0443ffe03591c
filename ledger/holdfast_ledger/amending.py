"""The calls of LedgerService that take back: grants are voided, debits corrected; and what was corrected.

A part of `service`, whose class adds the others. Downstream: `posting.grants` and `posting.correct` for the rules.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from holdfast.v1 import ledger_service_pb2 as wire

from holdfast_ledger.lookups import find_account, find_grant, pool_query
from holdfast_ledger.messages import balance_message, correction_message, grant_message
from holdfast_ledger.paging import page_limit, read_token, write_token
from holdfast_ledger.posting.correct import Asked, correct
from holdfast_ledger.posting.grants import take_due, void_grant
from holdfast_ledger.store.interface import MAX_AMOUNT, Correction, Grant, Locks, Pool, Reader, Writer
from holdfast_ledger.sync.registry import Registry
from holdfast_ledger.validation import check_id, check_range
from holdfast_ledger.writer import GroupWriter

T = TypeVar("T")


class AmendingCalls(ABC):
    """These calls of `holdfast.v1.LedgerService`, by name; each raises a `LedgerError`."""

    _writer: GroupWriter
    _registry: Registry
    _now_ms: Callable[[], int]

    @abstractmethod
    async def _read(self, query: Callable[[Reader], T]) -> T:
        """Carries a query out on a snapshot."""

    async def VoidGrant(self, request: wire.VoidGrantRequest) -> wire.VoidGrantResponse:
        """See the contract."""
        check_id("grant_id", request.grant_id)
        check_range("refunded_amount", request.refunded_amount, 0, MAX_AMOUNT)
        find = pool_query(request.account_id, request.pool_id)

        def job(writer: Writer) -> tuple[Pool, Grant, set[int]]:
            now_ms = self._now_ms()
            touched = take_due(writer, now_ms, [find(writer).pool_key])
            pool = find(writer)
            grant = find_grant(writer, pool, request.grant_id)
            return pool, grant, touched | void_grant(writer, pool, grant, now_ms, request.refunded_amount)

        locks = Locks(pools=frozenset({(request.account_id, request.pool_id)}))
        pool, grant, touched = await self._writer.run(job, locks)
        self._registry.pools_changed(touched)
        return wire.VoidGrantResponse(grant=grant_message(pool, grant), balance=balance_message(pool))

    async def CorrectDebit(self, request: wire.CorrectDebitRequest) -> wire.CorrectDebitResponse:
        """See the contract."""
        check_id("operation_id", request.operation_id)
        check_id("correction_id", request.correction_id)
        check_range("amount", request.amount, 0, MAX_AMOUNT)
        asked = Asked(request.operation_id, request.correction_id, request.amount)
        find = pool_query(request.account_id, request.pool_id)

        def windows(reader: Reader) -> frozenset[int]:
            debit = reader.posted_debit(find(reader).account_key, request.operation_id)
            return frozenset(reader.windows_of_debit(debit.debit_key) if debit else ())

        def job(writer: Writer) -> tuple[Pool, Correction, set[int]]:
            now_ms = self._now_ms()
            touched = take_due(writer, now_ms, [find(writer).pool_key])
            pool = find(writer)
            made = correct(writer, pool, asked, now_ms)
            return pool, made, touched | {pool.pool_key}

        pools = frozenset({(request.account_id, request.pool_id)})
        locks = Locks(pools=pools, pool_keys=await self._read(windows))
        pool, made, touched = await self._writer.run(job, locks)
        self._registry.pools_changed(touched)
        return wire.CorrectDebitResponse(correction=correction_message(pool, made), balance=balance_message(pool))

    async def ListCorrections(self, request: wire.ListCorrectionsRequest) -> wire.ListCorrectionsResponse:
        """See the contract."""
        account_id = request.account_id
        check_id("account_id", account_id)
        limit, scope = page_limit(request.page_size), ("corrections", account_id)
        key = read_token(scope, request.page_token, [int])
        after = int(key[0]) if key else 0

        def query(reader: Reader) -> tuple[list[Correction], dict[int, Pool]]:
            rows = reader.corrections(find_account(reader, account_id).account_key, after, limit + 1)
            return rows, reader.pools_by_key({row.pool_key for row in rows})

        rows, pools = await self._read(query)
        token = write_token(scope, [rows[limit - 1].correction_key]) if len(rows) > limit else ""
        told = [correction_message(pools[row.pool_key], row) for row in rows[:limit]]
        return wire.ListCorrectionsResponse(corrections=told, next_page_token=token)
