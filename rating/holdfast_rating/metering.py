"""What an event counts for a meter, in whole units, and what these cost: the same at the sidecar and at the ledger.

Pure arithmetic over exact integers. Upstream: meters as the ledger keeps them, events as they were reported.
Downstream: charges, which are made of these figures. `holdfast.v1.Meter` says what the fields mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from holdfast_rating.meters import INT64_MAX, Meter
from holdfast_rating.rates import Refusal, RefusalReason, Tariff

MAX_FILTERS = 16
MAX_FILTER_VALUES = 1_000
MAX_METER_ID_BYTES = 64
MAX_NAME_BYTES = 128
"""Of an event's type, a quantity's, a dimension's, a pool's and a filter's name."""
SUBJECT_KEY = "subject"
"""The key of a filter that means the path of the subject; every other one is a dimension."""

_METER_ID_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")


class Aggregation(IntEnum):
    """How the events of a period make one figure; numbers as in `holdfast.v1.Aggregation`."""

    COUNT = 1
    SUM = 2
    MIN = 3
    MAX = 4
    UNIQUE = 5
    LATEST = 6


ADDITIVE = frozenset({Aggregation.COUNT, Aggregation.SUM})
"""Each event counts by itself, so that it can be charged when it is taken in."""
_OF_QUANTITY = frozenset({Aggregation.SUM, Aggregation.MIN, Aggregation.MAX, Aggregation.LATEST})


class FilterOperator(IntEnum):
    """How a filter compares; numbers as in `holdfast.v1.FilterOperator`."""

    IN = 1
    NOT_IN = 2
    PREFIX = 3
    EXISTS = 4


class InvalidMeter(ValueError):
    """A meter that cannot be used."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        """Where, such as "filters[1].values"."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on one key of an event."""

    key: str
    operator: FilterOperator
    values: tuple[str, ...] = ()

    def passes(self, value: str | None) -> bool:
        """Tells whether a value passes; None: the event has no such dimension, which equals and begins with nothing."""
        match self.operator:
            case FilterOperator.IN:
                return value is not None and value in self.values
            case FilterOperator.NOT_IN:
                return value is None or value not in self.values
            case FilterOperator.PREFIX:
                return value is not None and value.startswith(self.values)
            case FilterOperator.EXISTS:
                return bool(value)


@dataclass(frozen=True, slots=True)
class UsageMeter:
    """Counts events of a type; `check_meter` has checked it before anything counts by it."""

    meter_id: str
    event_type: str
    aggregation: Aggregation
    quantity: str = ""
    dimension: str = ""
    filters: tuple[Filter, ...] = ()
    multiplier: int = 1
    divisor: int = 1
    pool_id: str = ""
    """The pool that pays; "": nothing is charged."""
    price_amount: int = 0
    """Minor units for `price_per` units."""
    price_per: int = 1
    rated_as: str = ""
    """The rate card's meter whose price holds instead; "": none."""

    @property
    def charged_at_once(self) -> bool:
        """Whether each of its events is charged by itself, when it is taken in."""
        return bool(self.pool_id) and self.aggregation in ADDITIVE

    def matches(self, event_type: str, subject: str, dimensions: Mapping[str, str]) -> bool:
        """Tells whether an event is one that this meter looks at."""
        if event_type != self.event_type:
            return False
        for condition in self.filters:
            value = subject if condition.key == SUBJECT_KEY else dimensions.get(condition.key)
            if not condition.passes(value):
                return False
        return True

    def counted(self, quantities: Mapping[str, int]) -> int | None:
        """Returns what an event that matches counts before the conversion; None: it does not count."""
        if self.aggregation in _OF_QUANTITY:
            return quantities.get(self.quantity)
        return 1

    def converted(self, counted: int) -> int | Refusal:
        """Returns a count in units of this meter, rounded half to even: of an event, or of a period's figure."""
        units = half_even(counted * self.multiplier, self.divisor)
        if units > INT64_MAX:
            return Refusal(RefusalReason.QUANTITY_OUT_OF_RANGE, self.meter_id, f"{units} units are past int64")
        return units

    def priced(self, units: int, tariff: Tariff | None = None) -> int | Refusal:
        """Returns what units cost, in minor units of the pool's currency.

        Args:
            units: Of this meter, 0 or more.
            tariff: The account's prices for the event's model at the event's time; used, and needed, with `rated_as`
                alone. They round up, as for every operation; a price of the meter's own is rounded half to even.
        """
        if self.rated_as:
            assert tariff is not None, "a meter that is priced by the rate card needs its prices"
            return tariff.rate({Meter(self.rated_as): units})
        amount = half_even(units * self.price_amount, self.price_per)
        if amount > INT64_MAX:
            return Refusal(RefusalReason.AMOUNT_OVERFLOW, "amount", "the amount is past int64")
        return amount


