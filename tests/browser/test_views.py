"""Every view: it loads, it is accessible, in both themes, at a desk and on a phone; it is where its address says."""

import re
import urllib.request
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from holdfast.v1 import ledger_service_pb2 as pb
from playwright.sync_api import Browser, expect

from tests.browser.conftest import DESK
from tests.browser.pages import VIEWS, Watched, amount, watched
from tests.browser.world import EVENT_COUNT, ConsoleWorld

Theme = Literal["light", "dark"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_loads_without_complaint_and_accessible(browser: Browser, world: ConsoleWorld, view: str, theme: Theme) -> None:
    """No error, no breach of the content policy, nothing from elsewhere, and nothing that axe finds."""
    with (
        browser.new_context(viewport=DESK, color_scheme=theme) as context,
        watched(context.new_page(), world.url) as page,
    ):
        page.open(VIEWS[view])
        assert page.page.locator("html").get_attribute("data-theme") == theme
        assert page.page.get_by_role("alert").all_inner_texts() == []
        results = Axe().run(page.page)
        page.screenshot(f"{view}-{theme}")
        assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("view", VIEWS)
def test_fits_a_phone(phone: Watched, view: str) -> None:
    """No view is wider than 360 pixels; tables scroll inside their own frame."""
    phone.open(VIEWS[view])
    phone.screenshot(f"{view}-phone")
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 360
    assert Axe().run(phone.page).violations_count == 0


@pytest.mark.parametrize("dialog", ["Grant", "New cap", "Change the policy"])
def test_dialogs_are_accessible(page: Watched, dialog: str) -> None:
    """So are the dialogs, each also on its second step."""
    page.open("/account?account=globex")
    page.page.get_by_role("button", name=dialog, exact=True).click()
    assert Axe().run(page.page).violations_count == 0
    page.screenshot(f"dialog-{dialog.lower().replace(' ', '-')}")
    for label in ("Amount in credits", "Limit in credits"):
        if page.page.get_by_label(label).is_visible():
            page.page.get_by_label(label).fill("12.5")
    page.page.get_by_role("button", name="Review").click()
    expect(page.page.get_by_text("This is about to happen.")).to_be_visible()
    assert Axe().run(page.page).violations_count == 0


def test_pages_have_nothing_inline(world: ConsoleWorld, browser: Browser) -> None:
    """The strict policy is sent with each page, and the page has no inline code or style that it would stop."""
    with urllib.request.urlopen(f"{world.url}/usage") as answer:
        assert answer.headers["Content-Security-Policy"] == POLICY
        text = answer.read().decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=\"/assets/)", text)
    script = re.search(r'src="(/assets/index-[\w-]{8}\.js)"', text)
    assert script
    with urllib.request.urlopen(world.url + script[1]) as answer:
        assert "immutable" in answer.headers["Cache-Control"]


def test_views_are_addresses(page: Watched) -> None:
    """Links change the address, back and forward change the view, and each view has a title of its own."""
    page.open("/")
    for name, path in (("Accounts", "/accounts"), ("Decisions", "/decisions"), ("Audit trail", "/audit")):
        page.page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.page).to_have_url(page.url + path)
        expect(page.page).to_have_title(f"{name} · Holdfast")
        expect(page.page.get_by_role("heading", level=1)).to_be_focused()
    page.page.go_back()
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Decisions")
    page.page.go_forward()
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Audit trail")
    page.open("/nowhere-at-all")
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Nothing here")


def test_account_shows_balances_apart(page: Watched, world: ConsoleWorld) -> None:
    """Posted, leased and what is not are the ledger's, each by itself; grants stand in the order in which they burn."""
    page.open("/account?account=globex")
    balance = world.balance("globex")
    for name, value in (
        ("Posted", balance.posted), ("Leased to hosts", balance.leased), ("Not leased", balance.free),
    ):  # fmt: skip
        assert amount(page.exact_figure(name)) == value
    page.open("/account?account=acme&pool=general&grant=invoice-1077")
    assert page.column("Grants of general", "Grant") == ["welcome", "invoice-1042", "invoice-1077"]
    expect(page.page.locator("mark")).to_have_text("invoice-1077")
    gauges = page.page.get_by_role("meter", name=re.compile("^Used of"))
    assert [gauge.get_attribute("aria-label") for gauge in gauges.all()] == [
        "Used of company", "Used of research-month", "Used of ana-month", "Used of chat-bot-month",
    ]  # fmt: skip
    assert (gauges.nth(2).get_attribute("aria-valuetext") or "").startswith("6.00 used")


