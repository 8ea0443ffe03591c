"""Turns the engine's rows into sealed records and back.

A sealed record is a protobuf message followed by its CRC-32. Upstream: the stores, which only move bytes;
downstream: `records.proto`, `holdfast.v1.Debit` and the engine's state types. Used alike by both stores and by
`holdfast verify`, so that the format has one home. What the ledger tells of rules is in `rule_codec`.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from operator import attrgetter
from sys import intern
from zlib import crc32

from holdfast.v1 import ledger_sync_service_pb2 as sync_pb2

from holdfast_sidecar.engine.rules import Dimensions, Quantities
from holdfast_sidecar.engine.state import Counter, Debit, Hold, Lapsed, Meta, Outcome, Pool, Window
from holdfast_sidecar.store.interface import StoreForeign, StoreTooNew, StoreUnusable
from holdfast_sidecar.store.v1 import records_pb2
from holdfast_sidecar.varint import varint

FORMAT_VERSION = 3
"""The newest format that this program reads and the one that it writes: 2 has windows and rules, 3 has events. A
program that knows only 1 would settle holds without their windows, so that what it let be spent would count against no
budget; one that knows only 2 would leave events behind that were accepted."""

CRC_BYTES = 4
SEQUENCE_BYTES = 8
META_KEY = b"meta"

DIMENSION_SETS_CACHED = 1024
"""Sets of dimensions whose serialised form is kept at hand: far more than a host's features and models make."""
WINDOW_SETS_CACHED = 4096
"""Sets of windows whose names in a hold are kept at hand: of the paths that a busy host decides for again and again."""
MAX_KEY_BYTES = 511
"""LMDB takes no longer keys."""

_pack_crc = struct.Struct(">I").pack
_pack_sequence = struct.Struct(">Q").pack
_unpack_sequence = struct.Struct(">Q").unpack


def _headers(field: int) -> tuple[bytes, ...]:
    """Returns the tag and the length before a text of each length that the name of a window can have."""
    tag = varint(field << 3 | 2)
    return tuple(tag + varint(length) for length in range(MAX_KEY_BYTES))


_BUDGETS_OF_HOLD = _headers(15)
_SLOTS_OF_HOLD = _headers(16)
_WINDOWS_OF_DEBIT = _headers(18)
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
    WINDOWS = b"windows"
    RULES = b"rules"
    CALENDARS = b"calendars"
    RATE_CARDS = b"rate_cards"
    ESTIMATES = b"estimates"
    EVENTS = b"events"
    EVENT_NAMES = b"event_names"
    EVENT_TIMES = b"event_times"
    METERS = b"meters"


ADDED_IN = {
    **dict.fromkeys((Table.WINDOWS, Table.RULES, Table.CALENDARS, Table.RATE_CARDS, Table.ESTIMATES), 2),
    **dict.fromkeys((Table.EVENTS, Table.EVENT_NAMES, Table.EVENT_TIMES, Table.METERS), 3),
}
"""Tables that a folder of an older format does not have, with the format that does; made when it is opened."""
ADDED_TABLES = frozenset(ADDED_IN)


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


def window_key(account_id: str, window: str) -> bytes:
    """Returns the key of a window, at most 279 of LMDB's 511 bytes."""
    return f"{account_id}\0{window}".encode()


def counter_key(account_id: str, pool_id: str, counter_id: str) -> bytes:
    """Returns the key of a counter, at most 386, with a meter 400, of LMDB's 511 bytes."""
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
        acked_event_sequence=meta.acked_event_sequence,
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
        shadow=pool.shadow,
    )
    return pool_key(pool.account_id, pool.pool_id), seal(record.SerializeToString())


