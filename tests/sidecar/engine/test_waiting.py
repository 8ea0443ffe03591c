"""Decisions that wait for the ledger: who waits, for how long, and what they are told in the end."""

from holdfast.v1 import decision_pb2 as d
from holdfast_sidecar.engine.events import Connected, Disconnected, LeasesUpdated
from holdfast_sidecar.engine.operations import Call, Fault, FaultCode
from holdfast_sidecar.engine.settings import EngineSettings

from tests.sidecar.engine.harness import MS, Host, Ledger, balance, charge, check, extend, parsed, reserve, settle

KEY = ("acme", "general")
SETTINGS = EngineSettings(lease_wait_ms=250, partition_after_ms=3_000)


def host_with(amount: int = 1_000, **fields: int) -> Host:
    ledger = Ledger()
    ledger.create(KEY, amount, **fields)
    return Host(ledger, SETTINGS)


def test_first_reserve_of_a_pool_waits_for_its_lease_and_is_granted() -> None:
    host = host_with()
    host.answering = False
    call = Call(7, [reserve("a", 10)])
    assert host.apply([call]) == []
    (ask,) = host.unanswered
    assert ask.wants[0].need_amount == 10
    done = host.apply([], [host.ledger.answer(ask, host.now_ns)])
    assert done == [call]
    assert parsed(call)[0].granted_amount == 10


def test_fan_out_on_a_new_pool_asks_once_and_grants_exactly_what_there_is() -> None:
    host = host_with(amount=430)
    host.answering = False
    calls = [Call(n, [reserve(f"op-{n}", 10)]) for n in range(50)]
    assert host.apply(calls) == []
    assert len(host.unanswered) == 1
    host.answering = True
    done = host.apply([], [host.ledger.answer(host.unanswered[0], host.now_ns)])
    granted = [parsed(call)[0].granted_amount for call in done]
    assert sorted(granted) == [0] * 7 + [10] * 43


def test_a_second_ask_waits_for_the_answer_to_the_first() -> None:
    host = host_with()
    host.answering = False
    host.apply([Call(1, [reserve("a", 10)])])
    host.apply([Call(2, [reserve("b", 10)])])
    assert len(host.unanswered) == 1


def test_no_answer_within_lease_wait_is_lease_timeout_and_is_not_recorded() -> None:
    host = host_with()
    host.answering = False
    call = Call(1, [reserve("a", 10)])
    host.apply([call])
    assert host.advance(249) == []
    assert host.advance(1) == [call]
    answer = parsed(call)[0]
    assert (answer.verdict, answer.reason) == (d.VERDICT_DENY, d.REASON_LEASE_TIMEOUT)
    assert answer.retry_after_ms > 0
    host.answering = True
    host.apply([], [host.ledger.answer(host.unanswered[0], host.now_ns)])
    assert host.one(reserve("a", 10)).verdict == d.VERDICT_ALLOW


def test_a_call_never_waits_past_its_own_deadline() -> None:
    host = host_with()
    host.answering = False
    call = Call(1, [reserve("a", 10)], deadline_ns=host.now_ns + 20 * MS)
    host.apply([call])
    assert host.advance(19) == []
    assert host.advance(1) == [call]


def test_next_deadline_leads_to_the_end_of_the_wait() -> None:
    host = host_with()
    host.answering = False
    began_ns = host.now_ns
    call = Call(1, [reserve("a", 10)])
    done = host.apply([call])
    rounds = 0
    while not done:
        host.now_ns = host.engine.next_deadline_ns()
        done = host.apply([])
        rounds += 1
    assert host.now_ns == began_ns + 250 * MS
    assert rounds <= 4


def test_what_is_missing_is_denied_without_waiting_once_the_ledger_said_no() -> None:
    host = host_with(amount=100)
    first = host.one(reserve("a", 101))
    assert (first.verdict, first.reason, first.denied_level) == (
        d.VERDICT_DENY,
        d.REASON_INSUFFICIENT_BALANCE,
        "pool/general",
    )
    host.answering = False
    again = host.one(reserve("b", 101))
    assert again.reason == d.REASON_INSUFFICIENT_BALANCE
    assert host.unanswered == []


def test_a_grant_that_the_ledger_pushes_ends_the_denials_at_once() -> None:
    host = host_with(amount=100)
    host.one(reserve("a", 101))
    host.ledger.grant(KEY, 50)
    host.push(KEY)
    assert host.one(reserve("b", 101)).verdict == d.VERDICT_ALLOW


def test_partial_amount_is_granted_only_after_the_ledger_was_asked() -> None:
    host = host_with(amount=100)
    host.one(reserve("a", 40))
    assert host.one(reserve("b", 100, min_amount=10)).granted_amount == 60


def test_waiting_calls_are_asked_for_again_after_a_reconnect() -> None:
    host = host_with()
    host.answering = False
    call = Call(1, [reserve("a", 10)])
    host.apply([call])
    host.apply([], [Disconnected()])
    host.answering = True
    assert host.connect() == [call]
    assert parsed(call)[0].granted_amount == 10


