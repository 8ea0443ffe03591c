"""Events taken in and back: each once, by its name, whatever comes twice, late, or out of order."""

from typing import Any

import pytest
from holdfast_sidecar.engine.events import EventsAcked, Fenced
from holdfast_sidecar.engine.operations import Fault
from holdfast_sidecar.engine.settings import EngineSettings

from tests.sidecar.engine.event_requests import KEY, debits, event, outcomes, recorded, report, void
from tests.sidecar.engine.harness import Host, Ledger, reserve, settle

SETTINGS = EngineSettings(event_id_retention_ms=60_000, event_id_limit=10, event_grace_ms=500, event_future_ms=200)


@pytest.fixture
def host() -> Host:
    ledger = Ledger()
    ledger.create(KEY, 1_000_000)
    return Host(ledger, SETTINGS)


def test_an_event_is_kept_as_it_was_reported(host: Host) -> None:
    first, second = event("1", 7, dimensions={"model": "m", "region": "eu"}), event("2", subject="team/ann")
    answer = host.one(report(first, second))
    assert (answer.accepted_count, answer.duplicate_count, list(answer.results)) == (2, 0, [])
    kept = recorded(host)
    assert [one.event for one in kept] == [first, second]
    assert {one.accepted_at_unix_ms for one in kept} == {host.now_unix_ms()}
    assert not any(one.void or one.charges for one in kept)


def test_what_comes_twice_is_kept_once(host: Host) -> None:
    """In one request, in a later one, and after a restart; by account, source and id, and by nothing less."""
    answer = host.one(report(event("1"), event("2"), event("1")))
    assert (answer.accepted_count, answer.duplicate_count) == (2, 1)
    assert outcomes(answer.results) == [(2, "DUPLICATE", "")]
    assert host.one(report(event("1"), event("1", source="other"), event("1", account_id="b"))).accepted_count == 2
    host.start()
    host.connect()
    answer = host.one(report(event("2"), event("1", source="other"), event("3")))
    assert (answer.accepted_count, answer.duplicate_count) == (1, 2)
    assert len(recorded(host)) == 5


def test_maps_in_another_order_are_the_same_content(host: Host) -> None:
    host.one(report(event("1", dimensions={"a": "1", "b": "2"})))
    assert host.one(report(event("1", dimensions={"b": "2", "a": "1"}))).duplicate_count == 1


@pytest.mark.parametrize("change", [{"time_unix_ms": 999}, {"subject": "x"}, {"type": "other"}, {"corrects_id": "9"}])
def test_an_id_with_other_content_is_refused(host: Host, change: dict[str, Any]) -> None:
    host.one(report(event("1")))
    answer = host.one(report(event("1", **change), event("2")))
    assert outcomes(answer.results) == [(0, "CONFLICT", "id")]
    assert answer.accepted_count == 1


def test_long_ids_are_told_apart(host: Host) -> None:
    """Also where they differ in their last byte alone."""
    answer = host.one(report(event("x" * 127 + "a"), event("x" * 127 + "b"), event("x" * 127 + "a")))
    assert (answer.accepted_count, answer.duplicate_count) == (2, 1)


def test_times_too_far_off_are_refused_with_the_field(host: Host) -> None:
    """Bounds included; the others of the request are taken in."""
    events = [event(str(time), time_unix_ms=time) for time in (500, 1_000, 1_200, 499, 1_201)]
    answer = host.one(report(*events))
    assert answer.accepted_count == 3
    assert outcomes(answer.results) == [(3, "REFUSED", "time_unix_ms"), (4, "REFUSED", "time_unix_ms")]
    assert ["older" in answer.results[0].message, "ahead" in answer.results[1].message] == [True, True]


def test_results_stand_in_the_order_of_the_request(host: Host) -> None:
    """Also where some were malformed and others refused by the engine."""
    host.one(report(event("1")))
    answer = host.one(report(event("1"), event(""), event("3", time_unix_ms=9_999), event("4", source=""), event("5")))
    assert [place for place, _, _ in outcomes(answer.results)] == [0, 1, 2, 3]
    assert [field for _, _, field in outcomes(answer.results)] == ["", "id", "time_unix_ms", "source"]


def test_an_event_taken_back_is_told_on(host: Host) -> None:
    host.one(report(event("1"), event("2")))
    answer = host.one(void("1"))
    assert (answer.accepted_count, list(answer.results)) == (1, [])
    last = recorded(host)[-1]
    assert (last.void, last.event.id, last.event.type) == (True, "1", "")
    assert outcomes(host.one(void("2", "1")).results) == [(1, "DUPLICATE", "")]
    # It is still here, with its content.
    assert outcomes(host.one(report(event("1"), event("1", 5))).results) == [
        (0, "DUPLICATE", ""),
        (1, "CONFLICT", "id"),
    ]


