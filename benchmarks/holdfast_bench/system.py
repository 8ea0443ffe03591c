"""Starts, watches and stops the processes under test; the one place that knows their commands."""

import contextlib
import queue
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import grpc
import psutil
from grpc_health.v1 import health_pb2
from holdfast.v1.decision_pb2 import VERDICT_ALLOW
from holdfast.v1.enforcement_service_pb2 import CheckRequest
from holdfast.v1.enforcement_service_pb2_grpc import EnforcementServiceStub
from holdfast.v1.ledger_service_pb2 import ListSidecarsRequest
from holdfast.v1.ledger_service_pb2_grpc import LedgerServiceStub
from prometheus_client.parser import text_string_to_metric_families

from holdfast_bench.options import Durability, Options, PathShape, Transport
from holdfast_bench.work import ACCOUNT, AMOUNT, POOL

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
_POLL_S = 0.005


class ProcessFailed(Exception):
    """A process under test did not start, did not serve, or ended by itself; says what it wrote last."""


class Process:
    """A server in a process of its own, from its start to its stop."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, *, own_group: bool = False) -> None:
        """Starts it; what it writes goes to a file in `folder`. `own_group`: a Ctrl-C reaches this process alone."""
        self.name = name
        self.target = ""
        """Where it listens, once it does."""
        self.ledger_target = ""
        """Where its ledger listens, if it is a sidecar that `leased_sidecar` started."""
        self.metrics_target = ""
        """Where its metrics are, if it says so."""
        self.console_url = ""
        """Where its console is, if it is a ledger that has one."""
        self._log = folder / f"{name}.log"
        self.started_s = time.monotonic()
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, process_group=0 if own_group else None
            )
        self._process = psutil.Process(self._child.pid)

    def __enter__(self) -> Self:
        """Itself, until the block ends."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stops it."""
        self.stop()

    @property
    def process_id(self) -> int:
        """As the system numbers it."""
        return self._child.pid

    @property
    def rss_bytes(self) -> int:
        """Its resident memory."""
        return int(self._process.memory_info().rss)

    @property
    def anonymous_bytes(self) -> int:
        """Its resident memory that is no file's: without what it reads of its store, which the system may take back."""
        memory = self._process.memory_info()
        return int(memory.rss - memory.shared)

    @property
    def cpu_s(self) -> float:
        """Processor time that it has used, in seconds."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def await_address(self) -> None:
        """Waits for its line `listening on ADDRESS` and takes the address as `target`. Raises ProcessFailed.

        Addresses of metrics and of a console, which are said before, are taken too.
        """
        assert self._child.stdout is not None
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_forward, args=(self._child.stdout, lines), daemon=True).start()
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s:
            with contextlib.suppress(queue.Empty):
                line = lines.get(timeout=0.1)
                if line.startswith("metrics on "):
                    self.metrics_target = line.removeprefix("metrics on ").strip()
                if line.startswith("console on "):
                    self.console_url = line.removeprefix("console on ").strip()
                if line.startswith("listening on "):
                    self.target = line.removeprefix("listening on ").strip()
                    return
            self.check_alive()
        raise ProcessFailed(f"{self.name} did not say where it listens within {START_TIMEOUT_S:.0f} s:\n{self.tail()}")

    def check_alive(self) -> None:
        """Raises ProcessFailed if it has ended."""
        if self._child.poll() is not None:
            raise ProcessFailed(f"{self.name} ended with status {self._child.returncode}:\n{self.tail()}")

    def await_end(self) -> None:
        """Waits until it has ended by itself."""
        self._child.wait(STOP_TIMEOUT_S)

    def stop(self) -> None:
        """Asks it to stop, and kills it if it does not."""
        self._child.terminate()
        try:
            self._child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
        self._bury()

    def kill(self) -> None:
        """Kills it at once (SIGKILL), as a crash would."""
        self._child.kill()
        self._bury()

    def _bury(self) -> None:
        self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()

    def tail(self) -> str:
        """The last of what it wrote."""
        return self._log.read_text(errors="replace")[-2_000:]


def _forward(lines: IO[str], into: "queue.Queue[str]") -> None:
    with contextlib.suppress(ValueError):  # closed by `stop`
        for line in lines:
            into.put(line)


def start(name: str, command: Sequence[str], folder: Path, *, own_group: bool = False) -> Process:
    """Starts a server; returns once it says where it listens. Raises ProcessFailed."""
    process = Process(name, command, folder, own_group=own_group)
    try:
        process.await_address()
    except BaseException:
        process.stop()
        raise
    return process


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """A folder for a sidecar's or a ledger's data, on a disk, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        yield Path(folder)


def echo(kind: Transport, options: Options, folder: Path) -> Process:
    """A server that answers each message with itself: natively (`bare`), or through Python and a transport."""
    address = f"unix:{folder}/echo.sock" if options.unix_socket else "127.0.0.1:0"
    return start(f"echo-{kind}", [sys.executable, "-m", "holdfast_bench.echo", kind, address], folder)


