"""The loop over a real transport and the in-memory store: order of commit and answer, failure, the last round."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast.v1 import usage_service_pb2 as usage_pb
from holdfast.v1.enforcement_service_pb2_grpc import EnforcementServiceStub
from holdfast.v1.ledger_sync_service_pb2 import Debit
from holdfast.v1.usage_service_pb2_grpc import UsageServiceStub
from holdfast_sidecar.dispatcher.callers import caller_names
from holdfast_sidecar.dispatcher.decode import Decoder
from holdfast_sidecar.dispatcher.dispatcher import EVENT_QUEUE_BYTES, EVENT_ROUND_BYTES, METHODS, Dispatcher
from holdfast_sidecar.dispatcher.encode import Encoder
from holdfast_sidecar.dispatcher.gate import Gate
from holdfast_sidecar.dispatcher.usage import UsageCalls
from holdfast_sidecar.engine.engine import Engine
from holdfast_sidecar.engine.events import (
    Connected,
    LeaseAsk,
    LeaseState,
    LeaseStatus,
    LeasesUpdated,
    RulesAsk,
    RulesUpdated,
)
from holdfast_sidecar.engine.rules import AccountTerms, SubjectRules
from holdfast_sidecar.engine.settings import EngineSettings
from holdfast_sidecar.inbox import Inbox
from holdfast_sidecar.loop import DecisionLoop, boottime_ns, unix_ms
from holdfast_sidecar.store.interface import StoreFailed
from holdfast_sidecar.store.memory_store import MemoryDisk, MemoryStore
from holdfast_sidecar.transport.factory import open_transport
from holdfast_sidecar.transport.interface import Item, TransportConfig

HOUR_NS = 3_600 * 10**9
PATIENCE_S = 60
LEASE = LeaseState(
    "acme", "general", LeaseStatus.ACTIVE, "credits", granted_total=1_000, pool_posted=1_000, pool_free=0
)


class Notices:
    """Stands where the uplink's runner stands, and keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []
        self.asks: list[LeaseAsk | RulesAsk] = []
        self.asked = threading.Event()
        """Rules were asked for."""

    def notify(self, last_sequence: int, epoch: int, asks: Sequence[LeaseAsk | RulesAsk]) -> None:
        self.told.append((last_sequence, epoch))
        self.asks += asks
        if any(isinstance(ask, RulesAsk) for ask in asks):
            self.asked.set()


class Rig:
    """A loop on a thread of its own, with rights to 1,000 minor units."""

    def __init__(self) -> None:
        self.disk = MemoryDisk()
        self.store = MemoryStore(self.disk, sidecar_id="host-1", boot_id="boot-1", now_ns=boottime_ns())
        engine = Engine(EngineSettings(), self.store.load(), Encoder(), boottime_ns(), self.store)
        self.transport = open_transport(TransportConfig(methods=METHODS, tcp_address="127.0.0.1:0"))
        self.inbox = Inbox(self.transport.wake)
        self.notices = Notices()
        self.failure: BaseException | None = None
        usage = UsageCalls(Gate(boottime_ns), 256)
        dispatcher = Dispatcher(Decoder(3_600_000, 256), ready=lambda: True, usage=usage, caller_of=caller_names(()))
        self.loop = DecisionLoop(
            self.transport, dispatcher, engine, self.store, self.inbox, self.notices, boottime_ns, unix_ms
        )
        now_ns = boottime_ns()
        self.inbox.put(Connected(1, 1, 0, now_ns + HOUR_NS, now_ns, (LEASE,)))
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.transport.tcp_port}")
        self.stub = EnforcementServiceStub(self.channel)
        self.usage = UsageServiceStub(self.channel)

    def _run(self) -> None:
        try:
            self.loop.run()
        except StoreFailed as error:
            self.failure = error

    def stop(self) -> None:
        self.loop.stop()
        self.thread.join(PATIENCE_S)
        self.channel.close()
        self.transport.close(0)


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.stop()


def reserve(operation_id: str) -> pb.ReserveRequest:
    return pb.ReserveRequest(operation_id=operation_id, account_id="acme", amount=10)


