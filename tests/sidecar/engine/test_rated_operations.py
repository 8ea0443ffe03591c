"""Operations by what they use: one engine from its rate card to its debits, over a ledger on the same host."""

from collections.abc import Callable
from typing import Any

import pytest
from holdfast.v1 import decision_pb2 as decision
from holdfast.v1.ledger_sync_service_pb2 import Debit
from holdfast_sidecar.engine.events import Draining
from holdfast_sidecar.engine.operations import Call, Fault, FaultCode
from holdfast_sidecar.engine.rated import RatedStatistics
from holdfast_sidecar.store.codec import Table, seal, unseal
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sidecar.engine.harness import (
    MS,
    Host,
    Ledger,
    balance,
    budget,
    charge,
    check,
    extend,
    parsed,
    release,
    reserve,
    settle,
)
from tests.sidecar.engine.rate_cards import CHANGE_MS, TERMS, card_content

KEY = ("acme", "general")
CHAT = {"model": "gpt-5", "feature": "chat"}
ALLOW = decision.VERDICT_ALLOW
INPUT = {"input": 100}
"""300 minor units; an output token is 12."""


def rated(amount: int = 1_000_000, fallback_model: str = "") -> Host:
    ledger = Ledger()
    ledger.create(KEY, amount)
    ledger.govern(terms=TERMS)
    ledger.rate_cards = (card_content(fallback_model=fallback_model),)
    return Host(ledger)


def stream(operation_id: str, max_output_tokens: int = 1_000, **fields: Any) -> Any:
    fields.setdefault("dimensions", CHAT)
    return reserve(operation_id, 0, quantities=INPUT, max_output_tokens=max_output_tokens, **fields)


def used(output: int) -> dict[str, int]:
    return {**INPUT, "output": output}


def learned(output: int = 50, amount: int = 1_000_000) -> Host:
    host = rated(amount + 100 * (300 + output * 12))
    for number in range(100):
        host.one(stream(f"l{number}"))
        host.one(settle(f"ls{number}", f"l{number}", 0, quantities=used(output)))
    return host


def debits(host: Host) -> list[Debit]:
    return [Debit.FromString(data) for _, data in host.store.read_debits(host.acked(), 1_000, 1 << 30)]


# ── amounts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_used_is_held_extended_settled_and_charged_at_the_card_s_prices() -> None:
    host = rated()
    held = host.one(reserve("a", 0, quantities=INPUT, dimensions=CHAT))
    assert (held.verdict, held.granted_amount, held.rated_amount) == (ALLOW, 300, 300)
    assert host.one(extend("e", "a", quantities={"output": 10})).added_amount == 120
    settled = host.one(settle("s", "a", 0, quantities=used(5)))
    assert (settled.debited_amount, settled.returned_amount) == (360, 60)
    assert host.one(charge("c", quantities={"by_meter": {"output": 2}}, dimensions=CHAT)).debited_amount == 24
    assert [(debit.amount, dict(debit.quantities)) for debit in debits(host)] == [(360, used(5)), (24, {"output": 2})]


def test_an_amount_beside_quantities_is_what_counts() -> None:
    host = rated()
    held = host.one(reserve("a", 7, quantities=INPUT, dimensions=CHAT))
    assert (held.granted_amount, held.rated_amount) == (7, 0)
    assert host.one(settle("s", "a", 5, quantities=used(9))).debited_amount == 5


def test_check_says_what_reserve_would_hold() -> None:
    host = learned()
    checked = host.one(check(0, quantities=INPUT, max_output_tokens=1_000, dimensions=CHAT, explain=True))
    held = host.one(stream("a"))
    assert (checked.verdict, checked.granted_amount, checked.rated_amount) == (ALLOW, held.granted_amount, 300)
    assert [step.level for step in checked.steps] == ["pool/general"]


def test_a_denial_says_what_the_quantities_come_to() -> None:
    host = rated(amount=299)
    for answer in (host.one(stream("a")), host.one(check(0, quantities=INPUT, dimensions=CHAT))):
        assert (answer.reason, answer.rated_amount) == (decision.REASON_INSUFFICIENT_BALANCE, 300)


def test_less_than_what_is_rated_is_granted_where_less_is_of_use() -> None:
    host = rated(amount=299)
    assert host.one(stream("a", min_amount=200)).granted_amount == 299


