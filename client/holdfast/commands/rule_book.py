"""The rules that a ledger has: reads them whole, and sets and deletes them one kind at a time.

Upstream: `rules`. Downstream: `GovernanceService`, whose calls are alike for all kinds (`ListBudgets`, `SetBudgets`,
`DeleteBudget`), so that a kind is a line in a table. A failed call raises `HoldfastError`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from google.protobuf.message import Message

from holdfast.commands.ledger import LedgerService
from holdfast.errors import HoldfastError
from holdfast.v1 import governance_service_pb2 as pb

_PAGE_SIZE = 1_000
_AT = re.compile(r"^\w+\[(\d+)\]\.?")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of entries: its names in the calls, in the file and for people."""

    section: str
    """In the file, and in the messages: the field of a page, and of a Set of an account's entries."""
    word: str
    one: str
    """In the names of calls; several are `one` + "s"."""
    id_field: str
    """In the entry (or in its rule), and in the Delete."""
    of_account: bool = True
    """Whether it belongs to an account; else the ledger has it once, and sets one a call."""

    @property
    def batch_size(self) -> int:
        """How many entries a Set takes."""
        return 1_000 if self.of_account else 1

    def id_of(self, entry: Message) -> str:
        """The entry's id."""
        rule: Message | None = getattr(entry, "rule", None)
        return str(getattr(entry if rule is None else rule, self.id_field))


PLANS = Kind("plans", "plan", "Plan", "plan_id", of_account=False)
RATE_CARDS = Kind("rate_cards", "rate card", "RateCard", "rate_card_id", of_account=False)
SUBJECTS = Kind("subjects", "subject", "Subject", "subject")
BUDGETS = Kind("budgets", "budget", "Budget", "budget_id")
RATE_LIMITS = Kind("rate_limits", "rate limit", "RateLimit", "limit_id")
CONCURRENCY_LIMITS = Kind("concurrency_limits", "concurrency limit", "ConcurrencyLimit", "limit_id")


class _Page(Protocol):
    next_page_token: str


class RuleBook:
    """The rules of one ledger; those of an account by its id."""

    def __init__(self, ledger: LedgerService) -> None:
        """`ledger`: its GovernanceService."""
        self._ledger = ledger

    def account_rules(self, account: str) -> pb.AccountRules:
        """What holds for an account as a whole."""
        request = pb.GetAccountRulesRequest(account_id=account)
        return cast(pb.GetAccountRulesResponse, self._call("GetAccountRules", request)).rules

    def set_account_rules(self, account: str, rules: pb.AccountRules) -> None:
        """Sets what holds for an account as a whole."""
        self._call("SetAccountRules", pb.SetAccountRulesRequest(account_id=account, rules=rules))

    def rate_card(self, rate_card_id: str) -> pb.RateCard:
        """A rate card with its content; lists have it without."""
        request = pb.GetRateCardRequest(rate_card_id=rate_card_id)
        return cast(pb.GetRateCardResponse, self._call("GetRateCard", request)).rate_card

    def entries(self, kind: Kind, account: str) -> Iterator[Message]:
        """All entries of a kind in the ledger's order, a page at a time; budgets with what is used of them."""
        token = ""
        while True:
            paging: Mapping[str, object] = {"page_size": _PAGE_SIZE, "page_token": token}
            page = self._call(f"List{kind.one}s", _request(f"List{kind.one}s", kind, account, paging))
            yield from getattr(page, kind.section)
            token = cast(_Page, page).next_page_token
            if not token:
                return

    def set(self, kind: Kind, account: str, entries: Sequence[Message]) -> None:
        """Creates or replaces entries, all or none; at most `kind.batch_size`."""
        if kind.of_account:
            self._call(f"Set{kind.one}s", _request(f"Set{kind.one}s", kind, account, {kind.section: entries}))
        else:
            (entry,) = entries
            self._call(f"Set{kind.one}", _request(f"Set{kind.one}", kind, account, {kind.section[:-1]: entry}))

    def delete(self, kind: Kind, account: str, name: str) -> None:
        """Deletes an entry."""
        self._call(f"Delete{kind.one}", _request(f"Delete{kind.one}", kind, account, {kind.id_field: name}))

    def _call(self, name: str, request: Message) -> Message:
        kind: type[Message] = getattr(pb, f"{name}Response")
        return self._ledger.call(name, request, kind)


def field_at_fault(error: HoldfastError, names: Sequence[str]) -> str:
    """The field that the ledger named, the entry's name for its number: `NAME: share_bps`; empty: it named none."""
    path = error.metadata.get("field", "")
    at = _AT.match(path)
    if at is None or int(at[1]) >= len(names):
        return path
    return f"{names[int(at[1])]}: {path[at.end() :]}".removesuffix(": ")


def _request(call: str, kind: Kind, account: str, fields: Mapping[str, object]) -> Message:
    of = {"account_id": account} if kind.of_account else {}
    return cast(Message, getattr(pb, f"{call}Request")(**of, **fields))
