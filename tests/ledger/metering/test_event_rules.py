"""What an event may be, with the field that is wrong; and that the quick look agrees with the thorough one."""

import random
from typing import Any

import pytest
from holdfast.v1.usage_service_pb2 import UsageEvent
from holdfast_ledger.metering import event_rules
from holdfast_ledger.metering.event_rules import EventTerms, event_fault, limit_fault

from tests.ledger.harness import START_MS
from tests.ledger.metering.meterage import event

TERMS = EventTerms(future_ms=1_000, grace_ms=10_000)

FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"account_id": ""}, "account_id"),
    ({"source": ""}, "source"),
    ({"source": "s" * 129}, "source"),
    ({"id": "é" * 65}, "id"),
    ({"id": "a\n"}, "id"),
    ({"type": ""}, "type"),
    ({"time_unix_ms": 0}, "time"),
    ({"time_unix_ms": -1}, "time"),
    ({"subject": "a//b"}, "subject"),
    ({"subject": "/a"}, "subject"),
    ({"subject": "s" * 513}, "subject"),
    ({"dimensions": {f"k{n}": "" for n in range(17)}}, "dimensions"),
    ({"dimensions": {"": "v"}}, "dimensions"),
    ({"dimensions": {"k" * 65: "v"}}, "dimensions"),
    ({"dimensions": {"k": "v" * 257}}, "dimensions[k]"),
    ({"dimensions": {"k": "\x00"}}, "dimensions[k]"),
    ({"quantities": {f"q{n}": 1 for n in range(17)}}, "quantities"),
    ({"quantities": {"q": -1}}, "quantities[q]"),
    ({"quantities": {"": 1}}, "quantities"),
    ({"corrects_id": "1"}, "corrects_id"),
    ({"corrects_id": "c" * 129}, "corrects_id"),
]


@pytest.mark.parametrize(("wrong", "field"), FAULTS)
def test_what_breaks_a_rule_is_told_with_its_field(wrong: dict[str, Any], field: str) -> None:
    """At the door, and of what was taken in elsewhere."""
    one = event("1", **wrong)
    for fault in (event_fault(one, START_MS, TERMS), limit_fault(one, void=False)):
        assert fault is not None
        assert fault.field == field


def test_an_event_may_be_as_old_and_as_far_ahead_as_the_terms_say() -> None:
    """To the millisecond; what was taken in elsewhere was right when it was."""
    for at_ms, right in ((-10_000, True), (-10_001, False), (1_000, True), (1_001, False)):
        one = event("1", time_unix_ms=START_MS + at_ms)
        assert (event_fault(one, START_MS, TERMS) is None) == right
        assert limit_fault(one, void=False) is None
    assert limit_fault(event("1", time_unix_ms=2**63 - 1), void=False) is not None


def test_of_a_void_only_the_name_counts() -> None:
    assert limit_fault(UsageEvent(account_id="a", source="s", id="1"), void=True) is None
    assert limit_fault(UsageEvent(account_id="a", id="1"), void=True) is not None


def test_the_quick_look_passes_nothing_that_breaks_a_limit() -> None:
    """And passes what is plain; the rest is looked at thoroughly."""
    chance = random.Random(1)
    plain = 0
    for _ in range(500):
        changes: dict[str, Any] = {}
        for wrong, _field in chance.sample(FAULTS, chance.choice([0, 0, 1, 2])):
            changes |= wrong
        one = event("1", **changes)
        if event_rules._is_plain(one):
            plain += 1
            assert next(event_rules._limit_faults(one), None) is None
    assert plain > 100
