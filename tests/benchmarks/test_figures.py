"""The published page is what the result files say."""

import pytest
from holdfast_bench import figures


def test_the_page_shows_the_result_files() -> None:
    page = figures.PAGE.read_text(encoding="utf-8")
    files = figures.read(figures.RESULTS)
    assert files
    assert figures.replaced(page, figures.render(files)) == page, "run python -m holdfast_bench.figures"


def test_published_results_tell_their_faults_and_name_no_place() -> None:
    page = figures.PAGE.read_text(encoding="utf-8")
    for file in figures.read(figures.RESULTS):
        assert all(f"Not measured: {fault}." in page for fault in file["faults"])
        assert "/tmp" not in file["environment"]["command"]


def test_a_page_without_its_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="unpack"):
        figures.replaced("no markers", "figures")