def test_what_costs_nothing_is_held_settled_and_charged_all_the_same() -> None:
    host = rated()
    free = {"output": 0}
    assert host.one(reserve("a", 0, quantities=free, dimensions=CHAT)).verdict == ALLOW
    assert host.one(reserve("b", 0, quantities=free, dimensions=CHAT, parent_hold_id="a")).verdict == ALLOW
    assert host.one(extend("e", "b", quantities=free)).verdict == ALLOW
    assert host.one(settle("s", "b", 0, quantities=free)).debited_amount == 0
    assert host.one(charge("c", quantities={"by_meter": free}, dimensions=CHAT)).verdict == ALLOW
    assert debits(host) == []


@pytest.mark.parametrize("elapsed_ms", [0, 1, 10_000])
def test_work_is_settled_and_extended_at_the_prices_of_its_reserve(elapsed_ms: int) -> None:
    host = rated()
    host.wall_offset_ms = CHANGE_MS - 1 - host.now_unix_ms()
    host.one(stream("a"))
    host.one(reserve("amount", 500, dimensions=CHAT))
    host.advance(elapsed_ms)
    host.start()
    host.connect()
    assert host.one(extend("e", "a", quantities={"output": 1})).added_amount == 12
    assert host.one(settle("s", "a", 0, quantities={"output": 1})).debited_amount == 12
    assert host.one(settle("t", "amount", 0, quantities={"output": 1})).debited_amount == 12
    if elapsed_ms:
        assert host.one(reserve("b", 0, quantities={"output": 1}, dimensions=CHAT)).granted_amount == 18


def test_a_late_settle_has_the_prices_of_its_reserve_too() -> None:
    host = rated()
    host.wall_offset_ms = CHANGE_MS - 1 - host.now_unix_ms()
    host.one(stream("a", ttl_ms=1_000))
    host.advance(5_000)
    late = host.one(settle("s", "a", 0, quantities={"output": 1}))
    assert (late.late, late.debited_amount) == (True, 12)


def test_a_settle_may_name_another_model_than_the_reserve() -> None:
    host = rated()
    host.one(stream("a"))
    settled = host.one(settle("s", "a", 0, quantities={"output": 1_000}, dimensions={"model": "small"}))
    assert settled.debited_amount == 2


def test_a_fault_leaves_the_hold_and_teaches_nothing() -> None:
    host = rated()
    host.one(stream("a"))
    fault = host.one(settle("s", "a", 0, quantities={"images": 1}))
    assert isinstance(fault, Fault)
    assert (fault.code, fault.reason) == (FaultCode.FAILED_PRECONDITION, "METER_WITHOUT_PRICE")
    assert host.one(balance()).held == 300 + 12_000
    assert host.one(settle("s", "a", 0, quantities=used(1))).debited_amount == 312


def test_rated_amounts_count_against_budgets() -> None:
    host = rated()
    host.ledger.govern(terms=TERMS, budgets=[budget("cap", 400)])
    assert host.one(reserve("a", 0, quantities=INPUT, dimensions=CHAT)).verdict == ALLOW
    assert host.one(reserve("b", 0, quantities=INPUT, dimensions=CHAT)).reason == decision.REASON_BUDGET_EXCEEDED


@given(st.integers(0, 5_000), st.integers(0, 5_000))
def test_the_same_operation_twice_is_the_same_answer(first: int, second: int) -> None:
    host = rated()
    operation = reserve("a", 0, quantities={"input": first, "cached_input": second}, dimensions=CHAT)
    assert host.one(operation) == host.one(operation)


# ── the card ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_operation_waits_for_the_card_and_the_next_process_has_it() -> None:
    host = rated()
    assert host.one(stream("a")).verdict == ALLOW
    host.start()
    host.ledger.rate_cards = ()
    host.connect()
    assert host.one(stream("b")).verdict == ALLOW


def test_a_card_that_the_ledger_does_not_have_is_no_endless_wait() -> None:
    host = rated()
    host.ledger.rate_cards = ()
    fault = host.one(stream("a"))
    assert isinstance(fault, Fault)
    assert (fault.code, fault.reason) == (FaultCode.UNAVAILABLE, "RATE_CARD_NOT_HERE")
    assert host.one(reserve("b", 10)).verdict == ALLOW


