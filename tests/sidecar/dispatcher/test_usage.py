"""The calls of UsageService: each thing that may not stand in one is named, and each report is answered by itself."""

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from holdfast.v1 import usage_service_pb2 as pb
from holdfast_sidecar.credentials import Credential
from holdfast_sidecar.dispatcher.faults import Refusal
from holdfast_sidecar.dispatcher.framing import Form, reports_response
from holdfast_sidecar.dispatcher.gate import Gate
from holdfast_sidecar.dispatcher.invalid import Invalid
from holdfast_sidecar.dispatcher.usage import USAGE_METHODS, UsageCalls, report_of
from holdfast_sidecar.engine.operations import Fault, FaultCode, Refused, Report

PEER = "tcp:127.0.0.1:1"
METHODS = {method.path.rpartition("/")[2]: index for index, method in enumerate(USAGE_METHODS)}


def request(**fields: Any) -> pb.ReportUsageRequest:
    fields = {"operation_id": "a", "account_id": "acme", "delta": 1, **fields}
    if "set" in fields:
        del fields["delta"]
    return pb.ReportUsageRequest(**fields)


def calls(max_operations: int = 256, *credentials: Credential) -> UsageCalls:
    return UsageCalls(Gate(lambda: 0, credentials), max_operations)


def test_all_of_a_report_gets_to_the_engine() -> None:
    report = report_of(
        request(
            delta=7,
            pool_id="gpu",
            meter_id="output",
            subject="team/agent",
            dimensions={"model": "gpt-5", "feature": "chat"},
            currency="credits",
            already_used=True,
        )
    )
    assert (report.account_id, report.pool_id, report.delta, report.meter_id) == ("acme", "gpu", 7, "output")
    assert (report.subject, report.currency, report.already_used) == ("team/agent", "credits", True)
    assert report.dimensions == (("feature", "chat"), ("model", "gpt-5"))
    counted = report_of(request(set={"counter_id": "job", "total": 5}))
    assert (counted.pool_id, counted.counter_id, counted.total, counted.already_used) == ("general", "job", 5, False)


def test_everything_but_the_order_of_dimensions_is_content() -> None:
    first = report_of(request(dimensions={"a": "1", "b": "2"}))
    assert report_of(request(dimensions={"b": "2", "a": "1"})).fingerprint == first.fingerprint
    for other in ({"already_used": True}, {"meter_id": "input"}, {"delta": 2}, {"pool_id": "gpu"}, {"subject": "s"}):
        assert report_of(request(**other)).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"operation_id": ""}, "operation_id"),
        ({"operation_id": "x" * 129}, "operation_id"),
        ({"account_id": ""}, "account_id"),
        ({"account_id": "a\n"}, "account_id"),
        ({"pool_id": "x" * 129}, "pool_id"),
        ({"meter_id": "no such"}, "meter_id"),
        ({"meter_id": "Output"}, "meter_id"),
        ({"delta": 0}, "delta"),
        ({"delta": -1}, "delta"),
        ({"set": {"total": 1}}, "set.counter_id"),
        ({"set": {"counter_id": "job", "total": -1}}, "set.total"),
        ({"delta": None}, "usage"),
        ({"subject": "a//b"}, "subject"),
        ({"dimensions": {f"k{n}": "v" for n in range(100)}}, "dimensions"),
        ({"dimensions": {"k": "v" * 257}}, "dimensions[k]"),
        ({"currency": "x" * 17}, "currency"),
    ],
)
def test_what_may_not_stand_in_a_report_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        report_of(request(**fields))
    assert caught.value.field == field


def test_one_report_is_one_operation() -> None:
    operations, form = calls().read(METHODS["ReportUsage"], request().SerializeToString(), PEER)
    assert form is Form.UNARY
    assert [type(operation) for operation in operations] == [Report]


def test_of_many_reports_one_that_is_malformed_stops_no_other() -> None:
    bulk = pb.ReportUsageBulkRequest(reports=[request(), request(delta=0), request(operation_id="b")])
    operations, form = calls().read(METHODS["ReportUsageBulk"], bulk.SerializeToString(), PEER)
    assert form is Form.REPORTS
    assert [type(operation) for operation in operations] == [Report, Refused, Report]
    refused = operations[1]
    assert isinstance(refused, Refused)
    assert dict(refused.fault.metadata) == {"field": "delta"}


def test_a_text_that_is_not_utf_8_stops_no_other_report() -> None:
    bulk = pb.ReportUsageBulkRequest(reports=[request(), request(subject="team"), request(operation_id="b")])
    payload = bulk.SerializeToString().replace(b"team", b"te\xffm")
    operations, _ = calls().read(METHODS["ReportUsageBulk"], payload, PEER)
    assert [type(operation) for operation in operations] == [Report, Refused, Report]
    refused = operations[1]
    assert isinstance(refused, Refused)
    assert dict(refused.fault.metadata) == {"field": "subject"}


def test_bytes_that_are_no_message_are_garbage() -> None:
    with pytest.raises(DecodeError):
        calls().read(METHODS["ReportUsageBulk"], b"\xff" * 20, PEER)


@pytest.mark.parametrize("count", [0, 3])
def test_a_bulk_has_as_many_as_the_setting_allows(count: int) -> None:
    bulk = pb.ReportUsageBulkRequest(reports=[request()] * count)
    with pytest.raises(Invalid, match=r"reports: must be 1\.\.2 reports"):
        calls(2).read(METHODS["ReportUsageBulk"], bulk.SerializeToString(), PEER)


def test_a_credential_names_its_own_account_alone() -> None:
    own = calls(9, Credential(name="edge", address="127.0.0.1", account_id="acme"))
    own.read(METHODS["ReportUsage"], request().SerializeToString(), PEER)
    other = request(account_id="globex")
    with pytest.raises(Refusal) as caught:
        own.read(METHODS["ReportUsage"], other.SerializeToString(), PEER)
    assert caught.value.fault.code is FaultCode.PERMISSION_DENIED
    bulk = pb.ReportUsageBulkRequest(reports=[request(), other])
    operations, _ = own.read(METHODS["ReportUsageBulk"], bulk.SerializeToString(), PEER)
    assert [type(operation) for operation in operations] == [Report, Refused]


@pytest.mark.parametrize("name", ["QueryUsage", "TraceUsage", "ListUsageKeys"])
def test_what_the_ledger_serves_is_sent_there(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        calls().read(METHODS[name], b"", PEER)
    fault = caught.value.fault
    assert (fault.code, fault.reason) == (FaultCode.UNIMPLEMENTED, "SERVED_BY_LEDGER")
    assert name in fault.message
    assert "ledger" in fault.message


def test_answers_of_a_bulk_are_spliced_as_protobuf_would() -> None:
    answer = pb.ReportUsageResponse(quantity=3, late=True)
    answer.charge.debited_amount = 300
    fault = Fault(FaultCode.NOT_FOUND, "POOL_NOT_FOUND", "no such pool", (("field", "pool_id"),))
    spliced = pb.ReportUsageBulkResponse.FromString(reports_response([answer.SerializeToString(), fault, b""]))
    assert spliced.results[0].response == answer
    assert (spliced.results[1].error.code, spliced.results[1].error.reason) == (5, "POOL_NOT_FOUND")
    assert spliced.results[2].WhichOneof("result") == "response"
