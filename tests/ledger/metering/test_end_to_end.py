"""A whole ledger with its usage store's worker: what is reported is in the balance within seconds."""

import asyncio
import time
from pathlib import Path

import pytest
from holdfast.v1 import access_service_pb2 as access
from holdfast.v1 import ingest_service_pb2 as ingest
from holdfast.v1 import metering_service_pb2 as api
from holdfast.v1 import usage_service_pb2 as usage
from holdfast.v1.access_service_pb2_grpc import AccessServiceStub
from holdfast.v1.ingest_service_pb2_grpc import IngestServiceStub
from holdfast.v1.metering_service_pb2_grpc import MeteringServiceStub
from holdfast.v1.usage_service_pb2_grpc import UsageServiceStub
from holdfast_ledger.metering.batches import pack_events, unpack_events

from tests.ledger.harness import START_MS, Ledger, running
from tests.ledger.metering.meterage import event, meter

pytestmark = pytest.mark.usefixtures("every_store")

WAIT_S = 120
"""Far more than it takes: the worker has to start, on a machine that has other work."""


async def spent(ledger: Ledger, amount: int) -> None:
    """Waits until so much is spent."""
    deadline = time.monotonic() + WAIT_S
    while (await ledger.balance()).spent_total != amount:
        assert time.monotonic() < deadline, f"{(await ledger.balance()).spent_total} are spent"
        await asyncio.sleep(0.1)


async def test_what_is_reported_is_charged(tmp_path: Path) -> None:
    """Reported to the ledger, pushed by a sidecar, and taken back."""
    async with running(tmp_path, usage_store=str(tmp_path / "usage"), metering_interval_ms=100) as ledger:
        await ledger.open_pool(1_000)
        metering, reports = MeteringServiceStub(ledger.channel), UsageServiceStub(ledger.channel)
        await metering.SetMeter(api.SetMeterRequest(meter=meter()))
        answer = await reports.ReportEvents(usage.ReportEventsRequest(events=[event("1", 5), event("2", 7)]))
        assert answer.accepted_count == 2
        batch = pack_events([ingest.RecordedEvent(event=event("3", 1), accepted_at_unix_ms=START_MS)])
        pushed = ingest.PushEventsRequest(sidecar_id="s", birth_epoch=1, first_sequence=1, event_count=1, batch=batch)
        await IngestServiceStub(ledger.channel).PushEvents(pushed)
        await spent(ledger, 26)
        name = usage.EventName(account_id="a", source="app", id="2")
        await reports.VoidEvents(usage.VoidEventsRequest(events=[name]))
        await spent(ledger, 12)
        sources = await metering.ListIngestSources(api.ListIngestSourcesRequest())
        assert [(one.origin, one.event_count, one.waiting_event_count) for one in sources.sources] == [
            ("ledger", 3, 0),
            ("sidecar:s", 1, 0),
        ]


async def test_without_a_usage_store_events_are_kept(tmp_path: Path) -> None:
    """And counted as soon as there is one."""
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        await MeteringServiceStub(ledger.channel).SetMeter(api.SetMeterRequest(meter=meter()))
        await UsageServiceStub(ledger.channel).ReportEvents(usage.ReportEventsRequest(events=[event("1", 5)]))
        sources = await MeteringServiceStub(ledger.channel).ListIngestSources(api.ListIngestSourcesRequest())
        assert [one.waiting_event_count for one in sources.sources] == [1]
    async with running(tmp_path, usage_store=str(tmp_path / "usage"), metering_interval_ms=100) as ledger:
        await spent(ledger, 10)


async def test_each_event_of_a_report_is_by_itself(tmp_path: Path) -> None:
    """What is wrong is told with its place and field, and stops nothing else."""
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        stub = UsageServiceStub(ledger.channel)
        day_ms = 86_400_000
        events = [
            event("1"),
            event("2", time_unix_ms=START_MS + 300_001),
            event("3", time_unix_ms=START_MS - 35 * day_ms - 1),
            event("4", account_id="nobody"),
            event("1"),
            event("1", 9),
            event("5", dimensions={f"d{n}": "v" for n in range(100)}),
            event("6", source="x" * 129),
            event("7", time_unix_ms=START_MS - 35 * day_ms),
        ]
        answer = await stub.ReportEvents(usage.ReportEventsRequest(events=events))
        assert (answer.accepted_count, answer.duplicate_count) == (2, 1)
        assert [(one.index, one.outcome, one.field) for one in answer.results] == [
            (1, usage.EVENT_OUTCOME_REFUSED, "time"),
            (2, usage.EVENT_OUTCOME_REFUSED, "time"),
            (3, usage.EVENT_OUTCOME_REFUSED, "account_id"),
            (4, usage.EVENT_OUTCOME_DUPLICATE, "id"),
            (5, usage.EVENT_OUTCOME_CONFLICT, "id"),
            (6, usage.EVENT_OUTCOME_REFUSED, "dimensions"),
            (7, usage.EVENT_OUTCOME_REFUSED, "source"),
        ]
        names = [usage.EventName(account_id="a", source="app", id=one) for one in ("1", "", "1")]
        voided = await stub.VoidEvents(usage.VoidEventsRequest(events=names))
        assert voided.accepted_count == 1
        assert [(one.index, one.outcome, one.field) for one in voided.results] == [
            (1, usage.EVENT_OUTCOME_REFUSED, "id"),
            (2, usage.EVENT_OUTCOME_DUPLICATE, "id"),
        ]


async def test_events_and_voids_are_kept_with_whose_credential_reported_them(tmp_path: Path) -> None:
    """Whoever shows none is not known."""
    name = "é" * 60
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        credential = access.Credential(credential_id=name, role=access.ROLE_REPORTER)
        asked = access.CreateCredentialRequest(credential=credential)
        token = (await AccessServiceStub(ledger.channel).CreateCredential(asked)).token
        metadata = (("authorization", f"Bearer {token}"),)
        stub = UsageServiceStub(ledger.channel)
        await stub.ReportEvents(usage.ReportEventsRequest(events=[event("1")]), metadata=metadata)
        names = [usage.EventName(account_id="a", source="app", id="1")]
        await stub.VoidEvents(usage.VoidEventsRequest(events=names), metadata=metadata)
        await stub.ReportEvents(usage.ReportEventsRequest(events=[event("2")]))
        with ledger.store.reading() as reader:
            batches = [unpack_events(batch.content).events for batch in reader.event_batches(0, 10)]
    shown = f"credential:{'é' * 26}"
    assert [(one.event.id, one.caller) for batch in batches for one in batch] == [("1", shown), ("1", shown), ("2", "")]
