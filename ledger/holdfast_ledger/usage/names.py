"""The names behind the keys of lines: pools, grants and leases, kept at hand since they come again and again."""

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from holdfast_ledger.store.feed_rows import FeedGrant, FeedLease, FeedPool, FeedReader, SpendLine

KEPT_COUNT = 200_000
"""Of each kind; past it all are read anew. Some hundred bytes each."""

PRODUCT = "product"
"""Key of a grant's metadata."""


Row = TypeVar("Row", FeedPool, FeedGrant, FeedLease)


@dataclass(slots=True)
class Names:
    """What the feeder has read of them."""

    pools: dict[int, FeedPool] = field(default_factory=dict)
    grants: dict[int, FeedGrant] = field(default_factory=dict)
    leases: dict[int, FeedLease] = field(default_factory=dict)
    products: dict[tuple[int, int], str] = field(default_factory=dict)
    """What grants were sold as, by grant and pool key."""
    burned: dict[int, int] = field(default_factory=dict)
    """What has burned of grants by the turns so far, by grant key."""

    def read(
        self, reader: FeedReader, pools: Iterable[int], grants: Iterable[int] = (), leases: Iterable[int] = ()
    ) -> None:
        """Reads what is missing; the pools of the leases too."""
        _fill(self.leases, leases, reader.feed_leases)
        _fill(self.grants, grants, reader.feed_grants)
        _fill(self.pools, {*pools, *(self.leases[key].pool_key for key in leases)}, reader.feed_pools)

    def product(self, line: SpendLine) -> str:
        """Returns what the grant of a line was sold as; the pool's id where it does not say."""
        key = line.grant_key, line.pool_key
        if key not in self.products:
            if len(self.products) > KEPT_COUNT:
                self.products.clear()
            metadata = self.grants[line.grant_key].metadata if line.grant_key else "{}"
            self.products[key] = str(json.loads(metadata).get(PRODUCT, "")) or self.pools[line.pool_key].pool_id
        return self.products[key]


def _fill(kept: dict[int, Row], keys: Iterable[int], read: Callable[[Collection[int]], list[Row]]) -> None:
    wanted = set(keys)
    if len(kept) > KEPT_COUNT:
        kept.clear()
    if missing := wanted - kept.keys():
        kept.update((row[0], row) for row in read(missing))
