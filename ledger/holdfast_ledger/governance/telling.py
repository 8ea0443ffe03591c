"""What sidecars are told of rules: whole paths, node by node, with the calendars that their budgets need.

Upstream: `sync`, which asks on a snapshot: all that it is told of an account is of one version.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from holdfast.v1 import ledger_sync_service_pb2 as wire

from holdfast_ledger.governance.messages import (
    account_terms_message,
    budget_rule,
    concurrency_limit_rule,
    rate_card_content,
    rate_limit_rule,
)
from holdfast_ledger.governance.periods import PeriodUnit, Schedule, calendar, schedule_of
from holdfast_ledger.governance.resolve import limit_of
from holdfast_ledger.governance.validate import parents_of
from holdfast_ledger.metering.meters import meters_message
from holdfast_ledger.store.interface import Reader
from holdfast_ledger.store.rule_rows import AccountTerms, Budget, Node


@dataclass(frozen=True, slots=True)
class RulesAsk:
    """A rules request to be answered."""

    request_id: int
    wants: tuple[tuple[str, str], ...]
    """(account_id, path of the subject)."""
    rate_card_ids: tuple[str, ...]
    meters_wanted: bool = False


def rules_update(reader: Reader, ask: RulesAsk, now_ms: int) -> wire.RulesUpdate:
    """Answers a rules request. Names that nothing can have are simply not there."""
    terms = reader.terms_of({account_id for account_id, _ in ask.wants})
    accounts = {one.account_key: one for one in terms.values()}
    wanted = {
        (terms[account_id].account_key, path)
        for account_id, subject in ask.wants
        if account_id in terms
        for path in (*parents_of(subject), subject)
    }
    nodes = _Nodes(accounts)
    nodes.add_all(reader, wanted)
    cards = (reader.rate_card(rate_card_id) for rate_card_id in dict.fromkeys(ask.rate_card_ids))
    return wire.RulesUpdate(
        request_id=ask.request_id,
        nodes=nodes.messages.values(),
        calendars=[
            wire.Calendar(calendar_id=one.calendar_id, starts_unix_ms=calendar(one, now_ms)) for one in nodes.schedules
        ],
        rate_cards=[rate_card_content(card) for card in cards if card is not None and card.in_use],
        meters=meters_message(reader) if ask.meters_wanted else None,
    )


class _Nodes:
    """The nodes of an answer, and the schedules of their budgets."""

    def __init__(self, accounts: Mapping[int, AccountTerms]) -> None:
        self._accounts = accounts
        self._schedules: dict[tuple[int, int, str], Schedule] = {}
        self.messages: dict[Node, wire.SubjectRules] = {}

    @property
    def schedules(self) -> Iterable[Schedule]:
        """Each once."""
        return dict.fromkeys(self._schedules.values())

    def add_all(self, reader: Reader, wanted: set[Node]) -> None:
        """Takes in those of the nodes that are there, a node above before those below it."""
        for node in sorted(reader.nodes(wanted)):
            terms = self._accounts[node.account_key]
            self.messages[node.account_key, node.subject] = wire.SubjectRules(
                account_id=terms.account_id,
                subject=node.subject,
                version=terms.rules_version,
                has_children=node.has_children,
                account=None if node.subject else account_terms_message(terms),
            )
        self._add_budgets(reader.budgets_at(self.messages))
        for limit in reader.rate_limits_at(self.messages):
            self.messages[limit.account_key, limit.subject].rate_limits.append(rate_limit_rule(limit))
        for count in reader.concurrency_limits_at(self.messages):
            self.messages[count.account_key, count.subject].concurrency_limits.append(concurrency_limit_rule(count))

    def _add_budgets(self, budgets: Iterable[Budget]) -> None:
        """Takes in budgets; what one is a share of lies on the same path, and is among them."""
        known: defaultdict[int, dict[str, Budget]] = defaultdict(dict)
        budgets = list(budgets)
        for budget in budgets:
            known[budget.account_key][budget.budget_id] = budget
        for budget in budgets:
            rule = budget_rule(budget, limit_of(budget, known[budget.account_key]), self._calendar_id(budget))
            self.messages[budget.account_key, budget.subject].budgets.append(rule)

    def _calendar_id(self, budget: Budget) -> str:
        if budget.period_unit == PeriodUnit.ROLLING:
            return ""
        period = budget.period_unit, budget.anchor_ms, self._accounts[budget.account_key].time_zone
        if period not in self._schedules:
            self._schedules[period] = schedule_of(PeriodUnit(budget.period_unit), budget.anchor_ms, period[2])
        return self._schedules[period].calendar_id
