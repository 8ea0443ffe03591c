"""Hosts cut off from the ledger, within the validity of their leases and past it, in one direction and in both."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.nemesis.checker import check
from tests.nemesis.history import Attempt
from tests.nemesis.hosts import BUSY_S, CLOSED, OPEN, Cluster, allowance, seconds_until

CONVERGED_S = 5.0
AMOUNT = 1_000_000


@contextmanager
def cut_off(cluster: Cluster) -> Iterator[None]:
    """Parts all sidecars from the ledger; after it they converge, and the books agree."""
    cluster.network.part(cluster.hosts, cluster.ledger_hosts)
    try:
        yield
    finally:
        cluster.network.join(cluster.hosts, cluster.ledger_hosts)
    assert cluster.wait_converged() < CONVERGED_S + BUSY_S
    assert check(cluster.evidence()) == []


def warm(cluster: Cluster, pool: str) -> None:
    """Each host uses the pool until it has a lease with more in it than it needs at once."""
    for host in cluster.hosts:
        count = 0
        while cluster.lease_left(host, pool) < 10:
            count += 1
            assert cluster.ask(host, "charge", f"{pool}-warm-{host}-{count}", pool, 10).answer.allowed


def wait_past_the_lease(cluster: Cluster) -> None:
    """Waits until no host's lease is valid."""
    left = "holdfast_lease_left_seconds"
    seconds_until(lambda: all(cluster.metrics(host).get(left) == 0 for host in cluster.hosts))


def unleased(let_through: list[Attempt]) -> int:
    return sum(asked.answer.unleased_amount for asked in let_through)


def test_a_pool_that_fails_closed_goes_on_within_the_lease_and_denies_past_it(cluster: Cluster) -> None:
    cluster.add_pool("closed", AMOUNT, CLOSED)
    warm(cluster, "closed")
    with cut_off(cluster):
        within = [cluster.ask(host, "charge", f"within-{host}", "closed", 1) for host in cluster.hosts]
        wait_past_the_lease(cluster)
        past = [cluster.ask(host, "charge", f"past-{host}", "closed", 1) for host in cluster.hosts]
    assert all(asked.answer.allowed for asked in within)
    assert {(asked.answer.allowed, asked.answer.reason, asked.answer.mode) for asked in past} == {
        (False, "PARTITIONED", "PARTITIONED")
    }
    again = [cluster.ask(host, "charge", f"again-{host}", "closed", 1) for host in cluster.hosts]
    assert all(asked.answer.allowed for asked in again)


def test_an_allowance_is_used_up_to_the_hosts_share_and_not_one_unit_further(cluster: Cluster) -> None:
    threshold = 100
    share = threshold // len(cluster.hosts)
    cluster.add_pool("shared", AMOUNT, allowance(threshold))
    warm(cluster, "shared")
    seconds_until(lambda: cluster.balance("shared").allowance_leased == share * len(cluster.hosts))
    with cut_off(cluster):
        wait_past_the_lease(cluster)
        for host in cluster.hosts:
            let_through = cluster.charge_until_denied(host, "shared", "cut", (7, 1))
            assert unleased(let_through) == sum(asked.amount for asked in let_through) == share
    assert cluster.balance("shared").allowance_spent_total == share * len(cluster.hosts)


def test_allowances_of_an_empty_pool_overdraw_it_by_the_threshold_at_most(cluster: Cluster) -> None:
    threshold = 90
    cluster.add_pool("empty", 600, allowance(threshold))
    warm(cluster, "empty")
    seconds_until(lambda: cluster.balance("empty").allowance_leased == threshold)
    for host in cluster.hosts:
        cluster.charge_until_denied(host, "empty", "spend", (10, 1))
    assert cluster.balance("empty").overdraft_bound <= threshold
    with cut_off(cluster):
        seconds_until(lambda: all(cluster.metrics(host).get("holdfast_partitioned") == 1 for host in cluster.hosts))
        let_through = [
            asked for host in cluster.hosts for asked in cluster.charge_until_denied(host, "empty", "cut", (10, 1))
        ]
    balance = cluster.balance("empty")
    assert 0 < unleased(let_through) <= threshold
    assert balance.overdraft == balance.spent_total - 600 <= threshold


def test_a_pool_that_fails_open_goes_on_and_counts_it(cluster: Cluster) -> None:
    cluster.add_pool("open", AMOUNT, OPEN)
    warm(cluster, "open")
    counted = {host: cluster.partitioned_decisions(host) for host in cluster.hosts}
    with cut_off(cluster):
        wait_past_the_lease(cluster)
        asked = [cluster.ask(host, "charge", f"open-{host}-{n}", "open", 5) for host in cluster.hosts for n in range(9)]
        for host in cluster.hosts:
            assert cluster.partitioned_decisions(host) == counted[host] + 9
    assert all(x.answer.allowed and x.answer.mode == "PARTITIONED" for x in asked)
    assert unleased(asked) == cluster.balance("open").fail_open_total == 5 * len(asked)


@pytest.mark.parametrize("upwards", [True, False], ids=["up", "down"])
def test_a_link_that_is_cut_one_way_counts_as_dead_after_two_heartbeats(cluster: Cluster, *, upwards: bool) -> None:
    host, (ledger,) = cluster.hosts[0], cluster.ledger_hosts
    pair = (host, ledger) if upwards else (ledger, host)
    cluster.wait_connected()
    cluster.network.cut(*pair)
    noticed_s = seconds_until(lambda: not cluster.is_connected(host))
    seconds_until(lambda: all(cluster.is_connected(other) for other in cluster.hosts[1:]))
    cluster.network.heal(*pair)
    assert noticed_s < 2 * cluster.times.heartbeat_ms / 1000 + BUSY_S
    assert cluster.wait_connected() < CONVERGED_S + BUSY_S


def test_a_flapping_link_carries_at_most_three_times_what_there_is_to_tell(cluster: Cluster) -> None:
    cluster.add_pool("flapping", AMOUNT, OPEN)
    host = cluster.hosts[0]
    cluster.wait_converged()
    payload_before = cluster.evidence().folders[host].debit_bytes
    sent_before = cluster.network.sent_bytes(host)
    cluster.start_application(host, ["flapping"], kinds={"charge": 1}, elsewhere=0.0, thread_count=8, pause_ms=1.0)
    end_s = time.monotonic() + 4.0
    while time.monotonic() < end_s:
        cluster.network.part([host], cluster.ledger_hosts)
        time.sleep(0.15)
        cluster.network.join([host], cluster.ledger_hosts)
        time.sleep(0.25)
    cluster.stop_applications()
    assert cluster.wait_converged() < CONVERGED_S + BUSY_S
    sent = cluster.network.sent_bytes(host) - sent_before
    evidence = cluster.evidence()
    payload = evidence.folders[host].debit_bytes - payload_before
    assert payload > 50_000
    assert sent <= 3 * payload
    assert check(evidence) == []
