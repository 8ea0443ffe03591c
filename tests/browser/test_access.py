"""By keyboard alone, as decisions are taken, with a token, in the theme of one's choice; and how soon it is there."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from holdfast.v1 import enforcement_service_pb2 as spend
from holdfast.v1 import ledger_service_pb2 as pb
from holdfast.v1.enforcement_service_pb2_grpc import EnforcementServiceStub
from playwright.sync_api import Browser, expect

from tests.browser.conftest import DESK
from tests.browser.pages import SETTLE_MS, Watched, watched
from tests.browser.world import COUNT_TIMEOUT_S, CREDIT, ConsoleWorld
from tests.scenarios.world import START_TIMEOUT_S, wait_until


def test_keyboard_alone(page: Watched, world: ConsoleWorld) -> None:
    """The skip link comes first; views have keys; a grant is made without a mouse; the focus comes back."""
    page.open("/")
    keyboard = page.page.keyboard
    keyboard.press("Tab")
    expect(page.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    keyboard.press("Enter")
    expect(page.page.locator("main")).to_be_focused()
    keyboard.type("ga")
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Accounts")
    page.settle()
    keyboard.press("/")
    expect(page.page.get_by_label("Find")).to_be_focused()
    keyboard.type("ini")
    keyboard.press("Enter")
    page.settle()
    for _ in range(3):
        keyboard.press("Tab")
        if page.page.get_by_role("link", name="initech").evaluate("node => node === document.activeElement"):
            break
    keyboard.press("Enter")
    page.settle()
    expect(page.page).to_have_url(re.compile("account=initech"))
    before = world.balance("initech").posted
    page.page.get_by_role("button", name="Grant", exact=True).focus()
    keyboard.press("Enter")
    expect(page.page.get_by_label("Amount in credits")).to_be_focused()
    keyboard.type("3")
    keyboard.press("Enter")
    expect(page.page.get_by_role("dialog").get_by_role("button", name="Grant")).to_be_focused()
    keyboard.press("Enter")
    expect(page.page.get_by_role("dialog")).to_have_count(0)
    expect(page.page.get_by_role("button", name="Grant", exact=True)).to_be_focused()
    assert world.balance("initech").posted == before + 3 * CREDIT


def test_shortcuts_can_be_turned_off(page: Watched) -> None:
    """The list of shortcuts is a key away; without them letters do nothing."""
    page.open("/")
    page.page.keyboard.press("?")
    expect(page.page.get_by_role("dialog")).to_contain_text("First field of the view")
    page.page.get_by_label("Single keys do something").uncheck()
    page.page.keyboard.press("Escape")
    page.page.keyboard.type("ga")
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_theme_is_kept(page: Watched) -> None:
    """The theme that was chosen stays, whatever the system's is."""
    page.open("/")
    page.page.get_by_role("button", name="Dark theme").click()
    page.open("/accounts")
    expect(page.page.locator("html")).to_have_attribute("data-theme", "dark")


def test_decisions_appear_as_they_are_taken(page: Watched, world: ConsoleWorld) -> None:
    """A denial is on the page within seconds, with its reason and the level that denied, without a reload."""
    page.open("/decisions?show=denied&account=initech")
    with grpc.insecure_channel(world.sidecars[0].address) as channel:
        name = f"too-much-{time.monotonic_ns()}"
        charge = spend.ChargeRequest(operation_id=name, account_id="initech", delta=90_000 * CREDIT)
        EnforcementServiceStub(channel).Charge(charge, timeout=30)
    row = page.table("Decisions").get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("pool/general", timeout=SETTLE_MS)
    expect(row).to_contain_text("90,000.00")


