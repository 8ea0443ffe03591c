"""The total order in which the grants of a pool burn.

Priority ascending, promotional before paid, sooner expiry first and never-expiring last, earlier effective, id.
No two grants of a pool are equal in it, so the order in which debits are posted is all that decides what they burn.
"""

from holdfast_ledger.store.interface import BurnPosition, Grant


def burn_position(grant: Grant) -> BurnPosition:
    """Returns the sort key of a grant; the smallest burns first.

    The category is its number in the contract, promotional (1) below paid (2); `NEVER` is the largest expiry; ids
    compare by code point, which is the order of their UTF-8 bytes.
    """
    return grant.priority, grant.category, grant.expires_at_ms, grant.effective_at_ms, grant.grant_id
