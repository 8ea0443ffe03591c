"""What questions about usage say and are answered with, as values. No I/O: `usage` asks.

Times are aware datetimes, or Unix times in milliseconds; figures are integers in the unit's minor unit.
"""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypedDict, Unpack

from holdfast.v1 import usage_service_pb2 as pb

Measure: TypeAlias = Literal["quantity", "credits", "cost", "count"]
Granularity: TypeAlias = Literal["", "minute", "hour", "day", "week", "month", "quarter", "year"]
Comparison: TypeAlias = Literal["", "previous_period", "previous_year"]
Moment: TypeAlias = datetime.datetime | int
"""An aware datetime, or Unix time in milliseconds."""

Filter = pb.UsageFilter

_MS = datetime.timedelta(milliseconds=1)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """A figure of a step and a group."""

    start: datetime.datetime
    """Of the step, UTC; of the window without granularity."""
    group: Mapping[str, str]
    """Values by key; empty where there is none, and of the rest."""
    rest: bool
    """Whether it is the sum of the groups beyond the top ones."""
    value: int
    compared_value: int
    """Of the window compared with; 0 without one."""
    trace_token: str
    """For `trace`."""


@dataclass(frozen=True, slots=True)
class UsageSummary:
    """What is told of all figures together."""

    total: int
    compared_total: int
    unit: str
    """Empty: several units are summed, or they have none."""
    exponent: int
    """Decimal exponent of the unit's minor unit."""
    complete_until: datetime.datetime
    """Up to when the ledger's postings are in the figures, UTC."""
    steps: Sequence[datetime.datetime]
    """Where all steps of the window begin, UTC."""


@dataclass(frozen=True, slots=True)
class TraceRow:
    """A row behind a figure: of a debit, of an entry or of an event."""

    time: datetime.datetime
    value: int
    account: str
    pool: str
    operation_id: str
    hold_id: str
    entry_id: int
    """0: not an entry."""
    grant: str
    meter: str
    subject: str
    dimensions: Mapping[str, str]
    sidecar: str
    caller: str
    """Who made the call; empty: not known."""
    event_source: str
    event_id: str


def is_in(key: str, *values: str) -> Filter:
    """Keeps rows whose key has one of some values."""
    return Filter(key=key, operator=pb.FILTER_OPERATOR_IN, values=values)


def is_not(key: str, *values: str) -> Filter:
    """Keeps rows whose key has none of some values, or no value."""
    return Filter(key=key, operator=pb.FILTER_OPERATOR_NOT_IN, values=values)


def begins_with(key: str, *prefixes: str) -> Filter:
    """Keeps rows whose key begins with one of some texts."""
    return Filter(key=key, operator=pb.FILTER_OPERATOR_PREFIX, values=prefixes)


def exists(key: str) -> Filter:
    """Keeps rows whose key has a value."""
    return Filter(key=key, operator=pb.FILTER_OPERATOR_EXISTS)


class QueryFields(TypedDict, total=False):
    """Optional fields of a question.

    account: whose usage; without it all that the caller may read. group_by: keys, at most 16. granularity: length of
    the steps; without it one figure for the whole window. time_zone: IANA name; without it UTC. compare: with which
    earlier window. top: keeps the N largest groups and sums the others. page_size: cells of a page, 1..10000.
    """

    account: str
    group_by: Iterable[str]
    filters: Iterable[Filter]
    granularity: Granularity
    time_zone: str
    compare: Comparison
    top: int
    page_size: int


class KeysFields(TypedDict, total=False):
    """Optional fields of a question for keys: whose, of which key the values, how they begin, and how many at most."""

    account: str
    key: str
    prefix: str
    limit: int


def query_request(measure: Measure, start: Moment, end: Moment, **fields: Unpack[QueryFields]) -> pb.QueryUsageRequest:
    """Builds a question. Raises ValueError for a word that there is not, or a time without a zone."""
    compare = fields.get("compare", "")
    granularity = fields.get("granularity", "") or "unspecified"
    if compare not in ("", "previous_period", "previous_year"):
        raise ValueError(f"there is no comparison {compare!r}")
    return pb.QueryUsageRequest(
        account_id=fields.get("account", ""),
        measure=f"USAGE_MEASURE_{measure.upper()}",
        start_unix_ms=_unix_ms(start),
        end_unix_ms=_unix_ms(end),
        granularity=f"GRANULARITY_{granularity.upper()}",
        time_zone=fields.get("time_zone", ""),
        group_by=fields.get("group_by", ()),
        filters=fields.get("filters", ()),
        previous_period=True if compare == "previous_period" else None,
        previous_year=True if compare == "previous_year" else None,
        top=fields.get("top", 0),
        page_size=fields.get("page_size", 0),
    )


def keys_request(start: Moment, end: Moment, **fields: Unpack[KeysFields]) -> pb.ListUsageKeysRequest:
    """Builds a question for keys, or for the values of one. Raises ValueError for a time without a zone."""
    return pb.ListUsageKeysRequest(
        account_id=fields.get("account", ""),
        start_unix_ms=_unix_ms(start),
        end_unix_ms=_unix_ms(end),
        key=fields.get("key", ""),
        prefix=fields.get("prefix", ""),
        page_size=fields.get("limit", 0),
    )


def read_rows(request: pb.QueryUsageRequest, answer: pb.QueryUsageResponse) -> list[UsageRow]:
    """Reads the figures of a page."""
    return [
        UsageRow(
            start=_moment(cell.step_unix_ms),
            group=dict(zip(request.group_by, cell.group or [""] * len(request.group_by), strict=True)),
            rest=cell.rest,
            value=cell.value,
            compared_value=cell.compared_value,
            trace_token=cell.trace_token,
        )
        for cell in answer.cells
    ]


def read_summary(answer: pb.QueryUsageResponse) -> UsageSummary:
    """Reads what a page tells of all figures."""
    return UsageSummary(
        total=answer.total,
        compared_total=answer.compared_total,
        unit=answer.unit,
        exponent=answer.exponent,
        complete_until=_moment(answer.complete_until_unix_ms),
        steps=tuple(map(_moment, answer.steps_unix_ms)),
    )


def read_traces(answer: pb.TraceUsageResponse) -> list[TraceRow]:
    """Reads the rows behind a figure."""
    return [
        TraceRow(
            time=_moment(trace.time_unix_ms),
            value=trace.value,
            account=trace.account_id,
            pool=trace.pool_id,
            operation_id=trace.operation_id,
            hold_id=trace.hold_id,
            entry_id=trace.entry_id,
            grant=trace.grant_id,
            meter=trace.meter_id,
            subject=trace.subject,
            dimensions=dict(trace.dimensions),
            sidecar=trace.sidecar_id,
            caller=trace.caller,
            event_source=trace.event_source,
            event_id=trace.event_id,
        )
        for trace in answer.traces
    ]


def _unix_ms(moment: Moment) -> int:
    if isinstance(moment, int):
        return moment
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    return (moment - _EPOCH) // _MS


def _moment(unix_ms: int) -> datetime.datetime:
    return _EPOCH + unix_ms * _MS
