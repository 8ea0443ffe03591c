"""Keeps the usage store's worker running beside the ledger, and never lets the ledger wait for it."""

import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from holdfast_ledger.usage.worker_settings import SOCKET, WorkerSettings, is_cluster

FIRST_PAUSE_MS = 500
MAX_PAUSE_MS = 30_000
"""Waits before a worker that ended is started again: doubled each time, so that one that cannot run costs nothing."""

HEALTHY_S = 60
"""A worker that ran for so long begins with the first pause again."""

MAX_SOCKET_BYTES = 100
"""Of a socket's path; the system's limit is 108 or 104."""

STOP_TIMEOUT_S = 10
"""For the turn under way, when the ledger stops."""

_log = logging.getLogger(__name__)


class Supervisor:
    """One worker, started again whenever it ends."""

    def __init__(
        self, database: str, store: str, *, memory_mb: int, interval_ms: int, dimensions: Sequence[str]
    ) -> None:
        """Chooses a place for the socket; `start` starts the worker."""
        self._private = tempfile.TemporaryDirectory(prefix="holdfast-usage-")
        in_folder = Path(store) / SOCKET
        fits = not is_cluster(store) and len(bytes(in_folder)) <= MAX_SOCKET_BYTES
        self.socket = str(in_folder if fits else Path(self._private.name) / SOCKET)
        self._settings = WorkerSettings(database, store, memory_mb, interval_ms, dimensions, self.socket)
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="usage-supervisor", daemon=True)
        self.start_count = 0
        """Workers that were started."""

    def start(self) -> None:
        """Starts the worker, in the background."""
        self._thread.start()

    def _run(self) -> None:
        pause_ms = FIRST_PAUSE_MS
        while not self._stopping.is_set():
            began = time.monotonic()
            status = self._once()
            if self._stopping.is_set():
                return
            pause_ms = FIRST_PAUSE_MS if time.monotonic() - began > HEALTHY_S else min(2 * pause_ms, MAX_PAUSE_MS)
            _log.error("the usage store's worker ended with %s, and is started again in %s ms", status, pause_ms)
            self._stopping.wait(pause_ms / 1_000)

    def _once(self) -> int:
        """Runs one worker to its end; returns its exit status."""
        command = [sys.executable, "-m", "holdfast_ledger.usage.worker"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=_environment())
        self._process, self.start_count = process, self.start_count + 1
        assert process.stdin is not None
        try:
            process.stdin.write(self._settings.line())
            process.stdin.flush()
        except (OSError, ValueError):  # it has ended, or `stop` closed it
            process.kill()
        if self._stopping.is_set():  # `stop` may have looked for a process before there was this one
            process.kill()
        try:
            return process.wait()
        finally:
            with suppress(OSError):  # what was written last went nowhere
                process.stdin.close()

    @property
    def process_id(self) -> int:
        """Of the worker; 0: none was started yet."""
        return self._process.pid if self._process else 0

    def stop(self) -> None:
        """Ends the worker. Idempotent."""
        self._stopping.set()
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
        if self._thread.is_alive():
            self._thread.join()
        self._private.cleanup()


def _environment() -> Mapping[str, str]:
    """The worker's: the ledger's, but for its settings, which come another way."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_LEDGER_")}
