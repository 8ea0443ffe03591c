"""Drives a real engine with a small honest ledger: asks are answered at once, as by a ledger on the same host."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast.v1 import usage_service_pb2
from holdfast.v1.ledger_sync_service_pb2 import Debit
from holdfast_sidecar.dispatcher.decode import Decoder
from holdfast_sidecar.dispatcher.encode import Encoder
from holdfast_sidecar.dispatcher.usage import report_of
from holdfast_sidecar.engine import operations as op
from holdfast_sidecar.engine.decision_log import RecentDecisions
from holdfast_sidecar.engine.engine import Effects, Engine
from holdfast_sidecar.engine.event_operations import ReportEvents, VoidEvents
from holdfast_sidecar.engine.event_rows import NO_METERS, Meters
from holdfast_sidecar.engine.events import (
    Connected,
    DebitsAcked,
    Disconnected,
    Event,
    LeaseAsk,
    LeasesRenewed,
    LeaseState,
    LeaseStatus,
    LeasesUpdated,
    LeaseWant,
    RulesAsk,
    RulesUpdated,
)
from holdfast_sidecar.engine.operations import Call, Fault, Result
from holdfast_sidecar.engine.rules import (
    AccountTerms,
    BudgetAction,
    BudgetRule,
    Calendar,
    ConcurrencyLimitRule,
    RateCardContent,
    RateLimitRule,
    RateUnit,
    SubjectRules,
)
from holdfast_sidecar.engine.settings import EngineSettings
from holdfast_sidecar.engine.state import Kind, Meta
from holdfast_sidecar.store.memory_store import MemoryDisk, MemoryStore

MS = 1_000_000
VALIDITY_MS = 10_000
ALLOWANCE_VALIDITY_MS = 60_000
MAX_ROUNDS = 20
ANSWERS: dict[type[op.Operation], Any] = {
    op.Check: pb.CheckResponse,
    op.Reserve: pb.ReserveResponse,
    op.Extend: pb.ExtendResponse,
    op.Settle: pb.SettleResponse,
    op.Release: pb.ReleaseResponse,
    op.Charge: pb.ChargeResponse,
    op.Report: usage_service_pb2.ReportUsageResponse,
    op.GetBalance: pb.GetBalanceResponse,
    op.ListHolds: pb.ListHoldsResponse,
    ReportEvents: usage_service_pb2.ReportEventsResponse,
    VoidEvents: usage_service_pb2.VoidEventsResponse,
}
DECODER = Decoder(max_hold_ttl_ms=3_600_000, max_operations=256)


@dataclass
class LedgerPool:
    """One pool of the ledger, and its lease to the one sidecar."""

    posted: int
    enforcement: int = 1
    overdraft_limit: int = 0
    partition_mode: int = 1
    partition_after_ms: int = 0
    allowance_granted: int = 0
    granted: int = 0
    returned: int = 0
    posted_total: int = 0
    shadow: bool = False
    elsewhere: int = 0
    """Rights that another host has and does not give back."""

    def free(self) -> int:
        return self.posted - (self.granted - self.returned - self.posted_total) - self.elsewhere


@dataclass
class Ledger:
    """Accounts by id, pools and windows by (account, name), rules by (account, subject)."""

    accounts: set[str] = field(default_factory=set)
    pools: dict[tuple[str, str], LedgerPool] = field(default_factory=dict)
    rules: dict[tuple[str, str], SubjectRules] = field(default_factory=dict)
    calendars: tuple[Calendar, ...] = ()
    rate_cards: tuple[RateCardContent, ...] = ()
    version: int = 0
    meters: Meters = NO_METERS

    def govern(
        self,
        subject: str = "",
        *,
        budgets: Sequence[BudgetRule] = (),
        rate_limits: Sequence[RateLimitRule] = (),
        concurrency_limits: Sequence[ConcurrencyLimitRule] = (),
        terms: AccountTerms | None = None,
        account_id: str = "acme",
    ) -> None:
        """Sets the rules of one subject, whose parents are there; the limits' windows come into being as needed."""
        self.version += 1
        if subject:
            parent = self.rules[account_id, subject.rpartition("/")[0]]
            self.rules[account_id, parent.subject] = replace(parent, has_children=True, version=self.version)
        known = self.rules.get((account_id, subject))
        self.rules[account_id, subject] = SubjectRules(
            account_id,
            subject,
            self.version,
            known.has_children if known else False,
            tuple(budgets),
            tuple(rate_limits),
            tuple(concurrency_limits),
            terms or (AccountTerms() if not subject else None),
        )

    def tell(self, ask: RulesAsk, now_ns: int) -> RulesUpdated:
        """Answers with every node on the wanted paths that exists."""
        nodes: dict[tuple[str, str], SubjectRules] = {}
        for account_id, subject in ask.paths:
            levels = subject.split("/") if subject else []
            for depth in range(len(levels) + 1):
                node = self.rules.get((account_id, "/".join(levels[:depth])))
                if node is None:
                    break
                nodes[account_id, node.subject] = replace(node, version=self.version)
        cards = tuple(card for card in self.rate_cards if card.rate_card_id in ask.rate_card_ids)
        meters = self.meters if ask.meters_wanted else None
        return RulesUpdated(ask.request_id, tuple(nodes.values()), self.calendars, cards, now_ns, meters=meters)

    def window(self, key: tuple[str, str]) -> LedgerPool | None:
        """Returns a window, made when it is first asked for; None if no limit of that name exists."""
        limit_id, _, kind = key[1].partition("\x1f")
        for (account_id, _), rules in self.rules.items():
            if account_id != key[0]:
                continue
            for budget in rules.budgets:
                if budget.budget_id == limit_id and kind.isdigit():
                    return self.pools.setdefault(key, LedgerPool(budget.limit_amount))
            for slots in rules.concurrency_limits:
                if slots.limit_id == limit_id and kind == "c":
                    return self.pools.setdefault(key, LedgerPool(slots.max_count))
            for rate in rules.rate_limits:
                if rate.limit_id == limit_id and kind == "r":
                    return self.pools.setdefault(key, LedgerPool(1_000_000))
        return None

    def create(self, key: tuple[str, str], amount: int, enforcement: int = 1, overdraft_limit: int = 0) -> None:
        self.accounts.add(key[0])
        self.pools[key] = LedgerPool(amount, enforcement, overdraft_limit)

    def grant(self, key: tuple[str, str], amount: int) -> None:
        self.pools[key].posted += amount

    def post(self, key: tuple[str, str], amount: int) -> None:
        pool = self.pools[key]
        pool.posted -= amount
        pool.posted_total += amount
        pool.granted += max(0, -(pool.granted - pool.returned - pool.posted_total))

    def answer(self, ask: LeaseAsk, now_ns: int) -> LeasesUpdated:
        return LeasesUpdated(ask.request_id, tuple(self._answer(want) for want in ask.wants), now_ns)

    def lease(self, key: tuple[str, str], denied: bool = False) -> LeaseState:
        pool = self.pools[key]
        return LeaseState(
            *key,
            LeaseStatus.ACTIVE,
            "credits",
            granted_total=pool.granted,
            returned_total=pool.returned,
            posted_total=pool.posted_total,
            pool_posted=pool.posted,
            pool_free=pool.free(),
            denied=denied,
            enforcement=pool.enforcement,
            overdraft_limit=pool.overdraft_limit,
            partition_mode=pool.partition_mode,
            partition_after_ms=pool.partition_after_ms,
            allowance_granted_total=pool.allowance_granted,
            shadow=pool.shadow,
            rules_version=self.version,
        )

    def _answer(self, want: LeaseWant) -> LeaseState:
        key = (want.account_id, want.pool_id)
        if key[0] not in self.accounts:
            return LeaseState(*key, LeaseStatus.UNKNOWN_ACCOUNT)
        if key not in self.pools and ("\x1f" not in key[1] or self.window(key) is None):
            return LeaseState(*key, LeaseStatus.UNKNOWN_POOL)
        pool = self.pools[key]
        # A window may have been forgotten; then the host begins with what it is told.
        assert want.returned_total >= pool.returned or "\x1f" in want.pool_id
        pool.returned = max(pool.returned, want.returned_total)
        left = pool.granted - pool.returned - max(want.consumed_total, pool.posted_total) - want.held_amount
        given = min(max(pool.free(), 0), max(want.want_amount - left, 0))
        pool.granted += given
        return self.lease(key, denied=left + given < want.need_amount)


