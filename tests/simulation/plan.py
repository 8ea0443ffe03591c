"""What a seed stands for: the settings of a run, drawn with a liking for rare corners, and its actions in order.

The plan is all that is random before a run begins; what is drawn during it (delays, places of crashes) comes from
generators named after the seed and the one who draws. So an action can be left out and the rest stays much the same,
which is what shrinking needs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import TypeAlias

from tests.simulation.clock import MS, US
from tests.simulation.events import NO_EVENTS, EventsPlan, draw_events
from tests.simulation.rules import KNOWN, MODELS, SUBJECTS, RulesPlan, draw_rules

STRICT, OPTIMISTIC = 1, 2
FAIL_CLOSED, ALLOWANCE, FAIL_OPEN = 1, 2, 3
CRASH_POINTS = ("before_commit", "after_commit", "after_reply", "now")
LEDGER_FATES = (
    "die_before_commit",
    "die_after_commit",
    "lose_commit",
    "keep_commit",
    "before_ack",
    "now",
)
"""How a ledger's transaction ends; lose and keep: unknown to the ledger, in truth undone or done."""
WORK = ("session", "charge", "family", "report", "events", "take_back", "tell", "untell")
"""Kinds of actions that are clients' work."""
GOVERNED_SHARE = 0.55


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """One pool at its beginning."""

    pool_id: str
    granted: int
    enforcement: int
    overdraft_limit: int
    partition_mode: int
    partition_limit: int
    partition_after_ms: int


@dataclass(frozen=True, slots=True)
class Knobs:
    """The settings of a run; times in milliseconds."""

    host_count: int
    replica_count: int
    pools: tuple[PoolPlan, ...]
    validity_ms: int
    heartbeat_ms: int
    max_ttl_ms: int
    slack_ms: int
    sweep_ms: int
    allowance_validity_ms: int
    recall_timeout_ms: int
    snapshot_ms: int
    window: int
    post_debits: int
    batch_debits: int
    lease_wait_ms: int
    horizon_ms: int
    idle_ms: int
    denied_retry_ms: int
    retention_count: int
    outcome_ms: int
    outcome_limit: int
    backoff_max_ms: int
    welcome_ms: int
    delay_us: tuple[int, int]
    commit_us: tuple[int, int]
    drifts_ppm: tuple[int, ...]
    ledger_drift_ppm: int
    durabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Action:
    """Something that is done to the world at a time; `number` names its generator."""

    at_ns: int
    number: int
    kind: str
    args: tuple[int | str, ...]

    def __str__(self) -> str:
        words = " ".join(map(str, self.args))
        return f"{self.at_ns / MS:10.3f} ms  {self.kind} {words}"


@dataclass(frozen=True, slots=True)
class Plan:
    """One run."""

    seed: int
    knobs: Knobs
    horizon_ns: int
    actions: tuple[Action, ...]
    rules: RulesPlan
    events: EventsPlan = NO_EVENTS


Fault: TypeAlias = tuple[str, float, Callable[["_Maker"], tuple[int | str, ...]]]
"""(kind, weight, what draws its arguments)."""


