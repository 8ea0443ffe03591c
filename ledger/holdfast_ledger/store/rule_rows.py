"""The rows of governance, and what a store does with them: what is set of accounts, plans and rate cards, and rules.

A part of `interface`. A rule is named by its account and the caller's id, and hangs at a node: the account's key and a
path below it, "" for the account itself. Rows are values; to change one is to save another in its place.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple, Protocol, TypeAlias

VERSIONS_A_GENERATION = 2**32
"""Each generation of the ledger counts its versions from a multiple of it: above all that sidecars were told before the
database was restored from an older backup, which does not know them."""


def first_version(generation: int) -> int:
    """Returns the version that the first change of a generation is above."""
    return (generation - 1) * VERSIONS_A_GENERATION


Node: TypeAlias = tuple[int, str]
"""An account's key, and the path of a subject; "": the account itself."""


class AccountRules(NamedTuple):
    """What holds for an account as a whole, in the order of the columns."""

    account_key: int
    time_zone: str = "UTC"
    deny_unknown_subject: int = 0
    plan_id: str | None = None
    features: str = "{}"
    """A JSON object by feature: true or false, a number, or a list of strings."""
    rate_card_id: str | None = None
    shadow_features: int = 0


class AccountTerms(NamedTuple):
    """What a sidecar is told of an account as a whole."""

    account_key: int
    account_id: str
    rules_version: int
    deny_unknown_subject: int
    features: str
    """The account's own."""
    plan_features: str
    rate_card_id: str
    """Empty: none."""
    rate_card_revision: int
    shadow_features: int
    time_zone: str


class Plan(NamedTuple):
    """What accounts of a kind may use."""

    plan_id: str
    display_name: str
    features: str
    """As in `AccountRules`."""


class RateCard(NamedTuple):
    """What quantities cost."""

    rate_card_id: str
    revision: int
    in_use: int
    """0: it was deleted."""
    content: bytes
    """JSON, compressed with zlib; lists leave it empty."""


class Subject(NamedTuple):
    """A node of an account's tree."""

    account_key: int
    subject: str
    display_name: str = ""


class SubjectNode(NamedTuple):
    """A node that was looked for and is there."""

    account_key: int
    subject: str
    has_children: bool


class Budget(NamedTuple):
    """A cap on what a subject spends in a period; fields and enums as in `holdfast.v1.Budget`."""

    account_key: int
    budget_id: str
    subject: str
    action: int
    shadow: int
    limit_amount: int
    share_bps: int
    """0: `limit_amount` counts."""
    share_of_budget_id: str
    currency: str
    pool_id: str
    match: str
    """A JSON object of strings, its keys in order."""
    period_unit: int
    anchor_ms: int
    rolling_ms: int
    alert_bps: str
    """A JSON list of numbers."""


class RateLimit(NamedTuple):
    """A rate limit; fields and enums as in `holdfast.v1.RateLimitRule`."""

    account_key: int
    limit_id: str
    subject: str
    unit: int
    meters: str
    """A JSON list of strings."""
    amount: int
    per_ms: int
    burst: int
    shared: int
    shadow: int
    match: str


class ConcurrencyLimit(NamedTuple):
    """A concurrency limit; fields as in `holdfast.v1.ConcurrencyLimitRule`."""

    account_key: int
    limit_id: str
    subject: str
    max_count: int
    shared: int
    shadow: int
    match: str


