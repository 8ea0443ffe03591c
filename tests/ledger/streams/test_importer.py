"""Events from Kafka are taken in once, with their offsets, through kills and rebalances; what is none is put aside."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from holdfast_ledger.metering.batches import Content
from holdfast_ledger.metering.event_rules import EventTerms
from holdfast_ledger.store.interface import Store
from holdfast_ledger.streams.batches import events_of
from holdfast_ledger.streams.config import StreamsConfig
from holdfast_ledger.streams.importer import Importer, Moved

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
