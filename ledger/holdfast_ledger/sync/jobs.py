"""What a stream asks of the store, as jobs for the group writer: each checks first that the stream is still the one.

The check is a row, so it holds across replicas: of the streams of one sidecar only that with its number may write.
Rules give no rights: they are read on a snapshot, beside the writer, by whoever asks.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from holdfast.v1 import ledger_sync_service_pb2 as wire

from holdfast_ledger.errors import Fenced, Replaced
from holdfast_ledger.governance.telling import RulesAsk, rules_update
from holdfast_ledger.leasing import allowances
from holdfast_ledger.leasing.rights import Desk, Granted, Served, leases_now, leases_told
from holdfast_ledger.leasing.terms import LeaseTerms
from holdfast_ledger.posting.grants import take_due
from holdfast_ledger.posting.post import Posted, post
from holdfast_ledger.store.interface import Reader, Sidecar, Writer
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
    claims_wanted: bool
    """Whether the ledger may know less of the sidecar's rights than the sidecar."""
    unsettled_pools: frozenset[int]
    """Pools of which there is more to tell than Welcome does: a recall round under way, allowances."""
    meters_revision: int


@dataclass(frozen=True, slots=True)
class SyncJobs:
    """Makes the jobs; holds the settings that they share."""

    now_ms: Callable[[], int]
    terms: LeaseTerms

    def hello(self, writer: Writer, said: Introduction) -> Admitted:
        """Admits a stream. Raises `Fenced`."""
        now_ms = self.now_ms()
        sidecar = admit(writer, said, now_ms, self.terms)
        stream_id = StreamId(sidecar.sidecar_id, sidecar.epoch, sidecar.stream_number)
        all_leases = leases_now(writer, sidecar, None)
        needy = [one.lease for one in all_leases if one.lease and one.lease.needed]
        for lease in needy:
            lease.needed = 0  # what waits at the sidecar asks anew on the new stream
        writer.save_leases(needy)
        granted = tuple(leases_told(writer, all_leases, now_ms))
        unsettled = frozenset(
            one.pool.pool_key
            for one in granted
            if one.pool and one.lease
            if one.pool.recall_until_ms > now_ms or allowances.matters(one.pool, one.lease)
        )
        claims_wanted = sidecar.generation < writer.ledger().generation
        return Admitted(stream_id, sidecar, granted, claims_wanted, unsettled, writer.meters_revision())

    def debits(self, writer: Writer, stream_id: StreamId, debits: Sequence[wire.Debit]) -> Posted:
        """Posts a run of debits."""
        return post(writer, present(writer, stream_id), debits, self.now_ms())

    def heartbeat(self, writer: Writer, stream_id: StreamId, claimed: bool) -> int:
        """Renews the leases of the present life; returns the revision of the meters.

        Args:
            writer: The transaction.
            stream_id: The stream.
            claimed: Whether the sidecar has told its rights, all of them, if it was asked to.
        """
        sidecar = present(writer, stream_id)
        if claimed:
            sidecar.generation = writer.ledger().generation
        self._renew(writer, sidecar, self.now_ms())
        return writer.meters_revision()

    def wants(self, writer: Writer, stream_id: StreamId, ask: Ask) -> Served:
        """Answers a lease request. It is a sign of life too: rights given are never without a time to reclaim them."""
        sidecar, now_ms = present(writer, stream_id), self.now_ms()
        pools = writer.pools_named({(want.account_id, want.pool_id) for want in ask.wants})
        due_pools = take_due(writer, now_ms, {pool.pool_key for pool in pools.values()})
        self._renew(writer, sidecar, now_ms)
        served = Desk(writer, sidecar, now_ms, self.terms).serve(ask.wants)
        served.changed_pools |= due_pools
        return served

    def tell(self, writer: Writer, stream_id: StreamId, pool_keys: Collection[int]) -> Served:
        """Looks at leases again. In the writer's order, so that what is told never goes back."""
        return Desk(writer, present(writer, stream_id), self.now_ms(), self.terms).tell(pool_keys)

    def rules(self, reader: Reader, ask: RulesAsk) -> wire.RulesUpdate:
        """Answers a rules request."""
        return rules_update(reader, ask, self.now_ms())

    def _renew(self, writer: Writer, sidecar: Sidecar, now_ms: int) -> None:
        renew(sidecar, now_ms, self.terms)
        writer.save_sidecar(sidecar)


def present(writer: Writer, stream_id: StreamId) -> Sidecar:
    """Returns the sidecar of a stream that is still its stream. Raises `Fenced`, `Replaced`."""
    sidecar = writer.sidecar(stream_id.sidecar_id)
    if sidecar is None or sidecar.epoch != stream_id.epoch:
        raise Fenced(f"epoch {stream_id.epoch} is over", epoch=str(sidecar.epoch if sidecar else 0))
    if sidecar.stream_number != stream_id.stream_number:
        raise Replaced("a younger stream has taken over")
    return sidecar
