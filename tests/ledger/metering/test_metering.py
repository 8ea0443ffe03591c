"""Events come to charges: each once, whatever comes twice, late, with other content, or is taken back."""

import asyncio

from holdfast.v1 import meter_pb2 as meters
from holdfast.v1.usage_service_pb2 import UsageFilter

from tests.ledger.harness import START_MS, debit
from tests.ledger.metering.meterage import HOUR_MS, Meterage, charged, event, meter, void


def test_an_event_is_counted_and_charged(meterage: Meterage) -> None:
    """By the meter of its type, at the meter's price, once."""
    meterage.set(meter())
    meterage.take(event("1", 5), event("2", 7), event("3", 9, type="other"), event("4", None))
    for _ in range(2):
        meterage.turn()
    assert (meterage.spent, meterage.quantity("tokens")) == (24, 12)
    assert meterage.totals.counted_count == 4
    (line,) = [line for line in meterage.books.journal() if line.operation_id]
    assert line.operation_id.startswith("mt:")
    assert (line.amount, line.sidecar_id, line.caller) == (24, "holdfast:metering", "ledger:metering")


def test_a_meter_counts_what_is_taken_in_while_it_is_there(meterage: Meterage) -> None:
    """Not what came before it was set or after it was deleted, whenever that is metered."""
    meterage.take(event("1", 1))
    meterage.set(meter())
    meterage.take(event("2", 10))
    meterage.set(meter(price_amount=3))
    meterage.take(event("3", 100))
    meterage.delete("tokens")
    meterage.take(event("4", 1_000))
    meterage.turn()
    assert (meterage.spent, meterage.quantity("tokens")) == (320, 110)


def test_filters_and_conversion(meterage: Meterage) -> None:
    """Each event is rounded half to even by itself, in units and in price."""
    models = UsageFilter(key="model", operator=1, values=["m", "n"])  # type: ignore[arg-type]
    meterage.set(meter(divisor=2, price_amount=1, price_per=2, filters=[models]))
    meterage.take(*(event(f"{n}", n, dimensions={"model": "m"}) for n in range(8)), event("x", 50))
    meterage.turn()
    units = [0, 0, 1, 2, 2, 2, 3, 4]  # n / 2, half to even
    assert meterage.quantity("tokens") == sum(units)
    assert meterage.spent == sum(round(one / 2) for one in units)


def test_what_was_charged_already_is_not_charged_again(meterage: Meterage) -> None:
    """A sidecar's charge is its debit; the event counts as the sidecar counted it."""
    meterage.set(meter())
    meterage.take(charged(event("1", 5), "ev:1", 10))
    meterage.turn()
    assert (meterage.spent, meterage.quantity("tokens")) == (0, 5)


def test_what_comes_twice_counts_once(meterage: Meterage) -> None:
    """In a batch, in another, and from another source."""
    meterage.set(meter())
    meterage.take(event("1", 5), event("1", 5))
    meterage.take(event("1", 5), event("2", 1), origin="object:o")
    meterage.turn()
    meterage.take(event("1", 5), origin="kafka:k")
    meterage.turn()
    assert (meterage.spent, meterage.totals.duplicate_count) == (12, 3)


def test_the_first_of_a_name_counts(meterage: Meterage) -> None:
    """What comes under its name with other content is kept as refused, and what it was charged is given back."""
    meterage.post("ev:late", 14)
    meterage.set(meter())
    meterage.take(event("1", 5))
    meterage.turn()
    meterage.take(charged(event("1", 7), "ev:late", 14))
    meterage.turn()
    assert (meterage.spent, meterage.quantity("tokens")) == (10, 5)
    assert meterage.refused() == [("1", "CONFLICT")]


def test_what_a_later_arrival_was_charged_is_given_back(meterage: Meterage) -> None:
    """Of two hosts' debits one is kept; the same operation, told twice, is one debit and stays."""
    meterage.post("ev:first", 10)
    meterage.post("ev:second", 25)
    meterage.set(meter())
    meterage.take(charged(event("1", 5), "ev:first", 10))
    meterage.take(charged(event("1", 5), "ev:first", 10), origin="sidecar:s")
    meterage.take(charged(event("1", 5), "ev:second", 10))
    meterage.turn()
    assert meterage.spent == 25
    corrections = meterage.corrections()
    assert [(one.operation_id, one.amount) for one in corrections] == [("ev:second", 10)]
    assert corrections[0].correction_id.startswith("dup:")


def test_a_correction_waits_for_its_debit(meterage: Meterage) -> None:
    """A sidecar's debits and its events come by different ways."""
    meterage.set(meter())
    meterage.take(charged(event("1", 5), "ev:1", 10), void("1"))
    meterage.turn()
    meterage.post("ev:1", 10)
    assert meterage.spent == 10
    meterage.clock.advance(2_000)
    meterage.turn()
    assert meterage.spent == 0


def test_nothing_is_given_back_of_another_pool(meterage: Meterage) -> None:
    """An event that names a debit of another pool than its charge says was not charged by it."""
    meterage.books.open_pool("research")
    meterage.books.hello()
    meterage.books.post(debit(1, 10, operation_id="ev:1", pool_id="research"))
    meterage.set(meter())
    meterage.take(charged(event("1", 5), "ev:1", 10), void("1"))
    meterage.turn()
    assert meterage.books.pool("research").spent_total == 10
    assert meterage.corrections() == []


