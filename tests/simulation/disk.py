"""A host's disk with its crash states, and the record of all that was ever committed to it.

A commit is whole or not there. What a power cut leaves depends on `durability`: with `host` every commit, with
`process` nothing, since the real store sets a folder aside that was not flushed. The record outlives both: the checks
compare with it what the ledger posted.
"""

import copy
from dataclasses import dataclass, field

from holdfast_sidecar.engine.state import Writes
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


@dataclass(slots=True)
class PoolSeen:
    """Totals of one pool as they were last committed."""

    granted_total: int = 0
    reclaimed_total: int = 0
    returned_total: int = 0
    consumed_total: int = 0
    allowance_granted_total: int = 0
    allowance_reclaimed_total: int = 0
    allowance_returned_total: int = 0
    allowance_consumed_total: int = 0


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
        for hold in writes.holds:
            key = (hold.pool.account_id, hold.pool.pool_id)
            before = seen.holds.get(hold.sequence)
            seen.held[key] = seen.held.get(key, 0) + hold.amount - (before.amount if before else 0)
            seen.holds[hold.sequence] = HoldSeen(
                key, hold.amount, hold.deadline_ns, hold.allowance_amount, hold.fail_open_amount
            )
        for sequence in writes.closed_holds:
            closed = seen.holds.pop(sequence, None)
            if closed is not None:
                seen.held[closed.key] -= closed.amount
        for pool in writes.pools:
            seen.pools[pool.account_id, pool.pool_id] = PoolSeen(
                pool.granted_total,
                pool.reclaimed_total,
                pool.returned_total,
                pool.consumed_total,
                pool.allowance_granted_total,
                pool.allowance_reclaimed_total,
                pool.allowance_returned_total,
                pool.allowance_consumed_total,
            )
        for debit in writes.debits:
            seen.last_sequence = debit.sequence
            self._record.committed(self._folder.sidecar_id, self._folder.line, seen.birth_epoch, debit)
