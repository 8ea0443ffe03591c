"""`holdfast verify FOLDER`: checks a stopped sidecar's folder and prints what is in it.

Three layers, each complete: LMDB's own offline verifier over the pages, the checksum of every record, and the
invariants between records. Changes nothing. Works on a folder that was set aside, too.
"""

from __future__ import annotations  # py-lmdb's classes are generic in its stub alone

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

import lmdb
from google.protobuf.message import DecodeError, Message
from holdfast.v1 import ledger_sync_service_pb2 as sync_pb2
from lmdb.verify import VerifyError
from lmdb.verify import verify as verify_pages

from holdfast_sidecar.engine.state import WINDOW_MARK
from holdfast_sidecar.store import codec, event_verify, rule_codec
from holdfast_sidecar.store.codec import Row, Table
from holdfast_sidecar.store.folder import Folder, OwnerLock
from holdfast_sidecar.store.interface import StoreError, StoreLocked, StoreUnusable
from holdfast_sidecar.store.lmdb_store import ENGINE, MIN_MAP_BYTES
from holdfast_sidecar.store.pages import check_pages
from holdfast_sidecar.store.v1 import records_pb2

EXIT_SOUND = 0
EXIT_UNSOUND = 1
EXIT_LOCKED = 75

MAX_FAULTS = 100
"""Faults named; a file with more has one cause, and it is among the first."""

PoolIds = tuple[str, str]
AnyMessage = TypeVar("AnyMessage", bound=Message)


@dataclass(slots=True)
class TableFigures:
    """Size of one table; keys and checksums included, LMDB's own needs not."""

    record_count: int = 0
    byte_count: int = 0


@dataclass(slots=True)
class PoolFigures:
    """One pool, in minor units."""

    account_id: str
    pool_id: str
    currency: str
    consumed_total: int
    posted_total: int
    held: int = 0
    hold_count: int = 0


@dataclass(slots=True)
class WindowFigures:
    """One window of a budget (minor units) or of a concurrency limit (holds)."""

    account_id: str
    window: str
    consumed_total: int
    posted_total: int
    held: int = 0
    hold_count: int = 0


