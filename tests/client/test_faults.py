"""Faults of the wire: typed errors with their details, bounded retries under one id, and no answer at all."""

import pickle
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import grpc
import holdfast
import pytest
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from grpc import aio
from holdfast.aio.faults import fault_of
from holdfast.core.details import read_details
from holdfast.errors import from_status
from holdfast.v1 import decision_pb2

from tests.client.conftest import Caller, Fault, MakeClient, Sidecar

Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (Code.UNKNOWN, holdfast.Internal, False),
        (Code.INVALID_ARGUMENT, holdfast.InvalidArgument, False),
        (Code.NOT_FOUND, holdfast.NotFound, False),
        (Code.ALREADY_EXISTS, holdfast.AlreadyExists, False),
        (Code.PERMISSION_DENIED, holdfast.PermissionDenied, False),
        (Code.RESOURCE_EXHAUSTED, holdfast.ResourceExhausted, True),
        (Code.FAILED_PRECONDITION, holdfast.FailedPrecondition, False),
        (Code.ABORTED, holdfast.Aborted, False),
        (Code.OUT_OF_RANGE, holdfast.InvalidArgument, False),
        (Code.UNIMPLEMENTED, holdfast.Unimplemented, False),
        (Code.INTERNAL, holdfast.Internal, False),
        (Code.UNAVAILABLE, holdfast.Unavailable, True),
        (Code.DEADLINE_EXCEEDED, holdfast.DeadlineExceeded, True),
        (Code.UNAUTHENTICATED, holdfast.Unauthenticated, False),
    ],
)
def test_a_status_becomes_a_typed_error(
    caller: Caller, sidecar: Sidecar, code: Code, kind: type[holdfast.HoldfastError], retryable: bool
) -> None:
    """Reason and metadata of the ErrorInfo come along, over calls and sessions alike."""
    sidecar.fail("charge", Fault(code, "SOME_REASON", "in words", field="amount"), times=9)
    with pytest.raises(holdfast.HoldfastError) as caught:
        caller.charge("acme", 1)
    error = caught.value
    assert type(error) is kind
    assert error.retryable is retryable
    assert (error.message, error.reason, error.metadata) == ("in words", "SOME_REASON", {"field": "amount"})
    assert error.operation_id == sidecar.seen_of("charge")[0].operation_id
    if isinstance(error, holdfast.InvalidArgument):
        assert error.field == "amount"


def test_a_write_into_a_broken_connection_is_no_answer() -> None:
    """grpc.aio calls it INTERNAL by itself; a session must go on, as after any lost stream."""
    broken = aio.AioRpcError(Code.INTERNAL, aio.Metadata(), aio.Metadata(), details="Internal error from Core")
    told = aio.AioRpcError(Code.INTERNAL, aio.Metadata(), aio.Metadata(), details="the store failed")
    assert type(fault_of(broken, "a-1")) is holdfast.Unavailable
    assert fault_of(broken, "a-1").operation_id == "a-1"
    assert type(fault_of(told)) is holdfast.Internal


def test_a_missing_answer_is_asked_for_again_under_the_same_id(client: holdfast.Client, sidecar: Sidecar) -> None:
    """Whether the lost try had landed or not, there is one debit."""
    sidecar.fail("charge", Fault(Code.UNAVAILABLE, "DRAINING"))
    sidecar.fail("charge", Fault(Code.UNAVAILABLE, "DRAINING"), times=2, after=True)
    assert client.charge("acme", 25).debited_amount == 25
    assert len({charge.operation_id for charge in sidecar.seen_of("charge")}) == 1
    assert len(sidecar.seen) == 4
    assert sidecar.posted["acme"] == 9_999_975
    assert client.statistics().retries == 3
    assert client.statistics().unanswered == 0


@pytest.mark.parametrize("retries", [0, 2])
def test_retries_are_bounded(make_client: MakeClient, sidecar: Sidecar, retries: int) -> None:
    client = make_client(retries=retries)
    sidecar.fail("charge", Fault(Code.UNAVAILABLE, "DRAINING"), times=99)
    with pytest.raises(holdfast.Unavailable):
        client.charge("acme", 25)
    assert len(sidecar.seen) == retries + 1
    assert client.statistics() == holdfast.Statistics(calls=1, retries=retries, unanswered=1)


