"""What a subject may do, as the ledger tells it: plain values, fields as in `holdfast.v1.SubjectRules`.

Upstream: the uplink, which has checked that each is complete and known; downstream: `governance`, which makes limits
of them, and the store, which keeps them for the next start.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from holdfast_rating.rates import Rates

Dimensions: TypeAlias = tuple[tuple[str, str], ...]
"""Keys and values, sorted by key."""
Quantities: TypeAlias = tuple[tuple[str, int], ...]
"""What was used, by meter, sorted by meter."""


class BudgetAction(IntEnum):
    """As in `holdfast.v1.BudgetAction`."""

    HARD = 1
    SOFT = 2
    THROTTLE = 3


class RateUnit(IntEnum):
    """As in `holdfast.v1.RateUnit`."""

    REQUESTS = 1
    AMOUNT = 2
    QUANTITY = 3


FeatureValue: TypeAlias = bool | int | tuple[str, ...]
"""Whether a feature may be used, how much of it at a time, or which choices of it."""


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """A cap for a period; `calendar_id` "" is a rolling one of `rolling_ms`."""

    budget_id: str
    action: BudgetAction
    shadow: bool
    limit_amount: int
    currency: str
    pool_id: str
    match: Dimensions
    calendar_id: str
    rolling_ms: int


@dataclass(frozen=True, slots=True)
class RateLimitRule:
    """A rate of `amount` for each `per_ms`, `burst` at once."""

    limit_id: str
    unit: RateUnit
    meters: tuple[str, ...]
    amount: int
    per_ms: int
    burst: int
    shared: bool
    shadow: bool
    match: Dimensions


@dataclass(frozen=True, slots=True)
class ConcurrencyLimitRule:
    """Holds at a time."""

    limit_id: str
    max_count: int
    shared: bool
    shadow: bool
    match: Dimensions


@dataclass(frozen=True, slots=True)
class AccountTerms:
    """What holds for a whole account; `features` sorted by name."""

    deny_unknown_subject: bool = False
    rate_card_id: str = ""
    rate_card_revision: int = 0
    features: tuple[tuple[str, FeatureValue], ...] = ()
    shadow_features: bool = False


@dataclass(frozen=True, slots=True)
class SubjectRules:
    """One node of an account's tree; `account` is set of the account's own node, whose `subject` is empty."""

    account_id: str
    subject: str
    version: int
    has_children: bool
    budgets: tuple[BudgetRule, ...] = ()
    rate_limits: tuple[RateLimitRule, ...] = ()
    concurrency_limits: tuple[ConcurrencyLimitRule, ...] = ()
    account: AccountTerms | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """Starts of consecutive periods, Unix time in milliseconds, ascending; at least two."""

    calendar_id: str
    starts_unix_ms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RateCardContent:
    """A rate card as JSON, compressed with zlib."""

    rate_card_id: str
    revision: int
    content: bytes
    rates: Rates | None = field(default=None, compare=False, repr=False)
    """The same, ready for look-ups, where it came from another thread than the one that decides: see `cards.read`."""
