"""`holdfast usage query|trace|keys`: asks a ledger what was used, and what is behind a figure.

Other subcommands (such as those that look after the usage store) are of the parts that have them, registered under the
entry-point group "holdfast.usage". Exit status: 0 done, 1 the ledger refuses, 2 wrong usage, 69 no answer.
"""

import argparse
import csv
import dataclasses
import datetime
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from importlib import metadata
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from holdfast.commands.ledger import TOKEN_HELP, TOKEN_VARIABLE, add_target
from holdfast.commands.tables import table
from holdfast.errors import HoldfastError, Unavailable
from holdfast.usage import Figures, UsageClient
from holdfast.usage_rows import Filter, TraceRow, UsageRow, begins_with, exists, is_in, is_not

EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h
_GROUP = "holdfast.usage"
_DEFAULT_DAYS = 30


def main(argv: Sequence[str]) -> int:
    """Runs `holdfast usage`; returns 0 done, 1 refused, 2 wrong usage, 69 no answer."""
    others = {entry.name: entry for entry in metadata.entry_points(group=_GROUP)}
    if argv and argv[0] in others:
        return cast(Callable[[Sequence[str]], int], others[argv[0]].load())(argv[1:])
    options = _parser(sorted(others)).parse_args(argv)
    try:
        token = os.environ.get(TOKEN_VARIABLE, "")
        with UsageClient(options.ledger, token=token, timeout_ms=options.timeout_ms) as client:
            options.run(client, options)
    except (ValueError, ZoneInfoNotFoundError) as error:
        sys.stderr.write(f"holdfast usage: {error}\n")
        return EXIT_USAGE
    except HoldfastError as error:
        sys.stderr.write(f"holdfast usage: {error}\n")
        return EXIT_UNAVAILABLE if isinstance(error, Unavailable) else EXIT_REFUSED
    return 0


# Figures.


def _query(client: UsageClient, options: argparse.Namespace) -> None:
    start, end = _window(options)
    figures = client.query(
        options.measure,
        start,
        end,
        account=options.account,
        group_by=options.group_by,
        filters=options.filter,
        granularity=options.granularity,
        time_zone=options.time_zone,
        compare=options.compare,
        top=options.top,
    )
    if options.json:
        _print_json(figures)
    elif options.csv:
        _print_csv(figures, options)
    else:
        _print_table(figures, options)


def _print_json(figures: Figures) -> None:
    for row in figures:
        sys.stdout.write(json.dumps(dataclasses.asdict(row), default=_text, ensure_ascii=False) + "\n")


def _print_csv(figures: Figures, options: argparse.Namespace) -> None:
    out = csv.writer(sys.stdout, lineterminator="\n")
    compared = ["compared_value"] if options.compare else []
    out.writerow(["start", *options.group_by, "rest", "value", *compared, "trace_token"])
    for row in figures:
        numbers = [row.value, row.compared_value] if options.compare else [row.value]
        out.writerow([_text(row.start), *row.group.values(), int(row.rest), *numbers, row.trace_token])


def _print_table(figures: Figures, options: argparse.Namespace) -> None:
    summary, zone = figures.summary, _zone(options.time_zone)
    header = [*(["START"] if options.granularity else []), *map(str.upper, options.group_by)]
    right = {len(header), len(header) + 1, len(header) + 2}
    header += ["VALUE", "BEFORE", "CHANGE"] if options.compare else ["VALUE"]

    def line(start: str, group: Sequence[str], value: int, compared: int) -> list[str]:
        numbers = [_amount(value, summary.exponent)]
        if options.compare:
            numbers += [_amount(compared, summary.exponent), _change(value, compared)]
        return [*([start] if options.granularity else []), *group, *numbers]

    lines = [line(_local(row, zone), _group(row), row.value, row.compared_value) for row in figures]
    total = ["total", *[""] * (len(options.group_by) - 1)] if options.group_by else []
    start = "" if options.group_by else "total"
    lines.append(line(start, total, summary.total, summary.compared_total))
    sys.stdout.write(table(header, lines, frozenset(right)))
    unit = f"in {summary.unit}; " if summary.unit else ""
    sys.stdout.write(f"\n{unit}complete until {summary.complete_until.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}\n")


def _group(row: UsageRow) -> list[str]:
    if row.rest:
        return ["(the rest)", *[""] * (len(row.group) - 1)]
    return [value or "-" for value in row.group.values()]


def _local(row: UsageRow, zone: ZoneInfo) -> str:
    return f"{row.start.astimezone(zone):%Y-%m-%d %H:%M}"


def _amount(value: int, exponent: int) -> str:
    return f"{Decimal(value).scaleb(-exponent):,f}"


def _change(value: int, compared: int) -> str:
    return f"{100 * (value - compared) / abs(compared):+,.1f} %" if compared else ""


# What is behind a figure, and keys.


