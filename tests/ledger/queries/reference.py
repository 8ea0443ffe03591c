"""The figures of a question, from plain Python over the rows that were fed: it shares calendars with the SQL alone."""

from collections import defaultdict
from collections.abc import Sequence

from holdfast.v1 import usage_service_pb2 as api
from holdfast_ledger.queries import calendar
from holdfast_ledger.queries.calendar import Granularity, Window

from tests.ledger.queries.setting import Row, key_of

Place = tuple[int, bool, tuple[str, ...]]
Cells = list[tuple[Place, int, int]]
"""Place, value, compared value."""

_TABLES = {1: ("usage",), 2: ("spend",), 3: ("spend",), 4: ("spend", "events")}


def figures(request: api.QueryUsageRequest, rows: Sequence[Row]) -> Cells:
    """All cells in their order, over the rows that the caller may read."""
    zone_name = request.time_zone or "UTC"
    granularity = Granularity(request.granularity)
    present = calendar.window(request.start_unix_ms, request.end_unix_ms, granularity, zone_name)
    before = None
    if request.previous_period:
        before = calendar.period_before(present, granularity, zone_name)
    elif request.previous_year:
        before = calendar.year_before(present, zone_name)
    kept = [row for row in rows if _kept(request, row)]
    tops = _tops(request, kept, present)
    sums: dict[Place, list[int]] = defaultdict(lambda: [0, 0])
    for side, window in enumerate((present, before)):
        for row in kept:
            if window is not None and window.start_ms <= row.time_ms < window.end_ms:
                group = tuple(key_of(row, key) for key in request.group_by)
                rest = tops is not None and group not in tops
                place = present.steps_ms[_step(window, row.time_ms)], rest, ("",) * len(group) if rest else group
                sums[place][side] += _value(request, row)
    return [(place, *sums[place]) for place in sorted(sums, key=_order)]  # type: ignore[misc]  # two figures


def _order(place: Place) -> tuple[int, bool, tuple[bytes, ...]]:
    return place[0], place[1], tuple(name.encode() for name in place[2])


def _tops(request: api.QueryUsageRequest, rows: Sequence[Row], present: Window) -> set[tuple[str, ...]] | None:
    if not request.top or not request.group_by:
        return None
    totals: dict[tuple[str, ...], int] = defaultdict(int)
    for row in rows:
        if present.start_ms <= row.time_ms < present.end_ms:
            totals[tuple(key_of(row, key) for key in request.group_by)] += _value(request, row)
    ordered = sorted(totals, key=lambda group: (-totals[group], [name.encode() for name in group]))
    return set(ordered[: request.top])


def _step(window: Window, time_ms: int) -> int:
    return max(place for place, step in enumerate(window.steps_ms) if step <= time_ms)


def _value(request: api.QueryUsageRequest, row: Row) -> int:
    if request.measure == api.USAGE_MEASURE_COUNT and row.table == "spend":
        return row.counts
    return row.cost if request.measure == api.USAGE_MEASURE_COST else row.value


def _kept(request: api.QueryUsageRequest, row: Row) -> bool:
    if row.table not in _TABLES[request.measure]:
        return False
    if row.table == "events" and not row.value:
        return False  # a duplicate
    if request.account_id and row.account != request.account_id:
        return False
    return all(_passes(one, key_of(row, one.key)) for one in request.filters)


def _passes(kept: api.UsageFilter, value: str) -> bool:
    if kept.operator == api.FILTER_OPERATOR_IN:
        return value in kept.values
    if kept.operator == api.FILTER_OPERATOR_NOT_IN:
        return value not in kept.values
    if kept.operator == api.FILTER_OPERATOR_PREFIX:
        return value.startswith(tuple(kept.values))
    return value != ""