class RuleReader(Protocol):
    """The part of `Reader` that is about governance. Lists are by id or path, after one, at most `limit` rows."""

    def account_rules(self, account_key: int) -> AccountRules | None:
        """Returns what was set for an account."""

    def terms_of(self, account_ids: Collection[str]) -> dict[str, AccountTerms]:
        """Returns what holds for accounts that are there, by id."""

    def plan(self, plan_id: str) -> Plan | None:
        """Returns a plan."""

    def plans(self, after_id: str, limit: int) -> list[Plan]:
        """Lists plans."""

    def rate_card(self, rate_card_id: str) -> RateCard | None:
        """Returns a rate card, also one that was deleted."""

    def rate_cards(self, after_id: str, limit: int) -> list[RateCard]:
        """Lists the rate cards in use, without content."""

    def subjects_named(self, account_key: int, subjects: Collection[str]) -> dict[str, Subject]:
        """Returns subjects of an account by path; those that are not there are left out."""

    def subjects(self, account_key: int, after_subject: str, limit: int) -> list[Subject]:
        """Lists the subjects of an account, a parent always before what is below it."""

    def nodes(self, nodes: Collection[Node]) -> list[SubjectNode]:
        """Returns those of the nodes that are there, the accounts themselves among them, in no order."""

    def budgets_named(self, account_key: int, budget_ids: Collection[str]) -> dict[str, Budget]:
        """Returns budgets of an account by id; those that are not there are left out."""

    def budgets_at(self, nodes: Collection[Node]) -> list[Budget]:
        """Returns the budgets of nodes, by id."""

    def budgets_sharing(self, account_key: int, budget_ids: Collection[str]) -> list[Budget]:
        """Returns the budgets of an account that are shares of some others, in no order."""

    def budgets(self, account_key: int, after_id: str, limit: int) -> list[Budget]:
        """Lists the budgets of an account."""

    def rate_limits_named(self, account_key: int, limit_ids: Collection[str]) -> dict[str, RateLimit]:
        """Returns rate limits of an account by id; those that are not there are left out."""

    def rate_limits_at(self, nodes: Collection[Node]) -> list[RateLimit]:
        """Returns the rate limits of nodes, by id."""

    def rate_limits(self, account_key: int, after_id: str, limit: int) -> list[RateLimit]:
        """Lists the rate limits of an account."""

    def concurrency_limits_named(self, account_key: int, limit_ids: Collection[str]) -> dict[str, ConcurrencyLimit]:
        """Returns concurrency limits of an account by id; those that are not there are left out."""

    def concurrency_limits_at(self, nodes: Collection[Node]) -> list[ConcurrencyLimit]:
        """Returns the concurrency limits of nodes, by id."""

    def concurrency_limits(self, account_key: int, after_id: str, limit: int) -> list[ConcurrencyLimit]:
        """Lists the concurrency limits of an account."""

    def leased_pools(self, account_keys: Collection[int]) -> list[int]:
        """Returns the keys of the pools of accounts, not windows, from which any sidecar ever leased."""


class RuleWriter(RuleReader, Protocol):
    """The part of `Writer` that is about governance. Saving adds what is not there and replaces what is."""

    def lock_rules(self, account_key: int) -> None:
        """Keeps others from changing an account's rules until the transaction ends; before any pool is locked."""

    def keep_plan(self, plan_id: str) -> Plan | None:
        """Returns a plan that is neither changed nor deleted until the transaction ends."""

    def keep_rate_card(self, rate_card_id: str) -> RateCard | None:
        """The same of a rate card."""

    def lock_plan(self, plan_id: str) -> Plan | None:
        """Returns a plan that no account is given or relieved of until the transaction ends."""

    def lock_rate_card(self, rate_card_id: str) -> RateCard | None:
        """The same of a rate card."""

    def raise_rules_version(self, account_keys: Collection[int] | None) -> None:
        """Raises the rules version of some accounts or (None) of all, above `first_version` of the generation."""

    def accounts_of_plan(self, plan_id: str) -> list[int]:
        """Returns the keys of the accounts that have a plan."""

    def accounts_of_rate_card(self, rate_card_id: str) -> list[int]:
        """Returns the keys of the accounts that have a rate card."""

    def save_account_rules(self, rules: AccountRules) -> None:
        """Saves what holds for an account."""

    def save_plan(self, plan: Plan) -> None:
        """Saves a plan."""

    def delete_plan(self, plan_id: str) -> None:
        """Deletes a plan that no account has."""

    def save_rate_card(self, card: RateCard) -> None:
        """Saves a rate card."""

    def save_subjects(self, subjects: Iterable[Subject]) -> None:
        """Saves subjects."""

    def delete_subject(self, account_key: int, subject: str) -> None:
        """Deletes a subject at which nothing hangs."""

    def save_budgets(self, budgets: Iterable[Budget]) -> None:
        """Saves budgets."""

    def delete_budget(self, account_key: int, budget_id: str) -> None:
        """Deletes a budget."""

    def save_rate_limits(self, limits: Iterable[RateLimit]) -> None:
        """Saves rate limits."""

    def delete_rate_limit(self, account_key: int, limit_id: str) -> None:
        """Deletes a rate limit."""

    def save_concurrency_limits(self, limits: Iterable[ConcurrencyLimit]) -> None:
        """Saves concurrency limits."""

    def delete_concurrency_limit(self, account_key: int, limit_id: str) -> None:
        """Deletes a concurrency limit."""
