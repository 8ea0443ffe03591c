"""Reports and events as messages, and what is read of their answers."""

import datetime
import pickle
from typing import Any

import holdfast
import pytest
from holdfast import reports
from holdfast.core.settings import Settings
from holdfast.v1 import enforcement_service_pb2 as enforcement
from holdfast.v1 import usage_service_pb2 as pb


def answered(quantity: int = 0, *, verdict: int = 1, late: bool = False) -> pb.ReportUsageResponse:
    charge = enforcement.ChargeResponse(debited_amount=7, posted=-3, counter_total=9, retention_ms=5)
    charge.verdict, charge.reason = verdict, 1 if verdict == 1 else 5  # type: ignore[assignment]
    return pb.ReportUsageResponse(charge=charge, quantity=quantity, late=late)


def test_a_report_says_all_that_it_was_given() -> None:
    request = reports.usage(
        "acme",
        7,
        meter="output",
        already_used=True,
        operation_id="op-1",
        pool="gpu",
        subject="team/ann",
        dimensions={"model": "m"},
        currency="credits",
    )
    assert request == pb.ReportUsageRequest(
        operation_id="op-1",
        account_id="acme",
        pool_id="gpu",
        meter_id="output",
        delta=7,
        subject="team/ann",
        dimensions={"model": "m"},
        currency="credits",
        already_used=True,
    )
    counted = reports.usage("acme", counter="job", total=0)
    assert (counted.WhichOneof("usage"), counted.set.counter_id, counted.set.total) == ("set", "job", 0)
    assert len(counted.operation_id) == 32


@pytest.mark.parametrize(
    "fields", [{}, {"delta": 1, "counter": "job", "total": 2}, {"counter": "job"}, {"delta": 1, "total": 2}]
)
def test_a_report_has_one_form(fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="either delta, or counter and total"):
        reports.usage("acme", **fields)


def test_a_quantity_that_the_wire_cannot_carry_is_named() -> None:
    with pytest.raises(holdfast.InvalidArgument) as caught:
        reports.usage("acme", 2**63)
    assert caught.value.field == "delta"


def test_an_event_has_an_id_and_a_time_also_where_none_is_given() -> None:
    made = reports.event("acme", "llm.call", source="api")
    assert (made.account_id, made.type, made.source, len(made.id)) == ("acme", "llm.call", "api", 32)
    now_ms = datetime.datetime.now(datetime.UTC).timestamp() * 1000
    assert abs(made.time_unix_ms - now_ms) < 60_000
    noon = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    given = reports.event(
        "acme",
        "llm.call",
        source="api",
        event_id="e-1",
        at=noon,
        subject="team",
        dimensions={"model": "m"},
        quantities={"tokens": 3},
        corrects="e-0",
    )
    assert given == pb.UsageEvent(
        id="e-1",
        source="api",
        type="llm.call",
        time_unix_ms=1_767_348_000_000,
        account_id="acme",
        subject="team",
        dimensions={"model": "m"},
        quantities={"tokens": 3},
        corrects_id="e-0",
    )
    assert reports.event("acme", "t", source="s", at=5).time_unix_ms == 5
    with pytest.raises(TypeError, match="no time zone"):
        reports.event("acme", "t", source="s", at=noon.replace(tzinfo=None))
    with pytest.raises(holdfast.InvalidArgument, match="quantities"):
        reports.event("acme", "t", source="s", quantities={"tokens": 2**63})
    with pytest.raises(TypeError):
        reports.event("acme", "t", source="s", quantities={"tokens": 1.5})  # type: ignore[dict-item]
    assert reports.event_name("acme", "api", "e-1") == pb.EventName(account_id="acme", source="api", id="e-1")


def test_the_answer_is_that_of_a_charge_and_what_was_counted() -> None:
    reported = reports.read_reported(answered(4, late=True))
    assert reported
    assert (reported.debited_amount, reported.posted, reported.counter_total) == (7, -3, 9)
    assert (reported.quantity, reported.late, reported.retention_ms) == (4, True, 5)
    assert not reports.read_reported(answered(verdict=2))


def test_results_of_many_are_values_in_their_order() -> None:
    asked = [reports.usage("acme", 1, operation_id=f"op-{number}") for number in range(4)]
    error = enforcement.OperationError(code=8, reason="RATE_LIMITED", metadata={"retry_after_ms": "250"})
    results = [
        pb.ReportUsageResult(response=answered(1)),
        pb.ReportUsageResult(error=error),
        pb.ReportUsageResult(),
        pb.ReportUsageResult(response=pb.ReportUsageResponse()),
    ]
    good, limited, empty, unreadable = reports.read_reports(asked, results)
    assert isinstance(good, holdfast.Reported)
    assert isinstance(limited, holdfast.ResourceExhausted)
    assert (limited.operation_id, limited.retry_after_ms, limited.retry_after) == ("op-1", 250, 0.25)
    for broken, name in ((empty, "op-2"), (unreadable, "op-3")):
        assert isinstance(broken, holdfast.Internal)
        assert broken.operation_id == name
    with pytest.raises(holdfast.Internal):
        reports.read_reports(asked, results[:3])


def test_what_was_not_accepted_is_told_event_by_event() -> None:
    results = [
        pb.EventResult(index=1, outcome=pb.EVENT_OUTCOME_DUPLICATE),
        pb.EventResult(index=2, outcome=pb.EVENT_OUTCOME_CONFLICT, message="other content"),
        pb.EventResult(index=4, outcome=pb.EVENT_OUTCOME_REFUSED, field="time_unix_ms", message="too old"),
        pb.EventResult(index=5, outcome=77),  # type: ignore[arg-type]
    ]
    taken = reports.read_events(pb.ReportEventsResponse(accepted_count=2, duplicate_count=1, results=results))
    assert (taken.accepted_count, taken.duplicate_count) == (2, 1)
    assert [result.outcome.value for result in taken.results] == ["DUPLICATE", "CONFLICT", "REFUSED", "UNRECOGNIZED"]
    assert [result.index for result in taken.refused] == [2, 4, 5]
    assert (taken.results[2].field, taken.results[2].message) == ("time_unix_ms", "too old")
    voided = reports.read_voids(pb.VoidEventsResponse(accepted_count=1, results=results[:1]))
    assert (voided.accepted_count, voided.duplicate_count, voided.refused) == (1, 1, ())


def test_every_outcome_of_the_contract_has_a_name() -> None:
    named = {value.removeprefix("EVENT_OUTCOME_") for value in pb.EventOutcome.keys()}  # noqa: SIM118 not a mapping
    assert named - {"UNSPECIFIED", "ACCEPTED"} == set(holdfast.EventOutcome) - {"UNRECOGNIZED"}


@pytest.mark.parametrize(("said", "known"), [("250", 250), ("", 0), ("soon", 0), ("-1", 0), ("2.5", 0)])
def test_when_to_come_again_is_read_from_what_was_said(said: str, known: int) -> None:
    error = holdfast.ResourceExhausted("no", metadata={"retry_after_ms": said} if said else None)
    assert error.retry_after_ms == known
    assert pickle.loads(pickle.dumps(error)).retry_after_ms == known


def test_a_token_is_shown_where_it_is_asked_for_and_nowhere_else() -> None:
    settings = Settings.of("h:1", 1, 0, "raise", "secret")
    assert settings.metadata(takes_token=True) == (("authorization", "Bearer secret"),)
    assert settings.metadata(takes_token=False) is None
    assert Settings.of("h:1", 1, 0, "raise").metadata(takes_token=True) is None
    assert "secret" not in repr(settings)
