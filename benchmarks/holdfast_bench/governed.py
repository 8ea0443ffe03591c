"""What stands between the load and its pool: the subjects on whose behalf it works, and the rules on their paths.

Upstream: `work`, which names the subjects; downstream: `sink`, which tells a sidecar the rules. The limits are so wide
that nothing is ever denied: what is measured is what it costs to ask them.
"""

import time
from collections.abc import Iterator

from holdfast.v1 import ledger_sync_service_pb2 as wire

RULES_VERSION = 1
USER_COUNT = 100
"""Users among whom the full path's operations are spread, each with an agent."""
GROUP_COUNT = 1_000
"""Groups among which the members of scenario `subjects` are spread."""
DIMENSIONS = {"model": "gpt-5", "feature": "chat", "region": "eu-west-1", "environment": "production"}

_WIDE = 10**15
_BUDGETED = frozenset({"org", "team", "user", "member"})
"""Levels with a budget a day each, by the first word of their name."""
_RATED = frozenset({"agent"})
"""Levels with a rate limit of requests."""
_CALENDAR_ID = "day/UTC"
_DAY_MS = 86_400_000
_CALENDAR_DAYS = 45


def agent_of(user: str) -> str:
    """The subject of the full path: four levels, on three of them a budget, on the last a rate limit."""
    return f"org/team/user-{user}/agent"


def member_of(group: str, member: str) -> str:
    """A subject of scenario `subjects`: two levels, on the last a budget."""
    return f"group-{group}/member-{member}"


def rules_update(request: wire.RulesRequest) -> wire.RulesUpdate:
    """The answer to a rules request: every subject that is asked for exists."""
    nodes: dict[tuple[str, str], wire.SubjectRules] = {}
    for want in request.wants:
        for path in _levels(want.subject):
            if (want.account_id, path) not in nodes:
                nodes[want.account_id, path] = _node(want.account_id, path)
    return wire.RulesUpdate(request_id=request.request_id, nodes=nodes.values(), calendars=[_calendar()])


def _levels(subject: str) -> Iterator[str]:
    """The paths on the way to a subject, the account's first."""
    yield ""
    names = subject.split("/") if subject else []
    for depth in range(len(names)):
        yield "/".join(names[: depth + 1])


def _node(account_id: str, subject: str) -> wire.SubjectRules:
    node = wire.SubjectRules(account_id=account_id, subject=subject, version=RULES_VERSION, has_children=True)
    if not subject:
        node.account.SetInParent()
    level = subject.rpartition("/")[2].partition("-")[0]
    if level in _BUDGETED:
        node.budgets.add(
            budget_id=subject.replace("/", "."),
            action=wire.BUDGET_ACTION_HARD,
            limit_amount=_WIDE,
            currency="credits",
            calendar_id=_CALENDAR_ID,
        )
    if level in _RATED:
        node.rate_limits.add(
            limit_id=subject.replace("/", "."),
            unit=wire.RATE_UNIT_REQUESTS,
            amount=1_000_000,
            per_ms=1_000,
            burst=1_000_000,
        )
    return node


def _calendar() -> wire.Calendar:
    today_ms = time.time_ns() // 1_000_000 // _DAY_MS * _DAY_MS
    return wire.Calendar(
        calendar_id=_CALENDAR_ID, starts_unix_ms=[today_ms + day * _DAY_MS for day in range(_CALENDAR_DAYS)]
    )
