"""The names behind the keys of lines: pools, grants and leases, kept at hand since they come again and again."""

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from holdfast_ledger.store.feed_rows import FeedGrant, FeedLease, FeedPool, FeedReader

KEPT_COUNT = 200_000
"""Of each kind; past it all are read anew. Some hundred bytes each."""

PRODUCT = "product"
"""Key of a grant's metadata."""


class _Keyed(Protocol):
    """A row that begins with its key."""

    def __getitem__(self, index: int, /) -> object:
        """The column."""


Row = TypeVar("Row", FeedPool, FeedGrant, FeedLease)


@dataclass(slots=True)
class Names:
    """What the feeder has read of them."""

    pools: dict[int, FeedPool] = field(default_factory=dict)
    grants: dict[int, FeedGrant] = field(default_factory=dict)
    leases: dict[int, FeedLease] = field(default_factory=dict)
    burned: dict[int, int] = field(default_factory=dict)
    """What has burned of grants by the turns so far, by grant key."""

    def read(
        self, reader: FeedReader, pools: Iterable[int], grants: Iterable[int] = (), leases: Iterable[int] = ()
    ) -> None:
        """Reads what is missing; the pools of the leases too."""
        _fill(self.leases, leases, reader.feed_leases)
        _fill(self.grants, grants, reader.feed_grants)
        _fill(self.pools, {*pools, *(self.leases[key].pool_key for key in leases)}, reader.feed_pools)


def _fill(kept: dict[int, Row], keys: Iterable[int], read: Callable[[Collection[int]], list[Row]]) -> None:
    wanted = set(keys)
    if len(kept) > KEPT_COUNT:
        kept.clear()
    if missing := wanted - kept.keys():
        kept.update((row[0], row) for row in read(missing))


def product(grant: FeedGrant, pool: FeedPool) -> str:
    """Returns what a grant was sold as."""
    return str(json.loads(grant.metadata).get(PRODUCT, "")) or pool.pool_id
