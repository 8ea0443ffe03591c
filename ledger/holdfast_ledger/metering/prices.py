"""What quantities cost: by the meter's own price, or by the account's rate card as the ledger has it now."""

import zlib

from holdfast_rating import card_files
from holdfast_rating.metering import UsageMeter
from holdfast_rating.rates import Rates, Refusal

from holdfast_ledger.store.interface import Reader

MODEL = "model"
"""The dimension that says which of a card's models it is."""

CARDS_KEPT = 64
"""Rate cards kept ready for look-ups: megabytes each at worst."""


class Cards:
    """Rate cards, parsed once for each revision. One thread."""

    def __init__(self) -> None:
        self._rates: dict[tuple[str, int], Rates] = {}

    def rates(self, reader: Reader, rate_card_id: str, revision: int) -> Rates | None:
        """Returns a card's prices; None: there is no such card."""
        known = self._rates.get((rate_card_id, revision))
        if known is None:
            kept = reader.rate_card(rate_card_id)
            if kept is None or not kept.in_use:
                return None
            known = Rates(card_files.parse(zlib.decompress(kept.content).decode(), is_toml=False))
            if len(self._rates) >= CARDS_KEPT:
                self._rates.clear()
            self._rates[rate_card_id, kept.revision] = known
        return known


class Prices:
    """Prices on one snapshot of the ledger. One thread."""

    def __init__(self, reader: Reader, cards: Cards, account_ids: set[str]) -> None:
        self._reader = reader
        self._cards = cards
        self.terms = reader.terms_of(account_ids)
        """What holds for the accounts, by id."""
        self._currencies: dict[tuple[str, str], str] = {}

    def amount(self, meter: UsageMeter, account_id: str, model: str, units: int, at_ms: int) -> int | None:
        """Returns what units of a meter cost, in minor units; None: they have no price."""
        tariff = None
        if meter.rated_as:
            terms = self.terms.get(account_id)
            if terms is None or not terms.rate_card_id:
                return None
            rates = self._cards.rates(self._reader, terms.rate_card_id, terms.rate_card_revision)
            if rates is None or rates.card.currency != self.currency(account_id, meter.pool_id):
                return None
            found = rates.tariff(model, at_ms)
            if isinstance(found, Refusal):
                return None
            tariff = found
        amount = meter.priced(units, tariff)
        return None if isinstance(amount, Refusal) else amount

    def currency(self, account_id: str, pool_id: str) -> str:
        """Returns the currency of a pool; empty: it is not there."""
        name = (account_id, pool_id)
        if name not in self._currencies:
            pool = self._reader.pool(*name)
            self._currencies[name] = pool.currency if pool else ""
        return self._currencies[name]

    def time_zone(self, account_id: str) -> str:
        """Returns the account's time zone."""
        return self.terms[account_id].time_zone