def test_first_paint(browser: Browser, world: ConsoleWorld, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints how soon something is seen, and how soon the overview's figures are there, with an empty cache."""
    for _ in range(3):
        with (
            browser.new_context(viewport=DESK) as context,
            watched(context.new_page(), world.url) as page,
        ):
            began_s = time.monotonic()
            page.open("/")
            ready_ms = (time.monotonic() - began_s) * 1_000
            paint_ms = page.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            assert paint_ms > 0
            with capsys.disabled():
                print(f"\nfirst contentful paint {paint_ms:.0f} ms, overview complete {ready_ms:.0f} ms")  # noqa: T201


@pytest.fixture
def guarded(browser: Browser, tmp_path: Path) -> Iterator[ConsoleWorld]:
    """A ledger that asks for credentials, with nothing in it, and its usage store up."""
    made = ConsoleWorld(tmp_path, "--require-credentials", "true")
    try:
        made.ledger.start()
        wait_until(lambda: "console on" in made.ledger.log(), START_TIMEOUT_S)
        token = made.token("probe", "reader")
        wait_until(lambda: made.answers_questions(token), COUNT_TIMEOUT_S)
        yield made
    finally:
        made.end()


def test_asks_for_a_token(browser: Browser, guarded: ConsoleWorld) -> None:
    """Where credentials are required, the console asks for a token, keeps it for the tab, and forgets it again."""
    token = guarded.token("first")
    with (
        browser.new_context(viewport=DESK) as context,
        watched(context.new_page(), guarded.url) as page,
    ):
        page.page.goto(f"{page.url}/accounts")
        dialog = page.page.get_by_role("dialog", name="Sign in")
        dialog.get_by_label("Token").fill(token)
        dialog.get_by_role("button", name="Sign in").click()
        expect(dialog).to_have_count(0)
        expect(page.page.get_by_text("There is no such account.")).to_be_visible()
        page.page.reload()
        expect(page.page.get_by_text("There is no such account.")).to_be_visible()
        page.page.get_by_role("button", name="first", exact=True).click()
        page.page.get_by_role("button", name="Sign out").click()
        expect(page.page.get_by_role("alert")).to_be_visible()
        page.forgive_refusals()


def test_who_may_see_one_account(browser: Browser, guarded: ConsoleWorld) -> None:
    """A reader of one account is shown that one, in every view, without a refusal, and can change nothing."""
    credentials = [("authorization", f"Bearer {guarded.token('first')}")]
    for account_id in ("acme", "globex"):
        account = pb.CreateAccountRequest(account=pb.Account(account_id=account_id))
        guarded.stub.CreateAccount(account, metadata=credentials, wait_for_ready=True, timeout=START_TIMEOUT_S)
        pool = pb.CreatePoolRequest(pool=pb.Pool(account_id=account_id, pool_id="general"))
        guarded.stub.CreatePool(pool, metadata=credentials)
    token = guarded.token("ana", "reader", "acme")
    with (
        browser.new_context(viewport=DESK) as context,
        watched(context.new_page(), guarded.url) as page,
    ):
        context.add_init_script(f"sessionStorage.setItem('holdfast.token', '{token}')")
        for view in ("/", "/usage", "/accounts", "/decisions", "/entries", "/revenue", "/meters", "/audit"):
            page.open(view)
            expect(page.page.get_by_role("button", name="ana", exact=True)).to_be_visible()
            assert page.page.get_by_role("alert").all_inner_texts() == [], view
            assert "globex" not in page.page.locator("main").inner_text()
        page.open("/accounts")
        expect(page.page.get_by_role("heading", level=1)).to_have_text("acme")
        for action in ("Grant", "New cap", "Change the policy"):
            assert page.page.get_by_role("button", name=action, exact=True).count() == 0


def test_who_signs_out_leaves_nothing_behind(browser: Browser, guarded: ConsoleWorld) -> None:
    """What was shown to the one who was signed in is gone with the token."""
    token = guarded.token("first")
    credentials = [("authorization", f"Bearer {token}")]
    account = pb.CreateAccountRequest(account=pb.Account(account_id="acme"))
    guarded.stub.CreateAccount(account, metadata=credentials, wait_for_ready=True, timeout=START_TIMEOUT_S)
    pool = pb.CreatePoolRequest(pool=pb.Pool(account_id="acme", pool_id="general"))
    guarded.stub.CreatePool(pool, metadata=credentials)
    with (
        browser.new_context(viewport=DESK) as context,
        watched(context.new_page(), guarded.url) as page,
    ):
        page.page.goto(f"{page.url}/account?account=acme")
        dialog = page.page.get_by_role("dialog", name="Sign in")
        dialog.get_by_label("Token").fill(token)
        dialog.get_by_role("button", name="Sign in").click()
        balance = page.page.locator("h2", has_text="Balance of general")
        expect(balance).to_be_visible()
        page.page.get_by_role("button", name="first", exact=True).click()
        dialog.get_by_role("button", name="Sign out").click()
        expect(page.page.get_by_role("alert").first).to_be_visible()
        expect(balance).to_have_count(0)
        page.forgive_refusals()
