"""The tables of the usage store, the same for the embedded engine and for a cluster."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from holdfast_ledger.usage.database import UsageDatabase
from holdfast_ledger.usage.dimensions import COLUMN_PREFIX, DEFAULT_DIMENSIONS, column_of

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

_DIMENSION_COLUMNS = {
    "spend": "MATERIALIZED dimensions['{name}']",
    "usage": "MATERIALIZED dimensions['{name}']",
    "usage_hours": "",
    "spend_hours": "",
    "event_hours": "",
}
"""Tables with a column for each dimension that has one, and what it is: five times as fast as the map. Rows from before
there was such a column are read out of the map still; sums say by which they are kept."""

SUBJECT_LEVELS = 8
"""Levels of a subject's path with a column of their own, `subject_1` and so on: its names, not its beginnings."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the tables of a cluster lie."""

    cluster: str = ""
    """Name of the cluster as the servers know it; empty: the tables are made on the one server that is asked."""
    replicated: bool = False
    """Whether the tables replicate themselves."""


def create(
    database: UsageDatabase, placement: Placement | None = None, dimensions: Sequence[str] = DEFAULT_DIMENSIONS
) -> None:
    """Makes the tables, and the columns of dimensions, that are not there. Raises `UsageStoreError`."""
    for statement in definitions(placement or Placement(), dimensions):
        database.command(statement)


def dimensions_of(database: UsageDatabase) -> Sequence[str]:
    """Returns the dimensions that have a column. Raises `UsageStoreError`."""
    sql = """SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'spend'
        AND startsWith(name, {prefix:String}) ORDER BY position"""
    rows = database.query(sql, {"prefix": COLUMN_PREFIX}).to_pylist()
    return [row["name"].removeprefix(COLUMN_PREFIX) for row in rows]


def drop(database: UsageDatabase, placement: Placement | None = None, keep: Collection[str] = ()) -> None:
    """Removes the tables, but for those to keep, with all that is in them. Raises `UsageStoreError`."""
    tail = _on_cluster(placement or Placement())
    for table in [name for name in TABLES if name not in keep]:
        database.command(f"DROP TABLE IF EXISTS {table}{tail} SYNC")


def definitions(placement: Placement, dimensions: Sequence[str] = DEFAULT_DIMENSIONS) -> Iterator[str]:
    """Yields the statements that make the tables, and then the columns of dimensions, in their order."""
    folder = resources.files("holdfast_ledger.usage") / "tables"
    for table in TABLES:
        text = (folder / f"{table}.sql").read_text("utf-8")
        text = text.replace(f"EXISTS {table} (", f"EXISTS {table}{_on_cluster(placement)} (", 1)
        yield text.replace("ENGINE = ", "ENGINE = Replicated", 1) if placement.replicated else text
    for table, value in _DIMENSION_COLUMNS.items() if dimensions else ():
        columns = (
            f"ADD COLUMN IF NOT EXISTS {column_of(name)} LowCardinality(String) {value.format(name=name)}"
            for name in dimensions
        )
        yield f"ALTER TABLE {table}{_on_cluster(placement)} {', '.join(columns)}"


def _on_cluster(placement: Placement) -> str:
    quoted = placement.cluster.replace("\\", "\\\\").replace("`", "\\`")
    return f" ON CLUSTER `{quoted}`" if quoted else ""
