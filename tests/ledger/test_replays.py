"""The calls about debits that did not simply post, over a real channel: their fields, faults and pages."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from holdfast.v1 import ledger_service_pb2 as api

from tests.ledger.harness import START_MS, Ledger, debit, fault_of, instance, running

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
POSTED, REPLAYED = api.REPLAY_OUTCOME_POSTED, api.REPLAY_OUTCOME_ALREADY_REPLAYED
UNKNOWN_POOL, DUPLICATE = api.REPLAY_OUTCOME_UNKNOWN_POOL, api.REPLAY_OUTCOME_DUPLICATE
GOOD: dict[str, Any] = {"sidecar_id": "s", "birth_epoch": 1, "debits": [debit(7, 30), debit(8, 20)]}


async def replayed(ledger: Ledger, **fields: Any) -> Sequence[api.ReplayResult]:
    answer: api.ReplayDebitsResponse = await ledger.api.ReplayDebits(api.ReplayDebitsRequest(**(GOOD | fields)))
    return answer.results


async def test_a_folder_is_replayed_and_shows_in_the_journal(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        other = ledger.sync()
        await other.hello("t")
        await other.want(5)
        await ledger.sync().hello("s", instance=instance(2))
        assert [x.outcome for x in await replayed(ledger, dry_run=True)] == [POSTED, POSTED]
        assert (await ledger.balance()).spent_total == 0
        first, second = await replayed(ledger)
        assert (first.sidecar_id, first.epoch, first.sequence, first.amount, first.outcome) == ("s", 1, 7, 30, POSTED)
        assert (second.account_id, second.operation_id, second.conflicting) == ("a", "op-8", False)
        assert (await other.told()).pool_posted == 950
        assert [x.outcome for x in await replayed(ledger)] == [REPLAYED, REPLAYED]
        entries = [(entry.sidecar_id, entry.sequence, entry.amount, entry.replayed) for entry in await ledger.entries()]
        assert entries[1:] == [("s", 7, 30, True), ("s", 8, 20, True)]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"sidecar_id": ""}, "sidecar_id"),
        ({"birth_epoch": 2**63}, "birth_epoch"),
        ({"debits": []}, "debits"),
        ({"debits": [debit(1)] * 1_001}, "debits"),
        ({"debits": [debit(1), debit(2, 0)]}, "debits[1].amount"),
        ({"debits": [debit(0)]}, "debits[0].sequence"),
        ({"debits": [debit(1, epoch=0)]}, "debits[0].epoch"),
        ({"debits": [debit(1, operation_id="")]}, "debits[0].operation_id"),
        ({"debits": [debit(1, subject="x" * 20_000)]}, "debits"),
    ],
)
async def test_a_bad_replay_is_refused_whole(tmp_path: Path, fields: dict[str, Any], field: str) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        await ledger.sync().hello()
        with pytest.raises(grpc.RpcError) as caught:
            await replayed(ledger, **fields)
        assert fault_of(caught.value) == (INVALID, "BAD_MESSAGE", field)
        assert (await ledger.balance()).spent_total == 0


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_sidecar_that_never_was_has_nothing_to_replay(tmp_path: Path, dry_run: bool) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        with pytest.raises(grpc.RpcError) as caught:
            await replayed(ledger, dry_run=dry_run)
        assert fault_of(caught.value) == (NOT_FOUND, "SIDECAR_NOT_FOUND", "")


async def test_the_quarantine_is_listed_and_replayed_page_by_page(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        for name in ("s", "t"):
            stream = ledger.sync()
            await stream.hello(name)
            for number, account_id in enumerate(("a", "b", "a"), start=1):
                operation_id = f"{name}{number}"
                await stream.debits(
                    debit(number, number, pool_id="late", account_id=account_id, operation_id=operation_id)
                )
            await stream.acked(3)

        async def listed(account_id: str) -> list[str]:
            found, token = [], ""
            while True:
                page = await ledger.api.ListQuarantinedDebits(
                    api.ListQuarantinedDebitsRequest(account_id=account_id, page_size=1, page_token=token)
                )
                assert all((x.reason, x.quarantined_at_unix_ms) == ("UNKNOWN_POOL", START_MS) for x in page.debits)
                found += [x.sidecar_id + str(x.debit.sequence) for x in page.debits]
                token = page.next_page_token
                if not token:
                    return found

        async def let_out(dry_run: bool) -> list[tuple[str, int]]:
            found, token = [], ""
            while True:
                page = await ledger.api.ReplayQuarantinedDebits(
                    api.ReplayQuarantinedDebitsRequest(account_id="a", page_size=1, page_token=token, dry_run=dry_run)
                )
                found += [(x.operation_id, x.outcome) for x in page.results]
                token = page.next_page_token
                if not token:
                    return found

        assert await listed("") == ["s1", "s2", "s3", "t1", "t2", "t3"]
        assert await listed("b") == ["s2", "t2"]
        assert {x for _, x in await let_out(dry_run=False)} == {UNKNOWN_POOL}
        await ledger.open_pool(pool_id="late")
        expected = [(name, POSTED) for name in ("s1", "s3", "t1", "t3")]
        assert await let_out(dry_run=True) == expected
        assert await listed("a") == ["s1", "s3", "t1", "t3"]
        assert await let_out(dry_run=False) == expected
        assert await listed("") == ["s2", "t2"]
        assert await let_out(dry_run=False) == []
        assert (await ledger.balance("late")).spent_total == 8


async def test_operations_debited_on_two_hosts_are_listed_with_what_differs(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        await ledger.open_pool(pool_id="other")
        for name, third in (("s", 30), ("t", 31)):
            stream = ledger.sync()
            await stream.hello(name)
            pool_id = "other" if name == "t" else "general"
            await stream.debits(debit(1, 10), debit(2, 20, pool_id=pool_id), debit(3, third))
            await stream.acked(3)

        async def listed(**fields: Any) -> list[api.DuplicateDebit]:
            found: list[api.DuplicateDebit] = []
            token = ""
            while True:
                page = await ledger.api.ListDuplicateDebits(
                    api.ListDuplicateDebitsRequest(page_size=1, page_token=token, **fields)
                )
                found += page.duplicates
                token = page.next_page_token
                if not token:
                    return found

        assert sorted((x.operation_id, x.conflicting) for x in await listed()) == [
            ("op-1", False),
            ("op-2", True),
            ("op-3", True),
        ]
        assert {x.operation_id for x in await listed(account_id="a", conflicting_only=True)} == {"op-2", "op-3"}
        (third_one,) = (x for x in await listed() if x.operation_id == "op-3")
        assert third_one.posted == api.DebitReference(sidecar_id="s", epoch=1, sequence=3, pool_id="general", amount=30)
        assert (third_one.duplicate.sidecar_id, third_one.duplicate.amount, third_one.replayed) == ("t", 31, False)
        with pytest.raises(grpc.RpcError) as caught:
            await listed(account_id="nobody")
        assert fault_of(caught.value)[:2] == (NOT_FOUND, "ACCOUNT_NOT_FOUND")
