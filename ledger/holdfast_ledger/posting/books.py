"""The books between which the journal moves amounts.

A line takes an amount from one book and gives it to another, so that the books of a pool sum to zero whatever is
posted. What they mean: -issuance = granted, grant:ID = what is left of it, spend = spent, expired = expired,
-overdraft = what was spent and no grant covers yet.
"""

from holdfast_ledger.store.interface import EntryType

ISSUANCE, SPEND, OVERDRAFT, EXPIRED = "issuance", "spend", "overdraft", "expired"


def grant_book(grant_id: str) -> str:
    """Returns the name of a grant's book."""
    return f"grant:{grant_id}"


def books_of(kind: EntryType, grant_id: str) -> tuple[str, str]:
    """Returns the book that gives and the book that takes in a line of this type."""
    match kind:
        case EntryType.GRANT:
            return ISSUANCE, grant_book(grant_id)
        case EntryType.DEBIT:
            return grant_book(grant_id), SPEND
        case EntryType.OVERDRAFT:
            return OVERDRAFT, SPEND
        case EntryType.REPAYMENT:
            return grant_book(grant_id), OVERDRAFT
        case EntryType.EXPIRY:
            return grant_book(grant_id), EXPIRED
