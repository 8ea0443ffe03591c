"""Sums of hours on a real engine: which hours are read from them, and that they are right whatever came late."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from holdfast.v1 import usage_service_pb2 as api
from holdfast_ledger.governance.zones import zone, zone_names
from holdfast_ledger.queries import rolling, rollups
from holdfast_ledger.queries.calendar import Granularity, window
from holdfast_ledger.queries.keys import EVENTS, SPEND, USAGE, Fact, Key
from holdfast_ledger.queries.rolling import KEPT_MS, OPEN_MS, SETTLING_MS, Roller
from holdfast_ledger.queries.rollups import Hours, of_rows, rollup_for, sources
from holdfast_ledger.queries.statements import Source, Span
from holdfast_ledger.usage import schema
from holdfast_ledger.usage.database import UsageStoreError, UsageTooLarge
from holdfast_ledger.usage.dimensions import DEFAULT_DIMENSIONS

from tests.ledger.queries.setting import HOUR_MS, NOW_MS, START_MS, Row, Setting, cells

FIRST = START_MS // HOUR_MS
SUMS = rollups.ROLLUPS[0].sums
DAY = window(START_MS, START_MS + 24 * HOUR_MS, Granularity.WHOLE, "UTC")


def hours_of(setting: Setting) -> tuple[list[int], set[int]]:
    """Hours of `usage` that have rows, and those that are read from sums, both since the start."""
    known = rollups.hours(setting.database, USAGE, DAY, setting.turn, (), 1_000)
    return [hour - FIRST for hour in known.touched], {hour - FIRST for hour in known.rolls}


def count(setting: Setting, table: str) -> int:
    """Rows of a table."""
    return int(setting.database.query(f"SELECT count() AS n FROM {table}").to_pylist()[0]["n"])


@pytest.mark.parametrize(
    ("fact", "keys", "scope", "table"),
    [
        (USAGE, ["meter"], "", "usage_hours"),
        (USAGE, [], "a", "usage_account_hours"),
        (USAGE, ["account", "meter"], "", "usage_account_hours"),
        (USAGE, ["meter"], "a", "usage_account_hours"),
        (USAGE, ["model", "pool"], "", "usage_hours"),
        (USAGE, ["model"], "a", None),
        (USAGE, ["model", "account"], "", None),
        (USAGE, ["team"], "", None),
        (USAGE, ["subject_1"], "", None),
        (SPEND, ["product", "feature"], "", "spend_hours"),
        (SPEND, ["category"], "a", "spend_account_hours"),
        (SPEND, ["grant"], "", None),
        (EVENTS, ["region"], "", "event_hours"),
    ],
)
def test_the_smaller_sums_that_know_the_keys_are_read(
    fact: Fact, keys: list[str], scope: str, table: str | None
) -> None:
    """Those without accounts never for one account."""
    found = rollup_for(fact, [Key.named(name) for name in keys], scope, DEFAULT_DIMENSIONS)
    assert (found.sums.table if found else None) == table


def test_rows_are_read_where_sums_do_not_fit() -> None:
    """Hours in which the window or a step begins or ends, and stale ones; nothing of hours that have no rows."""
    known = Hours([FIRST + hour for hour in range(8)], {FIRST + hour: 100 + hour for hour in range(8) if hour != 4})
    half = HOUR_MS // 2
    found = sources(USAGE, SUMS, window(START_MS + half, START_MS + 7 * HOUR_MS + 1, Granularity.WHOLE, "UTC"), known)
    assert found == [
        Source(SUMS, [Span(START_MS + HOUR_MS, START_MS + 7 * HOUR_MS)], [101, 102, 103, 105, 106]),
        Source(
            USAGE,
            [
                Span(START_MS + half, START_MS + HOUR_MS),
                Span(START_MS + 4 * HOUR_MS, START_MS + 5 * HOUR_MS),
                Span(START_MS + 7 * HOUR_MS, START_MS + 7 * HOUR_MS + 1),
            ],
        ),
    ]
    whole = window(START_MS, START_MS + HOUR_MS, Granularity.WHOLE, "UTC")
    assert sources(USAGE, SUMS, whole, Hours([FIRST], known.rolls)) == [
        Source(SUMS, [Span(START_MS, START_MS + HOUR_MS)], [100])
    ]
    assert sources(USAGE, SUMS, whole, Hours(known.touched, {})) == [of_rows(USAGE, whole)]


def test_days_that_begin_within_an_hour_are_read_from_sums(setting: Setting) -> None:
    """Also if the window does; an hour's parts are told apart, and a window within a part reads rows."""
    first, quarter = START_MS + 18 * HOUR_MS, HOUR_MS // 4
    setting.feed(*(Row(value=4**place, time_ms=first + place * quarter - 1) for place in range(6)))
    setting.roll()
    setting.database.command("TRUNCATE TABLE usage")
    days: dict[str, Any] = {
        "granularity": api.GRANULARITY_DAY,
        "group_by": ["meter"],
        "end_unix_ms": START_MS + 2 * 24 * HOUR_MS,
    }
    for zone_name, first_day in (("Asia/Kathmandu", 4**0 + 4**1), ("Asia/Kolkata", 4**0 + 4**1 + 4**2)):
        answer = setting.ask(time_zone=zone_name, **days)
        assert [cell.value for cell in answer.cells] == [first_day, answer.total - first_day]
    assert answer.total == sum(4**place for place in range(6))
    assert setting.ask(start_unix_ms=first + quarter, end_unix_ms=first + 2 * quarter).total == 4**2
    assert setting.ask(start_unix_ms=first + quarter, end_unix_ms=first + 3 * quarter).total == 0


