"""Sends debits, entries and events to Kafka, in transactions that also hold how far they go.

Upstream: the ledger's tables, read by key, no further than what can still come below (`feed_heads`). So each row is in
the stream once for a reader of committed messages, through kills of the exporter and of the broker; and each has an id,
for who reads otherwise. Of two exporters of a name the younger one goes on: the other is fenced and ends.
"""

import time
from dataclasses import dataclass, replace

from confluent_kafka import KafkaError, KafkaException, Producer

from holdfast_ledger.metering.batches import Content
from holdfast_ledger.store.feed_rows import FeedHeads
from holdfast_ledger.store.interface import Reader, Store, StoreFailed
from holdfast_ledger.streams.batches import events_of
from holdfast_ledger.streams.config import StreamsConfig
from holdfast_ledger.streams.delivery import noting
from holdfast_ledger.streams.marks import Mark, encode, read_mark
from holdfast_ledger.streams.records import Record, debit_record, entry_record, event_record

TIMEOUT_S = 30.0

FENCE_PAUSE_S = 0.005
"""Between looks at whether the transactions that were under way are over: each takes some milliseconds."""


class ExportEnded(Exception):
    """The export cannot go on by itself; the message says why, and what to do."""


@dataclass(slots=True)
class ExportCounts:
    """Counts since the start, for metrics."""

    record_count: int = 0
    transaction_count: int = 0
    behind_count: int = 0
    """Keys of debits, entries and batches that are not sent, after the last turn."""


class Exporter:
    """One exporter. `turn` until the end of time; one thread."""

    def __init__(self, config: StreamsConfig, store: Store, *, from_start: bool = False) -> None:
        """Takes over from an older exporter of its name. Raises `ExportEnded`, `MarksUnreadable`, KafkaException."""
        assert config.export is not None
        self._config = config.export
        self._store = store
        client = config.client | {"bootstrap.servers": config.brokers}
        settings = {"transactional.id": f"holdfast-export-{self._config.name}", "linger.ms": "5"}
        self._producer = Producer(client | settings | {"compression.type": client.get("compression.type", "zstd")})
        self._producer.init_transactions(TIMEOUT_S)
        self._mark = Mark() if from_start else read_mark(client, self._config.marks, self._config.name)
        self.counts = ExportCounts()
        self._check_history()

    def _check_history(self) -> None:
        """Refuses to go on after rows that the ledger no longer has."""
        mark = self._mark
        with self._store.reading() as reader:
            heads = reader.feed_heads()
            known = reader.feed_anchor(mark.entry_key, mark.debit_key)
        lost = mark.debit_key > heads.debit_key or mark.entry_key > heads.entry_key or mark.batch_key > heads.batch_key
        if lost or (mark.anchor and mark.anchor != known):
            raise ExportEnded(
                "the ledger's history is not the one that was sent: its database was restored. Begin anew with "
                "--from-start: debits have the same ids again; entries of the former history are to be dropped"
            )

    def turn(self) -> int:
        """Sends what is new, in one transaction; returns how many rows that was, 0 if there was none.

        Raises:
            ExportEnded: fenced, or refused for good.
            StoreError: the database failed.
            KafkaException: the brokers did not take it, or may have; make another exporter, which finds out.
        """
        heads = self._safe_heads()
        with self._store.reading() as reader:
            records, mark = self._next(reader, heads)
            if mark == self._mark:
                self.counts.behind_count = 0
                return 0
            mark = replace(mark, anchor=reader.feed_anchor(mark.entry_key, mark.debit_key))
        self._send(records, mark)
        self._mark = mark
        self.counts.record_count += len(records)
        self.counts.transaction_count += 1
        self.counts.behind_count = self._behind(heads, mark)
        return len(records)

    def _safe_heads(self) -> FeedHeads:
        """Returns how far can be read: keys below which nothing comes any more.

        Raises:
            StoreFailed: a transaction that gave keys out does not end.
        """
        with self._store.reading() as reader:
            heads, fence = reader.feed_heads(), reader.feed_fence()
        until = time.monotonic() + TIMEOUT_S
        while time.monotonic() < until:
            with self._store.reading() as reader:
                if reader.fence_passed(fence):
                    return heads
            time.sleep(FENCE_PAUSE_S)
        raise StoreFailed(f"a transaction in the ledger's database has not ended for {TIMEOUT_S:.0f} s")

    def _next(self, reader: Reader, heads: FeedHeads) -> tuple[list[tuple[str, Record]], Mark]:
        """Returns the next rows as records of topics, and how far they go."""
        config, mark, limit = self._config, self._mark, self._config.batch_rows
        records: list[tuple[str, Record]] = []
        if config.debits:
            debits = reader.debits_to_stream(mark.debit_key, heads.debit_key, limit)
            records += [(config.debits, debit_record(row)) for row in debits]
            mark = replace(mark, debit_key=debits[-1].debit_key if debits else mark.debit_key)
        if config.entries:
            entries = reader.entries_to_stream(mark.entry_key, heads.entry_key, limit)
            records += [(config.entries, entry_record(row, heads.generation)) for row in entries]
            mark = replace(mark, entry_key=entries[-1].entry_key if entries else mark.entry_key)
        if config.events:
            for batch in reader.event_batches(mark.batch_key, 1):
                if batch.batch_key <= heads.batch_key:
                    told = events_of(Content(batch.content_kind), batch.content)
                    records += [(config.events, event_record(event, void=void)) for event, void in told]
                    mark = replace(mark, batch_key=batch.batch_key)
        return records, mark

    def _send(self, records: list[tuple[str, Record]], mark: Mark) -> None:
        faults: list[KafkaError] = []
        try:
            self._producer.begin_transaction()
            for topic, record in records:
                self._produce(topic, record.key, record.value, faults)
            self._produce(self._config.marks, self._config.name.encode(), encode(mark), faults)
            self._producer.flush(TIMEOUT_S)
            if faults:
                raise KafkaException(faults[0])
            self._producer.commit_transaction(TIMEOUT_S)
        except KafkaException as fault:
            error = fault.args[0]
            if error.fatal():
                raise ExportEnded(
                    f"another exporter of this name took over, or it is refused: {error.str()}"
                ) from fault
            raise

    def _produce(self, topic: str, key: bytes, value: bytes, faults: list[KafkaError]) -> None:
        told = noting(faults)
        while True:
            try:
                self._producer.produce(topic, value, key, on_delivery=told)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _behind(self, heads: FeedHeads, mark: Mark) -> int:
        config = self._config
        return (
            (heads.debit_key - mark.debit_key if config.debits else 0)
            + (heads.entry_key - mark.entry_key if config.entries else 0)
            + (heads.batch_key - mark.batch_key if config.events else 0)
        )

    def close(self) -> None:
        """Lets go of the brokers."""
        self._producer.purge()
        self._producer.flush(1.0)
