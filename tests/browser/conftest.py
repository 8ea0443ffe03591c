"""The console in Chromium, before a ledger that has a past. Without Chromium or the build these tests are skipped."""

import os
import shutil
from collections.abc import Iterator
from importlib import resources

import pytest
from playwright.sync_api import Browser, BrowserContext, ViewportSize, expect, sync_playwright

from tests.browser.pages import SETTLE_MS, Watched, watched
from tests.browser.world import ConsoleWorld

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
BUILT = (resources.files("holdfast_ledger.console") / "static" / "index.html").is_file()
PHONE: ViewportSize = {"width": 360, "height": 780}
DESK: ViewportSize = {"width": 1280, "height": 900}


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, without its sandbox where we are root."""
    if CHROMIUM is None:
        pytest.skip("no chromium here; apt-get install chromium")
    if not BUILT:
        pytest.skip("the console is not built; .ci/setup console")
    expect.set_options(timeout=SETTLE_MS)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*arguments, "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def world(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleWorld]:
    """One ledger for all of these tests: what they change, they change in a place of their own."""
    made = ConsoleWorld(tmp_path_factory.mktemp("console"))
    try:
        made.begin()
        yield made
    finally:
        made.end()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A window of a desk's size, without memory of others."""
    with browser.new_context(viewport=DESK, timezone_id="Europe/Berlin", locale="en-GB") as context:
        yield context


@pytest.fixture
def page(context: BrowserContext, world: ConsoleWorld) -> Iterator[Watched]:
    """A page before the console; the test fails on whatever the browser complains of."""
    with watched(context.new_page(), world.url) as page:
        yield page


@pytest.fixture
def phone(browser: Browser, world: ConsoleWorld) -> Iterator[Watched]:
    """The same on a phone."""
    with (
        browser.new_context(viewport=PHONE, has_touch=True, timezone_id="Europe/Berlin") as context,
        watched(context.new_page(), world.url) as page,
    ):
        yield page
