"""Two replicas over one PostgreSQL: streams go over, both post to one pool, one dies, what changes is told of."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import ledger_service_pb2 as api
from holdfast.v1 import ledger_sync_service_pb2_grpc as wire_grpc
from holdfast_bench.postgres import Server
from holdfast_ledger.store.postgres import PostgresStore

from tests.ledger.governance.setting import Rules, budget
from tests.ledger.harness import Clock, Ledger, SyncStream, assert_audited, debit, instance, running
from tests.ledger.test_crash import DEBIT_COUNT, Process, prepare, spend

SLOW_SWEEP_MS = 60_000
"""No sweep within a test: what arrives was announced."""


@asynccontextmanager
async def two_replicas(folder: Path, url: str, sweep_interval_ms: int = SLOW_SWEEP_MS) -> AsyncIterator[list[Ledger]]:
    """Runs two replicas with one clock."""
    clock = Clock()
    async with (
        running(folder, clock=clock, database=url, sweep_interval_ms=sweep_interval_ms) as one,
        running(folder, clock=clock, database=url, sweep_interval_ms=sweep_interval_ms) as two,
    ):
        yield [one, two]


async def test_the_younger_stream_wins_whichever_replica_has_it(tmp_path: Path, postgres_url: str) -> None:
    async with two_replicas(tmp_path, postgres_url) as (one, two):
        await one.open_pool(100)
        older = one.sync()
        welcome = await older.hello()
        await older.debits(debit(1, 5))
        await older.acked(1)
        younger = two.sync()
        again = await younger.hello(epoch=welcome.epoch)
        assert (again.epoch, again.acked_sequence) == (welcome.epoch, 1)
        await older.debits(debit(2, 5))
        assert (await older.fault())[1] == "REPLACED"
        await younger.debits(debit(2, 7))
        await younger.acked(2)
        assert (await one.balance()).spent_total == 12


async def test_a_newer_life_fences_a_stream_of_the_other_replica(tmp_path: Path, postgres_url: str) -> None:
    async with two_replicas(tmp_path, postgres_url) as (one, two):
        await one.open_pool(100)
        older = one.sync()
        welcome = await older.hello()
        await two.sync().hello(epoch=welcome.epoch, instance=instance(2))
        await older.send(heartbeat={"heartbeat_id": 1})
        assert (await older.fault())[1] == "FENCED"


async def test_a_change_of_rules_is_heard_of_at_every_replica(tmp_path: Path, postgres_url: str) -> None:
    async with two_replicas(tmp_path, postgres_url) as (one, two):
        await one.open_pool(100)
        streams = [one.sync(), two.sync()]
        for number, stream in enumerate(streams):
            await stream.hello(f"s{number}", instance=instance(number))
            assert (await stream.want(5)).rules_version == 0
        version = await Rules(one).subjects("x")
        for stream in streams:
            await stream.told_until(lambda lease: lease.rules_version == version)
            assert [node.version for node in (await stream.rules(("a", "x"))).nodes] == [version, version]


async def test_two_replicas_change_the_rules_of_one_account_in_turn(tmp_path: Path, postgres_url: str) -> None:
    async with two_replicas(tmp_path, postgres_url) as (one, two):
        await one.open_pool()
        both = [Rules(one), Rules(two)]
        versions = await asyncio.gather(*(both[n % 2].subjects(f"s{n}") for n in range(20)))
        assert sorted(versions) == list(range(1, 21))
        calls = [both[n % 2].budgets(budget(f"b{n}", subject="s0")) for n in range(2)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert sorted(type(outcome) is int for outcome in outcomes) == [False, True], "they count the same"


async def test_both_post_to_one_pool_and_the_books_are_whole(tmp_path: Path, postgres_url: str) -> None:
    async with two_replicas(tmp_path, postgres_url, sweep_interval_ms=10) as (one, two):
        await one.open_pool(10_000)

        async def spend_at(ledger: Ledger, number: int) -> None:
            stream = ledger.sync()
            await stream.hello(f"s{number}", instance=instance(number))
            sequence = 0
            for _ in range(15):
                await stream.want(40, consumed_total=sequence)
                run = [debit(sequence + n, 1, operation_id=f"{number}-{sequence + n}") for n in range(1, 9)]
                sequence += len(run)
                await stream.debits(*run)
                await stream.acked(sequence)

        await asyncio.gather(*(spend_at(ledger, n) for n, ledger in enumerate([one, two] * 4)))
        assert (await one.balance()).spent_total == 8 * 15 * 8
        assert (await two.balance()).spent_total == 8 * 15 * 8


async def test_one_operation_on_both_replicas_is_debited_once(tmp_path: Path, postgres_url: str) -> None:
    async with two_replicas(tmp_path, postgres_url) as (one, two):
        await one.open_pool(1_000)
        streams = [one.sync(), two.sync()]
        for number, stream in enumerate(streams):
            await stream.hello(f"s{number}", instance=instance(number))
        for stream in streams:
            await stream.debits(*(debit(n, 1, operation_id=f"same-{n}") for n in range(1, 201)))
        for stream in streams:
            await stream.acked(200)
        assert (await one.balance()).spent_total == 200


async def test_a_change_at_one_replica_is_told_by_the_other(tmp_path: Path, postgres_url: str) -> None:
    async with two_replicas(tmp_path, postgres_url) as (one, two):
        await one.open_pool(100)
        stream = two.sync()
        await stream.hello()
        await stream.want(10)
        await one.api.SetPolicy(
            api.SetPolicyRequest(
                account_id="a",
                pool_id="general",
                policy=decision.Policy(enforcement=decision.ENFORCEMENT_OPTIMISTIC, overdraft_limit=7),
            )
        )
        lease = await stream.told_until(lambda lease: lease.policy.overdraft_limit == 7)
        assert lease.policy.enforcement == decision.ENFORCEMENT_OPTIMISTIC


async def test_what_one_replicas_sidecar_spends_reaches_those_of_the_other(tmp_path: Path, postgres_url: str) -> None:
    async with two_replicas(tmp_path, postgres_url) as (one, two):
        await one.open_pool(100, decision.Policy(enforcement=decision.ENFORCEMENT_OPTIMISTIC))
        here, there = one.sync(), two.sync()
        await here.hello("s")
        await there.hello("t", instance=instance(2))
        await there.want(0)
        await here.debits(debit(1, 60))
        await here.acked(1)
        told = await there.told_until(lambda lease: lease.pool_posted == 40)
        assert told.pool_posted == 40


async def test_both_sweep_and_each_grant_expires_once(tmp_path: Path, postgres_url: str) -> None:
    async with two_replicas(tmp_path, postgres_url) as (one, two):
        await one.open_pool()
        for number in range(50):
            await one.grant(f"g{number}", 2, expires_at_unix_ms=one.clock.now_ms() + 5)
        one.clock.advance(10)
        await asyncio.gather(one.server.sweep_once(), two.server.sweep_once())
        assert (await one.balance()).expired_total == 100
        assert sum(entry.type == api.ENTRY_TYPE_EXPIRY for entry in await one.entries()) == 50


def assert_all_posted(url: str) -> None:
    """Every debit of `spend` is there once."""
    store = PostgresStore(url)
    assert_audited(store)
    with store.reading() as reader:
        pool = reader.pool("a", "general")
    store.close()
    assert pool is not None
    assert pool.spent_total == sum(range(1, DEBIT_COUNT + 1))


@pytest.mark.parametrize("point", ["before_commit", "after_commit"])
def test_a_replica_killed_in_a_transaction_keeps_nobody_from_its_rows(postgres_url: str, point: str) -> None:
    dying, other = Process(postgres_url, f"{point}:3"), Process(postgres_url)
    asyncio.run(prepare(other.address))
    epoch, acked, done = asyncio.run(spend(dying.address, 0, 0))
    assert not done
    assert dying.wait() == -signal.SIGKILL
    assert asyncio.run(spend(other.address, epoch, acked))[1:] == (DEBIT_COUNT, True)
    assert other.kill(signal.SIGTERM) == 0
    assert_all_posted(postgres_url)


async def spend_through_faults(address: str, acked: list[int]) -> None:
    """Sends debits until all are acked, coming back after each fault; `acked` tells how far it is."""
    epoch = 0
    while acked[-1] < DEBIT_COUNT:
        epoch, mark, _ = await spend(address, epoch, acked[-1])
        acked.append(mark)
        await asyncio.sleep(0.02)


def test_postgresql_stopped_at_once_loses_nothing_that_was_acked() -> None:
    """With a server of its own, which waits for the disk: its stop is a crash to the database."""
    server = Server(shared_buffers="32MB")
    try:
        url = server.create()
        ledger = Process(url)
        asyncio.run(prepare(ledger.address))
        acked = [0]

        async def run() -> None:
            spending = asyncio.create_task(spend_through_faults(ledger.address, acked))
            for _ in range(2):
                await asyncio.sleep(0.05)
                await asyncio.to_thread(server.stop)
                await asyncio.to_thread(server.start)
            await asyncio.wait_for(spending, 120)

        asyncio.run(run())
        assert ledger.kill(signal.SIGTERM) == 0
        assert_all_posted(url)
    finally:
        server.close()


async def test_a_stream_goes_on_where_the_other_replica_stopped(tmp_path: Path, postgres_url: str) -> None:
    clock = Clock()
    async with running(tmp_path, clock=clock, database=postgres_url) as two:
        async with running(tmp_path, clock=clock, database=postgres_url) as one:
            await one.open_pool(100)
            stream = one.sync()
            welcome = await stream.hello()
            await stream.want(50)
            await stream.debits(debit(1, 5))
            await stream.acked(1)
        again = SyncStream(wire_grpc.LedgerSyncServiceStub(two.channel))
        welcome = await again.hello(epoch=welcome.epoch, acked_sequence=1)
        assert welcome.acked_sequence == 1
        assert [lease.granted_total for lease in welcome.leases] == [50]
        await again.debits(debit(2, 5))
        await again.acked(2)


async def test_corrections_and_voids_at_both_replicas_give_back_once(tmp_path: Path, postgres_url: str) -> None:
    async with two_replicas(tmp_path, postgres_url) as (one, two):
        await one.open_pool(1_000)
        stream = one.sync()
        await stream.hello()
        await stream.debits(*(debit(n, 10) for n in range(1, 21)))
        await stream.acked(20)
        names: dict[str, Any] = {"account_id": "a", "pool_id": "general"}
        asked = [
            api.CorrectDebitRequest(operation_id=f"op-{n}", correction_id=f"c-{n}", amount=7, **names)
            for n in range(1, 21)
        ]
        await asyncio.gather(*(ledger.api.CorrectDebit(request) for request in asked for ledger in (one, two)))
        balance = await two.balance()
        assert (balance.corrected_total, balance.spent_total) == (140, 60)
        void = api.VoidGrantRequest(grant_id="g", **names)
        await asyncio.gather(one.api.VoidGrant(void), two.api.VoidGrant(void))
        assert (await one.balance()).voided_total == 940
