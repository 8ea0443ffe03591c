"""Corrects a posted debit: gives a part of it, or all, back to where it was taken from.

In the reverse order of burning: what was taken last comes back first. What comes back to a grant

- first repays overdraft of the pool;
- otherwise makes the grant burn again, also if it was used up;
- expires at once if the grant has expired, and is voided at once if the grant was: nothing comes back to life.

What was overdraft lowers the overdraft. If that has been repaid meanwhile, what comes back goes to the grants that
repaid it, the latest first.

It comes back to the windows of budgets that the debit counted against as well, while their period is under way.

The rights of the sidecar do not move: it has spent them. What comes back is free.
"""

from dataclasses import dataclass, field

from holdfast_ledger.errors import AlreadyExists, DebitNotFound, InvalidArgument
from holdfast_ledger.posting.alerts import watch
from holdfast_ledger.posting.grants import due_at_ms
from holdfast_ledger.store.interface import (
    NEVER,
    Correction,
    EntryRow,
    EntryType,
    Grant,
    GrantState,
    Pool,
    PostedDebit,
    Writer,
)
from holdfast_ledger.windows.giving_back import give_back


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller asks for; `pool` is that of the debit."""

    operation_id: str
    correction_id: str
    amount: int
    """Minor units; 0: all that is left of the debit."""


def correct(writer: Writer, pool: Pool, asked: Asked, now_ms: int) -> Correction:
    """Corrects a debit of a pool, once for each correction id of the account.

    Raises:
        AlreadyExists: The id was used for something else.
        DebitNotFound: No debit of this operation was posted to the pool.
        InvalidArgument: More is asked for than is left of the debit.
    """
    there = writer.correction(pool.account_key, asked.correction_id)
    if there is not None:
        _same(there, pool, asked)
        return there
    debit = writer.posted_debit(pool.account_key, asked.operation_id)
    if debit is None or debit.pool_key != pool.pool_key:
        raise DebitNotFound("no debit of this operation was posted to the pool", operation_id=asked.operation_id)
    left = debit.amount - debit.corrected_amount
    if left == 0 or asked.amount > left:
        raise InvalidArgument("amount", f"is more than the {left} that are left of the debit")
    made = Correction(
        asked.correction_id,
        asked.operation_id,
        pool.pool_key,
        debit.debit_key,
        asked.amount or left,
        asked.amount,
        now_ms,
    )
    writer.insert_correction(pool.account_key, made)
    _GivingBack(writer, pool, debit, made).run()
    return made


def _same(there: Correction, pool: Pool, asked: Asked) -> None:
    pairs = (
        ("pool_id", there.pool_key, pool.pool_key),
        ("operation_id", there.operation_id, asked.operation_id),
        ("amount", there.asked_amount, asked.amount),
    )
    for name, old, new in pairs:
        if old != new:
            raise AlreadyExists(name, "the correction exists with another one")


@dataclass(slots=True)
class _GivingBack:
    """One correction under way."""

    writer: Writer
    pool: Pool
    debit: PostedDebit
    made: Correction
    lines: list[EntryRow] = field(default_factory=list)
    grants: dict[int, Grant] = field(default_factory=dict)

    def run(self) -> None:
        """Moves the figures so that `free + leased = posted` before and after (I-16)."""
        pool, due = self.pool, self.made.amount
        burned = self.writer.burned_by(self.debit.debit_key)
        repaid = self.writer.repayments(pool.pool_key)
        keys = {key for key, _ in (*burned, *repaid) if key is not None}
        self.grants = self.writer.grants_by_key(keys)
        pool.spent_total -= due
        pool.corrected_total += due
        pool.free += due
        for grant_key, net in reversed(burned):
            taken = min(due, net)
            due -= taken
            if taken and grant_key is None:
                self._overdraft(taken, repaid)
            elif taken and grant_key is not None:
                self._line(EntryType.CORRECTION, grant_key, taken)
                self._credit(self.grants[grant_key], taken)
        assert due == 0, "a debit is what it took (I-18)"
        assert pool.free + pool.leased == pool.posted
        self.writer.insert_entries(self.lines)
        self.writer.save_grants(self.grants.values())
        self.writer.save_pools([pool])
        watch(self.writer, [pool], self.made.posted_at_ms)
        give_back(self.writer, self.debit, self.made.amount, self.made.posted_at_ms)

    def _overdraft(self, amount: int, repaid: list[tuple[int, int]]) -> None:
        """Takes back what was overdraft; what others have repaid of it goes back to them."""
        self._line(EntryType.OVERDRAFT_CORRECTION, None, amount)
        lowered = min(amount, self.pool.overdraft)
        self.pool.overdraft -= lowered
        due = amount - lowered
        for grant_key, net in repaid:
            part = min(due, net)
            due -= part
            if part:
                self._line(EntryType.REPAYMENT_RETURN, grant_key, part)
                self._credit(self.grants[grant_key], part)
        assert due == 0, "overdraft is what was overdrawn, less corrections and repayments"

    def _credit(self, grant: Grant, amount: int) -> None:
        pool, now_ms = self.pool, self.made.posted_at_ms
        if grant.state is GrantState.VOIDED:
            self._line(EntryType.VOID, grant.grant_key, amount)
            pool.voided_total += amount
            pool.free -= amount
        elif grant.state is GrantState.EXPIRED or grant.expires_at_ms <= now_ms:
            self._line(EntryType.EXPIRY, grant.grant_key, amount)
            pool.expired_total += amount
            pool.free -= amount
            grant.lapsed += amount
            grant.state, grant.due_at_ms = GrantState.EXPIRED, NEVER
        else:
            repaid = min(amount, pool.overdraft)
            pool.overdraft -= repaid
            if repaid:
                self._line(EntryType.REPAYMENT, grant.grant_key, repaid)
            grant.remaining += amount - repaid
            grant.state = GrantState.ACTIVE if grant.remaining else GrantState.EXHAUSTED
            grant.due_at_ms = due_at_ms(grant)

    def _line(self, kind: EntryType, grant_key: int | None, amount: int) -> None:
        self.lines.append(
            EntryRow(
                kind,
                self.pool.pool_key,
                grant_key,
                self.debit.debit_key,
                amount,
                self.made.posted_at_ms,
                self.made.correction_key,
            )
        )
