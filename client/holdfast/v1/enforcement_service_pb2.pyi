from holdfast.v1 import decision_pb2 as _decision_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CheckRequest(_message.Message):
    __slots__ = ("account_id", "pool_id", "amount", "min_amount", "currency", "subject", "dimensions", "quantities", "required_feature", "explain", "parent_hold_id", "max_output_tokens")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class QuantitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    MIN_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    QUANTITIES_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FEATURE_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    PARENT_HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    amount: int
    min_amount: int
    currency: str
    subject: str
    dimensions: _containers.ScalarMap[str, str]
    quantities: _containers.ScalarMap[str, int]
    required_feature: _decision_pb2.RequiredFeature
    explain: bool
    parent_hold_id: str
    max_output_tokens: int
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., amount: _Optional[int] = ..., min_amount: _Optional[int] = ..., currency: _Optional[str] = ..., subject: _Optional[str] = ..., dimensions: _Optional[_Mapping[str, str]] = ..., quantities: _Optional[_Mapping[str, int]] = ..., required_feature: _Optional[_Union[_decision_pb2.RequiredFeature, _Mapping]] = ..., explain: _Optional[bool] = ..., parent_hold_id: _Optional[str] = ..., max_output_tokens: _Optional[int] = ...) -> None: ...

class CheckResponse(_message.Message):
    __slots__ = ("verdict", "reason", "denied_level", "granted_amount", "posted", "held", "available", "retry_after_ms", "mode", "denied_by", "shadow_denials", "steps", "feature_value", "rated_amount")
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DENIED_LEVEL_FIELD_NUMBER: _ClassVar[int]
    GRANTED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    POSTED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    DENIED_BY_FIELD_NUMBER: _ClassVar[int]
    SHADOW_DENIALS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    FEATURE_VALUE_FIELD_NUMBER: _ClassVar[int]
    RATED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    verdict: _decision_pb2.Verdict
    reason: _decision_pb2.Reason
    denied_level: str
    granted_amount: int
    posted: int
    held: int
    available: int
    retry_after_ms: int
    mode: _decision_pb2.Mode
    denied_by: _decision_pb2.LimitState
    shadow_denials: _containers.RepeatedCompositeFieldContainer[_decision_pb2.LimitState]
    steps: _containers.RepeatedCompositeFieldContainer[_decision_pb2.LimitState]
    feature_value: _decision_pb2.FeatureValue
    rated_amount: int
    def __init__(self, verdict: _Optional[_Union[_decision_pb2.Verdict, str]] = ..., reason: _Optional[_Union[_decision_pb2.Reason, str]] = ..., denied_level: _Optional[str] = ..., granted_amount: _Optional[int] = ..., posted: _Optional[int] = ..., held: _Optional[int] = ..., available: _Optional[int] = ..., retry_after_ms: _Optional[int] = ..., mode: _Optional[_Union[_decision_pb2.Mode, str]] = ..., denied_by: _Optional[_Union[_decision_pb2.LimitState, _Mapping]] = ..., shadow_denials: _Optional[_Iterable[_Union[_decision_pb2.LimitState, _Mapping]]] = ..., steps: _Optional[_Iterable[_Union[_decision_pb2.LimitState, _Mapping]]] = ..., feature_value: _Optional[_Union[_decision_pb2.FeatureValue, _Mapping]] = ..., rated_amount: _Optional[int] = ...) -> None: ...

