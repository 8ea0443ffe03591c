"""What a run of batches comes to: what is charged for its events, what is given back, which figures moved.

Pure values between `turns`, which makes them of the usage store, and `posting`, which writes them down. Names of
operations and corrections are made of what they are for, so that a repeat has the same.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

ID_CHARS = 32
"""Of a SHA-256, in hexadecimal: no two things of one ledger ever share them."""


class Group(NamedTuple):
    """What figures are kept apart by."""

    account_id: str
    meter_id: str
    subject: str
    dimensions: str
    """A JSON object of strings, its keys in order."""


class Charge(NamedTuple):
    """What events of one batch and day cost together."""

    operation_id: str
    group: Group
    pool_id: str
    quantity: int
    amount: int
    used_at_ms: int
    windows: tuple[str, ...] = ()
    """Names of those that it counts against."""


class EventCharge(NamedTuple):
    """What one event was charged."""

    meter_id: str
    pool_id: str
    operation_id: str
    amount: int


class Correction(NamedTuple):
    """What is given back for an event."""

    correction_id: str
    account_id: str
    pool_id: str
    operation_id: str
    amount: int


class Figure(NamedTuple):
    """What a metered period is now."""

    group: Group
    starts_at_ms: int
    quantity: int
    pool_id: str
    """Empty: nothing is charged."""
    amount: int | None
    """What that costs, in minor units; None: it has no price, and what was charged stays."""
    used_at_ms: int
    windows: tuple[str, ...] = ()
    """Names of those that a rise counts against."""


class Refused(NamedTuple):
    """An event that cannot be counted, or was not charged."""

    account_id: str
    origin: str
    reason: str
    event: bytes


@dataclass(slots=True)
class Differences:
    """All that batches between two keys come to."""

    after_key: int
    until_key: int
    charges: list[Charge] = field(default_factory=list)
    batch_charges: dict[int, bytes] = field(default_factory=dict)
    """By batch, as `pack_charges` makes it."""
    corrections: list[Correction] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    refused_count: int = 0
    """Of all that were refused; of very many not each is kept."""
    counted_count: int = 0
    duplicate_count: int = 0
    conflict_count: int = 0
    void_count: int = 0


def _digest(*parts: str | int) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:ID_CHARS]


def charge_id(batch_key: int, group: Group, day_ms: int, windows: Sequence[str]) -> str:
    """Returns the operation of what the ledger charges for events of a batch.

    Args:
        batch_key: The batch.
        group: What the events have in common.
        day_ms: When the day began on which they were.
        windows: What they count against.
    """
    return f"mt:{_digest('batch', batch_key, *group, day_ms, *windows)}"


def period_charge_id(period_hash: bytes, change_count: int) -> str:
    """Returns the operation of a rise of a metered period."""
    return f"mt:{_digest('period', period_hash.hex(), change_count)}"


def period_correction_id(period_hash: bytes, change_count: int, charge_key: int) -> str:
    """Returns the correction of a charge by a fall of a metered period."""
    return f"mt:{_digest('fall', period_hash.hex(), change_count, charge_key)}"


def event_correction_id(kind: str, name: tuple[str, str, str], charge: EventCharge) -> str:
    """Returns the correction of what an event was charged.

    Args:
        kind: "void" or "dup".
        name: Account, source and id of the event.
        charge: What it was charged.
    """
    return f"{kind}:{_digest(*name, charge.operation_id, charge.meter_id)}"


def period_hash(group: Group, starts_at_ms: int) -> bytes:
    """Returns what names a metered period."""
    return hashlib.sha256(json.dumps([*group, starts_at_ms]).encode()).digest()


class Charged(NamedTuple):
    """Events of one batch that one operation pays for."""

    operation_id: str
    meter_id: str
    pool_id: str
    positions: list[int]
    """Of the events in the batch."""
    amounts: list[int]


def pack_charges(charged: Sequence[Charged]) -> bytes:
    """Returns what was charged for events of a batch, as it is kept."""
    return zlib.compress(json.dumps(charged, separators=(",", ":")).encode(), 1)


def unpack_charges(content: bytes) -> Mapping[int, Sequence[EventCharge]]:
    """Returns what was charged for events of a batch, by their positions."""
    found: dict[int, list[EventCharge]] = {}
    for operation_id, meter_id, pool_id, positions, amounts in json.loads(zlib.decompress(content)):
        for position, amount in zip(positions, amounts, strict=True):
            found.setdefault(position, []).append(EventCharge(meter_id, pool_id, operation_id, amount))
    return found
