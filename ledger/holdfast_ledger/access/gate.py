"""What stands before every unary call, over gRPC and HTTP alike: who calls, how often, whether they may; the trail."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from holdfast_ledger.access import permissions
from holdfast_ledger.access.caller import ANYONE, Caller, Role, set_caller
from holdfast_ledger.access.rates import CallRates
from holdfast_ledger.access.tokens import hash_of, token_of
from holdfast_ledger.access.trail import AuditTrail
from holdfast_ledger.errors import RateLimited, Unauthenticated
from holdfast_ledger.snapshots import Snapshots

Call = Callable[[Message], Awaitable[Message]]


class Gate:
    """Lets calls through."""

    def __init__(
        self,
        snapshots: Snapshots,
        trail: AuditTrail,
        *,
        required: bool,
        calls_per_s: int,
        now_ns: Callable[[], int],
    ) -> None:
        """`required`: nobody may call without a credential; `calls_per_s` is the default; `now_ns` only grows."""
        self._snapshots = snapshots
        self._trail = trail
        self._required = required
        self._calls_per_s = calls_per_s
        self._now_ns = now_ns
        self._rates = CallRates()

    async def pass_through(
        self, method: MethodDescriptor, request: Message, call: Call, authorization: str, peer: str
    ) -> Message:
        """Makes a call for who sends this `authorization`.

        Raises:
            Unauthenticated: no credential, or one that is not there.
            RateLimited: too many calls.
            PermissionDenied: the credential may not.
            LedgerError: what the call raises.
        """
        if permissions.is_open(method):
            return await call(request)
        caller = replace(await self._caller(authorization), peer=peer)
        permissions.check(caller, method, request)
        set_caller(caller)
        if not permissions.changes(method):
            return await call(request)
        # A caller that goes away does not undo the change, so it must not keep the outcome from being written.
        return await asyncio.shield(self._trail.around(method, request, caller, call))

    async def _caller(self, authorization: str) -> Caller:
        if not authorization:
            if self._required:
                raise Unauthenticated('a credential is required: "authorization: Bearer TOKEN"')
            return ANYONE
        hashed = hash_of(token_of(authorization))
        found = await self._snapshots.read(lambda reader: reader.credential_of(hashed))
        if found is None:
            raise Unauthenticated("no credential has this token")
        retry_ms = self._rates.take(found.credential_id, found.calls_per_s or self._calls_per_s, self._now_ns())
        if retry_ms:
            raise RateLimited(retry_ms)
        return Caller(found.credential_id, Role(found.role), found.account_id)
