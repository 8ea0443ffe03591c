"""The embedded engine: values are never SQL, limits hold, a token counts once, and all is there after a restart."""

from pathlib import Path

import pyarrow as pa
import pytest
from holdfast_ledger.usage.database import UsageRefused, UsageStoreError, UsageTimeout, UsageTooLarge
from holdfast_ledger.usage.embedded import EmbeddedDatabase

HOSTILE = "'; DROP TABLE spend; -- \\ \n \t {x:String} \u2603 `"


def burns(count: int) -> pa.Table:
    """Rows of a small table."""
    return pa.table({"grant_key": pa.array(range(count), pa.uint64()), "batch_no": pa.array([1] * count, pa.uint64())})


def test_values_are_never_a_part_of_the_sql(usage: EmbeddedDatabase) -> None:
    """Quotes, backslashes, comments and placeholders in values come back as they were, alone and in lists."""
    sql = "SELECT {one:String} AS one, {many:Array(String)} AS many, {number:Int64} AS number"
    (row,) = usage.query(sql, {"one": HOSTILE, "many": [HOSTILE, "'", "\\"], "number": -(2**63)}).to_pylist()
    assert row == {"one": HOSTILE, "many": [HOSTILE, "'", "\\"], "number": -(2**63)}


@pytest.mark.parametrize(
    ("sql", "timeout_ms", "error"),
    [
        ("SELECT sum(sipHash64(number)) FROM numbers(100000000000)", 200, UsageTimeout),
        ("SELECT groupArray(number) FROM numbers(1000000000)", 20_000, UsageTooLarge),
        ("SELECT number FROM numbers(100000000)", 20_000, UsageTooLarge),
        ("SELECT * FROM nowhere", 20_000, UsageRefused),
        ("SELEC", 20_000, UsageRefused),
    ],
    ids=["time", "memory", "result", "table", "syntax"],
)
def test_a_question_past_its_limits_is_refused(
    usage: EmbeddedDatabase, sql: str, timeout_ms: int, error: type[UsageStoreError]
) -> None:
    """Each limit has its own error, and the next question is answered."""
    with pytest.raises(error):
        usage.query(sql, {}, timeout_ms)
    assert usage.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_rows_of_one_token_are_inserted_once(usage: EmbeddedDatabase) -> None:
    """The same token again adds nothing; another one, or none, does."""
    counts = []
    usage.command("SYSTEM STOP MERGES grant_burns")
    for token in ("a", "a", "b", "", ""):
        usage.insert("grant_burns", burns(10), token)
        counts.append(usage.query("SELECT count() AS n FROM grant_burns").column("n")[0].as_py())
    assert counts == [10, 10, 20, 30, 40]


def test_what_was_inserted_is_there_after_a_restart(tmp_path: Path, usage: EmbeddedDatabase) -> None:
    """Rows and tokens outlive the process's handle on the folder."""
    usage.insert("grant_burns", burns(10), "a")
    usage.close()
    again = EmbeddedDatabase(tmp_path / "usage", memory_mb=512)
    again.insert("grant_burns", burns(10), "a")
    assert again.query("SELECT count() AS n FROM grant_burns").to_pylist() == [{"n": 10}]
    again.close()
