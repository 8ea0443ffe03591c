"""Rules, calendars and rate cards between the messages of `holdfast.v1` and the engine's values, checked on the way in.

Upstream of the engine twice: the uplink gets these messages from the ledger, the store keeps them as they came. A rule
that is not complete and known is refused, since a cap that is half understood is none.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from sys import intern
from typing import TypeVar, cast

from holdfast.v1 import decision_pb2
from holdfast.v1 import ledger_sync_service_pb2 as pb
from holdfast_rating.meters import Meter

from holdfast_sidecar.engine.rules import (
    AccountTerms,
    BudgetAction,
    BudgetRule,
    Calendar,
    ConcurrencyLimitRule,
    Dimensions,
    FeatureValue,
    RateCardContent,
    RateLimitRule,
    RateUnit,
    SubjectRules,
)

ID_MAX_BYTES = 128
CALENDAR_ID_MAX_BYTES = 256
CALENDAR_MIN_STARTS = 2
"""The present period's, and the one at which it ends."""

_FIRST_PRINTABLE = " "
_METERS = frozenset(map(str, Meter))
# The engine's numbers are those of the protos; these tables give them the messages' types.
_ACTIONS = cast("tuple[pb.BudgetAction, ...]", tuple(pb.BudgetAction.values()))
_UNITS = cast("tuple[pb.RateUnit, ...]", tuple(pb.RateUnit.values()))
M = TypeVar("M")
V = TypeVar("V")


class BadRule(Exception):
    """What the contract rules out, or this version does not know; the message says what."""


# ── messages to values ──────────────────────────────────────────────────────────────────────────────────────────────


def subject_rules(message: pb.SubjectRules) -> SubjectRules:
    """Returns a node. Raises `BadRule` where anything of it is not complete and known."""
    subject = message.subject
    if subject and message.HasField("account"):
        raise BadRule("it is not the account's own node and has an account's terms")
    return SubjectRules(
        account_id=intern(_id("account_id", message.account_id)),
        subject=subject,
        version=message.version,
        has_children=message.has_children,
        budgets=_each(message.budgets, _budget, "budget", lambda rule: rule.budget_id),
        rate_limits=_each(message.rate_limits, _rate_limit, "rate limit", lambda rule: rule.limit_id),
        concurrency_limits=_each(
            message.concurrency_limits, _concurrency_limit, "concurrency limit", lambda rule: rule.limit_id
        ),
        # Terms that are all at their defaults may be left out.
        account=None if subject else _terms(message.account),
    )


def calendar(message: pb.Calendar) -> Calendar:
    """Returns a calendar. Raises `BadRule` if its starts do not make at least one period."""
    calendar_id = intern(_id("calendar_id", message.calendar_id, CALENDAR_ID_MAX_BYTES))
    starts = tuple(message.starts_unix_ms)
    if len(starts) < CALENDAR_MIN_STARTS:
        raise BadRule(f"calendar {calendar_id!r} has {len(starts)} starts, at least {CALENDAR_MIN_STARTS} are needed")
    if any(start >= following for start, following in pairwise(starts)):
        raise BadRule(f"the starts of calendar {calendar_id!r} are not ascending")
    return Calendar(calendar_id, starts)


def rate_card(message: pb.RateCardContent) -> RateCardContent:
    """Returns a rate card, its content as it is. Raises `BadRule` if it has none."""
    rate_card_id = intern(_id("rate_card_id", message.rate_card_id))
    if not message.content:
        raise BadRule(f"rate card {rate_card_id!r} is empty")
    return RateCardContent(rate_card_id, message.revision, message.content)


def _each(messages: Iterable[M], read: Callable[[M], V], kind: str, id_of: Callable[[V], str]) -> tuple[V, ...]:
    values = tuple(map(read, messages))
    if len(values) != len({id_of(value) for value in values}):
        raise BadRule(f"a {kind} is there twice")
    return values


def _budget(message: pb.BudgetRule) -> BudgetRule:
    budget_id = _id("budget_id", message.budget_id)
    name = f"budget {budget_id!r}"
    try:
        action = BudgetAction(message.action)
    except ValueError:
        raise BadRule(f"{name}: action {message.action} is not known") from None
    _at_least(name, "limit_amount", message.limit_amount, 0)
    _at_least(name, "rolling_ms", message.rolling_ms, 0)
    if bool(message.calendar_id) == bool(message.rolling_ms):
        raise BadRule(f"{name}: exactly one of calendar_id and rolling_ms must be set")
    if not message.currency:
        raise BadRule(f"{name}: currency is empty")
    return BudgetRule(
        budget_id=budget_id,
        action=action,
        shadow=message.shadow,
        limit_amount=message.limit_amount,
        currency=intern(message.currency),
        pool_id=intern(message.pool_id),
        match=_dimensions(message.match),
        calendar_id=intern(message.calendar_id),
        rolling_ms=message.rolling_ms,
    )


def _rate_limit(message: pb.RateLimitRule) -> RateLimitRule:
    limit_id = _id("limit_id", message.limit_id)
    name = f"rate limit {limit_id!r}"
    try:
        unit = RateUnit(message.unit)
    except ValueError:
        raise BadRule(f"{name}: unit {message.unit} is not known") from None
    meters = tuple(map(intern, message.meters))
    if bool(meters) != (unit is RateUnit.QUANTITY):
        raise BadRule(f"{name}: meters go with QUANTITY, and with it alone")
    for meter in meters:
        if meter not in _METERS:
            raise BadRule(f"{name}: meter {meter!r} is not known")
    for field in ("amount", "per_ms", "burst"):
        _at_least(name, field, getattr(message, field), 1)
    return RateLimitRule(
        limit_id=limit_id,
        unit=unit,
        meters=meters,
        amount=message.amount,
        per_ms=message.per_ms,
        burst=message.burst,
        shared=message.shared,
        shadow=message.shadow,
        match=_dimensions(message.match),
    )


