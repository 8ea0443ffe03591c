"""Events for tests of the engine, through the real decoder, and what the store then has of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from holdfast.v1 import usage_service_pb2 as pb
from holdfast.v1.ingest_service_pb2 import EventBatch, RecordedEvent
from holdfast.v1.ledger_sync_service_pb2 import Debit
from holdfast_rating.metering import Aggregation, UsageMeter
from holdfast_sidecar.dispatcher.event_decode import EventDecoder
from holdfast_sidecar.engine.event_operations import ReportEvents, VoidEvents

from tests.sidecar.engine.harness import Host

KEY = ("acme", "general")
CALLS = UsageMeter("calls", "call", Aggregation.COUNT, pool_id="general", price_amount=3)
TOKENS = UsageMeter("tokens", "call", Aggregation.SUM, "tokens", pool_id="general", price_amount=5, price_per=10)
_DECODER = EventDecoder()


def event(
    event_id: str,
    tokens: int | None = None,
    *,
    dimensions: Mapping[str, str] | None = None,
    account_id: str = "acme",
    source: str = "gateway",
    **fields: Any,
) -> pb.UsageEvent:
    """An event of type "call" at the harness's first instant."""
    made = pb.UsageEvent(id=event_id, source=source, type="call", account_id=account_id, time_unix_ms=1_000)
    made.dimensions.update(dimensions or {})
    if tokens is not None:
        made.quantities["tokens"] = tokens
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def report(*events: pb.UsageEvent, scope: str = "") -> ReportEvents:
    """A ReportEvents."""
    return _DECODER.report(pb.ReportEventsRequest(events=events).SerializeToString(), scope)


def void(*event_ids: str, scope: str = "") -> VoidEvents:
    """A VoidEvents of the usual account and source."""
    names = [pb.EventName(account_id="acme", source="gateway", id=event_id) for event_id in event_ids]
    return _DECODER.void(pb.VoidEventsRequest(events=names).SerializeToString(), scope)


def outcomes(results: Sequence[pb.EventResult]) -> list[tuple[int, str, str]]:
    """Place, outcome and field of each result."""
    prefix = "EVENT_OUTCOME_"
    return [
        (result.index, pb.EventOutcome.Name(result.outcome).removeprefix(prefix), result.field) for result in results
    ]


def recorded(host: Host) -> list[RecordedEvent]:
    """Every event that waits for the ledger."""
    rows = host.store.read_events(0, 1_000_000, 1 << 40)
    return [one for row in rows for one in EventBatch.FromString(row.payload).events]


def debits(host: Host) -> list[Debit]:
    """Every debit kept."""
    return [Debit.FromString(data) for _, data in host.store.read_debits(0, 1_000_000, 1 << 40)]


def rated(meter: str = "input") -> UsageMeter:
    """A meter that is priced by the rate card."""
    return replace(TOKENS, price_amount=0, price_per=1, rated_as=meter)
