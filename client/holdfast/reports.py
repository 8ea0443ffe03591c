"""Reports of usage: what was used, told afterwards, as quantities or as raw events. No I/O.

`Client.report_usage` builds its call here; `report_usage_bulk`, `report_events` and `void_events` take what these
functions return. Quantities are whole numbers: minor units of the pool's currency, or of a meter what it counts.
"""

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict, TypeVar

from holdfast.answers import Charged, read_charged, read_error
from holdfast.errors import HoldfastError, Internal
from holdfast.operations import build, new_operation_id
from holdfast.v1.enforcement_service_pb2 import CounterTotal
from holdfast.v1.usage_service_pb2 import (
    EventName,
    ReportEventsResponse,
    ReportUsageRequest,
    ReportUsageResponse,
    ReportUsageResult,
    UsageEvent,
    VoidEventsResponse,
)
from holdfast.v1.usage_service_pb2 import EventResult as _EventResult

__all__ = [
    "EventName",
    "EventOutcome",
    "EventResult",
    "EventsTaken",
    "ReportFields",
    "ReportUsageRequest",
    "Reported",
    "UsageEvent",
    "event",
    "event_name",
    "usage",
]

_MessageT = TypeVar("_MessageT")


class ReportFields(TypedDict, total=False):
    """Optional fields of a report.

    meter: of the rate card, such as "output", which `dimensions` then name the "model" for; without one minor units are
    reported. counter, total: the new running total of a counter, instead of a delta. already_used: it was used, so it
    is debited whatever the balance. pool: the one that pays. subject: path below the account. currency: the one
    expected.
    """

    meter: str
    counter: str | None
    total: int | None
    already_used: bool
    operation_id: str | None
    pool: str
    subject: str
    dimensions: Mapping[str, str] | None
    currency: str


def usage(
    account: str,
    delta: int | None = None,
    *,
    meter: str = "",
    counter: str | None = None,
    total: int | None = None,
    already_used: bool = False,
    operation_id: str | None = None,
    pool: str = "",
    subject: str = "",
    dimensions: Mapping[str, str] | None = None,
    currency: str = "",
) -> ReportUsageRequest:
    """Reports that `delta` was used, or what the running `total` of `counter` has risen by.

    Raises:
        TypeError: neither or both of the two forms were given.
    """
    if (delta is None) == (counter is None) or (counter is None) != (total is None):
        raise TypeError("a report takes either delta, or counter and total")
    amount: dict[str, object] = {"delta": delta}
    if counter is not None:
        amount = {"set": build(CounterTotal, counter_id=counter, total=total)}
    return build(
        ReportUsageRequest,
        operation_id=new_operation_id() if operation_id is None else operation_id,
        account_id=account,
        pool_id=pool,
        meter_id=meter,
        subject=subject,
        dimensions=dimensions or {},
        currency=currency,
        already_used=already_used,
        **amount,
    )


def event(
    account: str,
    kind: str,
    *,
    source: str,
    event_id: str | None = None,
    at: datetime.datetime | int | None = None,
    subject: str = "",
    dimensions: Mapping[str, str] | None = None,
    quantities: Mapping[str, int] | None = None,
    corrects: str = "",
) -> UsageEvent:
    """Tells of something that happened. It is named by account, source and id, and counted once.

    Args:
        kind: what happened; meters choose their events by it.
        event_id: None: a new one; give your own where you may have to send it again.
        at: when it happened: a time with a zone, or Unix time in milliseconds; None: now.
        corrects: id of an event of the same account and source that this one takes the place of.
    """
    return build(
        UsageEvent,
        id=new_operation_id() if event_id is None else event_id,
        source=source,
        type=kind,
        time_unix_ms=_unix_ms(at),
        account_id=account,
        subject=subject,
        dimensions=dimensions or {},
        quantities=quantities or {},
        corrects_id=corrects,
    )


def event_name(account: str, source: str, event_id: str) -> EventName:
    """Names an event that is to be taken back."""
    return build(EventName, account_id=account, source=source, id=event_id)


