"""Extend: more of an amount or of time for an open hold, or a part of it given back."""

from dataclasses import dataclass, replace
from typing import final

from holdfast_rating import streams

from holdfast_sidecar.engine.accounts import Account
from holdfast_sidecar.engine.amounts import ms_until
from holdfast_sidecar.engine.deciding import Wait
from holdfast_sidecar.engine.describing import parent_level, pool_level
from holdfast_sidecar.engine.governing import Blocked, Passage
from holdfast_sidecar.engine.levels import Level, Notes
from holdfast_sidecar.engine.operations import Extend, Fault, Result
from holdfast_sidecar.engine.partition import COVERED, Unleased
from holdfast_sidecar.engine.rating import Rating
from holdfast_sidecar.engine.refusals import hold_not_found
from holdfast_sidecar.engine.rights import available, posted
from holdfast_sidecar.engine.state import Hold, Kind
from holdfast_sidecar.engine.verdicts import UNRECORDED, Reason
from holdfast_sidecar.engine.waterfall import decide, inside


@final
@dataclass(frozen=True, slots=True)
class _Added:
    """What an Extend comes to."""

    amount: int
    reason: Reason = Reason.OK
    unleased: Unleased = COVERED
    level: Level | None = None
    shadow: tuple[Level, ...] = ()
    retry_ms: int | None = None
    returned_amount: int = 0


