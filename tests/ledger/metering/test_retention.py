"""What was reported is kept for its time, and until it is counted; metrics tell what waits."""

from holdfast_ledger.metering import retention
from holdfast_ledger.metering.job import MeteringCounts
from holdfast_ledger.metering.statistics import MeteringStatistics

from tests.ledger.metering.meterage import Meterage, event, meter, void

KEPT_MS = 1_000


def statistics(meterage: Meterage) -> MeteringStatistics:
    """How it is doing now."""
    with meterage.books.store.reading() as reader:
        return MeteringStatistics.of(reader, meterage.clock.now_ms(), meterage.metering.counts)


def test_what_is_counted_goes_after_its_time(meterage: Meterage) -> None:
    """With what was charged for it, and refused events; what waits stays, however old."""
    meterage.set(meter())
    first = meterage.take(event("1", 5), event("2", 5, account_id="nobody"))
    meterage.turn()
    meterage.clock.advance(KEPT_MS)
    second = meterage.take(event("3", 5))
    meterage.clock.advance(KEPT_MS // 2)
    third = meterage.take(event("4", 5))
    now_ms = meterage.clock.now_ms()
    assert meterage.books.write(lambda w: retention.sweep(w, now_ms, KEPT_MS)) == (set(), False)
    with meterage.books.store.reading() as reader:
        assert [row.batch_key for row in reader.event_batches(0, 10)] == [second, third]
        assert reader.batch_charges([first]) == {}
        assert reader.refused_events("", 2**62, 10) == []
    later_ms = now_ms + 100 * KEPT_MS
    meterage.books.write(lambda w: retention.sweep(w, later_ms, KEPT_MS))
    with meterage.books.store.reading() as reader:
        assert [row.batch_key for row in reader.event_batches(0, 10)] == [second, third], "they were not counted"
    meterage.turn()
    meterage.books.write(lambda w: retention.sweep(w, later_ms, KEPT_MS))
    meterage.take(event("5", 5))
    meterage.turn()
    assert meterage.spent == 40
    with meterage.books.store.reading() as reader:
        assert len(reader.event_batches(0, 10)) == 1


def test_metrics_tell_what_waits_and_what_became_of_it(meterage: Meterage) -> None:
    meterage.set(meter())
    meterage.take(event("1", 5), event("1", 6))
    meterage.clock.advance(7_000)
    waiting = statistics(meterage)
    assert (waiting.backlog.waiting_batch_count, waiting.lag_ms) == (1, 7_000)
    meterage.turn()
    meterage.take(void("1"))
    meterage.turn()
    now = statistics(meterage)
    assert now.counts == MeteringCounts(run_count=2, charge_count=1, correction_count=1)
    samples = {
        (sample.name, sample.labels.get("outcome", "")): sample.value
        for metric in now.metrics()
        for sample in metric.samples
    }
    prefix = "holdfast_ledger_metering"
    assert {outcome: samples[f"{prefix}_events_total", outcome] for outcome in ("counted", "conflict", "void")} == {
        "counted": 1,
        "conflict": 1,
        "void": 1,
    }
    assert samples[f"{prefix}_waiting_batches", ""] == samples[f"{prefix}_lag_seconds", ""] == 0
    assert samples[f"{prefix}_charges_total", ""] == 1
