"""Steps by table, where clocks and months are odd, and in general: ascending, without gaps, with their counterparts."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from holdfast_ledger.governance.zones import zone
from holdfast_ledger.queries.calendar import (
    MAX_STEPS,
    Granularity,
    TooManySteps,
    Window,
    counterparts,
    period_before,
    window,
    year_before,
)
from hypothesis import given
from hypothesis import strategies as st

WHOLE, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR = Granularity
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BERLIN, HAVANA, NEPAL, HOWE = "Europe/Berlin", "America/Havana", "Asia/Kathmandu", "Australia/Lord_Howe"

zones = st.sampled_from(
    ["UTC", BERLIN, HAVANA, NEPAL, HOWE, "Pacific/Apia", "America/St_Johns", "Africa/Cairo", "Antarctica/Troll"]
)
moments = st.integers(0, 4_102_444_800_000)


def ms(text: str) -> int:
    """A time with its offset."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


def cut(start: str, end: str, granularity: Granularity, zone_name: str = "UTC") -> Window:
    """A window between two times with their offsets."""
    return window(ms(start), ms(end), granularity, zone_name)


def shown(window: Window, zone_name: str) -> list[str]:
    """Where steps begin, on the zone's clock."""
    return [
        (EPOCH + timedelta(milliseconds=step)).astimezone(zone(zone_name)).isoformat(timespec="minutes")
        for step in window.steps_ms
    ]


