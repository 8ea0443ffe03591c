"""The metrics: right numbers under right names, and no series that a caller could multiply."""

import dataclasses
import re
from collections.abc import Mapping

import pytest
from holdfast_sidecar.engine.verdicts import Mode, Reason
from holdfast_sidecar.observe.collector import STATUS_NAMES, SidecarCollector
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.sidecar.observe.snapshots import ENGINE, LOOP, STORE, TRANSPORT, UPLINK, sources

Labels = tuple[tuple[str, str], ...]
RESERVE = ("method", "holdfast.v1.EnforcementService/Reserve")
CHECK = ("method", "holdfast.v1.EnforcementService/Check")


def scrape(*, with_uplink: bool = True) -> Mapping[tuple[str, Labels], float]:
    """What Prometheus reads, by name and sorted labels."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SidecarCollector(sources(with_uplink=with_uplink)))
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def test_decisions_are_counted_by_verdict_reason_and_mode() -> None:
    """Every combination that can occur is there from the start, so that a rate never misses its first event."""
    metrics = scrape()
    decisions = {labels: value for (name, labels), value in metrics.items() if name == "holdfast_decisions_total"}
    assert decisions[("mode", "CONNECTED"), ("reason", "OK"), ("verdict", "ALLOW")] == 7
    assert decisions[("mode", "PARTITIONED"), ("reason", "PARTITIONED"), ("verdict", "DENY")] == 2
    assert sum(decisions.values()) == 9
    assert len(decisions) == len(Reason) * len(Mode) == 26


def test_denials_can_be_told_apart_by_the_kind_of_level() -> None:
    """Each reason is of one kind of level; what shadow mode let through is counted beside the decisions."""
    metrics = scrape()
    reasons = {dict(labels)["reason"] for name, labels in metrics if name == "holdfast_decisions_total"}
    assert {"NOT_ENTITLED", "RATE_LIMITED", "CONCURRENCY_LIMITED", "BUDGET_EXCEEDED", "PARENT_EXHAUSTED"} <= reasons
    assert metrics["holdfast_shadow_denials_total", ()] == 41
    assert metrics["holdfast_rules_refused_total", ()] == 45
    assert metrics["holdfast_subjects", ()] == 46
    assert metrics["holdfast_windows", ()] == 47


def test_events_are_counted_by_what_became_of_them() -> None:
    """And how many wait, for how long, and how many names are kept."""
    metrics = scrape()
    outcomes = ("accepted", "duplicate", "conflict", "refused")
    counted = [metrics["holdfast_events_total", (("outcome", outcome),)] for outcome in outcomes]
    assert counted == [81, 82, 83, 84]
    assert metrics["holdfast_events_voided_total", ()] == 85
    assert metrics["holdfast_outbox_events", ()] == 10
    assert metrics["holdfast_events_lag_seconds", ()] == 7.6
    assert metrics["holdfast_event_names", ()] == 87
    assert metrics["holdfast_event_meters", ()] == 88
    assert metrics["holdfast_store_events_bytes", ()] == 89
    pushed = ("event_batches_pushed", "events_pushed", "events_pushed_bytes", "event_pushes_failed")
    assert [metrics[f"holdfast_{name}_total", ()] for name in pushed] == [72, 73, 74, 75]


def test_amounts_are_told_by_currency_and_never_summed_over_currencies() -> None:
    """A credit and a token have nothing to do with each other."""
    metrics = scrape()
    names = ("held", "lease_left", "unposted", "allowance_left", "allowance_held", "overdraft_bound")
    of_credits = (("currency", "credits"),)
    assert [metrics[f"holdfast_{name}_amount", of_credits] for name in names] == [33, 34, 35, 36, 37, 38]
    assert metrics["holdfast_held_amount", (("currency", "tokens"),)] == 39


def test_latency_is_a_cumulative_histogram_in_seconds() -> None:
    """Buckets from 50 microseconds to 50 milliseconds, and one above."""
    metrics = scrape()
    name = "holdfast_request_duration_seconds"
    assert metrics[f"{name}_bucket", (("le", "5e-05"), RESERVE)] == 2
    assert metrics[f"{name}_bucket", (("le", "7.5e-05"), RESERVE)] == 3
    assert metrics[f"{name}_bucket", (("le", "0.05"), RESERVE)] == 3
    assert metrics[f"{name}_bucket", (("le", "+Inf"), RESERVE)] == 4
    assert metrics[f"{name}_count", (RESERVE,)] == 4
    assert metrics[f"{name}_sum", (RESERVE,)] == pytest.approx(0.061)


def test_a_method_that_was_never_called_has_an_empty_histogram() -> None:
    """The series exists before the first call."""
    assert scrape()["holdfast_request_duration_seconds_count", (CHECK,)] == 0


def test_requests_are_counted_by_the_name_of_their_status() -> None:
    """Codes are words, as gRPC's own metrics have them."""
    metrics = scrape()
    assert metrics["holdfast_requests_total", (("code", "OK"), RESERVE)] == 3
    assert metrics["holdfast_requests_total", (("code", "RESOURCE_EXHAUSTED"), RESERVE)] == 1
    assert len(STATUS_NAMES) == 17


