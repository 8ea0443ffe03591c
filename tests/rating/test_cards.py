"""A rate card with anything wrong in it is refused as a whole, and the field is named."""

from dataclasses import replace
from fractions import Fraction

import pytest
from holdfast_rating.cards import InvalidRateCard, Price, RateCard, Version, exact_price, validate
from holdfast_rating.meters import INT64_MAX, Meter
from hypothesis import given
from hypothesis import strategies as st

PRICE = Price("gpt-5", Meter.INPUT, 1_250_000, 1_000_000)
FIRST = Version(1_000, 2_000, [PRICE])
SECOND = Version(2_000, None, [PRICE])


def card(*versions: Version) -> RateCard:
    return RateCard("models", "credits", versions)


def test_versions_that_follow_one_another_are_valid() -> None:
    good = card(FIRST, SECOND)
    assert validate(good) is good
    validate(card(replace(FIRST, effective_until_ms=None), SECOND))


def with_price(amount: int = 1, per: int = 1) -> RateCard:
    return card(replace(SECOND, prices=[PRICE, Price("other", Meter.INPUT, amount, per)]))


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        (card(), "versions", "0 of 1"),
        (card(FIRST, replace(SECOND, effective_from_ms=2_005)), "versions[1].effective_from", "gap of 5 ms"),
        (card(FIRST, replace(SECOND, effective_from_ms=1_995)), "versions[1].effective_from", "overlaps"),
        (card(SECOND, FIRST), "versions[1].effective_from", "not after"),
        (card(SECOND, SECOND), "versions[1].effective_from", "not after"),
        (card(replace(FIRST, effective_until_ms=1_000)), "versions[0].effective_until", "not after"),
        (card(replace(FIRST, effective_from_ms=-1)), "versions[0].effective_from", "1970"),
        (card(replace(FIRST, prices=[])), "versions[0].prices", "0 of 1"),
        (card(replace(FIRST, fallback_model="gpt-4")), "versions[0].fallback_model", "no price"),
        (card(FIRST, replace(SECOND, prices=[PRICE, PRICE])), "versions[1].prices[1]", "again, after prices.0."),
        (with_price(amount=-1), "versions[0].prices[1].amount", "negative"),
        (with_price(amount=INT64_MAX + 1), "versions[0].prices[1].amount", "int64"),
        (with_price(per=0), "versions[0].prices[1].per", "is 0"),
        (with_price(per=-1), "versions[0].prices[1].per", "is -1"),
        (card(replace(FIRST, prices=[replace(PRICE, model="")])), "versions[0].prices[0].model", "printable"),
        (RateCard("models", " credits", [FIRST]), "currency", "space"),
        (RateCard("a\nb", "credits", [FIRST]), "card_id", "printable"),
    ],
)
def test_what_is_wrong_is_named(wrong: RateCard, field: str, message: str) -> None:
    with pytest.raises(InvalidRateCard, match=message) as refused:
        validate(wrong)
    assert refused.value.field == field


@given(st.integers(0, 10**15), st.integers(1, 10**12), st.sampled_from([1, 1_000, 1_000_000]))
def test_a_price_expresses_its_fraction_exactly(numerator: int, denominator: int, usual_per: int) -> None:
    price = exact_price("m", Meter.INPUT, numerator, denominator, usual_per)
    assert Fraction(price.amount, price.per) == Fraction(numerator, denominator)
