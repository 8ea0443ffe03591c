from holdfast.v1 import usage_service_pb2 as _usage_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Aggregation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AGGREGATION_UNSPECIFIED: _ClassVar[Aggregation]
    AGGREGATION_COUNT: _ClassVar[Aggregation]
    AGGREGATION_SUM: _ClassVar[Aggregation]
    AGGREGATION_MIN: _ClassVar[Aggregation]
    AGGREGATION_MAX: _ClassVar[Aggregation]
    AGGREGATION_UNIQUE: _ClassVar[Aggregation]
    AGGREGATION_LATEST: _ClassVar[Aggregation]

class MeterPeriod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METER_PERIOD_UNSPECIFIED: _ClassVar[MeterPeriod]
    METER_PERIOD_HOUR: _ClassVar[MeterPeriod]
    METER_PERIOD_DAY: _ClassVar[MeterPeriod]
    METER_PERIOD_WEEK: _ClassVar[MeterPeriod]
    METER_PERIOD_MONTH: _ClassVar[MeterPeriod]
AGGREGATION_UNSPECIFIED: Aggregation
AGGREGATION_COUNT: Aggregation
AGGREGATION_SUM: Aggregation
AGGREGATION_MIN: Aggregation
AGGREGATION_MAX: Aggregation
AGGREGATION_UNIQUE: Aggregation
AGGREGATION_LATEST: Aggregation
METER_PERIOD_UNSPECIFIED: MeterPeriod
METER_PERIOD_HOUR: MeterPeriod
METER_PERIOD_DAY: MeterPeriod
METER_PERIOD_WEEK: MeterPeriod
METER_PERIOD_MONTH: MeterPeriod

class Meter(_message.Message):
    __slots__ = ("meter_id", "event_type", "aggregation", "quantity", "dimension", "filters", "multiplier", "divisor", "unit", "period", "pool_id", "price_amount", "price_per", "rated_as")
    METER_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    DIVISOR_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PRICE_PER_FIELD_NUMBER: _ClassVar[int]
    RATED_AS_FIELD_NUMBER: _ClassVar[int]
    meter_id: str
    event_type: str
    aggregation: Aggregation
    quantity: str
    dimension: str
    filters: _containers.RepeatedCompositeFieldContainer[_usage_service_pb2.UsageFilter]
    multiplier: int
    divisor: int
    unit: str
    period: MeterPeriod
    pool_id: str
    price_amount: int
    price_per: int
    rated_as: str
    def __init__(self, meter_id: _Optional[str] = ..., event_type: _Optional[str] = ..., aggregation: _Optional[_Union[Aggregation, str]] = ..., quantity: _Optional[str] = ..., dimension: _Optional[str] = ..., filters: _Optional[_Iterable[_Union[_usage_service_pb2.UsageFilter, _Mapping]]] = ..., multiplier: _Optional[int] = ..., divisor: _Optional[int] = ..., unit: _Optional[str] = ..., period: _Optional[_Union[MeterPeriod, str]] = ..., pool_id: _Optional[str] = ..., price_amount: _Optional[int] = ..., price_per: _Optional[int] = ..., rated_as: _Optional[str] = ...) -> None: ...
