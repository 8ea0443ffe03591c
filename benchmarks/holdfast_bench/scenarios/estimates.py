"""What of a wallet can be used before somebody is denied: worst-case holds against learned ones, in virtual time.

Fan-outs of streams spend one wallet after another. Time is simulated; every decision is a real engine's
(`wallets.py`), which rates what the streams use, expects what they come to, and learns from what they came to: worst
cases tell it of all the output that there may be, learned holds of the limit alone. Each way of holding begins from
nothing, and what it learns carries over from wallet to wallet.

A wallet stays in use after its first denial, and calls go on to ask for it as before: this is where streams that were
admitted too freely are cut short. It is used up once nothing runs on it and nobody of a whole fan-out gets in. Calls
that were denied are lost. "About to be spent" is what the streams that run at the first denial go on to cost.
"""

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from holdfast.v1.decision_pb2 import VERDICT_ALLOW
from holdfast_rating.cards import Price, RateCard, Version
from holdfast_rating.meters import Meter
from holdfast_rating.rates import Rates, Refusal, Tariff
from holdfast_sidecar.engine.rules import Quantities

from holdfast_bench.options import Options
from holdfast_bench.results import Chart, Json, Report
from holdfast_bench.rounds import say
from holdfast_bench.wallets import Wallets
from holdfast_bench.workload import LlmCall, draw, read_trace

Holds: TypeAlias = Literal["worst_case", "learned"]
WAYS: tuple[Holds, ...] = ("worst_case", "learned")

WALLET_COUNT = 100
WALLET_CALLS = 60
"""What a wallet is worth, in average calls."""
FANOUT_CALLS = 50
FANOUT_EVERY_MS = 2_000
BEGIN_MS = 500
TOKEN_MS = 20
MAX_OUTPUT_TOKENS = 4_096
CHECK_TOKENS = 25
"""A stream looks at its hold every half second."""
MODEL = "gpt-5"
DIMENSIONS = (("feature", "chat"), ("model", MODEL))
CARD = RateCard(
    "bench",
    "credits",
    [
        Version(
            0,
            None,
            [Price(MODEL, m, a, 1_000_000) for m, a in ((Meter.INPUT, 3_000_000), (Meter.OUTPUT, 12_000_000))],
        )
    ],
)
"""Output at four times the price of input."""
DRAWN_CALLS = 20_000
"""Of the built-in trace."""
SEED = 20_231_111


@dataclass(slots=True)
class _Stream:
    """An admitted call."""

    call: LlmCall
    hold_id: str
    held: int
    begun_ms: int
    passed_tokens: int = 0


@dataclass(slots=True)
class Outcome:
    """What came of one way of holding; amounts in minor units."""

    holds: Holds
    left_shares: list[float] = field(default_factory=list)
    """By wallet: what was neither spent nor about to be spent at its first denial."""
    denied_at_call: list[int] = field(default_factory=list)
    """By wallet: streams admitted before its first denial."""
    admitted: int = 0
    cut_short: int = 0
    extended: int = 0
    shrunk: int = 0
    overdraft: int = 0
    spent_share: float = 0.0
    """Of all wallets together, once they are used up."""

    def to_json(self) -> dict[str, Json]:
        """The published form."""
        return {
            "holds": self.holds,
            "left_at_first_denial": round(self.left_at_first_denial(), 4),
            "admitted": self.admitted,
            "cut_short": self.cut_short,
            "overdraft": self.overdraft,
            "cut_short_share": round(self.cut_short / self.admitted, 4),
            "admitted_before_first_denial": round(sum(self.denied_at_call) / len(self.denied_at_call), 1),
            "spent_share": round(self.spent_share, 4),
            "extended": self.extended,
            "shrunk": self.shrunk,
            "wallets": len(self.left_shares),
        }

    def left_at_first_denial(self) -> float:
        """Mean over the wallets."""
        return sum(self.left_shares) / len(self.left_shares)


def run(options: Options) -> Report:
    """Simulates both; the same calls in the same order for both."""
    calls = list(itertools.islice(draw(SEED), DRAWN_CALLS)) if options.trace is None else read_trace(options.trace)
    outcomes: list[Outcome] = []
    for holds in WAYS:
        say(f"estimates: {holds}")
        outcomes.append(simulate(calls, holds, WALLET_COUNT))
    left: dict[str, Sequence[float]] = {outcome.holds: outcome.left_shares for outcome in outcomes}
    return Report(
        "estimates",
        records=[outcome.to_json() for outcome in outcomes],
        charts=[Chart("wallet, one after another", "left at the first denial, share of the wallet", left)],
        faults=[f"{outcome.holds}: overdraft of {outcome.overdraft}" for outcome in outcomes if outcome.overdraft],
    )


def simulate(calls: Sequence[LlmCall], holds: Holds, wallet_count: int) -> Outcome:
    """Spends wallets one after another; the calls begin anew when they are used up."""
    return _Simulation(calls, holds).run(wallet_count)


def _tariff() -> Tariff:
    tariff = Rates(CARD).tariff(MODEL, 0)
    assert not isinstance(tariff, Refusal)
    return tariff


TARIFF = _tariff()


