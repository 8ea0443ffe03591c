"""Runs coroutine tests, and gives each test a store of its own on a real file."""

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from holdfast_bench.postgres import Server
from holdfast_ledger.bootstrap import open_store
from holdfast_ledger.store.interface import Store
from holdfast_ledger.store.postgres import PostgresStore

from tests.ledger import harness
from tests.ledger.harness import Books, Clock

TEMPLATE = "with_tables"
"""A database with the tables of a ledger, of which each test gets a copy."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a coroutine test to its end."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL that does not wait for the disk: none of its tests is about a crash of the host."""
    server = Server(fsync="off", shared_buffers="64MB", max_connections="200")
    PostgresStore(server.create(TEMPLATE)).close()
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """A database with the tables of a ledger."""
    url = postgres.create(template=TEMPLATE)
    yield url
    postgres.drop(url)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a ledger, one of each kind in turn, for the setting `database`."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.sqlite")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """Every implementation of the store in turn, empty."""
    result = open_store(database)
    yield result
    result.close()


@pytest.fixture
def every_store(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes `running` put the ledger of the test's folder into every kind of store in turn."""

    def place(folder: Path) -> str:
        return database if folder == tmp_path else harness.file_in(folder)

    monkeypatch.setattr(harness, "place_of", place)


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves."""
    return Clock()


@pytest.fixture
def books(store: Store, clock: Clock) -> Iterator[Books]:
    """A store with the rules above it and no network; audited at the end."""
    result = Books(store, clock)
    yield result
    result.audit()
