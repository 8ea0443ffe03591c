"""The tables of the usage store, the same for the embedded engine and for a cluster."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib import resources

from holdfast_ledger.usage.database import UsageDatabase

ROLLUPS = (
    "usage_hours", "usage_account_hours", "spend_hours", "spend_account_hours", "event_hours", "event_account_hours",
    "dimension_hours", "rollup_touches", "rollup_rolls",
)  # fmt: skip
"""Sums of hours, made of the others by `queries.rollups`."""

TABLES = (
    "spend", "usage", "events", "event_names", "void_names", "arrivals", "judged", "grant_burns", "feed_turns",
    *ROLLUPS,
)  # fmt: skip
"""Each with a file of its name in `tables/`."""

FACTS = ("spend", "usage", "events")
"""Those that grow with what is used."""

HOT_DIMENSIONS = ("model", "feature", "region", "provider", "environment")
"""Dimensions with a column of their own in `spend` and `usage`, `dimension_NAME`: five times as fast as the map."""

SUBJECT_LEVELS = 8
"""Levels of a subject's path with a column of their own, `subject_1` and so on: its names, not its beginnings."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the tables of a cluster lie."""

    cluster: str = ""
    """Name of the cluster as the servers know it; empty: the tables are made on the one server that is asked."""
    replicated: bool = False
    """Whether the tables replicate themselves."""


def create(database: UsageDatabase, placement: Placement | None = None) -> None:
    """Makes the tables that are not there. Raises `UsageStoreError`."""
    for statement in definitions(placement or Placement()):
        database.command(statement)


def drop(database: UsageDatabase, placement: Placement | None = None, keep: Collection[str] = ()) -> None:
    """Removes the tables, but for those to keep, with all that is in them. Raises `UsageStoreError`."""
    tail = _on_cluster(placement or Placement())
    for table in [name for name in TABLES if name not in keep]:
        database.command(f"DROP TABLE IF EXISTS {table}{tail} SYNC")


def definitions(placement: Placement) -> Iterator[str]:
    """Yields the statements that make the tables, in their order."""
    folder = resources.files("holdfast_ledger.usage") / "tables"
    for table in TABLES:
        text = (folder / f"{table}.sql").read_text("utf-8")
        text = text.replace(f"EXISTS {table} (", f"EXISTS {table}{_on_cluster(placement)} (", 1)
        yield text.replace("ENGINE = ", "ENGINE = Replicated", 1) if placement.replicated else text


def _on_cluster(placement: Placement) -> str:
    quoted = placement.cluster.replace("\\", "\\\\").replace("`", "\\`")
    return f" ON CLUSTER `{quoted}`" if quoted else ""
