"""The lives of a sidecar: which epoch a Hello gets, and who is fenced. One pure rule, and its row.

    what the sidecar says                       what the ledger knows    then
    ------------------------------------------  -----------------------  ---------------------------------------
    epoch 0                                     nothing                  epoch 1, born in it
    the instance of the present epoch           epoch E                  E again: a reconnect, or it crashed before
                                                                         Welcome was durable and kept the instance
    epoch 0 (empty folder)                      epoch E                  E+1, born in it: its rights start anew
    epoch E, another instance                   epoch E                  E+1: the process was restarted
    an older epoch                              epoch E                  FENCED
    a newer epoch N, or any when nothing known  epoch E < N, or nothing  N+1, of the life that Hello names: the ledger
                                                                         was restored from an older backup

A restored ledger takes every sidecar in: its life goes on, and it is asked to claim its rights (`is_behind`). Its
debits go on from the ledger's mark, which Welcome tells: the sidecar resends from what it has kept, and stops loudly
if that begins later (LEDGER_BEHIND).

A folder whose last sequence is below the ledger's mark was itself restored from an older copy. Its next debits would
carry sequences that are posted, and be dropped: FENCED. Emptied, it may join as a new life.
"""

from dataclasses import dataclass

from holdfast_ledger.errors import Fenced
from holdfast_ledger.leasing.terms import LeaseTerms
from holdfast_ledger.store.interface import NEVER, Sidecar, Writer


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a Hello says; fields as in `holdfast.v1.Hello`, within their ranges."""

    sidecar_id: str
    epoch: int
    instance: bytes
    last_sequence: int
    acked_sequence: int
    max_hold_ttl_ms: int
    version: str
    birth_epoch: int = 0


def next_life(known: Sidecar | None, hello: Introduction) -> tuple[int, int]:
    """Returns (epoch, birth_epoch) for a Hello. Raises `Fenced`; see the table above."""
    if known is None or hello.epoch > known.epoch:
        epoch = hello.epoch + 1
        return epoch, hello.birth_epoch or epoch
    if hello.instance == known.instance:
        return known.epoch, known.birth_epoch
    if hello.epoch == 0:
        return known.epoch + 1, known.epoch + 1
    if hello.epoch != known.epoch:
        raise Fenced(f"epoch {hello.epoch} is over, {known.epoch} has taken its place", epoch=str(known.epoch))
    if hello.last_sequence < known.acked_sequence:
        raise Fenced(
            f"the folder ends at sequence {hello.last_sequence}, the ledger has {known.acked_sequence}: "
            "it is an older copy; empty it to join as a new life",
            epoch=str(known.epoch),
        )
    return known.epoch + 1, hello.birth_epoch or known.birth_epoch


def is_behind(known: Sidecar | None, hello: Introduction, generation: int) -> bool:
    """Whether the ledger may know less of the sidecar than it does itself: the ledger was restored.

    Args:
        known: What the ledger knows of it.
        hello: What it says.
        generation: The ledger's.
    """
    if hello.epoch == 0:
        return False
    return (
        known is None
        or hello.epoch > known.epoch
        or hello.acked_sequence > known.acked_sequence
        or hello.birth_epoch not in (0, known.birth_epoch)
        or known.generation < generation
    )


def admit(writer: Writer, hello: Introduction, now_ms: int, terms: LeaseTerms) -> Sidecar:
    """Gives a Hello its epoch and its stream number, and keeps them. Raises `Fenced`.

    A sidecar of an older generation than the ledger's is to claim its rights.
    """
    known = writer.sidecar(hello.sidecar_id)
    epoch, birth_epoch = next_life(known, hello)
    generation = writer.ledger().generation
    if is_behind(known, hello, generation):
        generation -= 1
    if known is None:
        sidecar = Sidecar(
            hello.sidecar_id, epoch, birth_epoch, hello.instance, 1, 0, hello.max_hold_ttl_ms, hello.version, now_ms
        )
        sidecar.generation = generation
        renew(sidecar, now_ms, terms)
        writer.insert_sidecar(sidecar)
        return sidecar
    if birth_epoch != known.birth_epoch:
        known.reclaim_at_ms = known.allowance_reclaim_at_ms = NEVER
    known.generation = generation
    known.epoch, known.birth_epoch, known.instance = epoch, birth_epoch, hello.instance
    known.stream_number += 1
    known.max_hold_ttl_ms, known.version = hello.max_hold_ttl_ms, hello.version
    renew(known, now_ms, terms)
    writer.save_sidecar(known)
    return known


def renew(sidecar: Sidecar, now_ms: int, terms: LeaseTerms) -> None:
    """Notes a sign of life, which moves the times at which rights and allowances of the present life are reclaimed."""
    sidecar.last_seen_at_ms = now_ms
    postpone(sidecar, now_ms, terms)


def postpone(sidecar: Sidecar, from_ms: int, terms: LeaseTerms) -> None:
    """Moves the times at which rights and allowances of the present life are reclaimed; never back.

    Never back, because holds opened before a restart may have a longer time to live than the new setting. A life
    without allowances (`NEVER`) has no time for them.
    """
    wait_ms = sidecar.max_hold_ttl_ms + terms.clock_slack_ms
    reclaim_at_ms = min(from_ms + terms.lease_validity_ms + wait_ms, NEVER - 1)
    if sidecar.reclaim_at_ms != NEVER:
        reclaim_at_ms = max(reclaim_at_ms, sidecar.reclaim_at_ms)
    sidecar.reclaim_at_ms = reclaim_at_ms
    if sidecar.allowance_reclaim_at_ms != NEVER:
        sidecar.allowance_reclaim_at_ms = max(
            sidecar.allowance_reclaim_at_ms, min(from_ms + terms.allowance_validity_ms + wait_ms, NEVER - 1)
        )
