"""The session's protocol: many operations into few messages, and each answer back to who waits for it. No I/O.

The shells add operations with a waiter (whatever they resolve), take `next_message` when the stream can be written,
give every response to `receive`, and call `broken` when the stream is lost: what was in flight is queued again, in
order and with the same operation ids, which makes sending it twice safe.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from holdfast.answers import Answer, read_error, read_result
from holdfast.core.settings import MESSAGE_BYTES_MAX, MESSAGE_OPERATIONS_MAX, PENDING_OPERATIONS_MAX
from holdfast.errors import HoldfastError, Internal, ResourceExhausted
from holdfast.operations import Operation, operation_id_of
from holdfast.v1.enforcement_service_pb2 import SessionRequest, SessionResponse


class Waiter(Protocol):
    """Who waits for one operation's result."""

    def done(self) -> bool:
        """True when nobody waits any longer: resolved, cancelled, or past its deadline."""


_WaiterT = TypeVar("_WaiterT", bound=Waiter)


@dataclass(frozen=True, slots=True)
class _Batch(Generic[_WaiterT]):
    """Operations that travel in one message; a linked batch is never split nor merged."""

    entries: list[tuple[Operation, _WaiterT]]
    linked: bool


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """What a session did since it was made."""

    messages: int
    """Messages sent, those sent again included."""
    operations: int
    """Operations sent, those sent again included."""
    breaks: int
    """How often the stream was lost."""
    pending: int
    """Operations not answered yet."""


class Multiplexer(Generic[_WaiterT]):
    """Queue and in-flight table of one session."""

    def __init__(self) -> None:
        self._queue: deque[tuple[Operation, _WaiterT]] = deque()
        self._linked: deque[_Batch[_WaiterT]] = deque()
        self._in_flight: dict[int, _Batch[_WaiterT]] = {}
        self._in_flight_count = 0
        self._last_message_id = 0
        self._sent_count = 0
        self._break_count = 0

    @property
    def queued(self) -> bool:
        """Whether anything waits to be sent."""
        return bool(self._queue or self._linked)

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be sent or answered."""
        return not (self._queue or self._linked or self._in_flight)

    def add(self, operation: Operation, waiter: _WaiterT) -> None:
        """Queues an operation; it travels with its neighbours.

        Raises:
            ResourceExhausted: it does not fit a message, or too many operations are pending.
        """
        self._admit(_size(operation), 1)
        self._queue.append((operation, waiter))

    def add_linked(self, operations: Sequence[Operation], waiters: Sequence[_WaiterT]) -> None:
        """Queues operations that are carried out all or none; they travel in a message of their own.

        Raises:
            ResourceExhausted: together they do not fit a message, or too many operations are pending.
        """
        if len(operations) > MESSAGE_OPERATIONS_MAX:
            raise ResourceExhausted(
                f"{len(operations)} linked operations, at most {MESSAGE_OPERATIONS_MAX}", reason="TOO_MANY_OPERATIONS"
            )
        self._admit(sum(map(_size, operations)), len(operations))
        self._linked.append(_Batch(list(zip(operations, waiters, strict=True)), linked=True))

    def next_message(self) -> SessionRequest | None:
        """The next message to send, with as many queued operations as fit; None: nothing is queued.

        Operations that nobody waits for any longer are left out.
        """
        batch = self._next_linked() or self._next_single()
        if batch is None:
            return None
        self._last_message_id += 1
        message = SessionRequest(message_id=self._last_message_id)
        message.execute.operations.extend([operation for operation, _ in batch.entries])
        message.execute.linked = batch.linked
        self._in_flight[self._last_message_id] = batch
        self._in_flight_count += len(batch.entries)
        self._sent_count += len(batch.entries)
        return message

    def receive(self, response: SessionResponse) -> Iterator[tuple[Operation, _WaiterT, Answer | HoldfastError]]:
        """The results in a response, each with its operation and waiter; none for a message not in flight."""
        batch = self._in_flight.pop(response.message_id, None)
        if batch is None:
            return
        self._in_flight_count -= len(batch.entries)
        outcome = response.WhichOneof("outcome")
        results = response.execute.results
        if outcome == "execute" and len(results) == len(batch.entries):
            for (operation, waiter), result in zip(batch.entries, results, strict=True):
                yield operation, waiter, read_result(result, operation_id_of(operation))
            return
        for operation, waiter in batch.entries:
            operation_id = operation_id_of(operation)
            if outcome == "error":
                yield operation, waiter, read_error(response.error, operation_id)
            else:
                yield (
                    operation,
                    waiter,
                    Internal(
                        f"{len(results)} results for {len(batch.entries)} operations",
                        reason="UNREADABLE_ANSWER",
                        operation_id=operation_id,
                    ),
                )

    def broken(self) -> None:
        """The stream is lost: queues what was in flight again, ahead of the rest, in its order."""
        self._break_count += 1
        self._requeue()

    def _requeue(self) -> None:
        for message_id in reversed(list(self._in_flight)):
            batch = self._in_flight.pop(message_id)
            if batch.linked:
                self._linked.appendleft(batch)
            else:
                self._queue.extendleft(reversed(batch.entries))
        self._in_flight_count = 0

    def give_up(self) -> list[tuple[Operation, _WaiterT]]:
        """Takes out everything pending, for its waiters to be told."""
        self._requeue()
        entries = [entry for batch in self._linked for entry in batch.entries]
        entries.extend(self._queue)
        self._linked.clear()
        self._queue.clear()
        return entries

    def waiters(self) -> list[_WaiterT]:
        """Who waits for an answer."""
        batches = [*self._linked, *self._in_flight.values()]
        return [waiter for batch in batches for _, waiter in batch.entries] + [waiter for _, waiter in self._queue]

    def statistics(self) -> SessionStatistics:
        """The counts as they are now."""
        return SessionStatistics(
            messages=self._last_message_id,
            operations=self._sent_count,
            breaks=self._break_count,
            pending=self._pending_count(),
        )

    def _next_linked(self) -> _Batch[_WaiterT] | None:
        while self._linked:
            batch = self._linked.popleft()
            if not all(waiter.done() for _, waiter in batch.entries):
                return batch
        return None

    def _next_single(self) -> _Batch[_WaiterT] | None:
        entries: list[tuple[Operation, _WaiterT]] = []
        room = MESSAGE_BYTES_MAX
        while self._queue and len(entries) < MESSAGE_OPERATIONS_MAX:
            operation, waiter = self._queue[0]
            if not waiter.done():
                room -= _size(operation)
                if room < 0 and entries:
                    break
                entries.append((operation, waiter))
            self._queue.popleft()
        return _Batch(entries, linked=False) if entries else None

    def _pending_count(self) -> int:
        return len(self._queue) + sum(len(batch.entries) for batch in self._linked) + self._in_flight_count

    def _admit(self, size: int, count: int) -> None:
        if size > MESSAGE_BYTES_MAX:
            raise ResourceExhausted(
                f"{size} bytes do not fit a message of {MESSAGE_BYTES_MAX}", reason="MESSAGE_TOO_LARGE"
            )
        if len(self._queue) + self._in_flight_count + count > PENDING_OPERATIONS_MAX:
            raise ResourceExhausted(
                f"more than {PENDING_OPERATIONS_MAX} operations of this session are pending", reason="TOO_MANY_PENDING"
            )


def _size(operation: Operation) -> int:
    return operation.ByteSize() + 4  # the field's tag and the length, in front of each operation
