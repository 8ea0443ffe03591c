"""Events from Kafka are taken in once, with their offsets, through kills and rebalances; what is none is put aside."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition
from holdfast.v1.ingest_service_pb2 import RecordedEvent
from holdfast.v1.usage_service_pb2 import UsageEvent
from holdfast_ledger.bootstrap import open_store
from holdfast_ledger.metering.batches import Content, pack_events
from holdfast_ledger.metering.event_rules import EventTerms
from holdfast_ledger.metering.intake import Batch, put
from holdfast_ledger.store.interface import Store
from holdfast_ledger.streams.batches import events_of
from holdfast_ledger.streams.config import StreamsConfig
from holdfast_ledger.streams.importer import KEPT_BYTES, Importer, Moved

from tests.kafka.broker import Broker

NOW_MS = 1_795_262_400_000


def value_of(number: int, **changes: Any) -> bytes:
    content: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(number),
        "source": "api",
        "type": "tokens",
        "time": "2026-11-21T12:00:00Z",
        "accountid": f"a{number % 3}",
        "data": {"quantities": {"output": number}},
    }
    return json.dumps(content | changes).encode()


def send(broker: Broker, topic: str, values: Iterable[bytes]) -> None:
    producer = Producer({"bootstrap.servers": broker.address})
    for number, value in enumerate(values):
        producer.produce(topic, value, str(number % 7).encode())
    assert producer.flush(90) == 0


def config_for(broker: Broker, prefix: str, **changes: Any) -> StreamsConfig:
    broker.create_topic(f"{prefix}.events", 2)
    if not changes.pop("has_dead", False):
        broker.create_topic(f"{prefix}.dead")
    settings = {"topics": [f"{prefix}.events"], "dead_letters": f"{prefix}.dead", "group": prefix} | changes
    return StreamsConfig.model_validate({"brokers": broker.address, "import": settings})


def importer(config: StreamsConfig, store: Store) -> Importer:
    return Importer(config, store, EventTerms(), lambda: NOW_MS)


def turn_until(one: Importer, message_count: int) -> None:
    deadline = time.monotonic() + 120
    while one.counts.message_count < message_count:
        assert time.monotonic() < deadline, one.counts
        one.turn()


def taken_in(store: Store) -> Counter[str]:
    with store.reading() as reader:
        batches = reader.event_batches(0, 10_000)
    return Counter(x.id for b in batches for x, _ in events_of(Content(b.content_kind), b.content))


def start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def test_events_and_offsets_are_in_one_transaction(store: Store, broker: Broker, prefix: str) -> None:
    config = config_for(broker, prefix)
    send(broker, f"{prefix}.events", [value_of(n) for n in range(100)])
    one = importer(config, store)
    turn_until(one, 100)
    one.close()
    assert taken_in(store) == Counter(str(n) for n in range(100))
    with store.reading() as reader:
        offsets = [reader.stream_offset(prefix, f"{prefix}.events", p) for p in (0, 1)]
        origins = {batch.origin for batch in reader.event_batches(0, 100)}
    assert sum(offset or 0 for offset in offsets) == 100
    assert origins == {f"kafka:{prefix}.events"}
    again = importer(config, store)
    send(broker, f"{prefix}.events", [value_of(100)])
    turn_until(again, 1)
    again.close()
    assert taken_in(store) == Counter(str(n) for n in range(101))


def test_what_is_no_event_is_put_aside_with_the_reason(store: Store, broker: Broker, prefix: str) -> None:
    config = config_for(broker, prefix)
    bad = [
        b"not json",
        value_of(1, time="1999-01-01T00:00:00Z"),
        value_of(2, time="2036-01-01T00:00:00Z"),
        value_of(3, accountid=""),
        value_of(4, id="x" * 200),
        value_of(5, data={"dimensions": {f"d{n}": "v" for n in range(100)}}),
        value_of(6, data={"quantities": {"output": float("nan")}}),
    ]
    send(broker, f"{prefix}.events", [value_of(0), *bad, value_of(7)])
    one = importer(config, store)
    turn_until(one, 9)
    one.close()
    assert taken_in(store) == Counter(["0", "7"])
    assert one.counts.dead_letter_count == len(bad)
    dead = [value for _, _, value in broker.read([f"{prefix}.dead"], len(bad))]
    assert sorted(dead) == sorted(bad)


def test_a_consumer_that_lost_its_partition_takes_nothing_in(store: Store, broker: Broker, prefix: str) -> None:
    config = config_for(broker, prefix)
    send(broker, f"{prefix}.events", [value_of(n) for n in range(10)])
    one = importer(config, store)
    turn_until(one, 10)
    send(broker, f"{prefix}.events", [value_of(n) for n in range(10, 20)])
    with store.writing() as writer:
        for partition in (0, 1):
            now = writer.stream_offset(prefix, f"{prefix}.events", partition)
            assert now is not None
            assert writer.move_stream_offset(prefix, f"{prefix}.events", partition, now, now + 1)
            assert not writer.move_stream_offset(prefix, f"{prefix}.events", partition, now, now + 2)
    with pytest.raises(Moved):
        turn_until(one, 20)
    one.close()
    assert taken_in(store) == Counter(str(n) for n in range(10))


def test_it_pauses_while_too_much_waits_to_be_counted(store: Store, broker: Broker, prefix: str) -> None:
    config = config_for(broker, prefix, waiting_batches=1, batch_messages=5)
    send(broker, f"{prefix}.events", [value_of(n) for n in range(100)])
    one = importer(config, store)
    deadline = time.monotonic() + 120
    while not one.counts.paused_count:
        assert time.monotonic() < deadline
        one.turn()
    assert one.turn() == 0
    one.close()
    assert 0 < one.counts.message_count < 100


def test_what_comes_while_it_joins_and_pauses_is_not_lost(store: Store, broker: Broker, prefix: str) -> None:
    """Its partitions are given to it in the middle of a pause, and bring a message along."""
    config = config_for(broker, prefix, waiting_batches=1)
    send(broker, f"{prefix}.events", [value_of(n) for n in range(20)])
    with store.writing() as writer:
        for number in range(2):
            events = [RecordedEvent(event=UsageEvent(account_id="a", source="other", id=str(number)))]
            assert put(writer, Batch("other", Content.EVENTS, 1, pack_events(events)), NOW_MS)
    one = importer(config, store)
    deadline = time.monotonic() + 120
    while not one._expected:
        assert time.monotonic() < deadline
        assert one.turn() == 0
    for _ in range(3):
        assert one.turn() == 0
    assert one._config.waiting_batches == 1
    one._config = one._config.model_copy(update={"waiting_batches": 1_000})
    turn_until(one, 20)
    one.close()
    assert taken_in(store) == Counter([*map(str, range(20)), "0", "1"])


def test_what_was_read_before_is_not_taken_in_again(store: Store, broker: Broker, prefix: str) -> None:
    """A partition that went and came back brings messages again that were fetched already."""
    config = config_for(broker, prefix)
    send(broker, f"{prefix}.events", [value_of(n) for n in range(9)] + [b"bad"])
    one = importer(config, store)
    turn_until(one, 10)
    for partition in (0, 1):
        one._consumer.seek(TopicPartition(f"{prefix}.events", partition, 0))
    send(broker, f"{prefix}.events", [value_of(n) for n in range(10, 20)])
    turn_until(one, 30)
    one.close()
    assert taken_in(store) == Counter(str(n) for n in range(20) if n != 9)
    assert one.counts.dead_letter_count == 1


def test_a_message_that_cannot_be_put_aside_is_not_left_behind(store: Store, broker: Broker, prefix: str) -> None:
    """The importer ends with the broker's word, however often it is begun anew, and nothing is skipped."""
    broker.create_topic(f"{prefix}.dead", config={"max.message.bytes": "300"})
    config = config_for(broker, prefix, has_dead=True)
    send(broker, f"{prefix}.events", [b"x" * 1_000])
    for _ in range(2):
        one = importer(config, store)
        with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
            turn_until(one, 1)
        one.close()
    with store.reading() as reader:
        assert [reader.stream_offset(prefix, f"{prefix}.events", partition) for partition in (0, 1)] == [None, None]