def test_cut_off_past_the_lease_denies_at_once_and_says_so() -> None:
    host = host_with()
    host.one(reserve("a", 10))
    host.disconnect()
    host.advance(10_001)
    answer = host.one(reserve("b", 1))
    assert (answer.reason, answer.mode) == (d.REASON_PARTITIONED, d.MODE_PARTITIONED)


def test_cut_off_within_the_lease_goes_on_from_what_is_leased() -> None:
    host = host_with()
    host.one(reserve("a", 10))
    host.one(reserve("b", 10))
    left = host.one(balance()).lease_left
    assert left > 0
    host.disconnect()
    host.advance(5_000)
    answer = host.one(reserve("c", left))
    assert (answer.verdict, answer.mode) == (d.VERDICT_ALLOW, d.MODE_PARTITIONED)
    assert host.one(reserve("d", 1)).reason == d.REASON_PARTITIONED


def test_cut_off_past_the_lease_a_hold_cannot_be_made_to_live_longer() -> None:
    host = host_with()
    host.one(reserve("a", 10, ttl_ms=60_000))
    host.disconnect()
    host.advance(10_001)
    answer = host.one(extend("b", "a", ttl_ms=60_000))
    assert (answer.verdict, answer.reason) == (d.VERDICT_DENY, d.REASON_PARTITIONED)
    assert answer.remaining_ttl_ms == 49_999


def test_settles_are_taken_whatever_the_ledger_does() -> None:
    host = host_with()
    host.one(reserve("a", 10))
    host.disconnect()
    host.advance(30_000)
    assert host.one(settle("b", "a", 7)).debited_amount == 7


def test_unknown_account_is_denied_and_unknown_pool_is_not_found() -> None:
    host = host_with()
    assert host.one(reserve("a", 1, account_id="nobody")).reason == d.REASON_UNKNOWN_ACCOUNT
    assert host.one(check(1, account_id="nobody")).reason == d.REASON_UNKNOWN_ACCOUNT
    assert host.one(charge("c", 1, account_id="nobody")).reason == d.REASON_UNKNOWN_ACCOUNT
    fault = host.one(reserve("a", 1, pool_id="nowhere"))
    assert isinstance(fault, Fault)
    assert (fault.code, fault.reason) == (FaultCode.NOT_FOUND, "POOL_NOT_FOUND")


def test_an_account_created_later_is_found_after_the_unknown_retry() -> None:
    host = host_with()
    assert host.one(reserve("a", 1, account_id="late")).reason == d.REASON_UNKNOWN_ACCOUNT
    host.ledger.create(("late", "general"), 100)
    host.advance(1_001)
    assert host.one(reserve("a", 1, account_id="late")).verdict == d.VERDICT_ALLOW


def test_an_execute_resumes_where_it_waited() -> None:
    host = host_with()
    host.ledger.create(("acme", "gpu"), 100)
    host.one(reserve("warm", 1))
    host.answering = False
    call = Call(1, [reserve("a", 1), reserve("b", 5, pool_id="gpu"), settle("c", "b", 5)])
    host.apply([call])
    host.answering = True
    done = host.apply([], [host.ledger.answer(host.unanswered[-1], host.now_ns)])
    assert done == [call]
    assert [type(answer).__name__ for answer in parsed(call)] == [
        "ReserveResponse",
        "ReserveResponse",
        "SettleResponse",
    ]
    assert not parsed(call)[2].late


def test_two_waiting_calls_with_one_operation_id_make_one_hold() -> None:
    host = host_with()
    host.answering = False
    calls = [Call(n, [reserve("same", 10)]) for n in (1, 2)]
    host.apply(calls)
    host.answering = True
    host.apply([], [host.ledger.answer(host.unanswered[0], host.now_ns)])
    assert calls[0].results == calls[1].results
    assert host.one(balance()).hold_count == 1


def test_idle_rights_go_back_and_can_be_had_again() -> None:
    host = host_with()
    host.one(reserve("a", 10))
    host.one(reserve("b", 10))
    host.one(settle("a2", "a", 10))
    host.one(settle("b2", "b", 10))
    host.post_all()
    host.advance(200_000)
    pool = host.ledger.pools[KEY]
    assert pool.free() == pool.posted == 980
    assert host.one(reserve("c", 980)).verdict == d.VERDICT_ALLOW


def test_an_old_lease_message_changes_nothing() -> None:
    host = host_with()
    old = host.ledger.lease(KEY)
    host.one(reserve("a", 10))
    before = host.one(balance())
    host.apply([], [LeasesUpdated(0, (old,), host.now_ns)])
    assert host.one(balance()).lease_left == before.lease_left


def test_rights_reclaimed_while_away_are_not_spent_again() -> None:
    host = host_with()
    host.one(reserve("a", 10))
    host.one(reserve("b", 10))
    host.disconnect()
    host.advance(20_000)
    lease = host.ledger.lease(KEY)
    reclaimed = lease.granted_total - 20
    taken_back = type(lease)(**{**{f: getattr(lease, f) for f in lease.__slots__}, "reclaimed_total": reclaimed})
    host.apply([], [Connected(2, 1, 0, host.now_ns + 10_000 * MS, host.now_ns, (taken_back,))])
    assert host.one(balance()).lease_left == 0
