"""Months of UTC."""

import pytest
from holdfast_ledger.books import months
from holdfast_ledger.errors import InvalidArgument

from tests.ledger.books.setting import ms


@pytest.mark.parametrize(
    ("time", "month"),
    [("1970-01-01", 197001), ("2026-12-31T23:59", 202612), ("2027-01-01", 202701), ("2028-02-29T12:00", 202802)],
)
def test_a_time_lies_in_its_month(time: str, month: int) -> None:
    assert months.month_of(ms(time)) == month


def test_a_month_begins_when_the_one_before_is_over() -> None:
    assert months.begin_ms(202701) == ms("2027-01-01")
    assert months.month_of(months.begin_ms(202701) - 1) == 202612


def test_months_in_a_row() -> None:
    assert months.months(202611, 202702) == [202611, 202612, 202701, 202702]
    assert months.months(202702, 202701) == []


def test_a_month_is_written_as_it_is_read() -> None:
    assert months.read_month("period", months.month_text(202611)) == 202611


WRONG = ["", "2026-00", "2026-13", "26-01", "2026-1", "2026-011", "1969-12", "9999-01", " 2026-01"]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        months.read_month("period", text)


def test_a_report_has_its_limit() -> None:
    assert months.read_range("2020-01", "2029-12") == (202001, 202912)
    with pytest.raises(InvalidArgument, match="120"):
        months.read_range("2020-01", "2030-01")