def test_overview_sums_all_pools(page: Watched, world: ConsoleWorld) -> None:
    """What is posted, leased and free over all accounts is the sum of what each pool has."""
    page.open("/")
    accounts = ("acme", "globex", "initech")
    pools = [
        pool.balance
        for account_id in accounts
        for pool in world.stub.ListPools(pb.ListPoolsRequest(account_id=account_id)).pools
    ]
    expect(page.page.get_by_text("credits, 4 pools of 3 accounts")).to_be_visible()
    assert amount(page.exact_figure("Posted")) == sum(pool.posted for pool in pools)


@pytest.mark.parametrize(
    "address",
    [
        "/usage?account=acme&zone=Mars/Olympus&from=2026-99-99&to=2026-99-99",
        "/usage?where=%25zz&by=%25&hide=%2C%2C&top=-1&measure=nothing&unit=%00",
        "/entries?account=acme&pool=nothing&entry=1e9",
        "/account?account=%3Cimg%20src=x%20onerror=alert(1)%3E",
    ],
)
def test_an_address_that_makes_no_sense_is_no_blank_page(page: Watched, address: str) -> None:
    """Settings that mean nothing are passed over or told of; nothing in an address is taken for markup."""
    page.page.goto(page.url + address)
    page.settle()
    expect(page.page.get_by_role("heading", level=1)).not_to_have_text("Something is wrong here")
    assert page.page.locator("main img[src=x]").count() == 0
    page.forgive_refusals()


def test_sidecars_and_their_leases(page: Watched) -> None:
    """Who is connected, who is cut off, and what is out at each."""
    page.open("/sidecars?sidecar=host-1")
    links = dict(zip(page.column("Sidecars", "Sidecar"), page.column("Sidecars", "Link"), strict=True))
    assert links == {"host-1": "connected", "host-2": "cut off"}
    leases = page.table("Leases of host-1")
    expect(leases.get_by_role("link", name="acme").first).to_be_visible()
    page.page.get_by_role("link", name="host-2", exact=True).click()
    expect(page.page).to_have_url(f"{page.url}/sidecars?sidecar=host-2")
    expect(page.table("Leases of host-2")).to_be_visible()


def test_entries_with_their_origin(page: Watched) -> None:
    """The latest stand first; an entry tells its grant, operation and host; its operation lists all that it wrote."""
    page.open("/entries?account=acme&pool=general")
    numbers = [int(text) for text in page.column("Entries of acme general", "Entry")]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 200
    page.page.get_by_role("button", name="Show more").click()
    page.settle()
    assert len(page.rows("Entries of acme general")) == 400
    first = int(page.csv("Entries of acme general")[-1][0])
    page.open(f"/entries?account=acme&pool=general&entry={first}")
    expect(page.page.get_by_role("dialog")).to_contain_text("from issuance to grant:welcome")
    page.page.keyboard.press("Escape")
    page.page.get_by_label("Operation").fill("past-00000")
    page.page.get_by_label("Operation").press("Enter")
    page.settle()
    page.table("Entries of acme general").get_by_role("row").filter(has_text="past-00000").get_by_role("link").click()
    dialog = page.page.get_by_role("dialog")
    expect(dialog).to_contain_text("host-2, epoch 1, sequence 1000000, replayed by an operator")
    page.screenshot("entry")
    dialog.get_by_role("link", name="past-00000").click()
    page.settle()
    expect(page.page.get_by_role("heading", level=2)).to_have_text("Journal of general: operation past-00000")
    assert page.column("Entries of acme general", "Operation") == ["past-00000"]


def test_meters_and_their_events(page: Watched, world: ConsoleWorld) -> None:
    """The meter, what came of whom, and its figures in the explorer."""
    page.open("/meters")
    assert page.column("Meters", "Meter") == ["mails-sent"]
    assert ["ledger", str(EVENT_COUNT)] in [row[:2] for row in page.rows("Sources of events")]
    page.open("/usage?account=acme&measure=quantity&unit=mails-sent&by=template")
    assert page.rows("Usage by group")[0][:2] == ["welcome", str(EVENT_COUNT)]
