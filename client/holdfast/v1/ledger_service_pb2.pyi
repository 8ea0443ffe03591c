from holdfast.v1 import decision_pb2 as _decision_pb2
from holdfast.v1 import ledger_sync_service_pb2 as _ledger_sync_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GrantCategory(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GRANT_CATEGORY_UNSPECIFIED: _ClassVar[GrantCategory]
    GRANT_CATEGORY_PROMOTIONAL: _ClassVar[GrantCategory]
    GRANT_CATEGORY_PAID: _ClassVar[GrantCategory]

class GrantState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GRANT_STATE_UNSPECIFIED: _ClassVar[GrantState]
    GRANT_STATE_PENDING: _ClassVar[GrantState]
    GRANT_STATE_ACTIVE: _ClassVar[GrantState]
    GRANT_STATE_EXHAUSTED: _ClassVar[GrantState]
    GRANT_STATE_EXPIRED: _ClassVar[GrantState]
    GRANT_STATE_VOIDED: _ClassVar[GrantState]

class EntryType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENTRY_TYPE_UNSPECIFIED: _ClassVar[EntryType]
    ENTRY_TYPE_GRANT: _ClassVar[EntryType]
    ENTRY_TYPE_DEBIT: _ClassVar[EntryType]
    ENTRY_TYPE_OVERDRAFT: _ClassVar[EntryType]
    ENTRY_TYPE_REPAYMENT: _ClassVar[EntryType]
    ENTRY_TYPE_EXPIRY: _ClassVar[EntryType]
    ENTRY_TYPE_VOID: _ClassVar[EntryType]
    ENTRY_TYPE_CORRECTION: _ClassVar[EntryType]
    ENTRY_TYPE_OVERDRAFT_CORRECTION: _ClassVar[EntryType]
    ENTRY_TYPE_REVIVAL: _ClassVar[EntryType]
    ENTRY_TYPE_ROLLOVER_OUT: _ClassVar[EntryType]
    ENTRY_TYPE_ROLLOVER_IN: _ClassVar[EntryType]
    ENTRY_TYPE_REPAYMENT_RETURN: _ClassVar[EntryType]

class DeliveryState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELIVERY_STATE_UNSPECIFIED: _ClassVar[DeliveryState]
    DELIVERY_STATE_PENDING: _ClassVar[DeliveryState]
    DELIVERY_STATE_DELIVERED: _ClassVar[DeliveryState]
    DELIVERY_STATE_DEAD: _ClassVar[DeliveryState]

class ReplayOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPLAY_OUTCOME_UNSPECIFIED: _ClassVar[ReplayOutcome]
    REPLAY_OUTCOME_POSTED: _ClassVar[ReplayOutcome]
    REPLAY_OUTCOME_ALREADY_REPLAYED: _ClassVar[ReplayOutcome]
    REPLAY_OUTCOME_ALREADY_POSTED: _ClassVar[ReplayOutcome]
    REPLAY_OUTCOME_DUPLICATE: _ClassVar[ReplayOutcome]
    REPLAY_OUTCOME_UNKNOWN_POOL: _ClassVar[ReplayOutcome]
    REPLAY_OUTCOME_OVERFLOW: _ClassVar[ReplayOutcome]
GRANT_CATEGORY_UNSPECIFIED: GrantCategory
GRANT_CATEGORY_PROMOTIONAL: GrantCategory
GRANT_CATEGORY_PAID: GrantCategory
GRANT_STATE_UNSPECIFIED: GrantState
GRANT_STATE_PENDING: GrantState
GRANT_STATE_ACTIVE: GrantState
GRANT_STATE_EXHAUSTED: GrantState
GRANT_STATE_EXPIRED: GrantState
GRANT_STATE_VOIDED: GrantState
ENTRY_TYPE_UNSPECIFIED: EntryType
ENTRY_TYPE_GRANT: EntryType
ENTRY_TYPE_DEBIT: EntryType
ENTRY_TYPE_OVERDRAFT: EntryType
ENTRY_TYPE_REPAYMENT: EntryType
ENTRY_TYPE_EXPIRY: EntryType
ENTRY_TYPE_VOID: EntryType
ENTRY_TYPE_CORRECTION: EntryType
ENTRY_TYPE_OVERDRAFT_CORRECTION: EntryType
ENTRY_TYPE_REVIVAL: EntryType
ENTRY_TYPE_ROLLOVER_OUT: EntryType
ENTRY_TYPE_ROLLOVER_IN: EntryType
ENTRY_TYPE_REPAYMENT_RETURN: EntryType
DELIVERY_STATE_UNSPECIFIED: DeliveryState
DELIVERY_STATE_PENDING: DeliveryState
DELIVERY_STATE_DELIVERED: DeliveryState
DELIVERY_STATE_DEAD: DeliveryState
REPLAY_OUTCOME_UNSPECIFIED: ReplayOutcome
REPLAY_OUTCOME_POSTED: ReplayOutcome
REPLAY_OUTCOME_ALREADY_REPLAYED: ReplayOutcome
REPLAY_OUTCOME_ALREADY_POSTED: ReplayOutcome
REPLAY_OUTCOME_DUPLICATE: ReplayOutcome
REPLAY_OUTCOME_UNKNOWN_POOL: ReplayOutcome
REPLAY_OUTCOME_OVERFLOW: ReplayOutcome

class Account(_message.Message):
    __slots__ = ("account_id", "display_name", "created_at_unix_ms")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    display_name: str
    created_at_unix_ms: int
    def __init__(self, account_id: _Optional[str] = ..., display_name: _Optional[str] = ..., created_at_unix_ms: _Optional[int] = ...) -> None: ...

class Pool(_message.Message):
    __slots__ = ("account_id", "pool_id", "currency", "currency_exponent", "policy", "created_at_unix_ms")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_EXPONENT_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    currency: str
    currency_exponent: int
    policy: _decision_pb2.Policy
    created_at_unix_ms: int
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., currency: _Optional[str] = ..., currency_exponent: _Optional[int] = ..., policy: _Optional[_Union[_decision_pb2.Policy, _Mapping]] = ..., created_at_unix_ms: _Optional[int] = ...) -> None: ...

