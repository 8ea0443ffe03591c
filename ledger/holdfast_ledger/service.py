"""LedgerService: what operators and back ends call. Checks every field, then reads a snapshot or queues a job.

Downstream: the group writer for changes, the store for reads; the registry tells the sidecars of what changed.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from holdfast.v1 import ledger_service_pb2 as wire

from holdfast_ledger import rules
from holdfast_ledger.alerting import AlertCalls
from holdfast_ledger.amending import AmendingCalls
from holdfast_ledger.errors import (
    AlreadyExists,
    InvalidArgument,
)
from holdfast_ledger.lookups import find_account, find_grant, find_pool, pool_query
from holdfast_ledger.messages import (
    account_message,
    balance_message,
    balance_totals_message,
    entry_message,
    grant_message,
    lease_message,
    policy_message,
    pool_message,
    sidecar_message,
)
from holdfast_ledger.paging import page_limit, read_token, write_token
from holdfast_ledger.posting.grants import add_grant, take_due
from holdfast_ledger.posting.order import burn_position
from holdfast_ledger.replays import ReplayCalls, find_sidecar
from holdfast_ledger.snapshots import Snapshots
from holdfast_ledger.store.interface import (
    MAX_AMOUNT,
    Account,
    BurnPosition,
    Grant,
    JournalLine,
    Lease,
    Locks,
    Pool,
    Reader,
    Writer,
)
from holdfast_ledger.sync.registry import Registry
from holdfast_ledger.validation import check_id, check_optional_id, check_range
from holdfast_ledger.webhooks import WebhookCalls
from holdfast_ledger.writer import GroupWriter

T = TypeVar("T")


class LedgerServicer(ReplayCalls, AmendingCalls, AlertCalls, WebhookCalls):
    """The calls of `holdfast.v1.LedgerService`, by name; each raises a `LedgerError`."""

    def __init__(
        self,
        snapshots: Snapshots,
        writer: GroupWriter,
        registry: Registry,
        now_ms: Callable[[], int],
    ) -> None:
        self._snapshots = snapshots
        self._writer = writer
        self._registry = registry
        self._now_ms = now_ms

    async def _read(self, query: Callable[[Reader], T]) -> T:
        return await self._snapshots.read(query)

    async def CreateAccount(self, request: wire.CreateAccountRequest) -> wire.CreateAccountResponse:
        """See the contract."""
        said = rules.account(request.account)

        def job(writer: Writer) -> Account:
            there = writer.account(said.account_id)
            if there is None:
                said.created_at_ms = self._now_ms()
                writer.insert_account(said)
            elif there.display_name != said.display_name:
                raise AlreadyExists("account.display_name", "the account exists with another one")
            return there or said

        return wire.CreateAccountResponse(account=account_message(await self._writer.run(job)))

    async def GetAccount(self, request: wire.GetAccountRequest) -> wire.GetAccountResponse:
        """See the contract."""
        check_id("account_id", request.account_id)
        account = await self._read(lambda reader: find_account(reader, request.account_id))
        return wire.GetAccountResponse(account=account_message(account))

    async def ListAccounts(self, request: wire.ListAccountsRequest) -> wire.ListAccountsResponse:
        """See the contract."""
        limit, scope = page_limit(request.page_size), ("accounts",)
        after = _after(scope, request.page_token)
        rows = await self._read(lambda reader: reader.accounts(after, limit + 1))
        token = write_token(scope, [rows[limit - 1].account_key]) if len(rows) > limit else ""
        return wire.ListAccountsResponse(accounts=map(account_message, rows[:limit]), next_page_token=token)

    async def CreatePool(self, request: wire.CreatePoolRequest) -> wire.CreatePoolResponse:
        """See the contract."""
        said = rules.pool(request.pool)

        def job(writer: Writer) -> Pool:
            account = find_account(writer, said.account_id)
            there = writer.pool(said.account_id, said.pool_id)
            if there is None:
                said.account_key, said.created_at_ms = account.account_key, self._now_ms()
                writer.insert_pool(said)
                return said
            rules.same_pool(there, said)
            return there

        return wire.CreatePoolResponse(pool=pool_message(await self._writer.run(job)))

    async def GetPool(self, request: wire.GetPoolRequest) -> wire.GetPoolResponse:
        """See the contract."""
        pool = await self._read(pool_query(request.account_id, request.pool_id))
        return wire.GetPoolResponse(pool=pool_message(pool), balance=balance_message(pool))

    async def ListPools(self, request: wire.ListPoolsRequest) -> wire.ListPoolsResponse:
        """See the contract."""
        check_id("account_id", request.account_id)
        limit, scope = page_limit(request.page_size), ("pools", request.account_id)
        after = _after(scope, request.page_token)
        rows = await self._read(
            lambda reader: reader.pools(find_account(reader, request.account_id).account_key, after, limit + 1)
        )
        token = write_token(scope, [rows[limit - 1].pool_key]) if len(rows) > limit else ""
        pools = [wire.PoolWithBalance(pool=pool_message(x), balance=balance_message(x)) for x in rows[:limit]]
        return wire.ListPoolsResponse(pools=pools, next_page_token=token)

    async def GetBalanceTotals(self, request: wire.GetBalanceTotalsRequest) -> wire.GetBalanceTotalsResponse:
        """See the contract."""
        account_id = request.account_id
        check_optional_id("account_id", account_id)
        rows = await self._read(
            lambda reader: reader.balance_totals(find_account(reader, account_id).account_key if account_id else 0)
        )
        return wire.GetBalanceTotalsResponse(totals=map(balance_totals_message, rows))

    async def CreateGrant(self, request: wire.CreateGrantRequest) -> wire.CreateGrantResponse:
        """See the contract."""
        said = rules.grant(request.grant)

        def job(writer: Writer) -> tuple[Pool, Grant, set[int]]:
            now_ms = self._now_ms()
            find = pool_query(request.grant.account_id, request.grant.pool_id)
            touched = take_due(writer, now_ms, [find(writer).pool_key])
            pool = find(writer)
            there = writer.grant(pool.pool_key, said.grant_id)
            if there is not None:
                rules.same_grant(there, said)
                return pool, there, touched
            made = replace(said)
            return pool, made, touched | add_grant(writer, pool, made, now_ms)

        locks = Locks(pools=frozenset({(request.grant.account_id, request.grant.pool_id)}))
        pool, grant, touched = await self._writer.run(job, locks)
        self._registry.pools_changed(touched)
        return wire.CreateGrantResponse(grant=grant_message(pool, grant))

    async def GetGrant(self, request: wire.GetGrantRequest) -> wire.GetGrantResponse:
        """See the contract."""
        check_id("grant_id", request.grant_id)
        find = pool_query(request.account_id, request.pool_id)

        def query(reader: Reader) -> tuple[Pool, Grant]:
            pool = find(reader)
            return pool, find_grant(reader, pool, request.grant_id)

        return wire.GetGrantResponse(grant=grant_message(*await self._read(query)))

    async def ListGrants(self, request: wire.ListGrantsRequest) -> wire.ListGrantsResponse:
        """See the contract."""
        find = pool_query(request.account_id, request.pool_id)
        limit, scope = page_limit(request.page_size), ("grants", request.account_id, request.pool_id)
        after = _burn_position(scope, request.page_token)

        def query(reader: Reader) -> tuple[Pool, list[Grant]]:
            pool = find(reader)
            return pool, reader.grants(pool.pool_key, after, limit + 1)

        pool, rows = await self._read(query)
        token = write_token(scope, burn_position(rows[limit - 1])) if len(rows) > limit else ""
        grants = [grant_message(pool, grant) for grant in rows[:limit]]
        return wire.ListGrantsResponse(grants=grants, next_page_token=token)

    async def SetPolicy(self, request: wire.SetPolicyRequest) -> wire.SetPolicyResponse:
        """See the contract."""
        policy = rules.policy("policy", request.policy)
        find = pool_query(request.account_id, request.pool_id)

        def job(writer: Writer) -> int:
            pool = find(writer)
            writer.save_policy(pool.pool_key, policy)
            return pool.pool_key

        locks = Locks(pools=frozenset({(request.account_id, request.pool_id)}))
        self._registry.pools_changed({await self._writer.run(job, locks)})
        return wire.SetPolicyResponse(policy=policy_message(policy))

    async def GetPolicy(self, request: wire.GetPolicyRequest) -> wire.GetPolicyResponse:
        """See the contract."""
        pool = await self._read(pool_query(request.account_id, request.pool_id))
        return wire.GetPolicyResponse(policy=policy_message(pool.policy))

    async def ListEntries(self, request: wire.ListEntriesRequest) -> wire.ListEntriesResponse:
        """See the contract."""
        find = pool_query(request.account_id, request.pool_id)
        operation_id, entry_id, newest_first = request.operation_id, request.entry_id, request.newest_first
        check_optional_id("operation_id", operation_id)
        check_range("entry_id", entry_id, 0, 0 if operation_id else MAX_AMOUNT)
        limit = page_limit(request.page_size)
        scope = ("entries", request.account_id, request.pool_id, operation_id, *(["newest"] if newest_first else []))
        after = _after(scope, request.page_token)

        def query(reader: Reader) -> tuple[Pool, list[JournalLine]]:
            pool = find(reader)
            if entry_id:
                return pool, [x for x in reader.journal(pool.pool_key, entry_id - 1, 1) if x.entry_key == entry_id]
            if not operation_id:
                return pool, reader.journal(pool.pool_key, after, limit + 1, newest_first=newest_first)
            of = (pool.account_key, pool.pool_key, operation_id)
            return pool, reader.journal_of_operation(*of, after, limit + 1, newest_first=newest_first)

        pool, rows = await self._read(query)
        token = write_token(scope, [rows[limit - 1].entry_key]) if len(rows) > limit else ""
        return wire.ListEntriesResponse(entries=[entry_message(pool, x) for x in rows[:limit]], next_page_token=token)

    async def ListSidecars(self, request: wire.ListSidecarsRequest) -> wire.ListSidecarsResponse:
        """See the contract."""
        limit, scope = page_limit(request.page_size), ("sidecars",)
        after = _after(scope, request.page_token)
        rows = await self._read(lambda reader: reader.sidecars(after, limit + 1))
        token = write_token(scope, [rows[limit - 1].sidecar_key]) if len(rows) > limit else ""
        sidecars = [sidecar_message(row, row.sidecar_id in self._registry) for row in rows[:limit]]
        return wire.ListSidecarsResponse(sidecars=sidecars, next_page_token=token)

    async def ListLeases(self, request: wire.ListLeasesRequest) -> wire.ListLeasesResponse:
        """See the contract."""
        account_id, pool_id, sidecar_id = request.account_id, request.pool_id, request.sidecar_id
        for field, value in (("account_id", account_id), ("pool_id", pool_id), ("sidecar_id", sidecar_id)):
            check_optional_id(field, value)
        if not account_id and not sidecar_id:
            raise InvalidArgument("account_id", "neither this nor sidecar_id is set")
        if pool_id and not account_id:
            raise InvalidArgument("account_id", "goes with pool_id and is empty")
        limit, scope = page_limit(request.page_size), ("leases", account_id, pool_id, sidecar_id)
        after = _after(scope, request.page_token)

        def query(reader: Reader) -> tuple[list[Lease], dict[int, Pool]]:
            account_key = find_account(reader, account_id).account_key if account_id else None
            pool_key = find_pool(reader, account_id, pool_id).pool_key if pool_id else None
            sidecar_key = find_sidecar(reader, sidecar_id).sidecar_key if sidecar_id else None
            rows = reader.leases(account_key, pool_key, sidecar_key, after, limit + 1)
            return rows, reader.pools_by_key({row.pool_key for row in rows})

        rows, pools = await self._read(query)
        token = write_token(scope, [rows[limit - 1].lease_key]) if len(rows) > limit else ""
        leases = [lease_message(pools[row.pool_key], row) for row in rows[:limit]]
        return wire.ListLeasesResponse(leases=leases, next_page_token=token)


def _after(scope: tuple[str, ...], token: str) -> int:
    key = read_token(scope, token, [int])
    return int(key[0]) if key else 0


def _burn_position(scope: tuple[str, ...], token: str) -> BurnPosition | None:
    key = read_token(scope, token, [int, int, int, int, str])
    if key is None:
        return None
    return int(key[0]), int(key[1]), int(key[2]), int(key[3]), str(key[4])
