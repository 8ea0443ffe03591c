"""How much of a pool a sidecar gets: pure functions, so that the rules can be replaced without touching the rows."""

from holdfast_ledger.store.interface import MAX_AMOUNT

SHARE_DIVISOR = 2
"""A sidecar that only wants gets its share of half of what is free: the rest is there for whoever asks next."""


def allocate(*, free: int, needed: int, wanted: int, waiting: int, sharers: int, granted_total: int) -> int:
    """Returns the rights to give now, in minor units, >= 0.

    Needs first, in full while anything is free: first come, first served. What is wanted beyond them comes out of what
    is then left, at most one part in twice as many as there are sharers (guided self-scheduling, Polychronopoulos and
    Kuck 1987). So leases shrink as the pool empties and nobody drains it for mere wants, while a need can still have
    the last credit.

    Args:
        free: Rights of the pool that no sidecar has; may be below zero.
        needed: What decisions wait for beyond what the sidecar has left; may be below zero.
        wanted: What the sidecar wants beyond what it has left, needs included; may be below zero.
        waiting: What other sidecars need and have not got, >= 0.
        sharers: Sidecars that have a lease of the pool, this one included; at least 1.
        granted_total: All that this lease was ever granted; the answer keeps it an int64.
    """
    room = max(0, min(free, MAX_AMOUNT - granted_total))
    given = min(max(0, needed), room)
    share = max(0, room - given - waiting) // (SHARE_DIVISOR * sharers)
    return given + max(0, min(wanted - given, share))


def allowance_target(*, threshold: int, free: int, sharers: int) -> int:
    """Returns the allowance that each sidecar is to have: an equal part of what is left of the threshold.

    Equal, because nobody knows beforehand who will be cut off. What the pool has overdrawn already is taken off.

    Args:
        threshold: The pool's partition overdraft threshold, in minor units, >= 0.
        free: Rights of the pool that no sidecar has; below zero it has overdrawn, or will if all that is out is spent.
        sharers: Sidecars among which it is split; at least 1.
    """
    return threshold_left(threshold, free) // sharers


def threshold_left(threshold: int, free: int) -> int:
    """Returns what all allowances of a pool together may come to, in minor units."""
    return max(0, threshold - max(0, -free))
