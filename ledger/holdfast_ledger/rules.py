"""What accounts, pools, policies and grants may be: reads them from messages, or says which field is wrong."""

import json
from collections.abc import Mapping
from urllib.parse import urlsplit

from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import ledger_service_pb2 as wire

from holdfast_ledger.delivery.signing import MAX_SECRET_BYTES, MIN_SECRET_BYTES, make_secret, secret_bytes
from holdfast_ledger.errors import AlreadyExists, InvalidArgument
from holdfast_ledger.posting.grants import ROLLOVER_MARK
from holdfast_ledger.store.interface import (
    MAX_AMOUNT,
    NEVER,
    NO_ROLLOVER,
    Account,
    Grant,
    GrantState,
    Policy,
    Pool,
    Rollover,
    Threshold,
    TopUp,
    Webhook,
)
from holdfast_ledger.validation import (
    MAX_ID_BYTES,
    check_cost_currency,
    check_currency,
    check_id,
    check_optional_id,
    check_range,
    check_text,
)

MAX_DISPLAY_NAME_BYTES = 256
MAX_CURRENCY_EXPONENT = 9
MAX_PRIORITY = 1_000
MAX_BPS = 10_000
MAX_ROLLOVERS = 1_000
"""Times that a grant rolls over: 83 years of months."""

ROLLOVER_ID_BYTES = len(f"{ROLLOVER_MARK}{MAX_ROLLOVERS}")
MAX_THRESHOLDS = 100
"""Of one pool: each is looked at whenever the balance moves."""

MAX_TOP_UPS = 1_000_000
MIN_COOLDOWN_MS = 1_000
"""Between two wishes for a top-up: the first one's grant needs time to come."""

MAX_URL_BYTES = 2_048
MAX_METADATA_COUNT, MAX_METADATA_KEY_BYTES, MAX_METADATA_VALUE_BYTES = 16, 64, 256
DEFAULT_CURRENCY, DEFAULT_CURRENCY_EXPONENT = "credits", 6


def account(said: wire.Account) -> Account:
    """Reads an account. Raises `InvalidArgument`."""
    check_id("account.account_id", said.account_id)
    check_text("account.display_name", said.display_name, MAX_DISPLAY_NAME_BYTES)
    return Account(said.account_id, said.display_name, 0)


def pool(said: wire.Pool) -> Pool:
    """Reads a pool. Raises `InvalidArgument`."""
    check_id("pool.account_id", said.account_id)
    check_id("pool.pool_id", said.pool_id)
    currency, exponent = said.currency, said.currency_exponent
    if not currency:
        currency = DEFAULT_CURRENCY
        if exponent not in (0, DEFAULT_CURRENCY_EXPONENT):
            raise InvalidArgument("pool.currency_exponent", f"is {exponent}, but credits have 6")
        exponent = DEFAULT_CURRENCY_EXPONENT
    check_currency("pool.currency", currency)
    check_range("pool.currency_exponent", exponent, 0, MAX_CURRENCY_EXPONENT)
    return Pool(0, said.account_id, said.pool_id, currency, exponent, policy("pool.policy", said.policy), 0)


def same_pool(there: Pool, said: Pool) -> None:
    """Raises `AlreadyExists` with the first field in which a pool differs from the one that is there."""
    if there.currency != said.currency:
        raise AlreadyExists("pool.currency", f"the pool has {there.currency}")
    if there.currency_exponent != said.currency_exponent:
        raise AlreadyExists("pool.currency_exponent", f"the pool has {there.currency_exponent}")
    if there.policy != said.policy:
        raise AlreadyExists("pool.policy", "the pool has another one; SetPolicy changes it")


def policy(field: str, said: decision.Policy) -> Policy:
    """Reads a policy, unset fields as their defaults. Raises `InvalidArgument`."""
    enforcement = said.enforcement or decision.ENFORCEMENT_STRICT
    mode = said.partition_mode or decision.PARTITION_MODE_FAIL_CLOSED
    if enforcement not in (decision.ENFORCEMENT_STRICT, decision.ENFORCEMENT_OPTIMISTIC):
        raise InvalidArgument(f"{field}.enforcement", f"{enforcement} is not known")
    if mode not in decision.PartitionMode.values():
        raise InvalidArgument(f"{field}.partition_mode", f"{mode} is not known")
    check_range(f"{field}.overdraft_limit", said.overdraft_limit, 0, MAX_AMOUNT)
    check_range(f"{field}.overdraft_limit_bps", said.overdraft_limit_bps, 0, MAX_BPS)
    check_range(f"{field}.partition_overdraft_limit", said.partition_overdraft_limit, 0, MAX_AMOUNT)
    check_range(f"{field}.partition_after_ms", said.partition_after_ms, 0, MAX_AMOUNT)
    if enforcement == decision.ENFORCEMENT_STRICT:
        for name in ("overdraft_limit", "overdraft_limit_bps"):
            if getattr(said, name):
                raise InvalidArgument(f"{field}.{name}", "goes with OPTIMISTIC only")
    if said.overdraft_limit and said.overdraft_limit_bps:
        raise InvalidArgument(f"{field}.overdraft_limit_bps", "excludes overdraft_limit")
    if said.partition_overdraft_limit and mode != decision.PARTITION_MODE_ALLOWANCE:
        raise InvalidArgument(f"{field}.partition_overdraft_limit", "goes with ALLOWANCE only")
    return Policy(
        enforcement,
        said.overdraft_limit,
        said.overdraft_limit_bps,
        mode,
        said.partition_overdraft_limit,
        said.partition_after_ms,
        int(said.shadow),
    )


