"""A page of the console under watch, and what people do with it."""

import contextlib
import csv
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

VIEWS = {
    "overview": "/",
    "usage": "/usage?by=model,region&compare=previous&last=30d&account=acme",
    "accounts": "/accounts",
    "account": "/account?account=acme",
    "decisions": "/decisions",
    "sidecars": "/sidecars",
    "entries": "/entries?account=acme&pool=general",
    "revenue": "/revenue",
    "meters": "/meters",
    "audit": "/audit",
}
"""Every view, with something to see in it."""

SETTLE_MS = 30_000
"""Time for a view to be there: a machine that tests runs on may be busy."""

MINUS = "\u2212"
"""How amounts below zero begin."""

BUSY = "[aria-busy=true], .empty:text('Loading…')"


class Watched:
    """A page, and what the browser complained of."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.set_default_timeout(SETTLE_MS)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("requestfailed", lambda request: self._on_failed(request.url, request.failure))
        page.on("request", lambda request: self._on_request(request.url))

    def _on_console(self, message: ConsoleMessage) -> None:
        # Violations of the content policy come as errors too.
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    def _on_failed(self, url: str, failure: str | None) -> None:
        if failure != "net::ERR_ABORTED":  # what a view asked for that was left meanwhile
            self.complaints.append(f"failed: {url}: {failure}")

    def _on_request(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:")):
            self.complaints.append(f"asks elsewhere: {url}")

    def open(self, path: str) -> None:
        """Opens a view by its address, and waits until it shows what it has to show."""
        self.page.goto(self.url + path)
        self.settle()

    def settle(self) -> None:
        """Waits until nothing is on its way; what was just done has two frames to set something on it."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.page.locator("h1").wait_for()
        expect(self.page.locator(BUSY)).to_have_count(0, timeout=SETTLE_MS)

    def forgive_refusals(self) -> None:
        """Forgets what the browser noted of calls that the ledger was to refuse, and nothing else."""
        self.complaints = [text for text in self.complaints if "responded with a status of 4" not in text]

    def table(self, name: str) -> Locator:
        """The table of a name."""
        return self.page.get_by_role("table", name=name, exact=True)

    def rows(self, name: str) -> list[list[str]]:
        """The cells of a table, as they are shown."""
        rows = self.table(name).locator("tbody tr")
        return [row.locator("td").all_inner_texts() for row in rows.all()]

    def column(self, name: str, header: str) -> list[str]:
        """One column of a table, by the text of its header."""
        headers = self.table(name).locator("thead th").all_inner_texts()
        place = next(place for place, text in enumerate(headers) if text.startswith(header))
        return [row[place] for row in self.rows(name)]

    def figure(self, name: str) -> str:
        """The value of a figure."""
        box = self.page.locator("div.figure").filter(has=self.page.locator("dt", has_text=re.compile(f"^{name}$")))
        return box.first.locator(".value").inner_text()

    def exact_figure(self, name: str) -> str:
        """The value of a figure that is shown rounded, in full."""
        box = self.page.locator("div.figure").filter(has=self.page.locator("dt", has_text=re.compile(f"^{name}$")))
        return box.first.locator(".value").get_attribute("title") or ""

    def csv(self, name: str) -> list[list[str]]:
        """Downloads a table; its header and its rows."""
        with self.page.expect_download() as waiting:
            self.page.get_by_role("button", name=f"Download {name} as CSV", exact=True).click()
        text = Path(waiting.value.path()).read_bytes().decode()
        assert text.endswith("\r\n")
        return list(csv.reader(io.StringIO(text, newline="")))

    def screenshot(self, name: str) -> None:
        """Keeps what is shown, where screenshots are wanted."""
        if folder := os.environ.get("HOLDFAST_SCREENSHOTS"):
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@contextlib.contextmanager
def watched(page: Page, url: str) -> Iterator[Watched]:
    """Fails at the end on whatever the browser complained of."""
    watch = Watched(page, url)
    yield watch
    assert not watch.complaints, "\n".join(watch.complaints)


def amount(text: str) -> int:
    """Minor units of an amount of credits as it is shown, such as "1,234.5"."""
    plain = text.replace(MINUS, "-").replace(",", "").split(" ")[0]
    whole, _, decimals = plain.lstrip("-").partition(".")
    return int(whole + decimals.ljust(6, "0")) * (-1 if plain.startswith("-") else 1)
