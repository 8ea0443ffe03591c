"""Events charged where they are taken in: folded into debits, never denied, each with its part of the debit."""

from dataclasses import replace

import pytest
from holdfast.v1.ingest_service_pb2 import EventCharge
from holdfast_rating.metering import Filter, FilterOperator
from holdfast_sidecar.engine.event_rows import NO_METERS, Meters
from holdfast_sidecar.engine.operations import Call
from holdfast_sidecar.engine.rules import AccountTerms
from holdfast_sidecar.engine.settings import EngineSettings

from tests.sidecar.engine.event_requests import (
    CALLS,
    KEY,
    TOKENS,
    debits,
    event,
    outcomes,
    rated,
    recorded,
    report,
)
from tests.sidecar.engine.harness import Host, Ledger, balance, budget, parsed, reserve
from tests.sidecar.engine.rate_cards import TERMS, card_content

SETTINGS = EngineSettings(lease_wait_ms=250, partition_after_ms=3_000)


def ledger_with(*meters: object, amount: int = 1_000_000) -> Ledger:
    """A ledger with one pool."""
    ledger = Ledger()
    ledger.create(KEY, amount)
    ledger.meters = Meters(1, meters)  # type: ignore[arg-type]  # meters they are
    return ledger


def charges_of(host: Host) -> list[list[tuple[str, int, int]]]:
    """Meter, quantity and amount of each event's charges."""
    return [[(one.meter_id, one.quantity, one.amount) for one in kept.charges] for kept in recorded(host)]


def assert_debits_are_their_events(host: Host) -> None:
    """Each debit is the sum of what its events say of it."""
    sums: dict[str, int] = {}
    for kept in recorded(host):
        for one in kept.charges:
            sums[one.operation_id] = sums.get(one.operation_id, 0) + one.amount
    assert {debit.operation_id: debit.amount for debit in debits(host)} == {
        operation_id: amount for operation_id, amount in sums.items() if amount
    }


def test_each_event_is_charged_by_each_meter_that_counts_it() -> None:
    """In the balance at once; the debit carries no quantities, since the events do."""
    host = Host(ledger_with(CALLS, TOKENS), SETTINGS)
    host.one(report(event("1", 100), event("2", 33), event("3")))
    assert charges_of(host) == [
        [("calls", 1, 3), ("tokens", 100, 50)],
        [("calls", 1, 3), ("tokens", 33, 16)],
        [("calls", 1, 3)],
    ]
    assert sorted(debit.amount for debit in debits(host)) == [9, 66]
    assert host.one(balance()).posted == 1_000_000 - 75
    assert {(debit.late, len(debit.quantities)) for debit in debits(host)} == {(False, 0)}
    assert_debits_are_their_events(host)


def test_events_are_folded_by_what_a_debit_tells_of_them() -> None:
    """Account, subject and dimensions; their order and ids do not matter."""
    host = Host(ledger_with(CALLS), SETTINGS)
    host.ledger.create(("b", "general"), 1_000)
    host.one(
        report(
            event("1", dimensions={"model": "m", "region": "eu"}, subject="team/ann"),
            event("2", dimensions={"region": "eu", "model": "m"}, subject="team/ann"),
            event("3", dimensions={"model": "m"}, subject="team/ann"),
            event("4", dimensions={"model": "m", "region": "eu"}),
            event("5", account_id="b"),
        )
    )
    found = {(one.account_id, one.subject, len(one.dimensions), one.amount) for one in debits(host)}
    assert found == {
        ("acme", "team/ann", 2, 6),
        ("acme", "team/ann", 1, 3),
        ("acme", "", 2, 3),
        ("b", "", 0, 3),
    }
    assert_debits_are_their_events(host)


def test_the_same_events_at_another_host_are_the_same_operation() -> None:
    """Whatever their order; other events, another meter or other dimensions are not."""
    names: list[set[str]] = []
    for events in (
        [event("1", 1), event("2", 1)],
        [event("2", 1), event("1", 1)],
        [event("1", 1)],
        [event("1", 1, dimensions={"model": "m"}), event("2", 1, dimensions={"model": "m"})],
    ):
        host = Host(ledger_with(CALLS, TOKENS), SETTINGS)
        host.one(report(*events))
        names.append({charge.operation_id for one in recorded(host) for charge in one.charges})
    assert names[0] == names[1]
    assert len(names[0] | names[2] | names[3]) == 6
    assert all(name.startswith("ev:") and len(name) == 35 for name in names[0])


def test_an_event_that_costs_something_else_at_another_host_is_another_operation() -> None:
    """Of one name with two contents the ledger counts one, and must be able to give back the other one's debit."""
    names: list[set[str]] = []
    for tokens, price_amount in ((60, 2), (120, 2), (60, 5)):
        host = Host(ledger_with(replace(TOKENS, price_amount=price_amount)), SETTINGS)
        host.one(report(event("1", tokens)))
        names.append({debit.operation_id for debit in debits(host)})
    assert len(set.union(*names)) == 3


