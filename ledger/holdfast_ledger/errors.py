"""Every fault that the ledger answers with, as a type. `status` turns them into gRPC; nothing else does."""

from typing import ClassVar


class LedgerError(Exception):
    """Base of the faults; `metadata` goes into the ErrorInfo beside the reason."""

    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata


class InvalidArgument(LedgerError):
    """A field breaks its rule; `metadata["field"]` is its path."""

    reason: ClassVar[str] = "BAD_MESSAGE"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}", field=field)


class NotFound(LedgerError):
    """Something that a call names is not there; subclasses say what."""


class AccountNotFound(NotFound):
    """No such account."""

    reason: ClassVar[str] = "ACCOUNT_NOT_FOUND"


class PoolNotFound(NotFound):
    """The account has no such pool."""

    reason: ClassVar[str] = "POOL_NOT_FOUND"


class GrantNotFound(NotFound):
    """The pool has no such grant."""

    reason: ClassVar[str] = "GRANT_NOT_FOUND"


class DebitNotFound(NotFound):
    """No debit of this operation was posted to the pool."""

    reason: ClassVar[str] = "DEBIT_NOT_FOUND"


class WebhookNotFound(NotFound):
    """No such webhook."""

    reason: ClassVar[str] = "WEBHOOK_NOT_FOUND"


class DeliveryNotFound(NotFound):
    """The webhook was not to be told of such an event."""

    reason: ClassVar[str] = "DELIVERY_NOT_FOUND"


class SidecarNotFound(NotFound):
    """No sidecar of this id has ever said Hello."""

    reason: ClassVar[str] = "SIDECAR_NOT_FOUND"


class SubjectNotFound(NotFound):
    """The account has no such subject."""

    reason: ClassVar[str] = "SUBJECT_NOT_FOUND"


class BudgetNotFound(NotFound):
    """The account has no such budget."""

    reason: ClassVar[str] = "BUDGET_NOT_FOUND"


class RateLimitNotFound(NotFound):
    """The account has no such rate limit."""

    reason: ClassVar[str] = "RATE_LIMIT_NOT_FOUND"


class ConcurrencyLimitNotFound(NotFound):
    """The account has no such concurrency limit."""

    reason: ClassVar[str] = "CONCURRENCY_LIMIT_NOT_FOUND"


class PlanNotFound(NotFound):
    """No such plan."""

    reason: ClassVar[str] = "PLAN_NOT_FOUND"


class RateCardNotFound(NotFound):
    """No such rate card."""

    reason: ClassVar[str] = "RATE_CARD_NOT_FOUND"


class InUse(LedgerError):
    """Something cannot be deleted, since something else needs it; subclasses say what."""


class SubjectInUse(InUse):
    """The subject has subjects below it, budgets or limits."""

    reason: ClassVar[str] = "SUBJECT_IN_USE"


class BudgetInUse(InUse):
    """Another budget is a share of it."""

    reason: ClassVar[str] = "BUDGET_IN_USE"


class PlanInUse(InUse):
    """An account has the plan."""

    reason: ClassVar[str] = "PLAN_IN_USE"


class RateCardInUse(InUse):
    """An account has the rate card."""

    reason: ClassVar[str] = "RATE_CARD_IN_USE"


class PeriodNotOver(LedgerError):
    """A month cannot be closed yet."""

    reason: ClassVar[str] = "PERIOD_NOT_OVER"


class FigureTooLarge(LedgerError):
    """A figure of the books does not fit the 64 bits of the contract."""

    reason: ClassVar[str] = "OUT_OF_RANGE"


class AlreadyExists(LedgerError):
    """The id is taken by other content; `metadata["field"]` is the first field that differs."""

    reason: ClassVar[str] = "ALREADY_EXISTS"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}", field=field)


class Fenced(LedgerError):
    """Another life of the sidecar has taken over. Final: never retried."""

    reason: ClassVar[str] = "FENCED"


class Replaced(LedgerError):
    """A younger stream of the same epoch has taken over."""

    reason: ClassVar[str] = "REPLACED"


class SequenceGap(LedgerError):
    """A debit lies beyond the next sequence; nothing of its window is posted."""

    reason: ClassVar[str] = "SEQUENCE_GAP"


class LedgerBehind(LedgerError):
    """The ledger has lost what it once acked, and the sidecar sends only what follows it."""

    reason: ClassVar[str] = "LEDGER_BEHIND"


class RightsUnknown(LedgerError):
    """The sidecar has rights that this ledger never gave: it was restored from an older backup and does not know."""

    reason: ClassVar[str] = "RIGHTS_UNKNOWN"


class WindowExceeded(LedgerError):
    """A sidecar sent more unacked debits than its window allows."""

    reason: ClassVar[str] = "WINDOW_EXCEEDED"


class Unauthenticated(LedgerError):
    """No credential was sent where one is required, or none has this token."""

    reason: ClassVar[str] = "UNAUTHENTICATED"


class PermissionDenied(LedgerError):
    """The credential may not do this, or not of this account; whether the account is there is not told."""

    reason: ClassVar[str] = "PERMISSION_DENIED"


class RateLimited(LedgerError):
    """The credential makes too many calls; `metadata["retry_after_ms"]` says when it may call again."""

    reason: ClassVar[str] = "RATE_LIMITED"

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__(f"too many calls; the next one in {retry_after_ms} ms", retry_after_ms=str(retry_after_ms))


class LedgerBusy(LedgerError):
    """More events wait to be counted than are kept; `metadata["retry_after_ms"]` says when to come again."""

    reason: ClassVar[str] = "LEDGER_BUSY"

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__("too many events wait to be counted", retry_after_ms=str(retry_after_ms))


class MeterNotFound(NotFound):
    """No such meter."""

    reason: ClassVar[str] = "METER_NOT_FOUND"


class CredentialNotFound(NotFound):
    """No such credential."""

    reason: ClassVar[str] = "CREDENTIAL_NOT_FOUND"


class QuestionTooLarge(LedgerError):
    """A question about usage has too many groups, or needs more memory than it may have."""

    reason: ClassVar[str] = "QUESTION_TOO_LARGE"


class QuestionTimeout(LedgerError):
    """A question about usage took longer than it may."""

    reason: ClassVar[str] = "QUESTION_TIMEOUT"


class ServedBySidecar(LedgerError):
    """Sidecars serve this call, the ledger does not."""

    reason: ClassVar[str] = "SERVED_BY_SIDECAR"


class Unavailable(LedgerError):
    """The ledger cannot do it now; what became of the request is unknown until it is repeated."""

    reason: ClassVar[str] = "UNAVAILABLE"


class ShuttingDown(Unavailable):
    """This replica stops; another connection will be served."""

    reason: ClassVar[str] = "SHUTTING_DOWN"
