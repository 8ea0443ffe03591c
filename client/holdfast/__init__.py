"""Holdfast's client: asks the sidecar of this host whether work may spend, before it spends.

>>> import holdfast
>>> client = holdfast.Client()
>>> with client.reserve("acme", 2_000_000, subject="research/ann") as hold:
...     result = hold.settle(1_200_000)
>>> result.debited_amount, result.returned_amount
(1200000, 800000)

`Client` blocks, `AsyncClient` is for asyncio; both have the same names and arguments. Amounts are integers in the
minor unit of the pool's currency (credits: 1 credit = 1,000,000); `_ms` are milliseconds.
Importing opens nothing and needs nothing but grpcio and protobuf.
"""

from holdfast import operations, reports
from holdfast.aio import AsyncClient
from holdfast.answers import (
    Answer,
    Balance,
    Charged,
    Checked,
    Decision,
    Enforcement,
    Extended,
    FeatureValue,
    HeldRecord,
    LimitState,
    Mode,
    PartitionMode,
    Policy,
    Reason,
    Released,
    Reserved,
    Settled,
)
from holdfast.core.settings import OnUnavailable
from holdfast.core.statistics import Statistics
from holdfast.core.stream import SessionStatistics
from holdfast.errors import (
    Aborted,
    AlreadyExists,
    ClientClosed,
    DeadlineExceeded,
    Denied,
    FailedPrecondition,
    HoldClosed,
    HoldfastError,
    Internal,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from holdfast.operations import Operation, RequiredFeature, new_operation_id
from holdfast.reports import EventOutcome, EventResult, EventsTaken, Reported
from holdfast.sync import Client

__all__ = [
    "Aborted",
    "AlreadyExists",
    "Answer",
    "AsyncClient",
    "Balance",
    "Charged",
    "Checked",
    "Client",
    "ClientClosed",
    "DeadlineExceeded",
    "Decision",
    "Denied",
    "Enforcement",
    "EventOutcome",
    "EventResult",
    "EventsTaken",
    "Extended",
    "FailedPrecondition",
    "FeatureValue",
    "HeldRecord",
    "HoldClosed",
    "HoldfastError",
    "Internal",
    "InvalidArgument",
    "LimitState",
    "Mode",
    "NotFound",
    "OnUnavailable",
    "Operation",
    "PartitionMode",
    "PermissionDenied",
    "Policy",
    "Reason",
    "Released",
    "Reported",
    "RequiredFeature",
    "Reserved",
    "ResourceExhausted",
    "SessionStatistics",
    "Settled",
    "Statistics",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "new_operation_id",
    "operations",
    "reports",
]
