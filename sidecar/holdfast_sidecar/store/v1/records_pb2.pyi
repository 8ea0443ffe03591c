from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class MetaRecord(_message.Message):
    __slots__ = ("format_version", "sidecar_id", "epoch", "birth_epoch", "instance", "welcomed_instance", "acked_sequence", "last_sequence", "boot_id", "lease_valid_until_ns", "boot_count", "boot_opened_at_ns", "allowance_valid_until_ns", "acked_event_sequence")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    BIRTH_EPOCH_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    WELCOMED_INSTANCE_FIELD_NUMBER: _ClassVar[int]
    ACKED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_VALID_UNTIL_NS_FIELD_NUMBER: _ClassVar[int]
    BOOT_COUNT_FIELD_NUMBER: _ClassVar[int]
    BOOT_OPENED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_VALID_UNTIL_NS_FIELD_NUMBER: _ClassVar[int]
    ACKED_EVENT_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    sidecar_id: str
    epoch: int
    birth_epoch: int
    instance: bytes
    welcomed_instance: bytes
    acked_sequence: int
    last_sequence: int
    boot_id: str
    lease_valid_until_ns: int
    boot_count: int
    boot_opened_at_ns: int
    allowance_valid_until_ns: int
    acked_event_sequence: int
    def __init__(self, format_version: _Optional[int] = ..., sidecar_id: _Optional[str] = ..., epoch: _Optional[int] = ..., birth_epoch: _Optional[int] = ..., instance: _Optional[bytes] = ..., welcomed_instance: _Optional[bytes] = ..., acked_sequence: _Optional[int] = ..., last_sequence: _Optional[int] = ..., boot_id: _Optional[str] = ..., lease_valid_until_ns: _Optional[int] = ..., boot_count: _Optional[int] = ..., boot_opened_at_ns: _Optional[int] = ..., allowance_valid_until_ns: _Optional[int] = ..., acked_event_sequence: _Optional[int] = ...) -> None: ...

class PoolRecord(_message.Message):
    __slots__ = ("account_id", "pool_id", "currency", "granted_total", "reclaimed_total", "returned_total", "consumed_total", "posted_total", "pool_posted", "enforcement", "overdraft_limit", "partition_mode", "partition_after_ms", "allowance_granted_total", "allowance_reclaimed_total", "allowance_returned_total", "allowance_consumed_total", "pool_overdraft_bound", "shadow")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    GRANTED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    RECLAIMED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    RETURNED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    CONSUMED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    POSTED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    POOL_POSTED_FIELD_NUMBER: _ClassVar[int]
    ENFORCEMENT_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    PARTITION_MODE_FIELD_NUMBER: _ClassVar[int]
    PARTITION_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_GRANTED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_RECLAIMED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_RETURNED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_CONSUMED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    POOL_OVERDRAFT_BOUND_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    currency: str
    granted_total: int
    reclaimed_total: int
    returned_total: int
    consumed_total: int
    posted_total: int
    pool_posted: int
    enforcement: int
    overdraft_limit: int
    partition_mode: int
    partition_after_ms: int
    allowance_granted_total: int
    allowance_reclaimed_total: int
    allowance_returned_total: int
    allowance_consumed_total: int
    pool_overdraft_bound: int
    shadow: bool
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., currency: _Optional[str] = ..., granted_total: _Optional[int] = ..., reclaimed_total: _Optional[int] = ..., returned_total: _Optional[int] = ..., consumed_total: _Optional[int] = ..., posted_total: _Optional[int] = ..., pool_posted: _Optional[int] = ..., enforcement: _Optional[int] = ..., overdraft_limit: _Optional[int] = ..., partition_mode: _Optional[int] = ..., partition_after_ms: _Optional[int] = ..., allowance_granted_total: _Optional[int] = ..., allowance_reclaimed_total: _Optional[int] = ..., allowance_returned_total: _Optional[int] = ..., allowance_consumed_total: _Optional[int] = ..., pool_overdraft_bound: _Optional[int] = ..., shadow: _Optional[bool] = ...) -> None: ...

