"""What callers are called in debits: short, the same for all that one caller does, and never a token."""

from hashlib import sha256

import pytest
from google.protobuf.message import Message
from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast.v1 import usage_service_pb2 as usage_pb
from holdfast_sidecar.credentials import Credential
from holdfast_sidecar.dispatcher.callers import MAX_CALLER_BYTES, caller_names
from holdfast_sidecar.dispatcher.decode import Decoder
from holdfast_sidecar.dispatcher.dispatcher import METHODS, Dispatcher
from holdfast_sidecar.dispatcher.gate import Gate
from holdfast_sidecar.dispatcher.usage import UsageCalls

SECRET = "a-secret-that-nobody-tells"
HASH = sha256(SECRET.encode()).hexdigest()
LISTED = caller_names(
    (
        Credential(name="billing", token_sha256=HASH),
        Credential(name="worker", uid=1001),
        Credential(name="edge", address="10.0.0.9"),
    )
)
WORKER = "unix:uid=1001,gid=1,pid=7"
EDGE = "tcp:10.0.0.9:4711"


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("unix:uid=1000,gid=1000,pid=7", "uid:1000"),
        ("unix:uid=1000,gid=9,pid=8", "uid:1000"),
        ("tcp:10.0.0.5:1", "address:10.0.0.5"),
        ("tcp:10.0.0.5:2", "address:10.0.0.5"),
        ("tcp:[::1]:3", "address:::1"),
        ("tcp:[::ffff:10.0.0.5]:1", "address:10.0.0.5"),
        ("tcp:10.0.0.5:1 Basic dXNlcjpwYXNz", "address:10.0.0.5"),
        ("tcp:10.0.0.5:1 Bearer ", "address:10.0.0.5"),
        (f"unix:uid=1000,gid=1,pid=1 Bearer {SECRET}", f"uid:1000 token:{HASH[:8]}"),
        (f"tcp:10.0.0.5:1 bearer  {SECRET}", f"address:10.0.0.5 token:{HASH[:8]}"),
    ],
)
def test_without_a_credential_it_is_where_the_call_comes_from(peer: str, name: str) -> None:
    assert caller_names(())(peer) == name


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        (WORKER, "worker"),
        (EDGE, "edge"),
        ("tcp:[::ffff:10.0.0.9]:4711", "edge"),
        (f"{EDGE} Bearer {SECRET}", "billing"),
        (f"tcp:10.0.0.5:1 Bearer {SECRET}", "billing"),
        ("unix:uid=1000,gid=1001,pid=1001", "uid:1000"),
    ],
)
def test_a_credential_has_a_name(peer: str, name: str) -> None:
    assert LISTED(peer) == name


def test_a_token_that_is_not_listed_hides_nobody_and_is_nobodys_name() -> None:
    other = sha256(b"made up").hexdigest()[:8]
    assert LISTED(f"{WORKER} Bearer made up") == f"uid:1001 token:{other}"


@pytest.mark.parametrize("authorization", ["", " Bearer " + "x" * 8_000, " Bearer \ud800"])
def test_whatever_is_sent_the_name_is_short(authorization: str) -> None:
    peer = f"tcp:[fe80:1111:2222:3333:4444:5555:6666:7777%{'e' * 200}]:1{authorization}"
    assert len(caller_names(())(peer).encode()) == MAX_CALLER_BYTES
    assert "x" * 8 not in caller_names(())(peer)


ENFORCEMENT = "/holdfast.v1.EnforcementService/"
USAGE = "/holdfast.v1.UsageService/"
EVENT = usage_pb.UsageEvent(id="1", source="s", type="t", account_id="acme", time_unix_ms=1)
NAME = usage_pb.EventName(account_id="acme", source="s", id="1")
CHARGE = pb.ChargeRequest(operation_id="o", account_id="acme", delta=1)
EXECUTE = pb.ExecuteRequest(operations=[pb.Operation(charge=CHARGE)])
REPORT = usage_pb.ReportUsageRequest(operation_id="o", account_id="acme", delta=1)


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        (ENFORCEMENT + "Charge", CHARGE),
        (ENFORCEMENT + "Settle", pb.SettleRequest(operation_id="o", account_id="acme", hold_id="h", amount=1)),
        (ENFORCEMENT + "Execute", EXECUTE),
        (ENFORCEMENT + "Session", pb.SessionRequest(message_id=1, execute=EXECUTE)),
        (USAGE + "ReportUsage", REPORT),
        (USAGE + "ReportUsageBulk", usage_pb.ReportUsageBulkRequest(reports=[REPORT])),
        (USAGE + "ReportEvents", usage_pb.ReportEventsRequest(events=[EVENT])),
        (USAGE + "VoidEvents", usage_pb.VoidEventsRequest(events=[NAME])),
    ],
)
def test_every_call_that_may_debit_has_its_caller(path: str, request_: Message) -> None:
    usage = UsageCalls(Gate(lambda: 0), 256)
    dispatcher = Dispatcher(Decoder(3_600_000, 256), lambda: True, usage, LISTED)
    method = [method.path for method in METHODS].index(path)
    calls, replies = dispatcher.decode([(1, method, request_.SerializeToString(), WORKER, 0)])
    if dispatcher.events_wait:
        calls, replies = dispatcher.decode_events()
    assert ([call.caller for call in calls], replies) == (["worker"], [])
