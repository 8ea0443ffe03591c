"""Makes a failing plan small: leaves out actions while it goes on failing in the same way, then calms its settings.

Delta debugging after Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input" (2002).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.simulation.plan import Action, Plan
from tests.simulation.world import Outcome, run

MAX_RUNS = 400
"""Runs that shrinking may take: some tens of seconds."""

CALM: tuple[dict[str, Any], ...] = (
    {"ledger_drift_ppm": 0},
    {"commit_us": (50, 60)},
    {"delay_us": (100, 200)},
    {"window": 4_096, "post_debits": 1_024, "batch_debits": 1_000},
    {"retention_count": 10_000},
    {"outcome_ms": 600_000, "outcome_limit": 1_000_000},
    {"lease_wait_ms": 250, "denied_retry_ms": 100},
    {"recall_timeout_ms": 100, "snapshot_ms": 50},
    {"idle_ms": 2_000},
    {"horizon_ms": 1_000},
)
"""Settings that make a history easier to follow."""

Run = Callable[[Plan], Outcome]


def kind_of(violation: str) -> str:
    """Returns what kind of violation it is: its words before the first detail."""
    return violation.split(":", 1)[0]


def shrink(failed: Outcome, run_plan: Run = run, max_runs: int = MAX_RUNS) -> Outcome:
    """Returns a failing run of the same kind with fewer actions."""
    return _Shrinking(failed, run_plan, max_runs).shrink()


class _Shrinking:
    def __init__(self, failed: Outcome, run_plan: Run, max_runs: int) -> None:
        self._best = failed
        self._kind = kind_of(failed.violation)
        self._run = run_plan
        self._runs_left = max_runs

    def shrink(self) -> Outcome:
        chunk_count = 2
        while self._runs_left > 0 and len(self._best.plan.actions) > 1:
            if self._drop_one_of(chunk_count):
                chunk_count = max(2, chunk_count - 1)
            elif chunk_count >= len(self._best.plan.actions):
                break
            else:
                chunk_count = min(len(self._best.plan.actions), chunk_count * 2)
        for calmer in CALM:
            self._try(replace(self._best.plan, knobs=replace(self._best.plan.knobs, **calmer)))
        return self._best

    def _drop_one_of(self, chunk_count: int) -> bool:
        """Leaves out one of so many chunks, the latest that can be spared; whether there was one."""
        actions = self._best.plan.actions
        size = -(-len(actions) // chunk_count)
        for start in range((len(actions) - 1) // size * size, -1, -size):
            rest: tuple[Action, ...] = actions[:start] + actions[start + size :]
            if self._try(replace(self._best.plan, actions=rest)):
                return True
        return False

    def _try(self, plan: Plan) -> bool:
        if plan == self._best.plan or self._runs_left <= 0:
            return False
        self._runs_left -= 1
        outcome = self._run(plan)
        if outcome.ok or kind_of(outcome.violation) != self._kind:
            return False
        self._best = outcome
        return True
