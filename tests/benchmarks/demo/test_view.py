"""Both views fit a terminal of 80 columns and 24 lines, with the largest figures and while the sidecar is away."""

import dataclasses
import io

from holdfast.v1.ledger_service_pb2 import Grant
from holdfast_bench.demo.plan import make_plan
from holdfast_bench.demo.tally import Rates
from holdfast_bench.demo.view import LiveView, PlainView
from holdfast_bench.demo.watch import Event, Sight
from rich.console import Console

GRANTS = (Grant(grant_id="invoice-7", amount=999_990_000, remaining=999_989_999), Grant(grant_id="monthly", amount=1))
SIGHT = Sight(
    elapsed_s=123.4,
    act="replaying calls, one by one and 50 at once",
    events=[Event(float(at), f"something that happened as number {at}") for at in range(9)],
    rates=Rates(12_345.6, 1_234.5, 12_345.6),
    sidecar_up=True,
    posted=999_989_999,
    held=123_456_789,
    available=876_533_210,
    lag_ms=12_345.6,
    outbox_count=123_456,
    grants=GRANTS,
    granted_count=1_234_567,
    denied_count=12_345,
    fanout_count=12_345,
    open_count=1_234,
)


def drawn(sight: Sight) -> list[str]:
    """The lines of the live picture."""
    console = Console(width=80, file=io.StringIO(), force_terminal=True, color_system=None)
    view = LiveView(console, make_plan(None, None, 1.0), "native")
    view.close()
    with console.capture() as captured:
        console.print(view.picture(sight))
    return captured.get().splitlines()


def test_the_picture_fits_and_shows_every_figure() -> None:
    lines = drawn(SIGHT)
    assert {len(line) for line in lines} == {80}
    assert len(lines) <= 21
    text = "\n".join(lines)
    for figure in ("12,346 /s", "1,234 ms", "12,346 ms", "999.9900", "123.4568", "876.5332", "1,234,567", "123,456"):
        assert figure in text
    shown = [number for number in range(9) if f"as number {number}" in text]
    assert shown == [0, 1, 5, 6, 7, 8]  # the crash and the return stay


def test_a_sidecar_that_is_away_is_seen() -> None:
    assert "DOWN" not in "\n".join(drawn(SIGHT))
    assert "sidecar DOWN" in "\n".join(drawn(dataclasses.replace(SIGHT, sidecar_up=False)))


def test_before_the_first_figures_there_is_a_picture_too() -> None:
    nothing = Sight(0.0, "", (), Rates(0.0, None, None), sidecar_up=False)
    assert {len(line) for line in drawn(nothing)} == {80}


def test_the_plain_view_tells_each_event_once() -> None:
    out = io.StringIO()
    view = PlainView(out)
    usual = dataclasses.replace(
        SIGHT, rates=Rates(12_345.6, 1.2, 123.4), posted=99_989_999, lag_ms=12.3, outbox_count=9
    )
    view.show(dataclasses.replace(usual, events=SIGHT.events[:2]))
    view.show(dataclasses.replace(usual, events=SIGHT.events[:3], sidecar_up=False))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[-1] for line in lines if "something" in line] == ["0", "1", "2"]
    assert lines[-1].endswith("sidecar down")