def grant(said: wire.Grant) -> Grant:
    """Reads a grant; what depends on the clock and the pool is left to the job. Raises `InvalidArgument`."""
    check_id("grant.account_id", said.account_id)
    check_id("grant.pool_id", said.pool_id)
    check_id("grant.grant_id", said.grant_id)
    if ROLLOVER_MARK in said.grant_id:
        raise InvalidArgument("grant.grant_id", f"contains {ROLLOVER_MARK!r}, which is for what rolls over")
    check_range("grant.amount", said.amount, 1, MAX_AMOUNT)
    if said.category not in (wire.GRANT_CATEGORY_PROMOTIONAL, wire.GRANT_CATEGORY_PAID):
        raise InvalidArgument("grant.category", f"{said.category} is not known")
    check_range("grant.priority", said.priority, 0, MAX_PRIORITY)
    check_range("grant.effective_at_unix_ms", said.effective_at_unix_ms, 0, NEVER - 1)
    check_range("grant.expires_at_unix_ms", said.expires_at_unix_ms, 0, NEVER - 1)
    if 0 < said.expires_at_unix_ms <= said.effective_at_unix_ms:
        raise InvalidArgument("grant.expires_at_unix_ms", "is not after effective_at_unix_ms")
    check_range("grant.cost_amount", said.cost_amount, 0, MAX_AMOUNT)
    if said.cost_amount or said.cost_currency:
        check_cost_currency("grant.cost_currency", said.cost_currency)
    if said.cost_currency and not said.cost_amount:
        raise InvalidArgument("grant.cost_currency", "goes with a cost_amount")
    return Grant(
        pool_key=0,
        grant_id=said.grant_id,
        amount=said.amount,
        category=said.category,
        priority=said.priority,
        effective_at_ms=said.effective_at_unix_ms,
        expires_at_ms=said.expires_at_unix_ms or NEVER,
        cost_amount=said.cost_amount,
        cost_currency=said.cost_currency,
        created_at_ms=0,
        remaining=0,
        state=GrantState.PENDING,
        due_at_ms=NEVER,
        metadata=metadata("grant.metadata", said.metadata),
        rollover=rollover("grant.rollover", said) if said.HasField("rollover") else NO_ROLLOVER,
    )


def rollover(field: str, grant: wire.Grant) -> Rollover:
    """Reads what becomes of a grant at its expiry. Raises `InvalidArgument`."""
    said = grant.rollover
    check_range(f"{field}.share_bps", said.share_bps, 1, MAX_BPS)
    check_range(f"{field}.max_amount", said.max_amount, 0, MAX_AMOUNT)
    check_range(f"{field}.lifetime_ms", said.lifetime_ms, 0, MAX_AMOUNT)
    check_range(f"{field}.max_times", said.max_times, 1, MAX_ROLLOVERS)
    if not grant.expires_at_unix_ms:
        raise InvalidArgument(field, "goes with expires_at_unix_ms")
    if said.max_times > 1 and not said.lifetime_ms:
        raise InvalidArgument(f"{field}.max_times", "is above 1, but what rolls over never expires")
    if len(grant.grant_id.encode()) > MAX_ID_BYTES - ROLLOVER_ID_BYTES:
        raise InvalidArgument("grant.grant_id", f"leaves no room for {ROLLOVER_ID_BYTES} bytes of its successors' ids")
    return Rollover(said.share_bps, said.max_amount, said.lifetime_ms, said.max_times)


