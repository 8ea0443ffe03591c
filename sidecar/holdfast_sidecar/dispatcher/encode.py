"""Answers to bytes: the engine's `Answers` over the messages of `holdfast.v1`."""

from collections.abc import Sequence
from typing import cast

from holdfast.v1 import decision_pb2, usage_service_pb2
from holdfast.v1 import enforcement_service_pb2 as pb

from holdfast_sidecar.engine.amounts import ms_until
from holdfast_sidecar.engine.event_operations import Rejected
from holdfast_sidecar.engine.levels import Level, Notes
from holdfast_sidecar.engine.operations import Fault
from holdfast_sidecar.engine.state import Hold, Pool
from holdfast_sidecar.engine.verdicts import Reason
from holdfast_sidecar.rule_messages import feature_value_message
from holdfast_sidecar.varint import embedded

# The engine's numbers are those of the protos; these tables give them the messages' types.
_VERDICTS = cast("tuple[decision_pb2.Verdict, ...]", tuple(decision_pb2.Verdict.values()))
_REASONS = cast("tuple[decision_pb2.Reason, ...]", tuple(decision_pb2.Reason.values()))
_MODES = cast("tuple[decision_pb2.Mode, ...]", tuple(decision_pb2.Mode.values()))
_ENFORCEMENTS = cast("tuple[decision_pb2.Enforcement, ...]", tuple(decision_pb2.Enforcement.values()))
_PARTITION_MODES = cast("tuple[decision_pb2.PartitionMode, ...]", tuple(decision_pb2.PartitionMode.values()))
_EVENT_OUTCOMES = cast("tuple[usage_service_pb2.EventOutcome, ...]", tuple(usage_service_pb2.EventOutcome.values()))
_REPORT_CHARGE_FIELD = 1
_OK = int(Reason.OK)
_ALLOW = _VERDICTS[1]
_DENY = _VERDICTS[2]