class Host:
    """One engine over an in-memory store, its clock, and the link to the ledger."""

    def __init__(self, ledger: Ledger, settings: EngineSettings | None = None, connect: bool = True) -> None:
        self.ledger = ledger
        self.settings = settings or EngineSettings()
        self.now_ns = 1_000_000_000
        self.wall_offset_ms = 0
        self.connected = False
        self.answering = True
        self.unanswered: list[LeaseAsk] = []
        self.disk = MemoryDisk()
        self.start()
        if connect:
            self.connect()

    def start(self) -> None:
        """Starts an engine from what is stored, as a restarted process does."""
        self.connected = False
        self.disk.owner = None
        self.store = MemoryStore(self.disk, sidecar_id="host-1", boot_id="boot-1", now_ns=self.now_ns)
        self.recent = RecentDecisions()
        self.engine = Engine(self.settings, self.store.load(), Encoder(), self.now_ns, self.store, self.recent)

    def connect(self, claims_wanted: bool = False) -> list[Call]:
        self.connected = True
        leases = tuple(self.ledger.lease(key) for key in self.ledger.pools if self.ledger.pools[key].granted)
        valid_until_ns = self.now_ns + VALIDITY_MS * MS
        allowance_until_ns = self.now_ns + ALLOWANCE_VALIDITY_MS * MS
        revision = self.ledger.meters.revision
        acked = self.acked()
        told = Connected(1, 1, acked, valid_until_ns, self.now_ns, leases, allowance_until_ns, claims_wanted, revision)
        return self.apply([], [told])

    def acked(self) -> int:
        return self.engine.statistics().acked_sequence

    def disconnect(self) -> None:
        self.connected = False
        self.apply([], [Disconnected()])

    def heartbeat(self) -> None:
        self.apply([], [self._renewed()])

    def _renewed(self) -> LeasesRenewed:
        allowance_until_ns = self.now_ns + ALLOWANCE_VALIDITY_MS * MS
        revision = self.ledger.meters.revision
        return LeasesRenewed(self.now_ns + VALIDITY_MS * MS, self.now_ns, allowance_until_ns, revision)

    def post_all(self) -> None:
        """The ledger posts and acks every debit there is."""
        debits = self.store.read_debits(self.acked(), 1_000_000, 1 << 40)
        parsed = [Debit.FromString(data) for _, data in debits]
        for debit in parsed:
            self.ledger.post((debit.account_id, debit.pool_id), debit.amount)
            for name in debit.windows:
                if self.ledger.window((debit.account_id, name)) is not None:
                    self.ledger.post((debit.account_id, name), debit.amount)
        if debits:
            self.apply([], [DebitsAcked(debits[-1][0], self.now_ns)])
            keys = {(debit.account_id, debit.pool_id): None for debit in parsed}
            keys.update({(debit.account_id, name): None for debit in parsed for name in debit.windows})
            self.push(*(key for key in keys if key in self.ledger.pools))

    def push(self, *keys: tuple[str, str]) -> None:
        """The ledger speaks of its own accord, as after a grant."""
        self.apply([], [LeasesUpdated(0, tuple(self.ledger.lease(key) for key in keys), self.now_ns)])

    def apply(self, calls: Sequence[Call], events: Sequence[Event] = ()) -> list[Call]:
        """Runs rounds until the ledger has answered every ask; returns the calls that are done."""
        done: list[Call] = []
        effects = self._round(calls, events)
        done += effects.done
        rounds = 0
        while self.connected and self.answering and (effects.asks or effects.rules_asks):
            rounds += 1
            assert rounds < MAX_ROUNDS, "the engine asks the ledger again and again for what it has"
            told: list[Event] = [self.ledger.answer(ask, self.now_ns) for ask in effects.asks]
            told += [self.ledger.tell(ask, self.now_ns) for ask in effects.rules_asks]
            effects = self._round([], told)
            done += effects.done
        self.unanswered += effects.asks
        return done

    def _round(self, calls: Sequence[Call], events: Sequence[Event]) -> Effects:
        effects = self.engine.apply(calls, events, self.now_ns, self.now_unix_ms(), self.store.holds_refused)
        if effects.writes:
            self.store.commit(effects.writes)
        return effects

    def now_unix_ms(self) -> int:
        """The wall clock, which `wall_offset_ms` moves."""
        return self.now_ns // MS + self.wall_offset_ms

    def advance(self, ms: int) -> list[Call]:
        """Lets time pass, with heartbeats while connected; returns the calls that were done meanwhile."""
        done: list[Call] = []
        until_ns = self.now_ns + ms * MS
        while self.now_ns < until_ns:
            self.now_ns = min(until_ns, self.now_ns + 1000 * MS)
            beat = [self._renewed()] if self.connected else []
            done += self.apply([], beat)
        return done

    # ── one operation at a time ──────────────────────────────────────────────────────────────────────────────────

    def run(self, *operations: op.Operation, linked: bool = False) -> list[Any]:
        """Carries operations out in one call; returns parsed answers and faults."""
        call = Call(1, list(operations), linked)
        done = self.apply([call])
        assert done == [call], "the call still waits"
        return parsed(call)

    def one(self, operation: op.Operation) -> Any:
        """Carries one operation out; returns its parsed answer or fault."""
        return self.run(operation)[0]


