"""Runs one stream: reads, writes, and three lanes of work between them, each in its own task.

Debits, control (heartbeats, lease requests, changes to tell) and rules are lanes of their own, so that a sidecar with a
long outbox still gets rights quickly. Within a lane answers keep their order. Reading never waits for writing: what is
taken in and not done is bounded by the window of debits and the limits on requests, all refused beyond.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Protocol

from holdfast.v1 import ledger_sync_service_pb2 as wire

from holdfast_ledger.crash import CrashPlan, CrashPoint
from holdfast_ledger.errors import InvalidArgument, LedgerError, WindowExceeded
from holdfast_ledger.leasing.rights import Granted, Served
from holdfast_ledger.leasing.terms import LeaseTerms
from holdfast_ledger.posting.post import Posted
from holdfast_ledger.snapshots import Snapshots
from holdfast_ledger.store.interface import Locks, Pool
from holdfast_ledger.sync.jobs import Admitted, StreamId, SyncJobs
from holdfast_ledger.sync.messages import lease_messages
from holdfast_ledger.sync.protocol import Ask, SyncProtocol
from holdfast_ledger.sync.registry import Registry
from holdfast_ledger.windows.counting import names_of
from holdfast_ledger.writer import GroupWriter

MAX_OUTGOING = 10_000
"""Answers that a sidecar may leave unread: it can only have asked for so many. Past it the stream ends."""


_log = logging.getLogger(__name__)

MIN_WAIT_MS = 10
"""Least time after which a stream looks again by itself at what its sidecar waits for."""

LAST_WRITE_S = 0.5
"""Time for the message under way when a stream ends; a sidecar that reads takes a fraction of it."""

HELLO_TIMEOUT_S = 10
"""Time for a sidecar to introduce itself; it sends Hello at once, so only a stray caller takes longer."""


class Channel(Protocol):
    """The part of grpc.aio's ServicerContext that carries a stream of bytes."""

    async def read(self) -> object:
        """Returns the next message, `grpc.aio.EOF` after the last."""

    async def write(self, message: bytes) -> None:
        """Sends a message."""


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What the streams are told and held to; see `config` for the reasons."""

    terms: LeaseTerms
    window_debit_count: int
    post_debit_count: int
    """Debits of one job, at most: bounds how long a job of another stream waits behind it."""
    snapshot_interval_ms: int
    """Time after which the sidecars of an OPTIMISTIC pool hear that it was posted to, at most."""


@dataclass(slots=True)
class SyncCounters:
    """What became of debits since the start, over all streams."""

    debit_count: int = 0
    dropped_count: int = 0
    duplicate_count: int = 0
    quarantined_count: int = 0
    overdraft_amount: int = 0
    job_count: int = 0

    def add(self, posted: Posted) -> None:
        """Counts one run."""
        self.job_count += 1
        self.debit_count += posted.debit_count
        self.dropped_count += posted.dropped_count
        self.duplicate_count += posted.duplicate_count
        self.quarantined_count += posted.quarantined_count
        self.overdraft_amount += posted.overdraft_amount


@dataclass(frozen=True, slots=True)
class SyncServices:
    """What all streams of a replica share."""

    settings: StreamSettings
    jobs: SyncJobs
    writer: GroupWriter
    snapshots: Snapshots
    registry: Registry
    crash: CrashPlan
    counters: SyncCounters = field(default_factory=SyncCounters)
    moved_pools: set[int] = field(default_factory=set)
    """Pools posted to since the last sweep, which tells the sidecars and empties it."""
    snapshot_pools: set[int] = field(default_factory=set)
    """OPTIMISTIC ones among them, which are told soon: what one host spends is to stop the others."""

    def moved(self, posted: Posted) -> None:
        """Has the sidecars of pools that were posted to told: some at once, some soon, some at the next sweep."""
        self.registry.pools_changed(posted.due_pools)
        self.moved_pools.update(posted.moved_pools - posted.optimistic_pools)
        if posted.optimistic_pools and not self.snapshot_pools:
            delay_s = self.settings.snapshot_interval_ms / 1_000
            asyncio.get_running_loop().call_later(delay_s, self._tell_snapshots)
        self.snapshot_pools.update(posted.optimistic_pools)

    def _tell_snapshots(self) -> None:
        self.registry.pools_changed(self.snapshot_pools)
        self.snapshot_pools.clear()


class Stream:
    """One stream, from its Hello to its end. Belongs to the event loop's thread."""

    def __init__(self, channel: Channel, services: SyncServices) -> None:
        self._channel = channel
        self._services = services
        self._protocol = SyncProtocol(services.settings.window_debit_count)
        self._outgoing: deque[wire.SyncResponse] = deque()
        self._pools: set[int] = set()
        self._changed: set[int] = set()
        self._waiting: set[int] = set()
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._is_claiming = self._has_claimed = False
        self._write_under_way: asyncio.Future[None] | None = None
        self._post_wanted = asyncio.Event()
        self._control_wanted = asyncio.Event()
        self._rules_wanted = asyncio.Event()
        self._write_wanted = asyncio.Event()
        self._read_all = False
        self._lanes_open = 3
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._id = StreamId("", 0, 0)

    @property
    def stream_id(self) -> StreamId:
        """See `OpenStream`."""
        return self._id

    def end(self, fault: LedgerError) -> None:
        """See `OpenStream`."""
        if not self._ended.done():
            self._ended.set_exception(fault)

    def tell(self, pool_keys: set[int] | None) -> None:
        """See `OpenStream`."""
        mine = self._pools if pool_keys is None else pool_keys & self._pools
        if mine:
            self._changed |= mine
            self._control_wanted.set()

    @property
    def waiting_pools(self) -> set[int]:
        """See `OpenStream`."""
        return self._waiting

    async def run(self) -> None:
        """Serves the stream until the sidecar half-closes it. Raises the `LedgerError` that ends it."""
        try:
            await self._run()
        finally:
            if not self._ended.cancel():
                self._ended.exception()  # seen, even if another fault came first

    async def _run(self) -> None:
        first = await self._first()
        if not isinstance(first, bytes):
            return
        said = self._protocol.hello(first)
        jobs = self._services.jobs
        admitted = await self._services.writer.run(
            lambda writer: jobs.hello(writer, said), Locks(frozenset({said.sidecar_id}))
        )
        self._welcome(admitted)
        self._services.registry.add(self)
        try:
            await self._serve()
        finally:
            self._services.registry.remove(self)
            for timer in self._timers.values():
                timer.cancel()

    async def _first(self) -> object:
        """Waits for Hello, or for the end."""
        read = asyncio.ensure_future(self._channel.read())
        try:
            done, _ = await asyncio.wait(
                (read, self._ended), timeout=HELLO_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
            )
            if self._ended in done:
                self._ended.result()
            if not done:
                raise InvalidArgument("message", f"no Hello within {HELLO_TIMEOUT_S} s")
            return read.result()
        finally:
            if not read.done():
                read.cancel()
                await asyncio.gather(read, return_exceptions=True)

    def _welcome(self, admitted: Admitted) -> None:
        self._id = admitted.stream_id
        self._pools = {one.pool.pool_key for one in admitted.leases if one.pool}
        self._is_claiming = admitted.claims_wanted
        sidecar, settings = admitted.sidecar, self._services.settings
        _log.info(
            "sidecar %s connected: epoch %d, life %d, acked %d",
            sidecar.sidecar_id,
            sidecar.epoch,
            sidecar.birth_epoch,
            sidecar.acked_sequence,
        )
        self._protocol.welcomed(sidecar.epoch, sidecar.acked_sequence)
        welcome = wire.Welcome(
            epoch=sidecar.epoch,
            birth_epoch=sidecar.birth_epoch,
            acked_sequence=sidecar.acked_sequence,
            lease_validity_ms=settings.terms.lease_validity_ms,
            allowance_validity_ms=settings.terms.allowance_validity_ms,
            heartbeat_interval_ms=settings.terms.heartbeat_interval_ms,
            window_debit_count=settings.window_debit_count,
            leases=lease_messages(admitted.leases),
            claims_wanted=admitted.claims_wanted,
            acked_operation_id=sidecar.acked_operation_id,
            meters_revision=admitted.meters_revision,
        )
        self._send(wire.SyncResponse(welcome=welcome))
        self.tell(set(admitted.unsettled_pools))

    async def _serve(self) -> None:
        """Runs the five tasks; the first fault ends them all, and they are gone before this returns."""
        lanes = (self._read(), self._post(), self._control(), self._rules(), self._write())
        tasks = [asyncio.ensure_future(lane) for lane in lanes]
        try:
            waiting: set[asyncio.Future[None]] = {*tasks, self._ended}
            while waiting != {self._ended}:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._finish_write()

    async def _finish_write(self) -> None:
        """Lets a write that has begun end: gRPC cannot tell a status beside it, and the sidecar would wait for one."""
        writing = self._write_under_way
        if writing is not None:
            await asyncio.wait({writing}, timeout=LAST_WRITE_S)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _read(self) -> None:
        while True:
            message = await self._channel.read()
            if not isinstance(message, bytes):
                break
            self._protocol.receive(message)
            if self._protocol.waiting_debit_count:
                self._post_wanted.set()
            if self._protocol.control_waits:
                self._control_wanted.set()
            if self._protocol.rules_wait:
                self._rules_wanted.set()
        self._read_all = True
        self._post_wanted.set()
        self._control_wanted.set()
        self._rules_wanted.set()

    async def _write(self) -> None:
        while True:
            while self._outgoing:
                message = self._outgoing.popleft().SerializeToString()
                self._write_under_way = asyncio.ensure_future(self._channel.write(message))
                await asyncio.shield(self._write_under_way)
            if not self._lanes_open:
                return
            await self._write_wanted.wait()
            self._write_wanted.clear()

    async def _lane(self, wanted: asyncio.Event, turn: Callable[[], Coroutine[None, None, bool]]) -> None:
        """Takes turns while there is something to do, until everything is read and done."""
        while True:
            while await turn():
                pass
            if self._read_all:
                self._lanes_open -= 1
                self._write_wanted.set()
                return
            await wanted.wait()
            wanted.clear()

    async def _post(self) -> None:
        await self._lane(self._post_wanted, self._post_turn)

    async def _control(self) -> None:
        await self._lane(self._control_wanted, self._control_turn)

    async def _rules(self) -> None:
        await self._lane(self._rules_wanted, self._rules_turn)

    async def _rules_turn(self) -> bool:
        ask = self._protocol.take_rules()
        if ask is None:
            return False
        jobs = self._services.jobs
        update = await self._services.snapshots.read(lambda reader: jobs.rules(reader, ask))
        self._send(wire.SyncResponse(rules_update=update))
        return True

    async def _post_turn(self) -> bool:
        debits = self._protocol.take_debits(self._services.settings.post_debit_count)
        if not debits:
            return False
        jobs = self._services.jobs
        posted = await self._services.writer.run(
            lambda writer: jobs.debits(writer, self._id, debits),
            self._locks(pools=names_of(debits)),
            len(debits),
        )
        self._services.counters.add(posted)
        if posted.quarantined_count or posted.duplicate_count:
            _log.warning(
                "sidecar %s, debits up to %d: %d quarantined, %d duplicates",
                self._id.sidecar_id,
                posted.acked_sequence,
                posted.quarantined_count,
                posted.duplicate_count,
            )
        self._services.moved(posted)
        self._services.crash.reach(CrashPoint.BEFORE_ACK)
        self._send(self._protocol.posted(posted.acked_sequence))
        return True

    async def _control_turn(self) -> bool:
        heartbeat_id, asks = self._protocol.take_control()
        changed, self._changed = self._changed, set()
        for ask in asks:
            await self._answer(ask)
        if heartbeat_id is not None:
            await self._renew(heartbeat_id)
        if changed:
            await self._tell(changed)
        return bool(asks or changed) or heartbeat_id is not None

    async def _renew(self, heartbeat_id: int) -> None:
        jobs, claimed = self._services.jobs, self._is_claiming and self._has_claimed
        revision = await self._services.writer.run(
            lambda writer: jobs.heartbeat(writer, self._id, claimed), self._locks()
        )
        self._is_claiming = self._is_claiming and not claimed
        terms = self._services.settings.terms
        ack = wire.HeartbeatAck(
            heartbeat_id=heartbeat_id,
            lease_validity_ms=terms.lease_validity_ms,
            allowance_validity_ms=terms.allowance_validity_ms,
            meters_revision=revision,
        )
        self._send(wire.SyncResponse(heartbeat_ack=ack))

    async def _answer(self, ask: Ask) -> None:
        jobs = self._services.jobs
        served = await self._services.writer.run(
            lambda writer: jobs.wants(writer, self._id, ask),
            self._locks(pools=frozenset((want.account_id, want.pool_id) for want in ask.wants)),
        )
        self._has_claimed = True
        self._pools |= {one.pool.pool_key for one in served.granted if one.pool}
        update = wire.LeaseUpdate(request_id=ask.request_id, leases=lease_messages(served.granted))
        self._send(wire.SyncResponse(lease_update=update))
        self._pass_on(served)

    async def _tell(self, pool_keys: set[int]) -> None:
        jobs = self._services.jobs
        served = await self._services.writer.run(
            lambda writer: jobs.tell(writer, self._id, pool_keys), self._locks(pool_keys=frozenset(pool_keys))
        )
        if served.granted:
            self._send(wire.SyncResponse(lease_update=wire.LeaseUpdate(leases=lease_messages(served.granted))))
            self._pass_on(served)

    def _pass_on(self, served: Served) -> None:
        """Remembers which pools the sidecar waits for, and has the others told."""
        for one in served.granted:
            if one.pool is not None:
                self._await(one.pool, one)
        self._services.registry.pools_changed(served.changed_pools)
        self._services.registry.pools_freed(served.freed_pools - served.changed_pools)

    def _await(self, pool: Pool, granted: Granted) -> None:
        """Waits for rights or allowance of a pool, or no longer; a timer hurries the end of a recall round."""
        timer = self._timers.pop(pool.pool_key, None)
        if timer is not None:
            timer.cancel()
        if granted.pending:
            wait_ms = max(MIN_WAIT_MS, granted.pending_until_ms - self._services.jobs.now_ms())
            self._timers[pool.pool_key] = asyncio.get_running_loop().call_later(
                wait_ms / 1_000, self.tell, {pool.pool_key}
            )
        if granted.pending or granted.allowance_missing:
            self._waiting.add(pool.pool_key)
        else:
            self._waiting.discard(pool.pool_key)

    def _locks(self, pools: frozenset[tuple[str, str]] = frozenset(), pool_keys: frozenset[int] = frozenset()) -> Locks:
        return Locks(frozenset({self._id.sidecar_id}), pools, pool_keys)

    def _send(self, message: wire.SyncResponse) -> None:
        last = self._outgoing[-1] if self._outgoing else None
        if last is not None and message.HasField("ack") and last.HasField("ack"):
            self._outgoing[-1] = message  # acks are cumulative
        else:
            self._outgoing.append(message)
        if len(self._outgoing) > MAX_OUTGOING:
            self.end(WindowExceeded(f"the sidecar leaves {MAX_OUTGOING} answers unread"))
        self._write_wanted.set()
