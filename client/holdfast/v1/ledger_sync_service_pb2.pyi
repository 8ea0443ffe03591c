from holdfast.v1 import decision_pb2 as _decision_pb2
from holdfast.v1 import meter_pb2 as _meter_pb2
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

class BudgetAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BUDGET_ACTION_UNSPECIFIED: _ClassVar[BudgetAction]
    BUDGET_ACTION_HARD: _ClassVar[BudgetAction]
    BUDGET_ACTION_SOFT: _ClassVar[BudgetAction]
    BUDGET_ACTION_THROTTLE: _ClassVar[BudgetAction]

class RateUnit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RATE_UNIT_UNSPECIFIED: _ClassVar[RateUnit]
    RATE_UNIT_REQUESTS: _ClassVar[RateUnit]
    RATE_UNIT_AMOUNT: _ClassVar[RateUnit]
    RATE_UNIT_QUANTITY: _ClassVar[RateUnit]
LEASE_STATUS_UNSPECIFIED: LeaseStatus
LEASE_STATUS_ACTIVE: LeaseStatus
LEASE_STATUS_UNKNOWN_ACCOUNT: LeaseStatus
LEASE_STATUS_UNKNOWN_POOL: LeaseStatus
BUDGET_ACTION_UNSPECIFIED: BudgetAction
BUDGET_ACTION_HARD: BudgetAction
BUDGET_ACTION_SOFT: BudgetAction
BUDGET_ACTION_THROTTLE: BudgetAction
RATE_UNIT_UNSPECIFIED: RateUnit
RATE_UNIT_REQUESTS: RateUnit
RATE_UNIT_AMOUNT: RateUnit
RATE_UNIT_QUANTITY: RateUnit

class SyncRequest(_message.Message):
    __slots__ = ("hello", "debits", "heartbeat", "lease_request", "rules_request")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    DEBITS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    LEASE_REQUEST_FIELD_NUMBER: _ClassVar[int]
    RULES_REQUEST_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    debits: DebitBatch
    heartbeat: Heartbeat
    lease_request: LeaseRequest
    rules_request: RulesRequest
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., debits: _Optional[_Union[DebitBatch, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., lease_request: _Optional[_Union[LeaseRequest, _Mapping]] = ..., rules_request: _Optional[_Union[RulesRequest, _Mapping]] = ...) -> None: ...

class SyncResponse(_message.Message):
    __slots__ = ("welcome", "ack", "heartbeat_ack", "lease_update", "rules_update")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_ACK_FIELD_NUMBER: _ClassVar[int]
    LEASE_UPDATE_FIELD_NUMBER: _ClassVar[int]
    RULES_UPDATE_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    ack: DebitAck
    heartbeat_ack: HeartbeatAck
    lease_update: LeaseUpdate
    rules_update: RulesUpdate
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., ack: _Optional[_Union[DebitAck, _Mapping]] = ..., heartbeat_ack: _Optional[_Union[HeartbeatAck, _Mapping]] = ..., lease_update: _Optional[_Union[LeaseUpdate, _Mapping]] = ..., rules_update: _Optional[_Union[RulesUpdate, _Mapping]] = ...) -> None: ...

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
    __slots__ = ("epoch", "birth_epoch", "acked_sequence", "lease_validity_ms", "heartbeat_interval_ms", "window_debit_count", "leases", "claims_wanted", "allowance_validity_ms", "acked_operation_id", "meters_revision")
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
    METERS_REVISION_FIELD_NUMBER: _ClassVar[int]
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
    meters_revision: int
    def __init__(self, epoch: _Optional[int] = ..., birth_epoch: _Optional[int] = ..., acked_sequence: _Optional[int] = ..., lease_validity_ms: _Optional[int] = ..., heartbeat_interval_ms: _Optional[int] = ..., window_debit_count: _Optional[int] = ..., leases: _Optional[_Iterable[_Union[Lease, _Mapping]]] = ..., claims_wanted: _Optional[bool] = ..., allowance_validity_ms: _Optional[int] = ..., acked_operation_id: _Optional[str] = ..., meters_revision: _Optional[int] = ...) -> None: ...

