"""Rate cards as this host has them: each taken in whole or not at all, and the last good revision stays in force.

Upstream: the ledger's answers to rules requests, and the store; downstream: `rated.py`, which asks for prices.
"""

import itertools
import zlib
from collections.abc import Iterable

from holdfast_rating import card_files
from holdfast_rating.cards import InvalidRateCard
from holdfast_rating.rates import Rates

from holdfast_sidecar.engine.rules import RateCardContent

MAX_TEXT_BYTES = 16 * 2**20
"""Of a card's JSON, as at the ledger; a stream that unpacks to more is refused before it has."""

ASK_LIMIT = 16
"""Cards in one request, as the contract has it."""


def read(content: RateCardContent) -> Rates:
    """Makes a card ready for look-ups, which takes time. Raises InvalidRateCard if anything is wrong with it."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(content.content, MAX_TEXT_BYTES).decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise InvalidRateCard("content", f"cannot be unpacked: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise InvalidRateCard("content", f"is not one whole stream of at most {MAX_TEXT_BYTES} bytes")
    return Rates(card_files.parse(text, is_toml=False))


class Cards:
    """The cards of this host's accounts, and which of them the ledger is to be asked for."""

    def __init__(self) -> None:
        self._rates: dict[str, Rates] = {}
        self._revisions: dict[str, int] = {}
        """By card, the revision that came last, also where it could not be read."""
        self._missing: dict[str, None] = {}
        self._asked: dict[str, None] = {}
        """Those of the missing ones that are being asked for."""
        self.refused_count = 0
        """Revisions that could not be read; what was in force before them stayed."""

    def rates(self, rate_card_id: str) -> Rates | None:
        """Returns the card's prices; None if no good revision of it has come yet."""
        return self._rates.get(rate_card_id)

    def want(self, rate_card_id: str, revision: int) -> None:
        """An account has this card, by the ledger's word at this revision."""
        if self._revisions.get(rate_card_id) != revision:
            self._missing[rate_card_id] = None

    def is_missing(self, rate_card_id: str) -> bool:
        """Whether the ledger's word on this card is still to come."""
        return rate_card_id in self._missing

    def take_ask(self) -> tuple[str, ...]:
        """Returns what to ask the ledger for and is not being asked for; from now on it is."""
        if len(self._missing) == len(self._asked):
            return ()
        found = tuple(itertools.islice((card for card in self._missing if card not in self._asked), ASK_LIMIT))
        self._asked.update(dict.fromkeys(found))
        return found

    def stream_closed(self) -> None:
        """What is being asked for will not be answered."""
        self._asked.clear()

    def take(self, contents: Iterable[RateCardContent], asked_ids: Iterable[str] = ()) -> list[RateCardContent]:
        """Takes in what came; returns what is in force from now on, to be stored.

        Args:
            asked_ids: What this answers. Those that the ledger does not have are not asked for again until they are
                wanted again.
        """
        taken: list[RateCardContent] = []
        for content in contents:
            rate_card_id = content.rate_card_id
            self._answered(rate_card_id)
            if self._revisions.get(rate_card_id) != content.revision:
                self._revisions[rate_card_id] = content.revision
                try:
                    self._rates[rate_card_id] = content.rates or read(content)
                except InvalidRateCard:
                    self.refused_count += 1
                else:
                    taken.append(content)
        for rate_card_id in asked_ids:
            self._answered(rate_card_id)
        return taken

    def _answered(self, rate_card_id: str) -> None:
        self._missing.pop(rate_card_id, None)
        self._asked.pop(rate_card_id, None)
