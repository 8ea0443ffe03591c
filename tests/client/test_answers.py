"""Answers of a sidecar that is newer than this client, or that contradicts the contract."""

from collections.abc import Callable
from typing import Any

import holdfast
import pytest
from holdfast import operations
from holdfast.answers import expect, read_answer, read_balance, read_results
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
