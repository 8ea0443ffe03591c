"""`holdfast verify --database FILE|URL`: verifies a ledger's books and audits its figures, from outside the ledger."""

import argparse
import datetime
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from holdfast_ledger.audit import AuditReport, audit
from holdfast_ledger.books.months import month_text
from holdfast_ledger.books.verify import Verdict, verify
from holdfast_ledger.bootstrap import open_store
from holdfast_ledger.store.interface import StoreError

EXIT_SOUND, EXIT_UNSOUND, EXIT_USAGE, EXIT_UNAVAILABLE = 0, 1, 64, 69


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns 0 if all is sound, 1 if not, 64 for wrong usage, 69 if the database cannot be read."""
    options = _parser().parse_args(argv)
    try:
        expected = bytes.fromhex(options.expect_head)
    except ValueError:
        return _complain("--expect-head is not hexadecimal", EXIT_USAGE)
    if "://" not in options.database and not Path(options.database).is_file():
        return _complain(f"{options.database}: there is no such file", EXIT_USAGE)
    try:
        store = open_store(options.database)
        try:
            with store.reading() as reader:
                verdict, report = verify(reader, expected), audit(reader)
        finally:
            store.close()
    except StoreError as fault:
        return _complain(str(fault), EXIT_UNAVAILABLE)
    findings = [*verdict.findings, *report.findings]
    sys.stdout.write(_json(verdict, findings) if options.json else _text(verdict, report, findings))
    return EXIT_UNSOUND if findings else EXIT_SOUND


def _text(verdict: Verdict, report: AuditReport, findings: Sequence[str]) -> str:
    lines = [
        f"chain: {verdict.entry_count} entries, the last one {verdict.last_entry_key}, {_unsealed(verdict)}",
        f"head: {verdict.head.hex()}",
        *(
            f"generation {generation} begins after entry {after}: the ledger was restored from a backup there"
            for generation, after in verdict.generations[1:]
        ),
        f"closed: {', '.join(map(month_text, verdict.periods)) or 'no month'}",
        f"audit: {report.pool_count} pools, {report.grant_count} grants, {report.entry_count} entries",
        *(f"fault: {text}" for text in findings),
        "unsound" if findings else "sound",
    ]
    return "\n".join(lines) + "\n"


def _unsealed(verdict: Verdict) -> str:
    if not verdict.unsealed_count:
        return "none is left to be sealed"
    since = datetime.datetime.fromtimestamp(verdict.unsealed_since_ms / 1_000, datetime.UTC)
    return f"{verdict.unsealed_count} more, posted since {since:%Y-%m-%d %H:%M:%S} UTC, are not sealed yet"


def _json(verdict: Verdict, findings: Sequence[str]) -> str:
    told = {
        "entry_count": verdict.entry_count,
        "last_entry_id": verdict.last_entry_key,
        "head": verdict.head.hex(),
        "unsealed_count": verdict.unsealed_count,
        "unsealed_since_unix_ms": verdict.unsealed_since_ms,
        "broken_entry_id": verdict.broken_entry_key,
        "generations": [{"generation": x, "after_entry_id": after} for x, after in verdict.generations],
        "closed_periods": [month_text(period) for period in verdict.periods],
        "findings": list(findings),
    }
    return json.dumps(told, indent=2) + "\n"


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"holdfast verify: {message}\n")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="holdfast verify",
        description="Verifies a ledger: the hash chain over its journal, the figures of closed months, and that all "
        "figures are what the journal makes of them. Without --database it checks a sidecar's folder.",
        epilog="Exit status: 0 sound, 1 not, 64 wrong usage, 69 the database cannot be read.",
    )
    parser.add_argument("--database", required=True, help="file of the SQLite database, or a postgresql:// URL")
    parser.add_argument("--expect-head", default="", metavar="HEX", help="a head that was noted: it has to be there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser
