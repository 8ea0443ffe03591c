"""Closing fixes a month for good, once, in order; broken off, it has changed nothing."""

import pytest
from holdfast_ledger.books import closing, report
from holdfast_ledger.books.closing import Closing
from holdfast_ledger.books.policy import Breakage, Policy
from holdfast_ledger.books.verify import verify
from holdfast_ledger.errors import InvalidArgument, PeriodNotOver, Unavailable
from holdfast_ledger.posting.grants import add_grant
from holdfast_ledger.store.book_rows import BookState, ClosedPeriod
from holdfast_ledger.store.interface import NEVER, Grant, GrantState, Writer

from tests.ledger.books.setting import DAY_MS, close, go_to, keep, lines, ms, set_policy, with_closing
from tests.ledger.harness import Books, debit


def begin(books: Books) -> None:
    """A grant of 1,000 credits for 100.00 USD in January, of which 100 burn in January and 50 in February."""
    books.open_pool()
    books.hello()
    books.grant("g", 1_000, cost_amount=100_00, cost_currency="USD")
    books.post(debit(1, 100))
    go_to(books, "2027-02-10")
    books.post(debit(2, 50))
    go_to(books, "2027-03-01")


def state(books: Books) -> BookState:
    """The row of the books."""
    with books.store.reading() as reader:
        return reader.books()


def closed(books: Books) -> list[ClosedPeriod]:
    """The closed months."""
    with books.store.reading() as reader:
        return reader.closed_periods()


def test_all_months_before_are_closed_too_with_one_end(books: Books) -> None:
    begin(books)
    last = close(books, 202702)
    assert [one.period for one in closed(books)] == [202701, 202702]
    assert {one.last_entry_key for one in closed(books)} == {last.last_entry_key}
    assert len({one.figures_hash for one in closed(books)}) == 2


def test_a_month_with_nothing_in_it_is_closed(books: Books) -> None:
    go_to(books, "2027-03-01")
    assert close(books, 202701).line_count == 0
    assert close(books, 202702).period == 202702
    with pytest.raises(InvalidArgument, match="before 2027-01"):
        close(books, 202612)


def test_the_last_millisecond_of_a_month_is_not_past_it(books: Books) -> None:
    begin(books)
    books.clock.advance(ms("2027-04-01") - books.clock.now_ms() - 1)
    with pytest.raises(PeriodNotOver):
        close(books, 202703)
    books.clock.advance(1)
    assert close(books, 202703).period == 202703


def test_a_debit_that_was_settled_in_a_closed_month_counts_in_the_first_open_one(books: Books) -> None:
    """A host was cut off over the end of January; its debit comes after the month was closed."""
    begin(books)
    close(books, 202701)
    books.post(debit(3, 10, settled_at_unix_ms=ms("2027-01-31T23:59")))
    february = next(line for line in lines(books, 202702, 202703) if line.period == 202702)
    assert (february.recognised, february.late) == (6_00, 1_00)


def test_a_debit_that_was_settled_in_an_open_month_counts_there(books: Books) -> None:
    begin(books)
    books.post(debit(3, 10, settled_at_unix_ms=ms("2027-02-28T23:59")))
    assert [(x.recognised, x.late) for x in lines(books, 202701, 202703)] == [(10_00, 0), (6_00, 0), (0, 0)]


def test_a_clock_far_behind_is_believed_for_35_days(books: Books) -> None:
    begin(books)
    books.post(debit(3, 10, settled_at_unix_ms=1))
    assert [x.recognised for x in lines(books, 202701, 202703)] == [11_00, 5_00, 0]


def test_another_policy_holds_for_open_months_and_takes_in_what_it_changes(books: Books) -> None:
    """By estimate 20 % are never used: what burned in January made 2.50 of breakage, which February takes in."""
    begin(books)
    close(books, 202701)
    set_policy(books, Policy(Breakage.ESTIMATE, 2_000))
    found = [(x.opening, x.recognised, x.breakage, x.closing) for x in lines(books, 202701, 202702)]
    assert found == [(0, 10_00, 0, 90_00), (90_00, 5_00, 2_50 + 1_25, 81_25)]
    close(books, 202702)
    set_policy(books, Policy())
    march = lines(books, 202703, 202703)[0]
    assert (march.opening, march.breakage, march.closing) == (81_25, -3_75, 85_00)


