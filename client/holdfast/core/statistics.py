"""Counts of what a client did, cheap enough to keep always."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a client did since it was made, or since its process was forked."""

    calls: int = 0
    """Calls begun; a call that was tried again counts once. A session's operations are not calls."""
    retries: int = 0
    """Further tries, of calls and of a session's stream."""
    unanswered: int = 0
    """Calls and operations that ended without an answer."""
    allowed_unanswered: int = 0
    """Of these, checks, reserves and extends that `on_unavailable="allow"` let pass, unconfirmed."""
    denied_unanswered: int = 0
    """Of these, those that `on_unavailable="deny"` denied."""
    settles_lost: int = 0
    """Settles on leaving a hold that failed: spent, and not debited unless someone sends them again."""
    releases_lost: int = 0
    """Releases on leaving a hold that failed; the hold's time to live gives it back."""


class Counters:
    """The counts of one client; safe from any thread."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Starts from zero; in a forked child also with a lock that no lost thread holds."""
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def add(self, name: str) -> None:
        """Counts one more of a field of `Statistics`."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + 1

    def snapshot(self) -> Statistics:
        """The counts as they are now."""
        with self._lock:
            return Statistics(**self._counts)
