"""The portable transport: grpc.aio on uvloop, where the native module is not built, and the baseline.

It keeps the contract of `interface.py` with these exceptions, which grpc core does not offer:

- a Unix socket's peer cannot be asked who it is: only our own user may connect, by the socket's mode, so
  `allowed_uids` may name nobody but our own uid and root;
- refusals of oversize messages and metadata carry no `ErrorInfo` and are not counted, nor are refused
  connections; `connection_count` stays 0;
- a caller that resets streams rapidly is held back by core's own experiments alone;
- the content type is not looked at, a malformed grpc-timeout is not answered, nor is a unary call that is
  half-closed without a message, until its caller leaves;
- a call that arrives in the instant of a drain may end with CANCELLED instead of UNAVAILABLE.
"""

import asyncio
import os
import threading
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

import grpc.aio
import uvloop

from holdfast_sidecar.transport.interface import Item, Reply, TransportConfig, TransportStatistics
from holdfast_sidecar.transport.portable_calls import Calls
from holdfast_sidecar.transport.portable_exchange import Exchange
from holdfast_sidecar.transport.unix_socket import SocketFile, place_socket

_NO_GRACE_LIMIT_S = 365 * 24 * 3600.0
"""Drain waits for owed answers as long as it takes; `close` says how long."""


class PortableTransport:
    """`interface.Transport` on an event loop on a thread of its own.

    Raises:
        OSError: An address of the configuration cannot be bound.
        ValueError: The configuration names uids other than our own and root's.
    """

    def __init__(self, config: TransportConfig) -> None:
        _check(config)
        self._config = config
        self._loop = uvloop.new_event_loop()
        self._exchange = Exchange(self._loop, config.max_pending_items, config.max_batch_items)
        self._calls = Calls(config.methods, self._exchange, config.max_stream_items)
        self._tcp_port: int | None = None
        self._socket_file: SocketFile | None = None
        self._draining: asyncio.Task[None] | None = None
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="holdfast-net", daemon=True)
        self._started: Future[None] = Future()
        self._thread.start()
        self._started.result()

    @property
    def tcp_port(self) -> int | None:
        """The TCP port bound, None without a TCP listener."""
        return self._tcp_port

    def next_batch(self, timeout_ns: int) -> list[Item]:
        """See `interface.Transport.next_batch`."""
        return self._exchange.next_batch(timeout_ns)

    def reply(self, replies: list[Reply]) -> None:
        """See `interface.Transport.reply`."""
        self._exchange.reply(replies)

    def wake(self) -> None:
        """See `interface.Transport.wake`."""
        self._exchange.wake()

    def drain(self) -> None:
        """See `interface.Transport.drain`."""
        with suppress(RuntimeError):  # the event loop is closed: nothing is left to drain
            self._loop.call_soon_threadsafe(self._start_draining)

    def close(self, grace_ms: int) -> None:
        """See `interface.Transport.close`."""
        with self._closing:
            if self._closed:
                return
            asyncio.run_coroutine_threadsafe(self._stop(grace_ms / 1_000), self._loop).result()
            self._exchange.close()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._closed = True

    def statistics(self) -> TransportStatistics:
        """See `interface.Transport.statistics`."""
        paths = (method.path for method in self._config.methods)
        counters = (counters.snapshot() for counters in self._calls.counters)
        return TransportStatistics(
            methods=dict(zip(paths, counters, strict=True)),
            connection_count=0,
            pending_count=self._exchange.pending_count,
            refused_count=self._calls.refused_count,
        )

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._start())
        except BaseException as error:  # noqa: BLE001 handed to the thread that waits for the start
            self._started.set_exception(error)
        else:
            self._started.set_result(None)
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _start(self) -> None:
        self._server = grpc.aio.server(handlers=(self._calls,), options=_options(self._config))
        if self._config.tcp_address is not None:
            self._tcp_port = self._bind(self._config.tcp_address)
        if self._config.unix_path is not None:
            path = Path(self._config.unix_path)
            self._socket_file = place_socket(path, lambda hidden: self._bind(f"unix:{hidden}"))
        await self._server.start()

    def _bind(self, address: str) -> int | None:
        try:
            return self._server.add_insecure_port(address)
        except RuntimeError as error:  # core says so for every reason
            raise OSError(f"cannot listen on {address}: {error}") from error

    def _start_draining(self) -> None:
        if self._draining is None:
            self._draining = self._loop.create_task(self._drain())

    async def _drain(self) -> None:
        if self._socket_file is not None:
            self._socket_file.remove()
        stopped = asyncio.create_task(self._server.stop(_NO_GRACE_LIMIT_S))
        self._calls.end_streams()
        await stopped

    async def _stop(self, grace_s: float) -> None:
        self._start_draining()
        await self._server.stop(grace_s or None)
        if self._draining is not None:
            await self._draining


def _check(config: TransportConfig) -> None:
    foreign_uids = set(config.allowed_uids or ()) - {0, os.geteuid()}
    if foreign_uids:
        raise ValueError(
            f"the portable transport cannot tell peers apart: uids {sorted(foreign_uids)} need the native one"
        )


def _options(config: TransportConfig) -> list[tuple[str, int]]:
    """Every limit that core knows; its names, grpc/impl/channel_arg_names.h."""
    return [
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", config.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", config.max_metadata_bytes),
        ("grpc.max_concurrent_streams", config.max_concurrent_streams),
        ("grpc.max_allowed_incoming_connections", config.max_connections),
        ("grpc.server_handshake_timeout_ms", config.handshake_timeout_ms),
        ("grpc.keepalive_time_ms", config.keepalive_interval_ms),
        ("grpc.keepalive_timeout_ms", config.keepalive_timeout_ms),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", config.keepalive_interval_ms // 2),
        ("grpc.http2.lookahead_bytes", config.initial_window_bytes),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.compression_enabled_algorithms_bitset", 1),
    ]
