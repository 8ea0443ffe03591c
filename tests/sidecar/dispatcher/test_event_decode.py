"""Events checked one by one: all that may stand in one gets to the engine; one at fault is named and stops no other."""

import random
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from holdfast.v1 import usage_service_pb2 as pb
from holdfast_sidecar.dispatcher import event_decode
from holdfast_sidecar.dispatcher.event_decode import KINDS_KEPT, MAX_EVENTS, EventDecoder
from holdfast_sidecar.dispatcher.event_salvage import MAX_PARTS
from holdfast_sidecar.dispatcher.invalid import Invalid
from holdfast_sidecar.engine.event_operations import EventOutcome, ReportEvents

INT64_MAX = 2**63 - 1
_LENGTH_DELIMITED = 2


def event(**changes: Any) -> pb.UsageEvent:
    """An event with every field set."""
    fields: dict[str, Any] = {
        "id": "e-1",
        "source": "gateway",
        "type": "call",
        "time_unix_ms": 1_700_000_000_000,
        "account_id": "acme",
        "subject": "team/ann",
        "dimensions": {"model": "m", "region": "eu"},
        "quantities": {"tokens": 7},
        "corrects_id": "e-0",
    }
    return pb.UsageEvent(**{**fields, **changes})


def decoded(*events: pb.UsageEvent, scope: str = "") -> ReportEvents:
    return EventDecoder().report(pb.ReportEventsRequest(events=events).SerializeToString(), scope)


def test_all_that_an_event_says_gets_to_the_engine() -> None:
    [found] = decoded(event()).events
    assert (found.place, found.account_id, found.source, found.event_id) == (0, "acme", "gateway", "e-1")
    assert (found.event_type, found.time_unix_ms, found.subject) == ("call", 1_700_000_000_000, "team/ann")
    assert found.dimensions == (("model", "m"), ("region", "eu"))
    assert found.quantities == {"tokens": 7}
    assert pb.UsageEvent.FromString(found.payload) == event()


def test_names_are_of_account_source_and_id() -> None:
    """And nothing else; where one text ends and the next begins matters."""
    one = decoded(event()).events[0]
    same = decoded(event(type="other", subject="", dimensions={}, quantities={}, corrects_id="")).events[0]
    assert one.name == same.name
    assert one.content != same.content
    others = [event(id="e-2"), event(source="gatewa", id="ye-1"), event(account_id="acm", source="egateway")]
    others += [event(id="x" * 41), event(id="x" * 40 + "y"), event(id="x" * 128)]
    assert len({found.name for found in decoded(event(), *others).events}) == 7


def test_what_an_event_corrects_is_of_its_account_and_source() -> None:
    first, second = decoded(event(id="e-0", corrects_id=""), event()).events
    assert (first.corrects, second.corrects) == (b"", first.name)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "x" * 128, "source": "é" * 64, "type": "t" * 128, "account_id": "a" * 128},
        {"subject": "", "dimensions": {}, "quantities": {}, "corrects_id": ""},
        {"subject": "s" * 512},
        {"dimensions": {f"{n:02}" + "k" * 62: "v" * 256 for n in range(16)}},
        {"dimensions": {"empty": "", "sql": "'; DROP TABLE usage; --"}},
        {"quantities": {f"{n:02}" + "q" * 62: INT64_MAX for n in range(16)}},
        {"quantities": {"none": 0}},
        {"time_unix_ms": 1},
        {"time_unix_ms": INT64_MAX},
    ],
)
def test_what_is_within_the_limits_is_taken(changes: dict[str, Any]) -> None:
    found = decoded(event(**changes))
    assert (len(found.events), found.rejected) == (1, [])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "x" * 129}, "id"),
        ({"id": "é" * 65}, "id"),
        ({"id": "a\nb"}, "id"),
        ({"source": ""}, "source"),
        ({"source": "x" * 129}, "source"),
        ({"type": ""}, "type"),
        ({"type": "x" * 129}, "type"),
        ({"type": "a\x00"}, "type"),
        ({"time_unix_ms": 0}, "time_unix_ms"),
        ({"time_unix_ms": -1}, "time_unix_ms"),
        ({"account_id": ""}, "account_id"),
        ({"account_id": "x" * 1_000_000}, "account_id"),
        ({"subject": "/a"}, "subject"),
        ({"subject": "a//b"}, "subject"),
        ({"subject": "s" * 513}, "subject"),
        ({"dimensions": {str(n): "v" for n in range(100)}}, "dimensions"),
        ({"dimensions": {"": "v"}}, "dimensions"),
        ({"dimensions": {"k" * 65: "v"}}, "dimensions"),
        ({"dimensions": {"model": "v" * 257}}, "dimensions[model]"),
        ({"dimensions": {"model": "a\x1fb"}}, "dimensions[model]"),
        ({"quantities": {"tokens": -1}}, "quantities[tokens]"),
        ({"quantities": {"": 1}}, "quantities"),
        ({"quantities": {"q" * 65: 1}}, "quantities"),
        ({"quantities": {"a\tb": 1}}, "quantities"),
        ({"quantities": {str(n): 1 for n in range(17)}}, "quantities"),
        ({"corrects_id": "x" * 129}, "corrects_id"),
        ({"corrects_id": "e-1"}, "corrects_id"),
    ],
)
def test_an_event_at_fault_is_named_and_stops_no_other(changes: dict[str, Any], field: str) -> None:
    found = decoded(event(id="a"), event(**changes), event(id="b"))
    assert [one.place for one in found.events] == [0, 2]
    [rejected] = found.rejected
    assert (rejected.place, rejected.outcome, rejected.field) == (1, EventOutcome.REFUSED, field)
    assert rejected.message.startswith(f"{field}: ")
    assert len(rejected.message) < 500