class PoolBalance(_message.Message):
    __slots__ = ("posted", "free", "leased", "granted_total", "spent_total", "expired_total", "overdraft", "allowance_leased", "overdraft_bound", "allowance_spent_total", "fail_open_total", "over_hold_total", "late_total", "unleased_total", "expired_leased_total", "voided_total", "corrected_total", "revived_total")
    POSTED_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    LEASED_FIELD_NUMBER: _ClassVar[int]
    GRANTED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    SPENT_TOTAL_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_LEASED_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_BOUND_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_SPENT_TOTAL_FIELD_NUMBER: _ClassVar[int]
    FAIL_OPEN_TOTAL_FIELD_NUMBER: _ClassVar[int]
    OVER_HOLD_TOTAL_FIELD_NUMBER: _ClassVar[int]
    LATE_TOTAL_FIELD_NUMBER: _ClassVar[int]
    UNLEASED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_LEASED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    VOIDED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    CORRECTED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    REVIVED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    posted: int
    free: int
    leased: int
    granted_total: int
    spent_total: int
    expired_total: int
    overdraft: int
    allowance_leased: int
    overdraft_bound: int
    allowance_spent_total: int
    fail_open_total: int
    over_hold_total: int
    late_total: int
    unleased_total: int
    expired_leased_total: int
    voided_total: int
    corrected_total: int
    revived_total: int
    def __init__(self, posted: _Optional[int] = ..., free: _Optional[int] = ..., leased: _Optional[int] = ..., granted_total: _Optional[int] = ..., spent_total: _Optional[int] = ..., expired_total: _Optional[int] = ..., overdraft: _Optional[int] = ..., allowance_leased: _Optional[int] = ..., overdraft_bound: _Optional[int] = ..., allowance_spent_total: _Optional[int] = ..., fail_open_total: _Optional[int] = ..., over_hold_total: _Optional[int] = ..., late_total: _Optional[int] = ..., unleased_total: _Optional[int] = ..., expired_leased_total: _Optional[int] = ..., voided_total: _Optional[int] = ..., corrected_total: _Optional[int] = ..., revived_total: _Optional[int] = ...) -> None: ...

class Rollover(_message.Message):
    __slots__ = ("share_bps", "max_amount", "lifetime_ms", "max_times")
    SHARE_BPS_FIELD_NUMBER: _ClassVar[int]
    MAX_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_TIMES_FIELD_NUMBER: _ClassVar[int]
    share_bps: int
    max_amount: int
    lifetime_ms: int
    max_times: int
    def __init__(self, share_bps: _Optional[int] = ..., max_amount: _Optional[int] = ..., lifetime_ms: _Optional[int] = ..., max_times: _Optional[int] = ...) -> None: ...

