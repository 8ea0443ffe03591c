"""The agents' own record of every settle that was acked, on disk: the oracle of the reconciliation.

A line an ack, `operation_id amount`. A thread of its own writes and fsyncs whatever came since the last time, so that
the agents do not wait for the disk.
"""

import os
import queue
import threading
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Acked:
    """A settle that the sidecar has answered."""

    operation_id: str
    amount: int
    """Debited, in minor units."""


class History:
    """Appends acks to a file until it is closed."""

    def __init__(self, path: Path) -> None:
        """Makes the file. Raises OSError, also if it exists."""
        self._file = path.open("xb", buffering=0)
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._fault: OSError | None = None
        self._writer = threading.Thread(target=self._write, name="history")
        self._writer.start()

    def append(self, acked: Acked) -> None:
        """Records one; it is on the disk at the latest when `close` returns."""
        self._lines.put(f"{acked.operation_id} {acked.amount}\n".encode())

    def close(self) -> None:
        """Waits until everything is on the disk. Raises OSError if it is not. Idempotent."""
        self._lines.put(None)
        self._writer.join()
        self._file.close()
        if self._fault is not None:
            raise self._fault

    def _write(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                batch = [line]
                ended = False
                while not self._lines.empty() and not ended:
                    more = self._lines.get()
                    ended = more is None
                    batch += [more] if more is not None else []
                self._file.write(b"".join(batch))
                os.fsync(self._file.fileno())
                if ended:
                    return
        except OSError as fault:
            self._fault = fault


def read_history(path: Path) -> list[Acked]:
    """Reads a history back. Raises OSError, and ValueError for a line that is none."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Acked(operation_id, int(amount)) for operation_id, amount in (line.split(" ") for line in lines)]
