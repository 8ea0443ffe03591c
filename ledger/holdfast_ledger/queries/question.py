"""Checks a QueryUsageRequest and makes a question of it: everything that a caller may get wrong is found here.

The account that a caller may read is settled here too (`scope_of`), once, for all calls of UsageService.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal, TypeAlias

from holdfast.v1 import usage_service_pb2 as api

from holdfast_ledger.access.caller import Caller
from holdfast_ledger.errors import InvalidArgument, PermissionDenied
from holdfast_ledger.governance.zones import zone_names
from holdfast_ledger.queries import calendar
from holdfast_ledger.queries.calendar import MAX_TIME_MS, Granularity, TooManySteps, Window
from holdfast_ledger.queries.keys import BUILT_IN, Key, Measure, keys_of
from holdfast_ledger.validation import check_optional_id, check_range

MAX_GROUP_KEYS: Final = 16
MAX_FILTERS: Final = 32
MAX_FILTER_VALUES: Final = 1_000
MAX_FILTER_BYTES: Final = 65_536
"""Of all filters of a request together: it goes on in each page token and in each figure's trace token."""

MAX_KEY_BYTES: Final = 128 + len("dimension:")
MAX_VALUE_BYTES: Final = 1_024
"""Of a filter's value: longer than any subject or dimension may be."""

MAX_PAGE_SIZE: Final = 10_000
DEFAULT_PAGE_SIZE: Final = 1_000
MAX_TOP: Final = 1_000
"""More groups than a chart can show; who wants all of them pages through all."""

Comparison: TypeAlias = Literal["", "period", "year"]


class FilterOperator(IntEnum):
    """As `holdfast.v1.FilterOperator`."""

    IN = 1
    NOT_IN = 2
    PREFIX = 3
    EXISTS = 4


@dataclass(frozen=True, slots=True)
class Filter:
    """Keeps rows by a key's value."""

    key: Key
    operator: FilterOperator
    values: tuple[str, ...]

    @property
    def needs_value(self) -> bool:
        """Whether no row without a value is kept."""
        return self.operator is not FilterOperator.NOT_IN and "" not in self.values


@dataclass(frozen=True, slots=True)
class Question:
    """A request that can be answered."""

    scope: str
    """The only account whose rows are read; empty: all."""
    measure: Measure
    window: Window
    compared: Window | None
    group_by: tuple[Key, ...]
    filters: tuple[Filter, ...]
    top: int
    """0: all groups."""

    @property
    def dimensions(self) -> tuple[tuple[str, Key], ...]:
        """The dimensions that it names, each with the field that does."""
        named = [(f"group_by[{place}]", key) for place, key in enumerate(self.group_by)]
        named += [(f"filters[{place}].key", kept.key) for place, kept in enumerate(self.filters)]
        return tuple((field, key) for field, key in named if key.is_dimension)


def scope_of(caller: Caller, account_id: str) -> str:
    """Returns the account whose rows a call may read, "" for all.

    Raises:
        InvalidArgument: it is no account's id.
        PermissionDenied: it is not the caller's.
    """
    check_optional_id("account_id", account_id)
    if caller.account_id and account_id not in ("", caller.account_id):
        raise PermissionDenied("the credential is another account's")
    return caller.account_id or account_id


def question_of(request: api.QueryUsageRequest, caller: Caller) -> Question:
    """Checks a request. Raises `InvalidArgument` with the field, `PermissionDenied`."""
    scope = scope_of(caller, request.account_id)
    measure = _measure(request.measure)
    window, zone_name = _window(request)
    return Question(
        scope=scope,
        measure=measure,
        window=window,
        compared=_compared(request, window, zone_name),
        group_by=_group_by(request.group_by, measure),
        filters=_filters(request.filters, measure),
        top=_checked("top", request.top, MAX_TOP),
    )


def page_size_of(request: api.QueryUsageRequest) -> int:
    """Returns the cells of a page. Raises `InvalidArgument`."""
    return _checked("page_size", request.page_size, MAX_PAGE_SIZE) or DEFAULT_PAGE_SIZE


def digest_of(request: api.QueryUsageRequest, scope: str) -> bytes:
    """Names what is asked and of whom, but for the page: tokens of another question are refused by it."""
    asked = api.QueryUsageRequest()
    asked.CopyFrom(request)
    asked.account_id = scope
    asked.ClearField("page_token")
    asked.ClearField("page_size")
    return hashlib.sha256(asked.SerializeToString(deterministic=True)).digest()[:16]


