"""The worker's end of the socket: answers questions of the ledger from the store, several at once."""

import logging
import socket
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from holdfast_ledger.usage.database import (
    QUERY_TIMEOUT_MS,
    UsageDamaged,
    UsageDatabase,
    UsageStoreDown,
    UsageStoreError,
)
from holdfast_ledger.usage.status import UsageStatus
from holdfast_ledger.usage.wire import Head, receive, send

MAX_CONNECTIONS = 64
"""Of one ledger; it keeps 16 idle ones, and has no more questions at once than threads."""

_log = logging.getLogger(__name__)


class Serving:
    """Serves a store on a Unix socket, on threads of its own, until it is closed."""

    def __init__(self, path: Path, status: Callable[[], UsageStatus], rebuild: Callable[[], None]) -> None:
        """Binds and serves; while there is no store, questions are answered with "starting". Raises OSError."""
        self._status = status
        self._rebuild = rebuild
        path.unlink(missing_ok=True)
        self._slots = threading.Semaphore(MAX_CONNECTIONS)
        self.database: UsageDatabase | None = None
        serving = self

        class Handler(socketserver.BaseRequestHandler):
            """One connection."""

            def handle(self) -> None:
                """Answers until the other end closes."""
                serving._serve(self.request)

        self._server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True, name="usage-serving")
        self._thread.start()

    def _serve(self, connection: socket.socket) -> None:
        if not self._slots.acquire(blocking=False):
            return
        try:
            while (request := receive(connection)) is not None:
                head, body = self._answered(*request)
                send(connection, head, body)
        except (OSError, UsageStoreError) as fault:
            _log.info("a connection ended: %s", fault)
        finally:
            self._slots.release()

    def _answered(self, head: Head, rows: pa.Table | None) -> tuple[Head, pa.Table | None]:
        try:
            if head["operation"] == "status":
                return {"status": self._status().told()}, None
            return {}, self._done(head, rows)
        except UsageStoreError as fault:
            if isinstance(fault, UsageDamaged):
                self._rebuild()
            return {"error": type(fault).__name__, "message": str(fault)}, None
        except Exception as fault:  # noqa: BLE001 - whatever it is becomes an answer
            _log.exception("a question failed")
            return {"error": "UsageRefused", "message": str(fault)}, None

    def _done(self, head: Head, rows: pa.Table | None) -> pa.Table | None:
        if head["operation"] == "rebuild":
            self._rebuild()
            return None
        database = self.database
        if database is None:
            raise UsageStoreDown("the usage store is starting")
        match head["operation"]:
            case "query":
                return database.query(head["sql"], head["parameters"], head.get("timeout_ms", QUERY_TIMEOUT_MS))
            case "command":
                database.command(head["sql"], head["parameters"], head["token"])
            case "insert":
                assert rows is not None
                database.insert(head["table"], rows, head["token"])
        return None

    def close(self) -> None:
        """Stops serving. Idempotent."""
        self._server.shutdown()
        self._server.server_close()
