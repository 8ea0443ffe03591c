"""Whole columns and single values come to the same verdicts: the rules of events, conversions, and CSV."""

import math
from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from holdfast.v1.ingest_service_pb2 import EventBatch, RecordedEvent
from holdfast.v1.usage_service_pb2 import UsageEvent
from holdfast_ledger.metering.columns import events_table
from holdfast_ledger.metering.event_rules import EventTerms, event_fault
from holdfast_ledger.objects.checking import checker_at, event_at
from holdfast_ledger.objects.config import Shape
from holdfast_ledger.objects.json_text import BadField
from holdfast_ledger.objects.line_formats import _columns, _split, _values
from holdfast_ledger.objects.shaping import BadRow, shaped
from holdfast_ledger.objects.values import BadValue, quantity_of, text_of, time_of
from hypothesis import given, settings
from hypothesis import strategies as st

NOW_MS = 1_800_000_000_000
TERMS = EventTerms()

EDGES = (127, 128, 129, 63, 64, 65, 255, 256, 257, 511, 512, 513, 5_000)
texts = st.one_of(
    st.sampled_from(
        ["", "a", "/", "a//b", "/a", "a/", "a/b", "\x00", "\x1f", "\x7f", "\x80", "\x9f", "\xa0", "é", "€", "😀"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.builds(lambda char, length: char * length, st.sampled_from("aé€"), st.sampled_from(EDGES)),
)
numbers = st.one_of(st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)]), st.integers(-(2**63), 2**63 - 1))
times = st.one_of(
    st.sampled_from(
        [
            *(0, -1, 1, NOW_MS, NOW_MS + TERMS.future_ms, NOW_MS + TERMS.future_ms + 1, 2**63 - 1, -(2**63)),
            *(NOW_MS - TERMS.grace_ms, NOW_MS - TERMS.grace_ms - 1),
        ]
    ),
    st.integers(NOW_MS - 10_000, NOW_MS + 10_000),
)
few = st.integers(0, 3)
many = st.sampled_from([15, 16, 17, 100])


