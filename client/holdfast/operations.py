"""Builds operations: what a caller asks, as messages of the contract. No I/O.

The clients build their calls here; `Client.execute` takes what these functions return. Amounts are minor units of
the pool's currency, `_ms` are milliseconds; 0 and "" mean the sidecar's default, as in the contract. A value that
the wire cannot carry (past int64, text that is not Unicode) raises `InvalidArgument` here, before anything is sent.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from typing import TypedDict, TypeVar

from holdfast.errors import InvalidArgument
from holdfast.v1.enforcement_service_pb2 import (
    ChargeRequest,
    CheckRequest,
    CounterTotal,
    ExtendRequest,
    Operation,
    ReleaseRequest,
    ReserveRequest,
    SettleRequest,
)

__all__ = [
    "ChargeFields",
    "CheckFields",
    "ExtendFields",
    "Operation",
    "ReleaseFields",
    "ReserveFields",
    "SettleFields",
    "charge",
    "check",
    "extend",
    "new_operation_id",
    "release",
    "reserve",
    "settle",
]

DEFAULT_POOL = "general"


class CheckFields(TypedDict, total=False):
    """Optional fields of a check.

    pool: the pool to decide on. min_amount: the least amount still of use, 0..amount. currency: the one expected;
    another is refused. subject: path below the account, such as "research/ann/agent-7". dimensions: at most 16
    key -> value strings.
    """

    pool: str
    min_amount: int
    currency: str
    subject: str
    dimensions: Mapping[str, str] | None


class ReserveFields(CheckFields, total=False):
    """Optional fields of a reserve: those of a check, the hold's id, and its time to live without a settle."""

    operation_id: str | None
    ttl_ms: int


class ExtendFields(TypedDict, total=False):
    """Optional fields of an extend. ttl_ms: the new time to live from now; 0 keeps the deadline."""

    operation_id: str | None
    min_add_amount: int
    ttl_ms: int


class SettleFields(TypedDict, total=False):
    """Optional fields of a settle. final=False captures a part and keeps the hold; estimated: the actual amount
    could not be learned; dimensions: added to those of the hold."""

    operation_id: str | None
    final: bool
    estimated: bool
    dimensions: Mapping[str, str] | None


class ReleaseFields(TypedDict, total=False):
    """Optional fields of a release."""

    operation_id: str | None


class ChargeFields(TypedDict, total=False):
    """Optional fields of a charge: those of a check but `min_amount`, and the operation's id."""

    operation_id: str | None
    pool: str
    currency: str
    subject: str
    dimensions: Mapping[str, str] | None


_MessageT = TypeVar("_MessageT")


def new_operation_id() -> str:
    """Makes an operation id: 32 hexadecimal digits, 48 bits of milliseconds first, then 80 random bits.

    Ids made close in time sort close together, which keeps the indexes of sidecar and ledger compact.
    """
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def check(
    account: str,
    amount: int = 0,
    *,
    pool: str = "",
    min_amount: int = 0,
    currency: str = "",
    subject: str = "",
    dimensions: Mapping[str, str] | None = None,
) -> Operation:
    """Asks what a reserve would answer; amount 0 asks whether anything at all may be spent."""
    request = _build(
        CheckRequest,
        account_id=account,
        pool_id=pool,
        amount=amount,
        min_amount=min_amount,
        currency=currency,
        subject=subject,
        dimensions=dimensions or {},
    )
    return Operation(check=request)


def reserve(
    account: str,
    amount: int,
    *,
    operation_id: str | None = None,
    pool: str = "",
    min_amount: int = 0,
    ttl_ms: int = 0,
    currency: str = "",
    subject: str = "",
    dimensions: Mapping[str, str] | None = None,
) -> Operation:
    """Asks for a hold of `amount`, or of what there is from `min_amount` up; the hold is named by the operation id."""
    request = _build(
        ReserveRequest,
        operation_id=new_operation_id() if operation_id is None else operation_id,
        account_id=account,
        pool_id=pool,
        amount=amount,
        min_amount=min_amount,
        ttl_ms=ttl_ms,
        currency=currency,
        subject=subject,
        dimensions=dimensions or {},
    )
    return Operation(reserve=request)


