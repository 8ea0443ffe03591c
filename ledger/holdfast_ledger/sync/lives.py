"""The lives of a sidecar: which epoch a Hello gets, and who is fenced. One pure rule, and its row.

    what the sidecar says                       what the ledger knows    then
    ------------------------------------------  -----------------------  ---------------------------------------
    epoch 0                                     nothing                  epoch 1, born in it
    the instance of the present epoch           epoch E                  E again: a reconnect, or it crashed before
                                                                         Welcome was durable and kept the instance
    epoch 0 (empty folder)                      epoch E                  E+1, born in it: its rights start anew
    epoch E, another instance                   epoch E                  E+1: the process was restarted
    an older epoch                              epoch E                  FENCED
    a newer epoch N, or any when nothing known  epoch E < N, or nothing  N+1, born in it: the ledger was restored
                                                                         from an older backup; see below

A restored ledger cannot know the life in which the sidecar now is, so rights start anew, as for an empty folder; what
the former life has out comes back at its own time. Its debits go on from the ledger's mark, which Welcome tells: the
sidecar resends from what it has kept, and stops loudly if that begins later (LEDGER_BEHIND).

A folder whose last sequence is below the ledger's mark was itself restored from an older copy. Its next debits would
carry sequences that are posted, and be dropped: FENCED. Emptied, it may join as a new life.
"""

from dataclasses import dataclass

from holdfast_ledger.errors import Fenced
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


def next_life(known: Sidecar | None, hello: Introduction) -> tuple[int, int]:
    """Returns (epoch, birth_epoch) for a Hello. Raises `Fenced`; see the table above."""
    if known is None or hello.epoch > known.epoch:
        epoch = hello.epoch + 1
        return epoch, epoch
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
    return known.epoch + 1, known.birth_epoch


def admit(writer: Writer, hello: Introduction, now_ms: int, validity_ms: int, slack_ms: int) -> Sidecar:
    """Gives a Hello its epoch and its stream number, and keeps them. Raises `Fenced`."""
    known = writer.sidecar(hello.sidecar_id)
    epoch, birth_epoch = next_life(known, hello)
    if known is None:
        sidecar = Sidecar(
            hello.sidecar_id, epoch, birth_epoch, hello.instance, 1, 0, hello.max_hold_ttl_ms, hello.version, now_ms
        )
        renew(sidecar, now_ms, validity_ms, slack_ms)
        writer.insert_sidecar(sidecar)
        return sidecar
    if birth_epoch != known.birth_epoch:
        known.reclaim_at_ms = NEVER
    known.epoch, known.birth_epoch, known.instance = epoch, birth_epoch, hello.instance
    known.stream_number += 1
    known.max_hold_ttl_ms, known.version = hello.max_hold_ttl_ms, hello.version
    renew(known, now_ms, validity_ms, slack_ms)
    writer.save_sidecar(known)
    return known


def renew(sidecar: Sidecar, now_ms: int, validity_ms: int, slack_ms: int) -> None:
    """Moves the time at which the rights of the present life are reclaimed; never back.

    Never back, because holds opened before a restart may have a longer time to live than the new setting.
    """
    reclaim_at_ms = min(now_ms + validity_ms + sidecar.max_hold_ttl_ms + slack_ms, NEVER - 1)
    if sidecar.reclaim_at_ms != NEVER:
        reclaim_at_ms = max(reclaim_at_ms, sidecar.reclaim_at_ms)
    sidecar.reclaim_at_ms = reclaim_at_ms
    sidecar.last_seen_at_ms = now_ms
