"""Shows sights: on a terminal a picture that stays in its place, elsewhere a line a second. Both fit 80 columns."""

import math
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from holdfast_bench.demo.plan import Plan, as_credits
from holdfast_bench.demo.watch import Sight

WIDTH = 80
_BAR_CELLS = 44
_FIRST_EVENTS = 2
_LAST_EVENTS = 4
"""Events shown: the crash and the return, and the latest; with them the picture has 20 lines."""
_HEADER_EVERY = 20

_GRANT_COLOURS = ("magenta", "cyan", "green", "yellow")


class LiveView:
    """A picture, drawn anew a few times a second."""

    period_s = 0.25

    def __init__(self, console: Console, plan: Plan, transport: str) -> None:
        self._plan = plan
        self._transport = transport
        self._live = Live(console=console, auto_refresh=False)
        self._live.start()

    def show(self, sight: Sight) -> None:
        """Draws it."""
        self._live.update(self.picture(sight), refresh=True)

    def close(self) -> None:
        """Leaves the last picture."""
        self._live.stop()

    def picture(self, sight: Sight) -> RenderableType:
        """The whole of it."""
        state = Text("up", "green") if sight.sidecar_up else Text("DOWN", "bold white on red")
        head = Text.assemble(
            (f"{sight.elapsed_s:5.1f} s  ", "bold"), (sight.act, "bold"), ("   sidecar ", "dim"), state
        )
        body = Group(head, Text(), _wallet(sight, self._plan.wallet), Text(), _figures(sight), *_events(sight))
        return Panel(
            body,
            title="[bold]holdfast demo[/]",
            subtitle=f"[dim]{self._transport} transport · time {self._plan.pace}[/]",
            width=WIDTH,
            padding=(0, 1),
            border_style="green" if sight.sidecar_up else "red",
        )


def _wallet(sight: Sight, wallet: int) -> Table:
    """A bar a grant with what it has left, and one of the pool: available, held, spent."""
    table = Table.grid(padding=(0, 1))
    table.add_column(width=11)
    table.add_column(width=_BAR_CELLS)
    table.add_column(justify="right", width=19)
    for index, grant in enumerate(sight.grants):
        colour = _GRANT_COLOURS[index % len(_GRANT_COLOURS)]
        bar = _bar(grant.amount, [(grant.remaining, colour)])
        table.add_row(Text(grant.grant_id, colour), bar, f"{as_credits(grant.remaining)} left")
    parts = [(sight.available, "bright_white"), (sight.held, "yellow")]
    table.add_row(Text("pool", "bold"), _bar(wallet, parts), f"{as_credits(sight.available)} left")
    return table


def _bar(whole: int, parts: list[tuple[int, str]]) -> Text:
    """Cells for each part of the whole, at least one for a part that is not zero; the rest is spent."""
    bar, room = Text(), _BAR_CELLS
    for amount, colour in parts:
        cells = min(room, math.ceil(_BAR_CELLS * max(0, amount) / max(1, whole)))
        bar.append("█" * cells, colour)
        room -= cells
    return bar.append("░" * room, "dim")


def _figures(sight: Sight) -> Table:
    table = Table.grid(padding=(0, 1))
    for _ in range(3):
        table.add_column(style="dim", width=11)
        table.add_column(justify="right", width=10)
        table.add_column(width=2)
    rates = sight.rates
    rows = (
        ("decisions", f"{rates.decisions_per_s:,.0f} /s", "reserve P50", _ms(rates.p50_ms), "P99", _ms(rates.p99_ms)),
        ("posted", as_credits(sight.posted), "held", as_credits(sight.held), "available", as_credits(sight.available)),
        (
            "granted",
            f"{sight.granted_count:,}",
            "denied",
            f"{sight.denied_count:,}",
            "fan-outs",
            f"{sight.fanout_count:,}",
        ),
        ("ledger lag", _ms(sight.lag_ms), "outbox", f"{sight.outbox_count:,}", "open holds", f"{sight.open_count:,}"),
    )
    for row in rows:
        table.add_row(*(cell for pair in zip(row[::2], row[1::2], strict=True) for cell in (*pair, "")))
    return table


def _events(sight: Sight) -> list[Text]:
    later = sight.events[_FIRST_EVENTS:]
    lines = [
        Text.assemble((f"{event.at_s:5.1f} s  ", "dim"), (event.text, "bold red" if event.alarming else ""))
        for event in (*sight.events[:_FIRST_EVENTS], *later[-_LAST_EVENTS:])
    ]
    return [Text(), *lines] if lines else []


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f} ms" if value < 100 else f"{value:,.0f} ms"


class PlainView:
    """A line a second, and one for each event; for logs."""

    period_s = 1.0
    _HEADER = "     s  dec/s P50 ms  P99 ms     posted      held available denied lag ms outbox"

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._line_count = 0
        self._event_count = 0

    def show(self, sight: Sight) -> None:
        """Writes what is new."""
        for event in sight.events[self._event_count :]:
            self._out.write(f"{event.at_s:6.1f}  {event.text}\n")
        self._event_count = len(sight.events)
        if self._line_count % _HEADER_EVERY == 0:
            self._out.write(self._HEADER + "\n")
        self._line_count += 1
        self._out.write(_line(sight) + "\n")
        self._out.flush()

    def close(self) -> None:
        """Nothing to do."""


def _line(sight: Sight) -> str:
    rates = sight.rates
    p50, p99 = ("-" if value is None else f"{value:,.1f}" for value in (rates.p50_ms, rates.p99_ms))
    amounts = f"{as_credits(sight.posted):>10} {as_credits(sight.held):>9} {as_credits(sight.available):>9}"
    ledger = f"{sight.lag_ms:>6,.0f} {sight.outbox_count:>6,}" if sight.sidecar_up else " sidecar down"
    return (
        f"{sight.elapsed_s:6.1f} {rates.decisions_per_s:6,.0f} {p50:>6} {p99:>7} "
        f"{amounts} {sight.denied_count:>6,} {ledger}"
    )