@pytest.mark.parametrize(
    ("zone_name", "granularity", "start", "end", "steps"),
    [
        # The clock goes forward on 29 March 2026 in Berlin, back on 25 October.
        (BERLIN, DAY, "2026-03-28T00:00+01:00", "2026-03-31T00:00+02:00",
         ["2026-03-28T00:00+01:00", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"]),
        (BERLIN, HOUR, "2026-03-29T01:00+01:00", "2026-03-29T04:00+02:00",
         ["2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00"]),
        (BERLIN, HOUR, "2026-10-25T02:00+02:00", "2026-10-25T03:00+01:00",
         ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"]),
        # A window that begins within a step begins with that step.
        ("UTC", DAY, "2026-11-03T13:37+00:00", "2026-11-04T00:01+00:00",
         ["2026-11-03T00:00+00:00", "2026-11-04T00:00+00:00"]),
        (NEPAL, HOUR, "2026-11-03T00:00+00:00", "2026-11-03T00:30+00:00",
         ["2026-11-03T05:00+05:45", "2026-11-03T06:00+05:45"]),
        # 8 March 2026 has no midnight in Havana.
        (HAVANA, DAY, "2026-03-08T01:00-04:00", "2026-03-10T00:00-04:00",
         ["2026-03-08T01:00-04:00", "2026-03-09T00:00-04:00"]),
        ("UTC", MINUTE, "2026-11-03T00:00:30+00:00", "2026-11-03T00:02+00:00",
         ["2026-11-03T00:00+00:00", "2026-11-03T00:01+00:00"]),
        ("UTC", WEEK, "2026-11-04T00:00+00:00", "2026-11-10T00:00+00:00",
         ["2026-11-02T00:00+00:00", "2026-11-09T00:00+00:00"]),
        (BERLIN, MONTH, "2026-03-01T00:00+01:00", "2026-05-01T00:00+02:00",
         ["2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00"]),
        (BERLIN, QUARTER, "2026-03-31T12:00+02:00", "2026-07-01T00:00:01+02:00",
         ["2026-01-01T00:00+01:00", "2026-04-01T00:00+02:00", "2026-07-01T00:00+02:00"]),
        ("UTC", YEAR, "2025-12-31T23:59+00:00", "2027-01-01T00:00+00:00",
         ["2025-01-01T00:00+00:00", "2026-01-01T00:00+00:00"]),
        ("UTC", WHOLE, "2026-11-03T13:37+00:00", "2027-01-01T00:00+00:00", ["2026-11-03T13:37+00:00"]),
    ],
)  # fmt: skip
def test_steps(zone_name: str, granularity: Granularity, start: str, end: str, steps: list[str]) -> None:
    """Steps begin where the calendar of the zone says."""
    assert shown(cut(start, end, granularity, zone_name), zone_name) == steps


@given(moments, st.integers(1, 400 * 86_400_000), st.sampled_from([DAY, WEEK, MONTH, QUARTER, YEAR]), zones)
def test_steps_cover_the_window(start_ms: int, length_ms: int, granularity: Granularity, zone_name: str) -> None:
    """Steps ascend, the first one holds the start, and the last one the last moment."""
    found = window(start_ms, start_ms + length_ms, granularity, zone_name)
    assert found.steps_ms[0] <= start_ms
    assert len(found.steps_ms) == 1 or start_ms < found.steps_ms[1]
    assert all(earlier < later for earlier, later in pairwise(found.steps_ms))
    assert found.steps_ms[-1] < found.end_ms
    longer = window(start_ms, found.end_ms + 400 * 86_400_000, granularity, zone_name)
    assert longer.steps_ms[len(found.steps_ms)] >= found.end_ms


def test_what_has_too_many_steps_is_refused_before_they_are_made() -> None:
    """Ten thousand minutes are taken, one more is not, nor a century of them."""
    assert len(window(0, MAX_STEPS * 60_000, MINUTE, "UTC").steps_ms) == MAX_STEPS
    for end_ms in (MAX_STEPS * 60_000 + 1, 4_102_444_800_000):
        with pytest.raises(TooManySteps):
            window(0, end_ms, MINUTE, "UTC")


@pytest.mark.parametrize(
    ("granularity", "zone_name", "start", "end", "before", "until"),
    [
        # A day of 23 hours is compared with one of 24.
        (HOUR, "UTC", "2026-03-29T00:00+00:00", "2026-03-30T00:00+00:00", "2026-03-28T00:00+00:00",
         "2026-03-29T00:00+00:00"),
        (DAY, BERLIN, "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00", "2026-03-28T00:00+01:00",
         "2026-03-29T00:00+01:00"),
        (WHOLE, BERLIN, "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00", "2026-03-28T00:00+01:00",
         "2026-03-29T00:00+01:00"),
        # Seven days up to now: the seven days before, though eight are touched.
        (DAY, "UTC", "2026-11-08T13:37+00:00", "2026-11-15T13:37+00:00", "2026-11-01T13:37+00:00",
         "2026-11-08T13:37+00:00"),
        (WHOLE, "UTC", "2026-11-08T13:37+00:00", "2026-11-08T13:47+00:00", "2026-11-08T13:27+00:00",
         "2026-11-08T13:37+00:00"),
        (MONTH, "UTC", "2026-03-01T00:00+00:00", "2026-04-01T00:00+00:00", "2026-02-01T00:00+00:00",
         "2026-03-01T00:00+00:00"),
        (DAY, "UTC", "2026-03-01T00:00+00:00", "2026-04-01T00:00+00:00", "2026-01-29T00:00+00:00",
         "2026-03-01T00:00+00:00"),
        (QUARTER, "UTC", "2026-04-01T00:00+00:00", "2026-10-01T00:00+00:00", "2025-10-01T00:00+00:00",
         "2026-04-01T00:00+00:00"),
        (DAY, HAVANA, "2026-03-08T01:00-04:00", "2026-03-09T00:00-04:00", "2026-03-07T00:00-05:00",
         "2026-03-08T00:00-05:00"),
    ],
)  # fmt: skip
def test_the_period_before(
    granularity: Granularity, zone_name: str, start: str, end: str, before: str, until: str
) -> None:
    """It is as long in the calendar's steps, and over when the window begins."""
    found = period_before(cut(start, end, granularity, zone_name), granularity, zone_name)
    assert (found.start_ms, found.end_ms) == (ms(before), ms(until))


def test_the_year_before_of_a_leap_year() -> None:
    """Each day is compared with that of its date; 29 February goes with the 28th."""
    present = cut("2025-02-27T00:00+00:00", "2025-03-02T00:00+00:00", DAY)
    found = year_before(present, "UTC")
    assert shown(found, "UTC") == ["2024-02-27T00:00+00:00", "2024-02-28T00:00+00:00", "2024-03-01T00:00+00:00"]
    after = cut("2024-02-28T00:00+00:00", "2024-03-02T00:00+00:00", DAY)
    found = year_before(after, "UTC")
    assert shown(found, "UTC") == ["2023-02-28T00:00+00:00", "2023-02-28T00:00+00:00", "2023-03-01T00:00+00:00"]
    assert counterparts(found, after) == (found.steps_ms[1:], after.steps_ms[1:])


@given(
    st.integers(800 * 86_400_000, 4_102_444_800_000),
    st.integers(1, 40 * 86_400_000),
    st.sampled_from([WHOLE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR]),
    zones,
    st.booleans(),
)
def test_counterparts(start_ms: int, length_ms: int, granularity: Granularity, zone_name: str, yearly: bool) -> None:
    """A compared window lies before, begins within its first step, and its steps do not go back."""
    present = window(start_ms, start_ms + length_ms, granularity, zone_name)
    found = (
        year_before(present, zone_name) if yearly else period_before(present, granularity, zone_name)
    )  # a year of leap days is a day shorter
    assert len(found.steps_ms) == len(present.steps_ms)
    assert found.steps_ms[0] <= found.start_ms <= found.end_ms <= present.end_ms
    assert all(earlier <= later for earlier, later in pairwise(found.steps_ms))
    if not yearly:
        assert found.end_ms <= start_ms
    starts, steps = counterparts(found, present)
    assert len(starts) == len(steps) > 0
    assert set(steps) <= set(present.steps_ms)
