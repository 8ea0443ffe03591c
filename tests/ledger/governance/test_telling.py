"""What sidecars are told of rules, over a real stream: whole paths, resolved, once; and that they hear of changes."""

import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from holdfast.v1 import governance_service_pb2 as api
from holdfast.v1 import ledger_service_pb2
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast_ledger.errors import WindowExceeded
from holdfast_ledger.sync.protocol import MAX_WAITING_REQUESTS, SyncProtocol

from tests.ledger.governance.setting import CARD, Rules, budget, concurrency_limit, feature, rate_limit, share
from tests.ledger.harness import START_MS, Ledger, SyncStream, instance, running

pytestmark = pytest.mark.usefixtures("every_store")

INVALID = grpc.StatusCode.INVALID_ARGUMENT
DAY_MS = 86_400_000
MIDNIGHT_MS = START_MS - START_MS % DAY_MS


async def greeted(ledger: Ledger, sidecar_id: str = "s", number: int = 1) -> SyncStream:
    """A stream that has said Hello."""
    stream = ledger.sync()
    await stream.hello(sidecar_id, instance=instance(number))
    return stream


async def told_version(stream: SyncStream, version: int) -> None:
    """Waits until the sidecar hears of a version of the rules."""
    await stream.told_until(lambda lease: lease.rules_version >= version)


async def test_a_path_is_told_whole_with_limits_resolved(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules = Rules(ledger)
        await rules.subjects("x", "x/y", "x/z", "w")
        counts = concurrency_limit(subject="x/y", shared=True, match={"k": "v"})
        rates = [
            rate_limit("q", "x", unit=wire.RATE_UNIT_QUANTITY, meters=["output"]),
            rate_limit("p", "x", shared=True, shadow=True, match={"k": "v"}),
        ]
        await rules.rate_limits(*rates)
        await rules.concurrency_limits(counts)
        version = await rules.budgets(
            budget("whole", alert_bps=[5_000]),
            share("part", 2_500, "whole", subject="x/y", shadow=True, pool_id="general", match={"model": "m"}),
            budget("rolling", subject="x/y", period=api.Period(unit=api.PERIOD_UNIT_ROLLING, rolling_ms=60_000)),
            budget("elsewhere", subject="w", period=api.Period(unit=api.PERIOD_UNIT_HOUR)),
        )
        stream = await greeted(ledger)
        update = await stream.rules(("a", "x/y/deep/er"), ("a", "x/y"), ("a", ""))
        nodes = {node.subject: node for node in update.nodes}
        assert [node.subject for node in update.nodes] == ["", "x", "x/y"]
        assert {(node.account_id, node.version) for node in update.nodes} == {("a", version)}
        assert [node.has_children for node in update.nodes] == [True, True, False]
        assert [node.HasField("account") for node in update.nodes] == [True, False, False]
        calendar_id = nodes[""].budgets[0].calendar_id
        assert list(nodes[""].budgets) == [
            wire.BudgetRule(
                budget_id="whole", action=wire.BUDGET_ACTION_HARD, limit_amount=1_000, currency="credits",
                calendar_id=calendar_id,
            )
        ]  # fmt: skip
        assert list(nodes["x/y"].budgets) == [
            wire.BudgetRule(
                budget_id="part", action=wire.BUDGET_ACTION_HARD, shadow=True, limit_amount=250, currency="credits",
                pool_id="general", match={"model": "m"}, calendar_id=calendar_id,
            ),
            wire.BudgetRule(
                budget_id="rolling", action=wire.BUDGET_ACTION_HARD, limit_amount=1_000, currency="credits",
                rolling_ms=60_000,
            ),
        ]  # fmt: skip
        assert list(nodes["x"].rate_limits) == [rates[1].rule, rates[0].rule]
        assert list(nodes["x/y"].concurrency_limits) == [counts.rule]
        assert [calendar.calendar_id for calendar in update.calendars] == [calendar_id]
        starts = list(update.calendars[0].starts_unix_ms)
        assert starts[:42] == [MIDNIGHT_MS + n * DAY_MS for n in range(42)]


async def test_the_account_is_told_with_its_plan_and_card(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        rules = Rules(ledger)
        await rules.plan("pro", seats=5, images=True, models=["m", "n"])
        await rules.card()
        await rules.account(
            plan_id="pro",
            rate_card_id="models",
            features={"seats": feature(9)},
            deny_unknown_subject=True,
            shadow_features=True,
        )
        stream = await greeted(ledger)
        update = await stream.rules(("a", "any"), rate_card_ids=["models", "none", "models"])
        (node,) = update.nodes
        terms = node.account
        assert (terms.deny_unknown_subject, terms.shadow_features) == (True, True)
        assert (terms.rate_card_id, terms.rate_card_revision) == ("models", 1)
        assert terms.features["seats"].maximum == 9, "the account's own takes the place of the plan's"
        assert terms.features["images"].enabled
        assert list(terms.features["models"].choices.values) == ["m", "n"]
        (card,) = update.rate_cards
        assert (card.rate_card_id, card.revision, zlib.decompress(card.content).decode()) == ("models", 1, CARD)


async def test_what_is_not_there_is_not_told(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        stream = await greeted(ledger)
        update = await stream.rules(("a", "x/y"), ("none", "x"), ("", ""), ("a", "//"), rate_card_ids=["none"])
        assert [(node.account_id, node.subject, node.version) for node in update.nodes] == [("a", "", 0)]
        assert update.nodes[0].account == wire.AccountTerms()
        assert not update.nodes[0].has_children
        assert not update.calendars
        assert not update.rate_cards
        assert (await stream.rules()).nodes == []


async def test_a_sidecar_hears_of_each_change(tmp_path: Path) -> None:
    async with running(tmp_path, sweep_interval_ms=60_000) as ledger:
        await ledger.open_pool(100)
        rules, governance = Rules(ledger), ledger.governance
        stream = await greeted(ledger)
        assert (await stream.want(5)).rules_version == 0
        await rules.plan("pro")
        await rules.card()
        version = (await rules.account(plan_id="pro", rate_card_id="models")).version
        await told_version(stream, version)
        changes: tuple[Callable[[], Awaitable[object]], ...] = (
            lambda: rules.subjects("x", "y"),
            lambda: rules.budgets(budget()),
            lambda: rules.rate_limits(rate_limit()),
            lambda: rules.concurrency_limits(concurrency_limit()),
            lambda: rules.plan("pro", seats=1),
            lambda: rules.card(content=CARD.replace('"amount": 5', '"amount": 6')),
            lambda: governance.DeleteBudget(api.DeleteBudgetRequest(account_id="a", budget_id="b")),
            lambda: governance.DeleteRateLimit(api.DeleteRateLimitRequest(account_id="a", limit_id="r")),
            lambda: governance.DeleteConcurrencyLimit(api.DeleteConcurrencyLimitRequest(account_id="a", limit_id="c")),
            lambda: governance.DeleteSubject(api.DeleteSubjectRequest(account_id="a", subject="y")),
        )
        for change in changes:
            await change()
            version += 1
            await told_version(stream, version)
        assert (await stream.rules(("a", ""))).nodes[0].version == version


async def test_other_accounts_hear_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, sweep_interval_ms=60_000) as ledger:
        await ledger.open_pool(100)
        account = ledger_service_pb2.Account(account_id="b")
        await ledger.api.CreateAccount(ledger_service_pb2.CreateAccountRequest(account=account))
        pool = ledger_service_pb2.Pool(account_id="b", pool_id="general")
        await ledger.api.CreatePool(ledger_service_pb2.CreatePoolRequest(pool=pool))
        stream = await greeted(ledger)
        await stream.want(5)
        await stream.want(0, account_id="b")
        await Rules(ledger).subjects("x")
        update = (await stream.read()).lease_update
        assert [(lease.account_id, lease.rules_version) for lease in update.leases] == [("a", 1)]
        assert (await stream.want(0, account_id="b")).rules_version == 0


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"wants": [wire.RulesWant()] * 1_001}, "wants"),
        ({"rate_card_ids": list(map(str, range(17)))}, "rate_card_ids"),
        ({"wants": [wire.RulesWant(), wire.RulesWant(account_id="x" * 129)]}, "wants[1].account_id"),
        ({"wants": [wire.RulesWant(subject="x" * 129)]}, "wants[0].subject"),
        ({"rate_card_ids": ["a", "\n"]}, "rate_card_ids[1]"),
    ],
)
async def test_a_request_past_its_bounds_ends_the_stream(tmp_path: Path, request_: dict[str, Any], field: str) -> None:
    async with running(tmp_path) as ledger:
        stream = await greeted(ledger)
        await stream.send(rules_request=wire.RulesRequest(request_id=1, **request_))
        assert await stream.fault() == (INVALID, "BAD_MESSAGE", f"rules_request.{field}")


