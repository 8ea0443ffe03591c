"""Whatever is changed in the journal, in what it rests on, in the chain or in closed months is noticed."""

import json
import sqlite3
from pathlib import Path

import pytest
from holdfast.cli import main
from holdfast_ledger.books.verify import Verdict, verify
from holdfast_ledger.restoring import restored
from holdfast_ledger.store.interface import Store
from holdfast_ledger.store.sqlite import SqliteStore

from tests.ledger.books.setting import close, go_to, keep, ms
from tests.ledger.harness import TERMS, Books, Clock, debit, execute


def history(books: Books) -> None:
    """Three links of entries and a closed month between them; keys as a new database gives them."""
    go_to(books, "2027-02-01T09:00")
    books.open_pool()
    books.hello()
    books.grant("g", 1_000, cost_amount=100_00, cost_currency="USD", expires_at_ms=ms("2027-06-01"))
    books.post(debit(1, 100, hold_id="h", subject="team/ann"), debit(2, 50))
    keep(books)
    go_to(books, "2027-03-02")
    books.post(debit(3, 25), debit(4, 30))
    close(books, 202702)
    books.correct("op-1", 10)
    books.post(debit(5, 7))
    keep(books)


def verdict_of(books: Books, expected_head: bytes = b"") -> Verdict:
    """Verifies."""
    with books.store.reading() as reader:
        return verify(reader, expected_head)


def unguarded(books: Books, *statements: str) -> None:
    """Changes rows as somebody with the database's password would."""
    if isinstance(books.store, SqliteStore):
        execute(books.store, "PRAGMA foreign_keys = OFF")
    for statement in statements:
        execute(books.store, statement)


def test_what_nobody_touched_is_intact(books: Books) -> None:
    history(books)
    verdict = verdict_of(books)
    assert verdict.findings == []
    assert (verdict.entry_count, verdict.last_entry_key, verdict.unsealed_count) == (7, 7, 0)
    assert verdict.periods == [202702]
    assert verdict_of(books, verdict.head).findings == []


def test_entries_that_are_not_sealed_yet_are_counted(books: Books) -> None:
    history(books)
    books.post(debit(6, 1), debit(7, 1))
    assert verdict_of(books).unsealed_count == 2
    assert verdict_of(books).findings == []


def test_an_empty_ledger_is_intact(books: Books) -> None:
    assert verdict_of(books) == Verdict()


