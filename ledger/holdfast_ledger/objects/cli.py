"""`holdfast ingest`: takes objects in once, rehearses that, and tells what became of all."""

import argparse
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from holdfast_ledger.bootstrap import open_store
from holdfast_ledger.clock import SteadyClock
from holdfast_ledger.config import ConfigError, LedgerConfig, load
from holdfast_ledger.objects.checking import KnownAccounts, checker_at
from holdfast_ledger.objects.config import Format, IngestConfig, IngestConfigError, Source, load_file
from holdfast_ledger.objects.once import Asked, asked_for, rehearsed, taken
from holdfast_ledger.objects.statistics import ObjectStatistics
from holdfast_ledger.objects.stores import StoreFault
from holdfast_ledger.objects.taking import Taker
from holdfast_ledger.objects.worker_settings import WorkerSettings
from holdfast_ledger.store.interface import Store, StoreError
from holdfast_ledger.store.object_rows import ObjectState

EXIT_FAILED = 1
EXIT_USAGE = 64
EXIT_UNAVAILABLE = 69

SHOWN_OBJECTS = 100
"""Objects of a source and state that `status` lists."""


def main(argv: Sequence[str]) -> int:
    """Runs `holdfast ingest URL…`, or with `status` or `retry`; returns the exit status, 1: an object failed."""
    command = argv[0] if argv and argv[0] in {"status", "retry"} else ""
    try:
        match command:
            case "status":
                return _status(argv[1:])
            case "retry":
                return _retry(argv[1:])
            case _:
                return _ingest(argv)
    except (ConfigError, IngestConfigError) as fault:
        sys.stderr.write(f"holdfast ingest: {fault}\n")
        return EXIT_USAGE
    except (StoreError, StoreFault) as fault:
        sys.stderr.write(f"holdfast ingest: {fault}\n")
        return EXIT_UNAVAILABLE


