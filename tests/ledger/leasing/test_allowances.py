"""Allowances: the partition overdraft threshold, split among sidecars so that the sum over them is the threshold."""

import pytest
from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.leasing.allowances import ALLOWANCE
from holdfast_ledger.leasing.rights import Granted
from holdfast_ledger.store.interface import NEVER, Policy

from tests.ledger.harness import (
    ALLOWANCE_RECLAIM_AFTER_MS,
    ALLOWANCE_VALIDITY_MS,
    RECLAIM_AFTER_MS,
    SLACK_MS,
    TTL_MS,
    Books,
    debit,
    instance,
)

POLICY = Policy(partition_mode=ALLOWANCE, partition_overdraft_limit=90)


@pytest.fixture
def opened(books: Books) -> Books:
    """Pool a/general with 100 credits and a threshold of 90; sidecars s, t and u."""
    books.open_pool(policy=POLICY)
    books.grant("g", 100)
    for number, name in enumerate("stu", start=1):
        books.hello(name, instance=instance(number))
    return books


def out(books: Books, *names: str) -> list[int]:
    return [books.lease(name).allowance_outstanding for name in names]


def give_back(books: Books, name: str, amount: int) -> None:
    lease = books.lease(name)
    books.want(0, name, allowance_returned_total=lease.allowance_returned_total + amount)


def set_policy(books: Books, policy: Policy) -> None:
    key = books.pool().pool_key
    books.write(lambda writer: writer.save_policy(key, policy))


def test_the_first_sidecar_has_the_whole_threshold(opened: Books) -> None:
    opened.want(10, "s")
    assert (out(opened, "s"), opened.pool().allowance_leased) == ([90], 90)


def test_who_joins_gets_its_share_when_the_others_have_given_theirs_back(opened: Books) -> None:
    opened.want(10, "s")
    served = opened.serve(10, "t")
    assert served.changed_pools == {opened.pool().pool_key}
    granted: Granted = served.granted[0]
    assert (granted.allowance_missing, out(opened, "t")) == (True, [0])
    told = opened.told("s")
    assert told.allowance_recall_amount == 45
    give_back(opened, "s", 45)
    assert not opened.told("t").allowance_missing
    assert out(opened, "s", "t") == [45, 45]
    assert opened.told("s").allowance_recall_amount == 0


def test_what_the_others_have_used_is_not_there_to_be_given(opened: Books) -> None:
    opened.want(10, "s")
    opened.want(10, "t")
    give_back(opened, "s", 20)
    assert opened.told("t").allowance_missing
    assert out(opened, "s", "t") == [70, 20]


def test_a_smaller_threshold_or_another_mode_calls_allowances_back(opened: Books) -> None:
    opened.want(10, "s")
    set_policy(opened, Policy(partition_mode=ALLOWANCE, partition_overdraft_limit=30))
    assert opened.told("s").allowance_recall_amount == 60
    set_policy(opened, Policy())
    assert opened.told("s").allowance_recall_amount == 90
    give_back(opened, "s", 90)
    assert opened.told("s").allowance_recall_amount == 0
    assert opened.pool().allowance_leased == 0


def test_a_larger_threshold_reaches_who_has_a_lease(opened: Books) -> None:
    opened.want(10, "s")
    set_policy(opened, Policy(partition_mode=ALLOWANCE, partition_overdraft_limit=200))
    opened.told("s")
    assert out(opened, "s") == [200]


def test_what_was_overdrawn_is_taken_off(opened: Books) -> None:
    opened.hello("v", instance=instance(9))
    opened.post(debit(1, 140), sidecar_id="v")
    assert opened.pool().free == -40
    opened.want(10, "s")
    assert out(opened, "s") == [25], "(90 - 40) // 2: v has a lease of the pool too"


def test_spent_allowance_is_out_no_more_and_is_counted(opened: Books) -> None:
    opened.want(10, "s")
    opened.post(debit(1, 60, allowance_amount=50))
    lease, pool = opened.lease(), opened.pool()
    assert (lease.allowance_posted_total, lease.allowance_outstanding) == (50, 40)
    assert (pool.allowance_leased, pool.allowance_spent_total, pool.unleased_total) == (40, 50, 0)
    assert pool.free == 40, "covered by the pool after all"


def test_a_duplicate_uses_allowance_up_and_spends_none(opened: Books) -> None:
    opened.want(10, "s")
    opened.post(debit(1, 5, operation_id="same"), sidecar_id="t")
    opened.post(debit(1, 50, operation_id="same", allowance_amount=40))
    assert (opened.lease().allowance_outstanding, opened.pool().allowance_spent_total) == (50, 0)


