"""The uplink against the real ledger in a process of its own, which is killed while debits flow."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from holdfast.v1 import ledger_service_pb2 as api
from holdfast.v1 import ledger_service_pb2_grpc as api_grpc
from holdfast_sidecar.engine.events import Disconnected, Fenced, LeaseAsk, LeaseStatus, LeasesUpdated, LeaseWant

from tests.sidecar.uplink.host import DEBIT_AMOUNT, Host

GRANTED_AMOUNT = 10**12


class LedgerProcess:
    """`holdfast ledger` on a file of its own; comes back on the same port."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    def start(self) -> str:
        """Starts it and waits until it listens; returns the target."""
        command = [sys.executable, "-m", "holdfast_ledger", "--database", str(self._database)]
        command += ["--listen", f"127.0.0.1:{self._port}", "--heartbeat-interval-ms", "200"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r":(\d+)$", line.strip())
        assert found, f"the ledger said {line!r}"
        self._port = int(found[1])
        return f"127.0.0.1:{self._port}"

    def kill(self) -> None:
        """Ends it as a power cut does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerProcess]:
    """A ledger, not yet started."""
    process = LedgerProcess(tmp_path / "ledger.sqlite")
    yield process
    process.kill()


def open_wallet(target: str) -> None:
    """Makes the account and pool that the host's debits name, with enough in it."""
    with grpc.insecure_channel(target) as channel:
        service = api_grpc.LedgerServiceStub(channel)
        service.CreateAccount(api.CreateAccountRequest(account=api.Account(account_id="acme")))
        pool = api.Pool(account_id="acme", pool_id="general", currency="credits", currency_exponent=6)
        service.CreatePool(api.CreatePoolRequest(pool=pool))
        grant = api.Grant(
            grant_id="g",
            account_id="acme",
            pool_id="general",
            amount=GRANTED_AMOUNT,
            category=api.GRANT_CATEGORY_PAID,
        )
        service.CreateGrant(api.CreateGrantRequest(grant=grant))


def posted_count(target: str) -> int:
    """Returns how many debits left the pool."""
    with grpc.insecure_channel(target) as channel:
        request = api.GetPoolRequest(account_id="acme", pool_id="general")
        balance = api_grpc.LedgerServiceStub(channel).GetPool(request).balance
    spent_amount: int = GRANTED_AMOUNT - balance.posted
    assert spent_amount % DEBIT_AMOUNT == 0
    return spent_amount // DEBIT_AMOUNT


def settle_in_rounds(host: Host) -> None:
    for _ in range(100):
        host.settle(50)


def test_debits_are_posted_once_through_kills_of_the_ledger(ledger: LedgerProcess) -> None:
    target = ledger.start()
    open_wallet(target)
    with Host(target) as host:
        host.until(lambda: host.epoch > 0)
        for kill_count in range(1, 4):
            settling = threading.Thread(target=settle_in_rounds, args=(host,))
            settling.start()
            host.until(lambda: host.uplink.statistics().connected and host.acked() > host.last_sequence // 2)
            ledger.kill()
            settling.join()
            host.until(lambda count=kill_count: host.seen(Disconnected) == count)  # type: ignore[misc]
            ledger.start()
        host.until(lambda: host.acked() == 15_000)
    assert posted_count(target) == 15_000


def test_a_lease_is_asked_for_and_granted(ledger: LedgerProcess) -> None:
    target = ledger.start()
    open_wallet(target)
    ask = LeaseAsk(1, (LeaseWant("acme", "general", 500, 500, 0, 0, 0), LeaseWant("nobody", "general", 1, 1, 0, 0, 0)))
    with Host(target) as host:
        host.until(lambda: host.epoch > 0 and host.uplink.statistics().connected)
        host.settle(0, [ask])
        host.until(lambda: host.seen(LeasesUpdated) >= 1)
    update = next(event for event in host.events if isinstance(event, LeasesUpdated))
    assert update.request_id == 1
    known, unknown = sorted(update.leases, key=lambda lease: lease.account_id)
    assert known.status is LeaseStatus.ACTIVE
    assert known.currency == "credits"
    assert known.granted_total >= 500
    assert unknown.status is LeaseStatus.UNKNOWN_ACCOUNT


def test_a_copy_of_the_folder_that_starts_elsewhere_fences_this_one(ledger: LedgerProcess) -> None:
    target = ledger.start()
    open_wallet(target)
    with Host(target) as host:
        host.until(lambda: host.epoch > 0)
        host.settle(5)
        host.until(lambda: host.acked() == 5)
        with Host(target, instance=b"j" * 16) as other:
            other.until(lambda: other.epoch > 0)
            host.until(lambda: host.seen(Fenced) == 1)
        host.thread.join(10)
    assert host.events[-1] == Fenced("FENCED", host.events[-1].message if isinstance(host.events[-1], Fenced) else "")
    assert other.epoch > host.epoch
