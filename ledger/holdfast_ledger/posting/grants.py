"""How grants come and go: they take effect, repay overdraft, expire or are voided, each with its lines."""

from collections.abc import Collection
from dataclasses import replace

from holdfast_ledger.errors import AlreadyExists, InvalidArgument
from holdfast_ledger.posting.alerts import watch
from holdfast_ledger.store.interface import MAX_AMOUNT, NEVER, EntryRow, EntryType, Grant, GrantState, Pool, Writer

SWEEP_LIMIT = 1_000
"""Grants that one transaction takes care of: bounds how long the others wait for it."""

BPS = 10_000
"""Basis points of the whole."""

PAID = 2
"""`GrantCategory.PAID`."""

ROLLOVER_MARK = "~rollover-"
"""Between the id of a grant and the number of times that it rolled over; no caller's id has it."""


def due_at_ms(grant: Grant) -> int:
    """Returns when the sweep has to touch a grant next."""
    if grant.state is GrantState.PENDING:
        return grant.effective_at_ms
    return grant.expires_at_ms if grant.state is GrantState.ACTIVE else NEVER


def take_effect(grant: Grant, pool: Pool, now_ms: int) -> list[EntryRow]:
    """Puts a pending grant into its pool; it first repays the pool's overdraft. Returns the lines."""
    assert grant.state is GrantState.PENDING
    repaid = min(pool.overdraft, grant.amount)
    pool.granted_total += grant.amount
    pool.free += grant.amount
    pool.overdraft -= repaid
    grant.remaining = grant.amount - repaid
    grant.state = GrantState.ACTIVE if grant.remaining else GrantState.EXHAUSTED
    grant.due_at_ms = due_at_ms(grant)
    lines = [EntryRow(EntryType.GRANT, pool.pool_key, grant.grant_key, None, grant.amount, now_ms)]
    if repaid:
        lines.append(EntryRow(EntryType.REPAYMENT, pool.pool_key, grant.grant_key, None, repaid, now_ms))
    return lines


def expire(grant: Grant, pool: Pool, now_ms: int) -> list[EntryRow]:
    """Takes what is left of an active grant, after `roll_over`, out of its pool. Returns the lines.

    Rights that are already out stay out, so `free` may fall below zero; nothing more is leased until it recovers.
    """
    assert grant.state is GrantState.ACTIVE
    lost = _take_out(grant, pool, GrantState.EXPIRED)
    pool.expired_total += lost
    grant.lapsed += lost
    return [EntryRow(EntryType.EXPIRY, pool.pool_key, grant.grant_key, None, lost, now_ms)] if lost else []


def void(grant: Grant, pool: Pool, now_ms: int) -> list[EntryRow]:
    """Takes what is left of a grant out of its pool for good, as `expire` does. Returns the lines.

    A pending one never takes effect; of one that has expired nothing can be revived any more. Idempotent.
    """
    lost = _take_out(grant, pool, GrantState.VOIDED)
    pool.voided_total += lost
    return [EntryRow(EntryType.VOID, pool.pool_key, grant.grant_key, None, lost, now_ms)] if lost else []


def _take_out(grant: Grant, pool: Pool, state: GrantState) -> int:
    lost, owed = grant.remaining, max(0, -pool.free)
    pool.free -= lost
    pool.expired_leased_total += max(0, -pool.free) - owed
    grant.remaining, grant.state, grant.due_at_ms = 0, state, NEVER
    return lost


def void_grant(writer: Writer, pool: Pool, grant: Grant, now_ms: int, refunded_amount: int = 0) -> set[int]:
    """Voids a grant of a pool; returns the keys of the pools that changed.

    Args:
        writer: The transaction.
        pool: The pool.
        grant: The grant.
        now_ms: Unix time.
        refunded_amount: What is paid back for it, in the minor unit of its cost's currency.

    Raises:
        AlreadyExists: It was voided with another refund.
        InvalidArgument: More is paid back than is not earned yet.
    """
    if grant.state is GrantState.VOIDED and refunded_amount != grant.refunded_amount:
        raise AlreadyExists("refunded_amount", f"the grant was voided with a refund of {grant.refunded_amount}")
    if grant.state is not GrantState.VOIDED and refunded_amount:
        if refunded_amount > (most := unearned(grant)):
            raise InvalidArgument("refunded_amount", f"is more than the {most} that are not earned")
        grant.refunded_amount = refunded_amount
        writer.save_refund(grant.grant_key, refunded_amount)
    lines = void(grant, pool, now_ms)
    writer.save_grants([grant])
    writer.insert_entries(lines)
    writer.save_pools([pool])
    watch(writer, [pool], now_ms)
    return {pool.pool_key} if lines else set()


