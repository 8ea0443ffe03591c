"""MeteringService and IngestService: meters, and what came of the events that were taken in.

Upstream: operators, and sidecars that push. Downstream: the group writer for changes, the store for reads, `intake` for
what is pushed.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from holdfast.v1 import ingest_service_pb2 as ingest
from holdfast.v1 import meter_pb2, metering_service_pb2
from holdfast.v1 import metering_service_pb2 as api
from holdfast.v1.usage_service_pb2 import UsageEvent

from holdfast_ledger.errors import InvalidArgument, MeterNotFound
from holdfast_ledger.governance.pages import Page
from holdfast_ledger.metering.batches import BadBatch, Content, pack_events, unpack_events
from holdfast_ledger.metering.decisions import Decisions
from holdfast_ledger.metering.event_rules import limit_fault
from holdfast_ledger.metering.intake import Batch, Intake
from holdfast_ledger.metering.meters import MAX_METERS, check_lasting, checked
from holdfast_ledger.paging import page_limit, read_token, write_token
from holdfast_ledger.snapshots import Snapshots
from holdfast_ledger.store.interface import NEVER, Writer
from holdfast_ledger.store.metering_rows import MeterRevision, RefusedEventRow
from holdfast_ledger.store.rule_rows import first_version
from holdfast_ledger.validation import check_id, check_optional_id, check_range
from holdfast_ledger.writer import GroupWriter

METERING_SERVICE = metering_service_pb2.DESCRIPTOR.services_by_name["MeteringService"]
INGEST_SERVICE = ingest.DESCRIPTOR.services_by_name["IngestService"]

MAX_PUSHED_EVENTS = 10_000
MAX_TOLD_DECISIONS = 10_000
MAX_TOLD_COUNTS = 1_000
MAX_SEQUENCE = NEVER - 1


class MeteringServicer:
    """The calls of `holdfast.v1.MeteringService`, by name; each raises a `LedgerError`."""

    def __init__(self, snapshots: Snapshots, writer: GroupWriter) -> None:
        self._snapshots = snapshots
        self._writer = writer

    async def SetMeter(self, request: api.SetMeterRequest) -> api.SetMeterResponse:
        """See the contract."""
        said = checked("meter", request.meter)
        content = said.SerializeToString(deterministic=True)

        def job(writer: Writer) -> int:
            there = writer.latest_meter(said.meter_id)
            if there is not None:
                check_lasting("meter", meter_pb2.Meter.FromString(there.content), said)
                if there.in_use and there.content == content:
                    return writer.meters_revision()
            if (there is None or not there.in_use) and len(writer.meters("", MAX_METERS)) == MAX_METERS:
                raise InvalidArgument("meter", f"would be more than {MAX_METERS}")
            return _change(writer, said.meter_id, content, in_use=1)

        return api.SetMeterResponse(meter=said, meters_revision=await self._writer.run(job))

    async def ListMeters(self, request: api.ListMetersRequest) -> api.ListMetersResponse:
        """See the contract."""
        page = Page.asked(request, "meters")
        rows = await self._snapshots.read(lambda reader: reader.meters(page.after, page.limit))
        shown, token = page.cut(rows, lambda row: row.meter_id)
        meters = [meter_pb2.Meter.FromString(row.content) for row in shown]
        return api.ListMetersResponse(meters=meters, next_page_token=token)

    async def DeleteMeter(self, request: api.DeleteMeterRequest) -> api.DeleteMeterResponse:
        """See the contract."""
        meter_id = request.meter_id
        check_id("meter_id", meter_id)

        def job(writer: Writer) -> None:
            there = writer.latest_meter(meter_id)
            if there is None or not there.in_use:
                raise MeterNotFound("there is no such meter", meter_id=meter_id)
            _change(writer, meter_id, there.content, in_use=0)

        await self._writer.run(job)
        return api.DeleteMeterResponse()

    async def ListRefusedEvents(self, request: api.ListRefusedEventsRequest) -> api.ListRefusedEventsResponse:
        """See the contract."""
        account_id = request.account_id
        check_optional_id("account_id", account_id)
        limit, scope = page_limit(request.page_size), ("refused_events", account_id)
        key = read_token(scope, request.page_token, [int])
        before = int(key[0]) if key else NEVER
        rows = await self._snapshots.read(lambda reader: reader.refused_events(account_id, before, limit + 1))
        token = write_token(scope, [rows[limit - 1].refused_key]) if len(rows) > limit else ""
        return api.ListRefusedEventsResponse(events=map(_refused_message, rows[:limit]), next_page_token=token)

    async def ListIngestSources(self, request: api.ListIngestSourcesRequest) -> api.ListIngestSourcesResponse:
        """See the contract."""
        page = Page.asked(request, "ingest_sources")
        rows = await self._snapshots.read(lambda reader: reader.ingest_sources(page.after, page.limit))
        shown, token = page.cut(rows, lambda row: row.origin)
        sources = [
            api.IngestSource(
                origin=row.origin,
                event_count=row.event_count,
                last_at_unix_ms=row.last_at_ms,
                waiting_event_count=row.waiting_event_count,
            )
            for row in shown
        ]
        return api.ListIngestSourcesResponse(sources=sources, next_page_token=token)


def _change(writer: Writer, meter_id: str, content: bytes, in_use: int) -> int:
    """Adds a change of a meter; returns its revision: above all that were told before the ledger was restored."""
    revision = max(writer.meters_revision(), first_version(writer.ledger().generation)) + 1
    writer.insert_meter_revision(MeterRevision(revision, meter_id, in_use, 0, content))
    return revision


def _refused_message(row: RefusedEventRow) -> api.RefusedEvent:
    return api.RefusedEvent(
        event=UsageEvent.FromString(row.event),
        reason=row.reason,
        origin=row.origin,
        refused_at_unix_ms=row.refused_at_ms,
    )


@dataclass(frozen=True, slots=True)
class _Pushed:
    """What is pushed, checked."""

    batch: Batch | None
    """None: none of its events can be counted."""
    invalid: tuple[UsageEvent, ...]


class IngestServicer:
    """The calls of `holdfast.v1.IngestService`, by name; each raises a `LedgerError`."""

    def __init__(
        self,
        intake: Intake,
        writer: GroupWriter,
        threads: Executor,
        decisions: Decisions,
        now_ms: Callable[[], int],
    ) -> None:
        """`threads` check what is pushed."""
        self._intake = intake
        self._writer = writer
        self._threads = threads
        self._decisions = decisions
        self._now_ms = now_ms

    async def PushEvents(self, request: ingest.PushEventsRequest) -> ingest.PushEventsResponse:
        """See the contract."""
        last_sequence = _check_push(request)
        origin = request.origin or f"sidecar:{request.sidecar_id}"
        pushed = await asyncio.get_running_loop().run_in_executor(self._threads, _read, request, origin)
        rows = [_invalid_row(event, origin, self._now_ms()) for event in pushed.invalid]
        if pushed.batch is None:
            await self._writer.run(lambda writer: writer.insert_refused_events(rows))
        else:
            await self._take(pushed.batch, rows)
        return ingest.PushEventsResponse(acked_sequence=last_sequence)

    async def _take(self, batch: Batch, rows: list[RefusedEventRow]) -> None:
        """Takes a batch in; what cannot be counted is kept with it."""
        await self._intake.take(batch, (lambda writer: writer.insert_refused_events(rows)) if rows else None)

    async def PushDecisions(self, request: ingest.PushDecisionsRequest) -> ingest.PushDecisionsResponse:
        """See the contract."""
        check_id("sidecar_id", request.sidecar_id)
        check_range("decisions", len(request.decisions), 0, MAX_TOLD_DECISIONS)
        check_range("counts", len(request.counts), 0, MAX_TOLD_COUNTS)
        self._decisions.hear(request, self._now_ms())
        return ingest.PushDecisionsResponse()


def _check_push(request: ingest.PushEventsRequest) -> int:
    """Checks all but the batch itself; returns the sequence of its last event."""
    check_range("event_count", request.event_count, 1, MAX_PUSHED_EVENTS)
    if bool(request.sidecar_id) == bool(request.origin):
        raise InvalidArgument("sidecar_id", "exactly one of this and origin is set")
    if request.origin:
        check_id("origin", request.origin)
        kind, _, name = request.origin.partition(":")
        if kind in ("sidecar", "ledger") or not name:
            raise InvalidArgument("origin", 'is not "KIND:NAME", KIND such as "object" or "kafka"')
        return 0
    check_id("sidecar_id", request.sidecar_id)
    check_range("first_sequence", request.first_sequence, 1, MAX_SEQUENCE - MAX_PUSHED_EVENTS)
    return int(request.first_sequence + request.event_count - 1)


def _read(request: ingest.PushEventsRequest, origin: str) -> _Pushed:
    """Reads the batch and sieves out what breaks the limits of events. Raises `InvalidArgument`."""
    try:
        batch = unpack_events(request.batch)
    except BadBatch as fault:
        raise InvalidArgument("batch", str(fault)) from fault
    if len(batch.events) != request.event_count:
        raise InvalidArgument("event_count", f"is {request.event_count}, the batch has {len(batch.events)} events")
    bad = {place for place, one in enumerate(batch.events) if limit_fault(one.event, void=one.void)}
    invalid = tuple(batch.events[place].event for place in sorted(bad))
    if not bad:
        return _Pushed(Batch(origin, Content.EVENTS, request.event_count, request.batch), ())
    good = [one for place, one in enumerate(batch.events) if place not in bad]
    content = pack_events(good)
    return _Pushed(Batch(origin, Content.EVENTS, len(good), content) if good else None, invalid)


def _invalid_row(event: UsageEvent, origin: str, now_ms: int) -> RefusedEventRow:
    return RefusedEventRow(event.account_id[:128], origin, "INVALID", event.SerializeToString(), now_ms)
