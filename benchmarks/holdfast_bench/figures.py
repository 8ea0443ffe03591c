"""Renders the figures of `docs/performance.md` from the result files: what is published is what was measured.

`python -m holdfast_bench.figures` writes the part of the page between its markers anew; a test holds the page against
the files. Upstream: the JSON files that `holdfast bench --json` wrote.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from holdfast_bench.results import Subject

ROOT: Final = Path(__file__).resolve().parents[2]
RESULTS: Final = ROOT / "benchmarks" / "results"
PAGE: Final = ROOT / "docs" / "performance.md"
MARKER: Final = "<!-- figures -->\n"

Result = Mapping[str, Any]
"""One parsed result file, or a row of it."""


def render(files: Iterable[Result]) -> str:
    """Returns the tables of all result files as Markdown."""
    return "\n".join(line for file in files for line in _section(file))


def read(folder: Path) -> list[Result]:
    """Returns the result files of a folder, by name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def replaced(page: str, figures: str) -> str:
    """Returns the page with the part between its two markers replaced. Raises ValueError without two markers."""
    before, _, after = page.split(MARKER)
    return f"{before}{MARKER}\n{figures}\n{MARKER}{after}"


def main() -> int:
    """Rewrites the page."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(replaced(page, render(read(RESULTS))), encoding="utf-8")
    return 0


def _section(file: Result) -> Iterator[str]:
    where = file["environment"]
    versions = ", ".join(f"{name} {number}" for name, number in where["versions"].items())
    yield f"### `{where['command']}`"
    yield ""
    yield (
        f"{where['date'][:10]}, commit {where['commit']}, {where['cpu']}, {where['cores']} cores, "
        f"kernel {where['kernel']}, Python {where['python']}, {versions}; "
        f"load average at the start {where['load_average']}."
    )
    yield ""
    records = [row for row in file["results"] if "transport" not in row]
    if records:
        yield from _records(records)
    elif file["results"]:
        # Files from before there were paths have no ratio to the empty one.
        by_path = any(row.get("path") for row in file["results"])
        columns = ["subject", "in flight", "per s (lowest, highest)", "P50 us", "P99 us", "P99.9 us", "to bare"]
        columns += ["to portable", "full to empty path"] if by_path else ["to portable"]
        yield f"| {' | '.join(columns)} |"
        yield f"| {' | '.join('---' for _ in columns)} |"
        yield from (_row(row, by_path=by_path) for row in file["results"])
        yield ""
    if file["measures"]:
        yield "| figure | of | median | lowest | highest |"
        yield "| --- | --- | --- | --- | --- |"
        yield from map(_measure_row, file["measures"])
        yield ""
    for fault in file["faults"]:
        yield f"Not measured: {fault}."
        yield ""


def _records(rows: Sequence[Result]) -> Iterator[str]:
    """The table of a scenario that measures no transport: its own fields, those within a field beside one another."""
    flat = [dict(_flat({name: value for name, value in row.items() if name != "scenario"})) for row in rows]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    yield f"| {' | '.join(columns)} |"
    yield f"| {' | '.join('---' for _ in columns)} |"
    for row in flat:
        yield f"| {' | '.join(_cell(row.get(name)) for name in columns)} |"
    yield ""


def _flat(row: Result) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from ((f"{name} {inner}", one) for inner, one in value.items())
        else:
            yield name, value


def _cell(value: object) -> str:
    """Whole numbers in full; other ones as figures are shown."""
    if isinstance(value, int):
        return f"{value:,}"
    return _number(value) if isinstance(value, float | None) else str(value)


def _row(row: Result, *, by_path: bool) -> str:
    subject = str(Subject(row["transport"], row["durability"], row.get("path")))
    median, lowest, highest = (f"{row['throughput_per_s' + which]:,.0f}" for which in ("", "_min", "_max"))
    latencies = [f"{row['latency_us'][name]:,}" for name in ("p50", "p99", "p99_9")]
    ratios = [_number(row["ratio_to_bare"]), _number(row["ratio_to_portable"])]
    ratios += [_number(row["ratio_to_empty"])] if by_path else []
    cells = [subject, str(row["in_flight"]), f"{median} ({lowest}, {highest})", *latencies, *ratios]
    return f"| {' | '.join(cells)} |"


def _measure_row(row: Result) -> str:
    own = {"name", "value", "value_min", "value_max"}
    of = ", ".join(f"{name} {value}" for name, value in row.items() if name not in own)
    figures = [_number(row[name]) for name in ("value", "value_min", "value_max")]
    return f"| {' | '.join([row['name'], of, *figures])} |"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"


if __name__ == "__main__":
    sys.exit(main())
