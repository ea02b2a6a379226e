"""A real browser, where there is one. Its pages are files; what it asks the network for is recorded."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from runner.journal.folder import StateFolder
from runner.reports.formats.render import render_html
from tests.unit.reports.report_history import MemoryJournal, Recording

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--hide-scrollbars", "--lang=en-US"),
)
COUNT_ELEMENTS = """
addEventListener("DOMContentLoaded", () => { window.elementsAtFirst = document.getElementsByTagName("*").length; });
"""
# HTML lets a `div` group the terms within `dl` (HTML Standard, 4.4.9). The packaged axe-core 3.1 takes that for an
# error (dequelabs/axe-core#1265): the rule is on, and what it says of terms that are in such a group is dropped.
FIND_VIOLATIONS = """
const grouped = (node) => document.querySelector(node.target[0]).matches("dl > div > dt, dl > div > dd");
axe.run().then((found) => {
  for (const one of found.violations) one.nodes = one.nodes.filter((node) => one.id !== "dlitem" || !grouped(node));
  arguments[0](found.violations);
});
"""
AXE = files("axe_selenium_python").joinpath("node_modules", "axe-core", "axe.min.js")


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """A browser, and the folder its pages are in."""

    driver: Chrome
    folder: Path

    def open(self, content: bytes, *, width: int = 1400, theme: str = "light", fragment: str = "") -> None:
        """Open a page from disk."""
        page = self.folder / "page.html"
        page.write_bytes(content)
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        )
        self.driver.get("about:blank")
        self._log("performance")
        self.driver.get(f"{page.as_uri()}{fragment}")

    def open_again(self, width: int) -> None:
        """Open the page that is open at another width."""
        self.open((self.folder / "page.html").read_bytes(), width=width)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page and return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def _log(self, name: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.driver.get_log(name)  # type: ignore[no-untyped-call] # selenium's omission
        return entries

    def complaints(self) -> list[str]:
        """Return what the console has shown since it was last asked."""
        return [entry["message"] for entry in self._log("browser")]

    def requests(self) -> list[str]:
        """Return the addresses the page asked for since it was opened, without itself and what is inline."""
        entries = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        asked = [one["params"]["request"]["url"] for one in entries if one["method"] == "Network.requestWillBeSent"]
        own = (self.folder / "page.html").as_uri()
        return [url for url in asked if url.split("#")[0] != own and not url.startswith("data:")]

    def violations(self) -> list[str]:
        """Return the violations of any impact that axe-core finds in the page as it is."""
        self.run(AXE.read_text("utf-8"))
        found = self.driver.execute_async_script(FIND_VIOLATIONS)
        return [f"{rule['id']} ({rule['impact']}): {node['html']}" for rule in found for node in rule["nodes"]]


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium or chromedriver is not installed")
    options = ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    made = Chrome(options=options, service=Service(DRIVER))
    made.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": COUNT_ELEMENTS})
    yield made
    made.quit()


@pytest.fixture
def browser(driver: Chrome, tmp_path: Path) -> Browser:
    return Browser(driver=driver, folder=tmp_path)


@pytest.fixture(scope="session")
def render() -> Callable[[Callable[[Recording], None]], bytes]:
    """Return a renderer of the last run of a recorded scene."""

    def rendered(scene: Callable[[Recording], None]) -> bytes:
        record = Recording(store=MemoryJournal(), folder=StateFolder(Path("nowhere")))
        scene(record)
        return render_html(record.history())

    return rendered
