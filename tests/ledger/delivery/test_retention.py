"""Events are kept for their retention, and longer while a webhook is yet to be told; tokens outlast them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from holdfast.v1 import ledger_service_pb2 as api
from holdfast_ledger.bootstrap import open_store
from holdfast_ledger.store.postgres_session import connect

from tests.ledger.delivery.receiver import Receiver, receiving
from tests.ledger.harness import START_MS, Ledger, SyncStream, debit, running

pytestmark = pytest.mark.usefixtures("every_store")

DAY_MS = 86_400_000
RETENTION_MS = 90 * DAY_MS
"""The default."""


class Telling:
    """A ledger whose pool makes one event, "0", "1", … with each debit."""

    def __init__(self, ledger: Ledger, stream: SyncStream, receiver: Receiver) -> None:
        self.ledger, self.stream, self.receiver = ledger, stream, receiver
        self._count = 0

    async def make(self, count: int = 1) -> None:
        """Makes events."""
        for _ in range(count):
            self._count += 1
            await self.stream.debits(debit(self._count, 100, operation_id=f"op-{self._count}"))
            await self.stream.acked(self._count)

    async def page(self, **fields: Any) -> tuple[list[int], str]:
        """A page of events, each as the number of days after the start at which it was made, and the next token."""
        answer = await self.ledger.api.ListEvents(api.ListEventsRequest(**fields))
        days = [(event.created_at_unix_ms - START_MS) // DAY_MS for event in answer.events]
        return days, answer.next_page_token

    async def deliveries(self, **fields: Any) -> api.ListDeliveriesResponse:
        """A page of deliveries."""
        request = api.ListDeliveriesRequest(webhook_id="w", **fields)
        answer: api.ListDeliveriesResponse = await self.ledger.api.ListDeliveries(request)
        return answer

    async def pass_days(self, days: int) -> None:
        """Lets days pass, and the sweep come."""
        self.ledger.clock.advance(days * DAY_MS)
        await self.ledger.server.sweep_once()


@asynccontextmanager
async def telling(folder: Path, hooked: bool = False, **settings: Any) -> AsyncIterator[Telling]:
    """Runs it; deliveries are made when the test says so."""
    by_hand: dict[str, Any] = {"webhook_interval_ms": 600_000, "webhook_allow_private": True}
    async with receiving() as receiver, running(folder, **(by_hand | settings)) as ledger:
        await ledger.open_pool(1_000)
        thresholds = [api.Threshold(threshold_id=str(number), amount=900 - 100 * number) for number in range(9)]
        alerts = api.Alerts(thresholds=thresholds)
        await ledger.api.SetAlerts(api.SetAlertsRequest(account_id="a", pool_id="general", alerts=alerts))
        if hooked:
            webhook = api.Webhook(webhook_id="w", url=receiver.url)
            await ledger.api.CreateWebhook(api.CreateWebhookRequest(webhook=webhook))
        stream = ledger.sync()
        await stream.hello()
        yield Telling(ledger, stream, receiver)


async def test_events_are_kept_for_ninety_days(tmp_path: Path) -> None:
    async with telling(tmp_path) as told:
        await told.make(2)
        await told.pass_days(1)
        await told.make()
        told.ledger.clock.advance(RETENTION_MS - DAY_MS - 1)
        await told.ledger.server.sweep_once()
        assert await told.page() == ([0, 0, 1], "")
        told.ledger.clock.advance(1)
        await told.ledger.server.sweep_once()
        assert await told.page() == ([1], "")


async def test_the_retention_is_a_setting(tmp_path: Path) -> None:
    async with telling(tmp_path, event_retention_ms=2 * DAY_MS) as told:
        await told.make()
        await told.pass_days(1)
        assert await told.page() == ([0], "")
        await told.pass_days(1)
        assert await told.page() == ([], "")


async def test_a_token_goes_on_with_what_is_there(tmp_path: Path) -> None:
    async with telling(tmp_path) as told:
        await told.make(3)
        await told.pass_days(1)
        await told.make(2)
        days, token = await told.page(page_size=1)
        assert days == [0]
        await told.pass_days(89)
        assert await told.page(page_token=token) == ([1, 1], ""), "what it stood before is gone"
        _, token = await told.page(page_size=1)
        await told.pass_days(1)
        assert await told.page(page_token=token) == ([], ""), "nothing is left at all"
        await told.make()
        assert await told.page(page_token=token) == ([91], ""), "and what comes then is not missed"
        assert await told.page() == ([91], "")


async def test_an_event_is_kept_until_its_deliveries_have_ended(tmp_path: Path) -> None:
    async with telling(tmp_path, hooked=True) as told:
        await told.make(2)
        await told.pass_days(91)
        assert await told.page() == ([0, 0], "")
        told.receiver.status = 410
        assert await told.ledger.server.deliverer.turn() == 2
        dead = (await told.deliveries(state=api.DELIVERY_STATE_DEAD)).deliveries
        retry = api.RetryDeliveriesRequest(webhook_id="w", event_id=dead[0].event_id)
        await told.ledger.api.RetryDeliveries(retry)
        await told.ledger.server.sweep_once()
        assert [x.event_id for x in (await told.deliveries()).deliveries] == [dead[0].event_id]
        told.receiver.status = 204
        assert await told.ledger.server.deliverer.turn() == 1
        await told.ledger.server.sweep_once()
        assert await told.page() == ([], "")
        assert await told.deliveries() == api.ListDeliveriesResponse()


async def test_a_token_of_deliveries_goes_on_too(tmp_path: Path) -> None:
    async with telling(tmp_path, hooked=True) as told:
        await told.make(3)
        await told.ledger.server.deliverer.turn()
        token = (await told.deliveries(page_size=2)).next_page_token
        await told.pass_days(90)
        assert await told.page() == ([], "")
        await told.make()
        (delivery,) = (await told.deliveries(page_token=token)).deliveries
        assert delivery.state == api.DELIVERY_STATE_PENDING


async def test_one_transaction_deletes_no_more_than_it_is_told_to_the_oldest_first(tmp_path: Path) -> None:
    async with telling(tmp_path) as told:
        for _ in range(3):
            await told.make()
            told.ledger.clock.advance(DAY_MS)
        with told.ledger.store.writing() as writer:
            assert writer.delete_events(START_MS + 2 * DAY_MS, 2) == 2
        assert await told.page() == ([2], "")
        with told.ledger.store.writing() as writer:
            assert writer.delete_events(START_MS + 2 * DAY_MS, 2) == 1
        events = (await asyncio.to_thread(told.ledger.server.statistics)).events
        assert events.made == (("pool.threshold_crossed", 3),), "they were made all the same"


async def test_a_delivery_that_another_replica_retries_is_not_deleted(tmp_path: Path, postgres_url: str) -> None:
    async with telling(tmp_path, hooked=True, database=postgres_url) as told:
        await told.make()
        told.receiver.status = 410
        await told.ledger.server.deliverer.turn()
        other, until_ms = open_store(postgres_url), START_MS + DAY_MS

        def delete() -> int:
            with other.writing() as writer:
                return writer.delete_events(until_ms, 10)

        with told.ledger.store.writing() as writer:
            (dead,) = writer.dead_deliveries(1, 0, 10)
            assert writer.retry_deliveries([dead.delivery_key], until_ms) == 1
            deleting = asyncio.create_task(asyncio.to_thread(delete))
            await asyncio.to_thread(until_one_waits, postgres_url)
        assert await deleting == 0
        other.close()
        assert (await told.deliveries()).deliveries[0].state == api.DELIVERY_STATE_PENDING


def until_one_waits(url: str) -> None:
    """Returns once a connection waits for a row that another has locked."""
    with connect(url) as connection:
        for _ in range(6_000):
            if connection.execute(_WAITING).fetchone() != (0,):
                return
            time.sleep(0.01)
    raise AssertionError("nobody waits for the row")


_WAITING = b"""SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"""
