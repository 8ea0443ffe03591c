"""Finds the windows of budgets that the ledger's own charges count against, by the rules by which sidecars do.

All budgets of the subject and of what is above it count, in the pool's currency, of this pool or of any, whose
dimensions are all given; each in the period of the charge's own time. What is counted is never denied.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache

from holdfast_ledger.governance.periods import PeriodUnit, schedule_of
from holdfast_ledger.governance.validate import parents_of
from holdfast_ledger.metering.periods import Periods
from holdfast_ledger.store.interface import Reader
from holdfast_ledger.store.rule_rows import AccountTerms, Budget, Node
from holdfast_ledger.windows.names import window_name

NODES_A_QUESTION = 5_000
"""Nodes of trees that are asked for at once."""


class Budgets:
    """The budgets of accounts on one snapshot of the ledger. One thread."""

    def __init__(self, reader: Reader, terms: Mapping[str, AccountTerms], periods: Periods) -> None:
        self._reader = reader
        self._terms = terms
        self._periods = periods
        self._at: dict[Node, list[Budget]] = {}
        self._on_path: dict[tuple[str, str], list[Budget]] = {}

    def read(self, subjects: Iterable[tuple[str, str]]) -> None:
        """Reads what counts subjects, by their accounts; before they are asked for."""
        wanted: set[Node] = set()
        for account_id, subject in set(subjects):
            terms = self._terms.get(account_id)
            if terms is not None and terms.rules_version and (account_id, subject) not in self._on_path:
                wanted.update((terms.account_key, path) for path in (*parents_of(subject), subject))
        missing = sorted(wanted - self._at.keys())
        for start in range(0, len(missing), NODES_A_QUESTION):
            nodes = missing[start : start + NODES_A_QUESTION]
            found: defaultdict[Node, list[Budget]] = defaultdict(list)
            for budget in self._reader.budgets_at(nodes):
                found[budget.account_key, budget.subject].append(budget)
            self._at |= {node: found.get(node, []) for node in nodes}

    def windows(
        self, pool: tuple[str, str, str], subject: str, dimensions: Mapping[str, str], at_ms: int
    ) -> tuple[str, ...]:
        """Returns the names of the windows that a charge counts against.

        Args:
            pool: Its account, id and currency.
            subject: Who spends; read before.
            dimensions: Those of the charge.
            at_ms: The time of the charge.
        """
        account_id, pool_id, currency = pool
        names = []
        for budget in self._budgets(account_id, subject):
            if budget.currency != currency or budget.pool_id not in ("", pool_id):
                continue
            if _match(budget.match) <= dimensions.items():
                names.append(window_name(budget.budget_id, self._start_ms(account_id, budget, at_ms)))
        return tuple(names)

    def _budgets(self, account_id: str, subject: str) -> list[Budget]:
        known = self._on_path.get((account_id, subject))
        if known is None:
            terms = self._terms[account_id]
            paths = (*parents_of(subject), subject) if terms.rules_version else ()
            known = [budget for path in paths for budget in self._at[terms.account_key, path]]
            self._on_path[account_id, subject] = known
        return known

    def _start_ms(self, account_id: str, budget: Budget, at_ms: int) -> int:
        """Returns when the period of a moment began; 0: it is a rolling one."""
        unit = PeriodUnit(budget.period_unit)
        if unit is PeriodUnit.ROLLING:
            return 0
        schedule = schedule_of(unit, budget.anchor_ms, self._terms[account_id].time_zone)
        return self._periods.around(schedule, at_ms)[0]


@lru_cache(maxsize=1_024)
def _match(match: str) -> frozenset[tuple[str, str]]:
    """Returns the dimensions that a budget asks for."""
    wanted: dict[str, str] = json.loads(match)
    return frozenset(wanted.items())