class WindowRecord(_message.Message):
    __slots__ = ("account_id", "window", "granted_total", "reclaimed_total", "returned_total", "consumed_total", "posted_total", "pool_posted", "leased")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    GRANTED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    RECLAIMED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    RETURNED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    CONSUMED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    POSTED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    POOL_POSTED_FIELD_NUMBER: _ClassVar[int]
    LEASED_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    window: str
    granted_total: int
    reclaimed_total: int
    returned_total: int
    consumed_total: int
    posted_total: int
    pool_posted: int
    leased: bool
    def __init__(self, account_id: _Optional[str] = ..., window: _Optional[str] = ..., granted_total: _Optional[int] = ..., reclaimed_total: _Optional[int] = ..., returned_total: _Optional[int] = ..., consumed_total: _Optional[int] = ..., posted_total: _Optional[int] = ..., pool_posted: _Optional[int] = ..., leased: _Optional[bool] = ...) -> None: ...

class HoldRecord(_message.Message):
    __slots__ = ("sequence", "hold_id", "account_id", "pool_id", "amount", "settled_amount", "deadline_ns", "ttl_ms", "subject", "dimensions", "boot_count", "allowance_amount", "fail_open_amount", "opened_at_ns", "budgets", "slots", "parent_sequence", "quantities", "max_output_tokens", "opened_at_unix_ms", "settled_output_tokens", "inner")
    class QuantitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    SETTLED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_NS_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    BOOT_COUNT_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    FAIL_OPEN_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    PARENT_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    QUANTITIES_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    SETTLED_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    INNER_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    hold_id: str
    account_id: str
    pool_id: str
    amount: int
    settled_amount: int
    deadline_ns: int
    ttl_ms: int
    subject: str
    dimensions: bytes
    boot_count: int
    allowance_amount: int
    fail_open_amount: int
    opened_at_ns: int
    budgets: _containers.RepeatedScalarFieldContainer[str]
    slots: _containers.RepeatedScalarFieldContainer[str]
    parent_sequence: int
    quantities: _containers.ScalarMap[str, int]
    max_output_tokens: int
    opened_at_unix_ms: int
    settled_output_tokens: int
    inner: bool
    def __init__(self, sequence: _Optional[int] = ..., hold_id: _Optional[str] = ..., account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., amount: _Optional[int] = ..., settled_amount: _Optional[int] = ..., deadline_ns: _Optional[int] = ..., ttl_ms: _Optional[int] = ..., subject: _Optional[str] = ..., dimensions: _Optional[bytes] = ..., boot_count: _Optional[int] = ..., allowance_amount: _Optional[int] = ..., fail_open_amount: _Optional[int] = ..., opened_at_ns: _Optional[int] = ..., budgets: _Optional[_Iterable[str]] = ..., slots: _Optional[_Iterable[str]] = ..., parent_sequence: _Optional[int] = ..., quantities: _Optional[_Mapping[str, int]] = ..., max_output_tokens: _Optional[int] = ..., opened_at_unix_ms: _Optional[int] = ..., settled_output_tokens: _Optional[int] = ..., inner: _Optional[bool] = ...) -> None: ...

class DimensionsRecord(_message.Message):
    __slots__ = ("texts",)
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, texts: _Optional[_Iterable[str]] = ...) -> None: ...

class OutcomeRecord(_message.Message):
    __slots__ = ("sequence", "account_id", "operation_id", "pool_id", "kind", "fingerprint", "answer", "decided_at_ns", "denied", "boot_count", "lapsed_subject", "lapsed_dimensions", "lapsed_windows")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    DENIED_FIELD_NUMBER: _ClassVar[int]
    BOOT_COUNT_FIELD_NUMBER: _ClassVar[int]
    LAPSED_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    LAPSED_DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    LAPSED_WINDOWS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    account_id: str
    operation_id: str
    pool_id: str
    kind: int
    fingerprint: bytes
    answer: bytes
    decided_at_ns: int
    denied: bool
    boot_count: int
    lapsed_subject: str
    lapsed_dimensions: bytes
    lapsed_windows: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, sequence: _Optional[int] = ..., account_id: _Optional[str] = ..., operation_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., kind: _Optional[int] = ..., fingerprint: _Optional[bytes] = ..., answer: _Optional[bytes] = ..., decided_at_ns: _Optional[int] = ..., denied: _Optional[bool] = ..., boot_count: _Optional[int] = ..., lapsed_subject: _Optional[str] = ..., lapsed_dimensions: _Optional[bytes] = ..., lapsed_windows: _Optional[_Iterable[str]] = ...) -> None: ...

class CounterRecord(_message.Message):
    __slots__ = ("account_id", "pool_id", "counter_id", "total")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    COUNTER_ID_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    counter_id: str
    total: int
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., counter_id: _Optional[str] = ..., total: _Optional[int] = ...) -> None: ...
