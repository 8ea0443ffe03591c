"""`holdfast demo`: plays the acts in their order, and returns 1 if any promise was broken.

Acts: the wallet is filled; calls are replayed until denials begin, the sidecar is killed and restarted on the way;
fan-outs race for the last credits; all is drained; agents, sidecar and ledger are reconciled.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import itertools
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import uvloop
from holdfast.aio import AsyncClient
from holdfast.answers import Reason
from holdfast.errors import HoldfastError
from rich.console import Console
from rich.text import Text

from holdfast_bench.demo import report as reports
from holdfast_bench.demo.agents import Agents
from holdfast_bench.demo.history import History, read_history
from holdfast_bench.demo.plan import CALLS_PER_S, Plan, as_credits, make_plan, waves
from holdfast_bench.demo.reconciliation import Evidence, Race, burns, reconcile
from holdfast_bench.demo.report import Crash, Report
from holdfast_bench.demo.stage import ACCOUNT, POOL, Drained, Stage
from holdfast_bench.demo.tally import Tally
from holdfast_bench.demo.view import WIDTH, LiveView, PlainView
from holdfast_bench.demo.watch import Story, View, Watch
from holdfast_bench.system import ProcessFailed, workspace
from holdfast_bench.work import FANOUT

EXIT_BROKEN = 1
EXIT_INTERRUPTED = 130
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

KEPT = """
Kept for a closer look:
  holdfast ledger audit --database {folder}/ledger.db
  holdfast verify {folder}/sidecar
"""

SECONDS = 18.0
QUICK_SECONDS = 4.0
"""How long the wallet lasts; processes, race and reconciliation come on top."""
CRASH_AT_SHARE = 0.45
"""Share of the wallet spent or held at which the sidecar is killed."""
CRASH_AFTER_S = 0.01
"""From the launch of a fan-out to the kill: its calls are under way then."""
RACES_MAX = 20
LATE_S = 0.25
"""By how much calls may be late before those after them are put off as well."""
TIMEOUT_MS = 20_000
"""Of an operation of the agents: longer than the sidecar takes to come back on a slow machine."""
RETRIES = 1_000
STAY_CHECK_S = 0.5
SWITCH_INTERVAL_S = 0.0005
"""So that the agents do not wait 5 ms for the view's thread to give the interpreter up."""


def main(argv: Sequence[str]) -> int:
    """Runs the demo; returns 0, 1 with the reason if anything does not hold, or 130 if interrupted."""
    flags = _parser().parse_args(argv)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    for number in ENDING:
        signal.signal(number, signal.default_int_handler)  # nothing ends this process before it has stopped the others
    try:
        plan = make_plan(flags.trace, flags.speed, QUICK_SECONDS if flags.quick else SECONDS)
        with _folder(flags.folder) as folder, contextlib.closing(Stage(folder, flags.transport)) as stage:
            found = uvloop.run(_interruptible(plan, stage))
            if flags.stay:
                _stay(stage)
    except (asyncio.CancelledError, KeyboardInterrupt):
        return _complain("interrupted; ledger and sidecar are stopped", EXIT_INTERRUPTED)
    except grpc.RpcError as error:
        details = error.details() if isinstance(error, grpc.Call) else str(error)
        return _complain(f"the ledger failed: {details}", EXIT_BROKEN)
    except (ProcessFailed, HoldfastError, TimeoutError, OSError, ValueError) as error:
        return _complain(str(error), EXIT_BROKEN)
    if found.faults:
        return _complain("\n  ".join(["not every promise was kept:", *found.faults]), EXIT_BROKEN)
    if flags.folder is not None:
        sys.stdout.write(KEPT.format(folder=flags.folder))
    return 0


def _stay(stage: Stage) -> None:
    """Leaves ledger and sidecar as they are, for a look at them, until a signal comes."""
    for number in ENDING:  # the loop that has ended has left them to the system
        signal.signal(number, signal.default_int_handler)
    sys.stdout.write(f"\nLook around at {stage.console_url} and press Ctrl-C when done.\n")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            stage.check_alive()
            time.sleep(STAY_CHECK_S)


