"""`holdfast meters list|apply`: prints the meters of a ledger, and brings them to what a file says.

The file is TOML with a table `[[meters]]` for each, its fields named as in `holdfast.v1.Meter`; enums are written
without their prefix, in any case. Meters that the file does not name are left alone, or with `--prune` deleted. Exit
status: 0 done, 1 the file or the ledger refuses, 2 wrong usage, 69 no answer.
"""

import argparse
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from google.protobuf import json_format

from holdfast.commands.ledger import TOKEN_HELP, LedgerService, add_target
from holdfast.commands.tables import table
from holdfast.errors import HoldfastError, Unavailable
from holdfast.v1 import meter_pb2 as wire
from holdfast.v1 import metering_service_pb2 as pb

EXIT_REFUSED = 1
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h
_TIMEOUT_S = 30

_PREFIXES = {"aggregation": "AGGREGATION_", "period": "METER_PERIOD_"}


class InvalidMeters(Exception):
    """The file cannot be used; the message says where."""


def main(argv: Sequence[str]) -> int:
    """Runs `holdfast meters`; returns 0 done, 1 refused, 69 no answer."""
    options = _parser().parse_args(argv)
    try:
        with LedgerService(options.ledger, "MeteringService", _TIMEOUT_S) as ledger:
            act: Callable[[LedgerService, argparse.Namespace], None] = options.act
            act(ledger, options)
    except HoldfastError as error:
        sys.stderr.write(f"holdfast meters: {error}\n")
        return EXIT_UNAVAILABLE if isinstance(error, Unavailable) else EXIT_REFUSED
    except (InvalidMeters, OSError) as error:
        sys.stderr.write(f"holdfast meters: {error}\n")
        return EXIT_REFUSED
    return 0


def _list(ledger: LedgerService, options: argparse.Namespace) -> None:
    meters = _meters(ledger)
    if options.json:
        answer = pb.ListMetersResponse(meters=meters)
        sys.stdout.write(json_format.MessageToJson(answer, preserving_proto_field_name=True) + "\n")
        return
    rows = [(one.meter_id, one.event_type, _counts(one), one.unit, one.pool_id, _price(one)) for one in meters]
    sys.stdout.write(table(("meter", "events", "counts", "unit", "pool", "price"), rows))


def _meters(ledger: LedgerService) -> list[wire.Meter]:
    found, token = list[wire.Meter](), ""
    while True:
        request = pb.ListMetersRequest(page_size=1_000, page_token=token)
        answer = ledger.call("ListMeters", request, pb.ListMetersResponse)
        found += answer.meters
        token = answer.next_page_token
        if not token:
            return found


def _counts(meter: wire.Meter) -> str:
    kind = wire.Aggregation.Name(meter.aggregation).removeprefix("AGGREGATION_").lower()
    what = meter.quantity or meter.dimension
    period = wire.MeterPeriod.Name(meter.period).removeprefix("METER_PERIOD_").lower() if meter.period else ""
    return " ".join([kind, *([f"of {what}"] if what else []), *([f"a {period}"] if period else [])])


def _price(meter: wire.Meter) -> str:
    if not meter.pool_id:
        return ""
    return f"as {meter.rated_as}" if meter.rated_as else f"{meter.price_amount} for {meter.price_per}"


def _apply(ledger: LedgerService, options: argparse.Namespace) -> None:
    wanted = parse(options.file.read_bytes())
    there = {one.meter_id: one for one in _meters(ledger)}
    for meter in wanted:
        answer = ledger.call("SetMeter", pb.SetMeterRequest(meter=meter), pb.SetMeterResponse)
        known = there.pop(meter.meter_id, None)
        what = "added" if known is None else "unchanged" if known == answer.meter else "changed"
        sys.stdout.write(f"{what} {meter.meter_id}\n")
    for meter_id in sorted(there) if options.prune else ():
        ledger.call("DeleteMeter", pb.DeleteMeterRequest(meter_id=meter_id), pb.DeleteMeterResponse)
        sys.stdout.write(f"deleted {meter_id}\n")


def parse(content: bytes) -> list[wire.Meter]:
    """Reads a file of meters. Raises `InvalidMeters`."""
    try:
        data = tomllib.loads(content.decode())
    except ValueError as error:  # no UTF-8, or no TOML
        raise InvalidMeters(str(error)) from error
    if set(data) - {"meters"} or not isinstance(data.get("meters"), list):
        raise InvalidMeters("has something else than tables [[meters]]")
    return [_meter(f"meters[{place}]", one) for place, one in enumerate(data["meters"])]


def _meter(field: str, data: Mapping[str, object]) -> wire.Meter:
    written = dict(data)
    for name, prefix in _PREFIXES.items():
        if name in written:
            written[name] = prefix + str(written[name]).upper().removeprefix(prefix)
    filters = written.get("filters", [])
    if isinstance(filters, list):
        written["filters"] = [_filter(one) for one in filters]
    try:
        return json_format.ParseDict(written, wire.Meter())
    except json_format.ParseError as error:
        raise InvalidMeters(f"{field}: {error}") from error


def _filter(data: object) -> object:
    if not isinstance(data, dict) or "operator" not in data:
        return data
    prefix = "FILTER_OPERATOR_"
    return data | {"operator": prefix + str(data["operator"]).upper().removeprefix(prefix)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="holdfast meters",
        description="Meters: what is counted of events.",
        epilog=f"{TOKEN_HELP} Exit status: 0 done, 1 the file or the ledger refuses, 2 wrong usage, 69 no answer.",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="print the meters")
    listing.add_argument("--json", action="store_true", help="as JSON, as the ledger tells them")
    listing.set_defaults(act=_list)
    applying = actions.add_parser("apply", help="set the meters of a file")
    applying.add_argument("file", type=Path, help="TOML, a table [[meters]] for each")
    applying.add_argument("--prune", action="store_true", help="delete those that the file does not name")
    applying.set_defaults(act=_apply)
    for action in (listing, applying):
        add_target(action)
    return parser
