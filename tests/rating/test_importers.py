"""Public price lists become cards exactly, and what a card cannot express is told."""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from holdfast_rating.cards import InvalidRateCard, Price, RateCard, validate
from holdfast_rating.conversion import Conversion
from holdfast_rating.importers import litellm
from holdfast_rating.meters import Meter
from holdfast_rating.rates import Rates, Tariff
from hypothesis import given
from hypothesis import strategies as st

CREDITS = Conversion(Fraction(100), 6)
"""A cent a credit, a credit 10^6 minor units."""


def entries(**models: object) -> str:
    return json.dumps({"sample_spec": {"input_cost_per_token": "what it costs"}, **models})


def prices(text: str, conversion: Conversion = CREDITS) -> dict[tuple[str, Meter], Fraction]:
    [version] = litellm.read(litellm.parse(text), conversion, 0, "").versions
    return {(price.model, price.meter): Fraction(price.amount, price.per) for price in version.prices}


def test_litellm_prices_a_token_in_exact_minor_units() -> None:
    text = """{"gpt-5": {"input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05, "mode": "chat",
               "cache_read_input_token_cost": 1.25e-07, "output_cost_per_image": 0.04, "max_tokens": 128000}}"""
    [version] = litellm.read(litellm.parse(text), CREDITS, 5, "gpt-5").versions
    assert list(version.prices) == [
        Price("gpt-5", Meter.INPUT, 125_000_000, 1_000_000),
        Price("gpt-5", Meter.CACHED_INPUT, 12_500_000, 1_000_000),
        Price("gpt-5", Meter.OUTPUT, 1_000_000_000, 1_000_000),
        Price("gpt-5", Meter.IMAGES, 4_000_000, 1),
    ]
    assert (version.effective_from_ms, version.fallback_model) == (5, "gpt-5")


@given(
    st.decimals(0, Decimal("0.01"), allow_nan=False, places=9),
    st.fractions(Fraction(1, 1000), 1000, max_denominator=1000),
    st.integers(0, 20_000),
)
def test_litellm_conversion_and_markup_are_exact(usd: Decimal, rate: Fraction, markup_bp: int) -> None:
    text = f'{{"m": {{"input_cost_per_token": {usd:e}}}}}'
    found = prices(text, Conversion(rate, 6, markup_bp))
    assert found["m", Meter.INPUT] == Fraction(usd) * rate * 10**6 * (10_000 + markup_bp) / 10_000


def test_what_no_meter_expresses_is_told_by_name() -> None:
    text = entries(
        a={"input_cost_per_token": 1, "input_cost_per_token_batches": 2, "max_tokens": 3, "tiered_pricing": []},
        b={"input_cost_per_token_batches": 2, "input_cost_per_pixel": 1},
    )
    imported = litellm.read(litellm.parse(text), CREDITS, 0, "")
    assert imported.left_out == {"input_cost_per_token_batches": 2, "input_cost_per_pixel": 1, "tiered_pricing": 1}
    assert imported.without_price == 1


def test_of_two_prices_a_second_the_dearer_holds() -> None:
    text = entries(whisper={"input_cost_per_second": "0.0001", "output_cost_per_second": 0})
    assert prices(text) == {("whisper", Meter.SECONDS): Fraction(10_000)}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[]", "file"),
        ("{", "file"),
        ('{"m": {"input_cost_per_token": NaN}}', "file"),
        ('{"m": 5}', "m"),
        ('{"m": {"input_cost_per_token": -1e-6}}', "m.input_cost_per_token"),
        ('{"m": {"input_cost_per_token": true}}', "m.input_cost_per_token"),
        ('{"m": {"input_cost_per_token": "dear"}}', "m.input_cost_per_token"),
        ('{"m": {"input_cost_per_token": "Infinity"}}', "m.input_cost_per_token"),
        ('{"m": {"input_cost_per_token": 1e-30}}', "m.input"),
        ('{"m": {"input_cost_per_token": 1e30}}', "m.input"),
    ],
)
def test_a_price_that_cannot_be_is_named(text: str, field: str) -> None:
    with pytest.raises(InvalidRateCard) as refused:
        prices(text)
    assert refused.value.field == field


