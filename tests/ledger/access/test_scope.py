"""Every call of every service, with credentials of one account: nothing of another one is read, nothing changed.

The table says of each call who may make it. A call that is not in it fails, so that somebody has to decide.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from holdfast.v1 import access_service_pb2 as access
from holdfast.v1 import access_service_pb2_grpc as access_grpc
from holdfast.v1 import governance_service_pb2 as governance
from holdfast.v1 import ingest_service_pb2 as ingest
from holdfast.v1 import ingest_service_pb2_grpc as ingest_grpc
from holdfast.v1 import ledger_service_pb2 as api
from holdfast.v1 import usage_service_pb2 as usage
from holdfast_ledger.access import permissions
from holdfast_ledger.access.caller import Role
from holdfast_ledger.metering.batches import pack_events

from tests.ledger.access.test_permissions import methods
from tests.ledger.harness import Ledger, debit, running

OTHER = "zebra"
"""The account that is not the credential's; and whatever else it has is called so too, where one gives names."""

SECRET = "stripes"
"""Is in all that the other account has that is not a name, so no answer to the credential may have it."""


class Scope(Enum):
    """What a credential of one account is answered."""

    OWN = "the account is to be named, and is its own"
    PART = "where no account is named, what is its own"
    SHARED = "what belongs to no account"
    NOBODY = "nothing: the call is not of one account"
    SIDECAR = "whoever reaches the port: sidecars have no credentials"


READER, REPORTER, OPERATOR, ADMINISTRATOR = Role
OWN, PART, SHARED, NOBODY, SIDECAR = Scope

TABLE: dict[str, dict[str, tuple[Role, Scope]]] = {
    "AccessService": {
        "CreateCredential": (ADMINISTRATOR, NOBODY),
        "ListCredentials": (ADMINISTRATOR, NOBODY),
        "DeleteCredential": (ADMINISTRATOR, NOBODY),
        "GetCaller": (READER, SHARED),
        "ListAuditRecords": (READER, PART),
        "ListDecisions": (READER, PART),
    },
    "BooksService": {
        "GetRollForward": (READER, PART),
        "SetRevenuePolicy": (ADMINISTRATOR, NOBODY),
        "GetRevenuePolicy": (READER, SHARED),
        "ClosePeriod": (ADMINISTRATOR, NOBODY),
        "ListPeriods": (READER, SHARED),
        "ExportEntries": (READER, PART),
        "VerifyJournal": (READER, NOBODY),
    },
    "GovernanceService": {
        "SetAccountRules": (OPERATOR, OWN),
        "GetAccountRules": (READER, OWN),
        "SetSubjects": (OPERATOR, OWN),
        "ListSubjects": (READER, OWN),
        "DeleteSubject": (OPERATOR, OWN),
        "SetBudgets": (OPERATOR, OWN),
        "ListBudgets": (READER, OWN),
        "DeleteBudget": (OPERATOR, OWN),
        "SetRateLimits": (OPERATOR, OWN),
        "ListRateLimits": (READER, OWN),
        "DeleteRateLimit": (OPERATOR, OWN),
        "SetConcurrencyLimits": (OPERATOR, OWN),
        "ListConcurrencyLimits": (READER, OWN),
        "DeleteConcurrencyLimit": (OPERATOR, OWN),
        "SetPlan": (ADMINISTRATOR, NOBODY),
        "ListPlans": (READER, SHARED),
        "DeletePlan": (ADMINISTRATOR, NOBODY),
        "SetRateCard": (ADMINISTRATOR, NOBODY),
        "GetRateCard": (READER, SHARED),
        "ListRateCards": (READER, SHARED),
        "DeleteRateCard": (ADMINISTRATOR, NOBODY),
    },
    "IngestService": {"PushEvents": (OPERATOR, SIDECAR), "PushDecisions": (OPERATOR, SIDECAR)},
    "LedgerService": {
        "CreateAccount": (ADMINISTRATOR, NOBODY),
        "GetAccount": (READER, OWN),
        "ListAccounts": (READER, NOBODY),
        "CreatePool": (OPERATOR, OWN),
        "GetBalanceTotals": (READER, OWN),
        "GetPool": (READER, OWN),
        "ListPools": (READER, OWN),
        "CreateGrant": (OPERATOR, OWN),
        "GetGrant": (READER, OWN),
        "VoidGrant": (OPERATOR, OWN),
        "CorrectDebit": (OPERATOR, OWN),
        "ListCorrections": (READER, OWN),
        "ListGrants": (READER, OWN),
        "SetPolicy": (OPERATOR, OWN),
        "GetPolicy": (READER, OWN),
        "ListEntries": (READER, OWN),
        "SetAlerts": (OPERATOR, OWN),
        "GetAlerts": (READER, OWN),
        "ListEvents": (READER, OWN),
        "CreateWebhook": (ADMINISTRATOR, NOBODY),
        "ListWebhooks": (ADMINISTRATOR, NOBODY),
        "DeleteWebhook": (ADMINISTRATOR, NOBODY),
        "ListDeliveries": (ADMINISTRATOR, NOBODY),
        "RetryDeliveries": (ADMINISTRATOR, NOBODY),
        "ListSidecars": (READER, NOBODY),
        "ListLeases": (READER, OWN),
        "ReplayDebits": (ADMINISTRATOR, NOBODY),
        "ListQuarantinedDebits": (READER, OWN),
        "ReplayQuarantinedDebits": (ADMINISTRATOR, NOBODY),
        "ListDuplicateDebits": (READER, OWN),
    },
    "MeteringService": {
        "SetMeter": (ADMINISTRATOR, NOBODY),
        "ListMeters": (READER, SHARED),
        "DeleteMeter": (ADMINISTRATOR, NOBODY),
        "ListRefusedEvents": (READER, OWN),
        "ListIngestSources": (READER, NOBODY),
    },
    "UsageService": {
        "ReportUsage": (OPERATOR, OWN),
        "ReportUsageBulk": (OPERATOR, OWN),
        "ReportEvents": (REPORTER, OWN),
        "VoidEvents": (REPORTER, OWN),
        "QueryUsage": (READER, PART),
        "TraceUsage": (READER, PART),
        "ListUsageKeys": (READER, PART),
    },
}

