"""What the ledger tells its worker: one line of JSON on the worker's standard input, so that no list of processes
shows a password."""

import json
from typing import NamedTuple

from holdfast_ledger.config import LedgerConfig
from holdfast_ledger.metering.event_rules import EventTerms


class WorkerSettings(NamedTuple):
    """What a worker works on."""

    database: str
    ingest_file: str
    event_future_ms: int
    event_grace_ms: int
    waiting_limit: int
    """Batches that may wait to be counted; 0: any number."""

    @classmethod
    def of(cls, config: LedgerConfig, ingest_file: str) -> "WorkerSettings":
        """The settings of a ledger. Without a usage store nothing is counted, so nothing is waited for."""
        waiting = config.event_waiting_batches if config.usage_store else 0
        return cls(config.database, ingest_file, config.event_future_ms, config.event_grace_ms, waiting)

    @classmethod
    def read(cls, line: bytes) -> "WorkerSettings":
        """Reads what `line` wrote."""
        return cls(**json.loads(line))

    def line(self) -> bytes:
        """Returns them as the worker reads them."""
        return json.dumps(self._asdict()).encode() + b"\n"

    @property
    def terms(self) -> EventTerms:
        """Which times events may have."""
        return EventTerms(self.event_future_ms, self.event_grace_ms)
