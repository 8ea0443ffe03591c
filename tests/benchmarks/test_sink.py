"""The sink grants what is asked for, acks what is sent, and remembers a sidecar that comes back."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast.v1.ledger_sync_service_pb2_grpc import LedgerSyncServiceStub
from holdfast_bench import system


@pytest.fixture(params=[True, False], ids=["acks", "silent"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[bool, str]]:
    with system.sink(tmp_path, acks=request.param) as process:
        yield request.param, process.target


def exchange(target: str, instance: bytes, *requests: wire.SyncRequest) -> list[wire.SyncResponse]:
    """Says Hello and more; returns all that the sink says."""
    hello = wire.SyncRequest(hello=wire.Hello(sidecar_id="s", instance=instance))
    with grpc.insecure_channel(target) as channel:
        return list(LedgerSyncServiceStub(channel).Sync(iter([hello, *requests]), timeout=60, wait_for_ready=True))


def test_a_sidecar_gets_rights_and_acks_and_finds_its_leases_again(sink: tuple[bool, str]) -> None:
    acks, target = sink
    ask = wire.LeaseRequest(request_id=7, wants=[wire.LeaseWant(account_id="a", pool_id="p", want_amount=5)])
    debits = [wire.Debit(sequence=n, epoch=1, account_id="a", pool_id="p", amount=10) for n in (1, 2)]
    sent = [
        wire.SyncRequest(lease_request=ask),
        wire.SyncRequest(debits=wire.DebitBatch(debits=debits)),
        wire.SyncRequest(heartbeat=wire.Heartbeat(heartbeat_id=3)),
    ]

    welcome, update, *rest = exchange(target, b"1" * 16, *sent)

    assert (welcome.welcome.epoch, welcome.welcome.acked_sequence) == (1, 0)
    assert update.lease_update.request_id == 7
    assert update.lease_update.leases[0].granted_total > 5
    assert rest[-1].heartbeat_ack.heartbeat_id == 3
    assert [response.ack.acked_sequence for response in rest[:-1]] == ([2] if acks else [])

    assert system.debits_acked(target) == (2 if acks else 0)
    (again,) = exchange(target, b"2" * 16)

    assert (again.welcome.epoch, again.welcome.birth_epoch) == (2, 1)
    assert again.welcome.acked_sequence == (2 if acks else 0)
    assert [(lease.pool_id, lease.posted_total) for lease in again.welcome.leases] == [("p", 20 if acks else 0)]


def test_without_rules_nothing_is_asked_and_with_them_they_are_told(tmp_path: Path) -> None:
    want = wire.LeaseWant(account_id="a", pool_id="p", want_amount=5)
    sent = [
        wire.SyncRequest(lease_request=wire.LeaseRequest(request_id=1, wants=[want])),
        wire.SyncRequest(rules_request=wire.RulesRequest(request_id=2, wants=[wire.RulesWant(account_id="a")])),
    ]
    with system.sink(tmp_path) as process:
        _, update, *_ = exchange(process.target, b"1" * 16, *sent)
        assert update.lease_update.leases[0].rules_version == 0
    with system.sink(tmp_path, path="full") as process:
        _, update, rules = exchange(process.target, b"1" * 16, *sent)
        assert update.lease_update.leases[0].rules_version > 0
        assert (rules.rules_update.request_id, [node.subject for node in rules.rules_update.nodes]) == (2, [""])


def test_a_debit_is_posted_against_its_windows_too(tmp_path: Path) -> None:
    wants = [wire.LeaseWant(account_id="a", pool_id=name, want_amount=5) for name in ("p", "b\x1f0")]
    debit = wire.Debit(sequence=1, epoch=1, account_id="a", pool_id="p", amount=10, windows=["b\x1f0"])
    sent = [
        wire.SyncRequest(lease_request=wire.LeaseRequest(request_id=1, wants=wants)),
        wire.SyncRequest(debits=wire.DebitBatch(debits=[debit])),
    ]
    with system.sink(tmp_path, path="full") as process:
        exchange(process.target, b"1" * 16, *sent)
        (again,) = exchange(process.target, b"2" * 16)
        assert [lease.posted_total for lease in again.welcome.leases] == [10, 10]


def test_rights_that_were_given_back_are_granted_again(tmp_path: Path) -> None:
    with system.sink(tmp_path) as process:
        granted_total = 0
        for request_id, returned_total in ((1, 0), (2, 10**15), (3, 10**15), (4, 2 * 10**15)):
            want = wire.LeaseWant(account_id="a", pool_id="p", want_amount=5, returned_total=returned_total)
            ask = wire.LeaseRequest(request_id=request_id, wants=[want])
            _, update = exchange(process.target, b"1" * 16, wire.SyncRequest(lease_request=ask))
            (lease,) = update.lease_update.leases
            assert lease.granted_total - returned_total > 5
            assert lease.granted_total >= granted_total, "totals only grow"
            granted_total = lease.granted_total


def test_a_process_that_ends_at_once_is_told_with_what_it_wrote(tmp_path: Path) -> None:
    with pytest.raises(system.ProcessFailed, match="unrecognized arguments: --nonsense"):
        system.start("sink", [sys.executable, "-m", "holdfast_bench.sink", "--nonsense"], tmp_path)


def test_a_process_that_says_nothing_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "START_TIMEOUT_S", 0.2)
    started: list[subprocess.Popen[str]] = []
    popen = subprocess.Popen

    def remember(*arguments: object, **options: object) -> "subprocess.Popen[str]":
        started.append(popen(*arguments, **options))  # type: ignore[call-overload]  # passed through
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", remember)
    with pytest.raises(system.ProcessFailed, match="did not say where it listens"):
        system.start("mute", [sys.executable, "-c", "import signal; signal.pause()"], tmp_path)
    assert started[0].poll() is not None
