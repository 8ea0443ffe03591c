"""The network between hosts and the ledger: streams that are ordered and reliable until they break.

A stream may be delayed, cut anywhere with what is under way lost, or go silent in one direction: what is sent then
waits, as in TCP, and comes when the link heals, unless one side has given up by then. After a cut each side hears of it
at a time of its own, so that two streams of one sidecar overlap at the ledger.
"""

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Protocol

from tests.simulation.clock import MS, SimLoop

UNAVAILABLE = 14
BUFFERED = 8
"""Messages that wait in a blocked direction before writing blocks."""
KEEPALIVE_NS = 3_000 * MS
"""After which the ledger notices that a silent peer is gone."""


class StreamEnd(Protocol):
    """One side of a stream, as the network sees it."""

    def deliver(self, message: bytes) -> None:
        """A message arrives."""

    def broken(self, status: int, reason: str, message: str) -> None:
        """The stream is over."""


class Link:
    """One host's way to the ledger."""

    def __init__(self, loop: SimLoop, rng: Random, delay_ns: tuple[int, int]) -> None:
        self.loop = loop
        self._rng = rng
        self._delay_ns = delay_ns
        self.up_open = True
        self.down_open = True
        self.streams: list[Stream] = []
        self.turn = 0
        """Connections dialed, which says the replica that it is."""

    @property
    def healthy(self) -> bool:
        """Whether both directions carry."""
        return self.up_open and self.down_open

    def delay(self) -> int:
        """Draws the time that a message takes."""
        low, high = self._delay_ns
        return self._rng.randint(low, high)

    def coin(self) -> float:
        """Draws a number in [0, 1)."""
        return self._rng.random()

    def set_open(self, up: bool, down: bool) -> None:
        """Opens or blocks the directions; what waited goes on its way."""
        self.up_open, self.down_open = up, down
        for stream in list(self.streams):
            stream.flush()

    def cut(self) -> None:
        """Breaks every stream: a suffix of what is under way is lost in each direction."""
        for stream in list(self.streams):
            stream.cut()


class _Way:
    """One direction of a stream: first in, first out."""

    def __init__(self) -> None:
        self.last_ns = 0
        self.waiting: deque[Callable[[], None]] = deque()
        self.sent_count = 0
        self.lost_from: int | None = None
        """Number of the first message that is lost; None: none is."""


class Stream:
    """One gRPC stream; `client` and `server` are its ends."""

    def __init__(self, link: Link, client: StreamEnd) -> None:
        self.link = link
        self._loop = link.loop
        self.client = client
        self.server: StreamEnd | None = None
        self._up, self._down = _Way(), _Way()
        self._client_open = self._server_open = True
        link.streams.append(self)

    def send_up(self, message: bytes) -> None:
        """The sidecar writes."""
        self._send(self._up, self.link.up_open, self._arrive_up, message)

    def send_down(self, message: bytes) -> None:
        """The ledger writes."""
        self._send(self._down, self.link.down_open, self._arrive_down, message)

    def has_room(self) -> bool:
        """Whether the sidecar may write: buffers hold so much of what goes nowhere."""
        return len(self._up.waiting) < BUFFERED

    def close_client(self) -> None:
        """The sidecar gives the stream up: it hears nothing more, the ledger hears of it behind what was sent."""
        self._client_open = False
        self._forget()
        if self.link.up_open:
            self._send(self._up, True, self._end_server)
        else:
            self._loop.after(KEEPALIVE_NS, self._end_server)

    def close_server(self, status: int, reason: str, message: str) -> None:
        """The ledger ends the stream; the sidecar hears of it behind what was sent."""
        self._server_open = False
        self._send(self._down, self.link.down_open, self._end_client, status, reason, message)

    def cut(self) -> None:
        """Both directions lose what they carry from some place on, and both ends hear of it, each in its time."""
        for way in (self._up, self._down):
            if way.lost_from is None:
                # Of what is under way, some gets through.
                way.lost_from = way.sent_count - int(self.link.coin() * 4)
            way.waiting.clear()
        if self.link.down_open:
            self._loop.after(self.link.delay(), self._end_client, UNAVAILABLE, "", "the connection broke")
        else:
            self._down.waiting.append(lambda: self._end_client(UNAVAILABLE, "", "the connection broke"))
        late_ns = int(self.link.delay() * (1 + 20 * self.link.coin()))
        self._loop.after(late_ns if self.link.up_open else KEEPALIVE_NS, self._end_server)

    def flush(self) -> None:
        """Sends what waited for a direction that is open again."""
        for way, is_open in ((self._up, self.link.up_open), (self._down, self.link.down_open)):
            while is_open and way.waiting:
                way.waiting.popleft()()

    def _send(self, way: _Way, is_open: bool, arrive: Callable[..., None], *args: object) -> None:
        number = way.sent_count
        way.sent_count += 1

        def go() -> None:
            way.last_ns = max(way.last_ns, self._loop.now_ns + self.link.delay())
            self._loop.at(way.last_ns, self._arrive, way, number, arrive, args)

        if is_open and not way.waiting:
            go()
        else:
            way.waiting.append(go)

    def _arrive(self, way: _Way, number: int, arrive: Callable[..., None], args: tuple[object, ...]) -> None:
        if way.lost_from is None or number < way.lost_from:
            arrive(*args)

    def _arrive_up(self, message: bytes) -> None:
        if self._server_open and self.server is not None:
            self.server.deliver(message)

    def _arrive_down(self, message: bytes) -> None:
        if self._client_open:
            self.client.deliver(message)

    def _end_server(self) -> None:
        if self._server_open:
            self._server_open = False
            self._forget()
            if self.server is not None:
                self.server.broken(UNAVAILABLE, "", "the peer is gone")

    def _end_client(self, status: int, reason: str, message: str) -> None:
        if self._client_open:
            self._client_open = False
            self._forget()
            self.client.broken(status, reason, message)

    def _forget(self) -> None:
        if not self._client_open and not self._server_open and self in self.link.streams:
            self.link.streams.remove(self)
