"""Where things are found: accounts with their pools, holds, outcomes and counters. Lookup only, no rule."""

from collections import deque
from collections.abc import Iterator

from holdfast_sidecar.engine.operations import Key
from holdfast_sidecar.engine.state import Counter, Hold, Outcome, Pool, Snapshot


class Account:
    """What this sidecar knows of one account; ids are unique within it."""

    __slots__ = ("account_id", "counters", "holds", "outcomes", "pools")

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id
        self.pools: dict[str, Pool] = {}
        self.holds: dict[str, Hold] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.counters: dict[Key, Counter] = {}


class Accounts:
    """All accounts of this sidecar, and the totals over them."""

    def __init__(self) -> None:
        self.by_id: dict[str, Account] = {}
        self.outcome_order: deque[Outcome] = deque()
        self.pool_count = 0
        self.hold_count = 0
        self.counter_count = 0

    def load(self, snapshot: Snapshot) -> None:
        """Takes in what was stored."""
        for pool in snapshot.pools:
            self.add_pool(pool)
        for hold in snapshot.holds:
            self.by_id[hold.pool.account_id].holds[hold.hold_id] = hold
        self.hold_count = len(snapshot.holds)
        for outcome in snapshot.outcomes:
            self.by_id[outcome.account_id].outcomes[outcome.operation_id] = outcome
        self.outcome_order.extend(snapshot.outcomes)
        for counter in snapshot.counters:
            self.by_id[counter.account_id].counters[counter.pool_id, counter.counter_id] = counter
        self.counter_count = len(snapshot.counters)

    def add_pool(self, pool: Pool) -> None:
        """Adds a pool that is not there yet, and its account with it."""
        account = self.by_id.get(pool.account_id)
        if account is None:
            account = self.by_id[pool.account_id] = Account(pool.account_id)
        assert pool.pool_id not in account.pools
        account.pools[pool.pool_id] = pool
        self.pool_count += 1

    def pool(self, key: Key) -> Pool | None:
        """Returns a pool, None if this sidecar has not seen it."""
        account = self.by_id.get(key[0])
        return None if account is None else account.pools.get(key[1])

    def pools(self) -> Iterator[Pool]:
        """Goes over all pools."""
        for account in self.by_id.values():
            yield from account.pools.values()
