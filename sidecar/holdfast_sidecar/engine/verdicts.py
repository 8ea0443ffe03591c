"""Why work may or may not go on: the numbers of `holdfast.v1`, in the order of the waterfall."""

from enum import IntEnum


class Reason(IntEnum):
    """As in `holdfast.v1.Reason`; OK goes with ALLOW, each other one with DENY."""

    OK = 1
    UNKNOWN_ACCOUNT = 2
    RATE_LIMITED = 3
    BUDGET_EXCEEDED = 4
    INSUFFICIENT_BALANCE = 5
    OVERDRAFT_LIMIT = 6
    PARTITIONED = 7
    LEASE_TIMEOUT = 8
    LINKED_FAILED = 9
    NOT_ENTITLED = 10
    UNKNOWN_SUBJECT = 11
    CONCURRENCY_LIMITED = 12
    PARENT_EXHAUSTED = 13


class Mode(IntEnum):
    """As in `holdfast.v1.Mode`."""

    CONNECTED = 1
    PARTITIONED = 2


UNRECORDED = (
    Reason.UNKNOWN_ACCOUNT,
    Reason.RATE_LIMITED,
    Reason.PARTITIONED,
    Reason.LEASE_TIMEOUT,
    Reason.LINKED_FAILED,
    Reason.NOT_ENTITLED,
    Reason.UNKNOWN_SUBJECT,
    Reason.CONCURRENCY_LIMITED,
)
"""Denials that say nothing about the money: the same operation id is decided anew."""
