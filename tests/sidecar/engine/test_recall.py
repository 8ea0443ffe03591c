"""Recall: the ledger asks for idle rights back; and while it does so for this host, calls wait."""

from dataclasses import replace
from typing import Any

from holdfast.v1 import decision_pb2 as decision
from holdfast_sidecar.engine.events import LeasesUpdated, LeaseWant
from holdfast_sidecar.engine.operations import Call

from tests.sidecar.engine.harness import Host, Ledger, balance, parsed, release, reserve

KEY = ("acme", "general")


def leased(amount: int = 100) -> Host:
    """A host that has a whole pool leased, none of it held."""
    ledger = Ledger()
    ledger.create(KEY, amount)
    host = Host(ledger)
    host.one(reserve("all", amount))
    host.one(release("all-back", "all"))
    host.answering = False
    return host


def told(host: Host, request_id: int = 0, **fields: Any) -> list[LeaseWant]:
    """The ledger speaks; returns what it is asked and told then."""
    host.unanswered.clear()
    host.apply([], [LeasesUpdated(request_id, (replace(host.ledger.lease(KEY), **fields),), host.now_ns)])
    return [want for ask in host.unanswered for want in ask.wants]


def waiting_for(host: Host, amount: int) -> tuple[Call, int]:
    """A call that lacks rights and waits, and the id of the ask that was made for it."""
    host.unanswered.clear()
    call = Call(9, [reserve("big", amount)])
    assert host.apply([call]) == []
    (ask,) = host.unanswered
    return call, ask.request_id


def test_a_recall_is_answered_with_what_no_hold_needs() -> None:
    host = leased()
    host.one(reserve("r", 70))
    (want,) = told(host, recall_round=1, recall_amount=1_000)
    assert (want.recall_round, want.returned_total, want.held_amount) == (1, 30, 70)
    assert (want.want_amount, want.need_amount) == (0, 0)
    assert host.one(balance()).lease_left == 0


def test_no_more_is_given_back_than_is_asked_for() -> None:
    host = leased()
    (want,) = told(host, recall_round=1, recall_amount=25)
    assert want.returned_total == 25


def test_a_round_is_answered_once_even_with_nothing() -> None:
    host = leased()
    host.one(reserve("r", 100))
    (want,) = told(host, recall_round=3, recall_amount=10)
    assert (want.recall_round, want.returned_total) == (3, 0)
    assert told(host, recall_round=3, recall_amount=10) == []
    (want,) = told(host, recall_round=4, recall_amount=10)
    assert want.recall_round == 4


def test_a_new_stream_may_ask_for_the_same_round_again() -> None:
    host = leased()
    assert len(told(host, recall_round=3, recall_amount=0)) == 1
    host.disconnect()
    host.connect()
    assert len(told(host, recall_round=3, recall_amount=0)) == 1


def test_what_waiting_calls_need_is_not_given_back() -> None:
    host = leased()
    waiting_for(host, 150)
    (want,) = told(host, recall_round=1, recall_amount=100)
    assert (want.returned_total, want.need_amount) == (0, 150)


def test_a_pending_answer_is_no_denial() -> None:
    host = leased()
    call, request_id = waiting_for(host, 150)
    assert told(host, request_id, pending=True) == [], "it is not asked again while it recalls"
    assert not call.results
    host.ledger.grant(KEY, 50)
    host.ledger.pools[KEY].granted += 50
    told(host)
    (answer,) = parsed(call)
    assert answer.granted_amount == 150


def test_when_the_recall_brings_nothing_it_is_denied() -> None:
    host = leased()
    call, request_id = waiting_for(host, 150)
    told(host, request_id, pending=True)
    told(host, denied=True)
    (answer,) = parsed(call)
    assert answer.reason == decision.REASON_INSUFFICIENT_BALANCE


def test_a_need_that_was_met_is_not_denied_when_smaller_calls_took_of_it() -> None:
    """Rights are asked for as a level: what other calls take meanwhile is missing, and is asked for again."""
    host = leased()
    call, request_id = waiting_for(host, 150)
    host.one(reserve("small", 40))
    host.ledger.grant(KEY, 50)
    host.ledger.pools[KEY].granted += 50
    (want,) = told(host, request_id)
    assert (want.need_amount, want.held_amount) == (150, 40)
    assert not call.results


def test_a_recall_that_never_ends_is_denied_after_the_wait() -> None:
    host = leased()
    call, request_id = waiting_for(host, 150)
    told(host, request_id, pending=True)
    assert host.advance(host.settings.lease_wait_ms + 1) == [call]
    assert parsed(call)[0].reason == decision.REASON_LEASE_TIMEOUT


def test_a_lost_stream_ends_a_recall_and_the_next_one_asks_anew() -> None:
    host = leased()
    call, request_id = waiting_for(host, 150)
    told(host, request_id, pending=True)
    host.disconnect()
    host.unanswered.clear()
    host.connect()
    assert [want.need_amount for ask in host.unanswered for want in ask.wants] == [150]
    assert not call.results


def test_allowance_is_given_back_as_far_as_it_is_not_used() -> None:
    host = leased()
    (want,) = told(host, allowance_granted_total=40, allowance_recall_amount=15)
    assert want.allowance_returned_total == 15
    assert host.one(balance()).allowance_left == 25


def test_a_restored_ledger_is_told_every_total() -> None:
    host = leased()
    told(host, allowance_granted_total=40)
    host.disconnect()
    host.unanswered.clear()
    host.connect(claims_wanted=True)
    ((want,),) = [ask.wants for ask in host.unanswered]
    assert (want.granted_total, want.returned_total, want.allowance_granted_total) == (100, 0, 40)


def test_a_folder_put_back_to_an_older_copy_does_not_spend_again_what_it_gave_back() -> None:
    host = leased()
    told(host, returned_total=100, allowance_granted_total=40, allowance_returned_total=40)
    figures = host.one(balance())
    assert (figures.lease_left, figures.allowance_left) == (0, 0)
