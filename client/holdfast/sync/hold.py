"""A hold in the hands of a thread: `HoldState` with the calls that go with it."""

from types import TracebackType
from typing import Protocol, Unpack

from holdfast.answers import Answer, Extended, Released, Reserved, Settled, expect, permitted
from holdfast.core.hold import HoldState, lost_on_leaving, opened
from holdfast.core.settings import OnUnavailable
from holdfast.core.statistics import Counters
from holdfast.errors import HoldfastError
from holdfast.operations import ByMeter, ExtendFields, NestedFields, Operation, ReleaseFields, SettleFields


class Port(Protocol):
    """What carries a hold's operations: a client or a session."""

    def submit(self, operation: Operation, timeout_ms: int | None) -> Answer:
        """Sends one operation and returns its answer; raises `HoldfastError`."""

    def decided(self, operation: Operation, timeout_ms: int | None, choice: OnUnavailable | None) -> Answer:
        """The same for a check, reserve or extend, with `on_unavailable` in the place of a missing answer."""


class Hold(HoldState):
    """An amount reserved for one piece of work; made by `reserve`, one thread at a time.

    As a context manager it settles or gives back on leaving what the block left open: see `spend`.
    """

    def __init__(
        self,
        port: Port,
        counters: Counters,
        operation: Operation,
        answer: Reserved,
        *,
        confirmed: bool,
        parent: "Hold | None" = None,
    ) -> None:
        super().__init__(operation, answer, confirmed=confirmed, parent=parent)
        self._port = port
        self._counters = counters

    def reserve(
        self,
        amount: int | None = None,
        *,
        timeout_ms: int | None = None,
        on_unavailable: OnUnavailable | None = None,
        **fields: Unpack[NestedFields],
    ) -> "Hold":
        """Opens a hold inside this one: the amount is taken out of it, and what is not used flows back to it.

        It is of this hold's account, pool and, unless told, subject, and has its dimensions beside its own. It may
        outlive this one: what it does not use then returns to the hold around this one, or to the pool.

        Raises:
            Denied: this hold has less left, or a limit on the subject's path stands against it.
            HoldClosed: this hold was settled or released, or it expired.
        """
        operation = self.nesting(amount, fields)
        return open_hold(self._port, self._counters, operation, timeout_ms, on_unavailable, parent=self)

    def extend(
        self,
        add_amount: int = 0,
        *,
        timeout_ms: int | None = None,
        on_unavailable: OnUnavailable | None = None,
        **fields: Unpack[ExtendFields],
    ) -> Extended:
        """Raises the amount and/or, with `ttl_ms`, moves the deadline, before the work passes it.

        Raises:
            Denied: there is not enough; the hold stays as it is.
        """
        operation = self.extending(add_amount, fields)
        answer = expect(self._port.decided(operation, timeout_ms, on_unavailable), Extended)
        self.apply(operation, answer)
        return permitted(answer, operation.extend.operation_id)

    def shrink(self, amount: int, *, timeout_ms: int | None = None, operation_id: str | None = None) -> Extended:
        """Gives `amount` minor units back, as far as the hold has them, and keeps the rest held."""
        operation = self.shrinking(amount, operation_id)
        answer = expect(self._port.submit(operation, timeout_ms), Extended)
        self.apply(operation, answer)
        return permitted(answer, operation.extend.operation_id)

    def progress(
        self,
        quantities: ByMeter | None = None,
        *,
        ttl_ms: int = 0,
        timeout_ms: int | None = None,
        on_unavailable: OnUnavailable | None = None,
    ) -> Extended:
        """Tells what the work has used in all so far, and brings the hold to what is expected from here, up or down.

        For a hold with `max_output_tokens`: call it as the stream goes, in even steps; the hold is made to cover as
        much more output as came since the last one. Meters that are not named count as they were reserved. None: what
        `spend` has counted. Left without a settle, the block settles what was told last.

        Raises:
            Denied: there is not enough to go on; the hold stays as it is.
        """
        operation = self.progressing(quantities, ttl_ms)
        answer = expect(self._port.decided(operation, timeout_ms, on_unavailable), Extended)
        self.apply(operation, answer)
        return permitted(answer, operation.extend.operation_id)

    def settle(
        self, amount: int | None = None, *, timeout_ms: int | None = None, **fields: Unpack[SettleFields]
    ) -> Settled:
        """Debits the actual amount, or what `quantities` come to, and closes the hold; `final=False` debits a part and
        keeps the rest held.

        Raises:
            TypeError: neither amount nor quantities were given.
            Unavailable: the outcome is unknown; settling the same amount again is safe.
            HoldClosed: this hold was settled or released before.
        """
        for operation in self.settling(amount, fields):
            answer = self._carry_out(operation, timeout_ms)
        return expect(answer, Settled)

    def release(self, *, timeout_ms: int | None = None, **fields: Unpack[ReleaseFields]) -> Released:
        """Gives the hold back unspent.

        Raises:
            HoldClosed: it is already settled, released or expired.
        """
        return expect(self._carry_out(self.releasing(fields), timeout_ms), Released)

    def __enter__(self) -> "Hold":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.closed:
            self._leave(error)

    def _leave(self, body_error: BaseException | None) -> None:
        for operation in self.leaving(broken=body_error is not None):
            try:
                self._carry_out(operation, None)
            except HoldfastError as error:
                if lost_on_leaving(operation, error, body_error, self._counters):
                    raise
                return

    def _carry_out(self, operation: Operation, timeout_ms: int | None) -> Answer:
        try:
            answer = self._port.submit(operation, timeout_ms)
        except HoldfastError as error:
            self.failed(operation, error)
            raise
        self.apply(operation, answer)
        return answer


def open_hold(
    port: Port,
    counters: Counters,
    operation: Operation,
    timeout_ms: int | None,
    choice: OnUnavailable | None,
    *,
    parent: Hold | None = None,
) -> Hold:
    """Sends a reserve and makes the hold that it opened; raises `Denied` if it opened none."""
    answer = expect(port.decided(operation, timeout_ms, choice), Reserved)
    permitted(answer, operation.reserve.operation_id)
    return Hold(port, counters, operation, answer, confirmed=opened(answer), parent=parent)
