"""What is SQLite's own: durable settings, strict tables, versions, and files that are not ours."""

import sqlite3
import stat
from pathlib import Path

import pytest
from holdfast_ledger.store.interface import StoreFailed, StoreTooNew
from holdfast_ledger.store.sqlite import SqliteStore

from tests.ledger.harness import Books, execute


def test_every_commit_is_synced_and_rules_are_checked(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "l.sqlite")
    pragmas = {
        name: store._writer.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    tables = store._writer.execute(
        "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'"
    )
    assert {strict for _, strict in tables} == {1}
    store.close()


def test_only_the_owner_reads_the_file(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    SqliteStore(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 1000")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match="newer version"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreFailed, match="not a ledger"):
        SqliteStore(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"garbage" * 1_000, b"SQLite format 3\x00" + b"\xff" * 5_000])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "l.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreFailed):
        SqliteStore(path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="cannot open"):
        SqliteStore(tmp_path / "nowhere" / "l.sqlite")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE pools SET free = free + 1",
        "UPDATE pools SET leased = leased - 1000, free = free + 1000",
        "UPDATE leases SET returned_total = 1000",
        "UPDATE grants SET remaining = amount + 1",
        "UPDATE pools SET free = 'much'",
        "INSERT INTO entries (type, pool_key, grant_key, amount, posted_at_ms) VALUES (1, 1, 77, 5, 0)",
        "INSERT INTO entries (type, pool_key, grant_key, amount, posted_at_ms) VALUES (1, 1, 1, 0, 0)",
    ],
)
def test_the_database_itself_refuses_a_broken_invariant(books: Books, statement: str) -> None:
    books.open_pool()
    books.grant("g", 100)
    books.hello()
    books.want(10)
    with pytest.raises(sqlite3.IntegrityError):
        execute(books.store, statement)