class ReserveRequest(_message.Message):
    __slots__ = ("operation_id", "account_id", "pool_id", "amount", "min_amount", "ttl_ms", "currency", "subject", "dimensions", "quantities", "required_feature", "parent_hold_id", "max_output_tokens")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class QuantitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    MIN_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    QUANTITIES_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FEATURE_FIELD_NUMBER: _ClassVar[int]
    PARENT_HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    operation_id: str
    account_id: str
    pool_id: str
    amount: int
    min_amount: int
    ttl_ms: int
    currency: str
    subject: str
    dimensions: _containers.ScalarMap[str, str]
    quantities: _containers.ScalarMap[str, int]
    required_feature: _decision_pb2.RequiredFeature
    parent_hold_id: str
    max_output_tokens: int
    def __init__(self, operation_id: _Optional[str] = ..., account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., amount: _Optional[int] = ..., min_amount: _Optional[int] = ..., ttl_ms: _Optional[int] = ..., currency: _Optional[str] = ..., subject: _Optional[str] = ..., dimensions: _Optional[_Mapping[str, str]] = ..., quantities: _Optional[_Mapping[str, int]] = ..., required_feature: _Optional[_Union[_decision_pb2.RequiredFeature, _Mapping]] = ..., parent_hold_id: _Optional[str] = ..., max_output_tokens: _Optional[int] = ...) -> None: ...

class ReserveResponse(_message.Message):
    __slots__ = ("verdict", "reason", "denied_level", "granted_amount", "posted", "held", "available", "retry_after_ms", "mode", "remaining_ttl_ms", "retention_ms", "unleased_amount", "denied_by", "shadow_denials", "rated_amount")
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DENIED_LEVEL_FIELD_NUMBER: _ClassVar[int]
    GRANTED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    POSTED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    REMAINING_TTL_MS_FIELD_NUMBER: _ClassVar[int]
    RETENTION_MS_FIELD_NUMBER: _ClassVar[int]
    UNLEASED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DENIED_BY_FIELD_NUMBER: _ClassVar[int]
    SHADOW_DENIALS_FIELD_NUMBER: _ClassVar[int]
    RATED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    verdict: _decision_pb2.Verdict
    reason: _decision_pb2.Reason
    denied_level: str
    granted_amount: int
    posted: int
    held: int
    available: int
    retry_after_ms: int
    mode: _decision_pb2.Mode
    remaining_ttl_ms: int
    retention_ms: int
    unleased_amount: int
    denied_by: _decision_pb2.LimitState
    shadow_denials: _containers.RepeatedCompositeFieldContainer[_decision_pb2.LimitState]
    rated_amount: int
    def __init__(self, verdict: _Optional[_Union[_decision_pb2.Verdict, str]] = ..., reason: _Optional[_Union[_decision_pb2.Reason, str]] = ..., denied_level: _Optional[str] = ..., granted_amount: _Optional[int] = ..., posted: _Optional[int] = ..., held: _Optional[int] = ..., available: _Optional[int] = ..., retry_after_ms: _Optional[int] = ..., mode: _Optional[_Union[_decision_pb2.Mode, str]] = ..., remaining_ttl_ms: _Optional[int] = ..., retention_ms: _Optional[int] = ..., unleased_amount: _Optional[int] = ..., denied_by: _Optional[_Union[_decision_pb2.LimitState, _Mapping]] = ..., shadow_denials: _Optional[_Iterable[_Union[_decision_pb2.LimitState, _Mapping]]] = ..., rated_amount: _Optional[int] = ...) -> None: ...

class ExtendRequest(_message.Message):
    __slots__ = ("operation_id", "account_id", "hold_id", "add_amount", "min_add_amount", "ttl_ms", "return_amount", "quantities", "passed_quantities")
    class QuantitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class PassedQuantitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    ADD_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    MIN_ADD_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    RETURN_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    QUANTITIES_FIELD_NUMBER: _ClassVar[int]
    PASSED_QUANTITIES_FIELD_NUMBER: _ClassVar[int]
    operation_id: str
    account_id: str
    hold_id: str
    add_amount: int
    min_add_amount: int
    ttl_ms: int
    return_amount: int
    quantities: _containers.ScalarMap[str, int]
    passed_quantities: _containers.ScalarMap[str, int]
    def __init__(self, operation_id: _Optional[str] = ..., account_id: _Optional[str] = ..., hold_id: _Optional[str] = ..., add_amount: _Optional[int] = ..., min_add_amount: _Optional[int] = ..., ttl_ms: _Optional[int] = ..., return_amount: _Optional[int] = ..., quantities: _Optional[_Mapping[str, int]] = ..., passed_quantities: _Optional[_Mapping[str, int]] = ...) -> None: ...

