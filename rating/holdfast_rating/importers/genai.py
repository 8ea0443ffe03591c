"""`genai-prices` of Pydantic (an extra): dollars for a million tokens, by provider and model, with their history.

A model is called `provider:model` here, as in its own command line, since providers sell one model at several prices.
"""

import datetime
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from genai_prices.types import ModelInfo, ModelPrice, Provider, StartDateConstraint, TieredPrices

from holdfast_rating.cards import InvalidRateCard, Price, Version
from holdfast_rating.conversion import Conversion
from holdfast_rating.importers.imported import Imported
from holdfast_rating.meters import Meter

_FIELDS: Mapping[str, tuple[Meter, int]] = {
    "input_mtok": (Meter.INPUT, 1_000_000),
    "cache_read_mtok": (Meter.CACHED_INPUT, 1_000_000),
    "cache_write_mtok": (Meter.CACHE_WRITE, 1_000_000),
    "output_mtok": (Meter.OUTPUT, 1_000_000),
    "output_reasoning_mtok": (Meter.REASONING, 1_000_000),
    "requests_kcount": (Meter.REQUESTS, 1_000),
    "audio_hours": (Meter.SECONDS, 3_600),
}
"""With the quantity that the source's price is for, in units of the meter."""
_MS_PER_DAY = 86_400_000
_EPOCH = datetime.date(1970, 1, 1)


def read(
    providers: Sequence[Provider],
    conversion: Conversion,
    effective_from_ms: int,
    fallback_model: str,
    only_providers: Collection[str] = (),
) -> Imported:
    """A version for each date at which any price changes, from `effective_from_ms` on.

    Args:
        providers: `genai_prices.data.providers`.
        fallback_model: As `provider:model`; "": none.
        only_providers: Ids of those to take; none: all.

    Raises:
        InvalidRateCard: Names model and field.
    """
    imported = Imported()
    models = {
        f"{provider.id}:{model.id}": model
        for provider in providers
        if not only_providers or provider.id in only_providers
        for model in provider.models
    }
    spans = {name: _spans(model, imported) for name, model in models.items()}
    starts = {start for history in spans.values() for start, _ in history if start > effective_from_ms}
    versions = []
    for start in sorted({effective_from_ms, *starts}):
        prices = [price for name, history in spans.items() for price in _prices(name, _at(history, start), conversion)]
        versions.append(Version(start, None, prices, fallback_model))
    for history in spans.values():
        fields = {name for _, prices in history for name in _unread(prices)}
        imported.left_out.update(fields)
        imported.without_price += not any(name in _FIELDS for _, prices in history for name in _set_fields(prices))
    imported.versions = versions
    return imported


def _spans(model: ModelInfo, imported: Imported) -> list[tuple[int, ModelPrice]]:
    """From when each of a model's prices holds, Unix milliseconds, by time."""
    if model.price_variants:
        imported.left_out["price_variants"] += 1
    if isinstance(model.prices, ModelPrice):
        return [(0, model.prices)]
    spans: list[tuple[int, ModelPrice]] = []
    for conditional in model.prices:
        if conditional.constraint is None:
            spans.append((0, conditional.prices))
        elif isinstance(conditional.constraint, StartDateConstraint):
            days = (conditional.constraint.start_date - _EPOCH).days
            spans.append((days * _MS_PER_DAY, conditional.prices))
        else:
            imported.left_out["prices by the time of day"] += 1
    # Of two that begin together the later one in the list holds, as in the source.
    return sorted(spans, key=lambda span: span[0])


def _at(history: Sequence[tuple[int, ModelPrice]], start_ms: int) -> ModelPrice | None:
    """What holds from a moment on; before the first there is none with a date, so the first holds, as in the source."""
    begun = [prices for since, prices in history if since <= start_ms]
    if begun:
        return begun[-1]
    return history[0][1] if history else None


def _prices(model: str, prices: ModelPrice | None, conversion: Conversion) -> list[Price]:
    if prices is None:
        return []
    found = []
    for name, value in _set_fields(prices).items():
        if name in _FIELDS:
            meter, per = _FIELDS[name]
            usd = value.base if isinstance(value, TieredPrices) else value
            if not isinstance(usd, Decimal) or not usd.is_finite():
                raise InvalidRateCard(f"{model}.{name}", f"is no number: {usd!r}")
            found.append(conversion.price(model, meter, Fraction(usd) / per, per))
    return found


def _unread(prices: ModelPrice) -> list[str]:
    """What a price has that no meter expresses: other fields, and tiers, of which the first is taken."""
    return [
        f"{name}: tiers above the first" if name in _FIELDS else name
        for name, value in _set_fields(prices).items()
        if name not in _FIELDS or isinstance(value, TieredPrices)
    ]


def _set_fields(prices: ModelPrice) -> Mapping[str, object]:
    return {name: value for name, value in vars(prices).items() if value is not None and not name.startswith("_")}
