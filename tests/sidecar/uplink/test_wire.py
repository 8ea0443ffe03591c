"""The envelope made by hand is byte for byte what the generated classes make."""

import pytest
from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import ledger_sync_service_pb2 as pb
from holdfast_sidecar.engine.events import LeaseAsk, LeaseState, LeaseStatus, LeaseWant, RulesAsk
from holdfast_sidecar.uplink import wire
from holdfast_sidecar.uplink.limits import UplinkLimits
from holdfast_sidecar.varint import varint
from hypothesis import given
from hypothesis import strategies as st

from tests.sidecar.uplink.host import make_debit


@given(st.lists(st.integers(0, 40_000), min_size=1, max_size=6))
def test_debits_are_spliced_as_the_generated_classes_would(id_lengths: list[int]) -> None:
    debits = [make_debit(number, operation_id="x" * length) for number, length in enumerate(id_lengths, 1)]

    spliced = wire.debits_request(debits)

    batch = pb.DebitBatch(debits=[pb.Debit.FromString(debit) for debit in debits])
    assert spliced == pb.SyncRequest(debits=batch).SerializeToString()


@pytest.mark.parametrize("value", [0, 1, 127, 128, 16_383, 16_384, 2**32, 2**63 - 1])
def test_a_varint_is_read_back_by_protobuf(value: int) -> None:
    ack = pb.DebitAck.FromString(b"\x08" + varint(value))
    assert ack.acked_sequence == value


def test_a_lease_request_carries_every_field_of_its_wants() -> None:
    ask = LeaseAsk(
        7, (LeaseWant("acme", "general", 60, 50, 40, 30, 20, 7, 16, 15, 14, 13, 12), LeaseWant("b", "p", 0, 0, 0, 0, 1))
    )

    request = pb.SyncRequest.FromString(wire.lease_request(ask)).lease_request

    assert request.request_id == 7
    want = request.wants[0]
    assert (want.account_id, want.pool_id) == ("acme", "general")
    assert (want.want_amount, want.need_amount, want.held_amount) == (60, 50, 40)
    assert (want.consumed_total, want.returned_total, want.recall_round) == (30, 20, 7)
    assert (want.granted_total, want.reclaimed_total) == (16, 15)
    assert (want.allowance_granted_total, want.allowance_reclaimed_total, want.allowance_returned_total) == (14, 13, 12)
    assert len(request.wants) == 2


def test_a_rules_request_carries_paths_and_rate_cards() -> None:
    ask = RulesAsk(7, (("acme", "research/ann"), ("other", "")), ("models", "old"))
    request = pb.SyncRequest.FromString(wire.rules_request(ask)).rules_request
    assert request.request_id == 7
    assert [(want.account_id, want.subject) for want in request.wants] == [("acme", "research/ann"), ("other", "")]
    assert list(request.rate_card_ids) == ["models", "old"]
    assert not request.meters_wanted


def test_a_rules_request_may_ask_for_the_meters_alone() -> None:
    request = pb.SyncRequest.FromString(wire.rules_request(RulesAsk(7, (), meters_wanted=True))).rules_request
    assert (request.meters_wanted, len(request.wants), len(request.rate_card_ids)) == (True, 0, 0)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("s" * 128, "s" * 128),
        ("s" * 129, ""),
        ("a/" + "s" * 126, "a/" + "s" * 126),
        ("a/b/" + "s" * 126, "a/b"),
        ("é" * 64 + "/x", "é" * 64),
        ("é" * 65, ""),
        ("a/" * 255 + "b", "a/" * 63 + "a"),
    ],
)
def test_of_a_path_longer_than_any_subject_the_possible_part_is_asked_for(path: str, asked: str) -> None:
    """The ledger would end the stream, again and again, and callers may name what they like."""
    (want,) = pb.SyncRequest.FromString(wire.rules_request(RulesAsk(1, (("acme", path),)))).rules_request.wants
    assert want.subject == asked


def test_the_largest_rules_request_fits_a_message() -> None:
    limits = UplinkLimits()
    paths = tuple(("a" * 128, "s" * 512) for _ in range(limits.rules_want_count))
    ask = RulesAsk(2**63, paths, tuple("c" * 128 for _ in range(limits.rate_card_count)))
    assert len(wire.rules_request(ask)) < limits.send_message_bytes


def test_an_active_lease_carries_every_figure() -> None:
    policy = decision.Policy(
        enforcement=decision.ENFORCEMENT_OPTIMISTIC,
        overdraft_limit=9,
        partition_mode=decision.PARTITION_MODE_FAIL_OPEN,
        partition_after_ms=11,
        shadow=True,
    )
    lease = pb.Lease(
        account_id="acme",
        pool_id="general",
        status=pb.LEASE_STATUS_ACTIVE,
        currency="credits",
        granted_total=1,
        reclaimed_total=2,
        posted_total=3,
        pool_posted=-4,
        pool_free=-5,
        policy=policy,
        recall_round=12,
        recall_amount=13,
        pending=True,
        allowance_granted_total=14,
        allowance_reclaimed_total=15,
        allowance_recall_amount=16,
        pool_overdraft_bound=17,
        returned_total=18,
        allowance_returned_total=19,
        denied=True,
        rules_version=20,
    )

    assert wire.lease_states([lease]) == (
        LeaseState(
            account_id="acme",
            pool_id="general",
            status=LeaseStatus.ACTIVE,
            currency="credits",
            granted_total=1,
            reclaimed_total=2,
            posted_total=3,
            pool_posted=-4,
            pool_free=-5,
            enforcement=2,
            overdraft_limit=9,
            partition_mode=3,
            partition_after_ms=11,
            recall_round=12,
            recall_amount=13,
            pending=True,
            allowance_granted_total=14,
            allowance_reclaimed_total=15,
            allowance_recall_amount=16,
            pool_overdraft_bound=17,
            returned_total=18,
            allowance_returned_total=19,
            denied=True,
            shadow=True,
            rules_version=20,
        ),
    )


def test_a_policy_left_out_is_strict_and_closed() -> None:
    lease = pb.Lease(account_id="a", pool_id="p", status=pb.LEASE_STATUS_ACTIVE)
    (state,) = wire.lease_states([lease])
    assert state.enforcement == decision.ENFORCEMENT_STRICT
    assert state.partition_mode == decision.PARTITION_MODE_FAIL_CLOSED


@pytest.mark.parametrize("status", [0, 99])
def test_a_lease_without_a_known_status_is_refused(status: int) -> None:
    lease = pb.Lease(account_id="a", pool_id="p")
    lease.ParseFromString(lease.SerializeToString() + b"\x18" + varint(status))
    with pytest.raises(wire.BadMessage, match=f"status {status} of pool 'p'"):
        wire.lease_states([lease])
