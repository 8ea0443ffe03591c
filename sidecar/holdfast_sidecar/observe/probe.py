"""Asks a port for its gRPC health, once: what a container's health check runs where there is no other tool.

Usage: `python -m holdfast_sidecar.observe.probe HOST:PORT [SERVICE]`; status 0 when it serves, 1 when not. The service
"liveness" asks whether the decision loop turns, none asks whether decisions can be taken.
"""

import sys
from collections.abc import Sequence
from typing import Final

import grpc
from grpc_health.v1 import health_pb2

TIMEOUT_S: Final = 2.0
"""An answer takes a millisecond; whoever needs two seconds is not healthy."""


def is_serving(target: str, service: str = "", *, timeout_s: float = TIMEOUT_S) -> bool:
    """Whether the process at `target` answers that it serves `service`, within `timeout_s` seconds."""
    with grpc.insecure_channel(target) as channel:
        call: grpc.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]
        call = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = call(health_pb2.HealthCheckRequest(service=service), timeout=timeout_s)
        except grpc.RpcError:
            return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING


def main(arguments: Sequence[str]) -> int:
    """Runs the probe; returns the exit status."""
    if len(arguments) not in (1, 2):
        sys.stderr.write("usage: python -m holdfast_sidecar.observe.probe HOST:PORT [SERVICE]\n")
        return 2
    return 0 if is_serving(*arguments) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
