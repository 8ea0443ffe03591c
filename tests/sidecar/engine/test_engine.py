"""What the engine does with one operation, one row a case; the order of checks; limits; records."""

import pytest
from holdfast.v1 import decision_pb2 as d
from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast.v1.ledger_sync_service_pb2 import Debit
from holdfast_sidecar.engine.amounts import INT64_MAX
from holdfast_sidecar.engine.events import Draining, Fenced
from holdfast_sidecar.engine.operations import Fault, FaultCode, ListHolds, Operation
from holdfast_sidecar.engine.settings import EngineSettings

from tests.sidecar.engine.harness import (
    Host,
    Ledger,
    balance,
    charge,
    check,
    extend,
    release,
    reserve,
    settle,
)

KEY = ("acme", "general")


def host_with(amount: int = 1_000, settings: EngineSettings | None = None, **fields: int) -> Host:
    ledger = Ledger()
    ledger.create(KEY, amount, **fields)
    return Host(ledger, settings)


def fault_of(result: object) -> tuple[FaultCode, str]:
    assert isinstance(result, Fault)
    return result.code, result.reason


def test_a_reserve_answers_with_the_figures_after_it() -> None:
    answer = host_with(100).one(reserve("a", 30, ttl_ms=5_000))
    assert answer == pb.ReserveResponse(
        verdict=d.VERDICT_ALLOW,
        reason=d.REASON_OK,
        granted_amount=30,
        posted=100,
        held=30,
        available=70,
        mode=d.MODE_CONNECTED,
        remaining_ttl_ms=5_000,
        retention_ms=600_000,
    )


def test_an_expired_hold_returns_at_its_deadline_and_not_before() -> None:
    host = host_with(100)
    host.one(reserve("a", 100, ttl_ms=2_000))
    host.advance(1_999)
    assert host.one(balance()).held == 100
    host.advance(1)
    assert host.one(balance()).held == 0
    assert host.engine.statistics().expired_hold_count == 1


def test_an_extended_hold_lives_to_its_new_deadline() -> None:
    host = host_with()
    host.one(reserve("a", 10, ttl_ms=1_000))
    answer = host.one(extend("b", "a", add_amount=5, ttl_ms=5_000))
    assert (answer.added_amount, answer.hold_amount, answer.remaining_ttl_ms) == (5, 15, 5_000)
    host.advance(4_999)
    assert host.one(balance()).held == 15
    host.advance(1)
    assert host.one(balance()).held == 0


def test_an_extension_that_is_denied_leaves_the_hold_as_it_is() -> None:
    host = host_with(100)
    host.one(reserve("a", 60, ttl_ms=1_000))
    answer = host.one(extend("b", "a", add_amount=50, ttl_ms=9_000))
    assert (answer.verdict, answer.hold_amount, answer.remaining_ttl_ms) == (d.VERDICT_DENY, 60, 1_000)


def test_a_settle_above_the_hold_is_debited_whole_and_flagged() -> None:
    host = host_with(100)
    host.one(reserve("a", 10))
    answer = host.one(settle("b", "a", 25))
    assert (answer.debited_amount, answer.over_hold_amount, answer.posted, answer.held) == (25, 15, 75, 0)
    assert host.engine.statistics().over_hold_amount == 15


def test_a_settle_of_zero_is_legal_and_makes_no_debit() -> None:
    host = host_with(100)
    host.one(reserve("a", 10))
    answer = host.one(settle("b", "a", 0))
    assert (answer.debited_amount, answer.returned_amount, answer.posted) == (0, 10, 100)
    assert host.engine.statistics().last_sequence == 0


def test_partial_settles_capture_and_keep_the_hold() -> None:
    host = host_with(100)
    host.one(reserve("a", 10))
    first = host.one(settle("b", "a", 4, final=False))
    assert (first.debited_amount, first.returned_amount, first.hold_amount) == (4, 0, 6)
    last = host.one(settle("c", "a", 3))
    assert (last.debited_amount, last.returned_amount, last.hold_amount) == (3, 3, 0)
    assert host.one(balance()).posted == 93


