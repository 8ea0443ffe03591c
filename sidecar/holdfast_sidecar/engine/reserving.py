"""Check, Reserve and Extend: may this amount be held?"""

from holdfast_sidecar.engine.accounts import Account
from holdfast_sidecar.engine.amounts import NS_PER_MS, ms_until
from holdfast_sidecar.engine.deciding import Wait
from holdfast_sidecar.engine.describing import parent_level, pool_level
from holdfast_sidecar.engine.governing import Blocked, Governing, Passage
from holdfast_sidecar.engine.levels import Level, Notes
from holdfast_sidecar.engine.operations import Check, Extend, Fault, FaultCode, Reserve, Result
from holdfast_sidecar.engine.partition import COVERED, Unleased
from holdfast_sidecar.engine.refusals import hold_not_found, reused_id
from holdfast_sidecar.engine.rights import available, posted, rights_left
from holdfast_sidecar.engine.state import Hold, Kind, Pool
from holdfast_sidecar.engine.verdicts import UNRECORDED, Mode, Reason
from holdfast_sidecar.engine.waterfall import decide


class Reserving(Governing):
    """Decides on holds."""

    def _check(self, op: Check) -> Result | Wait:
        account = self._accounts.by_id.get(op.account_id)
        pool = account.pools.get(op.pool_id) if account is not None else None
        if account is None or pool is None:
            return self._check_unseen(op)
        fault = self._unfit(pool, op.currency)
        if fault is not None:
            return fault
        asked = op.amount or 1
        least = op.min_amount or asked
        parent = self._parent(account, pool, op.parent_hold_id)
        if isinstance(parent, Fault):
            return parent
        self._peeking = True
        passage = self._passage(account, pool, op, asked, least, parent)
        self._peeking = False
        if isinstance(passage, Wait | Fault):
            return passage
        if isinstance(passage, Blocked):
            return self._answer_check(account, pool, op, 0, passage.reason, passage.level, None, passage.retry_ms)
        if parent is not None:
            granted, reason = _inside(parent, passage.amount, least)
        else:
            found = self._check_pool(pool, passage.amount, least)
            if isinstance(found, Wait):
                return found
            granted, reason = found
        level = None
        if granted:
            granted, reason = granted if op.amount else 0, Reason.OK
        else:
            connected = self.mode(pool.partition_after_ms) is Mode.CONNECTED
            if reason is not Reason.PARENT_EXHAUSTED and not (reason is Reason.INSUFFICIENT_BALANCE and connected):
                reason = self._final_reason(pool, reason)
            level = parent_level(parent, reason) if parent is not None else pool_level(pool, reason)
        return self._answer_check(account, pool, op, granted, reason, level, passage, self._retry_ms(reason))

    def _check_pool(self, pool: Pool, asked: int, least: int) -> tuple[int, Reason] | Wait:
        granted, reason = decide(pool, asked, least, self._lease_valid())
        if reason is not Reason.OK and (pool.shadow or self.mode(pool.partition_after_ms) is Mode.PARTITIONED):
            granted, _ = self._go_on(pool, asked, least, granted, reason)
        elif reason is Reason.INSUFFICIENT_BALANCE:
            # Reserve would ask the ledger for what is missing; its last word says what that would bring.
            free = self._leases.demand((pool.account_id, pool.pool_id)).pool_free
            if free is None and self._ledger_may_help(pool, reason):
                return Wait((pool.account_id, pool.pool_id), 0)
            reachable = rights_left(pool) + max(free or 0, 0)
            granted = min(asked, reachable) if reachable >= least else 0
        return granted, reason

    def _reserve(self, op: Reserve) -> Result | Wait:
        account = self._accounts.by_id.get(op.account_id)
        if account is None:
            return self._reserve_unseen(op)
        outcome = account.outcomes.get(op.operation_id)
        if outcome is not None:
            return self._repeat(outcome, Kind.RESERVE, op.fingerprint)
        pool = account.pools.get(op.pool_id)
        if pool is None:
            return self._reserve_unseen(op)
        fault = self._unfit(pool, op.currency) or self._no_room(account, op.operation_id)
        if fault is not None:
            return fault
        parent = self._parent(account, pool, op.parent_hold_id) if op.parent_hold_id else None
        if isinstance(parent, Fault):
            return parent
        least = op.min_amount or op.amount
        passage = self._passage(account, pool, op, op.amount, least, parent)
        if type(passage) is not Passage:
            if isinstance(passage, Blocked):
                return self._deny_reserve(account, pool, op, passage.reason, passage.level, (), passage.retry_ms)
            return passage
        if parent is not None:
            return self._reserve_inside(account, parent, op, least, passage)
        granted, reason = decide(pool, passage.amount, least, self._lease_valid())
        unleased = COVERED
        if reason is not Reason.OK:
            if self._ledger_may_help(pool, reason) and not pool.shadow:
                return Wait((op.account_id, op.pool_id), passage.amount)
            granted, unleased = self._go_on(pool, passage.amount, least, granted, reason)
            if not granted:
                reason = self._final_reason(pool, reason)
                return self._deny_reserve(account, pool, op, reason, pool_level(pool, reason), passage.shadow)
            if pool.shadow and unleased is not COVERED:
                passage.shadow += (pool_level(pool, self._final_reason(pool, reason)),)
        return self._open(account, pool, op, granted, unleased, passage, None)

    def _reserve_inside(self, account: Account, parent: Hold, op: Reserve, least: int, passage: Passage) -> Result:
        """Opens a hold inside another one, which has the amount already: neither pool nor ledger is asked."""
        granted, reason = _inside(parent, passage.amount, least)
        if not granted:
            level = parent_level(parent, reason)
            return self._deny_reserve(account, parent.pool, op, reason, level, passage.shadow)
        unleased = self._changes.shrink_hold(parent, granted)
        return self._open(account, parent.pool, op, granted, unleased, passage, parent)

    def _open(
        self,
        account: Account,
        pool: Pool,
        op: Reserve,
        granted: int,
        unleased: Unleased,
        passage: Passage,
        parent: Hold | None,
    ) -> bytes:
        ttl_ms = op.ttl_ms or self._settings.default_hold_ttl_ms
        deadline_ns = self._now_ns + ttl_ms * NS_PER_MS
        hold = Hold(0, op.operation_id, pool, granted, 0, deadline_ns, ttl_ms, op.subject, op.dimensions, *unleased)
        hold.opened_at_ns = self._now_ns
        hold.budgets, hold.slots, hold.parent = passage.budgets, passage.slots, parent
        self._changes.open_hold(account, pool, hold)
        if passage.rates or passage.budgets:
            self._enter(passage, granted, op.quantities)
        self._refill(pool)
        self._tally.allowed(self._mode, unleased)
        known = posted(pool)
        answer = self._answers.reserve(
            Reason.OK,
            "",
            granted,
            known,
            pool.held,
            known - pool.held + pool.overdraft_limit,
            0,
            self._mode,
            ttl_ms,
            self._retention_ms,
            sum(unleased),
            self._notes(passage),
        )
        self._record(account, op.operation_id, pool.pool_id, Kind.RESERVE, op.fingerprint, answer, denied=False)
        return answer

    def _extend(self, op: Extend) -> Result | Wait:
        account = self._accounts.by_id.get(op.account_id)
        if account is None:
            return hold_not_found(op.hold_id)
        outcome = account.outcomes.get(op.operation_id)
        if outcome is not None:
            return self._repeat(outcome, Kind.EXTEND, op.fingerprint)
        hold = account.holds.get(op.hold_id)
        if hold is None:
            return self._closed(account, op.hold_id)
        fault = self._unfit(hold.pool, "")
        if fault is not None:
            return fault
        if op.return_amount:
            return self._shrink(account, hold, op)
        if not op.add_amount:
            return self._prolong(account, hold, op)
        least = op.min_add_amount or op.add_amount
        if hold.parent is not None:
            return self._extend_inside(account, hold, hold.parent, op, least)
        return self._extend_of_pool(account, hold, op, least)

    def _extend_of_pool(self, account: Account, hold: Hold, op: Extend, least: int) -> Result | Wait:
        pool, amount, passage = hold.pool, op.add_amount, None
        if account.rules_version or hold.budgets:
            found = self._extend_budgets(hold, account, amount, least)
            if isinstance(found, Wait):
                return found
            if isinstance(found, Blocked):
                return self._answer_extend(
                    account, hold, op, 0, found.reason, COVERED, found.level, None, found.retry_ms
                )
            passage, amount = found, found.amount
        added, reason = decide(pool, amount, least, self._lease_valid())
        unleased, level = COVERED, None
        if reason is not Reason.OK:
            if self._ledger_may_help(pool, reason) and not pool.shadow:
                return Wait((pool.account_id, pool.pool_id), amount)
            added, unleased = self._go_on(pool, amount, least, added, reason)
            reason = Reason.OK if added else self._final_reason(pool, reason)
            level = None if added else pool_level(pool, reason)
        if reason is Reason.OK:
            # The ledger counts on holds to end within the longest time to live after the lease: past it no hold gets
            # more time, whatever more it gets of the amount.
            self._changes.extend_hold(hold, added, unleased, op.ttl_ms if self._lease_valid() else 0, self._now_ns)
            if passage is not None:
                self._enter_extension(passage, added)
            self._refill(pool)
        return self._answer_extend(account, hold, op, added, reason, unleased, level, passage)

    def _extend_inside(self, account: Account, hold: Hold, parent: Hold, op: Extend, least: int) -> Result | Wait:
        """More for a hold inside another one, which has the amount already."""
        amount, passage = op.add_amount, None
        if account.rules_version or hold.budgets:
            found = self._extend_budgets(hold, account, amount, least, parent)
            if isinstance(found, Wait):
                return found
            if isinstance(found, Blocked):
                return self._answer_extend(
                    account, hold, op, 0, found.reason, COVERED, found.level, None, found.retry_ms
                )
            passage, amount = found, found.amount
        added, reason = _inside(parent, amount, least)
        if not added:
            return self._answer_extend(account, hold, op, 0, reason, COVERED, parent_level(parent, reason), passage)
        unleased = self._changes.shrink_hold(parent, added)
        self._changes.extend_hold(hold, added, unleased, op.ttl_ms if self._lease_valid() else 0, self._now_ns)
        if passage is not None:
            self._enter_extension(passage, added)
        return self._answer_extend(account, hold, op, added, Reason.OK, unleased, None, passage)

    def _prolong(self, account: Account, hold: Hold, op: Extend) -> Result | Wait:
        """More time alone: it needs the lease, and nothing of the pool."""
        reason = Reason.OK if self._lease_valid() else Reason.PARTITIONED
        if reason is not Reason.OK:
            if self._ledger_may_help(hold.pool, reason):
                return Wait((hold.pool.account_id, hold.pool.pool_id), 0)
            reason = self._final_reason(hold.pool, reason)
        else:
            self._changes.extend_hold(hold, 0, COVERED, op.ttl_ms, self._now_ns)
        level = None if reason is Reason.OK else pool_level(hold.pool, reason)
        return self._answer_extend(account, hold, op, 0, reason, COVERED, level, None)

    def _shrink(self, account: Account, hold: Hold, op: Extend) -> Result:
        """Gives a part back, to the hold around it or to the pool."""
        amount = min(op.return_amount, hold.amount)
        if hold.parent is not None:
            self._changes.move(hold, hold.parent, amount)
        else:
            self._changes.shrink_hold(hold, amount)
        if op.ttl_ms and self._lease_valid():
            self._changes.extend_hold(hold, 0, COVERED, op.ttl_ms, self._now_ns)
        return self._answer_extend(account, hold, op, 0, Reason.OK, COVERED, None, None, returned=amount)

    def _answer_extend(
        self,
        account: Account,
        hold: Hold,
        op: Extend,
        added: int,
        reason: Reason,
        unleased: Unleased,
        level: Level | None,
        passage: Passage | None,
        retry_ms: int | None = None,
        returned: int = 0,
    ) -> bytes:
        pool = hold.pool
        self._count(reason, unleased)
        shadow = passage.shadow if passage is not None else ()
        notes = None
        if level is not None or shadow or returned:
            notes = Notes(denied_by=level, shadow_denials=shadow, returned_amount=returned)
        answer = self._answers.extend(
            reason,
            level.name if level is not None else "",
            added,
            hold.amount,
            posted(pool),
            pool.held,
            available(pool),
            self._retry_ms(reason) if retry_ms is None else retry_ms,
            self._mode,
            ms_until(hold.deadline_ns, self._now_ns),
            self._retention_ms,
            sum(unleased),
            notes,
        )
        if reason not in UNRECORDED:
            self._record(account, op.operation_id, pool.pool_id, Kind.EXTEND, op.fingerprint, answer, self._denied)
        return answer

    def _parent(self, account: Account, pool: Pool, hold_id: str) -> Hold | Fault | None:
        """Returns the hold inside which another one is to be opened; None without one."""
        if not hold_id:
            return None
        parent = account.holds.get(hold_id)
        if parent is None:
            return self._closed(account, hold_id)
        if parent.pool is not pool:
            return Fault(
                FaultCode.INVALID_ARGUMENT,
                "PARENT_OF_ANOTHER_POOL",
                f"the hold around it is of pool {parent.pool.pool_id}",
                (("field", "parent_hold_id"),),
            )
        return parent

    def _no_room(self, account: Account, hold_id: str) -> Fault | None:
        if hold_id in account.holds:
            return reused_id("an open hold has this id; its recorded answer is past the retention")
        if self._accounts.hold_count >= self._settings.hold_limit:
            return Fault(
                FaultCode.RESOURCE_EXHAUSTED,
                "HOLD_LIMIT",
                "too many open holds on this host; settle or release some, or raise hold_limit",
            )
        return self._store_full()

    def _answer_check(
        self,
        account: Account,
        pool: Pool,
        op: Check,
        granted: int,
        reason: Reason,
        level: Level | None,
        passage: Passage | None,
        retry_ms: int,
    ) -> bytes:
        self._count(reason)
        shadow = passage.shadow if passage is not None else ()
        notes = None
        if level is not None or shadow or op.explain or op.required is not None:
            steps = self._steps(account, pool, op, reason) if op.explain else ()
            value = passage.feature_value if passage is not None else None
            notes = Notes(denied_by=level, shadow_denials=shadow, steps=steps, feature_value=value)
        return self._answers.check(
            reason,
            level.name if level is not None else "",
            granted,
            posted(pool),
            pool.held,
            available(pool),
            retry_ms,
            self._mode,
            notes,
        )

    def _deny_reserve(
        self,
        account: Account | None,
        pool: Pool | None,
        op: Reserve,
        reason: Reason,
        level: Level | None = None,
        shadow: tuple[Level, ...] = (),
        retry_ms: int | None = None,
    ) -> bytes:
        self._count(reason)
        answer = self._answers.reserve(
            reason,
            level.name if level is not None else "",
            0,
            posted(pool) if pool is not None else 0,
            pool.held if pool is not None else 0,
            available(pool) if pool is not None else 0,
            self._retry_ms(reason) if retry_ms is None else retry_ms,
            self._mode,
            0,
            self._retention_ms,
            0,
            Notes(denied_by=level, shadow_denials=shadow) if level is not None or shadow else None,
        )
        if account is not None and reason not in UNRECORDED:
            self._record(account, op.operation_id, op.pool_id, Kind.RESERVE, op.fingerprint, answer, denied=True)
        return answer

    def _check_unseen(self, op: Check) -> Result | Wait:
        unseen = self._unseen(op.account_id, op.pool_id, 0)
        if not isinstance(unseen, Reason):
            return unseen
        self._count(unseen)
        return self._answers.check(unseen, "", 0, 0, 0, 0, self._retry_ms(unseen), self._mode)

    def _reserve_unseen(self, op: Reserve) -> Result | Wait:
        unseen = self._unseen(op.account_id, op.pool_id, op.amount)
        return self._deny_reserve(None, None, op, unseen) if isinstance(unseen, Reason) else unseen


def _inside(parent: Hold, amount: int, least: int) -> tuple[int, Reason]:
    """Returns what a hold can give to one inside it, 0 or least..amount, and why not all of it."""
    if parent.amount >= amount:
        return amount, Reason.OK
    return (parent.amount if parent.amount >= least else 0), Reason.PARENT_EXHAUSTED
