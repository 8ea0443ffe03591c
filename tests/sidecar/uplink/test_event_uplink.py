"""Events on their way to the ledger: over a real gRPC server, whole, again until they are acked, and in order."""

import asyncio
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from holdfast.v1 import decision_pb2
from holdfast.v1 import ingest_service_pb2 as pb
from holdfast.v1 import ingest_service_pb2_grpc as pb_grpc
from holdfast_sidecar.engine.decision_log import KEPT_COUNT, RecentDecisions
from holdfast_sidecar.engine.event_rows import EventRow, EventWrites
from holdfast_sidecar.engine.events import EventsAcked, UplinkEvent
from holdfast_sidecar.engine.operations import Call
from holdfast_sidecar.engine.state import Writes
from holdfast_sidecar.store.interface import StoreError
from holdfast_sidecar.store.memory_store import MemoryDisk, MemoryStore
from holdfast_sidecar.uplink.decision_reports import DecisionReports
from holdfast_sidecar.uplink.event_uplink import EventUplink, EventUplinkLimits

from tests.sidecar.engine.harness import Host, Ledger, charge, extend, report, reserve, settle

TIMEOUT_S = 60.0
LIMITS = EventUplinkLimits(linger_ms=20, backoff_min_ms=5, backoff_max_ms=20, decisions_interval_ms=20)


class Ingest(pb_grpc.IngestServiceServicer):
    """A ledger that keeps what is pushed, or refuses it where told to."""

    def __init__(self) -> None:
        self.pushed: list[pb.PushEventsRequest] = []
        self.told: list[pb.PushDecisionsRequest] = []
        self.refusals: list[status_pb2.Status] = []
        """Answers to the next pushes; the last one stays."""
        self.losing = 0
        """Pushes whose answer is lost, after they were taken."""
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        pb_grpc.add_IngestServiceServicer_to_server(self, self._server)
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def PushEvents(self, request: pb.PushEventsRequest, context: grpc.ServicerContext) -> pb.PushEventsResponse:
        """Takes a batch."""
        if self.refusals:
            refusal = self.refusals.pop(0)
            context.abort_with_status(rpc_status.to_status(refusal))
        self.pushed.append(request)
        if self.losing:
            self.losing -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "lost")
        return pb.PushEventsResponse(acked_sequence=request.first_sequence + request.event_count - 1)

    def PushDecisions(
        self, request: pb.PushDecisionsRequest, context: grpc.ServicerContext
    ) -> pb.PushDecisionsResponse:
        """Hears decisions."""
        self.told.append(request)
        return pb.PushDecisionsResponse()

    def stop(self) -> None:
        """Goes away."""
        self._server.stop(0).wait()


class Sender:
    """An uplink over a store in memory, on an asyncio loop of its own."""

    def __init__(self, *targets: str, limits: EventUplinkLimits = LIMITS, birth_epoch: int = 3) -> None:
        self.store = MemoryStore(MemoryDisk(), sidecar_id="host-1", boot_id="boot-1", now_ns=1)
        self.store.load()
        self.told: list[UplinkEvent] = []
        self._last_sequence = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.recent = RecentDecisions()
        self.host = Host(Ledger())
        self.uplink = self._on_loop(
            lambda: EventUplink(
                targets,
                "host-1",
                0,
                self.store.read_events,
                self.told.append,
                time.monotonic_ns,
                lambda: 5_000,
                Random(1),
                DecisionReports(self.recent, self.host.engine.statistics),
                limits,
            )
        )
        if birth_epoch:
            self.uplink.welcomed(birth_epoch)

    def _on_loop(self, make: Callable[[], EventUplink]) -> EventUplink:
        async def made() -> EventUplink:
            return make()

        return asyncio.run_coroutine_threadsafe(made(), self._loop).result()

    def put(self, *counts: int, size: int = 10) -> None:
        """Takes rows of so many events in."""
        rows = []
        for count in counts:
            payload = pb.EventBatch(events=[pb.RecordedEvent(accepted_at_unix_ms=2**40)] * count).SerializeToString()
            payload += b"\x12" + bytes([size]) + bytes(size) if size != 10 else b""
            rows.append(EventRow(self._last_sequence + 1, count, 4_000, payload))
            self._last_sequence += count
        self.store.commit(Writes(events=EventWrites(rows=rows)))

    def start(self) -> asyncio.Task[None]:
        async def started() -> asyncio.Task[None]:
            return self.uplink.start()

        return asyncio.run_coroutine_threadsafe(started(), self._loop).result()

    def stop(self, drain_ms: int = 30_000) -> None:
        asyncio.run_coroutine_threadsafe(self.uplink.stop(drain_ms), self._loop).result(TIMEOUT_S)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def acked(self) -> list[int]:
        return [event.acked_sequence for event in list(self.told) if isinstance(event, EventsAcked)]

    def await_acked(self, sequence: int) -> None:
        wait_until(lambda: bool(self.acked) and self.acked[-1] == sequence)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come to pass"
        time.sleep(0.005)


