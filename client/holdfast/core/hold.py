"""The state of one hold as its holder sees it: what is held, what is spent, and what to do on leaving.

No I/O: methods build the next operation, the shells (`sync/hold.py`, `aio/hold.py`) send it, and `apply` or `failed`
tell what came of it. The life of a hold:

    OPEN ── settle(final=False), extend, shrink, progress, spend, reserve (a nested hold) ──► OPEN
    OPEN ── settle, release, or leaving the block ──► CLOSED

Two rules hold throughout. Money spent is never given back: once `spend` or `progress` was called or a part was
settled, leaving settles and does not release. And nothing is debited twice: a settle whose answer did not come keeps
its operation id, so sending it again, by the caller or on leaving, has one effect.
"""

import logging
import threading
from collections.abc import Iterator

from holdfast import operations
from holdfast.answers import Answer, Extended, Reason, Released, Reserved, Settled
from holdfast.core.statistics import Counters
from holdfast.errors import HoldClosed, HoldfastError, NotFound, Unavailable
from holdfast.operations import (
    DEFAULT_POOL,
    ByMeter,
    ExtendFields,
    NestedFields,
    Operation,
    ReleaseFields,
    SettleFields,
)

_logger = logging.getLogger("holdfast")


class HoldState:
    """What the holder of a hold knows of it."""

    def __init__(
        self, operation: Operation, answer: Reserved, *, confirmed: bool, parent: "HoldState | None" = None
    ) -> None:
        """Opens the state from the reserve and its answer.

        Args:
            operation: the reserve.
            answer: what it was answered.
            confirmed: False: there was no answer.
            parent: the hold that it was taken out of, if this process has it in hand.
        """
        request = operation.reserve
        self._account = request.account_id
        self._hold_id = request.operation_id
        self._pool = request.pool_id or DEFAULT_POOL
        self._subject = request.subject
        self._dimensions = dict(request.dimensions)
        self._answer = answer
        self._confirmed = confirmed
        self._parent = parent if parent is not None and parent._confirmed and confirmed else None
        self._lock = threading.Lock()  # nested holds are in other hands, and change `_amount`
        self._amount = answer.granted_amount
        self._settled_amount = 0
        self._spent = 0
        self._spending = False
        # Of a stream, what was reserved by quantities is known ahead: it counts as told until it is told otherwise.
        self._foreseen = dict(request.quantities) if request.max_output_tokens else {}
        self._passed: dict[str, int] = {}
        self._settled_quantities: dict[str, int] = {}
        self._closed = False
        self._pending: Operation | None = None  # a settle or release whose outcome is unknown
        self._give_parent(-answer.granted_amount)

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
        """Minor units held now as far as is known here, settled parts and what nested holds took not counted."""
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
        """Minor units of the hold that are not spent yet; below zero when more was spent than held. Work that is
        counted by quantities is not seen here: the sidecar rates it."""
        return self._amount - (self.spent - self._settled_amount)

    @property
    def closed(self) -> bool:
        """True once settled for good or released."""
        return self._closed

    @property
    def passed_quantities(self) -> dict[str, int]:
        """What the work has used so far, by meter, as far as `spend` and `progress` were told; for a hold with
        `max_output_tokens`, the meters that they were not told of as they were reserved."""
        return {**self._foreseen, **self._passed} if self._passed else {}

    def spend(self, amount: int = 0, *, quantities: ByMeter | None = None) -> int:
        """Counts `amount` minor units, or quantities, as spent, without a call, and returns what is left of the hold.

        Call it as the spending happens: the prompt's cost once the provider has taken the request, then each
        chunk's. Left without a settle, the block then settles what was counted: as the actual amount when it ended
        normally, as an estimate when an exception or a cancellation ended it. Count one hold's spending either by
        amounts or by quantities: where there are amounts, they are what is settled.

        Raises:
            ValueError: `amount` or a quantity is negative.
            HoldClosed: the hold is settled or released.
        """
        if min(amount, *(quantities or {}).values(), 0) < 0:
            raise ValueError(f"what is spent cannot be negative: {quantities or amount}")
        self._check_open()
        self._spending = True
        self._spent += amount
        _add(self._passed, quantities or {})
        return self.left

    def extending(self, add_amount: int, fields: ExtendFields) -> Operation:
        """The extend to send."""
        self._check_open()
        return operations.extend(self._account, self._hold_id, add_amount, **fields)

    def shrinking(self, amount: int, operation_id: str | None) -> Operation:
        """The extend to send to give a part back."""
        return self.extending(0, {"return_amount": amount, "operation_id": operation_id})

    def progressing(self, quantities: ByMeter | None, ttl_ms: int) -> Operation:
        """The extend to send to tell what the work has used so far; None: what `spend` has counted."""
        self._check_open()
        self._passed |= quantities or {}
        if not self._passed:
            raise TypeError("quantities must be given, here or to spend")
        return self.extending(0, {"passed_quantities": self.passed_quantities, "ttl_ms": ttl_ms})

    def nesting(self, amount: int | None, fields: NestedFields) -> Operation:
        """The reserve to send for a hold inside this one: of its subject unless told, with its dimensions too."""
        self._check_open()
        complete: NestedFields = {
            "subject": self._subject,
            **fields,
            "dimensions": {**self._dimensions, **(fields.get("dimensions") or {})},
        }
        parent = self._hold_id if self._confirmed else ""  # of an unconfirmed hold nothing can be taken: of the pool
        return operations.reserve(self._account, amount, pool=self._pool, parent_hold_id=parent, **complete)

    def settling(self, amount: int | None, fields: SettleFields) -> Iterator[Operation]:
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
        if self._spending or self._passed or self._settled_amount > 0:
            yield from self._settling_rest(broken)
        else:
            yield self.releasing({})

    def _settling_rest(self, broken: bool) -> Iterator[Operation]:
        fields: SettleFields = {"estimated": broken}
        rest = {
            meter: passed - self._settled_quantities.get(meter, 0)
            for meter, passed in self.passed_quantities.items()
            if passed > self._settled_quantities.get(meter, 0)
        }
        if rest:
            fields |= {"quantities": rest, "cut_short": broken}
        by_amount = self._spent > 0 or not rest
        return self.settling(self.spent - self._settled_amount if by_amount else None, fields)

    def apply(self, operation: Operation, answer: Answer) -> None:
        """Takes in what the sidecar answered to an operation of this hold."""
        match answer:
            case Extended(allowed=False):
                pass
            case Extended(reason=Reason.NO_ANSWER):
                self._amount += answer.added_amount
            case Extended():
                self._set_amount(answer.hold_amount)
                self._give_parent(answer.returned_amount - answer.added_amount)
            case Settled():
                drawn = 0 if answer.late else answer.debited_amount - answer.over_hold_amount - self._amount
                self._settled_amount += answer.debited_amount
                _add(self._settled_quantities, operation.settle.quantities)
                self._set_amount(answer.hold_amount)
                self._give_parent(answer.returned_amount - max(0, drawn))  # what it lacks, those around it have
                self._pending = None
                self._closed = operation.settle.final
            case _:
                if isinstance(answer, Released):
                    self._give_parent(answer.returned_amount)
                self._pending = None
                self._closed = True

    def failed(self, operation: Operation, error: HoldfastError) -> None:
        """Takes in that a settle or release of this hold ended with a fault."""
        if isinstance(error, Unavailable):
            return  # nobody knows: what is pending stays so
        self._pending = None
        if operation.WhichOneof("operation") == "release":
            self._closed = isinstance(error, HoldClosed | NotFound)

    def _give_parent(self, amount: int) -> None:
        if self._parent is not None:
            self._parent._moved(amount)

    def _moved(self, amount: int) -> None:
        """A nested hold took a part of this one, or gave it back."""
        with self._lock:
            self._amount += amount

    def _set_amount(self, amount: int) -> None:
        with self._lock:
            self._amount = amount

    def _settle(self, amount: int | None, fields: SettleFields) -> Operation:
        # The pool goes along, and for an unconfirmed hold its dimensions too: a sidecar that does not know the hold
        # then debits the pool all the same, flagged as late. What has to be rated needs the model to that end.
        complete = fields.copy()
        if not self._confirmed or amount is None:
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


def _add(total: dict[str, int], quantities: ByMeter) -> None:
    for meter, quantity in quantities.items():
        total[meter] = total.get(meter, 0) + quantity


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
    lost = operation.settle.amount or dict(operation.settle.quantities)
    if not lost:  # a release too: its settle is unset
        counters.add("releases_lost")
        _logger.info("could not give back hold %s: %s", _hold_id(operation), error)
        return False
    counters.add("settles_lost")
    told = (
        f"holdfast: settling hold {_hold_id(operation)} at {lost} failed: {error};"
        f" it may be sent again with operation_id {operation.settle.operation_id}"
    )
    _logger.warning("%s", told)
    if body_error is None:
        return True
    body_error.add_note(told)
    return False


def _hold_id(operation: Operation) -> str:
    return operation.settle.hold_id or operation.release.hold_id
