"""The independent checker: compares what clients saw with the sidecars' folders and the ledger's rows.

It shares no rule with the sidecar or the ledger, only the words. Each check is one function that names what is wrong;
no finding means that all agrees. Upstream: `history`, `evidence`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.nemesis.evidence import Debit, Folder, Rows
from tests.nemesis.history import Attempt, Outcome

DEBITING = {"settle", "charge"}
DECIDING = {"reserve", "charge"}


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a run left behind, after it had converged. Hosts are named as their sidecars are."""

    attempts: list[Attempt]
    folders: dict[str, Folder]
    rows: Rows
    partitioned_decisions: dict[str, int] = field(default_factory=dict)
    """What `holdfast_decisions_total{mode="PARTITIONED"}` says, for sidecars that were never restarted."""


def check(evidence: Evidence) -> list[str]:
    """Runs every check; returns what is wrong."""
    return [finding for rule in CHECKS for finding in rule(evidence)]


def acked_debits_are_posted_once(evidence: Evidence) -> Iterator[str]:
    """Every acknowledged settle or charge is posted exactly once, with its amount."""
    posted: defaultdict[str, list[int]] = defaultdict(list)
    for _, _, debit in evidence.rows.debits:
        posted[debit.operation_id].append(debit.amount)
    for attempt in evidence.attempts:
        acked = attempt.kind in DEBITING and attempt.outcome is Outcome.OK and attempt.answer.amount > 0
        if acked and posted[attempt.operation_id] != [attempt.answer.amount]:
            name, amount = attempt.operation_id, attempt.answer.amount
            yield f"{name}: {amount} acked by {attempt.host}, posted: {posted[attempt.operation_id]}"


def posted_debits_were_asked_for(evidence: Evidence) -> Iterator[str]:
    """Every debit, wherever it is, is one that a client asked that host for, as it stands, and that was not refused."""
    asked: defaultdict[tuple[str, str], list[Attempt]] = defaultdict(list)
    for attempt in evidence.attempts:
        if attempt.kind in DEBITING and attempt.may_have_happened:
            asked[attempt.host, attempt.operation_id].append(attempt)
    for sidecar, sequence, debit in _all_debits(evidence):
        fits = any(
            (attempt.amount, attempt.pool, attempt.hold_id) == (debit.amount, debit.pool, debit.hold_id)
            for attempt in asked[sidecar, debit.operation_id]
        )
        if not fits:
            yield f"{sidecar} {sequence}: {debit} was never asked for"


def sequences_are_whole(evidence: Evidence) -> Iterator[str]:
    """Each sequence up to a sidecar's mark is in the ledger exactly once, as a debit or a duplicate."""
    rows = evidence.rows
    kept = Counter((sidecar, sequence) for sidecar, sequence, _ in rows.debits)
    kept.update(rows.duplicates.keys())
    kept.update(rows.quarantined.keys())
    expected = {(sidecar, n) for sidecar, mark in rows.acked.items() for n in range(1, mark + 1)}
    for name in sorted(expected | set(kept)):
        if kept[name] != (name in expected):
            yield f"{name}: in the ledger {kept[name]} times, the mark is {rows.acked.get(name[0])}"
    for name, reason in rows.quarantined.items():
        yield f"{name}: is quarantined, {reason}"


def folders_and_ledger_agree(evidence: Evidence) -> Iterator[str]:
    """What a folder made is posted as it stands or still to be sent; a duplicate is one of the same operation."""
    rows = evidence.rows
    posted = {(sidecar, sequence): debit for sidecar, sequence, debit in rows.debits}
    for sidecar, folder in evidence.folders.items():
        mark = rows.acked.get(sidecar, 0)
        if not folder.acked_sequence <= mark <= folder.last_sequence:
            yield f"{sidecar}: knows {folder.acked_sequence} of {folder.last_sequence} to be posted, the mark is {mark}"
        if missing := set(range(mark + 1, folder.last_sequence + 1)) - set(folder.debits):
            yield f"{sidecar}: debits {sorted(missing)[:5]} are neither posted nor kept"
        for sequence, debit in folder.debits.items():
            name = (sidecar, sequence)
            duplicate = rows.duplicates.get(name)
            if duplicate is not None:
                first = posted.get(duplicate.first)
                if first is None or (first.operation_id, duplicate.amount) != (debit.operation_id, debit.amount):
                    yield f"{name}: {debit} counts as a duplicate of {first}"
            elif sequence <= mark and posted.get(name) != debit:
                yield f"{name}: {debit} was made, {posted.get(name)} is posted"
    for name, duplicate in rows.duplicates.items():
        if duplicate.first == name or name in posted or duplicate.first not in posted:
            yield f"{name}: is a duplicate of {duplicate.first}, which is not posted"