def test_an_account_without_a_card_needs_amounts() -> None:
    host = rated()
    host.ledger.govern()
    fault = host.one(charge("c", quantities={"by_meter": {"output": 2}}, dimensions=CHAT))
    assert isinstance(fault, Fault)
    assert (fault.code, fault.reason) == (FaultCode.FAILED_PRECONDITION, "NO_RATE_CARD")


def test_a_new_revision_is_asked_for_and_a_broken_one_changes_nothing() -> None:
    host = rated()
    host.one(stream("a"))
    broken = card_content(revision=2)
    host.ledger.rate_cards = (type(broken)("models", 2, broken.content[:-5]),)
    host.ledger.govern(terms=type(TERMS)(rate_card_id="models", rate_card_revision=2))
    host.push(KEY)
    assert host.one(reserve("b", 0, quantities=INPUT, dimensions=CHAT)).granted_amount == 300
    assert host.engine.statistics().rated.card_refused_count == 1


# ── streams ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stream_holds_the_worst_case_and_less_once_it_is_learned() -> None:
    host = rated()
    assert host.one(stream("worst")).granted_amount == 300 + 1_000 * 12
    learned_host = learned()
    first = learned_host.one(stream("a")).granted_amount
    assert 300 + 50 * 12 <= first <= 300 + 70 * 12
    assert learned_host.one(stream("b", max_output_tokens=20)).granted_amount == 300 + 20 * 12


def test_streams_of_one_pool_hold_less_each_and_those_inside_a_hold_share_that() -> None:
    host = rated()
    for number in range(100):
        host.one(stream(f"l{number}"))
        host.one(settle(f"ls{number}", f"l{number}", 0, quantities=used(40 if number % 2 else 400)))
    alone = host.one(stream("a")).granted_amount
    shared = host.one(stream("b")).granted_amount
    host.one(reserve("run", 100_000))
    assert shared < alone
    assert host.one(stream("c", parent_hold_id="run")).granted_amount == alone
    assert host.one(stream("d", parent_hold_id="run")).granted_amount == shared
    for name in ("a", "b", "c", "d"):
        host.one(release(f"r-{name}", name))
    assert host.one(stream("e")).granted_amount == alone


def test_the_number_of_streams_is_the_same_after_a_restart() -> None:
    host = learned()
    host.one(stream("a"))
    host.one(reserve("run", 100_000))
    host.one(stream("b", parent_hold_id="run"))
    before = [host.one(check(0, quantities=INPUT, max_output_tokens=900, dimensions=CHAT)).granted_amount]
    host.one(release("r", "run"))  # what was inside has what it has, and takes nothing of the pool
    before.append(host.one(check(0, quantities=INPUT, max_output_tokens=900, dimensions=CHAT)).granted_amount)
    host.advance(1_000)
    host.start()
    host.connect()
    after = host.one(check(0, quantities=INPUT, max_output_tokens=900, dimensions=CHAT)).granted_amount
    assert after == before[1]


STEPS = st.sampled_from(["stream", "plain", "release", "settle", "progress"])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(STEPS, st.integers(0, 9)), max_size=25))
def test_streams_are_counted_the_same_however_they_came_and_went(steps: list[tuple[str, int]]) -> None:
    host = learned(amount=10_000_000)
    names = [""]
    for number, (kind, place) in enumerate(steps):
        name = names[place % len(names)]
        if kind == "stream":
            host.one(stream(f"h{number}", parent_hold_id=name))
            names.append(f"h{number}")
        elif kind == "plain":
            host.one(reserve(f"h{number}", 5_000, parent_hold_id=name))
            names.append(f"h{number}")
        elif kind == "progress" and name:
            host.one(extend(f"e{number}", name, passed_quantities={"output": place}))
        elif kind == "release" and name:
            host.one(release(f"r{number}", name))
        elif name:
            host.run(settle(f"s{number}", name, 5), release(f"n{number}", "none"), linked=place % 2 == 0)
    host.advance(2_000)
    before = [expected(host), host.one(balance()).held]
    host.start()
    host.connect()
    assert [expected(host), host.one(balance()).held] == before


