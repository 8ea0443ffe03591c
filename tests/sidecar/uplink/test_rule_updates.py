"""What the ledger answers about rules is taken over node by node: the good ones, and what is wrong with the others."""

from dataclasses import replace

import pytest
from holdfast.v1 import ledger_sync_service_pb2 as pb
from holdfast_rating.metering import Aggregation, UsageMeter
from holdfast_sidecar import meter_messages, rule_messages
from holdfast_sidecar.engine.event_rows import Meters
from holdfast_sidecar.engine.events import RulesAsk, RulesUpdated
from holdfast_sidecar.engine.rules import AccountTerms, BudgetAction, BudgetRule, Calendar, SubjectRules
from holdfast_sidecar.uplink.rule_updates import rules_updated
from hypothesis import given
from hypothesis import strategies as st

from tests.sidecar.engine.rate_cards import card_content

ASK = RulesAsk(7, (("acme", "research/ann/agent"), ("acme", "sales"), ("other", "")), ("models",))
MONTH = Calendar("month/UTC", (1, 2, 3))
ROOT = SubjectRules("acme", "", 5, True, account=AccountTerms())
BUDGET = BudgetRule("team", BudgetAction.HARD, False, 100, "credits", "", (), "month/UTC", 0)
TEAM = SubjectRules("acme", "research", 5, True, (BUDGET,))
ANN = SubjectRules("acme", "research/ann", 5, False)


def update(*nodes: SubjectRules, calendars: tuple[Calendar, ...] = (MONTH,)) -> pb.RulesUpdate:
    return pb.RulesUpdate(
        request_id=7,
        nodes=map(rule_messages.subject_rules_message, nodes),
        calendars=map(rule_messages.calendar_message, calendars),
    )


def heard(message: pb.RulesUpdate, ask: RulesAsk = ASK) -> RulesUpdated:
    return rules_updated(ask, pb.RulesUpdate.FromString(message.SerializeToString()), 99)


def test_a_whole_answer_is_taken_over() -> None:
    assert heard(update(ROOT, TEAM, ANN)) == RulesUpdated(7, (ROOT, TEAM, ANN), (MONTH,), (), 99)


def test_an_answer_that_names_nothing_says_that_nothing_is_there() -> None:
    assert heard(pb.RulesUpdate(request_id=7)) == RulesUpdated(7, (), (), (), 99)


def test_a_bad_node_is_refused_and_the_others_are_not() -> None:
    message = update(ROOT, TEAM, ANN)
    message.nodes[1].budgets[0].ClearField("action")
    event = heard(message)
    assert event.nodes == (ROOT, ANN)
    assert event.refused == (("acme", "research", "budget 'team': action 0 is not known"),)


@pytest.mark.parametrize(
    ("calendars", "why"),
    [
        ((), "calendar 'month/UTC' is missing"),
        ((Calendar("month/UTC", (1,)),), "calendar 'month/UTC' has 1 starts, at least 2 are needed"),
        ((MONTH, Calendar("month/UTC", (3, 2))), "the starts of calendar 'month/UTC' are not ascending"),
    ],
)
def test_a_budget_whose_calendar_is_not_there_is_refused(calendars: tuple[Calendar, ...], why: str) -> None:
    event = heard(update(ROOT, TEAM, calendars=calendars))
    assert event.nodes == (ROOT,)
    assert event.calendars == ()
    assert event.refused == (("acme", "research", f"budget 'team': {why}"),)


@pytest.mark.parametrize(
    "node",
    [
        replace(ANN, account_id="nobody"),
        replace(ANN, account_id="other"),
        replace(ANN, subject="research/bob"),
        replace(ANN, subject="research/an"),
        replace(ANN, subject="research/ann/agent/tool"),
        replace(ANN, subject="ann"),
    ],
    ids=lambda node: f"{node.account_id}:{node.subject}",
)
def test_a_node_that_was_not_asked_for_is_refused(node: SubjectRules) -> None:
    event = heard(update(ROOT, node))
    assert event.nodes == (ROOT,)
    assert event.refused == ((node.account_id, node.subject, "it was not asked for"),)


