"""Turns rows into the messages of LedgerService."""

import json
from typing import cast

from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import ledger_service_pb2 as wire

from holdfast_ledger.leasing.bound import overdraft_bound
from holdfast_ledger.posting.books import books_of
from holdfast_ledger.store.interface import (
    MAX_AMOUNT,
    NEVER,
    Account,
    BalanceTotal,
    Correction,
    Grant,
    GrantState,
    JournalLine,
    Lease,
    Policy,
    Pool,
    Rollover,
    Sidecar,
)


def account_message(account: Account) -> wire.Account:
    """Returns an account as the contract tells it."""
    return wire.Account(
        account_id=account.account_id, display_name=account.display_name, created_at_unix_ms=account.created_at_ms
    )


def policy_message(policy: Policy) -> decision.Policy:
    """Returns a policy as it was set."""
    return decision.Policy(
        enforcement=cast("decision.Enforcement", policy.enforcement),
        overdraft_limit=policy.overdraft_limit,
        overdraft_limit_bps=policy.overdraft_limit_bps,
        partition_mode=cast("decision.PartitionMode", policy.partition_mode),
        partition_overdraft_limit=policy.partition_overdraft_limit,
        partition_after_ms=policy.partition_after_ms,
        shadow=bool(policy.shadow),
    )


def pool_message(pool: Pool) -> wire.Pool:
    """Returns a pool as the contract tells it."""
    return wire.Pool(
        account_id=pool.account_id,
        pool_id=pool.pool_id,
        currency=pool.currency,
        currency_exponent=pool.currency_exponent,
        policy=policy_message(pool.policy),
        created_at_unix_ms=pool.created_at_ms,
    )


def balance_totals_message(total: BalanceTotal) -> wire.BalanceTotals:
    """Returns sums over pools, each the int64 nearest to it."""

    def near(value: int) -> int:
        return max(-MAX_AMOUNT - 1, min(MAX_AMOUNT, value))

    return wire.BalanceTotals(
        currency=total.currency,
        currency_exponent=total.currency_exponent,
        pool_count=total.pool_count,
        account_count=total.account_count,
        posted=near(total.posted),
        free=near(total.free),
        leased=near(total.leased),
        overdraft=near(total.overdraft),
        allowance_leased=near(total.allowance_leased),
        overdraft_bound=near(total.overdraft_bound),
    )


def balance_message(pool: Pool) -> wire.PoolBalance:
    """Returns the figures of a pool."""
    return wire.PoolBalance(
        posted=pool.posted,
        free=pool.free,
        leased=pool.leased,
        granted_total=pool.granted_total,
        spent_total=pool.spent_total,
        expired_total=pool.expired_total,
        overdraft=pool.overdraft,
        allowance_leased=pool.allowance_leased,
        overdraft_bound=overdraft_bound(pool),
        allowance_spent_total=pool.allowance_spent_total,
        fail_open_total=pool.fail_open_total,
        over_hold_total=pool.over_hold_total,
        late_total=pool.late_total,
        unleased_total=pool.unleased_total,
        expired_leased_total=pool.expired_leased_total,
        voided_total=pool.voided_total,
        corrected_total=pool.corrected_total,
        revived_total=pool.revived_total,
    )


def grant_message(pool: Pool, grant: Grant) -> wire.Grant:
    """Returns a grant as the contract tells it."""
    return wire.Grant(
        grant_id=grant.grant_id,
        account_id=pool.account_id,
        pool_id=pool.pool_id,
        amount=grant.amount,
        category=cast("wire.GrantCategory", grant.category),
        priority=grant.priority,
        effective_at_unix_ms=grant.effective_at_ms,
        expires_at_unix_ms=0 if grant.expires_at_ms == NEVER else grant.expires_at_ms,
        cost_amount=grant.cost_amount,
        cost_currency=grant.cost_currency,
        refunded_amount=grant.refunded_amount,
        remaining=grant.amount if grant.state is GrantState.PENDING else grant.remaining,
        state=cast("wire.GrantState", grant.state),
        created_at_unix_ms=grant.created_at_ms,
        metadata=json.loads(grant.metadata),
        expired_amount=grant.lapsed,
        rolled_from=grant.rolled_from,
        rollover=rollover_message(grant.rollover),
    )


def rollover_message(rules: Rollover) -> wire.Rollover | None:
    """Returns what becomes of a grant at its expiry; None: it does not roll over."""
    if rules.share_bps == 0:
        return None
    return wire.Rollover(
        share_bps=rules.share_bps,
        max_amount=rules.max_amount,
        lifetime_ms=rules.lifetime_ms,
        max_times=rules.times,
    )


def correction_message(pool: Pool, correction: Correction) -> wire.Correction:
    """Returns a correction as the contract tells it."""
    return wire.Correction(
        correction_id=correction.correction_id,
        account_id=pool.account_id,
        pool_id=pool.pool_id,
        operation_id=correction.operation_id,
        amount=correction.amount,
        posted_at_unix_ms=correction.posted_at_ms,
    )


def entry_message(pool: Pool, line: JournalLine) -> wire.Entry:
    """Returns a line of the journal with its books."""
    from_book, to_book = books_of(line.type, line.grant_id)
    return wire.Entry(
        entry_id=line.entry_key,
        type=cast("wire.EntryType", line.type),
        account_id=pool.account_id,
        pool_id=pool.pool_id,
        from_book=from_book,
        to_book=to_book,
        amount=line.amount,
        grant_id=line.grant_id,
        posted_at_unix_ms=line.posted_at_ms,
        sidecar_id=line.sidecar_id,
        epoch=line.epoch,
        sequence=line.sequence,
        operation_id=line.operation_id,
        hold_id=line.hold_id,
        replayed=line.replayed,
        correction_id=line.correction_id,
        caller=line.caller,
    )


def sidecar_message(sidecar: Sidecar, connected: bool) -> wire.Sidecar:
    """Returns a sidecar as the contract tells it; a reclaim time of 0: nothing is out."""
    return wire.Sidecar(
        sidecar_id=sidecar.sidecar_id,
        epoch=sidecar.epoch,
        birth_epoch=sidecar.birth_epoch,
        acked_sequence=sidecar.acked_sequence,
        last_seen_at_unix_ms=sidecar.last_seen_at_ms,
        reclaim_at_unix_ms=0 if sidecar.reclaim_at_ms == NEVER else sidecar.reclaim_at_ms,
        connected=connected,
        version=sidecar.version,
    )


def lease_message(pool: Pool, lease: Lease) -> wire.LeaseInfo:
    """Returns a lease as operators see it."""
    return wire.LeaseInfo(
        sidecar_id=lease.sidecar_id,
        birth_epoch=lease.birth_epoch,
        account_id=pool.account_id,
        pool_id=pool.pool_id,
        granted_total=lease.granted_total,
        reclaimed_total=lease.reclaimed_total,
        returned_total=lease.returned_total,
        posted_total=lease.posted_total,
        outstanding=lease.outstanding,
        allowance_outstanding=lease.allowance_outstanding,
        needed=lease.needed,
    )
