"""Eight sidecars on one pool of a real ledger, demand skewed: what sharing costs, and what is left at the end.

In the steady state the pool is large: nobody may be denied, and few calls may have to wait for the ledger. At its end
a pool is charged until the first denial: what was spent by then, and in all, against what it held. And of an OPTIMISTIC
pool one host spends what there is: how long until every other one denies.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio
from holdfast.v1 import ledger_service_pb2 as ledger_pb
from holdfast.v1.decision_pb2 import ENFORCEMENT_OPTIMISTIC, VERDICT_ALLOW, Reason
from holdfast.v1.enforcement_service_pb2 import ChargeRequest, CheckRequest
from holdfast.v1.enforcement_service_pb2_grpc import EnforcementServiceStub
from holdfast.v1.ledger_service_pb2_grpc import LedgerServiceStub

from holdfast_bench import load as loads
from holdfast_bench import system, work
from holdfast_bench.load import Load, Open
from holdfast_bench.options import Durability, Options
from holdfast_bench.results import Figures, Json, Measure, Report, Spread, percentiles_of
from holdfast_bench.rounds import say

SIDECAR_COUNT = 8
RATE_PER_S = 400.0
"""Lifecycles a second over all sidecars, unless told: nine processes share the cores, and each small batch costs as
much as a large one, so two cores are full at about four times of it."""
END_AMOUNT = 10_000_000
"""Minor units of the pool that is emptied."""
BLOCK_COUNT = 5
"""OPTIMISTIC pools that are spent, one after the other, in each round."""
BLOCK_AMOUNT = 1_000
END_CHARGES = (40, 160, 600, 1_100)
"""Minor units of its charges, in turn."""
POSTED_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class _Steady:
    p99_us: int
    p99_not_waited_us: int
    waited_share: float
    throughput_per_s: float


@dataclass(frozen=True, slots=True)
class _End:
    spent_at_denial_share: float
    spent: int
    charge_count: int
    denials: dict[str, int]
    """By reason; each of the callers stops at its first one."""


def run(options: Options) -> Report:
    """Measures both, per durability; afresh in each round."""
    measures: list[Measure] = []
    faults: list[str] = []
    for durability in options.durabilities:
        steady: list[_Steady] = []
        ends: list[_End] = []
        blocked_ms: list[float] = []
        for index in range(options.rounds):
            with _sidecars(options, durability) as (source, processes):
                steady.append(_steady(options, processes, faults))
                targets = [process.target for process in processes]
                ends.append(asyncio.run(_empty(source.target, targets)))
                blocked_ms += [asyncio.run(_block(targets, f"{number}")) for number in range(BLOCK_COUNT)]
                if ends[-1].spent > END_AMOUNT:
                    faults.append(f"{durability}, round {index + 1}: spent {ends[-1].spent} of {END_AMOUNT}")
            say(f"hot-pool: round {index + 1} of {options.rounds}, {durability}: {steady[-1]}, {ends[-1]}")
        of: dict[str, Json] = {"sidecar_count": SIDECAR_COUNT, "durability": durability}
        measures += _measures(of, steady, ends)
        measures.append(Measure("optimistic_blocked_ms", of, Spread.of(blocked_ms)))
    return Report("hot-pool", measures=measures, faults=faults)


def _measures(of: dict[str, Json], steady: Sequence[_Steady], ends: Sequence[_End]) -> list[Measure]:
    return [
        Measure("steady_throughput_per_s", of, Spread.of(one.throughput_per_s for one in steady)),
        Measure("steady_latency_us_p99", of, Spread.of(one.p99_us for one in steady)),
        Measure("steady_latency_us_p99_not_waited", of, Spread.of(one.p99_not_waited_us for one in steady)),
        Measure("steady_waited_share", of, Spread.of(one.waited_share for one in steady)),
        Measure("spent_at_first_denial_share", of, Spread.of(one.spent_at_denial_share for one in ends)),
        Measure("spent_in_all_share", of, Spread.of(one.spent / END_AMOUNT for one in ends)),
    ]


@contextlib.contextmanager
def _sidecars(options: Options, durability: Durability) -> Iterator[tuple[system.Process, list[system.Process]]]:
    """A ledger with two pools, and the sidecars that share them."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(system.workspace())
        source = stack.enter_context(system.ledger(folder))
        _create_pools(source.target)
        processes = [
            stack.enter_context(_sidecar(folder / f"host-{n}", source.target, options, durability))
            for n in range(SIDECAR_COUNT)
        ]
        for process in processes:
            system.await_rights(process.target)
        yield source, processes


def _sidecar(folder: Path, ledger_target: str, options: Options, durability: Durability) -> system.Process:
    folder.mkdir()
    return system.sidecar(
        folder,
        ledger_target,
        sidecar_id=folder.name,
        transport=options.transport,
        durability=durability,
        metrics=True,
        flags=["--drain-grace-ms", "200"],
    )


def _create_pools(target: str) -> None:
    with grpc.insecure_channel(target) as channel:
        stub = LedgerServiceStub(channel)
        account = ledger_pb.Account(account_id=work.ACCOUNT)
        stub.CreateAccount(ledger_pb.CreateAccountRequest(account=account), timeout=system.START_TIMEOUT_S)
        optimistic = {f"open-{number}": BLOCK_AMOUNT for number in range(BLOCK_COUNT)}
        for pool_id, amount in {work.POOL: 10**12, "end": END_AMOUNT, **optimistic}.items():
            pool = ledger_pb.Pool(account_id=work.ACCOUNT, pool_id=pool_id)
            if pool_id in optimistic:
                pool.policy.enforcement = ENFORCEMENT_OPTIMISTIC
            stub.CreatePool(ledger_pb.CreatePoolRequest(pool=pool))
            grant = ledger_pb.Grant(
                grant_id="g", account_id=work.ACCOUNT, pool_id=pool_id, amount=amount, category="GRANT_CATEGORY_PAID"
            )
            stub.CreateGrant(ledger_pb.CreateGrantRequest(grant=grant))


