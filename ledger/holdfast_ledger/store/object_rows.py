"""The rows of objects that are taken in from object stores, a part of `interface`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol


class ObjectState(IntEnum):
    """How far an object is."""

    PENDING = 1
    RUNNING = 2
    DONE = 3
    FAILED = 4


class FoundObject(NamedTuple):
    """An object as a listing shows it."""

    path: str
    version: str
    """What tells one content at a path from another."""
    size_bytes: int
    modified_at_ms: int


@dataclass(slots=True)
class IngestedObject:
    """One content of an object, and what became of it; the fields are the table's columns, in their order."""

    object_key: int
    source: str
    path: str
    version: str
    size_bytes: int
    modified_at_ms: int
    found_at_ms: int
    state: ObjectState
    due_at_ms: int
    claim: str
    attempt_count: int
    began_at_ms: int
    ended_at_ms: int
    row_count: int
    bad_count: int
    byte_count: int
    error: str


class SourceTotals(NamedTuple):
    """What became of the objects of a source; the fields are the table's columns, in their order."""

    source: str
    done_count: int
    row_count: int
    bad_count: int
    byte_count: int
    listed_at_ms: int
    listing_error: str


class OpenObjects(NamedTuple):
    """Objects of a source that are not done."""

    source: str
    state: ObjectState
    object_count: int
    oldest_found_at_ms: int


class ObjectReader(Protocol):
    """Reads of objects, a part of `Reader`."""

    def object(self, object_key: int) -> IngestedObject | None:
        """Returns an object."""

    def objects(self, source: str, state: ObjectState, after_key: int, limit: int) -> list[IngestedObject]:
        """Lists the objects of a source in one state, in the order in which they were found."""

    def objects_named(self, source: str, found: Sequence[FoundObject]) -> list[IngestedObject]:
        """Returns those contents of a source's objects that are known, in no order."""

    def object_sources(self) -> list[SourceTotals]:
        """Returns what became of every source, by name."""

    def open_objects(self) -> list[OpenObjects]:
        """Counts the objects that are not done, by source and state."""


class ObjectWriter(ObjectReader, Protocol):
    """Changes of objects, a part of `Writer`."""

    def add_objects(self, source: str, found: Sequence[FoundObject], now_ms: int) -> None:
        """Adds the objects that are not known yet."""

    def save_listing(self, source: str, listed_at_ms: int | None, error: str) -> None:
        """Writes how a source's listing ended; None: it did not, the time stays as it was."""

    def claim_object(
        self, sources: Collection[str], object_keys: Collection[int] | None, claim: str, now_ms: int, until_ms: int
    ) -> IngestedObject | None:
        """Claims the object that is longest due, of these sources and, where given, among these; None: there is none.

        Leaves out those that another transaction is about to claim.
        """

    def save_object(self, row: IngestedObject, claim: str) -> bool:
        """Writes an object back if it is still claimed by this word; False: the claim is lost, nothing is written."""

    def keep_claim(self, object_key: int, claim: str, until_ms: int) -> bool:
        """Moves a claim on and changes nothing else; False: it is lost."""

    def add_to_source(self, source: str, done_count: int, row_count: int, bad_count: int, byte_count: int) -> None:
        """Adds to what became of a source."""

    def retry_objects(self, source: str, path: str, now_ms: int) -> int:
        """Makes failed objects of a source pending, from where they failed; empty path: all. Returns how many."""
