"""Turns the engine's rows into sealed records and back.

A sealed record is a protobuf message followed by its CRC-32. Upstream: the stores, which only move bytes;
downstream: `records.proto`, `holdfast.v1.Debit` and the engine's state types. Used alike by both stores and by
`holdfast verify`, so that the format has one home.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from sys import intern
from zlib import crc32

from google.protobuf.message import DecodeError
from holdfast.v1 import ledger_sync_service_pb2 as sync_pb2

from holdfast_sidecar.engine.rules import Dimensions
from holdfast_sidecar.engine.state import Counter, Debit, Hold, Meta, Outcome, Pool, Snapshot
from holdfast_sidecar.store.interface import StoreForeign, StoreTooNew, StoreUnusable
from holdfast_sidecar.store.v1 import records_pb2

FORMAT_VERSION = 1
"""The newest format that this program reads and the one that it writes."""

CRC_BYTES = 4
SEQUENCE_BYTES = 8
META_KEY = b"meta"

DIMENSION_SETS_CACHED = 1024
"""Sets of dimensions whose serialised form is kept at hand: far more than a host's features and models make."""

_pack_crc = struct.Struct(">I").pack
_pack_sequence = struct.Struct(">Q").pack
_unpack_sequence = struct.Struct(">Q").unpack
_HoldRecord = records_pb2.HoldRecord
_OutcomeRecord = records_pb2.OutcomeRecord
_DebitMessage = sync_pb2.Debit
_parse_hold = records_pb2.HoldRecord.FromString
_parse_outcome = records_pb2.OutcomeRecord.FromString


class Table(Enum):
    """The tables of a store, by the name of their sub-database."""

    META = b"meta"
    POOLS = b"pools"
    HOLDS = b"holds"
    OUTCOMES = b"outcomes"
    COUNTERS = b"counters"
    DEBITS = b"debits"


Row = tuple[bytes, bytes]
"""A key and its sealed record."""


@dataclass(frozen=True, slots=True)
class Boot:
    """A boot of the machine as the folder counts it; see the head of `records.proto`."""

    boot_id: str
    count: int
    opened_at_ns: int


def seal(payload: bytes) -> bytes:
    """Returns the payload with its checksum behind it."""
    return payload + _pack_crc(crc32(payload))


def unseal(record: bytes) -> bytes:
    """Returns the payload of a sealed record. Raises `StoreUnusable` when the checksum does not fit."""
    payload = record[:-CRC_BYTES]
    if record[-CRC_BYTES:] != _pack_crc(crc32(payload)):
        raise StoreUnusable("a record's checksum does not fit its content")
    return payload


def sequence_key(sequence: int) -> bytes:
    """Returns the key of a hold, an outcome or a debit."""
    return _pack_sequence(sequence)


def sequence_of(key: bytes) -> int:
    """Returns the sequence that a key stands for. Raises `StoreUnusable` on a key of another length."""
    if len(key) != SEQUENCE_BYTES:
        raise StoreUnusable(f"a key has {len(key)} bytes where a sequence has {SEQUENCE_BYTES}")
    sequence: int = _unpack_sequence(key)[0]
    return sequence


def pool_key(account_id: str, pool_id: str) -> bytes:
    """Returns the key of a pool; ids have no control characters, so the zero byte cannot be part of one."""
    return f"{account_id}\0{pool_id}".encode()


def counter_key(account_id: str, pool_id: str, counter_id: str) -> bytes:
    """Returns the key of a counter, at most 386 of LMDB's 511 bytes."""
    return f"{account_id}\0{pool_id}\0{counter_id}".encode()


# -- Rows to records ---------------------------------------------------------------------------------------------------


def encode_meta(meta: Meta, boot: Boot) -> Row:
    """The folder's own record, in this program's format."""
    record = records_pb2.MetaRecord(
        format_version=FORMAT_VERSION,
        sidecar_id=meta.sidecar_id,
        epoch=meta.epoch,
        birth_epoch=meta.birth_epoch,
        instance=meta.instance,
        welcomed_instance=meta.welcomed_instance,
        acked_sequence=meta.acked_sequence,
        last_sequence=meta.last_sequence,
        boot_id=boot.boot_id,
        lease_valid_until_ns=meta.lease_valid_until_ns,
        boot_count=boot.count,
        boot_opened_at_ns=boot.opened_at_ns,
        allowance_valid_until_ns=meta.allowance_valid_until_ns,
    )
    return META_KEY, seal(record.SerializeToString())


