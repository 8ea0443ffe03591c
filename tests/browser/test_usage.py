"""The usage explorer: what is shown is what the ledger has, to the unit, whatever is toggled."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.pages import Watched, amount
from tests.browser.world import FORMULA, MODELS, REGIONS, ConsoleWorld
from tests.scenarios.world import START_TIMEOUT_S, wait_until

EVERYTHING = "/usage?account=acme&last=90d"


@pytest.fixture
def explorer(page: Watched, world: ConsoleWorld) -> Watched:
    """The explorer, once all of acme's debits are in the figures."""

    def complete() -> bool:
        page.open(EVERYTHING)
        return total(page) == world.balance().spent_total

    wait_until(complete, START_TIMEOUT_S)
    return page


def total(page: Watched) -> int:
    """The total that is shown, in full."""
    return amount(page.exact_figure("Total"))


def values(page: Watched, table: str = "Usage by group") -> list[int]:
    """The figures of a table."""
    return [amount(text) for text in page.column(table, "Value")]


def show_cells(page: Watched) -> None:
    """Opens the table of all cells, if it is closed."""
    if not page.table("Usage by step").is_visible():
        page.page.get_by_text("All cells of the chart").click()


def toggle(page: Watched, group: str, name: str) -> None:
    """Presses a toggle."""
    page.page.get_by_role("group", name=group).get_by_role("button", name=re.compile(rf"^\d?\s*{name}$")).click()
    page.settle()


def test_total_is_the_ledgers(explorer: Watched, world: ConsoleWorld) -> None:
    """The chart's total is what the ledger says was spent, the month's replayed debits among it."""
    assert total(explorer) == world.balance().spent_total > world.history_total


def test_dimensions_change_chart_and_table(explorer: Watched) -> None:
    """A dimension splits the figures, a second one splits them further, and none is lost; back undoes."""
    whole = total(explorer)
    toggle(explorer, "Group by", "model")
    assert set(explorer.column("Usage by group", "model")) == set(MODELS)
    assert sum(values(explorer)) == whole == total(explorer)
    chart = explorer.page.get_by_role("img", name="Credits by step, model")
    by_model = chart.screenshot()
    toggle(explorer, "Group by", "region")
    assert {tuple(row[:2]) for row in explorer.rows("Usage by group") if "All others" not in row} <= {
        (model, region) for model in MODELS for region in ["", *REGIONS]
    }
    assert sum(values(explorer)) == whole
    assert explorer.page.get_by_role("img", name="Credits by step, model, region").screenshot() != by_model
    explorer.page.go_back()
    explorer.settle()
    assert set(explorer.column("Usage by group", "model")) == set(MODELS)


def test_top_and_the_rest(page: Watched) -> None:
    """The largest groups and one with all others: together they are all."""
    page.open(EVERYTHING + "&by=model,region&top=0")
    every = values(page)
    assert every == sorted(every, reverse=True)
    page.open(EVERYTHING + "&by=model,region&top=5")
    shown = values(page)
    assert page.rows("Usage by group")[-1][0] == "All others"
    assert shown == [*every[:5], sum(every[5:])]


def test_hiding_a_group(page: Watched) -> None:
    """A group that is hidden leaves chart, table and total, and the address says so."""
    page.open(EVERYTHING + "&by=model")
    before = dict(zip(page.column("Usage by group", "model"), values(page), strict=True))
    chart = page.page.get_by_role("img", name=re.compile("^Credits by"))
    drawn = chart.screenshot()
    toggle(page, "Groups shown", "gpt-5")
    del before["gpt-5"]
    assert dict(zip(page.column("Usage by group", "model"), values(page), strict=True)) == before
    assert total(page) == sum(before.values())
    assert "hide=gpt-5" in page.page.url
    assert chart.screenshot() != drawn
    page.page.reload()
    page.settle()
    assert total(page) == sum(before.values())


def test_zoom_to_a_day(page: Watched) -> None:
    """A click on a day's bar shows its hours, and they come to what the day came to."""
    page.open("/usage?account=acme&last=30d&zone=UTC")
    show_cells(page)
    days = dict(zip(page.column("Usage by step", "Step"), values(page, "Usage by step"), strict=True))
    chart = page.page.get_by_role("img", name=re.compile("^Credits by"))
    box = chart.bounding_box()
    assert box
    chart.click(position={"x": box["width"] * 0.5, "y": box["height"] * 0.6})
    expect(page.page).to_have_url(re.compile("from=2"))
    page.settle()
    day = re.search(r"from=([\d-]+)&to=([\d-]+)", page.page.url)
    assert day
    assert day[1] == day[2]
    assert total(page) == days[day[1]]
    show_cells(page)
    assert all(step.startswith(day[1] + " ") for step in page.column("Usage by step", "Step"))
    assert sum(values(page, "Usage by step")) == days[day[1]]
    page.screenshot("usage-day")


