"""Looks for batches that the usage store has and that are not metered yet. Needs what comes with a usage store."""

from holdfast_ledger.metering.differences import Differences
from holdfast_ledger.metering.job import Look
from holdfast_ledger.metering.prices import Cards
from holdfast_ledger.metering.questions import Batches
from holdfast_ledger.metering.turns import differences
from holdfast_ledger.store.interface import Reader
from holdfast_ledger.usage.database import UsageDatabase
from holdfast_ledger.usage.events import batches_until
from holdfast_ledger.usage.turns import progress

EVENTS_A_RUN = 100_000
"""Events of a run of batches, unless one batch has more: a second's work of the usage store."""


def looking(database: UsageDatabase) -> Look:
    """Returns what looks into a usage store."""
    cards = Cards()

    def look(reader: Reader) -> Differences | None:
        fed = progress(database).done
        after_key = reader.metering_totals().metered_batch_key
        if fed.event_batch_key <= after_key or fed.generation != reader.ledger().generation:
            return None  # nothing new, or fed from a ledger that was restored since
        until_key = batches_until(reader, after_key, fed.event_batch_key, EVENTS_A_RUN)
        if until_key == after_key:
            return None
        return differences(database, reader, cards, Batches(after_key, until_key))

    return look
