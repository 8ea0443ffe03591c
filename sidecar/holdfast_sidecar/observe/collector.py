"""Turns the parts' `statistics()` into Prometheus metrics, when a scrape asks and not before.

No label holds what a caller chose (accounts, pools, subjects, dimensions): the number of series is fixed by the code,
the methods and the status codes of gRPC. Upstream: the snapshots of engine, loop, store, transport and uplink.
Downstream: `observe.endpoint`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from holdfast_sidecar.engine.event_log import EventStatistics
from holdfast_sidecar.engine.statistics import EngineStatistics, PoolFigures
from holdfast_sidecar.engine.verdicts import Mode, Reason
from holdfast_sidecar.loop import BATCH_BOUNDS, LoopStatistics
from holdfast_sidecar.store.interface import COMMIT_BOUNDS_US, StoreStatistics
from holdfast_sidecar.transport.interface import LATENCY_BOUNDS_US, MethodStatistics, TransportStatistics
from holdfast_sidecar.uplink.event_uplink import EventUplinkStatistics
from holdfast_sidecar.uplink.lifecycle import State
from holdfast_sidecar.uplink.runner import UplinkStatistics

NS_PER_S = 1_000_000_000
US_PER_S = 1_000_000
MS_PER_S = 1_000

STATUS_NAMES: tuple[str, ...] = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""gRPC's status codes by number."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the snapshots come from; each may be called from any thread.

    Args:
        info: Labels of `holdfast_build_info`: version, transport, durability.
        now_ns: CLOCK_BOOTTIME in nanoseconds.
        uplink: None for a sidecar without a ledger; its metrics are then absent.
    """

    info: Mapping[str, str]
    now_ns: Callable[[], int]
    engine: Callable[[], EngineStatistics]
    pool_figures: Callable[[], Mapping[str, PoolFigures]]
    loop: Callable[[], LoopStatistics]
    store: Callable[[], StoreStatistics]
    transport: Callable[[], TransportStatistics]
    uplink: Callable[[], UplinkStatistics] | None
    event_uplink: Callable[[], EventUplinkStatistics] | None


class SidecarCollector(Collector):
    """Collects all of one sidecar's metrics."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Yields every metric, each part's from one snapshot."""
        sources = self._sources
        yield InfoMetricFamily("holdfast_build", "The sidecar that runs", dict(sources.info))
        engine = sources.engine()
        yield from engine_metrics(engine, sources.now_ns())
        yield from event_metrics(engine.events)
        yield from pool_metrics(sources.pool_figures())
        yield from loop_metrics(sources.loop())
        yield from store_metrics(sources.store())
        yield from transport_metrics(sources.transport())
        if sources.uplink is not None:
            yield from uplink_metrics(sources.uplink(), sources.now_ns())
        if sources.event_uplink is not None:
            yield from event_uplink_metrics(sources.event_uplink(), engine.events)


