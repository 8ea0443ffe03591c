"""The steps of a window, in any time zone, and those of the window that it is compared with. Pure.

Days and what is longer begin as `governance.periods` says: through clock changes, and with the first moment of a day
that has no midnight. Minutes are those of UTC, which every zone in use shares.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from itertools import takewhile
from typing import Final

from holdfast_ledger.governance.periods import (
    EPOCH,
    HOUR_MS,
    MS,
    PeriodUnit,
    Schedule,
    is_start,
    schedule_of,
    starts_from,
)
from holdfast_ledger.governance.zones import zone

MINUTE_MS: Final = 60_000

MAX_TIME_MS: Final = 7_258_118_400_000
"""The year 2200: what the store's times reach, with room for a comparison."""

MAX_STEPS: Final = 10_000
"""Steps of one window: a week of minutes, a year of hours. Beyond it there is nothing to look at."""


class TooManySteps(Exception):
    """The window has more than `MAX_STEPS` steps."""


class Granularity(IntEnum):
    """As `holdfast.v1.Granularity`."""

    WHOLE = 0
    MINUTE = 1
    HOUR = 2
    DAY = 3
    WEEK = 4
    MONTH = 5
    QUARTER = 6
    YEAR = 7


_UNITS: Final = {
    Granularity.HOUR: PeriodUnit.HOUR,
    Granularity.DAY: PeriodUnit.DAY,
    Granularity.WEEK: PeriodUnit.WEEK,
    Granularity.MONTH: PeriodUnit.MONTH,
    Granularity.QUARTER: PeriodUnit.MONTH,
    Granularity.YEAR: PeriodUnit.MONTH,
}
_MONTHS: Final = {Granularity.MONTH: 1, Granularity.QUARTER: 3, Granularity.YEAR: 12}
_DAYS: Final = {Granularity.DAY: 1, Granularity.WEEK: 7}
_LEAST_MS: Final = {
    Granularity.MINUTE: MINUTE_MS,
    Granularity.HOUR: HOUR_MS,
    Granularity.DAY: 23 * HOUR_MS,
    Granularity.WEEK: 167 * HOUR_MS,
    Granularity.MONTH: 27 * 24 * HOUR_MS,
    Granularity.QUARTER: 89 * 24 * HOUR_MS,
    Granularity.YEAR: 364 * 24 * HOUR_MS,
}
"""No step is shorter, but for days that a zone shortened by more than an hour, of which there are few."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, cut into steps."""

    start_ms: int
    end_ms: int
    """Not included."""
    steps_ms: tuple[int, ...]
    """Where the steps begin, ascending; the first one at or before the window's start."""


def window(start_ms: int, end_ms: int, granularity: Granularity, zone_name: str) -> Window:
    """Cuts a span into the steps of a zone's calendar.

    Args:
        start_ms: Start, 0..`MAX_TIME_MS`.
        end_ms: End, after it.
        granularity: Length of the steps; WHOLE: one step, which begins with the window.
        zone_name: A known time zone.

    Raises:
        TooManySteps: there are more than `MAX_STEPS`.
    """
    if granularity is Granularity.WHOLE:
        return Window(start_ms, end_ms, (start_ms,))
    if (end_ms - start_ms) // _LEAST_MS[granularity] > MAX_STEPS + 1:
        raise TooManySteps
    steps = tuple(takewhile(lambda step: step < end_ms, _steps(start_ms, granularity, zone_name)))
    if len(steps) > MAX_STEPS:
        raise TooManySteps
    return Window(start_ms, end_ms, steps)


def _steps(from_ms: int, granularity: Granularity, zone_name: str) -> Iterator[int]:
    """Yields starts of steps without end; the first is that of the step in which a moment is."""
    if granularity is Granularity.MINUTE:
        step = from_ms - from_ms % MINUTE_MS
        while True:
            yield step
            step += MINUTE_MS
    starts = starts_from(schedule_of(_UNITS[granularity], 0, zone_name), from_ms)
    months = _MONTHS.get(granularity, 1)
    if months == 1:
        yield from starts
    first = _first_of(from_ms, months, zone_name)
    for start in starts_from(schedule_of(PeriodUnit.MONTH, 0, zone_name), first):
        if (_local(start, zone_name).month - 1) % months == 0:
            yield start


