"""Entries of batches, spliced: what protobuf reads of them is what went in."""

import pytest
from holdfast.v1.ingest_service_pb2 import EventBatch, EventCharge, RecordedEvent
from holdfast.v1.usage_service_pb2 import UsageEvent
from holdfast_sidecar import event_wire
from hypothesis import given
from hypothesis import strategies as st

INT64 = st.integers(0, 2**63 - 1)
CHARGES = st.lists(st.builds(EventCharge, meter_id=st.text(), quantity=INT64, amount=INT64, operation_id=st.text()))


@given(st.text(max_size=10_000), INT64, CHARGES, st.text(max_size=64))
def test_an_entry_is_a_recorded_event(text: str, at_ms: int, charges: list[EventCharge], caller: str) -> None:
    event = UsageEvent(id=text)
    spliced = b"".join(
        event_wire.ChargeForm(one.meter_id, one.operation_id, "general").charge(one.quantity, one.amount)
        for one in charges
    )
    rest = event_wire.accepted(at_ms, caller) + spliced
    entry = event_wire.entry(event.SerializeToString(deterministic=True), rest)
    for one in charges:
        one.pool_id = "general"
    expected = RecordedEvent(event=event, accepted_at_unix_ms=at_ms, charges=charges, caller=caller)
    assert list(EventBatch.FromString(entry + entry).events) == [expected, expected]


def test_a_void_has_the_name_and_who_took_it_back() -> None:
    name = UsageEvent(account_id="a", source="s", id="1")
    entry = event_wire.void_entry(name.SerializeToString(), event_wire.accepted(7, "uid:1"))
    expected = RecordedEvent(event=name, accepted_at_unix_ms=7, void=True, caller="uid:1")
    assert list(EventBatch.FromString(entry).events) == [expected]


@pytest.mark.parametrize(("event_id", "length"), [("a", 13), ("x" * 40, 52), ("x" * 41, 37), ("é" * 64, 37)])
def test_names_are_short_however_long_the_id(event_id: str, length: int) -> None:
    """LMDB takes keys of up to 511 bytes, and a row of times one byte for the length of each."""
    assert len(event_wire.event_name(event_wire.name_prefix("account", "source"), event_id)) == length


def test_ids_that_count_up_lie_side_by_side() -> None:
    prefix = event_wire.name_prefix("account", "source")
    ids = [f"{number:08}" for number in range(5)]
    assert sorted(event_wire.event_name(prefix, event_id) for event_id in ids) == [
        prefix + event_id.encode() for event_id in ids
    ]


def test_the_name_of_a_charge_follows_from_its_events() -> None:
    """Whatever their order."""
    one = event_wire.charge_digest("m", "group", ["b", "a"])
    assert one == event_wire.charge_digest("m", "group", ["a", "b"])
    others = [("m", "group", ["a"]), ("n", "group", ["a", "b"]), ("m", "other", ["a", "b"])]
    assert len({one, *(event_wire.charge_digest(*other) for other in others)}) == 4
