"""`holdfast streams export|import`: the composition root of a process that moves streams."""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from confluent_kafka import KafkaException
from prometheus_client import CollectorRegistry, start_http_server

from holdfast_ledger.bootstrap import open_store
from holdfast_ledger.clock import SteadyClock
from holdfast_ledger.metering.event_rules import EventTerms
from holdfast_ledger.store.interface import Store, StoreError
from holdfast_ledger.streams.config import StreamsConfig, StreamsConfigError, load
from holdfast_ledger.streams.exporter import ExportEnded, Exporter
from holdfast_ledger.streams.importer import Importer, Moved
from holdfast_ledger.streams.marks import MarksUnreadable
from holdfast_ledger.streams.metrics import StreamCollector

EXIT_USAGE = 64
EXIT_UNAVAILABLE = 69
MAX_BACKOFF_S = 30.0

_log = logging.getLogger("holdfast_ledger.streams")


class Mover(Protocol):
    """An exporter or an importer."""

    def turn(self) -> int:
        """Moves what there is; returns how much."""

    def close(self) -> None:
        """Lets go."""


def main(argv: Sequence[str]) -> int:
    """Runs `holdfast streams`; returns the exit status."""
    said = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        config = load(said.config)
        if (config.export if said.direction == "export" else config.imports) is None:
            raise StreamsConfigError(f"{said.config}: has no [{said.direction}]")
        store = open_store(said.database)
    except StreamsConfigError as fault:
        return _complain(str(fault), EXIT_USAGE)
    except StoreError as fault:
        return _complain(str(fault), EXIT_UNAVAILABLE)
    try:
        return _run(said, config, store, stopping)
    except (ExportEnded, MarksUnreadable) as fault:
        return _complain(str(fault), EXIT_UNAVAILABLE)
    finally:
        store.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="holdfast streams", description="Moves streams between the ledger and Kafka.")
    parser.add_argument("direction", choices=["export", "import"])
    parser.add_argument("--config", type=Path, required=True, help="TOML file, see docs/usage.md")
    parser.add_argument("--database", required=True, help="the ledger's: file, or postgresql:// URL")
    parser.add_argument("--from-start", action="store_true", help="export: begins anew, whatever was sent")
    parser.add_argument("--once", action="store_true", help="ends when there is nothing more to move")
    parser.add_argument("--metrics-port", type=int, default=0, help="port of the Prometheus endpoint; 0: none")
    return parser


def _run(said: argparse.Namespace, config: StreamsConfig, store: Store, stopping: threading.Event) -> int:
    collector = StreamCollector()
    if said.metrics_port:
        registry = CollectorRegistry()
        registry.register(collector)
        start_http_server(said.metrics_port, registry=registry)
    anew = [bool(said.from_start)]

    def make() -> Mover:
        if said.direction == "import" and config.imports is not None:
            importer = Importer(
                config, store, EventTerms(config.imports.future_ms, config.imports.grace_ms), SteadyClock().now_ms
            )
            collector.watch(importer.counts)
            return importer
        exporter = Exporter(config, store, from_start=anew[0])
        anew[0] = False
        collector.watch(exporter.counts)
        return exporter

    sys.stdout.write(f"{said.direction}ing, until SIGTERM\n")
    sys.stdout.flush()
    idle_s = config.export.interval_ms / 1_000 if said.direction == "export" and config.export else 0.0
    return move(make, stopping, idle_s, once=said.once)


def move(make: Callable[[], Mover], stopping: threading.Event, idle_s: float, *, once: bool = False) -> int:
    """Takes turns until it is told to stop; after a fault that may pass, with another mover, after a while.

    Raises:
        ExportEnded: it cannot go on by itself.
        MarksUnreadable: nor so.
    """
    failures = 0
    while not stopping.is_set():
        mover: Mover | None = None
        try:
            mover = make()
            while not stopping.is_set():
                moved = mover.turn()
                failures = 0
                if not moved and once:
                    return 0
                if not moved:
                    stopping.wait(idle_s)
        except (KafkaException, Moved, StoreError) as fault:
            failures += 1
            delay_s = min(MAX_BACKOFF_S, 0.5 * 2 ** (failures - 1))
            _log.warning("%s; again in %.1f s", fault, delay_s)
            stopping.wait(delay_s)
        finally:
            if mover is not None:
                mover.close()
    return 0


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"holdfast streams: {message}\n")
    return status
