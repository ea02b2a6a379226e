"""The fleet's site in a real browser, from disk and below a path of a web server, asking for nothing else."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from runner.app.site import build_site
from runner.journal.folder import StateFolder
from runner.journal.store import open_store
from tests.browser.conftest import Browser
from tests.unit.reports.report_history import ASK, HOSTILE, Recording
from tests.unit.site.fleet_history import FleetRecording

NAMES = ("churn", "需要予測", "a.b-c_d")
ADDRESSES = """
return [...document.querySelectorAll('a[href], link[rel=stylesheet], script[src]')].map((one) => one.href || one.src)
"""
SHOWN = "return [...document.querySelectorAll('#list tbody:not([hidden]) th a')].map((one) => one.innerText)"
COLOUR = "return getComputedStyle(document.body).backgroundColor"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...  # the base class prints every request


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a site with a rollback, a candidate that waits and hostile reasons; its runs have their real reports."""
    root = tmp_path_factory.mktemp("fleet")
    folder = StateFolder(root / "state")
    store = open_store(folder)
    fleet = FleetRecording(record=Recording(store=store, folder=folder))
    for auc in ("0.900", "0.915", "0.880"):
        fleet.begin()
        fleet.train("churn", auc)
        fleet.end()
    fleet.begin("rollback")
    fleet.roll_back("churn")
    fleet.end()
    fleet.begin()
    fleet.train("churn", "0.92", ASK)
    for name in NAMES[1:]:
        fleet.fail(name, HOSTILE)
    fleet.end(1)
    store.close()
    build_site(str(folder.root), root / "below" / "a path")
    return root / "below" / "a path"


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    """Return the site's address below a path of a web server on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/a%20path/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def fleet_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the site of a fleet of 48 models, of which 12 need a person."""
    root = tmp_path_factory.mktemp("many")
    folder = StateFolder(root / "state")
    store = open_store(folder)
    fleet = FleetRecording(record=Recording(store=store, folder=folder))
    names = [
        f"{stem}-apac-southeast-{place:02}" for place in range(12) for stem in ("churn", "需要予測", "ltv", "stock")
    ]
    for _ in range(12):
        fleet.begin()
        for name in names[12:]:
            fleet.train(name, "0.9")
        fleet.end(page=b"")
    fleet.begin()
    for place, name in enumerate(names):
        if place < 4:
            fleet.fail(name)
        else:
            fleet.train(name, *(("0.5",) if place < 8 else ("0.92", ASK) if place < 12 else ("0.9",)))
    fleet.end(1, page=b"")
    store.close()
    build_site(str(folder.root), root / "site")
    return root / "site"


