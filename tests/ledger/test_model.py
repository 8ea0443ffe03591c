"""Any order of grants, rights, debits, restarts and time keeps the books of a model that knows only sums."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from holdfast_bench.postgres import Server
from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.leasing.allowances import ALLOWANCE
from holdfast_ledger.leasing.bound import overdraft_bound
from holdfast_ledger.leasing.rights import Granted
from holdfast_ledger.store.interface import NEVER, NO_ROLLOVER, GrantState, Lease, Policy, Rollover, Store
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
from tests.ledger.harness import ALLOWANCE_RECLAIM_AFTER_MS, RECLAIM_AFTER_MS, Books, Clock, debit, instance

POOLS = ("general", "bound")
SIDECARS = ("s", "t")


class Host:
    """A sidecar as the model sees it: what it was given, and what it has done with it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.starts = 0
        self.epoch = 0
        self.sequence = 0
        self.begin()

    def begin(self) -> None:
        """An empty folder."""
        self.consumed = dict.fromkeys(POOLS, 0)
        self.returned = dict.fromkeys(POOLS, 0)
        self.allowance_used = dict.fromkeys(POOLS, 0)
        self.allowance_returned = dict.fromkeys(POOLS, 0)
        self.told: dict[str, Lease] = {}

    def left(self, pool: str) -> int:
        """Rights that it believes to have."""
        lease = self.told.get(pool)
        given = lease.granted_total - lease.reclaimed_total if lease else 0
        return given - self.returned[pool] - self.consumed[pool]

    def allowance_left(self, pool: str) -> int:
        """Allowance that it believes to have."""
        lease = self.told.get(pool)
        given = lease.allowance_granted_total - lease.allowance_reclaimed_total if lease else 0
        return given - self.allowance_returned[pool] - self.allowance_used[pool]

    def claims(self, pool: str) -> dict[str, int]:
        """What it tells of its totals."""
        lease = self.told.get(pool) or Lease(0, 0, 0)
        return {
            "consumed_total": self.consumed[pool],
            "granted_total": lease.granted_total,
            "reclaimed_total": lease.reclaimed_total,
            "returned_total": self.returned[pool],
            "allowance_granted_total": lease.allowance_granted_total,
            "allowance_reclaimed_total": lease.allowance_reclaimed_total,
            "allowance_returned_total": self.allowance_returned[pool],
        }


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
        self.correction_count = 0
        self.posted: dict[str, tuple[str, int]] = {}
        """Pool of each operation that was posted, and what is left of it after corrections."""

    @initialize()
    def open(self) -> None:
        for pool in POOLS:
            self.books.open_pool(pool, policy=Policy(partition_mode=ALLOWANCE, partition_overdraft_limit=200))
            self.grant(pool, 1_000, 2, 0, 0, None)
        for name in SIDECARS:
            self.start(name, fresh=True)

    @rule(
        pool=st.sampled_from(POOLS),
        amount=st.integers(1, 2_000),
        category=st.integers(1, 2),
        priority=st.integers(0, 2),
        starts_in_ms=st.sampled_from([0, 0, 50, 5_000]),
        lasts_ms=st.sampled_from([None, None, 10, 3_000, 100_000]),
        rollover=st.sampled_from([NO_ROLLOVER, Rollover(10_000, 0, 50, 3), Rollover(3_333, 100, 5_000, 2)]),
    )
    def grant(
        self,
        pool: str,
        amount: int,
        category: int,
        priority: int,
        starts_in_ms: int,
        lasts_ms: int | None,
        rollover: Rollover = NO_ROLLOVER,
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
            rollover=rollover,
        )
        self.promised[pool] += amount

    def ask(self, name: str, pool: str, amount: int, **fields: int) -> None:
        """Asks the ledger for a host, and takes its answer in. An ask is a sign of life (`sync.jobs`)."""
        self.books.heartbeat(name)
        host = self.hosts[name]
        self.hear(name, self.books.want(amount, name, pool_id=pool, **(host.claims(pool) | fields)))

    def hear(self, name: str, granted: Granted) -> None:
        """Takes in what the ledger tells a host; answers a recall with all that can be spared."""
        host, pool, lease = self.hosts[name], granted.pool_id, granted.lease
        assert lease is not None
        host.told[pool] = lease
        host.allowance_returned[pool] += min(granted.allowance_recall_amount, max(0, host.allowance_left(pool)))
        if granted.recall_round:
            assert not granted.pending
            host.returned[pool] += min(granted.recall_amount, max(0, host.left(pool)))
            self.ask(name, pool, 0, recall_round=granted.recall_round)

    @rule(
        name=st.sampled_from(SIDECARS),
        pool=st.sampled_from(POOLS),
        amount=st.integers(0, 300),
        need=st.integers(0, 300),
        held=st.integers(0, 50),
    )
    def want(self, name: str, pool: str, amount: int, need: int, held: int) -> None:
        free, before = self.books.pool(pool).free, self.leased(pool)
        self.ask(name, pool, amount, need_amount=min(need, amount), held_amount=held)
        assert self.leased(pool) - before <= max(0, free), "no right that was not free"

    @rule(name=st.sampled_from(SIDECARS), pool=st.sampled_from(POOLS))
    def tell(self, name: str, pool: str) -> None:
        """A stream tells a lease again; whoever still waits does so in a round that others have to answer."""
        for granted in self.books.tell(name, pool).granted:
            self.hear(name, granted)
            if granted.pending:
                stored = self.books.pool(pool)
                assert stored.recall_until_ms > self.clock.now_ms()
                assert stored.recall_round > 0

    @rule(pool=st.sampled_from(POOLS), amount=st.integers(1, 100))
    def need_at_once(self, pool: str, amount: int) -> None:
        """One host takes all that is free, and the other gets what it needs of it: no credit is out of reach."""
        self.clock.advance(1_000)  # past the pause after a round that failed
        for name in SIDECARS:
            self.books.heartbeat(name)
            self.tell(name, pool)
        name, other = SIDECARS
        all_there_is = max(0, self.hosts[other].left(pool)) + max(0, self.books.pool(pool).free)
        self.ask(other, pool, all_there_is, need_amount=all_there_is)
        spare = max(0, self.books.pool(pool).free + max(0, self.hosts[other].left(pool)))
        wanted = max(0, self.hosts[name].left(pool)) + amount
        self.ask(name, pool, wanted, need_amount=wanted)
        for _ in range(3):
            for host in (other, name):
                self.tell(host, pool)
        assert self.books.lease(name, pool).needed == 0, "the round is over"
        if amount <= spare:
            assert self.hosts[name].left(pool) >= wanted

    @rule(pool=st.sampled_from(POOLS), mode=st.sampled_from([1, 2, 2, 3]), limit=st.sampled_from([0, 50, 200, 300]))
    def set_policy(self, pool: str, mode: int, limit: int) -> None:
        policy = Policy(partition_mode=mode, partition_overdraft_limit=limit if mode == ALLOWANCE else 0)
        key = self.books.pool(pool).pool_key
        self.books.write(lambda writer: writer.save_policy(key, policy))

    @rule(name=st.sampled_from(SIDECARS), pool=st.sampled_from(POOLS), amount=st.integers(1, 200))
    def give_back(self, name: str, pool: str, amount: int) -> None:
        host = self.hosts[name]
        had, host.returned[pool] = host.left(pool), host.returned[pool] + amount
        try:
            self.ask(name, pool, 0)
        except InvalidArgument:
            assert amount > had, "what it has it may give back"
            host.returned[pool] -= amount

    @rule(
        name=st.sampled_from(SIDECARS),
        content=st.lists(st.tuples(st.sampled_from(POOLS), st.sampled_from([1, 7, 40, 150])), min_size=1, max_size=4),
        resend=st.integers(0, 3),
        repeat=st.booleans(),
        cut_off=st.booleans(),
        late=st.booleans(),
        hold_age_ms=st.sampled_from([0, 15, 3_000, 200_000]),
    )
    def spend(
        self,
        name: str,
        content: list[tuple[str, int]],
        resend: int,
        repeat: bool,
        cut_off: bool,
        late: bool,
        hold_age_ms: int,
    ) -> None:
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
                self.posted[operation] = (pool, amount)
                self.spent[pool] += amount
            used = min(amount, max(0, host.allowance_left(pool))) if cut_off else 0
            host.allowance_used[pool] += used
            fields = {
                "pool_id": pool, "operation_id": operation, "allowance_amount": used, "late": late,
                "hold_age_ms": hold_age_ms,
            }  # fmt: skip
            debits.append(debit(host.sequence, amount, epoch=host.epoch, **fields))
        assert self.books.post(*debits, sidecar_id=name).acked_sequence == host.sequence

    @rule(data=st.data(), pool=st.sampled_from(POOLS))
    def void(self, data: st.DataObject, pool: str) -> None:
        grant = data.draw(st.sampled_from(sorted(self.books.grants(pool).values(), key=lambda grant: grant.grant_key)))
        if grant.state is GrantState.PENDING:
            self.promised[pool] -= grant.amount
        self.books.void(grant.grant_id, pool)

    @precondition(lambda self: self.posted)
    @rule(data=st.data(), amount=st.integers(0, 60))
    def correct(self, data: st.DataObject, amount: int) -> None:
        operation_id, (pool, left) = data.draw(st.sampled_from(sorted(self.posted.items())))
        self.correction_count += 1
        try:
            made = self.books.correct(operation_id, amount, f"c{self.correction_count}", pool)
        except InvalidArgument:
            assert amount > left or left == 0, "all of a debit may be given back"
        else:
            assert made.amount == (amount or left) <= left
            self.posted[operation_id] = (pool, left - made.amount)
            self.spent[pool] -= made.amount

    @rule(ms=st.sampled_from([1, 20, 4_000, RECLAIM_AFTER_MS, ALLOWANCE_RECLAIM_AFTER_MS]))
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
            host.begin()
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

    @invariant()
    def figures_are_sums(self) -> None:
        """Also: what a host believes to have, the ledger holds for it, unless it took it back meanwhile."""
        for name in POOLS:
            pool = self.books.pool(name)
            out = [lease.allowance_outstanding for lease in self.leases(pool.pool_key)]
            assert all(amount >= 0 for amount in out)
            assert pool.allowance_leased == sum(out)
            for sidecar, host in self.hosts.items():
                if name not in host.told:
                    continue
                known = self.books.lease(sidecar, name)
                if known.reclaimed_total == host.told[name].reclaimed_total:
                    assert known.outstanding >= host.left(name)
                if known.allowance_reclaimed_total == host.told[name].allowance_reclaimed_total:
                    assert known.allowance_outstanding >= host.allowance_left(name)

    @invariant()
    def the_overdraft_is_explained(self) -> None:
        for name in POOLS:
            pool = self.books.pool(name)
            reasons = (
                pool.allowance_spent_total + pool.fail_open_total + pool.over_hold_total + pool.late_total
                + pool.unleased_total + pool.expired_leased_total
            )  # fmt: skip
            assert max(0, -pool.free) <= reasons
            assert pool.overdraft <= overdraft_bound(pool)

    def leases(self, pool_key: int) -> list[Lease]:
        with self.books.store.reading() as reader:
            return reader.leases(None, pool_key, None, 0, 1_000)

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
        lambda: LedgerMachine(open_fresh()),  # type: ignore[arg-type]  # whatever makes a machine will do
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
