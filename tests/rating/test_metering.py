"""Meters of events: which events count, how much in whole units, and what these cost."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import pytest
from holdfast_rating.cards import Price
from holdfast_rating.metering import (
    MAX_FILTER_VALUES,
    MAX_FILTERS,
    Aggregation,
    Filter,
    FilterOperator,
    InvalidMeter,
    UsageMeter,
    check_meter,
    half_even,
)
from holdfast_rating.meters import INT64_MAX, Meter
from holdfast_rating.rates import Refusal, RefusalReason, Tariff
from hypothesis import given
from hypothesis import strategies as st

METER = UsageMeter("pages", "page.rendered", Aggregation.SUM, quantity="pages", pool_id="general", price_amount=1)
EXISTS = FilterOperator.EXISTS
IN = FilterOperator.IN
NOT_IN = FilterOperator.NOT_IN
PREFIX = FilterOperator.PREFIX


@pytest.mark.parametrize(
    ("operator", "values", "passing", "failing"),
    [
        (IN, ("a", "b"), ("a", "b"), ("", "ab", None)),
        (IN, ("",), ("",), ("a", None)),
        (NOT_IN, ("a", "b"), ("", "ab", None), ("a", "b")),
        (NOT_IN, ("",), ("a", None), ("",)),
        (PREFIX, ("eu-", "us-"), ("eu-", "eu-west", "us-1"), ("", "eu", "xeu-", None)),
        (PREFIX, ("",), ("", "a"), (None,)),
        (EXISTS, (), ("a", " "), ("", None)),
    ],
)
def test_a_filter_compares_the_value_that_an_event_has(
    operator: FilterOperator, values: tuple[str, ...], passing: tuple[str | None, ...], failing: tuple[str | None, ...]
) -> None:
    condition = Filter("region", operator, values)
    assert [condition.passes(value) for value in passing] == [True] * len(passing)
    assert [condition.passes(value) for value in failing] == [False] * len(failing)


@pytest.mark.parametrize(
    ("event_type", "subject", "dimensions", "expected"),
    [
        ("page.rendered", "team-a/bot", {"region": "eu", "plan": "x"}, True),
        ("page.Rendered", "team-a/bot", {"region": "eu"}, False),
        ("page.rendered", "team-b", {"region": "eu"}, False),
        ("page.rendered", "team-a", {"region": "us"}, False),
        ("page.rendered", "team-a", {}, False),
        # A dimension of that name is not the subject.
        ("page.rendered", "", {"region": "eu", "subject": "team-a"}, False),
    ],
)
def test_an_event_counts_if_it_is_of_the_type_and_passes_every_filter(
    event_type: str, subject: str, dimensions: Mapping[str, str], expected: bool
) -> None:
    meter = replace(METER, filters=(Filter("region", IN, ("eu",)), Filter("subject", PREFIX, ("team-a",))))
    assert meter.matches(event_type, subject, dimensions) is expected


@pytest.mark.parametrize(
    ("aggregation", "quantities", "expected"),
    [
        (Aggregation.COUNT, {}, 1),
        (Aggregation.COUNT, {"pages": 7}, 1),
        (Aggregation.SUM, {"pages": 7, "other": 1}, 7),
        (Aggregation.SUM, {"pages": 0}, 0),
        (Aggregation.SUM, {"other": 1}, None),
        (Aggregation.MAX, {"pages": 3}, 3),
        (Aggregation.MIN, {}, None),
        (Aggregation.LATEST, {"pages": INT64_MAX}, INT64_MAX),
    ],
)
def test_what_an_event_counts_is_its_quantity_or_itself(
    aggregation: Aggregation, quantities: Mapping[str, int], expected: int | None
) -> None:
    assert replace(METER, aggregation=aggregation).counted(quantities) == expected


@pytest.mark.parametrize(
    ("counted", "multiplier", "divisor", "expected"),
    [
        (90, 1, 60, 2),  # 1.5
        (150, 1, 60, 2),  # 2.5
        (210, 1, 60, 4),  # 3.5
        (29, 1, 60, 0),
        (31, 1, 60, 1),
        (3, 1024, 1, 3072),
        (0, 5, 7, 0),
        (INT64_MAX, 1, 1, INT64_MAX),
        (INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX),
    ],
)
def test_units_are_converted_half_to_even(counted: int, multiplier: int, divisor: int, expected: int) -> None:
    assert replace(METER, multiplier=multiplier, divisor=divisor).converted(counted) == expected


@pytest.mark.parametrize(
    ("units", "amount", "per", "expected"),
    [(5, 3, 2, 8), (3, 3, 2, 4), (1, 1, 2, 0), (3, 1, 2, 2), (1000, 7, 1000, 7), (INT64_MAX, 1, 1, INT64_MAX)],
)
def test_units_cost_their_price_half_to_even(units: int, amount: int, per: int, expected: int) -> None:
    assert replace(METER, price_amount=amount, price_per=per).priced(units) == expected


def test_a_meter_rated_by_the_card_costs_what_an_operation_would() -> None:
    tariff = Tariff("m", {Meter.SECONDS: Price("m", Meter.SECONDS, 1, 3)})
    meter = replace(METER, price_amount=0, rated_as="seconds")
    assert meter.priced(4, tariff) == tariff.rate({Meter.SECONDS: 4}) == 2


def test_what_does_not_fit_is_refused() -> None:
    too_many = replace(METER, multiplier=2).converted(INT64_MAX)
    too_dear = replace(METER, price_amount=2).priced(INT64_MAX)
    assert isinstance(too_many, Refusal)
    assert too_many.reason is RefusalReason.QUANTITY_OUT_OF_RANGE
    assert isinstance(too_dear, Refusal)
    assert too_dear.reason is RefusalReason.AMOUNT_OVERFLOW


@given(st.integers(0, 10**40), st.integers(1, 10**20))
def test_half_even_is_what_decimals_make_of_it(numerator: int, denominator: int) -> None:
    with localcontext(prec=100):
        exact = (Decimal(numerator) / Decimal(denominator)).quantize(Decimal(1), ROUND_HALF_EVEN)
    assert half_even(numerator, denominator) == exact


@pytest.mark.parametrize(
    ("meter", "expected"),
    [
        (METER, True),
        (replace(METER, aggregation=Aggregation.COUNT, quantity=""), True),
        (replace(METER, pool_id="", price_amount=0), False),
        (replace(METER, aggregation=Aggregation.MAX), False),
    ],
)
def test_additive_meters_with_a_pool_are_charged_at_once(meter: UsageMeter, expected: bool) -> None:
    assert check_meter(meter).charged_at_once is expected


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"meter_id": ""}, "meter_id"),
        ({"meter_id": "a b"}, "meter_id"),
        ({"meter_id": "é"}, "meter_id"),
        ({"meter_id": "x" * 65}, "meter_id"),
        ({"event_type": ""}, "event_type"),
        ({"event_type": "x" * 129}, "event_type"),
        ({"quantity": ""}, "quantity"),
        ({"aggregation": Aggregation.COUNT}, "quantity"),
        ({"aggregation": Aggregation.UNIQUE, "quantity": ""}, "dimension"),
        ({"dimension": "user"}, "dimension"),
        ({"filters": (Filter("", IN, ("a",)),)}, "filters[0].key"),
        ({"filters": (Filter("a", EXISTS), Filter("a", IN))}, "filters[1].values"),
        ({"filters": (Filter("a", EXISTS, ("b",)),)}, "filters[0].values"),
        ({"filters": (Filter("a", IN, ("b",) * (MAX_FILTER_VALUES + 1)),)}, "filters[0].values"),
        ({"filters": (Filter("a", EXISTS),) * (MAX_FILTERS + 1)}, "filters"),
        ({"multiplier": 0}, "multiplier"),
        ({"divisor": -1}, "divisor"),
        ({"price_per": 0}, "price_per"),
        ({"price_amount": -1}, "price_amount"),
        ({"price_amount": INT64_MAX + 1}, "price_amount"),
        ({"pool_id": ""}, "pool_id"),
        ({"rated_as": "bananas", "price_amount": 0}, "rated_as"),
        ({"rated_as": "seconds"}, "rated_as"),
    ],
)
def test_a_meter_that_cannot_be_used_is_refused_with_the_field(changes: dict[str, object], field: str) -> None:
    fields = {name: getattr(METER, name) for name in METER.__slots__} | changes
    with pytest.raises(InvalidMeter) as problem:
        check_meter(UsageMeter(**fields))
    assert problem.value.field == field
