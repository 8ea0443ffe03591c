"""Random faults, by a seed: whatever happens, the histories, the folders and the ledger agree."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from random import SystemRandom

import pytest

from tests.nemesis.checker import check
from tests.nemesis.faults import Nemesis
from tests.nemesis.history import Outcome
from tests.nemesis.hosts import BUSY_S, CLOSED, OPEN, Cluster, allowance

MIB = 1 << 20
RSS_GROWTH_BYTES = 48 * MIB
WARM_UP_S = 3.0
CONVERGED_S = 5.0
ANSWERED_NS = 3 * 10**9
"""After the last fault: from then on every request is answered."""
POOLS = {"closed": (10**9, CLOSED), "shared": (60_000, allowance(15_000)), "open": (60_000, OPEN)}


@pytest.mark.parametrize(
    ("forced", "postgres", "default_s"), [("", True, 25.0), ("proxies", False, 6.0)], ids=["hosts", "proxies"]
)
@pytest.mark.timeout(0)
def test_whatever_happens_the_books_agree(
    running_cluster: Callable[..., AbstractContextManager[Cluster]],
    tmp_path: Path,
    *,
    forced: str,
    postgres: bool,
    default_s: float,
) -> None:
    seed = int(os.environ.get("HOLDFAST_NEMESIS_SEED", SystemRandom().randrange(1 << 32)))
    lasting_s = float(os.environ.get("HOLDFAST_NEMESIS_SECONDS", default_s))
    with running_cluster(tmp_path, ledger_count=1 + postgres, forced=forced, postgres=postgres) as cluster:
        sys.stdout.write(f"HOLDFAST_NEMESIS_SEED={seed} on {cluster.network.kind}\n")
        for pool, (amount, policy) in POOLS.items():
            cluster.add_pool(pool, amount, policy)
        for host in cluster.hosts:
            cluster.start_application(host, list(POOLS), seed=seed)
        time.sleep(WARM_UP_S)
        before = cluster.rss_bytes()
        Nemesis(cluster, seed).run(lasting_s)
        healed_ns = time.monotonic_ns()
        cluster.stop_applications()
        cluster.wait_converged()
        took_s = (time.monotonic_ns() - healed_ns) / 1e9
        after = cluster.rss_bytes()
        evidence = cluster.evidence()
    sys.stdout.write(f"{len(evidence.attempts)} attempts, {len(evidence.rows.debits)} debits, ")
    sys.stdout.write(f"{len(evidence.rows.duplicates)} duplicates; converged {took_s:.1f} s after the last fault\n")
    assert check(evidence) == [], f"seed {seed}"
    unanswered = [
        x for x in evidence.attempts if x.outcome is Outcome.UNKNOWN and x.invoked_ns > healed_ns + ANSWERED_NS
    ]
    assert not unanswered, f"seed {seed}"
    assert took_s < CONVERGED_S + BUSY_S, f"seed {seed}"
    machines = cluster.sidecars | cluster.ledgers
    grown = {host: after[host] - before[host] for host in before if not machines[host].was_restarted}
    assert max(grown.values(), default=0) < RSS_GROWTH_BYTES, grown
