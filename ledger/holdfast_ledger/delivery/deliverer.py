"""Delivers events to webhooks, at least once: claims what is due, posts it, writes down what became of it.

Any number of replicas deliver side by side: a claim is a row moved on in a transaction, and those who look leave out
rows that another is about to claim. A replica that dies leaves its claims to run out, and the event comes twice: its
id is the same.

    pending ──2xx──► delivered
    pending ──else──► pending, later ──24 h, or 410──► dead ──RetryDeliveries──► pending
"""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from holdfast_ledger.delivery.posting import NotDelivered, Poster
from holdfast_ledger.delivery.signing import signed_headers
from holdfast_ledger.errors import LedgerError
from holdfast_ledger.store.interface import NEVER, Delivery, DeliveryState, Writer
from holdfast_ledger.writer import GroupWriter

CLAIM_MS = 60_000
"""For how long a delivery is kept from others: several times what it may take."""

CLAIM_LIMIT = 32
"""Deliveries under way at once in one replica."""

FIRST_RETRY_MS, LAST_RETRY_MS = 5_000, 3_600_000
GIVE_UP_MS = 24 * 3_600_000
"""After the event, or after the latest retry of what was dead."""

MAX_ERROR_CHARS = 256

_log = logging.getLogger(__name__)


def retry_in_ms(attempt_count: int, chance: float) -> int:
    """Returns the pause after so many attempts: doubled each time up to an hour, spread so that not all come at once.

    Args:
        attempt_count: Attempts made, from 1.
        chance: Evenly spread over 0..1; the pause is between 80 and 120 % of its middle.
    """
    middle_ms = min(FIRST_RETRY_MS << min(attempt_count - 1, 30), LAST_RETRY_MS)
    return int(middle_ms * (0.8 + 0.4 * chance))


@dataclass(slots=True)
class DeliveryCounts:
    """Attempts of one replica since its start, by what became of them."""

    delivered: int = 0
    failed: int = 0
    """To be tried again."""
    dead: int = 0


class Deliverer:
    """Delivers what is due whenever `turn` is called."""

    def __init__(
        self,
        writer: GroupWriter,
        poster: Poster,
        now_ms: Callable[[], int],
        counts: DeliveryCounts,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._writer = writer
        self._poster = poster
        self._now_ms = now_ms
        self._counts = counts
        self._chance = chance

    async def run(self, interval_ms: int) -> None:
        """Looks for what is due at an interval, and at once again while there is more. Until it is cancelled."""
        while True:
            try:
                while await self.turn() == CLAIM_LIMIT:
                    pass
            except LedgerError as fault:
                _log.warning("deliveries failed and will be repeated: %s", fault)
            await asyncio.sleep(interval_ms / 1_000)

    async def turn(self) -> int:
        """Delivers up to `CLAIM_LIMIT` events that are due; returns how many were tried. Raises `Unavailable`."""

        def claim(writer: Writer) -> list[Delivery]:
            now_ms = self._now_ms()
            return writer.claim_deliveries(now_ms, now_ms + CLAIM_MS, CLAIM_LIMIT)

        claimed = await self._writer.run(claim, alone=True)
        if not claimed:
            return 0
        untils = [delivery.next_at_ms for delivery in claimed]
        await asyncio.gather(*map(self._deliver, claimed))

        def keep(writer: Writer) -> None:
            for delivery, until_ms in zip(claimed, untils, strict=True):
                writer.save_delivery(delivery, until_ms)

        await self._writer.run(keep)
        return len(claimed)

    async def _deliver(self, delivery: Delivery) -> None:
        body = delivery.body.encode()
        headers = signed_headers(delivery.secret, delivery.event_id, self._now_ms() // 1_000, body)
        try:
            await self._poster.post(delivery.url, headers, body)
        except NotDelivered as fault:
            self._failed(delivery, fault)
        else:
            delivery.state, delivery.next_at_ms = DeliveryState.DELIVERED, NEVER
            delivery.last_error, delivery.ended_at_ms = "", self._now_ms()
            self._counts.delivered += 1

    def _failed(self, delivery: Delivery, fault: NotDelivered) -> None:
        now_ms = self._now_ms()
        delivery.last_error = str(fault)[:MAX_ERROR_CHARS]
        next_at_ms = now_ms + retry_in_ms(delivery.attempt_count, self._chance())
        if fault.final or next_at_ms > delivery.since_ms + GIVE_UP_MS:
            delivery.state, delivery.next_at_ms, delivery.ended_at_ms = DeliveryState.DEAD, NEVER, now_ms
            self._counts.dead += 1
            _log.warning("event %s for webhook %s is dead: %s", delivery.event_id, delivery.webhook_id, fault)
        else:
            delivery.next_at_ms = next_at_ms
            self._counts.failed += 1
