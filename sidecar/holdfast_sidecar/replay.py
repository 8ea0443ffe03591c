"""`holdfast replay`: brings debits and events to the ledger that no sidecar will bring any more.

    holdfast replay FOLDER --ledger HOST:PORT        those that a fenced, or set-aside, folder still has
    holdfast replay --quarantined --ledger HOST:PORT  those that the ledger keeps until their pool is there
    holdfast replay --duplicates --ledger HOST:PORT   lists operations that were debited twice; changes nothing

May be repeated: the ledger posts each debit once, and counts each event once. The folder is only read. Exit statuses:
0 everything is dealt with; 1 some debits were refused, or something could not be read; 2 wrong usage; 69 the ledger did
not answer; 75 a sidecar has the folder open; 77 the folder cannot be read.
"""

import argparse
import os
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import grpc
from holdfast.v1 import ingest_service_pb2 as ingest_pb
from holdfast.v1 import ledger_service_pb2 as pb
from holdfast.v1.ingest_service_pb2_grpc import IngestServiceStub
from holdfast.v1.ledger_service_pb2_grpc import LedgerServiceStub
from holdfast.v1.ledger_sync_service_pb2 import Debit

from holdfast_sidecar.engine.event_rows import EventRow
from holdfast_sidecar.store.interface import StoreError, StoreLocked
from holdfast_sidecar.store.leftovers import Leftovers, open_leftovers

EXIT_DONE = 0
EXIT_REFUSED = 1
EXIT_UNAVAILABLE = 69
EXIT_LOCKED = 75
EXIT_UNUSABLE = 77

CALL_DEBITS = 1_000
"""Debits of one call, by the contract."""
CALL_EVENTS = 10_000
"""The same of events."""
CALL_BYTES = 1 << 20
"""Bytes of one call: below what a ledger takes in one message."""
CALL_TIMEOUT_S = 30
TOKEN_VARIABLE = "HOLDFAST_TOKEN"
NAMED = 100
"""Refused and conflicting debits that are named one by one; the rest is counted."""

_WORDS = {
    pb.REPLAY_OUTCOME_POSTED: "posted",
    pb.REPLAY_OUTCOME_ALREADY_REPLAYED: "already replayed",
    pb.REPLAY_OUTCOME_ALREADY_POSTED: "already posted",
    pb.REPLAY_OUTCOME_DUPLICATE: "duplicates of another debit's operation",
    pb.REPLAY_OUTCOME_UNKNOWN_POOL: "refused: there is no such pool",
    pb.REPLAY_OUTCOME_OVERFLOW: "refused: a total would overflow",
}
_REFUSED = {pb.REPLAY_OUTCOME_UNKNOWN_POOL, pb.REPLAY_OUTCOME_OVERFLOW}


