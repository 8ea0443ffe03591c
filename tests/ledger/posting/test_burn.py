"""Debits burn grants in the total order, one line a grant, and go into overdraft when nothing is left."""

from itertools import permutations

import pytest
from holdfast_ledger.posting.burn import burn, burn_also_lapsed
from holdfast_ledger.posting.order import burn_position
from holdfast_ledger.store.interface import NEVER, Grant, GrantState
from hypothesis import given
from hypothesis import strategies as st


def make(grant_id: str, priority: int, category: int, expires_at_ms: int, effective_at_ms: int) -> Grant:
    return Grant(
        1, grant_id, 10, category, priority, effective_at_ms, expires_at_ms, 0, "", 0, 10, GrantState.ACTIVE, NEVER
    )


PROMOTIONAL, PAID = 1, 2
IN_ORDER = [
    make("paid, priority 0, soon", 0, PAID, 50, 1),
    make("promotional, soon", 5, PROMOTIONAL, 100, 9),
    make("promotional, later", 5, PROMOTIONAL, 200, 1),
    make("promotional, never", 5, PROMOTIONAL, NEVER, 1),
    make("paid, soon", 5, PAID, 100, 1),
    make("paid, never, early", 5, PAID, NEVER, 1),
    make("paid, never, late, a", 5, PAID, NEVER, 2),
    make("paid, never, late, b", 5, PAID, NEVER, 2),
    make("promotional, priority 6", 6, PROMOTIONAL, 1, 1),
]


def test_order_is_priority_category_expiry_effective_id() -> None:
    assert sorted([*IN_ORDER[4:], *IN_ORDER[:4]], key=burn_position) == IN_ORDER


def test_order_does_not_depend_on_where_grants_stood() -> None:
    for shuffled in permutations(IN_ORDER[:6]):
        assert sorted(shuffled, key=burn_position) == IN_ORDER[:6]


def test_ids_compare_as_their_bytes() -> None:
    ids = ["Z", "a", "é", "€", "\U0001f600"]
    assert sorted(ids) == sorted(ids, key=str.encode)


@pytest.mark.parametrize(
    ("grants", "debits", "lines", "overdraft"),
    [
        ([], [(1, 5)], [(None, 1, 5)], 5),
        ([(7, 10)], [(1, 3)], [(7, 1, 3)], 0),
        ([(7, 10)], [(1, 10)], [(7, 1, 10)], 0),
        ([(7, 10)], [(1, 11)], [(7, 1, 10), (None, 1, 1)], 1),
        ([(7, 10), (8, 5)], [(1, 4), (2, 8), (3, 9)], [(7, 1, 4), (7, 2, 6), (8, 2, 2), (8, 3, 3), (None, 3, 6)], 6),
        ([(7, 0), (8, 0), (9, 2)], [(1, 2)], [(9, 1, 2)], 0),
        ([(7, 1), (8, 1), (9, 1)], [(1, 3)], [(7, 1, 1), (8, 1, 1), (9, 1, 1)], 0),
        ([(7, 3)], [(1, 3), (2, 4), (3, 1)], [(7, 1, 3), (None, 2, 4), (None, 3, 1)], 5),
        ([(7, 2**63 - 1)], [(1, 2**63 - 1)], [(7, 1, 2**63 - 1)], 0),
        ([(7, 10)], [], [], 0),
    ],
)
def test_burn(
    grants: list[tuple[int, int]], debits: list[tuple[int, int]], lines: list[tuple[int, int, int]], overdraft: int
) -> None:
    done = burn(grants, debits)
    assert done.lines == lines
    assert done.overdraft_amount == overdraft


@given(
    st.lists(st.integers(0, 50), max_size=6),
    st.lists(st.integers(1, 60), max_size=12),
)
def test_nothing_is_lost_and_order_is_kept(remaining: list[int], amounts: list[int]) -> None:
    grants = list(enumerate(remaining))
    done = burn(grants, enumerate(amounts))
    for key, amount in enumerate(amounts):
        assert sum(taken for _, debit, taken in done.lines if debit == key) == amount
    for key, left in grants:
        burned = sum(taken for grant, _, taken in done.lines if grant == key)
        assert burned == left - done.remaining.get(key, left) >= 0
    assert done.overdraft_amount == max(0, sum(amounts) - sum(remaining))
    burned_keys = [grant for grant, _, _ in done.lines if grant is not None]
    assert burned_keys == sorted(burned_keys)


LAPSED = (3, 10, 100)
"""Grant 3 had 10 when it expired at 100."""


@pytest.mark.parametrize(
    ("grants", "debits", "lines", "revived"),
    [
        ([LAPSED], [(1, 4, 99)], [(3, 1, 4)], {3: 4}),
        ([LAPSED], [(1, 4, 100)], [(None, 1, 4)], {}),
        ([LAPSED, (4, 9, NEVER)], [(1, 4, 100), (2, 12, 50), (5, 2, 50)],
         [(4, 1, 4), (3, 2, 10), (4, 2, 2), (4, 5, 2)], {3: 10}),
        ([(4, 9, NEVER), LAPSED], [(1, 12, 50)], [(4, 1, 9), (3, 1, 3)], {3: 3}),
        ([(2, 5, 60), LAPSED], [(1, 6, 70), (5, 6, 59)], [(3, 1, 6), (2, 5, 5), (3, 5, 1)], {3: 7, 2: 5}),
    ],
)  # fmt: skip
def test_what_has_expired_burns_for_older_holds_in_its_place_of_the_order(
    grants: list[tuple[int, int, int]],
    debits: list[tuple[int, int, int]],
    lines: list[tuple[int, int, int]],
    revived: dict[int, int],
) -> None:
    done = burn_also_lapsed(grants, debits)
    assert done.lines == lines
    assert done.revived == revived


@given(st.lists(st.integers(0, 50), max_size=6), st.lists(st.integers(1, 60), max_size=12))
def test_both_ways_of_burning_are_the_same_when_nothing_has_expired(remaining: list[int], amounts: list[int]) -> None:
    grants = list(enumerate(remaining))
    plain = burn(grants, enumerate(amounts))
    other = burn_also_lapsed([(*grant, NEVER) for grant in grants], [(*debit, 5) for debit in enumerate(amounts)])
    assert (plain.lines, plain.remaining, plain.overdraft_amount) == (
        other.lines, other.remaining, other.overdraft_amount,
    )  # fmt: skip


@given(st.lists(st.integers(1, 30), min_size=1, max_size=10), st.integers(0, 9))
def test_where_a_run_is_cut_changes_nothing(amounts: list[int], cut: int) -> None:
    grants = [(1, 20), (2, 30), (3, 40)]
    debits = list(enumerate(amounts))
    whole = burn(grants, debits)
    first = burn(grants, debits[:cut])
    second = burn([(key, first.remaining.get(key, left)) for key, left in grants], debits[cut:])
    assert first.lines + second.lines == whole.lines
