"""Who may call what, over a real channel: tokens, roles, accounts, rates, and the trail that stays behind."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status
from holdfast.v1 import access_service_pb2 as access
from holdfast.v1 import access_service_pb2_grpc as access_grpc
from holdfast.v1 import governance_service_pb2 as governance
from holdfast.v1 import ledger_service_pb2 as api

from tests.ledger.harness import START_MS, Ledger, fault_of, running

pytestmark = pytest.mark.usefixtures("every_store")

DENIED = (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED", "")
UNAUTHENTICATED = (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", "")

Metadata = tuple[tuple[str, str], ...]


async def refused(call: Awaitable[object]) -> tuple[grpc.StatusCode, str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return fault_of(caught.value)


def bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


async def credential(ledger: Ledger, name: str, role: access.Role, account_id: str = "", calls_per_s: int = 0) -> str:
    said = access.Credential(credential_id=name, role=role, account_id=account_id, calls_per_s=calls_per_s)
    stub = access_grpc.AccessServiceStub(ledger.channel)
    token: str = (await stub.CreateCredential(access.CreateCredentialRequest(credential=said))).token
    return token


def _of_no_role() -> access.Credential:
    return access.Credential.FromString(access.Credential(credential_id="x").SerializeToString() + b"\x10\x09")


@asynccontextmanager
async def with_two_accounts(folder: Path) -> AsyncIterator[tuple[Ledger, access_grpc.AccessServiceStub]]:
    async with running(folder) as ledger:
        await ledger.open_pool(100)
        await ledger.api.CreateAccount(api.CreateAccountRequest(account=api.Account(account_id="b")))
        yield ledger, access_grpc.AccessServiceStub(ledger.channel)


async def test_a_token_is_told_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    async with with_two_accounts(tmp_path) as (ledger, stub):
        token = await credential(ledger, "ops", access.ROLE_OPERATOR, "a")
        listed = (await stub.ListCredentials(access.ListCredentialsRequest())).credentials
        assert [(x.credential_id, x.role, x.account_id, x.token_end, x.created_at_unix_ms) for x in listed] == [
            ("ops", access.ROLE_OPERATOR, "a", token[-4:], START_MS)
        ]
        caller = await stub.GetCaller(access.GetCallerRequest(), metadata=bearer(token))
        assert caller.credential == listed[0]
        with ledger.store.reading() as reader:
            row = reader.credential("ops")
        assert row is not None
        assert token.encode() not in row.token_hash
        assert token not in repr(row)


async def test_credentials_that_cannot_be(tmp_path: Path) -> None:
    async with with_two_accounts(tmp_path) as (ledger, stub):
        await credential(ledger, "ops", access.ROLE_OPERATOR)
        table = [
            (access.Credential(role=access.ROLE_READER), "credential.credential_id"),
            (access.Credential(credential_id="x"), "credential.role"),
            (_of_no_role(), "credential.role"),
            (access.Credential(credential_id="x", role=access.ROLE_READER, calls_per_s=-1), "credential.calls_per_s"),
            (
                access.Credential(credential_id="x", role=access.ROLE_ADMINISTRATOR, account_id="a"),
                "credential.account_id",
            ),
            (access.Credential(credential_id="ops", role=access.ROLE_READER), "credential.credential_id"),
        ]
        for said, field in table:
            call = stub.CreateCredential(access.CreateCredentialRequest(credential=said))
            assert (await refused(call))[2] == field
        orphan = access.Credential(credential_id="x", role=access.ROLE_READER, account_id="nobody")
        call = stub.CreateCredential(access.CreateCredentialRequest(credential=orphan))
        assert (await refused(call))[1] == "ACCOUNT_NOT_FOUND"


async def test_a_deleted_credential_is_refused_from_then_on(tmp_path: Path) -> None:
    async with with_two_accounts(tmp_path) as (ledger, stub):
        token = await credential(ledger, "ops", access.ROLE_READER)
        request = api.GetAccountRequest(account_id="a")
        await ledger.api.GetAccount(request, metadata=bearer(token))
        await stub.DeleteCredential(access.DeleteCredentialRequest(credential_id="ops"))
        assert await refused(ledger.api.GetAccount(request, metadata=bearer(token))) == UNAUTHENTICATED
        again = stub.DeleteCredential(access.DeleteCredentialRequest(credential_id="ops"))
        assert (await refused(again))[1] == "CREDENTIAL_NOT_FOUND"


@pytest.mark.parametrize("sent", ["Bearer hf_wrong", "Bearer ", "Basic aGY6", "hf_x"])
async def test_a_wrong_token_is_refused_even_where_none_is_needed(tmp_path: Path, sent: str) -> None:
    async with with_two_accounts(tmp_path) as (ledger, _):
        call = ledger.api.GetAccount(api.GetAccountRequest(account_id="a"), metadata=(("authorization", sent),))
        assert await refused(call) == UNAUTHENTICATED


async def test_where_credentials_are_required_nobody_calls_without_one(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        token = await credential(ledger, "root", access.ROLE_ADMINISTRATOR)
    async with running(tmp_path, require_credentials=True) as ledger:
        request = api.ListAccountsRequest()
        assert await refused(ledger.api.ListAccounts(request)) == UNAUTHENTICATED
        await ledger.api.ListAccounts(request, metadata=bearer(token))
        stub = access_grpc.AccessServiceStub(ledger.channel)
        caller = await stub.GetCaller(access.GetCallerRequest(), metadata=bearer(token))
        assert caller.credentials_required


async def test_roles(tmp_path: Path) -> None:
    async with with_two_accounts(tmp_path) as (ledger, stub):
        tokens = {
            role: bearer(await credential(ledger, access.Role.Name(role), role))
            for role in (access.ROLE_READER, access.ROLE_REPORTER, access.ROLE_OPERATOR, access.ROLE_ADMINISTRATOR)
        }
        reading = api.GetPoolRequest(account_id="a", pool_id="general")
        changing = api.SetPolicyRequest(account_id="a", pool_id="general")
        sharing = governance.SetPlanRequest(plan=governance.Plan(plan_id="p"))
        table = {
            access.ROLE_READER: (True, False, False),
            access.ROLE_REPORTER: (False, False, False),
            access.ROLE_OPERATOR: (True, True, False),
            access.ROLE_ADMINISTRATOR: (True, True, True),
        }
        for role, expected in table.items():
            calls = (
                ledger.api.GetPool(reading, metadata=tokens[role]),
                ledger.api.SetPolicy(changing, metadata=tokens[role]),
                ledger.governance.SetPlan(sharing, metadata=tokens[role]),
            )
            for call, allowed in zip(calls, expected, strict=True):
                if allowed:
                    await call
                else:
                    assert await refused(call) == DENIED
        secrets = stub.ListCredentials(access.ListCredentialsRequest(), metadata=tokens[access.ROLE_OPERATOR])
        assert await refused(secrets) == DENIED


async def test_a_credential_of_one_account_names_no_other(tmp_path: Path) -> None:
    async with with_two_accounts(tmp_path) as (ledger, _):
        mine = bearer(await credential(ledger, "mine", access.ROLE_OPERATOR, "a"))
        await ledger.api.GetAccount(api.GetAccountRequest(account_id="a"), metadata=mine)
        theirs = [
            ledger.api.GetAccount(api.GetAccountRequest(account_id="b"), metadata=mine),
            ledger.api.GetAccount(api.GetAccountRequest(account_id="nobody"), metadata=mine),
            ledger.api.ListAccounts(api.ListAccountsRequest(), metadata=mine),
            ledger.api.ListLeases(api.ListLeasesRequest(), metadata=mine),
            ledger.api.CreateGrant(
                api.CreateGrantRequest(grant=api.Grant(account_id="b", grant_id="g")), metadata=mine
            ),
            ledger.api.ListSidecars(api.ListSidecarsRequest(), metadata=mine),
            ledger.api.GetBalanceTotals(api.GetBalanceTotalsRequest(), metadata=mine),
            ledger.api.GetBalanceTotals(api.GetBalanceTotalsRequest(account_id="b"), metadata=mine),
        ]
        for call in theirs:
            assert await refused(call) == DENIED, "and whether it is there is not told"


async def test_a_credential_that_calls_too_often_is_told_when_it_may_again(tmp_path: Path) -> None:
    async with with_two_accounts(tmp_path) as (ledger, _):
        mine = bearer(await credential(ledger, "busy", access.ROLE_READER, calls_per_s=1))
        request = api.GetAccountRequest(account_id="a")
        await ledger.api.GetAccount(request, metadata=mine)
        calls = [ledger.api.GetAccount(request, metadata=mine) for _ in range(60)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        refusals = [answer for answer in answers if isinstance(answer, grpc.RpcError)]
        assert refusals, "sixty at once do not take a minute"
        assert fault_of(refusals[0])[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
        status = rpc_status.from_call(cast(grpc.Call, refusals[0]))
        retry = RetryInfo()
        assert status is not None
        assert status.details[1].Unpack(retry)
        assert 0 < retry.retry_delay.ToMilliseconds() <= 1_000
        await ledger.api.GetAccount(request)


async def test_every_change_leaves_a_record_and_no_read_does(tmp_path: Path) -> None:
    async with with_two_accounts(tmp_path) as (ledger, stub):
        mine = bearer(await credential(ledger, "ops", access.ROLE_OPERATOR, "a"))
        before = (await stub.ListAuditRecords(access.ListAuditRecordsRequest(account_id="a"))).records[0].audit_id
        ledger.clock.advance(7)
        await ledger.api.SetPolicy(api.SetPolicyRequest(account_id="a", pool_id="general"), metadata=mine)
        missing = ledger.api.SetPolicy(api.SetPolicyRequest(account_id="a", pool_id="p"), metadata=mine)
        assert (await refused(missing))[1] == "POOL_NOT_FOUND"
        await ledger.api.GetPool(api.GetPoolRequest(account_id="a", pool_id="general"), metadata=mine)
        answer = await stub.ListAuditRecords(access.ListAuditRecordsRequest(), metadata=mine)
        told = [x for x in answer.records if x.audit_id > before]
        not_found = grpc.StatusCode.NOT_FOUND.value[0]
        assert [(x.method, x.credential_id, x.account_id, x.status_code, x.status_reason) for x in told] == [
            ("LedgerService/SetPolicy", "ops", "a", not_found, "POOL_NOT_FOUND"),
            ("LedgerService/SetPolicy", "ops", "a", 0, ""),
        ]
        assert told[0].called_at_unix_ms == START_MS + 7
        assert '"poolId": "p"' in told[0].request_json
        assert told[0].peer.startswith("grpc ipv4:127.0.0.1:")


async def test_the_trail_is_read_page_by_page_and_by_account(tmp_path: Path) -> None:
    async with with_two_accounts(tmp_path) as (ledger, stub):
        for number in range(5):
            account = api.Account(account_id=f"c{number}")
            await ledger.api.CreateAccount(api.CreateAccountRequest(account=account))
        found: list[str] = []
        token = ""
        while token or not found:
            request = access.ListAuditRecordsRequest(page_size=2, page_token=token)
            page = await stub.ListAuditRecords(request)
            found += [record.account_id for record in page.records]
            token = page.next_page_token
        assert found[:5] == ["c4", "c3", "c2", "c1", "c0"]
        one = await stub.ListAuditRecords(access.ListAuditRecordsRequest(account_id="c2"))
        assert [record.account_id for record in one.records] == ["c2"]


async def test_the_trail_is_kept_for_its_time(tmp_path: Path) -> None:
    day_ms = 86_400_000
    async with running(tmp_path, audit_retention_ms=day_ms) as ledger:
        await ledger.open_pool()
        ledger.clock.advance(day_ms - 1)
        await ledger.api.CreateAccount(api.CreateAccountRequest(account=api.Account(account_id="late")))
        ledger.clock.advance(1)
        await ledger.server.sweep_once()
        stub = access_grpc.AccessServiceStub(ledger.channel)
        records = (await stub.ListAuditRecords(access.ListAuditRecordsRequest())).records
        assert [record.account_id for record in records] == ["late"]


def test_the_first_credential_is_made_in_the_database_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from holdfast_ledger.bootstrap import main

    file = tmp_path / "l.sqlite"
    assert main(["credential", "--database", str(file), "--id", "root"]) == 0
    token = capsys.readouterr().out.strip()
    assert token.startswith("hf_")
    assert main(["credential", "--database", str(file), "--id", "root"]) == 64
    assert "is taken" in capsys.readouterr().err
    (role,) = sqlite3.connect(file).execute("SELECT role FROM credentials").fetchone()
    assert role == access.ROLE_ADMINISTRATOR
