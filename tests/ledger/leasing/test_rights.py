"""Rights are given, given back and reclaimed in totals that only grow, and never exist twice."""

from typing import Any

import pytest
from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.leasing import rights
from holdfast_ledger.store.interface import NEVER

from tests.ledger.harness import RECLAIM_AFTER_MS, SLACK_MS, VALIDITY_MS, Books, debit, instance


@pytest.fixture
def opened(books: Books) -> Books:
    """Pool a/general with 100 credits, and sidecar s."""
    books.open_pool()
    books.grant("g", 100)
    books.hello()
    return books


def test_wants_are_levels_so_a_repeated_request_gives_nothing_more(opened: Books) -> None:
    for _ in range(3):
        assert opened.lease_for(40).granted_total == 40
    assert opened.lease_for(60).granted_total == 60


def test_what_is_held_and_consumed_counts_as_missing(opened: Books) -> None:
    opened.want(40)
    assert opened.lease_for(40, held_amount=10, consumed_total=5).granted_total == 55


def test_posting_does_not_change_what_a_sidecar_has_left(opened: Books) -> None:
    opened.want(40)
    opened.post(debit(1, 30))
    assert opened.lease_for(10, consumed_total=30).granted_total == 40


def test_a_request_older_than_the_posting_is_not_taken_at_its_word(opened: Books) -> None:
    opened.want(40)
    opened.post(debit(1, 30))
    assert opened.lease_for(20, consumed_total=0).granted_total == 50


def test_no_more_than_is_free(opened: Books) -> None:
    opened.hello("t", instance=instance(2))
    assert opened.lease_for(70).granted_total == 70
    assert opened.lease_for(70, "t").granted_total == 30
    assert opened.pool().free == 0
    assert opened.lease_for(70, "t").granted_total == 30


def test_rights_given_back_are_free_again_once(opened: Books) -> None:
    opened.want(70)
    for _ in range(2):
        opened.want(0, returned_total=50)
    assert (opened.lease().outstanding, opened.pool().free) == (20, 80)
    opened.want(0, returned_total=10)
    assert opened.lease().returned_total == 50, "an older total changes nothing"


def test_more_back_than_was_out_is_refused(opened: Books) -> None:
    opened.want(70)
    with pytest.raises(InvalidArgument) as caught:
        opened.want(0, returned_total=71)
    assert caught.value.metadata["field"] == "lease_request.wants[0].returned_total"
    assert opened.pool().free == 30


def test_rights_are_reclaimed_after_validity_longest_hold_and_slack(opened: Books) -> None:
    opened.want(70)
    opened.clock.advance(RECLAIM_AFTER_MS - 1)
    assert opened.sweep() == set()
    opened.clock.advance(1)
    assert opened.sweep() == {opened.pool().pool_key}
    assert (opened.lease().outstanding, opened.lease().reclaimed_total, opened.pool().free) == (0, 70, 100)
    assert opened.sidecar().reclaim_at_ms == NEVER
    assert opened.sweep() == set()


def test_many_lives_are_reclaimed_in_one_sweep(opened: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rights, "SWEEP_LIMIT", 2)
    for number in range(7):
        opened.hello(f"s{number}")
        opened.want(5, f"s{number}")
    opened.clock.advance(RECLAIM_AFTER_MS)
    opened.sweep()
    assert opened.pool().free == 100


def test_rights_given_after_a_reclaim_are_reclaimed_too(opened: Books) -> None:
    opened.want(70)
    opened.clock.advance(RECLAIM_AFTER_MS)
    opened.sweep()
    opened.hello(epoch=1, instance=instance(1))
    opened.want(20)
    opened.clock.advance(RECLAIM_AFTER_MS)
    opened.sweep()
    assert opened.pool().free == 100


def test_debits_that_come_after_the_reclaim_are_posted_and_granted_after_the_fact(opened: Books) -> None:
    opened.want(70)
    opened.clock.advance(RECLAIM_AFTER_MS)
    opened.sweep()
    opened.post(debit(1, 25))
    lease = opened.lease()
    assert (lease.granted_total, lease.reclaimed_total, lease.posted_total, lease.outstanding) == (95, 70, 25, 0)
    assert opened.pool().free == opened.pool().posted == 75


def test_rights_given_back_before_the_reclaim_was_heard_of_come_back_once(opened: Books) -> None:
    opened.want(70)
    opened.clock.advance(RECLAIM_AFTER_MS)
    opened.sweep()
    lease = opened.lease_for(0, returned_total=70)
    assert (lease.granted_total, lease.reclaimed_total, lease.returned_total, lease.outstanding) == (140, 70, 70, 0)
    assert opened.pool().free == 100


def test_a_former_life_keeps_its_rights_until_its_own_time(opened: Books) -> None:
    opened.want(60)
    opened.clock.advance(RECLAIM_AFTER_MS - 1_000)
    opened.hello(epoch=0, instance=instance(2))
    assert opened.sidecar().birth_epoch == 2
    assert opened.lease_for(100).outstanding == 40
    opened.clock.advance(1_000)
    opened.sweep()
    assert opened.pool().free == 60
    assert opened.lease_for(100).outstanding == 100


def test_a_new_life_has_a_time_of_its_own(opened: Books) -> None:
    opened.hello(epoch=0, instance=instance(2), max_hold_ttl_ms=1)
    assert opened.sidecar().reclaim_at_ms == opened.clock.now_ms() + VALIDITY_MS + SLACK_MS + 1


def test_a_shorter_hold_time_after_a_restart_does_not_hasten_the_reclaim(opened: Books) -> None:
    before_ms = opened.sidecar().reclaim_at_ms
    opened.hello(epoch=1, instance=instance(2), max_hold_ttl_ms=1)
    assert opened.sidecar().reclaim_at_ms == before_ms


@pytest.mark.parametrize(("names", "known"), [({"account_id": "b"}, False), ({"pool_id": "p"}, True)])
def test_unknown_names_are_told(opened: Books, names: dict[str, Any], known: bool) -> None:
    answer = opened.want(1, **names)
    assert (answer.pool, answer.lease, answer.account_known) == (None, None, known)


def test_rights_given_back_before_debits_without_rights_are_taken_when_they_come_after_them(opened: Books) -> None:
    opened.want(26)
    opened.post(debit(1, 60, fail_open_amount=60))
    opened.want(0, returned_total=26, consumed_total=60)
    lease = opened.lease()
    assert (lease.outstanding, lease.returned_total, opened.pool().free) == (0, 26, 40)
