"""Reads `grpc-status-details-bin`: the google.rpc.Status that a failed call carries, and the ErrorInfo in it.

The messages are described here, under names of our own and in a descriptor pool of our own: an application may have
googleapis-common-protos loaded, in any version, and must neither need it for us nor clash with us. Only field
numbers matter on the wire; they are those of google/rpc/status.proto, google/rpc/error_details.proto and Any.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

DETAILS_KEY = "grpc-status-details-bin"
_ERROR_INFO = "/google.rpc.ErrorInfo"

_Field = descriptor_pb2.FieldDescriptorProto


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """What the sidecar said of a fault: the reason in capitals, and details by name."""

    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


class _Any(Protocol):
    type_url: str
    value: bytes


class _Status(Protocol):
    details: Iterable[_Any]


class _Info(Protocol):
    reason: str
    metadata: Mapping[str, str]


def read_details(trailers: Iterable[tuple[str, str | bytes]] | None) -> ErrorInfo:
    """The ErrorInfo in a call's trailing metadata; an empty one where there is none or it cannot be read."""
    for key, value in trailers or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return _read_status(value)
            except DecodeError:
                return ErrorInfo()
    return ErrorInfo()


def _read_status(payload: bytes) -> ErrorInfo:
    status = cast(_Status, _STATUS.FromString(payload))
    for detail in status.details:
        if detail.type_url.endswith(_ERROR_INFO):
            info = cast(_Info, _INFO.FromString(detail.value))
            return ErrorInfo(info.reason, dict(info.metadata))
    return ErrorInfo()


def _describe() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="holdfast/client/details.proto", package="holdfast.client.details", syntax="proto3"
    )
    text, many = _Field.TYPE_STRING, _Field.LABEL_REPEATED
    box = file.message_type.add(name="Box")
    box.field.add(name="type_url", number=1, type=text)
    box.field.add(name="value", number=2, type=_Field.TYPE_BYTES)
    status = file.message_type.add(name="Status")
    status.field.add(name="details", number=3, type=_Field.TYPE_MESSAGE, label=many, type_name=f".{file.package}.Box")
    info = file.message_type.add(name="Info")
    info.field.add(name="reason", number=1, type=text)
    entry = info.nested_type.add(name="MetadataEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=text)
    entry.field.add(name="value", number=2, type=text)
    info.field.add(
        name="metadata",
        number=3,
        type=_Field.TYPE_MESSAGE,
        label=many,
        type_name=f".{file.package}.Info.MetadataEntry",
    )
    return file


_POOL = descriptor_pool.DescriptorPool()
_FILE = _POOL.AddSerializedFile(_describe().SerializeToString())
_STATUS = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("holdfast.client.details.Status"))
_INFO = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("holdfast.client.details.Info"))
