"""What goes into a statement and what comes out of it, for every SQL store."""

from collections.abc import Collection, Iterator
from typing import Any, Protocol

Value = int | str | bytes | Collection[int] | None


class Rows(Protocol):
    """What a statement returned; the columns are those of the statement."""

    def __iter__(self) -> Iterator[Any]:
        """Row by row."""

    def fetchone(self) -> Any:
        """The next row."""
