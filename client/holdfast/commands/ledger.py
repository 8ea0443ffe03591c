"""A service of a ledger, as commands ask it: where the ledger is, who asks, and faults as `HoldfastError`."""

import argparse
import os
from types import TracebackType
from typing import Self, TypeVar

import grpc
from google.protobuf.message import Message

from holdfast.core.ledger import (
    CHANNEL_OPTIONS,
    DEFAULT_TARGET,
    TARGET_VARIABLE,
    authorization,
    bytes_of,
    target_of,
)
from holdfast.sync.faults import fault_of

TOKEN_VARIABLE = "HOLDFAST_TOKEN"
TOKEN_HELP = f"A credential's token is taken from the variable {TOKEN_VARIABLE}."

Answer = TypeVar("Answer", bound=Message)


class LedgerService:
    """One service of one ledger.

    Args:
        target: "host:port" of the ledger; None: the variable HOLDFAST_LEDGER, else 127.0.0.1:7420.
        name: of the service, such as "BooksService".
        timeout_s: deadline of each call.
    """

    def __init__(self, target: str | None, name: str, timeout_s: float) -> None:
        self._channel = grpc.insecure_channel(target_of(target), options=CHANNEL_OPTIONS)
        self._path = f"/holdfast.v1.{name}/"
        self._timeout_s = timeout_s
        self._metadata = authorization(os.environ.get(TOKEN_VARIABLE, ""))

    def call(self, name: str, request: Message, kind: type[Answer]) -> Answer:
        """Makes a call. Raises `HoldfastError`."""
        call = self._channel.unary_unary(
            self._path + name, request_serializer=bytes_of, response_deserializer=kind.FromString
        )
        try:
            answer: Answer = call(request, timeout=self._timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise fault_of(error) from error
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._channel.close()


def add_target(parser: argparse.ArgumentParser) -> None:
    """Adds the option that says where the ledger is."""
    text = f"default: the variable {TARGET_VARIABLE}, else {DEFAULT_TARGET}"
    parser.add_argument("--ledger", metavar="HOST:PORT", help=text)
