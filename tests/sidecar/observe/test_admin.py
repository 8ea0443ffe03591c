"""The admin port, over a real channel."""

import asyncio
import socket

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2
from holdfast.v1 import enforcement_service_pb2
from holdfast_sidecar.observe.admin import serve_admin

SERVICE = enforcement_service_pb2.DESCRIPTOR.services_by_name["EnforcementService"].full_name


async def ask(
    port: int, *requests: reflection_pb2.ServerReflectionRequest
) -> list[reflection_pb2.ServerReflectionResponse]:
    """The reflection service's answers."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: grpc.aio.StreamStreamMultiCallable[
            reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse
        ] = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        return [answer async for answer in call(iter(requests))]


def test_reflection_tells_of_the_services() -> None:
    """A tool learns the services' names and finds their methods."""

    async def scenario() -> None:
        server, port = await serve_admin("127.0.0.1:0", [SERVICE])
        listed, described = await ask(
            port,
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
        )
        await server.stop(None)
        services = listed.list_services_response.service
        assert {service.name for service in services} == {SERVICE, "grpc.reflection.v1alpha.ServerReflection"}
        files = described.file_descriptor_response
        methods = [
            m.name for s in FileDescriptorProto.FromString(files.file_descriptor_proto[0]).service for m in s.method
        ]
        assert "Reserve" in methods

    asyncio.run(scenario())


def test_the_contract_is_not_served_there() -> None:
    """The admin port cannot decide or change anything."""

    async def scenario() -> None:
        server, port = await serve_admin("127.0.0.1:0", [SERVICE])
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{SERVICE}/Reserve")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(b"")
        await server.stop(None)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED

    asyncio.run(scenario())


def test_a_port_that_is_taken_is_an_error() -> None:
    """Two sidecars never share an admin port."""

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="cannot be bound"):
            await serve_admin(f"127.0.0.1:{taken.getsockname()[1]}", [SERVICE])

    asyncio.run(scenario())
