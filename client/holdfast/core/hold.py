"""The state of one hold as its holder sees it: what is held, what is spent, and what to do on leaving.

No I/O: methods build the next operation, the shells (`sync/hold.py`, `aio/hold.py`) send it, and `apply` or `failed`
tell what came of it. The life of a hold:

    OPEN ── settle(final=False), extend, spend ──► OPEN
    OPEN ── settle, release, or leaving the block ──► CLOSED

Two rules hold throughout. Money spent is never given back: once `spend` was called or a part was settled, leaving
settles and does not release. And nothing is debited twice: a settle whose answer did not come keeps its operation
id, so sending it again, by the caller or on leaving, has one effect.
"""

import logging
from collections.abc import Iterator

from holdfast import operations
from holdfast.answers import Answer, Extended, Reason, Reserved, Settled
from holdfast.core.statistics import Counters
from holdfast.errors import HoldClosed, HoldfastError, NotFound, Unavailable
from holdfast.operations import DEFAULT_POOL, ExtendFields, Operation, ReleaseFields, SettleFields

_logger = logging.getLogger("holdfast")


class HoldState:
    """What the holder of a hold knows of it."""

    def __init__(self, operation: Operation, answer: Reserved, *, confirmed: bool) -> None:
        """Opens the state from the reserve and its answer; `confirmed` False: there was no answer."""
        request = operation.reserve
        self._account = request.account_id
        self._hold_id = request.operation_id
        self._pool = request.pool_id or DEFAULT_POOL
        self._dimensions = dict(request.dimensions)
        self._answer = answer
        self._confirmed = confirmed
        self._amount = answer.granted_amount
        self._settled_amount = 0
        self._spent = 0
        self._spending = False
        self._closed = False
        self._pending: Operation | None = None  # a settle or release whose outcome is unknown

    @property
    def account(self) -> str:
        """The account that pays."""
        return self._account

    @property
    def hold_id(self) -> str:
        """The hold's id: the operation id of its reserve. Another process may settle by it, see `Client.settle`."""
        return self._hold_id

    @property
    def pool(self) -> str:
        """The pool that pays."""
        return self._pool

    @property
    def answer(self) -> Reserved:
        """The answer to the reserve, with the figures of that moment."""
        return self._answer

    @property
    def unconfirmed(self) -> bool:
        """True: the sidecar did not answer and `on_unavailable="allow"` let the work go on without a hold."""
        return not self._confirmed

    @property
    def amount(self) -> int:
        """Minor units held now, settled parts not counted."""
        return self._amount

    @property
    def settled_amount(self) -> int:
        """Minor units settled so far."""
        return self._settled_amount

    @property
    def spent(self) -> int:
        """Minor units spent so far, as far as is known here: what `spend` has added up, at least what is settled."""
        return max(self._spent, self._settled_amount)

    @property
    def left(self) -> int:
        """Minor units of the hold that are not spent yet; below zero when more was spent than held."""
        return self._amount - (self.spent - self._settled_amount)

    @property
    def closed(self) -> bool:
        """True once settled for good or released."""
        return self._closed

    def spend(self, amount: int) -> int:
        """Counts `amount` minor units as spent, without a call, and returns what is left of the hold.

        Call it as the spending happens: the prompt's cost once the provider has taken the request, then each
        chunk's. Left without a settle, the block then settles what was counted: as the actual amount when it ended
        normally, as an estimate when an exception or a cancellation ended it.

        Raises:
            ValueError: `amount` is negative.
            HoldClosed: the hold is settled or released.
        """
        if amount < 0:
            raise ValueError(f"what is spent cannot be negative: {amount}")
        self._check_open()
        self._spending = True
        self._spent += amount
        return self.left

    def extending(self, add_amount: int, fields: ExtendFields) -> Operation:
        """The extend to send."""
        self._check_open()
        return operations.extend(self._account, self._hold_id, add_amount, **fields)

    def settling(self, amount: int, fields: SettleFields) -> Iterator[Operation]:
        """What to send in turn to settle; the last one's answer is the settle's.

        A settle whose answer did not come goes again under its own id. Is it another one than now asked for, then
        what became of it is learned first.
        """
        self._check_open()
        pending = self._pending
        if pending is not None and pending.WhichOneof("operation") == "settle":
            yield pending
            if pending == self._settle(amount, {"operation_id": pending.settle.operation_id, **fields}):
                return
            self._check_open()
        self._pending = self._settle(amount, fields)
        yield self._pending

    def releasing(self, fields: ReleaseFields) -> Operation:
        """The release to send."""
        self._check_open()
        self._pending = operations.release(self._account, self._hold_id, **fields)
        return self._pending

    def leaving(self, *, broken: bool) -> Iterator[Operation]:
        """What to send in turn on leaving the block; nothing for a hold that is closed.

        Args:
            broken: an exception or a cancellation ended the block, so what was counted is an estimate.
        """
        if self._pending is not None and not self._closed:
            yield self._pending
        if self._closed:
            return
        if self._spending or self._settled_amount > 0:
            yield from self.settling(self.spent - self._settled_amount, {"estimated": broken})
        else:
            yield self.releasing({})

    def apply(self, operation: Operation, answer: Answer) -> None:
        """Takes in what the sidecar answered to an operation of this hold."""
        match answer:
            case Extended(allowed=False):
                pass
            case Extended(reason=Reason.NO_ANSWER):
                self._amount += answer.added_amount
            case Extended():
                self._amount = answer.hold_amount
            case Settled():
                self._settled_amount += answer.debited_amount
                self._amount = answer.hold_amount
                self._pending = None
                self._closed = operation.settle.final
            case _:
                self._pending = None
                self._closed = True

    def failed(self, operation: Operation, error: HoldfastError) -> None:
        """Takes in that a settle or release of this hold ended with a fault."""
        if isinstance(error, Unavailable):
            return  # nobody knows: what is pending stays so
        self._pending = None
        if operation.WhichOneof("operation") == "release":
            self._closed = isinstance(error, HoldClosed | NotFound)

    def _settle(self, amount: int, fields: SettleFields) -> Operation:
        # The pool goes along, and for an unconfirmed hold its dimensions too: a sidecar that does not know the hold
        # then debits the pool all the same, flagged as late.
        complete = fields.copy()
        if not self._confirmed:
            complete["dimensions"] = {**self._dimensions, **(fields.get("dimensions") or {})}
        return operations.settle(self._account, self._hold_id, amount, pool=self._pool, **complete)

    def _check_open(self) -> None:
        if self._closed:
            raise HoldClosed(
                f"hold {self._hold_id} is already settled or released",
                reason="HOLD_CLOSED",
                metadata={"hold_id": self._hold_id},
            )

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        mark = "" if self._confirmed else ", unconfirmed"
        return (
            f"<{type(self).__name__} {self._hold_id} of {self._account}/{self._pool}: {state}{mark},"
            f" amount={self._amount}, spent={self.spent}>"
        )


