"""Keys and records of rules: each path has its own key, however long, and what is no rule is not taken for one."""

import pytest
from holdfast.v1 import ledger_sync_service_pb2 as sync_pb2
from holdfast_sidecar.engine.rules import Calendar, RateCardContent
from holdfast_sidecar.store import rule_codec
from holdfast_sidecar.store.codec import MAX_KEY_BYTES, seal
from holdfast_sidecar.store.interface import StoreUnusable

from tests.sidecar.store.harness import make_rules


def test_a_short_path_is_its_key() -> None:
    assert rule_codec.rules_key("acme", "research/ann") == b"acme\0research/ann"
    assert rule_codec.rules_key("acme", "") == b"acme\0"


@pytest.mark.parametrize("length", [MAX_KEY_BYTES - 5, MAX_KEY_BYTES - 4, 512, 10_000])
def test_each_path_has_a_key_of_its_own(length: int) -> None:
    paths = ["s" * length, "s" * (length - 1) + "t", "é" * (length // 2)]
    keys = {rule_codec.rules_key(account, path) for account in ("acme", "acmf", "a" * 128) for path in paths}
    assert len(keys) == 9
    assert max(map(len, keys)) <= MAX_KEY_BYTES


def test_rows_are_read_as_written() -> None:
    nodes = [make_rules(), make_rules(subject=""), make_rules(subject="s" * 512)]
    assert list(rule_codec.decode_rules(map(rule_codec.encode_rules, nodes))) == nodes
    calendars = [Calendar("month", (1, 2, 3))]
    assert list(rule_codec.decode_calendars(map(rule_codec.encode_calendar, calendars))) == calendars
    cards = [RateCardContent("card", 2**64 - 1, b"content")]
    assert list(rule_codec.decode_rate_cards(map(rule_codec.encode_rate_card, cards))) == cards
    estimates = [(b"key", b"value")]
    assert list(rule_codec.decode_estimates(map(rule_codec.encode_estimate, estimates))) == estimates


def test_a_row_under_another_key_is_damage() -> None:
    (_, node), (_, calendar) = rule_codec.encode_rules(make_rules()), rule_codec.encode_calendar(Calendar("c", (1, 2)))
    _, card = rule_codec.encode_rate_card(RateCardContent("card", 1, b"x"))
    with pytest.raises(StoreUnusable, match="stands under the key"):
        list(rule_codec.decode_rules([(b"account-1\0other", node)]))
    with pytest.raises(StoreUnusable, match="stands under the key"):
        list(rule_codec.decode_calendars([(b"d", calendar)]))
    with pytest.raises(StoreUnusable, match="stands under the key"):
        list(rule_codec.decode_rate_cards([(b"other", card)]))


def test_what_is_no_rule_is_damage() -> None:
    with pytest.raises(StoreUnusable, match="account_id"):
        list(rule_codec.decode_rules([(b"\0", seal(sync_pb2.SubjectRules().SerializeToString()))]))


def test_a_damaged_estimate_says_nothing_and_costs_no_folder() -> None:
    key, record = rule_codec.encode_estimate((b"key", b"value"))
    assert list(rule_codec.decode_estimates([(key, record[:-1] + b"x")])) == [(b"key", b"")]


@pytest.mark.parametrize("key", [b"", b"k" * (MAX_KEY_BYTES + 1)])
def test_a_key_that_the_store_cannot_take_is_a_mistake(key: bytes) -> None:
    with pytest.raises(AssertionError):
        rule_codec.encode_estimate((key, b"value"))
