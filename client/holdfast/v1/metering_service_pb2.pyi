from holdfast.v1 import meter_pb2 as _meter_pb2
from holdfast.v1 import usage_service_pb2 as _usage_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SetMeterRequest(_message.Message):
    __slots__ = ("meter",)
    METER_FIELD_NUMBER: _ClassVar[int]
    meter: _meter_pb2.Meter
    def __init__(self, meter: _Optional[_Union[_meter_pb2.Meter, _Mapping]] = ...) -> None: ...

class SetMeterResponse(_message.Message):
    __slots__ = ("meter", "meters_revision")
    METER_FIELD_NUMBER: _ClassVar[int]
    METERS_REVISION_FIELD_NUMBER: _ClassVar[int]
    meter: _meter_pb2.Meter
    meters_revision: int
    def __init__(self, meter: _Optional[_Union[_meter_pb2.Meter, _Mapping]] = ..., meters_revision: _Optional[int] = ...) -> None: ...

class ListMetersRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListMetersResponse(_message.Message):
    __slots__ = ("meters", "next_page_token")
    METERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    meters: _containers.RepeatedCompositeFieldContainer[_meter_pb2.Meter]
    next_page_token: str
    def __init__(self, meters: _Optional[_Iterable[_Union[_meter_pb2.Meter, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteMeterRequest(_message.Message):
    __slots__ = ("meter_id",)
    METER_ID_FIELD_NUMBER: _ClassVar[int]
    meter_id: str
    def __init__(self, meter_id: _Optional[str] = ...) -> None: ...

class DeleteMeterResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListRefusedEventsRequest(_message.Message):
    __slots__ = ("account_id", "page_size", "page_token")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    page_size: int
    page_token: str
    def __init__(self, account_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class RefusedEvent(_message.Message):
    __slots__ = ("event", "reason", "origin", "refused_at_unix_ms")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    REFUSED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    event: _usage_service_pb2.UsageEvent
    reason: str
    origin: str
    refused_at_unix_ms: int
    def __init__(self, event: _Optional[_Union[_usage_service_pb2.UsageEvent, _Mapping]] = ..., reason: _Optional[str] = ..., origin: _Optional[str] = ..., refused_at_unix_ms: _Optional[int] = ...) -> None: ...

class ListRefusedEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[RefusedEvent]
    next_page_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[RefusedEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListIngestSourcesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class IngestSource(_message.Message):
    __slots__ = ("origin", "event_count", "last_at_unix_ms", "waiting_event_count")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    WAITING_EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    origin: str
    event_count: int
    last_at_unix_ms: int
    waiting_event_count: int
    def __init__(self, origin: _Optional[str] = ..., event_count: _Optional[int] = ..., last_at_unix_ms: _Optional[int] = ..., waiting_event_count: _Optional[int] = ...) -> None: ...

class ListIngestSourcesResponse(_message.Message):
    __slots__ = ("sources", "next_page_token")
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sources: _containers.RepeatedCompositeFieldContainer[IngestSource]
    next_page_token: str
    def __init__(self, sources: _Optional[_Iterable[_Union[IngestSource, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
