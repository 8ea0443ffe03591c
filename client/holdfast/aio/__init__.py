"""The asyncio client: the thin shell around `holdfast.core` for one event loop; its twin is `holdfast.sync`."""

from holdfast.aio.client import AsyncClient
from holdfast.aio.hold import Hold, Opening
from holdfast.aio.session import Session

__all__ = ["AsyncClient", "Hold", "Opening", "Session"]
