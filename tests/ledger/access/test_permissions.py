"""The table of permissions against the contract itself: every call is in it by name or by rule, none by accident."""

import importlib
import pkgutil

import holdfast.v1
import pytest
from google.protobuf.descriptor import MethodDescriptor
from holdfast.v1 import governance_service_pb2 as governance
from holdfast.v1 import usage_service_pb2 as usage
from holdfast_ledger.access import permissions
from holdfast_ledger.access.caller import Caller, Role
from holdfast_ledger.errors import PermissionDenied


def methods() -> list[MethodDescriptor]:
    found = []
    for module in pkgutil.iter_modules(holdfast.v1.__path__):
        if module.name.endswith("_service_pb2"):
            descriptor = importlib.import_module(f"holdfast.v1.{module.name}").DESCRIPTOR
            found += [m for service in descriptor.services_by_name.values() for m in service.methods]
    return [m for m in found if m.containing_service.name not in ("EnforcementService", "LedgerSyncService")]


def test_every_name_in_the_table_is_a_call() -> None:
    names = {permissions.name_of(method) for method in methods()}
    assert names >= permissions._OF_NO_ACCOUNT
    assert names >= permissions._SCOPED_BY_SERVICER
    assert names >= permissions._REPORTS


def test_whatever_changes_something_of_no_account_is_for_administrators() -> None:
    for method in methods():
        if not permissions.changes(method) or permissions.role_for(method) is Role.ADMINISTRATOR:
            continue
        assert "account_id" in _fields(method.input_type.full_name, method), permissions.name_of(method)


def _fields(_: str, method: MethodDescriptor) -> set[str]:
    names = set()
    for field in method.input_type.fields:
        names.add(field.name)
        if field.message_type is not None:
            names |= {inner.name for inner in field.message_type.fields}
    return names


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (usage.ReportEventsRequest(), []),
        (usage.ReportEventsRequest(events=[usage.UsageEvent(account_id="a"), usage.UsageEvent()]), ["a"]),
        (governance.SetPlanRequest(plan=governance.Plan(plan_id="p")), []),
        (usage.QueryUsageRequest(account_id="a", filters=[usage.UsageFilter(key="account", values=["b"])]), ["a"]),
    ],
)
def test_accounts_are_found_at_any_depth(
    request_: usage.ReportEventsRequest | governance.SetPlanRequest | usage.QueryUsageRequest, named: list[str]
) -> None:
    assert list(permissions.accounts_of(request_)) == named


def test_one_event_of_another_account_refuses_the_request() -> None:
    method = usage.DESCRIPTOR.services_by_name["UsageService"].methods_by_name["ReportEvents"]
    reporter = Caller("r", Role.REPORTER, "a")
    mine = usage.ReportEventsRequest(events=[usage.UsageEvent(account_id="a")])
    permissions.check(reporter, method, mine)
    mine.events.add(account_id="b")
    with pytest.raises(PermissionDenied):
        permissions.check(reporter, method, mine)
    with pytest.raises(PermissionDenied):
        permissions.check(reporter, method, usage.ReportEventsRequest())