TAMPERING = {
    "an entry's amount": (["UPDATE entries SET amount = 99 WHERE entry_key = 2"], 1),
    "an entry's type": (["UPDATE entries SET type = 4, debit_key = NULL WHERE entry_key = 3"], 1),
    "an entry's time": (["UPDATE entries SET posted_at_ms = posted_at_ms - 1 WHERE entry_key = 4"], 4),
    "an entry's grant": (["UPDATE entries SET debit_key = 1 WHERE entry_key = 5"], 4),
    "an entry removed": (["DELETE FROM entries WHERE entry_key = 4"], 5),
    "the first entry removed": (["DELETE FROM entries WHERE entry_key = 1"], 2),
    "an entry inserted before all": (
        ["INSERT INTO entries (entry_key, type, pool_key, grant_key, amount, posted_at_ms) VALUES (-5, 1, 1, 1, 5, 5)"],
        -5,
    ),
    "entries reordered": (
        [
            "UPDATE entries SET entry_key = 1000 WHERE entry_key = 4",
            "UPDATE entries SET entry_key = 4 WHERE entry_key = 5",
            "UPDATE entries SET entry_key = 5 WHERE entry_key = 1000",
        ],
        4,
    ),
    "a debit's amount": (["UPDATE debits SET amount = 101 WHERE debit_key = 1"], 1),
    "a debit's operation": (["UPDATE debits SET operation_id = 'op-x' WHERE debit_key = 3"], 4),
    "a debit's dimensions": (['UPDATE debits SET dimensions = \'{"model": "x"}\' WHERE debit_key = 4'], 4),
    "a debit's subject": (["UPDATE debits SET subject = 'team/bob' WHERE debit_key = 1"], 1),
    "a debit's caller": (["UPDATE debits SET caller = 'uid:0' WHERE debit_key = 1"], 1),
    "a debit's hold": (["UPDATE debits SET hold_id = 'other' WHERE debit_key = 1"], 1),
    "a debit's settling": (["UPDATE debits SET settled_at_ms = 5 WHERE debit_key = 5"], 6),
    "a debit's sidecar": (["UPDATE sidecars SET sidecar_id = 'other'"], 1),
    "a grant's cost": (["UPDATE grants SET cost_amount = 5 WHERE grant_key = 1"], 1),
    "a grant's metadata": (['UPDATE grants SET metadata = \'{"product": "x"}\' WHERE grant_key = 1'], 1),
    "a pool's owner": (["UPDATE accounts SET account_id = 'thief'"], 1),
    "a correction": (["UPDATE corrections SET correction_id = 'other'"], 6),
    "a link's hash": (
        ["UPDATE journal_links SET hash = (SELECT hash FROM journal_links WHERE link_key = 1) WHERE link_key = 2"],
        4,
    ),
    "a link's time": (["UPDATE journal_links SET made_at_ms = 0 WHERE link_key = 1"], 1),
    "a link's generation": (["UPDATE journal_links SET generation = 2 WHERE link_key = 3"], 6),
    "a link removed": (["DELETE FROM journal_links WHERE link_key = 2"], 4),
    "a closing's policy": (["UPDATE closed_periods SET policy = '{\"breakage_bps\": 1}'"], 6),
    "a closing's end": (["UPDATE closed_periods SET last_entry_key = 4"], 6),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_breaks_a_link(books_unaudited: Books, what: str) -> None:
    history(books_unaudited)
    statements, first = TAMPERING[what]
    unguarded(books_unaudited, *statements)
    verdict = verdict_of(books_unaudited)
    assert verdict.findings
    assert verdict.broken_entry_key == first


@pytest.fixture
def books_unaudited(store: Store, clock: Clock) -> Books:
    """A store that is not audited at the end: what is done to it is wrong."""
    return Books(store, clock)


FIGURES = {
    "a closed figure": "UPDATE closed_lines SET granted = granted + 1, closing = closing + 1",
    "a closed line's product": "UPDATE closed_lines SET product = 'x'",
    "a closed line removed": "DELETE FROM closed_lines",
    "a closed month reopened": "DELETE FROM closed_periods",
    "a counted month": "UPDATE book_months SET burned = burned + 1 WHERE period = 202703 AND late = 0",
    "a counted month removed": "DELETE FROM book_months WHERE late = 1",
    "all counted months": "DELETE FROM book_months",
}


@pytest.mark.parametrize("what", FIGURES)
def test_figures_that_do_not_follow_are_found(books_unaudited: Books, what: str) -> None:
    history(books_unaudited)
    unguarded(books_unaudited, FIGURES[what])
    assert verdict_of(books_unaudited).findings


def test_a_tail_that_was_cut_off_is_found_by_a_head_that_was_noted(books_unaudited: Books) -> None:
    """Who removes the newest entries with their link leaves a sound chain: only its noted head tells."""
    books = books_unaudited
    history(books)
    noted = verdict_of(books).head
    unguarded(
        books,
        "DELETE FROM journal_links WHERE link_key = 4",
        "DELETE FROM entries WHERE entry_key > 5",
        "DELETE FROM book_months WHERE late = 1",
        "UPDATE book_months SET burned = 55 WHERE period = 202703",
        "UPDATE books SET last_entry_key = 5",
    )
    assert verdict_of(books).findings == []
    (finding,) = verdict_of(books, noted).findings
    assert "is not in the chain" in finding


def test_an_end_without_its_link_is_found(books_unaudited: Books) -> None:
    history(books_unaudited)
    unguarded(books_unaudited, "DELETE FROM journal_links WHERE link_key = 4")
    (finding,) = verdict_of(books_unaudited).findings
    assert finding == "the chain ends with entry 5, the books with entry 7"


def test_a_chain_that_was_made_anew_is_found_by_a_head_that_was_noted(books_unaudited: Books) -> None:
    """Who has the password may seal a forged journal: the heads are others."""
    books = books_unaudited
    history(books)
    noted = verdict_of(books).head
    unguarded(
        books,
        "UPDATE debits SET subject = 'team/bob' WHERE debit_key = 1",
        "DELETE FROM journal_links",
        "DELETE FROM closed_lines",
        "DELETE FROM closed_periods",
        "DELETE FROM book_months",
        "UPDATE books SET last_entry_key = 0",
    )
    keep(books)
    assert verdict_of(books).findings == []
    assert verdict_of(books, noted).findings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The database of a history, and nobody who has it open."""
    path = tmp_path / "ledger.sqlite"
    books = Books(SqliteStore(path), Clock())
    history(books)
    books.store.close()
    return path


def test_a_restored_backup_goes_on_and_shows(tmp_path: Path) -> None:
    """The chain of the backup goes on in another generation; a head noted after the backup is not in it."""
    path, backup = tmp_path / "ledger.sqlite", tmp_path / "backup.sqlite"
    books = Books(SqliteStore(path), Clock())
    history(books)
    with sqlite3.connect(path) as source, sqlite3.connect(backup) as target:
        source.backup(target)
    before = verdict_of(books).head
    books.post(debit(6, 1))
    keep(books)
    lost = verdict_of(books).head
    books.store.close()
    again = Books(SqliteStore(backup), books.clock)
    restored(again.store, books.clock.now_ms(), 0, TERMS)
    again.post(debit(6, 1))
    keep(again)
    assert verdict_of(again, before).findings == []
    assert verdict_of(again).generations == [(1, 0), (2, 7)]
    assert "generation 2" in verdict_of(again, lost).findings[0]
    again.store.close()


def test_the_command_tells_what_is_sound(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--database", str(file)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "chain: 7 entries, the last one 7, none is left to be sealed"
    assert told[-1] == "sound"
    head = told[1].removeprefix("head: ")
    assert main(["verify", "--database", str(file), "--expect-head", head, "--json"]) == 0
    assert f'"head": "{head}"' in capsys.readouterr().out


def test_the_command_tells_how_much_is_not_sealed_and_since_when(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    books = Books(SqliteStore(file), Clock())
    books.clock.advance(ms("2027-05-06T07:08") - books.clock.now_ms())
    books.post(debit(6, 1), debit(7, 1))
    books.store.close()
    assert main(["verify", "--database", str(file)]) == 0
    (first, *_) = capsys.readouterr().out.splitlines()
    since = "posted since 2027-05-06 07:08:00 UTC, are not sealed yet"
    assert first == f"chain: 7 entries, the last one 7, 2 more, {since}"
    assert main(["verify", "--database", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["unsealed_count"], told["unsealed_since_unix_ms"]) == (2, ms("2027-05-06T07:08"))


def test_the_command_tells_what_is_not(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE debits SET amount = 101 WHERE debit_key = 1")
    assert main(["verify", "--database", str(file)]) == 1
    out = capsys.readouterr().out
    assert "fault: link 1 does not hold" in out
    assert "fault: debit 1: its entries do not add up to it" in out
    assert main(["verify", "--database", str(file), "--expect-head", "00" * 32]) == 1
    assert "is not in the chain" in capsys.readouterr().out


def test_wrong_usage_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--database", str(tmp_path / "none")]) == 64
    assert main(["verify", "--database", "x", "--expect-head", "xyz"]) == 64
    assert "not hexadecimal" in capsys.readouterr().err
