"""`holdfast explain`: asks the sidecar what a request would be answered, and prints every level of the waterfall.

It sends a check, so nothing changes. Exit status: 0 allowed, 1 denied, 2 wrong usage or what the sidecar refuses,
69 no answer.
"""

import argparse
import dataclasses
import datetime
import json
import sys
from collections.abc import Sequence

from holdfast.answers import Checked, LimitState
from holdfast.commands.tables import table
from holdfast.core.settings import DEFAULT_TARGET, TARGET_VARIABLE
from holdfast.errors import Denied, FailedPrecondition, HoldfastError, InvalidArgument, NotFound
from holdfast.operations import RequiredFeature
from holdfast.sync import Client

EXIT_DENIED = 1
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h
_TIMEOUT_MS = 5_000
_SHORT_MS = 60_000
_HEADER = ("LEVEL", "SUBJECT", "LIMIT", "USED", "HELD", "LEFT", "SAYS", "RESETS", "RETRY AFTER")
_NUMBERS = frozenset({2, 3, 4, 5})


def main(argv: Sequence[str]) -> int:
    """Runs `holdfast explain`; returns 0 allowed, 1 denied, 2 wrong usage, 69 no answer."""
    options = _parser().parse_args(argv)
    try:
        answer = _ask(options)
    except (InvalidArgument, NotFound, FailedPrecondition, ValueError) as error:
        field = error.field if isinstance(error, InvalidArgument) else ""
        where = "" if str(error).startswith(field) else f"{field}: "
        sys.stderr.write(f"holdfast explain: {where}{error}\n")
        return EXIT_USAGE
    except HoldfastError as error:
        sys.stderr.write(f"holdfast explain: {error}\n")
        return EXIT_UNAVAILABLE
    sys.stdout.write(_json(answer) if options.json else _text(answer))
    return 0 if answer.allowed else EXIT_DENIED


def _ask(options: argparse.Namespace) -> Checked:
    dimensions = dict(options.dimension)
    if options.model is not None:
        dimensions["model"] = options.model
    with Client(options.sidecar, timeout_ms=options.timeout_ms) as client:
        return client.check(
            options.account,
            options.amount,
            pool=options.pool,
            min_amount=options.min_amount,
            subject=options.subject,
            dimensions=dimensions,
            quantities=dict(options.quantity),
            required_feature=_feature(options),
            parent_hold_id=options.parent_hold,
            max_output_tokens=options.max_output_tokens,
            explain=True,
        )


def _feature(options: argparse.Namespace) -> RequiredFeature | None:
    if options.feature is None:
        return None
    return RequiredFeature(options.feature, options.feature_quantity, options.feature_choice)


def _json(answer: Checked) -> str:
    return json.dumps(dataclasses.asdict(answer), indent=2, ensure_ascii=False) + "\n"


def _text(answer: Checked) -> str:
    lines = [_verdict(answer)]
    if answer.rated_amount:
        lines.append(f"the quantities come to {answer.rated_amount:,}")
    if answer.feature_value is not None:
        lines.append(f"the plan has: {json.dumps(answer.feature_value)}")
    pool = f"posted {answer.posted:,}, held {answer.held:,}, available {answer.available:,}"
    lines.append(f"the pool: {pool}; {answer.mode}")
    levels = "\n" + table(_HEADER, [_row(step) for step in answer.steps], _NUMBERS) if answer.steps else ""
    return "\n".join(lines) + "\n" + levels


def _verdict(answer: Checked) -> str:
    if answer.allowed:
        return f"ALLOW {answer.granted_amount:,}"
    retry = f", retry after {_duration(answer.retry_after_ms)}" if answer.retry_after_ms else ""
    return f"DENY {answer.reason}: {Denied(answer).message}{retry}"


def _row(step: LimitState) -> tuple[str, ...]:
    resets_at = step.resets_at
    return (
        step.level,
        step.subject,
        *_figures(step),
        _says(step),
        resets_at.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z") if resets_at else "",
        _duration(step.retry_after_ms) if step.retry_after_ms else "",
    )


def _duration(ms: int) -> str:
    if ms < _SHORT_MS:
        return f"{ms:,} ms"
    return str(datetime.timedelta(seconds=-(-ms // 1_000)))  # up: a retry that is too early is denied again


def _figures(step: LimitState) -> tuple[str, str, str, str]:
    kind = step.level.partition("/")[0]
    if kind == "subject":  # is there or not
        return ("",) * 4
    limit = f"{step.limit_amount:,}" if step.limit_amount or kind == "budget" else ""
    return limit, f"{step.used_amount:,}", f"{step.held_amount:,}", f"{step.left_amount:,}"


def _says(step: LimitState) -> str:
    if step.reason == "OK":
        return "OK (shadow)" if step.shadow else "OK"
    return f"would be {step.reason} (shadow)" if step.shadow else step.reason


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"is no KEY=VALUE: {text!r}")
    return name, value


def _quantity(text: str) -> tuple[str, int]:
    name, value = _pair(text)
    if not value.isdecimal():
        raise argparse.ArgumentTypeError(f"is no METER=NUMBER: {text!r}")
    return name, int(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="holdfast explain",
        description="What a request would be answered now, and what each level of the waterfall says of it.",
        epilog="Exit status: 0 allowed, 1 denied, 2 wrong usage, 69 no answer. Nothing changes.",
    )
    default = f"default: the variable {TARGET_VARIABLE}, else {DEFAULT_TARGET}"
    parser.add_argument("--sidecar", metavar="TARGET", help=f'"unix:/path" or "host:port"; {default}')
    parser.add_argument("--account", required=True)
    parser.add_argument("--pool", default="", help="default: general")
    parser.add_argument("--amount", type=int, default=0, metavar="N", help="minor units; 0: anything at all")
    parser.add_argument("--min-amount", type=int, default=0, metavar="N", help="the least that is of use")
    parser.add_argument("--quantity", type=_quantity, action="append", default=[], metavar="METER=N")
    parser.add_argument("--max-output-tokens", type=int, default=0, metavar="N")
    parser.add_argument("--model", help="the dimension of that name")
    parser.add_argument("--subject", default="", metavar="PATH", help="such as research/ann/agent-7")
    parser.add_argument("--dimension", type=_pair, action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--feature", metavar="NAME", help="that the plan must have")
    parser.add_argument("--feature-quantity", type=int, default=0, metavar="N", help="how much of it")
    parser.add_argument("--feature-choice", default="", metavar="VALUE", help="which one of it")
    parser.add_argument("--parent-hold", default="", metavar="ID", help="the hold inside which to ask")
    parser.add_argument("--timeout-ms", type=int, default=_TIMEOUT_MS, metavar="MS", help="default: 5000")
    parser.add_argument("--json", action="store_true", help="the whole answer as JSON")
    return parser
