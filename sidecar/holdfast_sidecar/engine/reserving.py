"""Check, Reserve and Extend: may this amount be held?"""

from holdfast_sidecar.engine.accounts import Account
from holdfast_sidecar.engine.amounts import NS_PER_MS, ms_until
from holdfast_sidecar.engine.deciding import Deciding, Wait, level
from holdfast_sidecar.engine.operations import Check, Extend, Fault, FaultCode, Reserve, Result
from holdfast_sidecar.engine.partition import COVERED
from holdfast_sidecar.engine.refusals import hold_not_found, reused_id
from holdfast_sidecar.engine.rights import available, posted, rights_left
from holdfast_sidecar.engine.state import Hold, Kind, Pool
from holdfast_sidecar.engine.verdicts import UNRECORDED, Mode, Reason
from holdfast_sidecar.engine.waterfall import decide


class Reserving(Deciding):
    """Decides on holds."""

    def _check(self, op: Check) -> Result | Wait:
        pool = self._accounts.pool((op.account_id, op.pool_id))
        if pool is None:
            return self._check_unseen(op)
        fault = self._unfit(pool, op.currency)
        if fault is not None:
            return fault
        asked = op.amount or 1
        least = op.min_amount or asked
        granted, reason = decide(pool, asked, least, self._lease_valid())
        if reason is not Reason.OK and self.mode(pool.partition_after_ms) is Mode.PARTITIONED:
            granted, _ = self._go_on(pool, asked, least, granted, reason)
        elif reason is Reason.INSUFFICIENT_BALANCE:
            # Reserve would ask the ledger for what is missing; its last word says what that would bring.
            free = self._leases.demand((op.account_id, op.pool_id)).pool_free
            if free is None and self._ledger_may_help(pool, reason):
                return Wait((op.account_id, op.pool_id), 0)
            reachable = rights_left(pool) + max(free or 0, 0)
            granted = min(asked, reachable) if reachable >= least else 0
        if granted:
            granted, reason = granted if op.amount else 0, Reason.OK
        return self._answer_check(pool, granted, reason)

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
        least = op.min_amount or op.amount
        granted, reason = decide(pool, op.amount, least, self._lease_valid())
        unleased = COVERED
        if reason is not Reason.OK:
            if self._ledger_may_help(pool, reason):
                return Wait((op.account_id, op.pool_id), op.amount)
            granted, unleased = self._go_on(pool, op.amount, least, granted, reason)
            if not granted:
                return self._deny_reserve(account, pool, op, self._final_reason(pool, reason))
        ttl_ms = op.ttl_ms or self._settings.default_hold_ttl_ms
        deadline_ns = self._now_ns + ttl_ms * NS_PER_MS
        hold = Hold(0, op.operation_id, pool, granted, 0, deadline_ns, ttl_ms, op.subject, op.dimensions, *unleased)
        hold.opened_at_ns = self._now_ns
        self._changes.open_hold(account, pool, hold)
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
        pool = hold.pool
        fault = self._unfit(pool, "")
        if fault is not None:
            return fault
        lease_valid = self._lease_valid()
        least = op.min_add_amount or op.add_amount
        if op.add_amount:
            added, reason = decide(pool, op.add_amount, least, lease_valid)
        else:
            added, reason = 0, Reason.OK if lease_valid else Reason.PARTITIONED
        unleased = COVERED
        if reason is not Reason.OK:
            if self._ledger_may_help(pool, reason):
                return Wait((pool.account_id, pool.pool_id), op.add_amount)
            if op.add_amount:
                added, unleased = self._go_on(pool, op.add_amount, least, added, reason)
            reason = Reason.OK if added else self._final_reason(pool, reason)
        if reason is Reason.OK:
            # The ledger counts on holds to end within the longest time to live after the lease: past it no hold gets
            # more time, whatever more it gets of the amount.
            self._changes.extend_hold(hold, added, unleased, op.ttl_ms if lease_valid else 0, self._now_ns)
            self._refill(pool)
        self._count(reason, unleased)
        answer = self._answers.extend(
            reason,
            "" if reason is Reason.OK else level(pool.pool_id),
            added,
            hold.amount,
            posted(pool),
            pool.held,
            available(pool),
            self._retry_ms(reason),
            self._mode,
            ms_until(hold.deadline_ns, self._now_ns),
            self._retention_ms,
            sum(unleased),
        )
        if reason not in UNRECORDED:
            self._record(account, op.operation_id, pool.pool_id, Kind.EXTEND, op.fingerprint, answer, self._denied)
        return answer

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

    def _answer_check(self, pool: Pool, granted: int, reason: Reason) -> bytes:
        connected = self.mode(pool.partition_after_ms) is Mode.CONNECTED
        if reason is not Reason.OK and not (reason is Reason.INSUFFICIENT_BALANCE and connected):
            reason = self._final_reason(pool, reason)
        self._count(reason)
        return self._answers.check(
            reason,
            "" if reason is Reason.OK else level(pool.pool_id),
            granted,
            posted(pool),
            pool.held,
            available(pool),
            self._retry_ms(reason),
            self._mode,
        )

    def _deny_reserve(self, account: Account | None, pool: Pool | None, op: Reserve, reason: Reason) -> bytes:
        self._count(reason)
        answer = self._answers.reserve(
            reason,
            level(op.pool_id) if pool is not None else "",
            0,
            posted(pool) if pool is not None else 0,
            pool.held if pool is not None else 0,
            available(pool) if pool is not None else 0,
            self._retry_ms(reason),
            self._mode,
            0,
            self._retention_ms,
            0,
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
