"""Turns rows into the messages of the stream."""

from collections.abc import Iterable
from typing import cast

from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import ledger_sync_service_pb2 as wire

from holdfast_ledger.leasing.bound import overdraft_bound, overdraft_limit
from holdfast_ledger.leasing.rights import Granted
from holdfast_ledger.store.interface import Pool


def policy_message(pool: Pool) -> decision.Policy:
    """Returns the policy as a sidecar sees it: with the overdraft limit as an amount."""
    rules = pool.policy
    return decision.Policy(
        enforcement=cast("decision.Enforcement", rules.enforcement),
        overdraft_limit=overdraft_limit(pool),
        partition_mode=cast("decision.PartitionMode", rules.partition_mode),
        partition_overdraft_limit=rules.partition_overdraft_limit,
        partition_after_ms=rules.partition_after_ms,
        shadow=bool(rules.shadow),
    )


def lease_message(granted: Granted) -> wire.Lease:
    """Returns a lease as the stream tells it."""
    pool, lease = granted.pool, granted.lease
    if pool is None or lease is None:
        unknown = wire.LEASE_STATUS_UNKNOWN_POOL if granted.account_known else wire.LEASE_STATUS_UNKNOWN_ACCOUNT
        return wire.Lease(account_id=granted.account_id, pool_id=granted.pool_id, status=unknown)
    return wire.Lease(
        account_id=granted.account_id,
        pool_id=granted.pool_id,
        status=wire.LEASE_STATUS_ACTIVE,
        currency=pool.currency,
        granted_total=lease.granted_total,
        reclaimed_total=lease.reclaimed_total,
        posted_total=lease.posted_total,
        pool_posted=pool.posted,
        pool_free=pool.free,
        policy=None if pool.is_window else policy_message(pool),
        recall_round=granted.recall_round,
        recall_amount=granted.recall_amount,
        pending=granted.pending,
        denied=granted.denied,
        returned_total=lease.returned_total,
        allowance_returned_total=lease.allowance_returned_total,
        allowance_granted_total=lease.allowance_granted_total,
        allowance_reclaimed_total=lease.allowance_reclaimed_total,
        allowance_recall_amount=granted.allowance_recall_amount,
        pool_overdraft_bound=0 if pool.is_window else overdraft_bound(pool),
        rules_version=pool.rules_version,
    )


def lease_messages(granted: Iterable[Granted]) -> list[wire.Lease]:
    """Returns leases as the stream tells them."""
    return [lease_message(one) for one in granted]
