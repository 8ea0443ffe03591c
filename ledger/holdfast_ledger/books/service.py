"""`holdfast.v1.BooksService`: what is asked of the books, and told of them. Downstream: the other files of `books`."""

from collections.abc import Callable, Sequence

from holdfast.v1 import books_service_pb2 as api

from holdfast_ledger.access.caller import current_caller
from holdfast_ledger.books.closing import Closing
from holdfast_ledger.books.export import csv_file, parquet_file, period_of
from holdfast_ledger.books.figures import PROMOTION, REVENUE
from holdfast_ledger.books.keeping import Bookkeeper, kept_by_another
from holdfast_ledger.books.months import begin_ms, month_text, read_month, read_range
from holdfast_ledger.books.policy import policy_message, policy_said, read_policy, write_policy
from holdfast_ledger.books.report import check_fits, roll_forward
from holdfast_ledger.books.verify import Verdict, verify
from holdfast_ledger.errors import InvalidArgument, PermissionDenied, Unavailable
from holdfast_ledger.lookups import find_account
from holdfast_ledger.paging import page_limit, read_token, write_token
from holdfast_ledger.snapshots import Snapshots
from holdfast_ledger.store.book_rows import ClosedPeriod, ExportLine, LineSum
from holdfast_ledger.store.interface import Reader, Writer
from holdfast_ledger.validation import check_id, check_range
from holdfast_ledger.writer import GroupWriter

DEFAULT_EXPORT_LINES = 10_000

MAX_EXPORT_LINES = 100_000
"""Lines of a page, and lines that are looked at for one: those of other months are left out."""

EXPORT_READ_LINES = 1_000
"""Lines read at a time."""

MAX_EXPORT_CHARS = 8 * 1024 * 1024
"""Characters of dimensions and names after which a page ends: lines may have kilobytes of them."""

HASH_BYTES = 32


class BooksServicer:
    """The calls of `holdfast.v1.BooksService`, by name; each raises a `LedgerError`."""

    def __init__(
        self, snapshots: Snapshots, writer: GroupWriter, keeper: Bookkeeper, now_ms: Callable[[], int]
    ) -> None:
        self._snapshots = snapshots
        self._writer = writer
        self._keeper = keeper
        self._closing = Closing(snapshots, writer, keeper, now_ms)
        self._now_ms = now_ms

    async def GetRollForward(self, request: api.GetRollForwardRequest) -> api.GetRollForwardResponse:
        """See the contract."""
        first, last = read_range(request.first_period, request.last_period)
        account_id = _account(request.account_id)
        await self._keeper.catch_up()

        def query(reader: Reader) -> tuple[list[LineSum], int, int]:
            key = find_account(reader, account_id).account_key if account_id else None
            lines, last_closed = roll_forward(reader, first, last, key, self._now_ms())
            return lines, last_closed, reader.books().last_entry_key

        lines, last_closed, last_entry = await self._snapshots.read(query)
        for line in lines:
            check_fits(line, f"account {account_id}" if account_id else "all accounts together (ask for one)")
        return api.GetRollForwardResponse(
            lines=[_line(line, last_closed) for line in lines if line.kind == REVENUE],
            promotional_lines=[_promotional(line) for line in lines if line.kind == PROMOTION],
            last_entry_id=last_entry,
        )

    async def SetRevenuePolicy(self, request: api.SetRevenuePolicyRequest) -> api.SetRevenuePolicyResponse:
        """See the contract."""
        policy = policy_said(request.policy)

        def job(writer: Writer) -> None:
            state = writer.lock_books()
            if kept_by_another(state, self._now_ms()):
                raise Unavailable("months are being closed; set the policy when that is done")
            writer.save_books(state._replace(policy=write_policy(policy)))

        await self._writer.run(job, alone=True)
        return api.SetRevenuePolicyResponse(policy=policy_message(policy))

    async def GetRevenuePolicy(self, request: api.GetRevenuePolicyRequest) -> api.GetRevenuePolicyResponse:
        """See the contract."""
        text = await self._snapshots.read(lambda reader: reader.books().policy)
        return api.GetRevenuePolicyResponse(policy=policy_message(read_policy(text)))

    async def ClosePeriod(self, request: api.ClosePeriodRequest) -> api.ClosePeriodResponse:
        """See the contract."""
        closed = await self._closing.close(read_month("period", request.period))
        return api.ClosePeriodResponse(period=_closed(closed))

    async def ListPeriods(self, request: api.ListPeriodsRequest) -> api.ListPeriodsResponse:
        """See the contract."""
        limit, scope = page_limit(request.page_size), ("periods",)
        key = read_token(scope, request.page_token, [int])
        periods = await self._snapshots.read(lambda reader: reader.closed_periods()[::-1])
        left = [one for one in periods if key is None or one.period < int(key[0])]
        token = write_token(scope, [left[limit - 1].period]) if len(left) > limit else ""
        return api.ListPeriodsResponse(periods=map(_closed, left[:limit]), next_page_token=token)

    async def ExportEntries(self, request: api.ExportEntriesRequest) -> api.ExportEntriesResponse:
        """See the contract."""
        formats = {api.EXPORT_FORMAT_CSV: csv_file, api.EXPORT_FORMAT_PARQUET: parquet_file}
        write = formats.get(request.format)
        if write is None:
            raise InvalidArgument("format", "is not one of the formats")
        check_range("page_size", request.page_size, 0, MAX_EXPORT_LINES)
        asked = _Export(request, _account(request.account_id))
        if not request.page_token:
            await self._keeper.catch_up()

        def query(reader: Reader) -> tuple[bytes, int, str]:
            lines, token = asked.page(reader)
            return write(lines), len(lines), token

        content, count, token = await self._snapshots.read(query)
        return api.ExportEntriesResponse(content=content, line_count=count, next_page_token=token)

    async def VerifyJournal(self, request: api.VerifyJournalRequest) -> api.VerifyJournalResponse:
        """See the contract."""
        if len(request.expected_hash) not in (0, HASH_BYTES):
            raise InvalidArgument("expected_hash", f"is not {HASH_BYTES} bytes long")
        await self._keeper.catch_up()
        verdict = await self._snapshots.read(lambda reader: verify(reader, request.expected_hash))
        return verdict_message(verdict)


