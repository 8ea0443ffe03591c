"""What a budget's limit comes to: its own amount, or a share of another's, which may be a share in its turn."""

from collections.abc import Iterable, Mapping

from holdfast_ledger.store.interface import Reader
from holdfast_ledger.store.rule_rows import Budget

BPS = 10_000


def with_origins(reader: Reader, account_key: int, budgets: Iterable[Budget]) -> dict[str, Budget]:
    """Returns budgets of an account by id, together with all that they are shares of, at any remove."""
    known = {budget.budget_id: budget for budget in budgets}
    missing = _missing(known, known.values())
    while missing:
        found = reader.budgets_named(account_key, missing)
        known |= found
        missing = _missing(known, found.values())
    return known


def _missing(known: Mapping[str, Budget], budgets: Iterable[Budget]) -> set[str]:
    return {x.share_of_budget_id for x in budgets if x.share_bps and x.share_of_budget_id not in known}


def limit_of(budget: Budget, known: Mapping[str, Budget]) -> int:
    """Returns the limit of a budget in minor units for a period, each share rounded down.

    Args:
        budget: The budget.
        known: All that it is a share of, at any remove; none is a share of itself.
    """
    shares = []
    while budget.share_bps:
        shares.append(budget.share_bps)
        budget = known[budget.share_of_budget_id]
    amount = budget.limit_amount
    for share_bps in reversed(shares):
        amount = amount * share_bps // BPS
    return amount
