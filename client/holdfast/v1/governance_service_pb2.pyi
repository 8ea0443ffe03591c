from holdfast.v1 import decision_pb2 as _decision_pb2
from holdfast.v1 import ledger_sync_service_pb2 as _ledger_sync_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PeriodUnit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PERIOD_UNIT_UNSPECIFIED: _ClassVar[PeriodUnit]
    PERIOD_UNIT_HOUR: _ClassVar[PeriodUnit]
    PERIOD_UNIT_DAY: _ClassVar[PeriodUnit]
    PERIOD_UNIT_WEEK: _ClassVar[PeriodUnit]
    PERIOD_UNIT_MONTH: _ClassVar[PeriodUnit]
    PERIOD_UNIT_ROLLING: _ClassVar[PeriodUnit]
PERIOD_UNIT_UNSPECIFIED: PeriodUnit
PERIOD_UNIT_HOUR: PeriodUnit
PERIOD_UNIT_DAY: PeriodUnit
PERIOD_UNIT_WEEK: PeriodUnit
PERIOD_UNIT_MONTH: PeriodUnit
PERIOD_UNIT_ROLLING: PeriodUnit

class AccountRules(_message.Message):
    __slots__ = ("time_zone", "deny_unknown_subject", "plan_id", "features", "rate_card_id", "shadow_features", "version")
    class FeaturesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _decision_pb2.FeatureValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_decision_pb2.FeatureValue, _Mapping]] = ...) -> None: ...
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    DENY_UNKNOWN_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    RATE_CARD_ID_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FEATURES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    time_zone: str
    deny_unknown_subject: bool
    plan_id: str
    features: _containers.MessageMap[str, _decision_pb2.FeatureValue]
    rate_card_id: str
    shadow_features: bool
    version: int
    def __init__(self, time_zone: _Optional[str] = ..., deny_unknown_subject: _Optional[bool] = ..., plan_id: _Optional[str] = ..., features: _Optional[_Mapping[str, _decision_pb2.FeatureValue]] = ..., rate_card_id: _Optional[str] = ..., shadow_features: _Optional[bool] = ..., version: _Optional[int] = ...) -> None: ...

class Subject(_message.Message):
    __slots__ = ("subject", "display_name")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    subject: str
    display_name: str
    def __init__(self, subject: _Optional[str] = ..., display_name: _Optional[str] = ...) -> None: ...

class Period(_message.Message):
    __slots__ = ("unit", "anchor_unix_ms", "rolling_ms")
    UNIT_FIELD_NUMBER: _ClassVar[int]
    ANCHOR_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    ROLLING_MS_FIELD_NUMBER: _ClassVar[int]
    unit: PeriodUnit
    anchor_unix_ms: int
    rolling_ms: int
    def __init__(self, unit: _Optional[_Union[PeriodUnit, str]] = ..., anchor_unix_ms: _Optional[int] = ..., rolling_ms: _Optional[int] = ...) -> None: ...

class Budget(_message.Message):
    __slots__ = ("budget_id", "subject", "action", "shadow", "limit_amount", "share_bps", "share_of_budget_id", "currency", "pool_id", "match", "period", "alert_bps")
    class MatchEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    BUDGET_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    LIMIT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    SHARE_BPS_FIELD_NUMBER: _ClassVar[int]
    SHARE_OF_BUDGET_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    ALERT_BPS_FIELD_NUMBER: _ClassVar[int]
    budget_id: str
    subject: str
    action: _ledger_sync_service_pb2.BudgetAction
    shadow: bool
    limit_amount: int
    share_bps: int
    share_of_budget_id: str
    currency: str
    pool_id: str
    match: _containers.ScalarMap[str, str]
    period: Period
    alert_bps: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, budget_id: _Optional[str] = ..., subject: _Optional[str] = ..., action: _Optional[_Union[_ledger_sync_service_pb2.BudgetAction, str]] = ..., shadow: _Optional[bool] = ..., limit_amount: _Optional[int] = ..., share_bps: _Optional[int] = ..., share_of_budget_id: _Optional[str] = ..., currency: _Optional[str] = ..., pool_id: _Optional[str] = ..., match: _Optional[_Mapping[str, str]] = ..., period: _Optional[_Union[Period, _Mapping]] = ..., alert_bps: _Optional[_Iterable[int]] = ...) -> None: ...

