"""Check and Reserve: may this amount be held?"""

from holdfast_sidecar.engine.accounts import Account
from holdfast_sidecar.engine.amounts import NS_PER_MS, ms_until
from holdfast_sidecar.engine.deciding import Wait
from holdfast_sidecar.engine.describing import parent_level, pool_level
from holdfast_sidecar.engine.governing import Blocked, Passage
from holdfast_sidecar.engine.levels import Level, Notes
from holdfast_sidecar.engine.operations import Check, Fault, FaultCode, Reserve, Result
from holdfast_sidecar.engine.partition import COVERED, Unleased
from holdfast_sidecar.engine.rated import output_tokens
from holdfast_sidecar.engine.rating import Rating
from holdfast_sidecar.engine.refusals import reused_id
from holdfast_sidecar.engine.rights import available, posted, rights_left
from holdfast_sidecar.engine.state import Hold, Kind, Pool
from holdfast_sidecar.engine.verdicts import UNRECORDED, Mode, Reason
from holdfast_sidecar.engine.waterfall import decide, inside


class Reserving(Rating):
    """Decides on holds."""

    def _check(self, op: Check) -> Result | Wait:
        account = self._accounts.by_id.get(op.account_id)
        pool = account.pools.get(op.pool_id) if account is not None else None
        if account is None or pool is None:
            return self._check_unseen(op)
        fault = self._unfit(pool, op.currency)
        if fault is not None:
            return fault
        parent = self._parent(account, pool, op.parent_hold_id)
        if isinstance(parent, Fault):
            return parent
        amount, rated_amount = op.amount, 0
        if op.quantities and not amount:
            rated = self._rate_hold(account, pool, op, parent)
            if not isinstance(rated, tuple):
                return rated
            rated_amount, amount = rated
        asked = amount or 1
        least = min(op.min_amount, asked) or asked
        self._peeking = True
        passage = self._passage(account, pool, op, asked, least, parent)
        self._peeking = False
        if isinstance(passage, Wait | Fault):
            return passage
        if isinstance(passage, Blocked):
            retry_ms = passage.retry_ms
            return self._answer_check(
                account, pool, op, asked, 0, passage.reason, passage.level, None, retry_ms, rated_amount
            )
        if parent is not None:
            granted, reason = inside(parent, passage.amount, least)
        else:
            found = self._check_pool(pool, passage.amount, least)
            if isinstance(found, Wait):
                return found
            granted, reason = found
        level = None
        if granted:
            granted, reason = granted if amount else 0, Reason.OK
        else:
            connected = self.mode(pool.partition_after_ms) is Mode.CONNECTED
            if reason is not Reason.PARENT_EXHAUSTED and not (reason is Reason.INSUFFICIENT_BALANCE and connected):
                reason = self._final_reason(pool, reason)
            level = parent_level(parent, reason) if parent is not None else pool_level(pool, reason)
            if parent is None and pool.shadow:
                passage.shadow += (level,)
                granted, reason, level = passage.amount if amount else 0, Reason.OK, None
        retry_ms = self._retry_ms(reason)
        return self._answer_check(account, pool, op, asked, granted, reason, level, passage, retry_ms, rated_amount)

    def _check_pool(self, pool: Pool, asked: int, least: int) -> tuple[int, Reason] | Wait:
        granted, reason = decide(pool, asked, least, self._lease_valid())
        if reason is not Reason.OK and not pool.shadow and self.mode(pool.partition_after_ms) is Mode.PARTITIONED:
            granted, _ = self._go_on(pool, asked, least, granted, reason)
        elif reason is Reason.INSUFFICIENT_BALANCE:
            # Reserve would ask the ledger for what is missing; its last word says what that would bring.
            free = pool.pool_free
            if free is None and self._ledger_may_help(pool, reason):
                return Wait((pool.account_id, pool.pool_id), 0)
            reachable = rights_left(pool) + max(free or 0, 0)
            granted = min(asked, reachable) if reachable >= least else 0
        return granted, reason

    def _reserve(self, op: Reserve) -> Result | Wait:
        account = self._accounts.by_id.get(op.account_id)
        if account is None:
            return self._reserve_unseen(op)
        outcome = account.outcomes.get(op.operation_id)
        if outcome is not None:
            return self._repeat(outcome, Kind.RESERVE, op.fingerprint)
        pool = account.pools.get(op.pool_id)
        if pool is None:
            return self._reserve_unseen(op)
        fault = self._unfit(pool, op.currency) or self._no_room(account, op.operation_id)
        if fault is not None:
            return fault
        parent = self._parent(account, pool, op.parent_hold_id) if op.parent_hold_id else None
        if isinstance(parent, Fault):
            return parent
        amount, least, rated_amount = op.amount, op.min_amount or op.amount, 0
        if not amount:
            rated = self._rate_hold(account, pool, op, parent)
            if not isinstance(rated, tuple):
                return rated
            rated_amount, amount = rated
            least = min(op.min_amount, amount) or amount
        passage = self._passage(account, pool, op, amount, least, parent)
        if type(passage) is not Passage:
            if isinstance(passage, Blocked):
                retry_ms = passage.retry_ms
                return self._deny_reserve(
                    account, pool, op, passage.reason, passage.level, (), retry_ms, rated_amount=rated_amount
                )
            return passage
        passage.rated_amount = rated_amount
        if parent is not None:
            return self._reserve_inside(account, parent, op, least, passage)
        granted, reason = decide(pool, passage.amount, least, self._lease_valid())
        unleased = COVERED
        if reason is not Reason.OK:
            if self._ledger_may_help(pool, reason):
                return Wait((op.account_id, op.pool_id), passage.amount)
            granted, unleased = self._go_on(pool, passage.amount, least, granted, reason)
            if not granted:
                reason = self._final_reason(pool, reason)
                level = pool_level(pool, reason)
                return self._deny_reserve(account, pool, op, reason, level, passage.shadow, rated_amount=rated_amount)
            if pool.shadow and unleased is not COVERED:
                passage.shadow += (pool_level(pool, self._final_reason(pool, reason)),)
        return self._open(account, pool, op, granted, unleased, passage, None)

    def _reserve_inside(self, account: Account, parent: Hold, op: Reserve, least: int, passage: Passage) -> Result:
        """Opens a hold inside another one, which has the amount already: neither pool nor ledger is asked."""
        granted, reason = inside(parent, passage.amount, least)
        if reason is not Reason.OK and not granted:
            level = parent_level(parent, reason)
            return self._deny_reserve(
                account, parent.pool, op, reason, level, passage.shadow, rated_amount=passage.rated_amount
            )
        unleased = self._changes.shrink_hold(parent, granted)
        return self._open(account, parent.pool, op, granted, unleased, passage, parent)

    def _open(
        self,
        account: Account,
        pool: Pool,
        op: Reserve,
        granted: int,
        unleased: Unleased,
        passage: Passage,
        parent: Hold | None,
    ) -> bytes:
        ttl_ms = op.ttl_ms or self._settings.default_hold_ttl_ms
        deadline_ns = self._now_ns + ttl_ms * NS_PER_MS
        if parent is not None and not self._lease_valid():
            # The ledger counts on what is held to end within the longest time to live after the lease, and this was.
            deadline_ns = min(deadline_ns, parent.deadline_ns)
            ttl_ms = ms_until(deadline_ns, self._now_ns)
        hold = Hold(0, op.operation_id, pool, granted, 0, deadline_ns, ttl_ms, op.subject, op.dimensions, *unleased)
        hold.opened_at_ns = self._now_ns
        hold.budgets, hold.slots = passage.budgets, passage.slots
        hold.parent, hold.inner = parent, parent is not None
        if op.quantities:
            hold.opened_at_unix_ms = self._now_unix_ms
            if op.max_output_tokens:
                hold.quantities, hold.max_output_tokens = op.quantities, op.max_output_tokens
                hold.told_tokens = output_tokens(op.quantities)
        self._changes.open_hold(account, pool, hold)
        if passage.rates or passage.budgets:
            self._enter(passage, granted, op.quantities)
        self._refill(pool)
        self._tally.allowed(self._mode, unleased)
        known = posted(pool)
        answer = self._answers.reserve(
            Reason.OK,
            "",
            granted,
            known,
            pool.held,
            known - pool.held + pool.overdraft_limit,
            0,
            self._mode,
            ttl_ms,
            self._retention_ms,
            sum(unleased),
            self._notes(passage),
        )
        self._record(account, op.operation_id, pool.pool_id, Kind.RESERVE, op.fingerprint, answer, denied=False)
        return answer

    def _parent(self, account: Account, pool: Pool, hold_id: str) -> Hold | Fault | None:
        """Returns the hold inside which another one is to be opened; None without one."""
        if not hold_id:
            return None
        parent = account.holds.get(hold_id)
        if parent is None:
            return self._closed(account, hold_id)
        if parent.pool is not pool:
            return Fault(
                FaultCode.INVALID_ARGUMENT,
                "PARENT_OF_ANOTHER_POOL",
                f"the hold around it is of pool {parent.pool.pool_id}",
                (("field", "parent_hold_id"),),
            )
        return parent

    def _no_room(self, account: Account, hold_id: str) -> Fault | None:
        if hold_id in account.holds:
            return reused_id("an open hold has this id; its recorded answer is past the retention")
        if self._accounts.hold_count >= self._settings.hold_limit:
            return Fault(
                FaultCode.RESOURCE_EXHAUSTED,
                "HOLD_LIMIT",
                "too many open holds on this host; settle or release some, or raise hold_limit",
            )
        return self._store_full()

    def _answer_check(
        self,
        account: Account,
        pool: Pool,
        op: Check,
        asked: int,
        granted: int,
        reason: Reason,
        level: Level | None,
        passage: Passage | None,
        retry_ms: int,
        rated_amount: int,
    ) -> bytes:
        self._count(reason)
        shadow = passage.shadow if passage is not None else ()
        notes = None
        if level is not None or shadow or rated_amount or op.explain or op.required is not None:
            steps = self._steps(account, pool, op, asked) if op.explain else ()
            value = passage.feature_value if passage is not None else None
            notes = Notes(level, shadow, steps, value, rated_amount)
        return self._answers.check(
            reason,
            level.name if level is not None else "",
            granted,
            posted(pool),
            pool.held,
            available(pool),
            retry_ms,
            self._mode,
            notes,
        )

    def _deny_reserve(
        self,
        account: Account | None,
        pool: Pool | None,
        op: Reserve,
        reason: Reason,
        level: Level | None = None,
        shadow: tuple[Level, ...] = (),
        retry_ms: int | None = None,
        rated_amount: int = 0,
    ) -> bytes:
        self._count(reason)
        notes = None
        if level is not None or shadow or rated_amount:
            notes = Notes(level, shadow, rated_amount=rated_amount)
        answer = self._answers.reserve(
            reason,
            level.name if level is not None else "",
            0,
            posted(pool) if pool is not None else 0,
            pool.held if pool is not None else 0,
            available(pool) if pool is not None else 0,
            self._retry_ms(reason) if retry_ms is None else retry_ms,
            self._mode,
            0,
            self._retention_ms,
            0,
            notes,
        )
        if account is not None and reason not in UNRECORDED:
            self._record(account, op.operation_id, op.pool_id, Kind.RESERVE, op.fingerprint, answer, denied=True)
        return answer

    def _check_unseen(self, op: Check) -> Result | Wait:
        unseen = self._unseen(op.account_id, op.pool_id, 0)
        if not isinstance(unseen, Reason):
            return unseen
        self._count(unseen)
        return self._answers.check(unseen, "", 0, 0, 0, 0, self._retry_ms(unseen), self._mode)

    def _reserve_unseen(self, op: Reserve) -> Result | Wait:
        unseen = self._unseen(op.account_id, op.pool_id, op.amount)
        return self._deny_reserve(None, None, op, unseen) if isinstance(unseen, Reason) else unseen
