"""UsageService at the ledger: questions go to `answers`, on threads of their own; events to the intake.

What sidecars serve of it is refused with their name.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from holdfast.v1 import usage_service_pb2 as api

from holdfast_ledger.access.caller import Caller, current_caller
from holdfast_ledger.errors import ServedBySidecar, Unavailable
from holdfast_ledger.metering.reports import Reports
from holdfast_ledger.queries.answers import Answers

T = TypeVar("T")

USAGE_SERVICE: Final = api.DESCRIPTOR.services_by_name["UsageService"]

THREADS: Final = 4
"""Questions carried out at once, as many as the store takes; the others wait."""

MAX_WAITING: Final = 64
"""Questions that wait; with more of them each would be answered too late."""


class UsageServicer:
    """The calls of `holdfast.v1.UsageService`, by name; each raises a `LedgerError`."""

    def __init__(self, answers: Answers | None, reports: Reports, now_ms: Callable[[], int]) -> None:
        """`answers` None: this ledger has no usage store."""
        self._answers = answers
        self._reports = reports
        self._now_ms = now_ms
        self._waiting = 0
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ledger-questions")  # idle ones end with it

    async def _ask(self, question: Callable[[Answers, Caller, int], T]) -> T:
        """Carries a question out for the caller. Raises what it raises, and `Unavailable`."""
        answers, caller, now_ms = self._answers, current_caller(), self._now_ms()
        if answers is None:
            raise Unavailable("this ledger has no usage store; its setting usage_store says where one is")
        if self._waiting >= MAX_WAITING:
            raise Unavailable("too many questions wait for the usage store")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, lambda: question(answers, caller, now_ms))
        finally:
            self._waiting -= 1

    async def QueryUsage(self, request: api.QueryUsageRequest) -> api.QueryUsageResponse:
        """See the contract."""
        return await self._ask(lambda answers, caller, now_ms: answers.query(request, caller, now_ms))

    async def TraceUsage(self, request: api.TraceUsageRequest) -> api.TraceUsageResponse:
        """See the contract."""
        return await self._ask(lambda answers, caller, now_ms: answers.trace(request, caller, now_ms))

    async def ListUsageKeys(self, request: api.ListUsageKeysRequest) -> api.ListUsageKeysResponse:
        """See the contract."""
        return await self._ask(lambda answers, caller, _: answers.keys(request, caller))

    async def ReportEvents(self, request: api.ReportEventsRequest) -> api.ReportEventsResponse:
        """See the contract."""
        return await self._reports.report(request)

    async def VoidEvents(self, request: api.VoidEventsRequest) -> api.VoidEventsResponse:
        """See the contract."""
        return await self._reports.void(request)

    async def ReportUsage(self, request: api.ReportUsageRequest) -> api.ReportUsageResponse:
        """Is the sidecars'."""
        raise ServedBySidecar("sidecars take reports of usage, which they debit at once; the ledger takes events alone")

    async def ReportUsageBulk(self, request: api.ReportUsageBulkRequest) -> api.ReportUsageBulkResponse:
        """Is the sidecars'."""
        raise ServedBySidecar("sidecars take reports of usage, which they debit at once; the ledger takes events alone")
