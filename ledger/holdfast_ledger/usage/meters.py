"""What additive meters count of events, as SQL: the same figures as `holdfast_rating.metering`, for many at once.

Names and values of meters are parameters of the statement, never a part of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from holdfast.v1 import meter_pb2, usage_service_pb2

from holdfast_ledger.store.interface import Reader
from holdfast_ledger.usage.database import Parameter

ADDITIVE = (meter_pb2.AGGREGATION_COUNT, meter_pb2.AGGREGATION_SUM)

INT64_MAX = 2**63 - 1

_FILTERS = {
    usage_service_pb2.FILTER_OPERATOR_IN: "({there} AND {value} IN {values})",
    usage_service_pb2.FILTER_OPERATOR_NOT_IN: "NOT ({there} AND {value} IN {values})",
    usage_service_pb2.FILTER_OPERATOR_PREFIX: "({there} AND arrayExists(x -> startsWith({value}, x), {values}))",
    usage_service_pb2.FILTER_OPERATOR_EXISTS: "{value} != ''",
}


@dataclass(frozen=True, slots=True)
class Counting:
    """A meter and the batches for whose events it holds."""

    meter: meter_pb2.Meter
    after_key: int
    until_key: int

    def bound(self, prefix: str) -> tuple[dict[str, str], str, dict[str, Parameter]]:
        """Returns columns and condition of a SELECT, and its parameters, whose names begin with a prefix."""
        meter = self.meter
        given: dict[str, Parameter] = {
            f"{prefix}meter": meter.meter_id,
            f"{prefix}pool": meter.pool_id,
            f"{prefix}type": meter.event_type,
            f"{prefix}after": self.after_key,
            f"{prefix}until": self.until_key,
        }
        conditions = [
            "outcome IN ('counted', 'taken_back')",
            f"type = {{{prefix}type:String}}",
            f"batch_key > {{{prefix}after:UInt64}} AND batch_key <= {{{prefix}until:UInt64}}",
            f"NOT has(`charges.meter_id`, {{{prefix}meter:String}})",
        ]
        counted = "1"
        if meter.aggregation == meter_pb2.AGGREGATION_SUM:
            given[f"{prefix}quantity"] = meter.quantity
            counted = f"quantities[{{{prefix}quantity:String}}]"
            conditions.append(f"mapContains(quantities, {{{prefix}quantity:String}})")
        for number, one in enumerate(meter.filters):
            conditions.append(_condition(one, f"{prefix}{number}_", given))
        given[f"{prefix}times"], given[f"{prefix}by"] = meter.multiplier or 1, meter.divisor or 1
        units = _half_even(f"(toInt256({counted}) * {{{prefix}times:Int64}})", f"{{{prefix}by:Int64}}")
        conditions.append(f"{units} BETWEEN 1 AND {INT64_MAX}")
        columns = {
            "pool": f"{{{prefix}pool:String}}",
            "meter": f"{{{prefix}meter:String}}",
            "quantity": f"toInt64({units})",
        }
        return columns, " AND ".join(conditions), given


def _half_even(numerator: str, divisor: str) -> str:
    """Returns the quotient of two expressions, neither below zero, rounded to the nearest, a half to the even one."""
    quotient, doubled = f"intDiv({numerator}, {divisor})", f"2 * ({numerator} % {divisor})"
    return f"({quotient} + ({doubled} > {divisor} OR ({doubled} = {divisor} AND {quotient} % 2 = 1)))"


def _condition(one: usage_service_pb2.UsageFilter, prefix: str, given: dict[str, Parameter]) -> str:
    """Returns a filter as a condition; adds its parameters."""
    there, value = "true", "subject"
    if one.key != "subject":
        given[f"{prefix}key"] = one.key
        there, value = f"mapContains(dimensions, {{{prefix}key:String}})", f"dimensions[{{{prefix}key:String}}]"
    if one.values:
        given[f"{prefix}values"] = list(one.values)
    return _FILTERS[one.operator].format(there=there, value=value, values=f"{{{prefix}values:Array(String)}}")


@dataclass(slots=True)
class Meters:
    """All that meters ever were, read as they change."""

    _revision: int = 0
    _changes: dict[str, list[tuple[int, meter_pb2.Meter | None]]] = field(default_factory=dict)
    """By meter: after which batch it became what; None: it was deleted."""

    def read(self, reader: Reader) -> None:
        """Reads what changed since."""
        for row in reader.meter_revisions(self._revision):
            meter = meter_pb2.Meter.FromString(row.content) if row.in_use else None
            self._changes.setdefault(row.meter_id, []).append((row.after_batch_key, meter))
            self._revision = row.revision

    def counting(self, event_type: str, first_key: int, last_key: int) -> Sequence[Counting]:
        """Returns the additive meters of a type of events that hold for some of the batches between two keys."""
        found = []
        for changes in self._changes.values():
            ends = [*(after for after, _ in changes[1:]), INT64_MAX]
            for (after, meter), until in zip(changes, ends, strict=True):
                holds = after < until and after < last_key and until >= first_key
                if meter and holds and meter.event_type == event_type and meter.aggregation in ADDITIVE:
                    found.append(Counting(meter, after, until))
        return found
