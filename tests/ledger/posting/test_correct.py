"""A debit is corrected at most by what it was, and what comes back goes where it came from."""

import pytest
from holdfast_ledger.errors import AlreadyExists, DebitNotFound, InvalidArgument
from holdfast_ledger.store.interface import EntryType, GrantState

from tests.ledger.harness import START_MS, Books, debit, instance

SOON_MS = START_MS + 1_000


@pytest.fixture
def opened(books: Books) -> Books:
    """Pool a/general with a promotional grant of 10 that expires soon and a paid one of 20; sidecar s."""
    books.open_pool()
    books.hello()
    books.grant("gift", 10, category=1, expires_at_ms=SOON_MS)
    books.grant("paid", 20)
    return books


def lines_of(books: Books, correction_id: str = "c") -> list[tuple[EntryType, str, int]]:
    return [(x.type, x.grant_id, x.amount) for x in books.journal() if x.correction_id == correction_id]


def left(books: Books) -> dict[str, int]:
    return {name: grant.remaining for name, grant in books.grants().items()}


def test_what_burned_last_comes_back_first(opened: Books) -> None:
    opened.post(debit(1, 15))
    made = opened.correct("op-1", 8)
    assert (made.amount, made.operation_id) == (8, "op-1")
    assert lines_of(opened) == [(EntryType.CORRECTION, "paid", 5), (EntryType.CORRECTION, "gift", 3)]
    assert left(opened) == {"gift": 3, "paid": 20}
    assert opened.grants()["gift"].state is GrantState.ACTIVE, "a grant that was used up burns again"
    pool = opened.pool()
    assert (pool.spent_total, pool.corrected_total, pool.posted) == (7, 8, 23)


def test_what_came_back_burns_again_and_expires(opened: Books) -> None:
    opened.post(debit(1, 15))
    opened.correct("op-1", 8)
    opened.post(debit(2, 1))
    assert left(opened) == {"gift": 2, "paid": 20}
    opened.clock.advance(1_000)
    opened.sweep()
    assert opened.pool().expired_total == 2


def test_rights_do_not_move_and_what_comes_back_is_free(opened: Books) -> None:
    opened.want(20)
    opened.post(debit(1, 15))
    before = opened.lease()
    opened.correct("op-1")
    assert opened.lease() == before
    assert (opened.pool().free, opened.pool().leased) == (25, 5)


def test_a_correction_is_made_once(opened: Books) -> None:
    opened.post(debit(1, 15), debit(2, 5))
    first = opened.correct("op-1", 8)
    assert opened.correct("op-1", 8) == first
    assert opened.pool().corrected_total == 8
    for operation_id, amount, field in (("op-1", 7, "amount"), ("op-2", 8, "operation_id"), ("op-1", 0, "amount")):
        with pytest.raises(AlreadyExists) as caught:
            opened.correct(operation_id, amount)
        assert caught.value.metadata["field"] == field


def test_never_more_than_the_debit_in_all(opened: Books) -> None:
    opened.post(debit(1, 15))
    opened.correct("op-1", 8, "first")
    with pytest.raises(InvalidArgument, match="more than the 7"):
        opened.correct("op-1", 8, "second")
    assert opened.correct("op-1", 0, "rest").amount == 7
    with pytest.raises(InvalidArgument):
        opened.correct("op-1", 0, "again")
    assert opened.pool().spent_total == 0
    assert left(opened) == {"gift": 10, "paid": 20}


def test_parts_come_back_in_reverse_order_over_several_corrections(opened: Books) -> None:
    opened.post(debit(1, 35))
    for number, lines in enumerate(
        (
            [(EntryType.OVERDRAFT_CORRECTION, "", 4)],
            [(EntryType.OVERDRAFT_CORRECTION, "", 1), (EntryType.CORRECTION, "paid", 3)],
            [(EntryType.CORRECTION, "paid", 4)],
        )
    ):
        opened.correct("op-1", 4, f"c{number}")
        assert lines_of(opened, f"c{number}") == lines
    assert opened.pool().overdraft == 0


