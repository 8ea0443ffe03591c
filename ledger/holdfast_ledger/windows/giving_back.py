"""Gives what is corrected of a debit back to the windows that it counted against.

Only while their period is under way: what was used of a past one stays as it was. Of a rolling window, what has left
the period is no longer used and does not come back a second time.
"""

from holdfast_ledger.store.interface import Locks, PostedDebit, Writer
from holdfast_ledger.windows.alerts import watch
from holdfast_ledger.windows.rolling import let_go, take_back


def give_back(writer: Writer, debit: PostedDebit, amount: int, now_ms: int) -> None:
    """Lowers what is used of the windows of a debit, and raises what is free of them."""
    keys = writer.windows_of_debit(debit.debit_key)
    if not keys:
        return
    writer.lock(Locks(pool_keys=frozenset(keys)))
    pools = writer.pools_by_key(keys)
    running = [window for window in writer.windows(keys).values() if now_ms < window.ends_at_ms]
    let_go(writer, pools, running, now_ms)
    for window in running:
        pool = pools[window.pool_key]
        given = take_back(writer, window, amount, debit.posted_at_ms) if window.rolling_ms else amount
        pool.spent_total -= given
        pool.corrected_total += given
        pool.free += given
        assert pool.free + pool.leased == pool.posted
    writer.save_pools(pools[window.pool_key] for window in running)
    watch(writer, [(pools[window.pool_key], window) for window in running], now_ms)
    writer.save_windows(running)
