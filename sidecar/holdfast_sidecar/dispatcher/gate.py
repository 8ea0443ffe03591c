"""Who may report usage, how often, and of which account: what stands before every call of UsageService.

A caller is known by the token that it sends, else by its uid on the Unix socket or its address on TCP. With a list of
credentials nobody else may call; without one everybody may, at the rate of the settings. The other services are open
to all that may connect: they are asked by the work itself, whose place is this host.

Upstream: `usage.py` with the transport's `peer`. Buckets are kept in memory: a restart fills them.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from holdfast_sidecar.dispatcher.callers import Known, end_of, hash_of, identity_of, token_of
from holdfast_sidecar.dispatcher.faults import RETRY_AFTER, Refusal
from holdfast_sidecar.engine.amounts import NS_PER_MS
from holdfast_sidecar.engine.gcra import Gcra
from holdfast_sidecar.engine.operations import Fault, FaultCode

MAX_BUCKETS = 10_000
"""Callers without a credential whose bucket is kept; the one that called longest ago goes first."""
SECOND_MS = 1_000

_UNKNOWN = Fault(
    FaultCode.UNAUTHENTICATED,
    "UNAUTHENTICATED",
    'this caller has no credential here: send "authorization: Bearer TOKEN", or have its uid or address listed',
)
_FORBIDDEN = Fault(FaultCode.PERMISSION_DENIED, "PERMISSION_DENIED", "the credential may name its own account alone")


class Listed(Known, Protocol):
    """What a credential says; see `credentials.Credential`."""

    @property
    def account_id(self) -> str:
        """The account that it may name; empty: any."""

    @property
    def calls_per_s(self) -> int | None:
        """Calls a second; 0: no limit; None: the setting."""

    @property
    def burst(self) -> int | None:
        """Calls at once; None: those of a second."""


@dataclass(slots=True, eq=False)
class _Caller:
    account_id: str = ""
    bucket: Gcra | None = None


@dataclass(slots=True, eq=False)
class Gate:
    """Lets calls through.

    Args:
        now_ns: CLOCK_BOOTTIME in nanoseconds.
        credentials: Those that may call; none: everybody may.
        calls_per_s: Calls a second of each caller, where its credential does not say; 0: no limit.
        burst: Calls at once; 0: those of a second.
    """

    now_ns: Callable[[], int]
    credentials: Iterable[Listed] = ()
    calls_per_s: int = 0
    burst: int = 0
    _listed: dict[str, _Caller] = field(default_factory=dict, init=False)
    _others: OrderedDict[str, _Caller] = field(default_factory=OrderedDict, init=False)

    def __post_init__(self) -> None:
        """Makes the table of callers."""
        for credential in self.credentials:
            rate, burst = self.calls_per_s, self.burst
            if credential.calls_per_s is not None:
                rate, burst = credential.calls_per_s, 0
            if credential.burst is not None:
                burst = credential.burst
            self._listed[identity_of(credential)] = _Caller(credential.account_id, _bucket(rate, burst))

    def admit(self, peer: str) -> str:
        """Counts a call; returns the one account that it may name, empty for any.

        Args:
            peer: As in `transport.interface.Item`.

        Raises:
            Refusal: The caller is not known, or calls too often.
        """
        caller = self._caller(peer)
        bucket = caller.bucket
        if bucket is not None:
            now_ns = self.now_ns()
            wait_ns = bucket.wait_ns(1, now_ns)
            if wait_ns:
                raise Refusal(_too_often(-(-wait_ns // NS_PER_MS)))
            bucket.take(1, now_ns)
        return caller.account_id

    def _caller(self, peer: str) -> _Caller:
        connection, _, authorization = peer.partition(" ")
        if authorization and self._listed:
            found = self._listed.get(hash_of(token_of(authorization)))
        else:
            found = self._listed.get(end_of(connection))
        if found is not None:
            return found
        if self._listed:
            raise Refusal(_UNKNOWN)
        return self._other(end_of(connection))

    def _other(self, end: str) -> _Caller:
        caller = self._others.get(end)
        if caller is None:
            caller = self._others[end] = _Caller("", _bucket(self.calls_per_s, self.burst))
            if len(self._others) > MAX_BUCKETS:
                self._others.popitem(last=False)
        else:
            self._others.move_to_end(end)
        return caller


def check_account(scope: str, account_id: str) -> None:
    """Raises Refusal if a caller whose one account is `scope` may not name this one; an empty scope is any."""
    if scope and account_id != scope:
        raise Refusal(_FORBIDDEN)


def _bucket(calls_per_s: int, burst: int) -> Gcra | None:
    return Gcra(calls_per_s, SECOND_MS, burst or calls_per_s) if calls_per_s else None


def _too_often(retry_ms: int) -> Fault:
    return Fault(
        FaultCode.RESOURCE_EXHAUSTED,
        "RATE_LIMITED",
        f"too many calls; the next one in {retry_ms} ms",
        ((RETRY_AFTER, str(retry_ms)),),
    )
