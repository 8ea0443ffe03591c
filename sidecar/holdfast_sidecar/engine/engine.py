"""The engine: operations, the uplink's events and time in; answers, writes and asks out.

Upstream: the loop (`loop.py`), which gives whole batches. Downstream: `Effects`. Deterministic: the same state, batch
and time give the same effects. This file takes batches apart and keeps calls that wait; `decisions.py` decides.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from holdfast_sidecar.engine.accounts import Accounts
from holdfast_sidecar.engine.amounts import NS_PER_MS
from holdfast_sidecar.engine.answers import Answers
from holdfast_sidecar.engine.changes import Changes
from holdfast_sidecar.engine.deadlines import Deadlines
from holdfast_sidecar.engine.deciding import Wait
from holdfast_sidecar.engine.decision_log import RecentDecisions
from holdfast_sidecar.engine.decisions import Decisions
from holdfast_sidecar.engine.event_log import EventLog
from holdfast_sidecar.engine.event_meters import EventMeters
from holdfast_sidecar.engine.event_rows import EventNames, Meters
from holdfast_sidecar.engine.events import (
    Connected,
    DebitsAcked,
    Disconnected,
    Draining,
    Event,
    EventsAcked,
    Fenced,
    LeaseAsk,
    LeasesRenewed,
    LeaseState,
    LeasesUpdated,
    RulesAsk,
    RulesUpdated,
)
from holdfast_sidecar.engine.governance import Governance, rules_key, subject_of
from holdfast_sidecar.engine.leases import Leases
from holdfast_sidecar.engine.operations import Call, Key
from holdfast_sidecar.engine.rated import Rated
from holdfast_sidecar.engine.settings import EngineSettings
from holdfast_sidecar.engine.state import Snapshot, Writes
from holdfast_sidecar.engine.statistics import EngineStatistics, PoolFigures, Tally, pool_figures

RETIRE_INTERVAL_NS = 1_000 * NS_PER_MS
"""How often it is looked whether periods have ended."""


@dataclass(slots=True)
class Effects:
    """What a batch comes to. Commit `writes`, then answer `done`, then tell the uplink."""

    done: list[Call]
    """Calls with all their results, in the order in which they were decided; without those that `decide` returned."""
    writes: Writes
    asks: list[LeaseAsk]
    last_sequence: int
    """Highest debit sequence made."""
    epoch: int
    """The epoch that is durable once `writes` are."""
    rules_asks: list[RulesAsk] = field(default_factory=list)


@dataclass(slots=True)
class _Waiting:
    """Calls that wait for the rights of one pool, in the order of their arrival."""

    calls: deque[Call] = field(default_factory=deque)
    amount: int = 0


class Engine:
    """The sidecar's decisions over one folder's state.

    Args:
        settings: Limits and durations.
        snapshot: What the store has.
        answers: Serialises answers.
        now_ns: CLOCK_BOOTTIME in nanoseconds; it never goes back afterwards.
        event_names: What the store has of events' names; None: no events are taken in.
        recent: Gets the decisions that were made, for people to look at; None: nobody wants to.
    """

    def __init__(
        self,
        settings: EngineSettings,
        snapshot: Snapshot,
        answers: Answers,
        now_ns: int,
        event_names: EventNames | None = None,
        recent: RecentDecisions | None = None,
    ) -> None:
        self._settings = settings
        self._meta = snapshot.meta
        self._now_ns = now_ns
        self._accounts = Accounts()
        self._accounts.load(snapshot)
        self._changes = Changes(
            self._accounts,
            snapshot.meta,
            last_hold=snapshot.holds[-1].sequence if snapshot.holds else 0,
            last_outcome=snapshot.outcomes[-1].sequence if snapshot.outcomes else 0,
        )
        for hold in snapshot.holds:
            self._changes.hold_deadlines.push(hold.deadline_ns, hold)
        self._leases = Leases(settings, self._accounts, self._changes)
        self._rated = Rated(snapshot)
        self._governance = Governance(settings, self._accounts, self._changes, self._leases, self._rated)
        self._governance.load(snapshot)
        self._retire_at_ns = now_ns
        self._took_up = False
        self._tally = Tally()
        self._event_log = EventLog(
            event_names,
            snapshot.meta,
            snapshot.last_event_sequence,
            settings.event_id_retention_ms,
            settings.event_id_limit,
        )
        self._event_meters = EventMeters(snapshot.meters)
        self._now_unix_ms = 0
        self._decisions = Decisions(
            settings,
            self._accounts,
            self._changes,
            self._leases,
            self._governance,
            self._rated,
            self._tally,
            answers,
            now_ns,
            self._event_log,
            self._event_meters,
            recent,
        )
        self._waiting: dict[Key, _Waiting] = {}
        self._wait_deadlines: Deadlines[Call] = Deadlines(
            lambda call: call.wait_until_ns if call.waits_for is not None else None
        )
        self._done: list[Call] = []

    def apply(
        self, calls: Iterable[Call], events: Iterable[Event], now_ns: int, now_unix_ms: int, holds_refused: bool
    ) -> Effects:
        """Carries out one batch: `begin`, `decide`, `finish`."""
        self.begin(events, now_ns, now_unix_ms, holds_refused)
        done = self.decide(calls)
        effects = self.finish()
        effects.done[:0] = done
        return effects

    def begin(self, events: Iterable[Event], now_ns: int, now_unix_ms: int, holds_refused: bool) -> None:
        """Begins a batch with what fell due, and the uplink's events.

        Args:
            now_ns: CLOCK_BOOTTIME, the time of the whole batch; raises AssertionError if it went back.
            now_unix_ms: Wall clock, kept in debits for reports; no decision depends on it.
            holds_refused: The store is nearly full: no new holds and charges, settles go on.
        """
        assert now_ns >= self._now_ns, "the monotonic clock went back"
        self._now_ns = now_ns
        self._now_unix_ms = now_unix_ms
        self._decisions.begin(now_ns, now_unix_ms, holds_refused)
        self._decisions.expire_holds()
        self._leases.return_idle(now_ns)
        if now_ns >= self._retire_at_ns:
            self._retire(now_ns, now_unix_ms)
        for event in events:
            self._hear(event)

    def _retire(self, now_ns: int, now_unix_ms: int) -> None:
        self._retire_at_ns = now_ns + RETIRE_INTERVAL_NS
        if not self._took_up:
            self._took_up = True
            self._governance.take_up(now_unix_ms)
        self._governance.retire(now_unix_ms)

    def decide(self, calls: Iterable[Call]) -> list[Call]:
        """Decides calls of the batch that has begun, any number of times; returns those that are done by now."""
        until_ns = self._now_ns + self._settings.lease_wait_ms * NS_PER_MS
        for call in calls:
            call.wait_until_ns = min(until_ns, call.deadline_ns) if call.deadline_ns else until_ns
            self._run(call)
        done, self._done = self._done, []
        return done

    def finish(self) -> Effects:
        """Ends the batch with the calls that have waited long enough; returns what is to be committed."""
        for call in self._wait_deadlines.pop_due(self._now_ns):
            self._take_out(call)
            self._run(call)
        self._decisions.evict_outcomes()
        waiting = {key: waiting.amount for key, waiting in self._waiting.items()}
        asks = self._leases.take_ask(waiting, self._now_ns)
        done, self._done = self._done, []
        rules_asks = self._governance.take_asks(self._event_meters)
        writes = self._changes.take_writes()
        writes.estimates = self._rated.take_rows(self._now_ns)
        writes.events = self._event_log.take_writes(self._now_ns, self._now_unix_ms)
        return Effects(done, writes, asks, self._meta.last_sequence, self._meta.epoch, rules_asks)

    def next_deadline_ns(self) -> int:
        """Returns when `apply` must be called again though nothing arrives, CLOCK_BOOTTIME in nanoseconds."""
        return min(
            self._changes.hold_deadlines.next_ns(),
            self._wait_deadlines.next_ns(),
            self._leases.next_ns(),
            self._rated.next_ns(),
        )

    def statistics(self) -> EngineStatistics:
        """Counters and gauges; from any thread, each figure true for some recent moment."""
        rated, governance = self._rated.statistics(), self._governance.statistics()
        mode = self._decisions.mode(0)
        events = self._decisions.event_statistics()
        return self._tally.snapshot(self._accounts, self._meta, rated, governance, mode, self._waiting_count(), events)

    def pool_figures(self) -> dict[str, PoolFigures]:
        """Sums over the pools, by currency; from any thread, in time proportional to their number."""
        return pool_figures(self._accounts)

    # ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, call: Call) -> None:
        """Decides the operations that are left, in their order; the call waits where rights may come."""
        may_wait = call.wait_until_ns > self._now_ns
        if call.linked:
            wait = self._decisions.decide_linked(call, may_wait)
        else:
            wait = self._decisions.decide_all(call, may_wait)
        if wait is None:
            self._done.append(call)
        else:
            self._put_in(call, wait)

    def _put_in(self, call: Call, wait: Wait) -> None:
        waiting = self._waiting.get(wait.key)
        if waiting is None:
            waiting = self._waiting[wait.key] = _Waiting()
        waiting.calls.append(call)
        waiting.amount += wait.amount
        call.waits_for = wait.key
        call.waited_amount = wait.amount
        if not call.waited:
            call.waited = True
            self._tally.waited_call_count += 1
        self._wait_deadlines.push(call.wait_until_ns, call)
        self._want(wait.key)

    def _want(self, key: Key) -> None:
        subject = subject_of(key)
        if subject is None:
            self._leases.want(key)
        else:
            self._governance.want((key[0], subject))

    def _take_out(self, call: Call) -> None:
        assert call.waits_for is not None
        waiting = self._waiting[call.waits_for]
        waiting.calls.remove(call)
        waiting.amount -= call.waited_amount
        if not waiting.calls:
            del self._waiting[call.waits_for]
        call.waits_for = None

    def _wake(self, key: Key) -> None:
        """Runs again, in their order, the calls that wait for a pool."""
        waiting = self._waiting.pop(key, None)
        if waiting is not None:
            for call in waiting.calls:
                call.waits_for = None
                self._wait_deadlines.discard(call.wait_until_ns, call)
            for call in waiting.calls:
                self._run(call)

    def _waiting_count(self) -> int:
        return sum(len(waiting.calls) for waiting in list(self._waiting.values()))

    # ── the uplink's events ─────────────────────────────────────────────────────────────────────────────────────────

    def _hear(self, event: Event) -> None:
        match event:
            case LeasesUpdated():
                self._decisions.heard(event.heard_at_ns)
                self._update(event.leases, event.request_id)
            case DebitsAcked():
                self._decisions.heard(event.heard_at_ns)
                self._acked(event.acked_sequence)
            case LeasesRenewed():
                self._decisions.heard(event.heard_at_ns)
                self._valid_until(event.lease_valid_until_ns, event.allowance_valid_until_ns)
                self._keep_meters(self._event_meters.told(event.meters_revision))
            case Connected():
                self._connected(event)
                self._keep_meters(self._event_meters.told(event.meters_revision))
            case EventsAcked():
                if self._event_log.acked(event.acked_sequence):
                    self._changes.touch_meta()
            case RulesUpdated():
                self._decisions.heard(event.heard_at_ns)
                if self._event_meters.was_asked(event.request_id):
                    self._keep_meters(self._event_meters.take(event.meters))
                for account_id, subject in self._governance.take(event):
                    self._wake(rules_key(account_id, subject))
            case Disconnected():
                self._leases.stream_closed()
                self._governance.stream_closed()
                self._event_meters.stream_closed()
            case Fenced():
                self._decisions.fenced = event
            case Draining():
                self._leases.give_all_back()
                self._rated.flush()

    def _keep_meters(self, meters: Meters | None) -> None:
        if meters is not None:
            self._event_log.put_meters(meters)

    def _connected(self, event: Connected) -> None:
        self._meta.epoch = event.epoch
        self._meta.birth_epoch = event.birth_epoch
        self._meta.welcomed_instance = self._meta.instance
        self._decisions.heard(event.heard_at_ns)
        self._valid_until(event.lease_valid_until_ns, event.allowance_valid_until_ns)
        # An empty folder takes the sequence up where its former life left it.
        self._meta.last_sequence = max(self._meta.last_sequence, event.acked_sequence)
        self._acked(event.acked_sequence)
        self._changes.touch_meta()
        self._leases.stream_opened(event.claims_wanted)
        self._update(event.leases, 0)
        for key in list(self._waiting):
            self._want(key)

    def _update(self, leases: Iterable[LeaseState], request_id: int) -> None:
        for lease in leases:
            key = (lease.account_id, lease.pool_id)
            waiting = self._waiting.get(key)
            self._leases.take(lease, request_id, waiting.amount if waiting is not None else 0, self._now_ns)
            self._governance.heard_version(lease.account_id, lease.rules_version)
            self._wake(key)

    def _valid_until(self, lease_until_ns: int, allowance_until_ns: int) -> None:
        meta = self._meta
        if lease_until_ns > meta.lease_valid_until_ns or allowance_until_ns > meta.allowance_valid_until_ns:
            meta.lease_valid_until_ns = max(meta.lease_valid_until_ns, lease_until_ns)
            meta.allowance_valid_until_ns = max(meta.allowance_valid_until_ns, allowance_until_ns)
            self._changes.touch_meta()

    def _acked(self, sequence: int) -> None:
        if sequence > self._meta.acked_sequence:
            self._meta.acked_sequence = sequence
            self._changes.touch_meta()
            kept_from = sequence - self._settings.debit_retention_count
            if kept_from > 0:
                self._changes.trim_debits(kept_from)
