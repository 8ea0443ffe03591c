"""Servers without a decision: what remains of the cost when nothing is decided. A process of its own.

`bare` answers in native code, `native` and `portable` hand every message to Python and back (`next_batch`, `reply`).
Prints `listening on HOST:PORT` and serves until SIGTERM.
"""

import signal
import sys
import threading
from collections.abc import Sequence
from typing import get_args

from holdfast_sidecar.transport.factory import TransportKind, open_transport
from holdfast_sidecar.transport.interface import Method, MethodKind, Transport, TransportConfig

from holdfast_bench.work import SESSION_PATH, UNARY_PATHS

_ROUND_NS = 100_000_000
_GRACE_MS = 200


def config(tcp_address: str | None, unix_path: str | None) -> TransportConfig:
    """Serves the methods that the load calls, with the limits of a sidecar."""
    methods = (*(Method(path) for path in UNARY_PATHS), Method(SESSION_PATH, MethodKind.BIDI))
    return TransportConfig(methods, tcp_address=tcp_address, unix_path=unix_path)


def serve(transport: Transport, stopped: threading.Event) -> None:
    """Answers every message with itself until `stopped`."""
    while not stopped.is_set():
        items = transport.next_batch(_ROUND_NS)
        if items:
            transport.reply([(call_id, 0, payload) for call_id, _, payload, _, _ in items])


def main(arguments: Sequence[str]) -> None:
    """Serves: `bare`, `native` or `portable`, then "host:port" or "unix:PATH"."""
    kind, address = arguments
    is_unix = address.startswith("unix:")
    where = config(None, address.removeprefix("unix:")) if is_unix else config(address, None)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    if kind == "bare":
        from holdfast_sidecar._native import EchoServer  # noqa: PLC0415 the portable transport needs no native module

        server = EchoServer(where)
        _announce(address if is_unix else f"127.0.0.1:{server.tcp_port}")
        stopped.wait()
        server.close(_GRACE_MS)
        return
    transport = open_transport(where, _transport_kind(kind))
    _announce(address if is_unix else f"127.0.0.1:{transport.tcp_port}")
    serve(transport, stopped)
    transport.close(_GRACE_MS)


def _transport_kind(kind: str) -> TransportKind:
    for known in get_args(TransportKind):
        if kind == known:
            return known  # type: ignore[no-any-return]  # get_args knows no types
    raise ValueError(f"{kind} is no transport")


def _announce(address: str) -> None:
    sys.stdout.write(f"listening on {address}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
