"""Operations that carry quantities: what they come to by the account's rate card, and what to hold for a stream.

Neighbours: `reserving`, `settling` and `charging` turn quantities into amounts here, before the waterfall; `cards.py`
has the prices, `holdfast_rating.estimates` what was learned of outputs. What settles teach is taken in at the end of
the batch, so that no answer waits for it and a linked call that is undone teaches nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from holdfast_rating.estimates import EstimateLimits, Estimates
from holdfast_rating.meters import Meter
from holdfast_rating.rates import Refusal, RefusalReason, Tariff
from holdfast_rating.streams import Step, StreamPolicy, first_tokens, later_tokens, next_step

from holdfast_sidecar.engine.amounts import NS_PER_MS
from holdfast_sidecar.engine.cards import Cards
from holdfast_sidecar.engine.deadlines import NEVER_NS
from holdfast_sidecar.engine.operations import Fault, FaultCode
from holdfast_sidecar.engine.refusals import overflow
from holdfast_sidecar.engine.rules import AccountTerms, Dimensions, Quantities, RateCardContent
from holdfast_sidecar.engine.state import Hold, Snapshot

MODEL, FEATURE = "model", "feature"
"""The keys of the dimensions that say what is priced, and whose output is learned."""
ROWS_EVERY_NS = 1_000 * NS_PER_MS
"""Between writes of what was learned; a host that is killed forgets at most so much of it."""
ROWS_SOON_NS = 50 * NS_PER_MS
"""The same while more is left than one write takes."""
ROWS_MAX = 16
"""Rows in one write, a fifth of a millisecond."""

_METERS = {meter.value: meter for meter in Meter}
_OUTPUT = (Meter.OUTPUT.value, Meter.REASONING.value)
_INVALID = (RefusalReason.QUANTITY_OUT_OF_RANGE, RefusalReason.AMOUNT_OVERFLOW)
"""Refusals that no other rate card would help."""


@dataclass(frozen=True, slots=True)
class RatedStatistics:
    """Counts since the start, and gauges."""

    card_refused_count: int
    """Revisions of rate cards that could not be read; what was in force before them stayed."""
    estimate_count: int
    """Histograms of outputs."""
    estimate_dropped_count: int
    """Rows of what was learned that were found damaged at the start."""


class Rated:
    """Rates quantities, and expects outputs. All amounts in minor units of the pool's currency."""

    def __init__(
        self, snapshot: Snapshot, policy: StreamPolicy | None = None, limits: EstimateLimits | None = None
    ) -> None:
        self._policy = policy or StreamPolicy()
        self._estimates = Estimates(self._policy.quantile_bp, limits)
        self._cards = Cards()
        self._cards.take(snapshot.rate_cards)
        self._dropped_count = self._estimates.load(snapshot.estimates)
        self._observed: list[tuple[str, str, str, int, bool]] = []
        self._rows_due_ns = 0
        self._flushing = False

    # ── cards ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def want_card(self, terms: AccountTerms) -> None:
        """An account has these terms from now on."""
        if terms.rate_card_id:
            self._cards.want(terms.rate_card_id, terms.rate_card_revision)

    def awaits_card(self, terms: AccountTerms) -> bool:
        """Whether nothing can be rated by these terms before the ledger has answered."""
        card_id = terms.rate_card_id
        return self._cards.is_missing(card_id) and self._cards.rates(card_id) is None

    def take_ask(self) -> tuple[str, ...]:
        """Returns the cards to ask the ledger for; from now on they are being asked for."""
        return self._cards.take_ask()

    def stream_closed(self) -> None:
        """What is being asked for will not be answered."""
        self._cards.stream_closed()

    def take_cards(self, contents: Iterable[RateCardContent], asked_ids: Iterable[str] = ()) -> list[RateCardContent]:
        """Takes in what the ledger answered; returns what is in force from now on, to be stored. See `Cards.take`."""
        return self._cards.take(contents, asked_ids)

    # ── amounts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def amount_of(
        self,
        terms: AccountTerms | None,
        currency: str,
        dimensions: Dimensions,
        quantities: Quantities,
        at_unix_ms: int,
    ) -> int | Fault:
        """Returns what quantities come to, or why they cannot be rated.

        Args:
            terms: The account's; None: the ledger told none.
            currency: The pool's.
            at_unix_ms: Whose prices hold: when the work was reserved, else now.
        """
        tariff = self._tariff(terms, currency, _work(dimensions)[0], at_unix_ms)
        return tariff if isinstance(tariff, Fault) else _rate(tariff, _by_meter(quantities))

    def hold_of(
        self,
        account_id: str,
        terms: AccountTerms | None,
        currency: str,
        dimensions: Dimensions,
        quantities: Quantities,
        max_output_tokens: int,
        running_count: int,
        at_unix_ms: int,
    ) -> tuple[int, int] | Fault:
        """Returns what quantities come to, and what to hold for them and for the output that is expected.

        Args:
            max_output_tokens: What the output comes to at most, and is held for until enough was learned; 0: none.
            running_count: Streams with a hold in the same pool, without this one.
        """
        model, feature = _work(dimensions)
        tariff = self._tariff(terms, currency, model, at_unix_ms)
        if isinstance(tariff, Fault):
            return tariff
        used = _by_meter(quantities)
        rated = _rate(tariff, used)
        if isinstance(rated, Fault):
            return rated
        if not max_output_tokens:
            return rated, rated
        forecast = self._estimates.forecast(account_id, model, feature)
        tokens = max_output_tokens
        if forecast is not None:
            tokens = first_tokens(forecast, running_count, max_output_tokens, self._policy)
        held = _rate(tariff, _with_output(used, tokens))
        return held if isinstance(held, Fault) else (rated, held)

    def step_of(self, terms: AccountTerms | None, hold: Hold, passed: Quantities, running_count: int) -> Step | Fault:
        """Returns how to bring a hold to what its work is expected to come to; None: it is near enough.

        What the work needs to go on is what it comes to before it tells of itself again: as much more as last time.

        Args:
            hold: One that was opened with `max_output_tokens`.
            passed: What the work has used so far; a meter that it does not name is as when the hold was opened.
            running_count: Streams with a hold in the same pool, this one among them.
        """
        limit = hold.max_output_tokens
        if not limit:
            return Fault(
                FaultCode.FAILED_PRECONDITION,
                "HOLD_WITHOUT_ESTIMATE",
                "the hold was opened without max_output_tokens; extend it by quantities or by an amount",
                (("field", "passed_quantities"),),
            )
        model, feature = _work(hold.dimensions)
        tariff = self._tariff(terms, hold.pool.currency, model, hold.opened_at_unix_ms)
        if isinstance(tariff, Fault):
            return tariff
        used = _by_meter(hold.quantities) | _by_meter(passed)
        tokens = _output_tokens(used)
        forecast = self._estimates.forecast(hold.pool.account_id, model, feature, tokens)
        wanted = limit
        if forecast is not None:
            wanted = later_tokens(forecast, tokens, running_count, limit, self._policy)
        needed = min(tokens + _stride(hold, tokens), limit)
        needed_amount = _rate(tariff, _with_output(used, needed))
        wanted_amount = _rate(tariff, _with_output(used, wanted))
        if isinstance(needed_amount, Fault):
            return needed_amount
        if isinstance(wanted_amount, Fault):
            return wanted_amount
        return next_step(hold.amount + hold.settled_amount, wanted_amount, needed_amount)

    def told(self, hold: Hold, passed: Quantities) -> None:
        """Notes how far the work of a hold has come."""
        tokens = _output_tokens(_by_meter(hold.quantities) | _by_meter(passed))
        hold.told_tokens, hold.stride_tokens = tokens, _stride(hold, tokens)

    def _tariff(self, terms: AccountTerms | None, currency: str, model: str, at_unix_ms: int) -> Tariff | Fault:
        if terms is None or not terms.rate_card_id:
            return Fault(
                FaultCode.FAILED_PRECONDITION,
                "NO_RATE_CARD",
                "the account has no rate card; set one, or send an amount",
            )
        card = (("rate_card_id", terms.rate_card_id),)
        rates = self._cards.rates(terms.rate_card_id)
        if rates is None:
            return Fault(
                FaultCode.UNAVAILABLE,
                "RATE_CARD_NOT_HERE",
                "the account's rate card is not on this host yet, or cannot be read; retry, or send an amount",
                card,
            )
        if rates.card.currency != currency:
            return Fault(
                FaultCode.FAILED_PRECONDITION,
                "RATE_CARD_CURRENCY",
                f"the rate card is in {rates.card.currency}, the pool in {currency}; send an amount",
                card,
            )
        if not model:
            return Fault(
                FaultCode.INVALID_ARGUMENT,
                "MODEL_MISSING",
                'quantities are rated for the model under the key "model" of the dimensions; there is none',
                (("field", "dimensions"),),
            )
        tariff = rates.tariff(model, at_unix_ms)
        return _refused(tariff) if isinstance(tariff, Refusal) else tariff

    # ── learning ────────────────────────────────────────────────────────────────────────────────────────────────────

    def observe(
        self, account_id: str, dimensions: Dimensions, quantities: Quantities, before_tokens: int, *, cut_short: bool
    ) -> None:
        """Learns from work that has ended, at the end of the batch.

        Args:
            quantities: Without an output, or dimensions without a model, teach nothing.
            before_tokens: Output that partial settles reported already.
            cut_short: It would have gone on.
        """
        model, feature = _work(dimensions)
        if model and any(meter in _OUTPUT for meter, _ in quantities):
            tokens = before_tokens + output_tokens(quantities)
            self._observed.append((account_id, model, feature, tokens, cut_short))

    @property
    def observed_count(self) -> int:
        """Observations of the batch under way."""
        return len(self._observed)

    def unobserve(self, observed_count: int) -> None:
        """Takes back what was observed since there were so many observations."""
        del self._observed[observed_count:]

    def flush(self) -> None:
        """From now on all that was learned is written at once, since the process is about to stop."""
        self._flushing = True
        self._rows_due_ns = 0

    def take_rows(self, now_ns: int) -> list[tuple[bytes, bytes]]:
        """Ends a batch: learns what it observed, and returns what is to be stored, now and then; see `Estimates`."""
        for account_id, model, feature, tokens, cut_short in self._observed:
            self._estimates.observe(account_id, model, feature, tokens, cut_short=cut_short)
        self._observed.clear()
        if now_ns < self._rows_due_ns or not self._estimates.changed_count:
            return []
        rows = self._estimates.take_rows(self._estimates.changed_count if self._flushing else ROWS_MAX)
        if not self._flushing:
            self._rows_due_ns = now_ns + (ROWS_SOON_NS if self._estimates.changed_count else ROWS_EVERY_NS)
        return rows

    def next_ns(self) -> int:
        """Returns when rows are to be taken though nothing arrives, CLOCK_BOOTTIME; `NEVER_NS`: there are none."""
        return self._rows_due_ns if self._estimates.changed_count else NEVER_NS

    def statistics(self) -> RatedStatistics:
        """Counts and gauges. Any thread."""
        return RatedStatistics(self._cards.refused_count, len(self._estimates), self._dropped_count)


