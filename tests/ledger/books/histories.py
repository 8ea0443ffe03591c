"""Random histories of grants, debits, corrections, voids, expiry, rollover and closings; what must hold after any."""

from collections import defaultdict
from dataclasses import dataclass, field

from holdfast_ledger.books.export import csv_file
from holdfast_ledger.books.figures import REVENUE
from holdfast_ledger.books.months import month_of, month_text, months
from holdfast_ledger.books.policy import Breakage, Policy, Promotional, read_policy
from holdfast_ledger.books.verify import verify
from holdfast_ledger.errors import AlreadyExists, DebitNotFound, InvalidArgument
from holdfast_ledger.store.book_rows import BookMonth, LineSum
from holdfast_ledger.store.interface import NEVER, GrantState, Rollover

from tests.ledger.books import auditor
from tests.ledger.books.setting import DAY_MS, close, keep, lines, set_policy
from tests.ledger.harness import Books, debit

POLICIES = (
    Policy(),
    Policy(Breakage.ESTIMATE, 1_500),
    Policy(Breakage.ESTIMATE, 9_999, Promotional.CONTRA_REVENUE, 7, 3, "USD"),
    Policy(Breakage.AT_EXPIRY, 0, Promotional.CONTRA_REVENUE, 1, 1, "EUR"),
)

Step = tuple[str, int, int, int]
"""What to do, and three numbers from 0 to 99 that say how."""

KINDS = ("grant", "grant", "promotion", "debit", "debit", "debit", "correct", "void", "wait", "wait", "policy", "close")