def test_an_answer_that_changed_something_is_durable(rig: Rig) -> None:
    rig.stub.Reserve(reserve("a"), timeout=PATIENCE_S)
    rig.disk.owner = None
    again = MemoryStore(rig.disk, sidecar_id="host-1", boot_id="boot-1", now_ns=boottime_ns()).load()
    assert [hold.hold_id for hold in again.holds] == ["a"]
    assert [outcome.operation_id for outcome in again.outcomes] == ["a"]


def test_a_failed_commit_is_unavailable_to_its_batch_and_ends_the_loop(rig: Rig) -> None:
    rig.store.fail_next_commit = True
    with pytest.raises(grpc.RpcError) as caught:
        rig.stub.Reserve(reserve("a"), timeout=PATIENCE_S)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    rig.thread.join(PATIENCE_S)
    assert isinstance(rig.failure, StoreFailed)
    assert rig.loop.statistics().failed


def report(*event_ids: str, subject: str = "") -> usage_pb.ReportEventsRequest:
    events = [
        usage_pb.UsageEvent(
            id=event_id, source="s", type="t", account_id="acme", time_unix_ms=unix_ms(), subject=subject
        )
        for event_id in event_ids
    ]
    return usage_pb.ReportEventsRequest(events=events)


def test_an_event_that_was_accepted_is_durable(rig: Rig) -> None:
    assert rig.usage.ReportEvents(report("1", "2"), timeout=PATIENCE_S).accepted_count == 2
    rig.disk.owner = None
    again = MemoryStore(rig.disk, sidecar_id="host-1", boot_id="boot-1", now_ns=boottime_ns())
    assert again.load().last_event_sequence == 2
    assert again.event_name_count == 2


def test_a_failed_commit_accepts_no_event(rig: Rig) -> None:
    """Not even one that would be a duplicate of another in the same batch."""
    rig.store.fail_next_commit = True
    with pytest.raises(grpc.RpcError) as caught:
        rig.usage.ReportEvents(report("1", "1"), timeout=PATIENCE_S)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    rig.thread.join(PATIENCE_S)
    assert isinstance(rig.failure, StoreFailed)


def test_a_debit_tells_who_called_and_no_token(rig: Rig) -> None:
    secret = "a-secret-that-nobody-tells"
    for operation_id, metadata in (("a", None), ("b", [("authorization", f"Bearer {secret}")])):
        request = pb.ChargeRequest(operation_id=operation_id, account_id="acme", delta=1)
        rig.stub.Charge(request, metadata=metadata, timeout=PATIENCE_S)
    shown = sha256(secret.encode()).hexdigest()[:8]
    debits = [Debit.FromString(data) for _, data in rig.store.read_debits(0, 10, 1 << 20)]
    assert [debit.caller for debit in debits] == ["address:127.0.0.1", f"address:127.0.0.1 token:{shown}"]


def test_a_round_takes_no_more_events_than_others_can_wait_for() -> None:
    """Requests with events wait for their turn, in their order; what comes beside them does not."""
    usage = UsageCalls(Gate(boottime_ns), 256)
    dispatcher = Dispatcher(Decoder(3_600_000, 256), lambda: True, usage, caller_names(()))
    method = [method.path for method in METHODS].index("/holdfast.v1.UsageService/ReportEvents")
    large = report(*[f"{number}" for number in range(100)], subject="x" * 512).SerializeToString()
    assert EVENT_ROUND_BYTES / 3 < len(large) < EVENT_ROUND_BYTES / 2
    items: list[Item] = [(number, method, large, "tcp:127.0.0.1:1", 0) for number in range(1, 8)]
    items.insert(3, (99, 1, reserve("a").SerializeToString(), "tcp:127.0.0.1:1", 0))
    calls, replies = dispatcher.decode(items)
    assert ([call.call_id for call in calls], replies) == ([99], [])
    turns = []
    while dispatcher.events_wait:
        calls, replies = dispatcher.decode_events()
        assert replies == []
        turns.append([call.call_id for call in calls])
    assert turns == [[1, 2, 3], [4, 5, 6], [7]]


