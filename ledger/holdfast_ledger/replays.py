"""The calls of LedgerService about debits that did not simply post: replay, quarantine, duplicates.

A part of `service`, whose class adds the others. Downstream: `posting.replay` for the rules.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from holdfast.v1 import ledger_service_pb2 as wire
from holdfast.v1.ledger_sync_service_pb2 import Debit

from holdfast_ledger.errors import AccountNotFound, InvalidArgument, SidecarNotFound
from holdfast_ledger.paging import page_limit, read_token, write_token
from holdfast_ledger.posting.post import Posted
from holdfast_ledger.posting.replay import Fate, foresee, release, replay
from holdfast_ledger.store.interface import (
    DuplicateLine,
    DuplicatePosition,
    Locks,
    QuarantineLine,
    QuarantinePosition,
    Reader,
    Sidecar,
    Writer,
)
from holdfast_ledger.sync.protocol import MAX_DEBIT_BYTES, MAX_SEQUENCE, check_debit
from holdfast_ledger.sync.registry import Registry
from holdfast_ledger.validation import check_id, check_optional_id, check_range
from holdfast_ledger.windows.counting import names_of
from holdfast_ledger.writer import GroupWriter

MAX_DEBITS = 1_000
"""Debits of one call: some tens of milliseconds of the writer's time, as for a run of a stream."""

SCAN_ROWS = 1_000
"""Rows of the quarantine read at once in search of an account's."""

T = TypeVar("T")


class ReplayCalls(ABC):
    """These calls of `holdfast.v1.LedgerService`, by name; each raises a `LedgerError`."""

    _writer: GroupWriter
    _registry: Registry
    _now_ms: Callable[[], int]

    @abstractmethod
    async def _read(self, query: Callable[[Reader], T]) -> T:
        """Carries a query out on a snapshot."""

    async def ReplayDebits(self, request: wire.ReplayDebitsRequest) -> wire.ReplayDebitsResponse:
        """See the contract."""
        _check_replay(request)
        sidecar_id, debits = request.sidecar_id, request.debits
        if request.dry_run:
            fates = await self._read(lambda reader: foresee(reader, find_sidecar(reader, sidecar_id), debits))
        else:
            counts = Posted(0)

            def job(writer: Writer) -> list[Fate]:
                sidecar = find_sidecar(writer, sidecar_id)
                return replay(writer, sidecar, request.birth_epoch, debits, self._now_ms(), counts)

            fates = await self._writer.run(job, _locks({sidecar_id}, debits), len(debits))
            self._registry.pools_changed(counts.due_pools | counts.moved_pools)
        results = [_result(sidecar_id, debit, fate) for debit, fate in zip(debits, fates, strict=True)]
        return wire.ReplayDebitsResponse(results=results)

    async def ListQuarantinedDebits(
        self, request: wire.ListQuarantinedDebitsRequest
    ) -> wire.ListQuarantinedDebitsResponse:
        """See the contract."""
        limit, scope = page_limit(request.page_size), ("quarantined", request.account_id)
        lines = await self._quarantined(request.account_id, scope, request.page_token, limit)
        debits = [
            wire.QuarantinedDebit(
                sidecar_id=line.sidecar_id,
                debit=Debit.FromString(line.debit),
                reason=line.reason,
                quarantined_at_unix_ms=line.posted_at_ms,
            )
            for line in lines[:limit]
        ]
        return wire.ListQuarantinedDebitsResponse(debits=debits, next_page_token=_token(scope, lines, limit))

    async def ReplayQuarantinedDebits(
        self, request: wire.ReplayQuarantinedDebitsRequest
    ) -> wire.ReplayQuarantinedDebitsResponse:
        """See the contract."""
        limit, scope = page_limit(request.page_size), ("replay-quarantined", request.account_id)
        lines = await self._quarantined(request.account_id, scope, request.page_token, limit)
        page = lines[:limit]
        debits = [Debit.FromString(line.debit) for line in page]
        if request.dry_run:
            fates = await self._read(lambda reader: _foresee_page(reader, page, debits))
        else:
            counts = Posted(0)
            locks = _locks({line.sidecar_id for line in page}, debits)
            fates = await self._writer.run(
                lambda writer: release(writer, page, self._now_ms(), counts), locks, len(page)
            )
            self._registry.pools_changed(counts.due_pools | counts.moved_pools)
        results = [_result(line.sidecar_id, debit, fate) for line, debit, fate in zip(page, debits, fates, strict=True)]
        return wire.ReplayQuarantinedDebitsResponse(results=results, next_page_token=_token(scope, lines, limit))

    async def _quarantined(
        self, account_id: str, scope: tuple[str, ...], page_token: str, limit: int
    ) -> list[QuarantineLine]:
        """Returns a page of the quarantine and one more if there is one."""
        check_optional_id("account_id", account_id)
        key = read_token(scope, page_token, [int, int])
        after = cast(QuarantinePosition, key) if key else (0, 0)
        return await self._read(lambda reader: _scan(reader, account_id, after, limit + 1))

    async def ListDuplicateDebits(self, request: wire.ListDuplicateDebitsRequest) -> wire.ListDuplicateDebitsResponse:
        """See the contract."""
        account_id, conflicting_only = request.account_id, request.conflicting_only
        check_optional_id("account_id", account_id)
        limit, scope = page_limit(request.page_size), ("duplicates", account_id, str(conflicting_only))
        key = read_token(scope, request.page_token, [int, int, int, int])
        after = cast(DuplicatePosition, key) if key else (0, 0, 0, 0)

        def query(reader: Reader) -> list[DuplicateLine]:
            account = reader.account(account_id) if account_id else None
            if account_id and account is None:
                raise AccountNotFound("there is no such account", account_id=account_id)
            account_key = account.account_key if account else None
            return reader.duplicates(account_key, conflicting_only, after, limit + 1)

        lines = await self._read(query)
        return wire.ListDuplicateDebitsResponse(
            duplicates=map(_duplicate_message, lines[:limit]), next_page_token=_token(scope, lines, limit)
        )


