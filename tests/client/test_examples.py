"""The examples in the documentation strings, run against a sidecar, and the names that the package offers."""

import asyncio
import doctest
import importlib
import pkgutil
from types import ModuleType

import holdfast
import pytest

from tests.client.conftest import Sidecar

MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(holdfast.__path__, "holdfast.")
    if not found.name.startswith("holdfast.v1")
]
EXAMPLES = [
    example
    for module in [holdfast, *MODULES]
    for example in doctest.DocTestFinder().find(module, globs={"asyncio": asyncio, "holdfast": holdfast})
    if example.examples
]


def test_there_are_examples() -> None:
    assert {"holdfast", "holdfast.sync.client.Client", "holdfast.aio.session.Session"} <= {
        example.name for example in EXAMPLES
    }


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_does_what_it_says(
    example: doctest.DocTest, sidecar: Sidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_SIDECAR", sidecar.target)
    assert doctest.DocTestRunner().run(example).failed == 0


def test_all_names_what_there_is() -> None:
    assert holdfast.__all__ == sorted(holdfast.__all__)
    assert all(hasattr(holdfast, name) for name in holdfast.__all__)


@pytest.mark.parametrize("pair", ["Client", "Session", "Hold"])
def test_both_runtimes_have_the_same_names_and_arguments(pair: str) -> None:
    def public(module: ModuleType, name: str) -> dict[str, list[str]]:
        kind = getattr(module, name)
        found = {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}
        return {
            name: list(method.__code__.co_varnames[: method.__code__.co_argcount + method.__code__.co_kwonlyargcount])
            for name, method in found.items()
            if callable(method) and name not in {"submit", "decided", "keep", "after_fork_in_child"}
        }

    asyncio_name = "AsyncClient" if pair == "Client" else pair
    assert public(holdfast.sync, pair) == public(holdfast.aio, asyncio_name)