class DebitBatch(_message.Message):
    __slots__ = ("debits",)
    DEBITS_FIELD_NUMBER: _ClassVar[int]
    debits: _containers.RepeatedCompositeFieldContainer[Debit]
    def __init__(self, debits: _Optional[_Iterable[_Union[Debit, _Mapping]]] = ...) -> None: ...

class Debit(_message.Message):
    __slots__ = ("sequence", "epoch", "account_id", "pool_id", "amount", "operation_id", "hold_id", "settled_at_unix_ms", "subject", "dimensions", "late", "over_hold_amount", "estimated", "mode", "allowance_amount", "fail_open_amount", "hold_age_ms", "windows", "quantities", "caller")
    class QuantitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
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
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    QUANTITIES_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
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
    windows: _containers.RepeatedScalarFieldContainer[str]
    quantities: _containers.ScalarMap[str, int]
    caller: str
    def __init__(self, sequence: _Optional[int] = ..., epoch: _Optional[int] = ..., account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., amount: _Optional[int] = ..., operation_id: _Optional[str] = ..., hold_id: _Optional[str] = ..., settled_at_unix_ms: _Optional[int] = ..., subject: _Optional[str] = ..., dimensions: _Optional[_Iterable[_Union[Dimension, _Mapping]]] = ..., late: _Optional[bool] = ..., over_hold_amount: _Optional[int] = ..., estimated: _Optional[bool] = ..., mode: _Optional[_Union[_decision_pb2.Mode, str]] = ..., allowance_amount: _Optional[int] = ..., fail_open_amount: _Optional[int] = ..., hold_age_ms: _Optional[int] = ..., windows: _Optional[_Iterable[str]] = ..., quantities: _Optional[_Mapping[str, int]] = ..., caller: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("heartbeat_id", "lease_validity_ms", "allowance_validity_ms", "meters_revision")
    HEARTBEAT_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_VALIDITY_MS_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_VALIDITY_MS_FIELD_NUMBER: _ClassVar[int]
    METERS_REVISION_FIELD_NUMBER: _ClassVar[int]
    heartbeat_id: int
    lease_validity_ms: int
    allowance_validity_ms: int
    meters_revision: int
    def __init__(self, heartbeat_id: _Optional[int] = ..., lease_validity_ms: _Optional[int] = ..., allowance_validity_ms: _Optional[int] = ..., meters_revision: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("account_id", "pool_id", "status", "currency", "granted_total", "reclaimed_total", "posted_total", "pool_posted", "pool_free", "policy", "recall_round", "recall_amount", "pending", "allowance_granted_total", "allowance_reclaimed_total", "allowance_recall_amount", "pool_overdraft_bound", "returned_total", "allowance_returned_total", "denied", "rules_version")
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
    RULES_VERSION_FIELD_NUMBER: _ClassVar[int]
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
    rules_version: int
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., status: _Optional[_Union[LeaseStatus, str]] = ..., currency: _Optional[str] = ..., granted_total: _Optional[int] = ..., reclaimed_total: _Optional[int] = ..., posted_total: _Optional[int] = ..., pool_posted: _Optional[int] = ..., pool_free: _Optional[int] = ..., policy: _Optional[_Union[_decision_pb2.Policy, _Mapping]] = ..., recall_round: _Optional[int] = ..., recall_amount: _Optional[int] = ..., pending: _Optional[bool] = ..., allowance_granted_total: _Optional[int] = ..., allowance_reclaimed_total: _Optional[int] = ..., allowance_recall_amount: _Optional[int] = ..., pool_overdraft_bound: _Optional[int] = ..., returned_total: _Optional[int] = ..., allowance_returned_total: _Optional[int] = ..., denied: _Optional[bool] = ..., rules_version: _Optional[int] = ...) -> None: ...

class RulesRequest(_message.Message):
    __slots__ = ("request_id", "wants", "rate_card_ids", "meters_wanted")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    WANTS_FIELD_NUMBER: _ClassVar[int]
    RATE_CARD_IDS_FIELD_NUMBER: _ClassVar[int]
    METERS_WANTED_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    wants: _containers.RepeatedCompositeFieldContainer[RulesWant]
    rate_card_ids: _containers.RepeatedScalarFieldContainer[str]
    meters_wanted: bool
    def __init__(self, request_id: _Optional[int] = ..., wants: _Optional[_Iterable[_Union[RulesWant, _Mapping]]] = ..., rate_card_ids: _Optional[_Iterable[str]] = ..., meters_wanted: _Optional[bool] = ...) -> None: ...

class RulesWant(_message.Message):
    __slots__ = ("account_id", "subject")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    subject: str
    def __init__(self, account_id: _Optional[str] = ..., subject: _Optional[str] = ...) -> None: ...

class RulesUpdate(_message.Message):
    __slots__ = ("request_id", "nodes", "calendars", "rate_cards", "meters")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    CALENDARS_FIELD_NUMBER: _ClassVar[int]
    RATE_CARDS_FIELD_NUMBER: _ClassVar[int]
    METERS_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    nodes: _containers.RepeatedCompositeFieldContainer[SubjectRules]
    calendars: _containers.RepeatedCompositeFieldContainer[Calendar]
    rate_cards: _containers.RepeatedCompositeFieldContainer[RateCardContent]
    meters: Meters
    def __init__(self, request_id: _Optional[int] = ..., nodes: _Optional[_Iterable[_Union[SubjectRules, _Mapping]]] = ..., calendars: _Optional[_Iterable[_Union[Calendar, _Mapping]]] = ..., rate_cards: _Optional[_Iterable[_Union[RateCardContent, _Mapping]]] = ..., meters: _Optional[_Union[Meters, _Mapping]] = ...) -> None: ...

class Meters(_message.Message):
    __slots__ = ("revision", "meters")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    METERS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    meters: _containers.RepeatedCompositeFieldContainer[_meter_pb2.Meter]
    def __init__(self, revision: _Optional[int] = ..., meters: _Optional[_Iterable[_Union[_meter_pb2.Meter, _Mapping]]] = ...) -> None: ...

class SubjectRules(_message.Message):
    __slots__ = ("account_id", "subject", "version", "has_children", "account", "budgets", "rate_limits", "concurrency_limits")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HAS_CHILDREN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMITS_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_LIMITS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    subject: str
    version: int
    has_children: bool
    account: AccountTerms
    budgets: _containers.RepeatedCompositeFieldContainer[BudgetRule]
    rate_limits: _containers.RepeatedCompositeFieldContainer[RateLimitRule]
    concurrency_limits: _containers.RepeatedCompositeFieldContainer[ConcurrencyLimitRule]
    def __init__(self, account_id: _Optional[str] = ..., subject: _Optional[str] = ..., version: _Optional[int] = ..., has_children: _Optional[bool] = ..., account: _Optional[_Union[AccountTerms, _Mapping]] = ..., budgets: _Optional[_Iterable[_Union[BudgetRule, _Mapping]]] = ..., rate_limits: _Optional[_Iterable[_Union[RateLimitRule, _Mapping]]] = ..., concurrency_limits: _Optional[_Iterable[_Union[ConcurrencyLimitRule, _Mapping]]] = ...) -> None: ...

class AccountTerms(_message.Message):
    __slots__ = ("deny_unknown_subject", "rate_card_id", "rate_card_revision", "features", "shadow_features")
    class FeaturesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _decision_pb2.FeatureValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_decision_pb2.FeatureValue, _Mapping]] = ...) -> None: ...
    DENY_UNKNOWN_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    RATE_CARD_ID_FIELD_NUMBER: _ClassVar[int]
    RATE_CARD_REVISION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FEATURES_FIELD_NUMBER: _ClassVar[int]
    deny_unknown_subject: bool
    rate_card_id: str
    rate_card_revision: int
    features: _containers.MessageMap[str, _decision_pb2.FeatureValue]
    shadow_features: bool
    def __init__(self, deny_unknown_subject: _Optional[bool] = ..., rate_card_id: _Optional[str] = ..., rate_card_revision: _Optional[int] = ..., features: _Optional[_Mapping[str, _decision_pb2.FeatureValue]] = ..., shadow_features: _Optional[bool] = ...) -> None: ...

