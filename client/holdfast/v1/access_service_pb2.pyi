from holdfast.v1 import ingest_service_pb2 as _ingest_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_READER: _ClassVar[Role]
    ROLE_REPORTER: _ClassVar[Role]
    ROLE_OPERATOR: _ClassVar[Role]
    ROLE_ADMINISTRATOR: _ClassVar[Role]
ROLE_UNSPECIFIED: Role
ROLE_READER: Role
ROLE_REPORTER: Role
ROLE_OPERATOR: Role
ROLE_ADMINISTRATOR: Role

class Credential(_message.Message):
    __slots__ = ("credential_id", "role", "account_id", "calls_per_s", "created_at_unix_ms", "token_end")
    CREDENTIAL_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CALLS_PER_S_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_END_FIELD_NUMBER: _ClassVar[int]
    credential_id: str
    role: Role
    account_id: str
    calls_per_s: int
    created_at_unix_ms: int
    token_end: str
    def __init__(self, credential_id: _Optional[str] = ..., role: _Optional[_Union[Role, str]] = ..., account_id: _Optional[str] = ..., calls_per_s: _Optional[int] = ..., created_at_unix_ms: _Optional[int] = ..., token_end: _Optional[str] = ...) -> None: ...

class CreateCredentialRequest(_message.Message):
    __slots__ = ("credential",)
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    credential: Credential
    def __init__(self, credential: _Optional[_Union[Credential, _Mapping]] = ...) -> None: ...

class CreateCredentialResponse(_message.Message):
    __slots__ = ("credential", "token")
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    credential: Credential
    token: str
    def __init__(self, credential: _Optional[_Union[Credential, _Mapping]] = ..., token: _Optional[str] = ...) -> None: ...

class ListCredentialsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCredentialsResponse(_message.Message):
    __slots__ = ("credentials", "next_page_token")
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    credentials: _containers.RepeatedCompositeFieldContainer[Credential]
    next_page_token: str
    def __init__(self, credentials: _Optional[_Iterable[_Union[Credential, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteCredentialRequest(_message.Message):
    __slots__ = ("credential_id",)
    CREDENTIAL_ID_FIELD_NUMBER: _ClassVar[int]
    credential_id: str
    def __init__(self, credential_id: _Optional[str] = ...) -> None: ...

class DeleteCredentialResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCallerRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCallerResponse(_message.Message):
    __slots__ = ("credential", "credentials_required")
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    credential: Credential
    credentials_required: bool
    def __init__(self, credential: _Optional[_Union[Credential, _Mapping]] = ..., credentials_required: _Optional[bool] = ...) -> None: ...

class ListAuditRecordsRequest(_message.Message):
    __slots__ = ("account_id", "page_size", "page_token")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    page_size: int
    page_token: str
    def __init__(self, account_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class AuditRecord(_message.Message):
    __slots__ = ("audit_id", "called_at_unix_ms", "credential_id", "peer", "method", "account_id", "request_json", "status_code", "status_reason")
    AUDIT_ID_FIELD_NUMBER: _ClassVar[int]
    CALLED_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_ID_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_JSON_FIELD_NUMBER: _ClassVar[int]
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    STATUS_REASON_FIELD_NUMBER: _ClassVar[int]
    audit_id: int
    called_at_unix_ms: int
    credential_id: str
    peer: str
    method: str
    account_id: str
    request_json: str
    status_code: int
    status_reason: str
    def __init__(self, audit_id: _Optional[int] = ..., called_at_unix_ms: _Optional[int] = ..., credential_id: _Optional[str] = ..., peer: _Optional[str] = ..., method: _Optional[str] = ..., account_id: _Optional[str] = ..., request_json: _Optional[str] = ..., status_code: _Optional[int] = ..., status_reason: _Optional[str] = ...) -> None: ...

class ListAuditRecordsResponse(_message.Message):
    __slots__ = ("records", "next_page_token")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[AuditRecord]
    next_page_token: str
    def __init__(self, records: _Optional[_Iterable[_Union[AuditRecord, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListDecisionsRequest(_message.Message):
    __slots__ = ("account_id", "denied_only", "page_size")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    DENIED_ONLY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    denied_only: bool
    page_size: int
    def __init__(self, account_id: _Optional[str] = ..., denied_only: _Optional[bool] = ..., page_size: _Optional[int] = ...) -> None: ...

class HeardDecision(_message.Message):
    __slots__ = ("sidecar_id", "decision")
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    sidecar_id: str
    decision: _ingest_service_pb2.DecisionRecord
    def __init__(self, sidecar_id: _Optional[str] = ..., decision: _Optional[_Union[_ingest_service_pb2.DecisionRecord, _Mapping]] = ...) -> None: ...

class SidecarDecisions(_message.Message):
    __slots__ = ("sidecar_id", "counts", "told_at_unix_ms")
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    TOLD_AT_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    sidecar_id: str
    counts: _containers.RepeatedCompositeFieldContainer[_ingest_service_pb2.DecisionCount]
    told_at_unix_ms: int
    def __init__(self, sidecar_id: _Optional[str] = ..., counts: _Optional[_Iterable[_Union[_ingest_service_pb2.DecisionCount, _Mapping]]] = ..., told_at_unix_ms: _Optional[int] = ...) -> None: ...

class ListDecisionsResponse(_message.Message):
    __slots__ = ("decisions", "sidecars")
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    SIDECARS_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[HeardDecision]
    sidecars: _containers.RepeatedCompositeFieldContainer[SidecarDecisions]
    def __init__(self, decisions: _Optional[_Iterable[_Union[HeardDecision, _Mapping]]] = ..., sidecars: _Optional[_Iterable[_Union[SidecarDecisions, _Mapping]]] = ...) -> None: ...
