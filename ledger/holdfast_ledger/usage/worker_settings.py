"""What a ledger tells its usage store's worker."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

SOCKET = "socket"
"""Name of the socket at which the worker answers; of an embedded store in its folder, so that tools find it."""

_SCHEME = "clickhouse://"


def is_cluster(store: str) -> bool:
    """Tells whether a store is a cluster's URL and not a folder."""
    return store.startswith(_SCHEME)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What the ledger tells its worker."""

    database: str
    """The ledger's, as its setting says."""
    store: str
    """A folder, or a clickhouse:// URL."""
    memory_mb: int
    interval_ms: int
    """Wait between turns that bring nothing."""
    dimensions: Sequence[str]
    """Those with a column of their own."""
    socket: str
    """Path of the Unix socket to listen on."""

    def line(self) -> bytes:
        """Returns it as it is sent."""
        return json.dumps(asdict(self)).encode() + b"\n"