def maps(values: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    wide = st.builds(lambda count, value: {f"k{place}": value for place in range(count)}, many, values)
    return st.one_of(st.dictionaries(texts, values, max_size=3), wide)


events = st.builds(
    UsageEvent,
    id=texts | st.just("a"),
    source=texts | st.just("a"),
    type=texts | st.just("a"),
    account_id=texts | st.just("a"),
    time_unix_ms=times | st.just(NOW_MS),
    subject=texts,
    corrects_id=texts,
    dimensions=maps(texts),
    quantities=maps(numbers),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(events, min_size=1, max_size=6), st.integers(0, 2))
def test_the_sieve_and_the_rules_agree(rows: list[UsageEvent], skipped: int) -> None:
    """Also where the columns are a part of larger ones."""
    table = events_table(EventBatch(events=[RecordedEvent(event=event) for event in rows])).slice(skipped)
    checker = checker_at(NOW_MS, TERMS, lambda named: named)
    expected = [
        BadRow(place, *fault)
        for place, event in enumerate(rows[skipped:])
        if (fault := event_fault(event, NOW_MS, TERMS)) is not None
    ]
    assert list(checker.faults(table)) == expected
    assert [event_at(table, place) for place in range(table.num_rows)] == rows[skipped:]


def test_a_good_event_passes_the_sieve() -> None:
    """So that files of good events are never looked at one by one."""
    good = UsageEvent(id="é", source="s", type="t", account_id="a", time_unix_ms=NOW_MS, subject="a/b")
    good.dimensions["model"] = "m"
    table = events_table(EventBatch(events=[RecordedEvent(event=good)]))

    def never(event: UsageEvent) -> None:
        raise AssertionError(event)

    checker = checker_at(NOW_MS, TERMS, lambda named: named)
    passing = type(checker)(checker.accepted_at_ms, checker.oldest_ms, checker.newest_ms, never, lambda named: named)
    assert list(passing.faults(table)) == []


def one_by_one(values: list[object], convert: Callable[[object], object]) -> tuple[list[object], dict[int, str]]:
    """Converts values as JSON lines' are."""
    made: list[object] = []
    bad = {}
    for place, value in enumerate(values):
        try:
            made.append(None if value is None else convert(value))
        except BadValue as fault:
            made.append(None)
            bad[place] = str(fault)
    return made, bad


def column(values: list[object], kind: pa.DataType, field: str) -> tuple[list[object], dict[int, str]]:
    """Converts values as a column."""
    rows = len(values)
    columns = {name: pa.array(["x"] * rows) for name in ("id", "source", "type", "account_id")}
    columns |= {"time": pa.array([NOW_MS] * rows), field: pa.array(values, kind)}
    made = shaped(columns, rows, Shape(), NOW_MS)
    made.table.validate(full=True)
    bad = {row: fault.reason for row, fault in made.bad.items()}
    match field:
        case "time":
            found = made.table.column("time_ms").to_pylist()
        case "quantity.q":
            found = [dict(entries).get("q") for entries in made.table.column("quantities").to_pylist()]
        case _:
            found = [dict(entries).get("d") for entries in made.table.column("dimensions").to_pylist()]
    return found, bad


maybe = st.none()
floats = st.one_of(
    st.floats(),
    st.sampled_from([0.0, -0.0, 3.0, 1.5, -1.0, math.nan, math.inf, 2.0**53, 2.0**53 + 2, 2.0**63, 2.0**62, 1e300]),
)
digits = st.one_of(
    st.sampled_from(
        ["", "0", "007", "3.0", "3.00", "1.5", "-1", "+1", "1e3", "NaN", " 1", "1 ", "٣", "9" * 18, "9" * 19]
    ),
    st.sampled_from(["9" * 30, "0x10", "1_000", "9223372036854775807", "9223372036854775808", "-0"]),
    st.integers().map(str),
    texts,
)
dates = st.one_of(
    st.sampled_from(
        [
            *("2027-01-15T08:00:00Z", "2027-01-15 08:00:00+00:00", "2027-01-15t08:00:00z", "2027-01-15T08:00:00"),
            *("2027-02-29T00:00:00Z", "2027-01-15T24:00:00Z", "2027-01-15T23:59:60Z", "0000-01-01T00:00:00Z"),
            *("9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+23:59", "2027-01-15T08:00:00.123456789Z"),
            *(
                "2027-01-15",
                "2027-01-15T08:00Z",
                "2027-01-15T08:00:00.Z",
                "2027-01-15T08:00:00+0100",
                "1969-12-31T23:59:59.9995Z",
            ),
            *("2027-01-15T08:00:00+24:00", "2027-01-15T08:00:00-00:00", "2027-01-15T08:00:00.9999Z"),
            "1969-12-31T23:59:59.9995Z",
        ]
    ),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    digits,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(floats | maybe, min_size=1, max_size=5))
def test_quantities_of_floats_agree(values: list[object]) -> None:
    """NaN, halves, negative ones and those beyond a double's whole numbers too."""
    assert column(values, pa.float64(), "quantity.q") == one_by_one(values, quantity_of)


@settings(max_examples=200, deadline=None)
@given(st.lists(digits | maybe, min_size=1, max_size=5))
def test_quantities_of_text_agree(values: list[object]) -> None:
    """As CSV has them."""
    assert column(values, pa.string(), "quantity.q") == one_by_one(values, quantity_of)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1) | maybe, min_size=1, max_size=5))
def test_quantities_of_unsigned_numbers_agree(values: list[object]) -> None:
    """Which reach beyond what an event can say."""
    assert column(values, pa.uint64(), "quantity.q") == one_by_one(values, quantity_of)


@settings(max_examples=100, deadline=None)
@given(st.lists(numbers | maybe, min_size=1, max_size=5))
def test_quantities_of_numbers_agree(values: list[object]) -> None:
    """Negative ones too."""
    assert column(values, pa.int64(), "quantity.q") == one_by_one(values, quantity_of)


