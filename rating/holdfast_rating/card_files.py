"""Our own rate card files: JSON, or TOML with the same names. Text in, card out, and back; reading is the CLI's.

card_id = "models"
currency = "credits"

[[versions]]
effective_from = 2026-01-01T00:00:00Z    # effective_until may be given, and is then checked against the next
fallback_model = ""

[[versions.prices]]
model = "gpt-5"
meter = "input"
amount = 1_250_000                       # minor units
per = 1_000_000
"""

import datetime
import json
import tomllib
from collections.abc import Mapping

from holdfast_rating.cards import InvalidRateCard, Price, RateCard, Version, validate
from holdfast_rating.meters import Meter

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MS = datetime.timedelta(milliseconds=1)


def parse(text: str, *, is_toml: bool) -> RateCard:
    """The valid card in a file. Raises InvalidRateCard, which names the field."""
    try:
        data: object = tomllib.loads(text) if is_toml else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRateCard("file", f"cannot be parsed: {error}") from error
    card = _table("file", data, {"card_id", "currency", "versions"})
    versions = [_version(f"versions[{n}]", item) for n, item in enumerate(_list("versions", card.get("versions")))]
    return validate(RateCard(_text("card_id", card), _text("currency", card), versions))


def write(card: RateCard) -> str:
    """The card as JSON; `parse` gives the same card again."""
    versions = [
        {
            "effective_from": time_text(version.effective_from_ms),
            **_until(version),
            "fallback_model": version.fallback_model,
            "prices": [
                {"model": price.model, "meter": price.meter.value, "amount": price.amount, "per": price.per}
                for price in version.prices
            ],
        }
        for version in card.versions
    ]
    return json.dumps({"card_id": card.card_id, "currency": card.currency, "versions": versions}, indent=1) + "\n"


def parse_time(field: str, value: object) -> int:
    """Unix milliseconds of a time with its zone, as text or from TOML. Raises InvalidRateCard."""
    if isinstance(value, str):
        try:
            value = datetime.datetime.fromisoformat(value)
        except ValueError as error:
            raise InvalidRateCard(field, f"is no time: {error}") from error
    if not isinstance(value, datetime.datetime) or value.tzinfo is None:
        raise InvalidRateCard(field, "is no time with a zone, such as 2026-01-01T00:00:00Z")
    ms, rest = divmod(value - _EPOCH, _MS)
    if rest:
        raise InvalidRateCard(field, "is more precise than a millisecond")
    return ms


def time_text(unix_ms: int) -> str:
    """A time as `parse_time` reads it. Raises InvalidRateCard past the year 9999."""
    try:
        return (_EPOCH + unix_ms * _MS).isoformat().replace("+00:00", "Z")
    except OverflowError as error:
        raise InvalidRateCard("effective_from", "lies past the year 9999") from error


def _until(version: Version) -> Mapping[str, str]:
    return {} if version.effective_until_ms is None else {"effective_until": time_text(version.effective_until_ms)}


def _version(field: str, data: object) -> Version:
    version = _table(field, data, {"effective_from", "effective_until", "fallback_model", "prices"})
    until = version.get("effective_until")
    prices = _list(f"{field}.prices", version.get("prices"))
    return Version(
        parse_time(f"{field}.effective_from", version.get("effective_from")),
        None if until is None else parse_time(f"{field}.effective_until", until),
        [_price(f"{field}.prices[{number}]", item) for number, item in enumerate(prices)],
        _text(f"{field}.fallback_model", version) if "fallback_model" in version else "",
    )


def _price(field: str, data: object) -> Price:
    price = _table(field, data, {"model", "meter", "amount", "per"})
    meter = _text(f"{field}.meter", price)
    if meter not in list(Meter):
        raise InvalidRateCard(f"{field}.meter", f"is {meter!r}, not one of {', '.join(Meter)}")
    return Price(
        _text(f"{field}.model", price),
        Meter(meter),
        _integer(f"{field}.amount", price),
        _integer(f"{field}.per", price),
    )


def _table(field: str, data: object, known: set[str]) -> Mapping[str, object]:
    if not isinstance(data, dict):
        raise InvalidRateCard(field, "is no table")
    unknown = sorted(str(name) for name in data if name not in known)
    if unknown:
        raise InvalidRateCard(field, f"has unknown fields: {', '.join(unknown)}")
    return data


def _list(field: str, data: object) -> list[object]:
    if not isinstance(data, list):
        raise InvalidRateCard(field, "is missing, or no list")
    return data


def _text(field: str, table: Mapping[str, object]) -> str:
    value = table.get(field.rpartition(".")[2])
    if not isinstance(value, str):
        raise InvalidRateCard(field, "is missing, or no text")
    return value


def _integer(field: str, table: Mapping[str, object]) -> int:
    value = table.get(field.rpartition(".")[2])
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidRateCard(field, "is missing, or no whole number")
    return value
