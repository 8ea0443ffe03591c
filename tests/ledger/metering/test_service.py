"""Meters are set, listed and told to sidecars; what sidecars push is kept, or refused with the reason."""

import zlib
from pathlib import Path
from typing import Any

import grpc
import pytest
from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import ingest_service_pb2 as ingest
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast.v1 import meter_pb2 as meters
from holdfast.v1 import metering_service_pb2 as api
from holdfast.v1.ingest_service_pb2_grpc import IngestServiceStub
from holdfast.v1.metering_service_pb2_grpc import MeteringServiceStub
from holdfast.v1.usage_service_pb2 import UsageEvent, UsageFilter
from holdfast_ledger.metering.batches import pack_events

from tests.ledger.harness import START_MS, running

pytestmark = pytest.mark.usefixtures("every_store")


def tokens(**fields: Any) -> meters.Meter:
    """A meter of tokens."""
    content: dict[str, Any] = {
        "meter_id": "tokens",
        "event_type": "llm.call",
        "aggregation": meters.AGGREGATION_SUM,
        "quantity": "tokens",
        "pool_id": "general",
        "price_amount": 3,
        "price_per": 1000,
    }
    return meters.Meter(**(content | fields))


def event(number: int, **fields: Any) -> UsageEvent:
    """An event of account "a"."""
    content: dict[str, Any] = {
        "id": str(number),
        "source": "s",
        "type": "llm.call",
        "account_id": "a",
        "time_unix_ms": START_MS,
    }
    return UsageEvent(**(content | fields))


def push(*events: UsageEvent, **fields: Any) -> ingest.PushEventsRequest:
    """A push of sidecar "s"."""
    batch = pack_events([ingest.RecordedEvent(event=one, accepted_at_unix_ms=START_MS) for one in events])
    content: dict[str, Any] = {
        "sidecar_id": "s",
        "birth_epoch": 1,
        "first_sequence": 1,
        "event_count": len(events),
        "batch": batch,
    }
    return ingest.PushEventsRequest(**(content | fields))


