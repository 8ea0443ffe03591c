"""What must be so of rules: no rate is passed on a host, and once all is healed every host has the ledger's rules."""

from collections.abc import Callable, Sequence

from holdfast_ledger.governance.telling import RulesAsk, rules_update
from holdfast_ledger.store.sqlite import SqliteReader
from holdfast_sidecar import rule_messages
from holdfast_sidecar.engine.accounts import Account

from tests.simulation.clock import MS
from tests.simulation.host import Host
from tests.simulation.ledger import SimDatabase
from tests.simulation.rules import ACCOUNT, REQUESTS, SUBJECTS, RatePlan, Rules, is_below

DRIFT = 1.02
"""By how much faster than the true time a host's clock may go, and rounding."""


class RateChecks:
    """Fills a bucket for each host and rate limit that it has for itself, apart from the code under test."""

    def __init__(self, rules: Rules, fail: Callable[[str], None], now_ns: Callable[[], int]) -> None:
        self._rules = rules
        self._fail = fail
        self._now_ns = now_ns
        self._levels: dict[tuple[str, int, str], tuple[int, float]] = {}

    def passed(self, host: Host, subject: str, amount: int) -> None:
        """A host let an operation through, which was not there before."""
        for limit in self._rules.rates.values():
            if limit.shared or limit.shadow or not is_below(subject, limit.subject):
                continue
            level = self._fill(host, limit, 1 if limit.unit == REQUESTS else amount)
            if level > limit.burst + 1e-6:
                self._fail(f"{host.name} lets {level} of {limit.burst} through at once: {limit}")

    def _fill(self, host: Host, limit: RatePlan, cost: int) -> float:
        place, now_ns = (host.name, host.start_count, limit.rule_id), self._now_ns()
        since_ns, level = self._levels.get(place, (now_ns, 0.0))
        left = max(0.0, level - (now_ns - since_ns) * DRIFT * limit.amount / (limit.per_ms * MS)) + cost
        self._levels[place] = now_ns, left
        return left


def rules_differ(database: SimDatabase, hosts: Sequence[Host], now_ms: int) -> str:
    """Returns in what hosts that have just used their rules differ from the ledger in them; empty: in nothing."""
    ask = RulesAsk(1, tuple((ACCOUNT, subject) for subject in SUBJECTS), ())
    told = rules_update(SqliteReader(database.connection), ask, now_ms).nodes
    for host in hosts:
        account = host.process.engine._accounts.by_id.get(ACCOUNT) if host.process is not None else None
        if account is None or not account.rules_version:
            continue
        theirs = {node.subject: rule_messages.subject_rules(node) for node in told}
        for subject, node in account.nodes.items():
            rules = theirs.pop(subject, None)
            if rules is None or not node.says(rules):
                return f"{host.name} has {node} at {subject!r}, the ledger {rules}"
        if theirs:
            return f"{host.name} does not know {theirs}"
        wrong = _astray(account)
        if wrong:
            return f"{host.name}: {wrong}"
    return ""


def _astray(account: Account) -> str:
    """Tells of a limit whose window is another than that of its name."""
    for node in account.nodes.values():
        for window in node.windows():
            if account.windows.get(window.pool_id) is not window:
                return f"{window.pool_id!r} is used and not found"
    return ""
