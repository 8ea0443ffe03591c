"""Windows are opened when they are first named, if there is such a rule and its period is under way.

Upstream: `leasing` and `posting`, which name them.
"""

from holdfast_ledger.governance.windows import window_rule
from holdfast_ledger.leasing.claims import Claim
from holdfast_ledger.store.interface import NEVER, Policy, Pool, Sidecar, Writer
from holdfast_ledger.store.window_rows import Window
from holdfast_ledger.windows.following import follow, take_over
from holdfast_ledger.windows.names import parse
from holdfast_ledger.windows.rolling import let_go
from holdfast_ledger.windows.times import GRACE_MS, ends_at_ms, runs


def open_window(
    writer: Writer, account_id: str, name: str, now_ms: int, ahead_ms: int, late_ms: int = GRACE_MS
) -> tuple[Pool, Window] | None:
    """Makes a window that is not there; None: there is no such rule, or its period is another one.

    Args:
        writer: The transaction.
        account_id: The account.
        name: The window's.
        now_ms: The ledger's time.
        ahead_ms: How long before its start a period may be opened.
        late_ms: How long after its end.

    Raises:
        Conflict: Another replica made it first.
    """
    named, account = parse(name), writer.account(account_id)
    if named is None or account is None:
        return None
    writer.share_rules(account.account_key)
    rule = window_rule(writer, account_id, name, now_ms)
    if rule is None or not rule.start_ms - ahead_ms <= now_ms < ends_at_ms(rule) + late_ms:
        return None
    pool = Pool(account.account_key, account_id, name, "", 0, Policy(), now_ms, is_window=1)
    pool.rules_version = account.rules_version
    window = Window(0, named.rule_id, named.kind, "", 0, rule.start_ms, NEVER, 0, due_at_ms=NEVER)
    follow(pool, window, rule)
    window.pool_key = writer.insert_pool(pool)
    writer.insert_window(window)
    return pool, window


def find_asked(
    writer: Writer, sidecar: Sidecar, names: tuple[str, str], claim: Claim | None, now_ms: int, ahead_ms: int
) -> Pool | None:
    """Returns the window that a sidecar asks for, opened if it is not there; None: it is not to be had.

    A period that is over is there for whoever has a lease of it. Whoever says to have been given rights of a window and
    has no lease of it means one that was cleared away.

    Args:
        writer: The transaction.
        sidecar: Who asks.
        names: Of the account and the window.
        claim: What the sidecar says to have been given; None: it is believed.
        now_ms: The ledger's time.
        ahead_ms: How long before its start a period may be opened.
    """
    pool = writer.pool(*names)
    has_claim = claim is not None and claim.granted_total > 0
    if pool is None:
        opened = None if has_claim else open_window(writer, *names, now_ms, ahead_ms)
        return opened[0] if opened else None
    window = writer.windows([pool.pool_key])[pool.pool_key]
    if window.closed and not _reopened(writer, pool, window, now_ms):
        return None
    life = sidecar.sidecar_key, sidecar.birth_epoch
    if (has_claim or not runs(window, now_ms)) and not writer.leases_of_life(*life, [pool.pool_key]):
        return None
    let_go(writer, {pool.pool_key: pool}, [window], now_ms)
    return pool


def _reopened(writer: Writer, pool: Pool, window: Window, now_ms: int) -> bool:
    """Opens a window again whose rule was deleted and is there again; whether it is."""
    writer.share_rules(pool.account_key)
    rule = window_rule(writer, pool.account_id, pool.pool_id, now_ms)
    if rule is None:
        return False
    take_over(writer, pool, window, rule, now_ms)
    return True
