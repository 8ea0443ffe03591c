"""The asyncio client: each operation a call of its own, on a channel of the running event loop.

Nothing is opened before the first call. A channel belongs to one event loop in one process: a second loop gets one
of its own, and a forked child starts afresh.
"""

import asyncio
import time
import weakref
from collections.abc import AsyncIterator, Iterable
from types import TracebackType

import grpc
from grpc import aio

from holdfast.aio.calls import Calls
from holdfast.aio.faults import fault_of
from holdfast.aio.reporting import Reporting
from holdfast.aio.session import Session, Stream
from holdfast.answers import Answer, Balance, HeldRecord, read_answer, read_balance, read_hold, read_results
from holdfast.core import forking
from holdfast.core.hold import given_back
from holdfast.core.settings import CHANNEL_OPTIONS, DEFAULT_RETRIES, DEFAULT_TIMEOUT_MS, OnUnavailable, Settings
from holdfast.core.statistics import Counters, Statistics
from holdfast.core.wire import METHODS, SESSION_PATH, Message, serialize
from holdfast.errors import ClientClosed, HoldfastError, Unavailable
from holdfast.operations import Operation, operation_id_of
from holdfast.v1 import enforcement_service_pb2 as pb


class AsyncClient(Calls, Reporting):
    """Asks the sidecar of this host, from asyncio.

    >>> async def answer(prompt: str) -> str:
    ...     async with holdfast.AsyncClient() as client, client.reserve("acme", 2_000_000) as hold:
    ...         hold.spend(300_000)  # the provider took the prompt
    ...         await hold.settle(1_200_000)  # what it cost in the end
    ...     return f"{prompt}: settled {hold.settled_amount}"
    >>> asyncio.run(answer("hello"))
    'hello: settled 1200000'

    Args:
        target: "unix:/path" or "host:port"; None: the variable HOLDFAST_SIDECAR, else 127.0.0.1:7070.
        timeout_ms: deadline of a call, tries included, unless the call has its own.
        retries: how often a call without an answer is sent again within its deadline, with the same operation id.
        on_unavailable: what check, reserve and extend do without an answer: "raise" `Unavailable`, "allow" (the
            hold is then `unconfirmed`, and its settle debits the pool late), or "deny". Debits always raise.
        credentials: of the channel, for TLS; None: none, as a Unix socket needs.
        token: a credential, shown with reports of usage; empty: none, the sidecar knows this caller otherwise.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        timeout_ms: int = DEFAULT_TIMEOUT_MS,
        retries: int = DEFAULT_RETRIES,
        on_unavailable: OnUnavailable = "raise",
        credentials: grpc.ChannelCredentials | None = None,
        token: str = "",
    ) -> None:
        super().__init__(Settings.of(target, timeout_ms, retries, on_unavailable, token), Counters())
        self._credentials = credentials
        self._links: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Link] = weakref.WeakKeyDictionary()
        self._sessions: set[Session] = set()
        self._closed = False
        forking.register(self)

    async def get_balance(self, account: str, pool: str = "", *, timeout_ms: int | None = None) -> Balance:
        """One pool's figures as this host knows them."""
        request = pb.GetBalanceRequest(account_id=account, pool_id=pool)
        message = await self._call("get_balance", request, timeout_ms)
        assert isinstance(message, pb.GetBalanceResponse)
        return read_balance(message)

    async def list_holds(
        self, account: str, *, pool: str = "", page_size: int = 0, timeout_ms: int | None = None
    ) -> AsyncIterator[HeldRecord]:
        """The open holds of this host for one account, oldest first, a page at a time; `pool` "": of all pools."""
        request = pb.ListHoldsRequest(account_id=account, pool_id=pool, page_size=page_size)
        while True:
            page = await self._call("list_holds", request, timeout_ms)
            assert isinstance(page, pb.ListHoldsResponse)
            for hold in page.holds:
                yield read_hold(hold)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def execute(
        self, operations: Iterable[Operation], *, linked: bool = False, timeout_ms: int | None = None
    ) -> list[Answer | HoldfastError]:
        """Carries out many operations (of `holdfast.operations`) in one call, in their order.

        A fault of one is a value in its place. `linked`: all or nothing.
        """
        request = pb.ExecuteRequest(operations=operations, linked=linked)
        message = await self.keep(self._call("execute", request, timeout_ms))
        assert isinstance(message, pb.ExecuteResponse)
        return read_results(request.operations, message.results)

    def session(self) -> Session:
        """A session: the operations of one tick of the event loop travel in one message."""
        session = Session(self._settings, self._counters, self._open_stream, self._sessions.discard)
        self._sessions.add(session)
        return session

    def statistics(self) -> Statistics:
        """Counts of what this client did."""
        return self._counters.snapshot()

    async def close(self) -> None:
        """Waits for what goes on in the background, at most until its deadlines, and closes the channel."""
        for session in list(self._sessions):
            await session.close()
        await self._kept_done()
        self._closed = True
        if link := self._links.pop(asyncio.get_running_loop(), None):
            await link.channel.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def after_fork_in_child(self) -> None:
        """Forgets the parent's channels and tasks."""
        forking.keep_inherited((self._links, self._kept, self._sessions))
        self._links = weakref.WeakKeyDictionary()
        self._kept = set()
        self._sessions = set()
        self._counters.reset()

    async def submit(self, operation: Operation, timeout_ms: int | None, *, give_back: bool = False) -> Answer:
        """Sends one operation in a call of its own."""
        kind = operation.WhichOneof("operation")
        assert kind is not None
        if kind == "check":
            return await self._ask(kind, operation, timeout_ms)
        asking = self._start(self._ask(kind, operation, timeout_ms))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            if give_back:
                self._start(self._give_back(asking, operation))
            raise

    async def _ask(self, kind: str, operation: Operation, timeout_ms: int | None) -> Answer:
        message = await self._call(kind, getattr(operation, kind), timeout_ms, operation_id_of(operation))
        return read_answer(kind, message)

    async def _give_back(self, asking: asyncio.Task[Answer], operation: Operation) -> None:
        try:
            if (release := given_back(operation, await asking)) is not None:
                await self._ask("release", release, None)
        except HoldfastError:
            self._counters.add("releases_lost")

    async def _call(self, name: str, request: Message, timeout_ms: int | None, operation_id: str = "") -> Message:
        deadline = time.monotonic() + self._settings.timeout_s(timeout_ms)
        metadata = self._settings.metadata(takes_token=METHODS[name].takes_token)
        self._counters.add("calls")
        attempt = 0
        while True:
            attempt += 1
            try:
                left_s = max(0.0, deadline - time.monotonic())
                return await self._link().call(name)(request, timeout=left_s, metadata=metadata)
            except aio.AioRpcError as cause:
                error = fault_of(cause, operation_id)
                delay_s = self._settings.retry_delay_s(error, attempt, deadline - time.monotonic())
                if delay_s is None or self._closed:
                    if isinstance(error, Unavailable):
                        self._counters.add("unanswered")
                    raise error from cause
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if self._closed and task is not None and not task.cancelling():
                    raise ClientClosed("the client was closed during the call", operation_id=operation_id) from None
                raise
            self._counters.add("retries")
            await asyncio.sleep(delay_s)

    def _open_stream(self) -> Stream:
        return self._link().stream()

    def _link(self) -> "_Link":
        if self._closed:
            raise ClientClosed("the client is closed")
        loop = asyncio.get_running_loop()
        link = self._links.get(loop)
        if link is None:
            link = self._links[loop] = _Link(self._settings.target, self._credentials)
        return link


class _Link:
    """A channel, and its calls by name."""

    def __init__(self, target: str, credentials: grpc.ChannelCredentials | None) -> None:
        if credentials is None:
            self.channel = aio.insecure_channel(target, options=CHANNEL_OPTIONS)
        else:
            self.channel = aio.secure_channel(target, credentials, options=CHANNEL_OPTIONS)
        self._calls: dict[str, aio.UnaryUnaryMultiCallable[Message, Message]] = {}

    def call(self, name: str) -> "aio.UnaryUnaryMultiCallable[Message, Message]":
        """The unary call of this name in `METHODS`."""
        found = self._calls.get(name)
        if found is None:
            method = METHODS[name]
            found = self._calls[name] = self.channel.unary_unary(
                method.path, request_serializer=serialize, response_deserializer=method.read
            )
        return found

    def stream(self) -> Stream:
        """A new session's stream."""
        open_stream = self.channel.stream_stream(
            SESSION_PATH, request_serializer=serialize, response_deserializer=pb.SessionResponse.FromString
        )
        return open_stream()
