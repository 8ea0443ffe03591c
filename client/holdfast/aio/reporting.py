"""What an asyncio client tells of afterwards: usage and events."""

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterable
from typing import TypeVar, Unpack

from holdfast import reports
from holdfast.answers import permitted
from holdfast.core.wire import Message
from holdfast.errors import HoldfastError
from holdfast.reports import EventName, EventsTaken, Reported, ReportFields, ReportUsageRequest, UsageEvent
from holdfast.v1 import usage_service_pb2 as pb

_T = TypeVar("_T")


class Reporting(ABC):
    """Reports to the sidecar of this host; faults raise `HoldfastError`, with `retry_after_ms` where time helps.

    A call whose caller is cancelled goes on in the background, so that its effect is known.
    """

    @abstractmethod
    async def _call(self, name: str, request: Message, timeout_ms: int | None, operation_id: str = "") -> Message:
        """Makes the unary call of this name."""

    @abstractmethod
    async def keep(self, work: Coroutine[object, None, _T]) -> _T:
        """Awaits work that goes on in the background when its caller is cancelled."""

    async def report_usage(
        self,
        account: str,
        delta: int | None = None,
        *,
        timeout_ms: int | None = None,
        **fields: Unpack[ReportFields],
    ) -> Reported:
        """Debits what was used: `delta`, or what the running `total` of `counter` has risen by.

        Minor units, or a quantity of a `meter`. With `already_used` it is never denied.

        Raises:
            Denied: nothing was debited.
            ResourceExhausted: too many calls (reason "RATE_LIMITED"); `retry_after_ms` says when to come again.
            Unavailable: whether it was debited is unknown; the same `operation_id` may be sent again.
        """
        request = reports.usage(account, delta, **fields)
        message = await self.keep(self._call("report_usage", request, timeout_ms, request.operation_id))
        assert isinstance(message, pb.ReportUsageResponse)
        return permitted(reports.read_reported(message), request.operation_id)

    async def report_usage_bulk(
        self, usages: Iterable[ReportUsageRequest], *, timeout_ms: int | None = None
    ) -> list[Reported | HoldfastError]:
        """Debits many (of `holdfast.reports.usage`) in one call, each by itself, in their order.

        A fault of one is a value in its place; a denial is an answer that is false.
        """
        request = pb.ReportUsageBulkRequest(reports=usages)
        message = await self.keep(self._call("report_usage_bulk", request, timeout_ms))
        assert isinstance(message, pb.ReportUsageBulkResponse)
        return reports.read_reports(request.reports, message.results)

    async def report_events(self, events: Iterable[UsageEvent], *, timeout_ms: int | None = None) -> EventsTaken:
        """Hands in raw events (of `holdfast.reports.event`), at most 1000; those accepted are durable.

        To send the same events again is safe: each is counted once.
        """
        message = await self.keep(self._call("report_events", pb.ReportEventsRequest(events=events), timeout_ms))
        assert isinstance(message, pb.ReportEventsResponse)
        return reports.read_events(message)

    async def void_events(self, names: Iterable[EventName], *, timeout_ms: int | None = None) -> EventsTaken:
        """Takes events back (names of `holdfast.reports.event_name`), and what they were charged."""
        message = await self.keep(self._call("void_events", pb.VoidEventsRequest(events=names), timeout_ms))
        assert isinstance(message, pb.VoidEventsResponse)
        return reports.read_voids(message)
