"""`holdfast replay`: what a folder still has is sent in calls of their size, told and counted; it stays as it is."""

import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import lmdb
import pytest
from holdfast.v1 import ingest_service_pb2 as ingest_pb
from holdfast.v1 import ingest_service_pb2_grpc as ingest_grpc
from holdfast.v1 import ledger_service_pb2 as pb
from holdfast.v1 import ledger_service_pb2_grpc as pb_grpc
from holdfast_sidecar.engine.event_rows import EventRow, EventWrites
from holdfast_sidecar.engine.state import Meta, Writes
from holdfast_sidecar.replay import EXIT_DONE, EXIT_LOCKED, EXIT_REFUSED, EXIT_UNAVAILABLE, EXIT_UNUSABLE, main
from holdfast_sidecar.store import codec, event_codec
from holdfast_sidecar.store.codec import Table
from holdfast_sidecar.store.lmdb_store import ENGINE

from tests.sidecar.store.harness import BOOT_ID, SIDECAR_ID, make_debit, make_pool, open_lmdb

ACKED, LAST = 40, 2_500
POSTED, SENT = pb.REPLAY_OUTCOME_POSTED, pb.REPLAY_OUTCOME_ALREADY_POSTED
DUPLICATE, UNKNOWN_POOL = pb.REPLAY_OUTCOME_DUPLICATE, pb.REPLAY_OUTCOME_UNKNOWN_POOL


class Ledger(pb_grpc.LedgerServiceServicer, ingest_grpc.IngestServiceServicer):
    """Answers replays as it is told, and remembers what it was sent."""

    def __init__(self) -> None:
        self.pushed: list[ingest_pb.PushEventsRequest] = []
        self.calls: list[pb.ReplayDebitsRequest] = []
        self.outcome: Callable[[int], pb.ReplayOutcome] = lambda _: POSTED
        self.fault: grpc.StatusCode | None = None

    def ReplayDebits(self, request: pb.ReplayDebitsRequest, context: grpc.ServicerContext) -> pb.ReplayDebitsResponse:
        if self.fault is not None and self.calls:
            context.abort(self.fault, "it cannot")
        self.calls.append(request)
        results = [
            pb.ReplayResult(
                sidecar_id=request.sidecar_id,
                epoch=debit.epoch,
                sequence=debit.sequence,
                operation_id=debit.operation_id,
                amount=debit.amount,
                outcome=self.outcome(debit.sequence),
                conflicting=self.outcome(debit.sequence) == DUPLICATE,
            )
            for debit in request.debits
        ]
        return pb.ReplayDebitsResponse(results=results)

    def PushEvents(self, request: ingest_pb.PushEventsRequest, _: grpc.ServicerContext) -> ingest_pb.PushEventsResponse:
        self.pushed.append(request)
        return ingest_pb.PushEventsResponse()

    def ReplayQuarantinedDebits(
        self, request: pb.ReplayQuarantinedDebitsRequest, _: grpc.ServicerContext
    ) -> pb.ReplayQuarantinedDebitsResponse:
        assert request.account_id == "acme"
        sequence = int(request.page_token or "1")
        result = pb.ReplayResult(sidecar_id="s", sequence=sequence, amount=5, outcome=self.outcome(sequence))
        token = str(sequence + 1) if sequence < 3 else ""
        return pb.ReplayQuarantinedDebitsResponse(results=[result], next_page_token=token)

    def ListDuplicateDebits(
        self, request: pb.ListDuplicateDebitsRequest, _: grpc.ServicerContext
    ) -> pb.ListDuplicateDebitsResponse:
        posted = pb.DebitReference(sidecar_id="a", epoch=1, sequence=2, pool_id="general", amount=7)
        later = pb.DebitReference(sidecar_id="b", epoch=3, sequence=4, pool_id="general", amount=8)
        one = pb.DuplicateDebit(operation_id="op", account_id="acme", posted=posted, duplicate=later, conflicting=True)
        return pb.ListDuplicateDebitsResponse(duplicates=[one], next_page_token="" if request.page_token else "more")


@pytest.fixture
def ledger() -> Ledger:
    """What answers at the address."""
    return Ledger()


@pytest.fixture
def address(ledger: Ledger) -> Iterator[str]:
    """Where it listens."""
    with serving(ledger) as address:
        yield address


