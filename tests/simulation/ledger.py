"""The real ledger on the simulated loop: its server object, streams, jobs, sweep and SQL, without gRPC and threads.

What replaces the rest: `SimChannel` stands for grpc.aio's context, `SimStore` is the SQLite store on a database in
memory whose transactions can die or end unknown, `SimWriter` is the group writer with its thread taken out.
A crash drops everything but the database.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from random import Random
from typing import Any, NoReturn, TypeVar, cast

import grpc
import holdfast_ledger.server as server_module
import holdfast_ledger.writer as writer_module
from google.rpc import error_details_pb2, status_pb2
from holdfast.v1 import ingest_service_pb2 as ingest
from holdfast_ledger.clock import SteadyClock
from holdfast_ledger.config import LedgerConfig
from holdfast_ledger.crash import CrashPlan, CrashPoint
from holdfast_ledger.errors import LedgerError, Unavailable
from holdfast_ledger.governance.service import GovernanceServicer
from holdfast_ledger.leasing.terms import LeaseTerms
from holdfast_ledger.metering import turns as metering_turns
from holdfast_ledger.metering.decisions import Decisions
from holdfast_ledger.metering.event_rules import EventTerms
from holdfast_ledger.metering.intake import Intake
from holdfast_ledger.metering.job import Metering
from holdfast_ledger.metering.reports import Reports
from holdfast_ledger.metering.service import IngestServicer, MeteringServicer
from holdfast_ledger.restoring import restored
from holdfast_ledger.server import LedgerServer
from holdfast_ledger.service import LedgerServicer
from holdfast_ledger.status import abort
from holdfast_ledger.store.interface import NO_LOCKS, Lease, Locks, Pool, StoreError, StoreFailed
from holdfast_ledger.store.sqlite import SqliteReader, SqliteStore, SqliteWriter, migrate
from holdfast_ledger.writer import GroupWriter, Job

from tests.simulation.clock import SimLoop, WallClock
from tests.simulation.events import FUTURE_MS, GRACE_MS, EventsPlan
from tests.simulation.history import History
from tests.simulation.network import Stream
from tests.simulation.patching import replaced
from tests.simulation.usage_model import Looking, ModelQuestions

T = TypeVar("T")


class LedgerDied(BaseException):
    """The ledger's process is gone; no handler of it sees this."""


@cache
def _empty_database() -> bytes:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    image = connection.serialize()
    connection.close()
    return image


class SimDatabase:
    """What outlives the ledger's process: the committed rows."""

    def __init__(self) -> None:
        self.connection = self._open(_empty_database())

    def _open(self, image: bytes) -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=512)
        connection.deserialize(image)
        for setting in ("foreign_keys = ON", "temp_store = MEMORY", "journal_mode = MEMORY", "synchronous = OFF"):
            connection.execute(f"PRAGMA {setting}")
        return connection

    def backup(self) -> bytes:
        """Returns a copy of all that is committed."""
        return bytes(self.connection.serialize())

    def restore(self, image: bytes) -> None:
        """Goes back to a copy."""
        self.connection.close()
        self.connection = self._open(image)

    def tell_restored(self, now_ms: int, terms: LeaseTerms) -> None:
        """Does what `holdfast ledger restored` does."""
        restored(SimStore(self, lambda: None, lambda _: None), now_ms, terms.lease_validity_ms, terms)

    def close(self) -> None:
        """Frees the memory."""
        self.connection.close()


class SimSqliteWriter(SqliteWriter):
    """Notes whether rights or balances changed, so that only then they are looked at."""

    touched = False

    def save_pools(self, pools: Iterable[Pool]) -> None:
        """See `Writer`."""
        self.touched = True
        super().save_pools(pools)

    def save_leases(self, leases: Iterable[Lease]) -> None:
        """See `Writer`."""
        self.touched = True
        super().save_leases(leases)

    def delete_windows(self, pool_keys: Collection[int]) -> set[int]:
        """See `Writer`."""
        self.touched = True
        return super().delete_windows(pool_keys)

    def insert_lease(self, lease: Lease) -> int:
        """See `Writer`."""
        self.touched = True
        return super().insert_lease(lease)


