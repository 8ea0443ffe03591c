"""Where the ledger is, and how a channel to it is made; shared by those that ask it."""

import os

from google.protobuf.message import Message

TARGET_VARIABLE = "HOLDFAST_LEDGER"
DEFAULT_TARGET = "127.0.0.1:7420"

MESSAGE_BYTES_MAX = 64 * 2**20
"""Of an answer: ten thousand cells with long groups, or a page of an export."""

CHANNEL_OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX))


def target_of(target: str | None) -> str:
    """Returns "host:port" as told, or as the variable HOLDFAST_LEDGER says, or on this host."""
    return target or os.environ.get(TARGET_VARIABLE) or DEFAULT_TARGET


def authorization(token: str) -> tuple[tuple[str, str], ...]:
    """Returns the metadata of a call that a credential's token goes with; empty: none."""
    return (("authorization", f"Bearer {token}"),) if token else ()


def bytes_of(message: Message) -> bytes:
    """Serialises a request."""
    return message.SerializeToString()
