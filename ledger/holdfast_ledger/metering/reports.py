"""Events that are reported to the ledger itself: checked one by one, taken in as one batch.

Upstream: `UsageService`, whose ReportEvents and VoidEvents these are. Downstream: `intake`, with the origin "ledger".

What is here already is found by metering, and counts once: an event that came with an earlier call is accepted again,
and one of the same name with other content ends among the refused events (CONFLICT). Only within one call is that told.
"""

from collections.abc import Callable, Iterable

from holdfast.v1 import usage_service_pb2 as api
from holdfast.v1.ingest_service_pb2 import RecordedEvent

from holdfast_ledger.access.caller import current_caller
from holdfast_ledger.errors import PermissionDenied
from holdfast_ledger.metering.batches import Content, pack_events
from holdfast_ledger.metering.event_rules import EventFault, EventTerms, event_fault, limit_fault
from holdfast_ledger.metering.intake import Batch, Intake
from holdfast_ledger.snapshots import Snapshots
from holdfast_ledger.validation import check_range

ORIGIN = "ledger"
MAX_EVENTS = 1_000
MAX_CALLER_BYTES = 64
"""Of what is kept with each event of who reported it."""

Name = tuple[str, str, str]


class Reports:
    """Takes events and voids of calls in."""

    def __init__(self, snapshots: Snapshots, intake: Intake, now_ms: Callable[[], int], terms: EventTerms) -> None:
        self._snapshots = snapshots
        self._intake = intake
        self._now_ms = now_ms
        self._terms = terms

    async def report(self, request: api.ReportEventsRequest) -> api.ReportEventsResponse:
        """See ReportEvents in the contract.

        Raises `InvalidArgument`, `PermissionDenied`, `LedgerBusy`, `Unavailable`.
        """
        check_range("events", len(request.events), 1, MAX_EVENTS)
        _check_scope(event.account_id for event in request.events)
        now_ms = self._now_ms()
        unknown = await self._unknown({event.account_id for event in request.events})
        sieve, caller = _Sieve(unknown), _caller()
        for place, event in enumerate(request.events):
            recorded = RecordedEvent(event=event, caller=caller)
            sieve.take(place, event, event_fault(event, now_ms, self._terms), recorded)
        await self._keep(sieve, now_ms)
        return api.ReportEventsResponse(
            accepted_count=len(sieve.accepted), duplicate_count=sieve.duplicate_count, results=sieve.results
        )

    async def void(self, request: api.VoidEventsRequest) -> api.VoidEventsResponse:
        """See VoidEvents in the contract. Raises as `report` does."""
        check_range("events", len(request.events), 1, MAX_EVENTS)
        _check_scope(name.account_id for name in request.events)
        unknown = await self._unknown({name.account_id for name in request.events})
        sieve, caller = _Sieve(unknown), _caller()
        for place, name in enumerate(request.events):
            event = api.UsageEvent(account_id=name.account_id, source=name.source, id=name.id)
            recorded = RecordedEvent(event=event, void=True, caller=caller)
            sieve.take(place, event, limit_fault(event, void=True), recorded)
        await self._keep(sieve, self._now_ms())
        return api.VoidEventsResponse(accepted_count=len(sieve.accepted), results=sieve.results)

    async def _unknown(self, account_ids: set[str]) -> set[str]:
        """Returns those of the accounts that are not there."""
        return account_ids - (await self._snapshots.read(lambda reader: reader.account_keys(account_ids))).keys()

    async def _keep(self, sieve: "_Sieve", now_ms: int) -> None:
        if sieve.accepted:
            for recorded in sieve.accepted.values():
                recorded.accepted_at_unix_ms = now_ms
            content = pack_events(sieve.accepted.values())
            await self._intake.take(Batch(ORIGIN, Content.EVENTS, len(sieve.accepted), content))


class _Sieve:
    """Sorts the events of one call."""

    def __init__(self, unknown_accounts: set[str]) -> None:
        self._unknown = unknown_accounts
        self.accepted: dict[Name, RecordedEvent] = {}
        self.results: list[api.EventResult] = []
        self.duplicate_count = 0

    def take(self, place: int, event: api.UsageEvent, fault: EventFault | None, recorded: RecordedEvent) -> None:
        """Accepts an event, or says why not."""
        if fault is None and event.account_id in self._unknown:
            fault = EventFault("account_id", "there is no such account")
        if fault is not None:
            self._refuse(place, api.EVENT_OUTCOME_REFUSED, fault)
            return
        there = self.accepted.setdefault((event.account_id, event.source, event.id), recorded)
        if there is recorded:
            return
        if there == recorded:
            self.duplicate_count += 1
            self._refuse(place, api.EVENT_OUTCOME_DUPLICATE, EventFault("id", "is there already in this call"))
        else:
            told = EventFault("id", "is there already in this call, with other content")
            self._refuse(place, api.EVENT_OUTCOME_CONFLICT, told)

    def _refuse(self, place: int, outcome: api.EventOutcome, fault: EventFault) -> None:
        self.results.append(api.EventResult(index=place, outcome=outcome, field=fault.field, message=fault.reason))


def _caller() -> str:
    """Returns whose events they are, as the contract tells it."""
    credential_id = current_caller().credential_id
    return f"credential:{credential_id}".encode()[:MAX_CALLER_BYTES].decode(errors="ignore") if credential_id else ""


def _check_scope(account_ids: Iterable[str]) -> None:
    """Raises `PermissionDenied` if the caller may not name one of the accounts."""
    scope = current_caller().account_id
    if scope and any(account_id != scope for account_id in account_ids):
        raise PermissionDenied("the credential is for one account, and an event is of another")
