"""Deliberately broken variants of the real code, each of which the simulator must catch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

MUTANTS: dict[str, Callable[[], Iterator[None]]] = {}


@contextmanager
def applied(name: str) -> Iterator[None]:
    """Breaks the code for as long as the context lasts."""
    yield
