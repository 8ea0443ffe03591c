"""The blocking client: the thin shell around `holdfast.core` for threads; its twin is `holdfast.aio`."""

from holdfast.sync.client import Client
from holdfast.sync.hold import Hold
from holdfast.sync.session import Session

__all__ = ["Client", "Hold", "Session"]
