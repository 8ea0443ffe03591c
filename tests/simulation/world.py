"""One run: a ledger, its hosts, their clients and what goes wrong, from the first instant to the last check."""

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import holdfast_sidecar.loop as loop_module
from holdfast.v1 import ledger_service_pb2 as api
from holdfast.v1 import metering_service_pb2 as metering
from holdfast_ledger.config import LedgerConfig
from holdfast_sidecar.engine.operations import Check
from holdfast_sidecar.engine.rules import Dimensions
from holdfast_sidecar.engine.settings import EngineSettings
from holdfast_sidecar.uplink.limits import UplinkLimits

from tests.simulation.clock import MS, SECOND, START_UNIX_NS, US, HostClock, SimLoop
from tests.simulation.disk import Folder
from tests.simulation.event_uplink import grpc_of_simulation
from tests.simulation.events import FUTURE_MS, GRACE_MS, EventsPlan
from tests.simulation.faults import Faults, policy_message
from tests.simulation.history import History
from tests.simulation.host import Host, Surroundings, crash_point
from tests.simulation.invariants import Invariants
from tests.simulation.ledger import usage_of_simulation
from tests.simulation.network import Link
from tests.simulation.patching import replaced
from tests.simulation.plan import FAIL_OPEN, OPTIMISTIC, WORK, Knobs, Plan, PoolPlan
from tests.simulation.record import Record
from tests.simulation.replicas import Replicas
from tests.simulation.rule_checks import RateChecks, rules_differ
from tests.simulation.rules import (
    ACCOUNT,
    KNOWN,
    SUBJECTS,
    Rules,
    setting,
    setting_subjects,
    setting_terms,
    shortened,
)
from tests.simulation.usage_model import Looking
from tests.simulation.workload import Clients

LONG_MS, MANY = 60_000, 10_000
"""Retention of answers above which no run reaches its end."""
CONVERGENCE_NS = 5 * SECOND
"""Within so long after everything works again all hosts and the ledger agree."""
COUNTING_NS = 120 * SECOND
"""The same of events, of which a busy ledger takes a batch a second."""
LOOK_NS = 50 * MS
REST_NS = 300 * MS
CLOCKS_OFF_MS = 500
"""By how much a replica's clock may be off at the end of a run."""
EXPECTED_ENDINGS = frozenset({"UNAVAILABLE", "SHUTTING_DOWN", "REPLACED"})
"""How the ledger may end a stream of a sidecar that does all right, in the absence of copies and restores."""
BEHIND_ENDINGS = frozenset({"RIGHTS_UNKNOWN", "LEDGER_BEHIND", "SEQUENCE_GAP"})
"""And with them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run."""

    plan: Plan
    violation: str
    """What did not hold; empty: all held."""
    history: History
    check_count: int

    @property
    def ok(self) -> bool:
        """Whether all held."""
        return not self.violation


