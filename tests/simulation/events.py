"""The events of a run: its meters, what each event says, and who reports, repeats, contradicts and takes back which.

An event has a number, from which all of it follows, so that it can be told again by another host, or at the ledger.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from holdfast.v1 import meter_pb2 as wire
from holdfast.v1 import usage_service_pb2 as usage

from tests.simulation.rules import ACCOUNT, MODELS, START_MS, SUBJECTS

TYPES = ("call", "call", "call", "page")
SOURCE = "app"
STRANGER = "stranger"
"""An account that the ledger does not have."""
DAY_MS = 86_400_000
GRACE_MS, FUTURE_MS = 35 * DAY_MS, 300_000
TIMES_MS = (0, 0, 0, 1_000, 4_000, -3_000, -3 * 3_600_000, -20 * DAY_MS, 200_000)
"""Times of events after the start of a run: now, out of order, late by days, a little ahead."""
UNTIMELY_MS = (-36 * DAY_MS, 3_600_000)
NOWHERE = "nowhere"
"""A pool that nobody has."""


@dataclass(frozen=True, slots=True)
class EventsPlan:
    """What a run with events is like; without meters there are none."""

    meters: tuple[wire.Meter, ...] = ()
    later: tuple[wire.Meter, ...] = ()
    """Meters that operators set in the middle of the run: new ones, and other prices of those."""
    metering_ms: int = 200
    events_a_run: int = 1_000
    waiting_batches: int = 0
    """Above which the ledger is busy; 0: never."""
    push_events: int = 10_000
    linger_ms: int = 100
    retention_ms: int = 3_600_000
    name_limit: int = 2_000_000

    @property
    def drawn(self) -> bool:
        """Whether there are events."""
        return bool(self.meters)


NO_EVENTS = EventsPlan()


def draw_events(rng: Random, pool_count: int) -> EventsPlan:
    """Draws meters and settings."""

    def rarely(common: int, *rare: int) -> int:
        return rng.choice(rare) if rng.random() < 0.25 else common

    every = [*_additive(rng, pool_count), *_figures(rng, pool_count)]
    rng.shuffle(every)
    late_count = rng.choice((0, 0, 0, 1)) if len(every) > 1 else 0
    early = tuple(every[late_count:])
    changed = [_other_price(rng, one) for one in early if one.aggregation <= wire.AGGREGATION_SUM and one.pool_id]
    return EventsPlan(
        early,
        (*every[:late_count], *(changed[:1] if rng.random() < 0.25 else ())),
        metering_ms=rng.choice((60, 200, 500)),
        events_a_run=rarely(1_000, 1, 2),
        waiting_batches=rarely(0, 1, 3),
        push_events=rarely(10_000, 1, 3),
        linger_ms=rng.choice((20, 100, 400)),
        retention_ms=rarely(3_600_000, 300),
        name_limit=rarely(2_000_000, 4),
    )


def _additive(rng: Random, pool_count: int) -> Iterable[wire.Meter]:
    free = usage.UsageFilter(key="model", operator=usage.FILTER_OPERATOR_NOT_IN, values=["m2"])
    team = usage.UsageFilter(key="subject", operator=usage.FILTER_OPERATOR_PREFIX, values=["org/team"])
    there = usage.UsageFilter(key="region", operator=usage.FILTER_OPERATOR_EXISTS)
    pool_id = f"pool-{rng.randrange(pool_count)}" if rng.random() < 0.93 else NOWHERE
    yield wire.Meter(
        meter_id="tokens",
        event_type="call",
        aggregation=wire.AGGREGATION_SUM,
        quantity="tokens",
        filters=rng.choice(([], [free], [there], [free, team])),
        multiplier=rng.choice((1, 3)),
        divisor=rng.choice((1, 4, 60)),
        pool_id=pool_id,
        price_amount=rng.choice((1, 2, 5)),
        price_per=rng.choice((1, 2, 7)),
    )
    if rng.random() < 0.6:
        is_priced = rng.random() < 0.8
        yield wire.Meter(
            meter_id="calls",
            event_type=rng.choice(("call", "page")),
            aggregation=wire.AGGREGATION_COUNT,
            filters=rng.choice(([], [free])),
            pool_id="pool-0" if is_priced else "",
            price_amount=rng.choice((0, 3, 3)) if is_priced else 0,
        )


def _figures(rng: Random, pool_count: int) -> Iterable[wire.Meter]:
    kinds = (wire.AGGREGATION_MIN, wire.AGGREGATION_MAX, wire.AGGREGATION_UNIQUE, wire.AGGREGATION_LATEST)
    for kind in rng.sample(kinds, k=rng.choice((0, 1, 1, 2))):
        is_unique = kind == wire.AGGREGATION_UNIQUE
        yield wire.Meter(
            meter_id=wire.Aggregation.Name(kind).lower(),
            event_type="call",
            aggregation=kind,
            quantity="" if is_unique else "tokens",
            dimension="region" if is_unique else "",
            period=wire.METER_PERIOD_DAY if rng.random() < 0.7 else wire.METER_PERIOD_MONTH,
            divisor=rng.choice((1, 2)),
            pool_id=f"pool-{rng.randrange(pool_count)}",
            price_amount=rng.choice((1, 3)),
        )


def _other_price(rng: Random, one: wire.Meter) -> wire.Meter:
    changed = wire.Meter()
    changed.CopyFrom(one)
    changed.price_amount = one.price_amount + rng.choice((1, 4))
    return changed


# ── what is told ──────────────────────────────────────────────────────────────────────────────────────────────────────


def event(seed: int, number: int) -> usage.UsageEvent:
    """Returns the event of a number: the same each time."""
    rng = Random(f"{seed} event {number}")
    region = rng.choice(("", "", "eu", "us"))
    model = rng.choice(("", *MODELS))
    return usage.UsageEvent(
        id=f"e{number}",
        source=SOURCE,
        type=rng.choice(TYPES),
        time_unix_ms=START_MS + (rng.choice(UNTIMELY_MS) if rng.random() < 0.06 else rng.choice(TIMES_MS)),
        account_id=ACCOUNT if rng.random() < 0.95 else STRANGER,
        subject=rng.choice((*SUBJECTS, "", "", "org/team")),
        dimensions={key: value for key, value in (("model", model), ("region", region)) if value},
        quantities={"tokens": rng.choice((0, 1, 2, 3, 5, 30, 120))} if rng.random() < 0.9 else {},
        corrects_id=f"e{rng.randrange(max(1, number))}" if number and rng.random() < 0.08 else "",
    )


def plain(number: int, tokens: int) -> usage.UsageEvent:
    """Returns an event that says what a history by hand needs."""
    return usage.UsageEvent(
        id=f"e{number}",
        source=SOURCE,
        type="call",
        time_unix_ms=START_MS,
        account_id=ACCOUNT,
        quantities={"tokens": tokens},
    )


def told(seed: int, rng: Random, number: int) -> usage.UsageEvent:
    """Returns an event as somebody tells it: now and then with other content under its name."""
    said = event(seed, number)
    if rng.random() < 0.12:
        said.quantities["tokens"] = rng.choice((1, 7, 50))
    return said


def reported(seed: int, rng: Random, highest: int) -> usage.ReportEventsRequest:
    """Draws a call that reports some events."""
    numbers = [rng.randrange(highest) for _ in range(rng.choice((1, 1, 2, 3, 6)))]
    return usage.ReportEventsRequest(events=[told(seed, rng, number) for number in numbers])


def taken_back(rng: Random, highest: int) -> usage.VoidEventsRequest:
    """Draws a call that takes some events back, whether they came or not."""
    numbers = [rng.randrange(highest) for _ in range(rng.choice((1, 1, 2)))]
    return usage.VoidEventsRequest(
        events=[usage.EventName(account_id=ACCOUNT, source=SOURCE, id=f"e{number}") for number in numbers]
    )
