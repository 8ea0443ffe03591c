"""What runs found, and what follows from several rounds of them: medians, spreads, ratios; as JSON and as text."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from holdfast_bench.options import Durability, PathShape, Transport

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

PERCENTILES: Mapping[str, float] = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "p99_99": 99.99}
LATENCY_NAMES = (*PERCENTILES, "max")


@dataclass(frozen=True, slots=True)
class Figures:
    """One run of one subject."""

    throughput_per_s: float
    """Operations answered a second."""
    latency_us: Mapping[str, int]
    """By the names of `LATENCY_NAMES`, in microseconds."""
    buckets: Sequence[tuple[int, int]]
    """(microseconds, count) of the whole histogram."""
    status_counts: Mapping[int, int]
    unexpected_count: int = 0
    """Answers with status OK that were denials, or otherwise not what the work needs."""
    unanswered_count: int = 0

    @property
    def fault(self) -> str | None:
        """What went wrong in this run; None: nothing."""
        failed = {code: count for code, count in self.status_counts.items() if code != 0}
        if failed:
            return f"calls failed, by gRPC status: {failed}"
        if self.unexpected_count or self.unanswered_count:
            return f"{self.unexpected_count} answers not as expected, {self.unanswered_count} calls without an answer"
        return None if self.status_counts else "no call was answered"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: a transport, what an answer survives, and what is decided (both None where nothing is)."""

    transport: Transport
    durability: Durability | None = None
    path: PathShape | None = None

    def __str__(self) -> str:
        """Its name in tables and plots."""
        path = f"{self.path} path" if self.path is not None else None
        return ", ".join(part for part in (self.transport, self.durability, path) if part is not None)


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over several rounds."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """The spread of at least one value."""
        ordered = sorted(values)
        return cls(statistics.median(ordered), ordered[0], ordered[-1])


@dataclass(frozen=True, slots=True)
class Result:
    """One subject of one scenario over all rounds."""

    scenario: str
    subject: Subject
    in_flight: int
    rounds: Sequence[Figures]
    ratio_to_bare: float | None
    """Median over the rounds of this throughput by the bare transport's in the same round; at a fixed rate, of the
    bare transport's P50 by this one. More is better."""
    ratio_to_portable: float | None
    """The same against the portable transport with the same durability and path."""
    ratio_to_empty: float | None = None
    """Of a full path: the same against the empty one."""

    @property
    def throughput_per_s(self) -> Spread:
        """Operations answered a second."""
        return Spread.of(figures.throughput_per_s for figures in self.rounds)

    @property
    def ratios(self) -> tuple[float | None, float | None, float | None]:
        """To the bare transport, to the portable one, and of the full path to the empty one."""
        return self.ratio_to_bare, self.ratio_to_portable, self.ratio_to_empty

    def latency_us(self, name: str) -> Spread:
        """One of `LATENCY_NAMES`."""
        return Spread.of(figures.latency_us[name] for figures in self.rounds)

    def to_json(self) -> dict[str, Json]:
        """The published form: medians over the rounds, and the extremes beside them."""
        throughput = self.throughput_per_s
        spreads = {name: self.latency_us(name) for name in LATENCY_NAMES}
        return {
            "scenario": self.scenario,
            "transport": self.subject.transport,
            "durability": self.subject.durability,
            "path": self.subject.path,
            "in_flight": self.in_flight,
            "throughput_per_s": round(throughput.median, 1),
            "throughput_per_s_min": round(throughput.lowest, 1),
            "throughput_per_s_max": round(throughput.highest, 1),
            "latency_us": {name: round(spread.median) for name, spread in spreads.items()},
            "latency_us_min": {name: round(spread.lowest) for name, spread in spreads.items()},
            "latency_us_max": {name: round(spread.highest) for name, spread in spreads.items()},
            "ratio_to_bare": _rounded(self.ratio_to_bare),
            "ratio_to_portable": _rounded(self.ratio_to_portable),
            "ratio_to_empty": _rounded(self.ratio_to_empty),
            "rounds": len(self.rounds),
        }

    def merged_buckets(self) -> list[tuple[int, int]]:
        """The histogram of all rounds together."""
        counts: dict[int, int] = {}
        for figures in self.rounds:
            for value_us, count in figures.buckets:
                counts[value_us] = counts.get(value_us, 0) + count
        return sorted(counts.items())


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure that is no latency: a time to start, a size, a cost."""

    name: str
    """With its unit last, such as "start_s"."""
    of: Mapping[str, Json]
    """What it was measured of, such as {"hold_count": 100000}."""
    spread: Spread

    def to_json(self) -> dict[str, Json]:
        """The published form."""
        return {
            "name": self.name,
            **self.of,
            "value": self.spread.median,
            "value_min": self.spread.lowest,
            "value_max": self.spread.highest,
        }


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one axis, for the page."""

    x_label: str
    y_label: str
    lines: Mapping[str, Sequence[float]]
    """Values by the line's name, at `x_values`."""
    x_values: Sequence[float] = ()
    """Empty: 1, 2, 3 …"""
    logarithmic: bool = False
    """Both axes."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that one scenario found."""

    scenario: str
    results: Sequence[Result] = ()
    measures: Sequence[Measure] = ()
    faults: Sequence[str] = field(default=())
    """What went wrong, a line each; figures beside a fault are not to be published."""
    records: Sequence[Mapping[str, Json]] = ()
    """Results of scenarios that measure no transport, each with fields of its own; they stand among the results."""
    charts: Sequence[Chart] = ()

    def to_json(self, environment: Mapping[str, Json]) -> dict[str, Json]:
        """The content of a result file."""
        return {
            "environment": environment,
            "results": [
                *(result.to_json() for result in self.results),
                *({"scenario": self.scenario, **record} for record in self.records),
            ],
            "measures": [measure.to_json() for measure in self.measures],
            "faults": list(self.faults),
        }

    def to_text(self) -> str:
        """A table for the terminal."""
        lines = []
        if self.results:
            lines.append(
                f"{self.scenario:<27} {'ops/s':>10} {'min':>9} {'max':>9} "
                f"{'P50 us':>8} {'P99 us':>8} {'P99.9':>8} {'max':>8} {'/bare':>6} {'/port.':>6} {'/empty':>6}"
            )
        lines += [_row(result) for result in self.results]
        lines += [", ".join(f"{key} {value}" for key, value in record.items()) for record in self.records]
        for measure in self.measures:
            what = ", ".join(f"{key} {value}" for key, value in measure.of.items())
            spread = measure.spread
            lines.append(
                f"{measure.name} ({what}): {spread.median:,.4g}  [{spread.lowest:,.4g}, {spread.highest:,.4g}]"
            )
        lines += [f"FAULT {fault}" for fault in self.faults]
        return "\n".join(lines) + "\n"


