"""`holdfast ledger`: the composition root, the only file that names databases, the clock and the process's signals."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from holdfast_ledger.access import command
from holdfast_ledger.audit import audit
from holdfast_ledger.books.rebuilding import rebuild
from holdfast_ledger.clock import SteadyClock
from holdfast_ledger.config import ConfigError, LedgerConfig, from_arguments, load
from holdfast_ledger.config import parser as config_parser
from holdfast_ledger.crash import CrashPlan
from holdfast_ledger.errors import LedgerError
from holdfast_ledger.restoring import restored
from holdfast_ledger.server import LedgerServer
from holdfast_ledger.store.interface import Store, StoreError, StoreFailed
from holdfast_ledger.store.sqlite import SqliteStore

EXIT_USAGE = 64
EXIT_FINDINGS = 1
EXIT_UNAVAILABLE = 69

MAX_WAIT_MS = 31 * 24 * 3_600_000
"""A month, as long as the longest hold."""

SWITCH_INTERVAL_S = 0.0005
"""The writer gives the interpreter up for each statement, and would wait the default 5 ms to get it back."""


def main(argv: Sequence[str]) -> int:
    """Runs `holdfast ledger`, plain or with `audit`, `restored`, …; returns the exit status."""
    if argv and argv[0] == "audit":
        return _audit(argv[1:])
    if argv and argv[0] == "restored":
        return _restored(argv[1:])
    if argv and argv[0] == "credential":
        return _credential(argv[1:])
    if argv and argv[0] == "rebuild-books":
        return _rebuild_books(argv[1:])
    try:
        config = from_arguments(argv)
    except ConfigError as fault:
        return _complain(str(fault), EXIT_USAGE)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        return uvloop.run(_serve(config))
    except (StoreError, OSError, RuntimeError) as fault:
        return _complain(str(fault), EXIT_UNAVAILABLE)


def _is_url(database: str) -> bool:
    return database.startswith(("postgresql://", "postgres://"))


def open_store(database: str) -> Store:
    """Opens a file with SQLite, a postgresql:// URL with PostgreSQL. Raises `StoreError`."""
    if not _is_url(database):
        return SqliteStore(Path(database))
    try:
        from holdfast_ledger.store.postgres import PostgresStore  # noqa: PLC0415 - its driver is an extra
    except ModuleNotFoundError as fault:
        raise StoreFailed(f"PostgreSQL needs the extra holdfast[postgres]: {fault}") from fault
    return PostgresStore(database)


async def _serve(config: LedgerConfig) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    store = open_store(config.database)
    crash = CrashPlan.parse(os.environ.get("HOLDFAST_CRASH_AT", ""))
    server = LedgerServer(config, store, SteadyClock().now_ms, crash)
    try:
        await server.start()
        host = config.listen.rpartition(":")[0]
        if server.http_port:
            sys.stdout.write(f"console on http://{config.http_listen.rpartition(':')[0]}:{server.http_port}/\n")
        sys.stdout.write(f"listening on {host}:{server.port}\n")
        sys.stdout.flush()
        await stopping.wait()
    finally:
        await server.stop()
        store.close()
    return 0


def _audit(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="holdfast ledger audit", description="Rebuilds all figures from the journal.")
    parser.add_argument("--database", required=True, help="file of the SQLite database, or a postgresql:// URL")
    database: str = parser.parse_args(arguments).database
    if not _is_url(database) and not Path(database).is_file():
        return _complain(f"{database}: there is no such file", EXIT_USAGE)
    try:
        store = open_store(database)
    except StoreError as fault:
        return _complain(str(fault), EXIT_UNAVAILABLE)
    with store.reading() as reader:
        report = audit(reader)
    store.close()
    lines = [
        f"{report.pool_count} pools, {report.grant_count} grants, {report.lease_count} leases, "
        f"{report.entry_count} entries",
        *report.findings,
        f"{len(report.findings)} findings" if report.findings else "all figures agree with the journal",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return EXIT_FINDINGS if report.findings else 0


def _restored(arguments: Sequence[str]) -> int:
    own = argparse.ArgumentParser(add_help=False)
    wait_help = "time in which nobody is given new rights; by default lease_validity_ms (the ledger's settings count)"
    own.add_argument("--wait-ms", type=int, help=wait_help)
    parser = config_parser("holdfast ledger restored", [own])
    parser.description = "Tells a ledger that its database was restored from an older backup."
    flags = vars(parser.parse_args(arguments))
    wait_ms: int | None = flags.pop("wait_ms")
    try:
        config = load(flags, flags.pop("config"))
    except ConfigError as fault:
        return _complain(str(fault), EXIT_USAGE)
    wait_ms = config.lease_validity_ms if wait_ms is None else wait_ms
    if not 0 <= wait_ms <= MAX_WAIT_MS:
        return _complain(f"--wait-ms: is {wait_ms}, not in 0..{MAX_WAIT_MS}", EXIT_USAGE)
    if not _is_url(config.database) and not Path(config.database).is_file():
        return _complain(f"{config.database}: there is no such file", EXIT_USAGE)
    try:
        store = open_store(config.database)
        try:
            state = restored(store, SteadyClock().now_ms(), wait_ms, config.lease_terms)
        finally:
            store.close()
    except StoreError as fault:
        return _complain(str(fault), EXIT_UNAVAILABLE)
    sys.stdout.write(f"generation {state.generation}: no new rights for {wait_ms} ms, sidecars claim what they have\n")
    return 0


def _credential(arguments: Sequence[str]) -> int:
    said = command.read_arguments(arguments)
    try:
        store = open_store(said.database)
        try:
            token = command.create(store, said, SteadyClock().now_ms())
        finally:
            store.close()
    except StoreError as fault:
        return _complain(str(fault), EXIT_UNAVAILABLE)
    except LedgerError as fault:
        return _complain(fault.message, EXIT_USAGE)
    sys.stdout.write(f"{token}\n")
    return 0


def _rebuild_books(arguments: Sequence[str]) -> int:
    description = "Counts the books' months anew from the journal."
    parser = argparse.ArgumentParser(prog="holdfast ledger rebuild-books", description=description)
    parser.add_argument("--database", required=True, help="file of the SQLite database, or a postgresql:// URL")
    database: str = parser.parse_args(arguments).database
    if not _is_url(database) and not Path(database).is_file():
        return _complain(f"{database}: there is no such file", EXIT_USAGE)
    try:
        store = open_store(database)
        try:
            with store.writing() as writer:
                count = rebuild(writer)
        finally:
            store.close()
    except StoreError as fault:
        return _complain(str(fault), EXIT_UNAVAILABLE)
    sys.stdout.write(f"{count} months of grants counted anew\n")
    return 0


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"holdfast ledger: {message}\n")
    return status
