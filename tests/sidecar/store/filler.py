"""Fills a store with holds and settles them, as an engine does whose host takes on more and more work."""

from holdfast_sidecar.engine.state import Hold, Pool, Window, Writes
from holdfast_sidecar.store.lmdb_store import LmdbStore

from tests.sidecar.store.harness import make_debit, make_hold, make_outcome, make_pool, make_window

BATCH_HOLDS = 50


class Filler:
    """Opens holds until they are refused, then settles them all: what an engine does with a store that fills up."""

    def __init__(self, store: LmdbStore, text: str = "", *, limited: bool = False) -> None:
        """Holds of `limited` count against budgets, one of them each of its own."""
        self.store = store
        self.holds: list[Hold] = []
        self._text = text
        self._limited = limited
        self._own_windows: list[Window] = []
        self._pool: Pool = make_pool()
        self._team = make_window(self._pool, f"{text or 'team'}\x1f1700000000000")
        self._sequence = 0
        self._debit_sequence = 0
        store.commit(Writes(pools=[self._pool]))

    def fill(self) -> int:
        """Opens holds until the store refuses them; returns how many are open."""
        while not self.store.holds_refused:
            writes = Writes()
            for _ in range(BATCH_HOLDS):
                self._sequence += 1
                name = f"{self._text}{self._sequence}"[-128:]
                hold = make_hold(self._sequence, self._pool, hold_id=name, subject=self._text)
                if self._limited:
                    hold.budgets = self._windows(name)
                    writes.windows += hold.budgets
                self.holds.append(hold)
                writes.holds.append(hold)
                writes.outcomes.append(make_outcome(self._sequence, self._pool, answer=bytes(60)))
                writes.outcomes[-1].operation_id = name
            self.store.commit(writes)
        return len(self.holds)

    def settle(self, hold: Hold) -> Writes:
        """What the settle of one hold writes."""
        self._sequence += 1
        self._debit_sequence += 1
        outcome = make_outcome(self._sequence, self._pool, kind=4, answer=bytes(60))
        outcome.operation_id = f"{self._text}{outcome.operation_id}"[-128:]
        debit = make_debit(self._debit_sequence, self._pool)
        debit.hold_id, debit.operation_id, debit.subject = hold.hold_id, outcome.operation_id, hold.subject
        self._pool.consumed_total += debit.amount
        for window in hold.budgets:
            window.consumed_total += debit.amount
        debit.windows = tuple(window.pool_id for window in hold.budgets)
        return Writes(
            pools=[self._pool],
            closed_holds=[hold.sequence],
            outcomes=[outcome],
            debits=[debit],
            windows=list(hold.budgets),
        )

    def _windows(self, name: str) -> tuple[Window, ...]:
        # As a hash would order them: next to one another in time is far apart in the tree.
        own = f"{name[::-1]}{self._text}"[:128]
        self._own_windows.append(make_window(self._pool, f"{own}\x1f1700000000000"))
        return self._team, self._own_windows[-1]

    def settle_all(self, batch_size: int) -> None:
        """Settles every open hold, every third one first, so that the tree of holds stays as large as it can."""
        order = self.holds[::3] + self.holds[1::3] + self.holds[2::3]
        for start in range(0, len(order), batch_size):
            batch = Writes()
            for hold in order[start : start + batch_size]:
                writes = self.settle(hold)
                batch.pools = writes.pools
                batch.closed_holds += writes.closed_holds
                batch.outcomes += writes.outcomes
                batch.debits += writes.debits
                batch.windows += writes.windows
            self.store.commit(batch)
        self.holds.clear()

    def forget_all(self) -> None:
        """Drops what is acked and past its retention, and windows that are over."""
        self.store.commit(
            Writes(
                outcomes_evicted_to=self._sequence,
                debits_trimmed_to=self._debit_sequence,
                closed_windows=self._own_windows,
            )
        )
        self._own_windows = []
