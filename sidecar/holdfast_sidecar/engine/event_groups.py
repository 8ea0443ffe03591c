"""Events of one request folded into debits: one for each account, pool, subject, dimensions and meter.

Neighbour: `event_taking`, which debits the groups. The arithmetic is `holdfast_rating.metering`'s, so that the ledger,
which charges what could not be charged here, comes to the same figures.
"""

from collections.abc import Iterable

from holdfast_rating.metering import UsageMeter
from holdfast_rating.rates import Refusal

from holdfast_sidecar import event_wire
from holdfast_sidecar.engine.amounts import INT64_MAX
from holdfast_sidecar.engine.event_meters import EventMeters
from holdfast_sidecar.engine.event_operations import UsageEvent
from holdfast_sidecar.engine.operations import Charge
from holdfast_sidecar.engine.rules import Dimensions

OPERATION_PREFIX = "ev:"
OPERATION_DIGEST_BYTES = 16
FINGERPRINT_BYTES = 16


class EventGroup:
    """Events that one debit pays for."""

    __slots__ = ("account_id", "amounts", "dimensions", "events", "meter", "subject", "total", "units")

    def __init__(self, meter: UsageMeter, account_id: str, subject: str, dimensions: Dimensions) -> None:
        self.meter = meter
        self.account_id = account_id
        self.subject = subject
        self.dimensions = dimensions
        self.events: list[UsageEvent] = []
        self.units: list[int] = []
        """What each event counts, in units of the meter."""
        self.amounts: list[int] = []
        """What each event costs, in minor units of the pool's currency."""
        self.total = 0

    def price(self, tariff_amounts: list[int] | None = None) -> bool:
        """Prices each event; returns whether all of them have a price and the sum fits.

        Args:
            tariff_amounts: What each event costs by the rate card, for a meter that is priced by it.
        """
        amounts = tariff_amounts or []
        if tariff_amounts is None:
            priced = self.meter.priced
            for units in self.units:
                amount = priced(units)
                if isinstance(amount, Refusal):
                    return False
                amounts.append(amount)
        self.amounts = amounts
        self.total = sum(amounts)
        return self.total <= INT64_MAX

    def charge(self) -> Charge:
        """Returns what is debited: what was used already, under a name that follows from the events and their amounts.

        Where another host was told other content of an event, or knew another price, it made another operation: the
        ledger keeps the one of the first arrival, and gives the other back.
        """
        place = "\0".join((self.account_id, self.subject, *(text for pair in self.dimensions for text in pair)))
        priced = zip(self.events, self.amounts, strict=True)
        names = [f"{event.source}\0{event.event_id}\0{amount}" for event, amount in priced]
        digest = event_wire.charge_digest(self.meter.meter_id, place, names)
        return Charge(
            OPERATION_PREFIX + digest[:OPERATION_DIGEST_BYTES].hex(),
            digest[-FINGERPRINT_BYTES:],
            self.account_id,
            self.meter.pool_id,
            self.total,
            "",
            0,
            "",
            self.subject,
            self.dimensions,
            already_used=True,
            is_recorded=False,
        )


def fold(events: Iterable[UsageEvent], meters: EventMeters) -> list[EventGroup]:
    """Returns the groups that events fall into; events that no meter charges at once fall into none."""
    groups: dict[tuple[str, str, str, Dimensions], list[EventGroup]] = {}
    for event in events:
        key = (event.event_type, event.account_id, event.subject, event.dimensions)
        found = groups.get(key)
        if found is None:
            found = groups[key] = _groups_of(event, meters)
        for group in found:
            counted = group.meter.counted(event.quantities)
            if counted is None:
                continue
            units = group.meter.converted(counted)
            if not isinstance(units, Refusal):
                group.events.append(event)
                group.units.append(units)
    return [group for found in groups.values() for group in found if group.events]


def _groups_of(event: UsageEvent, meters: EventMeters) -> list[EventGroup]:
    """The groups of all events of this one's type, account, subject and dimensions."""
    candidates = meters.of_type(event.event_type)
    if not candidates:
        return []
    dimensions = dict(event.dimensions)
    return [
        EventGroup(meter, event.account_id, event.subject, event.dimensions)
        for meter in candidates
        if meter.matches(event.event_type, event.subject, dimensions)
    ]
