"""What is spliced by hand is what protobuf would have made."""

from typing import Any

from google.protobuf.message import Message
from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast_sidecar.dispatcher import framing
from holdfast_sidecar.engine.operations import (
    Charge,
    Check,
    Extend,
    Fault,
    FaultCode,
    Operation,
    Release,
    Reserve,
    Settle,
)
from holdfast_sidecar.varint import varint
from hypothesis import given
from hypothesis import strategies as st

ANSWERS: dict[type[Operation], tuple[str, Message]] = {
    Check: ("check", pb.CheckResponse(granted_amount=7)),
    Reserve: ("reserve", pb.ReserveResponse(granted_amount=1 << 62, denied_level="x" * 300)),
    Extend: ("extend", pb.ExtendResponse(added_amount=3)),
    Settle: ("settle", pb.SettleResponse(debited_amount=9, late=True)),
    Release: ("release", pb.ReleaseResponse(returned_amount=-1)),
    Charge: ("charge", pb.ChargeResponse()),
}
FAULT = Fault(FaultCode.NOT_FOUND, "HOLD_NOT_FOUND", "no such hold", (("hold_id", "h"),))


def operation(kind: Any) -> Operation:
    made: Operation = kind(*[""] * len(kind.__slots__))
    return made


@given(st.lists(st.sampled_from([*ANSWERS, None]), max_size=20), st.integers(0, 2**64 - 1))
def test_spliced_answers_parse_as_what_they_are(kinds: list[type[Operation] | None], message_id: int) -> None:
    operations = [operation(kind or Release) for kind in kinds]
    results = [FAULT if kind is None else ANSWERS[kind][1].SerializeToString() for kind in kinds]
    expected = pb.ExecuteResponse()
    for kind in kinds:
        if kind is None:
            error = pb.OperationError(
                code=5, reason="HOLD_NOT_FOUND", message="no such hold", metadata={"hold_id": "h"}
            )
            expected.results.add(error=error)
        else:
            name, answer = ANSWERS[kind]
            expected.results.add(**{name: answer})
    spliced = framing.execute_response(operations, results)
    assert pb.ExecuteResponse.FromString(spliced) == expected
    session = pb.SessionResponse.FromString(framing.session_response(message_id, spliced))
    assert (session.message_id, session.execute) == (message_id, expected)


def test_a_session_error_carries_the_fault() -> None:
    session = pb.SessionResponse.FromString(framing.session_error(300, FAULT))
    assert (session.message_id, session.error.code, session.error.metadata["hold_id"]) == (300, 5, "h")


@given(st.integers(0, 2**64 - 1))
def test_varints_are_those_of_protobuf(value: int) -> None:
    assert varint(8) + varint(value) == (pb.SessionRequest(message_id=value).SerializeToString() or b"\x08\x00")
