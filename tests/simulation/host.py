"""A host: its disk, its clock, its link, and one sidecar process at a time, put together as `bootstrap` does.

The process is the real `DecisionLoop` over the real engine; only the transport (calls handed over as values), the
dispatcher (they are decoded already) and the uplink's runner are simulated. A crash can fall at each of the loop's
named points, in or after a commit, or between any two callbacks.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias, cast

from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast_sidecar.dispatcher.encode import Encoder
from holdfast_sidecar.engine.engine import Engine
from holdfast_sidecar.engine.event_operations import ReportEvents, VoidEvents
from holdfast_sidecar.engine.events import Connected, Draining, Event, Fenced, UplinkEvent
from holdfast_sidecar.engine.operations import Call, Charge, Fault, Operation, Result, Settle
from holdfast_sidecar.engine.settings import EngineSettings
from holdfast_sidecar.engine.state import Meta, Writes
from holdfast_sidecar.inbox import Inbox
from holdfast_sidecar.loop import DecisionLoop
from holdfast_sidecar.store.interface import StoreFailed
from holdfast_sidecar.uplink.event_uplink import EventUplinkLimits
from holdfast_sidecar.uplink.lifecycle import State
from holdfast_sidecar.uplink.limits import UplinkLimits
from holdfast_sidecar.uplink.protocol import UplinkIdentity

from tests.simulation.clock import MS, SECOND, START_UNIX_NS, US, HostClock, SimLoop
from tests.simulation.disk import Folder, SimStore
from tests.simulation.event_uplink import CALL_TIMEOUT_MS, EventLine, Pushed
from tests.simulation.events import EventsPlan
from tests.simulation.history import History
from tests.simulation.network import Link, Stream
from tests.simulation.record import Record
from tests.simulation.uplink import SimUplink

Answer: TypeAlias = Callable[[Result | None], None]
"""Takes the result of a call; None: it was lost."""

INSTANCE_BYTES = 16
ROUND_NS = (5 * US, 400 * US)
"""How soon the loop's thread comes to look."""
MIN_WAIT_NS = 100 * US


class SidecarDied(BaseException):
    """The process is gone; no handler of it sees this."""


@dataclass(slots=True)
class Surroundings:
    """What all hosts share."""

    loop: SimLoop
    history: History
    record: Record
    settings: EngineSettings
    limits: UplinkLimits
    dial: Callable[[Link, Callable[[bool], None]], None]
    accept: Callable[[Stream], None]
    after_round: Callable[["Host"], None]
    died_in_round: Callable[["Host"], None]
    new_line: Callable[[], int]
    events: EventsPlan
    ledgers: Sequence[Pushed]


class _Transport:
    """Calls in, answers out."""

    def __init__(self, process: "Process") -> None:
        self._process = process
        self.calls: list[Call] = []

    def next_batch(self, _: int) -> list[Call]:
        calls, self.calls = self.calls, []
        return calls

    def reply(self, calls: Sequence[Call]) -> None:
        for call in calls:
            self._process.answered(call)

    def wake(self) -> None:
        self._process.wake()


class _Dispatcher:
    """The calls are values already, and none has events."""

    events_wait = False

    def decode(self, calls: list[Call]) -> tuple[list[Call], list[Call]]:
        return calls, []

    def encode(self, call: Call) -> Call:
        return call

    def refuse(self, call: Call, fault: Fault) -> Call:
        call.results = [fault]
        return call