def totals_of_folders_are_their_debits(evidence: Evidence) -> Iterator[str]:
    """A folder's consumed totals are its debits, all of which it keeps here."""
    for sidecar, folder in evidence.folders.items():
        if set(folder.debits) != set(range(1, folder.last_sequence + 1)):
            yield f"{sidecar}: has made {folder.last_sequence} debits and keeps {len(folder.debits)}"
        for pool, consumed in folder.consumed.items():
            made = sum(debit.amount for debit in folder.debits.values() if debit.pool == pool)
            if made != consumed:
                yield f"{sidecar}/{pool}: {consumed} consumed, its debits are {made}"


def credits_are_conserved(evidence: Evidence) -> Iterator[str]:
    """Per pool: granted - spent - expired = free + leased; leased is what the leases have out; spent is the debits."""
    rows = evidence.rows
    for name, pool in rows.pools.items():
        leases = [lease for lease in rows.leases if lease.pool == name]
        figures = (
            ("granted - spent - expired", pool.granted - pool.spent - pool.expired, pool.free + pool.leased),
            ("leased", pool.leased, sum(x.granted - x.reclaimed - x.returned - x.posted for x in leases)),
            ("allowance_leased", pool.allowance_leased, sum(lease.allowance_out for lease in leases)),
            ("spent", pool.spent, sum(debit.amount for _, _, debit in rows.debits if debit.pool == name)),
        )
        yield from (f"pool {name}: {what} is {is_}, not {should}" for what, is_, should in figures if is_ != should)
        for lease in leases:
            if lease.granted - lease.reclaimed - lease.returned - lease.posted < 0:
                yield f"{lease}: less than nothing is out"
    for sidecar, sequence, debit in rows.debits:
        written = rows.entries.get((sidecar, sequence))
        if written != debit.amount:
            yield f"{sidecar} {sequence}: {debit.amount} debited, the journal has {written}"


def leases_count_what_was_posted(evidence: Evidence) -> Iterator[str]:
    """A sidecar's posted totals are its debits in the ledger, duplicates included."""
    rows = evidence.rows
    due: Counter[tuple[str, str]] = Counter()
    for sidecar, _, debit in rows.debits:
        due[sidecar, debit.pool] += debit.amount
    for (sidecar, _), duplicate in rows.duplicates.items():
        due[sidecar, duplicate.pool] += duplicate.amount
    counted: Counter[tuple[str, str]] = Counter()
    for lease in rows.leases:
        counted[lease.sidecar, lease.pool] += lease.posted
    for name in sorted(due.keys() | counted.keys()):
        if due[name] != counted[name]:
            yield f"{name}: posted_total is {counted[name]}, its debits are {due[name]}"


def no_right_exists_twice(evidence: Evidence) -> Iterator[str]:
    """What a sidecar takes for its rights is at most what the ledger counts as being out there."""
    granted: Counter[tuple[str, str]] = Counter()
    out: Counter[tuple[str, str]] = Counter()
    for lease in evidence.rows.leases:
        granted[lease.sidecar, lease.pool] += lease.granted
        out[lease.sidecar, lease.pool] += lease.granted - lease.reclaimed - lease.returned - lease.posted
    for sidecar, folder in evidence.folders.items():
        for pool, known in folder.granted.items():
            if known > granted[sidecar, pool]:
                yield f"{sidecar}/{pool}: knows of {known} granted, the ledger of {granted[sidecar, pool]}"
        for pool, rights in folder.rights_out.items():
            if rights > out[sidecar, pool]:
                yield f"{sidecar}/{pool}: has rights to {rights}, the ledger says {out[sidecar, pool]}"


def overdraft_is_within_the_bound(evidence: Evidence) -> Iterator[str]:
    """What a pool is below zero is at most allowances, over-hold, late and fail-open spends; each is as flagged."""
    rows = evidence.rows
    for name, pool in rows.pools.items():
        debits = [debit for _, _, debit in rows.debits if debit.pool == name]
        allowance = sum(debit.allowance_amount for debit in debits)
        fail_open = sum(debit.fail_open_amount for debit in debits)
        over_hold = sum(debit.over_hold_amount for debit in debits)
        late = sum(debit.amount for debit in debits if debit.late)
        figures = (
            ("allowance_spent", pool.allowance_spent, allowance),
            ("fail_open", pool.fail_open, fail_open),
            ("over_hold", pool.over_hold, over_hold),
            ("late", pool.late, late),
        )
        yield from (f"pool {name}: {what} is {is_}, not {should}" for what, is_, should in figures if is_ != should)
        overdraft = max(0, pool.spent + pool.expired - pool.granted)
        bound = min(allowance, pool.partition_limit) + fail_open + _unforeseen(evidence, name)
        if overdraft > bound:
            yield f"pool {name}: the overdraft is {overdraft}, the bound {bound}"