class ExtendResponse(_message.Message):
    __slots__ = ("verdict", "reason", "denied_level", "added_amount", "hold_amount", "posted", "held", "available", "retry_after_ms", "mode", "remaining_ttl_ms", "retention_ms", "unleased_amount", "denied_by", "shadow_denials", "returned_amount")
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DENIED_LEVEL_FIELD_NUMBER: _ClassVar[int]
    ADDED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    HOLD_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    POSTED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    REMAINING_TTL_MS_FIELD_NUMBER: _ClassVar[int]
    RETENTION_MS_FIELD_NUMBER: _ClassVar[int]
    UNLEASED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DENIED_BY_FIELD_NUMBER: _ClassVar[int]
    SHADOW_DENIALS_FIELD_NUMBER: _ClassVar[int]
    RETURNED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    verdict: _decision_pb2.Verdict
    reason: _decision_pb2.Reason
    denied_level: str
    added_amount: int
    hold_amount: int
    posted: int
    held: int
    available: int
    retry_after_ms: int
    mode: _decision_pb2.Mode
    remaining_ttl_ms: int
    retention_ms: int
    unleased_amount: int
    denied_by: _decision_pb2.LimitState
    shadow_denials: _containers.RepeatedCompositeFieldContainer[_decision_pb2.LimitState]
    returned_amount: int
    def __init__(self, verdict: _Optional[_Union[_decision_pb2.Verdict, str]] = ..., reason: _Optional[_Union[_decision_pb2.Reason, str]] = ..., denied_level: _Optional[str] = ..., added_amount: _Optional[int] = ..., hold_amount: _Optional[int] = ..., posted: _Optional[int] = ..., held: _Optional[int] = ..., available: _Optional[int] = ..., retry_after_ms: _Optional[int] = ..., mode: _Optional[_Union[_decision_pb2.Mode, str]] = ..., remaining_ttl_ms: _Optional[int] = ..., retention_ms: _Optional[int] = ..., unleased_amount: _Optional[int] = ..., denied_by: _Optional[_Union[_decision_pb2.LimitState, _Mapping]] = ..., shadow_denials: _Optional[_Iterable[_Union[_decision_pb2.LimitState, _Mapping]]] = ..., returned_amount: _Optional[int] = ...) -> None: ...

class SettleRequest(_message.Message):
    __slots__ = ("operation_id", "account_id", "hold_id", "amount", "final", "pool_id", "dimensions", "estimated", "quantities", "cut_short")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class QuantitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    QUANTITIES_FIELD_NUMBER: _ClassVar[int]
    CUT_SHORT_FIELD_NUMBER: _ClassVar[int]
    operation_id: str
    account_id: str
    hold_id: str
    amount: int
    final: bool
    pool_id: str
    dimensions: _containers.ScalarMap[str, str]
    estimated: bool
    quantities: _containers.ScalarMap[str, int]
    cut_short: bool
    def __init__(self, operation_id: _Optional[str] = ..., account_id: _Optional[str] = ..., hold_id: _Optional[str] = ..., amount: _Optional[int] = ..., final: _Optional[bool] = ..., pool_id: _Optional[str] = ..., dimensions: _Optional[_Mapping[str, str]] = ..., estimated: _Optional[bool] = ..., quantities: _Optional[_Mapping[str, int]] = ..., cut_short: _Optional[bool] = ...) -> None: ...

class SettleResponse(_message.Message):
    __slots__ = ("debited_amount", "returned_amount", "hold_amount", "late", "over_hold_amount", "posted", "held", "available", "mode", "remaining_ttl_ms", "retention_ms")
    DEBITED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    RETURNED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    HOLD_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    OVER_HOLD_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    POSTED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    REMAINING_TTL_MS_FIELD_NUMBER: _ClassVar[int]
    RETENTION_MS_FIELD_NUMBER: _ClassVar[int]
    debited_amount: int
    returned_amount: int
    hold_amount: int
    late: bool
    over_hold_amount: int
    posted: int
    held: int
    available: int
    mode: _decision_pb2.Mode
    remaining_ttl_ms: int
    retention_ms: int
    def __init__(self, debited_amount: _Optional[int] = ..., returned_amount: _Optional[int] = ..., hold_amount: _Optional[int] = ..., late: _Optional[bool] = ..., over_hold_amount: _Optional[int] = ..., posted: _Optional[int] = ..., held: _Optional[int] = ..., available: _Optional[int] = ..., mode: _Optional[_Union[_decision_pb2.Mode, str]] = ..., remaining_ttl_ms: _Optional[int] = ..., retention_ms: _Optional[int] = ...) -> None: ...

