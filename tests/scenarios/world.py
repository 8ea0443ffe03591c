"""One host for scenario tests: a real ledger and a real sidecar, processes that can be killed and started again."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import grpc
from google.protobuf.message import Message
from holdfast.v1 import decision_pb2
from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast.v1 import ledger_service_pb2 as ledger_pb
from holdfast.v1.enforcement_service_pb2_grpc import EnforcementServiceStub
from holdfast.v1.ledger_service_pb2_grpc import LedgerServiceStub
from holdfast_bench.ports import unused_port

ACCOUNT = "acme"
POOL = "general"
START_TIMEOUT_S = 60.0
Answer = TypeVar("Answer")
RETRIABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
CALL_TIMEOUT_S = 30.0
CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # no pause: how long an attempt to connect may take
    ("grpc.max_reconnect_backoff_ms", 100),
    ("grpc.use_local_subchannel_pool", 1),
)


class Server:
    """A server process on an address that stays the same through kills."""

    def __init__(self, subcommand: str, flags: list[str], log: Path) -> None:
        self.address = f"127.0.0.1:{unused_port()}"
        self._command = [
            sys.executable,
            "-c",
            "import sys; from holdfast.cli import main; sys.exit(main())",
            subcommand,
        ]
        self._flags = flags
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *flags: str, crash_at: str = "") -> None:
        """Starts the process; does not wait until it serves."""
        assert self._process is None or self._process.poll() is not None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, *self._flags, *flags],
                stdout=log,
                stderr=log,
                env=os.environ | {"HOLDFAST_CRASH_AT": crash_at},
            )

    def send(self, number: int) -> None:
        """Sends a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9, and waits for the end."""
        self.send(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        """SIGTERM, and waits for the end; returns the exit status."""
        self.send(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Waits for the end; returns the exit status."""
        assert self._process is not None
        return self._process.wait(START_TIMEOUT_S)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def rss_bytes(self) -> int:
        """Its resident memory."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    def log(self) -> str:
        """All that it wrote."""
        return self._log.read_text(errors="replace")

    def end(self) -> None:
        """Makes sure that nothing is left."""
        if self.alive:
            self.kill()


class World:
    """A ledger with one account and pool, and a sidecar."""

    def __init__(self, folder: Path, *sidecar_flags: str, lease_validity_ms: int = 60_000) -> None:
        self.folder = folder
        self._others: list[Server] = []
        self.ledger = Server("ledger", [], folder / "ledger.log")
        self.ledger._flags = ["--listen", self.ledger.address, "--database", str(folder / "ledger.db")]
        self.ledger._flags += ["--metrics-port", "0", "--lease-validity-ms", str(lease_validity_ms)]
        self.sidecar = Server("sidecar", [], folder / "sidecar.log")
        self.sidecar._flags = self.sidecar_flags(folder / "sidecar", self.sidecar.address, *sidecar_flags)

    def sidecar_flags(self, folder: Path, address: str, *flags: str, sidecar_id: str = "host-1") -> list[str]:
        """Flags for a sidecar of this world."""
        common = ["--sidecar-id", sidecar_id, "--ledger-target", self.ledger.address, "--metrics-address", "off"]
        return ["--folder", str(folder), "--listen-tcp", address, *common, *flags]

    def begin(self, amount: int = 10**15) -> None:
        """Starts both, with one paid grant in the pool, and waits until the sidecar decides."""
        self.ledger.start()
        with self.ledger_stub() as stub:
            account = ledger_pb.Account(account_id=ACCOUNT)
            stub.CreateAccount(
                ledger_pb.CreateAccountRequest(account=account), wait_for_ready=True, timeout=START_TIMEOUT_S
            )
            stub.CreatePool(ledger_pb.CreatePoolRequest(pool=ledger_pb.Pool(account_id=ACCOUNT, pool_id=POOL)))
        self.grant("g1", amount)
        self.sidecar.start()
        self.wait_until_deciding()

    def another_sidecar(self, name: str, *flags: str, sidecar_id: str = "host-1") -> Server:
        """A sidecar of this world in a folder of its own, not started; it ends with the world."""
        server = Server("sidecar", [], self.folder / f"{name}.log")
        server._flags = self.sidecar_flags(self.folder / name, server.address, *flags, sidecar_id=sidecar_id)
        self._others.append(server)
        return server

    def grant(self, grant_id: str, amount: int) -> None:
        """Puts credits into the pool."""
        grant = ledger_pb.Grant(
            grant_id=grant_id,
            account_id=ACCOUNT,
            pool_id=POOL,
            amount=amount,
            category=ledger_pb.GRANT_CATEGORY_PAID,
        )
        with self.ledger_stub() as stub:
            stub.CreateGrant(ledger_pb.CreateGrantRequest(grant=grant))

    def wait_until_deciding(self, address: str | None = None) -> None:
        """Waits until a Check is answered by a sidecar that has heard from the ledger, or counts as cut off."""
        with self.stub(address) as stub:

            def decides() -> bool:
                try:
                    answer: pb.CheckResponse = stub.Check(pb.CheckRequest(account_id=ACCOUNT), timeout=2)
                except grpc.RpcError:
                    return False
                return answer.verdict == 1

            wait_until(decides, START_TIMEOUT_S)

    @contextlib.contextmanager
    def stub(self, address: str | None = None) -> Iterator[EnforcementServiceStub]:
        """A stub for the sidecar."""
        with grpc.insecure_channel(address or self.sidecar.address, options=CHANNEL_OPTIONS) as channel:
            yield EnforcementServiceStub(channel)

    @contextlib.contextmanager
    def ledger_stub(self) -> Iterator[LedgerServiceStub]:
        """A stub for the ledger."""
        with grpc.insecure_channel(self.ledger.address, options=CHANNEL_OPTIONS) as channel:
            yield LedgerServiceStub(channel)

    def balance(self, address: str | None = None) -> pb.GetBalanceResponse:
        """The sidecar's figures."""
        with self.stub(address) as stub:
            request = pb.GetBalanceRequest(account_id=ACCOUNT)
            answer: pb.GetBalanceResponse = stub.GetBalance(request, timeout=CALL_TIMEOUT_S, wait_for_ready=True)
            return answer

    def ledger_balance(self) -> ledger_pb.PoolBalance:
        """The ledger's figures."""
        with self.ledger_stub() as stub:
            request = ledger_pb.GetPoolRequest(account_id=ACCOUNT, pool_id=POOL)
            answer: ledger_pb.GetPoolResponse = stub.GetPool(request, timeout=CALL_TIMEOUT_S, wait_for_ready=True)
            return answer.balance

    def debits(self) -> list[tuple[str, int]]:
        """(operation id, amount) of every debit entry in the journal, the parts of one debit summed."""
        totals: dict[tuple[str, int, int], int] = {}
        token = ""
        with self.ledger_stub() as stub:
            while True:
                request = ledger_pb.ListEntriesRequest(
                    account_id=ACCOUNT, pool_id=POOL, page_size=1000, page_token=token
                )
                page = stub.ListEntries(request, timeout=CALL_TIMEOUT_S, wait_for_ready=True)
                for entry in page.entries:
                    if entry.operation_id:
                        key = (entry.operation_id, entry.epoch, entry.sequence)
                        totals[key] = totals.get(key, 0) + entry.amount
                token = page.next_page_token
                if not token:
                    return [(key[0], amount) for key, amount in totals.items()]

    def wait_until_settled(self) -> None:
        """Waits until the ledger has posted what the sidecar has debited."""
        wait_until(lambda: self.ledger_balance().posted == self.balance().posted, START_TIMEOUT_S)
        wait_until(lambda: self.balance().unposted == 0, START_TIMEOUT_S)

    def end(self) -> None:
        """Leaves nothing running."""
        for server in (self.sidecar, *self._others, self.ledger):
            server.end()


