"""What the ledger's tests share: a clock to move, the rules on a bare store, a whole ledger on a real channel."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status
from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import governance_service_pb2_grpc as governance_grpc
from holdfast.v1 import ledger_service_pb2 as api
from holdfast.v1 import ledger_service_pb2_grpc as api_grpc
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast.v1 import ledger_sync_service_pb2_grpc as wire_grpc
from holdfast_ledger.audit import audit
from holdfast_ledger.bootstrap import open_store
from holdfast_ledger.config import LedgerConfig
from holdfast_ledger.leasing import rights
from holdfast_ledger.leasing.claims import Claim
from holdfast_ledger.leasing.rights import Desk, Granted, Served, Want
from holdfast_ledger.leasing.terms import LeaseTerms
from holdfast_ledger.posting import grants
from holdfast_ledger.posting.correct import Asked, correct
from holdfast_ledger.posting.grants import add_grant, take_due, void_grant
from holdfast_ledger.posting.post import Posted, post
from holdfast_ledger.server import LedgerServer
from holdfast_ledger.store.interface import (
    NEVER,
    Account,
    Correction,
    Grant,
    GrantState,
    JournalLine,
    Lease,
    Policy,
    Pool,
    Sidecar,
    Store,
    Writer,
)
from holdfast_ledger.store.postgres import PostgresStore
from holdfast_ledger.store.sqlite import SqliteStore
from holdfast_ledger.sync.lives import Introduction, admit, renew
from holdfast_ledger.windows import clearing

T = TypeVar("T")

START_MS = 1_800_000_000_000
VALIDITY_MS, SLACK_MS, TTL_MS = 10_000, 2_000, 60_000
RECLAIM_AFTER_MS = VALIDITY_MS + SLACK_MS + TTL_MS
ALLOWANCE_VALIDITY_MS, HEARTBEAT_MS, RECALL_MS = 100_000, 1_000, 100
ALLOWANCE_RECLAIM_AFTER_MS = ALLOWANCE_VALIDITY_MS + SLACK_MS + TTL_MS
TERMS = LeaseTerms(VALIDITY_MS, ALLOWANCE_VALIDITY_MS, SLACK_MS, HEARTBEAT_MS, RECALL_MS)
TIMEOUT_S = 60


class Clock:
    """Unix time in milliseconds that stands still until it is moved."""

    def __init__(self) -> None:
        self._now_ms = START_MS

    def now_ms(self) -> int:
        """The time."""
        return self._now_ms

    def advance(self, ms: int) -> None:
        """Moves the time on."""
        self._now_ms += ms


def instance(number: int) -> bytes:
    """An instance id of a process."""
    return number.to_bytes(16, "big")


def debit(sequence: int, amount: int = 1, **fields: Any) -> wire.Debit:
    """A debit of pool a/general; its operation is "op-SEQUENCE" unless told."""
    content: dict[str, Any] = {
        "sequence": sequence,
        "epoch": 1,
        "account_id": "a",
        "pool_id": "general",
        "amount": amount,
        "operation_id": f"op-{sequence}",
        "mode": decision.MODE_CONNECTED,
    }
    return wire.Debit(**(content | fields))


class Books:
    """Store, posting and leasing without a network; each method is one transaction."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    def write(self, job: Callable[[Writer], T]) -> T:
        """Carries out a job in a transaction."""
        with self.store.writing() as writer:
            return job(writer)

    def open_pool(self, pool_id: str = "general", account_id: str = "a", policy: Policy | None = None) -> Pool:
        """Makes a pool, and its account if need be."""

        def job(writer: Writer) -> Pool:
            account = writer.account(account_id) or Account(account_id, "", self.clock.now_ms())
            key = account.account_key or writer.insert_account(account)
            pool = Pool(key, account_id, pool_id, "credits", 6, policy or Policy(), self.clock.now_ms())
            writer.insert_pool(pool)
            return pool

        return self.write(job)

    def grant(self, grant_id: str, amount: int, pool_id: str = "general", **fields: Any) -> None:
        """Puts credits into a pool of account "a": paid, priority 0, from now, for ever, unless told."""
        values: dict[str, Any] = {
            "category": 2,
            "priority": 0,
            "effective_at_ms": 0,
            "expires_at_ms": NEVER,
            "cost_amount": 0,
            "cost_currency": "",
        }
        grant = Grant(
            pool_key=0,
            grant_id=grant_id,
            amount=amount,
            created_at_ms=0,
            remaining=0,
            state=GrantState.PENDING,
            due_at_ms=NEVER,
            **(values | fields),
        )

        def job(writer: Writer) -> None:
            pool = writer.pool("a", pool_id)
            assert pool is not None
            add_grant(writer, pool, grant, self.clock.now_ms())

        self.write(job)

    def void(self, grant_id: str, pool_id: str = "general", refunded_amount: int = 0) -> set[int]:
        """Voids a grant; returns the pools that changed."""
        now_ms = self.clock.now_ms()

        def job(writer: Writer) -> set[int]:
            pool = writer.pool("a", pool_id)
            assert pool is not None
            grant = writer.grant(pool.pool_key, grant_id)
            assert grant is not None
            return void_grant(writer, pool, grant, now_ms, refunded_amount)

        return self.write(job)

    def correct(
        self, operation_id: str, amount: int = 0, correction_id: str = "c", pool_id: str = "general"
    ) -> Correction:
        """Corrects a debit, as a whole unless told."""
        now_ms = self.clock.now_ms()

        def job(writer: Writer) -> Correction:
            pool = writer.pool("a", pool_id)
            assert pool is not None
            if take_due(writer, now_ms, [pool.pool_key]):
                pool = writer.pools_by_key([pool.pool_key])[pool.pool_key]
            return correct(writer, pool, Asked(operation_id, correction_id, amount), now_ms)

        return self.write(job)

    def hello(self, sidecar_id: str = "s", **fields: Any) -> Sidecar:
        """Admits a sidecar; a new one unless told."""
        values: dict[str, Any] = {
            "epoch": 0,
            "instance": instance(1),
            "last_sequence": 0,
            "acked_sequence": 0,
            "max_hold_ttl_ms": TTL_MS,
            "version": "1",
        }
        said = Introduction(sidecar_id, **(values | fields))
        return self.write(lambda writer: admit(writer, said, self.clock.now_ms(), TERMS))

    def sidecar(self, sidecar_id: str = "s") -> Sidecar:
        """The sidecar as it is stored."""
        with self.store.reading() as reader:
            found = reader.sidecar(sidecar_id)
        assert found is not None
        return found

    def post(self, *debits: wire.Debit, sidecar_id: str = "s") -> Posted:
        """Posts debits."""
        now_ms = self.clock.now_ms()

        def job(writer: Writer) -> Posted:
            sidecar = writer.sidecar(sidecar_id)
            assert sidecar is not None
            return post(writer, sidecar, debits, now_ms)

        return self.write(job)

    def heartbeat(self, sidecar_id: str = "s") -> None:
        """Renews a sidecar's leases."""

        def job(writer: Writer) -> None:
            sidecar = writer.sidecar(sidecar_id)
            assert sidecar is not None
            renew(sidecar, self.clock.now_ms(), TERMS)
            writer.save_sidecar(sidecar)

        self.write(job)

    def lease_for(self, amount: int, sidecar_id: str = "s", **fields: Any) -> Lease:
        """Asks for rights (see `want`) to a pool that is there."""
        lease = self.want(amount, sidecar_id, **fields).lease
        assert lease is not None
        return lease

    def want(self, amount: int, sidecar_id: str = "s", **fields: Any) -> Granted:
        """Asks for rights to a/general unless told, all of them needed unless told."""
        return self.serve(amount, sidecar_id, **fields).granted[0]

    def serve(self, amount: int, sidecar_id: str = "s", **fields: Any) -> Served:
        """As `want`, with the pools that others are to hear of."""
        names = [name for name in Claim.__slots__ if name in fields]
        claim = Claim(**{name: fields.pop(name) for name in names})
        values: dict[str, Any] = {"account_id": "a", "pool_id": "general", "need_amount": amount, "claim": claim}
        want = Want(want_amount=amount, **(values | fields))

        def job(writer: Writer) -> Served:
            sidecar = writer.sidecar(sidecar_id)
            assert sidecar is not None
            return Desk(writer, sidecar, self.clock.now_ms(), TERMS).serve([want])

        return self.write(job)

    def tell(self, sidecar_id: str = "s", pool_id: str = "general") -> Served:
        """Looks at a lease again, as when its pool has changed."""
        key = self.pool(pool_id).pool_key

        def job(writer: Writer) -> Served:
            sidecar = writer.sidecar(sidecar_id)
            assert sidecar is not None
            return Desk(writer, sidecar, self.clock.now_ms(), TERMS).tell([key])

        return self.write(job)

    def told(self, sidecar_id: str = "s", pool_id: str = "general") -> Granted:
        """What the sidecar is told of a lease that it has."""
        return self.tell(sidecar_id, pool_id).granted[0]

    def sweep(self) -> set[int]:
        """Expires, lets take effect, reclaims, clears."""
        now_ms, changed, more = self.clock.now_ms(), set[int](), True
        while more:
            of_grants, more_grants = self.write(lambda writer: grants.sweep(writer, now_ms))
            of_lives, more_lives = self.write(lambda writer: rights.sweep(writer, now_ms))
            changed |= of_grants | of_lives
            _, more_windows = self.write(lambda writer: clearing.sweep(writer, now_ms))
            more = more_grants or more_lives or more_windows
        return changed

    def pool(self, pool_id: str = "general", account_id: str = "a") -> Pool:
        """The pool as it is stored."""
        with self.store.reading() as reader:
            found = reader.pool(account_id, pool_id)
        assert found is not None
        return found

    def grants(self, pool_id: str = "general") -> dict[str, Grant]:
        """The grants of a pool by id."""
        key = self.pool(pool_id).pool_key
        with self.store.reading() as reader:
            return {grant.grant_id: grant for grant in reader.grants(key, None, 1_000)}

    def lease(self, sidecar_id: str = "s", pool_id: str = "general") -> Lease:
        """The lease of the sidecar's present life."""
        sidecar, key = self.sidecar(sidecar_id), self.pool(pool_id).pool_key
        with self.store.reading() as reader:
            return reader.leases_of_life(sidecar.sidecar_key, sidecar.birth_epoch, [key])[0]

    def journal(self, pool_id: str = "general") -> list[JournalLine]:
        """The journal of a pool."""
        key = self.pool(pool_id).pool_key
        with self.store.reading() as reader:
            return reader.journal(key, 0, 100_000)

    def audit(self) -> None:
        """Asserts that every figure is what the journal makes of it."""
        assert_audited(self.store)


