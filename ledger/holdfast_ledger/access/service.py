"""AccessService: credentials, the audit trail, and what the sidecars decided."""

from collections.abc import Callable

from holdfast.v1 import access_service_pb2 as api

from holdfast_ledger.access.caller import Role as CallerRole
from holdfast_ledger.access.caller import current_caller
from holdfast_ledger.access.tokens import SHOWN_CHARS, hash_of, new_token
from holdfast_ledger.errors import AlreadyExists, CredentialNotFound, InvalidArgument
from holdfast_ledger.governance.pages import Page
from holdfast_ledger.lookups import find_account
from holdfast_ledger.metering.decisions import Decisions
from holdfast_ledger.paging import page_limit, read_token, write_token
from holdfast_ledger.snapshots import Snapshots
from holdfast_ledger.store.access_rows import AuditRecord, Credential
from holdfast_ledger.store.interface import NEVER, Writer
from holdfast_ledger.validation import check_id, check_optional_id, check_range
from holdfast_ledger.writer import GroupWriter

MAX_CALLS_PER_S = 1_000_000


class AccessServicer:
    """The calls of `holdfast.v1.AccessService`, by name; each raises a `LedgerError`."""

    def __init__(
        self,
        snapshots: Snapshots,
        writer: GroupWriter,
        decisions: Decisions,
        now_ms: Callable[[], int],
        *,
        required: bool,
    ) -> None:
        self._snapshots = snapshots
        self._writer = writer
        self._decisions = decisions
        self._now_ms = now_ms
        self._required = required

    async def CreateCredential(self, request: api.CreateCredentialRequest) -> api.CreateCredentialResponse:
        """See the contract."""
        token = new_token()
        row = credential_row(request.credential, token, self._now_ms())

        def job(writer: Writer) -> None:
            add_credential(writer, row)

        await self._writer.run(job)
        return api.CreateCredentialResponse(credential=_message(row), token=token)

    async def ListCredentials(self, request: api.ListCredentialsRequest) -> api.ListCredentialsResponse:
        """See the contract."""
        page = Page.asked(request, "credentials")
        rows = await self._snapshots.read(lambda reader: reader.credentials(page.after, page.limit))
        shown, token = page.cut(rows, lambda row: row.credential_id)
        return api.ListCredentialsResponse(credentials=[_message(row) for row in shown], next_page_token=token)

    async def DeleteCredential(self, request: api.DeleteCredentialRequest) -> api.DeleteCredentialResponse:
        """See the contract."""
        check_id("credential_id", request.credential_id)

        def job(writer: Writer) -> None:
            if writer.credential(request.credential_id) is None:
                raise CredentialNotFound(f"there is no credential {request.credential_id}")
            writer.delete_credential(request.credential_id)

        await self._writer.run(job)
        return api.DeleteCredentialResponse()

    async def GetCaller(self, _: api.GetCallerRequest) -> api.GetCallerResponse:
        """See the contract."""
        answer = api.GetCallerResponse(credentials_required=self._required)
        credential_id = current_caller().credential_id
        if credential_id:
            row = await self._snapshots.read(lambda reader: reader.credential(credential_id))
            if row is not None:
                answer.credential.CopyFrom(_message(row))
        return answer

    async def ListAuditRecords(self, request: api.ListAuditRecordsRequest) -> api.ListAuditRecordsResponse:
        """See the contract."""
        account_id = request.account_id or current_caller().account_id
        check_optional_id("account_id", account_id)
        scope, limit = ("audit", account_id), page_limit(request.page_size)
        key = read_token(scope, request.page_token, [int])
        before = int(key[0]) if key else NEVER
        rows = await self._snapshots.read(lambda reader: reader.audit_records(account_id, before, limit + 1))
        token = write_token(scope, [rows[limit - 1].audit_key]) if len(rows) > limit else ""
        return api.ListAuditRecordsResponse(records=[_record(row) for row in rows[:limit]], next_page_token=token)

    async def ListDecisions(self, request: api.ListDecisionsRequest) -> api.ListDecisionsResponse:
        """See the contract."""
        scoped = current_caller().account_id
        account_id = request.account_id or scoped
        check_optional_id("account_id", account_id)
        heard = self._decisions.latest(account_id, request.denied_only, page_limit(request.page_size))
        answer = api.ListDecisionsResponse(decisions=heard)
        if not scoped:
            answer.sidecars.extend(self._decisions.sidecars())
        return answer


def credential_row(said: api.Credential, token: str, now_ms: int) -> Credential:
    """Checks a credential that is to be created. Raises `InvalidArgument`."""
    check_id("credential.credential_id", said.credential_id)
    check_optional_id("credential.account_id", said.account_id)
    check_range("credential.calls_per_s", said.calls_per_s, 0, MAX_CALLS_PER_S)
    if said.role not in (role.value for role in CallerRole):
        raise InvalidArgument("credential.role", "is not a role")
    if said.role == api.ROLE_ADMINISTRATOR and said.account_id:
        raise InvalidArgument("credential.account_id", "is set, and an administrator is of no account")
    end = token[-SHOWN_CHARS:]
    return Credential(said.credential_id, hash_of(token), end, said.role, said.account_id, said.calls_per_s, now_ms)


def add_credential(writer: Writer, row: Credential) -> None:
    """Adds a credential. Raises `AccountNotFound`, `AlreadyExists`."""
    if row.account_id:
        find_account(writer, row.account_id)
    if not writer.insert_credential(row):
        raise AlreadyExists("credential.credential_id", "is taken; its token is told once, so create another one")


def _message(row: Credential) -> api.Credential:
    return api.Credential(
        credential_id=row.credential_id,
        role=api.Role.Name(row.role),
        account_id=row.account_id,
        calls_per_s=row.calls_per_s,
        created_at_unix_ms=row.created_at_ms,
        token_end=row.token_end,
    )


def _record(row: AuditRecord) -> api.AuditRecord:
    return api.AuditRecord(
        audit_id=row.audit_key,
        called_at_unix_ms=row.called_at_ms,
        credential_id=row.credential_id,
        peer=row.peer,
        method=row.method,
        account_id=row.account_id,
        request_json=row.request_json,
        status_code=row.status_code,
        status_reason=row.status_reason,
    )