def half_even(numerator: int, denominator: int) -> int:
    """Returns the quotient of two whole numbers, rounded to the nearest one, a half to the even one."""
    quotient, rest = divmod(numerator, denominator)
    doubled = 2 * rest
    return quotient + (doubled > denominator or (doubled == denominator and quotient % 2 == 1))


def check_meter(meter: UsageMeter) -> UsageMeter:
    """Returns the meter. Raises InvalidMeter, which names the field, for anything that is wrong with it."""
    if not 1 <= len(meter.meter_id) <= MAX_METER_ID_BYTES or not _METER_ID_LETTERS.issuperset(meter.meter_id):
        raise InvalidMeter("meter_id", f'is not 1..{MAX_METER_ID_BYTES} letters, digits, "_", "-" or "."')
    _check_name("event_type", meter.event_type)
    _check_use("quantity", meter.quantity, used=meter.aggregation in _OF_QUANTITY)
    _check_use("dimension", meter.dimension, used=meter.aggregation is Aggregation.UNIQUE)
    _check_filters(meter.filters)
    for field, number in (("multiplier", meter.multiplier), ("divisor", meter.divisor), ("price_per", meter.price_per)):
        if not 1 <= number <= INT64_MAX:
            raise InvalidMeter(field, f"must be 1..2^63-1, is {number}")
    _check_price(meter)
    return meter


def _check_price(meter: UsageMeter) -> None:
    if not 0 <= meter.price_amount <= INT64_MAX:
        raise InvalidMeter("price_amount", f"must be 0..2^63-1, is {meter.price_amount}")
    if meter.pool_id:
        _check_name("pool_id", meter.pool_id)
    elif meter.price_amount or meter.rated_as:
        raise InvalidMeter("pool_id", "must be set where there is a price")
    if meter.rated_as:
        if meter.rated_as not in set(Meter):
            raise InvalidMeter("rated_as", f"is not a meter of rate cards; known are {', '.join(Meter)}")
        if meter.price_amount:
            raise InvalidMeter("rated_as", "cannot be set with price_amount")


def _check_use(field: str, name: str, *, used: bool) -> None:
    if used:
        _check_name(field, name)
    elif name:
        raise InvalidMeter(field, "has no meaning with this aggregation")


def _check_filters(filters: Sequence[Filter]) -> None:
    if len(filters) > MAX_FILTERS:
        raise InvalidMeter("filters", f"are {len(filters)}, more than {MAX_FILTERS}")
    for index, condition in enumerate(filters):
        _check_name(f"filters[{index}].key", condition.key)
        valued = condition.operator is not FilterOperator.EXISTS
        if not (1 if valued else 0) <= len(condition.values) <= (MAX_FILTER_VALUES if valued else 0):
            raise InvalidMeter(
                f"filters[{index}].values", f"must be 1..{MAX_FILTER_VALUES}" if valued else "must be none with EXISTS"
            )


def _check_name(field: str, name: str) -> None:
    if not 1 <= len(name.encode()) <= MAX_NAME_BYTES or not name.isprintable():
        raise InvalidMeter(field, f"is not 1..{MAX_NAME_BYTES} bytes of printable characters")
