"""The independent auditor: rebuilds every figure from the journal and compares. Reads only, and shares no rule."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from holdfast.v1.ledger_sync_service_pb2 import Debit

from holdfast_ledger.posting.books import EXPIRED, ISSUANCE, OVERDRAFT, ROLLOVER, SPEND, VOIDED, books_of, grant_book
from holdfast_ledger.store.interface import EntryType, FlagSum, Grant, GrantState, Lease, LeaseSum, Pool, Reader

PAGE = 1_000
MAX_FINDINGS = 1_000
"""Findings told: one broken total may break thousands of rows."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What the audit read, and what is wrong; nothing wrong: no findings."""

    pool_count: int
    grant_count: int
    lease_count: int
    entry_count: int
    findings: tuple[str, ...]


@dataclass(slots=True)
class _Journal:
    """What the journal of one pool adds up to."""

    books: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """What each book took, less what it gave."""
    moved: defaultdict[EntryType, int] = field(default_factory=lambda: defaultdict(int))
    """What was moved by each type of entry."""
    lapsed: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    """What expired of each grant, less what was revived, by grant_key."""


def audit(reader: Reader) -> AuditReport:
    """Checks that books sum to zero, and that pools, grants, leases and marks are what the journal makes of them."""
    pools = {pool.pool_key: pool for pool in _pools(reader)}
    grants = {key: list(_grants(reader, key)) for key in pools}
    leases, leases_of = list(_leases(reader)), defaultdict[int, list[Lease]](list)
    for lease in leases:
        leases_of[lease.pool_key].append(lease)
    flags = {line.pool_key: line for line in reader.flag_sums()}
    journals, entry_count = _journals(reader, {g.grant_key: g.grant_id for x in grants.values() for g in x})
    findings: list[str] = []
    for key, pool in pools.items():
        name = f"pool {pool.account_id}/{pool.pool_id}"
        findings += [f"{name}: {text}" for text in _pool_findings(pool, grants[key], journals[key])]
        findings += [f"{name}: {text}" for text in _figure_findings(pool, leases_of[key], flags.get(key))]
    findings += _lease_findings(reader, leases)
    findings += _window_findings(reader)
    findings += _mark_findings(reader)
    findings += _replay_findings(reader)
    findings += [f"metering: {text}" for text in reader.metered_not_balanced(MAX_FINDINGS)]
    findings += [f"{name}: refers to a row that is not there" for name in reader.strays(MAX_FINDINGS)]
    findings += [f"debit {key}: its entries do not add up to it" for key in reader.debits_not_balanced(MAX_FINDINGS)]
    wrong = reader.corrections_not_balanced(MAX_FINDINGS)
    findings += [f"debit {key}: its corrections are not what was given back" for key in wrong]
    grant_count = sum(map(len, grants.values()))
    return AuditReport(len(pools), grant_count, len(leases), entry_count, tuple(findings[:MAX_FINDINGS]))


def _pools(reader: Reader) -> Iterator[Pool]:
    after = 0
    while accounts := reader.accounts(after, PAGE):
        after = accounts[-1].account_key
        for account in accounts:
            last = 0
            while pools := reader.pools(account.account_key, last, PAGE):
                last = pools[-1].pool_key
                yield from pools


def _grants(reader: Reader, pool_key: int) -> Iterator[Grant]:
    grants = reader.grants(pool_key, None, PAGE)
    while grants:
        yield from grants
        g = grants[-1]
        after = (g.priority, g.category, g.expires_at_ms, g.effective_at_ms, g.grant_id)
        grants = reader.grants(pool_key, after, PAGE)


def _leases(reader: Reader) -> Iterator[Lease]:
    after = 0
    while leases := reader.leases(None, None, None, after, PAGE):
        after = leases[-1].lease_key
        yield from leases


