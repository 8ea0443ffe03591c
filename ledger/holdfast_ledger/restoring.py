"""What an operator does after the ledger's database was restored from an older backup: it is told so.

From then on sidecars are asked for the rights that they have (see `leasing.claims`), and until they have had time to
tell, nobody is given new ones: they might be among those that a sidecar has and the backup does not know. Rules are
those of the backup again, with versions above all that sidecars know, so that they ask for them anew.
"""

from holdfast_ledger.leasing.terms import LeaseTerms
from holdfast_ledger.store.interface import LedgerState, Locks, Reader, Sidecar, Store
from holdfast_ledger.sync.lives import postpone

PAGE = 1_000


def restored(store: Store, now_ms: int, wait_ms: int, terms: LeaseTerms) -> LedgerState:
    """Begins a new generation of the ledger, and returns it.

    What sidecars have out goes back no sooner than if each had been heard of now: the backup does not know when they
    last were.

    Args:
        store: The restored database.
        now_ms: Unix time.
        wait_ms: For how long nobody is given new rights.
        terms: The ledger's.
    """
    with store.reading() as reader:
        known = _sidecars(reader)
    with store.writing() as writer:
        writer.lock(Locks(frozenset(sidecar.sidecar_id for sidecar in known)))
        for one in known:
            sidecar = writer.sidecar(one.sidecar_id)
            assert sidecar is not None
            postpone(sidecar, now_ms, terms)
            writer.save_life(sidecar.life)
        state = LedgerState(writer.ledger().generation + 1, now_ms + wait_ms)
        writer.save_ledger(state)
        writer.raise_rules_version(None)
    return state


def _sidecars(reader: Reader) -> list[Sidecar]:
    result: list[Sidecar] = []
    while page := reader.sidecars(result[-1].sidecar_key if result else 0, PAGE):
        result += page
    return result
