"""Sends events to the ledger, a batch at a time, and once a second the latest decisions.

Apart from the stream of debits, on a connection of its own: a flood of events never stands before a debit. Events are
pulled from the store, batch by batch, so that memory stays flat however long the ledger is away; what it has acked
leaves the store through the engine. A batch is repeated until it is acked. The ledger knows batches by their content
and events by their names, so what comes twice counts once.

Upstream: the store, which has the events; the engine, which made them. Downstream: the ledger's IngestService.
"""

import asyncio
import contextlib
import logging
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

import grpc
from google.rpc import error_details_pb2, status_pb2
from holdfast.v1 import ingest_service_pb2 as pb

from holdfast_sidecar.crash_points import crash_point
from holdfast_sidecar.engine.event_rows import EventRow
from holdfast_sidecar.engine.events import EventsAcked, UplinkEvent
from holdfast_sidecar.uplink.decision_reports import DecisionReports
from holdfast_sidecar.uplink.replicas import Replicas

_log = logging.getLogger(__name__)

_SERVICE = pb.DESCRIPTOR.services_by_name["IngestService"].full_name
_DETAILS_KEY = "grpc-status-details-bin"
_Call: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"


@dataclass(frozen=True, slots=True)
class EventUplinkLimits:
    """What this uplink may send and wait for."""

    batch_event_count: int = 10_000
    """By the contract."""
    batch_bytes: int = 3 << 20
    """Of entries before they are compressed: with one more row of the largest entries still below the contract's 4 MiB
    compressed."""
    linger_ms: int = 500
    """Between batches that are not full: a batch is a row at the ledger, and figures are there within seconds."""
    decisions_interval_ms: int = 1_000
    call_timeout_ms: int = 10_000
    """For an answer: a ledger that takes longer is behind, and gets the batch again."""
    backoff_min_ms: int = 100
    """Upper end of the first pause after a failure; each further one doubles it."""
    backoff_max_ms: int = 5_000
    """Upper end of any pause. Nothing waits for events as calls wait for leases."""


@dataclass(frozen=True, slots=True)
class EventUplinkStatistics:
    """A snapshot for metrics."""

    acked_sequence: int
    pushed_batch_count: int
    pushed_event_count: int
    """Acked, those that were sent again counted once."""
    pushed_bytes: int
    """Compressed."""
    failed_push_count: int
    waiting_ms: int
    """Age of the oldest event that waits; 0: none does, as far as was looked."""