def engine_metrics(engine: EngineStatistics, now_ns: int) -> Iterator[Metric]:
    """What was decided, and what is live."""
    decisions = CounterMetricFamily(
        "holdfast_decisions", "Decisions on Check, Reserve, Extend and Charge", labels=("verdict", "reason", "mode")
    )
    for reason in Reason:
        verdict = "ALLOW" if reason is Reason.OK else "DENY"
        for mode in Mode:
            decisions.add_metric((verdict, reason.name, mode.name), engine.decisions.get((reason, mode), 0))
    yield decisions
    yield _counter("replays", "Repeated operations that got their recorded answer", engine.replay_count)
    yield _counter("conflicts", "Operation ids repeated with other content, refused", engine.conflict_count)
    yield _counter("settles", "Settles, the late ones and those above their hold included", engine.settle_count)
    yield _counter("late_settles", "Settles of holds that were no longer open", engine.late_settle_count)
    yield _counter("late_settle_amount", "Minor units debited by late settles", engine.late_settle_amount)
    yield _counter("late_charges", "Charges of what was used already that nothing covered", engine.late_charge_count)
    yield _counter("late_charge_amount", "Minor units debited by late charges", engine.late_charge_amount)
    yield _counter("over_hold_settles", "Settles above what their hold had left", engine.over_hold_count)
    yield _counter("over_hold_amount", "Minor units debited above what the hold had left", engine.over_hold_amount)
    yield _counter("expired_holds", "Holds reaped at their deadline", engine.expired_hold_count)
    yield _counter(
        "outcomes_evicted_early",
        "Recorded answers dropped before their retention was over; raise outcome_limit",
        engine.outcome_evicted_early_count,
    )
    yield _counter(
        "allowance_decisions", "Decisions to allow that took from an allowance", engine.allowance_decision_count
    )
    yield _counter("allowance_amount", "Minor units that they took", engine.allowance_amount)
    yield _counter(
        "fail_open_decisions",
        "Decisions to allow, while cut off, that nothing covered in FAIL_OPEN pools",
        engine.fail_open_decision_count,
    )
    yield _counter("fail_open_amount", "Minor units that they let through", engine.fail_open_amount)
    yield _counter(
        "shadow_denials", "Levels in shadow mode that would have denied what went through", engine.shadow_denial_count
    )
    yield _counter(
        "rate_cards_refused",
        "Rate cards that could not be read; the last good ones stayed",
        engine.rated.card_refused_count,
    )
    yield _counter(
        "estimates_dropped",
        "Estimates of outputs found damaged at the start, and dropped",
        engine.rated.estimate_dropped_count,
    )
    yield _gauge("estimates", "Estimates of outputs kept", engine.rated.estimate_count)
    yield _gauge("accounts", "Accounts known here", engine.account_count)
    yield _gauge("pools", "Pools known here", engine.pool_count)
    yield _gauge("subjects", "Subjects whose rules are kept here, accounts among them", engine.governance.subject_count)
    yield _gauge("windows", "Windows of budgets and limits kept here", engine.governance.window_count)
    yield _counter(
        "rules_refused",
        "Rules of a subject that were not understood; what was in force before them stayed",
        engine.governance.refused_count,
    )
    yield _gauge("holds", "Open holds", engine.hold_count)
    yield _gauge("outcomes", "Recorded answers", engine.outcome_count)
    yield _gauge("counters", "Counters of Charge's set", engine.counter_count)
    yield _gauge("waiting_calls", "Decisions waiting for the ledger", engine.waiting_call_count)
    yield _counter("waited_calls", "Calls that had to wait for the ledger", engine.waited_call_count)
    yield _gauge("epoch", "The ledger's count of this sidecar's lives; 0: never connected", engine.epoch)
    yield _gauge("partitioned", "1 while the sidecar counts itself cut off", engine.mode is Mode.PARTITIONED)
    yield _gauge(
        "lease_left_seconds",
        "Time for which the leases are still valid; 0: none are",
        max(0, engine.lease_valid_until_ns - now_ns) / NS_PER_S,
    )


def event_metrics(events: EventStatistics) -> Iterator[Metric]:
    """What became of events, and how many are kept."""
    outcomes = CounterMetricFamily("holdfast_events", "Events reported, by what became of them", labels=("outcome",))
    for outcome, count in (
        ("accepted", events.accepted_count),
        ("duplicate", events.duplicate_count),
        ("conflict", events.conflict_count),
        ("refused", events.refused_count),
    ):
        outcomes.add_metric((outcome,), count)
    yield outcomes
    yield _counter("events_voided", "Events taken back, or put right by others", events.void_count)
    yield _gauge("event_names", "Names of events kept, so that what comes twice counts once", events.name_count)
    yield _gauge("event_meters", "Meters that charge events as they are taken in", events.meter_count)


def pool_metrics(figures: Mapping[str, PoolFigures]) -> Iterator[Metric]:
    """What this host holds, has left and owes, summed over its pools; by currency, of which there are few."""
    for name, text in (
        ("held", "Minor units reserved by open holds"),
        ("lease_left", "Minor units of rights leased and neither held nor spent"),
        ("unposted", "Minor units debited that the ledger has not posted yet"),
        ("allowance_left", "Minor units of partition allowance neither held nor spent"),
        ("allowance_held", "Minor units of partition allowance that open holds take"),
        ("overdraft_bound", "Minor units that the overdraft of these pools can come to over all hosts"),
    ):
        family = GaugeMetricFamily(f"holdfast_{name}_amount", text, labels=("currency",))
        for currency, one in figures.items():
            family.add_metric((currency,), getattr(one, name))
        yield family


def loop_metrics(loop: LoopStatistics) -> Iterator[Metric]:
    """How the loop batches."""
    yield _histogram("batch_size", "Calls a batch", BATCH_BOUNDS, loop.batch_size_counts, loop.call_count)
    yield _gauge("store_failed", "1 once a commit has failed: nothing is decided until a restart", loop.failed)


def store_metrics(store: StoreStatistics) -> Iterator[Metric]:
    """What a commit takes, and how full the map is."""
    yield _histogram(
        "commit_duration_seconds",
        "Time of one commit, one a batch that changed something",
        _seconds(COMMIT_BOUNDS_US),
        store.commit_latency_counts,
        store.commit_latency_us_sum / US_PER_S,
    )
    yield _gauge("store_used_bytes", "Bytes of the map in use, free pages not counted", store.used_bytes)
    yield _gauge("store_reserved_bytes", "Bytes that the open holds may need to settle", store.reserved_bytes)
    yield _gauge(
        "store_map_bytes",
        "Size of the map; past 90 % of it new holds are refused",
        store.map_bytes,
    )
    yield _gauge("store_debits", "Debits kept, the retained acked ones included", store.outbox_count)
    yield _gauge("store_events_bytes", "Bytes of the map that events take which wait", store.event_outbox_bytes)


