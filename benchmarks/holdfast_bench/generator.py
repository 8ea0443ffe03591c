"""What the native load generator is told to send: steps of a work item, as templates with numbers in them.

Above it: the scenarios, which know the domain. Below it: `holdfast_sidecar._native.LoadGenerator`, which does not.
"""

import re
from dataclasses import dataclass

from google.protobuf.message import Message

MAX_SLOTS = 10_000
"""Numbers that one step may take for each work item."""
MAX_MODULO = 1_000_000

_PLACE = re.compile(rb"@(\d)(\d{4})(\d{6})")


@dataclass(frozen=True, slots=True)
class Patch:
    """A place in a payload at which a number is written in twelve decimal digits."""

    offset: int
    """Byte at which the digits begin."""
    step: int
    """The step whose number it is; an earlier one refers back, as a settle does to its hold."""
    slot: int
    """Which of that step's numbers, from 0."""
    modulo: int
    """The number is written modulo this; 0: as it is."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a work item; the next step begins when its answer is there."""

    path: str
    """The method, such as "/holdfast.v1.EnforcementService/Reserve"."""
    template: bytes
    patches: tuple[Patch, ...] = ()
    number_count: int = 1
    """Numbers that each call of this step takes; no two calls share one. 0: it has those of the steps before it."""
    stream: bool = False
    """Whether the payload is a message on a bidirectional stream, with one message in flight on each stream."""
    expect: bytes = b""
    """What an answer with status OK has to start with, or else it counts as unexpected and ends its item."""
    expect_count: int = 0
    """Above 0: `expect` has to occur so often, anywhere in the answer."""


def number(step: int = 0, slot: int = 0, modulo: int = 0) -> str:
    """The text that stands for a number in a template, as long as the digits that will replace it.

    Raises:
        ValueError: An argument is out of range (a step of 0..9, `MAX_SLOTS`, `MAX_MODULO`).
    """
    if not (0 <= step <= 9 and 0 <= slot < MAX_SLOTS and 0 <= modulo < MAX_MODULO):
        raise ValueError(f"no such number: step {step}, slot {slot}, modulo {modulo}")
    return f"@{step}{slot:04}{modulo:06}"


def step_of(
    path: str,
    message: Message,
    *,
    number_count: int = 1,
    stream: bool = False,
    expect: bytes = b"",
    expect_count: int = 0,
) -> Step:
    """A step that sends `message`, with a patch wherever the message contains a `number()`."""
    template = message.SerializeToString(deterministic=True)
    patches = tuple(
        Patch(found.start(), int(found[1]), int(found[2]), int(found[3])) for found in _PLACE.finditer(template)
    )
    return Step(path, template, patches, number_count, stream, expect, expect_count)