def test_a_price_that_was_a_float_once_is_refused() -> None:
    with pytest.raises(InvalidRateCard, match="float"):
        litellm.read({"m": {"input_cost_per_token": 1.25e-06}}, CREDITS, 0, "")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [((Fraction(0), 6), "units_per_usd"), ((Fraction(1), -1), "exponent"), ((Fraction(1), 6, -10_001), "markup_bp")],
)
def test_a_conversion_that_makes_no_sense_is_named(arguments: Any, field: str) -> None:
    with pytest.raises(InvalidRateCard) as refused:
        Conversion(*arguments)
    assert refused.value.field == field


class TestGenaiPrices:
    """The package's own data, and a small list of its types."""

    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        pytest.importorskip("genai_prices", reason="the extra `rating` is not installed")

    def test_the_published_list_becomes_a_valid_card_that_rates_as_it_says(self) -> None:
        from genai_prices import Usage, calc_price
        from genai_prices.data import providers
        from holdfast_rating.importers import genai

        imported = genai.read(providers, CREDITS, 0, "", ["openai"])
        rates = Rates(validate(RateCard("c", "credits", imported.versions)))
        checked = 0
        for name in {price.model for price in imported.versions[-1].prices}:
            tariff = rates.tariff(name, 4_000_000_000_000)
            assert isinstance(tariff, Tariff)
            amount = tariff.rate({Meter.INPUT: 700, Meter.OUTPUT: 300})
            if not isinstance(amount, int) or name.startswith("openai:gpt-") is False:
                continue
            usage = Usage(input_tokens=700, output_tokens=300)
            told = calc_price(usage, name.removeprefix("openai:"), provider_id="openai").total_price
            per_request = tariff.rate({Meter.REQUESTS: 1})
            if not isinstance(per_request, int):
                assert Fraction(told) * 10**8 <= amount < Fraction(told) * 10**8 + 1, name
                checked += 1
        assert checked > 20

    def test_a_price_change_begins_a_version(self) -> None:
        from datetime import date

        from genai_prices.types import (
            ClauseEquals,
            ConditionalPrice,
            ModelInfo,
            ModelPrice,
            Provider,
            StartDateConstraint,
            Tier,
            TieredPrices,
        )
        from holdfast_rating.importers import genai

        old = ModelPrice(input_mtok=Decimal("2"), web_searches_kcount=Decimal("10"))
        new = ModelPrice(input_mtok=TieredPrices(base=Decimal("1"), tiers=[Tier(start=9, price=Decimal("3"))]))
        changed = [
            ConditionalPrice(prices=old),
            ConditionalPrice(StartDateConstraint(start_date=date(2026, 2, 1)), prices=new),
        ]
        models = [
            ModelInfo(id="a", match=ClauseEquals(equals="a"), prices=changed),
            ModelInfo(id="b", match=ClauseEquals(equals="b"), prices=ModelPrice(audio_hours=Decimal("3.6"))),
            ModelInfo(id="c", match=ClauseEquals(equals="c"), prices=ModelPrice()),
        ]
        provider = Provider(id="p", name="P", api_pattern="", models=models)
        imported = genai.read([provider], CREDITS, 0, "p:a")
        first, second = imported.versions
        assert (first.effective_from_ms, second.effective_from_ms) == (0, 1_769_904_000_000)
        seconds = Price("p:b", Meter.SECONDS, 360_000_000, 3_600)
        assert list(first.prices) == [Price("p:a", Meter.INPUT, 200_000_000, 1_000_000), seconds]
        assert list(second.prices) == [Price("p:a", Meter.INPUT, 100_000_000, 1_000_000), seconds]
        assert imported.left_out == {"web_searches_kcount": 1, "input_mtok: tiers above the first": 1}
        assert imported.without_price == 1
        [only] = genai.read([provider], CREDITS, 1_769_904_000_000, "").versions
        assert list(only.prices) == list(second.prices)