def transport_metrics(transport: TransportStatistics) -> Iterator[Metric]:
    """What callers see, by method."""
    answers = CounterMetricFamily("holdfast_requests", "Answers by gRPC status", labels=("method", "code"))
    latency = HistogramMetricFamily(
        "holdfast_request_duration_seconds",
        "From the arrival of a request to the hand-over of its answer",
        labels=("method",),
    )
    for path, method in transport.methods.items():
        name = path.removeprefix("/")
        for status, count in method.status_counts.items():
            answers.add_metric((name, _status_name(status)), count)
        _add_latency(latency, name, method)
    yield answers
    yield latency
    yield _gauge("connections", "Connections of callers", transport.connection_count)
    yield _gauge("pending_calls", "Calls taken in and not answered", transport.pending_count)
    yield _counter("refused", "Calls and connections refused by a limit of the transport", transport.refused_count)


def uplink_metrics(uplink: UplinkStatistics, now_ns: int) -> Iterator[Metric]:
    """How the ledger is kept in touch with."""
    states = GaugeMetricFamily("holdfast_uplink_state", "1 for the state that the uplink is in", labels=("state",))
    for state in State:
        states.add_metric((state.value,), uplink.state is state)
    yield states
    yield _gauge("uplink_connected", "1 while the ledger has welcomed this sidecar", uplink.connected)
    yield _gauge("outbox_debits", "Debits not acked by the ledger", uplink.last_sequence - uplink.acked_sequence)
    yield _gauge("outbox_in_flight_debits", "Of these, sent", max(0, uplink.sent_sequence - uplink.acked_sequence))
    yield _gauge("uplink_lag_seconds", "Age of the oldest debit that is not acked", uplink.ledger_lag_ms / MS_PER_S)
    if uplink.last_heard_ns:
        silence_ns = max(0, now_ns - uplink.last_heard_ns)
        yield _gauge("uplink_silence_seconds", "Time since the ledger was heard of", silence_ns / NS_PER_S)
    yield _counter("uplink_reconnects", "Streams opened again", uplink.reconnect_count)
    yield _counter("uplink_sent_bytes", "Payload written to the ledger, framing not counted", uplink.bytes_sent)


def event_uplink_metrics(uplink: EventUplinkStatistics, events: EventStatistics) -> Iterator[Metric]:
    """How events get to the ledger."""
    yield _gauge("outbox_events", "Events not acked by the ledger", events.last_sequence - events.acked_sequence)
    yield _gauge("events_lag_seconds", "Age of the oldest event that is not acked", uplink.waiting_ms / MS_PER_S)
    yield _counter("event_batches_pushed", "Batches of events that the ledger acked", uplink.pushed_batch_count)
    yield _counter("events_pushed", "Events that the ledger acked", uplink.pushed_event_count)
    yield _counter("events_pushed_bytes", "Their batches' bytes, compressed", uplink.pushed_bytes)
    yield _counter("event_pushes_failed", "Batches that the ledger did not take", uplink.failed_push_count)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"holdfast_{name}", text, value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"holdfast_{name}", text, value)


def _histogram(name: str, text: str, bounds: Sequence[float], counts: Sequence[int], total: float) -> Metric:
    family = HistogramMetricFamily(f"holdfast_{name}", text)
    family.add_metric((), _buckets(bounds, counts), total)
    return family


def _add_latency(family: HistogramMetricFamily, name: str, method: MethodStatistics) -> None:
    counts = method.latency_counts or (0,) * (len(LATENCY_BOUNDS_US) + 1)
    family.add_metric((name,), _buckets(_seconds(LATENCY_BOUNDS_US), counts), method.latency_sum_us / US_PER_S)


def _buckets(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """Cumulative counts by upper bound, as Prometheus wants them; the last count is that above all bounds."""
    assert len(counts) == len(bounds) + 1
    names = [*(repr(bound) for bound in bounds), "+Inf"]
    return list(zip(names, accumulate(counts), strict=True))


def _seconds(bounds_us: Sequence[int]) -> list[float]:
    return [bound / US_PER_S for bound in bounds_us]


def _status_name(status: int) -> str:
    return STATUS_NAMES[status] if 0 <= status < len(STATUS_NAMES) else "UNKNOWN"
