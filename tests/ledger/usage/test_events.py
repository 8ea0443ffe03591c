"""Events in the usage store: each name counts once, what is taken back cancels out, meters count what they say."""

import itertools
from contextlib import AbstractContextManager, nullcontext

import pytest
from holdfast.v1 import ingest_service_pb2 as ingest
from holdfast.v1 import meter_pb2
from holdfast.v1 import usage_service_pb2 as api
from holdfast_ledger.store.interface import Account, Reader
from holdfast_ledger.store.metering_rows import MeteringTotals
from holdfast_ledger.usage.checking import differences
from holdfast_ledger.usage.dimensions import DEFAULT_DIMENSIONS
from holdfast_ledger.usage.embedded import EmbeddedDatabase
from holdfast_ledger.usage.events import CLOCKS_APART_MS
from holdfast_ledger.usage.feeder import HistoryChanged
from holdfast_ledger.usage.feeding import make_empty

from tests.ledger.harness import START_MS, Books
from tests.ledger.usage.feeding import event, feed_all, feeder, put, rows, set_meter, take

OUTCOMES = "SELECT id, outcome FROM events ORDER BY batch_no, batch_key, position, outcome"
USED = "SELECT meter_id, sum(quantity) AS n FROM usage GROUP BY meter_id ORDER BY meter_id"
COUNT, SUM = meter_pb2.AGGREGATION_COUNT, meter_pb2.AGGREGATION_SUM


@pytest.mark.parametrize("together", [True, False], ids=["one turn", "turn by turn"])
def test_the_first_of_a_name_counts(books: Books, usage: EmbeddedDatabase, together: bool) -> None:
    """The same again is a duplicate, other content a conflict, another account's or source's another event."""
    set_meter(books, aggregation=COUNT)
    batches = [
        [event("1", dimensions={"k": "v"}), event("2"), event("1", dimensions={"k": "v"})],
        [event("1", dimensions={"k": "other"}), event("2"), event("1", source="other"), event("1", account_id="b")],
    ]
    for batch in batches:
        take(books, *batch)
        if not together:
            feed_all(usage, books)
    feed_all(usage, books)
    outcomes = [outcome for _, outcome in rows(usage, OUTCOMES)]
    assert outcomes == ["counted", "counted", "duplicate", "conflict", "duplicate", "counted", "counted"]
    assert rows(usage, USED) == [("m", 4)]


@pytest.mark.parametrize("together", [True, False], ids=["one turn", "turn by turn"])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_what_is_taken_back_cancels_out(
    books: Books, usage: EmbeddedDatabase, order: tuple[int, ...], together: bool
) -> None:
    """In whatever order the event, its repetition and its void come; a second void changes nothing."""
    set_meter(books, aggregation=SUM, quantity="tokens")
    said = {"quantities": {"tokens": 7}, "dimensions": {"model": "x"}}
    arriving = [event("1", **said), event("1", **said), event("1", void=True)]
    batches = [[arriving[place]] for place in order] + [[event("1", void=True)], [event("2", **said)]]
    for number, batch in enumerate(batches):
        take(books, *batch, origin=f"sidecar:{number}")
        if not together:
            feed_all(usage, books)
    feed_all(usage, books)
    assert rows(usage, USED) == [("m", 7)]
    by_model = "SELECT dimension_model, sum(quantity) AS n FROM usage GROUP BY ALL"
    assert rows(usage, by_model) == [("x", 7)]
    outcomes = sorted(outcome for _, outcome in rows(usage, OUTCOMES))
    assert outcomes == ["counted", "counted", "duplicate", "taken_back", "void", "void_again"]


def test_who_reported_an_event_is_told_with_all_that_it_counts(books: Books, usage: EmbeddedDatabase) -> None:
    """Where that is not known, where it came from. The same of another caller is a duplicate."""
    set_meter(books, aggregation=COUNT)
    take(books, event("1", caller="uid:1"), event("1", caller="uid:2"), event("2"), origin="object:exports")
    take(books, event("1", void=True, caller="uid:3"))
    feed_all(usage, books)
    sql = "SELECT id, outcome, caller FROM events ORDER BY batch_key, position, outcome"
    assert rows(usage, sql) == [
        ("1", "counted", "uid:1"), ("1", "taken_back", "uid:1"), ("1", "duplicate", "uid:2"),
        ("2", "counted", "object:exports"), ("1", "void", "uid:3"),
    ]  # fmt: skip
    sql = "SELECT event_id, quantity, caller FROM usage FINAL ORDER BY event_id, quantity"
    assert rows(usage, sql) == [("1", -1, "uid:1"), ("1", 1, "uid:1"), ("2", 1, "object:exports")]


