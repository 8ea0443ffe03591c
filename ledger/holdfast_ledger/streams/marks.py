"""How far an exporter came, kept in Kafka itself: in the transaction that sent the rows, so both are there or none."""

import json
from dataclasses import asdict, dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

TIMEOUT_S = 30.0


class MarksUnreadable(Exception):
    """How far the export came cannot be told; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The last rows that were sent, by key."""

    debit_key: int = 0
    entry_key: int = 0
    batch_key: int = 0
    anchor: str = ""
    """Tells the last debit and entry, so that another history with the same keys is noticed."""


def encode(mark: Mark) -> bytes:
    """Returns what is kept of a mark."""
    return json.dumps(asdict(mark)).encode()


def read_mark(client: dict[str, str], topic: str, name: str) -> Mark:
    """Returns the latest mark of an exporter that is committed; the beginning, if there is none.

    Raises:
        MarksUnreadable: there is no such topic, it has several partitions, or a mark is none.
        KafkaException: the brokers cannot be reached.
    """
    consumer = Consumer(
        client
        | {
            "group.id": f"{name}-marks",
            "enable.auto.commit": "false",
            "isolation.level": "read_committed",
            "enable.partition.eof": "true",
            "allow.auto.create.topics": "false",
        }
    )
    try:
        found = consumer.list_topics(topic, TIMEOUT_S).topics[topic]
        if found.error is not None or len(found.partitions) != 1:
            raise MarksUnreadable(f"the topic {topic} has to be there, with one partition and cleanup.policy=compact")
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        latest = b""
        while True:
            message = consumer.poll(TIMEOUT_S)
            if message is None:
                raise MarksUnreadable(f"the topic {topic} could not be read to its end")
            fault = message.error()
            if fault is None:
                latest = message.value() or b"" if message.key() == name.encode() else latest
            elif fault.code() == KafkaError._PARTITION_EOF:
                return _decode(topic, latest)
            else:
                raise KafkaException(fault)
    finally:
        consumer.close()


def _decode(topic: str, content: bytes) -> Mark:
    if not content:
        return Mark()
    try:
        return Mark(**json.loads(content))
    except (ValueError, TypeError) as fault:
        raise MarksUnreadable(f"a message of {topic} is no mark of an exporter: {fault}") from fault