class SimStore(SqliteStore):
    """The SQLite store over a `SimDatabase`. `fate` says how the next transaction ends; None: well."""

    def __init__(
        self,
        database: SimDatabase,
        committed: Callable[[], None],
        announce: Callable[[Collection[int]], None],
    ) -> None:
        self._database = database
        self._committed = committed
        self._tell = announce
        self.fate: str | None = None

    @contextmanager
    def writing(self) -> Iterator[SqliteWriter]:
        """See `Store`."""
        connection = self._database.connection
        connection.execute("BEGIN IMMEDIATE")
        writer = SimSqliteWriter(connection)
        try:
            yield writer
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        fate, self.fate = self.fate, None
        lost = fate in ("die_before_commit", "lose_commit")
        connection.execute("ROLLBACK" if lost else "COMMIT")
        if writer.touched and not lost:
            self._committed()
        if fate in ("die_before_commit", "die_after_commit"):
            raise LedgerDied
        if fate is not None:
            raise StoreFailed("the connection broke around the commit")

    @contextmanager
    def reading(self) -> Iterator[SqliteReader]:
        """See `Store`."""
        yield SqliteReader(self._database.connection)

    def announce(self, pool_keys: Collection[int]) -> None:
        """See `Store`."""
        self._tell(pool_keys)

    def close(self) -> None:
        """See `Store`."""


class _NoThread:
    """Stands for the writer's thread: the simulated loop runs its groups."""

    def __init__(self, **_: object) -> None:
        pass

    def start(self) -> None:
        pass

    def join(self) -> None:
        pass


class _NoThreading:
    Thread = _NoThread


class SimWriter(GroupWriter):
    """The group writer with its groups carried out by the loop, each after the time that a commit takes."""

    ledger: "SimLedger"

    def submit(self, job: Job[T], locks: Locks = NO_LOCKS, debit_count: int = 0, alone: bool = False) -> "Future[T]":
        """See `GroupWriter`."""
        future = super().submit(job, locks, debit_count, alone)
        self.ledger.group_wanted(self)
        return future

    def carry_out_waiting(self) -> None:
        """Carries out one group of what waits."""
        self._carry_out(self._next_group())

    @property
    def waits(self) -> bool:
        """Whether a job waits."""
        return bool(self._quick or self._posting) or not self._queue.empty()


class SimMetering(Metering):
    """The job that meters; what it repeats in silence is told here, unless the database was not to be had."""

    ledger: "SimLedger"

    async def turn(self) -> None:
        """See `Metering`."""
        try:
            await super().turn()
        except (Unavailable, StoreError):
            raise
        except Exception as fault:
            self.ledger.unexpected.append(f"metering raised {fault!r}")
            raise


class SimCrash(CrashPlan):
    """Lets the simulation end the process at a named point instead of a signal."""

    def __init__(self, reached: Callable[[CrashPoint], None]) -> None:
        super().__init__()
        self._reached = reached

    def reach(self, point: CrashPoint) -> None:
        """See `CrashPlan`."""
        self._reached(point)


@contextmanager
def _patched() -> Iterator[None]:
    """Lets the server be made with the simulated writer, and the writer without its thread."""
    with replaced(server_module, "GroupWriter", SimWriter), replaced(writer_module, "threading", _NoThreading):
        yield


@contextmanager
def usage_of_simulation() -> Iterator[None]:
    """Lets metering ask the model in the place of a usage store, for as long as the context lasts."""
    with replaced(metering_turns, "Questions", ModelQuestions):
        yield


class Aborted(Exception):
    """Ends a stream's handler after its status was told."""


class SimChannel:
    """The ledger's end of a stream, as grpc.aio shows it to a handler."""

    def __init__(self, ledger: "SimLedger", stream: Stream) -> None:
        self._ledger = ledger
        self.stream = stream
        self._arrived: deque[bytes] = deque()
        self._wanted: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None
        self.dead = False

    # Towards the handler.

    async def read(self) -> object:
        """Returns the next message."""
        while not self._arrived:
            self._wanted = self._ledger.loop.create_future()
            await self._wanted
        return self._arrived.popleft()

    async def write(self, message: bytes) -> None:
        """Sends a message."""
        if not self.dead:
            self.stream.send_down(message)

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: tuple[tuple[str, bytes], ...] = ()
    ) -> NoReturn:
        """Ends the stream with a status."""
        if not self.dead:
            self.dead = True
            reason = _reason(trailing_metadata)
            self._ledger.ended(code, reason, details)
            self.stream.close_server(code.value[0], reason, details)
        raise Aborted(details)

    # Towards the network.

    def deliver(self, message: bytes) -> None:
        """A message arrives."""
        if self.dead:
            return
        self._arrived.append(message)
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)

    def broken(self, status: int, reason: str, message: str) -> None:
        """The peer is gone: grpc.aio cancels the handler."""
        self.dead = True
        if self.task is not None:
            self.task.cancel()


