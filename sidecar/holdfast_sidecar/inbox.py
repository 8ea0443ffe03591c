"""What other threads tell the decision loop: the uplink's events, and that the process is to stop."""

from collections import deque
from collections.abc import Callable

from holdfast_sidecar.engine.events import Event


class Inbox:
    """Many writers, one reader, no lock: `deque.append` and `popleft` are atomic.

    Args:
        wake: Makes the loop look, from any thread.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._events: deque[Event] = deque()

    def put(self, event: Event) -> None:
        """Hands an event over."""
        self._events.append(event)
        self._wake()

    def take(self) -> list[Event]:
        """Returns what has come, in order."""
        events: list[Event] = []
        while self._events:
            events.append(self._events.popleft())
        return events
