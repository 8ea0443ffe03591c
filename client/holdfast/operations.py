"""Builds operations: what a caller asks, as messages of the contract. No I/O.

The clients build their calls here; `Client.execute` takes what these functions return. Amounts are minor units of
the pool's currency, `_ms` are milliseconds; 0 and "" mean the sidecar's default, as in the contract. A value that
the wire cannot carry (past int64, text that is not Unicode) raises `InvalidArgument` here, before anything is sent.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypedDict, TypeVar

from holdfast.errors import InvalidArgument
from holdfast.v1 import decision_pb2
from holdfast.v1.enforcement_service_pb2 import (
    ChargeRequest,
    CheckRequest,
    CounterTotal,
    ExtendRequest,
    Operation,
    Quantities,
    ReleaseRequest,
    ReserveRequest,
    SettleRequest,
)

__all__ = [
    "ByMeter",
    "ChargeFields",
    "CheckFields",
    "ExtendFields",
    "NestedFields",
    "Operation",
    "ReleaseFields",
    "RequiredFeature",
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


@dataclass(frozen=True, slots=True)
class RequiredFeature:
    """What an operation needs of the account's plan; a feature that is on or off may be named by its name alone."""

    feature: str
    quantity: int = 0
    """Of a numeric feature: how much is needed, 0..its maximum."""
    choice: str = ""
    """Of an enum feature: the value needed."""


ByMeter: TypeAlias = Mapping[str, int]
"""What work uses, by meter: tokens of "input", "cached_input", "cache_write", "output", "reasoning"; "images",
"requests", "seconds". Each unit counts under one meter alone."""


class _Fields(TypedDict, total=False):
    """What all that is decided may have.

    currency: the one expected; another is refused. subject: path below the account, such as "research/ann/agent-7".
    dimensions: at most 16 key -> value strings; rated work names its "model" here, and its "feature" where that says
    something of its output. quantities: what the work uses, instead of an amount; rated by the account's rate card
    (with an amount, they count for rate limits on quantities alone). required_feature: what the account's plan must
    have.
    """

    currency: str
    subject: str
    dimensions: Mapping[str, str] | None
    quantities: ByMeter | None
    required_feature: str | RequiredFeature | None


class NestedFields(_Fields, total=False):
    """Optional fields of a hold inside another one, which names account and pool.

    operation_id: the hold's id. min_amount: the least amount still of use, 0..amount. ttl_ms: its time to live without
    a settle. max_output_tokens: with quantities, the most output tokens that the work may make; the hold then covers
    what such work is expected to make, and `Hold.progress` follows it.
    """

    operation_id: str | None
    min_amount: int
    ttl_ms: int
    max_output_tokens: int


class CheckFields(_Fields, total=False):
    """Optional fields of a check: those of a reserve but its id and `ttl_ms`. explain: the answer lists every level of
    the waterfall in `Checked.steps`."""

    pool: str
    min_amount: int
    parent_hold_id: str
    max_output_tokens: int
    explain: bool


class ReserveFields(NestedFields, total=False):
    """Optional fields of a reserve. pool: the pool that pays. parent_hold_id: the open hold of the same pool that it is
    taken out of; what it does not use flows back there."""

    pool: str
    parent_hold_id: str


class ExtendFields(TypedDict, total=False):
    """Optional fields of an extend.

    ttl_ms: the new time to live from now; 0 keeps the deadline. return_amount: what the hold gives back, as far as it
    has it. quantities: what the work will use more, instead of an amount. passed_quantities: what it has used in all so
    far; the hold is brought to what is expected from here, up or down.
    """

    operation_id: str | None
    min_add_amount: int
    ttl_ms: int
    return_amount: int
    quantities: ByMeter | None
    passed_quantities: ByMeter | None


class SettleFields(TypedDict, total=False):
    """Optional fields of a settle. final=False captures a part and keeps the hold; estimated: the actual amount
    could not be learned; dimensions: added to those of the hold; quantities: what was used, instead of an amount (with
    one they are learned from alone); cut_short: the work was ended before it was done."""

    operation_id: str | None
    final: bool
    estimated: bool
    dimensions: Mapping[str, str] | None
    quantities: ByMeter | None
    cut_short: bool


class ReleaseFields(TypedDict, total=False):
    """Optional fields of a release."""

    operation_id: str | None


class ChargeFields(_Fields, total=False):
    """Optional fields of a charge: the pool that pays, the operation's id, and what all that is decided may have."""

    pool: str
    operation_id: str | None


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
    quantities: ByMeter | None = None,
    required_feature: str | RequiredFeature | None = None,
    parent_hold_id: str = "",
    max_output_tokens: int = 0,
    explain: bool = False,
) -> Operation:
    """Asks what a reserve would answer; amount 0 without quantities asks whether anything at all may be spent."""
    request = build(
        CheckRequest,
        account_id=account,
        pool_id=pool,
        amount=amount,
        min_amount=min_amount,
        currency=currency,
        subject=subject,
        dimensions=dimensions or {},
        **_given(
            quantities=quantities,
            required_feature=_needed(required_feature),
            parent_hold_id=parent_hold_id,
            max_output_tokens=max_output_tokens,
            explain=explain,
        ),
    )
    return Operation(check=request)


