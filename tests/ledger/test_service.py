"""LedgerService over a real channel: every call, every rule for a field, every list page by page."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import ledger_service_pb2 as api

from tests.ledger.harness import START_MS, Ledger, debit, fault_of, running

pytestmark = pytest.mark.usefixtures("every_store")

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
EXISTS = grpc.StatusCode.ALREADY_EXISTS
OPTIMISTIC = decision.ENFORCEMENT_OPTIMISTIC


async def refused(call: Awaitable[object]) -> tuple[grpc.StatusCode, str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return fault_of(caught.value)


async def test_accounts(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        said = api.Account(account_id="acme", display_name="Acme, Inc.")
        made = (await ledger.api.CreateAccount(api.CreateAccountRequest(account=said))).account
        assert (made.account_id, made.display_name, made.created_at_unix_ms) == ("acme", "Acme, Inc.", START_MS)
        ledger.clock.advance(5)
        assert (await ledger.api.CreateAccount(api.CreateAccountRequest(account=said))).account == made
        assert (await ledger.api.GetAccount(api.GetAccountRequest(account_id="acme"))).account == made
        other = api.Account(account_id="acme", display_name="Other")
        call = ledger.api.CreateAccount(api.CreateAccountRequest(account=other))
        assert await refused(call) == (EXISTS, "ALREADY_EXISTS", "account.display_name")
        missing = ledger.api.GetAccount(api.GetAccountRequest(account_id="nobody"))
        assert await refused(missing) == (NOT_FOUND, "ACCOUNT_NOT_FOUND", "")


async def test_pools(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        got = await ledger.api.GetPool(api.GetPoolRequest(account_id="a", pool_id="general"))
        assert (got.pool.currency, got.pool.currency_exponent) == ("credits", 6)
        assert got.pool.policy.enforcement == decision.ENFORCEMENT_STRICT
        assert got.pool.policy.partition_mode == decision.PARTITION_MODE_FAIL_CLOSED
        assert got.balance == api.PoolBalance()
        await ledger.open_pool()
        euros = api.Pool(account_id="a", pool_id="general", currency="eur", currency_exponent=2)
        call = ledger.api.CreatePool(api.CreatePoolRequest(pool=euros))
        assert await refused(call) == (EXISTS, "ALREADY_EXISTS", "pool.currency")
        orphan = ledger.api.CreatePool(api.CreatePoolRequest(pool=api.Pool(account_id="b", pool_id="p")))
        assert await refused(orphan) == (NOT_FOUND, "ACCOUNT_NOT_FOUND", "")
        for ids, reason in ((("b", "general"), "ACCOUNT_NOT_FOUND"), (("a", "p"), "POOL_NOT_FOUND")):
            request = api.GetPoolRequest(account_id=ids[0], pool_id=ids[1])
            assert await refused(ledger.api.GetPool(request)) == (NOT_FOUND, reason, "")


async def test_policies(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        said = decision.Policy(enforcement=OPTIMISTIC, overdraft_limit=500, partition_after_ms=3_000, shadow=True)
        await ledger.api.SetPolicy(api.SetPolicyRequest(account_id="a", pool_id="general", policy=said))
        got = (await ledger.api.GetPolicy(api.GetPolicyRequest(account_id="a", pool_id="general"))).policy
        said.partition_mode = decision.PARTITION_MODE_FAIL_CLOSED
        assert got == said
        await ledger.api.SetPolicy(api.SetPolicyRequest(account_id="a", pool_id="general"))
        got = (await ledger.api.GetPolicy(api.GetPolicyRequest(account_id="a", pool_id="general"))).policy
        assert (got.enforcement, got.overdraft_limit) == (decision.ENFORCEMENT_STRICT, 0)


@pytest.mark.parametrize(
    ("policy", "code", "field"),
    [
        (decision.Policy(overdraft_limit=1), INVALID, "overdraft_limit"),
        (decision.Policy(overdraft_limit_bps=1), INVALID, "overdraft_limit_bps"),
        (decision.Policy(enforcement=OPTIMISTIC, overdraft_limit=-1), INVALID, "overdraft_limit"),
        (decision.Policy(enforcement=OPTIMISTIC, overdraft_limit_bps=10_001), INVALID, "overdraft_limit_bps"),
        (
            decision.Policy(enforcement=OPTIMISTIC, overdraft_limit=1, overdraft_limit_bps=1),
            INVALID,
            "overdraft_limit_bps",
        ),
        (decision.Policy(enforcement=9), INVALID, "enforcement"),  # type: ignore[arg-type]  # on purpose
        (decision.Policy(partition_mode=9), INVALID, "partition_mode"),  # type: ignore[arg-type]  # on purpose
        (decision.Policy(partition_after_ms=-1), INVALID, "partition_after_ms"),
        (decision.Policy(partition_overdraft_limit=1), INVALID, "partition_overdraft_limit"),
        (
            decision.Policy(partition_mode=decision.PARTITION_MODE_FAIL_OPEN, partition_overdraft_limit=1),
            INVALID,
            "partition_overdraft_limit",
        ),
        (
            decision.Policy(partition_mode=decision.PARTITION_MODE_ALLOWANCE, partition_overdraft_limit=-1),
            INVALID,
            "partition_overdraft_limit",
        ),
    ],
)
async def test_a_bad_policy_is_refused(
    tmp_path: Path, policy: decision.Policy, code: grpc.StatusCode, field: str
) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        call = ledger.api.SetPolicy(api.SetPolicyRequest(account_id="a", pool_id="general", policy=policy))
        assert (await refused(call))[::2] == (code, f"policy.{field}")
        pool = api.Pool(account_id="a", pool_id="other", policy=policy)
        call_2 = ledger.api.CreatePool(api.CreatePoolRequest(pool=pool))
        assert (await refused(call_2))[::2] == (code, f"pool.policy.{field}")


async def test_grants(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        made = await ledger.grant("g", 100, expires_at_unix_ms=START_MS + 10, cost_amount=5, cost_currency="USD")
        assert (made.state, made.remaining, made.effective_at_unix_ms) == (api.GRANT_STATE_ACTIVE, 100, START_MS)
        later = await ledger.grant("later", 7, effective_at_unix_ms=START_MS + 5)
        assert (later.state, later.remaining) == (api.GRANT_STATE_PENDING, 7)
        ledger.clock.advance(10)
        await ledger.server.sweep_once()
        again = await ledger.grant("g", 100, expires_at_unix_ms=START_MS + 10, cost_amount=5, cost_currency="USD")
        assert (again.state, again.remaining) == (api.GRANT_STATE_EXPIRED, 0), "a repeat answers with what is there"
        request = api.GetGrantRequest(account_id="a", pool_id="general", grant_id="g")
        assert (await ledger.api.GetGrant(request)).grant == again
        assert (await ledger.balance()).granted_total == 107
        request.grant_id = "x"
        assert await refused(ledger.api.GetGrant(request)) == (NOT_FOUND, "GRANT_NOT_FOUND", "")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"amount": 101}, "amount"),
        ({"category": api.GRANT_CATEGORY_PROMOTIONAL}, "category"),
        ({"priority": 1}, "priority"),
        ({"effective_at_unix_ms": START_MS - 5}, "effective_at_unix_ms"),
        ({"expires_at_unix_ms": START_MS + 5}, "expires_at_unix_ms"),
        ({"cost_amount": 1, "cost_currency": "USD"}, "cost_amount"),
    ],
)
async def test_a_grant_id_with_other_content_is_refused(tmp_path: Path, fields: dict[str, Any], field: str) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        names: dict[str, Any] = {"account_id": "a", "pool_id": "general", "grant_id": "g", "amount": 100, "category": 2}
        call = ledger.api.CreateGrant(api.CreateGrantRequest(grant=api.Grant(**(names | fields))))
        assert await refused(call) == (EXISTS, "ALREADY_EXISTS", f"grant.{field}")
        assert (await ledger.balance()).granted_total == 100


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"grant_id": ""}, "grant_id"),
        ({"grant_id": "a\x00b"}, "grant_id"),
        ({"grant_id": "x" * 1024 * 1024}, "grant_id"),
        ({"account_id": ""}, "account_id"),
        ({"pool_id": "\x7f"}, "pool_id"),
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 2**63 - 1}, "amount"),
        ({"category": 0}, "category"),
        ({"category": 9}, "category"),
        ({"priority": -1}, "priority"),
        ({"priority": 1_001}, "priority"),
        ({"effective_at_unix_ms": -1}, "effective_at_unix_ms"),
        ({"effective_at_unix_ms": 2**63 - 1}, "effective_at_unix_ms"),
        ({"expires_at_unix_ms": -1}, "expires_at_unix_ms"),
        ({"expires_at_unix_ms": START_MS}, "expires_at_unix_ms"),
        ({"effective_at_unix_ms": START_MS + 9, "expires_at_unix_ms": START_MS + 9}, "expires_at_unix_ms"),
        ({"cost_amount": -1}, "cost_amount"),
        ({"cost_amount": 1}, "cost_currency"),
        ({"cost_amount": 1, "cost_currency": "usd"}, "cost_currency"),
        ({"cost_currency": "USD"}, "cost_currency"),
    ],
)
async def test_a_bad_grant_is_refused(tmp_path: Path, fields: dict[str, Any], field: str) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        names: dict[str, Any] = {"account_id": "a", "pool_id": "general", "grant_id": "new", "amount": 1, "category": 2}
        call = ledger.api.CreateGrant(api.CreateGrantRequest(grant=api.Grant(**(names | fields))))
        assert await refused(call) == (INVALID, "BAD_MESSAGE", f"grant.{field}")
        assert (await ledger.balance()).granted_total == 100


@pytest.mark.parametrize(
    ("pool", "field"),
    [
        (api.Pool(pool_id="p"), "account_id"),
        (api.Pool(account_id="a"), "pool_id"),
        (api.Pool(account_id="a", pool_id="p", currency="EUR"), "currency"),
        (api.Pool(account_id="a", pool_id="p", currency="x" * 17), "currency"),
        (api.Pool(account_id="a", pool_id="p", currency="eur", currency_exponent=10), "currency_exponent"),
        (api.Pool(account_id="a", pool_id="p", currency="eur", currency_exponent=-1), "currency_exponent"),
        (api.Pool(account_id="a", pool_id="p", currency_exponent=2), "currency_exponent"),
    ],
)
async def test_a_bad_pool_is_refused(tmp_path: Path, pool: api.Pool, field: str) -> None:
    async with running(tmp_path) as ledger:
        call = ledger.api.CreatePool(api.CreatePoolRequest(pool=pool))
        assert await refused(call) == (INVALID, "BAD_MESSAGE", f"pool.{field}")


@pytest.mark.parametrize(
    ("account", "field"),
    [
        (api.Account(), "account_id"),
        (api.Account(account_id="x" * 129), "account_id"),
        (api.Account(account_id="€" * 43), "account_id"),
        (api.Account(account_id="a\u0085"), "account_id"),
        (api.Account(account_id="a", display_name="x" * 257), "display_name"),
        (api.Account(account_id="a", display_name="line\nbreak"), "display_name"),
    ],
)
async def test_a_bad_account_is_refused(tmp_path: Path, account: api.Account, field: str) -> None:
    async with running(tmp_path) as ledger:
        call = ledger.api.CreateAccount(api.CreateAccountRequest(account=account))
        assert await refused(call) == (INVALID, "BAD_MESSAGE", f"account.{field}")


async def test_garbage_and_invalid_utf8_are_refused_and_harm_nobody(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        call: Any = ledger.channel.unary_unary("/holdfast.v1.LedgerService/GetAccount")
        for payload in (b"\xff\xff\xff", b"\x0a\x02\xc3\x28", b"\x0a\x7f"):
            assert await refused(call(payload)) == (INVALID, "BAD_MESSAGE", "message")
        await ledger.open_pool(1)


async def test_lists_are_complete_in_order_page_by_page(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        names = [f"account-{number * 7 % 25}" for number in range(25)]
        for name in names:
            await ledger.api.CreateAccount(api.CreateAccountRequest(account=api.Account(account_id=name)))
            await ledger.open_pool(0, pool_id=name)
        accounts, pools = api.ListAccountsRequest(page_size=4), api.ListPoolsRequest(account_id="a", page_size=4)
        seen = [a.account_id for page in await pages(ledger.api.ListAccounts, accounts) for a in page.accounts]
        assert seen == [names[0], "a", *names[1:]]
        seen = [p.pool.pool_id for page in await pages(ledger.api.ListPools, pools) for p in page.pools]
        assert seen == names


async def pages(call: Callable[[Any], Awaitable[Any]], request: Any) -> list[Any]:
    """Reads a list to its end; every page but the last is full."""
    result = []
    while True:
        page = await call(request)
        result.append(page)
        if not page.next_page_token:
            return result
        request.page_token = page.next_page_token


async def test_grants_are_listed_in_the_order_of_burning(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        await ledger.grant("5-last", 1, priority=3)
        await ledger.grant("3-never", 1, priority=1)
        await ledger.grant("2-soon", 1, priority=1, expires_at_unix_ms=START_MS + 10)
        await ledger.grant("4-never", 1, priority=1)
        await ledger.grant("1-first", 1, priority=0)
        request = api.ListGrantsRequest(account_id="a", pool_id="general", page_size=2)
        listed = await pages(ledger.api.ListGrants, request)
        assert [len(page.grants) for page in listed] == [2, 2, 1]
        seen = [grant.grant_id for page in listed for grant in page.grants]
        assert seen == sorted(seen)


async def test_entries_name_books_grants_and_debits(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(10)
        stream = ledger.sync()
        await stream.hello()
        await stream.debits(debit(1, 15, hold_id="h1"))
        await stream.acked(1)
        await ledger.grant("more", 20, expires_at_unix_ms=START_MS + 5)
        ledger.clock.advance(5)
        await ledger.server.sweep_once()
        entries = await ledger.entries()
        assert [(e.from_book, e.to_book, e.amount, e.grant_id) for e in entries] == [
            ("issuance", "grant:g", 10, "g"),
            ("grant:g", "spend", 10, "g"),
            ("overdraft", "spend", 5, ""),
            ("issuance", "grant:more", 20, "more"),
            ("grant:more", "overdraft", 5, "more"),
            ("grant:more", "expired", 15, "more"),
        ]
        made = entries[2]
        assert (made.sidecar_id, made.epoch, made.sequence, made.operation_id, made.hold_id) == (
            "s",
            1,
            1,
            "op-1",
            "h1",
        )
        assert list(await ledger.entries(operation_id="op-1")) == list(entries[1:3])
        assert list(await ledger.entries(operation_id="nothing")) == []
        balance = await ledger.balance()
        assert (balance.posted, balance.spent_total, balance.expired_total, balance.overdraft) == (0, 15, 15, 0)


async def test_the_journal_is_read_from_its_end_or_by_entry(tmp_path: Path) -> None:
    """Backwards it is the same lines the other way round, also page by page, whatever is posted meanwhile."""
    async with running(tmp_path) as ledger:
        await ledger.open_pool(10)
        for number in range(6):
            await ledger.grant(f"more-{number}", 1)
        forward = list(await ledger.entries())
        assert len(forward) == 7
        assert list(await ledger.entries(newest_first=True)) == forward[::-1]
        names: dict[str, Any] = {"account_id": "a", "pool_id": "general"}
        request = api.ListEntriesRequest(**names, newest_first=True, page_size=3)
        first = await ledger.api.ListEntries(request)
        await ledger.grant("meanwhile", 1)
        request.page_token = first.next_page_token
        rest = await pages(ledger.api.ListEntries, request)
        assert [x for page in (first, *rest) for x in page.entries] == forward[::-1]
        request.newest_first = False
        assert await refused(ledger.api.ListEntries(request)) == (INVALID, "BAD_MESSAGE", "page_token")
        for entry in forward:
            assert list(await ledger.entries(entry_id=entry.entry_id)) == [entry]
        await ledger.open_pool(pool_id="other")
        assert list(await ledger.entries(entry_id=forward[0].entry_id, pool_id="other")) == []
        assert list(await ledger.entries(entry_id=2**63 - 1)) == []
        for wrong in ({"entry_id": -1}, {"entry_id": 1, "operation_id": "op-1"}):
            call = ledger.api.ListEntries(api.ListEntriesRequest(**names, **wrong))
            assert await refused(call) == (INVALID, "BAD_MESSAGE", "entry_id")


async def test_balances_are_summed_by_currency(tmp_path: Path) -> None:
    """Exactly as the pools have them, the bound among them; past int64 the sum is the int64 nearest to it."""
    async with running(tmp_path) as ledger:
        asked = api.GetBalanceTotalsRequest()
        assert list((await ledger.api.GetBalanceTotals(asked)).totals) == []
        share = decision.Policy(enforcement=OPTIMISTIC, overdraft_limit_bps=2_500)
        await ledger.open_pool(2**62 + 3, share)
        absolute = decision.Policy(enforcement=OPTIMISTIC, overdraft_limit=7)
        await ledger.open_pool(0, absolute, pool_id="empty")
        await ledger.api.CreateAccount(api.CreateAccountRequest(account=api.Account(account_id="b")))
        euros = api.Pool(account_id="b", pool_id="euros", currency="eur", currency_exponent=2)
        await ledger.api.CreatePool(api.CreatePoolRequest(pool=euros))
        stream = ledger.sync()
        await stream.hello("s")
        await stream.want(100)
        await stream.debits(debit(1, 40))
        await stream.acked(1)
        pools = (await ledger.api.ListPools(api.ListPoolsRequest(account_id="a"))).pools
        both, other = (await ledger.api.GetBalanceTotals(asked)).totals
        assert (both.currency, both.currency_exponent, both.pool_count, both.account_count) == ("credits", 6, 2, 1)
        for name in ("posted", "free", "leased", "overdraft", "allowance_leased", "overdraft_bound"):
            assert getattr(both, name) == sum(getattr(pool.balance, name) for pool in pools), name
        assert both.leased > 0
        assert both.overdraft_bound == (2**62 + 3) * 2_500 // 10_000 + 7
        assert (other.currency, other.currency_exponent, other.pool_count, other.posted) == ("eur", 2, 1, 0)
        asked.account_id = "b"
        assert list((await ledger.api.GetBalanceTotals(asked)).totals) == [other]
        await ledger.grant("much", 2**62 + 40, pool_id="empty")
        asked.account_id = ""
        assert (await ledger.api.GetBalanceTotals(asked)).totals[0].posted == 2**63 - 1
        nobody = ledger.api.GetBalanceTotals(api.GetBalanceTotalsRequest(account_id="nobody"))
        assert await refused(nobody) == (NOT_FOUND, "ACCOUNT_NOT_FOUND", "")


async def test_sidecars_and_leases_are_listed(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        await ledger.open_pool(0, pool_id="other")
        one, two = ledger.sync(), ledger.sync()
        await one.hello("one")
        await two.hello("two")
        await one.want(10)
        await one.want(0, pool_id="other")
        await two.want(20)
        await two.finish()
        sidecars = (await ledger.api.ListSidecars(api.ListSidecarsRequest())).sidecars
        assert [(s.sidecar_id, s.epoch, s.connected, s.version) for s in sidecars] == [
            ("one", 1, True, "1"),
            ("two", 1, False, "1"),
        ]
        assert await leases(ledger, account_id="a") == [
            ("one", "general", 10),
            ("one", "other", 0),
            ("two", "general", 20),
        ]
        assert await leases(ledger, sidecar_id="one") == [("one", "general", 10), ("one", "other", 0)]
        assert await leases(ledger, account_id="a", pool_id="general") == [
            ("one", "general", 10),
            ("two", "general", 20),
        ]
        refusals: tuple[tuple[dict[str, Any], grpc.StatusCode, str], ...] = (
            ({}, INVALID, "BAD_MESSAGE"),
            ({"pool_id": "general"}, INVALID, "BAD_MESSAGE"),
            ({"account_id": "b"}, NOT_FOUND, "ACCOUNT_NOT_FOUND"),
            ({"sidecar_id": "b"}, NOT_FOUND, "SIDECAR_NOT_FOUND"),
        )
        for fields, code, reason in refusals:
            assert (await refused(ledger.api.ListLeases(api.ListLeasesRequest(**fields))))[:2] == (code, reason)


async def leases(ledger: Ledger, **fields: Any) -> list[tuple[str, str, int]]:
    request = api.ListLeasesRequest(page_size=1, **fields)
    listed = await pages(ledger.api.ListLeases, request)
    return [(x.sidecar_id, x.pool_id, x.outstanding) for page in listed for x in page.leases]


@pytest.mark.parametrize("token", ["x", "!", "AAAA", "W10=", "bnVsbA==", "W1siYWNjb3VudHMiXSxbLTFdXQ==", "é"])
async def test_a_bad_page_token_is_refused(tmp_path: Path, token: str) -> None:
    async with running(tmp_path) as ledger:
        call = ledger.api.ListAccounts(api.ListAccountsRequest(page_token=token))
        assert await refused(call) == (INVALID, "BAD_MESSAGE", "page_token")


async def test_a_page_token_of_another_list_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        for account in ("a", "b"):
            await ledger.api.CreateAccount(api.CreateAccountRequest(account=api.Account(account_id=account)))
        token = (await ledger.api.ListAccounts(api.ListAccountsRequest(page_size=1))).next_page_token
        call = ledger.api.ListPools(api.ListPoolsRequest(account_id="a", page_token=token))
        assert await refused(call) == (INVALID, "BAD_MESSAGE", "page_token")


@pytest.mark.parametrize("page_size", [-1, 1_001])
async def test_a_bad_page_size_is_refused(tmp_path: Path, page_size: int) -> None:
    async with running(tmp_path) as ledger:
        call = ledger.api.ListSidecars(api.ListSidecarsRequest(page_size=page_size))
        assert await refused(call) == (INVALID, "BAD_MESSAGE", "page_size")


async def test_a_grant_is_voided(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        stream = ledger.sync()
        await stream.hello()
        await stream.want(10)
        names: dict[str, Any] = {"account_id": "a", "pool_id": "general"}
        done = await ledger.api.VoidGrant(api.VoidGrantRequest(grant_id="g", **names))
        assert (done.grant.state, done.grant.remaining) == (api.GRANT_STATE_VOIDED, 0)
        assert (done.balance.voided_total, done.balance.posted, done.balance.free) == (100, 0, -10)
        assert (await stream.told()).pool_posted == 0
        assert await ledger.api.VoidGrant(api.VoidGrantRequest(grant_id="g", **names)) == done
        missing = ledger.api.VoidGrant(api.VoidGrantRequest(grant_id="none", **names))
        assert await refused(missing) == (NOT_FOUND, "GRANT_NOT_FOUND", "")
        unnamed = ledger.api.VoidGrant(api.VoidGrantRequest(**names))
        assert await refused(unnamed) == (INVALID, "BAD_MESSAGE", "grant_id")


async def test_a_debit_is_corrected(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        stream = ledger.sync()
        await stream.hello()
        await stream.want(30)
        await stream.debits(debit(1, 30))
        await stream.acked(1)
        good: dict[str, Any] = {
            "account_id": "a", "pool_id": "general", "operation_id": "op-1", "correction_id": "c", "amount": 20,
        }  # fmt: skip
        done = await ledger.api.CorrectDebit(api.CorrectDebitRequest(**good))
        assert (done.correction.amount, done.correction.posted_at_unix_ms) == (20, START_MS)
        assert (done.balance.spent_total, done.balance.corrected_total, done.balance.free) == (10, 20, 90)
        await stream.told_until(lambda lease: lease.pool_free == 90)
        assert await ledger.api.CorrectDebit(api.CorrectDebitRequest(**good)) == done
        await ledger.api.VoidGrant(api.VoidGrantRequest(account_id="a", pool_id="general", grant_id="g"))
        (total,) = (await asyncio.to_thread(ledger.server.statistics)).currencies
        assert (total.voided_total, total.corrected_total) == (90, 20)
        entry = (await ledger.entries(operation_id="op-1"))[-1]
        assert (entry.type, entry.correction_id, entry.sequence) == (api.ENTRY_TYPE_CORRECTION, "c", 1)
        assert (entry.from_book, entry.to_book) == ("spend", "grant:g")
        for fields, code, reason, field in (
            ({"correction_id": ""}, INVALID, "BAD_MESSAGE", "correction_id"),
            ({"operation_id": ""}, INVALID, "BAD_MESSAGE", "operation_id"),
            ({"amount": -1}, INVALID, "BAD_MESSAGE", "amount"),
            ({"amount": 11, "correction_id": "d"}, INVALID, "BAD_MESSAGE", "amount"),
            ({"amount": 19}, EXISTS, "ALREADY_EXISTS", "amount"),
            ({"operation_id": "none", "correction_id": "d"}, NOT_FOUND, "DEBIT_NOT_FOUND", ""),
            ({"pool_id": "none"}, NOT_FOUND, "POOL_NOT_FOUND", ""),
        ):
            assert await refused(ledger.api.CorrectDebit(api.CorrectDebitRequest(**(good | fields)))) == (
                code, reason, field,
            )  # fmt: skip


async def test_corrections_are_listed_by_account_in_the_order_of_their_making(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        await ledger.open_pool(100, pool_id="other")
        stream = ledger.sync()
        await stream.hello()
        await stream.debits(debit(1, 30), debit(2, 20, pool_id="other"))
        await stream.acked(2)
        made = []
        for amount, correction_id, pool_id in ((1, "z", "other"), (2, "a", "general"), (3, "m", "general")):
            request = api.CorrectDebitRequest(
                account_id="a",
                pool_id=pool_id,
                operation_id="op-2" if pool_id == "other" else "op-1",
                correction_id=correction_id,
                amount=amount,
            )
            made.append((await ledger.api.CorrectDebit(request)).correction)
        assert [x.correction_id for x in made] == ["z", "a", "m"]
        assert made[0].pool_id == "other"
        whole = await ledger.api.ListCorrections(api.ListCorrectionsRequest(account_id="a"))
        assert whole == api.ListCorrectionsResponse(corrections=made)
        first = await ledger.api.ListCorrections(api.ListCorrectionsRequest(account_id="a", page_size=2))
        assert list(first.corrections) == made[:2]
        rest = api.ListCorrectionsRequest(account_id="a", page_size=2, page_token=first.next_page_token)
        assert await ledger.api.ListCorrections(rest) == api.ListCorrectionsResponse(corrections=made[2:])
        await ledger.api.CreateAccount(api.CreateAccountRequest(account=api.Account(account_id="b")))
        empty = await ledger.api.ListCorrections(api.ListCorrectionsRequest(account_id="b"))
        assert empty == api.ListCorrectionsResponse()
        for fields, code, reason, field in (
            ({"account_id": ""}, INVALID, "BAD_MESSAGE", "account_id"),
            ({"account_id": "none"}, NOT_FOUND, "ACCOUNT_NOT_FOUND", ""),
            ({"page_token": "x"}, INVALID, "BAD_MESSAGE", "page_token"),
        ):
            values: dict[str, Any] = {"account_id": "a"} | fields
            call = ledger.api.ListCorrections(api.ListCorrectionsRequest(**values))
            assert await refused(call) == (code, reason, field)


async def test_metadata_is_kept_with_a_grant(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        said = {"invoice": "7", "note": "Ünïcode"}
        made = await ledger.grant("g", 5, metadata=said)
        assert dict(made.metadata) == said
        assert await ledger.grant("g", 5, metadata=said) == made
        assert await refused(ledger.grant("g", 5)) == (EXISTS, "ALREADY_EXISTS", "grant.metadata")
        for bad, field in (
            ({str(number): "" for number in range(17)}, "grant.metadata"),
            ({"": "x"}, "grant.metadata"),
            ({"k" * 65: "x"}, "grant.metadata"),
            ({"k": "x" * 257}, "grant.metadata['k']"),
        ):
            assert await refused(ledger.grant("h", 5, metadata=bad)) == (INVALID, "BAD_MESSAGE", field)


async def test_the_rollover_of_a_grant(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        good: dict[str, Any] = {"share_bps": 5_000, "max_amount": 30, "lifetime_ms": 1_000, "max_times": 2}
        times: dict[str, Any] = {"expires_at_unix_ms": START_MS + 1_000}
        made = await ledger.grant("g", 50, rollover=api.Rollover(**good), **times)
        assert made.rollover == api.Rollover(**good)
        assert await ledger.grant("g", 50, rollover=api.Rollover(**good), **times) == made
        other = ledger.grant("g", 50, **times)
        assert await refused(other) == (EXISTS, "ALREADY_EXISTS", "grant.rollover")
        for bad, field in (
            ({"share_bps": 0}, "share_bps"),
            ({"share_bps": 10_001}, "share_bps"),
            ({"max_amount": -1}, "max_amount"),
            ({"lifetime_ms": -1}, "lifetime_ms"),
            ({"max_times": 0}, "max_times"),
            ({"max_times": 1_001}, "max_times"),
            ({"lifetime_ms": 0}, "max_times"),
        ):
            call = ledger.grant("h", 50, rollover=api.Rollover(**(good | bad)), **times)
            assert await refused(call) == (INVALID, "BAD_MESSAGE", f"grant.rollover.{field}")
        endless = ledger.grant("h", 50, rollover=api.Rollover(**good))
        assert await refused(endless) == (INVALID, "BAD_MESSAGE", "grant.rollover")
        for name in ("x" * 120, "g~rollover-1"):
            call = ledger.grant(name, 50, rollover=api.Rollover(**good), **times)
            assert await refused(call) == (INVALID, "BAD_MESSAGE", "grant.grant_id")
        ledger.clock.advance(1_000)
        await ledger.server.sweep_once()
        names = {"account_id": "a", "pool_id": "general"}
        rolled = (await ledger.api.GetGrant(api.GetGrantRequest(grant_id="g~rollover-1", **names))).grant
        assert (rolled.amount, rolled.rolled_from, rolled.rollover.max_times) == (25, "g", 1)
        assert rolled.state == api.GRANT_STATE_ACTIVE


async def test_alerts_are_set_read_and_make_events(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        names: dict[str, Any] = {"account_id": "a", "pool_id": "general"}
        assert (await ledger.api.GetAlerts(api.GetAlertsRequest(**names))).alerts == api.Alerts()
        alerts = api.Alerts(
            thresholds=[api.Threshold(threshold_id=f"t{n}", amount=n * 100) for n in range(1, 6)],
            top_up=api.TopUp(threshold=500, amount=300, cooldown_ms=60_000, max_times=3, period_ms=1_000_000),
        )
        request = api.SetAlertsRequest(alerts=alerts, **names)
        assert (await ledger.api.SetAlerts(request)).alerts == alerts
        assert (await ledger.api.GetAlerts(api.GetAlertsRequest(**names))).alerts == alerts
        stream = ledger.sync()
        await stream.hello()
        await stream.debits(debit(1, 700))
        await stream.acked(1)
        got = (await ledger.api.GetAlerts(api.GetAlertsRequest(**names))).alerts
        assert [x.crossed for x in got.thresholds] == [False, False, True, True, True]
        told, token = [], ""
        while True:
            page = await ledger.api.ListEvents(api.ListEventsRequest(page_size=3, page_token=token, account_id="a"))
            told += page.events
            token = page.next_page_token
            if not token:
                break
        assert [x.type for x in told] == ["pool.threshold_crossed"] * 3 + ["pool.top_up_wanted"]
        assert {(x.account_id, x.pool_id, x.created_at_unix_ms) for x in told} == {("a", "general", START_MS)}
        assert (await ledger.api.ListEvents(api.ListEventsRequest())).events == told
        missing = ledger.api.ListEvents(api.ListEventsRequest(account_id="none"))
        assert await refused(missing) == (NOT_FOUND, "ACCOUNT_NOT_FOUND", "")


@pytest.mark.parametrize(
    ("alerts", "field"),
    [
        ({"thresholds": [{"threshold_id": ""}]}, "thresholds[0].threshold_id"),
        ({"thresholds": [{"threshold_id": "a"}] * 2}, "thresholds[1].threshold_id"),
        ({"thresholds": [{"threshold_id": str(n)} for n in range(101)]}, "thresholds"),
        ({"thresholds": [{"threshold_id": "a", "share_bps": 10_001}]}, "thresholds[0].share_bps"),
        ({"thresholds": [{"threshold_id": "a", "share_bps": 1, "amount": 1}]}, "thresholds[0].share_bps"),
        ({"thresholds": [{"threshold_id": "a", "amount": -(2**63)}]}, "thresholds[0].amount"),
        ({"top_up": {"amount": 0, "cooldown_ms": 1_000}}, "top_up.amount"),
        ({"top_up": {"amount": 1, "cooldown_ms": 999}}, "top_up.cooldown_ms"),
        ({"top_up": {"amount": 1, "cooldown_ms": 1_000, "max_times": 1}}, "top_up.period_ms"),
        ({"top_up": {"amount": 1, "cooldown_ms": 1_000, "period_ms": 1}}, "top_up.period_ms"),
        ({"top_up": {"amount": 1, "cooldown_ms": 1_000, "max_times": -1, "period_ms": 1}}, "top_up.max_times"),
    ],
)
async def test_bad_alerts_are_refused_and_the_good_ones_stay(tmp_path: Path, alerts: Any, field: str) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        names: dict[str, Any] = {"account_id": "a", "pool_id": "general"}
        good = api.Alerts(thresholds=[api.Threshold(threshold_id="low", amount=5)])
        await ledger.api.SetAlerts(api.SetAlertsRequest(alerts=good, **names))
        call = ledger.api.SetAlerts(api.SetAlertsRequest(alerts=api.Alerts(**alerts), **names))
        assert await refused(call) == (INVALID, "BAD_MESSAGE", f"alerts.{field}")
        assert (await ledger.api.GetAlerts(api.GetAlertsRequest(**names))).alerts == good
