from holdfast.v1 import enforcement_service_pb2 as _enforcement_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_OUTCOME_UNSPECIFIED: _ClassVar[EventOutcome]
    EVENT_OUTCOME_ACCEPTED: _ClassVar[EventOutcome]
    EVENT_OUTCOME_DUPLICATE: _ClassVar[EventOutcome]
    EVENT_OUTCOME_CONFLICT: _ClassVar[EventOutcome]
    EVENT_OUTCOME_REFUSED: _ClassVar[EventOutcome]

class UsageMeasure(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    USAGE_MEASURE_UNSPECIFIED: _ClassVar[UsageMeasure]
    USAGE_MEASURE_QUANTITY: _ClassVar[UsageMeasure]
    USAGE_MEASURE_CREDITS: _ClassVar[UsageMeasure]
    USAGE_MEASURE_COST: _ClassVar[UsageMeasure]
    USAGE_MEASURE_COUNT: _ClassVar[UsageMeasure]

class Granularity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GRANULARITY_UNSPECIFIED: _ClassVar[Granularity]
    GRANULARITY_MINUTE: _ClassVar[Granularity]
    GRANULARITY_HOUR: _ClassVar[Granularity]
    GRANULARITY_DAY: _ClassVar[Granularity]
    GRANULARITY_WEEK: _ClassVar[Granularity]
    GRANULARITY_MONTH: _ClassVar[Granularity]
    GRANULARITY_QUARTER: _ClassVar[Granularity]
    GRANULARITY_YEAR: _ClassVar[Granularity]

class FilterOperator(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FILTER_OPERATOR_UNSPECIFIED: _ClassVar[FilterOperator]
    FILTER_OPERATOR_IN: _ClassVar[FilterOperator]
    FILTER_OPERATOR_NOT_IN: _ClassVar[FilterOperator]
    FILTER_OPERATOR_PREFIX: _ClassVar[FilterOperator]
    FILTER_OPERATOR_EXISTS: _ClassVar[FilterOperator]
EVENT_OUTCOME_UNSPECIFIED: EventOutcome
EVENT_OUTCOME_ACCEPTED: EventOutcome
EVENT_OUTCOME_DUPLICATE: EventOutcome
EVENT_OUTCOME_CONFLICT: EventOutcome
EVENT_OUTCOME_REFUSED: EventOutcome
USAGE_MEASURE_UNSPECIFIED: UsageMeasure
USAGE_MEASURE_QUANTITY: UsageMeasure
USAGE_MEASURE_CREDITS: UsageMeasure
USAGE_MEASURE_COST: UsageMeasure
USAGE_MEASURE_COUNT: UsageMeasure
GRANULARITY_UNSPECIFIED: Granularity
GRANULARITY_MINUTE: Granularity
GRANULARITY_HOUR: Granularity
GRANULARITY_DAY: Granularity
GRANULARITY_WEEK: Granularity
GRANULARITY_MONTH: Granularity
GRANULARITY_QUARTER: Granularity
GRANULARITY_YEAR: Granularity
FILTER_OPERATOR_UNSPECIFIED: FilterOperator
FILTER_OPERATOR_IN: FilterOperator
FILTER_OPERATOR_NOT_IN: FilterOperator
FILTER_OPERATOR_PREFIX: FilterOperator
FILTER_OPERATOR_EXISTS: FilterOperator

class ReportUsageRequest(_message.Message):
    __slots__ = ("operation_id", "account_id", "pool_id", "meter_id", "delta", "set", "subject", "dimensions", "currency", "already_used")
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
    METER_ID_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    ALREADY_USED_FIELD_NUMBER: _ClassVar[int]
    operation_id: str
    account_id: str
    pool_id: str
    meter_id: str
    delta: int
    set: _enforcement_service_pb2.CounterTotal
    subject: str
    dimensions: _containers.ScalarMap[str, str]
    currency: str
    already_used: bool
    def __init__(self, operation_id: _Optional[str] = ..., account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., meter_id: _Optional[str] = ..., delta: _Optional[int] = ..., set: _Optional[_Union[_enforcement_service_pb2.CounterTotal, _Mapping]] = ..., subject: _Optional[str] = ..., dimensions: _Optional[_Mapping[str, str]] = ..., currency: _Optional[str] = ..., already_used: _Optional[bool] = ...) -> None: ...

class ReportUsageResponse(_message.Message):
    __slots__ = ("charge", "quantity", "late")
    CHARGE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    charge: _enforcement_service_pb2.ChargeResponse
    quantity: int
    late: bool
    def __init__(self, charge: _Optional[_Union[_enforcement_service_pb2.ChargeResponse, _Mapping]] = ..., quantity: _Optional[int] = ..., late: _Optional[bool] = ...) -> None: ...

class ReportUsageBulkRequest(_message.Message):
    __slots__ = ("reports",)
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    reports: _containers.RepeatedCompositeFieldContainer[ReportUsageRequest]
    def __init__(self, reports: _Optional[_Iterable[_Union[ReportUsageRequest, _Mapping]]] = ...) -> None: ...

class ReportUsageBulkResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ReportUsageResult]
    def __init__(self, results: _Optional[_Iterable[_Union[ReportUsageResult, _Mapping]]] = ...) -> None: ...

class ReportUsageResult(_message.Message):
    __slots__ = ("response", "error")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    response: ReportUsageResponse
    error: _enforcement_service_pb2.OperationError
    def __init__(self, response: _Optional[_Union[ReportUsageResponse, _Mapping]] = ..., error: _Optional[_Union[_enforcement_service_pb2.OperationError, _Mapping]] = ...) -> None: ...

class UsageEvent(_message.Message):
    __slots__ = ("id", "source", "type", "time_unix_ms", "account_id", "subject", "dimensions", "quantities", "corrects_id")
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
    ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TIME_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    QUANTITIES_FIELD_NUMBER: _ClassVar[int]
    CORRECTS_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    source: str
    type: str
    time_unix_ms: int
    account_id: str
    subject: str
    dimensions: _containers.ScalarMap[str, str]
    quantities: _containers.ScalarMap[str, int]
    corrects_id: str
    def __init__(self, id: _Optional[str] = ..., source: _Optional[str] = ..., type: _Optional[str] = ..., time_unix_ms: _Optional[int] = ..., account_id: _Optional[str] = ..., subject: _Optional[str] = ..., dimensions: _Optional[_Mapping[str, str]] = ..., quantities: _Optional[_Mapping[str, int]] = ..., corrects_id: _Optional[str] = ...) -> None: ...

class ReportEventsRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[UsageEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[UsageEvent, _Mapping]]] = ...) -> None: ...

