"""Gives tests a usage store on the real engine. The engine has one folder a process at a time, so each closes it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from holdfast_ledger.usage import schema
from holdfast_ledger.usage.embedded import EmbeddedDatabase


@pytest.fixture
def usage(tmp_path: Path) -> Iterator[EmbeddedDatabase]:
    """An empty usage store with its tables."""
    database = EmbeddedDatabase(tmp_path / "usage", memory_mb=512)
    schema.create(database)
    yield database
    database.close()