class Grant(_message.Message):
    __slots__ = ("grant_id", "account_id", "pool_id", "amount", "category", "priority", "effective_at_unix_ms", "expires_at_unix_ms", "cost_amount", "cost_currency", "remaining", "state", "created_at_unix_ms", "metadata", "expired_amount", "rollover", "rolled_from", "refunded_amount")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    COST_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    COST_CURRENCY_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    ROLLOVER_FIELD_NUMBER: _ClassVar[int]
    ROLLED_FROM_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    grant_id: str
    account_id: str
    pool_id: str
    amount: int
    category: GrantCategory
    priority: int
    effective_at_unix_ms: int
    expires_at_unix_ms: int
    cost_amount: int
    cost_currency: str
    remaining: int
    state: GrantState
    created_at_unix_ms: int
    metadata: _containers.ScalarMap[str, str]
    expired_amount: int
    rollover: Rollover
    rolled_from: str
    refunded_amount: int
    def __init__(self, grant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., amount: _Optional[int] = ..., category: _Optional[_Union[GrantCategory, str]] = ..., priority: _Optional[int] = ..., effective_at_unix_ms: _Optional[int] = ..., expires_at_unix_ms: _Optional[int] = ..., cost_amount: _Optional[int] = ..., cost_currency: _Optional[str] = ..., remaining: _Optional[int] = ..., state: _Optional[_Union[GrantState, str]] = ..., created_at_unix_ms: _Optional[int] = ..., metadata: _Optional[_Mapping[str, str]] = ..., expired_amount: _Optional[int] = ..., rollover: _Optional[_Union[Rollover, _Mapping]] = ..., rolled_from: _Optional[str] = ..., refunded_amount: _Optional[int] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("entry_id", "type", "account_id", "pool_id", "from_book", "to_book", "amount", "grant_id", "posted_at_unix_ms", "sidecar_id", "epoch", "sequence", "operation_id", "hold_id", "replayed", "correction_id", "caller")
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_BOOK_FIELD_NUMBER: _ClassVar[int]
    TO_BOOK_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    POSTED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    CORRECTION_ID_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    entry_id: int
    type: EntryType
    account_id: str
    pool_id: str
    from_book: str
    to_book: str
    amount: int
    grant_id: str
    posted_at_unix_ms: int
    sidecar_id: str
    epoch: int
    sequence: int
    operation_id: str
    hold_id: str
    replayed: bool
    correction_id: str
    caller: str
    def __init__(self, entry_id: _Optional[int] = ..., type: _Optional[_Union[EntryType, str]] = ..., account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., from_book: _Optional[str] = ..., to_book: _Optional[str] = ..., amount: _Optional[int] = ..., grant_id: _Optional[str] = ..., posted_at_unix_ms: _Optional[int] = ..., sidecar_id: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., operation_id: _Optional[str] = ..., hold_id: _Optional[str] = ..., replayed: _Optional[bool] = ..., correction_id: _Optional[str] = ..., caller: _Optional[str] = ...) -> None: ...

class Correction(_message.Message):
    __slots__ = ("correction_id", "account_id", "pool_id", "operation_id", "amount", "posted_at_unix_ms")
    CORRECTION_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    POSTED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    correction_id: str
    account_id: str
    pool_id: str
    operation_id: str
    amount: int
    posted_at_unix_ms: int
    def __init__(self, correction_id: _Optional[str] = ..., account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., operation_id: _Optional[str] = ..., amount: _Optional[int] = ..., posted_at_unix_ms: _Optional[int] = ...) -> None: ...

class Sidecar(_message.Message):
    __slots__ = ("sidecar_id", "epoch", "birth_epoch", "acked_sequence", "last_seen_at_unix_ms", "reclaim_at_unix_ms", "connected", "version")
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    BIRTH_EPOCH_FIELD_NUMBER: _ClassVar[int]
    ACKED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    RECLAIM_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    sidecar_id: str
    epoch: int
    birth_epoch: int
    acked_sequence: int
    last_seen_at_unix_ms: int
    reclaim_at_unix_ms: int
    connected: bool
    version: str
    def __init__(self, sidecar_id: _Optional[str] = ..., epoch: _Optional[int] = ..., birth_epoch: _Optional[int] = ..., acked_sequence: _Optional[int] = ..., last_seen_at_unix_ms: _Optional[int] = ..., reclaim_at_unix_ms: _Optional[int] = ..., connected: _Optional[bool] = ..., version: _Optional[str] = ...) -> None: ...

class LeaseInfo(_message.Message):
    __slots__ = ("sidecar_id", "birth_epoch", "account_id", "pool_id", "granted_total", "reclaimed_total", "returned_total", "posted_total", "outstanding", "allowance_outstanding", "needed")
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    BIRTH_EPOCH_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    GRANTED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    RECLAIMED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    RETURNED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    POSTED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    OUTSTANDING_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_OUTSTANDING_FIELD_NUMBER: _ClassVar[int]
    NEEDED_FIELD_NUMBER: _ClassVar[int]
    sidecar_id: str
    birth_epoch: int
    account_id: str
    pool_id: str
    granted_total: int
    reclaimed_total: int
    returned_total: int
    posted_total: int
    outstanding: int
    allowance_outstanding: int
    needed: int
    def __init__(self, sidecar_id: _Optional[str] = ..., birth_epoch: _Optional[int] = ..., account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., granted_total: _Optional[int] = ..., reclaimed_total: _Optional[int] = ..., returned_total: _Optional[int] = ..., posted_total: _Optional[int] = ..., outstanding: _Optional[int] = ..., allowance_outstanding: _Optional[int] = ..., needed: _Optional[int] = ...) -> None: ...

class CreateAccountRequest(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: Account
    def __init__(self, account: _Optional[_Union[Account, _Mapping]] = ...) -> None: ...

class CreateAccountResponse(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: Account
    def __init__(self, account: _Optional[_Union[Account, _Mapping]] = ...) -> None: ...

class GetAccountRequest(_message.Message):
    __slots__ = ("account_id",)
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    def __init__(self, account_id: _Optional[str] = ...) -> None: ...

class GetAccountResponse(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: Account
    def __init__(self, account: _Optional[_Union[Account, _Mapping]] = ...) -> None: ...

class ListAccountsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAccountsResponse(_message.Message):
    __slots__ = ("accounts", "next_page_token")
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    accounts: _containers.RepeatedCompositeFieldContainer[Account]
    next_page_token: str
    def __init__(self, accounts: _Optional[_Iterable[_Union[Account, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CreatePoolRequest(_message.Message):
    __slots__ = ("pool",)
    POOL_FIELD_NUMBER: _ClassVar[int]
    pool: Pool
    def __init__(self, pool: _Optional[_Union[Pool, _Mapping]] = ...) -> None: ...

class CreatePoolResponse(_message.Message):
    __slots__ = ("pool",)
    POOL_FIELD_NUMBER: _ClassVar[int]
    pool: Pool
    def __init__(self, pool: _Optional[_Union[Pool, _Mapping]] = ...) -> None: ...

class GetPoolRequest(_message.Message):
    __slots__ = ("account_id", "pool_id")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ...) -> None: ...

class GetPoolResponse(_message.Message):
    __slots__ = ("pool", "balance")
    POOL_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    pool: Pool
    balance: PoolBalance
    def __init__(self, pool: _Optional[_Union[Pool, _Mapping]] = ..., balance: _Optional[_Union[PoolBalance, _Mapping]] = ...) -> None: ...

class ListPoolsRequest(_message.Message):
    __slots__ = ("account_id", "page_size", "page_token")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    page_size: int
    page_token: str
    def __init__(self, account_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class PoolWithBalance(_message.Message):
    __slots__ = ("pool", "balance")
    POOL_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    pool: Pool
    balance: PoolBalance
    def __init__(self, pool: _Optional[_Union[Pool, _Mapping]] = ..., balance: _Optional[_Union[PoolBalance, _Mapping]] = ...) -> None: ...

class ListPoolsResponse(_message.Message):
    __slots__ = ("pools", "next_page_token")
    POOLS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    pools: _containers.RepeatedCompositeFieldContainer[PoolWithBalance]
    next_page_token: str
    def __init__(self, pools: _Optional[_Iterable[_Union[PoolWithBalance, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetBalanceTotalsRequest(_message.Message):
    __slots__ = ("account_id",)
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    def __init__(self, account_id: _Optional[str] = ...) -> None: ...

class BalanceTotals(_message.Message):
    __slots__ = ("currency", "currency_exponent", "pool_count", "account_count", "posted", "free", "leased", "overdraft", "allowance_leased", "overdraft_bound")
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_EXPONENT_FIELD_NUMBER: _ClassVar[int]
    POOL_COUNT_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_COUNT_FIELD_NUMBER: _ClassVar[int]
    POSTED_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    LEASED_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_LEASED_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_BOUND_FIELD_NUMBER: _ClassVar[int]
    currency: str
    currency_exponent: int
    pool_count: int
    account_count: int
    posted: int
    free: int
    leased: int
    overdraft: int
    allowance_leased: int
    overdraft_bound: int
    def __init__(self, currency: _Optional[str] = ..., currency_exponent: _Optional[int] = ..., pool_count: _Optional[int] = ..., account_count: _Optional[int] = ..., posted: _Optional[int] = ..., free: _Optional[int] = ..., leased: _Optional[int] = ..., overdraft: _Optional[int] = ..., allowance_leased: _Optional[int] = ..., overdraft_bound: _Optional[int] = ...) -> None: ...

class GetBalanceTotalsResponse(_message.Message):
    __slots__ = ("totals",)
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    totals: _containers.RepeatedCompositeFieldContainer[BalanceTotals]
    def __init__(self, totals: _Optional[_Iterable[_Union[BalanceTotals, _Mapping]]] = ...) -> None: ...

class CreateGrantRequest(_message.Message):
    __slots__ = ("grant",)
    GRANT_FIELD_NUMBER: _ClassVar[int]
    grant: Grant
    def __init__(self, grant: _Optional[_Union[Grant, _Mapping]] = ...) -> None: ...

class CreateGrantResponse(_message.Message):
    __slots__ = ("grant",)
    GRANT_FIELD_NUMBER: _ClassVar[int]
    grant: Grant
    def __init__(self, grant: _Optional[_Union[Grant, _Mapping]] = ...) -> None: ...

class GetGrantRequest(_message.Message):
    __slots__ = ("account_id", "pool_id", "grant_id")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    grant_id: str
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., grant_id: _Optional[str] = ...) -> None: ...

class GetGrantResponse(_message.Message):
    __slots__ = ("grant",)
    GRANT_FIELD_NUMBER: _ClassVar[int]
    grant: Grant
    def __init__(self, grant: _Optional[_Union[Grant, _Mapping]] = ...) -> None: ...

class VoidGrantRequest(_message.Message):
    __slots__ = ("account_id", "pool_id", "grant_id", "refunded_amount")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    grant_id: str
    refunded_amount: int
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., grant_id: _Optional[str] = ..., refunded_amount: _Optional[int] = ...) -> None: ...

class VoidGrantResponse(_message.Message):
    __slots__ = ("grant", "balance")
    GRANT_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    grant: Grant
    balance: PoolBalance
    def __init__(self, grant: _Optional[_Union[Grant, _Mapping]] = ..., balance: _Optional[_Union[PoolBalance, _Mapping]] = ...) -> None: ...

class CorrectDebitRequest(_message.Message):
    __slots__ = ("account_id", "pool_id", "operation_id", "correction_id", "amount")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    CORRECTION_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    operation_id: str
    correction_id: str
    amount: int
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., operation_id: _Optional[str] = ..., correction_id: _Optional[str] = ..., amount: _Optional[int] = ...) -> None: ...

class CorrectDebitResponse(_message.Message):
    __slots__ = ("correction", "balance")
    CORRECTION_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    correction: Correction
    balance: PoolBalance
    def __init__(self, correction: _Optional[_Union[Correction, _Mapping]] = ..., balance: _Optional[_Union[PoolBalance, _Mapping]] = ...) -> None: ...

class ListCorrectionsRequest(_message.Message):
    __slots__ = ("account_id", "page_size", "page_token")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    page_size: int
    page_token: str
    def __init__(self, account_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCorrectionsResponse(_message.Message):
    __slots__ = ("corrections", "next_page_token")
    CORRECTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    corrections: _containers.RepeatedCompositeFieldContainer[Correction]
    next_page_token: str
    def __init__(self, corrections: _Optional[_Iterable[_Union[Correction, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListGrantsRequest(_message.Message):
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

class ListGrantsResponse(_message.Message):
    __slots__ = ("grants", "next_page_token")
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    grants: _containers.RepeatedCompositeFieldContainer[Grant]
    next_page_token: str
    def __init__(self, grants: _Optional[_Iterable[_Union[Grant, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SetPolicyRequest(_message.Message):
    __slots__ = ("account_id", "pool_id", "policy")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    policy: _decision_pb2.Policy
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., policy: _Optional[_Union[_decision_pb2.Policy, _Mapping]] = ...) -> None: ...

class SetPolicyResponse(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: _decision_pb2.Policy
    def __init__(self, policy: _Optional[_Union[_decision_pb2.Policy, _Mapping]] = ...) -> None: ...

class GetPolicyRequest(_message.Message):
    __slots__ = ("account_id", "pool_id")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ...) -> None: ...

class GetPolicyResponse(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: _decision_pb2.Policy
    def __init__(self, policy: _Optional[_Union[_decision_pb2.Policy, _Mapping]] = ...) -> None: ...

class ListEntriesRequest(_message.Message):
    __slots__ = ("account_id", "pool_id", "page_size", "page_token", "operation_id", "newest_first", "entry_id")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    page_size: int
    page_token: str
    operation_id: str
    newest_first: bool
    entry_id: int
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., operation_id: _Optional[str] = ..., newest_first: _Optional[bool] = ..., entry_id: _Optional[int] = ...) -> None: ...

class ListEntriesResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Threshold(_message.Message):
    __slots__ = ("threshold_id", "amount", "share_bps", "crossed")
    THRESHOLD_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    SHARE_BPS_FIELD_NUMBER: _ClassVar[int]
    CROSSED_FIELD_NUMBER: _ClassVar[int]
    threshold_id: str
    amount: int
    share_bps: int
    crossed: bool
    def __init__(self, threshold_id: _Optional[str] = ..., amount: _Optional[int] = ..., share_bps: _Optional[int] = ..., crossed: _Optional[bool] = ...) -> None: ...

class TopUp(_message.Message):
    __slots__ = ("threshold", "amount", "cooldown_ms", "max_times", "period_ms")
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    COOLDOWN_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_TIMES_FIELD_NUMBER: _ClassVar[int]
    PERIOD_MS_FIELD_NUMBER: _ClassVar[int]
    threshold: int
    amount: int
    cooldown_ms: int
    max_times: int
    period_ms: int
    def __init__(self, threshold: _Optional[int] = ..., amount: _Optional[int] = ..., cooldown_ms: _Optional[int] = ..., max_times: _Optional[int] = ..., period_ms: _Optional[int] = ...) -> None: ...

class Alerts(_message.Message):
    __slots__ = ("thresholds", "top_up")
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    TOP_UP_FIELD_NUMBER: _ClassVar[int]
    thresholds: _containers.RepeatedCompositeFieldContainer[Threshold]
    top_up: TopUp
    def __init__(self, thresholds: _Optional[_Iterable[_Union[Threshold, _Mapping]]] = ..., top_up: _Optional[_Union[TopUp, _Mapping]] = ...) -> None: ...

class SetAlertsRequest(_message.Message):
    __slots__ = ("account_id", "pool_id", "alerts")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    ALERTS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    alerts: Alerts
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., alerts: _Optional[_Union[Alerts, _Mapping]] = ...) -> None: ...

class SetAlertsResponse(_message.Message):
    __slots__ = ("alerts",)
    ALERTS_FIELD_NUMBER: _ClassVar[int]
    alerts: Alerts
    def __init__(self, alerts: _Optional[_Union[Alerts, _Mapping]] = ...) -> None: ...

class GetAlertsRequest(_message.Message):
    __slots__ = ("account_id", "pool_id")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ...) -> None: ...

class GetAlertsResponse(_message.Message):
    __slots__ = ("alerts",)
    ALERTS_FIELD_NUMBER: _ClassVar[int]
    alerts: Alerts
    def __init__(self, alerts: _Optional[_Union[Alerts, _Mapping]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("event_id", "type", "account_id", "pool_id", "body", "created_at_unix_ms")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    type: str
    account_id: str
    pool_id: str
    body: str
    created_at_unix_ms: int
    def __init__(self, event_id: _Optional[str] = ..., type: _Optional[str] = ..., account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., body: _Optional[str] = ..., created_at_unix_ms: _Optional[int] = ...) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ("account_id", "page_size", "page_token")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    page_size: int
    page_token: str
    def __init__(self, account_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    next_page_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Webhook(_message.Message):
    __slots__ = ("webhook_id", "account_id", "url", "created_at_unix_ms")
    WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    webhook_id: str
    account_id: str
    url: str
    created_at_unix_ms: int
    def __init__(self, webhook_id: _Optional[str] = ..., account_id: _Optional[str] = ..., url: _Optional[str] = ..., created_at_unix_ms: _Optional[int] = ...) -> None: ...

class CreateWebhookRequest(_message.Message):
    __slots__ = ("webhook", "secret")
    WEBHOOK_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    webhook: Webhook
    secret: str
    def __init__(self, webhook: _Optional[_Union[Webhook, _Mapping]] = ..., secret: _Optional[str] = ...) -> None: ...

class CreateWebhookResponse(_message.Message):
    __slots__ = ("webhook", "secret")
    WEBHOOK_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    webhook: Webhook
    secret: str
    def __init__(self, webhook: _Optional[_Union[Webhook, _Mapping]] = ..., secret: _Optional[str] = ...) -> None: ...

class ListWebhooksRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListWebhooksResponse(_message.Message):
    __slots__ = ("webhooks", "next_page_token")
    WEBHOOKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    webhooks: _containers.RepeatedCompositeFieldContainer[Webhook]
    next_page_token: str
    def __init__(self, webhooks: _Optional[_Iterable[_Union[Webhook, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteWebhookRequest(_message.Message):
    __slots__ = ("webhook_id",)
    WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
    webhook_id: str
    def __init__(self, webhook_id: _Optional[str] = ...) -> None: ...

class DeleteWebhookResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Delivery(_message.Message):
    __slots__ = ("webhook_id", "event_id", "state", "attempt_count", "next_attempt_at_unix_ms", "last_error", "ended_at_unix_ms")
    WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    webhook_id: str
    event_id: str
    state: DeliveryState
    attempt_count: int
    next_attempt_at_unix_ms: int
    last_error: str
    ended_at_unix_ms: int
    def __init__(self, webhook_id: _Optional[str] = ..., event_id: _Optional[str] = ..., state: _Optional[_Union[DeliveryState, str]] = ..., attempt_count: _Optional[int] = ..., next_attempt_at_unix_ms: _Optional[int] = ..., last_error: _Optional[str] = ..., ended_at_unix_ms: _Optional[int] = ...) -> None: ...

class ListDeliveriesRequest(_message.Message):
    __slots__ = ("webhook_id", "state", "page_size", "page_token")
    WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    webhook_id: str
    state: DeliveryState
    page_size: int
    page_token: str
    def __init__(self, webhook_id: _Optional[str] = ..., state: _Optional[_Union[DeliveryState, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDeliveriesResponse(_message.Message):
    __slots__ = ("deliveries", "next_page_token")
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    deliveries: _containers.RepeatedCompositeFieldContainer[Delivery]
    next_page_token: str
    def __init__(self, deliveries: _Optional[_Iterable[_Union[Delivery, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RetryDeliveriesRequest(_message.Message):
    __slots__ = ("webhook_id", "event_id", "page_size", "page_token")
    WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    webhook_id: str
    event_id: str
    page_size: int
    page_token: str
    def __init__(self, webhook_id: _Optional[str] = ..., event_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class RetryDeliveriesResponse(_message.Message):
    __slots__ = ("retried_count", "next_page_token")
    RETRIED_COUNT_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    retried_count: int
    next_page_token: str
    def __init__(self, retried_count: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListSidecarsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSidecarsResponse(_message.Message):
    __slots__ = ("sidecars", "next_page_token")
    SIDECARS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sidecars: _containers.RepeatedCompositeFieldContainer[Sidecar]
    next_page_token: str
    def __init__(self, sidecars: _Optional[_Iterable[_Union[Sidecar, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListLeasesRequest(_message.Message):
    __slots__ = ("account_id", "pool_id", "sidecar_id", "page_size", "page_token")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    pool_id: str
    sidecar_id: str
    page_size: int
    page_token: str
    def __init__(self, account_id: _Optional[str] = ..., pool_id: _Optional[str] = ..., sidecar_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListLeasesResponse(_message.Message):
    __slots__ = ("leases", "next_page_token")
    LEASES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    leases: _containers.RepeatedCompositeFieldContainer[LeaseInfo]
    next_page_token: str
    def __init__(self, leases: _Optional[_Iterable[_Union[LeaseInfo, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ReplayResult(_message.Message):
    __slots__ = ("sidecar_id", "epoch", "sequence", "account_id", "operation_id", "amount", "outcome", "conflicting")
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CONFLICTING_FIELD_NUMBER: _ClassVar[int]
    sidecar_id: str
    epoch: int
    sequence: int
    account_id: str
    operation_id: str
    amount: int
    outcome: ReplayOutcome
    conflicting: bool
    def __init__(self, sidecar_id: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., account_id: _Optional[str] = ..., operation_id: _Optional[str] = ..., amount: _Optional[int] = ..., outcome: _Optional[_Union[ReplayOutcome, str]] = ..., conflicting: _Optional[bool] = ...) -> None: ...

class ReplayDebitsRequest(_message.Message):
    __slots__ = ("sidecar_id", "birth_epoch", "debits", "dry_run")
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    BIRTH_EPOCH_FIELD_NUMBER: _ClassVar[int]
    DEBITS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    sidecar_id: str
    birth_epoch: int
    debits: _containers.RepeatedCompositeFieldContainer[_ledger_sync_service_pb2.Debit]
    dry_run: bool
    def __init__(self, sidecar_id: _Optional[str] = ..., birth_epoch: _Optional[int] = ..., debits: _Optional[_Iterable[_Union[_ledger_sync_service_pb2.Debit, _Mapping]]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class ReplayDebitsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ReplayResult]
    def __init__(self, results: _Optional[_Iterable[_Union[ReplayResult, _Mapping]]] = ...) -> None: ...

class QuarantinedDebit(_message.Message):
    __slots__ = ("sidecar_id", "debit", "reason", "quarantined_at_unix_ms")
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    DEBIT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    sidecar_id: str
    debit: _ledger_sync_service_pb2.Debit
    reason: str
    quarantined_at_unix_ms: int
    def __init__(self, sidecar_id: _Optional[str] = ..., debit: _Optional[_Union[_ledger_sync_service_pb2.Debit, _Mapping]] = ..., reason: _Optional[str] = ..., quarantined_at_unix_ms: _Optional[int] = ...) -> None: ...

class ListQuarantinedDebitsRequest(_message.Message):
    __slots__ = ("account_id", "page_size", "page_token")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    page_size: int
    page_token: str
    def __init__(self, account_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListQuarantinedDebitsResponse(_message.Message):
    __slots__ = ("debits", "next_page_token")
    DEBITS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    debits: _containers.RepeatedCompositeFieldContainer[QuarantinedDebit]
    next_page_token: str
    def __init__(self, debits: _Optional[_Iterable[_Union[QuarantinedDebit, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ReplayQuarantinedDebitsRequest(_message.Message):
    __slots__ = ("account_id", "page_size", "page_token", "dry_run")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    page_size: int
    page_token: str
    dry_run: bool
    def __init__(self, account_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class ReplayQuarantinedDebitsResponse(_message.Message):
    __slots__ = ("results", "next_page_token")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ReplayResult]
    next_page_token: str
    def __init__(self, results: _Optional[_Iterable[_Union[ReplayResult, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DebitReference(_message.Message):
    __slots__ = ("sidecar_id", "epoch", "sequence", "pool_id", "amount")
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    sidecar_id: str
    epoch: int
    sequence: int
    pool_id: str
    amount: int
    def __init__(self, sidecar_id: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., pool_id: _Optional[str] = ..., amount: _Optional[int] = ...) -> None: ...

class DuplicateDebit(_message.Message):
    __slots__ = ("account_id", "operation_id", "posted", "duplicate", "received_at_unix_ms", "conflicting", "replayed")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    POSTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    CONFLICTING_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    operation_id: str
    posted: DebitReference
    duplicate: DebitReference
    received_at_unix_ms: int
    conflicting: bool
    replayed: bool
    def __init__(self, account_id: _Optional[str] = ..., operation_id: _Optional[str] = ..., posted: _Optional[_Union[DebitReference, _Mapping]] = ..., duplicate: _Optional[_Union[DebitReference, _Mapping]] = ..., received_at_unix_ms: _Optional[int] = ..., conflicting: _Optional[bool] = ..., replayed: _Optional[bool] = ...) -> None: ...

class ListDuplicateDebitsRequest(_message.Message):
    __slots__ = ("account_id", "conflicting_only", "page_size", "page_token")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CONFLICTING_ONLY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    conflicting_only: bool
    page_size: int
    page_token: str
    def __init__(self, account_id: _Optional[str] = ..., conflicting_only: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDuplicateDebitsResponse(_message.Message):
    __slots__ = ("duplicates", "next_page_token")
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    duplicates: _containers.RepeatedCompositeFieldContainer[DuplicateDebit]
    next_page_token: str
    def __init__(self, duplicates: _Optional[_Iterable[_Union[DuplicateDebit, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
