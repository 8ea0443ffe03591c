"""The stream over a real channel: order, exactness, fencing, rights, faults."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import ledger_service_pb2 as api
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast_ledger.restoring import restored

from tests.ledger.harness import (
    ALLOWANCE_VALIDITY_MS,
    RECALL_MS,
    RECLAIM_AFTER_MS,
    START_MS,
    TERMS,
    VALIDITY_MS,
    Ledger,
    SyncStream,
    debit,
    fault_of,
    instance,
    running,
)

pytestmark = pytest.mark.usefixtures("every_store")

INVALID, PRECONDITION = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION


async def test_debits_arrive_once_and_are_acked(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        stream = ledger.sync()
        welcome = await stream.hello()
        assert (welcome.epoch, welcome.birth_epoch, welcome.acked_sequence) == (1, 1, 0)
        assert (welcome.lease_validity_ms, welcome.window_debit_count) == (VALIDITY_MS, 4_096)
        assert (await stream.want(500)).granted_total == 500
        await stream.debits(debit(1, 10), debit(2, 20))
        await stream.debits(debit(3, 30))
        await stream.acked(3)
        assert await stream.finish() == []
        balance = await ledger.balance()
        assert (balance.posted, balance.leased, balance.free, balance.spent_total) == (940, 440, 500, 60)


async def test_a_half_closed_stream_still_gets_every_answer(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        stream = ledger.sync()
        await stream.hello()
        await stream.debits(*(debit(n) for n in range(1, 2_001)))
        await stream.send(heartbeat=wire.Heartbeat(heartbeat_id=7))
        want = wire.LeaseWant(account_id="a", pool_id="general", want_amount=5)
        await stream.send(lease_request=wire.LeaseRequest(request_id=3, wants=[want]))
        answers = await stream.finish()
        acks = [answer.ack.acked_sequence for answer in answers if answer.HasField("ack")]
        assert acks == sorted(acks)
        assert acks[-1] == 2_000
        assert [a.heartbeat_ack.heartbeat_id for a in answers if a.HasField("heartbeat_ack")] == [7]
        assert [a.lease_update.request_id for a in answers if a.HasField("lease_update")] == [3]


async def test_after_a_cut_the_sidecar_resumes_from_the_mark(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        stream = ledger.sync()
        await stream.hello()
        await stream.debits(debit(1, 10), debit(2, 20))
        await stream.acked(2)
        stream.cancel()
        again = ledger.sync()
        welcome = await again.hello(epoch=1, last_sequence=3)
        assert (welcome.epoch, welcome.acked_sequence, welcome.leases[0].posted_total) == (1, 2, 30)
        await again.debits(debit(1, 10), debit(2, 20), debit(3, 30))
        await again.acked(3)
        assert (await ledger.balance()).spent_total == 60


async def test_what_is_posted_already_is_acked_again(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        for _ in range(2):
            stream = ledger.sync()
            await stream.hello()
            await stream.debits(debit(1, 10), debit(2, 20))
            await stream.acked(2)
            await stream.finish()
        assert (await ledger.balance()).spent_total == 30


async def test_posting_tells_what_expired_on_the_way(tmp_path: Path) -> None:
    async with running(tmp_path, sweep_interval_ms=60_000) as ledger:
        await ledger.open_pool(100)
        await ledger.grant("short", 50, expires_at_unix_ms=START_MS + 1_000)
        stream = ledger.sync()
        await stream.hello()
        await stream.want(10)
        ledger.clock.advance(1_000)
        await stream.debits(debit(1, 5))
        assert (await stream.told()).pool_posted == 95


async def test_a_restart_fences_the_older_epoch(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        old = ledger.sync()
        await old.hello()
        new = ledger.sync()
        assert (await new.hello(epoch=1, instance=instance(2))).epoch == 2
        assert await old.fault() == (PRECONDITION, "FENCED", "")
        zombie = ledger.sync()
        await zombie.send(hello=wire.Hello(sidecar_id="s", epoch=1, instance=instance(3)))
        assert await zombie.fault() == (PRECONDITION, "FENCED", "")
        await new.debits(debit(1, epoch=2))
        await new.acked(1)


async def test_of_two_streams_of_one_epoch_the_younger_wins(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(10_000)
        stream: SyncStream | None = None
        for sequence in range(20):
            younger = ledger.sync()
            assert (await younger.hello(epoch=min(1, sequence), last_sequence=sequence)).acked_sequence == sequence
            if stream is not None:
                assert (await stream.fault())[:2] == (grpc.StatusCode.ABORTED, "REPLACED")
            stream = younger
            await stream.debits(debit(sequence + 1))
            await stream.acked(sequence + 1)
        assert (await ledger.balance()).spent_total == 20


async def test_a_replaced_stream_of_another_replica_cannot_post(tmp_path: Path) -> None:
    """Two replicas over one database: only rows tell the older stream that it is over."""
    async with running(tmp_path) as one, running(tmp_path) as two:
        await one.open_pool(1_000)
        old, new = one.sync(), two.sync()
        await old.hello()
        await new.hello(epoch=1)
        await old.debits(debit(1, 5))
        assert (await old.fault())[:2] == (grpc.StatusCode.ABORTED, "REPLACED")
        await new.debits(debit(1, 5))
        await new.acked(1)
        restarted = two.sync()
        await restarted.hello(epoch=1, instance=instance(2), last_sequence=1)
        assert (await one.balance()).spent_total == 5


async def test_each_heartbeat_moves_the_reclaim(tmp_path: Path) -> None:
    async with running(tmp_path, sweep_interval_ms=10) as ledger:
        await ledger.open_pool(100)
        stream = ledger.sync()
        await stream.hello()
        await stream.want(60)
        for number in range(5):
            ledger.clock.advance(RECLAIM_AFTER_MS - 1)
            assert await stream.heartbeat(number) == wire.HeartbeatAck(
                heartbeat_id=number, lease_validity_ms=VALIDITY_MS, allowance_validity_ms=ALLOWANCE_VALIDITY_MS
            )
            await ledger.server.sweep_once()
            assert (await ledger.balance()).leased == 60
        sidecar = (await ledger.api.ListSidecars(api.ListSidecarsRequest())).sidecars[0]
        assert sidecar.reclaim_at_unix_ms == ledger.clock.now_ms() + RECLAIM_AFTER_MS
        ledger.clock.advance(RECLAIM_AFTER_MS)
        assert (await stream.told()).reclaimed_total == 60
        assert (await ledger.balance()).leased == 0


async def test_rights_asked_for_after_a_reclaim_have_a_time_to_be_reclaimed(tmp_path: Path) -> None:
    """A sidecar whose heartbeats are stuck, and that asks all the same."""
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        stream = ledger.sync()
        await stream.hello()
        for _ in range(2):
            ledger.clock.advance(RECLAIM_AFTER_MS)
            await ledger.server.sweep_once()
            assert (await ledger.balance()).leased == 0
            await stream.want(60)
            assert (await ledger.balance()).leased == 60
            ledger.clock.advance(RECLAIM_AFTER_MS - 1)
            await ledger.server.sweep_once()
            assert (await ledger.balance()).leased == 60


async def test_a_reclaimed_life_learns_it_from_welcome(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        stream = ledger.sync()
        await stream.hello()
        await stream.want(60)
        stream.cancel()
        ledger.clock.advance(RECLAIM_AFTER_MS)
        await ledger.server.sweep_once()
        lease = (await ledger.sync().hello(epoch=1)).leases[0]
        assert (lease.granted_total, lease.reclaimed_total, lease.pool_free) == (60, 60, 100)


async def test_sidecars_are_told_of_grants_policies_and_expiries(tmp_path: Path) -> None:
    async with running(tmp_path, sweep_interval_ms=10) as ledger:
        await ledger.open_pool(100)
        stream, other = ledger.sync(), ledger.sync()
        await stream.hello()
        await other.hello("t")
        await stream.want(60)
        await other.want(0, pool_id="nothing")
        await ledger.grant("more", 50, expires_at_unix_ms=START_MS + 1_000)
        assert (await stream.told()).pool_free == 90
        policy = decision.Policy(enforcement=decision.ENFORCEMENT_OPTIMISTIC, overdraft_limit_bps=1_000)
        request = api.SetPolicyRequest(account_id="a", pool_id="general", policy=policy)
        await ledger.api.SetPolicy(request)
        told = (await stream.told()).policy
        assert (told.enforcement, told.overdraft_limit, told.overdraft_limit_bps) == (2, 15, 0)
        ledger.clock.advance(1_000)
        assert (await stream.told()).pool_free == 40
        assert await other.finish() == [], "who does not lease from the pool is not told"


@pytest.mark.parametrize("enforcement", [decision.ENFORCEMENT_STRICT, decision.ENFORCEMENT_OPTIMISTIC])
async def test_sidecars_of_a_pool_hear_of_each_others_debits(tmp_path: Path, enforcement: decision.Enforcement) -> None:
    async with running(tmp_path, sweep_interval_ms=10) as ledger:
        await ledger.open_pool(100, decision.Policy(enforcement=enforcement))
        spender, other = ledger.sync(), ledger.sync()
        await spender.hello()
        await other.hello("t")
        await other.want(0)
        await spender.debits(debit(1, 103))
        assert (await other.told()).pool_posted == -3


async def test_unknown_names_are_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        stream = ledger.sync()
        await stream.hello()
        assert (await stream.want(1, account_id="b")).status == wire.LEASE_STATUS_UNKNOWN_ACCOUNT
        assert (await stream.want(1, pool_id="p")).status == wire.LEASE_STATUS_UNKNOWN_POOL
        assert (await stream.want(1, pool_id="")).status == wire.LEASE_STATUS_UNKNOWN_POOL


async def test_welcome_tells_the_operation_at_the_mark(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        stream = ledger.sync()
        assert (await stream.hello()).acked_operation_id == ""
        await stream.debits(debit(1), debit(2, operation_id="last"))
        await stream.acked(2)
        welcome = await ledger.sync().hello(epoch=1, last_sequence=2)
        assert (welcome.acked_sequence, welcome.acked_operation_id) == (2, "last")


async def test_a_restored_ledger_takes_the_sidecar_in_and_names_its_mark(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        stream = ledger.sync()
        welcome = await stream.hello(epoch=7, last_sequence=50, acked_sequence=40, birth_epoch=3)
        assert (welcome.epoch, welcome.birth_epoch, welcome.acked_sequence) == (8, 3, 0)
        assert welcome.claims_wanted
        await stream.debits(debit(1, epoch=6), debit(2, epoch=8))
        await stream.acked(2)
        short = ledger.sync()
        await short.hello(epoch=8, last_sequence=50, acked_sequence=40, birth_epoch=3)
        await short.debits(debit(30, epoch=7))
        assert (await short.fault())[:2] == (PRECONDITION, "LEDGER_BEHIND")


async def test_a_restored_ledger_takes_rights_over_until_all_are_told(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        first = ledger.sync()
        assert not (await first.hello()).claims_wanted
        await first.finish()
        restored(ledger.store, ledger.clock.now_ms(), 0, TERMS)
        cut = ledger.sync()
        assert (await cut.hello(epoch=1)).claims_wanted
        await cut.heartbeat(1)
        cut.cancel()
        stream = ledger.sync()
        assert (await stream.hello(epoch=1)).claims_wanted, "they were never told"
        assert (await stream.want(0, granted_total=300)).granted_total == 300
        await stream.heartbeat(1)
        assert (await ledger.balance()).leased == 300
        with pytest.raises(grpc.RpcError) as caught:
            await stream.want(0, granted_total=301)
        assert fault_of(caught.value)[:2] == (PRECONDITION, "RIGHTS_UNKNOWN")
        assert not (await ledger.sync().hello(epoch=1)).claims_wanted


async def test_rights_are_called_back_for_whoever_needs_them(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        rich, needy = ledger.sync(), ledger.sync()
        await rich.hello()
        await needy.hello("t")
        await rich.want(100)
        assert (await needy.want(30)).pending
        asked = await rich.told()
        assert (asked.recall_round, asked.recall_amount) == (1, 30)
        await rich.want(0, returned_total=30, recall_round=1)
        told = await needy.told_until(lambda lease: not lease.pending)
        assert (told.granted_total, told.pool_free) == (30, 0)


async def test_nobody_answers_so_the_time_is_up(tmp_path: Path) -> None:
    async with running(tmp_path, recall_timeout_ms=RECALL_MS) as ledger:
        await ledger.open_pool(100)
        rich, needy = ledger.sync(), ledger.sync()
        await rich.hello()
        await needy.hello("t")
        await rich.want(100)
        assert (await needy.want(30)).pending
        ledger.clock.advance(RECALL_MS)
        told = await needy.told_until(lambda lease: not lease.pending)
        assert (told.granted_total, told.recall_round) == (0, 0)


async def test_a_recall_reaches_the_sidecars_of_another_replica(tmp_path: Path) -> None:
    """Over a store that announces nothing: each replica's sweep finds in rows what is to be told."""
    async with running(tmp_path, sweep_interval_ms=10) as one, running(tmp_path, sweep_interval_ms=10) as two:
        await one.open_pool(100)
        rich, needy = one.sync(), two.sync()
        await rich.hello()
        await needy.hello("t")
        await rich.want(100)
        assert (await needy.want(30)).pending
        assert (await rich.told_until(lambda lease: lease.recall_round == 1)).recall_amount == 30
        await rich.want(0, returned_total=30, recall_round=1)
        assert (await needy.told_until(lambda lease: not lease.pending)).granted_total == 30


