"""A page of one report: the figures, throughput with its spread, and the latency curves; all in one file."""

import html
import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from holdfast_bench.results import LATENCY_NAMES, Chart, Json, Measure, Report, Result

_WIDTH_INCHES = 9.0
_BAR_INCHES = 0.45
_CURVE_INCHES = 4.5
_NINES = (0.0, 90.0, 99.0, 99.9, 99.99, 99.999)

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #d6dae0; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.fault { color: #a40e26; }
code { background: #f2f4f7; padding: .1rem .3rem; }
svg { max-width: 100%; height: auto; }
"""


def render(report: Report, environment: Mapping[str, Json]) -> str:
    """The page as HTML; it loads nothing from anywhere."""
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>holdfast bench {_text(report.scenario)}</title>',
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>{_text(report.scenario)}</h1>",
        _environment(environment),
        *(f'<p class="fault">Fault: {_text(fault)}</p>' for fault in report.faults),
    ]
    if report.results:
        parts += [_results(report.results), _throughput_plot(report.results), _latency_plot(report.results)]
    if report.records:
        parts.append(_records(report.records))
    if report.measures:
        parts.append(_measures(report.measures))
    parts += [_chart(chart) for chart in report.charts]
    return "\n".join([*parts, "</body></html>\n"])


def _environment(environment: Mapping[str, Json]) -> str:
    told = ", ".join(f"{_text(key)} {_text(value)}" for key, value in environment.items() if key != "command")
    return f"<p><code>{_text(environment.get('command', ''))}</code></p><p>{told}</p>"


def _results(results: Sequence[Result]) -> str:
    head = ["subject", "in flight", "rounds", "ops/s", "min", "max"]
    head += [f"{name.replace('p', 'P').replace('_', '.')} µs" for name in LATENCY_NAMES] + [
        "/ bare",
        "/ portable",
        "/ empty",
    ]
    rows = []
    for result in results:
        throughput = result.throughput_per_s
        figures = [throughput.median, throughput.lowest, throughput.highest]
        figures += [result.latency_us(name).median for name in LATENCY_NAMES]
        ratios = ["" if r is None else f"{r:.2f}" for r in result.ratios]
        counts = [str(result.in_flight), str(len(result.rounds))]
        rows.append([str(result.subject), *counts, *(f"{figure:,.0f}" for figure in figures), *ratios])
    return _table(head, rows)


def _measures(measures: Sequence[Measure]) -> str:
    rows = []
    for measure in measures:
        what = ", ".join(f"{key} {value}" for key, value in measure.of.items())
        spread = measure.spread
        rows.append([measure.name, what, *(f"{v:,.4g}" for v in (spread.median, spread.lowest, spread.highest))])
    return _table(["figure", "of", "median", "min", "max"], rows)


def _records(records: Sequence[Mapping[str, Json]]) -> str:
    return _table(list(records[0]), [[str(value) for value in record.values()] for record in records])


def _chart(chart: Chart) -> str:
    figure = Figure(figsize=(_WIDTH_INCHES, _CURVE_INCHES), layout="constrained")
    axes: Axes = figure.add_subplot()
    for name, values in chart.lines.items():
        axes.plot(chart.x_values or range(1, len(values) + 1), values, label=name, marker="o" if chart.x_values else "")
    if chart.logarithmic:
        axes.set_xscale("log")
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return _svg(figure)


def _throughput_plot(results: Sequence[Result]) -> str:
    """Bars of the median, with a line from the lowest to the highest round."""
    figure = Figure(figsize=(_WIDTH_INCHES, 1.2 + _BAR_INCHES * len(results)), layout="constrained")
    axes: Axes = figure.add_subplot()
    spreads = [result.throughput_per_s for result in results]
    medians = [spread.median for spread in spreads]
    below = [spread.median - spread.lowest for spread in spreads]
    above = [spread.highest - spread.median for spread in spreads]
    axes.barh([str(result.subject) for result in results], medians, xerr=[below, above], capsize=4, color="#4c78a8")
    axes.invert_yaxis()
    axes.set_xlabel("operations a second (median; line: lowest to highest round)")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    return _svg(figure)


def _latency_plot(results: Sequence[Result]) -> str:
    """Latency over the share of calls that were slower, each step to the right a nine more."""
    figure = Figure(figsize=(_WIDTH_INCHES, _CURVE_INCHES), layout="constrained")
    axes: Axes = figure.add_subplot()
    for result in results:
        beyond, latencies_us = _curve(result.merged_buckets())
        axes.plot(beyond, latencies_us, label=str(result.subject), drawstyle="steps-pre")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(1.0, 1 / (1 - _NINES[-1] / 100))
    axes.set_xticks([1 / (1 - nines / 100) for nines in _NINES], [f"{nines:g} %" for nines in _NINES])
    axes.minorticks_off()
    axes.set_xlabel("percentile")
    axes.set_ylabel("latency, µs")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return _svg(figure)


def _curve(buckets: Sequence[tuple[int, int]]) -> tuple[list[float], list[int]]:
    """For each latency, one by the share of calls that were at least as slow."""
    total = sum(count for _, count in buckets)
    beyond: list[float] = []
    latencies_us: list[int] = []
    before = 0
    for value_us, count in buckets:
        beyond.append(total / (total - before))
        latencies_us.append(value_us)
        before += count
    return beyond, latencies_us


def _svg(figure: Figure) -> str:
    """The plot as an element of the page; the same figures make the same bytes."""
    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "holdfast", "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{_text(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "<table>" + row(head, "th") + "".join(row(cells, "td") for cells in rows) + "</table>"


def _text(value: object) -> str:
    return html.escape(str(value))
