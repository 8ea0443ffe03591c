"""How much this sidecar may spend of a pool, what it asks the ledger for, and what it gives back.

Rights are leased totals (see ledger_sync_service.proto). A pool asks when a decision lacks rights, or when the rights
left fall below the low-water mark; the level asked for follows demand: the rate since the last ask over the horizon,
at least a sixteenth of what the ledger has free, so that a quiet host neither strands credits nor asks for each call.
The design is doorman's (wants, has, gets) on escrowed totals (O'Neil 1986).

When another host needs what is not free, the ledger recalls: each round is answered once, with whatever no hold and no
waiting call needs here. While it recalls for this host, its answer is `pending` and the calls go on waiting.
"""

from collections import deque
from itertools import chain

from holdfast_sidecar.engine.accounts import Accounts
from holdfast_sidecar.engine.amounts import INT64_MAX, NS_PER_MS
from holdfast_sidecar.engine.changes import Changes
from holdfast_sidecar.engine.deadlines import NEVER_NS
from holdfast_sidecar.engine.demand import Demand
from holdfast_sidecar.engine.events import LeaseAsk, LeaseState, LeaseStatus, LeaseWant
from holdfast_sidecar.engine.gcra import FULL_SHARE
from holdfast_sidecar.engine.operations import Key
from holdfast_sidecar.engine.rights import (
    allowance_left,
    allowance_totals,
    apply_lease,
    enforcement,
    is_rate,
    rights_left,
    spare,
    taken,
)
from holdfast_sidecar.engine.settings import EngineSettings
from holdfast_sidecar.engine.state import OPTIMISTIC, WINDOW_MARK, Pool, Rights, Window

FREE_SHARE_DIVISOR = 16
LOW_WATER_DIVISOR = 2
UNKNOWN_LIMIT = 10_000
"""Names of pools remembered that the ledger does not know; callers can make up any number of them."""
RATE_PAUSE_NS = 1_000 * NS_PER_MS
"""Hosts that all use up their shares of a rate take them from one another no more often than this."""
AT_REST = Demand()
"""Read where there is nothing to remember, and never changed."""
ASK_POOL_LIMIT = 1000
"""Pools in one lease request, as the contract says."""


