"""What every kind of decision needs: the time and the link, whether to wait, what is refused, what is recorded.

Neighbours: `reserving`, `settling`, `charging` and `reading` build on it, one a kind of operation; `decisions` is
their sum. A handler returns the serialised answer, a `Fault`, or a `Wait` when the ledger may have the rights that are
missing and the call may still wait; a handler that returns `Wait` or `Fault` has changed nothing.
"""

from dataclasses import dataclass
from typing import final

from holdfast_sidecar.engine.accounts import Account, Accounts
from holdfast_sidecar.engine.amounts import NS_PER_MS
from holdfast_sidecar.engine.answers import Answers
from holdfast_sidecar.engine.changes import Changes
from holdfast_sidecar.engine.events import Fenced, LeaseStatus
from holdfast_sidecar.engine.governance import Governance
from holdfast_sidecar.engine.leases import Leases
from holdfast_sidecar.engine.operations import Fault, FaultCode, Key, Result
from holdfast_sidecar.engine.partition import COVERED, FAIL_CLOSED, Unleased, go_on
from holdfast_sidecar.engine.rated import Rated
from holdfast_sidecar.engine.refusals import hold_not_found, reused_id
from holdfast_sidecar.engine.rights import rights_left
from holdfast_sidecar.engine.rules import Dimensions
from holdfast_sidecar.engine.settings import EngineSettings
from holdfast_sidecar.engine.state import OPTIMISTIC, Debit, Kind, Outcome, Pool, Rights
from holdfast_sidecar.engine.statistics import Tally
from holdfast_sidecar.engine.verdicts import Mode, Reason


@final
@dataclass(frozen=True, slots=True)
class Wait:
    """The ledger may yet give the rights: `amount` more minor units of the pool `key`."""

    key: Key
    amount: int


