"""Who called is told with what the call debited, and is no part of what it asked for."""

from typing import Any

from holdfast_sidecar.engine.event_rows import Meters
from holdfast_sidecar.engine.operations import Call, Operation
from holdfast_sidecar.engine.settings import EngineSettings

from tests.sidecar.engine import event_requests as events
from tests.sidecar.engine.event_requests import KEY, debits, recorded
from tests.sidecar.engine.harness import Host, Ledger, charge, parsed, report, reserve, settle


def host_with(amount: int = 1_000) -> Host:
    ledger = Ledger()
    ledger.create(KEY, amount)
    return Host(ledger, EngineSettings(lease_wait_ms=250))


def run(host: Host, caller: str, *operations: Operation, linked: bool = False) -> list[Any]:
    call = Call(1, list(operations), linked, caller=caller)
    assert host.apply([call]) == [call]
    return parsed(call)


def callers(host: Host) -> list[tuple[str, str]]:
    return [(debit.operation_id, debit.caller) for debit in debits(host)]


def test_a_hold_is_debited_by_whoever_settles_it() -> None:
    host = host_with()
    run(host, "planner", reserve("h", 100))
    run(host, "worker", settle("part", "h", 30, final=False))
    run(host, "billing", settle("rest", "h", 30))
    assert callers(host) == [("part", "worker"), ("rest", "billing")]


def test_charges_and_reports_say_who_called_also_when_many_callers_share_a_batch() -> None:
    host = host_with()
    calls = [
        Call(1, [charge("c", 1)], caller="uid:1000"),
        Call(2, [charge("d", 1), charge("e", 1)], True, caller="edge"),
        Call(3, [report("r", delta=1), charge("f", 1)], caller="address:10.0.0.5"),
        Call(4, [charge("g", 1)]),
    ]
    host.apply(calls)
    assert callers(host) == [
        ("c", "uid:1000"), ("d", "edge"), ("e", "edge"), ("r", "address:10.0.0.5"), ("f", "address:10.0.0.5"),
        ("g", ""),
    ]  # fmt: skip


def test_a_repeat_by_another_caller_gets_the_recorded_answer_and_debits_nothing() -> None:
    host = host_with()
    (first,) = run(host, "one", charge("c", 10))
    assert run(host, "another", charge("c", 10)) == [first]
    assert callers(host) == [("c", "one")]


def test_a_call_that_waited_for_rights_is_still_its_callers() -> None:
    """Others were answered meanwhile."""
    host = host_with(amount=100)
    run(host, "other", reserve("h", 100))
    host.answering = False
    waiting = Call(1, [charge("c", 600)], caller="patient")
    assert host.apply([waiting]) == []
    run(host, "other", settle("s", "h", 100))
    host.answering = True
    host.ledger.grant(KEY, 1_000)
    host.apply([], [host.ledger.answer(ask, host.now_ns) for ask in host.unanswered])
    assert callers(host) == [("s", "other"), ("c", "patient")]


def test_a_late_settle_says_who_settled() -> None:
    host = host_with()
    run(host, "planner", reserve("h", 100, ttl_ms=1_000))
    host.advance(5_000)
    run(host, "worker", settle("s", "h", 40))
    assert [(debit.late, debit.caller) for debit in debits(host)] == [(True, "worker")]


def test_events_and_what_they_are_charged_say_who_reported_them() -> None:
    host = host_with()
    host.ledger.meters = Meters(1, (events.CALLS,))
    host.heartbeat()
    run(host, "gateway", events.report(events.event("1")))
    run(host, "other", events.report(events.event("1"), events.event("2")))
    run(host, "auditor", events.void("1"))
    assert [(kept.event.id, kept.void, kept.caller) for kept in recorded(host)] == [
        ("1", False, "gateway"), ("2", False, "other"), ("1", True, "auditor"),
    ]  # fmt: skip
    assert [debit.caller for debit in debits(host)] == ["gateway", "other"]
