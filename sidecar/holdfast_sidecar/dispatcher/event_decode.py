"""Requests about events to operations: every event checked for shape and range by itself, and named.

Upstream: `usage.py`. Downstream: `engine/event_taking.py`. An event is parsed once and serialised once, into the one
form that it is hashed, stored and sent in.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from holdfast.v1 import usage_service_pb2 as pb

from holdfast_sidecar import event_wire
from holdfast_sidecar.dispatcher.decode import dimensions_of, subject_of
from holdfast_sidecar.dispatcher.event_salvage import first_bad_text, parts_of
from holdfast_sidecar.dispatcher.invalid import DIMENSION_KEY_MAX_BYTES, Invalid, check_amount, check_id, check_text
from holdfast_sidecar.engine.amounts import INT64_MAX
from holdfast_sidecar.engine.event_operations import (
    EventOutcome,
    Rejected,
    ReportEvents,
    UsageEvent,
    VoidEvents,
    VoidName,
)

MAX_EVENTS = 1000
"""Of one request, by the contract."""
MAX_QUANTITIES = 16
MAX_TYPE_BYTES = 128
KINDS_KEPT = 4096
"""Accounts with source and type that need no second check."""
QUANTITY_NAMES_KEPT = 4096

_FOREIGN = "the credential may name its own account alone"
_EVENTS_FIELD = 1
"""Of both requests."""
_Request: TypeAlias = pb.ReportEventsRequest | pb.VoidEventsRequest
M = TypeVar("M", bound=Message)


class EventDecoder:
    """Checks events against the limits of the contract."""

    def __init__(self) -> None:
        self._prefixes: dict[tuple[str, str, str], bytes] = {}
        self._quantity_names: set[str] = set()

    def report(self, payload: bytes, scope: str) -> ReportEvents:
        """Returns the events of a ReportEvents, and those that are at fault.

        Args:
            scope: The one account that the caller may name; empty: any.

        Raises:
            Invalid: There are no events, or too many.
            DecodeError: The bytes are no such request.
        """
        events: list[UsageEvent] = []
        rejected: list[Rejected] = []
        for index, event in enumerate(_messages(pb.ReportEventsRequest, pb.UsageEvent, payload, rejected)):
            if event is None:
                continue
            try:
                events.append(self._event(index, event, scope))
            except Invalid as problem:
                rejected.append(Rejected(index, EventOutcome.REFUSED, problem.field, str(problem)))
        return ReportEvents(events, rejected)

    def void(self, payload: bytes, scope: str) -> VoidEvents:
        """Returns the names of a VoidEvents, and those that are at fault. As `report`."""
        names: list[VoidName] = []
        rejected: list[Rejected] = []
        for index, name in enumerate(_messages(pb.VoidEventsRequest, pb.EventName, payload, rejected)):
            if name is None:
                continue
            try:
                names.append(self._void(index, name, scope))
            except Invalid as problem:
                rejected.append(Rejected(index, EventOutcome.REFUSED, problem.field, str(problem)))
        return VoidEvents(names, rejected)

    def _event(self, index: int, event: pb.UsageEvent, scope: str) -> UsageEvent:
        account_id, source, event_type = event.account_id, event.source, event.type
        event_id, corrects_id, time_unix_ms = event.id, event.corrects_id, event.time_unix_ms
        # By the order of the fields, so that the first one at fault is named.
        check_id("id", event_id)
        prefix = self._prefixes.get((account_id, source, event_type)) or self._prefix(account_id, source, event_type)
        if time_unix_ms <= 0:
            raise Invalid("time_unix_ms", f"must be above 0, is {time_unix_ms}")
        if scope and account_id != scope:
            raise Invalid("account_id", _FOREIGN)
        subject = event.subject
        if corrects_id:
            check_id("corrects_id", corrects_id)
            if corrects_id == event_id:
                raise Invalid("corrects_id", "is the event's own id")
        payload = event.SerializeToString(deterministic=True)
        return UsageEvent(
            index,
            event_wire.event_name(prefix, event_id),
            event_wire.content_digest(payload),
            payload,
            account_id,
            source,
            event_id,
            event_type,
            time_unix_ms,
            subject_of(subject) if subject else "",
            dimensions_of(event.dimensions),
            self._quantities(event.quantities),
            event_wire.event_name(prefix, corrects_id) if corrects_id else b"",
        )

    def _void(self, index: int, name: pb.EventName, scope: str) -> VoidName:
        check_id("account_id", name.account_id)
        check_id("source", name.source)
        check_id("id", name.id)
        if scope and name.account_id != scope:
            raise Invalid("account_id", _FOREIGN)
        prefix = event_wire.name_prefix(name.account_id, name.source)
        bare = pb.UsageEvent(account_id=name.account_id, source=name.source, id=name.id)
        return VoidName(index, event_wire.event_name(prefix, name.id), bare.SerializeToString())

    def _prefix(self, account_id: str, source: str, event_type: str) -> bytes:
        check_id("source", source)
        if not event_type:
            raise Invalid("type", "must not be empty")
        check_text("type", event_type, MAX_TYPE_BYTES)
        check_id("account_id", account_id)
        if len(self._prefixes) >= KINDS_KEPT:
            self._prefixes.clear()
        prefix = event_wire.name_prefix(account_id, source)
        self._prefixes[account_id, source, event_type] = prefix
        return prefix

    def _quantities(self, entries: Mapping[str, int]) -> dict[str, int]:
        if not entries:
            return {}
        # Half as long as `dict(entries)`, which asks for each key twice.
        quantities = {name: entries[name] for name in entries}
        if len(quantities) > MAX_QUANTITIES:
            raise Invalid("quantities", f"more than {MAX_QUANTITIES}")
        for name, quantity in quantities.items():
            if name not in self._quantity_names:
                self._check_quantity_name(name)
            if quantity < 0:
                check_amount(f"quantities[{name}]", quantity, 0, INT64_MAX)
        return quantities

    def _check_quantity_name(self, name: str) -> None:
        if not name:
            raise Invalid("quantities", "a name is empty")
        check_text("quantities", name, DIMENSION_KEY_MAX_BYTES)
        if len(self._quantity_names) >= QUANTITY_NAMES_KEPT:
            self._quantity_names.clear()
        self._quantity_names.add(name)


def _messages(request: type[_Request], kind: type[M], payload: bytes, rejected: list[Rejected]) -> Sequence[M | None]:
    """Returns the messages of a request in their places; None, and why in `rejected`, for one that cannot be read."""
    try:
        messages = cast("Sequence[M | None]", request.FromString(payload).events)
    except DecodeError:
        # One text that is not UTF-8 makes a request unreadable; the others in it are whole.
        parts = parts_of(payload, _EVENTS_FIELD)
        _check_count(len(parts))
        return [_message(kind, part, index, rejected) for index, part in enumerate(parts)]
    _check_count(len(messages))
    return messages


def _check_count(event_count: int) -> None:
    if not 1 <= event_count <= MAX_EVENTS:
        raise Invalid("events", f"must be 1..{MAX_EVENTS} events, are {event_count}")


def _message(kind: type[M], part: bytes, index: int, rejected: list[Rejected]) -> M | None:
    try:
        return kind.FromString(part)
    except DecodeError:
        field = first_bad_text(part, cast("Descriptor", kind.DESCRIPTOR))
        problem = f"{field}: is not UTF-8" if field else "cannot be read"
        rejected.append(Rejected(index, EventOutcome.REFUSED, field, problem))
        return None
