"""Where things are found: accounts with their pools, holds, outcomes and counters. Lookup only, no rule."""

from collections import deque
from collections.abc import Iterator

from holdfast_sidecar.engine.limits import Node, Path
from holdfast_sidecar.engine.operations import Key
from holdfast_sidecar.engine.state import WINDOW_MARK, Counter, Hold, Outcome, Pool, Rights, Snapshot, Window


class Account:
    """What this sidecar knows of one account; ids are unique within it."""

    __slots__ = (
        "absent",
        "account_id",
        "counters",
        "holds",
        "nodes",
        "outcomes",
        "paths",
        "pools",
        "rules_version",
        "shape",
        "windows",
    )

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id
        self.pools: dict[str, Pool] = {}
        self.holds: dict[str, Hold] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.counters: dict[Key, Counter] = {}
        self.windows: dict[str, Window] = {}
        self.rules_version = 0
        """By the ledger's last word; 0: it has no rules."""
        self.nodes: dict[str, Node] = {}
        self.shape = 0
        """Counts the times that nodes or their limits changed."""
        self.paths: dict[str, Path] = {}
        """Those of subjects that have no node of their own."""
        self.absent: dict[str, int] = {}
        """Subjects that the ledger does not have, with the version of the rules in which it has not."""


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
        for window in snapshot.windows:
            self.account(window.account_id).windows[window.pool_id] = window
        for hold in snapshot.holds:
            self.by_id[hold.pool.account_id].holds[hold.hold_id] = hold
            if hold.max_output_tokens and not hold.inner:
                hold.pool.stream_count += 1
        self.hold_count = len(snapshot.holds)
        for outcome in snapshot.outcomes:
            self.by_id[outcome.account_id].outcomes[outcome.operation_id] = outcome
        self.outcome_order.extend(snapshot.outcomes)
        for counter in snapshot.counters:
            self.by_id[counter.account_id].counters[counter.pool_id, counter.counter_id] = counter
        self.counter_count = len(snapshot.counters)

    def account(self, account_id: str) -> Account:
        """Returns an account, which from now on this sidecar knows."""
        account = self.by_id.get(account_id)
        if account is None:
            account = self.by_id[account_id] = Account(account_id)
        return account

    def add_pool(self, pool: Pool) -> None:
        """Adds a pool that is not there yet, and its account with it."""
        account = self.account(pool.account_id)
        assert pool.pool_id not in account.pools
        account.pools[pool.pool_id] = pool
        self.pool_count += 1

    def pool(self, key: Key) -> Pool | None:
        """Returns a pool, None if this sidecar has not seen it."""
        account = self.by_id.get(key[0])
        return None if account is None else account.pools.get(key[1])

    def rights(self, key: Key) -> Rights | None:
        """Returns a pool, or a window by its name; None if this sidecar has neither."""
        account = self.by_id.get(key[0])
        if account is None:
            return None
        return account.windows.get(key[1]) if WINDOW_MARK in key[1] else account.pools.get(key[1])

    def leased(self) -> Iterator[Rights]:
        """Goes over all pools and all windows that are leased."""
        for account in self.by_id.values():
            yield from account.pools.values()
            yield from (window for window in account.windows.values() if window.leased)

    def pools(self) -> Iterator[Pool]:
        """Goes over all pools."""
        for account in self.by_id.values():
            yield from account.pools.values()