class SimUnary(SimChannel):
    """The ledger's end of a call that is no stream of a sidecar's: how it ends is the caller's matter."""

    def __init__(self, ledger: "SimLedger", stream: Stream, failed: Callable[[tuple[tuple[str, bytes], ...]], None]):
        super().__init__(ledger, stream)
        self._failed = failed

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: tuple[tuple[str, bytes], ...] = ()
    ) -> NoReturn:
        """Ends the call with a status."""
        if not self.dead:
            self.dead = True
            if code not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED):
                self._ledger.unexpected.append(f"a push of events ends with {code.name}: {details}")
            self._failed(trailing_metadata)
            self.stream.close_server(code.value[0], _reason(trailing_metadata), details)
        raise Aborted(details)


def _reason(trailing_metadata: tuple[tuple[str, bytes], ...]) -> str:
    for _, value in trailing_metadata:
        info = error_details_pb2.ErrorInfo()
        for detail in status_pb2.Status.FromString(value).details:
            if detail.Unpack(info):
                return info.reason
    return ""


class SimLedger:
    """The ledger's machine: its database, its clock, and the process while there is one."""

    def __init__(
        self,
        loop: SimLoop,
        history: History,
        name: str,
        rng: Random,
        config: LedgerConfig,
        clock: WallClock,
        commit_delay_ns: tuple[int, int],
        committed: Callable[[], None],
        database: SimDatabase,
        announce: Callable[["SimLedger", Collection[int]], None],
        events: EventsPlan,
        looking: Looking,
    ) -> None:
        self._events = events
        self._looking = looking
        self.loop = loop
        self._history = history
        self._rng = rng
        self._config = config
        self.terms = config.lease_terms
        self.clock = clock
        self._commit_delay_ns = commit_delay_ns
        self._committed = committed
        self.name = name
        self.database = database
        self._announce = announce
        self.alive = False
        self.stalled_until_ns = 0
        self.next_fate: str | None = None
        self.die_before_ack = False
        self.unexpected: list[str] = []
        self.endings: list[tuple[grpc.StatusCode, str, str]] = []
        """How the ledger ended streams by itself, for the checks."""
        self._channels: dict[SimChannel, None] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._meterer: asyncio.Task[None] | None = None
        self._group_pending = False
        self.server: LedgerServer
        self.servicer: LedgerServicer
        self.governance: GovernanceServicer
        self.meters: MeteringServicer
        self.reports: Reports
        self.steady: SteadyClock
        self._ingest: IngestServicer

    # ── the process ─────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Starts a process over what the database has."""
        assert not self.alive
        self.alive = True
        self.steady = SteadyClock(self.clock.wall_ns, self.clock.monotonic_ns)
        self._store = SimStore(self.database, self._committed, lambda keys: self._announce(self, keys))
        with _patched():
            self.server = LedgerServer(self._config, self._store, self.steady.now_ms, SimCrash(self._reached))
        self.server._loop = self.loop.as_asyncio
        self._writer = cast("SimWriter", self.server._writer)
        self._writer.ledger = self
        snapshots, registry, now_ms = self.server._snapshots, self.server._registry, self.steady.now_ms
        self.servicer = LedgerServicer(snapshots, self._writer, registry, now_ms)
        self.governance = GovernanceServicer(snapshots, cast("Any", None), self._writer, registry, now_ms)
        self._group_pending = False
        self._sweeper = self.loop.create_task(self.server._sweep())
        self._sweeper.add_done_callback(self._sweep_ended)
        if self._events.drawn:
            self._start_metering()
        self._history.tell(self.name, "starts")

    def _start_metering(self) -> None:
        """Starts what takes events in and counts them."""
        writer, now_ms, snapshots = self._writer, self.steady.now_ms, self.server._snapshots
        intake = Intake(writer, now_ms, self._events.waiting_batches)
        self._ingest = IngestServicer(intake, writer, cast("Any", None), Decisions(), now_ms)
        self.reports = Reports(snapshots, intake, now_ms, EventTerms(FUTURE_MS, GRACE_MS))
        self.meters = MeteringServicer(snapshots, writer)
        metering = SimMetering(self._store, writer, self.server._registry, now_ms, self._looking)
        metering.ledger = self
        self._meterer = self.loop.create_task(metering.run(self._events.metering_ms))
        self._meterer.add_done_callback(self._sweep_ended)

    def kill(self) -> None:
        """Ends the process as `kill -9` does: nothing of it goes on, every stream breaks."""
        if not self.alive:
            return
        self.alive = False
        self._history.tell(self.name, "dies")
        assert self._sweeper is not None
        self._sweeper.cancel()
        if self._meterer is not None:
            self._meterer.cancel()
        for channel in list(self._channels):
            channel.dead = True
            if channel.task is not None:
                channel.task.cancel()
            channel.stream.cut()
        self._channels.clear()
        self.next_fate = None
        self.die_before_ack = False

    def accept(self, stream: Stream) -> None:
        """A sidecar opens a stream."""
        channel = SimChannel(self, stream)
        stream.server = channel
        self._channels[channel] = None
        serving = self.server._serve_stream(None, cast("Any", channel))
        channel.task = self.loop.create_task(serving)
        channel.task.add_done_callback(lambda task: self._served(channel, task))

    def accept_push(self, stream: Stream, failed: Callable[[tuple[tuple[str, bytes], ...]], None]) -> None:
        """A sidecar calls, to push events."""
        channel = SimUnary(self, stream, failed)
        stream.server = channel
        self._channels[channel] = None
        channel.task = self.loop.create_task(self._serve_push(channel))
        channel.task.add_done_callback(lambda task: self._served(channel, task))

    async def _serve_push(self, channel: SimUnary) -> None:
        request = ingest.PushEventsRequest.FromString(cast("bytes", await channel.read()))
        try:
            answer = await self._ingest.PushEvents(request)
        except Exception as fault:  # noqa: BLE001 - whatever it is becomes a status
            await abort(channel, fault)
        await channel.write(answer.SerializeToString())

    def ask(self, call: Coroutine[None, None, object]) -> None:
        """An operator calls; what he is told is of no interest, unless it is a fault of the ledger's own."""
        task = self.loop.create_task(call)
        task.add_done_callback(self._asked)

    def _asked(self, task: "asyncio.Task[object]") -> None:
        if not task.cancelled() and not isinstance(task.exception(), LedgerError | None):
            self.unexpected.append(f"a call raised {task.exception()!r}")

    def _served(self, channel: SimChannel, task: "asyncio.Task[None]") -> None:
        self._channels.pop(channel, None)
        if not task.cancelled() and not isinstance(task.exception(), Aborted | None):
            self.unexpected.append(f"a stream's handler raised {task.exception()!r}")

    def _sweep_ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            self.unexpected.append(f"the sweep raised {task.exception()!r}")

    def ended(self, code: grpc.StatusCode, reason: str, details: str) -> None:
        """The ledger ended a stream by itself."""
        self._history.tell(self.name, "ends a stream", code.name, reason, details)
        self.endings.append((code, reason, details))

    def hear(self, pool_keys: frozenset[int]) -> None:
        """Another replica announces what changed."""
        if self.alive:
            self.server._heard_from(pool_keys)

    # ── transactions ────────────────────────────────────────────────────────────────────────────────────────────────

    def group_wanted(self, writer: SimWriter) -> None:
        """A job waits: a group is carried out when the one before it is done."""
        if writer is self._writer and not self._group_pending and self.alive:
            self._group_pending = True
            delay_ns = self._rng.randint(*self._commit_delay_ns)
            self.loop.at(max(self.loop.now_ns + delay_ns, self.stalled_until_ns), self._carry_out, writer)

    def _carry_out(self, writer: SimWriter) -> None:
        if writer is not self._writer or not self.alive:
            return
        self._group_pending = False
        if self.stalled_until_ns > self.loop.now_ns:
            self.group_wanted(writer)
            return
        self._store.fate, self.next_fate = self.next_fate, None
        try:
            writer.carry_out_waiting()
        except LedgerDied:
            self.kill()
            return
        if writer.waits:
            self.group_wanted(writer)

    def _reached(self, point: CrashPoint) -> None:
        if point is CrashPoint.BEFORE_ACK and self.die_before_ack:
            self.kill()
