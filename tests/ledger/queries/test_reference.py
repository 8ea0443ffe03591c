"""Random questions over random rows: what the store answers is what plain Python makes of the same rows.

Each is asked of rows alone and with sums of hours, of which some are stale, page by page, as everyone and as one
account.
"""

import pytest
from holdfast.v1 import usage_service_pb2 as api
from holdfast_ledger.access.caller import ANYONE, Caller, Role
from holdfast_ledger.errors import InvalidArgument, PermissionDenied
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledger.queries.reference import Cells, figures
from tests.ledger.queries.setting import DAY_MS, HOUR_MS, NOW_MS, START_MS, Row, Setting, asked, clear

EVIL = "x'); DROP TABLE usage; --"
NAMES = ("", "x", "y", EVIL, "{p0:String}", "é\\'\"`", "x/y")

ACCOUNTS = ("a", "b", EVIL)
KEYS = ("account", "pool", "subject", "subject_1", "subject_2", "model", "team", EVIL)
OF_USAGE, OF_SPEND = ("meter",), ("grant", "category", "currency", "cost_currency", "product")

OPERATORS = st.sampled_from(
    [api.FILTER_OPERATOR_IN, api.FILTER_OPERATOR_NOT_IN, api.FILTER_OPERATOR_PREFIX, api.FILTER_OPERATOR_EXISTS]
)

names = st.sampled_from(NAMES)
times = st.one_of(
    st.integers(-40 * DAY_MS, 40 * DAY_MS),
    st.integers(-50, 50).map(lambda hour: hour * HOUR_MS),
    st.integers(-50, 50).map(lambda hour: hour * HOUR_MS - 1),
).map(lambda after: START_MS + after)
values = st.one_of(st.integers(-3, 5), st.integers(-(2**55), 2**55))
dimensions = st.dictionaries(st.sampled_from(["model", "team", EVIL, "feature"]), names, max_size=3)
subjects = st.lists(st.sampled_from(["x", "y", EVIL]), max_size=3).map("/".join)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """A row of one of the tables."""
    table = draw(st.sampled_from(["usage", "spend", "events"]))
    return Row(
        table=table,
        time_ms=draw(times),
        account=draw(st.sampled_from(ACCOUNTS)),
        value=draw(st.integers(-1, 1) if table == "events" else values),
        cost=draw(values),
        counts=draw(st.integers(0, 1)),
        pool=draw(st.sampled_from(["general", "p"])),
        meter=draw(names),
        grant=draw(names),
        category=draw(st.sampled_from(["paid", "promotional"])),
        subject=draw(subjects),
        dimensions=draw(dimensions),
    )


@st.composite
def questions(draw: st.DrawFn) -> api.QueryUsageRequest:
    """A question that can be answered."""
    measure = draw(st.integers(1, 4))
    keys = st.sampled_from((*KEYS, *(OF_USAGE if measure == 1 else OF_SPEND)))
    start_ms = draw(times)
    request = asked(
        account_id=draw(st.sampled_from(["", "", *ACCOUNTS])),
        measure=measure,
        start_unix_ms=start_ms,
        end_unix_ms=start_ms + draw(st.one_of(st.integers(1, 10 * DAY_MS), st.integers(1, 30).map(DAY_MS.__mul__))),
        granularity=draw(st.sampled_from([0, 2, 3, 4, 5])),
        time_zone=draw(st.sampled_from(["", "Europe/Berlin", "Asia/Kathmandu"])),
        group_by=draw(st.lists(keys, max_size=3, unique=True)),
        filters=draw(st.lists(st.builds(_filter, keys, OPERATORS, st.lists(names, min_size=1)), max_size=2)),
        top=draw(st.integers(0, 3)),
        page_size=draw(st.sampled_from([3, 1_000])),
    )
    comparison = draw(st.sampled_from(["", "previous_period", "previous_year"]))
    if comparison:
        setattr(request, comparison, True)
    return request


def _filter(key: str, operator: api.FilterOperator, said: list[str]) -> api.UsageFilter:
    exists = operator == api.FILTER_OPERATOR_EXISTS
    return api.UsageFilter(key=key, operator=operator, values=[] if exists else said)


def all_pages(setting: Setting, request: api.QueryUsageRequest, caller: Caller, *, use_rollups: bool) -> Cells:
    """The cells of all pages; the totals are those of all."""
    answers, found, page = setting.answers(use_rollups=use_rollups), Cells(), api.QueryUsageRequest()
    page.CopyFrom(request)
    while True:
        answer = answers.query(page, caller, NOW_MS)
        for cell in answer.cells:
            assert not cell.rest or not cell.group
            group = ("",) * len(request.group_by) if cell.rest else tuple(cell.group)
            found.append(((cell.step_unix_ms, cell.rest, group), cell.value, cell.compared_value))
        page.page_token = answer.next_page_token
        if not page.page_token:
            break
        assert len(answer.cells) == page.page_size
    assert answer.total == sum(value for _, value, _ in found)
    assert answer.compared_total == sum(compared for _, _, compared in found)
    return found


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(st.lists(rows(), min_size=1, max_size=12), min_size=1, max_size=3),
    st.lists(questions(), min_size=1, max_size=4),
    st.booleans(),
)
def test_answers_are_those_of_plain_python(
    setting: Setting, turns: list[list[Row]], asked: list[api.QueryUsageRequest], twice: bool
) -> None:
    """To the unit, from rows and from sums, for everyone and for one account."""
    clear(setting.database)
    setting.__init__(setting.database)  # type: ignore[misc]  # each example begins anew
    setting.dimensions = ("model", "team")
    for place, turn in enumerate(turns):
        setting.feed(*turn, twice=twice)
        if place != 1:  # the second turn's hours stay stale if there are two
            setting.roll(NOW_MS + place * DAY_MS)
    for request in asked:
        for caller in (ANYONE, Caller("c", Role.READER, "a")):
            fed = [row for _, row in setting.rows if not caller.account_id or row.account == caller.account_id]
            if caller.account_id and request.account_id not in ("", caller.account_id):
                with pytest.raises(PermissionDenied):
                    setting.answers().query(request, caller, NOW_MS)
                continue
            for use_rollups in (False, True):
                try:
                    found = all_pages(setting, request, caller, use_rollups=use_rollups)
                except InvalidArgument as fault:
                    _assert_unknown(
                        fault,
                        request,
                        [row for row in fed if row.account == caller.account_id or not caller.account_id],
                    )
                    continue
                assert found == figures(request, fed)


def _assert_unknown(fault: InvalidArgument, request: api.QueryUsageRequest, fed: list[Row]) -> None:
    """A dimension was refused, since nothing in the window has it."""
    tables = {1: ("usage",), 2: ("spend",), 3: ("spend",), 4: ("spend", "events")}[request.measure]
    within = [
        row
        for row in fed
        if request.start_unix_ms <= row.time_ms < request.end_unix_ms
        and row.table in tables
        and row.account in (request.account_id or row.account,)
    ]
    named = [*request.group_by, *(kept.key for kept in request.filters)]
    unknown = [
        key for key in named if key in ("model", "team", EVIL) and not any(r.dimensions.get(key) for r in within)
    ]
    assert within
    assert unknown
    assert repr(unknown[0]) in fault.message
