"""Faults, and the nemesis that picks them by a seed. Each fault lasts its time and then undoes itself."""

import signal
import sys
import threading
import time
from collections.abc import Callable
from random import Random

from tests.nemesis.database import COMMIT
from tests.nemesis.hosts import Cluster, Machine
from tests.nemesis.network import Proxies

Fault = Callable[[Cluster, Random, float], None]
"""Takes the cluster, the source of its choices and how long it lasts in seconds."""

FAULT_S_MIN, FAULT_S_MAX = 0.3, 4.0
"""Within, at and past the silence that counts as a partition, and past the validity of leases."""
CALM_S_MAX = 1.5


def partition(cluster: Cluster, chance: Random, lasting_s: float) -> None:
    """Some sidecars are cut off from every ledger replica."""
    apart = chance.sample(cluster.hosts, chance.randint(1, len(cluster.hosts)))
    cluster.network.part(apart, cluster.ledger_hosts)
    time.sleep(lasting_s)
    cluster.network.join(apart, cluster.ledger_hosts)


def partial_partition(cluster: Cluster, chance: Random, lasting_s: float) -> None:
    """One sidecar is cut off from one replica and from one other sidecar."""
    host, other = chance.sample(cluster.hosts, 2)
    apart = [chance.choice(cluster.ledger_hosts), other]
    cluster.network.part([host], apart)
    time.sleep(lasting_s)
    cluster.network.join([host], apart)


def one_way_cut(cluster: Cluster, chance: Random, lasting_s: float) -> None:
    """One direction between a sidecar and all replicas falls silent."""
    host, upwards = chance.choice(cluster.hosts), chance.random() < 0.5
    pairs = [(host, ledger) if upwards else (ledger, host) for ledger in cluster.ledger_hosts]
    for source, destination in pairs:
        cluster.network.cut(source, destination)
    time.sleep(lasting_s)
    for source, destination in pairs:
        cluster.network.heal(source, destination)


def flapping(cluster: Cluster, chance: Random, lasting_s: float) -> None:
    """The link of a sidecar comes and goes."""
    host = chance.choice(cluster.hosts)
    end_s = time.monotonic() + lasting_s
    while time.monotonic() < end_s:
        cluster.network.part([host], cluster.ledger_hosts)
        time.sleep(chance.uniform(0.02, 0.4))
        cluster.network.join([host], cluster.ledger_hosts)
        time.sleep(chance.uniform(0.02, 0.4))


def freeze(cluster: Cluster, chance: Random, lasting_s: float) -> None:
    """A process is stopped and goes on later as if nothing had been."""
    machine = _any_machine(cluster, chance)
    machine.send(signal.SIGSTOP)
    time.sleep(lasting_s)
    machine.send(signal.SIGCONT)


def kill(cluster: Cluster, chance: Random, lasting_s: float) -> None:
    """A process is killed with -9 and started again a little later."""
    machine = _any_machine(cluster, chance)
    with _USING[machine.host]:
        machine.kill()
        time.sleep(lasting_s / 4)
        machine.restart()


def stop_ledger(cluster: Cluster, chance: Random, lasting_s: float) -> None:
    """A replica is stopped as an operator would, and started again."""
    machine = cluster.ledgers[chance.choice(cluster.ledger_hosts)]
    with _USING[machine.host]:
        machine.send(signal.SIGCONT)
        machine.stop()
        time.sleep(lasting_s / 4)
        machine.restart()


def slow_link(cluster: Cluster, chance: Random, lasting_s: float) -> None:
    """The link of a sidecar is far and thin; through proxies alone."""
    assert isinstance(cluster.network, Proxies)
    host, ledger = chance.choice(cluster.hosts), chance.choice(cluster.ledger_hosts)
    cluster.network.slow(host, ledger, chance.randint(5, 150), chance.choice((0, 50_000)))
    time.sleep(lasting_s)
    cluster.network.slow(host, ledger, 0)


