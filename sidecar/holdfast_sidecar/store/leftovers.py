"""Reads the debits and events that a stopped sidecar's folder still has, for an operator to replay. Changes nothing.

Works on a folder that was fenced and on one that was set aside (`unusable-<n>`), as far as its pages can be trusted.
"""

from __future__ import annotations  # py-lmdb's classes are generic in its stub alone

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import lmdb
from google.protobuf.message import DecodeError
from holdfast.v1 import ledger_sync_service_pb2 as sync_pb2

from holdfast_sidecar.engine.event_rows import EventRow
from holdfast_sidecar.store import codec, event_codec
from holdfast_sidecar.store.codec import Table
from holdfast_sidecar.store.folder import Folder, OwnerLock
from holdfast_sidecar.store.interface import StoreTooNew, StoreUnusable
from holdfast_sidecar.store.lmdb_store import ENGINE, MIN_MAP_BYTES
from holdfast_sidecar.store.pages import check_pages
from holdfast_sidecar.store.v1 import records_pb2


@dataclass(slots=True)
class Leftovers:
    """What a folder says of itself, and its debits, while it is open."""

    sidecar_id: str
    epoch: int
    birth_epoch: int
    acked_sequence: int
    acked_event_sequence: int
    transaction: lmdb.Transaction[bytes]
    table: lmdb._Database
    event_table: lmdb._Database | None
    """None: the folder is of a format that knew no events."""
    faults: list[str] = field(default_factory=list)
    """Records that could not be read, so far."""

    def debits(self, after_sequence: int) -> Iterator[sync_pb2.Debit]:
        """Yields the debits beyond a sequence, in order; one that cannot be read goes into `faults`."""
        cursor = self.transaction.cursor(db=self.table)
        if not cursor.set_range(codec.sequence_key(after_sequence + 1)):
            return
        for key, record in cursor.iternext():
            try:
                yield sync_pb2.Debit.FromString(codec.unseal(record))
            except (StoreUnusable, DecodeError) as error:
                self.faults.append(f"debit {key.hex()}: {error}")

    def events(self) -> Iterator[EventRow]:
        """Yields the rows of events that the ledger has not acked, in order; as `debits`."""
        if self.event_table is None:
            return
        for key, record in self.transaction.cursor(db=self.event_table).iternext():
            try:
                row = event_codec.decode_events(key, record)
            except StoreUnusable as error:
                self.faults.append(f"events {key.hex()}: {error}")
                continue
            if row.first_sequence + row.event_count - 1 > self.acked_event_sequence:
                yield row


@contextlib.contextmanager
def open_leftovers(path: Path) -> Iterator[Leftovers]:
    """Opens a folder that no sidecar has open, and keeps sidecars out meanwhile.

    Raises:
        StoreLocked: A sidecar has it open.
        StoreUnusable: It has no store, or one that cannot be read.
        StoreTooNew: A newer version wrote it.
    """
    folder = Folder(path)
    if not folder.data.is_file():
        raise StoreUnusable(f"there is no store in {path}")
    lock = OwnerLock(path)
    try:
        check_pages(folder.data)
        with (
            lmdb.open(
                str(path),
                map_size=max(MIN_MAP_BYTES, folder.data.stat().st_size),
                max_dbs=len(Table),
                readonly=True,
                lock=False,
                create=False,
                lib_version=ENGINE,
            ) as environment,
            environment.begin() as transaction,
        ):
            meta = _meta(environment, transaction)
            yield Leftovers(
                meta.sidecar_id,
                meta.epoch,
                meta.birth_epoch,
                meta.acked_sequence,
                meta.acked_event_sequence,
                transaction,
                environment.open_db(Table.DEBITS.value, txn=transaction, create=False),
                _event_table(environment, transaction),
            )
    except (lmdb.Error, OSError) as error:
        raise StoreUnusable(f"the store in {path} cannot be read: {error}") from error
    finally:
        lock.release()


def _event_table(environment: lmdb.Environment, transaction: lmdb.Transaction[bytes]) -> lmdb._Database | None:
    try:
        return environment.open_db(Table.EVENTS.value, txn=transaction, create=False)
    except lmdb.NotFoundError:
        return None


def _meta(environment: lmdb.Environment, transaction: lmdb.Transaction[bytes]) -> records_pb2.MetaRecord:
    table = environment.open_db(Table.META.value, txn=transaction, create=False)
    record = transaction.get(codec.META_KEY, db=table)
    if record is None:
        raise StoreUnusable("the folder's own record is missing")
    try:
        meta = records_pb2.MetaRecord.FromString(codec.unseal(record))
    except DecodeError as error:
        raise StoreUnusable(f"the folder's own record cannot be read: {error}") from error
    if meta.format_version > codec.FORMAT_VERSION:
        raise StoreTooNew(
            f"the folder has format {meta.format_version}, this program reads up to {codec.FORMAT_VERSION}"
        )
    return meta
