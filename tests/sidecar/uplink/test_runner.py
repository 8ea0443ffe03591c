"""The uplink over real channels, against a ledger that works, breaks, stalls, lies and comes back."""

import gc
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import grpc
import pytest
from holdfast.v1 import ledger_sync_service_pb2 as pb
from holdfast_sidecar.engine.events import (
    Connected,
    Disconnected,
    Fenced,
    LeaseAsk,
    LeasesRenewed,
    LeasesUpdated,
    LeaseWant,
    RulesAsk,
    RulesUpdated,
)
from holdfast_sidecar.store.interface import StoreFailed
from holdfast_sidecar.uplink.lifecycle import State
from holdfast_sidecar.uplink.limits import UplinkLimits

from tests.sidecar.uplink.host import PATIENCE_S, Host, boottime_ns, make_debit
from tests.sidecar.uplink.ledger import INTERNAL, UNAVAILABLE, Ledger
from tests.sidecar.uplink.proxy import CuttingProxy

ASK = LeaseAsk(1, (LeaseWant("acme", "general", 10, 5, 0, 0, 0),))
RULES_ASK = RulesAsk(1, (("acme", "research"),))
BRISK = UplinkLimits(backoff_max_ms=200)
IMPATIENT = UplinkLimits(connect_timeout_ms=300, welcome_timeout_ms=300, backoff_max_ms=200)
"""For peers that say nothing: one that is only slow is left too, as often as it is."""


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """A ledger, not yet listening."""
    one = Ledger()
    yield one
    one.stop()


def streaming(host: Host) -> None:
    host.until(lambda: host.uplink.statistics().state is State.STREAMING)


def test_every_debit_arrives_once_and_is_acked(ledger: Ledger) -> None:
    with Host(ledger.start()) as host:
        for count in [1, 0, 7, 500, 2_500, 1]:
            host.settle(count)
        host.until(lambda: host.acked() == 3_009)
    assert ledger.posted == list(range(1, 3_010))
    assert ledger.received_count == 3_009
    statistics = host.uplink.statistics()
    assert (statistics.acked_sequence, statistics.sent_sequence, statistics.last_sequence) == (3_009, 3_009, 3_009)
    assert statistics.bytes_sent > ledger.debit_bytes
    assert statistics.ledger_lag_ms == 0


def test_many_small_commits_become_few_messages(ledger: Ledger) -> None:
    with Host(ledger.start()) as host:
        streaming(host)
        for _ in range(5_000):
            host.settle(1)
        host.until(lambda: host.acked() == 5_000)
    assert len(ledger.batch_counts) < 1_000


def test_a_pause_that_ends_between_two_looks_at_the_clock_strands_nothing(ledger: Ledger) -> None:
    ledger.acking = False  # an ack would wake the writer
    rng = Random(3)
    looks = itertools.accumulate(itertools.repeat(boottime_ns()), lambda now_ns, _: now_ns + rng.randrange(4_000_000))
    limits = UplinkLimits(linger_ms=5, batch_debit_count=2)
    with Host(ledger.start(), limits, now_ns=lambda: next(looks)) as host:
        streaming(host)
        for count in range(3, 93, 3):
            host.settle(3)  # a full message leaves at once, what is left of it after a pause
            host.until(lambda count=count: ledger.received_count == count)  # type: ignore[misc]


def test_nothing_is_sent_while_the_epoch_is_not_durable(ledger: Ledger) -> None:
    host = Host(ledger.start())
    host.adopting = False
    with host:
        host.settle(5)
        host.until(lambda: host.seen(Connected) == 1)
        host.settle(5)
        assert host.uplink.statistics().state is State.ADOPTING
        assert host.read_count == 0
        host.adopt()
        host.until(lambda: host.acked() == 10)