class Process:
    """One sidecar process, from its start to its end."""

    def __init__(self, host: "Host") -> None:
        shared = host.shared
        self.host = host
        self._shared = shared
        self._rng = Random(f"{host.rng.random()}")
        self.alive = True
        self._round_at_ns: int | None = None
        self._answers: dict[Call, Answer] = {}
        self._waiting: list[asyncio.Future[None]] = []
        """Of the event uplink, while the process is stopped."""
        now_ns = host.clock.now_ns
        self.store = SimStore(host.folder, shared.record, boot_id=host.boot_id, now_ns=now_ns())
        snapshot = self.store.load()
        self.meta = meta = snapshot.meta
        names = self.store if shared.events.drawn else None
        self.engine = Engine(shared.settings, snapshot, Encoder(), now_ns(), names)
        if meta.instance == meta.welcomed_instance:
            meta.instance = self._rng.randbytes(INSTANCE_BYTES)
            self.store.commit(Writes(meta=meta))
        self.transport = _Transport(self)
        self._inbox = Inbox(self.wake)
        self.uplink = SimUplink(
            shared.loop,
            host.clock,
            host.link,
            self._rng,
            self.store,
            identity_of(self.meta, shared.settings.max_hold_ttl_ms),
            shared.limits,
            lambda answer: shared.dial(host.link, answer),
            shared.accept,
            self._emit,
            lambda what: shared.history.tell(host.name, what),
        )
        self._events = self._event_line() if shared.events.drawn else None
        self.loop = DecisionLoop(
            cast("Any", self.transport),
            cast("Any", _Dispatcher()),
            self.engine,
            self.store,
            self._inbox,
            self.uplink,
            now_ns,
            lambda: (START_UNIX_NS + shared.loop.now_ns) // MS,
        )
        self.uplink.kick()
        self.wake()

    def _event_line(self) -> EventLine:
        """Puts the event uplink together."""
        shared, host, meta = self._shared, self.host, self.meta
        limits = EventUplinkLimits(
            batch_event_count=shared.events.push_events,
            linger_ms=shared.events.linger_ms,
            call_timeout_ms=CALL_TIMEOUT_MS,
            backoff_max_ms=400,
        )
        line = EventLine(
            shared.loop,
            host.clock,
            host.link,
            self,
            shared.ledgers,
            Random(f"{host.name} {host.start_count} {shared.loop.now_ns}"),
            limits,
            meta.sidecar_id,
            meta.acked_event_sequence,
            self.store.read_events,
            self._emit,
        )
        line.uplink.welcomed(meta.birth_epoch)
        return line

    async def wait_while_stopped(self) -> None:
        """See `event_uplink.Machine`."""
        while self.host.paused:
            going_on = self._shared.loop.create_future()
            self._waiting.append(going_on)
            await going_on

    def events_pushed(self) -> None:
        """See `event_uplink.Machine`."""
        try:
            self.host.crash_point("after_events_pushed")
        except SidecarDied:
            self.host.kill("dies with its events pushed")
            raise asyncio.CancelledError from None

    # ── rounds ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def wake(self) -> None:
        """Has the loop look soon."""
        self._round_by(self._shared.loop.now_ns + self._rng.randint(*ROUND_NS))

    def _round_by(self, at_ns: int) -> None:
        if self._round_at_ns is None or at_ns < self._round_at_ns:
            self._round_at_ns = at_ns
            self._shared.loop.at(at_ns, self._round, at_ns)

    def _round(self, at_ns: int) -> None:
        if at_ns != self._round_at_ns or not self.alive or self.host.paused:
            return
        self._round_at_ns = None
        host = self.host
        outer = Host.running
        Host.running = host
        try:
            self.loop.round(0)
        except SidecarDied:
            self._die("dies in a round")
            return
        except StoreFailed:
            self._die("ends: its store failed")
            return
        finally:
            Host.running = outer
        self._shared.after_round(host)
        if self.alive:
            due_ns = host.clock.true_ns(min(self.engine.next_deadline_ns(), host.clock.now_ns() + 60 * SECOND))
            self._round_by(max(due_ns, self._shared.loop.now_ns + MIN_WAIT_NS))

    def _die(self, why: str) -> None:
        self._shared.died_in_round(self.host)
        self.host.kill(why)

    # ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def call(self, operation: Operation, answer: Answer) -> None:
        """A client calls."""
        call = Call(0, [operation])
        self._answers[call] = answer
        self.transport.calls.append(call)
        self.wake()

    def answered(self, call: Call) -> None:
        """The loop answers."""
        result, operation = call.results[0], call.operations[0]
        if isinstance(operation, ReportEvents | VoidEvents):
            self._shared.record.events.answered(self.host.folder.line, operation, result)
        amount = debited(operation, result)
        if amount:
            folder = self.host.folder
            op = cast("Settle | Charge", operation)
            self._shared.record.answered(folder.sidecar_id, folder.line, (op.account_id, op.operation_id), amount)
        self._shared.loop.after(20 * US, self._answers.pop(call), result)

    def end(self) -> None:
        """The process is gone: who waits is told that the connection broke."""
        self.alive = False
        self.uplink.stop()
        if self._events is not None:
            self._events.stop()
        self.store.close()
        answers, self._answers = self._answers, {}
        for answer in answers.values():
            self._shared.loop.after(50 * US, answer, None)

    # ── the uplink ──────────────────────────────────────────────────────────────────────────────────────────────────

    def hear(self, event: Event) -> None:
        """Hands the engine an event."""
        self._inbox.put(event)

    def _emit(self, event: UplinkEvent) -> None:
        if isinstance(event, Connected) and self._events is not None:
            self._events.uplink.welcomed(event.birth_epoch)
        self._inbox.put(event)
        if isinstance(event, Fenced):
            self.host.fenced = event.reason
            self._shared.loop.after(5 * MS, self._stop_fenced)

    def _stop_fenced(self) -> None:
        if self.alive:
            self.host.kill("stops, fenced")

    def resume(self) -> None:
        """Goes on after SIGCONT."""
        self._round_at_ns = None
        self.wake()
        self.uplink.resume()
        waiting, self._waiting = self._waiting, []
        for going_on in waiting:
            if not going_on.done():
                going_on.set_result(None)