def cost(input_tokens: int, output_tokens: int) -> int:
    """Minor units."""
    amount = TARIFF.rate({Meter.INPUT: input_tokens, Meter.OUTPUT: output_tokens})
    assert not isinstance(amount, Refusal)
    return amount


class _Simulation:
    """One way of holding, from nothing."""

    def __init__(self, calls: Sequence[LlmCall], holds: Holds) -> None:
        self._calls: Iterator[LlmCall] = itertools.cycle(calls)
        mean = sum(cost(call.input_tokens, call.output_tokens) for call in calls) // len(calls)
        self._wallet_amount = WALLET_CALLS * mean
        self._learned = holds == "learned"
        self._wallets = Wallets(CARD)
        self._outcome = Outcome(holds)
        self._now_ms = 0
        self._pool_id = ""
        self._spent = 0
        self._denied = False
        self._begun = 0
        self._running: dict[str, _Stream] = {}
        self._due: list[tuple[int, int, _Stream]] = []
        self._order = itertools.count()

    def run(self, wallet_count: int) -> Outcome:
        """Spends so many wallets to their end."""
        for number in range(wallet_count):
            self._pool_id = f"wallet-{number}"
            self._wallets.create(self._pool_id, self._wallet_amount)
            self._spent, self._denied, self._begun = 0, False, self._outcome.admitted
            self._use_up()
        self._outcome.overdraft = self._wallets.overdraft()
        spent = sum(self._wallets.spent(f"wallet-{number}") for number in range(wallet_count))
        self._outcome.spent_share = spent / (wallet_count * self._wallet_amount)
        return self._outcome

    def _use_up(self) -> None:
        """Fans out until nothing runs and nobody of a whole fan-out is admitted."""
        while True:
            self._run_until(self._now_ms + FANOUT_EVERY_MS)
            idle = not self._running
            admitted = sum(self._begin(next(self._calls)) for _ in range(FANOUT_CALLS))
            if idle and not admitted:
                return
            self._wallets.post()

    def _run_until(self, until_ms: int) -> None:
        while self._due and self._due[0][0] <= until_ms:
            self._now_ms, _, stream = heapq.heappop(self._due)
            self._wallets.move_to(self._now_ms)
            self._go_on(stream)
        self._now_ms = until_ms
        self._wallets.move_to(until_ms)

    def _begin(self, call: LlmCall) -> bool:
        hold_id = f"{self._pool_id}-{next(self._order)}"
        told, limit = (0, MAX_OUTPUT_TOKENS) if self._learned else (MAX_OUTPUT_TOKENS, 0)
        amount = self._wallets.reserve(self._pool_id, hold_id, _used(call, told), DIMENSIONS, limit)
        if not amount:
            self._deny()
            return False
        self._outcome.admitted += 1
        stream = _Stream(call, hold_id, amount, self._now_ms)
        self._running[hold_id] = stream
        self._look_again(stream, 0)
        return True

    def _deny(self) -> None:
        if self._denied:
            return
        self._denied = True
        running = sum(cost(s.call.input_tokens, s.call.output_tokens) for s in self._running.values())
        left = max(0, self._wallet_amount - self._spent - running)
        self._outcome.left_shares.append(left / self._wallet_amount)
        self._outcome.denied_at_call.append(self._outcome.admitted - self._begun)

    def _look_again(self, stream: _Stream, tokens: int) -> None:
        """The stream is looked at when it ends, when its hold is used up, and every so many tokens."""
        stream.passed_tokens = min(tokens, stream.call.output_tokens, self._affordable(stream))
        at_ms = stream.begun_ms + BEGIN_MS + TOKEN_MS * stream.passed_tokens
        heapq.heappush(self._due, (at_ms, next(self._order), stream))

    def _affordable(self, stream: _Stream) -> int:
        tokens = TARIFF.affordable(
            stream.held, Meter.OUTPUT, {Meter.INPUT: stream.call.input_tokens}, MAX_OUTPUT_TOKENS
        )
        assert not isinstance(tokens, Refusal)
        return tokens

    def _go_on(self, stream: _Stream) -> None:
        passed = stream.passed_tokens
        if passed >= stream.call.output_tokens:
            self._end(stream, cut_short=False)
            return
        can_go_on = self._progress(stream) if self._learned else self._affordable(stream) > passed
        if not can_go_on:
            self._end(stream, cut_short=True)
            return
        self._look_again(stream, passed + CHECK_TOKENS)

    def _progress(self, stream: _Stream) -> bool:
        """Tells how far a stream has come; returns whether it can go on, as its caller would learn it."""
        answer = self._wallets.bring(stream.hold_id, _used(stream.call, stream.passed_tokens))
        stream.held = answer.hold_amount
        self._outcome.extended += bool(answer.added_amount)
        self._outcome.shrunk += bool(answer.returned_amount)
        return answer.verdict == VERDICT_ALLOW

    def _end(self, stream: _Stream, cut_short: bool) -> None:
        used = _used(stream.call, stream.passed_tokens)
        amount = self._wallets.settle(stream.hold_id, used, cut_short=cut_short)
        assert amount <= stream.held, "a stream passed its hold"
        del self._running[stream.hold_id]
        self._spent += amount
        self._outcome.cut_short += cut_short


def _used(call: LlmCall, output_tokens: int) -> Quantities:
    return ("input", call.input_tokens), ("output", output_tokens)
