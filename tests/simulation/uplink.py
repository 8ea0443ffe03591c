"""Gives the real `UplinkProtocol` a simulated stream and clock: what `uplink/runner.py` does, without asyncio and gRPC.

As in the runner: control before debits, one step at a time, `notify` only leaves values, a tick whenever it is due.
Where the runner looks into the store (`_divergence`) its own code is called, so the fields that it reads have its
names.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import cast

from holdfast.v1 import ledger_sync_service_pb2 as pb
from holdfast_sidecar.engine.events import Fenced, LeaseAsk, RulesAsk, UplinkEvent
from holdfast_sidecar.store.interface import Store
from holdfast_sidecar.uplink.lifecycle import OPEN, State
from holdfast_sidecar.uplink.limits import UplinkLimits
from holdfast_sidecar.uplink.protocol import UplinkIdentity, UplinkProtocol
from holdfast_sidecar.uplink.runner import Uplink

from tests.simulation.clock import US, HostClock, SimLoop
from tests.simulation.network import UNAVAILABLE, Link, Stream

HELLO_TAG, HEARTBEAT_TAG = 0x0A, 0x1A
"""First bytes of a `SyncRequest` that counts as a word from the sidecar for the validity of its leases."""
CANCELLED = 1
NOTICE_NS = 300 * US
"""The longest that another thread takes to notice something."""


class _Attempt:
    """The sidecar's end of one stream, or of the attempt to get one."""

    def __init__(self, uplink: "SimUplink") -> None:
        self._uplink = uplink
        self.stream: Stream | None = None

    def deliver(self, message: bytes) -> None:
        self._uplink.mail(self, lambda: self._uplink.received(message))

    def broken(self, status: int, reason: str, message: str) -> None:
        self._uplink.mail(self, lambda: self._uplink.closed(status, reason, message))


