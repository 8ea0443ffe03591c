"""Which epoch a Hello gets: the table at the head of `sync/lives.py`, row by row."""

import pytest
from holdfast_ledger.errors import Fenced
from holdfast_ledger.store.interface import LedgerState, Sidecar
from holdfast_ledger.sync.lives import Introduction, is_behind, next_life

from tests.ledger.harness import Books, debit, instance

NOW, OTHER = instance(5), instance(9)
KNOWN = Sidecar("s", 5, 3, NOW, 1, 100, 0, "", 0)


def said(
    epoch: int, now: bytes, last_sequence: int = 100, birth_epoch: int = 0, acked_sequence: int = 0
) -> Introduction:
    return Introduction("s", epoch, now, last_sequence, acked_sequence, 0, "", birth_epoch)


@pytest.mark.parametrize(
    ("known", "hello", "life"),
    [
        (None, said(0, NOW, last_sequence=0), (1, 1)),
        (None, said(7, NOW), (8, 8)),
        (KNOWN, said(5, NOW), (5, 3)),
        (KNOWN, said(4, NOW), (5, 3)),
        (KNOWN, said(0, NOW, last_sequence=0), (5, 3)),
        (KNOWN, said(5, OTHER), (6, 3)),
        (KNOWN, said(0, OTHER, last_sequence=0), (6, 6)),
        (KNOWN, said(9, OTHER), (10, 10)),
        (KNOWN, said(6, NOW), (7, 7)),
        (KNOWN, said(9, OTHER, birth_epoch=3), (10, 3)),
        (KNOWN, said(9, OTHER, birth_epoch=8), (10, 8)),
        (None, said(9, OTHER, birth_epoch=2), (10, 2)),
        (KNOWN, said(5, OTHER, birth_epoch=3), (6, 3)),
        (KNOWN, said(5, OTHER, birth_epoch=5), (6, 5)),
    ],
)
def test_life(known: Sidecar | None, hello: Introduction, life: tuple[int, int]) -> None:
    assert next_life(known, hello) == life


@pytest.mark.parametrize(
    ("known", "hello", "generation", "behind"),
    [
        (None, said(0, NOW), 1, False),
        (None, said(0, NOW), 2, False),
        (None, said(7, NOW), 1, True),
        (KNOWN, said(5, OTHER), 1, False),
        (KNOWN, said(0, OTHER), 2, False),
        (KNOWN, said(6, OTHER), 1, True),
        (KNOWN, said(5, OTHER, acked_sequence=100), 1, False),
        (KNOWN, said(5, OTHER, acked_sequence=101), 1, True),
        (KNOWN, said(5, OTHER, birth_epoch=3), 1, False),
        (KNOWN, said(5, OTHER, birth_epoch=4), 1, True),
        (KNOWN, said(5, OTHER), 2, True),
        (KNOWN, said(5, NOW), 2, True),
    ],
)
def test_behind(known: Sidecar | None, hello: Introduction, generation: int, behind: bool) -> None:
    assert is_behind(known, hello, generation) is behind


@pytest.mark.parametrize(
    "hello",
    [
        said(4, OTHER),
        said(3, OTHER),
        said(1, OTHER),
        said(5, OTHER, last_sequence=99),
    ],
)
def test_fenced(hello: Introduction) -> None:
    with pytest.raises(Fenced) as caught:
        next_life(KNOWN, hello)
    assert caught.value.metadata == {"epoch": "5"}


def test_a_repeated_hello_gets_the_same_epoch(books: Books) -> None:
    first = books.hello()
    again = books.hello()
    assert (first.epoch, again.epoch, again.birth_epoch) == (1, 1, 1)
    assert again.stream_number == first.stream_number + 1


def test_a_restart_raises_the_epoch_and_keeps_life_and_mark(books: Books) -> None:
    books.open_pool()
    books.hello()
    books.post(debit(1))
    restarted = books.hello(epoch=1, instance=instance(2), last_sequence=1)
    assert (restarted.epoch, restarted.birth_epoch, restarted.acked_sequence) == (2, 1, 1)


def test_an_empty_folder_goes_on_from_the_mark(books: Books) -> None:
    books.open_pool()
    books.hello()
    books.post(debit(1), debit(2))
    reborn = books.hello(epoch=0, instance=instance(2))
    assert (reborn.epoch, reborn.birth_epoch, reborn.acked_sequence) == (2, 2, 2)
    assert books.post(debit(3, epoch=2)).debit_count == 1


def test_a_fenced_hello_changes_nothing(books: Books) -> None:
    books.hello()
    books.hello(epoch=1, instance=instance(2))
    before = books.sidecar()
    with pytest.raises(Fenced):
        books.hello(epoch=1, instance=instance(3))
    assert books.sidecar() == before


def test_a_life_that_the_ledger_had_lost_goes_on(books: Books) -> None:
    sidecar = books.hello(epoch=9, birth_epoch=4, acked_sequence=70, last_sequence=80)
    assert (sidecar.epoch, sidecar.birth_epoch, sidecar.acked_sequence, sidecar.generation) == (10, 4, 0, 0)


def test_a_new_sidecar_is_of_the_present_generation(books: Books) -> None:
    books.write(lambda writer: writer.save_ledger(LedgerState(7, 0)))
    assert books.hello().generation == 7
