"""What may stand in a request: all of it gets to the engine, and each thing that may not is named by its field."""

import pytest
from google.protobuf.message import Message
from holdfast.v1 import decision_pb2
from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast_rating.meters import Meter
from holdfast_sidecar.dispatcher.decode import Decoder
from holdfast_sidecar.dispatcher.invalid import Invalid
from holdfast_sidecar.engine.operations import Required

DECODER = Decoder(max_hold_ttl_ms=1_000, max_operations=256)
USED = {"output": 7, "cached_input": 0, "input": 2**63 - 1}
SORTED_USED = (("cached_input", 0), ("input", 2**63 - 1), ("output", 7))
FEATURE = decision_pb2.RequiredFeature(feature="f" * 128, quantity=3, choice="pro")


@pytest.mark.parametrize(("asked", "given"), [(0, 100), (7, 7), (1_000, 1_000)])
def test_a_page_is_as_large_as_asked_for(asked: int, given: int) -> None:
    request = pb.ListHoldsRequest(account_id="acme", page_size=asked)
    assert Decoder(1_000, 256).list_holds(request).page_size == given


@pytest.mark.parametrize("asked", [0, 50, 51, 1_000])
def test_a_page_is_never_larger_than_the_setting(asked: int) -> None:
    request = pb.ListHoldsRequest(account_id="acme", page_size=asked)
    assert Decoder(1_000, 256, max_list_page=50).list_holds(request).page_size == 50


def test_the_longest_time_to_live_is_the_settings() -> None:
    decoder = Decoder(1_000, 256)
    request = pb.ReserveRequest(operation_id="a", account_id="acme", amount=1, ttl_ms=1_000)
    assert decoder.reserve(request).ttl_ms == 1_000
    request.ttl_ms = 1_001
    with pytest.raises(Invalid, match="ttl_ms"):
        decoder.reserve(request)


def test_an_execute_has_no_more_operations_than_the_setting() -> None:
    check = pb.Operation(check=pb.CheckRequest(account_id="acme"))
    assert len(Decoder(1_000, 2).execute(pb.ExecuteRequest(operations=[check] * 2))[0]) == 2
    with pytest.raises(Invalid, match="operations"):
        Decoder(1_000, 2).execute(pb.ExecuteRequest(operations=[check] * 3))


def check(**values: object) -> pb.CheckRequest:
    return pb.CheckRequest(account_id="acme", **values)  # type: ignore[arg-type]


def reserve(**values: object) -> pb.ReserveRequest:
    return pb.ReserveRequest(operation_id="a", account_id="acme", **values)  # type: ignore[arg-type]


def extend(**values: object) -> pb.ExtendRequest:
    return pb.ExtendRequest(operation_id="a", account_id="acme", hold_id="h", **values)  # type: ignore[arg-type]


def settle(**values: object) -> pb.SettleRequest:
    return pb.SettleRequest(operation_id="a", account_id="acme", hold_id="h", **values)  # type: ignore[arg-type]


def charge(**values: object) -> pb.ChargeRequest:
    return pb.ChargeRequest(operation_id="a", account_id="acme", **values)  # type: ignore[arg-type]


def test_check_and_reserve_carry_all_that_decides() -> None:
    terms = {"quantities": USED, "required_feature": FEATURE, "parent_hold_id": "run", "max_output_tokens": 2**31 - 1}
    for operation in (DECODER.check(check(**terms, explain=True)), DECODER.reserve(reserve(**terms))):
        assert operation.amount == 0
        assert operation.quantities == SORTED_USED
        assert operation.required == Required("f" * 128, 3, "pro")
        assert operation.parent_hold_id == "run"
        assert operation.max_output_tokens == 2**31 - 1
    assert DECODER.check(check(explain=True)).explain
    assert not DECODER.check(check()).explain


def test_what_is_not_said_is_at_its_default() -> None:
    for operation in (DECODER.check(check(amount=1)), DECODER.reserve(reserve(amount=1))):
        assert (operation.quantities, operation.required) == ((), None)
        assert (operation.parent_hold_id, operation.max_output_tokens) == ("", 0)
    assert DECODER.charge(charge(delta=1)).required is None


def test_an_amount_may_come_with_quantities() -> None:
    """They then count for rate limits, or are learned from."""
    operation = DECODER.reserve(reserve(amount=5, min_amount=2, quantities=USED))
    assert (operation.amount, operation.min_amount, operation.quantities) == (5, 2, SORTED_USED)
    added = DECODER.extend(extend(add_amount=5, quantities=USED))
    assert (added.add_amount, added.quantities) == (5, SORTED_USED)
    settled = DECODER.settle(settle(amount=5, quantities=USED, cut_short=True))
    assert (settled.amount, settled.quantities, settled.cut_short) == (5, SORTED_USED, True)


