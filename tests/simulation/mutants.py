"""Deliberately broken variants of the real code. The simulator must catch each within the number of seeds stated.

Each one undoes a single thing on which a promise rests, by replacing the function that does it. A mutant that nobody
catches says that a check is missing, or that nothing drives the code there.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast_ledger.errors import Fenced
from holdfast_ledger.leasing import allowances, claims, rights
from holdfast_ledger.leasing.circle import Circle
from holdfast_ledger.leasing.terms import LeaseTerms
from holdfast_ledger.store.interface import DebitRow, Sidecar
from holdfast_ledger.store.sqlite import SqliteWriter
from holdfast_ledger.store.statements import SqlWriter
from holdfast_ledger.sync import lives
from holdfast_ledger.sync.stream import Stream
from holdfast_sidecar.engine import rights as sidecar_rights
from holdfast_sidecar.engine.changes import Changes
from holdfast_sidecar.engine.charging import Charging
from holdfast_sidecar.engine.deciding import Deciding
from holdfast_sidecar.engine.decisions import Decisions
from holdfast_sidecar.engine.engine import Engine
from holdfast_sidecar.engine.events import LeaseState
from holdfast_sidecar.engine.leases import Leases
from holdfast_sidecar.engine.partition import COVERED, FAIL_CLOSED, Unleased, go_on
from holdfast_sidecar.engine.settling import Settling
from holdfast_sidecar.engine.state import Debit, Pool, Window, Writes
from holdfast_sidecar.engine.verdicts import Reason
from holdfast_sidecar.loop import DecisionLoop
from holdfast_sidecar.uplink.protocol import UplinkProtocol

from tests.simulation import event_mutants, governed_mutants
from tests.simulation.mutation import MUTANTS, Mutant, applied, everywhere, mutant
from tests.simulation.patching import replaced

# ── the sidecar: durability and the outbox ──────────────────────────────────────────────────────────────────────────


@mutant(5)
def ack_before_commit() -> Iterator[None]:
    """Callers are answered before the batch is durable (I-10)."""
    commit = DecisionLoop._commit

    def answer_first(loop: Any, writes: Writes, changed: list[Any]) -> None:
        loop._transport.reply([loop._dispatcher.encode(call) for call in changed])
        changed.clear()
        commit(loop, writes, changed)

    with replaced(DecisionLoop, "_commit", answer_first):
        yield


@mutant(30)
def debits_trimmed_before_ack() -> Iterator[None]:
    """The outbox drops all debits with each ack, not only those that are acked."""
    acked = Engine._acked

    def trim_all(engine: Any, sequence: int) -> None:
        acked(engine, sequence)
        engine._changes.trim_debits(engine._meta.last_sequence)

    with replaced(Engine, "_acked", trim_all):
        yield


@mutant(10)
def settle_drops_over_hold() -> Iterator[None]:
    """What a settle spends above its hold is answered and not debited."""
    debit_it = Settling._debit

    def only_held(self: Any, pool: Pool, op: Any, debit: Debit, windows: tuple[Window, ...]) -> None:
        debit.amount -= debit.over_hold_amount
        debit.over_hold_amount = 0
        if debit.amount:
            debit_it(self, pool, op, debit, windows)

    with replaced(Settling, "_debit", only_held):
        yield


@mutant(10)
def late_not_flagged() -> Iterator[None]:
    """A settle of a hold that is over is debited as if the hold were open."""
    with _debit_changed(lambda debit: setattr(debit, "late", False)):
        yield


@mutant(20)
def used_not_flagged() -> Iterator[None]:
    """What was used already and nothing covers is debited as if it were covered."""
    carry_out = Charging._carry_out_charge

    def as_covered(self: Any, *args: Any, late: bool = False) -> bytes:
        return carry_out(self, *args)

    with replaced(Charging, "_carry_out_charge", as_covered):
        yield


@mutant(20)
def used_not_debited() -> Iterator[None]:
    """What was used already and nothing covers is answered as debited and is not."""
    debit_it = Changes.debit

    def only_covered(self: Changes, pool: Pool, debit: Debit, windows: tuple[Window, ...] = ()) -> None:
        if not debit.late or debit.hold_id:
            debit_it(self, pool, debit, windows)

    with replaced(Changes, "debit", only_covered):
        yield


@mutant(10)
def over_hold_not_flagged() -> Iterator[None]:
    """The part of a settle above its hold is not told apart."""
    with _debit_changed(lambda debit: setattr(debit, "over_hold_amount", 0)):
        yield


@contextmanager
def _debit_changed(change: Callable[[Debit], None]) -> Iterator[None]:
    debit_it = Changes.debit

    def changed(self: Changes, pool: Pool, debit: Debit, windows: tuple[Window, ...] = ()) -> None:
        change(debit)
        debit_it(self, pool, debit, windows)

    with replaced(Changes, "debit", changed):
        yield


@mutant(20)
def answers_not_recorded() -> Iterator[None]:
    """A repeated operation id is decided anew on the same host."""
    with replaced(Deciding, "_record", lambda *_args, **_kwargs: None):
        yield


@mutant(10)
def expiry_frees_twice() -> Iterator[None]:
    """An expired hold gives back what it held once more."""

    def expire(self: Any) -> None:
        for hold in self._changes.hold_deadlines.pop_due(self._now_ns):
            amount, pool = hold.amount, hold.pool
            self._changes.close_hold(self._accounts.by_id[pool.account_id], hold)
            pool.held = max(0, pool.held - amount)
            self._changes.touch_rights(pool)

    with replaced(Decisions, "expire_holds", expire):
        yield


# ── the sidecar: rights ─────────────────────────────────────────────────────────────────────────────────────────────


@mutant(10)
def validity_from_receipt() -> Iterator[None]:
    """Leases are counted from the receipt of a heartbeat's answer, not from its sending (I-13)."""
    take = UplinkProtocol._take_heartbeat_ack

    def take_late(self: Any, stream: Any, ack: wire.HeartbeatAck, now_ns: int) -> None:
        stream.heartbeats = dict.fromkeys(stream.heartbeats, now_ns)
        take(self, stream, ack, now_ns)

    with replaced(UplinkProtocol, "_take_heartbeat_ack", take_late):
        yield


