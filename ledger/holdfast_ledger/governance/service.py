"""GovernanceService: what accounts and the subjects below them may do, as operators and back ends say it.

Downstream: `validate` for each rule by itself, `changing` for what it does to an account; the registry tells sidecars.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TypeVar

from holdfast.v1 import governance_service_pb2 as api

from holdfast_ledger.governance import changing, validate
from holdfast_ledger.governance.changing import Changed
from holdfast_ledger.governance.messages import (
    account_rules_message,
    budget_message,
    concurrency_limit_rule,
    rate_limit_rule,
    subject_message,
)
from holdfast_ledger.governance.pages import Page
from holdfast_ledger.governance.periods import PeriodUnit, period_at, schedule_of
from holdfast_ledger.governance.resolve import limit_of, with_origins
from holdfast_ledger.governance.shared import SharedCalls
from holdfast_ledger.lookups import find_account
from holdfast_ledger.snapshots import Snapshots
from holdfast_ledger.store.interface import Account, Reader, Writer
from holdfast_ledger.store.rule_rows import AccountRules, Budget
from holdfast_ledger.sync.registry import Registry
from holdfast_ledger.validation import check_id
from holdfast_ledger.windows.following import usage
from holdfast_ledger.windows.names import window_name
from holdfast_ledger.writer import GroupWriter

T = TypeVar("T")

Change = Callable[[Writer, Account, int], Changed]
"""What a call does in the account's transaction, at a time."""