def main(argv: Sequence[str]) -> int:
    """Runs `holdfast replay`; returns the exit status, see the head of this file."""
    options = _parser().parse_args(argv)
    ways = [options.folder is not None, options.quarantined, options.duplicates]
    if sum(ways) != 1:
        _parser().error("exactly one of FOLDER, --quarantined and --duplicates is wanted")
    with grpc.insecure_channel(options.ledger) as channel:
        stub = LedgerServiceStub(channel)
        try:
            if options.duplicates:
                return _list_duplicates(stub, options.account)
            if options.quarantined:
                return _finish(_quarantined(stub, options.account, options.dry_run), [])
            with open_leftovers(options.folder) as leftovers:
                event_count = _push_events(IngestServiceStub(channel), leftovers, options.dry_run)
                results = _folder(stub, leftovers, options.kept, options.dry_run)
                return _finish(results, leftovers.faults, event_count)
        except StoreLocked as error:
            return _complain(f"{error}: stop the sidecar first", EXIT_LOCKED)
        except StoreError as error:
            return _complain(str(error), EXIT_UNUSABLE)
        except grpc.RpcError as error:
            return _complain(*_of_call(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="holdfast replay",
        description="Brings debits and events to the ledger that no sidecar will bring any more.",
        epilog=f"The token of an administrator's credential is taken from the variable {TOKEN_VARIABLE}.",
    )
    parser.add_argument("folder", type=Path, nargs="?", help="a stopped sidecar's folder, or one of its `unusable-<n>`")
    parser.add_argument("--ledger", required=True, metavar="HOST:PORT", help="the ledger, any replica of it")
    parser.add_argument("--dry-run", action="store_true", help="show what would become of each debit; change nothing")
    parser.add_argument("--kept", action="store_true", help="also the debits that the folder takes for posted")
    parser.add_argument("--quarantined", action="store_true", help="replay the ledger's quarantine instead of a folder")
    parser.add_argument("--duplicates", action="store_true", help="list operations that were debited twice")
    parser.add_argument("--account", default="", help="with the latter two: of this account alone")
    return parser


def _folder(stub: LedgerServiceStub, folder: Leftovers, kept: bool, dry_run: bool) -> Iterator[pb.ReplayResult]:
    after_sequence = 0 if kept else folder.acked_sequence
    _tell(
        f"sidecar {folder.sidecar_id!r}, epoch {folder.epoch}, life {folder.birth_epoch}: debits after {after_sequence}"
    )
    for debits in _calls(folder.debits(after_sequence)):
        request = pb.ReplayDebitsRequest(
            sidecar_id=folder.sidecar_id, birth_epoch=folder.birth_epoch, debits=debits, dry_run=dry_run
        )
        yield from stub.ReplayDebits(request, timeout=CALL_TIMEOUT_S, metadata=_credential()).results


def _calls(debits: Iterable[Debit]) -> Iterator[list[Debit]]:
    """Yields runs of debits, each fit for one call."""
    run: list[Debit] = []
    byte_count = 0
    for debit in debits:
        size = debit.ByteSize()
        if run and (len(run) == CALL_DEBITS or byte_count + size > CALL_BYTES):
            yield run
            run, byte_count = [], 0
        run.append(debit)
        byte_count += size
    if run:
        yield run


def _push_events(stub: IngestServiceStub, folder: Leftovers, dry_run: bool) -> int:
    """Brings the events that wait; returns how many there are."""
    event_count = 0
    for rows in _batches(folder.events()):
        count = sum(row.event_count for row in rows)
        event_count += count
        if not dry_run:
            request = ingest_pb.PushEventsRequest(
                sidecar_id=folder.sidecar_id,
                birth_epoch=folder.birth_epoch,
                first_sequence=rows[0].first_sequence,
                event_count=count,
                batch=zlib.compress(b"".join(row.payload for row in rows), 1),
            )
            stub.PushEvents(request, timeout=CALL_TIMEOUT_S, metadata=_credential())
    return event_count


def _batches(rows: Iterable[EventRow]) -> Iterator[list[EventRow]]:
    """Yields runs of rows, each fit for one call."""
    run: list[EventRow] = []
    event_count = byte_count = 0
    for row in rows:
        event_count += row.event_count
        byte_count += len(row.payload)
        if run and (event_count > CALL_EVENTS or byte_count > CALL_BYTES):
            yield run
            run, event_count, byte_count = [], row.event_count, len(row.payload)
        run.append(row)
    if run:
        yield run


def _quarantined(stub: LedgerServiceStub, account_id: str, dry_run: bool) -> Iterator[pb.ReplayResult]:
    token = ""
    while True:
        request = pb.ReplayQuarantinedDebitsRequest(
            account_id=account_id, page_size=CALL_DEBITS, page_token=token, dry_run=dry_run
        )
        page = stub.ReplayQuarantinedDebits(request, timeout=CALL_TIMEOUT_S, metadata=_credential())
        yield from page.results
        token = page.next_page_token
        if not token:
            return


def _finish(results: Iterator[pb.ReplayResult], faults: list[str], event_count: int = 0) -> int:
    """Counts and tells what became of the debits, however far it came; returns the exit status."""
    counts: Counter[pb.ReplayOutcome] = Counter()
    amounts: defaultdict[pb.ReplayOutcome, int] = defaultdict(int)
    named = 0
    try:
        for result in results:
            counts[result.outcome] += 1
            amounts[result.outcome] += result.amount
            if (result.outcome in _REFUSED or result.conflicting) and (named := named + 1) <= NAMED:
                _tell(_line(result))
    finally:
        for outcome, word in _WORDS.items():
            if counts[outcome]:
                _tell(f"{counts[outcome]:>9} {word}, {amounts[outcome]} minor units")
        if event_count:
            _tell(f"{event_count:>9} events, of which the ledger counts those that it does not have")
        for fault in faults:
            _tell(f"could not be read: {fault}")
    if not counts and not event_count:
        _tell("there is nothing to replay")
    return EXIT_REFUSED if faults or counts.keys() & _REFUSED else EXIT_DONE


def _line(result: pb.ReplayResult) -> str:
    word = "amount or pool differ from what is posted" if result.conflicting else _WORDS[result.outcome]
    return (
        f"{result.sidecar_id} {result.epoch}/{result.sequence}, operation {result.operation_id!r} of account "
        f"{result.account_id!r}, {result.amount} minor units: {word}"
    )


def _list_duplicates(stub: LedgerServiceStub, account_id: str) -> int:
    token = ""
    while True:
        request = pb.ListDuplicateDebitsRequest(account_id=account_id, page_size=CALL_DEBITS, page_token=token)
        page = stub.ListDuplicateDebits(request, timeout=CALL_TIMEOUT_S, metadata=_credential())
        for one in page.duplicates:
            flag = " CONFLICTING" if one.conflicting else ""
            _tell(
                f"operation {one.operation_id!r} of account {one.account_id!r}: {_reference(one.posted)} posted, "
                f"{_reference(one.duplicate)} not{flag}"
            )
        token = page.next_page_token
        if not token:
            return EXIT_DONE


def _reference(debit: pb.DebitReference) -> str:
    return f"{debit.amount} of {debit.pool_id!r} by {debit.sidecar_id} {debit.epoch}/{debit.sequence}"


def _credential() -> tuple[tuple[str, str], ...]:
    """Returns the metadata that a call to a ledger goes with which requires credentials."""
    token = os.environ.get(TOKEN_VARIABLE)
    return (("authorization", f"Bearer {token}"),) if token else ()


def _of_call(error: grpc.RpcError) -> tuple[str, int]:
    """Returns message and exit status for a call that failed."""
    assert isinstance(error, grpc.Call)
    code: Callable[[], grpc.StatusCode] = error.code
    if code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return f"the ledger did not answer ({error.details()}); run it again, nothing is posted twice", EXIT_UNAVAILABLE
    return f"the ledger refused: {error.details()}", EXIT_REFUSED


def _tell(line: str) -> None:
    print(line)  # noqa: T201


def _complain(message: str, status: int) -> int:
    print(f"holdfast replay: {message}", file=sys.stderr)  # noqa: T201
    return status
