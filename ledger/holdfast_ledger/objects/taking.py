"""Takes claimed objects in: a batch and how far it brings its object are one transaction, so each row counts once.

Reading and making batches go on while the one before is being committed. A claim is short, and moved on all the time by
who has it; who lost it writes nothing more. Faults that may pass are tried again, ever later; others fail the object.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import pyarrow as pa
from obstore.store import ObjectStore

from holdfast_ledger.metering.batches import MAX_BATCH_BYTES, Content
from holdfast_ledger.metering.columns import pack_columns
from holdfast_ledger.metering.intake import Batch, put
from holdfast_ledger.objects.checking import Checker
from holdfast_ledger.objects.config import Source
from holdfast_ledger.objects.dead_letters import DeadLetters
from holdfast_ledger.objects.header import BadHeader
from holdfast_ledger.objects.pieces import Piece
from holdfast_ledger.objects.reading import read_object
from holdfast_ledger.objects.stores import ObjectGone, StoreFault
from holdfast_ledger.objects.unpacking import Damaged
from holdfast_ledger.store.interface import NEVER, Store, StoreError, Writer
from holdfast_ledger.store.object_rows import IngestedObject, ObjectState

CLAIM_MS = 15_000
"""A claim that is not moved on: so long an object waits after its worker was killed. One that is lost too early, since
clocks differ or a machine stood still, costs the piece under way, which another reads again."""

BEAT_S = 4.0
"""Between moves of a claim: three of them may fail."""

FIRST_BACKOFF_MS, LAST_BACKOFF_MS = 1_000, 300_000
"""Between attempts at an object, doubled each time."""

BUSY_WAIT_S = 0.25
"""Between looks whether the batches that wait to be counted have become fewer."""

MAX_ERROR_CHARS = 1_000

_log = logging.getLogger(__name__)


class ClaimLost(Exception):
    """Another worker has the object by now, or whoever looks after the ledger ended the attempt."""


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A source, its store, and where its dead rows go."""

    source: Source
    store: ObjectStore
    dead_letters: DeadLetters


class Taker:
    """Takes objects in, one after another. For one thread."""

    def __init__(
        self,
        store: Store,
        checker: Callable[[int], Checker],
        now_ms: Callable[[], int],
        *,
        max_attempts: int,
        waiting_limit: int,
    ) -> None:
        """Works on the ledger's database.

        Args:
            store: The database.
            checker: Makes the rules at a time.
            now_ms: The time.
            max_attempts: Attempts at an object before it fails.
            waiting_limit: Batches that may wait to be counted; 0: any number.
        """
        self._store = store
        self._checker = checker
        self._now_ms = now_ms
        self._max_attempts = max_attempts
        self._waiting_limit = waiting_limit
        self._stopped = False
        self._committer = ThreadPoolExecutor(1, "object-commits")

    def stop(self) -> None:
        """Makes the object under way stop at the next piece, to be gone on with by whoever comes. From any thread."""
        self._stopped = True

    def close(self) -> None:
        """Waits for what is being committed."""
        self._committer.shutdown()

    def take_next(
        self, sources: Collection[OpenSource], object_keys: Collection[int] | None = None
    ) -> IngestedObject | None:
        """Takes the object in that is longest due; returns it as it is then. None: none is due.

        Raises `StoreError` when the ledger's database fails: its object is tried again when the claim ends.
        """
        now_ms = self._now_ms()
        claim = secrets.token_hex(8)
        by_name = {one.source.name: one for one in sources}
        with self._store.writing() as writer:
            row = writer.claim_object(list(by_name), object_keys, claim, now_ms, now_ms + CLAIM_MS)
        return row if row is None else _Attempt(self, by_name[row.source], row).run()


