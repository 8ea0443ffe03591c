"""The published bound, case by case."""

import pytest
from holdfast_ledger.leasing.bound import overdraft_bound, overdraft_limit
from holdfast_ledger.store.interface import OPTIMISTIC, STRICT, Policy, Pool


def pool(policy: Policy, **figures: int) -> Pool:
    result = Pool(1, "a", "general", "credits", 6, policy, 0)
    for name, value in figures.items():
        setattr(result, name, value)
    return result


@pytest.mark.parametrize(
    ("enforcement", "limit", "bps", "figures", "bound"),
    [
        (STRICT, 0, 0, {"free": 100}, 0),
        (STRICT, 0, 0, {"free": 10, "allowance_leased": 30}, 20),
        (STRICT, 0, 0, {"free": -10, "allowance_leased": 30}, 40),
        (STRICT, 0, 0, {"free": -10, "overdraft": 25}, 25),
        (OPTIMISTIC, 50, 0, {"free": 100}, 50),
        (OPTIMISTIC, 50, 0, {"free": -60}, 60),
        (OPTIMISTIC, 0, 1_000, {"free": 0, "granted_total": 700}, 70),
        (STRICT, 0, 0, {"free": -(2**63 - 1), "allowance_leased": 2**62}, 2**63 - 1),
    ],
)
def test_bound(enforcement: int, limit: int, bps: int, figures: dict[str, int], bound: int) -> None:
    assert overdraft_bound(pool(Policy(enforcement, limit, bps), **figures)) == bound


def test_a_share_of_what_is_granted_becomes_an_amount() -> None:
    assert overdraft_limit(pool(Policy(OPTIMISTIC, 0, 1_000), granted_total=705)) == 70