EVERYWHERE: tuple[Fault, ...] = (
    partition,
    partial_partition,
    one_way_cut,
    flapping,
    freeze,
    kill,
    stop_ledger,
)


def stop_database(cluster: Cluster, chance: Random, lasting_s: float) -> None:
    """PostgreSQL is stopped at once, without a checkpoint, and started again."""
    assert cluster.database is not None
    with _USING["database"]:
        cluster.database.stop()
        time.sleep(lasting_s / 4)
        cluster.database.start()


def cut_at_commit(cluster: Cluster, chance: Random, lasting_s: float) -> None:
    """Connections of a replica are cut just before or just after the bytes of COMMIT are through."""
    assert cluster.database is not None
    host = chance.choice(cluster.ledger_hosts)
    before = chance.random() < 0.5
    cluster.database.set(host, {"cut_at": COMMIT, "cut_count": chance.randint(1, 5), "cut_before": before})
    time.sleep(lasting_s)
    cluster.database.set(host, {"cut_count": 0})


def stall_database(cluster: Cluster, chance: Random, lasting_s: float) -> None:
    """Nothing passes between a replica and the database, in one direction."""
    assert cluster.database is not None
    host = chance.choice(cluster.ledger_hosts)
    upwards = chance.random() < 0.5
    cluster.database.set(host, {"stall_up": upwards, "stall_down": not upwards})
    time.sleep(lasting_s)
    cluster.database.set(host, {"stall_up": False, "stall_down": False})


OF_DATABASE: tuple[Fault, ...] = (stop_database, cut_at_commit, stall_database)

OF_PROXIES: tuple[Fault, ...] = (slow_link,)


class _Locks(dict[str, threading.Lock]):
    """A lock for each host, so that of two faults at once one has its process to itself from end to start."""

    def __missing__(self, host: str) -> threading.Lock:
        return self.setdefault(host, threading.Lock())


_USING = _Locks()


def faults_of(cluster: Cluster) -> tuple[Fault, ...]:
    """All that can be brought upon a cluster as it is made."""
    through_proxies = isinstance(cluster.network, Proxies)
    return EVERYWHERE + (OF_DATABASE if cluster.database else ()) + (OF_PROXIES if through_proxies else ())


class Nemesis:
    """Brings faults upon a cluster, one or two at a time, with calm between them."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._chance = Random(seed)
        self._faults = faults_of(cluster)
        self._errors: list[BaseException] = []

    def run(self, lasting_s: float) -> None:
        """Goes on for so long; when it returns everything is healed and every process runs."""
        began_s = time.monotonic()
        while (now_s := time.monotonic() - began_s) < lasting_s:
            chosen = [self._pick() for _ in range(self._chance.choice((1, 1, 2)))]
            sys.stdout.write(f"{now_s:6.1f} s " + ", ".join(f"{x.__name__} {s:.1f} s" for x, _, s in chosen) + "\n")
            threads = [threading.Thread(target=self._bring, args=each) for each in chosen]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if self._errors:
                raise self._errors[0]
            time.sleep(self._chance.uniform(0, CALM_S_MAX))

    def _pick(self) -> tuple[Fault, Random, float]:
        # A fault has choices of its own, so that two at once do not depend on who draws first.
        fault, own = self._chance.choice(self._faults), Random(self._chance.random())
        return fault, own, self._chance.uniform(FAULT_S_MIN, FAULT_S_MAX)

    def _bring(self, fault: Fault, chance: Random, lasting_s: float) -> None:
        try:
            fault(self._cluster, chance, lasting_s)
        except BaseException as error:  # noqa: BLE001  # told by `run`, on the test's own thread
            self._errors.append(error)


def _any_machine(cluster: Cluster, chance: Random) -> Machine:
    machines = cluster.sidecars | cluster.ledgers
    return machines[chance.choice(sorted(machines))]
