"""Processes that are stopped, killed and started again, while applications go on."""

import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tests.nemesis.checker import check
from tests.nemesis.evidence import read_rows
from tests.nemesis.history import Outcome
from tests.nemesis.hosts import BUSY_S, CLOSED, Cluster

AMOUNT = 10**9
RESYNC_S = 2.0
CONVERGED_S = 5.0


def test_a_sidecar_that_slept_past_its_lease_grants_nothing_from_it(cluster: Cluster) -> None:
    cluster.add_pool("sleep", AMOUNT, CLOSED)
    host = cluster.hosts[0]
    cluster.start_application(host, ["sleep"], elsewhere=0.0, thread_count=6)
    cluster.wait_for_attempts(100)
    # Cut off first, so that nothing can renew the lease once it wakes.
    cluster.network.part([host], cluster.ledger_hosts)
    cluster.sidecars[host].send(signal.SIGSTOP)
    asleep_ns = time.monotonic_ns()
    time.sleep(cluster.times.lease_validity_ms / 1000 + 0.3)
    cluster.sidecars[host].send(signal.SIGCONT)
    time.sleep(1.0)
    cluster.network.join([host], cluster.ledger_hosts)
    healed_ns = time.monotonic_ns()
    cluster.wait_connected([host])
    cluster.stop_applications()
    assert cluster.wait_converged() < CONVERGED_S + BUSY_S
    evidence = cluster.evidence()
    first_asked_ns: dict[str, int] = {}
    for x in evidence.attempts:
        first_asked_ns.setdefault(x.operation_id, x.invoked_ns)
    # What was asked before it slept may have been decided then, and a retry is told so.
    decided = [
        x
        for x in evidence.attempts
        if x.kind in {"reserve", "charge"} and asleep_ns < first_asked_ns[x.operation_id] and x.ended_ns < healed_ns
        if x.outcome is Outcome.OK
    ]
    assert len(decided) > 5
    assert not [x for x in decided if x.answer.allowed]
    assert check(evidence) == []


def test_a_ledger_that_was_killed_has_everything_again_within_two_seconds_of_its_start(cluster: Cluster) -> None:
    cluster.add_pool("ledger", AMOUNT, CLOSED)
    (ledger,) = cluster.ledgers.values()
    for host in cluster.hosts:
        cluster.start_application(host, ["ledger"])
    cluster.wait_for_attempts(300)
    ledger.kill()
    time.sleep(1.0)
    cluster.restart_ledger(ledger)
    resynced_s = cluster.wait_connected()
    cluster.stop_applications()
    cluster.wait_converged()
    assert resynced_s < RESYNC_S + BUSY_S
    assert check(cluster.evidence()) == []


def test_sidecars_that_are_killed_lose_and_double_nothing(cluster: Cluster) -> None:
    cluster.add_pool("killed", AMOUNT, CLOSED)
    for host in cluster.hosts:
        cluster.start_application(host, ["killed"], elsewhere=0.5)
    for host in cluster.hosts:
        cluster.wait_for_attempts(100)
        cluster.sidecars[host].kill()
        cluster.sidecars[host].restart()
    cluster.wait_connected()
    cluster.stop_applications()
    assert cluster.wait_converged() < CONVERGED_S + BUSY_S
    assert check(cluster.evidence()) == []


def test_an_operation_that_is_repeated_on_another_host_is_posted_once(cluster: Cluster) -> None:
    cluster.add_pool("repeated", AMOUNT, CLOSED)
    here, there, _ = cluster.hosts
    assert cluster.ask(here, "reserve", "hold", "repeated", 50).answer.allowed
    for host in (here, there):
        assert cluster.ask(host, "charge", "charge", "repeated", 30).answer.allowed
        assert cluster.ask(host, "settle", "settle", "repeated", 40, hold_id="hold").answer.amount == 40
    assert cluster.wait_converged() < CONVERGED_S + BUSY_S
    evidence = cluster.evidence()
    assert [x.amount for x in evidence.rows.duplicates.values() if x.pool == "repeated"] == [30, 40]
    assert cluster.balance("repeated").spent_total == 70
    assert check(evidence) == []


TAMPERING = (
    "UPDATE debits SET amount = amount + 1 WHERE operation_id = 'mine'",
    "UPDATE debits SET operation_id = 'other' WHERE operation_id = 'mine'",
    "UPDATE entries SET amount = amount + 1 WHERE debit_key = 1",
    "UPDATE sidecars SET acked_sequence = acked_sequence + 1",
    "UPDATE leases SET posted_total = posted_total - 1 WHERE posted_total > 0",
    "UPDATE pools SET spent_total = spent_total - 1, free = free + 1",
)


def test_rows_and_folders_of_a_real_run_that_are_tampered_with_are_found(cluster: Cluster, tmp_path: Path) -> None:
    cluster.add_pool("tampered", AMOUNT, CLOSED)
    host = cluster.hosts[0]
    assert cluster.ask(host, "charge", "mine", "tampered", 30).answer.allowed
    cluster.wait_converged()
    evidence = cluster.evidence()
    assert check(evidence) == []
    for number, statement in enumerate(TAMPERING):
        copy = tmp_path / f"{number}.db"
        with closing(sqlite3.connect(cluster.folder / "ledger.db")) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            target.execute("PRAGMA ignore_check_constraints = ON")
            target.execute(statement)
            target.commit()
        assert check(replace(evidence, rows=read_rows(str(copy)))), statement
    folder = evidence.folders[host]
    last = folder.last_sequence
    without_last = {sequence: debit for sequence, debit in folder.debits.items() if sequence != last}
    assert folder.debits[last].operation_id == "mine"
    assert check(replace(evidence, folders=evidence.folders | {host: replace(folder, debits=without_last)}))