class ReportEventsResponse(_message.Message):
    __slots__ = ("accepted_count", "duplicate_count", "results")
    ACCEPTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    accepted_count: int
    duplicate_count: int
    results: _containers.RepeatedCompositeFieldContainer[EventResult]
    def __init__(self, accepted_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., results: _Optional[_Iterable[_Union[EventResult, _Mapping]]] = ...) -> None: ...

class EventResult(_message.Message):
    __slots__ = ("index", "outcome", "field", "message")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    index: int
    outcome: EventOutcome
    field: str
    message: str
    def __init__(self, index: _Optional[int] = ..., outcome: _Optional[_Union[EventOutcome, str]] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class VoidEventsRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[EventName]
    def __init__(self, events: _Optional[_Iterable[_Union[EventName, _Mapping]]] = ...) -> None: ...

class EventName(_message.Message):
    __slots__ = ("account_id", "source", "id")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    source: str
    id: str
    def __init__(self, account_id: _Optional[str] = ..., source: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class VoidEventsResponse(_message.Message):
    __slots__ = ("accepted_count", "results")
    ACCEPTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    accepted_count: int
    results: _containers.RepeatedCompositeFieldContainer[EventResult]
    def __init__(self, accepted_count: _Optional[int] = ..., results: _Optional[_Iterable[_Union[EventResult, _Mapping]]] = ...) -> None: ...

class UsageFilter(_message.Message):
    __slots__ = ("key", "operator", "values")
    KEY_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    key: str
    operator: FilterOperator
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, key: _Optional[str] = ..., operator: _Optional[_Union[FilterOperator, str]] = ..., values: _Optional[_Iterable[str]] = ...) -> None: ...

class QueryUsageRequest(_message.Message):
    __slots__ = ("account_id", "measure", "start_unix_ms", "end_unix_ms", "granularity", "time_zone", "group_by", "filters", "previous_period", "previous_year", "top", "page_size", "page_token")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    START_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    END_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    GRANULARITY_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_PERIOD_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_YEAR_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    measure: UsageMeasure
    start_unix_ms: int
    end_unix_ms: int
    granularity: Granularity
    time_zone: str
    group_by: _containers.RepeatedScalarFieldContainer[str]
    filters: _containers.RepeatedCompositeFieldContainer[UsageFilter]
    previous_period: bool
    previous_year: bool
    top: int
    page_size: int
    page_token: str
    def __init__(self, account_id: _Optional[str] = ..., measure: _Optional[_Union[UsageMeasure, str]] = ..., start_unix_ms: _Optional[int] = ..., end_unix_ms: _Optional[int] = ..., granularity: _Optional[_Union[Granularity, str]] = ..., time_zone: _Optional[str] = ..., group_by: _Optional[_Iterable[str]] = ..., filters: _Optional[_Iterable[_Union[UsageFilter, _Mapping]]] = ..., previous_period: _Optional[bool] = ..., previous_year: _Optional[bool] = ..., top: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class UsageCell(_message.Message):
    __slots__ = ("step_unix_ms", "group", "rest", "value", "compared_value", "trace_token")
    STEP_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    REST_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    COMPARED_VALUE_FIELD_NUMBER: _ClassVar[int]
    TRACE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    step_unix_ms: int
    group: _containers.RepeatedScalarFieldContainer[str]
    rest: bool
    value: int
    compared_value: int
    trace_token: str
    def __init__(self, step_unix_ms: _Optional[int] = ..., group: _Optional[_Iterable[str]] = ..., rest: _Optional[bool] = ..., value: _Optional[int] = ..., compared_value: _Optional[int] = ..., trace_token: _Optional[str] = ...) -> None: ...

class QueryUsageResponse(_message.Message):
    __slots__ = ("cells", "total", "compared_total", "next_page_token", "complete_until_unix_ms", "steps_unix_ms", "unit", "exponent")
    CELLS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    COMPARED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_UNTIL_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    STEPS_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    EXPONENT_FIELD_NUMBER: _ClassVar[int]
    cells: _containers.RepeatedCompositeFieldContainer[UsageCell]
    total: int
    compared_total: int
    next_page_token: str
    complete_until_unix_ms: int
    steps_unix_ms: _containers.RepeatedScalarFieldContainer[int]
    unit: str
    exponent: int
    def __init__(self, cells: _Optional[_Iterable[_Union[UsageCell, _Mapping]]] = ..., total: _Optional[int] = ..., compared_total: _Optional[int] = ..., next_page_token: _Optional[str] = ..., complete_until_unix_ms: _Optional[int] = ..., steps_unix_ms: _Optional[_Iterable[int]] = ..., unit: _Optional[str] = ..., exponent: _Optional[int] = ...) -> None: ...

class TraceUsageRequest(_message.Message):
    __slots__ = ("trace_token", "page_size", "page_token")
    TRACE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    trace_token: str
    page_size: int
    page_token: str
    def __init__(self, trace_token: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class UsageTrace(_message.Message):
    __slots__ = ("time_unix_ms", "value", "account_id", "pool_id", "operation_id", "hold_id", "entry_id", "grant_id", "meter_id", "subject", "dimensions", "sidecar_id", "event_source", "event_id", "caller")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TIME_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    METER_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_SOURCE_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    time_unix_ms: int
    value: int
    account_id: str
    pool_id: str
    operation_id: str
    hold_id: str
    entry_id: int
    grant_id: str
    meter_id: str
    subject: str
    dimensions: _containers.ScalarMap[str, str]
    sidecar_id: str
    event_source: str
    event_id: str
    caller: str
    def __init__(self, time_unix_ms: _Optional[int] = ..., value: _Optional[int] = ..., account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., operation_id: _Optional[str] = ..., hold_id: _Optional[str] = ..., entry_id: _Optional[int] = ..., grant_id: _Optional[str] = ..., meter_id: _Optional[str] = ..., subject: _Optional[str] = ..., dimensions: _Optional[_Mapping[str, str]] = ..., sidecar_id: _Optional[str] = ..., event_source: _Optional[str] = ..., event_id: _Optional[str] = ..., caller: _Optional[str] = ...) -> None: ...

class TraceUsageResponse(_message.Message):
    __slots__ = ("traces", "next_page_token")
    TRACES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    traces: _containers.RepeatedCompositeFieldContainer[UsageTrace]
    next_page_token: str
    def __init__(self, traces: _Optional[_Iterable[_Union[UsageTrace, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListUsageKeysRequest(_message.Message):
    __slots__ = ("account_id", "start_unix_ms", "end_unix_ms", "key", "prefix", "page_size")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    START_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    END_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    start_unix_ms: int
    end_unix_ms: int
    key: str
    prefix: str
    page_size: int
    def __init__(self, account_id: _Optional[str] = ..., start_unix_ms: _Optional[int] = ..., end_unix_ms: _Optional[int] = ..., key: _Optional[str] = ..., prefix: _Optional[str] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListUsageKeysResponse(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...