class RateLimit(_message.Message):
    __slots__ = ("subject", "rule")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    subject: str
    rule: _ledger_sync_service_pb2.RateLimitRule
    def __init__(self, subject: _Optional[str] = ..., rule: _Optional[_Union[_ledger_sync_service_pb2.RateLimitRule, _Mapping]] = ...) -> None: ...

class ConcurrencyLimit(_message.Message):
    __slots__ = ("subject", "rule")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    subject: str
    rule: _ledger_sync_service_pb2.ConcurrencyLimitRule
    def __init__(self, subject: _Optional[str] = ..., rule: _Optional[_Union[_ledger_sync_service_pb2.ConcurrencyLimitRule, _Mapping]] = ...) -> None: ...

class Plan(_message.Message):
    __slots__ = ("plan_id", "display_name", "features")
    class FeaturesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _decision_pb2.FeatureValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_decision_pb2.FeatureValue, _Mapping]] = ...) -> None: ...
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    display_name: str
    features: _containers.MessageMap[str, _decision_pb2.FeatureValue]
    def __init__(self, plan_id: _Optional[str] = ..., display_name: _Optional[str] = ..., features: _Optional[_Mapping[str, _decision_pb2.FeatureValue]] = ...) -> None: ...

class RateCard(_message.Message):
    __slots__ = ("rate_card_id", "content", "revision")
    RATE_CARD_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    rate_card_id: str
    content: str
    revision: int
    def __init__(self, rate_card_id: _Optional[str] = ..., content: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class BudgetUsage(_message.Message):
    __slots__ = ("budget", "limit_amount", "used_amount", "leased_amount", "period_start_unix_ms", "period_end_unix_ms")
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    USED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    LEASED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    budget: Budget
    limit_amount: int
    used_amount: int
    leased_amount: int
    period_start_unix_ms: int
    period_end_unix_ms: int
    def __init__(self, budget: _Optional[_Union[Budget, _Mapping]] = ..., limit_amount: _Optional[int] = ..., used_amount: _Optional[int] = ..., leased_amount: _Optional[int] = ..., period_start_unix_ms: _Optional[int] = ..., period_end_unix_ms: _Optional[int] = ...) -> None: ...

class SetAccountRulesRequest(_message.Message):
    __slots__ = ("account_id", "rules")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    rules: AccountRules
    def __init__(self, account_id: _Optional[str] = ..., rules: _Optional[_Union[AccountRules, _Mapping]] = ...) -> None: ...

class SetAccountRulesResponse(_message.Message):
    __slots__ = ("rules",)
    RULES_FIELD_NUMBER: _ClassVar[int]
    rules: AccountRules
    def __init__(self, rules: _Optional[_Union[AccountRules, _Mapping]] = ...) -> None: ...

class GetAccountRulesRequest(_message.Message):
    __slots__ = ("account_id",)
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    def __init__(self, account_id: _Optional[str] = ...) -> None: ...

class GetAccountRulesResponse(_message.Message):
    __slots__ = ("rules",)
    RULES_FIELD_NUMBER: _ClassVar[int]
    rules: AccountRules
    def __init__(self, rules: _Optional[_Union[AccountRules, _Mapping]] = ...) -> None: ...

class SetSubjectsRequest(_message.Message):
    __slots__ = ("account_id", "subjects")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    subjects: _containers.RepeatedCompositeFieldContainer[Subject]
    def __init__(self, account_id: _Optional[str] = ..., subjects: _Optional[_Iterable[_Union[Subject, _Mapping]]] = ...) -> None: ...

class SetSubjectsResponse(_message.Message):
    __slots__ = ("rules_version",)
    RULES_VERSION_FIELD_NUMBER: _ClassVar[int]
    rules_version: int
    def __init__(self, rules_version: _Optional[int] = ...) -> None: ...

class ListSubjectsRequest(_message.Message):
    __slots__ = ("account_id", "page_size", "page_token")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    page_size: int
    page_token: str
    def __init__(self, account_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSubjectsResponse(_message.Message):
    __slots__ = ("subjects", "next_page_token")
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    subjects: _containers.RepeatedCompositeFieldContainer[Subject]
    next_page_token: str
    def __init__(self, subjects: _Optional[_Iterable[_Union[Subject, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteSubjectRequest(_message.Message):
    __slots__ = ("account_id", "subject")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    subject: str
    def __init__(self, account_id: _Optional[str] = ..., subject: _Optional[str] = ...) -> None: ...

class DeleteSubjectResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SetBudgetsRequest(_message.Message):
    __slots__ = ("account_id", "budgets")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    budgets: _containers.RepeatedCompositeFieldContainer[Budget]
    def __init__(self, account_id: _Optional[str] = ..., budgets: _Optional[_Iterable[_Union[Budget, _Mapping]]] = ...) -> None: ...

class SetBudgetsResponse(_message.Message):
    __slots__ = ("rules_version",)
    RULES_VERSION_FIELD_NUMBER: _ClassVar[int]
    rules_version: int
    def __init__(self, rules_version: _Optional[int] = ...) -> None: ...

class ListBudgetsRequest(_message.Message):
    __slots__ = ("account_id", "page_size", "page_token")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    page_size: int
    page_token: str
    def __init__(self, account_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListBudgetsResponse(_message.Message):
    __slots__ = ("budgets", "next_page_token")
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    budgets: _containers.RepeatedCompositeFieldContainer[BudgetUsage]
    next_page_token: str
    def __init__(self, budgets: _Optional[_Iterable[_Union[BudgetUsage, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteBudgetRequest(_message.Message):
    __slots__ = ("account_id", "budget_id")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    BUDGET_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    budget_id: str
    def __init__(self, account_id: _Optional[str] = ..., budget_id: _Optional[str] = ...) -> None: ...

class DeleteBudgetResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SetRateLimitsRequest(_message.Message):
    __slots__ = ("account_id", "rate_limits")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMITS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    rate_limits: _containers.RepeatedCompositeFieldContainer[RateLimit]
    def __init__(self, account_id: _Optional[str] = ..., rate_limits: _Optional[_Iterable[_Union[RateLimit, _Mapping]]] = ...) -> None: ...

class SetRateLimitsResponse(_message.Message):
    __slots__ = ("rules_version",)
    RULES_VERSION_FIELD_NUMBER: _ClassVar[int]
    rules_version: int
    def __init__(self, rules_version: _Optional[int] = ...) -> None: ...

class ListRateLimitsRequest(_message.Message):
    __slots__ = ("account_id", "page_size", "page_token")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    page_size: int
    page_token: str
    def __init__(self, account_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRateLimitsResponse(_message.Message):
    __slots__ = ("rate_limits", "next_page_token")
    RATE_LIMITS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    rate_limits: _containers.RepeatedCompositeFieldContainer[RateLimit]
    next_page_token: str
    def __init__(self, rate_limits: _Optional[_Iterable[_Union[RateLimit, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteRateLimitRequest(_message.Message):
    __slots__ = ("account_id", "limit_id")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    limit_id: str
    def __init__(self, account_id: _Optional[str] = ..., limit_id: _Optional[str] = ...) -> None: ...

class DeleteRateLimitResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SetConcurrencyLimitsRequest(_message.Message):
    __slots__ = ("account_id", "concurrency_limits")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_LIMITS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    concurrency_limits: _containers.RepeatedCompositeFieldContainer[ConcurrencyLimit]
    def __init__(self, account_id: _Optional[str] = ..., concurrency_limits: _Optional[_Iterable[_Union[ConcurrencyLimit, _Mapping]]] = ...) -> None: ...

class SetConcurrencyLimitsResponse(_message.Message):
    __slots__ = ("rules_version",)
    RULES_VERSION_FIELD_NUMBER: _ClassVar[int]
    rules_version: int
    def __init__(self, rules_version: _Optional[int] = ...) -> None: ...

class ListConcurrencyLimitsRequest(_message.Message):
    __slots__ = ("account_id", "page_size", "page_token")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    page_size: int
    page_token: str
    def __init__(self, account_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListConcurrencyLimitsResponse(_message.Message):
    __slots__ = ("concurrency_limits", "next_page_token")
    CONCURRENCY_LIMITS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    concurrency_limits: _containers.RepeatedCompositeFieldContainer[ConcurrencyLimit]
    next_page_token: str
    def __init__(self, concurrency_limits: _Optional[_Iterable[_Union[ConcurrencyLimit, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteConcurrencyLimitRequest(_message.Message):
    __slots__ = ("account_id", "limit_id")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    limit_id: str
    def __init__(self, account_id: _Optional[str] = ..., limit_id: _Optional[str] = ...) -> None: ...

class DeleteConcurrencyLimitResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SetPlanRequest(_message.Message):
    __slots__ = ("plan",)
    PLAN_FIELD_NUMBER: _ClassVar[int]
    plan: Plan
    def __init__(self, plan: _Optional[_Union[Plan, _Mapping]] = ...) -> None: ...

class SetPlanResponse(_message.Message):
    __slots__ = ("plan",)
    PLAN_FIELD_NUMBER: _ClassVar[int]
    plan: Plan
    def __init__(self, plan: _Optional[_Union[Plan, _Mapping]] = ...) -> None: ...

class ListPlansRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPlansResponse(_message.Message):
    __slots__ = ("plans", "next_page_token")
    PLANS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    plans: _containers.RepeatedCompositeFieldContainer[Plan]
    next_page_token: str
    def __init__(self, plans: _Optional[_Iterable[_Union[Plan, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeletePlanRequest(_message.Message):
    __slots__ = ("plan_id",)
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    def __init__(self, plan_id: _Optional[str] = ...) -> None: ...

class DeletePlanResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SetRateCardRequest(_message.Message):
    __slots__ = ("rate_card",)
    RATE_CARD_FIELD_NUMBER: _ClassVar[int]
    rate_card: RateCard
    def __init__(self, rate_card: _Optional[_Union[RateCard, _Mapping]] = ...) -> None: ...

class SetRateCardResponse(_message.Message):
    __slots__ = ("rate_card",)
    RATE_CARD_FIELD_NUMBER: _ClassVar[int]
    rate_card: RateCard
    def __init__(self, rate_card: _Optional[_Union[RateCard, _Mapping]] = ...) -> None: ...

class GetRateCardRequest(_message.Message):
    __slots__ = ("rate_card_id",)
    RATE_CARD_ID_FIELD_NUMBER: _ClassVar[int]
    rate_card_id: str
    def __init__(self, rate_card_id: _Optional[str] = ...) -> None: ...

class GetRateCardResponse(_message.Message):
    __slots__ = ("rate_card",)
    RATE_CARD_FIELD_NUMBER: _ClassVar[int]
    rate_card: RateCard
    def __init__(self, rate_card: _Optional[_Union[RateCard, _Mapping]] = ...) -> None: ...

class ListRateCardsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRateCardsResponse(_message.Message):
    __slots__ = ("rate_cards", "next_page_token")
    RATE_CARDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    rate_cards: _containers.RepeatedCompositeFieldContainer[RateCard]
    next_page_token: str
    def __init__(self, rate_cards: _Optional[_Iterable[_Union[RateCard, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteRateCardRequest(_message.Message):
    __slots__ = ("rate_card_id",)
    RATE_CARD_ID_FIELD_NUMBER: _ClassVar[int]
    rate_card_id: str
    def __init__(self, rate_card_id: _Optional[str] = ...) -> None: ...

class DeleteRateCardResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
