"""The ledger is killed under load and started again: how long until every sidecar is back and has nothing waiting."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from holdfast_bench import load as loads
from holdfast_bench import system, work
from holdfast_bench.load import Load, Open
from holdfast_bench.options import Options
from holdfast_bench.ports import unused_port
from holdfast_bench.results import Json, Measure, Report, Spread
from holdfast_bench.rounds import say
from holdfast_bench.scenarios.ledger import set_up_pool

SIDECAR_COUNT = 4
RATE_PER_S = 100.0
"""Lifecycles a second and sidecar."""
LOAD_S = 12.0
KILL_AFTER_S = 4.0
SYNCED_LAG_S = 0.1
"""A sidecar is back when it is welcomed and its oldest debit is no older than this."""
POLL_S = 0.01
TIMEOUT_S = 30.0


def run(options: Options) -> Report:
    """Measures it, afresh in each round."""
    resync_s: list[float] = []
    failed: list[str] = []
    for index in range(options.rounds):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(system.workspace())
            port = unused_port()
            source = system.ledger(folder, port=port)
            set_up_pool(source.target)
            processes = [stack.enter_context(sidecar) for sidecar in _sidecars(folder, source.target, options)]
            with _loaded(processes, failed):
                time.sleep(KILL_AFTER_S)
                source.kill()
                source = stack.enter_context(system.ledger(folder, port=port))
                begun_s = time.monotonic()
                _await_synced(processes)
                resync_s.append(time.monotonic() - begun_s)
        say(f"failover: round {index + 1} of {options.rounds}: {resync_s[-1]:.2f} s")
    of: dict[str, Json] = {"store": "sqlite", "sidecar_count": SIDECAR_COUNT}
    return Report("failover", measures=[Measure("resync_s", of, Spread.of(resync_s))], faults=failed)


def _sidecars(folder: Path, ledger_target: str, options: Options) -> Iterator[system.Process]:
    for number in range(SIDECAR_COUNT):
        own = folder / f"host-{number}"
        own.mkdir()
        process = system.sidecar(
            own,
            ledger_target,
            sidecar_id=own.name,
            transport=options.transport,
            durability=options.durabilities[0],
            metrics=True,
            flags=["--drain-grace-ms", "200"],
        )
        system.await_rights(process.target)
        yield process


@contextlib.contextmanager
def _loaded(processes: Sequence[system.Process], failed: list[str]) -> Iterator[None]:
    """Puts the load on all sidecars while the block runs, and notes calls that failed or were denied."""

    def one(place: int) -> None:
        load = Load(work.lifecycle(), Open(RATE_PER_S), 0.5, LOAD_S, 1, place * 10**9)
        fault = loads.run(processes[place].target, load).fault
        if fault:
            failed.append(f"sidecar {place}: {fault}")

    with ThreadPoolExecutor(len(processes)) as threads:
        runs = [threads.submit(one, place) for place in range(len(processes))]
        yield
        for under_way in runs:
            under_way.result()


def _await_synced(processes: Sequence[system.Process]) -> None:
    """Waits until every sidecar is back. Raises TimeoutError."""
    deadline_s = time.monotonic() + TIMEOUT_S
    away = list(processes)
    while away:
        away = [process for process in away if not _is_synced(process)]
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{len(away)} sidecars were not back within {TIMEOUT_S:.0f} s")
        time.sleep(POLL_S)


def _is_synced(process: system.Process) -> bool:
    connected = system.metric(process, "holdfast_uplink_connected")
    return connected == 1 and system.metric(process, "holdfast_uplink_lag_seconds") < SYNCED_LAG_S
