"""Settle and Release: what becomes of a hold. Money spent is never dropped."""

from holdfast_sidecar.engine.accounts import Account
from holdfast_sidecar.engine.amounts import INT64_MAX, NS_PER_MS, ms_until
from holdfast_sidecar.engine.deciding import Wait
from holdfast_sidecar.engine.operations import Release, Result, Settle
from holdfast_sidecar.engine.partition import COVERED
from holdfast_sidecar.engine.rated import output_tokens
from holdfast_sidecar.engine.rating import Rating
from holdfast_sidecar.engine.refusals import hold_not_found, overflow
from holdfast_sidecar.engine.rights import available, posted
from holdfast_sidecar.engine.rules import Dimensions
from holdfast_sidecar.engine.state import Debit, Hold, Kind, Lapsed, Pool, Window

NOTHING_KNOWN = Lapsed("", (), ())


class Settling(Rating):
    """Closes holds, and turns them into debits."""

    def _settle(self, op: Settle) -> Result | Wait:
        account = self._accounts.by_id.get(op.account_id)
        if account is None:
            return self._unseen_fault(op.account_id, op.pool_id) if op.pool_id else hold_not_found(op.hold_id)
        outcome = account.outcomes.get(op.operation_id)
        if outcome is not None:
            return self._repeat(outcome, Kind.SETTLE, op.fingerprint)
        hold = account.holds.get(op.hold_id)
        if hold is None:
            return self._settle_late(account, op)
        pool = hold.pool
        self._see(pool)
        amount, dimensions = op.amount, _merged(hold.dimensions, op.dimensions)
        if op.quantities and not amount:
            rated = self._rate(account, pool, dimensions, op.quantities, self._opened_at_unix_ms(hold))
            if not isinstance(rated, int):
                return rated
            amount = rated
        if pool.consumed_total + amount > INT64_MAX:
            return overflow()
        self._draw(hold, amount)
        taken, unleased = self._changes.capture(hold, amount)
        over_hold = amount - taken
        if op.quantities:
            self._learn(hold, op, dimensions)
        returned = 0
        if op.final:
            returned = hold.amount
            self._changes.close_hold(account, hold)
        age_ms = (self._now_ns - hold.opened_at_ns) // NS_PER_MS
        self._tally.settle_count += 1
        if over_hold:
            self._tally.over_hold_count += 1
            self._tally.over_hold_amount += over_hold
        if amount:
            names = tuple([window.pool_id for window in hold.budgets])
            debit = self._debit_of(pool, amount, op.operation_id, op.hold_id, hold.subject, dimensions, unleased, names)
            debit.over_hold_amount = over_hold
            debit.hold_age_ms = age_ms
            self._debit(pool, op, debit, hold.budgets)
        remaining_ms = 0 if op.final else ms_until(hold.deadline_ns, self._now_ns)
        hold_amount = 0 if op.final else hold.amount
        return self._answer_settle(account, pool, op, amount, returned, hold_amount, False, over_hold, remaining_ms)

    def _learn(self, hold: Hold, op: Settle, dimensions: Dimensions) -> None:
        """Parts are kept with the hold, since what is learned from is the whole output."""
        if op.final:
            cut_short = op.cut_short or op.estimated
            before_tokens = hold.settled_output_tokens
            self._rated.observe(hold.pool.account_id, dimensions, op.quantities, before_tokens, cut_short=cut_short)
        else:
            self._changes.report_output(hold, output_tokens(op.quantities))

    def _draw(self, hold: Hold, amount: int) -> None:
        """What a hold inside others lacks, these have: they were opened for the same work."""
        around = hold.parent
        while around is not None and hold.amount < amount:
            self._changes.move(around, hold, min(around.amount, amount - hold.amount))
            around = around.parent

    def _settle_late(self, account: Account, op: Settle) -> Result | Wait:
        """The hold is no longer open; money spent is never dropped."""
        opening = account.outcomes.get(op.hold_id)
        pool_id = op.pool_id
        if opening is not None and opening.kind == Kind.RESERVE:
            pool_id = opening.pool_id
        if not pool_id:
            return hold_not_found(op.hold_id)
        pool = account.pools.get(pool_id)
        if pool is None:
            return self._unseen_fault(op.account_id, pool_id)
        self._see(pool)
        lapsed = opening.lapsed if opening is not None and opening.lapsed is not None else NOTHING_KNOWN
        amount, dimensions = op.amount, _merged(lapsed.dimensions, op.dimensions)
        if op.quantities and not amount:
            at_unix_ms = self._now_unix_ms if opening is None else self._unix_ms_of(opening.decided_at_ns)
            rated = self._rate(account, pool, dimensions, op.quantities, at_unix_ms)
            if not isinstance(rated, int):
                return rated
            amount = rated
        if pool.consumed_total + amount > INT64_MAX:
            return overflow()
        if op.quantities and op.final and lapsed is not NOTHING_KNOWN:
            # Long work is what outlives its hold: without it, outputs would be learned as shorter than they are.
            cut_short = op.cut_short or op.estimated
            self._rated.observe(account.account_id, dimensions, op.quantities, 0, cut_short=cut_short)
        self._tally.late_settle_count += 1
        self._tally.late_settle_amount += amount
        if amount:
            debit = self._debit_of(
                pool, amount, op.operation_id, op.hold_id, lapsed.subject, dimensions, COVERED, lapsed.windows
            )
            debit.late = True
            self._debit(pool, op, debit, tuple(filter(None, map(account.windows.get, lapsed.windows))))
        self._tally.settle_count += 1
        return self._answer_settle(account, pool, op, amount, 0, 0, True, 0, 0)

    def _release(self, op: Release) -> Result | Wait:
        account = self._accounts.by_id.get(op.account_id)
        if account is None:
            return hold_not_found(op.hold_id)
        outcome = account.outcomes.get(op.operation_id)
        if outcome is not None:
            return self._repeat(outcome, Kind.RELEASE, op.fingerprint)
        hold = account.holds.get(op.hold_id)
        if hold is None:
            return self._closed(account, op.hold_id)
        pool = hold.pool
        self._see(pool)
        returned = hold.amount
        self._changes.close_hold(account, hold)
        answer = self._answers.release(
            returned, posted(pool), pool.held, available(pool), self._mode, self._retention_ms
        )
        self._record(account, op.operation_id, pool.pool_id, Kind.RELEASE, op.fingerprint, answer, denied=False)
        return answer

    def _debit(self, pool: Pool, op: Settle, debit: Debit, windows: tuple[Window, ...]) -> None:
        debit.estimated = op.estimated
        debit.quantities = op.quantities
        self._changes.debit(pool, debit, windows)

    def _answer_settle(
        self,
        account: Account,
        pool: Pool,
        op: Settle,
        amount: int,
        returned: int,
        hold_amount: int,
        late: bool,
        over_hold: int,
        remaining_ms: int,
    ) -> bytes:
        known = posted(pool)
        answer = self._answers.settle(
            amount,
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


def _merged(first: Dimensions, second: Dimensions) -> Dimensions:
    return tuple(sorted({**dict(first), **dict(second)}.items())) if second else first