def test_a_settle_after_the_reaper_is_debited_and_flagged_late() -> None:
    host = host_with(100)
    host.one(reserve("a", 10, ttl_ms=1_000))
    host.advance(1_000)
    answer = host.one(settle("b", "a", 7))
    assert (answer.late, answer.debited_amount, answer.posted) == (True, 7, 93)
    statistics = host.engine.statistics()
    assert (statistics.late_settle_count, statistics.late_settle_amount) == (1, 7)


def test_a_late_settle_past_the_retention_needs_the_pool() -> None:
    host = host_with(100, EngineSettings(outcome_retention_ms=5_000))
    host.one(reserve("a", 10, ttl_ms=1_000))
    host.advance(10_000)
    assert fault_of(host.one(settle("b", "a", 7))) == (FaultCode.NOT_FOUND, "HOLD_NOT_FOUND")
    assert host.one(settle("b", "a", 7, pool_id="general")).late


@pytest.mark.parametrize("close", [settle("end", "a", 3), release("end", "a")])
def test_a_closed_hold_can_neither_be_extended_nor_released(close: Operation) -> None:
    host = host_with(100)
    host.one(reserve("a", 10))
    host.one(close)
    for operation in (extend("x", "a", add_amount=1), release("y", "a")):
        assert fault_of(host.one(operation)) == (FaultCode.FAILED_PRECONDITION, "HOLD_CLOSED")


def test_a_hold_that_was_denied_never_was() -> None:
    host = host_with(5)
    host.one(reserve("a", 10))
    assert fault_of(host.one(release("b", "a"))) == (FaultCode.NOT_FOUND, "HOLD_NOT_FOUND")


def test_the_same_id_and_content_is_answered_byte_for_byte() -> None:
    host = host_with(100)
    first = host.one(reserve("a", 10))
    host.one(reserve("b", 10))
    host.advance(100)
    assert host.one(reserve("a", 10)) == first
    assert host.one(balance()).hold_count == 2


def test_a_recorded_denial_is_repeated_though_there_is_money_now() -> None:
    host = host_with(5)
    first = host.one(reserve("a", 10))
    host.ledger.grant(KEY, 100)
    host.push(KEY)
    assert host.one(reserve("a", 10)) == first


@pytest.mark.parametrize(
    "other",
    [reserve("a", 11), reserve("a", 10, subject="x"), reserve("a", 10, dimensions={"k": "v"}), charge("a", 10)],
)
def test_the_same_id_with_other_content_is_refused_and_changes_nothing(other: Operation) -> None:
    host = host_with(100)
    host.one(reserve("a", 10))
    before = host.one(balance())
    assert fault_of(host.one(other)) == (FaultCode.ALREADY_EXISTS, "OPERATION_ID_REUSED")
    assert host.one(balance()) == before


def test_ids_belong_to_their_account() -> None:
    host = host_with(100)
    host.ledger.create(("other", "general"), 50)
    host.one(reserve("a", 10))
    assert host.one(reserve("a", 20, account_id="other")).granted_amount == 20


def test_an_open_hold_keeps_its_id_past_the_retention() -> None:
    host = host_with(100, EngineSettings(outcome_retention_ms=5_000))
    host.one(reserve("a", 10, ttl_ms=60_000))
    host.advance(10_000)
    assert fault_of(host.one(reserve("a", 10)))[0] is FaultCode.ALREADY_EXISTS


def test_a_full_table_of_outcomes_drops_the_oldest_and_says_so() -> None:
    host = host_with(1_000, EngineSettings(outcome_limit=10))
    for n in range(15):
        host.one(reserve(f"op-{n}", 1))
        host.advance(10)
    statistics = host.engine.statistics()
    assert (statistics.outcome_count, statistics.outcome_evicted_early_count) == (10, 5)
    assert host.one(charge("last", 1)).retention_ms < 600_000


