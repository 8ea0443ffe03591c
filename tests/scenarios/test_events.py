"""Raw events over sidecar and ledger: kept once through kills of either, charged at once, refused with the field."""

import itertools
import random
import sqlite3
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from holdfast.v1 import enforcement_service_pb2, meter_pb2, metering_service_pb2
from holdfast.v1 import usage_service_pb2 as pb
from holdfast.v1.ingest_service_pb2 import EventBatch, RecordedEvent
from holdfast.v1.metering_service_pb2_grpc import MeteringServiceStub
from holdfast.v1.usage_service_pb2_grpc import UsageServiceStub

from tests.scenarios.world import (
    ACCOUNT,
    CALL_TIMEOUT_S,
    CHANNEL_OPTIONS,
    POOL,
    RETRIABLE,
    START_TIMEOUT_S,
    World,
    wait_until,
)

KILLS = 5
PRICE = 3
POINTS = ("before_commit", "after_commit", "after_reply", "after_events_pushed")
AMOUNT = 10**15
on_both = pytest.mark.parametrize("world", ["native", "portable"], indirect=True)


@pytest.fixture
def world(request: pytest.FixtureRequest, make_world: Callable[..., World]) -> World:
    """A host that charges each event of type "call", on the transport that a test says, else on the default one."""
    made = make_world("--transport", getattr(request, "param", "auto"))
    made.begin(AMOUNT)
    meter = meter_pb2.Meter(
        meter_id="calls", event_type="call", aggregation="AGGREGATION_COUNT", pool_id=POOL, price_amount=PRICE
    )
    with grpc.insecure_channel(made.ledger.address, options=CHANNEL_OPTIONS) as channel:
        MeteringServiceStub(channel).SetMeter(metering_service_pb2.SetMeterRequest(meter=meter))
    # Meters come with a heartbeat.
    probes = itertools.count()
    with usage(made) as stub:
        wait_until(
            lambda: (
                stub.ReportEvents(asked(event(f"probe-{next(probes)}"))).accepted_count == 1
                and made.balance().posted < AMOUNT
            ),
            START_TIMEOUT_S,
        )
    return made


@contextmanager
def usage(world: World) -> Iterator[UsageServiceStub]:
    """A stub for the sidecar's usage service."""
    with grpc.insecure_channel(world.sidecar.address, options=CHANNEL_OPTIONS) as channel:
        yield UsageServiceStub(channel)


def event(event_id: str, **changes: Any) -> pb.UsageEvent:
    fields: dict[str, Any] = {"source": "gateway", "type": "call", "account_id": ACCOUNT}
    fields["time_unix_ms"] = time.time_ns() // 1_000_000
    return pb.UsageEvent(id=event_id, **{**fields, **changes})


def asked(*events: pb.UsageEvent) -> pb.ReportEventsRequest:
    return pb.ReportEventsRequest(events=events)


def at_the_ledger(world: World) -> list[RecordedEvent]:
    """Every event that was pushed, in the order of its arrival, those that came twice twice."""
    with closing(sqlite3.connect(f"file:{world.folder}/ledger.db?mode=ro", uri=True)) as database:
        contents = [row[0] for row in database.execute("SELECT content FROM event_batches ORDER BY batch_key")]
    return [one for content in contents for one in EventBatch.FromString(zlib.decompress(content)).events]


class Producers:
    """Threads that report events, each request repeated until it is answered."""

    def __init__(self, world: World, thread_count: int = 4) -> None:
        self.acked: set[str] = set()
        self.errors: list[str] = []
        self._world = world
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(thread_count)]

    def __enter__(self) -> "Producers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, count: int) -> None:
        """Waits until so many more events are acked."""
        wanted = len(self.acked) + count
        wait_until(lambda: len(self.acked) >= wanted or bool(self.errors), START_TIMEOUT_S)

    def _work(self, number: int) -> None:
        with usage(self._world) as stub:
            for round_number in itertools.count():
                if self._stopping.is_set():
                    return
                events = [event(f"{number}-{round_number}-{place}", subject=f"s{place % 2}") for place in range(7)]
                self._report(stub, asked(*events))

    def _report(self, stub: UsageServiceStub, request: pb.ReportEventsRequest) -> None:
        while True:
            try:
                answer = stub.ReportEvents(request, timeout=CALL_TIMEOUT_S, wait_for_ready=True)
            except grpc.RpcError as error:
                if error.code() not in RETRIABLE:
                    self.errors.append(str(error))
                    return
                continue
            if answer.accepted_count + answer.duplicate_count != len(request.events):
                self.errors.append(str(answer))
            self.acked.update(one.id for one in request.events)
            return