async def _interruptible(plan: Plan, stage: Stage) -> Report:
    """Plays, and is cancelled by signals, so that everything is stopped in its order."""
    playing = asyncio.create_task(Demo(plan, stage).play())
    loop = asyncio.get_running_loop()
    for number in ENDING:
        loop.add_signal_handler(number, playing.cancel)
    try:
        return await playing
    except BaseExceptionGroup as group:  # of calls under way together: the first fault made an end of the others
        raise group.exceptions[0] from None


class Demo:
    """One run on a stage that stands."""

    def __init__(self, plan: Plan, stage: Stage) -> None:
        self._plan = plan
        self._stage = stage
        self._waves = waves(plan.calls)
        self._tally = Tally()
        self._story = Story()
        self._console = Console(width=None if sys.stdout.isatty() else WIDTH)
        self._load_s = 0.0
        self._drained: Drained | None = None
        self._crash: Crash | None = None

    async def play(self) -> Report:
        """Plays all acts; returns what was found, after it was printed."""
        plan, stage = self._plan, self._stage
        self._console.print(Text.assemble(("holdfast demo", "bold"), f": LLM calls {plan.source}"))
        wallet = f"wallet of {as_credits(plan.wallet)} credits"
        self._console.print(Text(f"time {plan.pace}, {stage.transport} transport, {wallet}"))
        self._console.print(Text(f"console on {stage.console_url} while this runs"))
        await asyncio.to_thread(stage.fill_wallet, plan.wallet)
        history_file = stage.folder / "history.txt"
        watch = Watch(stage, self._tally, self._story, self._view())
        with contextlib.closing(History(history_file)) as history:
            watch.start()
            try:
                races = await self._spend(history)
            finally:
                await asyncio.to_thread(watch.stop)
        found = await asyncio.to_thread(self._reconcile, history_file, races)
        reports.show(found, self._console)
        return found

    def _view(self) -> View:
        if self._console.is_terminal:
            return LiveView(self._console, self._plan, self._stage.transport)
        return PlainView(sys.stdout)

    # ── the acts ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _spend(self, history: History) -> list[Race]:
        client = AsyncClient(self._stage.sidecar_target, timeout_ms=TIMEOUT_MS, retries=RETRIES)
        session = client.session()
        agents = Agents(session, self._tally, history, self._plan.speed)
        self._act("replaying calls, one by one and 50 at once")
        crash = await self._replay(agents)
        self._act("racing for the last credits")
        races = await self._race(agents, client)
        self._act("draining to the ledger")
        drained = self._drained = await asyncio.to_thread(self._stage.await_drained)
        resent_count = session.statistics().operations - self._tally.operation_count
        self._crash = Crash(*crash, resent_count, drained.replay_count)
        self._act("done")
        await client.close()
        return races

    async def _replay(self, agents: Agents) -> tuple[int, float, float]:
        """Makes the calls at their times, until denials began and the sidecar is back; waits for their ends.

        Returns the holds open at the crash, how long the sidecar was away, and how long its backlog took, in seconds.
        """
        begun_s = base_s = time.monotonic()
        crash: asyncio.Task[tuple[int, float, float]] | None = None
        async with asyncio.TaskGroup() as calls:
            for wave in self._waves:
                base_s = await _until(base_s, wave.at_s)
                if crash is not None and crash.done() and self._tally.denied[Reason.INSUFFICIENT_BALANCE]:
                    break
                if not wave.is_fanout:
                    calls.create_task(agents.work(wave.calls[0]))
                    continue
                if crash is None or crash.done():
                    self._stage.check_alive()
                calls.create_task(agents.fan_out(wave.calls))
                if crash is None and self._tally.committed >= CRASH_AT_SHARE * self._plan.wallet:
                    crash = calls.create_task(self._crash_sidecar(agents))
        self._load_s = time.monotonic() - begun_s
        assert crash is not None
        return crash.result()

    async def _crash_sidecar(self, agents: Agents) -> tuple[int, float, float]:
        await asyncio.sleep(CRASH_AFTER_S)
        open_count, killed_s = self._tally.open_count, time.monotonic()
        self._tally.outage_began(killed_s)
        await asyncio.to_thread(self._stage.crash_sidecar)
        self._story.tell(f"sidecar killed (SIGKILL), {open_count:,} holds open, a fan-out on its way", alarming=True)
        await asyncio.to_thread(self._stage.revive_sidecar)
        back_s = time.monotonic()
        self._story.tell(f"sidecar back on the same folder after {back_s - killed_s:.1f} s; agents send again")
        await agents.caught_up()
        self._tally.outage_ended(time.monotonic())
        return open_count, back_s - killed_s, time.monotonic() - back_s

    async def _race(self, agents: Agents, client: AsyncClient) -> list[Race]:
        """Fans out on what is left, one fan-out at a time, until one gets nothing."""
        races: list[Race] = []
        calls = itertools.chain.from_iterable(wave.calls for wave in self._waves)
        while len(races) < RACES_MAX and (not races or races[-1].fanout.granted):
            balance = await client.get_balance(ACCOUNT, POOL)
            fanout = await agents.fan_out(list(itertools.islice(calls, FANOUT)))
            races.append(Race(balance.available, fanout))
            self._story.tell(
                f"fan-out on {as_credits(balance.available)}: {len(fanout.granted)} of {FANOUT} granted, "
                f"{as_credits(fanout.least_available)} left"
            )
        return races

    def _reconcile(self, history_file: Path, races: Sequence[Race]) -> Report:
        tally, stage = self._tally, self._stage
        assert self._drained is not None
        assert self._crash is not None
        assert tally.least_available is not None
        evidence = Evidence(
            history=read_history(history_file),
            entries=list(stage.entries()),
            grants=stage.grants(),
            ledger=stage.pool_balance(),
            sidecar=self._drained.balance,
            outbox_count=self._drained.outbox_count,
            committed_peak=tally.committed_peak,
            least_available=tally.least_available,
            flagged_count=tally.flagged_count,
            races=races,
        )
        burned = burns(evidence.grants, evidence.entries)
        return Report(tally, self._load_s, self._crash, burned, races, reconcile(evidence))

    def _act(self, name: str) -> None:
        self._story.act = name


