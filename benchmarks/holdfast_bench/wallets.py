"""Wallets behind a real engine in this process, and a ledger that answers at once; time is an argument.

What decides is the sidecar's own engine over its in-memory store. The ledger here is honest and has one sidecar: it
leases what it has, posts what was spent, and says no when nothing is left.
"""

import zlib
from dataclasses import dataclass

from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast.v1.ledger_sync_service_pb2 import Debit
from holdfast_rating import card_files
from holdfast_rating.cards import RateCard
from holdfast_sidecar.dispatcher.encode import Encoder
from holdfast_sidecar.engine import operations as op
from holdfast_sidecar.engine.engine import Engine
from holdfast_sidecar.engine.events import (
    Connected,
    DebitsAcked,
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
from holdfast_sidecar.engine.rules import AccountTerms, Dimensions, Quantities, RateCardContent, SubjectRules
from holdfast_sidecar.engine.settings import EngineSettings
from holdfast_sidecar.store.memory_store import MemoryDisk, MemoryStore

ACCOUNT = "bench"
NS_PER_MS = 1_000_000
_VALIDITY_NS = 10_000 * NS_PER_MS
_BEGIN_NS = 1_000_000_000
_TTL_MS = 600_000
_DEBITS_READ = 10_000


@dataclass(slots=True)
class _Wallet:
    """A pool of the ledger, in minor units, and its lease."""

    amount: int
    granted: int = 0
    returned: int = 0
    posted_total: int = 0

    def free(self) -> int:
        """What is not leased."""
        return self.amount - (self.granted - self.returned)


class Wallets:
    """Operations on wallets of one account, each decided at a time; hold ids are chosen by the caller, never twice."""

    def __init__(self, card: RateCard) -> None:
        self._card = RateCardContent(card.card_id, 1, zlib.compress(card_files.write(card).encode()))
        self._wallets: dict[str, _Wallet] = {}
        self._now_ns = _BEGIN_NS
        self._store = MemoryStore(MemoryDisk(), sidecar_id="bench", boot_id="bench", now_ns=self._now_ns)
        self._engine = Engine(EngineSettings(), self._store.load(), Encoder(), self._now_ns)
        self._operation_count = 0
        self._apply([], [Connected(1, 1, 0, self._now_ns + _VALIDITY_NS, self._now_ns, ())])

    def create(self, pool_id: str, amount: int) -> None:
        """Makes a wallet with STRICT enforcement; it may be spent to its last minor unit, and no further."""
        self._wallets[pool_id] = _Wallet(amount)

    def move_to(self, now_ms: int) -> None:
        """Lets time pass, up to `now_ms` after the beginning; heartbeats keep the leases."""
        self._now_ns = max(self._now_ns, _BEGIN_NS + now_ms * NS_PER_MS)

    def reserve(
        self, pool_id: str, hold_id: str, quantities: Quantities, dimensions: Dimensions, max_output_tokens: int
    ) -> int:
        """Asks for a hold; returns what it has, 0 if it was not given."""
        reserve = op.Reserve(hold_id, b"", ACCOUNT, pool_id, 0, 0, _TTL_MS, "", "", dimensions, quantities)
        reserve.max_output_tokens = max_output_tokens
        return pb.ReserveResponse.FromString(self._one(reserve)).granted_amount

    def bring(self, hold_id: str, passed: Quantities) -> pb.ExtendResponse:
        """Has a hold brought to what its work is expected to come to from here."""
        extend = op.Extend(self._name(), b"", ACCOUNT, hold_id, 0, 0, 0, passed_quantities=passed)
        return pb.ExtendResponse.FromString(self._one(extend))

    def settle(self, hold_id: str, quantities: Quantities, *, cut_short: bool) -> int:
        """Ends a hold at what was used; returns what that came to."""
        settle = op.Settle(self._name(), b"", ACCOUNT, hold_id, 0, True, "", (), False, quantities, cut_short)
        return pb.SettleResponse.FromString(self._one(settle)).debited_amount

    def overdraft(self) -> int:
        """By how much more was posted than the wallets had, summed over them, once all debits are posted."""
        self.post()
        return sum(max(0, wallet.posted_total - wallet.amount) for wallet in self._wallets.values())

    def spent(self, pool_id: str) -> int:
        """What the ledger has posted of a wallet."""
        return self._wallets[pool_id].posted_total

    def post(self) -> None:
        """Brings the debits to the ledger, as the uplink does."""
        while debits := self._store.read_debits(self._engine.statistics().acked_sequence, _DEBITS_READ, 1 << 40):
            for _, data in debits:
                debit = Debit.FromString(data)
                self._wallets[debit.pool_id].posted_total += debit.amount
            self._apply([], [DebitsAcked(debits[-1][0], self._now_ns)])

    def _name(self) -> str:
        self._operation_count += 1
        return f"op-{self._operation_count}"

    def _one(self, operation: op.Operation) -> bytes:
        call = op.Call(self._operation_count, [operation])
        self._apply([call], [LeasesRenewed(self._now_ns + _VALIDITY_NS, self._now_ns)])
        result = call.results[0] if call.results else None
        if not isinstance(result, bytes):
            raise RuntimeError(f"not decided: {result}")
        return result

    def _apply(self, calls: list[op.Call], events: list[Event]) -> None:
        """Runs rounds until the ledger has answered all that the engine asks."""
        while calls or events:
            effects = self._engine.apply(calls, events, self._now_ns, self._now_ns // NS_PER_MS, False)
            if effects.writes:
                self._store.commit(effects.writes)
            calls, events = [], [self._answer(ask) for ask in effects.asks]
            events += [self._tell(ask) for ask in effects.rules_asks]

    def _tell(self, ask: RulesAsk) -> RulesUpdated:
        terms = AccountTerms(rate_card_id=self._card.rate_card_id, rate_card_revision=self._card.revision)
        node = SubjectRules(ACCOUNT, "", 1, has_children=False, account=terms)
        cards = (self._card,) if ask.rate_card_ids else ()
        return RulesUpdated(ask.request_id, (node,), (), cards, self._now_ns)

    def _answer(self, ask: LeaseAsk) -> LeasesUpdated:
        return LeasesUpdated(ask.request_id, tuple(self._lease(want) for want in ask.wants), self._now_ns)

    def _lease(self, want: LeaseWant) -> LeaseState:
        wallet = self._wallets[want.pool_id]
        wallet.returned = want.returned_total
        left = wallet.granted - wallet.returned - want.consumed_total - want.held_amount
        given = min(max(wallet.free(), 0), max(want.want_amount - left, 0))
        wallet.granted += given
        return LeaseState(
            want.account_id,
            want.pool_id,
            LeaseStatus.ACTIVE,
            "credits",
            granted_total=wallet.granted,
            posted_total=wallet.posted_total,
            pool_posted=wallet.amount - wallet.posted_total,
            pool_free=wallet.free(),
            denied=left + given < want.need_amount,
            rules_version=1,
        )
