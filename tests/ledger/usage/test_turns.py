"""The turns of the feeder as the store keeps them: what is done, what is planned, and what is forgotten."""

from holdfast_ledger.usage import turns
from holdfast_ledger.usage.embedded import EmbeddedDatabase
from holdfast_ledger.usage.turns import Progress, Turn

from tests.ledger.harness import Books, debit
from tests.ledger.usage.feeding import feed_all, feeder, rows


def test_what_is_planned_is_told_until_it_is_complete(usage: EmbeddedDatabase) -> None:
    """An empty store has done nothing; a plan stands beside the turn before it; the first plan of a number counts."""
    assert turns.progress(usage) == Progress(Turn(), None)
    plan = Turn(1, 0, entry_key=5, anchor="it's", generation=3)
    turns.write(usage, plan, "1:plan")
    turns.write(usage, Turn(1, 0, entry_key=9), "1:plan")
    assert turns.progress(usage) == Progress(Turn(), plan)
    done = turns.completed(plan, complete_until=1_800_000_000_123, spend_count=2)
    turns.write(usage, done, "1:complete")
    assert turns.progress(usage) == Progress(done, None)


def test_turns_long_past_are_forgotten(books: Books, usage: EmbeddedDatabase) -> None:
    """The latest stay, and feeding goes on from them."""
    books.open_pool()
    books.hello()
    for sequence in range(1, 6):
        books.post(debit(sequence, 1))
        feeder(usage, books).turn()
    turns.forget(usage, turns.progress(usage).done, kept_count=2)
    assert rows(usage, "SELECT min(batch_no), max(batch_no) FROM feed_turns") == [(3, 5)]
    books.post(debit(6, 1))
    assert feed_all(usage, books).batch_no == 6


def test_lost_rows_are_noticed(books: Books, usage: EmbeddedDatabase) -> None:
    """By their number, table by table."""
    books.open_pool()
    books.hello()
    books.post(debit(1, 1), debit(2, 1))
    feed_all(usage, books)
    assert turns.lost(usage) == ""
    usage.command("ALTER TABLE spend DELETE WHERE entry_key = 1 SETTINGS mutations_sync = 1")
    assert turns.lost(usage) == "spend has 1 rows of 2"
