"""Ways to break the code, by name: each replaces what does a thing for as long as a context lasts."""

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from tests.simulation.patching import replaced

Make = Callable[[], Iterator[None]]
Break = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One way to break the code."""

    break_it: Break
    seeds: tuple[int, ...]
    """Seeds within which it must be caught: so many, from the first, of those that have what it breaks."""


MUTANTS: dict[str, Mutant] = {}


def mutant(seed_count: int, has: Callable[[int], bool] = lambda _: True) -> Callable[[Make], Make]:
    """Enters a mutant under its function's name; `has`: whether a seed has what it breaks."""
    seeds = tuple(itertools.islice(filter(has, itertools.count(1)), seed_count))

    def enter(make: Make) -> Make:
        MUTANTS[make.__name__.replace("_", "-")] = Mutant(contextmanager(make), seeds)
        return make

    return enter


@contextmanager
def applied(name: str) -> Iterator[None]:
    """Breaks the code for as long as the context lasts."""
    with MUTANTS[name].break_it():
        yield


@contextmanager
def everywhere(module: object, name: str, value: object) -> Iterator[None]:
    """Replaces a function of a module wherever it was imported by name."""
    original = module.__dict__[name]
    with ExitStack() as stack:
        for other in list(sys.modules.values()):
            if getattr(other, "__dict__", {}).get(name) is original:
                stack.enter_context(replaced(other, name, value))
        yield
