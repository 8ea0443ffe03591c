"""Messages become events: structured and binary mode, and what is no event is refused with the field."""

import json
from contextlib import suppress
from typing import Any

import pytest
from holdfast.v1.usage_service_pb2 import UsageEvent
from holdfast_ledger.streams.decoding import MAX_MESSAGE_BYTES, NotAnEvent, event_of
from holdfast_ledger.streams.records import event_record
from hypothesis import given
from hypothesis import strategies as st

ATTRIBUTES = {
    "specversion": "1.0",
    "id": "1",
    "source": "api",
    "type": "tokens",
    "time": "2026-11-21T12:00:00.125Z",
    "accountid": "acme",
}
EVENT = UsageEvent(
    id="1", source="api", type="tokens", time_unix_ms=1_795_262_400_125, account_id="acme", quantities={"output": 3}
)


def message(**changes: Any) -> bytes:
    content = ATTRIBUTES | {"data": {"quantities": {"output": 3}}} | changes
    return json.dumps({name: value for name, value in content.items() if value is not None}).encode()


def test_structured_mode() -> None:
    assert event_of(message(), {}) == EVENT
    full = event_of(message(subject="team/ann", correctsid="0", data={"dimensions": {"model": "m"}}, other=1), {})
    assert (full.subject, full.corrects_id, dict(full.dimensions)) == ("team/ann", "0", {"model": "m"})


def test_the_flat_form() -> None:
    flat = {"id": "1", "source": "api", "type": "tokens", "time": EVENT.time_unix_ms, "account_id": "acme"}
    assert event_of(json.dumps(flat | {"quantity.output": 3}).encode(), {}) == EVENT


def test_binary_mode() -> None:
    headers = {f"ce_{name}": value.encode() for name, value in ATTRIBUTES.items()}
    assert event_of(b'{"quantities": {"output": 3.0}}', headers | {"content-type": b"application/json"}) == EVENT


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (b"", "value"),
        (b"\xff", "value"),
        (b"[]", "value"),
        (b"{", "value"),
        (b"[" * 100_000, "value"),
        (b'{"specversion": "1.0", "specversion": "1.0"}', "value"),
        (b" " * (MAX_MESSAGE_BYTES + 1), "value"),
        (message(specversion="0.3"), "specversion"),
        (message(id=1.5), "id"),
        (message(time=None), "time"),
        (message(time="yesterday"), "time"),
        (message(time="2026-11-21T12:00:00"), "time"),
        (message(accountid=["acme"]), "account_id"),
        (message(subject="\udcff"), "subject"),
        (message(data=[]), "data"),
        (message(data={"amounts": {}}), "data.amounts"),
        (message(data={"dimensions": {"model": []}}), "dimensions[model]"),
        (message(data={"quantities": {"output": "three"}}), "quantities[output]"),
        (message(data={"quantities": {"output": True}}), "quantities[output]"),
        (message(data={"quantities": {"output": -1}}), "quantities[output]"),
        (message(data={"quantities": {"output": 1.5}}), "quantities[output]"),
        (message(data={"quantities": {"output": 2**63}}), "quantities[output]"),
        (message(data={"quantities": {"output": float("nan")}}), "quantities[output]"),
        (message(data={"quantities": {"output": float("inf")}}), "quantities[output]"),
        (message().replace(b'"output": 3', b'"output": 1e999999999'), "quantities[output]"),
        (message().replace(b'"output": 3', b'"output": 1e9999999999999999999'), "value"),
    ],
)
def test_what_is_no_event(value: bytes, field: str) -> None:
    with pytest.raises(NotAnEvent) as caught:
        event_of(value, {})
    assert caught.value.field == field


@given(st.binary(max_size=200))
def test_no_message_does_more_than_be_refused(value: bytes) -> None:
    with suppress(NotAnEvent):
        assert isinstance(event_of(value, {}), UsageEvent)


_text = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)


@given(
    st.builds(
        UsageEvent,
        id=_text,
        source=_text,
        type=_text,
        account_id=_text,
        subject=_text,
        corrects_id=_text,
        time_unix_ms=st.integers(1, 4_102_444_800_000),
        dimensions=st.dictionaries(_text, _text, max_size=4),
        quantities=st.dictionaries(_text, st.integers(0, 2**63 - 1), max_size=4),
    )
)
def test_what_goes_out_comes_in_as_it_was(event: UsageEvent) -> None:
    assert event_of(event_record(event, void=False).value, {}) == event
