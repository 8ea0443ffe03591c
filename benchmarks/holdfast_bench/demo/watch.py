"""Looks at the run a few times a second, from a thread of its own, and hands what it sees to the view.

It asks as an operator would: the sidecar's balance and metrics, the ledger's grants. It never stops the agents: while
the sidecar is away, it shows what it saw last.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Protocol

import grpc
import holdfast
from holdfast.v1.ledger_service_pb2 import Grant

from holdfast_bench.demo.stage import ACCOUNT, POOL, Stage, scrape
from holdfast_bench.demo.tally import Rates, Tally

_BALANCE_TIMEOUT_MS = 500


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened once."""

    at_s: float
    text: str
    alarming: bool = False


class Story:
    """Which act is being played, and what happened so far. Seconds count from the construction."""

    def __init__(self) -> None:
        self.begun_s = time.monotonic()
        self.act = ""
        self.events: list[Event] = []

    def elapsed_s(self) -> float:
        """Seconds of the demo."""
        return time.monotonic() - self.begun_s

    def tell(self, text: str, *, alarming: bool = False) -> None:
        """Something happened."""
        self.events.append(Event(self.elapsed_s(), text, alarming))


@dataclass(frozen=True, slots=True)
class Sight:
    """One look. Amounts in minor units."""

    elapsed_s: float
    act: str
    events: Sequence[Event]
    rates: Rates
    sidecar_up: bool
    posted: int = 0
    held: int = 0
    available: int = 0
    lag_ms: float = 0.0
    """Age of the oldest debit that the ledger has not acked."""
    outbox_count: int = 0
    """Debits that the ledger has not acked."""
    grants: Sequence[Grant] = field(default=())
    """In the order in which they burn."""
    granted_count: int = 0
    denied_count: int = 0
    fanout_count: int = 0
    open_count: int = 0


class View(Protocol):
    """Where sights are shown."""

    period_s: float
    """Time between two of them."""

    def show(self, sight: Sight) -> None:
        """Shows one."""

    def close(self) -> None:
        """Ends the showing; what was shown last stays. Idempotent."""


class Watch:
    """Looks and shows, from `start` to `stop`."""

    def __init__(self, stage: Stage, tally: Tally, story: Story, view: View) -> None:
        self._stage = stage
        self._tally = tally
        self._story = story
        self._view = view
        self._client = holdfast.Client(stage.sidecar_target, timeout_ms=_BALANCE_TIMEOUT_MS, retries=0)
        self._balance: holdfast.Balance | None = None
        self._grants: list[Grant] = []
        self._metrics: dict[str, float] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Shows a last sight and ends. Idempotent."""
        if not self._stopped.is_set():
            self._stopped.set()
            self._thread.join()
            try:
                self._view.show(self.look())
            finally:
                self._view.close()
                self._client.close()

    def look(self) -> Sight:
        """Looks once."""
        sidecar_up = self._ask()
        tally, story, balance = self._tally, self._story, self._balance
        return Sight(
            elapsed_s=story.elapsed_s(),
            act=story.act,
            events=tuple(story.events),
            rates=tally.rates(time.monotonic(), story.begun_s),
            sidecar_up=sidecar_up,
            posted=balance.posted if balance else 0,
            held=balance.held if balance else 0,
            available=balance.available if balance else 0,
            lag_ms=1e3 * self._metrics.get("holdfast_uplink_lag_seconds", 0.0),
            outbox_count=round(self._metrics.get("holdfast_outbox_debits", 0.0)),
            grants=tuple(self._grants),
            granted_count=tally.granted_count,
            denied_count=tally.denied.total(),
            fanout_count=tally.fanout_count,
            open_count=tally.open_count,
        )

    def _run(self) -> None:
        while not self._stopped.wait(self._view.period_s):
            self._view.show(self.look())

    def _ask(self) -> bool:
        """Asks everyone; returns whether the sidecar answered. What does not answer keeps its last figures."""
        try:
            self._grants = self._stage.grants()
            self._balance = self._client.get_balance(ACCOUNT, POOL)
            self._metrics = scrape(self._stage.metrics_url)
        except (holdfast.HoldfastError, grpc.RpcError, OSError, HTTPException):
            return False
        return True