@dataclass(frozen=True, slots=True)
class Reported(Charged):
    """The answer to a report of usage; true when it was debited."""

    quantity: int = 0
    """What was counted: the delta, or what the counter rose by; 0 when denied."""
    late: bool = False
    """Nothing covered it; it was debited all the same, since it was already used."""


class EventOutcome(StrEnum):
    """What became of an event that was not accepted."""

    DUPLICATE = "DUPLICATE"
    """It is there already, with the same content."""
    CONFLICT = "CONFLICT"
    """Its id is there already, with other content."""
    REFUSED = "REFUSED"
    """It cannot be counted; `field` and `message` say why."""
    UNRECOGNIZED = "UNRECOGNIZED"


@dataclass(frozen=True, slots=True)
class EventResult:
    """One event that was not accepted."""

    index: int
    """Its place among those that were sent, from 0."""
    outcome: EventOutcome
    field: str
    """The field at fault, such as "dimensions[model]"; empty if none."""
    message: str


@dataclass(frozen=True, slots=True)
class EventsTaken:
    """What became of a call's events; those accepted are durable."""

    accepted_count: int
    duplicate_count: int
    """Dropped, since they were there already."""
    results: tuple[EventResult, ...]
    """All that were not accepted, in their order."""

    @property
    def refused(self) -> tuple[EventResult, ...]:
        """Those that are not there: in conflict or refused."""
        return tuple(result for result in self.results if result.outcome is not EventOutcome.DUPLICATE)


def read_reported(message: ReportUsageResponse) -> Reported:
    """Reads the answer to one report."""
    charged = read_charged(message.charge)
    figures = {name: getattr(charged, name) for name in Charged.__dataclass_fields__}
    return Reported(**figures, quantity=message.quantity, late=message.late)


def read_reports(
    reports: Sequence[ReportUsageRequest], results: Sequence[ReportUsageResult]
) -> list[Reported | HoldfastError]:
    """Reads the results of many reports, one each and in their order; a fault is a value here."""
    if len(reports) != len(results):
        raise Internal(f"{len(results)} results for {len(reports)} reports", reason="UNREADABLE_ANSWER")
    return [_read_result(result, asked.operation_id) for asked, result in zip(reports, results, strict=True)]


def _read_result(result: ReportUsageResult, operation_id: str) -> Reported | HoldfastError:
    match result.WhichOneof("result"):
        case "response":
            return _or_fault(lambda: read_reported(result.response), operation_id)
        case "error":
            return read_error(result.error, operation_id)
        case _:
            return Internal("the result is empty", reason="UNREADABLE_ANSWER", operation_id=operation_id)


def _or_fault(read: Callable[[], Reported], operation_id: str) -> Reported | HoldfastError:
    try:
        return read()
    except HoldfastError as error:
        return error.of(operation_id)


def read_events(message: ReportEventsResponse) -> EventsTaken:
    """Reads what became of events."""
    return EventsTaken(message.accepted_count, message.duplicate_count, tuple(map(_event_result, message.results)))


def read_voids(message: VoidEventsResponse) -> EventsTaken:
    """Reads what became of voids."""
    results = tuple(map(_event_result, message.results))
    duplicate_count = sum(result.outcome is EventOutcome.DUPLICATE for result in results)
    return EventsTaken(message.accepted_count, duplicate_count, results)


_OUTCOMES = dict(enumerate(tuple(EventOutcome)[:-1], start=2))
"""By the contract's number; 1 is accepted, which is never listed."""


def _event_result(message: _EventResult) -> EventResult:
    outcome = _OUTCOMES.get(message.outcome, EventOutcome.UNRECOGNIZED)
    return EventResult(message.index, outcome, message.field, message.message)


def _unix_ms(at: datetime.datetime | int | None) -> int:
    if at is None:
        return time.time_ns() // 1_000_000
    if isinstance(at, int):
        return at
    if at.tzinfo is None:
        raise TypeError("at has no time zone; give it one, such as datetime.UTC")
    return round(at.timestamp() * 1000)
