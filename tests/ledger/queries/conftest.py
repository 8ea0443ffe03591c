"""A usage store on a real engine: one for all tests, since a process has one at a time; each test finds it empty."""

from collections.abc import Iterator

import pytest
from holdfast_ledger.usage import schema
from holdfast_ledger.usage.database import UsageDatabase
from holdfast_ledger.usage.embedded import EmbeddedDatabase

from tests.ledger.queries.setting import Setting, clear


@pytest.fixture(scope="package")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UsageDatabase]:
    """The engine with its tables."""
    database = EmbeddedDatabase(tmp_path_factory.mktemp("usage") / "store", 1_024)
    schema.create(database)
    schema.create(database, dimensions=["team"])
    yield database
    database.close()


@pytest.fixture
def setting(engine: UsageDatabase) -> Setting:
    """An empty store."""
    clear(engine)
    return Setting(engine)