class GovernanceServicer(SharedCalls):
    """The calls of `holdfast.v1.GovernanceService`, by name; each raises a `LedgerError`."""

    def __init__(
        self,
        snapshots: Snapshots,
        threads: Executor,
        writer: GroupWriter,
        registry: Registry,
        now_ms: Callable[[], int],
    ) -> None:
        """`threads` carry out what takes long."""
        self._snapshots = snapshots
        self._threads = threads
        self._writer = writer
        self._registry = registry
        self._now_ms = now_ms

    async def _change(self, account_id: str, change: Change) -> int:
        """Changes the rules of an account and has its sidecars told; returns its version.

        In a transaction of its own: it may be a thousand rules, and it finds the rows that it has to lock.
        """
        check_id("account_id", account_id)

        def job(writer: Writer) -> Changed:
            writer.lock_rules(find_account(writer, account_id).account_key)
            return change(writer, find_account(writer, account_id), self._now_ms())

        changed = await self._writer.run(job, alone=True)
        self._registry.pools_changed(changed.pools)
        return changed.rules_version

    async def _read(self, account_id: str, query: Callable[[Reader, int], T]) -> T:
        """Carries out a query about an account's key."""
        check_id("account_id", account_id)
        return await self._snapshots.read(lambda reader: query(reader, find_account(reader, account_id).account_key))

    async def SetAccountRules(self, request: api.SetAccountRulesRequest) -> api.SetAccountRulesResponse:
        """See the contract."""
        said = validate.account_rules(request.rules)
        version = await self._change(
            request.account_id,
            lambda writer, account, now_ms: changing.set_account_rules(writer, account, said, now_ms),
        )
        return api.SetAccountRulesResponse(rules=account_rules_message(said, version))

    async def GetAccountRules(self, request: api.GetAccountRulesRequest) -> api.GetAccountRulesResponse:
        """See the contract."""
        check_id("account_id", request.account_id)

        def query(reader: Reader) -> api.AccountRules:
            account = find_account(reader, request.account_id)
            rules = reader.account_rules(account.account_key) or AccountRules(account.account_key)
            return account_rules_message(rules, account.rules_version)

        return api.GetAccountRulesResponse(rules=await self._snapshots.read(query))

    async def SetSubjects(self, request: api.SetSubjectsRequest) -> api.SetSubjectsResponse:
        """See the contract."""
        said = validate.each("subjects", request.subjects, validate.subject, "subject")
        version = await self._change(
            request.account_id, lambda writer, account, now_ms: changing.set_subjects(writer, account, said, now_ms)
        )
        return api.SetSubjectsResponse(rules_version=version)

    async def ListSubjects(self, request: api.ListSubjectsRequest) -> api.ListSubjectsResponse:
        """See the contract."""
        page = Page.asked(request, "subjects", request.account_id)
        rows = await self._read(request.account_id, lambda reader, key: reader.subjects(key, page.after, page.limit))
        shown, token = page.cut(rows, lambda subject: subject.subject)
        return api.ListSubjectsResponse(subjects=map(subject_message, shown), next_page_token=token)

    async def DeleteSubject(self, request: api.DeleteSubjectRequest) -> api.DeleteSubjectResponse:
        """See the contract."""
        validate.check_path("subject", request.subject)
        await self._change(
            request.account_id,
            lambda writer, account, now_ms: changing.delete_subject(writer, account, request.subject, now_ms),
        )
        return api.DeleteSubjectResponse()

    async def SetBudgets(self, request: api.SetBudgetsRequest) -> api.SetBudgetsResponse:
        """See the contract."""
        said = validate.each("budgets", request.budgets, validate.budget, "budget_id")
        version = await self._change(
            request.account_id, lambda writer, account, now_ms: changing.set_budgets(writer, account, said, now_ms)
        )
        return api.SetBudgetsResponse(rules_version=version)

    async def ListBudgets(self, request: api.ListBudgetsRequest) -> api.ListBudgetsResponse:
        """See the contract."""
        page = Page.asked(request, "budgets", request.account_id)

        def query(reader: Reader, key: int) -> tuple[list[api.BudgetUsage], str]:
            shown, token = page.cut(reader.budgets(key, page.after, page.limit), lambda budget: budget.budget_id)
            known = with_origins(reader, key, shown)
            time_zone = reader.terms_of([request.account_id])[request.account_id].time_zone
            rows = [self._usage(budget, limit_of(budget, known), time_zone) for budget in shown]
            _fill_in(reader, request.account_id, rows)
            return rows, token

        budgets, token = await self._read(request.account_id, query)
        return api.ListBudgetsResponse(budgets=budgets, next_page_token=token)

    def _usage(self, budget: Budget, limit_amount: int, time_zone: str) -> api.BudgetUsage:
        """Returns a budget with its present period."""
        start_ms = end_ms = 0
        if budget.period_unit != PeriodUnit.ROLLING:
            schedule = schedule_of(PeriodUnit(budget.period_unit), budget.anchor_ms, time_zone)
            start_ms, end_ms = period_at(schedule, self._now_ms())
        return api.BudgetUsage(
            budget=budget_message(budget),
            limit_amount=limit_amount,
            period_start_unix_ms=start_ms,
            period_end_unix_ms=end_ms,
        )

    async def DeleteBudget(self, request: api.DeleteBudgetRequest) -> api.DeleteBudgetResponse:
        """See the contract."""
        check_id("budget_id", request.budget_id)
        await self._change(
            request.account_id,
            lambda writer, account, now_ms: changing.delete_budget(writer, account, request.budget_id, now_ms),
        )
        return api.DeleteBudgetResponse()

    async def SetRateLimits(self, request: api.SetRateLimitsRequest) -> api.SetRateLimitsResponse:
        """See the contract."""
        said = validate.each("rate_limits", request.rate_limits, validate.rate_limit, "rule.limit_id")
        version = await self._change(
            request.account_id, lambda writer, account, now_ms: changing.set_rate_limits(writer, account, said, now_ms)
        )
        return api.SetRateLimitsResponse(rules_version=version)

    async def ListRateLimits(self, request: api.ListRateLimitsRequest) -> api.ListRateLimitsResponse:
        """See the contract."""
        page = Page.asked(request, "rate_limits", request.account_id)
        rows = await self._read(request.account_id, lambda reader, key: reader.rate_limits(key, page.after, page.limit))
        shown, token = page.cut(rows, lambda limit: limit.limit_id)
        limits = [api.RateLimit(subject=limit.subject, rule=rate_limit_rule(limit)) for limit in shown]
        return api.ListRateLimitsResponse(rate_limits=limits, next_page_token=token)

    async def DeleteRateLimit(self, request: api.DeleteRateLimitRequest) -> api.DeleteRateLimitResponse:
        """See the contract."""
        check_id("limit_id", request.limit_id)
        await self._change(
            request.account_id,
            lambda writer, account, now_ms: changing.delete_rate_limit(writer, account, request.limit_id, now_ms),
        )
        return api.DeleteRateLimitResponse()

    async def SetConcurrencyLimits(self, request: api.SetConcurrencyLimitsRequest) -> api.SetConcurrencyLimitsResponse:
        """See the contract."""
        said = validate.each(
            "concurrency_limits", request.concurrency_limits, validate.concurrency_limit, "rule.limit_id"
        )
        version = await self._change(
            request.account_id,
            lambda writer, account, now_ms: changing.set_concurrency_limits(writer, account, said, now_ms),
        )
        return api.SetConcurrencyLimitsResponse(rules_version=version)

    async def ListConcurrencyLimits(
        self, request: api.ListConcurrencyLimitsRequest
    ) -> api.ListConcurrencyLimitsResponse:
        """See the contract."""
        page = Page.asked(request, "concurrency_limits", request.account_id)
        rows = await self._read(
            request.account_id, lambda reader, key: reader.concurrency_limits(key, page.after, page.limit)
        )
        shown, token = page.cut(rows, lambda limit: limit.limit_id)
        limits = [api.ConcurrencyLimit(subject=limit.subject, rule=concurrency_limit_rule(limit)) for limit in shown]
        return api.ListConcurrencyLimitsResponse(concurrency_limits=limits, next_page_token=token)

    async def DeleteConcurrencyLimit(
        self, request: api.DeleteConcurrencyLimitRequest
    ) -> api.DeleteConcurrencyLimitResponse:
        """See the contract."""
        check_id("limit_id", request.limit_id)
        await self._change(
            request.account_id,
            lambda writer, account, now_ms: changing.delete_concurrency_limit(
                writer, account, request.limit_id, now_ms
            ),
        )
        return api.DeleteConcurrencyLimitResponse()


def _fill_in(reader: Reader, account_id: str, rows: Sequence[api.BudgetUsage]) -> None:
    """Tells of budgets what is used and leased of their present periods."""
    names = {window_name(row.budget.budget_id, row.period_start_unix_ms): row for row in rows}
    for name, (used, leased) in usage(reader, account_id, names).items():
        names[name].used_amount, names[name].leased_amount = used, leased