def metadata(field: str, said: Mapping[str, str]) -> str:
    """Reads what a caller keeps with something of his, as it is stored. Raises `InvalidArgument`."""
    check_range(field, len(said), 0, MAX_METADATA_COUNT)
    for key, value in sorted(said.items()):
        check_text(f"{field}[{key!r}]", value, MAX_METADATA_VALUE_BYTES)
        if not key:
            raise InvalidArgument(field, "has an empty key")
        if len(key.encode()) > MAX_METADATA_KEY_BYTES:
            raise InvalidArgument(field, f"has a key longer than {MAX_METADATA_KEY_BYTES} bytes")
    return json.dumps(dict(said), ensure_ascii=False, sort_keys=True)


def alerts(said: wire.Alerts) -> tuple[list[Threshold], TopUp | None]:
    """Reads the thresholds and the top-up rule of a pool. Raises `InvalidArgument`."""
    check_range("alerts.thresholds", len(said.thresholds), 0, MAX_THRESHOLDS)
    names = set[str]()
    thresholds = []
    for place, one in enumerate(said.thresholds):
        path = f"alerts.thresholds[{place}]"
        check_id(f"{path}.threshold_id", one.threshold_id)
        if one.threshold_id in names:
            raise InvalidArgument(f"{path}.threshold_id", "is there twice")
        names.add(one.threshold_id)
        check_range(f"{path}.amount", one.amount, -MAX_AMOUNT, MAX_AMOUNT)
        check_range(f"{path}.share_bps", one.share_bps, 0, MAX_BPS)
        if one.amount and one.share_bps:
            raise InvalidArgument(f"{path}.share_bps", "excludes amount")
        thresholds.append(Threshold(0, one.threshold_id, one.amount, one.share_bps))
    return thresholds, _top_up("alerts.top_up", said.top_up) if said.HasField("top_up") else None


def _top_up(field: str, said: wire.TopUp) -> TopUp:
    check_range(f"{field}.threshold", said.threshold, -MAX_AMOUNT, MAX_AMOUNT)
    check_range(f"{field}.amount", said.amount, 1, MAX_AMOUNT)
    check_range(f"{field}.cooldown_ms", said.cooldown_ms, MIN_COOLDOWN_MS, MAX_AMOUNT)
    check_range(f"{field}.max_times", said.max_times, 0, MAX_TOP_UPS)
    check_range(f"{field}.period_ms", said.period_ms, 0, MAX_AMOUNT)
    if bool(said.max_times) != bool(said.period_ms):
        raise InvalidArgument(f"{field}.period_ms", "goes with max_times, and the other way round")
    return TopUp(0, said.threshold, said.amount, said.cooldown_ms, said.max_times, said.period_ms)


def webhook(said: wire.Webhook, secret: str, entropy: bytes) -> Webhook:
    """Reads a webhook, with a secret of its own if none is said. Raises `InvalidArgument`."""
    check_id("webhook.webhook_id", said.webhook_id)
    check_optional_id("webhook.account_id", said.account_id)
    check_text("webhook.url", said.url, MAX_URL_BYTES)
    try:
        parts = urlsplit(said.url)
        named = bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        named = False
    if not named or parts.scheme not in ("https", "http") or parts.fragment:
        raise InvalidArgument("webhook.url", "is not an http(s) URL with a host and without user and fragment")
    if secret and secret_bytes(secret) is None:
        raise InvalidArgument("secret", f"is not the base64 of {MIN_SECRET_BYTES}..{MAX_SECRET_BYTES} bytes")
    return Webhook(said.webhook_id, said.account_id, said.url, secret or make_secret(entropy), 0)


def same_webhook(there: Webhook, said: Webhook, secret: str) -> None:
    """Raises `AlreadyExists` with the first field in which a webhook differs from the one that is there."""
    pairs = (
        ("webhook.account_id", there.account_id, said.account_id),
        ("webhook.url", there.url, said.url),
        ("secret", there.secret, secret or there.secret),
    )
    for name, old, new in pairs:
        if old != new:
            raise AlreadyExists(name, "the webhook exists with another one")


def same_grant(there: Grant, said: Grant) -> None:
    """Raises `AlreadyExists` with the first field in which a grant differs from the one that is there."""
    at_creation = there.effective_at_ms == there.created_at_ms
    pairs = (
        ("amount", there.amount, said.amount),
        ("category", there.category, said.category),
        ("priority", there.priority, said.priority),
        (
            "effective_at_unix_ms",
            0 if at_creation and not said.effective_at_ms else there.effective_at_ms,
            said.effective_at_ms,
        ),
        ("expires_at_unix_ms", there.expires_at_ms, said.expires_at_ms),
        ("cost_amount", there.cost_amount, said.cost_amount),
        ("cost_currency", there.cost_currency, said.cost_currency),
        ("metadata", there.metadata, said.metadata),
        ("rollover", there.rollover, said.rollover),
    )
    for name, old, new in pairs:
        if old != new:
            raise AlreadyExists(f"grant.{name}", "the grant exists with another one")
