"""Which of the ledger's replicas to dial next. No I/O, no clock of its own. Used by the runner alone.

The replicas are equal, so the rule is a turn: whatever ended an attempt or a stream, the next one is tried. Sidecars
start at a random one, so that they spread.
"""

from collections.abc import Sequence
from random import Random

_MS = 1_000_000


class Replicas:
    """The targets of a ledger, one of them current."""

    def __init__(self, targets: Sequence[str], rng: Random, hurry_interval_ms: int) -> None:
        """Starts at a random one.

        Args:
            targets: at least one gRPC target.
            rng: draws the first one.
            hurry_interval_ms: least time between two moves that need no pause, so that replicas which send everybody
                away cannot make a sidecar spin.
        """
        if not targets:
            raise ValueError("a ledger has at least one target")
        self._targets = tuple(targets)
        self._place = rng.randrange(len(self._targets))
        self._hurry_interval_ns = hurry_interval_ms * _MS
        self._hurried_at_ns: int | None = None

    @property
    def current(self) -> str:
        """The target to dial."""
        return self._targets[self._place]

    def move_on(self, now_ns: int, is_leaving: bool) -> bool:
        """Turns to the next target; returns whether it may be dialed without a pause.

        Args:
            now_ns: now.
            is_leaving: the current one said that it is shutting down: no fault of the link's, nor of the others.
        """
        self._place = (self._place + 1) % len(self._targets)
        is_rested = self._hurried_at_ns is None or now_ns - self._hurried_at_ns >= self._hurry_interval_ns
        if not (is_leaving and is_rested and len(self._targets) > 1):
            return False
        self._hurried_at_ns = now_ns
        return True
