"""What clients were told and what disks kept, over the whole run: the side of the comparison that is not the ledger's.

It shares no rule with the code under test: it only remembers.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from holdfast_sidecar.engine.rules import Dimensions
from holdfast_sidecar.engine.state import Debit, Hold

from tests.simulation.event_record import EventRecord

Operation: TypeAlias = tuple[str, str]
"""(account_id, operation_id)."""


USED_MARK = "u"
"""Begins the operation ids of charges for what was used already: no limit stands in their way."""


EVENT_MARK = "ev:"
"""Begins those of what sidecars charge for events."""


def is_used(debit: Debit) -> bool:
    """Whether it is of such a charge."""
    return debit.operation_id.startswith((USED_MARK, EVENT_MARK))


@dataclass(frozen=True, slots=True)
class Committed:
    """A debit that a sidecar made durable."""

    sidecar_id: str
    line: int
    birth_epoch: int
    sequence: int
    account_id: str
    pool_id: str
    operation_id: str
    amount: int
    late_amount: int
    over_hold_amount: int
    allowance_amount: int
    fail_open_amount: int
    windows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Acked:
    """A settle or charge that a client was told is done."""

    sidecar_id: str
    line: int
    amount: int


class Record:
    """Remembers; `violations` has what cannot be, found while remembering."""

    def __init__(
        self,
        answers_kept: bool,
        windows_of: Callable[[str, str, Dimensions], set[str] | None],
        passed: Callable[[int, str, int], None],
        *,
        names_kept: bool = True,
    ) -> None:
        """Starts empty.

        Args:
            answers_kept: whether sidecars keep their answers for the whole run, so that none debits one operation
                twice.
            windows_of: what an operation counts against that is decided now, of a pool, a subject, with dimensions;
                None: it cannot be told.
            passed: is told of each hold and charge that is new: the line, the subject and the amount.
            names_kept: whether sidecars know the names of events for the whole run.
        """
        self._passed = passed
        self._names_kept = names_kept
        self.events = EventRecord(names_kept=names_kept)
        self._answers_kept = answers_kept
        self._windows_of = windows_of
        self.by_sequence: dict[tuple[str, int], list[Committed]] = defaultdict(list)
        self.by_operation: dict[Operation, list[Committed]] = defaultdict(list)
        self.acked: dict[Operation, list[Acked]] = defaultdict(list)
        self.violations: list[str] = []
        self.beyond: dict[tuple[int, str], int] = defaultdict(int)
        """By line and window: what settles spent of it above their holds, drawn from the holds around them or not, and
        what was used already."""
        self.forgotten: dict[tuple[int, str], int] = defaultdict(int)
        """By line and window: what late settles spent of it after it was forgotten there, since its period was over."""
        self._windows_held: dict[tuple[int, str], tuple[str, ...]] = {}
        """By line and hold: the windows of budgets that it counted against when it was opened."""
        self._made: dict[tuple[str, int, int], Committed] = {}
        self._flagged: dict[tuple[int, str], int] = defaultdict(int)

    def committed(self, sidecar_id: str, line: int, birth_epoch: int, debit: Debit) -> None:
        """A debit is on the disk."""
        row = Committed(
            sidecar_id,
            line,
            birth_epoch,
            debit.sequence,
            debit.account_id,
            debit.pool_id,
            debit.operation_id,
            debit.amount,
            debit.amount if debit.late else 0,
            debit.over_hold_amount,
            debit.allowance_amount,
            debit.fail_open_amount,
            debit.windows,
        )
        if is_used(debit):
            for name in debit.windows:
                self.beyond[line, name] += debit.amount
        elif not debit.hold_id:
            self._passed(line, debit.subject, debit.amount)
            self._check_windows(debit.operation_id, debit.pool_id, debit.subject, debit.dimensions, debit.windows)
        elif self._windows_held.get((line, debit.hold_id), debit.windows) != debit.windows and (
            debit.windows or not debit.late
        ):
            held = self._windows_held[line, debit.hold_id]
            self.violations.append(f"debit {debit.sequence} counts against {debit.windows}, its hold against {held}")
        place = (sidecar_id, line, debit.sequence)
        if place in self._made:
            self.violations.append(f"I-3: {sidecar_id} made debit {debit.sequence} twice: {self._made[place]}, {row}")
        self._made[place] = row
        is_kept = self._names_kept if row.operation_id.startswith(EVENT_MARK) else self._answers_kept
        if is_kept and any(other.line == line for other in self.by_operation[debit.account_id, debit.operation_id]):
            self.violations.append(f"{sidecar_id} debited operation {debit.operation_id} twice: {row}")
        flagged = row.late_amount + row.over_hold_amount + row.allowance_amount + row.fail_open_amount
        self._flagged[line, debit.pool_id] += flagged
        self.by_sequence[sidecar_id, debit.sequence].append(row)
        self.by_operation[debit.account_id, debit.operation_id].append(row)

    def opened(self, line: int, hold: Hold) -> None:
        """A hold is on the disk that was not there before."""
        self._windows_held[line, hold.hold_id] = tuple(window.pool_id for window in hold.budgets)
        self._passed(line, hold.subject, hold.amount)
        inherited = hold.parent.budgets if hold.parent is not None else ()
        own = tuple(window.pool_id for window in hold.budgets if window not in inherited)
        passed = {window.pool_id for window in inherited}
        self._check_windows(hold.hold_id, hold.pool.pool_id, hold.subject, hold.dimensions, own, passed)

    def _check_windows(
        self,
        name: str,
        pool_id: str,
        subject: str,
        dimensions: Dimensions,
        windows: tuple[str, ...],
        passed: Iterable[str] = (),
    ) -> None:
        """Each budget on the path counts once, those that the hold around it counts against among them."""
        expected = self._windows_of(pool_id, subject, dimensions)
        if expected is not None and sorted(windows) != sorted(expected.difference(passed)):
            self.violations.append(f"the budgets of {name} are {sorted(expected)}, it counts against {windows}")

    def answered(self, sidecar_id: str, line: int, operation: Operation, amount: int) -> None:
        """A client is told that an amount is debited."""
        if not any(row.amount == amount for row in self.by_operation[operation]):
            self.violations.append(f"I-10: {sidecar_id} acked {operation} for {amount} before it was durable")
        self.acked[operation].append(Acked(sidecar_id, line, amount))

    def flagged(self, lines: Iterable[int], pool_id: str) -> int:
        """Returns what folders of these lines debited beyond their rights and said so, in minor units."""
        return sum(self._flagged[line, pool_id] for line in lines)
