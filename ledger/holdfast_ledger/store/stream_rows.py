"""The rows of streams, and what a store does with them: what goes out, by key, and how far what comes in has come.

A part of `interface`. How far the tables may be read is told by `feed_heads` and `fence_passed` of `feed_rows`.
"""

from typing import NamedTuple, Protocol


class StreamedDebit(NamedTuple):
    """A debit with the names that its keys stand for."""

    debit_key: int
    account_id: str
    pool_id: str
    currency: str
    amount: int
    operation_id: str
    hold_id: str
    subject: str
    dimensions: str
    """A JSON object of strings."""
    quantities: str
    """A JSON object of numbers; empty: none."""
    settled_at_ms: int
    posted_at_ms: int
    sidecar_id: str
    epoch: int
    sequence: int
    late: int
    over_hold_amount: int
    estimated: int
    caller: str


class StreamedEntry(NamedTuple):
    """A journal line with the names that its keys stand for; empty or 0 where no debit made it."""

    entry_key: int
    type: int
    account_id: str
    pool_id: str
    currency: str
    grant_id: str
    amount: int
    posted_at_ms: int
    operation_id: str
    hold_id: str
    correction_id: str


class StreamReader(Protocol):
    """The part of `Reader` that streams use."""

    def debits_to_stream(self, after_key: int, until_key: int, limit: int) -> list[StreamedDebit]:
        """Returns debits in the order of their keys."""

    def entries_to_stream(self, after_key: int, until_key: int, limit: int) -> list[StreamedEntry]:
        """Returns journal lines in the order of their keys."""

    def stream_offset(self, group_id: str, topic: str, partition: int) -> int | None:
        """Returns the offset of the first message that was not taken in; None: none ever was."""


class StreamWriter(StreamReader, Protocol):
    """The part of `Writer` that streams use."""

    def move_stream_offset(
        self, group_id: str, topic: str, partition: int, expected: int | None, next_offset: int
    ) -> bool:
        """Moves an offset on from what it is expected to be; False: another consumer has moved it."""
