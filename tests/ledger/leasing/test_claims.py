"""A ledger restored from an older backup takes over what its sidecars know; one that does not know it refuses."""

from typing import Any

import pytest
from holdfast_ledger.errors import InvalidArgument, RightsUnknown
from holdfast_ledger.store.interface import LedgerState

from tests.ledger.harness import RECLAIM_AFTER_MS, Books, debit, instance


@pytest.fixture
def opened(books: Books) -> Books:
    """Pool a/general with 100 credits; sidecar s has 40 of them."""
    books.open_pool()
    books.grant("g", 100)
    books.hello()
    books.want(40)
    return books


@pytest.fixture
def restored(opened: Books) -> Books:
    """The same after a restore that the ledger knows of; s has said Hello since."""
    opened.write(lambda writer: writer.save_ledger(LedgerState(2, 0)))
    opened.hello(epoch=1, birth_epoch=1, instance=instance(2))
    return opened


@pytest.mark.parametrize(
    "claim",
    [
        {"granted_total": 41},
        {"granted_total": 40, "reclaimed_total": 1},
        {"granted_total": 40, "allowance_granted_total": 1},
        {"granted_total": 40, "allowance_reclaimed_total": 1},
    ],
)
def test_rights_that_were_never_given_are_refused(opened: Books, claim: dict[str, Any]) -> None:
    with pytest.raises(RightsUnknown, match="holdfast ledger restored"):
        opened.want(10, **claim)
    assert (opened.lease().granted_total, opened.pool().free) == (40, 60)


def test_what_the_ledger_knows_may_be_said(opened: Books) -> None:
    assert opened.lease_for(50, granted_total=40).granted_total == 50
    assert opened.lease_for(50, granted_total=40).granted_total == 50, "said before it heard of the rest"


def test_rights_unknown_to_the_backup_are_taken_over(restored: Books) -> None:
    restored.want(0, granted_total=70, returned_total=5)
    lease, pool = restored.lease(), restored.pool()
    assert (lease.granted_total, lease.returned_total, lease.outstanding) == (70, 5, 65)
    assert (pool.leased, pool.free) == (65, 35)


def test_said_again_it_changes_nothing(restored: Books) -> None:
    for _ in range(2):
        restored.want(0, granted_total=70)
    assert (restored.pool().leased, restored.pool().free) == (70, 30)


def test_more_than_the_backup_has_leaves_the_pool_owing(restored: Books) -> None:
    restored.want(0, granted_total=130)
    assert (restored.pool().leased, restored.pool().free) == (130, -30)
    assert restored.lease_for(200).granted_total == 130, "nothing is given from a pool that owes"


def test_debits_that_the_backup_had_lost_are_covered_by_what_was_taken_over(restored: Books) -> None:
    restored.want(0, granted_total=70, consumed_total=60)
    restored.post(debit(1, 60, epoch=2))
    lease, pool = restored.lease(), restored.pool()
    assert (lease.posted_total, lease.outstanding, pool.unleased_total) == (60, 10, 0)


def test_what_the_backup_had_posted_beyond_the_claim_is_granted_after_the_fact(restored: Books) -> None:
    restored.post(debit(1, 40, epoch=2))
    restored.want(0, granted_total=70, returned_total=50)
    lease = restored.lease()
    assert (lease.granted_total, lease.returned_total, lease.posted_total, lease.outstanding) == (90, 50, 40, 0)


def test_allowances_are_taken_over_too(restored: Books) -> None:
    restored.want(0, granted_total=40, allowance_granted_total=30, allowance_returned_total=10)
    assert (restored.lease().allowance_outstanding, restored.pool().allowance_leased) == (20, 20)


def test_a_lease_that_the_backup_does_not_know(restored: Books) -> None:
    restored.open_pool("late")
    restored.want(0, pool_id="late", granted_total=25)
    assert (restored.pool("late").leased, restored.pool("late").free) == (25, -25)


@pytest.mark.parametrize("claim", [{"granted_total": 2**63 - 1}, {"allowance_granted_total": 2**63 - 1}])
def test_claims_past_int64_are_refused(restored: Books, claim: dict[str, Any]) -> None:
    restored.open_pool("second")
    restored.want(0, pool_id="second", **claim)
    restored.hello("t", epoch=1, instance=instance(5))
    with pytest.raises(InvalidArgument):
        restored.want(0, "t", pool_id="second", **claim)


def test_while_it_recovers_nothing_new_is_given(restored: Books) -> None:
    until_ms = restored.clock.now_ms() + 1_000
    restored.write(lambda writer: writer.save_ledger(LedgerState(2, until_ms)))
    granted = restored.want(50, granted_total=40)
    assert (granted.pending, granted.denied, restored.lease().granted_total) == (True, False, 40)
    restored.clock.advance(1_000)
    assert restored.lease_for(50, granted_total=40).granted_total == 50


def test_while_it_recovers_nothing_is_reclaimed(restored: Books) -> None:
    restored.clock.advance(RECLAIM_AFTER_MS)
    restored.write(lambda writer: writer.save_ledger(LedgerState(2, restored.clock.now_ms() + 1_000)))
    restored.sweep()
    assert restored.lease().outstanding == 40
    restored.clock.advance(1_000)
    restored.sweep()
    assert restored.lease().outstanding == 0