class BudgetRule(_message.Message):
    __slots__ = ("budget_id", "action", "shadow", "limit_amount", "currency", "pool_id", "match", "calendar_id", "rolling_ms")
    class MatchEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    BUDGET_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    LIMIT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    CALENDAR_ID_FIELD_NUMBER: _ClassVar[int]
    ROLLING_MS_FIELD_NUMBER: _ClassVar[int]
    budget_id: str
    action: BudgetAction
    shadow: bool
    limit_amount: int
    currency: str
    pool_id: str
    match: _containers.ScalarMap[str, str]
    calendar_id: str
    rolling_ms: int
    def __init__(self, budget_id: _Optional[str] = ..., action: _Optional[_Union[BudgetAction, str]] = ..., shadow: _Optional[bool] = ..., limit_amount: _Optional[int] = ..., currency: _Optional[str] = ..., pool_id: _Optional[str] = ..., match: _Optional[_Mapping[str, str]] = ..., calendar_id: _Optional[str] = ..., rolling_ms: _Optional[int] = ...) -> None: ...

class Calendar(_message.Message):
    __slots__ = ("calendar_id", "starts_unix_ms")
    CALENDAR_ID_FIELD_NUMBER: _ClassVar[int]
    STARTS_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    calendar_id: str
    starts_unix_ms: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, calendar_id: _Optional[str] = ..., starts_unix_ms: _Optional[_Iterable[int]] = ...) -> None: ...

