"""Who makes the call that is being answered. `handlers` and `http` set it; servicers read it."""

from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """As `holdfast.v1.Role`."""

    READER = 1
    REPORTER = 2
    OPERATOR = 3
    ADMINISTRATOR = 4


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. Without a credential, where none is required, a caller may do all."""

    credential_id: str = ""
    """Empty: no credential was sent."""
    role: Role = Role.ADMINISTRATOR
    account_id: str = ""
    """The only account that it may name; empty: all."""
    peer: str = ""
    """"grpc" or "http", and the address, for the audit trail."""


ANYONE = Caller()
"""Who calls without a credential where none is required."""

_current: ContextVar[Caller] = ContextVar("caller", default=ANYONE)


def current_caller() -> Caller:
    """Returns who makes the call that is being answered on this task."""
    return _current.get()


def set_caller(caller: Caller) -> None:
    """Says who makes the call that this task answers. A task answers one call."""
    _current.set(caller)