def test_only_new_events_are_charged() -> None:
    host = Host(ledger_with(CALLS), SETTINGS)
    host.one(report(event("1"), event("2")))
    host.one(report(event("1"), event("2"), event("3"), event("3")))
    assert [debit.amount for debit in debits(host)] == [6, 3]


def test_what_nothing_covers_is_debited_as_late() -> None:
    host = Host(ledger_with(CALLS, amount=4), SETTINGS)
    host.one(reserve("hold", 4))
    host.one(report(event("1"), event("2")))
    assert [(debit.amount, debit.late) for debit in debits(host)] == [(6, True)]
    assert host.one(balance()).available == -6


def test_filters_units_and_prices_hold_for_each_event() -> None:
    """Half to even, each by itself, so that the ledger comes to the same however events are batched."""
    eu = Filter("region", FilterOperator.IN, ("eu",))
    meter = replace(TOKENS, filters=(eu,), multiplier=1, divisor=60, price_amount=1, price_per=2)
    host = Host(ledger_with(meter), SETTINGS)
    host.one(report(*[event(str(tokens), tokens, dimensions={"region": "eu"}) for tokens in (90, 150, 59, 29)]))
    host.one(report(event("us", 600, dimensions={"region": "us"}), event("none", 600)))
    assert charges_of(host) == [
        [("tokens", 2, 1)],
        [("tokens", 2, 1)],
        [("tokens", 1, 0)],
        [("tokens", 0, 0)],
        [],
        [],
    ]
    assert [debit.amount for debit in debits(host)] == [2]


def test_events_that_cost_nothing_say_so_without_a_debit() -> None:
    """So that the ledger charges nothing for them either."""
    host = Host(ledger_with(replace(CALLS, price_amount=0)), SETTINGS)
    host.one(report(event("1")))
    assert charges_of(host) == [[("calls", 1, 0)]]
    assert debits(host) == []


def test_prices_of_the_rate_card_hold_at_the_events_time() -> None:
    """Each event at its own; one without a model, or with one that has no price, is left to the ledger."""
    ledger = ledger_with(rated())
    ledger.rate_cards = (card_content(),)
    ledger.govern(terms=TERMS)
    host = Host(ledger, SETTINGS)
    host.advance(5_500)
    host.one(
        report(
            event("1", 10, dimensions={"model": "gpt-5"}),
            event("2", 10, dimensions={"model": "small"}, time_unix_ms=6_000),
            event("3", 10, dimensions={"model": "unknown"}),
            event("4", 10),
        )
    )
    assert charges_of(host) == [[("tokens", 10, 30)], [("tokens", 10, 1)], [], []]
    assert_debits_are_their_events(host)


def test_output_gets_dearer_for_events_after_the_change() -> None:
    ledger = ledger_with(rated("output"))
    ledger.rate_cards = (card_content(),)
    ledger.govern(terms=TERMS)
    host = Host(ledger, SETTINGS)
    host.advance(5_500)
    model = {"model": "gpt-5"}
    host.one(report(event("1", 1, dimensions=model), event("2", 1, dimensions=model, time_unix_ms=6_000)))
    assert charges_of(host) == [[("tokens", 1, 12)], [("tokens", 1, 18)]]
    assert [debit.amount for debit in debits(host)] == [30]


def test_budgets_count_what_events_cost() -> None:
    ledger = ledger_with(CALLS)
    ledger.govern(budgets=[budget("cap", 100)])
    host = Host(ledger, SETTINGS)
    host.one(report(event("1")))
    assert [len(debit.windows) for debit in debits(host)] == [1]


def test_accounts_that_the_ledger_does_not_know_are_refused() -> None:
    """With the field; events of others go on."""
    host = Host(ledger_with(CALLS), SETTINGS)
    answer = host.one(report(event("1"), event("2", account_id="nobody"), event("3", account_id="nobody", type="x")))
    assert answer.accepted_count == 1
    assert outcomes(answer.results) == [(1, "REFUSED", "account_id"), (2, "REFUSED", "account_id")]
    assert [debit.amount for debit in debits(host)] == [3]


def test_a_pool_that_is_not_there_leaves_the_charge_to_the_ledger() -> None:
    host = Host(ledger_with(replace(CALLS, pool_id="gone"), TOKENS), SETTINGS)
    assert host.one(report(event("1", 10))).accepted_count == 1
    assert charges_of(host) == [[("tokens", 10, 5)]]


