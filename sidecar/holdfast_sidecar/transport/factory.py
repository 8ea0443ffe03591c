"""Chooses the transport: the native one where it is built, else the portable one, saying so once."""

import importlib.util
import logging
from typing import Literal, TypeAlias

from holdfast_sidecar.transport.interface import Transport, TransportConfig

TransportKind: TypeAlias = Literal["auto", "native", "portable"]

_log = logging.getLogger(__name__)


def open_transport(config: TransportConfig, kind: TransportKind = "auto") -> Transport:
    """Binds and serves; "auto" takes the native transport if its module is built.

    Raises:
        ImportError: `kind` is "native" and its module is not built.
        OSError: An address of the configuration cannot be bound.
        ValueError: The configuration asks what this transport cannot do.
    """
    if kind == "portable" or (kind == "auto" and not _native_is_built()):
        from holdfast_sidecar.transport.portable import PortableTransport  # noqa: PLC0415 grpc and uvloop only if used

        return PortableTransport(config)
    from holdfast_sidecar.transport.native import NativeTransport  # noqa: PLC0415 only if built

    return NativeTransport(config)


def _native_is_built() -> bool:
    built = importlib.util.find_spec("holdfast_sidecar._native") is not None
    if not built:
        _log.warning("native transport is not built (no Rust toolchain at install): serving on grpc.aio, slower")
    return built
