"""The job that meters: asks the usage store what new batches come to, writes it down, and posts what waits.

One of each replica; whoever comes first writes, the others find that the mark has moved. Without a usage store, batches
wait, and only what was written down before is posted.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from holdfast_ledger.metering import posting
from holdfast_ledger.metering.differences import Differences
from holdfast_ledger.metering.posting import Keys, Turned
from holdfast_ledger.store.interface import Locks, Reader, Store, Writer
from holdfast_ledger.sync.registry import Registry
from holdfast_ledger.writer import GroupWriter

if TYPE_CHECKING:
    from holdfast_ledger.usage.database import UsageDatabase

T = TypeVar("T")

Look = Callable[[Reader], Differences | None]
"""Says what the next batches come to; None: there are none."""

MAX_CHARGES = 1_024
"""Charges of a transaction: some hundredths of a second of work, behind which others wait."""

MAX_CORRECTIONS = 64
"""The same of corrections, each of which is some statements."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class MeteringCounts:
    """What a replica did since its start."""

    run_count: int = 0
    """Runs of batches that it wrote down."""
    charge_count: int = 0
    """Charges that it posted."""
    correction_count: int = 0
    """Corrections that it looked at, also those whose debit was not there."""
    failure_count: int = 0
    """Turns that failed; what they were to do is done by the next ones."""


class Metering:
    """Meters until it is cancelled. On one event loop."""

    def __init__(
        self,
        store: Store,
        writer: GroupWriter,
        registry: Registry,
        now_ms: Callable[[], int],
        look: Look | None,
    ) -> None:
        """No `look`: there is no usage store."""
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger-metering")
        self._writer = writer
        self._registry = registry
        self._now_ms = now_ms
        self._look = look
        self.counts = MeteringCounts()

    async def run(self, interval_ms: int) -> None:
        """Takes a turn at each interval."""
        told = ""
        while True:
            try:
                await self.turn()
                told = ""
            except Exception as fault:  # noqa: BLE001 - the usage store has faults of its own, and the next turn tries
                self.counts.failure_count += 1
                if str(fault) != told:
                    told = str(fault)
                    _log.warning("metering failed and will be repeated: %s", told)
            await asyncio.sleep(interval_ms / 1_000)

    async def turn(self) -> None:
        """Meters all batches that the usage store has, and posts all that is due.

        Raises what the stores raise; what was done until then stays done.
        """
        more = True
        while more:
            more = await self._note()
            await self._post_waiting()

    async def _post_waiting(self) -> None:
        """Posts the charges and corrections that wait."""
        self.counts.charge_count += await self._post(
            lambda reader: posting.charge_locks(reader, MAX_CHARGES),
            lambda writer, keys: posting.post_charges(writer, keys, self._now_ms()),
            MAX_CHARGES,
        )
        self.counts.correction_count += await self._post(
            lambda reader: posting.correction_locks(reader, self._now_ms(), MAX_CORRECTIONS),
            lambda writer, keys: posting.make_corrections(writer, keys, self._now_ms()),
            0,
        )

    async def _note(self) -> bool:
        """Writes down what a run of batches comes to; False: there are none."""
        look = self._look
        if look is None:
            return False
        found = await self._read(look)
        if found is None:
            return False
        noted = await self._writer.run(lambda writer: posting.note(writer, found, self._now_ms()))
        self.counts.run_count += noted
        return True

    async def _post(
        self,
        find: Callable[[Reader], tuple[Keys, Locks]],
        carry_out: Callable[[Writer, Keys], Turned],
        debit_count: int,
    ) -> int:
        """Carries out what waits, until nothing does; returns how many it were."""
        count = 0
        while True:
            keys, locks = await self._read(find)
            if not keys:
                return count
            turned = await self._writer.run(partial(_swapped, carry_out, keys), locks, debit_count)
            self._registry.pools_changed(set(turned.pools))
            count += turned.count

    async def _read(self, query: Callable[[Reader], T]) -> T:
        """Carries a query out on a snapshot, on this job's own thread."""

        def on_snapshot() -> T:
            with self._store.reading() as reader:
                return query(reader)

        return await asyncio.get_running_loop().run_in_executor(self._thread, on_snapshot)

    def close(self) -> None:
        """Waits for a query under way. Idempotent."""
        self._thread.shutdown()


def look_into(database: "UsageDatabase") -> Look:
    """Returns what looks into a usage store."""
    from holdfast_ledger.metering.looking import looking  # noqa: PLC0415 - Arrow is an extra

    return looking(database)


def _swapped(carry_out: Callable[[Writer, Keys], Turned], keys: Keys, writer: Writer) -> Turned:
    return carry_out(writer, keys)
