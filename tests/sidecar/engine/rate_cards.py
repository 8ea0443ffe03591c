"""Rate cards for tests: two models, with a price that changes, and a third that only a fallback prices."""

import zlib

from holdfast_rating import card_files
from holdfast_rating.cards import Price, RateCard, Version
from holdfast_rating.meters import Meter
from holdfast_sidecar.engine.rules import AccountTerms, RateCardContent

PER = 1_000_000
CHANGE_MS = 5_000
"""When output of gpt-5 gets dearer by half, Unix time in milliseconds."""
TERMS = AccountTerms(rate_card_id="models", rate_card_revision=1)


def version(from_ms: int, output_amount: int, fallback_model: str = "") -> Version:
    """Input at 3 minor units a token, cached input at 1/3, output as told; "small" at 1 and 2 a thousand."""
    prices = [
        Price("gpt-5", Meter.INPUT, 3 * PER, PER),
        Price("gpt-5", Meter.CACHED_INPUT, PER, 3 * PER),
        Price("gpt-5", Meter.OUTPUT, output_amount * PER, PER),
        Price("small", Meter.INPUT, 1, 1_000),
        Price("small", Meter.OUTPUT, 2, 1_000),
    ]
    return Version(from_ms, None, prices, fallback_model)


def card_content(revision: int = 1, fallback_model: str = "", card_id: str = "models") -> RateCardContent:
    """A card as the ledger sends it."""
    versions = [version(0, 12, fallback_model), version(CHANGE_MS, 18, fallback_model)]
    text = card_files.write(RateCard(card_id, "credits", versions))
    return RateCardContent(card_id, revision, zlib.compress(text.encode()))
