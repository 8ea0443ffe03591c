"""Debits a second that the ledger posts, every commit synced: on SQLite or PostgreSQL, from one stream a replica.

The debits are made beforehand; the sender only keeps the window full. Their operation ids are scattered, as those of
callers are, so that each has its place anywhere in the index that keeps them apart. Latency is that of a batch, from
its sending to the ack that covers it. A long run is measured part by part: what do the rows already there cost?
"""

import asyncio
import contextlib
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import grpc
import grpc.aio
import psycopg
from holdfast.v1 import ledger_service_pb2 as ledger_pb
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast.v1.decision_pb2 import MODE_CONNECTED
from holdfast.v1.ledger_service_pb2_grpc import LedgerServiceStub

from holdfast_bench import system, work
from holdfast_bench.options import LedgerStore, Options
from holdfast_bench.postgres import Server
from holdfast_bench.results import Figures, Json, Measure, Report, Result, Spread, Subject, percentiles_of
from holdfast_bench.rounds import say

BATCH_DEBITS = 512
PART_DEBITS = 250_000
"""Debits of a part, over all streams: made before it begins, so that making them costs nothing while it is timed."""
SYNC_PATH = "/holdfast.v1.LedgerSyncService/Sync"
GRANT = 10**15
SERVER_SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min"}
"""What an operator sets first: a cache for the upper levels of the indexes, and checkpoints that are seldom."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What one part of a run found."""

    debit_count: int
    seconds: float
    cpu_s: float
    """Processor time of ledgers and database; other than the seconds it does not depend on what else runs."""
    latencies_us: Counter[int]


def run(options: Options) -> Report:
    """Measures it, with a fresh ledger in each round."""
    rounds: list[list[_Part]] = []
    bytes_a_debit: list[float] = []
    for index in range(options.rounds):
        with _database(options.store) as (folder, database, server), contextlib.ExitStack() as running:
            replicas = [
                running.enter_context(system.ledger(folder, database=database, name=f"ledger-{number}"))
                for number in range(options.replica_count)
            ]
            set_up_pool(replicas[0].target, options.ledger_pool_count)

            def cpu_s() -> float:
                of_server = server.cpu_s() if server else 0.0
                return of_server + sum(one.cpu_s for one in replicas)  # noqa: B023

            targets = [replica.target for replica in replicas]
            rounds.append(asyncio.run(post(targets, options.debit_count, options.ledger_pool_count, cpu_s)))
            bytes_a_debit.append(_size_bytes(folder, database) / options.debit_count)
        rate = _figures(rounds[-1]).throughput_per_s
        say(f"ledger: round {index + 1} of {options.rounds}: {rate:,.0f} debits/s")
    figures = [_figures(parts) for parts in rounds]
    result = Result("ledger", Subject("native", "host"), options.replica_count, figures, None, None)
    of: dict[str, Json] = {
        "store": options.store,
        "replica_count": options.replica_count,
        "pool_count": options.ledger_pool_count,
    }
    cpu_us = [sum(part.cpu_s for part in parts) / options.debit_count * 1e6 for parts in rounds]
    measures = [
        Measure("bytes_per_debit", of, Spread.of(bytes_a_debit)),
        Measure("cpu_us_per_debit", of, Spread.of(cpu_us)),
    ]
    if len(rounds[0]) > 1:
        measures += list(_growth(of, rounds))
    return Report("ledger", [result], measures)


def _growth(of: dict[str, Json], rounds: Sequence[Sequence[_Part]]) -> Iterator[Measure]:
    """What each part found, by the debits that were there when it began."""
    stored_count = 0
    for parts in zip(*rounds, strict=True):
        at = of | {"stored_debit_count": stored_count}
        yield Measure("debits_per_s", at, Spread.of(part.debit_count / part.seconds for part in parts))
        yield Measure("cpu_us_per_debit", at, Spread.of(part.cpu_s / part.debit_count * 1e6 for part in parts))
        stored_count += parts[0].debit_count


@contextlib.contextmanager
def _database(store: LedgerStore) -> Iterator[tuple[Path, str, Server | None]]:
    """A folder, and an empty database in it or in a server beside it."""
    with system.workspace() as folder:
        if store == "sqlite":
            yield folder, str(folder / "ledger.db"), None
            return
        server = Server(**SERVER_SETTINGS)
        try:
            yield folder, server.create(), server
        finally:
            server.close()


