"""Thresholds fire once a crossing, top-ups are wanted as often as the rule allows, in the transaction of the cause."""

import json
from collections.abc import Sequence

import pytest
from holdfast_ledger.posting.alerts import THRESHOLD_CROSSED, TOP_UP_WANTED, set_alerts
from holdfast_ledger.store.interface import EntryType, Event, Threshold, TopUp, Writer

from tests.ledger.harness import START_MS, Books, debit


@pytest.fixture
def opened(books: Books) -> Books:
    """Pool a/general with 1,000 credits; sidecar s."""
    books.open_pool()
    books.grant("g", 1_000)
    books.hello()
    return books


def alert(books: Books, *thresholds: Threshold, top_up: TopUp | None = None) -> None:
    def job(writer: Writer) -> None:
        pool = writer.pool("a", "general")
        assert pool is not None
        set_alerts(writer, pool, thresholds, top_up)

    books.write(job)


def level(name: str, amount: int = 0, share_bps: int = 0) -> Threshold:
    return Threshold(0, name, amount, share_bps)


def events(books: Books) -> list[Event]:
    with books.store.reading() as reader:
        return reader.events(None, 0, 1_000)


def crossed(books: Books) -> list[str]:
    return [json.loads(x.body)["data"]["threshold_id"] for x in events(books) if x.type == THRESHOLD_CROSSED]


def spend(books: Books, amounts: Sequence[int]) -> None:
    done = books.sidecar().acked_sequence
    for number, amount in enumerate(amounts, start=done + 1):
        books.post(debit(number, amount))


def test_a_threshold_fires_once_when_the_balance_falls_to_it(opened: Books) -> None:
    alert(opened, level("low", 500), level("empty", 0), level("quarter", share_bps=2_500), level("owing", -100))
    spend(opened, [499])
    assert crossed(opened) == []
    spend(opened, [1, 1, 100])
    assert crossed(opened) == ["low"]
    spend(opened, [399])
    assert crossed(opened) == ["low", "empty", "quarter"], "in the order of their making"
    spend(opened, [99, 1])
    assert crossed(opened) == ["low", "empty", "quarter", "owing"]


def test_an_event_tells_the_figures_and_has_a_stable_id(opened: Books) -> None:
    alert(opened, level("low", 500))
    opened.want(700)
    spend(opened, [600])
    (event,) = events(opened)
    assert (event.type, event.account_id, event.pool_id, event.created_at_ms) == (
        THRESHOLD_CROSSED, "a", "general", START_MS,
    )  # fmt: skip
    assert json.loads(event.body) == {
        "id": event.event_id,
        "type": "pool.threshold_crossed",
        "timestamp": "2027-01-15T08:00:00.000+00:00",
        "data": {
            "account_id": "a", "pool_id": "general", "currency": "credits", "currency_exponent": 6,
            "threshold_id": "low", "share_bps": 0, "limit": "500",
            "posted": "400", "free": "300", "leased": "100", "granted_total": "1000", "spent_total": "600",
            "overdraft": "0",
        },
    }  # fmt: skip
    assert event.event_id == "evt_d95272ab8846c725226ad769dfd0d410", "made of what it tells, the same on every ledger"


def test_a_threshold_is_armed_again_above_it(opened: Books) -> None:
    alert(opened, level("low", 500))
    spend(opened, [500])
    opened.grant("more", 1)
    spend(opened, [1])
    opened.correct("op-1", 100)
    spend(opened, [100])
    assert crossed(opened) == ["low"] * 3
    assert len({event.event_id for event in events(opened)}) == 3


def test_expiry_and_void_cross_as_well(opened: Books) -> None:
    opened.grant("short", 100, expires_at_ms=START_MS + 1_000)
    alert(opened, level("high", 1_000), level("gone", 0))
    opened.clock.advance(1_000)
    opened.sweep()
    assert crossed(opened) == ["high"]
    opened.void("g")
    assert crossed(opened) == ["high", "gone"]


def test_what_is_crossed_when_it_is_set_waits_for_the_next_time(opened: Books) -> None:
    alert(opened, level("high", 5_000))
    spend(opened, [1])
    assert crossed(opened) == []
    opened.grant("more", 10_000)
    spend(opened, [9_000])
    assert crossed(opened) == ["high"]


def test_a_threshold_set_again_counts_on(opened: Books) -> None:
    alert(opened, level("low", 500))
    spend(opened, [500])
    alert(opened)
    assert opened.pool().watched == 0
    opened.grant("more", 500)
    spend(opened, [500])
    assert crossed(opened) == ["low"], "none is watched"
    opened.grant("again", 500)
    alert(opened, level("low", 600))
    spend(opened, [400])
    assert crossed(opened) == ["low", "low"]
    assert len({event.event_id for event in events(opened)}) == 2


def test_a_threshold_that_is_not_changed_keeps_its_state(opened: Books) -> None:
    alert(opened, level("low", 500))
    spend(opened, [600])
    alert(opened, level("low", 500), level("lower", 300))
    spend(opened, [1, 99])
    assert crossed(opened) == ["low", "lower"]


def test_a_top_up_is_wanted_after_each_cooldown_and_so_often_in_a_period(opened: Books) -> None:
    alert(opened, top_up=TopUp(0, 900, 500, cooldown_ms=1_000, max_times=2, period_ms=10_000))
    told = []
    for wait_ms in (0, 0, 999, 1, 5_000, 3_999, 1, 1_000):
        opened.clock.advance(wait_ms)
        spend(opened, [100])
        told.append(len(events(opened)))
    assert told == [1, 1, 1, 2, 2, 2, 3, 4]
    assert {event.type for event in events(opened)} == {TOP_UP_WANTED}
    assert len({event.event_id for event in events(opened)}) == 4
    assert json.loads(events(opened)[0].body)["data"]["amount"] == "500"


def test_a_top_up_is_not_wanted_above_its_threshold(opened: Books) -> None:
    alert(opened, top_up=TopUp(0, 900, 500, cooldown_ms=1_000, max_times=0, period_ms=0))
    spend(opened, [99])
    assert events(opened) == []
    spend(opened, [1])
    opened.grant("top-up", 500)
    opened.clock.advance(5_000)
    spend(opened, [100])
    assert len(events(opened)) == 1


def test_an_event_is_made_with_its_cause_or_not_at_all(opened: Books) -> None:
    alert(opened, level("low", 500))

    def job(writer: Writer) -> None:
        sidecar = writer.sidecar("s")
        assert sidecar is not None
        from holdfast_ledger.posting.post import post

        assert post(writer, sidecar, [debit(1, 600)], START_MS).event_count == 1
        raise RuntimeError

    with pytest.raises(RuntimeError):
        opened.write(job)
    assert events(opened) == []


@pytest.mark.parametrize("category", [1, 2])
@pytest.mark.parametrize("priority", [0, 9])
def test_a_top_up_first_repays_overdraft_whatever_it_is(opened: Books, category: int, priority: int) -> None:
    spend(opened, [1_030])
    opened.grant("top-up", 100, category=category, priority=priority)
    pool, grant = opened.pool(), opened.grants()["top-up"]
    assert (pool.overdraft, pool.posted, grant.remaining) == (0, 70, 70)
    assert [(x.type, x.amount) for x in opened.journal()][-2:] == [(EntryType.GRANT, 100), (EntryType.REPAYMENT, 30)]


def test_overdraft_of_one_pool_is_not_repaid_by_another(opened: Books) -> None:
    opened.open_pool("other")
    spend(opened, [1_030])
    opened.grant("top-up", 100, "other")
    assert (opened.pool().overdraft, opened.pool("other").posted) == (30, 100)