def test_a_definite_fault_is_not_tried_again(client: holdfast.Client, sidecar: Sidecar) -> None:
    sidecar.fail("charge", Fault(Code.RESOURCE_EXHAUSTED, "MAP_FULL"))
    with pytest.raises(holdfast.ResourceExhausted):
        client.charge("acme", 25)
    assert len(sidecar.seen) == 1


def test_every_call_has_a_deadline(caller: Caller, sidecar: Sidecar) -> None:
    """A sidecar that does not answer is told apart by its own error, which is also an `Unavailable`."""
    sidecar.hold_back("charge")
    with pytest.raises(holdfast.DeadlineExceeded) as caught:
        caller.charge("acme", 1, operation_id="c-9", timeout_ms=60)
    assert caught.value.operation_id == "c-9"
    assert isinstance(caught.value, holdfast.Unavailable)
    sidecar.gate.set()
    assert caller.charge("acme", 1, operation_id="c-9").posted == 9_999_999


def test_nobody_there_is_unavailable(make_client: MakeClient, tmp_path: Path) -> None:
    client = make_client(f"unix:{tmp_path}/none.sock", timeout_ms=5_000)
    with pytest.raises(holdfast.Unavailable) as caught:
        client.check("acme")
    assert type(caught.value) is holdfast.Unavailable  # told at once, not by the deadline


def test_a_restarted_sidecar_is_found_again(client: holdfast.Client, sidecar: Sidecar) -> None:
    client.check("acme")
    sidecar.stop()
    with pytest.raises(holdfast.Unavailable):
        client.check("acme", timeout_ms=50)
    sidecar.start()
    assert client.check("acme")


def test_a_late_start_is_waited_for_in_a_session(make_client: MakeClient, sidecar: Sidecar, tmp_path: Path) -> None:
    """No stream can be opened: after its retries the session says so, and goes on when there is one."""
    sidecar.stop()
    session = make_client().session()
    with pytest.raises(holdfast.Unavailable) as caught:
        session.charge("acme", 1, operation_id="c-3")
    assert caught.value.operation_id == "c-3"
    sidecar.start()
    assert session.charge("acme", 1, operation_id="c-3").debited_amount == 1


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda caller: caller.reserve("acme", 2**63), "amount"),
        (lambda caller: caller.charge("acme", counter="c", total=-(2**64)), "total"),
        (lambda caller: caller.check("\udc80", 1), "account_id"),
        (lambda caller: caller.settle("acme", "h", 1, dimensions={"k": "\udc80"}), "dimensions"),
    ],
)
def test_what_the_wire_cannot_carry_is_refused_here(
    caller: Caller, sidecar: Sidecar, call: Callable[[Caller], object], field: str
) -> None:
    with pytest.raises(holdfast.InvalidArgument) as caught:
        call(caller)
    assert caught.value.field == field
    assert not sidecar.seen


@pytest.mark.parametrize("amount", [1.5, "7", None, float("nan")])
def test_an_amount_is_an_integer(caller: Caller, sidecar: Sidecar, amount: Any) -> None:
    with pytest.raises(TypeError):
        caller.settle("acme", "h", amount)
    assert not sidecar.seen


def test_a_mistyped_argument_is_refused(caller: Caller) -> None:
    with pytest.raises(TypeError, match="ttl"):
        caller.reserve("acme", 1, ttl=5)  # type: ignore[call-arg]  # the type checker refuses it too


def test_the_sidecar_refuses_a_negative_amount(caller: Caller) -> None:
    with pytest.raises(holdfast.InvalidArgument) as caught:
        caller.reserve("acme", -1)
    assert caught.value.field == "amount"


# Without an answer: what was chosen in advance.


@pytest.fixture
def absent(make_client: MakeClient, sidecar: Sidecar) -> holdfast.Client:
    """A client whose sidecar has gone."""
    sidecar.stop()
    return make_client()