def reserve(
    account: str,
    amount: int | None = None,
    *,
    operation_id: str | None = None,
    pool: str = "",
    min_amount: int = 0,
    ttl_ms: int = 0,
    currency: str = "",
    subject: str = "",
    dimensions: Mapping[str, str] | None = None,
    quantities: ByMeter | None = None,
    required_feature: str | RequiredFeature | None = None,
    parent_hold_id: str = "",
    max_output_tokens: int = 0,
) -> Operation:
    """Asks for a hold of `amount`, or of what there is from `min_amount` up; the hold is named by the operation id.

    Without an amount the quantities say how much, with `max_output_tokens` also what output is to be expected.

    Raises:
        TypeError: neither amount nor quantities were given.
    """
    request = build(
        ReserveRequest,
        operation_id=new_operation_id() if operation_id is None else operation_id,
        account_id=account,
        pool_id=pool,
        amount=_amount(amount, quantities),
        min_amount=min_amount,
        ttl_ms=ttl_ms,
        currency=currency,
        subject=subject,
        dimensions=dimensions or {},
        **_given(
            quantities=quantities,
            required_feature=_needed(required_feature),
            parent_hold_id=parent_hold_id,
            max_output_tokens=max_output_tokens,
        ),
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
    return_amount: int = 0,
    quantities: ByMeter | None = None,
    passed_quantities: ByMeter | None = None,
) -> Operation:
    """Asks for more on an open hold (more amount, more time, or both), or gives a part of it back."""
    request = build(
        ExtendRequest,
        operation_id=new_operation_id() if operation_id is None else operation_id,
        account_id=account,
        hold_id=hold_id,
        add_amount=add_amount,
        min_add_amount=min_add_amount,
        ttl_ms=ttl_ms,
        **_given(return_amount=return_amount, quantities=quantities, passed_quantities=passed_quantities),
    )
    return Operation(extend=request)


def settle(
    account: str,
    hold_id: str,
    amount: int | None = None,
    *,
    operation_id: str | None = None,
    final: bool = True,
    pool: str = "",
    dimensions: Mapping[str, str] | None = None,
    estimated: bool = False,
    quantities: ByMeter | None = None,
    cut_short: bool = False,
) -> Operation:
    """Debits the actual amount of a hold, or what the quantities come to.

    `pool` is debited should the sidecar no longer know the hold.

    Raises:
        TypeError: neither amount nor quantities were given.
    """
    # On the wire an amount of zero with quantities stands for no amount: who says that it cost nothing means it.
    told = None if amount == 0 else quantities
    request = build(
        SettleRequest,
        operation_id=new_operation_id() if operation_id is None else operation_id,
        account_id=account,
        hold_id=hold_id,
        amount=_amount(amount, quantities),
        final=final,
        pool_id=pool,
        dimensions=dimensions or {},
        estimated=estimated,
        **_given(quantities=told, cut_short=cut_short),
    )
    return Operation(settle=request)


def release(account: str, hold_id: str, *, operation_id: str | None = None) -> Operation:
    """Gives a hold back unspent."""
    request = build(
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
    quantities: ByMeter | None = None,
    required_feature: str | RequiredFeature | None = None,
) -> Operation:
    """Debits without a hold: `amount`, what the running `total` of `counter` has risen by, or what quantities come to.

    Raises:
        TypeError: none or more than one of the three forms was given.
    """
    forms = (amount is not None, counter is not None, bool(quantities))
    if sum(forms) != 1 or (counter is None) != (total is None):
        raise TypeError("charge takes either amount, or counter and total, or quantities")
    usage: dict[str, object] = {"delta": amount}
    if counter is not None:
        usage = {"set": build(CounterTotal, counter_id=counter, total=total)}
    elif quantities:
        usage = {"quantities": build(Quantities, by_meter=quantities)}
    request = build(
        ChargeRequest,
        operation_id=new_operation_id() if operation_id is None else operation_id,
        account_id=account,
        pool_id=pool,
        currency=currency,
        subject=subject,
        dimensions=dimensions or {},
        **usage,
        **_given(required_feature=_needed(required_feature)),
    )
    return Operation(charge=request)


def operation_id_of(operation: Operation) -> str:
    """The operation's id; empty for a check, which has none."""
    kind = operation.WhichOneof("operation")
    return "" if kind is None or kind == "check" else getattr(operation, kind).operation_id


def _amount(amount: int | None, quantities: ByMeter | None) -> int:
    """The amount on the wire; nothing given must not be taken for zero, nor an empty report of usage."""
    if amount is None and not quantities:
        raise TypeError("an amount or quantities must be given")
    return 0 if amount is None else amount


def _needed(feature: str | RequiredFeature | None) -> decision_pb2.RequiredFeature | None:
    if feature is None:
        return None
    asked = RequiredFeature(feature) if isinstance(feature, str) else feature
    return build(decision_pb2.RequiredFeature, feature=asked.feature, quantity=asked.quantity, choice=asked.choice)


def _given(**fields: object) -> dict[str, object]:
    """The fields that were given: most operations have few, and each costs time."""
    return {name: value for name, value in fields.items() if value}


def build(kind: Callable[..., _MessageT], **fields: object) -> _MessageT:
    """Makes a message. Raises `InvalidArgument` for a value that the wire cannot carry, TypeError for a None."""
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