SHOWN_TO_ALL = {
    "AccessService/ListAuditRecords",
    "AccessService/ListDecisions",
    "BooksService/ExportEntries",
    "BooksService/GetRollForward",
    "GovernanceService/ListBudgets",
    "GovernanceService/ListSubjects",
    "LedgerService/GetAccount",
    "LedgerService/GetGrant",
    "LedgerService/ListAccounts",
    "LedgerService/ListGrants",
    "LedgerService/ListQuarantinedDebits",
    "MeteringService/ListRefusedEvents",
}
"""Reads that tell of `SECRET` who may read all accounts: else the test could not fail."""

FIELDS: dict[str, dict[str, str]] = {
    "ExportEntries": {"format": "EXPORT_FORMAT_CSV"},
    "GetRollForward": {"first_period": "2027-01", "last_period": "2027-01"},
}
"""What requests need beside names to be answered with rows."""


def rule_of(method: MethodDescriptor) -> tuple[Role, Scope]:
    """What the table says of a call."""
    return TABLE[method.containing_service.name][method.name]


def test_each_call_is_in_the_table_and_takes_its_role() -> None:
    named = {f"{service}/{call}" for service, calls in TABLE.items() for call in calls}
    assert named == {permissions.name_of(method) for method in methods()}
    for method in methods():
        role, scope = rule_of(method)
        assert permissions.role_for(method) is role, method.full_name
        assert permissions.is_open(method) == (scope is SIDECAR), method.full_name


def request_of(method: MethodDescriptor, account_id: str, name: str) -> Message:
    """A request in which every account is this one, and every other name is `name`; empty: not set."""
    request = GetMessageClass(method.input_type)(**FIELDS.get(method.name, {}))
    fill(request, account_id, name, 4)
    return request


def fill(message: Message, account_id: str, name: str, depth: int) -> None:
    """Fills names in, at any depth; a list gets one element where that has an account."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None:
            has_account = any(inner.name == "account_id" for inner in field.message_type.fields)
            if field.message_type.GetOptions().map_entry or not depth or not has_account:
                continue
            inner = getattr(message, field.name)
            fill(inner.add() if field.is_repeated else inner, account_id, name, depth - 1)
        elif field.name == "account_id":
            setattr(message, field.name, account_id)
        elif field.name.endswith("_id") and not field.is_repeated and field.type == field.TYPE_STRING:
            setattr(message, field.name, name)


def names_accounts(method: MethodDescriptor) -> bool:
    """Whether a request of this call has a place for an account."""
    return OTHER in permissions.accounts_of(request_of(method, OTHER, ""))


async def answer_to(ledger: Ledger, method: MethodDescriptor, request: Message, token: str) -> tuple[str, str]:
    """Returns the status of a call, and all that it says."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = ledger.channel.unary_unary(path)
    try:
        said = await call(request.SerializeToString(), metadata=metadata)
    except grpc.aio.AioRpcError as fault:
        return fault.code().name, f"{fault.details()} {fault.trailing_metadata()}"
    return "OK", said.decode("utf-8", "replace")


@asynccontextmanager
async def two_accounts(folder: Path) -> AsyncIterator[tuple[Ledger, dict[Role, str]]]:
    """A ledger with accounts "a" and `OTHER`, of which the latter has all kinds of things; tokens of "a" by role."""
    async with running(folder) as ledger:
        await ledger.open_pool(1_000_000)
        await furnish(ledger)
        stub = access_grpc.AccessServiceStub(ledger.channel)
        tokens = {}
        for role in (READER, REPORTER, OPERATOR):
            said = access.Credential(credential_id=role.name, role=f"ROLE_{role.name}", account_id="a")
            said.calls_per_s = 100_000
            tokens[role] = (await stub.CreateCredential(access.CreateCredentialRequest(credential=said))).token
        yield ledger, tokens


