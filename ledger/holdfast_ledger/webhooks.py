"""The calls of LedgerService about webhooks and what became of their deliveries.

A part of `service`, whose class adds the others. Downstream: `delivery` sends.
"""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar, cast

from holdfast.v1 import ledger_service_pb2 as wire

from holdfast_ledger import rules
from holdfast_ledger.errors import DeliveryNotFound, WebhookNotFound
from holdfast_ledger.lookups import find_account
from holdfast_ledger.paging import page_limit, read_token, write_token
from holdfast_ledger.store.interface import Delivery, DeliveryState, Reader, Webhook, Writer
from holdfast_ledger.validation import check_id, check_optional_id, check_range
from holdfast_ledger.writer import GroupWriter

SECRET_BYTES = 32

T = TypeVar("T")


class WebhookCalls(ABC):
    """These calls of `holdfast.v1.LedgerService`, by name; each raises a `LedgerError`."""

    _writer: GroupWriter
    _now_ms: Callable[[], int]

    @abstractmethod
    async def _read(self, query: Callable[[Reader], T]) -> T:
        """Carries a query out on a snapshot."""

    async def CreateWebhook(self, request: wire.CreateWebhookRequest) -> wire.CreateWebhookResponse:
        """See the contract."""
        said = rules.webhook(request.webhook, request.secret, secrets.token_bytes(SECRET_BYTES))

        def job(writer: Writer) -> Webhook:
            there = writer.webhook(said.webhook_id)
            if there is not None:
                rules.same_webhook(there, said, request.secret)
                return there
            account_key = find_account(writer, said.account_id).account_key if said.account_id else None
            said.created_at_ms = self._now_ms()
            writer.insert_webhook(said, account_key)
            return said

        made = await self._writer.run(job)
        return wire.CreateWebhookResponse(webhook=webhook_message(made), secret=made.secret)

    async def ListWebhooks(self, request: wire.ListWebhooksRequest) -> wire.ListWebhooksResponse:
        """See the contract."""
        limit, scope = page_limit(request.page_size), ("webhooks",)
        key = read_token(scope, request.page_token, [int])
        after = int(key[0]) if key else 0
        rows = await self._read(lambda reader: reader.webhooks(after, limit + 1))
        token = write_token(scope, [rows[limit - 1].webhook_key]) if len(rows) > limit else ""
        return wire.ListWebhooksResponse(webhooks=map(webhook_message, rows[:limit]), next_page_token=token)

    async def DeleteWebhook(self, request: wire.DeleteWebhookRequest) -> wire.DeleteWebhookResponse:
        """See the contract."""
        check_id("webhook_id", request.webhook_id)

        def job(writer: Writer) -> None:
            writer.delete_webhook(_find(writer, request.webhook_id).webhook_key)

        await self._writer.run(job)
        return wire.DeleteWebhookResponse()

    async def ListDeliveries(self, request: wire.ListDeliveriesRequest) -> wire.ListDeliveriesResponse:
        """See the contract."""
        check_id("webhook_id", request.webhook_id)
        state = int(request.state)
        check_range("state", state, 0, max(DeliveryState))
        limit, scope = page_limit(request.page_size), ("deliveries", request.webhook_id, str(state))
        key = read_token(scope, request.page_token, [int])
        after = int(key[0]) if key else 0

        def query(reader: Reader) -> list[Delivery]:
            return reader.deliveries(_find(reader, request.webhook_id).webhook_key, state, after, limit + 1)

        rows = await self._read(query)
        token = write_token(scope, [rows[limit - 1].delivery_key]) if len(rows) > limit else ""
        return wire.ListDeliveriesResponse(deliveries=map(delivery_message, rows[:limit]), next_page_token=token)

    async def RetryDeliveries(self, request: wire.RetryDeliveriesRequest) -> wire.RetryDeliveriesResponse:
        """See the contract."""
        webhook_id, event_id = request.webhook_id, request.event_id
        check_id("webhook_id", webhook_id)
        check_optional_id("event_id", event_id)
        limit, scope = page_limit(request.page_size), ("retries", webhook_id, event_id)
        key = read_token(scope, request.page_token, [int])
        after = int(key[0]) if key else 0

        def job(writer: Writer) -> tuple[int, str]:
            webhook = _find(writer, webhook_id)
            if event_id:
                found = [_find_delivery(writer, webhook, event_id)]
            else:
                found = writer.dead_deliveries(webhook.webhook_key, after, limit + 1)
            token = write_token(scope, [found[limit - 1].delivery_key]) if len(found) > limit else ""
            return writer.retry_deliveries([x.delivery_key for x in found[:limit]], self._now_ms()), token

        retried_count, token = await self._writer.run(job)
        return wire.RetryDeliveriesResponse(retried_count=retried_count, next_page_token=token)


def _find(reader: Reader, webhook_id: str) -> Webhook:
    webhook = reader.webhook(webhook_id)
    if webhook is None:
        raise WebhookNotFound("there is no such webhook", webhook_id=webhook_id)
    return webhook


def _find_delivery(reader: Reader, webhook: Webhook, event_id: str) -> Delivery:
    delivery = reader.delivery(webhook.webhook_key, event_id)
    if delivery is None:
        raise DeliveryNotFound("the webhook was not to be told of such an event", event_id=event_id)
    return delivery


def webhook_message(webhook: Webhook) -> wire.Webhook:
    """Returns a webhook as the contract tells it, without its secret."""
    return wire.Webhook(
        webhook_id=webhook.webhook_id,
        account_id=webhook.account_id,
        url=webhook.url,
        created_at_unix_ms=webhook.created_at_ms,
    )


def delivery_message(delivery: Delivery) -> wire.Delivery:
    """Returns a delivery as the contract tells it."""
    return wire.Delivery(
        webhook_id=delivery.webhook_id,
        event_id=delivery.event_id,
        state=cast("wire.DeliveryState", delivery.state),
        attempt_count=delivery.attempt_count,
        next_attempt_at_unix_ms=0 if delivery.ended_at_ms else delivery.next_at_ms,
        last_error=delivery.last_error,
        ended_at_unix_ms=delivery.ended_at_ms,
    )
