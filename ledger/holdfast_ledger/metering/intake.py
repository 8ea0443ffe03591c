"""The one door for events: each batch is kept once for its origin and content, and acknowledged after the commit.

Everything that brings events ends here: sidecars (`PushEvents`), object stores, streams, the ledger's own ReportEvents.
How to bring some:

- In the ledger's process, by itself: `await intake.take(Batch("kafka:orders", Content.EVENTS, count, content))`.
  When it returns, the batch is durable. `pack_events` and `pack_columns` (see `batches`) make the content.
- In the ledger's process, together with what says that it was brought (the manifest of an object, the offsets of a
  partition): `await intake.take(batch, beside=note)`, where `note(writer)` writes that in the same transaction. It is
  called also when the batch was there already, so that a note that is missing is made good. What it raises undoes both.
- In another process: `IngestService.PushEvents` with `origin` (and no `sidecar_id`), content of kind EVENTS. Repeat it
  until it is answered: repeated, it changes nothing.

Origins are "sidecar:ID", "object:NAME", "kafka:TOPIC" or "ledger". The events of a batch are valid by `event_rules`;
PushEvents checks them, who calls `take` has done so. Events that came before, in whichever batch, are found later by
their names and count once; so a batch may be made anew with other bounds after a crash.

Raises `LedgerBusy` when too many batches wait to be counted: wait `retry_after_ms`, then repeat. Without a usage store
nothing is counted, and nothing is refused either: batches are kept until there is one.

Downstream: whoever reads `event_batches` by key, in which they commit; `turns` counts them.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from holdfast_ledger.errors import InvalidArgument, LedgerBusy
from holdfast_ledger.metering.batches import MAX_BATCH_BYTES, Content
from holdfast_ledger.store.interface import Writer
from holdfast_ledger.store.metering_rows import EventBatchRow
from holdfast_ledger.validation import check_id
from holdfast_ledger.writer import GroupWriter

RETRY_AFTER_MS = 1_000
"""Told to whoever brings more than is kept: about the time of a turn of metering."""

Beside = Callable[[Writer], None]
"""What is written in the transaction that takes a batch in."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events to be taken in together."""

    origin: str
    content_kind: Content
    event_count: int
    """At least 1."""
    content: bytes


def put(writer: Writer, batch: Batch, now_ms: int) -> int:
    """Takes a batch in, in the transaction of its caller; returns its key, 0 if it is here already.

    Raises:
        InvalidArgument: The origin is no name, or the batch is empty or too large.
    """
    check_id("origin", batch.origin)
    if not 0 < len(batch.content) <= MAX_BATCH_BYTES:
        raise InvalidArgument("batch", f"has {len(batch.content)} bytes, not 1..{MAX_BATCH_BYTES}")
    if batch.event_count < 1:
        raise InvalidArgument("event_count", "is below 1")
    row = EventBatchRow(0, batch.origin, batch.event_count, now_ms, batch.content_kind, batch.content)
    return writer.insert_event_batch(row, hashlib.sha256(batch.content).digest())


class Intake:
    """Takes batches in through the writer of a replica. For its event loop."""

    def __init__(self, writer: GroupWriter, now_ms: Callable[[], int], waiting_limit: int) -> None:
        """`waiting_limit`: batches that may wait to be counted; 0: any number."""
        self._writer = writer
        self._now_ms = now_ms
        self._waiting_limit = waiting_limit

    async def take(self, batch: Batch, beside: Beside | None = None) -> int:
        """Takes a batch in; returns its key once it is durable, 0 if it was here already.

        Raises `LedgerBusy`, `InvalidArgument`, `Unavailable`, and what `beside` raises.
        """

        def job(writer: Writer) -> int:
            key = put(writer, batch, self._now_ms())
            if key and self._waiting_limit and writer.batches_wait(self._waiting_limit):
                raise LedgerBusy(RETRY_AFTER_MS)
            if beside is not None:
                beside(writer)
            return key

        return await self._writer.run(job)
