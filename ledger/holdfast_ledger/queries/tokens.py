"""Tokens of pages and figures: opaque to the caller; to us what is asked, up to which snapshot, and where to go on.

Tokens describe themselves and are no secret: each use is checked like a request, and reads what its caller may read.
They are signed with a key of the ledger's database, which all replicas share: nobody else can make one.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError
from holdfast.v1 import usage_service_pb2 as api

from holdfast_ledger.errors import InvalidArgument

PAGE_LIFE_MS: Final = 600_000
"""Ten minutes: who pages through figures does not wait longer, and later the state of the first page may be gone."""

MAX_TOKEN_CHARS: Final = 262_144
_SIGNATURE_BYTES: Final = 16
"""Of HMAC-SHA-256: each cell has a token, and half of it is as hard to guess as a random UUID."""

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


@dataclass(frozen=True, slots=True)
class Tokens:
    """Writes and reads tokens. Reading raises `InvalidArgument` for what none of ours has."""

    secret: bytes = field(repr=False)
    """What they are signed with."""

    def write_page(self, token: PageToken) -> str:
        """Returns the token of a page."""
        step, rest, *group = token.after
        return self._write(
            "p",
            [
                token.digest.hex(), token.made_ms, token.batch_no, token.total, token.compared_total, step, rest, group,
            ],
        )  # fmt: skip

    def read_page(self, text: str, digest: bytes, group_count: int, now_ms: int) -> PageToken:
        """Reads the token of a page of this question. Raises `InvalidArgument`."""
        fields = self._fields("page_token", text, "p")
        made_ms = fields.used(digest, now_ms)
        batch_no, total, compared_total = fields.number(), fields.signed(), fields.signed()
        after: list[Part] = [fields.signed(), fields.number(), *fields.texts(group_count)]
        fields.end()
        return PageToken(digest, made_ms, batch_no, total, compared_total, tuple(after))

    def trace_writer(self, request: api.QueryUsageRequest, batch_no: int) -> "TraceWriter":
        """Returns what writes the tokens of an answer's figures."""
        asked = api.QueryUsageRequest()
        asked.CopyFrom(request)
        for name in ("page_token", "page_size", "comparison"):
            asked.ClearField(name)
        return TraceWriter(self, _text(asked.SerializeToString(deterministic=True)), batch_no)

    def read_trace(self, text: str) -> TraceToken:
        """Reads the token of a figure. Raises `InvalidArgument`."""
        fields = self._fields("trace_token", text, "t")
        batch_no, step_ms, rest, group = fields.number(), fields.number(), fields.number() != 0, fields.texts()
        fields.end()
        try:
            request = api.QueryUsageRequest.FromString(_bytes(fields.prefix))
        except (DecodeError, ValueError) as fault:
            raise _unknown("trace_token") from fault
        return TraceToken(request, batch_no, step_ms, rest, tuple(group))

    def write_trace_page(self, token: TracePageToken) -> str:
        """Returns the token of a page of a trace."""
        return self._write("q", [token.digest.hex(), token.made_ms, token.time_ms, token.fact, token.row_id])

    def read_trace_page(self, text: str, digest: bytes, now_ms: int) -> TracePageToken:
        """Reads the token of a page of this trace. Raises `InvalidArgument`."""
        fields = self._fields("page_token", text, "q")
        token = TracePageToken(
            digest, fields.used(digest, now_ms), fields.signed(), fields.number(_MAX_FACTS), fields.number(2**64 - 1)
        )
        fields.end()
        return token

    def _write(self, kind: str, fields: Sequence[Json], prefix: str = "") -> str:
        content = json.dumps([kind, *fields], ensure_ascii=False, separators=(",", ":")).encode()
        return f"{prefix}.{_text(self._signature(prefix, content) + content)}"

    def _signature(self, prefix: str, content: bytes) -> bytes:
        return hmac.digest(self.secret, prefix.encode() + b"." + content, "sha256")[:_SIGNATURE_BYTES]

    def _fields(self, name: str, text: str, kind: str) -> "_Fields":
        if len(text) > MAX_TOKEN_CHARS:
            raise _unknown(name)
        prefix, point, last = text.rpartition(".")
        try:
            blob = _bytes(last)
            signature, content = blob[:_SIGNATURE_BYTES], blob[_SIGNATURE_BYTES:]
            ours = hmac.compare_digest(signature, self._signature(prefix, content))
            if not point or not ours:
                raise _unknown(name)
            fields: object = json.loads(content)
        except (ValueError, RecursionError) as fault:
            raise _unknown(name) from fault
        if not isinstance(fields, list) or fields[:1] != [kind]:
            raise _unknown(name)
        return _Fields(name, prefix, iter(fields[1:]))


@dataclass(frozen=True, slots=True)
class TraceWriter:
    """Writes the tokens of one answer's figures."""

    _tokens: Tokens
    _request: str
    _batch_no: int

    @property
    def length(self) -> int:
        """About how long each is, in characters, besides its group."""
        return len(self._request) + 92

    def write(self, step_ms: int, rest: bool, group: Sequence[str]) -> str:
        """Returns the token of a figure."""
        return self._tokens._write("t", [self._batch_no, step_ms, int(rest), list(group)], self._request)


def trace_digest(text: str, scope: str) -> bytes:
    """Names a trace, and of whom."""
    return hashlib.sha256(f"{scope}\n{text}".encode()).digest()[:16]


class _Fields:
    """The fields of a token, read in their order. Each raises `InvalidArgument` for what none of our tokens has."""

    def __init__(self, name: str, prefix: str, fields: Iterator[object]) -> None:
        """`name`: of the field that the token came in; `prefix`: what stands before its fields."""
        self._field = name
        self.prefix = prefix
        self._fields = fields

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


def _unknown(field: str) -> InvalidArgument:
    return InvalidArgument(field, "is not a token of this ledger")


def _text(blob: bytes) -> str:
    return base64.urlsafe_b64encode(blob).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as fault:
        raise ValueError(str(fault)) from fault
