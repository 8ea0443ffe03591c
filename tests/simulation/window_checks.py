"""What must be so of windows: nobody uses more of a limit than there is, and each debit counts once where it should.

A part of `invariants`. What may go beyond a window's rights is told apart on the host that lets it through: settles
above their holds, work that a lenient partition mode lets go on, and what the ledger reclaimed.
"""

import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from holdfast_sidecar.engine.partition import FAIL_CLOSED
from holdfast_sidecar.engine.state import Window
from holdfast_sidecar.engine.verdicts import Mode

from tests.simulation.clock import MS
from tests.simulation.host import Host
from tests.simulation.ledger import SimDatabase
from tests.simulation.record import Record
from tests.simulation.rows import Excuses, LeaseKey, LeaseRow, PoolRow
from tests.simulation.rules import MARK, BudgetPlan, Rules

_ROLLING = """SELECT p.pool_id, w.rolling_ms, w.left_total, p.spent_total, p.corrected_total FROM windows w
 JOIN pools p USING (pool_key) WHERE w.rolling_ms > 0"""
_LIMITS = """SELECT p.pool_id, p.granted_total, b.limit_amount FROM windows w JOIN pools p USING (pool_key)
 JOIN budgets b ON b.account_key = p.account_key AND b.budget_id = w.rule_id
 WHERE w.kind = 1 AND NOT w.closed AND w.ends_at_ms > ?"""
_CORRECTED = """SELECT s.sidecar_id, d.sequence, d.operation_id, d.amount, c.amount FROM corrections c
 JOIN debits d USING (debit_key) JOIN leases l USING (lease_key) JOIN sidecars s USING (sidecar_key)"""
_COUNTED = """SELECT p.pool_id, w.left_total, p.spent_total, p.corrected_total FROM windows w
 JOIN pools p USING (pool_key)"""

_METERED = """SELECT m.windows, d.amount FROM metered_charges m JOIN debits d
 ON d.account_key = m.account_key AND d.operation_id = m.operation_id"""

_GIVEN_BACK = """SELECT m.windows, c.amount FROM metered_charges m JOIN debits d
 ON d.account_key = m.account_key AND d.operation_id = m.operation_id JOIN corrections c USING (debit_key)"""

CLOCKS_SHARE = 0.022
"""By how much the clocks of two replicas may differ, as a share of the time since they started; see `Knobs`."""
CLOCKS_MS = 25


@dataclass(slots=True)
class _Rolling:
    """What was posted against a rolling window, in its order, as (time, amount)."""

    posted: deque[tuple[int, int]] = field(default_factory=deque)
    posted_total: int = 0
    left_total: int = 0


class _Owed(NamedTuple):
    """By how much the rights to a window were passed when it was last looked, and what explains that."""

    owed: int
    reclaimed: int
    beyond: int


