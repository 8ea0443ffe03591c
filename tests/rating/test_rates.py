"""Rating: exact sums, one rounding up, refusals with a reason, and the way back from an amount."""

from fractions import Fraction
from typing import TypeAlias

import pytest
from holdfast_rating.cards import Price, RateCard, Version, validate
from holdfast_rating.meters import INT64_MAX, Meter
from holdfast_rating.rates import Rates, Refusal, RefusalReason, Tariff
from hypothesis import given
from hypothesis import strategies as st

PRICES = st.dictionaries(
    st.sampled_from(list(Meter)), st.tuples(st.integers(0, 10**12), st.integers(1, 10**7)), min_size=1
)
Drawn: TypeAlias = tuple[dict[Meter, tuple[int, int]], list[dict[Meter, int]]]
"""Prices by meter, as amount and per; and operations of those meters."""
TOKENS = st.integers(0, 10**7)


def tariff(prices: dict[Meter, tuple[int, int]]) -> Tariff:
    return Tariff("m", {meter: Price("m", meter, amount, per) for meter, (amount, per) in prices.items()})


def rated(of: Tariff, quantities: dict[Meter, int]) -> int:
    amount = of.rate(quantities)
    assert isinstance(amount, int), amount
    return amount


@st.composite
def rateable(draw: st.DrawFn, count: int) -> Drawn:
    """Prices, and some operations of meters that they price."""
    prices = draw(PRICES)
    operation = st.dictionaries(st.sampled_from(sorted(prices)), TOKENS)
    return prices, draw(st.lists(operation, min_size=count, max_size=count))


@given(rateable(1))
def test_an_amount_is_the_exact_sum_rounded_up_once(drawn: Drawn) -> None:
    prices, [quantities] = drawn
    exact = sum((Fraction(prices[m][0], prices[m][1]) * q for m, q in quantities.items()), Fraction(0))
    amount = rated(tariff(prices), quantities)
    assert amount - 1 < exact <= amount


@given(rateable(1), st.data())
def test_more_never_costs_less(drawn: Drawn, data: st.DataObject) -> None:
    prices, [quantities] = drawn
    meter = data.draw(st.sampled_from(sorted(prices)))
    more = {**quantities, meter: quantities.get(meter, 0) + data.draw(TOKENS)}
    assert rated(tariff(prices), more) >= rated(tariff(prices), quantities)


@given(rateable(2))
def test_parts_cost_the_whole_and_at_most_one_more(drawn: Drawn) -> None:
    prices, [one, other] = drawn
    whole = {meter: one.get(meter, 0) + other.get(meter, 0) for meter in one.keys() | other.keys()}
    of = tariff(prices)
    assert rated(of, whole) <= rated(of, one) + rated(of, other) <= rated(of, whole) + 1


@given(rateable(1), st.integers(0, 10**15))
def test_an_amount_buys_what_it_pays_for_and_not_one_more(drawn: Drawn, amount: int) -> None:
    prices, [quantities] = drawn
    meter = min(prices)
    beside = {m: q for m, q in quantities.items() if m != meter}
    of, limit = tariff(prices), 10**6
    bought = of.affordable(amount, meter, beside, limit)
    assert isinstance(bought, int)
    assert 0 <= bought <= limit
    if bought:
        assert rated(of, {**beside, meter: bought}) <= amount
    if bought < limit:
        assert rated(of, {**beside, meter: bought + 1}) > amount


def test_a_meter_without_a_price_of_its_own_costs_what_its_kind_costs() -> None:
    of = tariff({Meter.INPUT: (2, 1), Meter.OUTPUT: (5, 1)})
    assert of.rate({Meter.CACHED_INPUT: 3, Meter.CACHE_WRITE: 4, Meter.REASONING: 1}) == 19
    cheap = tariff({Meter.INPUT: (2, 1), Meter.CACHED_INPUT: (1, 10)})
    assert cheap.rate({Meter.CACHED_INPUT: 11}) == 2


@pytest.mark.parametrize(
    ("quantities", "reason", "field"),
    [
        ({Meter.IMAGES: 1}, RefusalReason.METER_WITHOUT_PRICE, "images"),
        ({Meter.INPUT: -1}, RefusalReason.QUANTITY_OUT_OF_RANGE, "input"),
        ({Meter.INPUT: INT64_MAX + 1}, RefusalReason.QUANTITY_OUT_OF_RANGE, "input"),
        ({Meter.INPUT: INT64_MAX}, RefusalReason.AMOUNT_OVERFLOW, "amount"),
    ],
)
def test_what_cannot_be_rated_is_refused_by_name(
    quantities: dict[Meter, int], reason: RefusalReason, field: str
) -> None:
    refusal = tariff({Meter.INPUT: (2, 1)}).rate(quantities)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.field) == (reason, field)


def test_the_largest_amount_still_passes() -> None:
    assert tariff({Meter.INPUT: (1, 1)}).rate({Meter.INPUT: INT64_MAX}) == INT64_MAX


def test_a_quantity_of_nothing_needs_no_price() -> None:
    assert tariff({Meter.INPUT: (2, 1)}).rate({Meter.IMAGES: 0}) == 0


def card(fallback_model: str = "", until_ms: int | None = None) -> Rates:
    versions = [
        Version(1_000, None, [Price("a", Meter.INPUT, 1, 1)], fallback_model),
        Version(2_000, until_ms, [Price("a", Meter.INPUT, 2, 1), Price("b", Meter.INPUT, 7, 1)], fallback_model),
    ]
    return Rates(validate(RateCard("c", "credits", versions)))


@pytest.mark.parametrize(("at_ms", "amount"), [(1_000, 1), (1_999, 1), (2_000, 2), (10**15, 2)])
def test_the_version_of_the_time_holds(at_ms: int, amount: int) -> None:
    found = card().tariff("a", at_ms)
    assert isinstance(found, Tariff)
    assert found.rate({Meter.INPUT: 1}) == amount


@pytest.mark.parametrize(
    ("model", "at_ms", "reason"),
    [
        ("a", 999, RefusalReason.BEFORE_FIRST_VERSION),
        ("a", 3_000, RefusalReason.AFTER_LAST_VERSION),
        ("z", 2_000, RefusalReason.UNKNOWN_MODEL),
        ("b", 1_500, RefusalReason.UNKNOWN_MODEL),
    ],
)
def test_what_has_no_price_is_refused(model: str, at_ms: int, reason: RefusalReason) -> None:
    refusal = card(until_ms=3_000).tariff(model, at_ms)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason


def test_an_unknown_model_has_the_prices_of_the_declared_fallback() -> None:
    found = card(fallback_model="a").tariff("z", 2_500)
    assert isinstance(found, Tariff)
    assert (found.model, found.rate({Meter.INPUT: 3})) == ("a", 6)