@dataclass(slots=True)
class History:
    """A ledger to which things happen."""

    books: Books
    sequence: int = 0
    grant_count: int = 0
    fixed: dict[int, list[LineSum]] = field(default_factory=dict)
    """The lines of closed months, as they were when they were closed."""

    def begin(self) -> None:
        """Makes two pools and a sidecar."""
        self.books.open_pool()
        self.books.open_pool("other")
        self.books.hello()

    def step(self, step: Step) -> None:
        """Lets one thing happen; what is refused changes nothing."""
        what, a, b, c = step
        match what:
            case "grant" | "promotion":
                self._grant(what == "promotion", a, b, c)
            case "debit":
                self._debit(a, b, c)
            case "correct" if self.sequence:
                self._correct(a, b)
            case "void":
                self._void(a, b)
            case "wait":
                self.books.clock.advance((1 + a % 20) * DAY_MS // (1 + b % 3))
                if c % 4:
                    self.books.sweep()
            case "policy":
                set_policy(self.books, POLICIES[a % len(POLICIES)])
            case "close":
                self._close(a)

    def _grant(self, promotional: bool, a: int, b: int, c: int) -> None:
        self.grant_count += 1
        now_ms = self.books.clock.now_ms()
        cost = (0, 1, 7 * b + 1, 100_00)[a % 4]
        self.books.grant(
            f"g{self.grant_count}",
            1 + b * 3,
            "other" if a % 5 == 0 else "general",
            category=1 if promotional else 2,
            cost_amount=cost,
            cost_currency=("USD", "EUR")[c % 2] if cost else "",
            effective_at_ms=now_ms + (c % 3) * 5 * DAY_MS,
            expires_at_ms=NEVER if a % 3 == 0 else now_ms + (12 + c % 40) * DAY_MS,
            metadata='{"product": "seats"}' if a % 2 else "{}",
            rollover=Rollover((0, 5_000, 10_000)[c % 3], 0, 10 * DAY_MS, 2) if a % 3 else Rollover(),
        )

    def _debit(self, a: int, b: int, c: int) -> None:
        self.sequence += 1
        settled_ms = self.books.clock.now_ms() - (c % 45) * DAY_MS
        said = debit(
            self.sequence,
            1 + a * 2,
            pool_id="other" if b % 5 == 0 else "general",
            settled_at_unix_ms=settled_ms if c % 3 else 0,
            hold_age_ms=(b % 3) * 10 * DAY_MS,
        )
        self.books.post(said)

    def _correct(self, a: int, b: int) -> None:
        operation = f"op-{1 + a % self.sequence}"
        for pool_id in ("general", "other"):
            try:
                self.books.correct(operation, (0, 1, 5)[b % 3], f"c-{self.sequence}-{a}-{b}", pool_id)
            except (AlreadyExists, InvalidArgument):
                return  # nothing, or less, is left of it
            except DebitNotFound:
                continue

    def _void(self, a: int, b: int) -> None:
        for pool_id in ("general", "other"):
            grants = sorted(self.books.grants(pool_id).values(), key=lambda grant: grant.grant_id)
            left = [g for g in grants if g.state is not GrantState.VOIDED]
            if left:
                grant = left[a % len(left)]
                most = -(-grant.cost_amount * grant.remaining // grant.amount) if grant.category == 2 else 0
                self.books.void(grant.grant_id, pool_id, (0, most, most // 2)[b % 3])
                return

    def _close(self, a: int) -> None:
        now = month_of(self.books.clock.now_ms())
        over = [month for month in months(202701, now)[:-1] if month > max(self.fixed, default=0)]
        if over:
            close(self.books, over[a % len(over)])
            with self.books.store.reading() as reader:
                for closed in reader.closed_periods():
                    self.fixed.setdefault(closed.period, reader.closed_sums(closed.period, closed.period, None))

    def check(self) -> None:
        """Asserts what holds after any history."""
        last = month_of(self.books.clock.now_ms())
        found = lines(self.books, 202701, last)
        _check_lines(found)
        for period, fixed in self.fixed.items():
            assert [line for line in found if line.period == period] == fixed, "closed figures never change"
        self._check_totals(found, last)
        self._check_accounts(found, last)
        self._check_export(found, last)
        keep(self.books)
        with self.books.store.reading() as reader:
            assert verify(reader).findings == []

    def _check_totals(self, found: list[LineSum], last: int) -> None:
        """What was granted is earned, broken, paid back or deferred; what is deferred is what is left of grants."""
        revenue = [line for line in found if line.kind == REVENUE]
        grants = [g for pool in ("general", "other") for g in self.books.grants(pool).values()]
        begun = [g for g in grants if g.category == 2 and self._has_begun(g.grant_key)]
        assert sum(x.granted for x in revenue) == sum(g.cost_amount for g in begun if not g.rolled_from)
        closing = sum(x.closing for x in revenue if x.period == last)
        parts = sum(x.recognised + x.breakage + x.refunded for x in revenue)
        assert sum(x.granted for x in revenue) == parts + closing
        assert sum(x.recognised for x in revenue) == sum(
            g.cost_amount * self._burned(g.grant_key) // g.amount for g in begun
        )
        deferred = sum(-(-g.cost_amount * g.remaining // g.amount) for g in begun)
        assert 0 <= closing <= deferred
        with self.books.store.reading() as reader:
            estimated = '"breakage": 2' in reader.books().policy
        assert estimated or closing == deferred

    def _check_export(self, found: list[LineSum], last: int) -> None:
        """Who has the export alone arrives at the same lines, where nothing is estimated."""
        with self.books.store.reading() as reader:
            policies = {reader.books().policy, *(closed.policy for closed in reader.closed_periods())}
            if any(read_policy(text) != Policy() for text in policies):
                return
            export = csv_file(reader.export_lines(None, 0, 0, reader.books().last_entry_key, 100_000))
        worked_out = auditor.roll_forward(export, [month_text(month) for month in months(202701, last)])
        told = [
            auditor.Row(month_text(x.period), x.product, x.currency, *x[4:10])
            for x in found
            if x.kind == REVENUE and any(x[4:10])
        ]
        assert worked_out == told, "what the export says"

    def _has_begun(self, grant_key: int) -> bool:
        return any(row.grant_key == grant_key for row in self._rows())

    def _burned(self, grant_key: int) -> int:
        return sum(row.burned for row in self._rows() if row.grant_key == grant_key)

    def _rows(self) -> list[BookMonth]:
        with self.books.store.reading() as reader:
            return list(reader.book_months(0, 2**62, 0))

    def _check_accounts(self, found: list[LineSum], last: int) -> None:
        """There is one account: its lines are all lines."""
        key = self.books.pool().account_key
        assert lines(self.books, 202701, last, key) == found


def _check_lines(found: list[LineSum]) -> None:
    closing: defaultdict[tuple[str, str], int] = defaultdict(int)
    for line in found:
        if line.kind != REVENUE:
            continue
        assert line.opening == closing[line.product, line.currency], "as the month before closed"
        moved = line.granted - line.recognised - line.breakage - line.refunded
        assert line.opening + moved == line.closing
        closing[line.product, line.currency] = line.closing
