"""Each debit is posted exactly once, and none is dropped in silence."""

from typing import Any

import pytest
from holdfast_ledger.errors import SequenceGap
from holdfast_ledger.store.interface import OPTIMISTIC, EntryType, GrantState, Policy, Rollover

from tests.ledger.harness import START_MS, Books, debit, instance


@pytest.fixture
def opened(books: Books) -> Books:
    """Pool a/general with 1,000 credits, 100 of them leased to sidecar s."""
    books.open_pool()
    books.grant("g", 1_000)
    books.hello()
    books.want(100)
    return books


def test_a_debit_burns_and_moves_all_figures(opened: Books) -> None:
    done = opened.post(debit(1, 30), debit(2, 20))
    assert (done.acked_sequence, done.debit_count) == (2, 2)
    pool, lease = opened.pool(), opened.lease()
    assert (pool.posted, pool.spent_total, pool.leased, pool.free) == (950, 50, 50, 900)
    assert (lease.posted_total, lease.outstanding) == (50, 50)
    assert opened.grants()["g"].remaining == 950


def test_provenance_is_kept(opened: Books) -> None:
    opened.post(debit(1, 30, hold_id="h", operation_id="settle-1"))
    line = opened.journal()[-1]
    assert (line.type, line.grant_id, line.sidecar_id, line.epoch, line.sequence, line.operation_id, line.hold_id) == (
        EntryType.DEBIT, "g", "s", 1, 1, "settle-1", "h",
    )  # fmt: skip


def test_what_is_posted_is_dropped_when_it_comes_again(opened: Books) -> None:
    opened.post(debit(1, 30), debit(2, 20))
    again = opened.post(debit(1, 30), debit(2, 20))
    assert (again.acked_sequence, again.debit_count, again.dropped_count) == (2, 0, 2)
    overlapping = opened.post(debit(2, 20), debit(3, 5))
    assert (overlapping.acked_sequence, overlapping.debit_count, overlapping.dropped_count) == (3, 1, 1)
    assert opened.pool().spent_total == 55


def test_a_gap_changes_nothing(opened: Books) -> None:
    with pytest.raises(SequenceGap):
        opened.post(debit(2, 20))
    assert opened.sidecar().acked_sequence == 0
    assert opened.pool().spent_total == 0


def test_an_operation_of_another_sidecar_burns_once_and_its_right_goes_back(opened: Books) -> None:
    opened.post(debit(1, 30, operation_id="same"))
    opened.hello("t", instance=instance(2))
    opened.want(50, "t")
    done = opened.post(debit(1, 30, operation_id="same"), debit(2, 5, operation_id="other"), sidecar_id="t")
    assert (done.acked_sequence, done.debit_count, done.duplicate_count) == (2, 1, 1)
    pool, lease = opened.pool(), opened.lease("t")
    assert pool.spent_total == 35
    assert (lease.posted_total, lease.outstanding) == (35, 15), "the sidecar has consumed 35, whatever was burned"
    assert pool.free + pool.leased == pool.posted == 965


def test_an_operation_twice_in_one_run_burns_once(opened: Books) -> None:
    done = opened.post(debit(1, 30, operation_id="same"), debit(2, 40, operation_id="same"))
    assert (done.debit_count, done.duplicate_count, done.acked_sequence) == (1, 1, 2)
    assert opened.pool().spent_total == 30


def test_the_same_operation_id_in_another_account_is_another_operation(opened: Books) -> None:
    opened.open_pool("general", "b")
    opened.post(debit(1, 30, operation_id="same"), debit(2, 7, operation_id="same", account_id="b"))
    assert opened.pool().spent_total == 30
    assert opened.pool(account_id="b").overdraft == 7


@pytest.mark.parametrize("names", [{"account_id": "nobody"}, {"pool_id": "nothing"}, {"account_id": "", "pool_id": ""}])
def test_a_debit_of_an_unknown_pool_is_quarantined_and_the_mark_moves(opened: Books, names: dict[str, str]) -> None:
    done = opened.post(debit(1, 1), debit(2, 9, **names), debit(3, 1))
    assert (done.acked_sequence, done.debit_count, done.quarantined_count) == (3, 2, 1)
    assert opened.pool().spent_total == 2


def test_a_debit_beyond_int64_is_quarantined(opened: Books) -> None:
    opened.post(debit(1, 2**63 - 1_000))
    done = opened.post(debit(2, 2_000), debit(3, 1))
    assert (done.quarantined_count, done.debit_count, done.acked_sequence) == (1, 1, 3)


