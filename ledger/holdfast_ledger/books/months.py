"""Months of UTC as numbers, 202611 for November 2026, so that they sort and people can read them."""

import datetime
import re

from holdfast_ledger.errors import InvalidArgument

DAY_MS = 86_400_000

MAX_MONTHS = 120
"""Months of one report: ten years."""

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


def month_of_day(day: int) -> int:
    """Returns the month of a day, counted from 1970-01-01."""
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
    return date.year * 100 + date.month


def month_of(unix_ms: int) -> int:
    """Returns the month of a time."""
    return month_of_day(unix_ms // DAY_MS)


def next_month(month: int) -> int:
    """Returns the month after."""
    return month + 1 if month % 100 < 12 else month + 89


def months(first: int, last: int) -> list[int]:
    """Returns all months from one to another, both included; none if the last is before the first."""
    found = []
    while first <= last:
        found.append(first)
        first = next_month(first)
    return found


def begin_ms(month: int) -> int:
    """Returns when a month begins, in Unix milliseconds."""
    begin = datetime.datetime(month // 100, month % 100, 1, tzinfo=datetime.UTC)
    return int(begin.timestamp()) * 1_000


def month_text(month: int) -> str:
    """Returns "2026-11"."""
    return f"{month // 100:04}-{month % 100:02}"


def read_month(field: str, text: str) -> int:
    """Reads "2026-11". Raises `InvalidArgument`."""
    found = _MONTH.fullmatch(text)
    if found is None or not "1970" <= found[1] <= "9998":
        raise InvalidArgument(field, "is not a month such as 2026-11")
    return int(found[1]) * 100 + int(found[2])


def read_range(first: str, last: str) -> tuple[int, int]:
    """Reads the first and the last month of a report. Raises `InvalidArgument`."""
    begin, end = read_month("first_period", first), read_month("last_period", last)
    if end < begin:
        raise InvalidArgument("last_period", "is before first_period")
    if len(months(begin, end)) > MAX_MONTHS:
        raise InvalidArgument("last_period", f"is more than {MAX_MONTHS} months after first_period")
    return begin, end
