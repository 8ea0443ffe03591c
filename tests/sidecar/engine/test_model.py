"""The engine against the reference model: random operations, repeats, restarts, grants, postings and lapses of time."""

import copy
from typing import Any

from holdfast.v1 import decision_pb2
from holdfast.v1.ledger_sync_service_pb2 import Debit
from holdfast_sidecar.engine import operations as op
from holdfast_sidecar.engine.operations import Fault
from holdfast_sidecar.engine.settings import EngineSettings
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.sidecar.engine import harness
from tests.sidecar.engine.harness import Host, Ledger, balance
from tests.sidecar.engine.model import LINKED_FAILED, OK, OPTIMISTIC, STRICT, Model, Outcome

POOLS = ("general", "gpu")
amounts = st.integers(1, 40)
ids = st.sampled_from([f"op-{n}" for n in range(40)])
pools = st.sampled_from(POOLS)
ttls = st.sampled_from([500, 3_000, 60_000])


def outcome_of(operation: op.Operation, result: Any) -> Outcome:
    """Returns what the engine answered in the model's terms."""
    if isinstance(result, Fault):
        return (result.code.name,)
    figures = (result.posted, result.held, result.available)
    if isinstance(operation, op.Settle):
        late_over = (result.late, result.over_hold_amount)
        return (result.debited_amount, result.returned_amount, result.hold_amount, *late_over, *figures)
    if isinstance(operation, op.Release):
        return (result.returned_amount, *figures)
    reason = decision_pb2.Reason.Name(result.reason).removeprefix("REASON_")
    assert (result.verdict == decision_pb2.VERDICT_ALLOW) == (reason == OK)
    if isinstance(operation, op.Charge):
        return (reason, result.debited_amount, *figures, result.counter_total)
    if isinstance(operation, op.Extend):
        return (reason, result.added_amount, result.hold_amount, *figures)
    return (reason, result.granted_amount, *figures)