@dataclass(slots=True)
class _Maker:
    rng: Random
    knobs: Knobs
    numbers: int = 0
    actions: list[Action] = field(default_factory=list)

    def host(self) -> int:
        return self.rng.randrange(self.knobs.host_count)

    def pool(self) -> int:
        # A hot pool, as the world has them.
        return 0 if self.rng.random() < 0.6 else self.rng.randrange(len(self.knobs.pools))

    def outage_ms(self) -> int:
        """Mostly short; now and then so long that rights are reclaimed."""
        knobs = self.knobs
        reclaim_ms = knobs.validity_ms + knobs.max_ttl_ms + knobs.slack_ms
        longest_ms = self.rng.choice((knobs.heartbeat_ms, knobs.validity_ms * 2, reclaim_ms * 3 // 2))
        return self.rng.randint(1, max(2, longest_ms))

    def add(self, at_ns: int, kind: str, *args: int | str) -> None:
        self.numbers += 1
        self.actions.append(Action(at_ns, self.numbers, kind, args))


FAULTS: tuple[Fault, ...] = (
    ("crash", 3, lambda m: (m.host(), m.rng.choice(CRASH_POINTS), m.rng.randint(1, 4), m.rng.randint(1, 300))),
    ("partition", 4, lambda m: (m.host(), m.rng.choice(("up", "down", "both", "both")), m.outage_ms())),
    ("cut", 2, lambda m: (m.host(),)),
    ("flap", 1, lambda m: (m.host(), m.rng.randint(2, 6), m.rng.randint(1, 120))),
    ("pause", 2, lambda m: (m.host(), m.outage_ms())),
    ("power", 1, lambda m: (m.host(), m.rng.randint(1, 300))),
    ("drain", 0.7, lambda m: (m.host(), m.rng.randint(1, 200))),
    ("lose_folder", 0.7, lambda m: (m.host(), m.rng.randint(1, 300))),
    ("copy", 0.5, lambda m: (m.host(), m.rng.randint(0, 300))),
    ("rollback", 0.6, lambda m: (m.host(), m.rng.randint(1, 1_500), m.rng.randint(1, 200))),
    ("disk", 0.7, lambda m: (m.host(), m.rng.choice(("before", "after")), m.rng.randint(1, 100))),
    ("outage", 4, lambda m: (m.rng.choice(LEDGER_FATES), m.rng.randint(1, 400))),
    ("stall", 1.5, lambda m: (m.outage_ms(),)),
    ("wall", 1, lambda m: (m.rng.choice((-86_400_000, -5_000, 5_000, 86_400_000)), m.rng.randint(100, 3_000))),
    ("grant", 2, lambda m: (m.pool(), m.rng.randint(1, 400), m.rng.choice((0, 0, 500, 2_000)))),
    ("policy", 1, lambda m: (m.pool(), *_policy(m.rng))),
    ("restore", 0.6, lambda m: (m.rng.randint(1, 1_500), m.rng.randint(1, 200), m.rng.choice((0, 0, 0, 400)))),
)
CHANGES: tuple[Fault, ...] = (
    ("rule", 6, lambda m: (m.rng.randrange(8),)),
    ("rule_away", 1, lambda m: (m.rng.randrange(8), m.rng.randint(1, 2_000))),
    ("subjects", 1, lambda m: ()),
    ("terms", 1, lambda m: (m.rng.randrange(2),)),
    ("void", 1, lambda m: (m.pool(),)),
    ("correct", 4, lambda m: (m.rng.choice((0, 0, 1, 7)),)),
)
"""What operators do to rules and to what is posted, in governed runs."""


def make_plan(seed: int) -> Plan:
    """Returns the plan of a seed."""
    rng = Random(f"plan {seed}")
    knobs = _knobs(rng)
    maker = _Maker(rng, knobs)
    horizon_ns = rng.randint(2_000, 7_000) * MS
    for _ in range(rng.randint(20, 110)):
        _work(maker, rng.randrange(horizon_ns))
    # Some runs are calm: what breaks without a fault is found there, and told shortly.
    fault_count = rng.choice((0, 1, 2, 4, 6, 9))
    liked = rng.sample(FAULTS, k=rng.randint(2, len(FAULTS)))
    for _ in range(fault_count):
        kind, _, draw = rng.choices(liked, [weight for _, weight, _ in liked])[0]
        maker.add(rng.randrange(horizon_ns), kind, *draw(maker))
    rules = _govern(seed, maker, horizon_ns)
    _report(seed, maker, horizon_ns, governed=rules.governed)
    events = _meter(seed, maker, horizon_ns)
    actions = tuple(sorted(maker.actions, key=lambda action: (action.at_ns, action.number)))
    return Plan(seed, knobs, horizon_ns, actions, rules, events)


def _govern(seed: int, maker: _Maker, horizon_ns: int) -> RulesPlan:
    """Gives more than half of the runs rules, subjects to their work, holds inside holds, and changes of it all."""
    maker.rng = rng = Random(f"rules {seed}")
    governed = rng.random() < GOVERNED_SHARE
    rules = draw_rules(rng) if governed else RulesPlan()
    changed = rng.choice((0, 0, 1, 3, 5)) if governed else 0
    maker.actions = [
        replace(action, args=(*action.args, *_subject(rng, governed))) if action.kind in WORK else action
        for action in maker.actions
    ]
    for _ in range(rng.randint(0, 6) if governed else 0):
        ttl_ms = rng.randint(max(1, maker.knobs.max_ttl_ms // 3), maker.knobs.max_ttl_ms)
        shape = rng.choice((10, 60, 200)), ttl_ms, rng.randint(3, 14)
        maker.add(rng.randrange(horizon_ns), "family", maker.host(), maker.pool(), *shape, *_subject(rng, governed))
    if governed and rng.random() < 0.3:
        _strand(maker, horizon_ns)
    for _ in range(changed):
        kind, _, draw = rng.choices(CHANGES, [weight for _, weight, _ in CHANGES])[0]
        maker.add(rng.randrange(horizon_ns), kind, *draw(maker))
    return rules


def _report(seed: int, maker: _Maker, horizon_ns: int, *, governed: bool) -> None:
    """Has a third of the runs report what was used already, up to several times what a pool has.

    Not those of the seeds that are kept, so that they go on to find what they are kept for.
    """
    maker.rng = rng = Random(f"reports {seed}")
    for _ in range(rng.randint(1, 12) if seed % 11 % 3 == 0 else 0):
        amount = rng.choice((1, 10, 100, 1_000)) + rng.randint(0, 9)
        work = maker.host(), maker.pool(), amount, rng.randint(0, 3)
        maker.add(rng.randrange(horizon_ns), "report", *work, *_subject(rng, governed))


def has_events(seed: int) -> bool:
    """Whether events are reported in the run of a seed."""
    return seed % 13 % 3 == 2


def _meter(seed: int, maker: _Maker, horizon_ns: int) -> EventsPlan:
    """Has a third of the runs report events, to hosts and to the ledger, again, with other content, and take them back.

    Not those of the seeds that are kept, as with reports.
    """
    maker.rng = rng = Random(f"events {seed}")
    if not has_events(seed):
        return NO_EVENTS
    plan = draw_events(rng, len(maker.knobs.pools))
    highest = rng.choice((6, 20, 60))
    for _ in range(rng.randint(4, 40)):
        maker.add(rng.randrange(horizon_ns), "events", maker.host(), highest, rng.randint(0, 3))
    for _ in range(rng.choice((0, 1, 2, 6))):
        maker.add(rng.randrange(horizon_ns), "take_back", maker.host(), highest, rng.randint(0, 2))
    for _ in range(rng.choice((0, 1, 3, 8))):
        maker.add(rng.randrange(horizon_ns), "tell_ledger", highest)
    for index in range(len(plan.later)):
        maker.add(rng.randrange(horizon_ns), "meter", index)
    for _ in range(rng.choice((0, 0, 1, 3))):
        maker.add(rng.randrange(horizon_ns), "hush", maker.host(), maker.outage_ms())
    for _ in range(rng.choice((0, 0, 1, 2))):
        maker.add(rng.randrange(horizon_ns), "crash", maker.host(), "after_events_pushed", 1, rng.randint(1, 300))
    return plan


def _strand(maker: _Maker, horizon_ns: int) -> None:
    """Cuts a host off until its rights are reclaimed, with holds opened inside one another as its leases run out."""
    rng, knobs, host = maker.rng, maker.knobs, maker.host()
    at_ns = rng.randrange(max(1, horizon_ns - knobs.validity_ms * MS))
    silent_ms = (knobs.validity_ms + 2 * knobs.max_ttl_ms + knobs.slack_ms) * 11 // 10
    maker.add(at_ns, "partition", host, "both", silent_ms)
    begin_ms = max(0, knobs.validity_ms - rng.randint(knobs.heartbeat_ms, knobs.heartbeat_ms + knobs.max_ttl_ms))
    shape = rng.choice((10, 60)), knobs.max_ttl_ms, rng.randint(6, 14)
    maker.add(at_ns + begin_ms * MS, "family", host, maker.pool(), *shape, *_subject(rng, True))


def _subject(rng: Random, governed: bool) -> tuple[str, str]:
    """Draws the subject of a piece of work, and the model that it uses."""
    if not governed:
        return "", ""
    return rng.choice((*KNOWN, *KNOWN, *SUBJECTS)), rng.choice(MODELS)


def _work(maker: _Maker, at_ns: int) -> None:
    """One piece of work: host, pool, kind, amounts in percent and minor units, how it goes on."""
    rng, knobs = maker.rng, maker.knobs
    # Demand is skewed: half of it comes to the first host.
    host = 0 if rng.random() < 0.4 else maker.host()
    amount = rng.choice((1, 3, 10, 30, 100)) + rng.randint(0, 9)
    if rng.random() < 0.3:
        maker.add(at_ns, "charge", host, maker.pool(), amount, rng.randint(0, 3))
        return
    ttl_ms = rng.randint(max(1, knobs.max_ttl_ms // 4), knobs.max_ttl_ms)
    ending = rng.choice(("settle", "settle", "settle", "settle", "over", "late", "release", "abandon"))
    parts, extends = rng.choice((0, 0, 0, 1, 2)), rng.choice((0, 0, 1))
    actual_percent = rng.choice((0, 30, 100, 100, 100))
    wait_ms = rng.randint(0, max(1, ttl_ms // 3))
    least_percent = rng.choice((0, 0, 50))
    retries = rng.randint(0, 3)
    maker.add(
        at_ns, "session", host, maker.pool(), amount, least_percent, ttl_ms, ending, parts, extends, actual_percent,
        wait_ms, retries,
    )  # fmt: skip


def _knobs(rng: Random) -> Knobs:
    def rarely(common: int, *rare: int) -> int:
        return rng.choice(rare) if rng.random() < 0.25 else common

    host_count = rng.randint(2, 4)
    low_us = rarely(rng.randint(50, 500), 1, 5_000)
    delay_us = (low_us, low_us * rng.choice((1, 2, 10)))
    commit_us = (50, rarely(400, 60, 20_000))
    # Two heartbeats without a word end a stream: an answer that is on its way is not silence.
    least_ms = max(40, (2 * delay_us[1] + 2 * commit_us[1]) // US + 10)
    heartbeat_ms = rng.randint(least_ms, least_ms * 8)
    validity_ms = max(2 * heartbeat_ms, rng.randint(300, 1_500))
    max_ttl_ms = rarely(rng.randint(200, 1_000), 30, 60)
    allowance_validity_ms = validity_ms * rng.randint(1, 4)
    return Knobs(
        host_count=host_count,
        replica_count=rarely(1, 2, 2, 3),
        pools=tuple(_pool(rng, f"pool-{n}") for n in range(rng.randint(1, 3))),
        validity_ms=validity_ms,
        heartbeat_ms=heartbeat_ms,
        max_ttl_ms=max_ttl_ms,
        # Both clocks may be 1 % off, each its own way, over the whole time; and each of them counts in whole ms.
        slack_ms=(allowance_validity_ms + max_ttl_ms) * 3 // 100 + 5,
        sweep_ms=rarely(rng.randint(50, 200), 25),
        allowance_validity_ms=allowance_validity_ms,
        recall_timeout_ms=rarely(100, 10, 300),
        snapshot_ms=rarely(50, 10, 200),
        window=rarely(4_096, 1, 2, 5),
        post_debits=rarely(1_024, 1, 2),
        batch_debits=rarely(1_000, 1, 3),
        lease_wait_ms=rarely(250, 0, 5, 1_000),
        horizon_ms=rarely(rng.randint(100, 2_000), 0, 10_000),
        idle_ms=rarely(rng.choice((200, 1_000, 60_000)), 10, 40),
        denied_retry_ms=rarely(100, 1, 20),
        retention_count=rarely(10_000, 0, 3),
        outcome_ms=rarely(600_000, 100, 500),
        outcome_limit=rarely(1_000_000, 3, 20),
        backoff_max_ms=rng.choice((100, 400, 1_000)),
        welcome_ms=rng.choice((200, 1_000, 1_500)),
        delay_us=delay_us,
        commit_us=commit_us,
        drifts_ppm=tuple(rng.randint(-10_000, 10_000) for _ in range(host_count + 1)),
        ledger_drift_ppm=rng.randint(-10_000, 10_000),
        durabilities=tuple(rng.choice(("host", "host", "process")) for _ in range(host_count + 1)),
    )


def _pool(rng: Random, pool_id: str) -> PoolPlan:
    granted = rng.choice((0, 50, 300, 1_000, 5_000))
    return PoolPlan(pool_id, granted, *_policy(rng))


def _policy(rng: Random) -> tuple[int, int, int, int, int]:
    """Draws enforcement, overdraft limit, partition mode, its threshold, and the silence after which it counts."""
    enforcement = STRICT if rng.random() < 0.75 else OPTIMISTIC
    limit = rng.choice((0, 50, 200)) if enforcement == OPTIMISTIC else 0
    mode = rng.choice((FAIL_CLOSED, ALLOWANCE, ALLOWANCE, FAIL_OPEN))
    threshold = rng.choice((10, 100, 400)) if mode == ALLOWANCE else 0
    return enforcement, limit, mode, threshold, rng.choice((0, 0, 50, 500))