def encode_pool(pool: Pool) -> Row:
    """One pool, its derived figures left out."""
    record = records_pb2.PoolRecord(
        account_id=pool.account_id,
        pool_id=pool.pool_id,
        currency=pool.currency,
        granted_total=pool.granted_total,
        reclaimed_total=pool.reclaimed_total,
        returned_total=pool.returned_total,
        consumed_total=pool.consumed_total,
        posted_total=pool.posted_total,
        pool_posted=pool.pool_posted,
        enforcement=pool.enforcement,
        overdraft_limit=pool.overdraft_limit,
        partition_mode=pool.partition_mode,
        partition_after_ms=pool.partition_after_ms,
        allowance_granted_total=pool.allowance_granted_total,
        allowance_reclaimed_total=pool.allowance_reclaimed_total,
        allowance_returned_total=pool.allowance_returned_total,
        allowance_consumed_total=pool.allowance_consumed_total,
        pool_overdraft_bound=pool.pool_overdraft_bound,
    )
    return pool_key(pool.account_id, pool.pool_id), seal(record.SerializeToString())


def encode_hold(hold: Hold, boot_count: int) -> Row:
    """One open hold."""
    # Field by field: on the hot path, and half as fast again as by keywords.
    record = _HoldRecord()
    sequence = record.sequence = hold.sequence
    record.hold_id = hold.hold_id
    record.account_id = hold.pool.account_id
    record.pool_id = hold.pool.pool_id
    record.amount = hold.amount
    record.settled_amount = hold.settled_amount
    record.deadline_ns = hold.deadline_ns
    record.ttl_ms = hold.ttl_ms
    record.subject = hold.subject
    if hold.dimensions:
        record.dimensions = _hold_dimensions(hold.dimensions)
    record.opened_at_ns = hold.opened_at_ns
    if hold.allowance_amount:
        record.allowance_amount = hold.allowance_amount
    if hold.fail_open_amount:
        record.fail_open_amount = hold.fail_open_amount
    record.boot_count = boot_count
    payload = record.SerializeToString()
    return _pack_sequence(sequence), payload + _pack_crc(crc32(payload))


def encode_outcome(outcome: Outcome, boot_count: int) -> Row:
    """One recorded answer."""
    record = _OutcomeRecord()
    sequence = record.sequence = outcome.sequence
    record.account_id = outcome.account_id
    record.operation_id = outcome.operation_id
    record.pool_id = outcome.pool_id
    record.kind = outcome.kind
    record.fingerprint = outcome.fingerprint
    record.answer = outcome.answer
    record.decided_at_ns = outcome.decided_at_ns
    record.denied = outcome.denied
    record.boot_count = boot_count
    payload = record.SerializeToString()
    return _pack_sequence(sequence), payload + _pack_crc(crc32(payload))


def encode_counter(counter: Counter) -> Row:
    """One counter of Charge's `set`."""
    record = records_pb2.CounterRecord(
        account_id=counter.account_id,
        pool_id=counter.pool_id,
        counter_id=counter.counter_id,
        total=counter.total,
    )
    key = counter_key(counter.account_id, counter.pool_id, counter.counter_id)
    return key, seal(record.SerializeToString())


def encode_debit(debit: Debit) -> Row:
    """One debit, as the uplink sends it."""
    record = _DebitMessage()
    sequence = record.sequence = debit.sequence
    record.epoch = debit.epoch
    record.account_id = debit.account_id
    record.pool_id = debit.pool_id
    record.amount = debit.amount
    record.operation_id = debit.operation_id
    record.hold_id = debit.hold_id
    record.settled_at_unix_ms = debit.settled_at_unix_ms
    record.subject = debit.subject
    record.late = debit.late
    record.over_hold_amount = debit.over_hold_amount
    record.estimated = debit.estimated
    if debit.allowance_amount:
        record.allowance_amount = debit.allowance_amount
    if debit.fail_open_amount:
        record.fail_open_amount = debit.fail_open_amount
    if debit.hold_age_ms:
        record.hold_age_ms = debit.hold_age_ms
    record.mode = debit.mode  # type: ignore[assignment]  # the engine keeps the enum's number
    payload = record.SerializeToString()
    if debit.dimensions:
        # Serialised messages one behind the other are one message with the fields of both.
        payload += _debit_dimensions(debit.dimensions)
    return _pack_sequence(sequence), payload + _pack_crc(crc32(payload))


@lru_cache(maxsize=DIMENSION_SETS_CACHED)
def _hold_dimensions(dimensions: Dimensions) -> bytes:
    texts = [text for pair in dimensions for text in pair]
    return records_pb2.DimensionsRecord(texts=texts).SerializeToString()


@lru_cache(maxsize=DIMENSION_SETS_CACHED)
def _debit_dimensions(dimensions: Dimensions) -> bytes:
    pairs = [sync_pb2.Dimension(key=key, value=value) for key, value in dimensions]
    return sync_pb2.Debit(dimensions=pairs).SerializeToString()


