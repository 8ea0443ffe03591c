"""Rate card files: TOML and JSON say the same, what is written is read back, what is wrong is named."""

import json
from pathlib import Path

import pytest
from holdfast_rating import card_files
from holdfast_rating.cards import InvalidRateCard, Price, RateCard, Version
from holdfast_rating.meters import Meter
from hypothesis import given
from hypothesis import strategies as st

TOML = """
card_id = "models"
currency = "credits"

[[versions]]
effective_from = 2026-01-01T00:00:00Z
effective_until = "2026-02-01T01:00:00+01:00"

[[versions.prices]]
model = "gpt-5"
meter = "input"
amount = 1_250_000
per = 1_000_000

[[versions]]
effective_from = 2026-02-01T00:00:00Z
fallback_model = "gpt-5"

[[versions.prices]]
model = "gpt-5"
meter = "output"
amount = 10
per = 3
"""
JANUARY_MS, FEBRUARY_MS = 1_767_225_600_000, 1_769_904_000_000
CARD = RateCard(
    "models",
    "credits",
    [
        Version(JANUARY_MS, FEBRUARY_MS, [Price("gpt-5", Meter.INPUT, 1_250_000, 1_000_000)]),
        Version(FEBRUARY_MS, None, [Price("gpt-5", Meter.OUTPUT, 10, 3)], "gpt-5"),
    ],
)


def test_toml_is_read() -> None:
    assert card_files.parse(TOML, is_toml=True) == CARD


@given(st.integers(0, 2**53 - 1), st.integers(1, 2**53 - 1), st.integers(0, 250_000_000_000_000))
def test_what_is_written_is_read_back(amount: int, per: int, from_ms: int) -> None:
    card = RateCard("c", "credits", [Version(from_ms, None, [Price("m", Meter.SECONDS, amount, per)])])
    assert card_files.parse(card_files.write(card), is_toml=False) == card
    assert card_files.parse(card_files.write(CARD), is_toml=False) == CARD


def changed(path: str, value: object) -> str:
    """The card as JSON with one field changed, or with `value` None taken out."""
    data = json.loads(card_files.write(CARD))
    *folders, name = path.split("/")
    place = data
    for folder in folders:
        place = place[int(folder) if folder.isdigit() else folder]
    if value is None:
        del place[name]
    else:
        place[name] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("card_id", 7, "card_id"),
        ("extra", 1, "file"),
        ("versions", {}, "versions"),
        ("versions/0/effective_from", "2026-01-01T00:00:00", "versions[0].effective_from"),
        ("versions/0/effective_from", "soon", "versions[0].effective_from"),
        ("versions/0/effective_from", "2026-01-01T00:00:00.0001Z", "versions[0].effective_from"),
        ("versions/0/effective_until", 5, "versions[0].effective_until"),
        ("versions/1/effective_from", "2026-02-02T00:00:00Z", "versions[1].effective_from"),
        ("versions/0/fallback_model", 5, "versions[0].fallback_model"),
        ("versions/0/price", [], "versions[0]"),
        ("versions/0/prices", None, "versions[0].prices"),
        ("versions/0/prices/0/meter", "tokens", "versions[0].prices[0].meter"),
        ("versions/0/prices/0/amount", 1.5, "versions[0].prices[0].amount"),
        ("versions/0/prices/0/amount", True, "versions[0].prices[0].amount"),
        ("versions/0/prices/0/per", None, "versions[0].prices[0].per"),
        ("versions/0/prices/0/per", 0, "versions[0].prices[0].per"),
    ],
)
def test_a_wrong_field_is_named(path: str, value: object, field: str) -> None:
    with pytest.raises(InvalidRateCard) as refused:
        card_files.parse(changed(path, value), is_toml=False)
    assert refused.value.field == field


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_no_card_at_all_is_refused(text: str) -> None:
    with pytest.raises(InvalidRateCard, match="file"):
        card_files.parse(text, is_toml=False)


def test_the_readme_of_the_format_is_a_card() -> None:
    """The example in the module's own text."""
    text = Path(card_files.__file__).read_text(encoding="utf-8").split('"""')[1]
    assert card_files.parse(text[text.index("card_id") :], is_toml=True).versions[0].prices[0].amount == 1_250_000
