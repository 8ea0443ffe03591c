"""LiteLLM's `model_prices_and_context_window.json`: dollars a unit, by model.

The text has to be parsed with `parse`, since a price that was a float once is not exact any more.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from holdfast_rating.cards import InvalidRateCard, Price, Version
from holdfast_rating.conversion import Conversion
from holdfast_rating.importers.imported import Imported
from holdfast_rating.meters import Meter

_FIELDS: Mapping[str, tuple[Meter, int]] = {
    "input_cost_per_token": (Meter.INPUT, 1_000_000),
    "cache_read_input_token_cost": (Meter.CACHED_INPUT, 1_000_000),
    "cache_creation_input_token_cost": (Meter.CACHE_WRITE, 1_000_000),
    "output_cost_per_token": (Meter.OUTPUT, 1_000_000),
    "output_cost_per_reasoning_token": (Meter.REASONING, 1_000_000),
    "output_cost_per_image": (Meter.IMAGES, 1),
    "input_cost_per_request": (Meter.REQUESTS, 1),
    "input_cost_per_second": (Meter.SECONDS, 1),
    "output_cost_per_second": (Meter.SECONDS, 1),
}
"""With the quantity that a price is told for; a unit of the source is one of the meter. Of two fields for one meter the
dearer holds: the source prices a second of sound once, under either name, and the other is often 0."""
_NOT_A_MODEL = "sample_spec"
_PRICE_WORDS = ("cost", "price", "pricing")


def parse(text: str) -> Mapping[str, object]:
    """The parsed file, its numbers exact. Raises InvalidRateCard if it is no JSON object."""
    try:
        parsed: object = json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidRateCard("file", f"is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise InvalidRateCard("file", "is not an object of models")
    return parsed


def read(data: Mapping[str, object], conversion: Conversion, effective_from_ms: int, fallback_model: str) -> Imported:
    """One version with the prices of every model. Raises InvalidRateCard, which names model and field."""
    imported = Imported()
    prices: list[Price] = []
    for model, entry in data.items():
        if model == _NOT_A_MODEL:
            continue
        if not isinstance(entry, dict):
            raise InvalidRateCard(model, "is not an object")
        found = _prices(model, entry, conversion)
        prices += found
        imported.without_price += not found
        imported.left_out.update(name for name in entry if name not in _FIELDS and _is_price(name))
    imported.versions = [Version(effective_from_ms, None, prices, fallback_model)]
    return imported


def _prices(model: str, entry: Mapping[str, object], conversion: Conversion) -> list[Price]:
    dearest: dict[Meter, tuple[Fraction, int]] = {}
    for name, (meter, per) in _FIELDS.items():
        if entry.get(name) is not None:
            usd = _exact(f"{model}.{name}", entry[name])
            if usd < 0:
                raise InvalidRateCard(f"{model}.{name}", f"is negative: {usd}")
            dearest[meter] = max(dearest.get(meter, (usd, per)), (usd, per))
    return [conversion.price(model, meter, usd, per) for meter, (usd, per) in dearest.items()]


def _is_price(name: str) -> bool:
    return any(word in name for word in _PRICE_WORDS)


def _exact(field: str, value: object) -> Fraction:
    if isinstance(value, float):
        raise InvalidRateCard(field, "was parsed as a float; parse the file with this module")
    if not isinstance(value, Decimal | int | str) or isinstance(value, bool):
        raise InvalidRateCard(field, f"is no number: {value!r}")
    try:
        return Fraction(Decimal(value))
    except (ArithmeticError, ValueError) as error:
        raise InvalidRateCard(field, f"is no number: {value!r}") from error


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no price")
