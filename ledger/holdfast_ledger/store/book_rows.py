"""The rows of the books, a part of `interface`: months of grants, closed months and their lines, links of the chain."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol


class BookState(NamedTuple):
    """The one row of the books."""

    policy: str
    """How open months are treated: a JSON object (`books.policy`)."""
    last_entry_key: int
    """The last entry that is counted and chained."""
    closing_until_ms: int
    """Until then nothing is counted, since somebody closes months."""


class EntryGroup(NamedTuple):
    """What entries did to one grant on one day of UTC, in minor units."""

    grant_key: int
    day: int
    """Counted from 1970-01-01."""
    closed_period: int
    """The last month that was closed before them; 0: none was."""
    granted: int
    rolled_in: int
    burned: int
    """Less what was corrected."""
    expired: int
    """Less what was revived."""
    voided: int
    rolled_out: int


class BookMonth(NamedTuple):
    """What the journal did to one grant in one month, in the order of the table's columns."""

    grant_key: int
    period: int
    late: int
    """1: it belongs to a month that was closed before it was posted."""
    granted: int
    rolled_in: int
    burned: int
    expired: int
    voided: int
    rolled_out: int


class GrantFacts(NamedTuple):
    """What the books need to know of a grant."""

    grant_key: int
    account_key: int
    category: int
    amount: int
    cost_amount: int
    cost_currency: str
    refunded_amount: int
    metadata: str
    pool_id: str
    currency: str
    """Of the credits."""


class Canonical(NamedTuple):
    """What the chain seals of a run of entries."""

    text: str
    """A line an entry: it, its correction, its debit and, where one is put in or voided, its grant."""
    entry_count: int
    first_key: int
    """0: there are none."""


class Link(NamedTuple):
    """A link of the chain, in the order of the table's columns."""

    link_key: int
    generation: int
    last_entry_key: int
    entry_count: int
    period: int
    """The month that it seals; 0: it seals entries."""
    made_at_ms: int
    hash: bytes


class ClosedPeriod(NamedTuple):
    """A closed month, in the order of the table's columns."""

    period: int
    closed_at_ms: int
    last_entry_key: int
    policy: str
    line_count: int
    figures_hash: bytes
    chain_hash: bytes


class LineSum(NamedTuple):
    """A line of closed months, of one account or summed over all."""

    period: int
    kind: int
    product: str
    currency: str
    opening: int
    granted: int
    recognised: int
    breakage: int
    refunded: int
    closing: int
    contra: int
    late: int


class ClosedLine(NamedTuple):
    """A line of a closed month as it was fixed, in the order of the table's columns."""

    period: int
    account_key: int
    kind: int
    product: str
    currency: str
    opening: int
    granted: int
    recognised: int
    breakage: int
    refunded: int
    closing: int
    contra: int
    late: int


class ExportLine(NamedTuple):
    """A line of the journal with all that it comes from; empty or 0 where there is nothing."""

    entry_key: int
    type: int
    amount: int
    posted_at_ms: int
    effective_at_ms: int
    """When it has its effect by what it comes from; the month is that, or the first open one."""
    closed_period: int
    account_id: str
    pool_id: str
    currency: str
    currency_exponent: int
    grant_id: str
    grant_category: int
    grant_amount: int
    grant_cost_amount: int
    grant_cost_currency: str
    grant_metadata: str
    correction_id: str
    operation_id: str
    debit_amount: int
    sidecar_id: str
    epoch: int
    sequence: int
    replayed: int
    hold_id: str
    settled_at_ms: int
    subject: str
    dimensions: str
    quantities: str
    late: int
    estimated: int
    over_hold_amount: int
    caller: str
    refunded_amount: int
    """What was paid back for a grant, where it is voided."""


class BookReader(Protocol):
    """Reads of the books, a part of `Reader`."""

    def books(self) -> BookState:
        """Returns the row of the books."""

    def last_entry_key(self) -> int:
        """Returns the last entry that is there; 0: there is none."""

    def block_end(self, after_key: int, last_key: int, limit: int) -> tuple[int, int]:
        """Returns the key and the number of the last of up to `limit` entries after a key; (0, 0): there are none."""

    def entries_waiting(self) -> int:
        """Returns when the first entry was posted that is not counted; 0: all are."""

    def canonical(self, after_key: int, last_key: int) -> Canonical:
        """Returns what the chain seals of the entries with keys after one and up to another, in their order."""

    def entry_groups(self, after_key: int, last_key: int) -> list[EntryGroup]:
        """Sums the entries with keys after one and up to another."""

    def entry_groups_of(self, after_account: int, last_account: int, last_key: int) -> list[EntryGroup]:
        """Sums all entries up to a key of the accounts with keys after one and up to another."""

    def book_months(self, after_account: int, last_account: int, since: int) -> Iterable[BookMonth]:
        """Returns the months, by grant in their order, of the grants of these accounts that moved since a month."""

    def grant_facts(self, after_account: int, last_account: int, since: int) -> dict[int, GrantFacts]:
        """Returns these grants, by key."""

    def account_bounds(self, after_account: int, limit: int) -> int:
        """Returns the key of the last of up to `limit` accounts after a key; 0: there are none."""

    def account_names(self, after_account: int, last_account: int) -> dict[int, str]:
        """Returns the ids of the accounts with keys after one and up to another."""

    def first_period(self) -> int:
        """Returns the first month in which anything happened; 0: nothing did."""

    def last_link(self) -> Link | None:
        """Returns the chain's head."""

    def links(self, after_key: int, limit: int) -> list[Link]:
        """Lists the chain."""

    def link_of(self, link_hash: bytes) -> Link | None:
        """Returns the link with this hash."""

    def closed_periods(self) -> list[ClosedPeriod]:
        """Returns all closed months in their order."""

    def closed_sums(self, first: int, last: int, account_key: int | None) -> list[LineSum]:
        """Sums the lines of closed months over one account or (None) all, by month, kind, product and currency."""

    def closed_lines(self, period: int, after_account: int, last_account: int) -> list[ClosedLine]:
        """Returns the lines of a closed month of these accounts, by account, kind, product and currency."""

    def export_lines(
        self, account_key: int | None, posted_from_ms: int, after_key: int, last_key: int, limit: int
    ) -> list[ExportLine]:
        """Lists entries with keys after one and up to another, in their order; None does not filter."""


class BookWriter(BookReader, Protocol):
    """Writes of the books, a part of `Writer`."""

    def lock_books(self) -> BookState:
        """Returns the row of the books, and keeps other replicas away from it until the transaction ends."""

    def end_of_journal(self) -> int:
        """Returns the last entry, once nobody is about to add one before it; others wait until the transaction ends."""

    def save_books(self, state: BookState) -> None:
        """Writes the row of the books back."""

    def save_refund(self, grant_key: int, amount: int) -> None:
        """Notes what was paid back for a grant."""

    def add_book_months(self, rows: Sequence[BookMonth]) -> None:
        """Adds amounts to months of grants; each is named once."""

    def clear_book_months(self) -> None:
        """Deletes all months of grants, to be made again."""

    def insert_link(self, link: Link) -> None:
        """Appends to the chain. Raises `Conflict`."""

    def insert_closed_period(self, closed: ClosedPeriod) -> None:
        """Adds a closed month. Raises `Conflict`."""

    def insert_closed_lines(self, lines: Sequence[ClosedLine]) -> None:
        """Adds lines of months that are being closed."""

    def clear_closed_lines(self, after: int) -> None:
        """Deletes the lines of months after one: left by a closing that was not finished."""