def assert_audited(store: Store) -> None:
    """Asserts that every figure is what the journal makes of it."""
    with store.reading() as reader:
        report = audit(reader)
    assert report.findings == ()


def execute(store: Store, statement: str) -> None:
    """Changes rows behind the ledger's back. Raises the database's own fault."""
    assert isinstance(store, SqliteStore | PostgresStore)
    command = statement.encode() if isinstance(store, PostgresStore) else statement
    store._writer.execute(command)  # type: ignore[arg-type]  # each takes the form made for it


def fault_of(error: grpc.RpcError) -> tuple[grpc.StatusCode, str, str]:
    """Returns status code, reason and field ("" if none) of a failed call."""
    assert isinstance(error, grpc.aio.AioRpcError)
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # has code, details and trailing metadata
    assert status is not None
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "holdfast"
    return error.code(), info.reason, info.metadata.get("field", "")


class SyncStream:
    """A sidecar's end of the stream, message by message."""

    def __init__(self, stub: wire_grpc.LedgerSyncServiceStub) -> None:
        self._call = stub.Sync()
        self._numbers = itertools.count(1)

    async def send(self, **message: Any) -> None:
        """Sends a SyncRequest."""
        await self._call.write(wire.SyncRequest(**message))

    async def hello(self, sidecar_id: str = "s", **fields: Any) -> wire.Welcome:
        """Says Hello, a new sidecar's unless told, and returns the Welcome."""
        values: dict[str, Any] = {"instance": instance(1), "max_hold_ttl_ms": TTL_MS, "version": "1"}
        hello = wire.Hello(sidecar_id=sidecar_id, **(values | fields))
        await self.send(hello=hello)
        return (await self.read()).welcome

    async def debits(self, *debits: wire.Debit) -> None:
        """Sends debits."""
        await self.send(debits=wire.DebitBatch(debits=debits))

    async def acked(self, sequence: int) -> None:
        """Reads until the debits up to a sequence are acked."""
        while True:
            message = await self.read()
            if message.HasField("ack") and message.ack.acked_sequence >= sequence:
                assert message.ack.acked_sequence == sequence
                return

    async def want(self, amount: int, **fields: Any) -> wire.Lease:
        """Asks for rights to a/general unless told, all of them needed unless told; returns the answer."""
        number = next(self._numbers)
        names: dict[str, Any] = {"account_id": "a", "pool_id": "general", "need_amount": amount}
        want = wire.LeaseWant(want_amount=amount, **(names | fields))
        await self.send(lease_request=wire.LeaseRequest(request_id=number, wants=[want]))
        while True:
            message = await self.read()
            if message.lease_update.request_id == number:
                return message.lease_update.leases[0]

    async def rules(self, *wants: tuple[str, str], rate_card_ids: Sequence[str] = ()) -> wire.RulesUpdate:
        """Asks for the rules of (account, subject) and for rate cards; returns the answer."""
        number = next(self._numbers)
        asked = [wire.RulesWant(account_id=account_id, subject=subject) for account_id, subject in wants]
        request = wire.RulesRequest(request_id=number, wants=asked, rate_card_ids=rate_card_ids)
        await self.send(rules_request=request)
        while True:
            message = await self.read()
            if message.rules_update.request_id == number:
                return message.rules_update

    async def heartbeat(self, number: int) -> wire.HeartbeatAck:
        """Sends a heartbeat and returns its ack."""
        await self.send(heartbeat=wire.Heartbeat(heartbeat_id=number))
        while True:
            message = await self.read()
            if message.HasField("heartbeat_ack"):
                return message.heartbeat_ack

    async def told(self) -> wire.Lease:
        """Waits for a lease that the ledger tells of its own accord."""
        while True:
            message = await self.read()
            if message.HasField("lease_update") and message.lease_update.request_id == 0:
                return message.lease_update.leases[0]

    async def told_until(self, so: Callable[[wire.Lease], bool]) -> wire.Lease:
        """Waits for a lease that the ledger tells of its own accord and that is so."""
        while True:
            lease = await self.told()
            if so(lease):
                return lease

    async def read(self) -> wire.SyncResponse:
        """Returns the next message. Raises grpc.RpcError after a fault, EOFError after the end."""
        message = await asyncio.wait_for(self._call.read(), TIMEOUT_S)
        if not isinstance(message, wire.SyncResponse):
            raise EOFError
        return message

    async def fault(self) -> tuple[grpc.StatusCode, str, str]:
        """Reads until the stream ends and returns why (see `fault_of`)."""
        try:
            while True:
                await self.read()
        except grpc.RpcError as error:
            return fault_of(error)

    async def finish(self) -> list[wire.SyncResponse]:
        """Half-closes, and returns what the ledger still had to say before it ended the stream with OK."""
        await self._call.done_writing()
        messages = []
        while True:
            try:
                messages.append(await self.read())
            except EOFError:
                return messages

    def cancel(self) -> None:
        """Cuts the stream."""
        self._call.cancel()


