"""Any order of asks, debits, returns, limits and time keeps windows whole, and never gives more than the limit."""

import itertools
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from holdfast_bench.postgres import Server
from holdfast_ledger.governance.periods import PeriodUnit
from holdfast_ledger.leasing.rights import Granted
from holdfast_ledger.store.interface import Lease, Store
from holdfast_ledger.store.postgres import PostgresStore
from holdfast_ledger.store.sqlite import SqliteStore
from holdfast_ledger.store.window_rows import Window
from hypothesis import HealthCheck, given, settings
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
from tests.ledger.windows.rules import SOFT, delete_budget, set_budget, set_rolling, window

SIDECARS = ("s", "t")
BUDGETS = ("hour", "roll", "soft")
HOUR_MS = 3_600_000


class Host:
    """A sidecar: what it was told, and what it has done with it, by window."""

    def __init__(self) -> None:
        self.sequence = 0
        self.told: dict[str, Lease] = {}
        self.consumed: defaultdict[str, int] = defaultdict(int)
        self.returned: defaultdict[str, int] = defaultdict(int)

    def left(self, name: str) -> int:
        """Rights that it believes to have."""
        lease = self.told.get(name)
        given = lease.granted_total - lease.reclaimed_total if lease else 0
        return given - self.returned[name] - self.consumed[name]

    def forget(self, name: str) -> None:
        """There is no such window any more."""
        for known in (self.told, self.consumed, self.returned):
            known.pop(name, None)