@mutant(10)
def validity_from_welcome() -> Iterator[None]:
    """The same for Welcome: leases are counted from its receipt, not from the sending of Hello."""
    take = UplinkProtocol._take_welcome

    def take_late(self: Any, stream: Any, welcome: wire.Welcome, now_ns: int) -> None:
        stream.hello_made_ns = now_ns
        take(self, stream, welcome, now_ns)

    with replaced(UplinkProtocol, "_take_welcome", take_late):
        yield


@mutant(150)
def validity_ignored() -> Iterator[None]:
    """Rights are spent past the validity of the leases."""
    with replaced(Deciding, "_lease_valid", lambda _: True):
        yield


@mutant(10)
def totals_added() -> Iterator[None]:
    """What the ledger tells as a total is added to what is known, instead of the larger one taken (I-9)."""
    apply = sidecar_rights.apply_lease

    def add(pool: Pool, lease: LeaseState) -> None:
        before = pool.granted_total
        apply(pool, lease)
        pool.granted_total = before + lease.granted_total

    with everywhere(sidecar_rights, "apply_lease", add):
        yield


@mutant(20)
def returned_rights_kept() -> Iterator[None]:
    """Rights that were given back are still counted as here."""
    left = sidecar_rights.rights_left
    with everywhere(sidecar_rights, "rights_left", lambda pool: left(pool) + pool.returned_total):
        yield


@mutant(40)
def recall_gives_back_held() -> Iterator[None]:
    """A recall is answered with rights that open holds need."""
    answer = Leases._answer_recall

    def generous(self: Any, pool: Pool, demand: Any, lease: LeaseState, waiting_amount: int) -> None:
        answer(self, pool, demand, lease, waiting_amount - pool.held)

    with replaced(Leases, "_answer_recall", generous):
        yield


@mutant(10)
def allowance_while_connected() -> Iterator[None]:
    """What the ledger does not give is taken from the allowance, cut off or not."""

    def go_on_anyway(self: Any, pool: Pool, amount: int, least: int, granted: int, _: Reason) -> tuple[int, Unleased]:
        if pool.partition_mode == FAIL_CLOSED or granted == amount:
            return granted, COVERED
        return go_on(pool, amount, least, self._lease_valid(), True)

    with replaced(Deciding, "_go_on", go_on_anyway):
        yield


@mutant(60)
def allowance_not_flagged() -> Iterator[None]:
    """A debit does not say what it took from the allowance."""
    with _debit_changed(lambda debit: setattr(debit, "allowance_amount", 0)):
        yield


@mutant(100)
def fail_open_not_flagged() -> Iterator[None]:
    """A debit does not say what nothing covered."""
    with _debit_changed(lambda debit: setattr(debit, "fail_open_amount", 0)):
        yield


# ── the ledger: exactly once ────────────────────────────────────────────────────────────────────────────────────────