def test_what_is_taken_back_is_given_back(meterage: Meterage) -> None:
    """Before it came, together with it, and after it was charged; taken back once more it is the same."""
    meterage.set(meter())
    meterage.take(void("1"))
    meterage.take(event("1", 5), event("2", 7), void("2"), event("3", 9), event("4", 1))
    meterage.turn()
    assert (meterage.spent, meterage.quantity("tokens")) == (20, 10)
    meterage.take(void("3"), void("3"))
    meterage.turn()
    meterage.take(void("3"))
    meterage.turn()
    assert (meterage.spent, meterage.quantity("tokens")) == (2, 1)
    assert [one.correction_id.partition(":")[0] for one in meterage.corrections()] == ["void"]


def test_an_event_corrects_another(meterage: Meterage) -> None:
    """The other is taken back, and it counts."""
    meterage.set(meter())
    meterage.take(event("1", 5))
    meterage.turn()
    meterage.take(event("2", 8, corrects_id="1"))
    meterage.turn()
    assert (meterage.spent, meterage.quantity("tokens")) == (16, 8)


def test_a_pool_without_credits_is_overdrawn_late(meterage: Meterage) -> None:
    """What was used is never refused; what nothing covers is flagged."""
    meterage.set(meter(price_amount=600_000))
    meterage.take(event("1", 1, subject="x"), event("2", 1, subject="y"))
    meterage.turn()
    pool = meterage.books.pool()
    assert (pool.spent_total, pool.overdraft, pool.late_total) == (1_200_000, 200_000, 600_000)
    assert (pool.unleased_total, pool.leased) == (0, 0)


def test_what_cannot_be_charged_is_told(meterage: Meterage) -> None:
    """Accounts, pools and prices that are not there stop nothing else."""
    meterage.set(meter(), meter("other", pool_id="gone"), meter("rated", price_amount=None, rated_as="input"))
    meterage.take(event("1", 5), event("2", 5, account_id="nobody"))
    meterage.turn()
    assert meterage.spent == 10
    assert sorted(meterage.refused()) == [("1", "NOT_RATED"), ("1", "UNKNOWN_POOL"), ("2", "UNKNOWN_ACCOUNT")]
    assert meterage.totals.counted_count == 1


def test_events_that_are_too_much_together_keep_nothing_waiting(meterage: Meterage) -> None:
    """Each is within int64, their sum is not: as many are charged as one debit can be, the others are told."""
    huge = 2**62
    meterage.set(meter(price_amount=1), meter("cheap", price_amount=1, price_per=huge))
    meterage.take(event("1", huge), event("2", huge), event("3", huge), event("4", 1, subject="x"))
    meterage.turn()
    meterage.take(event("5", 3, subject="x"))
    meterage.turn()
    told = sorted(meterage.refused())
    assert [reason for _, reason in told] == ["OVERFLOW"] * len(told)
    assert 1 <= len(told) <= 4, "of each meter"
    assert meterage.books.pool().spent_total >= 4
    meterage.books.audit()


def test_figures_of_a_period(meterage: Meterage) -> None:
    """Least, largest, last and different ones, each apart by subject and dimensions."""
    kinds = {
        "least": meters.AGGREGATION_MIN,
        "most": meters.AGGREGATION_MAX,
        "last": meters.AGGREGATION_LATEST,
    }
    for name, kind in kinds.items():
        meterage.set(meter(name, aggregation=kind, price_amount=1, period=meters.METER_PERIOD_DAY))
    meterage.set(
        meter("users", aggregation=meters.AGGREGATION_UNIQUE, quantity=None, dimension="user", price_amount=1_000)
    )
    meterage.take(
        event("1", 50, dimensions={"user": "x"}),
        event("2", 70, time_unix_ms=START_MS - 1, dimensions={"user": "x"}),
        event("3", 20, time_unix_ms=START_MS - 2, dimensions={"user": "x"}),
        event("4", 1, dimensions={"user": "y"}),
    )
    meterage.turn()
    assert [meterage.quantity(name) for name in kinds] == [21, 71, 51]
    assert meterage.quantity("users") == 2
    assert meterage.spent == 21 + 71 + 51 + 2_000
    meterage.take(event("5", 10, dimensions={"user": "x"}, time_unix_ms=START_MS - 3), void("2"), void("4"))
    meterage.turn()
    assert [meterage.quantity(name) for name in kinds] == [10, 50, 50]
    assert meterage.spent == 10 + 50 + 50 + 1_000
    meterage.take(void("1"), void("3"), void("5"))
    meterage.turn()
    assert (meterage.spent, meterage.quantity("users")) == (0, 0)


def test_periods_begin_in_the_time_zone_of_the_account(meterage: Meterage) -> None:
    """An event belongs to the day of its own time, however late it comes."""
    meterage.move_to("Asia/Kolkata")
    meterage.set(meter("most", aggregation=meters.AGGREGATION_MAX, period=meters.METER_PERIOD_DAY))
    midnight = START_MS - START_MS % (24 * HOUR_MS) - 5 * HOUR_MS - HOUR_MS // 2
    meterage.take(event("1", 5, time_unix_ms=midnight - 1), event("2", 7, time_unix_ms=midnight))
    meterage.turn()
    assert meterage.figures("most") == {("{}", midnight - 24 * HOUR_MS): 5, ("{}", midnight): 7}


def test_another_replica_changes_nothing(meterage: Meterage) -> None:
    """Two that meter the same batches do so once."""
    meterage.set(meter())
    meterage.take(event("1", 5))
    other = meterage.replica()
    meterage.turn()
    meterage.turn(other)
    other.close()
    assert meterage.spent == 10


def test_an_odd_usage_store_is_waited_for(meterage: Meterage) -> None:
    """Nothing is taken from one that was fed from another ledger."""
    meterage.set(meter())
    meterage.take(event("1", 5))
    meterage.feed()
    meterage.books.write(lambda w: w.save_ledger(w.ledger()._replace(generation=2)))
    asyncio.run(meterage.metering.turn())
    assert meterage.spent == 0
