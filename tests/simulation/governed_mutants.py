"""Broken variants of what budgets, limits and holds inside holds rest on; see `mutants`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from holdfast_ledger.posting import order
from holdfast_ledger.store.interface import Grant
from holdfast_ledger.windows import following, giving_back, times
from holdfast_ledger.windows.counting import Counted
from holdfast_sidecar.engine import limits
from holdfast_sidecar.engine import rights as sidecar_rights
from holdfast_sidecar.engine.changes import Changes
from holdfast_sidecar.engine.events import LeaseState
from holdfast_sidecar.engine.governance import Governance
from holdfast_sidecar.engine.governing import Governing, Passage
from holdfast_sidecar.engine.reserving import Reserving
from holdfast_sidecar.engine.settling import Settling
from holdfast_sidecar.engine.state import Debit, Hold, Pool, Rights, Window

from tests.simulation.mutation import everywhere, mutant
from tests.simulation.patching import replaced

# ── the sidecar: where an operation counts ──────────────────────────────────────────────────────────────────────────


@mutant(20)
def window_not_in_debit() -> Iterator[None]:
    """A debit does not say which budgets it counts against."""
    debit_it = Changes.debit

    def unnamed(self: Changes, pool: Pool, debit: Debit, windows: tuple[Window, ...] = ()) -> None:
        debit.windows = ()
        debit_it(self, pool, debit, windows)

    with replaced(Changes, "debit", unnamed):
        yield


@mutant(20)
def window_held_not_reduced() -> Iterator[None]:
    """A hold that closes is still counted as held by its budgets."""
    unlink = Changes._unlink

    def keep(self: Changes, hold: Hold) -> None:
        unlink(self, hold)
        for window in hold.budgets:
            window.held += hold.amount

    with replaced(Changes, "_unlink", keep):
        yield


@mutant(100)
def period_chosen_at_settle() -> Iterator[None]:
    """A hold settles into the period of the settle, not into that in which it was reserved."""
    settle = Settling._debit

    def now(self: Any, pool: Pool, op: Any, debit: Debit, windows: tuple[Window, ...]) -> None:
        account = self._accounts.by_id[pool.account_id]
        path = self._governance.path(account, debit.subject)
        if path is not None and self._governance.turn(account, path, self._now_unix_ms):
            present = {window.pool_id.partition("\x1f")[0]: window for window in path.windows}
            windows = tuple(present.get(window.pool_id.partition("\x1f")[0], window) for window in windows)
            debit.windows = tuple(window.pool_id for window in windows)
        settle(self, pool, op, debit, windows)

    with replaced(Settling, "_debit", now):
        yield


@mutant(40)
def rules_never_again() -> Iterator[None]:
    """Rules that are known are never asked for again."""
    with replaced(Governance, "heard_version", lambda self, account_id, version: _first_version(self, account_id)):
        yield


def _first_version(governance: Any, account_id: str) -> None:
    account = governance._accounts.by_id[account_id]
    account.rules_version = account.rules_version or 1


# ── the sidecar: holds inside holds ─────────────────────────────────────────────────────────────────────────────────


@mutant(20)
def inner_hold_taken_of_pool_too() -> Iterator[None]:
    """A hold is opened inside another one, which keeps what it gave."""
    reserve_inside = Reserving._reserve_inside

    def keep(self: Any, account: Any, parent: Hold, *rest: Any) -> Any:
        before = parent.amount
        answer = reserve_inside(self, account, parent, *rest)
        self._changes._add(parent, before - parent.amount)
        return answer

    with replaced(Reserving, "_reserve_inside", keep):
        yield


@mutant(60)
def inner_holds_stay_inside_closed_ones() -> Iterator[None]:
    """A hold that closes is not left by those inside it: what they do not use returns to it."""
    with replaced(Changes, "_hand_over", lambda *_: None):
        yield


@mutant(60)
def inner_hold_forgets_outer_budgets() -> Iterator[None]:
    """A hold inside another one counts against the budgets on its own path alone."""
    opened = Reserving._open

    def own(
        self: Any, account: Any, pool: Pool, op: Any, granted: int, unleased: Any, passage: Any, parent: Any
    ) -> Any:
        if parent is not None:
            passage = replace(passage, budgets=tuple(x for x in passage.budgets if x not in parent.budgets))
        return opened(self, account, pool, op, granted, unleased, passage, parent)

    with replaced(Reserving, "_open", own):
        yield


@mutant(100)
def inner_hold_outlives_lease() -> Iterator[None]:
    """A hold that is opened inside another one past the leases has its whole time to live."""
    opened = Reserving._open

    def in_time(self: Any, *args: Any) -> Any:
        self._lease_valid = lambda: True
        answer = opened(self, *args)
        del self._lease_valid
        return answer

    with replaced(Reserving, "_open", in_time):
        yield


# ── the sidecar: what a limit lets through ──────────────────────────────────────────────────────────────────────────


@mutant(40)
def extension_ignores_budgets() -> Iterator[None]:
    """An Extend adds whatever the pool has."""
    with replaced(Governing, "_extend_budgets", lambda _, hold, account, amount, *rest: Passage(amount, hold.budgets)):
        yield


@mutant(20)
def slots_never_full() -> Iterator[None]:
    """A concurrency limit denies nothing."""
    with replaced(Governing, "_no_slot", lambda *_: None):
        yield


@mutant(60)
def rates_not_taken() -> Iterator[None]:
    """What passes a rate limit costs nothing of it."""
    with replaced(Changes, "take_rate", lambda *_: None):
        yield


@mutant(40)
def recall_gives_back_held_of_windows() -> Iterator[None]:
    """A window's recall is answered with rights that open holds need."""
    spare = sidecar_rights.spare

    def generous(rights: Rights) -> int:
        return spare(rights) + (rights.held if isinstance(rights, Window) else 0)

    with everywhere(sidecar_rights, "spare", generous):
        yield


