"""The latest decisions, as they were asked for and answered, for people to look at.

On the way of every decision, so nothing is taken apart here: who tells them on reads the answers. What is not fetched
in time makes room for what is newer.
"""

from collections import deque
from typing import Final, TypeAlias

from holdfast_sidecar.engine.operations import Charge, Extend, Operation, Report, Reserve, Result

TOLD: Final = frozenset({Reserve, Extend, Charge, Report})
"""Operations that are decided; the others only follow from one."""
KEPT_COUNT: Final = 200
"""Denials, and as many of the others, between two looks: more a second than anybody reads."""


Decided: TypeAlias = tuple[int, Operation, Result]
"""A decision: at which time of day in milliseconds, on what, and its answer. Plain, since each decision makes one."""


class RecentDecisions:
    """One writer, the loop's thread, and one reader; no lock: `append` and `popleft` of a deque are atomic."""

    def __init__(self) -> None:
        self._denied: deque[Decided] = deque(maxlen=KEPT_COUNT)
        self._allowed: deque[Decided] = deque(maxlen=KEPT_COUNT)
        self._noted_count = 0

    def note(self, unix_ms: int, operation: Operation, result: Result, denied: bool) -> None:
        """Notes a decision; faults are none."""
        if type(result) is bytes:
            self._noted_count += 1
            (self._denied if denied else self._allowed).append((unix_ms, operation, result))

    def take(self) -> tuple[list[Decided], int]:
        """Returns at most `KEPT_COUNT` decisions, denials first, and how many there were since the last call."""
        noted_count, self._noted_count = self._noted_count, 0
        taken: list[Decided] = []
        for kept in (self._denied, self._allowed):
            while kept and len(taken) < KEPT_COUNT:
                taken.append(kept.popleft())
        self._allowed.clear()
        return taken, noted_count
