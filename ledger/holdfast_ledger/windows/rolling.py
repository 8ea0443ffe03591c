"""Rolling windows: what was spent leaves the period again, in steps, never too soon.

What is posted within one step of a window lies in one bucket. It leaves as a whole when the step's end is a period ago.
"""

from collections.abc import Collection, Mapping

from holdfast_ledger.store.interface import NEVER, Pool, Writer
from holdfast_ledger.store.window_rows import BucketRow, Window
from holdfast_ledger.windows.alerts import watch
from holdfast_ledger.windows.times import bucket_ends_at_ms


def let_go(writer: Writer, pools: Mapping[int, Pool], windows: Collection[Window], now_ms: int) -> None:
    """Moves what has left its period back to `free`, and writes it back; windows that do not roll stay as they are."""
    due = [window for window in windows if window.rolling_ms and not window.closed and window.due_at_ms <= now_ms]
    if not due:
        return
    keys = [window.pool_key for window in due]
    taken = writer.take_buckets(keys, now_ms)
    first = writer.first_buckets(keys)
    for window in due:
        pool, amount = pools[window.pool_key], taken.get(window.pool_key, 0)
        pool.spent_total -= amount
        pool.free += amount
        window.left_total += amount
        oldest_ms = first.get(window.pool_key)
        window.due_at_ms = NEVER if oldest_ms is None else oldest_ms + window.rolling_ms
        assert pool.free + pool.leased == pool.posted
    writer.save_pools(pools[key] for key in keys)
    watch(writer, [(pools[window.pool_key], window) for window in due], now_ms)
    writer.save_windows(due)


def spend(window: Window, amount: int, now_ms: int) -> BucketRow:
    """Returns what is to be added to the buckets of a rolling window for what was posted now."""
    ends_at_ms = bucket_ends_at_ms(window, now_ms)
    if not window.closed:
        window.due_at_ms = min(window.due_at_ms, ends_at_ms + window.rolling_ms)
    return BucketRow(window.pool_key, ends_at_ms, amount)


def take_back(writer: Writer, window: Window, amount: int, posted_at_ms: int) -> int:
    """Takes spending of some time out of its bucket, as far as it has not left; returns what was taken.

    The length of the steps may have changed since; then it may be a bucket of that time beside its own, or none.
    """
    last_ms = bucket_ends_at_ms(window, posted_at_ms)
    left = amount
    for bucket in writer.buckets(window.pool_key):
        if posted_at_ms < bucket.ends_at_ms <= last_ms and left:
            part = min(left, bucket.amount)
            left -= part
            writer.save_bucket(bucket._replace(amount=bucket.amount - part))
    return amount - left
