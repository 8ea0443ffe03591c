"""Meters from and to messages: all that a sidecar needs of one survives, and one that is not understood is refused."""

from dataclasses import replace

import pytest
from holdfast.v1 import meter_pb2
from holdfast_rating.metering import Aggregation, Filter, FilterOperator, UsageMeter
from holdfast_sidecar import meter_messages
from holdfast_sidecar.engine.event_rows import Meters
from holdfast_sidecar.meter_messages import BadMeter

METER = UsageMeter(
    "pages",
    "page.rendered",
    Aggregation.SUM,
    "pages",
    "",
    (Filter("region", FilterOperator.NOT_IN, ("us",)), Filter("subject", FilterOperator.EXISTS)),
    3,
    2,
    "general",
    5,
    1_000,
)


@pytest.mark.parametrize(
    "meter",
    [
        METER,
        replace(METER, price_amount=0, price_per=1, rated_as="seconds"),
        replace(METER, aggregation=Aggregation.UNIQUE, quantity="", dimension="user"),
        UsageMeter("calls", "call", Aggregation.COUNT),
    ],
)
def test_a_meter_comes_back_as_it_was(meter: UsageMeter) -> None:
    message = meter_messages.meters_message(Meters(7, (meter,)))
    assert message.revision == 7
    assert [meter_messages.meter(one) for one in message.meters] == [meter]


def test_what_is_not_set_is_one() -> None:
    """Factors and the quantity that a price is for."""
    message = meter_pb2.Meter(meter_id="calls", event_type="call", aggregation="AGGREGATION_COUNT")
    found = meter_messages.meter(message)
    assert (found.multiplier, found.divisor, found.price_per) == (1, 1, 1)


@pytest.mark.parametrize(
    "message",
    [
        meter_pb2.Meter(meter_id="calls", event_type="call"),
        meter_pb2.Meter(meter_id="calls", aggregation="AGGREGATION_COUNT"),
        meter_pb2.Meter(meter_id="calls", event_type="call", aggregation="AGGREGATION_COUNT", filters=[{"key": "a"}]),
        meter_pb2.Meter(meter_id="calls", event_type="call", aggregation="AGGREGATION_COUNT", divisor=-1),
    ],
)
def test_what_is_not_understood_is_refused_by_its_id(message: meter_pb2.Meter) -> None:
    with pytest.raises(BadMeter, match="meter 'calls': "):
        meter_messages.meter(message)


def test_aggregations_of_a_newer_ledger_are_refused() -> None:
    """It charges what they count."""
    message = meter_messages.meter_message(METER)
    message.aggregation = 99  # type: ignore[assignment]  # of a version to come
    with pytest.raises(BadMeter):
        meter_messages.meter(message)
