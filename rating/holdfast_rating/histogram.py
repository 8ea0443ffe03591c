"""What outputs were like lately: a histogram in logarithmic buckets that forgets, in constant memory.

Buckets as in DDSketch (C. Masson, J. E. Rim, H. K. Lee, VLDB 2019) and HdrHistogram: eight to a power of two, so that a
value is known to an eighth. Forgetting as in forward decay (G. Cormode et al., ICDE 2009): instead of shrinking what
is old, each new value weighs 1/256 more than the one before. Integers alone, so that every host comes to the same.
"""

from array import array
from dataclasses import dataclass

SUB_BUCKETS = 8
"""Buckets a power of two: a bucket is at most an eighth wide."""
_SUB_BITS = 3
VALUE_LIMIT = 2**20 - 1
"""Tokens; a longer output counts as one of this length."""
BUCKET_COUNT = 144
"""1.2 KB a histogram."""
DECAY_BITS = 8
"""Values that count: a value weighs half of the newest after 0.69 * 256 others, so that a change is soon noticed."""
_FIRST_WEIGHT = 2**16
_LARGEST_WEIGHT = 2**32
_SCALE_BITS = 16
_STALE_SHARE = 16
"""Forecasts are drawn up again when 1/16 of the values that count is new."""
BASIS = 10_000


@dataclass(frozen=True, slots=True)
class Forecast:
    """Tokens that an output comes to in all."""

    mean: int
    high: int
    """The quantile that was asked for; at least `mean`."""


class Histogram:
    """Values seen, newer ones weighing more."""

    __slots__ = ("_highs", "_means", "_renewed_at", "count", "weight", "weights")

    def __init__(self) -> None:
        self.count = 0
        """Values seen, ever."""
        self.weight = _FIRST_WEIGHT
        """Of the next value."""
        self.weights = array("Q", bytes(8 * BUCKET_COUNT))
        """By bucket."""
        # By the bucket that was reached, as of `_renewed_at` values. In arrays: as objects they took 10 KB.
        self._means = array("I")
        self._highs = array("I")
        self._renewed_at = -1

    def add(self, value: int) -> None:
        """Counts a value, 0 or more."""
        self.weights[bucket_of(value)] += self.weight
        self.count += 1
        self.weight += self.weight >> DECAY_BITS
        if self.weight >= _LARGEST_WEIGHT:
            self.weight >>= _SCALE_BITS
            for bucket, weight in enumerate(self.weights):
                self.weights[bucket] = weight >> _SCALE_BITS

    def is_sound(self) -> bool:
        """Whether adding and forecasting keep within 64 bits from here, as from every state that comes about."""
        return _FIRST_WEIGHT <= self.weight < _LARGEST_WEIGHT and max(self.weights) < _LARGEST_WEIGHT << _SCALE_BITS

    def forecast(self, passed: int, quantile_bp: int) -> Forecast:
        """What a value comes to that has reached `passed` already.

        Args:
            passed: What it has reached; 0: nothing is known of it.
            quantile_bp: The level of `Forecast.high`, in 1/10,000; the same with every call.
        """
        if self._renewed_at < 0 or (self.count - self._renewed_at) * _STALE_SHARE >= min(self.count, 1 << DECAY_BITS):
            self._forecast_all(quantile_bp)
            self._renewed_at = self.count
        bucket = bucket_of(passed)
        if bucket < len(self._means):
            mean = max(self._means[bucket], passed + 1)
            return Forecast(mean, max(self._highs[bucket], mean))
        # Beyond all that was seen: nothing is known but that such values exist. Half as much again, and then anew.
        return Forecast(passed + passed // 4 + 1, passed + passed // 2 + 1)

    def _forecast_all(self, quantile_bp: int) -> None:
        """One forecast for each bucket up to the last that was seen, in one walk from the top down."""
        weights = self.weights
        high = last = max((bucket for bucket in range(BUCKET_COUNT) if weights[bucket]), default=-1)
        above_high = seen = weighted = 0
        self._means, self._highs = array("I", bytes(4 * (last + 1))), array("I", bytes(4 * (last + 1)))
        for bucket in range(last, -1, -1):
            seen += weights[bucket]
            weighted += weights[bucket] * _MIDDLES[bucket]
            while (above_high + weights[high]) * BASIS <= (BASIS - quantile_bp) * seen and high > bucket:
                above_high += weights[high]
                high -= 1
            mean = self._means[bucket] = -(-weighted // (2 * seen))
            self._highs[bucket] = max(_HIGHEST[high], mean)


def bucket_of(value: int) -> int:
    """The bucket of a value, 0 or more."""
    value = min(value, VALUE_LIMIT)
    exponent = max(0, value.bit_length() - _SUB_BITS - 1)
    return exponent * SUB_BUCKETS + (value >> exponent)


def lowest(bucket: int) -> int:
    """The smallest value of a bucket."""
    if bucket < SUB_BUCKETS:
        return bucket
    exponent = bucket // SUB_BUCKETS - 1
    return (bucket - exponent * SUB_BUCKETS) << exponent


def highest(bucket: int) -> int:
    """The largest value of a bucket."""
    return lowest(bucket + 1) - 1


_HIGHEST = tuple(highest(bucket) for bucket in range(BUCKET_COUNT))
_MIDDLES = tuple(lowest(bucket) + highest(bucket) for bucket in range(BUCKET_COUNT))
"""Twice the middle of each bucket."""
