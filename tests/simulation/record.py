"""What clients were told and what disks kept, over the whole run: the side of the comparison that is not the ledger's.

It shares no rule with the code under test: it only remembers.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from holdfast_sidecar.engine.state import Debit

Operation: TypeAlias = tuple[str, str]
"""(account_id, operation_id)."""


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


@dataclass(frozen=True, slots=True)
class Acked:
    """A settle or charge that a client was told is done."""

    sidecar_id: str
    line: int
    amount: int


class Record:
    """Remembers; `violations` has what cannot be, found while remembering."""

    def __init__(self, answers_kept: bool) -> None:
        """Starts empty.

        Args:
            answers_kept: whether sidecars keep their answers for the whole run, so that none debits one operation
                twice.
        """
        self._answers_kept = answers_kept
        self.by_sequence: dict[tuple[str, int], list[Committed]] = defaultdict(list)
        self.by_operation: dict[Operation, list[Committed]] = defaultdict(list)
        self.acked: dict[Operation, list[Acked]] = defaultdict(list)
        self.violations: list[str] = []
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
        )
        place = (sidecar_id, line, debit.sequence)
        if place in self._made:
            self.violations.append(f"I-3: {sidecar_id} made debit {debit.sequence} twice: {self._made[place]}, {row}")
        self._made[place] = row
        if self._answers_kept and any(
            other.line == line for other in self.by_operation[debit.account_id, debit.operation_id]
        ):
            self.violations.append(f"{sidecar_id} debited operation {debit.operation_id} twice: {row}")
        flagged = row.late_amount + row.over_hold_amount + row.allowance_amount + row.fail_open_amount
        self._flagged[line, debit.pool_id] += flagged
        self.by_sequence[sidecar_id, debit.sequence].append(row)
        self.by_operation[debit.account_id, debit.operation_id].append(row)

    def answered(self, sidecar_id: str, line: int, operation: Operation, amount: int) -> None:
        """A client is told that an amount is debited."""
        if not any(row.amount == amount for row in self.by_operation[operation]):
            self.violations.append(f"I-10: {sidecar_id} acked {operation} for {amount} before it was durable")
        self.acked[operation].append(Acked(sidecar_id, line, amount))

    def flagged(self, lines: Iterable[int], pool_id: str) -> int:
        """Returns what folders of these lines debited beyond their rights and said so, in minor units."""
        return sum(self._flagged[line, pool_id] for line in lines)
