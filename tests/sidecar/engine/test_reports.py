"""Reports of usage: a charge whose answer says what was counted, by amounts or by a meter of the rate card."""

from typing import Any

import pytest
from holdfast.v1 import decision_pb2 as decision
from holdfast.v1.ledger_sync_service_pb2 import Debit
from holdfast_sidecar.engine.operations import Fault, FaultCode, Refused
from holdfast_sidecar.engine.settings import EngineSettings

from tests.sidecar.engine.harness import Host, Ledger, RateUnit, balance, charge, rate, report
from tests.sidecar.engine.rate_cards import TERMS, card_content

KEY = ("acme", "general")
CHAT = {"model": "gpt-5"}
"""An input token is 3 minor units, an output token 12."""


def host_with(amount: int = 1_000, **terms: Any) -> Host:
    ledger = Ledger()
    ledger.create(KEY, amount)
    ledger.govern(terms=TERMS, **terms)
    ledger.rate_cards = (card_content(),)
    return Host(ledger, EngineSettings(lease_wait_ms=250))


def debits_of(host: Host) -> list[tuple[int, dict[str, int], bool]]:
    kept = [Debit.FromString(data) for _, data in host.store.read_debits(0, 1_000, 1 << 30)]
    return [(debit.amount, dict(debit.quantities), debit.late) for debit in kept]


def test_a_delta_without_a_meter_is_minor_units() -> None:
    host = host_with()
    answer = host.one(report("a", delta=30))
    assert (answer.quantity, answer.charge.debited_amount, answer.charge.posted, answer.late) == (30, 30, 970, False)
    assert debits_of(host) == [(30, {}, False)]


def test_a_quantity_of_a_meter_is_rated_by_the_rate_card() -> None:
    host = host_with()
    answer = host.one(report("a", delta=10, meter_id="output", dimensions=CHAT))
    assert (answer.quantity, answer.charge.debited_amount) == (10, 120)
    assert debits_of(host) == [(120, {"output": 10}, False)]


def test_a_counter_of_a_meter_counts_quantities_and_charges_what_it_rises_by() -> None:
    host = host_with()
    first = host.one(report("a", set={"counter_id": "job", "total": 10}, meter_id="output", dimensions=CHAT))
    assert (first.quantity, first.charge.debited_amount, first.charge.counter_total) == (10, 120, 10)
    host.start()
    host.connect()
    second = host.one(report("b", set={"counter_id": "job", "total": 15}, meter_id="output", dimensions=CHAT))
    assert (second.quantity, second.charge.debited_amount, second.charge.counter_total) == (5, 60, 15)
    same = host.one(report("c", set={"counter_id": "job", "total": 15}, meter_id="output", dimensions=CHAT))
    assert (same.quantity, same.charge.debited_amount) == (0, 0)
    back = host.one(report("d", set={"counter_id": "job", "total": 14}, meter_id="output", dimensions=CHAT))
    assert isinstance(back, Fault)
    assert (back.reason, dict(back.metadata)["counter_total"]) == ("COUNTER_BACKWARDS", "15")


def test_counters_of_meters_pools_and_amounts_are_apart() -> None:
    host = host_with()
    counter = {"counter_id": "job", "total": 10}
    assert host.one(report("a", set=counter, meter_id="output", dimensions=CHAT)).charge.debited_amount == 120
    assert host.one(report("b", set=counter, meter_id="input", dimensions=CHAT)).charge.debited_amount == 30
    assert host.one(report("c", set=counter)).charge.debited_amount == 10
    assert host.one(charge("d", set={"counter_id": "job", "total": 11})).debited_amount == 1


def test_it_is_denied_like_a_charge_and_counts_nothing() -> None:
    host = host_with(10)
    answer = host.one(report("a", set={"counter_id": "job", "total": 10}, meter_id="output", dimensions=CHAT))
    assert (answer.charge.verdict, answer.charge.reason) == (
        decision.VERDICT_DENY,
        decision.REASON_INSUFFICIENT_BALANCE,
    )
    assert (answer.quantity, answer.charge.counter_total, answer.charge.denied_level) == (0, 0, "pool/general")


def test_what_was_used_already_is_debited_and_told_to_be_late() -> None:
    host = host_with(10)
    answer = host.one(report("a", delta=10, meter_id="output", dimensions=CHAT, already_used=True))
    assert (answer.quantity, answer.charge.debited_amount, answer.charge.posted, answer.late) == (10, 120, -110, True)
    assert debits_of(host) == [(120, {"output": 10}, True)]
    assert host.one(balance()).available == -110


def test_a_rate_limit_counts_the_quantity_of_the_meter() -> None:
    limit = rate("tokens", 10, 60_000, 10, unit=RateUnit.QUANTITY, meters=("output",))
    host = host_with(10_000, rate_limits=[limit])
    assert host.one(report("a", delta=10, meter_id="output", dimensions=CHAT)).charge.debited_amount == 120
    denied = host.one(report("b", delta=1, meter_id="output", dimensions=CHAT)).charge
    assert (denied.reason, denied.denied_level) == (decision.REASON_RATE_LIMITED, "rate_limit/tokens")


def test_a_repeat_gets_the_recorded_answer_after_a_restart_too() -> None:
    host = host_with(10)
    asked = {"delta": 10, "meter_id": "output", "dimensions": CHAT, "already_used": True}
    first = host.one(report("a", **asked))
    host.start()
    host.connect()
    assert host.one(report("a", **asked)) == first
    assert len(debits_of(host)) == 1


@pytest.mark.parametrize(
    "other",
    [
        report("a", delta=30, already_used=True),
        report("a", delta=31),
        report("a", delta=30, subject="team"),
        charge("a", 30),
    ],
)
def test_an_id_with_other_content_is_refused(other: Any) -> None:
    host = host_with()
    host.one(report("a", delta=30))
    again = host.one(other)
    assert isinstance(again, Fault)
    assert again.reason == "OPERATION_ID_REUSED"


@pytest.mark.parametrize(("dimensions", "reason"), [({}, "MODEL_MISSING"), ({"model": "nobody's"}, "UNKNOWN_MODEL")])
def test_what_cannot_be_rated_is_a_fault(dimensions: dict[str, str], reason: str) -> None:
    host = host_with()
    fault = host.one(report("a", delta=1, meter_id="output", dimensions=dimensions, already_used=True))
    assert isinstance(fault, Fault)
    assert fault.reason == reason
    assert debits_of(host) == []


def test_an_account_that_nobody_knows_is_denied_or_a_fault() -> None:
    host = Host(Ledger(), EngineSettings(lease_wait_ms=250))
    assert host.one(report("a", delta=1)).charge.reason == decision.REASON_UNKNOWN_ACCOUNT
    assert host.one(report("b", delta=1, already_used=True)).reason == "ACCOUNT_NOT_FOUND"


def test_in_a_bulk_each_is_decided_by_itself() -> None:
    host = host_with(100)
    fault = Fault(FaultCode.INVALID_ARGUMENT, "INVALID_FIELD", "wrong")
    answers = host.run(
        report("a", delta=90),
        Refused(fault),
        report("b", delta=90),
        report("c", delta=5),
        report("a", delta=90),
        report("d", delta=1, currency="EUR"),
    )
    assert answers[1] is fault
    assert [answer.charge.debited_amount for answer in (answers[0], *answers[2:5])] == [90, 0, 5, 90]
    assert answers[5].reason == "CURRENCY_MISMATCH"
    assert [amount for amount, _, _ in debits_of(host)] == [90, 5]
