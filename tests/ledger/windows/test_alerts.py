"""An event tells of a budget that comes to a share of its limit: once a period and share, again when it fell below."""

import json
from typing import Any

import pytest
from holdfast_ledger.governance.periods import DAY_MS
from holdfast_ledger.posting.post import post
from holdfast_ledger.store.interface import Webhook, Writer

from tests.ledger.harness import START_MS, Books, debit, instance
from tests.ledger.windows.rules import (
    ROLLING,
    ROLLING_MS,
    SOFT,
    TODAY,
    TODAY_MS,
    TOMORROW,
    clear,
    set_budget,
    set_rolling,
)


@pytest.fixture
def opened(books: Books) -> Books:
    """A pool, and a soft budget of 100 a day with events at 50, 80 and 100 %."""
    books.open_pool()
    books.grant("g", 1_000)
    books.hello("s", instance=instance(0))
    set_budget(books, "day", 100, action=SOFT, alert_bps=[5_000, 8_000, 10_000])
    return books


def events(books: Books) -> list[dict[str, Any]]:
    """What was told of, in order."""
    with books.store.reading() as reader:
        found = reader.events(None, 0, 100)
    bodies = [json.loads(event.body) for event in found]
    assert all((x.type, x.pool_id) == ("budget.threshold_crossed", "") for x in found)
    assert all(body["id"] == event.event_id for body, event in zip(bodies, found, strict=True))
    assert len({event.event_id for event in found}) == len(found)
    return [body["data"] for body in bodies]


def shares(books: Books) -> list[int]:
    return [event["alert_bps"] for event in events(books)]


def test_each_share_is_told_once_a_period(opened: Books) -> None:
    opened.post(debit(1, 49, windows=[TODAY]))
    assert shares(opened) == []
    assert opened.post(debit(2, 1, windows=[TODAY])).event_count == 1
    assert opened.post(debit(3, 29, windows=[TODAY])).event_count == 0
    opened.post(debit(4, 200, windows=[TODAY]), debit(5, 200, windows=[TODAY]))
    assert shares(opened) == [5_000, 8_000, 10_000]
    opened.clock.advance(TODAY_MS + DAY_MS - START_MS)
    opened.post(debit(6, 60, windows=[TOMORROW]))
    assert shares(opened) == [5_000, 8_000, 10_000, 5_000]


def test_what_is_told(opened: Books) -> None:
    opened.post(debit(1, 60, windows=[TODAY]))
    assert events(opened) == [
        {
            "account_id": "a",
            "budget_id": "day",
            "subject": "",
            "alert_bps": 5_000,
            "limit": "100",
            "used": "60",
            "leased": "0",
            "period_start_unix_ms": str(TODAY_MS),
            "period_end_unix_ms": str(TODAY_MS + DAY_MS),
        }
    ]


class Restored(Exception):
    """Undoes a transaction, as an older backup does."""


def test_the_same_posted_again_after_a_restore_has_the_same_id(opened: Books) -> None:
    def told(amount: int) -> list[str]:
        opened.clock.advance(1)
        ids: list[str] = []

        def job(writer: Writer) -> None:
            sidecar = writer.sidecar("s")
            assert sidecar
            post(writer, sidecar, [debit(1, amount, windows=[TODAY])], opened.clock.now_ms())
            ids.extend(event.event_id for event in writer.events(None, 0, 10))
            raise Restored

        with pytest.raises(Restored):
            opened.write(job)
        return ids

    assert told(60) == told(61) != []


def test_corrections_and_higher_limits_tell_nothing_twice(opened: Books) -> None:
    opened.post(debit(1, 60, windows=[TODAY]))
    opened.correct("op-1", 50)
    opened.post(debit(2, 50, windows=[TODAY]))
    set_budget(opened, "day", 1_000, action=SOFT, alert_bps=[5_000, 8_000, 10_000])
    opened.post(debit(3, 440, windows=[TODAY]))
    assert shares(opened) == [5_000]


def test_a_lower_limit_tells_at_once(opened: Books) -> None:
    opened.post(debit(1, 30, windows=[TODAY]))
    set_budget(opened, "day", 60, action=SOFT, alert_bps=[5_000])
    assert shares(opened) == [5_000]


def test_a_limit_of_nothing_is_reached_by_the_first_debit(opened: Books) -> None:
    set_budget(opened, "none", 0, action=SOFT, alert_bps=[10_000])
    assert opened.post(debit(1, 1, windows=[f"none\x1f{TODAY_MS}"])).event_count == 1


def test_a_rolling_budget_tells_again_when_it_fell_below(opened: Books) -> None:
    set_rolling(opened, 100, alert_bps=[5_000, 8_000])
    opened.post(debit(1, 50, windows=[ROLLING]))
    opened.clock.advance(ROLLING_MS // 2)
    opened.post(debit(2, 40, windows=[ROLLING]))
    assert shares(opened) == [5_000, 8_000]
    opened.clock.advance(ROLLING_MS // 2 + 60_000)
    clear(opened)
    opened.post(debit(3, 10, windows=[ROLLING]))
    assert shares(opened) == [5_000, 8_000, 5_000]


def test_webhooks_are_to_be_told(opened: Books) -> None:
    hook = Webhook("w", "a", "https://example.com", "s", 1)
    opened.write(lambda writer: writer.insert_webhook(hook, opened.pool().account_key))
    opened.post(debit(1, 60, windows=[TODAY]))
    with opened.store.reading() as reader:
        key = reader.webhooks(0, 1)[0].webhook_key
        assert [json.loads(x.body)["type"] for x in reader.deliveries(key, 0, 0, 10)] == ["budget.threshold_crossed"]