@pytest.fixture(scope="module")
def fleet_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a run of 14 models on the site."""
    root = tmp_path_factory.mktemp("several")
    folder = StateFolder(root / "state")
    store = open_store(folder)
    fleet = FleetRecording(record=Recording(store=store, folder=folder))
    fleet.begin()
    for place in range(14):
        fleet.train(f"churn-apac-southeast-{place:02}", "0.92", ASK)
    fleet.end(1)
    store.close()
    build_site(str(folder.root), root / "site")
    return next((root / "site" / "runs").glob("*/index.html"))


@pytest.fixture(params=["disk", "server"])
def base(request: pytest.FixtureRequest, site: Path) -> str:
    """Return where the site begins: as a file, or on a web server."""
    return f"{site.as_uri()}/" if request.param == "disk" else str(request.getfixturevalue("served"))


def visit(browser: Browser, address: str, *, width: int = 1400, theme: str = "light") -> None:
    """Open a page of the site; what the browser said and asked before is forgotten."""
    browser.open(b"", width=width, theme=theme)
    browser.complaints()
    browser.requests()
    browser.driver.get(address)


def model_page(site: Path, word: str) -> str:
    [found] = site.glob(f"models/{word}-*/index.html")
    return found.relative_to(site).as_posix()


def test_every_page_can_be_reached_and_asks_nothing_of_anybody_else(browser: Browser, base: str, site: Path) -> None:
    seen, waiting = set[str](), [f"{base}index.html"]
    while waiting:
        address = waiting.pop()
        seen.add(address)
        visit(browser, address)
        assert browser.complaints() == [], address
        assert [request for request in browser.requests() if not request.startswith(base)] == [], address
        linked = {urldefrag(urljoin(address, one)).url for one in browser.run(ADDRESSES)}
        assert all(one.startswith(base) for one in linked), address
        waiting += [one for one in linked if one.endswith(".html") and one not in {*seen, *waiting}]
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    assert {unquote(one.removeprefix(base)) for one in seen} == pages


@pytest.mark.parametrize(("width", "theme"), [(1400, "light"), (400, "dark")])
@pytest.mark.parametrize("page", ["index", "runs", "model", "run", "decision"])
def test_a_page_fits_its_window_and_axe_finds_nothing(
    browser: Browser, site: Path, page: str, width: int, theme: str
) -> None:
    ended = sorted(path.relative_to(site).as_posix() for path in site.glob("runs/*/index.html"))
    path = {
        "index": "index.html",
        "runs": "runs/index.html",
        "model": model_page(site, "churn"),
        "run": ended[-1],
        "decision": ended[3],
    }[page]
    visit(browser, f"{site.as_uri()}/{path}", width=width, theme=theme)
    for details in browser.driver.find_elements(By.TAG_NAME, "summary"):
        details.click()
    assert browser.violations() == []
    assert browser.run("return document.documentElement.scrollWidth") <= width


def test_a_page_is_dark_where_the_reader_wants_it_dark(browser: Browser, site: Path) -> None:
    colours = set()
    for theme in ("light", "dark"):
        visit(browser, f"{site.as_uri()}/index.html", theme=theme)
        colours.add(browser.run(COLOUR))
    assert len(colours) == 2


def test_hostile_reasons_stay_text(browser: Browser, site: Path) -> None:
    """Names cannot be hostile here: the journal takes none that the manifest refuses."""
    shown = []
    for path in site.glob("models/*/index.html"):
        visit(browser, path.as_uri())
        assert "owned" not in browser.driver.title
        assert browser.run("return document.querySelectorAll('img').length + document.scripts.length") == 1
        shown.append("<script>alert(1)</script>" in browser.run("return document.body.innerText"))
    assert any(shown)
    visit(browser, f"{site.as_uri()}/index.html")
    assert len(browser.run(SHOWN)) == len(NAMES)


def test_a_model_is_found_by_name_and_outcome_and_opened_by_keyboard(browser: Browser, site: Path) -> None:
    visit(browser, f"{site.as_uri()}/index.html")
    find = browser.driver.find_element(By.ID, "find")
    find.send_keys("churn")
    assert browser.run(SHOWN) == ["churn"]
    find.send_keys(Keys.ESCAPE)
    browser.driver.find_element(By.CSS_SELECTOR, ".toggle.failed").click()
    assert "churn" not in browser.run(SHOWN)
    assert len(browser.run(SHOWN)) == len(NAMES) - 1
    browser.driver.find_element(By.CSS_SELECTOR, ".toggle.failed").click()
    browser.driver.find_element(By.LINK_TEXT, "churn").send_keys(Keys.ENTER)
    assert browser.driver.find_element(By.TAG_NAME, "h1").text.startswith("churn")


def test_the_first_key_leads_past_the_navigation(browser: Browser, site: Path) -> None:
    visit(browser, f"{site.as_uri()}/index.html")
    browser.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert browser.driver.switch_to.active_element.text == "Skip to the content"
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.run("return document.activeElement.id") == "content"


def test_the_picture_tells_switches_holds_waits_and_rollbacks_also_in_words(browser: Browser, site: Path) -> None:
    visit(browser, f"{site.as_uri()}/{model_page(site, 'churn')}")
    figure = browser.driver.find_element(By.CSS_SELECTOR, ".wide-plot")
    kinds = {element.get_attribute("class") for element in figure.find_elements(By.CSS_SELECTOR, "g circle, g rect")}
    assert kinds == {"is-switched", "is-held", "is-waiting"}
    assert len(figure.find_elements(By.CSS_SELECTOR, ".turn")) == 1
    words = browser.run("return arguments[0].querySelector('svg > title').textContent", figure)
    assert words.endswith("1 held, 2 switched, 1 waiting")


def test_a_date_leads_to_the_model_in_that_runs_report_and_from_there_back(browser: Browser, site: Path) -> None:
    visit(browser, f"{site.as_uri()}/{model_page(site, 'churn')}")
    browser.driver.find_element(By.CSS_SELECTOR, "#list tbody th a").send_keys(Keys.ENTER)
    row = browser.driver.switch_to.active_element.find_element(By.XPATH, "ancestor::tbody")
    assert row.find_element(By.TAG_NAME, "th").text == "churn"
    assert row.find_element(By.CLASS_NAME, "panel").is_displayed()
    back = browser.driver.find_element(By.LINK_TEXT, "Models")
    assert back.is_displayed()
    back.send_keys(Keys.ENTER)
    assert browser.driver.find_element(By.TAG_NAME, "h1").text == "3 of 3 models need a person."
    assert browser.complaints() == []


@pytest.mark.parametrize(("width", "most"), [(1400, 3000), (400, 6000)])
def test_forty_eight_models_fit_a_few_screens_and_the_first_thing_to_do_the_first_one(
    browser: Browser, fleet_site: Path, width: int, most: int
) -> None:
    visit(browser, (fleet_site / "index.html").as_uri(), width=width)
    assert browser.run("return document.documentElement.scrollHeight") <= most
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.run("return document.querySelector('#must-do .command button').getBoundingClientRect().bottom") < 900
    todo = [item.text for item in browser.driver.find_elements(By.CSS_SELECTOR, "#must-do .who .badge")]
    assert [word.split(" ", 1)[1] for word in todo] == ["failed", "failed", "held", "awaiting approval"]
    assert "2 more failed, 3 more held, 3 more awaiting approval." in browser.driver.page_source
    assert browser.violations() == []


def test_on_a_phone_a_long_name_is_whole_beside_its_outcome_and_link(browser: Browser, fleet_report: Path) -> None:
    visit(browser, fleet_report.as_uri(), width=400)
    rows = browser.driver.find_elements(By.CSS_SELECTOR, "#list tbody tr:first-child")
    assert len(rows) == 14
    assert max(row.size["height"] for row in rows) < 56, "two lines"
    links = browser.driver.find_elements(By.CSS_SELECTOR, "#list a[aria-label^='history of']")
    assert all(link.is_displayed() for link in links)
    assert len(links) == 14


def test_no_argument_of_a_command_is_broken_at_its_hyphens(browser: Browser, fleet_site: Path) -> None:
    visit(browser, (fleet_site / "index.html").as_uri(), width=400)
    [first, *_] = browser.driver.find_elements(By.CSS_SELECTOR, "#must-do .command code")
    heights = browser.run("return [...arguments[0].children].map((part) => part.getBoundingClientRect().height)", first)
    assert len(heights) > 2
    assert max(heights) < 25, "each argument is on one line"
    shown = browser.run("return arguments[0].textContent", first)
    assert shown in (fleet_site / "index.html").read_text("utf-8").replace("&#34;", '"'), (
        "what is copied is the command"
    )


def test_a_day_has_a_bar_in_colours_and_numbers_at_its_axis(browser: Browser, fleet_site: Path) -> None:
    visit(browser, (fleet_site / "index.html").as_uri())
    fills = browser.run(
        "return [...document.querySelectorAll('.days .field rect')].map((bar) => getComputedStyle(bar).fill)"
    )
    assert len(set(fills)) == 4
    assert [text.text for text in browser.driver.find_elements(By.CSS_SELECTOR, ".days .levels text")] == ["48", "0"]