async def fault_of(call: grpc.aio.UnaryUnaryCall[Any, Any]) -> tuple[grpc.StatusCode, str]:
    """Awaits a call that fails; returns its code and details."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def test_meters_are_set_listed_and_deleted(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        stub = MeteringServiceStub(ledger.channel)
        first = await stub.SetMeter(api.SetMeterRequest(meter=tokens()))
        again = await stub.SetMeter(api.SetMeterRequest(meter=tokens()))
        assert (first.meter.multiplier, first.meter.divisor) == (1, 1)
        assert again.meters_revision == first.meters_revision == 1
        seats = tokens(meter_id="seats", aggregation=meters.AGGREGATION_UNIQUE, quantity="", dimension="user")
        set_seats = await stub.SetMeter(api.SetMeterRequest(meter=seats))
        assert (set_seats.meter.period, set_seats.meters_revision) == (meters.METER_PERIOD_MONTH, 2)
        dearer = await stub.SetMeter(api.SetMeterRequest(meter=tokens(price_amount=4)))
        assert dearer.meters_revision == 3
        page = await stub.ListMeters(api.ListMetersRequest(page_size=1))
        rest = await stub.ListMeters(api.ListMetersRequest(page_size=1, page_token=page.next_page_token))
        assert [*page.meters, *rest.meters] == [set_seats.meter, dearer.meter]
        assert not rest.next_page_token
        await stub.DeleteMeter(api.DeleteMeterRequest(meter_id="seats"))
        assert [one.meter_id for one in (await stub.ListMeters(api.ListMetersRequest())).meters] == ["tokens"]
        code, _ = await fault_of(stub.DeleteMeter(api.DeleteMeterRequest(meter_id="seats")))
        assert code is grpc.StatusCode.NOT_FOUND


LASTING: list[tuple[dict[str, Any], str]] = [
    ({"aggregation": meters.AGGREGATION_COUNT, "quantity": ""}, "meter.aggregation"),
    ({"quantity": "words"}, "meter.quantity"),
    ({"pool_id": "other"}, "meter.pool_id"),
]


async def test_what_figures_are_made_of_stays(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        stub = MeteringServiceStub(ledger.channel)
        await stub.SetMeter(api.SetMeterRequest(meter=tokens()))
        for changed, field in LASTING:
            code, details = await fault_of(stub.SetMeter(api.SetMeterRequest(meter=tokens(**changed))))
            assert (code, details.partition(":")[0]) == (grpc.StatusCode.ALREADY_EXISTS, field)
        await stub.DeleteMeter(api.DeleteMeterRequest(meter_id="tokens"))
        for changed, _ in LASTING:
            code, _ = await fault_of(stub.SetMeter(api.SetMeterRequest(meter=tokens(**changed))))
            assert code is grpc.StatusCode.ALREADY_EXISTS


NO_METERS: list[tuple[dict[str, Any], str]] = [
    ({"meter_id": "a b"}, "meter.meter_id"),
    ({"event_type": ""}, "meter.event_type"),
    ({"aggregation": 0}, "meter.aggregation"),
    ({"aggregation": 9}, "meter.aggregation"),
    ({"quantity": ""}, "meter.quantity"),
    ({"dimension": "user"}, "meter.dimension"),
    ({"divisor": -1}, "meter.divisor"),
    ({"period": meters.METER_PERIOD_DAY}, "meter.period"),
    ({"period": 9}, "meter.period"),
    ({"price_amount": -1}, "meter.price_amount"),
    ({"pool_id": ""}, "meter.pool_id"),
    ({"rated_as": "input", "price_amount": 1}, "meter.rated_as"),
    ({"unit": "x" * 65}, "meter.unit"),
    ({"filters": [UsageFilter(key="model", operator=0)]}, "meter.filters[0].operator"),  # type: ignore[arg-type]
    ({"filters": [UsageFilter(key="model", operator=1)]}, "meter.filters[0].values"),  # type: ignore[arg-type]
]


async def test_what_is_no_meter_is_refused_with_the_field(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        stub = MeteringServiceStub(ledger.channel)
        for wrong, field in NO_METERS:
            code, details = await fault_of(stub.SetMeter(api.SetMeterRequest(meter=tokens(**wrong))))
            assert (code, details.partition(":")[0]) == (grpc.StatusCode.INVALID_ARGUMENT, field)


async def test_sidecars_are_told_of_meters(tmp_path: Path) -> None:
    """The revision with Welcome and each heartbeat, the meters when they ask."""
    async with running(tmp_path) as ledger:
        stub = MeteringServiceStub(ledger.channel)
        stream = ledger.sync()
        assert (await stream.hello()).meters_revision == 0
        kept = await stub.SetMeter(api.SetMeterRequest(meter=tokens()))
        assert (await stream.heartbeat(1)).meters_revision == kept.meters_revision == 1
        await stream.send(rules_request=wire.RulesRequest(request_id=1, meters_wanted=True))
        update = (await stream.read()).rules_update
        assert update.meters == wire.Meters(revision=kept.meters_revision, meters=[kept.meter])
        assert not (await stream.rules(("a", ""))).HasField("meters")
        await stream.finish()
        assert (await ledger.sync().hello("t")).meters_revision == 1


async def test_what_is_pushed_is_kept_once(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        stub = IngestServiceStub(ledger.channel)
        for _ in range(2):
            answer = await stub.PushEvents(push(event(1), event(2), first_sequence=7))
            assert answer.acked_sequence == 8
        other = push(event(3), sidecar_id="", origin="kafka:orders", birth_epoch=0, first_sequence=0)
        assert (await stub.PushEvents(other)).acked_sequence == 0
        listed = await MeteringServiceStub(ledger.channel).ListIngestSources(api.ListIngestSourcesRequest())
        assert [(one.origin, one.event_count, one.waiting_event_count) for one in listed.sources] == [
            ("kafka:orders", 1, 1),
            ("sidecar:s", 2, 2),
        ]


async def test_what_breaks_a_limit_stops_nothing_else(tmp_path: Path) -> None:
    """It is kept as refused, also when nothing is left."""
    async with running(tmp_path) as ledger:
        stub, metering = IngestServiceStub(ledger.channel), MeteringServiceStub(ledger.channel)
        bad = [event(2, type=""), event(3, dimensions={"k" * 65: "v"}), event(4, quantities={"q": -1})]
        await stub.PushEvents(push(event(1), *bad))
        await stub.PushEvents(push(event(5, subject="a//b")))
        sources = (await metering.ListIngestSources(api.ListIngestSourcesRequest())).sources
        assert [one.event_count for one in sources] == [1]
        page = await metering.ListRefusedEvents(api.ListRefusedEventsRequest(account_id="a", page_size=3))
        rest = await metering.ListRefusedEvents(
            api.ListRefusedEventsRequest(account_id="a", page_size=3, page_token=page.next_page_token)
        )
        refused = [*page.events, *rest.events]
        assert [one.event.id for one in refused] == ["5", "4", "3", "2"]
        assert {(one.reason, one.origin) for one in refused} == {("INVALID", "sidecar:s")}
        assert not (await metering.ListRefusedEvents(api.ListRefusedEventsRequest(account_id="b"))).events


NO_PUSHES: list[tuple[dict[str, Any], str]] = [
    ({"sidecar_id": ""}, "sidecar_id"),
    ({"origin": "kafka:x"}, "sidecar_id"),
    ({"sidecar_id": "", "origin": "sidecar:x"}, "origin"),
    ({"sidecar_id": "", "origin": "kafka"}, "origin"),
    ({"first_sequence": 0}, "first_sequence"),
    ({"event_count": 0}, "event_count"),
    ({"event_count": 2}, "event_count"),
    ({"batch": b"nothing"}, "batch"),
    ({"batch": zlib.compress(b"\xff")}, "batch"),
]


async def test_what_is_no_push_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        for wrong, field in NO_PUSHES:
            code, details = await fault_of(IngestServiceStub(ledger.channel).PushEvents(push(event(1), **wrong)))
            assert (code, details.partition(":")[0]) == (grpc.StatusCode.INVALID_ARGUMENT, field)


async def test_decisions_are_heard(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        record = ingest.DecisionRecord(account_id="a", reason=decision.REASON_OK)
        told = ingest.PushDecisionsRequest(sidecar_id="s", decisions=[record])
        await IngestServiceStub(ledger.channel).PushDecisions(told)
        code, _ = await fault_of(
            IngestServiceStub(ledger.channel).PushDecisions(ingest.PushDecisionsRequest(sidecar_id=""))
        )
        assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_no_sidecar_has_an_id_of_the_ledger_s_own(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        stream = ledger.sync()
        await stream.send(hello=wire.Hello(sidecar_id="holdfast:metering", instance=bytes(16)))
        code, reason, _ = await stream.fault()
        assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_MESSAGE")
