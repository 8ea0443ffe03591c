"""Wallets behind a real engine in this process, and a ledger that answers at once; time is an argument.

What decides is the sidecar's own engine over its in-memory store. The ledger here is honest and has one sidecar: it
leases what it has, posts what was spent, and says no when nothing is left.
"""

from dataclasses import dataclass

from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast.v1.decision_pb2 import VERDICT_ALLOW
from holdfast.v1.ledger_sync_service_pb2 import Debit
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
)
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
    """Operations on wallets, each decided at a time; hold ids are chosen by the caller, never twice."""

    def __init__(self) -> None:
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

    def reserve(self, pool_id: str, hold_id: str, amount: int) -> bool:
        """Asks for a hold; returns whether it was given."""
        answer = pb.ReserveResponse.FromString(self._one(self._reserve(pool_id, hold_id, amount)))
        return answer.verdict == VERDICT_ALLOW

    def extend(self, hold_id: str, add_amount: int, min_add_amount: int) -> int:
        """Asks for more of a hold; returns by how much it grew, 0 if it did not."""
        extend = op.Extend(self._name(), b"", ACCOUNT, hold_id, add_amount, max(1, min_add_amount), 0)
        return pb.ExtendResponse.FromString(self._one(extend)).added_amount

    def replace(self, pool_id: str, hold_id: str, by_hold_id: str, amount: int) -> None:
        """Gives a hold back for a smaller one, both or neither."""
        release = op.Release(self._name(), b"", ACCOUNT, hold_id)
        results = self._run([release, self._reserve(pool_id, by_hold_id, amount)], linked=True)
        assert pb.ReserveResponse.FromString(results[1]).verdict == VERDICT_ALLOW, "a smaller hold did not fit"

    def settle(self, hold_id: str, amount: int) -> None:
        """Ends a hold at what was spent."""
        self._one(op.Settle(self._name(), b"", ACCOUNT, hold_id, amount, True, "", (), False))

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

    def _reserve(self, pool_id: str, hold_id: str, amount: int) -> op.Reserve:
        return op.Reserve(hold_id, b"", ACCOUNT, pool_id, amount, 0, _TTL_MS, "", "", ())

    def _one(self, operation: op.Operation) -> bytes:
        return self._run([operation], linked=False)[0]

    def _run(self, operations: list[op.Operation], *, linked: bool) -> list[bytes]:
        call = op.Call(self._operation_count, operations, linked)
        renewed = LeasesRenewed(self._now_ns + _VALIDITY_NS, self._now_ns)
        self._apply([call], [renewed])
        results = [result for result in call.results if isinstance(result, bytes)]
        if len(results) != len(operations):
            raise RuntimeError(f"not decided: {call.results}")
        return results

    def _apply(self, calls: list[op.Call], events: list[Event]) -> None:
        """Runs rounds until the ledger has answered all that the engine asks."""
        while calls or events:
            effects = self._engine.apply(calls, events, self._now_ns, self._now_ns // NS_PER_MS, False)
            if effects.writes:
                self._store.commit(effects.writes)
            calls, events = [], [self._answer(ask) for ask in effects.asks]

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
        )