class _Attempt:
    """One attempt at an object."""

    def __init__(self, taker: Taker, opened: OpenSource, row: IngestedObject) -> None:
        self._taker = taker
        self._opened = opened
        self._row = row
        self._claim = row.claim
        self._writing = threading.Lock()
        """Held by who writes: a store has one writer."""

    def run(self) -> IngestedObject:
        """Takes the object in as far as it goes; returns it as it is then."""
        ended = threading.Event()
        beats = threading.Thread(target=self._keep_claim, args=(ended,), name="object-claim", daemon=True)
        beats.start()
        try:
            self._run()
        except ClaimLost:
            _log.warning("object %s of %s: the claim is lost", self._row.path, self._row.source)
        finally:
            ended.set()
            beats.join()
        return self._row

    def _keep_claim(self, ended: threading.Event) -> None:
        """Moves the claim on, and nothing else, until the attempt has ended or the claim is lost."""
        kept = True
        while kept and not ended.wait(BEAT_S):
            try:
                with self._writing, self._taker._store.writing() as writer:
                    kept = writer.keep_claim(self._row.object_key, self._claim, self._taker._now_ms() + CLAIM_MS)
            except StoreError as fault:
                _log.warning("object %s of %s: the claim is not moved on: %s", self._row.path, self._row.source, fault)

    def _run(self) -> None:
        try:
            if self._row.attempt_count > self._taker._max_attempts:
                raise Damaged(self._row.error or "no attempt came to its end: each ended the process that made it")
            self._take_all()
            self._end(ObjectState.DONE, "")
        except (Damaged, BadHeader, ObjectGone) as fault:
            self._end(ObjectState.FAILED, self._told(fault))
        except StoreFault as fault:
            self._end_for_now(self._told(fault))
        except (StoreError, ClaimLost):
            raise
        except Exception as fault:  # noqa: BLE001 - one object must not end the worker of all
            _log.exception("object %s of %s: a fault that nobody thought of", self._row.path, self._row.source)
            self._end_for_now(f"{type(fault).__name__}: {fault}"[:MAX_ERROR_CHARS])

    def _told(self, fault: Exception) -> str:
        taken = f" (behind row {self._row.row_count}; what is before counts)" if self._row.row_count else ""
        return f"{fault}{taken}"[:MAX_ERROR_CHARS]

    def _take_all(self) -> None:
        checker = self._taker._checker(self._row.began_at_ms)
        pieces = read_object(self._opened.store, self._opened.source, self._row, checker, self._row.row_count)
        under_way: Future[None] | None = None
        try:
            for piece in pieces:
                if under_way is not None:
                    under_way.result()
                if self._taker._stopped:
                    raise StoreFault("the worker was stopped")
                under_way = self._taker._committer.submit(self._take, piece)
        finally:
            if under_way is not None:
                under_way.result()

    def _take(self, piece: Piece) -> None:
        """Takes a piece in. Raises `StoreFault`, `ClaimLost`, `StoreError`."""
        batches = list(batches_of(f"object:{self._row.source}", piece.table))
        self._opened.dead_letters.write(self._row, piece.dead)
        while self._busy():
            self._commit(self._row, lambda writer: None)
            time.sleep(BUSY_WAIT_S)
        row = self._row
        added_bytes = max(piece.end_bytes - row.byte_count, 0)
        moved = replace(
            row,
            row_count=row.row_count + piece.row_count,
            bad_count=row.bad_count + len(piece.dead),
            byte_count=row.byte_count + added_bytes,
        )

        def write(writer: Writer) -> None:
            for batch in batches:
                put(writer, batch, self._taker._now_ms())
            writer.add_to_source(row.source, 0, piece.row_count, len(piece.dead), added_bytes)

        self._commit(moved, write)
        self._row = moved

    def _busy(self) -> bool:
        if not self._taker._waiting_limit or self._taker._stopped:
            return False
        with self._taker._store.reading() as reader:
            return reader.batches_wait(self._taker._waiting_limit)

    def _commit(self, row: IngestedObject, write: Callable[[Writer], None]) -> None:
        """Writes, and how far the object is. Raises `ClaimLost` if it is another's: then nothing is written."""
        if row.state is ObjectState.RUNNING:
            row.due_at_ms = self._taker._now_ms() + CLAIM_MS
        with self._writing, self._taker._store.writing() as writer:
            if not writer.save_object(row, self._claim):
                raise ClaimLost
            write(writer)

    def _end(self, state: ObjectState, error: str) -> None:
        row = self._row
        row.state, row.error, row.claim = state, error, ""
        row.due_at_ms, row.ended_at_ms = NEVER, self._taker._now_ms()
        done_count = int(state is ObjectState.DONE)
        self._commit(row, lambda writer: writer.add_to_source(row.source, done_count, 0, 0, 0))
        _log.info("object %s of %s: %s, %d rows %s", row.path, row.source, state.name.lower(), row.row_count, error)

    def _end_for_now(self, error: str) -> None:
        """Leaves the object for a later attempt, at once where it was only stopped."""
        row = self._row
        if self._taker._stopped:
            wait_ms, row.attempt_count = 0, row.attempt_count - 1
        elif row.attempt_count >= self._taker._max_attempts:
            self._end(ObjectState.FAILED, error)
            return
        else:
            wait_ms = min(FIRST_BACKOFF_MS << min(row.attempt_count - 1, 20), LAST_BACKOFF_MS)
        row.state, row.error, row.claim = ObjectState.PENDING, error, ""
        row.due_at_ms = self._taker._now_ms() + wait_ms
        self._commit(row, lambda writer: None)


def batches_of(origin: str, table: pa.Table) -> Iterator[Batch]:
    """Packs events; in parts where they are too large for one batch."""
    if not table.num_rows:
        return
    content = pack_columns(table)
    if len(content) <= MAX_BATCH_BYTES or table.num_rows == 1:
        yield Batch(origin, Content.COLUMNS, table.num_rows, content)
        return
    half = table.num_rows // 2
    yield from batches_of(origin, table.slice(0, half))
    yield from batches_of(origin, table.slice(half))