def test_the_days_of_all_zones_begin_with_a_sum() -> None:
    """At every offset that a zone has in these years."""
    starts = set(rollups.PART_STARTS)
    for zone_name in zone_names():
        for month in range(12 * 6):
            at = datetime(2026 + month // 12, month % 12 + 1, 15, tzinfo=zone(zone_name))
            assert (at.hour, at.minute) == (0, 0)
            utc = at.astimezone(UTC)
            assert utc.hour * 60 + utc.minute in starts, zone_name


def test_too_many_stretches_are_read_as_one() -> None:
    """Every other hour of two months is stale."""
    hours = range(FIRST, FIRST + 2 * (rollups.MAX_SPANS + 1))
    span = window(START_MS, START_MS + len(hours) * HOUR_MS, Granularity.WHOLE, "UTC")
    known = Hours(hours, {hour: 1 for hour in hours if hour % 2})
    assert sources(USAGE, SUMS, span, known) == [of_rows(USAGE, span)]


def test_hours_are_summed_once_they_are_over(setting: Setting) -> None:
    """And again when rows come late, after a while."""
    setting.feed(Row(value=1), Row(value=2, time_ms=START_MS + 3 * HOUR_MS))
    roller, now_ms = Roller(setting.database), START_MS + 4 * HOUR_MS + OPEN_MS
    assert not roller.turn(now_ms - 1)
    assert hours_of(setting) == ([0, 3], {0})
    roller.turn(now_ms)
    assert hours_of(setting) == ([0, 3], {0, 3})
    setting.feed(Row(value=4))
    assert hours_of(setting) == ([0, 3], {3})
    assert setting.ask().total == 7
    roller.turn(now_ms + SETTLING_MS - 2)
    assert hours_of(setting) == ([0, 3], {3})
    roller.turn(now_ms + SETTLING_MS)
    assert hours_of(setting) == ([0, 3], {0, 3})
    assert cells(setting.ask(group_by=["meter"], granularity=api.GRANULARITY_HOUR)) == [
        (0, ("input",), 5), (3, ("input",), 2),
    ]  # fmt: skip


def test_sums_are_what_is_read(setting: Setting) -> None:
    """Without its rows an hour is still known: else the tests of this page would test nothing."""
    setting.feed(Row(value=5, dimensions={"model": "m"}), Row(table="spend", value=6, cost=7), Row(table="events"))
    Roller(setting.database).turn(NOW_MS)
    for table in ("usage", "spend", "events"):
        setting.database.command(f"TRUNCATE TABLE {table}")
    assert cells(setting.ask(group_by=["model"])) == [(0, ("m",), 5)]
    assert cells(setting.ask(group_by=["account"])) == [(0, ("a",), 5)]
    assert [setting.ask(measure=measure).total for measure in (2, 3, 4)] == [6, 7, 2]
    assert setting.keys()[-1] == "model"
    assert setting.ask(use_rollups=False).total == 0


def test_an_older_page_does_not_read_younger_sums(setting: Setting) -> None:
    """Nor does a turn under way count."""
    setting.feed(Row(value=1))
    before = rollups.hours(setting.database, USAGE, DAY, 1, (), 1_000)
    setting.feed(Row(value=2), complete=False)
    Roller(setting.database).turn(NOW_MS)
    assert hours_of(setting) == ([0], set())
    setting.complete()
    Roller(setting.database).turn(NOW_MS + SETTLING_MS)
    assert hours_of(setting) == ([0], {0})
    assert rollups.hours(setting.database, USAGE, DAY, 1, (), 1_000) == before == Hours([FIRST], {})


def test_a_roll_that_was_cut_short_counts_nothing_twice(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sums are there and do not count; the next roller gives them no second life."""
    setting.feed(Row(value=1))

    def fails(*_: object) -> None:
        raise UsageStoreError("cut")

    with monkeypatch.context() as patch:
        patch.setattr(setting.database, "insert", fails)
        with pytest.raises(UsageStoreError):
            Roller(setting.database).turn(NOW_MS)
    assert count(setting, "usage_hours") == 1
    assert hours_of(setting) == ([0], set())
    Roller(setting.database).turn(NOW_MS)
    assert setting.ask(group_by=["meter"]).total == setting.ask(group_by=["pool"]).total == 1


def test_sums_that_others_took_the_place_of_are_cleared_away(setting: Setting) -> None:
    """Ten minutes later, for the sake of questions under way."""
    roller, now_ms = Roller(setting.database), NOW_MS
    for turn in range(3):
        setting.feed(Row(value=1, dimensions={"model": "m"}))
        roller.turn(now_ms + turn * SETTLING_MS)
    assert count(setting, "usage_hours") == count(setting, "rollup_rolls") == 3
    roller.turn(now_ms + KEPT_MS)
    assert count(setting, "usage_hours") == 3
    roller.turn(now_ms + 2 * SETTLING_MS + 2 * KEPT_MS + 1)
    for table in ("usage_hours", "usage_account_hours", "dimension_hours", "rollup_rolls"):
        assert count(setting, table) == 1
    assert setting.ask(group_by=["model"]).total == 3


def test_many_hours_are_summed_in_several_turns(setting: Setting) -> None:
    """The latest first, so that what people look at is fast soon."""
    limit = rolling.HOURS_A_ROLL * rolling.ROLLS_A_TURN
    setting.feed(*(Row(value=1, time_ms=START_MS + hour * HOUR_MS) for hour in range(limit + 5)))
    roller = Roller(setting.database)
    assert roller.turn(NOW_MS)
    assert hours_of(setting) == (list(range(24)), set(range(5, 24)))
    assert not roller.turn(NOW_MS)
    assert hours_of(setting)[1] == set(range(24))
    end_ms = START_MS + (limit + 5) * HOUR_MS
    assert setting.ask(end_unix_ms=end_ms).total == limit + 5


def test_hours_that_need_too_much_memory_are_summed_by_fewer(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too large even by itself stays with its rows, and is not tried again and again."""
    setting.feed(*(Row(value=1, time_ms=START_MS + hour * HOUR_MS) for hour in range(4)))
    summed, tried = Roller._roll, []

    def limited(self: Roller, fact: Fact, hours: Sequence[int], now_ms: int) -> None:
        tried.append([hour - FIRST for hour in hours])
        if len(hours) > 1 or hours[0] == FIRST + 2:
            raise UsageTooLarge("memory")
        summed(self, fact, hours, now_ms)

    monkeypatch.setattr(Roller, "_roll", limited)
    roller = Roller(setting.database)
    roller.turn(NOW_MS)
    assert hours_of(setting) == ([0, 1, 2, 3], {0, 1, 3})
    assert tried == [[0, 1, 2, 3], [0, 1], [0], [1], [2, 3], [2], [3]]
    roller.turn(NOW_MS + SETTLING_MS)
    assert len(tried) == 7
    assert setting.ask().total == 4


def test_hours_of_events_that_were_carried_over_are_read_and_summed(setting: Setting) -> None:
    """What is kept when the store is made anew has turn 0; no sums have that number, and its hours get some too."""
    setting.turn = -1
    setting.feed(Row(table="events"), complete=False)
    setting.feed(Row(table="events", time_ms=START_MS + HOUR_MS))
    for _ in range(2):
        assert cells(setting.ask(measure=api.USAGE_MEASURE_COUNT)) == [(0, (), 2)]
        Roller(setting.database).turn(NOW_MS)
    assert rollups.hours(setting.database, EVENTS, DAY, setting.turn, (), 1_000).rolls.keys() == {FIRST, FIRST + 1}


def test_sums_are_kept_by_the_dimensions_that_are_told(setting: Setting) -> None:
    """Those of before are not read for a dimension that came later, and do for the others until they are made anew."""
    setting.dimensions = ()
    setting.feed(*(Row(table=table, dimensions={"team": "t", "gen_ai.model": "m"}) for table in ("usage", "events")))
    setting.feed(Row(table="spend", dimensions={"team": "t", "gen_ai.model": "m"}))
    setting.roll()
    by_both: dict[str, Any] = {"group_by": ["team", "gen_ai.model"]}
    assert [setting.ask(measure=measure, **by_both).total for measure in (1, 2, 4)] == [1, 1, 2]
    setting.dimensions = ("gen_ai.model", "team", "model")
    schema.create(setting.database, dimensions=setting.dimensions)
    assert {"gen_ai.model", "team", "model"} <= set(schema.dimensions_of(setting.database))
    assert [cells(setting.ask(measure=measure, **by_both)) for measure in (1, 2, 4)] == [
        [(0, ("t", "m"), 1)], [(0, ("t", "m"), 1)], [(0, ("t", "m"), 2)],
    ]  # fmt: skip
    setting.roll(NOW_MS + SETTLING_MS)
    for table in ("usage", "spend", "events"):
        setting.database.command(f"TRUNCATE TABLE {table}")
    assert [cells(setting.ask(measure=measure, **by_both)) for measure in (1, 2, 4)] == [
        [(0, ("t", "m"), 1)], [(0, ("t", "m"), 1)], [(0, ("t", "m"), 2)],
    ]  # fmt: skip
    setting.dimensions = ("model",)
    assert setting.ask(group_by=["pool"]).total == 1
    setting.roll(NOW_MS + 2 * SETTLING_MS)
    assert setting.ask(group_by=["pool"]).total == 1  # they are finer than they need be, and stay
