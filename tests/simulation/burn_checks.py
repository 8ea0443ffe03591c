"""The order in which grants burn, read from the journal: nothing is burned while one before it has something left."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from tests.simulation.ledger import SimDatabase

_GRANTS = """SELECT grant_key, grant_id, priority, category, expires_at_ms, effective_at_ms FROM grants"""
_LINES = "SELECT type, pool_key, grant_key, amount FROM entries WHERE grant_key IS NOT NULL ORDER BY entry_key"

_DEBIT = 2
_ADDS = frozenset({1, 7, 9, 11, 12})
"""Entry types that put into a grant: GRANT, CORRECTION, REVIVAL, ROLLOVER_IN, REPAYMENT_RETURN."""


class _Grant(NamedTuple):
    key: int
    grant_id: str
    priority: int
    category: int
    expires_at_ms: int
    effective_at_ms: int

    @property
    def position(self) -> tuple[int, int, int, int, str]:
        """Promotional (1) before paid (2), the sooner expiry before the later one."""
        return self.priority, self.category, self.expires_at_ms, self.effective_at_ms, self.grant_id


def burned_out_of_order(database: SimDatabase) -> Iterator[str]:
    """Tells of each debit that burned a grant though one before it had something left."""
    grants = {row[0]: _Grant(*row) for row in database.connection.execute(_GRANTS)}
    left: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for kind, pool_key, grant_key, amount in database.connection.execute(_LINES):
        there = left[pool_key]
        if kind == _DEBIT:
            burned = grants[grant_key]
            for key, remaining in there.items():
                if remaining > 0 and grants[key].position < burned.position:
                    yield f"{burned} burned {amount} while {grants[key]} had {remaining} left"
        there[grant_key] += amount if kind in _ADDS else -amount
