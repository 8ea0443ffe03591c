"""Messages of the sync stream as bytes, and leases as values. No state, no I/O.

Debits are stored in the form in which they travel, so a batch is spliced from stored bytes: no debit is parsed
or built again on its way out. Used by the protocol alone.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import ledger_sync_service_pb2 as pb

from holdfast_sidecar.engine.events import LeaseAsk, LeaseState, LeaseStatus, RulesAsk
from holdfast_sidecar.varint import varint

_DEBITS_OF_REQUEST = bytes([2 << 3 | 2])
"""Tag of `SyncRequest.debits`: field 2, length-delimited."""
_DEBIT_OF_BATCH = bytes([1 << 3 | 2])
"""Tag of `DebitBatch.debits`: field 1, length-delimited."""
SUBJECT_MAX_BYTES = 128
"""Of the path of a subject at the ledger, which ends a stream that asks for a longer one."""


class BadMessage(Exception):
    """The ledger sent what the contract rules out; the message says what."""


@lru_cache(maxsize=4096)
def _debit_header(length: int) -> bytes:
    """Returns tag and length before a debit; there are few different lengths, and this runs for every debit."""
    return _DEBIT_OF_BATCH + varint(length)


def debits_request(debits: Sequence[bytes]) -> bytes:
    """Returns a `SyncRequest` with a `DebitBatch` of serialised `Debit` messages."""
    parts: list[bytes] = []
    for debit in debits:
        parts.append(_debit_header(len(debit)))
        parts.append(debit)
    batch = b"".join(parts)
    return b"".join((_DEBITS_OF_REQUEST, varint(len(batch)), batch))


def heartbeat_request(heartbeat_id: int) -> bytes:
    """Returns a `SyncRequest` with a heartbeat."""
    return pb.SyncRequest(heartbeat=pb.Heartbeat(heartbeat_id=heartbeat_id)).SerializeToString()


def lease_request(ask: LeaseAsk) -> bytes:
    """Returns a `SyncRequest` with a lease request."""
    wants = [
        pb.LeaseWant(
            account_id=want.account_id,
            pool_id=want.pool_id,
            want_amount=want.want_amount,
            need_amount=want.need_amount,
            held_amount=want.held_amount,
            consumed_total=want.consumed_total,
            returned_total=want.returned_total,
            recall_round=want.recall_round,
            granted_total=want.granted_total,
            reclaimed_total=want.reclaimed_total,
            allowance_granted_total=want.allowance_granted_total,
            allowance_reclaimed_total=want.allowance_reclaimed_total,
            allowance_returned_total=want.allowance_returned_total,
        )
        for want in ask.wants
    ]
    request = pb.LeaseRequest(request_id=ask.request_id, wants=wants)
    return pb.SyncRequest(lease_request=request).SerializeToString()


def rules_request(ask: RulesAsk) -> bytes:
    """Returns a `SyncRequest` with a rules request.

    Of a path longer than any subject's, which callers may give, it asks for the part that can be there.
    """
    wants = [pb.RulesWant(account_id=account_id, subject=_possible(subject)) for account_id, subject in ask.paths]
    request = pb.RulesRequest(
        request_id=ask.request_id, wants=wants, rate_card_ids=ask.rate_card_ids, meters_wanted=ask.meters_wanted
    )
    return pb.SyncRequest(rules_request=request).SerializeToString()


def _possible(path: str) -> str:
    while len(path.encode()) > SUBJECT_MAX_BYTES:
        path = path.rpartition("/")[0]
    return path


def lease_states(leases: Iterable[pb.Lease]) -> tuple[LeaseState, ...]:
    """Returns leases as values. Raises `BadMessage` for a status that is not known."""
    return tuple(_lease_state(lease) for lease in leases)


def _lease_state(lease: pb.Lease) -> LeaseState:
    try:
        status = LeaseStatus(lease.status)
    except ValueError as error:
        raise BadMessage(f"lease status {lease.status} of pool {lease.pool_id!r} is not known") from error
    if status is not LeaseStatus.ACTIVE:
        return LeaseState(lease.account_id, lease.pool_id, status)
    policy = lease.policy
    return LeaseState(
        account_id=lease.account_id,
        pool_id=lease.pool_id,
        status=status,
        currency=lease.currency,
        granted_total=lease.granted_total,
        reclaimed_total=lease.reclaimed_total,
        posted_total=lease.posted_total,
        pool_posted=lease.pool_posted,
        pool_free=lease.pool_free,
        pool_overdraft_bound=lease.pool_overdraft_bound,
        returned_total=lease.returned_total,
        allowance_returned_total=lease.allowance_returned_total,
        recall_round=lease.recall_round,
        recall_amount=lease.recall_amount,
        pending=lease.pending,
        denied=lease.denied,
        allowance_granted_total=lease.allowance_granted_total,
        allowance_reclaimed_total=lease.allowance_reclaimed_total,
        allowance_recall_amount=lease.allowance_recall_amount,
        enforcement=policy.enforcement or decision.ENFORCEMENT_STRICT,
        overdraft_limit=policy.overdraft_limit,
        partition_mode=policy.partition_mode or decision.PARTITION_MODE_FAIL_CLOSED,
        partition_after_ms=policy.partition_after_ms,
        shadow=policy.shadow,
        rules_version=lease.rules_version,
    )
