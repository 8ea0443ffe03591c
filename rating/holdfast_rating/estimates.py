"""What output to expect of a model's work, learned from work that was settled, from nothing.

Three levels, each a histogram: (account, model, feature), (model, feature), model. The most special one that has seen
enough is asked; where none has, the worst case holds. The bytes that it is kept as are those of `to_bytes`.
"""

from dataclasses import dataclass
from typing import TypeAlias

from holdfast_rating.histogram import BUCKET_COUNT, Forecast, Histogram

Key: TypeAlias = tuple[str, ...]
"""(model,), (model, feature) or (model, feature, account_id)."""

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class EstimateLimits:
    """What is kept, and when it is believed."""

    min_samples: int = 100
    """Values that a level has seen before it is asked: a high quantile of fewer is their largest."""
    max_keys: int = 10_000
    """Histograms kept, 1.3 KB each; past it the one longest without news goes."""


class Estimates:
    """All histograms of one host."""

    def __init__(self, quantile_bp: int, limits: EstimateLimits | None = None) -> None:
        self._quantile_bp = quantile_bp
        self._limits = limits or EstimateLimits()
        self._histograms: dict[Key, Histogram] = {}

    def observe(
        self, account_id: str, model: str, feature: str, output_tokens: int, *, cut_short: bool = False
    ) -> None:
        """Learns from settled work.

        Args:
            cut_short: It would have gone on: it counts as what outputs that got so far come to, since otherwise
                long ones, which are cut most, would be learned as short.
        """
        for key in _keys(account_id, model, feature):
            histogram = self._histograms.pop(key, None) or Histogram()
            self._histograms[key] = histogram
            known = cut_short and histogram.count >= self._limits.min_samples
            histogram.add(histogram.forecast(output_tokens, self._quantile_bp).mean if known else output_tokens)
        while len(self._histograms) > self._limits.max_keys:
            del self._histograms[next(iter(self._histograms))]

    def forecast(self, account_id: str, model: str, feature: str, passed_tokens: int = 0) -> Forecast | None:
        """What an output that has come to `passed_tokens` comes to in all; None: unknown, hold the worst case."""
        for key in _keys(account_id, model, feature):
            histogram = self._histograms.get(key)
            if histogram is not None and histogram.count >= self._limits.min_samples:
                return histogram.forecast(passed_tokens, self._quantile_bp)
        return None

    def to_bytes(self) -> bytes:
        """All that was learned, to be kept."""
        out = bytearray([_FORMAT])
        _put(out, len(self._histograms))
        for key, histogram in self._histograms.items():
            _put(out, len(key))
            for part in key:
                text = part.encode()
                _put(out, len(text))
                out += text
            filled = [(bucket, weight) for bucket, weight in enumerate(histogram.weights) if weight]
            for number in (histogram.count, histogram.weight, len(filled)):
                _put(out, number)
            for bucket, weight in filled:
                _put(out, bucket)
                _put(out, weight)
        return bytes(out)

    def load(self, data: bytes) -> None:
        """Takes up what `to_bytes` gave instead of what is here. Raises ValueError, changing nothing, if it is not."""
        try:
            self._histograms = _parse(data)
        except (IndexError, OverflowError, UnicodeDecodeError) as error:
            raise ValueError("not the bytes of estimates, or not all of them") from error


def _keys(account_id: str, model: str, feature: str) -> tuple[Key, Key, Key]:
    return (model, feature, account_id), (model, feature), (model,)


def _parse(data: bytes) -> dict[Key, Histogram]:
    if data[0] != _FORMAT:
        raise ValueError(f"estimates of format {data[0]}; this program reads {_FORMAT}")
    histograms: dict[Key, Histogram] = {}
    total, at = _take(data, 1)
    for _ in range(total):
        parts, at = _take(data, at)
        key: list[str] = []
        for _ in range(parts):
            length, at = _take(data, at)
            if at + length > len(data):
                raise ValueError("estimates end within a name")
            key.append(data[at : at + length].decode())
            at += length
        histogram = histograms[tuple(key)] = Histogram()
        histogram.count, at = _take(data, at)
        histogram.weight, at = _take(data, at)
        filled, at = _take(data, at)
        for _ in range(filled):
            bucket, at = _take(data, at)
            weight, at = _take(data, at)
            if bucket >= BUCKET_COUNT:
                raise ValueError(f"estimates with a bucket {bucket}")
            histogram.weights[bucket] = weight
        if not histogram.is_sound():
            raise ValueError("estimates with weights that never come about")
    if at != len(data):
        raise ValueError("more bytes than the estimates have")
    return histograms


def _put(out: bytearray, number: int) -> None:
    """Writes a number as protobuf's varints are."""
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _take(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return number, at
        shift += 7
