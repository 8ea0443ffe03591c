"""What goes wrong, and how it heals: one method a kind of action of the plan."""

from collections.abc import Callable
from random import Random
from typing import cast

from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import ledger_service_pb2 as api
from holdfast.v1 import metering_service_pb2 as metering
from holdfast.v1 import usage_service_pb2 as usage
from holdfast.v1.ingest_service_pb2 import RecordedEvent
from holdfast_ledger.metering.reports import Reports

from tests.simulation.clock import MS, SimLoop
from tests.simulation.events import EventsPlan, reported, taken_back
from tests.simulation.history import History
from tests.simulation.host import Host
from tests.simulation.invariants import Invariants
from tests.simulation.ledger import SimLedger
from tests.simulation.plan import OPTIMISTIC, Action
from tests.simulation.record import Record
from tests.simulation.replicas import Replicas
from tests.simulation.rules import (
    ACCOUNT,
    SUBJECTS,
    Rule,
    Rules,
    altered,
    deleting,
    setting,
    setting_subjects,
    setting_terms,
)

Arguments = tuple[int | str, ...]


class Faults:
    """Carries actions out. Before the end `heal` undoes what is left of them."""

    def __init__(
        self,
        loop: SimLoop,
        history: History,
        hosts: list[Host],
        spare: Host,
        replicas: Replicas,
        invariants: Invariants,
        record: Record,
        rules: Rules,
        new_line: Callable[[], int],
        seed: int,
        events: EventsPlan,
    ) -> None:
        self._events = events
        self._record = record
        self._rules = rules
        self._grants = [(f"pool-{number}", "first") for number in range(len(invariants.knobs.pools))]
        self._loop = loop
        self._history = history
        self._hosts = hosts
        self._spare = spare
        self._replicas = replicas
        self._invariants = invariants
        self._new_line = new_line
        self._seed = seed
        self._healed = False
        self._untold = False

    def carry_out(self, action: Action) -> None:
        """Does what an action says."""
        self._history.tell("fault", action.kind, *action.args)
        rng = Random(f"{self._seed} fault {action.number}")
        getattr(self, f"_{action.kind}")(rng, *action.args)

    def heal(self) -> None:
        """Everything works again: links, clocks, processes, except what is fenced for good."""
        self._healed = True
        if self._untold:
            self._tell_restored()
        for ledger in self._replicas.all:
            ledger.stalled_until_ns = 0
            ledger.clock.step_ns = 0
            ledger.next_fate = None
            ledger.die_before_ack = False
            self._start(ledger)
        for host in [*self._hosts, self._spare]:
            host.crash_at = None
            self._open(host)
            host.resume()
            self._unhush(host)
        for host in self._hosts:
            host.start()

    def _later(self, delay_ms: int, do: Callable[..., object], *args: object) -> None:
        def now() -> None:
            if not self._healed:
                do(*args)

        self._loop.after(delay_ms * MS, now)

    def _open(self, host: Host) -> None:
        host.link.set_open(True, True)
        if host.process is not None:
            host.process.uplink.kick()

    # ── hosts ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _crash(self, _: Random, index: int, point: str, passes: int, down_ms: int) -> None:
        host = self._hosts[index]
        if point == "now":
            host.kill("is killed")
        else:
            host.crash_at = (point, passes)
        self._later(down_ms, host.start)
        if point != "now":
            # The point may be passed later than that.
            self._later(down_ms + 500, host.start)

    def _power(self, _: Random, index: int, down_ms: int) -> None:
        host = self._hosts[index]
        host.lose_power()
        self._later(down_ms, host.start)

    def _lose_folder(self, _: Random, index: int, down_ms: int) -> None:
        host = self._hosts[index]
        host.lose_folder()
        self._later(down_ms, host.start)

    def _drain(self, _: Random, index: int, down_ms: int) -> None:
        host = self._hosts[index]
        host.drain()
        self._later(5, host.kill, "stops, drained")
        self._later(5 + down_ms, host.start)

    def _pause(self, _: Random, index: int, for_ms: int) -> None:
        host = self._hosts[index]
        host.pause()
        self._later(for_ms, host.resume)

    def _hush(self, _: Random, index: int, for_ms: int) -> None:
        """What sends debits is stuck, what sends events goes on."""
        host = self._hosts[index]
        if host.process is not None:
            host.process.uplink.paused = True
        self._later(for_ms, self._unhush, host)

    def _unhush(self, host: Host) -> None:
        if host.process is not None and not host.paused and host.process.uplink.paused:
            host.process.uplink.resume()

    def _disk(self, _: Random, index: int, when: str, down_ms: int) -> None:
        host = self._hosts[index]
        if host.process is not None:
            if when == "before":
                host.process.store.fail_next_commit = True
            else:
                host.process.store.fail_after_commit = True
        self._later(down_ms, host.start)
        self._later(down_ms + 500, host.start)

    def _copy(self, _: Random, index: int, after_ms: int) -> None:
        """The folder is copied as it is; the copy is started on another machine some time later.

        Not while the ledger's Welcome is not durable there: then both bear one instance, the ledger takes them for one
        process that reconnects, and neither is fenced (guarantees, "Not promised").
        """
        folder = self._hosts[index].folder
        if self._spare.alive or self._invariants.excuses.forked or not folder.seen.is_welcomed:
            return
        self._invariants.excuses.forked = True
        copied = folder.copied(self._new_line())

        def begin() -> None:
            self._spare.folder = copied
            self._spare.start()

        self._later(after_ms, begin)

    def _rollback(self, _: Random, index: int, age_ms: int, down_ms: int) -> None:
        """The folder is copied now; some time later the machine goes on from the copy, as from an old snapshot."""
        host = self._hosts[index]
        if self._invariants.excuses.forked or not host.folder.seen.is_welcomed:
            return
        self._invariants.excuses.forked = True
        copied = host.folder.copied(self._new_line())

        def go_back() -> None:
            host.kill("goes back to an older folder")
            host.folder = copied
            self._later(down_ms, host.start)

        self._later(age_ms, go_back)

    # ── the network ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _partition(self, _: Random, index: int, direction: str, for_ms: int) -> None:
        host = self._hosts[index]
        host.link.set_open(direction == "down", direction == "up")
        self._later(for_ms, self._open, host)

    def _cut(self, _: Random, index: int) -> None:
        self._hosts[index].link.cut()

    def _flap(self, rng: Random, index: int, times: int, each_ms: int) -> None:
        host = self._hosts[index]
        at_ms = 0
        for _ in range(times):
            self._later(at_ms, host.link.set_open, False, rng.random() < 0.3)
            at_ms += rng.randint(1, each_ms)
            self._later(at_ms, self._open, host)
            self._later(at_ms, host.link.cut)
            at_ms += rng.randint(1, each_ms)

    # ── the ledger ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _start(self, ledger: SimLedger) -> None:
        if not ledger.alive:
            # A process that starts believes the wall clock: it has to be right by then.
            ledger.clock.step_ns = 0
            ledger.start()

    def _start_all(self) -> None:
        for ledger in self._replicas.all:
            self._start(ledger)

    def _outage(self, rng: Random, fate: str, down_ms: int) -> None:
        ledger = rng.choice(self._replicas.all)
        if fate == "now":
            ledger.kill()
        elif fate == "before_ack":
            ledger.die_before_ack = True
        else:
            ledger.next_fate = fate
        self._later(down_ms, self._start, ledger)
        self._later(down_ms + 500, self._start, ledger)

    def _stall(self, rng: Random, for_ms: int) -> None:
        rng.choice(self._replicas.all).stalled_until_ns = self._loop.now_ns + for_ms * MS

    def _wall(self, rng: Random, step_ms: int, for_ms: int) -> None:
        clock = rng.choice(self._replicas.all).clock
        clock.step_ns = step_ms * MS

        def right() -> None:
            clock.step_ns = 0

        self._later(for_ms, right)

    def _grant(self, rng: Random, pool: int, amount: int, expires_ms: int) -> None:
        ledger = self._replicas.any_alive()
        if ledger is None:
            return
        pool_id, grant_id = f"pool-{pool}", f"g{rng.getrandbits(40)}"
        self._grants.append((pool_id, grant_id))
        grant = api.Grant(
            account_id=ACCOUNT,
            pool_id=pool_id,
            grant_id=grant_id,
            amount=amount,
            category=rng.choice((api.GRANT_CATEGORY_PAID, api.GRANT_CATEGORY_PROMOTIONAL)),
            expires_at_unix_ms=ledger.steady.now_ms() + expires_ms if expires_ms else 0,
        )
        ledger.ask(ledger.servicer.CreateGrant(api.CreateGrantRequest(grant=grant)))

    def _policy(
        self, _: Random, pool: int, enforcement: int, limit: int, mode: int, threshold: int, after_ms: int
    ) -> None:
        ledger = self._replicas.any_alive()
        if ledger is None:
            return
        self._invariants.excuses.optimistic |= enforcement == OPTIMISTIC
        policy = policy_message(enforcement, limit, mode, threshold, after_ms)
        request = api.SetPolicyRequest(account_id=ACCOUNT, pool_id=f"pool-{pool}", policy=policy)
        ledger.ask(ledger.servicer.SetPolicy(request))

    def _void(self, rng: Random, pool: int) -> None:
        ledger = self._replicas.any_alive()
        names = [grant_id for pool_id, grant_id in self._grants if pool_id == f"pool-{pool}"]
        if ledger is not None:
            request = api.VoidGrantRequest(account_id=ACCOUNT, pool_id=f"pool-{pool}", grant_id=rng.choice(names))
            ledger.ask(ledger.servicer.VoidGrant(request))

    def _correct(self, rng: Random, amount: int) -> None:
        ledger, acked = self._replicas.any_alive(), list(self._record.acked)
        if ledger is None or not acked:
            return
        _, operation_id = rng.choice(acked)
        request = api.CorrectDebitRequest(
            account_id=ACCOUNT,
            pool_id=self._record.by_operation[ACCOUNT, operation_id][0].pool_id,
            operation_id=operation_id,
            correction_id=f"correction-{rng.getrandbits(40)}",
            amount=amount,
        )
        ledger.ask(ledger.servicer.CorrectDebit(request))

    # ── rules ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _rule(self, rng: Random, index: int) -> None:
        """A rule is changed."""
        there = self._rules.all
        if there:
            self._set_rule(altered(rng, there[index % len(there)]))

    def _rule_away(self, _: Random, index: int, after_ms: int) -> None:
        """A rule is deleted, and made anew some time later."""
        ledger, there = self._replicas.any_alive(), self._rules.all
        if ledger is None or not there:
            return
        rule = there[index % len(there)]
        self._rules.drop(rule.rule_id)
        ledger.ask(deleting(ledger.governance, rule))
        self._later(after_ms, self._set_rule, rule)

    def _set_rule(self, rule: Rule) -> None:
        ledger = self._replicas.any_alive()
        if ledger is None:
            return
        self._rules.put(rule)
        self._history.tell("operator", "sets", rule)
        ledger.ask(setting(ledger.governance, rule))

    def _subjects(self, _: Random) -> None:
        """The subject that was not there is."""
        ledger = self._replicas.any_alive()
        if ledger is not None:
            path = SUBJECTS[-1]
            ledger.ask(setting_subjects(ledger.governance, (path.partition("/")[0], path)))

    def _terms(self, _: Random, deny: int) -> None:
        """What holds for the account is set."""
        ledger = self._replicas.any_alive()
        if ledger is not None:
            ledger.ask(setting_terms(ledger.governance, bool(deny)))

    # ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _meter(self, _: Random, index: int) -> None:
        """A meter is set, or has another price."""
        ledger = self._replicas.any_alive()
        if ledger is not None:
            meter = self._events.later[index]
            self._history.tell("operator", "sets", str(meter).replace("\n", " "))
            ledger.ask(ledger.meters.SetMeter(metering.SetMeterRequest(meter=meter)))

    def _tell_ledger(self, rng: Random, highest: int) -> None:
        """Events are reported to the ledger itself, or taken back there."""
        ledger = self._replicas.any_alive()
        if ledger is None:
            return
        if rng.random() < 0.3:
            ledger.ask(self._taken_back(ledger.reports, taken_back(rng, highest)))
        else:
            ledger.ask(self._reported(ledger.reports, reported(self._seed, rng, highest)))

    async def _reported(self, reports: Reports, request: usage.ReportEventsRequest) -> None:
        answer = await reports.report(request)
        refused = {one.index for one in answer.results}
        accepted = [event for place, event in enumerate(request.events) if place not in refused]
        self._record.events.told_by_ledger += [RecordedEvent(event=event) for event in accepted]

    async def _taken_back(self, reports: Reports, request: usage.VoidEventsRequest) -> None:
        answer = await reports.void(request)
        refused = {one.index for one in answer.results}
        for place, name in enumerate(request.events):
            if place not in refused:
                event = usage.UsageEvent(account_id=name.account_id, source=name.source, id=name.id)
                self._record.events.told_by_ledger.append(RecordedEvent(event=event, void=True))

    # ── backups ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _restore(self, _: Random, age_ms: int, down_ms: int, untold_ms: int) -> None:
        """A backup is taken now; some time later the ledger is lost and comes back from it.

        An operator tells it so before it starts, or after `untold_ms` in which it does not know.
        """
        image = self._replicas.database.backup()

        def lose() -> None:
            self._stop_all()
            self._history.tell("ledger", "is restored from a backup of", age_ms, "ms ago")
            self._invariants.excuses.restored = True
            self._replicas.database.restore(image)
            self._replicas.looking.forget()
            self._untold = True
            if untold_ms:
                self._later(down_ms, self._start_all)
                self._later(down_ms + untold_ms, self._tell_restored)
            else:
                self._later(down_ms, self._tell_restored)

        self._later(age_ms, lose)

    def _stop_all(self) -> None:
        for ledger in self._replicas.all:
            ledger.kill()

    def _tell_restored(self) -> None:
        """`holdfast ledger restored`, for which the ledger is stopped."""
        self._stop_all()
        if self._untold:
            self._untold = False
            self._history.tell("ledger", "is told that it was restored")
            ledger = self._replicas.all[0]
            ledger.clock.step_ns = 0
            self._replicas.database.tell_restored(ledger.clock.wall_ns() // MS, ledger.terms)
        self._start_all()


def policy_message(enforcement: int, limit: int, mode: int, threshold: int, after_ms: int) -> decision.Policy:
    """Returns a policy."""
    return decision.Policy(
        enforcement=cast("decision.Enforcement", enforcement),
        overdraft_limit=limit,
        partition_mode=cast("decision.PartitionMode", mode),
        partition_overdraft_limit=threshold,
        partition_after_ms=after_ms,
    )