# -- Records to rows ---------------------------------------------------------------------------------------------------


def decode_meta(record: bytes, sidecar_id: str | None, boot_id: str, now_ns: int) -> tuple[Meta, Boot]:
    """Returns the folder's record and the running boot as the folder counts it.

    Args:
        record: The sealed record.
        sidecar_id: Whose folder it has to be; None: anyone's.
        boot_id: The running boot.
        now_ns: CLOCK_BOOTTIME; taken as the boot's beginning if the folder meets this boot for the first time.

    Raises:
        StoreTooNew: A newer program wrote it.
        StoreForeign: It belongs to another sidecar.
        StoreUnusable: It is damaged.
    """
    payload = unseal(record)
    stored = records_pb2.MetaRecord.FromString(payload)
    if stored.format_version > FORMAT_VERSION:
        raise StoreTooNew(
            f"the folder has format {stored.format_version}, this program reads up to {FORMAT_VERSION}: "
            "run the version that wrote it; nothing was changed"
        )
    if sidecar_id is not None and stored.sidecar_id != sidecar_id:
        raise StoreForeign(
            f"the folder belongs to sidecar {stored.sidecar_id!r}, not to {sidecar_id!r}: "
            "correct the id or the folder; nothing was changed"
        )
    if stored.boot_id == boot_id:
        boot = Boot(boot_id, stored.boot_count, stored.boot_opened_at_ns)
        lease_valid_until_ns = stored.lease_valid_until_ns
        allowance_valid_until_ns = stored.allowance_valid_until_ns
    else:
        boot = Boot(boot_id, stored.boot_count + 1, now_ns)
        lease_valid_until_ns = allowance_valid_until_ns = 0
    meta = Meta(
        sidecar_id=stored.sidecar_id,
        epoch=stored.epoch,
        birth_epoch=stored.birth_epoch,
        instance=stored.instance,
        welcomed_instance=stored.welcomed_instance,
        acked_sequence=stored.acked_sequence,
        last_sequence=stored.last_sequence,
        boot_id=boot_id,
        lease_valid_until_ns=lease_valid_until_ns,
        allowance_valid_until_ns=allowance_valid_until_ns,
    )
    return meta, boot


def decode_pools(rows: Iterable[Row]) -> Iterator[Pool]:
    """Pools, with nothing held."""
    for key, record in rows:
        stored = records_pb2.PoolRecord.FromString(unseal(record))
        if pool_key(stored.account_id, stored.pool_id) != key:
            raise StoreUnusable(f"pool {stored.pool_id!r} stands under the key {key!r}")
        yield Pool(
            account_id=intern(stored.account_id),
            pool_id=intern(stored.pool_id),
            currency=intern(stored.currency),
            granted_total=stored.granted_total,
            reclaimed_total=stored.reclaimed_total,
            returned_total=stored.returned_total,
            consumed_total=stored.consumed_total,
            posted_total=stored.posted_total,
            pool_posted=stored.pool_posted,
            enforcement=stored.enforcement,
            overdraft_limit=stored.overdraft_limit,
            partition_mode=stored.partition_mode,
            partition_after_ms=stored.partition_after_ms,
            allowance_granted_total=stored.allowance_granted_total,
            allowance_reclaimed_total=stored.allowance_reclaimed_total,
            allowance_returned_total=stored.allowance_returned_total,
            allowance_consumed_total=stored.allowance_consumed_total,
            pool_overdraft_bound=stored.pool_overdraft_bound,
        )


