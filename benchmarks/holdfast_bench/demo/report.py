"""What the demo prints at its end: the burn-down, the race on the last credits, the figures, the reconciliation."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from holdfast_bench.demo.plan import as_credits
from holdfast_bench.demo.reconciliation import Burn, Check, Race
from holdfast_bench.demo.tally import Tally, percentile
from holdfast_bench.work import FANOUT

_RACES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Crash:
    """The kill of the sidecar, and its return."""

    open_count: int
    """Holds open when it was killed."""
    away_s: float
    """From the kill to ready again."""
    backlog_s: float
    """From then until all that had waited was answered."""
    resent_count: int
    """Operations that the client sent again."""
    replay_count: int
    """Of these, those that the sidecar had done, and answered from its record."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that is told."""

    tally: Tally
    load_s: float
    """Time for which calls came."""
    crash: Crash
    burns: Sequence[Burn]
    races: Sequence[Race]
    checks: Sequence[Check]

    @property
    def faults(self) -> list[str]:
        """What does not hold."""
        return [f"{check.name}: {fault}" for check in self.checks for fault in check.faults]


def show(report: Report, console: Console) -> None:
    """Prints it."""
    parts = (
        ("Which grants burned, in the order of the journal (credits)", _burns(report.burns)),
        (f"The last fan-outs, {FANOUT} reserves in one tick each (credits)", _races(report.races)),
        ("What the agents saw", _figures(report)),
        ("Reconciliation of agents, sidecar and ledger", _checks(report.checks)),
    )
    for title, table in parts:
        console.print(Text(f"\n{title}", "bold"))
        console.print(Padding(table, (0, 0, 0, 2)))
    for fault in report.faults:
        console.print(Text(f"  {fault}", "red"))
    console.print(
        Text("\nNot every promise was kept.", "bold red")
        if report.faults
        else Text("\nEvery promise was kept.", "bold green")
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(columns[0], header_style="dim")
    for column in columns[1:]:
        table.add_column(column, justify="right", header_style="dim")
    return table


def _burns(burns: Sequence[Burn]) -> Table:
    table = _table("grant", "granted", "burned", "left", "debits")
    for burn in burns:
        amounts = (burn.granted, burn.burned, burn.granted - burn.burned)
        table.add_row(burn.grant_id, *map(as_credits, amounts), f"{burn.debit_count:,}")
    return table


def _races(races: Sequence[Race]) -> Table:
    table = _table("fan-out", "available", "granted", "denied", "sum granted", "left")
    shown = races[-_RACES_SHOWN:]
    for number, race in enumerate(shown, start=1 + len(races) - len(shown)):
        table.add_row(
            str(number),
            as_credits(race.available_before),
            str(len(race.fanout.granted)),
            str(len(race.fanout.denied)),
            as_credits(sum(race.fanout.granted)),
            as_credits(race.fanout.least_available),
        )
    return table


def _figures(report: Report) -> Table:
    tally, crash = report.tally, report.crash
    denied_count = tally.denied.total()
    resent = f"{crash.resent_count:,} operations resent, {crash.replay_count:,} found done"
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    decisions, operations = (count / report.load_s for count in (tally.decision_count, tally.operation_count))
    away = f"back after {crash.away_s:.1f} s, backlog gone {crash.backlog_s:.1f} s later"
    rows = (
        ("reserves", f"{tally.granted_count:,} granted, {denied_count:,} denied ({_reasons(tally)})"),
        ("extends", f"{tally.extend_count:,}, {tally.cut_count:,} of them denied: those calls ended at their hold"),
        ("settles", f"{tally.settle_count:,}, {tally.partial_count:,} of them in part"),
        ("pace", f"{decisions:,.0f} decisions/s, {operations:,.0f} operations/s"),
        ("a reserve", _latency(tally.latency_ms)),
        (f"slowest of {FANOUT}", f"{_latency(tally.fanout_latency_ms)}, {tally.fanout_count:,} fan-outs"),
        ("the crash", f"{crash.open_count:,} holds open, {away}"),
        ("", f"{len(tally.outage_latency_ms):,} reserves waited; {resent}"),
    )
    for row in rows:
        table.add_row(*row)
    return table


def _checks(checks: Sequence[Check]) -> Table:
    table = Table.grid(padding=(0, 2))
    for check in checks:
        mark = Text("✓ ", "bold green") if check.holds else Text("✗ ", "bold red")
        table.add_row(mark.append(check.name, "default"), Text(check.proof, "dim"))
    return table


def _latency(latencies_ms: Sequence[float]) -> str:
    ordered = sorted(latencies_ms)
    return f"P50 {_ms(ordered, 50)}, P99 {_ms(ordered, 99)}, max {_ms(ordered, 100)}"


def _reasons(tally: Tally) -> str:
    return ", ".join(f"{count:,} {reason.value}" for reason, count in tally.denied.most_common()) or "none"


def _ms(ordered: list[float], percent: float) -> str:
    value = percentile(ordered, percent)
    return "-" if value is None else f"{value:,.1f} ms"