def debited(operation: Operation, result: Result) -> int:
    """Returns what an answer says is debited, in minor units."""
    if isinstance(result, bytes):
        if isinstance(operation, Settle):
            return int(pb.SettleResponse.FromString(result).debited_amount)
        if isinstance(operation, Charge):
            return int(pb.ChargeResponse.FromString(result).debited_amount)
    return 0


def identity_of(meta: Meta, max_hold_ttl_ms: int) -> UplinkIdentity:
    """Returns who a folder says that the process is."""
    return UplinkIdentity(
        sidecar_id=meta.sidecar_id,
        epoch=meta.epoch,
        instance=meta.instance,
        last_sequence=meta.last_sequence,
        acked_sequence=meta.acked_sequence,
        max_hold_ttl_ms=max_hold_ttl_ms,
        version="simulated",
        birth_epoch=meta.birth_epoch,
    )


@dataclass(eq=False)
class Host:
    """A machine with a place for a sidecar."""

    name: str
    shared: Surroundings
    rng: Random
    clock: HostClock
    link: Link
    folder: Folder
    durability: str
    boot_id: str
    boot_count: int = 1
    process: Process | None = None
    paused: bool = False
    fenced: str = ""
    crash_at: tuple[str, int] | None = None
    """The loop's named point at which the process dies, and after how many passes."""
    rebooted: bool = False
    start_count: int = 0
    last_word_ns: int = 0
    """When an earlier process of this boot last said a word to the ledger that renews leases, on this boot's clock."""

    running: "Host | None" = None

    @property
    def alive(self) -> bool:
        """Whether a process runs, stopped or not."""
        return self.process is not None

    @property
    def connected(self) -> bool:
        """Whether the ledger has welcomed it, durably."""
        return self.process is not None and self.process.uplink.protocol.state is State.STREAMING

    def start(self) -> None:
        """Starts a process on the folder, unless one runs."""
        if self.process is None and not self.fenced:
            self.shared.history.tell(self.name, "starts", f"on folder {self.folder.line}")
            self.start_count += 1
            self.process = Process(self)

    def kill(self, why: str) -> None:
        """Ends the process at once."""
        if self.process is not None:
            process, self.process = self.process, None
            self.paused = False
            self.crash_at = None
            self.last_word_ns = max(self.last_word_ns, process.uplink.last_word_ns)
            self.shared.history.tell(self.name, why)
            process.end()

    def drain(self) -> None:
        """Gives back what no hold needs, as before an orderly stop."""
        if self.process is not None and not self.paused:
            self.process.hear(Draining())

    def pause(self) -> None:
        """SIGSTOP."""
        if self.process is not None and not self.paused:
            self.shared.history.tell(self.name, "is stopped")
            self.paused = True
            self.process.uplink.paused = True

    def resume(self) -> None:
        """SIGCONT."""
        if self.process is not None and self.paused:
            self.shared.history.tell(self.name, "goes on")
            self.paused = False
            self.process.resume()

    def lose_power(self) -> None:
        """The machine goes down hard and comes up again; the process has to be started."""
        self.kill("loses power")
        self.reboot()
        if self.durability == "process":
            self.lose_folder()

    def reboot(self) -> None:
        """Another boot: CLOCK_BOOTTIME starts over."""
        self.boot_count += 1
        self.boot_id = f"{self.name}-boot-{self.boot_count}"
        self.last_word_ns = 0
        self.rebooted = True
        self.clock.reboot(self.rng.randint(1, 20) * SECOND)

    def lose_folder(self) -> None:
        """The folder is gone: the next start is a new life."""
        self.kill("loses its folder")
        self.shared.history.tell(self.name, "begins an empty folder")
        self.folder = Folder(self.folder.sidecar_id, self.shared.new_line())
        self.fenced = ""

    def crash_point(self, name: str) -> None:
        """The loop passes a named point."""
        if self.crash_at is None or self.crash_at[0] != name:
            return
        point, passes_left = self.crash_at
        self.crash_at = (point, passes_left - 1)
        if passes_left <= 1:
            self.shared.history.tell(self.name, "reaches", name)
            raise SidecarDied

    def call(self, operation: Operation, answer: Answer) -> None:
        """A client of this host calls; without a process it is refused."""
        if self.process is None:
            self.shared.loop.after(50 * US, answer, None)
        else:
            self.process.call(operation, answer)


def crash_point(name: str) -> None:
    """Stands for `holdfast_sidecar.crash_points.crash_point` in the loop."""
    if Host.running is not None:
        Host.running.crash_point(name)