def test_what_was_posted_nowhere_cannot_be_corrected(opened: Books) -> None:
    opened.open_pool("other")
    opened.post(debit(1, 5))
    for operation_id, pool_id in (("op-2", "general"), ("op-1", "other")):
        with pytest.raises(DebitNotFound):
            opened.correct(operation_id, 1, pool_id=pool_id)


def test_a_duplicate_does_not_raise_what_can_be_corrected(opened: Books) -> None:
    opened.hello("t", instance=instance(2))
    opened.post(debit(1, 5))
    opened.post(debit(1, 9, operation_id="op-1"), sidecar_id="t")
    assert opened.correct("op-1").amount == 5


def test_what_comes_back_to_an_expired_grant_expires(opened: Books) -> None:
    opened.post(debit(1, 4))
    opened.clock.advance(1_000)
    opened.correct("op-1")
    assert lines_of(opened) == [(EntryType.CORRECTION, "gift", 4), (EntryType.EXPIRY, "gift", 4)]
    pool = opened.pool()
    assert (pool.expired_total, pool.posted, pool.spent_total) == (10, 20, 0)


def test_what_comes_back_to_a_grant_used_up_before_its_expiry_expires_after_it(opened: Books) -> None:
    opened.post(debit(1, 10))
    opened.clock.advance(1_000)
    opened.sweep()
    assert opened.grants()["gift"].state is GrantState.EXHAUSTED
    opened.correct("op-1")
    assert opened.grants()["gift"].state is GrantState.EXPIRED
    assert opened.pool().expired_total == 10


def test_what_comes_back_to_a_voided_grant_is_voided(opened: Books) -> None:
    opened.post(debit(1, 15))
    opened.void("paid")
    opened.correct("op-1", 5)
    assert lines_of(opened) == [(EntryType.CORRECTION, "paid", 5), (EntryType.VOID, "paid", 5)]
    assert (opened.pool().voided_total, opened.pool().posted) == (20, 0)


def test_overdraft_is_repaid_before_a_grant_burns_again(opened: Books) -> None:
    opened.post(debit(1, 15), debit(2, 20))
    assert opened.pool().overdraft == 5
    opened.correct("op-1", 8)
    assert lines_of(opened) == [
        (EntryType.CORRECTION, "paid", 5),
        (EntryType.REPAYMENT, "paid", 5),
        (EntryType.CORRECTION, "gift", 3),
    ]
    assert left(opened) == {"gift": 3, "paid": 0}
    assert opened.pool().overdraft == 0


def test_overdraft_that_was_repaid_comes_back_to_who_repaid_it_the_latest_first(opened: Books) -> None:
    opened.post(debit(1, 40))
    opened.grant("early", 6)
    opened.grant("late", 10)
    assert left(opened) == {"gift": 0, "paid": 0, "early": 0, "late": 6}
    opened.correct("op-1", 7)
    assert lines_of(opened) == [
        (EntryType.OVERDRAFT_CORRECTION, "", 7),
        (EntryType.REPAYMENT_RETURN, "late", 4),
        (EntryType.REPAYMENT_RETURN, "early", 3),
    ]
    assert left(opened) == {"gift": 0, "paid": 0, "early": 3, "late": 10}
    opened.correct("op-1", 4, "more")
    assert lines_of(opened, "more") == [
        (EntryType.OVERDRAFT_CORRECTION, "", 3),
        (EntryType.REPAYMENT_RETURN, "early", 3),
        (EntryType.CORRECTION, "paid", 1),
    ]


def test_overdraft_half_repaid_is_lowered_first(opened: Books) -> None:
    opened.post(debit(1, 40))
    opened.grant("small", 6)
    opened.correct("op-1", 5)
    assert lines_of(opened) == [(EntryType.OVERDRAFT_CORRECTION, "", 5), (EntryType.REPAYMENT_RETURN, "small", 1)]
    assert (opened.pool().overdraft, opened.pool().posted) == (0, 1)
