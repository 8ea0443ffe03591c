"""The books over a real channel: what is asked, refused and told."""

import asyncio
import csv
import io
from pathlib import Path

import grpc
import pyarrow.parquet as pq
import pytest
from holdfast.v1 import books_service_pb2 as api
from holdfast.v1 import ledger_service_pb2
from holdfast.v1.books_service_pb2_grpc import BooksServiceStub
from holdfast_ledger.access.caller import Role
from holdfast_ledger.access.tokens import hash_of, new_token
from holdfast_ledger.books import service
from holdfast_ledger.store.access_rows import Credential
from holdfast_ledger.store.interface import Account

from tests.ledger.books.setting import DAY_MS
from tests.ledger.governance.setting import refused
from tests.ledger.harness import Ledger, debit, running

pytestmark = pytest.mark.usefixtures("every_store")

MOST = 2**63 - 1
OUT_OF_RANGE = (grpc.StatusCode.OUT_OF_RANGE, "OUT_OF_RANGE")

# The clock of the tests begins on 15 January 2027.


def stub(ledger: Ledger) -> BooksServiceStub:
    """A stub on the ledger's channel."""
    return BooksServiceStub(ledger.channel)


async def spend(ledger: Ledger) -> None:
    """100 credits for 10.00 USD, of which 30 burn in January and 20 in February."""
    await ledger.open_pool()
    await ledger.grant("g", 100, cost_amount=10_00, cost_currency="USD", metadata={"product": "seats"})
    stream = ledger.sync()
    await stream.hello()
    await stream.debits(debit(1, 30, hold_id="h-1", subject="team/ann"))
    await stream.acked(1)
    ledger.clock.advance(30 * DAY_MS)
    await stream.debits(debit(2, 20))
    await stream.acked(2)
    await stream.finish()


def line(period: str, *amounts: int, closed: bool = False, late: int = 0) -> api.RollForwardLine:
    """A line of seats in USD: opening, granted, recognised, closing."""
    opening, granted, recognised, closing = amounts
    return api.RollForwardLine(
        period=period,
        product="seats",
        currency="USD",
        opening_amount=opening,
        granted_amount=granted,
        recognised_amount=recognised,
        closing_amount=closing,
        late_correction_amount=late,
        closed=closed,
    )


async def rolled(ledger: Ledger, **fields: str) -> api.GetRollForwardResponse:
    """January to March, unless told."""
    values = {"first_period": "2027-01", "last_period": "2027-03"} | fields
    answer: api.GetRollForwardResponse = await stub(ledger).GetRollForward(api.GetRollForwardRequest(**values))
    return answer


