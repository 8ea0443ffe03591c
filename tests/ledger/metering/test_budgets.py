"""Budgets count what the ledger charges for events, as they count what sidecars charge: once, and nothing is denied."""

import asyncio
import json

import pytest
from holdfast.v1 import meter_pb2 as meters
from holdfast_ledger.governance.periods import DAY_MS, PeriodUnit
from holdfast_ledger.metering import posting
from holdfast_ledger.store.interface import Writer

from tests.ledger.harness import START_MS, debit, instance
from tests.ledger.metering.meterage import HOUR_MS, Meterage, event, meter, void
from tests.ledger.windows.rules import (
    ROLLING,
    ROLLING_MS,
    SOFT,
    TODAY,
    TODAY_MS,
    clear,
    delete_budget,
    figures,
    set_budget,
    set_rolling,
    window,
)

YESTERDAY = f"day\x1f{TODAY_MS - DAY_MS}"


def used(meterage: Meterage, *budget_ids: str) -> list[int]:
    """What is used of budgets of the day; 0: nothing ever was."""
    names = [f"{budget_id}\x1f{TODAY_MS}" for budget_id in budget_ids]
    return [figures(meterage.books, name)[2] if window(meterage.books, name) else 0 for name in names]


def test_every_level_of_the_subject_counts(meterage: Meterage) -> None:
    """The account, the team and the user; not another team, nor one whose name only begins the same."""
    levels = {"account": "", "team": "team", "user": "team/ann", "other": "tea", "agent": "team/ann/bot"}
    for budget_id, subject in levels.items():
        set_budget(meterage.books, budget_id, 1_000, subject=subject)
    meterage.set(meter())
    meterage.take(event("1", 5, subject="team/ann"), event("2", 1, subject="team/bob"), event("3", 100))
    meterage.turn()
    assert used(meterage, *levels) == [212, 12, 10, 0, 0]
    meterage.books.audit()


def test_what_a_budget_is_about_decides(meterage: Meterage) -> None:
    """Its dimensions, all of them; its pool; its currency."""
    books = meterage.books
    books.open_pool("research")
    set_budget(books, "model", 1_000, match='{"model": "m"}')
    set_budget(books, "both", 1_000, match='{"model": "m", "region": "eu"}')
    set_budget(books, "pool", 1_000, pool_id="research")
    set_budget(books, "euros", 1_000, currency="eur")
    meterage.set(meter(), meter("pages", event_type="page", pool_id="research"))
    meterage.take(
        event("1", 1, dimensions={"model": "m"}),
        event("2", 10, dimensions={"model": "m", "region": "eu", "more": "x"}),
        event("3", 100, dimensions={"model": "n", "region": "eu"}),
        event("4", 1_000, type="page"),
    )
    meterage.turn()
    assert used(meterage, "model", "both", "pool", "euros") == [22, 20, 2_000, 0]


