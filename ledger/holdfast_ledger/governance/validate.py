"""What rules may be, each by itself: reads them from messages, or says which field is wrong.

What depends on what else is there, subjects, pools and other budgets, is left to the jobs.
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import governance_service_pb2 as api
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast_rating import card_files
from holdfast_rating.cards import InvalidRateCard
from holdfast_rating.meters import Meter

from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.governance.periods import DAY_MS, LATEST_MS
from holdfast_ledger.governance.zones import zone_names
from holdfast_ledger.rules import MAX_BPS, MAX_DISPLAY_NAME_BYTES, metadata
from holdfast_ledger.store.interface import MAX_AMOUNT
from holdfast_ledger.store.rule_rows import AccountRules, Budget, ConcurrencyLimit, Plan, RateCard, RateLimit, Subject
from holdfast_ledger.validation import check_currency, check_id, check_optional_id, check_range, check_text

MAX_SET = 1_000
"""Rules of one call, as the contract says."""

MAX_FEATURES = 1_000
MAX_FEATURES_BYTES = 262_144
"""Of all features of an account or a plan together: a sidecar is told them of each of its accounts."""

MAX_CHOICES, MAX_CHOICE_BYTES = 64, 128
MAX_ALERTS = 16
MAX_CARD_BYTES = 16 * 1024 * 1024
MIN_ROLLING_MS, MAX_ROLLING_MS = 60_000, 366 * DAY_MS

Said = TypeVar("Said")
Row = TypeVar("Row", Subject, Budget, RateLimit, ConcurrencyLimit)


def each(field: str, said: Sequence[Said], read: Callable[[str, Said], Row], name: str) -> list[Row]:
    """Reads a list of what is named, each name once.

    Args:
        field: Its path.
        said: The messages.
        read: Reads one, with its path; the name is the second value of its row.
        name: Path of the name within a message.

    Raises:
        InvalidArgument: the field that is wrong.
    """
    check_range(field, len(said), 1, MAX_SET)
    rows = [read(f"{field}[{place}]", one) for place, one in enumerate(said)]
    names = set[object]()
    for place, row in enumerate(rows):
        if row[1] in names:
            raise InvalidArgument(f"{field}[{place}].{name}", f"{row[1]} is there twice")
        names.add(row[1])
    return rows


def check_path(field: str, path: str) -> None:
    """A subject's path: 1..128 bytes, no level of it empty, "." or ".."."""
    check_id(field, path)
    for level in path.split("/"):
        if level in ("", ".", ".."):
            raise InvalidArgument(field, f"has the level {level!r}")


def parents_of(path: str) -> list[str]:
    """Returns the paths of all that is above a subject, the account ("") first."""
    return ["", *(path[:place] for place, sign in enumerate(path) if sign == "/")] if path else []


def subject(field: str, said: api.Subject) -> Subject:
    """Reads a subject. Raises `InvalidArgument`."""
    check_path(f"{field}.subject", said.subject)
    check_text(f"{field}.display_name", said.display_name, MAX_DISPLAY_NAME_BYTES)
    return Subject(0, said.subject, said.display_name)


def account_rules(said: api.AccountRules) -> AccountRules:
    """Reads what holds for an account. Raises `InvalidArgument`."""
    if said.time_zone and said.time_zone not in zone_names():
        raise InvalidArgument("rules.time_zone", "is not the IANA name of a time zone that is known")
    check_optional_id("rules.plan_id", said.plan_id)
    check_optional_id("rules.rate_card_id", said.rate_card_id)
    return AccountRules(
        0,
        said.time_zone or "UTC",
        int(said.deny_unknown_subject),
        said.plan_id or None,
        features("rules.features", said.features),
        said.rate_card_id or None,
        int(said.shadow_features),
    )


def plan(said: api.Plan) -> Plan:
    """Reads a plan. Raises `InvalidArgument`."""
    check_id("plan.plan_id", said.plan_id)
    check_text("plan.display_name", said.display_name, MAX_DISPLAY_NAME_BYTES)
    return Plan(said.plan_id, said.display_name, features("plan.features", said.features))


