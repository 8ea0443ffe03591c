"""What is kept of events: those on their way to the ledger, the names of those that are here, and the meters.

Events are too many to be held in memory. They lie in the store alone; the engine looks names up through `EventNames`
when it has to know whether an event is here already, which is as good as state: one thread reads and writes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from holdfast_rating.metering import UsageMeter


class KnownEvent(NamedTuple):
    """What is remembered of an event by its name."""

    content: bytes
    """16 bytes that stand for its content; `NO_CONTENT`: it was taken back before it came."""
    is_void: bool


NO_CONTENT = bytes(16)


class EventNames(Protocol):
    """What the store has of names, as of the last commit. The loop's thread."""

    @property
    def events_refused(self) -> bool:
        """Whether no more events are taken in, since too many wait for the ledger; recovers as they leave."""

    @property
    def event_name_count(self) -> int:
        """Names remembered."""

    @property
    def oldest_event_name_unix_ms(self) -> int:
        """When the oldest names were last used; 0: there are none."""

    def find_events(self, names: Sequence[bytes]) -> Mapping[bytes, KnownEvent]:
        """Returns what is known of names; those of which nothing is known are left out."""


class EventRow(NamedTuple):
    """A run of events with contiguous sequences, in the form in which they travel."""

    first_sequence: int
    event_count: int
    taken_at_unix_ms: int
    payload: bytes
    """Serialised entries of `holdfast.v1.EventBatch.events`, one behind the other."""


@dataclass(slots=True, eq=False)
class EventWrites:
    """What one batch changes of events."""

    rows: list[EventRow] = field(default_factory=list)
    """New ones, in ascending sequence."""
    trimmed_to: int = 0
    """Events up to this sequence, inclusive, leave once a whole row of them may; 0: none."""
    names: dict[bytes, KnownEvent] = field(default_factory=dict)
    """New or changed ones."""
    taken_at_unix_ms: int = 0
    """Of the names."""
    forget_before_unix_ms: int = 0
    """Names last used before this leave, the oldest first; 0: none for their age."""
    name_limit: int = 0
    """Most names that stay; the oldest leave. 0: as many as there are."""
    forget_most: int = 0
    """Names that one commit looks at, about, so that none takes long."""
    meters: "Meters | None" = None
    """In place of those that there were; None: as they were."""


NO_EVENTS = EventWrites()
"""A batch that changes nothing of events; never changed."""


@dataclass(frozen=True, slots=True)
class Meters:
    """All meters at one revision."""

    revision: int
    """As the ledger counts them; 0: none were heard of."""
    meters: tuple[UsageMeter, ...] = ()


NO_METERS = Meters(0)
