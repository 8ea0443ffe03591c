"""Fans out through the Python client, in a process of its own: 50 reserves in one tick of the event loop, then a pause.

`python -m holdfast_bench.python_fanout` reads a `Fanout` as JSON and writes the figures back.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass

import grpc
import uvloop
from holdfast.aio import AsyncClient, Session
from holdfast.errors import Denied, HoldfastError

from holdfast_bench import governed
from holdfast_bench.load import read_figures
from holdfast_bench.options import PathShape
from holdfast_bench.results import Figures, percentiles_of
from holdfast_bench.work import ACCOUNT, AMOUNT, POOL, TTL_MS

_TIMEOUT_MS = 10_000
_OK = 0


@dataclass(frozen=True, slots=True)
class Fanout:
    """What is asked of the client."""

    target: str
    size: int
    period_us: int
    warmup_s: float
    seconds: float
    path: PathShape


def run(fanout: Fanout) -> Figures:
    """Runs it in a child process. Raises RuntimeError if that process fails."""
    command = [sys.executable, "-m", "holdfast_bench.python_fanout"]
    child = subprocess.run(command, input=json.dumps(asdict(fanout)), capture_output=True, text=True, check=False)
    if child.returncode != 0:
        raise RuntimeError(f"the fan-out at {fanout.target} failed:\n{child.stderr}")
    return read_figures(child.stdout)


class _Tally:
    def __init__(self) -> None:
        self.latencies_us: Counter[int] = Counter()
        self.statuses: Counter[int] = Counter()
        self.denied_count = 0


async def fan_out(fanout: Fanout) -> Figures:
    """Runs it in this process's event loop."""
    tally = _Tally()
    begun_s = time.monotonic()
    end_s = begun_s + fanout.warmup_s + fanout.seconds
    due_s = begun_s
    async with AsyncClient(fanout.target, timeout_ms=_TIMEOUT_MS) as client, client.session() as session:
        while due_s < end_s:
            intended_s = due_s
            if (early_s := due_s - time.monotonic()) > 0:
                await asyncio.sleep(early_s)
                intended_s = time.monotonic()  # the timer's lateness is not the client's
            await _burst(session, fanout, tally, intended_s, measured=due_s >= begun_s + fanout.warmup_s)
            due_s += fanout.period_us / 1e6
    buckets = sorted(tally.latencies_us.items())
    return Figures(
        throughput_per_s=tally.statuses[_OK] / fanout.seconds,
        latency_us=percentiles_of(buckets),
        buckets=buckets,
        status_counts=dict(tally.statuses),
        unexpected_count=tally.denied_count,
    )


async def _burst(session: Session, fanout: Fanout, tally: _Tally, intended_s: float, *, measured: bool) -> None:
    if fanout.path == "full":
        reserves = [
            session.reserve(
                ACCOUNT,
                AMOUNT,
                pool=POOL,
                ttl_ms=TTL_MS,
                subject=governed.agent_of(str(place % governed.USER_COUNT)),
                dimensions=governed.DIMENSIONS,
            )
            for place in range(fanout.size)
        ]
    else:
        reserves = [session.reserve(ACCOUNT, AMOUNT, pool=POOL, ttl_ms=TTL_MS) for _ in range(fanout.size)]
    holds = await asyncio.gather(*reserves, return_exceptions=True)
    latency_us = round((time.monotonic() - intended_s) * 1e6)
    if measured:
        tally.latencies_us[latency_us] += 1
        tally.statuses.update(_status(hold) for hold in holds)
        tally.denied_count += sum(isinstance(hold, Denied) for hold in holds)
    await asyncio.gather(*(hold.settle(AMOUNT) for hold in holds if not isinstance(hold, BaseException)))


def _status(outcome: object) -> int:
    if isinstance(outcome, Denied) or not isinstance(outcome, BaseException):
        return _OK
    if isinstance(outcome, HoldfastError):
        return int(grpc.StatusCode.UNAVAILABLE.value[0])
    raise outcome


def main() -> None:
    """Does what the parent says on standard input."""
    fanout = Fanout(**json.load(sys.stdin))
    json.dump(asdict(uvloop.run(fan_out(fanout))), sys.stdout)


if __name__ == "__main__":
    main()
