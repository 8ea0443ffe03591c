"""Compares what the agents, the sidecar and the ledger say of the same run. Pure: evidence in, findings out.

The agents' history of acked settles is the oracle: the ledger's journal has to have exactly those debits.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from holdfast.answers import Balance
from holdfast.v1.ledger_service_pb2 import ENTRY_TYPE_DEBIT, ENTRY_TYPE_OVERDRAFT, Entry, Grant, PoolBalance

from holdfast_bench.demo.agents import Fanout
from holdfast_bench.demo.history import Acked
from holdfast_bench.demo.plan import as_credits

_EXAMPLES = 3
"""Operations named of each kind of finding."""


@dataclass(frozen=True, slots=True)
class Race:
    """A fan-out while nothing else moved and nothing was held."""

    available_before: int
    """Balance that it raced for, in minor units."""
    fanout: Fanout


@dataclass(frozen=True, slots=True)
class Evidence:
    """What each side says at the end, when nothing is held and everything is drained. Amounts in minor units."""

    history: Sequence[Acked]
    entries: Sequence[Entry]
    """The pool's journal, in its order."""
    grants: Sequence[Grant]
    """In the order in which they have to burn."""
    ledger: PoolBalance
    sidecar: Balance
    outbox_count: int
    """Debits that the sidecar has and the ledger has not acked."""
    committed_peak: int
    """The most that the agents ever had spent or held, by their own count."""
    least_available: int
    """The lowest balance that an answer told."""
    flagged_count: int
    """Settles that were late or above their hold."""
    races: Sequence[Race]


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, and whether it was kept."""

    name: str
    proof: str
    """What was compared."""
    faults: tuple[str, ...]
    """What is wrong; empty: it was kept."""

    @property
    def holds(self) -> bool:
        """Whether it was kept."""
        return not self.faults


@dataclass(frozen=True, slots=True)
class Burn:
    """What one grant gave."""

    grant_id: str
    granted: int
    burned: int
    debit_count: int


def reconcile(evidence: Evidence) -> list[Check]:
    """Checks every promise of the demo."""
    settled = [acked for acked in evidence.history if acked.amount]
    total = sum(acked.amount for acked in settled)
    return [
        Check(
            "acked settles are in the ledger once each",
            f"{len(settled):,} settles, {as_credits(total)} credits",
            tuple(_debit_faults(settled, evidence.entries)),
        ),
        Check(
            "balances are equal on both sides",
            f"posted {as_credits(evidence.ledger.posted)}, held {as_credits(evidence.sidecar.held)}",
            tuple(_balance_faults(evidence, total)),
        ),
        Check(
            "the books sum to zero",
            f"{len(evidence.entries):,} journal entries",
            tuple(_book_faults(evidence)),
        ),
        Check(
            "overdraft is zero",
            f"least available {as_credits(evidence.least_available)}",
            tuple(_overdraft_faults(evidence)),
        ),
        Check(
            "grants burned in their order",
            " > ".join(grant.grant_id for grant in evidence.grants),
            tuple(_order_faults(evidence.grants, evidence.entries)),
        ),
        Check(
            "no fan-out got more than there was",
            f"{len(evidence.races)} on the last credits",
            tuple(_race_faults(evidence.races)),
        ),
    ]


def burns(grants: Sequence[Grant], entries: Iterable[Entry]) -> list[Burn]:
    """What each grant gave, in the order in which the journal first burned them; unburned ones last."""
    amounts: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for entry in entries:
        if entry.type == ENTRY_TYPE_DEBIT:
            amounts[entry.grant_id] += entry.amount
            counts[entry.grant_id] += 1
    granted = {grant.grant_id: grant.amount for grant in grants}
    order = dict.fromkeys([*amounts, *granted])
    return [Burn(grant_id, granted.get(grant_id, 0), amounts[grant_id], counts[grant_id]) for grant_id in order]


def _debit_faults(settled: Sequence[Acked], entries: Iterable[Entry]) -> Iterator[str]:
    told: dict[str, int] = {acked.operation_id: acked.amount for acked in settled}
    if len(told) != len(settled):
        yield f"the history has {len(settled) - len(told)} operations twice"
    posted: Counter[str] = Counter()
    debits: defaultdict[str, set[tuple[str, int, int]]] = defaultdict(set)
    for entry in entries:
        if entry.type in (ENTRY_TYPE_DEBIT, ENTRY_TYPE_OVERDRAFT):
            posted[entry.operation_id] += entry.amount
            debits[entry.operation_id].add((entry.sidecar_id, entry.epoch, entry.sequence))
    yield from _named("acked, but not in the ledger", [name for name in told if name not in posted])
    yield from _named("in the ledger, but never acked", [name for name in posted if name not in told])
    doubled = [name for name, numbers in debits.items() if len(numbers) > 1]
    yield from _named("debited more than once", doubled)
    wrong = [name for name in told if name in posted and posted[name] != told[name] and name not in doubled]
    yield from _named("debited at another amount than acked", wrong)


def _balance_faults(evidence: Evidence, settled_total: int) -> Iterator[str]:
    ledger, sidecar = evidence.ledger, evidence.sidecar
    yield from _unequal("posted", ("sidecar", sidecar.posted), ("ledger", ledger.posted))
    yield from _unequal("held at the sidecar", ("found", sidecar.held), ("expected", 0))
    yield from _unequal("holds open at the sidecar", ("found", sidecar.hold_count), ("expected", 0))
    yield from _unequal("debits that the ledger has not acked", ("found", evidence.outbox_count), ("expected", 0))
    yield from _unequal("available", ("sidecar", sidecar.available), ("ledger's posted", ledger.posted))
    yield from _unequal("spent", ("ledger", ledger.spent_total), ("acked", settled_total))
    yield from _unequal("free + leased", ("found", ledger.free + ledger.leased), ("posted", ledger.posted))
    left = sum(grant.remaining for grant in evidence.grants)
    yield from _unequal("left in the grants", ("found", left), ("posted", ledger.posted))


def _book_faults(evidence: Evidence) -> Iterator[str]:
    """An entry takes from one book what it gives to another; each book has to be what the ledger says of it."""
    books: Counter[str] = Counter()
    for entry in evidence.entries:
        books[entry.from_book] -= entry.amount
        books[entry.to_book] += entry.amount
    ledger = evidence.ledger
    yield from _unequal("sum of the books", ("found", sum(books.values())), ("expected", 0))
    yield from _unequal("book issuance", ("journal", books["issuance"]), ("ledger", -ledger.granted_total))
    yield from _unequal("book spend", ("journal", books["spend"]), ("ledger", ledger.spent_total))
    yield from _unequal("book expired", ("journal", books["expired"]), ("ledger", ledger.expired_total))
    yield from _unequal("book overdraft", ("journal", -books["overdraft"]), ("ledger", ledger.overdraft))
    for grant in evidence.grants:
        book = f"grant:{grant.grant_id}"
        yield from _unequal(f"book {book}", ("journal", books[book]), ("ledger", grant.remaining))


def _overdraft_faults(evidence: Evidence) -> Iterator[str]:
    granted = evidence.ledger.granted_total
    if evidence.ledger.overdraft or evidence.ledger.posted < 0:
        yield f"the pool is overdrawn by {max(evidence.ledger.overdraft, -evidence.ledger.posted)}"
    uncovered = [entry.operation_id for entry in evidence.entries if entry.type == ENTRY_TYPE_OVERDRAFT]
    yield from _named("debited without a grant", uncovered)
    if evidence.least_available < 0:
        yield f"an answer told {evidence.least_available} available"
    if evidence.committed_peak > granted:
        yield f"the agents had {evidence.committed_peak} spent or held at once, of {granted} granted"
    if evidence.flagged_count:
        yield f"{evidence.flagged_count} settles were late or above their hold"


def _order_faults(grants: Sequence[Grant], entries: Iterable[Entry]) -> Iterator[str]:
    """Along the journal, a grant burns only when all that come before it are used up."""
    left = {grant.grant_id: grant.amount for grant in sorted(grants, key=_burn_position)}
    for entry in entries:
        if entry.type != ENTRY_TYPE_DEBIT:
            continue
        before = next((grant_id for grant_id, amount in left.items() if amount), None)
        if before != entry.grant_id:
            yield f"entry {entry.entry_id} burned {entry.grant_id} while {before} was next"
            return
        left[entry.grant_id] -= entry.amount
        if left[entry.grant_id] < 0:
            yield f"entry {entry.entry_id} burned more of {entry.grant_id} than it had"
            return


def _burn_position(grant: Grant) -> tuple[int, int, float, int, str]:
    """The documented order: priority, promotional before paid, sooner expiry and never last, earlier effective, id."""
    expires_at = grant.expires_at_unix_ms or float("inf")
    return grant.priority, grant.category, expires_at, grant.effective_at_unix_ms, grant.grant_id


def _race_faults(races: Sequence[Race]) -> Iterator[str]:
    for number, race in enumerate(races, start=1):
        fanout, granted = race.fanout, sum(race.fanout.granted)
        left = race.available_before - granted
        if left < 0:
            yield f"fan-out {number} was granted {granted} of {race.available_before}"
        yield from _unequal(f"left after fan-out {number}", ("told", fanout.least_available), ("counted", left))
        if fanout.denied and min(fanout.denied) <= left:
            yield f"fan-out {number} was denied {min(fanout.denied)} while {left} was left"


def _unequal(what: str, one: tuple[str, int], other: tuple[str, int]) -> Iterator[str]:
    if one[1] != other[1]:
        yield f"{what}: {one[0]} {one[1]:,}, {other[0]} {other[1]:,}"


def _named(what: str, operation_ids: Sequence[str]) -> Iterator[str]:
    if operation_ids:
        more = ", …" if len(operation_ids) > _EXAMPLES else ""
        yield f"{len(operation_ids):,} {what}: {', '.join(operation_ids[:_EXAMPLES])}{more}"