def find_sidecar(reader: Reader, sidecar_id: str) -> Sidecar:
    """Returns a sidecar. Raises `SidecarNotFound`."""
    sidecar = reader.sidecar(sidecar_id)
    if sidecar is None:
        raise SidecarNotFound("no such sidecar has said Hello", sidecar_id=sidecar_id)
    return sidecar


def _check_replay(request: wire.ReplayDebitsRequest) -> None:
    check_id("sidecar_id", request.sidecar_id)
    check_range("birth_epoch", request.birth_epoch, 0, MAX_SEQUENCE)
    check_range("debits", len(request.debits), 1, MAX_DEBITS)
    if request.ByteSize() > MAX_DEBIT_BYTES * (len(request.debits) + 1):
        raise InvalidArgument("debits", f"are larger than {MAX_DEBIT_BYTES} bytes each")
    for place, debit in enumerate(request.debits):
        check_debit(debit, f"debits[{place}]", MAX_SEQUENCE)
        check_range(f"debits[{place}].sequence", debit.sequence, 1, MAX_SEQUENCE)


def _locks(sidecar_ids: set[str], debits: Sequence[Debit]) -> Locks:
    return Locks(frozenset(sidecar_ids), names_of(debits))


def _scan(reader: Reader, account_id: str, after: QuarantinePosition, limit: int) -> list[QuarantineLine]:
    """Returns debits in quarantine, of one account or ("") of all."""
    found: list[QuarantineLine] = []
    while len(found) < limit and (lines := reader.quarantined(False, after, SCAN_ROWS)):
        after = lines[-1].position
        found += [x for x in lines if not account_id or Debit.FromString(x.debit).account_id == account_id]
    return found[:limit]


def _foresee_page(reader: Reader, page: Sequence[QuarantineLine], debits: Sequence[Debit]) -> list[Fate]:
    return [
        foresee(reader, find_sidecar(reader, line.sidecar_id), [debit])[0]
        for line, debit in zip(page, debits, strict=True)
    ]


def _token(scope: tuple[str, ...], lines: Sequence[QuarantineLine] | Sequence[DuplicateLine], limit: int) -> str:
    return write_token(scope, lines[limit - 1].position) if len(lines) > limit else ""


def _result(sidecar_id: str, debit: Debit, fate: Fate) -> wire.ReplayResult:
    return wire.ReplayResult(
        sidecar_id=sidecar_id,
        epoch=debit.epoch,
        sequence=debit.sequence,
        account_id=debit.account_id,
        operation_id=debit.operation_id,
        amount=debit.amount,
        outcome=cast("wire.ReplayOutcome", fate.outcome),
        conflicting=fate.conflicting,
    )


def _duplicate_message(line: DuplicateLine) -> wire.DuplicateDebit:
    return wire.DuplicateDebit(
        account_id=line.account_id,
        operation_id=line.operation_id,
        posted=wire.DebitReference(
            sidecar_id=line.posted_sidecar_id,
            epoch=line.posted_epoch,
            sequence=line.posted_sequence,
            pool_id=line.posted_pool_id,
            amount=line.posted_amount,
        ),
        duplicate=wire.DebitReference(
            sidecar_id=line.sidecar_id,
            epoch=line.epoch,
            sequence=line.sequence,
            pool_id=line.pool_id,
            amount=line.amount,
        ),
        received_at_unix_ms=line.received_at_ms,
        conflicting=(line.posted_pool_id, line.posted_amount) != (line.pool_id, line.amount),
        replayed=line.replayed,
    )
