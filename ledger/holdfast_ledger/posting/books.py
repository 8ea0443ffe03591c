"""The books between which the journal moves amounts.

A line takes an amount from one book and gives it to another, so that the books of a pool sum to zero whatever is
posted. What they mean: -issuance = granted, grant:ID = what is left of it, spend = spent, expired = expired, voided =
voided, -overdraft = what was spent and no grant covers yet. In rollover nothing stays: what leaves a grant for its
successor passes through in one transaction.
"""

from holdfast_ledger.store.interface import EntryType

ISSUANCE, SPEND, OVERDRAFT, EXPIRED = "issuance", "spend", "overdraft", "expired"
VOIDED, ROLLOVER = "voided", "rollover"


def grant_book(grant_id: str) -> str:
    """Returns the name of a grant's book."""
    return f"grant:{grant_id}"


def books_of(kind: EntryType, grant_id: str) -> tuple[str, str]:
    """Returns the book that gives and the book that takes in a line of this type."""
    grant = grant_book(grant_id)
    match kind:
        case EntryType.GRANT:
            return ISSUANCE, grant
        case EntryType.DEBIT:
            return grant, SPEND
        case EntryType.OVERDRAFT:
            return OVERDRAFT, SPEND
        case EntryType.REPAYMENT:
            return grant, OVERDRAFT
        case EntryType.EXPIRY:
            return grant, EXPIRED
        case EntryType.VOID:
            return grant, VOIDED
        case EntryType.CORRECTION:
            return SPEND, grant
        case EntryType.OVERDRAFT_CORRECTION:
            return SPEND, OVERDRAFT
        case EntryType.REVIVAL:
            return EXPIRED, grant
        case EntryType.ROLLOVER_OUT:
            return grant, ROLLOVER
        case EntryType.ROLLOVER_IN:
            return ROLLOVER, grant
        case EntryType.REPAYMENT_RETURN:
            return OVERDRAFT, grant