def test_no_more_events_wait_than_there_is_room_for() -> None:
    """Others are refused and told when to come again; what waits is taken in, and makes room."""
    usage = UsageCalls(Gate(boottime_ns), 256)
    dispatcher = Dispatcher(Decoder(3_600_000, 256), lambda: True, usage, caller_names(()))
    method = [method.path for method in METHODS].index("/holdfast.v1.UsageService/ReportEvents")
    large = b"\n" + b"\0" * (EVENT_QUEUE_BYTES // 4)
    items: list[Item] = [(number, method, large, "tcp:127.0.0.1:1", 0) for number in range(1, 6)]
    _, ((refused_id, status, payload),) = dispatcher.decode(items)
    details = Status.FromString(payload).details
    info, retry = ErrorInfo.FromString(details[0].value), RetryInfo.FromString(details[1].value)
    assert (refused_id, status, info.reason, retry.retry_delay.seconds) == (5, 8, "TOO_MANY_PENDING", 1)
    assert [reply[0] for reply in dispatcher.decode_events()[1]] == [1]
    assert dispatcher.decode(items[4:]) == ([], [])
    assert [dispatcher.decode_events()[1][0][0] for _ in range(4)] == [2, 3, 4, 5]
    assert not dispatcher.events_wait


def test_a_request_with_events_at_fault_is_answered_in_its_turn(rig: Rig) -> None:
    """As any other: what is no request, and what has no events."""
    call: Any = rig.channel.unary_unary("/holdfast.v1.UsageService/ReportEvents")
    for payload in (b"\xff", b""):
        with pytest.raises(grpc.RpcError) as caught:
            call(payload, timeout=PATIENCE_S)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_failed_commit_refuses_a_session_message_and_leaves_the_stream(rig: Rig) -> None:
    rig.store.fail_next_commit = True
    execute = pb.ExecuteRequest(operations=[pb.Operation(reserve=reserve("a"))])
    answers = rig.stub.Session(iter([pb.SessionRequest(message_id=4, execute=execute)]), timeout=PATIENCE_S)
    answer = next(answers)
    assert (answer.message_id, answer.error.reason) == (4, "STORE_FAILED")


def test_answers_that_changed_nothing_do_not_need_the_store(rig: Rig) -> None:
    rig.stub.Reserve(reserve("a"), timeout=PATIENCE_S)
    rig.store.fail_next_commit = True
    assert rig.stub.Check(pb.CheckRequest(account_id="acme", amount=1), timeout=PATIENCE_S).verdict == 1
    assert rig.stub.GetBalance(pb.GetBalanceRequest(account_id="acme"), timeout=PATIENCE_S).held == 10


def test_the_uplink_hears_of_a_debit_only_once_it_is_durable(rig: Rig) -> None:
    rig.stub.Reserve(reserve("a"), timeout=PATIENCE_S)
    rig.stub.Settle(pb.SettleRequest(operation_id="b", account_id="acme", hold_id="a", amount=3), timeout=PATIENCE_S)
    rig.stub.Check(pb.CheckRequest(account_id="acme"), timeout=PATIENCE_S)  # the round after the settle's has begun
    assert (1, 1) in rig.notices.told
    assert [sequence for sequence, _ in rig.store.read_debits(0, 10, 1 << 20)] == [1]


def test_rules_that_a_call_needs_are_asked_for(rig: Rig) -> None:
    """The call waits for them, and is decided by them."""
    now_ns = boottime_ns()
    rig.inbox.put(LeasesUpdated(0, (replace(LEASE, rules_version=3),), now_ns))
    answering = rig.stub.Reserve.future(reserve("a"), timeout=PATIENCE_S)
    assert rig.notices.asked.wait(PATIENCE_S)
    (ask,) = [ask for ask in rig.notices.asks if isinstance(ask, RulesAsk)]
    assert ("acme", "") in ask.paths
    root = SubjectRules("acme", "", 3, False, account=AccountTerms(features=(("chat", True),)))
    rig.inbox.put(RulesUpdated(ask.request_id, (root,), (), (), boottime_ns()))
    assert answering.result().granted_amount == 10
    rig.disk.owner = None
    again = MemoryStore(rig.disk, sidecar_id="host-1", boot_id="boot-1", now_ns=boottime_ns()).load()
    assert again.rules == [root]


def test_what_came_before_the_stop_is_still_heard(rig: Rig) -> None:
    rig.stub.Reserve(reserve("a"), timeout=PATIENCE_S)
    now_ns = boottime_ns()
    rig.inbox.put(Connected(9, 1, 0, now_ns + HOUR_NS, now_ns, ()))
    rig.stop()
    assert rig.notices.told[-1] == (0, 9)
