"""Cut off: what FAIL_CLOSED, ALLOWANCE and FAIL_OPEN make of decisions, holds, debits and figures."""

import pytest
from holdfast.v1 import decision_pb2 as decision
from holdfast.v1.ledger_sync_service_pb2 import Debit
from holdfast_sidecar.engine.settings import EngineSettings
from holdfast_sidecar.engine.verdicts import Mode

from tests.sidecar.engine.harness import Host, Ledger, balance, charge, check, extend, release, reserve, settle

FAIL_CLOSED, ALLOWANCE, FAIL_OPEN = 1, 2, 3
SILENCE_MS = 4_000
"""Longer than `partition_after_ms`, shorter than the leases' validity."""
PAST_LEASE_MS = 11_000
PAST_ALLOWANCE_MS = 61_000
KEY = ("acme", "general")


def cut_off(
    mode: int, amount: int = 100, allowance: int = 30, silence_ms: int = SILENCE_MS, optimistic: bool = False
) -> Host:
    """A host that has the whole pool leased, and then hears no more."""
    ledger = Ledger()
    ledger.create(KEY, amount, enforcement=2 if optimistic else 1, overdraft_limit=10 if optimistic else 0)
    ledger.pools[KEY].partition_mode = mode
    ledger.pools[KEY].allowance_granted = allowance
    host = Host(ledger, EngineSettings(lease_idle_ms=1_000_000))
    if amount:
        host.one(reserve("all", amount))
        host.one(release("all-back", "all"))
    else:
        host.one(check(1))
    host.disconnect()
    host.advance(silence_ms)
    return host


def debits(host: Host) -> list[Debit]:
    return [Debit.FromString(data) for _, data in host.store.read_debits(0, 1_000, 1 << 30)]


def test_within_the_lease_nothing_changes_but_the_mode() -> None:
    host = cut_off(ALLOWANCE)
    answer = host.one(reserve("r", 100))
    assert (answer.granted_amount, answer.unleased_amount) == (100, 0)
    assert answer.mode == decision.MODE_PARTITIONED


def test_fail_closed_denies_what_the_rights_do_not_cover() -> None:
    host = cut_off(FAIL_CLOSED)
    answer = host.one(reserve("r", 101))
    assert (answer.verdict, answer.reason) == (decision.VERDICT_DENY, decision.REASON_PARTITIONED)
    assert host.one(reserve("r2", 101, min_amount=1)).granted_amount == 100


def test_an_allowance_takes_what_the_rights_do_not_cover_and_no_unit_more() -> None:
    host = cut_off(ALLOWANCE)
    answer = host.one(reserve("r", 120))
    assert (answer.granted_amount, answer.unleased_amount) == (120, 20)
    assert host.one(reserve("s", 11)).reason == decision.REASON_PARTITIONED
    answer = host.one(reserve("t", 11, min_amount=1))
    assert (answer.granted_amount, answer.unleased_amount) == (10, 10)
    assert host.one(charge("c", 1)).reason == decision.REASON_PARTITIONED
    figures = host.one(balance())
    assert (figures.allowance_left, figures.allowance_used, figures.lease_left) == (0, 30, -30)


def test_while_connected_no_allowance_is_used() -> None:
    ledger = Ledger()
    ledger.create(KEY, 100)
    ledger.pools[KEY].partition_mode = ALLOWANCE
    ledger.pools[KEY].allowance_granted = 30
    host = Host(ledger)
    assert host.one(reserve("r", 101)).reason == decision.REASON_INSUFFICIENT_BALANCE
    assert host.one(balance()).allowance_left == 30


def test_past_the_lease_no_right_counts_and_all_of_it_is_allowance() -> None:
    host = cut_off(ALLOWANCE, silence_ms=PAST_LEASE_MS)
    answer = host.one(reserve("r", 25))
    assert (answer.granted_amount, answer.unleased_amount) == (25, 25)
    assert host.one(charge("c", 6)).reason == decision.REASON_PARTITIONED
    answer = host.one(charge("d", 5))
    assert (answer.debited_amount, answer.unleased_amount) == (5, 5)


def test_past_its_own_validity_the_allowance_is_void() -> None:
    host = cut_off(ALLOWANCE, silence_ms=PAST_ALLOWANCE_MS)
    assert host.one(balance()).allowance_remaining_ms == 0
    assert host.one(reserve("r", 1)).reason == decision.REASON_PARTITIONED


def test_fail_open_lets_everything_through_and_counts_it() -> None:
    host = cut_off(FAIL_OPEN)
    answer = host.one(reserve("r", 1_000))
    assert (answer.granted_amount, answer.unleased_amount) == (1_000, 900)
    assert host.one(charge("c", 50)).unleased_amount == 50
    counted = host.engine.statistics()
    assert (counted.fail_open_decision_count, counted.fail_open_amount) == (2, 950)
    assert (counted.allowance_decision_count, counted.allowance_amount) == (0, 0)


def test_check_says_what_reserve_would_get() -> None:
    host = cut_off(ALLOWANCE)
    assert host.one(check(130)).granted_amount == 130
    assert host.one(check(131)).verdict == decision.VERDICT_DENY
    assert host.one(check(131, min_amount=1)).granted_amount == 130
    assert host.one(balance()).allowance_left == 30, "a check takes nothing"