def test_batches_and_commits_are_histograms() -> None:
    """Counts fall into their buckets, sums are in the unit of the name."""
    metrics = scrape()
    assert metrics["holdfast_batch_size_bucket", (("le", "1"),)] == 1
    assert metrics["holdfast_batch_size_bucket", (("le", "1024"),)] == 2
    assert metrics["holdfast_batch_size_count", ()] == LOOP.batch_count
    assert metrics["holdfast_batch_size_sum", ()] == LOOP.call_count
    assert metrics["holdfast_commit_duration_seconds_bucket", (("le", "5e-05"),)] == 1
    assert metrics["holdfast_commit_duration_seconds_count", ()] == STORE.commit_count
    assert metrics["holdfast_commit_duration_seconds_sum", ()] == pytest.approx(0.30003)


def test_times_left_and_gone_are_seconds() -> None:
    """What is over counts as zero, never below."""
    metrics = scrape()
    assert metrics["holdfast_lease_left_seconds", ()] == pytest.approx(1.5)
    assert metrics["holdfast_uplink_lag_seconds", ()] == pytest.approx(1.2)
    assert metrics["holdfast_uplink_silence_seconds", ()] == pytest.approx(0.25)


def test_the_outbox_is_what_is_not_acked() -> None:
    """Depth and the part of it that is on the wire."""
    metrics = scrape()
    assert metrics["holdfast_outbox_debits", ()] == 50
    assert metrics["holdfast_outbox_in_flight_debits", ()] == 30


def test_exactly_one_uplink_state_is_set() -> None:
    """One series a state; alerts need no number of a state."""
    states = {labels: v for (name, labels), v in scrape().items() if name == "holdfast_uplink_state"}
    assert states[(("state", "streaming"),)] == 1
    assert sum(states.values()) == 1


def test_without_an_uplink_its_metrics_are_absent() -> None:
    """A zero would look like a healthy outbox."""
    names = {name for name, _ in scrape(with_uplink=False)}
    assert not [name for name in names if "uplink" in name or "outbox" in name]
    assert "holdfast_decisions_total" in names


def test_every_number_of_every_snapshot_is_published() -> None:
    """A count that a part keeps and nobody sees is dead code, or a hole in the dashboard."""
    published = set(scrape().values())
    derived = {"acked_sequence", "last_sequence", "sent_sequence", "lease_valid_until_ns", "last_heard_ns"}
    derived |= {"ledger_lag_ms", "commit_latency_us_sum"}
    for snapshot in (ENGINE, LOOP, STORE, TRANSPORT, UPLINK):
        for field in dataclasses.fields(snapshot):
            value = getattr(snapshot, field.name)
            if type(value) is int and field.name not in derived:
                assert float(value) in published, field.name


def test_names_follow_prometheus() -> None:
    """One prefix, base units, counters end in _total; no label that a caller fills."""
    allowed = {"verdict", "reason", "mode", "method", "code", "le", "state", "version", "transport", "durability"}
    allowed |= {"outcome", "currency"}  # those of currencies an operator names at the ledger
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SidecarCollector(sources()))
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        assert re.fullmatch(r"holdfast_[a-z_]+", family.name)
        assert family.documentation
        assert not re.search(r"_(ms|us|ns|milliseconds|microseconds|count)\b", family.name)
        for sample in family.samples:
            assert set(sample.labels) <= allowed
            if family.type == "counter":
                assert sample.name.endswith("_total")