def test_a_cut_stream_is_resumed_from_the_ledgers_mark(ledger: Ledger) -> None:
    with Host(ledger.start()) as host:
        for number in range(1, 6):
            host.settle(300)
            host.until(lambda number=number: host.acked() == 300 * number)  # type: ignore[misc]
            ledger.cut()
            host.until(lambda number=number: host.seen(Disconnected) == number)  # type: ignore[misc]
    assert ledger.posted == list(range(1, 1_501))
    assert ledger.received_count == 1_500
    assert host.uplink.statistics().reconnect_count >= 4


def test_a_ledger_that_drops_streams_mid_way_gets_everything(ledger: Ledger) -> None:
    ledger.drop_after = 700
    limits = UplinkLimits(batch_debit_count=100, backoff_max_ms=100)
    with Host(ledger.start(), limits) as host:
        host.settle(3_000)
        host.until(lambda: host.acked() == 3_000)
    assert ledger.posted == list(range(1, 3_001))
    assert ledger.received_count <= 3 * 3_000


def test_a_link_that_breaks_again_and_again_carries_little_twice(ledger: Ledger) -> None:
    """However the breaks fall, what is sent stays below three times what there was to send."""
    chance = Random(5)
    proxy = CuttingProxy(ledger.start(), lambda: chance.randrange(1_000, 40_000))
    limits = UplinkLimits(backoff_max_ms=50)
    with Host(proxy.address, limits) as host:
        host.settle(6_000)
        host.until(lambda: host.acked() == 6_000)
    proxy.close()
    payload_bytes = sum(len(make_debit(sequence)) for sequence in range(1, 6_001))
    assert proxy.cut_count >= 8
    assert ledger.posted == list(range(1, 6_001))
    assert host.uplink.statistics().bytes_sent <= 3 * payload_bytes
    assert proxy.bytes_up <= 3 * payload_bytes


@pytest.fixture
def replicas(ledger: Ledger) -> Iterator[tuple[Ledger, Ledger]]:
    """Two replicas over one set of books, listening."""
    other = Ledger()
    other.share(ledger)
    ledger.start()
    other.start()
    yield ledger, other
    other.stop()


def targets(replicas: tuple[Ledger, Ledger]) -> str:
    return ",".join(f"127.0.0.1:{one.port}" for one in replicas)


def the_serving(host: Host, replicas: tuple[Ledger, Ledger]) -> Ledger:
    """Returns the replica with the stream, once the other knows that it has none."""
    host.until(lambda: [one.stream_count > 0 for one in replicas].count(True) == 1)
    return next(one for one in replicas if one.stream_count)


def test_when_a_replica_is_lost_the_other_goes_on_from_its_mark(replicas: tuple[Ledger, Ledger]) -> None:
    with Host(targets(replicas), BRISK) as host:
        for round_number in range(1, 5):
            host.settle(10)
            host.until(lambda count=round_number: host.acked() == 10 * count)  # type: ignore[misc]
            serving, connected_count = the_serving(host, replicas), host.seen(Connected)
            serving.stop()
            host.until(lambda count=connected_count: host.seen(Connected) > count)  # type: ignore[misc]
            serving.start()
    assert replicas[0].posted == list(range(1, 41))


def test_a_replica_that_takes_connections_and_says_nothing_is_passed_over(ledger: Ledger) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        with Host(f"{address},{address},{address},{ledger.start()}", IMPATIENT) as host:
            host.settle(10)
            host.until(lambda: host.acked() == 10)


@pytest.mark.parametrize(
    ("reason", "code"),
    [("SHUTTING_DOWN", UNAVAILABLE), ("", INTERNAL)],
    ids=["said", "hidden by a write that met the end"],
)
def test_a_replica_that_shuts_down_is_left_for_the_other_without_a_pause(
    replicas: tuple[Ledger, Ledger], reason: str, code: int
) -> None:
    never = UplinkLimits(backoff_min_ms=60_000, backoff_max_ms=60_000, stable_ms=60_000)
    with Host(targets(replicas), never) as host:
        host.settle(10)
        host.until(lambda: host.acked() == 10)
        serving = the_serving(host, replicas)
        serving.refusal, serving.refusal_code = (reason, "this replica is stopping"), code
        serving.cut()
        host.settle(10)
        host.until(lambda: host.acked() == 20)


