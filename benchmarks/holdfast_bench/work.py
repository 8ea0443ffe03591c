"""The operations that the load is made of, as steps for the generator: the one place where load meets the contract."""

from holdfast.v1.enforcement_service_pb2 import (
    CheckRequest,
    ExecuteRequest,
    Operation,
    ReserveRequest,
    SessionRequest,
    SettleRequest,
)

from holdfast_bench import governed
from holdfast_bench.generator import Step, number, step_of
from holdfast_bench.options import PathShape

ACCOUNT = "bench"
POOL = "general"
SERVICE = "/holdfast.v1.EnforcementService/"
UNARY_PATHS = tuple(SERVICE + name for name in ("Check", "Reserve", "Extend", "Settle", "GetBalance", "Execute"))
SESSION_PATH = SERVICE + "Session"

FANOUT = 50
"""Agents of one fan-out, and operations of one Session message."""
AMOUNT = 1_000
"""Minor units of each hold."""
TTL_MS = 600_000
"""Longer than any round, so that no hold expires while it is measured."""
LONG_TTL_MS = 3_600_000
"""The sidecar's longest, for holds that stay over many rounds."""

ALLOW = b"\x08\x01"
"""How the serialised answer begins whose verdict is ALLOW: field 1, value 1."""
ALLOW_OK = b"\x08\x01\x10\x01"
"""The same with the reason OK."""


def check(path: PathShape = "empty") -> Step:
    """One Check."""
    request = CheckRequest(account_id=ACCOUNT, pool_id=POOL, amount=AMOUNT)
    if path == "full":
        request.subject = governed.agent_of(number(0, 0, governed.USER_COUNT))
        request.dimensions.update(governed.DIMENSIONS)
    return step_of(SERVICE + "Check", request, expect=ALLOW)


def reserve(path: PathShape = "empty", pool_count: int = 1) -> Step:
    """One Reserve of a hold of its own; its pool is one of `pool_count`."""
    return step_of(SERVICE + "Reserve", reserve_request(path, pool_count=pool_count), expect=ALLOW)


def lifecycle(path: PathShape = "empty", pool_count: int = 1) -> tuple[Step, Step]:
    """Reserve, then the settle of that hold."""
    return reserve(path, pool_count), settle()


def settle() -> Step:
    """The settle of the hold that the item's first step opened; it has that one's number, and takes none itself."""
    request = SettleRequest(
        operation_id=f"s{number(0)}", account_id=ACCOUNT, hold_id=f"r{number(0)}", amount=AMOUNT * 3 // 4
    )
    return step_of(SERVICE + "Settle", request, number_count=0)


def session(path: PathShape = "empty", pool_count: int = 1, ttl_ms: int = TTL_MS) -> Step:
    """One message of a Session with `FANOUT` reserves."""
    operations = [Operation(reserve=reserve_request(path, slot, pool_count, ttl_ms)) for slot in range(FANOUT)]
    message = SessionRequest(message_id=1, execute=ExecuteRequest(operations=operations))
    return step_of(SESSION_PATH, message, number_count=FANOUT, stream=True, expect=ALLOW_OK, expect_count=FANOUT)


def reserve_request(path: PathShape, slot: int = 0, pool_count: int = 1, ttl_ms: int = TTL_MS) -> ReserveRequest:
    """A Reserve whose id, user, and pool if there are several, the generator numbers."""
    request = ReserveRequest(
        operation_id=f"r{number(0, slot)}",
        account_id=ACCOUNT,
        pool_id=POOL if pool_count == 1 else f"p{number(0, slot, pool_count)}",
        amount=AMOUNT,
        ttl_ms=ttl_ms,
    )
    if path == "full":
        request.subject = governed.agent_of(number(0, slot, governed.USER_COUNT))
        request.dimensions.update(governed.DIMENSIONS)
    return request
