"""The worker beside a ledger: it feeds and answers, whatever is killed or damaged; the ledger never waits for it."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest
from holdfast_ledger.bootstrap import open_store
from holdfast_ledger.config import LedgerConfig, load
from holdfast_ledger.usage import cli, schema
from holdfast_ledger.usage.checking import differences
from holdfast_ledger.usage.database import UsageRefused, UsageStoreDown, UsageTimeout, UsageTooLarge
from holdfast_ledger.usage.status import UsageStatus
from holdfast_ledger.usage.store import UsageStore

from tests.ledger.harness import Books, Clock, debit
from tests.ledger.usage.histories import History

DEADLINE_S = 120


def until(condition: Callable[[], bool], what: str) -> None:
    """Waits for something that another process does."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def settings(database: str, store: str) -> LedgerConfig:
    """The settings of a ledger with a usage store that is quick to look for what is new."""
    told = {"database": database, "usage_store": store, "usage_memory_mb": "512", "usage_interval_ms": "20"}
    return load(told, None, {})


@pytest.fixture
def running(database: str, tmp_path: Path) -> Iterator[UsageStore]:
    """A usage store of the ledger, its worker started."""
    result = UsageStore(settings(database, str(tmp_path / "usage")))
    yield result
    result.stop()


def fed(store: UsageStore, books: Books) -> UsageStatus:
    """Waits until everything is in the store, and all figures agree."""

    def is_fed() -> bool:
        with books.store.reading() as reader:
            heads = reader.feed_heads()
        sql = "SELECT max(entry_key), max(debit_key), max(event_batch_key) FROM feed_turns WHERE complete"
        try:
            marks = list(store.database.query(sql).to_pylist()[0].values())
        except (UsageStoreDown, UsageRefused):
            return False
        return marks == [heads.entry_key, heads.debit_key, heads.batch_key]

    until(is_fed, f"{store.status()}")
    with books.store.reading() as reader:
        done, count, lines = differences(reader, store.database)
    assert lines == []
    assert count > 10
    assert done.batch_no
    return store.status()


def test_the_worker_feeds_and_answers(running: UsageStore, books: Books) -> None:
    """What is posted while it runs is in it, and its state and rows can be seen."""
    history = History(books, 1)
    running.start()
    for _ in history.go_on(40):
        pass
    status = fed(running, books)
    assert (status.state, status.lag_ms) == ("feeding", 0)
    until(lambda: running.status().row_counts.get("spend", 0) > 0, "rows are counted")


def test_a_worker_that_is_killed_goes_on_where_it_was(running: UsageStore, books: Books) -> None:
    """Killed again and again at any moment, another one feeds the rest, and every figure agrees."""
    history, chooser = History(books, 2), random.Random(2)
    running.start()
    for kill_count in range(1, 4):
        until(lambda: running.status().state != "down", "a worker is there")
        for _ in history.go_on(15):
            pass
        time.sleep(chooser.random() * 0.3)
        os.kill(running.worker_id, signal.SIGKILL)
        until(lambda count=kill_count: running.start_count > count, "it is started again")  # type: ignore[misc]
    fed(running, books)


