"""How objects are being taken in, as the database has it, for the metrics and `holdfast ingest status`."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from holdfast_ledger.store.object_rows import ObjectReader, ObjectState, OpenObjects, SourceTotals

_TOTALS = (
    ("object_rows", "Rows of objects that were read, good and bad; its rate is the throughput.", "row_count"),
    ("object_bad_rows", "Rows of objects that went into the dead letters.", "bad_count"),
    ("object_bytes", "Bytes of objects that were read, unpacked.", "byte_count"),
)
"""Name, text, and field of `SourceTotals`."""


@dataclass(frozen=True, slots=True)
class ObjectStatistics:
    """What became of all objects."""

    sources: tuple[SourceTotals, ...]
    open: tuple[OpenObjects, ...]
    now_ms: int

    @classmethod
    def of(cls, reader: ObjectReader, now_ms: int) -> "ObjectStatistics":
        """Reads them."""
        return cls(tuple(reader.object_sources()), tuple(reader.open_objects()), now_ms)

    def count(self, source: str, state: ObjectState) -> int:
        """Objects of a source in a state."""
        if state is ObjectState.DONE:
            return sum(one.done_count for one in self.sources if one.source == source)
        return sum(one.object_count for one in self.open if (one.source, one.state) == (source, state))

    def oldest_age_ms(self, source: str) -> int:
        """How long the oldest object waits that is pending; 0: none is."""
        found = [
            one.oldest_found_at_ms for one in self.open if (one.source, one.state) == (source, ObjectState.PENDING)
        ]
        return max(self.now_ms - min(found), 0) if found else 0

    def metrics(self) -> Iterator[Metric]:
        """Yields them as metrics, by source: sources are named by whoever runs the ledger."""
        objects = GaugeMetricFamily(
            "holdfast_ledger_objects", "Objects of object stores, by state.", labels=["source", "state"]
        )
        age = GaugeMetricFamily(
            "holdfast_ledger_object_oldest_pending_seconds",
            "Age of the oldest object that waits to be taken in.",
            labels=["source"],
        )
        listing = GaugeMetricFamily(
            "holdfast_ledger_object_listing_failed",
            "1: the latest listing of the source failed; see holdfast ingest status.",
            labels=["source"],
        )
        for name in (one.source for one in self.sources):
            for state in ObjectState:
                objects.add_metric([name, state.name.lower()], self.count(name, state))
            age.add_metric([name], self.oldest_age_ms(name) / 1_000)
        for one in self.sources:
            listing.add_metric([one.source], float(bool(one.listing_error)))
        yield from (objects, age, listing)
        for name, text, field in _TOTALS:
            counter = CounterMetricFamily(f"holdfast_ledger_{name}", text, labels=["source"])
            for one in self.sources:
                counter.add_metric([one.source], getattr(one, field))
            yield counter
