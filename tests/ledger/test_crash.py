"""kill -9 of a real ledger process at each named point: every acked debit is there once, none twice, books whole."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from holdfast.v1 import ledger_service_pb2 as api
from holdfast.v1 import ledger_service_pb2_grpc as api_grpc
from holdfast.v1 import ledger_sync_service_pb2_grpc as wire_grpc
from holdfast_ledger.bootstrap import main, open_store
from holdfast_ledger.crash import CrashPlan, CrashPoint

from tests.ledger.harness import SyncStream, assert_audited, debit, execute

DEBIT_COUNT = 60
BATCH = 5


class Process:
    """A ledger process on a file."""

    def __init__(self, database: str, crash_at: str = "") -> None:
        command = [sys.executable, "-m", "holdfast_ledger", "--database", database, "--listen", "127.0.0.1:0"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"HOLDFAST_CRASH_AT": crash_at}
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening on ")
        self.address = line.split()[-1]

    def wait(self) -> int:
        """Waits for its end."""
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._process.wait(60)

    def kill(self, number: int) -> int:
        """Sends a signal and waits for its end."""
        self._process.send_signal(number)
        return self.wait()


async def prepare(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = api_grpc.LedgerServiceStub(channel)
        await stub.CreateAccount(api.CreateAccountRequest(account=api.Account(account_id="a")))
        await stub.CreatePool(api.CreatePoolRequest(pool=api.Pool(account_id="a", pool_id="general")))
        for name, amount in (("g1", 100), ("g2", 10_000)):
            grant = api.Grant(
                account_id="a", pool_id="general", grant_id=name, amount=amount, category=api.GRANT_CATEGORY_PAID
            )
            await stub.CreateGrant(api.CreateGrantRequest(grant=grant))


async def spend(address: str, epoch: int, acked: int) -> tuple[int, int, bool]:
    """Sends what is not acked, batch by batch, until all is or the stream breaks: epoch, mark, whether all is."""
    async with grpc.aio.insecure_channel(address) as channel:
        stream = SyncStream(wire_grpc.LedgerSyncServiceStub(channel))
        try:
            welcome = await stream.hello(epoch=epoch, last_sequence=DEBIT_COUNT, acked_sequence=acked)
            assert welcome.acked_sequence >= acked, "what was acked is never lost"
            epoch, acked = welcome.epoch, welcome.acked_sequence
            while acked < DEBIT_COUNT:
                await stream.debits(*(debit(n, n) for n in range(acked + 1, acked + BATCH + 1)))
                await stream.acked(acked + BATCH)
                acked += BATCH
        except (grpc.RpcError, asyncio.InvalidStateError):  # the latter where a write meets the end
            return epoch, acked, False
        return epoch, acked, True


@pytest.mark.parametrize("point", list(CrashPoint))
def test_killed_at_a_named_point_again_and_again(database: str, point: CrashPoint) -> None:
    process = Process(database)
    asyncio.run(prepare(process.address))
    assert process.kill(signal.SIGKILL) == -signal.SIGKILL
    epoch, acked, done = 0, 0, False
    crash_count = 0
    for crash_at in (f"{point.value}:1", f"{point.value}:3", f"{point.value}:2", ""):
        process = Process(database, crash_at)
        epoch, acked, done = asyncio.run(spend(process.address, epoch, acked))
        if crash_at:
            assert process.wait() == -signal.SIGKILL
            crash_count += 1
        else:
            assert process.kill(signal.SIGTERM) == 0
        assert_store_holds_at_least(database, acked)
    assert (done, acked, crash_count) == (True, DEBIT_COUNT, 3)
    store = open_store(database)
    with store.reading() as reader:
        pool = reader.pool("a", "general")
        assert pool is not None
        assert pool.spent_total == sum(range(1, DEBIT_COUNT + 1))
        operations = [line.operation_id for line in reader.journal(pool.pool_key, 0, 10_000) if line.operation_id]
    assert set(operations) == {f"op-{n}" for n in range(1, DEBIT_COUNT + 1)}
    store.close()


def assert_store_holds_at_least(database: str, acked: int) -> None:
    store = open_store(database)
    assert_audited(store)
    with store.reading() as reader:
        sidecar = reader.sidecar("s")
        assert sidecar is not None
        assert sidecar.acked_sequence >= acked
    store.close()


def test_audit_as_a_command(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = Process(database)
    asyncio.run(prepare(process.address))
    asyncio.run(spend(process.address, 0, 0))
    assert process.kill(signal.SIGTERM) == 0
    assert main(["audit", "--database", database]) == 0
    assert "all figures agree" in capsys.readouterr().out
    store = open_store(database)
    execute(store, "UPDATE entries SET amount = amount + 1 WHERE entry_key = 3")
    store.close()
    assert main(["audit", "--database", database]) == 1
    assert "the journal says" in capsys.readouterr().out
    assert main(["audit", "--database", str(tmp_path / "none")]) == 64


@pytest.mark.parametrize("text", ["nowhere", "after_commit:x", ":1"])
def test_a_plan_that_names_no_point_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        CrashPlan.parse(text)
