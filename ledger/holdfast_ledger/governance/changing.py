"""Changes the rules of an account, in one transaction with all that follows: its version, shares, open windows.

Upstream: `service`, which has checked each rule by itself. The account's rules are locked. What is there already, just
so, is left alone; when everything is, nothing is changed.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from holdfast_ledger.errors import (
    BudgetInUse,
    BudgetNotFound,
    ConcurrencyLimitNotFound,
    PlanNotFound,
    RateCardNotFound,
    RateLimitNotFound,
    SubjectInUse,
    SubjectNotFound,
)
from holdfast_ledger.governance import checks
from holdfast_ledger.governance.resolve import BPS, limit_of, with_origins
from holdfast_ledger.governance.windows import RATE_RIGHTS, LimitChange, LimitKind
from holdfast_ledger.store.interface import Account, Reader, Writer
from holdfast_ledger.store.rule_rows import AccountRules, Budget, ConcurrencyLimit, RateLimit, Subject
from holdfast_ledger.windows.following import limits_changed


class Changed(NamedTuple):
    """What became of it."""

    rules_version: int
    """The account's, from now on."""
    pools: frozenset[int] = frozenset()
    """Pools and windows whose sidecars are to be told."""


def _changed(writer: Writer, account: Account, now_ms: int, limits: Sequence[LimitChange] = ()) -> Changed:
    """Ends a change: with a new version, and the open windows as they are now."""
    key = account.account_key
    writer.raise_rules_version([key])
    windows = limits_changed(writer, key, limits, now_ms) if limits else set[int]()
    version = writer.terms_of([account.account_id])[account.account_id].rules_version
    return Changed(version, frozenset(windows.union(writer.leased_pools([key]))))


def set_account_rules(writer: Writer, account: Account, said: AccountRules, now_ms: int) -> Changed:
    """Sets what holds for an account as a whole. Raises `PlanNotFound`, `RateCardNotFound`."""
    said = said._replace(account_key=account.account_key)
    if said == writer.account_rules(account.account_key):
        return Changed(account.rules_version)
    if said.plan_id is not None and writer.keep_plan(said.plan_id) is None:
        raise PlanNotFound("there is no such plan", plan_id=said.plan_id)
    if said.rate_card_id is not None:
        card = writer.keep_rate_card(said.rate_card_id)
        if card is None or not card.in_use:
            raise RateCardNotFound("there is no such rate card", rate_card_id=said.rate_card_id)
    writer.save_account_rules(said)
    return _changed(writer, account, now_ms)


def set_subjects(writer: Writer, account: Account, said: Sequence[Subject], now_ms: int) -> Changed:
    """Sets subjects. Names for people are not told to sidecars: a change of them alone raises no version."""
    said = [subject._replace(account_key=account.account_key) for subject in said]
    paths = {subject.subject for subject in said}
    parents = {path.rpartition("/")[0] for path in paths}
    there = writer.subjects_named(account.account_key, paths | parents)
    checks.check_parents(said, there)
    writer.save_subjects(subject for subject in said if there.get(subject.subject) != subject)
    return Changed(account.rules_version) if paths <= there.keys() else _changed(writer, account, now_ms)


def delete_subject(writer: Writer, account: Account, subject: str, now_ms: int) -> Changed:
    """Deletes a subject. Raises `SubjectNotFound`, `SubjectInUse`."""
    place = (account.account_key, subject)
    node = next(iter(writer.nodes([place])), None)
    if node is None:
        raise SubjectNotFound("the account has no such subject", subject=subject)
    used = (
        ("subjects below it", node.has_children),
        ("budgets", writer.budgets_at([place])),
        ("rate limits", writer.rate_limits_at([place])),
        ("concurrency limits", writer.concurrency_limits_at([place])),
    )
    for what, there in used:
        if there:
            raise SubjectInUse(f"the subject has {what}", subject=subject)
    writer.delete_subject(*place)
    return _changed(writer, account, now_ms)


