"""After any history the books add up, closed months stay as they are, and the chain holds."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from holdfast_ledger.store.sqlite import SqliteStore
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledger.books.histories import KINDS, History, Step
from tests.ledger.harness import Books, Clock

NUMBERS = st.integers(0, 99)
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), NUMBERS, NUMBERS, NUMBERS), max_size=25)


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_books_add_up_after_any_history(steps: list[Step]) -> None:
    with TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "ledger.sqlite")
        history = History(Books(store, Clock()))
        history.begin()
        for step in steps:
            history.step(step)
        history.check()
        history.books.audit()
        store.close()


@pytest.mark.parametrize("seed", range(6))
def test_books_add_up_along_a_long_history(books: Books, seed: int) -> None:
    """On every store, and looked at on the way; half of them under the policy by default, which the export tells."""
    chance = random.Random(seed)
    kinds = KINDS if seed % 2 else [kind for kind in KINDS if kind != "policy"]
    history = History(books)
    history.begin()
    for number in range(1, 121):
        kind = chance.choice(kinds)
        history.step((kind, chance.randrange(100), chance.randrange(100), chance.randrange(100)))
        if number % 20 == 0:
            history.check()