def decode_holds(rows: Iterable[Row], pools: Iterable[Pool], boot: Boot) -> Iterator[Hold]:
    """Open holds; sums them up in their pools."""
    pool_by_ids = {(pool.account_id, pool.pool_id): pool for pool in pools}
    # Few sets of dimensions serve many holds; one object each saves most of the memory that a hold would take.
    dimensions_by_bytes: dict[bytes, Dimensions] = {b"": ()}
    last_sequence = 0
    for key, record in rows:
        payload = record[:-CRC_BYTES]
        if record[-CRC_BYTES:] != _pack_crc(crc32(payload)):
            raise StoreUnusable(f"hold {key.hex()}: the checksum does not fit the content")
        stored = _parse_hold(payload)
        sequence = stored.sequence
        if key != _pack_sequence(sequence) or sequence <= last_sequence:
            raise StoreUnusable(f"hold {sequence} stands under the key {key.hex()}")
        last_sequence = sequence
        pool = pool_by_ids.get((stored.account_id, stored.pool_id))
        if pool is None:
            raise StoreUnusable(f"hold {sequence} names a pool that is not there")
        deadline_ns, opened_at_ns = stored.deadline_ns, stored.opened_at_ns
        if stored.boot_count != boot.count:
            deadline_ns, opened_at_ns = boot.opened_at_ns + stored.ttl_ms * 1_000_000, boot.opened_at_ns
        serialised = stored.dimensions
        dimensions = dimensions_by_bytes.get(serialised)
        if dimensions is None:
            texts = records_pb2.DimensionsRecord.FromString(serialised).texts
            dimensions = dimensions_by_bytes[serialised] = tuple(zip(texts[::2], texts[1::2], strict=True))
        amount = stored.amount
        allowance_amount = stored.allowance_amount
        pool.held += amount
        pool.allowance_held += allowance_amount
        pool.hold_count += 1
        yield Hold(
            sequence,
            stored.hold_id,
            pool,
            amount,
            stored.settled_amount,
            deadline_ns,
            stored.ttl_ms,
            intern(stored.subject),
            dimensions,
            allowance_amount,
            stored.fail_open_amount,
            opened_at_ns,
        )


def decode_outcomes(rows: Iterable[Row], boot: Boot) -> Iterator[Outcome]:
    """Recorded answers."""
    last_sequence = 0
    for key, record in rows:
        payload = record[:-CRC_BYTES]
        if record[-CRC_BYTES:] != _pack_crc(crc32(payload)):
            raise StoreUnusable(f"outcome {key.hex()}: the checksum does not fit the content")
        stored = _parse_outcome(payload)
        sequence = stored.sequence
        if key != _pack_sequence(sequence) or sequence <= last_sequence:
            raise StoreUnusable(f"outcome {sequence} stands under the key {key.hex()}")
        last_sequence = sequence
        yield Outcome(
            sequence,
            intern(stored.account_id),
            stored.operation_id,
            intern(stored.pool_id),
            stored.kind,
            stored.fingerprint,
            stored.decided_at_ns if stored.boot_count == boot.count else boot.opened_at_ns,
            stored.answer,
            stored.denied,
        )


def decode_counters(rows: Iterable[Row]) -> Iterator[Counter]:
    """Counters of Charge's `set`."""
    for key, record in rows:
        stored = records_pb2.CounterRecord.FromString(unseal(record))
        if counter_key(stored.account_id, stored.pool_id, stored.counter_id) != key:
            raise StoreUnusable(f"counter {stored.counter_id!r} stands under the key {key!r}")
        yield Counter(stored.account_id, stored.pool_id, stored.counter_id, stored.total)


def check_debits(rows: Iterable[Row]) -> tuple[int, int]:
    """Checks that debits are whole and contiguous; returns the first and last sequence, 0 and 0 without one.

    The messages stay as they are: nothing but the uplink wants them, and it wants bytes.
    """
    first_sequence = last_sequence = 0
    for key, record in rows:
        if record[-CRC_BYTES:] != _pack_crc(crc32(record[:-CRC_BYTES])):
            raise StoreUnusable(f"debit {key.hex()}: the checksum does not fit the content")
        sequence = sequence_of(key)
        if last_sequence and sequence != last_sequence + 1:
            raise StoreUnusable(f"debit {sequence} follows debit {last_sequence}")
        first_sequence = first_sequence or sequence
        last_sequence = sequence
    return first_sequence, last_sequence


def decode_snapshot(
    tables: Mapping[Table, Iterable[Row]], sidecar_id: str, boot_id: str, now_ns: int
) -> tuple[Snapshot, Boot]:
    """Returns all that the tables hold, and the running boot as the folder counts it.

    Raises:
        StoreTooNew: A newer program wrote them.
        StoreForeign: They belong to another sidecar.
        StoreUnusable: A record is missing, damaged or contradicts another one.
    """
    records = dict(tables[Table.META])
    if META_KEY not in records:
        raise StoreUnusable("the folder's own record is missing")
    try:
        meta, boot = decode_meta(records[META_KEY], sidecar_id, boot_id, now_ns)
        pools = list(decode_pools(tables[Table.POOLS]))
        holds = list(decode_holds(tables[Table.HOLDS], pools, boot))
        outcomes = list(decode_outcomes(tables[Table.OUTCOMES], boot))
        counters = list(decode_counters(tables[Table.COUNTERS]))
    except (DecodeError, ValueError) as error:
        raise StoreUnusable("a record with a sound checksum cannot be read") from error
    _, last_debit = check_debits(tables[Table.DEBITS])
    meta.last_sequence = max(meta.last_sequence, last_debit)
    return Snapshot(meta, pools, holds, outcomes, counters), boot
