"""A hold in the hands of a coroutine: `HoldState` with the calls that go with it."""

from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Protocol, TypeVar, Unpack

from holdfast.answers import Answer, Extended, Released, Reserved, Settled, expect, permitted
from holdfast.core.hold import HoldState, lost_on_leaving, opened
from holdfast.core.settings import OnUnavailable
from holdfast.core.statistics import Counters
from holdfast.errors import HoldfastError
from holdfast.operations import ByMeter, ExtendFields, NestedFields, Operation, ReleaseFields, SettleFields

_T = TypeVar("_T")


class Port(Protocol):
    """What carries a hold's operations: a client or a session."""

    async def submit(self, operation: Operation, timeout_ms: int | None) -> Answer:
        """Sends one operation and returns its answer; raises `HoldfastError`."""

    async def decided(
        self, operation: Operation, timeout_ms: int | None, choice: OnUnavailable | None, *, give_back: bool = False
    ) -> Answer:
        """The same for a check, reserve or extend, with `on_unavailable` in the place of a missing answer; `give_back`:
        a hold that opens when nobody waits for it any more is released."""

    async def keep(self, work: Coroutine[object, None, _T]) -> _T:
        """Awaits work that goes on in the background when its caller is cancelled."""


class Hold(HoldState):
    """An amount reserved for one piece of work; made by `reserve`, one task at a time.

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
    ) -> "Opening":
        """Opens a hold inside this one: the amount is taken out of it, and what is not used flows back to it.

        It is of this hold's account, pool and, unless told, subject, and has its dimensions beside its own. It may
        outlive this one: what it does not use then returns to the hold around this one, or to the pool.

        Raises:
            Denied: this hold has less left, or a limit on the subject's path stands against it.
            HoldClosed: this hold was settled or released, or it expired.
        """
        operation = self.nesting(amount, fields)
        own_id = fields.get("operation_id") is not None
        opening = open_hold(
            self._port, self._counters, operation, timeout_ms, on_unavailable, give_back=not own_id, parent=self
        )
        return Opening(opening)

    async def extend(
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
        answer = expect(await self._port.decided(operation, timeout_ms, on_unavailable), Extended)
        self.apply(operation, answer)
        return permitted(answer, operation.extend.operation_id)

    async def shrink(self, amount: int, *, timeout_ms: int | None = None, operation_id: str | None = None) -> Extended:
        """Gives `amount` minor units back, as far as the hold has them, and keeps the rest held."""
        operation = self.shrinking(amount, operation_id)
        answer = expect(await self._port.submit(operation, timeout_ms), Extended)
        self.apply(operation, answer)
        return permitted(answer, operation.extend.operation_id)

    async def progress(
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
        answer = expect(await self._port.decided(operation, timeout_ms, on_unavailable), Extended)
        self.apply(operation, answer)
        return permitted(answer, operation.extend.operation_id)

    async def settle(
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
            answer = await self._carry_out(operation, timeout_ms)
        return expect(answer, Settled)

    async def release(self, *, timeout_ms: int | None = None, **fields: Unpack[ReleaseFields]) -> Released:
        """Gives the hold back unspent.

        Raises:
            HoldClosed: it is already settled, released or expired.
        """
        return expect(await self._carry_out(self.releasing(fields), timeout_ms), Released)

    async def __aenter__(self) -> "Hold":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.closed:
            await self._port.keep(self._leave(error))

    async def _leave(self, body_error: BaseException | None) -> None:
        for operation in self.leaving(broken=body_error is not None):
            try:
                await self._carry_out(operation, None)
            except HoldfastError as error:
                if lost_on_leaving(operation, error, body_error, self._counters):
                    raise
                return

    async def _carry_out(self, operation: Operation, timeout_ms: int | None) -> Answer:
        try:
            answer = await self._port.submit(operation, timeout_ms)
        except HoldfastError as error:
            self.failed(operation, error)
            raise
        self.apply(operation, answer)
        return answer


async def open_hold(
    port: Port,
    counters: Counters,
    operation: Operation,
    timeout_ms: int | None,
    choice: OnUnavailable | None,
    *,
    give_back: bool,
    parent: Hold | None = None,
) -> Hold:
    """Sends a reserve and makes the hold that it opened; raises `Denied` if it opened none."""
    answer = expect(await port.decided(operation, timeout_ms, choice, give_back=give_back), Reserved)
    permitted(answer, operation.reserve.operation_id)
    return Hold(port, counters, operation, answer, confirmed=opened(answer), parent=parent)


class Opening(Coroutine[object, None, Hold]):
    """A reserve not yet awaited: `hold = await opening`, `async with opening as hold`, or a task of its own."""

    __slots__ = ("_coroutine", "_hold")

    def __init__(self, coroutine: Coroutine[object, None, Hold]) -> None:
        self._coroutine = coroutine
        self._hold: Hold | None = None

    def __await__(self) -> Generator[object, None, Hold]:
        return self._coroutine.__await__()

    def send(self, value: None) -> object:
        """As a coroutine's."""
        return self._coroutine.send(value)

    def throw(
        self,
        kind: type[BaseException] | BaseException,
        value: object = None,
        trace: TracebackType | None = None,
        /,
    ) -> object:
        """As a coroutine's."""
        error = kind if isinstance(kind, BaseException) else value if isinstance(value, BaseException) else kind()
        return self._coroutine.throw(error if trace is None else error.with_traceback(trace))

    def close(self) -> None:
        """As a coroutine's."""
        self._coroutine.close()

    async def __aenter__(self) -> Hold:
        self._hold = await self._coroutine
        return self._hold

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._hold is not None
        await self._hold.__aexit__(kind, error, trace)
