"""What the demo plays: which calls come when, how much faster than they were, and the wallet that they empty.

The calls come in turns: a fan-out of `FANOUT` at once, as an agent makes it, then as many one by one at their times.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from holdfast.v1.ledger_service_pb2 import GRANT_CATEGORY_PAID, GRANT_CATEGORY_PROMOTIONAL, GrantCategory

from holdfast_bench import workload
from holdfast_bench.work import FANOUT
from holdfast_bench.workload import LlmCall

CREDIT = 1_000_000
"""Minor units of a credit."""
SEED = 20_231_116
CALLS_PER_S = 800.0
"""Pace of the calls once time is compressed: two thousand operations a second, half a core."""
WALLET_CALLS_MIN = 6 * FANOUT
"""Calls that the wallet lasts for at least, so that there are fan-outs before and after the crash."""
_WALLET_STEP = 10_000
"""The wallet is a round sum: a hundredth of a credit."""
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Wave:
    """Calls that begin at the same moment."""

    at_s: float
    """When they begin, in seconds of the demo."""
    calls: tuple[LlmCall, ...]

    @property
    def is_fanout(self) -> bool:
        """Whether one agent makes them all."""
        return len(self.calls) > 1


@dataclass(frozen=True, slots=True)
class GrantPlan:
    """A grant to create."""

    grant_id: str
    category: GrantCategory
    priority: int
    share_percent: int
    """Of the wallet."""
    lifetime_ms: int
    """From now to its expiry; 0: it never expires."""


GRANTS = (
    GrantPlan("invoice-7", GRANT_CATEGORY_PAID, 30, 45, 0),
    GrantPlan("monthly", GRANT_CATEGORY_PAID, 20, 30, 30 * DAY_MS),
    GrantPlan("welcome", GRANT_CATEGORY_PROMOTIONAL, 10, 25, 0),
)
"""In the order of their creation, which is the reverse of the order in which they have to burn."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run."""

    source: str
    """Where the calls come from, for people."""
    speed: float
    """How much faster time runs than it did."""
    wallet: int
    """All that is granted, in minor units."""
    calls: Iterator[LlmCall]
    """Without end, each at its second of the demo's time."""

    @property
    def pace(self) -> str:
        """The speed for people."""
        return f"{self.speed:,.0f}x faster" if self.speed >= 10 else f"{self.speed:.2g}x as fast"


def make_plan(trace: Path | None, speed: float | None, seconds: float) -> Plan:
    """Plans a run whose wallet lasts for about `seconds`; `speed` None: as fast as `CALLS_PER_S` needs.

    Raises:
        ValueError: The trace cannot be read.
        OSError: As `ValueError`.
    """
    if trace is None:
        source, pace_per_s = f"as in a production trace (seed {SEED})", workload.CALLS_PER_S
        calls, again = workload.draw(SEED), workload.draw(SEED)
    else:
        read = workload.read_trace(trace)
        source, pace_per_s = f"of {trace.name} ({len(read):,})", workload.rate_per_s(read)
        calls, again = workload.repeat(read), workload.repeat(read)
    chosen = speed if speed is not None else CALLS_PER_S / pace_per_s
    count = max(WALLET_CALLS_MIN, round(pace_per_s * chosen * seconds))
    cost = sum(call.cost for call in itertools.islice(again, count))
    wallet = max(1, -(-cost // _WALLET_STEP)) * _WALLET_STEP
    return Plan(source, chosen, wallet, (dataclasses.replace(call, at_s=call.at_s / chosen) for call in calls))


def waves(calls: Iterator[LlmCall]) -> Iterator[Wave]:
    """Groups calls, in turns, into a fan-out and into waves of one."""
    while group := tuple(itertools.islice(calls, FANOUT)):
        yield Wave(group[0].at_s, group)
        yield from (Wave(call.at_s, (call,)) for call in itertools.islice(calls, FANOUT))


def amounts(wallet: int) -> dict[str, int]:
    """What each grant has, in minor units; together the wallet, to the last unit."""
    found = {grant.grant_id: wallet * grant.share_percent // 100 for grant in GRANTS}
    found[GRANTS[0].grant_id] += wallet - sum(found.values())
    return found


def as_credits(amount: int) -> str:
    """Minor units as credits for people, to a ten-thousandth."""
    return f"{amount / CREDIT:,.4f}"
