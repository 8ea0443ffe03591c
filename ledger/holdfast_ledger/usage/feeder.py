"""Feeds the usage store from the ledger's database, turn by turn: what was posted since, in columns, each row once.

Upstream: the ledger's tables, read on snapshots. A turn is everything between two sets of keys. It is planned, fed and
completed in this order, each step durable before the next, and a turn that was interrupted is repeated as it was
planned: the same rows under the same number, of which the store keeps one. See docs/decisions/0024-usage-store.md.
"""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import pyarrow as pa

from holdfast_ledger.store.feed_rows import FeedHeads, SpendLine
from holdfast_ledger.store.interface import Reader
from holdfast_ledger.usage import events, turns
from holdfast_ledger.usage.columns import insert, numbers, repeated, unsigned
from holdfast_ledger.usage.database import UsageDatabase, UsageStoreDown
from holdfast_ledger.usage.meters import Meters
from holdfast_ledger.usage.names import KEPT_COUNT, Names
from holdfast_ledger.usage.quantities import usage_rows
from holdfast_ledger.usage.spending import burn_of, spend_rows
from holdfast_ledger.usage.turns import Turn

ROWS_A_TURN = 20_000
"""Keys of one table in a turn: some tenths of a second, and as many megabytes; of the largest debits 200."""

EVENTS_A_TURN = 100_000
"""Events in a turn."""

FENCE_WAIT_MS = 1_000
"""Wait for transactions under way before a turn is put off; they are over within tenths of a second."""

FENCE_POLL_MS = 20

HOUR_MS = 3_600_000

PROGRESS_INTERVAL_MS = 5_000
"""After which it is written down again that nothing new came, so that questions know how fresh their answer is."""

BURNED_SQL = """SELECT grant_key, max(batch_no) AS last_no, argMax(burned_amount, batch_no) AS burned FROM grant_burns
WHERE grant_key IN {keys:Array(UInt64)} AND batch_no <= {batch_no:UInt64} GROUP BY grant_key"""


class HistoryChanged(Exception):
    """The ledger is not the one that the store was fed from: it was restored, or is another one."""