def _journals(reader: Reader, grant_ids: dict[int, str]) -> tuple[dict[int, _Journal], int]:
    """Returns what the journal of each pool adds up to, and the number of lines."""
    journals: defaultdict[int, _Journal] = defaultdict(_Journal)
    entry_count = 0
    for line in reader.book_lines():
        grant_id = grant_ids.get(line.grant_key, "stray") if line.grant_key is not None else ""
        gives, takes = books_of(line.type, grant_id)
        journal = journals[line.pool_key]
        journal.books[gives] -= line.amount
        journal.books[takes] += line.amount
        journal.moved[line.type] += line.amount
        if line.grant_key is not None and line.type in (EntryType.EXPIRY, EntryType.REVIVAL):
            journal.lapsed[line.grant_key] += line.amount if line.type is EntryType.EXPIRY else -line.amount
        entry_count += line.entry_count
    return journals, entry_count


def _pool_findings(pool: Pool, grants: list[Grant], journal: _Journal) -> Iterator[str]:
    books, moved = journal.books, journal.moved
    corrected = moved[EntryType.CORRECTION] + moved[EntryType.OVERDRAFT_CORRECTION]
    expected = (
        ("granted_total", pool.granted_total, -books[ISSUANCE]),
        ("spent_total", pool.spent_total, books[SPEND]),
        ("expired_total", pool.expired_total, books[EXPIRED]),
        ("voided_total", pool.voided_total, books[VOIDED]),
        ("corrected_total", pool.corrected_total, corrected),
        ("revived_total", pool.revived_total, moved[EntryType.REVIVAL]),
        ("rollover", 0, books[ROLLOVER]),
        ("overdraft", pool.overdraft, -books[OVERDRAFT]),
        ("free + leased", pool.free + pool.leased, pool.posted),
        ("posted", pool.posted, sum(books[grant_book(g.grant_id)] for g in grants) + books[OVERDRAFT]),
    )
    for figure, stored, computed in expected:
        if stored != computed:
            yield f"{figure} is {stored}, the journal says {computed}"
    if sum(books.values()) != 0:
        yield f"the books sum to {sum(books.values())}"
    for grant in grants:
        left = books[grant_book(grant.grant_id)]
        if grant.remaining != left:
            yield f"grant {grant.grant_id}: remaining is {grant.remaining}, the journal says {left}"
        lapsed = journal.lapsed[grant.grant_key]
        if grant.lapsed != lapsed:
            yield f"grant {grant.grant_id}: {grant.lapsed} lapsed, the journal says {lapsed}"
        if (grant.state is GrantState.ACTIVE) != (grant.remaining > 0):
            yield f"grant {grant.grant_id}: is {grant.state.name} with {grant.remaining} left"


def _figure_findings(pool: Pool, leases: list[Lease], flags: FlagSum | None) -> Iterator[str]:
    """What leases and debits say of a pool. The last two totals depend on what was leased when, so they have bounds."""
    flags = flags or FlagSum(pool.pool_key, 0, 0, 0, 0)
    expected = (
        ("leased", pool.leased, sum(lease.outstanding for lease in leases)),
        ("allowance_leased", pool.allowance_leased, sum(lease.allowance_outstanding for lease in leases)),
        ("allowance_spent_total", pool.allowance_spent_total, flags.allowance_amount),
        ("fail_open_total", pool.fail_open_total, flags.fail_open_amount),
        ("over_hold_total", pool.over_hold_total, flags.over_hold_amount),
        ("late_total", pool.late_total, flags.late_amount),
    )
    for figure, stored, computed in expected:
        if stored != computed:
            yield f"{figure} is {stored}, its leases and debits say {computed}"
    bounded = (
        ("unleased_total", pool.unleased_total, pool.spent_total + pool.corrected_total),
        (
            "expired_leased_total",
            pool.expired_leased_total,
            pool.expired_total + pool.revived_total + pool.voided_total,
        ),
    )
    for figure, stored, most in bounded:
        if not 0 <= stored <= most:
            yield f"{figure} is {stored}, not in 0..{most}"


def _lease_findings(reader: Reader, leases: list[Lease]) -> Iterator[str]:
    sums = {line.lease_key: line for line in reader.lease_sums()}
    for lease in leases:
        name = f"lease of pool {lease.pool_key} by {lease.sidecar_id} (life {lease.birth_epoch})"
        if lease.outstanding < 0:
            yield f"{name}: {lease.outstanding} are out"
        if lease.allowance_outstanding < 0:
            yield f"{name}: allowances of {lease.allowance_outstanding} are out"
        posted = sums.get(lease.lease_key) or LeaseSum(lease.lease_key, 0, 0)
        if lease.posted_total != posted.amount:
            yield f"{name}: posted_total is {lease.posted_total}, its debits are {posted.amount}"
        if lease.allowance_posted_total != posted.allowance_amount:
            yield (
                f"{name}: allowance_posted_total is {lease.allowance_posted_total}, its debits used "
                f"{posted.allowance_amount}"
            )


