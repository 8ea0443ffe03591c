"""ClickHouse's engine in this process, through chdb. One process has a folder at a time: the worker."""

import queue
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from holdfast_ledger.usage.database import (
    MAX_RESULT_BYTES,
    NO_PARAMETERS,
    QUERY_TIMEOUT_MS,
    Parameter,
    UsageDamaged,
    UsageRefused,
    UsageStoreDown,
    UsageStoreError,
    UsageTimeout,
    UsageTooLarge,
)

HANDLE_COUNT = 4
"""Statements at once: the feeder, and questions of several people; each has a handle on the one engine."""

_KINDS: Mapping[int, type[UsageStoreError]] = {
    33: UsageDamaged,
    40: UsageDamaged,
    246: UsageDamaged,
    159: UsageTimeout,
    160: UsageTimeout,
    158: UsageTooLarge,
    241: UsageTooLarge,
    396: UsageTooLarge,
    209: UsageStoreDown,
    210: UsageStoreDown,
    279: UsageStoreDown,
}
"""What codes of the engine's errors mean: CANNOT_READ_ALL_DATA, CHECKSUM_DOESNT_MATCH, CORRUPTED_DATA,
TIMEOUT_EXCEEDED, TOO_SLOW, TOO_MANY_ROWS, MEMORY_LIMIT_EXCEEDED, TOO_MANY_ROWS_OR_BYTES, SOCKET_TIMEOUT, NETWORK_ERROR,
ALL_CONNECTION_TRIES_FAILED."""


def query_settings(timeout_ms: int) -> dict[str, str]:
    """Returns the limits of a question, as the engine takes them."""
    return {
        "max_execution_time": str(timeout_ms / 1_000),
        "max_result_bytes": str(MAX_RESULT_BYTES),
        "result_overflow_mode": "throw",
    }


def insert_settings(token: str) -> dict[str, str]:
    """Returns how rows are inserted.

    Without a token of their own, rows like others would be taken for a repeat. Rows of a block are not merged at once:
    that takes four times as long, and no block has a row twice.
    """
    return {"insert_deduplication_token": token or uuid.uuid4().hex, "optimize_on_insert": "0"}


@contextmanager
def translated() -> Iterator[None]:
    """Raises the engine's errors as kinds of `UsageStoreError`."""
    try:
        yield
    except ClickHouseError as fault:
        text = str(fault)
        found = re.search(r"\bcode:? (\d+)", text, re.IGNORECASE)
        kind = _KINDS.get(int(found[1]), UsageRefused) if found else UsageStoreDown
        raise kind(text) from fault


class EmbeddedDatabase:
    """The engine on a folder. See `UsageDatabase`."""

    def __init__(self, folder: Path, memory_mb: int) -> None:
        """Opens or makes the folder.

        Args:
            folder: The engine's own; nothing else is in it.
            memory_mb: Limit of the engine as a whole, in megabytes.

        Raises:
            UsageStoreError: It cannot be opened.
        """
        options = {"max_server_memory_usage": memory_mb << 20}
        self._handles: queue.SimpleQueue[Client] = queue.SimpleQueue()
        self._open: list[Client] = []
        self._question_settings = {"max_memory_usage": str(memory_mb << 19)}
        """A question has half of the memory: the feeder goes on beside it."""
        self.closing: IO[bytes] | None = None
        """What is closed with it."""
        with translated():
            for _ in range(HANDLE_COUNT):
                client = clickhouse_connect.get_client(interface="chdb", path=str(folder), chdb_options=options)
                self._open.append(client)
                self._handles.put(client)

    @contextmanager
    def _handle(self) -> Iterator[Client]:
        client = self._handles.get()
        try:
            with translated():
                yield client
        finally:
            self._handles.put(client)

    def query(
        self, sql: str, parameters: Mapping[str, Parameter] = NO_PARAMETERS, timeout_ms: int = QUERY_TIMEOUT_MS
    ) -> pa.Table:
        """See `UsageDatabase`."""
        with self._handle() as client:
            settings = self._question_settings | query_settings(timeout_ms)
            return client.query_arrow(sql, dict(parameters), settings)

    def command(self, sql: str, parameters: Mapping[str, Parameter] = NO_PARAMETERS, token: str = "") -> None:
        """See `UsageDatabase`."""
        with self._handle() as client:
            client.command(sql, dict(parameters), settings=insert_settings(token))

    def insert(self, table: str, rows: pa.Table, token: str = "") -> None:
        """See `UsageDatabase`."""
        with self._handle() as client:
            client.insert_arrow(table, rows, settings=insert_settings(token))

    def close(self) -> None:
        """See `UsageDatabase`."""
        for client in self._open:
            client.close()
        self._open.clear()
        if self.closing is not None:
            self.closing.close()
