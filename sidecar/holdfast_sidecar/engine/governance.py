"""Which limits stand between a subject and a pool: the account's rules as nodes, paths through them, their windows.

Rules come from the ledger, node by node, when a subject is first decided for; they are kept for the next start. When
the account's version grows, the paths in use are asked for again, and go on as they were until the answer is here: what
this host decides by is always something that it could load whole.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from holdfast_sidecar.engine.accounts import Account, Accounts
from holdfast_sidecar.engine.changes import Changes
from holdfast_sidecar.engine.event_meters import EventMeters
from holdfast_sidecar.engine.events import RulesAsk, RulesUpdated
from holdfast_sidecar.engine.leases import Leases
from holdfast_sidecar.engine.limits import (
    FOREVER_UNIX_MS,
    OPEN_PATH,
    Budget,
    ConcurrencyLimit,
    Node,
    Path,
    Periods,
    RateLimit,
    bucket_of,
    budget_window_name,
    is_local,
    join,
    rate_window_name,
    slots_window_name,
)
from holdfast_sidecar.engine.operations import Key
from holdfast_sidecar.engine.rated import Rated
from holdfast_sidecar.engine.rights import rights_left
from holdfast_sidecar.engine.rules import BudgetRule, Calendar, ConcurrencyLimitRule, RateLimitRule, SubjectRules
from holdfast_sidecar.engine.settings import EngineSettings
from holdfast_sidecar.engine.state import Snapshot, Window

RULES_MARK = "\x1e"
"""Begins the second part of a key that stands for the rules of a subject, and not for a pool or window."""
ASK_PATH_LIMIT = 1000
WANTING_LIMIT = 10_000
"""Paths to be asked for once the ledger listens."""
ABSENT_LIMIT = 10_000
"""Subjects remembered that the ledger does not have; callers can make up any number of them."""
STRANGER_PATHS_LIMIT = 10_000
"""Paths kept at hand of subjects that have no node; callers can make up any number of those too."""
PATHS_LIMIT = 20_000
"""Paths kept at hand of subjects that have a node; another one is put together when it is needed."""
SHARED_RULES_LIMIT = 10_000
"""Contents of budgets of which one object is kept; of others each budget has its own."""
RETIRE_LIMIT = 1000
"""Budgets whose period ended, and their windows, that one batch looks at."""


def rules_key(account_id: str, subject: str) -> Key:
    """Returns what a call waits for that waits for the rules of a subject."""
    return account_id, RULES_MARK + subject


def subject_of(key: Key) -> str | None:
    """Returns the subject that a key of `rules_key` stands for; None: it stands for a pool or a window."""
    return key[1][len(RULES_MARK) :] if key[1].startswith(RULES_MARK) else None


@dataclass(frozen=True, slots=True)
class GovernanceStatistics:
    """A count since the start, and gauges."""

    refused_count: int
    """Nodes that the ledger told and this host could not understand; their former rules stayed in force."""
    subject_count: int
    """Nodes of all accounts' trees that are kept here."""
    window_count: int
    """Windows of all limits that are kept here."""


