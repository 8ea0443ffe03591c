"""Events as bytes: the names that they are known by, and the entries of the batches in which they travel.

An entry is made once, where the event is taken in, and spliced from there on. Pure; used by dispatcher and engine.
"""

from hashlib import blake2b, sha256
from typing import Final

from holdfast_sidecar.varint import embedded, varint

PREFIX_BYTES: Final = 12
"""Of a name, for account and source: 96 bits, by which nobody meets another one's events."""
PLAIN_ID_BYTES: Final = 40
"""Ids up to this length stand in the name as they are, so that ids that count up lie side by side: a UUID does."""
CONTENT_BYTES: Final = 16
_ID_DIGEST_BYTES: Final = 24
_DIGEST_MARK: Final = b"\0"
"""Begins the digest of a longer id; ids have no control characters."""

_ENTRY_TAG: Final = bytes([1 << 3 | 2])
"""`EventBatch.events`."""
_EVENT_TAG: Final = bytes([1 << 3 | 2])
"""`RecordedEvent.event`."""
_ACCEPTED_TAG: Final = bytes([2 << 3])
"""`RecordedEvent.accepted_at_unix_ms`."""
_VOID: Final = bytes([3 << 3, 1])
"""`RecordedEvent.void`, true."""
_CALLER_FIELD: Final = 5
"""`RecordedEvent.caller`."""
_CHARGE_TAG: Final = bytes([4 << 3 | 2])
"""`RecordedEvent.charges`."""
_QUANTITY_TAG: Final = bytes([2 << 3])
"""`EventCharge.quantity`."""
_AMOUNT_TAG: Final = bytes([3 << 3])
"""`EventCharge.amount`."""
_VARINTS: Final = tuple(varint(number) for number in range(4096))
"""Numbers that nearly all lengths, quantities and amounts are."""


def name_prefix(account_id: str, source: str) -> bytes:
    """Returns what the names of all events of an account and source begin with."""
    return blake2b(f"{account_id}\0{source}".encode(), digest_size=PREFIX_BYTES).digest()


def event_name(prefix: bytes, event_id: str) -> bytes:
    """Returns the name of an event, at most 52 bytes."""
    text = event_id.encode()
    if len(text) <= PLAIN_ID_BYTES:
        return prefix + text
    return prefix + _DIGEST_MARK + blake2b(text, digest_size=_ID_DIGEST_BYTES).digest()


def content_digest(payload: bytes) -> bytes:
    """Returns 16 bytes that stand for a message in its one form (BLAKE2b, RFC 7693)."""
    return blake2b(payload, digest_size=CONTENT_BYTES).digest()


def accepted(unix_ms: int, caller: str) -> bytes:
    """Returns what follows the event in an entry: when it was taken in, and who reported it."""
    return _ACCEPTED_TAG + varint(unix_ms) + (embedded(_CALLER_FIELD, caller.encode()) if caller else b"")


def entry(payload: bytes, rest: bytes) -> bytes:
    """Returns an entry of a batch: the event, then the other fields."""
    length = _number(len(payload))
    whole = 1 + len(length) + len(payload) + len(rest)
    return b"".join((_ENTRY_TAG, _number(whole), _EVENT_TAG, length, payload, rest))


def void_entry(payload: bytes, accepted: bytes) -> bytes:
    """Returns an entry that takes an event back."""
    return entry(payload, accepted + _VOID)


class ChargeForm:
    """Entries' charges of one debit: what is the same in all of them is made once."""

    __slots__ = ("_head", "_tail")

    def __init__(self, meter_id: str, operation_id: str, pool_id: str) -> None:
        self._head = embedded(1, meter_id.encode())
        self._tail = embedded(4, operation_id.encode()) + embedded(5, pool_id.encode())

    def charge(self, quantity: int, amount: int) -> bytes:
        """Returns a `RecordedEvent.charges`."""
        parts = [self._head]
        if quantity:
            parts += (_QUANTITY_TAG, _number(quantity))
        if amount:
            parts += (_AMOUNT_TAG, _number(amount))
        parts.append(self._tail)
        charge = b"".join(parts)
        return _CHARGE_TAG + _number(len(charge)) + charge


def charge_digest(meter_id: str, group: str, names: list[str]) -> bytes:
    """Returns the SHA-256 that names the debit of events, by what they are, sorted, the meter and the group."""
    return sha256("\0".join((*sorted(names), meter_id, group)).encode()).digest()


def _number(value: int) -> bytes:
    return _VARINTS[value] if value < len(_VARINTS) else varint(value)
