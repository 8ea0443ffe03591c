"""What callers ask of the engine about events, as plain values. Upstream: the dispatcher, which has checked shapes."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from holdfast_sidecar.engine.rules import Dimensions


class EventOutcome(IntEnum):
    """As in `holdfast.v1.EventOutcome`."""

    ACCEPTED = 1
    DUPLICATE = 2
    CONFLICT = 3
    REFUSED = 4


class Rejected(NamedTuple):
    """An event that was not accepted."""

    place: int
    """In the request, from 0."""
    outcome: EventOutcome
    field: str = ""
    message: str = ""


@dataclass(slots=True, eq=False)
class UsageEvent:
    """One event; `payload` is the message itself, in its one form."""

    place: int
    """In the request, from 0."""
    name: bytes
    """Stands for account, source and id; see `holdfast_sidecar.event_wire`."""
    content: bytes
    """16 bytes that stand for all of it."""
    payload: bytes
    account_id: str
    source: str
    event_id: str
    event_type: str
    time_unix_ms: int
    subject: str
    dimensions: Dimensions
    quantities: Mapping[str, int]
    corrects: bytes
    """Name of the event that this one corrects; empty: none."""


@dataclass(slots=True, eq=False)
class ReportEvents:
    """Takes events in, each by itself; `rejected` are those that were malformed."""

    events: list[UsageEvent]
    rejected: list[Rejected]


class VoidName(NamedTuple):
    """An event to take back; `payload` is a message with its name alone."""

    place: int
    name: bytes
    payload: bytes


@dataclass(slots=True, eq=False)
class VoidEvents:
    """Takes events back, each by itself."""

    names: list[VoidName]
    rejected: list[Rejected]
