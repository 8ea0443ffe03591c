"""The latest decisions as a message for the ledger: read from the answers that were given. No I/O.

Upstream: `engine/decision_log.py`. Downstream: `event_uplink.py`, which sends them once a second, best effort.
"""

from collections.abc import Callable
from typing import TypeAlias, cast

from holdfast.v1 import decision_pb2, ingest_service_pb2
from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast.v1 import usage_service_pb2 as usage_pb

from holdfast_sidecar.engine.decision_log import Decided, RecentDecisions
from holdfast_sidecar.engine.operations import Charge, Extend, Report, Reserve
from holdfast_sidecar.engine.statistics import EngineStatistics

_REASONS = cast("tuple[decision_pb2.Reason, ...]", tuple(decision_pb2.Reason.values()))
_Answer: TypeAlias = pb.ReserveResponse | pb.ExtendResponse | pb.ChargeResponse
_MODES = cast("tuple[decision_pb2.Mode, ...]", tuple(decision_pb2.Mode.values()))


class DecisionReports:
    """Makes the messages.

    Args:
        recent: What was decided.
        statistics: The engine's counts.
    """

    def __init__(self, recent: RecentDecisions, statistics: Callable[[], EngineStatistics]) -> None:
        self._recent = recent
        self._statistics = statistics
        self._told_count = 0

    def next(self, sidecar_id: str) -> ingest_service_pb2.PushDecisionsRequest | None:
        """Returns what was decided since the last call; None: nothing."""
        decided, noted_count = self._recent.take()
        counts = self._statistics().decisions
        total = sum(counts.values())
        if not decided and total == self._told_count:
            return None
        self._told_count = total
        request = ingest_service_pb2.PushDecisionsRequest(
            sidecar_id=sidecar_id, omitted_count=max(0, noted_count - len(decided))
        )
        for (reason, mode), count in counts.items():
            request.counts.add(reason=_REASONS[reason], mode=_MODES[mode], count=count)
        request.decisions.extend(map(_record, decided))
        return request


def _record(decided: Decided) -> ingest_service_pb2.DecisionRecord:
    unix_ms, operation, result = decided
    assert isinstance(operation, Reserve | Extend | Charge)
    kind, amount, answer, granted_amount = _answer(operation, cast("bytes", result))
    record = ingest_service_pb2.DecisionRecord(
        decided_at_unix_ms=unix_ms,
        kind=kind,
        account_id=operation.account_id,
        operation_id=operation.operation_id,
        amount=amount,
        granted_amount=granted_amount,
        reason=answer.reason,
        denied_level=answer.denied_level,
        mode=answer.mode,
        retry_after_ms=answer.retry_after_ms,
    )
    if not isinstance(operation, Extend):
        record.pool_id, record.subject = operation.pool_id, operation.subject
    return record


def _answer(operation: Reserve | Extend | Charge, result: bytes) -> tuple[str, int, _Answer, int]:
    """Returns the kind, the amount asked for, the answer, and the amount granted."""
    if isinstance(operation, Reserve):
        reserved = pb.ReserveResponse.FromString(result)
        return "reserve", operation.amount or reserved.rated_amount, reserved, reserved.granted_amount
    if isinstance(operation, Extend):
        extended = pb.ExtendResponse.FromString(result)
        return "extend", operation.add_amount, extended, extended.added_amount
    if isinstance(operation, Report):
        charged = usage_pb.ReportUsageResponse.FromString(result).charge
    else:
        charged = pb.ChargeResponse.FromString(result)
    # By quantities or a counter it asks for what it comes to, which only its debit tells.
    asked = operation.delta if not (operation.quantities or operation.counter_id) else charged.debited_amount
    return "charge", asked, charged, charged.debited_amount
