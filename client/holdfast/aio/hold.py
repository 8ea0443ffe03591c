"""A hold in the hands of a coroutine: `HoldState` with the calls that go with it."""

from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Protocol, TypeVar, Unpack

from holdfast.answers import Answer, Extended, Released, Reserved, Settled, expect, permitted
from holdfast.core.hold import HoldState, lost_on_leaving
from holdfast.core.settings import OnUnavailable
from holdfast.core.statistics import Counters
from holdfast.errors import HoldfastError
from holdfast.operations import ExtendFields, Operation, ReleaseFields, SettleFields

_T = TypeVar("_T")


class Port(Protocol):
    """What carries a hold's operations: a client or a session."""

    async def submit(self, operation: Operation, timeout_ms: int | None) -> Answer:
        """Sends one operation and returns its answer; raises `HoldfastError`."""

    async def decided(self, operation: Operation, timeout_ms: int | None, choice: OnUnavailable | None) -> Answer:
        """The same for a check, reserve or extend, with `on_unavailable` in the place of a missing answer."""

    async def keep(self, work: Coroutine[object, None, _T]) -> _T:
        """Awaits work that goes on in the background when its caller is cancelled."""


class Hold(HoldState):
    """An amount reserved for one piece of work; made by `reserve`, one task at a time.

    As a context manager it settles or gives back on leaving what the block left open: see `spend`.
    """

    def __init__(
        self, port: Port, counters: Counters, operation: Operation, answer: Reserved, *, confirmed: bool
    ) -> None:
        super().__init__(operation, answer, confirmed=confirmed)
        self._port = port
        self._counters = counters

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

    async def settle(self, amount: int, *, timeout_ms: int | None = None, **fields: Unpack[SettleFields]) -> Settled:
        """Debits the actual amount and closes the hold; `final=False` debits a part and keeps the rest held.

        Raises:
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
