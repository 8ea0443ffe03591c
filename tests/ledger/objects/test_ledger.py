"""A whole ledger with an ingest file: its worker takes objects in beside it, and the metrics tell."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from holdfast_ledger.objects.statistics import ObjectStatistics
from holdfast_ledger.store.interface import Account
from holdfast_ledger.store.object_rows import ObjectState, OpenObjects, SourceTotals
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from tests.ledger.harness import running

TIMEOUT_S = 120


def write_object(objects: Path) -> None:
    """Writes an object of now."""
    now_ms = time.time_ns() // 1_000_000
    rows = "".join(f"{number},gateway,llm.call,{now_ms},acme\n" for number in range(5)) + "bad\n"
    (objects / "a.csv").write_text("id,source,type,time,account_id\n" + rows)


def write_file(file: Path, objects: Path) -> str:
    """Writes an ingest file that has the objects of a folder."""
    objects.mkdir()
    file.write_text(f'[[sources]]\nname = "s"\nurl = "{objects.as_uri()}"\nmin_age_ms = 0\ninterval_ms = 100\n')
    return str(file)


@pytest.mark.usefixtures("every_store")
async def test_a_ledger_takes_in_what_its_ingest_file_names(tmp_path: Path) -> None:
    """Without a call; its worker ends with it."""
    file = write_file(tmp_path / "ingest.toml", tmp_path / "objects")
    async with running(tmp_path, ingest_file=file) as ledger:
        with ledger.store.writing() as writer:
            writer.insert_account(Account("acme", "", 1))
        write_object(tmp_path / "objects")
        deadline = time.monotonic() + TIMEOUT_S
        while not any(one.done_count for one in ledger.server.statistics().objects.sources):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        (totals,) = ledger.server.statistics().objects.sources
        with ledger.store.reading() as reader:
            batches = reader.event_batches(0, 10)
    assert (totals.source, totals.row_count, totals.bad_count) == ("s", 6, 1)
    assert [(batch.origin, batch.event_count) for batch in batches] == [("object:s", 5)]


class Fixed(Collector):
    """Shows one set of statistics."""

    def __init__(self, statistics: ObjectStatistics) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        return self._statistics.metrics()


def test_the_metrics_tell_how_it_goes() -> None:
    """By source: objects by state, rows, bad ones, bytes, the oldest that waits, whether listing works."""
    found = ObjectStatistics(
        sources=(SourceTotals("s", 3, 10, 2, 300, 50, ""), SourceTotals("t", 0, 0, 0, 0, 0, "denied")),
        open=(OpenObjects("s", ObjectState.PENDING, 4, 1_000), OpenObjects("s", ObjectState.FAILED, 1, 10)),
        now_ms=3_500,
    )
    registry = CollectorRegistry()
    registry.register(Fixed(found))
    lines = generate_latest(registry).decode().splitlines()
    for line in (
        'holdfast_ledger_objects{source="s",state="pending"} 4.0',
        'holdfast_ledger_objects{source="s",state="running"} 0.0',
        'holdfast_ledger_objects{source="s",state="done"} 3.0',
        'holdfast_ledger_objects{source="s",state="failed"} 1.0',
        'holdfast_ledger_object_oldest_pending_seconds{source="s"} 2.5',
        'holdfast_ledger_object_oldest_pending_seconds{source="t"} 0.0',
        'holdfast_ledger_object_listing_failed{source="s"} 0.0',
        'holdfast_ledger_object_listing_failed{source="t"} 1.0',
        'holdfast_ledger_object_rows_total{source="s"} 10.0',
        'holdfast_ledger_object_bad_rows_total{source="s"} 2.0',
        'holdfast_ledger_object_bytes_total{source="s"} 300.0',
    ):
        assert line in lines
