"""The admin port: gRPC server reflection, so that a tool can learn what the sidecar's port serves.

It answers no call of the contract and so can change nothing; health is answered by the decision loop itself, on the
callers' port.
"""

from collections.abc import Sequence

import grpc
from grpc_reflection.v1alpha import reflection

MAX_MESSAGE_BYTES = 65_536
"""A reflection request names one symbol."""


async def serve_admin(address: str, service_names: Sequence[str]) -> tuple[grpc.aio.Server, int]:
    """Starts the admin port on the running event loop; returns the server and the port bound.

    Args:
        address: "host:port"; port 0 lets the system choose.
        service_names: Full names of the services to tell of; their descriptors must be loaded.

    Raises:
        OSError: The address cannot be bound.
    """
    server = grpc.aio.server(
        options=(
            ("grpc.so_reuseport", 0),  # a second process must fail instead of taking half of the calls
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        )
    )
    reflection.enable_server_reflection([*service_names, reflection.SERVICE_NAME], server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"admin port {address} cannot be bound: {error}") from None
    await server.start()
    return server, port
