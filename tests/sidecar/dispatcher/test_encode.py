"""The engine's numbers are those of the protos, and what the levels say gets into the answers."""

from enum import IntEnum

import pytest
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.json_format import MessageToDict
from holdfast.v1 import decision_pb2
from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast_sidecar.dispatcher.encode import Encoder
from holdfast_sidecar.engine.events import LeaseStatus
from holdfast_sidecar.engine.levels import Level, Notes
from holdfast_sidecar.engine.rules import FeatureValue
from holdfast_sidecar.engine.state import Hold, Kind, Pool
from holdfast_sidecar.engine.verdicts import Mode, Reason

ENCODER = Encoder()
BUDGET = Level("budget/team", "research", Reason.BUDGET_EXCEEDED, 100, 60, 30, 10, 1_700_000_000_000, 5_000)
RATE = Level("rate_limit/r", "research/ann", Reason.RATE_LIMITED, 10, 9, 0, 1, retry_after_ms=250, shadow=True)
POOL = Level("pool/general", "", Reason.OK, 1_000, 10, 20, 970)
BUDGET_STATE = decision_pb2.LimitState(
    level="budget/team",
    subject="research",
    reason=decision_pb2.REASON_BUDGET_EXCEEDED,
    limit_amount=100,
    used_amount=60,
    held_amount=30,
    left_amount=10,
    resets_at_unix_ms=1_700_000_000_000,
    retry_after_ms=5_000,
)
RATE_STATE = decision_pb2.LimitState(
    level="rate_limit/r",
    subject="research/ann",
    reason=decision_pb2.REASON_RATE_LIMITED,
    limit_amount=10,
    used_amount=9,
    left_amount=1,
    retry_after_ms=250,
    shadow=True,
)
POOL_STATE = decision_pb2.LimitState(
    level="pool/general",
    reason=decision_pb2.REASON_OK,
    limit_amount=1_000,
    used_amount=10,
    held_amount=20,
    left_amount=970,
)


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [(Reason, decision_pb2.Reason, "REASON_"), (Mode, decision_pb2.Mode, "MODE_")],
)
def test_enums_agree(ours: type[IntEnum], theirs: EnumTypeWrapper, prefix: str) -> None:
    named = {name.removeprefix(prefix): value for name, value in theirs.items() if value}
    assert {member.name: member.value for member in ours} == named


def test_kinds_are_the_fields_of_operation() -> None:
    from holdfast.v1.enforcement_service_pb2 import Operation, OperationResult

    for message in (Operation, OperationResult):
        fields = {field.name.upper(): field.number for field in message.DESCRIPTOR.fields if field.name != "error"}
        assert fields == {kind.name: kind.value for kind in Kind if kind is not Kind.REPORT}
        assert Kind.REPORT not in fields.values()


def test_lease_statuses_agree() -> None:
    from holdfast.v1 import ledger_sync_service_pb2

    theirs = {n.removeprefix("LEASE_STATUS_"): v for n, v in ledger_sync_service_pb2.LeaseStatus.items() if v}
    assert {member.name: member.value for member in LeaseStatus} == theirs


def test_tables_of_the_encoder_start_at_zero() -> None:
    for enum in (decision_pb2.Reason, decision_pb2.Mode, decision_pb2.Enforcement, decision_pb2.PartitionMode):
        assert list(enum.values()) == list(range(len(enum.values())))


def test_check_tells_all_that_the_levels_say() -> None:
    notes = Notes(BUDGET, (RATE,), (POOL, BUDGET), 7, rated_amount=42)
    plain = (Reason.BUDGET_EXCEEDED, "budget/team", 0, 1, 2, 3, 5_000, Mode.CONNECTED)
    answer = pb.CheckResponse.FromString(ENCODER.check(*plain, notes))
    assert answer.denied_by == BUDGET_STATE
    assert list(answer.shadow_denials) == [RATE_STATE]
    assert list(answer.steps) == [POOL_STATE, BUDGET_STATE]
    assert answer.feature_value == decision_pb2.FeatureValue(maximum=7)
    assert answer.rated_amount == 42
    assert (answer.verdict, answer.denied_level, answer.available) == (decision_pb2.VERDICT_DENY, "budget/team", 3)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, {"enabled": True}),
        (False, {"enabled": False}),
        (0, {"maximum": "0"}),
        (("gpt", "claude"), {"choices": {"values": ["gpt", "claude"]}}),
    ],
)
def test_a_feature_is_told_as_what_it_is(value: FeatureValue, expected: dict[str, object]) -> None:
    plain = (Reason.OK, "", 1, 1, 2, 3, 0, Mode.CONNECTED)
    answer = pb.CheckResponse.FromString(ENCODER.check(*plain, Notes(feature_value=value)))
    assert MessageToDict(answer.feature_value) == expected


def test_a_feature_that_the_plan_does_not_have_is_unset() -> None:
    plain = (Reason.OK, "", 1, 1, 2, 3, 0, Mode.CONNECTED)
    assert not pb.CheckResponse.FromString(ENCODER.check(*plain, Notes())).HasField("feature_value")


def test_reserve_extend_and_charge_tell_which_level_denied_and_what_it_came_to() -> None:
    notes = Notes(BUDGET, (RATE, RATE), rated_amount=42, returned_amount=17)
    head = (Reason.BUDGET_EXCEEDED, "budget/team")
    reserve = pb.ReserveResponse.FromString(ENCODER.reserve(*head, 0, 1, 2, 3, 0, Mode.CONNECTED, 0, 600, 0, notes))
    extend = pb.ExtendResponse.FromString(ENCODER.extend(*head, 0, 9, 1, 2, 3, 0, Mode.CONNECTED, 0, 600, 0, notes))
    charge = pb.ChargeResponse.FromString(ENCODER.charge(*head, 0, 1, 2, 3, 0, Mode.CONNECTED, 0, 600, 0, notes))
    for answer in (reserve, extend, charge):
        assert answer.denied_by == BUDGET_STATE
        assert list(answer.shadow_denials) == [RATE_STATE, RATE_STATE]
        assert answer.retention_ms == 600
    assert reserve.rated_amount == 42
    assert extend.returned_amount == 17


def test_without_notes_nothing_is_said_of_levels() -> None:
    answer = ENCODER.reserve(Reason.OK, "", 5, 1, 2, 3, 0, Mode.CONNECTED, 9, 600, 0)
    assert answer == ENCODER.reserve(Reason.OK, "", 5, 1, 2, 3, 0, Mode.CONNECTED, 9, 600, 0, Notes())
    assert not pb.ReserveResponse.FromString(answer).HasField("denied_by")


def test_a_nested_hold_names_the_one_around_it() -> None:
    pool = Pool("acme", "general", shadow=True)
    parent = Hold(1, "run", pool, 100, 0, 10, 10, "", ())
    child = Hold(2, "step", pool, 40, 0, 10, 10, "", (), parent=parent)
    answer = pb.ListHoldsResponse.FromString(ENCODER.holds([parent, child], 0, ""))
    assert [hold.parent_hold_id for hold in answer.holds] == ["", "run"]
    balance = pb.GetBalanceResponse.FromString(ENCODER.balance(pool, 0, 0, 0, 0, 0, 0, Mode.CONNECTED))
    assert balance.policy.shadow
