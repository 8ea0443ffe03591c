"""Finds what a call names, or says that it is not there."""

from collections.abc import Callable

from holdfast_ledger.errors import AccountNotFound, GrantNotFound, PoolNotFound
from holdfast_ledger.store.interface import Account, Grant, Pool, Reader
from holdfast_ledger.validation import check_id


def find_account(reader: Reader, account_id: str) -> Account:
    """Returns an account. Raises `AccountNotFound`."""
    account = reader.account(account_id)
    if account is None:
        raise AccountNotFound("there is no such account", account_id=account_id)
    return account


def find_pool(reader: Reader, account_id: str, pool_id: str) -> Pool:
    """Returns a pool. Raises `AccountNotFound`, `PoolNotFound`."""
    pool = reader.pool(account_id, pool_id)
    if pool is None:
        find_account(reader, account_id)
        raise PoolNotFound("the account has no such pool", account_id=account_id, pool_id=pool_id)
    return pool


def pool_query(account_id: str, pool_id: str) -> Callable[[Reader], Pool]:
    """Returns a query for a pool of these names. Raises `InvalidArgument`; the query as `find_pool`."""
    check_id("account_id", account_id)
    check_id("pool_id", pool_id)
    return lambda reader: find_pool(reader, account_id, pool_id)


def find_grant(reader: Reader, pool: Pool, grant_id: str) -> Grant:
    """Returns a grant of a pool. Raises `GrantNotFound`."""
    grant = reader.grant(pool.pool_key, grant_id)
    if grant is None:
        raise GrantNotFound("the pool has no such grant", grant_id=grant_id)
    return grant
