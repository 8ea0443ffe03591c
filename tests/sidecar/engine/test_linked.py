"""Linked operations: all or nothing, also for what is recorded."""

from holdfast.v1 import decision_pb2 as d
from holdfast_sidecar.engine.operations import Call, Fault, FaultCode, ListHolds

from tests.sidecar.engine.harness import (
    Host,
    Ledger,
    balance,
    charge,
    extend,
    parsed,
    release,
    reserve,
    settle,
)

KEY = ("acme", "general")


def host_with(amount: int) -> Host:
    ledger = Ledger()
    ledger.create(KEY, amount)
    host = Host(ledger)
    host.one(reserve("old", 10, ttl_ms=60_000))
    return host


def test_all_stand_when_all_are_good() -> None:
    host = host_with(100)
    results = host.run(reserve("a", 20), settle("b", "a", 15), charge("c", 5), linked=True)
    assert [type(result).__name__ for result in results] == ["ReserveResponse", "SettleResponse", "ChargeResponse"]
    figures = host.one(balance())
    assert (figures.posted, figures.held) == (80, 10)


def test_a_denial_takes_everything_back() -> None:
    host = host_with(100)
    results = host.run(
        reserve("a", 20),
        extend("b", "old", add_amount=5, ttl_ms=1_000),
        settle("c", "old", 3, final=False),
        charge("d", set={"counter_id": "job", "total": 4}),
        settle("e", "old", 2),
        reserve("f", 1_000),
        linked=True,
    )
    assert results[0].reason == results[1].reason == results[3].reason == d.REASON_LINKED_FAILED
    assert all(isinstance(results[n], Fault) and results[n].code is FaultCode.ABORTED for n in (2, 4))
    assert results[5].reason == d.REASON_INSUFFICIENT_BALANCE
    figures = host.one(balance())
    assert (figures.posted, figures.held, figures.hold_count) == (100, 10, 1)
    assert host.engine.statistics().last_sequence == 0


def test_what_was_taken_back_is_neither_stored_nor_recorded() -> None:
    host = host_with(100)
    host.run(reserve("a", 20), settle("b", "old", 2), charge("c", 1_000), linked=True)
    host.start()
    host.connect()
    holds = host.one(ListHolds("acme", "", 10, 0)).holds
    assert [(hold.hold_id, hold.amount, hold.settled_amount) for hold in holds] == [("old", 10, 0)]
    assert host.one(reserve("a", 7)).granted_amount == 7
    host.advance(60_001)
    assert host.one(balance()).held == 0


def test_a_fault_takes_everything_back() -> None:
    host = host_with(100)
    results = host.run(reserve("a", 20), release("b", "nowhere"), linked=True)
    assert results[0].reason == d.REASON_LINKED_FAILED
    assert results[1].code is FaultCode.NOT_FOUND
    assert host.one(balance()).held == 10


def test_a_repeated_linked_call_gets_its_recorded_answers() -> None:
    host = host_with(100)
    first = host.run(reserve("a", 20), charge("c", 5), linked=True)
    assert host.run(reserve("a", 20), charge("c", 5), linked=True) == first
    assert host.one(balance()).posted == 95


def test_a_recorded_denial_fails_the_link() -> None:
    host = host_with(100)
    host.one(reserve("a", 1_000))
    results = host.run(charge("c", 5), reserve("a", 1_000), linked=True)
    assert results[0].reason == d.REASON_LINKED_FAILED
    assert host.one(balance()).posted == 100


def test_a_link_that_waits_holds_nothing_meanwhile() -> None:
    host = host_with(100)
    host.ledger.create(("acme", "gpu"), 50)
    host.answering = False
    call = Call(1, [reserve("a", 20), reserve("b", 5, pool_id="gpu")], linked=True)
    host.apply([call])
    assert host.one(balance()).held == 10
    host.answering = True
    host.apply([], [host.ledger.answer(host.unanswered[-1], host.now_ns)])
    assert [result.granted_amount for result in parsed(call)] == [20, 5]


def test_a_link_waits_for_all_that_it_needs_of_a_pool() -> None:
    host = host_with(1_000)
    results = host.run(reserve("a", 100), settle("b", "a", 300), charge("c", 400), linked=True)
    assert [results[0].granted_amount, results[1].debited_amount, results[2].debited_amount] == [100, 300, 400]