def _weights() -> list[float]:
    """How the demand falls on the sidecars: Zipf's law, the first has eight times what the last has."""
    raw = [1 / (rank + 1) for rank in range(SIDECAR_COUNT)]
    return [weight / sum(raw) for weight in raw]


def _steady(options: Options, processes: Sequence[system.Process], faults: list[str]) -> _Steady:
    """Loads every sidecar at its own rate at once."""
    rate_per_s = options.rate_per_s or RATE_PER_S
    waited_before = sum(system.metric(process, "holdfast_waited_calls_total") for process in processes)

    def one(place: int) -> Figures:
        pacing = Open(rate_per_s * _weights()[place])
        load = Load(work.lifecycle(), pacing, options.warmup_s, options.seconds, 1, place * 10**9)
        return loads.run(processes[place].target, load)

    with ThreadPoolExecutor(SIDECAR_COUNT) as threads:
        runs = list(threads.map(one, range(SIDECAR_COUNT)))
    faults += [f"sidecar {place}: {figures.fault}" for place, figures in enumerate(runs) if figures.fault]
    waited = sum(system.metric(process, "holdfast_waited_calls_total") for process in processes) - waited_before
    counts: Counter[int] = Counter()
    for figures in runs:
        counts.update(dict(figures.buckets))
    share = waited / sum(counts.values())
    return _Steady(
        p99_us=percentiles_of(sorted(counts.items()))["p99"],
        p99_not_waited_us=percentiles_of(_without_slowest(counts, int(waited)))["p99"],
        waited_share=share,
        throughput_per_s=sum(figures.throughput_per_s for figures in runs),
    )


def _without_slowest(counts: Counter[int], left_out: int) -> list[tuple[int, int]]:
    """The histogram without its slowest calls: those that waited for the ledger took longest."""
    kept: list[tuple[int, int]] = []
    for value_us, count in sorted(counts.items(), reverse=True):
        cut = min(left_out, count)
        left_out -= cut
        if count > cut:
            kept.append((value_us, count - cut))
    return kept[::-1]


async def _empty(ledger_target: str, targets: Sequence[str]) -> _End:
    """Charges a pool from all sidecars until each has denied."""
    spent, charge_count = 0, 0
    denials: Counter[str] = Counter()
    spent_at_denial: int | None = None

    async def caller(place: int, lane: int) -> None:
        nonlocal spent, charge_count, spent_at_denial
        async with grpc.aio.insecure_channel(targets[place]) as channel:
            stub = EnforcementServiceStub(channel)
            for number in range(10**9):
                amount = END_CHARGES[(number + lane) % len(END_CHARGES)]
                operation_id = f"end-{place}-{lane}-{number}"
                request = ChargeRequest(operation_id=operation_id, account_id=work.ACCOUNT, pool_id="end", delta=amount)
                answer = await stub.Charge(request, timeout=system.START_TIMEOUT_S)
                charge_count += 1
                if answer.verdict != VERDICT_ALLOW:
                    denials[Reason.Name(answer.reason)] += 1
                    if spent_at_denial is None:
                        spent_at_denial = spent
                    return
                spent += amount

    lanes = [max(1, round(weight * 16)) for weight in _weights()]
    await asyncio.gather(*(caller(place, lane) for place, count in enumerate(lanes) for lane in range(count)))
    assert spent_at_denial is not None
    await _await_posted(ledger_target, spent)
    return _End(spent_at_denial / END_AMOUNT, spent, charge_count, dict(denials))


async def _block(targets: Sequence[str], number: str) -> float:
    """Spends an OPTIMISTIC pool on the first host; returns after how many milliseconds all others deny."""
    pool_id = f"open-{number}"
    request = CheckRequest(account_id=work.ACCOUNT, pool_id=pool_id, amount=1)

    async def denied(stub: EnforcementServiceStub) -> None:
        while (await stub.Check(request)).verdict == VERDICT_ALLOW:
            await asyncio.sleep(0.002)

    async with contextlib.AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(grpc.aio.insecure_channel(target)) for target in targets]
        stubs = [EnforcementServiceStub(channel) for channel in channels]
        for stub in stubs:
            if (await stub.Check(request)).verdict != VERDICT_ALLOW:
                raise RuntimeError(f"pool {pool_id} is not open")
        charge = ChargeRequest(
            operation_id=f"spend-{number}", account_id=work.ACCOUNT, pool_id=pool_id, delta=BLOCK_AMOUNT
        )
        await stubs[0].Charge(charge)
        begun_s = time.monotonic()
        await asyncio.gather(*(denied(stub) for stub in stubs[1:]))
        return (time.monotonic() - begun_s) * 1e3


async def _await_posted(ledger_target: str, spent: int) -> None:
    """Waits until the ledger has posted what was spent. Raises RuntimeError if it comes to another sum."""
    deadline_s = time.monotonic() + POSTED_TIMEOUT_S
    async with grpc.aio.insecure_channel(ledger_target) as channel:
        stub = LedgerServiceStub(channel)
        request = ledger_pb.GetPoolRequest(account_id=work.ACCOUNT, pool_id="end")
        while True:
            balance = (await stub.GetPool(request)).balance
            if balance.spent_total == spent:
                return
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"{spent} were spent, the ledger says {balance.spent_total}")
            await asyncio.sleep(0.05)
