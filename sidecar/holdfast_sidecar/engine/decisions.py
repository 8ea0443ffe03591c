"""What a call comes to: each of its operations decided in order, or all of them linked.

Upstream: `engine.py`, which hands over calls, and keeps those that wait.
"""

from collections.abc import Callable

from holdfast_sidecar.engine.accounts import Accounts
from holdfast_sidecar.engine.amounts import NS_PER_MS
from holdfast_sidecar.engine.answers import Answers
from holdfast_sidecar.engine.changes import Changes
from holdfast_sidecar.engine.deciding import Wait
from holdfast_sidecar.engine.decision_log import TOLD, RecentDecisions
from holdfast_sidecar.engine.event_log import EventLog
from holdfast_sidecar.engine.event_meters import EventMeters
from holdfast_sidecar.engine.event_operations import ReportEvents, VoidEvents
from holdfast_sidecar.engine.event_taking import EventTaking
from holdfast_sidecar.engine.extending import Extending
from holdfast_sidecar.engine.governance import Governance
from holdfast_sidecar.engine.leases import Leases
from holdfast_sidecar.engine.operations import (
    Call,
    Charge,
    Check,
    Extend,
    Fault,
    FaultCode,
    GetBalance,
    ListHolds,
    Operation,
    Refused,
    Release,
    Report,
    Reserve,
    Result,
    Settle,
)
from holdfast_sidecar.engine.rated import Rated
from holdfast_sidecar.engine.reading import Reading
from holdfast_sidecar.engine.reserving import Reserving
from holdfast_sidecar.engine.settings import EngineSettings
from holdfast_sidecar.engine.settling import Settling
from holdfast_sidecar.engine.statistics import Tally
from holdfast_sidecar.engine.verdicts import Reason

READS = frozenset({Check, GetBalance, ListHolds, Refused})
"""Operations that change nothing, so that their answers need not wait for a commit."""


class Decisions(Reserving, Extending, Settling, EventTaking, Reading):
    """Decides calls, and does what falls due."""

    def __init__(
        self,
        settings: EngineSettings,
        accounts: Accounts,
        changes: Changes,
        leases: Leases,
        governance: Governance,
        rated: Rated,
        tally: Tally,
        answers: Answers,
        now_ns: int,
        event_log: EventLog,
        event_meters: EventMeters,
        recent: RecentDecisions | None,
    ) -> None:
        super().__init__(settings, accounts, changes, leases, governance, rated, tally, answers, now_ns)
        self._event_log = event_log
        self._event_meters = event_meters
        self._recent = recent
        self._handlers: dict[type[Operation], Callable[..., Result | Wait]] = {
            Check: self._check,
            Reserve: self._reserve,
            Extend: self._extend,
            Settle: self._settle,
            Release: self._release,
            Charge: self._charge,
            Report: self._charge,
            Refused: lambda op: op.fault,
            ReportEvents: self._report_events,
            VoidEvents: self._void_events,
            GetBalance: self._get_balance,
            ListHolds: self._list_holds,
        }

    def decide_all(self, call: Call, may_wait: bool) -> Wait | None:
        """Decides the operations of a call that have no result yet, in order; stops at the first that must wait."""
        self._may_wait = may_wait
        self._caller = call.caller
        results = call.results
        for operation in call.operations[len(results) :]:
            kind = type(operation)
            result = self._handlers[kind](operation)
            if type(result) is Wait:
                return result
            results.append(result)
            if kind not in READS:
                call.changed = True
                if self._recent is not None and kind in TOLD:
                    self._recent.note(self._now_unix_ms, operation, result, self._denied)
        return None

    def decide_linked(self, call: Call, may_wait: bool) -> Wait | None:
        """Decides all operations of a call or carries none out."""
        self._may_wait = may_wait
        self._caller = call.caller
        self._changes.begin_linked()
        observed_count = self._rated.observed_count
        for operation in call.operations:
            self._denied = False
            result = self._handlers[type(operation)](operation)
            if isinstance(result, Wait):
                call.results.clear()
                self._rated.unobserve(observed_count)
                return self._undo_to_wait(result)
            call.results.append(result)
            if isinstance(result, Fault) or self._denied:
                failed = len(call.results) - 1
                self._changes.undo_linked()
                self._rated.unobserve(observed_count)
                call.results = [
                    result if index == failed else self._linked_failed(other)
                    for index, other in enumerate(call.operations)
                ]
                return None
        self._changes.keep_linked()
        call.changed = True
        if self._recent is not None:
            for operation, result in zip(call.operations, call.results, strict=True):
                if type(operation) in TOLD:
                    self._recent.note(self._now_unix_ms, operation, result, False)
        return None

    def _linked_failed(self, op: Operation) -> Result:
        reason = Reason.LINKED_FAILED
        self._see(None)
        match op:
            case Reserve():
                return self._deny_reserve(None, None, op, reason)
            case Check():
                return self._answers.check(reason, "", 0, 0, 0, 0, 0, self._mode)
            case Extend():
                return self._answers.extend(reason, "", 0, 0, 0, 0, 0, 0, self._mode, 0, self._retention_ms, 0)
            case Charge():
                return self._answers.charge(reason, "", 0, 0, 0, 0, 0, self._mode, 0, self._retention_ms, 0)
            case _:
                return Fault(FaultCode.ABORTED, "LINKED_FAILED", "another operation of the same linked Execute failed")

    # ── what falls due ──────────────────────────────────────────────────────────────────────────────────────────────

    def expire_holds(self) -> None:
        """Closes the holds whose deadline has passed; what they held returns."""
        for hold in self._changes.hold_deadlines.pop_due(self._now_ns):
            self._changes.expire_hold(self._accounts.by_id[hold.pool.account_id], hold)
            self._tally.expired_hold_count += 1

    def evict_outcomes(self) -> None:
        """Drops recorded answers past their retention, and the oldest ones should the table be full."""
        retention_ms = self._settings.outcome_retention_ms
        limit_count = self._settings.outcome_limit
        before_ns = self._now_ns - retention_ms * NS_PER_MS
        self._tally.outcome_evicted_early_count += self._changes.evict_outcomes(before_ns, limit_count)
        order = self._accounts.outcome_order
        if len(order) >= limit_count:
            # The table is full: an answer stays about as long as the oldest one in it has.
            retention_ms = min(retention_ms, (self._now_ns - order[0].decided_at_ns) // NS_PER_MS)
        self._retention_ms = retention_ms