def encode_window(window: Window) -> Row:
    """One window, its derived figures left out."""
    # Field by field: a settle changes several.
    record = records_pb2.WindowRecord()
    record.account_id = window.account_id
    record.window = window.pool_id
    record.granted_total = window.granted_total
    record.reclaimed_total = window.reclaimed_total
    record.returned_total = window.returned_total
    record.consumed_total = window.consumed_total
    record.posted_total = window.posted_total
    record.pool_posted = window.pool_posted
    record.leased = window.leased
    return window_key(window.account_id, window.pool_id), seal(record.SerializeToString())


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
    if hold.parent is not None:
        record.parent_sequence = hold.parent.sequence
    if hold.inner:
        record.inner = True
    if hold.opened_at_unix_ms:
        record.opened_at_unix_ms = hold.opened_at_unix_ms
    if hold.max_output_tokens:
        record.max_output_tokens = hold.max_output_tokens
    if hold.settled_output_tokens:
        record.settled_output_tokens = hold.settled_output_tokens
    record.boot_count = boot_count
    payload = record.SerializeToString()
    # Serialised messages one behind the other are one message with the fields of both.
    if hold.budgets:
        payload += _hold_budgets(hold.budgets)
    if hold.slots:
        payload += _hold_slots(hold.slots)
    if hold.quantities:
        payload += _hold_quantities(hold.quantities)
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
    if outcome.lapsed is not None:
        record.lapsed_subject = outcome.lapsed.subject
        record.lapsed_dimensions = _hold_dimensions(outcome.lapsed.dimensions)
        record.lapsed_windows.extend(outcome.lapsed.windows)
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
    if debit.caller:
        record.caller = debit.caller
    payload = record.SerializeToString()
    # As in a hold.
    if debit.dimensions:
        payload += _debit_dimensions(debit.dimensions)
    if debit.windows:
        payload += _window_names(_WINDOWS_OF_DEBIT, debit.windows)
    if debit.quantities:
        payload += _debit_quantities(debit.quantities)
    return _pack_sequence(sequence), payload + _pack_crc(crc32(payload))


@lru_cache(maxsize=DIMENSION_SETS_CACHED)
def _hold_dimensions(dimensions: Dimensions) -> bytes:
    texts = [text for pair in dimensions for text in pair]
    return records_pb2.DimensionsRecord(texts=texts).SerializeToString()


@lru_cache(maxsize=DIMENSION_SETS_CACHED)
def _debit_dimensions(dimensions: Dimensions) -> bytes:
    pairs = [sync_pb2.Dimension(key=key, value=value) for key, value in dimensions]
    return sync_pb2.Debit(dimensions=pairs).SerializeToString()


@lru_cache(maxsize=WINDOW_SETS_CACHED)
def _hold_budgets(windows: tuple[Window, ...]) -> bytes:
    return _window_names(_BUDGETS_OF_HOLD, [window.pool_id for window in windows])


@lru_cache(maxsize=WINDOW_SETS_CACHED)
def _hold_slots(windows: tuple[Window, ...]) -> bytes:
    return _window_names(_SLOTS_OF_HOLD, [window.pool_id for window in windows])


def _window_names(headers: Sequence[bytes], names: Iterable[str]) -> bytes:
    """Returns names as a repeated field."""
    parts: list[bytes] = []
    for name in names:
        text = name.encode()
        parts.append(headers[len(text)])
        parts.append(text)
    return b"".join(parts)


def _hold_quantities(quantities: Quantities) -> bytes:
    # In the order of the meters, so that equal rows are equal bytes.
    return records_pb2.HoldRecord(quantities=dict(quantities)).SerializeToString(deterministic=True)


def _debit_quantities(quantities: Quantities) -> bytes:
    return sync_pb2.Debit(quantities=dict(quantities)).SerializeToString(deterministic=True)


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
        acked_event_sequence=stored.acked_event_sequence,
    )
    return meta, boot


def format_version(record: bytes) -> int:
    """Returns the format of a folder by its sealed record."""
    return records_pb2.MetaRecord.FromString(unseal(record)).format_version


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
            shadow=stored.shadow,
        )


def decode_windows(rows: Iterable[Row]) -> Iterator[Window]:
    """Windows, with nothing held."""
    for key, record in rows:
        stored = records_pb2.WindowRecord.FromString(unseal(record))
        if window_key(stored.account_id, stored.window) != key:
            raise StoreUnusable(f"window {stored.window!r} stands under the key {key!r}")
        yield Window(
            account_id=intern(stored.account_id),
            pool_id=stored.window,
            granted_total=stored.granted_total,
            reclaimed_total=stored.reclaimed_total,
            returned_total=stored.returned_total,
            consumed_total=stored.consumed_total,
            posted_total=stored.posted_total,
            pool_posted=stored.pool_posted,
            leased=stored.leased,
        )