def test_debits_beyond_the_lease_grant_their_deficit(opened: Books) -> None:
    opened.post(debit(1, 130))
    pool, lease = opened.pool(), opened.lease()
    assert (lease.granted_total, lease.posted_total, lease.outstanding) == (130, 130, 0)
    assert (pool.free, pool.leased, pool.posted) == (870, 0, 870)


def test_debits_beyond_the_pool_are_overdraft(opened: Books) -> None:
    done = opened.post(debit(1, 1_200))
    pool = opened.pool()
    assert done.overdraft_amount == 200
    assert (pool.posted, pool.free, pool.leased, pool.overdraft) == (-200, -200, 0, 200)
    assert opened.grants()["g"].state is GrantState.EXHAUSTED


def test_grants_burn_in_the_total_order_whatever_the_order_of_their_making(opened: Books) -> None:
    opened.grant("promotional", 10, category=1, expires_at_ms=START_MS + 9_000)
    opened.grant("soon", 10, expires_at_ms=START_MS + 9_000)
    opened.grant("sooner", 10, expires_at_ms=START_MS + 8_000)
    opened.grant("first", 10, priority=0, category=1, expires_at_ms=START_MS + 1_000)
    opened.post(debit(1, 15), debit(2, 30))
    burned = [(line.grant_id, line.amount) for line in opened.journal() if line.type is EntryType.DEBIT]
    assert burned == [("first", 10), ("promotional", 5), ("promotional", 5), ("sooner", 10), ("soon", 10), ("g", 5)]


def test_pools_do_not_spill_into_one_another(opened: Books) -> None:
    opened.open_pool("bound")
    opened.grant("b", 10, "bound")
    opened.post(debit(1, 15, pool_id="bound"), debit(2, 3))
    assert opened.pool("bound").overdraft == 5
    assert opened.pool().spent_total == 3


def test_a_run_over_many_pools(opened: Books) -> None:
    for number in range(50):
        opened.open_pool(f"p{number}")
    debits = [debit(n + 1, n + 1, pool_id=f"p{n % 50}") for n in range(1_500)]
    assert opened.post(*debits).debit_count == 1_500
    expected = sum(n + 1 for n in range(1_500) if n % 50 == 7)
    assert opened.pool("p7").overdraft == expected


def test_dimensions_and_flags_are_kept(opened: Books) -> None:
    opened.post(
        debit(
            1, 5, dimensions=[{"key": "model", "value": 'g"€'}], late=True, over_hold_amount=2, estimated=True,
            caller="uid:1000",
        )
    )  # fmt: skip
    connection = opened.store._writer  # type: ignore[attr-defined]  # no call reads them yet
    columns = "dimensions, late, over_hold_amount, estimated, mode, caller"
    row = connection.execute(f"SELECT {columns} FROM debits").fetchone()
    assert row == ('{"model": "g\\"€"}', 1, 2, 1, 1, "uid:1000")


@pytest.mark.parametrize(
    ("debits", "totals"),
    [
        ([{"amount": 100}], {}),
        ([{"amount": 130}], {"unleased": 30}),
        ([{"amount": 130, "over_hold_amount": 30}], {"over_hold": 30}),
        ([{"amount": 130, "over_hold_amount": 20}], {"over_hold": 20, "unleased": 10}),
        ([{"amount": 130, "late": True}], {"late": 130}),
        ([{"amount": 130, "late": True, "over_hold_amount": 5}], {"late": 130, "over_hold": 5}),
        ([{"amount": 130, "fail_open_amount": 30}], {"fail_open": 30}),
        ([{"amount": 130, "allowance_amount": 30}], {"allowance_spent": 30}),
        ([{"amount": 90}, {"amount": 50, "allowance_amount": 40}], {"allowance_spent": 40}),
        ([{"amount": 90}, {"amount": 50, "allowance_amount": 30}], {"allowance_spent": 30, "unleased": 10}),
        ([{"amount": 60, "over_hold_amount": 10}, {"amount": 50}], {"over_hold": 10}),
    ],
)
def test_what_was_spent_beyond_the_lease_is_counted_by_its_reason(
    opened: Books, debits: list[dict[str, Any]], totals: dict[str, int]
) -> None:
    opened.post(*(debit(number, **fields) for number, fields in enumerate(debits, start=1)))
    pool = opened.pool()
    names = ("allowance_spent", "fail_open", "over_hold", "late", "unleased")
    assert {name: getattr(pool, f"{name}_total") for name in names if getattr(pool, f"{name}_total")} == totals


