"""The rules by which a pool is shared out, as pure functions."""

import pytest
from holdfast_ledger.leasing.allocate import allocate, allowance_target
from hypothesis import given
from hypothesis import strategies as st

INT64 = st.integers(-(2**63), 2**63 - 1)
AMOUNT = st.integers(0, 2**63 - 1)


@given(INT64, INT64, INT64, AMOUNT, st.integers(1, 1_000), AMOUNT)
def test_no_more_than_is_free_or_wanted(
    free: int, needed: int, wanted: int, waiting: int, sharers: int, granted_total: int
) -> None:
    wanted = max(needed, wanted)
    given_ = allocate(
        free=free, needed=needed, wanted=wanted, waiting=waiting, sharers=sharers, granted_total=granted_total
    )
    assert 0 <= given_ <= max(0, free)
    assert given_ <= max(0, wanted)
    assert given_ + granted_total < 2**63
    assert given_ >= min(max(0, needed), max(0, free), 2**63 - 1 - granted_total), "a need is served in full"


@pytest.mark.parametrize(
    ("free", "needed", "wanted", "waiting", "sharers", "given_"),
    [
        (100, 0, 80, 0, 1, 50),  # half of what is free, for whoever asks next
        (100, 0, 80, 0, 5, 10),  # a fifth of that half
        (100, 0, 5, 0, 5, 5),  # no more than is wanted
        (100, 70, 80, 0, 1, 80),  # the need, then up to half of what is left
        (100, 70, 200, 0, 1, 85),
        (100, 100, 200, 0, 8, 100),  # a need takes the last credit
        (100, 300, 300, 0, 8, 100),
        (9, 0, 80, 0, 5, 0),  # nothing for mere wants at the end of a pool
        (100, 0, 80, 90, 1, 5),  # what others wait for is not given to mere wants
        (100, 60, 80, 90, 1, 60),  # but first come, first served among needs
        (-5, 60, 80, 0, 1, 0),
    ],
)
def test_shares(free: int, needed: int, wanted: int, waiting: int, sharers: int, given_: int) -> None:
    done = allocate(free=free, needed=needed, wanted=wanted, waiting=waiting, sharers=sharers, granted_total=0)
    assert done == given_


@pytest.mark.parametrize(
    ("threshold", "free", "sharers", "target"),
    [(100, 0, 1, 100), (100, 500, 4, 25), (100, 0, 3, 33), (100, -40, 3, 20), (100, -100, 1, 0), (100, -900, 1, 0)],
)
def test_an_allowance_is_an_equal_part_of_what_is_left_of_the_threshold(
    threshold: int, free: int, sharers: int, target: int
) -> None:
    assert allowance_target(threshold=threshold, free=free, sharers=sharers) == target
