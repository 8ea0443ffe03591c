"""Takes events in from Kafka: events and their offsets are committed in one transaction of the ledger's database.

So each message is taken in once, through kills of the importer, of the broker and of the database. Kafka's own offsets
of the group are moved too, after it, so that tools that look at lag see it; nothing is read from them.

Messages that are no events go to a topic of their own with the reason, before the offset moves: after a kill one may be
there twice, with the same headers. Downstream: `metering.intake`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from holdfast.v1.ingest_service_pb2 import RecordedEvent

from holdfast_ledger.metering.batches import MAX_BATCH_BYTES, Content, pack_events
from holdfast_ledger.metering.event_rules import EventTerms, event_fault
from holdfast_ledger.metering.intake import Batch, put
from holdfast_ledger.store.interface import Store
from holdfast_ledger.streams.config import StreamsConfig
from holdfast_ledger.streams.decoding import NotAnEvent, event_of
from holdfast_ledger.streams.delivery import noting

POLL_S = 0.5
TIMEOUT_S = 30.0
REASON_BYTES = 1_024
KEPT_BYTES = 512 * 1_024
"""Of the value of a message that is put aside: it, and headers, have to be below what any broker takes."""
KEPT_KEY_BYTES = 4 * 1_024

Partition = tuple[str, int]


class Moved(Exception):
    """Another consumer of the group has taken messages in that this one has read: they are its, and begun anew."""


@dataclass(slots=True)
class ImportCounts:
    """Counts since the start, for metrics."""

    message_count: int = 0
    event_count: int = 0
    dead_letter_count: int = 0
    transaction_count: int = 0
    paused_count: int = 0


@dataclass(slots=True)
class _Taken:
    """What came of the messages of one partition."""

    next_offset: int = 0
    events: list[RecordedEvent] = field(default_factory=list)


class Importer:
    """One consumer of a group. `turn` until the end of time; one thread."""

    def __init__(self, config: StreamsConfig, store: Store, terms: EventTerms, now_ms: Callable[[], int]) -> None:
        """Joins the group. Raises KafkaException."""
        assert config.imports is not None
        self._config = config.imports
        self._store = store
        self._terms = terms
        self._now_ms = now_ms
        self.counts = ImportCounts()
        client = config.client | {"bootstrap.servers": config.brokers}
        self._dead_letters = Producer(client | {"enable.idempotence": "true"})
        self._consumer = Consumer(
            client
            | {
                "group.id": self._config.group,
                "enable.auto.commit": "false",
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "allow.auto.create.topics": "false",
            }
        )
        self._expected: dict[Partition, int | None] = {}
        """The offsets in the database, of the partitions that are ours."""
        self._held: list[Message] = []
        """Came while nothing was to be read, of partitions that were given to us just then."""
        self._faults: list[KafkaError] = []
        """Of messages that could not be put aside."""
        self._consumer.subscribe(list(self._config.topics), on_assign=self._assigned)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Goes on where the database says."""
        self._expected.clear()
        places = []
        with self._store.reading() as reader:
            for one in partitions:
                offset = reader.stream_offset(self._config.group, one.topic, one.partition)
                self._expected[one.topic, one.partition] = offset
                places.append(TopicPartition(one.topic, one.partition, OFFSET_BEGINNING if offset is None else offset))
        consumer.assign(places)

    def turn(self) -> int:
        """Takes in what has come, waiting for it for a moment; returns how many messages that was.

        Raises:
            KafkaException: the brokers failed; make another importer.
            Moved: another consumer has the partition now; make another importer.
            StoreError: the database failed; make another importer.
        """
        if self._too_far_ahead():
            return 0
        messages = self._held + self._consumer.consume(self._config.batch_messages, POLL_S)
        self._held = []
        for message in messages:
            if (fault := message.error()) is not None:
                raise KafkaException(fault)
        if not messages:
            return 0
        taken = self._read(messages)
        if self._dead_letters.flush(TIMEOUT_S):
            raise KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT, "messages could not be put aside"))
        if self._faults:
            raise KafkaException(self._faults[0])
        if taken:
            self._commit(taken)
        self.counts.message_count += len(messages)
        self.counts.transaction_count += 1
        return len(messages)

    def _too_far_ahead(self) -> bool:
        """Stays in the group without reading, while what was taken in waits to be counted."""
        with self._store.reading() as reader:
            waiting = reader.batches_wait(self._config.waiting_batches)
        if not waiting:
            return False
        self.counts.paused_count += 1
        mine = self._consumer.assignment()
        self._consumer.pause(mine)
        if (message := self._consumer.poll(POLL_S)) is not None:
            self._held.append(message)
        self._consumer.resume(mine)
        return True

    def _read(self, messages: Sequence[Message]) -> dict[Partition, _Taken]:
        now_ms = self._now_ms()
        result: dict[Partition, _Taken] = {}
        for message in messages:
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            assert topic is not None
            assert partition is not None
            assert offset is not None
            if (topic, partition) not in self._expected:
                continue  # another's by now, who reads it anew
            taken = result.setdefault((topic, partition), _Taken(self._expected[topic, partition] or 0))
            if offset < taken.next_offset:
                continue  # read before the partition went and came back
            taken.next_offset = offset + 1
            try:
                event = event_of(message.value() or b"", _headers(message))
                if (fault := event_fault(event, now_ms, self._terms)) is not None:
                    raise NotAnEvent(*fault)
                taken.events.append(RecordedEvent(event=event, accepted_at_unix_ms=now_ms))
            except NotAnEvent as refusal:
                self._put_aside(message, refusal)
        return result

    def _put_aside(self, message: Message, fault: NotAnEvent) -> None:
        headers: list[tuple[str, str | bytes | None]] = [
            ("holdfast-field", fault.field.encode()[:REASON_BYTES]),
            ("holdfast-reason", fault.message.encode()[:REASON_BYTES]),
            ("holdfast-topic", message.topic()),
            ("holdfast-partition", str(message.partition())),
            ("holdfast-offset", str(message.offset())),
        ]
        value, key = message.value(), message.key()
        if value is not None and len(value) > KEPT_BYTES:
            headers.append(("holdfast-cut-from", str(len(value))))
            value = value[:KEPT_BYTES]
        if key is not None:
            key = key[:KEPT_KEY_BYTES]
        self._dead_letters.produce(
            self._config.dead_letters, value, key, headers=headers, on_delivery=noting(self._faults)
        )
        self._dead_letters.poll(0)
        self.counts.dead_letter_count += 1

    def _commit(self, taken: dict[Partition, _Taken]) -> None:
        """Writes events and offsets. Raises `Moved`, `StoreError`."""
        now_ms = self._now_ms()
        with self._store.writing() as writer:
            for (topic, partition), one in sorted(taken.items()):
                expected = self._expected.get((topic, partition))
                if not writer.move_stream_offset(self._config.group, topic, partition, expected, one.next_offset):
                    raise Moved(f"{topic}[{partition}]: another consumer of the group went on")
                for events, content in _contents(one.events):
                    put(writer, Batch(f"kafka:{topic}", Content.EVENTS, events, content), now_ms)
        for name, one in taken.items():
            self._expected[name] = one.next_offset
            self.counts.event_count += len(one.events)
        offsets = [TopicPartition(topic, partition, one.next_offset) for (topic, partition), one in taken.items()]
        self._consumer.commit(offsets=offsets, asynchronous=True)

    def close(self) -> None:
        """Leaves the group."""
        self._consumer.close()


def _headers(message: Message) -> dict[str, bytes]:
    found = cast(Sequence[tuple[str, bytes | None]], message.headers() or ())
    return {name: value or b"" for name, value in found}


def _contents(events: list[RecordedEvent]) -> list[tuple[int, bytes]]:
    """Returns the contents of as few batches as hold the events, each with its count."""
    if not events:
        return []
    content = pack_events(events)
    if len(content) <= MAX_BATCH_BYTES or len(events) == 1:
        return [(len(events), content)]
    middle = len(events) // 2
    return [*_contents(events[:middle]), *_contents(events[middle:])]