@mutant(120)
def acked_before_commit() -> Iterator[None]:
    """Debits are acked when they are received."""
    turn = Stream._post_turn

    async def ack_first(self: Any) -> bool:
        waiting = self._protocol.inbox.debits
        if waiting and not self._read_all:
            self._send(wire.SyncResponse(ack=wire.DebitAck(acked_sequence=waiting[-1].sequence)))
        return await turn(self)

    with replaced(Stream, "_post_turn", ack_first):
        yield


@mutant(20)
def mark_not_moved() -> Iterator[None]:
    """The acked sequence stays behind the debits that are posted."""
    with replaced(SqlWriter, "save_acked", lambda *_: None):
        yield


@mutant(30)
def mark_taken_from_sidecar() -> Iterator[None]:
    """A Hello's last sequence is believed to be posted."""
    admit = lives.admit

    def believe(writer: Any, hello: Any, *rest: Any) -> Sidecar:
        sidecar = admit(writer, hello, *rest)
        if hello.last_sequence > sidecar.acked_sequence:
            sidecar.acked_sequence = hello.last_sequence
            writer.save_acked(sidecar.sidecar_key, hello.last_sequence, "")
        return sidecar

    with everywhere(lives, "admit", believe):
        yield


@mutant(30)
def operations_not_deduplicated() -> Iterator[None]:
    """An operation that comes from a second host is posted again."""
    insert = SqliteWriter.insert_debits

    def insert_all(self: Any, rows: Sequence[DebitRow]) -> list[int]:
        seen: set[tuple[int, str]] = set()
        told = []
        for row in rows:
            key = (row.account_key, row.operation_id)
            known = key in seen or self.debit_of_operation(*key)
            seen.add(key)
            told.append(row._replace(operation_id=f"{row.operation_id} {row.sequence}") if known else row)
        return insert(self, told)

    with replaced(SqliteWriter, "insert_debits", insert_all):
        yield


@mutant(100)
def old_epoch_not_fenced() -> Iterator[None]:
    """The elder of two copies of a folder is taken in again, and may write."""
    life = lives.next_life

    def next_life(known: Any, hello: Any) -> tuple[int, int]:
        try:
            return life(known, hello)
        except Fenced:
            return known.epoch + 1, known.birth_epoch

    with replaced(lives, "next_life", next_life):
        yield


# ── the ledger: rights ──────────────────────────────────────────────────────────────────────────────────────────────


@mutant(40)
def reclaimed_without_validity() -> Iterator[None]:
    """Rights are taken back as soon as holds can be over, though leases may still be valid."""
    with _postponed(lambda terms, sidecar: sidecar.max_hold_ttl_ms // 2):
        yield


@mutant(120)
def reclaimed_without_holds() -> Iterator[None]:
    """Rights are taken back when leases have run out, though holds may still be open."""
    with _postponed(lambda terms, sidecar: terms.lease_validity_ms + terms.clock_slack_ms):
        yield


@contextmanager
def _postponed(wait_ms: Callable[[LeaseTerms, Sidecar], int]) -> Iterator[None]:
    postpone = lives.postpone

    def sooner(sidecar: Sidecar, from_ms: int, terms: LeaseTerms) -> None:
        postpone(sidecar, from_ms, terms)
        sidecar.reclaim_at_ms = from_ms + wait_ms(terms, sidecar)

    with everywhere(lives, "postpone", sooner):
        yield


@mutant(20)
def allowance_not_split() -> Iterator[None]:
    """Each sidecar gets the whole threshold."""

    def give(circle: Circle) -> int:
        given = allowances.threshold(circle.pool) - circle.lease.allowance_outstanding
        if given > 0:
            circle.lease.allowance_granted_total += given
            circle.pool.allowance_leased += given
        return max(0, given)

    with replaced(allowances, "give", give):
        yield


@mutant(20)
def leased_beyond_free() -> Iterator[None]:
    """A need is met though nothing is free."""
    with replaced(rights, "allocate", lambda *, needed, wanted, **_: max(0, needed, wanted)):
        yield


@mutant(20)
def returned_rights_not_freed_once() -> Iterator[None]:
    """Rights that come back are freed again with each message that tells of them."""
    give_back = rights._give_back

    def forget(pool: Any, lease: Any, returned_total: int, path: str) -> None:
        before = lease.returned_total
        give_back(pool, lease, returned_total, path)
        if lease.returned_total > before:
            # The books stay whole: only the total that makes it happen once is lost.
            lease.granted_total -= lease.returned_total - before
            lease.returned_total = before

    with replaced(rights, "_give_back", forget):
        yield


@mutant(120)
def claims_not_taken_over() -> Iterator[None]:
    """A restored ledger hears what sidecars have, and forgets it."""
    with replaced(claims, "take_over", lambda *_: None):
        yield


__all__ = ["MUTANTS", "Mutant", "applied", "event_mutants", "governed_mutants"]
