"""What the audit trail keeps: the outcome with the change itself, no secret, and nothing of another account."""

import asyncio
import re
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor import Descriptor
from holdfast.v1 import access_service_pb2 as access
from holdfast.v1 import access_service_pb2_grpc as access_grpc
from holdfast.v1 import books_service_pb2 as books
from holdfast.v1 import books_service_pb2_grpc as books_grpc
from holdfast.v1 import ledger_service_pb2 as api
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast_ledger.access import outcome, permissions, trail
from holdfast_ledger.access.outcome import close_record, noting, open_record
from holdfast_ledger.access.trail import AuditTrail
from holdfast_ledger.errors import Unavailable
from holdfast_ledger.store.access_rows import AUDIT_UNKNOWN, AuditRecord
from holdfast_ledger.store.interface import StoreError, Writer
from holdfast_ledger.store.sqlite import SqliteStore

from tests.ledger.access.test_permissions import methods
from tests.ledger.harness import Ledger, running

OK = 0


async def records(ledger: Ledger, account_id: str = "") -> list[access.AuditRecord]:
    stub = access_grpc.AccessServiceStub(ledger.channel)
    answer = await stub.ListAuditRecords(access.ListAuditRecordsRequest(account_id=account_id))
    return list(answer.records)


async def _lost(*_: object) -> None:
    """As if the replica had ended before the outcome was written by itself."""


@pytest.mark.usefixtures("every_store")
async def test_a_change_that_was_made_is_told_as_made_though_its_replica_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AuditTrail, "_finish", _lost)
    async with running(tmp_path) as ledger:
        await ledger.open_pool(5)
        with pytest.raises(grpc.RpcError):
            await ledger.api.SetPolicy(api.SetPolicyRequest(account_id="a", pool_id="nowhere"))
        assert [(x.method.partition("/")[2], x.status_code) for x in await records(ledger)] == [
            ("SetPolicy", AUDIT_UNKNOWN),
            ("CreateGrant", OK),
            ("CreatePool", OK),
            ("CreateAccount", OK),
        ]


@pytest.mark.usefixtures("every_store")
async def test_a_change_of_several_transactions_is_told_as_made_after_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as ledger:
        stub = books_grpc.BooksServiceStub(ledger.channel)
        with monkeypatch.context() as patch:
            patch.setattr(AuditTrail, "_finish", _lost)
            await stub.ClosePeriod(books.ClosePeriodRequest(period="2026-01"))
        await stub.ClosePeriod(books.ClosePeriodRequest(period="2026-01"))
        assert [x.status_code for x in await records(ledger)] == [OK, AUDIT_UNKNOWN]


def _record() -> AuditRecord:
    return AuditRecord(1, "", "", "m", "", "{}", AUDIT_UNKNOWN)


async def test_an_outcome_goes_with_its_transaction_and_is_written_once(store: SqliteStore) -> None:
    with store.writing() as writer:
        key = writer.insert_audit_record(_record())
    open_record(key)
    job = noting(lambda _: 7)

    def fails() -> None:
        with store.writing() as writer:
            assert job(writer) == 7
            raise StoreError("the disk is full")

    with pytest.raises(StoreError):
        fails()
    assert _status(store, key) == AUDIT_UNKNOWN
    with store.writing() as writer:
        assert job(writer) == 7
    assert close_record()
    with store.writing() as writer:
        writer.save_audit_outcome(key, 14, Unavailable.reason)
    assert _status(store, key) == OK, "it was made, whatever its caller was told"


def _status(store: SqliteStore, key: int) -> int:
    with store.reading() as reader:
        return next(row.status_code for row in reader.audit_records("", key + 1, 1))


async def test_what_runs_beside_a_call_is_not_the_call() -> None:
    def job(_: Writer) -> None:
        """Changes nothing."""

    async def beside() -> bool:
        return noting(job) is job

    open_record(1)
    assert await asyncio.create_task(beside())
    assert noting(job) is not job
    with pytest.raises(AssertionError, match="several transactions"):
        noting(job)
    assert close_record()
    assert noting(job) is job
    assert outcome._record.get() is None


def test_no_request_that_is_kept_has_a_secret_in_it() -> None:
    """A new field that may hold one fails here, until `told` leaves it out."""
    found = {
        (permissions.name_of(method), path)
        for method in methods()
        if permissions.changes(method)
        for path in _paths(method.input_type, ())
        if re.search("secret|token|password|private|url|uri", path)
    }
    hidden = {("LedgerService/CreateWebhook", path) for path in ("secret", "webhook.url")}
    harmless = {"page_token", "credential.token_end"}
    assert {one for one in found if one[1] not in harmless} == hidden
    told = api.CreateWebhookRequest(
        webhook=api.Webhook(webhook_id="w", url="https://user:hush@example.com:8443/hush?hush=hush"),
        secret="whsec_hush",
    )
    assert "hush" not in trail.told(told)
    assert "https://example.com/" in trail.told(told)
    assert "hush" not in trail.told(api.CreateWebhookRequest(webhook=api.Webhook(url="https://[hush")))


def _paths(message: Descriptor, above: tuple[str, ...]) -> list[str]:
    found = []
    for field in message.fields:
        found.append(".".join((*above, field.name)))
        if field.message_type is not None and len(above) < 4 and not field.message_type.GetOptions().map_entry:
            found += _paths(field.message_type, (*above, field.name))
    return found


async def test_a_request_that_names_several_accounts_is_in_the_trail_of_none(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(5)
        await ledger.sync().hello()
        debits = [
            wire.Debit(sequence=number, epoch=1, account_id=name, pool_id="general", amount=1, operation_id=name)
            for number, name in enumerate(("a", "b"), 1)
        ]
        for said in (debits[:1], debits):
            await ledger.api.ReplayDebits(api.ReplayDebitsRequest(sidecar_id="s", birth_epoch=1, debits=said))
        replays = [x for x in await records(ledger) if x.method == "LedgerService/ReplayDebits"]
        assert [x.account_id for x in replays] == ["", "a"]
        assert all('"b"' not in x.request_json for x in await records(ledger, "a"))
