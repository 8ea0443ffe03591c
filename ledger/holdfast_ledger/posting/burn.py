"""Burns the grants of one pool: a pure function from grants and debits to the lines that the journal needs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from holdfast_ledger.store.interface import NEVER


@dataclass(slots=True)
class Burn:
    """What debits did to one pool."""

    lines: list[tuple[int | None, int, int]] = field(default_factory=list)
    """(grant_key, debit_key, amount) in the order of burning; no grant: overdraft."""
    remaining: dict[int, int] = field(default_factory=dict)
    """What is left of each grant that burned, by grant_key, in minor units."""
    overdraft_amount: int = 0
    """What no grant covered, in minor units."""
    revived: dict[int, int] = field(default_factory=dict)
    """What was burned of each grant that had expired, by grant_key, in minor units."""


def burn(grants: Sequence[tuple[int, int]], debits: Iterable[tuple[int, int]]) -> Burn:
    """Takes each debit from the first grants that have something left.

    Args:
        grants: (grant_key, remaining) of the active grants, in the total order (`order.burn_position`).
        debits: (debit_key, amount) in the order of posting; amounts > 0.
    """
    result = Burn()
    place, grant_key, left = -1, 0, 0
    for debit_key, amount in debits:
        due = amount
        while due:
            while left == 0 and place + 1 < len(grants):
                place += 1
                grant_key, left = grants[place]
            if left == 0:
                result.lines.append((None, debit_key, due))
                result.overdraft_amount += due
                break
            taken = min(left, due)
            left -= taken
            due -= taken
            result.lines.append((grant_key, debit_key, taken))
            result.remaining[grant_key] = left
    return result


def burn_also_lapsed(grants: Sequence[tuple[int, int, int]], debits: Iterable[tuple[int, int, int]]) -> Burn:
    """As `burn`, where some grants have expired and may only be burned for holds opened before.

    Slower, since the debits may burn different grants; called only when there is such a grant.

    Args:
        grants: (grant_key, what is left, expired_at_ms) in the total order; `NEVER`: it is active.
        debits: (debit_key, amount, opened_at_ms) in the order of posting; without a hold: when it is posted.
    """
    result = Burn()
    left = {grant_key: amount for grant_key, amount, _ in grants}
    for debit_key, amount, opened_at_ms in debits:
        due = amount
        for grant_key, _, expired_at_ms in grants:
            taken = min(left[grant_key], due) if opened_at_ms < expired_at_ms else 0
            if taken:
                left[grant_key] -= taken
                due -= taken
                result.lines.append((grant_key, debit_key, taken))
                if expired_at_ms < NEVER:
                    result.revived[grant_key] = result.revived.get(grant_key, 0) + taken
                else:
                    result.remaining[grant_key] = left[grant_key]
        if due:
            result.lines.append((None, debit_key, due))
            result.overdraft_amount += due
    return result
