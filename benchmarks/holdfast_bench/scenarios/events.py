"""Events at one sidecar over a real ledger: how many a second, durable and charged; and when a query shows them.

First as many as the sidecar takes. Then, at a fixed rate, a probe is reported several times a second, an event whose
figure is asked for until it is there: the time from the answer to its report until QueryUsage's figure has it. Load,
sidecar, ledger and usage store share the machine.
"""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import grpc
from holdfast.v1 import ledger_service_pb2 as ledger_pb
from holdfast.v1 import meter_pb2, metering_service_pb2
from holdfast.v1 import usage_service_pb2 as pb
from holdfast.v1.ledger_service_pb2_grpc import LedgerServiceStub
from holdfast.v1.metering_service_pb2_grpc import MeteringServiceStub
from holdfast.v1.usage_service_pb2_grpc import UsageServiceStub

from holdfast_bench import system
from holdfast_bench.event_load import ACCOUNTS, EVENT_TYPE
from holdfast_bench.options import Options
from holdfast_bench.results import Json, Measure, Report, Spread
from holdfast_bench.rounds import say

RATE_PER_S = 20_000.0
"""Events while probes are watched, unless told."""
PROBE_INTERVAL_S = 0.25
PROBE_ACCOUNT = "bench-probe"
PROBE_KEY = "probe"
FIRST_TIMEOUT_S = 120.0
"""For all that was reported before the probes to get into the figures."""
SEEN_TIMEOUT_S = 30.0
"""After the load; a probe that is not seen by then is a fault."""
POOL = "general"
GRANT = 10**15
DAY_MS = 86_400_000
_UNSEEN = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE)
"""Before the first probe is in, nothing has its key; before the usage store runs, nobody answers."""


def run(options: Options) -> Report:
    """Measures it with the durability of a host, afresh in each round."""
    rate_per_s = options.rate_per_s or RATE_PER_S
    rounds: list[_Round] = []
    for index in range(options.rounds):
        rounds.append(_round(options, rate_per_s))
        say(f"events: round {index + 1} of {options.rounds}: {rounds[-1].events_per_s:,.0f} events/s")
    seen_s = sorted(second for found in rounds for second in found.seen_s)
    spread = Spread.of(found.events_per_s for found in rounds)
    of: dict[str, Json] = {"durability": "host", "account_count": len(ACCOUNTS)}
    record: dict[str, Json] = {
        **of,
        "events_per_s": round(spread.median),
        "visible_after_s": {"p50": _percentile(seen_s, 0.5), "p99": _percentile(seen_s, 0.99)} if seen_s else None,
        "visible_at_events_per_s": round(Spread.of(found.visible_at_per_s for found in rounds).median),
        "probe_count": len(seen_s),
        "rounds": options.rounds,
    }
    faults = [f"round {number}: {fault}" for number, found in enumerate(rounds, 1) for fault in found.faults]
    return Report("events", measures=[Measure("events_per_s", of, spread)], faults=faults, records=[record])


@dataclass(slots=True)
class _Round:
    events_per_s: float = 0.0
    visible_at_per_s: float = 0.0
    seen_s: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def _round(options: Options, rate_per_s: float) -> _Round:
    found = _Round()
    seconds = options.warmup_s + options.seconds
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(system.workspace())
        ledger = stack.enter_context(system.ledger(folder, flags=["--usage-store", str(folder / "usage")]))
        set_up(ledger.target)
        sidecar = system.sidecar(folder, ledger.target, transport=options.transport, durability="host", metrics=True)
        stack.enter_context(sidecar)
        _await_meters(sidecar)
        found.events_per_s = _load(sidecar, "fast", seconds, 0, found)
        with _Probes(sidecar.target, ledger.target, found) as probes:
            probes.await_first()
            found.visible_at_per_s = _load(sidecar, "steady", seconds, rate_per_s, found)
        if system.metric(sidecar, "holdfast_event_pushes_failed_total"):
            found.faults.append("the ledger did not take every batch of events at once")
    return found


def _load(sidecar: system.Process, source: str, seconds: float, rate_per_s: float, found: _Round) -> float:
    """Puts load on a sidecar; returns the events that it accepted a second."""
    command = [sys.executable, "-m", "holdfast_bench.event_load", sidecar.target, source, str(seconds), str(rate_per_s)]
    load = subprocess.run(command, capture_output=True, text=True, check=False)
    if load.returncode:
        raise RuntimeError(f"the load failed: {load.stderr[-500:]}")
    told = json.loads(load.stdout)
    found.faults += told["faults"]
    return float(told["accepted_count"] / told["took_s"])