class EngineMachine(RuleBasedStateMachine):
    """Every rule does the same to both and compares the answers."""

    @initialize(general=st.integers(0, 200), gpu=st.integers(0, 100), limit=st.sampled_from([0, 25]))
    def begin(self, general: int, gpu: int, limit: int) -> None:
        self.ledger = Ledger()
        self.model = Model()
        self.ledger.create(("acme", "general"), general)
        self.model.create("general", general, STRICT, 0)
        self.ledger.create(("acme", "gpu"), gpu, enforcement=OPTIMISTIC, overdraft_limit=limit)
        self.model.create("gpu", gpu, OPTIMISTIC, limit)
        self.host = Host(self.ledger, EngineSettings(outcome_retention_ms=10**9))
        # Nothing may wait on a cached "no": each decision stands for itself.
        for pool in POOLS:
            self.host.one(balance(pool))
        self.gone: dict[str, bytes] = {}

    def compare(self, operation: op.Operation, expected: Outcome) -> None:
        assert outcome_of(operation, self.host.one(operation)) == expected

    @rule(operation_id=ids, pool=pools, amount=amounts, least=st.integers(0, 40), ttl_ms=ttls)
    def reserve(self, operation_id: str, pool: str, amount: int, least: int, ttl_ms: int) -> None:
        least = min(least, amount)
        operation = harness.reserve(operation_id, amount, pool_id=pool, min_amount=least, ttl_ms=ttl_ms)
        self.compare(operation, self.model.reserve(operation_id, pool, amount, least, ttl_ms))

    @rule(pool=pools, amount=amounts, least=st.integers(0, 40))
    def check(self, pool: str, amount: int, least: int) -> None:
        least = min(least, amount)
        operation = harness.check(amount, pool_id=pool, min_amount=least)
        self.compare(operation, self.model.check(pool, amount, least))

    @rule(operation_id=ids, hold_id=ids, add=st.integers(0, 40), least=st.integers(0, 40), ttl_ms=ttls)
    def extend(self, operation_id: str, hold_id: str, add: int, least: int, ttl_ms: int) -> None:
        least = min(least, add)
        operation = harness.extend(operation_id, hold_id, add_amount=add, min_add_amount=least, ttl_ms=ttl_ms)
        self.compare(operation, self.model.extend(operation_id, hold_id, add, least, ttl_ms))

    @rule(
        operation_id=ids,
        hold_id=ids,
        amount=st.integers(0, 60),
        final=st.booleans(),
        pool=st.sampled_from(["", *POOLS]),
    )
    def settle(self, operation_id: str, hold_id: str, amount: int, final: bool, pool: str) -> None:
        operation = harness.settle(operation_id, hold_id, amount, final=final, pool_id=pool)
        self.compare(operation, self.model.settle(operation_id, hold_id, amount, final, pool))

    @rule(operation_id=ids, hold_id=ids)
    def release(self, operation_id: str, hold_id: str) -> None:
        self.compare(harness.release(operation_id, hold_id), self.model.release(operation_id, hold_id))

    @rule(operation_id=ids, pool=pools, delta=amounts, used=st.booleans())
    def charge(self, operation_id: str, pool: str, delta: int, used: bool) -> None:
        operation = harness.charge(operation_id, delta, pool_id=pool, already_used=used)
        self.compare(operation, self.model.charge(operation_id, pool, delta, "", 0, used))

    @rule(
        operation_id=ids,
        pool=pools,
        counter=st.sampled_from(["job-1", "job-2"]),
        total=st.integers(0, 60),
        used=st.booleans(),
    )
    def charge_set(self, operation_id: str, pool: str, counter: str, total: int, used: bool) -> None:
        rise = {"counter_id": counter, "total": total}
        operation = harness.charge(operation_id, pool_id=pool, already_used=used, set=rise)
        self.compare(operation, self.model.charge(operation_id, pool, 0, counter, total, used))

    @rule(first=ids, second=ids, third=ids, amount=amounts, more=amounts, pool=pools)
    def linked(self, first: str, second: str, third: str, amount: int, more: int, pool: str) -> None:
        """A reserve, its settle, and a charge: all or nothing."""
        operations: list[op.Operation] = [
            harness.reserve(first, amount, pool_id=pool, ttl_ms=3_000),
            harness.settle(second, first, more),
            harness.charge(third, more, pool_id=pool),
        ]
        trial = copy.deepcopy(self.model)
        expected = [
            trial.reserve(first, pool, amount, 0, 3_000),
            trial.settle(second, first, more, True, ""),
            trial.charge(third, pool, more, "", 0),
        ]
        good = [self.stands(first, expected[0], trial), len(expected[1]) > 1, self.stands(third, expected[2], trial)]
        results = self.host.run(*operations, linked=True)
        outcomes = [outcome_of(*pair) for pair in zip(operations, results, strict=True)]
        if all(good):
            assert outcomes == expected
            self.model = trial
            return
        failed = good.index(False)
        for index, outcome in enumerate(outcomes):
            if index == failed:
                assert outcome == expected[index]
            else:
                assert outcome[0] == ("ABORTED" if index == 1 else LINKED_FAILED)

    @staticmethod
    def stands(operation_id: str, outcome: Outcome, trial: Model) -> bool:
        """Whether a linked operation neither failed nor was denied, now or when it was recorded."""
        if len(outcome) == 1:
            return False
        _, recorded = trial.recorded[operation_id]
        return recorded[0] not in ("INSUFFICIENT_BALANCE", "OVERDRAFT_LIMIT")

    @rule(ms=st.sampled_from([1, 499, 500, 2_999, 10_000, 61_000]))
    def advance(self, ms: int) -> None:
        self.host.advance(ms)
        self.model.advance(ms)

    @rule(pool=pools, amount=amounts)
    def grant(self, pool: str, amount: int) -> None:
        self.ledger.grant(("acme", pool), amount)
        self.host.push(("acme", pool))
        self.model.granted[pool] += amount

    @rule()
    def post(self) -> None:
        self.host.post_all()

    @rule()
    def restart(self) -> None:
        """What is stored is all that is needed."""
        self.host.start()
        self.host.connect()

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "host"):
            return
        for pool in POOLS:
            figures = self.host.one(balance(pool))
            assert (figures.posted, figures.held, figures.available) == self.model.balance(pool)
            assert figures.hold_count == sum(hold.pool == pool for hold in self.model.holds.values())

    @invariant()
    def strict_never_overdrawn_by_decisions(self) -> None:
        """I-4: rights left are negative only by what late and over-hold settles, and late charges, spent."""
        if not hasattr(self, "host"):
            return
        debits = [Debit.FromString(data) for _, data in self.host.store.read_debits(0, 1_000_000, 1 << 40)]
        assert sum(debit.amount for debit in debits if debit.late and not debit.hold_id) == self.model.charged_late
        general = [debit for debit in debits if debit.pool_id == "general"]
        excess = sum(debit.amount if debit.late else debit.over_hold_amount for debit in general)
        assert self.host.one(balance("general")).lease_left >= -excess


TestEngineAgainstModel = EngineMachine.TestCase
TestEngineAgainstModel.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
