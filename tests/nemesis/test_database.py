"""Two ledger replicas over one PostgreSQL, which is torn from under them."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.nemesis.checker import check
from tests.nemesis.database import COMMIT
from tests.nemesis.hosts import BUSY_S, CLOSED, Cluster, seconds_until

AMOUNT = 10**9
CONVERGED_S = 5.0
NOTICED_S = 0.2
"""After it no sidecar takes itself for connected to a replica that was killed."""


@pytest.fixture(scope="module")
def cluster(
    running_cluster: Callable[..., AbstractContextManager[Cluster]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster"), ledger_count=2, postgres=True) as made:
        yield made


def begin(cluster: Cluster, pool: str) -> None:
    """Starts an application on each host."""
    cluster.add_pool(pool, AMOUNT, CLOSED)
    for host in cluster.hosts:
        cluster.start_application(host, [pool])
    cluster.wait_for_attempts(200)


def end(cluster: Cluster) -> None:
    """After the fault: all converges, and the books agree."""
    healed_s = time.monotonic()
    cluster.stop_applications()
    cluster.wait_converged()
    assert time.monotonic() - healed_s < CONVERGED_S + BUSY_S
    assert check(cluster.evidence()) == []


def test_postgresql_stopped_at_once_loses_and_doubles_nothing(cluster: Cluster) -> None:
    begin(cluster, "stopped")
    assert cluster.database is not None
    for _ in range(2):
        cluster.database.stop()
        cluster.wait_for_attempts(100)
        cluster.database.start()
        cluster.wait_for_attempts(100)
    end(cluster)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_connection_cut_at_commit_loses_and_doubles_nothing(cluster: Cluster, *, before: bool) -> None:
    begin(cluster, f"commit-{before}")
    database = cluster.database
    assert database is not None
    counts = {host: database.cut_count(host) for host in cluster.ledger_hosts}
    for host in cluster.ledger_hosts:
        database.set(host, {"cut_at": COMMIT, "cut_count": 4, "cut_before": before})
    seconds_until(lambda: any(database.cut_count(host) == counts[host] + 4 for host in cluster.ledger_hosts))
    for host in cluster.ledger_hosts:
        database.set(host, {"cut_count": 0})
    end(cluster)


def test_sidecars_go_over_to_the_other_replica(cluster: Cluster) -> None:
    begin(cluster, "failover")
    for ledger in cluster.ledgers.values():
        ledger.kill()
        time.sleep(NOTICED_S)
        assert cluster.wait_connected() < CONVERGED_S + BUSY_S
        cluster.restart_ledger(ledger)
    end(cluster)
