"""Usage reported after the fact, over client, sidecar and ledger: debited once, whatever the balance, and by whom."""

import asyncio
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import grpc
import holdfast
import pytest
from holdfast import reports
from holdfast.commands import rules
from holdfast.v1 import usage_service_pb2 as pb
from holdfast.v1.usage_service_pb2_grpc import UsageServiceStub

from tests.scenarios.test_rated_work import CARD, MODEL
from tests.scenarios.world import ACCOUNT, CALL_TIMEOUT_S, CHANNEL_OPTIONS, START_TIMEOUT_S, World, wait_until

RULES = f"""
account = "{ACCOUNT}"

[rules]
rate_card_id = "card"

[[subjects]]
subject = "team"

[[budgets]]
budget_id = "team-month"
subject = "team"
limit_amount = 100
currency = "credits"
period = "month"

[[rate_cards]]
rate_card_id = "card"
file = "card.toml"
"""
AMOUNT = 10_000
on_both = pytest.mark.parametrize("world", ["native", "portable"], indirect=True)


@pytest.fixture
def world(request: pytest.FixtureRequest, make_world: Callable[..., World], tmp_path: Path) -> World:
    """A host with rules; on the transport that a test says, else on the default one."""
    made = make_world("--transport", getattr(request, "param", "auto"))
    made.begin(AMOUNT)
    (tmp_path / "card.toml").write_text(CARD)
    (tmp_path / "rules.toml").write_text(RULES)
    assert rules.main(["apply", str(tmp_path / "rules.toml"), "--ledger", made.ledger.address]) == 0
    return made


@pytest.fixture
def client(world: World) -> Iterator[holdfast.Client]:
    """A client of that host, once it has heard of the rules."""
    with holdfast.Client(world.sidecar.address, timeout_ms=10_000) as made:
        wait_until(lambda: not made.check(ACCOUNT, 200, subject="team"), START_TIMEOUT_S)
        yield made


def posted_everything(world: World, client: holdfast.Client) -> int:
    """Waits until the ledger has posted all; returns its balance."""
    wait_until(lambda: client.get_balance(ACCOUNT).unposted == 0, START_TIMEOUT_S)
    return world.ledger_balance().posted


@on_both
def test_what_is_reported_is_in_the_balance_at_once_and_in_the_ledger_once(
    world: World, client: holdfast.Client
) -> None:
    first = client.report_usage(ACCOUNT, 10, meter="output", dimensions=MODEL, operation_id="op-1")
    assert (first.quantity, first.debited_amount, first.posted, first.late) == (10, 40, AMOUNT - 40, False)
    assert client.report_usage(ACCOUNT, 10, meter="output", dimensions=MODEL, operation_id="op-1") == first
    second = client.report_usage(ACCOUNT, counter="job", total=25)
    assert (second.quantity, second.counter_total, second.posted) == (25, 25, AMOUNT - 65)
    with pytest.raises(holdfast.FailedPrecondition) as caught:
        client.report_usage(ACCOUNT, counter="job", total=24)
    assert (caught.value.reason, caught.value.metadata["counter_total"]) == ("COUNTER_BACKWARDS", "25")
    with pytest.raises(holdfast.AlreadyExists):
        client.report_usage(ACCOUNT, 11, meter="output", dimensions=MODEL, operation_id="op-1")
    assert posted_everything(world, client) == AMOUNT - 65


def test_what_was_used_already_is_debited_beyond_balance_and_budget_and_within_the_published_bound(
    world: World, client: holdfast.Client
) -> None:
    with pytest.raises(holdfast.Denied) as caught:
        client.report_usage(ACCOUNT, AMOUNT + 1)
    assert caught.value.denial_reason is holdfast.Reason.INSUFFICIENT_BALANCE
    with pytest.raises(holdfast.Denied):
        client.report_usage(ACCOUNT, 200, subject="team")
    counted = client.report_usage(ACCOUNT, 200, subject="team", already_used=True)
    assert (counted.debited_amount, counted.late) == (200, False)
    beyond = client.report_usage(ACCOUNT, AMOUNT, already_used=True, operation_id="beyond")
    assert (beyond.debited_amount, beyond.posted, beyond.late) == (AMOUNT, -200, True)
    assert posted_everything(world, client) == -200
    balance = world.ledger_balance()
    assert (balance.late_total, balance.unleased_total) == (AMOUNT, 0)
    assert -balance.posted <= balance.late_total


