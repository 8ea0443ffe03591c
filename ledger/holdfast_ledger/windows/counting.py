"""Counts debits against the windows that they name, in the transaction that posts them.

Upstream: `posting.post`. The whole amount counts against each window, as against the pool: what a lease lacks is
granted after the fact, and a duplicate's amount comes back to `free`. A name that stands for no window is passed over:
its budget was deleted. Windows of budgets that are not leased (SOFT) are opened here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from holdfast.v1 import ledger_sync_service_pb2 as wire

from holdfast_ledger.leasing.rights import use_up
from holdfast_ledger.store.interface import MAX_AMOUNT, Lease, Pool, Reader, Sidecar, Writer
from holdfast_ledger.store.window_rows import Window
from holdfast_ledger.windows.alerts import watch
from holdfast_ledger.windows.names import parse
from holdfast_ledger.windows.opening import open_window
from holdfast_ledger.windows.rolling import let_go, spend
from holdfast_ledger.windows.times import GRACE_MS, LATE_MS, runs


@dataclass(slots=True)
class Share:
    """What the debits of a run take of one window."""

    pool: Pool
    window: Window
    lease: Lease | None
    """None: the period is over, and the sidecar has nothing of it."""
    consumed: int = 0
    """Amount of all its debits, duplicates included."""
    spent: int = 0
    """Of those that are posted."""

    def fits(self, amount: int) -> bool:
        """Whether every total that a debit may move stays an int64."""
        due, pool, lease = self.consumed + amount, self.pool, self.lease
        return (
            pool.spent_total + pool.corrected_total + self.window.left_total + due <= MAX_AMOUNT
            and pool.free - due >= -MAX_AMOUNT
            and (lease is None or max(lease.posted_total, lease.granted_total) + due <= MAX_AMOUNT)
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """The windows that a debit counts against."""

    keys: str
    """As `DebitRow.windows`."""
    shares: tuple[Share, ...]

    def fits(self, amount: int) -> bool:
        """Whether every total that a debit may move stays an int64."""
        return all(share.fits(amount) for share in self.shares)

    def consume(self, amount: int) -> None:
        """Counts a debit, whether it turns out to be posted or a duplicate."""
        for share in self.shares:
            share.consumed += amount

    def spend(self, amount: int) -> None:
        """Counts a debit that is posted."""
        for share in self.shares:
            share.spent += amount


class Counting:
    """One run of debits of a sidecar: made, asked for each debit, finished."""

    def __init__(self, writer: Writer, sidecar: Sidecar, debits: Iterable[wire.Debit], now_ms: int) -> None:
        self._writer = writer
        self._now_ms = now_ms
        names = {(debit.account_id, name) for debit in debits for name in debit.windows}
        self._shares = self._read(sidecar, names) if names else {}
        self._known: dict[tuple[str, tuple[str, ...]], Counted] = {}

    def of(self, debit: wire.Debit) -> Counted:
        """Returns what a debit counts against; many debits name the same."""
        names = (debit.account_id, tuple(debit.windows))
        counted = self._known.get(names)
        if counted is None:
            shares = {name: self._shares.get((debit.account_id, name)) for name in names[1]}
            there = [share for share in shares.values() if share is not None]
            keys = ",".join(str(share.pool.pool_key) for share in there)
            counted = self._known[names] = Counted(f"[{keys}]" if there else "", tuple(there))
        return counted

    def finish(self) -> int:
        """Moves the figures and writes them back, one row a window however many the debits; returns the events made."""
        moved = [share for share in self._shares.values() if share.consumed]
        if not moved:
            return 0
        writer, now_ms = self._writer, self._now_ms
        buckets, before = [], [_copy(share.window) for share in moved]
        for share in moved:
            _move(share)
            if share.window.rolling_ms and share.spent:
                buckets.append(spend(share.window, share.spent, now_ms))
        events = watch(writer, [(share.pool, share.window) for share in moved], now_ms)
        writer.save_leases(share.lease for share in moved if share.lease)
        writer.save_pools(share.pool for share in moved)
        writer.add_to_buckets(buckets)
        writer.save_windows(
            share.window for share, old in zip(moved, before, strict=True) if old != _copy(share.window)
        )
        return events

    def _read(self, sidecar: Sidecar, names: set[tuple[str, str]]) -> dict[tuple[str, str], Share]:
        """Reads the windows of these names, or opens them, with the leases of the sidecar's life."""
        writer, now_ms = self._writer, self._now_ms
        named = {name for name in names if parse(name[1])}
        pools = writer.pools_named(named)
        windows = writer.windows([pool.pool_key for pool in pools.values()])
        for account_id, name in sorted(named - pools.keys()):
            opened = open_window(writer, account_id, name, now_ms, ahead_ms=GRACE_MS, late_ms=LATE_MS)
            if opened:
                pools[account_id, name], windows[opened[1].pool_key] = opened
        let_go(writer, {pool.pool_key: pool for pool in pools.values()}, windows.values(), now_ms)
        leases = self._leases(sidecar, windows.values())
        return {
            name: Share(pool, windows[pool.pool_key], leases.get(pool.pool_key)) for name, pool in sorted(pools.items())
        }

    def _leases(self, sidecar: Sidecar, windows: Iterable[Window]) -> dict[int, Lease]:
        """Returns the leases of windows, made where they are not there; of a period that is over none is made."""
        there = {window.pool_key: window for window in windows}
        life = sidecar.sidecar_key, sidecar.birth_epoch
        leases = {lease.pool_key: lease for lease in self._writer.leases_of_life(*life, there.keys())}
        for key, window in there.items():
            if key not in leases and runs(window, self._now_ms):
                leases[key] = Lease(*life, key)
                self._writer.insert_lease(leases[key])
        return leases


def _move(share: Share) -> None:
    """Moves the figures so that `free + leased = posted` before and after."""
    pool = share.pool
    if share.lease is not None:
        use_up(pool, share.lease, share.consumed, share.spent)
    else:
        pool.free -= share.spent
        pool.spent_total += share.spent
    assert pool.free + pool.leased == pool.posted


def _copy(window: Window) -> tuple[int, int, int]:
    """What counting may change of a window."""
    return window.due_at_ms, window.alerted_bps, window.alert_count


def running(reader: Reader, debits: Sequence[wire.Debit], now_ms: int) -> list[tuple[int, wire.Debit]]:
    """Returns the keys of the windows whose period is not over, each with every debit that counts against it."""
    names = {(debit.account_id, name) for debit in debits for name in debit.windows}
    pools = {name: pool for name, pool in reader.pools_named(names).items() if pool.is_window} if names else {}
    windows = reader.windows([pool.pool_key for pool in pools.values()])
    keys = {name: pool.pool_key for name, pool in pools.items() if runs(windows[pool.pool_key], now_ms)}
    pairs = [((debit.account_id, name), debit) for debit in debits for name in dict.fromkeys(debit.windows)]
    return [(keys[name], debit) for name, debit in pairs if name in keys]


def names_of(debits: Sequence[wire.Debit]) -> frozenset[tuple[str, str]]:
    """Returns the pools and windows that debits name, by account and id, to be locked before they are posted."""
    pools = {(debit.account_id, debit.pool_id) for debit in debits}
    return frozenset(pools | {(debit.account_id, name) for debit in debits for name in debit.windows})
