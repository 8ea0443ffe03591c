"""The secret that tokens are signed with, in the ledger's database."""

from tests.ledger.harness import Books


def test_a_ledger_has_one_secret(books: Books) -> None:
    """The same for whoever reads it, and long enough that nobody guesses it; what it signs is in `test_answers`."""
    found = set()
    for _ in range(2):
        with books.store.reading() as reader:
            found.add(reader.token_secret())
    (secret,) = found
    assert len(secret) == 32
    assert len(set(secret)) > 8