def output_tokens(quantities: Quantities) -> int:
    """Returns the output that quantities tell of, reasoning included."""
    return _output_tokens(_by_meter(quantities))


def _stride(hold: Hold, tokens: int) -> int:
    """Returns the output between the last two times that a hold's work told of more, now of `tokens`; at least 1."""
    return tokens - hold.told_tokens if 0 <= hold.told_tokens < tokens else hold.stride_tokens


def _output_tokens(quantities: dict[Meter, int]) -> int:
    return quantities.get(Meter.OUTPUT, 0) + quantities.get(Meter.REASONING, 0)


def _with_output(quantities: dict[Meter, int], tokens: int) -> dict[Meter, int]:
    """The same with at least so many tokens of output in all; what is not here yet is priced as output."""
    more = max(0, tokens - _output_tokens(quantities))
    return {**quantities, Meter.OUTPUT: quantities.get(Meter.OUTPUT, 0) + more}


def _work(dimensions: Dimensions) -> tuple[str, str]:
    found = dict(dimensions)
    return found.get(MODEL, ""), found.get(FEATURE, "")


def _by_meter(quantities: Quantities) -> dict[Meter, int]:
    return {_METERS[name]: count for name, count in quantities}


def _rate(tariff: Tariff, quantities: dict[Meter, int]) -> int | Fault:
    amount = tariff.rate(quantities)
    return _refused(amount) if isinstance(amount, Refusal) else amount


def _refused(refusal: Refusal) -> Fault:
    if refusal.reason is RefusalReason.AMOUNT_OVERFLOW:
        return overflow()
    code = FaultCode.INVALID_ARGUMENT if refusal.reason in _INVALID else FaultCode.FAILED_PRECONDITION
    field = {"model": "dimensions", "at": "dimensions"}.get(refusal.field, f"quantities.{refusal.field}")
    return Fault(code, refusal.reason.name, refusal.message, (("field", field),))
