"""Tokens of pages and figures: opaque to the caller; to us what is asked, up to which snapshot, and where to go on.

Tokens describe themselves and are no secret: each use is checked like a request, and reads what its caller may read. A
checksum tells what was cut or changed by mistake.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError
from holdfast.v1 import usage_service_pb2 as api

from holdfast_ledger.errors import InvalidArgument

PAGE_LIFE_MS: Final = 600_000
"""Ten minutes: who pages through figures does not wait longer, and later the state of the first page may be gone."""

MAX_TOKEN_CHARS: Final = 262_144
_CHECKSUM_BYTES: Final = 8

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
    return _write(
        "p",
        [
            token.digest.hex(), token.made_ms, token.batch_no, token.total, token.compared_total, list(token.after),
        ],
    )  # fmt: skip


def read_page(text: str, digest: bytes, group_count: int, now_ms: int) -> PageToken:
    """Reads the token of a page of this question. Raises `InvalidArgument`."""
    _, (named, made_ms, batch_no, total, compared_total, after) = _fields("page_token", text, "p", 6)
    _check_use("page_token", named, made_ms, digest, now_ms)
    kinds: list[type] = [int, int, *[str] * group_count]
    if not isinstance(after, list) or [type(part) for part in after] != kinds:
        raise _unknown("page_token")
    if not all(isinstance(figure, int) for figure in (batch_no, total, compared_total)) or not 0 <= batch_no < 2**63:
        raise _unknown("page_token")
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
        return _write("t", [self._batch_no, step_ms, rest, list(group)], self._request)


def read_trace(text: str) -> TraceToken:
    """Reads the token of a figure. Raises `InvalidArgument`."""
    content, (batch_no, step_ms, rest, group) = _fields("trace_token", text, "t", 4)
    if not isinstance(rest, bool) or not isinstance(group, list):
        raise _unknown("trace_token")
    if not all(isinstance(value, str) for value in group):
        raise _unknown("trace_token")
    if not all(isinstance(number, int) and 0 <= number < 2**63 for number in (batch_no, step_ms)):
        raise _unknown("trace_token")
    try:
        request = api.QueryUsageRequest.FromString(_bytes(content))
    except (DecodeError, ValueError) as fault:
        raise _unknown("trace_token") from fault
    return TraceToken(request, batch_no, step_ms, rest, tuple(group))


def write_trace_page(token: TracePageToken) -> str:
    """Returns the token of a page of a trace."""
    return _write("q", [token.digest.hex(), token.made_ms, token.time_ms, token.fact, str(token.row_id)])


def read_trace_page(text: str, digest: bytes, now_ms: int) -> TracePageToken:
    """Reads the token of a page of this trace. Raises `InvalidArgument`."""
    _, (named, made_ms, time_ms, fact, row_id) = _fields("page_token", text, "q", 5)
    _check_use("page_token", named, made_ms, digest, now_ms)
    if not isinstance(row_id, str) or not row_id.isdecimal() or not 0 <= int(row_id) < 2**64:
        raise _unknown("page_token")
    if not all(isinstance(number, int) and 0 <= number < 2**63 for number in (time_ms, fact)):
        raise _unknown("page_token")
    return TracePageToken(digest, made_ms, time_ms, fact, int(row_id))


def trace_digest(text: str, scope: str) -> bytes:
    """Names a trace, and of whom."""
    return hashlib.sha256(f"{scope}\n{text}".encode()).digest()[:16]


def _check_use(field: str, named: Json, made_ms: Json, digest: bytes, now_ms: int) -> None:
    if named != digest.hex():
        raise InvalidArgument(field, "is a token of another question; the other fields are those of the first page")
    if not isinstance(made_ms, int) or isinstance(made_ms, bool):
        raise _unknown(field)
    if not made_ms <= now_ms + PAGE_LIFE_MS or now_ms - made_ms > PAGE_LIFE_MS:
        raise InvalidArgument(field, f"is older than {PAGE_LIFE_MS // 60_000} minutes; begin with the first page again")


def _write(kind: str, fields: Sequence[Json], prefix: str = "") -> str:
    content = json.dumps([kind, *fields], ensure_ascii=False, separators=(",", ":")).encode()
    return f"{prefix}.{_text(_checksum(prefix, content) + content)}"


def _fields(field: str, text: str, kind: str, count: int) -> tuple[str, Sequence[Json]]:
    """Returns prefix and fields of a token. Raises `InvalidArgument` if it is none of ours, or of another kind."""
    prefix, point, last = text.rpartition(".")
    try:
        blob = _bytes(last)
        checksum, content = blob[:_CHECKSUM_BYTES], blob[_CHECKSUM_BYTES:]
        if not point or len(text) > MAX_TOKEN_CHARS or checksum != _checksum(prefix, content):
            raise _unknown(field)
        fields = json.loads(content)
    except (ValueError, RecursionError) as fault:
        raise _unknown(field) from fault
    if not isinstance(fields, list) or len(fields) != count + 1 or fields[0] != kind:
        raise _unknown(field)
    return prefix, fields[1:]


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
