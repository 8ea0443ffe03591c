from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_ALLOW: _ClassVar[Verdict]
    VERDICT_DENY: _ClassVar[Verdict]

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_OK: _ClassVar[Reason]
    REASON_UNKNOWN_ACCOUNT: _ClassVar[Reason]
    REASON_RATE_LIMITED: _ClassVar[Reason]
    REASON_BUDGET_EXCEEDED: _ClassVar[Reason]
    REASON_INSUFFICIENT_BALANCE: _ClassVar[Reason]
    REASON_OVERDRAFT_LIMIT: _ClassVar[Reason]
    REASON_PARTITIONED: _ClassVar[Reason]
    REASON_LEASE_TIMEOUT: _ClassVar[Reason]
    REASON_LINKED_FAILED: _ClassVar[Reason]
    REASON_NOT_ENTITLED: _ClassVar[Reason]
    REASON_UNKNOWN_SUBJECT: _ClassVar[Reason]
    REASON_CONCURRENCY_LIMITED: _ClassVar[Reason]
    REASON_PARENT_EXHAUSTED: _ClassVar[Reason]

class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODE_UNSPECIFIED: _ClassVar[Mode]
    MODE_CONNECTED: _ClassVar[Mode]
    MODE_PARTITIONED: _ClassVar[Mode]

class Enforcement(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENFORCEMENT_UNSPECIFIED: _ClassVar[Enforcement]
    ENFORCEMENT_STRICT: _ClassVar[Enforcement]
    ENFORCEMENT_OPTIMISTIC: _ClassVar[Enforcement]

class PartitionMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PARTITION_MODE_UNSPECIFIED: _ClassVar[PartitionMode]
    PARTITION_MODE_FAIL_CLOSED: _ClassVar[PartitionMode]
    PARTITION_MODE_ALLOWANCE: _ClassVar[PartitionMode]
    PARTITION_MODE_FAIL_OPEN: _ClassVar[PartitionMode]
VERDICT_UNSPECIFIED: Verdict
VERDICT_ALLOW: Verdict
VERDICT_DENY: Verdict
REASON_UNSPECIFIED: Reason
REASON_OK: Reason
REASON_UNKNOWN_ACCOUNT: Reason
REASON_RATE_LIMITED: Reason
REASON_BUDGET_EXCEEDED: Reason
REASON_INSUFFICIENT_BALANCE: Reason
REASON_OVERDRAFT_LIMIT: Reason
REASON_PARTITIONED: Reason
REASON_LEASE_TIMEOUT: Reason
REASON_LINKED_FAILED: Reason
REASON_NOT_ENTITLED: Reason
REASON_UNKNOWN_SUBJECT: Reason
REASON_CONCURRENCY_LIMITED: Reason
REASON_PARENT_EXHAUSTED: Reason
MODE_UNSPECIFIED: Mode
MODE_CONNECTED: Mode
MODE_PARTITIONED: Mode
ENFORCEMENT_UNSPECIFIED: Enforcement
ENFORCEMENT_STRICT: Enforcement
ENFORCEMENT_OPTIMISTIC: Enforcement
PARTITION_MODE_UNSPECIFIED: PartitionMode
PARTITION_MODE_FAIL_CLOSED: PartitionMode
PARTITION_MODE_ALLOWANCE: PartitionMode
PARTITION_MODE_FAIL_OPEN: PartitionMode

class LimitState(_message.Message):
    __slots__ = ("level", "subject", "reason", "limit_amount", "used_amount", "held_amount", "left_amount", "resets_at_unix_ms", "retry_after_ms", "shadow")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LIMIT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    USED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    HELD_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    LEFT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    RESETS_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    level: str
    subject: str
    reason: Reason
    limit_amount: int
    used_amount: int
    held_amount: int
    left_amount: int
    resets_at_unix_ms: int
    retry_after_ms: int
    shadow: bool
    def __init__(self, level: _Optional[str] = ..., subject: _Optional[str] = ..., reason: _Optional[_Union[Reason, str]] = ..., limit_amount: _Optional[int] = ..., used_amount: _Optional[int] = ..., held_amount: _Optional[int] = ..., left_amount: _Optional[int] = ..., resets_at_unix_ms: _Optional[int] = ..., retry_after_ms: _Optional[int] = ..., shadow: _Optional[bool] = ...) -> None: ...

class FeatureValue(_message.Message):
    __slots__ = ("enabled", "maximum", "choices")
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    maximum: int
    choices: FeatureChoices
    def __init__(self, enabled: _Optional[bool] = ..., maximum: _Optional[int] = ..., choices: _Optional[_Union[FeatureChoices, _Mapping]] = ...) -> None: ...

class FeatureChoices(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class RequiredFeature(_message.Message):
    __slots__ = ("feature", "quantity", "choice")
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    feature: str
    quantity: int
    choice: str
    def __init__(self, feature: _Optional[str] = ..., quantity: _Optional[int] = ..., choice: _Optional[str] = ...) -> None: ...

class Policy(_message.Message):
    __slots__ = ("enforcement", "overdraft_limit", "overdraft_limit_bps", "partition_mode", "partition_overdraft_limit", "partition_after_ms", "shadow")
    ENFORCEMENT_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_LIMIT_BPS_FIELD_NUMBER: _ClassVar[int]
    PARTITION_MODE_FIELD_NUMBER: _ClassVar[int]
    PARTITION_OVERDRAFT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    PARTITION_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    enforcement: Enforcement
    overdraft_limit: int
    overdraft_limit_bps: int
    partition_mode: PartitionMode
    partition_overdraft_limit: int
    partition_after_ms: int
    shadow: bool
    def __init__(self, enforcement: _Optional[_Union[Enforcement, str]] = ..., overdraft_limit: _Optional[int] = ..., overdraft_limit_bps: _Optional[int] = ..., partition_mode: _Optional[_Union[PartitionMode, str]] = ..., partition_overdraft_limit: _Optional[int] = ..., partition_after_ms: _Optional[int] = ..., shadow: _Optional[bool] = ...) -> None: ...
