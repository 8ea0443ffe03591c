"""What must be so, checked from outside: after each transaction of the ledger, each round of a sidecar, and at the end.

Three parties are compared that share no code here: the ledger's rows, the sidecars' disks, and what clients were told.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

from holdfast_ledger.audit import audit
from holdfast_ledger.metering.posting import METERING
from holdfast_ledger.store.sqlite import SqliteReader
from holdfast_sidecar.engine.state import Window

from tests.simulation.burn_checks import burned_out_of_order
from tests.simulation.clock import MS
from tests.simulation.disk import Folder, HoldSeen, PoolSeen
from tests.simulation.event_checks import EventChecks
from tests.simulation.events import EventsPlan
from tests.simulation.host import Host
from tests.simulation.ledger import SimDatabase
from tests.simulation.plan import ALLOWANCE, STRICT, Knobs
from tests.simulation.record import Committed, Record
from tests.simulation.rows import LEASES, POOLS, Excuses, Key, LeaseKey, LeaseRow, PoolRow
from tests.simulation.rules import Rules
from tests.simulation.window_checks import WindowChecks

ROUNDING_MS = 2
"""What whole milliseconds may take from a comparison of two clocks."""

_POSTED = """SELECT s.sidecar_id, d.sequence, a.account_id, d.operation_id, d.amount, 1 FROM debits d
 JOIN leases l USING (lease_key) JOIN sidecars s USING (sidecar_key) JOIN accounts a USING (account_key)
 UNION ALL SELECT s.sidecar_id, x.sequence, a.account_id, d.operation_id, x.amount, 0 FROM duplicate_debits x
 JOIN leases l ON l.lease_key = x.lease_key JOIN sidecars s USING (sidecar_key) JOIN debits d USING (debit_key)
 JOIN accounts a USING (account_key)"""


def _threshold(pool: PoolRow) -> int:
    return pool.partition_limit if pool.partition_mode == ALLOWANCE else 0


class Invariants:
    """Checks, and tells of the first that does not hold."""

    def __init__(
        self,
        database: SimDatabase,
        record: Record,
        rules: Rules,
        knobs: Knobs,
        fail: Callable[[str], None],
        hosts: list[Host],
        now_ns: Callable[[], int],
        events: EventsPlan,
    ) -> None:
        self._database = database
        self._record = record
        self.knobs = knobs
        self._fail = fail
        self.hosts = hosts
        self.excuses = Excuses()
        self.pools: dict[int, PoolRow] = {}
        self.leases: dict[LeaseKey, LeaseRow] = {}
        self._spent_unposted: dict[str, int] = defaultdict(int)
        """By pool: what was consumed and not posted when the ledger reclaimed the rights to it. That debits which
        cannot reach the ledger for so long are posted later as `unleased` is the bound's own exception."""
        self._taken: dict[tuple[str, int, Key, str], int] = {}
        """By process and pool: what was taken of rights and of allowance when it was last looked."""
        self.windows = WindowChecks(database, record, rules, self.excuses, fail, hosts, self._spent_unposted, now_ns)
        self.events = EventChecks(database, record, events, self.excuses, fail, hosts)
        self.check_count = 0

    # ── after each transaction of the ledger ────────────────────────────────────────────────────────────────────────

    def after_commit(self) -> None:
        """Reads pools and leases and compares."""
        self.check_count += 1
        before, pools_before = self.leases, self.pools
        connection = self._database.connection
        self.pools = {row[0]: PoolRow(*row) for row in connection.execute(POOLS)}
        self.leases = {}
        leased: dict[int, int] = defaultdict(int)
        allowance: dict[int, int] = defaultdict(int)
        for row in connection.execute(LEASES):
            lease = LeaseRow(*row)
            pool = self.pools[lease.pool_key]
            key = (lease.sidecar_id, lease.birth_epoch, pool.account_id, pool.pool_id)
            self.leases[key] = lease
            leased[lease.pool_key] += lease.outstanding
            allowance[lease.pool_key] += lease.allowance_outstanding
            self._check_lease(key, lease, before.get(key))
        for pool in self.pools.values():
            self._check_pool(pool, pools_before.get(pool.pool_key), leased[pool.pool_key], allowance[pool.pool_key])
        self.windows.after_all()

    def _check_pool(self, pool: PoolRow, before: PoolRow | None, leased: int, allowance: int) -> None:
        name = pool.pool_id
        if pool.free + pool.leased != pool.posted:
            self._fail(f"I-16: {name}: free {pool.free} + leased {pool.leased} is not posted {pool.posted}")
        if pool.leased != leased:
            self._fail(f"I-16: {name}: leased is {pool.leased}, its leases have {leased} out")
        if pool.allowance_leased != allowance:
            self._fail(f"allowances of {name}: {pool.allowance_leased} out, its leases have {allowance}")
        if before is not None and pool.allowance_leased > before.allowance_leased and not self.excuses.restored:
            # Several jobs share a transaction, and only its ends are seen: rights may have come back in between.
            limit = max(_threshold(before), _threshold(pool))
            free = max(before.free, pool.free) + max(0, before.leased - pool.leased)
            if pool.allowance_leased > max(0, limit - max(0, -free)):
                self._fail(f"allowances of {name}: {pool.allowance_leased} out, of {limit}: {before} -> {pool}")
        if pool.is_window:
            self.windows.after_commit(pool, before)
        else:
            self._check_bound(pool)

    def _check_bound(self, pool: PoolRow) -> None:
        """The published bound, and that nothing is unexplained in a STRICT pool."""
        overdraft = max(0, -pool.posted)
        flagged = (
            pool.allowance_spent_total
            + pool.fail_open_total
            + pool.over_hold_total
            + pool.late_total
            + pool.expired_leased_total
        )
        if overdraft > flagged + pool.unleased_total and not self.excuses.restored:
            self._fail(f"the bound: {pool.pool_id} is overdrawn by {overdraft} beyond what is explained: {pool}")
        if self._is_excused() or self.excuses.optimistic or pool.enforcement != STRICT:
            return
        # `unleased_total` must not be where a doubled right hides.
        excused = self._spent_unposted[pool.pool_id]
        if overdraft > flagged + excused:
            self._fail(f"the bound: STRICT {pool.pool_id} is overdrawn by {overdraft}, {excused} excused: {pool}")

    # ── rights ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _check_lease(self, key: LeaseKey, lease: LeaseRow, before: LeaseRow | None) -> None:
        if lease.outstanding < 0 or lease.allowance_outstanding < 0:
            self._fail(f"I-17: {key}: {lease}")
        reclaimed = lease.reclaimed_total - (before.reclaimed_total if before else 0)
        allowance_reclaimed = lease.allowance_reclaimed_total - (before.allowance_reclaimed_total if before else 0)
        for host in self.hosts:
            folder = host.folder
            if folder.sidecar_id != key[0] or folder.seen.birth_epoch != key[1]:
                continue
            self._compare(key, lease, folder)
            if reclaimed > 0:
                self._check_reclaim(key, lease, host)
            if allowance_reclaimed > 0:
                self._check_allowance_reclaim(key, host)

    def _compare(self, key: LeaseKey, lease: LeaseRow, folder: Folder) -> None:
        """No right is at a sidecar that the ledger does not count as out."""
        seen = folder.seen.pools.get(key[2:])
        if seen is None or self.excuses.restored or self.excuses.forked:
            return
        if seen.granted_total > lease.granted_total or seen.reclaimed_total > lease.reclaimed_total:
            self._fail(f"rights doubled: {key} has {seen}, the ledger {lease}")
        if seen.is_window:
            return
        if seen.returned_total < lease.returned_total:
            self._fail(f"rights doubled: {key} returned {seen.returned_total}, the ledger took {lease.returned_total}")
        if seen.allowance_granted_total > lease.allowance_granted_total:
            self._fail(f"allowance doubled: {key} has {seen}, the ledger {lease}")
        if seen.allowance_returned_total < lease.allowance_returned_total:
            self._fail(f"allowance doubled: {key} has {seen}, the ledger {lease}")

    def _check_reclaim(self, key: LeaseKey, lease: LeaseRow, host: Host) -> None:
        """Rights are taken back only when nobody can spend them any more."""
        seen = host.folder.seen
        pool = seen.pools.get(key[2:])
        if pool is not None:
            self._spent_unposted[key[3]] += max(0, pool.consumed_total - lease.posted_total)
        if self._is_excused():
            return
        if host.rebooted:
            # Holds start their time anew, which guarantees.md excludes.
            self._spent_unposted[key[3]] += seen.held.get(key[2:], 0)
            return
        covered = [hold for hold in seen.holds.values() if hold.amount > hold.allowance_amount + hold.fail_open_amount]
        self._check_over(key, host, seen.lease_valid_until_ns, covered)

    def _check_allowance_reclaim(self, key: LeaseKey, host: Host) -> None:
        """The same for allowances."""
        if self._is_excused() or host.rebooted:
            return
        seen = host.folder.seen
        using = [hold for hold in seen.holds.values() if hold.allowance_amount]
        self._check_over(key, host, seen.allowance_valid_until_ns, using)

    def _check_over(self, key: LeaseKey, host: Host, valid_until_ns: int, holds: list[HoldSeen]) -> None:
        now_ns = host.clock.now_ns() + ROUNDING_MS * MS
        if valid_until_ns > now_ns:
            self._fail(f"reclaimed too early: {key} is valid for {(valid_until_ns - now_ns) / MS} ms more")
        for hold in holds:
            if key[2:] in hold.keys and hold.deadline_ns > now_ns:
                self._fail(f"reclaimed too early: {key} has a hold for {(hold.deadline_ns - now_ns) / MS} ms more")

    # ── after each round of a sidecar ───────────────────────────────────────────────────────────────────────────────

    def after_round(self, host: Host) -> None:
        """Compares an engine with its disk, and both with the ledger."""
        process = host.process
        if process is None:
            return
        self.check_count += 1
        for violation in (*self._record.violations, *self._record.events.violations):
            self._fail(violation)
        seen = host.folder.seen
        meta = process.meta
        valid_ns = max(host.last_word_ns, process.uplink.last_word_ns) + self.knobs.validity_ms * MS
        if meta.lease_valid_until_ns > valid_ns:
            late_ms = (meta.lease_valid_until_ns - valid_ns) / MS
            self._fail(f"I-13: {host.name} takes its leases to be valid {late_ms} ms past its last word")
        self.windows.after_round(host, self.leases)
        for pool in process.engine._accounts.pools():
            key = (pool.account_id, pool.pool_id)
            if pool.held != seen.held.get(key, 0):
                self._fail(f"I-1: {host.name}: {key} holds {pool.held}, its open holds {seen.held.get(key, 0)}")
            totals = seen.pools.get(key)
            lease = self.leases.get((host.folder.sidecar_id, seen.birth_epoch, *key))
            if totals is None or lease is None:
                # A restored ledger may not know the lease yet: what is taken meanwhile is not compared.
                for what in ("rights", "allowance"):
                    self._taken.pop((host.name, host.start_count, key, what), None)
                continue
            self._compare((host.folder.sidecar_id, seen.birth_epoch, *key), lease, host.folder)
            if pool.enforcement == STRICT and not self.excuses.optimistic:
                self._check_spent(host, totals, lease, key)
            self._check_allowance_spent(host, totals, lease, key)

    def died_in_round(self, host: Host) -> None:
        """Looks at the disk of a process that dies in a round, of which `after_round` never hears."""
        self.windows.died_in_round(host, self.leases)

    def _check_spent(self, host: Host, totals: PoolSeen, lease: LeaseRow, key: Key) -> None:
        """I-4: rights are below zero only by what the flags say; and nobody spends what was taken back."""
        folder = host.folder
        holds = [hold for hold in folder.seen.holds.values() if hold.key == key]
        flagged = self._record.flagged((folder.line, *folder.past), key[1])
        flagged += sum(hold.allowance_amount + hold.fail_open_amount for hold in holds)
        taken = totals.consumed_total + sum(hold.amount for hold in holds)
        left = totals.granted_total - totals.reclaimed_total - totals.returned_total - taken
        if -left > flagged + totals.reclaimed_total:
            self._fail(f"I-4: {host.name}: {key} has {left} rights left, flagged are {flagged}: {totals}")
        place = (host.name, host.start_count, key, "rights")
        before, self._taken[place] = self._taken.get(place, taken), taken - flagged
        if taken - flagged <= before:
            return
        if lease.reclaimed_total > totals.reclaimed_total and not self._is_excused():
            self._fail(f"rights doubled: {host.name} spends of {key} what was reclaimed: {totals}, {lease}")
        past_ns = host.clock.now_ns() - folder.seen.lease_valid_until_ns
        if past_ns >= 0:
            self._fail(f"{host.name} spends of {key} {past_ns / MS} ms past the validity of its leases: {totals}")

    def _check_allowance_spent(self, host: Host, totals: PoolSeen, lease: LeaseRow, key: Key) -> None:
        """Allowances are used only while cut off, and not past their time."""
        held = sum(hold.allowance_amount for hold in host.folder.seen.holds.values() if hold.key == key)
        taken = totals.allowance_consumed_total + held
        place = (host.name, host.start_count, key, "allowance")
        before, self._taken[place] = self._taken.get(place, taken), taken
        if taken <= before or host.process is None:
            return
        if lease.allowance_reclaimed_total > totals.allowance_reclaimed_total and not self._is_excused():
            self._fail(f"allowance doubled: {host.name} spends of {key} what was reclaimed: {totals}, {lease}")
        silent_ns = host.clock.now_ns() - host.process.engine._decisions._heard_at_ns
        pool = host.process.engine._accounts.pool(key)
        after_ms = (pool.partition_after_ms if pool else 0) or host.shared.settings.partition_after_ms
        if silent_ns <= after_ms * MS:
            self._fail(f"{host.name} uses allowance of {key} {silent_ns / MS} ms after it heard the ledger")

    def _is_excused(self) -> bool:
        """Whether rights may be on two disks for a reason that guarantees.md excludes."""
        return self.excuses.restored or self.excuses.forked

    # ── at the end ──────────────────────────────────────────────────────────────────────────────────────────────────

    def disagreement(self, hosts: Sequence[Host]) -> str:
        """Returns in what hosts that are at rest differ from the ledger; empty: in nothing."""
        self.after_commit()
        acked = dict(self._database.connection.execute("SELECT sidecar_id, acked_sequence FROM sidecars"))
        for host in hosts:
            if not host.connected or host.process is None:
                return f"{host.name} is not connected"
            meta = host.process.meta
            if not meta.last_sequence == meta.acked_sequence == acked.get(host.folder.sidecar_id, 0):
                mark = acked.get(host.folder.sidecar_id)
                return f"{host.name} made {meta.last_sequence}, knows {meta.acked_sequence} acked, the ledger {mark}"
            for pool in host.process.engine._accounts.leased():
                key = (host.folder.sidecar_id, meta.birth_epoch, pool.account_id, pool.pool_id)
                lease = self.leases.get(key)
                if lease is None and isinstance(pool, Window) and not self.windows.may_be_leased(pool):
                    continue
                if lease is None:
                    return f"{host.name} has a pool without a lease: {key}"
                if isinstance(pool, Window):
                    told = self.windows.difference(pool, lease)
                    if told:
                        return f"{host.name} {told}"
                    continue
                if pool.posted_total != pool.consumed_total or lease.posted_total != pool.consumed_total:
                    return f"{host.name} consumed {pool.consumed_total}, knows posted {pool.posted_total}: {lease}"
                mine = (pool.granted_total, pool.reclaimed_total, pool.returned_total)
                theirs = (lease.granted_total, lease.reclaimed_total, lease.returned_total)
                if mine != theirs:
                    return f"{host.name} has the totals {mine}: {lease}"
                row = self.pools[lease.pool_key]
                if pool.pool_posted != row.posted:
                    return f"{host.name} believes {pool.pool_posted} posted in {pool.pool_id}: {row}"
        return ""

    def at_rest(self, hosts: Sequence[Host]) -> None:
        """All holds are over and all lives but the present ones are reclaimed: every right is accounted for."""
        present = {(host.folder.sidecar_id, host.folder.seen.birth_epoch): host for host in hosts}
        for key, lease in self.leases.items():
            host = present.get(key[:2])
            if host is None:
                if lease.outstanding and not self._fenced(key):
                    self._fail(f"at rest: {key} is over and has {lease.outstanding} out")
                continue
            if host.folder.seen.held.get(key[2:], 0):
                self._fail(f"at rest: {key} still holds {host.folder.seen.held[key[2:]]}")
        with_holds = [host.name for host in hosts if host.folder.seen.holds]
        if with_holds:
            self._fail(f"at rest: holds without an owner on {with_holds}")

    def _fenced(self, key: LeaseKey) -> bool:
        """Whether the life is that of a host that was stopped for good."""
        return any(host.fenced and host.folder.seen.birth_epoch == key[1] for host in self.hosts)

    def books(self) -> None:
        """The independent audit, and each debit against the disks and the answers."""
        report = audit(SqliteReader(self._database.connection))
        for finding in (*report.findings, *burned_out_of_order(self._database)):
            self._fail(f"audit: {finding}")
        posted: dict[tuple[str, str], list[tuple[str, int, int]]] = defaultdict(list)
        rows: dict[tuple[str, str], int] = defaultdict(int)
        for sidecar_id, sequence, account_id, operation_id, amount, is_posted in self._database.connection.execute(
            _POSTED
        ):
            operation = (account_id, operation_id)
            rows[operation] += 1
            if is_posted:
                posted[operation].append((sidecar_id, sequence, amount))
            if sidecar_id == METERING:
                continue
            made = self._record.by_sequence.get((sidecar_id, sequence), [])
            if not any((row.operation_id, row.amount) == (operation_id, amount) for row in made):
                self._fail(f"{sidecar_id} never made debit {sequence} of {operation} for {amount}: {made}")
        self.windows.counted((*row[:2], op[1], row[2]) for op, posted_rows in posted.items() for row in posted_rows)
        for operation, count in rows.items():
            made_count = len(self._record.by_operation.get(operation, ()))
            if len(posted[operation]) != 1:
                self._fail(f"{operation} is posted {len(posted[operation])} times")
            if count > made_count and posted[operation][0][0] != METERING:
                self._fail(f"{operation} came {count} times, made were {made_count}")
        for operation, acks in self._record.acked.items():
            if operation not in posted and any(self._lives(row) for row in self._record.by_operation[operation]):
                self._fail(f"acked and not posted: {operation}: {acks}")
        quarantined = self._database.connection.execute("SELECT count(*) FROM quarantined_debits").fetchone()[0]
        if quarantined and not self.excuses.restored:
            self._fail(f"{quarantined} debits were quarantined, and every pool is known")

    def _lives(self, row: Committed) -> bool:
        """Whether a debit is in a folder that is in use, or came back from one."""
        return any(host.folder.has(row) and not host.fenced for host in self.hosts)