# ── the sidecar: windows that come and go ───────────────────────────────────────────────────────────────────────────


@mutant(40)
def window_forgotten_with_its_holds() -> Iterator[None]:
    """Rules that take a limit away forget its window at once, open holds or not."""
    unuse = Governance._unuse

    def forget(self: Any, window: Window) -> None:
        unuse(self, window)
        if self._retired.pop(window, 0) is None:
            self._forget(window)

    with replaced(Governance, "_unuse", forget):
        yield


@mutant(60)
def forgotten_window_has_its_rights_again() -> Iterator[None]:
    """A window that was forgotten comes back with what was granted to it, and not with what was spent."""
    apply = sidecar_rights.apply_lease

    def forget(rights: Rights, lease: LeaseState) -> None:
        consumed = rights.consumed_total
        apply(rights, lease)
        rights.consumed_total = consumed

    with everywhere(sidecar_rights, "apply_lease", forget):
        yield


@mutant(60)
def local_slots_taken_for_leased_ones() -> Iterator[None]:
    """A limit that comes to be shared begins with the count that the host had for itself."""
    with everywhere(limits, "slots_window_name", lambda rule: f"{rule.limit_id}\x1fc"):
        yield


# ── the ledger ──────────────────────────────────────────────────────────────────────────────────────────────────────


@mutant(150)
def limit_raised_twice() -> Iterator[None]:
    """A limit that is raised is raised by twice as much."""
    follow = following.follow

    def twice(pool: Any, window: Any, rule: Any) -> None:
        more = rule.limit_amount - pool.granted_total if window.pool_key else 0
        follow(pool, window, rule)
        pool.granted_total += max(0, more)
        pool.free += max(0, more)

    with everywhere(following, "follow", twice):
        yield


@mutant(100)
def windows_of_duplicates_not_counted() -> Iterator[None]:
    """A debit whose operation was posted before leaves its windows' leases alone, as if it had not been made."""
    with _spent_alone():
        yield


@contextmanager
def _spent_alone() -> Iterator[None]:
    spend = Counted.spend

    def both(self: Counted, amount: int) -> None:
        spend(self, amount)
        for share in self.shares:
            share.consumed += amount

    with replaced(Counted, "consume", lambda *_: None), replaced(Counted, "spend", both):
        yield


@mutant(40)
def rolling_budget_forgets_too_soon() -> Iterator[None]:
    """Spending leaves a rolling period when half of it is over."""
    with everywhere(times, "bucket_ends_at_ms", lambda window, posted_at_ms: posted_at_ms - window.rolling_ms // 2):
        yield


@mutant(100)
def correction_given_to_windows_twice() -> Iterator[None]:
    """What is corrected of a debit comes back to its budgets twice."""
    give_back = giving_back.give_back

    def twice(writer: Any, debit: Any, amount: int, now_ms: int) -> None:
        give_back(writer, debit, amount, now_ms)
        give_back(writer, debit, amount, now_ms)

    with everywhere(giving_back, "give_back", twice):
        yield


@mutant(60)
def paid_burns_before_promotional() -> Iterator[None]:
    """The categories of grants burn the other way round."""

    def turned(grant: Grant) -> tuple[int, int, int, int, str]:
        return grant.priority, -grant.category, grant.expires_at_ms, grant.effective_at_ms, grant.grant_id

    with everywhere(order, "burn_position", turned):
        yield
