"""Holds the pages to the code: links lead somewhere; the commands, files, settings and numbers that they name exist."""

import re
from pathlib import Path

import pytest
from holdfast_bench.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MAKE_TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links name files of the project."""
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_targets_exist(page: Path) -> None:
    """Every `make X` that a page tells to type is a target."""
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE))
    assert named <= MAKE_TARGETS


def test_hacking_names_every_target() -> None:
    """The one screen for developers is complete."""
    text = (ROOT / "docs" / "hacking.md").read_text(encoding="utf-8")
    assert not [target for target in MAKE_TARGETS - {"help"} if f"make {target}" not in text]


def test_decisions_are_numbered_without_gaps() -> None:
    """Each page's title carries the number of its file."""
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    for number, page in enumerate(pages, start=1):
        assert page.name.startswith(f"{number:04d}-")
        assert page.read_text(encoding="utf-8").startswith(f"# {number}. ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page: Path) -> None:
    """Tests and sources in backticks are there; sources may be named from their package's folder on."""
    named = set(re.findall(r"`((?:[a-z_]+/)+[\w-]+\.[a-z]+)`", page.read_text(encoding="utf-8")))
    homes = [ROOT, ROOT / "sidecar" / "holdfast_sidecar", ROOT / "ledger" / "holdfast_ledger"]
    assert not [name for name in named if not any((home / name).exists() for home in homes)]


def test_each_fault_names_what_shows_it() -> None:
    """The table of faults has no promise without a test."""
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    rows = text.partition("| fault |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(rows) > 15
    assert not [row for row in rows if not re.search(r"`tests/[\w/]+\.py` \|$", row)]


def test_names_in_the_guarantees_exist() -> None:
    """A setting or field that the page names is one of the configuration or of the contract."""
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text))
    sources = [*ROOT.glob("protos/holdfast/v1/*.proto"), *ROOT.glob("*/holdfast_*/config.py")]
    known = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    known += (ROOT / "sidecar/holdfast_sidecar/observe/collector.py").read_text(encoding="utf-8")
    assert named
    assert not [name for name in named if not re.search(rf"\b{name.removeprefix('holdfast_')}\b", known)]


def test_invariants_are_numbered_and_cited_by_their_number() -> None:
    """The page counts from 1 without gaps, and no source cites a number that is not there."""
    numbers = re.findall(r"^\| I-(\d+) \|", (ROOT / "docs" / "invariants.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(number) for number in numbers] == list(range(1, len(numbers) + 1))
    folders = ("client", "sidecar", "ledger", "tests", "docs")
    files = [path for folder in folders for kind in ("*.py", "*.md") for path in (ROOT / folder).rglob(kind)]
    cited = {number for path in files for number in re.findall(r"\bI-(\d+)\b", path.read_text(encoding="utf-8"))}
    assert cited <= set(numbers)


def test_benchmarks_that_are_named_exist() -> None:
    """`holdfast bench X` in the README is a scenario."""
    named = set(re.findall(r"holdfast bench ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert named
    assert named <= set(SCENARIOS)
