"""Rights are called back, in rounds, for whoever needs them: before the ledger says no."""

import pytest
from holdfast_ledger.leasing.recall import RECALL_PAUSE_MS, forget_silent
from holdfast_ledger.leasing.rights import Granted

from tests.ledger.harness import HEARTBEAT_MS, RECALL_MS, RECLAIM_AFTER_MS, TERMS, Books, debit, instance


@pytest.fixture
def shared(books: Books) -> Books:
    """Pool a/general with 100 credits, all of them leased to sidecar s; sidecars t and u have nothing."""
    books.open_pool()
    books.grant("g", 100)
    for number, name in enumerate("stu", start=1):
        books.hello(name, instance=instance(number))
    books.want(100, "s")
    return books


def asked(granted: Granted) -> tuple[int, int]:
    """The round that asks, and for how much."""
    return granted.recall_round, granted.recall_amount


def spare(books: Books, name: str, amount: int, round_number: int = 1) -> bool:
    """Answers a round, giving something back; whether others are to hear of it."""
    returned = books.lease(name).returned_total + amount
    served = books.serve(0, name, returned_total=returned, recall_round=round_number)
    return books.pool().pool_key in served.freed_pools


def test_who_has_rights_is_asked_for_what_is_missing(shared: Books) -> None:
    served = shared.serve(30, "t")
    assert served.granted[0].pending
    assert served.changed_pools == {shared.pool().pool_key}, "the others are to be told"
    assert asked(shared.told("s")) == (1, 30)
    assert asked(shared.told("t")) == (0, 0), "not whoever needs it"


def test_what_is_given_back_goes_to_whoever_needs_it(shared: Books) -> None:
    shared.want(30, "t")
    assert spare(shared, "s", 30)
    granted = shared.told("t")
    assert (granted.pending, shared.lease("t").outstanding, shared.pool().free) == (False, 30, 0)
    assert shared.lease("s").outstanding == 70


def test_what_is_free_is_given_before_others_are_asked_for_the_rest(shared: Books) -> None:
    spare(shared, "s", 20)
    granted = shared.want(30, "t")
    assert (granted.pending, shared.lease("t").outstanding) == (True, 20)
    assert asked(shared.told("s")) == (1, 10)


def test_it_is_a_no_when_all_have_answered(shared: Books) -> None:
    shared.want(30, "t")
    assert spare(shared, "s", 10)
    granted = shared.told("t")
    assert (granted.pending, shared.lease("t").outstanding) == (False, 10), "what there was it has got"
    assert shared.told("s").recall_round == 0, "the round is over"


def test_it_is_a_no_when_the_time_is_up(shared: Books) -> None:
    shared.want(30, "t")
    shared.clock.advance(RECALL_MS - 1)
    assert shared.told("t").pending
    shared.clock.advance(1)
    assert not shared.told("t").pending
    assert shared.lease("t").needed == 0


def test_with_nobody_to_ask_it_is_a_no_at_once(shared: Books) -> None:
    granted = shared.want(101, "s")
    assert (granted.pending, shared.pool().recall_round) == (False, 0)


def test_after_a_round_that_failed_there_is_a_pause(shared: Books) -> None:
    shared.want(30, "t")
    spare(shared, "s", 0)
    shared.told("t")
    assert not shared.want(30, "t").pending
    shared.clock.advance(RECALL_PAUSE_MS - 1)
    assert not shared.want(5, "u").pending
    shared.clock.advance(1)
    assert shared.want(5, "u").pending
    assert asked(shared.told("s")) == (2, 5)


def test_after_a_round_that_brought_enough_there_is_none(shared: Books) -> None:
    shared.want(30, "t")
    spare(shared, "s", 30)
    shared.told("t")
    assert shared.want(5, "u").pending
    assert asked(shared.told("s")) == (2, 5)


def test_who_joins_a_round_is_not_told_no_before_the_others_were_asked_for_it(shared: Books) -> None:
    shared.want(30, "t")
    assert asked(shared.told("s")) == (1, 30)
    assert shared.want(40, "u").pending
    spare(shared, "s", 30)
    assert not shared.told("t").pending
    served = shared.tell("u")
    assert served.granted[0].pending
    assert served.changed_pools, "a round of its own began"
    assert asked(shared.told("s")) == (2, 40)
    spare(shared, "s", 40, round_number=2)
    assert not shared.told("u").pending
    assert [shared.lease(name).outstanding for name in "stu"] == [30, 30, 40]


def test_who_joins_late_gets_its_no_after_one_round_of_its_own(shared: Books) -> None:
    shared.want(30, "t")
    shared.want(40, "u")
    spare(shared, "s", 0)
    assert not shared.told("t").pending
    assert shared.told("u").pending
    spare(shared, "s", 0, round_number=2)
    assert not shared.told("u").pending


