"""The sweep of events: those that are past their retention are deleted, with what became of their deliveries."""

from holdfast_ledger.store.interface import Writer

SWEEP_LIMIT = 500
"""Events of one transaction: those that make events wait for it."""


def sweep(writer: Writer, now_ms: int, retention_ms: int) -> tuple[set[int], bool]:
    """Deletes up to `SWEEP_LIMIT` events that no webhook is yet to be told of.

    Returns:
        No pools, since none changes, and whether there may be more.
    """
    return set(), writer.delete_events(now_ms - retention_ms, SWEEP_LIMIT) == SWEEP_LIMIT
