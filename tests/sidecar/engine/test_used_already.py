"""Charges for what was used already: nothing denies them, and what nothing covers is debited as late."""

import pytest
from holdfast.v1.ledger_sync_service_pb2 import Debit
from holdfast_sidecar.engine.operations import Call, Fault
from holdfast_sidecar.engine.settings import EngineSettings

from tests.sidecar.engine.harness import AccountTerms, Host, Ledger, balance, budget, charge, parsed, rate, reserve

KEY = ("acme", "general")
SETTINGS = EngineSettings(lease_wait_ms=250, partition_after_ms=3_000)


def host_with(amount: int, **fields: int) -> Host:
    ledger = Ledger()
    ledger.create(KEY, amount, **fields)
    return Host(ledger, SETTINGS)


def debits_of(host: Host) -> list[tuple[int, bool]]:
    """Amount, and whether it is late, of every debit."""
    kept = [Debit.FromString(data) for _, data in host.store.read_debits(0, 1_000, 1 << 30)]
    return [(debit.amount, debit.late) for debit in kept]


def test_what_rights_cover_is_a_charge_like_any_other() -> None:
    host = host_with(100)
    answer = host.one(charge("a", 30, already_used=True))
    assert (answer.debited_amount, answer.posted, answer.available) == (30, 70, 70)
    assert debits_of(host) == [(30, False)]


def test_what_nothing_covers_is_debited_whole_and_late() -> None:
    host = host_with(100)
    host.one(reserve("held", 80))
    answer = host.one(charge("a", 30, already_used=True))
    assert (answer.debited_amount, answer.posted, answer.held, answer.available) == (30, 70, 80, -10)
    assert debits_of(host) == [(30, True)]
    statistics = host.engine.statistics()
    assert (statistics.late_charge_count, statistics.late_charge_amount) == (1, 30)
    assert (statistics.late_settle_count, statistics.late_settle_amount) == (0, 0)


def test_an_overdrawn_pool_denies_what_follows() -> None:
    host = host_with(10)
    host.one(charge("a", 30, already_used=True))
    assert host.one(charge("b", 1)).debited_amount == 0
    assert host.one(charge("c", 1, already_used=True)).posted == -21


def test_the_ledger_is_asked_before_it_counts_as_late() -> None:
    host = host_with(100)
    host.answering = False
    call = Call(1, [charge("a", 30, already_used=True)])
    assert host.apply([call]) == []
    (done,) = host.apply([], [host.ledger.answer(host.unanswered[0], host.now_ns)])
    assert parsed(done)[0].debited_amount == 30
    assert debits_of(host) == [(30, False)]


def test_without_the_ledgers_answer_it_is_debited_after_the_wait() -> None:
    host = host_with(100)
    host.one(charge("first", 1))
    host.answering = False
    call = Call(1, [charge("a", 5_000, already_used=True)])
    assert host.apply([call]) == []
    assert host.advance(249) == []
    assert host.advance(1) == [call]
    assert parsed(call)[0].debited_amount == 5_000
    assert debits_of(host)[-1] == (5_000, True)


def test_cut_off_past_the_lease_it_is_debited_as_late() -> None:
    host = host_with(100)
    host.one(charge("first", 1))
    host.disconnect()
    host.advance(20_000)
    assert host.one(charge("a", 5, already_used=True)).debited_amount == 5
    assert debits_of(host)[-1] == (5, True)


def test_cut_off_the_allowance_goes_first() -> None:
    host = host_with(
        10,
    )
    host.ledger.pools[KEY].partition_mode = 2
    host.ledger.pools[KEY].allowance_granted = 50
    host.one(charge("first", 10))
    host.disconnect()
    host.advance(4_000)
    answer = host.one(charge("a", 40, already_used=True))
    assert (answer.debited_amount, answer.unleased_amount) == (40, 40)
    beyond = host.one(charge("b", 40, already_used=True))
    assert (beyond.debited_amount, beyond.unleased_amount) == (40, 0)
    assert debits_of(host)[1:] == [(40, False), (40, True)]


def test_a_crossed_overdraft_limit_denies_nothing() -> None:
    host = host_with(10, enforcement=2)
    host.one(charge("first", 10))
    assert host.one(charge("b", 3)).debited_amount == 0
    assert host.one(charge("a", 3, already_used=True)).posted == -3
    assert debits_of(host)[-1] == (3, True)


def test_budgets_count_it_and_do_not_deny_it() -> None:
    host = host_with(1_000)
    host.ledger.govern()
    host.ledger.govern("team", budgets=[budget("team-month", 100)])
    assert host.one(charge("a", 150, already_used=True, subject="team")).debited_amount == 150
    assert debits_of(host) == [(150, False)]
    assert host.one(charge("b", 1, subject="team")).denied_level == "budget/team-month"
    host.post_all()
    assert host.one(balance()).posted == 850


def test_no_rate_limit_denies_it_or_counts_it() -> None:
    host = host_with(1_000)
    host.ledger.govern(rate_limits=[rate("calls", 1, 60_000, 1)])
    host.one(charge("a", 1))
    assert host.one(charge("b", 1, already_used=True)).debited_amount == 1
    host.advance(60_000)
    assert host.one(charge("c", 1)).debited_amount == 1


def test_a_subject_that_is_not_allowed_is_debited() -> None:
    host = host_with(1_000)
    host.ledger.govern(terms=AccountTerms(deny_unknown_subject=True))
    assert host.one(charge("a", 1, subject="nobody")).debited_amount == 0
    assert host.one(charge("b", 1, already_used=True, subject="nobody")).debited_amount == 1


def test_rules_that_do_not_come_deny_nothing() -> None:
    host = host_with(1_000)
    host.ledger.govern()
    host.ledger.govern("team", budgets=[budget("team-month", 100)])
    host.one(charge("first", 1))
    host.disconnect()
    host.advance(4_000)
    assert host.one(charge("a", 5, already_used=True, subject="team/new")).debited_amount == 5


@pytest.mark.parametrize("again_used", [True, False])
def test_a_repeat_gets_the_recorded_answer_and_other_content_is_refused(again_used: bool) -> None:
    host = host_with(10)
    first = host.one(charge("a", 30, already_used=True))
    again = host.one(charge("a", 30, already_used=again_used))
    if again_used:
        assert again == first
    else:
        assert isinstance(again, Fault)
        assert again.reason == "OPERATION_ID_REUSED"
    assert debits_of(host) == [(30, True)]


def test_a_counter_rises_whatever_the_balance() -> None:
    host = host_with(10)
    fields = {"counter_id": "job", "total": 25}
    answer = host.one(charge("a", set=fields, already_used=True))
    assert (answer.debited_amount, answer.counter_total) == (25, 25)
    host.start()
    host.connect()
    assert host.one(charge("b", set={**fields, "total": 26}, already_used=True)).debited_amount == 1


def test_a_pool_never_seen_is_a_fault_and_not_a_denial() -> None:
    host = Host(Ledger(), SETTINGS)
    unknown = host.one(charge("a", 1, already_used=True))
    assert (unknown.code.name, unknown.reason) == ("NOT_FOUND", "ACCOUNT_NOT_FOUND")
    host.disconnect()
    host.advance(4_000)
    away = host.one(charge("b", 1, already_used=True))
    assert (away.code.name, away.reason) == ("UNAVAILABLE", "LEDGER_UNREACHABLE")


def test_an_undone_linked_call_debits_nothing() -> None:
    host = host_with(10)
    answers = host.run(charge("a", 30, already_used=True), charge("b", 30), linked=True)
    assert [answer.debited_amount for answer in answers] == [0, 0]
    assert debits_of(host) == []
