"""Answers of a sidecar that is newer than this client, or that contradicts the contract."""

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import holdfast
import pytest
from holdfast import operations
from holdfast.answers import expect, read_answer, read_balance, read_hold, read_results
from holdfast.v1 import decision_pb2
from holdfast.v1 import enforcement_service_pb2 as pb


def test_a_reason_of_a_newer_sidecar_is_taken() -> None:
    """The verdict counts; an unknown reason or mode must not break the caller."""
    newer: dict[str, Any] = {"verdict": 2, "reason": 77, "mode": 9}
    answer = read_answer("reserve", pb.ReserveResponse(**newer))
    assert isinstance(answer, holdfast.Reserved)
    assert (answer.allowed, answer.reason, answer.mode) == (
        False,
        holdfast.Reason.UNRECOGNIZED,
        holdfast.Mode.UNRECOGNIZED,
    )


@pytest.mark.parametrize(
    ("kind", "message"),
    [("reserve", pb.ReserveResponse), ("extend", pb.ExtendResponse), ("charge", pb.ChargeResponse)],
)
def test_what_a_cut_off_host_lets_through_is_told(kind: str, message: Callable[..., object]) -> None:
    answer: Any = read_answer(kind, message(verdict="VERDICT_ALLOW", reason="REASON_OK", unleased_amount=7))
    assert answer.unleased_amount == 7


def test_a_balance_tells_the_allowance_and_the_bound() -> None:
    policy: Any = {"enforcement": 1, "partition_mode": 2}
    figures: Any = {"allowance_left": 1, "allowance_used": 2, "allowance_remaining_ms": 3, "overdraft_bound": 4}
    balance = read_balance(pb.GetBalanceResponse(mode="MODE_PARTITIONED", policy=policy, **figures))
    assert balance.policy.partition_mode is holdfast.PartitionMode.ALLOWANCE
    assert {name: getattr(balance, name) for name in figures} == figures


@pytest.mark.parametrize("verdict", [0, 3])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("check", pb.CheckResponse),
        ("reserve", pb.ReserveResponse),
        ("extend", pb.ExtendResponse),
        ("charge", pb.ChargeResponse),
    ],
)
def test_no_verdict_is_no_permission(kind: str, message: type, verdict: int) -> None:
    with pytest.raises(holdfast.Internal):
        read_answer(kind, message(verdict=verdict, reason=1, available=5))


def test_the_answer_to_another_question_is_refused() -> None:
    released = read_answer("release", pb.ReleaseResponse())
    with pytest.raises(holdfast.Internal, match="asked for Settled, answered Released"):
        expect(released, holdfast.Settled)


def test_a_missing_result_is_refused() -> None:
    with pytest.raises(holdfast.Internal, match="0 results for 1"):
        read_results([operations.check("acme")], [])


@pytest.mark.parametrize("reason", [holdfast.Reason.NO_ANSWER, holdfast.Reason.UNRECOGNIZED])
def test_this_clients_own_reasons_never_come_from_the_wire(reason: holdfast.Reason) -> None:
    numbers: Any = range(40)
    messages = [pb.CheckResponse(verdict="VERDICT_DENY", reason=number) for number in numbers]
    received = {expect(read_answer("check", message), holdfast.Checked).reason for message in messages}
    assert (reason in received) == (reason is holdfast.Reason.UNRECOGNIZED)


def test_every_reason_of_the_contract_has_its_name() -> None:
    """Numbers are positions here: a reason added in the middle would be told as another one."""
    for name, _ in decision_pb2.Reason.items():
        answer = expect(read_answer("check", pb.CheckResponse(verdict="VERDICT_DENY", reason=name)), holdfast.Checked)
        assert f"REASON_{answer.reason}" == name


BUDGET: Any = {
    "level": "budget/team-month",
    "subject": "research",
    "reason": "REASON_BUDGET_EXCEEDED",
    "limit_amount": 100,
    "used_amount": 60,
    "held_amount": 28,
    "left_amount": 12,
    "resets_at_unix_ms": 1_798_761_600_500,
    "retry_after_ms": 2_500,
}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("check", pb.CheckResponse),
        ("reserve", pb.ReserveResponse),
        ("extend", pb.ExtendResponse),
        ("charge", pb.ChargeResponse),
    ],
)
def test_a_denial_tells_the_level_and_its_figures(kind: str, message: Callable[..., object]) -> None:
    shadow: Any = {"level": "rate_limit/rpm", "reason": "REASON_RATE_LIMITED", "shadow": True}
    denial = message(verdict="VERDICT_DENY", reason="REASON_BUDGET_EXCEEDED", denied_by=BUDGET, shadow_denials=[shadow])
    answer: Any = read_answer(kind, denial)
    by = answer.denied_by
    assert {name: getattr(by, name) for name in BUDGET if name != "reason"} | {"reason": BUDGET["reason"]} == BUDGET
    assert by.reason is answer.reason is holdfast.Reason.BUDGET_EXCEEDED
    assert (by.resets_at, by.retry_after) == (datetime(2027, 1, 1, 0, 0, 0, 500_000, UTC), 2.5)
    (would_have,) = answer.shadow_denials
    assert (would_have.level, would_have.shadow, would_have.resets_at) == ("rate_limit/rpm", True, None)


def test_a_denial_in_words_names_level_and_figures() -> None:
    answer: Any = read_answer(
        "check", pb.CheckResponse(verdict="VERDICT_DENY", reason="REASON_BUDGET_EXCEEDED", denied_by=BUDGET)
    )
    denied = holdfast.Denied(answer)
    assert str(denied) == "denied by budget/team-month of research: 12 left of 100 (BUDGET_EXCEEDED)"
    assert denied.denied_by == answer.denied_by
    assert pickle.loads(pickle.dumps(denied)).denied_by == answer.denied_by


def test_an_explained_check_lists_the_waterfall() -> None:
    steps: Any = [{"level": "rate_limit/rpm", "reason": 1}, {"level": "pool/general", "reason": 5}]
    message = pb.CheckResponse(
        verdict="VERDICT_DENY", reason="REASON_INSUFFICIENT_BALANCE", steps=steps, rated_amount=7
    )
    answer = expect(read_answer("check", message), holdfast.Checked)
    assert [(step.level, step.reason) for step in answer.steps] == [
        ("rate_limit/rpm", holdfast.Reason.OK),
        ("pool/general", holdfast.Reason.INSUFFICIENT_BALANCE),
    ]
    assert (answer.rated_amount, answer.denied_by, answer.shadow_denials) == (7, None, ())


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({}, None),
        ({"enabled": False}, False),
        ({"maximum": 0}, 0),
        ({"choices": {"values": ["eu", "us"]}}, ("eu", "us")),
    ],
)
def test_a_features_value_is_of_its_kind(value: Any, read: holdfast.FeatureValue | None) -> None:
    answer = expect(
        read_answer("check", pb.CheckResponse(verdict="VERDICT_ALLOW", feature_value=value)), holdfast.Checked
    )
    assert answer.feature_value == read
    assert type(answer.feature_value) is type(read)


def test_a_balance_tells_shadow_mode_and_a_hold_its_parent() -> None:
    assert read_balance(pb.GetBalanceResponse(policy={"shadow": True})).policy.shadow
    assert read_hold(pb.Hold(hold_id="h", parent_hold_id="p")).parent_hold_id == "p"
