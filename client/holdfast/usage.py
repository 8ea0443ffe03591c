"""Asks a ledger what was used: `UsageClient` blocks, `AsyncUsageClient` is for asyncio; both have the same names.

    with UsageClient("ledger:7420", token=...) as usage:
        figures = usage.query("credits", start, end, account="acme", group_by=["model"], granularity="day")
        for row in figures:
            print(row.start, row.group["model"], row.value)

Pages are fetched as they are iterated over, and all belong to the state of the first one. Each failed call raises a
`HoldfastError`.
"""

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self, TypeVar, Unpack

import grpc
from google.protobuf.message import Message
from grpc import aio

from holdfast.aio import faults as aio_faults
from holdfast.core.ledger import CHANNEL_OPTIONS, authorization, bytes_of, target_of
from holdfast.sync import faults as sync_faults
from holdfast.usage_rows import (
    Filter,
    KeysFields,
    Measure,
    Moment,
    QueryFields,
    TraceRow,
    UsageRow,
    UsageSummary,
    begins_with,
    exists,
    is_in,
    is_not,
    keys_request,
    query_request,
    read_rows,
    read_summary,
    read_traces,
)
from holdfast.v1 import usage_service_pb2 as pb

__all__ = [
    "AsyncFigures",
    "AsyncUsageClient",
    "Figures",
    "Filter",
    "TraceRow",
    "UsageClient",
    "UsageRow",
    "UsageSummary",
    "begins_with",
    "exists",
    "is_in",
    "is_not",
]

DEFAULT_TIMEOUT_MS = 30_000
"""The ledger gives a question up before that."""

_SERVICE = "/holdfast.v1.UsageService/"

_AnswerT = TypeVar("_AnswerT", bound=Message)


class _Link:
    """What both clients send with each call."""

    def __init__(self, target: str | None, token: str, timeout_ms: int) -> None:
        self.target = target_of(target)
        self.metadata = authorization(token)
        self.timeout_s = timeout_ms / 1_000


class Figures:
    """The answer to a question. Iterating yields the figures of all pages, by step, then by group."""

    def __init__(self, client: "UsageClient", request: pb.QueryUsageRequest, first: pb.QueryUsageResponse) -> None:
        self.summary: UsageSummary = read_summary(first)
        self._client = client
        self._request = request
        self._first = first

    def __iter__(self) -> Iterator[UsageRow]:
        page, request = self._first, pb.QueryUsageRequest()
        request.CopyFrom(self._request)
        while True:
            yield from read_rows(request, page)
            request.page_token = page.next_page_token
            if not request.page_token:
                return
            page = self._client._call("QueryUsage", request, pb.QueryUsageResponse)


