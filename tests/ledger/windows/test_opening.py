"""Windows are opened when a sidecar asks for one that there may be, and leased as pools are."""

import pytest
from holdfast_ledger.governance.periods import DAY_MS, PeriodUnit
from holdfast_ledger.leasing.rights import Granted, leases_now, leases_told
from holdfast_ledger.store.interface import LedgerState
from holdfast_ledger.sync.messages import lease_message
from holdfast_ledger.windows.times import GRACE_MS

from tests.ledger.harness import RECLAIM_AFTER_MS, SLACK_MS, START_MS, Books, debit, instance
from tests.ledger.windows.rules import (
    ROLLING,
    SOFT,
    TODAY,
    TODAY_MS,
    TOMORROW,
    clear,
    delete_budget,
    figures,
    set_budget,
    set_concurrency,
    set_rate,
    set_rolling,
    window,
)


@pytest.fixture
def opened(books: Books) -> Books:
    """A pool with 1,000 credits, a budget "day" of 100 a day, sidecars s and t."""
    books.open_pool()
    books.grant("g", 1_000)
    for number, name in enumerate("st"):
        books.hello(name, instance=instance(number))
    set_budget(books, "day", 100)
    return books


def status(granted: Granted) -> int:
    return lease_message(granted).status


def known(books: Books, name: str, sidecar_id: str = "s") -> bool:
    """Whether there is such a window to ask for."""
    return books.want(0, sidecar_id, pool_id=name).lease is not None


def test_two_sidecars_never_have_more_than_the_limit(opened: Books) -> None:
    assert opened.lease_for(60, "s", pool_id=TODAY).granted_total == 60
    granted = opened.want(60, "t", pool_id=TODAY)
    assert granted.lease is not None
    assert (granted.lease.granted_total, granted.pending) == (40, True)
    assert figures(opened, TODAY) == (0, 100, 0)


def test_mere_wants_leave_something_for_others(opened: Books) -> None:
    assert opened.lease_for(100, "s", pool_id=TODAY, need_amount=10).granted_total == 10 + 90 // 2


def test_what_others_do_not_need_is_called_back(opened: Books) -> None:
    opened.want(100, "s", pool_id=TODAY)
    assert opened.want(30, "t", pool_id=TODAY).pending
    told = opened.told("s", TODAY)
    assert (told.recall_round, told.recall_amount) == (1, 30)
    served = opened.serve(0, "s", pool_id=TODAY, granted_total=100, returned_total=30, recall_round=1)
    assert served.freed_pools == {opened.pool(TODAY).pool_key}
    told = opened.told("t", TODAY)
    assert told.lease is not None
    assert (told.pending, told.lease.granted_total) == (False, 30)


def test_it_is_a_no_when_nobody_can_spare_any(opened: Books) -> None:
    opened.want(100, "s", pool_id=TODAY)
    assert opened.want(1, "s", pool_id=TODAY, held_amount=100).denied


def test_a_lease_tells_what_is_left_of_the_limit_and_nothing_of_a_pool(opened: Books) -> None:
    opened.post(debit(1, 30, windows=[TODAY]), sidecar_id="t")
    told = lease_message(opened.want(20, pool_id=TODAY))
    assert (told.pool_posted, told.pool_free, told.granted_total) == (70, 50, 20)
    assert (told.currency, told.HasField("policy"), told.pool_overdraft_bound) == ("", False, 0)
    assert told.rules_version == 1


@pytest.mark.parametrize(
    "name",
    ["none\x1f0", "day\x1f0", f"day\x1f{TODAY_MS + 1}", "day\x1fc", "day\x1fr", "day", "local\x1fc", TOMORROW],
)
def test_what_no_rule_stands_for_is_unknown(opened: Books, name: str) -> None:
    set_concurrency(opened, "local", 3, shared=0)
    granted = opened.want(1, pool_id=name)
    assert (granted.account_known, granted.lease, status(granted)) == (True, None, 3)
    assert not known(opened, name)


def test_limits_that_are_shared_are_windows_too(opened: Books) -> None:
    set_concurrency(opened, "runs", 3)
    set_rate(opened, "calls")
    assert opened.lease_for(2, "s", pool_id="runs\x1fc").granted_total == 2
    assert opened.lease_for(2, "t", pool_id="runs\x1fc").granted_total == 1
    assert opened.lease_for(1_000_000, "s", pool_id="calls\x1fr").granted_total == 1_000_000
    assert opened.want(1, "t", pool_id="calls\x1fr").pending


def test_a_rule_may_have_the_id_of_another_ones_beginning(opened: Books) -> None:
    for name in ("day", "day ", "day\x20x", "da"):
        set_concurrency(opened, name, 5)
        assert known(opened, f"{name}\x1fc")
    key = opened.pool("day\x1fc").pool_key
    assert set_concurrency(opened, "day", 7) == {key}


