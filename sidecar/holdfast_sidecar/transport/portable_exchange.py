"""Where the portable transport's two threads meet: the twin of `exchange.rs`, in Python.

The event loop's thread takes calls in and delivers answers; the decision loop's thread calls `next_batch`
and `reply`. Each wakes the other once a batch.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

from holdfast_sidecar.transport.interface import Item, Reply

Deliver: TypeAlias = Callable[[int, bytes], None]
"""Takes an answer, (status, payload), on the event loop's thread."""


class Exchange:
    """Items towards the decision loop, answers back to the calls that they are owed to."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_pending_items: int, max_batch_items: int) -> None:
        self._loop = loop
        self._max_pending_items = max_pending_items
        self._max_batch_items = max_batch_items
        self._arrival = threading.Condition()
        self._inbox: list[Item] = []
        self._woken = False
        self._closed = False
        self._last_call_id = 0
        self._owed: dict[int, Deliver] = {}
        self._outbox_lock = threading.Lock()
        self._outbox: list[Reply] = []

    @property
    def pending_count(self) -> int:
        """Items taken in and not answered."""
        return len(self._owed)

    def submit(self, method: int, payload: bytes, peer: str, deadline_ns: int, deliver: Deliver) -> bool:
        """Takes an item in, on the event loop's thread; False if too many answers are owed."""
        if len(self._owed) >= self._max_pending_items:
            return False
        self._last_call_id += 1
        self._owed[self._last_call_id] = deliver
        with self._arrival:
            self._inbox.append((self._last_call_id, method, payload, peer, deadline_ns))
            self._arrival.notify()
        return True

    def next_batch(self, timeout_ns: int) -> list[Item]:
        """See `interface.Transport.next_batch`."""
        with self._arrival:
            self._arrival.wait_for(self._is_ready, max(0, timeout_ns) / 1e9)
            self._woken = False
            batch = self._inbox[: self._max_batch_items]
            self._inbox = self._inbox[self._max_batch_items :]
            return batch

    def reply(self, replies: Sequence[Reply]) -> None:
        """See `interface.Transport.reply`."""
        if not replies:
            return
        with self._outbox_lock:
            if self._closed:
                return
            first = not self._outbox
            self._outbox.extend(replies)
            if first:
                self._loop.call_soon_threadsafe(self._deliver)

    def wake(self) -> None:
        """See `interface.Transport.wake`."""
        with self._arrival:
            self._woken = True
            self._arrival.notify()

    def close(self) -> None:
        """From now on no batch is waited for, answers are dropped, and the event loop may be closed."""
        with self._outbox_lock:
            self._closed = True
        self.wake()

    def _is_ready(self) -> bool:
        return bool(self._inbox) or self._woken or self._closed

    def _deliver(self) -> None:
        with self._outbox_lock:
            replies, self._outbox = self._outbox, []
        for call_id, status, payload in replies:
            deliver = self._owed.pop(call_id, None)
            if deliver is not None:
                deliver(status, payload)
