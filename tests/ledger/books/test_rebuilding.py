"""What is counted of the journal can be counted again, and is the same."""

import random
from pathlib import Path

import pytest
from holdfast.cli import main
from holdfast_ledger.books.rebuilding import rebuild
from holdfast_ledger.books.verify import verify
from holdfast_ledger.store.book_rows import BookMonth
from holdfast_ledger.store.sqlite import SqliteStore

from tests.ledger.books.histories import KINDS, History
from tests.ledger.books.setting import keep
from tests.ledger.harness import Books, Clock, execute


def months(books: Books) -> list[BookMonth]:
    """All that is counted."""
    with books.store.reading() as reader:
        return list(reader.book_months(0, 2**62, 0))


def something(books: Books) -> list[BookMonth]:
    """A history; returns what was counted of it."""
    chance, history = random.Random(5), History(books)
    history.begin()
    for _ in range(80):
        history.step((chance.choice(KINDS), chance.randrange(100), chance.randrange(100), chance.randrange(100)))
    keep(books)
    return months(books)


def test_counted_anew_it_is_the_same(books: Books) -> None:
    before = something(books)
    assert books.write(rebuild) == len(before) > 10
    assert months(books) == before


def test_the_command_mends_what_was_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ledger.sqlite"
    books = Books(SqliteStore(path), Clock())
    before = something(books)
    execute(books.store, "UPDATE book_months SET burned = burned + 1")
    books.store.close()
    assert main(["ledger", "rebuild-books", "--database", str(path)]) == 0
    assert capsys.readouterr().out == f"{len(before)} months of grants counted anew\n"
    again = Books(SqliteStore(path), Clock())
    assert months(again) == before
    with again.store.reading() as reader:
        assert verify(reader).findings == []
    again.store.close()


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "rebuild-books", "--database", str(tmp_path / "none")]) == 64
    assert "there is no such file" in capsys.readouterr().err