def set_budgets(writer: Writer, account: Account, said: Sequence[Budget], now_ms: int) -> Changed:
    """Sets budgets, and all that are shares of them with them. Raises `InvalidArgument`."""
    key = account.account_key
    said = [budget._replace(account_key=key) for budget in said]
    there = writer.budgets_named(key, [budget.budget_id for budget in said])
    changed = [budget for budget in said if there.get(budget.budget_id) != budget]
    if not changed:
        return Changed(account.rules_version)
    known = _check_budgets(writer, account, said, there)
    limits = limits_to_change(writer, said, there, known)
    moved = {limit.rule_id for limit in limits}
    for budget in changed:
        if budget.budget_id not in moved:  # its windows know its action, alerts and period as well
            amount = limit_of(budget, known)
            limits.append(LimitChange(LimitKind.BUDGET, budget.budget_id, amount, amount))
    writer.save_budgets(changed)
    return _changed(writer, account, now_ms, limits)


def _check_budgets(
    writer: Writer, account: Account, said: Sequence[Budget], there: Mapping[str, Budget]
) -> dict[str, Budget]:
    """Checks budgets next to what is there; returns them by id, with all that they are shares of."""
    key = account.account_key
    checks.check_subjects(writer, account, "budgets", said)
    checks.check_pools(writer, account, said)
    names = {budget.budget_id for budget in said}
    nodes = {(key, budget.subject) for budget in said}
    beside = [budget for budget in writer.budgets_at(nodes) if budget.budget_id not in names]
    checks.check_count("budgets", said, beside)
    checks.check_overlaps(said, beside)
    known = with_origins(writer, key, said)
    checks.check_shares(said, known)
    moved = [x.budget_id for x in said if x.budget_id in there and checks.moved(x, there[x.budget_id])]
    checks.check_origins(said, writer.budgets_sharing(key, moved) if moved else [])
    return known


def limits_to_change(
    reader: Reader, said: Sequence[Budget], there: Mapping[str, Budget], known: Mapping[str, Budget]
) -> list[LimitChange]:
    """Returns what the limits of budgets become that are set, and with them of all that are shares of them.

    Args:
        reader: Has the budgets as they are before.
        said: Those that are set, all of one account.
        there: As they are before.
        known: As they will be, by id, with all that they are shares of.
    """
    key = said[0].account_key
    before = with_origins(reader, key, there.values())
    limits = [
        LimitChange(LimitKind.BUDGET, x.budget_id, _limit(there.get(x.budget_id), before), limit_of(x, known))
        for x in said
    ]
    names, origins = {budget.budget_id for budget in said}, _amounts(limits)
    while origins:
        shares = [x for x in reader.budgets_sharing(key, origins.keys()) if x.budget_id not in names]
        changes = [_share_change(share, *origins[share.share_of_budget_id]) for share in shares]
        origins = _amounts(changes)
        limits += changes
    return [limit for limit in limits if limit.before != limit.after]


def _limit(budget: Budget | None, known: Mapping[str, Budget]) -> int | None:
    return None if budget is None else limit_of(budget, known)


def _amounts(changes: Sequence[LimitChange]) -> dict[str, tuple[int, int]]:
    """Returns the amounts before and after of those whose shares change with them."""
    return {
        x.rule_id: (x.before, x.after)
        for x in changes
        if x.before is not None and x.after is not None and x.before != x.after
    }


