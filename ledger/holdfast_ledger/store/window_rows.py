"""The rows of windows, a part of `interface`: what may be used of a limit, beside the pool's row that it is leased as.

A window's row of `pools` has its name as `pool_id`, `is_window` set, its limit as `granted_total` and what is used of
it now as `spent_total`; so `posted` is what is left. It has no currency, no grants and no journal.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from operator import attrgetter
from typing import NamedTuple, Protocol


class WindowKind(IntEnum):
    """What it is a window of."""

    BUDGET = 1
    CONCURRENCY = 2
    RATE = 3


@dataclass(slots=True)
class Window:
    """What a window is beside its row of `pools`."""

    pool_key: int
    rule_id: str
    """The budget or limit."""
    kind: WindowKind
    subject: str
    leased: int
    """0: sidecars only name it in debits, and are never told of it."""
    starts_at_ms: int
    """Of the period; 0: it has none."""
    ends_at_ms: int
    """`NEVER`: it has no period."""
    rolling_ms: int
    """0: it is not a rolling one."""
    alert_bps: str = "[]"
    """A JSON list of shares of the limit, ascending, at which an event is made."""
    alerted_bps: int = 0
    """The largest of them for which it was made, in a rolling period less those that spending fell below."""
    alert_count: int = 0
    left_total: int = 0
    """All spending that has left a rolling period, in minor units."""
    closed: int = 0
    """1: the rule is deleted, or has other periods now."""
    due_at_ms: int = 0
    """When the sweep has to touch it next."""


WINDOW_COLUMNS = (
    "subject",
    "leased",
    "ends_at_ms",
    "rolling_ms",
    "alert_bps",
    "alerted_bps",
    "alert_count",
    "left_total",
    "closed",
    "due_at_ms",
)
"""What `save_windows` writes back: names of `Window`'s fields and of the columns."""

window_values: Callable[[Window], tuple[int | str, ...]] = attrgetter(*WINDOW_COLUMNS)


class BucketRow(NamedTuple):
    """What was posted against a rolling window in one step of it, in the order of the table's columns."""

    pool_key: int
    ends_at_ms: int
    amount: int


class WindowSum(NamedTuple):
    """What the debits that name a window add up to, for the audit."""

    pool_key: int
    amount: int


class WindowLeaseSum(NamedTuple):
    """The same of the debits of one life of a sidecar, duplicates included."""

    sidecar_key: int
    birth_epoch: int
    pool_key: int
    amount: int


class WindowReader(Protocol):
    """Reads of windows, a part of `Reader`."""

    def windows(self, pool_keys: Collection[int]) -> dict[int, Window]:
        """Returns windows by key; pools are left out."""

    def windows_after(self, after_key: int, limit: int) -> list[Window]:
        """Lists windows in the order of their keys."""

    def windows_of_rules(self, account_key: int, rule_ids: Collection[str]) -> list[int]:
        """Returns the keys of the windows of the budgets and limits of an account with these ids, in no order."""

    def windows_due(self, now_ms: int, limit: int) -> list[int]:
        """Returns the keys of windows whose `due_at_ms` has come, the longest overdue first."""

    def windows_of_debit(self, debit_key: int) -> list[int]:
        """Returns the keys of the windows that a debit counted against, also of those that are gone."""

    def buckets(self, pool_key: int) -> list[BucketRow]:
        """Returns what a rolling window is made of, the oldest first."""

    def bucket_sums(self) -> list[WindowSum]:
        """Sums the buckets of each rolling window."""

    def window_sums(self) -> list[WindowSum]:
        """Sums the posted debits that name each window."""

    def window_lease_sums(self) -> list[WindowLeaseSum]:
        """Sums the debits that name each window by the life of the sidecar that made them, duplicates included."""


class WindowWriter(WindowReader, Protocol):
    """Writes of windows, a part of `Writer`."""

    def share_rules(self, account_key: int) -> None:
        """Keeps other replicas from changing the rules of an account until the transaction ends."""

    def windows_due(self, now_ms: int, limit: int) -> list[int]:
        """As `WindowReader`. Locks them, and leaves out those that another has locked.

        Like `lock`, the first thing in a transaction.
        """

    def insert_window(self, window: Window) -> None:
        """Adds a window to its row of `pools`."""

    def save_windows(self, windows: Iterable[Window]) -> None:
        """Writes windows back."""

    def add_to_buckets(self, rows: Sequence[BucketRow]) -> None:
        """Adds amounts to buckets, which are made where they are not there; each is named once."""

    def save_bucket(self, row: BucketRow) -> None:
        """Writes the amount of a bucket back; 0 deletes it."""

    def take_buckets(self, pool_keys: Collection[int], now_ms: int) -> dict[int, int]:
        """Deletes the buckets whose spending has left its period; returns the amounts by window."""

    def first_buckets(self, pool_keys: Collection[int]) -> dict[int, int]:
        """Returns when the oldest bucket of each window ends."""

    def delete_idle_leases(self, pool_keys: Collection[int]) -> None:
        """Deletes the leases of windows with nothing out."""

    def pools_leased(self, pool_keys: Collection[int]) -> set[int]:
        """Returns those of which there is a lease, whatever its life."""

    def delete_windows(self, pool_keys: Collection[int]) -> set[int]:
        """Deletes windows and their leases; returns those deleted.

        Not the one with the largest key of all: no key is ever given twice, since debits name windows by it.
        """
