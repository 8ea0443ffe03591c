"""The ledger's end of the socket: a usage store that lives in the worker. See `wire`."""

import socket
import threading
from collections.abc import Mapping

import pyarrow as pa

from holdfast_ledger.usage import database as kinds
from holdfast_ledger.usage.database import (
    NO_PARAMETERS,
    QUERY_TIMEOUT_MS,
    Parameter,
    UsageRefused,
    UsageStoreDown,
    UsageStoreError,
)
from holdfast_ledger.usage.status import UsageStatus
from holdfast_ledger.usage.wire import Head, receive, send

GRACE_MS = 5_000
"""Beyond a question's own time: the engine ends it by itself, and the answer has to come over."""

COMMAND_TIMEOUT_MS = 600_000
"""For what is not a question: an insertion behind large ones, a table to be dropped."""

STATUS_TIMEOUT_MS = 1_000
"""A scrape of metrics does not wait for a store that is busy."""

CONNECT_TIMEOUT_MS = 1_000

IDLE_COUNT = 16
"""Connections that are kept for the next questions."""

_ERRORS: Mapping[str, type[UsageStoreError]] = {
    kind.__name__: kind
    for kind in (kinds.UsageStoreDown, kinds.UsageTimeout, kinds.UsageTooLarge, kinds.UsageRefused, kinds.UsageDamaged)
}


class RemoteDatabase:
    """The store of a worker. See `UsageDatabase`; each call has a connection for itself."""

    def __init__(self, path: str) -> None:
        """Knows where the worker listens; it need not be there yet."""
        self._path = path
        self._lock = threading.Lock()
        self._idle: list[socket.socket] = []

    def query(
        self, sql: str, parameters: Mapping[str, Parameter] = NO_PARAMETERS, timeout_ms: int = QUERY_TIMEOUT_MS
    ) -> pa.Table:
        """See `UsageDatabase`."""
        head: Head = {"operation": "query", "sql": sql, "parameters": dict(parameters), "timeout_ms": timeout_ms}
        _, table = self._ask(head, timeout_ms + GRACE_MS)
        return table

    def command(self, sql: str, parameters: Mapping[str, Parameter] = NO_PARAMETERS, token: str = "") -> None:
        """See `UsageDatabase`."""
        head: Head = {"operation": "command", "sql": sql, "parameters": dict(parameters), "token": token}
        self._ask(head, COMMAND_TIMEOUT_MS)

    def insert(self, table: str, rows: pa.Table, token: str = "") -> None:
        """See `UsageDatabase`."""
        self._ask({"operation": "insert", "table": table, "token": token}, COMMAND_TIMEOUT_MS, rows)

    def status(self) -> UsageStatus:
        """Returns how the store is doing; "down" if nobody answers. Never raises."""
        try:
            head, _ = self._ask({"operation": "status"}, STATUS_TIMEOUT_MS)
        except UsageStoreError as fault:
            return UsageStatus(message=str(fault))
        return UsageStatus.heard(head["status"])

    def rebuild(self) -> None:
        """Has the worker empty the store and feed it anew; does not wait for it. Raises `UsageStoreError`."""
        self._ask({"operation": "rebuild"}, STATUS_TIMEOUT_MS)

    def _ask(self, head: Head, timeout_ms: int, rows: pa.Table | None = None) -> tuple[Head, pa.Table | None]:
        connection = self._connection()
        try:
            connection.settimeout(timeout_ms / 1_000)
            send(connection, head, rows)
            answer = receive(connection)
        except OSError as fault:
            connection.close()
            raise UsageStoreDown(f"the usage store's worker does not answer: {fault}") from fault
        except BaseException:
            connection.close()
            raise
        if answer is None:
            connection.close()
            raise UsageStoreDown("the usage store's worker has ended")
        self._keep(connection)
        if name := answer[0].get("error"):
            raise _ERRORS.get(name, UsageRefused)(answer[0]["message"])
        return answer

    def _connection(self) -> socket.socket:
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if _alive(connection):
                    return connection
                connection.close()
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(CONNECT_TIMEOUT_MS / 1_000)
        try:
            connection.connect(self._path)
        except OSError as fault:
            connection.close()
            raise UsageStoreDown(f"the usage store's worker is not there: {fault}") from fault
        return connection

    def _keep(self, connection: socket.socket) -> None:
        with self._lock:
            if len(self._idle) < IDLE_COUNT:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """See `UsageDatabase`."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def _alive(connection: socket.socket) -> bool:
    """Tells whether the other end of an idle connection is still there: nothing, not even an end, is to be read."""
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
