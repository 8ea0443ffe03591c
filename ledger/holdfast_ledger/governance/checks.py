"""What rules may be, next to all else that is there. Each raises `InvalidArgument` with the field's path."""

from collections import Counter
from collections.abc import Mapping, Sequence

from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.governance.validate import parents_of
from holdfast_ledger.store.interface import Account, Reader
from holdfast_ledger.store.rule_rows import Budget, ConcurrencyLimit, RateLimit, Subject

MAX_RULES = 100
"""Budgets of one subject, rate limits, and concurrency limits: each is looked at by every decision below it."""


def check_parents(said: Sequence[Subject], there: Mapping[str, Subject]) -> None:
    """The parent of each subject is there, or before it.

    Args:
        said: The subjects that are set.
        there: Those of them, and of their parents, that are there.
    """
    known = {"", *there}
    for place, subject in enumerate(said):
        if subject.subject.rpartition("/")[0] not in known:
            raise InvalidArgument(f"subjects[{place}].subject", "has a parent that is not there, nor before it")
        known.add(subject.subject)


def check_subjects(
    reader: Reader, account: Account, field: str, said: Sequence[Budget | RateLimit | ConcurrencyLimit]
) -> None:
    """The subject of each rule is there."""
    there = reader.subjects_named(account.account_key, {rule.subject for rule in said if rule.subject})
    for place, rule in enumerate(said):
        if rule.subject and rule.subject not in there:
            raise InvalidArgument(f"{field}[{place}].subject", "is not there")


def check_count(
    field: str,
    said: Sequence[Budget | RateLimit | ConcurrencyLimit],
    beside: Sequence[Budget | RateLimit | ConcurrencyLimit],
) -> None:
    """No subject has too many rules of a kind.

    Args:
        field: Path of the list.
        said: The rules that are set.
        beside: The others of their subjects.
    """
    counts = Counter(rule.subject for rule in beside)
    for place, rule in enumerate(said):
        counts[rule.subject] += 1
        if counts[rule.subject] > MAX_RULES:
            raise InvalidArgument(f"{field}[{place}].subject", f"would have more than {MAX_RULES} of them")


def check_pools(reader: Reader, account: Account, said: Sequence[Budget]) -> None:
    """The pool of each budget that names one is there, and has its currency."""
    pools = reader.pools_named({(account.account_id, budget.pool_id) for budget in said if budget.pool_id})
    for place, budget in enumerate(said):
        if not budget.pool_id:
            continue
        pool = pools.get((account.account_id, budget.pool_id))
        if pool is None:
            raise InvalidArgument(f"budgets[{place}].pool_id", "is not there")
        if pool.currency != budget.currency:
            raise InvalidArgument(f"budgets[{place}].currency", f"is not the pool's, which has {pool.currency}")


def check_overlaps(said: Sequence[Budget], beside: Sequence[Budget]) -> None:
    """No two budgets of a subject count the same in periods of the same unit, or rolling ones of the same length.

    Args:
        said: The budgets that are set.
        beside: The others of their subjects.
    """
    known = {_counted(budget): budget.budget_id for budget in beside}
    for place, budget in enumerate(said):
        other = known.setdefault(_counted(budget), budget.budget_id)
        if other != budget.budget_id:
            raise InvalidArgument(f"budgets[{place}].period", f"overlaps that of {other}, which counts the same")


def _counted(budget: Budget) -> tuple[str, str, str, str, int, int]:
    return budget.subject, budget.currency, budget.pool_id, budget.match, budget.period_unit, budget.rolling_ms


def check_shares(said: Sequence[Budget], known: Mapping[str, Budget]) -> None:
    """Each share is one of a budget that fits, and none of itself.

    Args:
        said: The budgets that are set.
        known: They, and all that they are shares of and is there, at any remove.
    """
    for place, budget in enumerate(said):
        if not budget.share_bps:
            continue
        path = f"budgets[{place}].share_of_budget_id"
        origin = known.get(budget.share_of_budget_id)
        if origin is None:
            raise InvalidArgument(path, "is not there")
        _check_cycle(path, budget, known)
        if fault := _misfit(budget, origin):
            raise InvalidArgument(path, f"names a budget whose {fault} does not fit")


def _check_cycle(path: str, budget: Budget, known: Mapping[str, Budget]) -> None:
    seen, one = {budget.budget_id}, known.get(budget.share_of_budget_id)
    while one is not None:
        if one.budget_id in seen:
            raise InvalidArgument(path, "makes the budget, or what it is a share of, a share of itself")
        seen.add(one.budget_id)
        one = known.get(one.share_of_budget_id) if one.share_bps else None


def check_origins(said: Sequence[Budget], shares: Sequence[Budget]) -> None:
    """What is a share of a changed budget, and is not set itself, still fits it.

    Args:
        said: The budgets that are set.
        shares: The shares of those of them that `moved`, as they were.
    """
    places = {budget.budget_id: place for place, budget in enumerate(said)}
    for share in shares:
        place = places[share.share_of_budget_id]
        if share.budget_id not in places and (fault := _misfit(share, said[place])):
            raise InvalidArgument(f"budgets[{place}].{fault}", f"does not fit {share.budget_id}, a share of it")


def moved(budget: Budget, before: Budget) -> bool:
    """Whether a budget changed in what its shares must fit."""
    pairs = ((one.subject, one.currency, _period(one)) for one in (budget, before))
    return next(pairs) != next(pairs)


def _misfit(share: Budget, origin: Budget) -> str:
    """Returns the field in which a share does not fit what it is a share of; empty: it fits."""
    if origin.subject not in (share.subject, *parents_of(share.subject)):
        return "subject"
    if share.currency != origin.currency:
        return "currency"
    return "" if _period(share) == _period(origin) else "period"


def _period(budget: Budget) -> tuple[int, int, int]:
    return budget.period_unit, budget.anchor_ms, budget.rolling_ms
