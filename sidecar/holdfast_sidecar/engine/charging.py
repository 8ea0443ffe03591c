"""Charge: a debit without a hold, decided like a Reserve of that amount.

What was used already is decided alike, but never denied: where a Charge would be, it is debited whole and flagged late,
as a settle whose hold is gone. No limit stands in its way, and only budgets count it: a rate says how much happens now.
"""

from holdfast_sidecar.engine.accounts import Account
from holdfast_sidecar.engine.amounts import INT64_MAX
from holdfast_sidecar.engine.deciding import Wait
from holdfast_sidecar.engine.describing import pool_level
from holdfast_sidecar.engine.governing import Blocked, Passage
from holdfast_sidecar.engine.levels import Level, Notes
from holdfast_sidecar.engine.operations import Charge, Fault, FaultCode, Report, Result
from holdfast_sidecar.engine.partition import COVERED, Unleased
from holdfast_sidecar.engine.rating import Rating
from holdfast_sidecar.engine.refusals import overflow
from holdfast_sidecar.engine.rights import available, posted
from holdfast_sidecar.engine.state import Counter, Kind, Pool, metered_counter
from holdfast_sidecar.engine.verdicts import UNRECORDED, Reason
from holdfast_sidecar.engine.waterfall import decide


class Charging(Rating):
    """Decides on charges."""

    def _charge(self, op: Charge) -> Result | Wait:
        account = self._accounts.by_id.get(op.account_id)
        if account is None:
            return self._charge_unseen(op)
        outcome = account.outcomes.get(op.operation_id)
        if outcome is not None:
            return self._repeat(outcome, _kind(op), op.fingerprint)
        pool = account.pools.get(op.pool_id)
        if pool is None:
            return self._charge_unseen(op)
        fault = self._unfit(pool, op.currency) or self._store_full()
        if fault is not None:
            return fault
        counter = self._counter(account, op) if op.counter_id else None
        if isinstance(counter, Fault):
            return counter
        amount = self._amount(account, pool, op, counter)
        if not isinstance(amount, int):
            return amount
        if pool.consumed_total + amount > INT64_MAX:
            return overflow()
        if op.already_used:
            passage: Passage | Blocked | Wait | Fault = self._way_of_used(account, pool, op, amount)
        else:
            passage = self._passage(account, pool, op, amount, amount)
        if isinstance(passage, Wait | Fault):
            return passage
        if isinstance(passage, Blocked):
            return self._deny_charge(account, pool, op, counter, passage.reason, passage.level, (), passage.retry_ms)
        reason, unleased = Reason.OK, COVERED
        if amount:
            _, reason = decide(pool, amount, amount, self._lease_valid())
        if reason is not Reason.OK:
            if self._ledger_may_help(pool, reason):
                return Wait((op.account_id, op.pool_id), amount)
            granted, unleased = self._go_on(pool, amount, amount, 0, reason)
            if not granted and op.already_used:
                return self._carry_out_charge(account, pool, op, counter, amount, COVERED, passage, late=True)
            final = self._final_reason(pool, reason)
            if not granted:
                return self._deny_charge(account, pool, op, counter, final, pool_level(pool, final), passage.shadow)
            if pool.shadow and unleased is not COVERED:
                passage.shadow += (pool_level(pool, final),)
        return self._carry_out_charge(account, pool, op, counter, amount, unleased, passage)

    def _amount(self, account: Account, pool: Pool, op: Charge, counter: Counter | None) -> int | Fault | Wait:
        """Returns what it comes to: a delta, what a counter rises by, or what quantities cost."""
        count = op.delta if counter is None else op.total - counter.total
        if isinstance(op, Report):
            op.quantity = count
            if op.meter_id:
                op.quantities = ((op.meter_id, count),)
        if not op.quantities:
            return count
        return self._rate(account, pool, op.dimensions, op.quantities, self._now_unix_ms)

    def _carry_out_charge(
        self,
        account: Account,
        pool: Pool,
        op: Charge,
        counter: Counter | None,
        amount: int,
        unleased: Unleased,
        passage: Passage,
        *,
        late: bool = False,
    ) -> bytes:
        if counter is not None:
            self._changes.set_counter(account, counter, op.total)
        if amount:
            windows = passage.budgets
            names = tuple([window.pool_id for window in windows])
            debit = self._debit_of(pool, amount, op.operation_id, "", op.subject, op.dimensions, unleased, names)
            debit.quantities = op.quantities
            debit.late = late
            self._changes.debit(pool, debit, windows)
        if late:
            self._tally.late_charge_count += 1
            self._tally.late_charge_amount += amount
        self._enter(passage, amount, op.quantities)
        self._refill(pool)
        self._count(Reason.OK, unleased)
        return self._answer_charge(
            account, pool, op, counter, amount, Reason.OK, unleased, 0, None, self._notes(passage), late=late
        )

    def _deny_charge(
        self,
        account: Account,
        pool: Pool,
        op: Charge,
        counter: Counter | None,
        reason: Reason,
        level: Level | None,
        shadow: tuple[Level, ...],
        retry_ms: int | None = None,
    ) -> bytes:
        self._count(reason)
        retry_ms = self._retry_ms(reason) if retry_ms is None else retry_ms
        notes = Notes(denied_by=level, shadow_denials=shadow) if level is not None or shadow else None
        return self._answer_charge(account, pool, op, counter, 0, reason, COVERED, retry_ms, level, notes)

    def _answer_charge(
        self,
        account: Account,
        pool: Pool,
        op: Charge,
        counter: Counter | None,
        debited: int,
        reason: Reason,
        unleased: Unleased,
        retry_ms: int,
        level: Level | None,
        notes: Notes | None,
        *,
        late: bool = False,
    ) -> bytes:
        answer = self._answers.charge(
            reason,
            level.name if level is not None else "",
            debited,
            posted(pool),
            pool.held,
            available(pool),
            retry_ms,
            self._mode,
            counter.total if counter is not None else 0,
            self._retention_ms,
            sum(unleased),
            notes,
        )
        if isinstance(op, Report):
            answer = self._answers.report(answer, op.quantity if reason is Reason.OK else 0, late)
        if reason not in UNRECORDED and op.is_recorded:
            self._record(account, op.operation_id, pool.pool_id, _kind(op), op.fingerprint, answer, self._denied)
        return answer

    def _counter(self, account: Account, op: Charge) -> Counter | Fault:
        counter_id = metered_counter(op.meter_id, op.counter_id) if isinstance(op, Report) else op.counter_id
        counter = account.counters.get((op.pool_id, counter_id))
        if counter is None:
            if self._accounts.counter_count >= self._settings.counter_limit:
                return Fault(FaultCode.RESOURCE_EXHAUSTED, "COUNTER_LIMIT", "too many counters; raise counter_limit")
            return Counter(op.account_id, op.pool_id, counter_id, 0)
        if op.total < counter.total:
            return Fault(
                FaultCode.FAILED_PRECONDITION,
                "COUNTER_BACKWARDS",
                "the counter is already above this total",
                (("field", "set.total"), ("counter_total", str(counter.total))),
            )
        return counter

    def _charge_unseen(self, op: Charge) -> Result | Wait:
        if op.already_used:
            return self._unseen_fault(op.account_id, op.pool_id, op.delta)
        unseen = self._unseen(op.account_id, op.pool_id, 0 if isinstance(op, Report) and op.meter_id else op.delta)
        if not isinstance(unseen, Reason):
            return unseen
        self._count(unseen)
        retry_ms = self._retry_ms(unseen)
        answer = self._answers.charge(unseen, "", 0, 0, 0, 0, retry_ms, self._mode, 0, self._retention_ms, 0)
        return self._answers.report(answer, 0, False) if isinstance(op, Report) else answer


def _kind(op: Charge) -> Kind:
    return Kind.REPORT if isinstance(op, Report) else Kind.CHARGE