def _share_change(share: Budget, before: int, after: int) -> LimitChange:
    amounts = (amount * share.share_bps // BPS for amount in (before, after))
    return LimitChange(LimitKind.BUDGET, share.budget_id, *amounts)


def delete_budget(writer: Writer, account: Account, budget_id: str, now_ms: int) -> Changed:
    """Deletes a budget. Raises `BudgetNotFound`, `BudgetInUse`."""
    key = account.account_key
    there = writer.budgets_named(key, [budget_id])
    if budget_id not in there:
        raise BudgetNotFound("the account has no such budget", budget_id=budget_id)
    for share in writer.budgets_sharing(key, [budget_id]):
        raise BudgetInUse(f"{share.budget_id} is a share of it", budget_id=budget_id)
    before = limit_of(there[budget_id], with_origins(writer, key, there.values()))
    writer.delete_budget(key, budget_id)
    return _changed(writer, account, now_ms, [LimitChange(LimitKind.BUDGET, budget_id, before, None)])


def set_rate_limits(writer: Writer, account: Account, said: Sequence[RateLimit], now_ms: int) -> Changed:
    """Sets rate limits. Raises `InvalidArgument`."""
    key = account.account_key
    said = [limit._replace(account_key=key) for limit in said]
    there = writer.rate_limits_named(key, [limit.limit_id for limit in said])
    changed = [limit for limit in said if there.get(limit.limit_id) != limit]
    if not changed:
        return Changed(account.rules_version)
    checks.check_subjects(writer, account, "rate_limits", said)
    names = {limit.limit_id for limit in said}
    beside = [x for x in writer.rate_limits_at({(key, limit.subject) for limit in said}) if x.limit_id not in names]
    checks.check_count("rate_limits", said, beside)
    writer.save_rate_limits(changed)
    changes = [_rate_change(limit.limit_id, there.get(limit.limit_id), limit) for limit in changed]
    return _changed(writer, account, now_ms, [x for x in changes if x.before != x.after])


def delete_rate_limit(writer: Writer, account: Account, limit_id: str, now_ms: int) -> Changed:
    """Deletes a rate limit. Raises `RateLimitNotFound`."""
    there = writer.rate_limits_named(account.account_key, [limit_id]).get(limit_id)
    if there is None:
        raise RateLimitNotFound("the account has no such rate limit", limit_id=limit_id)
    writer.delete_rate_limit(account.account_key, limit_id)
    return _changed(writer, account, now_ms, [_rate_change(limit_id, there, None)] if there.shared else [])


def _rate_change(limit_id: str, before: RateLimit | None, after: RateLimit | None) -> LimitChange:
    rights = [RATE_RIGHTS if limit and limit.shared else None for limit in (before, after)]
    return LimitChange(LimitKind.RATE, limit_id, *rights)


def set_concurrency_limits(writer: Writer, account: Account, said: Sequence[ConcurrencyLimit], now_ms: int) -> Changed:
    """Sets concurrency limits. Raises `InvalidArgument`."""
    key = account.account_key
    said = [limit._replace(account_key=key) for limit in said]
    there = writer.concurrency_limits_named(key, [limit.limit_id for limit in said])
    changed = [limit for limit in said if there.get(limit.limit_id) != limit]
    if not changed:
        return Changed(account.rules_version)
    checks.check_subjects(writer, account, "concurrency_limits", said)
    names, nodes = {limit.limit_id for limit in said}, {(key, limit.subject) for limit in said}
    beside = [limit for limit in writer.concurrency_limits_at(nodes) if limit.limit_id not in names]
    checks.check_count("concurrency_limits", said, beside)
    writer.save_concurrency_limits(changed)
    changes = [_concurrency_change(limit.limit_id, there.get(limit.limit_id), limit) for limit in changed]
    return _changed(writer, account, now_ms, [x for x in changes if x.before != x.after])


def delete_concurrency_limit(writer: Writer, account: Account, limit_id: str, now_ms: int) -> Changed:
    """Deletes a concurrency limit. Raises `ConcurrencyLimitNotFound`."""
    there = writer.concurrency_limits_named(account.account_key, [limit_id]).get(limit_id)
    if there is None:
        raise ConcurrencyLimitNotFound("the account has no such concurrency limit", limit_id=limit_id)
    writer.delete_concurrency_limit(account.account_key, limit_id)
    return _changed(writer, account, now_ms, [_concurrency_change(limit_id, there, None)] if there.shared else [])


def _concurrency_change(limit_id: str, before: ConcurrencyLimit | None, after: ConcurrencyLimit | None) -> LimitChange:
    counts = [limit.max_count if limit and limit.shared else None for limit in (before, after)]
    return LimitChange(LimitKind.CONCURRENCY, limit_id, *counts)