@pytest.fixture
def ledger() -> Iterator[Ingest]:
    made = Ingest()
    yield made
    made.stop()


@pytest.fixture
def sender(ledger: Ingest) -> Iterator[Sender]:
    made = Sender(ledger.target)
    yield made
    made.end()


def spans(requests: list[pb.PushEventsRequest]) -> list[tuple[int, int]]:
    return [(request.first_sequence, request.event_count) for request in requests]


def test_batches_say_whose_they_are_and_hold_what_is_stored(sender: Sender, ledger: Ingest) -> None:
    sender.put(3, 2)
    sender.start()
    sender.await_acked(5)
    sender.put(1)
    sender.await_acked(6)
    sender.stop()
    assert spans(ledger.pushed) == [(1, 5), (6, 1)]
    assert {(request.sidecar_id, request.birth_epoch, request.origin) for request in ledger.pushed} == {
        ("host-1", 3, "")
    }
    batch = pb.EventBatch.FromString(zlib.decompress(ledger.pushed[0].batch))
    assert len(batch.events) == 5


def test_nothing_leaves_before_the_ledger_knows_the_folder(ledger: Ingest) -> None:
    sender = Sender(ledger.target, birth_epoch=0)
    sender.put(3)
    sender.start()
    time.sleep(0.1)
    assert ledger.pushed == []
    sender.uplink.welcomed(7)
    sender.await_acked(3)
    assert ledger.pushed[0].birth_epoch == 7
    sender.stop()
    sender.end()


def test_batches_have_no_more_than_the_limits(ledger: Ingest) -> None:
    """Of events and of bytes; a full one is followed by the next at once."""
    limits = EventUplinkLimits(batch_event_count=10, batch_bytes=400, linger_ms=60_000)
    sender = Sender(ledger.target, limits=limits)
    sender.put(6, 4, 6, 6)
    sender.start()
    sender.await_acked(22)
    assert spans(ledger.pushed) == [(1, 10), (11, 6), (17, 6)]
    sender.stop()
    sender.end()


def test_a_batch_is_repeated_as_it_was_until_it_is_acked(sender: Sender, ledger: Ingest) -> None:
    """With the same content, by which the ledger knows it; nothing later overtakes it."""
    ledger.losing = 2
    sender.put(3)
    sender.start()
    sender.await_acked(3)
    sender.put(4)
    sender.await_acked(7)
    sender.stop()
    assert spans(ledger.pushed) == [(1, 3)] * 3 + [(4, 4)]
    assert len({request.batch for request in ledger.pushed[:3]}) == 1
    statistics = sender.uplink.statistics()
    assert (statistics.pushed_batch_count, statistics.pushed_event_count, statistics.failed_push_count) == (2, 7, 2)


def test_a_ledger_that_is_behind_says_how_long_to_wait(sender: Sender, ledger: Ingest) -> None:
    detail = AnyMessage()
    detail.Pack(error_details_pb2.RetryInfo(retry_delay=Duration(nanos=300_000_000)))
    ledger.refusals = [status_pb2.Status(code=8, message="behind", details=[detail])]
    sender.put(3)
    begun_s = time.monotonic()
    sender.start()
    sender.await_acked(3)
    assert time.monotonic() - begun_s >= 0.3
    sender.stop()


def test_another_replica_is_tried_when_one_is_gone(ledger: Ingest) -> None:
    gone = Ingest()
    gone.stop()
    sender = Sender(gone.target, ledger.target)
    for count in (1, 2, 3):
        sender.put(count)
    sender.start()
    sender.await_acked(6)
    sender.stop()
    sender.end()


def test_a_poisonous_answer_drops_nothing(sender: Sender, ledger: Ingest) -> None:
    """What the ledger calls invalid is kept and tried again: to drop it would be to lose usage."""
    ledger.refusals = [status_pb2.Status(code=3, message="bad")] * 3
    sender.put(3)
    sender.start()
    sender.await_acked(3)
    sender.stop()
    assert spans(ledger.pushed) == [(1, 3)]


def test_what_waits_is_told(sender: Sender, ledger: Ingest) -> None:
    ledger.refusals = [status_pb2.Status(code=14, message="away")] * 10_000
    sender.put(3)
    sender.start()
    wait_until(lambda: sender.uplink.statistics().failed_push_count > 2)
    assert sender.uplink.statistics().waiting_ms == 1_000
    ledger.refusals.clear()
    sender.await_acked(3)
    wait_until(lambda: sender.uplink.statistics().waiting_ms == 0)
    sender.stop()


