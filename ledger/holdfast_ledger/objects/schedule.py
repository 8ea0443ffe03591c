"""When sources are listed, and what was found noted in the manifest."""

import logging
from collections.abc import Callable, Sequence

from holdfast_ledger.objects.config import IngestConfigError, Source
from holdfast_ledger.objects.listing import wanted
from holdfast_ledger.objects.opening import open_source
from holdfast_ledger.objects.stores import StoreFault, told
from holdfast_ledger.objects.taking import OpenSource
from holdfast_ledger.store.interface import Store

_log = logging.getLogger(__name__)


class Schedule:
    """Lists each source when its time has come. For one thread."""

    def __init__(self, sources: Sequence[Source], store: Store, now_ms: Callable[[], int]) -> None:
        self._sources = sources
        self._store = store
        self._now_ms = now_ms
        self._due_ms = {source.name: 0 for source in sources}
        self._open: dict[str, OpenSource] = {}

    @property
    def opened(self) -> list[OpenSource]:
        """The sources that could be opened."""
        return list(self._open.values())

    def wait_ms(self) -> int:
        """Time until the next listing."""
        return max(min(self._due_ms.values(), default=2**62) - self._now_ms(), 0)

    def list_due(self) -> None:
        """Lists the sources whose time has come. Raises `StoreError` when the ledger's database fails."""
        for source in self._sources:
            now_ms = self._now_ms()
            if now_ms >= self._due_ms[source.name]:
                self._due_ms[source.name] = now_ms + source.interval_ms
                list_source(source, self._opened(source), self._store, now_ms)

    def _opened(self, source: Source) -> Callable[[], OpenSource]:
        def opened() -> OpenSource:
            if source.name not in self._open:
                self._open[source.name] = open_source(source)
            return self._open[source.name]

        return opened


def list_source(source: Source, opened: Callable[[], OpenSource], store: Store, now_ms: int) -> str:
    """Notes all objects of a source; returns why that could not be, empty: it could.

    Args:
        source: The source.
        opened: Opens it; raises `StoreFault`, `IngestConfigError`.
        store: The ledger's database.
        now_ms: The time.
    """
    error = ""
    try:
        for found in wanted(opened().store, source, now_ms):
            if found:
                with store.writing() as writer:
                    writer.add_objects(source.name, found, now_ms)
    except (StoreFault, IngestConfigError) as fault:
        error = told(fault)
        _log.warning("source %s cannot be listed: %s", source.name, error)
    with store.writing() as writer:
        writer.save_listing(source.name, None if error else now_ms, error)
    return error