class Encoder:
    """Implements `holdfast_sidecar.engine.answers.Answers`."""

    def check(
        self,
        reason: int,
        level: str,
        granted: int,
        posted: int,
        held: int,
        available: int,
        retry_ms: int,
        mode: int,
        notes: Notes | None = None,
    ) -> bytes:
        """Returns a serialised `CheckResponse`."""
        # Field by field: on the hot path, and a third faster than by keywords.
        answer = pb.CheckResponse()
        answer.verdict = _ALLOW if reason == _OK else _DENY
        answer.reason = _REASONS[reason]
        answer.denied_level = level
        answer.granted_amount = granted
        answer.posted = posted
        answer.held = held
        answer.available = available
        answer.retry_after_ms = retry_ms
        answer.mode = _MODES[mode]
        if notes is not None:
            _add_levels(answer, notes)
            answer.steps.extend(map(_limit_state, notes.steps))
            if notes.feature_value is not None:
                answer.feature_value.CopyFrom(feature_value_message(notes.feature_value))
            answer.rated_amount = notes.rated_amount
        return answer.SerializeToString()

    def reserve(
        self,
        reason: int,
        level: str,
        granted: int,
        posted: int,
        held: int,
        available: int,
        retry_ms: int,
        mode: int,
        remaining_ttl_ms: int,
        retention_ms: int,
        unleased: int,
        notes: Notes | None = None,
    ) -> bytes:
        """Returns a serialised `ReserveResponse`."""
        # Field by field: on the hot path, and a third faster than by keywords.
        answer = pb.ReserveResponse()
        answer.verdict = _ALLOW if reason == _OK else _DENY
        answer.reason = _REASONS[reason]
        answer.denied_level = level
        answer.granted_amount = granted
        answer.posted = posted
        answer.held = held
        answer.available = available
        answer.retry_after_ms = retry_ms
        answer.mode = _MODES[mode]
        answer.remaining_ttl_ms = remaining_ttl_ms
        answer.retention_ms = retention_ms
        if unleased:
            answer.unleased_amount = unleased
        if notes is not None:
            _add_levels(answer, notes)
            answer.rated_amount = notes.rated_amount
        return answer.SerializeToString()

    def extend(
        self,
        reason: int,
        level: str,
        added: int,
        hold_amount: int,
        posted: int,
        held: int,
        available: int,
        retry_ms: int,
        mode: int,
        remaining_ttl_ms: int,
        retention_ms: int,
        unleased: int,
        notes: Notes | None = None,
    ) -> bytes:
        """Returns a serialised `ExtendResponse`."""
        answer = pb.ExtendResponse(
            verdict=_ALLOW if reason == _OK else _DENY,
            reason=_REASONS[reason],
            denied_level=level,
            added_amount=added,
            hold_amount=hold_amount,
            posted=posted,
            held=held,
            available=available,
            retry_after_ms=retry_ms,
            mode=_MODES[mode],
            remaining_ttl_ms=remaining_ttl_ms,
            retention_ms=retention_ms,
            unleased_amount=unleased,
        )
        if notes is not None:
            _add_levels(answer, notes)
            answer.returned_amount = notes.returned_amount
        return answer.SerializeToString()

    def settle(
        self,
        debited: int,
        returned: int,
        hold_amount: int,
        late: bool,
        over_hold: int,
        posted: int,
        held: int,
        available: int,
        mode: int,
        remaining_ttl_ms: int,
        retention_ms: int,
    ) -> bytes:
        """Returns a serialised `SettleResponse`."""
        # Field by field: on the hot path, and a third faster than by keywords.
        answer = pb.SettleResponse()
        answer.debited_amount = debited
        answer.returned_amount = returned
        answer.hold_amount = hold_amount
        answer.late = late
        answer.over_hold_amount = over_hold
        answer.posted = posted
        answer.held = held
        answer.available = available
        answer.mode = _MODES[mode]
        answer.remaining_ttl_ms = remaining_ttl_ms
        answer.retention_ms = retention_ms
        return answer.SerializeToString()

    def release(
        self,
        returned: int,
        posted: int,
        held: int,
        available: int,
        mode: int,
        retention_ms: int,
    ) -> bytes:
        """Returns a serialised `ReleaseResponse`."""
        return pb.ReleaseResponse(
            returned_amount=returned,
            posted=posted,
            held=held,
            available=available,
            mode=_MODES[mode],
            retention_ms=retention_ms,
        ).SerializeToString()

    def charge(
        self,
        reason: int,
        level: str,
        debited: int,
        posted: int,
        held: int,
        available: int,
        retry_ms: int,
        mode: int,
        counter_total: int,
        retention_ms: int,
        unleased: int,
        notes: Notes | None = None,
    ) -> bytes:
        """Returns a serialised `ChargeResponse`."""
        answer = pb.ChargeResponse(
            verdict=_ALLOW if reason == _OK else _DENY,
            reason=_REASONS[reason],
            denied_level=level,
            debited_amount=debited,
            posted=posted,
            held=held,
            available=available,
            retry_after_ms=retry_ms,
            mode=_MODES[mode],
            counter_total=counter_total,
            retention_ms=retention_ms,
            unleased_amount=unleased,
        )
        if notes is not None:
            _add_levels(answer, notes)
        return answer.SerializeToString()

    def report(self, charge: bytes, quantity: int, late: bool) -> bytes:
        """Returns a serialised `ReportUsageResponse`."""
        beside = usage_service_pb2.ReportUsageResponse(quantity=quantity, late=late).SerializeToString()
        return embedded(_REPORT_CHARGE_FIELD, charge) + beside

    def report_events(self, accepted_count: int, duplicate_count: int, rejected: Sequence[Rejected]) -> bytes:
        """Returns a serialised `ReportEventsResponse`."""
        answer = usage_service_pb2.ReportEventsResponse(accepted_count=accepted_count, duplicate_count=duplicate_count)
        answer.results.extend(map(_event_result, rejected))
        return answer.SerializeToString()

    def void_events(self, accepted_count: int, rejected: Sequence[Rejected]) -> bytes:
        """Returns a serialised `VoidEventsResponse`."""
        answer = usage_service_pb2.VoidEventsResponse(accepted_count=accepted_count)
        answer.results.extend(map(_event_result, rejected))
        return answer.SerializeToString()

    def balance(
        self,
        pool: Pool,
        posted: int,
        available: int,
        lease_left: int,
        lease_remaining_ms: int,
        allowance_left: int,
        allowance_remaining_ms: int,
        mode: int,
    ) -> bytes:
        """Returns a serialised `GetBalanceResponse`."""
        return pb.GetBalanceResponse(
            pool_id=pool.pool_id,
            currency=pool.currency,
            posted=posted,
            held=pool.held,
            available=available,
            lease_left=lease_left,
            lease_remaining_ms=lease_remaining_ms,
            unposted=pool.consumed_total - pool.posted_total,
            hold_count=pool.hold_count,
            mode=_MODES[mode],
            policy=decision_pb2.Policy(
                enforcement=_ENFORCEMENTS[pool.enforcement],
                overdraft_limit=pool.overdraft_limit,
                partition_mode=_PARTITION_MODES[pool.partition_mode],
                partition_after_ms=pool.partition_after_ms,
                shadow=pool.shadow,
            ),
            allowance_left=allowance_left,
            allowance_used=pool.allowance_consumed_total + pool.allowance_held,
            allowance_remaining_ms=allowance_remaining_ms,
            overdraft_bound=pool.pool_overdraft_bound,
        ).SerializeToString()

    def holds(self, holds: Sequence[Hold], now_ns: int, next_page_token: str) -> bytes:
        """Returns a serialised `ListHoldsResponse`."""
        return pb.ListHoldsResponse(
            holds=[
                pb.Hold(
                    hold_id=hold.hold_id,
                    pool_id=hold.pool.pool_id,
                    amount=hold.amount,
                    settled_amount=hold.settled_amount,
                    remaining_ttl_ms=ms_until(hold.deadline_ns, now_ns),
                    subject=hold.subject,
                    dimensions=dict(hold.dimensions),
                    parent_hold_id="" if hold.parent is None else hold.parent.hold_id,
                )
                for hold in holds
            ],
            next_page_token=next_page_token,
        ).SerializeToString()


