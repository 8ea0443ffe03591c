"""Group commit: one thread that carries out jobs, as many as wait, in one transaction each time.

Jobs without debits are quick and somebody waits for them (a lease, a recall's answer): they go first, in transactions
of their own, in turn with those that post.

Nobody is told before the commit. A job that fails takes only its own changes with it (a savepoint each). When the
commit itself fails, nobody knows what is there: every job of the group fails with `Unavailable`, streams end, and
their sidecars come back with Hello and are told the mark as it is; nothing is repeated blindly.

Where the outcome is known, that nothing took place, jobs are carried out again, each in a transaction of its own: all
jobs of a transaction that was given up in favour of another replica's, and a job that found a row made meanwhile.
"""

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import reduce
from typing import Generic, TypeVar

from holdfast_ledger.access.outcome import noting
from holdfast_ledger.crash import CrashPlan, CrashPoint
from holdfast_ledger.errors import ShuttingDown, Unavailable
from holdfast_ledger.store.interface import NO_LOCKS, Aborted, Conflict, Locks, Store, StoreError, Writer

T = TypeVar("T")

Job = Callable[[Writer], T]
"""May be carried out more than once, so it leaves what it was made from as it was; only the last time counts."""

MAX_GROUP_JOBS = 256
"""Jobs of one transaction; bounds what one failed commit takes with it."""

MAX_GROUP_DEBITS = 2_048
"""Debits of one transaction: a few hundredths of a second of work, so that nobody waits longer behind it."""

MAX_ATTEMPTS = 8
"""Transactions in which a job is tried: two replicas that keep meeting part long before."""