def extend(
    account: str,
    hold_id: str,
    add_amount: int = 0,
    *,
    operation_id: str | None = None,
    min_add_amount: int = 0,
    ttl_ms: int = 0,
) -> Operation:
    """Asks for more on an open hold: more amount, more time, or both."""
    request = _build(
        ExtendRequest,
        operation_id=new_operation_id() if operation_id is None else operation_id,
        account_id=account,
        hold_id=hold_id,
        add_amount=add_amount,
        min_add_amount=min_add_amount,
        ttl_ms=ttl_ms,
    )
    return Operation(extend=request)


def settle(
    account: str,
    hold_id: str,
    amount: int,
    *,
    operation_id: str | None = None,
    final: bool = True,
    pool: str = "",
    dimensions: Mapping[str, str] | None = None,
    estimated: bool = False,
) -> Operation:
    """Debits the actual amount of a hold; `pool` is debited should the sidecar no longer know the hold."""
    request = _build(
        SettleRequest,
        operation_id=new_operation_id() if operation_id is None else operation_id,
        account_id=account,
        hold_id=hold_id,
        amount=amount,
        final=final,
        pool_id=pool,
        dimensions=dimensions or {},
        estimated=estimated,
    )
    return Operation(settle=request)


def release(account: str, hold_id: str, *, operation_id: str | None = None) -> Operation:
    """Gives a hold back unspent."""
    request = _build(
        ReleaseRequest,
        operation_id=new_operation_id() if operation_id is None else operation_id,
        account_id=account,
        hold_id=hold_id,
    )
    return Operation(release=request)


def charge(
    account: str,
    amount: int | None = None,
    *,
    counter: str | None = None,
    total: int | None = None,
    operation_id: str | None = None,
    pool: str = "",
    currency: str = "",
    subject: str = "",
    dimensions: Mapping[str, str] | None = None,
) -> Operation:
    """Debits without a hold: `amount`, or what the running `total` of `counter` has risen by.

    Raises:
        TypeError: neither or both of the two forms were given.
    """
    if (amount is None) == (counter is None) or (counter is None) != (total is None):
        raise TypeError("charge takes either amount, or counter and total")
    usage = {"delta": amount} if counter is None else {"set": _build(CounterTotal, counter_id=counter, total=total)}
    request = _build(
        ChargeRequest,
        operation_id=new_operation_id() if operation_id is None else operation_id,
        account_id=account,
        pool_id=pool,
        currency=currency,
        subject=subject,
        dimensions=dimensions or {},
        **usage,
    )
    return Operation(charge=request)


def operation_id_of(operation: Operation) -> str:
    """The operation's id; empty for a check, which has none."""
    kind = operation.WhichOneof("operation")
    return "" if kind is None or kind == "check" else getattr(operation, kind).operation_id


def _build(kind: Callable[..., _MessageT], **fields: object) -> _MessageT:
    if None in fields.values():  # protobuf would take it for unset: a settle at None must not debit zero
        raise TypeError(f"{next(name for name, value in fields.items() if value is None)} must not be None")
    try:
        return kind(**fields)
    except ValueError as error:  # past int64, or not encodable as UTF-8; a wrong type stays a TypeError
        raise InvalidArgument(
            f"{_field_at_fault(kind, fields)}: {error}",
            reason="INVALID_FIELD",
            metadata={"field": _field_at_fault(kind, fields)},
        ) from None


def _field_at_fault(kind: Callable[..., object], fields: Mapping[str, object]) -> str:
    for name, value in fields.items():
        try:
            kind(**{name: value})
        except ValueError:
            return name
    return ""