@dataclass(frozen=True, slots=True)
class Fed:
    """What a turn did."""

    turn: Turn
    """The last complete one."""
    row_count: int
    """Rows that it brought; 0: nothing was new."""
    behind: bool
    """Whether there is more to feed."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """How far the ledger went when it was looked at."""

    heads: FeedHeads
    fence: int
    read_at_ms: int


class Feeder:
    """Feeds one store from one ledger. One thread."""

    def __init__(
        self,
        database: UsageDatabase,
        reading: Callable[[], AbstractContextManager[Reader]],
        now_ms: Callable[[], int],
        touched: Callable[[int, Mapping[str, Collection[int]]], None],
    ) -> None:
        """Makes a feeder.

        Args:
            database: The usage store.
            reading: Opens a snapshot of the ledger's database.
            now_ms: Unix time in milliseconds.
            touched: Is told, before rows go in, of which turn they are and for which hours of which tables (Unix times
                in hours).
        """
        self._database = database
        self._reading = reading
        self._now_ms = now_ms
        self._touched = touched
        self._names = Names()
        self._meters = Meters()
        self._waiting: _Waiting | None = None
        """Heads whose fence was not passed yet."""
        self._progress: turns.Progress | None = None
        """As it was written last; None: it has to be read."""
        self._noted_at_ms = 0
        self._arrived: tuple[int, pa.Table | None] = (0, None)
        """The events of a turn that was planned, and its number."""

    def turn(self) -> Fed:
        """Feeds what is new, up to a limit.

        Raises:
            HistoryChanged: The store has to be fed anew.
            StoreError: The ledger's database; nothing is lost.
            UsageStoreError: The usage store; the same.
        """
        known, self._progress = self._progress or turns.progress(self._database), None
        done, plan = known.done, known.planned
        if not done.batch_no and plan is None:
            self._keep_carried()
        seen = self._waiting or self._see(done)
        if plan is None:
            plan = self._plan(done, seen.heads)
            if plan is None:
                return self._idle(done, seen.read_at_ms)
            if not self._passed(seen.fence):
                self._progress, self._waiting = known, seen
                return Fed(done, 0, True)
            plan = self._write_plan(plan)
        self._waiting = None
        caught_up = _reaches(plan, seen.heads)
        complete, row_count = self._feed_whole(done, plan, seen.read_at_ms if caught_up else 0)
        turns.write(self._database, complete, f"{plan.batch_no}:complete")
        self._progress = turns.Progress(complete, None)
        self._noted_at_ms = self._now_ms()
        return Fed(complete, row_count, not caught_up)

    def _keep_carried(self) -> None:
        """Keeps events that were carried over when the store was emptied; once more if that was cut off."""
        if not events.carried(self._database):
            return
        with self._reading() as reader:
            self._meters.read(reader)
        hours = events.hours(self._database)
        self._touched(0, {"usage": hours, "events": hours})
        events.keep(self._database, self._meters, 0)

    def _see(self, done: Turn) -> _Waiting:
        """Looks how far the ledger goes. Raises `HistoryChanged`."""
        now_ms = self._now_ms()
        with self._reading() as reader:
            heads = reader.feed_heads()
            anchor = reader.feed_anchor(done.entry_key, done.debit_key)
            fence = 0 if _reaches(done, heads) else reader.feed_fence()
        if done.batch_no and not _continues(done, heads, anchor):
            raise HistoryChanged(f"the ledger's history is not that of turn {done.batch_no}: it was restored")
        return _Waiting(heads, fence, now_ms)

    def _plan(self, done: Turn, heads: FeedHeads) -> Turn | None:
        """Returns the next turn; None if nothing is new."""
        ends = {
            "entry_key": min(heads.entry_key, done.entry_key + ROWS_A_TURN),
            "debit_key": min(heads.debit_key, done.debit_key + ROWS_A_TURN),
            "change_key": min(heads.change_key, done.change_key + ROWS_A_TURN),
        }
        batch_no = done.batch_no + 1
        with self._reading() as reader:
            until = events.batches_until(reader, done.event_batch_key, heads.batch_key, EVENTS_A_TURN)
            until, arrived = events.arrivals(reader, done.event_batch_key, until, batch_no, events.BYTES_A_TURN)
            if until == done.event_batch_key:
                until = heads.batch_key  # those between are not kept any more
            self._arrived, ends["event_batch_key"] = (batch_no, arrived), until
            anchor = reader.feed_anchor(ends["entry_key"], ends["debit_key"])
        plan = replace(done, **ends)  # type: ignore[arg-type]  # keys alone
        if plan == done:
            return None
        return replace(plan, batch_no=batch_no, complete=0, generation=heads.generation, anchor=anchor)

    def _write_plan(self, plan: Turn) -> Turn:
        """Writes a plan down, and returns what is there: a feeder that was slow to die may have been first."""
        turns.write(self._database, plan, f"{plan.batch_no}:plan")
        there = turns.progress(self._database).planned
        if there is None or there.batch_no != plan.batch_no:
            raise UsageStoreDown("another feeder is at work")
        if there != plan:
            self._arrived = 0, None
        return there

    def _passed(self, fence: int) -> bool:
        """Waits until everything up to the heads can be read, for a while."""
        deadline = time.monotonic() + FENCE_WAIT_MS / 1_000
        while True:
            with self._reading() as reader:
                if reader.fence_passed(fence):
                    return True
            if time.monotonic() > deadline:
                return False
            time.sleep(FENCE_POLL_MS / 1_000)

    def _idle(self, done: Turn, read_at_ms: int) -> Fed:
        """Notes up to when the store is complete."""
        complete = replace(done, complete_until=max(read_at_ms, done.complete_until))
        if done.batch_no and self._now_ms() - self._noted_at_ms >= PROGRESS_INTERVAL_MS:
            turns.write(self._database, complete)
            self._noted_at_ms = self._now_ms()
        self._progress = turns.Progress(complete, None)
        return Fed(complete, 0, False)

    def _feed_whole(self, done: Turn, plan: Turn, complete_until_ms: int) -> tuple[Turn, int]:
        """As `_feed`; if it fails, what was kept at hand of it is read anew."""
        try:
            return self._feed(done, plan, complete_until_ms)
        except BaseException:
            self._names.burned.clear()
            raise
        finally:
            self._arrived = 0, None

    def _feed(self, done: Turn, plan: Turn, complete_until_ms: int) -> tuple[Turn, int]:
        """Brings the rows of a turn in; returns it as complete, and how many rows."""
        with self._reading() as reader:
            lines = reader.spend_lines(done.entry_key, plan.entry_key)
            debits = reader.quantity_lines(done.debit_key, plan.debit_key)
            changes = [
                change
                for change in reader.metered_changes(done.change_key, ROWS_A_TURN)
                if change.change_key <= plan.change_key
            ]
            self._names.read(
                reader,
                [line.pool_key for line in lines],
                [line.grant_key for line in lines if line.grant_key],
                [*(line.lease_key for line in lines if line.lease_key), *(debit.lease_key for debit in debits)],
            )
            arrived_no, arrivals = self._arrived
            if arrived_no != plan.batch_no:  # it was planned by another process
                _, arrivals = events.arrivals(reader, done.event_batch_key, plan.event_batch_key, plan.batch_no)
            self._meters.read(reader)
        events.judge(self._database, arrivals, plan.batch_no)
        event_hours = events.hours(self._database) if arrivals is not None else []
        debit_hours = [time_ms // HOUR_MS for time_ms in (debit.used_at_ms for debit in debits)]
        change_hours = [change.starts_at_ms // HOUR_MS for change in changes]
        hours = {
            "spend": {line.used_at_ms // HOUR_MS for line in lines},
            "usage": {*debit_hours, *change_hours, *event_hours},
            "events": set(event_hours),
        }
        self._touched(plan.batch_no, hours)
        self._spend(lines, plan.batch_no)
        used = usage_rows(debits, changes, self._names, plan.batch_no)
        if used is not None:
            insert(self._database, "usage", used, f"{plan.batch_no}:usage")
        counted = events.Taken()
        if arrivals is not None:
            counted = events.keep(self._database, self._meters, plan.batch_no)
        usage_count = (used.num_rows if used is not None else 0) + counted.usage_count
        posted = [line.posted_at_ms for line in lines[-1:]] + [debit.posted_at_ms for debit in debits[-1:]]
        until = complete_until_ms or max(done.complete_until, min(posted, default=0))
        complete = turns.completed(
            plan,
            complete_until=until,
            spend_count=done.spend_count + len(lines),
            usage_count=done.usage_count + usage_count,
            event_count=done.event_count + counted.event_count,
        )
        return complete, len(lines) + usage_count + counted.event_count

    def _spend(self, lines: list[SpendLine], batch_no: int) -> None:
        if not lines:
            return
        keys = {line.grant_key for line in lines if line.grant_key}
        self._read_burned(lines, keys, batch_no)
        insert(self._database, "spend", spend_rows(lines, self._names, batch_no), f"{batch_no}:spend")
        burned = self._names.burned
        rows = {
            "grant_key": unsigned(sorted(keys)),
            "batch_no": repeated(batch_no, len(keys)),
            "burned_amount": numbers([burned.get(key, 0) for key in sorted(keys)]),
        }
        if keys:
            self._database.insert("grant_burns", pa.table(rows), f"{batch_no}:burns")

    def _read_burned(self, lines: list[SpendLine], keys: set[int], batch_no: int) -> None:
        """Reads what burned of grants before a turn, where it is not at hand."""
        burned = self._names.burned
        if len(burned) > KEPT_COUNT:
            burned.clear()
        if missing := keys - burned.keys():
            found = self._database.query(BURNED_SQL, {"keys": sorted(missing), "batch_no": batch_no})
            again = {row["grant_key"] for row in found.to_pylist() if row["last_no"] == batch_no}
            burned.update({row["grant_key"]: row["burned"] for row in found.to_pylist()})
            for line in lines:
                if line.grant_key in again:  # the turn was interrupted after this was written
                    burned[line.grant_key] -= burn_of(line)


def _continues(done: Turn, heads: FeedHeads, anchor: str) -> bool:
    """Tells whether the ledger's history goes on from a turn."""
    behind = any(head < fed for head, fed in _ends(done, heads))
    return not behind and heads.generation == done.generation and anchor == done.anchor


def _reaches(plan: Turn, heads: FeedHeads) -> bool:
    """Tells whether a turn goes as far as the ledger."""
    return all(head == fed for head, fed in _ends(plan, heads))


def _ends(turn: Turn, heads: FeedHeads) -> tuple[tuple[int, int], ...]:
    """Returns how far each table of the ledger goes, and how far a turn."""
    return (
        (heads.entry_key, turn.entry_key),
        (heads.debit_key, turn.debit_key),
        (heads.batch_key, turn.event_batch_key),
        (heads.change_key, turn.change_key),
    )
