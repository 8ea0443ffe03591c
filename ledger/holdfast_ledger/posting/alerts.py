"""Watches the settled balance of pools: makes events when it falls to a threshold, or when a top-up is wanted.

Upstream: whatever moves a balance (`post`, `grants`, `correct`) calls `watch` in its own transaction; nothing polls.

A threshold has two states, and an event is made in one place only:

    above ──balance <= limit: event──► crossed ──balance > limit──► above

A top-up rule makes an event whenever a balance moves and is at or below its threshold, but not within the cooldown
after the last one, nor more than its times in a period. The ledger invents no money: who is told makes the grant, with
the event's id as the grant's, so that an event that comes twice tops up once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from holdfast_ledger.posting.events import make_event
from holdfast_ledger.store.interface import MAX_AMOUNT, Event, Pool, Threshold, TopUp, Writer

THRESHOLD_CROSSED = "pool.threshold_crossed"
TOP_UP_WANTED = "pool.top_up_wanted"

BPS = 10_000
"""Basis points of the whole."""


def limit_of(threshold: Threshold, pool: Pool) -> int:
    """Returns the balance at or below which a threshold is crossed, in minor units."""
    return pool.granted_total * threshold.share_bps // BPS if threshold.share_bps else threshold.amount


def watch(writer: Writer, pools: Iterable[Pool], now_ms: int) -> int:
    """Makes the events of pools whose balance has moved; returns how many."""
    watched = {pool.pool_key: pool for pool in pools if pool.watched}
    if not watched:
        return 0
    thresholds = [x for x in writer.thresholds(watched.keys()) if x.in_use]
    turned = [x for x in thresholds if x.crossed != (watched[x.pool_key].posted <= limit_of(x, watched[x.pool_key]))]
    wanted = [x for x in writer.top_ups(watched.keys()) if x.in_use and _is_wanted(x, watched[x.pool_key], now_ms)]
    events = []
    for threshold in turned:
        threshold.crossed = 1 - threshold.crossed
        if threshold.crossed:
            threshold.crossing_count += 1
            events.append(_crossing(threshold, watched[threshold.pool_key], now_ms))
    for top_up in wanted:
        _count(top_up, now_ms)
        events.append(_wish(top_up, watched[top_up.pool_key], now_ms))
    writer.save_thresholds(turned)
    writer.save_top_ups(wanted)
    for event in events:
        writer.insert_event(event)
        writer.insert_deliveries(event)
    return len(events)


def _is_wanted(top_up: TopUp, pool: Pool, now_ms: int) -> bool:
    if pool.posted > top_up.threshold_amount:
        return False
    if top_up.wanted_count and now_ms - top_up.wanted_at_ms < top_up.cooldown_ms:
        return False
    period_over = now_ms - top_up.period_began_at_ms >= top_up.period_ms
    return top_up.max_times == 0 or period_over or top_up.period_count < top_up.max_times


def _count(top_up: TopUp, now_ms: int) -> None:
    if now_ms - top_up.period_began_at_ms >= top_up.period_ms:
        top_up.period_began_at_ms, top_up.period_count = now_ms, 0
    top_up.wanted_count += 1
    top_up.period_count += 1
    top_up.wanted_at_ms = now_ms


def _crossing(threshold: Threshold, pool: Pool, now_ms: int) -> Event:
    limit = str(limit_of(threshold, pool))
    told: dict[str, str | int] = {
        "threshold_id": threshold.threshold_id,
        "share_bps": threshold.share_bps,
        "limit": limit,
    }
    return _event(THRESHOLD_CROSSED, pool, (threshold.threshold_id, threshold.crossing_count), told, now_ms)


def _wish(top_up: TopUp, pool: Pool, now_ms: int) -> Event:
    told: dict[str, str | int] = {"threshold": str(top_up.threshold_amount), "amount": str(top_up.amount)}
    return _event(TOP_UP_WANTED, pool, (top_up.wanted_count,), told, now_ms)


def _event(kind: str, pool: Pool, name: Sequence[str | int], told: dict[str, str | int], now_ms: int) -> Event:
    figures = {
        "posted": pool.posted,
        "free": pool.free,
        "leased": pool.leased,
        "granted_total": pool.granted_total,
        "spent_total": pool.spent_total,
        "overdraft": pool.overdraft,
    }
    data: dict[str, str | int] = {
        "account_id": pool.account_id,
        "pool_id": pool.pool_id,
        "currency": pool.currency,
        "currency_exponent": pool.currency_exponent,
        **told,
        **{name: str(amount) for name, amount in figures.items()},
    }
    return make_event(kind, (pool.account_id, pool.pool_id, *name), data, pool, now_ms)


def set_alerts(writer: Writer, pool: Pool, thresholds: Sequence[Threshold], top_up: TopUp | None) -> None:
    """Replaces the thresholds and the top-up rule of a pool.

    A threshold at or below which the balance is already makes its event only when it is crossed the next time. A
    top-up rule that is replaced goes on with its counts.
    """
    known = {x.threshold_id: x for x in writer.thresholds([pool.pool_key])}
    said = {x.threshold_id: x for x in thresholds}
    writer.save_thresholds(replace(x, in_use=0) for name, x in known.items() if name not in said)
    for threshold in thresholds:
        crossed = int(pool.posted <= limit_of(threshold, pool))
        there = known.get(threshold.threshold_id)
        if there is None:
            writer.insert_threshold(replace(threshold, pool_key=pool.pool_key, crossed=crossed))
        elif (there.amount, there.share_bps, there.in_use) != (threshold.amount, threshold.share_bps, 1):
            changed = replace(there, amount=threshold.amount, share_bps=threshold.share_bps, in_use=1, crossed=crossed)
            writer.save_thresholds([changed])
    _set_top_up(writer, pool, top_up)
    pool.watched = int(bool(thresholds) or top_up is not None)
    writer.save_watched(pool.pool_key, pool.watched)


def _set_top_up(writer: Writer, pool: Pool, said: TopUp | None) -> None:
    for there in writer.top_ups([pool.pool_key]):
        changed = replace(there, in_use=0)
        if said is not None:
            changed = replace(
                there,
                in_use=1,
                threshold_amount=said.threshold_amount,
                amount=said.amount,
                cooldown_ms=said.cooldown_ms,
                max_times=said.max_times,
                period_ms=said.period_ms,
            )
        writer.save_top_ups([changed])
        return
    if said is not None:
        writer.insert_top_up(replace(said, pool_key=pool.pool_key, period_began_at_ms=-MAX_AMOUNT))
