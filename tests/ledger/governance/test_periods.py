"""Periods by table, where clocks and months are odd, and in general: ascending, contiguous, each local day once."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from holdfast_ledger.governance.periods import (
    DAY_MS,
    HOUR_MS,
    PeriodUnit,
    Schedule,
    calendar,
    is_start,
    period_at,
    schedule_of,
)
from holdfast_ledger.governance.zones import zone, zone_names
from hypothesis import example, given
from hypothesis import strategies as st

HOUR, DAY, WEEK, MONTH = PeriodUnit.HOUR, PeriodUnit.DAY, PeriodUnit.WEEK, PeriodUnit.MONTH
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ODD_ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "America/Havana", "Asia/Beirut", "Africa/Cairo", "America/St_Johns",
    "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Pacific/Kwajalein", "Antarctica/Troll",
    "Africa/Casablanca",
)  # fmt: skip
"""Clocks that change at midnight, a minute past it, by half an hour, by two; days left out; quarters of an hour."""

zones = st.sampled_from(ODD_ZONES)
moments = st.integers(0, 4_102_444_800_000)
"""From 1970 to 2100."""

units = st.sampled_from([HOUR, DAY, WEEK, MONTH])


def ms(text: str) -> int:
    """A time with its offset."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


def local(at_ms: int, zone_name: str) -> datetime:
    return (EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone(zone_name))


def starts(unit: PeriodUnit, zone_name: str, anchor: str, first: str, count: int) -> list[str]:
    """Starts of periods in local time, from the one at a moment on."""
    schedule = schedule_of(unit, ms(anchor) if anchor else 0, zone_name)
    found, at_ms = [], period_at(schedule, ms(first))[0]
    for _ in range(count):
        found.append(local(at_ms, zone_name).isoformat(timespec="minutes"))
        at_ms = period_at(schedule, at_ms)[1]
    return found


