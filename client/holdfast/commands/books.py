"""`holdfast books …`: the revenue books of a ledger from a terminal: roll-forward, closing, policy, export, the chain.

Amounts are printed as the ledger has them, in minor units. Exit status: 0 done, 1 the ledger refuses or the journal is
not intact, 2 wrong usage, 69 no answer.
"""

import argparse
import datetime
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from google.protobuf import json_format

from holdfast.commands.ledger import TOKEN_HELP, LedgerService, add_target
from holdfast.commands.tables import table
from holdfast.errors import HoldfastError, Unavailable
from holdfast.v1 import books_service_pb2 as pb

EXIT_REFUSED = 1
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h
_TIMEOUT_S = 3_600
"""Closing and verifying read all that there is."""

_FORMATS = {"csv": pb.EXPORT_FORMAT_CSV, "parquet": pb.EXPORT_FORMAT_PARQUET}
_BREAKAGE = {"at-expiry": pb.BREAKAGE_METHOD_AT_EXPIRY, "estimate": pb.BREAKAGE_METHOD_ESTIMATE}
_PROMOTIONAL = {
    "no-revenue": pb.PROMOTIONAL_TREATMENT_NO_REVENUE,
    "contra-revenue": pb.PROMOTIONAL_TREATMENT_CONTRA_REVENUE,
}


def main(argv: Sequence[str]) -> int:
    """Runs `holdfast books`; returns 0 done, 1 refused or not intact, 69 no answer."""
    options = _parser().parse_args(argv)
    try:
        with LedgerService(options.ledger, "BooksService", _TIMEOUT_S) as books:
            act: Callable[[LedgerService, argparse.Namespace], int] = options.act
            return act(books, options)
    except HoldfastError as error:
        sys.stderr.write(f"holdfast books: {error}\n")
        return EXIT_UNAVAILABLE if isinstance(error, Unavailable) else EXIT_REFUSED
    except OSError as error:
        sys.stderr.write(f"holdfast books: {error}\n")
        return EXIT_REFUSED


def _roll_forward(books: LedgerService, options: argparse.Namespace) -> int:
    request = pb.GetRollForwardRequest(
        first_period=options.first, last_period=options.last or options.first, account_id=options.account
    )
    answer = books.call("GetRollForward", request, pb.GetRollForwardResponse)
    if options.json:
        sys.stdout.write(json_format.MessageToJson(answer, preserving_proto_field_name=True) + "\n")
        return 0
    header = ("period", "product", "currency", "opening", "granted", "recognised", "breakage", "refunded", "closing",
              "contra", "late", "")  # fmt: skip
    rows = [
        (x.period, x.product, x.currency, *map(_amount, (x.opening_amount, x.granted_amount, x.recognised_amount,
         x.breakage_amount, x.refunded_amount, x.closing_amount, x.contra_revenue_amount, x.late_correction_amount)),
         "closed" if x.closed else "")
        for x in answer.lines
    ]  # fmt: skip
    sys.stdout.write(table(header, rows, frozenset(range(3, 11))))
    if answer.promotional_lines:
        sys.stdout.write("\npromotional credits\n" + _promotional(answer.promotional_lines))
    return 0


def _promotional(lines: Sequence[pb.PromotionalLine]) -> str:
    header = ("period", "product", "currency", "granted", "burned", "lapsed")
    rows = [
        (x.period, x.product, x.currency, *map(_amount, (x.granted_amount, x.burned_amount, x.lapsed_amount)))
        for x in lines
    ]
    return table(header, rows, frozenset(range(3, 6)))


def _close(books: LedgerService, options: argparse.Namespace) -> int:
    answer = books.call("ClosePeriod", pb.ClosePeriodRequest(period=options.period), pb.ClosePeriodResponse)
    sys.stdout.write(_closed(answer.period))
    return 0


def _periods(books: LedgerService, _: argparse.Namespace) -> int:
    token = ""
    while True:
        page = books.call("ListPeriods", pb.ListPeriodsRequest(page_token=token), pb.ListPeriodsResponse)
        sys.stdout.writelines(map(_closed, page.periods))
        token = page.next_page_token
        if not token:
            return 0


def _policy(books: LedgerService, options: argparse.Namespace) -> int:
    policy = books.call("GetRevenuePolicy", pb.GetRevenuePolicyRequest(), pb.GetRevenuePolicyResponse).policy
    if options.breakage or options.promotional:
        said = pb.RevenuePolicy(
            breakage=_BREAKAGE[options.breakage] if options.breakage else policy.breakage,
            breakage_bps=options.breakage_bps if options.breakage else policy.breakage_bps,
            promotional=_PROMOTIONAL[options.promotional] if options.promotional else policy.promotional,
            promotional_price_amount=options.price if options.promotional else policy.promotional_price_amount,
            promotional_per_amount=options.per if options.promotional else policy.promotional_per_amount,
            promotional_currency=options.currency if options.promotional else policy.promotional_currency,
        )
        request = pb.SetRevenuePolicyRequest(policy=said)
        policy = books.call("SetRevenuePolicy", request, pb.SetRevenuePolicyResponse).policy
    methods = {number: word for word, number in _BREAKAGE.items()}
    treatments = {number: word for word, number in _PROMOTIONAL.items()}
    sys.stdout.write(f"breakage: {methods[policy.breakage]}, {policy.breakage_bps} bps\n")
    price = (
        f", {policy.promotional_price_amount} {policy.promotional_currency} for {policy.promotional_per_amount}"
        if policy.promotional_currency
        else ""
    )
    sys.stdout.write(f"promotional: {treatments[policy.promotional]}{price}\n")
    return 0


