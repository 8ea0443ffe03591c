"""What the engine counts, and the immutable record of it that metrics and `top` read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast_sidecar.engine.accounts import Accounts
from holdfast_sidecar.engine.event_log import EventStatistics
from holdfast_sidecar.engine.governance import GovernanceStatistics
from holdfast_sidecar.engine.partition import Unleased
from holdfast_sidecar.engine.rated import RatedStatistics
from holdfast_sidecar.engine.rights import allowance_left, rights_left
from holdfast_sidecar.engine.state import Meta
from holdfast_sidecar.engine.verdicts import Mode, Reason

_MODE_COUNT = len(Mode)


@dataclass(frozen=True, slots=True)
class EngineStatistics:
    """Counts since the start, and gauges. Amounts in minor units, over all currencies of the host."""

    decisions: Mapping[tuple[Reason, Mode], int]
    """Decisions on Check, Reserve, Extend and Charge; the verdict follows from the reason."""
    replay_count: int
    conflict_count: int
    settle_count: int
    late_settle_count: int
    late_settle_amount: int
    late_charge_count: int
    late_charge_amount: int
    over_hold_count: int
    over_hold_amount: int
    expired_hold_count: int
    outcome_evicted_early_count: int
    """Recorded answers dropped before their retention was over, because the table was full."""
    allowance_decision_count: int
    """Decisions to allow that took from a partition allowance."""
    allowance_amount: int
    """What they took."""
    fail_open_decision_count: int
    """Decisions to allow in FAIL_OPEN pools that no right covered, while cut off."""
    fail_open_amount: int
    """What they let through."""
    shadow_denial_count: int
    """Levels in shadow mode that would have denied what went through."""
    account_count: int
    pool_count: int
    hold_count: int
    outcome_count: int
    counter_count: int
    waiting_call_count: int
    waited_call_count: int
    """Calls that ever had to wait for the ledger, to get rights or to be denied."""
    epoch: int
    acked_sequence: int
    last_sequence: int
    lease_valid_until_ns: int
    mode: Mode
    rated: RatedStatistics
    governance: GovernanceStatistics
    events: EventStatistics


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """Sums over the pools of one currency on this host, in minor units."""

    held: int = 0
    lease_left: int = 0
    unposted: int = 0
    allowance_left: int = 0
    allowance_held: int = 0
    overdraft_bound: int = 0
    """What these pools' overdrafts can come to over all hosts, by the ledger's last word."""


@dataclass(slots=True)
class Tally:
    """The running counts; written by the loop's thread alone."""

    decisions: list[int] = field(default_factory=lambda: [0] * (_MODE_COUNT * (max(Reason) + 1)))
    """By reason and mode, see `_place`; numbers, since hashing enum members is slow."""
    replay_count: int = 0
    conflict_count: int = 0
    settle_count: int = 0
    late_settle_count: int = 0
    late_settle_amount: int = 0
    late_charge_count: int = 0
    late_charge_amount: int = 0
    over_hold_count: int = 0
    over_hold_amount: int = 0
    expired_hold_count: int = 0
    outcome_evicted_early_count: int = 0
    waited_call_count: int = 0
    allowance_decision_count: int = 0
    allowance_amount: int = 0
    fail_open_decision_count: int = 0
    fail_open_amount: int = 0
    shadow_denial_count: int = 0
    event_accepted_count: int = 0
    event_duplicate_count: int = 0
    event_conflict_count: int = 0
    event_refused_count: int = 0
    event_void_count: int = 0

    def decided(self, reason: Reason, mode: Mode) -> None:
        """Counts one decision."""
        self.decisions[_place(reason, mode)] += 1

    def allowed(self, mode: Mode, unleased: Unleased) -> None:
        """Counts one decision to allow, and what of it no right covers."""
        self.decided(Reason.OK, mode)
        if unleased.allowance_amount:
            self.allowance_decision_count += 1
            self.allowance_amount += unleased.allowance_amount
        if unleased.fail_open_amount:
            self.fail_open_decision_count += 1
            self.fail_open_amount += unleased.fail_open_amount

    def snapshot(
        self,
        accounts: Accounts,
        meta: Meta,
        rated: RatedStatistics,
        governance: GovernanceStatistics,
        mode: Mode,
        waiting_call_count: int,
        events: EventStatistics,
    ) -> EngineStatistics:
        """Returns an immutable copy."""
        return EngineStatistics(
            decisions={
                (reason, mode): count
                for reason in Reason
                for mode in Mode
                if (count := self.decisions[_place(reason, mode)])
            },
            replay_count=self.replay_count,
            conflict_count=self.conflict_count,
            settle_count=self.settle_count,
            late_settle_count=self.late_settle_count,
            late_settle_amount=self.late_settle_amount,
            late_charge_count=self.late_charge_count,
            late_charge_amount=self.late_charge_amount,
            over_hold_count=self.over_hold_count,
            over_hold_amount=self.over_hold_amount,
            expired_hold_count=self.expired_hold_count,
            outcome_evicted_early_count=self.outcome_evicted_early_count,
            allowance_decision_count=self.allowance_decision_count,
            allowance_amount=self.allowance_amount,
            fail_open_decision_count=self.fail_open_decision_count,
            fail_open_amount=self.fail_open_amount,
            shadow_denial_count=self.shadow_denial_count,
            account_count=len(accounts.by_id),
            pool_count=accounts.pool_count,
            hold_count=accounts.hold_count,
            outcome_count=len(accounts.outcome_order),
            counter_count=accounts.counter_count,
            waiting_call_count=waiting_call_count,
            waited_call_count=self.waited_call_count,
            epoch=meta.epoch,
            acked_sequence=meta.acked_sequence,
            last_sequence=meta.last_sequence,
            lease_valid_until_ns=meta.lease_valid_until_ns,
            mode=mode,
            rated=rated,
            governance=governance,
            events=events,
        )


def pool_figures(accounts: Accounts) -> dict[str, PoolFigures]:
    """Sums up the pools; on another thread than the loop's, so pools made meanwhile may be missing."""
    sums: dict[str, list[int]] = {}
    for account in list(accounts.by_id.values()):
        for pool in list(account.pools.values()):
            figures = (
                pool.held,
                max(0, rights_left(pool)),
                pool.consumed_total - pool.posted_total,
                max(0, allowance_left(pool)),
                pool.allowance_held,
                pool.pool_overdraft_bound,
            )
            total = sums.setdefault(pool.currency, [0] * len(figures))
            for place, figure in enumerate(figures):
                total[place] += figure
    return {currency: PoolFigures(*total) for currency, total in sums.items()}


def _place(reason: int, mode: int) -> int:
    return reason * _MODE_COUNT + mode - 1
