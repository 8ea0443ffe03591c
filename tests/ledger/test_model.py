"""Any order of grants, rights, debits, restarts and time keeps the books of a model that knows only sums."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from holdfast_bench.postgres import Server
from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.store.interface import NEVER, Store
from holdfast_ledger.store.postgres import PostgresStore
from holdfast_ledger.store.sqlite import SqliteStore
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.ledger.conftest import TEMPLATE
from tests.ledger.harness import RECLAIM_AFTER_MS, Books, Clock, debit, instance

POOLS = ("general", "bound")
SIDECARS = ("s", "t")


class Host:
    """A sidecar as the model sees it: what it was given, and what it has done with it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.starts = 0
        self.epoch = 0
        self.sequence = 0
        self.consumed = dict.fromkeys(POOLS, 0)
        self.returned = dict.fromkeys(POOLS, 0)


class LedgerMachine(RuleBasedStateMachine):
    """Drives the rules on a real store; `spent` and `granted` are the model."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.clock = Clock()
        self.books = Books(store, self.clock)
        self.hosts = {name: Host(number) for number, name in enumerate(SIDECARS)}
        self.grant_count = self.operation_count = 0
        self.spent = dict.fromkeys(POOLS, 0)
        self.promised = dict.fromkeys(POOLS, 0)
        self.operations: list[str] = []

    @initialize()
    def open(self) -> None:
        for pool in POOLS:
            self.books.open_pool(pool)
        for name in SIDECARS:
            self.start(name, fresh=True)

    @rule(
        pool=st.sampled_from(POOLS),
        amount=st.integers(1, 500),
        category=st.integers(1, 2),
        priority=st.integers(0, 2),
        starts_in_ms=st.sampled_from([0, 0, 50, 5_000]),
        lasts_ms=st.sampled_from([None, 10, 3_000, 100_000]),
    )
    def grant(
        self, pool: str, amount: int, category: int, priority: int, starts_in_ms: int, lasts_ms: int | None
    ) -> None:
        self.grant_count += 1
        begins_ms = self.clock.now_ms() + starts_in_ms
        self.books.grant(
            f"g{self.grant_count}",
            amount,
            pool,
            category=category,
            priority=priority,
            effective_at_ms=begins_ms,
            expires_at_ms=NEVER if lasts_ms is None else begins_ms + lasts_ms,
        )
        self.promised[pool] += amount

    @rule(
        name=st.sampled_from(SIDECARS), pool=st.sampled_from(POOLS), amount=st.integers(0, 300), held=st.integers(0, 50)
    )
    def want(self, name: str, pool: str, amount: int, held: int) -> None:
        host, free = self.hosts[name], self.books.pool(pool).free
        before = self.leased(pool)
        self.books.want(
            amount,
            name,
            pool_id=pool,
            held_amount=held,
            consumed_total=host.consumed[pool],
            returned_total=host.returned[pool],
        )
        assert self.leased(pool) - before <= max(0, free), "no right that was not free"

    @rule(name=st.sampled_from(SIDECARS), pool=st.sampled_from(POOLS), amount=st.integers(1, 200))
    def give_back(self, name: str, pool: str, amount: int) -> None:
        host = self.hosts[name]
        returned = host.returned[pool] + amount
        try:
            self.books.want(0, name, pool_id=pool, consumed_total=host.consumed[pool], returned_total=returned)
        except InvalidArgument:
            return
        host.returned[pool] = returned

    @rule(
        name=st.sampled_from(SIDECARS),
        content=st.lists(st.tuples(st.sampled_from(POOLS), st.integers(1, 150)), min_size=1, max_size=6),
        resend=st.integers(0, 3),
        repeat=st.booleans(),
    )
    def spend(self, name: str, content: list[tuple[str, int]], resend: int, repeat: bool) -> None:
        host = self.hosts[name]
        resend = min(resend, host.sequence)
        debits = [debit(host.sequence - n, 1, epoch=host.epoch) for n in reversed(range(resend))]
        for pool, amount in content:
            host.sequence += 1
            host.consumed[pool] += amount
            operation = self.operations[len(self.operations) // 2] if repeat and self.operations else None
            if operation is None:
                self.operation_count += 1
                operation = f"unique-{self.operation_count}"
                self.operations.append(operation)
                self.spent[pool] += amount
            debits.append(debit(host.sequence, amount, epoch=host.epoch, pool_id=pool, operation_id=operation))
        assert self.books.post(*debits, sidecar_id=name).acked_sequence == host.sequence

    @rule(ms=st.sampled_from([1, 20, 4_000, RECLAIM_AFTER_MS]))
    def wait(self, ms: int) -> None:
        self.clock.advance(ms)
        self.books.sweep()

    @rule(name=st.sampled_from(SIDECARS))
    def restart(self, name: str) -> None:
        self.start(name, fresh=False)

    @rule(name=st.sampled_from(SIDECARS))
    def lose_the_folder(self, name: str) -> None:
        self.start(name, fresh=True)

    def start(self, name: str, fresh: bool) -> None:
        host = self.hosts[name]
        host.starts += 1
        if fresh:
            host.consumed, host.returned = dict.fromkeys(POOLS, 0), dict.fromkeys(POOLS, 0)
        known = self.books.hello(
            name,
            epoch=0 if fresh else host.epoch,
            instance=instance(host.number * 10_000 + host.starts),
            last_sequence=0 if fresh else host.sequence,
        )
        assert known.epoch == host.epoch + 1
        assert known.acked_sequence == host.sequence
        host.epoch = known.epoch

    def leased(self, pool: str) -> int:
        return self.books.pool(pool).leased

    @invariant()
    def books_are_whole(self) -> None:
        self.books.audit()

    @precondition(lambda self: self.grant_count)
    @invariant()
    def nothing_is_lost(self) -> None:
        for name in POOLS:
            pool = self.books.pool(name)
            assert pool.spent_total == self.spent[name]
            assert pool.free + pool.leased == pool.posted
            pending = sum(g.amount for g in self.books.grants(name).values() if g.state == 1)
            assert pool.granted_total + pending == self.promised[name]

    def teardown(self) -> None:
        self.books.store.close()


def run_model(open_fresh: Callable[[], Store], max_examples: int) -> None:
    run_state_machine_as_test(
        lambda: LedgerMachine(open_fresh()),
        settings=settings(
            max_examples=max_examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_books_are_those_of_the_model(tmp_path: Path) -> None:
    numbers = itertools.count()
    run_model(lambda: SqliteStore(tmp_path / f"{next(numbers)}.sqlite"), max_examples=40)


def test_the_books_are_those_of_the_model_on_postgres(postgres: Server) -> None:
    """Fewer cases: the rules are the same, and each case takes a database and some hundred audits."""
    run_model(lambda: PostgresStore(postgres.create(template=TEMPLATE)), max_examples=10)


@pytest.mark.parametrize("amount", [1, 99, 100])
def test_a_pool_can_be_spent_to_the_last_credit_by_whoever_asks(books: Books, amount: int) -> None:
    books.open_pool()
    books.grant("g", 100)
    books.hello("s")
    books.hello("t", instance=instance(2))
    assert books.lease_for(amount, "s").granted_total == amount
    assert books.lease_for(100, "t").granted_total == 100 - amount