def test_a_correction_takes_the_place_of_what_it_corrects(books: Books, usage: EmbeddedDatabase) -> None:
    """It counts, the corrected one does not; a repetition of the correction takes nothing back once more."""
    set_meter(books, aggregation=SUM, quantity="tokens")
    corrected = event("1b", quantities={"tokens": 5}, corrects_id="1")
    take(books, event("1", quantities={"tokens": 7}), corrected)
    feed_all(usage, books)
    take(books, corrected, event("1", quantities={"tokens": 7}), origin="sidecar:t")
    feed_all(usage, books)
    assert rows(usage, USED) == [("m", 5)]


def test_what_was_charged_says_itself_what_it_counted(books: Books, usage: EmbeddedDatabase) -> None:
    """The quantity of a charge counts, with its pool and operation; the meter does not count the event again."""
    set_meter(books, aggregation=SUM, quantity="tokens", pool_id="general")
    set_meter(books, meter_id="calls", aggregation=COUNT)
    charge = ingest.EventCharge(meter_id="m", quantity=3, amount=30, operation_id="ev:1", pool_id="general")
    take(books, event("1", quantities={"tokens": 7}, charges=[charge]))
    feed_all(usage, books)
    sql = "SELECT meter_id, quantity, pool_id, operation_id, event_id FROM usage ORDER BY meter_id"
    assert rows(usage, sql) == [("calls", 1, "", "", "1"), ("m", 3, "general", "ev:1", "1")]


@pytest.mark.parametrize(
    ("operator", "values", "ids"),
    [
        (api.FILTER_OPERATOR_IN, ["x", "'"], {"x", "quote"}),
        (api.FILTER_OPERATOR_NOT_IN, ["x"], {"xy", "none", "empty", "quote"}),
        (api.FILTER_OPERATOR_PREFIX, ["x"], {"x", "xy"}),
        (api.FILTER_OPERATOR_EXISTS, [], {"x", "xy", "quote"}),
    ],
    ids=["in", "not in", "prefix", "exists"],
)
def test_filters_choose_events(
    books: Books, usage: EmbeddedDatabase, operator: api.FilterOperator, values: list[str], ids: set[str]
) -> None:
    """By a dimension, whatever is in its key and values."""
    key = "k'); --"
    set_meter(books, aggregation=COUNT, filters=[api.UsageFilter(key=key, operator=operator, values=values)])
    told = {"x": {key: "x"}, "xy": {key: "xy"}, "none": {"other": "x"}, "empty": {key: ""}, "quote": {key: "'"}}
    take(books, *(event(name, dimensions=dimensions) for name, dimensions in told.items()))
    feed_all(usage, books)
    assert {row[0] for row in rows(usage, "SELECT event_id FROM usage")} == ids


@pytest.mark.parametrize(
    ("quantity", "multiplier", "divisor", "units"),
    [(90, 1, 60, 2), (150, 1, 60, 2), (30, 1, 60, 0), (31, 1, 60, 1), (2**62, 3, 4, 3 * 2**60), (2**62, 3, 1, 0)],
)
def test_units_are_rounded_half_to_even(
    books: Books, usage: EmbeddedDatabase, quantity: int, multiplier: int, divisor: int, units: int
) -> None:
    """Exactly, however large; what would not fit counts nothing."""
    set_meter(books, aggregation=SUM, quantity="s", multiplier=multiplier, divisor=divisor)
    take(books, event("1", quantities={"s": quantity}))
    feed_all(usage, books)
    assert sum(row[0] for row in rows(usage, "SELECT quantity FROM usage")) == units


def test_a_meter_counts_what_was_taken_in_while_it_was_so(books: Books, usage: EmbeddedDatabase) -> None:
    """A changed meter counts batches from then on, however late they are fed; so is what is taken back later."""
    set_meter(books, aggregation=COUNT)
    take(books, event("1"), event("2"))
    set_meter(books, aggregation=COUNT, multiplier=10)
    take(books, event("3"))
    feed_all(usage, books)
    assert rows(usage, USED) == [("m", 12)]
    take(books, event("1", void=True), event("3", void=True))
    feed_all(usage, books)
    assert rows(usage, USED) == [("m", 1)]


def test_a_figure_of_the_time_before_stays_what_it_was(books: Books, usage: EmbeddedDatabase) -> None:
    """What comes later, even what takes something back, has a higher number."""
    set_meter(books, aggregation=COUNT)
    take(books, event("1"))
    before = feed_all(usage, books).batch_no
    take(books, event("1", void=True), event("2", time_unix_ms=START_MS - 3_000_000))
    feed_all(usage, books)
    sql = f"SELECT sum(quantity) AS n FROM usage WHERE batch_no <= {before}"
    assert rows(usage, sql) == [(1,)]
    assert rows(usage, USED) == [("m", 1)]


