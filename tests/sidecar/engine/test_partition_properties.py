"""What must hold of a host that is cut off and healed at random: allowance and rights are each spent once."""

from holdfast.v1.ledger_sync_service_pb2 import Debit
from holdfast_sidecar.engine import operations as op
from holdfast_sidecar.engine.operations import Call
from holdfast_sidecar.engine.settings import EngineSettings
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.sidecar.engine import harness
from tests.sidecar.engine.harness import Host, Ledger, balance

KEY = ("acme", "general")
ALLOWANCE = 2
amounts = st.integers(1, 40)
ids = st.sampled_from([f"op-{n}" for n in range(60)])


class PartitionMachine(RuleBasedStateMachine):
    """One STRICT pool with an allowance; operations, cuts, healing, restarts and lapses of time."""

    @initialize(amount=st.integers(0, 100), allowance=st.integers(0, 60))
    def begin(self, amount: int, allowance: int) -> None:
        self.ledger = Ledger()
        self.ledger.create(KEY, amount)
        self.ledger.pools[KEY].partition_mode = ALLOWANCE
        self.ledger.pools[KEY].allowance_granted = allowance
        self.host = Host(self.ledger, EngineSettings(lease_wait_ms=1, lease_denied_retry_ms=1))
        self.host.one(balance())

    def do(self, operation: op.Operation) -> None:
        self.host.apply([Call(1, [operation])])
        self.host.advance(2)

    @rule(operation_id=ids, amount=amounts, least=st.integers(0, 40), ttl_ms=st.sampled_from([500, 3_000, 60_000]))
    def reserve(self, operation_id: str, amount: int, least: int, ttl_ms: int) -> None:
        self.do(harness.reserve(operation_id, amount, min_amount=min(least, amount), ttl_ms=ttl_ms))

    @rule(operation_id=ids, hold_id=ids, add=st.integers(0, 40))
    def extend(self, operation_id: str, hold_id: str, add: int) -> None:
        self.do(harness.extend(operation_id, hold_id, add_amount=add, ttl_ms=60_000))

    @rule(operation_id=ids, hold_id=ids, amount=st.integers(0, 60), final=st.booleans())
    def settle(self, operation_id: str, hold_id: str, amount: int, final: bool) -> None:
        self.do(harness.settle(operation_id, hold_id, amount, final=final))

    @rule(operation_id=ids, hold_id=ids)
    def release(self, operation_id: str, hold_id: str) -> None:
        self.do(harness.release(operation_id, hold_id))

    @rule(operation_id=ids, delta=amounts)
    def charge(self, operation_id: str, delta: int) -> None:
        self.do(harness.charge(operation_id, delta))

    @rule(first=ids, second=ids, amount=amounts, more=amounts)
    def linked(self, first: str, second: str, amount: int, more: int) -> None:
        operations: list[op.Operation] = [harness.reserve(first, amount), harness.charge(second, more)]
        self.host.apply([Call(1, operations, linked=True)])
        self.host.advance(2)

    @rule(ms=st.sampled_from([499, 3_001, 11_000, 61_000]))
    def advance(self, ms: int) -> None:
        self.host.advance(ms)

    @precondition(lambda self: self.host.connected)
    @rule()
    def cut(self) -> None:
        self.host.disconnect()

    @precondition(lambda self: not self.host.connected)
    @rule()
    def heal(self) -> None:
        self.host.connect()

    @rule()
    def restart(self) -> None:
        self.host.start()

    @invariant()
    def no_allowance_is_spent_twice(self) -> None:
        """What was ever flagged and what is held of it never passes what was given."""
        if not hasattr(self, "host"):
            return
        figures = self.host.one(balance()) if self.host.engine.statistics().pool_count else None
        if figures is None:
            return
        spent = sum(debit.allowance_amount for debit in self.debits())
        given = self.ledger.pools[KEY].allowance_granted
        assert spent <= figures.allowance_used
        assert figures.allowance_used + figures.allowance_left <= given
        assert figures.allowance_left >= 0

    @invariant()
    def what_is_not_flagged_is_leased(self) -> None:
        """I-4 with allowances: rights cover all that no flag explains."""
        if not hasattr(self, "host") or not self.host.engine.statistics().pool_count:
            return
        figures = self.host.one(balance())
        explained = figures.allowance_used
        for debit in self.debits():
            explained += debit.amount if debit.late else debit.over_hold_amount
        assert figures.lease_left >= -explained

    def debits(self) -> list[Debit]:
        return [Debit.FromString(data) for _, data in self.host.store.read_debits(0, 1_000_000, 1 << 40)]


TestPartition = PartitionMachine.TestCase
TestPartition.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
