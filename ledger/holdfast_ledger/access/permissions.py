"""What each call takes: the role, and the account that it may name. One table; what it does not name is guessed from
the call's name, to the safe side.
"""

from collections.abc import Iterator

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from holdfast_ledger.access.caller import Caller, Role
from holdfast_ledger.errors import PermissionDenied

_READING = ("Get", "List", "Query", "Trace", "Export", "Verify")

OPEN_SERVICES = frozenset({"IngestService"})
"""Of sidecars, as the Sync stream is: they have no credentials."""

_REPORTS = frozenset({"UsageService/ReportEvents", "UsageService/VoidEvents"})

_OF_NO_ACCOUNT = frozenset(
    {
        "AccessService/CreateCredential",
        "AccessService/DeleteCredential",
        "AccessService/ListCredentials",
        "BooksService/ClosePeriod",
        "BooksService/SetRevenuePolicy",
        "GovernanceService/DeletePlan",
        "GovernanceService/DeleteRateCard",
        "GovernanceService/SetPlan",
        "GovernanceService/SetRateCard",
        "LedgerService/CreateAccount",
        "LedgerService/CreateWebhook",
        "LedgerService/DeleteWebhook",
        "LedgerService/ListDeliveries",
        "LedgerService/ListWebhooks",
        "LedgerService/ReplayDebits",
        "LedgerService/ReplayQuarantinedDebits",
        "LedgerService/RetryDeliveries",
        "MeteringService/DeleteMeter",
        "MeteringService/SetMeter",
    }
)
"""For administrators alone: they change what many accounts share, or tell secrets."""

_SCOPED_BY_SERVICER = frozenset(
    {
        "AccessService/GetCaller",
        "AccessService/ListAuditRecords",
        "AccessService/ListDecisions",
        "BooksService/ExportEntries",
        "BooksService/GetRevenuePolicy",
        "BooksService/GetRollForward",
        "BooksService/ListPeriods",
        "GovernanceService/GetRateCard",
        "GovernanceService/ListPlans",
        "GovernanceService/ListRateCards",
        "MeteringService/ListMeters",
        "UsageService/ListUsageKeys",
        "UsageService/QueryUsage",
        "UsageService/TraceUsage",
    }
)
"""May leave the account out: they answer with what the caller may read, or with what belongs to no account."""

_ACCOUNT_FIELD = "account_id"


def name_of(method: MethodDescriptor) -> str:
    """Returns a call's name, such as "LedgerService/VoidGrant"."""
    return f"{method.containing_service.name}/{method.name}"


def is_open(method: MethodDescriptor) -> bool:
    """Whether the call is a sidecar's, and takes no credential."""
    return method.containing_service.name in OPEN_SERVICES


def changes(method: MethodDescriptor) -> bool:
    """Whether the call changes something that the audit trail tells of. Reports of usage are told of by the ledger."""
    return not (method.name.startswith(_READING) or is_open(method) or name_of(method) in _REPORTS)


def role_for(method: MethodDescriptor) -> Role:
    """Returns the least role that may make the call."""
    name = name_of(method)
    if name in _OF_NO_ACCOUNT:
        return Role.ADMINISTRATOR
    if name in _REPORTS:
        return Role.REPORTER
    return Role.READER if method.name.startswith(_READING) else Role.OPERATOR


def check(caller: Caller, method: MethodDescriptor, request: Message) -> None:
    """Refuses what the caller may not do. A REPORTER reports and reads nothing else.

    Raises:
        PermissionDenied: the role, or the account.
    """
    needed = role_for(method)
    if caller.role < needed or (caller.role is Role.REPORTER and needed is not Role.REPORTER):
        raise PermissionDenied(f"the credential may not call {name_of(method)}: it takes the role {needed.name}")
    if not caller.account_id:
        return
    named = set(accounts_of(request))
    if named <= {caller.account_id} and (named or name_of(method) in _SCOPED_BY_SERVICER):
        return
    raise PermissionDenied("the credential may name its own account alone")


def accounts_of(message: Message) -> Iterator[str]:
    """Returns every account that a request names, at any depth; those left empty are not named."""
    for field, value in message.ListFields():
        if field.name == _ACCOUNT_FIELD:
            yield value
            continue
        inner = field.message_type
        if inner is None or inner.GetOptions().map_entry:
            continue
        for item in [value] if isinstance(value, Message) else value:
            yield from accounts_of(item)