def test_the_covered_part_of_a_hold_is_spent_first() -> None:
    host = cut_off(ALLOWANCE)
    host.one(reserve("r", 120))
    host.one(settle("s1", "r", 90, final=False))
    host.one(settle("s2", "r", 15, final=True))
    assert [(d.amount, d.allowance_amount) for d in debits(host)] == [(90, 0), (15, 5)]
    figures = host.one(balance())
    assert (figures.allowance_used, figures.allowance_left) == (5, 25), "what was not spent is back"


def test_what_passes_the_hold_is_not_allowance() -> None:
    host = cut_off(ALLOWANCE)
    host.one(reserve("r", 120))
    host.one(settle("s", "r", 150, final=True))
    (debit,) = debits(host)
    assert (debit.amount, debit.allowance_amount, debit.over_hold_amount) == (150, 20, 30)


def test_fail_open_debits_are_flagged() -> None:
    host = cut_off(FAIL_OPEN)
    host.one(reserve("r", 120))
    host.one(settle("s", "r", 110, final=True))
    (debit,) = debits(host)
    assert (debit.amount, debit.fail_open_amount, debit.allowance_amount) == (110, 10, 0)
    assert debit.mode == decision.MODE_PARTITIONED


@pytest.mark.parametrize("how", ["release", "expiry"])
def test_a_hold_that_ends_gives_its_allowance_back(how: str) -> None:
    host = cut_off(ALLOWANCE)
    host.one(reserve("r", 130, ttl_ms=1_000))
    if how == "release":
        host.one(release("x", "r"))
    else:
        host.advance(1_001)
    assert host.one(balance()).allowance_left == 30


def test_extend_takes_from_the_allowance_and_past_the_lease_gives_no_more_time() -> None:
    host = cut_off(ALLOWANCE)
    host.one(reserve("r", 100, ttl_ms=60_000))
    answer = host.one(extend("e1", "r", add_amount=10, ttl_ms=120_000))
    assert (answer.added_amount, answer.unleased_amount, answer.remaining_ttl_ms) == (10, 10, 120_000)
    host.advance(PAST_LEASE_MS - SILENCE_MS)
    answer = host.one(extend("e2", "r", add_amount=20, ttl_ms=500_000))
    assert (answer.added_amount, answer.unleased_amount) == (20, 20)
    assert answer.remaining_ttl_ms == 120_000 - (PAST_LEASE_MS - SILENCE_MS)
    assert host.one(extend("e3", "r", ttl_ms=500_000)).reason == decision.REASON_PARTITIONED


def test_a_linked_call_that_fails_takes_no_allowance() -> None:
    host = cut_off(ALLOWANCE)
    host.run(reserve("a", 110), reserve("b", 40), linked=True)
    figures = host.one(balance())
    assert (figures.allowance_left, figures.held) == (30, 0)


def test_allowance_survives_a_restart() -> None:
    host = cut_off(ALLOWANCE)
    host.one(reserve("r", 120))
    host.one(charge("c", 4))
    host.start()
    host.advance(SILENCE_MS)
    figures = host.one(balance())
    assert (figures.allowance_left, figures.allowance_used) == (6, 24)
    host.one(settle("s", "r", 120, final=True))
    assert [d.allowance_amount for d in debits(host)] == [4, 20]


def test_a_pool_of_its_own_patience_is_cut_off_sooner() -> None:
    host = cut_off(FAIL_OPEN, silence_ms=0)
    host.ledger.pools[KEY].partition_after_ms = 500
    host.connect()
    host.disconnect()
    host.advance(600)
    answer = host.one(reserve("r", 101))
    assert (answer.granted_amount, answer.mode) == (101, decision.MODE_PARTITIONED)
    assert host.engine.statistics().mode is Mode.CONNECTED, "the host itself is more patient"


def test_healed_it_uses_rights_again() -> None:
    host = cut_off(ALLOWANCE, amount=0)
    assert host.one(charge("c", 10)).unleased_amount == 10
    host.ledger.grant(KEY, 500)
    host.connect()
    host.post_all()
    answer = host.one(reserve("r", 100))
    assert (answer.granted_amount, answer.unleased_amount, answer.mode) == (100, 0, decision.MODE_CONNECTED)


def test_optimistic_past_the_lease_is_bounded_by_the_allowance() -> None:
    host = cut_off(ALLOWANCE, optimistic=True, silence_ms=PAST_LEASE_MS)
    assert host.one(charge("c", 31)).reason == decision.REASON_PARTITIONED
    assert host.one(charge("d", 30)).unleased_amount == 30
    assert host.one(charge("e", 1)).reason == decision.REASON_PARTITIONED


def test_a_pool_never_seen_is_denied_whatever_its_mode() -> None:
    host = cut_off(FAIL_OPEN)
    host.ledger.create(("acme", "other"), 5)
    assert host.one(reserve("r", 1, pool_id="other")).reason == decision.REASON_PARTITIONED
