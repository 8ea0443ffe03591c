"""`POST /holdfast.v1.SERVICE/METHOD` with a JSON body: Connect's unary protocol, over the servicers that gRPC has.

https://connectrpc.com/docs/protocol. Bodies are protobuf's JSON: int64 as strings, names in camel case.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from holdfast_ledger.access.gate import Call, Gate
from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.http.errors import fault_response
from holdfast_ledger.services import Service

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_JSON_DEPTH = 32

BODY_TIMEOUT_S = 30
"""For a whole body to come: who sends it byte by byte holds a connection and memory."""


def call_routes(services: list[Service], gate: Gate) -> list[web.RouteDef]:
    """Returns a route for each call of the services, but those of sidecars."""
    return [
        web.post(f"/{service.descriptor.full_name}/{method.name}", _handler(method, service.servicer, gate))
        for service in services
        for method in service.descriptor.methods
        if service.descriptor.name != "IngestService"
    ]


def _handler(method: MethodDescriptor, servicer: object, gate: Gate) -> Handler:
    request_class = GetMessageClass(method.input_type)
    call: Call = getattr(servicer, method.name)

    async def handle(http_request: web.Request) -> web.StreamResponse:
        if http_request.content_type != "application/json":
            # A page of another site can send any other type without being asked for leave by the browser.
            return web.Response(status=415, text="the body is to be application/json")
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await http_request.read()
        except TimeoutError:
            return web.Response(status=408, text=f"the body did not come within {BODY_TIMEOUT_S} s")
        try:
            request = json_format.Parse(body, request_class(), max_recursion_depth=MAX_JSON_DEPTH)
        except (json_format.ParseError, UnicodeDecodeError, RecursionError) as fault:
            return fault_response(InvalidArgument("message", f"cannot be read: {fault}"))
        authorization = http_request.headers.get("Authorization", "")
        try:
            answer = await gate.pass_through(method, request, call, authorization, f"http {http_request.remote}")
        except Exception as fault:  # noqa: BLE001 - whatever it is becomes a status
            return fault_response(fault)
        text = json_format.MessageToJson(answer, indent=None, ensure_ascii=False)
        return web.Response(text=text, content_type="application/json")

    return handle
