"""The decision loop: the heart of the sidecar, alone with the engine and the store's writer on its thread.

A round takes whatever arrived while the last batch was committed, decides it, commits it in one transaction, and only
then answers. Answers that changed nothing do not wait for the commit. The busier the host, the larger the batch.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from holdfast_sidecar.crash_points import crash_point
from holdfast_sidecar.dispatcher.dispatcher import Dispatcher
from holdfast_sidecar.dispatcher.faults import STORE_FAILED
from holdfast_sidecar.engine.engine import Engine
from holdfast_sidecar.engine.events import LeaseAsk, RulesAsk
from holdfast_sidecar.engine.operations import Call
from holdfast_sidecar.engine.state import Writes
from holdfast_sidecar.garbage import Garbage
from holdfast_sidecar.inbox import Inbox
from holdfast_sidecar.store.interface import Store, StoreFailed
from holdfast_sidecar.transport.interface import Reply, Transport

MAX_WAIT_NS = 100_000_000
"""Longest wait for a batch, so that the loop notices that it is to stop."""
PART_ITEMS = 32
"""Calls decided before the answers among them that need no commit leave: the network side takes them out, and new calls
in, while the next part is decided."""
BATCH_BOUNDS: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Upper bounds, inclusive, of the batch-size histogram's buckets; one more bucket is above all."""


class Notified(Protocol):
    """The side of the uplink that the loop sees."""

    def notify(self, last_sequence: int, epoch: int, asks: Sequence[LeaseAsk | RulesAsk]) -> None:
        """Tells what is durable now: debits up to a sequence, the epoch; and what to ask for. Never blocks."""


@dataclass(frozen=True, slots=True)
class LoopStatistics:
    """A snapshot for the metrics endpoint."""

    batch_count: int
    call_count: int
    batch_size_counts: tuple[int, ...]
    """Batches per bucket of `BATCH_BOUNDS`."""
    failed: bool


class DecisionLoop:
    """Runs rounds until it is stopped or the store fails.

    Args:
        uplink: None for a sidecar without a ledger.
        now_ns: CLOCK_BOOTTIME in nanoseconds.
        now_unix_ms: Wall clock in milliseconds, for reports.
    """

    def __init__(
        self,
        transport: Transport,
        dispatcher: Dispatcher,
        engine: Engine,
        store: Store,
        inbox: Inbox,
        uplink: Notified | None,
        now_ns: Callable[[], int],
        now_unix_ms: Callable[[], int],
    ) -> None:
        self._transport = transport
        self._dispatcher = dispatcher
        self._engine = engine
        self._store = store
        self._inbox = inbox
        self._uplink = uplink
        self._now_ns = now_ns
        self._now_unix_ms = now_unix_ms
        self._stopping = False
        self._failed = False
        self._garbage = Garbage()
        self._batch_count = 0
        self._call_count = 0
        self._batch_size_counts = [0] * (len(BATCH_BOUNDS) + 1)

    def run(self) -> None:
        """Runs until `stop`. Raises StoreFailed once everyone in the failed batch has been told."""
        while not self._stopping:
            self._garbage.tidy(self._now_ns())
            self.round(self._wait_ns())
        # What came before the stop is still heard: the uplink's last words, and that rights go back.
        self.round(0)

    def stop(self) -> None:
        """Ends `run` after the round under way. Any thread."""
        self._stopping = True
        self._transport.wake()

    def round(self, wait_ns: int) -> None:
        """Takes one batch through the engine, the store and back. Raises StoreFailed."""
        items = self._transport.next_batch(wait_ns)
        self._engine.begin(self._inbox.take(), self._now_ns(), self._now_unix_ms(), self._store.holds_refused)
        changed: list[Call] = []
        for start in range(0, len(items), PART_ITEMS):
            calls, replies = self._dispatcher.decode(items[start : start + PART_ITEMS])
            self._answer(self._engine.decide(calls), replies, changed)
        if self._dispatcher.events_wait:
            calls, replies = self._dispatcher.decode_events()
            self._answer(self._engine.decide(calls), replies, changed)
        effects = self._engine.finish()
        self._answer(effects.done, [], changed)
        if effects.writes:
            self._commit(effects.writes, changed)
        if changed:
            self._transport.reply([self._dispatcher.encode(call) for call in changed])
            crash_point("after_reply")
        if self._uplink is not None:
            self._uplink.notify(effects.last_sequence, effects.epoch, [*effects.asks, *effects.rules_asks])
        if items:
            self._count(len(items))

    def _answer(self, done: list[Call], replies: list[Reply], changed: list[Call]) -> None:
        """Sends the answers that need no commit; adds the calls that do to `changed`."""
        for call in done:
            if call.changed:
                changed.append(call)
            else:
                replies.append(self._dispatcher.encode(call))
        if replies:
            self._transport.reply(replies)

    def statistics(self) -> LoopStatistics:
        """Counters; any thread."""
        return LoopStatistics(self._batch_count, self._call_count, tuple(self._batch_size_counts), self._failed)

    def _commit(self, writes: Writes, changed: list[Call]) -> None:
        crash_point("before_commit")
        try:
            self._store.commit(writes)
        except StoreFailed:
            self._failed = True
            self._transport.reply([self._dispatcher.refuse(call, STORE_FAILED) for call in changed])
            raise
        crash_point("after_commit")

    def _wait_ns(self) -> int:
        if self._dispatcher.events_wait:
            return 0
        left_ns = self._engine.next_deadline_ns() - self._now_ns()
        return min(max(left_ns, 0), MAX_WAIT_NS)

    def _count(self, size: int) -> None:
        self._batch_count += 1
        self._call_count += size
        bucket = 0
        while bucket < len(BATCH_BOUNDS) and size > BATCH_BOUNDS[bucket]:
            bucket += 1
        self._batch_size_counts[bucket] += 1


def boottime_ns() -> int:
    """CLOCK_BOOTTIME in nanoseconds: monotonic, goes on while the machine sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def unix_ms() -> int:
    """Wall clock, Unix time in milliseconds."""
    return time.time_ns() // 1_000_000
