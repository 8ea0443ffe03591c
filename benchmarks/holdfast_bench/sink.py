"""A ledger that only acks: it grants whatever is asked for and posts nothing. A process of its own.

It costs the processors as little as a ledger can, so that a sidecar under test has its rights and its stream, and
nobody competes with it. With `--ack none` it takes one debit and never acks it: then the uplink stands still.
With `--governed` its accounts have rules (see `governed`), else none.
Prints `listening on HOST:PORT`.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field

import grpc
import grpc.aio
import uvloop
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast.v1.ledger_service_pb2 import ListSidecarsRequest, ListSidecarsResponse, Sidecar
from holdfast.v1.ledger_service_pb2_grpc import LedgerServiceServicer, add_LedgerServiceServicer_to_server
from holdfast.v1.ledger_sync_service_pb2_grpc import LedgerSyncServiceServicer, add_LedgerSyncServiceServicer_to_server

from holdfast_bench import governed

LEASED = 10**15
"""Minor units of rights that each pool has left after an answer: more than any benchmark spends."""
POOL_TOTAL = 10**16

LEASE_VALIDITY_MS = 600_000
HEARTBEAT_INTERVAL_MS = 1_000
WINDOW_DEBIT_COUNT = 16_384
MAX_MESSAGE_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class _Life:
    """What the sink remembers of a sidecar."""

    epoch: int = 0
    instance: bytes = b""
    acked_sequence: int = 0
    leases: dict[tuple[str, str], wire.Lease] = field(default_factory=dict)
    """By account and pool."""


class Sink(LedgerSyncServiceServicer, LedgerServiceServicer):
    """Answers each message at once, from memory. Restarted sidecars find their leases again."""

    def __init__(self, acks: bool, is_governed: bool) -> None:
        """Acks debits, or takes one and keeps silent; has rules, or none."""
        self._acks = acks
        self._rules_version = governed.RULES_VERSION if is_governed else 0
        self._lives: dict[str, _Life] = {}

    async def Sync(
        self, requests: AsyncIterator[wire.SyncRequest], context: "grpc.aio.ServicerContext[object, object]"
    ) -> AsyncIterator[wire.SyncResponse]:
        """One sidecar's stream."""
        life = _Life()
        async for request in requests:
            match request.WhichOneof("message"):
                case "hello":
                    life = self._lives.setdefault(request.hello.sidecar_id, _Life())
                    yield self._welcome(life, request.hello)
                case "debits" if self._acks:
                    yield _ack(life, request.debits.debits)
                case "heartbeat":
                    ack = wire.HeartbeatAck(
                        heartbeat_id=request.heartbeat.heartbeat_id, lease_validity_ms=LEASE_VALIDITY_MS
                    )
                    yield wire.SyncResponse(heartbeat_ack=ack)
                case "lease_request":
                    yield self._grant(life, request.lease_request)
                case "rules_request":
                    yield wire.SyncResponse(rules_update=governed.rules_update(request.rules_request))

    async def ListSidecars(
        self, request: ListSidecarsRequest, context: "grpc.aio.ServicerContext[object, object]"
    ) -> ListSidecarsResponse:
        """Tells how many debits of each sidecar are acked; the one call for operators that the sink has."""
        lives = self._lives.items()
        sidecars = [
            Sidecar(sidecar_id=name, epoch=life.epoch, acked_sequence=life.acked_sequence) for name, life in lives
        ]
        return ListSidecarsResponse(sidecars=sidecars)

    def _welcome(self, life: _Life, hello: wire.Hello) -> wire.SyncResponse:
        if hello.instance != life.instance:
            life.epoch += 1
            life.instance = hello.instance
        welcome = wire.Welcome(
            epoch=life.epoch,
            birth_epoch=1,
            acked_sequence=life.acked_sequence,
            lease_validity_ms=LEASE_VALIDITY_MS,
            heartbeat_interval_ms=HEARTBEAT_INTERVAL_MS,
            window_debit_count=WINDOW_DEBIT_COUNT if self._acks else 1,
            leases=life.leases.values(),
        )
        return wire.SyncResponse(welcome=welcome)

    def _grant(self, life: _Life, request: wire.LeaseRequest) -> wire.SyncResponse:
        leases = [self._lease(life, want) for want in request.wants]
        return wire.SyncResponse(lease_update=wire.LeaseUpdate(request_id=request.request_id, leases=leases))

    def _lease(self, life: _Life, want: wire.LeaseWant) -> wire.Lease:
        key = (want.account_id, want.pool_id)
        if key not in life.leases:
            life.leases[key] = wire.Lease(
                account_id=want.account_id,
                pool_id=want.pool_id,
                status=wire.LEASE_STATUS_ACTIVE,
                currency="credits",
                pool_posted=POOL_TOTAL,
                pool_free=POOL_TOTAL,
                rules_version=self._rules_version,
            )
        lease = life.leases[key]
        used_total = want.consumed_total + want.returned_total + want.held_amount
        if want.want_amount:
            lease.granted_total = max(lease.granted_total, used_total + LEASED)
        return lease


def _ack(life: _Life, debits: Iterable[wire.Debit]) -> wire.SyncResponse:
    for debit in debits:
        if debit.sequence > life.acked_sequence:
            for name in (debit.pool_id, *debit.windows):
                lease = life.leases[debit.account_id, name]
                lease.posted_total += debit.amount
                lease.pool_posted -= debit.amount
            life.acked_sequence = debit.sequence
    return wire.SyncResponse(ack=wire.DebitAck(acked_sequence=life.acked_sequence))


async def serve(address: str, acks: bool, is_governed: bool) -> None:
    """Serves until SIGTERM."""
    limits = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ]
    server = grpc.aio.server(options=limits)
    sink = Sink(acks, is_governed)
    add_LedgerSyncServiceServicer_to_server(sink, server)
    add_LedgerServiceServicer_to_server(sink, server)
    port = server.add_insecure_port(address)
    await server.start()
    sys.stdout.write(f"listening on 127.0.0.1:{port}\n")
    sys.stdout.flush()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await server.stop(0)


def main(arguments: Sequence[str]) -> None:
    """Reads the flags and serves."""
    parser = argparse.ArgumentParser(prog="holdfast_bench.sink")
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--ack", choices=("all", "none"), default="all")
    parser.add_argument("--governed", action="store_true")
    flags = parser.parse_args(arguments)
    uvloop.run(serve(flags.listen, flags.ack == "all", flags.governed))


if __name__ == "__main__":
    main(sys.argv[1:])
