"""Wires servicers into grpc.aio by the descriptors of the contract, with messages parsed here and not by gRPC.

gRPC answers bytes that it cannot parse with INTERNAL; the contract says INVALID_ARGUMENT.
"""

from collections.abc import Awaitable, Callable

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from holdfast_ledger.access.gate import Call, Gate
from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.status import abort

Context = grpc.aio.ServicerContext[bytes, bytes]


def unary_handlers(service: ServiceDescriptor, servicer: object, gate: Gate) -> grpc.GenericRpcHandler:
    """Returns handlers for all calls of a service; `servicer` has a coroutine method of each call's name.

    Raises:
        AttributeError: a call has no method.
    """
    methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        method.name: grpc.unary_unary_rpc_method_handler(_unary(method, getattr(servicer, method.name), gate))
        for method in service.methods
    }
    return grpc.method_handlers_generic_handler(service.full_name, methods)


def _unary(method: MethodDescriptor, call: Call, gate: Gate) -> Callable[[bytes, Context], Awaitable[bytes]]:
    request_class = GetMessageClass(method.input_type)

    async def handle(payload: bytes, context: Context) -> bytes:
        try:
            request = request_class.FromString(payload)
        except DecodeError:
            await abort(context, InvalidArgument("message", f"cannot be read as {method.input_type.name}"))
        try:
            answer = await gate.pass_through(method, request, call, _authorization(context), f"grpc {context.peer()}")
            return answer.SerializeToString()
        except Exception as fault:  # noqa: BLE001 - whatever it is becomes a status
            await abort(context, fault)

    return handle


def _authorization(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str):
            return value
    return ""
