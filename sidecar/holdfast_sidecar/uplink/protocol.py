"""The uplink's side of `LedgerSyncService.Sync`, without I/O: no clock, no sockets, no asyncio, no randomness.

The runner reports what happened, always with the time (CLOCK_BOOTTIME, nanoseconds), and asks what to do:

- about the stream: `dial`, `stream_opened`, `stream_closed`;
- from the ledger: `receive`, `abandon`;
- from the decision loop: `notify`;
- from the clock: `tick`;
- towards the ledger: `next_control`, then `debits_wanted` and `debits_read`, as fast as the stream takes them;
- towards the engine: `events_received`;
- when: `wake_at_ns`, `paced_until_ns`.

Debits are pulled, not pushed: nothing is read from the store before the window and the stream have room for it, so
memory stays flat however far behind the ledger is. What must hold at all times is stated in the property tests.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from holdfast.v1 import ledger_sync_service_pb2 as pb

from holdfast_sidecar.engine.events import (
    Connected,
    DebitsAcked,
    Disconnected,
    Fenced,
    LeaseAsk,
    LeasesRenewed,
    LeasesUpdated,
    RulesAsk,
    UplinkEvent,
)
from holdfast_sidecar.uplink import wire
from holdfast_sidecar.uplink.flight import Flight
from holdfast_sidecar.uplink.lag import LagMeter
from holdfast_sidecar.uplink.lifecycle import OPEN, WELCOMED, LocalProtocolError, State, Trigger, step
from holdfast_sidecar.uplink.limits import UplinkLimits
from holdfast_sidecar.uplink.rule_updates import rules_updated
from holdfast_sidecar.uplink.wire import BadMessage

_MS = 1_000_000
_FAILED_PRECONDITION = 9
_FINAL_REASONS = frozenset({"FENCED", "LEDGER_BEHIND"})
"""Reasons of FAILED_PRECONDITION that no retry can mend. SEQUENCE_GAP is not one: the next Welcome tells the mark."""


@dataclass(frozen=True, slots=True)
class UplinkIdentity:
    """Who this sidecar is, as its folder says at the start of the process; fields as in `holdfast.v1.Hello`.

    `instance` must be durable before the uplink runs.
    """

    sidecar_id: str
    epoch: int
    instance: bytes
    last_sequence: int
    acked_sequence: int
    max_hold_ttl_ms: int
    version: str
    birth_epoch: int = 0


@dataclass(frozen=True, slots=True)
class DebitRead:
    """What to read from the store: the arguments of `Store.read_debits`."""

    after_sequence: int
    max_count: int
    max_bytes: int


@dataclass(slots=True)
class _Stream:
    """All that dies with a stream."""

    hello_made_ns: int
    last_heard_ns: int
    control: deque[bytes] = field(default_factory=deque)
    heartbeats: dict[int, int] = field(default_factory=dict)
    """When each heartbeat that is not answered was made."""
    asks: set[int] = field(default_factory=set)
    """Lease requests made and not answered."""
    rules_asks: dict[int, RulesAsk] = field(default_factory=dict)
    """Rules requests made and not answered: what an answer leaves out is told by what was asked."""
    heartbeat_count: int = 0
    heartbeat_interval_ns: int = 0
    next_heartbeat_ns: int = 0
    welcomed_at_ns: int = 0
    epoch: int = 0
    window_debit_count: int = 0
    batch_debit_count: int = 0
    sent_sequence: int = 0
    batches: deque[tuple[int, int]] = field(default_factory=deque)
    """Last sequence and bytes of each batch that is sent and not acked."""
    unacked_bytes: int = 0
    paced_until_ns: int = 0


class UplinkProtocol:
    """One sidecar's link to the ledger over any number of streams, one at a time. Not thread-safe."""

    def __init__(self, identity: UplinkIdentity, limits: UplinkLimits, now_ns: int) -> None:
        """Starts disconnected, ready to dial at once."""
        self._identity = identity
        self._limits = limits
        self._now_ns = now_ns
        self._state = State.DISCONNECTED
        self._stream: _Stream | None = None
        self._epoch = identity.epoch
        self._birth_epoch = identity.birth_epoch
        self._durable_epoch = identity.epoch
        self._last_sequence = identity.last_sequence
        self._acked_sequence = identity.acked_sequence
        self._once_acked_sequence = identity.acked_sequence
        self._failure_count = 0
        self._dial_count = 0
        self._deadline_ns = now_ns
        self._last_heard_ns = 0
        self._closing_reason = ""
        self._events: list[UplinkEvent] = []
        self._lag = LagMeter()
        self._flight = Flight(limits.first_flight_debit_count)

    # What is so now.

    @property
    def state(self) -> State:
        """Where the uplink is."""
        return self._state

    @property
    def closing_reason(self) -> str:
        """Why the protocol itself gave the last stream up; empty if it did not."""
        return self._closing_reason

    @property
    def acked_sequence(self) -> int:
        """Highest sequence that the ledger says is posted."""
        return self._acked_sequence

    @property
    def last_sequence(self) -> int:
        """Highest sequence that is durable here."""
        return self._last_sequence

    @property
    def durable_epoch(self) -> int:
        """The epoch in the folder, as `notify` said last."""
        return self._durable_epoch

    @property
    def sent_sequence(self) -> int:
        """Highest sequence sent on this stream; the acked one where there is no stream."""
        stream = self._stream  # once: `statistics` reads this on other threads
        return stream.sent_sequence if stream and self._state in WELCOMED else self._acked_sequence

    @property
    def idle(self) -> bool:
        """Whether the ledger has all debits and has answered every lease request of this stream."""
        return self._acked_sequence >= self._last_sequence and not (self._stream and self._stream.asks)

    @property
    def last_heard_ns(self) -> int:
        """When the ledger was last heard of; 0: never."""
        return self._last_heard_ns

    @property
    def reconnect_count(self) -> int:
        """Attempts to connect after the first one."""
        return max(0, self._dial_count - 1)

    def lag_ns(self, now_ns: int) -> int:
        """Returns the age of the oldest debit that is not acked, in nanoseconds, to about 100 ms; 0: none."""
        return self._lag.lag_ns(now_ns)

    # About the stream.

    def dial(self, now_ns: int) -> None:
        """A connection is being made. Not before `wake_at_ns`."""
        self._advance(now_ns)
        self._move(Trigger.DIALED)
        self._dial_count += 1
        self._closing_reason = ""
        self._deadline_ns = now_ns + self._limits.connect_timeout_ms * _MS

    def stream_opened(self, now_ns: int) -> None:
        """A stream is there: Hello is the next message, and the leases it renews are counted from now."""
        self._advance(now_ns)
        self._move(Trigger.OPENED)
        self._deadline_ns = now_ns + self._limits.welcome_timeout_ms * _MS
        self._stream = _Stream(hello_made_ns=now_ns, last_heard_ns=now_ns)
        identity = self._identity
        hello = pb.Hello(
            sidecar_id=identity.sidecar_id,
            epoch=self._epoch,
            instance=identity.instance,
            last_sequence=self._last_sequence,
            acked_sequence=self._acked_sequence,
            max_hold_ttl_ms=identity.max_hold_ttl_ms,
            version=identity.version,
            birth_epoch=self._birth_epoch,
        )
        self._stream.control.append(pb.SyncRequest(hello=hello).SerializeToString())

    def stream_closed(self, now_ns: int, status: int, reason: str, message: str, jitter: float) -> None:
        """The stream, or the attempt to get one, has ended.

        Args:
            now_ns: now.
            status: the gRPC status code.
            reason: of `google.rpc.ErrorInfo`, or empty.
            message: for people.
            jitter: a fresh random number in [0, 1).
        """
        self._advance(now_ns)
        if status == _FAILED_PRECONDITION and reason in _FINAL_REASONS:
            self._fence(reason, message)
            return
        stable_ns = self._limits.stable_ms * _MS
        if self._stream and self._stream.welcomed_at_ns and now_ns - self._stream.welcomed_at_ns >= stable_ns:
            self._failure_count = 0
        self._move(Trigger.CLOSED)
        self._stream = None
        self._deadline_ns = now_ns + int(jitter * self._pause_ms() * _MS)
        self._failure_count += 1

    def _pause_ms(self) -> int:
        """Upper end of the next pause: the full-jitter back-off of M. Brooker, "Exponential Backoff And Jitter"."""
        doubled = self._limits.backoff_min_ms << min(self._failure_count, 32)
        return min(self._limits.backoff_max_ms, doubled)

    # From the ledger.

    def receive(self, response: pb.SyncResponse, now_ns: int) -> None:
        """Takes a message of the ledger; what is against the contract makes this give the stream up."""
        self._advance(now_ns)
        stream = self._stream
        if self._state not in OPEN or stream is None:
            return
        stream.last_heard_ns = self._last_heard_ns = now_ns
        try:
            self._take(stream, response, now_ns)
        except BadMessage as error:
            self._give_up(f"the ledger broke the contract: {error}")

    def _take(self, stream: _Stream, response: pb.SyncResponse, now_ns: int) -> None:
        """Hands a message to what it is about. One of no known kind, of a newer ledger, is passed over."""
        kind = response.WhichOneof("message")
        if (kind == "welcome") != (self._state is State.GREETING):
            raise BadMessage(f"{kind or 'an unknown message'} while {self._state.value}")
        if kind == "welcome":
            self._take_welcome(stream, response.welcome, now_ns)
        elif kind == "ack":
            self._take_ack(stream, response.ack.acked_sequence, now_ns)
        elif kind == "heartbeat_ack":
            self._take_heartbeat_ack(stream, response.heartbeat_ack, now_ns)
        elif kind == "lease_update":
            leases = wire.lease_states(response.lease_update.leases)
            stream.asks.discard(response.lease_update.request_id)
            self._events.append(LeasesUpdated(response.lease_update.request_id, leases, now_ns))
        elif kind == "rules_update":
            rules_ask = stream.rules_asks.pop(response.rules_update.request_id, None)
            if rules_ask is not None:
                self._events.append(rules_updated(rules_ask, response.rules_update, now_ns))

    def _take_welcome(self, stream: _Stream, welcome: pb.Welcome, now_ns: int) -> None:
        """Learns the epoch, the mark to resume from, and the terms of the stream."""
        if welcome.epoch < max(1, self._epoch):
            raise BadMessage(f"epoch {welcome.epoch} after {self._epoch}")
        if welcome.heartbeat_interval_ms < 1 or welcome.lease_validity_ms < 0 or welcome.window_debit_count < 1:
            raise BadMessage("heartbeat interval, lease validity or window out of range")
        if welcome.allowance_validity_ms < 0:
            raise BadMessage("allowance validity out of range")
        if self._birth_epoch and welcome.birth_epoch != self._birth_epoch:
            raise BadMessage(f"life {welcome.birth_epoch} for a folder of life {self._birth_epoch}")
        leases = wire.lease_states(welcome.leases)
        self._epoch = stream.epoch = welcome.epoch
        self._birth_epoch = welcome.birth_epoch
        stream.welcomed_at_ns = now_ns
        stream.heartbeat_interval_ns = welcome.heartbeat_interval_ms * _MS
        stream.next_heartbeat_ns = stream.hello_made_ns + stream.heartbeat_interval_ns
        stream.window_debit_count = welcome.window_debit_count
        stream.batch_debit_count = min(self._limits.batch_debit_count, max(1, welcome.window_debit_count // 2))
        stream.sent_sequence = self._acked_sequence = welcome.acked_sequence
        self._flight.begin(welcome.acked_sequence)
        self._lag.acked(welcome.acked_sequence)
        self._move(Trigger.WELCOMED)
        valid_until_ns = stream.hello_made_ns + welcome.lease_validity_ms * _MS
        self._events.append(
            Connected(
                welcome.epoch,
                welcome.birth_epoch,
                welcome.acked_sequence,
                valid_until_ns,
                now_ns,
                leases,
                stream.hello_made_ns + welcome.allowance_validity_ms * _MS,
                welcome.claims_wanted,
                welcome.meters_revision,
            )
        )
        self._adopt_if_durable(stream)

    def _take_ack(self, stream: _Stream, acked_sequence: int, now_ns: int) -> None:
        """Moves the mark up. It may pass what this stream has sent: the last stream's debits may just be posted."""
        if acked_sequence <= self._acked_sequence:
            return
        if acked_sequence > self._last_sequence:
            raise BadMessage(f"ack of debit {acked_sequence}, the last one made is {self._last_sequence}")
        self._acked_sequence = acked_sequence
        self._once_acked_sequence = max(self._once_acked_sequence, acked_sequence)
        stream.sent_sequence = max(stream.sent_sequence, acked_sequence)
        while stream.batches and stream.batches[0][0] <= acked_sequence:
            stream.unacked_bytes -= stream.batches.popleft()[1]
        self._lag.acked(acked_sequence)
        self._events.append(DebitsAcked(acked_sequence, now_ns))

    def _take_heartbeat_ack(self, stream: _Stream, ack: pb.HeartbeatAck, now_ns: int) -> None:
        """Renews the leases from the moment the heartbeat was made. An answer to an older one tells nothing new."""
        made_ns = stream.heartbeats.get(ack.heartbeat_id)
        if made_ns is None:
            return
        if ack.lease_validity_ms < 0 or ack.allowance_validity_ms < 0:
            raise BadMessage("lease or allowance validity out of range")
        for heartbeat_id in [known for known in stream.heartbeats if known <= ack.heartbeat_id]:
            del stream.heartbeats[heartbeat_id]
        self._events.append(
            LeasesRenewed(
                made_ns + ack.lease_validity_ms * _MS,
                now_ns,
                made_ns + ack.allowance_validity_ms * _MS,
                ack.meters_revision,
            )
        )

    def abandon(self, now_ns: int, why: str) -> None:
        """Gives up a stream on which the runner received what it could not read."""
        self._advance(now_ns)
        if self._state in OPEN:
            self._give_up(why)

    def diverged(self, now_ns: int, message: str) -> None:
        """Stops: the ledger has, under this sidecar's sequences, what another copy of the folder made."""
        self._advance(now_ns)
        if self._state in OPEN:
            self._fence("DIVERGED", message)

    # From the decision loop.

    def notify(self, last_sequence: int, epoch: int, asks: Sequence[LeaseAsk | RulesAsk], now_ns: int) -> None:
        """The loop has committed: debits up to `last_sequence` and the epoch are durable, the asks may leave.

        An ask that meets no stream in use is dropped: its answer could not come. The engine, told of the end of the
        old stream and of the new one, asks anew.
        """
        self._advance(now_ns)
        if last_sequence < self._last_sequence:
            raise LocalProtocolError(f"last sequence {last_sequence} after {self._last_sequence}")
        self._last_sequence = last_sequence
        self._durable_epoch = epoch
        if last_sequence > self._acked_sequence:
            self._lag.made(last_sequence, now_ns)
        stream = self._stream
        if stream is None:
            return
        self._adopt_if_durable(stream)
        for ask in asks:
            if self._state is not State.STREAMING:
                return
            if isinstance(ask, LeaseAsk):
                stream.asks.add(ask.request_id)
                self._send_control(stream, wire.lease_request(ask))
            else:
                stream.rules_asks[ask.request_id] = ask
                self._send_control(stream, wire.rules_request(ask))

    def _adopt_if_durable(self, stream: _Stream) -> None:
        """Lets debits leave once the epoch of Welcome is durable here.

        By then the engine has taken the ledger's mark over where its folder was empty. A mark still above its own
        last sequence would make the ledger drop the next debits as known ones: stop, loudly.
        """
        if self._state is not State.ADOPTING or self._durable_epoch != stream.epoch:
            return
        self._once_acked_sequence = max(self._once_acked_sequence, self._acked_sequence)
        if self._acked_sequence > self._last_sequence:
            message = f"the ledger has debits up to {self._acked_sequence}, made here were {self._last_sequence}"
            self._fence("LEDGER_AHEAD", message)
            return
        self._move(Trigger.ADOPTED)

    # From the clock.

    def tick(self, now_ns: int) -> None:
        """Makes the heartbeat that is due, and gives up a stream that has been silent for too long."""
        self._advance(now_ns)
        if self._state in {State.CONNECTING, State.GREETING} and now_ns >= self._deadline_ns:
            self._give_up("no connection in time" if self._state is State.CONNECTING else "no Welcome in time")
        stream = self._stream
        if stream is None or self._state not in WELCOMED:
            return
        if self._last_sequence > self._acked_sequence:
            self._lag.made(self._last_sequence, now_ns)
        if now_ns >= self._silent_at_ns(stream):
            self._give_up("the ledger fell silent")
        elif now_ns >= stream.next_heartbeat_ns:
            stream.heartbeat_count += 1
            stream.heartbeats[stream.heartbeat_count] = now_ns
            stream.next_heartbeat_ns = now_ns + stream.heartbeat_interval_ns
            self._send_control(stream, wire.heartbeat_request(stream.heartbeat_count))

    def wake_at_ns(self) -> int | None:
        """Returns when to dial (while DISCONNECTED) or to tick (else); None: nothing more will happen by itself."""
        if self._state in {State.DISCONNECTED, State.CONNECTING, State.GREETING}:
            return self._deadline_ns
        if self._state in WELCOMED and self._stream is not None:
            return min(self._stream.next_heartbeat_ns, self._silent_at_ns(self._stream))
        return None

    def _silent_at_ns(self, stream: _Stream) -> int:
        return stream.last_heard_ns + self._limits.silent_heartbeat_count * stream.heartbeat_interval_ns

    # Towards the ledger.

    def next_control(self) -> bytes | None:
        """Returns the next message that is not a batch of debits, to be written before any of those."""
        if self._state not in OPEN or self._stream is None or not self._stream.control:
            return None
        return self._stream.control.popleft()

    def debits_wanted(self, now_ns: int) -> DebitRead | None:
        """Returns what to read from the store for the next message; None: nothing may be sent now.

        Nothing may leave before the epoch is durable, past the window, or, unless a message would be full, before
        `paced_until_ns`.
        """
        self._advance(now_ns)
        stream = self._stream
        if self._state is not State.STREAMING or stream is None:
            return None
        unsent_count = self._last_sequence - stream.sent_sequence
        room_count = stream.window_debit_count - (stream.sent_sequence - self._acked_sequence)
        flight_count = self._flight.room_count(self._acked_sequence)
        count = min(unsent_count, room_count, flight_count, stream.batch_debit_count)
        byte_count = min(self._limits.batch_bytes, self._limits.window_bytes - stream.unacked_bytes)
        if count < 1 or byte_count < 1:
            return None
        full = count == stream.batch_debit_count and byte_count == self._limits.batch_bytes
        if not full and now_ns < stream.paced_until_ns:
            return None
        return DebitRead(stream.sent_sequence, count, byte_count)

    def debits_read(self, wanted: DebitRead, rows: Sequence[tuple[int, bytes]], now_ns: int) -> bytes | None:
        """Returns the message with what was read; None: the debits that must come next are not there, all is over.

        Raises `LocalProtocolError` when more was read than was wanted, or for another state than this one.
        """
        self._advance(now_ns)
        stream = self._stream
        if self._state is not State.STREAMING or stream is None or wanted.after_sequence != stream.sent_sequence:
            raise LocalProtocolError("debits were read that are not wanted now")
        first, last = wanted.after_sequence + 1, wanted.after_sequence + len(rows)
        if not rows or rows[0][0] != first or rows[-1][0] != last:
            self._fence(*self._missing(first))
            return None
        if len(rows) > wanted.max_count:
            raise LocalProtocolError(f"{len(rows)} debits were read, {wanted.max_count} were wanted")
        message = wire.debits_request([debit for _, debit in rows])
        stream.sent_sequence = last
        self._flight.sent(last)
        stream.batches.append((last, len(message)))
        stream.unacked_bytes += len(message)
        stream.paced_until_ns = now_ns + self._limits.linger_ms * _MS
        return message

    def _missing(self, sequence: int) -> tuple[str, str]:
        """Says why a debit that the ledger does not have is not here either."""
        if sequence <= self._once_acked_sequence:
            message = f"the ledger lost debit {sequence}, which it once acked, and it is not retained here"
            return "LEDGER_BEHIND", message
        return "OUTBOX_GAP", f"debit {sequence} is neither at the ledger nor in the outbox"

    def paced_until_ns(self, now_ns: int) -> int | None:
        """Returns when the next message of debits that is not full may leave; None: at once."""
        stream = self._stream
        if self._state is not State.STREAMING or stream is None or now_ns >= stream.paced_until_ns:
            return None
        return stream.paced_until_ns

    # Towards the engine.

    def events_received(self) -> list[UplinkEvent]:
        """Returns what the engine is to hear, in order, once."""
        events, self._events = self._events, []
        return events

    # Within.

    def _advance(self, now_ns: int) -> None:
        if now_ns < self._now_ns:
            raise LocalProtocolError(f"the clock went back by {self._now_ns - now_ns} ns")
        self._now_ns = now_ns

    def _move(self, trigger: Trigger) -> None:
        before, self._state = self._state, step(self._state, trigger)
        if before in WELCOMED and self._state not in WELCOMED:
            self._events.append(Disconnected())

    def _give_up(self, why: str) -> None:
        self._closing_reason = why
        self._move(Trigger.GAVE_UP)

    def _fence(self, reason: str, message: str) -> None:
        already = self._state is State.FENCED
        self._move(Trigger.FENCED)
        self._stream = None
        if not already:
            self._events.append(Fenced(reason, message))

    def _send_control(self, stream: _Stream, message: bytes) -> None:
        if len(stream.control) >= self._limits.control_message_count:
            self._give_up("the ledger does not read")
            return
        stream.control.append(message)