def test_the_next_period_opens_when_it_begins_and_a_little_earlier(opened: Books) -> None:
    opened.want(100, pool_id=TODAY)
    opened.clock.advance(TODAY_MS + DAY_MS - START_MS - SLACK_MS - 1)
    assert not known(opened, TOMORROW)
    opened.clock.advance(1)
    assert opened.lease_for(100, pool_id=TOMORROW).granted_total == 100, "a period has its own limit"
    assert opened.lease(pool_id=TODAY).granted_total == 100


def test_a_period_that_is_over_is_there_a_little_later_and_for_whoever_has_a_lease(opened: Books) -> None:
    opened.want(10, "s", pool_id=TODAY)
    opened.clock.advance(TODAY_MS + DAY_MS - START_MS + GRACE_MS - 1)
    for name in "st":
        opened.heartbeat(name)
    assert opened.lease_for(20, "t", pool_id=TODAY).granted_total == 20
    set_budget(opened, "late", 5)
    assert known(opened, f"late\x1f{TODAY_MS}")
    opened.clock.advance(1)
    opened.hello("u", instance=instance(3))
    assert not known(opened, TODAY, "u")
    assert opened.lease_for(30, "t", pool_id=TODAY, granted_total=20).granted_total == 30
    set_budget(opened, "later", 5)
    assert not known(opened, f"later\x1f{TODAY_MS}")


def test_periods_of_every_length_open(opened: Books) -> None:
    for unit in (PeriodUnit.HOUR, PeriodUnit.WEEK, PeriodUnit.MONTH):
        set_budget(opened, f"b{unit}", 10, unit=unit)
    set_rolling(opened, 10)
    hour_ms, week_ms, month_ms = START_MS // 3_600_000 * 3_600_000, TODAY_MS - 4 * DAY_MS, TODAY_MS - 14 * DAY_MS
    starts = {PeriodUnit.HOUR: hour_ms, PeriodUnit.WEEK: week_ms, PeriodUnit.MONTH: month_ms}
    assert all(known(opened, f"b{unit}\x1f{start_ms}") for unit, start_ms in starts.items())
    assert known(opened, ROLLING)


def test_windows_are_no_pools(opened: Books) -> None:
    opened.want(10, pool_id=TODAY)
    account_key = opened.pool().account_key
    with opened.store.reading() as reader:
        assert [pool.pool_id for pool in reader.pools(account_key, 0, 10)] == ["general"]
        assert reader.leases(account_key, None, None, 0, 10) == []
        assert [(x.currency, x.leased) for x in reader.currency_totals()] == [("credits", 0)]
        assert [lease.granted_total for lease in reader.window_leases(0, 10)] == [10]


def told(books: Books, name: str = "s") -> list[str]:
    """The windows that a sidecar that comes is told of."""
    with books.store.reading() as reader:
        leases = leases_now(reader, books.sidecar(name), None)
        return [one.pool_id for one in leases_told(reader, leases, books.clock.now_ms())]


def test_welcome_tells_of_windows_that_a_sidecar_has_to_do_with(opened: Books) -> None:
    set_budget(opened, "soft", 100, action=SOFT)
    set_rolling(opened, 100)
    for name in (TODAY, ROLLING):
        opened.want(10, pool_id=name)
    opened.post(debit(1, 10, windows=[f"soft\x1f{TODAY_MS}"]))
    assert told(opened) == [TODAY, ROLLING, "general"]
    delete_budget(opened, "roll")
    assert told(opened) == [TODAY, ROLLING, "general"], "something is out"
    opened.want(0, pool_id=ROLLING, granted_total=10, returned_total=10)
    opened.post(debit(2, 10, windows=[ROLLING]))
    opened.clock.advance(TODAY_MS + DAY_MS - START_MS + GRACE_MS)
    assert TODAY in told(opened)
    opened.want(0, pool_id=TODAY, granted_total=10, returned_total=10)
    assert TODAY not in told(opened)


def test_rights_of_a_life_that_is_over_come_back(opened: Books) -> None:
    opened.want(60, pool_id=TODAY)
    opened.clock.advance(RECLAIM_AFTER_MS)
    opened.sweep()
    assert figures(opened, TODAY) == (100, 0, 0)


def test_a_restored_ledger_opens_what_sidecars_have_and_takes_their_totals_over(opened: Books) -> None:
    opened.write(lambda writer: writer.save_ledger(LedgerState(2, 0)))
    opened.hello(epoch=1, birth_epoch=1, instance=instance(9))
    opened.want(0, pool_id=TODAY, granted_total=70, consumed_total=60)
    assert figures(opened, TODAY) == (30, 70, 0)
    opened.post(debit(1, 60, epoch=2, windows=[TODAY]))
    assert figures(opened, TODAY) == (30, 10, 60)


def test_rights_of_a_window_that_was_cleared_away_are_not_taken_for_given(opened: Books) -> None:
    granted = opened.want(5, pool_id=TODAY, granted_total=70)
    assert granted.lease is None
    assert window(opened, TODAY) is None
    opened.want(5, "t", pool_id=TODAY)
    assert opened.want(5, "s", pool_id=TODAY, granted_total=70).lease is None
    assert opened.lease_for(5, "s", pool_id=TODAY).granted_total == 5, "forgotten, it begins anew"
    clear(opened)