def _parser(prog: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument(
        "--database",
        help="the ledger's: file of the SQLite database, or a postgresql:// URL; by default the variable "
        "HOLDFAST_LEDGER_DATABASE",
    )
    return parser


def _settings(database: str | None) -> LedgerConfig:
    config = load({"database": database}, None)
    if "://" not in config.database and not Path(config.database).is_file():
        raise ConfigError(f"{config.database}: there is no such file")
    return config


def _ingest(argv: Sequence[str]) -> int:
    parser = _parser("holdfast ingest", "Takes objects in, each content once.")
    parser.epilog = "also: holdfast ingest status, holdfast ingest retry SOURCE [PATH]"
    add = parser.add_argument
    add("urls", nargs="+", metavar="URL", help="of an object or a folder: s3://…, gs://…, az://…, file://…, or a path")
    add("--config", type=Path, help="ingest file; what it says of a source holds for the objects below its URL")
    add("--dry-run", action="store_true", help="reads and checks everything, and takes nothing in")
    add("--format", choices=[one.value for one in Format], help="by default as the suffix says")
    add("--column", action="append", default=[], metavar="FIELD=COLUMN", help="column of a field with another name")
    add("--default", action="append", default=[], metavar="FIELD=VALUE", help="account_id, source, type or subject")
    add("--ignore", action="append", default=[], metavar="COLUMN", help="column that is nothing of an event; *: all")
    add("--option", action="append", default=[], metavar="NAME=VALUE", help="of the store, such as region=eu-west-1")
    add("--dead-letters", default="", metavar="URL", help="where bad rows go; by default beside their object")
    flags = parser.parse_args(argv)
    config = load_file(flags.config) if flags.config else IngestConfig()
    now_ms = SteadyClock().now_ms()

    def other(name: str, url: str) -> Source:
        return Source(
            name=name,
            url=url,
            format=flags.format,
            columns=_pairs(flags.column),
            defaults=_pairs(flags.default),
            ignored_columns=tuple(flags.ignore),
            options=_pairs(flags.option),
            dead_letter_url=flags.dead_letters,
        )

    try:
        asked = [asked_for(url, config, other, now_ms) for url in flags.urls]
    except ValueError as fault:
        raise IngestConfigError(str(fault)) from fault
    for one, url in zip(asked, flags.urls, strict=True):
        if not one.found:
            raise IngestConfigError(f"{url}: there is no object of events")
    return _rehearse(asked, flags.database) if flags.dry_run else _take(asked, config, flags.database)


def _pairs(said: Sequence[str]) -> dict[str, str]:
    for one in said:
        if "=" not in one:
            raise IngestConfigError(f"{one!r} is not NAME=VALUE")
    return {name: value for name, _, value in (one.partition("=") for one in said)}


def _anyone(named: Collection[str]) -> Collection[str]:
    return named


def _rehearse(asked: Sequence[Asked], database: str | None) -> int:
    """Without a database, accounts are not looked up."""
    settings = _settings(database) if database else load({}, None)
    store = open_store(settings.database) if database else None
    accounts = KnownAccounts(store) if store else _anyone
    terms = WorkerSettings.of(settings, "").terms
    failed = False
    for one in asked:
        for result in rehearsed(one, checker_at(SteadyClock().now_ms(), terms, accounts)):
            failed |= bool(result.fault or result.dead_count)
            good = result.row_count - result.dead_count
            _tell(f"{result.found.path}: {good} events, {result.dead_count} bad rows{_because(result.fault)}")
            for dead in result.dead:
                _tell(f"  row {dead.number}: {dead.field}{': ' if dead.field else ''}{dead.reason}")
    if store:
        store.close()
    return EXIT_FAILED if failed else 0


def _because(fault: str) -> str:
    return f"; fails: {fault}" if fault else ""


def _take(asked: Sequence[Asked], config: IngestConfig, database: str | None) -> int:
    ledger = _settings(database)
    settings = WorkerSettings.of(ledger, "")
    store = open_store(ledger.database)
    clock = SteadyClock()
    accounts = KnownAccounts(store)
    taker = Taker(
        store,
        lambda at_ms: checker_at(at_ms, settings.terms, accounts),
        clock.now_ms,
        max_attempts=config.max_attempts,
        waiting_limit=settings.waiting_limit,
    )
    failed = False
    try:
        for one in asked:
            for row in taken(one, store, taker, clock.now_ms):
                failed |= row.state is ObjectState.FAILED
                good = row.row_count - row.bad_count
                _tell(f"{row.path}: {good} events, {row.bad_count} bad rows{_because(row.error)}")
    finally:
        taker.close()
        store.close()
    return EXIT_FAILED if failed else 0


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _status(argv: Sequence[str]) -> int:
    parser = _parser("holdfast ingest status", "Tells what became of the objects of each source.")
    parser.add_argument("source", nargs="?", help="lists its objects that are not done, with their errors")
    flags = parser.parse_args(argv)
    store = open_store(_settings(flags.database).database)
    try:
        _tell_status(store, flags.source)
    finally:
        store.close()
    return 0


def _tell_status(store: Store, source: str | None) -> None:
    with store.reading() as reader:
        found = ObjectStatistics.of(reader, SteadyClock().now_ms())
        for totals in found.sources:
            states = ", ".join(f"{found.count(totals.source, state)} {state.name.lower()}" for state in ObjectState)
            oldest = found.oldest_age_ms(totals.source)
            _tell(
                f"{totals.source}: {states}; {totals.row_count} rows, {totals.bad_count} bad, {totals.byte_count} bytes"
                + (f"; the oldest waits for {oldest // 1_000} s" if oldest else "")
                + (f"; cannot be listed: {totals.listing_error}" if totals.listing_error else "")
            )
        for state in (ObjectState.RUNNING, ObjectState.PENDING, ObjectState.FAILED) if source else ():
            for row in reader.objects(source or "", state, 0, SHOWN_OBJECTS):
                _tell(f"  {row.path}: {state.name.lower()}, {row.row_count} rows, {row.byte_count} bytes {row.error}")


def _retry(argv: Sequence[str]) -> int:
    parser = _parser("holdfast ingest retry", "Makes failed objects of a source pending again, from where they failed.")
    parser.add_argument("source")
    parser.add_argument("path", nargs="?", default="", help="by default all that failed")
    flags = parser.parse_args(argv)
    store = open_store(_settings(flags.database).database)
    try:
        with store.writing() as writer:
            count = writer.retry_objects(flags.source, flags.path, SteadyClock().now_ms())
    finally:
        store.close()
    _tell(f"{count} objects will be tried again")
    return 0
