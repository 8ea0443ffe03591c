"""What a user may choose for a run of a scenario; the defaults are those of the published figures."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

Transport: TypeAlias = Literal["bare", "portable", "native"]
Durability: TypeAlias = Literal["host", "process"]
PathShape: TypeAlias = Literal["full", "empty"]
"""What stands between an operation and its pool: four subjects with three budgets and a rate limit, or nothing."""
LedgerStore: TypeAlias = Literal["sqlite", "postgres"]


@dataclass(frozen=True, slots=True)
class Options:
    """One run. Where a field is None, the scenario decides."""

    transport: Transport = "native"
    """The transport measured; the bare and the portable one are measured beside it."""
    durabilities: tuple[Durability, ...] = ("host", "process")
    path: PathShape = "full"
    """Of the operations; beside the full one the empty one is measured too."""
    in_flight: int | None = None
    """Work items under way at once; for bursts, the size of a burst."""
    connection_count: int = 1
    rounds: int = 5
    seconds: float = 3.0
    """Measured time of each round and subject."""
    warmup_s: float = 1.0
    rate_per_s: float | None = None
    """Open loop: work items started a second."""
    trace: Path | None = None
    unix_socket: bool = False
    """Calls go over a Unix socket, not TCP."""
    hold_counts: tuple[int, ...] = field(default=(1_000, 100_000, 1_000_000))
    """Open holds at which scenario `holds` measures."""
    pool_count: int = 10_000
    """Pools of scenario `holds`."""
    active_counts: tuple[int, ...] = field(default=(1_000, 10_000, 100_000))
    """Active subjects with which scenario `subjects` measures."""
    debit_count: int = 200_000
    """Debits that scenario `ledger` posts in each round."""
    store: LedgerStore = "sqlite"
    """Where the ledger of scenario `ledger` keeps its rows; PostgreSQL: a server of its own that waits for the disk."""
    replica_count: int = 1
    """Ledgers over that database, each with the stream of one sidecar."""
    row_count: int | None = None
    """Rows of scenarios `ingest` and `usage-query`."""
    ledger_pool_count: int = 1
    """Accounts over which those debits are spread, each with a pool."""
