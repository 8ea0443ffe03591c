"""The life of the uplink as one table; the protocol changes its state through `step` alone.

    DISCONNECTED ──dialed──► CONNECTING ──opened──► GREETING ──welcomed──► ADOPTING ──adopted──► STREAMING

Any of them but the first may give up (CLOSING: the stream is being torn down) or lose the stream (DISCONNECTED, and a
pause before the next attempt). FENCED is final.
"""

from enum import Enum


class State(Enum):
    """Where the uplink is."""

    DISCONNECTED = "disconnected"
    """No stream; waits for the moment to dial."""
    CONNECTING = "connecting"
    """A connection is being made."""
    GREETING = "greeting"
    """Hello is on its way; Welcome is due."""
    ADOPTING = "adopting"
    """Welcome is here; its epoch is not durable yet, so no debit may leave."""
    STREAMING = "streaming"
    """Debits and lease requests may leave."""
    CLOSING = "closing"
    """The stream counts as dead; the runner is to cancel it."""
    FENCED = "fenced"
    """Final: no stream is opened any more."""


class Trigger(Enum):
    """What moves it on."""

    DIALED = "dialed"
    OPENED = "opened"
    WELCOMED = "welcomed"
    ADOPTED = "adopted"
    GAVE_UP = "gave up"
    CLOSED = "closed"
    FENCED = "fenced"


TRANSITIONS: dict[tuple[State, Trigger], State] = {
    (State.DISCONNECTED, Trigger.DIALED): State.CONNECTING,
    (State.CONNECTING, Trigger.OPENED): State.GREETING,
    (State.CONNECTING, Trigger.GAVE_UP): State.CLOSING,
    (State.CONNECTING, Trigger.CLOSED): State.DISCONNECTED,
    (State.GREETING, Trigger.WELCOMED): State.ADOPTING,
    (State.GREETING, Trigger.GAVE_UP): State.CLOSING,
    (State.GREETING, Trigger.CLOSED): State.DISCONNECTED,
    (State.GREETING, Trigger.FENCED): State.FENCED,
    (State.ADOPTING, Trigger.ADOPTED): State.STREAMING,
    (State.ADOPTING, Trigger.GAVE_UP): State.CLOSING,
    (State.ADOPTING, Trigger.CLOSED): State.DISCONNECTED,
    (State.ADOPTING, Trigger.FENCED): State.FENCED,
    (State.STREAMING, Trigger.GAVE_UP): State.CLOSING,
    (State.STREAMING, Trigger.CLOSED): State.DISCONNECTED,
    (State.STREAMING, Trigger.FENCED): State.FENCED,
    (State.CLOSING, Trigger.CLOSED): State.DISCONNECTED,
    (State.CLOSING, Trigger.FENCED): State.FENCED,
    (State.FENCED, Trigger.CLOSED): State.FENCED,
    (State.FENCED, Trigger.FENCED): State.FENCED,
}

WELCOMED = frozenset({State.ADOPTING, State.STREAMING})
"""The ledger has accepted this sidecar on the stream that is open."""

OPEN = frozenset({State.GREETING, State.ADOPTING, State.STREAMING})
"""A stream is in use: messages may be written and received."""


class LocalProtocolError(Exception):
    """The runner did what the state does not allow: a defect of ours."""


def step(state: State, trigger: Trigger) -> State:
    """Returns the state after the trigger. Raises `LocalProtocolError` where the table has no line."""
    try:
        return TRANSITIONS[state, trigger]
    except KeyError:
        raise LocalProtocolError(f"{trigger.value!r} is not possible while {state.value}") from None