def _trace(client: UsageClient, options: argparse.Namespace) -> None:
    rows = client.trace(options.token)
    if options.json:
        for row in rows:
            sys.stdout.write(json.dumps(dataclasses.asdict(row), default=_text, ensure_ascii=False) + "\n")
        return
    header = (
        "TIME", "VALUE", "ACCOUNT", "POOL", "OPERATION", "CALLER", "ENTRY", "GRANT", "METER", "SUBJECT", "SIDECAR",
        "EVENT",
    )  # fmt: skip
    sys.stdout.write(table(header, list(_traced(rows)), frozenset({1, 6})))


def _traced(rows: Iterator[TraceRow]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        event = f"{row.event_source}/{row.event_id}" if row.event_source else ""
        yield (
            f"{row.time:%Y-%m-%d %H:%M:%S}", f"{row.value:,}", row.account, row.pool, row.operation_id,
            row.caller, str(row.entry_id or ""), row.grant, row.meter, row.subject, row.sidecar, event,
        )  # fmt: skip


def _keys(client: UsageClient, options: argparse.Namespace) -> None:
    start, end = _window(options)
    fields = {"account": options.account, "key": options.key, "prefix": options.prefix}
    for name in client.keys(start, end, limit=options.limit, **fields):
        sys.stdout.write(name + "\n")


# Options.


def _window(options: argparse.Namespace) -> tuple[datetime.datetime, datetime.datetime]:
    zone = _zone(options.time_zone)
    end = _moment(options.end, zone) if options.end else datetime.datetime.now(datetime.UTC)
    start = _moment(options.start, zone) if options.start else end - datetime.timedelta(days=_DEFAULT_DAYS)
    return start, end


def _moment(text: str, zone: ZoneInfo) -> datetime.datetime:
    """Reads a date or a time, on the zone's clock unless it says otherwise. Raises ValueError."""
    found = datetime.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name or "UTC")


def _text(value: object) -> str:
    assert isinstance(value, datetime.datetime)
    return value.isoformat()


def _filter(text: str) -> Filter:
    """Reads KEY=A,B or KEY!=A,B or KEY^=PREFIX or KEY."""
    for sign, made in (("!=", is_not), ("^=", begins_with), ("=", is_in)):
        key, found, values = text.partition(sign)
        if found and key.strip("!^=") == key != "":
            return made(key, *values.split(","))
    if "=" in text or not text:
        raise argparse.ArgumentTypeError(f"is no filter: {text!r}")
    return exists(text)


def _parser(others: Sequence[str]) -> argparse.ArgumentParser:
    more = f" Also: {', '.join(others)}, each with a --help of its own." if others else ""
    parser = argparse.ArgumentParser(
        prog="holdfast usage",
        description="What was used, by whom, on what, what it cost.",
        epilog=f"{TOKEN_HELP} Exit status: 0 done, 1 the ledger refuses, 2 wrong usage, 69 no answer.{more}",
    )
    actions = parser.add_subparsers(dest="action", required=True)
    query = actions.add_parser("query", help="sums usage over time and by any keys")
    query.set_defaults(run=_query)
    _add_query(query)
    trace = actions.add_parser("trace", help="lists what is behind a figure of query --json or --csv")
    trace.set_defaults(run=_trace)
    trace.add_argument("token", metavar="TRACE_TOKEN")
    keys = actions.add_parser("keys", help="lists what can be grouped by, or the values of a key")
    keys.set_defaults(run=_keys)
    keys.add_argument("key", nargs="?", default="", metavar="KEY")
    keys.add_argument("--prefix", default="", help="values with this prefix alone")
    keys.add_argument("--limit", type=int, default=0, metavar="N")
    for action in (query, keys):
        action.add_argument("--account", default="", help="default: all that the credential may read")
        action.add_argument("--from", dest="start", default="", metavar="TIME", help="default: 30 days before the end")
        action.add_argument("--to", dest="end", default="", metavar="TIME", help="not included; default: now")
        action.add_argument("--time-zone", default="", metavar="ZONE", help="IANA name; default: UTC")
    for action in (query, trace):
        action.add_argument("--json", action="store_true", help="a line of JSON each")
    for action in (query, trace, keys):
        add_target(action)
        action.add_argument("--timeout-ms", type=int, default=30_000, metavar="MS", help="default: 30000")
    return parser


def _add_query(query: argparse.ArgumentParser) -> None:
    steps = ("minute", "hour", "day", "week", "month", "quarter", "year")
    add = query.add_argument
    add("--measure", choices=("quantity", "credits", "cost", "count"), default="credits", help="default: credits")
    add("--group-by", action="append", default=[], metavar="KEY", help="a dimension or a built-in key; may be repeated")
    forms = "KEY=A,B (one of), KEY!=A,B (none of), KEY^=A,B (begins with), KEY (has a value); may be repeated"
    add("--filter", type=_filter, action="append", default=[], metavar="FILTER", help=forms)
    add("--granularity", choices=steps, default="", help="default: one figure for the whole window")
    add("--compare", choices=("previous_period", "previous_year"), default="", help="with an earlier window")
    add("--top", type=int, default=0, metavar="N", help="the N largest groups, and the rest as one")
    add("--csv", action="store_true", help="comma-separated values, in minor units")