def assert_once(world: World, producers: Producers) -> None:
    """Every acked event is at the ledger and was charged by one debit, and the balances say so."""
    assert producers.errors == []

    def arrived() -> bool:
        return producers.acked <= {one.event.id for one in at_the_ledger(world)}

    wait_until(arrived, START_TIMEOUT_S)
    world.wait_until_settled()
    charges = {one.event.id: list(one.charges) for one in at_the_ledger(world)}
    amounts: Counter[str] = Counter()
    for found in charges.values():
        if found:
            [charge] = found
            assert (charge.meter_id, charge.quantity, charge.amount) == ("calls", 1, PRICE)
            amounts[charge.operation_id] += PRICE
    assert all(charges[event_id] for event_id in producers.acked)
    debits = [(name, amount) for name, amount in world.debits() if name.startswith("ev:")]
    assert sorted(debits) == sorted(amounts.items())


@pytest.mark.parametrize("point", POINTS)
def test_a_sidecar_killed_at_a_named_point_loses_no_event(world: World, point: str) -> None:
    world.sidecar.stop()
    with Producers(world) as producers:
        for count in (1, 9):
            world.sidecar.start(crash_at=f"{point}:{count}" if point != POINTS[-1] else point)
            wait_until(lambda: not world.sidecar.alive, START_TIMEOUT_S)
        world.sidecar.start()
        producers.wait_for(200)
    assert_once(world, producers)


def test_a_sidecar_killed_at_random_loses_no_event(world: World) -> None:
    chance = random.Random(3)
    with Producers(world) as producers:
        for _ in range(KILLS):
            producers.wait_for(chance.randrange(1, 400))
            world.sidecar.kill()
            world.sidecar.start()
        producers.wait_for(100)
    assert_once(world, producers)


def test_a_ledger_killed_at_random_loses_no_event(world: World) -> None:
    chance = random.Random(4)
    with Producers(world) as producers:
        for _ in range(KILLS):
            producers.wait_for(chance.randrange(1, 400))
            world.ledger.kill()
            world.ledger.start()
        producers.wait_for(100)
    assert_once(world, producers)


def fill(stub: UsageServiceStub) -> None:
    """Reports some MiB of events."""
    for number in range(200):
        events = [event(f"{number}-{place}", type="other", subject="x" * 200) for place in range(100)]
        stub.ReportEvents(asked(*events), timeout=CALL_TIMEOUT_S)


def test_a_full_outbox_refuses_events_and_nothing_else(make_world: Callable[..., World]) -> None:
    """While the ledger is away: events wait on the disk, not in memory; they leave when it is back."""
    world = make_world("--event-outbox-bytes", "1MiB", "--drain-grace-ms", "100")
    world.begin(AMOUNT)
    with usage(world) as stub, world.stub() as enforcement:
        for number in range(20):
            hold = enforcement_service_pb2.ReserveRequest(operation_id=f"r{number}", account_id=ACCOUNT, amount=1)
            assert enforcement.Reserve(hold, timeout=CALL_TIMEOUT_S).granted_amount == 1
        world.ledger.kill()
        before_bytes = world.sidecar.rss_bytes
        with pytest.raises(grpc.RpcError) as caught:
            fill(stub)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason_of(caught.value) == "EVENTS_FULL"
        assert world.sidecar.rss_bytes - before_bytes < 32 << 20
        for number in range(20):
            settle = enforcement_service_pb2.SettleRequest(
                operation_id=f"s{number}", account_id=ACCOUNT, hold_id=f"r{number}", amount=1
            )
            assert enforcement.Settle(settle, timeout=CALL_TIMEOUT_S).debited_amount == 1
        world.ledger.start()

        def accepts() -> bool:
            try:
                answer = stub.ReportEvents(asked(event("late", type="other")), timeout=CALL_TIMEOUT_S)
            except grpc.RpcError:
                return False
            return bool(answer.accepted_count)

        wait_until(accepts, START_TIMEOUT_S)
    wait_until(lambda: len({one.event.id for one in at_the_ledger(world)}) > 1_000, START_TIMEOUT_S)


