"""The rules that an event keeps before it counts, the same for every door: calls, sidecars, streams and files.

`holdfast.v1.UsageEvent` says them; the limits are the sidecar's. `objects/checking` has a sieve for whole columns.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from holdfast.v1.usage_service_pb2 import UsageEvent

MAX_ID_BYTES = 128
MAX_SUBJECT_BYTES = 512
MAX_DIMENSIONS = 16
MAX_KEY_BYTES = 64
"""Of a dimension's key, and of a quantity's name."""
MAX_VALUE_BYTES = 256
MAX_QUANTITIES = 16
LATEST_TIME_MS = 7_258_118_400_000
"""The year 2200, far past what any door lets in: times up to it fit into every database."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class EventTerms(NamedTuple):
    """Which times an event may have."""

    future_ms: int = 300_000
    """How far ahead of the clock."""
    grace_ms: int = 35 * 86_400_000
    """How far behind it."""


class EventFault(NamedTuple):
    """Why an event cannot be counted."""

    field: str
    """Such as "dimensions[model]"."""
    reason: str


def event_fault(event: UsageEvent, now_ms: int, terms: EventTerms) -> EventFault | None:
    """Returns the first rule that an event breaks; None: it may be counted."""
    if now_ms - terms.grace_ms <= event.time_unix_ms <= now_ms + terms.future_ms and _is_plain(event):
        return None
    return next(_faults(event, now_ms, terms), None)


def limit_fault(event: UsageEvent, *, void: bool) -> EventFault | None:
    """The same of an event that was taken in elsewhere, whose time was right then; of a void, of its name."""
    if void:
        return next(_name_faults(event), None)
    return None if _is_plain(event) else next(_limit_faults(event), None)


def _is_plain(event: UsageEvent) -> bool:
    """Whether an event keeps the limits at first sight: of ASCII, and short. Nearly all do, and it is quick."""
    subject, dimensions, quantities = event.subject, event.dimensions, event.quantities
    for text in (event.account_id, event.source, event.id, event.type):
        if not (0 < len(text) <= MAX_ID_BYTES and text.isascii() and text.isprintable()):
            return False
    if subject and not ("//" not in f"/{subject}/" and _is_short(subject, MAX_SUBJECT_BYTES)):
        return False
    if len(dimensions) > MAX_DIMENSIONS or len(quantities) > MAX_QUANTITIES or event.corrects_id:
        return False
    if not 0 < event.time_unix_ms <= LATEST_TIME_MS:
        return False
    return all(
        key and _is_short(key, MAX_KEY_BYTES) and _is_short(value, MAX_VALUE_BYTES) for key, value in dimensions.items()
    ) and all(name and _is_short(name, MAX_KEY_BYTES) and amount >= 0 for name, amount in quantities.items())


def _is_short(text: str, max_bytes: int) -> bool:
    return len(text) <= max_bytes and text.isascii() and text.isprintable()


def _faults(event: UsageEvent, now_ms: int, terms: EventTerms) -> Iterator[EventFault]:
    yield from _name_faults(event)
    yield from _time(event.time_unix_ms, now_ms, terms)
    yield from _limit_faults(event)


def _name_faults(event: UsageEvent) -> Iterator[EventFault]:
    for name in ("account_id", "source", "id"):
        yield from _name(event, name)


def _name(event: UsageEvent, name: str) -> Iterator[EventFault]:
    text: str = getattr(event, name)
    if not text:
        yield EventFault(name, "is empty")
    yield from _text(name, text, MAX_ID_BYTES)


def _limit_faults(event: UsageEvent) -> Iterator[EventFault]:
    yield from _name_faults(event)
    yield from _name(event, "type")
    if not 0 < event.time_unix_ms <= LATEST_TIME_MS:
        yield EventFault("time", f"is {event.time_unix_ms}, not in 1..{LATEST_TIME_MS}")
    yield from _path(event.subject)
    yield from _text("corrects_id", event.corrects_id, MAX_ID_BYTES)
    if event.corrects_id == event.id:
        yield EventFault("corrects_id", "is the event's own id")
    yield from _dimensions(event)
    yield from _quantities(event)


def _text(field: str, text: str, max_bytes: int) -> Iterator[EventFault]:
    if len(text.encode()) > max_bytes:
        yield EventFault(field, f"is longer than {max_bytes} bytes")
    if _CONTROL.search(text):
        yield EventFault(field, "has control characters")


def _time(time_ms: int, now_ms: int, terms: EventTerms) -> Iterator[EventFault]:
    if time_ms <= 0:
        yield EventFault("time", "is not after 1970-01-01T00:00:00Z")
    if time_ms > now_ms + terms.future_ms:
        yield EventFault("time", f"is more than {terms.future_ms} ms ahead of the clock")
    if time_ms < now_ms - terms.grace_ms:
        yield EventFault("time", f"is older than {terms.grace_ms} ms")


def _path(subject: str) -> Iterator[EventFault]:
    if subject and not all(subject.split("/")):
        yield EventFault("subject", "has an empty level; levels are separated by single slashes")
    yield from _text("subject", subject, MAX_SUBJECT_BYTES)


def _dimensions(event: UsageEvent) -> Iterator[EventFault]:
    if len(event.dimensions) > MAX_DIMENSIONS:
        yield EventFault("dimensions", f"are {len(event.dimensions)}, at most {MAX_DIMENSIONS}")
    for key in sorted(event.dimensions):
        yield from _key("dimensions", key)
        yield from _text(f"dimensions[{key}]", event.dimensions[key], MAX_VALUE_BYTES)


def _quantities(event: UsageEvent) -> Iterator[EventFault]:
    if len(event.quantities) > MAX_QUANTITIES:
        yield EventFault("quantities", f"are {len(event.quantities)}, at most {MAX_QUANTITIES}")
    for name in sorted(event.quantities):
        yield from _key("quantities", name)
        if event.quantities[name] < 0:
            yield EventFault(f"quantities[{name}]", f"is {event.quantities[name]}, not in 0..2^63-1")


def _key(field: str, key: str) -> Iterator[EventFault]:
    if not key:
        yield EventFault(field, "has an empty key")
    yield from _text(field, key, MAX_KEY_BYTES)
