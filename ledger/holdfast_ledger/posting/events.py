"""Makes events: what is told of them, and the id by which whoever is told knows them again."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from holdfast_ledger.store.interface import Event, Pool


def make_event(kind: str, name: Sequence[str | int], told: dict[str, str | int], pool: Pool, now_ms: int) -> Event:
    """Returns an event. Its id is made of kind and name: the same thing posted again, after a restore, has the same.

    Args:
        kind: Its type.
        name: What tells it from all others of its type.
        told: Its data.
        pool: What it is of. Of a window it keeps the account alone.
        now_ms: When it happened.
    """
    event_id = f"evt_{hashlib.sha256(json.dumps([kind, *name]).encode()).hexdigest()[:32]}"
    body = {
        "id": event_id,
        "type": kind,
        "timestamp": datetime.fromtimestamp(now_ms / 1_000, UTC).isoformat(timespec="milliseconds"),
        "data": told,
    }
    text = json.dumps(body, ensure_ascii=False)
    pool_key, pool_id = (0, "") if pool.is_window else (pool.pool_key, pool.pool_id)
    return Event(event_id, kind, pool.account_key, pool.account_id, pool_key, pool_id, text, now_ms)