class Ledger:
    """A ledger that runs, and a channel to it."""

    def __init__(self, server: LedgerServer, store: Store, channel: grpc.aio.Channel, clock: Clock) -> None:
        self.server = server
        self.store = store
        self.channel = channel
        self.clock = clock
        self.api = api_grpc.LedgerServiceStub(channel)
        self.governance = governance_grpc.GovernanceServiceStub(channel)

    def sync(self) -> SyncStream:
        """Opens a stream."""
        return SyncStream(wire_grpc.LedgerSyncServiceStub(self.channel))

    async def open_pool(self, amount: int = 0, policy: decision.Policy | None = None, pool_id: str = "general") -> None:
        """Makes account "a", a pool in it, and a paid grant "g"."""
        await self.api.CreateAccount(api.CreateAccountRequest(account=api.Account(account_id="a")))
        pool = api.Pool(account_id="a", pool_id=pool_id, policy=policy)
        await self.api.CreatePool(api.CreatePoolRequest(pool=pool))
        if amount:
            await self.grant("g", amount, pool_id)

    async def grant(self, grant_id: str, amount: int, pool_id: str = "general", **fields: Any) -> api.Grant:
        """Makes a paid grant."""
        grant = api.Grant(
            grant_id=grant_id,
            account_id="a",
            pool_id=pool_id,
            amount=amount,
            category=api.GRANT_CATEGORY_PAID,
            **fields,
        )
        answer: api.CreateGrantResponse = await self.api.CreateGrant(api.CreateGrantRequest(grant=grant))
        return answer.grant

    async def balance(self, pool_id: str = "general") -> api.PoolBalance:
        """The figures of a pool of account "a"."""
        request = api.GetPoolRequest(account_id="a", pool_id=pool_id)
        answer: api.GetPoolResponse = await self.api.GetPool(request)
        return answer.balance

    async def entries(self, **fields: Any) -> Sequence[api.Entry]:
        """The journal of a/general."""
        names: dict[str, Any] = {"account_id": "a", "pool_id": "general", "page_size": 1_000}
        request = api.ListEntriesRequest(**(names | fields))
        answer: api.ListEntriesResponse = await self.api.ListEntries(request)
        return answer.entries


def file_in(folder: Path) -> str:
    """The database of a folder."""
    return str(folder / "ledger.sqlite")


place_of: Callable[[Path], str] = file_in
"""What `running` takes as the database of a folder; the fixture `every_store` changes it."""


@asynccontextmanager
async def running(
    folder: Path, make: Callable[[str], Store] = open_store, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Ledger]:
    """Runs a ledger on the database of a folder, with a clock to move; stops and audits it."""
    values: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "lease_validity_ms": VALIDITY_MS,
        "allowance_validity_ms": ALLOWANCE_VALIDITY_MS,
        "database": place_of(folder),
    }
    config = LedgerConfig(**(values | settings))
    clock, store = clock or Clock(), make(config.database)
    server = LedgerServer(config, store, clock.now_ms)
    try:
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield Ledger(server, store, channel, clock)
    finally:
        await server.stop()
    assert_audited(store)
    store.close()
