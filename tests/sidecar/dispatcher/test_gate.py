"""Who may report usage, how often, and of which account."""

from hashlib import sha256

import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from holdfast_sidecar.credentials import Credential
from holdfast_sidecar.dispatcher.faults import Refusal, status_bytes
from holdfast_sidecar.dispatcher.gate import MAX_BUCKETS, Gate, check_account

MS = 1_000_000
WORKER = "unix:uid=1001,gid=1,pid=7"
CLIENT = "tcp:10.0.0.9:4711"


class Clock:
    """CLOCK_BOOTTIME that a test moves."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000

    def __call__(self) -> int:
        return self.now_ns


def refused(gate: Gate, peer: str) -> tuple[str, str]:
    with pytest.raises(Refusal) as caught:
        gate.admit(peer)
    fault = caught.value.fault
    return fault.reason, dict(fault.metadata).get("retry_after_ms", "")


def token(value: str) -> str:
    return sha256(value.encode()).hexdigest()


def test_without_settings_everybody_may() -> None:
    gate = Gate(Clock())
    for peer in (WORKER, CLIENT, f"{CLIENT} Bearer whatever"):
        for _ in range(1_000):
            assert gate.admit(peer) == ""


def test_each_uid_and_each_address_has_its_own_rate_whatever_the_process_or_port() -> None:
    clock = Clock()
    gate = Gate(clock, calls_per_s=2)
    for peer in (WORKER, "unix:uid=1001,gid=1,pid=8", CLIENT, "tcp:10.0.0.9:4712", "tcp:[::1]:1", "tcp:[::1]:2"):
        gate.admit(peer)
    assert refused(gate, "unix:uid=1001,gid=9,pid=9") == ("RATE_LIMITED", "500")
    assert refused(gate, "tcp:10.0.0.9:1") == ("RATE_LIMITED", "500")
    assert refused(gate, "tcp:[::1]:3") == ("RATE_LIMITED", "500")
    gate.admit("unix:uid=1002,gid=1,pid=7")


def test_after_the_wait_that_is_told_the_call_passes_and_not_before() -> None:
    clock = Clock()
    gate = Gate(clock, calls_per_s=3, burst=1)
    gate.admit(CLIENT)
    assert refused(gate, CLIENT) == ("RATE_LIMITED", "334")
    clock.now_ns += 333 * MS
    assert refused(gate, CLIENT) == ("RATE_LIMITED", "1")
    clock.now_ns += 1 * MS
    gate.admit(CLIENT)


def test_what_is_refused_costs_nothing() -> None:
    clock = Clock()
    gate = Gate(clock, calls_per_s=1)
    gate.admit(CLIENT)
    for _ in range(100):
        refused(gate, CLIENT)
    clock.now_ns += 1_000 * MS
    gate.admit(CLIENT)


def test_with_credentials_nobody_else_may_call() -> None:
    credentials = [
        Credential(name="billing", token_sha256=token("secret"), account_id="acme"),
        Credential(name="worker", uid=1001),
        Credential(name="edge", address="10.0.0.9", account_id="globex"),
    ]
    gate = Gate(Clock(), credentials)
    assert gate.admit("tcp:10.9.9.9:1 Bearer secret") == "acme"
    assert gate.admit("tcp:10.9.9.9:1 bearer secret") == "acme"
    assert gate.admit(WORKER) == ""
    assert gate.admit(CLIENT) == "globex"
    for peer in (
        "tcp:10.9.9.9:1",
        "tcp:10.9.9.9:1 Bearer wrong",
        "tcp:10.9.9.9:1 Basic secret",
        "tcp:10.9.9.9:1 secret",
        f"tcp:10.9.9.9:1 Bearer {token('secret')}",
        "unix:uid=1002,gid=1,pid=1",
        "unix:uid=10,gid=1001,pid=1001",
        f"{WORKER} Bearer wrong",
    ):
        assert refused(gate, peer) == ("UNAUTHENTICATED", "")


def test_a_credential_may_have_a_rate_of_its_own() -> None:
    credentials = [
        Credential(name="free", uid=1, calls_per_s=0),
        Credential(name="slow", uid=2, calls_per_s=1),
        Credential(name="bursty", uid=3, calls_per_s=1, burst=3),
        Credential(name="usual", uid=4),
        Credential(name="usual-bursty", uid=5, burst=4),
    ]
    gate = Gate(Clock(), credentials, calls_per_s=2, burst=1)
    passed = {}
    for uid in range(1, 6):
        passed[uid] = 0
        for _ in range(10):
            try:
                gate.admit(f"unix:uid={uid},gid=1,pid=1")
            except Refusal:
                break
            passed[uid] += 1
    assert passed == {1: 10, 2: 1, 3: 3, 4: 1, 5: 4}


def test_callers_without_end_take_no_memory_without_end() -> None:
    gate = Gate(Clock(), calls_per_s=1)
    gate.admit("tcp:first:1")
    for number in range(MAX_BUCKETS + 10):
        gate.admit(f"tcp:host-{number}:1")
    gate.admit("tcp:first:1")
    assert refused(gate, f"tcp:host-{MAX_BUCKETS + 9}:1") == ("RATE_LIMITED", "1000")


def test_a_scope_is_one_account() -> None:
    check_account("", "anyone")
    check_account("acme", "acme")
    with pytest.raises(Refusal) as caught:
        check_account("acme", "globex")
    assert (caught.value.fault.code.name, caught.value.fault.reason) == ("PERMISSION_DENIED", "PERMISSION_DENIED")


def test_the_status_says_when_to_come_again_twice() -> None:
    gate = Gate(Clock(), calls_per_s=1)
    gate.admit(CLIENT)
    with pytest.raises(Refusal) as caught:
        gate.admit(CLIENT)
    status = Status.FromString(status_bytes(caught.value.fault))
    info, retry = ErrorInfo(), RetryInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(retry)
    assert (status.code, info.reason, dict(info.metadata)) == (8, "RATE_LIMITED", {"retry_after_ms": "1000"})
    assert retry.retry_delay.ToMilliseconds() == 1_000