class Governance:
    """Finds the limits of a subject, and asks the ledger for what is not known of them."""

    def __init__(
        self, settings: EngineSettings, accounts: Accounts, changes: Changes, leases: Leases, rated: Rated
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._changes = changes
        self._leases = leases
        self._rated = rated
        self._periods: dict[str, Periods] = {}
        self._wanting: dict[Key, None] = {}
        self._asked: dict[Key, int] = {}
        """Account and subject → request under way."""
        self._paths_asked: dict[int, tuple[Key, ...]] = {}
        self._cards_asked: dict[int, tuple[str, ...]] = {}
        self._last_request_id = 0
        self._ends: dict[int, list[Budget]] = {}
        """Budgets whose window is in use, by the end of its period."""
        self._retired: dict[Window, None] = {}
        self._with_path: deque[Node] = deque()
        self._contents: dict[BudgetRule, BudgetRule] = {}
        self.node_count = 0
        self.window_count = 0
        self.refused_count = 0
        """Nodes that the ledger told and this host could not understand; their former rules stayed in force."""

    def statistics(self) -> GovernanceStatistics:
        """Returns an immutable copy."""
        return GovernanceStatistics(self.refused_count, self.node_count, self.window_count)

    def is_full(self) -> bool:
        """Whether no more subjects or windows can be kept."""
        return self.node_count >= self._settings.subject_limit or self.window_count >= self._settings.window_limit

    def load(self, snapshot: Snapshot) -> None:
        """Takes in what was stored."""
        for calendar in snapshot.calendars:
            self._periods[calendar.calendar_id] = Periods(calendar.starts_unix_ms)
        self.window_count = len(snapshot.windows)
        while snapshot.rules:
            # Taken out one by one, so that what is made of them finds room where they were.
            rules = snapshot.rules.pop()
            account = self._accounts.account(rules.account_id)
            self._put(account, rules)
            account.rules_version = max(account.rules_version, rules.version)
            if rules.account is not None:
                self._rated.want_card(rules.account)

    # ── finding ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def path(self, account: Account, subject: str) -> Path | None:
        """Returns the limits of a subject as this host knows them; None if it has to ask first."""
        if not account.rules_version:
            return OPEN_PATH
        node = account.nodes.get(subject)
        path = node.path if node is not None else account.paths.get(subject)
        if path is None or path.shape != account.shape:
            path = self._build(account, subject)
            if path is None:
                return None
        if path.version < account.rules_version:
            self.want((account.account_id, subject))
        return path

    def _build(self, account: Account, subject: str) -> Path | None:
        node = account.nodes.get("")
        if node is None:
            return None
        nodes, end, absent_version = [node], 0, None
        while end < len(subject):
            if not node.has_children:
                break
            following = subject.find("/", end + 1)
            end = len(subject) if following < 0 else following
            below = account.nodes.get(subject[:end])
            if below is None:
                absent_version = account.absent.get(subject[:end])
                if absent_version is None:
                    return None
                end -= 1
                break
            nodes.append(below)
            node = below
        path = join(nodes, account.shape, end == len(subject))
        if path.known:
            self._keep(node, path)
        else:
            if absent_version is not None:
                path.version = min(path.version, absent_version)
            if len(account.paths) >= STRANGER_PATHS_LIMIT:
                account.paths.clear()
            account.paths[subject] = path
        return path

    def _keep(self, node: Node, path: Path) -> None:
        """Keeps a path at hand; of the nodes that have one, the one that has it longest gives way."""
        node.path = path
        self._with_path.append(node)
        if len(self._with_path) > PATHS_LIMIT:
            self._with_path.popleft().path = None

    def turn(self, account: Account, path: Path, now_unix_ms: int) -> bool:
        """Brings the windows of a path to the periods under way; False: a calendar is over that this host has."""
        windows, from_unix_ms, until_unix_ms = [], 0, FOREVER_UNIX_MS
        for budget in path.budgets:
            window = self._window_now(account, budget, now_unix_ms)
            if window is None:
                return False
            windows.append(window)
            from_unix_ms = max(from_unix_ms, budget.from_unix_ms)
            until_unix_ms = min(until_unix_ms, budget.until_unix_ms)
        path.windows, path.from_unix_ms, path.until_unix_ms = tuple(windows), from_unix_ms, until_unix_ms
        return True

    def _window_now(self, account: Account, budget: Budget, now_unix_ms: int) -> Window | None:
        if budget.window is not None and budget.from_unix_ms <= now_unix_ms < budget.until_unix_ms:
            return budget.window
        period = budget.period(now_unix_ms)
        if period is None:
            self.want((account.account_id, budget.subject))
            return None
        self._let_go(budget)
        budget.from_unix_ms, budget.until_unix_ms = period
        window = self._window(account, budget_window_name(budget, period[0]), leased=budget.is_hard)
        budget.use(window)
        window.user_count += 1
        self._await_end(budget)
        return window

    def _await_end(self, budget: Budget) -> None:
        if budget.until_unix_ms != FOREVER_UNIX_MS:
            self._ends.setdefault(budget.until_unix_ms, []).append(budget)

    def _let_go(self, budget: Budget) -> None:
        """A budget has no more use of its window, if it has one: the period is over, or there is another one for it."""
        window = budget.let_go()
        if window is not None:
            self._unuse(window)

    def _unuse(self, window: Window) -> None:
        """A limit has no more use of its window. While a limit moves between nodes, both may have it."""
        window.user_count -= 1
        if not window.user_count and self._accounts.rights((window.account_id, window.pool_id)) is window:
            self._retired[window] = None

    def _window(self, account: Account, name: str, *, leased: bool) -> Window:
        window = account.windows.get(name)
        if window is None:
            window = Window(account.account_id, name, leased=leased)
            account.windows[name] = window
            self.window_count += 1
            self._changes.touch_rights(window)
        self._retired.pop(window, None)
        window.leased = leased
        return window

    # ── taking in ───────────────────────────────────────────────────────────────────────────────────────────────────

    def heard_version(self, account_id: str, version: int) -> None:
        """The ledger told the version of an account's rules."""
        account = self._accounts.by_id.get(account_id)
        if account is not None and version > account.rules_version:
            account.rules_version = version

    def take(self, event: RulesUpdated) -> tuple[Key, ...]:
        """Takes rules in; returns what calls may have waited for."""
        for calendar in event.calendars:
            self._take_calendar(calendar)
        for rules in event.nodes:
            self._take_node(rules)
        told = {(rules.account_id, rules.subject) for rules in event.nodes}
        told.update((account_id, subject) for account_id, subject, _ in event.refused)
        cards_asked = self._cards_asked.pop(event.request_id, ())
        for card in self._rated.take_cards(event.rate_cards, cards_asked):
            self._changes.put_rate_card(card)
        self.refused_count += len(event.refused)
        asked = self._paths_asked.pop(event.request_id, ())
        for key in asked:
            self._asked.pop(key, None)
            self._drop_absent(key, told)
        return asked

    def _take_calendar(self, calendar: Calendar) -> None:
        periods = self._periods.setdefault(calendar.calendar_id, Periods())
        if periods.starts_unix_ms != calendar.starts_unix_ms:
            periods.starts_unix_ms = calendar.starts_unix_ms
            self._changes.put_calendar(calendar)

    def _take_node(self, rules: SubjectRules) -> None:
        account = self._accounts.account(rules.account_id)
        account.rules_version = max(account.rules_version, rules.version)
        known = account.nodes.get(rules.subject)
        if known is None and self.is_full():
            return
        self._changes.put_rules(rules)
        if rules.account is not None:
            self._rated.want_card(rules.account)
        if known is not None and known.says(rules):
            known.version = rules.version
            return
        self._put(account, rules)
        if known is not None:
            account.shape += 1

    def _drop_absent(self, key: Key, told: set[Key]) -> None:
        """Notes what of a wanted path the ledger does not have, and forgets what it used to have there."""
        account = self._accounts.by_id.get(key[0])
        if account is None:
            return
        subject = key[1]
        account.paths.pop(subject, None)
        if subject in account.nodes:
            account.nodes[subject].path = None
        if (key[0], "") not in told:
            return
        version = account.nodes[""].version if "" in account.nodes else 0
        for level in _levels(subject):
            if (key[0], level) in told:
                account.absent.pop(level, None)
                continue
            node = account.nodes.pop(level, None)
            if node is not None:
                self.node_count -= 1
                self._retire_limits(node)
                self._changes.drop_rules(key[0], level)
                account.shape += 1
            if len(account.absent) >= ABSENT_LIMIT:
                account.absent.clear()
            account.absent[level] = version

    def _put(self, account: Account, rules: SubjectRules) -> None:
        known = account.nodes.get(rules.subject)
        budgets = {budget.budget_id: budget for budget in known.budgets} if known is not None else {}
        rates = {limit.rule.limit_id: limit for limit in known.rates} if known is not None else {}
        made = Node(
            rules.version,
            rules.has_children,
            rules.account,
            tuple(self._budget(rules.subject, rule, budgets) for rule in rules.budgets),
            tuple(self._rate(account, rules.subject, rule, rates) for rule in rules.rate_limits),
            tuple(self._slots(account, rules.subject, rule) for rule in rules.concurrency_limits),
        )
        if known is None:
            self.node_count += 1
        else:
            self._retire_limits(known)
        account.nodes[rules.subject] = made
        account.absent.pop(rules.subject, None)

    def _retire_limits(self, former: Node) -> None:
        """The limits of a node are no more; windows that no other limit uses end with them."""
        for budget in former.budgets:
            self._let_go(budget)
        limits: tuple[RateLimit | ConcurrencyLimit, ...] = (*former.rates, *former.slots)
        for limit in limits:
            if limit.window is not None:
                self._unuse(limit.window)

    def _budget(self, subject: str, rule: BudgetRule, known: dict[str, Budget]) -> Budget:
        periods = self._periods.setdefault(rule.calendar_id, Periods()) if rule.calendar_id else None
        content = replace(rule, budget_id="")
        if len(self._contents) < SHARED_RULES_LIMIT:
            content = self._contents.setdefault(content, content)
        else:
            content = self._contents.get(content, content)
        made = Budget(rule.budget_id, content, subject, periods)
        former = known.get(rule.budget_id)
        if former is not None and former.periods is periods and former.window is not None:
            made.use(former.window)
            former.window.user_count += 1
            former.window.leased = made.is_hard
            made.from_unix_ms, made.until_unix_ms = former.from_unix_ms, former.until_unix_ms
            self._await_end(made)
        return made

    def _rate(self, account: Account, subject: str, rule: RateLimitRule, known: dict[str, RateLimit]) -> RateLimit:
        former = known.get(rule.limit_id)
        bucket = former.bucket if former is not None and _same_rate(former.rule, rule) else bucket_of(rule)
        window = self._window(account, rate_window_name(rule), leased=True) if rule.shared else None
        if window is not None:
            window.user_count += 1
        return RateLimit(rule, subject, bucket, window)

    def _slots(self, account: Account, subject: str, rule: ConcurrencyLimitRule) -> ConcurrencyLimit:
        window = self._window(account, slots_window_name(rule), leased=rule.shared)
        window.user_count += 1
        if not rule.shared:
            window.granted_total = rule.max_count
            self._changes.touch_rights(window)
        return ConcurrencyLimit(rule, subject, window)

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def want(self, path: Key) -> None:
        """Asks for a path, as (account_id, subject), unless it is being asked for."""
        if path not in self._asked and len(self._wanting) < WANTING_LIMIT:
            self._wanting[path] = None

    def take_asks(self, meters: EventMeters) -> list[RulesAsk]:
        """Returns the asks of this round; the meters are asked for with them."""
        if not self._leases.streaming:
            return []
        cards = self._rated.take_ask()
        meters_wanted = meters.take_ask(self._last_request_id + 1)
        if not self._wanting and not cards and not meters_wanted:
            return []
        paths = tuple(self._wanting)
        self._wanting.clear()
        asks = [self._ask(paths[:ASK_PATH_LIMIT], cards, meters_wanted=meters_wanted)]
        for start in range(ASK_PATH_LIMIT, len(paths), ASK_PATH_LIMIT):
            asks.append(self._ask(paths[start : start + ASK_PATH_LIMIT], ()))
        return asks

    def _ask(self, paths: tuple[Key, ...], cards: tuple[str, ...], *, meters_wanted: bool = False) -> RulesAsk:
        self._last_request_id += 1
        self._paths_asked[self._last_request_id] = paths
        for path in paths:
            self._asked[path] = self._last_request_id
        if cards:
            self._cards_asked[self._last_request_id] = cards
        return RulesAsk(self._last_request_id, paths, cards, meters_wanted)

    def stream_closed(self) -> None:
        """Asks under way will not be answered."""
        self._asked.clear()
        self._paths_asked.clear()
        self._cards_asked.clear()
        self._rated.stream_closed()

    # ── periods that have ended ─────────────────────────────────────────────────────────────────────────────────────

    def take_up(self, now_unix_ms: int) -> None:
        """After a start: finds the windows that were stored and no limit uses any more."""
        for account in self._accounts.by_id.values():
            used: dict[Window, None] = {}
            for node in account.nodes.values():
                for budget in node.budgets:
                    period = budget.period(now_unix_ms)
                    if period is not None and budget_window_name(budget, period[0]) in account.windows:
                        self._window_now(account, budget, now_unix_ms)
                used |= node.windows()
            for window in account.windows.values():
                if window not in used:
                    self._retired[window] = None

    def retire(self, now_unix_ms: int) -> None:
        """Gives back the rights to periods that are over, and forgets their windows once nothing of them is open."""
        self.window_count += len(self._leases.found)
        self._retired.update((window, None) for window in self._leases.found if not window.user_count)
        self._leases.found.clear()
        for end_unix_ms in [end for end in self._ends if end <= now_unix_ms]:
            budgets = self._ends[end_unix_ms]
            for budget in budgets[-RETIRE_LIMIT:]:
                if budget.until_unix_ms <= now_unix_ms:
                    self._let_go(budget)
            del budgets[-RETIRE_LIMIT:]
            if not budgets:
                del self._ends[end_unix_ms]
        for window in list(self._retired)[:RETIRE_LIMIT]:
            if not is_local(window):
                self._leases.give_back(window, rights_left(window))
            # One that has to stay for a while does not stand in the way of those behind it.
            del self._retired[window]
            if not window.hold_count and (not window.leased or self._leases.is_settled(window)):
                self._forget(window)
                continue
            self._retired[window] = None
            if not window.hold_count:
                self._leases.report(window)

    def _forget(self, window: Window) -> None:
        account = self._accounts.by_id[window.account_id]
        if account.windows.get(window.pool_id) is window:
            del account.windows[window.pool_id]
            self.window_count -= 1
            self._leases.forget((window.account_id, window.pool_id))
            self._changes.close_window(window)


def _levels(subject: str) -> Iterable[str]:
    """Yields the paths of a subject's levels, itself last."""
    end = subject.find("/")
    while end >= 0:
        yield subject[:end]
        end = subject.find("/", end + 1)
    if subject:
        yield subject


def _same_rate(first: RateLimitRule, second: RateLimitRule) -> bool:
    """Whether the bucket of one goes on for the other."""
    mine = (first.amount, first.per_ms, first.burst, first.shared)
    return mine == (second.amount, second.per_ms, second.burst, second.shared)
