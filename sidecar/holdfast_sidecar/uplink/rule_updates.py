"""What the ledger answers to a rules request, as the engine is to hear it: each node taken over whole, or refused.

Pure. Used by the protocol alone. A refused node goes on as the sidecar had it; it never ends the stream, since the same
answer would end the next one too.
"""

from collections.abc import Iterable
from dataclasses import replace

from holdfast.v1 import ledger_sync_service_pb2 as pb
from holdfast_rating.cards import InvalidRateCard
from holdfast_rating.metering import UsageMeter

from holdfast_sidecar import meter_messages, rule_messages
from holdfast_sidecar.engine import cards
from holdfast_sidecar.engine.event_rows import Meters
from holdfast_sidecar.engine.events import RulesAsk, RulesUpdated
from holdfast_sidecar.engine.rules import Calendar, RateCardContent, SubjectRules
from holdfast_sidecar.meter_messages import BadMeter
from holdfast_sidecar.rule_messages import BadRule

_Node = tuple[str, str]
"""(account_id, subject)."""


def rules_updated(ask: RulesAsk, update: pb.RulesUpdate, heard_at_ns: int) -> RulesUpdated:
    """Returns the answer to an ask; what is wrong with a node or a rate card is said under `refused`."""
    calendars, calendar_faults = _calendars(update.calendars)
    nodes, refused = _nodes(ask, update.nodes, calendars, calendar_faults)
    rate_cards, rate_card_faults = _rate_cards(ask, update.rate_cards)
    refused += [("", "", fault) for fault in rate_card_faults]
    meters = None
    if ask.meters_wanted and update.HasField("meters"):
        meters, meter_faults = _meters(update.meters)
        refused += [("", "", fault) for fault in meter_faults]
    return RulesUpdated(
        ask.request_id, tuple(nodes), tuple(calendars.values()), tuple(rate_cards), heard_at_ns, tuple(refused), meters
    )


def _meters(update: pb.Meters) -> tuple[Meters, list[str]]:
    """Returns the meters that are understood, and what is wrong with others: the ledger charges what those count."""
    good: list[UsageMeter] = []
    faults: list[str] = []
    for message in update.meters:
        try:
            good.append(meter_messages.meter(message))
        except BadMeter as error:
            faults.append(str(error))
    return Meters(update.revision, tuple(good)), faults


def _calendars(messages: Iterable[pb.Calendar]) -> tuple[dict[str, Calendar], dict[str, str]]:
    """Returns the good ones by id, and what is wrong with the others."""
    good: dict[str, Calendar] = {}
    faults: dict[str, str] = {}
    for message in messages:
        try:
            calendar = rule_messages.calendar(message)
        except BadRule as error:
            faults[message.calendar_id] = str(error)
        else:
            good[calendar.calendar_id] = calendar
    for calendar_id in faults:
        good.pop(calendar_id, None)
    return good, faults


def _nodes(
    ask: RulesAsk, messages: Iterable[pb.SubjectRules], calendars: dict[str, Calendar], calendar_faults: dict[str, str]
) -> tuple[list[SubjectRules], list[tuple[str, str, str]]]:
    wanted = _wanted(ask)
    good: dict[_Node, SubjectRules] = {}
    refused: dict[_Node, str] = {}
    for message in messages:
        node = message.account_id, message.subject
        try:
            if node not in wanted:
                raise BadRule("it was not asked for")
            if node in good or node in refused:
                raise BadRule("it is there twice")
            rules = rule_messages.subject_rules(message)
            _check_calendars(rules, calendars, calendar_faults)
        except BadRule as error:
            good.pop(node, None)
            refused[node] = str(error)
        else:
            good[node] = rules
    return list(good.values()), [(*node, fault) for node, fault in refused.items()]


def _wanted(ask: RulesAsk) -> set[_Node]:
    """Returns every node on the wanted paths, the accounts included."""
    wanted: set[_Node] = set()
    for account_id, subject in ask.paths:
        wanted.add((account_id, ""))
        while subject and (account_id, subject) not in wanted:
            wanted.add((account_id, subject))
            subject = subject.rpartition("/")[0]  # noqa: PLW2901  # up the path
    return wanted


def _check_calendars(rules: SubjectRules, calendars: dict[str, Calendar], faults: dict[str, str]) -> None:
    for budget in rules.budgets:
        calendar_id = budget.calendar_id
        if calendar_id and calendar_id not in calendars:
            fault = faults.get(calendar_id, f"calendar {calendar_id!r} is missing")
            raise BadRule(f"budget {budget.budget_id!r}: {fault}")


def _rate_cards(ask: RulesAsk, messages: Iterable[pb.RateCardContent]) -> tuple[list[RateCardContent], list[str]]:
    """Returns the cards that were asked for, and what is wrong with others.

    They are made ready here, off the thread that decides. One that cannot be is told of, and goes on as it is: the
    engine, which knows what it had before, refuses it.
    """
    good: list[RateCardContent] = []
    faults: list[str] = []
    for message in messages:
        try:
            card = rule_messages.rate_card(message)
            if card.rate_card_id not in ask.rate_card_ids:
                raise BadRule(f"rate card {card.rate_card_id!r} was not asked for")
        except BadRule as error:
            faults.append(str(error))
            continue
        try:
            card = replace(card, rates=cards.read(card))
        except InvalidRateCard as error:
            faults.append(f"rate card {card.rate_card_id!r}, revision {card.revision}: {error}")
        good.append(card)
    return good, faults
