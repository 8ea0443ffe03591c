"""The engine's numbers are those of the protos."""

from enum import IntEnum

import pytest
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from holdfast.v1 import decision_pb2
from holdfast_sidecar.engine.events import LeaseStatus
from holdfast_sidecar.engine.state import Kind
from holdfast_sidecar.engine.verdicts import Mode, Reason


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
        assert fields == {kind.name: kind.value for kind in Kind}


def test_lease_statuses_agree() -> None:
    from holdfast.v1 import ledger_sync_service_pb2

    theirs = {n.removeprefix("LEASE_STATUS_"): v for n, v in ledger_sync_service_pb2.LeaseStatus.items() if v}
    assert {member.name: member.value for member in LeaseStatus} == theirs


def test_tables_of_the_encoder_start_at_zero() -> None:
    for enum in (decision_pb2.Reason, decision_pb2.Mode, decision_pb2.Enforcement, decision_pb2.PartitionMode):
        assert list(enum.values()) == list(range(len(enum.values())))
