"""The events of a batch, one by one, whichever way it is written."""

from collections.abc import Iterator

from holdfast.v1.usage_service_pb2 import UsageEvent

from holdfast_ledger.metering.batches import Content, unpack_events
from holdfast_ledger.metering.columns import table_of


def events_of(content: Content, blob: bytes) -> Iterator[tuple[UsageEvent, bool]]:
    """Returns events, each with whether it is taken back, and then with its name alone. Raises `BadBatch`."""
    if content is Content.EVENTS:
        for recorded in unpack_events(blob).events:
            yield recorded.event, recorded.void
        return
    for row in table_of(content, blob).to_pylist():
        event = UsageEvent(
            id=row["id"],
            source=row["source"],
            type=row["type"],
            time_unix_ms=row["time_ms"],
            account_id=row["account_id"],
            subject=row["subject"],
            corrects_id=row["corrects_id"],
            dimensions=dict(row["dimensions"]),
            quantities=dict(row["quantities"]),
        )
        yield event, row["void"]