def test_an_event_taken_back_before_it_came_is_never_counted(host: Host) -> None:
    assert host.one(void("1")).accepted_count == 1
    answer = host.one(report(event("1"), event("2")))
    assert outcomes(answer.results) == [(0, "REFUSED", "id")]
    assert [one.event.id for one in recorded(host) if not one.void] == ["2"]


def test_one_void_twice_in_a_request_counts_once(host: Host) -> None:
    answer = host.one(void("1", "1"))
    assert (answer.accepted_count, outcomes(answer.results)) == (1, [(1, "DUPLICATE", "")])


def test_a_correction_takes_the_other_back(host: Host) -> None:
    """Whether that one came before, comes in the same request, or later."""
    host.one(report(event("1")))
    answer = host.one(report(event("2", 1, corrects_id="1"), event("3"), event("4", corrects_id="3")))
    assert answer.accepted_count == 3
    assert outcomes(host.one(void("1", "3", "2")).results) == [(0, "DUPLICATE", ""), (1, "DUPLICATE", "")]
    answer = host.one(report(event("6", corrects_id="5"), event("5")))
    assert outcomes(answer.results) == [(1, "REFUSED", "id")]
    assert host.engine.statistics().events.void_count == 4


def test_a_refused_correction_takes_nothing_back(host: Host) -> None:
    host.one(report(event("1")))
    host.one(report(event("2", corrects_id="1", time_unix_ms=9_999)))
    assert host.one(void("1")).accepted_count == 1


def test_sequences_go_on_over_restarts(host: Host) -> None:
    """Also once the ledger has all there was."""
    host.one(report(event("1"), event("2")))
    host.apply([], [EventsAcked(2)])
    assert recorded(host) == []
    host.start()
    host.connect()
    host.one(report(event("3")))
    assert [row.first_sequence for row in host.store.read_events(0, 100, 1 << 20)] == [3]
    figures = host.engine.statistics().events
    assert (figures.last_sequence, figures.acked_sequence) == (3, 2)


def test_an_older_ack_changes_nothing(host: Host) -> None:
    host.one(report(event("1"), event("2")))
    host.apply([], [EventsAcked(2)])
    host.apply([], [EventsAcked(1)])
    assert host.engine.statistics().events.acked_sequence == 2


def test_rows_stay_small(host: Host) -> None:
    """A request of many long events becomes rows of a few pages each, one behind the other."""
    host.one(report(*[event(str(number), dimensions={"text": "x" * 250}) for number in range(200)]))
    rows = host.store.read_events(0, 1_000, 1 << 20)
    assert len(rows) > 3
    assert max(len(row.payload) for row in rows) <= 16_384
    assert [row.first_sequence for row in rows[1:]] == [row.first_sequence + row.event_count for row in rows[:-1]]


def test_names_are_forgotten_after_their_retention(host: Host) -> None:
    """In the background, though nothing comes; then the ledger is the one to know them."""
    host.one(report(event("1")))
    host.advance(59_000)
    assert host.engine.statistics().events.name_count == 1
    host.advance(3_000)
    assert host.engine.statistics().events.name_count == 0


def test_the_oldest_names_leave_when_there_are_too_many(host: Host) -> None:
    for number in range(14):
        host.one(report(event(str(number))))
    host.advance(1_000)
    assert host.engine.statistics().events.name_count == 10
    answer = host.one(report(event("13")))
    assert answer.duplicate_count == 1


def test_events_are_refused_while_too_many_wait(host: Host) -> None:
    """And settles go on."""
    host.one(reserve("hold", 100))
    host.store.events_refused = True
    for operation in (report(event("1")), void("1")):
        fault = host.one(operation)
        assert isinstance(fault, Fault)
        assert (fault.code.name, fault.reason) == ("RESOURCE_EXHAUSTED", "EVENTS_FULL")
    assert host.one(settle("settle", "hold", 60)).debited_amount == 60
    assert recorded(host) == []
    host.store.events_refused = False
    assert host.one(report(event("1"))).accepted_count == 1


def test_a_fenced_host_takes_nothing_in(host: Host) -> None:
    host.apply([], [Fenced("FENCED", "another life")])
    fault = host.one(report(event("1")))
    assert isinstance(fault, Fault)
    assert fault.reason == "FENCED"


def test_events_without_meters_cost_the_account_nothing(host: Host) -> None:
    """Not even a question to the ledger."""
    host.one(report(event("1", account_id="never-heard-of")))
    assert debits(host) == []
    assert host.engine.statistics().account_count == 0


def test_what_became_of_events_is_counted(host: Host) -> None:
    host.one(report(event("1"), event("2"), event("2"), event("2", 5), event(""), event("3", time_unix_ms=1)))
    host.one(void("1", "1"))
    figures = host.engine.statistics().events
    assert (figures.accepted_count, figures.duplicate_count, figures.conflict_count) == (2, 2, 1)
    assert (figures.refused_count, figures.void_count) == (2, 1)
