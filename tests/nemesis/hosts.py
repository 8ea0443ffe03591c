"""Sidecars, ledger replicas and applications as processes, each on a host of its own: what a nemesis test acts upon."""

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from holdfast.sync.client import Client
from holdfast.v1 import ledger_service_pb2 as ledger_pb
from holdfast.v1.decision_pb2 import PartitionMode, Policy
from holdfast.v1.ledger_service_pb2_grpc import LedgerServiceStub

from tests.nemesis.checker import Evidence
from tests.nemesis.client import Application, Plan
from tests.nemesis.database import Database
from tests.nemesis.evidence import read_folder, read_rows
from tests.nemesis.history import Attempt, read_histories
from tests.nemesis.network import CONSOLE, Network
from tests.scenarios.world import ACCOUNT, CHANNEL_OPTIONS, Server, wait_until

ROOT = Path(__file__).resolve().parents[2]
SIDECAR_PORT, METRICS_PORT, LEDGER_PORT = 7070, 9090, 7420
READY_S = 60.0
BUSY_S = 3.0
"""Seconds more than what is promised, for a machine that has other things to do."""
BY_HAND_TIMEOUT_MS = 30_000
LISTENING = "listening on"
KEEP_ALL = 1_000_000
"""Acked debits that a folder keeps: all of a run, so that they can be compared."""

CLOSED = Policy(partition_mode=PartitionMode.PARTITION_MODE_FAIL_CLOSED)
OPEN = Policy(partition_mode=PartitionMode.PARTITION_MODE_FAIL_OPEN)


def allowance(threshold: int) -> Policy:
    """A policy that goes on while cut off, up to a threshold over all hosts."""
    return Policy(
        partition_mode=PartitionMode.PARTITION_MODE_ALLOWANCE,
        partition_overdraft_limit=threshold,
    )


@dataclass(frozen=True, slots=True)
class Times:
    """Times of the protocol, in milliseconds: short, so that a test sees them pass."""

    heartbeat_ms: int = 200
    partition_after_ms: int = 800
    lease_validity_ms: int = 2_500
    max_hold_ttl_ms: int = 10_000


def host_names(sidecar_count: int, ledger_count: int) -> tuple[list[str], list[str]]:
    """Names of the hosts of sidecars and of ledger replicas."""
    return [f"host-{n}" for n in range(1, sidecar_count + 1)], [f"ledger-{n}" for n in range(1, ledger_count + 1)]


class Machine(Server):
    """A server process on a host of the network."""

    def __init__(self, network: Network, host: str, port: int, subcommand: str, flags: list[str], log: Path) -> None:
        super().__init__(subcommand, flags, log)
        self._command = [*network.prefix(host), *self._command]
        self.address = network.address(host, port)
        self.host = host
        self.was_restarted = False

    def restart(self) -> None:
        """Starts it again after its end."""
        self.was_restarted = True
        self.start()