def _export(books: LedgerService, options: argparse.Namespace) -> int:
    lines = 0
    for number, page in enumerate(_pages(books, options), start=1):
        if options.format == "csv":
            with options.output.open("wb" if number == 1 else "ab") as file:
                file.write(page.content if number == 1 else page.content.split(b"\r\n", 1)[1])
        else:
            name = options.output if number == 1 else options.output.with_stem(f"{options.output.stem}-{number}")
            name.write_bytes(page.content)
        lines += page.line_count
    sys.stdout.write(f"{lines} lines\n")
    return 0


def _pages(books: LedgerService, options: argparse.Namespace) -> Iterator[pb.ExportEntriesResponse]:
    token = ""
    while True:
        request = pb.ExportEntriesRequest(
            format=_FORMATS[options.format],
            account_id=options.account,
            first_period=options.first,
            last_period=options.last,
            page_size=options.page_size,
            page_token=token,
        )
        page = books.call("ExportEntries", request, pb.ExportEntriesResponse)
        yield page
        token = page.next_page_token
        if not token:
            return


def _verify(books: LedgerService, options: argparse.Namespace) -> int:
    request = pb.VerifyJournalRequest(expected_hash=bytes.fromhex(options.expect_head))
    answer = books.call("VerifyJournal", request, pb.VerifyJournalResponse)
    sys.stdout.write(
        f"{answer.entry_count} entries, the last one {answer.last_entry_id}\nhead: {answer.chain_hash.hex()}\n"
        + ("intact\n" if answer.intact else f"not intact: {answer.message}\n")
    )
    return 0 if answer.intact else EXIT_REFUSED


def _amount(amount: int) -> str:
    return f"{amount:,}"


def _closed(one: pb.ClosedPeriod) -> str:
    at = datetime.datetime.fromtimestamp(one.closed_at_unix_ms / 1_000, datetime.UTC).isoformat(timespec="seconds")
    return (
        f"{one.period} closed at {at}, up to entry {one.last_entry_id}\n"
        f"  figures {one.figures_hash.hex()}\n  head    {one.chain_hash.hex()}\n"
    )


def _hex(text: str) -> str:
    bytes.fromhex(text)
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="holdfast books",
        description="Deferred and recognised revenue of a ledger, closed months, and the journal's hash chain.",
        epilog=f"{TOKEN_HELP} Exit status: 0 done, 1 refused or not intact, 2 wrong usage, 69 no answer.",
    )
    actions = parser.add_subparsers(dest="action", required=True)
    rolling = _action(actions, "rollforward", _roll_forward, "opening + granted - recognised - … = closing, by month")
    rolling.add_argument("first", metavar="FIRST", help="first month, as 2026-11")
    rolling.add_argument("last", metavar="LAST", nargs="?", default="", help="last month; by default the first")
    rolling.add_argument("--account", default="", help="of one account; by default of all")
    rolling.add_argument("--json", action="store_true", help="print the answer as JSON")
    closing = _action(actions, "close", _close, "closes a month that is over, and all before it")
    closing.add_argument("period", metavar="MONTH", help="as 2026-10")
    _action(actions, "periods", _periods, "lists closed months, latest first")
    _policy_flags(_action(actions, "policy", _policy, "shows how open months are treated, or sets it"))
    exporting = _action(actions, "export", _export, "writes journal lines with all that they come from")
    exporting.add_argument("--format", choices=sorted(_FORMATS), default="csv")
    exporting.add_argument("--output", type=Path, required=True, help="the file; Parquet has one a page: NAME-2, …")
    exporting.add_argument("--account", default="")
    exporting.add_argument("--first", default="", metavar="MONTH", help="first month; by default from the beginning")
    exporting.add_argument("--last", default="", metavar="MONTH", help="last month; by default to the end")
    exporting.add_argument("--page-size", type=int, default=0, metavar="N", help="lines a page; by default 10,000")
    verifying = _action(actions, "verify", _verify, "has the ledger verify its journal, and tells the chain's head")
    verifying.add_argument("--expect-head", type=_hex, default="", metavar="HEX", help="a head that was noted")
    return parser


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    act: Callable[[LedgerService, argparse.Namespace], int],
    help_text: str,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=help_text, description=help_text)
    add_target(parser)
    parser.set_defaults(act=act)
    return parser


def _policy_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--breakage", choices=sorted(_BREAKAGE))
    parser.add_argument("--breakage-bps", type=int, default=0, metavar="N", help="with estimate: never used, of 10,000")
    parser.add_argument("--promotional", choices=sorted(_PROMOTIONAL))
    parser.add_argument("--price", type=int, default=0, metavar="N", help="with contra-revenue: minor units of money")
    parser.add_argument("--per", type=int, default=0, metavar="N", help="the minor units of credits that it is for")
    parser.add_argument("--currency", default="", help="its ISO 4217 code")
