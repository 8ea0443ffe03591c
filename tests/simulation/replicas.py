"""The replicas of the ledger over one database, and which of them a sidecar dials: each in turn."""

from collections.abc import Callable, Collection
from random import Random

from holdfast_ledger.config import LedgerConfig

from tests.simulation.clock import MS, SimLoop, WallClock
from tests.simulation.events import EventsPlan
from tests.simulation.history import History
from tests.simulation.ledger import SimDatabase, SimLedger
from tests.simulation.network import Link, Stream
from tests.simulation.usage_model import Looking

ANNOUNCE_NS = 5 * MS
"""The longest that an announcement takes from one replica to another."""


class Replicas:
    """One to a few ledger processes, each on a machine of its own."""

    def __init__(
        self,
        loop: SimLoop,
        history: History,
        rng: Random,
        config: LedgerConfig,
        drift_ppm: int,
        commit_delay_ns: tuple[int, int],
        committed: Callable[[], None],
        count: int,
        events: EventsPlan,
        looking: Looking,
    ) -> None:
        self._loop = loop
        self._rng = rng
        self.database = SimDatabase()
        self.looking = looking
        self.all = [
            SimLedger(
                loop,
                history,
                f"ledger-{number}" if count > 1 else "ledger",
                Random(f"{rng.random()}"),
                config,
                # Steered by the same time service: they may all be off, and then alike.
                WallClock(loop, drift_ppm),
                commit_delay_ns,
                committed,
                self.database,
                self._announce,
                events,
                looking,
            )
            for number in range(count)
        ]

    def dial(self, link: Link, answer: Callable[[bool], None]) -> None:
        """A connection to the next replica takes two ways; over a blocked link there is no answer at all."""
        link.turn += 1

        def arrived() -> None:
            if link.healthy:
                answer(self._at(link).alive)

        self._loop.after(link.delay() + link.delay(), arrived)

    def accept(self, stream: Stream) -> None:
        """A sidecar opens a stream on the connection that it has."""
        self._at(stream.link).accept(stream)

    def any_alive(self) -> SimLedger | None:
        """Returns a replica that runs."""
        return next((ledger for ledger in self.all if ledger.alive), None)

    def _at(self, link: Link) -> SimLedger:
        return self.all[link.turn % len(self.all)]

    def _announce(self, teller: SimLedger, pool_keys: Collection[int]) -> None:
        keys = frozenset(pool_keys)
        for ledger in self.all:
            if ledger is not teller:
                self._loop.after(self._rng.randint(1, ANNOUNCE_NS), ledger.hear, keys)
