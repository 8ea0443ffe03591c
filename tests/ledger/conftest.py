"""Runs coroutine tests, and gives each test a store of its own on a real file."""

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from holdfast_ledger.store.interface import Store
from holdfast_ledger.store.sqlite import SqliteStore

from tests.ledger.harness import Books, Clock


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a coroutine test to its end."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(params=["sqlite"])
def store(tmp_path: Path) -> Iterator[Store]:
    """Every implementation of the store in turn, empty."""
    result = SqliteStore(tmp_path / "ledger.sqlite")
    yield result
    result.close()


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
