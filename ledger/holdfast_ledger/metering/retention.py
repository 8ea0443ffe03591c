"""The sweep of what was reported: batches that were metered and refused events, past their retention."""

from holdfast_ledger.store.interface import Writer

SWEEP_LIMIT = 100
"""Batches of one transaction, up to 4 MiB each; refused events ten times as many."""


def sweep(writer: Writer, now_ms: int, retention_ms: int) -> tuple[set[int], bool]:
    """Deletes batches that are counted, and refused events, the oldest first.

    Returns:
        No pools, since none changes, and whether there may be more.
    """
    until_ms = now_ms - retention_ms
    batches = writer.delete_event_batches(writer.metering_totals().metered_batch_key, until_ms, SWEEP_LIMIT)
    refused = writer.delete_refused_events(until_ms, 10 * SWEEP_LIMIT)
    return set(), batches == SWEEP_LIMIT or refused == 10 * SWEEP_LIMIT