class ReleaseRequest(_message.Message):
    __slots__ = ("operation_id", "account_id", "hold_id")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    operation_id: str
    account_id: str
    hold_id: str
    def __init__(self, operation_id: _Optional[str] = ..., account_id: _Optional[str] = ..., hold_id: _Optional[str] = ...) -> None: ...

class ReleaseResponse(_message.Message):
    __slots__ = ("returned_amount", "posted", "held", "available", "mode", "retention_ms")
    RETURNED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    POSTED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    RETENTION_MS_FIELD_NUMBER: _ClassVar[int]
    returned_amount: int
    posted: int
    held: int
    available: int
    mode: _decision_pb2.Mode
    retention_ms: int
    def __init__(self, returned_amount: _Optional[int] = ..., posted: _Optional[int] = ..., held: _Optional[int] = ..., available: _Optional[int] = ..., mode: _Optional[_Union[_decision_pb2.Mode, str]] = ..., retention_ms: _Optional[int] = ...) -> None: ...

class ChargeRequest(_message.Message):
    __slots__ = ("operation_id", "account_id", "pool_id", "delta", "set", "quantities", "currency", "subject", "dimensions", "required_feature")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    QUANTITIES_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FEATURE_FIELD_NUMBER: _ClassVar[int]
    operation_id: str
    account_id: str
    pool_id: str
    delta: int
    set: CounterTotal
    quantities: Quantities
    currency: str
    subject: str
    dimensions: _containers.ScalarMap[str, str]
    required_feature: _decision_pb2.RequiredFeature
    def __init__(self, operation_id: _Optional[str] = ..., account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., delta: _Optional[int] = ..., set: _Optional[_Union[CounterTotal, _Mapping]] = ..., quantities: _Optional[_Union[Quantities, _Mapping]] = ..., currency: _Optional[str] = ..., subject: _Optional[str] = ..., dimensions: _Optional[_Mapping[str, str]] = ..., required_feature: _Optional[_Union[_decision_pb2.RequiredFeature, _Mapping]] = ...) -> None: ...

class Quantities(_message.Message):
    __slots__ = ("by_meter",)
    class ByMeterEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    BY_METER_FIELD_NUMBER: _ClassVar[int]
    by_meter: _containers.ScalarMap[str, int]
    def __init__(self, by_meter: _Optional[_Mapping[str, int]] = ...) -> None: ...

class CounterTotal(_message.Message):
    __slots__ = ("counter_id", "total")
    COUNTER_ID_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    counter_id: str
    total: int
    def __init__(self, counter_id: _Optional[str] = ..., total: _Optional[int] = ...) -> None: ...