def test_the_currency_must_be_the_pools() -> None:
    host = host_with()
    assert host.one(reserve("a", 1, currency="credits")).verdict == d.VERDICT_ALLOW
    assert fault_of(host.one(reserve("b", 1, currency="usd"))) == (FaultCode.INVALID_ARGUMENT, "CURRENCY_MISMATCH")


def test_charge_set_debits_what_the_counter_rises_by() -> None:
    host = host_with(100)
    assert host.one(charge("a", set={"counter_id": "job", "total": 30})).debited_amount == 30
    answer = host.one(charge("b", set={"counter_id": "job", "total": 45}))
    assert (answer.debited_amount, answer.counter_total, answer.posted) == (15, 45, 55)
    same = host.one(charge("c", set={"counter_id": "job", "total": 45}))
    assert (same.verdict, same.debited_amount) == (d.VERDICT_ALLOW, 0)
    back = host.one(charge("d", set={"counter_id": "job", "total": 44}))
    assert fault_of(back) == (FaultCode.FAILED_PRECONDITION, "COUNTER_BACKWARDS")


def test_a_denied_charge_set_leaves_the_counter() -> None:
    host = host_with(40)
    host.one(charge("a", set={"counter_id": "job", "total": 30}))
    denied = host.one(charge("b", set={"counter_id": "job", "total": 90}))
    assert (denied.verdict, denied.counter_total) == (d.VERDICT_DENY, 30)
    assert host.one(charge("c", set={"counter_id": "job", "total": 35})).debited_amount == 5


def test_optimistic_goes_on_until_the_settled_balance_crosses_the_limit() -> None:
    host = host_with(10, enforcement=2, overdraft_limit=5)
    assert host.one(reserve("a", 1_000)).verdict == d.VERDICT_ALLOW
    assert host.one(charge("b", 14)).verdict == d.VERDICT_ALLOW
    assert host.one(charge("c", 3)).posted == -7
    denied = host.one(charge("d", 1))
    assert (denied.verdict, denied.reason) == (d.VERDICT_DENY, d.REASON_OVERDRAFT_LIMIT)
    assert host.one(check(0)).reason == d.REASON_OVERDRAFT_LIMIT


def test_check_changes_nothing_and_zero_asks_for_anything() -> None:
    host = host_with(10)
    assert host.one(check(0)).verdict == d.VERDICT_ALLOW
    assert host.one(check(10)).granted_amount == 10
    assert host.one(check(20, min_amount=5)).granted_amount == 10
    assert host.one(check(11)).reason == d.REASON_INSUFFICIENT_BALANCE
    assert host.one(balance()).held == 0


@pytest.mark.parametrize(
    ("settings", "reason"),
    [(EngineSettings(hold_limit=1), "HOLD_LIMIT"), (EngineSettings(pool_limit=1), "POOL_LIMIT")],
)
def test_limits_refuse_and_change_nothing(settings: EngineSettings, reason: str) -> None:
    host = host_with(100, settings)
    host.ledger.create(("acme", "gpu"), 100)
    host.one(reserve("a", 10))
    pool = "general" if reason == "HOLD_LIMIT" else "gpu"
    assert fault_of(host.one(reserve("b", 10, pool_id=pool))) == (FaultCode.RESOURCE_EXHAUSTED, reason)


def test_counters_are_limited() -> None:
    host = host_with(100, EngineSettings(counter_limit=1))
    host.one(charge("a", set={"counter_id": "one", "total": 1}))
    refused = host.one(charge("b", set={"counter_id": "two", "total": 1}))
    assert fault_of(refused) == (FaultCode.RESOURCE_EXHAUSTED, "COUNTER_LIMIT")


def test_totals_never_pass_int64() -> None:
    host = host_with(100)
    host.one(reserve("a", 10))
    host.one(charge("b", 1))
    assert fault_of(host.one(settle("c", "a", INT64_MAX))) == (FaultCode.INVALID_ARGUMENT, "AMOUNT_OVERFLOW")
    assert host.one(balance()).held == 10


