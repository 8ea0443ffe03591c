"""Keeps the worker that takes objects in running beside the ledger."""

import importlib.util
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from holdfast_ledger.config import LedgerConfig
from holdfast_ledger.objects.config import IngestConfigError, load_file
from holdfast_ledger.objects.worker_settings import WorkerSettings

FIRST_PAUSE_S, LAST_PAUSE_S = 0.5, 30.0
"""Before a worker that ended is started again, doubled each time."""
HEALTHY_S = 60.0
"""A worker that ran for so long begins with the first pause again."""
STOP_TIMEOUT_S = 5.0
"""For the piece under way when the ledger stops; what is not committed then is read again."""

_log = logging.getLogger(__name__)


def open_ingest(config: LedgerConfig) -> "Supervisor | None":
    """Returns what runs the worker of a ledger; None: it has no ingest file. Raises `IngestConfigError`."""
    if not config.ingest_file:
        return None
    if importlib.util.find_spec("obstore") is None:
        raise IngestConfigError("ingest_file needs the extra holdfast[ingest]")
    load_file(Path(config.ingest_file))
    return Supervisor(WorkerSettings.of(config, config.ingest_file))


class Supervisor:
    """One worker, started again whenever it ends."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="ingest-supervisor", daemon=True)

    def start(self) -> None:
        """Starts the worker, in the background."""
        self._thread.start()

    @property
    def process_id(self) -> int:
        """Of the worker; 0: none was started yet."""
        return self._process.pid if self._process else 0

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stopping.is_set():
            began = time.monotonic()
            status = self._once()
            if self._stopping.is_set():
                return
            pause_s = FIRST_PAUSE_S if time.monotonic() - began > HEALTHY_S else min(2 * pause_s, LAST_PAUSE_S)
            _log.error("the worker for objects ended with %s, and is started again in %s s", status, pause_s)
            self._stopping.wait(pause_s)

    def _once(self) -> int:
        """Runs one worker to its end; returns its exit status."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_LEDGER_")}
        command = [sys.executable, "-m", "holdfast_ledger.objects.worker"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:
            self._process = process
            assert process.stdin is not None
            try:
                process.stdin.write(self._settings.line())
                process.stdin.flush()
                while process.poll() is None and not self._stopping.wait(0.2):
                    pass
                process.stdin.close()
                return process.wait(STOP_TIMEOUT_S)
            except (OSError, subprocess.TimeoutExpired):
                process.kill()
            return process.wait()

    def stop(self) -> None:
        """Ends the worker. Idempotent."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
