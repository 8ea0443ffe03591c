from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
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

class Policy(_message.Message):
    __slots__ = ("enforcement", "overdraft_limit", "overdraft_limit_bps", "partition_mode", "partition_overdraft_limit", "partition_after_ms")
    ENFORCEMENT_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_LIMIT_BPS_FIELD_NUMBER: _ClassVar[int]
    PARTITION_MODE_FIELD_NUMBER: _ClassVar[int]
    PARTITION_OVERDRAFT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    PARTITION_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    enforcement: Enforcement
    overdraft_limit: int
    overdraft_limit_bps: int
    partition_mode: PartitionMode
    partition_overdraft_limit: int
    partition_after_ms: int
    def __init__(self, enforcement: _Optional[_Union[Enforcement, str]] = ..., overdraft_limit: _Optional[int] = ..., overdraft_limit_bps: _Optional[int] = ..., partition_mode: _Optional[_Union[PartitionMode, str]] = ..., partition_overdraft_limit: _Optional[int] = ..., partition_after_ms: _Optional[int] = ...) -> None: ...