def test_a_fenced_sidecar_decides_nothing_new_and_takes_settles() -> None:
    host = host_with(100)
    host.one(reserve("a", 10))
    host.apply([], [Fenced("FENCED", "another life has taken over")])
    for operation in (reserve("b", 1), charge("c", 1), check(1), extend("d", "a", add_amount=1)):
        assert fault_of(host.one(operation)) == (FaultCode.UNAVAILABLE, "FENCED")
    assert host.one(settle("e", "a", 9)).debited_amount == 9


def test_draining_gives_all_idle_rights_back() -> None:
    host = host_with(1_000)
    host.one(reserve("a", 10))
    host.one(reserve("b", 10))
    host.apply([], [Draining()])
    assert host.ledger.pools[KEY].free() == 980


def test_holds_are_listed_in_order_by_pages() -> None:
    host = host_with(1_000)
    host.ledger.create(("acme", "gpu"), 100)
    for n in range(7):
        host.one(reserve(f"h-{n}", 1, pool_id="gpu" if n % 2 else "general"))
    host.one(release("x", "h-2"))
    seen: list[str] = []
    after = 0
    while True:
        page = host.one(ListHolds("acme", "", 2, after))
        seen += [hold.hold_id for hold in page.holds]
        if not page.next_page_token:
            break
        after = int(page.next_page_token)
    assert seen == ["h-0", "h-1", "h-3", "h-4", "h-5", "h-6"]
    assert [hold.hold_id for hold in host.one(ListHolds("acme", "gpu", 10, 0)).holds] == ["h-1", "h-3", "h-5"]


def test_the_clock_may_not_go_back() -> None:
    host = host_with()
    host.now_ns -= 1
    with pytest.raises(AssertionError, match="clock"):
        host.apply([])


def test_debits_carry_what_the_hold_was_for() -> None:
    from holdfast.v1.ledger_sync_service_pb2 import Debit

    host = host_with(100)
    host.one(reserve("a", 10, subject="team/ann", dimensions={"model": "m", "region": "eu"}))
    host.one(settle("b", "a", 4, dimensions={"region": "us"}, estimated=True))
    ((sequence, data),) = host.store.read_debits(0, 10, 1 << 20)
    debit = Debit.FromString(data)
    assert (sequence, debit.sequence, debit.epoch, debit.amount, debit.estimated) == (1, 1, 1, 4, True)
    assert (debit.operation_id, debit.hold_id, debit.subject) == ("b", "a", "team/ann")
    assert [(entry.key, entry.value) for entry in debit.dimensions] == [("model", "m"), ("region", "us")]


def test_a_restart_on_the_same_boot_keeps_deadlines_and_answers() -> None:
    host = host_with(100)
    first = host.one(reserve("a", 10, ttl_ms=5_000))
    host.advance(2_000)
    host.start()
    host.connect()
    assert host.one(reserve("a", 10, ttl_ms=5_000)) == first
    host.advance(2_999)
    assert host.one(balance()).held == 10
    host.advance(1)
    assert host.one(balance()).held == 0


def test_a_debit_tells_how_long_its_hold_was_open() -> None:
    """The ledger may burn a grant that expired meanwhile; it counts back from the posting, and compares no clocks."""
    host = host_with(100)
    host.one(reserve("r", 50, ttl_ms=60_000))
    host.advance(1_500)
    host.one(extend("e", "r", ttl_ms=60_000))
    host.one(settle("s1", "r", 10, final=False))
    host.start()
    host.connect()
    host.advance(500)
    host.one(settle("s2", "r", 10, final=True))
    host.one(charge("c", 1))
    host.one(settle("s3", "r", 1, pool_id="general"))
    debits = [Debit.FromString(data) for _, data in host.store.read_debits(0, 9, 1 << 20)]
    assert [debit.hold_age_ms for debit in debits] == [1_500, 2_000, 0, 0]