class ChargeResponse(_message.Message):
    __slots__ = ("verdict", "reason", "denied_level", "debited_amount", "posted", "held", "available", "retry_after_ms", "mode", "counter_total", "retention_ms", "unleased_amount", "denied_by", "shadow_denials")
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DENIED_LEVEL_FIELD_NUMBER: _ClassVar[int]
    DEBITED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    POSTED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    COUNTER_TOTAL_FIELD_NUMBER: _ClassVar[int]
    RETENTION_MS_FIELD_NUMBER: _ClassVar[int]
    UNLEASED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DENIED_BY_FIELD_NUMBER: _ClassVar[int]
    SHADOW_DENIALS_FIELD_NUMBER: _ClassVar[int]
    verdict: _decision_pb2.Verdict
    reason: _decision_pb2.Reason
    denied_level: str
    debited_amount: int
    posted: int
    held: int
    available: int
    retry_after_ms: int
    mode: _decision_pb2.Mode
    counter_total: int
    retention_ms: int
    unleased_amount: int
    denied_by: _decision_pb2.LimitState
    shadow_denials: _containers.RepeatedCompositeFieldContainer[_decision_pb2.LimitState]
    def __init__(self, verdict: _Optional[_Union[_decision_pb2.Verdict, str]] = ..., reason: _Optional[_Union[_decision_pb2.Reason, str]] = ..., denied_level: _Optional[str] = ..., debited_amount: _Optional[int] = ..., posted: _Optional[int] = ..., held: _Optional[int] = ..., available: _Optional[int] = ..., retry_after_ms: _Optional[int] = ..., mode: _Optional[_Union[_decision_pb2.Mode, str]] = ..., counter_total: _Optional[int] = ..., retention_ms: _Optional[int] = ..., unleased_amount: _Optional[int] = ..., denied_by: _Optional[_Union[_decision_pb2.LimitState, _Mapping]] = ..., shadow_denials: _Optional[_Iterable[_Union[_decision_pb2.LimitState, _Mapping]]] = ...) -> None: ...

class GetBalanceRequest(_message.Message):
    __slots__ = ("account_id", "pool_id")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ...) -> None: ...

class GetBalanceResponse(_message.Message):
    __slots__ = ("pool_id", "currency", "posted", "held", "available", "lease_left", "lease_remaining_ms", "unposted", "hold_count", "mode", "policy", "allowance_left", "allowance_used", "allowance_remaining_ms", "overdraft_bound")
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    POSTED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    LEASE_LEFT_FIELD_NUMBER: _ClassVar[int]
    LEASE_REMAINING_MS_FIELD_NUMBER: _ClassVar[int]
    UNPOSTED_FIELD_NUMBER: _ClassVar[int]
    HOLD_COUNT_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_LEFT_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_USED_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_REMAINING_MS_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_BOUND_FIELD_NUMBER: _ClassVar[int]
    pool_id: str
    currency: str
    posted: int
    held: int
    available: int
    lease_left: int
    lease_remaining_ms: int
    unposted: int
    hold_count: int
    mode: _decision_pb2.Mode
    policy: _decision_pb2.Policy
    allowance_left: int
    allowance_used: int
    allowance_remaining_ms: int
    overdraft_bound: int
    def __init__(self, pool_id: _Optional[str] = ..., currency: _Optional[str] = ..., posted: _Optional[int] = ..., held: _Optional[int] = ..., available: _Optional[int] = ..., lease_left: _Optional[int] = ..., lease_remaining_ms: _Optional[int] = ..., unposted: _Optional[int] = ..., hold_count: _Optional[int] = ..., mode: _Optional[_Union[_decision_pb2.Mode, str]] = ..., policy: _Optional[_Union[_decision_pb2.Policy, _Mapping]] = ..., allowance_left: _Optional[int] = ..., allowance_used: _Optional[int] = ..., allowance_remaining_ms: _Optional[int] = ..., overdraft_bound: _Optional[int] = ...) -> None: ...

