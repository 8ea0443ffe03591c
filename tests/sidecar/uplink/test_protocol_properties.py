"""What must hold of the uplink's protocol whatever happens, against a model of the ledger over a link that loses.

The machine is adversary and auditor: it moves messages, time and the decision loop in any order, cuts the stream with
whatever is in flight, and checks each message as it leaves. At the end of each run the link turns fair, and then
every durable debit must arrive.
"""

from collections import deque

from holdfast.v1 import ledger_sync_service_pb2 as pb
from holdfast_sidecar.engine.events import (
    Connected,
    DebitsAcked,
    Disconnected,
    Fenced,
    LeaseAsk,
    LeasesRenewed,
    LeasesUpdated,
    LeaseWant,
    RulesAsk,
    RulesUpdated,
)
from holdfast_sidecar.uplink.lifecycle import OPEN, WELCOMED, State
from holdfast_sidecar.uplink.limits import UplinkLimits
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.sidecar.uplink.wiring import HEARTBEAT_MS, MS, VALIDITY_MS, Wired, ack, heartbeat_ack, welcome

EPOCH = 3
WINDOW_COUNT = 12
LIMITS = UplinkLimits(batch_debit_count=5, batch_bytes=200, window_bytes=300)
FAIR_TURN_COUNT_MIN = 25
"""Turns of 61 ms: long enough for a heartbeat and its answer."""


