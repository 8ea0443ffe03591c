from holdfast.v1 import decision_pb2 as _decision_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LeaseStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEASE_STATUS_UNSPECIFIED: _ClassVar[LeaseStatus]
    LEASE_STATUS_ACTIVE: _ClassVar[LeaseStatus]
    LEASE_STATUS_UNKNOWN_ACCOUNT: _ClassVar[LeaseStatus]
    LEASE_STATUS_UNKNOWN_POOL: _ClassVar[LeaseStatus]
LEASE_STATUS_UNSPECIFIED: LeaseStatus
LEASE_STATUS_ACTIVE: LeaseStatus
LEASE_STATUS_UNKNOWN_ACCOUNT: LeaseStatus
LEASE_STATUS_UNKNOWN_POOL: LeaseStatus

class SyncRequest(_message.Message):
    __slots__ = ("hello", "debits", "heartbeat", "lease_request")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    DEBITS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    LEASE_REQUEST_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    debits: DebitBatch
    heartbeat: Heartbeat
    lease_request: LeaseRequest
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., debits: _Optional[_Union[DebitBatch, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., lease_request: _Optional[_Union[LeaseRequest, _Mapping]] = ...) -> None: ...

class SyncResponse(_message.Message):
    __slots__ = ("welcome", "ack", "heartbeat_ack", "lease_update")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_ACK_FIELD_NUMBER: _ClassVar[int]
    LEASE_UPDATE_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    ack: DebitAck
    heartbeat_ack: HeartbeatAck
    lease_update: LeaseUpdate
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., ack: _Optional[_Union[DebitAck, _Mapping]] = ..., heartbeat_ack: _Optional[_Union[HeartbeatAck, _Mapping]] = ..., lease_update: _Optional[_Union[LeaseUpdate, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("sidecar_id", "epoch", "instance", "last_sequence", "acked_sequence", "max_hold_ttl_ms", "version", "birth_epoch")
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ACKED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    MAX_HOLD_TTL_MS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BIRTH_EPOCH_FIELD_NUMBER: _ClassVar[int]
    sidecar_id: str
    epoch: int
    instance: bytes
    last_sequence: int
    acked_sequence: int
    max_hold_ttl_ms: int
    version: str
    birth_epoch: int
    def __init__(self, sidecar_id: _Optional[str] = ..., epoch: _Optional[int] = ..., instance: _Optional[bytes] = ..., last_sequence: _Optional[int] = ..., acked_sequence: _Optional[int] = ..., max_hold_ttl_ms: _Optional[int] = ..., version: _Optional[str] = ..., birth_epoch: _Optional[int] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("epoch", "birth_epoch", "acked_sequence", "lease_validity_ms", "heartbeat_interval_ms", "window_debit_count", "leases", "claims_wanted", "allowance_validity_ms", "acked_operation_id")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    BIRTH_EPOCH_FIELD_NUMBER: _ClassVar[int]
    ACKED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LEASE_VALIDITY_MS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_DEBIT_COUNT_FIELD_NUMBER: _ClassVar[int]
    LEASES_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_WANTED_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_VALIDITY_MS_FIELD_NUMBER: _ClassVar[int]
    ACKED_OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    birth_epoch: int
    acked_sequence: int
    lease_validity_ms: int
    heartbeat_interval_ms: int
    window_debit_count: int
    leases: _containers.RepeatedCompositeFieldContainer[Lease]
    claims_wanted: bool
    allowance_validity_ms: int
    acked_operation_id: str
    def __init__(self, epoch: _Optional[int] = ..., birth_epoch: _Optional[int] = ..., acked_sequence: _Optional[int] = ..., lease_validity_ms: _Optional[int] = ..., heartbeat_interval_ms: _Optional[int] = ..., window_debit_count: _Optional[int] = ..., leases: _Optional[_Iterable[_Union[Lease, _Mapping]]] = ..., claims_wanted: _Optional[bool] = ..., allowance_validity_ms: _Optional[int] = ..., acked_operation_id: _Optional[str] = ...) -> None: ...

class DebitBatch(_message.Message):
    __slots__ = ("debits",)
    DEBITS_FIELD_NUMBER: _ClassVar[int]
    debits: _containers.RepeatedCompositeFieldContainer[Debit]
    def __init__(self, debits: _Optional[_Iterable[_Union[Debit, _Mapping]]] = ...) -> None: ...

class Debit(_message.Message):
    __slots__ = ("sequence", "epoch", "account_id", "pool_id", "amount", "operation_id", "hold_id", "settled_at_unix_ms", "subject", "dimensions", "late", "over_hold_amount", "estimated", "mode", "allowance_amount", "fail_open_amount", "hold_age_ms")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    SETTLED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    OVER_HOLD_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    FAIL_OPEN_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    HOLD_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    epoch: int
    account_id: str
    pool_id: str
    amount: int
    operation_id: str
    hold_id: str
    settled_at_unix_ms: int
    subject: str
    dimensions: _containers.RepeatedCompositeFieldContainer[Dimension]
    late: bool
    over_hold_amount: int
    estimated: bool
    mode: _decision_pb2.Mode
    allowance_amount: int
    fail_open_amount: int
    hold_age_ms: int
    def __init__(self, sequence: _Optional[int] = ..., epoch: _Optional[int] = ..., account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., amount: _Optional[int] = ..., operation_id: _Optional[str] = ..., hold_id: _Optional[str] = ..., settled_at_unix_ms: _Optional[int] = ..., subject: _Optional[str] = ..., dimensions: _Optional[_Iterable[_Union[Dimension, _Mapping]]] = ..., late: _Optional[bool] = ..., over_hold_amount: _Optional[int] = ..., estimated: _Optional[bool] = ..., mode: _Optional[_Union[_decision_pb2.Mode, str]] = ..., allowance_amount: _Optional[int] = ..., fail_open_amount: _Optional[int] = ..., hold_age_ms: _Optional[int] = ...) -> None: ...

class Dimension(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class DebitAck(_message.Message):
    __slots__ = ("acked_sequence",)
    ACKED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    acked_sequence: int
    def __init__(self, acked_sequence: _Optional[int] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("heartbeat_id",)
    HEARTBEAT_ID_FIELD_NUMBER: _ClassVar[int]
    heartbeat_id: int
    def __init__(self, heartbeat_id: _Optional[int] = ...) -> None: ...

class HeartbeatAck(_message.Message):
    __slots__ = ("heartbeat_id", "lease_validity_ms", "allowance_validity_ms")
    HEARTBEAT_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_VALIDITY_MS_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_VALIDITY_MS_FIELD_NUMBER: _ClassVar[int]
    heartbeat_id: int
    lease_validity_ms: int
    allowance_validity_ms: int
    def __init__(self, heartbeat_id: _Optional[int] = ..., lease_validity_ms: _Optional[int] = ..., allowance_validity_ms: _Optional[int] = ...) -> None: ...

class LeaseRequest(_message.Message):
    __slots__ = ("request_id", "wants")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    WANTS_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    wants: _containers.RepeatedCompositeFieldContainer[LeaseWant]
    def __init__(self, request_id: _Optional[int] = ..., wants: _Optional[_Iterable[_Union[LeaseWant, _Mapping]]] = ...) -> None: ...

class LeaseWant(_message.Message):
    __slots__ = ("account_id", "pool_id", "want_amount", "need_amount", "held_amount", "consumed_total", "returned_total", "recall_round", "allowance_returned_total", "granted_total", "reclaimed_total", "allowance_granted_total", "allowance_reclaimed_total")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    WANT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    NEED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    HELD_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CONSUMED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    RETURNED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    RECALL_ROUND_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_RETURNED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    GRANTED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    RECLAIMED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_GRANTED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_RECLAIMED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    want_amount: int
    need_amount: int
    held_amount: int
    consumed_total: int
    returned_total: int
    recall_round: int
    allowance_returned_total: int
    granted_total: int
    reclaimed_total: int
    allowance_granted_total: int
    allowance_reclaimed_total: int
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., want_amount: _Optional[int] = ..., need_amount: _Optional[int] = ..., held_amount: _Optional[int] = ..., consumed_total: _Optional[int] = ..., returned_total: _Optional[int] = ..., recall_round: _Optional[int] = ..., allowance_returned_total: _Optional[int] = ..., granted_total: _Optional[int] = ..., reclaimed_total: _Optional[int] = ..., allowance_granted_total: _Optional[int] = ..., allowance_reclaimed_total: _Optional[int] = ...) -> None: ...

class LeaseUpdate(_message.Message):
    __slots__ = ("request_id", "leases")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    LEASES_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    leases: _containers.RepeatedCompositeFieldContainer[Lease]
    def __init__(self, request_id: _Optional[int] = ..., leases: _Optional[_Iterable[_Union[Lease, _Mapping]]] = ...) -> None: ...

class Lease(_message.Message):
    __slots__ = ("account_id", "pool_id", "status", "currency", "granted_total", "reclaimed_total", "posted_total", "pool_posted", "pool_free", "policy", "recall_round", "recall_amount", "pending", "allowance_granted_total", "allowance_reclaimed_total", "allowance_recall_amount", "pool_overdraft_bound", "returned_total", "allowance_returned_total", "denied")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    GRANTED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    RECLAIMED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    POSTED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    POOL_POSTED_FIELD_NUMBER: _ClassVar[int]
    POOL_FREE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    RECALL_ROUND_FIELD_NUMBER: _ClassVar[int]
    RECALL_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_GRANTED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_RECLAIMED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_RECALL_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    POOL_OVERDRAFT_BOUND_FIELD_NUMBER: _ClassVar[int]
    RETURNED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_RETURNED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    DENIED_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    status: LeaseStatus
    currency: str
    granted_total: int
    reclaimed_total: int
    posted_total: int
    pool_posted: int
    pool_free: int
    policy: _decision_pb2.Policy
    recall_round: int
    recall_amount: int
    pending: bool
    allowance_granted_total: int
    allowance_reclaimed_total: int
    allowance_recall_amount: int
    pool_overdraft_bound: int
    returned_total: int
    allowance_returned_total: int
    denied: bool
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., status: _Optional[_Union[LeaseStatus, str]] = ..., currency: _Optional[str] = ..., granted_total: _Optional[int] = ..., reclaimed_total: _Optional[int] = ..., posted_total: _Optional[int] = ..., pool_posted: _Optional[int] = ..., pool_free: _Optional[int] = ..., policy: _Optional[_Union[_decision_pb2.Policy, _Mapping]] = ..., recall_round: _Optional[int] = ..., recall_amount: _Optional[int] = ..., pending: _Optional[bool] = ..., allowance_granted_total: _Optional[int] = ..., allowance_reclaimed_total: _Optional[int] = ..., allowance_recall_amount: _Optional[int] = ..., pool_overdraft_bound: _Optional[int] = ..., returned_total: _Optional[int] = ..., allowance_returned_total: _Optional[int] = ..., denied: _Optional[bool] = ...) -> None: ...
