"""The real event uplink over the simulated network: each PushEvents is a stream of one message and one answer.

`uplink/event_uplink.py` runs as it is, on the simulated loop; what it knows of gRPC is replaced (`grpc_of_simulation`).
A call fails as any stream does: it is cut with a suffix lost, waits for a link that is blocked, or takes too long.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import NoReturn, Protocol, Self, cast

import grpc
import holdfast_sidecar.uplink.event_uplink as uplink_module
from holdfast_sidecar.engine.event_rows import EventRow
from holdfast_sidecar.engine.events import UplinkEvent
from holdfast_sidecar.uplink.event_uplink import EventUplink, EventUplinkLimits

from tests.simulation.clock import MS, SECOND, START_UNIX_NS, HostClock, SimLoop
from tests.simulation.network import UNAVAILABLE, Link, Stream
from tests.simulation.patching import replaced

CALL_TIMEOUT_MS = 2_000
_STATUS = {code.value[0]: code for code in grpc.StatusCode}
Trailing = tuple[tuple[str, bytes], ...]


class Pushed(Protocol):
    """A replica, as it takes calls that push events."""

    alive: bool

    def accept_push(self, stream: Stream, failed: Callable[[Trailing], None]) -> None:
        """A sidecar calls; `failed` is told the details of an error before the stream ends."""


class Machine(Protocol):
    """The process that pushes."""

    def wait_while_stopped(self) -> Awaitable[None]:
        """Returns when the process is not stopped (SIGSTOP)."""

    def events_pushed(self) -> None:
        """Passes the point at which the ledger has answered and nobody was told; may raise."""


class _Target(str):
    """A target, as the uplink hands it to gRPC: with what is behind it."""

    __slots__ = ("ledger", "line")
    line: "EventLine"
    ledger: Pushed


class EventLine:
    """One process's event uplink, from its start to its end."""

    def __init__(
        self,
        loop: SimLoop,
        clock: HostClock,
        link: Link,
        machine: Machine,
        ledgers: Sequence[Pushed],
        rng: Random,
        limits: EventUplinkLimits,
        sidecar_id: str,
        acked_sequence: int,
        read_events: Callable[[int, int, int], list[EventRow]],
        emit: Callable[[UplinkEvent], None],
    ) -> None:
        self.loop = loop
        self.link = link
        self.machine = machine
        self.dead = False
        targets = [self._target(number, ledger) for number, ledger in enumerate(ledgers)]
        now_unix_ms = lambda: (START_UNIX_NS + loop.now_ns) // MS  # noqa: E731 - a clock
        self.uplink = EventUplink(
            targets, sidecar_id, acked_sequence, read_events, emit, clock.now_ns, now_unix_ms, rng, None, limits
        )
        self._task: asyncio.Task[None] = loop.create_task(self.uplink._run())
        self._task.add_done_callback(self._ended)

    def _target(self, number: int, ledger: Pushed) -> _Target:
        target = _Target(f"ledger-{number}")
        target.line, target.ledger = self, ledger
        return target

    def _ended(self, task: "asyncio.Task[None]") -> None:
        fault = None if task.cancelled() else task.exception()
        if isinstance(fault, Exception):
            self.loop.faults.append(f"the event uplink raised {fault!r}")

    def stop(self) -> None:
        """The process is dead: its calls break."""
        self.dead = True
        self._task.cancel()


class _Call:
    """The sidecar's end of a call."""

    def __init__(self, loop: SimLoop) -> None:
        self.answer: asyncio.Future[bytes] = loop.create_future()
        self.trailing: Trailing = ()

    def deliver(self, message: bytes) -> None:
        if not self.answer.done():
            self.answer.set_result(message)

    def broken(self, status: int, reason: str, message: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(_failure(_STATUS[status], message or reason, self.trailing))

    def failed(self, trailing: Trailing) -> None:
        self.trailing = trailing


def _failure(code: grpc.StatusCode, details: str, trailing: Trailing = ()) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), details)


class _Channel:
    def __init__(self, target: _Target) -> None:
        self._target = target

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def unary_unary(self, path: str) -> Callable[..., Awaitable[bytes]]:
        return self._push if path.endswith("/PushEvents") else _refused

    async def _push(self, request: bytes, timeout: float) -> bytes:
        line, ledger = self._target.line, self._target.ledger
        await line.machine.wait_while_stopped()
        call = _Call(line.loop)
        stream = Stream(line.link, call)
        line.loop.after(round(timeout * SECOND), call.broken, grpc.StatusCode.DEADLINE_EXCEEDED.value[0], "", "late")
        if ledger.alive:
            ledger.accept_push(stream, call.failed)
            stream.send_up(request)
        else:
            stream.close_server(UNAVAILABLE, "", "connection refused")
        try:
            answer = await call.answer
        finally:
            if line.dead:
                stream.cut()
            else:
                stream.close_client()
        await line.machine.wait_while_stopped()
        line.machine.events_pushed()
        return answer


async def _refused(request: bytes, timeout: float) -> NoReturn:
    raise AssertionError("decisions are not told here")


class _Aio:
    """What the event uplink uses of grpc.aio."""

    AioRpcError = grpc.aio.AioRpcError

    @staticmethod
    def insecure_channel(target: str, options: object) -> _Channel:
        return _Channel(cast("_Target", target))


class _Grpc:
    aio = _Aio


@contextmanager
def grpc_of_simulation() -> Iterator[None]:
    """Gives event uplinks simulated channels for as long as the context lasts."""
    with replaced(uplink_module, "grpc", _Grpc):
        yield
