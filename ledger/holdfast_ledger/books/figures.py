"""What a grant's journal is worth in money: pure functions from sums of credits to deferred and recognised amounts.

A figure is a function of all that happened to the grant up to the end of a month, never of the order in which it
happened. So a month's figures are the difference of two such positions, and what was bought is recognised to the unit
however it was burned:

    recognised = floor(cost * burned / amount)                  nothing is earned before it is used
    deferred   = ceil(cost * remaining / amount) - estimate     0 once nothing remains (I-33)
    breakage   = cost - recognised - deferred - refunded - what rolled over

`estimate`: the part of breakage that is recognised ahead, in proportion to what is burned, if the policy says so.
"""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import add, sub
from typing import NamedTuple

from holdfast_ledger.books.policy import BPS, Breakage, Policy, Promotional
from holdfast_ledger.store.book_rows import BookMonth, GrantFacts

REVENUE, PROMOTION = 1, 2
"""Kinds of lines: in minor units of money, and in those of credits."""

_PROMOTIONAL = 1
"""`GrantCategory.PROMOTIONAL`."""


class Sums(NamedTuple):
    """What happened to a grant up to some time, in minor units of credits; fields as in `BookMonth`."""

    granted: int = 0
    rolled_in: int = 0
    burned: int = 0
    expired: int = 0
    voided: int = 0
    rolled_out: int = 0

    def plus(self, more: "Sums") -> "Sums":
        """Returns both together."""
        return Sums._make(map(add, self, more))

    def minus(self, less: "Sums") -> "Sums":
        """Returns the difference."""
        return Sums._make(map(sub, self, less))


NOTHING = Sums()


class Amounts(NamedTuple):
    """The figures of a line but for opening and closing."""

    granted: int = 0
    recognised: int = 0
    breakage: int = 0
    refunded: int = 0
    moved: int = 0
    """What rolled over into other grants of the same line, less what came from them: 0 in a line as a whole."""
    contra: int = 0
    late: int = 0

    def plus(self, more: "Amounts") -> "Amounts":
        """Returns both together."""
        return Amounts._make(map(add, self, more))

    def minus(self, less: "Amounts") -> "Amounts":
        """Returns the difference."""
        return Amounts._make(map(sub, self, less))

    @property
    def deferred(self) -> int:
        """What they add to what is deferred."""
        return self.granted - self.recognised - self.breakage - self.refunded - self.moved


ZERO = Amounts()


class LineName(NamedTuple):
    """What a line is of."""

    kind: int
    product: str
    currency: str


def product_of(grant: GrantFacts) -> str:
    """Returns the product that a grant was sold as; the pool where its metadata does not say."""
    return _said_product(grant.metadata) or grant.pool_id


@lru_cache(maxsize=4_096)
def _said_product(metadata: str) -> str:
    return str(json.loads(metadata).get("product", ""))


def position(grant: GrantFacts, sums: Sums, policy: Policy) -> Amounts:
    """Returns what a paid grant has come to, from its beginning; nothing before it has begun."""
    if not (sums.granted or sums.rolled_in):
        return ZERO
    cost, amount = grant.cost_amount, grant.amount
    burned = min(max(sums.burned, 0), amount)
    left = min(max(amount - sums.burned - sums.expired - sums.voided - sums.rolled_out, 0), amount)
    recognised = cost * burned // amount
    moved = cost * sums.rolled_out // amount
    deferred = -(-cost * left // amount)
    if policy.breakage == Breakage.ESTIMATE:
        unused = policy.breakage_bps
        deferred -= min(deferred, cost * burned * unused // (amount * (BPS - unused)))
    refunded = grant.refunded_amount if sums.voided else 0
    breakage = cost - recognised - deferred - refunded - moved
    granted = cost if sums.granted else 0
    return Amounts(granted, recognised, breakage, refunded, moved - (cost - granted))


def contra(sums: Sums, policy: Policy) -> int:
    """Returns what promotional credits burned lower revenue by."""
    if policy.promotional != Promotional.CONTRA_REVENUE:
        return 0
    return policy.promotional_price_amount * sums.burned // policy.promotional_per_amount


class Months(NamedTuple):
    """Months whose figures are wanted, ascending and without gaps, with the policy of each."""

    periods: Sequence[int]
    policies: Sequence[Policy]
    before: Policy
    """Of the month before the first: what its end was, is where the first one begins."""


def grant_lines(
    grant: GrantFacts, rows: Sequence[BookMonth], wanted: Months
) -> Iterator[tuple[int, LineName, Amounts]]:
    """Returns what one grant adds to lines of the wanted months; months in which it adds nothing are left out.

    Args:
        grant: The grant.
        rows: All its months, in their order.
        wanted: Which months. What happened before them is what they begin with.
    """
    first = wanted.periods[0]
    sums, happened = NOTHING, dict[int, list[BookMonth]]()
    for row in rows:
        if row.period < first:
            sums = sums.plus(Sums._make(row[3:]))
        else:
            happened.setdefault(row.period, []).append(row)
    before = wanted.before
    for period, policy in zip(wanted.periods, wanted.policies, strict=True):
        late, end = NOTHING, sums
        for row in happened.get(period, ()):
            moved = Sums._make(row[3:])
            end = end.plus(moved)
            late = moved if row.late else late
        if end != sums or policy != before:
            yield from _month_lines(grant, period, (sums, late, end), (before, policy))
        sums, before = end, policy


def _month_lines(
    grant: GrantFacts, period: int, sums: tuple[Sums, Sums, Sums], policies: tuple[Policy, Policy]
) -> Iterator[tuple[int, LineName, Amounts]]:
    (begin, late, end), (before, policy) = sums, policies
    product = product_of(grant)
    if grant.category != _PROMOTIONAL:
        if grant.cost_amount:
            now = position(grant, end, policy)
            change = now.minus(position(grant, begin, before))
            if late != NOTHING:
                # As if it had come before all else in the month: what a void pays back counts with the void.
                there, came = position(grant, begin, policy), position(grant, begin.plus(late), policy)
                change = change._replace(late=came.recognised + came.breakage - there.recognised - there.breakage)
            if change != ZERO:
                yield period, LineName(REVENUE, product, grant.cost_currency), change
        return
    moved = end.minus(begin)
    lapsed = moved.expired + moved.voided
    if moved.granted or moved.burned or lapsed:
        yield period, LineName(PROMOTION, product, grant.currency), Amounts(moved.granted, moved.burned, lapsed)
    lowered = contra(end, policy) - contra(begin, policy)
    if lowered:
        yield period, LineName(REVENUE, product, policy.promotional_currency), Amounts(contra=lowered)
