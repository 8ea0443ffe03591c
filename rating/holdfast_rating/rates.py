"""Rating: quantities of one operation to an amount, and an amount back to the tokens that it buys.

The one rounding: the exact prices of all meters of an operation are added as rationals, and the sum is rounded up once
to the minor unit. So a larger quantity never costs less, a hold for a quantity covers any smaller one, what costs
something is never free, and one operation is off by less than one minor unit however many meters it has.
"""

import bisect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from holdfast_rating.cards import Price, RateCard, Version
from holdfast_rating.meters import INT64_MAX, PRICED_AS, Meter

Quantities: TypeAlias = Mapping[Meter, int]
"""Units by meter, each 0 to int64's largest; one that is missing is 0."""


class RefusalReason(Enum):
    """Why something was not rated, in the order of the checks; none helps to retry without a change."""

    BEFORE_FIRST_VERSION = 1
    AFTER_LAST_VERSION = 2
    UNKNOWN_MODEL = 3
    QUANTITY_OUT_OF_RANGE = 4
    METER_WITHOUT_PRICE = 5
    AMOUNT_OVERFLOW = 6


@dataclass(frozen=True, slots=True)
class Refusal:
    """Quantities that have no price."""

    reason: RefusalReason
    field: str
    """What it is about: "model", "at", or the name of a meter."""
    message: str


class Tariff:
    """The prices of one model in one version, over one common denominator."""

    __slots__ = ("_amounts", "_per", "model")

    def __init__(self, model: str, prices: Mapping[Meter, Price]) -> None:
        self.model = model
        """Whose prices these are: with a fallback not the one that was asked for."""
        self._per = math.lcm(*(price.per for price in prices.values()))
        exact = {meter: price.amount * (self._per // price.per) for meter, price in prices.items()}
        inherited = {meter: exact[parent] for meter, parent in PRICED_AS.items() if parent in exact}
        self._amounts: Mapping[Meter, int] = inherited | exact

    def rate(self, quantities: Quantities) -> int | Refusal:
        """Returns the amount in minor units, rounded up once, or why there is none."""
        exact = self._exact(quantities)
        if isinstance(exact, Refusal):
            return exact
        amount = -(-exact // self._per)
        if amount > INT64_MAX:
            return Refusal(RefusalReason.AMOUNT_OVERFLOW, "amount", "the amount is past int64")
        return amount

    def affordable(self, amount: int, meter: Meter, beside: Quantities, limit: int) -> int | Refusal:
        """Returns how many units of a meter an amount buys beside other quantities: the inverse of `rate`.

        Args:
            amount: Minor units.
            beside: What is spent already, without `meter`.
            limit: The most that is returned, for a meter that costs nothing.

        Returns:
            The largest quantity up to `limit` that keeps the rate within `amount`; 0 where even `beside` passes it.
        """
        exact = self._exact({**beside, meter: 0})
        if isinstance(exact, Refusal):
            return exact
        if meter not in self._amounts:
            return _no_price(self.model, meter)
        left = amount * self._per - exact
        unit_amount = self._amounts[meter]
        if left <= 0 or unit_amount == 0:
            return limit if left >= 0 and unit_amount == 0 else 0
        return min(limit, left // unit_amount)

    def _exact(self, quantities: Quantities) -> int | Refusal:
        """The sum of the prices, in 1 / `_per` of a minor unit."""
        exact = 0
        for meter, quantity in quantities.items():
            if not 0 <= quantity <= INT64_MAX:
                return Refusal(RefusalReason.QUANTITY_OUT_OF_RANGE, meter, f"{quantity} is below 0 or past int64")
            if quantity:
                if meter not in self._amounts:
                    return _no_price(self.model, meter)
                exact += quantity * self._amounts[meter]
        return exact


class Rates:
    """A valid card, ready for look-ups; made once, when the card is loaded."""

    def __init__(self, card: RateCard) -> None:
        self.card = card
        self._from_ms = [version.effective_from_ms for version in card.versions]
        self._tariffs = [_tariffs(version) for version in card.versions]

    def tariff(self, model: str, at_unix_ms: int) -> Tariff | Refusal:
        """Returns the prices of a model at a time, else those of the declared fallback, else why there are none.

        Args:
            at_unix_ms: When the operation was decided; with holds when the hold was opened, so that work is settled at
                the prices that it was held at.
        """
        place = bisect.bisect_right(self._from_ms, at_unix_ms) - 1
        if place < 0:
            return Refusal(RefusalReason.BEFORE_FIRST_VERSION, "at", "the rate card begins later")
        version = self.card.versions[place]
        if version.effective_until_ms is not None and at_unix_ms >= version.effective_until_ms:
            return Refusal(RefusalReason.AFTER_LAST_VERSION, "at", "the rate card has ended")
        tariffs = self._tariffs[place]
        found = tariffs.get(model) or tariffs.get(version.fallback_model)
        if found is None:
            return Refusal(
                RefusalReason.UNKNOWN_MODEL, "model", f"{model!r} has no price, and the rate card no fallback_model"
            )
        return found


def _tariffs(version: Version) -> Mapping[str, Tariff]:
    by_model: dict[str, dict[Meter, Price]] = {}
    for price in version.prices:
        by_model.setdefault(price.model, {})[price.meter] = price
    return {model: Tariff(model, prices) for model, prices in by_model.items()}


def _no_price(model: str, meter: Meter) -> Refusal:
    return Refusal(RefusalReason.METER_WITHOUT_PRICE, meter, f"{model!r} has no price for {meter}")
