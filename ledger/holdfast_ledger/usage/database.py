"""What every usage store offers, wherever its engine runs: questions, commands and rows, all with Arrow columns.

Implementations: `embedded` (in this process), `remote` (in the worker's), `cluster` (ClickHouse servers). The SQL is
ClickHouse's; values are never a part of it, they go in parameters as `{name:Type}`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa  # an extra, which a ledger without a usage store does not have

Parameter = str | int | Sequence[str] | Sequence[int]
"""A value of a statement; its type is told where it stands in the SQL."""

QUERY_TIMEOUT_MS = 30_000
"""Time for a question unless told: longer than any that people wait for."""

MAX_RESULT_BYTES = 256 * 1024 * 1024
"""Of one answer, in columns: some million cells; more is a mistake of who asks, not a page."""

NO_PARAMETERS: Mapping[str, Parameter] = {}


class UsageStoreError(Exception):
    """The usage store did not do what was asked."""


class UsageStoreDown(UsageStoreError):
    """It cannot be reached, or is starting: a retry may help."""


class UsageTimeout(UsageStoreError):
    """The question took longer than its time."""


class UsageTooLarge(UsageStoreError):
    """The question needs more memory, or its answer is larger, than is allowed."""


class UsageRefused(UsageStoreError):
    """The engine does not take the statement: a mistake in it, or a table that is not there."""


class UsageDamaged(UsageStoreError):
    """What is on the disk cannot be read: the store has to be made anew."""


class UsageDatabase(Protocol):
    """A usage store. Any thread; each call by itself."""

    def query(
        self, sql: str, parameters: Mapping[str, Parameter] = NO_PARAMETERS, timeout_ms: int = QUERY_TIMEOUT_MS
    ) -> "pa.Table":
        """Answers a question.

        Args:
            sql: One SELECT; values stand in it as `{name:Type}`.
            parameters: The values by name; lists for `Array(…)`.
            timeout_ms: Milliseconds after which it is given up.

        Raises:
            UsageStoreError: One of its kinds.
        """

    def command(self, sql: str, parameters: Mapping[str, Parameter] = NO_PARAMETERS, token: str = "") -> None:
        """Carries out a statement without an answer.

        Args:
            sql: Anything but a question; values as in `query`.
            parameters: The values by name.
            token: As in `insert`, of an INSERT … SELECT.

        Raises:
            UsageStoreError: As for `insert`.
        """

    def insert(self, table: str, rows: "pa.Table", token: str = "") -> None:
        """Adds rows, durably, to the columns that they name.

        Args:
            table: A table of `tables/`.
            rows: Columns by name; those left out get their defaults.
            token: Names these rows: of the last thousand tokens of a table none is inserted twice. Empty: none.

        Raises:
            UsageStoreError: Some of the rows may be there; repeat it with the same token.
        """

    def close(self) -> None:
        """Lets go of the engine. Idempotent."""