class Cluster:
    """All hosts, and what is known of them from outside."""

    def __init__(
        self,
        folder: Path,
        network: Network,
        *,
        sidecar_count: int = 3,
        ledger_count: int = 1,
        database: Database | None = None,
        times: Times | None = None,
    ) -> None:
        self.folder = folder
        self.network = network
        self.database = database
        self.hosts, self.ledger_hosts = host_names(sidecar_count, ledger_count)
        self.times = times or Times()
        self.ledgers = {host: self._ledger(host) for host in self.ledger_hosts}
        self.sidecars = {host: self._sidecar(host) for host in self.hosts}
        self._applications: dict[str, subprocess.Popen[bytes]] = {}
        self._histories: list[Path] = []
        self._by_hand: Application | None = None

    def _ledger(self, host: str) -> Machine:
        times = self.times
        place = self.database.link(self.network, host) if self.database else str(self.folder / "ledger.db")
        flags = ["--listen", self.network.address(host, LEDGER_PORT), "--database", place]
        flags += ["--lease-validity-ms", str(times.lease_validity_ms), "--clock-slack-ms", "200"]
        flags += ["--heartbeat-interval-ms", str(times.heartbeat_ms), "--sweep-interval-ms", "200"]
        return Machine(self.network, host, LEDGER_PORT, "ledger", flags, self.folder / f"{host}.log")

    def _sidecar(self, host: str) -> Machine:
        targets = ",".join(self.network.route(host, ledger, LEDGER_PORT) for ledger in self.ledger_hosts)
        flags = ["--sidecar-id", host, "--folder", str(self.folder / host), "--ledger-target", targets]
        flags += ["--listen-tcp", self.network.address(host, SIDECAR_PORT)]
        flags += ["--metrics-address", self.network.address(host, METRICS_PORT)]
        flags += ["--partition-after-ms", str(self.times.partition_after_ms)]
        flags += ["--max-hold-ttl-ms", str(self.times.max_hold_ttl_ms), "--default-hold-ttl-ms", "5000"]
        flags += ["--debit-retention-count", str(KEEP_ALL)]
        return Machine(self.network, host, SIDECAR_PORT, "sidecar", flags, self.folder / f"{host}.log")

    # -- Beginning and end ---------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Starts every server, with an account and no pool; waits until all sidecars are connected."""
        for machine in [*self.ledgers.values(), *self.sidecars.values()]:
            machine.start()
        with self.ledger_stub() as stub:
            account = ledger_pb.Account(account_id=ACCOUNT)
            stub.CreateAccount(ledger_pb.CreateAccountRequest(account=account), wait_for_ready=True, timeout=READY_S)
        self.wait_connected()

    def end(self) -> None:
        """Leaves nothing running."""
        if self._by_hand is not None:
            self._by_hand.close()
        for process in self._applications.values():
            process.kill()
            process.wait()
        for machine in [*self.sidecars.values(), *self.ledgers.values()]:
            machine.end()

    def add_pool(self, pool: str, amount: int, policy: Policy = CLOSED) -> None:
        """Makes a pool with one paid grant."""
        with self.ledger_stub() as stub:
            made = ledger_pb.Pool(account_id=ACCOUNT, pool_id=pool, policy=policy)
            stub.CreatePool(ledger_pb.CreatePoolRequest(pool=made), timeout=READY_S)
            grant = ledger_pb.Grant(
                grant_id=f"g-{pool}",
                account_id=ACCOUNT,
                pool_id=pool,
                amount=amount,
                category=ledger_pb.GRANT_CATEGORY_PAID,
            )
            stub.CreateGrant(ledger_pb.CreateGrantRequest(grant=grant), timeout=READY_S)

    # -- Applications --------------------------------------------------------------------------------------------------

    def start_application(self, host: str, pools: list[str], *, seed: int = 1, **choices: object) -> None:
        """Starts an application on a host; `choices` are further fields of `Plan`."""
        name = f"app{len(self._histories) + 1}"
        history = self.folder / f"{name}.history"
        targets = {other: self.network.route(host, other, SIDECAR_PORT) for other in self.hosts}
        plan = Plan(name, host, targets, str(history), pools, seed, **choices)  # type: ignore[arg-type]
        command = [*self.network.prefix(host), sys.executable, "-m", "tests.nemesis.client", plan.to_json()]
        self._histories.append(history)
        with (self.folder / f"{name}.log").open("ab") as log:
            self._applications[name] = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def stop_applications(self) -> None:
        """Ends them once what they have under way is answered; each must end well."""
        for process in self._applications.values():
            process.send_signal(signal.SIGTERM)
        for name, process in self._applications.items():
            assert process.wait(READY_S) == 0, (self.folder / f"{name}.log").read_text()
        self._applications.clear()

    def ask(self, host: str, kind: str, name: str, pool: str, amount: int, hold_id: str = "") -> Attempt:
        """Sends one request from the console, once; it has its place in the histories."""
        if self._by_hand is None:
            targets = {other: self.network.route(CONSOLE, other, SIDECAR_PORT) for other in self.hosts}
            self._histories.append(self.folder / "console.history")
            self._by_hand = Application(
                Plan("console", "", targets, str(self._histories[-1]), [], timeout_ms=BY_HAND_TIMEOUT_MS)
            )
        return self._by_hand.send(Attempt("console", 0, kind, name, host, pool, amount, hold_id))

    def charge_until_denied(self, host: str, pool: str, name: str, amounts: Iterable[int]) -> list[Attempt]:
        """Charges each amount until it is denied, then the next one; returns what was let through."""
        let_through: list[Attempt] = []
        for amount in amounts:
            while True:
                asked = self.ask(host, "charge", f"{name}-{host}-{amount}-{len(let_through)}", pool, amount)
                if not asked.answer.allowed:
                    break
                let_through.append(asked)
        return let_through

    def attempts(self) -> list[Attempt]:
        """All that the applications have written so far."""
        return read_histories(path for path in self._histories if path.exists())

    def wait_for_attempts(self, more: int) -> None:
        """Waits until applications have made so many more attempts."""
        wanted = len(self.attempts()) + more
        wait_until(lambda: len(self.attempts()) >= wanted, READY_S)

    # -- From outside --------------------------------------------------------------------------------------------------

    @contextmanager
    def ledger_stub(self) -> Iterator[LedgerServiceStub]:
        """A stub for the first ledger replica that lives."""
        host = next(host for host, machine in self.ledgers.items() if machine.alive)
        address = self.network.route(CONSOLE, host, LEDGER_PORT)
        with grpc.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
            yield LedgerServiceStub(channel)

    def metrics(self, host: str) -> dict[str, float]:
        """A sidecar's metrics, by name and labels; none while it does not answer."""
        address = self.network.route(CONSOLE, host, METRICS_PORT)
        try:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as page:
                lines = page.read().decode().splitlines()
        except OSError:
            return {}
        return {name: float(value) for name, _, value in (x.rpartition(" ") for x in lines if not x.startswith("#"))}

    def is_connected(self, host: str) -> bool:
        """Whether a sidecar says that the ledger has welcomed it."""
        return self.metrics(host).get("holdfast_uplink_connected") == 1

    def is_quiet(self, host: str) -> bool:
        """Whether a sidecar is connected and every debit of its is acked."""
        metrics = self.metrics(host)
        return metrics.get("holdfast_uplink_connected") == 1 and metrics.get("holdfast_outbox_debits") == 0

    def partitioned_decisions(self, host: str) -> int:
        """What a sidecar has counted."""
        name = "holdfast_decisions_total"
        metrics = self.metrics(host)
        return int(sum(n for key, n in metrics.items() if key.startswith(name) and 'mode="PARTITIONED"' in key))

    def wait_connected(self, hosts: Iterable[str] = ()) -> float:
        """Waits until sidecars (none named: all) are connected; returns the seconds that it took."""
        return seconds_until(lambda: all(map(self.is_connected, hosts or self.hosts)))

    def restart_ledger(self, machine: Machine) -> None:
        """Starts a replica again after its end; waits until it listens."""
        said = machine.log().count(LISTENING)
        machine.restart()
        wait_until(lambda: machine.log().count(LISTENING) > said, READY_S)

    def wait_converged(self) -> float:
        """Waits until all are connected and nothing is unposted; returns the seconds that it took."""
        return seconds_until(lambda: all(map(self.is_quiet, self.hosts)))

    def balance(self, pool: str) -> ledger_pb.PoolBalance:
        """The ledger's figures of a pool."""
        with self.ledger_stub() as stub:
            request = ledger_pb.GetPoolRequest(account_id=ACCOUNT, pool_id=pool)
            answer: ledger_pb.GetPoolResponse = stub.GetPool(request, timeout=READY_S, wait_for_ready=True)
            return answer.balance

    def lease_left(self, host: str, pool: str) -> int:
        """Rights that a sidecar has and nobody uses, in minor units."""
        with Client(self.network.route(CONSOLE, host, SIDECAR_PORT), timeout_ms=BY_HAND_TIMEOUT_MS) as client:
            return client.get_balance(ACCOUNT, pool).lease_left

    def evidence(self) -> Evidence:
        """Reads everything, with the sidecars stopped for the while; call it once the run has converged."""
        counts = {
            host: self.partitioned_decisions(host)
            for host, machine in self.sidecars.items()
            if machine.alive and not machine.was_restarted
        }
        for machine in self.sidecars.values():
            machine.send(signal.SIGSTOP)
        try:
            folders = {host: read_folder(self.folder / host) for host in self.hosts}
            rows = read_rows(self.database.url if self.database else str(self.folder / "ledger.db"))
        finally:
            for machine in self.sidecars.values():
                machine.send(signal.SIGCONT)
        return Evidence(self.attempts(), folders, rows, counts)

    def rss_bytes(self) -> dict[str, int]:
        """Resident memory of every server that lives."""
        machines = self.sidecars | self.ledgers
        return {host: machine.rss_bytes for host, machine in machines.items() if machine.alive}


def seconds_until(condition: Callable[[], bool], timeout_s: float = READY_S) -> float:
    """Waits for a condition; returns the seconds that it took."""
    began_s = time.monotonic()
    wait_until(condition, timeout_s)
    return time.monotonic() - began_s