@on_both
def test_of_many_reports_each_has_its_own_result(world: World, client: holdfast.Client) -> None:
    results = client.report_usage_bulk(
        [
            reports.usage(ACCOUNT, 10),
            reports.usage("nobody", 10),
            reports.usage(ACCOUNT, 10, meter="no such meter"),
            reports.usage(ACCOUNT, 10, meter="input", dimensions=MODEL, subject="team"),
            reports.usage(ACCOUNT, AMOUNT),
            reports.usage(ACCOUNT, 10, pool="no such pool", already_used=True),
            reports.usage(ACCOUNT, AMOUNT, already_used=True),
        ]
    )
    shown = [
        (result.reason.value, result.debited_amount) if isinstance(result, holdfast.Reported) else result.reason
        for result in results
    ]
    assert shown == [
        ("OK", 10),
        ("UNKNOWN_ACCOUNT", 0),
        "INVALID_FIELD",
        ("OK", 10),
        ("INSUFFICIENT_BALANCE", 0),
        "POOL_NOT_FOUND",
        ("OK", AMOUNT),
    ]
    field_error = results[2]
    assert isinstance(field_error, holdfast.InvalidArgument)
    assert field_error.field == "meter_id"
    assert posted_everything(world, client) == -20


@pytest.mark.parametrize("crash_at", ["before_commit", "after_commit"])
def test_a_report_that_is_sent_again_after_a_crash_is_debited_once(
    world: World, client: holdfast.Client, crash_at: str
) -> None:
    client.report_usage(ACCOUNT, 1)
    world.sidecar.stop()
    world.sidecar.start(crash_at=f"{crash_at}:5")
    sent = 0
    while world.sidecar.alive or not sent:
        try:
            client.report_usage(ACCOUNT, 30, operation_id=f"op-{sent}", already_used=True, timeout_ms=2_000)
        except holdfast.Unavailable:
            if not world.sidecar.alive:
                break
        sent += 1
        assert sent < 1_000
    world.sidecar.start()
    world.wait_until_deciding()
    for number in range(sent + 1):
        assert client.report_usage(ACCOUNT, 30, operation_id=f"op-{number}", already_used=True).debited_amount == 30
    wait_until(lambda: client.get_balance(ACCOUNT).unposted == 0, START_TIMEOUT_S)
    assert client.get_balance(ACCOUNT).posted == world.ledger_balance().posted == AMOUNT - 1 - 30 * (sent + 1)


def test_asyncio_reports_alike(world: World, client: holdfast.Client) -> None:
    async def report() -> None:
        async with holdfast.AsyncClient(world.sidecar.address, timeout_ms=10_000) as own:
            first = await own.report_usage(ACCOUNT, 10, meter="output", dimensions=MODEL)
            assert (first.quantity, first.debited_amount) == (10, 40)
            (second, third) = await own.report_usage_bulk(
                [reports.usage(ACCOUNT, 5), reports.usage(ACCOUNT, 5, meter="?")]
            )
            assert isinstance(second, holdfast.Reported)
            assert isinstance(third, holdfast.InvalidArgument)

    asyncio.run(report())
    assert posted_everything(world, client) == AMOUNT - 45


def test_events_are_taken_in_once_and_taken_back_by_name(world: World, client: holdfast.Client) -> None:
    """Over both clients; what is not accepted is told by its place."""
    events = [reports.event(ACCOUNT, "llm.call", source="api", event_id=f"e-{n}", dimensions=MODEL) for n in range(3)]
    assert client.report_events(events) == holdfast.EventsTaken(3, 0, ())
    other = reports.event(ACCOUNT, "llm.call", source="api", event_id="e-1", subject="team")
    ancient = reports.event(ACCOUNT, "llm.call", source="api", at=1)
    taken = client.report_events([events[0], other, ancient, reports.event(ACCOUNT, "llm.call", source="api")])
    assert (taken.accepted_count, taken.duplicate_count) == (1, 1)
    told = [(result.index, result.outcome, result.field) for result in taken.results]
    assert told[0][:2] == (0, holdfast.EventOutcome.DUPLICATE)
    assert told[1][:2] == (1, holdfast.EventOutcome.CONFLICT)
    assert told[2] == (2, holdfast.EventOutcome.REFUSED, "time_unix_ms")

    async def void() -> tuple[holdfast.EventsTaken, holdfast.EventsTaken]:
        async with holdfast.AsyncClient(world.sidecar.address, timeout_ms=10_000) as own:
            again = await own.report_events(events)
            return again, await own.void_events([reports.event_name(ACCOUNT, "api", f"e-{n}") for n in range(3)])

    again, voided = asyncio.run(void())
    assert (again.accepted_count, again.duplicate_count, again.refused) == (0, 3, ())
    assert (voided.accepted_count, voided.refused) == (3, ())
    once_more = client.void_events([reports.event_name(ACCOUNT, "api", "e-0")])
    assert (once_more.accepted_count, once_more.duplicate_count) == (0, 1)