@pytest.mark.parametrize(
    ("unit", "zone_name", "anchor", "first", "expected"),
    [
        pytest.param(
            DAY, "Europe/Berlin", "", "2026-03-28T12:00:00Z",
            ["2026-03-28T00:00+01:00", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"],
            id="a day of 23 hours",
        ),
        pytest.param(
            DAY, "Africa/Cairo", "", "2026-04-23T12:00:00Z",
            ["2026-04-23T00:00+02:00", "2026-04-24T01:00+03:00", "2026-04-25T00:00+03:00"],
            id="a day without midnight begins when the clock jumps",
        ),
        pytest.param(
            DAY, "America/Havana", "", "2024-11-02T12:00:00Z",
            ["2024-11-02T00:00-04:00", "2024-11-03T00:00-04:00", "2024-11-04T00:00-05:00"],
            id="a day with two midnights begins at the first",
        ),
        pytest.param(
            DAY, "Pacific/Apia", "", "2011-12-29T12:00:00-10:00",
            ["2011-12-29T00:00-10:00", "2011-12-31T00:00+14:00", "2012-01-01T00:00+14:00"],
            id="a day that was left out has no period",
        ),
        pytest.param(
            DAY, "Europe/Berlin", "2026-01-01T02:30:00+01:00", "2026-03-28T12:00:00Z",
            ["2026-03-28T02:30+01:00", "2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"],
            id="a time that a day does not have is the next moment",
        ),
        pytest.param(
            DAY, "Europe/Berlin", "2026-01-01T02:30:00+01:00", "2026-10-24T12:00:00Z",
            ["2026-10-24T02:30+02:00", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
            id="a time that a day has twice is the first",
        ),
        pytest.param(
            DAY, "Europe/Berlin", "2025-10-26T02:30:00+01:00", "2025-10-25T12:00:00Z",
            ["2025-10-25T02:30+02:00", "2025-10-26T02:30+01:00", "2025-10-27T02:30+01:00"],
            id="but the second if that is the anchor",
        ),
        pytest.param(
            WEEK, "America/New_York", "", "2026-03-04T12:00:00Z",
            ["2026-03-02T00:00-05:00", "2026-03-09T00:00-04:00", "2026-03-16T00:00-04:00"],
            id="weeks begin on Monday",
        ),
        pytest.param(
            WEEK, "UTC", "2026-01-07T09:15:00Z", "2026-03-04T09:14:59Z",
            ["2026-02-25T09:15+00:00", "2026-03-04T09:15+00:00", "2026-03-11T09:15+00:00"],
            id="anchored weeks begin on the anchor's weekday",
        ),
        pytest.param(
            MONTH, "Europe/Berlin", "", "2026-02-28T23:30:00Z",
            ["2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00", "2026-05-01T00:00+02:00"],
            id="months begin on their first day",
        ),
        pytest.param(
            MONTH, "UTC", "2024-01-31T08:00:00Z", "2024-02-01T00:00:00Z",
            ["2024-01-31T08:00+00:00", "2024-02-29T08:00+00:00", "2024-03-31T08:00+00:00", "2024-04-30T08:00+00:00"],
            id="a day that a month does not have is its last",
        ),
        pytest.param(
            MONTH, "UTC", "2030-06-15T08:00:00Z", "2026-06-15T08:00:00Z",
            ["2026-06-15T08:00+00:00", "2026-07-15T08:00+00:00"],
            id="an anchor may lie ahead",
        ),
        pytest.param(
            HOUR, "Asia/Kathmandu", "", "2026-01-01T00:20:00Z",
            ["2026-01-01T06:00+05:45", "2026-01-01T07:00+05:45"],
            id="hours are full by the local clock",
        ),
        pytest.param(
            HOUR, "Europe/Berlin", "", "2026-10-24T23:30:00Z",
            ["2026-10-25T01:00+02:00", "2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"],
            id="an hour that comes twice is two",
        ),
        pytest.param(
            HOUR, "Australia/Lord_Howe", "", "2026-04-04T14:10:00Z",
            ["2026-04-05T01:00+11:00", "2026-04-05T02:00+10:30", "2026-04-05T03:00+10:30"],
            id="a change by half an hour makes an hour and a half",
        ),
        pytest.param(
            HOUR, "Asia/Kathmandu", "2020-01-01T00:10:00Z", "2026-01-01T00:20:00Z",
            ["2026-01-01T05:55+05:45", "2026-01-01T06:55+05:45"],
            id="anchored hours are full hours after the anchor",
        ),
    ],
)  # fmt: skip
def test_periods_begin(unit: PeriodUnit, zone_name: str, anchor: str, first: str, expected: list[str]) -> None:
    assert starts(unit, zone_name, anchor, first, len(expected)) == expected


@given(unit=units, zone_name=zones, anchor_ms=st.just(0) | moments, at_ms=moments)
def test_every_moment_lies_in_one_period(unit: PeriodUnit, zone_name: str, anchor_ms: int, at_ms: int) -> None:
    schedule = schedule_of(unit, anchor_ms, zone_name)
    start_ms, end_ms = period_at(schedule, at_ms)
    assert start_ms <= at_ms < end_ms
    assert period_at(schedule, start_ms) == (start_ms, end_ms)
    assert period_at(schedule, end_ms - 1) == (start_ms, end_ms)
    assert period_at(schedule, end_ms)[0] == end_ms


@given(unit=units, zone_name=zones, anchor_ms=st.integers(1, 4_102_444_800_000))
@example(unit=DAY, zone_name="Europe/Berlin", anchor_ms=ms("2025-10-26T02:30:00+01:00"))
def test_a_period_begins_at_its_anchor(unit: PeriodUnit, zone_name: str, anchor_ms: int) -> None:
    assert is_start(schedule_of(unit, anchor_ms, zone_name), anchor_ms)


@given(zone_name=zones, day=st.dates(date(1975, 1, 2), date(2099, 12, 1)))
@example(zone_name="Pacific/Apia", day=date(2011, 12, 25))
@example(zone_name="America/St_Johns", day=date(2010, 11, 5))
def test_each_local_day_that_there_is_begins_once(zone_name: str, day: date) -> None:
    schedule = schedule_of(DAY, 0, zone_name)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone(zone_name))
    at_ms = period_at(schedule, (noon - EPOCH) // timedelta(milliseconds=1))[0]
    begun = []
    for _ in range(10):
        begun.append(local(at_ms, zone_name).date())
        at_ms = period_at(schedule, at_ms)[1]
    for before, after in pairwise(begun):
        left_out = (zone_name, before) in {
            ("Pacific/Apia", date(2011, 12, 29)),
            ("Pacific/Kwajalein", date(1993, 8, 20)),
        }
        assert after - before == timedelta(days=2 if left_out else 1)


@given(unit=units, zone_name=zones, anchor_ms=st.just(0) | moments, at_ms=moments)
def test_a_calendar_is_the_present_period_and_enough_of_those_to_come(
    unit: PeriodUnit, zone_name: str, anchor_ms: int, at_ms: int
) -> None:
    schedule = schedule_of(unit, anchor_ms, zone_name)
    found = calendar(schedule, at_ms)
    assert found[:2] == period_at(schedule, at_ms)
    assert all(period_at(schedule, start)[1] == end for start, end in pairwise(found[:50]))
    assert list(found) == sorted(set(found))
    assert found[-1] - at_ms >= {HOUR: 40, DAY: 40, WEEK: 365, MONTH: 365}[unit] * DAY_MS
    assert len(found) <= 1_100


def test_budgets_that_begin_together_share_a_calendar() -> None:
    at_noon = [ms(f"2026-0{month}-0{day}T12:00:00Z") for month in range(1, 10) for day in range(1, 10)]
    assert {schedule_of(HOUR, anchor_ms, name) for anchor_ms in at_noon for name in ODD_ZONES} == {
        Schedule(HOUR, "UTC", 0, 0)
    }
    assert len({schedule_of(DAY, anchor_ms, "UTC").calendar_id for anchor_ms in at_noon}) == 1
    assert len({schedule_of(WEEK, anchor_ms, "UTC").calendar_id for anchor_ms in at_noon}) == 7
    assert len({schedule_of(MONTH, anchor_ms, "UTC").calendar_id for anchor_ms in at_noon}) == 9


def test_calendars_that_differ_have_other_names() -> None:
    anchors = [0, 1, HOUR_MS, DAY_MS, ms("2025-10-26T02:30:00+01:00"), ms("2025-10-26T02:30:00+02:00")]
    schedules = {
        schedule_of(unit, anchor_ms, name)
        for unit in (HOUR, DAY, WEEK, MONTH)
        for anchor_ms in anchors
        for name in ("UTC", "Europe/Berlin")
    }
    assert len({schedule.calendar_id for schedule in schedules}) == len(schedules)


def test_zones_come_from_the_package_and_from_nowhere_else() -> None:
    assert {"UTC", *ODD_ZONES} <= zone_names()
    assert all(zone(name).key == name for name in zone_names())
    for name in ("", "Nowhere", "../UTC", "Europe", "localtime"):
        with pytest.raises(KeyError):
            zone(name)