def test_a_closing_that_broke_off_is_taken_up_when_its_claim_has_run_out(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(books)

    def lost(self: Closing, *_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(Closing, "_finish", lost)
        with pytest.raises(ConnectionError):
            close(books, 202701)
    assert closed(books) == []
    with pytest.raises(Unavailable, match="another call"):
        close(books, 202701)
    books.post(debit(3, 10))
    keep(books)
    assert state(books).last_entry_key == 3, "nothing is counted while the claim holds"
    books.clock.advance(closing.CLAIM_MS + 1_000)
    assert close(books, 202701).line_count == 1
    assert state(books).closing_until_ms == 0


def test_a_claim_of_a_clock_that_was_wrong_is_not_waited_for(books: Books) -> None:
    begin(books)
    far_ms = books.clock.now_ms() + 366 * DAY_MS
    books.write(lambda writer: writer.save_books(writer.lock_books()._replace(closing_until_ms=far_ms)))
    books.post(debit(3, 10))
    keep(books)
    assert state(books).last_entry_key == 4
    assert close(books, 202701).line_count == 1


def test_a_closing_that_lost_its_claim_closes_nothing(books: Books) -> None:
    begin(books)

    async def act(one: Closing) -> None:
        claim_ms = one._claim

        def stolen(writer: object) -> tuple[int, int]:
            claimed, last_key = claim_ms(writer)  # type: ignore[arg-type]  # a writer
            return claimed - 1, last_key

        one._claim = stolen  # type: ignore[method-assign]  # as if another one had claimed the books since
        await one.close(202701)

    with pytest.raises(Unavailable, match="took too long"):
        with_closing(books, act)
    assert closed(books) == []


def test_accounts_are_closed_a_few_at_a_time_and_add_up(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "ACCOUNTS_AT_ONCE", 2)
    monkeypatch.setattr(closing, "LINES_AT_ONCE", 1)
    keys = [open_account(books, f"account-{number}", cost_amount=100 * number) for number in range(1, 6)]
    go_to(books, "2027-02-01")
    whole = lines(books, 202701, 202702)
    assert [(x.granted, x.closing) for x in whole] == [(1_500, 1_500), (0, 1_500)]
    assert close(books, 202701).line_count == 5
    assert lines(books, 202701, 202702) == whole
    assert [lines(books, 202702, 202702, key)[0].opening for key in keys] == [100, 200, 300, 400, 500]
    with books.store.reading() as reader:
        assert verify(reader).findings == []


def test_what_was_used_is_paid_back_once_it_is_corrected(books: Books) -> None:
    """A refund is of what is not earned: the use is taken back first, in the open month, however much was burned."""
    begin(books)
    books.grant("whole", 10, cost_amount=5_00, cost_currency="USD", priority=-1)
    books.post(debit(3, 10))
    close(books, 202702)
    for grant_id, most in (("g", 85_00), ("whole", 0)):
        with pytest.raises(InvalidArgument, match=f"more than the {most} that are not earned"):
            books.void(grant_id, refunded_amount=most + 1)
    for number in (1, 2, 3):
        books.correct(f"op-{number}", correction_id=f"c-{number}")
    books.void("g", refunded_amount=100_00)
    books.void("whole", refunded_amount=5_00)
    march = lines(books, 202703, 202703)[0]
    assert (march.opening, march.granted, march.recognised, march.breakage) == (85_00, 5_00, -15_00, 0)
    assert (march.refunded, march.closing, march.late) == (105_00, 0, -15_00)


def open_account(books: Books, account_id: str, cost_amount: int) -> int:
    """Makes an account with a grant; returns its key."""
    books.open_pool(account_id=account_id)
    now_ms = books.clock.now_ms()
    grant = Grant(0, "g", 10, 2, 0, 0, NEVER, cost_amount, "USD", 0, 0, GrantState.PENDING, now_ms)

    def job(writer: Writer) -> int:
        pool = writer.pool(account_id, "general")
        assert pool is not None
        add_grant(writer, pool, grant, now_ms)
        return pool.account_key

    return books.write(job)