COMMIT_BOUNDS_US = (250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000)
"""Upper bounds, inclusive, of the buckets of transaction times; one more bucket is above all."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WriterStatistics:
    """Counts since the start."""

    transaction_count: int
    failed_count: int
    repeated_count: int
    """Transactions in which a job was carried out again."""
    job_count: int
    debit_count: int
    """Debits handed in, whatever became of them."""
    transaction_us_sum: int
    transaction_counts: tuple[int, ...]
    """By duration, work and commit together: per bucket of `COMMIT_BOUNDS_US`, one more for all above."""
    waiting_count: int


@dataclass(slots=True)
class _Task(Generic[T]):
    job: Job[T]
    locks: Locks
    debit_count: int
    alone: bool
    future: Future[T]
    attempt_count: int = 0
    outcome: T | None = None
    fault: Exception | None = None
    again: bool = False
    """Whether nothing of it took place and it is to be carried out once more."""

    def run(self, writer: Writer) -> None:
        """Carries the job out. Raises `Aborted`, which ends the transaction of the whole group."""
        self.attempt_count += 1
        self.outcome, self.fault, self.again = None, None, False
        try:
            with writer.savepoint():
                self.outcome = self.job(writer)
        except Aborted:
            raise
        except Conflict as fault:
            self.given_up(fault)
        except StoreError as fault:
            self.fault = Unavailable(f"the store failed: {fault}")
        except Exception as fault:  # noqa: BLE001 - whatever a job raises is its caller's to see
            self.fault = fault

    def given_up(self, fault: StoreError) -> None:
        """Notes that nothing of it took place, for a reason that may be gone the next time."""
        self.again = self.attempt_count < MAX_ATTEMPTS
        self.fault = Unavailable(f"other replicas were in the way {self.attempt_count} times: {fault}")

    def settle(self) -> None:
        """Hands over the outcome."""
        if not self.future.set_running_or_notify_cancel():
            return
        if self.fault is not None:
            self.future.set_exception(self.fault)
        else:
            self.future.set_result(self.outcome)  # type: ignore[arg-type]  # set by run unless it failed


class GroupWriter:
    """Owns the writing side of the store. `submit` from any thread."""

    def __init__(self, store: Store, crash: CrashPlan | None = None) -> None:
        self._store = store
        self._crash = crash or CrashPlan()
        self._queue: queue.SimpleQueue[_Task[object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        # Taken from the queue and not yet carried out; the writer's thread only.
        self._quick: deque[_Task[object]] = deque()
        self._posting: deque[_Task[object]] = deque()
        self._post_next = False
        self._last_taken = False
        self._closing = False
        self._closed = False
        self._transaction_count = self._failed_count = self._repeated_count = self._job_count = self._debit_count = 0
        self._transaction_us_sum = 0
        self._transaction_counts = [0] * (len(COMMIT_BOUNDS_US) + 1)
        self._thread.start()

    def submit(self, job: Job[T], locks: Locks = NO_LOCKS, debit_count: int = 0, alone: bool = False) -> Future[T]:
        """Queues a job; the future ends after the commit. Raises what the job raised, or `Unavailable`.

        Args:
            job: What to do, in a transaction with others.
            locks: The rows that it reads in order to change them.
            debit_count: Debits that it hands in.
            alone: Whether it has a transaction of its own: for a job that finds the rows to lock itself.
        """
        future: Future[T] = Future()
        if self._closing:
            future.set_exception(ShuttingDown("the ledger is stopping"))
            return future
        self._queue.put(_Task(job, locks, debit_count, alone, future))  # type: ignore[arg-type]  # of any outcome
        return future

    async def run(self, job: Job[T], locks: Locks = NO_LOCKS, debit_count: int = 0, alone: bool = False) -> T:
        """`submit` for coroutines, of the call that they answer. Cancelled, the job may still be carried out."""
        return await asyncio.wrap_future(self.submit(noting(job), locks, debit_count, alone))

    def close(self) -> None:
        """Carries out what waits, then stops the thread. Idempotent."""
        if not self._closed:
            self._closing = self._closed = True
            self._queue.put(None)
            self._thread.join()

    def statistics(self) -> WriterStatistics:
        """Counters. Any thread."""
        return WriterStatistics(
            self._transaction_count,
            self._failed_count,
            self._repeated_count,
            self._job_count,
            self._debit_count,
            self._transaction_us_sum,
            tuple(self._transaction_counts),
            self._queue.qsize() + len(self._quick) + len(self._posting),
        )

    def _run(self) -> None:
        while group := self._next_group():
            self._carry_out(group)

    def _next_group(self) -> list[_Task[object]]:
        """Waits for a job; returns it with those of its kind that wait beside it, up to the limits; empty: the end."""
        self._take_in()
        waiting = self._posting if self._posting and (self._post_next or not self._quick) else self._quick
        self._post_next = waiting is self._quick
        group: list[_Task[object]] = []
        debit_count = 0
        while waiting and len(group) < MAX_GROUP_JOBS and debit_count < MAX_GROUP_DEBITS:
            if waiting[0].alone and group:
                break
            group.append(waiting.popleft())
            debit_count += group[-1].debit_count
            if group[-1].alone:
                break
        return group

    def _take_in(self) -> None:
        """Empties the queue; waits for a job if there is none yet, unless the last one has been taken."""
        while not self._last_taken:
            try:
                task = self._queue.get(block=not (self._quick or self._posting))
            except queue.Empty:
                return
            if task is None:
                self._last_taken = True
            else:
                (self._posting if task.debit_count else self._quick).append(task)

    def _carry_out(self, group: list[_Task[object]]) -> None:
        """Carries out a group, then again, one by one, those of its jobs that are known not to have taken place."""
        waiting = self._transaction(group)
        while waiting:
            self._repeated_count += len(waiting)
            waiting = [task for one in waiting for task in self._transaction([one])]

    def _transaction(self, group: list[_Task[object]]) -> list[_Task[object]]:
        """Carries out jobs in one transaction and hands over their outcomes; returns those to be carried out again."""
        started_ns = time.monotonic_ns()
        debit_count = sum(task.debit_count for task in group)
        try:
            with self._store.writing() as writer:
                writer.lock(reduce(Locks.merged, (task.locks for task in group)))
                for task in group:
                    task.run(writer)
                if debit_count:
                    self._crash.reach(CrashPoint.BEFORE_COMMIT)
        except Aborted as fault:
            _log.info("a transaction was given up: %s", fault)
            for task in group:
                task.given_up(fault)
        except StoreError as fault:
            _log.error("a transaction failed: %s", fault)
            self._failed_count += 1
            for task in group:
                task.fault, task.again = Unavailable("the transaction failed, its outcome is unknown"), False
        else:
            if debit_count:
                self._crash.reach(CrashPoint.AFTER_COMMIT)
        again = [task for task in group if task.again]
        done = [task for task in group if not task.again]
        self._count(len(done), sum(task.debit_count for task in done), (time.monotonic_ns() - started_ns) // 1_000)
        for task in done:
            task.settle()
        return again

    def _count(self, job_count: int, debit_count: int, duration_us: int) -> None:
        self._transaction_count += 1
        self._job_count += job_count
        self._debit_count += debit_count
        self._transaction_us_sum += duration_us
        bucket = next((i for i, bound in enumerate(COMMIT_BOUNDS_US) if duration_us <= bound), -1)
        self._transaction_counts[bucket] += 1