def _window_findings(reader: Reader) -> Iterator[str]:
    """What debits and leases say of windows, which have no journal: the debits that name them are what they are."""
    posted = {line.pool_key: line.amount for line in reader.window_sums()}
    buckets = {line.pool_key: line.amount for line in reader.bucket_sums()}
    leased, lease_findings = _window_leases(reader)
    yield from lease_findings
    after = 0
    while windows := reader.windows_after(after, PAGE):
        after = windows[-1].pool_key
        pools = reader.pools_by_key([window.pool_key for window in windows])
        for window in windows:
            pool, key = pools[window.pool_key], window.pool_key
            left = posted.get(key, 0) - pool.corrected_total - window.left_total
            expected = [
                ("spent_total", pool.spent_total, left),
                ("leased", pool.leased, leased[key]),
                ("free + leased", pool.free + pool.leased, pool.granted_total - pool.spent_total),
                ("voided_total", pool.voided_total, 0),
                ("expired_total", pool.expired_total, 0),
                ("allowance_leased", pool.allowance_leased, 0),
            ]
            if window.rolling_ms:
                expected.append(("spent_total", pool.spent_total, buckets.get(key, 0)))
            for figure, stored, computed in expected:
                if stored != computed:
                    name = f"window {pool.account_id}/{pool.pool_id!r}"
                    yield f"{name}: {figure} is {stored}, its debits and leases say {computed}"


def _window_leases(reader: Reader) -> tuple[defaultdict[int, int], list[str]]:
    """Returns what is out of each window, and what is wrong with its leases."""
    sums = {line[:3]: line.amount for line in reader.window_lease_sums()}
    leased, findings, after = defaultdict[int, int](int), list[str](), 0
    while leases := reader.window_leases(after, PAGE):
        after = leases[-1].lease_key
        for lease in leases:
            leased[lease.pool_key] += lease.outstanding
            name = f"lease of window {lease.pool_key} by {lease.sidecar_id} (life {lease.birth_epoch})"
            posted = sums.get((lease.sidecar_key, lease.birth_epoch, lease.pool_key), 0)
            if lease.outstanding < 0:
                findings.append(f"{name}: {lease.outstanding} are out")
            if lease.posted_total != posted:
                findings.append(f"{name}: posted_total is {lease.posted_total}, its debits are {posted}")
    return leased, findings


def _mark_findings(reader: Reader) -> Iterator[str]:
    kept = {line.sidecar_key: line for line in reader.sequence_sums()}
    after = 0
    while sidecars := reader.sidecars(after, PAGE):
        after = sidecars[-1].sidecar_key
        for sidecar in sidecars:
            line = kept.get(sidecar.sidecar_key)
            count, highest = (line.sequence_count, line.highest_sequence) if line else (0, 0)
            if not sidecar.acked_sequence == count == highest:
                yield (
                    f"sidecar {sidecar.sidecar_id}: acked {sidecar.acked_sequence}, kept {count} debits up to {highest}"
                )


def _replay_findings(reader: Reader) -> Iterator[str]:
    """What was replayed is recorded and was posted once; what left the quarantine is the debit that was posted."""
    for key in reader.replays_not_matched(MAX_FINDINGS):
        yield f"debit {key}: what is recorded of its replay is not what was posted"
    after = (0, 0)
    while lines := reader.quarantined(True, after, PAGE):
        after = lines[-1].position
        for line in lines:
            debit = Debit.FromString(line.debit)
            account = reader.account(debit.account_id)
            traces = reader.debit_traces(account.account_key, debit.operation_id) if account else []
            if not any(trace.debit_key == line.debit_key for trace in traces):
                yield f"sidecar {line.sidecar_id}: debit {line.sequence} left the quarantine and was not posted"