class ListHoldsRequest(_message.Message):
    __slots__ = ("account_id", "pool_id", "page_size", "page_token")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    page_size: int
    page_token: str
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListHoldsResponse(_message.Message):
    __slots__ = ("holds", "next_page_token")
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    holds: _containers.RepeatedCompositeFieldContainer[Hold]
    next_page_token: str
    def __init__(self, holds: _Optional[_Iterable[_Union[Hold, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Hold(_message.Message):
    __slots__ = ("hold_id", "pool_id", "amount", "settled_amount", "remaining_ttl_ms", "subject", "dimensions", "parent_hold_id")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    SETTLED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REMAINING_TTL_MS_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    PARENT_HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    hold_id: str
    pool_id: str
    amount: int
    settled_amount: int
    remaining_ttl_ms: int
    subject: str
    dimensions: _containers.ScalarMap[str, str]
    parent_hold_id: str
    def __init__(self, hold_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., amount: _Optional[int] = ..., settled_amount: _Optional[int] = ..., remaining_ttl_ms: _Optional[int] = ..., subject: _Optional[str] = ..., dimensions: _Optional[_Mapping[str, str]] = ..., parent_hold_id: _Optional[str] = ...) -> None: ...

class Operation(_message.Message):
    __slots__ = ("check", "reserve", "extend", "settle", "release", "charge")
    CHECK_FIELD_NUMBER: _ClassVar[int]
    RESERVE_FIELD_NUMBER: _ClassVar[int]
    EXTEND_FIELD_NUMBER: _ClassVar[int]
    SETTLE_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    CHARGE_FIELD_NUMBER: _ClassVar[int]
    check: CheckRequest
    reserve: ReserveRequest
    extend: ExtendRequest
    settle: SettleRequest
    release: ReleaseRequest
    charge: ChargeRequest
    def __init__(self, check: _Optional[_Union[CheckRequest, _Mapping]] = ..., reserve: _Optional[_Union[ReserveRequest, _Mapping]] = ..., extend: _Optional[_Union[ExtendRequest, _Mapping]] = ..., settle: _Optional[_Union[SettleRequest, _Mapping]] = ..., release: _Optional[_Union[ReleaseRequest, _Mapping]] = ..., charge: _Optional[_Union[ChargeRequest, _Mapping]] = ...) -> None: ...

class OperationError(_message.Message):
    __slots__ = ("code", "reason", "message", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    code: int
    reason: str
    message: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class OperationResult(_message.Message):
    __slots__ = ("check", "reserve", "extend", "settle", "release", "charge", "error")
    CHECK_FIELD_NUMBER: _ClassVar[int]
    RESERVE_FIELD_NUMBER: _ClassVar[int]
    EXTEND_FIELD_NUMBER: _ClassVar[int]
    SETTLE_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    CHARGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    check: CheckResponse
    reserve: ReserveResponse
    extend: ExtendResponse
    settle: SettleResponse
    release: ReleaseResponse
    charge: ChargeResponse
    error: OperationError
    def __init__(self, check: _Optional[_Union[CheckResponse, _Mapping]] = ..., reserve: _Optional[_Union[ReserveResponse, _Mapping]] = ..., extend: _Optional[_Union[ExtendResponse, _Mapping]] = ..., settle: _Optional[_Union[SettleResponse, _Mapping]] = ..., release: _Optional[_Union[ReleaseResponse, _Mapping]] = ..., charge: _Optional[_Union[ChargeResponse, _Mapping]] = ..., error: _Optional[_Union[OperationError, _Mapping]] = ...) -> None: ...

class ExecuteRequest(_message.Message):
    __slots__ = ("operations", "linked")
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    LINKED_FIELD_NUMBER: _ClassVar[int]
    operations: _containers.RepeatedCompositeFieldContainer[Operation]
    linked: bool
    def __init__(self, operations: _Optional[_Iterable[_Union[Operation, _Mapping]]] = ..., linked: _Optional[bool] = ...) -> None: ...

class ExecuteResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[OperationResult]
    def __init__(self, results: _Optional[_Iterable[_Union[OperationResult, _Mapping]]] = ...) -> None: ...

class SessionRequest(_message.Message):
    __slots__ = ("message_id", "execute")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    EXECUTE_FIELD_NUMBER: _ClassVar[int]
    message_id: int
    execute: ExecuteRequest
    def __init__(self, message_id: _Optional[int] = ..., execute: _Optional[_Union[ExecuteRequest, _Mapping]] = ...) -> None: ...

class SessionResponse(_message.Message):
    __slots__ = ("message_id", "execute", "error")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    EXECUTE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    message_id: int
    execute: ExecuteResponse
    error: OperationError
    def __init__(self, message_id: _Optional[int] = ..., execute: _Optional[_Union[ExecuteResponse, _Mapping]] = ..., error: _Optional[_Union[OperationError, _Mapping]] = ...) -> None: ...