def test_a_hold_follows_its_stream_up_and_down() -> None:
    host = learned()
    held = host.one(stream("a")).granted_amount
    same = host.one(extend("e1", "a", passed_quantities={"output": 1}))
    assert (same.verdict, same.added_amount, same.returned_amount, same.hold_amount) == (ALLOW, 0, 0, held)
    more = host.one(extend("e2", "a", passed_quantities={"output": 200}))
    assert more.verdict == ALLOW
    assert more.hold_amount == held + more.added_amount >= 300 + 201 * 12
    host.one(extend("e3", "a", add_amount=100_000))
    less = host.one(extend("e4", "a", passed_quantities={"output": 201}, ttl_ms=30_000))
    assert less.returned_amount > 90_000
    assert (less.hold_amount, less.remaining_ttl_ms) == (host.one(balance()).held, 30_000)


def test_what_partial_settles_captured_counts() -> None:
    host = learned()
    held = host.one(stream("a")).granted_amount
    host.one(settle("s", "a", 0, final=False, quantities=used(20)))
    answer = host.one(extend("e", "a", passed_quantities={"output": 21}))
    assert (answer.added_amount, answer.returned_amount, answer.hold_amount) == (0, 0, held - 300 - 20 * 12)


def test_a_hold_covers_what_comes_before_its_work_tells_of_itself_again() -> None:
    """So a stream that asks before it goes on never passes its hold, whatever the forecast."""
    host = learned()
    host.one(stream("a"))
    told = 0
    for stride in (40, 64, 64, 300):
        told += stride
        answer = host.one(extend(f"e{told}", "a", passed_quantities={"output": told}))
        assert answer.hold_amount >= 300 + (told + stride) * 12
    again = host.one(extend("e", "a", passed_quantities={"output": told}))
    assert again.hold_amount == answer.hold_amount
    assert host.one(extend("end", "a", passed_quantities={"output": 900})).hold_amount == 300 + 1_000 * 12


def test_what_is_not_known_of_its_pace_after_a_restart_is_not_asked_of_the_pool() -> None:
    host = learned()
    host.one(stream("a"))
    told = host.one(extend("e1", "a", passed_quantities={"output": 400}))
    host.advance(2_000)
    host.start()
    host.connect()
    again = host.one(extend("e2", "a", passed_quantities={"output": 410}))
    assert (again.verdict, again.added_amount) == (ALLOW, 0)
    assert again.hold_amount <= told.hold_amount


def test_growth_that_the_work_can_go_on_without_is_not_denied() -> None:
    host = learned()
    granted = host.one(stream("a")).granted_amount
    host.one(reserve("rest", host.one(balance()).available))
    covered = (granted - 300) // 12

    host.one(extend("e1", "a", passed_quantities={"output": covered - 2}))
    enough = host.one(extend("e2", "a", passed_quantities={"output": covered - 1}))
    assert (enough.verdict, enough.added_amount, enough.hold_amount) == (ALLOW, 0, granted)
    short = host.one(extend("e3", "a", passed_quantities={"output": covered}))
    assert (short.reason, short.hold_amount) == (decision.REASON_INSUFFICIENT_BALANCE, granted)
    assert short.denied_by.level == "pool/general"


def test_growth_inside_a_hold_comes_out_of_it() -> None:
    host = learned()
    host.one(reserve("run", 5_000))
    held = host.one(stream("a", parent_hold_id="run")).granted_amount
    more = host.one(extend("e", "a", passed_quantities={"output": 100}))
    assert more.added_amount > 0
    assert host.one(release("r", "run")).returned_amount == 5_000 - held - more.added_amount


def test_a_stream_whose_outer_hold_is_closed_goes_on_with_what_it_has() -> None:
    host = learned()
    host.one(reserve("run", 5_000))
    host.one(stream("a", parent_hold_id="run"))
    host.one(release("r", "run"))
    assert host.one(extend("e1", "a", passed_quantities={"output": 10})).verdict == ALLOW
    assert host.one(extend("e2", "a", passed_quantities={"output": 60})).reason == decision.REASON_PARENT_EXHAUSTED
    assert host.one(settle("s", "a", 0, quantities=used(60))).over_hold_amount > 0