class Deciding:
    """Decides one operation at a time, at the time given to `begin`."""

    def __init__(
        self,
        settings: EngineSettings,
        accounts: Accounts,
        changes: Changes,
        leases: Leases,
        governance: Governance,
        rated: Rated,
        tally: Tally,
        answers: Answers,
        now_ns: int,
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._changes = changes
        self._leases = leases
        self._governance = governance
        self._rated = rated
        self._tally = tally
        self._answers = answers
        self._now_ns = now_ns
        self._now_unix_ms = 0
        self._holds_refused = False
        self._may_wait = False
        self._caller = ""
        self._peeking = False
        """Whether what is decided on is a Check, which waits for no rights."""
        self._denied = False
        # Silence counts from the start: a sidecar that has just started is connecting, not cut off.
        self._heard_at_ns = now_ns
        self._host_mode = self._mode = Mode.CONNECTED
        self._retention_ms = settings.outcome_retention_ms
        self.fenced: Fenced | None = None

    def begin(self, now_ns: int, now_unix_ms: int, holds_refused: bool) -> None:
        """Sets the time and the store's state for the decisions that follow."""
        self._now_ns = now_ns
        self._now_unix_ms = now_unix_ms
        self._holds_refused = holds_refused
        self._host_mode = self._mode = self.mode(0)

    # ── the link ────────────────────────────────────────────────────────────────────────────────────────────────────

    def heard(self, heard_at_ns: int) -> None:
        """The ledger was heard of."""
        self._heard_at_ns = max(self._heard_at_ns, heard_at_ns)
        self._host_mode = self._mode = self.mode(0)

    def mode(self, partition_after_ms: int) -> Mode:
        """Returns whether this sidecar counts itself cut off, after the pool's own silence or, with 0, the setting."""
        after_ms = partition_after_ms or self._settings.partition_after_ms
        silent_ns = self._now_ns - self._heard_at_ns
        return Mode.CONNECTED if silent_ns <= after_ms * NS_PER_MS else Mode.PARTITIONED

    def _see(self, pool: Pool | None) -> None:
        """From now on the mode is what this pool makes of the silence; None: what the host makes of it."""
        after_ms = pool.partition_after_ms if pool is not None else 0
        self._mode = self.mode(after_ms) if after_ms else self._host_mode

    def _lease_valid(self) -> bool:
        return self._now_ns < self._changes.meta.lease_valid_until_ns

    def _ledger_may_help(self, pool: Pool, reason: Reason) -> bool:
        """Whether it is worth waiting for the ledger's word before this is denied."""
        if reason is Reason.OVERDRAFT_LIMIT or not self._may_ask(pool):
            return False
        return reason is Reason.PARTITIONED or not self._said_no(pool)

    def _may_ask(self, pool: Pool) -> bool:
        """Whether the call can wait, and the ledger be reached."""
        if not self._may_wait or self._leases.draining:
            return False
        return self.mode(pool.partition_after_ms) is Mode.CONNECTED

    def _said_no(self, rights: Rights) -> bool:
        """Whether the ledger lately said that it has no more of a pool or window."""
        return self._leases.demand((rights.account_id, rights.pool_id)).denied_until_ns > self._now_ns

    def _final_reason(self, pool: Pool, reason: Reason) -> Reason:
        """Says why it is denied in the end: for lack of money, of the ledger's answer, or of the ledger."""
        if reason is Reason.OVERDRAFT_LIMIT:
            return reason
        demand = self._leases.demand((pool.account_id, pool.pool_id))
        if reason is Reason.INSUFFICIENT_BALANCE and demand.denied_until_ns > self._now_ns:
            return reason
        cut_off = self.mode(pool.partition_after_ms) is Mode.PARTITIONED
        return Reason.PARTITIONED if cut_off else Reason.LEASE_TIMEOUT

    def _retry_ms(self, reason: Reason) -> int:
        return self._settings.lease_wait_ms if reason in (Reason.PARTITIONED, Reason.LEASE_TIMEOUT) else 0

    def _go_on(self, pool: Pool, amount: int, min_amount: int, granted: int, reason: Reason) -> tuple[int, Unleased]:
        """Returns what is granted after all, although the rights do not suffice: the partition mode says so.

        As long as the ledger counts as connected nothing is: `granted` stands, what the rights alone allow.
        """
        if pool.shadow:
            rights = max(0, rights_left(pool)) if self._lease_valid() and pool.enforcement != OPTIMISTIC else 0
            return amount, Unleased(0, max(0, amount - rights))
        if pool.partition_mode == FAIL_CLOSED or reason is Reason.OVERDRAFT_LIMIT:
            return granted, COVERED
        if self.mode(pool.partition_after_ms) is Mode.CONNECTED:
            return granted, COVERED
        allowance_valid = self._now_ns < self._changes.meta.allowance_valid_until_ns
        return go_on(pool, amount, min_amount, self._lease_valid(), allowance_valid)

    def _undo_to_wait(self, wait: Wait) -> Wait:
        """Takes a linked call back; it waits for what it lacks and for what it had taken of the same pool."""
        pool = self._accounts.rights(wait.key)
        left = rights_left(pool) if pool is not None else 0
        self._changes.undo_linked()
        taken = rights_left(pool) - left if pool is not None else 0
        return Wait(wait.key, wait.amount + taken)

    def _refill(self, rights: Rights) -> None:
        if rights_left(rights) < rights.low_water:
            self._leases.refill(rights, self._now_ns)

    def _unseen(self, account_id: str, pool_id: str, amount: int) -> Fault | Wait | Reason:
        """The pool is new to this host: the ledger is asked; without its word there is nothing to decide on.

        Returns the reason of the denial when neither a fault is certain nor a wait is of use.
        """
        self._see(None)
        demand = self._leases.demand((account_id, pool_id))
        known_unknown = demand.denied_until_ns > self._now_ns
        if known_unknown and demand.unknown is LeaseStatus.UNKNOWN_POOL:
            return Fault(FaultCode.NOT_FOUND, "POOL_NOT_FOUND", "the account has no such pool")
        if self._accounts.pool_count >= self._settings.pool_limit:
            return Fault(FaultCode.RESOURCE_EXHAUSTED, "POOL_LIMIT", "too many pools on this host; raise pool_limit")
        if known_unknown:
            return Reason.UNKNOWN_ACCOUNT
        if self.mode(0) is Mode.PARTITIONED:
            return Reason.PARTITIONED
        return Wait((account_id, pool_id), amount) if self._may_wait else Reason.LEASE_TIMEOUT

    def _unseen_fault(self, account_id: str, pool_id: str, amount: int = 0) -> Fault | Wait:
        """As `_unseen`, for operations that cannot be denied."""
        unseen = self._unseen(account_id, pool_id, amount)
        if not isinstance(unseen, Reason):
            return unseen
        if unseen is Reason.UNKNOWN_ACCOUNT:
            return Fault(FaultCode.NOT_FOUND, "ACCOUNT_NOT_FOUND", "the ledger knows no such account")
        return Fault(
            FaultCode.UNAVAILABLE,
            "LEDGER_UNREACHABLE",
            "this host has not seen the pool and cannot ask the ledger; retry with the same operation id",
        )

    # ── refusing ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _unfit(self, pool: Pool, currency: str) -> Fault | None:
        self._see(pool)
        if currency and currency != pool.currency:
            return Fault(
                FaultCode.INVALID_ARGUMENT,
                "CURRENCY_MISMATCH",
                f"the pool's currency is {pool.currency}",
                (("field", "currency"),),
            )
        if self.fenced is not None:
            return Fault(FaultCode.UNAVAILABLE, self.fenced.reason, self.fenced.message)
        return None

    def _store_full(self) -> Fault | None:
        if self._holds_refused:
            return Fault(
                FaultCode.RESOURCE_EXHAUSTED,
                "STORE_FULL",
                "the store is 90 % full; settle or release open holds, or raise map_bytes",
            )
        return None

    def _closed(self, account: Account, hold_id: str) -> Fault:
        opening = account.outcomes.get(hold_id)
        if opening is None or opening.kind != Kind.RESERVE or opening.denied:
            return hold_not_found(hold_id)
        return Fault(FaultCode.FAILED_PRECONDITION, "HOLD_CLOSED", "the hold is already settled, released or expired")

    # ── recording ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _count(self, reason: Reason, unleased: Unleased = COVERED) -> None:
        if reason is Reason.OK:
            self._tally.allowed(self._mode, unleased)
        else:
            self._tally.decided(reason, self._mode)
        self._denied = reason is not Reason.OK

    def _repeat(self, outcome: Outcome, kind: Kind, fingerprint: bytes) -> Result:
        if outcome.kind != kind or outcome.fingerprint != fingerprint:
            self._tally.conflict_count += 1
            return reused_id(
                "this operation id was used before with other content; choose a new id for new work",
                ("recorded_fingerprint", outcome.fingerprint.hex()),
            )
        self._tally.replay_count += 1
        self._denied = outcome.denied
        return outcome.answer

    def _record(
        self,
        account: Account,
        operation_id: str,
        pool_id: str,
        kind: Kind,
        fingerprint: bytes,
        answer: bytes,
        denied: bool,
    ) -> None:
        outcome = Outcome(0, account.account_id, operation_id, pool_id, kind, fingerprint, self._now_ns, answer, denied)
        self._changes.record(account, outcome)

    def _debit_of(
        self,
        pool: Pool,
        amount: int,
        operation_id: str,
        hold_id: str,
        subject: str,
        dimensions: Dimensions,
        unleased: Unleased,
        windows: tuple[str, ...] = (),
    ) -> Debit:
        return Debit(
            0,
            self._changes.meta.epoch,
            pool.account_id,
            pool.pool_id,
            amount,
            operation_id,
            hold_id,
            self._now_unix_ms,
            subject,
            dimensions,
            late=False,
            over_hold_amount=0,
            estimated=False,
            mode=self._mode,
            allowance_amount=unleased.allowance_amount,
            fail_open_amount=unleased.fail_open_amount,
            windows=windows,
            caller=self._caller,
        )
