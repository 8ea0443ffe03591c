"""Files of rules are read into the contract's messages and back; what is wrong is refused, and its place is named."""

import textwrap

import pytest
from google.protobuf.message import Message
from holdfast.commands.rule_files import InvalidRules, RuleFile, parse, write
from holdfast.v1 import governance_service_pb2 as pb
from holdfast.v1 import ledger_sync_service_pb2 as sync_pb

WHOLE = """
account = "acme"

[rules]
time_zone = "Europe/Berlin"
deny_unknown_subject = true
plan_id = "pro"
rate_card_id = "standard"
features = { seats = 5, vision = true, beta = false, region = ["eu", "us"] }

[[plans]]
plan_id = "pro"
display_name = "Pro \\"plus\\""
features = { vision = true, "a.b" = 0 }

[[rate_cards]]
rate_card_id = "standard"
file = "card.json"

[[subjects]]
subject = "research"
display_name = "Research"

[[budgets]]
budget_id = "month"
subject = "research"
action = "throttle"
limit_amount = 5_000_000_000
currency = "credits"
match = { model = "gpt-5", "x y" = "z" }
period = "month"
alert_bps = [5_000, 9_000]

[[budgets]]
budget_id = "share"
share_bps = 2_500
share_of_budget_id = "month"
currency = "credits"
period = { unit = "month", anchor = 2026-01-15T02:00:00+02:00 }

[[budgets]]
budget_id = "rolling"
limit_amount = 1
currency = "credits"
period = { rolling_ms = 3_600_000 }

[[rate_limits]]
limit_id = "tokens"
subject = "research"
unit = "quantity"
meters = ["input", "output"]
amount = 100
per_ms = 60_000
burst = 10
shared = true
shadow = true

[[concurrency_limits]]
limit_id = "runs"
max_count = 8
"""


def read(text: str, **cards: str) -> RuleFile:
    return parse(textwrap.dedent(text), lambda name: cards[name.replace(".", "_")])


def test_a_file_is_read_into_messages() -> None:
    file = read(WHOLE, card_json='{"card_id": "standard"}')
    assert file.account == "acme"
    assert file.rules is not None
    assert (file.rules.time_zone, file.rules.deny_unknown_subject, file.rules.rate_card_id) == (
        "Europe/Berlin",
        True,
        "standard",
    )
    features = file.rules.features
    assert (features["seats"].maximum, features["vision"].enabled) == (5, True)
    assert features["beta"].WhichOneof("value") == "enabled"
    assert list(features["region"].choices.values) == ["eu", "us"]
    assert [card.content for card in file.rate_cards] == ['{"card_id": "standard"}']
    month, share, rolling = file.budgets
    assert (month.action, month.limit_amount, month.period.unit) == (
        sync_pb.BUDGET_ACTION_THROTTLE,
        5_000_000_000,
        pb.PERIOD_UNIT_MONTH,
    )
    assert (dict(month.match), list(month.alert_bps)) == ({"model": "gpt-5", "x y": "z"}, [5_000, 9_000])
    assert (share.share_bps, share.period.anchor_unix_ms) == (2_500, 1_768_435_200_000)
    assert (rolling.period.unit, rolling.period.rolling_ms) == (pb.PERIOD_UNIT_ROLLING, 3_600_000)
    (tokens,) = file.rate_limits
    assert (tokens.subject, tokens.rule.limit_id, tokens.rule.unit) == (
        "research",
        "tokens",
        sync_pb.RATE_UNIT_QUANTITY,
    )
    assert [(limit.subject, limit.rule.max_count) for limit in file.concurrency_limits] == [("", 8)]


def test_what_is_written_is_read_as_the_same() -> None:
    file = read(WHOLE, card_json="{}")
    assert file.rules is not None
    sections: list[tuple[str, list[Message]]] = [
        ("rules", [file.rules]),
        ("plans", [*file.plans]),
        ("subjects", [*file.subjects]),
        ("budgets", [*file.budgets]),
        ("rate_limits", [*file.rate_limits]),
        ("concurrency_limits", [*file.concurrency_limits]),
    ]
    text = "".join(write(name, entry) for name, entries in sections for entry in entries)
    again = read(text)
    for name, entries in sections:
        assert ([again.rules] if name == "rules" else getattr(again, name)) == entries


def test_a_card_in_toml_becomes_json() -> None:
    card = 'card_id = "x"\n[[versions]]\neffective_from = 2026-01-01T00:00:00Z\n'
    (read_card,) = read('[[rate_cards]]\nrate_card_id = "x"\nfile = "x.toml"', x_toml=card).rate_cards
    assert read_card.content == '{"card_id": "x", "versions": [{"effective_from": "2026-01-01T00:00:00+00:00"}]}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("account = 1", "account: is no text"),
        ("a = b", "file: cannot be parsed"),
        ("[[budget]]", "budget: is none of account, budgets"),
        ("budgets = 1", r"budgets: is no list: write \[\[budgets\]\]"),
        ("budgets = [1]", r"budgets\[0\]: is no table"),
        ("[[budgets]]\nlimit = 1", r"budgets\[0\].limit: is none of action, alert_bps"),
        ("[[budgets]]\nlimit_amount = 1.0", r"budgets\[0\].limit_amount: is no whole number"),
        ("[[budgets]]\nlimit_amount = true", r"budgets\[0\]: Failed to parse limit_amount"),
        ('[[budgets]]\naction = "HARD"', r"budgets\[0\].action: is none of hard, soft, throttle"),
        ('[[budgets]]\nperiod = "year"', r"budgets\[0\].period.unit: is none of hour, day, week, month, rolling"),
        ("[[budgets]]\nperiod = 1", r"budgets\[0\].period: is no table"),
        ("[[budgets]]\nperiod = { anchor = 2026-01-15 }", r"budgets\[0\].period.anchor: is no time with a zone"),
        ("[[rate_limits]]\nper = 1", r"rate_limits\[0\].per: is none of amount, burst"),
        ("[rules]\nfeatures = { a = 1.5 }", "rules.features.a: is neither true nor false, nor a number"),
        ("[[rate_cards]]\nrate_card_id = 'x'", r"rate_cards\[0\].file: names no file"),
        ("[[rate_cards]]\nfile = 'x.toml'", "x.toml: cannot be parsed"),
    ],
)
def test_what_is_wrong_is_refused_and_its_place_is_named(text: str, message: str) -> None:
    with pytest.raises(InvalidRules, match=message):
        read(text, x_toml="=")
