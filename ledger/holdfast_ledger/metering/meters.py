"""Meters as they are set and kept: read from messages, checked, and found again for the batches that they count.

What a meter counts of an event, and what that costs, is `holdfast_rating.metering`'s; so it is at the sidecar.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.v1 import ledger_sync_service_pb2 as sync
from holdfast.v1 import meter_pb2 as wire
from holdfast_rating.metering import (
    ADDITIVE,
    Aggregation,
    Filter,
    FilterOperator,
    InvalidMeter,
    UsageMeter,
    check_meter,
)

from holdfast_ledger.errors import AlreadyExists, InvalidArgument
from holdfast_ledger.governance.periods import PeriodUnit
from holdfast_ledger.store.interface import NEVER, Reader
from holdfast_ledger.store.metering_rows import MeterRevision
from holdfast_ledger.validation import check_text

MAX_METERS = 1_000
"""Meters at once: all of them are told to each sidecar, and looked at for each event of their type."""

MAX_UNIT_BYTES = 64

_AGGREGATIONS, _OPERATORS = frozenset(map(int, Aggregation)), frozenset(map(int, FilterOperator))

LASTING = ("aggregation", "quantity", "dimension", "period", "pool_id")
"""What a meter's figures are made of; it stays as it was when the meter was first set."""


@dataclass(frozen=True, slots=True)
class MeterVersion:
    """A meter, and the batches that are counted by it."""

    meter: UsageMeter
    period: PeriodUnit
    """Of a meter that is not additive."""
    after_batch_key: int
    """The last batch before it."""
    until_batch_key: int = NEVER
    """The last batch that is counted by it."""


def checked(field: str, said: wire.Meter) -> wire.Meter:
    """Returns a meter as it is kept, with its defaults. Raises `InvalidArgument`."""
    meter = wire.Meter()
    meter.CopyFrom(said)
    for name in ("multiplier", "divisor", "price_per"):
        if getattr(meter, name) == 0:
            setattr(meter, name, 1)
    if int(meter.aggregation) not in _AGGREGATIONS:
        raise InvalidArgument(f"{field}.aggregation", f"is {meter.aggregation}, not one that is known")
    for place, condition in enumerate(meter.filters):
        if int(condition.operator) not in _OPERATORS:
            raise InvalidArgument(f"{field}.filters[{place}].operator", "is not one that is known")
    if meter.period not in wire.MeterPeriod.values():
        raise InvalidArgument(f"{field}.period", f"is {meter.period}, not one that is known")
    is_additive = Aggregation(meter.aggregation) in ADDITIVE
    if is_additive and meter.period:
        raise InvalidArgument(f"{field}.period", "has no meaning with this aggregation")
    if not is_additive and not meter.period:
        meter.period = wire.METER_PERIOD_MONTH
    check_text(f"{field}.unit", meter.unit, MAX_UNIT_BYTES)
    try:
        check_meter(usage_meter(meter))
    except InvalidMeter as fault:
        raise InvalidArgument(f"{field}.{fault.field}", str(fault).removeprefix(f"{fault.field}: ")) from fault
    return meter


def check_lasting(field: str, there: wire.Meter, said: wire.Meter) -> None:
    """Raises `AlreadyExists` if a meter would make its figures of something else than before."""
    for name in LASTING:
        if getattr(there, name) != getattr(said, name):
            raise AlreadyExists(f"{field}.{name}", "the meter exists with another one; make another meter")


def usage_meter(kept: wire.Meter) -> UsageMeter:
    """Returns a meter as it counts."""
    return UsageMeter(
        kept.meter_id,
        kept.event_type,
        Aggregation(kept.aggregation),
        kept.quantity,
        kept.dimension,
        tuple(Filter(one.key, FilterOperator(one.operator), tuple(one.values)) for one in kept.filters),
        kept.multiplier or 1,
        kept.divisor or 1,
        kept.pool_id,
        kept.price_amount,
        kept.price_per or 1,
        kept.rated_as,
    )


def versions(revisions: Iterable[MeterRevision]) -> list[MeterVersion]:
    """Returns meters with the batches that each version of them counts, by meter, then by batch.

    Args:
        revisions: All changes of meters, in their order.
    """
    changes: defaultdict[str, list[MeterRevision]] = defaultdict(list)
    for revision in revisions:
        changes[revision.meter_id].append(revision)
    found = []
    for meter_id in sorted(changes):
        mine = changes[meter_id]
        ends = [*(later.after_batch_key for later in mine[1:]), NEVER]
        for revision, until_key in zip(mine, ends, strict=True):
            if revision.in_use and until_key > revision.after_batch_key:
                kept = wire.Meter.FromString(revision.content)
                period = PeriodUnit(kept.period or wire.METER_PERIOD_MONTH)
                found.append(MeterVersion(usage_meter(kept), period, revision.after_batch_key, until_key))
    return found


def meters_message(reader: Reader) -> sync.Meters:
    """Returns all meters, as sidecars are told of them."""
    rows = reader.meters("", MAX_METERS)
    meters = [wire.Meter.FromString(row.content) for row in rows]
    return sync.Meters(revision=reader.meters_revision(), meters=meters)