def features(field: str, said: Mapping[str, decision.FeatureValue]) -> str:
    """Reads features, as they are stored. Raises `InvalidArgument`."""
    check_range(field, len(said), 0, MAX_FEATURES)
    values = {name: _feature(field, name, value) for name, value in sorted(said.items())}
    text = json.dumps(values, ensure_ascii=False, sort_keys=True)
    if len(text.encode()) > MAX_FEATURES_BYTES:
        raise InvalidArgument(field, f"are larger than {MAX_FEATURES_BYTES} bytes")
    return text


def _feature(field: str, name: str, said: decision.FeatureValue) -> bool | int | list[str]:
    check_id(field, name)
    path = f"{field}[{name!r}]"
    match said.WhichOneof("value"):
        case "enabled":
            return said.enabled
        case "maximum":
            check_range(f"{path}.maximum", said.maximum, 0, MAX_AMOUNT)
            return said.maximum
        case "choices":
            return _choices(f"{path}.choices.values", said.choices.values)
        case _:
            raise InvalidArgument(path, "has no value")


def _choices(field: str, said: Sequence[str]) -> list[str]:
    check_range(field, len(said), 1, MAX_CHOICES)
    for place, value in enumerate(said):
        check_text(f"{field}[{place}]", value, MAX_CHOICE_BYTES)
        if not value:
            raise InvalidArgument(f"{field}[{place}]", "is empty")
        if value in said[:place]:
            raise InvalidArgument(f"{field}[{place}]", f"{value} is there twice")
    return list(said)


def rate_card(said: api.RateCard) -> RateCard:
    """Reads a rate card; its revision is left to the job. Raises `InvalidArgument`. Takes long for a large one."""
    check_id("rate_card.rate_card_id", said.rate_card_id)
    content = said.content.encode()
    check_range("rate_card.content", len(content), 1, MAX_CARD_BYTES)
    try:
        card_files.parse(said.content, is_toml=False)
    except InvalidRateCard as fault:
        path = "" if fault.field == "file" else f".{fault.field}"
        raise InvalidArgument(f"rate_card.content{path}", str(fault).removeprefix(f"{fault.field}: ")) from fault
    return RateCard(said.rate_card_id, 0, 1, zlib.compress(content))


def budget(field: str, said: api.Budget) -> Budget:
    """Reads a budget. Raises `InvalidArgument`."""
    check_id(f"{field}.budget_id", said.budget_id)
    _check_subject(f"{field}.subject", said.subject)
    check_currency(f"{field}.currency", said.currency)
    check_optional_id(f"{field}.pool_id", said.pool_id)
    _check_limit(field, said)
    _check_period(f"{field}.period", said.period)
    _check_action(field, said)
    return Budget(
        account_key=0,
        budget_id=said.budget_id,
        subject=said.subject,
        action=said.action or wire.BUDGET_ACTION_HARD,
        shadow=int(said.shadow),
        limit_amount=said.limit_amount,
        share_bps=said.share_bps,
        share_of_budget_id=said.share_of_budget_id,
        currency=said.currency,
        pool_id=said.pool_id,
        match=metadata(f"{field}.match", said.match),
        period_unit=said.period.unit,
        anchor_ms=said.period.anchor_unix_ms,
        rolling_ms=said.period.rolling_ms,
        alert_bps=json.dumps(list(said.alert_bps)),
    )


def _check_subject(field: str, path: str) -> None:
    if path:
        check_path(field, path)


def _check_limit(field: str, said: api.Budget) -> None:
    check_range(f"{field}.limit_amount", said.limit_amount, 0, MAX_AMOUNT)
    check_range(f"{field}.share_bps", said.share_bps, 0, MAX_BPS)
    check_optional_id(f"{field}.share_of_budget_id", said.share_of_budget_id)
    if said.share_bps and said.limit_amount:
        raise InvalidArgument(f"{field}.share_bps", "excludes limit_amount")
    if said.share_bps and not said.share_of_budget_id:
        raise InvalidArgument(f"{field}.share_of_budget_id", "is empty, but goes with share_bps")
    if said.share_of_budget_id and not said.share_bps:
        raise InvalidArgument(f"{field}.share_bps", "is 0, but goes with share_of_budget_id")


