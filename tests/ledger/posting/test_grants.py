"""Grants take effect, repay overdraft, and expire, at the ledger's clock."""

import pytest
from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.posting import grants
from holdfast_ledger.store.interface import EntryType, GrantState, Rollover

from tests.ledger.harness import START_MS, Books, debit


def types(books: Books) -> list[tuple[EntryType, str, int]]:
    return [(line.type, line.grant_id, line.amount) for line in books.journal()]


def test_a_grant_for_later_takes_effect_at_its_time(books: Books) -> None:
    books.open_pool()
    books.grant("g", 100, effective_at_ms=START_MS + 5_000)
    assert books.pool().posted == 0
    assert books.grants()["g"].state is GrantState.PENDING
    books.clock.advance(4_999)
    assert books.sweep() == set()
    books.clock.advance(1)
    assert books.sweep() == {books.pool().pool_key}
    assert books.pool().posted == books.pool().free == 100
    assert types(books) == [(EntryType.GRANT, "g", 100)]


def test_a_grant_first_repays_overdraft(books: Books) -> None:
    books.open_pool()
    books.hello()
    books.post(debit(1, 30))
    assert (books.pool().posted, books.pool().overdraft) == (-30, 30)
    books.grant("small", 10)
    assert books.grants()["small"].state is GrantState.EXHAUSTED
    books.grant("large", 50)
    assert (books.pool().posted, books.pool().overdraft, books.pool().free) == (30, 0, 30)
    assert books.grants()["large"].remaining == 30
    assert types(books) == [
        (EntryType.OVERDRAFT, "", 30),
        (EntryType.GRANT, "small", 10),
        (EntryType.REPAYMENT, "small", 10),
        (EntryType.GRANT, "large", 50),
        (EntryType.REPAYMENT, "large", 20),
    ]


def test_what_is_left_expires_and_what_is_leased_stays_out(books: Books) -> None:
    books.open_pool()
    books.hello()
    books.grant("g", 100, expires_at_ms=START_MS + 1_000)
    books.want(80)
    books.post(debit(1, 30))
    books.clock.advance(1_000)
    books.sweep()
    pool = books.pool()
    assert (pool.posted, pool.expired_total, pool.leased, pool.free) == (0, 70, 50, -50)
    assert books.grants()["g"].state is GrantState.EXPIRED
    assert pool.expired_leased_total == 50, "what expired while it was leased"
    assert books.lease_for(100).outstanding == 50, "nothing is leased from a pool that owes"


def test_an_expired_grant_does_not_burn_before_the_sweep_either(books: Books) -> None:
    books.open_pool()
    books.hello()
    books.grant("short", 100, expires_at_ms=START_MS + 1_000)
    books.grant("long", 100)
    books.clock.advance(1_000)
    books.post(debit(1, 10))
    assert types(books)[-2:] == [(EntryType.EXPIRY, "short", 100), (EntryType.DEBIT, "long", 10)]


def test_an_exhausted_grant_does_not_expire(books: Books) -> None:
    books.open_pool()
    books.hello()
    books.grant("g", 10, expires_at_ms=START_MS + 1_000)
    books.post(debit(1, 10))
    books.clock.advance(1_000)
    assert books.sweep() == set()
    assert books.grants()["g"].state is GrantState.EXHAUSTED


def test_a_sweep_takes_care_of_more_than_one_turn_holds(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grants, "SWEEP_LIMIT", 10)
    books.open_pool()
    for number in range(25):
        books.grant(f"g{number:05}", 1, effective_at_ms=START_MS + 1, expires_at_ms=START_MS + 10)
    books.clock.advance(5)
    books.sweep()
    assert books.pool().posted == 25
    books.clock.advance(5)
    books.sweep()
    assert (books.pool().posted, books.pool().expired_total) == (0, 25)


def test_a_voided_grant_leaves_its_pool_and_what_is_leased_stays_out(books: Books) -> None:
    books.open_pool()
    books.hello()
    books.grant("g", 100)
    books.want(80)
    books.post(debit(1, 30))
    assert books.void("g") == {books.pool().pool_key}
    pool = books.pool()
    assert (pool.posted, pool.voided_total, pool.expired_total, pool.leased, pool.free) == (0, 70, 0, 50, -50)
    assert pool.expired_leased_total == 50, "what was voided while it was leased"
    assert types(books)[-1] == (EntryType.VOID, "g", 70)
    assert books.void("g") == set(), "voided once"
    assert books.pool() == pool
    assert books.lease_for(100).outstanding == 50, "nothing is leased from a pool that owes"