def test_each_event_counts_in_the_period_of_its_own_time(meterage: Meterage) -> None:
    """Also those of one batch; of the account's calendar; what is over too long is charged and counts nowhere."""
    meterage.move_to("Asia/Kolkata")
    midnight = TODAY_MS - 5 * HOUR_MS - HOUR_MS // 2
    set_budget(meterage.books, "day", 1_000)
    set_budget(meterage.books, "hour", 1_000, unit=PeriodUnit.HOUR)
    meterage.set(meter())
    times = {"1": START_MS, "2": midnight, "3": midnight - 1, "4": midnight - 1 - DAY_MS, "5": START_MS - 20 * DAY_MS}
    meterage.take(*(event(name, 10 ** int(name), time_unix_ms=at_ms) for name, at_ms in times.items()))
    meterage.turn()
    days = [f"day\x1f{midnight - ago * DAY_MS}" for ago in range(3)]
    assert [figures(meterage.books, name)[2] for name in days] == [220, 2_000, 20_000]
    hours = [f"hour\x1f{start}" for start in (START_MS - HOUR_MS // 2, midnight, midnight - HOUR_MS)]
    assert [figures(meterage.books, name)[2] for name in hours] == [20, 200, 2_000]
    assert meterage.spent == 222_220
    charged = sorted(line.amount for line in meterage.books.journal() if line.operation_id)
    assert charged == [20, 200, 2_000, 20_000, 200_000]


def test_a_cap_that_is_passed_denies_others_and_not_this(meterage: Meterage) -> None:
    """All is counted, also beyond the limit; a sidecar gets nothing more of the window, and an event tells of it."""
    books = meterage.books
    books.hello("s", instance=instance(0))
    set_budget(books, "day", 100, alert_bps=[8_000])
    set_budget(books, "soft", 10, action=SOFT, alert_bps=[10_000])
    assert books.lease_for(30, pool_id=TODAY).outstanding == 30
    meterage.set(meter())
    meterage.take(event("1", 45))
    meterage.turn()
    assert figures(books, TODAY) == (-20, 30, 90)
    assert books.want(40, pool_id=TODAY).denied
    meterage.take(event("2", 100))
    meterage.turn()
    assert (meterage.spent, used(meterage, "day", "soft")) == (290, [290, 290])
    with books.store.reading() as reader:
        told = [json.loads(one.body)["data"] for one in reader.events(None, 0, 100)]
    assert sorted((one["budget_id"], one["alert_bps"]) for one in told) == [("day", 8_000), ("soft", 10_000)]


def test_figures_of_periods_count_as_they_rise_and_fall(meterage: Meterage) -> None:
    """Each rise at the time of the last event of the figure."""
    set_budget(meterage.books, "day", 1_000)
    meterage.set(meter("most", aggregation=meters.AGGREGATION_MAX, period=meters.METER_PERIOD_MONTH))
    meterage.take(event("1", 10, time_unix_ms=START_MS - DAY_MS))
    meterage.turn()
    meterage.take(event("2", 15))
    meterage.turn()
    assert [figures(meterage.books, name)[2] for name in (YESTERDAY, TODAY)] == [20, 10]
    meterage.take(void("2"))
    meterage.turn()
    assert [figures(meterage.books, name)[2] for name in (YESTERDAY, TODAY)] == [20, 0]
    assert meterage.spent == 20


def test_what_is_taken_back_comes_back_once(meterage: Meterage) -> None:
    """To budgets whose period is under way, of calendars and rolling ones."""
    set_budget(meterage.books, "day", 1_000)
    set_rolling(meterage.books, 1_000)
    meterage.set(meter())
    meterage.take(event("1", 5), event("2", 7), event("3", 9, time_unix_ms=START_MS - DAY_MS))
    meterage.turn()
    assert figures(meterage.books, ROLLING) == (958, 0, 42)
    for _ in range(2):
        meterage.take(void("2"), void("3"))
        meterage.turn()
    assert figures(meterage.books, TODAY) == (990, 0, 10)
    assert figures(meterage.books, YESTERDAY) == (982, 0, 18), "a period that is over stays as it was"
    assert figures(meterage.books, ROLLING) == (990, 0, 10)
    meterage.clock.advance(2 * ROLLING_MS)
    clear(meterage.books)
    assert figures(meterage.books, ROLLING) == (1_000, 0, 0)
    meterage.books.audit()


def test_a_budget_that_is_gone_meanwhile_counts_nothing(meterage: Meterage) -> None:
    """The charge is posted all the same."""
    set_budget(meterage.books, "day", 1_000)
    meterage.set(meter())
    meterage.take(event("1", 5))
    meterage.feed()
    asyncio.run(meterage.metering._note())
    delete_budget(meterage.books, "day")
    meterage.turn()
    assert (meterage.spent, window(meterage.books, TODAY)) == (10, None)


class _Killed(Exception):
    """The process ends here."""


@pytest.mark.parametrize("step", ["note", "post_charges", "make_corrections"])
def test_a_kill_in_each_kind_of_transaction(meterage: Meterage, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Each fails once before its commit; what follows counts what is to be counted, once."""
    books = meterage.books
    books.hello("s", instance=instance(0))
    set_budget(books, "day", 1_000)
    set_rolling(books, 1_000)
    meterage.set(meter())
    real, turned = getattr(posting, step), []

    def dies(writer: Writer, *rest: object) -> object:
        result = real(writer, *rest)
        turned.append(step)
        if len(turned) % 2:
            raise _Killed
        return result

    monkeypatch.setattr(posting, step, dies)
    books.post(debit(1, 7, windows=[TODAY, ROLLING]))
    for come in ((event("1", 5), event("2", 11)), (void("1"), event("3", 2))):
        meterage.take(*come)
        for _ in range(3):
            meterage.feed()
            try:
                asyncio.run(meterage.metering.turn())
            except _Killed:
                continue
    assert len(turned) >= 2
    assert figures(books, TODAY) == figures(books, ROLLING) == (967, 0, 33)
    books.audit()
