"""The load of scenario `events`: requests that a sidecar takes whole."""

from holdfast.v1 import usage_service_pb2 as pb
from holdfast_bench.event_load import ACCOUNTS, EVENTS_A_REQUEST, requests_of
from holdfast_sidecar.config import SidecarConfig
from holdfast_sidecar.dispatcher.event_decode import EventDecoder

NOW_MS = 1_700_000_000_000


def test_every_event_is_sound_and_comes_once() -> None:
    decoder = EventDecoder()
    found = [decoder.report(request, "") for request in requests_of("a", 4, NOW_MS)]
    assert [(len(one.events), one.rejected) for one in found] == [(EVENTS_A_REQUEST, [])] * 4
    events = [event for one in found for event in one.events]
    assert len({event.name for event in events}) == len(events)
    assert {event.account_id for event in events} == set(ACCOUNTS)
    assert {event.event_type for event in events} == {"model.call"}


def test_another_source_makes_other_events() -> None:
    """So that a second load on the same sidecar is no repetition of the first."""
    [first], [second] = requests_of("a", 1, NOW_MS), requests_of("b", 1, NOW_MS)
    names = [{event.name for event in EventDecoder().report(one, "").events} for one in (first, second)]
    assert not names[0] & names[1]


def test_a_request_is_no_larger_than_a_sidecar_takes() -> None:
    [request] = requests_of("a", 1, NOW_MS)
    assert len(request) < SidecarConfig.model_fields["max_message_bytes"].default
    assert len(pb.ReportEventsRequest.FromString(request).events) == EVENTS_A_REQUEST