class Extending(Rating):
    """Decides on more for open holds."""

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
        found = self._carry_out_extend(account, hold, op)
        return self._answer_extend(account, hold, op, found) if type(found) is _Added else found

    def _carry_out_extend(self, account: Account, hold: Hold, op: Extend) -> _Added | Fault | Wait:
        if op.add_amount:
            return self._add(account, hold, op.add_amount, op.min_add_amount or op.add_amount, op.ttl_ms)
        if op.return_amount:
            return self._give_back(hold, op.return_amount, op.ttl_ms)
        if op.passed_quantities:
            return self._bring(account, hold, op)
        if op.quantities:
            at_unix_ms = self._opened_at_unix_ms(hold)
            amount = self._rate(account, hold.pool, hold.dimensions, op.quantities, at_unix_ms)
            if not isinstance(amount, int):
                return amount
            if not amount:
                return self._give_back(hold, 0, op.ttl_ms)
            return self._add(account, hold, amount, min(op.min_add_amount, amount) or amount, op.ttl_ms)
        return self._prolong(hold, op.ttl_ms)

    def _bring(self, account: Account, hold: Hold, op: Extend) -> _Added | Fault | Wait:
        """Brings a hold to what its work is expected to come to; denied is only what the work cannot go on without."""
        step = self._step(account, hold, op.passed_quantities)
        if isinstance(step, Fault | Wait):
            return step
        surplus = 0
        if isinstance(step, streams.Extend):
            found = self._add(account, hold, step.add_amount, max(step.min_add_amount, 1), op.ttl_ms)
            if isinstance(found, Wait):
                return found
            if found.amount or step.min_add_amount > 0:
                self._rated.told(hold, op.passed_quantities)
                return found
        elif step is not None:
            surplus = hold.amount + hold.settled_amount - step.amount
        self._rated.told(hold, op.passed_quantities)
        return self._give_back(hold, surplus, op.ttl_ms)

    def _add(self, account: Account, hold: Hold, amount: int, least: int, ttl_ms: int) -> _Added | Wait:
        """More of the hold around it or of the pool, within the limits that the hold counts against."""
        if hold.inner and hold.parent is None:
            # What was around it is closed: there is nothing left to take from.
            reason = Reason.PARENT_EXHAUSTED
            return _Added(0, reason, level=replace(parent_level(hold, reason), left_amount=0))
        passage = None
        if account.rules_version or hold.budgets:
            found = self._extend_budgets(hold, account, amount, least, hold.parent)
            if isinstance(found, Wait):
                return found
            if isinstance(found, Blocked):
                return _Added(0, found.reason, level=found.level, retry_ms=found.retry_ms)
            passage, amount = found, found.amount
        if hold.parent is not None:
            return self._add_inside(hold, hold.parent, amount, least, ttl_ms, passage)
        return self._add_of_pool(hold, amount, least, ttl_ms, passage)

    def _add_of_pool(self, hold: Hold, amount: int, least: int, ttl_ms: int, passage: Passage | None) -> _Added | Wait:
        pool = hold.pool
        shadow = passage.shadow if passage is not None else ()
        added, reason = decide(pool, amount, least, self._lease_valid())
        unleased = COVERED
        if reason is not Reason.OK:
            if self._ledger_may_help(pool, reason):
                return Wait((pool.account_id, pool.pool_id), amount)
            added, unleased = self._go_on(pool, amount, least, added, reason)
            if not added:
                reason = self._final_reason(pool, reason)
                return _Added(0, reason, level=pool_level(pool, reason), shadow=shadow)
        self._grow(hold, added, unleased, ttl_ms, passage)
        self._refill(pool)
        return _Added(added, unleased=unleased, shadow=shadow)

    def _add_inside(
        self, hold: Hold, parent: Hold, amount: int, least: int, ttl_ms: int, passage: Passage | None
    ) -> _Added:
        """Of the hold around it, which has the amount already."""
        shadow = passage.shadow if passage is not None else ()
        added, reason = inside(parent, amount, least)
        if not added:
            return _Added(0, reason, level=parent_level(parent, reason), shadow=shadow)
        unleased = self._changes.shrink_hold(parent, added)
        self._grow(hold, added, unleased, ttl_ms, passage)
        return _Added(added, unleased=unleased, shadow=shadow)

    def _grow(self, hold: Hold, added: int, unleased: Unleased, ttl_ms: int, passage: Passage | None) -> None:
        # The ledger counts on holds to end within the longest time to live after the lease: past it no hold gets more
        # time, whatever more it gets of the amount.
        self._changes.extend_hold(hold, added, unleased, ttl_ms if self._lease_valid() else 0, self._now_ns)
        if passage is not None:
            self._enter_extension(passage, added)

    def _prolong(self, hold: Hold, ttl_ms: int) -> _Added | Wait:
        """More time alone: it needs the lease, and nothing of the pool."""
        pool = hold.pool
        if self._lease_valid():
            self._changes.extend_hold(hold, 0, COVERED, ttl_ms, self._now_ns)
            return _Added(0)
        if self._ledger_may_help(pool, Reason.PARTITIONED):
            return Wait((pool.account_id, pool.pool_id), 0)
        reason = self._final_reason(pool, Reason.PARTITIONED)
        return _Added(0, reason, level=pool_level(pool, reason))

    def _give_back(self, hold: Hold, amount: int, ttl_ms: int) -> _Added:
        """Gives up to `amount` back, to the hold around it or to the pool."""
        amount = min(amount, hold.amount)
        if amount and hold.parent is not None:
            self._changes.move(hold, hold.parent, amount)
        elif amount:
            self._changes.shrink_hold(hold, amount)
        if ttl_ms and self._lease_valid():
            self._changes.extend_hold(hold, 0, COVERED, ttl_ms, self._now_ns)
        return _Added(0, returned_amount=amount)

    def _answer_extend(self, account: Account, hold: Hold, op: Extend, found: _Added) -> bytes:
        pool, reason, level = hold.pool, found.reason, found.level
        self._count(reason, found.unleased)
        notes = None
        if level is not None or found.shadow or found.returned_amount:
            notes = Notes(level, found.shadow, returned_amount=found.returned_amount)
        answer = self._answers.extend(
            reason,
            level.name if level is not None else "",
            found.amount,
            hold.amount,
            posted(pool),
            pool.held,
            available(pool),
            self._retry_ms(reason) if found.retry_ms is None else found.retry_ms,
            self._mode,
            ms_until(hold.deadline_ns, self._now_ns),
            self._retention_ms,
            sum(found.unleased),
            notes,
        )
        if reason not in UNRECORDED:
            self._record(account, op.operation_id, pool.pool_id, Kind.EXTEND, op.fingerprint, answer, self._denied)
        return answer
