"""What the usage store is fed from: the journal and the debits by their keys. A part of `interface`.

Batches of events and changes of metered periods are in `metering_rows`.
"""

from collections.abc import Collection
from typing import NamedTuple, Protocol

USED_WITHIN_MS = 35 * 86_400_000
"""A debit was used at most so long before it was posted, whatever its host's clock says: as old as events may be."""


class FeedHeads(NamedTuple):
    """How far the ledger's tables go."""

    entry_key: int
    debit_key: int
    batch_key: int
    """Of the last batch of events, also when it is not kept any more."""
    change_key: int
    """Of the changes of metered periods."""
    generation: int
    """Of the ledger's history."""


class SpendLine(NamedTuple):
    """A journal line that moves what debits spent, with its debit; without one the debit's values are empty."""

    entry_key: int
    type: int
    pool_key: int
    grant_key: int
    """0: overdraft."""
    amount: int
    posted_at_ms: int
    correction_id: str
    debit_key: int
    operation_id: str
    hold_id: str
    lease_key: int
    epoch: int
    sequence: int
    late: int
    estimated: int
    over_hold_amount: int
    caller: str
    used_at_ms: int
    """When it was spent; of no debit, when the line was posted."""
    subject: str
    dimensions: str
    """A JSON object of strings; empty: of no debit."""
    counts: int
    """1: the first line of a debit; its others, and corrections, have 0."""


class QuantityLine(NamedTuple):
    """A debit with quantities."""

    debit_key: int
    lease_key: int
    operation_id: str
    hold_id: str
    caller: str
    posted_at_ms: int
    used_at_ms: int
    subject: str
    dimensions: str
    quantities: str
    """A JSON object of numbers."""


class FeedPool(NamedTuple):
    """A pool by its names."""

    pool_key: int
    account_id: str
    pool_id: str
    currency: str


class FeedGrant(NamedTuple):
    """What a line's cost and category come from; none of it ever changes."""

    grant_key: int
    grant_id: str
    category: int
    amount: int
    cost_amount: int
    cost_currency: str
    metadata: str
    """A JSON object of strings."""


class FeedLease(NamedTuple):
    """Whose debits lie under a lease."""

    lease_key: int
    pool_key: int
    sidecar_id: str


class SpendSum(NamedTuple):
    """What a pool's debits of a month spent, less corrections."""

    account_id: str
    pool_id: str
    month: str
    """As "2026-11", in UTC, by when it was used."""
    amount: int
    line_count: int


class GrantBurn(NamedTuple):
    """What burned of a grant, less what came back."""

    grant_key: int
    account_id: str
    pool_id: str
    grant_id: str
    amount: int
    cost_amount: int
    burned_amount: int

    @property
    def recognised_amount(self) -> int:
        """What that recognised of its cost."""
        return self.cost_amount * self.burned_amount // self.amount


class QuantitySum(NamedTuple):
    """What the debits of a month used of a meter."""

    account_id: str
    pool_id: str
    meter_id: str
    month: str
    quantity: int


class FeedReader(Protocol):
    """The part of `Reader` that feeds the usage store, and that it is checked against."""

    def feed_heads(self) -> FeedHeads:
        """Returns how far the tables go."""

    def feed_fence(self) -> int:
        """Returns what `fence_passed` wants before everything up to heads that were read before can be read.

        PostgreSQL gives keys out before it commits. Whoever posts locks rows first, so it has its transaction's number
        before its keys. The fence is a number given out after the heads were read: once all below it are over, nothing
        more comes below those heads.
        """

    def fence_passed(self, fence: int) -> bool:
        """Tells whether every transaction below a fence is over. On another snapshot than that of the fence."""

    def feed_anchor(self, entry_key: int, debit_key: int) -> str:
        """Tells an entry and a debit in short, so that another history with the same keys is noticed."""

    def spend_lines(self, after_key: int, until_key: int) -> list[SpendLine]:
        """Returns the lines of what debits spent, in the order of their keys."""

    def quantity_lines(self, after_key: int, until_key: int) -> list[QuantityLine]:
        """Returns debits with quantities, in the order of their keys; not those that events or meters made."""

    def feed_pools(self, pool_keys: Collection[int]) -> list[FeedPool]:
        """Returns pools by key."""

    def feed_grants(self, grant_keys: Collection[int]) -> list[FeedGrant]:
        """Returns grants by key."""

    def feed_leases(self, lease_keys: Collection[int]) -> list[FeedLease]:
        """Returns leases by key."""

    def spend_sums(self, until_key: int) -> list[SpendSum]:
        """Sums all lines up to an entry's key."""

    def grant_burns(self, until_key: int) -> list[GrantBurn]:
        """Sums what burned of each grant, by the lines up to an entry's key."""

    def quantity_sums(self, until_key: int) -> list[QuantitySum]:
        """Sums the quantities of debits up to a key."""

    def metered_sums(self, until_key: int) -> list[QuantitySum]:
        """Sums the changes of metered periods up to a key, by the month in which the period began."""

    def event_counts(self, after_key: int, until_key: int, limit: int) -> list[tuple[int, int]]:
        """Returns the keys of batches, in their order, each with the number of its events."""