class UsageClient:
    """Asks a ledger, from threads.

    Args:
        target: "host:port" of the ledger; None: the variable HOLDFAST_LEDGER, else 127.0.0.1:7420.
        token: a credential; empty: none.
        timeout_ms: deadline of each call.
        credentials: of the channel, for TLS; None: none.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        token: str = "",
        timeout_ms: int = DEFAULT_TIMEOUT_MS,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self._link = _Link(target, token, timeout_ms)
        if credentials is None:
            self._channel = grpc.insecure_channel(self._link.target, options=CHANNEL_OPTIONS)
        else:
            self._channel = grpc.secure_channel(self._link.target, credentials, options=CHANNEL_OPTIONS)

    def _call(self, name: str, request: Message, kind: type[_AnswerT]) -> _AnswerT:
        call = self._channel.unary_unary(
            _SERVICE + name, request_serializer=bytes_of, response_deserializer=kind.FromString
        )
        try:
            answer: _AnswerT = call(request, timeout=self._link.timeout_s, metadata=self._link.metadata)
        except grpc.RpcError as error:
            raise sync_faults.fault_of(error) from error
        return answer

    def query(self, measure: Measure, start: Moment, end: Moment, **fields: Unpack[QueryFields]) -> Figures:
        """Sums usage: "quantity", "credits", "cost" or "count", from a start up to an end.

        Raises:
            HoldfastError: such as `InvalidArgument` with the field at fault.
            ValueError: a word that there is not, or a time without a zone.
        """
        request = query_request(measure, start, end, **fields)
        return Figures(self, request, self._call("QueryUsage", request, pb.QueryUsageResponse))

    def trace(self, row: UsageRow | str, *, page_size: int = 0) -> Iterator[TraceRow]:
        """Yields the rows behind a figure (or its trace token), newest first. Raises `HoldfastError`."""
        request = _trace_request(row, page_size)
        while True:
            page = self._call("TraceUsage", request, pb.TraceUsageResponse)
            yield from read_traces(page)
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    def keys(self, start: Moment, end: Moment, **fields: Unpack[KeysFields]) -> list[str]:
        """Lists what can be grouped by, or the values of a key, the most used first. Raises `HoldfastError`."""
        answer = self._call("ListUsageKeys", keys_request(start, end, **fields), pb.ListUsageKeysResponse)
        return list(answer.names)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncFigures:
    """The answer to a question. `async for` yields the figures of all pages, by step, then by group."""

    def __init__(self, client: "AsyncUsageClient", request: pb.QueryUsageRequest, first: pb.QueryUsageResponse) -> None:
        self.summary: UsageSummary = read_summary(first)
        self._client = client
        self._request = request
        self._first = first

    async def __aiter__(self) -> AsyncIterator[UsageRow]:
        page, request = self._first, pb.QueryUsageRequest()
        request.CopyFrom(self._request)
        while True:
            for row in read_rows(request, page):
                yield row
            request.page_token = page.next_page_token
            if not request.page_token:
                return
            page = await self._client._call("QueryUsage", request, pb.QueryUsageResponse)


class AsyncUsageClient:
    """Asks a ledger, from asyncio. Arguments as of `UsageClient`."""

    def __init__(
        self,
        target: str | None = None,
        *,
        token: str = "",
        timeout_ms: int = DEFAULT_TIMEOUT_MS,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self._link = _Link(target, token, timeout_ms)
        if credentials is None:
            self._channel = aio.insecure_channel(self._link.target, options=CHANNEL_OPTIONS)
        else:
            self._channel = aio.secure_channel(self._link.target, credentials, options=CHANNEL_OPTIONS)

    async def _call(self, name: str, request: Message, kind: type[_AnswerT]) -> _AnswerT:
        call = self._channel.unary_unary(
            _SERVICE + name, request_serializer=bytes_of, response_deserializer=kind.FromString
        )
        try:
            answer: _AnswerT = await call(request, timeout=self._link.timeout_s, metadata=self._link.metadata)
        except aio.AioRpcError as error:
            raise aio_faults.fault_of(error) from error
        return answer

    async def query(self, measure: Measure, start: Moment, end: Moment, **fields: Unpack[QueryFields]) -> AsyncFigures:
        """As of `UsageClient`."""
        request = query_request(measure, start, end, **fields)
        return AsyncFigures(self, request, await self._call("QueryUsage", request, pb.QueryUsageResponse))

    async def trace(self, row: UsageRow | str, *, page_size: int = 0) -> AsyncIterator[TraceRow]:
        """As of `UsageClient`."""
        request = _trace_request(row, page_size)
        while True:
            page = await self._call("TraceUsage", request, pb.TraceUsageResponse)
            for traced in read_traces(page):
                yield traced
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    async def keys(self, start: Moment, end: Moment, **fields: Unpack[KeysFields]) -> list[str]:
        """As of `UsageClient`."""
        answer = await self._call("ListUsageKeys", keys_request(start, end, **fields), pb.ListUsageKeysResponse)
        return list(answer.names)

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def _trace_request(row: UsageRow | str, page_size: int) -> pb.TraceUsageRequest:
    token = row if isinstance(row, str) else row.trace_token
    return pb.TraceUsageRequest(trace_token=token, page_size=page_size)
