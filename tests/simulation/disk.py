"""A host's disk with its crash states, and the record of all that was ever committed to it.

A commit is whole or not there. What a power cut leaves depends on `durability`: with `host` every commit, with
`process` nothing, since the real store sets a folder aside that was not flushed. The record outlives both: the checks
compare with it what the ledger posted.
"""

import copy
from dataclasses import dataclass, field

from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast_sidecar.engine.state import Debit, Hold, Kind, Pool, Rights, Window, Writes
from holdfast_sidecar.store.interface import StoreFailed
from holdfast_sidecar.store.memory_store import MemoryDisk, MemoryStore

from tests.simulation.record import Committed, Record


@dataclass(slots=True)
class HoldSeen:
    """An open hold as it was last committed."""

    key: tuple[str, str]
    amount: int
    deadline_ns: int
    allowance_amount: int
    fail_open_amount: int
    hold_id: str = ""
    budgets: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()
    is_inside: bool = False
    """Whether it is inside another one."""

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """Its pool, and the windows that it counts against."""
        account_id = self.key[0]
        return self.key, *((account_id, name) for name in (*self.budgets, *self.slots))

    def held_of(self, key: tuple[str, str]) -> int:
        """What it holds of its pool or of a window."""
        return 1 if key[1] in self.slots else self.amount


@dataclass(slots=True)
class PoolSeen:
    """Totals of one pool or window as they were last committed."""

    granted_total: int = 0
    reclaimed_total: int = 0
    returned_total: int = 0
    consumed_total: int = 0
    allowance_granted_total: int = 0
    allowance_reclaimed_total: int = 0
    allowance_returned_total: int = 0
    allowance_consumed_total: int = 0
    is_window: bool = False
    leased: bool = True

    @property
    def rights(self) -> int:
        """Rights that are here and not spent."""
        return self.granted_total - self.reclaimed_total - self.returned_total - self.consumed_total


@dataclass(slots=True)
class Family:
    """A hold with those that were opened inside it."""

    granted: int = 0
    """What was ever taken out of the pool for it."""
    settled: int = 0
    """What was settled of it, less what was above it."""


@dataclass(slots=True)
class Seen:
    """What the last commits said, kept beside the rows so that checks need not decode them."""

    birth_epoch: int = 0
    boot_id: str = ""
    lease_valid_until_ns: int = 0
    allowance_valid_until_ns: int = 0
    last_sequence: int = 0
    is_welcomed: bool = False
    """Whether the instance in the folder is one that the ledger has welcomed."""
    holds: dict[int, HoldSeen] = field(default_factory=dict)
    held: dict[tuple[str, str], int] = field(default_factory=dict)
    pools: dict[tuple[str, str], PoolSeen] = field(default_factory=dict)
    """Windows among them."""
    families: dict[str, Family] = field(default_factory=dict)
    """By the id of the outermost hold."""
    wrong: str = ""
    """What a commit said that cannot be."""


@dataclass(slots=True)
class Folder:
    """One folder: the disk, what was seen of it, and its line.

    A line begins with an empty folder. A copy begins a line of its own with the past of the original: `past` tells
    of each line up to which sequence its debits are in here.
    """

    sidecar_id: str
    line: int
    disk: MemoryDisk = field(default_factory=MemoryDisk)
    seen: Seen = field(default_factory=Seen)
    past: dict[int, int] = field(default_factory=dict)

    def copied(self, line: int) -> "Folder":
        """Returns a copy of the folder as it is on the disk now."""
        disk = MemoryDisk({table: dict(rows) for table, rows in self.disk.tables.items()})
        past = {**self.past, self.line: self.seen.last_sequence}
        return Folder(self.sidecar_id, line, disk, copy.deepcopy(self.seen), past)

    def has(self, row: Committed) -> bool:
        """Whether a debit was made in this folder, or in one that it is a copy of, before it was copied."""
        if row.sidecar_id != self.sidecar_id:
            return False
        return row.line == self.line or row.sequence <= self.past.get(row.line, 0)