class RateLimitRule(_message.Message):
    __slots__ = ("limit_id", "unit", "meters", "amount", "per_ms", "burst", "shared", "shadow", "match")
    class MatchEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LIMIT_ID_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    METERS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PER_MS_FIELD_NUMBER: _ClassVar[int]
    BURST_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    limit_id: str
    unit: RateUnit
    meters: _containers.RepeatedScalarFieldContainer[str]
    amount: int
    per_ms: int
    burst: int
    shared: bool
    shadow: bool
    match: _containers.ScalarMap[str, str]
    def __init__(self, limit_id: _Optional[str] = ..., unit: _Optional[_Union[RateUnit, str]] = ..., meters: _Optional[_Iterable[str]] = ..., amount: _Optional[int] = ..., per_ms: _Optional[int] = ..., burst: _Optional[int] = ..., shared: _Optional[bool] = ..., shadow: _Optional[bool] = ..., match: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ConcurrencyLimitRule(_message.Message):
    __slots__ = ("limit_id", "max_count", "shared", "shadow", "match")
    class MatchEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LIMIT_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_COUNT_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    limit_id: str
    max_count: int
    shared: bool
    shadow: bool
    match: _containers.ScalarMap[str, str]
    def __init__(self, limit_id: _Optional[str] = ..., max_count: _Optional[int] = ..., shared: _Optional[bool] = ..., shadow: _Optional[bool] = ..., match: _Optional[_Mapping[str, str]] = ...) -> None: ...

class RateCardContent(_message.Message):
    __slots__ = ("rate_card_id", "revision", "content")
    RATE_CARD_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    rate_card_id: str
    revision: int
    content: bytes
    def __init__(self, rate_card_id: _Optional[str] = ..., revision: _Optional[int] = ..., content: _Optional[bytes] = ...) -> None: ...