def _add_levels(
    answer: pb.CheckResponse | pb.ReserveResponse | pb.ExtendResponse | pb.ChargeResponse, notes: Notes
) -> None:
    if notes.denied_by is not None:
        answer.denied_by.CopyFrom(_limit_state(notes.denied_by))
    if notes.shadow_denials:
        answer.shadow_denials.extend(map(_limit_state, notes.shadow_denials))


def _limit_state(level: Level) -> decision_pb2.LimitState:
    return decision_pb2.LimitState(
        level=level.name,
        subject=level.subject,
        reason=_REASONS[level.reason],
        limit_amount=level.limit_amount,
        used_amount=level.used_amount,
        held_amount=level.held_amount,
        left_amount=level.left_amount,
        resets_at_unix_ms=level.resets_at_unix_ms,
        retry_after_ms=level.retry_after_ms,
        shadow=level.shadow,
    )


def operation_error(fault: Fault) -> bytes:
    """Returns a serialised `OperationError`."""
    return pb.OperationError(
        code=fault.code.value, reason=fault.reason, message=fault.message, metadata=dict(fault.metadata)
    ).SerializeToString()


def _event_result(rejected: Rejected) -> usage_service_pb2.EventResult:
    return usage_service_pb2.EventResult(
        index=rejected.place,
        outcome=_EVENT_OUTCOMES[rejected.outcome],
        field=rejected.field,
        message=rejected.message,
    )
