"""Pages of lists whose order is that of names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from holdfast_ledger.paging import page_limit, read_token, write_token

T = TypeVar("T")


class PageRequest(Protocol):
    """What all requests for a page have."""

    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was asked for."""

    scope: tuple[str, ...]
    after: str
    """Name of the last row before it; empty: the first page."""
    size: int

    @classmethod
    def asked(cls, request: PageRequest, *scope: str) -> "Page":
        """Reads what was asked for, of the list that `scope` names. Raises `InvalidArgument`."""
        key = read_token(scope, request.page_token, [str])
        return cls(scope, str(key[0]) if key else "", page_limit(request.page_size))

    @property
    def limit(self) -> int:
        """Rows to look for: one more than shown tells whether there is another page."""
        return self.size + 1

    def cut(self, rows: Sequence[T], name_of: Callable[[T], str]) -> tuple[Sequence[T], str]:
        """Returns the rows of the page, and the token of the next one."""
        shown = rows[: self.size]
        return shown, write_token(self.scope, [name_of(shown[-1])]) if len(rows) > self.size else ""
