"""Gives tests of metering a ledger with a usage store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger.harness import Books
from tests.ledger.metering.meterage import Meterage


@pytest.fixture
def meterage(books: Books, tmp_path: Path) -> Iterator[Meterage]:
    """A ledger with account "a" and a million in its general pool, on every kind of store, and a usage store."""
    books.open_pool()
    books.grant("g", 1_000_000)
    result = Meterage(books, tmp_path / "usage")
    yield result
    result.close()
