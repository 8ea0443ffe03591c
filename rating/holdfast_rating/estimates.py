"""What output to expect of a model's work, learned from work that was settled, from nothing.

Three levels, each a histogram: (account, model, feature), (model, feature), model. The most special one that has seen
enough is asked; where none has, the worst case holds. Each histogram is kept as a row of its own, see `take_rows`.
"""

import itertools
import struct
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from operator import itemgetter
from typing import TypeAlias

from holdfast_rating.histogram import BUCKET_COUNT, Forecast, Histogram

Key: TypeAlias = tuple[str, ...]
"""(model,), (model, feature) or (model, feature, account_id)."""
Row: TypeAlias = tuple[bytes, bytes]
"""A histogram as it is kept: a key that says nothing, and a value; an empty one says that the row goes."""

_FORMAT = 1
_ROW_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class EstimateLimits:
    """What is kept, and when it is believed."""

    min_samples: int = 100
    """Values that a level has seen before it is asked: a high quantile of fewer is their largest."""
    max_keys: int = 10_000
    """Histograms kept, 2.5 KB each; past it the one longest without news goes."""


class Estimates:
    """All histograms of one host."""

    def __init__(self, quantile_bp: int, limits: EstimateLimits | None = None) -> None:
        self._quantile_bp = quantile_bp
        self._limits = limits or EstimateLimits()
        self._histograms: dict[Key, Histogram] = {}
        """The one longest without news first."""
        self._changed: dict[Key, None] = {}
        """Whose row is not what it should be, the one that became so first ahead."""
        self._stored: set[Key] = set()
        """Who has a row."""
        self._damaged: dict[bytes, None] = {}
        """Keys of rows that are to go."""
        self._row_count = 0

    def __len__(self) -> int:
        """Histograms kept."""
        return len(self._histograms)

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
            self._changed[key] = None
            known = cut_short and histogram.count >= self._limits.min_samples
            histogram.add(histogram.forecast(output_tokens, self._quantile_bp).mean if known else output_tokens)
        self._forget()

    def forecast(self, account_id: str, model: str, feature: str, passed_tokens: int = 0) -> Forecast | None:
        """What an output that has come to `passed_tokens` comes to in all; None: unknown, hold the worst case."""
        for key in _keys(account_id, model, feature):
            histogram = self._histograms.get(key)
            if histogram is not None and histogram.count >= self._limits.min_samples:
                return histogram.forecast(passed_tokens, self._quantile_bp)
        return None

    @property
    def changed_count(self) -> int:
        """Rows that `take_rows` has to give."""
        return len(self._changed) + len(self._damaged)

    def take_rows(self, max_count: int) -> list[Row]:
        """Returns rows that changed since they were taken, at most so many, those that wait longest; no key twice."""
        rows = dict.fromkeys(itertools.islice(self._damaged, max_count), b"")
        for row_key in rows:
            del self._damaged[row_key]
        for key in list(itertools.islice(self._changed, max_count - len(rows))):
            del self._changed[key]
            row_key = _row_key(key)
            self._damaged.pop(row_key, None)
            histogram = self._histograms.get(key)
            if histogram is None:
                self._stored.remove(key)
                rows[row_key] = b""
            else:
                self._stored.add(key)
                self._row_count += 1
                rows[row_key] = _row_value(key, histogram, self._row_count)
        return list(rows.items())

    def load(self, rows: Iterable[Row]) -> int:
        """Takes up the rows that `take_rows` gave, in any order, instead of what is here.

        Returns:
            How many of them were damaged; those are left out, and go.
        """
        found: list[tuple[int, Key, Histogram]] = []
        damaged: dict[bytes, None] = {}
        for row_key, value in rows:
            try:
                number, key, histogram = _parse(value)
            except (IndexError, OverflowError, ValueError, struct.error):
                damaged[row_key] = None
                continue
            if _row_key(key) == row_key:
                found.append((number, key, histogram))
            else:
                damaged[row_key] = None
        found.sort(key=itemgetter(0, 1))
        self._histograms = {key: histogram for _, key, histogram in found}
        self._stored = set(self._histograms)
        self._changed = {}
        self._damaged = damaged
        self._row_count = found[-1][0] if found else 0
        self._forget()
        return len(damaged)

    def _forget(self) -> None:
        while len(self._histograms) > self._limits.max_keys:
            key = next(iter(self._histograms))
            del self._histograms[key]
            if key in self._stored:
                self._changed[key] = None
            else:
                del self._changed[key]


def _keys(account_id: str, model: str, feature: str) -> tuple[Key, Key, Key]:
    return (model, feature, account_id), (model, feature), (model,)


def _row_key(key: Key) -> bytes:
    """A key as long as any other, since stores limit them and names are longer than they allow."""
    return blake2b(_names(key), digest_size=_ROW_KEY_BYTES).digest()


def _names(key: Key) -> bytes:
    out = bytearray([len(key)])
    for part in key:
        text = part.encode()
        _put(out, len(text))
        out += text
    return bytes(out)


def _row_value(key: Key, histogram: Histogram, number: int) -> bytes:
    """Varints: format, number, names, count, weight, first bucket and how many; then the weights of those."""
    out = bytearray([_FORMAT])
    _put(out, number)
    out += _names(key)
    filled = [bucket for bucket, weight in enumerate(histogram.weights) if weight]
    first, last = (filled[0], filled[-1]) if filled else (0, -1)
    weights = histogram.weights[first : last + 1]
    for value in (histogram.count, histogram.weight, first, len(weights)):
        _put(out, value)
    return bytes(out) + struct.pack(f"<{len(weights)}Q", *weights)


def _parse(data: bytes) -> tuple[int, Key, Histogram]:
    if data[0] != _FORMAT:
        raise ValueError(f"a row of format {data[0]}; this program reads {_FORMAT}")
    number, at = _take(data, 1)
    part_count, at = data[at], at + 1
    key: list[str] = []
    for _ in range(part_count):
        length, at = _take(data, at)
        if at + length > len(data):
            raise ValueError("a row ends within a name")
        key.append(data[at : at + length].decode())
        at += length
    histogram = Histogram()
    histogram.count, at = _take(data, at)
    histogram.weight, at = _take(data, at)
    first, at = _take(data, at)
    filled_count, at = _take(data, at)
    if first + filled_count > BUCKET_COUNT:
        raise ValueError("a row with more buckets than there are")
    filled = struct.unpack(f"<{filled_count}Q", data[at:])
    histogram.weights[first : first + filled_count] = array("Q", filled)
    if not histogram.is_sound():
        raise ValueError("a row with weights that never come about")
    return number, tuple(key), histogram


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
