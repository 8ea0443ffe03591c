"""Turns what the ledger tells of rules, and what is learned of outputs, into sealed records and back.

Rules, calendars and rate cards are kept as the messages of `holdfast.v1`, so that a sidecar starts with those it had.
Neighbour of `codec`, which has the other rows; used by the stores and by `holdfast verify`.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import TypeVar

from holdfast.v1 import ledger_sync_service_pb2 as sync_pb2

from holdfast_sidecar import rule_messages
from holdfast_sidecar.engine.rules import Calendar, RateCardContent, SubjectRules
from holdfast_sidecar.rule_messages import BadRule
from holdfast_sidecar.store.codec import MAX_KEY_BYTES, Row, seal, unseal
from holdfast_sidecar.store.interface import StoreUnusable

_SUBJECT_DIGEST_BYTES = 32
M = TypeVar("M")
V = TypeVar("V")


def rules_key(account_id: str, subject: str) -> bytes:
    """Returns the key of a node.

    A path too long for a key is replaced by two zero bytes and its digest, which no path begins with.
    """
    key = f"{account_id}\0{subject}".encode()
    if len(key) <= MAX_KEY_BYTES:
        return key
    digest = blake2b(subject.encode(), digest_size=_SUBJECT_DIGEST_BYTES).digest()
    return account_id.encode() + b"\0\0" + digest


def calendar_key(calendar_id: str) -> bytes:
    """Returns the key of a calendar."""
    return calendar_id.encode()


def rate_card_key(rate_card_id: str) -> bytes:
    """Returns the key of a rate card."""
    return rate_card_id.encode()


def encode_rules(rules: SubjectRules) -> Row:
    """One node."""
    message = rule_messages.subject_rules_message(rules)
    return rules_key(rules.account_id, rules.subject), seal(message.SerializeToString(deterministic=True))


def encode_calendar(calendar: Calendar) -> Row:
    """One calendar."""
    return calendar_key(calendar.calendar_id), seal(rule_messages.calendar_message(calendar).SerializeToString())


def encode_rate_card(card: RateCardContent) -> Row:
    """One rate card."""
    return rate_card_key(card.rate_card_id), seal(rule_messages.rate_card_message(card).SerializeToString())


def encode_estimate(estimate: tuple[bytes, bytes]) -> Row:
    """One piece of what is learned; its key is 1..511 bytes, its value not empty."""
    key, value = estimate
    assert 1 <= len(key) <= MAX_KEY_BYTES, f"a key of {len(key)} bytes"
    return key, seal(value)


def decode_rules(rows: Iterable[Row]) -> Iterator[SubjectRules]:
    """Nodes, as complete and known as when they came."""
    read = _reader(sync_pb2.SubjectRules.FromString, rule_messages.subject_rules)
    for key, record in rows:
        rules = read(record)
        _check_key(key, rules_key(rules.account_id, rules.subject), f"node {rules.subject!r} of {rules.account_id!r}")
        yield rules


def decode_calendars(rows: Iterable[Row]) -> Iterator[Calendar]:
    """Calendars."""
    read = _reader(sync_pb2.Calendar.FromString, rule_messages.calendar)
    for key, record in rows:
        calendar = read(record)
        _check_key(key, calendar_key(calendar.calendar_id), f"calendar {calendar.calendar_id!r}")
        yield calendar


def decode_rate_cards(rows: Iterable[Row]) -> Iterator[RateCardContent]:
    """Rate cards, their contents unread."""
    read = _reader(sync_pb2.RateCardContent.FromString, rule_messages.rate_card)
    for key, record in rows:
        card = read(record)
        _check_key(key, rate_card_key(card.rate_card_id), f"rate card {card.rate_card_id!r}")
        yield card


def decode_estimates(rows: Iterable[Row]) -> Iterator[tuple[bytes, bytes]]:
    """What was learned, unread; empty where a row is damaged, since no money hangs on it and it is learned anew."""
    for key, record in rows:
        try:
            yield key, unseal(record)
        except StoreUnusable:
            yield key, b""


def _reader(parse: Callable[[bytes], M], read: Callable[[M], V]) -> Callable[[bytes], V]:
    def read_record(record: bytes) -> V:
        try:
            return read(parse(unseal(record)))
        except BadRule as error:
            raise StoreUnusable(f"a rule that is not one: {error}") from error

    return read_record


def _check_key(key: bytes, expected: bytes, name: str) -> None:
    if key != expected:
        raise StoreUnusable(f"{name} stands under the key {key!r}")