async def _until(base_s: float, at_s: float) -> float:
    """Waits until `at_s` seconds after `base_s`; returns the base, later by what is past mending.

    After an outage the calls go on at their pace, instead of making up for it all at once.
    """
    early_s = base_s + at_s - time.monotonic()
    if early_s > 0:
        await asyncio.sleep(early_s)
    return base_s - min(0.0, early_s + LATE_S)


@contextlib.contextmanager
def _folder(chosen: Path | None) -> Iterator[Path]:
    if chosen is None:
        with workspace() as folder:
            yield folder
        return
    chosen.mkdir(parents=True, exist_ok=True)
    if any(chosen.iterdir()):
        raise ValueError(f"--folder {chosen}: is not empty; each run starts from nothing")
    yield chosen.resolve()


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"holdfast demo: {message}\n")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="holdfast demo",
        description="Plays one host end to end: ledger, sidecar, agents, a crash, a reconciliation.",
    )
    add = parser.add_argument
    add("--trace", type=Path, metavar="FILE", help="CSV of TIMESTAMP,ContextTokens,GeneratedTokens; default: drawn")
    add(
        "--speed",
        type=_speed,
        metavar="X",
        help=f"times faster than the trace; default: {CALLS_PER_S:.0f} calls a second",
    )
    add("--quick", action="store_true", help="a smaller wallet: some eight seconds")
    add("--stay", action="store_true", help="keeps ledger, sidecar and console up at the end, until Ctrl-C")
    add("--folder", type=Path, metavar="DIR", help="keeps ledger, sidecar and history there; default: gone afterwards")
    native = importlib.util.find_spec("holdfast_sidecar._native") is not None
    add("--transport", choices=("native", "portable"), default="native" if native else "portable")
    return parser


def _speed(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1e6:
        raise argparse.ArgumentTypeError("is above 0 and at most 1000000")
    return value