def test_a_caller_with_one_account_reports_for_no_other() -> None:
    found = decoded(event(), event(account_id="other"), scope="acme")
    assert [one.account_id for one in found.events] == ["acme"]
    assert [(one.place, one.field) for one in found.rejected] == [(1, "account_id")]


@pytest.mark.parametrize("count", [0, MAX_EVENTS + 1])
def test_a_request_has_a_number_of_events(count: int) -> None:
    with pytest.raises(Invalid, match="events"):
        decoded(*[event()] * count)


def test_many_kinds_and_names_are_forgotten_without_harm() -> None:
    """What was checked once need not be again; what callers make up does not fill the memory."""
    decoder = EventDecoder()
    for start in range(0, 2 * KINDS_KEPT, 500):
        events = [
            event(id=str(number), source=f"s-{number}", quantities={f"q-{number}": 1})
            for number in range(start, start + 500)
        ]
        found = decoder.report(pb.ReportEventsRequest(events=events).SerializeToString(), "")
        assert len(found.events) == 500
    assert len(decoder._prefixes) <= KINDS_KEPT


# ── text that is no text ────────────────────────────────────────────────────────────────────────────────────────────


def entry(number: int, part: bytes) -> bytes:
    """A field with a length, of at most 127 bytes."""
    assert len(part) < 128
    return bytes([number << 3 | _LENGTH_DELIMITED, len(part)]) + part


def bad(number: int) -> bytes:
    """An event whose field of this number is not UTF-8."""
    good = pb.UsageEvent(id="bad", source="s", type="t", account_id="a", time_unix_ms=1)
    part = b"\xc3\x28" if number < 7 else entry(1, b"\xff")
    return good.SerializeToString() + entry(number, part)


@pytest.mark.parametrize(
    ("number", "field"), [(1, "id"), (2, "source"), (3, "type"), (5, "account_id"), (6, "subject"), (7, "dimensions")]
)
def test_bad_utf8_is_named_and_stops_no_other(number: int, field: str) -> None:
    payload = entry(1, event(id="a").SerializeToString()) + entry(1, bad(number))
    payload += entry(1, event(id="b").SerializeToString())
    found = EventDecoder().report(payload, "")
    assert [one.event_id for one in found.events] == ["a", "b"]
    assert [(one.place, one.field, one.message) for one in found.rejected] == [(1, field, f"{field}: is not UTF-8")]


@pytest.mark.parametrize("event_count", [MAX_EVENTS + 1, MAX_PARTS, MAX_PARTS + 1])
def test_a_request_of_many_events_and_bad_utf8_is_refused_before_they_are_read(
    event_count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is as quickly made as any other, and is not to take longer than one."""
    monkeypatch.setattr(event_decode, "_message", None)
    bad = b"\x0a\x03\x0a\x01\xff"
    with pytest.raises(DecodeError if event_count > MAX_PARTS else Invalid):
        EventDecoder().report(b"\x0a\x00" * (event_count - 1) + bad, "")


def test_bad_utf8_in_a_name_to_take_back_is_named() -> None:
    good = pb.EventName(account_id="a", source="s", id="1").SerializeToString()
    found = EventDecoder().void(entry(1, good) + entry(1, good + entry(2, b"\xff")), "")
    assert [one.place for one in found.names] == [0]
    assert [(one.place, one.field) for one in found.rejected] == [(1, "source")]


@pytest.mark.parametrize("payload", [b"\xff" * 20, b"\x0a\x7f", b"\x0a", b"\x0b", b"\x0a\xff\xff\xff\xff\xff\xff"])
def test_bytes_that_are_no_request_are_garbage(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        EventDecoder().report(payload, "")


def test_no_bytes_bring_the_decoder_down() -> None:
    """Whatever was flipped, each request is read, refused or garbage."""
    rng = random.Random(7)
    whole = pb.ReportEventsRequest(events=[event(id=str(n)) for n in range(3)]).SerializeToString()
    kinds: set[str] = set()
    for _ in range(3_000):
        payload = bytearray(whole[: rng.randrange(1, len(whole) + 1)])
        for _ in range(rng.randrange(4)):
            payload[rng.randrange(len(payload))] = rng.randrange(256)
        try:
            found = EventDecoder().report(bytes(payload), "")
        except (DecodeError, Invalid) as error:
            kinds.add(type(error).__name__)
        else:
            kinds.add("refused" if found.rejected else "whole")
    assert kinds - {"Invalid"} == {"DecodeError", "whole", "refused"}


# ── voids ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_void_has_the_name_of_its_event() -> None:
    name = pb.EventName(account_id="acme", source="gateway", id="e-1")
    [found] = EventDecoder().void(pb.VoidEventsRequest(events=[name]).SerializeToString(), "acme").names
    assert found.name == decoded(event()).events[0].name
    assert pb.UsageEvent.FromString(found.payload) == pb.UsageEvent(account_id="acme", source="gateway", id="e-1")


@pytest.mark.parametrize("field", ["account_id", "source", "id"])
def test_a_void_without_a_whole_name_is_refused(field: str) -> None:
    name = pb.EventName(account_id="acme", source="gateway", id="e-1")
    setattr(name, field, "")
    found = EventDecoder().void(pb.VoidEventsRequest(events=[name]).SerializeToString(), "")
    assert (found.names, [one.field for one in found.rejected]) == ([], [field])


def test_a_caller_with_one_account_takes_no_others_events_back() -> None:
    name = pb.EventName(account_id="acme", source="gateway", id="e-1")
    found = EventDecoder().void(pb.VoidEventsRequest(events=[name]).SerializeToString(), "other")
    assert (found.names, [one.field for one in found.rejected]) == ([], ["account_id"])