class EventUplink:
    """Keeps sending until it is stopped.

    Args:
        targets: The ledger's replicas.
        sidecar_id: Who sends.
        acked_sequence: Up to here the ledger has the events, by the folder.
        read_events: As `Store.read_events`; called on threads of its own.
        emit: Takes what the engine is to hear; returns at once.
        now_ns: CLOCK_BOOTTIME in nanoseconds.
        now_unix_ms: Wall clock in milliseconds.
        rng: For the jitter of pauses, and the replica to begin with.
        decisions: Tells the latest decisions; None: nobody is told.
        limits: None: the defaults.
    """

    def __init__(
        self,
        targets: Sequence[str],
        sidecar_id: str,
        acked_sequence: int,
        read_events: Callable[[int, int, int], list[EventRow]],
        emit: Callable[[UplinkEvent], None],
        now_ns: Callable[[], int],
        now_unix_ms: Callable[[], int],
        rng: Random,
        decisions: DecisionReports | None = None,
        limits: EventUplinkLimits | None = None,
    ) -> None:
        self._sidecar_id = sidecar_id
        self._acked_sequence = acked_sequence
        self._read_events = read_events
        self._emit = emit
        self._now_ns = now_ns
        self._now_unix_ms = now_unix_ms
        self._rng = rng
        self._decisions = decisions
        self._limits = limits or EventUplinkLimits()
        self._replicas = Replicas(targets, rng, self._limits.backoff_max_ms)
        self._birth_epoch = 0
        self._failure_count = 0
        self._decisions_at_ns = 0
        self._oldest_unix_ms = 0
        self._batch_count = self._event_count = self._byte_count = 0
        self._failed_push_count = 0
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._complaint = ""

    def welcomed(self, birth_epoch: int) -> None:
        """The ledger knows this folder's life; before the first time nothing is sent. Any thread."""
        self._birth_epoch = birth_epoch

    def statistics(self) -> EventUplinkStatistics:
        """Returns counters. Any thread."""
        oldest_unix_ms = self._oldest_unix_ms
        waiting_ms = max(0, self._now_unix_ms() - oldest_unix_ms) if oldest_unix_ms else 0
        return EventUplinkStatistics(
            self._acked_sequence,
            self._batch_count,
            self._event_count,
            self._byte_count,
            self._failed_push_count,
            waiting_ms,
        )

    def start(self) -> asyncio.Task[None]:
        """Begins to send, on the running asyncio loop; the task raises what reading the store raises."""
        self._task = asyncio.create_task(self._run())
        return self._task

    async def stop(self, drain_ms: int) -> None:
        """Goes on for at most `drain_ms` milliseconds, until the ledger has all events, then ends."""
        task = self._task
        if task is None:
            return
        self._stopping.set()
        await asyncio.wait({task}, timeout=drain_ms / 1000)
        task.cancel()
        await asyncio.wait({task})

    async def _run(self) -> None:
        while True:
            target = self._replicas.current
            async with grpc.aio.insecure_channel(target, options=_CHANNEL_OPTIONS) as channel:
                failure = await self._converse(channel)
            if failure is None:
                return
            self._failed_push_count += 1
            self._complain(target, failure)
            pause_ms = self._pause_ms(failure)
            self._replicas.move_on(self._now_ns(), is_leaving=False)
            if await self._rest(pause_ms):
                return

    async def _converse(self, channel: grpc.aio.Channel) -> grpc.aio.AioRpcError | None:
        """Sends over one connection until a call fails, which it returns; None: it is to stop, and all is sent."""
        push: _Call = channel.unary_unary(f"/{_SERVICE}/PushEvents")
        tell: _Call = channel.unary_unary(f"/{_SERVICE}/PushDecisions")
        while True:
            try:
                is_full = await self._push(push) if self._birth_epoch else False
                self._failure_count = 0
            except grpc.aio.AioRpcError as failure:
                return failure
            # Best effort: an older ledger does not know the call, and nothing waits for it.
            with contextlib.suppress(grpc.aio.AioRpcError):
                await self._tell(tell)
            if is_full:
                continue
            if await self._rest(self._limits.linger_ms) and not (self._birth_epoch and await self._unsent()):
                return None

    async def _push(self, call: _Call) -> bool:
        """Sends the next batch, if there is one; returns whether there may be more of it at once."""
        batch = await asyncio.to_thread(self._next_batch)
        if batch is None:
            return False
        request, last_sequence, is_full = batch
        await call(request, timeout=self._limits.call_timeout_ms / 1000)
        crash_point("after_events_pushed")
        self._batch_count += 1
        self._event_count += last_sequence - self._acked_sequence
        self._byte_count += len(request)
        self._acked_sequence = last_sequence
        self._emit(EventsAcked(last_sequence))
        return is_full

    def _next_batch(self) -> tuple[bytes, int, bool] | None:
        """Reads and compresses a batch, on a thread of its own: zlib leaves the interpreter to others."""
        limits = self._limits
        rows = self._read_events(self._acked_sequence, limits.batch_event_count, limits.batch_bytes)
        if not rows:
            self._oldest_unix_ms = 0
            return None
        self._oldest_unix_ms = rows[0].taken_at_unix_ms
        event_count = sum(row.event_count for row in rows)
        size = sum(len(row.payload) for row in rows)
        last = rows[-1]
        request = pb.PushEventsRequest(
            sidecar_id=self._sidecar_id,
            birth_epoch=self._birth_epoch,
            first_sequence=rows[0].first_sequence,
            event_count=event_count,
            batch=zlib.compress(b"".join([row.payload for row in rows]), _ZLIB_LEVEL),
        )
        is_full = event_count > limits.batch_event_count // 2 or size > limits.batch_bytes // 2
        return request.SerializeToString(), last.first_sequence + last.event_count - 1, is_full

    async def _unsent(self) -> bool:
        return bool(await asyncio.to_thread(self._read_events, self._acked_sequence, 1, 1))

    async def _tell(self, call: _Call) -> None:
        now_ns = self._now_ns()
        if self._decisions is None or now_ns < self._decisions_at_ns:
            return
        self._decisions_at_ns = now_ns + self._limits.decisions_interval_ms * _NS_PER_MS
        request = self._decisions.next(self._sidecar_id)
        if request is not None:
            await call(request.SerializeToString(), timeout=self._limits.decisions_interval_ms / 1000)

    def _pause_ms(self, failure: grpc.aio.AioRpcError) -> float:
        """Full-jitter back-off, as the uplink's; or what the ledger says, if it says how long."""
        told_ms = _retry_after_ms(failure)
        doubled = self._limits.backoff_min_ms << min(self._failure_count, 32)
        self._failure_count += 1
        return told_ms or self._rng.random() * min(self._limits.backoff_max_ms, doubled)

    async def _rest(self, ms: float) -> bool:
        """Waits; returns whether it is to stop meanwhile."""
        try:
            async with asyncio.timeout(ms / 1000):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    def _complain(self, target: str, failure: grpc.aio.AioRpcError) -> None:
        complaint = f"{failure.code().name}: {failure.details()}"
        level = logging.WARNING if complaint != self._complaint else logging.DEBUG
        self._complaint = complaint
        _log.log(level, "events wait: the ledger at %s does not take them: %s", target, complaint)


_NS_PER_MS = 1_000_000
_ZLIB_LEVEL = 1
"""The fastest: higher ones save a tenth of the bytes for three times the work."""
_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", 8 << 20),
    ("grpc.enable_retries", 0),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Channels to one target share connections, and with them the pauses after a failure, unless told not to.
    ("grpc.use_local_subchannel_pool", 1),
)


def _retry_after_ms(failure: grpc.aio.AioRpcError) -> int:
    """Returns what the ledger says, 0 if it does not say."""
    for key, value in failure.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.RetryInfo()
                if detail.Unpack(info):
                    return int(info.retry_delay.ToMilliseconds())
    return 0