class SimStore(MemoryStore):
    """The reference store, watched."""

    def __init__(self, folder: Folder, record: Record, *, boot_id: str, now_ns: int) -> None:
        self._folder = folder
        self._record = record
        self.fail_after_commit = False
        super().__init__(folder.disk, sidecar_id=folder.sidecar_id, boot_id=boot_id, now_ns=now_ns)

    def commit(self, writes: Writes) -> None:
        """See `interface.Store`; may fail before or after it is done."""
        super().commit(writes)
        self._note(writes)
        if self.fail_after_commit:
            self._fault = "a commit failed after it was done"
            raise StoreFailed(self._fault)

    def _note(self, writes: Writes) -> None:
        seen = self._folder.seen
        if writes.meta is not None:
            seen.birth_epoch = writes.meta.birth_epoch
            seen.boot_id = writes.meta.boot_id
            seen.is_welcomed = writes.meta.instance == writes.meta.welcomed_instance
            seen.lease_valid_until_ns = writes.meta.lease_valid_until_ns
            seen.allowance_valid_until_ns = writes.meta.allowance_valid_until_ns
        before = self._note_holds(writes)
        for rights in (*writes.pools, *writes.windows):
            seen.pools[rights.account_id, rights.pool_id] = _totals(rights)
        for window in writes.closed_windows:
            seen.pools.pop((window.account_id, window.pool_id), None)
        self._note_debits(writes, before)
        for outcome in writes.outcomes:
            if outcome.kind == Kind.EXTEND and not outcome.denied:
                self._note_extension(outcome.operation_id.rpartition("-")[0], outcome.answer, before)
        if writes.events.rows:
            self._record.events.committed(self._folder.sidecar_id, self._folder.line, writes)
        self._check_families({name for hold in writes.holds if (name := _family_of(hold.hold_id)) in seen.families})

    def _note_holds(self, writes: Writes) -> dict[str, HoldSeen]:
        """Notes open and closed holds; returns those of this commit as they were before it, by id."""
        seen, changed = self._folder.seen, dict[str, HoldSeen]()
        for hold in writes.holds:
            now = _hold_seen(hold)
            before = seen.holds.get(hold.sequence)
            self._hold(before, now)
            seen.holds[hold.sequence] = now
            if before is None:
                self._note_opening(hold, now)
            else:
                changed[now.hold_id] = before
                if (before.budgets, before.slots) != (now.budgets, now.slots):
                    seen.wrong = f"{now.hold_id} counts against {now.budgets} and not {before.budgets} any more"
        for sequence in writes.closed_holds:
            closed = seen.holds.pop(sequence, None)
            if closed is not None:
                self._hold(closed, None)
                changed[closed.hold_id] = closed
        return changed

    def _hold(self, before: HoldSeen | None, now: HoldSeen | None) -> None:
        held = self._folder.seen.held
        for sign, hold in ((-1, before), (1, now)):
            for key in hold.keys if hold else ():
                held[key] = held.get(key, 0) + sign * hold.held_of(key) if hold else 0

    def _note_opening(self, hold: Hold, now: HoldSeen) -> None:
        self._record.opened(self._folder.line, hold)
        name = _family_of(now.hold_id)
        if name == now.hold_id:
            self._folder.seen.families[name] = Family(now.amount)

    def _note_debits(self, writes: Writes, before: dict[str, HoldSeen]) -> None:
        seen = self._folder.seen
        spent: dict[str, int] = {}
        for debit in writes.debits:
            seen.last_sequence = debit.sequence
            self._record.committed(self._folder.sidecar_id, self._folder.line, seen.birth_epoch, debit)
            if not debit.hold_id:
                continue
            hold = before.get(debit.hold_id) or self._open(debit.hold_id)
            spent[debit.hold_id] = spent.get(debit.hold_id, 0) + debit.amount
            beyond = max(debit.over_hold_amount, spent[debit.hold_id] - (hold.amount if hold else 0))
            if debit.late:
                beyond = debit.amount
            else:
                self._note_settled(debit)
            for name in debit.windows if beyond > 0 else ():
                self._record.beyond[self._folder.line, name] += beyond
                if (debit.account_id, name) not in seen.pools:
                    self._record.forgotten[self._folder.line, name] += beyond

    def _open(self, hold_id: str) -> HoldSeen | None:
        return next((hold for hold in self._folder.seen.holds.values() if hold.hold_id == hold_id), None)

    def _note_settled(self, debit: Debit) -> None:
        family = self._folder.seen.families.get(_family_of(debit.hold_id))
        if family is not None:
            family.settled += debit.amount - debit.over_hold_amount

    def _note_extension(self, hold_id: str, answer: bytes, before: dict[str, HoldSeen]) -> None:
        """What a hold that is inside no other one gets, or gives back, is the pool's."""
        said = pb.ExtendResponse.FromString(answer)
        family = self._folder.seen.families.get(_family_of(hold_id))
        held = [hold for hold in (before.get(hold_id), self._open(hold_id)) if hold is not None]
        if family is None or (held and all(hold.is_inside for hold in held)):
            return
        family.granted += said.added_amount
        if held and not any(hold.is_inside for hold in held):
            family.granted -= said.returned_amount

    def _check_families(self, names: set[str]) -> None:
        """No family has more than was taken out of the pool for it."""
        seen = self._folder.seen
        for name in names:
            family = seen.families[name]
            held = sum(hold.amount for hold in seen.holds.values() if _family_of(hold.hold_id) == name)
            if held + family.settled > family.granted:
                seen.wrong = f"{name} and those inside it hold {held} after {family.settled}, got {family.granted}"


def _family_of(hold_id: str) -> str:
    return hold_id.partition(".")[0]


def _hold_seen(hold: Hold) -> HoldSeen:
    return HoldSeen(
        (hold.pool.account_id, hold.pool.pool_id),
        hold.amount,
        hold.deadline_ns,
        hold.allowance_amount,
        hold.fail_open_amount,
        hold.hold_id,
        tuple(window.pool_id for window in hold.budgets),
        tuple(window.pool_id for window in hold.slots),
        hold.parent is not None,
    )


def _totals(rights: Rights) -> PoolSeen:
    seen = PoolSeen(rights.granted_total, rights.reclaimed_total, rights.returned_total, rights.consumed_total)
    if isinstance(rights, Pool):
        seen.allowance_granted_total = rights.allowance_granted_total
        seen.allowance_reclaimed_total = rights.allowance_reclaimed_total
        seen.allowance_returned_total = rights.allowance_returned_total
        seen.allowance_consumed_total = rights.allowance_consumed_total
    elif isinstance(rights, Window):
        seen.is_window, seen.leased = True, rights.leased
    return seen