@pytest.mark.parametrize("count", [2, 3])
def test_a_node_that_is_there_more_than_once_is_refused(count: int) -> None:
    """Which one would be meant?"""
    event = heard(update(ROOT, *[replace(ANN, version=version) for version in range(count)]))
    assert event.nodes == (ROOT,)
    assert event.refused == (("acme", "research/ann", "it is there twice"),)


CALLS = UsageMeter("calls", "call", Aggregation.COUNT, pool_id="general", price_amount=3)
METERS_ASK = replace(ASK, meters_wanted=True)


def test_meters_are_taken_over_with_their_revision() -> None:
    """If they were asked for; an answer without them, of an older ledger, says nothing of them."""
    message = update(ROOT)
    assert heard(message, METERS_ASK).meters is None
    message.meters.CopyFrom(meter_messages.meters_message(Meters(4, (CALLS,))))
    assert heard(message, METERS_ASK).meters == Meters(4, (CALLS,))
    assert heard(message).meters is None


def test_that_there_are_no_meters_is_an_answer() -> None:
    message = update(ROOT)
    message.meters.revision = 9
    assert heard(message, METERS_ASK).meters == Meters(9)


def test_a_meter_that_is_not_understood_is_told_of_and_left_to_the_ledger() -> None:
    """The others charge events here."""
    message = update(ROOT)
    message.meters.CopyFrom(meter_messages.meters_message(Meters(4, (CALLS, CALLS))))
    message.meters.meters[0].ClearField("aggregation")
    event = heard(message, METERS_ASK)
    assert event.meters == Meters(4, (CALLS,))
    assert event.nodes == (ROOT,)
    assert [(account_id, subject) for account_id, subject, _ in event.refused] == [("", "")]
    assert "meter 'calls'" in event.refused[0][2]


def test_a_rate_card_is_made_ready() -> None:
    card = card_content()
    event = heard(pb.RulesUpdate(rate_cards=[rule_messages.rate_card_message(card)]))
    assert event.rate_cards == (card,)
    assert event.rate_cards[0].rates is not None
    assert event.refused == ()


def test_a_rate_card_that_cannot_be_read_is_told_of_and_left_to_the_engine() -> None:
    """It knows which revision it had before, and keeps that."""
    card = replace(card_content(), content=b"no stream of zlib")
    event = heard(pb.RulesUpdate(rate_cards=[rule_messages.rate_card_message(card)]))
    (taken,) = event.rate_cards
    assert (taken.content, taken.rates) == (b"no stream of zlib", None)
    ((account_id, subject, why),) = event.refused
    assert (account_id, subject) == ("", "")
    assert why.startswith("rate card 'models', revision 1: content: cannot be unpacked")


@pytest.mark.parametrize(
    ("card", "why"),
    [
        (card_content(card_id="stranger"), "rate card 'stranger' was not asked for"),
        (replace(card_content(), content=b""), "rate card 'models' is empty"),
    ],
)
def test_a_rate_card_that_says_nothing_is_refused(card: object, why: str) -> None:
    message = pb.RulesUpdate(rate_cards=[rule_messages.rate_card_message(card)])  # type: ignore[arg-type]
    event = heard(message)
    assert event.rate_cards == ()
    assert event.refused == (("", "", why),)


@given(st.binary(max_size=60), st.data())
def test_whatever_comes_is_told_without_an_exception(noise: bytes, data: st.DataObject) -> None:
    """Bytes changed anywhere in an answer: if it is a message at all, each node is either good or refused."""
    message = update(ROOT, TEAM, ANN)
    whole = bytearray(message.SerializeToString())
    place = data.draw(st.integers(0, len(whole)))
    whole[place : place + len(noise)] = noise
    changed = pb.RulesUpdate()
    try:
        changed.ParseFromString(bytes(whole))
    except Exception:  # noqa: BLE001  # the runner gives up a stream that carries no message
        return
    event = rules_updated(ASK, changed, 99)
    told = {(node.account_id, node.subject) for node in event.nodes}
    refused = {(account_id, subject) for account_id, subject, _ in event.refused}
    assert told | refused == {(node.account_id, node.subject) for node in changed.nodes}
    assert not told & refused
    named = {budget.calendar_id for node in event.nodes for budget in node.budgets} - {""}
    assert named <= {calendar.calendar_id for calendar in event.calendars}