def test_a_message_as_large_as_any_is_put_aside_cut(store: Store, broker: Broker, prefix: str) -> None:
    """Beside it and its headers there would be no room; where the whole of it is, the headers tell."""
    config = config_for(broker, prefix)
    producer = Producer({"bootstrap.servers": broker.address, "message.max.bytes": "2000000"})
    producer.produce(f"{prefix}.events", b"x" * 1_048_400, b"k" * 100)
    assert producer.flush(60) == 0
    one = importer(config, store)
    turn_until(one, 1)
    one.close()
    ((_, key, value),) = broker.read([f"{prefix}.dead"], 1)
    assert (key, value) == (b"k" * 100, b"x" * KEPT_BYTES)


def test_a_restored_database_takes_in_again_what_it_does_not_know(tmp_path: Path, broker: Broker, prefix: str) -> None:
    """Its offsets went back with its events, whatever the group's are at the broker."""
    config = config_for(broker, prefix)
    live, backup = tmp_path / "live.sqlite", tmp_path / "backup.sqlite"
    store = open_store(str(live))
    send(broker, f"{prefix}.events", [value_of(n) for n in range(10)])
    one = importer(config, store)
    turn_until(one, 10)
    with closing(sqlite3.connect(live)) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    send(broker, f"{prefix}.events", [value_of(n) for n in range(10, 20)])
    turn_until(one, 20)
    one.close()
    store.close()
    restored = open_store(str(backup))
    again = importer(config, restored)
    turn_until(again, 10)
    again.close()
    assert taken_in(restored) == Counter(str(n) for n in range(20))
    restored.close()


def test_kills_of_consumer_and_broker_double_and_lose_nothing(
    database: str, store: Store, broker: Broker, prefix: str, tmp_path: Path
) -> None:
    """Two real consumers of a group, killed with SIGKILL in turn while messages come; in between the broker too."""
    config_for(broker, prefix)
    file = tmp_path / "streams.toml"
    file.write_text(
        f'brokers = "{broker.address}"\n[client]\n"session.timeout.ms" = "6000"\n[import]\n'
        f'topics = ["{prefix}.events"]\ndead_letters = "{prefix}.dead"\ngroup = "{prefix}"\nbatch_messages = 20\n'
    )
    command = [sys.executable, "-m", "holdfast.cli", "streams", "import", "--config", str(file)]
    command += ["--database", database]
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    total = 0
    running = [start(command) for _ in range(2)]
    for turn in range(4):
        for _ in range(4):
            send(broker, f"{prefix}.events", [value_of(n, time=at) for n in range(total, total + 50)])
            total += 50
            time.sleep(0.4)
        victim = running.pop(0)
        os.kill(victim.pid, signal.SIGKILL)
        victim.communicate()
        running.append(start(command))
        if turn == 1:
            broker.restart()
    deadline = time.monotonic() + 180
    while len(taken_in(store)) < total:
        assert time.monotonic() < deadline, f"{len(taken_in(store))} of {total}"
        time.sleep(0.5)
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == b"importing, until SIGTERM\n"
        process.terminate()
        process.stdout.close()
    assert [process.wait(90) for process in running] == [0, 0]
    assert taken_in(store) == Counter(str(n) for n in range(total))
