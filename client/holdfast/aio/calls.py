"""The operations by name, for whatever carries them: `AsyncClient` a call each, `Session` many in one message."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import TypeVar, Unpack

from holdfast import operations
from holdfast.aio.hold import Opening, open_hold
from holdfast.answers import Answer, Charged, Checked, Extended, Released, Settled, expect, permitted
from holdfast.core.fallback import without_answer
from holdfast.core.settings import OnUnavailable, Settings
from holdfast.core.statistics import Counters
from holdfast.errors import Unavailable
from holdfast.operations import (
    ChargeFields,
    CheckFields,
    ExtendFields,
    Operation,
    ReleaseFields,
    ReserveFields,
    SettleFields,
)

_T = TypeVar("_T")


class Calls(ABC):
    """What can be asked of a sidecar, one operation at a time.

    Common to all: `timeout_ms` bounds the whole call, tries included; every fault raises a `HoldfastError`; an
    operation whose caller is cancelled goes on in the background until its deadline, so that its effect is known.
    """

    def __init__(self, settings: Settings, counters: Counters) -> None:
        self._settings = settings
        self._counters = counters
        self._kept: set[asyncio.Task[object]] = set()

    @abstractmethod
    async def submit(self, operation: Operation, timeout_ms: int | None, *, give_back: bool = False) -> Answer:
        """Sends one operation; `give_back`: a hold that opens when nobody waits for it any more is released."""

    async def keep(self, work: Coroutine[object, None, _T]) -> _T:
        """Awaits work that goes on in the background when its caller is cancelled; `close` waits for it."""
        return await asyncio.shield(self._start(work))

    def _start(self, work: Coroutine[object, None, _T]) -> asyncio.Task[_T]:
        task = asyncio.get_running_loop().create_task(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
        return task

    async def _kept_done(self) -> None:
        loop = asyncio.get_running_loop()
        while own := [task for task in self._kept if task.get_loop() is loop]:
            await asyncio.wait(own)

    async def check(
        self,
        account: str,
        amount: int = 0,
        *,
        timeout_ms: int | None = None,
        on_unavailable: OnUnavailable | None = None,
        **fields: Unpack[CheckFields],
    ) -> Checked:
        """Says what a reserve would be answered, and changes nothing; amount 0: may anything at all be spent?"""
        operation = operations.check(account, amount, **fields)
        return expect(await self.decided(operation, timeout_ms, on_unavailable), Checked)

    def reserve(
        self,
        account: str,
        amount: int | None = None,
        *,
        timeout_ms: int | None = None,
        on_unavailable: OnUnavailable | None = None,
        **fields: Unpack[ReserveFields],
    ) -> Opening:
        """Opens a hold of `amount`, or of what `quantities` come to.

        Use it as `async with client.reserve(...) as hold:`, or await it.
        Without an `operation_id` of the caller's, a hold that opens after its caller was cancelled is given back.

        Raises:
            Denied: the work may not go on.
        """
        operation = operations.reserve(account, amount, **fields)
        own_id = fields.get("operation_id") is not None
        opening = open_hold(self, self._counters, operation, timeout_ms, on_unavailable, give_back=not own_id)
        return Opening(opening)

    async def extend(
        self,
        account: str,
        hold_id: str,
        add_amount: int = 0,
        *,
        timeout_ms: int | None = None,
        on_unavailable: OnUnavailable | None = None,
        **fields: Unpack[ExtendFields],
    ) -> Extended:
        """Raises the amount and/or moves the deadline of a hold; or gives a part of it back.

        Raises:
            Denied: there is not enough; the hold stays as it is.
        """
        operation = operations.extend(account, hold_id, add_amount, **fields)
        answer = expect(await self.decided(operation, timeout_ms, on_unavailable), Extended)
        return permitted(answer, operation.extend.operation_id)

    async def settle(
        self,
        account: str,
        hold_id: str,
        amount: int | None = None,
        *,
        pool: str = "",
        timeout_ms: int | None = None,
        **fields: Unpack[SettleFields],
    ) -> Settled:
        """Debits the actual amount of a hold, or what `quantities` come to.

        `pool` is debited should the sidecar no longer know the hold; quantities then need the model in `dimensions`.
        """
        operation = operations.settle(account, hold_id, amount, pool=pool, **fields)
        return expect(await self.submit(operation, timeout_ms), Settled)

    async def release(
        self, account: str, hold_id: str, *, timeout_ms: int | None = None, **fields: Unpack[ReleaseFields]
    ) -> Released:
        """Gives a hold back unspent.

        Raises:
            HoldClosed: it is already settled, released or expired.
        """
        return expect(await self.submit(operations.release(account, hold_id, **fields), timeout_ms), Released)

    async def charge(
        self,
        account: str,
        amount: int | None = None,
        *,
        counter: str | None = None,
        total: int | None = None,
        timeout_ms: int | None = None,
        **fields: Unpack[ChargeFields],
    ) -> Charged:
        """Debits without a hold: `amount`, what the running `total` of `counter` has risen by, or what `quantities`
        come to.

        Raises:
            Denied: the work may not go on; nothing was debited.
            Unavailable: whether it was debited is unknown; the same `operation_id` may be sent again.
        """
        operation = operations.charge(account, amount, counter=counter, total=total, **fields)
        answer = expect(await self.submit(operation, timeout_ms), Charged)
        return permitted(answer, operation.charge.operation_id)

    async def decided(
        self,
        operation: Operation,
        timeout_ms: int | None,
        choice: OnUnavailable | None,
        *,
        give_back: bool = False,
    ) -> Answer:
        """Sends a check, reserve or extend; what `on_unavailable` says takes the place of a missing answer."""
        try:
            return await self.submit(operation, timeout_ms, give_back=give_back)
        except Unavailable as error:
            return without_answer(operation, error, choice or self._settings.on_unavailable, self._counters)
