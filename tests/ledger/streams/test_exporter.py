"""What the ledger posts is in Kafka once, through kills of exporter and broker, from every kind of store."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from holdfast_ledger.bootstrap import open_store
from holdfast_ledger.store.interface import Store
from holdfast_ledger.streams.config import StreamsConfig
from holdfast_ledger.streams.exporter import ExportEnded, Exporter
from holdfast_ledger.streams.marks import MarksUnreadable

from tests.kafka.broker import Broker
from tests.ledger.harness import Books, debit


def config_for(broker: Broker, prefix: str, **changes: Any) -> StreamsConfig:
    """Topics of a test, made."""
    export = {"debits": f"{prefix}.debits", "entries": f"{prefix}.entries", "marks": f"{prefix}.marks", "name": prefix}
    for name in (export["debits"], export["entries"]):
        broker.create_topic(name, 2)
    broker.create_topic(export["marks"], config={"cleanup.policy": "compact"})
    return StreamsConfig.model_validate({"brokers": broker.address, "export": export | changes})


def told(broker: Broker, topic: str, count: int) -> list[dict[str, Any]]:
    return [json.loads(value) for _, _, value in broker.read([topic], count)]


def test_debits_and_entries_are_told_with_what_they_come_from(books: Books, broker: Broker, prefix: str) -> None:
    books.open_pool()
    books.grant("g", 10)
    books.hello()
    books.want(10)
    books.post(debit(1, 4, subject="team/ann", quantities={"output": 7}), debit(2, 5))
    books.correct("op-1", 1)
    exporter = Exporter(config_for(broker, prefix), books.store)
    assert exporter.turn() == 2 + 4
    assert exporter.turn() == 0
    exporter.close()
    debits = told(broker, f"{prefix}.debits", 2)
    first = next(x for x in debits if x["data"]["operation_id"] == "op-1")
    assert first["id"] == 'debit:["a", "op-1"]'
    assert first["data"]["amount"] == "4"
    assert (first["data"]["subject"], first["data"]["quantities"]) == ("team/ann", {"output": "7"})
    entries = told(broker, f"{prefix}.entries", 4)
    kinds = [(x["data"]["type"], x["data"]["from_book"], x["data"]["to_book"], x["data"]["amount"]) for x in entries]
    assert sorted(kinds) == sorted(
        [
            ("GRANT", "issuance", "grant:g", "10"),
            ("DEBIT", "grant:g", "spend", "4"),
            ("DEBIT", "grant:g", "spend", "5"),
            ("CORRECTION", "spend", "grant:g", "1"),
        ]
    )
    assert {key for _, key, _ in broker.read([f"{prefix}.debits"], 2)} == {b"a"}


def test_it_goes_on_where_the_one_before_it_came_to(books: Books, broker: Broker, prefix: str) -> None:
    config = config_for(broker, prefix, batch_rows=3)
    books.open_pool()
    books.grant("g", 1_000)
    books.hello()
    books.want(100)
    sequence = 0
    for _ in range(3):
        for _ in range(4):
            sequence += 1
            books.post(debit(sequence, 1))
        exporter = Exporter(config, books.store)
        while exporter.turn():
            pass
        assert exporter.counts.behind_count == 0
        exporter.close()
    ids = Counter(x["id"] for x in told(broker, f"{prefix}.debits", 12))
    assert ids == Counter({f'debit:["a", "op-{n}"]': 1 for n in range(1, 13)})


def test_of_two_of_a_name_the_younger_goes_on(books: Books, broker: Broker, prefix: str) -> None:
    config = config_for(broker, prefix)
    books.open_pool()
    older = Exporter(config, books.store)
    books.grant("g", 5)
    younger = Exporter(config, books.store)
    with pytest.raises(ExportEnded, match="took over"):
        older.turn()
    assert younger.turn() == 1
    younger.close()
    assert len(told(broker, f"{prefix}.entries", 1)) == 1


def test_a_history_that_was_restored_is_noticed(books: Books, broker: Broker, prefix: str, tmp_path: Path) -> None:
    config = config_for(broker, prefix)
    books.open_pool()
    books.grant("g", 5)
    exporter = Exporter(config, books.store)
    exporter.turn()
    exporter.close()
    other = Books(open_store(str(tmp_path / "other.sqlite")), books.clock)
    other.open_pool()
    with pytest.raises(ExportEnded, match="restored"):
        Exporter(config, other.store)
    other.grant("h", 6)
    with pytest.raises(ExportEnded, match="restored"):
        Exporter(config, other.store)
    anew = Exporter(config, other.store, from_start=True)
    assert anew.turn() == 1
    anew.close()
    other.store.close()


def test_without_a_topic_for_marks_it_says_so(books: Books, broker: Broker, prefix: str) -> None:
    export = {"debits": "d", "marks": f"{prefix}.none"}
    config = StreamsConfig.model_validate({"brokers": broker.address, "export": export})
    with pytest.raises(MarksUnreadable, match=r"cleanup\.policy=compact"):
        Exporter(config, books.store)


def test_kills_of_exporter_and_broker_double_and_lose_nothing(
    database: str, store: Store, books: Books, broker: Broker, prefix: str, tmp_path: Path
) -> None:
    """Real processes, killed with SIGKILL while they send; in between the broker too."""
    config_for(broker, prefix)
    file = tmp_path / "streams.toml"
    file.write_text(
        f'brokers = "{broker.address}"\n[export]\nname = "{prefix}"\ndebits = "{prefix}.debits"\n'
        f'entries = "{prefix}.entries"\nmarks = "{prefix}.marks"\nbatch_rows = 7\ninterval_ms = 10\n'
    )
    books.open_pool()
    books.grant("g", 1_000_000)
    books.hello()
    books.want(1_000)
    command = [sys.executable, "-m", "holdfast.cli", "streams", "export", "--config", str(file), "--database", database]
    sequence = 0
    for turn in range(4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 2.5 + turn / 3
        while time.monotonic() < until:
            sequence += 1
            books.post(debit(sequence, 1))
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        if turn == 1:
            broker.restart()
    assert subprocess.run([*command, "--once"], timeout=120, check=False).returncode == 0
    ids = Counter(x["id"] for x in told(broker, f"{prefix}.debits", sequence))
    assert ids == Counter({f'debit:["a", "op-{n}"]': 1 for n in range(1, sequence + 1)})
    entries = Counter(x["id"] for x in told(broker, f"{prefix}.entries", sequence + 1))
    assert len(entries) == sequence + 1
    assert set(entries.values()) == {1}