class Storm:
    """Threads that reserve and settle, each operation retried with its id until it is answered."""

    def __init__(self, world: World, thread_count: int = 8, amount: int = 7) -> None:
        self.acked: dict[str, int] = {}
        self.tried: dict[str, int] = {}
        self.errors: list[str] = []
        self._world = world
        self._amount = amount
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(thread_count)]

    def __enter__(self) -> "Storm":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(START_TIMEOUT_S)

    def wait_for(self, more: int) -> None:
        """Waits until so many more settles are acked."""
        wanted = len(self.acked) + more
        wait_until(lambda: len(self.acked) >= wanted or bool(self.errors), START_TIMEOUT_S)
        assert not self.errors, self.errors

    def _work(self, number: int) -> None:
        with self._world.stub() as stub:
            count = 0
            while not self._stopping.is_set():
                count += 1
                name = f"w{number}-{count}"
                reserve = pb.ReserveRequest(operation_id=name, account_id=ACCOUNT, amount=10, ttl_ms=60_000)
                held = self._until_answered(stub.Reserve, reserve)
                if held is None:
                    return
                if held.reason == decision_pb2.REASON_LEASE_TIMEOUT:
                    continue  # the ledger was slow to give rights, or was just killed
                settle = pb.SettleRequest(
                    operation_id=f"{name}-s", account_id=ACCOUNT, hold_id=name, amount=self._amount
                )
                self.tried[settle.operation_id] = settle.amount
                if self._until_answered(stub.Settle, settle) is None:
                    return
                self.acked[settle.operation_id] = settle.amount

    def _until_answered(self, call: Callable[..., Answer], request: Message) -> Answer | None:
        """Retries what is safe to retry; None once the storm is over without an answer."""
        while True:
            try:
                return call(request, timeout=2)
            except grpc.RpcError as error:
                if error.code() not in RETRIABLE:
                    self.errors.append(f"{error.code()}: {error.details()}")
                    return None
                if self._stopping.is_set():
                    return None
                time.sleep(0.02)


def assert_exactly_once(world: World, storm: Storm) -> None:
    """Every acked settle is in the journal once with its amount; of the others at most once; both sides agree."""
    world.wait_until_settled()
    debits = world.debits()
    posted = dict(debits)
    assert len(posted) == len(debits), "a debit was posted twice"
    missing = {name for name, amount in storm.acked.items() if posted.get(name) != amount}
    assert not missing, f"acked and not posted: {sorted(missing)[:5]}"
    assert set(posted) <= set(storm.tried)
    assert world.ledger_balance().spent_total == sum(posted.values())
    assert world.ledger_balance().overdraft == 0


def wait_until(condition: Callable[[], bool], timeout_s: float) -> None:
    """Polls until a condition holds; fails after the time."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "timed out"
        time.sleep(0.01)
