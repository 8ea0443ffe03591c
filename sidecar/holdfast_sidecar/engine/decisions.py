"""What each operation comes to: found, repeated, decided, carried out, recorded, answered.

Upstream: `engine.py`, which hands over calls. A handler returns the serialised answer, a `Fault`, or a `Wait` when
the ledger may have the rights that are missing here and the call may still wait; a handler that returns `Wait` or `Fault`
has changed nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from holdfast_sidecar.engine.accounts import Account, Accounts
from holdfast_sidecar.engine.amounts import INT64_MAX, NS_PER_MS, ms_until
from holdfast_sidecar.engine.answers import Answers
from holdfast_sidecar.engine.changes import Changes
from holdfast_sidecar.engine.events import Fenced, LeaseStatus
from holdfast_sidecar.engine.leases import Leases, available, posted, rights_left
from holdfast_sidecar.engine.operations import (
    Call,
    Charge,
    Check,
    Extend,
    Fault,
    FaultCode,
    GetBalance,
    Key,
    ListHolds,
    Operation,
    Release,
    Reserve,
    Result,
    Settle,
)
from holdfast_sidecar.engine.settings import EngineSettings
from holdfast_sidecar.engine.state import Counter, Debit, Dimensions, Hold, Kind, Outcome, Pool
from holdfast_sidecar.engine.statistics import Tally
from holdfast_sidecar.engine.verdicts import UNRECORDED, Mode, Reason
from holdfast_sidecar.engine.waterfall import decide


@dataclass(frozen=True, slots=True)
class Wait:
    """The ledger may yet give the rights: `amount` more minor units of the pool `key`."""

    key: Key
    amount: int


def _level(pool_id: str) -> str:
    return f"pool/{pool_id}"


class Decisions:
    """Decides one operation at a time at the time given to `begin`."""

    def __init__(
        self,
        settings: EngineSettings,
        accounts: Accounts,
        changes: Changes,
        leases: Leases,
        tally: Tally,
        answers: Answers,
        now_ns: int,
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._changes = changes
        self._leases = leases
        self._tally = tally
        self._answers = answers
        self._now_ns = now_ns
        self._now_unix_ms = 0
        self._holds_refused = False
        self._may_wait = False
        self._denied = False
        # Silence counts from the start: a sidecar that has just started is connecting, not cut off.
        self._heard_at_ns = now_ns
        self._mode = Mode.CONNECTED
        self._retention_ms = settings.outcome_retention_ms
        self.fenced: Fenced | None = None
        self._handlers: dict[type[Operation], Callable[..., Result | Wait]] = {
            Check: self._check,
            Reserve: self._reserve,
            Extend: self._extend,
            Settle: self._settle,
            Release: self._release,
            Charge: self._charge,
            GetBalance: self._get_balance,
            ListHolds: self._list_holds,
        }

    # ── a batch ──────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, now_ns: int, now_unix_ms: int, holds_refused: bool) -> None:
        """Sets the time and the store's state for the decisions that follow."""
        self._now_ns = now_ns
        self._now_unix_ms = now_unix_ms
        self._holds_refused = holds_refused
        self._mode = self.mode(0)

    def heard(self, heard_at_ns: int) -> None:
        """The ledger was heard of."""
        self._heard_at_ns = max(self._heard_at_ns, heard_at_ns)
        self._mode = self.mode(0)

    def mode(self, partition_after_ms: int) -> Mode:
        """Returns whether this sidecar counts itself cut off, after the pool's own silence or, with 0, the setting."""
        after_ms = partition_after_ms or self._settings.partition_after_ms
        silent_ns = self._now_ns - self._heard_at_ns
        return Mode.CONNECTED if silent_ns <= after_ms * NS_PER_MS else Mode.PARTITIONED

    def expire_holds(self) -> None:
        """Closes the holds whose deadline has passed; what they held returns."""
        for hold in self._changes.hold_deadlines.pop_due(self._now_ns):
            self._changes.close_hold(self._accounts.by_id[hold.pool.account_id], hold)
            self._tally.expired_hold_count += 1

    def evict_outcomes(self) -> None:
        """Drops recorded answers past their retention, and the oldest ones should the table be full."""
        retention_ms = self._settings.outcome_retention_ms
        limit_count = self._settings.outcome_limit
        before_ns = self._now_ns - retention_ms * NS_PER_MS
        self._tally.outcome_evicted_early_count += self._changes.evict_outcomes(before_ns, limit_count)
        order = self._accounts.outcome_order
        if len(order) >= limit_count:
            # The table is full: an answer stays about as long as the oldest one in it has.
            retention_ms = min(retention_ms, (self._now_ns - order[0].decided_at_ns) // NS_PER_MS)
        self._retention_ms = retention_ms

    def decide_all(self, call: Call, may_wait: bool) -> Wait | None:
        """Decides the operations of a call that have no result yet, in order; stops at the first that must wait."""
        self._may_wait = may_wait
        results = call.results
        operations = call.operations
        for index in range(len(results), len(operations)):
            operation = operations[index]
            result = self._handlers[type(operation)](operation)
            if isinstance(result, Wait):
                return result
            results.append(result)
            if not isinstance(operation, Check | GetBalance | ListHolds):
                call.changed = True
        return None

    def decide_linked(self, call: Call, may_wait: bool) -> Wait | None:
        """Decides all operations of a call or carries none out."""
        self._may_wait = may_wait
        self._changes.begin_linked()
        for operation in call.operations:
            self._denied = False
            result = self._handlers[type(operation)](operation)
            if isinstance(result, Wait):
                call.results.clear()
                return self._undo_to_wait(result)
            call.results.append(result)
            if isinstance(result, Fault) or self._denied:
                failed = len(call.results) - 1
                self._changes.undo_linked()
                call.results = [
                    result if index == failed else self._linked_failed(other)
                    for index, other in enumerate(call.operations)
                ]
                return None
        self._changes.keep_linked()
        call.changed = True
        return None

    def _undo_to_wait(self, wait: Wait) -> Wait:
        """Takes a linked call back; it waits for what it lacks and for what it had taken of the same pool."""
        pool = self._accounts.pool(wait.key)
        left = rights_left(pool) if pool is not None else 0
        self._changes.undo_linked()
        taken = rights_left(pool) - left if pool is not None else 0
        return Wait(wait.key, wait.amount + taken)

    # ── operations ───────────────────────────────────────────────────────────────────────────────────────────────

    def _check(self, op: Check) -> Result | Wait:
        pool = self._accounts.pool((op.account_id, op.pool_id))
        if pool is None:
            return self._unseen(op, 0)
        fault = self._unfit(pool, op.currency)
        if fault is not None:
            return fault
        asked = op.amount or 1
        granted, reason = decide(pool, asked, op.min_amount or asked, self._lease_valid())
        if reason is Reason.INSUFFICIENT_BALANCE:
            # Reserve would ask the ledger for what is missing; its last word says what that would bring.
            free = self._leases.demand((op.account_id, op.pool_id)).pool_free
            if free is None and self._ledger_may_help(pool, reason):
                return Wait((op.account_id, op.pool_id), 0)
            reachable = rights_left(pool) + max(free or 0, 0)
            granted = min(asked, reachable) if reachable >= (op.min_amount or asked) else 0
        if granted:
            granted, reason = granted if op.amount else 0, Reason.OK
        return self._answer_check(pool, granted, reason)

    def _reserve(self, op: Reserve) -> Result | Wait:
        account = self._accounts.by_id.get(op.account_id)
        if account is None:
            return self._unseen(op, op.amount)
        outcome = account.outcomes.get(op.operation_id)
        if outcome is not None:
            return self._repeat(outcome, Kind.RESERVE, op.fingerprint)
        pool = account.pools.get(op.pool_id)
        if pool is None:
            return self._unseen(op, op.amount)
        fault = self._unfit(pool, op.currency) or self._no_room(account, op.operation_id)
        if fault is not None:
            return fault
        granted, reason = decide(pool, op.amount, op.min_amount or op.amount, self._lease_valid())
        if reason is not Reason.OK:
            if self._ledger_may_help(pool, reason):
                return Wait((op.account_id, op.pool_id), op.amount)
            if not granted:
                return self._deny_reserve(account, pool, op, self._final_reason(pool, reason))
        ttl_ms = op.ttl_ms or self._settings.default_hold_ttl_ms
        deadline_ns = self._now_ns + ttl_ms * NS_PER_MS
        hold = Hold(0, op.operation_id, pool, granted, 0, deadline_ns, ttl_ms, op.subject, op.dimensions)
        self._changes.open_hold(account, pool, hold)
        self._refill(pool)
        self._tally.decided(Reason.OK, self._mode)
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
        )
        self._record(account, op.operation_id, pool.pool_id, Kind.RESERVE, op.fingerprint, answer, denied=False)
        return answer

    def _extend(self, op: Extend) -> Result | Wait:
        account = self._accounts.by_id.get(op.account_id)
        if account is None:
            return _hold_not_found(op.hold_id)
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
        added, reason = op.add_amount, Reason.OK
        if op.add_amount:
            added, reason = decide(pool, op.add_amount, op.min_add_amount or op.add_amount, self._lease_valid())
        if reason is not Reason.OK:
            if self._ledger_may_help(pool, reason):
                return Wait((pool.account_id, pool.pool_id), op.add_amount)
            reason = Reason.OK if added else self._final_reason(pool, reason)
        if reason is Reason.OK:
            self._changes.extend_hold(hold, added, op.ttl_ms, self._now_ns)
            self._refill(pool)
        self._count(reason)
        answer = self._answers.extend(
            reason,
            "" if reason is Reason.OK else _level(pool.pool_id),
            added,
            hold.amount,
            posted(pool),
            pool.held,
            available(pool),
            self._retry_ms(reason),
            self._mode,
            ms_until(hold.deadline_ns, self._now_ns),
            self._retention_ms,
        )
        if reason not in UNRECORDED:
            self._record(account, op.operation_id, pool.pool_id, Kind.EXTEND, op.fingerprint, answer, self._denied)
        return answer

    def _settle(self, op: Settle) -> Result | Wait:
        account = self._accounts.by_id.get(op.account_id)
        if account is None:
            return self._unseen(op, 0) if op.pool_id else _hold_not_found(op.hold_id)
        outcome = account.outcomes.get(op.operation_id)
        if outcome is not None:
            return self._repeat(outcome, Kind.SETTLE, op.fingerprint)
        hold = account.holds.get(op.hold_id)
        if hold is None:
            return self._settle_late(account, op)
        pool = hold.pool
        if pool.consumed_total + op.amount > INT64_MAX:
            return _overflow()
        taken = self._changes.capture(hold, op.amount)
        over_hold = op.amount - taken
        returned = 0
        if op.final:
            returned = hold.amount
            self._changes.close_hold(account, hold)
        dimensions = _merged(hold.dimensions, op.dimensions)
        self._debit(pool, op, hold.subject, dimensions, late=False, over_hold=over_hold)
        remaining_ms = 0 if op.final else ms_until(hold.deadline_ns, self._now_ns)
        hold_amount = 0 if op.final else hold.amount
        return self._answer_settle(account, pool, op, returned, hold_amount, False, over_hold, remaining_ms)

    def _settle_late(self, account: Account, op: Settle) -> Result | Wait:
        """The hold is no longer open; money spent is never dropped."""
        opening = account.outcomes.get(op.hold_id)
        pool_id = op.pool_id
        if opening is not None and opening.kind == Kind.RESERVE:
            pool_id = opening.pool_id
        if not pool_id:
            return _hold_not_found(op.hold_id)
        pool = account.pools.get(pool_id)
        if pool is None:
            return self._unseen(op, 0)
        if pool.consumed_total + op.amount > INT64_MAX:
            return _overflow()
        self._tally.late_settle_count += 1
        self._tally.late_settle_amount += op.amount
        self._debit(pool, op, "", op.dimensions, late=True, over_hold=0)
        return self._answer_settle(account, pool, op, 0, 0, True, 0, 0)

    def _release(self, op: Release) -> Result | Wait:
        account = self._accounts.by_id.get(op.account_id)
        if account is None:
            return _hold_not_found(op.hold_id)
        outcome = account.outcomes.get(op.operation_id)
        if outcome is not None:
            return self._repeat(outcome, Kind.RELEASE, op.fingerprint)
        hold = account.holds.get(op.hold_id)
        if hold is None:
            return self._closed(account, op.hold_id)
        pool = hold.pool
        returned = hold.amount
        self._changes.close_hold(account, hold)
        answer = self._answers.release(
            returned, posted(pool), pool.held, available(pool), self._mode, self._retention_ms
        )
        self._record(account, op.operation_id, pool.pool_id, Kind.RELEASE, op.fingerprint, answer, denied=False)
        return answer

    def _charge(self, op: Charge) -> Result | Wait:
        account = self._accounts.by_id.get(op.account_id)
        if account is None:
            return self._unseen(op, op.delta)
        outcome = account.outcomes.get(op.operation_id)
        if outcome is not None:
            return self._repeat(outcome, Kind.CHARGE, op.fingerprint)
        pool = account.pools.get(op.pool_id)
        if pool is None:
            return self._unseen(op, op.delta)
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
            return _overflow()
        reason = Reason.OK
        if amount:
            _, reason = decide(pool, amount, amount, self._lease_valid())
        if reason is not Reason.OK:
            if self._ledger_may_help(pool, reason):
                return Wait((op.account_id, op.pool_id), amount)
            reason = self._final_reason(pool, reason)
        return self._carry_out_charge(account, pool, op, counter, amount, reason)

    def _carry_out_charge(
        self, account: Account, pool: Pool, op: Charge, counter: Counter | None, amount: int, reason: Reason
    ) -> bytes:
        if reason is Reason.OK:
            if counter is not None:
                self._changes.set_counter(account, counter, op.total)
            if amount:
                self._changes.debit(pool, self._debit_of(pool, amount, op.operation_id, "", op.subject, op.dimensions))
            self._refill(pool)
        self._count(reason)
        answer = self._answers.charge(
            reason,
            "" if reason is Reason.OK else _level(pool.pool_id),
            amount if reason is Reason.OK else 0,
            posted(pool),
            pool.held,
            available(pool),
            self._retry_ms(reason),
            self._mode,
            counter.total if counter is not None else 0,
            self._retention_ms,
        )
        if reason not in UNRECORDED:
            self._record(account, op.operation_id, pool.pool_id, Kind.CHARGE, op.fingerprint, answer, self._denied)
        return answer

    def _get_balance(self, op: GetBalance) -> Result | Wait:
        pool = self._accounts.pool((op.account_id, op.pool_id))
        if pool is None:
            return self._unseen(op, 0)
        return self._answers.balance(
            pool,
            posted(pool),
            available(pool),
            rights_left(pool),
            ms_until(self._changes.meta.lease_valid_until_ns, self._now_ns),
            self.mode(pool.partition_after_ms),
        )

    def _list_holds(self, op: ListHolds) -> Result | Wait:
        account = self._accounts.by_id.get(op.account_id)
        holds = account.holds.values() if account is not None else ()
        wanted = (hold for hold in holds if hold.sequence > op.after_sequence and op.pool_id in ("", hold.pool.pool_id))
        page = list(islice(wanted, op.page_size + 1))
        token = str(page[op.page_size - 1].sequence) if len(page) > op.page_size else ""
        return self._answers.holds(page[: op.page_size], self._now_ns, token)

    # ── parts ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _lease_valid(self) -> bool:
        return self._now_ns < self._changes.meta.lease_valid_until_ns

    def _unfit(self, pool: Pool, currency: str) -> Fault | None:
        if currency and currency != pool.currency:
            return Fault(
                FaultCode.INVALID_ARGUMENT,
                "CURRENCY_MISMATCH",
                f"the pool's currency is {pool.currency}",
                (("field", "currency"),),
            )
        if self.fenced is not None:
            return Fault(FaultCode.UNAVAILABLE, self.fenced.reason, self.fenced.message)
        return None

    def _store_full(self) -> Fault | None:
        if self._holds_refused:
            return Fault(
                FaultCode.RESOURCE_EXHAUSTED,
                "STORE_FULL",
                "the store is 90 % full; settle or release open holds, or raise map_bytes",
            )
        return None

    def _no_room(self, account: Account, hold_id: str) -> Fault | None:
        if hold_id in account.holds:
            return _exists("an open hold has this id; its recorded answer is past the retention")
        if self._accounts.hold_count >= self._settings.hold_limit:
            return Fault(
                FaultCode.RESOURCE_EXHAUSTED,
                "HOLD_LIMIT",
                "too many open holds on this host; settle or release some, or raise hold_limit",
            )
        return self._store_full()

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

    def _ledger_may_help(self, pool: Pool, reason: Reason) -> bool:
        """Whether it is worth waiting for the ledger's word before this is denied."""
        if reason is Reason.OVERDRAFT_LIMIT or not self._may_wait or self._leases.draining:
            return False
        if self.mode(pool.partition_after_ms) is Mode.PARTITIONED:
            return False
        demand = self._leases.demand((pool.account_id, pool.pool_id))
        return reason is Reason.PARTITIONED or demand.denied_until_ns <= self._now_ns

    def _final_reason(self, pool: Pool, reason: Reason) -> Reason:
        """Says why it is denied in the end: for lack of money, of the ledger's answer, or of the ledger."""
        if reason is Reason.OVERDRAFT_LIMIT:
            return reason
        demand = self._leases.demand((pool.account_id, pool.pool_id))
        if reason is Reason.INSUFFICIENT_BALANCE and demand.denied_until_ns > self._now_ns:
            return reason
        cut_off = self.mode(pool.partition_after_ms) is Mode.PARTITIONED
        return Reason.PARTITIONED if cut_off else Reason.LEASE_TIMEOUT

    def _retry_ms(self, reason: Reason) -> int:
        return self._settings.lease_wait_ms if reason in (Reason.PARTITIONED, Reason.LEASE_TIMEOUT) else 0

    def _refill(self, pool: Pool) -> None:
        if rights_left(pool) < pool.low_water:
            self._leases.refill(pool, self._now_ns)

    def _count(self, reason: Reason) -> None:
        self._tally.decided(reason, self._mode)
        self._denied = reason is not Reason.OK

    def _repeat(self, outcome: Outcome, kind: Kind, fingerprint: bytes) -> Result:
        if outcome.kind != kind or outcome.fingerprint != fingerprint:
            self._tally.conflict_count += 1
            return _exists(
                "this operation id was used before with other content; choose a new id for new work",
                ("recorded_fingerprint", outcome.fingerprint.hex()),
            )
        self._tally.replay_count += 1
        self._denied = outcome.denied
        return outcome.answer

    def _record(
        self,
        account: Account,
        operation_id: str,
        pool_id: str,
        kind: Kind,
        fingerprint: bytes,
        answer: bytes,
        denied: bool,
    ) -> None:
        outcome = Outcome(0, account.account_id, operation_id, pool_id, kind, fingerprint, self._now_ns, answer, denied)
        self._changes.record(account, outcome)

    def _closed(self, account: Account, hold_id: str) -> Fault:
        opening = account.outcomes.get(hold_id)
        if opening is None or opening.kind != Kind.RESERVE or opening.denied:
            return _hold_not_found(hold_id)
        return Fault(FaultCode.FAILED_PRECONDITION, "HOLD_CLOSED", "the hold is already settled, released or expired")

    # ── debits and answers ───────────────────────────────────────────────────────────────────────────────────────

    def _debit_of(
        self, pool: Pool, amount: int, operation_id: str, hold_id: str, subject: str, dimensions: Dimensions
    ) -> Debit:
        return Debit(
            0,
            self._changes.meta.epoch,
            pool.account_id,
            pool.pool_id,
            amount,
            operation_id,
            hold_id,
            self._now_unix_ms,
            subject,
            dimensions,
            late=False,
            over_hold_amount=0,
            estimated=False,
            mode=self._mode,
        )

    def _debit(self, pool: Pool, op: Settle, subject: str, dimensions: Dimensions, late: bool, over_hold: int) -> None:
        self._tally.settle_count += 1
        if over_hold:
            self._tally.over_hold_count += 1
            self._tally.over_hold_amount += over_hold
        if op.amount:
            debit = self._debit_of(pool, op.amount, op.operation_id, op.hold_id, subject, dimensions)
            debit.late = late
            debit.over_hold_amount = over_hold
            debit.estimated = op.estimated
            self._changes.debit(pool, debit)

    def _answer_settle(
        self,
        account: Account,
        pool: Pool,
        op: Settle,
        returned: int,
        hold_amount: int,
        late: bool,
        over_hold: int,
        remaining_ms: int,
    ) -> bytes:
        known = posted(pool)
        answer = self._answers.settle(
            op.amount,
            returned,
            hold_amount,
            late,
            over_hold,
            known,
            pool.held,
            known - pool.held + pool.overdraft_limit,
            self._mode,
            remaining_ms,
            self._retention_ms,
        )
        self._record(account, op.operation_id, pool.pool_id, Kind.SETTLE, op.fingerprint, answer, denied=False)
        return answer

    def _answer_check(self, pool: Pool, granted: int, reason: Reason) -> bytes:
        connected = self.mode(pool.partition_after_ms) is Mode.CONNECTED
        if reason is not Reason.OK and not (reason is Reason.INSUFFICIENT_BALANCE and connected):
            reason = self._final_reason(pool, reason)
        self._count(reason)
        return self._answers.check(
            reason,
            "" if reason is Reason.OK else _level(pool.pool_id),
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
            _level(op.pool_id) if pool is not None else "",
            0,
            posted(pool) if pool is not None else 0,
            pool.held if pool is not None else 0,
            available(pool) if pool is not None else 0,
            self._retry_ms(reason),
            self._mode,
            0,
            self._retention_ms,
        )
        if account is not None and reason not in UNRECORDED:
            self._record(account, op.operation_id, op.pool_id, Kind.RESERVE, op.fingerprint, answer, denied=True)
        return answer

    def _unseen(self, op: Check | Reserve | Settle | Charge | GetBalance, amount: int) -> Result | Wait:
        """The pool is new to this host: the ledger is asked; without its word there is nothing to decide on."""
        demand = self._leases.demand((op.account_id, op.pool_id))
        if demand.denied_until_ns > self._now_ns and demand.unknown is LeaseStatus.UNKNOWN_POOL:
            return Fault(FaultCode.NOT_FOUND, "POOL_NOT_FOUND", "the account has no such pool")
        if self._accounts.pool_count >= self._settings.pool_limit:
            return Fault(FaultCode.RESOURCE_EXHAUSTED, "POOL_LIMIT", "too many pools on this host; raise pool_limit")
        reason = Reason.PARTITIONED if self.mode(0) is Mode.PARTITIONED else Reason.LEASE_TIMEOUT
        if demand.denied_until_ns > self._now_ns:
            reason = Reason.UNKNOWN_ACCOUNT
        elif self._may_wait and reason is Reason.LEASE_TIMEOUT:
            return Wait((op.account_id, op.pool_id), amount)
        return self._answer_unseen(op, reason)

    def _answer_unseen(self, op: Check | Reserve | Settle | Charge | GetBalance, reason: Reason) -> Result:
        match op:
            case Reserve():
                return self._deny_reserve(None, None, op, reason)
            case Check():
                self._count(reason)
                return self._answers.check(reason, "", 0, 0, 0, 0, self._retry_ms(reason), self._mode)
            case Charge():
                self._count(reason)
                return self._answers.charge(
                    reason, "", 0, 0, 0, 0, self._retry_ms(reason), self._mode, 0, self._retention_ms
                )
            case _:
                if reason is Reason.UNKNOWN_ACCOUNT:
                    return Fault(FaultCode.NOT_FOUND, "ACCOUNT_NOT_FOUND", "the ledger knows no such account")
                return Fault(
                    FaultCode.UNAVAILABLE,
                    "LEDGER_UNREACHABLE",
                    "this host has not seen the pool and cannot ask the ledger; retry with the same operation id",
                )

    def _linked_failed(self, op: Operation) -> Result:
        reason = Reason.LINKED_FAILED
        match op:
            case Reserve():
                return self._deny_reserve(None, None, op, reason)
            case Check():
                return self._answers.check(reason, "", 0, 0, 0, 0, 0, self._mode)
            case Extend():
                return self._answers.extend(reason, "", 0, 0, 0, 0, 0, 0, self._mode, 0, self._retention_ms)
            case Charge():
                return self._answers.charge(reason, "", 0, 0, 0, 0, 0, self._mode, 0, self._retention_ms)
            case _:
                return Fault(FaultCode.ABORTED, "LINKED_FAILED", "another operation of the same linked Execute failed")


def _merged(first: Dimensions, second: Dimensions) -> Dimensions:
    return tuple(sorted({**dict(first), **dict(second)}.items())) if second else first


def _exists(message: str, *metadata: tuple[str, str]) -> Fault:
    return Fault(FaultCode.ALREADY_EXISTS, "OPERATION_ID_REUSED", message, metadata)


def _hold_not_found(hold_id: str) -> Fault:
    return Fault(FaultCode.NOT_FOUND, "HOLD_NOT_FOUND", "no such hold on this host", (("hold_id", hold_id),))


def _overflow() -> Fault:
    return Fault(
        FaultCode.INVALID_ARGUMENT,
        "AMOUNT_OVERFLOW",
        "the pool's total would pass 2^63 - 1",
        (("field", "amount"),),
    )
