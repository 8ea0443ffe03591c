"""`holdfast sidecar`: the composition root, the only file that names concrete parts.

Recovers, then serves, and drains in reverse. Two threads matter: the decision loop's, and this one, which takes signals
and runs the asyncio loop of uplink and admin. Exit statuses: 0 stopped as asked; 70 a defect; 74 the store failed
(restart); 75 another process has the folder; 76 fenced (an operator must look); 77 the folder is not usable by this
program; 78 the configuration is wrong.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from random import Random

import uvloop
from holdfast.v1 import enforcement_service_pb2, usage_service_pb2

from holdfast_sidecar.config import ConfigError, SidecarConfig, load
from holdfast_sidecar.credentials import Credential, read_credentials
from holdfast_sidecar.dispatcher.callers import caller_names
from holdfast_sidecar.dispatcher.decode import Decoder
from holdfast_sidecar.dispatcher.dispatcher import METHODS, Dispatcher
from holdfast_sidecar.dispatcher.encode import Encoder
from holdfast_sidecar.dispatcher.gate import Gate
from holdfast_sidecar.dispatcher.usage import UsageCalls
from holdfast_sidecar.engine.amounts import NS_PER_MS
from holdfast_sidecar.engine.decision_log import RecentDecisions
from holdfast_sidecar.engine.engine import Engine
from holdfast_sidecar.engine.events import Connected, Draining, Fenced, UplinkEvent
from holdfast_sidecar.engine.state import Meta, Writes
from holdfast_sidecar.inbox import Inbox
from holdfast_sidecar.loop import DecisionLoop, boottime_ns, unix_ms
from holdfast_sidecar.observe.admin import serve_admin
from holdfast_sidecar.observe.collector import Sources
from holdfast_sidecar.observe.endpoint import MetricsEndpoint
from holdfast_sidecar.observe.logs import configure_logging
from holdfast_sidecar.store.interface import Store, StoreError, StoreFailed, StoreLocked
from holdfast_sidecar.store.lmdb_store import open_store
from holdfast_sidecar.transport.factory import open_transport
from holdfast_sidecar.transport.interface import Transport
from holdfast_sidecar.uplink.decision_reports import DecisionReports
from holdfast_sidecar.uplink.event_uplink import EventUplink
from holdfast_sidecar.uplink.protocol import UplinkIdentity
from holdfast_sidecar.uplink.runner import Uplink

_log = logging.getLogger(__name__)

EXIT_DEFECT = 70
EXIT_STORE_FAILED = 74
EXIT_LOCKED = 75
EXIT_FENCED = 76
EXIT_UNUSABLE = 77
EXIT_CONFIG = 78

INSTANCE_BYTES = 16
DRAIN_POLL_S = 0.005
BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


def main(argv: Sequence[str]) -> int:
    """Runs a sidecar until it is told to stop; returns the exit status."""
    try:
        config = load(argv)
        credentials = read_credentials(config.credentials_file) if config.credentials_file else ()
    except ConfigError as error:
        for message in error.messages:
            print(f"holdfast sidecar: {message}", file=sys.stderr)  # noqa: T201 - before there is a log
        return EXIT_CONFIG
    configure_logging(config.log_level, config.log_format)
    sys.setswitchinterval(config.switch_interval_us / 1e6)
    try:
        store = open_store(
            config.folder,
            sidecar_id=config.sidecar_id,
            durability=config.durability,
            map_bytes=config.map_bytes,
            boot_id=BOOT_ID_FILE.read_text().strip(),
            now_ns=boottime_ns(),
            event_outbox_bytes=config.event_outbox_bytes,
        )
    except StoreLocked as error:
        _log.error("the folder is taken: %s", error)
        return EXIT_LOCKED
    except StoreError as error:
        _log.error("the folder cannot be used: %s", error)
        return EXIT_UNUSABLE
    with contextlib.closing(store):
        return Sidecar(config, store, credentials).run()


class Sidecar:
    """One running sidecar, put together from its configuration and an open store."""

    def __init__(self, config: SidecarConfig, store: Store, credentials: Sequence[Credential]) -> None:
        self._config = config
        self._store = store
        started_s = time.perf_counter()
        snapshot = store.load()
        self._meta = snapshot.meta
        recent = RecentDecisions() if config.tell_decisions == "on" and config.ledger_target is not None else None
        self._engine = Engine(config.engine_settings(), snapshot, Encoder(), boottime_ns(), store, recent)
        _draw_instance(store, self._meta)
        hold_count = len(snapshot.holds)
        del snapshot
        gc.collect()
        gc.freeze()
        _log.info("recovered", extra={"holds": hold_count, "ms": round(1e3 * (time.perf_counter() - started_s), 1)})
        dropped_count = self._engine.statistics().rated.estimate_dropped_count
        if dropped_count:
            _log.warning("estimates of outputs were damaged and are learned anew", extra={"rows": dropped_count})
        self._heard = False
        self._alone_after_ns = boottime_ns() + config.partition_after_ms * NS_PER_MS
        self._draining = False
        self._exit_status = 0
        self._transport: Transport = open_transport(config.transport_config(METHODS), config.transport)
        self._inbox = Inbox(self._transport.wake)
        self._uplink = self._make_uplink()
        self._event_uplink = self._make_event_uplink(recent)
        gate = Gate(boottime_ns, credentials, config.usage_calls_per_s, config.usage_burst)
        decoder = Decoder(config.max_hold_ttl_ms, config.max_operations, config.max_list_page)
        self._loop = DecisionLoop(
            self._transport,
            Dispatcher(decoder, self._ready, UsageCalls(gate, config.max_operations), caller_names(credentials)),
            self._engine,
            store,
            self._inbox,
            self._uplink,
            boottime_ns,
            unix_ms,
        )

    def run(self) -> int:
        """Serves until a signal, a fence or a failure; returns the exit status."""
        return uvloop.run(self._serve())

    async def _serve(self) -> int:
        self._stop = asyncio.Event()
        self._event_loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._event_loop.add_signal_handler(number, self._stop.set)
        decisions = threading.Thread(target=self._decide, name="decisions")
        async with contextlib.AsyncExitStack() as stack:
            await self._open_side_doors(stack)
            decisions.start()
            running = asyncio.create_task(self._uplink.run()) if self._uplink is not None else None
            pushing = self._event_uplink.start() if self._event_uplink is not None else None
            self._announce()
            stopping = asyncio.create_task(self._stop.wait())
            links = [task for task in (running, pushing) if task is not None]
            await asyncio.wait({stopping, *links}, return_when=asyncio.FIRST_COMPLETED)
            for ended in links:
                if ended.done() and not stopping.done():
                    self._uplink_ended(ended)
            stopping.cancel()
            await self._drain()
            if self._event_uplink is not None:
                # While the loop still turns, so that what the ledger acks leaves the store. The events of a fenced
                # folder are replayed with its debits.
                await self._event_uplink.stop(0 if self._exit_status else self._config.drain_grace_ms)
            self._inbox.put(Draining())
            self._loop.stop()
            await asyncio.to_thread(decisions.join)
            await asyncio.to_thread(self._transport.close, self._config.drain_grace_ms)
            if self._uplink is not None:
                await self._uplink.stop(self._config.drain_grace_ms)
        return self._exit_status

    # ── the decision loop's thread ───────────────────────────────────────────────────────────────────────────────

    def _decide(self) -> None:
        try:
            self._loop.run()
        except StoreFailed as error:
            _log.critical("the store failed; restart: %s", error)
            self._exit_status = EXIT_STORE_FAILED
        except Exception:  # noqa: BLE001 - whatever ends the loop ends the process
            _log.critical("the decision loop broke", exc_info=True)
            self._exit_status = EXIT_DEFECT
        self._event_loop.call_soon_threadsafe(self._stop.set)

    def _ready(self) -> bool:
        """Whether decisions can be taken, and no end is in sight.

        At a start the ledger's word is waited for. Without it, after `partition_after_ms`, leases that are still valid
        are enough.
        """
        if self._draining:
            return False
        if self._heard or self._uplink is None:
            return True
        return self._alone_after_ns <= boottime_ns() < self._meta.lease_valid_until_ns

    # ── start ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _make_uplink(self) -> Uplink | None:
        if self._config.ledger_target is None:
            return None
        meta = self._meta
        identity = UplinkIdentity(
            sidecar_id=meta.sidecar_id,
            epoch=meta.epoch,
            instance=meta.instance,
            last_sequence=meta.last_sequence,
            acked_sequence=meta.acked_sequence,
            max_hold_ttl_ms=self._config.max_hold_ttl_ms,
            version=version("holdfast"),
            birth_epoch=meta.birth_epoch,
        )
        return Uplink(self._config.ledger_target, identity, self._store.read_debits, self._emit, boottime_ns, Random())

    def _make_event_uplink(self, recent: RecentDecisions | None) -> EventUplink | None:
        if self._config.ledger_target is None:
            return None
        sender = EventUplink(
            self._config.ledger_target,
            self._meta.sidecar_id,
            self._meta.acked_event_sequence,
            self._store.read_events,
            self._emit,
            boottime_ns,
            unix_ms,
            Random(),
            DecisionReports(recent, self._engine.statistics) if recent is not None else None,
        )
        sender.welcomed(self._meta.birth_epoch)
        return sender

    def _emit(self, event: UplinkEvent) -> None:
        if isinstance(event, Connected):
            self._heard = True
            if self._event_uplink is not None:
                self._event_uplink.welcomed(event.birth_epoch)
        if isinstance(event, Fenced):
            self._draining = True
            self._exit_status = EXIT_FENCED
        self._inbox.put(event)

    async def _open_side_doors(self, stack: contextlib.AsyncExitStack) -> None:
        if self._config.metrics_address is not None:
            host, _, port = self._config.metrics_address.rpartition(":")
            endpoint = stack.enter_context(MetricsEndpoint(self._sources(), host.strip("[]"), int(port)))
            _tell(f"metrics on {host}:{endpoint.port}")
        if self._config.admin_address is not None:
            files = (enforcement_service_pb2, usage_service_pb2)
            names = [service.full_name for file in files for service in file.DESCRIPTOR.services_by_name.values()]
            server, port_bound = await serve_admin(self._config.admin_address, names)
            stack.push_async_callback(server.stop, 0)
            _tell(f"admin on {self._config.admin_address.rpartition(':')[0]}:{port_bound}")

    def _sources(self) -> Sources:
        info = {
            "version": version("holdfast"),
            "transport": type(self._transport).__name__,
            "durability": self._config.durability,
        }
        return Sources(
            info=info,
            now_ns=boottime_ns,
            engine=self._engine.statistics,
            pool_figures=self._engine.pool_figures,
            loop=self._loop.statistics,
            store=self._store.statistics,
            transport=self._transport.statistics,
            uplink=self._uplink.statistics if self._uplink is not None else None,
            event_uplink=self._event_uplink.statistics if self._event_uplink is not None else None,
        )

    def _announce(self) -> None:
        if self._config.listen_tcp is not None:
            _tell(f"listening on {self._config.listen_tcp.rpartition(':')[0]}:{self._transport.tcp_port}")
        if self._config.listen_unix is not None:
            _tell(f"listening on unix:{self._config.listen_unix}")

    # ── stop ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _uplink_ended(self, running: asyncio.Task[None]) -> None:
        error = running.exception()
        if error is not None:
            _log.critical("the uplink broke", exc_info=error)
            self._exit_status = EXIT_DEFECT

    async def _drain(self) -> None:
        """Takes nothing new in and waits until what is in is answered."""
        self._draining = True
        self._transport.drain()
        deadline_s = time.monotonic() + self._config.drain_grace_ms / 1e3
        while self._transport.statistics().pending_count and time.monotonic() < deadline_s and not self._failed():
            await asyncio.sleep(DRAIN_POLL_S)

    def _failed(self) -> bool:
        return self._exit_status in (EXIT_DEFECT, EXIT_STORE_FAILED)


def _draw_instance(store: Store, meta: Meta) -> None:
    """Makes a new name for this life of the process durable, before the ledger hears it.

    One that the ledger's Welcome has not confirmed is kept: with it the ledger recognises a process that died between
    the two commits.
    """
    if meta.instance == meta.welcomed_instance:
        meta.instance = os.urandom(INSTANCE_BYTES)
        store.commit(Writes(meta=meta))


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - standard output is for whoever started this process