def test_who_needs_more_than_it_said_gets_a_round_for_that(shared: Books) -> None:
    shared.want(30, "t")
    assert shared.want(60, "t").pending
    spare(shared, "s", 30)
    assert shared.told("t").pending
    assert asked(shared.told("s")) == (2, 30)


def test_whoever_got_what_it_needed_is_not_asked_for_it_in_the_same_round(shared: Books) -> None:
    shared.want(30, "t")
    shared.want(40, "u")
    shared.serve(0, "s", returned_total=40)
    assert not shared.told("u").pending
    assert asked(shared.told("u")) == (0, 0)
    assert asked(shared.told("s")) == (1, 30)


def test_a_need_that_is_gone_ends_the_round(shared: Books) -> None:
    shared.want(30, "t")
    assert not shared.want(0, "t").pending
    assert shared.pool().recall_until_ms == 0
    assert asked(shared.told("s")) == (0, 0)


def test_a_silent_sidecar_is_neither_asked_nor_waited_for(shared: Books) -> None:
    shared.clock.advance(3 * HEARTBEAT_MS + 1)
    for name in "tu":
        shared.heartbeat(name)
    assert not shared.want(30, "t").pending


def test_a_former_life_is_not_asked(shared: Books) -> None:
    shared.hello("s", epoch=0, instance=instance(9))
    assert not shared.want(30, "t").pending


def test_what_a_silent_sidecar_needed_is_forgotten(shared: Books) -> None:
    shared.want(30, "t")
    key = shared.pool().pool_key
    shared.write(lambda writer: forget_silent(writer, [key], shared.clock.now_ms(), TERMS))
    assert shared.lease("t").needed == 30
    shared.clock.advance(3 * HEARTBEAT_MS + 1)
    shared.heartbeat("s")
    assert asked(shared.told("s")) == (0, 0)
    shared.write(lambda writer: forget_silent(writer, [key], shared.clock.now_ms(), TERMS))
    assert shared.lease("t").needed == 0


def test_a_need_ends_with_its_life(shared: Books) -> None:
    shared.want(30, "t")
    shared.clock.advance(RECLAIM_AFTER_MS)
    shared.sweep()
    assert shared.lease("t").needed == 0


@pytest.mark.parametrize("round_number", [0, 2, 2**63])
def test_an_answer_to_no_round_that_there_was_is_ignored(shared: Books, round_number: int) -> None:
    shared.want(30, "t")
    assert not spare(shared, "s", 0, round_number)
    assert asked(shared.told("s")) == (1, 30)


def test_mere_wants_call_nothing_back(shared: Books) -> None:
    assert not shared.want(30, "t", need_amount=0).pending
    assert shared.pool().recall_round == 0


def test_rights_that_come_free_otherwise_serve_the_needy_too(shared: Books) -> None:
    shared.want(30, "t")
    shared.grant("more", 50)
    assert not shared.told("t").pending
    assert (shared.lease("t").outstanding, shared.pool().free) == (30, 20)


def test_mere_wants_do_not_get_what_others_wait_for(shared: Books) -> None:
    shared.want(30, "t")
    shared.serve(0, "s", returned_total=30)
    assert shared.lease_for(30, "u", need_amount=0).outstanding == 0


def test_a_pool_that_owes_calls_back_what_it_owes_too(shared: Books) -> None:
    shared.post(debit(1, 20), sidecar_id="u")
    assert shared.pool().free == -20
    shared.want(30, "t")
    assert asked(shared.told("s")) == (1, 50)
    spare(shared, "s", 50)
    assert not shared.told("t").pending
    assert (shared.lease("t").outstanding, shared.pool().free) == (30, 0)


def test_posting_goes_on_during_a_round(shared: Books) -> None:
    shared.want(30, "t")
    shared.post(debit(1, 80))
    assert asked(shared.told("s")) == (1, 30)
    spare(shared, "s", 20)
    assert not shared.told("t").pending
    assert [shared.lease(name).outstanding for name in "st"] == [0, 20]


def test_every_credit_can_be_spent_by_whoever_needs_it(books: Books) -> None:
    """Eight sidecars that all want more than there is; then one of them needs it, credit by credit."""
    books.open_pool()
    books.grant("g", 1_000)
    names = [f"s{number}" for number in range(8)]
    for number, name in enumerate(names):
        books.hello(name, instance=instance(number))
        books.want(900, name, need_amount=1)
    assert 0 < books.pool().free < 1_000
    spender, consumed = names[3], 0
    while True:
        granted = books.want(7, spender, consumed_total=consumed)
        if granted.pending:
            for name in names:
                told = books.told(name)
                if told.recall_round:
                    spared = min(told.recall_amount, books.lease(name).outstanding)
                    spare(books, name, spared, told.recall_round)
            assert not books.told(spender).pending
        left = books.lease(spender).granted_total - consumed
        if left < 7:
            break
        consumed += 7
    assert (consumed, left) == (994, 6), "the first no comes when less is left than is needed"
