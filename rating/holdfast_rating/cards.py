"""Rate cards: versions that follow one another without a gap, each with a price per model and meter.

Upstream: `card_files.py` and the importers. Downstream: `rates.py`, which looks prices up in a valid card.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast_rating.meters import INT64_MAX, Meter

MAX_VERSIONS = 1_000
"""Versions of a card: three years of one a day."""
MAX_ENTRIES = 100_000
"""Prices in a version: ten times what the largest public list has."""
MAX_NAME_LENGTH = 256
"""Characters of a model's, a card's or a currency's name."""


class InvalidRateCard(ValueError):
    """A card that cannot be used; nothing of it is."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        """Where, such as "versions[1].prices[0].per"."""


@dataclass(frozen=True, slots=True)
class Price:
    """What one meter of one model costs: exactly `amount` / `per` for each unit."""

    model: str
    meter: Meter
    amount: int
    """Minor units of the card's currency, 0 or more."""
    per: int
    """The quantity that `amount` buys, such as 1,000,000 tokens."""


@dataclass(frozen=True, slots=True)
class Version:
    """The prices of a span of time."""

    effective_from_ms: int
    """Unix time in milliseconds, inclusive."""
    effective_until_ms: int | None
    """Exclusive; None: until the next version, or without end."""
    prices: Sequence[Price]
    fallback_model: str = ""
    """The model whose prices hold for one that is not priced; "": such a model is refused."""


@dataclass(frozen=True, slots=True)
class RateCard:
    """Checked by `validate` before anything else sees it."""

    card_id: str
    currency: str
    versions: Sequence[Version]
    """By time."""


def validate(card: RateCard) -> RateCard:
    """Returns the card. Raises InvalidRateCard, which names the field, if anything is wrong with it."""
    _check_name("card_id", card.card_id)
    _check_name("currency", card.currency)
    if not 1 <= len(card.versions) <= MAX_VERSIONS:
        raise InvalidRateCard("versions", f"has {len(card.versions)} of 1 to {MAX_VERSIONS}")
    for index, version in enumerate(card.versions):
        following = card.versions[index + 1] if index + 1 < len(card.versions) else None
        _check_span(f"versions[{index}]", version)
        if following is not None:
            _check_order(f"versions[{index + 1}].effective_from", version, following)
        _check_prices(f"versions[{index}]", version)
    return card


def exact_price(model: str, meter: Meter, numerator: int, denominator: int, usual_per: int = 1_000_000) -> Price:
    """The price of numerator / denominator a unit: per `usual_per` units where that is a whole amount, else reduced."""
    divisor = math.gcd(numerator, denominator)
    numerator, denominator = numerator // divisor, denominator // divisor
    if usual_per % denominator == 0:
        return Price(model, meter, numerator * (usual_per // denominator), usual_per)
    return Price(model, meter, numerator, denominator)


def _check_span(field: str, version: Version) -> None:
    if not 0 <= version.effective_from_ms <= INT64_MAX:
        raise InvalidRateCard(f"{field}.effective_from", "lies before 1970 or too far ahead")
    until_ms = version.effective_until_ms
    if until_ms is not None and until_ms <= version.effective_from_ms:
        raise InvalidRateCard(f"{field}.effective_until", "is not after effective_from")


def _check_order(field: str, version: Version, following: Version) -> None:
    until_ms = version.effective_until_ms
    if following.effective_from_ms <= version.effective_from_ms:
        raise InvalidRateCard(field, "is not after the version before it")
    if until_ms is not None and following.effective_from_ms > until_ms:
        raise InvalidRateCard(field, f"leaves a gap of {following.effective_from_ms - until_ms} ms")
    if until_ms is not None and following.effective_from_ms < until_ms:
        raise InvalidRateCard(field, f"overlaps the version before it by {until_ms - following.effective_from_ms} ms")


def _check_prices(field: str, version: Version) -> None:
    if not 1 <= len(version.prices) <= MAX_ENTRIES:
        raise InvalidRateCard(f"{field}.prices", f"has {len(version.prices)} of 1 to {MAX_ENTRIES}")
    seen: dict[tuple[str, Meter], int] = {}
    for index, price in enumerate(version.prices):
        where = f"{field}.prices[{index}]"
        _check_name(f"{where}.model", price.model)
        if price.amount < 0:
            raise InvalidRateCard(f"{where}.amount", f"is negative: {price.amount}")
        if price.amount > INT64_MAX:
            raise InvalidRateCard(f"{where}.amount", "is past int64")
        if not 1 <= price.per <= INT64_MAX:
            raise InvalidRateCard(f"{where}.per", f"is {price.per}, not a quantity from 1 to int64's largest")
        first = seen.setdefault((price.model, price.meter), index)
        if first != index:
            raise InvalidRateCard(where, f"prices {price.meter} of {price.model} again, after prices[{first}]")
    if version.fallback_model and all(price.model != version.fallback_model for price in version.prices):
        raise InvalidRateCard(f"{field}.fallback_model", f"{version.fallback_model} has no price in this version")


def _check_name(field: str, name: str) -> None:
    if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable() or name != name.strip():
        raise InvalidRateCard(field, f"is not 1 to {MAX_NAME_LENGTH} printable characters without space around them")