class Ledger:
    """The ledger's database, read as the worker does."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def reading(self) -> AbstractContextManager[Reader]:
        """See `Source`."""
        return self._books.store.reading()

    def claimed(self) -> bool:
        """See `Source`."""
        return True

    def wanting(self) -> AbstractContextManager[None]:
        """See `Source`."""
        return nullcontext()

    def close(self) -> None:
        """See `Source`."""


@pytest.mark.parametrize("cut_off", [False, True], ids=["at once", "cut off"])
def test_events_that_the_ledger_has_forgotten_outlive_a_rebuild(
    books: Books, usage: EmbeddedDatabase, cut_off: bool
) -> None:
    """They count as before, once; what takes one of them back later still does."""
    set_meter(books, aggregation=SUM, quantity="tokens")
    old = [event(name, quantities={"tokens": 10**place}) for place, name in enumerate("abcd")]
    take(books, *old, event("d", void=True))
    last_key = take(books, event("b", void=True), event("a", quantities={"tokens": 1}))
    feed_all(usage, books)
    books.write(lambda writer: writer.delete_event_batches(last_key - 1, START_MS * 2, 10))
    make_empty(usage, None, Ledger(books), DEFAULT_DIMENSIONS)
    if cut_off:
        feeder(usage, books)._keep_carried()
    feed_all(usage, books)
    assert rows(usage, USED) == [("m", 101)]
    take(books, event("c", void=True), event("a", quantities={"tokens": 1}), origin="sidecar:t")
    feed_all(usage, books)
    assert rows(usage, USED) == [("m", 1)]
    with books.store.reading() as reader:
        assert differences(reader, usage)[2] == []


def test_batches_that_are_not_kept_any_more_are_no_other_history(books: Books, usage: EmbeddedDatabase) -> None:
    """The feeder has them all behind it, from the last one fed or from the beginning."""
    last_key = take(books, event("a"))
    feed_all(usage, books)
    books.write(lambda writer: writer.save_metering_totals(MeteringTotals(last_key, 0, 0, 0, 0, 0)))
    books.write(lambda writer: writer.delete_event_batches(last_key, START_MS * 2, 10))
    assert not feeder(usage, books).turn().behind
    make_empty(usage, None, Ledger(books), DEFAULT_DIMENSIONS)
    fed = feed_all(usage, books)
    assert (fed.event_batch_key, fed.complete_until) == (last_key, books.clock.now_ms())


def test_a_history_that_lost_nothing_but_events_is_another_one(books: Books, usage: EmbeddedDatabase) -> None:
    """A ledger restored from a backup without them gives their keys to other batches, which have to count."""
    lost_key = take(books, event("lost"))
    feed_all(usage, books)
    books.write(lambda writer: writer.delete_event_batches(lost_key, START_MS * 2, 10))
    with pytest.raises(HistoryChanged):
        feeder(usage, books).turn()


def test_an_event_of_an_account_that_is_not_there_does_not_count(usage: EmbeddedDatabase, books: Books) -> None:
    """Nor does it once there is one; the same event sent again then does. A rebuild says the same."""
    set_meter(books, aggregation=COUNT)
    take(books, event("1"))
    nobodys = event("1", account_id="nobody"), event("2", account_id="nobody")
    put(books, *nobodys, event("2"))
    feed_all(usage, books)
    books.clock.advance(CLOCKS_APART_MS + 1)
    books.write(lambda writer: writer.insert_account(Account("nobody", "", books.clock.now_ms())))
    put(books, nobodys[0], event("3", account_id="nobody"))
    expected = [
        ("a", "1", "counted"), ("a", "2", "counted"), ("nobody", "1", "counted"), ("nobody", "1", "unknown"),
        ("nobody", "2", "unknown"), ("nobody", "3", "counted"),
    ]  # fmt: skip
    for _ in range(2):
        feed_all(usage, books)
        assert rows(usage, "SELECT account_id, id, outcome FROM events ORDER BY ALL") == expected
        of_accounts = "SELECT account_id, sum(quantity) AS n FROM usage GROUP BY account_id ORDER BY account_id"
        assert rows(usage, of_accounts) == [("a", 2), ("nobody", 2)]
        with books.store.reading() as reader:
            assert differences(reader, usage)[2] == []
        make_empty(usage, None, Ledger(books), DEFAULT_DIMENSIONS)
