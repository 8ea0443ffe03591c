"""What the engine counts, and the immutable record of it that metrics and `top` read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast_sidecar.engine.accounts import Accounts
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
    over_hold_count: int
    over_hold_amount: int
    expired_hold_count: int
    outcome_evicted_early_count: int
    """Recorded answers dropped before their retention was over, because the table was full."""
    account_count: int
    pool_count: int
    hold_count: int
    outcome_count: int
    counter_count: int
    waiting_call_count: int
    epoch: int
    acked_sequence: int
    last_sequence: int
    lease_valid_until_ns: int
    mode: Mode


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
    over_hold_count: int = 0
    over_hold_amount: int = 0
    expired_hold_count: int = 0
    outcome_evicted_early_count: int = 0

    def decided(self, reason: Reason, mode: Mode) -> None:
        """Counts one decision."""
        self.decisions[_place(reason, mode)] += 1

    def snapshot(self, accounts: Accounts, meta: Meta, mode: Mode, waiting_call_count: int) -> EngineStatistics:
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
            over_hold_count=self.over_hold_count,
            over_hold_amount=self.over_hold_amount,
            expired_hold_count=self.expired_hold_count,
            outcome_evicted_early_count=self.outcome_evicted_early_count,
            account_count=len(accounts.by_id),
            pool_count=accounts.pool_count,
            hold_count=accounts.hold_count,
            outcome_count=len(accounts.outcome_order),
            counter_count=accounts.counter_count,
            waiting_call_count=waiting_call_count,
            epoch=meta.epoch,
            acked_sequence=meta.acked_sequence,
            last_sequence=meta.last_sequence,
            lease_valid_until_ns=meta.lease_valid_until_ns,
            mode=mode,
        )


def _place(reason: int, mode: int) -> int:
    return reason * _MODE_COUNT + mode - 1
