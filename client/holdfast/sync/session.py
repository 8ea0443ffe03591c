"""A session: what many threads ask at about the same time travels in one message of a bidirectional stream.

Upstream: the callers' threads, which wait for futures. Downstream: one background thread that reads the stream, and
grpc's own that takes messages from `_outgoing`: whatever was queued while the message before was written goes into
the next. The queue, the messages and who gets which answer are `core/stream.py`.
"""

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from types import TracebackType
from typing import Protocol

import grpc

from holdfast.answers import Answer
from holdfast.core.settings import Settings
from holdfast.core.statistics import Counters
from holdfast.core.stream import Multiplexer, SessionStatistics
from holdfast.errors import ClientClosed, DeadlineExceeded, HoldfastError, Unavailable
from holdfast.operations import Operation, operation_id_of
from holdfast.sync.calls import Calls
from holdfast.sync.faults import fault_of
from holdfast.v1.enforcement_service_pb2 import SessionRequest, SessionResponse

_Waiter = Future[Answer | HoldfastError]


class Stream(Protocol):
    """The stream's answers, as grpc has them; the messages to send are given when it is opened."""

    def __iter__(self) -> Iterator[SessionResponse]: ...
    def cancel(self) -> bool:
        """Ends the stream at once."""


class Session(Calls):
    """The calls of `Client` that are operations, many to a message; made by `Client.session`, for many threads.

    It opens its stream with the first operation and again after the stream was lost; operations under way are then
    sent again with the same ids. Operations of one message are carried out in their order; across messages there is
    none. In a forked child, make another one.

    >>> with holdfast.Client() as client, client.session() as session:
    ...     hold = session.reserve("acme", 1_000)
    ...     hold.settle(900).returned_amount
    100
    """

    def __init__(
        self,
        settings: Settings,
        counters: Counters,
        open_stream: Callable[[Iterator[SessionRequest]], Stream],
        on_closed: Callable[["Session"], None],
    ) -> None:
        super().__init__(settings, counters)
        self._open_stream = open_stream
        self._on_closed = on_closed
        self._core: Multiplexer[_Waiter] = Multiplexer()
        self._changed = threading.Condition()
        self._runner: threading.Thread | None = None
        self._stream: Stream | None = None
        self._stream_number = 0  # an older stream's writer has nothing to send any more
        self._failures = 0
        self._closed = False  # takes no more operations
        self._ending = False  # waits for no more answers

    def submit(self, operation: Operation, timeout_ms: int | None) -> Answer:
        """Sends one operation with the others of this moment."""
        timeout_s = self._settings.timeout_s(timeout_ms)
        waiter: _Waiter = Future()
        with self._changed:
            self._check_open()
            self._core.add(operation, waiter)
            self._wake()
        return _raised(self._result(operation, waiter, timeout_s))

    def execute(
        self, operations: Iterable[Operation], *, linked: bool = False, timeout_ms: int | None = None
    ) -> list[Answer | HoldfastError]:
        """Carries out many operations; `linked`: all or nothing, in a message of their own.

        A fault of one is a value in its place.
        """
        timeout_s = self._settings.timeout_s(timeout_ms)
        listed = list(operations)
        waiters: list[_Waiter] = [Future() for _ in listed]
        with self._changed:
            self._check_open()
            if linked:
                self._core.add_linked(listed, waiters)
            else:
                for operation, waiter in zip(listed, waiters, strict=True):
                    self._core.add(operation, waiter)
            self._wake()
        wait(waiters, timeout_s)
        return [self._result(operation, waiter, 0) for operation, waiter in zip(listed, waiters, strict=True)]

    def statistics(self) -> SessionStatistics:
        """Counts of what this session did."""
        with self._changed:
            return self._core.statistics()

    def close(self) -> None:
        """Waits for what is under way, at most the client's deadline, and ends the stream."""
        with self._changed:
            self._closed = True
            waiting = self._core.waiters()
        wait(waiting, self._settings.timeout_s(None))
        with self._changed:
            self._ending = True
            self._changed.notify_all()
            runner, stream = self._runner, self._stream
        if stream is not None:
            stream.cancel()
        if runner is not None:
            runner.join()
        self._on_closed(self)

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosed("the session is closed")

    def _wake(self) -> None:
        if self._runner is None:
            self._runner = threading.Thread(target=self._run, name="holdfast-session", daemon=True)
            self._runner.start()
        self._changed.notify_all()

    def _result(self, operation: Operation, waiter: _Waiter, timeout_s: float) -> Answer | HoldfastError:
        try:
            return waiter.result(timeout_s)
        except FutureTimeoutError:
            if not waiter.cancel():  # the answer came this very moment
                return waiter.result()
            self._counters.add("unanswered")
            return DeadlineExceeded("no answer within the deadline", operation_id=operation_id_of(operation))

    def _run(self) -> None:
        """Keeps a stream for as long as there is something to send or to wait for."""
        while True:
            error = self._converse()
            with self._changed:
                self._stream, self._stream_number = None, self._stream_number + 1
                self._core.broken()
                self._changed.notify_all()  # the lost stream's writer ends
                self._failures += 1
                delay_s = None if self._ending else self._settings.retry_delay_s(error, self._failures, math.inf)
                if delay_s is None:
                    self._give_up(error)
                if delay_s is None or not self._core.queued:
                    self._runner, self._failures = None, 0
                    return
                self._counters.add("retries")
                self._changed.wait_for(lambda: self._ending, delay_s)

    def _converse(self) -> HoldfastError:
        """Reads one stream until it ends, and says why it did."""
        try:
            stream = self._open_stream(self._outgoing(self._stream_number))
            with self._changed:
                self._stream = stream
                if self._ending:
                    stream.cancel()
            for response in stream:
                self._receive(response)
        except grpc.RpcError as cause:
            return fault_of(cause)
        return Unavailable("the sidecar ended the stream", reason="STREAM_ENDED")

    def _outgoing(self, stream_number: int) -> Iterator[SessionRequest]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._core.queued or self._is_over(stream_number))
                if self._is_over(stream_number):
                    return
                message = self._core.next_message()
            if message is not None:
                yield message

    def _is_over(self, stream_number: int) -> bool:
        return self._ending or stream_number != self._stream_number

    def _receive(self, response: SessionResponse) -> None:
        with self._changed:
            self._failures = 0
            results = list(self._core.receive(response))
        for _, waiter, result in results:
            _resolve(waiter, result)

    def _give_up(self, error: HoldfastError) -> None:
        for operation, waiter in self._core.give_up():
            if isinstance(error, Unavailable):
                self._counters.add("unanswered")
            _resolve(waiter, error.of(operation_id_of(operation)))


def _resolve(waiter: _Waiter, result: Answer | HoldfastError) -> None:
    if waiter.set_running_or_notify_cancel():
        waiter.set_result(result)


def _raised(result: Answer | HoldfastError) -> Answer:
    if isinstance(result, HoldfastError):
        raise result
    return result