def test_zoom_over_several_days(page: Watched) -> None:
    """Dragging over the chart takes the days that it passed."""
    page.open("/usage?account=acme&last=30d&zone=UTC")
    box = page.page.get_by_role("img", name=re.compile("^Credits by")).bounding_box()
    assert box
    page.page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 100)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 120, steps=4)
    page.page.mouse.up()
    expect(page.page).to_have_url(re.compile("from=2"))
    page.settle()
    show_cells(page)
    assert 6 <= len(page.rows("Usage by step")) <= 14


def test_comparison(page: Watched) -> None:
    """What is compared with is what the window before shows by itself."""
    page.open("/usage?account=acme&from=2026-01-01&to=2026-01-02")
    page.open("/usage?account=acme&last=7d&zone=UTC&by=model")
    page.page.get_by_label("Compare with").select_option("the window before")
    page.settle()
    compared = amount(page.figure("Compared with"))
    before = dict(zip(page.column("Usage by group", "model"), page.column("Usage by group", "Before"), strict=True))
    page.page.get_by_role("button", name="Window before").click()
    page.settle()
    page.page.get_by_label("Compare with").select_option("nothing")
    page.settle()
    shown = dict(zip(page.column("Usage by group", "model"), values(page), strict=True))
    assert shown == {model: amount(text) for model, text in before.items()}
    assert abs(total(page) - compared) < 10_000, "a figure is rounded to two decimals"


def test_trace_to_the_entries(page: Watched) -> None:
    """Behind a cell are debits that come to it; each leads to its entries, its grant and its host."""
    page.open(EVERYTHING + "&by=model")
    cell = dict(zip(page.column("Usage by group", "model"), values(page), strict=True))["llama-4-70b"]
    page.page.get_by_role("link", name="What is behind llama-4-70b").click()
    page.settle()
    header, *rows = page.csv("Trace")
    assert sum(amount(row[1]) for row in rows) == cell
    assert {row[header.index("Dimensions")].split("model=")[1].split(" ")[0] for row in rows} == {"llama-4-70b"}
    page.screenshot("usage-trace")
    operation = rows[0][header.index("Operation")]
    page.table("Trace").get_by_role("link", name=operation, exact=True).first.click()
    page.settle()
    assert set(page.column("Entries of acme general", "Operation")) == {operation}


def test_filters(page: Watched) -> None:
    """A filter keeps what it says, and its chip takes it away again."""
    page.open(EVERYTHING + "&by=model")
    shown = dict(zip(page.column("Usage by group", "model"), values(page), strict=True))
    page.page.get_by_role("button", name="+ Filter").click()
    page.page.get_by_label("Key").fill("model")
    page.page.get_by_label("Operator").select_option("begins with")
    page.page.get_by_label("Values").fill("gpt-")
    page.page.get_by_role("button", name="Add", exact=True).click()
    page.settle()
    assert set(page.column("Usage by group", "model")) == {"gpt-5", "gpt-5-mini"}
    page.page.get_by_role("button", name="Remove model begins with gpt-").click()
    page.settle()
    assert dict(zip(page.column("Usage by group", "model"), values(page), strict=True)) == shown
    page.page.get_by_role("link", name="Only gpt-5", exact=True).click()
    page.settle()
    assert total(page) == shown["gpt-5"]


def test_measures(page: Watched) -> None:
    """Quantities are those of a meter, cost is in money, and unlike units are never summed."""
    page.open(EVERYTHING)
    page.page.get_by_role("button", name="Quantity", exact=True).click()
    page.settle()
    page.page.get_by_label("Meter").select_option("input")
    page.settle()
    tokens = amount(page.exact_figure("Total") + ".") // 10**6
    page.page.get_by_label("Meter").select_option("output")
    page.settle()
    assert tokens // 5 < amount(page.exact_figure("Total") + ".") // 10**6 <= tokens // 4
    page.page.get_by_role("button", name="Cost", exact=True).click()
    page.settle()
    assert page.exact_figure("Total").endswith(" USD")


def test_csv_is_whole_and_safe(page: Watched) -> None:
    """The file has what the table shows, and nothing in it is taken for a formula."""
    page.open(EVERYTHING + "&by=feature&top=0")
    header, *rows = page.csv("Usage by group")
    assert header[:3] == ["feature", "Value (credits)", "Share"]
    assert [amount(row[1]) for row in rows] == values(page)
    names = {row[0] for row in rows}
    assert "'" + FORMULA in names
    assert FORMULA not in names


def test_what_cannot_be_asked_is_told(page: Watched) -> None:
    """A key that nothing has is the ledger's refusal, in its words, and the view stays of use."""
    page.open(EVERYTHING + "&by=no-such-key")
    expect(page.page.get_by_role("alert")).to_contain_text("no-such-key")
    toggle(page, "Group by", "no-such-key")
    assert total(page) > 0
    page.forgive_refusals()
