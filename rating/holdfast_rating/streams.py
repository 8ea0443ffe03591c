"""How much a stream holds: first by the estimate, more before it passes it, less as it proves cheaper.

A stream that runs alone holds a high quantile of what it may come to. Streams that share a pool hold less each: what
one leaves of its hold, another can have. By the square-root law of pooled risks (G. D. Eppen, Management Science 25,
1979) n independent streams together need their means and sqrt(n) times the margin of one, not n times; where a part c
of the variance is common to all of them, sqrt(n + c n^2) times. So, with m(n) = sqrt(n + c n^2),

    the first hold of the n-th stream      mean + (high - mean) * (m(n) - m(n - 1))
    each of n streams as it goes           mean + (high - mean) * m(n) / n

which both add up to m(n) margins. The latter's mean and high are those of outputs that got as far as this one. Streams
that run long together more than was assumed need more: some are cut short then, but nobody overdraws.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

from holdfast_rating.histogram import BASIS, Forecast

_ROOT_BITS = 16
_EXTEND_SHARE = 16
_SHRINK_SHARE = 4


@dataclass(frozen=True, slots=True)
class StreamPolicy:
    """How careful to be. All in basis points (1/10,000)."""

    quantile_bp: int = 9_900
    """The high quantile: of streams that run alone, all but this share end within their first hold."""
    buffer_bp: int = 500
    """Held on top of the tokens that are still to come."""
    common_bp: int = 400
    """How much of the variance streams of one time have in common, since a fan-out's work is alike. Assumed, not
    learned: streams end in the order of their length, which looks like the same thing. 0: they are independent."""


@dataclass(frozen=True, slots=True)
class Extend:
    """The hold should grow before the work goes on."""

    add_amount: int
    """Minor units that bring it to what it should be."""
    min_add_amount: int
    """What it needs now; 0 or less: the work can go on without."""


@dataclass(frozen=True, slots=True)
class Shrink:
    """The hold is larger than it needs to be."""

    amount: int
    """Minor units that it should have."""


Step: TypeAlias = Extend | Shrink | None


def first_tokens(forecast: Forecast, running_count: int, max_output_tokens: int, policy: StreamPolicy) -> int:
    """Output tokens to hold for a stream that begins.

    Args:
        running_count: Streams with a hold in the same pool, without this one.
        max_output_tokens: What it may come to at most.
    """
    share = _margins(running_count + 1, policy.common_bp) - _margins(running_count, policy.common_bp)
    margin = -(-(forecast.high - forecast.mean) * share >> _ROOT_BITS)
    return _buffered(0, forecast.mean + margin, max_output_tokens, policy)


def later_tokens(
    forecast: Forecast, passed_tokens: int, running_count: int, max_output_tokens: int, policy: StreamPolicy
) -> int:
    """Output tokens in all to hold for a stream that has come to `passed_tokens`.

    Args:
        forecast: Of outputs that got as far.
        running_count: Streams with a hold in the same pool, this one among them.
    """
    margins = _margins(running_count, policy.common_bp)
    margin = -(-(forecast.high - forecast.mean) * margins // (running_count << _ROOT_BITS))
    return _buffered(passed_tokens, forecast.mean + margin, max_output_tokens, policy)


def next_step(held_amount: int, wanted_amount: int, needed_amount: int) -> Step:
    """Returns how to bring a hold to what it should be; None: it is near enough, and nobody need be asked.

    Args:
        held_amount: What it has, settled parts included.
        wanted_amount: What it should have, by `later_tokens` and the tariff.
        needed_amount: What the work comes to before it asks again.
    """
    wanted_amount = max(wanted_amount, needed_amount)
    if held_amount < needed_amount or (wanted_amount - held_amount) * _EXTEND_SHARE > wanted_amount:
        return Extend(wanted_amount - held_amount, needed_amount - held_amount)
    if (held_amount - wanted_amount) * _SHRINK_SHARE > held_amount:
        return Shrink(wanted_amount)
    return None


def _buffered(passed: int, expected: int, limit: int, policy: StreamPolicy) -> int:
    left = max(0, expected - passed)
    return max(min(passed + -(-left * (BASIS + policy.buffer_bp) // BASIS), limit), 1)


def _margins(count: int, common_bp: int) -> int:
    """How many margins so many streams need together, in 1 / 2**_ROOT_BITS."""
    return math.isqrt((count * BASIS + count * count * common_bp << 2 * _ROOT_BITS) // BASIS)