@contextmanager
def serving(ledger: Ledger, *interceptors: grpc.ServerInterceptor) -> Iterator[str]:
    """Serves at the address that it yields."""
    server = grpc.server(ThreadPoolExecutor(2), interceptors=[*interceptors])
    pb_grpc.add_LedgerServiceServicer_to_server(ledger, server)
    ingest_grpc.add_IngestServiceServicer_to_server(ledger, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed folder with many debits, the first few of them acked."""
    path = tmp_path / "store"
    store = open_lmdb(path, durability="host")
    pool = make_pool(consumed_total=60 * LAST)
    meta = Meta(SIDECAR_ID, epoch=4, birth_epoch=2, acked_sequence=ACKED, last_sequence=LAST, boot_id=BOOT_ID)
    debits = [make_debit(sequence, pool) for sequence in range(1, LAST + 1)]
    store.commit(Writes(meta=meta, pools=[pool], debits=debits))
    store.close()
    return path


def sequences(ledger: Ledger) -> list[int]:
    return [debit.sequence for call in ledger.calls for debit in call.debits]


def test_what_is_not_acked_is_sent_in_order_and_counted(
    folder: Path, ledger: Ledger, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "data.mdb").read_bytes()
    ledger.outcome = lambda sequence: SENT if sequence <= 50 else POSTED
    assert main([str(folder), "--ledger", address]) == EXIT_DONE
    assert sequences(ledger) == list(range(ACKED + 1, LAST + 1))
    assert {(call.sidecar_id, call.birth_epoch, call.dry_run) for call in ledger.calls} == {(SIDECAR_ID, 2, False)}
    assert max(len(call.debits) for call in ledger.calls) == 1_000
    told = capsys.readouterr().out
    assert f"{LAST - 50} posted, {60 * (LAST - 50)} minor units" in told
    assert f"10 already posted, {60 * 10} minor units" in told
    assert (folder / "data.mdb").read_bytes() == before


def test_a_dry_run_is_asked_for_as_one(folder: Path, ledger: Ledger, address: str) -> None:
    assert main([str(folder), "--ledger", address, "--dry-run"]) == EXIT_DONE
    assert all(call.dry_run for call in ledger.calls)


def test_what_the_folder_keeps_beyond_its_acks_is_sent_on_request(folder: Path, ledger: Ledger, address: str) -> None:
    """A ledger that was restored may have lost what the folder takes for posted."""
    assert main([str(folder), "--ledger", address, "--kept"]) == EXIT_DONE
    assert sequences(ledger) == list(range(1, LAST + 1))


def test_refused_and_conflicting_debits_are_named(
    folder: Path, ledger: Ledger, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    special = {60: UNKNOWN_POOL, 61: DUPLICATE}
    ledger.outcome = lambda sequence: special.get(sequence, POSTED)
    assert main([str(folder), "--ledger", address]) == EXIT_REFUSED
    told = capsys.readouterr().out
    assert "1/60, operation 'settle-60'" in told
    assert "1/61, operation 'settle-61'" in told
    assert told.count("operation '") == 2


def test_a_debit_that_cannot_be_read_stops_none_of_the_others(
    folder: Path, ledger: Ledger, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with lmdb.open(str(folder), max_dbs=len(Table), lib_version=ENGINE) as environment:
        table = environment.open_db(Table.DEBITS.value)
        with environment.begin(write=True, db=table) as transaction:
            transaction.put(codec.sequence_key(99), b"damaged")
    assert main([str(folder), "--ledger", address]) == EXIT_REFUSED
    assert sequences(ledger) == [sequence for sequence in range(ACKED + 1, LAST + 1) if sequence != 99]
    assert "could not be read: debit 0000000000000063" in capsys.readouterr().out


def test_a_ledger_that_stops_answering_is_told_with_how_far_it_came(
    folder: Path, ledger: Ledger, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.fault = grpc.StatusCode.UNAVAILABLE
    assert main([str(folder), "--ledger", address]) == EXIT_UNAVAILABLE
    told = capsys.readouterr()
    assert "1000 posted" in told.out
    assert "run it again" in told.err
    ledger.fault = grpc.StatusCode.NOT_FOUND
    assert main([str(folder), "--ledger", address]) == EXIT_REFUSED


def test_an_open_folder_and_one_that_is_none_are_left_alone(
    folder: Path, tmp_path: Path, ledger: Ledger, address: str
) -> None:
    assert main([str(tmp_path), "--ledger", address]) == EXIT_UNUSABLE
    store = open_lmdb(folder, durability="host")
    assert main([str(folder), "--ledger", address]) == EXIT_LOCKED
    store.close()
    with (folder / "data.mdb").open("r+b") as file:
        file.truncate(4_096)
    assert main([str(folder), "--ledger", address]) == EXIT_UNUSABLE
    assert ledger.calls == []


def test_an_empty_outbox_is_said_to_be_one(tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_lmdb(tmp_path / "store", durability="host")
    store.commit(Writes(meta=Meta(SIDECAR_ID, epoch=1, birth_epoch=1, boot_id=BOOT_ID)))
    store.close()
    assert main([str(tmp_path / "store"), "--ledger", address]) == EXIT_DONE
    assert "nothing to replay" in capsys.readouterr().out


def test_the_quarantine_is_replayed_to_its_last_page(
    ledger: Ledger, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.outcome = lambda sequence: UNKNOWN_POOL if sequence == 3 else POSTED
    assert main(["--quarantined", "--ledger", address, "--account", "acme"]) == EXIT_REFUSED
    assert "2 posted, 10 minor units" in capsys.readouterr().out


def test_duplicates_are_listed_to_their_last_page(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--duplicates", "--ledger", address]) == EXIT_DONE
    line = "operation 'op' of account 'acme': 7 of 'general' by a 1/2 posted, 8 of 'general' by b 3/4 not CONFLICTING\n"
    assert capsys.readouterr().out == line * 2


@pytest.mark.parametrize("arguments", [[], ["folder", "--quarantined"], ["--quarantined", "--duplicates"]])
def test_exactly_one_thing_is_replayed(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--ledger", "127.0.0.1:1"])
    assert caught.value.code == 2


# ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def put_events(folder: Path) -> None:
    """Three rows of events, the first of them acked."""
    rows = [EventRow(1, 5, 9, b"a"), EventRow(6, 6_000, 9, b"b"), EventRow(6_006, 5_000, 9, b"c")]
    store = open_lmdb(folder, durability="host")
    meta = store.load().meta
    meta.acked_event_sequence = 5
    store.commit(Writes(meta=meta, events=EventWrites(rows=rows)))
    store.close()


def test_events_that_wait_are_sent_too(
    folder: Path, ledger: Ledger, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the sidecar would have sent them: whole rows, no more than a call may have."""
    put_events(folder)
    assert main([str(folder), "--ledger", address]) == EXIT_DONE
    assert [(call.first_sequence, call.event_count, zlib.decompress(call.batch)) for call in ledger.pushed] == [
        (6, 6_000, b"b"),
        (6_006, 5_000, b"c"),
    ]
    assert {(call.sidecar_id, call.birth_epoch) for call in ledger.pushed} == {(SIDECAR_ID, 2)}
    assert "11000 events" in capsys.readouterr().out


def test_a_dry_run_sends_no_event(
    folder: Path, ledger: Ledger, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put_events(folder)
    assert main([str(folder), "--ledger", address, "--dry-run"]) == EXIT_DONE
    assert ledger.pushed == []
    assert "11000 events" in capsys.readouterr().out


def test_damaged_events_are_named_and_the_others_sent(
    folder: Path, ledger: Ledger, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put_events(folder)
    with (
        lmdb.open(str(folder), map_size=1 << 26, max_dbs=len(Table), lib_version=ENGINE) as environment,
        environment.begin(write=True) as writer,
    ):
        table = environment.open_db(Table.EVENTS.value, txn=writer)
        writer.put(event_codec.event_key(6, 6_000), b"damaged", db=table)
    assert main([str(folder), "--ledger", address]) == EXIT_REFUSED
    assert [call.first_sequence for call in ledger.pushed] == [6_006]
    assert "could not be read: events 0000000000000006" in capsys.readouterr().out


# ── credentials ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Guard(grpc.ServerInterceptor):
    """Lets only those in who show their token."""

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        if ("authorization", "Bearer secret") in details.invocation_metadata:
            return continuation(details)
        return grpc.unary_unary_rpc_method_handler(
            lambda _, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        )


@pytest.mark.parametrize("asked", [["FOLDER"], ["--quarantined", "--account", "acme"], ["--duplicates"]])
def test_a_ledger_that_requires_credentials_is_shown_one(
    folder: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: list[str]
) -> None:
    put_events(folder)
    said = [str(folder) if word == "FOLDER" else word for word in asked]
    with serving(ledger, Guard()) as address:
        assert main([*said, "--ledger", address]) == EXIT_REFUSED
        assert "who are you?" in capsys.readouterr().err
        monkeypatch.setenv("HOLDFAST_TOKEN", "secret")
        assert main([*said, "--ledger", address]) == EXIT_DONE
