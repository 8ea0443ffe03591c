"""Dollars a unit to a price in a card's minor units: exact rationals all the way, one reduction at the end."""

from dataclasses import dataclass
from fractions import Fraction

from holdfast_rating.cards import InvalidRateCard, Price, exact_price
from holdfast_rating.meters import INT64_MAX, Meter

_BASIS = 10_000


@dataclass(frozen=True, slots=True)
class Conversion:
    """From dollars to minor units; the constructor raises InvalidRateCard, which names the field."""

    units_per_usd: Fraction
    """Of the card's currency, such as 100 credits for a dollar."""
    exponent: int
    """Of the currency: 10 ** exponent minor units are one unit."""
    markup_bp: int = 0
    """Added to the provider's price, in 1/10,000; below 0 a rebate."""

    def __post_init__(self) -> None:
        if self.units_per_usd <= 0:
            raise InvalidRateCard("units_per_usd", "is not above 0")
        if not 0 <= self.exponent <= 18:
            raise InvalidRateCard("exponent", "is not 0 to 18")
        if not -_BASIS <= self.markup_bp <= 100 * _BASIS:
            raise InvalidRateCard("markup_bp", "is not -10,000 to 1,000,000")

    def price(self, model: str, meter: Meter, usd_per_unit: Fraction, usual_per: int = 1_000_000) -> Price:
        """The price of one meter. Raises InvalidRateCard if it is negative, or no int64 can express it exactly."""
        if usd_per_unit < 0:
            raise InvalidRateCard(f"{model}.{meter}", f"is negative: {usd_per_unit} dollars a unit")
        exact = usd_per_unit * self.units_per_usd * 10**self.exponent * (_BASIS + self.markup_bp) / _BASIS
        price = exact_price(model, meter, exact.numerator, exact.denominator, usual_per)
        if price.amount > INT64_MAX or price.per > INT64_MAX:
            raise InvalidRateCard(f"{model}.{meter}", f"{exact} minor units a unit do not fit int64")
        return price