def opened(answer: Reserved) -> bool:
    """Whether the reserve opened a hold that the sidecar knows of."""
    return answer.allowed and answer.reason is not Reason.NO_ANSWER


def given_back(operation: Operation, answer: Answer) -> Operation | None:
    """The release of a hold that opened when nobody waited for it any more; None: nothing opened."""
    if isinstance(answer, Reserved) and opened(answer):
        return operations.release(operation.reserve.account_id, operation.reserve.operation_id)
    return None


def lost_on_leaving(
    operation: Operation, error: HoldfastError, body_error: BaseException | None, counters: Counters
) -> bool:
    """Takes in that the last step of a block failed, and says whether its error must be raised.

    What would only have given back is left to the hold's time to live. A debit that is lost must be told: by the
    error itself or, where the block already ends with one, by a note on that one; and in the log.
    """
    if operation.settle.amount == 0:  # a release too: its settle is unset
        counters.add("releases_lost")
        _logger.info("could not give back hold %s: %s", _hold_id(operation), error)
        return False
    counters.add("settles_lost")
    told = (
        f"holdfast: settling hold {_hold_id(operation)} at {operation.settle.amount} failed: {error};"
        f" it may be sent again with operation_id {operation.settle.operation_id}"
    )
    _logger.warning("%s", told)
    if body_error is None:
        return True
    body_error.add_note(told)
    return False


def _hold_id(operation: Operation) -> str:
    return operation.settle.hold_id or operation.release.hold_id
