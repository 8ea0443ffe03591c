"""Puts the parts of one replica together and runs them: services, health, reflection, sweep, metrics.

Up in the order store, writer, services, listeners; down in reverse.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from holdfast.v1 import ledger_sync_service_pb2

from holdfast_ledger.access import trail
from holdfast_ledger.access.gate import Gate
from holdfast_ledger.access.trail import AuditTrail
from holdfast_ledger.books.keeping import Bookkeeper, book_statistics
from holdfast_ledger.config import LedgerConfig
from holdfast_ledger.crash import CrashPlan
from holdfast_ledger.delivery import retention
from holdfast_ledger.delivery.deliverer import Deliverer, DeliveryCounts
from holdfast_ledger.delivery.posting import Poster
from holdfast_ledger.errors import LedgerError, ShuttingDown
from holdfast_ledger.handlers import unary_handlers
from holdfast_ledger.http.server import HttpServer
from holdfast_ledger.leasing import recall, rights
from holdfast_ledger.metering import retention as metering_retention
from holdfast_ledger.metering.decisions import Decisions
from holdfast_ledger.metering.intake import Intake
from holdfast_ledger.metering.job import Metering, look_into
from holdfast_ledger.metering.statistics import MeteringStatistics
from holdfast_ledger.metrics import LedgerStatistics, MetricsServer
from holdfast_ledger.objects.statistics import ObjectStatistics
from holdfast_ledger.objects.supervisor import open_ingest
from holdfast_ledger.posting import grants
from holdfast_ledger.services import Parts, Service, unary_services
from holdfast_ledger.snapshots import Snapshots
from holdfast_ledger.status import abort
from holdfast_ledger.store.interface import Locks, Store, StoreError, Writer
from holdfast_ledger.sync.jobs import SyncJobs
from holdfast_ledger.sync.registry import Registry
from holdfast_ledger.sync.stream import Stream, StreamSettings, SyncServices
from holdfast_ledger.usage.store import open_usage
from holdfast_ledger.windows import clearing
from holdfast_ledger.writer import GroupWriter

SYNC_SERVICE = ledger_sync_service_pb2.DESCRIPTOR.services_by_name["LedgerSyncService"]

MAX_METADATA_BYTES = 8_192
"""What peers accept; grpc drops between its soft and its hard limit at random."""

MIN_PING_INTERVAL_MS = 10_000
"""Sidecars ping every 20 s or more; the default of 300 s would answer them with GOAWAY too_many_pings."""

SEND_BYTES = 64 * 1024 * 1024
"""Largest message sent: a Welcome with some hundred thousand leases."""

NEEDY_LIMIT = 1_000
"""Pools of one sweep of which somebody waits for rights; the others are found by the next ones."""

_log = logging.getLogger(__name__)


def _options(config: LedgerConfig) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.max_send_message_length", SEND_BYTES),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.max_concurrent_streams", config.max_concurrent_streams),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", MIN_PING_INTERVAL_MS),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
    ]


class LedgerServer:
    """One replica. `start`, then `stop`, on one event loop."""

    def __init__(
        self, config: LedgerConfig, store: Store, now_ms: Callable[[], int], crash: CrashPlan | None = None
    ) -> None:
        self._config = config
        self._store = store
        self._now_ms = now_ms
        self._crash = crash or CrashPlan()
        self._registry = Registry(store.announce)
        self._writer = GroupWriter(store, self._crash)
        self._readers = ThreadPoolExecutor(config.read_thread_count, thread_name_prefix="ledger-reader")
        self._snapshots = Snapshots(store, self._readers)
        self._health = health.aio.HealthServicer()
        self._streams: dict[Stream, asyncio.Task[object]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._servers: list[grpc.aio.Server] = []
        self._metrics: MetricsServer | None = None
        self._poster: Poster | None = None
        self._deliveries = DeliveryCounts()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_listening: Callable[[], None] = lambda: None
        self._stopping = False
        self._sync = self._sync_services()
        self._intake = Intake(self._writer, now_ms, config.event_waiting_batches if config.usage_store else 0)
        self._decisions = Decisions()
        self._usage = open_usage(config)
        self._ingest = open_ingest(config)
        look = look_into(self._usage.database) if self._usage else None
        self._metering = Metering(store, self._writer, self._registry, now_ms, look)
        self._bookkeeper = Bookkeeper(self._snapshots, self._writer, now_ms)
        self._services: list[Service] = []
        self._http: HttpServer | None = None
        self.port = 0
        self.admin_port = 0
        self.http_port = 0

    def _sync_services(self) -> SyncServices:
        config = self._config
        settings = StreamSettings(
            config.lease_terms, config.window_debit_count, config.post_debit_count, config.snapshot_interval_ms
        )
        jobs = SyncJobs(self._now_ms, config.lease_terms)
        return SyncServices(settings, jobs, self._writer, self._snapshots, self._registry, self._crash)

    def _parts(self, loop: asyncio.AbstractEventLoop) -> Parts:
        return Parts(
            self._config,
            self._store,
            self._snapshots,
            self._readers,
            self._writer,
            self._registry,
            self._intake,
            self._decisions,
            self._bookkeeper,
            self._usage.database if self._usage else None,
            self._now_ms,
            loop,
        )

    @property
    def service_names(self) -> tuple[str, ...]:
        """Full names of all services that it serves."""
        return (*(service.descriptor.full_name for service in self._services), SYNC_SERVICE.full_name)

    def _gate(self) -> Gate:
        config = self._config
        audit = AuditTrail(self._writer, self._now_ms)
        required, calls_per_s = config.require_credentials, config.credential_calls_per_s
        return Gate(self._snapshots, audit, required=required, calls_per_s=calls_per_s, now_ns=time.monotonic_ns)

    async def _start_http(self, gate: Gate) -> None:
        config = self._config
        if not config.http_listen:
            return
        hosts = frozenset(name.strip().lower() for name in config.http_hosts.split(",") if name.strip())
        listen, max_bytes = config.http_listen, config.max_message_bytes
        self._http = HttpServer(self._services, gate, listen=listen, hosts=hosts, max_body_bytes=max_bytes)
        await self._http.start()
        self.http_port = self._http.port

    async def start(self) -> None:
        """Binds the ports and serves. Raises RuntimeError if one is taken."""
        self._loop = asyncio.get_running_loop()
        server = grpc.aio.server(options=_options(self._config), maximum_concurrent_rpcs=self._config.max_calls)
        self._services = unary_services(self._parts(self._loop))
        sync = grpc.method_handlers_generic_handler(
            SYNC_SERVICE.full_name, {"Sync": grpc.stream_stream_rpc_method_handler(self._serve_stream)}
        )
        gate = self._gate()
        unary = [unary_handlers(service.descriptor, service.servicer, gate) for service in self._services]
        server.add_generic_rpc_handlers((*unary, sync))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        self.port = server.add_insecure_port(self._config.listen)
        self._servers.append(server)
        if self._config.admin_listen:
            self._servers.append(self._admin_server())
        for one in self._servers:
            await one.start()
        await self._start_http(gate)
        if self._config.metrics_port:
            self._metrics = MetricsServer(self._config.metrics_host, self._config.metrics_port, self.statistics)
        if self._usage is not None:
            self._usage.start()
        if self._ingest is not None:
            self._ingest.start()
        self._tasks.append(asyncio.create_task(self._sweep()))
        self._tasks.append(asyncio.create_task(self._metering.run(self._config.metering_interval_ms)))
        self._tasks.append(asyncio.create_task(self._bookkeeper.run(self._config.books_interval_ms)))
        self._poster = Poster(self._config.webhook_allow_private)
        self.deliverer = Deliverer(self._writer, self._poster, self._now_ms, self._deliveries)
        self._tasks.append(asyncio.create_task(self.deliverer.run(self._config.webhook_interval_ms)))
        self._stop_listening = self._store.listen(self._heard_from)
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)

    def _heard_from(self, pool_keys: frozenset[int] | None) -> None:
        """Takes what another replica announces, on the store's thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._registry.pools_changed_elsewhere, pool_keys)

    def _admin_server(self) -> grpc.aio.Server:
        admin = grpc.aio.server(options=_options(self._config))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, admin)
        reflection.enable_server_reflection((*self.service_names, health.SERVICE_NAME, reflection.SERVICE_NAME), admin)
        self.admin_port = admin.add_insecure_port(self._config.admin_listen)
        return admin

    async def _set_health(self, state: int) -> None:
        for name in ("", *self.service_names):
            await self._health.set(name, state)

    async def _serve_stream(self, _: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        task = asyncio.current_task()
        assert task is not None
        stream = Stream(context, self._sync)
        self._streams[stream] = task
        try:
            if self._stopping:
                raise ShuttingDown("this replica is stopping")
            await stream.run()
        except Exception as fault:  # noqa: BLE001 - whatever it is becomes a status
            await abort(context, fault)
        finally:
            del self._streams[stream]

    async def _sweep(self) -> None:
        """Expires grants, lets others begin, reclaims leases, clears windows, deletes old events; tells sidecars."""
        while True:
            await asyncio.sleep(self._config.sweep_interval_ms / 1_000)
            try:
                await self.sweep_once()
            except (LedgerError, StoreError) as fault:
                _log.warning("the sweep failed and will be repeated: %s", fault)

    async def sweep_once(self) -> None:
        """One turn of the sweep, in as many transactions as it takes. Raises `Unavailable`, `StoreError`."""
        self._registry.pools_changed(self._sync.moved_pools | self._registry.waiting_pools())
        self._sync.moved_pools.clear()
        forget = partial(retention.sweep, retention_ms=self._config.event_retention_ms)
        forget_calls = partial(trail.sweep, retention_ms=self._config.audit_retention_ms)
        forget_batches = partial(metering_retention.sweep, retention_ms=self._config.event_batch_retention_ms)
        for sweep in (grants.sweep, rights.sweep, clearing.sweep, forget, forget_calls, forget_batches):
            await self._sweep_with(sweep)
        await self._sweep_needs()

    async def _sweep_needs(self) -> None:
        """Finds the pools of which somebody waits for rights, should all who were to hurry have died."""

        def query() -> list[int]:
            with self._store.reading() as reader:
                return reader.pools_needy(NEEDY_LIMIT)

        keys = frozenset(await asyncio.get_running_loop().run_in_executor(self._readers, query))
        if keys:
            terms = self._config.lease_terms
            await self._writer.run(
                lambda writer: recall.forget_silent(writer, keys, self._now_ms(), terms), Locks(pool_keys=keys)
            )
            self._registry.pools_changed(keys)

    async def _sweep_with(self, sweep: Callable[[Writer, int], tuple[set[int], bool]]) -> None:
        """Repeats one sweep until nothing is due. Alone: it finds the rows that it has to lock."""
        more = True
        while more:
            changed, more = await self._writer.run(lambda writer: sweep(writer, self._now_ms()), alone=True)
            self._registry.pools_changed(changed)

    def statistics(self) -> LedgerStatistics:
        """Counters, and the gauges as the database has them. Any thread but the event loop's: it reads."""
        counters = self._sync.counters
        with self._store.reading() as reader:
            lease_count, currencies = reader.lease_count(), tuple(reader.currency_totals())
            events, books = reader.event_totals(), book_statistics(reader, self._now_ms())
            objects = ObjectStatistics.of(reader, self._now_ms())
            metering = MeteringStatistics.of(reader, self._now_ms(), replace(self._metering.counts))
        return LedgerStatistics(
            writer=self._writer.statistics(),
            posted_debit_count=counters.debit_count,
            dropped_debit_count=counters.dropped_count,
            duplicate_debit_count=counters.duplicate_count,
            quarantined_debit_count=counters.quarantined_count,
            post_job_count=counters.job_count,
            stream_count=len(self._registry),
            lease_count=lease_count,
            currencies=currencies,
            deliveries=replace(self._deliveries),
            events=events,
            usage=self._usage.status() if self._usage else None,
            books=books,
            objects=objects,
            metering=metering,
        )

    async def stop(self) -> None:
        """Turns readiness off, ends the streams, waits for calls under way, then closes what is behind. Idempotent."""
        if self._stopping:
            return
        self._stopping = True
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        for stream in self._streams:
            stream.end(ShuttingDown("this replica is stopping"))
        grace_s = self._config.shutdown_grace_ms / 1_000
        if self._streams:
            await asyncio.wait(self._streams.values(), timeout=grace_s)
        if self._http is not None:
            await self._http.stop()
        for server in self._servers:
            await server.stop(grace_s)
        left = [*self._tasks, *self._streams.values()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if self._poster is not None:
            await self._poster.close()
        if self._metrics is not None:
            self._metrics.close()
        await asyncio.to_thread(self._metering.close)
        if self._ingest is not None:
            await asyncio.to_thread(self._ingest.stop)
        if self._usage is not None:
            await asyncio.to_thread(self._usage.stop)
        await asyncio.to_thread(self._stop_listening)
        await asyncio.to_thread(self._writer.close)
        self._readers.shutdown()