def check_span(start_ms: int, end_ms: int) -> None:
    """A window's ends. Raises `InvalidArgument`."""
    check_range("start_unix_ms", start_ms, 0, MAX_TIME_MS)
    check_range("end_unix_ms", end_ms, 0, MAX_TIME_MS)
    if end_ms <= start_ms:
        raise InvalidArgument("end_unix_ms", f"is {end_ms}, not after the start, {start_ms}")


def key_of(field: str, name: str, measure: Measure | None = None) -> Key:
    """Reads a key. Raises `InvalidArgument` for a built-in one by which the measure is not kept."""
    if not name or len(name.encode()) > MAX_KEY_BYTES:
        raise InvalidArgument(field, f"is not a key of 1..{MAX_KEY_BYTES} bytes")
    key = Key.named(name)
    if not key.name:
        raise InvalidArgument(field, "names no dimension")
    if measure is not None and not key.is_dimension and name not in keys_of(measure):
        known = ", ".join(keys_of(measure))
        raise InvalidArgument(field, f"{name!r}: {measure.name} is not kept by it, but by {known} and dimensions")
    return key


def _measure(value: int) -> Measure:
    try:
        return Measure(value)
    except ValueError:
        raise InvalidArgument("measure", "is none of QUANTITY, CREDITS, COST and COUNT") from None


def _window(request: api.QueryUsageRequest) -> tuple[Window, str]:
    check_span(request.start_unix_ms, request.end_unix_ms)
    zone_name = request.time_zone or "UTC"
    if zone_name not in zone_names():
        raise InvalidArgument("time_zone", f"{zone_name[:64]!r} is not an IANA time zone")
    try:
        granularity = Granularity(request.granularity)
        return calendar.window(request.start_unix_ms, request.end_unix_ms, granularity, zone_name), zone_name
    except TooManySteps:
        reason = f"makes more than {calendar.MAX_STEPS} steps of this window; take longer ones, or a shorter window"
        raise InvalidArgument("granularity", reason) from None
    except ValueError:
        raise InvalidArgument("granularity", "is none that there is") from None


def _compared(request: api.QueryUsageRequest, window: Window, zone_name: str) -> Window | None:
    if request.previous_period:
        return calendar.period_before(window, Granularity(request.granularity), zone_name)
    return calendar.year_before(window, zone_name) if request.previous_year else None


def _group_by(names: Sequence[str], measure: Measure) -> tuple[Key, ...]:
    if len(names) > MAX_GROUP_KEYS:
        raise InvalidArgument("group_by", f"has {len(names)} keys, more than {MAX_GROUP_KEYS}")
    keys = tuple(key_of(f"group_by[{place}]", name, measure) for place, name in enumerate(names))
    for place, key in enumerate(keys):
        if key in keys[:place]:
            raise InvalidArgument(f"group_by[{place}]", f"{names[place]!r} is there already")
    return keys


def _filters(said: Sequence[api.UsageFilter], measure: Measure) -> tuple[Filter, ...]:
    if len(said) > MAX_FILTERS:
        raise InvalidArgument("filters", f"has {len(said)} filters, more than {MAX_FILTERS}")
    if sum(one.ByteSize() for one in said) > MAX_FILTER_BYTES:
        raise InvalidArgument("filters", f"is longer than {MAX_FILTER_BYTES} bytes")
    return tuple(_filter(f"filters[{place}]", one, measure) for place, one in enumerate(said))


def _filter(field: str, said: api.UsageFilter, measure: Measure) -> Filter:
    key = key_of(f"{field}.key", said.key, measure)
    try:
        operator = FilterOperator(said.operator)
    except ValueError:
        raise InvalidArgument(f"{field}.operator", "is none of IN, NOT_IN, PREFIX and EXISTS") from None
    count = len(said.values)
    if operator is FilterOperator.EXISTS and count:
        raise InvalidArgument(f"{field}.values", "has values, and EXISTS takes none")
    if operator is not FilterOperator.EXISTS and not 1 <= count <= MAX_FILTER_VALUES:
        raise InvalidArgument(f"{field}.values", f"has {count} values, not 1..{MAX_FILTER_VALUES}")
    for place, value in enumerate(said.values):
        if len(value.encode()) > MAX_VALUE_BYTES:
            raise InvalidArgument(f"{field}.values[{place}]", f"is longer than {MAX_VALUE_BYTES} bytes")
    return Filter(key, operator, tuple(said.values))


def _checked(field: str, value: int, high: int) -> int:
    check_range(field, value, 0, high)
    return value


assert len(BUILT_IN) == len(set(BUILT_IN))