class WindowChecks:
    """Checks windows, and tells of the first that does not hold."""

    def __init__(
        self,
        database: SimDatabase,
        record: Record,
        rules: Rules,
        excuses: Excuses,
        fail: Callable[[str], None],
        hosts: list[Host],
        spent_unposted: Mapping[str, int],
        now_ns: Callable[[], int],
    ) -> None:
        """`spent_unposted`: by window, what was spent and not posted when the ledger reclaimed the rights to it."""
        self._database = database
        self._record = record
        self._rules = rules
        self._excuses = excuses
        self._fail = fail
        self._hosts = hosts
        self._let_on: dict[str, int] = defaultdict(int)
        """By window: what lenient partition modes let go on beyond its rights."""
        self._lowered: dict[str, int] = defaultdict(int)
        """By window: by how much its limit was lowered, in all."""
        self._spent_unposted = spent_unposted
        self._now_ns = now_ns
        self._rolling: dict[str, _Rolling] = defaultdict(_Rolling)
        self._most: dict[str, int] = defaultdict(int)
        """By window: the largest limit that it ever had."""
        self._owed: dict[tuple[int, str], _Owed] = {}
        """By line and window."""

    @property
    def _excused(self) -> bool:
        return self._excuses.restored or self._excuses.forked

    # ── at the ledger ───────────────────────────────────────────────────────────────────────────────────────────────

    def after_commit(self, window: PoolRow, before: PoolRow | None) -> None:
        """What is out and spent is within the limit, but for what is told apart."""
        name = window.pool_id
        self._most[name] = max(self._most[name], window.granted_total)
        if before is not None:
            self._lowered[name] += max(0, before.granted_total - window.granted_total)
            if before.granted_total != window.granted_total:
                self.limits(0, name)
        if self._excused or _rule_of(name) in self._rules.lenient or window.free >= 0:
            return
        explained = self._let_on[name] + self._lowered[name] + self._spent_unposted.get(name, 0)
        explained += sum(amount for (_, passed), amount in self._record.beyond.items() if passed == name)
        if -window.free > explained:
            explained += self._metered()[name]
        if -window.free > explained:
            self._fail(f"the limit of {name!r} is passed by {-window.free}, explained are {explained}: {window}")

    def after_all(self) -> None:
        """What was spent against a rolling window stays in it for its whole period."""
        if self._excused or not any(budget.rolling_ms for budget in self._rules.plan.budgets):
            return
        now_ms = self._now_ns() // MS
        for name, rolling_ms, left_total, spent, corrected in self._database.connection.execute(_ROLLING):
            there, posted_total = self._rolling[name], spent + left_total + corrected
            if posted_total > there.posted_total:
                there.posted.append((now_ms, posted_total - there.posted_total))
            leaving = left_total - there.left_total
            there.posted_total, there.left_total = posted_total, left_total
            while leaving > 0 and not corrected:
                at_ms, amount = there.posted.popleft()
                if now_ms - at_ms < rolling_ms - now_ms * CLOCKS_SHARE - CLOCKS_MS:
                    self._fail(f"{name!r} forgets {amount} after {now_ms - at_ms} ms, its period is {rolling_ms} ms")
                if amount > leaving:
                    there.posted.appendleft((at_ms, amount - leaving))
                leaving -= amount

    # ── after each round of a sidecar ───────────────────────────────────────────────────────────────────────────────

    def after_round(self, host: Host, leases: dict[LeaseKey, LeaseRow]) -> None:
        """Compares windows in memory with the disk, and what is used of them with what is there."""
        seen, process = host.folder.seen, host.process
        if seen.wrong:
            self._fail(f"{host.name}: {seen.wrong}")
        if process is None:
            return
        accounts = process.engine._accounts
        for held_key, held in seen.held.items():
            if held and MARK in held_key[1] and accounts.rights(held_key) is None:
                self._fail(f"I-1: {host.name} has no {held_key[1]!r}, open holds count {held} against it")
        for account in accounts.by_id.values():
            for name, window in account.windows.items():
                held = seen.held.get((account.account_id, name), 0)
                if window.held != held:
                    self._fail(f"I-1: {host.name}: {name!r} holds {window.held}, its open holds {held}")
                if window.leased:
                    key = (host.folder.sidecar_id, seen.birth_epoch, account.account_id, name)
                    self._check_rights(host, key, leases.get(key))
        self._check_slots()

    def died_in_round(self, host: Host, leases: dict[LeaseKey, LeaseRow]) -> None:
        """Compares what the last round of a process left on the disk, while it can be told whether it was cut off."""
        seen = host.folder.seen
        for (account_id, name), totals in seen.pools.items():
            if totals.is_window and totals.leased:
                key = (host.folder.sidecar_id, seen.birth_epoch, account_id, name)
                self._check_rights(host, key, leases.get(key))

    def _check_rights(self, host: Host, key: LeaseKey, lease: LeaseRow | None) -> None:
        """No more of a window is used than is here, and none is here that the ledger does not count as out."""
        name, seen = key[3], host.folder.seen
        totals = seen.pools.get(key[2:])
        if totals is None or _rule_of(name) in self._rules.lenient:
            return
        if not self._excused:
            unheard = lease.reclaimed_total - totals.reclaimed_total if lease else 0
            out = max(0, lease.outstanding + max(0, unheard)) if lease else 0
            # One that was forgotten, and is told of again before the ledger has these, is here as if they were not.
            out += self._record.forgotten[host.folder.line, name]
            if totals.rights > out:
                self._fail(f"rights doubled: {key} has {totals}, the ledger {lease}")
        owed = max(0, seen.held.get(key[2:], 0) - totals.rights)
        place, beyond = (host.folder.line, name), self._record.beyond[host.folder.line, name]
        now = _Owed(owed, totals.reclaimed_total, beyond)
        before = self._owed.get(place, _Owed(0, 0, 0))
        self._owed[place] = now
        more = owed - before.owed - (now.reclaimed - before.reclaimed) - (beyond - before.beyond)
        if more <= 0 or self._excused:
            return
        if not self._is_lenient(host):
            self._fail(f"{host.name} passes its rights of {name!r} by {more}: {totals}, before {before}")
        self._let_on[name] += more

    def _is_lenient(self, host: Host) -> bool:
        """Whether some pool lets work go on while the host is cut off, as it is."""
        assert host.process is not None
        engine = host.process.engine
        return any(
            pool.partition_mode != FAIL_CLOSED and engine._decisions.mode(pool.partition_after_ms) is Mode.PARTITIONED
            for pool in engine._accounts.pools()
        )

    def _check_slots(self) -> None:
        """Of a shared concurrency limit no more holds are open over all hosts than it allows."""
        if self._excused or any(host.rebooted for host in self._hosts):
            return
        counts: dict[str, int] = defaultdict(int)
        for host in self._hosts:
            now_ns = host.clock.now_ns()
            for hold in host.folder.seen.holds.values():
                for name in hold.slots if hold.deadline_ns > now_ns else ():
                    counts[name] += 1
        for name, count in counts.items():
            limit = self._rules.slots.get(_rule_of(name))
            if limit is None or not limit.shared or limit.rule_id in self._rules.lenient | self._rules.unshared:
                continue
            if count > self._most[name] + self._let_on[name]:
                self._fail(f"{count} holds of {name!r} are open, of {self._most[name]}")

    # ── at the end ──────────────────────────────────────────────────────────────────────────────────────────────────

    def difference(self, window: Window, lease: LeaseRow) -> str:
        """Returns in what a window at rest differs from its lease; empty: in nothing.

        What is posted beyond its rights the ledger grants after the fact, and tells when it is asked next.
        """
        name = window.pool_id
        if not self.is_there(name):
            # What is given back of it, before the host has heard that the rule is gone, nobody wants.
            return ""
        if not window.granted_total and not lease.outstanding:
            # One that was forgotten and came back hears of its totals when it asks: neither side has any rights out.
            return ""
        if lease.posted_total != window.consumed_total:
            return f"consumed {window.consumed_total} of {name!r}: {lease}"
        mine = (window.reclaimed_total, window.returned_total - self._untaken(window, lease))
        left = window.granted_total - sum(mine) - window.consumed_total
        if mine != (lease.reclaimed_total, lease.returned_total) or max(0, left) != lease.outstanding:
            return f"has {left} of {name!r}: {window}, {lease}"
        return ""

    def _untaken(self, window: Window, lease: LeaseRow) -> int:
        """What was given back while the rule was gone: nobody took it, and it is told again when somebody asks."""
        reported = window.demand.reported_returned if window.demand is not None else lease.returned_total
        was_gone = _rule_of(window.pool_id) in self._rules.deleted
        return window.returned_total - lease.returned_total if was_gone and reported == lease.returned_total else 0

    def may_be_leased(self, window: Window) -> bool:
        """Whether a host may rightly believe that it has a lease of a window.

        A rule that is gone, or not shared any more, takes its leases with it; hosts hear of it when they use the rule.
        """
        return window.granted_total > 0 and self.is_there(window.pool_id)

    def is_there(self, name: str) -> bool:
        """Whether the rule of a window is there, and shared."""
        rule = next((rule for rule in self._rules.all if rule.rule_id == _rule_of(name)), None)
        return isinstance(rule, BudgetPlan) or (rule is not None and rule.shared)

    def counted(self, posted: Iterable[tuple[str, int, str, int]]) -> None:
        """Each window has counted each posted debit that names it, once.

        Args:
            posted: Of each posted debit the sidecar, the sequence, the operation and the amount.
        """
        expected: dict[str, int] = defaultdict(int)
        for sidecar_id, sequence, operation_id, amount in posted:
            made = self._record.by_sequence.get((sidecar_id, sequence), [])
            row = next((row for row in made if (row.operation_id, row.amount) == (operation_id, amount)), None)
            for name in row.windows if row else ():
                expected[name] += amount
        metered = self._metered()
        rows = self._database.connection.execute(_COUNTED).fetchall()
        for name, left, spent, corrected in rows:
            total, rule_id = spent + left + corrected, _rule_of(name)
            named = expected[name] + metered[name]
            if total != named and not (rule_id in self._rules.deleted and total < named):
                self._fail(f"{name!r} counted {total}, the debits that name it are {named}")
            if corrected > self._corrected(name):
                self._fail(f"{name!r} got {corrected} back, corrected was {self._corrected(name)}")
        there = {name for name, *_ in rows}
        for name, amount in expected.items():
            if name not in there and amount and _rule_of(name) not in self._rules.deleted:
                self._fail(f"{name!r} is not there, the debits that name it are {amount}")

    def _metered(self) -> Counter[str]:
        """Returns what the ledger charged for events, by the windows that it counts against; none stands in its way."""
        found: Counter[str] = Counter()
        for windows, amount in self._database.connection.execute(_METERED):
            found.update(dict.fromkeys(json.loads(windows), amount))
        return found

    def _corrected(self, name: str) -> int:
        """Returns what was corrected of the debits that name a window."""
        given_back = self._database.connection.execute(_GIVEN_BACK)
        total = sum(int(amount) for windows, amount in given_back if name in json.loads(windows))
        for sidecar_id, sequence, operation_id, amount, corrected in self._database.connection.execute(_CORRECTED):
            made = self._record.by_sequence.get((sidecar_id, sequence), [])
            named = (row.windows for row in made if (row.operation_id, row.amount) == (operation_id, amount))
            total += corrected if name in next(named, ()) else 0
        return total

    def limits(self, now_ms: int, changed: str = "") -> None:
        """Windows whose period goes on, or the one that was changed, have the limits that their budgets say."""
        for name, granted, limit in self._database.connection.execute(_LIMITS, (now_ms,)):
            if granted != limit and changed in ("", name):
                self._fail(f"the limit of {name!r} is {granted}, its budget says {limit}")


def _rule_of(name: str) -> str:
    return name.partition(MARK)[0]
