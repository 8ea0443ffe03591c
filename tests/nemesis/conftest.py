"""A cluster a test, on the best network that the machine allows."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.nemesis.database import Database
from tests.nemesis.hosts import Cluster, host_names
from tests.nemesis.network import make_network

Making = Callable[..., AbstractContextManager[Cluster]]


@pytest.fixture(scope="session")
def running_cluster() -> Making:
    """Makes clusters that are started and connected, and gone after the `with`."""
    return running


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three sidecars and a ledger for the tests of a file, each of which has a pool of its own."""
    with running(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@contextmanager
def running(folder: Path, *, ledger_count: int = 1, forced: str = "", postgres: bool = False) -> Iterator[Cluster]:
    """Starts a cluster on a network of its own; `postgres` is needed for more than one ledger replica."""
    sidecars, ledgers = host_names(3, ledger_count)
    with ExitStack() as stack:
        network = make_network([*sidecars, *ledgers], forced=forced)
        stack.callback(network.close)
        database = Database() if postgres else None
        if database is not None:
            stack.callback(database.close)
        cluster = Cluster(folder, network, ledger_count=ledger_count, database=database)
        stack.callback(cluster.end)
        cluster.begin()
        yield cluster
