"""Faults as Connect tells them: an HTTP status, and JSON with code, message, reason and metadata."""

import json

import grpc
from aiohttp import web

from holdfast_ledger.status import MAX_MESSAGE_CHARS, code_of, known_fault

STATUSES: dict[grpc.StatusCode, int] = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
"""https://connectrpc.com/docs/protocol#error-codes; INTERNAL is 500."""


def fault_response(fault: BaseException) -> web.Response:
    """Returns the answer to a call that failed; what is none of our types is logged."""
    known = known_fault(fault)
    code = code_of(known)
    body = {
        "code": code.name.lower(),
        "message": known.message[:MAX_MESSAGE_CHARS],
        "reason": known.reason,
        "metadata": known.metadata,
    }
    headers = {"Content-Type": "application/json"}
    if retry_after_ms := known.metadata.get("retry_after_ms"):
        headers["Retry-After"] = str(max(1, -(-int(retry_after_ms) // 1_000)))
    if code is grpc.StatusCode.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(status=STATUSES.get(code, 500), body=json.dumps(body, ensure_ascii=False), headers=headers)
