"""What an import came to: the prices, and all of the source that they do not express."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from holdfast_rating.cards import Version


@dataclass(slots=True)
class Imported:
    """Versions for a card, and what is missing from them."""

    versions: Sequence[Version] = ()
    left_out: Counter[str] = field(default_factory=Counter)
    """Fields of the source with a price that no meter expresses, by their name: in how many models."""
    without_price: int = 0
    """Models with no price that a meter expresses; they are not in the card."""