def test_deny_denies(absent: holdfast.Client) -> None:
    checked = absent.check("acme", 1, on_unavailable="deny")
    assert (bool(checked), checked.reason) == (False, holdfast.Reason.NO_ANSWER)
    with pytest.raises(holdfast.Denied) as caught:
        absent.reserve("acme", 1, on_unavailable="deny")
    assert caught.value.denial_reason is holdfast.Reason.NO_ANSWER
    assert absent.statistics().denied_unanswered == 2


def test_allow_lets_the_work_go_on_and_its_settle_debits_late(absent: holdfast.Client, sidecar: Sidecar) -> None:
    """The hold was never opened; the settle names the pool, so the money is debited when the sidecar is back."""
    assert absent.check("acme", 3, on_unavailable="allow").granted_amount == 3
    with absent.reserve("acme", 900, on_unavailable="allow", dimensions={"model": "m"}) as hold:
        assert (hold.unconfirmed, hold.amount) == (True, 900)
        assert hold.extend(100, on_unavailable="allow").added_amount == 100
        assert hold.amount == 1_000
        sidecar.start()
        settled = hold.settle(700, timeout_ms=5_000)
    assert (settled.late, settled.debited_amount, sidecar.posted["acme"]) == (True, 700, 9_999_300)
    assert dict(sidecar.seen_of("settle")[0].dimensions) == {"model": "m"}
    assert absent.statistics().allowed_unanswered == 3


def test_allow_holds_what_was_opened_without_our_knowing(make_client: MakeClient, sidecar: Sidecar) -> None:
    """Only the answer was lost: the settle finds the hold by its id and closes it."""
    client = make_client(retries=0, on_unavailable="allow")
    sidecar.fail("reserve", Fault(Code.UNAVAILABLE, "DRAINING"), after=True)
    with client.reserve("acme", 900) as hold:
        assert hold.unconfirmed
        assert not hold.settle(400).late
    assert (sidecar.posted["acme"], sidecar.held()) == (9_999_600, 0)


def test_debits_never_pass_without_an_answer(absent: holdfast.Client) -> None:
    """Whatever was chosen, a charge or a settle that did not reach the sidecar raises."""
    hold = absent.reserve("acme", 900, on_unavailable="allow")
    with pytest.raises(holdfast.Unavailable):
        hold.settle(1)
    with pytest.raises(holdfast.Unavailable):
        absent.charge("acme", 1)


def test_a_denial_is_not_overruled(make_client: MakeClient) -> None:
    with pytest.raises(holdfast.Denied):
        make_client(on_unavailable="allow").reserve("acme", 10_000_001)


# Errors as values.


def test_errors_survive_pickling() -> None:
    """Task queues carry exceptions between processes."""
    error = from_status(9, "closed", reason="HOLD_CLOSED", metadata={"hold_id": "h"}, operation_id="o")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), vars(copy), str(copy)) == (holdfast.HoldClosed, vars(error), "closed (HOLD_CLOSED)")


def test_a_pickled_denial_keeps_its_decision(client: holdfast.Client) -> None:
    with pytest.raises(holdfast.Denied) as caught:
        client.reserve("acme", 10_000_001)
    assert pickle.loads(pickle.dumps(caught.value)).decision == caught.value.decision


@pytest.mark.parametrize("payload", [b"", b"\xff\xff\xff", b"\x1a\x02\x0a\xff"])
def test_unreadable_details_are_no_details(payload: bytes) -> None:
    assert read_details([("other", "x"), ("grpc-status-details-bin", payload)]).reason == ""


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (holdfast.Reason, decision_pb2.Reason, "REASON_"),
        (holdfast.Mode, decision_pb2.Mode, "MODE_"),
        (holdfast.Enforcement, decision_pb2.Enforcement, "ENFORCEMENT_"),
        (holdfast.PartitionMode, decision_pb2.PartitionMode, "PARTITION_MODE_"),
    ],
)
def test_the_enumerations_are_those_of_the_contract(ours: type[Enum], theirs: EnumTypeWrapper, prefix: str) -> None:
    """A new member of the contract is noticed here."""
    own = {member.name for member in ours} - {"NO_ANSWER", "UNRECOGNIZED"}
    assert own | {"UNSPECIFIED"} == {name.removeprefix(prefix) for name in dict(theirs.items())}