def test_less_of_what_is_yet_to_be_rated_may_be_of_use() -> None:
    assert DECODER.check(check(min_amount=9, quantities=USED)).min_amount == 9
    assert DECODER.reserve(reserve(min_amount=9, quantities=USED)).min_amount == 9
    assert DECODER.extend(extend(min_add_amount=9, quantities=USED)).min_add_amount == 9


def test_a_settle_may_come_without_an_amount() -> None:
    assert DECODER.settle(settle(quantities=USED)).quantities == SORTED_USED
    settled = DECODER.settle(settle())
    assert (settled.amount, settled.quantities, settled.cut_short) == (0, (), False)


def test_an_extend_takes_each_of_its_forms() -> None:
    assert DECODER.extend(extend(return_amount=9, ttl_ms=5)).return_amount == 9
    assert DECODER.extend(extend(quantities=USED)).quantities == SORTED_USED
    passed = DECODER.extend(extend(passed_quantities=USED, ttl_ms=5))
    assert (passed.passed_quantities, passed.quantities, passed.add_amount) == (SORTED_USED, (), 0)


def test_a_charge_may_be_of_quantities() -> None:
    operation = DECODER.charge(charge(quantities=pb.Quantities(by_meter=USED), required_feature=FEATURE))
    assert (operation.delta, operation.counter_id, operation.quantities) == (0, "", SORTED_USED)
    assert operation.required == Required("f" * 128, 3, "pro")


def test_every_meter_is_known() -> None:
    every = {meter.value: 1 for meter in Meter}
    assert len(DECODER.settle(settle(quantities=every)).quantities) == len(Meter) == 8


MISTAKES: list[tuple[Message, str]] = [
    (reserve(), "amount"),
    (reserve(amount=-1, quantities=USED), "amount"),
    (check(min_amount=1), "min_amount"),
    (reserve(amount=1, min_amount=2, quantities=USED), "min_amount"),
    (extend(), "add_amount"),
    (extend(add_amount=1, min_add_amount=2, quantities=USED), "min_add_amount"),
    (extend(passed_quantities=USED, min_add_amount=2), "min_add_amount"),
    (extend(return_amount=-1), "return_amount"),
    (extend(return_amount=1, add_amount=1), "return_amount"),
    (extend(return_amount=1, quantities=USED), "return_amount"),
    (extend(return_amount=1, passed_quantities=USED), "return_amount"),
    (extend(passed_quantities=USED, add_amount=1), "passed_quantities"),
    (extend(passed_quantities=USED, quantities=USED), "passed_quantities"),
    (extend(passed_quantities={"smell": 1}), "passed_quantities[smell]"),
    (extend(passed_quantities={"input": -1}), "passed_quantities[input]"),
    (settle(amount=-1), "amount"),
    (charge(), "usage"),
    (charge(quantities=pb.Quantities()), "quantities.by_meter"),
    (charge(quantities=pb.Quantities(by_meter={"smell": 1})), "quantities.by_meter[smell]"),
    (charge(quantities=pb.Quantities(by_meter={"input": -1})), "quantities.by_meter[input]"),
    *[
        (make(amount=1, **wrong), field)
        for make in (check, reserve)
        for wrong, field in (
            ({"parent_hold_id": "h" * 129}, "parent_hold_id"),
            ({"parent_hold_id": "h\n"}, "parent_hold_id"),
            ({"max_output_tokens": 5}, "max_output_tokens"),
            ({"max_output_tokens": -1, "quantities": USED}, "max_output_tokens"),
            ({"max_output_tokens": 2**31, "quantities": USED}, "max_output_tokens"),
        )
    ],
    *[
        (make(**{**usual, **wrong}), field)
        for make, usual in ((check, {}), (reserve, {"amount": 1}), (extend, {}), (settle, {}))
        for wrong, field in (
            ({"quantities": {"smell": 1}}, "quantities[smell]"),
            ({"quantities": {"": 1}}, "quantities[]"),
            ({"quantities": {"input": -1}}, "quantities[input]"),
            ({"quantities": {f"meter-{number}": 1 for number in range(9)}}, "quantities"),
        )
    ],
    *[
        (make(**usual, required_feature=decision_pb2.RequiredFeature(**wrong)), f"required_feature.{field}")
        for make, usual in ((check, {}), (reserve, {"amount": 1}), (charge, {"delta": 1}))
        for wrong, field in (
            ({}, "feature"),
            ({"feature": "f" * 129}, "feature"),
            ({"feature": "f\0"}, "feature"),
            ({"feature": "f", "quantity": -1}, "quantity"),
            ({"feature": "f", "choice": "c" * 129}, "choice"),
        )
    ],
]


@pytest.mark.parametrize(("request_", "field"), MISTAKES, ids=[f"{type(m).__name__}-{f}" for m, f in MISTAKES])
def test_each_mistake_is_named(request_: Message, field: str) -> None:
    kind = type(request_).__name__.removesuffix("Request").lower()
    with pytest.raises(Invalid) as mistake:
        getattr(DECODER, kind)(request_)
    assert mistake.value.field == field