class SimUplink:
    """One process's uplink."""

    def __init__(
        self,
        loop: SimLoop,
        clock: HostClock,
        link: Link,
        rng: Random,
        store: Store,
        identity: UplinkIdentity,
        limits: UplinkLimits,
        dial: Callable[[Callable[[bool], None]], None],
        accept: Callable[[Stream], None],
        emit: Callable[[UplinkEvent], None],
        told: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._link = link
        self._rng = rng
        self._read_debits = store.read_debits
        self._dial_through = dial
        self._accept = accept
        self._emit = emit
        self._told = told
        self._limits = limits
        self._protocol = UplinkProtocol(identity, limits, clock.now_ns())
        self._notified = (identity.last_sequence, identity.epoch)
        self._asks: list[LeaseAsk | RulesAsk] = []
        self._attempt: _Attempt | None = None
        self._kicked = False
        self._timer_ns: int | None = None
        self._mail: list[tuple[_Attempt, Callable[[], None]]] = []
        self.dead = False
        self.paused = False
        self.last_word_ns = 0
        """Local time at which the last Hello or heartbeat left."""
        self.broken_contract = ""

    @property
    def protocol(self) -> UplinkProtocol:
        """The protocol."""
        return self._protocol

    # Towards the loop.

    def notify(self, last_sequence: int, epoch: int, lease_asks: Sequence[LeaseAsk | RulesAsk]) -> None:
        """See `loop.Notified`."""
        self._notified = (last_sequence, epoch)
        self._asks.extend(lease_asks)
        self.kick()

    def kick(self) -> None:
        """Has the uplink look soon."""
        if not self._kicked:
            self._kicked = True
            self._loop.after(self._rng.randint(1, NOTICE_NS), self._kicked_now)

    def _kicked_now(self) -> None:
        self._kicked = False
        self._step()

    def stop(self) -> None:
        """The process is dead: its stream breaks."""
        self.dead = True
        if self._attempt is not None and self._attempt.stream is not None:
            self._attempt.stream.cut()

    def resume(self) -> None:
        """The process goes on: what came in the meantime is there."""
        self.paused = False
        mail, self._mail = self._mail, []
        for attempt, message in mail:
            self.mail(attempt, message)
        self.kick()

    # From the network.

    def mail(self, attempt: _Attempt, message: Callable[[], None]) -> None:
        """Something comes from the network; a stopped process gets it when it goes on."""
        if self.dead:
            return
        if self.paused:
            self._mail.append((attempt, message))
        elif attempt is self._attempt:
            message()

    def received(self, payload: bytes) -> None:
        """A message of the ledger."""
        now_ns = self._clock.now_ns()
        self._take_notified(now_ns)
        response = pb.SyncResponse.FromString(payload)
        divergence = Uplink._divergence(cast("Uplink", self), response.welcome)
        if divergence:
            self._protocol.diverged(now_ns, divergence)
        self._protocol.receive(response, now_ns)
        self._step()

    def closed(self, status: int, reason: str, message: str) -> None:
        """The stream has ended, or could not be had."""
        self._attempt = None
        self._told(f"loses its stream: {reason or message or status}")
        self.protocol.stream_closed(self._clock.now_ns(), status, reason, message, self._rng.random())
        self._step()

    def _reached(self, attempt: _Attempt, is_reached: bool) -> None:
        if self.protocol.state is not State.CONNECTING:
            return
        if not is_reached:
            self.closed(UNAVAILABLE, "", "connection refused")
            return
        attempt.stream = Stream(self._link, attempt)
        self._accept(attempt.stream)
        self.protocol.stream_opened(self._clock.now_ns())
        self._step()

    # One step: whatever can be done now.

    def _step(self) -> None:
        if self.dead or self.paused:
            return
        now_ns = self._clock.now_ns()
        protocol = self.protocol
        self._take_notified(now_ns)
        if protocol.state in OPEN or protocol.state is State.CONNECTING:
            protocol.tick(now_ns)
        self._write(now_ns)
        if protocol.state is State.CLOSING:
            self._give_up(now_ns)
        elif protocol.state is State.FENCED:
            self._hang_up()
        due_ns = protocol.wake_at_ns()
        if protocol.state is State.DISCONNECTED and due_ns is not None and due_ns <= now_ns:
            protocol.dial(now_ns)
            attempt = self._attempt = _Attempt(self)
            self._dial_through(lambda is_reached: self.mail(attempt, lambda: self._reached(attempt, is_reached)))
        self._hand_over()
        self._arm(now_ns)

    def _write(self, now_ns: int) -> None:
        protocol, stream = self.protocol, self._attempt.stream if self._attempt else None
        if stream is None:
            return
        while protocol.state in OPEN and stream.has_room():
            message = protocol.next_control()
            if message is not None:
                if message[0] in (HELLO_TAG, HEARTBEAT_TAG):
                    self.last_word_ns = now_ns
            else:
                wanted = protocol.debits_wanted(now_ns)
                if wanted is None:
                    return
                rows = self._read_debits(wanted.after_sequence, wanted.max_count, wanted.max_bytes)
                message = protocol.debits_read(wanted, rows, now_ns)
                if message is None:
                    return
            stream.send_up(message)

    def _give_up(self, now_ns: int) -> None:
        protocol = self.protocol
        self._told(f"gives its stream up: {protocol.closing_reason}")
        if "contract" in protocol.closing_reason:
            self.broken_contract = protocol.closing_reason
        self._hang_up()
        protocol.stream_closed(now_ns, CANCELLED, "", "", self._rng.random())

    def _hang_up(self) -> None:
        if self._attempt is not None and self._attempt.stream is not None:
            self._attempt.stream.close_client()
        self._attempt = None

    def _take_notified(self, now_ns: int) -> None:
        last_sequence, epoch = self._notified
        protocol = self.protocol
        asks, self._asks = self._asks, []
        if asks or last_sequence != protocol.last_sequence or epoch != protocol.durable_epoch:
            protocol.notify(last_sequence, epoch, asks, now_ns)

    def _hand_over(self) -> None:
        for event in self.protocol.events_received():
            if isinstance(event, Fenced):
                self._told(f"is fenced: {event.reason}: {event.message}")
            self._emit(event)

    def _arm(self, now_ns: int) -> None:
        """Sets the timer to what is due next."""
        due = [
            at_ns for at_ns in (self.protocol.wake_at_ns(), self.protocol.paced_until_ns(now_ns)) if at_ns is not None
        ]
        if not due:
            return
        at_ns = max(self._clock.true_ns(min(due)), self._loop.now_ns + US)
        if self._timer_ns is None or at_ns < self._timer_ns or self._timer_ns <= self._loop.now_ns:
            self._timer_ns = at_ns
            self._loop.at(at_ns, self._timer, at_ns)

    def _timer(self, at_ns: int) -> None:
        if at_ns == self._timer_ns:
            self._timer_ns = None
            self._step()