def test_only_holds_with_a_limit_follow_their_work() -> None:
    host = rated()
    host.one(reserve("a", 10))
    fault = host.one(extend("e", "a", passed_quantities={"output": 1}))
    assert isinstance(fault, Fault)
    assert fault.reason == "HOLD_WITHOUT_ESTIMATE"


# ── learning ────────────────────────────────────────────────────────────────────────────────────────────────────────


def expected(host: Host) -> int:
    answer = host.one(check(0, quantities=INPUT, max_output_tokens=1_000, dimensions=CHAT))
    amount = answer.granted_amount
    assert isinstance(amount, int)
    return amount


@pytest.mark.parametrize("amount", [0, 1])
def test_settles_teach_with_and_without_an_amount_and_parts_as_a_whole(amount: int) -> None:
    host = rated()
    for number in range(100):
        host.one(stream(f"l{number}"))
        host.one(settle(f"p{number}", f"l{number}", amount, final=False, quantities=used(40)))
        host.one(settle(f"s{number}", f"l{number}", amount, quantities={"output": 10}))
    assert expected(host) == expected(learned(50))


def test_work_that_outlived_its_hold_teaches_but_what_is_added_to_settled_work_does_not() -> None:
    host = rated()
    for number in range(100):
        host.one(stream(f"l{number}", ttl_ms=1))
        host.advance(2)
        assert host.one(settle(f"s{number}", f"l{number}", 0, quantities=used(50))).late
        host.one(reserve(f"k{number}", 1, dimensions=CHAT))
        host.one(settle(f"u{number}", f"k{number}", 1))
        assert host.one(settle(f"t{number}", f"k{number}", 0, quantities=used(3), dimensions=CHAT)).late
    assert expected(host) == expected(learned(50))


def test_a_linked_call_that_was_not_carried_out_teaches_nothing() -> None:
    host = rated()
    for number in range(120):
        host.one(stream("a"))
        host.run(settle(f"s{number}", "a", 0, quantities=used(50)), release("r", "nothing"), linked=True)
        host.run(settle(f"p{number}", "a", 0, final=False, quantities=used(5)), release("r", "none"), linked=True)
    assert expected(host) == 300 + 1_000 * 12
    assert host.engine.statistics().rated.estimate_count == 0


def test_the_next_process_expects_what_this_one_learned() -> None:
    host = learned()
    host.advance(2_000)
    wanted = expected(host)
    host.start()
    host.connect()
    assert expected(host) == wanted < 300 + 100 * 12


def test_a_process_that_stops_writes_all_it_has_learned() -> None:
    host = learned()
    wanted = expected(host)
    host.apply([], [Draining()])
    host.start()
    host.connect()
    assert expected(host) == wanted


def test_what_was_learned_is_written_though_nothing_happens_any_more() -> None:
    host = rated()
    host.one(stream("a"))
    host.one(settle("s", "a", 0, quantities=used(5)))
    host.one(stream("b"))
    host.one(settle("t", "b", 0, quantities=used(5)))
    assert host.engine.next_deadline_ns() <= host.now_ns + 1_000 * MS


@pytest.mark.parametrize("damage", [lambda row: row[:-1] + b"?", lambda row: seal(unseal(row)[:-1])])
def test_a_damaged_row_costs_itself_alone(damage: Callable[[bytes], bytes]) -> None:
    host = learned()
    host.advance(2_000)
    wanted = expected(host)
    rows = host.disk.tables[Table.ESTIMATES]
    damaged = next(iter(rows))
    rows[damaged] = damage(rows[damaged])
    host.start()
    host.connect()
    assert host.engine.statistics().rated == RatedStatistics(0, 2, 1)
    assert expected(host) == wanted
    assert damaged not in rows


def test_a_call_that_waits_for_rights_is_rated_when_they_come() -> None:
    host = rated(amount=100)
    host.one(reserve("warm", 1))
    host.answering = False
    call = Call(1, [reserve("a", 0, quantities=INPUT, dimensions=CHAT)])
    assert host.apply([call]) == []
    host.ledger.grant(KEY, 1_000)
    host.answering = True
    assert host.apply([], [host.ledger.answer(ask, host.now_ns) for ask in host.unanswered]) == [call]
    assert parsed(call)[0].granted_amount == 300
