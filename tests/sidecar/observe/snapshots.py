"""Snapshots of every part with numbers that tell them apart, for the tests of what is made of them."""

from holdfast_sidecar.engine.event_log import EventStatistics
from holdfast_sidecar.engine.governance import GovernanceStatistics
from holdfast_sidecar.engine.rated import RatedStatistics
from holdfast_sidecar.engine.statistics import EngineStatistics, PoolFigures
from holdfast_sidecar.engine.verdicts import Mode, Reason
from holdfast_sidecar.loop import BATCH_BOUNDS, LoopStatistics
from holdfast_sidecar.observe.collector import Sources
from holdfast_sidecar.store.interface import COMMIT_BOUNDS_US, StoreStatistics
from holdfast_sidecar.transport.interface import LATENCY_BOUNDS_US, MethodStatistics, TransportStatistics
from holdfast_sidecar.uplink.event_uplink import EventUplinkStatistics
from holdfast_sidecar.uplink.lifecycle import State
from holdfast_sidecar.uplink.runner import UplinkStatistics

NOW_NS = 50_000_000_000

ENGINE = EngineStatistics(
    decisions={(Reason.OK, Mode.CONNECTED): 7, (Reason.PARTITIONED, Mode.PARTITIONED): 2},
    replay_count=11,
    conflict_count=12,
    settle_count=13,
    late_settle_count=14,
    late_settle_amount=15,
    late_charge_count=48,
    late_charge_amount=49,
    over_hold_count=16,
    over_hold_amount=17,
    expired_hold_count=18,
    outcome_evicted_early_count=19,
    allowance_decision_count=29,
    allowance_amount=30,
    fail_open_decision_count=31,
    fail_open_amount=32,
    shadow_denial_count=41,
    account_count=20,
    pool_count=21,
    hold_count=22,
    outcome_count=23,
    counter_count=24,
    waiting_call_count=25,
    waited_call_count=40,
    epoch=26,
    acked_sequence=27,
    last_sequence=28,
    lease_valid_until_ns=NOW_NS + 1_500_000_000,
    mode=Mode.PARTITIONED,
    governance=GovernanceStatistics(refused_count=45, subject_count=46, window_count=47),
    events=EventStatistics(81, 82, 83, 84, 85, 96, 86, 87, 88),
    rated=RatedStatistics(card_refused_count=42, estimate_count=43, estimate_dropped_count=44),
)

FIGURES = {"credits": PoolFigures(33, 34, 35, 36, 37, 38), "tokens": PoolFigures(held=39)}

LOOP = LoopStatistics(
    batch_count=3,
    call_count=3003,
    batch_size_counts=(1, 1, *(0 for _ in BATCH_BOUNDS[2:]), 1),
    failed=False,
)

STORE = StoreStatistics(
    commit_count=2,
    commit_latency_us_sum=300_030,
    commit_latency_counts=(0, 1, *(0 for _ in COMMIT_BOUNDS_US[2:]), 1),
    used_bytes=4096,
    reserved_bytes=8192,
    map_bytes=1 << 20,
    outbox_count=31,
    event_outbox_bytes=89,
    event_name_count=87,
)

TRANSPORT = TransportStatistics(
    methods={
        "/holdfast.v1.EnforcementService/Reserve": MethodStatistics(
            status_counts={0: 3, 8: 1},
            latency_counts=(2, 1, *(0 for _ in LATENCY_BOUNDS_US[2:]), 1),
            latency_sum_us=61_000,
        ),
        "/holdfast.v1.EnforcementService/Check": MethodStatistics(),
    },
    connection_count=41,
    pending_count=42,
    refused_count=43,
)

UPLINK = UplinkStatistics(
    state=State.STREAMING,
    connected=True,
    last_heard_ns=NOW_NS - 250_000_000,
    acked_sequence=100,
    sent_sequence=130,
    last_sequence=150,
    ledger_lag_ms=1_200,
    reconnect_count=51,
    bytes_sent=52,
)

EVENT_UPLINK = EventUplinkStatistics(
    acked_sequence=71,
    pushed_batch_count=72,
    pushed_event_count=73,
    pushed_bytes=74,
    failed_push_count=75,
    waiting_ms=7_600,
)


def sources(*, with_uplink: bool = True) -> Sources:
    """These snapshots, as a sidecar would hand them out."""
    return Sources(
        info={"version": "0.1.0", "transport": "native", "durability": "host"},
        now_ns=lambda: NOW_NS,
        engine=lambda: ENGINE,
        pool_figures=lambda: FIGURES,
        loop=lambda: LOOP,
        store=lambda: STORE,
        transport=lambda: TRANSPORT,
        uplink=(lambda: UPLINK) if with_uplink else None,
        event_uplink=(lambda: EVENT_UPLINK) if with_uplink else None,
    )
