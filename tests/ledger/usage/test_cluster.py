"""The client of a cluster, against the real engine behind ClickHouse's HTTP protocol."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from holdfast_ledger.usage import cli, schema
from holdfast_ledger.usage.checking import differences
from holdfast_ledger.usage.cluster import ClusterDatabase
from holdfast_ledger.usage.database import UsageRefused, UsageStoreDown, UsageStoreError, UsageTimeout, UsageTooLarge
from holdfast_ledger.usage.schema import Placement, definitions
from holdfast_ledger.usage.store import UsageStore

from tests.ledger.harness import Books
from tests.ledger.usage.feeding import feed_all
from tests.ledger.usage.histories import History
from tests.ledger.usage.http_engine import HttpEngine
from tests.ledger.usage.test_worker import fed, settings, until

PASSWORD = "it's/secret"
HOSTILE = "'; DROP TABLE spend; -- \\ \n \t {x:String} \u2603 ` & = %"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[HttpEngine]:
    """A server with a password."""
    result = HttpEngine(tmp_path / "server", PASSWORD)
    yield result
    result.close()


@pytest.fixture
def url(engine: HttpEngine) -> str:
    """Where it is."""
    return f"clickhouse://default:it%27s%2Fsecret@127.0.0.1:{engine.port}/default"


@pytest.fixture
def cluster(url: str) -> Iterator[ClusterDatabase]:
    """The client, with the tables."""
    database = ClusterDatabase(url)
    schema.create(database)
    yield database
    database.close()


def test_the_same_history_has_the_same_figures(books: Books, cluster: ClusterDatabase) -> None:
    """What is fed over HTTP agrees with the ledger to the unit."""
    for _ in History(books, 1).go_on(40):
        pass
    feed_all(cluster, books)
    with books.store.reading() as reader:
        _, count, lines = differences(reader, cluster)
    assert lines == []
    assert count > 10


def test_values_are_never_a_part_of_the_sql(cluster: ClusterDatabase) -> None:
    """Whatever is in them comes back as it was; many of them too."""
    names = [HOSTILE, *(f"name-{number}" for number in range(20_000))]
    answer = cluster.query(
        "SELECT {one:String} AS one, length({many:Array(String)}) AS n, {many:Array(String)}[1] AS first",
        {"one": HOSTILE, "many": names},
    )
    assert answer.to_pylist() == [{"one": HOSTILE, "n": len(names), "first": HOSTILE}]


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("SELECT sum(sipHash64(number)) FROM numbers(1000000000000)", UsageTimeout),
        ("SELECT number FROM numbers(100000000)", UsageTooLarge),
        ("SELECT * FROM nowhere", UsageRefused),
    ],
    ids=["time", "result", "table"],
)
def test_limits_hold(cluster: ClusterDatabase, sql: str, error: type[UsageStoreError]) -> None:
    """A server's refusals are told as those of the embedded engine are."""
    with pytest.raises(error):
        cluster.query(sql, {}, 2_000 if error is UsageTimeout else 120_000)


def test_a_server_that_is_gone_is_down(cluster: ClusterDatabase, engine: HttpEngine) -> None:
    """As is one that cannot be reached from the start."""
    port = engine.port
    engine.close()
    with pytest.raises(UsageStoreDown):
        cluster.insert("grant_burns", pa.table({"grant_key": pa.array([1], pa.uint64())}))
    with pytest.raises(UsageStoreDown):
        ClusterDatabase(f"clickhouse://127.0.0.1:{port}")


@pytest.mark.parametrize("url", ["clickhouse://h:99999999/", "clickhouse://u:topsecret@h:x/", "clickhouse://h/?no=1"])
def test_a_url_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    """Whoever reads the log learns nothing from it."""
    with pytest.raises(UsageRefused) as refusal:
        ClusterDatabase(url)
    assert "topsecret" not in str(refusal.value)


def test_a_cluster_s_tables_replicate_themselves() -> None:
    """The same tables, on every server, with the engines' replicated kinds."""
    made = list(definitions(Placement("it`s", replicated=True), ()))
    assert all(r"ON CLUSTER `it\`s` (" in one for one in made)
    assert all("ENGINE = Replicated" in one for one in made)
    assert len(made) == len(schema.TABLES)


def test_one_replica_feeds_and_all_answer(
    database: str, books: Books, url: str, engine: HttpEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the one that feeds dies, another takes over; by hand it is fed anew while they wait."""
    if not database.startswith("postgres"):
        pytest.skip("one ledger has a file")
    config = settings(database, url)
    stores = [UsageStore(config), UsageStore(config)]
    history = History(books, 2)
    try:
        for store in stores:
            store.start()
        until(lambda: {store.status().state for store in stores} == {"feeding", "waiting"}, "one feeds")
        for _ in history.go_on(20):
            pass
        feeding, waiting = sorted(stores, key=lambda store: store.status().state)
        fed(waiting, books)
        os.kill(feeding.worker_id, signal.SIGKILL)
        for _ in history.go_on(10):
            pass
        fed(waiting, books)
        assert cli.rebuild(["--database", database, "--usage-store", url]) == 0
        assert cli.check(["--database", database, "--usage-store", url]) == 0
        assert "agree" in capsys.readouterr().out
        for _ in history.go_on(10):
            pass
        fed(waiting, books)
    finally:
        for store in stores:
            store.stop()