@pytest.mark.parametrize("how", ["deleted", "parts lost", "bytes changed", "no engine"])
def test_a_damaged_store_is_made_anew(running: UsageStore, books: Books, tmp_path: Path, how: str) -> None:
    """Whatever is wrong with its files, the worker notices and feeds it again."""
    if "postgres" in str(running.config.database):
        pytest.skip("the store's files are the same")
    for _ in History(books, 3).go_on(40):
        pass
    running.start()
    fed(running, books)
    os.kill(running.worker_id, signal.SIGKILL)
    folder = tmp_path / "usage" / "engine"
    parts = sorted(path.parent for path in folder.glob("store/*/*/2*_*_*_*/data.bin"))
    assert parts
    if how == "deleted":
        shutil.rmtree(folder)
    elif how == "parts lost":
        shutil.rmtree(parts[0])
    elif how == "bytes changed":
        for part in parts:
            content = bytearray((part / "data.bin").read_bytes())
            content[len(content) // 2] ^= 0xFF
            (part / "data.bin").write_bytes(content)
    else:
        for table in folder.glob("store/*/*/spend.sql"):
            table.write_text("no SQL")

    def notices() -> bool:
        """People ask, too: what nobody reads is only found when the store is opened."""
        try:
            rows: int = running.database.query("SELECT sum(cityHash64(*)) AS n FROM spend").num_rows
        except (UsageStoreDown, UsageRefused, Exception):  # noqa: BLE001 - damage has many names
            return False
        return rows == 1

    until(notices, "it answers again")
    fed(running, books)


def test_a_worker_that_is_just_being_started_ends_too(running: UsageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger stops while the process is made: it is not waited for for ever."""
    started, stopping, start = threading.Event(), running._supervisor._stopping, subprocess.Popen

    def slow(*arguments: Any, **named: Any) -> subprocess.Popen[bytes]:
        started.set()
        assert stopping.wait(DEADLINE_S)
        time.sleep(0.1)  # `stop` looks for the process meanwhile
        return start(*arguments, **named)

    monkeypatch.setattr(subprocess, "Popen", slow)
    running.start()
    assert started.wait(DEADLINE_S)
    ending = threading.Thread(target=running.stop, daemon=True)
    ending.start()
    ending.join(DEADLINE_S)
    assert not ending.is_alive()


def test_a_store_goes_on_with_another_list_of_dimensions(database: str, books: Books, tmp_path: Path) -> None:
    """Its rows stay, those that it lacks get a column, and those that it has keep theirs."""
    told = {"database": database, "usage_store": str(tmp_path / "usage"), "usage_interval_ms": "20"}
    history = History(books, 5)
    for names, there in (("team", ["team"]), ("", ["team"]), ("region,team", ["team", "region"])):
        for _ in history.go_on(10):
            pass
        store = UsageStore(load({**told, "usage_dimensions": names}, None, {}))
        store.start()
        try:
            assert fed(store, books).rebuild_count == 0
            assert [*schema.dimensions_of(store.database)] == there
        finally:
            store.stop()


def test_a_ledger_that_was_restored_is_fed_anew(
    running: UsageStore, books: Books, tmp_path: Path, clock: Clock
) -> None:
    """What the store has of the time that is gone disappears, also where the ledger went on past it."""
    database = running.config.database
    if "postgres" in database:
        pytest.skip("the same marks are compared")
    history = History(books, 4)
    for _ in history.go_on(10):
        pass
    backup = tmp_path / "backup"
    with sqlite3.connect(database) as origin, sqlite3.connect(backup) as copy:
        origin.backup(copy)
    for _ in history.go_on(10):
        pass
    running.start()
    fed(running, books)
    books.store.close()
    for tail in ("", "-wal", "-shm"):
        Path(database + tail).unlink(missing_ok=True)
    shutil.copy(backup, database)
    os.kill(running.worker_id, signal.SIGKILL)
    restored = Books(open_store(database), clock)
    acked = restored.sidecar().acked_sequence
    restored.post(*(debit(acked + number, 3, operation_id=f"other-{number}") for number in range(1, 200)))
    fed(running, restored)
    restored.store.close()


def test_limits_hold_through_the_worker(running: UsageStore, books: Books) -> None:
    """Each refusal arrives as what it is, others are answered meanwhile, and the next question is."""
    running.start()
    until(lambda: running.status().state == "feeding", "it is up")
    timed_out = threading.Event()

    def ask_too_much() -> None:
        with pytest.raises(UsageTimeout):
            running.database.query("SELECT sum(sipHash64(number)) FROM numbers(1000000000000)", {}, 900)
        timed_out.set()

    slow = threading.Thread(target=ask_too_much)
    slow.start()
    for sql, error in (
        ("SELECT groupArray(number) FROM numbers(1000000000)", UsageTooLarge),
        ("SELECT * FROM nowhere", UsageRefused),
    ):
        with pytest.raises(error):
            running.database.query(sql)
    text = "'; DROP TABLE spend; --\\"
    answer = running.database.query("SELECT {a:String} AS a, {b:Array(String)} AS b", {"a": text, "b": [text]})
    assert answer.to_pylist() == [{"a": text, "b": [text]}]
    running.database.insert("grant_burns", pa.table({"grant_key": pa.array([1], pa.uint64())}))
    running.database.command("TRUNCATE TABLE grant_burns")
    slow.join()
    assert timed_out.is_set()
    assert running.database.query("SELECT count() AS n FROM spend").to_pylist() == [{"n": 0}]


def test_a_worker_that_hangs_is_told_as_down(running: UsageStore, books: Books) -> None:
    """Its status comes within its time, and the ledger posts on."""
    books.open_pool()
    books.hello()
    running.start()
    until(lambda: running.status().state == "feeding", "it is up")
    os.kill(running.worker_id, signal.SIGSTOP)
    until(lambda: running.status().state == "down", "it is told as down")
    began = time.monotonic()
    assert running.status().state == "down"
    assert time.monotonic() - began < 30
    books.post(debit(1, 5, quantities={"m": 1}))
    os.kill(running.worker_id, signal.SIGCONT)
    until(lambda: running.status().turn_count > 0, "it goes on")


def test_two_workers_do_not_share_a_folder(running: UsageStore, books: Books, tmp_path: Path) -> None:
    """The second one waits and says why, and the first one's socket stays."""
    running.start()
    until(lambda: running.status().state == "feeding", "it is up")
    second = UsageStore(running.config)
    second.start()
    until(lambda: second.start_count > 0, "it is started")
    time.sleep(1)
    assert running.status().state == "feeding"
    second.stop()
    assert running.status().state == "feeding"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_worker_ends_with_the_ledger(tmp_path: Path, number: signal.Signals) -> None:
    """However the ledger ends, no worker is left."""
    command = [sys.executable, "-m", "holdfast_ledger", "--database", str(tmp_path / "ledger.sqlite")]
    command += ["--listen", "127.0.0.1:0", "--usage-store", str(tmp_path / "usage")]
    ledger = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    until((tmp_path / "usage" / "socket").exists, "the worker is up")
    workers = psutil.Process(ledger.pid).children()
    assert workers
    ledger.send_signal(number)
    ledger.wait(DEADLINE_S)
    _, left = psutil.wait_procs(workers, DEADLINE_S)
    assert not left


def test_check_and_rebuild_by_hand(
    running: UsageStore, books: Books, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the worker running and without; a difference is told with exit status 1, and gone after a rebuild."""
    for _ in History(books, 5).go_on(30):
        pass
    arguments = ["--database", running.config.database, "--usage-store", str(tmp_path / "usage")]
    assert cli.check(arguments) == 1
    assert "never fed" in capsys.readouterr().out
    assert cli.rebuild([*arguments, "--memory-mb", "512"]) == 0
    assert cli.check(arguments) == 0
    running.start()
    fed(running, books)
    change = "ALTER TABLE spend UPDATE amount = amount + 1 WHERE 1 SETTINGS mutations_sync = 1"
    running.database.command(change)
    assert cli.check(arguments) == 1
    assert "holdfast usage rebuild" in capsys.readouterr().out
    assert cli.rebuild(arguments) == 0
    assert cli.check(arguments) == 0
    assert running.status().rebuild_count == 1