@on_both
def test_what_a_producer_may_get_wrong(world: World) -> None:
    """Each event is answered by itself, over either transport; what is wrong with it is named."""
    now_ms = time.time_ns() // 1_000_000
    dear = {str(number): "v" for number in range(100)}
    wrong = [
        (event("a", time_unix_ms=now_ms + 10**9), "time_unix_ms"),
        (event("b", time_unix_ms=1), "time_unix_ms"),
        (event("c", dimensions=dear), "dimensions"),
        (event("d", dimensions={"model": "x" * 100_000}), "dimensions[model]"),
        (event("e", quantities={"tokens": -1}), "quantities[tokens]"),
        (event(""), "id"),
        (event("f", account_id="nobody"), "account_id"),
        (event("g", subject="a//b"), "subject"),
    ]
    good = event("h", dimensions={"sql": "'; DROP TABLE usage; --"}, quantities={"tokens": 2**63 - 1})
    with usage(world) as stub:
        answer = stub.ReportEvents(asked(*[one for one, _ in wrong], good), timeout=CALL_TIMEOUT_S)
        assert answer.accepted_count == 1
        assert [(result.index, result.field) for result in answer.results] == [
            (place, field) for place, (_, field) in enumerate(wrong)
        ]
        assert {result.outcome for result in answer.results} == {pb.EVENT_OUTCOME_REFUSED}
        void = stub.VoidEvents(
            pb.VoidEventsRequest(
                events=[pb.EventName(account_id=ACCOUNT, source="gateway", id="h"), pb.EventName(account_id=ACCOUNT)]
            )
        )
        assert (void.accepted_count, [result.field for result in void.results]) == (1, ["source"])
    wait_until(lambda: any(one.void and one.event.id == "h" for one in at_the_ledger(world)), START_TIMEOUT_S)


@on_both
def test_requests_that_are_none(world: World) -> None:
    """Garbage, nothing at all, too many, too large; and text that is not UTF-8 in one event of two."""
    with grpc.insecure_channel(world.sidecar.address, options=CHANNEL_OPTIONS) as channel:
        call: Any = channel.unary_unary("/holdfast.v1.UsageService/ReportEvents")
        many = asked(*[pb.UsageEvent(id="x")] * 1_001).SerializeToString()
        for payload, code in (
            (b"\xff" * 20, grpc.StatusCode.INVALID_ARGUMENT),
            (b"", grpc.StatusCode.INVALID_ARGUMENT),
            (many, grpc.StatusCode.INVALID_ARGUMENT),
            (bytes(1 << 20), grpc.StatusCode.RESOURCE_EXHAUSTED),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call(payload, timeout=CALL_TIMEOUT_S)
            assert caught.value.code() is code
        good = event("good").SerializeToString()
        bad = pb.UsageEvent(id="bad").SerializeToString() + b"\x12\x02\xc3\x28"
        payload = b"".join(b"\x0a" + bytes([len(one)]) + one for one in (bad, good) if len(one) < 128)
        answer = pb.ReportEventsResponse.FromString(call(payload, timeout=CALL_TIMEOUT_S))
        assert (answer.accepted_count, [(one.index, one.field) for one in answer.results]) == (1, [(0, "source")])


def reason_of(error: grpc.RpcError) -> str:
    """The reason in a status's ErrorInfo."""
    metadata = {entry.key: entry.value for entry in error.trailing_metadata() or ()}
    info = ErrorInfo()
    for detail in Status.FromString(metadata["grpc-status-details-bin"]).details:
        if detail.Unpack(info):
            return str(info.reason)
    return ""