def _concurrency_limit(message: pb.ConcurrencyLimitRule) -> ConcurrencyLimitRule:
    limit_id = _id("limit_id", message.limit_id)
    _at_least(f"concurrency limit {limit_id!r}", "max_count", message.max_count, 1)
    return ConcurrencyLimitRule(
        limit_id=limit_id,
        max_count=message.max_count,
        shared=message.shared,
        shadow=message.shadow,
        match=_dimensions(message.match),
    )


def _terms(message: pb.AccountTerms) -> AccountTerms:
    return AccountTerms(
        deny_unknown_subject=message.deny_unknown_subject,
        rate_card_id=intern(_id("rate_card_id", message.rate_card_id)) if message.rate_card_id else "",
        rate_card_revision=message.rate_card_revision,
        features=tuple(sorted((intern(name), _feature(name, value)) for name, value in message.features.items())),
        shadow_features=message.shadow_features,
    )


def _feature(name: str, message: decision_pb2.FeatureValue) -> FeatureValue:
    match message.WhichOneof("value"):
        case "enabled":
            return message.enabled
        case "maximum":
            _at_least(f"feature {name!r}", "maximum", message.maximum, 0)
            return message.maximum
        case "choices" if message.choices.values:
            return tuple(message.choices.values)
    raise BadRule(f"feature {name!r} has no known value")


def _id(field: str, text: str, max_bytes: int = ID_MAX_BYTES) -> str:
    if not text or len(text.encode()) > max_bytes or min(text) < _FIRST_PRINTABLE:
        raise BadRule(f"{field} {text!r} must be 1..{max_bytes} bytes without control characters")
    return text


def _at_least(name: str, field: str, number: int, minimum: int) -> None:
    if number < minimum:
        raise BadRule(f"{name}: {field} is {number}, must be at least {minimum}")


def _dimensions(entries: Mapping[str, str]) -> Dimensions:
    return tuple(sorted(entries.items())) if entries else ()


# ── values to messages ──────────────────────────────────────────────────────────────────────────────────────────────


def subject_rules_message(rules: SubjectRules) -> pb.SubjectRules:
    """Returns the message of which `subject_rules` makes the same value."""
    message = pb.SubjectRules(
        account_id=rules.account_id,
        subject=rules.subject,
        version=rules.version,
        has_children=rules.has_children,
        budgets=map(_budget_message, rules.budgets),
        rate_limits=map(_rate_limit_message, rules.rate_limits),
        concurrency_limits=map(_concurrency_limit_message, rules.concurrency_limits),
    )
    if rules.account is not None:
        message.account.CopyFrom(_terms_message(rules.account))
    return message


def calendar_message(value: Calendar) -> pb.Calendar:
    """Returns the message of a calendar."""
    return pb.Calendar(calendar_id=value.calendar_id, starts_unix_ms=value.starts_unix_ms)


def rate_card_message(card: RateCardContent) -> pb.RateCardContent:
    """Returns the message of a rate card."""
    return pb.RateCardContent(rate_card_id=card.rate_card_id, revision=card.revision, content=card.content)


def feature_value_message(value: FeatureValue) -> decision_pb2.FeatureValue:
    """Returns the message of what a plan has of a feature."""
    if isinstance(value, bool):  # before int, which a bool is too
        return decision_pb2.FeatureValue(enabled=value)
    if isinstance(value, int):
        return decision_pb2.FeatureValue(maximum=value)
    return decision_pb2.FeatureValue(choices=decision_pb2.FeatureChoices(values=value))


def _budget_message(rule: BudgetRule) -> pb.BudgetRule:
    return pb.BudgetRule(
        budget_id=rule.budget_id,
        action=_ACTIONS[rule.action],
        shadow=rule.shadow,
        limit_amount=rule.limit_amount,
        currency=rule.currency,
        pool_id=rule.pool_id,
        match=dict(rule.match),
        calendar_id=rule.calendar_id,
        rolling_ms=rule.rolling_ms,
    )


def _rate_limit_message(rule: RateLimitRule) -> pb.RateLimitRule:
    return pb.RateLimitRule(
        limit_id=rule.limit_id,
        unit=_UNITS[rule.unit],
        meters=rule.meters,
        amount=rule.amount,
        per_ms=rule.per_ms,
        burst=rule.burst,
        shared=rule.shared,
        shadow=rule.shadow,
        match=dict(rule.match),
    )


def _concurrency_limit_message(rule: ConcurrencyLimitRule) -> pb.ConcurrencyLimitRule:
    return pb.ConcurrencyLimitRule(
        limit_id=rule.limit_id,
        max_count=rule.max_count,
        shared=rule.shared,
        shadow=rule.shadow,
        match=dict(rule.match),
    )


def _terms_message(terms: AccountTerms) -> pb.AccountTerms:
    return pb.AccountTerms(
        deny_unknown_subject=terms.deny_unknown_subject,
        rate_card_id=terms.rate_card_id,
        rate_card_revision=terms.rate_card_revision,
        features={name: feature_value_message(value) for name, value in terms.features},
        shadow_features=terms.shadow_features,
    )
