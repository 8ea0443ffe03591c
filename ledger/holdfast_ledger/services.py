"""The services of unary calls that a replica answers, over gRPC and HTTP alike: each part adds its own to the list."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from google.protobuf.descriptor import ServiceDescriptor
from holdfast.v1 import access_service_pb2, books_service_pb2, governance_service_pb2, ledger_service_pb2

from holdfast_ledger.access.service import AccessServicer
from holdfast_ledger.books.keeping import Bookkeeper
from holdfast_ledger.books.service import BooksServicer
from holdfast_ledger.config import LedgerConfig
from holdfast_ledger.governance.service import GovernanceServicer
from holdfast_ledger.metering.decisions import Decisions
from holdfast_ledger.metering.event_rules import EventTerms
from holdfast_ledger.metering.intake import Intake
from holdfast_ledger.metering.reports import Reports
from holdfast_ledger.metering.service import INGEST_SERVICE, METERING_SERVICE, IngestServicer, MeteringServicer
from holdfast_ledger.queries.answers import Answers
from holdfast_ledger.queries.service import USAGE_SERVICE, UsageServicer
from holdfast_ledger.queries.tokens import Tokens
from holdfast_ledger.queries.units import Units
from holdfast_ledger.service import LedgerServicer
from holdfast_ledger.snapshots import Snapshots
from holdfast_ledger.store.interface import Store
from holdfast_ledger.sync.registry import Registry
from holdfast_ledger.usage.database import UsageDatabase
from holdfast_ledger.usage.dimensions import split
from holdfast_ledger.writer import GroupWriter

LEDGER_SERVICE = ledger_service_pb2.DESCRIPTOR.services_by_name["LedgerService"]
BOOKS_SERVICE = books_service_pb2.DESCRIPTOR.services_by_name["BooksService"]
ACCESS_SERVICE = access_service_pb2.DESCRIPTOR.services_by_name["AccessService"]
GOVERNANCE_SERVICE = governance_service_pb2.DESCRIPTOR.services_by_name["GovernanceService"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What servicers are made of."""

    config: LedgerConfig
    store: Store
    snapshots: Snapshots
    readers: ThreadPoolExecutor
    writer: GroupWriter
    registry: Registry
    intake: Intake
    decisions: Decisions
    bookkeeper: Bookkeeper
    usage: UsageDatabase | None
    """Where usage can be asked for; None: nowhere."""
    now_ms: Callable[[], int]
    loop: asyncio.AbstractEventLoop


@dataclass(frozen=True, slots=True)
class Service:
    """A service and what answers its calls: an object with a coroutine method of each call's name."""

    descriptor: ServiceDescriptor
    servicer: object


def unary_services(parts: Parts) -> list[Service]:
    """Returns the services, ready to be served."""
    ledger = LedgerServicer(parts.snapshots, parts.writer, parts.registry, parts.now_ms)
    governance = GovernanceServicer(parts.snapshots, parts.readers, parts.writer, parts.registry, parts.now_ms)
    access = AccessServicer(
        parts.snapshots, parts.writer, parts.decisions, parts.now_ms, required=parts.config.require_credentials
    )
    books = BooksServicer(parts.snapshots, parts.writer, parts.bookkeeper, parts.now_ms)
    ingest = IngestServicer(parts.intake, parts.writer, parts.readers, parts.decisions, parts.now_ms)
    return [
        Service(LEDGER_SERVICE, ledger),
        Service(GOVERNANCE_SERVICE, governance),
        Service(ACCESS_SERVICE, access),
        Service(METERING_SERVICE, MeteringServicer(parts.snapshots, parts.writer)),
        Service(INGEST_SERVICE, ingest),
        Service(BOOKS_SERVICE, books),
        Service(USAGE_SERVICE, _usage(parts)),
    ]


def _usage(parts: Parts) -> UsageServicer:
    terms = EventTerms(parts.config.event_future_ms, parts.config.event_grace_ms)
    reports = Reports(parts.snapshots, parts.intake, parts.now_ms, terms)
    if parts.usage is None:
        return UsageServicer(None, reports, parts.now_ms)
    with parts.store.reading() as reader:
        tokens = Tokens(reader.token_secret())
    answers = Answers(parts.usage, Units(parts.store), tokens, split(parts.config.usage_dimensions))
    return UsageServicer(answers, reports, parts.now_ms)