def _check_period(field: str, said: api.Period) -> None:
    if not said.unit or said.unit not in api.PeriodUnit.values():
        raise InvalidArgument(f"{field}.unit", f"{said.unit} is not known")
    if said.unit == api.PERIOD_UNIT_ROLLING:
        check_range(f"{field}.rolling_ms", said.rolling_ms, MIN_ROLLING_MS, MAX_ROLLING_MS)
        if said.anchor_unix_ms:
            raise InvalidArgument(f"{field}.anchor_unix_ms", "does not go with ROLLING")
        return
    check_range(f"{field}.anchor_unix_ms", said.anchor_unix_ms, 0, LATEST_MS)
    if said.rolling_ms:
        raise InvalidArgument(f"{field}.rolling_ms", "goes with ROLLING only")


def _check_action(field: str, said: api.Budget) -> None:
    if said.action not in wire.BudgetAction.values():
        raise InvalidArgument(f"{field}.action", f"{said.action} is not known")
    check_range(f"{field}.alert_bps", len(said.alert_bps), 0, MAX_ALERTS)
    for place, share_bps in enumerate(said.alert_bps):
        check_range(f"{field}.alert_bps[{place}]", share_bps, 1, MAX_BPS)
        if place and share_bps <= said.alert_bps[place - 1]:
            raise InvalidArgument(f"{field}.alert_bps[{place}]", "is not above the one before it")
    if said.action == wire.BUDGET_ACTION_SOFT:
        if said.shadow:
            raise InvalidArgument(f"{field}.shadow", "does not go with SOFT, which denies nothing")
        if not said.alert_bps:
            raise InvalidArgument(f"{field}.alert_bps", "is empty, and SOFT does nothing but make events")


def rate_limit(field: str, said: api.RateLimit) -> RateLimit:
    """Reads a rate limit. Raises `InvalidArgument`."""
    rule, path = said.rule, f"{field}.rule"
    _check_subject(f"{field}.subject", said.subject)
    check_id(f"{path}.limit_id", rule.limit_id)
    if not rule.unit or rule.unit not in wire.RateUnit.values():
        raise InvalidArgument(f"{path}.unit", f"{rule.unit} is not known")
    check_range(f"{path}.amount", rule.amount, 1, MAX_AMOUNT)
    check_range(f"{path}.per_ms", rule.per_ms, 1, MAX_AMOUNT)
    check_range(f"{path}.burst", rule.burst, 1, MAX_AMOUNT)
    return RateLimit(
        0,
        rule.limit_id,
        said.subject,
        rule.unit,
        json.dumps(_meters(f"{path}.meters", rule)),
        rule.amount,
        rule.per_ms,
        rule.burst,
        int(rule.shared),
        int(rule.shadow),
        metadata(f"{path}.match", rule.match),
    )


def _meters(field: str, rule: wire.RateLimitRule) -> list[str]:
    if rule.unit != wire.RATE_UNIT_QUANTITY:
        if rule.meters:
            raise InvalidArgument(field, "go with QUANTITY only")
        return []
    if not rule.meters:
        raise InvalidArgument(field, "is empty, and QUANTITY counts what they name")
    for place, meter in enumerate(rule.meters):
        if meter not in list(Meter):
            raise InvalidArgument(f"{field}[{place}]", f"is {meter!r}, not one of {', '.join(Meter)}")
        if meter in rule.meters[:place]:
            raise InvalidArgument(f"{field}[{place}]", f"{meter} is there twice")
    return list(rule.meters)


def concurrency_limit(field: str, said: api.ConcurrencyLimit) -> ConcurrencyLimit:
    """Reads a concurrency limit. Raises `InvalidArgument`."""
    rule, path = said.rule, f"{field}.rule"
    _check_subject(f"{field}.subject", said.subject)
    check_id(f"{path}.limit_id", rule.limit_id)
    check_range(f"{path}.max_count", rule.max_count, 1, MAX_AMOUNT)
    return ConcurrencyLimit(
        0,
        rule.limit_id,
        said.subject,
        rule.max_count,
        int(rule.shared),
        int(rule.shadow),
        metadata(f"{path}.match", rule.match),
    )
