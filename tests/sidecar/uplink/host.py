"""The rest of a sidecar for the runner's tests: an outbox, an inbox, and a loop that adopts epochs."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from random import Random

import uvloop
from holdfast.v1 import ledger_sync_service_pb2 as pb
from holdfast_sidecar.engine.events import Connected, DebitsAcked, LeaseAsk, RulesAsk, UplinkEvent
from holdfast_sidecar.store.interface import StoreFailed
from holdfast_sidecar.uplink.limits import UplinkLimits
from holdfast_sidecar.uplink.protocol import UplinkIdentity
from holdfast_sidecar.uplink.runner import Uplink

DEBIT_AMOUNT = 1250
"""Minor units of every debit here."""
PATIENCE_S = 60.0
"""For a condition that must come true; none is expected to take a tenth of it, on a busy machine either."""


def boottime_ns() -> int:
    """Returns the clock of the sidecar."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def make_debit(sequence: int, epoch: int = 1, operation_id: str = "") -> bytes:
    """Returns a stored debit."""
    debit = pb.Debit(
        sequence=sequence,
        epoch=epoch,
        account_id="acme",
        pool_id="general",
        amount=DEBIT_AMOUNT,
        operation_id=operation_id or f"op-{sequence}",
    )
    return debit.SerializeToString()


class Host:
    """A sidecar's folder, decision loop, and uplink on a thread of its own."""

    def __init__(
        self,
        targets: str,
        limits: UplinkLimits | None = None,
        instance: bytes = b"i" * 16,
        now_ns: Callable[[], int] = boottime_ns,
    ) -> None:
        """Starts with an empty folder, adopting the epochs that come. `targets`: separated by commas."""
        self.adopting = True
        self.broken = False
        self.events: list[UplinkEvent] = []
        self.read_bytes_max = 0
        self.read_count = 0
        self.epoch = 0
        self._outbox: dict[int, bytes] = {}
        self.last_sequence = 0
        self._changed = threading.Condition()
        identity = UplinkIdentity("host-1", 0, instance, 0, 0, 60_000, "test")
        self.uplink = Uplink(targets.split(","), identity, self._read_debits, self._take, now_ns, Random(7), limits)
        self.loop = uvloop.new_event_loop()
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Host":
        """Starts the uplink's thread."""
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops it."""
        self.stop(0)

    def stop(self, drain_ms: int) -> None:
        """Stops the uplink and waits for its thread; raises what ended it."""
        stopping = self.uplink.stop(drain_ms)
        if self.thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop has just closed by itself: fenced
                asyncio.run_coroutine_threadsafe(stopping, self.loop)
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()
        stopping.close()  # it has not begun if the loop ended first
        if self.failure is not None:
            raise self.failure

    def settle(self, count: int, lease_asks: Sequence[LeaseAsk | RulesAsk] = ()) -> None:
        """Commits a batch with so many debits, and tells the uplink."""
        with self._changed:
            for sequence in range(self.last_sequence + 1, self.last_sequence + count + 1):
                self._outbox[sequence] = make_debit(sequence, self.epoch)
            self.last_sequence += count
            self.uplink.notify(self.last_sequence, self.epoch, lease_asks)

    def adopt(self) -> None:
        """Makes the epoch of the last Welcome durable."""
        with self._changed:
            self.epoch = max(event.epoch for event in self.events if isinstance(event, Connected))
            self.uplink.notify(self.last_sequence, self.epoch, ())

    def trim(self, sequence: int) -> None:
        """Forgets debits up to a sequence."""
        with self._changed:
            for known in [known for known in self._outbox if known <= sequence]:
                del self._outbox[known]

    def seen(self, kind: type[UplinkEvent]) -> int:
        """Returns how many events of a kind have come."""
        with self._changed:
            return sum(isinstance(event, kind) for event in self.events)

    def acked(self) -> int:
        """Returns the highest sequence that the engine was told is posted."""
        with self._changed:
            told = (event for event in self.events if isinstance(event, DebitsAcked | Connected))
            return max((event.acked_sequence for event in told), default=0)

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits until something is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"did not come true; {self.uplink.statistics()}, {self.events[-5:]}"
            assert self.failure is None, self.failure
            time.sleep(0.002)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
                runner.run(self.uplink.run())
        except BaseException as error:  # noqa: BLE001  # handed to the test's thread
            self.failure = error

    def _take(self, event: UplinkEvent) -> None:
        with self._changed:
            self.events.append(event)
        if isinstance(event, Connected) and self.adopting:
            threading.Thread(target=self.adopt, daemon=True).start()

    def _read_debits(self, after: int, max_count: int, max_bytes: int) -> list[tuple[int, bytes]]:
        if self.broken:
            raise StoreFailed("broken")
        rows: list[tuple[int, bytes]] = []
        size = 0
        with self._changed:
            sequence = after + 1
            while sequence in self._outbox and len(rows) < max_count:
                debit = self._outbox[sequence]
                if rows and size + len(debit) > max_bytes:
                    break
                rows.append((sequence, debit))
                size += len(debit)
                sequence += 1
            self.read_count += len(rows)
        self.read_bytes_max = max(self.read_bytes_max, size)
        return rows