class UplinkAgainstLedger(RuleBasedStateMachine):
    """One sidecar, one ledger, and the link between."""

    def __init__(self) -> None:
        super().__init__()
        self.wired = Wired(limits=LIMITS)
        self.protocol = self.wired.protocol
        self.last_sequence = 0
        self.epoch = 0
        self.epoch_offered = 0
        self.ledger_mark = 0
        self.ask_count = 0
        self.connected = False
        self.fenced = False
        self.acked_told = 0
        self.forget_stream()

    def forget_stream(self) -> None:
        """Loses what is in flight in both directions, and what is known of the stream."""
        self.up: deque[pb.SyncRequest] = deque()
        self.down: deque[pb.SyncResponse] = deque()
        self.next_on_stream: int | None = None
        self.batches: deque[tuple[int, int]] = deque()
        self.hello_made_ns = 0
        self.ticks_ns: set[int] = set()
        self.written_ns: dict[int, int] = {}
        self.answered_id = 0
        self.asks_sent: list[int] = []
        self.rules_asks_sent: set[int] = set()
        """And not answered."""

    # The decision loop

    @rule(count=st.integers(0, 20), ask=st.booleans())
    def commit(self, count: int, ask: bool) -> None:
        """A batch is durable."""
        self.last_sequence += count
        asks: list[LeaseAsk | RulesAsk] = []
        if ask:
            self.ask_count += 1
            asks.append(LeaseAsk(self.ask_count, (LeaseWant("a", "p", 1, 1, 0, 0, 0),)))
            asks.append(RulesAsk(self.ask_count, (("a", ""),)))
        self.protocol.notify(self.last_sequence, self.epoch, asks, self.wired.now_ns)
        self.hear()

    @precondition(lambda self: self.epoch_offered > self.epoch)
    @rule()
    def adopt(self) -> None:
        """The epoch of Welcome is durable."""
        self.epoch = self.epoch_offered
        self.commit(0, False)

    # The stream

    @precondition(lambda self: self.protocol.state is State.DISCONNECTED)
    @rule()
    def open(self) -> None:
        """Time passes until it is time to dial, and a stream opens."""
        wake_at_ns = self.protocol.wake_at_ns()
        assert wake_at_ns is not None
        assert wake_at_ns - self.wired.now_ns <= LIMITS.backoff_max_ms * MS
        self.wired.now_ns = max(self.wired.now_ns, wake_at_ns)
        self.forget_stream()
        self.protocol.dial(self.wired.now_ns)
        self.protocol.stream_opened(self.wired.now_ns)
        self.hello_made_ns = self.wired.now_ns

    @precondition(lambda self: self.protocol.state in OPEN | {State.CLOSING})
    @rule(jitter=st.floats(0, 1, exclude_max=True))
    def lose(self, jitter: float) -> None:
        """The stream breaks with all that is in flight."""
        self.protocol.stream_closed(self.wired.now_ns, 14, "", "lost", jitter)
        self.forget_stream()
        self.hear()

    @precondition(lambda self: self.protocol.state in OPEN)
    @rule(reason=st.sampled_from(["FENCED", "LEDGER_BEHIND"]), rarely=st.integers(0, 30))
    def fence(self, reason: str, rarely: int) -> None:
        """Another life has taken over."""
        if rarely == 0:
            self.protocol.stream_closed(self.wired.now_ns, 9, reason, "final", 0.5)
            self.forget_stream()
            self.hear()

    @rule(ms=st.sampled_from([0, 1, 3, 5, 50, 900, 1000, 1100, 2000]))
    def wait(self, ms: int) -> None:
        """Time passes, and the clock is looked at."""
        self.ticks_ns.add(self.wired.after(ms))
        self.protocol.tick(self.wired.now_ns)
        self.hear()

    @rule()
    def write(self) -> None:
        """The stream takes one message."""
        requests = []
        if (message := self.protocol.next_control()) is not None:
            requests = [pb.SyncRequest.FromString(message)]
        elif (wanted := self.protocol.debits_wanted(self.wired.now_ns)) is not None:
            message = self.protocol.debits_read(wanted, self.wired.rows(wanted), self.wired.now_ns)
            assert message is not None, "the outbox has all debits"
            requests = [pb.SyncRequest.FromString(message)]
        for request in requests:
            self.audit(request)
            self.up.append(request)
        self.hear()

    def audit(self, request: pb.SyncRequest) -> None:
        """Checks what leaves."""
        assert self.protocol.state in OPEN, "nothing leaves without a stream, nor after a fence"
        kind = request.WhichOneof("message")
        if kind == "debits":
            self.audit_debits([debit.sequence for debit in request.debits.debits], request.ByteSize())
        elif kind == "heartbeat":
            self.written_ns[request.heartbeat.heartbeat_id] = self.wired.now_ns
        elif kind == "lease_request":
            assert request.lease_request.request_id not in self.asks_sent, "an ask is sent once on a stream"
            self.asks_sent.append(request.lease_request.request_id)
        elif kind == "rules_request":
            assert request.rules_request.request_id not in self.rules_asks_sent, "an ask is sent once on a stream"
            self.rules_asks_sent.add(request.rules_request.request_id)

    def audit_debits(self, sequences: list[int], size: int) -> None:
        assert self.epoch == EPOCH, "no debit leaves before the epoch is durable"
        assert sequences == list(range(sequences[0], sequences[-1] + 1)), "a batch is contiguous"
        assert self.next_on_stream is not None
        assert sequences[0] >= self.next_on_stream, "nothing is sent twice on a stream"
        assert sequences[0] <= max(self.next_on_stream, self.protocol.acked_sequence + 1), "nothing is left out"
        assert sequences[-1] <= self.last_sequence, "only durable debits leave"
        unacked_count = sequences[-1] - self.protocol.acked_sequence
        assert unacked_count <= WINDOW_COUNT, "the window holds"
        assert len(sequences) <= LIMITS.batch_debit_count
        self.next_on_stream = sequences[-1] + 1
        while self.batches and self.batches[0][0] <= self.protocol.acked_sequence:
            self.batches.popleft()
        assert sum(size for _, size in self.batches) < LIMITS.window_bytes, "bytes not acked are bounded"
        self.batches.append((sequences[-1], size))

    # The ledger

    @precondition(lambda self: bool(self.up))
    @rule(silent=st.booleans())
    def post(self, silent: bool) -> None:
        """The ledger takes one message; silent: it has not come to its answer."""
        request = self.up.popleft()
        kind = request.WhichOneof("message")
        if kind == "hello":
            self.epoch_offered = EPOCH
            self.down.append(welcome(EPOCH, self.ledger_mark, WINDOW_COUNT))
        elif kind == "debits":
            for debit in request.debits.debits:
                assert debit.sequence <= self.ledger_mark + 1, "no gap reaches the ledger"
                self.ledger_mark = max(self.ledger_mark, debit.sequence)
            if not silent:
                self.down.append(ack(self.ledger_mark))
        elif kind == "heartbeat":
            self.down.append(heartbeat_ack(request.heartbeat.heartbeat_id))
        elif kind == "lease_request":
            update = pb.LeaseUpdate(request_id=request.lease_request.request_id)
            self.down.append(pb.SyncResponse(lease_update=update))
        elif kind == "rules_request":
            answer = pb.RulesUpdate(request_id=request.rules_request.request_id, nodes=[pb.SubjectRules()])
            self.down.append(pb.SyncResponse(rules_update=answer))

    @precondition(lambda self: bool(self.down))
    @rule()
    def read(self) -> None:
        """The sidecar takes one message."""
        response = self.down.popleft()
        self.protocol.receive(response, self.wired.now_ns)
        if response.HasField("welcome"):
            self.next_on_stream = response.welcome.acked_sequence + 1
        self.answered_id = response.heartbeat_ack.heartbeat_id
        self.hear()

    # The engine's ears

    def hear(self) -> None:
        """Checks what the engine is told."""
        for event in self.protocol.events_received():
            assert not self.fenced, "nothing comes after a fence"
            match event:
                case Connected():
                    assert not self.connected
                    self.connected = True
                    assert event.lease_valid_until_ns == self.hello_made_ns + VALIDITY_MS * MS
                    self.acked_told = event.acked_sequence
                case Disconnected():
                    assert self.connected
                    self.connected = False
                case LeasesRenewed():
                    made_ns = event.lease_valid_until_ns - VALIDITY_MS * MS
                    assert self.connected
                    assert made_ns in self.ticks_ns, "validity is counted from a heartbeat's making"
                    assert made_ns <= self.written_ns[self.answered_id], "and not from a later one's"
                case DebitsAcked():
                    assert self.connected
                    assert self.acked_told < event.acked_sequence <= self.ledger_mark
                    self.acked_told = event.acked_sequence
                case LeasesUpdated():
                    assert event.request_id in self.asks_sent
                case RulesUpdated():
                    assert self.connected
                    self.rules_asks_sent.remove(event.request_id)
                    assert event.refused, "the node was of no account"
                case Fenced():
                    assert not self.connected
                    self.fenced = True

    @invariant()
    def what_is_told_is_what_is(self) -> None:
        assert self.connected == (self.protocol.state in WELCOMED)
        assert self.fenced == (self.protocol.state is State.FENCED)
        assert self.protocol.acked_sequence <= self.ledger_mark

    @invariant()
    def a_dead_stream_is_given_up_in_time(self) -> None:
        wake_at_ns = self.protocol.wake_at_ns()
        if self.protocol.state in WELCOMED:
            assert wake_at_ns is not None
            assert wake_at_ns <= self.wired.now_ns + HEARTBEAT_MS * MS

    def teardown(self) -> None:
        """A fair link brings every durable debit to the ledger, and its ack back."""
        for turn in range(400):
            all_acked = self.protocol.acked_sequence == self.last_sequence and self.epoch == EPOCH
            if self.fenced or (all_acked and turn >= FAIR_TURN_COUNT_MIN):
                break
            self.take_a_fair_turn()
        else:
            raise AssertionError(f"{self.protocol.acked_sequence} of {self.last_sequence} debits acked on a fair link")

    def take_a_fair_turn(self) -> None:
        if self.protocol.state is State.CLOSING:
            self.lose(0.5)
        if self.protocol.state is State.DISCONNECTED:
            self.open()
        self.wait(60)
        for _ in range(3):
            self.write()
        while self.up:
            self.post(silent=False)
        self.wait(1)
        while self.down:
            self.read()
        if self.epoch_offered > self.epoch:
            self.adopt()


UplinkAgainstLedger.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestUplinkAgainstLedger = UplinkAgainstLedger.TestCase
