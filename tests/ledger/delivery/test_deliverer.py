"""Events reach their webhooks at least once, are tried again for a day, and then are listed as dead."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from holdfast.v1 import ledger_service_pb2 as api
from holdfast_ledger.delivery.deliverer import (
    CLAIM_MS,
    FIRST_RETRY_MS,
    GIVE_UP_MS,
    LAST_RETRY_MS,
    DeliveryCounts,
    retry_in_ms,
)
from holdfast_ledger.delivery.signing import make_secret, signed_headers
from holdfast_ledger.store.interface import EventTotals

from tests.ledger.delivery.receiver import Receiver, receiving
from tests.ledger.harness import START_MS, Ledger, debit, fault_of, instance, running

pytestmark = pytest.mark.usefixtures("every_store")

SECRET = make_secret(b"s" * 32)
NAMES: dict[str, Any] = {"account_id": "a", "pool_id": "general"}
BY_HAND: dict[str, Any] = {"webhook_interval_ms": 600_000, "webhook_allow_private": True}
"""The test calls each turn itself; the first one, of an empty ledger, is over before it begins."""


async def hook(ledger: Ledger, url: str, webhook_id: str = "w", account_id: str = "", secret: str = SECRET) -> str:
    webhook = api.Webhook(webhook_id=webhook_id, url=url, account_id=account_id)
    made = await ledger.api.CreateWebhook(api.CreateWebhookRequest(webhook=webhook, secret=secret))
    return str(made.secret)


async def cross(ledger: Ledger, count: int = 1) -> None:
    """Lets the balance of a/general, of 1,000 credits, fall through so many thresholds."""
    thresholds = [api.Threshold(threshold_id=str(number), amount=500 + number) for number in range(count)]
    await ledger.api.SetAlerts(api.SetAlertsRequest(alerts=api.Alerts(thresholds=thresholds), **NAMES))
    stream = ledger.sync()
    await stream.hello("crossing", instance=instance(9))
    await stream.debits(debit(1, 600, operation_id="crossing"))
    await stream.acked(1)


async def deliveries(ledger: Ledger, webhook_id: str = "w", **fields: Any) -> list[api.Delivery]:
    request = api.ListDeliveriesRequest(webhook_id=webhook_id, page_size=1_000, **fields)
    answer: api.ListDeliveriesResponse = await ledger.api.ListDeliveries(request)
    return list(answer.deliveries)


@asynccontextmanager
async def ready(folder: Path, **settings: Any) -> AsyncIterator[tuple[Ledger, Receiver]]:
    """A ledger with 1,000 credits in a/general, and a receiver."""
    async with receiving() as receiver, running(folder, **(BY_HAND | settings)) as ledger:
        await ledger.open_pool(1_000)
        yield ledger, receiver


async def test_an_event_arrives_signed_and_once(tmp_path: Path) -> None:
    async with ready(tmp_path) as (ledger, receiver):
        assert await hook(ledger, f"{receiver.url}/hook") == SECRET
        await cross(ledger)
        assert await ledger.server.deliverer.turn() == 1
        assert await ledger.server.deliverer.turn() == 0
        (request,) = receiver.requests
        event = (await ledger.api.ListEvents(api.ListEventsRequest())).events[0]
        assert request.body.decode() == event.body
        assert json.loads(request.body)["data"]["threshold_id"] == "0"
        assert (
            request.headers.items() >= signed_headers(SECRET, event.event_id, START_MS // 1_000, request.body).items()
        )
        (delivery,) = await deliveries(ledger)
        assert (delivery.event_id, delivery.state, delivery.attempt_count, delivery.ended_at_unix_ms) == (
            event.event_id, api.DELIVERY_STATE_DELIVERED, 1, START_MS,
        )  # fmt: skip


async def test_the_running_ledger_delivers_by_itself(tmp_path: Path) -> None:
    async with ready(tmp_path, webhook_interval_ms=10) as (ledger, receiver):
        await hook(ledger, receiver.url)
        await cross(ledger, 40)
        async with asyncio.timeout(60):
            while len(receiver.requests) < 40:
                await asyncio.sleep(0.01)
        assert len({request.headers["webhook-id"] for request in receiver.requests}) == 40


async def test_a_failed_delivery_is_tried_again_later_with_the_same_id_and_a_new_time(tmp_path: Path) -> None:
    async with ready(tmp_path) as (ledger, receiver):
        await hook(ledger, receiver.url)
        await cross(ledger)
        receiver.status = 500
        await ledger.server.deliverer.turn()
        (delivery,) = await deliveries(ledger, state=api.DELIVERY_STATE_PENDING)
        assert "500" in delivery.last_error
        wait_ms = delivery.next_attempt_at_unix_ms - START_MS
        assert 0.8 * FIRST_RETRY_MS <= wait_ms <= 1.2 * FIRST_RETRY_MS
        assert await ledger.server.deliverer.turn() == 0
        ledger.clock.advance(wait_ms)
        receiver.status = 200
        assert await ledger.server.deliverer.turn() == 1
        assert (await asyncio.to_thread(ledger.server.statistics)).deliveries == DeliveryCounts(delivered=1, failed=1)
        first, second = receiver.requests
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
        assert (await deliveries(ledger))[0].state == api.DELIVERY_STATE_DELIVERED


async def test_what_fails_for_a_day_is_dead_and_listed(tmp_path: Path) -> None:
    async with ready(tmp_path) as (ledger, receiver):
        await hook(ledger, receiver.url)
        await cross(ledger)
        receiver.status = 503
        for _ in range(100):
            await ledger.server.deliverer.turn()
            (delivery,) = await deliveries(ledger)
            if delivery.state == api.DELIVERY_STATE_DEAD:
                break
            ledger.clock.advance(delivery.next_attempt_at_unix_ms - ledger.clock.now_ms())
        assert await deliveries(ledger, state=api.DELIVERY_STATE_DEAD) == [delivery]
        passed_ms = ledger.clock.now_ms() - START_MS
        assert GIVE_UP_MS - 1.2 * LAST_RETRY_MS <= passed_ms <= GIVE_UP_MS
        assert len(receiver.requests) == delivery.attempt_count >= 20
        ledger.clock.advance(GIVE_UP_MS)
        assert await ledger.server.deliverer.turn() == 0


async def test_a_receiver_that_is_gone_for_good_gets_no_more(tmp_path: Path) -> None:
    async with ready(tmp_path) as (ledger, receiver):
        await hook(ledger, receiver.url)
        await cross(ledger)
        receiver.status = 410
        await ledger.server.deliverer.turn()
        assert (await deliveries(ledger))[0].state == api.DELIVERY_STATE_DEAD


async def kill(ledger: Ledger, receiver: Receiver, count: int = 1) -> list[str]:
    """Lets so many events die, and returns their ids."""
    await hook(ledger, receiver.url)
    await cross(ledger, count)
    receiver.status = 410
    assert await ledger.server.deliverer.turn() == count
    return [delivery.event_id for delivery in await deliveries(ledger, state=api.DELIVERY_STATE_DEAD)]


async def retry(ledger: Ledger, **fields: Any) -> api.RetryDeliveriesResponse:
    request = api.RetryDeliveriesRequest(**({"webhook_id": "w"} | fields))
    answer: api.RetryDeliveriesResponse = await ledger.api.RetryDeliveries(request)
    return answer


async def test_what_was_dead_is_tried_again_as_if_it_were_new(tmp_path: Path) -> None:
    async with ready(tmp_path) as (ledger, receiver):
        (event_id,) = await kill(ledger, receiver)
        ledger.clock.advance(3 * GIVE_UP_MS)
        assert await retry(ledger, event_id=event_id) == api.RetryDeliveriesResponse(retried_count=1)
        (delivery,) = await deliveries(ledger)
        assert (delivery.state, delivery.attempt_count) == (api.DELIVERY_STATE_PENDING, 0)
        assert (delivery.next_attempt_at_unix_ms, delivery.ended_at_unix_ms) == (ledger.clock.now_ms(), 0)
        receiver.status = 503
        assert await ledger.server.deliverer.turn() == 1
        (delivery,) = await deliveries(ledger, state=api.DELIVERY_STATE_PENDING)
        wait_ms = delivery.next_attempt_at_unix_ms - ledger.clock.now_ms()
        assert 0.8 * FIRST_RETRY_MS <= wait_ms <= 1.2 * FIRST_RETRY_MS, "old as the event is, it is not given up"
        assert (await retry(ledger)).retried_count == 0, "it is under way"
        assert await deliveries(ledger) == [delivery]
        ledger.clock.advance(GIVE_UP_MS)
        assert await ledger.server.deliverer.turn() == 1
        assert (await deliveries(ledger))[0].state == api.DELIVERY_STATE_DEAD, "its age counts from the retry"
        assert (await retry(ledger)).retried_count == 1
        receiver.status = 204
        assert await ledger.server.deliverer.turn() == 1
        assert (await retry(ledger, event_id=event_id)).retried_count == 0, "it was taken"
        assert await ledger.server.deliverer.turn() == 0
        assert {request.headers["webhook-id"] for request in receiver.requests} == {event_id}


async def test_dead_deliveries_are_retried_page_by_page(tmp_path: Path) -> None:
    async with ready(tmp_path) as (ledger, receiver):
        event_ids = await kill(ledger, receiver, 5)
        first = await retry(ledger, page_size=2)
        assert first.retried_count == 2
        assert await ledger.server.deliverer.turn() == 2, "they die again, and the next page does not begin with them"
        again = await retry(ledger, page_size=2, page_token=first.next_page_token)
        last = await retry(ledger, page_size=2, page_token=again.next_page_token)
        assert (again.retried_count, last.retried_count, last.next_page_token) == (2, 1, "")
        receiver.status = 204
        assert await ledger.server.deliverer.turn() == 3
        taken = [x.event_id for x in await deliveries(ledger, state=api.DELIVERY_STATE_DELIVERED)]
        assert taken == event_ids[2:]


async def test_operators_see_what_was_told_and_what_was_given_up(tmp_path: Path) -> None:
    async with ready(tmp_path) as (ledger, receiver):
        await kill(ledger, receiver, 3)
        assert (await asyncio.to_thread(ledger.server.statistics)).events == EventTotals(
            made=(("pool.threshold_crossed", 3),), pending_delivery_count=0, dead_delivery_count=3
        )
        await retry(ledger, page_size=2)
        receiver.status = 503
        assert await ledger.server.deliverer.turn() == 2
        again = (await asyncio.to_thread(ledger.server.statistics)).events
        assert (again.pending_delivery_count, again.dead_delivery_count) == (2, 1)


async def test_a_retry_of_what_is_not_there_is_refused(tmp_path: Path) -> None:
    async with ready(tmp_path) as (ledger, receiver):
        (event_id,) = await kill(ledger, receiver)
        await hook(ledger, receiver.url, "later")
        for fields, code, told in (
            ({"webhook_id": ""}, grpc.StatusCode.INVALID_ARGUMENT, "BAD_MESSAGE"),
            ({"webhook_id": "none"}, grpc.StatusCode.NOT_FOUND, "WEBHOOK_NOT_FOUND"),
            ({"event_id": "none"}, grpc.StatusCode.NOT_FOUND, "DELIVERY_NOT_FOUND"),
            ({"webhook_id": "later", "event_id": event_id}, grpc.StatusCode.NOT_FOUND, "DELIVERY_NOT_FOUND"),
            ({"page_size": 1_001}, grpc.StatusCode.INVALID_ARGUMENT, "BAD_MESSAGE"),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                await retry(ledger, **fields)
            assert fault_of(caught.value)[:2] == (code, told)


async def test_a_webhook_of_one_account_hears_of_no_other(tmp_path: Path) -> None:
    async with ready(tmp_path) as (ledger, receiver):
        await ledger.api.CreateAccount(api.CreateAccountRequest(account=api.Account(account_id="b")))
        for name, account_id in (("mine", "a"), ("other", "b"), ("all", "")):
            await hook(ledger, f"{receiver.url}/{name}", name, account_id)
        await cross(ledger)
        await ledger.server.deliverer.turn()
        assert sorted(request.target for request in receiver.requests) == ["/all", "/mine"]


async def test_a_deleted_webhook_hears_nothing(tmp_path: Path) -> None:
    async with ready(tmp_path) as (ledger, receiver):
        await hook(ledger, receiver.url)
        await cross(ledger)
        await ledger.api.DeleteWebhook(api.DeleteWebhookRequest(webhook_id="w"))
        assert await ledger.server.deliverer.turn() == 0
        assert (await ledger.api.ListWebhooks(api.ListWebhooksRequest())).webhooks == []
        for call in (
            ledger.api.DeleteWebhook(api.DeleteWebhookRequest(webhook_id="w")),
            ledger.api.ListDeliveries(api.ListDeliveriesRequest(webhook_id="w")),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                await call
            assert fault_of(caught.value)[1] == "WEBHOOK_NOT_FOUND"


async def test_a_private_address_is_not_posted_to_unless_allowed(tmp_path: Path) -> None:
    async with ready(tmp_path, webhook_allow_private=False) as (ledger, receiver):
        await hook(ledger, receiver.url.replace("http:", "https:"))
        await cross(ledger)
        await ledger.server.deliverer.turn()
        assert "not public" in (await deliveries(ledger))[0].last_error
        assert receiver.connection_count == 0


async def test_webhooks_are_listed_without_secrets_and_made_once(tmp_path: Path) -> None:
    async with ready(tmp_path) as (ledger, receiver):
        made = await hook(ledger, receiver.url, secret="")
        assert made.startswith("whsec_")
        assert await hook(ledger, receiver.url, secret="") == made
        assert await hook(ledger, receiver.url, "x", secret="") != made
        listed = (await ledger.api.ListWebhooks(api.ListWebhooksRequest(page_size=1))).webhooks
        assert listed == [api.Webhook(webhook_id="w", url=receiver.url, created_at_unix_ms=START_MS)]
        for fields, code, field in (
            ({"webhook_id": ""}, grpc.StatusCode.INVALID_ARGUMENT, "webhook.webhook_id"),
            ({"url": "ftp://x"}, grpc.StatusCode.INVALID_ARGUMENT, "webhook.url"),
            ({"url": "https://"}, grpc.StatusCode.INVALID_ARGUMENT, "webhook.url"),
            ({"url": "https://user@x/"}, grpc.StatusCode.INVALID_ARGUMENT, "webhook.url"),
            ({"url": "https://x:99999/"}, grpc.StatusCode.INVALID_ARGUMENT, "webhook.url"),
            ({"url": "https://x/" + "y" * 2_048}, grpc.StatusCode.INVALID_ARGUMENT, "webhook.url"),
            ({"secret": "short"}, grpc.StatusCode.INVALID_ARGUMENT, "secret"),
            ({"secret": SECRET}, grpc.StatusCode.ALREADY_EXISTS, "secret"),
            ({"account_id": "a"}, grpc.StatusCode.ALREADY_EXISTS, "webhook.account_id"),
            ({"account_id": "none", "webhook_id": "y"}, grpc.StatusCode.NOT_FOUND, ""),
        ):
            values: dict[str, Any] = {"url": receiver.url, "secret": ""} | fields
            with pytest.raises(grpc.RpcError) as caught:
                await hook(ledger, **values)
            assert (fault_of(caught.value)[0], fault_of(caught.value)[2]) == (code, field)


async def test_a_claim_runs_out_so_that_a_replica_that_died_keeps_nothing_back(tmp_path: Path) -> None:
    async with ready(tmp_path) as (ledger, receiver):
        await hook(ledger, receiver.url)
        await cross(ledger)
        with ledger.store.writing() as writer:
            assert len(writer.claim_deliveries(START_MS, START_MS + CLAIM_MS, 10)) == 1
        assert await ledger.server.deliverer.turn() == 0
        ledger.clock.advance(CLAIM_MS)
        assert await ledger.server.deliverer.turn() == 1
        assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("attempt_count", "middle_ms"),
    [(1, 5_000), (2, 10_000), (5, 80_000), (10, 2_560_000), (11, 3_600_000), (10**6, 3_600_000)],
)
def test_pauses_double_up_to_an_hour(attempt_count: int, middle_ms: int) -> None:
    assert retry_in_ms(attempt_count, 0) == middle_ms * 8 // 10
    assert retry_in_ms(attempt_count, 0.5) == middle_ms
    assert retry_in_ms(attempt_count, 1) == middle_ms * 12 // 10


async def test_two_replicas_share_the_work(tmp_path: Path, postgres_url: str) -> None:
    async with ready(tmp_path, database=postgres_url) as (one, receiver):
        async with running(tmp_path, clock=one.clock, database=postgres_url, **BY_HAND) as two:
            await hook(one, receiver.url)
            await cross(one, 100)
            tried = [0, 0]
            while any(counts := await asyncio.gather(one.server.deliverer.turn(), two.server.deliverer.turn())):
                tried = [a + b for a, b in zip(tried, counts, strict=True)]
        assert sum(tried) == 100
        assert min(tried) > 0
        counts_by_id = Counter(request.headers["webhook-id"] for request in receiver.requests)
        assert len(counts_by_id) == 100
        assert set(counts_by_id.values()) == {1}, "no event was posted by both"
