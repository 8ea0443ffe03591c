"""The worker as a process: it takes objects in by itself, and may be killed at any time."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from holdfast_ledger.config import load
from holdfast_ledger.objects.config import IngestConfigError
from holdfast_ledger.objects.supervisor import Supervisor, open_ingest
from holdfast_ledger.objects.worker_settings import WorkerSettings
from holdfast_ledger.store.interface import Store
from holdfast_ledger.store.object_rows import ObjectState

from tests.ledger.objects.harness import CSV_HEADER, csv_rows, names, shop, until

TIMEOUT_S = 120
YEARS_MS = 100 * 366 * 86_400_000
ROWS = 130_000
"""Of an object that is read in three pieces."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the objects are."""
    made = tmp_path / "objects"
    made.mkdir()
    return made


def settings_of(database: str, tmp_path: Path, folder: Path) -> WorkerSettings:
    """Settings of a worker that lists a folder all the time; events of any time count."""
    file = tmp_path / "ingest.toml"
    file.write_text(f'[[sources]]\nname = "s"\nurl = "{folder.as_uri()}"\ninterval_ms = 100\nmin_age_ms = 0\n')
    return WorkerSettings(database, str(file), YEARS_MS, YEARS_MS, 0)


@pytest.fixture
def supervisor(database: str, tmp_path: Path, folder: Path, store: Store) -> Iterator[Supervisor]:
    """A worker beside a ledger's database."""
    made = Supervisor(settings_of(database, tmp_path, folder))
    yield made
    made.stop()


def test_what_appears_is_taken_in(supervisor: Supervisor, store: Store, folder: Path) -> None:
    """At the next listing, without a word."""
    place = shop(store, folder)
    supervisor.start()
    (folder / "a.csv").write_text(CSV_HEADER + csv_rows(0, 3))
    until(lambda: place.states() == {"a.csv": ObjectState.DONE})
    (folder / "b.csv").write_text(CSV_HEADER + csv_rows(3, 3))
    until(lambda: place.states().get("b.csv") == ObjectState.DONE)
    assert place.ids() == names("e", range(6))


def test_a_worker_that_is_killed_in_the_middle_of_an_object_loses_and_repeats_nothing(
    supervisor: Supervisor, database: str, store: Store, tmp_path: Path, folder: Path
) -> None:
    """Another one is started, and goes on when the claim has ended, which is soon and by itself."""
    (folder / "a.csv").write_text(CSV_HEADER + csv_rows(0, ROWS, "m" * 100))
    place = shop(store, folder)
    first = Supervisor(settings_of(database, tmp_path, folder)._replace(waiting_limit=1))
    first.start()
    until(lambda: rows_taken(store) > 0)  # and no more of them: what was taken in waits to be counted
    os.kill(first.process_id, signal.SIGKILL)
    first.stop()
    assert 0 < rows_taken(store) < ROWS
    supervisor.start()
    until(lambda: place.states() == {"a.csv": ObjectState.DONE})
    assert place.ids() == names("e", range(ROWS))


def rows_taken(store: Store) -> int:
    """How far the object under way is."""
    with store.reading() as reader:
        return sum(row.row_count for row in reader.objects("s", ObjectState.RUNNING, 0, 10))


def test_a_worker_ends_with_the_ledger(
    supervisor: Supervisor, database: str, store: Store, tmp_path: Path, folder: Path
) -> None:
    """When its standard input does, however the ledger ended; the object under way is anybody's at once."""
    (folder / "a.csv").write_text(CSV_HEADER + csv_rows(0, ROWS, "m" * 100))
    place = shop(store, folder)
    command = [sys.executable, "-m", "holdfast_ledger.objects.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(settings_of(database, tmp_path, folder)._replace(waiting_limit=1).line())
        process.stdin.flush()
        until(lambda: rows_taken(store) > 0)
        process.stdin.close()
        assert process.wait(TIMEOUT_S) == 0
    assert place.states() == {"a.csv": ObjectState.PENDING}
    supervisor.start()
    until(lambda: place.states() == {"a.csv": ObjectState.DONE})
    assert place.ids() == names("e", range(ROWS))


def test_an_ingest_file_with_mistakes_is_told_when_the_ledger_starts(tmp_path: Path) -> None:
    """Each with its place."""
    file = tmp_path / "ingest.toml"
    file.write_text('[[sources]]\nname = "a b"\nurl = "s3://x"\nintervall_ms = 5\n')
    with pytest.raises(IngestConfigError, match=r"sources\.0\.name.*; sources\.0\.intervall_ms"):
        open_ingest(load({"ingest_file": str(file)}, None, {}))
    with pytest.raises(IngestConfigError, match="No such file"):
        open_ingest(load({"ingest_file": str(tmp_path / "nothing.toml")}, None, {}))
    assert open_ingest(load({}, None, {})) is None


def test_settings_travel_as_a_line() -> None:
    """Also those with line ends in them."""
    settings = WorkerSettings("postgresql://u:p@h/d", "a\nb", 1, 2, 3)
    assert settings.line().count(b"\n") == 1
    assert WorkerSettings.read(settings.line()) == settings
    assert (settings.terms.future_ms, settings.terms.grace_ms) == (1, 2)
