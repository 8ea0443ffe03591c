"""A session: the operations of one tick of the event loop travel in one message of a bidirectional stream.

A call costs a Python client about a third of a millisecond, an operation in a session a tenth of that. Upstream: the
caller's coroutines, which wait for futures. Downstream: one task that keeps the stream, and one that writes to it.
The queue, the messages and who gets which answer are `core/stream.py`.
"""

import asyncio
import math
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol

from grpc import aio

from holdfast.aio.calls import Calls
from holdfast.aio.faults import fault_of
from holdfast.answers import Answer
from holdfast.core.hold import given_back
from holdfast.core.settings import Settings
from holdfast.core.statistics import Counters
from holdfast.core.stream import Multiplexer, SessionStatistics
from holdfast.errors import ClientClosed, DeadlineExceeded, HoldfastError, Unavailable
from holdfast.operations import Operation, operation_id_of
from holdfast.v1.enforcement_service_pb2 import SessionRequest, SessionResponse


class Stream(Protocol):
    """The stream's two directions, as grpc.aio has them."""

    async def write(self, request: SessionRequest) -> None:
        """Sends one message."""

    async def read(self) -> SessionResponse | object:
        """The next message, or `aio.EOF`."""

    def cancel(self) -> bool:
        """Ends the stream at once."""