def test_a_pool_that_is_not_known_yet_is_waited_for() -> None:
    """Nothing is taken in, and nothing debited, before all can be; what came meanwhile is not charged twice."""
    ledger = ledger_with(CALLS)
    host = Host(ledger, SETTINGS)
    host.answering = False
    call, rival = Call(1, [report(event("1"), event("2"))]), Call(2, [report(event("2"), event("3"))])
    assert host.apply([call, rival]) == []
    assert recorded(host) == []
    done = host.apply([], [ledger.answer(host.unanswered[0], host.now_ns)])
    first, second = (parsed(one)[0] for one in done)
    assert (first.accepted_count, second.accepted_count, second.duplicate_count) == (2, 1, 1)
    assert [debit.amount for debit in debits(host)] == [6, 3]
    assert_debits_are_their_events(host)


def test_rights_that_come_while_it_waits_are_enough_for_all_its_debits() -> None:
    """Two debits of one request, of which the rights here cover one: the whole need is asked for."""
    ledger = ledger_with(CALLS, TOKENS, amount=1_000)
    host = Host(ledger, SETTINGS)
    host.one(report(event("0")))
    answer = host.one(report(event("1", 1_900), event("2", 4)))
    assert answer.accepted_count == 2
    assert sum(debit.amount for debit in debits(host)) == 3 + 6 + 950 + 2
    assert [debit.late for debit in debits(host)] == [False] * 3


def test_without_the_ledger_events_are_taken_in_uncharged() -> None:
    """After a while; the ledger charges them as it counts them."""
    host = Host(ledger_with(CALLS), SETTINGS)
    host.answering = False
    call = Call(1, [report(event("1"))])
    assert host.apply([call]) == []
    (done,) = host.advance(300)
    assert parsed(done)[0].accepted_count == 1
    assert charges_of(host) == [[]]
    assert debits(host) == []


def test_a_host_that_is_cut_off_charges_what_it_can() -> None:
    """Debited and flagged, as every spend that took place."""
    host = Host(ledger_with(CALLS), SETTINGS)
    host.one(report(event("1")))
    host.disconnect()
    host.advance(60_000)
    host.one(report(event("2")))
    assert [(debit.amount, debit.late) for debit in debits(host)] == [(3, False), (3, True)]


def test_too_much_for_one_debit_is_left_to_the_ledger() -> None:
    host = Host(ledger_with(replace(TOKENS, price_amount=2, price_per=1)), SETTINGS)
    assert host.one(report(event("1", 2**62), event("2", 2**62), event("3", 5, subject="a"))).accepted_count == 3
    assert charges_of(host) == [[], [], [("tokens", 5, 10)]]


def test_meters_are_asked_for_when_the_ledger_has_others() -> None:
    """Told with a heartbeat; kept over a restart without the ledger; gone when it has none."""
    host = Host(ledger_with(), SETTINGS)
    host.one(report(event("1")))
    host.ledger.meters = Meters(5, (CALLS,))
    host.heartbeat()
    host.one(report(event("2")))
    host.start()
    host.connect()
    host.one(report(event("3")))
    assert charges_of(host) == [[], [("calls", 1, 3)], [("calls", 1, 3)]]
    assert host.engine.statistics().events.meter_count == 1
    host.ledger.meters = NO_METERS
    host.heartbeat()
    host.one(report(event("4")))
    host.start()
    assert host.engine.statistics().events.meter_count == 0
    assert charges_of(host)[-1] == []


def test_an_answer_without_meters_is_not_asked_for_again_before_the_next_heartbeat() -> None:
    """A replica of an older ledger tells none."""
    ledger = ledger_with(CALLS)
    told = ledger.tell
    ledger.tell = lambda ask, now_ns: told(replace(ask, meters_wanted=False), now_ns)  # type: ignore[method-assign]
    host = Host(ledger, SETTINGS)
    assert host.engine.statistics().events.meter_count == 0
    ledger.tell = told  # type: ignore[method-assign]
    host.heartbeat()
    assert host.engine.statistics().events.meter_count == 1


def test_other_meters_charge_nothing_here() -> None:
    """Those without a pool, and those of a whole period."""
    free = replace(CALLS, pool_id="", price_amount=0)
    host = Host(ledger_with(free), SETTINGS)
    host.one(report(event("1")))
    assert charges_of(host) == [[]]
    assert host.engine.statistics().events.meter_count == 0


@pytest.mark.parametrize("terms", [AccountTerms(), AccountTerms(rate_card_id="missing", rate_card_revision=1)])
def test_an_account_without_a_rate_card_leaves_rated_events_to_the_ledger(terms: AccountTerms) -> None:
    ledger = ledger_with(rated())
    ledger.govern(terms=terms)
    host = Host(ledger, SETTINGS)
    host.apply([Call(1, [report(event("1", 1, dimensions={"model": "gpt-5"}))])])
    host.advance(500)
    assert charges_of(host) == [[]]


def test_a_charge_says_all_that_takes_it_back() -> None:
    host = Host(ledger_with(CALLS), SETTINGS)
    host.one(report(event("1")))
    (debit,) = debits(host)
    (charge,) = recorded(host)[0].charges
    assert charge == EventCharge(
        meter_id="calls", quantity=1, amount=3, operation_id=debit.operation_id, pool_id="general"
    )
