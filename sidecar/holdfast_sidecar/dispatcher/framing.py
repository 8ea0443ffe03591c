"""Answers of many operations spliced from serialised parts, so that each answer is encoded once.

An embedded message is its field's tag, its length as a varint, its bytes (protobuf encoding guide, "Submessages").
"""

from collections.abc import Iterable
from enum import IntEnum

from holdfast_sidecar.dispatcher.encode import operation_error
from holdfast_sidecar.engine.operations import Charge, Check, Extend, Fault, Operation, Release, Reserve, Result, Settle
from holdfast_sidecar.engine.state import Kind
from holdfast_sidecar.varint import embedded, varint


class Form(IntEnum):
    """How the answer to a call is framed."""

    UNARY = 0
    EXECUTE = 1
    SESSION = 2
    REPORTS = 3


_EXECUTE_RESULTS_FIELD = 1
_RESULT_ERROR_FIELD = 7
_SESSION_MESSAGE_ID_FIELD = 1
_SESSION_EXECUTE_FIELD = 2
_SESSION_ERROR_FIELD = 3
_REPORTS_RESULTS_FIELD = 1
_REPORT_RESPONSE_FIELD = 1
_REPORT_ERROR_FIELD = 2

_KINDS: dict[type[Operation], Kind] = {
    Check: Kind.CHECK,
    Reserve: Kind.RESERVE,
    Extend: Kind.EXTEND,
    Settle: Kind.SETTLE,
    Release: Kind.RELEASE,
    Charge: Kind.CHARGE,
}


def execute_response(operations: Iterable[Operation], results: Iterable[Result]) -> bytes:
    """Returns a serialised `ExecuteResponse`."""
    return b"".join(
        embedded(_EXECUTE_RESULTS_FIELD, _operation_result(operation, result))
        for operation, result in zip(operations, results, strict=True)
    )


def session_response(message_id: int, execute: bytes) -> bytes:
    """Returns a serialised `SessionResponse` that carries results."""
    return varint(_SESSION_MESSAGE_ID_FIELD << 3) + varint(message_id) + embedded(_SESSION_EXECUTE_FIELD, execute)


def session_error(message_id: int, fault: Fault) -> bytes:
    """Returns a serialised `SessionResponse` that refuses the whole message."""
    return (
        varint(_SESSION_MESSAGE_ID_FIELD << 3)
        + varint(message_id)
        + embedded(_SESSION_ERROR_FIELD, operation_error(fault))
    )


def reports_response(results: Iterable[Result]) -> bytes:
    """Returns a serialised `ReportUsageBulkResponse`."""
    return b"".join(embedded(_REPORTS_RESULTS_FIELD, _report_result(result)) for result in results)


def _report_result(result: Result) -> bytes:
    if isinstance(result, Fault):
        return embedded(_REPORT_ERROR_FIELD, operation_error(result))
    return embedded(_REPORT_RESPONSE_FIELD, result)


def _operation_result(operation: Operation, result: Result) -> bytes:
    if isinstance(result, Fault):
        return embedded(_RESULT_ERROR_FIELD, operation_error(result))
    return embedded(_KINDS[type(operation)], result)
