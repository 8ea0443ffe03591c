"""Named points at which a test makes the process kill itself: no handler runs, nothing is flushed.

`HOLDFAST_CRASH_AT=after_commit:3` dies the third time that a transaction with debits has been committed. Read once.
"""

import os
import signal
import threading
from enum import Enum


class CrashPoint(Enum):
    """Where a process may die; transactions without debits do not count."""

    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT = "after_commit"
    BEFORE_ACK = "before_ack"


class CrashPlan:
    """Counts passes of one point and dies at the chosen one; the empty plan never does."""

    def __init__(self, point: CrashPoint | None = None, passes_left: int = 0) -> None:
        self._point = point
        self._passes_left = passes_left
        self._lock = threading.Lock()

    @classmethod
    def parse(cls, text: str) -> "CrashPlan":
        """Reads "point" or "point:n"; empty text is the empty plan. Raises ValueError on anything else."""
        if not text:
            return cls()
        name, _, count = text.partition(":")
        return cls(CrashPoint(name), int(count or "1"))

    def reach(self, point: CrashPoint) -> None:
        """Passes a point. Does not return if this is the chosen pass. Any thread."""
        if point is not self._point:
            return
        with self._lock:
            self._passes_left -= 1
            if self._passes_left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()  # the signal needs an instant; nothing may happen in it
