from holdfast.v1 import decision_pb2 as _decision_pb2
from holdfast.v1 import usage_service_pb2 as _usage_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PushEventsRequest(_message.Message):
    __slots__ = ("sidecar_id", "birth_epoch", "first_sequence", "event_count", "batch", "origin")
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    BIRTH_EPOCH_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    sidecar_id: str
    birth_epoch: int
    first_sequence: int
    event_count: int
    batch: bytes
    origin: str
    def __init__(self, sidecar_id: _Optional[str] = ..., birth_epoch: _Optional[int] = ..., first_sequence: _Optional[int] = ..., event_count: _Optional[int] = ..., batch: _Optional[bytes] = ..., origin: _Optional[str] = ...) -> None: ...

class PushEventsResponse(_message.Message):
    __slots__ = ("acked_sequence",)
    ACKED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    acked_sequence: int
    def __init__(self, acked_sequence: _Optional[int] = ...) -> None: ...

class EventBatch(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[RecordedEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[RecordedEvent, _Mapping]]] = ...) -> None: ...

class RecordedEvent(_message.Message):
    __slots__ = ("event", "accepted_at_unix_ms", "void", "charges", "caller")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    VOID_FIELD_NUMBER: _ClassVar[int]
    CHARGES_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    event: _usage_service_pb2.UsageEvent
    accepted_at_unix_ms: int
    void: bool
    charges: _containers.RepeatedCompositeFieldContainer[EventCharge]
    caller: str
    def __init__(self, event: _Optional[_Union[_usage_service_pb2.UsageEvent, _Mapping]] = ..., accepted_at_unix_ms: _Optional[int] = ..., void: _Optional[bool] = ..., charges: _Optional[_Iterable[_Union[EventCharge, _Mapping]]] = ..., caller: _Optional[str] = ...) -> None: ...

class EventCharge(_message.Message):
    __slots__ = ("meter_id", "quantity", "amount", "operation_id", "pool_id")
    METER_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    meter_id: str
    quantity: int
    amount: int
    operation_id: str
    pool_id: str
    def __init__(self, meter_id: _Optional[str] = ..., quantity: _Optional[int] = ..., amount: _Optional[int] = ..., operation_id: _Optional[str] = ..., pool_id: _Optional[str] = ...) -> None: ...

class PushDecisionsRequest(_message.Message):
    __slots__ = ("sidecar_id", "counts", "decisions", "omitted_count")
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    OMITTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    sidecar_id: str
    counts: _containers.RepeatedCompositeFieldContainer[DecisionCount]
    decisions: _containers.RepeatedCompositeFieldContainer[DecisionRecord]
    omitted_count: int
    def __init__(self, sidecar_id: _Optional[str] = ..., counts: _Optional[_Iterable[_Union[DecisionCount, _Mapping]]] = ..., decisions: _Optional[_Iterable[_Union[DecisionRecord, _Mapping]]] = ..., omitted_count: _Optional[int] = ...) -> None: ...

class DecisionCount(_message.Message):
    __slots__ = ("reason", "mode", "count")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    reason: _decision_pb2.Reason
    mode: _decision_pb2.Mode
    count: int
    def __init__(self, reason: _Optional[_Union[_decision_pb2.Reason, str]] = ..., mode: _Optional[_Union[_decision_pb2.Mode, str]] = ..., count: _Optional[int] = ...) -> None: ...

class DecisionRecord(_message.Message):
    __slots__ = ("decided_at_unix_ms", "kind", "account_id", "pool_id", "subject", "operation_id", "amount", "granted_amount", "reason", "denied_level", "mode", "retry_after_ms")
    DECIDED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    GRANTED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DENIED_LEVEL_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    decided_at_unix_ms: int
    kind: str
    account_id: str
    pool_id: str
    subject: str
    operation_id: str
    amount: int
    granted_amount: int
    reason: _decision_pb2.Reason
    denied_level: str
    mode: _decision_pb2.Mode
    retry_after_ms: int
    def __init__(self, decided_at_unix_ms: _Optional[int] = ..., kind: _Optional[str] = ..., account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., subject: _Optional[str] = ..., operation_id: _Optional[str] = ..., amount: _Optional[int] = ..., granted_amount: _Optional[int] = ..., reason: _Optional[_Union[_decision_pb2.Reason, str]] = ..., denied_level: _Optional[str] = ..., mode: _Optional[_Union[_decision_pb2.Mode, str]] = ..., retry_after_ms: _Optional[int] = ...) -> None: ...

class PushDecisionsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
