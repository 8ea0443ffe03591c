"""What the sidecars said lately of their decisions: in memory, for people to look at, gone with the replica."""

import threading
from collections import deque
from collections.abc import Sequence

from holdfast.v1 import access_service_pb2 as access
from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import ingest_service_pb2 as wire

KEPT_COUNT = 10_000
"""Decisions kept: denials and others apart, so that a flood of what was allowed hides no denial."""

SIDECAR_LIMIT = 10_000
"""Sidecars whose counts are kept; the one that spoke longest ago goes first."""


class Decisions:
    """The latest decisions that this replica has heard of. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._denied: deque[access.HeardDecision] = deque(maxlen=KEPT_COUNT)
        self._allowed: deque[access.HeardDecision] = deque(maxlen=KEPT_COUNT)
        self._counts: dict[str, access.SidecarDecisions] = {}

    def hear(self, told: wire.PushDecisionsRequest, now_ms: int) -> None:
        """Keeps what a sidecar tells."""
        heard = [access.HeardDecision(sidecar_id=told.sidecar_id, decision=record) for record in told.decisions]
        counts = access.SidecarDecisions(sidecar_id=told.sidecar_id, counts=told.counts, told_at_unix_ms=now_ms)
        with self._lock:
            for one in heard:
                kept = self._allowed if one.decision.reason == decision.REASON_OK else self._denied
                kept.append(one)
            self._counts.pop(told.sidecar_id, None)
            self._counts[told.sidecar_id] = counts
            if len(self._counts) > SIDECAR_LIMIT:
                del self._counts[next(iter(self._counts))]

    def latest(self, account_id: str, denied_only: bool, limit: int) -> list[access.HeardDecision]:
        """Returns the latest decisions, newest first; an empty account does not filter."""
        with self._lock:
            kept = [*self._denied] if denied_only else [*self._denied, *self._allowed]
        mine = [one for one in kept if not account_id or one.decision.account_id == account_id]
        return sorted(mine, key=lambda one: one.decision.decided_at_unix_ms, reverse=True)[:limit]

    def sidecars(self) -> Sequence[access.SidecarDecisions]:
        """Returns what each sidecar counted last."""
        with self._lock:
            return sorted(self._counts.values(), key=lambda one: one.sidecar_id)