def test_a_ledger_that_restarts_on_its_port_is_found_again(ledger: Ledger) -> None:
    with Host(ledger.start(), BRISK) as host:
        host.settle(10)
        host.until(lambda: host.acked() == 10)
        ledger.stop()
        host.until(lambda: host.seen(Disconnected) == 1)
        host.settle(10)
        host.until(lambda: host.uplink.statistics().reconnect_count >= 2)
        host.until(lambda: host.uplink.statistics().ledger_lag_ms > 0)
        ledger.start()
        host.until(lambda: host.acked() == 20)
    assert ledger.posted == list(range(1, 21))
    assert [hello.epoch for hello in ledger.hellos] == [0, 1]


def test_a_ledger_that_never_acks_costs_no_memory(ledger: Ledger) -> None:
    ledger.acking = False
    ledger.window_debit_count = 400
    with Host(ledger.start()) as host:
        host.settle(1_000)
        host.until(lambda: ledger.received_count == 400)
        gc.collect()
        tracemalloc.start()
        for _ in range(2_000):
            host.uplink.notify(host.last_sequence, host.epoch, ())
        host.settle(20_000)
        taken = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/holdfast_sidecar/uplink/*")])
        tracemalloc.stop()
        assert host.read_count == 400, "nothing is read that cannot be sent"
        assert sum(trace.size for trace in taken.traces) < 1024 * 1024
        assert host.uplink.statistics().connected
    assert ledger.received_count == 400


def test_a_ledger_that_does_not_read_bounds_what_is_read(ledger: Ledger) -> None:
    limits = UplinkLimits(window_bytes=256 * 1024, batch_bytes=32 * 1024, first_flight_debit_count=1_000_000)
    ledger.window_debit_count = 1_000_000
    with Host(ledger.start(), limits) as host:
        streaming(host)
        ledger.reading.clear()
        host.settle(50_000)
        host.until(lambda: host.read_count > 4_000)
        held_back = host.uplink.statistics()
        assert held_back.bytes_sent <= 256 * 1024 + 64 * 1024
        assert host.read_bytes_max <= 32 * 1024
        ledger.reading.set()
        host.until(lambda: host.acked() == 50_000)
    assert ledger.received_count == 50_000


def test_a_ledger_that_falls_silent_is_left_within_two_heartbeats(ledger: Ledger) -> None:
    ledger.heartbeat_interval_ms = 150
    with Host(ledger.start(), IMPATIENT) as host:
        host.until(lambda: host.seen(LeasesRenewed) >= 2)
        ledger.answering.clear()
        before_count = host.seen(Disconnected)
        host.until(lambda: host.seen(Disconnected) > before_count)
        silent_ms = (boottime_ns() - host.uplink.statistics().last_heard_ns) / 1e6
        assert silent_ms >= 2 * 150
        ledger.answering.set()
        host.settle(3)
        host.until(lambda: host.acked() == 3)


def test_a_peer_that_accepts_and_says_nothing_is_left() -> None:
    deaf = socket.create_server(("127.0.0.1", 0))
    with deaf, Host(f"127.0.0.1:{deaf.getsockname()[1]}", IMPATIENT) as host:
        host.until(lambda: host.uplink.statistics().reconnect_count >= 2)
    assert host.events == []


def test_leases_are_valid_from_when_the_heartbeat_was_made(ledger: Ledger) -> None:
    ledger.heartbeat_interval_ms = 50
    ledger.lease_validity_ms = 7_000
    started_ns = boottime_ns()
    with Host(ledger.start()) as host:
        host.until(lambda: host.seen(LeasesRenewed) >= 3)
    until = [event.lease_valid_until_ns for event in host.events if isinstance(event, Connected | LeasesRenewed)]
    heard = [event.heard_at_ns for event in host.events if isinstance(event, Connected | LeasesRenewed)]
    assert started_ns + 7_000_000_000 < until[0]
    assert until == sorted(until)
    assert all(valid < at + 7_000_000_000 for valid, at in zip(until, heard, strict=True))


def test_lease_asks_are_answered_and_the_ledger_may_speak_first(ledger: Ledger) -> None:
    with Host(ledger.start()) as host:
        streaming(host)
        host.settle(0, [ASK])
        host.until(lambda: host.seen(LeasesUpdated) == 1)
        ledger.say(pb.SyncResponse(lease_update=pb.LeaseUpdate()))
        host.until(lambda: host.seen(LeasesUpdated) == 2)
    assert [ask.request_id for ask in ledger.asks] == [1]
    assert [event.request_id for event in host.events if isinstance(event, LeasesUpdated)] == [1, 0]


def test_an_ask_without_a_stream_is_dropped(ledger: Ledger) -> None:
    target = ledger.start()
    ledger.stop()
    with Host(target, BRISK) as host:
        host.settle(1, [ASK])
        ledger.start()
        host.until(lambda: host.acked() == 1)
    assert ledger.asks == []


def test_an_ask_with_too_many_wants_is_refused_where_it_is_made() -> None:
    host = Host("127.0.0.1:1")
    with pytest.raises(ValueError, match="at most 1000 wants"):
        host.uplink.notify(0, 0, [LeaseAsk(1, ASK.wants * 1_001)])
    with pytest.raises(ValueError, match="at most 1000 paths and 16 rate cards"):
        host.uplink.notify(0, 0, [RulesAsk(1, RULES_ASK.paths * 1_001)])
    with pytest.raises(ValueError, match="at most 1000 paths and 16 rate cards"):
        host.uplink.notify(0, 0, [RulesAsk(1, (), ("models",) * 17)])


def test_rules_asks_are_answered_and_what_is_refused_is_logged(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.rules.nodes.add(account_id="acme", version=3)
    ledger.rules.nodes.add(account_id="acme", subject="stranger", version=3)
    with Host(ledger.start()) as host:
        streaming(host)
        host.settle(0, [RULES_ASK])
        host.until(lambda: host.seen(RulesUpdated) == 1)
    (event,) = [event for event in host.events if isinstance(event, RulesUpdated)]
    assert [(node.subject, node.version) for node in event.nodes] == [("", 3)]
    assert [ask.request_id for ask in ledger.rules_asks] == [1]
    assert "rules of account 'acme', subject 'stranger' are refused: it was not asked for" in caplog.text


@pytest.mark.parametrize("reason", ["FENCED", "LEDGER_BEHIND"])
def test_a_fence_is_final_and_keeps_the_debits(ledger: Ledger, reason: str) -> None:
    with Host(ledger.start(), BRISK) as host:
        host.settle(5)
        host.until(lambda: host.acked() == 5)
        ledger.refusal = (reason, "epoch 2 has taken over")
        ledger.cut()
        host.thread.join(PATIENCE_S)
        assert not host.thread.is_alive()
        host.settle(5)
    assert host.events[-2:] == [Disconnected(), Fenced(reason, "epoch 2 has taken over")]
    assert host.failure is None
    assert host.uplink.statistics().last_sequence - host.uplink.statistics().acked_sequence == 5


def test_a_copy_whose_original_was_ahead_of_it_stops_before_it_takes_its_debits_for_posted(ledger: Ledger) -> None:
    ledger.posted.extend(range(1, 4))
    ledger.acked_operation_id = "the-other-copy's"
    host = Host(ledger.start(), BRISK)
    host.settle(5)
    with host:
        host.thread.join(PATIENCE_S)
    (event,) = host.events
    assert isinstance(event, Fenced)
    assert event.reason == "DIVERGED"
    assert "op-3" in event.message
    assert "the-other-copy's" in event.message
    assert (host.acked(), ledger.received_count) == (0, 0)


def test_debits_whose_acks_were_lost_are_not_taken_for_another_copys(ledger: Ledger) -> None:
    ledger.posted.extend(range(1, 4))
    ledger.acked_operation_id = "op-3"
    host = Host(ledger.start(), BRISK)
    host.settle(5)
    with host:
        host.until(lambda: host.acked() == 5)
    assert ledger.received_count == 2


def test_another_failed_precondition_is_tried_again(ledger: Ledger) -> None:
    ledger.refusal = ("SEQUENCE_GAP", "the next one is 1")
    with Host(ledger.start(), BRISK) as host:
        host.until(lambda: host.uplink.statistics().reconnect_count >= 2)
        ledger.refusal = None
        host.settle(2)
        host.until(lambda: host.acked() == 2)


def test_a_ledger_restored_from_a_backup_is_caught_up(ledger: Ledger) -> None:
    with Host(ledger.start()) as host:
        host.settle(100)
        host.until(lambda: host.acked() == 100)
        with ledger.lock:
            del ledger.posted[60:]
        ledger.cut()
        host.until(lambda: len(ledger.posted) == 100)
    assert ledger.posted == list(range(1, 101))


def test_a_backup_older_than_what_is_kept_stops_it_loudly(ledger: Ledger) -> None:
    with Host(ledger.start()) as host:
        host.settle(100)
        host.until(lambda: host.acked() == 100)
        host.trim(80)
        with ledger.lock:
            del ledger.posted[60:]
        ledger.cut()
        host.until(lambda: host.seen(Fenced) == 1)
    assert isinstance(host.events[-1], Fenced)
    assert host.events[-1].reason == "LEDGER_BEHIND"


def test_a_stop_waits_for_what_the_ledger_has_not_acked(ledger: Ledger) -> None:
    ledger.acking = False
    with Host(ledger.start()) as host:
        host.settle(50, [])
        host.until(lambda: ledger.received_count == 50)
        stopping = threading.Thread(target=host.stop, args=(30_000,))
        stopping.start()
        ledger.say(pb.SyncResponse(ack=pb.DebitAck(acked_sequence=50)))
        stopping.join(PATIENCE_S)
        assert not stopping.is_alive()
    assert host.acked() == 50


def test_a_stop_waits_for_the_answer_to_an_ask(ledger: Ledger) -> None:
    with Host(ledger.start()) as host:
        streaming(host)
        host.settle(3, [ASK])
        host.stop(30_000)
    assert host.acked() == 3
    assert host.seen(LeasesUpdated) == 1


def test_a_stop_without_a_ledger_takes_no_longer_than_it_may() -> None:
    with Host("127.0.0.1:1", IMPATIENT) as host:
        host.settle(5)
        host.stop(50)
    assert host.uplink.statistics().last_sequence == 5
    assert host.failure is None


def test_a_store_that_fails_ends_the_run(ledger: Ledger) -> None:
    host = Host(ledger.start())
    host.broken = True
    host.thread.start()
    host.settle(1)
    host.thread.join(PATIENCE_S)
    with pytest.raises(StoreFailed, match="broken"):
        host.stop(0)


def test_bytes_that_are_no_message_are_left_behind() -> None:
    """A server that is no ledger answers with garbage; the uplink goes on trying, and tells nobody of a connection."""

    def babble(_requests: object, _context: grpc.ServicerContext) -> Iterator[bytes]:
        yield b"\xff\xff\xff"

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(babble)
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("holdfast.v1.LedgerSyncService", {"Sync": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Host(f"127.0.0.1:{port}", IMPATIENT) as host:
        host.until(lambda: host.uplink.statistics().reconnect_count >= 2)
    server.stop(None).wait()
    assert host.events == []


@pytest.mark.parametrize("point", ["after_send", "after_ack_received"])
def test_a_process_dies_at_the_point_named(ledger: Ledger, point: str) -> None:
    program = (
        "import sys; from tests.sidecar.uplink.host import Host\n"
        "with Host(sys.argv[1]) as host:\n"
        "    host.settle(5); host.until(lambda: host.acked() == 5)\n"
    )
    environment = {**os.environ, "HOLDFAST_CRASH_AT": point}
    done = subprocess.run([sys.executable, "-c", program, ledger.start()], env=environment, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    if point == "after_ack_received":
        assert ledger.posted == [1, 2, 3, 4, 5]