def test_a_stop_sends_what_is_left(ledger: Ingest) -> None:
    sender = Sender(ledger.target, limits=EventUplinkLimits(linger_ms=60_000))
    sender.put(1)
    sender.start()
    sender.await_acked(1)
    sender.put(2)
    sender.stop()
    assert sender.acked == [1, 3]
    sender.end()


def test_a_stop_does_not_wait_for_a_ledger_that_is_away() -> None:
    gone = Ingest()
    gone.stop()
    sender = Sender(gone.target)
    sender.put(1)
    sender.start()
    wait_until(lambda: sender.uplink.statistics().failed_push_count > 0)
    begun_s = time.monotonic()
    sender.stop(2_000)
    assert time.monotonic() - begun_s < 10
    assert sender.store.read_events(0, 10, 1 << 20) != []
    sender.end()


def test_a_store_that_fails_ends_it(sender: Sender) -> None:
    """With its error, so that the process can end; a stop then has nothing to wait for."""
    sender.store.close()
    task = sender.start()
    wait_until(task.done)
    assert isinstance(task.exception(), StoreError)
    sender.stop()


# ── decisions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def decide(host: Host) -> None:
    """One of each kind, and a denial."""
    host.one(reserve("r1", 60, subject="team/ann"))
    host.one(extend("e1", "r1", add_amount=10))
    host.one(charge("c1", 5))
    host.one(report("u1", delta=2))
    host.one(reserve("r2", 1_000_000))
    host.one(settle("s1", "r1", 1))


def host_with(amount: int) -> Host:
    ledger = Ledger()
    ledger.create(("acme", "general"), amount)
    return Host(ledger)


def test_decisions_are_told_denials_first() -> None:
    host = host_with(100)
    decide(host)
    request = DecisionReports(host.recent, host.engine.statistics).next("host-1")
    assert request is not None
    told = [
        (one.kind, one.operation_id, one.amount, one.granted_amount, decision_pb2.Reason.Name(one.reason))
        for one in request.decisions
    ]
    assert told == [
        ("reserve", "r2", 1_000_000, 0, "REASON_INSUFFICIENT_BALANCE"),
        ("reserve", "r1", 60, 60, "REASON_OK"),
        ("extend", "e1", 10, 10, "REASON_OK"),
        ("charge", "c1", 5, 5, "REASON_OK"),
        ("charge", "u1", 2, 2, "REASON_OK"),
    ]
    assert request.decisions[0].denied_level == "pool/general"
    assert (request.decisions[1].subject, request.decisions[1].pool_id) == ("team/ann", "general")
    assert {one.decided_at_unix_ms for one in request.decisions} == {host.now_unix_ms()}
    counts = {decision_pb2.Reason.Name(one.reason): one.count for one in request.counts}
    assert counts == {"REASON_OK": 4, "REASON_INSUFFICIENT_BALANCE": 1}
    assert request.omitted_count == 0


def test_decisions_are_told_once_and_only_when_there_are_any() -> None:
    host = host_with(100)
    reports = DecisionReports(host.recent, host.engine.statistics)
    assert reports.next("host-1") is None
    decide(host)
    assert reports.next("host-1") is not None
    assert reports.next("host-1") is None


def test_more_than_anybody_reads_is_counted_and_left_out() -> None:
    """The latest are told; those left out are not told later."""
    host = host_with(10**9)
    for number in range(KEPT_COUNT + 50):
        host.one(charge(f"c{number}", 1))
    host.one(charge("denied", 10**12))
    reports = DecisionReports(host.recent, host.engine.statistics)
    request = reports.next("host-1")
    assert request is not None
    assert (len(request.decisions), request.omitted_count) == (KEPT_COUNT, 51)
    assert [one.operation_id for one in request.decisions[:2]] == ["denied", "c50"]
    assert reports.next("host-1") is None


def test_linked_operations_are_told_once_they_stand() -> None:
    """Of those that failed together nothing came to pass."""
    host = host_with(100)
    host.apply([Call(1, [charge("c1", 1), charge("c2", 2)], linked=True)])
    host.apply([Call(2, [charge("c3", 1), charge("c4", 1_000)], linked=True)])
    request = DecisionReports(host.recent, host.engine.statistics).next("host-1")
    assert request is not None
    assert [one.operation_id for one in request.decisions] == ["c1", "c2"]


def test_the_ledger_hears_of_decisions(sender: Sender, ledger: Ingest) -> None:
    """Best effort, beside the events, also when there are none."""
    sender.recent.note(9, charge("c1", 5), b"", False)
    sender.start()
    wait_until(lambda: bool(ledger.told))
    assert [one.operation_id for one in ledger.told[0].decisions] == ["c1"]
    assert ledger.told[0].sidecar_id == "host-1"
    sender.stop()