def unearned(grant: Grant) -> int:
    """Returns the part of a grant's cost that nothing has burned, rounded up; 0 for one that was given away."""
    return -(-grant.cost_amount * grant.remaining // grant.amount) if grant.category == PAID else 0


def roll_over(grant: Grant, now_ms: int) -> tuple[Grant, list[EntryRow]] | None:
    """Takes the share that rolls over out of an active grant whose time is over, into its successor.

    The successor begins where the grant ends, whenever that is noticed, and has the same place in the order but for its
    times. Its cost is that of the part of the grant that it is, rounded down. The pool's figures do not move.

    Returns the successor, to be added, and the line of the grant; None if nothing rolls over.
    """
    rules, ends_ms = grant.rollover, grant.expires_at_ms
    amount = grant.remaining * rules.share_bps // BPS
    if rules.max_amount:
        amount = min(amount, rules.max_amount)
    if rules.times == 0 or amount == 0:
        return None
    grant.remaining -= amount
    successor = replace(
        grant,
        grant_id=successor_id(grant),
        amount=amount,
        effective_at_ms=ends_ms,
        expires_at_ms=min(ends_ms + rules.lifetime_ms, NEVER) if rules.lifetime_ms else NEVER,
        cost_amount=grant.cost_amount * amount // grant.amount,
        created_at_ms=now_ms,
        remaining=amount,
        rolled_from=grant.grant_id,
        rollover=rules._replace(times=rules.times - 1),
        lapsed=0,
        grant_key=0,
    )
    successor.due_at_ms = due_at_ms(successor)
    if successor.cost_amount == 0:
        successor.cost_currency = ""
    return successor, [EntryRow(EntryType.ROLLOVER_OUT, grant.pool_key, grant.grant_key, None, amount, now_ms)]


def successor_id(grant: Grant) -> str:
    """Returns the id of what rolls over of a grant: the first grant's and the count, the same whenever it is asked."""
    first, mark, number = grant.grant_id.rpartition(ROLLOVER_MARK)
    return f"{first}{mark}{int(number) + 1}" if grant.rolled_from else f"{grant.grant_id}{ROLLOVER_MARK}1"


def add_grant(writer: Writer, pool: Pool, grant: Grant, now_ms: int) -> set[int]:
    """Adds a grant, as `rules.grant` reads it, and lets it take effect if its time has come.

    Returns the keys of the pools that changed. Raises `InvalidArgument` for what only clock and pool can tell.
    """
    if grant.amount > MAX_AMOUNT - pool.granted_total - writer.pending_amount(pool.pool_key):
        raise InvalidArgument("grant.amount", "all grants of the pool together would pass 2^63-1")
    if grant.expires_at_ms <= now_ms:
        raise InvalidArgument("grant.expires_at_unix_ms", "is past")
    grant.pool_key, grant.created_at_ms = pool.pool_key, now_ms
    grant.effective_at_ms = grant.effective_at_ms or now_ms
    if grant.expires_at_ms <= grant.effective_at_ms:
        raise InvalidArgument("grant.expires_at_unix_ms", "is not after effective_at_unix_ms")
    grant.due_at_ms = grant.effective_at_ms
    writer.insert_grant(grant)
    if grant.effective_at_ms > now_ms:
        return set()
    lines = take_effect(grant, pool, now_ms)
    writer.save_grants([grant])
    writer.insert_entries(lines)
    writer.save_pools([pool])
    watch(writer, [pool], now_ms)
    return {pool.pool_key}


def take_due(writer: Writer, now_ms: int, pool_keys: Collection[int]) -> set[int]:
    """Lets every grant of these pools take effect or expire whose time has come; returns the pools that changed.

    Called at the head of each transaction that posts to them or leases from them, so that an expired grant never
    burns and no figure includes it, however late the sweep is.
    """
    touched: set[int] = set()
    while pool_keys and (grants := writer.grants_due(now_ms, SWEEP_LIMIT, pool_keys)):
        touched |= _take(writer, grants, now_ms)
    return touched


def sweep(writer: Writer, now_ms: int) -> tuple[set[int], bool]:
    """Lets up to `SWEEP_LIMIT` grants of any pool take effect or expire.

    Returns the pools that changed, and whether to go on: a grant that took effect may be due to expire already.
    """
    grants = writer.grants_due(now_ms, SWEEP_LIMIT, None)
    return _take(writer, grants, now_ms), bool(grants)


def _take(writer: Writer, grants: list[Grant], now_ms: int) -> set[int]:
    pools = writer.pools_by_key({grant.pool_key for grant in grants})
    lines: list[EntryRow] = []
    for grant in grants:
        if grant.state is GrantState.PENDING:
            lines += take_effect(grant, pools[grant.pool_key], now_ms)
            continue
        if rolled := roll_over(grant, now_ms):
            successor, out = rolled
            key = writer.insert_grant(successor)
            lines += out
            lines.append(EntryRow(EntryType.ROLLOVER_IN, grant.pool_key, key, None, successor.amount, now_ms))
        lines += expire(grant, pools[grant.pool_key], now_ms)
    writer.save_grants(grants)
    writer.insert_entries(lines)
    writer.save_pools(pools.values())
    watch(writer, pools.values(), now_ms)
    return set(pools)
