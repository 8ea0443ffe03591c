"""Meters between the messages of `holdfast.v1` and the values that events are counted by, checked on the way in.

Upstream of the engine twice, as `rule_messages`: the uplink gets them from the ledger, the store keeps them.
"""

from holdfast.v1 import ledger_sync_service_pb2 as sync_pb2
from holdfast.v1 import meter_pb2
from holdfast_rating.metering import Aggregation, Filter, FilterOperator, InvalidMeter, UsageMeter, check_meter

from holdfast_sidecar.engine.event_rows import Meters


class BadMeter(Exception):
    """A meter that the contract rules out, or this version does not know; the message says what."""


def meter(message: meter_pb2.Meter) -> UsageMeter:
    """Returns a meter. Raises `BadMeter`."""
    try:
        filters = tuple(
            Filter(condition.key, FilterOperator(condition.operator), tuple(condition.values))
            for condition in message.filters
        )
        return check_meter(
            UsageMeter(
                message.meter_id,
                message.event_type,
                Aggregation(message.aggregation),
                message.quantity,
                message.dimension,
                filters,
                message.multiplier or 1,
                message.divisor or 1,
                message.pool_id,
                message.price_amount,
                message.price_per or 1,
                message.rated_as,
            )
        )
    except (InvalidMeter, ValueError) as error:
        raise BadMeter(f"meter {message.meter_id!r}: {error}") from error


def meter_message(value: UsageMeter) -> meter_pb2.Meter:
    """Returns a meter as a message, without what is for the ledger alone: its unit and its period."""
    made = meter_pb2.Meter(
        meter_id=value.meter_id,
        event_type=value.event_type,
        quantity=value.quantity,
        dimension=value.dimension,
        multiplier=value.multiplier,
        divisor=value.divisor,
        pool_id=value.pool_id,
        price_amount=value.price_amount,
        price_per=value.price_per,
        rated_as=value.rated_as,
    )
    made.aggregation = value.aggregation.value  # type: ignore[assignment]  # the same numbers
    for condition in value.filters:
        added = made.filters.add(key=condition.key, values=condition.values)
        added.operator = condition.operator.value  # type: ignore[assignment]  # the same numbers
    return made


def meters_message(meters: Meters) -> sync_pb2.Meters:
    """Returns all meters as a message."""
    return sync_pb2.Meters(revision=meters.revision, meters=map(meter_message, meters.meters))