def _size_bytes(folder: Path, database: str) -> int:
    if not database.startswith("postgresql://"):
        return sum(file.stat().st_size for file in folder.glob("ledger.db*"))
    with psycopg.connect(database) as connection:
        (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
        return int(size)


def _figures(parts: Sequence[_Part]) -> Figures:
    latencies_us: Counter[int] = Counter()
    for part in parts:
        latencies_us.update(part.latencies_us)
    buckets = sorted(latencies_us.items())
    rate = sum(part.debit_count for part in parts) / sum(part.seconds for part in parts)
    return Figures(rate, percentiles_of(buckets), buckets, {0: latencies_us.total()})


def account_of(number: int) -> str:
    """The account of one of the pools."""
    return f"{work.ACCOUNT}-{number}" if number else work.ACCOUNT


def set_up_pool(target: str, pool_count: int = 1) -> None:
    """Creates accounts, a pool in each, and three grants in each pool that the debits burn down."""
    with grpc.insecure_channel(target) as channel:
        stub = LedgerServiceStub(channel)
        for account_id in map(account_of, range(pool_count)):
            account = ledger_pb.Account(account_id=account_id)
            stub.CreateAccount(ledger_pb.CreateAccountRequest(account=account), timeout=system.START_TIMEOUT_S)
            pool = ledger_pb.Pool(account_id=account_id, pool_id=work.POOL)
            stub.CreatePool(ledger_pb.CreatePoolRequest(pool=pool))
            for grant_id, category in (("gift", "PROMOTIONAL"), ("bought", "PAID"), ("reserve", "PAID")):
                grant = ledger_pb.Grant(
                    grant_id=grant_id,
                    account_id=account_id,
                    pool_id=work.POOL,
                    amount=GRANT,
                    category=f"GRANT_CATEGORY_{category}",
                )
                stub.CreateGrant(ledger_pb.CreateGrantRequest(grant=grant))


async def post(targets: Sequence[str], debit_count: int, pool_count: int, cpu_s: Callable[[], float]) -> list[_Part]:
    """Posts debits as fast as the ledgers take them, over one stream each; returns what each part found."""
    async with contextlib.AsyncExitStack() as running:
        streams = []
        for number, target in enumerate(targets):
            channel = await running.enter_async_context(grpc.aio.insecure_channel(target))
            sync: grpc.aio.StreamStreamMultiCallable[bytes, wire.SyncResponse] = channel.stream_stream(
                SYNC_PATH, response_deserializer=wire.SyncResponse.FromString
            )
            streams.append(_Stream(sync(), f"bench-{number}", pool_count))
        for stream in streams:
            await stream.open(work.AMOUNT * debit_count // len(streams) // pool_count)
        parts = []
        for begin in range(0, debit_count, PART_DEBITS):
            parts.append(await _part(streams, min(PART_DEBITS, debit_count - begin) // len(streams), cpu_s))
            say(f"ledger: {begin:,} debits stored: {parts[-1].debit_count / parts[-1].seconds:,.0f} debits/s")
        for stream in streams:
            stream.call.cancel()
    return parts


async def _part(streams: "Sequence[_Stream]", count: int, cpu_s: Callable[[], float]) -> _Part:
    batches = [list(stream.batches(count)) for stream in streams]
    begun_s, cpu_begun_s = time.monotonic(), cpu_s()
    sent = [stream.send(ready) for stream, ready in zip(streams, batches, strict=True)]
    latencies_us: Counter[int] = Counter()
    for found in await asyncio.gather(*sent):
        latencies_us.update(found)
    return _Part(count * len(streams), time.monotonic() - begun_s, cpu_s() - cpu_begun_s, latencies_us)


@dataclass(frozen=True, slots=True)
class _Batch:
    payload: bytes
    last_sequence: int


class _Stream:
    """A sidecar's end of the stream, as far as posting goes."""

    def __init__(
        self, call: "grpc.aio.StreamStreamCall[bytes, wire.SyncResponse]", sidecar_id: str, pool_count: int
    ) -> None:
        self.call = call
        self._sidecar_id = sidecar_id
        self._pool_count = pool_count
        self._window = self._made = self._acked = 0

    async def open(self, want_amount: int) -> None:
        """Says Hello and asks for rights to each pool."""
        hello = wire.Hello(
            sidecar_id=self._sidecar_id,
            instance=self._sidecar_id.encode().ljust(16),
            max_hold_ttl_ms=1_000,
            version="1",
        )
        await self.call.write(wire.SyncRequest(hello=hello).SerializeToString())
        self._window = (await self._next("welcome")).welcome.window_debit_count
        names = map(account_of, range(self._pool_count))
        wants = [
            wire.LeaseWant(account_id=name, pool_id=work.POOL, want_amount=want_amount, need_amount=want_amount)
            for name in names
        ]
        request = wire.LeaseRequest(request_id=1, wants=wants)
        await self.call.write(wire.SyncRequest(lease_request=request).SerializeToString())
        await self._next("lease_update")

    def batches(self, count: int) -> Iterator[_Batch]:
        """Makes the next debits, spread over the pools."""
        numbers = iter(range(self._made + 1, self._made + count + 1))
        self._made += count
        while run := list(itertools.islice(numbers, BATCH_DEBITS)):
            debits = wire.DebitBatch(debits=map(self._debit, run))
            yield _Batch(wire.SyncRequest(debits=debits).SerializeToString(), run[-1])

    def _debit(self, sequence: int) -> wire.Debit:
        return wire.Debit(
            sequence=sequence,
            epoch=1,
            account_id=account_of(sequence % self._pool_count),
            pool_id=work.POOL,
            amount=work.AMOUNT,
            operation_id=blake2b(f"{self._sidecar_id}-{sequence}".encode(), digest_size=16).hexdigest(),
            hold_id=f"r{sequence:012}",
            settled_at_unix_ms=1_763_700_000_000 + sequence,
            subject="research/agent-7",
            dimensions=[wire.Dimension(key="model", value="gpt-5")],
            mode=MODE_CONNECTED,
        )

    async def send(self, batches: list[_Batch]) -> Counter[int]:
        """Sends all batches within the window; returns their latencies in microseconds."""
        latencies_us: Counter[int] = Counter()
        sent: deque[tuple[int, float]] = deque()
        waiting = deque(batches)
        while waiting or sent:
            while waiting and waiting[0].last_sequence - self._acked <= self._window:
                batch = waiting.popleft()
                sent.append((batch.last_sequence, time.monotonic()))
                await self.call.write(batch.payload)
            self._acked = (await self._next("ack")).ack.acked_sequence
            now_s = time.monotonic()
            while sent and sent[0][0] <= self._acked:
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