def test_allowances_outlast_leases_and_are_reclaimed_in_their_own_time(opened: Books) -> None:
    opened.want(10, "s")
    assert opened.sidecar().allowance_reclaim_at_ms == opened.clock.now_ms() + ALLOWANCE_RECLAIM_AFTER_MS
    opened.clock.advance(RECLAIM_AFTER_MS)
    opened.sweep()
    assert (opened.lease().outstanding, out(opened, "s")) == (0, [90])
    opened.clock.advance(ALLOWANCE_RECLAIM_AFTER_MS - RECLAIM_AFTER_MS - 1)
    opened.sweep()
    assert out(opened, "s") == [90]
    opened.clock.advance(1)
    assert opened.sweep() == {opened.pool().pool_key}
    lease = opened.lease()
    assert (lease.allowance_reclaimed_total, lease.allowance_outstanding) == (90, 0)
    assert opened.sidecar().allowance_reclaim_at_ms == NEVER
    assert opened.pool().allowance_leased == 0


def test_a_heartbeat_moves_their_time_and_their_share_is_kept_meanwhile(opened: Books) -> None:
    opened.want(10, "s")
    opened.clock.advance(ALLOWANCE_VALIDITY_MS)
    opened.heartbeat()
    assert opened.sidecar().allowance_reclaim_at_ms == opened.clock.now_ms() + ALLOWANCE_RECLAIM_AFTER_MS
    opened.heartbeat("t")
    opened.want(10, "t")
    assert out(opened, "t") == [0]


def test_a_sidecar_without_allowance_has_no_time_for_it(books: Books) -> None:
    books.open_pool()
    books.hello()
    books.want(10)
    assert books.sidecar().allowance_reclaim_at_ms == NEVER


def test_allowance_given_without_a_word_of_the_sidecar_counts_from_its_last_word(opened: Books) -> None:
    set_policy(opened, Policy())
    opened.want(10, "s")
    opened.clock.advance(5_000)
    set_policy(opened, POLICY)
    opened.told("s")
    expected_ms = opened.clock.now_ms() - 5_000 + ALLOWANCE_VALIDITY_MS + SLACK_MS + TTL_MS
    assert opened.sidecar().allowance_reclaim_at_ms == expected_ms


def test_a_life_that_has_ended_is_given_nothing_before_it_speaks(opened: Books) -> None:
    opened.want(10, "s")
    opened.clock.advance(ALLOWANCE_RECLAIM_AFTER_MS)
    opened.sweep()
    opened.told("s")
    assert out(opened, "s") == [0]
    opened.heartbeat()
    opened.told("s")
    assert out(opened, "s") == [90]


def test_used_after_the_reclaim_it_is_granted_after_the_fact(opened: Books) -> None:
    opened.want(10, "s")
    opened.clock.advance(ALLOWANCE_RECLAIM_AFTER_MS)
    opened.sweep()
    opened.post(debit(1, 30, allowance_amount=30))
    lease = opened.lease()
    assert (lease.allowance_granted_total, lease.allowance_posted_total, lease.allowance_outstanding) == (120, 30, 0)


def test_given_back_before_the_reclaim_was_heard_of_it_comes_back_once(opened: Books) -> None:
    opened.want(10, "s")
    opened.clock.advance(ALLOWANCE_RECLAIM_AFTER_MS)
    opened.sweep()
    give_back(opened, "s", 90)
    assert (out(opened, "s"), opened.pool().allowance_leased) == ([0], 0)


def test_given_back_twice_it_comes_back_once(opened: Books) -> None:
    opened.want(10, "s")
    set_policy(opened, Policy())
    for _ in range(2):
        opened.want(0, "s", allowance_returned_total=50)
    assert out(opened, "s") == [40]
    opened.want(0, "s", allowance_returned_total=20)
    assert opened.lease().allowance_returned_total == 50, "an older total changes nothing"


def test_more_back_than_was_out_is_refused(opened: Books) -> None:
    opened.want(10, "s")
    with pytest.raises(InvalidArgument) as caught:
        opened.want(0, "s", allowance_returned_total=91)
    assert caught.value.metadata["field"] == "lease_request.wants[0].allowance_returned_total"
    assert out(opened, "s") == [90]


def test_a_threshold_that_cannot_be_split_evenly_is_not_passed(opened: Books) -> None:
    set_policy(opened, Policy(partition_mode=ALLOWANCE, partition_overdraft_limit=100))
    for name in "stu":
        opened.want(1, name)
    for _ in range(3):
        for name in "stu":
            give_back(opened, name, opened.told(name).allowance_recall_amount)
    assert out(opened, "s", "t", "u") == [33, 33, 33]