class WindowMachine(RuleBasedStateMachine):
    """Drives windows on a real store. The model keeps what hosts believe, and what the limits are."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.books = Books(store, Clock())
        self.hosts = {name: Host() for name in SIDECARS}
        self.limits: dict[str, int] = {}
        self.operation_count = self.correction_count = 0
        self.operations: list[tuple[str, int]] = []

    @initialize()
    def open(self) -> None:
        self.books.open_pool()
        self.books.grant("g", 10_000)
        for number, name in enumerate(SIDECARS):
            self.books.hello(name, instance=instance(number))
        for budget in BUDGETS:
            self.set_limit(budget, 100)

    @rule(budget=st.sampled_from(BUDGETS), limit=st.sampled_from([0, 30, 100, 101, 1_000]))
    def set_limit(self, budget: str, limit: int) -> None:
        self.limits[budget] = limit
        if budget == "roll":
            set_rolling(self.books, limit)
        elif budget == "soft":
            set_budget(self.books, budget, limit, unit=PeriodUnit.HOUR, action=SOFT, alert_bps=[5_000])
        else:
            set_budget(self.books, budget, limit, unit=PeriodUnit.HOUR)

    @precondition(lambda self: "hour" in self.limits)
    @rule()
    def delete(self) -> None:
        self.limits.pop("hour")
        delete_budget(self.books, "hour")

    def name(self, budget: str, before: int = 0) -> str:
        """The window of a period, of the present one unless told."""
        start_ms = (self.books.clock.now_ms() // HOUR_MS - before) * HOUR_MS
        return "roll\x1f0" if budget == "roll" else f"{budget}\x1f{start_ms}"

    def ask(self, host_name: str, name: str, want: int, need: int, recall_round: int = 0) -> None:
        host = self.hosts[host_name]
        lease = host.told.get(name) or Lease(0, 0, 0)
        free = self.free(name)
        granted = self.books.want(
            want, host_name, pool_id=name, need_amount=need, recall_round=recall_round,
            consumed_total=host.consumed[name], returned_total=host.returned[name],
            granted_total=lease.granted_total, reclaimed_total=lease.reclaimed_total,
        )  # fmt: skip
        before = lease.granted_total
        self.hear(host_name, granted)
        if granted.lease and free is not None:
            deficit = max(0, granted.lease.granted_total - before)
            assert deficit <= max(0, free) + host.consumed[name] + host.returned[name], "no right that was not free"

    def free(self, name: str) -> int | None:
        with self.books.store.reading() as reader:
            pool = reader.pool("a", name)
        return pool.free if pool else None

    def hear(self, host_name: str, granted: Granted) -> None:
        host, name = self.hosts[host_name], granted.pool_id
        if granted.lease is None:
            host.forget(name)
            return
        host.told[name] = granted.lease
        if granted.recall_round:
            host.returned[name] += min(granted.recall_amount, max(0, host.left(name)))
            self.ask(host_name, name, 0, 0, granted.recall_round)

    @rule(
        host=st.sampled_from(SIDECARS), budget=st.sampled_from(("hour", "roll")), before=st.integers(0, 1),
        amount=st.integers(0, 120), need=st.integers(0, 120),
    )  # fmt: skip
    def want(self, host: str, budget: str, before: int, amount: int, need: int) -> None:
        self.ask(host, self.name(budget, before), amount, min(amount, need))

    @rule(host=st.sampled_from(SIDECARS), budget=st.sampled_from(("hour", "roll")), amount=st.integers(1, 60))
    def give_back(self, host: str, budget: str, amount: int) -> None:
        name = self.name(budget)
        known = self.hosts[host]
        known.returned[name] += min(amount, max(0, known.left(name)))
        self.ask(host, name, 0, 0)

    @rule(host=st.sampled_from(SIDECARS))
    def tell(self, host: str) -> None:
        for name in list(self.hosts[host].told):
            if window(self.books, name) is None:
                self.hosts[host].forget(name)
                continue
            for granted in self.books.tell(host, name).granted:
                self.hear(host, granted)

    @rule(
        host=st.sampled_from(SIDECARS),
        content=st.lists(
            st.tuples(st.sets(st.sampled_from(BUDGETS)), st.integers(0, 1), st.integers(1, 60)), min_size=1, max_size=3
        ),
        repeat=st.booleans(),
    )
    def spend(self, host: str, content: list[tuple[set[str], int, int]], repeat: bool) -> None:
        known, debits = self.hosts[host], []
        for budgets, before, amount in content:
            known.sequence += 1
            names = sorted(self.name(budget, before) for budget in budgets)
            for name in names:
                known.consumed[name] += amount
            operation = self.operations[0][0] if repeat and self.operations else None
            if operation is None:
                self.operation_count += 1
                operation = f"unique-{self.operation_count}"
                self.operations.append((operation, amount))
            debits.append(debit(known.sequence, amount, operation_id=operation, windows=names))
        self.books.post(*debits, sidecar_id=host)

    def spend_on(self, host: str, names: list[str], amount: int) -> None:
        """Spends against windows."""
        known = self.hosts[host]
        known.sequence += 1
        for name in names:
            known.consumed[name] += amount
        self.books.post(
            debit(known.sequence, amount, operation_id=f"{host}-{known.sequence}", windows=names), sidecar_id=host
        )

    @precondition(lambda self: self.operations)
    @rule(data=st.data())
    def correct(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.operations) - 1))
        operation, amount = self.operations[place]
        if amount > 1:
            self.correction_count += 1
            self.books.correct(operation, 1, f"c{self.correction_count}")
            self.operations[place] = operation, amount - 1

    @rule(ms=st.sampled_from([1, 60_000, HOUR_MS // 2, HOUR_MS, RECLAIM_AFTER_MS, 10 * 86_400_000]))
    def wait(self, ms: int) -> None:
        self.books.clock.advance(ms)
        self.books.sweep()
        for host in SIDECARS:
            self.books.heartbeat(host)

    @invariant()
    def figures_are_sums(self) -> None:
        self.books.audit()

    @invariant()
    def each_limit_is_that_of_its_rule(self) -> None:
        """Rights out and what is used pass the limit by no more than debits without rights and lowered limits took."""
        for found in self.windows():
            with self.books.store.reading() as reader:
                pool = reader.pools_by_key([found.pool_key])[found.pool_key]
                leases = [x for x in reader.window_leases(0, 1_000) if x.pool_key == found.pool_key]
            if not found.closed and self.books.clock.now_ms() < found.ends_at_ms:
                assert pool.granted_total == self.limits[found.rule_id]
            assert sum(lease.outstanding for lease in leases) == pool.leased
            assert pool.free + pool.leased + pool.spent_total == pool.granted_total
            for name, host in self.hosts.items():
                lease = next((x for x in leases if x.sidecar_id == name), None)
                told = host.told.get(pool.pool_id)
                if lease and told and lease.reclaimed_total == told.reclaimed_total:
                    assert lease.outstanding >= host.left(pool.pool_id), "what a host has, the ledger holds for it"

    def windows(self) -> list[Window]:
        with self.books.store.reading() as reader:
            return reader.windows_after(0, 1_000)

    def teardown(self) -> None:
        self.books.store.close()


def run_model(open_fresh: Callable[[], Store], max_examples: int) -> None:
    run_state_machine_as_test(
        lambda: WindowMachine(open_fresh()),  # type: ignore[arg-type]  # whatever makes a machine will do
        settings=settings(
            max_examples=max_examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_windows_are_those_of_the_model(tmp_path: Path) -> None:
    numbers = itertools.count()
    run_model(lambda: SqliteStore(tmp_path / f"{next(numbers)}.sqlite"), max_examples=40)


def test_windows_are_those_of_the_model_on_postgres(postgres: Server) -> None:
    """Fewer cases: the rules are the same, and each case takes a database and many audits."""
    run_model(lambda: PostgresStore(postgres.create(template=TEMPLATE)), max_examples=6)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "spend", "spend", "return", "tell"]),
        st.sampled_from(SIDECARS),
        st.sampled_from(["hour", "roll"]),
        st.integers(1, 60),
        st.sampled_from([0, 0, 1_000, HOUR_MS // 3]),
    ),
    max_size=40,
)


@settings(max_examples=30, deadline=None)
@given(actions=ACTIONS)
def test_hosts_that_spend_what_they_have_never_pass_a_limit(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, str, str, int, int]]
) -> None:
    """What hosts believe to have, and what they have used, is never more than the limit, whatever is asked and when."""
    machine = WindowMachine(SqliteStore(tmp_path_factory.mktemp("model") / "l.sqlite"))
    machine.open()
    for action, host, budget, amount, wait_ms in actions:
        machine.books.clock.advance(wait_ms)
        for each in SIDECARS:
            machine.books.heartbeat(each)
        machine.books.sweep()
        name = machine.name(budget)
        if action == "ask":
            machine.ask(host, name, amount, amount)
        elif action == "spend" and machine.hosts[host].left(name) > 0:
            machine.spend_on(host, [name], min(amount, machine.hosts[host].left(name)))
        elif action == "return":
            machine.give_back(host, budget, amount)
        elif action == "tell":
            machine.tell(host)
        for found in machine.windows():
            with machine.books.store.reading() as reader:
                pool = reader.pools_by_key([found.pool_key])[found.pool_key]
            believed = sum(max(0, known.left(pool.pool_id)) for known in machine.hosts.values())
            assert believed + pool.spent_total <= pool.granted_total == 100
    machine.books.audit()
    machine.teardown()