def sink(folder: Path, *, acks: bool = True, path: PathShape = "empty") -> Process:
    """A ledger that grants and acks all; without `acks`, one whose uplink stands still."""
    command = [sys.executable, "-m", "holdfast_bench.sink", "--ack", "all" if acks else "none"]
    command += ["--governed"] if path == "full" else []
    return start("sink", command, folder)


def metric(process: Process, name: str) -> float:
    """Sum over the labels of one of the sidecar's metrics; 0 if there is none. Needs `metrics_target`."""
    with urllib.request.urlopen(f"http://{process.metrics_target}/metrics", timeout=START_TIMEOUT_S) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return sum(sample.value for family in families for sample in family.samples if sample.name == name)


def ledger(
    folder: Path,
    *,
    port: int = 0,
    own_group: bool = False,
    database: str = "",
    name: str = "ledger",
    flags: Sequence[str] = (),
) -> Process:
    """A ledger, on SQLite in `folder` unless told; port 0: any free one."""
    database = database or str(folder / "ledger.db")
    command = [*_holdfast("ledger"), "--listen", f"127.0.0.1:{port}", "--database", database, *flags]
    return start(name, command, folder, own_group=own_group)


def sidecar(
    folder: Path,
    ledger_target: str,
    *,
    sidecar_id: str = "bench",
    transport: Transport,
    durability: Durability,
    unix_socket: bool = False,
    metrics: bool = False,
    own_group: bool = False,
    flags: Sequence[str] = (),
) -> Process:
    """A sidecar with its data in `folder`; returns once its health service says SERVING. Raises ProcessFailed."""
    command = [*_holdfast("sidecar"), "--folder", str(folder / "sidecar"), "--sidecar-id", sidecar_id]
    command += ["--listen-tcp", "127.0.0.1:0", "--ledger-target", ledger_target]
    command += ["--metrics-address", "127.0.0.1:0" if metrics else "off"]
    command += ["--transport", transport, "--durability", durability, *flags]
    if unix_socket:
        command += ["--listen-unix", str(folder / "sidecar.sock")]
    process = start("sidecar", command, folder, own_group=own_group)
    try:
        await_serving(process)
    except BaseException:
        process.stop()
        raise
    if unix_socket:
        process.target = f"unix:{folder}/sidecar.sock"
    return process


def await_serving(process: Process) -> None:
    """Waits until the health service of a process says SERVING. Raises ProcessFailed."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    with grpc.insecure_channel(process.target) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )
        while time.monotonic() < deadline_s:
            process.check_alive()
            with contextlib.suppress(grpc.RpcError):
                answer = check(health_pb2.HealthCheckRequest(), timeout=START_TIMEOUT_S, wait_for_ready=True)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            time.sleep(_POLL_S)
    raise ProcessFailed(f"{process.name} did not serve within {START_TIMEOUT_S:.0f} s:\n{process.tail()}")


def await_rights(target: str) -> None:
    """Checks until the pool's lease is there, so that the load does not wait for it. Raises TimeoutError."""
    request = CheckRequest(account_id=ACCOUNT, pool_id=POOL, amount=AMOUNT)
    deadline_s = time.monotonic() + START_TIMEOUT_S
    with grpc.insecure_channel(target) as channel:
        stub = EnforcementServiceStub(channel)
        while stub.Check(request, timeout=START_TIMEOUT_S).verdict != VERDICT_ALLOW:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"the sidecar got no rights for {POOL}")
            time.sleep(_POLL_S)


@contextlib.contextmanager
def leased_sidecar(
    options: Options, transport: Transport, durability: Durability, *, acks: bool = True, path: PathShape = "empty"
) -> Iterator[Process]:
    """A fresh sidecar with rights, and with rules for the full path, from a sink, both gone afterwards."""
    with workspace() as folder, sink(folder, acks=acks, path=path) as source:
        process = sidecar(
            folder,
            source.target,
            transport=transport,
            durability=durability,
            unix_socket=options.unix_socket,
            flags=["--drain-grace-ms", "200"],  # what is left in its outbox interests nobody
        )
        process.ledger_target = source.target
        with process:
            await_rights(process.target)
            yield process


def debits_acked(ledger_target: str) -> int:
    """Debits of all sidecars that a ledger, or the sink, has acked."""
    with grpc.insecure_channel(ledger_target) as channel:
        answer = LedgerServiceStub(channel).ListSidecars(ListSidecarsRequest(), timeout=START_TIMEOUT_S)
        return sum(sidecar.acked_sequence for sidecar in answer.sidecars)


def _holdfast(subcommand: str) -> list[str]:
    return [sys.executable, "-c", "import sys; from holdfast.cli import main; sys.exit(main())", subcommand]