def decode_holds(rows: Iterable[Row], pools: Iterable[Pool], windows: Iterable[Window], boot: Boot) -> list[Hold]:
    """Open holds; sums them up in their pools and windows, and links those inside others with them."""
    pool_by_ids = {(pool.account_id, pool.pool_id): pool for pool in pools}
    windows_of = _WindowsByNames(windows)
    holds: list[Hold] = []
    nested: list[tuple[Hold, int]] = []
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
        hold = Hold(
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
        holds.append(hold)
        hold.inner = stored.inner
        if stored.parent_sequence:
            nested.append((hold, stored.parent_sequence))
        if stored.budgets or stored.slots:
            _take_windows(hold, stored, windows_of)
        if stored.opened_at_unix_ms or stored.settled_output_tokens or stored.quantities or stored.max_output_tokens:
            _take_quantities(hold, stored)
    _link(nested, holds)
    return holds


class _WindowsByNames:
    """Finds windows for holds; one tuple serves all holds that name the same ones."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self._by_ids = {(window.account_id, window.pool_id): window for window in windows}
        self._tuples: dict[str, dict[tuple[str, ...], tuple[Window, ...]]] = {}

    def find(self, hold: Hold, names: tuple[str, ...]) -> tuple[Window, ...]:
        """Returns the windows of these names, in their order. Raises `StoreUnusable` if one is not there."""
        account_id = hold.pool.account_id
        tuples = self._tuples.get(account_id)
        if tuples is None:
            tuples = self._tuples[account_id] = {}
        found = tuples.get(names)
        if found is None:
            try:
                found = tuples[names] = tuple([self._by_ids[account_id, name] for name in names])
            except KeyError as error:
                raise StoreUnusable(f"hold {hold.sequence} names window {error}, which is not there") from error
        return found


def _take_windows(hold: Hold, stored: records_pb2.HoldRecord, windows: _WindowsByNames) -> None:
    """Takes up the windows that a hold counts against, and sums it up in them."""
    budgets, slots = tuple(stored.budgets), tuple(stored.slots)
    amount = hold.amount
    if budgets:
        hold.budgets = windows.find(hold, budgets)
        for window in hold.budgets:
            window.held += amount
            window.hold_count += 1
    if slots:
        hold.slots = windows.find(hold, slots)
        for window in hold.slots:
            window.held += 1
            window.hold_count += 1


def _take_quantities(hold: Hold, stored: records_pb2.HoldRecord) -> None:
    """Takes up what only holds have that quantities were told of."""
    hold.quantities = tuple(sorted(stored.quantities.items()))
    hold.max_output_tokens = stored.max_output_tokens
    hold.opened_at_unix_ms = stored.opened_at_unix_ms
    hold.settled_output_tokens = stored.settled_output_tokens


def _link(nested: Iterable[tuple[Hold, int]], holds: list[Hold]) -> None:
    """Joins holds with those around them, which were opened before them in the same pool."""
    for hold, parent_sequence in nested:
        place = bisect_left(holds, parent_sequence, key=attrgetter("sequence"))
        parent = holds[place] if place < len(holds) else hold
        if parent.sequence != parent_sequence or parent_sequence >= hold.sequence:
            raise StoreUnusable(f"hold {hold.sequence} lies in hold {parent_sequence}, which is not there before it")
        if parent.pool is not hold.pool:
            raise StoreUnusable(f"hold {hold.sequence} lies in hold {parent_sequence} of another pool")
        hold.parent = parent
        if parent.children is None:
            parent.children = {}
        parent.children[hold] = None


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
            _lapsed(stored) if stored.lapsed_subject or stored.lapsed_dimensions or stored.lapsed_windows else None,
        )


def _lapsed(stored: records_pb2.OutcomeRecord) -> Lapsed:
    texts = records_pb2.DimensionsRecord.FromString(stored.lapsed_dimensions).texts
    return Lapsed(stored.lapsed_subject, tuple(zip(texts[::2], texts[1::2], strict=True)), tuple(stored.lapsed_windows))


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