@pytest.mark.parametrize("wait_ms", [0, 2_000, 6_000])
def test_a_grant_voided_in_any_state_never_burns_nor_expires(books: Books, wait_ms: int) -> None:
    books.open_pool()
    books.hello()
    books.grant("g", 100, effective_at_ms=START_MS + 1_000, expires_at_ms=START_MS + 5_000)
    books.clock.advance(wait_ms)
    books.sweep()
    books.void("g")
    books.clock.advance(1_000)
    books.sweep()
    books.post(debit(1, 10))
    assert books.grants()["g"].state is GrantState.VOIDED
    assert books.pool().overdraft == 10


def test_what_is_left_rolls_over_in_part_and_the_rest_expires(books: Books) -> None:
    books.open_pool()
    books.hello()
    rules = Rollover(share_bps=5_000, max_amount=40, lifetime_ms=2_000, times=2)
    books.grant("g", 101, expires_at_ms=START_MS + 1_000, rollover=rules, priority=7, category=1, cost_amount=1_000,
                cost_currency="USD", metadata='{"invoice": "7"}')  # fmt: skip
    books.want(60)
    books.post(debit(1, 30))
    books.clock.advance(1_500)
    books.sweep()
    first = books.grants()["g~rollover-1"]
    assert (first.amount, first.remaining, first.state) == (35, 35, GrantState.ACTIVE)
    assert (first.effective_at_ms, first.expires_at_ms) == (START_MS + 1_000, START_MS + 3_000)
    assert (first.priority, first.category, first.metadata, first.rolled_from) == (7, 1, '{"invoice": "7"}', "g")
    assert (first.cost_amount, first.cost_currency) == (346, "USD")
    pool = books.pool()
    assert (pool.granted_total, pool.expired_total, pool.posted, pool.free) == (101, 36, 35, 5)
    assert pool.expired_leased_total == 0, "what is out is covered by what rolled over"
    assert types(books)[2:] == [
        (EntryType.ROLLOVER_OUT, "g", 35),
        (EntryType.ROLLOVER_IN, "g~rollover-1", 35),
        (EntryType.EXPIRY, "g", 36),
    ]
    books.clock.advance(10_000)
    books.sweep()
    assert [(g.grant_id, g.amount, g.lapsed, g.rolled_from) for g in books.grants().values()] == [
        ("g", 101, 36, ""),
        ("g~rollover-1", 35, 18, "g"),
        ("g~rollover-2", 17, 17, "g~rollover-1"),
    ]
    assert (books.pool().posted, books.pool().expired_total) == (0, 71)


@pytest.mark.parametrize(
    ("rules", "rolled"),
    [
        (Rollover(10_000, 0, 0, 1), 100),
        (Rollover(10_000, 40, 0, 1), 40),
        (Rollover(99, 0, 0, 1), 0),
        (Rollover(100, 0, 0, 1), 1),
        (Rollover(3_333, 0, 5, 1), 33),
    ],
)
def test_the_share_that_rolls_over(books: Books, rules: Rollover, rolled: int) -> None:
    books.open_pool()
    books.grant("g", 100 if rolled else 101, expires_at_ms=START_MS + 1_000, rollover=rules)
    books.clock.advance(1_000)
    books.sweep()
    assert books.pool().posted == rolled
    assert books.pool().granted_total == books.pool().expired_total + rolled


def test_what_rolled_over_burns_in_the_transaction_that_notices(books: Books) -> None:
    books.open_pool()
    books.hello()
    books.grant("g", 100, expires_at_ms=START_MS + 1_000, rollover=Rollover(10_000, 0, 500, 1_000))
    books.clock.advance(10_400)
    books.post(debit(1, 10))
    assert books.grants()["g~rollover-19"].remaining == 90
    assert types(books)[-1] == (EntryType.DEBIT, "g~rollover-19", 10)


def test_a_voided_grant_does_not_roll_over(books: Books) -> None:
    books.open_pool()
    books.grant("g", 100, expires_at_ms=START_MS + 1_000, rollover=Rollover(10_000, 0, 0, 1))
    books.void("g")
    books.clock.advance(1_000)
    books.sweep()
    assert list(books.grants()) == ["g"]


def test_grants_for_later_count_against_the_largest_total(books: Books) -> None:
    books.open_pool()
    books.grant("later", 2**62, effective_at_ms=START_MS + 1_000)
    books.grant("now", 2**62 - 1)
    with pytest.raises(InvalidArgument, match="amount"):
        books.grant("more", 1)
    books.clock.advance(1_000)
    books.sweep()
    assert books.pool().posted == 2**63 - 1


def test_a_grant_whose_whole_life_passed_between_two_sweeps_leaves_its_lines(books: Books) -> None:
    books.open_pool()
    books.grant("g", 7, effective_at_ms=START_MS + 1, expires_at_ms=START_MS + 2)
    books.clock.advance(10)
    books.sweep()
    assert types(books) == [(EntryType.GRANT, "g", 7), (EntryType.EXPIRY, "g", 7)]
