"""Events priced by the account's rate card, as it was when they were charged."""

import zlib

from holdfast_ledger.store.rule_rows import AccountRules, RateCard

from tests.ledger.harness import START_MS
from tests.ledger.metering.meterage import Meterage, event, meter, void

CARD = """{"card_id": "c", "currency": "credits", "versions": [
    {"effective_from": "2026-01-01T00:00:00Z", "effective_until": "2027-01-15T00:00:00Z",
     "prices": [{"model": "m", "meter": "input", "amount": PRICE, "per": 2}]},
    {"effective_from": "2027-01-15T00:00:00Z", "prices": [{"model": "m", "meter": "input", "amount": 9, "per": 2}]}]}"""
OLD_MS = 1_799_971_200_000 - 1
"""The last moment of the first version; the harness's clock stands in the second."""


def set_card(meterage: Meterage, price: int, revision: int) -> None:
    """Gives account "a" a rate card."""
    content = zlib.compress(CARD.replace("PRICE", str(price)).encode())
    meterage.books.write(lambda w: w.save_rate_card(RateCard("c", revision, 1, content)))
    rules = AccountRules(1, rate_card_id="c")
    meterage.books.write(lambda w: w.save_account_rules(rules._replace(account_key=w.account_keys(["a"])["a"])))


def test_each_event_is_priced_at_its_own_time_and_model(meterage: Meterage) -> None:
    """Rounded up for each, as for any operation; a model without a price is told."""
    assert OLD_MS < START_MS
    set_card(meterage, 3, 1)
    meterage.set(meter(price_amount=None, rated_as="input"))
    model = {"model": "m"}
    meterage.take(
        event("1", 5, dimensions=model, time_unix_ms=OLD_MS),
        event("2", 5, dimensions=model),
        event("3", 5, dimensions={"model": "other"}),
        event("4", 5, dimensions=model),
    )
    meterage.turn()
    assert meterage.spent == 8 + 23 + 23
    assert meterage.refused() == [("3", "NOT_RATED")]
    assert meterage.quantity("tokens") == 20


def test_what_was_charged_is_given_back_whatever_the_price_is_now(meterage: Meterage) -> None:
    """A card that was changed changes nothing of what was charged."""
    set_card(meterage, 3, 1)
    meterage.set(meter(price_amount=None, rated_as="input"))
    dimensions = {"model": "m"}
    meterage.take(
        event("1", 5, dimensions=dimensions, time_unix_ms=OLD_MS),
        event("2", 7, dimensions=dimensions, time_unix_ms=OLD_MS),
    )
    meterage.turn()
    assert meterage.spent == 8 + 11
    set_card(meterage, 300, 2)
    meterage.take(void("1"), event("3", 1, dimensions=dimensions, time_unix_ms=OLD_MS))
    meterage.turn()
    assert meterage.spent == 11 + 150


def test_a_card_in_another_currency_than_the_pool_charges_nothing(meterage: Meterage) -> None:
    """As at the sidecar: its minor units are other ones."""
    euros = zlib.compress(CARD.replace("PRICE", "3").replace('"credits"', '"eur"').encode())
    set_card(meterage, 3, 1)
    meterage.books.write(lambda w: w.save_rate_card(RateCard("c", 2, 1, euros)))
    meterage.set(meter(price_amount=None, rated_as="input"))
    meterage.take(event("1", 5, dimensions={"model": "m"}))
    meterage.turn()
    assert meterage.spent == 0
    assert meterage.refused() == [("1", "NOT_RATED")]
    assert meterage.quantity("tokens") == 5
