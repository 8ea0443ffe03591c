"""The calls of LedgerService about alerts and the events that they make.

A part of `service`, whose class adds the others. Downstream: `posting.alerts` for the rules.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from holdfast.v1 import ledger_service_pb2 as wire

from holdfast_ledger import rules
from holdfast_ledger.lookups import find_account, pool_query
from holdfast_ledger.paging import page_limit, read_token, write_token
from holdfast_ledger.posting.alerts import set_alerts
from holdfast_ledger.store.interface import Event, Locks, Reader, Threshold, TopUp, Writer
from holdfast_ledger.validation import check_optional_id
from holdfast_ledger.writer import GroupWriter

T = TypeVar("T")


class AlertCalls(ABC):
    """These calls of `holdfast.v1.LedgerService`, by name; each raises a `LedgerError`."""

    _writer: GroupWriter
    _now_ms: Callable[[], int]

    @abstractmethod
    async def _read(self, query: Callable[[Reader], T]) -> T:
        """Carries a query out on a snapshot."""

    async def SetAlerts(self, request: wire.SetAlertsRequest) -> wire.SetAlertsResponse:
        """See the contract."""
        thresholds, top_up = rules.alerts(request.alerts)
        find = pool_query(request.account_id, request.pool_id)

        def job(writer: Writer) -> wire.Alerts:
            pool = find(writer)
            set_alerts(writer, pool, thresholds, top_up)
            return _alerts(writer, pool.pool_key)

        locks = Locks(pools=frozenset({(request.account_id, request.pool_id)}))
        return wire.SetAlertsResponse(alerts=await self._writer.run(job, locks))

    async def GetAlerts(self, request: wire.GetAlertsRequest) -> wire.GetAlertsResponse:
        """See the contract."""
        find = pool_query(request.account_id, request.pool_id)
        return wire.GetAlertsResponse(alerts=await self._read(lambda reader: _alerts(reader, find(reader).pool_key)))

    async def ListEvents(self, request: wire.ListEventsRequest) -> wire.ListEventsResponse:
        """See the contract."""
        account_id = request.account_id
        check_optional_id("account_id", account_id)
        limit, scope = page_limit(request.page_size), ("events", account_id)
        key = read_token(scope, request.page_token, [int])
        after = int(key[0]) if key else 0

        def query(reader: Reader) -> list[Event]:
            account_key = find_account(reader, account_id).account_key if account_id else None
            return reader.events(account_key, after, limit + 1)

        rows = await self._read(query)
        token = write_token(scope, [rows[limit - 1].event_key]) if len(rows) > limit else ""
        return wire.ListEventsResponse(events=map(event_message, rows[:limit]), next_page_token=token)


def _alerts(reader: Reader, pool_key: int) -> wire.Alerts:
    thresholds = [_threshold_message(x) for x in reader.thresholds([pool_key]) if x.in_use]
    top_up = next((_top_up_message(x) for x in reader.top_ups([pool_key]) if x.in_use), None)
    return wire.Alerts(thresholds=thresholds, top_up=top_up)


def _threshold_message(threshold: Threshold) -> wire.Threshold:
    return wire.Threshold(
        threshold_id=threshold.threshold_id,
        amount=threshold.amount,
        share_bps=threshold.share_bps,
        crossed=bool(threshold.crossed),
    )


def _top_up_message(top_up: TopUp) -> wire.TopUp:
    return wire.TopUp(
        threshold=top_up.threshold_amount,
        amount=top_up.amount,
        cooldown_ms=top_up.cooldown_ms,
        max_times=top_up.max_times,
        period_ms=top_up.period_ms,
    )


def event_message(event: Event) -> wire.Event:
    """Returns an event as the contract tells it."""
    return wire.Event(
        event_id=event.event_id,
        type=event.type,
        account_id=event.account_id,
        pool_id=event.pool_id,
        body=event.body,
        created_at_unix_ms=event.created_at_ms,
    )