@dataclass(slots=True)
class Report:
    """What was found in a folder."""

    folder: str
    sidecar_id: str = ""
    epoch: int = 0
    acked_sequence: int = 0
    last_sequence: int = 0
    unposted_count: int = 0
    """Debits not known to be posted."""
    unposted_amount: int = 0
    """Their sum in minor units, over all currencies."""
    acked_event_sequence: int = 0
    last_event_sequence: int = 0
    waiting_event_count: int = 0
    """Events that the ledger has not acked."""
    tables: dict[str, TableFigures] = field(default_factory=dict)
    pools: list[PoolFigures] = field(default_factory=list)
    windows: list[WindowFigures] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def fault(self, text: str) -> None:
        """Notes a fault; beyond `MAX_FAULTS` only that there are more."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(text)
        elif len(self.faults) == MAX_FAULTS:
            self.faults.append("further faults are not listed")


def main(argv: Sequence[str]) -> int:
    """Runs `holdfast verify`; returns 0 if all is sound, 1 if not, 75 if a sidecar has the folder open."""
    parser = argparse.ArgumentParser(
        prog="holdfast verify",
        description="Checks a stopped sidecar's folder.",
        epilog="A ledger's database is verified with --database FILE|URL, which has a --help of its own.",
    )
    parser.add_argument("folder", type=Path, help="the sidecar's folder, or one of its `unusable-<n>`")
    parser.add_argument("--pools", action="store_true", help="list each pool and window with what is held and spent")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    try:
        report = verify_folder(options.folder)
    except StoreLocked as error:
        print(f"{error}: stop the sidecar first", file=sys.stderr)  # noqa: T201
        return EXIT_LOCKED
    _print_report(report, as_json=options.json, with_pools=options.pools)
    return EXIT_UNSOUND if report.faults else EXIT_SOUND


def verify_folder(path: Path) -> Report:
    """Checks a folder. Raises `StoreLocked` if a sidecar has it open."""
    report = Report(str(path))
    folder = Folder(path)
    if not folder.data.is_file():
        report.fault("there is no store in this folder")
        return report
    lock = OwnerLock(path)
    try:
        # The records may be read only where the pages can be trusted not to bring the process down.
        if _pages_sound(folder, report):
            _check_records(folder, report)
    except (StoreError, OSError, lmdb.Error) as error:
        report.fault(str(error))
    finally:
        lock.release()
    return report


def _pages_sound(folder: Folder, report: Report) -> bool:
    check_pages(folder.data)
    try:
        problems: list[str] = verify_pages(str(folder.data), subdir=False)  # type: ignore[no-untyped-call]  # untyped
    except VerifyError as error:
        problems = [str(error)]
    for problem in problems:
        report.fault(f"pages: {problem}")
    return not problems


def _check_records(folder: Folder, report: Report) -> None:
    map_bytes = max(MIN_MAP_BYTES, folder.data.stat().st_size)
    with (
        lmdb.open(
            str(folder.path),
            map_size=map_bytes,
            max_dbs=len(Table),
            readonly=True,
            lock=False,
            create=False,
            lib_version=ENGINE,
        ) as environment,
        environment.begin() as transaction,
    ):
        _RecordCheck(environment, transaction, report).run()


class _RecordCheck:
    """One pass over all tables; what it remembers is what the invariants between tables need."""

    def __init__(self, environment: lmdb.Environment, transaction: lmdb.Transaction[bytes], report: Report) -> None:
        self._environment = environment
        self._transaction = transaction
        self._report = report
        self._pools: dict[PoolIds, PoolFigures] = {}
        self._windows: dict[tuple[str, str], WindowFigures] = {}
        self._format_version = codec.FORMAT_VERSION
        self._boot_count = 0

    def run(self) -> None:
        """Checks table by table, in the order in which they refer to one another."""
        self._check_meta()
        self._check_pools()
        self._check_windows()
        self._check_holds()
        self._check_outcomes()
        self._check_counters()
        self._check_debits()
        self._check_rules()
        self._check_events()
        self._report.pools = list(self._pools.values())
        self._report.windows = list(self._windows.values())

    def _rows(self, table: Table, message: type[AnyMessage]) -> Iterator[tuple[bytes, AnyMessage]]:
        """Yields the sound records of a table in the order of their keys; counts all, names the others."""
        for key, payload in self._payloads(table):
            try:
                yield key, message.FromString(payload)
            except DecodeError as error:
                self._report.fault(f"{table.name.lower()}: record {key.hex()}: {error}")

    def _payloads(self, table: Table) -> Iterator[tuple[bytes, bytes]]:
        """Yields keys, and payloads whose checksums fit; counts all, names the others."""
        figures = self._report.tables[table.name.lower()] = TableFigures()
        try:
            handle = self._environment.open_db(table.value, txn=self._transaction, create=False)
        except lmdb.NotFoundError:
            if self._format_version >= codec.ADDED_IN.get(table, 0):
                self._report.fault(f"{table.name.lower()}: the table is missing")
            return
        for key, record in self._transaction.cursor(db=handle).iternext():
            figures.record_count += 1
            figures.byte_count += len(key) + len(record)
            try:
                yield key, codec.unseal(record)
            except StoreUnusable as error:
                self._report.fault(f"{table.name.lower()}: record {key.hex()}: {error}")

    def _check_meta(self) -> None:
        report = self._report
        for key, meta in self._rows(Table.META, records_pb2.MetaRecord):
            if key != codec.META_KEY:
                report.fault(f"meta: there is an unknown record {key!r}")
                continue
            if meta.format_version > codec.FORMAT_VERSION:
                raise StoreError(
                    f"the folder has format {meta.format_version}, this program reads up to {codec.FORMAT_VERSION}"
                )
            report.sidecar_id = meta.sidecar_id
            report.epoch = meta.epoch
            report.acked_sequence = meta.acked_sequence
            report.last_sequence = meta.last_sequence
            report.acked_event_sequence = meta.acked_event_sequence
            self._boot_count = meta.boot_count
            self._format_version = meta.format_version
            if meta.birth_epoch > meta.epoch:
                report.fault(f"meta: birth epoch {meta.birth_epoch} lies after epoch {meta.epoch}")
        if report.tables["meta"].record_count == 0:
            report.fault("meta: the folder's own record is missing")

    def _check_pools(self) -> None:
        fault = self._report.fault
        for key, pool in self._rows(Table.POOLS, records_pb2.PoolRecord):
            name = f"pool {pool.account_id}/{pool.pool_id}"
            if key != codec.pool_key(pool.account_id, pool.pool_id):
                fault(f"{name} stands under the key {key!r}")
            self._check_totals(pool, name)
            self._pools[pool.account_id, pool.pool_id] = PoolFigures(
                pool.account_id, pool.pool_id, pool.currency, pool.consumed_total, pool.posted_total
            )

    def _check_totals(self, rights: records_pb2.PoolRecord | records_pb2.WindowRecord, name: str) -> None:
        for total in ("granted", "reclaimed", "returned", "consumed", "posted"):
            amount: int = getattr(rights, f"{total}_total")
            if amount < 0:
                self._report.fault(f"{name}: {total}_total is {amount}")
        if rights.consumed_total < rights.posted_total:
            self._report.fault(
                f"{name}: {rights.posted_total} are posted of {rights.consumed_total} that were consumed"
            )

    def _check_windows(self) -> None:
        for key, window in self._rows(Table.WINDOWS, records_pb2.WindowRecord):
            name = f"window {_legible(window.account_id, window.window)}"
            if key != codec.window_key(window.account_id, window.window):
                self._report.fault(f"{name} stands under the key {key!r}")
            self._check_totals(window, name)
            self._windows[window.account_id, window.window] = WindowFigures(
                window.account_id, window.window, window.consumed_total, window.posted_total
            )

    def _check_holds(self) -> None:
        fault = self._report.fault
        seen: set[tuple[str, str]] = set()
        pool_of: dict[int, PoolIds] = {}
        for key, hold in self._rows(Table.HOLDS, records_pb2.HoldRecord):
            name = f"hold {hold.sequence} ({hold.hold_id})"
            self._check_key(key, hold.sequence, name)
            self._check_boot(hold.boot_count, name)
            if hold.amount < 0 or hold.settled_amount < 0 or hold.ttl_ms < 0:
                fault(f"{name}: amount {hold.amount}, settled {hold.settled_amount}, ttl {hold.ttl_ms} ms")
            if (hold.account_id, hold.hold_id) in seen:
                fault(f"{name}: another open hold has the same id")
            seen.add((hold.account_id, hold.hold_id))
            if hold.parent_sequence and pool_of.get(hold.parent_sequence) != (hold.account_id, hold.pool_id):
                fault(f"{name} lies in hold {hold.parent_sequence}, which is not there before it in the same pool")
            pool_of[hold.sequence] = hold.account_id, hold.pool_id
            self._check_windows_of(hold, name)
            pool = self._pools.get((hold.account_id, hold.pool_id))
            if pool is None:
                fault(f"{name}: there is no pool {hold.account_id}/{hold.pool_id}")
                continue
            pool.held += hold.amount
            pool.hold_count += 1

    def _check_windows_of(self, hold: records_pb2.HoldRecord, name: str) -> None:
        for windows, amount in ((hold.budgets, hold.amount), (hold.slots, 1)):
            for window in windows:
                figures = self._windows.get((hold.account_id, window))
                if figures is None:
                    self._report.fault(f"{name}: there is no window {_legible(hold.account_id, window)}")
                    continue
                figures.held += amount
                figures.hold_count += 1

    def _check_rules(self) -> None:
        """What the ledger told and what was learned: each row as the store would take it."""
        checks: tuple[tuple[Table, Callable[[list[Row]], Iterator[object]]], ...] = (
            (Table.RULES, rule_codec.decode_rules),
            (Table.CALENDARS, rule_codec.decode_calendars),
            (Table.RATE_CARDS, rule_codec.decode_rate_cards),
            (Table.ESTIMATES, rule_codec.decode_estimates),
        )
        for table, decode in checks:
            for key, payload in self._payloads(table):
                try:
                    list(decode([(key, codec.seal(payload))]))
                except (StoreUnusable, DecodeError) as error:
                    self._report.fault(f"{table.name.lower()}: record {key.hex()}: {error}")

    def _check_events(self) -> None:
        report = self._report
        report.waiting_event_count, report.last_event_sequence = event_verify.check_events(
            self._payloads(Table.EVENTS), report.acked_event_sequence, report.fault
        )
        event_verify.check_names(self._payloads(Table.EVENT_NAMES), self._payloads(Table.EVENT_TIMES), report.fault)
        event_verify.check_meters(self._payloads(Table.METERS), report.fault)

    def _check_outcomes(self) -> None:
        seen: set[tuple[str, str]] = set()
        for key, outcome in self._rows(Table.OUTCOMES, records_pb2.OutcomeRecord):
            name = f"outcome {outcome.sequence} ({outcome.operation_id})"
            self._check_key(key, outcome.sequence, name)
            self._check_boot(outcome.boot_count, name)
            if (outcome.account_id, outcome.operation_id) in seen:
                self._report.fault(f"{name}: another outcome has the same operation id")
            seen.add((outcome.account_id, outcome.operation_id))

    def _check_counters(self) -> None:
        for key, counter in self._rows(Table.COUNTERS, records_pb2.CounterRecord):
            if key != codec.counter_key(counter.account_id, counter.pool_id, counter.counter_id):
                self._report.fault(f"counter {counter.counter_id} stands under the key {key!r}")

    def _check_debits(self) -> None:
        report = self._report
        kept_amounts: defaultdict[PoolIds, int] = defaultdict(int)
        first = last = 0
        for key, debit in self._rows(Table.DEBITS, sync_pb2.Debit):
            self._check_key(key, debit.sequence, f"debit {debit.sequence}")
            if last and debit.sequence != last + 1:
                report.fault(f"debits: {debit.sequence} follows {last}")
            first, last = first or debit.sequence, debit.sequence
            if debit.amount <= 0:
                report.fault(f"debit {debit.sequence}: amount {debit.amount}")
            kept_amounts[debit.account_id, debit.pool_id] += debit.amount
            if debit.sequence > report.acked_sequence:
                report.unposted_count += 1
                report.unposted_amount += debit.amount
        self._check_outbox(first, last)
        for (account_id, pool_id), amount in kept_amounts.items():
            pool = self._pools.get((account_id, pool_id))
            if pool is None:
                report.fault(f"debits: there is no pool {account_id}/{pool_id}")
            elif amount > pool.consumed_total:
                report.fault(f"debits: {amount} of pool {account_id}/{pool_id}, which consumed {pool.consumed_total}")

    def _check_outbox(self, first: int, last: int) -> None:
        """The debits kept reach from one not above the first unposted to the last one made."""
        report = self._report
        made = max(report.last_sequence, last)
        if report.acked_sequence > made:
            report.fault(f"debits: {report.acked_sequence} are acked of {made} that were made")
        if made > report.acked_sequence and not 0 < first <= report.acked_sequence + 1:
            report.fault(f"debits: the first one kept is {first}, the first unposted is {report.acked_sequence + 1}")
        if last and last != made:
            report.fault(f"debits: the last one kept is {last}, the last one made is {made}")
        report.last_sequence = made

    def _check_key(self, key: bytes, sequence: int, name: str) -> None:
        if key != codec.sequence_key(sequence):
            self._report.fault(f"{name} stands under the key {key.hex()}")

    def _check_boot(self, boot_count: int, name: str) -> None:
        if not 1 <= boot_count <= self._boot_count:
            self._report.fault(f"{name}: boot {boot_count} of {self._boot_count}")


def _legible(account_id: str, window: str) -> str:
    return f"{account_id}/{window.replace(WINDOW_MARK, '@')}"


def _print_report(report: Report, *, as_json: bool, with_pools: bool) -> None:
    if as_json:
        figures = asdict(report)
        if not with_pools:
            del figures["pools"], figures["windows"]
        print(json.dumps(figures, indent=2))  # noqa: T201
        return
    lines = [
        f"sidecar {report.sidecar_id!r}, epoch {report.epoch}",
        f"debits made up to {report.last_sequence}, acked up to {report.acked_sequence}; "
        f"{report.unposted_count} not known to be posted, {report.unposted_amount} minor units",
        f"events taken in up to {report.last_event_sequence}, acked up to {report.acked_event_sequence}; "
        f"{report.waiting_event_count} wait for the ledger",
        *(
            f"{name:<10}{size.record_count:>12} records{size.byte_count:>14} bytes"
            for name, size in report.tables.items()
        ),
    ]
    if with_pools:
        lines += [
            f"pool {pool.account_id}/{pool.pool_id}: posted {pool.posted_total}, consumed {pool.consumed_total}, "
            f"held {pool.held} in {pool.hold_count} holds ({pool.currency})"
            for pool in report.pools
        ]
        lines += [
            f"window {_legible(window.account_id, window.window)}: posted {window.posted_total}, "
            f"consumed {window.consumed_total}, held {window.held} in {window.hold_count} holds"
            for window in report.windows
        ]
    lines += [f"fault: {fault}" for fault in report.faults]
    lines.append("unsound" if report.faults else "sound")
    print("\n".join(lines))  # noqa: T201