def _first_of(at_ms: int, months: int, zone_name: str) -> int:
    """Returns a moment in the first month of the quarter or year in which a moment is."""
    local = _local(at_ms, zone_name)
    return _unix_ms(local.replace(month=(local.month - 1) // months * months + 1, day=2))


def year_before(present: Window, zone_name: str) -> Window:
    """Returns the same window a year before, cut where the present one is: 29 February goes with the 28th."""
    return _moved(present, lambda at_ms: _back(at_ms, 1, Granularity.YEAR, zone_name))


def period_before(present: Window, granularity: Granularity, zone_name: str) -> Window:
    """Returns the window of the same length, in steps, that is over when the present one begins.

    Without steps: of as many days if it begins and ends with a day, else of as many milliseconds.
    """
    if granularity is Granularity.WHOLE:
        day = schedule_of(PeriodUnit.DAY, 0, zone_name)
        if not (is_start(day, present.start_ms) and is_start(day, present.end_ms)):
            length_ms = present.end_ms - present.start_ms
            return _moved(present, lambda at_ms: at_ms - length_ms)
        granularity = Granularity.DAY
    count = _length(present, granularity, zone_name)
    return _moved(present, lambda at_ms: _back(at_ms, count, granularity, zone_name))


def _length(present: Window, granularity: Granularity, zone_name: str) -> int:
    """Returns the least number of units by which the window's end is moved to its start, or before."""
    least_ms = _LEAST_MS[granularity]
    count = max(1, (present.end_ms - present.start_ms) // (least_ms + least_ms // 6))  # no unit is longer on average
    while _back(present.end_ms, count, granularity, zone_name) > present.start_ms:
        count += 1
    return count


def _back(at_ms: int, count: int, granularity: Granularity, zone_name: str) -> int:
    """Moves a moment back by units of the calendar; a wall time that a day does not have becomes the next moment."""
    if granularity in (Granularity.MINUTE, Granularity.HOUR):
        return at_ms - count * _LEAST_MS[granularity]
    wall = _wall(at_ms, zone_name)
    if granularity in _DAYS:
        moved = wall - timedelta(days=count * _DAYS[granularity])
    else:
        moved = _months_before(wall, count * _MONTHS[granularity])
    return _unix_ms(moved.replace(tzinfo=zone(zone_name)))


def _wall(at_ms: int, zone_name: str) -> datetime:
    """Returns the wall time of a moment; of the first one of a day that has no midnight, midnight."""
    local = _local(at_ms, zone_name)
    if is_start(Schedule(PeriodUnit.DAY, zone_name), at_ms):
        return local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    return local.replace(tzinfo=None)


def _months_before(wall: datetime, count: int) -> datetime:
    """Moves a wall time back by months; a day that the month does not have is its last one."""
    year, place = divmod(wall.year * 12 + wall.month - 1 - count, 12)
    following = datetime(year + (place + 1) // 12, (place + 1) % 12 + 1, 1, tzinfo=UTC)
    return wall.replace(year=year, month=place + 1, day=min(wall.day, (following - timedelta(days=1)).day))


def _moved(present: Window, back: Callable[[int], int]) -> Window:
    """Moves a window and where it is cut. A step that has no counterpart becomes one of no length."""
    steps: list[int] = []
    for step in map(back, present.steps_ms):
        steps.append(max([step, *steps[-1:]]))
    return Window(back(present.start_ms), back(present.end_ms), tuple(steps))


def counterparts(compared: Window, present: Window) -> tuple[Sequence[int], Sequence[int]]:
    """Returns the starts of the compared steps that have a length, and which step of the present window each is for."""
    by_start = dict(zip(compared.steps_ms, present.steps_ms, strict=True))  # the last of several: it has the length
    return tuple(by_start), tuple(by_start.values())


def _local(at_ms: int, zone_name: str) -> datetime:
    return (EPOCH + at_ms * MS).astimezone(zone(zone_name))


def _unix_ms(at: datetime) -> int:
    return (at - EPOCH) // MS