async def test_a_thousand_wants_are_answered_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool()
        await Rules(ledger).subjects(*(f"s{n}" for n in range(999)), "top")
        await Rules(ledger).subjects(*(f"top/{n}" for n in range(1_000)))
        stream = await greeted(ledger)
        update = await stream.rules(*(("a", f"top/{n}") for n in range(1_000)), rate_card_ids=list(map(str, range(16))))
        assert len(update.nodes) == 1_002


async def test_requests_that_are_not_waited_for_are_answered_in_order(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        stream = await greeted(ledger)
        for number in range(1, 51):
            await stream.send(rules_request=wire.RulesRequest(request_id=number))
        answers = await stream.finish()
        assert [answer.rules_update.request_id for answer in answers] == list(range(1, 51))


def test_more_requests_than_may_wait_are_refused() -> None:
    protocol = SyncProtocol(10)
    hello = wire.Hello(sidecar_id="s", instance=instance(1))
    protocol.hello(wire.SyncRequest(hello=hello).SerializeToString())
    protocol.welcomed(1, 0)
    request = wire.SyncRequest(rules_request=wire.RulesRequest(request_id=1)).SerializeToString()
    for _ in range(MAX_WAITING_REQUESTS):
        protocol.receive(request)
    with pytest.raises(WindowExceeded):
        protocol.receive(request)
    assert protocol.take_rules() is not None
    protocol.receive(request)
