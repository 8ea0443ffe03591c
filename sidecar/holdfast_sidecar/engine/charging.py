"""Charge: a debit without a hold, decided like a Reserve of that amount."""

from holdfast_sidecar.engine.accounts import Account
from holdfast_sidecar.engine.amounts import INT64_MAX
from holdfast_sidecar.engine.deciding import Deciding, Wait, level
from holdfast_sidecar.engine.operations import Charge, Fault, FaultCode, Result
from holdfast_sidecar.engine.partition import COVERED, Unleased
from holdfast_sidecar.engine.refusals import overflow
from holdfast_sidecar.engine.rights import available, posted
from holdfast_sidecar.engine.state import Counter, Kind, Pool
from holdfast_sidecar.engine.verdicts import UNRECORDED, Reason
from holdfast_sidecar.engine.waterfall import decide


class Charging(Deciding):
    """Decides on charges."""

    def _charge(self, op: Charge) -> Result | Wait:
        account = self._accounts.by_id.get(op.account_id)
        if account is None:
            return self._charge_unseen(op)
        outcome = account.outcomes.get(op.operation_id)
        if outcome is not None:
            return self._repeat(outcome, Kind.CHARGE, op.fingerprint)
        pool = account.pools.get(op.pool_id)
        if pool is None:
            return self._charge_unseen(op)
        fault = self._unfit(pool, op.currency) or self._store_full()
        if fault is not None:
            return fault
        counter = None
        amount = op.delta
        if op.counter_id:
            found = self._counter(account, op)
            if isinstance(found, Fault):
                return found
            counter = found
            amount = op.total - counter.total
        if pool.consumed_total + amount > INT64_MAX:
            return overflow()
        reason, unleased = Reason.OK, COVERED
        if amount:
            _, reason = decide(pool, amount, amount, self._lease_valid())
        if reason is not Reason.OK:
            if self._ledger_may_help(pool, reason):
                return Wait((op.account_id, op.pool_id), amount)
            granted, unleased = self._go_on(pool, amount, amount, 0, reason)
            reason = Reason.OK if granted else self._final_reason(pool, reason)
        return self._carry_out_charge(account, pool, op, counter, amount, reason, unleased)

    def _carry_out_charge(
        self,
        account: Account,
        pool: Pool,
        op: Charge,
        counter: Counter | None,
        amount: int,
        reason: Reason,
        unleased: Unleased,
    ) -> bytes:
        if reason is Reason.OK:
            if counter is not None:
                self._changes.set_counter(account, counter, op.total)
            if amount:
                debit = self._debit_of(pool, amount, op.operation_id, "", op.subject, op.dimensions, unleased)
                self._changes.debit(pool, debit)
            self._refill(pool)
        self._count(reason, unleased)
        answer = self._answers.charge(
            reason,
            "" if reason is Reason.OK else level(pool.pool_id),
            amount if reason is Reason.OK else 0,
            posted(pool),
            pool.held,
            available(pool),
            self._retry_ms(reason),
            self._mode,
            counter.total if counter is not None else 0,
            self._retention_ms,
            sum(unleased),
        )
        if reason not in UNRECORDED:
            self._record(account, op.operation_id, pool.pool_id, Kind.CHARGE, op.fingerprint, answer, self._denied)
        return answer

    def _counter(self, account: Account, op: Charge) -> Counter | Fault:
        counter = account.counters.get((op.pool_id, op.counter_id))
        if counter is None:
            if self._accounts.counter_count >= self._settings.counter_limit:
                return Fault(FaultCode.RESOURCE_EXHAUSTED, "COUNTER_LIMIT", "too many counters; raise counter_limit")
            return Counter(op.account_id, op.pool_id, op.counter_id, 0)
        if op.total < counter.total:
            return Fault(
                FaultCode.FAILED_PRECONDITION,
                "COUNTER_BACKWARDS",
                "the counter is already above this total",
                (("field", "set.total"), ("counter_total", str(counter.total))),
            )
        return counter

    def _charge_unseen(self, op: Charge) -> Result | Wait:
        unseen = self._unseen(op.account_id, op.pool_id, op.delta)
        if not isinstance(unseen, Reason):
            return unseen
        self._count(unseen)
        retry_ms = self._retry_ms(unseen)
        return self._answers.charge(unseen, "", 0, 0, 0, 0, retry_ms, self._mode, 0, self._retention_ms, 0)