def parsed(call: Call) -> list[Any]:
    """Returns the results of a call as messages and faults."""
    return [_parse(operation, result) for operation, result in zip(call.operations, call.results, strict=True)]


def _parse(operation: op.Operation, result: Result) -> Any:
    return result if isinstance(result, Fault) else ANSWERS[type(operation)].FromString(result)


# ── operations, as a caller's request becomes them ───────────────────────────────────────────────────────────────


def reserve(operation_id: str, amount: int, **fields: Any) -> op.Reserve:
    fields.setdefault("account_id", "acme")
    return DECODER.reserve(pb.ReserveRequest(operation_id=operation_id, amount=amount, **fields))


def extend(operation_id: str, hold_id: str, **fields: Any) -> op.Extend:
    fields.setdefault("account_id", "acme")
    return DECODER.extend(pb.ExtendRequest(operation_id=operation_id, hold_id=hold_id, **fields))


def settle(operation_id: str, hold_id: str, amount: int, **fields: Any) -> op.Settle:
    fields.setdefault("account_id", "acme")
    return DECODER.settle(pb.SettleRequest(operation_id=operation_id, hold_id=hold_id, amount=amount, **fields))


def release(operation_id: str, hold_id: str, **fields: Any) -> op.Release:
    fields.setdefault("account_id", "acme")
    return DECODER.release(pb.ReleaseRequest(operation_id=operation_id, hold_id=hold_id, **fields))