@pytest.mark.parametrize("transport", ["native", "portable"])
def test_credentials_say_who_may_report_how_often_and_for_whom(
    make_world: Callable[..., World], tmp_path: Path, transport: str
) -> None:
    file = tmp_path / "credentials.toml"
    file.write_text(f"""
[[credentials]]
name = "billing"
token_sha256 = "{sha256(b"secret").hexdigest()}"
account_id = "{ACCOUNT}"
calls_per_s = 1
burst = 3
""")
    world = make_world("--transport", transport, "--credentials-file", str(file))
    world.begin(AMOUNT)
    with holdfast.Client(world.sidecar.address, token="wrong") as stranger:
        with pytest.raises(holdfast.Unauthenticated):
            stranger.report_usage(ACCOUNT, 1)
        assert stranger.charge(ACCOUNT, 1).debited_amount == 1
    with holdfast.Client(world.sidecar.address, token="secret", timeout_ms=10_000) as own:
        assert own.report_usage(ACCOUNT, 1).debited_amount == 1
        with pytest.raises(holdfast.PermissionDenied):
            own.report_usage("globex", 1)
        (foreign,) = own.report_usage_bulk([reports.usage("globex", 1)])
        assert isinstance(foreign, holdfast.PermissionDenied)
        refused, reported_count = until_refused(own)
        assert refused.reason == "RATE_LIMITED"
        assert 0 < refused.retry_after_ms <= 1_000
    assert world.balance().posted == AMOUNT - 2 - reported_count


def until_refused(client: holdfast.Client) -> tuple[holdfast.ResourceExhausted, int]:
    """Reports one at a time until there is one too many in a second; returns the refusal, and how many were taken."""
    for count in range(1_000):
        try:
            client.report_usage(ACCOUNT, 1)
        except holdfast.ResourceExhausted as refused:
            return refused, count
    raise AssertionError("nothing was refused")


@on_both
def test_bad_input_is_named_and_changes_nothing(world: World, client: holdfast.Client) -> None:
    with grpc.insecure_channel(world.sidecar.address, options=CHANNEL_OPTIONS) as channel:
        stub = UsageServiceStub(channel)
        for call, request, code in (
            (stub.ReportUsage, pb.ReportUsageRequest(), grpc.StatusCode.INVALID_ARGUMENT),
            (stub.ReportUsageBulk, pb.ReportUsageBulkRequest(), grpc.StatusCode.INVALID_ARGUMENT),
            (stub.QueryUsage, pb.QueryUsageRequest(), grpc.StatusCode.UNIMPLEMENTED),
            (stub.TraceUsage, pb.TraceUsageRequest(), grpc.StatusCode.UNIMPLEMENTED),
            (stub.ListUsageKeys, pb.ListUsageKeysRequest(), grpc.StatusCode.UNIMPLEMENTED),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call(request, timeout=CALL_TIMEOUT_S)
            assert isinstance(caught.value, grpc.Call)
            assert caught.value.code() is code
            assert code is not grpc.StatusCode.UNIMPLEMENTED or "ledger" in (caught.value.details() or "")
        garbage: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/holdfast.v1.UsageService/ReportUsage"
        )
        with pytest.raises(grpc.RpcError) as caught:
            garbage(b"\xff" * 50, timeout=CALL_TIMEOUT_S)
        assert isinstance(caught.value, grpc.Call)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    for fields in ({"subject": "x" * 600}, {"dimensions": {f"k{n}": "v" for n in range(100)}}, {"pool": "'; DROP"}):
        with pytest.raises((holdfast.InvalidArgument, holdfast.NotFound)):
            client.report_usage(ACCOUNT, 1, already_used=True, **fields)
    assert posted_everything(world, client) == AMOUNT
