"""How the portable transport carries one call: grpc.aio handlers that submit messages and await answers."""

import asyncio
import os
import time
from dataclasses import dataclass, field
from functools import lru_cache, partial
from urllib.parse import unquote

import grpc
import grpc.aio

from holdfast_sidecar.transport.interface import Method, MethodKind
from holdfast_sidecar.transport.portable_counters import MethodCounters
from holdfast_sidecar.transport.portable_exchange import Exchange
from holdfast_sidecar.transport.portable_statuses import (
    CANCELLED,
    DEADLINE_EXCEEDED,
    RESOURCE_EXHAUSTED,
    UNAVAILABLE,
    Context,
    abort,
    draining,
    known_code,
    too_many_pending,
)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    payload: bytes
    arrived_ns: int


@dataclass(frozen=True, slots=True)
class _Ending:
    """The transport's own word on how a stream ends once nothing is owed; code 0 is OK."""

    code: int = 0
    details: bytes = b""


@dataclass(slots=True, eq=False)
class _Stream:
    """What one bidirectional stream's reader and writer share; both run on the event loop's thread."""

    slots: asyncio.Semaphore
    events: "asyncio.Queue[_Answer | _Ending]" = field(default_factory=asyncio.Queue)
    owed_count: int = 0
    is_read: bool = True

    def end(self, ending: _Ending) -> None:
        """Takes no more messages in; the stream ends after its last owed answer."""
        if self.is_read:
            self.is_read = False
            self.events.put_nowait(ending)

    def deliver(self, arrived_ns: int, status: int, payload: bytes) -> None:
        self.events.put_nowait(_Answer(status, payload, arrived_ns))


class Calls(grpc.GenericRpcHandler):
    """Routes calls by path and carries each of them; raw bytes both ways."""

    def __init__(self, methods: tuple[Method, ...], exchange: Exchange, max_stream_items: int) -> None:
        self.counters = [MethodCounters() for _ in methods]
        self.refused_count = 0
        self._exchange = exchange
        self._max_stream_items = max_stream_items
        self._streams: set[_Stream] = set()
        self._handlers = {method.path: self._handler(index, method.kind) for index, method in enumerate(methods)}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """Finds the handler of a path; None is answered with UNIMPLEMENTED."""
        return self._handlers.get(handler_call_details.method)

    def end_streams(self) -> None:
        """Ends every stream with UNAVAILABLE once its owed answers are out."""
        for stream in self._streams:
            stream.end(_Ending(UNAVAILABLE, draining()))

    def _handler(self, method: int, kind: MethodKind) -> "grpc.RpcMethodHandler[bytes, bytes]":
        if kind is MethodKind.UNARY:
            return grpc.unary_unary_rpc_method_handler(partial(self._answer_unary, method))
        return grpc.stream_stream_rpc_method_handler(partial(self._answer_stream, method))

    async def _answer_unary(self, method: int, payload: bytes, context: Context) -> bytes:
        arrived_ns = time.monotonic_ns()
        counters = self.counters[method]
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        deliver = partial(_resolve, answer)
        if not self._exchange.submit(method, payload, _peer(context), _deadline_ns(context), deliver):
            self.refused_count += 1
            counters.record_answer(RESOURCE_EXHAUSTED, arrived_ns)
            await abort(context, RESOURCE_EXHAUSTED, too_many_pending())
        try:
            status, message = await answer
        except asyncio.CancelledError:
            counters.record_status(_departure(context))
            raise
        counters.record_answer(known_code(status), arrived_ns)
        if status:
            await abort(context, status, message)
        return message

    async def _answer_stream(self, method: int, _requests: object, context: Context) -> None:
        stream = _Stream(asyncio.Semaphore(self._max_stream_items))
        self._streams.add(stream)
        reader = asyncio.create_task(self._read_stream(method, stream, context))
        try:
            await self._write_stream(method, stream, context)
        except asyncio.CancelledError:
            self.counters[method].record_status(_departure(context))
            raise
        finally:
            self._streams.discard(stream)
            reader.cancel()

    async def _read_stream(self, method: int, stream: _Stream, context: Context) -> None:
        peer, deadline_ns = _peer(context), _deadline_ns(context)
        while stream.is_read:
            await stream.slots.acquire()
            message: object = await context.read()  # grpc.aio.EOF at the end, against its stub
            if not stream.is_read:
                return
            if not isinstance(message, bytes):
                stream.end(_Ending())
                return
            deliver = partial(stream.deliver, time.monotonic_ns())
            if not self._exchange.submit(method, message, peer, deadline_ns, deliver):
                self.refused_count += 1
                stream.end(_Ending(RESOURCE_EXHAUSTED, too_many_pending()))
                return
            stream.owed_count += 1

    async def _write_stream(self, method: int, stream: _Stream, context: Context) -> None:
        ending: _Ending | None = None
        while ending is None or stream.owed_count:
            event = await stream.events.get()
            if isinstance(event, _Ending):
                ending = event
                continue
            stream.owed_count -= 1
            self.counters[method].record_answer(known_code(event.status), event.arrived_ns)
            if event.status:
                await abort(context, event.status, event.payload)
            await context.write(event.payload)
            stream.slots.release()
        if ending.code:
            self.counters[method].record_status(ending.code)
            await abort(context, ending.code, ending.details)


def _resolve(answer: "asyncio.Future[tuple[int, bytes]]", status: int, payload: bytes) -> None:
    if not answer.done():  # else its caller has gone
        answer.set_result((status, payload))


def _departure(context: Context) -> int:
    """Why a handler was cancelled: its deadline passed, or its caller left."""
    remaining_s: float | None = context.time_remaining()
    return DEADLINE_EXCEEDED if remaining_s is not None and remaining_s <= 0 else CANCELLED


def _deadline_ns(context: Context) -> int:
    remaining_s: float | None = context.time_remaining()
    if remaining_s is None:
        return 0
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) + int(remaining_s * 1e9)


def _peer(context: Context) -> str:
    name = _name_peer(context.peer())
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            return f"{name} {value if isinstance(value, str) else value.decode(errors='replace')}"
    return name


@lru_cache(maxsize=4096)
def _name_peer(peer: str) -> str:
    """Turns core's name of a peer into that of `interface.Item`.

    core tells nothing of a Unix socket's peer; the socket's mode lets only our own user (and root) in.
    """
    family, _, address = peer.partition(":")
    if family == "unix":
        return f"unix:uid={os.geteuid()},gid={os.getegid()},pid=0"
    return f"tcp:{unquote(address)}"
