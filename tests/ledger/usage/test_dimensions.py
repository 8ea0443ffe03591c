"""Dimensions with a column: which lists are taken, and what becomes of a store that was made with another one."""

import pytest
from holdfast.v1 import meter_pb2
from holdfast_ledger.config import ConfigError, load
from holdfast_ledger.usage import schema
from holdfast_ledger.usage.database import UsageDatabase
from holdfast_ledger.usage.dimensions import DEFAULT_DIMENSIONS, checked, split
from holdfast_ledger.usage.schema import Placement, definitions

from tests.ledger.harness import Books
from tests.ledger.usage.feeding import event, feed_all, rows, set_meter, take


def test_a_list_is_read() -> None:
    """Blanks do not matter; the default is itself; empty is none."""
    assert split("model, gen_ai.request.model,a/b") == ("model", "gen_ai.request.model", "a/b")
    assert split("") == split("  ") == ()
    assert split(",".join(DEFAULT_DIMENSIONS)) == DEFAULT_DIMENSIONS
    assert load({}, None, {}).usage_dimensions == ",".join(DEFAULT_DIMENSIONS)


@pytest.mark.parametrize("text", ["a,,b", "a,a", "a b", "`", "é", "a'", "-a", "x" * 65, ",".join(map(str, range(17)))])
def test_other_lists_are_refused(text: str) -> None:
    """Where the ledger reads its settings, with the setting named."""
    with pytest.raises(ValueError, match=r"name|twice"):
        checked(text.split(","))
    with pytest.raises(ConfigError, match="usage_dimensions"):
        load({"usage_dimensions": text}, None, {})


def test_a_cluster_gets_the_same_columns() -> None:
    """On all its servers; a store without such dimensions has none."""
    placement = Placement("c", replicated=True)
    *_, last = definitions(placement, ["a.b"])
    assert (
        last == "ALTER TABLE event_hours ON CLUSTER `c` ADD COLUMN IF NOT EXISTS `dimension_a.b` "
        "LowCardinality(String) "
    )
    assert len(list(definitions(placement, []))) == len(schema.TABLES)


def test_rows_of_before_have_the_column_too(usage: UsageDatabase, books: Books) -> None:
    """One that is added later is there for all rows, and one that is there stays."""
    set_meter(books, aggregation=meter_pb2.AGGREGATION_COUNT)
    take(books, event("a", dimensions={"x-y.z": "1"}))
    feed_all(usage, books)
    schema.create(usage, dimensions=["x-y.z"])
    schema.create(usage, dimensions=["x-y.z", "model"])
    assert [*schema.dimensions_of(usage)] == [*DEFAULT_DIMENSIONS, "x-y.z"]
    take(books, event("b", dimensions={"x-y.z": "2"}), event("c"))
    feed_all(usage, books)
    sql = "SELECT toString(`dimension_x-y.z`) AS value, count() AS n FROM usage GROUP BY value ORDER BY value"
    assert rows(usage, sql) == [("", 1), ("1", 1), ("2", 1)]
