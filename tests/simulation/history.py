"""What happened in a run, in order: cheap to keep, hashed to compare runs, put into words only when somebody reads."""

from collections.abc import Callable
from hashlib import sha256

MAX_TOLD = 400
"""Lines of a printed history; the end matters most."""

Event = tuple[int, str, str, tuple[object, ...]]
"""(virtual time, who, what, details)."""


class History:
    """The events of one run."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self.events: list[Event] = []

    def tell(self, who: str, what: str, *details: object) -> None:
        """Adds an event; the details are plain values."""
        self.events.append((self._now_ns(), who, what, details))

    def digest(self) -> str:
        """Returns a hash of all of it: two runs are the same run when theirs are equal."""
        return sha256(repr(self.events).encode()).hexdigest()

    def text(self, limit: int = MAX_TOLD) -> str:
        """Returns the last events, one a line."""
        told = self.events[-limit:]
        left_out = len(self.events) - len(told)
        head = [f"({left_out} events before)"] if left_out else []
        return "\n".join(head + [_line(event) for event in told])


def _line(event: Event) -> str:
    at_ns, who, what, details = event
    words = " ".join(str(detail) for detail in details)
    return f"{at_ns / 1e6:10.3f} ms  {who:<8} {what} {words}".rstrip()
