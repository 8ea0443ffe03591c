"""The metrics of a process that moves streams."""

from collections.abc import Iterator
from dataclasses import fields

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast_ledger.streams.exporter import ExportCounts
from holdfast_ledger.streams.importer import ImportCounts

_TEXTS = {
    "record_count": ("exported_records", "Records sent to Kafka."),
    "transaction_count": ("transactions", "Transactions that moved something."),
    "message_count": ("messages", "Messages read from Kafka."),
    "event_count": ("events", "Events taken in from Kafka."),
    "dead_letter_count": ("dead_letters", "Messages that were no events."),
    "paused_count": ("pauses", "Turns in which nothing was read, since too much waits to be counted."),
}
_GAUGES = {"behind_count": ("behind_keys", "Keys of debits, entries and batches that are not sent.")}


class StreamCollector(Collector):
    """Sums the counts of all movers that this process has had."""

    def __init__(self) -> None:
        self._watched: list[ExportCounts | ImportCounts] = []

    def watch(self, counts: ExportCounts | ImportCounts) -> None:
        """Adds the counts of another mover."""
        self._watched.append(counts)

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        watched = list(self._watched)
        if not watched:
            return
        for name in (field.name for field in fields(watched[-1])):
            if name in _GAUGES:
                label, text = _GAUGES[name]
                yield GaugeMetricFamily(f"holdfast_streams_{label}", text, value=getattr(watched[-1], name))
            else:
                label, text = _TEXTS[name]
                total = sum(getattr(counts, name) for counts in watched)
                yield CounterMetricFamily(f"holdfast_streams_{label}", text, value=total)
