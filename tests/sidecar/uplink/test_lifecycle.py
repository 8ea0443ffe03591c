"""The table of the uplink's life is complete, and its ends are ends."""

import pytest
from holdfast_sidecar.uplink.lifecycle import (
    OPEN,
    TRANSITIONS,
    WELCOMED,
    LocalProtocolError,
    State,
    Trigger,
    step,
)


def test_every_state_can_be_reached() -> None:
    assert {State.DISCONNECTED, *TRANSITIONS.values()} == set(State)


def test_every_attempt_can_be_lost_and_tried_again() -> None:
    for state in set(State) - {State.DISCONNECTED, State.FENCED}:
        assert step(state, Trigger.CLOSED) is State.DISCONNECTED


def test_nothing_leaves_fenced() -> None:
    assert {target for (state, _), target in TRANSITIONS.items() if state is State.FENCED} == {State.FENCED}


def test_only_an_adopted_epoch_leads_to_streaming() -> None:
    ways = {line for line, target in TRANSITIONS.items() if target is State.STREAMING}
    assert ways == {(State.ADOPTING, Trigger.ADOPTED)}


def test_a_stream_in_use_can_always_be_given_up_or_fenced() -> None:
    assert WELCOMED < OPEN
    for state in OPEN:
        assert step(state, Trigger.GAVE_UP) is State.CLOSING
        assert step(state, Trigger.FENCED) is State.FENCED


def test_what_the_table_does_not_say_is_a_defect() -> None:
    with pytest.raises(LocalProtocolError, match="'opened' is not possible while disconnected"):
        step(State.DISCONNECTED, Trigger.OPENED)