async def test_what_waits_asks_anew_on_a_new_stream(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        rich, needy = ledger.sync(), ledger.sync()
        await rich.hello()
        await needy.hello("t")
        await rich.want(100)
        assert (await needy.want(30)).pending
        needy.cancel()
        assert not (await ledger.sync().hello("t", epoch=1)).leases[0].pending


async def test_a_recall_under_way_reaches_who_connects_meanwhile(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        rich, needy = ledger.sync(), ledger.sync()
        await rich.hello()
        await needy.hello("t")
        await rich.want(100)
        rich.cancel()
        assert (await needy.want(30)).pending
        again = ledger.sync()
        await again.hello(epoch=1)
        assert (await again.told_until(lambda lease: lease.recall_round == 1)).recall_amount == 30


async def test_allowances_are_split_among_those_who_lease(tmp_path: Path) -> None:
    policy = decision.Policy(partition_mode=decision.PARTITION_MODE_ALLOWANCE, partition_overdraft_limit=90)
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100, policy)
        first, second = ledger.sync(), ledger.sync()
        assert (await first.hello()).allowance_validity_ms == ALLOWANCE_VALIDITY_MS
        await second.hello("t")
        assert (await first.want(10)).allowance_granted_total == 90
        assert (await second.want(10)).allowance_granted_total == 0
        assert (await first.told_until(lambda lease: lease.allowance_recall_amount > 0)).allowance_recall_amount == 45
        await first.want(0, allowance_returned_total=45)
        assert (await second.told_until(lambda lease: lease.allowance_granted_total > 0)).allowance_granted_total == 45
        balance = await ledger.balance()
        assert (balance.allowance_leased, balance.overdraft_bound, balance.free) == (90, 10, 80)
        leases = (await ledger.api.ListLeases(api.ListLeasesRequest(account_id="a"))).leases
        assert [lease.allowance_outstanding for lease in leases] == [45, 45]


async def test_a_policy_that_is_set_moves_the_allowances(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        stream = ledger.sync()
        await stream.hello()
        await stream.want(10)
        for limit, figures in ((50, (50, 0)), (20, (50, 30))):
            policy = decision.Policy(partition_mode=decision.PARTITION_MODE_ALLOWANCE, partition_overdraft_limit=limit)
            await ledger.api.SetPolicy(api.SetPolicyRequest(account_id="a", pool_id="general", policy=policy))
            told = await stream.told()
            assert (told.allowance_granted_total, told.allowance_recall_amount) == figures
            assert told.policy.partition_overdraft_limit == limit


async def test_sidecars_of_an_optimistic_pool_hear_of_debits_before_the_sweep(tmp_path: Path) -> None:
    async with running(tmp_path, sweep_interval_ms=60_000, snapshot_interval_ms=5) as ledger:
        await ledger.open_pool(100, decision.Policy(enforcement=decision.ENFORCEMENT_OPTIMISTIC))
        spender, other = ledger.sync(), ledger.sync()
        await spender.hello()
        await other.hello("t")
        await other.want(0)
        for sequence, posted in ((1, 60), (2, 20)):
            await spender.debits(debit(sequence, 40))
            assert (await other.told()).pool_posted == posted


GOOD: dict[str, Any] = {"sidecar_id": "s", "instance": instance(1)}


@pytest.mark.parametrize(
    ("hello", "field"),
    [
        ({"sidecar_id": ""}, "hello.sidecar_id"),
        ({"sidecar_id": "x" * 129}, "hello.sidecar_id"),
        ({"sidecar_id": "a\nb"}, "hello.sidecar_id"),
        ({"sidecar_id": "x" * 1024 * 1024}, "hello.sidecar_id"),
        ({"instance": b""}, "hello.instance"),
        ({"instance": b"x" * 17}, "hello.instance"),
        ({"epoch": 2**64 - 1}, "hello.epoch"),
        ({"last_sequence": 2**63}, "hello.last_sequence"),
        ({"max_hold_ttl_ms": -1}, "hello.max_hold_ttl_ms"),
        ({"max_hold_ttl_ms": 2**63 - 1}, "hello.max_hold_ttl_ms"),
        ({"version": "v" * 129}, "hello.version"),
        ({"epoch": 3, "birth_epoch": 4}, "hello.birth_epoch"),
    ],
)
async def test_a_bad_hello_is_refused(tmp_path: Path, hello: dict[str, Any], field: str) -> None:
    async with running(tmp_path) as ledger:
        stream = ledger.sync()
        await stream.send(hello=wire.Hello(**(GOOD | hello)))
        assert await stream.fault() == (INVALID, "BAD_MESSAGE", field)
        assert not (await ledger.api.ListSidecars(api.ListSidecarsRequest())).sidecars


@pytest.mark.parametrize(
    ("message", "reason", "field"),
    [
        ({"hello": wire.Hello(**GOOD)}, "BAD_MESSAGE", "hello"),
        ({}, "BAD_MESSAGE", "message"),
        ({"debits": wire.DebitBatch()}, "BAD_MESSAGE", "debits.debits"),
        ({"debits": wire.DebitBatch(debits=[debit(1, 0)])}, "BAD_MESSAGE", "debits.debits[0].amount"),
        ({"debits": wire.DebitBatch(debits=[debit(1), debit(2, -1)])}, "BAD_MESSAGE", "debits.debits[1].amount"),
        ({"debits": wire.DebitBatch(debits=[debit(1, epoch=2)])}, "BAD_MESSAGE", "debits.debits[0].epoch"),
        ({"debits": wire.DebitBatch(debits=[debit(1, epoch=0)])}, "BAD_MESSAGE", "debits.debits[0].epoch"),
        (
            {"debits": wire.DebitBatch(debits=[debit(1, over_hold_amount=2)])},
            "BAD_MESSAGE",
            "debits.debits[0].over_hold_amount",
        ),
        (
            {"debits": wire.DebitBatch(debits=[debit(1, operation_id="")])},
            "BAD_MESSAGE",
            "debits.debits[0].operation_id",
        ),
        ({"debits": wire.DebitBatch(debits=[debit(1, caller="é" * 33)])}, "BAD_MESSAGE", "debits.debits[0].caller"),
        (
            {"debits": wire.DebitBatch(debits=[debit(1, 5, allowance_amount=-1)])},
            "BAD_MESSAGE",
            "debits.debits[0].allowance_amount",
        ),
        (
            {"debits": wire.DebitBatch(debits=[debit(1, 5, fail_open_amount=-1)])},
            "BAD_MESSAGE",
            "debits.debits[0].fail_open_amount",
        ),
        (
            {"debits": wire.DebitBatch(debits=[debit(1, 5, hold_age_ms=-1)])},
            "BAD_MESSAGE",
            "debits.debits[0].hold_age_ms",
        ),
        (
            {"debits": wire.DebitBatch(debits=[debit(1, 5, allowance_amount=3, fail_open_amount=3)])},
            "BAD_MESSAGE",
            "debits.debits[0].allowance_amount",
        ),
        ({"debits": wire.DebitBatch(debits=[debit(1, subject="x" * 20_000)])}, "BAD_MESSAGE", "debits.debits"),
        ({"debits": wire.DebitBatch(debits=[debit(2)])}, "SEQUENCE_GAP", ""),
        ({"debits": wire.DebitBatch(debits=[debit(1), debit(3)])}, "SEQUENCE_GAP", ""),
        ({"debits": wire.DebitBatch(debits=[debit(1), debit(1)])}, "SEQUENCE_GAP", ""),
        ({"debits": wire.DebitBatch(debits=[debit(0)])}, "BAD_MESSAGE", "debits.debits[0].sequence"),
        (
            {"lease_request": wire.LeaseRequest(wants=[wire.LeaseWant(account_id="a", want_amount=-1)])},
            "BAD_MESSAGE",
            "lease_request.wants[0].want_amount",
        ),
        (
            {"lease_request": wire.LeaseRequest(wants=[wire.LeaseWant(want_amount=1, need_amount=2)])},
            "BAD_MESSAGE",
            "lease_request.wants[0].need_amount",
        ),
        (
            {"lease_request": wire.LeaseRequest(wants=[wire.LeaseWant(held_amount=-1)])},
            "BAD_MESSAGE",
            "lease_request.wants[0].held_amount",
        ),
        (
            {"lease_request": wire.LeaseRequest(wants=[wire.LeaseWant(account_id="x" * 129)])},
            "BAD_MESSAGE",
            "lease_request.wants[0].account_id",
        ),
        (
            {"lease_request": wire.LeaseRequest(wants=[wire.LeaseWant()] * 1_001)},
            "BAD_MESSAGE",
            "lease_request.wants",
        ),
        (
            {
                "lease_request": wire.LeaseRequest(
                    wants=[wire.LeaseWant(account_id="a", pool_id="general", returned_total=1)]
                )
            },
            "BAD_MESSAGE",
            "lease_request.wants[0].returned_total",
        ),
        (
            {
                "lease_request": wire.LeaseRequest(
                    wants=[wire.LeaseWant(account_id="a", pool_id="general", allowance_returned_total=1)]
                )
            },
            "BAD_MESSAGE",
            "lease_request.wants[0].allowance_returned_total",
        ),
        (
            {"lease_request": wire.LeaseRequest(wants=[wire.LeaseWant(allowance_granted_total=-1)])},
            "BAD_MESSAGE",
            "lease_request.wants[0].allowance_granted_total",
        ),
        (
            {
                "lease_request": wire.LeaseRequest(
                    wants=[wire.LeaseWant(account_id="a", pool_id="general", granted_total=1)]
                )
            },
            "RIGHTS_UNKNOWN",
            "",
        ),
    ],
)
async def test_a_bad_message_ends_its_stream_alone(
    tmp_path: Path, message: dict[str, Any], reason: str, field: str
) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        good, bad = ledger.sync(), ledger.sync()
        await good.hello("good")
        await bad.hello("bad")
        await bad.send(**message)
        code = INVALID if reason == "BAD_MESSAGE" else PRECONDITION
        assert await bad.fault() == (code, reason, field)
        await good.debits(debit(1))
        await good.acked(1)
        assert (await ledger.balance()).spent_total == 1


async def test_bytes_that_are_no_message_are_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        call: Any = ledger.channel.stream_stream("/holdfast.v1.LedgerSyncService/Sync")()
        await call.write(b"\xff\xff\xff")
        with pytest.raises(grpc.RpcError) as caught:
            await call.read()
        assert fault_of(caught.value) == (INVALID, "BAD_MESSAGE", "message")


async def test_a_message_above_the_limit_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, max_message_bytes=65_536) as ledger:
        stream = ledger.sync()
        await stream.hello()
        await stream.debits(*(debit(n) for n in range(1, 5_001)))
        with pytest.raises(grpc.RpcError) as caught:
            await stream.read()
        assert isinstance(caught.value, grpc.aio.AioRpcError)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_more_than_the_window_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, window_debit_count=10) as ledger:
        stream = ledger.sync()
        await stream.hello()
        await stream.debits(*(debit(n) for n in range(1, 12)))
        assert (await stream.fault())[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "WINDOW_EXCEEDED")


async def test_a_stopping_ledger_sends_its_sidecars_away(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        stream, silent = ledger.sync(), ledger.sync()
        await stream.hello()
        stopping = asyncio.create_task(ledger.server.stop())
        assert (await stream.fault())[:2] == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        await stopping
        with pytest.raises(grpc.RpcError) as caught:
            await silent.read()
        assert isinstance(caught.value, grpc.aio.AioRpcError)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_many_sidecars_share_transactions_and_lose_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000_000)

        async def spend(ledger: Ledger, name: str) -> None:
            stream = ledger.sync()
            await stream.hello(name)
            await stream.want(1_000)
            for start in range(1, 401, 20):
                await stream.debits(*(debit(n, operation_id=f"{name}-{n}") for n in range(start, start + 20)))
            await stream.acked(400)
            await stream.finish()

        await asyncio.gather(*(spend(ledger, f"s{n}") for n in range(10)))
        assert (await ledger.balance()).spent_total == 4_000
        entries = await ledger.entries(operation_id="s3-77")
        assert [(entry.sidecar_id, entry.sequence, entry.amount) for entry in entries] == [("s3", 77, 1)]