def allowances_stay_within_the_threshold(evidence: Evidence) -> Iterator[str]:
    """Allowances are used only where there are some, and those out find room within the threshold."""
    for name, pool in evidence.rows.pools.items():
        debits = [debit for _, _, debit in _all_debits(evidence) if debit.pool == name]
        used = sum(debit.allowance_amount for debit in debits)
        if used and not pool.partition_limit:
            yield f"pool {name}: {used} of allowances used, it has none"
        room = pool.partition_limit + sum(debit.fail_open_amount for debit in debits) + _unforeseen(evidence, name)
        if pool.allowance_leased - min(0, pool.free) > room:
            yield f"pool {name}: allowances of {pool.allowance_leased} are out with {pool.free} free, room is {room}"


def holds_are_left_only_where_clients_left_them(evidence: Evidence) -> Iterator[str]:
    """An open hold is one that a client opened on that host and has not been told to be settled or released there."""
    opened: dict[tuple[str, str], int] = {}
    closed: set[tuple[str, str]] = set()
    for attempt in evidence.attempts:
        if attempt.kind == "reserve" and attempt.may_have_happened:
            opened[attempt.host, attempt.operation_id] = attempt.amount
        ended = attempt.kind == "release" or (attempt.kind == "settle" and attempt.final)
        if ended and attempt.outcome is Outcome.OK:
            closed.add((attempt.host, attempt.hold_id))
    for sidecar, folder in evidence.folders.items():
        for hold_id, amount in folder.holds.items():
            name = (sidecar, hold_id)
            if name in closed:
                yield f"{name}: is open, and was settled or released"
            elif amount > opened.get(name, -1):
                yield f"{name}: holds {amount}, asked for {opened.get(name)}"


def partitioned_decisions_were_counted(evidence: Evidence) -> Iterator[str]:
    """The decisions that clients saw as PARTITIONED are those that the sidecar counted."""
    for host, counted in evidence.partitioned_decisions.items():
        seen: set[str] = set()
        most = 0
        for attempt in evidence.attempts:
            if attempt.host != host or attempt.kind not in DECIDING or attempt.outcome is Outcome.FAIL:
                continue
            if attempt.outcome is not Outcome.OK:
                most += 1
            elif attempt.answer.mode == "PARTITIONED":
                seen.add(attempt.operation_id)
                most += 1
        if not len(seen) <= counted <= most:
            yield f"{host}: {counted} decisions counted as PARTITIONED, clients saw {len(seen)}..{most}"


def _unforeseen(evidence: Evidence, pool: str) -> int:
    """What was spent beyond any hold or after it, or of rights that were no longer there to be spent."""
    rows = evidence.rows
    row = rows.pools[pool]
    debits = [debit for _, _, debit in rows.debits if debit.pool == pool]
    beyond = sum(debit.amount if debit.late else debit.over_hold_amount for debit in debits)
    # Rights that were reclaimed may be spent by a sidecar that comes back; nothing else is let through unflagged.
    was_reclaimed = any(lease.reclaimed for lease in rows.leases if lease.pool == pool)
    return beyond + row.expired_leased + (row.unleased if was_reclaimed else 0)


def _all_debits(evidence: Evidence) -> Iterator[tuple[str, int, Debit]]:
    """Those of the ledger, and those of the folders that it does not have."""
    yield from evidence.rows.debits
    for sidecar, folder in evidence.folders.items():
        mark = evidence.rows.acked.get(sidecar, 0)
        yield from ((sidecar, sequence, debit) for sequence, debit in folder.debits.items() if sequence > mark)


CHECKS: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    acked_debits_are_posted_once,
    posted_debits_were_asked_for,
    sequences_are_whole,
    folders_and_ledger_agree,
    totals_of_folders_are_their_debits,
    credits_are_conserved,
    leases_count_what_was_posted,
    no_right_exists_twice,
    overdraft_is_within_the_bound,
    allowances_stay_within_the_threshold,
    holds_are_left_only_where_clients_left_them,
    partitioned_decisions_were_counted,
)
