"""When the periods of budgets begin: in an account's time zone, through clock changes and months of unequal length.

Pure. A schedule is all that decides it, so that budgets which begin together share a calendar, whatever their anchors:

    unit   begins                                                                     shared by
    -----  -------------------------------------------------------------------------  --------------------------------
    HOUR   whenever the local clock shows a full hour; anchored: every 3,600,000 ms    zone; anchored: place in the hour
    DAY    each local day that there is, at a time of day                              zone, time
    WEEK   each seventh local day, at a time of day                                    zone, weekday, time
    MONTH  on a day of each month, or its last one if it has fewer, at a time of day   zone, day, time

A time that a day does not have (clocks go forward) is the moment at which they do; one that it has twice is the first,
unless the anchor is the second. Days that a zone left out have no period.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from functools import lru_cache

from holdfast_ledger.governance.zones import zone

MS = timedelta(milliseconds=1)
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_MS = 253_370_764_800_000
"""The year 9999: what dates can be computed up to."""

CALENDAR_LIMIT = 1_024
"""Calendars kept: each has up to a thousand starts."""

AHEAD_MS = {1: 40 * DAY_MS, 2: 40 * DAY_MS, 3: 371 * DAY_MS, 4: 371 * DAY_MS}
"""How far a calendar reaches beyond the present period, by unit: as the contract says, and a little more."""


class PeriodUnit(IntEnum):
    """As `holdfast.v1.PeriodUnit`."""

    HOUR = 1
    DAY = 2
    WEEK = 3
    MONTH = 4
    ROLLING = 5


@dataclass(frozen=True, slots=True)
class Schedule:
    """When periods begin; not of ROLLING ones."""

    unit: PeriodUnit
    zone_name: str
    day: int = 0
    """Of WEEK: 0 (Monday)..6; of MONTH: 1..31."""
    time_ms: int = 0
    """Time of day; of HOUR: milliseconds into each hour of UTC, or -1: the local clock's own hours."""
    fold: int = 0
    """1: of a time that a day has twice, the second."""

    @property
    def calendar_id(self) -> str:
        """Names the calendar."""
        fold = "/fold" if self.fold else ""
        return f"{self.unit.name.lower()}/{self.zone_name}/{self.day}/{self.time_ms}{fold}"


