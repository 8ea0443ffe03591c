"""`holdfast rates import|show|check`: makes rate cards from public price lists, and looks into them.

The one module of this package that reads files.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path

from holdfast_rating import card_files
from holdfast_rating.cards import InvalidRateCard, RateCard, validate
from holdfast_rating.conversion import Conversion
from holdfast_rating.importers import litellm
from holdfast_rating.importers.imported import Imported
from holdfast_rating.meters import Meter
from holdfast_rating.rates import Rates, Refusal

EXIT_INVALID = 1
EXIT_NOT_INSTALLED = 69
_GENAI = "genai-prices"
_MAX_BYTES = 64 * 2**20
"""Of a file: twenty times LiteLLM's."""


def main(argv: Sequence[str]) -> int:
    """Runs `holdfast rates`; returns 0, 1 where a file is invalid or cannot be read, 69 where the extra is missing."""
    options = _parser().parse_args(argv)
    try:
        match options.action:
            case "import":
                return _import(options)
            case "show":
                return _show(_read_card(options.file), options)
            case _:
                card = _read_card(options.file)
                sys.stdout.write(f"{options.file}: valid, {_summary(card)}\n")
                return 0
    except (InvalidRateCard, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"holdfast rates: {error}\n")
        return EXIT_INVALID
    except ModuleNotFoundError as error:
        sys.stderr.write(f"holdfast rates: needs the module {error.name!r}: pip install 'holdfast[rating]'\n")
        return EXIT_NOT_INSTALLED


def _import(options: argparse.Namespace) -> int:
    conversion = Conversion(_rational("--units-per-usd", options.units_per_usd), options.exponent, options.markup_bp)
    now_ms = time.time_ns() // 10**9 * 1_000
    since = options.effective_from
    since_ms = now_ms if since is None else card_files.parse_time("--effective-from", since)
    imported = _imported(options, conversion, since_ms)
    card = validate(RateCard(options.card_id, options.currency, imported.versions))
    text = card_files.write(card)
    if options.output is None:
        sys.stdout.write(text)
    else:
        options.output.write_text(text, encoding="utf-8")
    sys.stderr.write(f"holdfast rates: {_summary(card)}\n{_missing(imported)}")
    return 0


def _imported(options: argparse.Namespace, conversion: Conversion, since_ms: int) -> Imported:
    if options.source == _GENAI:
        from genai_prices.data import providers  # noqa: PLC0415 an extra, and large

        from holdfast_rating.importers import genai  # noqa: PLC0415

        return genai.read(providers, conversion, since_ms, options.fallback_model, options.provider)
    return litellm.read(litellm.parse(_read(Path(options.source))), conversion, since_ms, options.fallback_model)


def _missing(imported: Imported) -> str:
    """What the card does not say although the source does."""
    lines = [f"  {name}: left out of {count} models" for name, count in sorted(imported.left_out.items())]
    if imported.without_price:
        lines.append(f"  {imported.without_price} models have no price that a meter expresses, and are not in the card")
    return "".join(line + "\n" for line in lines)


def _show(card: RateCard, options: argparse.Namespace) -> int:
    """Prints the versions, and with --model what the model costs now, and what the quantities come to."""
    out = [f"{card.card_id}, {_summary(card)}, in minor units of {card.currency}"]
    for version in card.versions:
        fallback = version.fallback_model or "none, unknown models are refused"
        out.append(f"from {card_files.time_text(version.effective_from_ms)}: fallback {fallback}")
        out += [
            f"  {price.model:<48} {price.meter:<13} {price.amount:>16,} per {price.per:,}"
            for price in version.prices
            if options.model in (None, price.model)
        ]
    sys.stdout.write("\n".join(out) + "\n")
    if options.quantity and options.model is not None:
        return _show_rate(card, options)
    return 0


def _show_rate(card: RateCard, options: argparse.Namespace) -> int:
    quantities: dict[Meter, int] = dict(options.quantity)
    at_ms = card_files.parse_time("--at", options.at) if options.at else time.time_ns() // 10**6
    tariff = Rates(card).tariff(options.model, at_ms)
    rated = tariff if isinstance(tariff, Refusal) else tariff.rate(quantities)
    if isinstance(rated, Refusal):
        sys.stderr.write(f"holdfast rates: {rated.field}: {rated.message}\n")
        return EXIT_INVALID
    sys.stdout.write(f"{rated} minor units\n")
    return 0


def _summary(card: RateCard) -> str:
    newest = card.versions[-1].prices
    models = len({price.model for price in newest})
    return f"{len(card.versions)} version(s), the last with {len(newest)} prices of {models} models"


def _read_card(file: Path) -> RateCard:
    return card_files.parse(_read(file), is_toml=file.suffix == ".toml")


def _read(file: Path) -> str:
    if file.stat().st_size > _MAX_BYTES:
        raise InvalidRateCard(str(file), f"is larger than {_MAX_BYTES} bytes")
    return file.read_text(encoding="utf-8")


def _rational(field: str, text: str) -> Fraction:
    try:
        return Fraction(text) if "/" in text else Fraction(Decimal(text))
    except (ValueError, ArithmeticError, InvalidOperation) as error:
        raise InvalidRateCard(field, f"is no number: {text!r}") from error


def _quantity(text: str) -> tuple[Meter, int]:
    name, _, number = text.partition("=")
    if name not in list(Meter) or not number.isdecimal():
        raise argparse.ArgumentTypeError(f"is no METER=NUMBER with one of {', '.join(Meter)}")
    return Meter(name), int(number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="holdfast rates", description="Rate cards: what quantities cost.")
    actions = parser.add_subparsers(dest="action", required=True)
    reading = actions.add_parser("import", help="makes a card of a public price list; tells what it leaves out")
    reading.add_argument("source", metavar="FILE", help=f"LiteLLM's price file, or the word {_GENAI}")
    reading.add_argument("--card-id", default="imported")
    reading.add_argument("--currency", default="credits")
    reading.add_argument("--exponent", type=int, default=6, help="of the currency; default: 6")
    reading.add_argument("--units-per-usd", required=True, metavar="N", help="exact, such as 100, 0.92 or 1/3")
    reading.add_argument("--markup-bp", type=int, default=0, metavar="BP", help="1/10,000 on top of the price")
    reading.add_argument("--effective-from", metavar="TIME", help="default: now")
    reading.add_argument("--fallback-model", default="", help="whose prices unknown models have; default: refuse them")
    reading.add_argument("--provider", action="append", default=[], help=f"of {_GENAI}; default: all")
    reading.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    showing = actions.add_parser("show", help="prints a card's prices")
    showing.add_argument("file", type=Path)
    showing.add_argument("--model")
    showing.add_argument("--quantity", type=_quantity, nargs="+", metavar="METER=N", help="rates them for --model")
    showing.add_argument("--at", metavar="TIME", help="when they are rated; default: now")
    checking = actions.add_parser("check", help="says whether a card is valid, and where it is not")
    checking.add_argument("file", type=Path)
    return parser
