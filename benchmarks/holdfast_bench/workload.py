"""LLM calls over time: from a trace, or drawn from distributions fitted to one. Shared by benchmark and demo.

The fit is to the Azure LLM inference trace 2023, conversation (P. Patel et al., "Splitwise", ISCA 2024, CC-BY 4.0):
19,366 calls of a production service in 58 minutes. Arrivals there are close to Poisson (coefficient of variation 1.09);
input and output lengths are hardly correlated (0.09 in logarithms), so they are drawn apart, from the quantiles below.
"""

import bisect
import csv
import dataclasses
import datetime
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CALLS_PER_S = 5.53
"""Arrivals of the trace."""

_QUANTILES = (0.0, 0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 0.999, 1.0)
_INPUT_TOKENS = (2, 29, 181, 207, 396, 1_020, 1_189, 2_734, 4_083, 4_142, 6_179, 14_050)
_OUTPUT_TOKENS = (7, 16, 41, 54, 85, 129, 395, 424, 451, 601, 954, 1_000)

INPUT_PRICE = 3
OUTPUT_PRICE = 15
"""Minor units a token: with credits of 10^6, three and fifteen credits a million tokens."""

FIRST_TOKEN_S = 0.3
TOKEN_S = 0.02
"""How long a call takes: the time to its first token, and each further one."""

MAX_TOKENS = 10_000_000
"""Tokens that a line of a trace may have: ten times the longest context there is."""

EXPECTED_OUTPUT_TOKENS = 400
"""What a hold is estimated with: about the third quartile, so that a quarter of the calls has to extend."""


@dataclass(frozen=True, slots=True)
class LlmCall:
    """One call of a model."""

    at_s: float
    """When it begins, in seconds from the first one."""
    input_tokens: int
    output_tokens: int

    @property
    def estimate(self) -> int:
        """Minor units to reserve before the output is known."""
        return self.input_tokens * INPUT_PRICE + EXPECTED_OUTPUT_TOKENS * OUTPUT_PRICE

    @property
    def cost(self) -> int:
        """Minor units that it costs in the end."""
        return self.input_tokens * INPUT_PRICE + self.output_tokens * OUTPUT_PRICE

    @property
    def prompt_cost(self) -> int:
        """Minor units of `cost` that are spent once the model has read its input."""
        return self.input_tokens * INPUT_PRICE

    @property
    def extension(self) -> int:
        """Minor units by which its hold has to grow before it passes the estimate; 0: not at all."""
        return max(0, self.cost - self.estimate)

    @property
    def duration_s(self) -> float:
        """Seconds from its begin to its end."""
        return FIRST_TOKEN_S + self.output_tokens * TOKEN_S

    @property
    def extends_after_s(self) -> float:
        """Seconds from its begin to the moment at which it has used up the estimate."""
        return FIRST_TOKEN_S + EXPECTED_OUTPUT_TOKENS * TOKEN_S


def read_trace(path: Path) -> list[LlmCall]:
    """Reads a CSV with the columns TIMESTAMP, ContextTokens, GeneratedTokens.

    Raises:
        ValueError: A column is missing or a line cannot be read; names the line.
        OSError: The file cannot be read.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        calls = [_read_row(path, rows.line_num, row) for row in rows]
    if not calls:
        raise ValueError(f"{path}: no calls")
    calls.sort(key=lambda call: call.at_s)
    first_s = calls[0].at_s
    return [LlmCall(call.at_s - first_s, call.input_tokens, call.output_tokens) for call in calls]


def rate_per_s(calls: Sequence[LlmCall]) -> float:
    """Calls a second of a trace that is repeated."""
    return len(calls) / _period_s(calls)


def repeat(calls: Sequence[LlmCall]) -> Iterator[LlmCall]:
    """Yields the calls of a trace without end: its mean gap after the last one it begins anew."""
    begun_s = 0.0
    while True:
        for call in calls:
            yield dataclasses.replace(call, at_s=begun_s + call.at_s)
        begun_s += _period_s(calls)


def _period_s(calls: Sequence[LlmCall]) -> float:
    """From the first call to its repetition; a second after calls that are all of one moment."""
    span_s = calls[-1].at_s
    return span_s + (span_s / (len(calls) - 1) if span_s > 0 else 1.0)


def draw(seed: int) -> Iterator[LlmCall]:
    """Draws calls without end from the fitted distributions; the same seed draws the same calls."""
    chance = random.Random(seed)
    at_s = 0.0
    while True:
        yield LlmCall(at_s, _draw_tokens(chance, _INPUT_TOKENS), _draw_tokens(chance, _OUTPUT_TOKENS))
        at_s += chance.expovariate(CALLS_PER_S)


def _read_row(path: Path, line: int, row: dict[str, str | None]) -> LlmCall:
    try:
        # The trace has seven digits of a second; Python reads six.
        at = datetime.datetime.fromisoformat((row["TIMESTAMP"] or "")[:26]).replace(tzinfo=datetime.UTC)
        call = LlmCall(at.timestamp(), int(row["ContextTokens"] or ""), int(row["GeneratedTokens"] or ""))
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path}, line {line}: not a call with its tokens: {error}") from None
    if call.input_tokens < 0 or call.output_tokens < 0:
        raise ValueError(f"{path}, line {line}: tokens below zero")
    if max(call.input_tokens, call.output_tokens) > MAX_TOKENS:
        raise ValueError(f"{path}, line {line}: more than {MAX_TOKENS} tokens")
    return call


def _draw_tokens(chance: random.Random, values: Sequence[int]) -> int:
    """Draws by the inverse of the distribution, between two quantiles evenly in logarithms."""
    drawn = chance.random()
    above = bisect.bisect_right(_QUANTILES, drawn)
    low, high = _QUANTILES[above - 1], _QUANTILES[above]
    share = (drawn - low) / (high - low)
    logarithm = math.log(values[above - 1]) * (1 - share) + math.log(values[above]) * share
    return round(math.exp(logarithm))