def schedule_of(unit: PeriodUnit, anchor_ms: int, zone_name: str) -> Schedule:
    """Returns the schedule of a period.

    Args:
        unit: Not ROLLING.
        anchor_ms: A moment at which a period begins, Unix time up to `LATEST_MS`; 0: the calendar's own beginnings.
        zone_name: A known time zone; an anchored HOUR does without.
    """
    if unit is PeriodUnit.HOUR:
        return Schedule(unit, "UTC", 0, anchor_ms % HOUR_MS) if anchor_ms else Schedule(unit, zone_name, 0, -1)
    if not anchor_ms:
        return Schedule(unit, zone_name, 1 if unit is PeriodUnit.MONTH else 0)
    local = _local(anchor_ms, zone_name)
    day = {PeriodUnit.DAY: 0, PeriodUnit.WEEK: local.weekday(), PeriodUnit.MONTH: local.day}[unit]
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    return Schedule(unit, zone_name, day, (local.replace(tzinfo=None) - midnight) // MS, local.fold)


def period_at(schedule: Schedule, at_ms: int) -> tuple[int, int]:
    """Returns when the period of a moment began and when it ends."""
    before, after = 0, 0
    for after in _starts(schedule, at_ms):
        if after > at_ms:
            return before, after
        before = after
    raise AssertionError("the starts have no end")


def is_start(schedule: Schedule, at_ms: int) -> bool:
    """Whether a period begins at a moment."""
    return period_at(schedule, at_ms)[0] == at_ms


def starts_from(schedule: Schedule, at_ms: int) -> Iterator[int]:
    """Yields the starts of consecutive periods without end, that of the period of a moment first."""
    first = period_at(schedule, at_ms)[0]
    return (start for start in _starts(schedule, first) if start >= first)


def calendar(schedule: Schedule, at_ms: int) -> tuple[int, ...]:
    """Returns starts of consecutive periods, from the one at a moment on, as far as the contract says."""
    return _calendar(schedule, period_at(schedule, at_ms)[0])


@lru_cache(maxsize=CALENDAR_LIMIT)
def _calendar(schedule: Schedule, first_ms: int) -> tuple[int, ...]:
    starts = []
    until_ms = period_at(schedule, first_ms)[1] + AHEAD_MS[schedule.unit]
    for start in _starts(schedule, first_ms):
        if start >= first_ms:
            starts.append(start)
        if start > until_ms:
            break
    return tuple(starts)


def _starts(schedule: Schedule, at_ms: int) -> Iterator[int]:
    """Yields starts without end, ascending: the first is at or before a moment."""
    if schedule.unit is PeriodUnit.HOUR:
        yield from _hours(schedule, at_ms)
        return
    last = None
    for day in _days(schedule, _local(at_ms, schedule.zone_name).date()):
        start = _moment(schedule, day)
        if last is None or start > last:  # a day that the zone left out begins where the next one does
            yield start
            last = start


def _hours(schedule: Schedule, at_ms: int) -> Iterator[int]:
    if schedule.time_ms >= 0:
        start = at_ms - (at_ms - schedule.time_ms) % HOUR_MS
        while True:
            yield start
            start += HOUR_MS
    start = _full_hour(schedule, at_ms - 2 * HOUR_MS)
    while True:
        yield start
        start = _full_hour(schedule, start)


def _full_hour(schedule: Schedule, after_ms: int) -> int:
    """Returns the first moment after another at which the local clock shows a full hour."""
    while True:
        after_ms += HOUR_MS - _into_hour_ms(after_ms, schedule.zone_name)
        if _into_hour_ms(after_ms, schedule.zone_name) == 0:  # else it was changed by half an hour meanwhile
            return after_ms


def _into_hour_ms(at_ms: int, zone_name: str) -> int:
    local = _local(at_ms, zone_name)
    return (local.minute * 60 + local.second) * 1_000 + local.microsecond // 1_000


def _days(schedule: Schedule, about: date) -> Iterator[date]:
    """Yields the local days on which periods begin, from one that is over well before a day."""
    if schedule.unit is PeriodUnit.MONTH:
        month = about.year * 12 + about.month - 3
        while True:
            year, place = divmod(month, 12)
            following = date(year + (place + 1) // 12, (place + 1) % 12 + 1, 1)
            yield date(year, place + 1, min(schedule.day, (following - timedelta(days=1)).day))
            month += 1
    step = 7 if schedule.unit is PeriodUnit.WEEK else 1
    day = about - timedelta(days=3)
    if schedule.unit is PeriodUnit.WEEK:
        day -= timedelta(days=(day.weekday() - schedule.day) % 7)
    while True:
        yield day
        day += timedelta(days=step)


def _moment(schedule: Schedule, day: date) -> int:
    """Returns the moment at which a local day has the schedule's time, or the first one after it."""
    wall = datetime(day.year, day.month, day.day) + schedule.time_ms * MS  # noqa: DTZ001 - the zone's wall clock
    there = wall.replace(tzinfo=zone(schedule.zone_name), fold=schedule.fold)
    moment = _unix_ms(there)
    if _local(moment, schedule.zone_name).replace(tzinfo=None) == wall:
        return moment
    return _clock_change(wall, schedule.zone_name)


def _clock_change(wall: datetime, zone_name: str) -> int:
    """Returns the moment at which the clock jumps over a wall time."""
    low, high = (_unix_ms(wall.replace(tzinfo=zone(zone_name), fold=fold)) for fold in (1, 0))
    assert low < high
    after = _local(high, zone_name).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if _local(middle, zone_name).utcoffset() == after:
            high = middle
        else:
            low = middle
    return high


def _local(at_ms: int, zone_name: str) -> datetime:
    return (EPOCH + at_ms * MS).astimezone(zone(zone_name))


def _unix_ms(at: datetime) -> int:
    return (at - EPOCH) // MS