def test_a_duplicate_is_spent_beyond_no_lease(opened: Books) -> None:
    opened.post(debit(1, 30, operation_id="same"))
    opened.post(debit(2, 90, operation_id="same", late=True, over_hold_amount=20), debit(3, 5))
    pool = opened.pool()
    assert (pool.late_total, pool.over_hold_total, pool.unleased_total) == (0, 0, 0)


def test_optimistic_pools_are_named_since_their_sidecars_are_told_sooner(opened: Books) -> None:
    opened.open_pool("loose", policy=Policy(enforcement=OPTIMISTIC))
    done = opened.post(debit(1, 5), debit(2, 5, pool_id="loose"))
    assert done.optimistic_pools == {opened.pool("loose").pool_key}
    assert done.moved_pools == {opened.pool().pool_key, opened.pool("loose").pool_key}


@pytest.fixture
def lapsed(books: Books) -> Books:
    """A gift of 100 that expired 5 s ago while 60 of it were leased to s, and a paid grant of 200."""
    books.open_pool()
    books.grant("gift", 100, category=1, expires_at_ms=START_MS + 1_000)
    books.grant("paid", 200)
    books.hello()
    books.want(260)
    books.clock.advance(6_000)
    books.sweep()
    return books


def test_a_hold_opened_before_a_grant_expired_settles_against_it(lapsed: Books) -> None:
    assert (lapsed.pool().expired_total, lapsed.pool().free, lapsed.pool().posted) == (100, -60, 200)
    lapsed.post(debit(1, 70, hold_id="h", hold_age_ms=5_001))
    assert [(x.type, x.grant_id, x.amount, x.hold_id) for x in lapsed.journal()][-2:] == [
        (EntryType.REVIVAL, "gift", 70, "h"),
        (EntryType.DEBIT, "gift", 70, "h"),
    ]
    pool, gift = lapsed.pool(), lapsed.grants()["gift"]
    assert (pool.expired_total, pool.revived_total, pool.spent_total, pool.posted) == (30, 70, 70, 200)
    assert (pool.free, pool.leased, pool.expired_leased_total) == (10, 190, 60)
    assert (gift.state, gift.remaining, gift.lapsed) == (GrantState.EXPIRED, 0, 30)
    lapsed.post(debit(2, 70, hold_id="i", hold_age_ms=60_000))
    burned = [(x.grant_id, x.amount) for x in lapsed.journal() if x.type is EntryType.DEBIT]
    assert burned == [("gift", 70), ("gift", 30), ("paid", 40)]


@pytest.mark.parametrize(
    "fields", [{}, {"hold_id": "h", "hold_age_ms": 5_000}, {"hold_id": "h", "hold_age_ms": 60_000, "late": True}]
)
def test_what_was_opened_later_or_is_late_does_not_burn_what_has_expired(lapsed: Books, fields: dict[str, Any]) -> None:
    lapsed.post(debit(1, 70, **fields))
    assert lapsed.journal()[-1].grant_id == "paid"
    assert lapsed.pool().revived_total == 0


def test_each_debit_of_a_run_burns_what_it_may(lapsed: Books) -> None:
    lapsed.post(debit(1, 10), debit(2, 20, hold_age_ms=5_500), debit(3, 30))
    burned = [(x.operation_id, x.grant_id) for x in lapsed.journal() if x.type is EntryType.DEBIT]
    assert burned == [("op-1", "paid"), ("op-2", "gift"), ("op-3", "paid")]


def test_what_was_voided_or_rolled_over_is_not_revived(books: Books) -> None:
    books.open_pool()
    books.grant("void", 100, category=1, expires_at_ms=START_MS + 1_000)
    books.grant("roll", 100, expires_at_ms=START_MS + 1_000, rollover=Rollover(6_000, 0, 0, 1))
    books.hello()
    books.clock.advance(1_000)
    books.sweep()
    books.void("void")
    books.post(debit(1, 150, hold_age_ms=10))
    burned = [(x.type, x.grant_id, x.amount) for x in books.journal() if x.operation_id]
    assert burned == [
        (EntryType.REVIVAL, "roll", 40),
        (EntryType.DEBIT, "roll", 40),
        (EntryType.DEBIT, "roll~rollover-1", 60),
        (EntryType.OVERDRAFT, "", 50),
    ]


def test_what_was_revived_is_corrected_back_to_what_has_expired(lapsed: Books) -> None:
    lapsed.post(debit(1, 70, hold_age_ms=5_001))
    lapsed.correct("op-1", 20)
    assert (lapsed.pool().expired_total, lapsed.grants()["gift"].lapsed) == (50, 50)
