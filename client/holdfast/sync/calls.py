"""The operations by name, for whatever carries them: `Client` a call each, `Session` many in one message."""

from abc import ABC, abstractmethod
from typing import Unpack

from holdfast import operations
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
from holdfast.sync.hold import Hold, open_hold


class Calls(ABC):
    """What can be asked of a sidecar, one operation at a time.

    Common to all: `timeout_ms` bounds the whole call, tries included; every fault raises a `HoldfastError`.
    Safe from many threads.
    """

    def __init__(self, settings: Settings, counters: Counters) -> None:
        self._settings = settings
        self._counters = counters

    @abstractmethod
    def submit(self, operation: Operation, timeout_ms: int | None) -> Answer:
        """Sends one operation and returns its answer; raises `HoldfastError`."""

    def check(
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
        return expect(self.decided(operation, timeout_ms, on_unavailable), Checked)

    def reserve(
        self,
        account: str,
        amount: int | None = None,
        *,
        timeout_ms: int | None = None,
        on_unavailable: OnUnavailable | None = None,
        **fields: Unpack[ReserveFields],
    ) -> Hold:
        """Opens a hold of `amount`, or of what `quantities` come to; use it as `with client.reserve(...) as hold:`.

        Raises:
            Denied: the work may not go on.
        """
        operation = operations.reserve(account, amount, **fields)
        return open_hold(self, self._counters, operation, timeout_ms, on_unavailable)

    def extend(
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
        answer = expect(self.decided(operation, timeout_ms, on_unavailable), Extended)
        return permitted(answer, operation.extend.operation_id)

    def settle(
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
        return expect(self.submit(operation, timeout_ms), Settled)

    def release(
        self, account: str, hold_id: str, *, timeout_ms: int | None = None, **fields: Unpack[ReleaseFields]
    ) -> Released:
        """Gives a hold back unspent.

        Raises:
            HoldClosed: it is already settled, released or expired.
        """
        return expect(self.submit(operations.release(account, hold_id, **fields), timeout_ms), Released)

    def charge(
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
        answer = expect(self.submit(operation, timeout_ms), Charged)
        return permitted(answer, operation.charge.operation_id)

    def decided(self, operation: Operation, timeout_ms: int | None, choice: OnUnavailable | None) -> Answer:
        """Sends a check, reserve or extend; what `on_unavailable` says takes the place of a missing answer."""
        try:
            return self.submit(operation, timeout_ms)
        except Unavailable as error:
            return without_answer(operation, error, choice or self._settings.on_unavailable, self._counters)
