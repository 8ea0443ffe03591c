"""Requests to operations: every field checked for shape and range, once, here.

Upstream: `dispatcher.py` with parsed messages. Downstream: the engine, which asserts what is promised here.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import blake2b

from google.protobuf.message import Message
from holdfast.v1 import decision_pb2
from holdfast.v1 import enforcement_service_pb2 as pb

from holdfast_sidecar.dispatcher.invalid import (
    CURRENCY_MAX_BYTES,
    FEATURE_MAX_BYTES,
    OUTPUT_TOKENS_MAX_COUNT,
    SUBJECT_MAX_BYTES,
    Invalid,
    check_amount,
    check_dimensions,
    check_id,
    check_quantities,
    check_text,
)
from holdfast_sidecar.engine import operations as op
from holdfast_sidecar.engine.amounts import INT64_MAX
from holdfast_sidecar.engine.rules import Dimensions, Quantities
from holdfast_sidecar.engine.state import Kind

DEFAULT_POOL = "general"
PAGE_DEFAULT_COUNT = 100
PAGE_MAX_COUNT = 1000
DIMENSION_SETS_CACHED = 1024
"""Sets of dimensions that need no second check, and are one object in all holds that have them."""
SUBJECTS_CACHED = 4096
"""Subjects, likewise."""


def fingerprint(kind: Kind, message: Message) -> bytes:
    """Returns 16 bytes that stand for the content of a request (BLAKE2b, RFC 7693, of its deterministic bytes)."""
    return blake2b(_TAGS[kind] + message.SerializeToString(deterministic=True), digest_size=16).digest()


_TAGS = tuple(bytes([number]) for number in range(max(Kind) + 1))


class Decoder:
    """Checks requests against the limits of the configuration.

    Args:
        max_hold_ttl_ms: Longest time to live that a caller may ask for, in milliseconds.
        max_operations: Operations in one Execute.
        max_list_page: Holds in one page of ListHolds, at most those of the contract.
    """

    def __init__(self, max_hold_ttl_ms: int, max_operations: int, max_list_page: int = PAGE_MAX_COUNT) -> None:
        self._max_hold_ttl_ms = max_hold_ttl_ms
        self._max_operations = max_operations
        self._max_list_page = max_list_page
        self._by_kind: dict[str, Callable[..., op.Operation]] = {
            "check": self.check,
            "reserve": self.reserve,
            "extend": self.extend,
            "settle": self.settle,
            "release": self.release,
            "charge": self.charge,
        }

    def check(self, request: pb.CheckRequest) -> op.Check:
        """Raises Invalid, as all of these."""
        amount = check_amount("amount", request.amount, 0)
        operation = op.Check(
            check_id("account_id", request.account_id),
            pool_id_of(request.pool_id),
            amount,
            check_amount("min_amount", request.min_amount, 0, amount or (INT64_MAX if request.quantities else 0)),
            currency_of(request.currency),
            subject_of(request.subject),
            dimensions_of(request.dimensions),
        )
        _take_terms(operation, request)
        operation.explain = request.explain
        return operation

    def reserve(self, request: pb.ReserveRequest) -> op.Reserve:
        """Raises Invalid."""
        amount = request.amount
        # Few requests have no amount: only then are the quantities looked at here.
        check_amount("amount", amount, 1 if amount or not request.quantities else 0)
        operation = op.Reserve(
            check_id("operation_id", request.operation_id),
            fingerprint(Kind.RESERVE, request),
            check_id("account_id", request.account_id),
            pool_id_of(request.pool_id),
            amount,
            check_amount("min_amount", request.min_amount, 0, amount or INT64_MAX),
            check_amount("ttl_ms", request.ttl_ms, 0, self._max_hold_ttl_ms),
            currency_of(request.currency),
            subject_of(request.subject),
            dimensions_of(request.dimensions),
        )
        _take_terms(operation, request)
        return operation

    def extend(self, request: pb.ExtendRequest) -> op.Extend:
        """Raises Invalid."""
        add_amount = check_amount("add_amount", request.add_amount, 0)
        ttl_ms = check_amount("ttl_ms", request.ttl_ms, 0, self._max_hold_ttl_ms)
        return_amount = check_amount("return_amount", request.return_amount, 0)
        quantities = _quantities("quantities", request.quantities)
        passed_quantities = _quantities("passed_quantities", request.passed_quantities)
        if not (add_amount or ttl_ms or return_amount or quantities or passed_quantities):
            raise Invalid(
                "add_amount",
                "at least one of add_amount, ttl_ms, return_amount, quantities and passed_quantities must be set",
            )
        if return_amount and (add_amount or quantities or passed_quantities):
            raise Invalid("return_amount", "cannot be set with add_amount, quantities or passed_quantities")
        if passed_quantities and (add_amount or quantities):
            raise Invalid("passed_quantities", "cannot be set with add_amount or quantities")
        return op.Extend(
            check_id("operation_id", request.operation_id),
            fingerprint(Kind.EXTEND, request),
            check_id("account_id", request.account_id),
            check_id("hold_id", request.hold_id),
            add_amount,
            check_amount("min_add_amount", request.min_add_amount, 0, add_amount or (INT64_MAX if quantities else 0)),
            ttl_ms,
            return_amount,
            quantities,
            passed_quantities,
        )

    def settle(self, request: pb.SettleRequest) -> op.Settle:
        """Raises Invalid."""
        return op.Settle(
            check_id("operation_id", request.operation_id),
            fingerprint(Kind.SETTLE, request),
            check_id("account_id", request.account_id),
            check_id("hold_id", request.hold_id),
            check_amount("amount", request.amount, 0),
            request.final if request.HasField("final") else True,
            check_id("pool_id", request.pool_id) if request.pool_id else "",
            dimensions_of(request.dimensions),
            request.estimated,
            _quantities("quantities", request.quantities),
            request.cut_short,
        )

    def release(self, request: pb.ReleaseRequest) -> op.Release:
        """Raises Invalid."""
        return op.Release(
            check_id("operation_id", request.operation_id),
            fingerprint(Kind.RELEASE, request),
            check_id("account_id", request.account_id),
            check_id("hold_id", request.hold_id),
        )

    def charge(self, request: pb.ChargeRequest) -> op.Charge:
        """Raises Invalid."""
        delta, counter_id, total = 0, "", 0
        quantities: Quantities = ()
        match request.WhichOneof("usage"):
            case "delta":
                delta = check_amount("delta", request.delta, 1)
            case "set":
                counter_id = check_id("set.counter_id", request.set.counter_id)
                total = check_amount("set.total", request.set.total, 0)
            case "quantities":
                quantities = _quantities("quantities.by_meter", request.quantities.by_meter)
                if not quantities:
                    raise Invalid("quantities.by_meter", "must have at least one entry")
            case _:
                raise Invalid("usage", "one of delta, set and quantities must be set")
        return op.Charge(
            check_id("operation_id", request.operation_id),
            fingerprint(Kind.CHARGE, request),
            check_id("account_id", request.account_id),
            pool_id_of(request.pool_id),
            delta,
            counter_id,
            total,
            currency_of(request.currency),
            subject_of(request.subject),
            dimensions_of(request.dimensions),
            quantities,
            _required(request.required_feature) if request.HasField("required_feature") else None,
        )

    def get_balance(self, request: pb.GetBalanceRequest) -> op.GetBalance:
        """Raises Invalid."""
        return op.GetBalance(check_id("account_id", request.account_id), pool_id_of(request.pool_id))

    def list_holds(self, request: pb.ListHoldsRequest) -> op.ListHolds:
        """Raises Invalid."""
        token = request.page_token
        if token and not (token.isascii() and token.isdecimal() and int(token) <= INT64_MAX):
            raise Invalid("page_token", "is not a token that ListHolds gave")
        page_size = check_amount("page_size", request.page_size, 0, PAGE_MAX_COUNT) or PAGE_DEFAULT_COUNT
        return op.ListHolds(
            check_id("account_id", request.account_id),
            check_id("pool_id", request.pool_id) if request.pool_id else "",
            min(page_size, self._max_list_page),
            int(token or 0),
        )

    def execute(self, request: pb.ExecuteRequest) -> tuple[list[op.Operation], bool]:
        """Returns the operations and whether they are linked. Raises Invalid, naming the operation by its index."""
        count = len(request.operations)
        if not 1 <= count <= self._max_operations:
            raise Invalid("operations", f"must be 1..{self._max_operations} operations, are {count}")
        operations = []
        for index, operation in enumerate(request.operations):
            kind = operation.WhichOneof("operation")
            if kind is None:
                raise Invalid(f"operations[{index}]", "no known operation is set")
            try:
                operations.append(self._by_kind[kind](getattr(operation, kind)))
            except Invalid as problem:
                raise Invalid(f"operations[{index}].{kind}.{problem.field}", str(problem)) from problem
        return operations, request.linked


def _take_terms(operation: op.Check | op.Reserve, request: pb.CheckRequest | pb.ReserveRequest) -> None:
    """Takes over what few requests carry; on the hot path, so that nothing is touched that is not set."""
    if request.quantities:
        operation.quantities = _quantities("quantities", request.quantities)
    if request.HasField("required_feature"):
        operation.required = _required(request.required_feature)
    if request.parent_hold_id:
        operation.parent_hold_id = check_id("parent_hold_id", request.parent_hold_id)
    if request.max_output_tokens:
        if not operation.quantities:
            raise Invalid("max_output_tokens", "goes with quantities alone")
        operation.max_output_tokens = check_amount(
            "max_output_tokens", request.max_output_tokens, 0, OUTPUT_TOKENS_MAX_COUNT
        )


def _required(feature: decision_pb2.RequiredFeature) -> op.Required:
    name = feature.feature
    if not name:
        raise Invalid("required_feature.feature", "must not be empty")
    return op.Required(
        check_text("required_feature.feature", name, FEATURE_MAX_BYTES),
        check_amount("required_feature.quantity", feature.quantity, 0),
        check_text("required_feature.choice", feature.choice, FEATURE_MAX_BYTES),
    )


def _quantities(field: str, entries: Mapping[str, int]) -> Quantities:
    return check_quantities(field, list(entries.items())) if entries else ()


def pool_id_of(text: str) -> str:
    """Returns the pool's id, that of the general one for none. Raises Invalid, as all of these."""
    return check_id("pool_id", text) if text else DEFAULT_POOL


def currency_of(text: str) -> str:
    """Returns the currency that is expected; empty: any."""
    return check_text("currency", text, CURRENCY_MAX_BYTES) if text else ""


@lru_cache(maxsize=SUBJECTS_CACHED)
def subject_of(text: str) -> str:
    """Returns the path of a subject; may be empty."""
    if not text:
        return ""
    if text[0] == "/" or text[-1] == "/" or "//" in text:
        raise Invalid("subject", "has an empty level; levels are separated by single slashes")
    return check_text("subject", text, SUBJECT_MAX_BYTES)


def dimensions_of(entries: Mapping[str, str]) -> Dimensions:
    """Returns dimensions, sorted by key."""
    # Half as long as `entries.items()`, which goes through an abstract class.
    return _checked_dimensions(tuple([(key, entries[key]) for key in entries])) if entries else ()


@lru_cache(maxsize=DIMENSION_SETS_CACHED)
def _checked_dimensions(pairs: Dimensions) -> Dimensions:
    return check_dimensions(list(pairs))