class _Export:
    """One page of journal lines."""

    def __init__(self, request: api.ExportEntriesRequest, account_id: str) -> None:
        """Raises `InvalidArgument`."""
        self._first = read_month("first_period", request.first_period) if request.first_period else 0
        self._last = read_month("last_period", request.last_period) if request.last_period else 999_912
        if self._last < self._first:
            raise InvalidArgument("last_period", "is before first_period")
        self._account_id = account_id
        self._scope = ("export", account_id, request.first_period, request.last_period)
        self._limit = request.page_size or DEFAULT_EXPORT_LINES
        self._key = read_token(self._scope, request.page_token, [int, int])

    def page(self, reader: Reader) -> tuple[list[ExportLine], str]:
        """Returns the lines and the token of the next page; all pages end where the chain ended at the first one."""
        account = find_account(reader, self._account_id).account_key if self._account_id else None
        after, end = map(int, self._key) if self._key else (0, reader.books().last_entry_key)
        from_ms = begin_ms(self._first) if self._first else 0
        lines: list[ExportLine] = []
        chars = looked_at = 0
        while len(lines) < self._limit and chars < MAX_EXPORT_CHARS and looked_at < MAX_EXPORT_LINES:
            read = reader.export_lines(account, from_ms, after, end, EXPORT_READ_LINES)
            if not read:
                return lines, ""
            looked_at += len(read)
            for line in read:
                after = line.entry_key
                if self._first <= period_of(line) <= self._last:
                    lines.append(line)
                    chars += len(line.dimensions) + len(line.subject) + len(line.grant_metadata)
                if len(lines) == self._limit:
                    break
        return lines, write_token(self._scope, [after, end])


def _account(account_id: str) -> str:
    """Returns the account that a call is about; empty: all. Raises `PermissionDenied` for another than the caller's."""
    if account_id:
        check_id("account_id", account_id)
    own = current_caller().account_id
    if own and account_id not in ("", own):
        raise PermissionDenied("the credential is of another account")
    return account_id or own


def _line(line: LineSum, last_closed: int) -> api.RollForwardLine:
    return api.RollForwardLine(
        period=month_text(line.period),
        product=line.product,
        currency=line.currency,
        opening_amount=line.opening,
        granted_amount=line.granted,
        recognised_amount=line.recognised,
        breakage_amount=line.breakage,
        refunded_amount=line.refunded,
        closing_amount=line.closing,
        contra_revenue_amount=line.contra,
        late_correction_amount=line.late,
        closed=line.period <= last_closed,
    )


def _promotional(line: LineSum) -> api.PromotionalLine:
    return api.PromotionalLine(
        period=month_text(line.period),
        product=line.product,
        currency=line.currency,
        granted_amount=line.granted,
        burned_amount=line.recognised,
        lapsed_amount=line.breakage,
    )


def _closed(closed: ClosedPeriod) -> api.ClosedPeriod:
    return api.ClosedPeriod(
        period=month_text(closed.period),
        closed_at_unix_ms=closed.closed_at_ms,
        last_entry_id=closed.last_entry_key,
        chain_hash=closed.chain_hash,
        figures_hash=closed.figures_hash,
    )


def verdict_message(verdict: Verdict) -> api.VerifyJournalResponse:
    """Returns what was found as it is told."""
    return api.VerifyJournalResponse(
        intact=not verdict.findings,
        entry_count=verdict.entry_count,
        last_entry_id=verdict.last_entry_key,
        chain_hash=verdict.head,
        broken_entry_id=verdict.broken_entry_key,
        message="; ".join(_first(verdict.findings)),
        unsealed_count=verdict.unsealed_count,
    )


def _first(findings: Sequence[str]) -> Sequence[str]:
    return findings[:10]
