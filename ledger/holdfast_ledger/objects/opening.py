"""Opens what the ingest file names."""

from holdfast_ledger.objects.config import IngestConfigError, Source, resolved
from holdfast_ledger.objects.dead_letters import DeadLetters
from holdfast_ledger.objects.stores import open_object_store
from holdfast_ledger.objects.taking import OpenSource


def open_source(source: Source) -> OpenSource:
    """Opens a source's store. Raises `StoreFault` where it cannot be reached, `IngestConfigError` where none is."""
    try:
        store = open_object_store(source.url, resolved(source.options))
        if not source.dead_letter_url:
            return OpenSource(source, store, DeadLetters(store, ""))
        dead = open_object_store(source.dead_letter_url, resolved(source.dead_letter_options), make=True)
    except ValueError as fault:
        raise IngestConfigError(f"source {source.name}: {fault}") from fault
    return OpenSource(source, store, DeadLetters(dead, f"{source.name}/"))
