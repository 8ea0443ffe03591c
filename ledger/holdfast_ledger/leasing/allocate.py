"""How much of a pool a sidecar gets: one pure function, so that the rule can be replaced without touching the rows."""

from holdfast_ledger.store.interface import MAX_AMOUNT


def allocate(*, free: int, missing: int, granted_total: int) -> int:
    """Returns the rights to give now, in minor units, >= 0.

    First come, first served: what is missing, or else all that is free. Fair to nobody, but every credit can be
    spent, and no right is given that is not free.

    Args:
        free: Rights of the pool that no sidecar has; may be below zero.
        missing: What the sidecar wants beyond what it has left; may be below zero.
        granted_total: All that this lease was ever granted; the answer keeps it an int64.
    """
    return max(0, min(free, missing, MAX_AMOUNT - granted_total))