@settings(max_examples=300, deadline=None)
@given(st.lists(dates, min_size=1, max_size=5))
def test_times_of_text_agree(values: list[object]) -> None:
    """RFC 3339 and Unix time, also mixed."""
    made, bad = one_by_one(values, time_of)
    assert column(values, pa.string(), "time") == ([0 if time is None else time for time in made], bad)


@settings(max_examples=100, deadline=None)
@given(st.lists(texts | maybe, min_size=1, max_size=5))
def test_dimensions_agree(values: list[object]) -> None:
    """Whatever text they are."""
    assert column(values, pa.string(), "dimension.d") == one_by_one(values, text_of)


def test_dimensions_of_numbers_and_booleans_are_text() -> None:
    """As in JSON."""
    assert column([1, None], pa.int32(), "dimension.d") == (["1", None], {})
    assert column([True, False], pa.bool_(), "dimension.d") == (["true", "false"], {})
    assert one_by_one([1, True], text_of) == (["1", "true"], {})


def test_bytes_that_are_no_text_are_bad_rows() -> None:
    """Of a column of bytes."""
    found, bad = column([b"ok", b"\xff"], pa.binary(), "dimension.d")
    assert (found, bad) == (["ok", None], {1: "is not UTF-8"})


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_of_any_unit_are_milliseconds(unit: str) -> None:
    """Those before 1970 too, which are rounded down."""
    moments = pa.array([-1, 1_999_999_999], pa.int64()).cast(pa.timestamp("ns")).cast(pa.timestamp(unit), safe=False)
    columns = {name: pa.array(["x"] * 2) for name in ("id", "source", "type", "account_id")}
    made = shaped({**columns, "time": moments}, 2, Shape(), NOW_MS)
    whole = {"s": [0, 1_000], "ms": [0, 1_999], "us": [0, 1_999], "ns": [-1, 1_999]}[unit]
    assert made.table.column("time_ms").to_pylist() == whole


def test_seconds_beyond_all_calendars_are_far_away() -> None:
    """They do not come round to a time that may be counted; a column without a value is missing."""
    moments = pa.array([2**63 - 1, -(2**63), None], pa.int64()).cast(pa.timestamp("s"))
    columns = {name: pa.array(["x"] * 3) for name in ("id", "source", "type", "account_id")}
    made = shaped({**columns, "time": moments}, 3, Shape(), NOW_MS)
    far, long_ago, _ = made.table.column("time_ms").to_pylist()
    assert far > 2**62
    assert long_ago < -(2**62)
    assert made.bad == {2: BadRow(2, "time", "is missing")}


cells = st.one_of(st.sampled_from(['"', '""', '"a"', '"a,b"', 'a"b', '"a" b', "", " ", "é", '"a""b"', '"']), texts)
lines = st.lists(cells, min_size=1, max_size=3).map(",".join)


@settings(max_examples=500, deadline=None)
@given(st.lists(lines, min_size=1, max_size=4))
def test_csv_at_once_and_line_by_line_agree(rows: list[str]) -> None:
    """Where all lines can be parsed at once, each is what it is by itself."""
    encoded = [row.encode() for row in rows if row.strip() and "\n" not in row]
    at_once = _split(b"\n".join(encoded), len(encoded), 2, ",") if encoded else None
    if at_once is not None:
        assert [item.to_pylist() for item in at_once] == [
            item.to_pylist() for item in _columns([_values(line, 2, ",") for line in encoded], 2)
        ]


@pytest.mark.parametrize("line", ['"a,b', 'a,"b', '"a","b'])
def test_a_quote_that_is_not_closed_is_its_lines_fault(line: str) -> None:
    """And is not looked for in the next."""
    with pytest.raises(BadField, match="not closed"):
        _values(line.encode(), 2, ",")
    assert _split(f'{line}\n"c",d'.encode(), 2, 2, ",") is None