class World:
    """The parts of one run, put together from its plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        knobs = plan.knobs
        self.loop = SimLoop()
        self.history = History(lambda: self.loop.now_ns)
        self.rules = Rules(plan.rules)
        self.rates = RateChecks(self.rules, self.fail, lambda: self.loop.now_ns)
        answers_kept = knobs.outcome_ms > LONG_MS and knobs.outcome_limit > MANY
        names_kept = plan.events.retention_ms > LONG_MS and plan.events.name_limit > MANY
        self.record = Record(answers_kept, self._windows_of, self._passed, names_kept=names_kept)
        self.violation = ""
        self._line = 0
        self._is_open = any(pool.partition_mode == FAIL_OPEN for pool in knobs.pools) or any(
            action.kind == "policy" for action in plan.actions
        )
        """Whether a host that is cut off may let on what it does not know the rules of."""
        commit_ns = (knobs.commit_us[0] * US, knobs.commit_us[1] * US)
        self.replicas = Replicas(
            self.loop,
            self.history,
            self._rng("ledger"),
            _config(knobs),
            knobs.ledger_drift_ppm,
            commit_ns,
            self._committed,
            knobs.replica_count,
            plan.events,
            Looking(self._rng("looking"), plan.events.events_a_run),
        )
        shared = Surroundings(
            self.loop,
            self.history,
            self.record,
            _settings(knobs, plan.events),
            _limits(knobs),
            self.replicas.dial,
            self.replicas.accept,
            self._after_round,
            self._died_in_round,
            self._new_line,
            plan.events,
            self.replicas.all,
        )
        self.hosts = [self._host(index, f"host-{index}", shared) for index in range(knobs.host_count)]
        self.spare = self._host(knobs.host_count, "spare", shared)
        self.invariants = self._invariants()
        self.clients = Clients(self.loop, self.history, self.hosts, plan.seed)
        self.faults = Faults(
            self.loop,
            self.history,
            self.hosts,
            self.spare,
            self.replicas,
            self.invariants,
            self.record,
            self.rules,
            self._new_line,
            plan.seed,
            plan.events,
        )

    def _invariants(self) -> Invariants:
        invariants = Invariants(
            self.replicas.database,
            self.record,
            self.rules,
            self.plan.knobs,
            self.fail,
            [*self.hosts, self.spare],
            lambda: self.loop.now_ns,
            self.plan.events,
        )
        invariants.excuses.optimistic = any(pool.enforcement == OPTIMISTIC for pool in self.plan.knobs.pools)
        return invariants

    def _rng(self, name: str) -> Random:
        return Random(f"{self.plan.seed} {name}")

    def _new_line(self) -> int:
        self._line += 1
        return self._line

    def _host(self, index: int, name: str, shared: Surroundings) -> Host:
        knobs, rng = self.plan.knobs, self._rng(name)
        clock = HostClock(self.loop, knobs.drifts_ppm[index], rng.randint(1, 1_000) * SECOND)
        link = Link(self.loop, rng, (knobs.delay_us[0] * US, knobs.delay_us[1] * US))
        folder = Folder(name, self._new_line())
        return Host(name, shared, rng, clock, link, folder, knobs.durabilities[index], f"{name}-boot-1")

    # ── what the parts tell ─────────────────────────────────────────────────────────────────────────────────────────

    def fail(self, violation: str) -> None:
        """Something does not hold: the run ends."""
        if not self.violation:
            self.violation = violation
            self.history.tell("check", "fails", violation)
        self.loop.stopped = True

    def _committed(self) -> None:
        self.invariants.after_commit()

    def _windows_of(self, pool_id: str, subject: str, dimensions: Dimensions) -> set[str] | None:
        """Returns what is decided now counts against, as long as the rules are as they were at the beginning."""
        if not self.rules.constant or self._is_open:
            return None
        return self.rules.windows_of(pool_id, subject, dict(dimensions).get("model", ""), self._unix_ms())

    def _unix_ms(self) -> int:
        return START_UNIX_NS // MS + self.loop.now_ns // MS

    def _passed(self, line: int, subject: str, amount: int) -> None:
        if self.rules.constant and not self._is_open:
            self.rates.passed(
                next(host for host in [*self.hosts, self.spare] if host.folder.line == line), subject, amount
            )

    def _after_round(self, host: Host) -> None:
        self.invariants.after_round(host)

    def _died_in_round(self, host: Host) -> None:
        self.invariants.died_in_round(host)

    # ── the run ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> Outcome:
        """Runs to the end, or to the first violation."""
        with _surroundings(), shortened(self.plan.rules):
            try:
                self._run()
            except Exception as error:  # noqa: BLE001 - whatever is raised is what the run has found
                self.fail(f"raised: {type(error).__name__}: {error}")
                self.error: BaseException | None = error
            finally:
                self._end()
        return Outcome(self.plan, self.violation, self.history, self.invariants.check_count)

    def _run(self) -> None:
        plan = self.plan
        for ledger in self.replicas.all:
            ledger.start()
        self._set_up()
        for host in self.hosts:
            host.start()
        begun_ns = self.loop.now_ns
        for action in plan.actions:
            work = action.kind in WORK
            self.loop.at(begun_ns + action.at_ns, self.clients.begin if work else self.faults.carry_out, action)
        self._go(begun_ns + plan.horizon_ns)
        self.history.tell("world", "heals")
        self.faults.heal()
        self._converge()
        self._count_events()
        self._rest()

    def _set_up(self) -> None:
        servicer, ask = self.replicas.all[0].servicer, self.replicas.all[0].ask
        ask(servicer.CreateAccount(api.CreateAccountRequest(account=api.Account(account_id=ACCOUNT))))
        for pool in self.plan.knobs.pools:
            ask(servicer.CreatePool(api.CreatePoolRequest(pool=_pool_message(pool))))
            if pool.granted:
                grant = api.Grant(
                    account_id=ACCOUNT,
                    pool_id=pool.pool_id,
                    grant_id="first",
                    amount=pool.granted,
                    category=api.GRANT_CATEGORY_PAID,
                )
                ask(servicer.CreateGrant(api.CreateGrantRequest(grant=grant)))
            self.history.tell("world", "pool", *(getattr(pool, name) for name in PoolPlan.__slots__))
        for meter in self.plan.events.meters:
            ask(self.replicas.all[0].meters.SetMeter(metering.SetMeterRequest(meter=meter)))
            self.history.tell("world", "meter", str(meter).replace("\n", " "))
        self._go(self.loop.now_ns + SECOND // 2)
        if self.plan.rules.governed:
            governance = self.replicas.all[0].governance
            ask(setting_subjects(governance, KNOWN))
            ask(setting_terms(governance, self.plan.rules.deny_unknown_subject))
            for rule in self.rules.all:
                ask(setting(governance, rule))
                self.history.tell("world", "rule", rule)
        self._go(self.loop.now_ns + SECOND // 2)

    def _go(self, until_ns: int) -> None:
        """Runs up to a time, and looks for what nobody handled."""
        while self.loop.now_ns < until_ns and not self.violation:
            self.loop.run_until(min(until_ns, self.loop.now_ns + LOOK_NS))
            unexpected = [what for ledger in self.replicas.all for what in ledger.unexpected]
            for what in (*self.loop.faults, *unexpected):
                self.fail(f"unhandled: {what}")
            self._check_endings()

    def _check_endings(self) -> None:
        """A sidecar and a ledger that keep to the contract give each other no cause to complain."""
        excuses = self.invariants.excuses
        endings = [ending for ledger in self.replicas.all for ending in ledger.endings]
        for ledger in self.replicas.all:
            ledger.endings.clear()
        for code, reason, details in endings:
            allowed = reason in EXPECTED_ENDINGS or reason == "FENCED"
            if not allowed and not ((excuses.forked or excuses.restored) and reason in BEHIND_ENDINGS):
                self.fail(f"the ledger ends a stream: {code.name} {reason}: {details}")
        if excuses.forked or excuses.restored:
            return
        for host in self.hosts:
            if host.fenced:
                self.fail(f"{host.name} is fenced, and nobody else has its folder: {host.fenced}")
            if host.process is not None and host.process.uplink.broken_contract:
                self.fail(f"{host.name}: {host.process.uplink.broken_contract}")

    def _present(self) -> list[Host]:
        """The hosts that are to go on: all that are not fenced."""
        return [host for host in [*self.hosts, self.spare] if host.alive and not host.fenced]

    def _converge(self) -> None:
        """Waits until all agree; calls under way may go on for a while."""
        healed_ns = self.loop.now_ns
        difference = "nothing was compared"
        while self.loop.now_ns < healed_ns + CONVERGENCE_NS and not self.violation:
            self._go(self.loop.now_ns + 2 * LOOK_NS)
            difference = self.invariants.disagreement(self._present())
            if not difference:
                self.history.tell("world", "agrees after", (self.loop.now_ns - healed_ns) // MS, "ms")
                return
        self.fail(f"no agreement {CONVERGENCE_NS // SECOND} s after all healed: {difference}")

    def _count_events(self) -> None:
        """Waits until all events are counted: those that a busy ledger sent away come again after a second."""
        until_ns = self.loop.now_ns + COUNTING_NS
        while (left := self.invariants.events.disagreement(self._present())) and not self.violation:
            if self.loop.now_ns > until_ns:
                self.fail(f"events are not counted {COUNTING_NS // SECOND} s after all healed: {left}")
            self._go(self.loop.now_ns + 2 * LOOK_NS)

    def _rest(self) -> None:
        """Lets holds end and lives be reclaimed, then checks what is left."""
        if self.violation:
            return
        knobs = self.plan.knobs
        reclaim_ms = max(knobs.validity_ms, knobs.allowance_validity_ms) + knobs.max_ttl_ms + knobs.slack_ms
        self._go(self.loop.now_ns + (3 * knobs.max_ttl_ms + reclaim_ms * 21 // 20 + knobs.sweep_ms) * MS + REST_NS)
        if not self.violation:
            present = self._present()
            difference = self.invariants.disagreement(present)
            until_ns = self.loop.now_ns + CONVERGENCE_NS
            while difference and self.loop.now_ns < until_ns and not self.violation:
                # Periods go on ending, and what was leased of them is just then on its way back.
                self._go(self.loop.now_ns + 2 * LOOK_NS)
                difference = self.invariants.disagreement(present)
            if difference:
                self.fail(f"at rest there is no agreement: {difference}")
            self.invariants.at_rest(present)
            self.invariants.books()
            self.invariants.events.at_rest()
            self.invariants.windows.limits(self._unix_ms() + CLOCKS_OFF_MS)
            self._look_up(present)

    def _look_up(self, hosts: list[Host]) -> None:
        """Has all hosts use the rules of each subject, and compares."""
        if not self.plan.rules.governed or not self.plan.knobs.lease_wait_ms:
            return
        for _ in range(3):
            for host in hosts:
                for subject in SUBJECTS:
                    host.call(Check(ACCOUNT, "pool-0", 1, 0, "", subject, ()), lambda _: None)
            self._go(self.loop.now_ns + REST_NS)
        database = self.replicas.database
        differs = rules_differ(database, self._present(), self._unix_ms())
        if differs and not self.violation:
            self.fail(f"rules are out of step: {differs}")

    def _end(self) -> None:
        """Ends all processes, so that nothing of this run is left in the loop."""
        self.loop.stopped = False
        for ledger in self.replicas.all:
            ledger.kill()
        for host in [*self.hosts, self.spare]:
            host.kill("ends")
        self.loop.run_until(self.loop.now_ns)
        self.replicas.database.close()


def run(plan: Plan) -> Outcome:
    """Carries a plan out."""
    return World(plan).run()


@contextmanager
def _surroundings() -> Iterator[None]:
    """Points of the code under test that a run has to have its hand on, for as long as it lasts."""
    disabled, collecting = logging.root.manager.disable, gc.isenabled()
    logging.disable(logging.CRITICAL)
    # Collected at places that allocation decides, cycles would run their finalizers in no order that a seed fixes.
    gc.disable()
    try:
        with replaced(loop_module, "crash_point", crash_point), grpc_of_simulation(), usage_of_simulation():
            yield
    finally:
        logging.disable(disabled)
        if collecting:
            gc.enable()


def _pool_message(pool: PoolPlan) -> api.Pool:
    policy = policy_message(
        pool.enforcement, pool.overdraft_limit, pool.partition_mode, pool.partition_limit, pool.partition_after_ms
    )
    return api.Pool(account_id=ACCOUNT, pool_id=pool.pool_id, policy=policy)


def _config(knobs: Knobs) -> LedgerConfig:
    settings: dict[str, Any] = {
        "lease_validity_ms": knobs.validity_ms,
        "heartbeat_interval_ms": knobs.heartbeat_ms,
        "clock_slack_ms": knobs.slack_ms,
        "sweep_interval_ms": knobs.sweep_ms,
        "window_debit_count": knobs.window,
        "post_debit_count": knobs.post_debits,
        "allowance_validity_ms": knobs.allowance_validity_ms,
        "recall_timeout_ms": knobs.recall_timeout_ms,
        "snapshot_interval_ms": knobs.snapshot_ms,
    }
    return LedgerConfig.model_construct(**settings)


def _settings(knobs: Knobs, events: EventsPlan) -> EngineSettings:
    return EngineSettings(
        default_hold_ttl_ms=knobs.max_ttl_ms,
        max_hold_ttl_ms=knobs.max_ttl_ms,
        outcome_retention_ms=knobs.outcome_ms,
        outcome_limit=knobs.outcome_limit,
        lease_wait_ms=knobs.lease_wait_ms,
        lease_horizon_ms=knobs.horizon_ms,
        lease_idle_ms=knobs.idle_ms,
        lease_denied_retry_ms=knobs.denied_retry_ms,
        unknown_retry_ms=200,
        partition_after_ms=max(3 * knobs.heartbeat_ms, 100),
        event_future_ms=FUTURE_MS,
        event_grace_ms=GRACE_MS,
        event_id_retention_ms=events.retention_ms,
        event_id_limit=events.name_limit,
        debit_retention_count=knobs.retention_count,
    )


def _limits(knobs: Knobs) -> UplinkLimits:
    return UplinkLimits(
        batch_debit_count=knobs.batch_debits,
        connect_timeout_ms=knobs.welcome_ms,
        welcome_timeout_ms=knobs.welcome_ms,
        backoff_min_ms=min(50, knobs.backoff_max_ms),
        backoff_max_ms=knobs.backoff_max_ms,
        stable_ms=max(1_000, knobs.backoff_max_ms),
    )