class Leases:
    """Asks for rights and gives idle ones back. Calls that wait are the engine's; this knows how much they need."""

    def __init__(self, settings: EngineSettings, accounts: Accounts, changes: Changes) -> None:
        self._settings = settings
        self._accounts = accounts
        self._changes = changes
        self._unknown: dict[Key, Demand] = {}
        """Of names that this host has no pool or window of."""
        self._wanting: dict[Key, None] = {}
        self._needs: dict[Key, int] = {}
        """What decisions lacked that did not wait for it."""
        self._reporting: dict[Key, None] = {}
        self._recalled: dict[Key, None] = {}
        self._idle: deque[Rights] = deque()
        """Those with an `idle_check_ns`, earliest first: all are looked at the same while later."""
        self._idle_from_ns = self._idle_until_ns = 0
        self._last_request_id = 0
        self.streaming = False
        self.draining = False
        self.found: list[Window] = []
        """Windows that the ledger told of and this process did not know, until somebody looks after them."""

    def demand(self, key: Key) -> Demand:
        """Returns what is remembered of asking for a pool or window, to be read."""
        rights = self._accounts.rights(key)
        return _seen(rights) if rights is not None else self._unknown.get(key, AT_REST)

    def _demand(self, key: Key) -> Demand:
        """Returns what is remembered, to be changed."""
        rights = self._accounts.rights(key)
        if rights is not None:
            return _demand_of(rights)
        demand = self._unknown.get(key)
        if demand is None:
            if len(self._unknown) >= UNKNOWN_LIMIT:
                self._unknown = {name: known for name, known in self._unknown.items() if known.request_id}
            demand = self._unknown[key] = Demand()
        return demand

    def want(self, key: Key) -> None:
        """Asks the ledger in this round, unless it is being asked."""
        self._wanting[key] = None

    def refill(self, pool: Rights, now_ns: int) -> None:
        """Asks ahead of need: the rights left are below the low-water mark."""
        if _seen(pool).refill_after_ns <= now_ns and not self.draining:
            self._wanting[pool.account_id, pool.pool_id] = None

    def need(self, rights: Rights, amount: int, now_ns: int) -> None:
        """Asks for what a decision lacks that does not wait for it."""
        key = (rights.account_id, rights.pool_id)
        demand = _seen(rights)
        pause_ns = RATE_PAUSE_NS if is_rate(rights) else 0
        if demand.denied_until_ns <= now_ns and rights.asked_at_ns + pause_ns <= now_ns and not self.draining:
            self._needs[key] = max(self._needs.get(key, 0), amount)
            self._wanting[key] = None

    def next_ns(self) -> int:
        """Returns when the next look for idle rights is due."""
        if not self._idle:
            return NEVER_NS
        check_ns = self._idle[0].idle_check_ns
        assert check_ns is not None
        return check_ns

    # ── the ledger's word ───────────────────────────────────────────────────────────────────────────────────────────

    def stream_opened(self, claims_wanted: bool) -> None:
        """The ledger listens: what was returned and perhaps not heard is told again, or all there is if it asks."""
        self.streaming = True
        for pool in self._accounts.leased():
            if claims_wanted or _returned(pool) > _seen(pool).reported_returned:
                self._reporting[pool.account_id, pool.pool_id] = None

    def stream_closed(self) -> None:
        """Asks under way will not be answered."""
        self.streaming = False
        known = (rights.demand for rights in self._accounts.leased() if rights.demand is not None)
        for demand in chain(known, self._unknown.values()):
            demand.request_id = demand.recall_round = 0
            demand.pending = False

    def take(self, lease: LeaseState, request_id: int, waiting_amount: int, now_ns: int) -> Rights | None:
        """Takes one lease in; returns its pool, None if the ledger does not know it or there is no room.

        Args:
            lease: The ledger's word.
            request_id: The ask that it answers; 0: none.
            waiting_amount: What decisions here wait for, in minor units; it is not given back.
            now_ns: CLOCK_BOOTTIME.
        """
        key = (lease.account_id, lease.pool_id)
        demand = self._demand(key)
        answered = 0 < demand.request_id <= request_id or (demand.pending and not lease.pending)
        demand.pending = lease.pending
        if answered and not lease.pending:
            demand.request_id = 0
        if lease.status is not LeaseStatus.ACTIVE:
            demand.unknown = lease.status
            demand.denied_until_ns = now_ns + self._settings.unknown_retry_ms * NS_PER_MS
            return None
        demand.unknown = None
        pool = self._accounts.rights(key)
        if pool is None:
            pool = self._make_room(lease)
            if pool is None:
                return None
            pool.demand = self._unknown.pop(key, None)
        pool.pool_free = lease.pool_free
        apply_lease(pool, lease)
        self._changes.touch_rights(pool)
        if answered:
            demand.reported_returned = demand.returned_at_ask
        retry_ns = now_ns + self._settings.lease_denied_retry_ms * NS_PER_MS
        demand.refill_after_ns = retry_ns if lease.pool_free <= 0 else 0
        if lease.denied:
            demand.denied_until_ns = retry_ns
        elif lease.pool_free > 0 or lease.pending:
            demand.denied_until_ns = 0
        self._answer_recall(pool, demand, lease, waiting_amount)
        self._watch_idle(pool, now_ns)
        if demand.is_at_rest():
            pool.demand = None
        return pool

    def _make_room(self, lease: LeaseState) -> Rights | None:
        """Returns what is leased, new; None if there is no room for it."""
        if WINDOW_MARK in lease.pool_id:
            # The lease of a process that ended before it had kept it. Unless a limit takes it up, it goes back.
            window = Window(lease.account_id, lease.pool_id)
            self._accounts.account(lease.account_id).windows[lease.pool_id] = window
            self.found.append(window)
            return window
        if self._accounts.pool_count >= self._settings.pool_limit:
            return None
        pool = Pool(lease.account_id, lease.pool_id, currency=lease.currency)
        self._accounts.add_pool(pool)
        return pool

    def _answer_recall(self, pool: Rights, demand: Demand, lease: LeaseState, waiting_amount: int) -> None:
        """Gives back what is recalled and can be spared. A round is answered even if that is nothing."""
        if lease.allowance_recall_amount > 0 and isinstance(pool, Pool):
            spared = min(lease.allowance_recall_amount, allowance_left(pool))
            if spared > 0:
                pool.allowance_returned_total += spared
                self._reporting[pool.account_id, pool.pool_id] = None
        if lease.recall_round > demand.recall_round:
            demand.recall_round = lease.recall_round
            self.give_back(pool, min(lease.recall_amount, spare(pool) - waiting_amount))
            self._recalled[pool.account_id, pool.pool_id] = None

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def take_ask(self, waiting: dict[Key, int], now_ns: int) -> list[LeaseAsk]:
        """Returns the asks of this round; `waiting` is what decisions wait for, by pool, in minor units."""
        if not (self._wanting or self._reporting or self._recalled) or not self.streaming:
            return []
        wants = [
            self._want_of(key, waiting.get(key, 0) + self._needs.get(key, 0), now_ns)
            for key in self._wanting
            if self.demand(key).request_id == 0 and key not in self._recalled
        ]
        wants += [
            self._report_of(pool, 0)
            for pool in map(self._accounts.rights, self._reporting)
            if pool is not None
            and _seen(pool).request_id == 0
            and (pool.account_id, pool.pool_id) not in self._wanting
            and (pool.account_id, pool.pool_id) not in self._recalled
        ]
        # The ledger waits for these, even while an ask is under way: the new one takes its place.
        wants += [
            self._report_of(pool, waiting.get((pool.account_id, pool.pool_id), 0))
            for pool in map(self._accounts.rights, self._recalled)
            if pool is not None
        ]
        self._wanting.clear()
        self._needs.clear()
        self._recalled.clear()
        return [
            self._ask(tuple(wants[start : start + ASK_POOL_LIMIT])) for start in range(0, len(wants), ASK_POOL_LIMIT)
        ]

    def _ask(self, wants: tuple[LeaseWant, ...]) -> LeaseAsk:
        self._last_request_id += 1
        for want in wants:
            key = (want.account_id, want.pool_id)
            demand = self._demand(key)
            demand.request_id = self._last_request_id
            demand.returned_at_ask = want.returned_total + want.allowance_returned_total
            self._reporting.pop(key, None)
        return LeaseAsk(self._last_request_id, wants)

    def _want_of(self, key: Key, waiting_amount: int, now_ns: int) -> LeaseWant:
        pool = self._accounts.rights(key)
        if pool is None:
            return LeaseWant(*key, waiting_amount, waiting_amount, 0, 0, 0)
        if enforcement(pool) == OPTIMISTIC:
            return self._report_of(pool, 0)
        if is_rate(pool):
            pool.asked_at_ns = now_ns
            return self._report_of(pool, FULL_SHARE, FULL_SHARE)
        elapsed_ns = now_ns - pool.asked_at_ns
        horizon_ns = self._settings.lease_horizon_ms * NS_PER_MS
        taken_since = taken(pool) - pool.taken_at_ask
        pool.asked_at_ns = now_ns
        pool.taken_at_ask = taken(pool)
        rate_share = taken_since * horizon_ns // elapsed_ns if elapsed_ns > 0 else 0
        extra = max(rate_share, (pool.pool_free or 0) // FREE_SHARE_DIVISOR, 0)
        want = min(waiting_amount + extra, INT64_MAX)
        pool.low_water = want // LOW_WATER_DIVISOR
        return self._report_of(pool, min(waiting_amount, want), want)

    def _report_of(self, pool: Rights, need_amount: int, want_amount: int = 0) -> LeaseWant:
        """Tells the levels and all totals of a pool."""
        return LeaseWant(
            pool.account_id,
            pool.pool_id,
            max(want_amount, need_amount),
            need_amount,
            pool.held,
            pool.consumed_total,
            pool.returned_total,
            _seen(pool).recall_round,
            pool.granted_total,
            pool.reclaimed_total,
            *allowance_totals(pool),
        )

    # ── giving back ─────────────────────────────────────────────────────────────────────────────────────────────────

    def return_idle(self, now_ns: int) -> None:
        """Gives back the rights of pools in which nothing moved for `lease_idle_ms`."""
        while self.next_ns() <= now_ns:
            pool = self._idle.popleft()
            pool.idle_check_ns = None
            if self._accounts.rights((pool.account_id, pool.pool_id)) is not pool:
                continue
            if taken(pool) == pool.taken_at_idle_check:
                self.give_back(pool, rights_left(pool))
            else:
                self._watch_idle(pool, now_ns)

    def give_back(self, pool: Rights, amount: int) -> None:
        """Gives rights back, in minor units; nothing below 1."""
        if amount > 0:
            pool.returned_total += amount
            pool.low_water = 0
            self._changes.touch_rights(pool)
            self._reporting[pool.account_id, pool.pool_id] = None

    def report(self, window: Window) -> None:
        """Tells the ledger of a window, whose answer says what is posted of it: it speaks of that only when asked."""
        self._reporting[window.account_id, window.pool_id] = None

    def give_all_back(self) -> None:
        """Before the process stops: all rights that no hold needs go back, and no more are asked for."""
        self.draining = True
        for pool in self._accounts.leased():
            self.give_back(pool, rights_left(pool))

    def is_settled(self, window: Window) -> bool:
        """Whether nothing of a window is left here, and the ledger knows of all that was spent and given back.

        Or it knows nothing of the window: its rule is gone, and what is out of it is of no use to anybody.
        """
        demand = _seen(window)
        if demand.unknown is not None:
            return True
        return window.posted_total >= window.consumed_total and demand.reported_returned >= window.returned_total

    def forget(self, key: Key) -> None:
        """Forgets what was asked for."""
        for of in (self._wanting, self._reporting, self._recalled):
            of.pop(key, None)

    def _watch_idle(self, pool: Rights, now_ns: int) -> None:
        # A share of a rate is neither held nor spent, so it cannot be seen to be idle: who needs it recalls it.
        if pool.idle_check_ns is None and rights_left(pool) > 0 and not is_rate(pool):
            pool.taken_at_idle_check = taken(pool)
            if self._idle_from_ns != now_ns:
                self._idle_from_ns, self._idle_until_ns = now_ns, now_ns + self._settings.lease_idle_ms * NS_PER_MS
            # One number for all of a batch: a number of their own would be a tenth of what many windows take.
            pool.idle_check_ns = self._idle_until_ns
            self._idle.append(pool)


def _returned(pool: Rights) -> int:
    return pool.returned_total + allowance_totals(pool)[2]


def _seen(rights: Rights) -> Demand:
    return rights.demand or AT_REST


def _demand_of(rights: Rights) -> Demand:
    demand = rights.demand
    if demand is None:
        demand = rights.demand = Demand()
    return demand
