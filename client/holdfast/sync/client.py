"""The blocking client: each operation a call of its own, on one channel a process.

Nothing is opened before the first call, and a forked child (a preforking server's worker) starts afresh.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from types import TracebackType

import grpc

from holdfast.answers import Answer, Balance, HeldRecord, read_answer, read_balance, read_hold, read_results
from holdfast.core import forking
from holdfast.core.settings import CHANNEL_OPTIONS, DEFAULT_RETRIES, DEFAULT_TIMEOUT_MS, OnUnavailable, Settings
from holdfast.core.statistics import Counters, Statistics
from holdfast.core.wire import METHODS, SESSION_PATH, Message, serialize
from holdfast.errors import ClientClosed, HoldfastError, Unavailable
from holdfast.operations import Operation, operation_id_of
from holdfast.sync.calls import Calls
from holdfast.sync.faults import fault_of
from holdfast.sync.reporting import Reporting
from holdfast.sync.session import Session, Stream
from holdfast.v1 import enforcement_service_pb2 as pb


class Client(Calls, Reporting):
    """Asks the sidecar of this host, from threads.

    >>> with holdfast.Client() as client, client.reserve("acme", 2_000_000) as hold:
    ...     left = hold.spend(300_000)  # the provider took the prompt
    ...     hold.settle(1_200_000).debited_amount  # what it cost in the end
    1200000

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
        self._lock = threading.Lock()
        self._opened: _Link | None = None
        self._sessions: set[Session] = set()
        self._closed = False
        forking.register(self)

    def get_balance(self, account: str, pool: str = "", *, timeout_ms: int | None = None) -> Balance:
        """One pool's figures as this host knows them."""
        request = pb.GetBalanceRequest(account_id=account, pool_id=pool)
        message = self._call("get_balance", request, timeout_ms)
        assert isinstance(message, pb.GetBalanceResponse)
        return read_balance(message)

    def list_holds(
        self, account: str, *, pool: str = "", page_size: int = 0, timeout_ms: int | None = None
    ) -> Iterator[HeldRecord]:
        """The open holds of this host for one account, oldest first, a page at a time; `pool` "": of all pools."""
        request = pb.ListHoldsRequest(account_id=account, pool_id=pool, page_size=page_size)
        while True:
            page = self._call("list_holds", request, timeout_ms)
            assert isinstance(page, pb.ListHoldsResponse)
            yield from map(read_hold, page.holds)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def execute(
        self, operations: Iterable[Operation], *, linked: bool = False, timeout_ms: int | None = None
    ) -> list[Answer | HoldfastError]:
        """Carries out many operations (of `holdfast.operations`) in one call, in their order.

        A fault of one is a value in its place. `linked`: all or nothing.
        """
        request = pb.ExecuteRequest(operations=operations, linked=linked)
        message = self._call("execute", request, timeout_ms)
        assert isinstance(message, pb.ExecuteResponse)
        return read_results(request.operations, message.results)

    def session(self) -> Session:
        """A session: what many threads ask at about the same time travels in one message."""
        session = Session(self._settings, self._counters, self._open_stream, self._sessions.discard)
        self._sessions.add(session)
        return session

    def statistics(self) -> Statistics:
        """Counts of what this client did."""
        return self._counters.snapshot()

    def close(self) -> None:
        """Closes the sessions and the channel; a call under way ends as `Unavailable`."""
        for session in list(self._sessions):
            session.close()
        with self._lock:
            self._closed = True
            link, self._opened = self._opened, None
        if link is not None:
            link.channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def after_fork_in_child(self) -> None:
        """Forgets the parent's channel, sessions and lock."""
        forking.keep_inherited((self._opened, self._sessions))
        self._lock = threading.Lock()
        self._opened = None
        self._sessions = set()
        self._counters.reset()

    def submit(self, operation: Operation, timeout_ms: int | None) -> Answer:
        """Sends one operation in a call of its own."""
        kind = operation.WhichOneof("operation")
        assert kind is not None
        message = self._call(kind, getattr(operation, kind), timeout_ms, operation_id_of(operation))
        return read_answer(kind, message)

    def _call(self, name: str, request: Message, timeout_ms: int | None, operation_id: str = "") -> Message:
        deadline = time.monotonic() + self._settings.timeout_s(timeout_ms)
        metadata = self._settings.metadata(takes_token=METHODS[name].takes_token)
        self._counters.add("calls")
        attempt = 0
        while True:
            attempt += 1
            try:
                left_s = max(0.0, deadline - time.monotonic())
                return self._link().call(name)(request, timeout=left_s, metadata=metadata)
            except grpc.RpcError as cause:
                error = fault_of(cause, operation_id)
                delay_s = self._settings.retry_delay_s(error, attempt, deadline - time.monotonic())
                if delay_s is None or self._closed:
                    if isinstance(error, Unavailable):
                        self._counters.add("unanswered")
                    raise error from cause
            self._counters.add("retries")
            time.sleep(delay_s)

    def _open_stream(self, requests: Iterator[pb.SessionRequest]) -> Stream:
        return self._link().stream(requests)

    def _link(self) -> "_Link":
        link = self._opened
        if link is not None:
            return link
        with self._lock:
            if self._closed:
                raise ClientClosed("the client is closed")
            if self._opened is None:
                self._opened = _Link(self._settings.target, self._credentials)
            return self._opened


class _Link:
    """A channel, and its calls by name."""

    def __init__(self, target: str, credentials: grpc.ChannelCredentials | None) -> None:
        if credentials is None:
            self.channel = grpc.insecure_channel(target, options=CHANNEL_OPTIONS)
        else:
            self.channel = grpc.secure_channel(target, credentials, options=CHANNEL_OPTIONS)
        self._calls: dict[str, grpc.UnaryUnaryMultiCallable[Message, Message]] = {}

    def call(self, name: str) -> "grpc.UnaryUnaryMultiCallable[Message, Message]":
        """The unary call of this name in `METHODS`."""
        found = self._calls.get(name)
        if found is None:
            method = METHODS[name]
            found = self._calls[name] = self.channel.unary_unary(
                method.path, request_serializer=serialize, response_deserializer=method.read
            )
        return found

    def stream(self, requests: Iterator[pb.SessionRequest]) -> Stream:
        """A new session's stream."""
        open_stream = self.channel.stream_stream(
            SESSION_PATH, request_serializer=serialize, response_deserializer=pb.SessionResponse.FromString
        )
        return open_stream(requests)
