"""What a stream asks of the store, as jobs for the group writer: each checks first that the stream is still the one.

The check is a row, so it holds across replicas: of the streams of one sidecar only that with its number may write.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from holdfast.v1 import ledger_sync_service_pb2 as wire

from holdfast_ledger.errors import Fenced, Replaced
from holdfast_ledger.leasing.rights import Granted, leases_now, serve
from holdfast_ledger.posting.grants import take_due
from holdfast_ledger.posting.post import Posted, post
from holdfast_ledger.store.interface import Sidecar, Writer
from holdfast_ledger.sync.lives import Introduction, admit, renew
from holdfast_ledger.sync.protocol import Ask


@dataclass(frozen=True, slots=True)
class StreamId:
    """Names one stream for good."""

    sidecar_id: str
    epoch: int
    stream_number: int


@dataclass(frozen=True, slots=True)
class Admitted:
    """The answer to a Hello."""

    stream_id: StreamId
    sidecar: Sidecar
    leases: tuple[Granted, ...]


@dataclass(frozen=True, slots=True)
class Served:
    """The answer to a lease request."""

    granted: tuple[Granted, ...]
    due_pools: frozenset[int]
    """Pools whose grants took effect or expired on the way."""


@dataclass(frozen=True, slots=True)
class SyncJobs:
    """Makes the jobs; holds the settings that they share."""

    now_ms: Callable[[], int]
    lease_validity_ms: int
    clock_slack_ms: int

    def hello(self, writer: Writer, said: Introduction) -> Admitted:
        """Admits a stream. Raises `Fenced`."""
        sidecar = admit(writer, said, self.now_ms(), self.lease_validity_ms, self.clock_slack_ms)
        stream_id = StreamId(sidecar.sidecar_id, sidecar.epoch, sidecar.stream_number)
        return Admitted(stream_id, sidecar, tuple(leases_now(writer, sidecar, None)))

    def debits(self, writer: Writer, stream_id: StreamId, debits: Sequence[wire.Debit]) -> Posted:
        """Posts a run of debits."""
        return post(writer, present(writer, stream_id), debits, self.now_ms())

    def heartbeat(self, writer: Writer, stream_id: StreamId) -> None:
        """Renews the leases of the present life."""
        self._renew(writer, present(writer, stream_id), self.now_ms())

    def wants(self, writer: Writer, stream_id: StreamId, ask: Ask) -> Served:
        """Answers a lease request. It is a sign of life too: rights given are never without a time to reclaim them."""
        sidecar, now_ms = present(writer, stream_id), self.now_ms()
        pools = [writer.pool(want.account_id, want.pool_id) for want in ask.wants]
        due_pools = take_due(writer, now_ms, {pool.pool_key for pool in pools if pool})
        self._renew(writer, sidecar, now_ms)
        return Served(tuple(serve(writer, sidecar, ask.wants)), frozenset(due_pools))

    def tell(self, writer: Writer, stream_id: StreamId, pool_keys: Collection[int]) -> list[Granted]:
        """Reads leases that changed. In the writer's order, so that what is told never goes back."""
        return leases_now(writer, present(writer, stream_id), pool_keys)

    def _renew(self, writer: Writer, sidecar: Sidecar, now_ms: int) -> None:
        renew(sidecar, now_ms, self.lease_validity_ms, self.clock_slack_ms)
        writer.save_sidecar(sidecar)


def present(writer: Writer, stream_id: StreamId) -> Sidecar:
    """Returns the sidecar of a stream that is still its stream. Raises `Fenced`, `Replaced`."""
    sidecar = writer.sidecar(stream_id.sidecar_id)
    if sidecar is None or sidecar.epoch != stream_id.epoch:
        raise Fenced(f"epoch {stream_id.epoch} is over", epoch=str(sidecar.epoch if sidecar else 0))
    if sidecar.stream_number != stream_id.stream_number:
        raise Replaced("a younger stream has taken over")
    return sidecar
