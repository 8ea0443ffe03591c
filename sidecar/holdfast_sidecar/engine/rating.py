"""From quantities to amounts, before the waterfall: by the account's terms and the time whose prices hold.

Neighbours: `reserving`, `extending`, `settling` and `charging` ask here for operations that carry quantities and no
amount; `rated` has the prices and what is expected.
"""

from holdfast_rating.streams import Step

from holdfast_sidecar.engine.accounts import Account
from holdfast_sidecar.engine.amounts import NS_PER_MS
from holdfast_sidecar.engine.deciding import Wait
from holdfast_sidecar.engine.governance import rules_key
from holdfast_sidecar.engine.governing import Blocked, Governing
from holdfast_sidecar.engine.limits import OPEN_PATH, Path
from holdfast_sidecar.engine.operations import Check, Fault, FaultCode, Reserve
from holdfast_sidecar.engine.rules import AccountTerms, Dimensions, Quantities
from holdfast_sidecar.engine.state import Hold, Pool


class Rating(Governing):
    """Rates operations."""

    def _rate_hold(
        self, account: Account, pool: Pool, op: Check | Reserve, parent: Hold | None
    ) -> tuple[int, int] | Fault | Wait:
        """Returns what the quantities come to, and what to hold for them."""
        terms = self._terms(account, pool)
        if not isinstance(terms, AccountTerms):
            return terms
        return self._rated.hold_of(
            account.account_id,
            terms,
            pool.currency,
            op.dimensions,
            op.quantities,
            op.max_output_tokens,
            _stream_count(pool, parent),
            self._now_unix_ms,
        )

    def _rate(
        self, account: Account, pool: Pool, dimensions: Dimensions, quantities: Quantities, at_unix_ms: int
    ) -> int | Fault | Wait:
        """Returns what quantities come to."""
        terms = self._terms(account, pool)
        if not isinstance(terms, AccountTerms):
            return terms
        return self._rated.amount_of(terms, pool.currency, dimensions, quantities, at_unix_ms)

    def _step(self, account: Account, hold: Hold, passed: Quantities) -> Step | Fault | Wait:
        """Returns how to bring a hold to what its work is expected to come to from here."""
        terms = self._terms(account, hold.pool)
        if not isinstance(terms, AccountTerms):
            return terms
        # One that was inside a hold that is closed by now shares with nobody what it has.
        is_alone = hold.inner and hold.parent is None
        return self._rated.step_of(terms, hold, passed, 1 if is_alone else _stream_count(hold.pool, hold.parent))

    def _opened_at_unix_ms(self, hold: Hold) -> int:
        return hold.opened_at_unix_ms or self._unix_ms_of(hold.opened_at_ns)

    def _unix_ms_of(self, at_ns: int) -> int:
        return self._now_unix_ms - (self._now_ns - at_ns) // NS_PER_MS

    def _terms(self, account: Account, pool: Pool) -> AccountTerms | Fault | Wait:
        if not account.rules_version:
            return OPEN_PATH.terms
        path = self._path(account, pool, "")
        if isinstance(path, Blocked) or path is OPEN_PATH:
            return Fault(
                FaultCode.UNAVAILABLE,
                "LEDGER_UNREACHABLE",
                "this host has not heard of the account's rate card; retry, or send an amount",
            )
        if not isinstance(path, Path):
            return path
        if self._rated.awaits_card(path.terms) and self._may_ask(pool):
            return Wait(rules_key(account.account_id, ""), 0)
        return path.terms


def _stream_count(pool: Pool, parent: Hold | None) -> int:
    """Streams that share what a pool, or a hold inside which they run, has."""
    if parent is None:
        return pool.stream_count
    return sum(bool(child.max_output_tokens) for child in parent.children or ())
