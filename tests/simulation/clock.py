"""Virtual time: an asyncio loop without sockets, threads or a selector, and the clocks of hosts that read it.

All that happens in a simulation is a callback here, ordered by (time, number of its making). Nothing waits: when no
callback is ready, time is the time of the next one. So a run is a function of its plan alone.
"""

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable
from contextvars import Context
from heapq import heappop, heappush
from typing import Any, TypeVar, cast

T = TypeVar("T")

US = 1_000
MS = 1_000_000
SECOND = 1_000_000_000
MILLION = 1_000_000
START_UNIX_NS = 1_800_000_000 * SECOND


class SimLoop:
    """Runs callbacks of tasks and of the simulation itself in one order; has what asyncio's tasks ask of a loop."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[int, int, Callable[..., object], tuple[Any, ...]]] = []
        self._made_count = 0
        self.faults: list[str] = []
        self.stopped = False
        """Set by a callback to end `run_until` after it."""

    @property
    def as_asyncio(self) -> asyncio.AbstractEventLoop:
        """This loop, under the type by which asyncio knows it; of its methods only those that are used are here."""
        return cast("asyncio.AbstractEventLoop", self)

    # The simulation's own callbacks: no handle, since nothing cancels them.

    def at(self, at_ns: int, callback: Callable[..., object], *args: Any) -> None:
        """Calls back at a time, not before now."""
        self._made_count += 1
        heappush(self._timers, (max(at_ns, self.now_ns), self._made_count, callback, args))

    def after(self, delay_ns: int, callback: Callable[..., object], *args: Any) -> None:
        """Calls back after a delay."""
        self.at(self.now_ns + delay_ns, callback, *args)

    def run_until(self, until_ns: int) -> None:
        """Runs all that falls due up to a time, which is the time afterwards."""
        outer = events._get_running_loop()
        events._set_running_loop(self.as_asyncio)
        try:
            self._run_ready()
            while self._timers and self._timers[0][0] <= until_ns and not self.stopped:
                at_ns, _, callback, args = heappop(self._timers)
                self.now_ns = at_ns
                callback(*args)
                self._run_ready()
            self.now_ns = max(self.now_ns, until_ns)
        finally:
            events._set_running_loop(outer)

    def _run_ready(self) -> None:
        ready = self._ready
        while ready:
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    # What tasks and futures ask of a loop.

    def time(self) -> float:
        """Virtual time in seconds."""
        return self.now_ns / SECOND

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        """See `asyncio.AbstractEventLoop`."""
        handle = asyncio.Handle(callback, args, self.as_asyncio, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """See `asyncio.AbstractEventLoop`; there is one thread."""
        return self.call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See `asyncio.AbstractEventLoop`."""
        handle = asyncio.TimerHandle(when, callback, args, self.as_asyncio, context)
        self.at(round(when * SECOND), self._run_timer, handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See `asyncio.AbstractEventLoop`."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def _run_timer(self, handle: asyncio.TimerHandle) -> None:
        if not handle._cancelled:
            handle._run()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled timer stays until its time; it is passed over then."""

    def create_future(self) -> "asyncio.Future[Any]":
        """See `asyncio.AbstractEventLoop`."""
        return asyncio.Future(loop=self.as_asyncio)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> "asyncio.Task[Any]":
        """See `asyncio.AbstractEventLoop`."""
        return asyncio.Task(coro, loop=self.as_asyncio, name=name, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":
        """See `asyncio.AbstractEventLoop`; done at once, in this thread."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as fault:  # noqa: BLE001 - whatever it raises is its caller's
            future.set_exception(fault)
        return future

    def is_running(self) -> bool:
        """See `asyncio.AbstractEventLoop`."""
        return True

    def is_closed(self) -> bool:
        """See `asyncio.AbstractEventLoop`."""
        return False

    def get_debug(self) -> bool:
        """See `asyncio.AbstractEventLoop`."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keeps what nobody handled, for the run to fail with."""
        fault = context.get("exception")
        self.faults.append(f"{context.get('message')}: {fault!r}")


class HostClock:
    """CLOCK_BOOTTIME of one host: goes a little fast or slow, starts over with a reboot, runs on in a pause."""

    def __init__(self, loop: SimLoop, drift_ppm: int, uptime_ns: int) -> None:
        self._loop = loop
        self._drift_ppm = drift_ppm
        self._booted_at_ns = loop.now_ns
        self._uptime_ns = uptime_ns

    def now_ns(self) -> int:
        """The host's time in nanoseconds."""
        passed_ns = self._loop.now_ns - self._booted_at_ns
        return self._uptime_ns + passed_ns * (MILLION + self._drift_ppm) // MILLION

    def true_ns(self, local_ns: int) -> int:
        """Returns the true time at which the host's clock has reached a time of its own."""
        passed_ns = local_ns - self._uptime_ns
        return self._booted_at_ns + -(-passed_ns * MILLION // (MILLION + self._drift_ppm))

    def reboot(self, uptime_ns: int) -> None:
        """Starts over."""
        self._booted_at_ns = self._loop.now_ns
        self._uptime_ns = uptime_ns


class WallClock:
    """The ledger's machine: a wall clock that steps, a monotonic one that drifts."""

    def __init__(self, loop: SimLoop, drift_ppm: int) -> None:
        self._loop = loop
        self._drift_ppm = drift_ppm
        self.step_ns = 0

    def wall_ns(self) -> int:
        """Unix time in nanoseconds, as the machine has it."""
        return START_UNIX_NS + self._loop.now_ns + self.step_ns

    def monotonic_ns(self) -> int:
        """CLOCK_BOOTTIME in nanoseconds."""
        return self._loop.now_ns * (MILLION + self._drift_ppm) // MILLION