async def furnish(ledger: Ledger) -> None:
    """Gives the other account something of each kind; an event that cannot be counted is kept as refused."""
    account = api.Account(account_id=OTHER, display_name=SECRET)
    await ledger.api.CreateAccount(api.CreateAccountRequest(account=account))
    await ledger.api.CreatePool(api.CreatePoolRequest(pool=api.Pool(account_id=OTHER, pool_id=OTHER)))
    grant = api.Grant(account_id=OTHER, pool_id=OTHER, grant_id=OTHER, amount=100, metadata={"product": SECRET})
    grant.category, grant.cost_amount, grant.cost_currency = api.GRANT_CATEGORY_PAID, 500, "USD"
    await ledger.api.CreateGrant(api.CreateGrantRequest(grant=grant))
    subject = governance.Subject(subject=OTHER, display_name=SECRET)
    await ledger.governance.SetSubjects(governance.SetSubjectsRequest(account_id=OTHER, subjects=[subject]))
    budget = governance.Budget(budget_id=OTHER, currency="credits", limit_amount=5, match={"model": SECRET})
    budget.period.unit = governance.PERIOD_UNIT_DAY
    await ledger.governance.SetBudgets(governance.SetBudgetsRequest(account_id=OTHER, budgets=[budget]))
    stream = ledger.sync()
    await stream.hello()
    spent = debit(1, 3, account_id=OTHER, pool_id=OTHER, operation_id=OTHER, subject=SECRET)
    lost = debit(2, 3, account_id=OTHER, pool_id="nowhere", operation_id="lost", subject=SECRET)
    await stream.debits(spent, lost)
    await stream.acked(2)
    await stream.finish()
    sidecars = ingest_grpc.IngestServiceStub(ledger.channel)
    decision = ingest.DecisionRecord(account_id=OTHER, pool_id=OTHER, subject=SECRET)
    await sidecars.PushDecisions(ingest.PushDecisionsRequest(sidecar_id="s", decisions=[decision]))
    event = usage.UsageEvent(account_id=OTHER, id="", source=SECRET, type=SECRET)
    content = pack_events([ingest.RecordedEvent(event=event)])
    pushed = ingest.PushEventsRequest(sidecar_id="s", birth_epoch=1, first_sequence=1, event_count=1, batch=content)
    await sidecars.PushEvents(pushed)


def scoped_methods() -> Iterator[tuple[MethodDescriptor, Role, Scope]]:
    """All calls but those that take no credential."""
    for method in methods():
        role, scope = rule_of(method)
        if scope is not SIDECAR:
            yield method, role, scope


def as_role(role: Role) -> Role:
    """The role of the table, and of those that are for administrators alone the highest that one account can have."""
    return OPERATOR if role is ADMINISTRATOR else role


async def state_of(ledger: Ledger) -> list[tuple[str, str]]:
    """All that can be read of the other account, but for the audit trail, by who may read all."""
    reads = [
        method
        for method, _, scope in scoped_methods()
        if not permissions.changes(method) and scope in (OWN, NOBODY) and method.name != "ListCredentials"
    ]
    return [await answer_to(ledger, method, request_of(method, OTHER, OTHER), "") for method in reads]


@pytest.mark.usefixtures("every_store")
async def test_no_call_reads_or_changes_another_account(tmp_path: Path) -> None:
    async with two_accounts(tmp_path) as (ledger, tokens):
        before = await state_of(ledger)
        for method, role, scope in scoped_methods():
            token = tokens[as_role(role)]
            if names_accounts(method):
                for name in ("", OTHER):
                    status, said = await answer_to(ledger, method, request_of(method, OTHER, name), token)
                    assert status == "PERMISSION_DENIED", (method.full_name, status, said)
                    assert SECRET not in said, method.full_name
            status, said = await answer_to(ledger, method, request_of(method, "", OTHER), token)
            assert (status == "PERMISSION_DENIED") == (scope in (OWN, NOBODY)), (method.full_name, status, said)
            assert SECRET not in said, method.full_name
        assert await state_of(ledger) == before


async def test_naming_ones_own_account_reaches_nothing_of_another_by_its_other_names(tmp_path: Path) -> None:
    async with two_accounts(tmp_path) as (ledger, tokens):
        before = await state_of(ledger)
        for method, role, scope in scoped_methods():
            for name in ("", OTHER):
                request = request_of(method, "a", name)
                status, said = await answer_to(ledger, method, request, tokens[as_role(role)])
                assert status != "PERMISSION_DENIED" or scope is NOBODY, (method.full_name, said)
                assert SECRET not in said, (method.full_name, name)
                assert status != "UNKNOWN", (method.full_name, said)
        assert await state_of(ledger) == before


async def test_what_is_kept_from_one_is_there(tmp_path: Path) -> None:
    """Who may read all accounts is told of it, so the tests above can fail."""
    async with two_accounts(tmp_path) as (ledger, _):
        for method, _, _ in scoped_methods():
            if permissions.changes(method):
                continue
            _, said = await answer_to(ledger, method, request_of(method, OTHER, OTHER), "")
            assert (SECRET in said) == (permissions.name_of(method) in SHOWN_TO_ALL), (method.full_name, said)
