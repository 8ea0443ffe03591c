"""Events as nearly all are written: CloudEvents' structured mode, every value of its own kind; else `json_events`.

A line is plain if msgspec finds in it these attributes and no others, and as many strings as they are: so no key is
there twice. What is read of a plain line is what `json_events` would read of it; what is not plain, right or wrong, is
left to it.
"""

from typing import Annotated, Literal, NamedTuple

import msgspec

from holdfast_ledger.objects.json_text import REFUSED, string_count
from holdfast_ledger.objects.values import MAX_INT64, BadValue, time_of

_Quantity = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT64)]


class Fields(NamedTuple):
    """The fields of an event; not yet checked against `event_rules`."""

    texts: tuple[str, ...]
    """By `TEXT_FIELDS`."""
    time_ms: int
    dimensions: list[tuple[str, str]]
    """Ascending by key."""
    quantities: list[tuple[str, int]]


class _Data(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    dimensions: dict[str, str]
    quantities: dict[str, _Quantity]


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: str
    source: str
    type: str
    time: str
    accountid: str
    data: _Data
    specversion: Literal["1.0"] | msgspec.UnsetType = msgspec.UNSET
    datacontenttype: str | msgspec.UnsetType = msgspec.UNSET
    subject: str | msgspec.UnsetType = msgspec.UNSET
    correctsid: str | msgspec.UnsetType = msgspec.UNSET


_decode = msgspec.json.Decoder(_Event).decode
_ALWAYS = 13
"""Keys that a plain line has, also those in `data`, and the strings among their values."""


def plain_fields(line: bytes) -> Fields | None:
    """Returns the fields of an event; None: the line is not plain."""
    try:
        event = _decode(line)
        time_ms = time_of(event.time)
    except (*REFUSED, BadValue):
        return None
    dimensions, quantities = event.data.dimensions, event.data.quantities
    strings = _ALWAYS + 2 * len(dimensions) + len(quantities)
    subject = corrects_id = ""
    if event.specversion is not msgspec.UNSET:
        strings += 2
    if event.datacontenttype is not msgspec.UNSET:
        strings += 2
    if event.subject is not msgspec.UNSET:
        subject = event.subject
        strings += 2
    if event.correctsid is not msgspec.UNSET:
        corrects_id = event.correctsid
        strings += 2
    if strings != string_count(line):
        return None
    texts = (event.accountid, event.source, event.id, event.type, subject, corrects_id)
    return Fields(texts, time_ms, sorted(dimensions.items()), sorted(quantities.items()))