async def test_what_is_posted_is_in_the_next_answer(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await spend(ledger)
        answer = await rolled(ledger)
        assert list(answer.lines) == [line("2027-01", 0, 1000, 300, 700), line("2027-02", 700, 0, 200, 500)]
        assert answer.last_entry_id >= 3
        assert list((await rolled(ledger, account_id="a")).lines) == list(answer.lines)
        assert list((await rolled(ledger, first_period="2027-02")).lines) == [line("2027-02", 700, 0, 200, 500)]


async def test_a_closed_month_stays_and_what_comes_late_is_told_in_the_next(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await spend(ledger)
        closed = (await stub(ledger).ClosePeriod(api.ClosePeriodRequest(period="2027-01"))).period
        assert closed.period == "2027-01"
        assert (len(closed.chain_hash), len(closed.figures_hash)) == (32, 32)
        again = (await stub(ledger).ClosePeriod(api.ClosePeriodRequest(period="2027-01"))).period
        assert again == closed
        await ledger.api.CorrectDebit(
            ledger_service_pb2.CorrectDebitRequest(
                account_id="a", pool_id="general", operation_id="op-1", correction_id="c", amount=10
            )
        )
        assert list((await rolled(ledger)).lines) == [
            line("2027-01", 0, 1000, 300, 700, closed=True),
            line("2027-02", 700, 0, 100, 600, late=-100),
        ]
        ledger.clock.advance(40 * DAY_MS)
        later = (await stub(ledger).ClosePeriod(api.ClosePeriodRequest(period="2027-02"))).period
        page = await stub(ledger).ListPeriods(api.ListPeriodsRequest(page_size=1))
        assert list(page.periods) == [later]
        rest = await stub(ledger).ListPeriods(api.ListPeriodsRequest(page_size=1, page_token=page.next_page_token))
        assert (list(rest.periods), rest.next_page_token) == ([closed], "")
        verdict = await stub(ledger).VerifyJournal(api.VerifyJournalRequest(expected_hash=closed.chain_hash))
        assert (verdict.intact, verdict.message) == (True, "")
        assert verdict.chain_hash == later.chain_hash


async def test_the_policy_is_kept(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        there = (await stub(ledger).GetRevenuePolicy(api.GetRevenuePolicyRequest())).policy
        assert there == api.RevenuePolicy(
            breakage=api.BREAKAGE_METHOD_AT_EXPIRY, promotional=api.PROMOTIONAL_TREATMENT_NO_REVENUE
        )
        there.breakage, there.breakage_bps = api.BREAKAGE_METHOD_ESTIMATE, 500
        assert (await stub(ledger).SetRevenuePolicy(api.SetRevenuePolicyRequest(policy=there))).policy == there
        assert (await stub(ledger).GetRevenuePolicy(api.GetRevenuePolicyRequest())).policy == there


async def test_an_export_says_where_each_line_comes_from(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await spend(ledger)
        request = api.ExportEntriesRequest(format=api.EXPORT_FORMAT_CSV, account_id="a")
        page = await stub(ledger).ExportEntries(request)
        rows = list(csv.DictReader(io.StringIO(page.content.decode(), newline="")))
        assert (page.line_count, page.next_page_token) == (3, "")
        assert [(x["type"], x["from_book"], x["to_book"], x["amount"]) for x in rows] == [
            ("GRANT", "issuance", "grant:g", "100"),
            ("DEBIT", "grant:g", "spend", "30"),
            ("DEBIT", "grant:g", "spend", "20"),
        ]
        first = rows[1]
        assert {name: first[name] for name in SAID} == SAID


async def test_an_export_has_pages_that_are_whole_files_and_end_where_it_began(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await spend(ledger)
        request = api.ExportEntriesRequest(format=api.EXPORT_FORMAT_PARQUET, page_size=2)
        page = await stub(ledger).ExportEntries(request)
        assert pq.read_table(io.BytesIO(page.content)).column("operation_id").to_pylist() == ["", "op-1"]
        await ledger.grant("later", 5)
        request.page_token = page.next_page_token
        page = await stub(ledger).ExportEntries(request)
        table = pq.read_table(io.BytesIO(page.content))
        assert (table.column("operation_id").to_pylist(), table.column("replayed").to_pylist()) == (["op-2"], [False])
        if page.next_page_token:
            request.page_token = page.next_page_token
            page = await stub(ledger).ExportEntries(request)
            assert (page.line_count, page.next_page_token) == (0, "")
        month = api.ExportEntriesRequest(format=api.EXPORT_FORMAT_CSV, first_period="2027-01", last_period="2027-01")
        assert (await stub(ledger).ExportEntries(month)).line_count == 2


async def test_an_export_looks_at_no_more_entries_for_a_page_than_a_page_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of other months may be millions: pages without lines come before those with some."""
    monkeypatch.setattr(service, "MAX_EXPORT_LINES", 1)
    monkeypatch.setattr(service, "EXPORT_READ_LINES", 1)
    async with running(tmp_path) as ledger:
        await spend(ledger)
        request = api.ExportEntriesRequest(format=api.EXPORT_FORMAT_CSV, last_period="2026-12")
        pages = [await stub(ledger).ExportEntries(request)]
        while pages[-1].next_page_token:
            request.page_token = pages[-1].next_page_token
            pages.append(await stub(ledger).ExportEntries(request))
        assert [page.line_count for page in pages] == [0] * 4


SAID = {
    "operation_id": "op-1",
    "hold_id": "h-1",
    "sidecar_id": "s",
    "subject": "team/ann",
    "product": "seats",
    "period": "2027-01",
    "late_correction": "false",
    "debit_amount": "30",
    "grant_cost_amount": "1000",
}
"""What the export says of the first debit."""

PRICE = {"promotional": 2, "promotional_price_amount": 1, "promotional_per_amount": 1, "promotional_currency": "USD"}


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({}, "policy.breakage"),
        ({"breakage": 1}, "policy.promotional"),
        ({"breakage": 7, "promotional": 1}, "policy.breakage"),
        ({"breakage": 1, "breakage_bps": 5, "promotional": 1}, "policy.breakage_bps"),
        ({"breakage": 2, "breakage_bps": 10_000, "promotional": 1}, "policy.breakage_bps"),
        ({"breakage": 1} | PRICE | {"promotional_price_amount": 0}, "policy.promotional_price_amount"),
        ({"breakage": 1} | PRICE | {"promotional_per_amount": -1}, "policy.promotional_per_amount"),
        ({"breakage": 1} | PRICE | {"promotional_currency": "usd"}, "policy.promotional_currency"),
        ({"breakage": 1} | PRICE | {"promotional": 1}, "policy.promotional_price_amount"),
    ],
)
async def test_a_wrong_policy_is_refused(tmp_path: Path, policy: dict[str, int], field: str) -> None:
    async with running(tmp_path) as ledger:
        request = api.SetRevenuePolicyRequest(policy=api.RevenuePolicy(**policy))  # type: ignore[arg-type]  # as said
        assert await refused(stub(ledger).SetRevenuePolicy(request)) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "BAD_MESSAGE",
            field,
        )


async def test_bad_questions_are_refused_with_the_field(tmp_path: Path) -> None:
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    async with running(tmp_path) as ledger:
        books = stub(ledger)

        async def field_of(call: str, request: object) -> str:
            code, _, field = await refused(getattr(books, call)(request))
            assert code is invalid
            return field

        assert await field_of("GetRollForward", api.GetRollForwardRequest()) == "first_period"
        for first, last, field in (
            ("2027-1", "2027-02", "first_period"),
            ("2027-01", "2027-13", "last_period"),
            ("2027-02", "2027-01", "last_period"),
            ("1999-01", "2027-01", "last_period"),
            ("\uff12027-01", "2027-01", "first_period"),
        ):
            request = api.GetRollForwardRequest(first_period=first, last_period=last)
            assert await field_of("GetRollForward", request) == field
        assert await field_of("ClosePeriod", api.ClosePeriodRequest(period="January")) == "period"
        assert await field_of("ExportEntries", api.ExportEntriesRequest()) == "format"
        lines = api.EXPORT_FORMAT_CSV
        assert await field_of("ExportEntries", api.ExportEntriesRequest(format=lines, page_size=100_001)) == "page_size"
        assert await field_of("ExportEntries", api.ExportEntriesRequest(format=lines, page_token="x")) == "page_token"
        swapped = api.ExportEntriesRequest(format=lines, first_period="2027-02", last_period="2027-01")
        assert await field_of("ExportEntries", swapped) == "last_period"
        assert await field_of("VerifyJournal", api.VerifyJournalRequest(expected_hash=b"x")) == "expected_hash"
        assert await field_of("ListPeriods", api.ListPeriodsRequest(page_size=1_001)) == "page_size"
        missing = api.GetRollForwardRequest(first_period="2027-01", last_period="2027-01", account_id="none")
        assert (await refused(books.GetRollForward(missing)))[1] == "ACCOUNT_NOT_FOUND"


async def test_a_credential_of_an_account_reads_that_account_alone(tmp_path: Path) -> None:
    async with running(tmp_path, require_credentials=True) as ledger:
        with ledger.store.writing() as writer:
            token = new_token()
            writer.insert_account(Account("a", "", 0))
            writer.insert_account(Account("b", "", 0))
            writer.insert_credential(Credential("c", hash_of(token), token[-4:], Role.READER, "a", 0, 0))
        sent = (("authorization", f"Bearer {token}"),)
        months = {"first_period": "2027-01", "last_period": "2027-01"}
        await stub(ledger).GetRollForward(api.GetRollForwardRequest(**months), metadata=sent)
        others = api.GetRollForwardRequest(account_id="b", **months)
        assert (await refused(stub(ledger).GetRollForward(others, metadata=sent)))[1] == "PERMISSION_DENIED"
        whole = api.ExportEntriesRequest(format=api.EXPORT_FORMAT_CSV)
        assert (await stub(ledger).ExportEntries(whole, metadata=sent)).line_count == 0
        verifying = stub(ledger).VerifyJournal(api.VerifyJournalRequest(), metadata=sent)
        assert (await refused(verifying))[1] == "PERMISSION_DENIED"


async def test_a_month_that_is_not_over_cannot_be_closed(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        for period in ("2027-01", "2030-01"):
            code, reason, _ = await refused(stub(ledger).ClosePeriod(api.ClosePeriodRequest(period=period)))
            assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PERIOD_NOT_OVER")


async def test_of_closings_at_once_one_is_done_and_the_others_tell_to_come_again(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await spend(ledger)
        calls = [stub(ledger).ClosePeriod(api.ClosePeriodRequest(period="2027-01")) for _ in range(5)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        done = [x.period for x in answers if isinstance(x, api.ClosePeriodResponse)]
        faults = [x for x in answers if isinstance(x, grpc.RpcError)]
        assert len(done) >= 1
        assert len(done) + len(faults) == 5
        assert {x.code() for x in faults} <= {grpc.StatusCode.UNAVAILABLE}
        assert (await stub(ledger).ClosePeriod(api.ClosePeriodRequest(period="2027-01"))).period == done[0]


async def test_refunds_are_noted_once(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await spend(ledger)
        void = ledger_service_pb2.VoidGrantRequest(account_id="a", pool_id="general", grant_id="g", refunded_amount=501)
        assert await refused(ledger.api.VoidGrant(void)) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "BAD_MESSAGE",
            "refunded_amount",
        )
        void.refunded_amount = 400
        assert (await ledger.api.VoidGrant(void)).grant.refunded_amount == 400
        assert (await ledger.api.VoidGrant(void)).grant.refunded_amount == 400
        void.refunded_amount = 399
        assert (await refused(ledger.api.VoidGrant(void)))[1:] == ("ALREADY_EXISTS", "refunded_amount")
        last = (await rolled(ledger)).lines[-1]
        assert (last.refunded_amount, last.breakage_amount, last.closing_amount) == (400, 100, 0)


async def test_figures_that_64_bits_cannot_tell_are_refused_and_those_of_one_account_told(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        for account_id in ("a", "b"):
            account = ledger_service_pb2.Account(account_id=account_id)
            await ledger.api.CreateAccount(ledger_service_pb2.CreateAccountRequest(account=account))
            pool = ledger_service_pb2.Pool(account_id=account_id, pool_id="seats")
            await ledger.api.CreatePool(ledger_service_pb2.CreatePoolRequest(pool=pool))
            await grant_of_most(ledger, account_id, "g")
        for _ in ("open", "closed"):
            assert (await refused(rolled(ledger)))[:2] == OUT_OF_RANGE
            one = await rolled(ledger, account_id="b")
            assert [x.granted_amount for x in one.lines if x.period == "2027-01"] == [MOST]
            ledger.clock.advance(30 * DAY_MS)
            await stub(ledger).ClosePeriod(api.ClosePeriodRequest(period="2027-01"))


async def test_a_month_is_not_closed_with_a_figure_that_64_bits_cannot_tell(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(pool_id="seats")
        await grant_of_most(ledger, "a", "g")
        await grant_of_most(ledger, "a", "h")
        ledger.clock.advance(30 * DAY_MS)
        closing = stub(ledger).ClosePeriod(api.ClosePeriodRequest(period="2027-01"))
        assert await refused(closing) == (*OUT_OF_RANGE, "granted")
        assert not (await stub(ledger).ListPeriods(api.ListPeriodsRequest())).periods


async def grant_of_most(ledger: Ledger, account_id: str, grant_id: str) -> None:
    """A grant that costs as much as can be told."""
    grant = ledger_service_pb2.Grant(account_id=account_id, pool_id="seats", grant_id=grant_id, amount=100)
    grant.category, grant.cost_amount, grant.cost_currency = ledger_service_pb2.GRANT_CATEGORY_PAID, MOST, "USD"
    await ledger.api.CreateGrant(ledger_service_pb2.CreateGrantRequest(grant=grant))
