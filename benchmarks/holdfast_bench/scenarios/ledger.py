"""Debits a second that the ledger posts on SQLite with full sync, from the stream of one sidecar.

The debits are made beforehand; the sender only keeps the window full. Latency is that of a batch, from its sending to
the ack that covers it.
"""

import asyncio
import itertools
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import grpc.aio
from holdfast.v1 import ledger_service_pb2 as ledger_pb
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast.v1.decision_pb2 import MODE_CONNECTED
from holdfast.v1.ledger_service_pb2_grpc import LedgerServiceStub

from holdfast_bench import system, work
from holdfast_bench.options import Options
from holdfast_bench.results import Figures, Report, Result, Subject, percentiles_of
from holdfast_bench.rounds import say

BATCH_DEBITS = 512
SYNC_PATH = "/holdfast.v1.LedgerSyncService/Sync"
GRANT = 10**15


def run(options: Options) -> Report:
    """Measures it, with a fresh ledger in each round."""
    runs: list[Figures] = []
    for index in range(options.rounds):
        with system.workspace() as folder, system.ledger(folder) as process:
            set_up_pool(process.target)
            runs.append(asyncio.run(post(process.target, options.debit_count)))
        say(f"ledger: round {index + 1} of {options.rounds}: {runs[-1].throughput_per_s:,.0f} debits/s")
    result = Result("ledger", Subject("native", "host"), 1, runs, None, None)
    return Report("ledger", [result])


def set_up_pool(target: str) -> None:
    """Creates the account, the pool and three grants that the debits burn down."""
    with grpc.insecure_channel(target) as channel:
        stub = LedgerServiceStub(channel)
        account = ledger_pb.Account(account_id=work.ACCOUNT)
        stub.CreateAccount(ledger_pb.CreateAccountRequest(account=account), timeout=system.START_TIMEOUT_S)
        pool = ledger_pb.Pool(account_id=work.ACCOUNT, pool_id=work.POOL)
        stub.CreatePool(ledger_pb.CreatePoolRequest(pool=pool))
        for grant_id, category in (("gift", "PROMOTIONAL"), ("bought", "PAID"), ("reserve", "PAID")):
            grant = ledger_pb.Grant(
                grant_id=grant_id,
                account_id=work.ACCOUNT,
                pool_id=work.POOL,
                amount=GRANT,
                category=f"GRANT_CATEGORY_{category}",
            )
            stub.CreateGrant(ledger_pb.CreateGrantRequest(grant=grant))


async def post(target: str, debit_count: int) -> Figures:
    """Posts debits over one stream as fast as the ledger takes them."""
    batches = list(_batches(debit_count))
    async with grpc.aio.insecure_channel(target) as channel:
        sync: grpc.aio.StreamStreamMultiCallable[bytes, wire.SyncResponse] = channel.stream_stream(
            SYNC_PATH, response_deserializer=wire.SyncResponse.FromString
        )
        stream = _Stream(sync())
        window = await stream.open(work.AMOUNT * debit_count)
        begun_s = time.monotonic()
        latencies_us = await stream.send(batches, window)
        seconds = time.monotonic() - begun_s
        stream.call.cancel()
    buckets = sorted(latencies_us.items())
    return Figures(debit_count / seconds, percentiles_of(buckets), buckets, {0: len(batches)})


@dataclass(frozen=True, slots=True)
class _Batch:
    payload: bytes
    last_sequence: int


class _Stream:
    """A sidecar's end of the stream, as far as posting goes."""

    def __init__(self, call: "grpc.aio.StreamStreamCall[bytes, wire.SyncResponse]") -> None:
        self.call = call

    async def open(self, want_amount: int) -> int:
        """Says Hello and asks for rights; returns the window."""
        hello = wire.Hello(sidecar_id="bench", instance=b"b" * 16, max_hold_ttl_ms=1_000, version="bench")
        await self.call.write(wire.SyncRequest(hello=hello).SerializeToString())
        welcome = (await self._next("welcome")).welcome
        want = wire.LeaseWant(
            account_id=work.ACCOUNT, pool_id=work.POOL, want_amount=want_amount, need_amount=want_amount
        )
        request = wire.LeaseRequest(request_id=1, wants=[want])
        await self.call.write(wire.SyncRequest(lease_request=request).SerializeToString())
        await self._next("lease_update")
        return int(welcome.window_debit_count)

    async def send(self, batches: list[_Batch], window: int) -> Counter[int]:
        """Sends all batches within the window; returns their latencies in microseconds."""
        latencies_us: Counter[int] = Counter()
        sent: deque[tuple[int, float]] = deque()
        waiting = deque(batches)
        acked = 0
        while waiting or sent:
            while waiting and waiting[0].last_sequence - acked <= window:
                batch = waiting.popleft()
                sent.append((batch.last_sequence, time.monotonic()))
                await self.call.write(batch.payload)
            acked = (await self._next("ack")).ack.acked_sequence
            now_s = time.monotonic()
            while sent and sent[0][0] <= acked:
                latencies_us[round((now_s - sent.popleft()[1]) * 1e6)] += 1
        return latencies_us

    async def _next(self, kind: str) -> wire.SyncResponse:
        """The next message of a kind; others are passed over."""
        while True:
            message = await self.call.read()
            if not isinstance(message, wire.SyncResponse):
                raise ConnectionError(f"the ledger ended the stream: {await self.call.details()}")
            if message.WhichOneof("message") == kind:
                return message


def _batches(debit_count: int) -> Iterator[_Batch]:
    numbers = iter(range(1, debit_count + 1))
    while run := list(itertools.islice(numbers, BATCH_DEBITS)):
        debits = wire.DebitBatch(debits=[_debit(sequence) for sequence in run])
        yield _Batch(wire.SyncRequest(debits=debits).SerializeToString(), run[-1])


def _debit(sequence: int) -> wire.Debit:
    return wire.Debit(
        sequence=sequence,
        epoch=1,
        account_id=work.ACCOUNT,
        pool_id=work.POOL,
        amount=work.AMOUNT,
        operation_id=f"s{sequence:012}",
        hold_id=f"r{sequence:012}",
        settled_at_unix_ms=1_763_700_000_000 + sequence,
        subject="research/agent-7",
        dimensions=[wire.Dimension(key="model", value="gpt-5")],
        mode=MODE_CONNECTED,
    )
