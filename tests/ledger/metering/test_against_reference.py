"""Whatever comes, in whatever order and cut into whatever turns: what is counted and charged is what a page says."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from zlib import crc32

from holdfast.v1 import meter_pb2 as meters
from holdfast.v1.ingest_service_pb2 import EventCharge, RecordedEvent
from holdfast.v1.usage_service_pb2 import UsageEvent, UsageFilter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledger.harness import START_MS, debit
from tests.ledger.metering.meterage import HOUR_MS, Meterage, meter

DAY_MS = 24 * HOUR_MS
MODELS = UsageFilter(key="model", operator=2, values=["free"])  # type: ignore[arg-type]  # NOT_IN
METERS = [
    meter("sum", multiplier=3, divisor=4, price_amount=5, price_per=2, filters=[MODELS]),
    meter("count", aggregation=meters.AGGREGATION_COUNT, quantity=None, price_amount=7),
    meter("plain", pool_id=None, price_amount=None),
    *(
        meter(name, aggregation=kind, period=meters.METER_PERIOD_DAY, divisor=2, price_amount=3, filters=[MODELS])
        for name, kind in (
            ("min", meters.AGGREGATION_MIN),
            ("max", meters.AGGREGATION_MAX),
            ("latest", meters.AGGREGATION_LATEST),
        )
    ),
    meter("unique", aggregation=meters.AGGREGATION_UNIQUE, quantity=None, dimension="user", price_amount=11),
]


@dataclass(frozen=True)
class Arrival:
    """An event, or a void, that comes; times are hours from the start, `host`: a sidecar that has charged it."""

    name: int
    void: bool = False
    tokens: int | None = 0
    hour: int = 0
    model: str = ""
    user: str = ""
    corrects: int = 0
    host: str = ""

    def recorded(self, account_id: str) -> RecordedEvent:
        """As it comes."""
        event = UsageEvent(account_id=account_id, source="app", id=f"e{self.name}")
        if self.void:
            return RecordedEvent(event=event, accepted_at_unix_ms=START_MS, void=True)
        event.type, event.time_unix_ms = "call", START_MS + self.hour * HOUR_MS
        for key, value in (("model", self.model), ("user", self.user)):
            if value:
                event.dimensions[key] = value
        if self.tokens is not None:
            event.quantities["tokens"] = self.tokens
        if self.corrects and self.corrects != self.name:
            event.corrects_id = f"e{self.corrects}"
        return RecordedEvent(event=event, accepted_at_unix_ms=START_MS, charges=self.charges(account_id))

    def charges(self, account_id: str) -> list[EventCharge]:
        """What the host has charged: the meter that counts, alone."""
        if not self.host or self.void:
            return []
        operation_id = f"ev:{account_id}:{self.name}:{crc32(repr(self).encode())}"
        return [EventCharge(meter_id="count", quantity=1, amount=7, operation_id=operation_id, pool_id="general")]


def reference(arrivals: Sequence[Arrival]) -> tuple[dict[str, int], int]:
    """What each meter counts, and what all cost: the first of a name counts, unless it was ever taken back."""
    first: dict[int, Arrival] = {}
    taken_back = set()
    for one in arrivals:
        if one.void:
            taken_back.add(one.name)
        elif one.name not in first:
            first[one.name] = one
            taken_back |= {one.corrects} - {one.name, 0}
    counted = {name: one for name, one in first.items() if name not in taken_back}
    quantities: defaultdict[str, int] = defaultdict(int)
    cost = 0
    groups: defaultdict[tuple[object, ...], list[tuple[int, str, int]]] = defaultdict(list)
    users = defaultdict(set)
    for name, one in counted.items():
        quantities["count"] += 1
        cost += 7
        day = (START_MS + one.hour * HOUR_MS) // DAY_MS
        if one.user:
            users[one.model].add(one.user)  # of one month
        if one.tokens is not None:
            quantities["plain"] += one.tokens
            if one.model != "free":
                units = round(Fraction(one.tokens * 3, 4))
                quantities["sum"] += units
                cost += round(Fraction(units * 5, 2))
                groups[day, one.model, one.user].append((one.hour, f"e{name}", one.tokens))
    for values in groups.values():
        figures = {"min": min(v for *_, v in values), "max": max(v for *_, v in values), "latest": max(values)[2]}
        for meter_id, figure in figures.items():
            quantities[meter_id] += round(Fraction(figure, 2))
            cost += 3 * round(Fraction(figure, 2))
    for found in users.values():
        quantities["unique"] += len(found)
        cost += 11 * len(found)
    return {key: value for key, value in quantities.items() if value}, cost


NAMES = st.integers(1, 6)
EVENTS = st.builds(
    Arrival,
    name=NAMES,
    tokens=st.sampled_from([None, 0, 1, 2, 3, 5, 8, 1000]),
    hour=st.sampled_from([0, 1, 2, -1, -30]),
    model=st.sampled_from(["", "m", "free"]),
    user=st.sampled_from(["", "x", "y"]),
    corrects=st.sampled_from([0, 0, 0, 1, 2]),
    host=st.sampled_from(["", "", "h"]),
)
VOIDS = st.builds(Arrival, name=NAMES, void=st.just(True))


def several(events: Sequence[Arrival]) -> st.SearchStrategy[list[Arrival]]:
    """The same events again and again, and voids, in any order."""
    return st.lists(st.one_of(st.sampled_from(events), st.sampled_from(events), VOIDS), min_size=1, max_size=25)


HISTORIES = st.lists(EVENTS, min_size=1, max_size=10).flatmap(several)
numbers = itertools.count()


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=HISTORIES, cuts=st.lists(st.sampled_from(["", "batch", "turn"]), min_size=25, max_size=25))
def test_what_is_counted_and_charged_is_what_the_page_says(
    meterage: Meterage, arrivals: list[Arrival], cuts: list[str]
) -> None:
    if not meterage.totals.metered_batch_key:
        meterage.set(*METERS)
        meterage.books.hello()
    account_id = f"a{next(numbers)}"
    meterage.books.open_pool(account_id=account_id)
    batch: list[RecordedEvent] = []
    for one, cut in zip(arrivals, cuts, strict=False):
        batch.append(one.recorded(account_id))
        for charge in batch[-1].charges:
            sequence = meterage.books.sidecar().acked_sequence + 1
            said = {"account_id": account_id, "operation_id": charge.operation_id}
            meterage.books.post(debit(sequence, charge.amount, **said))
        if cut:
            meterage.take(*batch)
            batch = []
        if cut == "turn":
            meterage.turn()
    if batch:
        meterage.take(*batch)
    meterage.turn()
    sql = """SELECT meter_id, sum(quantity) AS q FROM usage FINAL WHERE account_id = {account:String}
        AND meter_id != '' GROUP BY meter_id HAVING q != 0"""
    found = {row["meter_id"]: row["q"] for row in meterage.database.query(sql, {"account": account_id}).to_pylist()}
    quantities, cost = reference(arrivals)
    assert found == quantities
    assert meterage.books.pool(account_id=account_id).spent_total == cost
