"""LLM calls over time, faster than they were: each reserves its estimate, extends where it passes it, and settles."""

import itertools
from collections.abc import Iterable

from holdfast.v1.enforcement_service_pb2 import ExtendRequest, ReserveRequest, SettleRequest

from holdfast_bench import governed, work
from holdfast_bench.generator import step_of
from holdfast_bench.load import Load, Replay
from holdfast_bench.options import Options, PathShape
from holdfast_bench.results import Report
from holdfast_bench.rounds import run_load
from holdfast_bench.workload import CALLS_PER_S, LlmCall, draw, read_trace

DEFAULT_CALLS_PER_S = 500.0
"""About a thousand operations a second, so that the portable transport keeps up too."""
SEED = 20_231_116

RESERVE, EXTEND, SETTLE = 0, 1, 2
STEPS = (
    work.reserve("full"),
    step_of(work.SERVICE + "Extend", ExtendRequest(), expect=work.ALLOW),
    step_of(work.SERVICE + "Settle", SettleRequest()),
)


def run(options: Options) -> Report:
    """Measures it; `rate_per_s` is that of the LLM calls, and says how much faster time runs."""
    speed_up = (options.rate_per_s or DEFAULT_CALLS_PER_S) / CALLS_PER_S
    drawn: Iterable[LlmCall] = draw(SEED) if options.trace is None else read_trace(options.trace)
    end_s = (options.warmup_s + options.seconds) * speed_up
    calls = list(itertools.takewhile(lambda call: call.at_s < end_s, drawn))

    def make(path: PathShape) -> Load:
        schedule = schedule_of(calls, speed_up, path)
        return Load(STEPS, Replay(schedule), options.warmup_s, options.seconds, options.connection_count)

    return run_load("trace", options, make)


def schedule_of(calls: Iterable[LlmCall], speed_up: float, path: PathShape) -> list[tuple[int, int, bytes]]:
    """The operations of the calls at their times, all times divided by `speed_up`."""
    schedule: list[tuple[int, int, bytes]] = []

    def at(second: float, step: int, payload: bytes) -> None:
        schedule.append((round(second / speed_up * 1e6), step, payload))

    for index, call in enumerate(calls):
        hold_id = f"r{index}"
        reserve = ReserveRequest(
            operation_id=hold_id,
            account_id=work.ACCOUNT,
            pool_id=work.POOL,
            amount=call.estimate,
            ttl_ms=work.TTL_MS,
        )
        if path == "full":
            reserve.subject = governed.agent_of(str(index % governed.USER_COUNT))
            reserve.dimensions.update(governed.DIMENSIONS)
        at(call.at_s, RESERVE, reserve.SerializeToString())
        if call.extension:
            extend = ExtendRequest(
                operation_id=f"e{index}", account_id=work.ACCOUNT, hold_id=hold_id, add_amount=call.extension
            )
            at(call.at_s + call.extends_after_s, EXTEND, extend.SerializeToString())
        settle = SettleRequest(
            operation_id=f"s{index}", account_id=work.ACCOUNT, hold_id=hold_id, amount=call.cost, pool_id=work.POOL
        )
        at(call.at_s + call.duration_s, SETTLE, settle.SerializeToString())
    schedule.sort(key=lambda item: item[0])
    return schedule