def set_up(ledger_target: str) -> None:
    """Accounts with a pool full of credits each, and a meter that prices the load's events."""
    with grpc.insecure_channel(ledger_target) as channel:
        stub = LedgerServiceStub(channel)
        for account_id in (*ACCOUNTS, PROBE_ACCOUNT):
            account = ledger_pb.Account(account_id=account_id)
            stub.CreateAccount(ledger_pb.CreateAccountRequest(account=account), timeout=system.START_TIMEOUT_S)
            stub.CreatePool(ledger_pb.CreatePoolRequest(pool=ledger_pb.Pool(account_id=account_id, pool_id=POOL)))
            grant = ledger_pb.Grant(
                grant_id="bought", account_id=account_id, pool_id=POOL, amount=GRANT, category="GRANT_CATEGORY_PAID"
            )
            stub.CreateGrant(ledger_pb.CreateGrantRequest(grant=grant))
        meter = meter_pb2.Meter(
            meter_id="tokens",
            event_type=EVENT_TYPE,
            aggregation="AGGREGATION_SUM",
            quantity="tokens",
            pool_id=POOL,
            price_amount=3,
            price_per=1_000,
        )
        MeteringServiceStub(channel).SetMeter(metering_service_pb2.SetMeterRequest(meter=meter))


def _await_meters(sidecar: system.Process) -> None:
    deadline_s = time.monotonic() + system.START_TIMEOUT_S
    while system.metric(sidecar, "holdfast_event_meters") < 1:
        if time.monotonic() > deadline_s:
            raise TimeoutError("the sidecar heard of no meter")
        time.sleep(0.05)


class _Probes:
    """Reports a probe from time to time while the block runs, and asks until each is in the figures."""

    def __init__(self, sidecar_target: str, ledger_target: str, found: _Round) -> None:
        self._sidecar_target = sidecar_target
        self._ledger_target = ledger_target
        self._found = found
        self._reported_s: dict[str, float] = {}
        self._first = threading.Event()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._report), threading.Thread(target=self._watch)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if self._reported_s:
            self._found.faults.append(f"{len(self._reported_s)} probes were not seen")

    def await_first(self) -> None:
        """Waits until a probe is seen, and with it all that was reported before; those until then do not count."""
        if not self._first.wait(FIRST_TIMEOUT_S):
            self._found.faults.append(f"no probe was seen within {FIRST_TIMEOUT_S:.0f} s")
        self._found.seen_s.clear()

    def _report(self) -> None:
        number = 0
        with grpc.insecure_channel(self._sidecar_target) as channel:
            stub = UsageServiceStub(channel)
            while not self._stopping.wait(PROBE_INTERVAL_S):
                number += 1
                name = f"{number:06}"
                now_ms = time.time_ns() // 1_000_000
                event = pb.UsageEvent(
                    id=name, source="probe", type=EVENT_TYPE, time_unix_ms=now_ms, account_id=PROBE_ACCOUNT
                )
                event.dimensions[PROBE_KEY] = name
                event.quantities["tokens"] = 1
                stub.ReportEvents(pb.ReportEventsRequest(events=[event]), timeout=system.START_TIMEOUT_S)
                self._reported_s[name] = time.monotonic()

    def _watch(self) -> None:
        deadline_s = float("inf")
        with grpc.insecure_channel(self._ledger_target) as channel:
            stub = UsageServiceStub(channel)
            while self._reported_s or not self._stopping.is_set():
                if self._stopping.is_set() and deadline_s == float("inf"):
                    deadline_s = time.monotonic() + SEEN_TIMEOUT_S
                for name in _seen(stub):
                    reported_s = self._reported_s.pop(name, None)
                    if reported_s is not None:
                        self._found.seen_s.append(time.monotonic() - reported_s)
                        self._first.set()
                if time.monotonic() > deadline_s:
                    return
                time.sleep(PROBE_INTERVAL_S / 2)


def _seen(stub: UsageServiceStub) -> Iterator[str]:
    """Yields the probes that the figures have."""
    now_ms = time.time_ns() // 1_000_000
    question = pb.QueryUsageRequest(
        account_id=PROBE_ACCOUNT,
        measure="USAGE_MEASURE_QUANTITY",
        start_unix_ms=now_ms - DAY_MS,
        end_unix_ms=now_ms + DAY_MS,
        group_by=[PROBE_KEY],
        page_size=10_000,
    )
    try:
        answer = stub.QueryUsage(question, timeout=system.START_TIMEOUT_S)
    except grpc.RpcError as error:
        if error.code() not in _UNSEEN:
            raise
        return
    for cell in answer.cells:
        yield cell.group[0]


def _percentile(ordered: list[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)
