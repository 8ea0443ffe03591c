from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BreakageMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BREAKAGE_METHOD_UNSPECIFIED: _ClassVar[BreakageMethod]
    BREAKAGE_METHOD_AT_EXPIRY: _ClassVar[BreakageMethod]
    BREAKAGE_METHOD_ESTIMATE: _ClassVar[BreakageMethod]

class PromotionalTreatment(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROMOTIONAL_TREATMENT_UNSPECIFIED: _ClassVar[PromotionalTreatment]
    PROMOTIONAL_TREATMENT_NO_REVENUE: _ClassVar[PromotionalTreatment]
    PROMOTIONAL_TREATMENT_CONTRA_REVENUE: _ClassVar[PromotionalTreatment]

class ExportFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPORT_FORMAT_UNSPECIFIED: _ClassVar[ExportFormat]
    EXPORT_FORMAT_CSV: _ClassVar[ExportFormat]
    EXPORT_FORMAT_PARQUET: _ClassVar[ExportFormat]
BREAKAGE_METHOD_UNSPECIFIED: BreakageMethod
BREAKAGE_METHOD_AT_EXPIRY: BreakageMethod
BREAKAGE_METHOD_ESTIMATE: BreakageMethod
PROMOTIONAL_TREATMENT_UNSPECIFIED: PromotionalTreatment
PROMOTIONAL_TREATMENT_NO_REVENUE: PromotionalTreatment
PROMOTIONAL_TREATMENT_CONTRA_REVENUE: PromotionalTreatment
EXPORT_FORMAT_UNSPECIFIED: ExportFormat
EXPORT_FORMAT_CSV: ExportFormat
EXPORT_FORMAT_PARQUET: ExportFormat

class RevenuePolicy(_message.Message):
    __slots__ = ("breakage", "breakage_bps", "promotional", "promotional_price_amount", "promotional_per_amount", "promotional_currency")
    BREAKAGE_FIELD_NUMBER: _ClassVar[int]
    BREAKAGE_BPS_FIELD_NUMBER: _ClassVar[int]
    PROMOTIONAL_FIELD_NUMBER: _ClassVar[int]
    PROMOTIONAL_PRICE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PROMOTIONAL_PER_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PROMOTIONAL_CURRENCY_FIELD_NUMBER: _ClassVar[int]
    breakage: BreakageMethod
    breakage_bps: int
    promotional: PromotionalTreatment
    promotional_price_amount: int
    promotional_per_amount: int
    promotional_currency: str
    def __init__(self, breakage: _Optional[_Union[BreakageMethod, str]] = ..., breakage_bps: _Optional[int] = ..., promotional: _Optional[_Union[PromotionalTreatment, str]] = ..., promotional_price_amount: _Optional[int] = ..., promotional_per_amount: _Optional[int] = ..., promotional_currency: _Optional[str] = ...) -> None: ...

class GetRollForwardRequest(_message.Message):
    __slots__ = ("first_period", "last_period", "account_id")
    FIRST_PERIOD_FIELD_NUMBER: _ClassVar[int]
    LAST_PERIOD_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    first_period: str
    last_period: str
    account_id: str
    def __init__(self, first_period: _Optional[str] = ..., last_period: _Optional[str] = ..., account_id: _Optional[str] = ...) -> None: ...

class RollForwardLine(_message.Message):
    __slots__ = ("period", "product", "currency", "opening_amount", "granted_amount", "recognised_amount", "breakage_amount", "refunded_amount", "closing_amount", "contra_revenue_amount", "late_correction_amount", "closed")
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    OPENING_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    GRANTED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    RECOGNISED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    BREAKAGE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CLOSING_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CONTRA_REVENUE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    LATE_CORRECTION_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    period: str
    product: str
    currency: str
    opening_amount: int
    granted_amount: int
    recognised_amount: int
    breakage_amount: int
    refunded_amount: int
    closing_amount: int
    contra_revenue_amount: int
    late_correction_amount: int
    closed: bool
    def __init__(self, period: _Optional[str] = ..., product: _Optional[str] = ..., currency: _Optional[str] = ..., opening_amount: _Optional[int] = ..., granted_amount: _Optional[int] = ..., recognised_amount: _Optional[int] = ..., breakage_amount: _Optional[int] = ..., refunded_amount: _Optional[int] = ..., closing_amount: _Optional[int] = ..., contra_revenue_amount: _Optional[int] = ..., late_correction_amount: _Optional[int] = ..., closed: _Optional[bool] = ...) -> None: ...

class PromotionalLine(_message.Message):
    __slots__ = ("period", "product", "currency", "granted_amount", "burned_amount", "lapsed_amount")
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    GRANTED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    BURNED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    LAPSED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    period: str
    product: str
    currency: str
    granted_amount: int
    burned_amount: int
    lapsed_amount: int
    def __init__(self, period: _Optional[str] = ..., product: _Optional[str] = ..., currency: _Optional[str] = ..., granted_amount: _Optional[int] = ..., burned_amount: _Optional[int] = ..., lapsed_amount: _Optional[int] = ...) -> None: ...

class GetRollForwardResponse(_message.Message):
    __slots__ = ("lines", "promotional_lines", "last_entry_id")
    LINES_FIELD_NUMBER: _ClassVar[int]
    PROMOTIONAL_LINES_FIELD_NUMBER: _ClassVar[int]
    LAST_ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[RollForwardLine]
    promotional_lines: _containers.RepeatedCompositeFieldContainer[PromotionalLine]
    last_entry_id: int
    def __init__(self, lines: _Optional[_Iterable[_Union[RollForwardLine, _Mapping]]] = ..., promotional_lines: _Optional[_Iterable[_Union[PromotionalLine, _Mapping]]] = ..., last_entry_id: _Optional[int] = ...) -> None: ...

class SetRevenuePolicyRequest(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: RevenuePolicy
    def __init__(self, policy: _Optional[_Union[RevenuePolicy, _Mapping]] = ...) -> None: ...

class SetRevenuePolicyResponse(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: RevenuePolicy
    def __init__(self, policy: _Optional[_Union[RevenuePolicy, _Mapping]] = ...) -> None: ...

class GetRevenuePolicyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetRevenuePolicyResponse(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: RevenuePolicy
    def __init__(self, policy: _Optional[_Union[RevenuePolicy, _Mapping]] = ...) -> None: ...

class ClosedPeriod(_message.Message):
    __slots__ = ("period", "closed_at_unix_ms", "last_entry_id", "chain_hash", "figures_hash")
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    CHAIN_HASH_FIELD_NUMBER: _ClassVar[int]
    FIGURES_HASH_FIELD_NUMBER: _ClassVar[int]
    period: str
    closed_at_unix_ms: int
    last_entry_id: int
    chain_hash: bytes
    figures_hash: bytes
    def __init__(self, period: _Optional[str] = ..., closed_at_unix_ms: _Optional[int] = ..., last_entry_id: _Optional[int] = ..., chain_hash: _Optional[bytes] = ..., figures_hash: _Optional[bytes] = ...) -> None: ...

class ClosePeriodRequest(_message.Message):
    __slots__ = ("period",)
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    period: str
    def __init__(self, period: _Optional[str] = ...) -> None: ...

class ClosePeriodResponse(_message.Message):
    __slots__ = ("period",)
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    period: ClosedPeriod
    def __init__(self, period: _Optional[_Union[ClosedPeriod, _Mapping]] = ...) -> None: ...

class ListPeriodsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPeriodsResponse(_message.Message):
    __slots__ = ("periods", "next_page_token")
    PERIODS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    periods: _containers.RepeatedCompositeFieldContainer[ClosedPeriod]
    next_page_token: str
    def __init__(self, periods: _Optional[_Iterable[_Union[ClosedPeriod, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ExportEntriesRequest(_message.Message):
    __slots__ = ("format", "account_id", "first_period", "last_period", "page_size", "page_token")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_PERIOD_FIELD_NUMBER: _ClassVar[int]
    LAST_PERIOD_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    format: ExportFormat
    account_id: str
    first_period: str
    last_period: str
    page_size: int
    page_token: str
    def __init__(self, format: _Optional[_Union[ExportFormat, str]] = ..., account_id: _Optional[str] = ..., first_period: _Optional[str] = ..., last_period: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ExportEntriesResponse(_message.Message):
    __slots__ = ("content", "line_count", "next_page_token")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    LINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    line_count: int
    next_page_token: str
    def __init__(self, content: _Optional[bytes] = ..., line_count: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class VerifyJournalRequest(_message.Message):
    __slots__ = ("expected_hash",)
    EXPECTED_HASH_FIELD_NUMBER: _ClassVar[int]
    expected_hash: bytes
    def __init__(self, expected_hash: _Optional[bytes] = ...) -> None: ...

class VerifyJournalResponse(_message.Message):
    __slots__ = ("intact", "entry_count", "last_entry_id", "chain_hash", "broken_entry_id", "message", "unsealed_count")
    INTACT_FIELD_NUMBER: _ClassVar[int]
    ENTRY_COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    CHAIN_HASH_FIELD_NUMBER: _ClassVar[int]
    BROKEN_ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    UNSEALED_COUNT_FIELD_NUMBER: _ClassVar[int]
    intact: bool
    entry_count: int
    last_entry_id: int
    chain_hash: bytes
    broken_entry_id: int
    message: str
    unsealed_count: int
    def __init__(self, intact: _Optional[bool] = ..., entry_count: _Optional[int] = ..., last_entry_id: _Optional[int] = ..., chain_hash: _Optional[bytes] = ..., broken_entry_id: _Optional[int] = ..., message: _Optional[str] = ..., unsealed_count: _Optional[int] = ...) -> None: ...