def results_of(
    scenario: str, in_flight: int, rounds: Mapping[Subject, Sequence[Figures]], *, fixed_rate: bool
) -> list[Result]:
    """One result a subject, with the ratios between subjects of the same round."""
    return [
        Result(
            scenario,
            subject,
            in_flight,
            figures,
            _ratio(figures, rounds.get(Subject("bare")), fixed_rate),
            _ratio(figures, rounds.get(replace(subject, transport="portable")), fixed_rate),
            _ratio(figures, rounds.get(replace(subject, path="empty")), fixed_rate) if subject.path == "full" else None,
        )
        for subject, figures in rounds.items()
    ]


def faults_of(rounds: Mapping[Subject, Sequence[Figures]]) -> list[str]:
    """What went wrong in any round, named by its subject."""
    return [
        f"{subject}, round {index}: {figures.fault}"
        for subject, runs in rounds.items()
        for index, figures in enumerate(runs, start=1)
        if figures.fault
    ]


def percentiles_of(buckets: Sequence[tuple[int, int]]) -> dict[str, int]:
    """`LATENCY_NAMES` of a histogram with at least one count."""
    total = sum(count for _, count in buckets)
    found: dict[str, int] = {}
    seen = 0
    for value_us, count in buckets:
        seen += count
        for name, percent in PERCENTILES.items():
            if name not in found and seen * 100 >= percent * total:
                found[name] = value_us
    return found | {"max": buckets[-1][0]}


def _ratio(ours: Sequence[Figures], theirs: Sequence[Figures] | None, fixed_rate: bool) -> float | None:
    if theirs is None:
        return None
    pairs = zip(ours, theirs, strict=True)
    if fixed_rate:
        return statistics.median(b.latency_us["p50"] / max(a.latency_us["p50"], 1) for a, b in pairs)
    return statistics.median(a.throughput_per_s / max(b.throughput_per_s, 1e-9) for a, b in pairs)


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 3)


def _row(result: Result) -> str:
    throughput = result.throughput_per_s
    latency = [f"{result.latency_us(name).median:>8,.0f}" for name in ("p50", "p99", "p99_9", "max")]
    ratios = ["     -" if r is None else f"{r:>6.2f}" for r in result.ratios]
    return (
        f"  {result.subject!s:<25} {throughput.median:>10,.0f} {throughput.lowest:>9,.0f} {throughput.highest:>9,.0f} "
        f"{' '.join(latency)} {' '.join(ratios)}"
    )
