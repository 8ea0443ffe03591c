"""What a grant's journal is worth: to the unit, however it was burned."""

from holdfast_ledger.books.figures import ZERO, Sums, position
from holdfast_ledger.books.policy import Breakage, Policy
from holdfast_ledger.store.book_rows import GrantFacts
from hypothesis import given
from hypothesis import strategies as st

AT_EXPIRY = Policy()
POLICIES = st.one_of(st.just(AT_EXPIRY), st.integers(0, 9_999).map(lambda bps: Policy(Breakage.ESTIMATE, bps)))
AMOUNTS = st.integers(1, 2**63 - 1)


def paid(amount: int, cost: int, refunded: int = 0) -> GrantFacts:
    """A paid grant."""
    return GrantFacts(1, 1, 2, amount, cost, "USD", refunded, "{}", "general", "credits")


def test_thirds_are_rounded_down_and_the_last_one_takes_the_rest() -> None:
    grant = paid(3, 100)
    earned = [position(grant, Sums(granted=3, burned=burned), AT_EXPIRY).recognised for burned in range(4)]
    assert earned == [0, 33, 66, 100]


@given(amount=AMOUNTS, cost=AMOUNTS, burned=AMOUNTS, policy=POLICIES)
def test_all_of_a_cost_is_earned_deferred_or_broken(amount: int, cost: int, burned: int, policy: Policy) -> None:
    burned %= amount + 1
    found = position(paid(amount, cost), Sums(granted=amount, burned=burned), policy)
    assert found.granted == cost == found.recognised + found.breakage + found.deferred
    assert min(found.recognised, found.breakage, found.deferred) >= 0
    if burned == amount:
        assert (found.recognised, found.breakage, found.deferred) == (cost, 0, 0)


@given(amount=AMOUNTS, cost=AMOUNTS, burned=AMOUNTS, policy=POLICIES)
def test_nothing_is_deferred_once_nothing_is_left(amount: int, cost: int, burned: int, policy: Policy) -> None:
    burned %= amount + 1
    found = position(paid(amount, cost), Sums(granted=amount, burned=burned, expired=amount - burned), policy)
    assert found.deferred == 0
    assert found.breakage == cost - cost * burned // amount


@given(amount=AMOUNTS, cost=AMOUNTS, burned=AMOUNTS, rolled=AMOUNTS)
def test_what_rolls_over_takes_its_part_along(amount: int, cost: int, burned: int, rolled: int) -> None:
    """The successor costs what left the grant, so that a line with both keeps all of it."""
    burned %= amount
    rolled = rolled % (amount - burned) + 1
    sums = Sums(granted=amount, burned=burned, expired=amount - burned - rolled, rolled_out=rolled)
    found = position(paid(amount, cost), sums, AT_EXPIRY)
    moved = cost * rolled // amount
    assert (found.moved, found.deferred) == (moved, 0)
    assert found.breakage >= 0
    successor = position(paid(rolled, moved), Sums(rolled_in=rolled), AT_EXPIRY)
    assert (successor.granted, successor.moved, successor.deferred) == (0, -moved, moved)


def test_a_refund_counts_once_the_grant_is_voided() -> None:
    grant = paid(100, 1_000, refunded=300)
    before = position(grant, Sums(granted=100, burned=50), AT_EXPIRY)
    after = position(grant, Sums(granted=100, burned=50, voided=50), AT_EXPIRY)
    assert (before.refunded, before.deferred) == (0, 500)
    assert (after.refunded, after.breakage, after.deferred) == (300, 200, 0)


def test_a_grant_that_has_not_begun_is_worth_nothing() -> None:
    assert position(paid(100, 1_000), Sums(), AT_EXPIRY) == ZERO
