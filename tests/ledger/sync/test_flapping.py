"""Streams that come and go, or do not read: acks never mix, nothing is posted twice, memory stays flat."""

import asyncio
import gc
import tracemalloc
from collections import Counter
from pathlib import Path

import grpc
import pytest
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast_ledger.errors import WindowExceeded
from holdfast_ledger.sync import stream as stream_module
from holdfast_ledger.sync.stream import Stream

from tests.ledger.harness import Ledger, SyncStream, debit, fault_of, instance, running

FLAPS = 1_000
RUN = 3
"""Debits that a stream brings before it waits."""


WRITE_MET_THE_END = "a write met the end"
"""gRPC says so of the call, in place of the status with which the ledger had ended it."""


def ending(error: Exception) -> str:
    """Returns the reason with which a stream ended."""
    if isinstance(error, asyncio.InvalidStateError):
        return WRITE_MET_THE_END
    assert isinstance(error, grpc.aio.AioRpcError)
    return WRITE_MET_THE_END if error.code() is grpc.StatusCode.INTERNAL else fault_of(error)[1]


class Twin:
    """One of two connections of one process, each of which thinks that it is the only one."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.acked = 0
        self.endings: Counter[str] = Counter()

    async def flap(self, count: int) -> None:
        """Opens streams one after the other, and brings the next debits on each."""
        for _ in range(count):
            stream = self._ledger.sync()
            try:
                await self._bring(stream)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
                self.endings[ending(error)] += 1
            finally:
                stream.cancel()

    async def _bring(self, stream: SyncStream) -> None:
        welcome = await stream.hello(epoch=min(1, self.acked), last_sequence=2**62)
        mark = sent = welcome.acked_sequence
        assert mark >= self.acked, "what was acked stays so, whoever was told"
        while mark < welcome.acked_sequence + RUN:
            if sent < welcome.acked_sequence + RUN:
                sent += 1
                await stream.debits(debit(sent))
            message = await stream.read()
            if message.HasField("ack"):
                assert mark < message.ack.acked_sequence <= sent, "an ack of what this stream did not bring"
                self.acked = mark = message.ack.acked_sequence


async def test_two_streams_of_one_sidecar_that_replace_each_other_never_mix_their_acks(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(10**9)
        twins = Twin(ledger), Twin(ledger)
        await twins[0].flap(20)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        await asyncio.gather(*(twin.flap(FLAPS // 2) for twin in twins))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        mark = (await ledger.sync().hello(epoch=1, last_sequence=2**62)).acked_sequence
        assert (await ledger.balance()).spent_total == mark >= max(twin.acked for twin in twins)
        endings = twins[0].endings + twins[1].endings
        assert endings.keys() <= {"REPLACED", WRITE_MET_THE_END}
        assert endings["REPLACED"] > FLAPS // 20, "they were in each other's way"
        assert after - before < 512 * 1024


class DeafChannel:
    """A sidecar that asks for rights without end, each time once the ledger has an answer, and takes none."""

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.asked = 0

    async def read(self) -> bytes:
        """Hello, and then one ask after the other."""
        if not self.asked:
            self.asked = 1
            return wire.SyncRequest(hello=wire.Hello(sidecar_id="s", instance=instance(1))).SerializeToString()
        while self.stream is not None and self.stream._protocol.control_waits:
            await asyncio.sleep(0)
        self.asked += 1
        want = wire.LeaseWant(account_id="a", pool_id="general")
        ask = wire.LeaseRequest(request_id=self.asked, wants=[want])
        return wire.SyncRequest(lease_request=ask).SerializeToString()

    async def write(self, message: bytes) -> None:
        """Never ends."""
        await asyncio.Event().wait()


async def test_a_sidecar_that_does_not_read_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "MAX_OUTGOING", 50)
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        channel = DeafChannel()
        channel.stream = Stream(channel, ledger.server._sync)
        with pytest.raises(WindowExceeded, match="leaves 50 answers unread"):
            await channel.stream.run()
        assert 50 < channel.asked < 60
        other = ledger.sync()
        await other.hello("t")
        assert (await other.want(5)).granted_total >= 5
