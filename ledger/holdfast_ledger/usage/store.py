"""The ledger's side of the usage store: its worker, and the way to ask it. The ledger goes on without it."""

import importlib.util

from holdfast_ledger.config import LedgerConfig
from holdfast_ledger.store.interface import StoreFailed
from holdfast_ledger.usage import dimensions
from holdfast_ledger.usage.status import UsageStatus
from holdfast_ledger.usage.supervisor import Supervisor


class UsageStore:
    """A usage store of a running ledger."""

    def __init__(self, config: LedgerConfig) -> None:
        """Makes it ready; `start` starts the worker."""
        self.config = config
        self.dimensions = dimensions.split(config.usage_dimensions)
        """Those with a column of their own."""
        self._supervisor = Supervisor(
            config.database,
            config.usage_store,
            memory_mb=config.usage_memory_mb,
            interval_ms=config.usage_interval_ms,
            dimensions=self.dimensions,
        )
        from holdfast_ledger.usage.remote import RemoteDatabase  # noqa: PLC0415 - Arrow is an extra

        self.database = RemoteDatabase(self._supervisor.socket)

    def start(self) -> None:
        """Starts the worker and keeps it running. Does not wait for it."""
        self._supervisor.start()

    def status(self) -> UsageStatus:
        """Returns how the store is doing; within a second."""
        return self.database.status()

    @property
    def worker_id(self) -> int:
        """Process id of the worker; 0: none was started yet."""
        return self._supervisor.process_id

    @property
    def start_count(self) -> int:
        """How many workers were started."""
        return self._supervisor.start_count

    def stop(self) -> None:
        """Ends the worker; takes seconds if it is busy. Idempotent."""
        self.database.close()
        self._supervisor.stop()


def open_usage(config: LedgerConfig) -> UsageStore | None:
    """Returns the store that the settings name; None: they name none. Raises `StoreFailed` if an extra is missing."""
    if not config.usage_store:
        return None
    missing = [name for name in ("chdb", "clickhouse_connect", "pyarrow") if importlib.util.find_spec(name) is None]
    if missing:
        raise StoreFailed(f"a usage store needs the extra holdfast[analytics]: {', '.join(missing)} is not there")
    return UsageStore(config)
