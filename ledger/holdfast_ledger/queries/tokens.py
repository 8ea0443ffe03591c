"""Tokens of pages and figures: opaque to the caller; to us what is asked, up to which snapshot, and where to go on.

Tokens describe themselves and are no secret: each use is checked like a request, and reads what its caller may read. A
checksum tells what was cut or changed by mistake.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError
from holdfast.v1 import usage_service_pb2 as api

from holdfast_ledger.errors import InvalidArgument

PAGE_LIFE_MS: Final = 600_000
"""Ten minutes: who pages through figures does not wait longer, and later the state of the first page may be gone."""

MAX_TOKEN_CHARS: Final = 262_144
_CHECKSUM_BYTES: Final = 8
_MAX_FACTS: Final = 8

Part = str | int
Json = str | int | bool | Sequence["Json"]


@dataclass(frozen=True, slots=True)
class PageToken:
    """Where the next page begins."""

    digest: bytes
    """Of the question."""
    made_ms: int
    batch_no: int
    """The snapshot."""
    total: int
    compared_total: int
    after: tuple[Part, ...]
    """The last cell's place in the order: step, rest, group."""


@dataclass(frozen=True, slots=True)
class TraceToken:
    """A figure, and the question that it answers."""

    request: api.QueryUsageRequest
    batch_no: int
    step_ms: int
    rest: bool
    group: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TracePageToken:
    """Where the next page of a trace begins."""

    digest: bytes
    """Of the trace's token."""
    made_ms: int
    time_ms: int
    fact: int
    row_id: int


def write_page(token: PageToken) -> str:
    """Returns the token of a page."""
    step, rest, *group = token.after
    return _write(
        "p",
        [
            token.digest.hex(), token.made_ms, token.batch_no, token.total, token.compared_total, step, rest, group,
        ],
    )  # fmt: skip


def read_page(text: str, digest: bytes, group_count: int, now_ms: int) -> PageToken:
    """Reads the token of a page of this question. Raises `InvalidArgument`."""
    fields = _Fields("page_token", text, "p")
    made_ms = fields.used(digest, now_ms)
    batch_no, total, compared_total = fields.number(), fields.signed(), fields.signed()
    after: list[Part] = [fields.signed(), fields.number(), *fields.texts(group_count)]
    fields.end()
    return PageToken(digest, made_ms, batch_no, total, compared_total, tuple(after))


def trace_writer(request: api.QueryUsageRequest, batch_no: int) -> "TraceWriter":
    """Returns what writes the tokens of an answer's figures."""
    asked = api.QueryUsageRequest()
    asked.CopyFrom(request)
    for field in ("page_token", "page_size", "comparison"):
        asked.ClearField(field)
    return TraceWriter(_text(asked.SerializeToString(deterministic=True)), batch_no)


@dataclass(frozen=True, slots=True)
class TraceWriter:
    """Writes the tokens of one answer's figures."""

    _request: str
    _batch_no: int

    @property
    def length(self) -> int:
        """About how long each is, in characters, besides its group."""
        return len(self._request) + 80

    def write(self, step_ms: int, rest: bool, group: Sequence[str]) -> str:
        """Returns the token of a figure."""
        return _write("t", [self._batch_no, step_ms, int(rest), list(group)], self._request)


def read_trace(text: str) -> TraceToken:
    """Reads the token of a figure. Raises `InvalidArgument`."""
    fields = _Fields("trace_token", text, "t")
    batch_no, step_ms, rest, group = fields.number(), fields.number(), fields.number() != 0, fields.texts()
    fields.end()
    try:
        request = api.QueryUsageRequest.FromString(_bytes(fields.prefix))
    except (DecodeError, ValueError) as fault:
        raise _unknown("trace_token") from fault
    return TraceToken(request, batch_no, step_ms, rest, tuple(group))


def write_trace_page(token: TracePageToken) -> str:
    """Returns the token of a page of a trace."""
    return _write("q", [token.digest.hex(), token.made_ms, token.time_ms, token.fact, token.row_id])


def read_trace_page(text: str, digest: bytes, now_ms: int) -> TracePageToken:
    """Reads the token of a page of this trace. Raises `InvalidArgument`."""
    fields = _Fields("page_token", text, "q")
    token = TracePageToken(
        digest, fields.used(digest, now_ms), fields.signed(), fields.number(_MAX_FACTS), fields.number(2**64 - 1)
    )
    fields.end()
    return token


def trace_digest(text: str, scope: str) -> bytes:
    """Names a trace, and of whom."""
    return hashlib.sha256(f"{scope}\n{text}".encode()).digest()[:16]


def _write(kind: str, fields: Sequence[Json], prefix: str = "") -> str:
    content = json.dumps([kind, *fields], ensure_ascii=False, separators=(",", ":")).encode()
    return f"{prefix}.{_text(_checksum(prefix, content) + content)}"


class _Fields:
    """The fields of a token, read in their order. Each raises `InvalidArgument` for what none of our tokens has."""

    def __init__(self, field: str, text: str, kind: str) -> None:
        self._field = field
        self.prefix, point, last = text.rpartition(".")
        try:
            blob = _bytes(last)
            checksum, content = blob[:_CHECKSUM_BYTES], blob[_CHECKSUM_BYTES:]
            if not point or len(text) > MAX_TOKEN_CHARS or checksum != _checksum(self.prefix, content):
                raise _unknown(field)
            fields: object = json.loads(content)
        except (ValueError, RecursionError) as fault:
            raise _unknown(field) from fault
        if not isinstance(fields, list) or fields[:1] != [kind]:
            raise _unknown(field)
        self._fields: Iterator[object] = iter(fields[1:])

    def _next(self) -> object:
        return next(self._fields, None)

    def number(self, high: int = 2**63 - 1) -> int:
        """A number from 0 up."""
        value = self._next()
        if not isinstance(value, int) or not 0 <= value <= high:
            raise _unknown(self._field)
        return value

    def signed(self) -> int:
        """An int64."""
        value = self._next()
        if not isinstance(value, int) or not -(2**63) <= value < 2**63:
            raise _unknown(self._field)
        return value

    def texts(self, count: int | None = None) -> list[str]:
        """Some texts."""
        values = self._next()
        if not isinstance(values, list) or count not in (None, len(values)):
            raise _unknown(self._field)
        if not all(isinstance(value, str) for value in values):
            raise _unknown(self._field)
        return values

    def used(self, digest: bytes, now_ms: int) -> int:
        """When it was made; it is refused for another question, and when it is too old."""
        if self._next() != digest.hex():
            reason = "is a token of another question; the other fields are those of the first page"
            raise InvalidArgument(self._field, reason)
        made_ms = self.number()
        if not now_ms - PAGE_LIFE_MS <= made_ms <= now_ms + PAGE_LIFE_MS:
            reason = f"is older than {PAGE_LIFE_MS // 60_000} minutes; begin with the first page again"
            raise InvalidArgument(self._field, reason)
        return made_ms

    def end(self) -> None:
        """Nothing more is there."""
        if self._next() is not None:
            raise _unknown(self._field)


def _checksum(prefix: str, content: bytes) -> bytes:
    return hashlib.sha256(prefix.encode() + b"." + content).digest()[:_CHECKSUM_BYTES]


def _unknown(field: str) -> InvalidArgument:
    return InvalidArgument(field, "is not a token of this ledger")


def _text(blob: bytes) -> str:
    return base64.urlsafe_b64encode(blob).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as fault:
        raise ValueError(str(fault)) from fault