class _Waiter:
    """One operation's future and deadline."""

    __slots__ = ("future", "give_back", "timer")

    def __init__(self, future: asyncio.Future[Answer], timer: asyncio.TimerHandle, *, give_back: bool) -> None:
        self.future = future
        self.timer = timer
        self.give_back = give_back

    def done(self) -> bool:
        return self.future.done()

    def resolve(self, result: Answer | HoldfastError) -> None:
        self.timer.cancel()
        if self.future.done():
            return
        if isinstance(result, HoldfastError):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class Session(Calls):
    """The calls of `AsyncClient` that are operations, many to a message; made by `AsyncClient.session`.

    It opens its stream with the first operation and again after the stream was lost; operations under way are then
    sent again with the same ids. It belongs to one event loop. Operations of one message are carried out in their
    order; across messages there is none.

    >>> async def fan_out() -> int:
    ...     async with holdfast.AsyncClient() as client, client.session() as session:
    ...         holds = await asyncio.gather(*(session.reserve("acme", 1_000) for _ in range(50)))
    ...         await asyncio.gather(*(hold.settle(900) for hold in holds))
    ...         return session.statistics().messages
    >>> asyncio.run(fan_out())
    2
    """

    def __init__(
        self,
        settings: Settings,
        counters: Counters,
        open_stream: Callable[[], Stream],
        on_closed: Callable[["Session"], None],
    ) -> None:
        super().__init__(settings, counters)
        self._open_stream = open_stream
        self._on_closed = on_closed
        self._core: Multiplexer[_Waiter] = Multiplexer()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: asyncio.Task[None] | None = None
        self._wake: asyncio.Future[None] | None = None
        self._drained_future: asyncio.Future[None] | None = None
        self._failures = 0
        self._closed = False

    async def submit(self, operation: Operation, timeout_ms: int | None, *, give_back: bool = False) -> Answer:
        """Sends one operation with the others of this tick."""
        waiter = self._waiter(operation, timeout_ms, give_back=give_back)
        try:
            self._core.add(operation, waiter)
        except HoldfastError:
            waiter.timer.cancel()
            raise
        self._wake_writer()
        return await waiter.future

    async def execute(
        self, operations: Iterable[Operation], *, linked: bool = False, timeout_ms: int | None = None
    ) -> list[Answer | HoldfastError]:
        """Carries out many operations; `linked`: all or nothing, in a message of their own.

        A fault of one is a value in its place.
        """
        listed = list(operations)
        waiters = [self._waiter(operation, timeout_ms, give_back=False) for operation in listed]
        try:
            if linked:
                self._core.add_linked(listed, waiters)
            else:
                for operation, waiter in zip(listed, waiters, strict=True):
                    self._core.add(operation, waiter)
        except HoldfastError:
            for waiter in waiters:
                waiter.future.cancel()
                waiter.timer.cancel()
            raise
        self._wake_writer()
        results = await asyncio.gather(*(waiter.future for waiter in waiters), return_exceptions=True)
        return [_value(result) for result in results]

    def statistics(self) -> SessionStatistics:
        """Counts of what this session did."""
        return self._core.statistics()

    async def close(self) -> None:
        """Waits for what is under way, at most until its deadlines, and ends the stream."""
        await self._kept_done()
        if waiting := [waiter.future for waiter in self._core.waiters() if not waiter.done()]:
            await asyncio.wait(waiting)
        if self._runner is not None:
            # What nobody waits for any longer, such as the release of an abandoned hold, has a moment to leave.
            leaving = [self._runner, self._drained()]
            timeout_s = self._settings.timeout_s(None)
            await asyncio.wait(leaving, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            self._runner.cancel()
            await asyncio.wait([self._runner])
        self._closed = True
        self._on_closed(self)

    async def __aenter__(self) -> "Session":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _waiter(self, operation: Operation, timeout_ms: int | None, *, give_back: bool) -> _Waiter:
        loop = asyncio.get_running_loop()
        if self._closed:
            raise ClientClosed("the session is closed")
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError("this session belongs to another event loop")
        future: asyncio.Future[Answer] = loop.create_future()
        timer = loop.call_later(self._settings.timeout_s(timeout_ms), self._expire, future, operation)
        return _Waiter(future, timer, give_back=give_back)

    def _expire(self, future: asyncio.Future[Answer], operation: Operation) -> None:
        if not future.done():
            self._counters.add("unanswered")
            future.set_exception(
                DeadlineExceeded("no answer within the deadline", operation_id=operation_id_of(operation))
            )

    def _wake_writer(self) -> None:
        if self._runner is None or self._runner.done():
            self._runner = asyncio.get_running_loop().create_task(self._run())
        elif self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _run(self) -> None:
        """Keeps a stream for as long as there is something to send or to wait for."""
        while True:
            error = await self._converse()
            self._core.broken()
            if not self._core.queued:
                return
            self._failures += 1
            delay_s = self._settings.retry_delay_s(error, self._failures, math.inf)
            if delay_s is None:
                self._give_up(error)
                return
            self._counters.add("retries")
            await asyncio.sleep(delay_s)

    async def _converse(self) -> HoldfastError:
        """Writes and reads one stream until it ends, and says why it did."""
        stream = self._open_stream()
        writer = asyncio.get_running_loop().create_task(self._write(stream))
        try:
            while isinstance(response := await stream.read(), SessionResponse):
                self._receive(response)
            return Unavailable("the sidecar ended the stream", reason="STREAM_ENDED")
        except aio.AioRpcError as cause:
            return fault_of(cause)
        finally:
            writer.cancel()
            stream.cancel()
            await asyncio.wait([writer])

    async def _write(self, stream: Stream) -> None:
        try:
            while True:
                while (message := self._core.next_message()) is not None:
                    await stream.write(message)
                self._wake = asyncio.get_running_loop().create_future()
                await self._wake
        except (aio.AioRpcError, asyncio.InvalidStateError):
            return  # the stream is lost; the reader says why

    def _receive(self, response: SessionResponse) -> None:
        self._failures = 0
        for operation, waiter, result in self._core.receive(response):
            if waiter.give_back and waiter.future.cancelled() and not isinstance(result, HoldfastError):
                self._give_back(operation, result)
            waiter.resolve(result)
        if self._drained_future is not None and self._core.idle and not self._drained_future.done():
            self._drained_future.set_result(None)

    def _give_back(self, operation: Operation, answer: Answer) -> None:
        if (release := given_back(operation, answer)) is not None:
            waiter = self._waiter(release, None, give_back=False)
            waiter.future.add_done_callback(_forget)
            self._core.add(release, waiter)
            self._wake_writer()

    def _give_up(self, error: HoldfastError) -> None:
        self._failures = 0
        for operation, waiter in self._core.give_up():
            if not waiter.done() and isinstance(error, Unavailable):
                self._counters.add("unanswered")
            waiter.resolve(error.of(operation_id_of(operation)))

    def _drained(self) -> asyncio.Future[None]:
        self._drained_future = asyncio.get_running_loop().create_future()
        if self._core.idle:
            self._drained_future.set_result(None)
        return self._drained_future


def _value(result: Answer | BaseException) -> Answer | HoldfastError:
    if isinstance(result, BaseException) and not isinstance(result, HoldfastError):
        raise result
    return result


def _forget(future: asyncio.Future[Answer]) -> None:
    if not future.cancelled():
        future.exception()  # a release that fails is made up for by the hold's time to live