def charge(operation_id: str, delta: int = 0, *, already_used: bool = False, **fields: Any) -> op.Charge:
    """As a caller's request becomes one; with `already_used` as a report does."""
    fields.setdefault("account_id", "acme")
    if delta:
        fields["delta"] = delta
    operation = DECODER.charge(pb.ChargeRequest(operation_id=operation_id, **fields))
    operation.already_used = already_used
    operation.fingerprint += bytes([already_used])
    return operation


def report(operation_id: str, **fields: Any) -> op.Report:
    fields.setdefault("account_id", "acme")
    return report_of(usage_service_pb2.ReportUsageRequest(operation_id=operation_id, **fields))


def check(amount: int, **fields: Any) -> op.Check:
    fields.setdefault("account_id", "acme")
    return DECODER.check(pb.CheckRequest(amount=amount, **fields))


def budget(budget_id: str, limit_amount: int, **fields: Any) -> BudgetRule:
    """A hard budget of all time, unless `fields` say otherwise."""
    values: dict[str, Any] = {
        "action": BudgetAction.HARD,
        "shadow": False,
        "currency": "credits",
        "pool_id": "",
        "match": (),
        "calendar_id": "",
        "rolling_ms": 60_000 if "calendar_id" not in fields else 0,
    }
    return BudgetRule(budget_id=budget_id, limit_amount=limit_amount, **{**values, **fields})


def rate(limit_id: str, amount: int, per_ms: int, burst: int, **fields: Any) -> RateLimitRule:
    """A local limit on requests, unless `fields` say otherwise."""
    values: dict[str, Any] = {
        "unit": RateUnit.REQUESTS,
        "meters": (),
        "shared": False,
        "shadow": False,
        "match": (),
    }
    return RateLimitRule(limit_id=limit_id, amount=amount, per_ms=per_ms, burst=burst, **{**values, **fields})


def at_a_time(limit_id: str, max_count: int, **fields: Any) -> ConcurrencyLimitRule:
    """A local concurrency limit, unless `fields` say otherwise."""
    values: dict[str, Any] = {"shared": False, "shadow": False, "match": ()}
    return ConcurrencyLimitRule(limit_id=limit_id, max_count=max_count, **{**values, **fields})


def balance(pool_id: str = "general") -> op.GetBalance:
    return op.GetBalance("acme", pool_id)


__all__ = [
    "AccountTerms",
    "BudgetAction",
    "Calendar",
    "Host",
    "Kind",
    "Ledger",
    "Meta",
    "RateUnit",
    "at_a_time",
    "balance",
    "budget",
    "charge",
    "check",
    "extend",
    "parsed",
    "rate",
    "release",
    "report",
    "reserve",
    "settle",
]
